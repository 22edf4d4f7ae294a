"""How far two distributions are apart, from their shares or samples. Knows nothing about significance."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, ToolError, formula, outputs, param

PSI_BANDS = (0.1, 0.25)
"""Credit-scoring convention: below 0.1 stable, up to 0.25 look closer, above 0.25 large. They are not significance."""

_SHARES: dict[str, Any] = {"min_length": 1, "max_length": 10_000, "unit": "fraction"}
_SAMPLE: dict[str, Any] = {"min_length": 1, "max_length": 100_000}
_FLOOR: dict[str, Any] = {"ge": 0.0, "le": 0.01, "unit": "fraction", "words": ["floor", "epsilon", "for empty bins"]}
_SYMMETRIC = "Lin 1991, natural logarithm"


@formula("drift.psi", words=["psi", "population stability index", "psi between", "stability index"], cases=[
    Case({"ref": [0.2] * 5, "cur": [0.1, 0.15, 0.2, 0.25, 0.3]}, {"result": 0.135403}, abs=1e-6, source="arithmetic"),
    Case({"ref": [0.5, 0.5], "cur": [0.6, 0.4]}, {"result": 0.040547}, abs=1e-6, source="arithmetic"),
    Case({"ref": [0.5, 0.5], "cur": [0.75, 0.25]}, {"result": 0.274653}, abs=1e-6, source="arithmetic: 0.25 ln 3"),
], asks=[
    Ask("PSI between expected 20%, 30%, 50% and actual 10%, 30%, 60%?", "result", 0.0875469),
    Ask("At training time the five groups each held 20% of the users. This month the split is 30%, 25%, 20%, 15% and 10%. What is the "
        "population "
        "stability index?", "result", 0.135403),
    Ask("PSI, please: reference bins 20/30/50 %, this week 10/30/60 %?", "result", 0.0875469),
    Ask("Population stability index? Baseline counts: 200 300 500, last week: 100 300 600", "result", 0.0875469),
    Ask("bin | train | prod\n0-10 | 200 | 100\n10-20 | 300 | 300\n20-30 | 500 | 600\nWhat is the PSI?", "result", 0.0875469),
    Ask("Which PSI do the histograms before: 40, 30, 30 and after: 20, 30, 50 have?", "result", 0.240795),
])
def psi(
    ref: list[float] = param(words=["reference", "expected", "before", "training", "train", "baseline"], **_SHARES),
    cur: list[float] = param(words=["current", "actual", "after", "now", "this week", "this month", "live", "production", "prod"],
                                    **_SHARES),
    floor: float = param(1e-4, **_FLOOR),
) -> float:
    """Population stability index of two histograms over the same bins, sum (q - p) ln(q / p).

    Counts are turned into shares. An empty bin would make it infinite, so a share of 0 counts as `floor`; floor 0
    refuses it. Symmetric: PSI = KL(p, q) + KL(q, p)."""
    p, q = _pair(ref, cur)
    total = 0.0
    for a, b in zip(p, q, strict=True):
        if a == b:
            continue
        if min(a, b) == 0 and floor == 0:
            raise ToolError("drift.psi: a bin is empty on one side, so PSI is infinite; give a floor such as 0.0001.")
        a, b = a or floor, b or floor
        total += (b - a) * math.log(b / a)
    return total


@formula("drift.psi_band", cases=[
    Case({"psi": 0.135403}, {"result": "moderate"}), Case({"psi": 0.2747}, {"result": "large"}),
])
def psi_band(psi: float = param(ge=0, le=1e6, words=["psi"])) -> str:
    """The usual reading of a PSI: below 0.1 stable, 0.1 to 0.25 moderate, above 0.25 large."""
    return "stable" if psi < PSI_BANDS[0] else "moderate" if psi <= PSI_BANDS[1] else "large"


@formula("drift.psi_noise", words=["psi without drift", "noise of the psi"],
         cases=[Case({"bins": 10, "n": 1000, "m": 1000}, {"result": 0.018}, rel=1e-9)], asks=[
    Ask("How large is the PSI on average without any drift for 10 bins and 500 reference samples?", "result", 0.036),
])
def psi_noise(
    bins: int = param(10, ge=2, le=10_000, unit="count", words=["bins", "deciles"]),
    n: int = param(ge=1, le=10**12, unit="count", words=["reference", "samples"]),
    m: int = param(0, ge=0, le=10**12, unit="count", help="0 means n", words=["current"]),
) -> float:
    """Mean PSI when nothing has drifted, (bins - 1)(1/n + 1/m): many bins and few rows look like drift."""
    return (bins - 1) * (1 / n + 1 / (m or n))


@formula("drift.psi_critical", words=["psi by chance", "psi threshold"], cases=[
    Case({"bins": 10, "n": 1000, "m": 1000, "alpha": 0.05}, {"result": 0.033838}, abs=1e-6,
         source="16.919 (chi2 of 9 at 0.95) / 500"),
], asks=[
    Ask("Which PSI is exceeded by chance with alpha 5% for 10 bins and 1,000 samples?", "result", 0.033838),
])
def psi_critical(
    bins: int = param(10, ge=2, le=10_000, unit="count", words=["bins", "deciles"]),
    n: int = param(ge=1, le=10**12, unit="count", words=["reference", "samples"]),
    m: int = param(0, ge=0, le=10**12, unit="count", help="0 means n", words=["current"]),
    alpha: float = param(0.05, gt=0, lt=1, unit="fraction", words=["alpha", "significance"]),
) -> float:
    """The PSI that chance alone exceeds with probability alpha: chi2(bins - 1) * (1/n + 1/m), for well-filled bins."""
    from scipy.stats import chi2

    return float(chi2.isf(alpha, bins - 1)) * (1 / n + 1 / (m or n))


@formula("drift.kl", unit="nats", words=["kl", "kullback-leibler", "relative entropy", "kl divergence"], cases=[
    Case({"p": [0.5, 0.5], "q": [0.9, 0.1]}, {"result": 0.510826}, abs=1e-6, source="arithmetic"),
    Case({"p": [0.9, 0.1], "q": [0.5, 0.5]}, {"result": 0.368064}, abs=1e-6, source="arithmetic: it is not symmetric"),
], asks=[
    Ask("What is the KL divergence of [0.5, 0.3, 0.2] from [0.4, 0.3, 0.3]?", "result", 0.0304788),
])
def kl(
    p: list[float] = param(**_SHARES), q: list[float] = param(**_SHARES), floor: float = param(0.0, **_FLOOR),
) -> float:
    """Kullback-Leibler divergence KL(p, q) = sum p ln(p / q) in nats.

    It is not symmetric, and infinite (refused, unless a floor is given) where q is 0 and p is not."""
    a, b = _normal(p, "p"), _normal(q, "q")
    _same_bins(a, b)
    if floor:
        a, b = _normal([max(x, floor) for x in a], "p"), _normal([max(x, floor) for x in b], "q")
    if any(x > 0 and y == 0 for x, y in zip(a, b, strict=True)):
        raise ToolError("drift.kl: q is 0 where p is not, so the divergence is infinite; give a floor or use drift.js.")
    return math.fsum(x * math.log(x / y) for x, y in zip(a, b, strict=True) if x > 0)


@formula("drift.js", words=["js", "jensen-shannon"], cases=[
    Case({"p": [0.5, 0.5], "q": [0.9, 0.1], "out": "divergence nats, scipy distance, divergence bits"},
         {"result": [0.101749, 0.318982, 0.146793]}, abs=1e-6,
         source="scipy.spatial.distance.jensenshannon is the root"),
])
def js(
    p: list[float] = param(**_SHARES), q: list[float] = param(**_SHARES),
    out: str = outputs(divergence_nats="nats|^(js )?divergence$", scipy_distance="distance|root|scipy", divergence_bits="bits"),
) -> list[float]:
    """Jensen-Shannon as [divergence in nats, its square root (what scipy calls jensenshannon), divergence in bits].

    The divergence lies between 0 and ln 2 (1 bit); the root is a metric. Libraries report either: check which."""
    a, b = _normal(p, "p"), _normal(q, "q")
    _same_bins(a, b)
    terms = []
    for x, y in zip(a, b, strict=True):
        mean = (x + y) / 2
        terms += [side / 2 * math.log(side / mean) for side in (x, y) if side > 0]
    nats = max(math.fsum(terms), 0.0)
    return [nats, math.sqrt(nats), nats / math.log(2)]


@formula("drift.hellinger", words=["hellinger"], cases=[
    Case({"p": [0.5, 0.5], "q": [0.9, 0.1]}, {"result": 0.324920}, abs=1e-6, source="arithmetic"),
], asks=[
    Ask("What is the Hellinger distance between [0.5, 0.3, 0.2] and [0.2, 0.3, 0.5]?", "result", 0.259893),
])
def hellinger(p: list[float] = param(**_SHARES), q: list[float] = param(**_SHARES)) -> float:
    """Hellinger distance of two histograms, between 0 and 1; finite with empty bins."""
    a, b = _normal(p, "p"), _normal(q, "q")
    _same_bins(a, b)
    return math.sqrt(math.fsum((math.sqrt(x) - math.sqrt(y)) ** 2 for x, y in zip(a, b, strict=True)) / 2)


@formula("drift.total_variation", words=["total variation"], cases=[
    Case({"p": [0.5, 0.5], "q": [0.9, 0.1]}, {"result": 0.4}, abs=1e-9, source="arithmetic"),
], asks=[
    Ask("What is the total variation between 50%, 30%, 20% and 20%, 30%, 50%?", "result", 0.3),
])
def total_variation(p: list[float] = param(**_SHARES), q: list[float] = param(**_SHARES)) -> float:
    """Total variation distance, half the sum of |p - q|: the largest difference in the probability of any event."""
    a, b = _normal(p, "p"), _normal(q, "q")
    _same_bins(a, b)
    return math.fsum(abs(x - y) for x, y in zip(a, b, strict=True)) / 2


@formula("drift.chi2", cases=[
    Case({"ref": [500, 500], "cur": [540, 460]}, {"result": [3.205128, 0.073409, 1]}, abs=1e-5,
         source="scipy.stats.chi2_contingency without Yates' correction"),
])
def chi2_test(
    ref: list[float] = param(min_length=2, max_length=10_000, unit="count", words=["reference", "before"]),
    cur: list[float] = param(min_length=2, max_length=10_000, unit="count", words=["current", "after"]),
) -> list[float]:
    """Pearson's chi-square of two rows of *counts*: [statistic, p-value, degrees of freedom].

    Unlike PSI it grows with the number of rows. No continuity correction."""
    from scipy.stats import chi2

    _same_bins(ref, cur)
    if min(*ref, *cur) < 0 or sum(ref) <= 0 or sum(cur) <= 0:
        raise ToolError("drift.chi2: counts must be at least 0 and each row must hold something.")
    n, m = math.fsum(ref), math.fsum(cur)
    columns = [(a, b, a + b) for a, b in zip(ref, cur, strict=True) if a + b > 0]
    statistic = math.fsum((a * m - b * n) ** 2 / (n * m * t) for a, b, t in columns)
    freedom = len(columns) - 1
    return [statistic, float(chi2.sf(statistic, freedom)) if freedom else 1.0, freedom]


@formula("drift.wasserstein", words=["wasserstein", "earth mover's distance"], cases=[
    Case({"a": [0, 1, 3], "b": [5, 6, 8]}, {"result": 5.0}, abs=1e-9, source="scipy.stats.wasserstein_distance"),
    Case({"a": [0, 1], "b": [0, 1, 1]}, {"result": 1 / 6}, abs=1e-9, source="area between the two step functions"),
], asks=[
    Ask("What is the earth mover's distance between the samples 1, 2, 3 and 2, 4, 6?", "result", 2.0),
])
def wasserstein(a: list[float] = param(**_SAMPLE), b: list[float] = param(**_SAMPLE)) -> float:
    """Earth mover's distance of two samples, in the unit of the data: the area between their distribution functions."""
    import numpy as np

    first, second = np.sort(np.asarray(a, dtype=float)), np.sort(np.asarray(b, dtype=float))
    every = np.sort(np.concatenate([first, second]))
    gap = (np.searchsorted(first, every[:-1], side="right") / len(first)
           - np.searchsorted(second, every[:-1], side="right") / len(second))
    return float((np.abs(gap) * np.diff(every)).sum())


@formula("drift.ks_statistic", words=["ks statistic of two samples", "two samples"], cases=[
    Case({"a": [1, 2, 3, 4], "b": [3, 4, 5, 6]}, {"result": 0.5}, abs=1e-12, source="by hand"),
], asks=[
    Ask("What is the KS statistic of the samples 1, 2, 3, 4 and 3, 4, 5, 6?", "result", 0.5),
])
def ks_statistic(a: list[float] = param(**_SAMPLE), b: list[float] = param(**_SAMPLE)) -> float:
    """Kolmogorov-Smirnov D of two samples: the largest gap between their distribution functions, 0 to 1."""
    import numpy as np

    first, second = np.sort(np.asarray(a, dtype=float)), np.sort(np.asarray(b, dtype=float))
    every = np.concatenate([first, second])
    gap = (np.searchsorted(first, every, side="right") / len(first)
           - np.searchsorted(second, every, side="right") / len(second))
    return float(np.abs(gap).max())


def _pair(ref: list[float], cur: list[float]) -> tuple[list[float], list[float]]:
    _same_bins(ref, cur)
    return _shares(ref, "ref"), _shares(cur, "cur")


def _same_bins(first: list[float], second: list[float]) -> None:
    if len(first) != len(second):
        raise ToolError(f"The two sides have {len(first)} and {len(second)} bins; give the same bins on both sides.")


def _shares(values: list[float], name: str) -> list[float]:
    """Shares as given when they add up to about 1 (rounded shares stay as they are), counts divided by their sum."""
    total = math.fsum(values)
    return list(values) if values and min(values) >= 0 and abs(total - 1) <= 0.02 else _normal(values, name)


def _normal(values: list[float], name: str) -> list[float]:
    total = math.fsum(values)
    if min(values) < 0 or total <= 0:
        raise ToolError(f"{name} holds a negative number or only zeros; shares or counts must be at least 0.")
    return [value / total for value in values]
