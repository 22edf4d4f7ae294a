"""A cache that is really run: Zipf requests on a virtual clock against LRU, LFU or expiring entries."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, param, tool
from tools.calculators.zipf import ideal_hit, lru_curve, top20_share


class Cache(Params):
    items: int = param(10_000, ge=1, le=1_000_000, unit="count", words=["items", "keys", "objects", "catalogue"])
    zipf: float = param(1.0, ge=0, le=1.5, unit="count", words=["zipf", "alpha", "skew", "exponent"])
    slots: int = param(1_000, ge=1, le=1_000_000, unit="count", words=["slots", "entries", "cache holds", "cache size"])
    policy: Literal["LRU", "LFU", "TTL"] = param("LRU", words=["policy", "eviction"],
                                                 help="TTL is LRU whose entries also expire")
    ttl_s: float = param(60.0, ge=1e-6, le=1e6, unit="s", words=["ttl", "expire", "time to live"])
    rps: float = param(1_000.0, ge=0.001, le=1e6, unit="rps", words=["requests per second", "rps", "qps"])
    hit_ms: float = param(1.0, ge=0, le=60_000, unit="ms", words=["hit takes", "a hit", "hits cost", "cache answers"])
    miss_ms: float = param(50.0, ge=0, le=60_000, unit="ms", words=["miss", "misses cost", "database", "origin"])
    requests: int = param(40_000, ge=1_000, le=300_000, unit="requests", words=["simulate"],
                          help="simulated requests; the first half warms the cache up and isn't counted")


@dataclass(frozen=True)
class _Counted:
    hits: int
    expired: int
    evictions: int


@tool("cache", group="A", kind="simulator",
      words=["cache", "hit ratio", "hit rate", "80/20", "LRU", "LFU", "TTL", "eviction", "zipf"],
      example={"items": 10_000, "zipf": 1.0, "slots": 1_000},
      cases=[
          Case({"items": 10_000, "zipf": 1.0, "slots": 1000}, {"hit_ratio_che": 0.6756, "hit_ratio_ideal": 0.76479}, abs=2e-3,
               source="Che approximation; mass of the first ranks"),
          Case({"items": 10_000, "zipf": 1.0, "slots": 1000, "requests": 300_000}, {"hit_ratio": 0.6758}, abs=6e-3,
               source="a discrete LRU simulation of others"),
          Case({"items": 1000, "zipf": 0, "slots": 250, "requests": 300_000}, {"hit_ratio": 0.25}, abs=6e-3,
               source="uniform popularity: slots / items"),
      ],
      asks=[
          Ask("What hit ratio does an LRU cache of 1,000 slots get on 10,000 items with a Zipf exponent of 1?",
              "hit_ratio_che", 0.6756),
          Ask("100k items, zipf 0.8, and a cache that holds 20,000 entries: which hit ratio would the ideal policy reach?",
              "hit_ratio_ideal", 0.69798),
          Ask("Which share of requests goes to the top 20% of 1M items at alpha 0.8?", "top20_share", 0.70845),
          Ask("10k keys, skew 1.0, 2,000 slots; what does Che's formula say for LRU?", "hit_ratio_che", 0.7683),
      ])
def cache(p: Cache, seed: int) -> ToolResult:
    """Hit ratio and latency of a cache in front of Zipf-popular items, simulated and by formula.

    Item of rank i is asked with probability proportional to i**-zipf, each request independent of the last. LRU throws
    out what was used longest ago; LFU what was asked least (counts are kept for all items ever seen); TTL is LRU whose
    entries also expire `ttl_s` after they were filled. The clock is virtual and counts whole milliseconds. The first
    half of the requests warms up. Beside it stand Che's approximation for LRU and the bound of an ideal cache.

    People get wrong: "80/20 is a hit ratio". It is one possible skew: the top 20% of a million items get 52, 71, 89 and
    98% of the requests at zipf 0.6, 0.8, 1.0 and 1.2; and LRU stays below that share, for it also holds passers-by.

    Sources: H. Che, Y. Tung, Z. Wang, "Hierarchical Web Caching Systems", IEEE JSAC 20(7), 2002; L. Breslau et al., "Web
    Caching and Zipf-like Distributions", INFOCOM 1999.

    >>> found = cache(Cache(items=10_000, zipf=1.0, slots=1_000), 0).values
    >>> round(found["hit_ratio_che"], 4), abs(found["hit_ratio"] - 0.6756) < 0.02
    (0.6756, True)
    """
    counted_from = p.requests // 2
    run = _run(p, _requests(p, seed), counted_from)
    measured = p.requests - counted_from
    hit = run.hits / measured
    sizes = _sizes(p.items, p.slots)
    che = lru_curve(p.items, p.zipf, sizes)
    ideal = [float(ideal_hit(p.items, p.zipf, size)) for size in sizes]
    at = sizes.index(min(p.slots, p.items))
    mean_ms = hit * p.hit_ms + (1 - hit) * p.miss_ms
    naive = {"hit_ratio": 0.8, "effective_ms": 0.8 * p.hit_ms + 0.2 * p.miss_ms}
    return ToolResult(
        tool="cache",
        values={"hit_ratio": hit, "hit_ratio_che": che[at], "hit_ratio_ideal": ideal[at], "effective_ms": mean_ms,
                "backend_rps": p.rps * (1 - hit), "expired_share": run.expired / measured, "evictions": run.evictions,
                "top20_share": float(top20_share(p.items, p.zipf))},
        units={"hit_ratio": "fraction", "hit_ratio_che": "fraction", "hit_ratio_ideal": "fraction", "effective_ms": "ms",
               "backend_rps": "rps", "expired_share": "fraction", "evictions": "count", "top20_share": "fraction"},
        naive=naive,
        summary=f"{p.policy} with {p.slots:,} slots for {p.items:,} items hits {hit:.1%} (LRU by Che {che[at]:.1%}, ideal "
        f"{ideal[at]:.1%}), so a request takes {mean_ms:.4g} ms on average. The 80/20 rule of thumb would have promised 80% "
        f"and {naive['effective_ms']:.4g} ms.",
        formula="p_i ~ i^-zipf; LRU: sum(1 - exp(-p_i T)) = slots, hit = sum p_i (1 - exp(-p_i T)); ideal = H(slots)/H(items)",
        series={"slots": list(sizes), "hit_ratio_che": che, "hit_ratio_ideal": ideal},
        plot=Plot(title=f"80/20 isn't a hit ratio: {p.items:,} items, Zipf {p.zipf:g}",
                  x_label="slots (items)", y_label="hit ratio (fraction)", log_x=True, lines=[
            Line(label="LRU (Che)", x=list(sizes), y=list(che)), Line(label="ideal", x=list(sizes), y=list(ideal)),
            Line(label=f"{p.policy} simulated", x=[min(p.slots, p.items)], y=[hit], kind="scatter"),
            Line(label="80/20 taken as a hit ratio (naive)", x=[sizes[0], sizes[-1]], y=[0.8, 0.8], dashed=True)]),
        assumptions=["each request is independent of the last; popularity doesn't change", "all items have one size",
                     "a miss fetches and fills at once"],
        warnings=_warnings(p, run),
    )


def _sizes(items: int, slots: int) -> list[int]:
    """Cache sizes of the curve, with the asked one among them."""
    rungs = {max(1, round(items ** (step / 12))) for step in range(13)}
    return sorted(rungs | {min(slots, items)})


def _requests(p: Cache, seed: int) -> list[int]:
    import numpy as np

    weights = np.arange(1, p.items + 1, dtype=float) ** -p.zipf
    edges = np.cumsum(weights)
    drawn = np.random.default_rng(seed).random(p.requests) * edges[-1]
    ranks: list[int] = np.minimum(np.searchsorted(edges, drawn, side="right"), p.items - 1).tolist()
    return ranks


def _run(p: Cache, requests: Sequence[int], counted_from: int) -> _Counted:
    return _run_lfu(p, requests, counted_from) if p.policy == "LFU" else _run_lru(p, requests, counted_from)


def _run_lru(p: Cache, requests: Sequence[int], counted_from: int) -> _Counted:
    """LRU; with policy TTL an entry older than the ttl counts as missing and is filled anew."""
    ttl_ms = round(p.ttl_s * 1000) if p.policy == "TTL" else None
    gap_ms = 1000 / p.rps
    filled_ms: OrderedDict[int, int] = OrderedDict()
    hits = expired = evictions = 0
    for index, item in enumerate(requests):
        now_ms = int(index * gap_ms)
        since_ms = filled_ms.get(item)
        stale = since_ms is not None and ttl_ms is not None and now_ms - since_ms >= ttl_ms
        if since_ms is not None and not stale:
            filled_ms.move_to_end(item)
            hits += index >= counted_from
            continue
        expired += stale and index >= counted_from
        filled_ms[item] = now_ms
        filled_ms.move_to_end(item)
        if len(filled_ms) > p.slots:
            filled_ms.popitem(last=False)
            evictions += 1
    return _Counted(hits, expired, evictions)


def _run_lfu(p: Cache, requests: Sequence[int], counted_from: int) -> _Counted:
    """LFU: a heap by count with stale entries left in it, which are skipped when they surface."""
    asked: dict[int, int] = {}
    held: set[int] = set()
    heap: list[tuple[int, int, int]] = []
    hits = evictions = 0
    for index, item in enumerate(requests):
        asked[item] = asked.get(item, 0) + 1
        if item in held:
            hits += index >= counted_from
        elif len(held) >= p.slots:
            count, _, victim = heapq.heappop(heap)
            while victim not in held or asked[victim] != count:
                count, _, victim = heapq.heappop(heap)
            held.remove(victim)
            evictions += 1
        held.add(item)
        heapq.heappush(heap, (asked[item], index, item))
    return _Counted(hits, 0, evictions)


def _warnings(p: Cache, run: _Counted) -> list[str]:
    warnings = []
    measured = p.requests - p.requests // 2
    if not run.evictions and measured - run.hits - run.expired > 0.02 * measured:
        warnings.append("The cache never filled up: its misses are those of a cold cache; simulate more requests.")
    if p.policy == "TTL" and p.requests / p.rps / 2 < p.ttl_s:
        warnings.append("The simulated time is shorter than two TTLs: few entries got old enough to expire.")
    return warnings
