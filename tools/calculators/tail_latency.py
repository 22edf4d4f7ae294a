"""Formulas of fan-out and the measured tables of "The Tail at Scale"; hedged requests are in hedging.py. Simulates nothing."""

from __future__ import annotations

import math
import re
from typing import Any

from tools.base import Ask, Case, ToolError, formula, outputs, param
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

_P: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["slow", "share slow", "is slow", "slower than", "slow one",
        "are slow", "slow in", "of the time", "takes too long", "stalls", "hiccup", "a chance of", "late", "of the calls"]}
_N: dict[str, Any] = {"ge": 1, "le": 10**9, "unit": "servers", "words": ["fan-out", "n", "servers", "shards", "backends", "leaves",
        "calls", "parallel calls", "fans out to", "fan out to", "replicas of the index", "machines", "nodes", "partitions",
        "waits for", "wait for", "microservices", "index servers"]}
_SLOW_MS: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "ms", "words": ["slower than", "longer than", "more than", "over", "above",
                                                                         "under", "below", "within", "faster than", "less than"],
                            "help": "from when on an answer is slow; told for the record, the share doesn't depend on it"}
_Q: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["quantile", "percentile", "p", "answers under",
        "answer under", "under", "within", "in time", "of the cases", "of cases", "of the time"]}


@formula("tail.fanout_slow", words=["fan-out", "fans out", "share of requests is slow", "at least one slow", "hits a slow server",
        "meets a slow", "waits for a slow", "touches a slow", "at least one", "any of them is slow", "page is slow",
        "requests are slow"],
    unit="fraction", cases=[
    Case({"p": 0.0001, "n": 2000}, {"result": 0.18128}, abs=1e-4, source=f"{PAPER}: almost one in five"),
    Case({"p": 0.01, "n": 100}, {"result": 0.63397}, abs=1e-5, source=f"{PAPER}: 63%"),
], asks=[
    Ask("1 in 500 calls is slow and a page makes 80 parallel calls: what share of the pages is slow?", "result", 0.148),
    Ask("Each of 100 servers is slow 1% of the time and a request waits for all of them. What share of "
        "requests is slow?", "result", 0.633967659),
    Ask("My query fans out to 40 shards, one answer in 200 is late. How likely is it that at least one of "
        "them is slow?", "result", 0.181679879),
    Ask("Every leaf server needs more than 50 ms in 1 in 500 requests. A search asks 300 leaves. What "
        "share of the searches is slower than 50 ms?", "result", 0.451517992),
    Ask("A page calls 25 microservices and every one has a 0.4% chance of a hiccup. How many percent of "
        "the pages meet at least one slow one?", "result", 0.0953440153),
])
def fanout_slow(p: float = param(**_P), n: int = param(**_N), slow_ms: float | None = param(None, **_SLOW_MS)) -> float:
    """Share of requests that meet at least one slow server when each of n is slow with probability p: 1 - (1-p)^n."""
    return 1.0 if p == 1 else -math.expm1(n * math.log1p(-p))


@formula("tail.fanout_fast", words=["none is slow", "no slow server", "all are fast", "no slow", "none of them is slow",
        "all of them are fast", "meets no slow", "without a slow"],
    unit="fraction", cases=[
    Case({"p": 0.01, "n": 100}, {"result": 0.36603}, abs=1e-5, source="0.99^100")], asks=[
    Ask("Each of 40 shards is slow 0.5% of the time. What is the chance that none is slow?", "result", 0.8183),
    Ask("A request asks 60 leaves, each slow with probability 0.1%. How likely are all of them fast?", "result", 0.941736262),
    Ask("1% of the calls take longer than 200 ms. A request makes 15 of these calls in parallel, in how "
        "many percent is none of them slow?", "result", 0.860058355),
    Ask("20 shards, every shard is slow 2% of the time: what share of the requests meets no slow server?", "result", 0.667607972),
])
def fanout_fast(p: float = param(**_P), n: int = param(**_N), slow_ms: float | None = param(None, **_SLOW_MS)) -> float:
    """Share of requests that meet no slow server among n: (1-p)^n."""
    return 0.0 if p == 1 else math.exp(n * math.log1p(-p))


@formula("tail.max_slow_share", words=["how rarely", "how slow may each", "how slow may a leaf be", "may each server be slow",
        "how often may each", "may each be slow"],
    unit="fraction", cases=[
    Case({"target": 0.01, "n": 100}, {"result": 1.005e-4}, rel=1e-3, source="1 - 0.99^(1/100)")], asks=[
    Ask("A request fans out to 200 servers and at most 5% of the requests may be slow: how rarely may "
        "each server be slow?", "result", 0.00025643),
    Ask("A request fans out to 30 shards and 1% of the requests may be slow. How often may each "
        "shard be slow?", "result", 0.000334955085, 0.002),
    Ask("We call 80 backends in parallel and allow 2% slow requests: what share of slow answers "
        "may each backend have?", "result", 0.000252501957, 0.002),
])
def max_slow_share(
    target: float = param(gt=0, lt=1, unit="fraction", words=["slow requests", "at most", "allowed", "of the requests",
        "of requests", "of all requests", "page loads"]),
    n: int = param(**_N),
) -> float:
    """How rarely each of n servers may be slow so that at most `target` of the requests are: 1 - (1-target)^(1/n)."""
    return -math.expm1(math.log1p(-target) / n)


@formula("tail.max_fanout", words=["largest fan-out", "how many servers may", "how wide", "how many shards may",
        "how many backends may", "widest fan-out", "how many servers can a request touch", "how far can i fan out",
        "how many leaves can"],
    unit="servers", cases=[
    Case({"p": 0.01, "target": 0.5}, {"result": 68}, source="0.99^68 = 0.505, 0.99^69 = 0.4998")], asks=[
    Ask("Each server is slow 0.2% of the time; at most 10% of requests may be slow. Largest fan-out?", "result", 52),
    Ask("Each shard is slow 0.5% of the time and at most 5% of the requests may be slow. How many shards "
        "may a request touch?", "result", 10.0, 1e-06),
    Ask("Largest fan-out if every leaf is slow with probability 0.01% and at most 1% of requests may be slow?", "result", 100.0, 1e-06),
])
def max_fanout(
    p: float = param(gt=0, lt=1, unit="fraction", words=["slow", "each server is slow", "is slow", "slow with", "each is slow",
        "each shard", "each leaf", "each backend", "of the time"]),
    target: float = param(gt=0, lt=1, unit="fraction", words=["slow requests", "at most", "allowed", "of requests",
        "of the requests", "of all requests", "overall", "may be slow"]),
) -> int:
    """Largest fan-out that keeps the share of requests with a slow server at or below `target`."""
    return math.floor(math.log1p(-target) / math.log1p(-p) + 1e-12)


@formula("tail.leaf_quantile", words=["which percentile of a leaf", "percentile of each server", "which quantile of a leaf",
        "percentile of each leaf", "leaf percentile", "what percentile must each", "which percentile must each"],
    unit="fraction", cases=[
    Case({"q": 0.5, "n": 100}, {"result": 0.993092}, abs=1e-6, source="0.5^(1/100): the median needs the leaf's p99.3"),
    Case({"q": 0.99, "n": 100}, {"result": 0.9998995}, abs=1e-7, source="0.99^(1/100)")], asks=[
    Ask("A request waits for 50 servers: which percentile of each server decides its p95?", "result", 0.998975),
    Ask("For a p99 of the whole request over 20 leaves, which percentile of each leaf matters?", "result", 0.999497609, 1e-05),
    Ask("A query is spread over 10 shards: which quantile of one shard becomes the p90 of the query?", "result", 0.989519258, 1e-05),
])
def leaf_quantile(q: float = param(
        **{**_Q, "words": [*_Q["words"], "median", "overall", "of the request", "root", "whole request"]}),
        n: int = param(**_N)) -> float:
    """Which quantile of one leaf becomes the q quantile of a request that waits for all n leaves: q^(1/n)."""
    return float(q ** (1 / n))


@formula("tail.root_quantile", words=["all under", "all of them under", "all within", "everything below", "everything under",
        "every leaf within", "finish within", "all answer in time", "within the p99 of a leaf", "all answers in time"], unit="fraction",
        cases=[
    Case({"q": 0.99, "n": 100}, {"result": 0.36603}, abs=1e-5, source="0.99^100")], asks=[
    Ask("A request waits for 50 leaves; what share of the requests finishes within the p99 of one leaf?", "result", 0.605006067),
    Ask("Each backend answers within 30 ms in 99.9% of the cases and I wait for 70 of them. What share of "
        "the requests has all answers within 30 ms?", "result", 0.932361165),
    Ask("25 shards, each under 10 ms 98% of the time, how likely are all of them under 10 ms?", "result", 0.60346473),
])
def root_quantile(q: float = param(**{**_Q, "gt": 0.2}), n: int = param(**_N), slow_ms: float | None = param(None, **_SLOW_MS)) -> float:
    """Share of requests to n leaves that finish within the q quantile of one leaf: q^n."""
    return q**n


@formula("tail.partial_slow", words=["wait for only", "good enough", "partial answers", "answers are enough", "results are enough",
        "instead of all", "without the slowest", "may be missing", "skip the slowest"],
    unit="fraction", cases=[
    Case({"p": 0.01, "n": 100, "needed": 100}, {"result": 0.63397}, abs=1e-5, source="all must answer"),
    Case({"p": 0.01, "n": 100, "needed": 95}, {"result": 5.345e-4}, rel=1e-3,
         source="binomial: more than 5 of 100 slow")], asks=[
    Ask("Each of 20 leaves is slow 5% of the time and 18 of 20 answers are enough: what share of "
        "requests is slow?", "result", 0.0754837, 0.001),
    Ask("A search asks 40 leaves, each slow 2% of the time, and answers as soon as 38 are there, "
        "that is enough. What share of the searches is slow?", "result", 0.0456702304, 0.002),
    Ask("It is good enough to wait for 9 of 10 shards. Each is slow with probability 3%. Which "
        "share of requests is slow?", "result", 0.0345065555, 0.002),
])
def partial_slow(
    p: float = param(**_P), n: int = param(ge=1, le=10**7, unit="servers", words=["fan-out", "leaves", "servers", "shards",
        "backends", "of all"]),
    needed: int = param(ge=1, le=10**7, unit="count", words=["needed", "enough", "wait for", "waits for", "suffice", "are required"]),
) -> float:
    """Share of requests that are slow although `needed` of n answers would be enough (independent leaves)."""
    from scipy.stats import binom

    if needed > n:
        raise ToolError(f"tail.partial_slow: needed is {needed} of only {n} leaves; it must lie between 1 and {n}.")
    return float(binom.sf(n - needed, n, p))


@formula("tail.exponential_max_ms", words=["slowest of", "maximum of", "exponential latency", "slowest", "the last of",
        "slowest answer", "longest of", "all have answered"],
    unit="ms", cases=[
    Case({"mean_ms": 10, "n": 100}, {"result": 51.8738}, rel=1e-5, source="10 * H(100)"),
    Case({"mean_ms": 10, "n": 1, "q": 0.99}, {"result": 46.0517}, rel=1e-5, source="10 * ln 100")], asks=[
    Ask("The slowest of 30 calls with an exponential mean of 8 ms: how many ms on average?", "result", 31.96),
    Ask("Latency is exponential with a mean of 5 ms and I wait for the slowest of 12 shards. How many ms "
        "on average?", "result", 15.5160534),
    Ask("50 parallel calls with exponential latency, mean 20 ms: how many ms until the slowest of them has "
        "answered on average?", "result", 89.9841068),
])
def exponential_max_ms(
    mean_ms: float = param(gt=0, le=1e9, unit="ms", words=["mean", "average", "takes", "on average", "each takes", "latency"]),
    n: int = param(**_N),
    q: float | None = param(None, gt=0, lt=1, unit="fraction", words=["quantile", "percentile"]),
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
def hedge_bigtable(out: str = outputs(plain="without|plain|before", hedged="^with(?!out)|hedged|after", delay="delay|wait",
                                      extra="extra|load|2%")) -> dict[str, float]:
    """Measured p999 of reading 1,000 keys from 100 BigTable servers, without and with a second copy after 10 ms."""
    return dict(BIGTABLE_HEDGE)


def _clusters(name: str, text: str) -> list[str]:
    found = sorted((match.start(), key) for key, pattern in (("idle", r"idle|quiet"),
                                                             ("terasort", r"terasort|busy|load"))
                   if (match := re.search(pattern, text.lower())))
    if not found:
        raise ToolError(f"{name} doesn't know the cluster {text[:40]!r}; write idle, with terasort, or both.")
    return [key for _, key in found]
