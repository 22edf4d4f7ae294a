"""A controller that loses watch events, once acting on levels and once on edges. Knows no pod but its count."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, Value, param, tool
from tools.calculators.prose import ACTIONS, told

_EVENT = re.compile(r"^(?:and\s+|then\s+)*(?P<what>scale|crash)\s*(?:to|of|=|:)?\s*(?P<count>\d{1,6})\s*(?:pods?|replicas?)?\s*(?:@|at)\s*"
                    r"(?P<at>\d+(?:\.\d+)?)\s*(?P<unit>ms|min|m|s|)(?:ec(?:ond)?s?|utes?)?$", re.IGNORECASE)
_MS = {"ms": 1, "s": 1_000, "": 1_000, "m": 60_000, "min": 60_000}
Style = Literal["level", "edge"]


class Reconcile(Params):
    events: str = told(param("scale 3@0s, crash 1@10s, scale 5@20s, crash 2@30s, scale 4@40s", max_length=20_000,
                             words=["events", "script"],
                             help="scale N@TIME sets the desired replicas, crash N@TIME kills pods; also scale to N at TIME"), ACTIONS)
    lost: str = param("2, 4", max_length=2_000, words=["lost events", "dropped events", "lose event", "drop event"],
                      help="numbers of events (from 1) that the watch loses")
    duplicated: str = param("", max_length=2_000, words=["duplicated", "delivered twice"],
                            help="numbers of events that arrive twice")
    loss: float = param(0.0, ge=0, le=1, unit="fraction", words=["loss", "chance of loss", "loses", "watch loss"],
                        help="chance that any other event is lost, drawn with the seed")
    delay_ms: int = param(50, ge=0, le=600_000, unit="ms", words=["delay", "watch latency"])
    resync_s: float = param(60.0, ge=0, le=86_400, unit="s", help="re-lists this often, at least 1; 0 means never",
                            words=["resync", "re-list", "relist"])
    horizon_s: float = param(120.0, ge=1, le=86_400, unit="s", words=["horizon", "after", "observe"])


@dataclass(frozen=True)
class Event:
    """`count` is the new number of desired replicas (scale; `was` is the old one) or of pods that die (crash)."""

    at_ms: int
    scale: bool
    count: int
    was: int


@dataclass(frozen=True)
class History:
    """The number of pods after each change, the area between it and what was desired, and whether the end is right."""

    times_ms: list[int]
    pods: list[int]
    gap_pod_s: float
    settled_ms: int | None

    @property
    def final(self) -> int:
        return self.pods[-1]


@tool("reconcile-loop", group="J", kind="simulator", example={"lost": "5", "resync_s": 30},
      words=["reconcile", "reconciliation", "level-triggered", "edge-triggered", "controller", "watch event", "resync",
             "desired state", "lost event", "control loop", "missed event"],
      cases=[
          Case({}, {"desired": 4, "level_pods": 4, "edge_pods": 1, "level_without_resync_pods": 4}, source="by hand"),
          Case({"lost": "5"}, {"level_pods": 4, "level_settled_after_s": 20.0, "level_without_resync_pods": 5,
                               "edge_pods": 5}, source="by hand: the re-list at 60 s repairs the last loss"),
          Case({"lost": ""}, {"level_pods": 4, "edge_pods": 4}, source="with every event both are right"),
          Case({"lost": "", "duplicated": "2"}, {"level_pods": 4, "edge_pods": 5}, source="an edge counted twice"),
      ],
      asks=[
          Ask("With a watch latency of 50 ms and lost crash events, how many pods does an edge-triggered controller "
              "end up with?", "edge_pods", 1),
          Ask("The watch loss is 100% and the controller re-lists every 30 s: how many pods does the level-triggered "
              "controller have in the end?", "level_pods", 4),
          Ask("A controller whose watch loses 100% of the events resyncs every 30 s. How many seconds after the last "
              "event is the state right?", "level_settled_after_s", 20),
          Ask("100% watch loss: with how many pods does the edge-triggered controller end?", "edge_pods", 0),
      ])
def reconcile_loop(p: Reconcile, seed: int) -> ToolResult:
    """Compares a controller that compares desired with actual state (level) with one that applies each event (edge).

    A script sets desired replicas and lets pods crash; the watch delivers each event `delay_ms` later, or loses it, or
    delivers it twice. The level-triggered controller, whenever it wakes, reads both numbers and makes up the
    difference; it also wakes by re-listing every `resync_s`. The edge-triggered one adds what the event says has
    changed and remembers nothing else.

    People get wrong:
    - Controllers act on events: an event only wakes them. That is why a lost or doubled event does no lasting harm.
    - Level-triggered means always right: when the *last* event is lost, nothing wakes the controller until the next one
      or the re-list. Without re-listing it would stay wrong.
    - A controller can count on having seen every state: between two wake-ups the state may have changed twice.

    Source: Kubernetes controller design (level-based reconciliation). A real informer keeps a cache and re-lists when
    its watch breaks; here the controller reads the true state.

    >>> run = reconcile_loop(Reconcile(lost="2, 4"), 0).values
    >>> run["desired"], run["level_pods"], run["edge_pods"]
    (4, 4, 1)
    """
    if 0 < p.resync_s < 1:
        raise ToolError(f"reconcile-loop: resync_s is {p.resync_s:g}; it must be 0 (never) or between 1 and 86400.")
    events = _events(p)
    lost, twice = _numbers(p.lost, "lost"), _numbers(p.duplicated, "duplicated")
    unknown = sorted(number for number in lost | twice if number > len(events))
    lost -= set(unknown)
    rng = np.random.default_rng(seed)
    lost |= {index for index, draw in enumerate(rng.random(len(events)), 1) if draw < p.loss}
    horizon = max(round(p.horizon_s * 1_000), events[-1].at_ms)
    seen = [(event.at_ms + p.delay_ms, event) for index, event in enumerate(events, 1) if index not in lost
            for _ in range(2 if index in twice else 1)]
    resync = round(p.resync_s * 1_000)
    level = _run(events, seen, "level", resync, horizon)
    bare, edge = _run(events, seen, "level", 0, horizon), _run(events, seen, "edge", 0, horizon)
    wanted = next((event.count for event in reversed(events) if event.scale), 0)
    settled = None if level.settled_ms is None else max(0.0, (level.settled_ms - events[-1].at_ms) / 1_000)
    values: dict[str, Value] = {
        "desired": wanted, "level_pods": level.final, "edge_pods": edge.final, "level_without_resync_pods": bare.final,
        "lost_events": len(lost), "level_settled_after_s": settled, "level_gap_pod_s": level.gap_pod_s,
        "edge_gap_pod_s": edge.gap_pod_s, "level_without_resync_gap_pod_s": bare.gap_pod_s}
    return ToolResult(
        tool="reconcile-loop", values=values,
        units={key: "pod-seconds" if "gap" in key else "s" if key.endswith("_s") else "replicas" for key in values},
        naive={"level_pods": edge.final},
        summary=f"Desired are {wanted} pods. With {len(lost)} of {len(events)} events lost the level-triggered "
        f"controller has {level.final} ("
        + (f"right {settled:g} s after the last event" if settled is not None else "not settled yet")
        + f"); applying each event would end with {edge.final}. Distance over time: {level.gap_pod_s:.1f} against "
        f"{edge.gap_pod_s:.1f} pod-seconds.",
        formula="level: pods += desired - pods at every wake-up; edge: pods += change named by the event",
        series={"level_time_s": [at / 1_000 for at in level.times_ms], "level": list(level.pods),
                "edge_time_s": [at / 1_000 for at in edge.times_ms], "edge": list(edge.pods)},
        plot=_plot(events, level, bare, edge, horizon),
        assumptions=["pods are made and removed at once", "waking up reads the true state", "events keep their order"],
        warnings=_warnings(level.final == wanted, unknown),
    )


def _warnings(right: bool, unknown: list[int]) -> list[str]:
    said = [] if right else ["The level-triggered controller is wrong until its next wake-up; a shorter resync_s or a "
                             "longer horizon_s shows it converge."]
    if unknown:
        said.append(f"There are no events {', '.join(map(str, unknown))}; those numbers are ignored.")
    return said


def _run(events: list[Event], seen: list[tuple[int, Event]], style: Style, resync: int, horizon: int) -> History:
    """Plays the world and one controller. At one moment the world moves first, then the controller."""
    queue: list[tuple[int, int, Event | None]] = [(event.at_ms, 0, event) for event in events]
    queue += [(at, 1, event) for at, event in seen]
    queue += [(at, 2, None) for at in range(resync, horizon + 1, resync)] if resync else []
    pods = desired = last = 0
    gap = 0
    settled: int | None = 0
    times, counts = [0], [0]
    for at, source, event in sorted(queue, key=lambda item: item[:2]):
        if at > horizon:
            break
        gap += abs(pods - desired) * (at - last)
        last, before = at, pods == desired
        if source == 0 and event is not None:
            desired = event.count if event.scale else desired
            pods = pods if event.scale else max(0, pods - event.count)
        elif style == "level":
            pods = desired
        elif event is not None:
            pods = max(0, pods + (event.count - event.was if event.scale else event.count))
        settled = None if pods != desired else settled if before else at
        if pods != counts[-1]:
            times.append(at)
            counts.append(pods)
    gap += abs(pods - desired) * (horizon - last)
    return History([*times, horizon], [*counts, pods], gap / 1_000, settled)


def _events(p: Reconcile) -> list[Event]:
    found = []
    for piece in filter(None, (each.strip() for each in re.split(r"[,;\n]|\band (?=scale|crash)", p.events))):
        match = _EVENT.match(piece)
        if match is None:
            raise ToolError(f"reconcile-loop: can't read the event {piece[:40]!r}; write it like scale 3@0s or "
                            "crash 1@10s.")
        at = round(float(match["at"]) * _MS[match["unit"].lower()])
        if at > 86_400_000:
            raise ToolError(f"reconcile-loop: the event {piece[:40]!r} comes after more than a day; at most 86400 s.")
        found.append((at, match["what"].lower() == "scale", int(match["count"])))
    if not 1 <= len(found) <= 1_000:
        raise ToolError(f"reconcile-loop: there are {len(found)} events; give between 1 and 1000.")
    found.sort(key=lambda each: each[0])
    events, desired = [], 0
    for at, scale, count in found:
        events.append(Event(at, scale, count, desired))
        desired = count if scale else desired
    return events


def _numbers(text: str, name: str) -> set[int]:
    words = [word for word in re.split(r"[,\s]+", text) if word]
    if any(not re.fullmatch(r"[1-9]\d{0,8}", word) for word in words):
        raise ToolError(f"reconcile-loop: {name} can't be {text[:40]!r}; give numbers of events, counted from 1.")
    return {int(word) for word in words}


def _plot(events: list[Event], level: History, bare: History, edge: History, horizon: int) -> Plot:
    """A row for what is desired and one for each controller: how many pods there are, and when that is wrong."""
    wanted = [(0, 0), *((event.at_ms, event.count) for event in events if event.scale)]
    rows = {"level-triggered": level, "level, no re-list": bare, "edge-triggered (naive)": edge}
    bars: dict[str, list[tuple[float, str, float, str]]] = {"desired": [], "as desired": [], "not as desired": []}
    for at, end, count, _ in _stretches(wanted, wanted, horizon):
        bars["desired"].append((at / 1_000, "desired", end / 1_000, f"{count:,}"))
    for row, history in rows.items():
        for at, end, count, right in _stretches(list(zip(history.times_ms, history.pods, strict=True)), wanted, horizon):
            bars["as desired" if right else "not as desired"].append((at / 1_000, row, end / 1_000, f"{count:,}"))
    return Plot(title="Level-triggered with a re-list converges, whatever event is lost",
                x_label="time (s); in the bars: pods", y_label="controller", lines=[
        Line(label=label, kind="gantt", dashed=label.startswith("not"), x=[bar[0] for bar in found], y=[bar[1] for bar in found],
             x2=[bar[2] for bar in found], notes=[bar[3] for bar in found]) for label, found in bars.items() if found])


def _stretches(pods: list[tuple[int, int]], wanted: list[tuple[int, int]], horizon: int) -> list[tuple[int, int, int, bool]]:
    """(start, end, pods, whether so many are desired) for each stretch of time in which neither number changes, in ms."""
    moments = sorted({at for at, _ in pods + wanted if at < horizon} | {horizon})
    have, want = dict(pods), dict(wanted)  # of changes at one moment the last counts
    count = goal = 0
    found: list[tuple[int, int, int, bool]] = []
    for at, end in zip(moments, moments[1:], strict=False):
        count, goal = have.get(at, count), want.get(at, goal)
        if found and found[-1][2:] == (count, count == goal):
            at = found.pop()[0]
        found.append((at, end, count, count == goal))
    return found
