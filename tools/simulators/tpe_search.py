"""TPE search: optuna's sampler on a known loss, with parallel workers and the constant liar; trains no model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.random_search import best_quantile, random_top
from tools.plot_axes import figure
from tools.simulators.multifidelity import open_study

MAX_TRIALS = 150
NEAR = 0.05
"""Two trials of a batch this close (in a coordinate's range) count as one."""
LEAST_LOSS = 1e-6
"""The plot shows no smaller ones."""


class TpeSearch(Params):
    objective: Literal["bowl", "rugged", "one-matters"] = param("bowl", words=["objective", "loss", "function"])
    trials: int = param(40, ge=2, le=150, unit="trials", words=["trials", "configurations", "runs", "evaluations"])
    workers: int = param(4, ge=1, le=32, unit="workers", words=["workers", "in parallel", "at once", "parallel trials"])
    constant_liar: bool = param(True, words=["constant liar", "constant_liar", "liar"])
    startup: int = param(10, ge=1, le=100, unit="trials", words=["startup", "random start", "startup trials"])
    dims: int = param(2, ge=1, le=8, unit="count", words=["hyperparameters", "dimensions", "parameters"])
    repeats: int = param(1, ge=1, le=10, unit="count", words=["repeats", "repetitions"])


@dataclass(frozen=True)
class Arm:
    """Points tried, the best loss after each trial, and the share of a modelled batch that repeats a neighbour."""

    points: list[list[float]]
    losses: list[float]
    best: list[float]
    crowded: float


@tool("tpe-search", group="G", kind="simulator",
      words=["TPE", "optuna", "tree-structured Parzen estimator", "parallel trials", "constant liar"],
      example={"trials": 40, "workers": 8, "constant_liar": False},
      cases=[
          Case({"trials": 20, "workers": 1}, {"trials": 20, "batches": 20}, source="one trial a batch"),
          Case({"trials": 60}, {"random_top5": 0.95393}, abs=1e-5, source="Bergstra & Bengio, JMLR 2012"),
      ],
      asks=[
          Ask("TPE with 40 trials on 8 workers: how many rounds of waiting is that?", "batches", 5.0),
          Ask("If I drew 60 trials at random instead of by TPE, how likely is one in the top 5%?", "random_top5",
              0.95393),
          Ask("What share of the space beats the best of 39 random trials on average?", "random_quantile", 0.025),
      ])
def tpe_search(p: TpeSearch, seed: int) -> ToolResult:
    """TPE by optuna on a loss with a known optimum, one batch of parallel trials after the other.

    TPE splits the finished trials into good and bad, estimates a density of each, and samples where good over bad is
    highest. Workers ask while others still run; with the constant liar a running trial counts as a bad one, so that the
    next doesn't land beside it. The loss is 0 at the optimum: a bowl, a bowl with ripples, or one in which only the
    first hyperparameter matters.
    People get wrong: that a sampler run in parallel explores by itself. Without the liar a batch piles up (`crowded` is
    the share of trials within 5% of another of their batch). And that a model beats chance from the first trial: the
    `startup` trials are random, and with as many workers as trials all of them are.
    Sources: Bergstra et al., NeurIPS 2011; optuna's TPESampler.

    >>> tpe_search(TpeSearch(trials=8, workers=4), 0).values["batches"]
    2
    """
    if p.trials * p.repeats > MAX_TRIALS:
        raise ToolError(f"tpe-search: trials * repeats is {p.trials * p.repeats}; it must be at most {MAX_TRIALS}.")
    chosen = [_search(p, p.constant_liar, seed, each) for each in range(p.repeats)]
    other = [_search(p, not p.constant_liar, seed, each) for each in range(p.repeats)]
    chance = [_random(p, seed, each) for each in range(p.repeats)]
    careless = other if p.constant_liar else chosen
    label = "with" if p.constant_liar else "without"
    liars = {f"TPE {label} liar": chosen, f"TPE {'without' if p.constant_liar else 'with'} liar": other}
    arms = {name + (" (naive)" if group is careless else ""): group for name, group in liars.items()} | {"random": chance}
    curves = {name: [math.fsum(arm.best[each] for arm in group) / len(group) for each in range(p.trials)] for name, group in arms.items()}
    return ToolResult(
        tool="tpe-search",
        values={"regret": _end(chosen), "random_regret": _end(chance), "crowded": _crowd(chosen), "trials": p.trials,
                "batches": math.ceil(p.trials / p.workers), "best_point": chosen[0].points[_argmin(chosen[0].losses)],
                "random_top5": float(random_top(p.trials, 0.05)), "random_quantile": float(best_quantile(p.trials))},
        units={"trials": "trials", "batches": "rounds", "crowded": "fraction", "random_top5": "fraction",
               "random_quantile": "fraction"},
        naive={"regret": _end(careless), "crowded": _crowd(careless)},
        summary=f"TPE {label} the constant liar ends {_end(chosen):.3g} above the optimum after {p.trials} trials on "
                f"{p.workers} workers (random search {_end(chance):.3g}); {_crowd(chosen):.0%} of its trials crowd a "
                f"neighbour of their batch, {'without' if p.constant_liar else 'with'} the liar {_crowd(other):.0%}.",
        formula="sample x where l(x) / g(x) is highest: densities of good and bad trials",
        series={"trial": list(range(1, p.trials + 1)), "loss": chosen[0].losses, "best": chosen[0].best,
                **{f"x{each}": [point[each] for point in chosen[0].points] for each in range(p.dims)}},
        plot=Plot(title=f"TPE with {p.workers} worker{'s at a time' if p.workers > 1 else ''} against random search",
                  x_label="trials (count)", y_label="best loss less optimum (loss)", log_y=True, lines=[
            Line(label=name, kind="step", dashed=group is careless, x=list(range(1, p.trials + 1)), y=[
                max(LEAST_LOSS, mean) for mean in curves[name]])
            for name, group in arms.items()], marks=[{"axis": "y", "at": LEAST_LOSS, "label": f"{figure(LEAST_LOSS)} or less"}]
            if any(curve[-1] < LEAST_LOSS for curve in curves.values()) else []),
        assumptions=["trials of a batch end together",
                     f"searches averaged: {p.repeats}; the series show the first"],
        warnings=_warnings(p),
    )


def _loss(p: TpeSearch, point: list[float]) -> float:
    if p.objective == "one-matters":
        return (point[0] - 0.3) ** 2
    apart = [each - 0.3 for each in point]
    bowl = math.fsum(each**2 for each in apart)
    if p.objective == "bowl":
        return bowl
    return bowl + 0.05 * math.fsum(1 - math.cos(8 * math.pi * each) for each in apart)


def _search(p: TpeSearch, liar: bool, seed: int, repeat: int) -> Arm:
    import numpy as np

    study = open_study(int(np.random.default_rng([seed, repeat]).integers(2**31)), liar, p.startup)
    points: list[list[float]] = []
    losses: list[float] = []
    while len(points) < p.trials:
        batch = [study.ask() for _ in range(min(p.workers, p.trials - len(points)))]
        for trial in batch:
            points.append([float(trial.suggest_float(f"x{each}", 0.0, 1.0)) for each in range(p.dims)])
        for trial, point in zip(batch, points[-len(batch):], strict=True):
            losses.append(_loss(p, point))
            study.tell(trial, losses[-1])
    return _arm(p, points, losses)


def _random(p: TpeSearch, seed: int, repeat: int) -> Arm:
    import numpy as np

    rng = np.random.default_rng([seed, repeat])
    points = [[float(each) for each in row] for row in rng.random((p.trials, p.dims))]
    return _arm(p, points, [_loss(p, each) for each in points])


def _arm(p: TpeSearch, points: list[list[float]], losses: list[float]) -> Arm:
    best = [min(losses[: count + 1]) for count in range(len(losses))]
    crowded = modelled = 0
    for start in range(0, len(points), p.workers):
        batch = points[start:start + p.workers]
        if start < p.startup or len(batch) < 2:
            continue
        modelled += len(batch)
        crowded += sum(any(max(abs(a - b) for a, b in zip(one, two, strict=True)) < NEAR
                           for two in batch if two is not one) for one in batch)
    return Arm(points, losses, best, crowded / modelled if modelled else 0.0)


def _end(arms: list[Arm]) -> float:
    return math.fsum(each.best[-1] for each in arms) / len(arms)


def _crowd(arms: list[Arm]) -> float:
    return math.fsum(each.crowded for each in arms) / len(arms)


def _argmin(losses: list[float]) -> int:
    return min(range(len(losses)), key=losses.__getitem__)


def _warnings(p: TpeSearch) -> list[str]:
    found = []
    if p.startup >= p.trials:
        found.append("All trials are startup trials, so this is random search.")
    if p.workers > 1 and not p.constant_liar:
        found.append("Set constant_liar when workers run in parallel.")
    if p.repeats == 1:
        found.append("One search is luck; compare samplers over several seeds.")
    return found
