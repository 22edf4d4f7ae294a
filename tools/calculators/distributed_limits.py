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
    Case({"nodes": 6, "limit": 100, "count": 97}, {"result": 3}, source="97 + 6 - 100"),
], asks=[Ask("12 gateways read the same count at the same moment and then increment. How many requests over "
        "the limit at most?", "result", 11),
    Ask("8 nodes check then increment at once: how many requests too many can pass?", "result", 7),
    Ask("The limit is 50 and the counter says 48 when 10 gateways read it at the same moment. How many requests "
        "over the limit are let in?", "result", 8.0),
])
def race_extra(
    nodes: int = param(**_NODES),
    limit: int | None = param(None, **LIMIT),
    count: int | None = param(None, ge=0, le=1_000_000, unit="count", words=["it says", "says", "counter is at", "counter says", "reads",
                                                                             "see", "count of", "counter shows", "stands at"]),
) -> int:
    """Most requests too many when k nodes read the same count before any of them increments: count + k - limit.

    Without a count it is one below the limit: k - 1."""
    if limit is None or count is None:
        return nodes - 1
    return max(0, min(count, limit) + nodes - limit) if count < limit else 0


@formula("ratelimit.split_quota", unit="requests", words=[
    "split evenly", "limit split over", "sticky routing", "only some of the nodes", "limit does that customer get", "effective limit",
    "really get", "split over the nodes", "per-node limit", "limit per node",
], cases=[
    Case({"limit": 1200, "nodes": 8, "reached": 3}, {"result": 450}, rel=1e-12, source="150 a node, three of them"),
], asks=[
    Ask("A limit of 600 is split evenly over 4 nodes without sharing. What limit does each node get?", "result", 150.0),
    Ask("We split 3,000 requests per minute over 10 gateways and sticky routing brings a client to 2 of them only. What limit does that "
        "client really get per minute?", "result", 600.0),
    Ask("Each of 5 proxies enforces its share of a limit of 800 on its own; a customer's traffic reaches 4 nodes. Effective limit?",
        "result", 640.0),
])
def split_quota(
    limit: int = param(**LIMIT), nodes: int = param(**_NODES),
    reached: int = param(1, ge=1, le=100_000, unit="count", words=["of them", "only", "reaches", "to only", "lands on", "sees"]),
) -> float:
    """Limit that a client really gets when quotas of limit/k are enforced apart and it reaches only some of the k nodes."""
    if reached > nodes:
        raise ToolError(f"ratelimit.split_quota: reached is {reached} of only {nodes} nodes; it must lie between 1 and {nodes}.")
    return limit / nodes * reached


@formula("ratelimit.hot_quota", words=[
    "one node gets", "on one node", "hot node", "uneven", "puts on one node", "sticky routing puts", "split evenly", "skewed routing",
    "are admitted", "wrongly refused",
], cases=[
    Case({"limit": 100, "nodes": 4, "hot_share": 0.91, "offered": 100}, {"admitted": 34, "wrongly_refused": 66}, rel=1e-9,
         source="25 + 3 * 3, as ratelimit.local_quota"),
], asks=[
    Ask("A limit of 600 is split evenly over 4 gateways; a client sends 600 requests, of which 70% land on one node and the rest evenly on "
        "the others. How many are admitted?", "admitted", 330.0),
    Ask("Quotas of limit/k: limit 2,000, 10 nodes, one hot node gets 40% of the 1,500 requests offered. How many are wrongly refused?",
        "wrongly_refused", 400.0),
])
def hot_quota(
    limit: int = param(**LIMIT), nodes: int = param(**{**_NODES, "ge": 2}),
    hot_share: float = param(ge=0, le=0.9999, unit="fraction",
    words=["hot node gets", "land on", "lands on", "puts", "of them", "goes to",
                                                                       "on one node"]),
    offered: float | None = param(None, ge=0, le=1e12, unit="requests", words=["sends", "offered", "client sends", "customer sends",
                                                                               "requests in"], help="the limit if none"),
) -> dict[str, float]:
    """Requests admitted by quotas of limit/k when one node gets a share of the traffic and the others the rest evenly."""
    sent, share = float(limit if offered is None else offered), limit / nodes
    others = sent * (1 - hot_share)
    admitted = min(sent * hot_share, share) + min(others, share * (nodes - 1))
    return {"admitted": admitted, "wrongly_refused": min(float(limit), sent) - admitted}


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
    Ask("Limit 500, 4 gateways gossip their local counters every 0.5 s and 800 rps come in. How many requests "
        "too many at most?", "result", 300.0),
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
    Ask("Limiter is down for 30 s and fails open: 250 rps arrive, the limit is 100 per second. How many "
        "requests too many pass?", "result", 4500.0),
])
def fail_open_extra(
    offered_rps: float = param(**RPS), limit: int = param(**LIMIT), window_s: float = param(**WINDOW),
    outage_s: float = param(words=["outage", "down", "for", "fails open"], **SECONDS),
) -> float:
    """Requests above the limit that pass when the limiter fails open: (offered - limit/window) * outage, at least 0."""
    return max(offered_rps - limit / window_s, 0.0) * outage_s
