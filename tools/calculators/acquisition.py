"""Acquisition functions of Bayesian optimisation at one point; knows nothing of where mean and deviation come from."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, formula, param

_MU: dict[str, Any] = {"ge": -1e12, "le": 1e12, "unit": "count", "words": ["mean", "mu", "predicted", "predicts",
                                                                           "posterior mean", "expects"]}
_SIGMA: dict[str, Any] = {"ge": 0, "le": 1e12, "unit": "count", "words": ["sigma", "standard deviation", "std", "uncertainty", "deviation"]}
_BEST: dict[str, Any] = {"ge": -1e12, "le": 1e12, "unit": "count", "words": ["best", "incumbent", "best so far",
                                                                             "best value", "current best", "best seen"]}
_XI: dict[str, Any] = {"ge": 0, "le": 1e12, "unit": "count", "words": ["xi", "margin"]}
_MOCKUS = "Mockus 1978; Jones, Schonlau & Welch 1998"


@formula("hpo.ei_min", words=["expected improvement", "EI", "minimising", "minimizing", "minimise", "loss", "error"], cases=[
    Case({"mu": 1, "sigma": 1, "best": 0}, {"result": 0.083315}, abs=1e-6, source=_MOCKUS),
    Case({"mu": -1, "sigma": 1, "best": 0}, {"result": 1.083315}, abs=1e-6, source=_MOCKUS),
    Case({"mu": 0.5, "sigma": 2, "best": 0}, {"result": 0.572689}, abs=1e-6, source=_MOCKUS),
    Case({"mu": -1, "sigma": 0, "best": 0}, {"result": 1.0}, rel=1e-12, source="nothing is uncertain"),
], asks=[Ask("Expected improvement when minimising the loss: mean 0.3, standard deviation 0.1, best so far 0.35?", "result",
             0.069780)])
def ei_min(
    mu: float = param(**_MU), sigma: float = param(**_SIGMA), best: float = param(**_BEST), xi: float = param(0.0,
                                                                                                              **_XI),
) -> float:
    """Expected improvement below `best` (minimising): (best-mu-xi) Phi(z) + sigma phi(z), z = (best-mu-xi) / sigma."""
    return expected_improvement(best - mu - xi, sigma)


@formula("hpo.ei_max", words=["expected improvement", "EI", "maximising", "maximizing", "maximise", "accuracy"], cases=[
    Case({"mu": 1, "sigma": 1, "best": 0}, {"result": 1.083315}, abs=1e-6, source=_MOCKUS),
    Case({"mu": -1, "sigma": 1, "best": 0}, {"result": 0.083315}, abs=1e-6, source=_MOCKUS),
])
def ei_max(
    mu: float = param(**_MU), sigma: float = param(**_SIGMA), best: float = param(**_BEST), xi: float = param(0.0,
                                                                                                              **_XI),
) -> float:
    """Expected improvement above `best` (maximising): (mu-best-xi) Phi(z) + sigma phi(z), z = (mu-best-xi) / sigma."""
    return expected_improvement(mu - best - xi, sigma)


@formula("hpo.pi_min", unit="fraction", words=["probability of improvement", "minimising", "minimizing", "minimise",
                                               "loss", "error"], cases=[
    Case({"mu": 1, "sigma": 1, "best": 0}, {"result": 0.158655}, abs=1e-6, source="Kushner 1964: Phi(-1)"),
])
def pi_min(
    mu: float = param(**_MU), sigma: float = param(**_SIGMA), best: float = param(**_BEST), xi: float = param(0.0,
                                                                                                              **_XI),
) -> float:
    """Probability of improving below `best` by more than xi (minimising): Phi((best-mu-xi) / sigma)."""
    return _chance(best - mu - xi, sigma)


@formula("hpo.pi_max", unit="fraction", words=["probability of improvement", "maximising", "maximizing", "maximise", "accuracy"],
         cases=[
    Case({"mu": 1, "sigma": 1, "best": 0}, {"result": 0.841345}, abs=1e-6, source="Kushner 1964: Phi(1)"),
], asks=[Ask("Probability of improvement when maximising accuracy: mean 0.92, sigma 0.02, best so far 0.91?", "result",
             0.691462)])
def pi_max(
    mu: float = param(**_MU), sigma: float = param(**_SIGMA), best: float = param(**_BEST), xi: float = param(0.0,
                                                                                                              **_XI),
) -> float:
    """Probability of improving above `best` by more than xi (maximising): Phi((mu-best-xi) / sigma)."""
    return _chance(mu - best - xi, sigma)


@formula("hpo.lcb", words=["lower confidence bound", "LCB"], cases=[Case({"mu": 1, "sigma": 0.5, "kappa": 2}, {"result": 0.0}, abs=1e-12,
                                source="mu - kappa sigma")])
def lcb(
    mu: float = param(**_MU), sigma: float = param(**_SIGMA),
    kappa: float = param(2.0, ge=0, le=1e6, unit="count", words=["kappa", "beta"]),
) -> float:
    """Lower confidence bound, which is minimised: mu - kappa sigma."""
    return mu - kappa * sigma


@formula("hpo.ucb", words=["upper confidence bound", "UCB"], cases=[Case({"mu": 1, "sigma": 0.5, "kappa": 2}, {"result": 2.0}, rel=1e-12,
                                source="mu + kappa sigma")])
def ucb(
    mu: float = param(**_MU), sigma: float = param(**_SIGMA),
    kappa: float = param(2.0, ge=0, le=1e6, unit="count", words=["kappa", "beta"]),
) -> float:
    """Upper confidence bound, which is maximised: mu + kappa sigma."""
    return mu + kappa * sigma


def expected_improvement(gain: float, sigma: float) -> float:
    """E[max(0, gain + sigma Z)] of a standard normal Z; never negative."""
    if sigma == 0:
        return max(0.0, gain)
    z = gain / sigma
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi) if abs(z) < 38 else 0.0
    return max(0.0, gain * _phi(z) + sigma * density)


def _chance(gain: float, sigma: float) -> float:
    return _phi(gain / sigma) if sigma > 0 else float(gain > 0)


def _phi(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))
