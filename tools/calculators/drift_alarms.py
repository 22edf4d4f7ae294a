"""False alarms over many features, and the scores of classifiers and forests that look for drift in all of them."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

from tools.base import Ask, Case, ToolError, formula, param

EULER = 0.5772156649015329
_FEATURES: dict[str, Any] = {"ge": 1, "le": 10**9, "unit": "count",
                             "words": ["features", "columns", "tests", "monitors"]}
_ALPHA: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction",
                          "words": ["alpha", "significance", "level", "false alarm rate"]}


@formula("drift.fwer", unit="fraction", words=["family-wise error",
             "at least one false alarm", "any false alarm", "false alarm on a day without drift"], cases=[
    Case({"features": 100, "alpha": 0.05}, {"result": 0.99408}, abs=1e-5, source="1 - 0.95**100"),
    Case({"features": 0, "alpha": 0.05}, {"result": 0.0}, source="no test, no alarm"),
], asks=[
    Ask("We test 100 features for drift at alpha 0.05. What is the chance of at least one false alarm?", "result",
        0.99408),
    Ask("We watch 40 features at alpha 1% every day. How likely is at least one false alarm on a day without drift?",
        "result", 0.331028),
])
def fwer(features: int = param(**_FEATURES | {"ge": 0}), alpha: float = param(0.05, **_ALPHA)) -> float:
    """Chance of at least one false alarm among independent tests of features that haven't drifted: 1 - (1-alpha)**k."""
    return -math.expm1(features * math.log1p(-alpha))


@formula("drift.expected_false_alarms", words=["expected number of false alarms", "how many false alarms"], unit="count", cases=[
    Case({"features": 100, "alpha": 0.05, "checks": 24}, {"result": 120.0}, rel=1e-9, source="arithmetic"),
], asks=[
    Ask("200 features, alpha 0.05, nothing drifts: how many false alarms should we expect?", "result", 10),
    Ask("50 columns are tested at a level of 1% in 24 checks per day: how many false alarms are there a day?",
        "result", 12),
])
def expected_false_alarms(
    features: int = param(**_FEATURES), alpha: float = param(0.05, **_ALPHA),
    checks: int = param(1, ge=1, le=10**9, unit="count", words=["checks", "times", "runs", "per day"]),
) -> float:
    """False alarms to expect when nothing drifts: features * alpha * checks, dependent or not."""
    return features * alpha * checks


@formula("drift.bonferroni", words=["bonferroni", "per test"], unit="fraction", cases=[
    Case({"features": 100, "alpha": 0.05}, {"result": 0.0005}, rel=1e-9, source="arithmetic"),
], asks=[
    Ask("What threshold per test does Bonferroni give for 25 features at 5%?", "result", 0.002),
])
def bonferroni(features: int = param(**_FEATURES), alpha: float = param(0.05, **_ALPHA)) -> float:
    """Level for each test that keeps the chance of any false alarm at or below alpha: alpha / k, dependent or not."""
    return alpha / features


@formula("drift.sidak", words=["sidak"], unit="fraction", cases=[
    Case({"features": 100, "alpha": 0.05}, {"result": 0.000512801}, rel=1e-6, source="1 - 0.95**0.01"),
], asks=[
    Ask("What is the Sidak level for each of 20 features at alpha 5%?", "result", 0.00256138),
])
def sidak(features: int = param(**_FEATURES), alpha: float = param(0.05, **_ALPHA)) -> float:
    """Level for each of k independent tests that makes the chance of any false alarm exactly alpha."""
    return -math.expm1(math.log1p(-alpha) / features)


@formula("drift.benjamini_hochberg", words=["false discovery rate", "fdr"], cases=[
    Case({"p": [0.01, 0.04, 0.03, 0.005], "q": 0.05}, {"result": [True, True, True, True]}, source="by hand"),
    Case({"p": [0.01, 0.2, 0.03, 0.005], "q": 0.05}, {"result": [True, False, True, True]}, source="by hand"),
])
def benjamini_hochberg(
    p: list[float] = param(min_length=1, max_length=100_000, words=["p-values"]),
    q: float = param(0.05, gt=0, lt=1, unit="fraction", words=["false discovery rate", "q"]),
) -> list[bool]:
    """Which tests to call drifted when a share q of the alarms may be false (Benjamini and Hochberg 1995), in the order
    of the p-values given."""
    if min(p) < 0 or max(p) > 1:
        raise ToolError("drift.benjamini_hochberg: every p-value must lie between 0 and 1.")
    ordered = sorted(p)
    passing = [value for rank, value in enumerate(ordered, 1) if value <= q * rank / len(p)]
    return [value <= passing[-1] if passing else False for value in p]


@formula("drift.advval_auc", words=["adversarial validation", "domain classifier"], cases=[
    Case({"shift_sd": 0.2}, {"result": 0.55623}, abs=1e-5, source="Phi(d/sqrt 2)"),
    Case({"shift_sd": 0.5}, {"result": 0.63816}, abs=1e-5, source="Phi(d/sqrt 2)"),
    Case({"shift_sd": 1.0}, {"result": 0.76025}, abs=1e-5, source="Phi(d/sqrt 2)"),
], asks=[
    Ask("A feature shifts by 0.5 standard deviations: which AUC does adversarial validation reach at best?",
        "result", 0.638163),
])
def advval_auc(
    shift_sd: float = param(ge=0, le=100, words=["shift", "standard deviations", "sd"]),
    features: int = param(1, ge=1, le=10**6, unit="count", words=["independent features", "features"],
                          help="independent features that all shift this much"),
) -> float:
    """Best AUC of a classifier that tells reference from current rows when normal features shift by d deviations.

    Phi(d/sqrt 2) for one feature; for k independent ones the distance is d*sqrt(k)."""
    return NormalDist().cdf(shift_sd * math.sqrt(features / 2))


@formula("drift.advval_shift", words=["shift from an auc", "adversarial auc", "auc of", "how many standard deviations"], cases=[
    Case({"auc": 0.76025}, {"result": 1.0}, abs=1e-4, source="inverse of advval_auc"),
], asks=[
    Ask("Adversarial validation gives an AUC of 0.76: how many standard deviations of shift is that?", "result", 0.998863),
])
def advval_shift(auc: float = param(ge=0.5, lt=1, words=["auc"])) -> float:
    """Shift in standard deviations that a classifier's AUC amounts to: sqrt 2 * Phi^-1(auc)."""
    return math.sqrt(2) * NormalDist().inv_cdf(auc)


@formula("drift.iforest_c", words=["isolation forest", "path length"], cases=[
    Case({"n": 256}, {"result": 10.2448}, abs=1e-4, source="Liu, Ting and Zhou 2008, with H(i) = ln i + 0.57722"),
    Case({"n": 2}, {"result": 1.0}, source="Liu, Ting and Zhou 2012: c(2) = 1"),
], asks=[
    Ask("What is the mean path length c(n) of an isolation forest with a subsample of 256?", "result", 10.2448, 0.0001),
])
def iforest_c(n: int = param(ge=1, le=10**12, unit="count", words=["samples", "subsample", "n"])) -> float:
    """Mean path length of an unsuccessful search in a binary search tree of n points, by which an isolation forest
    normalises: 2 (ln(n-1) + 0.57722) - 2 (n-1)/n; 1 for two points, 0 for one."""
    if n <= 2:
        return float(n - 1)
    return 2 * (math.log(n - 1) + EULER) - 2 * (n - 1) / n


@formula("drift.iforest_score", words=["anomaly score"], cases=[
    Case({"path": 10.2448, "n": 256}, {"result": 0.5}, abs=1e-5, source="2**(-E[h]/c(n))"),
    Case({"path": 4.0, "n": 256}, {"result": 0.762895}, abs=1e-6, source="2**(-E[h]/c(n))"),
], asks=[
    Ask("Isolation forest with 256 samples: which anomaly score has a path length of 4?", "result", 0.762896),
])
def iforest_score(
    path: float = param(ge=0, le=10**6, words=["path length", "depth"]),
    n: int = param(256, ge=2, le=10**12, unit="count", words=["samples", "subsample"]),
) -> float:
    """Anomaly score of an isolation forest, 2**(-mean path / c(n)): 0.5 is ordinary, towards 1 is isolated early."""
    return float(2.0 ** (-path / iforest_c(n)))
