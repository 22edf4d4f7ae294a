"""Epsilon of DP-SGD under several accountants, computed by dp-accounting; knows nothing of accuracy."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from tools.base import Case, ToolError, formula, param
from tools.calculators.dp_composition import gaussian_epsilon

PLD_BUCKETS = 60_000
"""Bounds a privacy-loss distribution's memory: loss range of one step over the discretisation."""

MAX_BUCKETS = 250_000
"""The same for the run."""

LONG_RUN = 10_000

MAX_PLD_EPS = 500.0
"""Beyond, e^eps is astronomical and the distribution too wide to be worth computing."""

_TINY = 1e-250

_Q: dict[str, Any] = {"ge": 1e-7, "le": 1, "unit": "fraction", "words": ["sampling rate", "q", "sampled"]}
_SIGMA: dict[str, Any] = {"ge": 0.2, "le": 1_000, "unit": "count", "words": ["noise multiplier", "sigma", "noise"]}
_T: dict[str, Any] = {"ge": 1, "le": 10**7, "unit": "steps", "words": ["steps", "T", "iterations"]}
_DELTA: dict[str, Any] = {"ge": 1e-10, "lt": 1, "unit": "fraction", "words": ["delta"]}
_ABADI = {"q": 0.01, "sigma": 4, "T": 10_000, "delta": 1e-5}
_MNIST = {"q": 250 / 60_000, "sigma": 1.3, "T": 3_600, "delta": 1e-5}


@formula("dp.sgd_eps_classic", cases=[
    Case(_ABADI, {"result": 1.2586}, abs=0.002, source="Abadi et al., arXiv 1607.00133, print 1.26"),
    Case(_MNIST, {"result": 1.1799}, abs=0.002, source="TensorFlow Privacy's MNIST tutorial: 1.18"),
])
def sgd_eps_classic(
    q: float = param(**_Q), sigma: float = param(**_SIGMA), T: int = param(**_T), delta: float = param(1e-5, **_DELTA),
) -> float:
    """Epsilon of DP-SGD by the moments accountant: Renyi divergence and the conversion of 2016."""
    return classic_epsilon(rdp_curve(q, sigma, T), delta)


@formula("dp.sgd_eps_rdp", cases=[
    Case(_ABADI, {"result": 1.0355}, abs=0.002, source="dp-accounting 0.6, Renyi with the tighter conversion"),
])
def sgd_eps_rdp(
    q: float = param(**_Q), sigma: float = param(**_SIGMA), T: int = param(**_T), delta: float = param(1e-5, **_DELTA),
) -> float:
    """Epsilon of DP-SGD by Renyi accounting with the tighter conversion (arXiv 2004.00010)."""
    from dp_accounting.rdp import RdpAccountant

    with quiet():
        accountant = RdpAccountant()
        accountant.compose(_event(q, sigma, T))
        return float(accountant.get_epsilon(delta))


@formula("dp.sgd_eps_pld", cases=[
    Case(_ABADI, {"result": 0.947}, abs=0.002, source="dp-accounting 0.6, privacy loss distribution"),
    Case(_MNIST, {"result": 0.853}, abs=0.002, source="dp-accounting 0.6, privacy loss distribution"),
])
def sgd_eps_pld(
    q: float = param(**_Q), sigma: float = param(**_SIGMA), T: int = param(**_T), delta: float = param(1e-5, **_DELTA),
) -> float:
    """Epsilon of DP-SGD by its privacy loss distribution, an upper bound that is tight up to the discretisation."""
    return pld_epsilon(q, sigma, T, delta, 0.0 if q == 1 else sgd_eps_rdp(q, sigma, T, delta))


@formula("dp.sgd_eps", cases=[Case(_ABADI | {"accountant": "rdp"}, {"result": 1.0355}, abs=0.002,
                                   source="dp-accounting 0.6")])
def sgd_eps(
    q: float = param(**_Q), sigma: float = param(**_SIGMA), T: int = param(**_T), delta: float = param(1e-5, **_DELTA),
    accountant: Literal["classic", "rdp", "pld"] = param("pld", words=["accountant"]),
) -> float:
    """Epsilon of DP-SGD under the named accountant."""
    chosen = {"classic": sgd_eps_classic, "rdp": sgd_eps_rdp, "pld": sgd_eps_pld}[accountant]
    return float(chosen(q, sigma, T, delta))


@formula("dp.sgd_eps_shuffle", cases=[
    Case({"sigma": 1.3, "epochs": 15, "delta": 1e-5}, {"result": 16.5262}, abs=0.001,
         source="15 Gaussian releases; computed again from the closed form of delta"),
])
def sgd_eps_shuffle(
    sigma: float = param(**_SIGMA), epochs: int = param(ge=1, le=10**7, unit="epochs", words=["epochs", "passes"]),
    delta: float = param(1e-5, **_DELTA),
) -> float:
    """Epsilon that holds when batches come from a shuffled pass: each record is in one batch an epoch, so a run is
    `epochs` Gaussian releases about it, without amplification by sampling."""
    return gaussian_epsilon(sigma / math.sqrt(epochs), delta)


@formula("dp.sgd_eps_advanced", cases=[
    Case(_ABADI, {"result": 9.34}, abs=0.01, shown=True,
         source="Abadi et al. print 9.34 for strong composition; the formula below doesn't reproduce it"),
])
def sgd_eps_advanced(
    q: float = param(**_Q), sigma: float = param(**_SIGMA), T: int = param(**_T), delta: float = param(1e-5, **_DELTA),
) -> float:
    """Epsilon of DP-SGD by advanced composition of amplified Gaussian steps; half of delta goes to the steps."""
    one = gaussian_epsilon(sigma, min(0.5, delta / (2 * T * q)))
    step = math.log1p(q * math.expm1(one)) if one < 700 else one + math.log(q)
    growth = math.expm1(min(step, 700.0))
    return min(step * math.sqrt(2 * T * math.log(2 / delta)) + T * step * growth, T * step)


@formula("dp.sgd_sigma", words=["noise multiplier needed", "which noise multiplier"], cases=[
    Case({"q": 0.01, "T": 10_000, "eps": 1.0355, "delta": 1e-5}, {"result": 4.0}, abs=0.01,
         source="inverse of Renyi accounting"),
])
def sgd_sigma(
    q: float = param(**_Q), T: int = param(**_T),
    eps: float = param(ge=0.01, le=100, unit="count", words=["epsilon", "target epsilon", "budget"]),
    delta: float = param(1e-5, **_DELTA),
) -> float:
    """Noise multiplier that DP-SGD needs for a target epsilon, by Renyi accounting, to 0.1%."""
    low, high = 0.2, 1_000.0
    if sgd_eps_rdp(q, high, T, delta) > eps:
        raise ToolError(f"dp.sgd_sigma: even noise {high:g} leaves epsilon above {eps:g}; lower T or q.")
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if sgd_eps_rdp(q, middle, T, delta) <= eps else (middle, high)
    return high


@formula("dp.sgd_steps", unit="steps", words=["how many steps", "steps within the budget"], cases=[
    Case({"q": 0.01, "sigma": 4, "eps": 1.26, "delta": 1e-5}, {"result": 14_350}, rel=0.001,
         source="inverse of Renyi accounting"),
])
def sgd_steps(
    q: float = param(**_Q), sigma: float = param(**_SIGMA),
    eps: float = param(ge=1e-3, le=1_000, unit="count", words=["epsilon", "budget"]),
    delta: float = param(1e-5, **_DELTA),
) -> int:
    """Steps of DP-SGD that a budget of epsilon allows, by Renyi accounting."""
    return steps_within(rdp_curve(q, sigma, 1), eps, delta)


@formula("dp.sgd_q", unit="fraction", words=["sampling rate"], cases=[Case({"N": 60_000, "batch": 600},
                                                                           {"result": 0.01}, source="batch / N")])
def sgd_q(
    N: int = param(ge=1, le=10**12, unit="records", words=["records", "examples", "N"]),
    batch: int = param(ge=1, le=10**9, unit="count", words=["batch", "batch size", "lot size"]),
) -> float:
    """Sampling rate of DP-SGD: batch / N."""
    return min(1.0, batch / N)


Curve = list[tuple[float, float]]
"""Renyi orders with the divergence of a whole run."""


def rdp_curve(q: float, sigma: float, steps: int) -> Curve:
    """Divergence of `steps` steps by order. The accountant gives epsilons only, so each order's is asked for at a delta
    so small that no shortcut applies, and the conversion is undone."""
    from dp_accounting.rdp import RdpAccountant
    from dp_accounting.rdp.rdp_privacy_accountant import DEFAULT_RDP_ORDERS

    curve = []
    with quiet():
        for order in DEFAULT_RDP_ORDERS:
            accountant = RdpAccountant([order])
            accountant.compose(_event(q, sigma, steps))
            found = float(accountant.get_epsilon(_TINY))
            if math.isfinite(found):
                curve.append((float(order), max(0.0, found - tight_offset(float(order), _TINY)) if found else 0.0))
    return curve


def pld_epsilon(q: float, sigma: float, steps: int, delta: float, rough: float) -> float:
    """Epsilon by the privacy loss distribution; `rough` is any other bound, which sizes the discretisation."""
    from dp_accounting.pld.privacy_loss_distribution import from_gaussian_mechanism

    if q == 1:
        return float(sgd_eps_shuffle(sigma, steps, delta))
    if rough > MAX_PLD_EPS:
        raise ToolError(f"dp.sgd_eps_pld: epsilon is about {rough:.4g}, which protects nobody; raise sigma or lower T "
                        f"until it is below {MAX_PLD_EPS:g}.")
    interval = _interval(q, sigma, steps, rough)
    step = from_gaussian_mechanism(sigma, sampling_prob=q, value_discretization_interval=interval)
    found = float(_composed(step, steps).get_epsilon_for_delta(delta))
    if not math.isfinite(found):
        raise ToolError(f"dp.sgd_eps_pld: delta {delta:g} is below the mass that the distribution cuts off; use "
                        "a larger delta or dp.sgd_eps_rdp.")
    return found


def tight_offset(order: float, delta: float) -> float:
    """What the tighter conversion adds to a divergence: ln(1 - 1/a) - ln(delta a) / (a - 1)."""
    return math.log1p(-1 / order) - (math.log(delta) + math.log(order)) / (order - 1)


def tight_epsilon(curve: Curve, delta: float, share: float = 1.0) -> float:
    """Epsilon of a `share` of the curve's run by the tighter conversion."""
    return max(0.0, min(share * rdp + tight_offset(order, delta) for order, rdp in curve))


def classic_epsilon(curve: Curve, delta: float, share: float = 1.0) -> float:
    """Epsilon of a `share` of the curve's run by the classic conversion: rdp + ln(1/delta) / (a - 1)."""
    return min(share * rdp - math.log(delta) / (order - 1) for order, rdp in curve)


def steps_within(one: Curve, eps: float, delta: float) -> int:
    """Most steps whose epsilon stays within the budget; `one` is the curve of a single step."""
    steps = 0.0
    for order, rdp in one:
        room = eps - tight_offset(order, delta)
        if room >= 0:
            steps = max(steps, room / rdp if rdp > 0 else math.inf)
    return math.floor(min(steps, 1e15))


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps absl from telling of every order that it leaves out."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _event(q: float, sigma: float, steps: int) -> Any:
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent

    return SelfComposedDpEvent(PoissonSampledDpEvent(q, GaussianDpEvent(sigma)), steps)


def _composed(step: Any, steps: int) -> Any:
    """`steps` compositions of one step's distribution. Long runs go by blocks, because the library's bound on the width
    of the result grows with their number."""
    if steps <= LONG_RUN:
        return step.self_compose(steps)
    block = math.isqrt(steps)
    whole = step.self_compose(block).self_compose(steps // block)
    return whole.compose(step.self_compose(steps % block)) if steps % block else whole


def _interval(q: float, sigma: float, steps: int, eps: float) -> float:
    """Discretisation d. Its error in epsilon was measured at about 1.3 steps d^2, so 1e-4 or less keeps it small; the
    loss of one step and of the run must fit into memory."""
    reach = 10 / sigma + 1 / (2 * sigma**2)
    one = math.log1p(q * math.expm1(reach)) if reach < 700 else reach + math.log(q)
    return max(min(1e-4, math.sqrt(1e-3 / steps)), one / PLD_BUCKETS, eps / MAX_BUCKETS)
