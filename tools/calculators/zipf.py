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

_N: dict[str, Any] = {"ge": 1, "le": 1_000_000_000_000, "unit": "count", "words": ["items", "keys", "objects", "catalogue of",
        "catalog of", "products", "thumbnails", "files", "different", "distinct", "videos", "pages", "documents", "records"]}
_ZIPF: dict[str, Any] = {"ge": 0, "le": 5, "unit": "count", "words": ["zipf", "alpha", "skew", "exponent", "zipf exponent",
        "popularity", "exponent of", "s"]}
_SLOTS: dict[str, Any] = {"ge": 0, "le": 1_000_000_000_000, "unit": "count", "words": ["slots", "entries", "cache size", "cached",
        "cache of", "room for", "fit in the cache", "holds", "keep", "hold", "cache holds", "places", "capacity", "in the cache",
        "in cache", "fits", "pin"]}
_HIT: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["hit ratio", "hit rate", "hits", "cached",
                                                                        "served from cache", "cdn serves", "cache"],
                        "validation_alias": AliasChoices("hit", "hit_ratio", "hit_rate")}
_MS: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "ms"}


@formula("cache.top20_share", words=["most popular fifth", "top fifth", "hottest fifth", "top 20%", "popular 20%", "80/20", "pareto"],
    unit="fraction", cases=[
    Case({"n": 1_000_000, "zipf": 0.8}, {"result": 0.70845}, abs=1e-4, source="generalised harmonic numbers"),
    Case({"n": 1_000_000, "zipf": 1.0}, {"result": 0.88818}, abs=1e-4, source="generalised harmonic numbers"),
    Case({"n": 1_000_000, "zipf": 1.2}, {"result": 0.97729}, abs=1e-4, source="generalised harmonic numbers"),
], asks=[
    Ask("Zipf 0.9 over 100,000 items: which share of the requests goes to the most popular fifth?", "result", 0.788173701),
    Ask("A shop has 20k products and their popularity follows zipf 1.1. How much of the traffic does the "
        "hottest fifth get?", "result", 0.90559344),
    Ask("500,000 videos, zipf exponent 0.7, share of views of the top fifth?", "result", 0.610703141),
])
def top20_share(n: int = param(**_N), zipf: float = param(**_ZIPF)) -> float:
    """Share of the requests that the most popular fifth of n items gets under Zipf popularity."""
    return _harmonic(max(1, round(0.2 * n)), zipf) / _harmonic(n, zipf)


@formula("cache.top_share", words=["top", "most popular", "hottest", "share of requests", "share of the traffic", "share of views",
        "requests go to", "requests goes to", "gets of the traffic"], unit="fraction", cases=[
    Case({"n": 1_000_000, "zipf": 1.0, "frac": 0.2}, {"result": 0.88818}, abs=1e-4, source="generalised harmonic numbers"),
], asks=[Ask("Which share of requests do the top 10% of 1M items get at a Zipf exponent of 1?", "result", 0.8399),
    Ask("Half a million items under Zipf with exponent 0.9: what share of the traffic goes to the most "
        "popular 1%?", "result", 0.505396014),
    Ask("We have 40,000 documents and reads are zipf 1.2. How much of the reads do the hottest 5% get?", "result", 0.901273382),
])
def top_share(
    n: int = param(**_N), zipf: float = param(**_ZIPF),
    frac: float = param(0.2, gt=0, le=1, unit="fraction", words=["top", "most popular", "hottest", "busiest", "most read",
        "most viewed"]),
) -> float:
    """Share of the requests that the most popular `frac` of n items gets under Zipf popularity."""
    return _harmonic(max(1, round(frac * n)), zipf) / _harmonic(n, zipf)


@formula("cache.ideal_hit", words=["hit ratio", "best possible hit ratio", "ideal cache", "perfect cache", "always holds",
        "always holds the most popular", "no eviction policy", "upper bound of the hit ratio", "ceiling", "pin the top", "pin",
        "hottest in cache", "optimal"], unit="fraction", cases=[
    Case({"n": 10_000, "zipf": 1.0, "slots": 1000}, {"result": 0.76479}, abs=1e-4, source="mass of the first 1,000 ranks"),
], asks=[
    Ask("A perfect cache that always holds the 2,000 most popular of 60,000 items, zipf 0.8: what hit ratio?", "result", 0.452724515),
    Ask("What is the best possible hit ratio with 300 slots for 9,000 keys at a zipf exponent of 1?", "result", 0.648884627),
    Ask("Catalogue of 200k items, popularity zipf with exponent 1.1, and I pin exactly the hottest 10,000 "
        "in cache. Hit ratio?", "result", 0.865005072),
    Ask("There is room for 800 of the 20,000 files and they could always be the 800 most requested ones. "
        "Zipf 0.7. Which hit ratio is the ceiling for any policy?", "result", 0.353168531),
])
def ideal_hit(n: int = param(**_N), zipf: float = param(**_ZIPF), slots: int = param(**_SLOTS)) -> float:
    """Hit ratio of a cache that always holds the most popular items: the bound of any policy on independent requests."""
    return _harmonic(min(slots, n), zipf) / _harmonic(n, zipf) if slots else 0.0


@formula("cache.lru_hit", words=["lru", "lru cache", "che", "least recently used", "lru hit ratio", "che's approximation"],
    unit="fraction", cases=[
    Case({"n": 10_000, "zipf": 1.0, "slots": 1000}, {"result": 0.6756}, abs=2e-3, source="Che approximation; simulated 0.6758"),
    Case({"n": 10_000, "zipf": 1.0, "slots": 2000}, {"result": 0.7683}, abs=2e-3, source="Che approximation; ideal 0.84"),
], asks=[
    Ask("LRU cache with 1,500 slots, 50,000 items, zipf 0.9: hit ratio by Che's approximation?", "result", 0.43825152, 0.003),
    Ask("What hit ratio does Che's approximation give for an LRU with 400 entries and 8,000 keys "
        "at zipf exponent 1.1?", "result", 0.698009307, 0.003),
    Ask("We evict the least recently used of 2,500 cached pages, 30k different pages are read with "
        "a zipf skew of 0.8. Expected hit rate in closed form?", "result", 0.425188009, 0.003),
])
def lru_hit(n: int = param(**_N), zipf: float = param(**_ZIPF), slots: int = param(**_SLOTS)) -> float:
    """Hit ratio of an LRU cache under Zipf popularity by Che's approximation (H. Che et al., IEEE JSAC 20(7), 2002)."""
    return lru_curve(n, zipf, [slots])[0]


@formula("cache.fifo_hit", words=["fifo", "fifo cache", "random eviction", "first in first out", "evicts at random",
        "evicts the oldest"], unit="fraction", cases=[
    Case({"n": 1000, "zipf": 0, "slots": 250}, {"result": 0.25}, rel=1e-6, source="uniform popularity: slots / n"),
], asks=[
    Ask("A FIFO cache with 1,000 slots for 20,000 items at zipf 0.9: what hit ratio?", "result", 0.432705991, 0.003),
    Ask("Random eviction, 600 entries, 12,000 keys, zipf exponent 1: hit ratio?", "result", 0.547723653, 0.003),
    Ask("Our proxy evicts the oldest entry (first in first out). It holds 5,000 of 100k objects "
        "and requests are zipf 0.8. Hit ratio?", "result", 0.333281639, 0.003),
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


@formula("cache.ttl_hit", words=["ttl", "expires", "time to live", "ttl cache", "entries expire", "expire after",
        "hit ratio with a ttl", "no size limit", "dns cache"],
    unit="fraction", cases=[
    Case({"n": 1, "zipf": 0, "rps": 1, "ttl_s": 9}, {"result": 0.9}, rel=1e-9, source="one item: rT / (1 + rT)"),
], asks=[
    Ask("Entries expire after 60 s, 1,000 keys with zipf 1 and 50 requests per second: hit ratio of the "
        "TTL cache?", "result", 0.832944627),
    Ask("A DNS cache without size limit has a TTL of 5 minutes; 20,000 names with zipf exponent 0.9 get "
        "40 lookups per second. What hit ratio?", "result", 0.649402803),
])
def ttl_hit(
    n: int = param(**_N), zipf: float = param(**_ZIPF),
    rps: float = param(gt=0, le=1e12, unit="rps", words=["requests per second", "rps", "qps", "lookups per second",
        "requests a second", "lookups", "reads"]),
    ttl_s: float = param(ge=0, le=1e9, unit="s", words=["ttl", "expires", "time to live", "expire after", "expires after",
        "lives for", "valid for", "expire", "kept for"]),
) -> float:
    """Hit ratio of a cache without size limit whose entries expire ttl_s after they were filled (Poisson requests)."""
    p, weight = _popularity(n, zipf)
    renewals = p * rps * ttl_s
    return float((weight * p * renewals / (1 + renewals)).sum())


@formula("cache.effective_ms", words=["average latency", "mean latency", "through the cache"],
    unit="ms", cases=[
    Case({"hit": 0.9, "hit_ms": 1, "miss_ms": 100}, {"result": 10.9}, rel=1e-9, source="arithmetic"),
], asks=[Ask("A cache with a 95% hit ratio answers in 1 ms and a miss costs 40 ms: what is the mean latency?", "result", 2.95),
    Ask("Hit rate 80%, a hit takes 2 ms, the database 50 ms. What is the average latency?", "result", 11.6),
    Ask("The cache hits 92% of the time and answers in 0.5 ms, otherwise the origin needs 120 ms. Mean latency in ms?", "result", 10.06),
])
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
    Ask("40,000 rps and a hit ratio of 85%: how many requests per second hit the database?", "result", 6000.0),
    Ask("redis answers 90% of our 7k reads per second, how many rps reach the database?", "result", 700.0),
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
    Ask("The database needs 25 ms, redis 1 ms and we want 4 ms on average. Which hit ratio do we need?", "result", 0.875),
    Ask("hits cost 5 ms and misses 200 ms, the average must stay below 20 ms. hit rate needed?", "result", 0.923076923),
])
def hit_needed(
    target_ms: float = param(words=["target", "mean latency", "on average", "average", "to get", "stay below", "want", "goal",
        "must be", "at most", "below"], **_MS),
            hit_ms: float = param(words=["hit", "hits", "redis", "cache", "memcached", "cached", "hits cost", "hit takes"], **_MS),
    miss_ms: float = param(words=["miss", "misses", "database", "db", "origin", "disk", "misses cost", "miss takes", "backend"], **_MS),
) -> float:
    """Hit ratio at which the mean latency meets a target: (miss - target) / (miss - hit)."""
    if not hit_ms < miss_ms or not hit_ms <= target_ms:
        raise ToolError(f"cache.hit_needed: no hit ratio reaches {target_ms:g} ms with hits of {hit_ms:g} and misses of "
                        f"{miss_ms:g} ms; the target can't be below the hit, nor the miss below it.")
    return max(0.0, (miss_ms - target_ms) / (miss_ms - hit_ms))


@formula("cache.slots_for_hit", words=["how many slots", "slots needed", "how many entries", "cache size for a hit ratio",
        "how big a cache", "how large must the cache be", "entries must it hold", "must the cache hold", "slots do i need",
        "reach a hit ratio"], unit="count", cases=[
    Case({"n": 10_000, "zipf": 0, "hit": 0.25}, {"result": 2500}, rel=1e-9, source="uniform popularity"),
    Case({"n": 10_000, "zipf": 1.0, "hit": 0.76}, {"result": 955}, rel=1e-9, source="generalised harmonic numbers"),
], asks=[
    Ask("How many slots does an ideal cache need for a hit ratio of 80% on 10,000 items at zipf 1?", "result", 1412.0, 0.002),
    Ask("50,000 keys, zipf 0.9: how many of the hottest keys must the cache hold for a 60% hit rate?", "result", 2086.0, 0.002),
    Ask("I want 90% of the requests to be hits. 5,000 objects, zipf exponent 1.2, and the cache always "
        "keeps the most popular. How many entries do I need?", "result", 628.0, 0.002),
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
