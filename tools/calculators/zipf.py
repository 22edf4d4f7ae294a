"""Cache hit ratios under Zipf popularity in closed form; the simulated cache is in tools/simulators/cache.py."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from pydantic import AliasChoices

from tools.base import Ask, Case, ToolError, formula, param

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_EXACT = 20_000
"""Ranks that are summed one by one; behind them the midpoint integral is right to about nine digits."""

_N: dict[str, Any] = {"ge": 1, "le": 1_000_000_000_000, "unit": "count", "words": ["items", "keys", "objects"]}
_ZIPF: dict[str, Any] = {"ge": 0, "le": 5, "unit": "count", "words": ["zipf", "alpha", "skew", "exponent"]}
_SLOTS: dict[str, Any] = {"ge": 0, "le": 1_000_000_000_000, "unit": "count", "words": ["slots", "entries", "cache size"]}
_HIT: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["hit ratio", "hit rate", "hits", "cached",
                                                                        "served from cache", "cdn serves", "cache"],
                        "validation_alias": AliasChoices("hit", "hit_ratio", "hit_rate")}
_MS: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "ms"}


@formula("cache.top20_share", unit="fraction", cases=[
    Case({"n": 1_000_000, "zipf": 0.8}, {"result": 0.70845}, abs=1e-4, source="generalised harmonic numbers"),
    Case({"n": 1_000_000, "zipf": 1.0}, {"result": 0.88818}, abs=1e-4, source="generalised harmonic numbers"),
    Case({"n": 1_000_000, "zipf": 1.2}, {"result": 0.97729}, abs=1e-4, source="generalised harmonic numbers"),
])
def top20_share(n: int = param(**_N), zipf: float = param(**_ZIPF)) -> float:
    """Share of the requests that the most popular fifth of n items gets under Zipf popularity."""
    return _harmonic(max(1, round(0.2 * n)), zipf) / _harmonic(n, zipf)


@formula("cache.top_share", unit="fraction", cases=[
    Case({"n": 1_000_000, "zipf": 1.0, "frac": 0.2}, {"result": 0.88818}, abs=1e-4, source="generalised harmonic numbers"),
], asks=[Ask("Which share of requests do the top 10% of 1M items get at a Zipf exponent of 1?", "result", 0.8399)])
def top_share(
    n: int = param(**_N), zipf: float = param(**_ZIPF),
    frac: float = param(0.2, gt=0, le=1, unit="fraction", words=["top", "most popular", "hottest"]),
) -> float:
    """Share of the requests that the most popular `frac` of n items gets under Zipf popularity."""
    return _harmonic(max(1, round(frac * n)), zipf) / _harmonic(n, zipf)


@formula("cache.ideal_hit", unit="fraction", cases=[
    Case({"n": 10_000, "zipf": 1.0, "slots": 1000}, {"result": 0.76479}, abs=1e-4, source="mass of the first 1,000 ranks"),
])
def ideal_hit(n: int = param(**_N), zipf: float = param(**_ZIPF), slots: int = param(**_SLOTS)) -> float:
    """Hit ratio of a cache that always holds the most popular items: the bound of any policy on independent requests."""
    return _harmonic(min(slots, n), zipf) / _harmonic(n, zipf) if slots else 0.0


@formula("cache.lru_hit", unit="fraction", cases=[
    Case({"n": 10_000, "zipf": 1.0, "slots": 1000}, {"result": 0.6756}, abs=2e-3, source="Che approximation; simulated 0.6758"),
    Case({"n": 10_000, "zipf": 1.0, "slots": 2000}, {"result": 0.7683}, abs=2e-3, source="Che approximation; ideal 0.84"),
])
def lru_hit(n: int = param(**_N), zipf: float = param(**_ZIPF), slots: int = param(**_SLOTS)) -> float:
    """Hit ratio of an LRU cache under Zipf popularity by Che's approximation (H. Che et al., IEEE JSAC 20(7), 2002)."""
    return lru_curve(n, zipf, [slots])[0]


@formula("cache.fifo_hit", unit="fraction", cases=[
    Case({"n": 1000, "zipf": 0, "slots": 250}, {"result": 0.25}, rel=1e-6, source="uniform popularity: slots / n"),
])
def fifo_hit(n: int = param(**_N), zipf: float = param(**_ZIPF), slots: int = param(**_SLOTS)) -> float:
    """Hit ratio of a FIFO or random-eviction cache under Zipf popularity (Che's approximation; C. Fricker et al., 2012)."""
    if slots >= n or not slots:
        return float(slots > 0)
    p, weight = _popularity(n, zipf)
    low, high = 0.0, 60.0
    for _ in range(100):
        middle = (low + high) / 2
        held = p * math.expm1(middle)
        low, high = (middle, high) if float((weight * held / (1 + held)).sum()) < slots else (low, middle)
    held = p * math.expm1(low)
    return float((weight * p * held / (1 + held)).sum())


@formula("cache.ttl_hit", words=["ttl", "expires", "time to live"],
    unit="fraction", cases=[
    Case({"n": 1, "zipf": 0, "rps": 1, "ttl_s": 9}, {"result": 0.9}, rel=1e-9, source="one item: rT / (1 + rT)"),
])
def ttl_hit(
    n: int = param(**_N), zipf: float = param(**_ZIPF),
    rps: float = param(gt=0, le=1e12, unit="rps", words=["requests per second", "rps"]),
    ttl_s: float = param(ge=0, le=1e9, unit="s", words=["ttl", "expires", "time to live"]),
) -> float:
    """Hit ratio of a cache without size limit whose entries expire ttl_s after they were filled (Poisson requests)."""
    p, weight = _popularity(n, zipf)
    renewals = p * rps * ttl_s
    return float((weight * p * renewals / (1 + renewals)).sum())


@formula("cache.effective_ms", words=["average latency", "mean latency", "through the cache"],
    unit="ms", cases=[
    Case({"hit": 0.9, "hit_ms": 1, "miss_ms": 100}, {"result": 10.9}, rel=1e-9, source="arithmetic"),
], asks=[Ask("A cache with a 95% hit ratio answers in 1 ms and a miss costs 40 ms: what is the mean latency?", "result", 2.95)])
def effective_ms(
    hit: float = param(**_HIT), hit_ms: float = param(words=["answers in", "hit takes", "cached", "hit costs", "hit", "hits", "redis",
                                                             "cache"], **_MS),
    miss_ms: float = param(words=["miss", "misses", "database", "db", "origin", "disk", "backend"], **_MS),
) -> float:
    """Mean latency through a cache in ms: hit ratio times the hit's, plus the rest times the (whole) miss's latency."""
    return hit * hit_ms + (1 - hit) * miss_ms


@formula("cache.backend_rps", words=["reach the database", "hit the database", "load on the database", "misses per second",
         "behind the cache", "load on the origin"],
    unit="rps", cases=[
    Case({"rps": 10_000, "hit": 0.95}, {"result": 500}, rel=1e-9, source="arithmetic"),
], asks=[
    Ask("A CDN serves 98% of 250k rps. What load is left for the origin?", "result", 5000.0),
])
def backend_rps(
    rps: float = param(ge=0, le=1e12, unit="rps", words=["requests per second", "rps", "qps", "reads", "lookups"]),
            hit: float = param(**_HIT),
) -> float:
    """Requests per second that miss the cache and reach what is behind it."""
    return rps * (1 - hit)


@formula("cache.hit_needed", words=["hit ratio needed", "hit ratio do i need", "hit rate needed", "which hit ratio"],
    unit="fraction", cases=[
    Case({"target_ms": 10.9, "hit_ms": 1, "miss_ms": 100}, {"result": 0.9}, rel=1e-9, source="arithmetic"),
], asks=[
    Ask("A hit takes 2 ms, a miss 80 ms and the mean latency must be 10 ms: what hit ratio is needed?", "result", 0.89744),
])
def hit_needed(
    target_ms: float = param(words=["target", "mean latency", "on average", "average", "to get", "stay below"], **_MS),
            hit_ms: float = param(words=["hit", "hits"], **_MS),
    miss_ms: float = param(words=["miss", "misses", "database", "db"], **_MS),
) -> float:
    """Hit ratio at which the mean latency meets a target: (miss - target) / (miss - hit)."""
    if not hit_ms < miss_ms or not hit_ms <= target_ms:
        raise ToolError(f"cache.hit_needed: no hit ratio reaches {target_ms:g} ms with hits of {hit_ms:g} and misses of "
                        f"{miss_ms:g} ms; the target can't be below the hit, nor the miss below it.")
    return max(0.0, (miss_ms - target_ms) / (miss_ms - hit_ms))


@formula("cache.slots_for_hit", unit="count", cases=[
    Case({"n": 10_000, "zipf": 0, "hit": 0.25}, {"result": 2500}, rel=1e-9, source="uniform popularity"),
    Case({"n": 10_000, "zipf": 1.0, "hit": 0.76}, {"result": 955}, rel=1e-9, source="generalised harmonic numbers"),
])
def slots_for_hit(n: int = param(**_N), zipf: float = param(**_ZIPF), hit: float = param(**_HIT)) -> int:
    """Fewest slots with which an ideal cache reaches a hit ratio; LRU needs more."""
    goal = hit * _harmonic(n, zipf) * (1 - 1e-12)
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if middle and _harmonic(middle, zipf) >= goal else (middle + 1, high)
    return low


def lru_curve(n: int, zipf: float, slots: list[int]) -> list[float]:
    """Che's LRU hit ratios for rising cache sizes, shape of `slots`.

    The characteristic time T solves sum(1 - exp(-p T)) = slots; the sum is concave in T, so Newton from the left (T =
    slots, or the smaller cache's T) rises to the root without overshooting.
    """
    import numpy as np

    p, weight = _popularity(n, zipf)
    ratios, time = [], 0.0
    for size in slots:
        if size >= n or size == 0:
            ratios.append(float(size > 0))
            continue
        time = max(time, float(size))
        for _ in range(500):
            gone = np.exp(-p * time)
            lacking = size - float((weight * (1 - gone)).sum())
            if lacking <= 1e-9 * size:
                break
            time += lacking / float((weight * p * gone).sum())
        ratios.append(float((weight * p * -np.expm1(-p * time)).sum()))
    return ratios


def _harmonic(n: int, zipf: float) -> float:
    """Sum of rank**-zipf over the first n ranks."""
    import numpy as np

    exact = min(n, _EXACT)
    return float((np.arange(1, exact + 1, dtype=float) ** -zipf).sum()) + _integral(exact + 0.5, n + 0.5, zipf)


def _integral(low: float, high: float, zipf: float) -> float:
    if high <= low:
        return 0.0
    return math.log(high / low) if zipf == 1 else (high ** (1 - zipf) - low ** (1 - zipf)) / (1 - zipf)


def _popularity(n: int, zipf: float) -> tuple[Floats, Floats]:
    """(probability of an item, how many items have it): one by one at first, then in bands 0.2% wide."""
    import numpy as np

    exact = min(n, _EXACT)
    mass = np.arange(1, exact + 1, dtype=float) ** -zipf
    weight = np.ones(exact)
    if n > exact:
        bands = max(2, math.ceil(math.log(n / exact) / 0.002))
        edges = np.unique(np.round(np.geomspace(exact, n, bands + 1)))
        counts = np.diff(edges)
        sums = np.array([_integral(low + 0.5, high + 0.5, zipf) for low, high in itertools.pairwise(edges)])
        mass, weight = np.concatenate([mass, sums / counts]), np.concatenate([weight, counts])
    return mass / float((mass * weight).sum()), weight
