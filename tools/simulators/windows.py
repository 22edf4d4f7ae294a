"""Event-time windows by Flink's documented rules, vectorised: watermarks, firings, refirings, late events, state.

Knows tumbling and sliding windows; sessions are in tools/simulators/sessions.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.base import ToolError

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BEFORE_ALL = -(2**61)
"""The watermark before anything was seen; far enough from the end of int64 that a bound can be taken off it."""

MAX_PANES = 4_000_000
"""Most copies of events that one run assigns to windows."""

MAX_WINDOWS = 1_500_000

_BLOCK = 32_768


@dataclass(frozen=True)
class Firings:
    """What a run emitted, in order, one entry each: `at` is the index of the event with which it came out (the number
    of events at the end of the stream), `again` marks refirings, [`start`, `end`) is the window in ms."""

    at: Ints
    again: Bools
    start: Ints
    end: Ints
    count: Ints

    def rows(self, ends: bool = False) -> list[list[Any]]:
        """[["fire" or "re", start_ms, count], ...], with end_ms before the count if `ends`."""
        kinds = ["re" if again else "fire" for again in self.again.tolist()]
        columns = [kinds, self.start.tolist(), *([self.end.tolist()] if ends else []), self.count.tolist()]
        return [list(row) for row in zip(*columns, strict=True)]

    def taken(self, which: Ints) -> Firings:
        return Firings(self.at[which], self.again[which], self.start[which], self.end[which], self.count[which])


@dataclass(frozen=True)
class Outcome:
    """A run: its firings; the indices of the events in the side output; how many copies of events missed a window; how
    many windows were still open at the end; and for each window that held state the indices of the events with which it
    got and lost it, and how many events it held at most."""

    firings: Firings
    late: Ints
    late_copies: int
    unfired: int
    opened: Ints
    cleaned: Ints
    held: Ints


def fixed(times: Ints, after: Ints, size: int, slide: int, lateness: int = 0, offset: int = 0, flush: bool = False,
          ) -> Outcome:
    """Tumbling (slide = size) or sliding windows over one or more events in order of arrival.

    `times` are event times (ms), `after` the watermark after each event. A window [start, start + size) fires when the
    watermark reaches its last millisecond; an event goes into it until the watermark has reached that plus `lateness`,
    and refires it at once if it comes after the firing. `flush` ends the stream with an infinite watermark. Raises
    ToolError when a slide is longer than its window or the run would need more than MAX_PANES panes or MAX_WINDOWS.
    """
    n, copies = len(times), _copies(len(times), size, slide)
    first = _windows(times, copies, slide, offset)
    panes, opened = np.zeros(len(first), dtype=np.int64), np.full(len(first), n, dtype=np.int64)
    dense = len(first) == (int(first[-1]) - int(first[0])) // slide + 1
    blocks = []
    for at in range(0, n, max(_BLOCK // copies, 1)):  # a block stays in the processor's cache; a whole trace would not
        until = min(at + max(_BLOCK // copies, 1), n)
        event, start = _assign(times[at:until], copies, size, slide, offset)
        code = np.floor_divide(start - first[0], slide) if dense else np.searchsorted(first, start)
        np.add.at(panes, code, 1)
        np.minimum.at(opened, code, event + at)
        met = after[at - 1:until - 1] if at else watermark_before(after[:until])
        before = met if copies == 1 else met[event]
        behind = np.flatnonzero(start + (size - 1) <= before)
        blocks.append((event[behind] + at, code[behind], before[behind], behind < until - at))
    event, code, before, newest = (np.concatenate(column) for column in zip(*blocks, strict=True))
    last = first + (size - 1)
    dropped = last[code] + lateness <= before
    held = panes - np.bincount(code[dropped], minlength=len(first))
    timely = panes - np.bincount(code, minlength=len(first))
    fires_at, live = np.searchsorted(after, last), held > 0
    firings = in_order(_refirings(event[~dropped], code[~dropped], timely, first, size),
                       _on_time(fires_at, timely, first, size, n, flush))
    # the newest window of an event is the last to close, so an event is in no window at all if it missed that one
    return Outcome(firings, event[dropped & newest], int(dropped.sum()),
                   0 if flush else int((live & (fires_at >= n)).sum()), opened[live],
                   np.searchsorted(after, last[live] + lateness), held[live])


def watermark_after(times: Ints, bound: int) -> Ints:
    """The watermark after each event of one input: the largest time so far, less the bound, less 1 ms."""
    return np.maximum.accumulate(times) - (bound + 1)


def watermark_of_inputs(times: Ints, arrivals: Ints, inputs: Ints, count: int, bound: int, idle_after: int = 0) -> Ints:
    """The watermark after each event when `count` inputs meet: the least over the inputs that aren't idle.

    An input is idle once nothing has come from it for `idle_after` ms (0: never), counted from the first arrival if it
    never sent anything; that is noticed with the next event of another input. A watermark never falls back: an input
    that comes back from idleness with old events holds it where it is, as with the splits of one Flink source.
    """
    n = len(times)
    least = np.full(n, 2**62, dtype=np.int64)
    for each in range(count):
        mine = inputs == each
        mark = np.maximum.accumulate(np.where(mine, times, BEFORE_ALL)) - (bound + 1)
        if idle_after:
            heard = np.maximum.accumulate(np.where(mine, arrivals, arrivals[0] if n else 0))
            mark = np.where(arrivals - heard >= idle_after, 2**62, mark)
        np.minimum(least, mark, out=least)
    return np.maximum.accumulate(np.maximum(least, BEFORE_ALL))


def watermark_before(after: Ints) -> Ints:
    """The watermark that each event meets."""
    return np.concatenate([np.full(min(len(after), 1), BEFORE_ALL, dtype=np.int64), after[:-1]])


def _copies(events: int, size: int, slide: int) -> int:
    if slide > size:
        raise ToolError(f"A slide of {slide:,} ms is longer than the window of {size:,} ms, so events between windows "
                        f"would be lost; make the slide at most the size.")
    copies = -(-size // slide)
    if events * copies > MAX_PANES:
        raise ToolError(f"{events:,} events in {copies:,} windows each are {events * copies:,} panes; a run takes at "
                        f"most {MAX_PANES:,}: make the slide longer or the trace shorter.")
    return copies


def _windows(times: Ints, copies: int, slide: int, offset: int) -> Ints:
    """Starts of the windows in order: all from the first to the last, or only those that get events when most don't."""
    low, high = (int(edge - offset) // slide for edge in (times.min(), times.max()))
    if high - low + copies <= min(4 * len(times) * copies + 1_024, MAX_WINDOWS):
        return np.arange(low - copies + 1, high + 1, dtype=np.int64) * slide + offset
    newest = _distinct(np.floor_divide(times - offset, slide))
    numbers = _distinct((newest[None, :] - np.arange(copies, dtype=np.int64)[:, None]).ravel())
    if len(numbers) > MAX_WINDOWS:
        raise ToolError(f"The events fall into {len(numbers):,} windows; a run takes at most {MAX_WINDOWS:,}: make the "
                        "windows longer or the trace shorter.")
    return numbers * slide + offset


def _distinct(values: Ints) -> Ints:
    """Sorted; on a million integers much quicker than numpy's own, which hashes them."""
    ordered = np.sort(values)
    distinct: Ints = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    return distinct


def _assign(times: Ints, copies: int, size: int, slide: int, offset: int) -> tuple[Ints, Ints]:
    """(event index, window start) of every copy: first each event's newest window, then the one before it, and so
    on."""
    event = np.arange(len(times), dtype=np.int64)
    newest = np.floor_divide(times - offset, slide) * slide + offset
    if copies == 1:
        return event, newest
    start = (newest[None, :] - np.arange(0, copies * slide, slide, dtype=np.int64)[:, None]).ravel()
    event = np.tile(event, copies)
    if size % slide:  # the oldest window of some events has ended already
        inside = start + size > times[event]
        event, start = event[inside], start[inside]
    return event, start


def _on_time(fires_at: Ints, counts: Ints, first: Ints, size: int, n: int, flush: bool) -> Firings:
    which = np.flatnonzero((counts > 0) & ((fires_at < n) | flush))
    return Firings(np.minimum(fires_at[which], n), np.zeros(len(which), dtype=np.bool_), first[which],
                   first[which] + size, counts[which])


def _refirings(event: Ints, code: Ints, counts: Ints, first: Ints, size: int) -> Firings:
    """One firing for each event that came after its window's firing but within the lateness. In a window that no event
    reached in time the first of them is a first firing."""
    order = np.lexsort((event, code))
    event, code = event[order], code[order]
    rank = np.arange(len(code)) - np.searchsorted(code, code)
    count = counts[code] + rank + 1
    back = np.lexsort((-code, event))  # an event enters its newest window first
    start = first[code][back]
    return Firings(event[back], (count > 1)[back], start, start + size, count[back])


def in_order(by_event: Firings, by_watermark: Firings) -> Firings:
    """Both in the order of emission: what an event fires itself comes before what the watermark after it fires, and one
    advance of the watermark fires windows in the order of their ends. `by_event` is in order already."""
    both = joined(by_event, by_watermark.taken(np.lexsort((by_watermark.end, by_watermark.at))))
    return both.taken(np.argsort(both.at, kind="stable"))


def joined(first: Firings, second: Firings) -> Firings:
    return Firings(np.append(first.at, second.at), np.append(first.again, second.again),
                   np.append(first.start, second.start), np.append(first.end, second.end),
                   np.append(first.count, second.count))
