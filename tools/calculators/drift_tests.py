"""What two-sample tests say about drift and what they can't see. Knows nothing about many features at once."""

from __future__ import annotations

import math
import re
from statistics import NormalDist
from typing import Any

from tools.base import Ask, Case, ToolError, formula, outputs, param
from tools.calculators.drift_distances import ks_statistic

_D: dict[str, Any] = {"ge": 0.0, "le": 1.0, "words": ["D", "distance", "KS statistic", "gap"]}
_ALPHA: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["alpha", "significance", "level"]}
_N: dict[str, Any] = {"ge": 1, "le": 10**12, "unit": "count", "words": ["n", "samples", "rows", "reference"]}
_CURRENT = re.compile(
    r"^\s*(?:(?P<factor>\d+(?:\.\d+)?|\.\d+)\s*[*x\u00d7]\s*)?ref(?:erence)?\s*(?P<offset>[+-]\s*(?:\d+(?:\.\d+)?|\.\d+))?"
    r"\s*(?:sd|sigma)?\s*(?:[,;]?\s*n\s*=\s*(?P<n>\d[\d_]*))?\s*(?:,?\s*normal scores)?\s*$", re.IGNORECASE)


@formula("drift.ks_critical", words=["critical value", "kolmogorov-smirnov", "critical ks distance"], cases=[
    Case({"alpha": 0.05, "n": 1000, "m": 1000}, {"result": 0.060736}, abs=1e-6, source="1.3581 * sqrt((n+m)/(n*m))"),
], asks=[
    Ask("Above which KS distance are 2,000 samples on each side drifted at alpha 1%?", "result", 0.05147),
    Ask("KS test at the 5% level, 400 reference rows against 1,600 live rows: which D is critical?", "result", 0.075918),
])
def ks_critical(
    alpha: float = param(0.05, **_ALPHA), n: int = param(**_N),
    m: int = param(0, ge=0, le=10**12, unit="count", help="0 means n",
                   words=["m", "current", "production", "live", "live rows", "today", "this week", "serving"]),
) -> float:
    """The KS distance above which two samples differ at level alpha, sqrt(-ln(alpha/2)/2) * sqrt(1/n + 1/m)."""
    return math.sqrt(-math.log(alpha / 2) / 2) * math.sqrt(1 / n + 1 / (m or n))


@formula("drift.ks_p_asymptotic", words=["ks p-value"], cases=[
    Case({"D": 0.02, "n_each": 1_000}, {"result": 0.98826}, rel=1e-3, source="Kolmogorov distribution at D*sqrt(n/2)"),
    Case({"D": 0.02, "n_each": 10_000}, {"result": 0.036631}, rel=1e-3, source="same D, more rows"),
    Case({"D": 0.02, "n_each": 100_000}, {"result": 8.4967e-18}, rel=1e-3, source="same D, more rows"),
])
def ks_p_asymptotic(D: float = param(**_D), n_each: int = param(**_N)) -> float:
    """Two-sample KS p-value for a distance D with n rows on each side (asymptotic, without small-sample correction)."""
    return _kolmogorov(D * math.sqrt(n_each / 2))


@formula("drift.ks_p", cases=[
    Case({"D": 0.02, "n": 10_000, "m": 10_000}, {"result": 0.036631}, rel=1e-3, source="as drift.ks_p_asymptotic"),
])
def ks_p(D: float = param(**_D), n: int = param(**_N),
         m: int = param(0, ge=0, le=10**12, unit="count", help="0 means n", words=["m", "current"])) -> float:
    """Two-sample KS p-value for a distance D and samples of n and m rows (asymptotic)."""
    return _kolmogorov(D / math.sqrt(1 / n + 1 / (m or n)))


@formula("drift.ks_n_needed", words=["rows needed", "how many rows until significant"], unit="count", cases=[
    Case({"D": 0.02, "alpha": 0.05}, {"result": 9223}, source="2*(1.3581/0.02)**2 rounded up"),
], asks=[
    Ask("From how many rows on each side is a KS statistic of 0.02 significant at alpha 5%?", "result", 9223, 0.001),
])
def ks_n_needed(D: float = param(ge=1e-6, le=1, words=_D["words"]), alpha: float = param(0.05, **_ALPHA)) -> int:
    """Rows on each side from which a KS distance of D is significant: any D is, given enough rows."""
    return math.ceil(-math.log(alpha / 2) / D**2)


@formula("drift.ks_mean_shift", words=["ks distance of a mean shift", "mean shifts"], cases=[
    Case({"shift_sd": 0.05}, {"result": 0.019945}, abs=1e-6, source="2*Phi(d/2) - 1"),
    Case({"shift_sd": 1.0}, {"result": 0.382925}, abs=1e-6, source="2*Phi(d/2) - 1"),
], asks=[
    Ask("The mean shifts by 0.4 standard deviations: how large is the KS distance of the two normals?", "result", 0.158519),
])
def ks_mean_shift(shift_sd: float = param(ge=0, le=20, words=["shift", "standard deviations", "sd"])) -> float:
    """KS distance between two normal distributions whose means differ by d standard deviations: 2 Phi(d/2) - 1."""
    return 2 * NormalDist().cdf(shift_sd / 2) - 1


@formula("drift.ks_spread", words=["ks distance of a change of spread", "times the standard deviation", "same mean"], cases=[
    Case({"factor": 3.0}, {"result": 0.242164}, abs=1e-6, source="largest gap of Phi(x) and Phi(x/3), at x^2 = 2 f^2 ln f / (f^2 - 1)"),
    Case({"factor": 1.0}, {"result": 0.0}, source="the same distribution"),
], asks=[
    Ask("Same mean, but production has 2 times the standard deviation: how large is the KS distance?", "result", 0.161337),
])
def ks_spread(
    factor: float = param(gt=0, le=1e6, words=["factor", "times the standard deviation", "spread", "wider", "times as wide"]),
) -> float:
    """KS distance between two normal distributions of one mean, the one f times as wide: Phi(x) - Phi(x/f) at
    x^2 = 2 f^2 ln f / (f^2 - 1).

    A t-test sees nothing of it, however many rows there are."""
    wide = max(factor, 1 / factor)
    if wide == 1:
        return 0.0
    at = math.sqrt(2 * math.log(wide) / (1 - wide**-2))
    return NormalDist().cdf(at) - NormalDist().cdf(at / wide)


@formula("drift.mean_shift_z", words=["z score of a mean shift"], cases=[
    Case({"shift_sd": 0.05, "n": 3_200}, {"result": 2.0}, rel=1e-9, source="d*sqrt(n/2)"),
    Case({"shift_sd": 2.0, "n": 3_200}, {"result": 80.0}, rel=1e-9, source="two standard deviations aren't two errors"),
], asks=[
    Ask("Which z has a mean shift of 0.1 standard deviations with 5,000 rows?", "result", 5.0),
])
def mean_shift_z(
    shift_sd: float = param(ge=-100, le=100, words=["shift", "standard deviations", "effect"]), n: int = param(**_N),
) -> float:
    """The z of a two-sample mean test for a shift of d standard deviations with n rows on each side, d * sqrt(n/2).

    "Two standard deviations" is an effect size; "two standard errors" is a test, and shrinks as n grows."""
    return shift_sd * math.sqrt(n / 2)


@formula("drift.variance_only", words=["t-test", "mann-whitney", "spread", "variance"], cases=[
    Case({"cur": "3*ref, n=1000 normal scores", "out": "t p, MWU p, KS D"}, {"result": [1.0, 1.0, 0.243]}, abs=1e-6,
         source="scipy.stats.ttest_ind, mannwhitneyu, ks_2samp"),
])
def variance_only(
    cur: str = param(max_length=200, words=["current", "production"],
                     help='"3*ref, n=1000": normal scores times 3; "ref+0.5, n=200": shifted by half a deviation'),
    out: str = outputs(t_p=r"^t\b|t-?test", MWU_p="mwu|mann|u.?test", KS_D="ks"),
) -> list[float]:
    """[t-test p, Mann-Whitney p, KS D] between n normal scores (the quantiles at (i - 1/2)/n) and a multiple of them.

    Tests of location are blind to a change of spread alone: both p-values are 1, while D is a quarter."""
    import numpy as np
    from scipy.special import ndtri
    from scipy.stats import mannwhitneyu, ttest_ind

    factor, offset, n = _current(cur)
    ref = ndtri((np.arange(1, n + 1) - 0.5) / n)
    ref = (ref - ref[::-1]) / 2  # exactly symmetric, so that equal means are exactly equal
    moved = factor * ref + offset
    if factor == 0:
        raise ToolError("drift.variance_only: the factor must be above 0, as in \"3*ref, n=1000\".")
    return [float(ttest_ind(ref, moved).pvalue), float(mannwhitneyu(ref, moved).pvalue),
            ks_statistic(ref.tolist(), moved.tolist())]


def _current(text: str) -> tuple[float, float, int]:
    found = _CURRENT.match(text)
    if found is None:
        raise ToolError(f"drift.variance_only: can't read {text[:60]!r}; write it like \"3*ref, n=1000\" or "
                        "\"2*ref+0.5, n=500\".")
    n = int((found["n"] or "1000").replace("_", ""))
    if not 2 <= n <= 50_000:
        raise ToolError(f"drift.variance_only: n is {n}; it must lie between 2 and 50000.")
    return float(found["factor"] or 1), float((found["offset"] or "0").replace(" ", "")), n


def _kolmogorov(x: float) -> float:
    from scipy.special import kolmogorov

    return float(kolmogorov(x))
