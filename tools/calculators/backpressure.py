"""A buffer between a fast producer and a slow consumer: backlog, drain, loss. Fluid rates, no single message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, Value, formula, param, tool

IN_RPS: dict[str, Any] = {"ge": 0, "le": 1e12, "unit": "rps",
                       "words": ["in", "arrive", "incoming", "producers send", "produced", "come in", "coming", "keep coming",
        "new ones", "produce", "producers do", "producers", "publish", "published", "sent", "go in", "flow in", "arriving",
        "arrivals", "written"]}
OUT_RPS: dict[str, Any] = {"gt": 0, "le": 1e12, "unit": "rps",
                        "words": ["out", "consume", "consumers handle", "processed", "process", "handle", "can take", "we can",
        "eat", "work off", "read", "consumers do", "throughput", "go out", "flow out", "consumers", "consumer does",
        "consumer handles", "drain", "consumed", "work through", "workers handle", "can do"]}
BACKLOG: dict[str, Any] = {"ge": 0, "le": 1e18, "unit": "messages",
                            "words": ["backlog", "messages", "queued", "behind", "waiting", "piled up", "lag of", "unread",
        "unprocessed", "pending", "messages behind", "are waiting", "jobs", "stuck"]}


@formula("backpressure.backlog", unit="messages", words=["backlog", "piles up", "pile up", "how big is the backlog",
        "messages waiting", "backlog after", "how many messages wait", "queue grows", "backlog grow", "messages are waiting",
        "have piled up"], cases=[
    Case({"in_rps": 12000, "out_rps": 10000, "duration_s": 300}, {"result": 600_000}, rel=1e-12,
         source="2,000/s * 300 s"),
    Case({"in_rps": 9000, "out_rps": 10000, "duration_s": 300}, {"result": 0}, source="the consumer keeps up")], asks=[
    Ask("9k messages a second are produced and we process 7k a second, for 10 minutes: how many pile up?", "result", 1200000.0),
    Ask("Producers send 2,500 a second, consumers handle 2,200 a second. How big is the backlog after 20 minutes?", "result", 360000.0),
    Ask("For half an hour 800 events/s come in while we can process only 500 per second. How many messages "
        "are waiting then?", "result", 540000.0),
])
def backlog(
    in_rps: float = param(**IN_RPS), out_rps: float = param(**OUT_RPS),
    duration_s: float = param(ge=0, le=1e9, unit="s", words=["for", "lasts", "duration", "after", "over", "during", "goes on for",
        "keeps up for"]),
    start: float = param(0.0, **BACKLOG),
) -> float:
    """Messages waiting after a time at constant rates: max(0, start + (in - out) * t)."""
    return max(0.0, start + (in_rps - out_rps) * duration_s)


@formula("backpressure.drain_s", unit="s", words=["drain", "catch up", "work off", "until it is empty", "drained", "caught up",
        "caught up again", "worked off", "empty again", "how long to drain", "clear the backlog", "until the backlog is gone",
        "until we are caught up", "work through the backlog"], cases=[
    Case({"backlog": 600_000, "out_rps": 10_000, "in_rps": 6_000}, {"result": 150}, rel=1e-12,
         source="600,000 / 4,000"),
    Case({"backlog": 600_000, "out_rps": 10_000}, {"result": 60}, rel=1e-12, source="nothing else comes in")], asks=[
    Ask("We are 2 million messages behind, 15k/s come in and the consumers handle 20k/s. When have we "
        "caught up, in seconds?", "result", 400.0),
    Ask("A backlog of 90,000 messages, 400/s come in and 700/s are processed: how many seconds to drain it?", "result", 300.0),
    Ask("There are 1.2 million jobs pending. New ones arrive at 1,000 per second and the workers handle 1,600 "
        "per second. How many seconds until the backlog is gone?", "result", 2000.0),
])
def drain_s(
    backlog: float = param(**BACKLOG), out_rps: float = param(**OUT_RPS), in_rps: float = param(0.0, **IN_RPS),
) -> float:
    """Time to work off a backlog while more comes in: backlog / (out - in)."""
    if backlog and in_rps >= out_rps:
        raise ToolError(f"backpressure.drain_s: {in_rps:g} come in and only {out_rps:g} go out, so the backlog never "
                        "drains.")
    return backlog / (out_rps - in_rps) if backlog else 0.0


class Backpressure(Params):
    in_rps: float = param(12_000.0, ge=0, le=1e9, unit="rps",
                          words=["in", "arrive", "incoming", "surge of", "producers send", "come in", "spike of", "producer", "written",
                                 "messages in", "messages/s in", "events in", "rps in"])
    out_rps: float = param(10_000.0, ge=0.001, le=1e9, unit="rps",
                           words=["out", "consumer handles", "consumers handle", "processed", "consume", "capacity",
                                  "go out", "cap", "process", "handle", "can take", "we can", "eat", "can only", "read"])
    surge_s: float = param(300.0, ge=0, le=604_800, unit="s", words=["surge lasts", "for", "lasts", "surge", "during", "after"])
    after_rps: float = param(6_000.0, ge=0, le=1e9, unit="rps",
                             words=["after", "afterwards", "then", "falls to", "normal rate", "back to", "later"])
    policy: Literal["unbounded", "drop", "block"] = param("unbounded", words=["policy", "when full"],
                                                          help="what a full buffer does; block makes the producer wait")
    buffer_limit: int = param(100_000, ge=0, le=10**12, unit="messages",
                              words=["buffer limit", "buffer of", "bounded at", "queue size", "limit"],
                              help="for drop and block")
    message_bytes: float = param(1_000.0, ge=1, le=1e9, unit="bytes",
                                 words=["message size", "per message", "each message", "bytes"])
    deadline_s: float = param(10.0, ge=0, le=604_800, unit="s",
                              words=["deadline", "stale after", "useless after", "fresh"])


@dataclass(frozen=True)
class Course:
    """What the buffer goes through: its peak, when it is full (None: never), what is lost, held upstream, and stale."""

    peak: float
    full_s: float | None
    dropped: float
    held_back: float
    waiting: float
    """Most messages that wait anywhere, buffer and producer together."""
    stale: float


@tool("backpressure", group="H",
      words=["backpressure", "backlog", "consumer lag", "drain", "catch up", "buffer fills", "surge",
             "unbounded buffer", "producer faster than consumer", "kafka lag"],
      example={"policy": "block", "buffer_limit": 100_000},
      cases=[
          Case({}, {"peak_backlog": 600_000, "drain_s": 150, "peak_lag_s": 60, "buffer_GB": 0.6, "dropped": 0},
               rel=1e-12, source="(12k - 10k) * 300 s; / 4k"),
          Case({"policy": "drop"}, {"peak_backlog": 100_000, "dropped": 500_000, "peak_lag_s": 10, "drain_s": 25},
               rel=1e-12, source="full after 50 s, then 2,000/s for 250 s"),
          Case({"policy": "block"}, {"peak_backlog": 100_000, "held_back": 500_000, "dropped": 0, "drain_s": 150,
                                     "peak_lag_s": 60},
               rel=1e-12, source="the producer holds what the buffer doesn't"),
          Case({"in_rps": 9_000}, {"peak_backlog": 0, "drain_s": 0, "stale_fraction": 0},
               source="the consumer keeps up"),
          Case({"after_rps": 10_000}, {"drain_s": None, "peak_backlog": 600_000}, source="no spare capacity"),
      ],
      asks=[
          Ask("12k messages per second come in, consumers handle 10k rps, for 300 s: how big is the backlog?",
              "peak_backlog", 600_000),
          Ask("A surge of 12k rps for 300 s against 10k rps out, then 6k rps: how many seconds to drain the backlog?",
              "drain_s", 150),
          Ask("What is the peak lag when 15,000 rps arrive for 60 s and the consumer handles 10,000 rps?", "peak_lag_s",
              30),
          Ask("With a buffer of 100,000 messages and policy drop, 12k rps in against 10k rps out for 300 s: how many "
              "are dropped?", "dropped", 500_000),
          Ask("How much memory does an unbounded buffer need for a surge of 20k rps over 10k rps out during 10 "
              "minutes at 2 KB per message?", "buffer_GB", 12),
          Ask("Kafka: 30k messages/s in, consumers do 25k/s; how many seconds is the lag after 10 minutes?", "peak_lag_s", 120),
      ])
def backpressure(p: Backpressure, seed: int) -> ToolResult:
    """What happens between a producer and a slower consumer during and after a surge.

    Fluid rates: `in_rps` for `surge_s`, then `after_rps`; the consumer takes `out_rps`, first in first out. The buffer
    is unbounded, drops what doesn't fit, or blocks the producer (backpressure), which then holds the rest itself.
    Messages that have waited longer than `deadline_s` count as stale.

    People get wrong:
    - An unbounded buffer is backpressure: it is the lack of it. Nobody slows down, memory and lag grow until something
      breaks.
    - When the surge ends all is well: the backlog drains with the spare capacity only, often longer than the surge
      took.
    - Backpressure removes the wait: it moves the wait to the producer, which can shed, degrade or sample; the lag from
      the producer's view is the same. Only dropping shortens it.

    Source: arithmetic of rates; Reactive Streams specification for the term.

    >>> run = backpressure(Backpressure(), 0).values
    >>> run["peak_backlog"], run["drain_s"], run["peak_lag_s"]
    (600000.0, 150.0, 60.0)
    """
    course = _course(p)
    spare = p.out_rps - p.after_rps
    drain = None if spare < 0 or (course.waiting and not spare) else course.waiting / spare if course.waiting else 0.0
    total = p.in_rps * p.surge_s + p.after_rps * (drain or 0.0)
    values: dict[str, Value] = {
        "peak_backlog": course.peak, "peak_lag_s": course.waiting / p.out_rps, "drain_s": drain,
        "buffer_GB": course.peak * p.message_bytes / 1e9, "full_after_s": course.full_s, "dropped": course.dropped,
        "dropped_fraction": course.dropped / total if total else 0.0, "held_back": course.held_back,
        "stale_fraction": min(1.0, course.stale / total) if total else 0.0,
        "late_for_s": p.surge_s + (drain or 0.0) if course.waiting else 0.0}
    units = {"peak_backlog": "messages", "peak_lag_s": "s", "drain_s": "s", "buffer_GB": "GB", "full_after_s": "s",
             "dropped": "messages", "held_back": "messages", "dropped_fraction": "fraction",
             "stale_fraction": "fraction", "late_for_s": "s"}
    return ToolResult(
        tool="backpressure", values=values, units=units, naive={"peak_lag_s": 0.0, "drain_s": 0.0},
        summary="The consumer keeps up: no backlog, no lag." if not course.waiting and drain is not None else
        f"The backlog peaks at {course.peak:,.0f} messages ({values['buffer_GB']:.3g} GB), a message waits up to "
        f"{values['peak_lag_s']:.4g} s"
        + (f", {course.dropped:,.0f} are dropped" if course.dropped else "")
        + (f", the producer holds back {course.held_back:,.0f}" if course.held_back else "")
        + (f"; draining takes {drain:.4g} s after the surge, not none." if drain is not None else
           "; it never drains, as nothing is to spare afterwards."),
        formula="backlog = (in - out) * t; lag = backlog / out; drain = backlog / (out - in after)",
        series=_series(p, course, drain), plot=_plot(p, course, drain),
        assumptions=["constant rates", "first in, first out", "refusing a message costs nothing"],
        warnings=_warnings(p, course, drain),
    )


def _course(p: Backpressure) -> Course:
    growth = p.in_rps - p.out_rps
    whole = max(0.0, growth * p.surge_s)
    limit = float("inf") if p.policy == "unbounded" else float(p.buffer_limit)
    peak = min(whole, limit)
    full = limit / growth if growth > 0 and limit < whole else None
    waiting = whole if p.policy == "block" else peak
    return Course(peak, full, whole - peak if p.policy == "drop" else 0.0, whole - peak if p.policy == "block" else 0.0,
                  waiting, _stale(p, growth, waiting))


def _stale(p: Backpressure, growth: float, waiting: float) -> float:
    """Messages delivered after more than the deadline. While a full buffer drops, only `out_rps` of the arrivals get
    in."""
    over = waiting - p.deadline_s * p.out_rps
    if over <= 0 or growth <= 0:
        return 0.0
    crossed, reached = p.deadline_s * p.out_rps / growth, waiting / growth
    surge = p.in_rps * (reached - crossed) + p.out_rps * (p.surge_s - reached)
    spare = p.out_rps - p.after_rps
    return surge + (p.after_rps * over / spare if spare > 0 else 0.0)


def _series(p: Backpressure, course: Course, drain: float | None) -> dict[str, list[float]]:
    end = p.surge_s + (drain if drain is not None else p.surge_s) * 1.1 + 1
    times = sorted({end * i / 120 for i in range(121)} | {p.surge_s}
                   | ({course.full_s} if course.full_s is not None else set()))
    spare = p.out_rps - p.after_rps
    unbounded, buffered, waiting = [], [], []
    for t in times:
        up, down = min(t, p.surge_s), max(0.0, t - p.surge_s)
        whole = max(0.0, max(0.0, (p.in_rps - p.out_rps) * up) - spare * down)
        held = max(0.0, min(course.waiting, max(0.0, (p.in_rps - p.out_rps) * up)) - spare * down)
        if p.policy == "drop":
            held = min(held, p.buffer_limit)
        unbounded.append(whole)
        waiting.append(held)
        buffered.append(held if p.policy == "unbounded" else min(held, p.buffer_limit))
    return {"second": times, "buffered": buffered, "waiting_anywhere": waiting, "unbounded": unbounded,
            "lag_s": [each / p.out_rps for each in waiting]}


def _plot(p: Backpressure, course: Course, drain: float | None) -> Plot:
    columns = _series(p, course, drain)
    labels = {"buffered": "in the buffer", "waiting_anywhere": "buffer and producer"} | (
        {"unbounded": "unbounded buffer"} if p.policy != "unbounded" else {})
    if columns["buffered"] == columns["waiting_anywhere"]:
        del labels["waiting_anywhere"]
    lines = [Line(label=label, x=list(columns["second"]), y=list(columns[key])) for key, label in labels.items()]
    rise = [(second, held) for second, held in zip(columns["second"], columns["buffered"], strict=True) if second <= p.surge_s]
    hoped = [*rise, (p.surge_s, 0.0), (columns["second"][-1], 0.0)]
    lines.append(Line(label="over with the surge (naive)", dashed=True, x=[at for at, _ in hoped], y=[held for _, held in hoped]))
    after = "stays" if drain is None else f"takes {drain:,.4g} s more to drain"
    return Plot(title=f"After the surge the backlog {after} ({p.policy})" if course.peak else "No surge that the consumer can't take",
                x_label="time (s)", y_label="backlog (messages)", lines=lines,
                marks=[{"axis": "x", "at": p.surge_s, "label": "surge ends"}])


def _warnings(p: Backpressure, course: Course, drain: float | None) -> list[str]:
    found = []
    if drain is None:
        found.append("What comes in after the surge leaves no spare capacity: the backlog stays, or grows.")
    if p.policy == "unbounded" and course.peak:
        found.append("Unbounded means bounded by memory: set a limit and decide what happens when it is reached.")
    return found
