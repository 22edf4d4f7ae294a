"""Online/offline skew of one feature: requests against a stale, differently transformed, tiered online store."""

from __future__ import annotations

from typing import Any, Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, param, tool
from tools.calculators.feature_freshness import age_s, staleness_skew, tiered_cost, tiered_ms
from tools.calculators.zipf import ideal_hit

STEP = 0.3
"""Standard deviation of one update, in standard deviations of the feature over all entities."""
BIAS = -1.0
SAMPLE = 20_000

Mismatch = Literal["none", "missing-default", "rounding", "clipping", "units"]


class FeatureSkew(Params):
    mismatch: Mismatch = param("none", words=["mismatch", "transform", "transformation"],
                               help="how the online code differs from the offline code")
    updates_per_h: float = param(1.0, ge=0, le=10_000, unit="count",
                                 words=["updates per hour", "updates an hour", "changes per hour", "times an hour"])
    refresh_min: float = param(60.0, ge=0, le=100_000, unit="min",
                               words=["refresh", "refreshed every", "materialised every", "materialise", "every"])
    lag_min: float = param(5.0, ge=0, le=100_000, unit="min", words=["lag", "pipeline lag", "job takes"])
    missing_rate: float = param(0.05, ge=0, le=1, unit="fraction", words=["missing", "null", "nulls"],
                                help="for missing-default: offline fills in the mean, online two deviations less")
    weight: float = param(1.0, ge=-10, le=10, unit="count", words=["weight", "coefficient"],
                          help="of the feature in the logistic model")
    threshold: float = param(0.5, ge=1e-6, lt=1, unit="fraction", words=["threshold", "cut-off"])
    entities: int = param(1_000_000, ge=1, le=1_000_000_000, unit="count", words=["entities", "users", "keys"])
    zipf: float = param(1.0, ge=0, le=1.5, unit="count", words=["zipf", "alpha", "skew of requests"])
    hot_fraction: float = param(0.1, ge=0, le=1, unit="fraction",
                                words=["hot", "hot fraction", "hot tier", "in memory"])
    ttl_s: float = param(300.0, ge=0, le=1e7, unit="s", words=["ttl", "time to live", "expires"],
                         help="how long the hot tier keeps a copy before it reads the cold one anew")
    feature_bytes: int = param(2_000, ge=1, le=100_000_000, unit="bytes", words=["bytes", "size", "feature vector"])
    hot_ms: float = param(1.0, ge=0, le=60_000, unit="ms", words=["hot read", "hot takes", "memory read"])
    cold_ms: float = param(10.0, ge=0, le=60_000, unit="ms", words=["cold read", "cold takes", "disk read"])
    hot_USD_per_GB: float = param(5.0, ge=0, le=10_000, unit="USD", words=["hot price", "memory price"])
    cold_USD_per_GB: float = param(0.25, ge=0, le=10_000, unit="USD", words=["cold price", "disk price"])


@tool("feature-skew", group="D", kind="simulator",
      words=["skew", "training-serving skew", "online", "offline", "feature store", "stale features", "staleness",
             "freshness", "hot", "cold", "tiering", "materialise", "training serving skew", "features out of date"],
      example={"mismatch": "none", "updates_per_h": 1, "refresh_min": 60},
      cases=[
          Case({"updates_per_h": 1, "refresh_min": 60, "lag_min": 0, "hot_fraction": 0}, {"expected_skew_rate": 0.36788,
                                                                                          "skew_rate": 0.36788},
               abs=0.012, source="1 - (1 - e^-1)"),
          Case({"updates_per_h": 0}, {"skew_rate": 0.0, "mean_prediction_delta": 0.0}, source="nothing changes"),
          Case({"updates_per_h": 0, "mismatch": "missing-default"}, {"skew_rate": 0.05}, abs=0.006,
               source="the missing share"),
          Case({"entities": 10_000, "zipf": 1.0, "hot_fraction": 0.1}, {"hot_hit": 0.76479}, abs=1e-4,
               source="mass of the first ranks"),
          Case({"entities": 500_000_000, "feature_bytes": 2_000}, {"cost_USD_per_month": 750,
                                                                   "all_hot_USD_per_month": 5000},
               rel=1e-9, source="1,000 GB: 100*5 + 1000*0.25"),
      ],
      asks=[
          Ask("Features change once per hour (1 updates per hour) and are refreshed every 60 minutes with 0 lag and no "
              "hot tier (hot 0%): what share of requests sees an old value?", "expected_skew_rate", 0.36788),
          Ask("My feature has 6 updates per hour; the store is refreshed every 10 minutes, lag 0 min, hot fraction 0. "
              "How large is the skew?", "expected_skew_rate", 0.36788),
          Ask("With 10k entities, zipf 1 and a hot tier of 10%, how many requests hit the hot tier?", "hot_hit",
              0.76479),
          Ask("How old can a feature be that is refreshed every 60 min with a lag of 5 min and a ttl of 300 s?",
              "longest_age_s", 4200),
          Ask("500M entities of 2,000 bytes, 10% hot: what does the feature store cost a month?", "cost_USD_per_month",
              750),
          Ask("What would it cost to keep 500M entities of 2000 bytes all in memory?", "all_hot_USD_per_month", 5000),
          Ask("No hot tier (hot fraction 0%), lag 0 min, refreshed every 20 min, 3 updates per hour: what share of "
              "requests sees an old value?", "expected_skew_rate", 0.367879),
      ])
def feature_skew(p: FeatureSkew, seed: int) -> ToolResult:
    """Online/offline skew of a feature from staleness and from different transforms, and what hot and cold tiers cost.

    Offline is the value at the moment of the request (a point-in-time join). Online is what the last materialisation
    read, a pipeline lag and up to a refresh interval ago; requests for hot entities get a copy up to `ttl_s` older.
    Updates are Poisson, each moves the feature by 0.3 of its spread. Then the online transform may differ: another
    default for missing values, whole numbers, no clipping at two deviations, or other units. A logistic model shows
    what it does to a prediction. 20,000 requests. The hot tier holds the most popular entities, the cold tier all of
    them; prices are yours to set.

    People get wrong: the same code offline and online means no skew. With one update an hour and an hourly refresh, 37%
    of requests see an old value under identical code. And an average age hides it: freshness is a distribution.
    Sources: arithmetic of Poisson updates; mass of Zipf ranks for the hot tier.

    >>> feature_skew(FeatureSkew(updates_per_h=0), 0).values["skew_rate"]
    0.0
    """
    hit = float(ideal_hit(p.entities, p.zipf, round(p.hot_fraction * p.entities)))
    drawn = _requests(p, hit, seed)
    expected = staleness_skew(p.updates_per_h, p.refresh_min, p.lag_min, p.ttl_s, hit)
    cost = tiered_cost(p.entities * p.feature_bytes / 1e9, p.hot_fraction, p.hot_USD_per_GB, p.cold_USD_per_GB)
    values: dict[str, Any] = drawn | {
        "expected_skew_rate": expected,
        "longest_age_s": age_s(p.refresh_min, p.lag_min, p.ttl_s if hit else 0)["longest"],
        "hot_hit": hit, "mean_ms": tiered_ms(hit, p.hot_ms, p.cold_ms), "cost_USD_per_month": cost["tiered"],
        "all_hot_USD_per_month": cost["all_hot"],
    }
    return ToolResult(
        tool="feature-skew", values=values,
        units={name: "s" if name.endswith("_s") else "ms" if name.endswith("_ms") else "USD/month" if "USD" in name
               else "fraction" for name in values},
        naive={"skew_rate": drawn["transform_skew_rate"], "mean_prediction_delta": drawn["transform_prediction_delta"],
               "cost_USD_per_month": cost["all_hot"]},
        summary=f"{values['skew_rate']:.1%} of requests get another value online than offline (staleness alone: "
        f"{expected:.1%}), which moves a prediction by {values['mean_prediction_delta']:.3g} on average and flips "
        f"{values['flipped_decisions']:.2%} of decisions. \"Same code, no skew\" would say "
        f"{drawn['transform_skew_rate']:.1%}. Reads take {values['mean_ms']:.3g} ms and storage "
        f"{cost['tiered']:,.6g} USD a month (all in memory {cost['all_hot']:,.6g}).",
        formula="stale = 1 - e^(-u*lag) * (1 - e^(-uR))/(uR) * (1 - h + h*(1 - e^(-uT))/(uT))",
        series=_curve(p, hit), plot=_plot(p, hit, drawn["transform_skew_rate"]),
        assumptions=["updates are Poisson and alike for hot and cold entities",
                     "the hot tier holds the most popular entities",
                     "a copy in the hot tier is of any age up to its TTL", "prices are assumptions, not quotes"],
        warnings=_warnings(p, values),
    )


def _requests(p: FeatureSkew, hit: float, seed: int) -> dict[str, float]:
    """Skew and its effect over a sample of requests; three draws decide age, updates and value."""
    import numpy as np

    rng = np.random.default_rng(seed)
    uniform = rng.random((4, SAMPLE))
    hot = uniform[0] < hit
    age = p.lag_min * 60 + uniform[1] * p.refresh_min * 60 + np.where(hot, uniform[2] * p.ttl_s, 0.0)
    updates = rng.poisson(p.updates_per_h * age / 3600)
    stored = rng.standard_normal(SAMPLE)
    now = stored + STEP * np.sqrt(updates) * rng.standard_normal(SAMPLE)
    missing = uniform[3] < p.missing_rate
    offline, online = _transformed(p.mismatch, now, stored, missing)
    same_age = _transformed(p.mismatch, now, now, missing)[1]
    delta = np.abs(_predicted(p, online) - _predicted(p, offline))
    flips = (_predicted(p, online) >= p.threshold) != (_predicted(p, offline) >= p.threshold)
    return {"skew_rate": float((online != offline).mean()), "transform_skew_rate": float((same_age != offline).mean()),
            "stale_rate": float((updates > 0).mean()), "mean_age_s": float(age.mean()),
            "p99_age_s": float(np.sort(age)[int(0.99 * SAMPLE)]), "mean_prediction_delta": float(delta.mean()),
            "transform_prediction_delta": float(np.abs(_predicted(p, same_age) - _predicted(p, offline)).mean()),
            "p99_prediction_delta": float(np.sort(delta)[int(0.99 * SAMPLE)]), "flipped_decisions": float(flips.mean())}


def _transformed(mismatch: Mismatch, now: Any, stored: Any, missing: Any) -> tuple[Any, Any]:
    """What training sees of the value now, and what serving makes of the stored one."""
    import numpy as np

    if mismatch == "missing-default":
        return np.where(missing, 0.0, now), np.where(missing, -2.0, stored)
    if mismatch == "rounding":
        return now, np.round(stored)
    if mismatch == "clipping":
        return np.clip(now, -2.0, 2.0), stored
    return now, stored * 1000.0 if mismatch == "units" else stored


def _predicted(p: FeatureSkew, value: Any) -> Any:
    import numpy as np

    return 1 / (1 + np.exp(-np.clip(p.weight * value + BIAS, -500.0, 500.0)))


def _curve(p: FeatureSkew, hit: float) -> dict[str, list[Any]]:
    steps = sorted({1.0, 5.0, 15.0, 60.0, 240.0, 720.0, 1440.0, *([p.refresh_min] if p.refresh_min else [])})
    return {"refresh_min": list(steps),
            "stale_share": [staleness_skew(p.updates_per_h, step, p.lag_min, p.ttl_s, hit) for step in steps]}


def _plot(p: FeatureSkew, hit: float, transform: float) -> Plot:
    curve = _curve(p, hit)
    streamed = [staleness_skew(p.updates_per_h, step, 0, 0, 0) for step in curve["refresh_min"]]
    return Plot(title="Same code, another value: freshness skews features too",
                x_label="refresh interval (min)", log_x=True,
                y_label="requests that see another value (fraction)", lines=[
        Line(label="as set", x=curve["refresh_min"], y=curve["stale_share"]),
        Line(label="without lag and hot copies", x=curve["refresh_min"], y=list(streamed)),
        Line(label="same code, no skew (naive)", x=[curve["refresh_min"][0], curve["refresh_min"][-1]], y=[transform] * 2,
             dashed=True)])


def _warnings(p: FeatureSkew, values: dict[str, Any]) -> list[str]:
    found = []
    if p.mismatch == "none" and values["skew_rate"] > 0.1:
        found.append("The code is the same and yet values differ: freshness needs its own objective and monitor.")
    if p.mismatch != "missing-default" and p.missing_rate != 0.05:
        found.append("missing_rate matters only with mismatch 'missing-default'.")
    if p.ttl_s > 60 * (p.refresh_min + p.lag_min):
        found.append("The hot copies live longer than a refresh: the TTL, not the pipeline, decides how old "
                     "values get.")
    return found
