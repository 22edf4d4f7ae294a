"""Random search against grid search: how many trials find the best few percent; trains nothing."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

_N: dict[str, Any] = {"ge": 1, "le": 10**9, "unit": "trials", "words": ["trials", "draws", "samples", "runs", "configurations", "n"]}
_TOP: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["top", "best", "top share"]}
_BERGSTRA = "Bergstra & Bengio, JMLR 2012: 1 - 0.95^60"


@formula("hpo.random_top5", unit="fraction", words=["hit the top 5%"], cases=[
    Case({"n": 60}, {"result": 0.95393}, abs=1e-5, source=_BERGSTRA),
])
def random_top5(n: int = param(**_N)) -> float:
    """Chance that the best of n random draws lies in the top 5% of the space: 1 - 0.95^n."""
    return float(random_top(n, 0.05))


@formula("hpo.random_top", unit="fraction", words=["hit the top", "chance of a top configuration"], cases=[
    Case({"n": 60, "top": 0.05}, {"result": 0.95393}, abs=1e-5, source=_BERGSTRA),
    Case({"n": 100, "top": 0.01}, {"result": 0.633968}, abs=1e-6, source="1 - 0.99^100"),
])
def random_top(n: int = param(**_N), top: float = param(0.05, **_TOP)) -> float:
    """Chance that the best of n random draws lies in the top share of the space: 1 - (1 - top)^n."""
    return -math.expm1(n * math.log1p(-top))


@formula("hpo.random_draws", unit="trials", words=["how many random trials", "draws needed"], cases=[
    Case({"top": 0.05, "confidence": 0.95}, {"result": 59}, source="ln 0.05 / ln 0.95 = 58.4"),
])
def random_draws(
    top: float = param(0.05, **_TOP),
    confidence: float = param(0.95, gt=0, lt=1, unit="fraction", words=["confidence", "chance", "probability"]),
) -> int:
    """Random draws needed so that one lies in the top share with the given chance."""
    return max(1, math.ceil(math.log1p(-confidence) / math.log1p(-top) - 1e-12))


@formula("hpo.best_quantile", unit="fraction", words=["expected rank of the best", "best of random trials on average"], cases=[
    Case({"n": 19}, {"result": 0.05}, rel=1e-12, source="first order statistic of uniforms: 1 / (n + 1)"),
])
def best_quantile(n: int = param(**_N)) -> float:
    """Expected share of the space that is better than the best of n random draws: 1 / (n + 1)."""
    return 1 / (n + 1)


@formula("hpo.grid_product", unit="trials", words=["grid search", "grid points", "full grid", "size of the grid"], cases=[
    Case({"values": [3, 4, 5]}, {"result": 60}, source="3*4*5"),
], asks=[Ask("Grid search over hyperparameters with 3, 4 and 5 values: how many trials has the full grid?", "result", 60)])
def grid_product(values: list[int] = param(min_length=1, max_length=100, words=["values", "levels", "hyperparameters", "grid"])) -> int:
    """Trials of a grid whose hyperparameters have different numbers of values: their product."""
    if min(values) < 1 or max(values) > 1_000_000:
        raise ToolError("hpo.grid_product: every hyperparameter needs between 1 and 1,000,000 values.")
    return math.prod(values)


@formula("hpo.grid_trials", unit="trials", words=["grid search", "grid points", "full grid", "size of the grid"],
         cases=[Case({"values": 5, "dims": 4}, {"result": 625}, source="values^dims")],
         asks=[Ask("A full grid with 5 values for each of 4 hyperparameters: how many trials?", "result", 625)])
def grid_trials(
    values: int = param(ge=1, le=1_000, unit="count", words=["values", "levels", "values each", "settings"]),
    dims: int = param(ge=1, le=30, unit="count", words=["hyperparameters", "dimensions"]),
) -> int:
    """Trials of a grid: values ^ hyperparameters."""
    total: int = values**dims
    return total


@formula("hpo.grid_distinct", unit="count", cases=[
    Case({"trials": 64, "dims": 6}, {"result": 2}, source="Bergstra & Bengio: 64 trials test 2 values of each of 6"),
])
def grid_distinct(
    trials: int = param(ge=1, le=10**9, unit="trials", words=["trials"]),
    dims: int = param(ge=1, le=30, unit="count", words=["hyperparameters", "dimensions"]),
) -> int:
    """Values of each hyperparameter that a full grid of at most so many trials tests; random search tests one a
    trial."""
    values: int = round(trials ** (1 / dims))
    return values if int(values**dims) <= trials else values - 1


class RandomSearch(Params):
    trials: int = param(60, ge=1, le=1_000_000, unit="trials",
                        words=["trials", "draws", "random trials", "configurations", "samples", "runs"])
    top: float = param(0.05, ge=1e-6, le=0.999, unit="fraction", words=["top", "best", "top share"])
    confidence: float = param(0.95, gt=0, lt=1, unit="fraction", words=["confidence", "sure", "probability"])
    dims: int = param(6, ge=1, le=30, unit="count", words=["hyperparameters", "dimensions", "parameters"])
    important: int = param(2, ge=1, le=30, unit="count", words=["important", "that matter", "matter"])


@tool("random-search", group="G",
      words=["random search", "grid search", "hyperparameters", "top 5%", "how many trials"],
      example={"trials": 60, "top": 0.05},
      cases=[
          Case({}, {"chance": 0.95393, "draws_needed": 59}, abs=1e-5, source=_BERGSTRA),
          Case({"trials": 64, "dims": 6}, {"grid_values": 2, "random_values": 64}, source="Bergstra & Bengio, JMLR "
                                                                                          "2012"),
      ],
      asks=[
          Ask("What is the chance that 60 random trials hit the top 5%?", "chance", 0.95393),
          Ask("How many random draws until one is in the top 1% with 95% confidence?", "draws_needed", 299.0),
          Ask("64 trials over 6 hyperparameters as a grid: how many values of each are tried?", "grid_values", 2.0),
          Ask("100 random configurations: probability that one lies among the best 2%?", "chance", 0.867380),
      ])
def random_search(p: RandomSearch, seed: int) -> ToolResult:
    """How likely random search finds a good configuration, and what a grid of as many trials would test.

    Draws are independent, so the chance to hit the top share is 1 - (1 - top)^trials, whatever the number of
    hyperparameters. A grid spends its trials on repeating few values of each; when only some hyperparameters matter, it
    tests values^important different settings of those, random search one a trial.
    People get wrong: that 60 trials come close to the optimum (they hit the best 5% of the *volume searched*, which may
    still be far worse than the best); that a grid is thorough because it is regular.
    Source: Bergstra & Bengio, JMLR 13, 2012.

    >>> round(random_search(RandomSearch(), 0).values["chance"], 3)
    0.954
    """
    if p.important > p.dims:
        raise ToolError(f"random-search: {p.important} important ones of only {p.dims} hyperparameters; it must be at "
                        f"most "
                        "that.")
    chance, needed = float(random_top(p.trials, p.top)), int(random_draws(p.top, p.confidence))
    levels = int(grid_distinct(p.trials, p.dims))
    settings = min(p.trials, levels**p.important)
    counts = sorted({max(1, round(max(p.trials, needed, 10) * step / 30)) for step in range(1, 31)})
    return ToolResult(
        tool="random-search",
        values={"chance": chance, "draws_needed": needed, "best_quantile": float(best_quantile(p.trials)),
                "grid_values": levels, "grid_settings": settings, "random_values": p.trials,
                "grid_chance": float(random_top(settings, p.top))},
        units={"chance": "fraction", "draws_needed": "trials", "best_quantile": "fraction", "grid_values": "count",
               "grid_settings": "count", "random_values": "count", "grid_chance": "fraction"},
        naive={"chance": min(1.0, p.trials * p.top), "draws_needed": math.ceil(1 / p.top)},
        summary=f"{p.trials:,} random trials hit the best {p.top:.3g} of the space with chance {chance:.4f}; "
                f"{needed:,} reach {p.confidence:.0%}. Adding up chances would say {min(1.0, p.trials * p.top):.4g}. "
                f"Values that a grid of as many trials tests of each of {p.dims} hyperparameters: {levels}.",
        formula="1 - (1 - top)^trials; trials = ln(1 - confidence) / ln(1 - top)",
        series={"trials": list(counts), "chance": [float(random_top(each, p.top)) for each in counts]},
        plot=Plot(title=f"Trials until one is among the best {100 * p.top:.3g}%",
                  x_label="trials (count)", y_label="chance (fraction)", lines=[
            Line(label=f"random search, top {p.top:.3g}", x=list(counts),
                 y=[float(random_top(each, p.top)) for each in counts]),
            Line(label=f"grid, {p.important} of {p.dims} matter", x=list(counts), y=[
                float(random_top(max(1, min(each, int(grid_distinct(each, p.dims)) ** p.important)), p.top))
                for each in counts]),
            Line(label="adding up chances (naive)", x=list(counts), y=[min(1.0, each * p.top) for each in counts], dashed=True),
        ], marks=[{"axis": "y", "at": p.confidence, "label": f"wanted: {p.confidence:g}"}]),
        assumptions=["draws are independent and uniform over the space searched",
                     "for the grid, settings of the important hyperparameters count as draws"],
        warnings=["A low rank in the space isn't a low loss: a badly chosen range makes the top 5% bad too."],
    )
