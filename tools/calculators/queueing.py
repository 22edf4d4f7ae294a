"""A queue with c servers and perhaps a limit: times, tail, loss and the hockey stick; assumes Poisson and exponential."""

from __future__ import annotations

import math
from collections.abc import Callable

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.erlang import erlang_c, mmc_W_s


class Queue(Params):
    arrival_rps: float = param(80.0, gt=0, le=1e9, unit="rps",
                               words=["arrive", "arrivals", "requests per second", "incoming", "lambda", "load", "gets", "receives",
        "come in", "sending", "arriving", "at", "comes in", "hit it", "rps in", "in and", "per second come", "reach", "show up"])
    service_rps: float = param(100.0, gt=0, le=1e9, unit="rps",
                               words=["serves", "handles", "service rate", "each server", "mu", "capacity", "can do", "does",
        "processes", "can handle", "rps service", "finishes", "completes", "can serve", "out", "serve", "handle"])
    service_ms: float | None = param(None, gt=0, le=1e9, unit="ms",
                                     words=["service time", "takes", "each request takes", "per request", "each job takes",
        "each takes", "of work", "takes on average", "handling time", "calls take", "call takes", "take", "needs"],
                                     help="mean service time of one request; replaces service_rps")
    servers: int = param(1, ge=1, le=1_000, unit="servers", words=["servers", "workers", "threads", "channels", "instances", "agents",
                                                                   "lanes", "cashiers"])
    queue_limit: int | None = param(None, ge=0, le=1_000, unit="requests",
                                    words=["queue of", "queue limit", "waiting places", "buffer"],
                                    help="places to wait; none: no limit; 0: who finds all servers busy is lost")


@tool("queue", group="A",
      words=["queue", "utilisation", "utilized", "waiting time", "erlang", "mm1", "m/m/c", "hockey stick", "blocked",
        "latency under load", "busy", "mean response time", "mean wait", "one server", "single server", "workers",
        "time in the system", "in line", "how long does a job wait", "response time", "callers", "mean queue length", "M/M/1",
        "p99", "wait on average"],
      example={"arrival_rps": 99, "service_rps": 100},
      cases=[
          Case({"arrival_rps": 80, "service_rps": 100}, {"W_ms": 50.0, "p99_ms": 230.2585}, rel=1e-6, source="M/M/1"),
          Case({"arrival_rps": 99, "service_rps": 100}, {"W_ms": 1000.0}, rel=1e-9, source="M/M/1"),
          Case({"arrival_rps": 8, "service_rps": 1, "servers": 10}, {"p_wait": 0.40918}, rel=1e-4, source="Erlang C(10, 8)"),
          Case({"arrival_rps": 8, "service_rps": 1, "servers": 10, "queue_limit": 0}, {"blocking": 0.121661}, rel=1e-5,
               source="Erlang B(10, 8)"),
      ],
      asks=[
          Ask("80 requests per second arrive at a server that handles 100 rps. What is the mean latency in ms?", "W_ms", 50),
          Ask("What is the p99 in ms at 90 rps of arrivals when each request takes 10 ms?", "p99_ms", 460.5),
          Ask("10 workers with a service time of 1 s and 8 rps arriving: what is the chance to wait?", "p_wait", 0.40918),
          Ask("8 rps arrive, a request takes 1000 ms, there are 10 servers and a queue of 0. What share is blocked?",
              "blocking", 0.12166),
          Ask("A server needs 4 ms per request and gets 200 rps: what is the mean response time in ms?", "W_ms", 20),
          Ask("3 workers, each job takes 500 ms and 4.5 jobs per second arrive: how many ms is the mean wait?", "Wq_ms", 378.505, 0.001),
          Ask("How busy are 4 servers that each serve 50 rps when 170 rps arrive?", "utilisation", 0.85),
    Ask("One worker does 50 jobs a second and 42 jobs a second arrive. How many ms does a job wait before it is "
        "served, on average?", "Wq_ms", 105.0),
    Ask("5 workers share one queue, each handles 12 jobs per second and 50 jobs per second arrive. How many "
        "ms does a job wait on average?", "Wq_ms", 62.0147175),
    Ask("We have one database. A query takes 8 ms on average and 100 queries per second arrive at random. What is "
        "the mean response time in ms?", "W_ms", 40.0),
    Ask("Our support line has 4 agents, a call takes 3 minutes on average and 60 calls per hour come in. "
        "How long is the mean wait in ms?", "Wq_ms", 91698.1132),
    Ask("8 servers with a service time of 200 ms get 30 requests per second. How many requests wait in line on "
        "average?", "Lq", 1.07094326),
    Ask("a lone server takes 5 ms per request and 160 per second come in, how many requests are in the system on average?", "L", 4.0),
])
def queue(p: Queue, seed: int) -> ToolResult:
    """Waiting, tail and loss of requests that arrive at random at c servers.

    Arrivals are Poisson, service times exponential, the queue first come first served (M/M/c, or M/M/c/K with
    `queue_limit` waiting places, of which 0 is Erlang's loss system). Time in the system W = wait + service; the p99 is
    exact: the wait of those who find j before them is an Erlang distribution, to which their own service adds.

    People get wrong: "90% utilised is fine". The wait of one server grows as 1 / (1 - rho): at 80% a 10 ms request
    takes 50 ms, at 99% a second. Pooled servers stand more load at the same wait; a limit trades wait for refusals.

    Sources: A. K. Erlang (1917); L. Kleinrock, "Queueing Systems" I, ch. 3; J. Little (1961).

    >>> found = queue(Queue(arrival_rps=99, service_rps=100), 0).values
    >>> round(found["W_ms"], 6), round(found["utilisation"], 6)
    (1000.0, 0.99)
    """
    mu = 1000 / p.service_ms if p.service_ms is not None else p.service_rps
    erlangs = p.arrival_rps / mu
    rho = erlangs / p.servers
    if p.queue_limit is None and rho >= 1:
        raise ToolError(f"queue: {p.arrival_rps:g} requests a second need {erlangs:.4g} busy servers of only {p.servers:,}, "
                        "so the queue grows without bound; add servers or set queue_limit.")
    values = _unlimited(p, mu) if p.queue_limit is None else _limited(p, mu, p.queue_limit)
    service_ms = 1000 / mu
    xs = [round(0.02 * i, 2) for i in range(1, 49)] + [0.97, 0.98, 0.99]
    other = p.servers if p.servers > 1 else 10
    naive = {"W_ms": service_ms, "p99_ms": service_ms * math.log(100)}
    return ToolResult(
        tool="queue", values={"utilisation": rho, "offered_erlangs": erlangs, **values},
        units={"utilisation": "fraction", "offered_erlangs": "erlangs", "W_ms": "ms", "Wq_ms": "ms", "p99_ms": "ms",
               "L": "requests", "Lq": "requests", "p_wait": "fraction", "blocking": "fraction", "throughput_rps": "rps"},
        naive=naive,
        summary=f"At {rho:.4g} of capacity a request takes {values['W_ms']:.4g} ms on average and {values['p99_ms']:.4g} ms "
        f"at p99; without queueing it would be {naive['W_ms']:.4g} and {naive['p99_ms']:.4g} ms."
        + (f" {values['blocking']:.4%} of the requests are turned away." if p.queue_limit is not None else ""),
        formula="rho = lambda / (c mu); Wq = C(c, lambda/mu) / (c mu - lambda); W = Wq + 1/mu; L = lambda W; "
        "M/M/1: W = 1 / (mu - lambda), p99 = ln(100) W",
        series={"utilisation": list(xs), "W_ms_one_server": [service_ms / (1 - x) for x in xs],
                "W_ms_pooled": [float(mmc_W_s(x * other * mu, mu, other)) * 1000 for x in xs]},
        plot=Plot(title="The hockey stick: waiting explodes near full load",
                  x_label="utilisation (fraction)", y_label="time in the system (ms)", lines=[
            Line(label="1 server", x=list(xs), y=[service_ms / (1 - x) for x in xs]),
            Line(label=f"{other} servers, one queue", x=list(xs),
                 y=[float(mmc_W_s(x * other * mu, mu, other)) * 1000 for x in xs]),
            Line(label="no queueing (naive)", x=list(xs), y=[service_ms] * len(xs), dashed=True)],
            marks=[{"axis": "x", "at": min(rho, 1.0), "label": f"load as set: {rho:.3g}"}]),
        assumptions=["Poisson arrivals, exponential service, first come first served", "long-run averages at a steady load",
                     "those turned away don't come back"],
        warnings=(["Above 80% a small rise of load multiplies the wait."] if p.queue_limit is None and rho > 0.8 else [])
        + (["Times are of the admitted requests only."] if values["blocking"] > 0 else []),
    )


def _unlimited(p: Queue, mu: float) -> dict[str, float]:
    erlangs = p.arrival_rps / mu
    waits = float(erlang_c(p.servers, erlangs))
    wait_s = waits / (p.servers * mu - p.arrival_rps)
    free = p.servers - 1 - erlangs

    def tail(t: float) -> float:
        x = mu * t
        rest = x if abs(free * x) < 1e-9 else -math.expm1(-free * x) / free if -free * x < 700 else math.inf
        return math.exp(-x) * (1 + waits * rest) if rest < math.inf else waits * math.exp(-x - free * x) / -free

    return {"W_ms": (wait_s + 1 / mu) * 1000, "Wq_ms": wait_s * 1000, "p99_ms": _quantile(tail, 1 / mu) * 1000,
            "L": p.arrival_rps * (wait_s + 1 / mu), "Lq": p.arrival_rps * wait_s, "p_wait": waits, "blocking": 0.0,
            "throughput_rps": p.arrival_rps}


def _limited(p: Queue, mu: float, limit: int) -> dict[str, float]:
    import numpy as np
    from scipy.special import gammainc, gammaincc, gammaln

    erlangs, servers = p.arrival_rps / mu, p.servers
    n = np.arange(servers + limit + 1)
    logs = n * math.log(erlangs) - gammaln(np.minimum(n, servers) + 1) - np.maximum(n - servers, 0) * math.log(servers)
    weights = np.exp(logs - logs.max())
    states = weights / weights.sum()
    blocking = float(states[-1])
    admitted = states[:-1] / states[:-1].sum()
    waiting = float((np.maximum(n - servers, 0) * states).sum())
    flow = p.arrival_rps * float(states[:-1].sum())
    straight = float(admitted[:servers].sum())
    queued = admitted[servers:]
    k = np.arange(1, len(queued) + 1)

    def tail(t: float) -> float:
        x = mu * t
        if not len(queued):
            return math.exp(-x)
        if servers == 1:
            sums = gammaincc(k + 1, x)
        else:
            with np.errstate(divide="ignore"):
                grown = np.log(gammainc(k, (servers - 1) * x)) + k * math.log(servers / (servers - 1)) - x
            sums = gammaincc(k, servers * x) + np.exp(np.minimum(grown, 0.0))
        return straight * math.exp(-x) + float((queued * np.minimum(sums, 1.0)).sum())

    wait_s = waiting / flow
    return {"W_ms": (wait_s + 1 / mu) * 1000, "Wq_ms": wait_s * 1000, "p99_ms": _quantile(tail, 1 / mu) * 1000,
            "L": flow * (wait_s + 1 / mu), "Lq": waiting, "p_wait": float(queued.sum()), "blocking": blocking,
            "throughput_rps": flow}


def _quantile(tail: Callable[[float], float], scale: float, q: float = 0.99) -> float:
    """Where a falling tail function crosses 1 - q, by doubling and bisection."""
    low, high = 0.0, scale
    while tail(high) > 1 - q:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle) > 1 - q else (low, middle)
    return (low + high) / 2
