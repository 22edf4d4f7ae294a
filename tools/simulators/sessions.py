"""Session windows by Flink's rules: windows of one key that merge while events are at most a gap apart.

Most sessions are counted by array; only those that a late event could have split are replayed event by event.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tools.base import ToolError
from tools.simulators.windows import BEFORE_ALL, Bools, Firings, Ints, Outcome, in_order, joined, watermark_before

MAX_EVENTS = 300_000


@dataclass(slots=True)
class _Window:
    """A merged window [start, end) with what it holds; `emitted`: a result of it, or of a part of it, has come out;
    `due`: the watermark has yet to fire it. Mutable, for it lives in the one loop that is hot."""

    start: int
    end: int
    count: int
    opened: int
    emitted: bool = False
    due: bool = True


def sessions(times: Ints, after: Ints, gap: int, lateness: int = 0, flush: bool = False) -> Outcome:
    """Sessions over one or more events in order of arrival.

    Each event opens [t, t + gap); windows that overlap or touch merge. A window fires when the watermark reaches its
    last millisecond and is dropped once the watermark has reached that plus `lateness`; an event is late if its window
    is past that and touches no live one. A later event can extend a session that has fired: the longer one fires again.
    Other arguments and the result as for `windows.fixed`. Raises ToolError over MAX_EVENTS events. """
    n = len(times)
    if n > MAX_EVENTS:
        raise ToolError(f"The trace has {n:,} events; sessions take at most {MAX_EVENTS:,}.")
    order, met = np.argsort(times, kind="stable"), watermark_before(after)
    ordered = times[order]
    begins = np.concatenate([[True], np.diff(ordered) > gap])
    edges = np.append(np.flatnonzero(begins), n)
    cluster = np.cumsum(begins) - 1
    clean = _unsplit(ordered, met[order], cluster, edges, gap)
    start, end = ordered[edges[:-1]][clean], ordered[edges[1:] - 1][clean] + gap
    fires_at = np.searchsorted(after, end - 1)
    fires = (fires_at < n) | flush
    whole = Firings(np.minimum(fires_at, n)[fires], np.zeros(int(fires.sum()), dtype=np.bool_), start[fires],
                    end[fires],
                    np.diff(edges)[clean][fires])
    replay = _Replay(gap, lateness)
    split = np.flatnonzero(~clean[cluster])
    by_cluster = order[split][np.lexsort((order[split], cluster[split]))]
    events, at, marks = by_cluster.tolist(), times[by_cluster].tolist(), met[by_cluster].tolist()
    until = 0
    for length in np.diff(edges)[~clean].tolist():
        since, until = until, until + length
        replay.run(events[since:until], at[since:until], marks[since:until], 2**62 if flush else int(after[-1]))
    done = replay.done
    by_mark = _firings([(-1, *each) for each in replay.by_watermark])
    by_mark = replace(by_mark, at=np.searchsorted(after, by_mark.end - 1))
    return Outcome(in_order(_firings(sorted(replay.by_event)), joined(whole, by_mark)),
                   np.sort(np.array(replay.late, dtype=np.int64)), len(replay.late),
                   0 if flush else int((~fires).sum()) + sum(each.due for each in done),
                   np.append(np.minimum.reduceat(order, edges[:-1])[clean], _column([each.opened for each in done])),
                   np.searchsorted(after, np.append(end, _column([each.end for each in done])) - 1 + lateness),
                   np.append(np.diff(edges)[clean], _column([each.count for each in done])))


def _unsplit(ordered: Ints, met: Ints, cluster: Ints, edges: Ints, gap: int) -> Bools:
    """For each cluster of neighbours whether it fires once and whole: no part of it was due before an event that extends it
    had come, nor the whole before its last event had. `met` is the watermark that each event met."""
    last = ordered[edges[1:] - 1] + gap - 1
    extended = np.append(met[1:] < ordered[:-1] + gap - 1, True)
    extended[edges[1:] - 1] = True
    doubtful = np.flatnonzero(~extended)  # the next event came too late, but one after it may have kept the session open
    if len(doubtful):
        reach = ordered[doubtful] + gap
        extended[doubtful] = _least(met, doubtful + 1, np.searchsorted(ordered, reach, "right")) < reach - 1
    split = ~extended | (met >= last[cluster])
    whole: Bools = np.bincount(cluster[split], minlength=len(last)) == 0
    return whole


def _least(values: Ints, since: Ints, until: Ints) -> Ints:
    """The least of values[since:until] for each pair: ranges are covered by two that are a power of two long."""
    power = np.frexp(until - since)[1] - 1
    least = np.empty(len(since), dtype=np.int64)
    for each in range(int(power.max()) + 1):
        here = power == each
        least[here] = np.minimum(values[since[here]], values[until[here] - 2**each])
        values = np.minimum(values[:-(2**each)], values[2**each:])  # from here each stands for twice as many
    return least


class _Replay:
    """Clusters that may be split, event by event, one after the other. Emissions are (again, start, end, count), those
    by an event with its index before them."""

    def __init__(self, gap: int, lateness: int) -> None:
        self.gap, self.lateness = gap, lateness
        # live windows never touch, so they lie in order of their starts and of their ends; those whose end the
        # watermark has reached have fired
        self.live: list[_Window] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.mark = BEFORE_ALL
        self.done: list[_Window] = []
        self.by_watermark: list[tuple[bool, int, int, int]] = []
        self.by_event: list[tuple[int, bool, int, int, int]] = []
        self.late: list[int] = []

    def run(self, events: list[int], times: list[int], met: list[int], final: int) -> None:
        self.mark = BEFORE_ALL
        for event, time, watermark in zip(events, times, met, strict=True):
            if watermark > self.mark:
                self._advance(watermark)
            self._add(event, time, watermark)
        self._advance(final)
        self._retire(len(self.live))

    def _advance(self, watermark: int) -> None:
        for each in self.live[bisect_right(self.ends, self.mark + 1):bisect_right(self.ends, watermark + 1)]:
            self.by_watermark.append((each.emitted, each.start, each.end, each.count))
            each.emitted, each.due = True, False
        self.mark = watermark
        self._retire(bisect_right(self.ends, watermark + 1 - self.lateness))

    def _retire(self, count: int) -> None:
        if count:
            self.done += self.live[:count]
            del self.live[:count], self.starts[:count], self.ends[:count]

    def _add(self, event: int, time: int, watermark: int) -> None:
        until = since = bisect_right(self.starts, time + self.gap)
        while since and self.live[since - 1].end >= time:
            since -= 1
        if since == until:
            if time + self.gap - 1 + self.lateness <= watermark:
                self.late.append(event)
                return
            merged = _Window(time, time + self.gap, 0, event)
            self.live.insert(since, merged)
            self.starts.insert(since, time)
            self.ends.insert(since, merged.end)
        else:
            merged = self._merge(since, until, time)
        merged.count += 1
        merged.due = merged.end - 1 > watermark
        if not merged.due:
            self.by_event.append((event, merged.emitted, merged.start, merged.end, merged.count))
            merged.emitted = True

    def _merge(self, since: int, until: int, time: int) -> _Window:
        """The live windows from `since` to `until` made one that also spans the event's."""
        merged = self.live[since]
        merged.start, merged.end = min(merged.start, time), max(self.live[until - 1].end, time + self.gap)
        for each in self.live[since + 1:until]:
            merged.count += each.count
            merged.opened = min(merged.opened, each.opened)
            merged.emitted |= each.emitted
        self.starts[since], self.ends[since] = merged.start, merged.end
        del self.live[since + 1:until], self.starts[since + 1:until], self.ends[since + 1:until]
        return merged


def _firings(rows: Sequence[tuple[int, bool, int, int, int]]) -> Firings:
    """Of (event, again, start, end, count) rows."""
    at, again, start, end, count = ([row[place] for row in rows] for place in range(5))
    return Firings(_column(at), np.array(again, dtype=np.bool_), _column(start), _column(end), _column(count))


def _column(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)
