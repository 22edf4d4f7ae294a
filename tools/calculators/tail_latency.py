"""Formulas of fan-out and the measured tables of "The Tail at Scale"; hedged requests are in hedging.py. Simulates nothing."""

from __future__ import annotations

import math
import re
from typing import Any

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.latency_mix import leaf_share

PAPER = "J. Dean, L. A. Barroso, The Tail at Scale, CACM 56(2), 2013"
TABLE_1 = {"one": {50: 1, 95: 5, 99: 10}, "95%": {50: 12, 95: 32, 99: 70}, "all": {50: 40, 95: 87, 99: 140}}
"""Measured finishing times in ms, seen from the root of a large tree: one random leaf, 95% of the leaves, all of
them."""
TABLE_2 = {"idle": {50: (19, 16), 90: (38, 29), 99: (67, 42), 99.9: (98, 61)},
           "terasort": {50: (24, 19), 90: (56, 38), 99: (108, 67), 99.9: (159, 108)}}
"""Measured read latencies in ms of a BigTable benchmark: without a second copy, and tied with one sent after 1 ms."""
BIGTABLE_HEDGE = {"plain_p999_ms": 1_800, "hedged_p999_ms": 74, "hedge_after_ms": 10, "extra_requests": 0.02}
"""Measured for reading 1,000 keys spread over 100 servers."""

_P: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["slow", "share slow", "is slow", "slower than"]}
_N: dict[str, Any] = {"ge": 1, "le": 10**9, "unit": "servers", "words": ["fan-out", "n", "servers", "shards", "backends", "leaves",
                                                                         "calls", "parallel calls"]}
_SLOW_MS: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "ms", "words": ["slower than", "longer than", "more than", "over", "above",
                                                                         "under", "below", "within", "faster than", "less than"],
                            "help": "from when on an answer is slow; told for the record, the share doesn't depend on it"}
_Q: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["quantile", "percentile", "p"]}


@formula("tail.fanout_slow", words=["fan-out", "fans out", "share of requests is slow", "at least one slow",
         "hits a slow server"],
    unit="fraction", cases=[
    Case({"p": 0.0001, "n": 2000}, {"result": 0.18128}, abs=1e-4, source=f"{PAPER}: almost one in five"),
    Case({"p": 0.01, "n": 100}, {"result": 0.63397}, abs=1e-5, source=f"{PAPER}: 63%"),
], asks=[
    Ask("1 in 500 calls is slow and a page makes 80 parallel calls: what share of the pages is slow?", "result", 0.148),
])
def fanout_slow(p: float = param(**_P), n: int = param(**_N), slow_ms: float | None = param(None, **_SLOW_MS)) -> float:
    """Share of requests that meet at least one slow server when each of n is slow with probability p: 1 - (1-p)^n."""
    return 1.0 if p == 1 else -math.expm1(n * math.log1p(-p))


@formula("tail.fanout_fast", words=["none is slow", "no slow server", "all are fast"],
    unit="fraction", cases=[
    Case({"p": 0.01, "n": 100}, {"result": 0.36603}, abs=1e-5, source="0.99^100")], asks=[
    Ask("Each of 40 shards is slow 0.5% of the time. What is the chance that none is slow?", "result", 0.8183),
])
def fanout_fast(p: float = param(**_P), n: int = param(**_N), slow_ms: float | None = param(None, **_SLOW_MS)) -> float:
    """Share of requests that meet no slow server among n: (1-p)^n."""
    return 0.0 if p == 1 else math.exp(n * math.log1p(-p))


@formula("tail.max_slow_share", words=["how rarely", "how slow may each"],
    unit="fraction", cases=[
    Case({"target": 0.01, "n": 100}, {"result": 1.005e-4}, rel=1e-3, source="1 - 0.99^(1/100)")], asks=[
    Ask("A request fans out to 200 servers and at most 5% of the requests may be slow: how rarely may "
        "each server be slow?", "result", 0.00025643),
])
def max_slow_share(
    target: float = param(gt=0, lt=1, unit="fraction", words=["slow requests", "at most", "allowed"]),
    n: int = param(**_N),
) -> float:
    """How rarely each of n servers may be slow so that at most `target` of the requests are: 1 - (1-target)^(1/n)."""
    return -math.expm1(math.log1p(-target) / n)


@formula("tail.max_fanout", words=["largest fan-out", "how many servers may", "how wide"],
    unit="servers", cases=[
    Case({"p": 0.01, "target": 0.5}, {"result": 68}, source="0.99^68 = 0.505, 0.99^69 = 0.4998")], asks=[
    Ask("Each server is slow 0.2% of the time; at most 10% of requests may be slow. Largest fan-out?", "result", 52),
])
def max_fanout(
    p: float = param(gt=0, lt=1, unit="fraction", words=["slow", "each server is slow"]),
    target: float = param(gt=0, lt=1, unit="fraction", words=["slow requests", "at most", "allowed"]),
) -> int:
    """Largest fan-out that keeps the share of requests with a slow server at or below `target`."""
    return math.floor(math.log1p(-target) / math.log1p(-p) + 1e-12)


@formula("tail.leaf_quantile", words=["which percentile of a leaf", "percentile of each server"],
    unit="fraction", cases=[
    Case({"q": 0.5, "n": 100}, {"result": 0.993092}, abs=1e-6, source="0.5^(1/100): the median needs the leaf's p99.3"),
    Case({"q": 0.99, "n": 100}, {"result": 0.9998995}, abs=1e-7, source="0.99^(1/100)")], asks=[
    Ask("A request waits for 50 servers: which percentile of each server decides its p95?", "result", 0.998975),
])
def leaf_quantile(q: float = param(**_Q), n: int = param(**_N)) -> float:
    """Which quantile of one leaf becomes the q quantile of a request that waits for all n leaves: q^(1/n)."""
    return float(q ** (1 / n))


@formula("tail.root_quantile", unit="fraction", cases=[
    Case({"q": 0.99, "n": 100}, {"result": 0.36603}, abs=1e-5, source="0.99^100")])
def root_quantile(q: float = param(**_Q), n: int = param(**_N), slow_ms: float | None = param(None, **_SLOW_MS)) -> float:
    """Share of requests to n leaves that finish within the q quantile of one leaf: q^n."""
    return q**n


@formula("tail.partial_slow", words=["wait for only", "good enough", "partial answers"],
    unit="fraction", cases=[
    Case({"p": 0.01, "n": 100, "needed": 100}, {"result": 0.63397}, abs=1e-5, source="all must answer"),
    Case({"p": 0.01, "n": 100, "needed": 95}, {"result": 5.345e-4}, rel=1e-3,
         source="binomial: more than 5 of 100 slow")], asks=[
    Ask("Each of 20 leaves is slow 5% of the time and 18 of 20 answers are enough: what share of "
        "requests is slow?", "result", 0.0754837, 0.001),
])
def partial_slow(
    p: float = param(**_P), n: int = param(ge=1, le=10**7, unit="servers", words=["fan-out", "leaves", "servers"]),
    needed: int = param(ge=1, le=10**7, unit="count", words=["needed", "enough", "wait for", "waits for", "suffice", "are required"]),
) -> float:
    """Share of requests that are slow although `needed` of n answers would be enough (independent leaves)."""
    from scipy.stats import binom

    if needed > n:
        raise ToolError(f"tail.partial_slow: needed is {needed} of only {n} leaves; it must lie between 1 and {n}.")
    return float(binom.sf(n - needed, n, p))


@formula("tail.exponential_max_ms", words=["slowest of", "maximum of", "exponential latency"],
    unit="ms", cases=[
    Case({"mean_ms": 10, "n": 100}, {"result": 51.8738}, rel=1e-5, source="10 * H(100)"),
    Case({"mean_ms": 10, "n": 1, "q": 0.99}, {"result": 46.0517}, rel=1e-5, source="10 * ln 100")], asks=[
    Ask("The slowest of 30 calls with an exponential mean of 8 ms: how many ms on average?", "result", 31.96),
])
def exponential_max_ms(
    mean_ms: float = param(gt=0, le=1e9, unit="ms", words=["mean", "average"]), n: int = param(**_N),
    q: float | None = param(None, gt=0, lt=1, unit="fraction", words=["quantile"]),
) -> float:
    """Mean (or q quantile) of the slowest of n independent exponential latencies: mean * (1 + 1/2 + ... + 1/n)."""
    if q is not None:
        return -mean_ms * math.log(leaf_share(q, n))
    if n > 10**5:
        return mean_ms * (math.log(n) + 0.5772156649015329 + 1 / (2 * n))
    return mean_ms * math.fsum(1 / k for k in range(1, n + 1))


@formula("tail.table1_ms", unit="ms", cases=[
    Case({"leaves": "one", "percentile": 99}, {"result": 10}, source=f"{PAPER}, table 1", shown=True),
    Case({"leaves": "95%", "percentile": 99}, {"result": 70}, source=f"{PAPER}, table 1", shown=True),
    Case({"leaves": "all", "percentile": 99}, {"result": 140}, source=f"{PAPER}, table 1", shown=True)])
def table1_ms(
    leaves: str = param("all", max_length=100, words=["leaves"], help="one, 95% or all"),
    percentile: float = param(99, ge=1, le=100, words=["percentile"], help="50, 95 or 99"),
) -> int:
    """Measured finishing time of one leaf, 95% or all leaves of a large tree (table 1 of "The Tail at Scale")."""
    told = leaves.lower()
    row = "95%" if "95" in told else "all" if re.search(r"all|100|every", told) else "one"
    if percentile not in TABLE_1[row]:
        raise ToolError(f"tail.table1_ms: the table has no {percentile:g}th percentile; choose 50, 95 or 99.")
    return TABLE_1[row][int(percentile)]


@formula("tail.tied_p99_ms", unit="ms", cases=[
    Case({"cluster": "idle / with terasort"}, {"result": [[67, 42], [108, 67]]}, source=f"{PAPER}, table 2",
         shown=True)])
def tied_p99_ms(
    cluster: str = param("idle / with terasort", max_length=200, words=["cluster"],
                         help="idle, with terasort, or both"),
) -> list[Any]:
    """Measured p99 without and with tied requests, one pair for each cluster named (table 2 of "The Tail at Scale")."""
    pairs = [list(TABLE_2[name][99]) for name in _clusters("tail.tied_p99_ms", cluster)]
    return pairs if len(pairs) > 1 else pairs[0]


@formula("tail.tied_ms", unit="ms", cases=[
    Case({"cluster": "idle", "percentile": 99.9}, {"result": [98, 61]}, source=f"{PAPER}, table 2", shown=True)])
def tied_ms(
    cluster: str = param("idle", max_length=200, words=["cluster"], help="idle, with terasort, or both"),
    percentile: float = param(99, ge=1, le=100, words=["percentile"], help="50, 90, 99 or 99.9"),
) -> list[Any]:
    """Measured latency without and with tied requests at a percentile (table 2 of "The Tail at Scale")."""
    if percentile not in TABLE_2["idle"]:
        raise ToolError(f"tail.tied_ms: the table has no {percentile:g}th percentile; choose 50, 90, 99 or 99.9.")
    pairs = [list(TABLE_2[name][percentile]) for name in _clusters("tail.tied_ms", cluster)]
    return pairs if len(pairs) > 1 else pairs[0]


@formula("tail.hedge_bigtable", cases=[Case({}, dict(BIGTABLE_HEDGE), source=PAPER, shown=True)],  words=["bigtable"])
def hedge_bigtable(out: str = param("", max_length=200)) -> dict[str, float]:
    """Measured p999 of reading 1,000 keys from 100 BigTable servers, without and with a second copy after 10 ms."""
    return dict(BIGTABLE_HEDGE)


def _clusters(name: str, text: str) -> list[str]:
    found = sorted((match.start(), key) for key, pattern in (("idle", r"idle|quiet"),
                                                             ("terasort", r"terasort|busy|load"))
                   if (match := re.search(pattern, text.lower())))
    if not found:
        raise ToolError(f"{name} doesn't know the cluster {text[:40]!r}; write idle, with terasort, or both.")
    return [key for _, key in found]
