"""Little's law, utilisation and offered load: what holds for any queue; knows no distribution of times."""

from __future__ import annotations

from tools.base import Ask, Case, formula, param
from tools.calculators.queue_params import LAMBDA, MU, SERVERS


@formula("queue.utilisation", words=["how busy", "utilisation", "rho"],
    unit="fraction", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 0.8}, rel=1e-12, source="arithmetic"),
    Case({"lambda": 80, "mu": 10, "servers": 10}, {"result": 0.8}, rel=1e-12, source="arithmetic"),
])
def utilisation(lam: float = param(**LAMBDA), mu: float = param(**MU), servers: int = param(1, **SERVERS)) -> float:
    """Utilisation rho = lambda / (servers * mu); a queue without limit needs less than 1."""
    return lam / (servers * mu)


@formula("queue.erlangs", unit="erlangs", words=["load in erlangs", "how many erlangs", "offered load", "traffic in erlangs",
                                                 "agents busy"], cases=[
    Case({"lambda": 0.5, "hold_s": 180}, {"result": 90.0}, rel=1e-12, source="arithmetic"),
], asks=[Ask("A call centre gets 120 calls an hour that take 5 minutes each: what is the offered load in erlangs?", "result", 10.0)])
def erlangs_of(
    lam: float = param(**LAMBDA),
    hold_s: float = param(ge=0, le=1e9, unit="s", words=["takes", "take", "holding time", "lasts", "last", "duration", "each"]),
) -> float:
    """Offered load in erlangs, the mean number of busy servers: arrival rate times holding time."""
    return lam * hold_s


@formula("queue.little_L", words=["little's law", "in flight", "concurrent", "in the system", "at the same time", "being worked on",
                                  "being processed", "at any moment", "concurrently"],
    unit="requests", cases=[
    Case({"rps": 1000, "latency_s": 0.2}, {"result": 200}, rel=1e-12, source="Little's law"),
], asks=[Ask("Users stay 5 minutes and 30 arrive per second. How many are on the site at the same time?", "result", 9000.0),
    Ask("1,000 requests per second at a latency of 200 ms: how many are in flight?", "result", 200)])
def little_L(
    rps: float = param(ge=0, le=1e15, unit="rps", words=["requests per second", "rps", "throughput", "arrive"]),
    latency_s: float = param(ge=0, le=1e9, unit="s", words=["latency", "takes", "response time", "stay", "stays", "spends"]),
) -> float:
    """Mean number in the system by Little's law, L = lambda * W."""
    return rps * latency_s


@formula("queue.little_W_s", words=["little's law", "how long does a request stay", "time in the system"],
    unit="s", cases=[Case({"L": 200, "rps": 1000}, {"result": 0.2}, rel=1e-12, source="Little's law")], asks=[
    Ask("450 requests are in flight and the throughput is 1,500 rps: how long does a request stay, in seconds?", "result", 0.3),
])
def little_W_s(
    L: float = param(ge=0, le=1e15, unit="requests", words=["in flight", "in the system"]),
    rps: float = param(gt=0, le=1e15, unit="rps", words=["requests per second", "rps", "throughput"]),
) -> float:
    """Mean time in the system in seconds by Little's law, W = L / lambda."""
    return L / rps


@formula("queue.little_rps", words=["little's law", "throughput", "how many per second", "pool of connections", "connection pool",
                                    "connections", "max queries per second", "queries per second"],
    unit="rps", cases=[
    Case({"L": 200, "latency_s": 0.2}, {"result": 1000}, rel=1e-12, source="Little's law"),
], asks=[
    Ask("A pool of 64 connections, each query takes 20 ms. What throughput at most?", "result", 3200.0),
])
def little_rps(
    L: float = param(ge=0, le=1e15, unit="requests", words=["in flight", "threads", "connections", "workers", "at once", "concurrent",
                                                            "pool of", "pool"]),
    latency_s: float = param(gt=0, le=1e9, unit="s", words=["latency", "takes", "response time", "each", "per request"]),
) -> float:
    """Throughput of L requests in flight by Little's law, lambda = L / W."""
    return L / latency_s
