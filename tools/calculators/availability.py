"""Availability: downtime, series, parallel, k of n, common cause."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

HOURS_PER_YEAR = 365 * 24
"""The 365-day year; 365.25 days would give 8,766 h."""

_A: dict[str, Any] = {"ge": 0.0, "le": 1.0, "unit": "fraction", "words": ["availability", "available", "uptime"]}


@formula("avail.downtime_h_per_yr", unit="h/year", cases=[
    Case({"a": 0.99}, {"result": 87.6}, rel=1e-3, source="arithmetic, 365 d"),
    Case({"a": 0.999}, {"result": 8.76}, rel=1e-3, source="arithmetic, 365 d"),
])
def downtime_h_per_yr(a: float = param(**_A)) -> float:
    """Expected downtime in hours of a 365-day year at availability a."""
    return (1 - a) * HOURS_PER_YEAR


@formula("avail.downtime_min_per_yr", unit="min/year", cases=[
    Case({"a": 0.9999}, {"result": 52.56}, rel=2e-3, source="arithmetic; 52.596 with 365.25 d"),
    Case({"a": 0.99999}, {"result": 5.256}, rel=2e-3, source="arithmetic; 5.260 with 365.25 d"),
])
def downtime_min_per_yr(a: float = param(**_A)) -> float:
    """Expected downtime in minutes of a 365-day year at availability a."""
    return (1 - a) * HOURS_PER_YEAR * 60


@formula("avail.series", unit="fraction", cases=[
    Case({"a": 0.999, "n": 5}, {"result": 0.99501}, rel=1e-6, source="arithmetic"),
])
def series(a: float = param(**_A), n: int = param(ge=1, le=10_000, unit="components")) -> float:
    """Availability of n components that must all work: a**n."""
    return a**n


@formula("avail.parallel", unit="fraction", cases=[
    Case({"a": 0.99, "n": 2}, {"result": 0.9999}, rel=1e-9, source="independent failures"),
])
def parallel(a: float = param(**_A), n: int = param(ge=1, le=1_000, unit="replicas")) -> float:
    """Availability of n independent replicas of which one suffices: 1 - (1-a)**n."""
    return 1 - (1 - a) ** n


@formula("avail.parallel_common_cause", unit="fraction", cases=[
    Case({"a": 0.99, "n": 2, "beta": 0.1}, {"result": 0.998919}, rel=1e-9, source="beta-factor model"),
])
def parallel_common_cause(
    a: float = param(**_A), n: int = param(ge=1, le=1_000, unit="replicas"),
    beta: float = param(ge=0.0, le=1.0, unit="fraction", words=["common cause", "beta"]),
) -> float:
    """Availability of n replicas when a share beta of failures takes all of them down at once (beta-factor model)."""
    down = 1 - a
    return max(0.0, 1 - beta * down - ((1 - beta) * down) ** n)


@formula("avail.k_of_n", unit="fraction", cases=[
    Case({"k": 2, "n": 3, "a": 0.99}, {"result": 0.999702}, rel=1e-7, source="binomial"),
    Case({"k": 3, "n": 5, "a": 0.99}, {"result": 0.99999015}, rel=1e-8, source="binomial (quorum)"),
    Case({"k": 0, "n": 3, "a": 0.9}, {"result": 1.0}, rel=1e-12, source="none is needed"),
])
def k_of_n(
    k: int = param(ge=0, le=1_000, unit="replicas"), n: int = param(ge=1, le=1_000, unit="replicas"),
    a: float = param(**_A),
) -> float:
    """Availability of a group of n independent members of which at least k must work."""
    return math.fsum(math.comb(n, i) * a**i * (1 - a) ** (n - i) for i in range(k, n + 1))


class Availability(Params):
    availability: float = param(0.999, ge=0.0, le=1.0, unit="fraction", words=["availability", "nines", "uptime", "each"])
    in_series: int = param(1, ge=1, le=1_000, unit="components",
                           words=["in series", "dependencies", "services in a row", "chain", "serial", "services", "components",
                                  "one after the other", "in sequence"])
    replicas: int = param(1, ge=1, le=100, unit="replicas", words=["replicas", "copies", "redundant", "in parallel", "nodes", "machines"])
    needed: int = param(1, ge=1, le=100, unit="replicas", words=["needed", "quorum", "at least", "of"])
    common_cause: float = param(0.0, ge=0.0, le=0.5, unit="fraction", words=["common cause", "beta", "correlated"])


@tool("availability", group="A", words=["availability", "nines", "downtime", "uptime", "replicas", "in series"],
      example={"availability": 0.99, "replicas": 2, "common_cause": 0.1},
      cases=[Case({"availability": 0.99, "replicas": 2}, {"availability": 0.9999}, rel=1e-9, source="arithmetic"),
             Case({"availability": 0.9999, "in_series": 30}, {"availability": 0.9999**30}, rel=1e-9, source="arithmetic")],
      asks=[Ask("Five services in series at 99.9% each: what availability?", "availability", 0.99501),
            Ask("How many hours of downtime a year does three nines allow?", "downtime_h_per_year", 8.76),
            Ask("Two replicas at 99% with 10% common cause: how available are they?", "availability", 0.998919)])
def availability(p: Availability, seed: int) -> ToolResult:
    """Availability of replicated stages in series, with the downtime it means.

    Each of `in_series` stages consists of `replicas` members with the given availability, of which `needed` must work.
    A share `common_cause` of the failures takes all members of a stage down at once (beta-factor model).
    People get wrong: two replicas at 99% are four nines only if they never fail together; a service of 99.999% can't
    stand on thirty dependencies of 99.99% each.

    >>> availability(Availability(availability=0.99, replicas=2, common_cause=0.1), 0).values["availability"]
    0.998919
    """
    if p.needed > p.replicas:
        raise ToolError(f"availability: needed is {p.needed} of only {p.replicas} replicas; it must lie between 1 and "
                        f"{p.replicas}.")
    down = 1 - p.availability
    own = 1 - (1 - p.common_cause) * down
    independent = math.fsum(
        math.comb(p.replicas, i) * own**i * (1 - own) ** (p.replicas - i) for i in range(p.needed, p.replicas + 1)
    )
    stage = max(0.0, independent - p.common_cause * down) if p.replicas > 1 else p.availability
    total = round(stage**p.in_series, 15)
    naive_stage = math.fsum(
        math.comb(p.replicas, i) * p.availability**i * down ** (p.replicas - i) for i in range(p.needed, p.replicas + 1)
    )
    naive = round(naive_stage, 15)
    hours = (1 - total) * HOURS_PER_YEAR
    counts = list(range(1, max(p.replicas, 5) + 1))
    return ToolResult(
        tool="availability",
        values={"availability": total, "downtime_h_per_year": hours, "downtime_min_per_year": hours * 60,
                "nines": round(-math.log10(1 - total), 3) if total < 1 else None},
        units={"availability": "fraction", "downtime_h_per_year": "h/year", "downtime_min_per_year": "min/year"},
        naive={"availability": naive},
        summary=f"Availability {total:.6g}: {_duration(hours)} of downtime a year."
        + (f" One stage with independent failures would promise {naive:.6g}." if abs(naive - total) > 1e-12 else ""),
        formula="((1 - beta*(1-a)) * P[at least k of n work])^stages; downtime = (1-A) * 8760 h",
        plot=Plot(title="Replicas help as long as they fail apart",
                  x_label="replicas (count)", y_label="downtime (h/year)", log_y=True, lines=[
            Line(label=f"{max(p.common_cause, 0.1):.0%} common cause", x=list(counts), y=[
                (1 - parallel_common_cause(p.availability, n, max(p.common_cause, 0.1))) * HOURS_PER_YEAR for n in counts]),
            Line(label="independent failures (naive)", x=list(counts), dashed=True, y=[down**n * HOURS_PER_YEAR for n in counts]),
        ], marks=[{"axis": "x", "at": p.replicas, "label": f"{p.replicas} replica{'s' if p.replicas > 1 else ''}"}]),
        assumptions=["a year has 365 days", "repair is instant to notice: availability is the long-run share of time"]
        + (["failures are independent"] if not p.common_cause else []),
        warnings=[] if p.common_cause or p.replicas == 1 else
        ["Independent failures are the best case: shared power, network or a bad release take replicas down together."],
    )


def _duration(hours: float) -> str:
    if hours >= 24:
        return f"{hours / 24:.3g} days"
    if hours >= 1:
        return f"{hours:.3g} hours"
    return f"{hours * 60:.3g} minutes" if hours * 60 >= 1 else f"{hours * 3600:.3g} seconds"
