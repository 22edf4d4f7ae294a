"""Differential privacy in closed form: noise of one release, composition, amplification; runs no accountant."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, ToolError, formula, outputs, param

_EPS: dict[str, Any] = {"gt": 0, "le": 100, "unit": "count", "words": ["epsilon", "eps", "privacy loss", "each"]}
_DELTA: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["delta"]}
_SLACK: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["delta'", "delta prime", "slack", "delta"]}
_K: dict[str, Any] = {"ge": 1, "le": 10**9, "unit": "count", "words": ["releases", "queries", "k", "times",
                                                                       "statistics", "reports", "answers"]}
_SENSITIVITY: dict[str, Any] = {"gt": 0, "le": 1e9, "unit": "count",
                                "words": ["sensitivity", "clip norm", "changes it by at most", "changes by"]}
_SIGMA: dict[str, Any] = {"ge": 1e-3, "le": 1e6, "unit": "count", "words": ["sigma", "noise multiplier", "noise"]}
_LIST = param(min_length=1, max_length=10_000, words=["epsilons", "epsilon", "eps"])
_DRV = "Dwork, Rothblum & Vadhan, FOCS 2010"


@formula("dp.compose", words=["basic and advanced composition"], cases=[
    Case({"eps": 0.1, "k": 10, "delta_prime": 1e-5, "out": "basic, advanced"}, {"result": [1.0, 1.6226]}, abs=1e-3,
         source=_DRV),
    Case({"eps": 0.1, "k": 100, "delta_prime": 1e-5}, {"result": [10.0, 5.8502]}, abs=1e-3, source=_DRV),
    Case({"eps": 0.01, "k": 10_000, "delta_prime": 1e-5}, {"result": [100.0, 5.8035]}, abs=1e-3, source=_DRV),
])
def compose(
    eps: float = param(**_EPS), k: int = param(**_K), delta_prime: float = param(1e-5, **_SLACK),
    out: str = outputs(basic="basic", advanced="advanced"),
) -> list[float]:
    """Total epsilon of k releases at eps each: [basic composition, advanced composition]."""
    return [compose_basic(eps, k), compose_advanced(eps, k, delta_prime)]


@formula("dp.compose_basic", words=["basic composition", "adding epsilons"],
         cases=[Case({"eps": 0.1, "k": 10}, {"result": 1.0}, rel=1e-12, source="sum of epsilons")])
def compose_basic(eps: float = param(**_EPS), k: int = param(**_K)) -> float:
    """Total epsilon of k releases by basic composition: k * eps, without extra delta."""
    return eps * k


@formula("dp.compose_advanced", words=["advanced composition"], cases=[
    Case({"eps": 0.1, "k": 10, "delta_prime": 1e-5}, {"result": 1.6226}, abs=1e-4, source=_DRV),
])
def compose_advanced(
    eps: float = param(**_EPS), k: int = param(**_K), delta_prime: float = param(1e-5, **_SLACK),
) -> float:
    """Total epsilon of k releases by advanced composition: eps sqrt(2k ln(1/delta')) + k eps (e^eps - 1)."""
    return eps * math.sqrt(2 * k * math.log(1 / delta_prime)) + k * eps * math.expm1(eps)


@formula("dp.compose_best", words=["best composition"], cases=[
    Case({"eps": 0.1, "k": 10, "delta_prime": 1e-5}, {"result": 1.0}, rel=1e-12, source="the smaller of two bounds"),
])
def compose_best(
    eps: float = param(**_EPS), k: int = param(**_K), delta_prime: float = param(1e-5, **_SLACK),
) -> float:
    """The smaller of basic and advanced composition; both bounds hold."""
    return float(min(compose_basic(eps, k), compose_advanced(eps, k, delta_prime)))


@formula("dp.compose_crossover", unit="releases", words=["advanced beats basic"], cases=[
    Case({"eps": 0.1, "delta_prime": 1e-5}, {"result": 29}, source="recomputed by trying every k"),
    Case({"eps": 0.7, "delta_prime": 1e-5}, {"result": None}, source="e^0.7 - 1 exceeds 1"),
])
def compose_crossover(eps: float = param(**_EPS), delta_prime: float = param(1e-5, **_SLACK)) -> int | None:
    """Fewest releases at which advanced composition beats basic; None when it never does (eps >= ln 2)."""
    room = 1 - math.expm1(eps)
    return math.floor(2 * math.log(1 / delta_prime) / room**2) + 1 if room > 1e-9 else None


@formula("dp.compose_list", words=["different epsilons", "same people", "same dataset", "sequential composition", "budget spent"],
         cases=[
    Case({"eps": [0.5, 0.3, 0.2]}, {"result": 1.0}, rel=1e-12, source="sum of epsilons"),
], asks=[Ask("Releases with epsilons 0.5, 0.3 and 0.2 about the same people: what total epsilon?", "result", 1.0)])
def compose_list(eps: list[float] = _LIST) -> float:
    """Total epsilon of releases with different epsilons about the same people: their sum."""
    return math.fsum(eps)


@formula("dp.compose_parallel", words=["parallel composition", "disjoint", "different people", "separate groups"], cases=[
    Case({"eps": [0.5, 0.3, 0.2]}, {"result": 0.5}, rel=1e-12, source="McSherry, SIGMOD 2009: disjoint data"),
], asks=[Ask("Parallel composition over disjoint groups with epsilons 0.5, 0.3 and 0.2: total epsilon?", "result", 0.5)])
def compose_parallel(eps: list[float] = _LIST) -> float:
    """Total epsilon of releases about disjoint sets of people: their maximum."""
    return max(eps)


@formula("dp.gaussian_sigma", words=["Gaussian noise"], cases=[
    Case({"eps": 1, "delta": 1e-5}, {"result": [4.8448, 3.7306]}, abs=1e-3, source="classic; Balle & Wang 2018"),
])
def gaussian_sigma(
    eps: float = param(**_EPS), delta: float = param(1e-5, **_DELTA), sensitivity: float = param(1.0, **_SENSITIVITY),
    out: str = outputs(classic="classic", analytic="analytic|balle"),
) -> list[float]:
    """Noise of one Gaussian release: [classic formula, analytic calibration]."""
    return [gaussian_sigma_classic(eps, delta, sensitivity), gaussian_sigma_analytic(eps, delta, sensitivity)]


@formula("dp.gaussian_sigma_classic", words=["classic Gaussian mechanism", "Gaussian mechanism", "standard deviation of the noise"], cases=[
    Case({"eps": 1, "delta": 1e-5}, {"result": 4.845}, abs=1e-3, source="Dwork & Roth 2014, theorem A.1"),
])
def gaussian_sigma_classic(
    eps: float = param(**_EPS), delta: float = param(1e-5, **_DELTA), sensitivity: float = param(1.0, **_SENSITIVITY),
) -> float:
    """Standard deviation by sensitivity * sqrt(2 ln(1.25/delta)) / eps; its proof covers eps < 1 only."""
    return sensitivity * math.sqrt(2 * math.log(1.25 / delta)) / eps


@formula("dp.gaussian_sigma_analytic", words=["analytic Gaussian mechanism"], cases=[
    Case({"eps": 1, "delta": 1e-5}, {"result": 3.731}, abs=1e-3, source="Balle & Wang, arXiv 1805.06530"),
])
def gaussian_sigma_analytic(
    eps: float = param(**_EPS), delta: float = param(1e-5, **_DELTA), sensitivity: float = param(1.0, **_SENSITIVITY),
) -> float:
    """Least standard deviation that makes one Gaussian release (eps, delta)-private, for any eps (dp-accounting)."""
    import dp_accounting

    return sensitivity * float(dp_accounting.get_sigma_gaussian(eps, delta))


@formula("dp.gaussian_eps", words=["epsilon of the Gaussian mechanism"], cases=[
    Case({"sigma": 3.7306316, "delta": 1e-5}, {"result": 1.0}, abs=1e-5, source="inverse of the analytic calibration"),
])
def gaussian_eps(
    sigma: float = param(**(_SIGMA | {"ge": 0.05})), delta: float = param(1e-5, **_DELTA), k: int = param(1, **_K),
) -> float:
    """Epsilon of k Gaussian releases with noise sigma (in sensitivities); k of them equal one at sigma / sqrt(k)."""
    return gaussian_epsilon(sigma / math.sqrt(k), delta)


@formula("dp.gaussian_delta", words=["delta of the Gaussian mechanism"], cases=[
    Case({"eps": 1, "sigma": 3.7306316348}, {"result": 1e-5}, rel=1e-6, source="Balle & Wang, arXiv 1805.06530"),
])
def gaussian_delta(eps: float = param(**_EPS), sigma: float = param(**_SIGMA)) -> float:
    """Delta of one Gaussian release with noise sigma (in sensitivities) at a given epsilon."""
    upper, lower = _normal(1 / (2 * sigma) - eps * sigma), _normal(-1 / (2 * sigma) - eps * sigma)
    return max(0.0, upper - (math.exp(eps) * lower if lower else 0.0))


@formula("dp.laplace_std", words=["standard deviation"],
         cases=[
    Case({"eps": 0.5, "sensitivity": 1}, {"result": 2.8284271}, rel=1e-7, source="sqrt(2) * sensitivity / eps"),
], asks=[Ask("What is the standard deviation of the Laplace noise at epsilon 0.1 and sensitivity 1?", "result", 14.142136)])
def laplace_std(eps: float = param(**_EPS), sensitivity: float = param(1.0, **_SENSITIVITY)) -> float:
    """Standard deviation of Laplace noise for pure eps-privacy: sqrt(2) * sensitivity / eps."""
    return math.sqrt(2) * sensitivity / eps


@formula("dp.laplace_tail", unit="fraction",
         words=["off by more than", "noise exceeds", "noise larger than", "wrong by more than", "Laplace noise"], cases=[
    Case({"eps": 0.5, "error": 10}, {"result": 0.0067379}, rel=1e-5, source="e^(-error * eps / sensitivity)"),
], asks=[Ask("How likely is a Laplace noised count off by more than 20 at epsilon 0.1?", "result", math.exp(-2))])
def laplace_tail(
    eps: float = param(**_EPS),
    error: float = param(ge=0, le=1e12, unit="count", words=["more than", "off by", "exceeds", "larger than", "error"]),
    sensitivity: float = param(1.0, **_SENSITIVITY),
) -> float:
    """Chance that Laplace noise is larger than some error, in either direction: e^(-error * eps / sensitivity)."""
    return math.exp(-error * eps / sensitivity)


@formula("dp.laplace_scale", words=["Laplace noise", "Laplace mechanism", "scale of the noise"],
         cases=[Case({"eps": 0.5, "sensitivity": 1}, {"result": 2.0}, source="sensitivity / eps")])
def laplace_scale(eps: float = param(**_EPS), sensitivity: float = param(1.0, **_SENSITIVITY)) -> float:
    """Scale b of Laplace noise for pure eps-privacy: sensitivity / eps; its standard deviation is b sqrt 2."""
    return sensitivity / eps


@formula("dp.amplification", words=["amplification by sampling", "subsampling", "random sample of the people"], cases=[
    Case({"eps": 1, "q": 0.01}, {"result": 0.017037}, abs=1e-6, source="ln(1 + q (e^eps - 1))"),
])
def amplification(
    eps: float = param(**_EPS), q: float = param(gt=0, le=1, unit="fraction", words=["sampling rate", "sampled"]),
) -> float:
    """Epsilon of a release that sees each person with chance q only: ln(1 + q (e^eps - 1))."""
    return math.log1p(q * math.expm1(eps))


@formula("dp.group", words=["group privacy", "family of", "several records a person"],
         cases=[Case({"eps": 0.5, "size": 4}, {"result": 2.0}, source="Dwork & Roth 2014, theorem 2.2")])
def group(
    eps: float = param(**_EPS),
    size: int = param(ge=1, le=10**6, unit="count", words=["group", "records a person", "records", "people", "family", "members"]),
) -> float:
    """Epsilon for a group (or for a person who owns several records): size * eps."""
    return eps * size


@formula("dp.posterior", unit="fraction", words=["attacker's belief", "posterior belief", "attacker be certain",
                                                 "inference after a release"], cases=[
    Case({"prior": 0.5, "eps": 1}, {"result": 0.731059}, abs=1e-6, source="Bayes with likelihood ratio e^eps"),
])
def posterior(
    prior: float = param(0.5, ge=0, le=1, unit="fraction", words=["prior", "belief", "before", "believes",
                                                                  "suspects"]), eps: float = param(**_EPS),
) -> float:
    """Highest belief that an attacker can reach about one person after an eps-private release."""
    return prior / (prior + (1 - prior) * math.exp(-eps)) if prior else 0.0


@formula("dp.randomized_response_eps", words=["randomized response", "randomised response", "coin flip", "tell the truth"], cases=[
    Case({"p": 0.75}, {"result": 1.098612}, abs=1e-6, source="Warner 1965: ln(p / (1-p))"),
])
def randomized_response_eps(
    p: float = param(gt=0.5, lt=1, unit="fraction", words=["truth", "honest", "true answer", "truthfully"]),
) -> float:
    """Epsilon of a yes/no answer that is given truthfully with chance p and inverted else: ln(p / (1-p))."""
    return math.log(p / (1 - p))


@formula("dp.randomized_response_estimate", unit="fraction",
         words=["randomized response", "randomised response", "answered yes", "true share", "correct the survey"], cases=[
    Case({"p": 0.75, "observed": 0.4}, {"result": 0.3}, rel=1e-9, source="Warner 1965: (observed - (1-p)) / (2p-1)"),
], asks=[Ask("Randomized response with the truth told 75% of the time: 40% answered yes. What is the true share?", "result",
             0.3)])
def randomized_response_estimate(
    p: float = param(gt=0.5, le=1, unit="fraction", words=["truth", "honest", "true answer", "truthfully"]),
    observed: float = param(ge=0, le=1, unit="fraction", words=["answered yes", "yes", "said yes", "observed"]),
) -> float:
    """Share of true yeses behind the observed ones in randomized response: (observed - (1-p)) / (2p-1)."""
    found = (observed - (1 - p)) / (2 * p - 1)
    if not -1e-9 <= found <= 1 + 1e-9:
        raise ToolError(f"dp.randomized_response_estimate: with p = {p:g} the expected share of yeses lies between {1 - p:g} "
                        f"and {p:g}, so observed = {observed:g} can only be chance; ask more people.")
    return min(1.0, max(0.0, found))


@formula("dp.randomized_response_p", unit="fraction", words=["truth probability of randomized response"], cases=[
    Case({"eps": 1.0986123}, {"result": 0.75}, abs=1e-6, source="e^eps / (1 + e^eps)"),
])
def randomized_response_p(eps: float = param(**_EPS)) -> float:
    """Chance of the true answer in randomized response at eps."""
    return 1 / (1 + math.exp(-eps))


@formula("dp.rdp_gaussian", words=["Renyi divergence of the Gaussian"], cases=[
    Case({"alpha": 10, "sigma": 4}, {"result": 0.3125}, source="Mironov, arXiv 1702.07476: alpha / (2 sigma^2)"),
])
def rdp_gaussian(
    alpha: float = param(gt=1, le=1e6, unit="count", words=["order", "alpha"]), sigma: float = param(**_SIGMA),
    k: int = param(1, **_K),
) -> float:
    """Renyi divergence of order alpha of k Gaussian releases: k alpha / (2 sigma^2)."""
    return k * alpha / (2 * sigma**2)


@formula("dp.rdp_to_eps", words=["convert RDP"], cases=[
    Case({"alpha": 10, "rdp": 0.3125, "delta": 1e-5}, {"result": 1.591714}, abs=1e-6,
         source="Mironov, arXiv 1702.07476: rdp + ln(1/delta) / (alpha-1)"),
])
def rdp_to_eps(
    alpha: float = param(gt=1, le=1e6, unit="count", words=["order", "alpha"]),
    rdp: float = param(ge=0, le=1e9, unit="count", words=["Renyi divergence", "rdp"]),
    delta: float = param(1e-5, **_DELTA),
) -> float:
    """Epsilon from one Renyi order by the classic conversion: rdp + ln(1/delta) / (alpha - 1)."""
    return rdp + math.log(1 / delta) / (alpha - 1)


@formula("dp.zcdp_eps", words=["zCDP"], cases=[
    Case({"rho": 0.03125, "delta": 1e-5}, {"result": 1.230881}, abs=1e-6, source="Bun & Steinke 2016, proposition 1.3"),
])
def zcdp_eps(
    rho: float = param(gt=0, le=1e6, unit="count", words=["rho"]), delta: float = param(1e-5, **_DELTA),
) -> float:
    """Epsilon of a rho-zCDP release: rho + 2 sqrt(rho ln(1/delta)); a Gaussian release has rho = 1 / (2 sigma^2)."""
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))


def gaussian_epsilon(sigma: float, delta: float) -> float:
    """Epsilon of one Gaussian release; 0 where delta alone covers the difference of the two distributions."""
    import dp_accounting
    import numpy as np

    if math.erf(1 / (2 * sigma * math.sqrt(2))) <= delta:
        return 0.0
    with np.errstate(divide="ignore"):
        return float(dp_accounting.get_epsilon_gaussian(sigma, delta))


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))
