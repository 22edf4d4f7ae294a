"""Nines in everyday terms: downtime by period, repair times, and how many replicas or nines a goal asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tools.base import Ask, Case, ToolError, formula, param

_A: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["availability", "available", "uptime", "nines"]}
_GOAL: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["goal", "target", "overall", "reach", "want", "promise",
                                                                         "together", "from a", "whole"]}
_HOURS: dict[str, Any] = {"gt": 0, "le": 1e9, "unit": "h"}


@formula("avail.nines", words=["how many nines", "number of nines", "nines is that", "nines does that make", "in nines"], unit="count",
    cases=[
    Case({"a": 0.999}, {"result": 3.0}, rel=1e-9, source="-log10(1 - a)"),
], asks=[
    Ask("How many nines is an availability of 99.95%?", "result", 3.30103),
    Ask("My uptime was 99.2 percent last quarter, how many nines is that?", "result", 2.09691001),
    Ask("We are up 99.997% of the time. What is that as a number of nines?", "result", 4.52287875),
])
def nines(a: float = param(ge=0, lt=1, unit="fraction", words=["availability", "uptime"])) -> float:
    """Number of nines of an availability: -log10(1 - a)."""
    return -math.log10(1 - a)


@formula("avail.of_nines", words=["nines as a percentage", "percent is that", "in percent", "as a percentage"], unit="fraction", cases=[
    Case({"nines": 5}, {"result": 0.99999}, rel=1e-12, source="1 - 10^-nines"),
], asks=[
    Ask("Which availability belongs to 2.5 nines?", "result", 0.996837722, 1e-06),
    Ask("What availability in percent are 4 nines?", "result", 0.9999, 1e-06),
])
def of_nines(nines: float = param(ge=0, le=15, unit="nines", words=["nines"])) -> float:
    """Availability that has so many nines: 1 - 10^-nines."""
    return 1 - 10**-nines


@formula("avail.downtime_min", words=["minutes of downtime", "minutes down"],
    unit="min", cases=[
    Case({"a": 0.999, "days": 30}, {"result": 43.2}, rel=1e-9, source="arithmetic"),
    Case({"a": 0.9999, "days": 365.25}, {"result": 52.596}, rel=1e-9, source="arithmetic"),
], asks=[Ask("Four nines: how long may we be down in a quarter of 90 days, in minutes?", "result", 12.96),
    Ask("How many minutes of downtime in 7 days does 99.9% availability mean?", "result", 10.08),
    Ask("At 99.95% uptime, how many minutes of downtime is that in a month of 30 days?", "result", 21.6),
    Ask("My provider promises 99.8%. How many minutes down does that allow in a week?", "result", 20.16),
])
def downtime_min(a: float = param(**_A), days: float = param(30.0, gt=0, le=36_600, unit="days", words=["days", "day", "week",
        "month", "year"])) -> float:
    """Expected downtime in minutes of so many days: (1 - a) * days * 1440."""
    return (1 - a) * days * 1440


@formula("avail.downtime_h", words=["hours of downtime", "hours down"],
    unit="h", cases=[
    Case({"a": 0.99, "days": 365}, {"result": 87.6}, rel=1e-9, source="arithmetic"),
], asks=[
    Ask("How many hours of downtime in 90 days does 99.5% allow?", "result", 10.8),
    Ask("How many hours may a 98% available batch cluster be down in a 30 day month?", "result", 14.4),
    Ask("We measured 99.7% availability. How many hours of downtime is that in 182 days?", "result", 13.104),
])
def downtime_h(a: float = param(**_A), days: float = param(365.0, gt=0, le=36_600, unit="days", words=["days", "day", "week", "month",
        "year"])) -> float:
    """Expected downtime in hours of so many days: (1 - a) * days * 24."""
    return (1 - a) * days * 24


@formula("avail.downtime_s", unit="s", words=["seconds of downtime", "seconds down"], cases=[
    Case({"a": 0.9999, "days": 1}, {"result": 8.64}, rel=1e-9, source="arithmetic"),
], asks=[Ask("How many seconds of downtime a week does 99.999% allow?", "result", 6.048),
    Ask("99.99% uptime in a 28 day month: how many seconds down?", "result", 241.92),
    Ask("How many seconds may a service at 99.95% be down in one day?", "result", 43.2),
])
def downtime_s(a: float = param(**_A), days: float = param(gt=0, le=36_600, unit="days", words=["days", "day", "week", "month",
                                                                                                "year"])) -> float:
    """Expected downtime in seconds of so many days: (1 - a) * days * 86400."""
    return (1 - a) * days * 86_400


@formula("avail.fleet_failures", unit="failures", words=[
    "failures in a fleet", "fleet", "how many fail", "disks fail", "failures a year", "failures per day", "mtbf of one",
            "expected failures",
], cases=[
    Case({"parts": 10_000, "mtbf_h": 1.2e6, "days": 365}, {"result": 73.0}, rel=1e-12, source="10,000 * 8,760 h / 1.2e6 h"),
], asks=[
    Ask("A fleet of 4,000 machines with an MTBF of 20,000 hours each: how many failures in a day?", "result", 4.8),
    Ask("Disk MTBF is 1 million hours. How many of our 50,000 disks fail in 30 days?", "result", 36.0),
    Ask("We run 600 GPUs, one of them fails every 40,000 hours. How many failures do we expect in a week?", "result", 2.52),
])
def fleet_failures(
    parts: float = param(gt=0, le=1e12, unit="parts", words=["machines", "disks", "servers", "fleet of", "nodes", "gpus", "parts",
                                                             "drives"]),
    mtbf_h: float = param(words=["mtbf", "mttf", "fails every", "between failures", "once every"], **_HOURS),
    days: float = param(gt=0, le=36_600, unit="days", words=["days", "day", "week", "month", "year", "in a", "per", "a year"]),
) -> float:
    """Failures expected in a fleet in so many days: parts * days * 24 / mtbf."""
    return parts * days * 24 / mtbf_h


@formula("avail.from_downtime", words=["was down", "we were down", "down for", "uptime were we at", "hours of downtime"],
    unit="fraction", cases=[
    Case({"down_min": 43.2, "days": 30}, {"result": 0.999}, rel=1e-12, source="arithmetic"),
], asks=[
    Ask("The site was down for 3 hours in the last 90 days. Which availability is that?", "result", 0.998611, 1e-05),
    Ask("90 minutes of downtime in a 30 day month: what uptime do we have?", "result", 0.997917, 1e-05),
    Ask("We were offline for 26 minutes in one week. What uptime is that?", "result", 0.997420635, 1e-05),
])
def from_downtime(
    down_min: float = param(ge=0, le=1e9, unit="min", words=["downtime", "down", "outage", "offline", "unavailable"]),
    days: float = param(30.0, gt=0, le=36_600, unit="days", words=["days", "day", "week", "month", "year"]),
) -> float:
    """Availability of so many days with down_min minutes of downtime."""
    if down_min > days * 1440:
        raise ToolError(f"avail.from_downtime: {down_min:g} min of downtime don't fit into {days:g} days; give more days.")
    return 1 - down_min / (days * 1440)


@formula("avail.mtbf", words=["fails every", "mean time between failures", "mtbf", "mttr", "time to repair", "mean time to repair"],
    unit="fraction", cases=[
    Case({"mtbf_h": 999, "mttr_h": 1}, {"result": 0.999}, rel=1e-12, source="arithmetic"),
], asks=[Ask("MTBF is 30 days and MTTR 45 minutes. Availability?", "result", 0.998959, 1e-05),
    Ask("A node fails every 1,000 h and takes 2 h to repair: what availability?", "result", 0.998004),
    Ask("A switch breaks every 2 years and it takes 6 hours to replace it. How available is it?", "result", 0.999657651, 1e-06),
])
def mtbf(
    mtbf_h: float = param(words=["mtbf", "mttf", "fails every", "between failures", "breaks every", "crashes every", "dies every",
                                 "once every"], **_HOURS),
    mttr_h: float = param(ge=0, le=1e9, unit="h", words=["mttr", "repair", "recover", "to fix", "to replace", "back up", "takes"]),
) -> float:
    """Availability of a part that works mtbf_h hours and is then repaired for mttr_h: mtbf / (mtbf + mttr)."""
    return mtbf_h / (mtbf_h + mttr_h)


@formula("avail.series_of", words=["all needed", "all must work", "all must be up", "all of them", "overall uptime", "depends on all",
         "in series"],
    unit="fraction", cases=[
    Case({"a": [0.999, 0.9995, 0.99]}, {"result": 0.999 * 0.9995 * 0.99}, rel=1e-12, source="product"),
], asks=[
    Ask("A request needs the gateway at 99.95%, the app at 99.9% and the database at 99.99%, and all "
        "must be up. Overall?", "result", 0.99840055, 1e-06),
    Ask("The page needs DNS at 99.99%, a CDN at 99.9% and an API at 99.5%; all must work. What "
        "uptime is that together?", "result", 0.993905599, 1e-06),
])
def series_of(a: tuple[float, ...] = param(min_length=1, max_length=1000, words=["availabilities", "all needed", "all must",
                                                                                 "must all", "all have to", "overall", "in series",
                                                                            "each in turn"])) -> float:
    """Availability of parts that must all work, each with its own availability: their product."""
    return math.prod(_checked("avail.series_of", a))


@formula("avail.parallel_of", words=["either one", "one of them is enough", "either of them", "alternatives"],
    unit="fraction", cases=[
    Case({"a": [0.99, 0.9]}, {"result": 0.999}, rel=1e-12, source="1 - product of the unavailabilities"),
], asks=[
    Ask("Two providers, one up 99.5% and the other 98% of the time; either one is enough. Availability?", "result", 0.9999, 1e-06),
    Ask("The primary link is up 99% of the time and the standby 90%; one of them is enough. How "
        "available are we?", "result", 0.999, 1e-06),
])
def parallel_of(a: tuple[float, ...] = param(min_length=1, max_length=1000, words=["availabilities", "either", "one suffices",
                                                                                   "one is enough", "any one",
                                                                              "in parallel", "alternatives", "standby"])) -> float:
    """Availability of independent alternatives of which one suffices, each with its own availability."""
    return 1 - math.prod(1 - each for each in _checked("avail.parallel_of", a))


@formula("avail.needed_each", words=["must each be", "must each have", "each must be", "how good must each", "how reliable must each",
         "each service needs"],
    unit="fraction", cases=[
    Case({"target": 0.999, "n": 5}, {"result": 0.999**0.2}, rel=1e-12, source="n-th root"),
], asks=[Ask("To promise 99.95% overall with 12 services in a row, how good must each service be?", "result", 0.9999583, 1e-06),
    Ask("Which availability must each of 30 components in series have for 99.9% overall?", "result", 0.99996665),
    Ask("The boss wants 99.9% for the whole chain of 8 microservices. How good must each be?", "result", 0.999874945, 1e-06),
])
def needed_each(
    target: float = param(**_GOAL),
    n: int = param(ge=1, le=100_000, unit="components", words=["components", "in series", "dependencies", "services", "chain",
                                                               "in a row", "parts", "microservices"]),
) -> float:
    """Availability that each of n parts in series needs so that together they reach the target: target^(1/n)."""
    return float(target ** (1 / n))


@formula("avail.replicas_needed", words=["how many replicas", "how many copies", "replicas do i need", "replicas needed",
        "machines do i need", "how many machines", "in parallel", "independent", "how many servers", "copies are needed",
        "replicas for"],
    unit="replicas", cases=[
    Case({"a": 0.99, "target": 0.9999}, {"result": 2}, source="1 - 0.01^2"),
    Case({"a": 0.9, "target": 0.9999}, {"result": 4}, source="1 - 0.1^4"),
], asks=[
    Ask("Each replica is up 95% of the time. How many replicas do I need for three nines?", "result", 3.0),
    Ask("One copy is available 98% of the time and I want five nines, independent failures. How many copies do I need?", "result", 3.0),
    Ask("Target 99.99% and each node is up 90%: how many replicas are needed?", "result", 4.0),
])
def replicas_needed(
    a: float = param(gt=0, lt=1, unit="fraction", words=["availability", "each", "up", "is up", "replica"]),
    target: float = param(**_GOAL),
) -> int:
    """Fewest independent replicas, of which one suffices, that reach the target (common causes forbid it in practice)."""
    return max(1, math.ceil(math.log(1 - target) / math.log(1 - a) - 1e-9))


def _checked(name: str, each: Sequence[float]) -> Sequence[float]:
    wrong = [a for a in each if not 0 <= a <= 1]
    if wrong:
        raise ToolError(f"{name}: {wrong[0]:g} is no availability; each must lie between 0 and 1.")
    return each
