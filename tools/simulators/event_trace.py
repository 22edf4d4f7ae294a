"""Event streams with two clocks, when it happened and when it arrived: reads the text form and generates lagged ones.

Knows nothing of windows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tools.base import ToolError
from tools.simulators.windows import Bools, Ints

MAX_EVENTS = 300_000
MAX_TIME_MS = 10**12

Lag = Literal["none", "uniform", "exponential", "pareto"]

_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?|-?\d[\d_]*(?:\.\d+)?\s*(?:ms|s|min|m|h)?"
_ENTRY = re.compile(rf"(?P<at>{_TIME})(?:\s*@\s*(?P<arrival>{_TIME}))?(?:\s*#\s*(?P<input>\d+))?")
_SPOKEN = ((r"\s*\b(?:and|then)\b\s*,?", ", "), (r"\bmilliseconds?\b", "ms"), (r"\bsec(?:ond)?s?\b", "s"),
           (r"\bmin(?:ute)?s\b|\bminute\b", "min"), (r"\bhours?\b", "h"))
_SHARED = re.compile(r"-?[\d_.]+(?:\s*[,;\n]\s*-?[\d_.]+)+\s*(ms|s|min|m|h)")
_UNIT_MS = {"ms": 1, "s": 1_000, "min": 60_000, "m": 60_000, "h": 3_600_000, "": 1}


@dataclass(frozen=True)
class Stream:
    """Events in order of arrival: when each happened, when it arrived (ms), through which input (from 0)."""

    times: Ints
    arrivals: Ints
    inputs: Ints

    def __len__(self) -> int:
        return len(self.times)

    def taken(self, which: Bools | Ints) -> Stream:
        return Stream(self.times[which], self.arrivals[which], self.inputs[which])


def parse_events(text: str, inputs: int) -> Stream:
    """Reads `TIME[@ARRIVAL][#INPUT]` entries between commas, semicolons or blanks, in order of arrival.

    Times are milliseconds unless they end in s, min or h ("1, 4 and 3 s" are seconds) or are times of the day (10:03, or
    10:03:20). Without an arrival an event arrives when it happens, or with the one before it if that came later; without
    an input (counted from 1) events take turns. Raises ToolError naming the first entry that isn't one.

    >>> parse_events("1000, 4s, 3s@4.5s#1", 1).arrivals.tolist()
    [1000, 4000, 4500]
    >>> parse_events("10:00, 10:03 and 10:04:30", 1).times.tolist()
    [36000000, 36180000, 36270000]
    """
    for spoken, short in _SPOKEN:
        text = re.sub(spoken, short, text, flags=re.IGNORECASE)
    if (shared := _SHARED.fullmatch(text.strip())) is not None:
        text = re.sub(r"(?<=[\d.])\s*(?=[,;\n])", shared[1], text)
    times: list[int] = []
    arrivals: list[int] = []
    through: list[int] = []
    for entry in (part for part in re.split(r"[,;\n]|(?<=[\dsmh])\s+(?=-?\d)", text) if part.strip()):
        match = _ENTRY.fullmatch(entry.strip())
        if match is None:
            raise ToolError(f"The event {entry.strip()[:40]!r} is not TIME@ARRIVAL#INPUT; write it like 1000, 4s, "
                            f"10:03 or 3s@5s#1.")
        time = _milliseconds(match["at"])
        arrival = _milliseconds(match["arrival"]) if match["arrival"] else max(time, arrivals[-1] if arrivals else time)
        if max(abs(time), abs(arrival)) > MAX_TIME_MS or (arrivals and arrival < arrivals[-1]):
            raise ToolError(f"The event {entry.strip()[:40]!r} must lie within 10^12 ms and may not arrive before the "
                            f"one listed before it.")
        if match["input"] and not 1 <= int(match["input"]) <= inputs:
            raise ToolError(f"The event {entry.strip()[:40]!r} comes through an input that isn't there; there are "
                            f"{inputs}.")
        times.append(time)
        arrivals.append(arrival)
        through.append(int(match["input"]) - 1 if match["input"] else len(through) % inputs)
    if not times:
        raise ToolError("The list holds no event; write it like 1000, 4000, 3000.")
    _refuse_too_many(len(times))
    return Stream(*(np.array(column, dtype=np.int64) for column in (times, arrivals, through)))


def generate(rate: float, duration_s: float, lag: Lag, mean_lag_ms: float, inputs: int, seed: int) -> Stream:
    """Events at a steady `rate` a second, each arriving after a random lag of that mean (whole ms), through the inputs
    in turns. The Pareto lag has shape 1.5: its mean is finite, its variance is not."""
    count = max(round(rate * duration_s), 1)
    _refuse_too_many(rate * duration_s)
    times = (np.arange(count) * (1_000.0 / rate)).astype(np.int64)
    rng = np.random.default_rng(seed)
    if lag == "uniform":
        lags = rng.uniform(0, 2 * mean_lag_ms, count)
    elif lag == "exponential":
        lags = rng.exponential(mean_lag_ms, count)
    else:
        lags = rng.pareto(1.5, count) * (mean_lag_ms / 2 if lag == "pareto" else 0.0)
    arrivals = times + np.minimum(lags, MAX_TIME_MS / 2).astype(np.int64)
    order = np.argsort(arrivals, kind="stable")
    return Stream(times, arrivals, np.arange(count, dtype=np.int64) % inputs).taken(order)


def _milliseconds(text: str) -> int:
    if ":" in text:
        parts = [float(part) for part in text.split(":")]
        return round(sum(part * 60.0 ** (2 - place) for place, part in enumerate(parts)) * 1_000)
    number, unit = re.sub(r"[a-z\s_]", "", text), re.sub(r"[^a-z]", "", text)
    return round(float(number) * _UNIT_MS[unit])


def _refuse_too_many(count: float) -> None:
    if count > MAX_EVENTS:
        raise ToolError(f"That is {count:,.0f} events; a run takes at most {MAX_EVENTS:,}: lower the rate or the "
                        f"duration.")
