"""How old an online feature is, how often it therefore differs, and what hot and cold tiers cost. No model, no join."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, ToolError, formula, param

_UPDATES: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "count", "words": ["updates per hour", "changes per hour"]}
_REFRESH: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "min", "words": ["refresh", "materialise", "every", "batch"]}
_LAG: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "min", "words": ["lag", "pipeline lag", "job takes"]}
_TTL: dict[str, Any] = {"ge": 0, "le": 1e7, "unit": "s", "words": ["ttl", "cache ttl"]}
_HOT: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["hot", "hit", "hits", "in memory"]}
_MS: dict[str, Any] = {"ge": 0, "le": 60_000, "unit": "ms"}
_PRICE: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "USD"}


def unchanged(rate: float, longest: float) -> float:
    """Probability that a Poisson process of that rate is still over a time drawn evenly from 0 to `longest`."""
    mean = rate * longest
    return -math.expm1(-mean) / mean if mean > 1e-12 else 1.0


@formula("feature.staleness_skew", unit="fraction", words=["staleness", "stale features", "freshness",
             "stale value", "out of date"], cases=[
    Case({"updates_per_h": 1, "refresh_min": 60}, {"result": 0.36788}, abs=1e-5, source="1 - (1 - e^-1)/1"),
    Case({"updates_per_h": 1, "refresh_min": 0, "lag_min": 60}, {"result": 0.63212}, abs=1e-5, source="1 - e^-1"),
    Case({"updates_per_h": 0, "refresh_min": 60, "lag_min": 60}, {"result": 0.0}, source="nothing changes"),
], asks=[
    Ask("A feature has 4 changes per hour and the online store is refreshed every 30 min: what share of requests "
        "gets a stale value?", "result", 0.567668),
])
def staleness_skew(
    updates_per_h: float = param(**_UPDATES), refresh_min: float = param(**_REFRESH), lag_min: float = param(0, **_LAG),
    ttl_s: float = param(0, **_TTL), hot: float = param(0, **_HOT),
) -> float:
    """Share of requests whose online value is out of date although offline and online run the same code.

    Updates are Poisson; the value was read off `lag` plus an even share of the refresh interval ago, and hot requests
    see a copy that is up to a TTL older still: 1 - e^(-u*lag) * (1 - e^(-uR))/(uR) * (1 - h + h * (1 -
    e^(-uT))/(uT))."""
    still = math.exp(-updates_per_h * lag_min / 60) * unchanged(updates_per_h / 60, refresh_min)
    return 1 - still * (1 - hot + hot * unchanged(updates_per_h / 3600, ttl_s))


@formula("feature.age_s", unit="s", words=["feature age", "how old", "staleness of a value"], cases=[
    Case({"refresh_min": 60, "lag_min": 5}, {"mean": 2100, "longest": 3900}, source="5 + 60/2; 5 + 60 min"),
    Case({"refresh_min": 60, "lag_min": 5, "ttl_s": 300}, {"mean": 2250, "longest": 4200},
         source="and a copy of 300 s"),
], asks=[
    Ask("Features are materialised every 15 min, the job takes 3 min and the cache ttl is 60 s: how old can a value "
        "get?", "longest", 1140),
    Ask("What is the mean age of a feature refreshed every 60 min with a pipeline lag of 5 min?", "mean", 2100),
])
def age_s(refresh_min: float = param(**_REFRESH), lag_min: float = param(0, **_LAG),
          ttl_s: float = param(0, **_TTL)) -> dict[str, float]:
    """Mean and longest age in seconds of a served value: pipeline lag, refresh interval, and the TTL of a cached
    copy."""
    return {"mean": lag_min * 60 + refresh_min * 30 + ttl_s / 2, "longest": lag_min * 60 + refresh_min * 60 + ttl_s}


@formula("feature.skew_rate", unit="fraction", words=["training-serving skew", "skew rate"], cases=[
    Case({"offline": [1, 2, 3, 4], "online": [1, 2, 3.5, 4]}, {"result": 0.25}, source="one of four differs"),
    Case({"offline": [1, 2], "online": [1.05, 2], "tolerance": 0.1}, {"result": 0.0}, source="within tolerance"),
], asks=[
    Ask("Offline values 1, 2, 3, 4, 5 and online 1, 2, 3, 5, 5: what is the skew rate?", "result", 0.2),
])
def skew_rate(
    offline: list[float] = param(min_length=1, max_length=200_000, words=["offline", "training"]),
    online: list[float] = param(min_length=1, max_length=200_000, words=["online", "serving"]),
    tolerance: float = param(0, ge=0, le=1e12, words=["tolerance"]),
) -> float:
    """Share of logged requests whose online value differs from the one recomputed offline by more than the
    tolerance."""
    if len(offline) != len(online):
        raise ToolError(f"feature.skew_rate: {len(offline)} offline values can't be compared with {len(online)} online "
                        "ones.")
    return sum(abs(one - other) > tolerance for one, other in zip(offline, online, strict=True)) / len(offline)


@formula("feature.tiered_ms", unit="ms", words=["hot cold latency", "hot tier latency", "reads hit", "mean read latency", "read latency"],
         cases=[
    Case({"hot": 0.9, "hot_ms": 1, "cold_ms": 11}, {"result": 2.0}, rel=1e-12, source="0.9*1 + 0.1*11"),
], asks=[
    Ask("90% of reads hit the hot tier at 1 ms and cold reads take 20 ms: what is the mean read latency of the "
        "feature store?", "result", 2.9),
])
def tiered_ms(hot: float = param(**_HOT), hot_ms: float = param(1, words=["hot"], **_MS),
              cold_ms: float = param(10, words=["cold"], **_MS)) -> float:
    """Mean latency in ms of a read when a share of them finds its entity in the hot tier."""
    return hot * hot_ms + (1 - hot) * cold_ms


@formula("feature.tiered_cost", words=["hot cold cost", "hot and cold storage", "monthly bill"], cases=[
    Case({"total_GB": 1000, "hot_fraction": 0.1, "hot_USD_per_GB": 5, "cold_USD_per_GB": 0.25},
         {"tiered": 750, "all_hot": 5000}, rel=1e-12, source="100*5 + 1000*0.25"),
], asks=[
    Ask("2 TB of features, 5% hot, memory costs $5 per GB and disk $0.25 per GB a month: what is the monthly bill?",
        "tiered", 1000),
])
def tiered_cost(
    total_GB: float = param(ge=0, le=1e9, unit="GB", words=["data", "features"]),
    hot_fraction: float = param(0.1, ge=0, le=1, unit="fraction", words=["hot"]),
    hot_USD_per_GB: float = param(5, words=["hot price"], **_PRICE),
    cold_USD_per_GB: float = param(0.25, words=["cold price"], **_PRICE),
) -> dict[str, float]:
    """USD a month for storage: all data cold and the hot share in memory as well, beside all of it in memory."""
    return {"tiered": total_GB * (hot_fraction * hot_USD_per_GB + cold_USD_per_GB),
            "all_hot": total_GB * hot_USD_per_GB}

