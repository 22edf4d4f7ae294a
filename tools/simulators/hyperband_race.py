"""Hyperband race: schedulers against each other when early losses rank final ones only so well; trains no model."""

from __future__ import annotations

import math
from typing import Any, Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.hyperband_table import brackets
from tools.simulators.multifidelity import Race, Setup, mean, run

MAX_JOBS = 6_000
MAX_MODELLED = 160
MAX_BARS = 1_500
GRID = 40


class HyperbandRace(Params):
    strategy: Literal["hyperband", "bohb", "successive-halving", "asha", "random"] = param(
        "hyperband", words=["strategy", "scheduler", "BOHB", "ASHA", "successive halving", "random search"])
    max_budget: int = param(81, ge=1, le=729, unit="epochs",
                            words=["R", "maximum budget", "max epochs", "epochs at most", "full budget"])
    eta: int = param(3, ge=2, le=10, unit="count", words=["eta", "reduction factor", "halving rate"])
    table: Literal["formula", "code"] = param("formula", words=["table", "variant", "reference code"],
                                              help="algorithm 1 of the paper, or its reference code and table 1")
    workers: int = param(8, ge=1, le=256, unit="workers", words=["workers", "GPUs", "in parallel", "parallel"])
    rank_correlation: float = param(0.6, ge=-1.0, le=1.0, unit="fraction",
                                    words=["rank correlation", "Spearman", "early losses rank", "correlation"],
                                    help="between the loss at the smallest budget and the final loss")
    unit_s: int = param(60, ge=1, le=100_000, unit="s", words=["an epoch takes", "per epoch", "per unit", "seconds"])
    straggler_spread: float = param(0.3, ge=0.0, le=1.5, unit="fraction", words=["stragglers", "spread of run times"])
    resume: bool = param(True, words=["resume", "checkpoint", "from scratch"])
    passes: int = param(1, ge=1, le=10, unit="count", words=["passes", "times over"])
    dims: int = param(2, ge=1, le=8, unit="count", words=["hyperparameters", "dimensions"])
    repeats: int = param(5, ge=1, le=100, unit="count", words=["repeats", "repetitions"])
    show: Literal["regret", "gantt"] = param("regret", words=["show", "plot"])


@tool("hyperband-race", group="G", kind="simulator",
      words=["Hyperband", "ASHA", "BOHB", "successive halving", "early stopping of trials", "multi-fidelity",
             "bracket"],
      example={"strategy": "asha", "workers": 16, "rank_correlation": 0.6},
      cases=[
          Case({"repeats": 1}, {"budget_code": 1_701, "budget_formula": 1_902, "brackets": 5, "configurations": 143},
               source="Li et al., JMLR 18, 2018: table of algorithm 1"),
          Case({"repeats": 1, "table": "code"}, {"configurations": 128}, source="reference code: 81+27+9+6+5"),
          Case({"rank_correlation": 1.0, "strategy": "successive-halving", "repeats": 3}, {"lost_best": 0.0},
               source="perfect ranks never drop the best"),
      ],
      asks=[
          Ask("Hyperband with R=81 and eta=3: how much budget do all brackets use by the paper's formula?",
              "budget_formula", 1_902.0),
          Ask("Total budget of Hyperband's reference code with maximum budget 81 and eta 3?", "budget_code", 1_701.0),
          Ask("How many brackets has Hyperband at R = 27 and eta = 3?", "brackets", 4.0),
          Ask("How many configurations does Hyperband start for a maximum budget of 81 epochs and eta 3?",
              "configurations", 143.0),
          Ask("With perfect rank correlation 1.0, how often does successive halving lose its best configuration?",
              "lost_best", 0.0),
      ])
def hyperband_race(p: HyperbandRace, seed: int) -> ToolResult:
    """Hyperband, BOHB, ASHA, successive halving and random search on one budget: regret, time and idle workers.

    A configuration has a final loss, given as the share of the search space that is better. A smaller budget shows a
    loss whose rank correlation with the final one is set at the smallest budget and grows to 1 at the largest.
    Successive halving trains all at a small budget and keeps the best 1/eta for the next; Hyperband runs brackets from
    many short to few long trainings; BOHB lets TPE (optuna) propose the configurations; ASHA promotes as soon as a
    worker is free. All get the budget of Hyperband's brackets. Synchronous rungs wait for their last job.
    Two bracket tables circulate: algorithm 1 of the paper starts 81/34/15/8/5 configurations (1,902 units), its table 1
    and reference code 81/27/9/6/5 (1,701). Code that takes a floating-point logarithm loses a bracket at R = 243.
    People get wrong: that early losses rank final ones. With a weak correlation aggressive halving throws the best
    configuration away (`lost_best`); that is why Hyperband hedges over brackets. And that more workers divide the time:
    rungs have few jobs at the end.
    Sources: Li et al., JMLR 18, 2018; Falkner, Klein & Hutter, ICML 2018; Li et al. (ASHA), arXiv 1810.05934.

    >>> hyperband_race(HyperbandRace(repeats=1), 0).values["budget_formula"]
    1902
    """
    setup = _setup(p, p.rank_correlation)
    repeats = _repeats(p, setup)
    races = _races(p.strategy, setup, seed, repeats)
    ideal = _races(p.strategy, _setup(p, 1.0), seed, repeats)
    chance = _races("random", setup, seed, p.repeats)
    other_name = "asha" if p.strategy != "asha" else "hyperband"
    other = _races(other_name, setup, seed, p.repeats)
    first = races[0]
    regret, hoped, by_chance = mean(races, _regret), mean(ideal, _regret), mean(chance, _regret)
    span = first.makespan_ms / 1000
    busy = math.fsum(each.end_ms - each.start_ms for each in first.jobs) / (first.makespan_ms * p.workers)
    lost = mean(races, _lost_best)
    return ToolResult(
        tool="hyperband-race",
        values={"regret": regret, "random_regret": by_chance, "lost_best": lost, "makespan_s": span,
                "utilisation": busy,
                "configurations": len(first.quantiles), "trainings": len(first.jobs), "budget_spent": first.spent,
                "brackets": len(setup.brackets), **_budgets(p), f"{other_name}_regret": mean(other, _regret),
                f"{other_name}_makespan_s": other[0].makespan_ms / 1000},
        units={"regret": "fraction", "random_regret": "fraction", "lost_best": "fraction", "makespan_s": "s",
               "utilisation": "fraction", "budget_spent": "epochs", "budget_code": "epochs",
               "budget_formula": "epochs", f"{other_name}_makespan_s": "s"},
        naive={"regret": hoped, "makespan_s": first.spent * p.unit_s / p.workers},
        summary=f"{p.strategy} starts {len(first.quantiles)} configurations on {first.spent:,.6g} epochs and ends with "
                f"one that {regret:.2%} of the space beats (random search on the same budget: {by_chance:.2%}). If "
                f"early losses ranked final ones: {hoped:.2%}. The best start is lost in {lost:.0%} of runs. "
                f"{p.workers} workers need {span:,.0f} s and are busy {busy:.0%} of it.",
        formula="bracket s: n = ceil(B/R eta^s/(s+1)) configurations at R eta^-s; rung i keeps floor(n eta^-i)",
        series=_table(setup),
        plot=_gantt(p, first) if p.show == "gantt" else _curves(p, races, ideal, chance, other, other_name),
        assumptions=[f"a Gaussian copula links losses; {repeats} races are averaged, times are of the first",
                     "run times are proportional to the budget, with log-normal stragglers",
                     "survivors resume from checkpoints" if p.resume else "survivors start again from scratch"],
        warnings=_warnings(p, busy, regret, by_chance),
    )


def _setup(p: HyperbandRace, spearman: float) -> Setup:
    table = brackets(p.max_budget, p.eta, p.table)
    jobs = sum(int(count) for each in table for count, _ in each) * p.passes
    if jobs * p.repeats > MAX_JOBS:
        raise ToolError(f"hyperband-race: {jobs} trainings a race and {p.repeats} repeats exceed {MAX_JOBS}; lower "
                        "max_budget, passes or repeats.")
    cost = 0.0
    for rungs in table:
        before = 0.0
        for count, level in rungs:
            cost += float(count) * (level - before)
            before = float(level) if p.resume else 0.0
    return Setup(table, p.max_budget, p.eta, p.workers, p.unit_s * 1000, p.straggler_spread,
                 2 * math.sin(math.pi * spearman / 6), p.resume, cost * p.passes, p.dims)


def _repeats(p: HyperbandRace, setup: Setup) -> int:
    """Fewer races when a model proposes configurations, because each proposal takes milliseconds."""
    if p.strategy != "bohb":
        return p.repeats
    configs = sum(int(each[0][0]) for each in setup.brackets) * p.passes
    if configs > MAX_MODELLED:
        raise ToolError(f"hyperband-race: bohb would propose {configs} configurations of {MAX_MODELLED} at most; "
                        "lower max_budget or passes.")
    return 1


def _races(strategy: str, setup: Setup, seed: int, repeats: int) -> list[Race]:
    return [run(strategy, setup, [seed, each]) for each in range(repeats)]


def _regret(race: Race) -> float:
    return race.regret


def _lost_best(race: Race) -> float:
    return float(race.regret > race.started_best)


def _budgets(p: HyperbandRace) -> dict[str, Any]:
    """Budget of all brackets by both tables, each rung paid in full."""
    found: dict[str, Any] = {}
    for name in ("code", "formula"):
        table = brackets(p.max_budget, p.eta, "code" if name == "code" else "formula")
        total = math.fsum(count * level for each in table for count, level in each)
        found[f"budget_{name}"] = int(total) if total == int(total) else total
    return found


def _table(setup: Setup) -> dict[str, list[Any]]:
    rows = [(len(setup.brackets) - 1 - index, rung, count, level)
            for index, rungs in enumerate(setup.brackets) for rung, (count, level) in enumerate(rungs)]
    return {name: [row[column] for row in rows]
            for column, name in enumerate(("bracket", "rung", "configurations", "budget"))}


def _curves(p: HyperbandRace, races: list[Race], ideal: list[Race], chance: list[Race], other: list[Race],
            other_name: str) -> Plot:
    end = max(each.makespan_ms for each in (*races, *chance, *other))
    times = [round(end * step / GRID) for step in range(1, GRID + 1)]
    x: list[float | str] = [each / 1000 for each in times]
    sets = [(p.strategy, races), (f"{p.strategy} if early losses ranked (naive)", ideal), ("random search", chance),
            (other_name, other)]
    return Plot(title=f"Early stopping finds good settings sooner: {p.workers} workers", x_label="time (s)",
                y_label="regret: better settings (fraction)",
                log_y=True, lines=[
                    Line(label=name, kind="step", dashed=group is ideal, x=x,
                         y=[mean(group, lambda race, at=at: _at(race, at)) for at in times])  # type: ignore[misc]
                    for name, group in sets if group is not chance or p.strategy != "random"])


def _at(race: Race, time_ms: int) -> float:
    return next((value for at, value in reversed(race.incumbent) if at <= time_ms), 0.5)


def _gantt(p: HyperbandRace, race: Race) -> Plot:
    shown = race.jobs[:MAX_BARS]
    lines = []
    for level in sorted({each.level for each in shown}):
        jobs = [each for each in shown if each.level == level]
        lines.append(Line(label=f"to {level:g} epoch{'s' if level != 1 else ''}", kind="gantt", x=[each.start_ms / 1000 for each in jobs],
                          y=[each.worker for each in jobs], x2=[each.end_ms / 1000 for each in jobs]))
    return Plot(title=f"{p.strategy} on {p.workers} workers: who trains when",
                x_label="time (s)", y_label="worker", lines=lines)


def _warnings(p: HyperbandRace, busy: float, regret: float, by_chance: float) -> list[str]:
    found = []
    if busy < 0.6:
        found.append(f"Workers idle {1 - busy:.0%} of the time: rungs wait for their last job; asha doesn't.")
    if regret > by_chance:
        found.append("Early stopping did worse than random search here: early losses mislead or the space is easy.")
    if p.rank_correlation < 0.3:
        found.append("With so weak a rank correlation, start from a larger smallest budget (a larger first rung).")
    return found
