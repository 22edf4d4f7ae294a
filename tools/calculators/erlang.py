"""Closed formulas of queueing: Little, M/M/1, M/M/c, loss and general service; the tool with its plot is in queueing.py."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, ToolError, formula, param

_LAMBDA: dict[str, Any] = {"alias": "lambda", "ge": 0, "le": 1e12, "unit": "rps",
                           "words": ["arrive", "arrivals", "arrival rate", "lambda", "load", "gets", "come in", "receives"]}
_MU: dict[str, Any] = {"gt": 0, "le": 1e12, "unit": "rps", "words": ["serves", "service rate", "mu", "capacity", "handles"]}
_SERVERS: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "servers", "words": ["servers", "workers", "agents", "channels"]}
_ERLANGS: dict[str, Any] = {"ge": 0, "le": 1e5, "unit": "erlangs", "words": ["erlangs", "offered load"]}


@formula("queue.utilisation", words=["how busy", "utilisation", "rho"],
    unit="fraction", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 0.8}, rel=1e-12, source="arithmetic"),
    Case({"lambda": 80, "mu": 10, "servers": 10}, {"result": 0.8}, rel=1e-12, source="arithmetic"),
])
def utilisation(lam: float = param(**_LAMBDA), mu: float = param(**_MU), servers: int = param(1, **_SERVERS)) -> float:
    """Utilisation rho = lambda / (servers * mu); a queue without limit needs less than 1."""
    return lam / (servers * mu)


@formula("queue.mm1_W_s", unit="s", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 0.05}, rel=1e-9, source="W = 1 / (mu - lambda)"),
    Case({"lambda": 99, "mu": 100}, {"result": 1.0}, rel=1e-9, source="99% load: twenty times the time at 80%"),
    Case({"lambda": 0, "mu": 100}, {"result": 0.01}, rel=1e-9, source="an idle server: its service time"),
])
def mm1_W_s(lam: float = param(**_LAMBDA), mu: float = param(**_MU)) -> float:
    """Mean time in an M/M/1 system, waiting and service, in seconds: 1 / (mu - lambda)."""
    _stable("queue.mm1_W_s", lam, mu, 1)
    return 1 / (mu - lam)


@formula("queue.mm1_Wq_s", unit="s", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 0.04}, rel=1e-9, source="W - 1 / mu"),
])
def mm1_Wq_s(lam: float = param(**_LAMBDA), mu: float = param(**_MU)) -> float:
    """Mean time in the queue of an M/M/1 system, before service, in seconds: rho / (mu - lambda)."""
    _stable("queue.mm1_Wq_s", lam, mu, 1)
    return lam / mu / (mu - lam)


@formula("queue.mm1_L", unit="requests", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 4.0}, rel=1e-9, source="rho / (1 - rho)"),
])
def mm1_L(lam: float = param(**_LAMBDA), mu: float = param(**_MU)) -> float:
    """Mean number in an M/M/1 system: rho / (1 - rho)."""
    _stable("queue.mm1_L", lam, mu, 1)
    return lam / (mu - lam)


@formula("queue.mm1_Lq", words=["waiting in line", "queue length", "how many are waiting"],
    unit="requests", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 3.2}, rel=1e-9, source="rho^2 / (1 - rho)"),
], asks=[
    Ask("45 per second arrive at one server that handles 50 per second. How many are waiting in line on average?", "result", 8.1),
])
def mm1_Lq(lam: float = param(**_LAMBDA), mu: float = param(**_MU)) -> float:
    """Mean number waiting in an M/M/1 queue: rho^2 / (1 - rho)."""
    _stable("queue.mm1_Lq", lam, mu, 1)
    return lam / mu * lam / (mu - lam)


@formula("queue.mm1_quantile_s", words=["quantile", "percentile", "95th percentile of the time"],
    unit="s", cases=[
    Case({"lambda": 80, "mu": 100, "q": 0.5}, {"result": math.log(2) / 20}, rel=1e-9, source="exponential sojourn"),
], asks=[
    Ask("One server handles 200 rps and 150 rps arrive. What is the 95th percentile of the time in the "
        "system, in seconds?", "result", 0.05991),
])
def mm1_quantile_s(
    lam: float = param(**_LAMBDA), mu: float = param(**_MU),
    q: float = param(0.99, ge=0, lt=1, unit="fraction", words=["quantile", "percentile"]),
) -> float:
    """Quantile q of the time in an M/M/1 system in seconds: -ln(1 - q) / (mu - lambda)."""
    _stable("queue.mm1_quantile_s", lam, mu, 1)
    return -math.log1p(-q) / (mu - lam)


@formula("queue.mm1_p99_s", unit="s", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 0.230259}, rel=1e-5, source="exponential sojourn, ln(100) / 20"),
])
def mm1_p99_s(lam: float = param(**_LAMBDA), mu: float = param(**_MU)) -> float:
    """99th percentile of the time in an M/M/1 system in seconds: ln(100) / (mu - lambda)."""
    _stable("queue.mm1_p99_s", lam, mu, 1)
    return math.log(100) / (mu - lam)


@formula("queue.mm1k_blocking", words=["turned away", "rejected", "finite queue", "places"],
    unit="fraction", cases=[
    Case({"lambda": 80, "mu": 100, "K": 10}, {"result": 0.8**10 * 0.2 / (1 - 0.8**11)}, rel=1e-9, source="M/M/1/K"),
    Case({"lambda": 100, "mu": 100, "K": 9}, {"result": 0.1}, rel=1e-9, source="rho = 1: 1 / (K + 1)"),
], asks=[
    Ask("M/M/1 with 5 places, 90 rps arrive and it serves 100 rps: what share is turned away?", "result", 0.12603),
])
def mm1k_blocking(
    lam: float = param(**_LAMBDA), mu: float = param(**_MU),
    K: int = param(ge=1, le=1_000_000, unit="requests", words=["places", "queue", "capacity"]),
) -> float:
    """Share of requests that an M/M/1 system with K places (the one in service included) turns away."""
    rho = lam / mu
    if abs(rho - 1) < 1e-12:
        return 1 / (K + 1)
    if rho > 1:
        return (1 - 1 / rho) / -math.expm1(-(K + 1) * math.log(rho))
    return rho**K * (1 - rho) / -math.expm1((K + 1) * math.log(rho))


@formula("queue.erlang_b", words=["blocked", "lost calls", "erlang b", "lines busy"],
    unit="fraction", cases=[
    Case({"servers": 10, "erlangs": 8}, {"result": 0.121661}, rel=1e-5, source="Erlang B"),
    Case({"servers": 10, "erlangs": 0}, {"result": 0.0}, source="nothing is offered, nothing lost"),
], asks=[Ask("10 servers, 8 erlangs of offered load and no queue: what share is blocked (Erlang B)?", "result", 0.12166)])
def erlang_b(servers: int = param(**_SERVERS), erlangs: float = param(**_ERLANGS)) -> float:
    """Erlang B: share of requests that find all servers busy and are lost, by the stable recursion over servers."""
    if not erlangs:
        return 0.0
    inverse = 1.0
    for n in range(1, servers + 1):
        inverse = 1 + n / erlangs * inverse
        if inverse > 1e300:
            return 0.0
    return 1 / inverse


@formula("queue.erlang_c", words=["has to wait", "have to wait", "chance to wait", "erlang c"],
    unit="fraction", cases=[
    Case({"servers": 2, "erlangs": 1.6}, {"result": 32 / 45}, rel=1e-5, source="closed form 32/45"),
    Case({"servers": 10, "erlangs": 8}, {"result": 0.40918}, rel=1e-4, source="from Erlang B: 10 B / (10 - 8 (1 - B))"),
], asks=[Ask("With 10 servers and 8 erlangs, what is the Erlang C probability of waiting?", "result", 0.40918)])
def erlang_c(servers: int = param(**_SERVERS), erlangs: float = param(**_ERLANGS)) -> float:
    """Erlang C: share of requests that must wait in an M/M/c queue without limit."""
    _stable("queue.erlang_c", erlangs, 1.0, servers)
    blocked: float = erlang_b(servers, erlangs)
    return servers * blocked / (servers - erlangs * (1 - blocked))


@formula("queue.mmc_Wq_s", unit="s", cases=[
    Case({"lambda": 160, "mu": 100, "servers": 2}, {"result": 32 / 45 / 40}, rel=1e-9, source="C / (c mu - lambda)"),
])
def mmc_Wq_s(lam: float = param(**_LAMBDA), mu: float = param(**_MU), servers: int = param(**_SERVERS)) -> float:
    """Mean wait in the queue of an M/M/c system in seconds: Erlang C / (c mu - lambda)."""
    _stable("queue.mmc_Wq_s", lam, mu, servers)
    return float(erlang_c(servers, lam / mu)) / (servers * mu - lam)


@formula("queue.mmc_W_s", unit="s", cases=[
    Case({"lambda": 160, "mu": 100, "servers": 2}, {"result": 32 / 45 / 40 + 0.01}, rel=1e-9, source="wait + 1 / mu"),
])
def mmc_W_s(lam: float = param(**_LAMBDA), mu: float = param(**_MU), servers: int = param(**_SERVERS)) -> float:
    """Mean time in an M/M/c system, waiting and service, in seconds."""
    return float(mmc_Wq_s(lam, mu, servers)) + 1 / mu


@formula("queue.mmc_Lq", unit="requests", cases=[
    Case({"lambda": 160, "mu": 100, "servers": 2}, {"result": 160 * 32 / 45 / 40}, rel=1e-9, source="lambda * Wq"),
])
def mmc_Lq(lam: float = param(**_LAMBDA), mu: float = param(**_MU), servers: int = param(**_SERVERS)) -> float:
    """Mean number waiting in an M/M/c queue: lambda times the mean wait."""
    return lam * float(mmc_Wq_s(lam, mu, servers))


@formula("queue.mg1_Wq_s", words=["service time varies", "variability", "pollaczek"],
    unit="s", cases=[
    Case({"lambda": 80, "mu": 100, "scv": 0}, {"result": 0.02}, rel=1e-9, source="M/D/1: half of M/M/1"),
    Case({"lambda": 80, "mu": 100, "scv": 1}, {"result": 0.04}, rel=1e-9, source="M/M/1"),
], asks=[
    Ask("80 rps arrive, the service rate is 100 rps with a squared coefficient of variation of 4: mean wait?", "result", 0.1),
])
def mg1_Wq_s(
    lam: float = param(**_LAMBDA), mu: float = param(**_MU),
    scv: float = param(1.0, ge=0, le=1e6, unit="count", words=["squared coefficient of variation", "variability"]),
) -> float:
    """Mean wait of an M/G/1 queue in seconds (Pollaczek-Khinchine): rho (1 + scv) / (2 (mu - lambda))."""
    _stable("queue.mg1_Wq_s", lam, mu, 1)
    return lam / mu * (1 + scv) / 2 / (mu - lam)


@formula("queue.kingman_Wq_s", unit="s", cases=[
    Case({"lambda": 80, "mu": 100, "scv_arrival": 1, "scv_service": 1}, {"result": 0.04}, rel=1e-9, source="exact for M/M/1"),
])
def kingman_Wq_s(
    lam: float = param(**_LAMBDA), mu: float = param(**_MU),
    scv_arrival: float = param(1.0, ge=0, le=1e6, unit="count"), scv_service: float = param(1.0, ge=0, le=1e6, unit="count"),
) -> float:
    """Mean wait of a G/G/1 queue in seconds by Kingman's approximation, from both squared coefficients of variation."""
    _stable("queue.kingman_Wq_s", lam, mu, 1)
    return lam / mu / (mu - lam) * (scv_arrival + scv_service) / 2


@formula("queue.erlangs", unit="erlangs", words=["load in erlangs", "how many erlangs", "offered load", "traffic in erlangs",
                                                 "agents busy"], cases=[
    Case({"lambda": 0.5, "hold_s": 180}, {"result": 90.0}, rel=1e-12, source="arithmetic"),
], asks=[Ask("A call centre gets 120 calls an hour that take 5 minutes each: what is the offered load in erlangs?", "result", 10.0)])
def erlangs_of(
    lam: float = param(**_LAMBDA),
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


@formula("queue.servers_for_blocking", words=["how many lines", "how many servers", "lines needed"],
    unit="servers", cases=[
    Case({"erlangs": 8, "blocking": 0.01}, {"result": 15}, rel=1e-12, source="Erlang B: 0.0172 with 14, 0.0091 with 15"),
], asks=[
    Ask("20 erlangs and at most 1% blocked: how many lines are needed?", "result", 30),
])
def servers_for_blocking(
    erlangs: float = param(**_ERLANGS), blocking: float = param(gt=0, lt=1, unit="fraction", words=["blocked", "blocking"]),
) -> int:
    """Fewest servers whose Erlang B loss is at most the given share."""
    inverse, n = 1.0, 0
    while 1 / inverse > blocking:
        n += 1
        inverse = 1 + n / erlangs * inverse
    return n


@formula("queue.servers_for_wait", words=["how many servers", "wait at most", "agents needed", "wait may be", "wait below",
                                          "mean wait of at most"],
    unit="servers", cases=[
    Case({"lambda": 8, "mu": 1, "wait_s": 0.1}, {"result": 11}, rel=1e-12, source="mean wait 0.205 s with 10, 0.082 with 11"),
], asks=[
    Ask("100 requests per second arrive, a server handles 12 per second and the wait may be 50 ms at "
        "most: how many servers?", "result", 10),
])
def servers_for_wait(
    lam: float = param(**_LAMBDA), mu: float = param(**_MU), wait_s: float = param(gt=0, le=1e9, unit="s", words=["wait", "at most",
            "waiting"]),
) -> int:
    """Fewest servers of an M/M/c queue whose mean wait is at most `wait_s` seconds."""
    erlangs, inverse, n = lam / mu, 1.0, 0
    if erlangs > 1e5:
        raise ToolError(f"queue.servers_for_wait: {erlangs:.4g} erlangs are above its limit of 100,000; split the load.")
    while True:
        n += 1
        inverse = min(1 + n / erlangs * inverse, 1e300)
        if n > erlangs and n / (inverse * (n - erlangs) + erlangs) / (n * mu - lam) <= wait_s:
            return n


def _stable(name: str, lam: float, mu: float, servers: int) -> None:
    if lam >= servers * mu:
        raise ToolError(f"{name}: the queue grows without bound, for {lam:g} arrive a second and {servers:,} "
                        f"server{'s' if servers > 1 else ''} can take only {servers * mu:g}; keep utilisation below 1.")
