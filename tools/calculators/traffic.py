"""Traffic, storage, cache and bandwidth from users and their habits; knows arithmetic, not any service's measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool

DAY_S = 86_400

class TrafficSheet(Params):
    daily_users: float = param(1e7, ge=1, le=1e10, unit="users",
                               words=["daily users", "daily active users", "dau", "users", "people", "customers"])
    actions_per_user_day: float | None = param(
        None, ge=0, le=1e5, unit="count",
        words=["actions", "requests each", "requests per user", "requests", "times a day", "each", "reads", "calls",
               "queries", "searches", "page views"],
        help="all requests of a user in a day; 10 when no volume is given")
    writes_per_user_day: float | None = param(
        None, ge=0, le=1e5, unit="count",
        words=["writes", "posts", "uploads", "new items", "items stored", "store", "items a day", "photos a day",
               "events a day", "messages a day", "records a day", "rows a day", "photos", "events", "messages", "videos",
               "documents"],
        help="items that a user stores in a day; reads follow from read_write when actions aren't given")
    requests_per_day: float | None = param(
        None, ge=0, le=1e15, unit="requests/day",
        words=["requests a day", "requests per day", "calls a day", "daily requests", "requests", "requests come in", "come in",
               "calls", "hits", "queries", "requests over the day"],
        help="replaces users times actions")
    written_bytes_per_day: float | None = param(
        None, ge=0, le=1e18, unit="bytes",
        words=["written", "write", "ingest", "collect", "receive", "gather", "stored", "produce", "generate", "logs", "store"],
        help="all data that is written in a day; replaces users times writes")
    peak_ratio: float = param(3.0, ge=1, le=20, unit="count", words=["peak", "peak-to-average", "peak ratio", "busiest"])
    read_write: float = param(4.0, ge=0, le=1e5, unit="count",
                              words=["read:write", "reads per write", "read-write ratio", "reads for each write"])
    item_bytes: float = param(1_000.0, ge=1, le=1e12, unit="bytes",
                              words=["item", "item size", "each", "object", "payload", "record", "photo", "message", "apiece",
                                     "picture", "image",
                                     "post", "video", "file", "document", "row", "event"])
    total_items: float | None = param(None, ge=1, le=1e14, unit="count", words=["items in total", "items exist", "catalogue",
                                                                                "items are hot", "objects in total"],
                                      help="items that exist; otherwise what the retention accumulates")
    retention_days: float = param(1825.0, ge=1, le=36_500, unit="days", words=["retention", "kept", "for", "keep", "years", "retain",
                                                                               "hold"])
    replicas: int = param(3, ge=1, le=5, unit="replicas", words=["replicas", "copies", "replication", "replication factor",
                                                                 "times replicated"])
    compression: float = param(1.0, ge=1, le=100, unit="count", words=["compression", "compressed", "compresses"])
    hot_fraction: float = param(0.2, ge=0, le=1, unit="fraction", words=["hot", "cached", "working set", "popular"])
    latency_ms: float = param(200.0, gt=0, le=600_000, unit="ms", words=["latency", "takes", "each request", "response time"])
    concurrency: int = param(50, ge=1, le=100_000, unit="count",
                             words=["threads", "concurrent requests", "per server", "workers", "slots"])
    tornado_of: Literal["storage_TB", "peak_qps", "peak_read_Gbps", "cache_GB", "in_flight"] = param(
        "storage_TB", help="which result the tornado plot takes apart")


_FACTOR = {"users": 2.0, "per_user": 3.0, "peak_ratio": 2.0, "read_write": 3.0, "item_bytes": 5.0, "retention_days": 2.0,
           "replicas": 5 / 3, "compression": 3.0, "hot_fraction": 2.0, "latency_ms": 3.0}
"""How far a first guess at each assumption is commonly off, either way: judgement, no measurement."""

_NAIVE = {"storage_TB": "one copy (naive)", "peak_qps": "the average (naive)", "peak_read_Gbps": "bytes as bits (naive)",
          "cache_GB": "everything cached (naive)", "in_flight": "at the average (naive)"}

_AXIS = {"storage_TB": "storage (TB)", "peak_qps": "peak load (requests/s)", "peak_read_Gbps": "peak reads (Gbit/s)",
         "cache_GB": "cache (GB)", "in_flight": "requests in flight (count)"}

_BARE_COUNT = ("servers is the bare count at 100% utilisation, where queues grow without bound: plan for "
               "servers_at_70_percent or less.")


@tool("traffic-sheet", group="A",
      words=["qps", "requests per second", "peak", "storage", "bandwidth", "how many servers", "back of the envelope",
             "estimate the traffic", "capacity", "dau", "requests per day", "disk", "load per second", "average load", "users a day"],
      example={"daily_users": 1e7, "actions_per_user_day": 10, "peak_ratio": 3},
      cases=[
          Case({"daily_users": 1e7, "actions_per_user_day": 10, "peak_ratio": 3}, {"peak_qps": 3472.2222}, rel=1e-7,
               source="arithmetic"),
          Case({"requests_per_day": 1e6}, {"qps": 11.574074}, rel=1e-7, source="arithmetic"),
          Case({"daily_users": 1e7, "writes_per_user_day": 2, "item_bytes": 1000, "retention_days": 1825, "replicas": 3},
               {"storage_TB": 109.5, "storage_one_copy_TB": 36.5}, rel=1e-9, source="arithmetic, years of 365 d"),
          Case({"written_bytes_per_day": 1.5e12, "retention_days": 1095, "replicas": 3}, {"storage_TB": 4927.5, "storage_PB": 4.9275,
               "write_Gbps": 1.5e12 * 8 / 86_400 / 1e9}, rel=1e-9, source="arithmetic: 1.5 TB a day for three years"),
          Case({"total_items": 1e9, "hot_fraction": 0.2, "item_bytes": 1000}, {"cache_GB": 200}, rel=1e-9,
               source="arithmetic"),
          Case({"daily_users": 1, "writes_per_user_day": 1e5, "item_bytes": 1e7, "read_write": 100},
               {"write_Gbps": 0.0925926, "read_Gbps": 9.25926}, rel=1e-6, source="arithmetic: 1 TB a day"),
      ],
      asks=[
          Ask("10M daily users make 10 requests each and the peak is 3x the average. What is the peak QPS?", "peak_qps",
              3472.2),
          Ask("How many requests per second is 1 million requests a day?", "qps", 11.574),
          Ask("10 million users post 2 items a day of 1 KB each, kept for 5 years with 3 replicas: how much storage?",
              "storage_TB", 109.5),
          Ask("We get 200M requests per day with a peak of 4x; latency is 150 ms and each server has 64 threads. How many "
              "servers?", "servers", 22),
          Ask("2M daily active users upload 3 photos of 500 KB a day. Read:write is 50. What average read bandwidth in "
              "Gb/s?", "read_Gbps", 2e6 * 3 * 50 * 5e5 * 8 / DAY_S / 1e9),
          Ask("400 GB of logs are written a day, retained 90 days with 2 copies: how many TB?", "storage_TB", 72),
          Ask("We ingest 3 TB daily, keep it for two years, 3 replicas and 4x compression. How many petabytes?", "storage_PB", 1.6425),
          Ask("500 million events a day of 2 KB each are written: how many MB/s?", "write_MBps", 11.574),
          Ask("90 million requests come in over the day: how many per second at a peak of 5x?", "peak_qps", 5208.33),
          Ask("If 5% of 400M items in total are hot and an item is 2 KB, how big is the cache?", "cache_GB", 40),
      ])
def traffic_sheet(p: TrafficSheet, seed: int) -> ToolResult:
    """Requests per second, storage, cache, bandwidth and servers that a service's users cause.

    The volume is users times actions (or `requests_per_day`, `writes_per_user_day`, `written_bytes_per_day`); `read_write` splits it into
    reads and writes. Writes of `item_bytes` add up over the retention, are compressed on disk and stored `replicas`
    times; the hot share of one copy, uncompressed, is the cache. Requests in flight are peak rate times latency
    (Little's law, L = lambda * W), and servers are those over the slots of one server. The tornado plot moves one
    assumption at a time by the factor that a first guess is commonly off, and shows which of them dominates.

    People get wrong: storage without the copies; links are sold in bits per second and files counted in bytes (factor
    8); a day of 100,000 s makes every rate 13.6% low; the average is not what servers are bought for.

    Sources: arithmetic; J. Little, "A Proof for the Queuing Formula L = lambda W", Operations Research 9(3), 1961.

    >>> sheet = traffic_sheet(TrafficSheet(daily_users=1e7, actions_per_user_day=10, peak_ratio=3), 0)
    >>> round(sheet.values["peak_qps"], 1)
    3472.2
    """
    load, warnings = _load(p)
    values = _sheet(load, p)
    bars = _tornado(load, p, values[p.tornado_of])
    naive = {"qps": load["users"] * load["per_user"] / 100_000, "storage_TB": values["storage_one_copy_TB"],
             "read_Gbps": values["read_Gbps"] / 8, "peak_read_Gbps": values["peak_read_Gbps"] / 8,
             "peak_qps": values["qps"], "in_flight": values["in_flight"] / p.peak_ratio,
             "cache_GB": values["items_stored"] * p.item_bytes / 1e9}
    names = [bar[0] for bar in bars]
    told = [f"{bar[0].replace('_', ' ')} (×/÷ {bar[1]:g})" for bar in bars]
    return ToolResult(
        tool="traffic-sheet", values={**values, "dominant_assumption": names[0] if names else None},
        units={"requests_per_day": "requests/day", "qps": "rps", "peak_qps": "rps", "read_qps": "rps", "write_qps": "rps",
               "items_stored": "count", "daily_storage_GB": "GB/day", "storage_TB": "TB", "storage_PB": "PB", "storage_one_copy_TB": "TB",
               "cache_GB": "GB", "write_MBps": "MB/s", "read_MBps": "MB/s", "write_Gbps": "Gbit/s", "read_Gbps": "Gbit/s",
                       "peak_read_Gbps": "Gbit/s",
               "in_flight": "requests", "servers": "servers", "servers_at_70_percent": "servers"},
        naive=naive,
        summary=f"{_n(values['qps'])} requests/s on average and {_n(values['peak_qps'])} at the peak (a day of 100,000 s "
        f"would say {_n(naive['qps'])} on average), which keeps {_n(values['in_flight'])} in flight on "
        f"{values['servers']:,} servers at the least. Storage {_n(values['storage_TB'])} TB with {p.replicas} copies "
        f"({_n(naive['storage_TB'])} TB for one), cache {_n(values['cache_GB'])} GB, reads "
        f"{_n(values['read_Gbps'] * 1000)} Mbit/s (which is {_n(naive['read_Gbps'] * 1000)} MB/s).",
        formula="qps = requests/day / 86400; peak = qps * ratio; storage = writes/day * bytes * days * copies / compression; "
        "Gbit/s = bytes/s * 8 / 1e9; servers = ceil(peak * latency / concurrency)",
        series={"assumption": names, "factor": [bar[1] for bar in bars], "low": [bar[2] for bar in bars],
                "high": [bar[3] for bar in bars]},
        plot=Plot(title=f"Which assumption dominates: {names[0].replace('_', ' ') if names else 'none'}",
                  x_label="assumption",
                  y_label=_AXIS[p.tornado_of], log_y=values[p.tornado_of] > 0,
                  marks=[{"axis": "y", "at": values[p.tornado_of], "label": f"as assumed: {_n(values[p.tornado_of])} {_AXIS[p.tornado_of].rpartition('(')[2].rstrip(')')}"}],
                  lines=[Line(label="low end", kind="bar", x=list(told), y=[bar[2] for bar in bars]),
                         Line(label="high end", kind="bar", x=list(told), y=[bar[3] for bar in bars]),
                         Line(label=_NAIVE[p.tornado_of], x=list(told), y=[naive[p.tornado_of]] * len(names),
                              dashed=True)]),
        assumptions=["a day has 86,400 s and a year 365 days", "KB, GB and TB are powers of ten; 8 bits a byte",
                     "each write stores one item and each read returns one whole item",
                     "compression acts on disk only; indexes, backups and headers aren't counted"]
        + ([] if _given(p) else ["10 requests per user and day"]),
        warnings=[*warnings, _BARE_COUNT],
    )


def _given(p: TrafficSheet) -> bool:
    return any(each is not None for each in (p.requests_per_day, p.actions_per_user_day, p.writes_per_user_day,
                                             p.written_bytes_per_day))


def _load(p: TrafficSheet) -> tuple[dict[str, float], list[str]]:
    """The volume as users times requests per user, with the reads for each write that follow from what was given."""
    warnings: list[str] = []
    read_write, users, per_user = p.read_write, p.daily_users, p.actions_per_user_day
    if p.requests_per_day is not None:
        per_user = p.requests_per_day / users
    writes = _writes(p)
    if writes is not None and per_user is None:
        per_user = writes * (1 + read_write)
    elif writes is not None and per_user is not None:
        if writes > per_user:
            raise ToolError(f"traffic-sheet: a user makes {writes:g} writes of only {per_user:g} requests a day; give fewer "
                            "writes or more requests.")
        if writes > 0:
            read_write = per_user / writes - 1
            warnings.append(f"Reads are what remains of the requests after the writes: {read_write:.4g} a write; "
                            "read_write isn't used.")
    per_user = 10.0 if per_user is None else per_user
    share = 0.0 if writes == 0 else 1 / (1 + read_write)
    return {"users": users, "per_user": per_user, "write_share": share, "read_write": read_write,
            "peak_ratio": p.peak_ratio, "item_bytes": p.item_bytes, "retention_days": p.retention_days,
            "replicas": float(p.replicas), "compression": p.compression, "hot_fraction": p.hot_fraction,
            "latency_ms": p.latency_ms}, warnings


def _writes(p: TrafficSheet) -> float | None:
    """Writes of one user in a day, if told."""
    if p.written_bytes_per_day is None:
        return p.writes_per_user_day
    if p.writes_per_user_day is not None:
        raise ToolError("traffic-sheet takes either written_bytes_per_day or writes_per_user_day, and not both.")
    return p.written_bytes_per_day / p.item_bytes / p.daily_users


def _sheet(load: Mapping[str, float], p: TrafficSheet) -> dict[str, float]:
    per_day = load["users"] * load["per_user"]
    writes = per_day * load["write_share"]
    reads = per_day - writes
    items = p.total_items if p.total_items is not None else writes * load["retention_days"]
    one_copy = items * load["item_bytes"] / load["compression"] / 1e12
    read_Gbps = reads * load["item_bytes"] * 8 / DAY_S / 1e9
    in_flight = per_day / DAY_S * load["peak_ratio"] * load["latency_ms"] / 1000
    return {
        "requests_per_day": per_day, "qps": per_day / DAY_S, "peak_qps": per_day / DAY_S * load["peak_ratio"],
        "read_qps": reads / DAY_S, "write_qps": writes / DAY_S, "items_stored": items,
        "daily_storage_GB": writes * load["item_bytes"] / 1e9, "storage_TB": one_copy * load["replicas"],
        "storage_PB": one_copy * load["replicas"] / 1000,
        "storage_one_copy_TB": one_copy, "cache_GB": items * load["hot_fraction"] * load["item_bytes"] / 1e9,
        "write_MBps": writes * load["item_bytes"] / DAY_S / 1e6, "read_MBps": read_Gbps / 8 * 1000,
        "write_Gbps": writes * load["item_bytes"] * 8 / DAY_S / 1e9, "read_Gbps": read_Gbps,
        "peak_read_Gbps": read_Gbps * load["peak_ratio"], "in_flight": in_flight,
        "servers": _ceil(in_flight / p.concurrency), "servers_at_70_percent": _ceil(in_flight / p.concurrency / 0.7),
    }


def _tornado(load: Mapping[str, float], p: TrafficSheet, base: float) -> list[tuple[str, float, float, float]]:
    """(assumption, factor, result at the low end, at the high end), the widest first; those without effect are left out."""
    bars = []
    fixed = () if p.written_bytes_per_day is None else ("users", "per_user", "item_bytes")
    for name, factor in _FACTOR.items():
        if name in fixed:  # a given amount of data doesn't depend on who wrote it in which pieces
            continue
        ends = []
        for value in (load[name] / factor, load[name] * factor):
            moved = {**load, name: min(value, 1.0) if name == "hot_fraction" else max(value, 1.0) if name in
                     ("peak_ratio", "replicas", "compression") else value}
            if name == "read_write":
                _move_ratio(moved, p)
            ends.append(_sheet(moved, p)[p.tornado_of])
        if abs(ends[1] - ends[0]) > 1e-12 * abs(base):
            bars.append((name, round(factor, 3), min(ends), max(ends)))
    return sorted(bars, key=lambda bar: -(bar[3] - bar[2]))


def _move_ratio(moved: dict[str, float], p: TrafficSheet) -> None:
    """Another read:write ratio: given writes stay and reads follow; given requests are split anew; both given, neither."""
    writes = _writes(p)
    requests_given = p.requests_per_day is not None or p.actions_per_user_day is not None
    if writes is not None and requests_given:
        return
    if writes is not None:
        moved["per_user"] = writes * (1 + moved["read_write"])
    if moved["write_share"] > 0:
        moved["write_share"] = 1 / (1 + moved["read_write"])


def _ceil(count: float) -> int:
    """Rounded up, but not because of the last bits of a division."""
    return math.ceil(count * (1 - 1e-12))


def _n(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
