"""Closed formulas of one server's queue: M/M/1, M/M/1/K, M/G/1, G/G/1; more servers are in erlang.py."""

from __future__ import annotations

import math

from tools.base import Ask, Case, formula, param
from tools.calculators.queue_params import LAMBDA, MU, stable


@formula("queue.mm1_W_s", unit="s", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 0.05}, rel=1e-9, source="W = 1 / (mu - lambda)"),
    Case({"lambda": 99, "mu": 100}, {"result": 1.0}, rel=1e-9, source="99% load: twenty times the time at 80%"),
])
def mm1_W_s(lam: float = param(**LAMBDA), mu: float = param(**MU)) -> float:
    """Mean time in an M/M/1 system, waiting and service, in seconds: 1 / (mu - lambda)."""
    stable("queue.mm1_W_s", lam, mu, 1)
    return 1 / (mu - lam)


@formula("queue.mm1_Wq_s", unit="s", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 0.04}, rel=1e-9, source="W - 1 / mu"),
])
def mm1_Wq_s(lam: float = param(**LAMBDA), mu: float = param(**MU)) -> float:
    """Mean time in the queue of an M/M/1 system, before service, in seconds: rho / (mu - lambda)."""
    stable("queue.mm1_Wq_s", lam, mu, 1)
    return lam / mu / (mu - lam)


@formula("queue.mm1_L", unit="requests", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 4.0}, rel=1e-9, source="rho / (1 - rho)"),
])
def mm1_L(lam: float = param(**LAMBDA), mu: float = param(**MU)) -> float:
    """Mean number in an M/M/1 system: rho / (1 - rho)."""
    stable("queue.mm1_L", lam, mu, 1)
    return lam / (mu - lam)


@formula("queue.mm1_Lq", words=["waiting in line", "queue length", "how many are waiting"],
    unit="requests", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 3.2}, rel=1e-9, source="rho^2 / (1 - rho)"),
], asks=[
    Ask("45 per second arrive at one server that handles 50 per second. How many are waiting in line on average?", "result", 8.1),
])
def mm1_Lq(lam: float = param(**LAMBDA), mu: float = param(**MU)) -> float:
    """Mean number waiting in an M/M/1 queue: rho^2 / (1 - rho)."""
    stable("queue.mm1_Lq", lam, mu, 1)
    return lam / mu * lam / (mu - lam)


@formula("queue.mm1_quantile_s", words=["quantile", "percentile", "95th percentile of the time"],
    unit="s", cases=[
    Case({"lambda": 80, "mu": 100, "q": 0.5}, {"result": math.log(2) / 20}, rel=1e-9, source="exponential sojourn"),
], asks=[
    Ask("One server handles 200 rps and 150 rps arrive. What is the 95th percentile of the time in the "
        "system, in seconds?", "result", 0.05991),
])
def mm1_quantile_s(
    lam: float = param(**LAMBDA), mu: float = param(**MU),
    q: float = param(0.99, ge=0, lt=1, unit="fraction", words=["quantile", "percentile"]),
) -> float:
    """Quantile q of the time in an M/M/1 system in seconds: -ln(1 - q) / (mu - lambda)."""
    stable("queue.mm1_quantile_s", lam, mu, 1)
    return -math.log1p(-q) / (mu - lam)


@formula("queue.mm1_p99_s", unit="s", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 0.230259}, rel=1e-5, source="exponential sojourn, ln(100) / 20"),
])
def mm1_p99_s(lam: float = param(**LAMBDA), mu: float = param(**MU)) -> float:
    """99th percentile of the time in an M/M/1 system in seconds: ln(100) / (mu - lambda)."""
    stable("queue.mm1_p99_s", lam, mu, 1)
    return math.log(100) / (mu - lam)


@formula("queue.mm1k_blocking", words=["turned away", "rejected", "finite queue", "places"],
    unit="fraction", cases=[
    Case({"lambda": 80, "mu": 100, "K": 10}, {"result": 0.8**10 * 0.2 / (1 - 0.8**11)}, rel=1e-9, source="M/M/1/K"),
    Case({"lambda": 100, "mu": 100, "K": 9}, {"result": 0.1}, rel=1e-9, source="rho = 1: 1 / (K + 1)"),
], asks=[
    Ask("M/M/1 with 5 places, 90 rps arrive and it serves 100 rps: what share is turned away?", "result", 0.12603),
])
def mm1k_blocking(
    lam: float = param(**LAMBDA), mu: float = param(**MU),
    K: int = param(ge=1, le=1_000_000, unit="requests", words=["places", "queue", "capacity"]),
) -> float:
    """Share of requests that an M/M/1 system with K places (the one in service included) turns away."""
    rho = lam / mu
    if abs(rho - 1) < 1e-12:
        return 1 / (K + 1)
    if rho > 1:
        return (1 - 1 / rho) / -math.expm1(-(K + 1) * math.log(rho))
    return rho**K * (1 - rho) / -math.expm1((K + 1) * math.log(rho))


@formula("queue.mg1_Wq_s", words=["service time varies", "variability", "pollaczek"],
    unit="s", cases=[
    Case({"lambda": 80, "mu": 100, "scv": 0}, {"result": 0.02}, rel=1e-9, source="M/D/1: half of M/M/1"),
    Case({"lambda": 80, "mu": 100, "scv": 1}, {"result": 0.04}, rel=1e-9, source="M/M/1"),
], asks=[
    Ask("80 rps arrive, the service rate is 100 rps with a squared coefficient of variation of 4: mean wait?", "result", 0.1),
])
def mg1_Wq_s(
    lam: float = param(**LAMBDA), mu: float = param(**MU),
    scv: float = param(1.0, ge=0, le=1e6, unit="count", words=["squared coefficient of variation", "variability"]),
) -> float:
    """Mean wait of an M/G/1 queue in seconds (Pollaczek-Khinchine): rho (1 + scv) / (2 (mu - lambda))."""
    stable("queue.mg1_Wq_s", lam, mu, 1)
    return lam / mu * (1 + scv) / 2 / (mu - lam)


@formula("queue.kingman_Wq_s", unit="s", cases=[
    Case({"lambda": 80, "mu": 100, "scv_arrival": 1, "scv_service": 1}, {"result": 0.04}, rel=1e-9, source="exact for M/M/1"),
])
def kingman_Wq_s(
    lam: float = param(**LAMBDA), mu: float = param(**MU),
    scv_arrival: float = param(1.0, ge=0, le=1e6, unit="count"), scv_service: float = param(1.0, ge=0, le=1e6, unit="count"),
) -> float:
    """Mean wait of a G/G/1 queue in seconds by Kingman's approximation, from both squared coefficients of variation."""
    stable("queue.kingman_Wq_s", lam, mu, 1)
    return lam / mu / (mu - lam) * (scv_arrival + scv_service) / 2
