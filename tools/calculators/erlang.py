"""Closed formulas of queues with c servers: loss, waiting, and servers for a goal; one server is in mm1.py."""

from __future__ import annotations

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.queue_params import ERLANGS, LAMBDA, MU, SERVERS, stable


@formula("queue.erlang_b", words=["blocked", "lost calls", "erlang b", "lines busy"],
    unit="fraction", cases=[
    Case({"servers": 10, "erlangs": 8}, {"result": 0.121661}, rel=1e-5, source="Erlang B"),
], asks=[Ask("10 servers, 8 erlangs of offered load and no queue: what share is blocked (Erlang B)?", "result", 0.12166)])
def erlang_b(servers: int = param(**SERVERS), erlangs: float = param(**ERLANGS)) -> float:
    """Erlang B: share of requests that find all servers busy and are lost, by the stable recursion over servers."""
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
def erlang_c(servers: int = param(**SERVERS), erlangs: float = param(**ERLANGS)) -> float:
    """Erlang C: share of requests that must wait in an M/M/c queue without limit."""
    stable("queue.erlang_c", erlangs, 1.0, servers)
    blocked: float = erlang_b(servers, erlangs)
    return servers * blocked / (servers - erlangs * (1 - blocked))


@formula("queue.mmc_Wq_s", unit="s", cases=[
    Case({"lambda": 160, "mu": 100, "servers": 2}, {"result": 32 / 45 / 40}, rel=1e-9, source="C / (c mu - lambda)"),
])
def mmc_Wq_s(lam: float = param(**LAMBDA), mu: float = param(**MU), servers: int = param(**SERVERS)) -> float:
    """Mean wait in the queue of an M/M/c system in seconds: Erlang C / (c mu - lambda)."""
    stable("queue.mmc_Wq_s", lam, mu, servers)
    return float(erlang_c(servers, lam / mu)) / (servers * mu - lam)


@formula("queue.mmc_W_s", unit="s", cases=[
    Case({"lambda": 160, "mu": 100, "servers": 2}, {"result": 32 / 45 / 40 + 0.01}, rel=1e-9, source="wait + 1 / mu"),
])
def mmc_W_s(lam: float = param(**LAMBDA), mu: float = param(**MU), servers: int = param(**SERVERS)) -> float:
    """Mean time in an M/M/c system, waiting and service, in seconds."""
    return float(mmc_Wq_s(lam, mu, servers)) + 1 / mu


@formula("queue.mmc_Lq", unit="requests", cases=[
    Case({"lambda": 160, "mu": 100, "servers": 2}, {"result": 160 * 32 / 45 / 40}, rel=1e-9, source="lambda * Wq"),
])
def mmc_Lq(lam: float = param(**LAMBDA), mu: float = param(**MU), servers: int = param(**SERVERS)) -> float:
    """Mean number waiting in an M/M/c queue: lambda times the mean wait."""
    return lam * float(mmc_Wq_s(lam, mu, servers))


@formula("queue.servers_for_blocking", words=["how many lines", "how many servers", "lines needed"],
    unit="servers", cases=[
    Case({"erlangs": 8, "blocking": 0.01}, {"result": 15}, rel=1e-12, source="Erlang B: 0.0172 with 14, 0.0091 with 15"),
], asks=[
    Ask("20 erlangs and at most 1% blocked: how many lines are needed?", "result", 30),
])
def servers_for_blocking(
    erlangs: float = param(**ERLANGS), blocking: float = param(gt=0, lt=1, unit="fraction", words=["blocked", "blocking"]),
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
    lam: float = param(**LAMBDA), mu: float = param(**MU), wait_s: float = param(gt=0, le=1e9, unit="s", words=["wait", "at most",
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
