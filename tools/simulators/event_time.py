"""The event-time lab: out-of-order events through windows with a watermark, against the clock on the wall."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.prose import EVENTS, told
from tools.prose.event_times import find_events
from tools.simulators.event_trace import Lag, Stream, generate, parse_events
from tools.simulators.sessions import sessions
from tools.simulators.windows import BEFORE_ALL, Ints, Outcome, fixed, watermark_of_inputs

_TRACE = "1000, 4000, 3000, 9999, 11000, 7000, 12000, 14999, 15000, 2000, 16000, 8000, 25000, 4000"
_FLINK = "Flink's rules: watermark = largest time - bound - 1; fire at end - 1; late once end - 1 + lateness is reached"


class EventTime(Params):
    source: Literal["list", "generated"] = param("list", words=["source", "events from"])
    events: str = told(param(_TRACE, max_length=200_000, words=["events", "timestamps", "trace"],
                             help="TIME@ARRIVAL#INPUT entries in order of arrival, in ms or like 3s or 10:03; used when source is "
                                  "list"), EVENTS, find_events)
    window: Literal["tumbling", "sliding", "session"] = param("tumbling",
                                                              words=["window type", "window", "kind of window"])
    size_s: float = param(10.0, ge=0.001, le=1e7, unit="s", words=["window", "windows", "size", "tumbling", "long"])
    slide_s: float = param(5.0, ge=0.001, le=1e7, unit="s", words=["slide", "slides", "sliding by", "hop", "every"])
    gap_s: float = param(5.0, ge=0.001, le=1e7, unit="s", words=["gap", "session gap", "inactivity"])
    bound_s: float = param(2.0, ge=0.0, le=1e6, unit="s",
                           words=["bound", "out-of-orderness", "out of order", "watermark delay", "watermark lag",
                                  "disorder", "watermark", "behind", "trails"])
    lateness_s: float = param(0.0, ge=0.0, le=1e6, unit="s", words=["lateness", "allowed lateness"])
    inputs: int = param(1, ge=1, le=32, unit="count", words=["partitions", "inputs", "splits", "channels", "sources"])
    idle_inputs: int = param(0, ge=0, le=31, unit="count",
                             words=["idle", "idle partitions", "silent", "idle partition"])
    idle_timeout_s: float = param(0.0, ge=0.0, le=1e6, unit="s",
                                  help="an input silent for so long is left out; 0 means never",
                                  words=["idle timeout", "idleness", "timeout"])
    rate_per_s: float = param(20.0, ge=1e-6, le=1e5, unit="rps", words=["events per second", "rate", "events a second"])
    duration_s: float = param(60.0, ge=1e-6, le=1e6, unit="s", words=["duration", "for", "lasting"])
    lag: Lag = param("exponential", words=["lag", "delay distribution"], help="how events are delayed when generated")
    mean_lag_s: float = param(2.0, ge=0.0, le=1e5, unit="s", words=["mean lag", "lag", "average delay", "delayed by"])
    end_of_stream: bool = param(False, words=["end of stream", "bounded stream", "bounded source", "finite stream"],
                                help="the source ends and closes every window")


@tool("event-time", group="C", kind="simulator",
      words=["watermark", "event time", "late events", "allowed lateness", "tumbling window", "sliding window",
             "session window", "out of order", "idle partition", "windows fire", "dropped as late", "windows close"],
      example={"bound_s": 5, "lateness_s": 5},
      cases=[
          Case({"lateness_s": 3}, {"fired": 2, "refired": 0, "late_events": 3}, source=_FLINK),
          Case({"bound_s": 5, "lateness_s": 5}, {"fired": 2, "refired": 2, "late_events": 1}, source=_FLINK),
          Case({"inputs": 4, "idle_inputs": 1}, {"fired": 0, "late_events": 0},
               source="the watermark is the least of the inputs'"),
          Case({"window": "sliding", "size_s": 60, "slide_s": 10}, {"copies_per_event": 6}, source="size / slide"),
      ],
      asks=[
          Ask("60 s windows that slide every 10 s: in how many windows does one event land?", "copies_per_event", 6),
          Ask("How long after the end of a 10 s window does its first result come with a watermark bound of 5 s and an "
              "allowed lateness of 1 min?", "earliest_result_after_end_s", 5),
          Ask("Tumbling windows, out-of-orderness 5 s, allowed lateness 60 s: for how long after its end is a window's "
              "state kept?", "state_kept_after_end_s", 65),
          Ask("One of 4 partitions is idle and there is no idle timeout. How many windows fire?", "fired", 0),
      ])
def event_time(p: EventTime, seed: int) -> ToolResult:
    """Sends out-of-order events through event-time windows: what fires, refires, comes too late, stays in memory.

    The watermark follows the largest event time by `bound_s` (and 1 ms); with several inputs it is the least of theirs.
    A window fires when the watermark reaches its last millisecond, fires again for each event that still comes within
    `lateness_s`, and then gives up its state; what comes later goes to the side output. Events are a list (times in ms,
    `3s@5s#1` happened at 3 s, arrived at 5 s through input 1) or generated at a steady rate with a random lag. An event
    that misses only some of its sliding windows is in no side output. Everything is in whole milliseconds.

    People get wrong:
    - "More allowed lateness delays the result": the bound delays results, lateness delays only the clean-up (and
      refires). The naive arm is the result's delay if windows waited for the lateness too.
    - "Watermarks make results correct": they are a guess at how late events may be; whatever is later still is dropped.
    - "An idle partition does no harm": it holds the least watermark, so nothing fires at all until it is marked idle.
    - Processing time: `misplaced_events` counts those that the wall clock would have put into another window.

    Sources: Apache Flink's BoundedOutOfOrdernessWatermarks, EventTimeTrigger, WindowOperator and TimeWindow (sessions
    that touch merge). Kafka Streams has no watermark: it uses stream time plus a grace period.

    >>> run = event_time(EventTime(bound_s=5, lateness_s=5), 0)
    >>> run.series["kind"], run.series["count"], run.values["late_events"]
    (['fire', 're', 're', 'fire'], [5, 6, 7, 5], 1)
    """
    active = p.inputs - p.idle_inputs
    if active < 1:
        raise ToolError(f"event-time: idle_inputs is {p.idle_inputs} of {p.inputs} inputs; at least one must send "
                        f"events.")
    stream = (parse_events(p.events, active) if p.source == "list" else
              generate(p.rate_per_s, p.duration_s, p.lag, p.mean_lag_s * 1_000, active, seed))
    bound, lateness = round(p.bound_s * 1_000), round(p.lateness_s * 1_000)
    marks = [watermark_of_inputs(stream.times, stream.arrivals, stream.inputs, p.inputs, each,
                                 round(p.idle_timeout_s * 1_000)) for each in (bound, bound + lateness)]
    run = _windows(p, stream, marks[0], lateness)
    waiting = _windows(p, stream, marks[1], 0)
    values = _values(p, stream, run, marks[0])
    naive_delay = _delays(stream, waiting)[0]
    return ToolResult(
        tool="event-time", values=values, units={key: _unit(key) for key in values},
        naive={"mean_result_delay_s": naive_delay, "earliest_result_after_end_s": p.bound_s + p.lateness_s,
               "late_events": 0},
        summary=_summary(p, values, naive_delay),
        formula="watermark = min over inputs(max time - bound - 1 ms); fire: watermark >= end - 1; late: watermark >= "
                "end - 1 + lateness",
        series=_series(stream, run), plot=_plot(stream, run, marks[0]),
        assumptions=["the watermark moves with every event (Flink sends one every 200 ms unless told otherwise)",
                     "all events have one key; the window keeps each event" if p.window == "session" else
                     "all events have one key; each window keeps its own copy of an event",
                     "that an input is idle is noticed with the next event of another"],
        warnings=_warnings(p, run, values))


def _windows(p: EventTime, stream: Stream, after: Ints, lateness: int) -> Outcome:
    if p.window == "session":
        return sessions(stream.times, after, round(p.gap_s * 1_000), lateness, p.end_of_stream)
    size = round(p.size_s * 1_000)
    slide = size if p.window == "tumbling" else round(p.slide_s * 1_000)
    return fixed(stream.times, after, size, slide, lateness, 0, p.end_of_stream)


def _values(p: EventTime, stream: Stream, run: Outcome, after: Ints) -> dict[str, Any]:
    windows, held = _state(len(stream), run)
    mean_delay, max_delay = _delays(stream, run)
    fired = int((~run.firings.again).sum())
    size = round(p.size_s * 1_000)
    misplaced = int((stream.times // size != stream.arrivals // size).sum())
    last = int(after[-1])
    copies = {"tumbling": 1.0, "sliding": p.size_s / p.slide_s, "session": 1.0}[p.window]
    return {
        "events": len(stream), "fired": fired, "refired": len(run.firings.again) - fired, "late_events": len(run.late),
        "late_share": len(run.late) / len(stream), "late_copies": run.late_copies, "unfired_windows": run.unfired,
        "mean_result_delay_s": mean_delay, "max_result_delay_s": max_delay, "earliest_result_after_end_s": p.bound_s,
        "state_kept_after_end_s": p.bound_s + p.lateness_s, "peak_open_windows": int(windows.max()),
        "peak_events_in_state": int(held.max()), "copies_per_event": round(copies, 9),
        "misplaced_events": None if p.window == "session" else misplaced,
        "watermark_s": None if last <= BEFORE_ALL else last / 1_000}


def _delays(stream: Stream, run: Outcome) -> tuple[float | None, float | None]:
    """Mean and largest time from a window's end to the arrival of the event that let it fire for the first time."""
    first = ~run.firings.again & (run.firings.at < len(stream))
    if not first.any():
        return None, None
    delay = (stream.arrivals[run.firings.at[first]] - run.firings.end[first]) / 1_000
    return float(delay.mean()), float(delay.max())


def _state(n: int, run: Outcome) -> tuple[Ints, Ints]:
    """Open windows and events held after each event (a window counts all its events from its first on)."""
    windows, held = np.zeros(n + 1, dtype=np.int64), np.zeros(n + 1, dtype=np.int64)
    for at, sign in ((run.opened, 1), (np.minimum(run.cleaned, n), -1)):
        np.add.at(windows, at, sign)
        np.add.at(held, at, sign * run.held)
    return np.cumsum(windows), np.cumsum(held)


def _series(stream: Stream, run: Outcome) -> dict[str, list[Any]]:
    """The first 2,000 firings, and the state at up to 400 moments."""
    shown = run.firings.taken(np.arange(min(len(run.firings.at), 2_000)))
    moments = np.unique(np.linspace(0, len(stream) - 1, min(len(stream), 400)).astype(np.int64))
    windows, held = _state(len(stream), run)
    at = np.append(stream.arrivals, stream.arrivals[-1])[shown.at] / 1_000
    return {"kind": ["re" if again else "fire" for again in shown.again.tolist()],
            "start_s": (shown.start / 1_000).tolist(),
            "end_s": (shown.end / 1_000).tolist(), "count": shown.count.tolist(), "emitted_at_s": at.tolist(),
            "late_time_s": (stream.times[run.late[:2_000]] / 1_000).tolist(),
            "moment_s": (stream.arrivals[moments] / 1_000).tolist(),
            "open_windows": windows[moments].tolist(), "events_in_state": held[moments].tolist()}


def _plot(stream: Stream, run: Outcome, after: Ints) -> Plot:
    shown = np.unique(np.linspace(0, len(stream) - 1, min(len(stream), 400)).astype(np.int64))
    late = np.zeros(len(stream), dtype=np.bool_)
    late[run.late] = True
    lines = []
    for label, which in (("in a window", shown[~late[shown]]), ("too late", run.late[:: max(len(run.late) // 400, 1)])):
        lines.append(Line(label=label, kind="scatter", x=(stream.arrivals[which] / 1_000).tolist(),
                          y=(stream.times[which] / 1_000).tolist()))
    known = shown[after[shown] > BEFORE_ALL]
    lines.append(Line(label="watermark", kind="step", x=(stream.arrivals[known] / 1_000).tolist(),
                      y=(after[known] / 1_000).tolist()))
    ends = [float(stream.arrivals[0]) / 1_000, float(stream.arrivals[-1]) / 1_000]
    lines.append(Line(label="no lag at all (naive)", x=list(ends), y=list(ends), dashed=True))
    return Plot(title="The watermark decides which events come too late", x_label="arrival, processing time (s)",
                y_label="event time (s)",
                lines=lines)


def _summary(p: EventTime, values: dict[str, Any], naive_delay: float | None) -> str:
    start = (f"{values['fired']:,} windows fire and {values['refired']:,} firings correct one; "
             f"{values['late_events']:,} of {values['events']:,} events come too late for any window.")
    if values["mean_result_delay_s"] is None:
        return f"{start} No result comes at all: the watermark never passes a window's end."
    return (f"{start} A result comes {values['mean_result_delay_s']:.3g} s after its window's end on average; the "
            f"allowed lateness of {p.lateness_s:g} s adds nothing to that"
            + (f", though people expect {naive_delay:.3g} s." if naive_delay is not None else ": if windows waited for "
                                                                                              "it, none "
               "would have fired yet."))


def _warnings(p: EventTime, run: Outcome, values: dict[str, Any]) -> list[str]:
    said = []
    if p.idle_inputs and not p.idle_timeout_s:
        said.append(f"{p.idle_inputs} of {p.inputs} inputs never send anything and no idle timeout is set: the "
                    f"watermark stands still and every window is frozen.")
    if values["late_copies"] > len(run.late):
        said.append(f"{values['late_copies'] - len(run.late):,} copies missed a sliding window without a trace: the "
                    f"events are in another of their windows, so they are in no side output.")
    if p.source == "generated" and p.lag == "pareto":
        said.append("The Pareto lag has no finite variance: no bound catches nearly all events.")
    return said


def _unit(key: str) -> str:
    return {"events": "events", "late_events": "events", "misplaced_events": "events", "peak_events_in_state": "events",
            "late_share": "fraction"}.get(key, "s" if key.endswith("_s") else "count")
