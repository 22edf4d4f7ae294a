"""Counts over a short list of event times as a learner writes them: sessions, late events, partitions. Plays no windows itself."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.prose import EVENTS, told
from tools.prose.event_times import find_events
from tools.simulators.event_trace import parse_events
from tools.simulators.windows import fixed, watermark_after

_EVENTS: dict[str, Any] = {"max_length": 20_000, "words": ["events", "timestamps", "clicks", "page views"],
                           "help": "times in order of arrival, such as 10:00, 10:03 or 1 s, 4 s"}


@formula("stream.session_count", words=["sessions", "how many sessions", "inactivity", "silence"], cases=[
    Case({"events": "10:00, 10:03, 10:04, 10:20 and 10:22", "gap_s": 300}, {"sessions": 2, "largest": 3, "longest_s": 240},
         source="the silence from 10:04 to 10:20 is longer than 5 min"),
    Case({"events": "0, 10, 25 s", "gap_s": 10}, {"sessions": 2, "largest": 2}, source="Flink: windows that touch merge"),
    Case({"events": "25 s, 0 s, 10 s", "gap_s": 10}, {"sessions": 2}, source="order of arrival doesn't matter in the end"),
], asks=[
    Ask("Sessions with a gap of 5 minutes: a user clicks at 10:00, 10:03, 10:04, 10:20 and 10:22. How many sessions "
        "are there?", "sessions", 2),
    Ask("Page views at 08:00, 08:20, 09:10, 09:15, 11:00 and sessions that close after 30 min of silence: how many "
        "sessions?", "sessions", 3),
])
def session_count(
    events: str = told(param(**_EVENTS), EVENTS, find_events),
    gap_s: float = param(gt=0, le=1e9, unit="s", words=["gap", "inactivity", "silence", "timeout", "idle for", "session"]),
) -> dict[str, Any]:
    """Sessions of one user once all events are in: a new one begins after a silence longer than the gap.

    Formula: 1 + the number of neighbours in time that lie more than the gap apart (Flink merges windows that touch). `largest`
    is the most events in one session, `longest_s` the longest time between a session's first and last event."""
    times = sorted(parse_events(events, 1).times.tolist())
    starts = [0, *(at for at in range(1, len(times)) if times[at] - times[at - 1] > gap_s * 1_000), len(times)]
    parts = [times[low:high] for low, high in zip(starts, starts[1:], strict=False)]
    return {"sessions": len(parts), "largest": max(len(part) for part in parts),
            "longest_s": max(part[-1] - part[0] for part in parts) / 1_000}


@formula("stream.late_events", words=["late events", "dropped as late", "too late", "events are late", "in that order",
                                       "arrive in the order", "in order of arrival", "windows fire"], cases=[
    Case({"events": "1000, 4000, 3000, 9999, 11000, 7000, 12000, 14999, 15000, 2000, 16000, 8000, 25000, 4000", "size_s": 10,
          "bound_s": 2, "lateness_s": 3}, {"late": 3, "fired": 2, "refired": 0},
         source="Flink: late once end - 1 + lateness <= the largest time - bound - 1"),
    Case({"events": "1 s, 4 s, 12 s, 3 s, 25 s", "size_s": 10}, {"late": 1, "fired": 2, "open": 1, "counts": [2, 1, 1]},
         source="12 s closes the first window"),
    Case({"events": "1 s, 9 s, 13 s, 5 s", "size_s": 10, "bound_s": 2, "lateness_s": 5}, {"late": 0, "refired": 1},
         source="5 s comes within the allowed lateness: its window fires again"),
], asks=[
    Ask("Events arrive in the order 1 s, 4 s, 12 s, 3 s, 25 s. Tumbling windows of 10 s without bound or allowed "
        "lateness: how many events are late?", "late", 1),
    Ask("Tumbling windows of 10 s, bound 2 s, allowed lateness 0 s, events at 1000, 9000, 13000, 5000 ms in that "
        "order: how many are dropped as late?", "late", 1),
    Ask("Flink, tumbling event-time windows of 10 s, bounded out-of-orderness of 2 s, no allowed lateness. Timestamps in seconds, in the "
        "order they arrive: 1, 4, 12, 8, 15, 9, 23, 18. How many events are dropped as late?", "late", 3),
    Ask("Event times 2, 6, 11, 4, 13, 17, 5 (seconds) arrive in that order, tumbling windows of 5 s and a watermark delay of 1 s: how "
        "many windows fire?", "fired", 3),
])
def late_events(
    events: str = told(param(**_EVENTS), EVENTS, find_events),
    size_s: float = param(ge=0.001, le=1e7, unit="s", words=["window", "windows", "size", "tumbling", "windows of"]),
    bound_s: float = param(0.0, ge=0, le=1e6, unit="s",
                           words=["bound", "out-of-orderness", "out of order", "watermark delay", "disorder", "watermark",
                                  "behind", "trails"]),
    lateness_s: float = param(0.0, ge=0, le=1e6, unit="s", words=["lateness", "allowed lateness", "allowed"]),
) -> dict[str, Any]:
    """Events that come too late for their tumbling window, and how often windows fire and fire again (Flink's rules).

    Watermark = largest time so far - bound - 1 ms; an event is late once end - 1 + lateness <= watermark. Windows that are `open`
    when the list ends have not fired; `counts` are the events in each window that has some, by time."""
    times = parse_events(events, 1).times
    size = round(size_s * 1_000)
    outcome = fixed(times, watermark_after(times, round(bound_s * 1_000)), size, size, round(lateness_s * 1_000), 0)
    kinds = [row[0] for row in outcome.firings.rows(False)]
    kept = np.ones(len(times), dtype=bool)
    kept[outcome.late] = False
    counts = Counter((times[kept] // size).tolist())
    return {"late": len(times[outcome.late]), "fired": kinds.count("fire"), "refired": kinds.count("re"),
            "open": len(counts) - kinds.count("fire"), "counts": [counts[place] for place in sorted(counts)]}


@formula("stream.partitions_needed", unit="partitions", words=["partitions", "how many partitions"], cases=[
    Case({"rate": 50_000, "per_partition": 4_000}, {"result": 13}, source="12.5, rounded up"),
    Case({"rate": 50_000, "per_partition": 4_000, "headroom": 1.5}, {"result": 19}, source="18.75, rounded up"),
], asks=[
    Ask("50k messages per second arrive and one consumer handles 4k per second: how many partitions does the topic need?",
        "result", 13),
    Ask("How many partitions for a peak of 120,000 events per second if each partition's consumer processes 8,000 per second?",
        "result", 15),
])
def partitions_needed(
    rate: float = param(ge=0, le=1e12, unit="rps", words=["arrive", "peak", "incoming", "produced", "events per second", "rate"]),
    per_partition: float = param(gt=0, le=1e12, unit="rps", words=["each partition", "per partition", "one consumer",
                                                                   "each consumer", "handles", "processes"]),
    headroom: float = param(1.0, ge=1, le=100, unit="count", words=["headroom", "spare", "growth"]),
) -> int:
    """Partitions that a topic needs, as each is read by one consumer of a group at a time: rate * headroom / per partition,
    rounded up."""
    wanted = rate * headroom / per_partition
    if wanted > 1e9:
        raise ToolError("stream.partitions_needed: that is over 10^9 partitions; check the rates.")
    return max(1, math.ceil(wanted - 1e-9))
