"""Rate-limit formulas of many nodes: races, split quotas, late counts, lost expiry, a store that is down. Plays no trace."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.rate_limits import LIMIT, RPS, SECONDS, WINDOW

_NODES: dict[str, Any] = {"ge": 1, "le": 100_000, "unit": "nodes", "words": ["nodes", "gateways", "instances", "servers",
                                                                             "api servers", "proxies"]}


@formula("ratelimit.race_extra", words=["too many", "check then increment", "get then set", "read the same count", "at the same moment",
         "at the same time", "over the limit", "race"],
    unit="requests", cases=[
    Case({"nodes": 10}, {"result": 9}, source="k nodes read limit - 1 at once; one place was left"),
], asks=[Ask("12 gateways read the same count at the same moment and then increment. How many requests over "
        "the limit at most?", "result", 11),
    Ask("8 nodes check then increment at once: how many requests too many can pass?", "result", 7)])
def race_extra(nodes: int = param(**_NODES)) -> int:
    """Most requests too many when k nodes read the same count before any of them increments: k - 1."""
    return nodes - 1


@formula("ratelimit.local_quota", words=["split the limit", "quota per node", "each node gets"],
    cases=[
    Case({"limit": 100, "offered": [91, 3, 3, 3]}, {"admitted": 34, "wrongly_refused": 66}, source="25 a node"),
])
def local_quota(
    limit: int = param(**LIMIT),
    offered: tuple[float, ...] = param(min_length=1, max_length=10_000, unit="requests", words=["each node"]),
) -> dict[str, float]:
    """Quotas of limit/k: requests admitted in a window, and refused though the whole limit had room."""
    if any(not 0 <= each <= 1e12 for each in offered):
        raise ToolError("ratelimit.local_quota: every entry of offered must lie between 0 and 1e12.")
    share, extra = divmod(limit, len(offered))
    admitted = sum(min(each, share + (node < extra)) for node, each in enumerate(offered))
    return {"admitted": admitted, "wrongly_refused": min(limit, sum(offered)) - admitted}


@formula("ratelimit.sync_extra", words=["sync interval", "local counters", "exchange counts", "gossip"],
    unit="requests", cases=[
    Case({"limit": 100, "nodes": 10, "offered_rps": 400, "sync_s": 0.1}, {"result": 36.0}, source="derived"),
    Case({"limit": 100, "nodes": 2, "offered_rps": 1e6, "sync_s": 10}, {"result": 100.0}, source="derived"),
], asks=[
    Ask("5 nodes exchange local counters every 2 s, limit 1,000, 300 rps offered: how many too many at most?", "result", 480.0),
])
def sync_extra(
    limit: int = param(**LIMIT), nodes: int = param(**_NODES), offered_rps: float = param(**RPS),
    sync_s: float = param(words=["sync", "every"], **SECONDS),
) -> float:
    """Most that local counters exchanged every sync_s admit too much in a window: min((k-1)*L, (1-1/k)*rate*sync).

    Even traffic: what passes unseen in one interval is split over k nodes, of which each sees its own part only."""
    return min((nodes - 1) * float(limit), (1 - 1 / nodes) * offered_rps * sync_s)


@formula("ratelimit.stuck_keys", words=["never expire", "stuck keys", "expire is lost"],
    unit="keys", cases=[
    Case({"clients": 1_000_000, "crash_per_million": 1, "windows": 1_440}, {"result": 1_438.964}, rel=1e-6,
         source="binomial"),
], asks=[
    Ask("2 million clients, 5 crashes per million windows between INCR and EXPIRE, 100 windows: how "
        "many keys never expire?", "result", 999.75),
])
def stuck_keys(
    clients: float = param(ge=0, le=1e12, unit="users", words=["clients", "keys", "users"]),
    crash_per_million: float = param(ge=0, lt=1e6, unit="count", words=["crash", "per million"]),
    windows: int = param(ge=0, le=1_000_000_000, unit="count", words=["windows", "opened"]),
) -> float:
    """Expected keys that never expire, when INCR and EXPIRE are parted by a crash with that chance a window."""
    return clients * abs(math.expm1(windows * math.log1p(-crash_per_million / 1e6)))


@formula("ratelimit.fail_open_extra", words=["fails open", "fail open", "limiter is down", "limiter fails"],
    unit="requests", cases=[
    Case({"offered_rps": 400, "limit": 100, "window_s": 1, "outage_s": 3}, {"result": 900.0}, source="arithmetic"),
], asks=[
    Ask("The limiter fails open for 20 s at 900 rps offered with a limit of 500 per second. How many "
        "extra requests pass?", "result", 8000.0),
])
def fail_open_extra(
    offered_rps: float = param(**RPS), limit: int = param(**LIMIT), window_s: float = param(**WINDOW),
    outage_s: float = param(words=["outage", "down", "for", "fails open"], **SECONDS),
) -> float:
    """Requests above the limit that pass when the limiter fails open: (offered - limit/window) * outage, at least 0."""
    return max(offered_rps - limit / window_s, 0.0) * outage_s
