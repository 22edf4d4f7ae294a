"""The ladder of latencies from L1 to another continent; knows orders of magnitude, not any machine's own figures."""

from __future__ import annotations

import math
import re
from typing import Literal, get_args

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

Operation = Literal[
    "L1 cache", "branch mispredict", "L2 cache", "mutex", "main memory", "compress 1 KB", "send 1 KB over 1 Gbps",
    "SSD random read", "1 MB from memory", "datacenter round trip", "1 MB from SSD", "disk seek", "1 MB from disk",
    "California-Europe round trip", "fibre round trip"]

LADDER_NS: dict[str, float] = dict(zip(get_args(Operation), (
    0.5, 5.0, 7.0, 25.0, 100.0, 3_000.0, 10_000.0, 150_000.0, 250_000.0, 500_000.0, 1_000_000.0, 10_000_000.0, 20_000_000.0,
    150_000_000.0), strict=False))
"""J. Dean's list (after P. Norvig, "Teach Yourself Programming in Ten Years") in its edition of 2012. Since then: L1 about
1 ns (4-5 cycles), SSD random read about 100 µs, 1 MB from memory some 10 µs; memory, round trips and seeks as they were."""

_KEYWORDS: tuple[tuple[str, str], ...] = (
    (r"\bl1\b", "L1 cache"), (r"\bl2\b", "L2 cache"), (r"branch|mispredict", "branch mispredict"), (r"mutex|lock", "mutex"),
    (r"compress|zippy|snappy", "compress 1 KB"), (r"(1|one) ?(mb|megabyte).*(memory|ram)|sequential.*memory", "1 MB from memory"),
    (r"(1|one) ?(mb|megabyte).*ssd|sequential.*ssd", "1 MB from SSD"),
    (r"(1|one) ?(mb|megabyte).*dis[ck]|sequential.*dis[ck]", "1 MB from disk"), (r"ssd|nvme|flash", "SSD random read"),
    (r"dis[ck]|seek|spindle|hdd", "disk seek"), (r"send.*(1k|1 ?kb|2k)|(1k|1 ?kb|2k).*(network|gbps)", "send 1 KB over 1 Gbps"),
    (r"memory|dram|\bram\b", "main memory"),
    (r"\b(ca|california|europe|netherlands|eu|(trans)?atlantic|(inter|cross|trans)[- ]?continent(al|s)?|overseas)\b",
     "California-Europe round trip"),
    (r"data ?cent(er|re)|\bdc\b|same zone|in.?zone", "datacenter round trip"))

FIBRE_KM_PER_S = 200_000.0
"""Light in glass at a refractive index of about 1.5: two thirds of its speed in vacuum."""

_UNIT_NS = {"ns": 1.0, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9}


@formula("boe.latency", cases=[
    Case({"op": "main memory reference", "unit": "ns"}, {"result": 100}, rel=1.0, shown=True,
         source="J. Dean's list, order of magnitude"),
    Case({"op": "L1 reference", "unit": "ns"}, {"result": 0.5}, rel=2.0, shown=True,
         source="J. Dean's list of 2012; today 4-5 cycles, about 1 ns"),
    Case({"op": "round trip within same datacenter", "unit": "ms"}, {"result": 0.5}, rel=1.0, shown=True,
         source="J. Dean's list, order of magnitude"),
])
def latency(
    op: str = param(max_length=120, words=["operation"]), unit: str = param("ns", max_length=20),
) -> float:
    """Latency of a named operation in the unit asked for (ns, us, ms, s): an order of magnitude."""
    if unit.strip() not in _UNIT_NS:
        raise ToolError(f"boe.latency: {unit!r} is no unit of time here; write ns, us, ms or s.")
    return LADDER_NS[_operation(op)] / _UNIT_NS[unit.strip()]


@formula("boe.fibre_rtt_ms", words=["round trip over fibre", "lowest round trip", "light in glass", "speed of light",
        "lower bound of the round trip", "lowest possible round trip", "cable between"], unit="ms", cases=[
    Case({"km": 9000}, {"result": 90}, rel=1e-12, source="2 * 9,000 km / 200,000 km/s"),
], asks=[Ask("What round trip must 9,000 km of fibre take at the least, in ms?", "result", 90),
    Ask("The data centres are 4,200 km apart by fibre, what is the lowest possible round trip in ms?", "result", 42.0),
    Ask("A cable of 1,300 km connects two regions. How many ms does light in fibre need for a round trip at the least?", "result", 13.0),
])
def fibre_rtt_ms(
    km: float = param(ge=0, le=1e6, unit="km", words=["distance", "km", "fibre", "fiber", "apart", "cable", "long", "kilometres",
        "away"]),
    km_per_s: float = param(FIBRE_KM_PER_S, gt=0, le=299_792.458, unit="km/s", words=["speed of light", "km per second",
        "light covers", "light travels"]),
) -> float:
    """Lower bound of a round trip over fibre in milliseconds: twice the distance at two thirds of light's speed."""
    return 2 * km / km_per_s * 1000


class LatencyLadder(Params):
    operation: Operation = param("main memory", words=["operation", "reference", "read", "round trip", "seek"])
    count: int = param(1, ge=1, le=1_000_000_000, unit="count",
                       words=["times", "references", "reads", "seeks", "round trips", "calls", "lookups", "misses"])
    mode: Literal["serial", "parallel"] = param("serial", words=["in parallel", "one after another", "sequentially"])
    width: int = param(10, ge=1, le=1_000_000, unit="count", words=["at once", "at a time", "in flight", "wide"],
                       help="how many run at once in parallel mode")
    distance_km: float = param(9_000.0, ge=0, le=40_000, unit="km", words=["km", "distance", "apart", "kilometres"],
                               help="for the fibre round trip only")


@tool("latency-ladder", group="A", words=["latency numbers", "how long does a memory reference take", "disk seek", "SSD read",
                                          "round trip", "L1", "DRAM", "speed of light", "fibre"],
      example={"operation": "disk seek", "count": 1000},
      cases=[Case({"operation": "main memory", "count": 1}, {"total_ns": 100}, rel=1.0, shown=True,
                  source="J. Dean's list, order of magnitude"),
             Case({"operation": "datacenter round trip", "count": 1}, {"total_ms": 0.5}, rel=1.0, shown=True,
                  source="J. Dean's list, order of magnitude"),
             Case({"operation": "fibre round trip", "distance_km": 9000, "count": 1}, {"total_ms": 90}, rel=1e-12,
                  source="2 * 9,000 km / 200,000 km/s"),
             Case({"operation": "fibre round trip", "distance_km": 1000, "count": 25, "mode": "parallel", "width": 10},
                  {"total_ms": 30}, rel=1e-12, source="three rounds of 10 ms")],
      asks=[Ask("How long do 1,000 disk seeks take one after another, in ms?", "total_ms", 10_000),
            Ask("What does one main memory reference cost in ns? I mean a count of 1 times.", "total_ns", 100),
            Ask("How many ms does a million SSD random reads take, one after the other?", "total_ms", 150_000),
            Ask("A request makes 20 round trips: each a datacenter round trip, in serial. How many ms?", "total_ms", 10),
            Ask("64 SSD random read lookups in parallel, 16 at a time: how many ms?", "total_ms", 0.6),
            Ask("One fibre round trip, 1 times, over 5,600 km: the minimum in ms?", "total_ms", 56)])
def latency_ladder(p: LatencyLadder, seed: int) -> ToolResult:
    """What an operation costs, alone and repeated, on the ladder from L1 cache to another continent.

    A run of operations takes count times the latency in series, or ceil(count / width) times in parallel. The
    analogue stretches a nanosecond to a second, so that memory is under two minutes away and Europe almost five years.
    The figures are orders of magnitude from J. Dean's list (edition of 2012); the fibre round trip is physics: twice
    the distance at 200,000 km/s, a floor that no software lowers.

    People get wrong: µs and ms. Memory answers in 0.1 µs (100 ns), not 0.1 ms; that slip is a factor of 1,000. And
    "disk 10 ms" is a spinning disk's seek: an SSD reads a random block in about 0.1 ms.

    Sources: J. Dean / P. Norvig, "Latency numbers every programmer should know" (2012); arithmetic for fibre.

    >>> latency_ladder(LatencyLadder(operation="fibre round trip", count=1, distance_km=9000), 0).values["total_ms"]
    90.0
    """
    ladder = {**LADDER_NS, "fibre round trip": fibre_rtt_ms(p.distance_km, FIBRE_KM_PER_S) * 1e6}
    each = ladder[p.operation]
    rounds = p.count if p.mode == "serial" else math.ceil(p.count / p.width)
    total = each * rounds
    slip = total * 1000
    names = sorted(ladder, key=lambda name: ladder[name])
    drawn = [name for name in names if ladder[name] > 0]
    how = "one after another" if p.mode == "serial" else f"{p.width:,} at a time"
    return ToolResult(
        tool="latency-ladder",
        values={"each_ns": each, "total_ns": total, "total_ms": total / 1e6, "human_s": total, "rounds": rounds},
        units={"each_ns": "ns", "total_ns": "ns", "total_ms": "ms", "human_s": "s", "rounds": "count"},
        naive={"total_ms": slip / 1e6},
        summary=f"{p.count:,} x {p.operation} {how}: {_time(total)} (at a second for each ns: {_time(total * 1e9)}). A slip "
        f"of µs for ms would say {_time(slip)}.",
        formula="total = latency * count (serial) or latency * ceil(count / width) (parallel); fibre = 2 * km / 200000 km/s",
        series={"operation": list(names), "latency_ns": [ladder[name] for name in names]},
        plot=Plot(title="The latency ladder: over eight powers of ten from cache to ocean", x_label="operation",
                  y_label="latency (ns)", log_y=True, lines=[
            Line(label="once", kind="bar", x=list(drawn), y=[ladder[name] for name in drawn],
                 notes=[_time(ladder[name]) for name in drawn]),
            Line(label="with a µs/ms slip (naive)", kind="scatter", x=list(drawn), y=[ladder[name] * 1e3 for name in drawn],
                 dashed=True)]),
        assumptions=["orders of magnitude of 2012, nothing measured here", "no queueing: a busy device takes longer",
                     "in parallel, each round takes as long as one operation"],
        warnings=["Fan-out waits for the slowest: in parallel the tail, not the typical latency, decides."]
        if p.mode == "parallel" and p.count > 1 else [],
    )


def _operation(text: str) -> str:
    exact = next((name for name in LADDER_NS if name.lower() == text.strip().lower()), None)
    found = exact or next((name for pattern, name in _KEYWORDS if re.search(pattern, text.lower())), None)
    if found is None:
        raise ToolError(f"boe.latency doesn't know {text!r}; it has {', '.join(LADDER_NS)}.")
    return found


def _time(ns: float) -> str:
    for size, name in ((365 * 86_400e9, "years"), (86_400e9, "days"), (3_600e9, "h"), (60e9, "min"), (1e9, "s"), (1e6, "ms"),
                       (1e3, "µs")):
        if ns >= size:
            return f"{ns / size:,.4g} {name}"
    return f"{ns:.4g} ns"
