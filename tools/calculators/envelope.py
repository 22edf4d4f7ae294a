"""The single steps of a back-of-the-envelope estimate as formulas; the whole sheet is in traffic.py."""

from __future__ import annotations

import math
from typing import Any

from pydantic import AliasChoices

from tools.base import Ask, Case, ToolError, formula, param

DAY_S = 86_400
YEAR_DAYS = 365

_USERS: dict[str, Any] = {"ge": 0, "le": 1e11, "unit": "users", "words": ["users", "daily users", "dau", "people"]}
_BYTES_PER_DAY: dict[str, Any] = {"ge": 0, "le": 1e21, "unit": "bytes",
                                  "words": ["a day", "per day", "daily", "written", "ingest"]}


@formula("boe.qps", words=["requests per second", "average load", "rps", "qps", "requests a second", "average rate", "peak load",
        "peak rps", "requests per day", "per second on average"],
    unit="rps", cases=[
    Case({"req_per_day": 1e6}, {"result": 11.574}, rel=1e-3, source="arithmetic; often rounded to 12"),
    Case({"dau": 1e7, "actions": 10, "peak_ratio": 3}, {"result": 3472.2}, rel=1e-3, source="arithmetic"),
], asks=[
    Ask("50 million requests a day: average requests per second?", "result", 578.703704),
    Ask("3 million daily users make 12 requests each, how many rps is that on average?", "result", 416.666667),
    Ask("We get 8M requests per day and the peak is 5 times the average. What is the peak rps?", "result", 462.962963),
])
def qps(
    req_per_day: float | None = param(None, ge=0, le=1e16, unit="requests/day", words=["requests a day", "requests per day",
        "hits a day", "calls a day", "daily requests"]),
    dau: float | None = param(None, **_USERS),
    actions: float = param(1.0, ge=0, le=1e6, unit="count", words=["actions", "requests each", "times a day", "requests a day each",
        "requests per user", "each makes", "each sends"]),
    peak_ratio: float = param(1.0, ge=1, le=1000, unit="count", words=["peak", "times the average", "busiest", "peak factor",
        "rush hour"]),
) -> float:
    """Requests per second at the peak, over a day of 86,400 s (a peak ratio of 1 gives the average)."""
    if (req_per_day is None) == (dau is None):
        raise ToolError("boe.qps needs either req_per_day, or dau with actions, and not both.")
    per_day = req_per_day if req_per_day is not None else (dau or 0.0) * actions
    return per_day / DAY_S * peak_ratio


@formula("boe.rounding_error", unit="fraction", words=["rounding error", "too low", "too high", "napkin day", "rounded day",
        "instead of", "relative error", "seconds of a day", "divides by", "day has", "per cent too low",
        "percent too low"], cases=[
    Case({"day_s_exact": 86400, "day_s_rounded": 100000}, {"result": -0.136}, abs=1e-3, source="arithmetic"),
], asks=[
    Ask("If I take a day as 100k seconds, by how much does my QPS come out too low?", "result", -0.136, 1e-3),
    Ask("Somebody rounds a day to 80,000 seconds. What is the relative error of the rate?", "result", 0.08),
    Ask("In my estimate I divided by 90,000 seconds instead of 86,400. By how much is the rate too low?", "result", -0.04),
    Ask("He takes the day as 72,000 seconds. How much too high do his requests per second come out?", "result", 0.2),
])
def rounding_error(
    day_s_exact: float = param(float(DAY_S), ge=86_000, le=87_000, unit="s", words=["real day", "exact", "true day"]),
    day_s_rounded: float = param(100_000.0, gt=0, le=1e9, unit="s", words=["as", "to", "rounded to", "assumes", "instead of", "divide"]),
) -> float:
    """Relative error of a rate when the seconds of a day are rounded (negative: the rate comes out too low)."""
    return day_s_exact / day_s_rounded - 1


@formula("boe.storage_TB", words=["how much storage", "how many terabytes", "TB of storage", "keep for years", "stored",
        "disk space", "keep it for"], unit="TB", cases=[
    Case({"dau": 1e7, "items": 2, "bytes": 1000, "years": 5, "replicas": 3}, {"result": 109.5}, rel=1e-9,
         source="arithmetic, years of 365 d"),
], asks=[
    Ask("2 million users write 3 items of 4 KB a day each; how many TB are stored after 5 years with 3 copies?", "result", 131.4),
    Ask("40M daily users, one photo of 300 KB each, kept for 2 years in 2 replicas. How many terabytes?", "result", 17520.0),
    Ask("How much storage in TB do 5 million users need who post twice a day, 10 KB per post, kept a year with "
        "three copies?", "result", 109.5),
])
def storage_TB(
    dau: float = param(validation_alias=AliasChoices("dau", "users"), **_USERS),
    items: float = param(1.0, ge=0, le=1e6, unit="count", words=["items", "posts", "writes", "photos", "messages", "rows",
        "uploads", "records", "times a day", "each write", "each post", "each day"], validation_alias=AliasChoices(
        "items", "items_per_day", "posts_per_day", "items_per_user", "items_per_user_day", "writes", "writes_per_day", "actions", "posts")),
    bytes: float = param(ge=0, le=1e13, unit="bytes", words=["item", "size", "each", "per item", "per post", "apiece", "of"],
                         validation_alias=AliasChoices("bytes", "item_bytes", "bytes_per_item")),
    years: float = param(1.0, ge=0, le=100, unit="count", words=["years", "kept", "keep", "retention"],
                         validation_alias=AliasChoices("years", "retention_years")),
    replicas: float = param(1.0, ge=1, le=100, unit="replicas", words=["copies", "replicas", "times replicated", "replication"],
                            validation_alias=AliasChoices("replicas", "replication", "copies")),
    compression: float = param(1.0, ge=1, le=1000, unit="count", words=["compression", "compressed", "compresses"]),
) -> float:
    """Stored terabytes (10^12 bytes) of what the users write each day, kept for years, with all copies."""
    return dau * items * bytes * years * YEAR_DAYS * replicas / compression / 1e12


@formula("boe.cache_GB", words=["cache size", "how much ram", "how much memory for the cache", "redis", "keep the hot ones in memory"],
    unit="GB", cases=[
    Case({"items": 1e9, "hot_frac": 0.2, "bytes": 1000}, {"result": 200}, rel=1e-12, source="arithmetic"),
], asks=[Ask("300 million user profiles, 1.5 KB each, and a tenth of them is hot. How much RAM for a cache "
        "of the hot ones?", "result", 45.0),
    Ask("20% of 1 billion items of 1 KB are hot: how many GB of cache do they need?", "result", 200),
    Ask("500M keys of 200 bytes each and 5% of them are hot, how many GB of RAM keep the hot ones?", "result", 5.0),
    Ask("I want the hottest fifth of 80 million product records (2 KB apiece) in redis. How much memory in GB?", "result", 32.0),
])
def cache_GB(
    items: float = param(ge=0, le=1e15, unit="count", words=["items", "objects", "keys", "profiles", "records", "products", "entries"]),
    hot_frac: float = param(0.2, ge=0, le=1, unit="fraction", words=["hot", "working set", "frequently"]),
    bytes: float = param(ge=0, le=1e13, unit="bytes", words=["item", "size", "each", "apiece", "profile", "record"]),
) -> float:
    """Cache that holds the hot share of the items, in GB (10^9 bytes), without the store's own overhead per item."""
    return items * hot_frac * bytes / 1e9


@formula("boe.write_bw_Mbps", words=["write bandwidth", "megabits per second", "mbit/s", "mb/s"],
    unit="Mbit/s", cases=[
    Case({"bytes_per_day": 1e12}, {"result": 92.59}, rel=1e-3, source="arithmetic"),
], asks=[Ask("1 TB is written a day: how many Mb/s of write bandwidth is that?", "result", 92.593),
    Ask("Our loggers ingest 250 GB per day. What is that as a steady write bandwidth in Mbit/s?", "result", 23.1481481),
    Ask("6 TB a day is written evenly. How many megabits per second of write bandwidth?", "result", 555.555556),
])
def write_bw_Mbps(bytes_per_day: float = param(**_BYTES_PER_DAY)) -> float:
    """Average write bandwidth in megabits per second (8 bits a byte, 86,400 s a day)."""
    return bytes_per_day * 8 / DAY_S / 1e6


@formula("boe.read_bw_Gbps", words=["read bandwidth", "gigabits per second", "gbit/s", "gb/s", "is read"],
    unit="Gbit/s", cases=[
    Case({"bytes_per_day": 1e12, "read_write": 100}, {"result": 9.259}, rel=1e-3, source="arithmetic"),
], asks=[Ask("1 TB is written a day and read 100 times: what read bandwidth in Gb/s?", "result", 9.2593),
    Ask("Users upload 1.5 TB to us per day and every byte gets read 20 times. What average read bandwidth "
        "in Gbps do I tell the network people?", "result", 2.77777778),
    Ask("Ingest is 2 TB a day at a read:write ratio of 30:1. Read bandwidth in Gbit/s?", "result", 5.55555556),
    Ask("400 GB of photos are written daily and each byte is read 80 times. How many gigabits per second "
        "of read bandwidth is that?", "result", 2.96296296),
])
def read_bw_Gbps(
    bytes_per_day: float = param(**_BYTES_PER_DAY),
    read_write: float = param(1.0, ge=0, le=1e6, unit="count", words=["read:write", "reads per write", "times", "ratio"]),
) -> float:
    """Average read bandwidth in gigabits per second when each written byte is read `read_write` times."""
    return bytes_per_day * read_write * 8 / DAY_S / 1e9


@formula("boe.in_sequence_ms", unit="ms", words=[
    "one after another", "one after the other", "sequential calls", "in sequence", "each takes", "in total", "in a row", "serially",
], cases=[
    Case({"calls": 20, "each_ms": 0.5}, {"result": 10}, rel=1e-12, source="arithmetic"),
    Case({"calls": 64, "each_ms": 10, "at_once": 16}, {"result": 40}, rel=1e-12, source="four rounds"),
], asks=[Ask("30 sequential database calls of 4 ms each: how many ms in total?", "result", 120.0),
         Ask("200 calls that take 15 ms each, 50 at a time: how many ms in total?", "result", 60.0),
    Ask("My handler does 12 redis lookups one after another, 0.8 ms each. How many ms in total?", "result", 9.6),
    Ask("500 API calls, each takes 40 ms and we keep 25 in flight. How many ms until all are done?", "result", 800.0),
])
def in_sequence_ms(
    calls: float = param(ge=0, le=1e15, unit="calls", words=["calls", "times", "operations", "lookups", "reads", "queries", "accesses",
                                                             "of those", "round trips", "sequential", "requests", "hops"]),
    each_ms: float = param(ge=0, le=1e12, unit="ms", words=["each", "takes", "per call", "apiece", "is", "costs", "latency"]),
    at_once: float = param(1.0, ge=1, le=1e15, unit="count", words=["at once", "at a time", "in parallel", "in flight"]),
) -> float:
    """Milliseconds that calls take one after the other, or so many at once: ceil(calls / at_once) * each."""
    return _ceil(calls / at_once) * each_ms


@formula("boe.servers", words=["how many servers", "servers needed", "machines needed", "servers do we need", "at once",
        "smallest number of servers", "how many boxes", "how many machines", "boxes", "machines", "by little's law",
        "holds the load", "enough servers"],
    unit="servers", cases=[
    Case({"rps": 1000, "latency_s": 0.2, "concurrency": 50}, {"result": 4}, rel=1e-12, source="Little's law, L = 200"),
    Case({"rps": 1000, "latency_s": 0.2, "concurrency": 50, "utilisation": 0.7}, {"result": 6}, rel=1e-12,
         source="Little's law, 200 / 35"),
], asks=[
    Ask("6,000 requests per second, 50 ms each, and one server takes 30 at once: how many servers are needed?", "result", 10.0),
    Ask("Little's law: 9,000 rps, each request spends 120 ms and one machine runs 40 at the same time. Smallest "
        "number of machines?", "result", 27.0),
    Ask("Peak is 15k rps, a request keeps a worker busy for 60 ms, each server has 32 workers and we stay at 60% "
        "busy. How many servers?", "result", 47.0),
    Ask("How many boxes do we need for 2,500 requests per second at a latency of 300 ms if a box holds 100 connections?", "result", 8.0),
])
def servers(
    rps: float = param(ge=0, le=1e12, unit="rps", words=["requests per second", "rps", "qps", "load", "traffic"]),
    latency_s: float = param(ge=0, le=1e5, unit="s", words=["latency", "takes", "each", "per request", "response time", "spends",
        "stays", "keeps", "lasts", "busy for", "on average"]),
    concurrency: float = param(1.0, gt=0, le=1e6, unit="count", words=["threads", "concurrent", "workers", "at once", "at a time",
        "in parallel", "slots", "per server", "connections", "at the same time", "per box", "per machine", "requests at once",
        "holds", "workers per server", "runs", "can hold", "server has", "box has", "machine has", "each with", "has workers"]),
    utilisation: float = param(1.0, gt=0, le=1, unit="fraction", words=["utilisation", "utilization", "busy", "busier than",
        "utilised", "utilized", "load factor", "full"]),
) -> int:
    """Servers that hold the requests in flight (Little's law), each filled up to the given utilisation."""
    return _ceil(rps * latency_s / concurrency / utilisation)


def _ceil(count: float) -> int:
    """Rounded up, but not because of the last bits of a division."""
    return math.ceil(count * (1 - 1e-12))
