"""Event-time formulas: watermarks, which windows an event belongs to, what fires and what comes too late."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.base import Ask, Case, ToolError, formula, param
from tools.simulators.sessions import sessions
from tools.simulators.windows import Ints, Outcome, fixed, watermark_after

_LIMIT_MS = 10**15
"""Some 31,700 years: sums of three such times still fit into 64 bits."""

_MAX_FIRINGS = 100_000

_EVENTS: dict[str, Any] = {"max_length": 1_000_000, "unit": "ms", "words": ["events", "timestamps"],
                           "help": "event times in order of arrival"}
_BOUND: dict[str, Any] = {"ge": 0, "le": 10**12, "unit": "ms",
                          "words": ["bound", "out of order", "out-of-orderness", "watermark delay", "disorder"]}
_LATENESS: dict[str, Any] = {"ge": 0, "le": 10**12, "unit": "ms", "words": ["lateness", "allowed lateness", "late"]}
_SIZE: dict[str, Any] = {"ge": 1, "le": 10**12, "unit": "ms", "words": ["window", "size", "windows of", "tumbling"]}
_SLIDE: dict[str, Any] = {"ge": 1, "le": 10**12, "unit": "ms", "words": ["slide", "every", "hop", "step"]}
_OFFSET: dict[str, Any] = {"ge": -10**12, "le": 10**12, "unit": "ms", "words": ["offset", "shifted"]}
_TIME: dict[str, Any] = {"ge": -_LIMIT_MS, "le": _LIMIT_MS, "unit": "ms"}

_FLINK = ("Flink: the watermark is the largest time - bound - 1; a window fires at its end - 1; an event is late once "
          "end - 1 + lateness is reached")
_TRACE = [1000, 4000, 3000, 9999, 11000, 7000, 12000, 14999, 15000, 2000, 16000, 8000, 25000, 4000]


@formula("stream.tumbling10s", cases=[
    Case({"events_ms": _TRACE, "bound_ms": 2000, "lateness_ms": 3000},
         {"result": [[["fire", 0, 5], ["fire", 10000, 5]], [2000, 8000, 4000]]}, source=_FLINK),
    Case({"events_ms": _TRACE, "bound_ms": 5000, "lateness_ms": 5000},
         {"result": [[["fire", 0, 5], ["re", 0, 6], ["re", 0, 7], ["fire", 10000, 5]], [4000]]}, source=_FLINK),
    Case({"events_ms": _TRACE, "bound_ms": 0, "lateness_ms": 0},
         {"result": [[["fire", 0, 4], ["fire", 10000, 5]], [7000, 2000, 8000, 4000]]}, source="traced by hand"),
    Case({"events_ms": [0, 11_999], "bound_ms": 2000}, {"result": [[], []]}, source="the watermark is at 9,998"),
    Case({"events_ms": [0, 12_000], "bound_ms": 2000}, {"result": [[["fire", 0, 1]], []]}, source=_FLINK),
    Case({"events_ms": []}, {"result": [[], []]}, source="no event, no window"),
    Case({"events_ms": [12_000, 1000], "bound_ms": 1000, "lateness_ms": 3000}, {"result": [[["fire", 0, 1]], []]},
         source="Flink: a window's first event behind the watermark but within the lateness fires it at once"),
])
def tumbling10s(
    events_ms: tuple[int, ...] = param(**_EVENTS), bound_ms: int = param(0, **_BOUND),
    lateness_ms: int = param(0, **_LATENESS),
) -> list[list[Any]]:
    """Firings [["fire" or "re", start in ms, events], ...] and late event times, for tumbling windows of 10 s.

    "re" is a refiring by an event within the allowed lateness; windows still open when the events end don't fire.
    """
    return _told(_times(events_ms), 10_000, 10_000, bound_ms, lateness_ms, 0)


@formula("stream.tumbling", cases=[
    Case({"events_ms": [0, 59_999, 60_000, 61_000], "size_ms": 60_000}, {"result": [[["fire", 0, 2]], []]},
         source="the watermark reaches 59,999 with the event at 60,000"),
    Case({"events_ms": [0, 5, 9, 10], "size_ms": 10, "offset_ms": 5}, {"result": [[["fire", -5, 1]], []]},
         source=_FLINK),
])
def tumbling(
    events_ms: tuple[int, ...] = param(**_EVENTS), size_ms: int = param(**_SIZE), bound_ms: int = param(0, **_BOUND),
    lateness_ms: int = param(0, **_LATENESS), offset_ms: int = param(0, **_OFFSET),
) -> list[list[Any]]:
    """Firings [["fire" or "re", start in ms, events], ...] and late event times, for tumbling windows of any size."""
    return _told(_times(events_ms), size_ms, size_ms, bound_ms, lateness_ms, offset_ms)


@formula("stream.sliding", cases=[
    Case({"events_ms": [1, 12, 25], "size_ms": 10, "slide_ms": 5}, {
        "result": [[["fire", -5, 1], ["fire", 0, 1], ["fire", 5, 1], ["fire", 10, 1]], []]}, source=_FLINK),
])
def sliding(
    events_ms: tuple[int, ...] = param(**_EVENTS), size_ms: int = param(**_SIZE), slide_ms: int = param(**_SLIDE),
    bound_ms: int = param(0, **_BOUND), lateness_ms: int = param(0, **_LATENESS), offset_ms: int = param(0, **_OFFSET),
) -> list[list[Any]]:
    """Firings [["fire" or "re", start in ms, events], ...] and late event times, for sliding (hopping) windows.

    An event counts as late only if it missed all of its windows; one that missed some is in the others without a word.
    """
    return _told(_times(events_ms), size_ms, slide_ms, bound_ms, lateness_ms, offset_ms)


@formula("stream.session", cases=[
    Case({"events_ms": [0, 5, 30, 60], "gap_ms": 10}, {"result": [[["fire", 0, 15, 2], ["fire", 30, 40, 1]], []]},
         source=_FLINK),
    Case({"events_ms": [0, 10, 25], "gap_ms": 10}, {"result": [[["fire", 0, 20, 2]], []]},
         source="Flink: windows that touch merge"),
])
def session(
    events_ms: tuple[int, ...] = param(**_EVENTS | {"max_length": 300_000}),
    gap_ms: int = param(ge=1, le=10**12, unit="ms", words=["gap", "inactivity", "session"]),
    bound_ms: int = param(0, **_BOUND), lateness_ms: int = param(0, **_LATENESS),
) -> list[list[Any]]:
    """Firings [["fire" or "re", start in ms, end in ms, events], ...] and late event times, for session windows.

    "re" also marks a session of which a part had fired before a later event extended it.
    """
    times = _times(events_ms)
    if not len(times):
        return [[], []]
    return _listed(times, sessions(times, watermark_after(times, bound_ms), gap_ms, lateness_ms), ends=True)


@formula("stream.watermark", words=["watermark"], unit="ms", cases=[
    Case({"events_ms": [1000, 12000, 11000], "bound_ms": 2000}, {"result": 9999}, source=_FLINK),
], asks=[Ask("The largest timestamp so far is 12000 ms and the out-of-orderness bound is 2000 ms: what is the "
             "watermark?", "result", 9999),
    Ask("Events with timestamps 1000, 12000 and 9000 ms were seen and the watermark delay is 3000 ms. Where is the "
        "watermark?", "result", 8999),])
def watermark(
    events_ms: tuple[int, ...] = param(**_EVENTS | {"min_length": 1, "words": ["events", "timestamp", "largest timestamp", "seen"]}),
    bound_ms: int = param(0, **_BOUND),
) -> int:
    """The watermark after some events: the largest time - bound - 1 ms."""
    return max(events_ms) - bound_ms - 1


@formula("stream.watermark_min", unit="ms", cases=[
    Case({"inputs": [9000, 4000]}, {"result": 4000},
         source="Flink: an operator's watermark is the least of its inputs'"),
    Case({"inputs": [9000, 4000, 7000], "idle": [False, True, False]}, {"result": 7000},
         source="Flink: idle inputs are left out"),
], asks=[Ask("Two partitions have watermarks 9000 and 4000. What is the operator's watermark?", "result", 4000)])
def watermark_min(
    inputs: tuple[int, ...] = param(min_length=1, max_length=100_000, unit="ms",
                                    words=["watermarks", "inputs", "partitions"]),
    idle: tuple[bool, ...] = param((), max_length=100_000, words=["idle"],
                                   help="which inputs are marked idle; none if empty"),
) -> int:
    """The watermark of an operator: the least over its inputs that aren't idle (the largest if all are)."""
    if idle and len(idle) != len(inputs):
        raise ToolError(f"stream.watermark_min: idle names {len(idle)} inputs of {len(inputs)}; give one flag for each "
                        f"input.")
    active = [mark for mark, out in zip(inputs, idle or (False,) * len(inputs), strict=True) if not out]
    return min(active) if active else max(inputs)


@formula("stream.sliding_copies", words=["overlapping windows", "how many windows", "windows belong to", "land in"], unit="windows", cases=[
    Case({"size_s": 60, "slide_s": 10}, {"result": 6}, source="size / slide"),
    Case({"size_s": 60, "slide_s": 60}, {"result": 1}, source="a tumbling window"),
    Case({"size_s": 3600, "slide_s": 60}, {"result": 60}, source="size / slide"),
    Case({"size_s": 60, "slide_s": 25}, {"result": 2.4}, rel=1e-12,
         source="size / slide: 2 or 3 windows, 2.4 on average"),
], asks=[Ask("60 s windows that slide every 10 s: in how many windows does each event land?", "result", 6),
         Ask("An hourly window that hops by a minute: how many copies of each event are kept?", "result", 60),
    Ask("Sliding windows of 1 minute with a slide of 15 seconds: how many windows does each click land in?", "result", 4),])
def sliding_copies(
    size_s: float = param(gt=0, le=1e9, unit="s", words=["window", "windows", "size", "long"]),
    slide_s: float = param(gt=0, le=1e9, unit="s", words=["slide", "every", "hop", "hops", "step"]),
) -> float:
    """Windows that each event lands in: size / slide (the average, when the slide doesn't divide the size)."""
    if slide_s > size_s:
        raise ToolError(f"stream.sliding_copies: the slide of {slide_s:g} s is longer than the window of {size_s:g} s; "
                        f"make it at most the size.")
    copies = size_s / slide_s
    return round(copies) if abs(copies - round(copies)) < 1e-9 * copies else copies


@formula("stream.window_starts", unit="ms", cases=[
    Case({"ts_ms": 12_000, "size_ms": 10_000, "slide_ms": 10_000}, {"result": [10_000]}, source="ts - ts mod size"),
    Case({"ts_ms": 12_000, "size_ms": 10_000, "slide_ms": 5_000}, {"result": [10_000, 5_000]}, source=_FLINK),
    Case({"ts_ms": -1, "size_ms": 10_000, "slide_ms": 10_000}, {"result": [-10_000]}, source="windows before 1970 too"),
])
def window_starts(
    ts_ms: int = param(words=["timestamp", "event at", "time"], **_TIME), size_ms: int = param(**_SIZE),
    slide_ms: int = param(**_SLIDE), offset_ms: int = param(0, **_OFFSET),
) -> list[int]:
    """Starts of the windows that an event belongs to, the newest first (slide = size: the one tumbling window)."""
    if size_ms // slide_ms > 100_000:
        raise ToolError("stream.window_starts: that is over 100,000 windows; make the slide longer.")
    newest = (ts_ms - offset_ms) // slide_ms * slide_ms + offset_ms
    return list(range(newest, ts_ms - size_ms, -slide_ms))


@formula("stream.is_late", cases=[
    Case({"ts_ms": 2000, "watermark_ms": 12_999, "size_ms": 10_000, "lateness_ms": 3000}, {"result": True},
         source=_FLINK),
    Case({"ts_ms": 2000, "watermark_ms": 12_998, "size_ms": 10_000, "lateness_ms": 3000}, {"result": False},
         source=_FLINK),
])
def is_late(
    ts_ms: int = param(words=["timestamp", "event at", "time"], **_TIME),
    watermark_ms: int = param(words=["watermark"], **_TIME),
    size_ms: int = param(**_SIZE), lateness_ms: int = param(0, **_LATENESS),
) -> bool:
    """Whether an event is too late for its tumbling window: end - 1 + lateness <= watermark."""
    return ts_ms // size_ms * size_ms + size_ms - 1 + lateness_ms <= watermark_ms


@formula("stream.result_needs_ms", unit="ms", cases=[
    Case({"end_ms": 10_000, "bound_ms": 2000}, {"result": 12_000}, source=_FLINK)], asks=[
    Ask("A window ends at 10 s and the out-of-orderness bound is 2 s. Up to which event time must the stream get "
        "before the first result?", "result", 12000),
])
def result_needs_ms(end_ms: int = param(words=["window ends", "end"], **_TIME),
                    bound_ms: int = param(0, **_BOUND)) -> int:
    """Event time to be seen before a window [.., end) gives its first result: end + bound, lateness or not."""
    return end_ms + bound_ms


@formula("stream.state_kept_until_ms", words=["state kept until"], unit="ms", cases=[
    Case({"end_ms": 10_000, "bound_ms": 2000, "lateness_ms": 3000}, {"result": 15_000}, source=_FLINK)], asks=[
    Ask("A window ends at 60 s, the watermark bound is 5 s, allowed lateness 30 s: until which event time is its "
        "state kept?", "result", 95000),
])
def state_kept_until_ms(
    end_ms: int = param(words=["window ends", "end"], **_TIME), bound_ms: int = param(0, **_BOUND),
    lateness_ms: int = param(0, **_LATENESS),
) -> int:
    """Event time to be seen before a window [.., end) gives up its state: end + bound + lateness."""
    return end_ms + bound_ms + lateness_ms


def _times(events_ms: tuple[int, ...]) -> Ints:
    """As 64-bit integers. Raises ToolError beyond some 31,700 years, where sums of times might overflow."""
    try:
        times = np.array(events_ms, dtype=np.int64)
    except OverflowError:
        times = np.array([2 * _LIMIT_MS])
    if len(times) and (int(times.max()) > _LIMIT_MS or int(times.min()) < -_LIMIT_MS):
        raise ToolError(f"An event time lies beyond {_LIMIT_MS:,} ms; give milliseconds since 1970 or any nearer "
                        f"origin.")
    return times


def _told(times: Ints, size: int, slide: int, bound: int, lateness: int, offset: int) -> list[list[Any]]:
    if not len(times):
        return [[], []]
    return _listed(times, fixed(times, watermark_after(times, bound), size, slide, lateness, offset))


def _listed(times: Ints, outcome: Outcome, ends: bool = False) -> list[list[Any]]:
    if len(outcome.firings.at) > _MAX_FIRINGS:
        raise ToolError(f"The windows fire {len(outcome.firings.at):,} times; at most {_MAX_FIRINGS:,} can be listed: "
                        f"make "
                        "them longer or the trace shorter.")
    return [outcome.firings.rows(ends), times[outcome.late].tolist()]
