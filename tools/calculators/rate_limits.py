"""Rate-limit formulas of one limiter: what it admits of a trace, estimates, memory. Knows no bucket's envelope and no second node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tools.base import Ask, Case, ToolError, formula, param
from tools.simulators import arrivals, limiters
from tools.simulators.limiter_race import bucket_rate

_NOTES = {"limit": 100, "window_s": 60, "trace": "100@59s,100@61s (seed example)"}
_FIRST_HIT = {"limit": 100, "window_s": 60, "trace": "1@0,99@59.9,100@60.1"}
_DEFINITION = "algorithm definition"

LIMIT: dict[str, Any] = {"ge": 1, "le": 1_000_000, "unit": "requests", "words": ["limit", "allowed", "quota", "allows", "may send", "req"]}
WINDOW: dict[str, Any] = {"ge": 0.001, "le": 86_400, "unit": "s", "words": ["window", "per", "period"]}
_TRACE: dict[str, Any] = {"max_length": 200_000, "words": ["trace", "arrivals"], "help": "like 100@59s,100@61s"}
_N: dict[str, Any] = {"ge": 0, "le": 1_000_000, "unit": "tokens", "words": ["burst", "bucket", "tokens", "capacity"]}
REFILL: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "rps", "words": ["rate", "refill", "leak", "a second", "drain"]}
RPS: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "rps", "words": ["offered", "traffic", "arrive", "rps", "admitted", "load",
                                                                     "sends", "come in"]}
SECONDS: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "s"}


@formula("ratelimit.fixed_aligned", words=["fixed window"],
    unit="requests", cases=[Case(_NOTES, {"result": 200}, source=_DEFINITION)])
def fixed_aligned(
    limit: int = param(**LIMIT), window_s: float = param(**WINDOW), trace: str = param(**_TRACE),
) -> int:
    """Requests of a trace that a fixed window aligned to the clock admits."""
    return _by_window(limiters.fixed_aligned, limit, window_s, trace)


@formula("ratelimit.fixed_from_first", unit="requests", cases=[
    Case(_FIRST_HIT, {"result": 200}, source="limits 5.8.0 FixedWindow"),
    Case(_NOTES, {"result": 100}, source="limits 5.8.0 FixedWindow"),
])
def fixed_from_first(
    limit: int = param(**LIMIT), window_s: float = param(**WINDOW), trace: str = param(**_TRACE),
) -> int:
    """Requests of a trace that a fixed window opened by its first request admits."""
    return _by_window(limiters.fixed_from_first, limit, window_s, trace)


@formula("ratelimit.log", words=["sliding log"],
    unit="requests", cases=[
    Case(_NOTES, {"result": 100}, source=f"{_DEFINITION}; limits 5.8.0 MovingWindow agrees"),
    Case(_FIRST_HIT, {"result": 101}, source="limits 5.8.0 MovingWindow"),
])
def log(limit: int = param(**LIMIT), window_s: float = param(**WINDOW), trace: str = param(**_TRACE)) -> int:
    """Requests of a trace that a sliding log admits; an entry exactly one window old still counts."""
    return _by_window(limiters.sliding_log, limit, window_s, trace)


@formula("ratelimit.counter", unit="requests", cases=[
    Case(_NOTES, {"result": 102}, source=f"{_DEFINITION}; limits 5.8.0 SlidingWindowCounter agrees"),
])
def counter(limit: int = param(**LIMIT), window_s: float = param(**WINDOW), trace: str = param(**_TRACE)) -> int:
    """Requests of a trace that a sliding-window counter admits (passes while its estimate is below the limit)."""
    return _by_window(limiters.sliding_counter, limit, window_s, trace)


@formula("ratelimit.token", unit="requests", cases=[Case(_NOTES, {"result": 103}, source=_DEFINITION)])
def token(
    limit: int = param(100, **LIMIT), window_s: float = param(60.0, **WINDOW), trace: str = param(**_TRACE),
    N: int = param(0, **_N), R_per_s: float = param(0.0, **REFILL),
) -> int:
    """Requests of a trace that a token bucket admits, full at first; N = 0 and R = 0 mean limit and limit/window."""
    return _by_bucket(limiters.token_bucket, limit, window_s, trace, N, R_per_s)


@formula("ratelimit.leaky_meter", unit="requests", cases=[
    Case(_NOTES, {"result": 103}, source=f"{_DEFINITION}: a token bucket upside down"),
])
def leaky_meter(
    limit: int = param(100, **LIMIT), window_s: float = param(60.0, **WINDOW), trace: str = param(**_TRACE),
    N: int = param(0, **_N), R_per_s: float = param(0.0, **REFILL),
) -> int:
    """Requests of a trace that a leaky bucket used as a meter admits, empty at first."""
    return _by_bucket(limiters.leaky_meter, limit, window_s, trace, N, R_per_s)


@formula("ratelimit.leaky_queue", cases=[
    Case(_NOTES, {"admitted": 103, "longest_wait_s": 59.4, "worst_window": 101}, rel=1e-9, source=_DEFINITION),
])
def leaky_queue(
    limit: int = param(100, **LIMIT), window_s: float = param(60.0, **WINDOW), trace: str = param(**_TRACE),
    N: int = param(0, **_N), R_per_s: float = param(0.0, **REFILL),
) -> dict[str, float]:
    """Leaky bucket as a queue: requests admitted, longest wait (s), and most that leave in any closed window."""
    stream, rate = arrivals.parse_trace(trace), bucket_rate(R_per_s, limit, _ms(window_s))
    allowed, leaves = limiters.leaky_queue(stream.times_ms, stream.costs, N or limit, rate)
    waits = (leaves - stream.times_ms[allowed] * rate.numerator) / (rate.numerator * 1_000)
    worst = limiters.worst_window(leaves, stream.costs[allowed], _ms(window_s) * rate.numerator)
    return {"admitted": len(leaves), "longest_wait_s": float(waits.max(initial=0.0)), "worst_window": worst}


@formula("ratelimit.max_rolling", unit="requests", cases=[
    Case({"window_s": 60, "trace": "100@59s,100@61s"}, {"result": 200}, source="counting"),
    Case({"window_s": 1, "trace": "100@59s,100@61s"}, {"result": 100}, source="counting"),
])
def max_rolling(window_s: float = param(**WINDOW), trace: str = param(**_TRACE)) -> int:
    """Most requests of a trace, unlimited, within any closed interval of one window's length."""
    stream = arrivals.parse_trace(trace)
    return limiters.worst_window(stream.times_ms, stream.costs, _ms(window_s))


@formula("ratelimit.counter_estimate", unit="requests", words=["sliding window counter", "estimated count", "sliding counter",
        "weighted count", "weighted estimate", "counter estimate", "counter believe", "sliding window estimate"], cases=[
    Case({"prev": 42, "curr": 18, "elapsed_s": 15, "window_s": 60}, {"result": 49.5}, source="Cloudflare blog 2017"),
], asks=[
    Ask("A sliding window counter over 60 s had 90 requests in the previous window and has 10 so far, "
        "45 s into the current one. What is the estimate?", "result", 32.5),
    Ask("Sliding window counter: 120 requests in the previous minute, 30 so far, 20 s into the current window "
        "of 60 s. What does it estimate?", "result", 110.0),
    Ask("With a window of 10 s, 50 requests before and 8 in the current window that is 4 s old: estimated count "
        "of the sliding counter?", "result", 38.0),
])
def counter_estimate(
    prev: float = param(ge=0, le=1e12, unit="requests", words=["previous", "last window", "before", "last minute",
        "previous window", "window before", "previous minute", "before that", "last hour"]),
    curr: float = param(ge=0, le=1e12, unit="requests", words=["current", "so far", "this one", "this window", "this minute", "now",
        "current window", "current minute", "since then", "in this one"]),
    elapsed_s: float = param(words=["elapsed", "into the", "passed", "in", "after", "old", "gone", "seconds into", "into this one",
        "into it", "since the window began", "second"], **SECONDS),
            window_s: float = param(**WINDOW),
) -> float:
    """The sliding counter's estimate: prev * (window - elapsed) / window + curr."""
    if elapsed_s > window_s:
        raise ToolError(f"ratelimit.counter_estimate: elapsed_s is {elapsed_s:g}, past the window of {window_s:g} s; "
                        "give the time since the current window began.")
    return prev * (window_s - elapsed_s) / window_s + curr


@formula("ratelimit.counter_worst_rolling", words=["sliding counter worst", "worst rolling window"],
    unit="requests", cases=[
    Case({"limit": 100, "window_s": 60}, {"result": 199}, source=f"{_DEFINITION}, burst 1 s before the boundary"),
    Case({"limit": 100, "window_s": 60, "lead_s": 0.5}, {"result": 200}, source=f"{_DEFINITION}; 2L is reached"),
], asks=[
    Ask("Sliding window counter with a limit of 1,000 in a window of 60 s and a burst 3 s before the "
        "boundary: how many at worst in a rolling minute?", "result", 1950),
])
def counter_worst_rolling(
    limit: int = param(**LIMIT), window_s: float = param(**WINDOW),
    lead_s: float = param(0.0, ge=0, le=86_400, unit="s", words=["before the boundary"], help="0 means window / 60"),
) -> int:
    """Most that a sliding counter passes in a rolling window after a full burst `lead_s` before a boundary."""
    lead = min(_ms(lead_s) if lead_s else max(_ms(window_s) // 60, 1), _ms(window_s))
    return 2 * limit - limit * lead // _ms(window_s)


@formula("ratelimit.fixed_worst", unit="requests", words=["fixed window", "worst case", "window edge", "twice the limit", "boundary"],
         cases=[Case({"limit": 100}, {"result": 200}, source=_DEFINITION)], asks=[
    Ask("A fixed window allows 250 a minute: what is the worst case across the window edge?", "result", 500),
    Ask("Fixed window with a limit of 40 per second: worst case across a boundary?", "result", 80.0),
])
def fixed_worst(limit: int = param(**LIMIT)) -> int:
    """Most that a fixed window passes in any interval of one window's length: 2L, across a boundary."""
    return 2 * limit


@formula("ratelimit.log_entries", unit="count", words=["sliding log", "timestamps", "how many entries", "sorted set"], cases=[
    Case({"rps": 10_000, "window_s": 60}, {"result": 600_000}, source="arithmetic"),
], asks=[Ask("How many timestamps does a sliding log hold at 10k rps over 60 s?", "result", 600_000),
    Ask("A limiter keeps a sorted set of timestamps: 250 rps admitted, window of 5 minutes. How many entries?", "result", 75000.0),
])
def log_entries(rps: float = param(**RPS), window_s: float = param(**WINDOW)) -> float:
    """Timestamps that a sliding log holds at a steady admitted rate: rate * window."""
    return rps * window_s


@formula("ratelimit.log_memory_bytes", words=["memory of the log", "memory of a sliding log", "bytes of timestamps", "how much memory"],
    unit="bytes", cases=[
    Case({"rps": 10_000, "window_s": 60}, {"result": 4_800_000}, source="8-byte timestamps"),
], asks=[
    Ask("Sliding log limiter: 100 rps a client, 60 s window, 20,000 clients and 8 bytes per timestamp. "
        "How many bytes?", "result", 960000000.0),
    Ask("Sliding log: 20 rps per client, a window of 60 s, 5,000 clients, 50 bytes per entry. How much "
        "memory in bytes?", "result", 300000000.0),
])
def log_memory_bytes(
    rps: float = param(**RPS), window_s: float = param(**WINDOW),
    entry_bytes: float = param(8.0, gt=0, le=10_000, unit="bytes", words=["per timestamp", "entry"]),
    clients: float = param(1.0, ge=1, le=1e10, unit="users", words=["clients", "keys", "users"]),
) -> float:
    """Memory of sliding logs: rate * window * bytes an entry * clients (a sorted-set entry takes more than 8)."""
    return rps * window_s * entry_bytes * clients


@formula("ratelimit.reset_s", words=["window resets", "reset header", "until the window resets", "next window"],
    unit="s", cases=[
    Case({"now_s": 59, "window_s": 60}, {"result": 1.0}, source="arithmetic"),
], asks=[
    Ask("60 s windows on the clock, it is second 47 now: how many seconds until the window resets?", "result", 13.0),
    Ask("Fixed windows of 30 s on the clock and now is second 52. Seconds until the next window?", "result", 8.0),
])
def reset_s(now_s: float = param(words=["now", "at", "is second", "second now"], **SECONDS), window_s: float = param(**WINDOW)) -> float:
    """Seconds until the next window on the clock begins: window - now mod window."""
    return (_ms(window_s) - round(now_s * 1_000) % _ms(window_s)) / 1_000


def _by_window(admit: Callable[..., Any], limit: int, window_s: float, trace: str) -> int:
    stream = arrivals.parse_trace(trace)
    return int(admit(stream.times_ms, stream.costs, limit, _ms(window_s)).sum())


def _by_bucket(
    admit: Callable[..., Any], limit: int, window_s: float, trace: str, burst: int, per_s: float,
) -> int:
    stream = arrivals.parse_trace(trace)
    rate = bucket_rate(per_s, limit, _ms(window_s))
    return int(admit(stream.times_ms, stream.costs, burst or limit, rate).sum())


def _ms(seconds: float) -> int:
    return max(round(seconds * 1_000), 1)
