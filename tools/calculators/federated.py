"""FedAvg and FedProx on quadratic clients in closed form, and what rounds cost; trains no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tools.base import Ask, Case, ToolError, formula, param

_A = param(min_length=1, max_length=10_000, words=["curvatures", "a"])
_C = param(min_length=1, max_length=10_000, words=["optima", "client optima", "c"])
_WEIGHTS = param(None, min_length=1, max_length=10_000, words=["weights", "examples a client"])
_ETA: dict[str, Any] = {"gt": 0, "le": 100, "unit": "count", "words": ["learning rate", "eta", "step size"]}
_STEPS: dict[str, Any] = {"ge": 1, "le": 10**7, "unit": "steps", "words": ["local steps", "local updates", "steps"]}
_MU: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "count", "words": ["mu", "proximal", "FedProx"]}
_TWO: dict[str, Any] = {"a": [1, 10], "c": [0, 1], "eta": 0.05}
_SOURCE = "closed form of two quadratic clients"


@formula("fed.fedavg_fixed_point", words=["FedAvg settles", "FedAvg converges to", "fixed point"], cases=[
    Case(_TWO | {"local_steps": 1, "true_optimum": 0.90909}, {"result": 0.90909}, abs=1e-5, source=_SOURCE),
    Case(_TWO | {"local_steps": 10}, {"result": 0.71344}, abs=1e-5, source=_SOURCE),
    Case(_TWO | {"local_steps": 1_000}, {"result": 0.5}, abs=1e-5, source=_SOURCE + ": the mean of the optima"),
])
def fedavg_fixed_point(
    a: list[float] = _A, c: list[float] = _C, eta: float = param(**_ETA), local_steps: int = param(1, **_STEPS),
    true_optimum: float | None = param(None, words=["true optimum"]), weights: list[float] | None = _WEIGHTS,
    mu: float = param(0.0, **_MU),
) -> float:
    """Where FedAvg settles when client i has the loss a_i/2 (x - c_i)^2 and takes gradient steps (mu: FedProx)."""
    pulls = client_pulls(a, eta, local_steps, mu)
    shares = client_shares(a, c, weights)
    settle_rate(shares, pulls)
    return math.fsum(w * s * o for w, s, o in zip(shares, pulls, c, strict=True)) / math.fsum(
        w * s for w, s in zip(shares, pulls, strict=True))


@formula("fed.true_optimum", words=["true optimum of the clients"], cases=[Case({"a": [1, 10], "c": [0, 1]},
                                                                                {"result": 0.90909}, abs=1e-5, source="10 / 11")])
def true_optimum(
    a: list[float] = _A, c: list[float] = _C, weights: list[float] | None = _WEIGHTS,
) -> float:
    """Minimum of the mean loss of the clients: the curvature-weighted mean of their optima."""
    shares = client_shares(a, c, weights)
    return math.fsum(w * k * o for w, k, o in zip(shares, a, c, strict=True)) / math.fsum(
        w * k for w, k in zip(shares, a, strict=True))


@formula("fed.drift", words=["client drift"], cases=[
    Case(_TWO | {"local_steps": 10}, {"result": 0.71344 - 0.90909}, abs=2e-5, source=_SOURCE),
    Case(_TWO | {"local_steps": 1}, {"result": 0.0}, abs=1e-12, source="one step is plain gradient descent"),
])
def drift(
    a: list[float] = _A, c: list[float] = _C, eta: float = param(**_ETA), local_steps: int = param(1, **_STEPS),
    weights: list[float] | None = _WEIGHTS, mu: float = param(0.0, **_MU),
) -> float:
    """How far FedAvg settles from the true optimum."""
    return float(fedavg_fixed_point(a, c, eta, local_steps, None, weights, mu) - true_optimum(a, c, weights))


@formula("fed.fedprox_fixed_point", words=["FedProx settles", "FedProx"], cases=[
    Case(_TWO | {"local_steps": 1_000, "mu": 10}, {"result": 0.846154}, abs=1e-6,
         source="pulls a / (a + mu): 0.5 / (0.5 + 1/11)"),
])
def fedprox_fixed_point(
    a: list[float] = _A, c: list[float] = _C, eta: float = param(**_ETA), local_steps: int = param(1, **_STEPS),
    mu: float = param(1.0, **_MU), weights: list[float] | None = _WEIGHTS,
) -> float:
    """Where FedProx settles: as FedAvg, with mu/2 (x - global)^2 added to each client's loss."""
    return float(fedavg_fixed_point(a, c, eta, local_steps, None, weights, mu))


@formula("fed.round_rate", words=["contraction of a round"], cases=[
    Case({"a": [1, 10], "eta": 0.05, "local_steps": 1}, {"result": 0.725}, abs=1e-12, source="1 - 0.05 * 5.5"),
])
def round_rate(
    a: list[float] = _A, eta: float = param(**_ETA), local_steps: int = param(1, **_STEPS),
    weights: list[float] | None = _WEIGHTS, mu: float = param(0.0, **_MU),
) -> float:
    """Factor by which one round shrinks the distance to where FedAvg settles."""
    return settle_rate(client_shares(a, a, weights), client_pulls(a, eta, local_steps, mu))


@formula("fed.rounds_to", unit="rounds", words=["rounds until FedAvg settles"], cases=[
    Case({"a": [1, 10], "eta": 0.05, "tolerance": 0.01}, {"result": 15}, source="ln 0.01 / ln 0.725 = 14.3"),
])
def rounds_to(
    a: list[float] = _A, eta: float = param(**_ETA), local_steps: int = param(1, **_STEPS),
    tolerance: float = param(0.01, gt=0, lt=1, unit="fraction", words=["tolerance", "within"]),
    weights: list[float] | None = _WEIGHTS, mu: float = param(0.0, **_MU),
) -> int:
    """Rounds until the distance to where FedAvg settles is `tolerance` of what it was."""
    rate = abs(float(round_rate(a, eta, local_steps, weights, mu)))
    return 1 if rate <= tolerance else math.ceil(math.log(tolerance) / math.log(rate) - 1e-9)


@formula("fed.weighted_average",
         words=["FedAvg average", "aggregated weight", "server aggregates", "aggregation", "global weight", "weighted average"],
         cases=[
    Case({"values": [1.0, 4.0], "examples": [300, 100]}, {"result": 1.75}, rel=1e-12, source="McMahan et al. 2017"),
], asks=[Ask("FedAvg with client values [1.0, 4.0] and examples [300, 100]: what does the server average?", "result", 1.75)])
def weighted_average(
    values: list[float] = param(min_length=1, max_length=10_000,
                                words=["values", "client weights", "weights", "updates", "parameters", "accuracies"]),
    examples: list[float] = param(min_length=1, max_length=10_000,
                                  words=["examples", "samples", "records", "data points", "data sizes"]),
) -> float:
    """The server's step of FedAvg: mean of the clients' values weighted by their examples, sum(n_i x_i) / sum(n_i)."""
    return math.fsum(w * v for w, v in zip(client_shares(values, values, examples), values, strict=True))


@formula("fed.communication_bytes", unit="bytes", words=["federated traffic", "communication cost",
                                                         "traffic of training", "up and down"], cases=[
    Case({"rounds": 100, "clients": 10, "model_bytes": 4_000_000}, {"result": 8e9}, source="down and up each round"),
])
def communication_bytes(
    rounds: int = param(ge=1, le=10**9, unit="rounds", words=["rounds", "communication rounds"]),
    clients: int = param(ge=1, le=10**9, unit="clients", words=["clients", "devices", "phones", "users", "a round"]),
    model_bytes: float = param(gt=0, le=1e15, unit="bytes", words=["model", "update"]),
) -> float:
    """Bytes that training moves: every round each client takes the model down and an update up."""
    return 2.0 * rounds * clients * model_bytes


def client_shares(a: Sequence[float], c: Sequence[float], weights: Sequence[float] | None) -> list[float]:
    """Weights that sum to one. Raises ToolError when the lists differ in length or a weight is negative."""
    given = list(weights) if weights is not None else [1.0] * len(a)
    if len(c) != len(a) or len(given) != len(a):
        raise ToolError(f"fed: every client needs one entry in each list; the lengths are {len(a)}, {len(c)} and "
                        f"{len(given)}.")
    total = math.fsum(given)
    if min(given) < 0 or total <= 0:
        raise ToolError("fed: weights must be zero or more, and not all zero.")
    return [each / total for each in given]


def client_pulls(a: Sequence[float], eta: float, local_steps: int, mu: float) -> list[float]:
    """By client, the share of the way from the global value to its own optimum that a round goes."""
    if min(a) < 0 or max(a) <= 0:
        raise ToolError("fed: curvatures must be zero or more and not all zero; a loss that bends down has no minimum.")
    pulls = []
    for each in a:
        factor = 1 - eta * (each + mu)
        if abs(factor) > 1 and local_steps * math.log(abs(factor)) > 300:
            raise ToolError(f"fed: local steps diverge at curvature {each:g}; eta must be below {2 / (each + mu):.4g}.")
        pulls.append((1 - factor**local_steps) * each / (each + mu) if each else 0.0)
    return pulls


def settle_rate(shares: Sequence[float], pulls: Sequence[float]) -> float:
    """Contraction of one round. Raises ToolError when rounds diverge."""
    rate = 1 - math.fsum(w * s for w, s in zip(shares, pulls, strict=True))
    if abs(rate) >= 1:
        raise ToolError(f"fed: rounds don't converge (factor {rate:.4g} a round); lower eta.")
    return rate
