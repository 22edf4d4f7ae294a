"""One limit enforced by many nodes: races, quotas, late sync, crashes, skewed clocks, outages. Knows no real store."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.simulators.limiters import Bools, Ints, worst_window

MAX_REQUESTS = 200_000

FIXED_WINDOW_LUA = """
-- KEYS[1] counter of this client and window; ARGV: limit, window in ms, cost
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
if used + tonumber(ARGV[3]) > tonumber(ARGV[1]) then return 0 end
redis.call('INCRBY', KEYS[1], ARGV[3])
if used == 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
"""
"""Check, count and expiry in one script: no other client comes between, and no crash can part INCR from EXPIRE."""

SLIDING_LOG_LUA = """
-- KEYS[1] sorted set of admitted requests by time; ARGV: limit, window in ms, now in ms, unique member
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. (ARGV[3] - ARGV[2]))
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[2] + 1)
return 1
"""
"""Trim, count and add in one script: three separate commands let two clients take the same last place."""

STRATEGIES = {
    "get-then-set": "GET, compare, SET count + 1", "get-then-incr": "GET, compare, INCR", "incr": "INCR, then compare",
    "lua": "one Lua script", "local-quota": "limit / nodes each", "async-sync": "local counters, synced later",
}


class Distributed(Params):
    strategy: Literal["get-then-set", "get-then-incr", "incr", "lua", "local-quota", "async-sync"] = param(
        "get-then-set", words=["strategy", "using", "script", "counter", "quota"])
    nodes: int = param(10, ge=1, le=1_000, unit="nodes", words=["nodes", "gateways", "instances", "servers"])
    limit: int = param(100, ge=1, le=1_000_000, unit="requests", words=["limit", "allowed", "quota", "per window"])
    window_s: float = param(1.0, ge=0.01, le=86_400, unit="s", words=["window", "per", "period"])
    offered_rps: float = param(400.0, ge=0, le=200_000, unit="rps", words=["offered", "traffic", "load", "arrive"])
    duration_s: float = param(10.0, ge=0.01, le=604_800, unit="s", words=["duration", "for", "lasting"])
    rtt_ms: float = param(2.0, ge=0, le=10_000, unit="ms", words=["rtt", "round trip", "latency to the store"])
    sync_interval_ms: float = param(100.0, ge=1, le=3_600_000, unit="ms", words=["sync", "interval", "synced every"])
    hot_share: float = param(0.0, ge=0, le=1, unit="fraction", help="share of traffic at the first node; 0 means even",
                             words=["hot", "hot node", "skew", "skewed", "of the traffic"])
    clock_skew_ms: float = param(0.0, ge=0, le=3_600_000, unit="ms", help="clocks lie evenly between -skew and +skew",
                                 words=["clock skew", "clocks differ", "clock"])
    outage_start_s: float = param(0.0, ge=0, le=604_800, unit="s", words=["outage starts", "store fails at"])
    outage_s: float = param(0.0, ge=0, le=604_800, unit="s", words=["outage", "store down", "unavailable"])
    on_failure: Literal["open", "closed"] = param("open", words=["fail", "on failure"])
    clients: int = param(100_000, ge=1, le=1_000_000_000, unit="users", words=["clients", "keys", "customers", "users"])
    crash_per_million: float = param(1.0, ge=0, le=1_000_000, unit="count", words=["crash", "per million", "crashes"],
                                     help="chance that a node dies between INCR and EXPIRE, per million opened windows")
    horizon_h: float = param(24.0, ge=0, le=87_600, unit="h", words=["hours", "horizon", "after"])


@dataclass(frozen=True)
class _Load:
    """Requests in order of time (ms): their node, and the window that their node's clock puts them in."""

    times: Ints
    node: Ints
    window: Ints


@tool("distributed-limiter", group="B", kind="simulator", words=[
          "distributed rate limiter", "rate limiter race", "over-admission", "redis", "lua", "incr", "expire",
          "local quota", "fail open", "fail closed", "clock skew", "nodes"],
      example={"strategy": "local-quota", "nodes": 10, "hot_share": 0.9},
      cases=[
          Case({"strategy": "lua"}, {"over_admitted": 0, "wrongly_refused": 0, "stuck_keys": 0},
               source="one atomic script in a store with one thread"),
          Case({"strategy": "incr", "crash_per_million": 0}, {"over_admitted": 0, "stuck_keys": 0},
               source="INCR is atomic: each request sees its own number"),
          Case({"strategy": "get-then-set", "rtt_ms": 0}, {"over_admitted": 0}, source="no time between the two"),
          Case({"strategy": "local-quota", "hot_share": 1.0}, {"admitted": 100, "over_admitted": 0},
               source="one of 10 nodes may use 10 of 100 a window, over 10 windows"),
      ],
      asks=[
          Ask("How many requests over the limit does one Lua script let through?", "over_admitted_lua", 0),
          Ask("Local quotas with a limit of 100 over 10 nodes, and 100% of the traffic on one hot node: how many "
              "requests does local quota admit in 10 s?", "admitted_local_quota", 100),
          Ask("1M clients, INCR and EXPIRE apart with 1 crash per million, 60 s windows, 24 hours: how many keys are "
              "expected to be stuck?", "expected_stuck_keys", 1_438.96),
          Ask("What latency does GET then SET with an rtt of 5 ms add to a request?", "latency_ms_get_then_set", 10),
      ])
def distributed_limiter(p: Distributed, seed: int) -> ToolResult:
    """Enforces one client's limit from many nodes and counts what passes too much, too little, or never again.

    Poisson requests reach `nodes` limiters that share a fixed window on the clock. Six ways to share the count: read
    then write (two variants), INCR then compare, one Lua script, a fixed quota a node, and local counters exchanged
    every `sync_interval_ms`. Commands reach the store half a round trip after they are sent and run one at a time.
    `over_admitted` and `wrongly_refused` compare with one perfect limiter, window by window on the true clock.

    People get wrong:
    - "INCR is atomic, so the limiter is": INCR then compare counts right, but a crash before EXPIRE leaves a key
      without expiry; a key named by client alone then refuses that client for ever. GET then INCR isn't atomic at all.
    - k nodes that read the same count admit up to k - 1 too many with INCR; with SET they also erase each other's
      counts, so the error recurs all through the window.
    - Quotas of limit/k are exact only for even traffic: a hot node refuses while the others' shares lie idle.
    - A sorted-set log needs trim, count and add in one script too, and the time should be the store's: skewed clocks
      put a request into the neighbour's window.
    - Failing open makes an outage of the store an outage of the limit; failing closed, one of the service.

    Sources: Redis documentation of INCR (its rate-limiter pattern names the lost EXPIRE); the scripts here run in
    Redis-compatible servers and decide like the single-node limiters.

    >>> distributed_limiter(Distributed(strategy="lua"), 0).values["over_admitted"]
    0
    """
    load, window_ms = _load(p, seed), max(round(p.window_s * 1_000), 1)
    values, fullest, mine, perfect = _compare(p, load, window_ms)
    stuck_chance = _stuck_chance(p)
    rng = np.random.default_rng([seed, 1])
    values |= {
        "offered": len(load.times), "perfect_limiter": perfect, "fullest_window": fullest[p.strategy],
        "worst_rolling_window": worst_window(load.times[mine], np.ones(int(mine.sum()), dtype=np.int64), window_ms),
        "expected_stuck_keys": p.clients * stuck_chance,
        "stuck_keys": int(rng.binomial(p.clients, stuck_chance)) if p.strategy == "incr" else 0}
    return ToolResult(
        tool="distributed-limiter", values=values, units={key: _unit(key) for key in values},
        naive={"admitted": perfect, "over_admitted": 0, "wrongly_refused": 0, "stuck_keys": 0},
        summary=f"{STRATEGIES[p.strategy]} on {p.nodes} nodes admits {values['admitted']:,} of {len(load.times):,} "
        f"requests, where one perfect limiter admits {perfect:,}: {values['over_admitted']:,} too many and "
        f"{values['wrongly_refused']:,} refused wrongly."
        + (f" {values['stuck_keys']:,} of {p.clients:,} keys have lost their expiry after {p.horizon_h:g} h."
           if p.strategy == "incr" and values["stuck_keys"] else ""),
        formula="check-then-act: at most (requests in flight - 1) too many a window; quota: sum of min(L/k, offered_i)"
                "; stuck keys: clients * (1 - (1 - crash)^windows)",
        series={"strategy": list(STRATEGIES), "fullest_window": list(fullest.values()),
                **{key: [values[f"{key}_{name.replace('-', '_')}"] for name in STRATEGIES]
                   for key in ("admitted", "over_admitted", "wrongly_refused", "latency_ms")}},
        plot=Plot(title=f"Who keeps {p.nodes} nodes to one limit: admitted in the fullest window", x_label="strategy",
                  y_label="requests admitted (count)", lines=[
            Line(label="admitted", kind="bar", x=list(STRATEGIES), y=list(fullest.values())),
            Line(label=f"the limit, {p.limit:,} (naive)", dashed=True, x=list(STRATEGIES), y=[p.limit] * len(STRATEGIES))]),
        assumptions=["one client key; the store runs one command at a time and every round trip takes the same time",
                     "windows lie on the clock of the node that takes the request; it answers after its write",
                     "stuck keys: every client opens a window as often as it can, keys carry no window in their name"],
        warnings=_warnings(p),
    )


def _compare(p: Distributed, load: _Load, window_ms: int) -> tuple[dict[str, Any], dict[str, int], Bools, int]:
    """Values of every strategy, its fullest window, what the chosen one admitted, and what a perfect limiter would."""
    true_window = load.times // window_ms
    perfect = _per_window(true_window, np.ones(len(load.times), dtype=bool)).clip(max=p.limit)
    values: dict[str, Any] = {}
    fullest: dict[str, int] = {}
    mine = np.zeros(0, dtype=bool)
    for name in STRATEGIES:
        allowed = _decide(p, name, load)
        counts = _per_window(true_window, allowed)
        found = {"admitted": int(allowed.sum()), "over_admitted": int((counts - perfect).clip(min=0).sum()),
                 "wrongly_refused": int((perfect - counts).clip(min=0).sum()),
                 "latency_ms": _round_trips(name) * p.rtt_ms}
        values |= {f"{key}_{name.replace('-', '_')}": value for key, value in found.items()}
        fullest[name] = int(counts.max()) if len(counts) else 0
        if name == p.strategy:
            mine = allowed
            values |= found
    return values, fullest, mine, int(perfect.sum())


def _load(p: Distributed, seed: int) -> _Load:
    if p.offered_rps * p.duration_s > MAX_REQUESTS:
        raise ToolError(f"distributed-limiter: {p.offered_rps * p.duration_s:,.0f} requests are too many for a run; "
                        f"offered_rps * duration_s must be at most {MAX_REQUESTS:,}.")
    rng = np.random.default_rng(seed)
    count = int(rng.poisson(p.offered_rps * p.duration_s))
    times = np.sort(rng.integers(0, max(round(p.duration_s * 1_000), 1), count))
    node = rng.integers(0, p.nodes, count)
    if p.hot_share:
        others = rng.integers(1, p.nodes, count) if p.nodes > 1 else np.zeros(count, dtype=np.int64)
        node = np.where(rng.random(count) < p.hot_share, 0, others)
    skew = np.linspace(-p.clock_skew_ms, p.clock_skew_ms, p.nodes).round().astype(np.int64) if p.nodes > 1 else \
        np.zeros(1, dtype=np.int64)
    return _Load(times, node, (times + skew[node]) // max(round(p.window_s * 1_000), 1))


def _decide(p: Distributed, strategy: str, load: _Load) -> Bools:
    """What each request is told, in order of arrival."""
    down = np.zeros(len(load.times), dtype=bool)
    if p.outage_s:
        down = (load.times >= p.outage_start_s * 1_000) & (load.times < (p.outage_start_s + p.outage_s) * 1_000)
    if strategy == "async-sync":
        return _synced(p, load, down)
    if strategy == "local-quota":
        share = np.full(p.nodes, p.limit // p.nodes) + (np.arange(p.nodes) < p.limit % p.nodes)
        return _rank(load.window * p.nodes + load.node) < share[load.node]
    up = ~down
    reached = _Load(load.times[up], load.node[up], load.window[up])
    allowed = np.full(len(load.times), p.on_failure == "open")
    # INCR then compare and the script see requests in the order in which they arrive: both admit the first `limit`.
    allowed[up] = _raced(p, strategy, reached) if strategy.startswith("get") else _rank(reached.window) < p.limit
    return allowed


def _raced(p: Distributed, strategy: str, load: _Load) -> Bools:
    """Each request reads, and writes one round trip later; between, others read the same count."""
    count: dict[int, int] = {}
    allowed = np.zeros(len(load.times), dtype=bool)
    windows, times = load.window.tolist(), load.times.tolist()
    pending: list[tuple[float, int, int]] = []  # (time of the write, window, count that was read)
    done = 0

    def write(until: float) -> None:
        nonlocal done
        while done < len(pending) and pending[done][0] <= until:
            _, window, read = pending[done]
            count[window] = (read if strategy == "get-then-set" else count.get(window, 0)) + 1
            done += 1

    for index, (now, window) in enumerate(zip(times, windows, strict=True)):
        write(now)
        read = count.get(window, 0)
        if read < p.limit:
            allowed[index] = True
            pending.append((now + p.rtt_ms, window, read))
    return allowed


def _synced(p: Distributed, load: _Load, down: Bools) -> Bools:
    """Each node admits while the total of the last sync plus its own requests since then is below the limit."""
    allowed = np.zeros(len(load.times), dtype=bool)
    total: dict[int, int] = {}
    since: dict[tuple[int, int], int] = {}  # (window, node) -> admitted since the last sync
    epoch = -1
    rows = zip(load.times.tolist(), load.node.tolist(), load.window.tolist(), down.tolist(), strict=True)
    for index, (now, node, window, unreachable) in enumerate(rows):
        if not unreachable and now // p.sync_interval_ms > epoch:
            epoch = int(now // p.sync_interval_ms)
            for (of_window, _), admitted in since.items():
                total[of_window] = total.get(of_window, 0) + admitted
            since = {}
        own = since.get((window, node), 0)
        if total.get(window, 0) + own < p.limit:
            since[window, node] = own + 1
            allowed[index] = True
    return allowed


def _rank(group: Ints) -> Ints:
    """How many earlier members of its group each element has."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    first = np.searchsorted(ordered, ordered, side="left")
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = np.arange(len(group)) - first
    return rank


def _per_window(window: Ints, allowed: Bools) -> Ints:
    """Admitted requests in each window that saw any request, in order of the windows."""
    _, row = np.unique(window, return_inverse=True)
    return np.bincount(row, weights=allowed).astype(np.int64) if len(row) else np.zeros(0, dtype=np.int64)


def _stuck_chance(p: Distributed) -> float:
    """Chance that a client's key has lost its expiry by the horizon: one draw for each window that it opens."""
    windows = math.floor(p.horizon_h * 3_600 / p.window_s)
    crash = p.crash_per_million / 1e6
    if crash >= 1:
        return 1.0 if windows else 0.0
    return abs(math.expm1(windows * math.log1p(-crash)))


def _round_trips(strategy: str) -> int:
    return {"get-then-set": 2, "get-then-incr": 2, "incr": 1, "lua": 1}.get(strategy, 0)


def _warnings(p: Distributed) -> list[str]:
    said = []
    if p.strategy == "incr" and p.crash_per_million:
        said.append("INCR and EXPIRE are two commands: put both into one script, or the window into the key's name, "
                    "so that a lost EXPIRE only wastes memory.")
    if p.strategy == "local-quota" and p.nodes > p.limit:
        said.append("There are more nodes than requests in the limit, so some nodes have a quota of 0.")
    if p.outage_s and p.strategy not in ("local-quota", "async-sync"):
        said.append(f"During the outage the limiter fails {p.on_failure}.")
    return said


def _unit(key: str) -> str:
    if "latency" in key:
        return "ms"
    return "keys" if "stuck" in key else "requests"
