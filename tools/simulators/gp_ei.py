"""GP-EI stepper: Bayesian optimisation of a known curve in batches, by a liar or by top-k; tunes no model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.gaussian_process import Kernel, correlation

GRID = 201
X = [each / (GRID - 1) for each in range(GRID)]
MAX_POINTS = 120
MAX_FITS = 2_500

Strategy = Literal["top-k", "liar-min", "liar-mean", "liar-max"]


class GpEi(Params):
    objective: Literal["forrester", "waves", "valley", "needle"] = param(
        "forrester", words=["objective", "function", "curve"])
    kernel: Kernel = param("matern52", words=["kernel", "RBF", "Matern"])
    length: float = param(0.12, ge=0.01, le=2.0, unit="count", words=["length scale", "length"])
    noise: float = param(0.0, ge=0.0, le=2.0, unit="count", words=["noise", "noise deviation"],
                         help="standard deviation of an observation, in standard deviations of the curve")
    xi: float = param(0.01, ge=0.0, le=2.0, unit="count", words=["xi", "margin", "exploration"])
    batch: int = param(4, ge=1, le=16, unit="count", words=["batch", "batches of", "workers", "in parallel", "at once"])
    strategy: Strategy = param("liar-min", words=["strategy", "constant liar", "liar", "top-k"])
    initial: int = param(4, ge=1, le=30, unit="trials", words=["initial", "random start", "start points"])
    rounds: int = param(5, ge=1, le=60, unit="rounds", words=["rounds", "iterations", "steps"])
    repeats: int = param(10, ge=1, le=50, unit="count", words=["repeats", "repetitions", "seeds"],
                         help="searches with other start points, over which regret is averaged")
    show: Literal["posterior", "acquisition", "regret"] = param("regret", words=["show", "plot"])


@dataclass(frozen=True)
class Search:
    """Grid indices tried, values observed, the best true value after each, the last batch, how wide batches were."""

    points: list[int]
    values: list[float]
    best: list[float]
    last: list[int]
    spread: list[float]
    process: Process


class Process:
    """A Gaussian process on the grid that takes observations one by one, each in the time of one row."""

    def __init__(self, p: GpEi) -> None:
        import numpy as np

        grid = np.array(X)
        self._kernel = correlation(np.abs(grid[:, None] - grid[None, :]) / p.length, p.kernel)
        self._noise = max(p.noise**2, 1e-6)
        self._rows = np.zeros((MAX_POINTS + 16, GRID))
        self._ends = np.zeros((MAX_POINTS + 16, 2))
        self.count = 0

    def add(self, point: int, value: float) -> None:
        """One more row of the Cholesky factor, applied to the kernel, the values and a constant."""
        known = self._rows[: self.count]
        cross = known[:, point]
        pivot = math.sqrt(max(1 + self._noise - float(cross @ cross), 1e-9))
        self._rows[self.count] = (self._kernel[point] - cross @ known) / pivot
        self._ends[self.count] = ([value, 1.0] - cross @ self._ends[: self.count]) / pivot
        self.count += 1

    def forget(self, count: int) -> None:
        """Drops all but the first `count` observations."""
        self.count = count

    def believe(self, values: list[float]) -> tuple[Any, Any, float, float]:
        """Standardised mean and deviation on the grid, and the centre and scale of the values."""
        import numpy as np

        seen = np.array(values)
        centre, scale = float(seen.mean()), float(seen.std()) or 1.0
        rows, ends = self._rows[: self.count], self._ends[: self.count]
        mean = ((ends[:, 0] - centre * ends[:, 1]) / scale) @ rows
        return mean, np.sqrt(np.maximum(1 - (rows**2).sum(axis=0), 0.0)), centre, scale


@tool("gp-ei", group="G", kind="simulator",
      words=["Bayesian optimisation", "Bayesian optimization", "expected improvement", "Gaussian process",
             "acquisition function", "constant liar", "batch suggestions", "surrogate"],
      example={"strategy": "top-k", "batch": 4},
      cases=[
          Case({"batch": 1, "rounds": 20}, {"regret": 0.0}, abs=0.02, source="the grid's minimum is found"),
          Case({"objective": "forrester"}, {"optimum": -6.0207}, abs=5e-3,
               source="Forrester, Sobester & Keane 2008: minimum -6.0207 at 0.7572, between two grid points"),
      ],
      asks=[
          Ask("Bayesian optimisation with batches of 4 over 5 rounds from 4 start points: how many trials are run?",
              "trials", 24.0),
          Ask("What is the minimum of the Forrester function on the grid?", "optimum", -6.018),
          Ask("With 8 workers and 3 rounds after 4 start points, how many evaluations are made?", "trials", 28.0),
      ])
def gp_ei(p: GpEi, seed: int) -> ToolResult:
    """Bayesian optimisation of a curve on [0, 1], with batches chosen by top-k or by a constant liar.

    A Gaussian process of fixed kernel is fitted to the standardised observations; expected improvement is worked out on
    201 points. One worker takes its maximum. For a batch, `top-k` takes the k best points of the same acquisition; a
    liar takes one point, pretends that it returned the minimum, mean or maximum seen so far, updates the process, and
    picks the next, until the batch is full. Regret is the best true value found less the optimum, averaged over
    `repeats` searches; the series show the first.
    People get wrong: that the top k points of an acquisition explore. They are neighbours of one peak (`batch_spread`
    is how far apart a batch lies), so a batch of 4 learns hardly more than one trial and costs four. And that parallel
    trials are free: per trial a sequential search is usually better, batches only save time.
    Sources: Jones, Schonlau & Welch 1998; Ginsbourger, Le Riche & Carraro 2010 (constant liar).

    >>> gp_ei(GpEi(batch=2, rounds=3), 0).values["trials"]
    10
    """
    total = p.initial + p.batch * p.rounds
    if total > MAX_POINTS or total * p.repeats > MAX_FITS:
        raise ToolError(f"gp-ei: initial + batch * rounds is {total} trials; it may be {MAX_POINTS} at most, and "
                        f"{MAX_FITS} times the repeats.")
    true = [_OBJECTIVES[p.objective](x) for x in X]
    arms = {name: [_search(p, strategy, batch, rounds, true, seed, each) for each in range(p.repeats)]
            for name, strategy, batch, rounds in (("chosen", p.strategy, p.batch, p.rounds),
                                                  ("top-k", "top-k", p.batch, p.rounds),
                                                  ("single", "top-k", 1, p.batch * p.rounds))}
    regret = {name: _mean([each.best[-1] for each in runs]) - min(true) for name, runs in arms.items()}
    spread = {name: _mean([value for each in runs for value in each.spread]) for name, runs in arms.items()}
    first = arms["chosen"][0]
    surface = _surface(p, first)
    return ToolResult(
        tool="gp-ei",
        values={"regret": regret["chosen"], "sequential_regret": regret["single"], "optimum": min(true),
                "trials": total,
                "found_share": _found(arms["chosen"], true), "batch_spread": spread["chosen"],
                "top_k_spread": spread["top-k"], "best_value": first.best[-1],
                "next_x": X[max(range(GRID), key=surface[2].__getitem__)]},
        units={"trials": "trials", "found_share": "fraction"},
        naive={"regret": regret["top-k"], "found_share": _found(arms["top-k"], true)},
        summary=f"After {total} trials in {p.rounds} batches of {p.batch} ({p.strategy}) the mean regret is "
                f"{regret['chosen']:.3g}; top-k ends at {regret['top-k']:.3g}, one by one at {regret['single']:.3g}. "
                f"Points of a batch span {spread['chosen']:.3f} of the range, with top-k {spread['top-k']:.3f}.",
        formula="EI(x) = (best - mu - xi) Phi(z) + sigma phi(z), z = (best - mu - xi) / sigma",
        series={"x": list(X), "objective": true, "mean": surface[0], "deviation": surface[1],
                "expected_improvement": surface[2], "trial_x": [X[each] for each in first.points],
                "trial_value": first.values, "best": first.best},
        plot=_plot(p, true, arms, surface),
        assumptions=["the kernel and its length are given, not fitted; observations are standardised",
                     "all trials of a batch end together"],
        warnings=_warnings(p, regret["chosen"], true),
    )


def _needle(x: float) -> float:
    return 1 - 0.3 * x - 1.2 * math.exp(-(((x - 0.23) / 0.03) ** 2))


_OBJECTIVES: dict[str, Callable[[float], float]] = {
    "forrester": lambda x: (6 * x - 2) ** 2 * math.sin(12 * x - 4),
    "waves": lambda x: math.sin(20 * x) + 0.6 * math.cos(33 * x) + 2 * (x - 0.6) ** 2,
    "valley": lambda x: (x - 0.35) ** 2,
    "needle": _needle,
}


def _search(p: GpEi, strategy: str, batch: int, rounds: int, true: list[float], seed: int, repeat: int) -> Search:
    import numpy as np

    rng = np.random.default_rng([seed, repeat])
    start = [int(each) for each in rng.choice(GRID, p.initial, replace=False)]
    errors = rng.standard_normal(MAX_POINTS) * p.noise * float(np.std(true))
    found = Search([], [], [], [], [], Process(p))
    _observe(found, start, true, errors)
    for _ in range(rounds):
        chosen = _batch(p, strategy, batch, found)
        _observe(found, chosen, true, errors)
        found.last[:] = chosen
        if batch > 1:
            found.spread.append((max(chosen) - min(chosen)) / (GRID - 1))
    return found


def _observe(found: Search, chosen: list[int], true: list[float], errors: Any) -> None:
    for each in chosen:
        value = true[each] + float(errors[len(found.values)])
        found.process.add(each, value)
        found.points.append(each)
        found.values.append(value)
        found.best.append(min(true[each], found.best[-1]) if found.best else true[each])


def _batch(p: GpEi, strategy: str, batch: int, found: Search) -> list[int]:
    """Grid indices to try next; none twice in a batch, and without noise none that is known."""
    import numpy as np

    values = list(found.values)
    lie = {"liar-min": min(values), "liar-mean": _mean(values), "liar-max": max(values)}.get(strategy)
    chosen: list[int] = []
    for _ in range(batch):
        gain = _gain(p, found, values, found.points + chosen)[2]
        gain[[*chosen, *(found.points if p.noise == 0 else [])]] = -1.0
        if lie is None:
            return [int(each) for each in np.argsort(-gain, kind="stable")[:batch]]
        chosen.append(int(np.argmax(gain)))
        values.append(lie)
        found.process.add(chosen[-1], lie)
    found.process.forget(len(found.values))
    return chosen


def _gain(p: GpEi, found: Search, values: list[float], points: list[int]) -> tuple[Any, Any, Any]:
    """Posterior mean and deviation in the curve's units and expected improvement, on the grid."""
    import numpy as np
    from scipy.special import ndtr

    mean, deviation, centre, scale = found.process.believe(values)
    best = float(mean[points].min()) if p.noise else (min(values) - centre) / scale
    room, safe = best - mean - p.xi, np.maximum(deviation, 1e-12)
    z = np.clip(room / safe, -38, 38)
    gain = np.maximum(room * ndtr(z) + safe * np.exp(-z * z / 2) / math.sqrt(2 * math.pi), 0.0)
    return mean * scale + centre, deviation * scale, gain * scale


def _surface(p: GpEi, found: Search) -> tuple[list[float], list[float], list[float]]:
    mean, deviation, gain = _gain(p, found, found.values, found.points)
    return [float(each) for each in mean], [float(each) for each in deviation], [float(each) for each in gain]


def _found(runs: list[Search], true: list[float]) -> float:
    """Share of searches whose best is within 1% of the curve's range."""
    near = min(true) + 0.01 * (max(true) - min(true))
    return sum(each.best[-1] <= near for each in runs) / len(runs)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def _plot(p: GpEi, true: list[float], arms: dict[str, list[Search]],
          surface: tuple[list[float], list[float], list[float]]) -> Plot:
    mean, deviation, gain = surface
    x: list[float | str] = list(X)
    first = arms["chosen"][0]
    marks = [{"axis": "x", "at": X[each], "label": "last batch" if not place else ""} for place, each in enumerate(sorted(first.last))]
    if p.show == "posterior":
        return Plot(title="What the Gaussian process believes",
                    x_label="hyperparameter (its unit)", y_label="loss", marks=marks, lines=[
            Line(label="objective", x=x, y=list(true), dashed=True), Line(label="mean", x=x, y=list(mean)),
            Line(label="mean - 2 sd", x=x, y=[m - 2 * d for m, d in zip(mean, deviation, strict=True)]),
            Line(label="mean + 2 sd", x=x, y=[m + 2 * d for m, d in zip(mean, deviation, strict=True)]),
            Line(label="trials", kind="scatter", x=[X[each] for each in first.points], y=list(first.values))])
    if p.show == "acquisition":
        peak = max(range(GRID), key=gain.__getitem__)
        return Plot(title="Where to try next", x_label="hyperparameter (its unit)",
                    y_label="expected improvement (loss)", marks=marks, lines=[
            Line(label="expected improvement", x=x, y=list(gain)),
            Line(label="next", kind="scatter", x=[X[peak]], y=[gain[peak]])])
    labels = {"chosen": p.strategy, "top-k": "top-k (naive)", "single": "one at a time"}
    lines = []
    for name, runs in arms.items():
        if name == "chosen" and p.strategy == "top-k":
            continue  # the arm of top-k shows the same
        steps = range(len(runs[0].best))
        lines.append(Line(label=labels[name], kind="step", dashed=name == "top-k", x=[each + 1 for each in steps],
                          y=[_mean([run.best[each] for run in runs]) - min(true) for each in steps]))
    return Plot(title=f"A batch of the {p.batch} best candidates explores least: mean regret",
                x_label="trials (count)", y_label="best found less optimum (loss)", lines=lines)


def _warnings(p: GpEi, regret: float, true: list[float]) -> list[str]:
    found = []
    if regret > 0.01 * (max(true) - min(true)):
        found.append("Not all searches find the optimum; more start points or a shorter length scale may help.")
    if p.batch > 1 and p.strategy == "top-k":
        found.append("top-k tries neighbours of one peak; a liar spreads the batch.")
    if p.noise == 0:
        found.append("Without noise a trial is never repeated; real training runs vary with their seed.")
    return found
