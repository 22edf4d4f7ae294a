"""The rate limiters themselves, on arrays of arrivals with integer arithmetic. Knows no trace text, tool or plot.

Every limiter takes arrivals in order of time (milliseconds) with their costs, and returns one boolean an arrival. A
refused request consumes nothing. Plain requests (all costs 1) go through array operations wherever the algorithm allows
it; weighted ones through one loop of integers. Nothing is a float: a window edge falls on the same side every time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def fixed_aligned(times: Ints, costs: Ints, limit: int, window_ms: int) -> Bools:
    """One counter a clock window [k*W, (k+1)*W): every window admits up to `limit`."""
    if not len(times):
        return np.zeros(0, dtype=bool)
    window = times // window_ms
    starts = np.concatenate([[0], np.flatnonzero(np.diff(window)) + 1])
    return _first_come(costs, starts, limit)


def fixed_from_first(times: Ints, costs: Ints, limit: int, window_ms: int) -> Bools:
    """One counter that opens at the first request and expires W later; the next request opens the next window."""
    if not len(times):
        return np.zeros(0, dtype=bool)
    following = np.searchsorted(times, times + window_ms, side="left").tolist()
    starts, at = [], 0
    while at < len(times):
        starts.append(at)
        at = following[at]
    return _first_come(costs, np.array(starts, dtype=np.int64), limit)


def sliding_log(times: Ints, costs: Ints, limit: int, window_ms: int) -> Bools:
    """Keeps the time of every admitted request; one that is exactly W old still counts."""
    count = len(times)
    if not _plain(costs):
        return _sliding_log_weighted(times, costs, limit, window_ms)
    # The request that may take the place of i is the first one more than W later.
    successor = np.searchsorted(times, times + window_ms, side="right").tolist()
    admitted = list(range(min(limit, count)))
    last = count if limit >= count else limit - 1
    for oldest in admitted:  # grows while it is read: each admitted request frees its place once
        last = max(last + 1, successor[oldest])
        if last >= count:
            break
        admitted.append(last)
    allowed = np.zeros(count, dtype=bool)
    allowed[np.array(admitted, dtype=np.int64)] = True
    return allowed


def sliding_counter(times: Ints, costs: Ints, limit: int, window_ms: int) -> Bools:
    """Two counters: floor(previous * share of it that still overlaps) + current + cost must not exceed `limit`."""
    allowed = bytearray(len(times))
    window = previous = current = 0
    window_end = -1
    for index, (now, cost) in enumerate(zip(times.tolist(), _prices(costs), strict=False)):
        if now >= window_end:
            here = now // window_ms
            previous, current = (current if here == window + 1 else 0), 0
            window, window_end = here, (here + 1) * window_ms
        if previous * (window_end - now) // window_ms + current + cost <= limit:
            current += cost
            allowed[index] = 1
    return _as_bools(allowed)


def token_bucket(times: Ints, costs: Ints, burst: int, per_ms: Fraction) -> Bools:
    """A bucket of `burst` tokens, full at first, refilled at `per_ms`; a request takes its cost or is refused."""
    allowed = bytearray(len(times))
    gain, unit = per_ms.numerator, per_ms.denominator  # a token is `unit` parts; a millisecond brings `gain` parts
    full = tokens = burst * unit
    last = 0
    for index, (now, price) in enumerate(zip(times.tolist(), _prices(costs, unit), strict=False)):
        tokens += (now - last) * gain
        if tokens > full:
            tokens = full
        last = now
        if tokens >= price:
            tokens -= price
            allowed[index] = 1
    return _as_bools(allowed)


def leaky_meter(times: Ints, costs: Ints, burst: int, per_ms: Fraction) -> Bools:
    """A bucket that only measures: it leaks at `per_ms`, and a request that would overflow it is refused. What is
    admitted passes at once: token bucket upside down."""
    return _leaky(times, costs, burst, per_ms)[0]


def leaky_queue(times: Ints, costs: Ints, burst: int, per_ms: Fraction) -> tuple[Bools, Ints]:
    """A bucket that is a queue: admitted requests leave in order, one cost every 1/`per_ms`.

    Returns what was admitted, and when each admitted request leaves, in 1/`per_ms.numerator` milliseconds."""
    return _leaky(times, costs, burst, per_ms)


def worst_window(times: Ints, weights: Ints, window: int) -> int:
    """The largest sum of weights within any closed interval [t, t + window]; times in order, in any integer unit."""
    if not len(times):
        return 0
    return int(rolling_sum(times, weights, window).max())


def rolling_sum(times: Ints, weights: Ints, window: int) -> Ints:
    """For each time, the sum of weights in the closed interval of that length which ends there."""
    total = np.concatenate([[0], np.cumsum(weights)])
    begin = np.searchsorted(times, times - window, side="left")
    return np.asarray(total[1:] - total[begin], dtype=np.int64)


def _leaky(times: Ints, costs: Ints, burst: int, per_ms: Fraction) -> tuple[Bools, Ints]:
    allowed = bytearray(len(times))
    leaves: list[int] = []
    leak, unit = per_ms.numerator, per_ms.denominator  # time counts in 1/leak ms, so a cost leaks in `unit` of them
    full = burst * unit
    empty_at = 0
    for index, (now, amount) in enumerate(zip((times * leak).tolist(), _prices(costs, unit), strict=False)):
        if empty_at < now:
            empty_at = now
        if empty_at + amount <= now + full:
            leaves.append(empty_at)
            empty_at += amount
            allowed[index] = 1
    return _as_bools(allowed), np.array(leaves, dtype=np.int64)


def _first_come(costs: Ints, starts: Ints, limit: int) -> Bools:
    """Within each run of arrivals that begins at `starts`, admits in order while the sum of costs is in the limit."""
    lengths = np.diff(np.concatenate([starts, [len(costs)]]))
    if _plain(costs):
        return np.asarray(np.arange(len(costs)) - np.repeat(starts, lengths) < limit)
    allowed = bytearray(len(costs))
    prices = costs.tolist()
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        left = limit
        for index in range(start, start + length):
            if prices[index] <= left:
                left -= prices[index]
                allowed[index] = 1
    return _as_bools(allowed)


def _sliding_log_weighted(times: Ints, costs: Ints, limit: int, window_ms: int) -> Bools:
    allowed = bytearray(len(times))
    logged: list[int] = []  # indices of admitted requests; `oldest` points at the first that still counts
    when, prices = times.tolist(), costs.tolist()
    oldest = used = 0
    for index, (now, cost) in enumerate(zip(when, prices, strict=True)):
        while oldest < len(logged) and when[logged[oldest]] < now - window_ms:
            used -= prices[logged[oldest]]
            oldest += 1
        if used + cost <= limit:
            logged.append(index)
            used += cost
            allowed[index] = 1
    return _as_bools(allowed)


def _prices(costs: Ints, unit: int = 1) -> Iterable[int]:
    return itertools.repeat(unit) if _plain(costs) else (costs * unit).tolist()


def _plain(costs: Ints) -> bool:
    return bool((costs == 1).all())


def _as_bools(flags: bytearray) -> Bools:
    return np.frombuffer(bytes(flags), dtype=np.bool_)
