"""Little's law, utilisation and offered load: what holds for any queue; knows no distribution of times."""

from __future__ import annotations

from tools.base import Ask, Case, formula, param
from tools.calculators.queue_params import LAMBDA, MU, SERVERS


@formula("queue.utilisation", words=["how busy", "utilisation", "rho", "busy", "utilized", "utilised", "load factor", "how loaded"],
    unit="fraction", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 0.8}, rel=1e-12, source="arithmetic"),
    Case({"lambda": 80, "mu": 10, "servers": 10}, {"result": 0.8}, rel=1e-12, source="arithmetic"),
], asks=[
    Ask("150 rps arrive and the service rate is 200 rps. Utilisation?", "result", 0.75),
    Ask("How busy are 5 workers that each serve 30 per second when 120 per second arrive?", "result", 0.8),
    Ask("Our single thumbnailer can do 12 images a second and 9 a second come in, how busy is it?", "result", 0.75),
])
def utilisation(lam: float = param(**LAMBDA), mu: float = param(**MU), servers: int = param(1, **SERVERS)) -> float:
    """Utilisation rho = lambda / (servers * mu); a queue without limit needs less than 1."""
    return lam / (servers * mu)


@formula("queue.erlangs", unit="erlangs", words=["load in erlangs", "how many erlangs", "offered load", "traffic in erlangs",
        "agents busy", "erlangs of traffic", "traffic intensity", "lines in use", "busy on average", "mean number of busy servers"],
        cases=[
    Case({"lambda": 0.5, "hold_s": 180}, {"result": 90.0}, rel=1e-12, source="arithmetic"),
], asks=[Ask("A call centre gets 120 calls an hour that take 5 minutes each: what is the offered load in erlangs?", "result", 10.0),
    Ask("90 calls an hour that last 4 minutes on average: how many erlangs?", "result", 6.0),
    Ask("25 jobs per second arrive and each takes 0.6 s. What is the offered load in erlangs?", "result", 15.0),
])
def erlangs_of(
    lam: float = param(**LAMBDA),
    hold_s: float = param(ge=0, le=1e9, unit="s", words=["takes", "take", "holding time", "lasts", "last", "duration", "each"]),
) -> float:
    """Offered load in erlangs, the mean number of busy servers: arrival rate times holding time."""
    return lam * hold_s


@formula("queue.little_L", words=["little's law", "in flight", "concurrent", "in the system", "at the same time", "being worked on",
        "being processed", "at any moment", "concurrently", "in progress", "open at once", "are open", "requests open", "occupied"],
    unit="requests", cases=[
    Case({"rps": 1000, "latency_s": 0.2}, {"result": 200}, rel=1e-12, source="Little's law"),
], asks=[Ask("Users stay 5 minutes and 30 arrive per second. How many are on the site at the same time?", "result", 9000.0),
    Ask("1,000 requests per second at a latency of 200 ms: how many are in flight?", "result", 200),
    Ask("5k rps at 80 ms each, how many requests are in flight?", "result", 400.0),
    Ask("By Little's law, 40 cars an hour enter the car park and each stays 90 minutes. How many are in it on average?", "result", 60.0),
])
def little_L(
    rps: float = param(ge=0, le=1e15, unit="rps", words=["requests per second", "rps", "throughput", "arrive", "per second",
        "come in", "qps", "arrival rate", "load", "gets"]),
    latency_s: float = param(ge=0, le=1e9, unit="s", words=["latency", "takes", "response time", "stay", "stays", "spends", "lasts",
        "stays for", "each", "duration", "average of"]),
) -> float:
    """Mean number in the system by Little's law, L = lambda * W."""
    return rps * latency_s


@formula("queue.little_W_s", words=["little's law", "how long does a request stay", "time in the system",
        "how long does a job stay", "mean latency", "average latency", "average time", "how long is a request in the system"],
    unit="s", cases=[Case({"L": 200, "rps": 1000}, {"result": 0.2}, rel=1e-12, source="Little's law")], asks=[
    Ask("450 requests are in flight and the throughput is 1,500 rps: how long does a request stay, in seconds?", "result", 0.3),
    Ask("By Little's law, 600 requests in flight at 2,400 rps: mean latency in seconds?", "result", 0.25),
    Ask("There are always 90 jobs in the system and 30 per second are completed. How many seconds does a job stay "
        "on average?", "result", 3.0),
])
def little_W_s(
    L: float = param(ge=0, le=1e15, unit="requests", words=["in flight", "in the system", "concurrent", "open", "in progress",
        "at once", "in it", "waiting"]),
    rps: float = param(gt=0, le=1e15, unit="rps", words=["requests per second", "rps", "throughput", "qps", "completed", "arrive",
        "finish", "leave", "per second", "served"]),
) -> float:
    """Mean time in the system in seconds by Little's law, W = L / lambda."""
    return L / rps


@formula("queue.little_rps", words=["little's law", "throughput", "how many per second", "pool of connections", "connection pool",
                                    "connections", "max queries per second", "queries per second"],
    unit="rps", cases=[
    Case({"L": 200, "latency_s": 0.2}, {"result": 1000}, rel=1e-12, source="Little's law"),
], asks=[
    Ask("A pool of 64 connections, each query takes 20 ms. What throughput at most?", "result", 3200.0),
    Ask("100 threads and a response time of 250 ms: what throughput in requests per second at most?", "result", 400.0),
    Ask("My service keeps 30 connections to the database and every query takes 6 ms. Max queries per second?", "result", 5000.0),
])
def little_rps(
    L: float = param(ge=0, le=1e15, unit="requests", words=["in flight", "threads", "connections", "workers", "at once", "concurrent",
                                                            "pool of", "pool"]),
    latency_s: float = param(gt=0, le=1e9, unit="s", words=["latency", "takes", "response time", "each", "per request"]),
) -> float:
    """Throughput of L requests in flight by Little's law, lambda = L / W."""
    return L / latency_s
