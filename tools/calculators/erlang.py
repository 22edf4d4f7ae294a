"""Closed formulas of queues with c servers: loss, waiting, and servers for a goal; one server is in mm1.py."""

from __future__ import annotations

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.queue_params import ERLANGS, LAMBDA, MU, SERVERS, stable


@formula("queue.erlang_b", words=["blocked", "lost calls", "erlang b", "loss system", "no waiting room", "no queue", "blocking",
        "turned away", "M/M/c/c", "trunk", "go away"],
    unit="fraction", cases=[
    Case({"servers": 10, "erlangs": 8}, {"result": 0.121661}, rel=1e-5, source="Erlang B"),
    Case({"servers": 10, "erlangs": 0}, {"result": 0.0}, source="nothing is offered, nothing lost"),
], asks=[Ask("10 servers, 8 erlangs of offered load and no queue: what share is blocked (Erlang B)?", "result", 0.12166),
    Ask("Erlang B with 5 servers and 3 erlangs?", "result", 0.110054348),
    Ask("12 lines, 9 erlangs of traffic, blocked calls go away. What is the blocking probability?", "result", 0.0830866115),
    Ask("Our hotline has 25 lines and a load of 20 erlangs, no waiting room. What share of the callers "
        "hears the busy signal?", "result", 0.0502217779),
])
def erlang_b(servers: int = param(**SERVERS), erlangs: float = param(**ERLANGS)) -> float:
    """Erlang B: share of requests that find all servers busy and are lost, by the stable recursion over servers."""
    if not erlangs:
        return 0.0
    inverse = 1.0
    for n in range(1, servers + 1):
        inverse = 1 + n / erlangs * inverse
        if inverse > 1e300:
            return 0.0
    return 1 / inverse


@formula("queue.erlang_c", words=["has to wait", "have to wait", "chance to wait", "erlang c", "probability of waiting",
        "probability to wait", "has to queue", "must wait", "M/M/c"],
    unit="fraction", cases=[
    Case({"servers": 2, "erlangs": 1.6}, {"result": 32 / 45}, rel=1e-5, source="closed form 32/45"),
    Case({"servers": 10, "erlangs": 8}, {"result": 0.40918}, rel=1e-4, source="from Erlang B: 10 B / (10 - 8 (1 - B))"),
], asks=[Ask("With 10 servers and 8 erlangs, what is the Erlang C probability of waiting?", "result", 0.40918),
    Ask("Erlang C with 6 agents and 4.5 erlangs?", "result", 0.421652076),
    Ask("20 agents, 17 erlangs of offered load: how likely is it that a caller has to wait?", "result", 0.38505623),
    Ask("4 workers carry a load of 3 erlangs. What share of the jobs must wait?", "result", 0.509433962),
])
def erlang_c(servers: int = param(**SERVERS), erlangs: float = param(**ERLANGS)) -> float:
    """Erlang C: share of requests that must wait in an M/M/c queue without limit."""
    stable("queue.erlang_c", erlangs, 1.0, servers)
    blocked: float = erlang_b(servers, erlangs)
    return servers * blocked / (servers - erlangs * (1 - blocked))


@formula("queue.mmc_Wq_s", words=["M/M/c", "mean wait", "wait in the queue", "average wait"], unit="s", cases=[
    Case({"lambda": 160, "mu": 100, "servers": 2}, {"result": 32 / 45 / 40}, rel=1e-9, source="C / (c mu - lambda)"),
], asks=[
    Ask("M/M/c with 4 servers of 30 rps each and 100 rps arriving: mean wait in seconds?", "result", 0.0328860826),
    Ask("We have 3 replicas behind a shared queue, each server can do 50 a second and 130 a second come "
        "in. Average wait before service in seconds?", "result", 0.0379447323),
])
def mmc_Wq_s(lam: float = param(**LAMBDA), mu: float = param(**MU), servers: int = param(**SERVERS)) -> float:
    """Mean wait in the queue of an M/M/c system in seconds: Erlang C / (c mu - lambda)."""
    stable("queue.mmc_Wq_s", lam, mu, servers)
    return float(erlang_c(servers, lam / mu)) / (servers * mu - lam)


@formula("queue.mmc_W_s", words=["M/M/c", "mean time in the system", "mean response time", "wait and service together",
        "time in the system"], unit="s", cases=[
    Case({"lambda": 160, "mu": 100, "servers": 2}, {"result": 32 / 45 / 40 + 0.01}, rel=1e-9, source="wait + 1 / mu"),
], asks=[
    Ask("M/M/c: 3 servers with a service rate of 40 rps each and 100 rps arriving. Mean time in the "
        "system in seconds?", "result", 0.0601123596),
    Ask("6 workers, each can do 10 requests a second, 50 requests a second arrive. What is the mean "
        "response time in seconds, wait and service together?", "result", 0.158751645),
    Ask("Two cashiers serve 1 customer a second each and 1.5 customers a second arrive. How many seconds "
        "is the mean time in the system?", "result", 2.28571429),
])
def mmc_W_s(lam: float = param(**LAMBDA), mu: float = param(**MU), servers: int = param(**SERVERS)) -> float:
    """Mean time in an M/M/c system, waiting and service, in seconds."""
    return float(mmc_Wq_s(lam, mu, servers)) + 1 / mu


@formula("queue.mmc_Lq", words=["M/M/c", "waiting in line", "mean queue length", "how many are waiting", "length of the queue"],
    unit="requests", cases=[
    Case({"lambda": 160, "mu": 100, "servers": 2}, {"result": 160 * 32 / 45 / 40}, rel=1e-9, source="lambda * Wq"),
], asks=[
    Ask("M/M/c with 4 servers at 25 rps each, 90 rps arrive: mean queue length?", "result", 7.08977938),
    Ask("3 workers, each handles 20 jobs per second, 54 jobs per second arrive. How many jobs are waiting "
        "in line on average?", "result", 7.35354919),
    Ask("At 8 agents who can do 6 calls an hour each, 40 calls an hour arrive. How many callers wait in "
        "line on average?", "result", 2.66343289),
])
def mmc_Lq(lam: float = param(**LAMBDA), mu: float = param(**MU), servers: int = param(**SERVERS)) -> float:
    """Mean number waiting in an M/M/c queue: lambda times the mean wait."""
    return lam * float(mmc_Wq_s(lam, mu, servers))


@formula("queue.servers_for_blocking", words=["how many lines", "how many servers", "lines needed", "enough lines", "trunks",
        "lines do i need", "blocking below", "busy signal", "servers for a blocking"],
    unit="servers", cases=[
    Case({"erlangs": 8, "blocking": 0.01}, {"result": 15}, rel=1e-12, source="Erlang B: 0.0172 with 14, 0.0091 with 15"),
], asks=[
    Ask("20 erlangs and at most 1% blocked: how many lines are needed?", "result", 30),
    Ask("How many lines does a traffic of 12 erlangs need for a blocking of at most 2%?", "result", 19.0, 1e-06),
    Ask("5 erlangs of offered load and not more than 0.5% may be blocked: how many servers do we need?", "result", 12.0, 1e-06),
])
def servers_for_blocking(
    erlangs: float = param(**ERLANGS), blocking: float = param(gt=0, lt=1, unit="fraction", words=["blocked", "blocking", "lost",
        "busy signal", "at most", "turned away", "loss of", "hear"]),
) -> int:
    """Fewest servers whose Erlang B loss is at most the given share."""
    inverse, n = 1.0, 0
    while 1 / inverse > blocking:
        n += 1
        inverse = 1 + n / erlangs * inverse
    return n


@formula("queue.servers_for_wait", words=["how many servers", "wait at most", "agents needed", "wait may be", "wait below",
        "mean wait of at most", "how many workers", "how many agents", "how many cashiers", "wait of at most",
        "average wait below", "mean wait below", "workers needed", "wait no longer than"],
    unit="servers", cases=[
    Case({"lambda": 8, "mu": 1, "wait_s": 0.1}, {"result": 11}, rel=1e-12, source="mean wait 0.205 s with 10, 0.082 with 11"),
], asks=[
    Ask("100 requests per second arrive, a server handles 12 per second and the wait may be 50 ms at "
        "most: how many servers?", "result", 10),
    Ask("60 jobs per second arrive, a worker handles 8 per second and the mean wait must stay below 20 "
        "ms. How many workers?", "result", 10.0, 1e-06),
    Ask("How many servers of 50 rps each do I need so that at 400 rps the average wait is 5 ms at most?", "result", 10.0, 1e-06),
])
def servers_for_wait(
    lam: float = param(**{**LAMBDA, "words": [*LAMBDA["words"], "at"]}), mu: float = param(
        **{**MU, "words": [*MU["words"], "rps each", "per second each"]}), wait_s: float = param(gt=0, le=1e9, unit="s", words=[
        "wait", "at most", "waiting", "wait below", "no longer than", "mean wait"]),
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
