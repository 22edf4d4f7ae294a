"""Arrival traces in integer milliseconds: parses the text form, generates steady, bursty, random and adversarial ones.

Knows nothing of limiters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tools.base import ToolError

Ints = NDArray[np.int64]

MAX_ARRIVALS = 1_000_000
MAX_TIME_MS = 30 * 86_400_000

_COMMENT = re.compile(r"\([^)]*\)")
_TIME = r"(?:\d+:)?\d+:\d+(?:\.\d+)?|\d+(?:\.\d+)?\s*(?:ms|s|min|m|h)?"
_ENTRY = re.compile(
    rf"(?:(?P<count>\d[\d_]*)(?P<kilo>k?)\s*@\s*)?(?P<at>{_TIME})"
    rf"(?:\s*\.\.\s*(?P<until>{_TIME}))?(?:\s*x\s*(?P<cost>\d+))?"
)
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000}


@dataclass(frozen=True)
class Arrivals:
    """Requests in order of time: `times_ms` and `costs` of equal length; a cost of 1 is a plain request."""

    times_ms: Ints
    costs: Ints

    def __len__(self) -> int:
        return len(self.times_ms)


def parse_trace(text: str) -> Arrivals:
    """Reads `COUNT@TIME` entries between commas, semicolons, plus signs or line breaks.

    TIME is seconds unless it ends in ms, s, min or h, or is written 0:59; `COUNT@FROM..TO` spreads the requests evenly;
    a bare TIME is one request; `x3` at the end makes each request cost 3; text in round brackets is a comment. Entries
    may come in any order. Raises ToolError naming the first entry that isn't one.

    >>> parse_trace("2@59s, 1@1:01").times_ms.tolist()
    [59000, 59000, 61000]
    """
    times: list[Ints] = []
    costs: list[Ints] = []
    total = 0
    for entry in (part.strip() for part in re.split(r"[,;+\n]|\band\b", _COMMENT.sub("", text))):
        if not entry:
            continue
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ToolError(f"The trace entry {entry[:40]!r} is not COUNT@TIME; write it like 100@59s or 100@0..60s.")
        count = int(match["count"] or 1) * (1_000 if match["kilo"] else 1)
        total += count
        _refuse_too_many(total)
        start = _milliseconds(match["at"], match["until"] or "")
        end = _milliseconds(match["until"], "") if match["until"] else start
        if not start <= end <= MAX_TIME_MS:
            raise ToolError(f"The trace entry {entry[:40]!r} must lie between 0 and 30 days and may not run backwards.")
        if match["cost"] and not 1 <= int(match["cost"]) <= 1_000_000:
            raise ToolError(f"The cost in the trace entry {entry[:40]!r} must lie between 1 and 1000000.")
        times.append(start + np.arange(count, dtype=np.int64) * (end - start) // max(count, 1))
        costs.append(np.full(count, int(match["cost"] or 1), dtype=np.int64))
    if not total:
        raise ToolError("The trace holds no request; write it like 100@59s,100@61s.")
    return _in_order(np.concatenate(times), np.concatenate(costs))


def steady(rate_rps: float, duration_s: float) -> Arrivals:
    """Evenly spaced requests, the first at 0."""
    count, span = _count(rate_rps * duration_s), round(duration_s * 1_000)
    return _plain(np.arange(count, dtype=np.int64) * span // max(count, 1))


def poisson(rate_rps: float, duration_s: float, seed: int) -> Arrivals:
    """Independent requests: a Poisson number of them, each at a uniform millisecond."""
    _count(rate_rps * duration_s)
    rng = np.random.default_rng(seed)
    count = min(int(rng.poisson(rate_rps * duration_s)), MAX_ARRIVALS)
    return _plain(np.sort(rng.integers(0, max(round(duration_s * 1_000), 1), count)))


def bursts(size: int, every_s: float, duration_s: float) -> Arrivals:
    """`size` requests at the same millisecond, at 0 and then every `every_s` seconds."""
    starts = np.arange(0, round(duration_s * 1_000), max(round(every_s * 1_000), 1), dtype=np.int64)
    _count(float(size) * len(starts))
    return _plain(np.repeat(starts, size))


def adversarial(limit: int, window_ms: int, lead_ms: int, duration_ms: int) -> Arrivals:
    """A client that knows clock windows: every three windows it sends `limit` requests `lead_ms` before a boundary,
    then one request at each instant at which a sliding counter or a bucket of that limit has room again, then rests."""
    cycles = max(1, duration_ms // (3 * window_ms))
    _refuse_too_many(float(cycles) * 3 * limit)
    start = window_ms - min(lead_ms, window_ms)
    places = np.arange(limit, dtype=np.int64)
    by_counter = window_ms + places * window_ms // limit + 1
    by_bucket = start - (-(places + 1) * window_ms // limit)
    cycle = np.sort(np.concatenate([np.full(limit, start, dtype=np.int64), by_counter, by_bucket]))
    return _plain((np.arange(cycles, dtype=np.int64)[:, None] * 3 * window_ms + cycle[None, :]).ravel())


def _milliseconds(text: str, unit_from: str) -> int:
    """Exact, then rounded to the millisecond. A range writes its unit once, at the end: 0..60s."""
    if ":" in text:
        seconds = Fraction(0)
        for part in text.split(":"):
            seconds = seconds * 60 + Fraction(part)
        return round(seconds * 1_000)
    unit = re.sub(r"[\d.\s]", "", text) or ("" if ":" in unit_from else re.sub(r"[\d.\s]", "", unit_from)) or "s"
    return round(Fraction(re.sub(r"[^\d.]", "", text)) * _UNIT_MS[unit])


def _in_order(times: Ints, costs: Ints) -> Arrivals:
    order = np.argsort(times, kind="stable")
    return Arrivals(times[order], costs[order])


def _plain(times: Ints) -> Arrivals:
    return Arrivals(times.astype(np.int64), np.ones(len(times), dtype=np.int64))


def _count(expected: float) -> int:
    _refuse_too_many(expected)
    return round(expected)


def _refuse_too_many(total: float) -> None:
    if total > MAX_ARRIVALS:
        raise ToolError(f"That is {total:,.0f} requests; a run takes at most {MAX_ARRIVALS:,}: lower the rate or the "
                        "duration.")
