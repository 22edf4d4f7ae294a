"""Downtime of groups and chains: the hours a year behind an availability; the availability itself is in availability.py."""

from __future__ import annotations

from typing import Any

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.availability import HOURS_PER_YEAR, k_of_n

_A: dict[str, Any] = {"ge": 0.0, "le": 1.0, "unit": "fraction", "words": ["availability", "available", "uptime", "up", "each", "nines",
                                                                          "apiece"]}


@formula("avail.group_downtime", words=[
    "replicas down", "is the pair down", "all of them down", "are we down", "downtime of the pair", "downtime of the group",
    "group down", "hours a year", "minutes a year", "downtime a year", "both down", "all down at once", "at the same time down",
], cases=[
    Case({"a": 0.99, "n": 2}, {"downtime_h": 0.876, "downtime_min": 52.56, "downtime_s": 3153.6}, rel=1e-9, source="0.01^2 of 8,760 h"),
    Case({"a": 0.99, "n": 3, "needed": 2}, {"downtime_h": 2.61048}, rel=1e-6, source="binomial: 1 - 0.999702"),
    Case({"a": 0.99, "n": 2, "beta": 0.1}, {"downtime_h": 9.46956}, rel=1e-6, source="beta-factor model: 1 - 0.998919"),
], asks=[
    Ask("Two replicas, each available 98% of the time, one is enough. How many hours a year are both down?", "downtime_h", 3.504),
    Ask("4 nodes at 99% each and 3 of them must be up: how many minutes a year is the group down?", "downtime_min", 311.319072),
    Ask("Three servers with 99% uptime each, but 4% of the failures have a common cause and hit all at once. How many hours a year "
        "are we down?", "downtime_h", 3.51175),
    Ask("I keep three copies of a service in different zones, each up 95%, independent, any one will do. How many hours of downtime a "
        "year does the group have?", "downtime_h", 1.095),
])
def group_downtime(
    a: float = param(**_A),
    n: int = param(ge=1, le=1_000, unit="replicas", words=["replicas", "copies", "servers", "nodes", "machines", "boxes", "instances",
                                                           "zones", "regions", "cluster of", "members"]),
    needed: int = param(1, ge=1, le=1_000, unit="count", words=["needed", "at least", "must be up", "have to be up", "must be alive",
                                                                   "quorum", "are required", "need", "is enough", "are enough"]),
    beta: float = param(0.0, ge=0.0, le=1.0, unit="fraction", words=["beta", "beta factor", "common cause", "of the failures",
                                                                     "of failures", "of all failures", "of the outages"]),
) -> dict[str, float]:
    """Downtime and availability in a 365-day year of n replicas of which so many must be up.

    A share beta of the failures may have a common cause that takes all of them down (beta-factor model)."""
    if needed > n:
        raise ToolError(f"avail.group_downtime: {needed} of only {n} replicas can't be up; needed must lie between 1 and {n}.")
    down = 1 - a
    both = beta * down + 1 - float(k_of_n(needed, n, 1 - (1 - beta) * down))
    return _of_a_year(min(1.0, both))


@formula("avail.chain_downtime", words=[
    "chain down", "request fails", "downtime of the chain", "services in series", "in a row", "hours a year", "minutes a year",
    "all must work", "all must be up", "depends on all", "goes through", "one of them is down", "any of them is down",
], cases=[
    Case({"a": 0.999, "n": 5}, {"downtime_h": 43.71249, "downtime_min": 2622.749}, rel=1e-5, source="1 - 0.999^5 of 8,760 h"),
], asks=[
    Ask("Ten services in series, each 99.95% available: how many hours a year is the chain down?", "downtime_h", 43.7015),
    Ask("My request goes through 6 components that all must work, each up 99.99%. How many minutes of downtime a year is that?",
        "downtime_min", 315.28117),
    Ask("A page depends on all of 4 microservices at 99.9% each. How many hours a year is at least one of them down?", "downtime_h",
        34.98748),
])
def chain_downtime(
    a: float = param(**_A),
    n: int = param(ge=1, le=100_000, unit="components", words=["components", "in series", "dependencies", "services", "microservices",
                                                               "in a row", "parts", "hops", "stages"]),
) -> dict[str, float]:
    """Downtime and availability in a 365-day year of n components in series that must all work, each with availability a."""
    return _of_a_year(1 - a**n)


def _of_a_year(down: float) -> dict[str, float]:
    hours = down * HOURS_PER_YEAR
    return {"availability": 1 - down, "downtime_h": hours, "downtime_min": hours * 60, "downtime_s": hours * 3600}
