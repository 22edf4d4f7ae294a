"""Closed formulas of one server's queue: M/M/1, M/M/1/K, M/G/1, G/G/1; more servers are in erlang.py."""

from __future__ import annotations

import math

from tools.base import Ask, Case, formula, param
from tools.calculators.queue_params import LAMBDA, MU, stable


@formula("queue.mm1_W_s", words=["mean time in the system", "mean response time", "M/M/1", "single server", "one server",
        "average time in the system", "sojourn time", "waiting included", "spend there", "how long does a request take on average",
        "time in the system", "average latency"], unit="s", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 0.05}, rel=1e-9, source="W = 1 / (mu - lambda)"),
    Case({"lambda": 0, "mu": 100}, {"result": 0.01}, rel=1e-9, source="an idle server: its service time"),
    Case({"lambda": 99, "mu": 100}, {"result": 1.0}, rel=1e-9, source="99% load: twenty times the time at 80%"),
], asks=[
    Ask("Mean time in the system of an M/M/1 with 60 arrivals per second and a service rate of 75 per "
        "second, in seconds?", "result", 0.0666666667),
    Ask("One server handles 500 rps and gets 480 rps at random. How many seconds does a request spend there on "
        "average, waiting included?", "result", 0.05),
    Ask("A single checkout service can do 40 orders a second and 35 orders a second come in. What is the average "
        "time in the system in seconds?", "result", 0.2),
])
def mm1_W_s(lam: float = param(**LAMBDA), mu: float = param(**MU)) -> float:
    """Mean time in an M/M/1 system, waiting and service, in seconds: 1 / (mu - lambda)."""
    stable("queue.mm1_W_s", lam, mu, 1)
    return 1 / (mu - lam)


@formula("queue.mm1_Wq_s", words=["mean wait", "waiting time", "time in the queue", "before service", "wait in the queue", "M/M/1",
        "single server", "one server", "average wait"], unit="s", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 0.04}, rel=1e-9, source="W - 1 / mu"),
], asks=[
    Ask("M/M/1 with 90 rps arriving and 120 rps of capacity: mean wait in the queue in seconds?", "result", 0.025),
    Ask("What is the mean waiting time in seconds in an M/M/1 queue with an arrival rate of 16 per second and a "
        "service rate of 20 per second?", "result", 0.2),
    Ask("a lone server serves 250 per second, 200 per second arrive, average time in the queue in seconds?", "result", 0.016),
])
def mm1_Wq_s(lam: float = param(**LAMBDA), mu: float = param(**MU)) -> float:
    """Mean time in the queue of an M/M/1 system, before service, in seconds: rho / (mu - lambda)."""
    stable("queue.mm1_Wq_s", lam, mu, 1)
    return lam / mu / (mu - lam)


@formula("queue.mm1_L", words=["number in the system", "jobs in the system", "requests in the system", "M/M/1",
        "how many are in the system", "are there on average", "single server", "single worker", "in service included"], unit="requests",
        cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 4.0}, rel=1e-9, source="rho / (1 - rho)"),
], asks=[
    Ask("M/M/1 at 45 rps with a service rate of 50 rps: how many requests are in the system on average?", "result", 9.0),
    Ask("One server handles 80 per second and 60 per second arrive. Mean number in the system?", "result", 3.0),
    Ask("Jobs arrive at 28 a second at a single worker that finishes 32 a second. How many jobs are in the system "
        "on average, the one in service included?", "result", 7.0),
])
def mm1_L(lam: float = param(**LAMBDA), mu: float = param(**MU)) -> float:
    """Mean number in an M/M/1 system: rho / (1 - rho)."""
    stable("queue.mm1_L", lam, mu, 1)
    return lam / (mu - lam)


@formula("queue.mm1_Lq", words=["waiting in line", "queue length", "how many are waiting", "M/M/1", "mean queue length",
        "waiting in the queue", "stand in line", "length of the queue"],
    unit="requests", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 3.2}, rel=1e-9, source="rho^2 / (1 - rho)"),
], asks=[
    Ask("45 per second arrive at one server that handles 50 per second. How many are waiting in line on average?", "result", 8.1),
    Ask("M/M/1, 70 rps in and 100 rps service: mean queue length?", "result", 1.63333333),
    Ask("How many jobs wait in line on average if 18 a second arrive and one worker can do 20 a second?", "result", 8.1),
])
def mm1_Lq(lam: float = param(**LAMBDA), mu: float = param(**MU)) -> float:
    """Mean number waiting in an M/M/1 queue: rho^2 / (1 - rho)."""
    stable("queue.mm1_Lq", lam, mu, 1)
    return lam / mu * lam / (mu - lam)


@formula("queue.mm1_quantile_s", words=["quantile", "percentile", "95th percentile of the time", "p95", "p90", "p50", "median",
        "M/M/1", "one server", "single server"],
    unit="s", cases=[
    Case({"lambda": 80, "mu": 100, "q": 0.5}, {"result": math.log(2) / 20}, rel=1e-9, source="exponential sojourn"),
], asks=[
    Ask("One server handles 200 rps and 150 rps arrive. What is the 95th percentile of the time in the "
        "system, in seconds?", "result", 0.05991),
    Ask("p95 of the time in an M/M/1 with 300 rps in and 340 rps service, in seconds?", "result", 0.0748933068),
    Ask("A single server handles 90 per second, 60 per second arrive. Median of the time in the system in "
        "seconds, the 50th percentile?", "result", 0.023104906),
])
def mm1_quantile_s(
    lam: float = param(**LAMBDA), mu: float = param(**MU),
    q: float = param(0.99, ge=0, lt=1, unit="fraction", words=["quantile", "percentile"]),
) -> float:
    """Quantile q of the time in an M/M/1 system in seconds: -ln(1 - q) / (mu - lambda)."""
    stable("queue.mm1_quantile_s", lam, mu, 1)
    return -math.log1p(-q) / (mu - lam)


@formula("queue.mm1_p99_s", words=["p99", "99th percentile", "M/M/1", "single server", "one server", "tail latency of one server",
        "slowest 1%"], unit="s", cases=[
    Case({"lambda": 80, "mu": 100}, {"result": 0.230259}, rel=1e-5, source="exponential sojourn, ln(100) / 20"),
], asks=[
    Ask("p99 of an M/M/1 with 80 rps in and 100 rps service, in seconds?", "result", 0.230258509),
    Ask("One server handles 250 requests per second and 220 per second arrive at random. What is the 99th "
        "percentile of the time in the system in seconds?", "result", 0.153505673),
    Ask("Our single inference worker can do 55 requests a second and gets 45 a second. Which p99 in "
        "seconds do the users see?", "result", 0.460517019),
])
def mm1_p99_s(lam: float = param(**LAMBDA), mu: float = param(**MU)) -> float:
    """99th percentile of the time in an M/M/1 system in seconds: ln(100) / (mu - lambda)."""
    stable("queue.mm1_p99_s", lam, mu, 1)
    return math.log(100) / (mu - lam)


@formula("queue.mm1k_blocking", words=["turned away", "rejected", "finite queue", "places", "M/M/1/K", "room for", "full system",
        "finite buffer", "refused", "dropped", "lost", "finds it full", "share is turned away"],
    unit="fraction", cases=[
    Case({"lambda": 80, "mu": 100, "K": 10}, {"result": 0.8**10 * 0.2 / (1 - 0.8**11)}, rel=1e-9, source="M/M/1/K"),
    Case({"lambda": 100, "mu": 100, "K": 9}, {"result": 0.1}, rel=1e-9, source="rho = 1: 1 / (K + 1)"),
], asks=[
    Ask("M/M/1 with 5 places, 90 rps arrive and it serves 100 rps: what share is turned away?", "result", 0.12603),
    Ask("One server does 50 rps, 40 rps arrive and there is room for 8 requests in the system. What "
        "share is rejected?", "result", 0.0387562013),
    Ask("M/M/1/K with K=4, arrival rate 30 per second, service rate 30 per second: which share is turned away?", "result", 0.2),
    Ask("A printer serves 10 jobs a minute, 12 jobs a minute come in and the system has 6 places. Share "
        "of jobs refused?", "result", 0.231186605),
])
def mm1k_blocking(
    lam: float = param(**LAMBDA), mu: float = param(**MU),
    K: int = param(ge=1, le=1_000_000, unit="requests", words=["places", "queue of", "room for", "at most", "buffer of", "K",
        "system holds", "in the system"]),
) -> float:
    """Share of requests that an M/M/1 system with K places (the one in service included) turns away."""
    rho = lam / mu
    if abs(rho - 1) < 1e-12:
        return 1 / (K + 1)
    if rho > 1:
        return (1 - 1 / rho) / -math.expm1(-(K + 1) * math.log(rho))
    return rho**K * (1 - rho) / -math.expm1((K + 1) * math.log(rho))


@formula("queue.mg1_Wq_s", words=["service time varies", "variability", "pollaczek", "M/G/1", "M/D/1", "coefficient of variation",
        "service times vary", "constant service time", "general service"],
    unit="s", cases=[
    Case({"lambda": 80, "mu": 100, "scv": 0}, {"result": 0.02}, rel=1e-9, source="M/D/1: half of M/M/1"),
    Case({"lambda": 80, "mu": 100, "scv": 1}, {"result": 0.04}, rel=1e-9, source="M/M/1"),
], asks=[
    Ask("80 rps arrive, the service rate is 100 rps with a squared coefficient of variation of 4: mean wait?", "result", 0.1),
    Ask("M/G/1 with 45 rps arriving, a service rate of 60 rps and scv 2.5: mean wait in seconds?", "result", 0.0875),
    Ask("Pollaczek: one server handles 200 per second, 160 per second arrive and the squared coefficient of "
        "variation is 0.5. How many seconds is the mean wait?", "result", 0.015),
])
def mg1_Wq_s(
    lam: float = param(**LAMBDA), mu: float = param(**MU),
    scv: float = param(1.0, ge=0, le=1e6, unit="count", words=["squared coefficient of variation", "variability", "scv",
        "coefficient of variation", "squared coefficient", "variation of"]),
) -> float:
    """Mean wait of an M/G/1 queue in seconds (Pollaczek-Khinchine): rho (1 + scv) / (2 (mu - lambda))."""
    stable("queue.mg1_Wq_s", lam, mu, 1)
    return lam / mu * (1 + scv) / 2 / (mu - lam)


@formula("queue.kingman_Wq_s", words=["kingman", "G/G/1", "kingman's formula", "kingman's approximation", "bursty arrivals",
        "both coefficients of variation"], unit="s", cases=[
    Case({"lambda": 80, "mu": 100, "scv_arrival": 1, "scv_service": 1}, {"result": 0.04}, rel=1e-9, source="exact for M/M/1"),
], asks=[
    Ask("Kingman: 40 rps arrive, service rate 50 rps, arrival scv 2, service scv 0.5. Mean wait in seconds?", "result", 0.1),
    Ask("G/G/1 with 90 arrivals per second, a service rate of 100 per second, an arrival scv of 4 and a service "
        "scv of 1: mean wait in seconds by Kingman?", "result", 0.225),
    Ask("What does Kingman's formula give as mean wait in seconds for a load of 30 rps, a capacity of 40 rps, "
        "scv of the arrivals 1.5 and scv of the service 0.2?", "result", 0.06375),
])
def kingman_Wq_s(
    lam: float = param(**LAMBDA), mu: float = param(**MU),
    scv_arrival: float = param(1.0, ge=0, le=1e6, unit="count", words=["scv of the arrivals", "arrival scv", "arrivals with scv",
        "arrivals scv", "scv arrival", "variation of the arrivals", "interarrival scv", "squared coefficient of the arrivals",
        "arrivals with a squared coefficient of variation of"]), scv_service: float = param(1.0, ge=0, le=1e6, unit="count", words=[
        "scv of the service", "service scv", "service with scv", "scv service", "variation of the service",
        "squared coefficient of the service", "service times with a squared coefficient of variation of"]),
) -> float:
    """Mean wait of a G/G/1 queue in seconds by Kingman's approximation, from both squared coefficients of variation."""
    stable("queue.kingman_Wq_s", lam, mu, 1)
    return lam / mu / (mu - lam) * (scv_arrival + scv_service) / 2
