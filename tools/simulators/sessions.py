"""Session windows by Flink's rules: windows of one key that merge while events are at most a gap apart.

Most sessions are counted by array; only those that a late event could have split are replayed event by event.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from tools.base import ToolError
from tools.simulators.windows import Bools, Firings, Ints, Outcome, watermark_before

MAX_EVENTS = 300_000


@dataclass(frozen=True)
class _Window:
    """A merged window [start, end) with what it holds; `emitted`: a result of it, or of a part of it, has come out;
    `due`: the watermark has yet to fire it."""

    start: int
    end: int
    count: int
    opened: int
    emitted: bool = False
    due: bool = True


@dataclass(frozen=True)
class _Emission:
    at: int
    by_watermark: bool
    again: bool
    start: int
    end: int
    count: int


def sessions(times: Ints, after: Ints, gap: int, lateness: int = 0, flush: bool = False) -> Outcome:
    """Sessions over one or more events in order of arrival.

    Each event opens [t, t + gap); windows that overlap or touch merge. A window fires when the watermark reaches its last
    millisecond and is dropped once the watermark has reached that plus `lateness`; an event is late if its window is past
    that and touches no live one. A later event can extend a session that has fired: the longer one fires again. Other
    arguments and the result as for `windows.fixed`. Raises ToolError over MAX_EVENTS events.
    """
    n = len(times)
    if n > MAX_EVENTS:
        raise ToolError(f"The trace has {n:,} events; sessions take at most {MAX_EVENTS:,}.")
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    begins = np.concatenate([[True], np.diff(ordered) > gap])
    cluster = np.cumsum(begins) - 1
    edges = np.append(np.flatnonzero(begins), n)
    clean = _unsplit(ordered, watermark_before(after)[order], cluster, edges, gap)
    start, end = ordered[edges[:-1]][clean], ordered[edges[1:] - 1][clean] + gap
    opened = np.minimum.reduceat(order, edges[:-1])[clean]
    done = [_Window(*each) for each in zip(start.tolist(), end.tolist(), np.diff(edges)[clean].tolist(), opened.tolist(),
                                           strict=True)]
    fires_at = np.searchsorted(after, end - 1).tolist()
    emitted = [_Emission(min(at, n), True, False, each.start, each.end, each.count)
               for each, at in zip(done, fires_at, strict=True) if at < n or flush]
    unfired, late = 0 if flush else sum(at >= n for at in fires_at), []
    for which in np.flatnonzero(~clean).tolist():
        mine = np.sort(order[edges[which]:edges[which + 1]])
        replay = _Replay(gap, lateness, after)
        replay.run(mine.tolist(), times[mine].tolist(), watermark_before(after)[mine].tolist(), flush)
        done, emitted, late = done + replay.done, emitted + replay.emitted, late + replay.late
        unfired += 0 if flush else sum(each.due for each in replay.done)
    return Outcome(_firings(emitted), np.sort(np.array(late, dtype=np.int64)), len(late), unfired,
                   _column(each.opened for each in done),
                   np.searchsorted(after, _column(each.end for each in done) - 1 + lateness),
                   _column(each.count for each in done))


def _unsplit(ordered: Ints, met: Ints, cluster: Ints, edges: Ints, gap: int) -> Bools:
    """For each cluster of neighbours whether it fires once and whole: no part of it was due before the neighbour that
    extends it had come, nor the whole before its last event had. `met` is the watermark that each event met."""
    last = ordered[edges[1:] - 1] + gap - 1
    extended = np.append(met[1:] < ordered[:-1] + gap - 1, True)
    extended[edges[1:] - 1] = True
    split = ~extended | (met >= last[cluster])
    return np.bincount(cluster[split], minlength=len(last)) == 0


class _Replay:
    """One cluster, event by event."""

    def __init__(self, gap: int, lateness: int, after: Ints) -> None:
        self.gap, self.lateness, self.after = gap, lateness, after
        self.live: list[_Window] = []
        self.starts: list[int] = []
        self.done: list[_Window] = []
        self.emitted: list[_Emission] = []
        self.late: list[int] = []

    def run(self, events: list[int], times: list[int], met: list[int], flush: bool) -> None:
        for event, time, watermark in zip(events, times, met, strict=True):
            self._advance(watermark)
            self._add(event, time, watermark)
        self._advance(2**62 if flush else int(self.after[-1]))
        self.done += self.live

    def _advance(self, watermark: int) -> None:
        """Live windows never touch, so they lie in order of their ends too."""
        gone = 0
        for place, each in enumerate(self.live):
            if each.end - 1 > watermark:
                break
            if each.due:
                at = int(np.searchsorted(self.after, each.end - 1))
                self.emitted.append(_Emission(at, True, each.emitted, each.start, each.end, each.count))
                self.live[place] = replace(each, emitted=True, due=False)
            gone += each.end - 1 + self.lateness <= watermark
        self.done += self.live[:gone]
        del self.live[:gone], self.starts[:gone]

    def _add(self, event: int, time: int, watermark: int) -> None:
        until = bisect_right(self.starts, time + self.gap)
        since = until
        while since and self.live[since - 1].end >= time:
            since -= 1
        met = self.live[since:until]
        end = max([time + self.gap, *(each.end for each in met)])
        if not met and end - 1 + self.lateness <= watermark:
            self.late.append(event)
            return
        merged = _Window(min([time, *(each.start for each in met)]), end, 1 + sum(each.count for each in met),
                         min([event, *(each.opened for each in met)]), any(each.emitted for each in met), end - 1 > watermark)
        if not merged.due:
            self.emitted.append(_Emission(event, False, merged.emitted, merged.start, end, merged.count))
            merged = replace(merged, emitted=True)
        self.live[since:until], self.starts[since:until] = [merged], [merged.start]


def _firings(emitted: list[_Emission]) -> Firings:
    emitted = sorted(emitted, key=lambda each: (each.at, each.by_watermark, each.end))
    return Firings(_column(each.at for each in emitted), np.array([each.again for each in emitted], dtype=np.bool_),
                   _column(each.start for each in emitted), _column(each.end for each in emitted),
                   _column(each.count for each in emitted))


def _column(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int64)
