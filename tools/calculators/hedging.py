"""Formulas of hedged requests: what a second copy of a call buys and costs. Simulates nothing."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, formula, param
from tools.calculators.latency_mix import LatencyMix, crossing, leaf_share

_P: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["slow", "share slow", "is slow", "slower than", "slow one",
        "are slow", "slow in", "of the time", "takes too long", "stalls", "hiccup", "a chance of", "late", "of the calls"]}
_N: dict[str, Any] = {"ge": 1, "le": 10**9, "unit": "servers", "words": ["fan-out", "n", "servers", "shards", "backends", "leaves",
        "calls", "parallel calls", "fans out to", "fan out to", "replicas of the index", "machines", "nodes", "partitions",
        "waits for", "wait for", "microservices", "index servers"]}
_C: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["correlation", "correlated", "shared cause"]}


@formula("tail.hedged_slow", words=["both copies", "both copies are slow", "two copies", "two replicas", "faster answer",
        "faster of the two", "first answer wins", "sent twice", "send it twice", "send each call twice", "hedged requests",
        "duplicate every", "second replica", "still slow", "takes the faster"], unit="fraction", cases=[
    Case({"p": 0.01, "n": 100}, {"result": 0.0099507}, rel=1e-4, source="1 - (1 - 0.01^2)^100"),
    Case({"p": 0.01, "n": 100, "correlation": 1}, {"result": 0.63397}, abs=1e-5, source="a copy in the same trouble"),
    Case({"p": 0.05, "n": 100, "copies": 3}, {"result": 0.0124226}, rel=1e-4, source="1 - (1 - 0.05^3)^100")], asks=[
    Ask("40 shards are each slow 3% of the time, but every call goes to two replicas and the faster "
        "answer counts. What share of the requests is still slow?", "result", 0.0353753429),
    Ask("Each request to one of 80 leaves is sent twice and both copies are slow only with 1% each, "
        "independent. How likely is it that a request is slow?", "result", 0.007968482),
    Ask("Hedged requests to 50 servers that are slow 2% of the time, correlation 0.1 between both copies: "
        "share of slow requests?", "result", 0.111427876),
    Ask("We always ask 3 replicas for each of 200 partitions and take the first answer. Each is slow 5% "
        "of the time. Share of slow requests?", "result", 0.024691612),
])
def hedged_slow(
    p: float = param(**_P), n: int = param(1, **_N), correlation: float = param(0.0, **_C),
    copies: int = param(2, ge=1, le=100, unit="count", words=["copies", "replicas", "copies of each", "copies of every", "times"]),
) -> float:
    """Share of requests to n leaves with a leaf of which both (or all) copies are slow; with chance `correlation` a further
    copy meets the trouble of the first."""
    both = p * (correlation + (1 - correlation) * p) ** (copies - 1)
    return 1.0 if both == 1 else -math.expm1(n * math.log1p(-both))


@formula("tail.hedge_extra_load", words=["extra load", "extra requests", "hedge after", "second copy", "additional requests",
        "additional load", "how much more load", "hedging cost", "backup requests", "sent after the"],
    unit="fraction", cases=[
    Case({"hedge_at": 0.95}, {"result": 0.05}, rel=1e-9, source="the later 5% are sent twice")], asks=[
    Ask("Second copy after the 98th percentile: how many extra requests is that?", "result", 0.02),
    Ask("I hedge after the 90th percentile. How much extra load is that?", "result", 0.1),
    Ask("A backup request goes out once the p99 has passed: what share of additional requests do the servers see?", "result", 0.01),
])
def hedge_extra_load(hedge_at: float = param(0.95, ge=0, lt=1, unit="fraction",
                                             words=["hedge_at", "hedge after", "hedge at", "after the", "percentile",
                                                    "quantile"])) -> float:
    """Extra requests when the second copy goes out once a quantile of the latency has passed: 1 - quantile."""
    return 1 - hedge_at


@formula("tail.hedge_mixture", unit="", words=["hedged", "mixture"], cases=[
    Case({"fast_ms": 5, "p_slow": 0.01, "slow_ms": 1000, "hedge_at": 0.95, "quantile": 0.999},
         {"before_ms": 1000, "after_ms": 29.41, "extra_load": 0.05}, rel=1e-3,
         source="closed form: 99% exponential with mean 5 ms, 1% at 1 s, second copy at p95")])
def hedge_mixture(
    fast_ms: float = param(5.0, gt=0, le=1e7, unit="ms", words=["fast", "mean"]),
    p_slow: float = param(0.01, ge=0, le=1, unit="fraction", words=["slow share", "pauses"]),
    slow_ms: float = param(1000.0, gt=0, le=1e8, unit="ms", words=["pause", "slow"]),
    hedge_at: float = param(0.95, gt=0, lt=1, unit="fraction", words=["hedge at"]),
    quantile: float = param(0.999, gt=0, lt=1, unit="fraction", words=["quantile"]),
    fan_out: int = param(1, **_N), correlation: float = param(0.0, **_C),
) -> dict[str, float]:
    """Quantile before and after hedging of an exponential latency with rare pauses, the delay and the extra load."""
    mix = LatencyMix(fast_ms, p_slow, slow_ms)
    delay, share = mix.quantile_ms(hedge_at), leaf_share(quantile, fan_out)
    return {"before_ms": crossing(mix.beyond, share, fast_ms),
            "after_ms": crossing(lambda t: mix.both_beyond(t, delay, correlation), share, fast_ms),
            "delay_ms": delay, "extra_load": mix.beyond(delay)}


@formula("tail.hedge_p999_ms", unit="ms", cases=[
    Case({}, {"result": [1000, 29.41]}, rel=1e-3,
         source="99% exponential with mean 5 ms, 1% at 1 s, second copy at p95")])
def hedge_p999_ms(
    fast_ms: float = param(5.0, gt=0, le=1e7, unit="ms", words=["fast", "mean"]),
    p_slow: float = param(0.01, ge=0, le=1, unit="fraction", words=["slow share"]),
    slow_ms: float = param(1000.0, gt=0, le=1e8, unit="ms", words=["slow", "pause"]),
    hedge_at: float = param(0.95, gt=0, lt=1, unit="fraction", words=["hedge at"]),
) -> list[float]:
    """The 99.9th percentile without and with a hedged second copy: [before, after]."""
    found = hedge_mixture(fast_ms, p_slow, slow_ms, hedge_at, 0.999, 1, 0.0)
    return [found["before_ms"], found["after_ms"]]
