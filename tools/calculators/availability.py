"""Availability: downtime, series, parallel, k of n, common cause."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

HOURS_PER_YEAR = 365 * 24
"""The 365-day year; 365.25 days would give 8,766 h."""

_A: dict[str, Any] = {"ge": 0.0, "le": 1.0, "unit": "fraction", "words": ["availability", "available", "uptime", "up", "nines",
        "reliable"]}


@formula("avail.downtime_h_per_yr", words=["hours of downtime a year", "hours a year", "hours per year", "hours down a year"],
    unit="h/year", cases=[
    Case({"a": 0.99}, {"result": 87.6}, rel=1e-3, source="arithmetic, 365 d"),
    Case({"a": 0.999}, {"result": 8.76}, rel=1e-3, source="arithmetic, 365 d"),
], asks=[
    Ask("How many hours a year is a service at 99.9% down?", "result", 8.76),
    Ask("Our host guarantees 99.5 percent. How many hours of downtime per year is that?", "result", 43.8),
    Ask("A single VM is available 99.7% of the time. How many hours per year is it gone?", "result", 26.28),
])
def downtime_h_per_yr(a: float = param(**_A)) -> float:
    """Expected downtime in hours of a 365-day year at availability a."""
    return (1 - a) * HOURS_PER_YEAR


@formula("avail.downtime_min_per_yr", words=["minutes of downtime a year", "minutes a year", "minutes per year",
        "minutes down a year"], unit="min/year", cases=[
    Case({"a": 0.9999}, {"result": 52.56}, rel=2e-3, source="arithmetic; 52.596 with 365.25 d"),
    Case({"a": 0.99999}, {"result": 5.256}, rel=2e-3, source="arithmetic; 5.260 with 365.25 d"),
], asks=[
    Ask("How many minutes a year is a 99.98% available database down?", "result", 105.12),
    Ask("Five nines: minutes of downtime per year?", "result", 5.256),
    Ask("The load balancer is up 99.995% of the time, how many minutes of downtime a year should I plan with?", "result", 26.28),
])
def downtime_min_per_yr(a: float = param(**_A)) -> float:
    """Expected downtime in minutes of a 365-day year at availability a."""
    return (1 - a) * HOURS_PER_YEAR * 60


@formula("avail.series", words=["all must work", "all needed", "one after the other", "in a row", "chain", "depends on",
        "goes through", "hard dependencies", "in series"], unit="fraction", cases=[
    Case({"a": 0.999, "n": 5}, {"result": 0.99501}, rel=1e-6, source="arithmetic"),
], asks=[
    Ask("8 services in series, each 99.95% available: what is the availability of the whole?", "result", 0.996006993, 1e-06),
    Ask("A checkout goes through six microservices in a row and each of them is up 99.9% of the "
        "time. How available is the checkout?", "result", 0.99401498, 1e-06),
    Ask("My request needs 20 components that must all work, each at four nines. What is left?", "result", 0.998001899, 1e-06),
    Ask("We have 15 hard dependencies with 99.8% uptime each. What availability can I promise at most?", "result", 0.970416382, 1e-06),
])
def series(a: float = param(
        **{**_A, "words": [*_A["words"], "each", "apiece"]}), n: int = param(ge=1, le=10_000, unit="components",
        words=["components", "services", "dependencies",
        "in series", "microservices", "parts", "in a row", "hops", "stages", "each of"])) -> float:
    """Availability of n components that must all work: a**n."""
    return a**n


@formula("avail.parallel", words=["any one", "one is enough", "one suffices", "at least one", "redundant", "in parallel",
        "replicas", "one of them is enough", "either", "independent replicas", "standby"], unit="fraction", cases=[
    Case({"a": 0.99, "n": 2}, {"result": 0.9999}, rel=1e-9, source="independent failures"),
], asks=[
    Ask("3 independent replicas at 99% each and one is enough: what availability?", "result", 0.999999, 1e-09),
    Ask("Two servers behind a load balancer, each up 97% of the time, either can take all the traffic. "
        "How available is the pair?", "result", 0.9991, 1e-06),
    Ask("Each box is up 95%, I run four of them and any one can serve. Availability?", "result", 0.99999375, 1e-07),
    Ask("What availability do two redundant zones at 99.5% give?", "result", 0.999975, 1e-07),
])
def parallel(a: float = param(
        **{**_A, "words": [*_A["words"], "each", "apiece"]}), n: int = param(ge=1, le=1_000, unit="replicas",
        words=["replicas", "copies", "servers", "nodes",
        "in parallel", "boxes", "instances", "zones", "regions", "replicated"])) -> float:
    """Availability of n independent replicas of which one suffices: 1 - (1-a)**n."""
    return 1 - (1 - a) ** n


@formula("avail.parallel_common_cause", words=["common cause", "beta factor", "share of failures", "take all of them down",
        "takes all down", "hit all at once", "hits all replicas", "not independent", "correlated failures"], unit="fraction", cases=[
    Case({"a": 0.99, "n": 2, "beta": 0.1}, {"result": 0.998919}, rel=1e-9, source="beta-factor model"),
], asks=[
    Ask("3 replicas at 99% each, 5% of the failures have a common cause. What availability?", "result", 0.999499143, 1e-06),
    Ask("Two servers with 99.5% uptime each, but 20% of the failures take both down at once. How "
        "available is the pair?", "result", 0.998984, 1e-06),
    Ask("Beta factor 0.1, 4 replicas that are available 98% each: availability of the group?", "result", 0.997999895, 1e-06),
])
def parallel_common_cause(
    a: float = param(
        **{**_A, "words": [*_A["words"], "each", "apiece"]}), n: int = param(ge=1, le=1_000, unit="replicas",
        words=["replicas", "copies", "servers", "nodes", "boxes",
        "instances"]),
    beta: float = param(ge=0.0, le=1.0, unit="fraction", words=["beta", "common cause", "of the failures", "of failures",
        "share of failures", "of all failures", "of the outages", "of outages"]),
) -> float:
    """Availability of n replicas when a share beta of failures takes all of them down at once (beta-factor model)."""
    down = 1 - a
    return max(0.0, 1 - beta * down - ((1 - beta) * down) ** n)


@formula("avail.k_of_n", words=["out of", "must be up", "have to be up", "have to be alive", "must be alive", "have to work",
        "must work", "needed", "at least k", "survives"], unit="fraction", cases=[
    Case({"k": 2, "n": 3, "a": 0.99}, {"result": 0.999702}, rel=1e-7, source="binomial"),
    Case({"k": 3, "n": 5, "a": 0.99}, {"result": 0.99999015}, rel=1e-8, source="binomial (quorum)"),
    Case({"k": 0, "n": 3, "a": 0.9}, {"result": 1.0}, rel=1e-12, source="none is needed"),
], asks=[
    Ask("2 of 3 replicas must be up and each is up 98%. Availability of the group?", "result", 0.998816, 1e-06),
    Ask("A cluster of 6 nodes works while at least 4 are alive; each node is available 99%. How "
        "available is the cluster?", "result", 0.999980446, 1e-07),
    Ask("I have ten workers and need 8 of them, each is up 97 percent of the time. How likely do I "
        "have enough?", "result", 0.997235051, 1e-05),
    Ask("5 boxes, 4 have to be up, every box has 95% uptime: availability?", "result", 0.9774075, 1e-06),
    Ask("Three out of four brokers have to be alive and each of them is alive 97% of the time. How "
        "available is the set?", "result", 0.99481357, 1e-05),
])
def k_of_n(
    k: int = param(ge=0, le=1_000, unit="replicas", words=["needed", "at least", "must be up", "have to be up", "must be alive",
        "have to be alive", "have to work", "must work", "quorum", "are enough", "are required", "suffice", "need"]),
        n: int = param(ge=1, le=1_000, unit="replicas", words=[
        "replicas", "nodes", "members", "servers", "machines", "cluster of", "boxes", "copies", "in total", "disks",
        "workers"]),
    a: float = param(**{**_A, "words": [*_A["words"], "each", "apiece"]}),
) -> float:
    """Availability of a group of n independent members of which at least k must work."""
    if k > n:
        raise ToolError(f"avail.k_of_n: {k} of only {n} members can't work; k must lie between 1 and {n}.")
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
