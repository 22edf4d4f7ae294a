"""ADWIN on a stream whose mean changes: when it notices and how long its window is. The detector itself is river's."""

from __future__ import annotations

import importlib
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

_MOST_SAMPLES = 200_000
_ROWS = 1_000
_BIFET = "Bifet and Gavalda 2007"
_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)"
_PIECE = re.compile(
    rf"^(?:(?P<count>\d[\d_]*k?)\s*[x*\u00d7]\s*)?(?:(?P<coin>(?:b|bernoulli|p)\s*\(\s*(?P<p>{_NUMBER})\s*\))"
    rf"|(?P<first>{_NUMBER})(?:\s*(?:\.\.|->)\s*(?P<last>{_NUMBER}))?)$", re.IGNORECASE)

_DELTA: dict[str, Any] = {"gt": 0, "lt": 1, "words": ["delta", "confidence", "significance"]}
_CLOCK: dict[str, Any] = {"ge": 1, "le": 100_000, "unit": "count", "help": "samples between two checks",
                          "words": ["clock", "checks every", "check every", "every"]}


@dataclass(frozen=True)
class Watched:
    """What ADWIN did: indexes (from 0) at which it reported a change, its width and mean after samples 0, `every`, 2 `every`…,
    and both at the end."""

    detections: list[int]
    widths: list[int]
    means: list[float]
    width: int
    mean: float


@formula("drift.adwin_step", words=["adwin", "adaptive windowing"], cases=[
    Case({"stream": "1000x0 then 1000x1", "delta": 0.002, "clock": 32}, {"result": [1023]}, source="river 0.26.1"),
    Case({"stream": "1000x0 then 1000x1", "delta": 0.002, "clock": 1}, {"result": [1009]}, source="river 0.26.1"),
])
def adwin_step(
    stream: str = param(max_length=10_000, words=["stream"],
                        help="COUNTxVALUE pieces: 1000x0 then 1000x1; a ramp is 500x0..1, a coin is 500xB(0.2)"),
    delta: float = param(0.002, **_DELTA), clock: int = param(32, **_CLOCK),
    seed: int = param(0, ge=0, le=2**32 - 1, help="for coins"),
) -> list[int]:
    """Indexes (from 0) at which river's ADWIN reports a change on a written stream."""
    return watch(parse_stream(stream, seed).tolist(), delta, clock).detections


@formula("drift.adwin_river_doc", cases=[
    Case({"seed": 12345}, {"result": [1023]}, source="example in river's ADWIN documentation"),
])
def adwin_river_doc(
    seed: int = param(ge=0, le=2**63, words=["seed"]), delta: float = param(0.002, **_DELTA),
    clock: int = param(32, **_CLOCK),
) -> list[int]:
    """Where ADWIN reports changes on the stream of river's documentation: 1,000 draws of 0 or 1, then 1,000 of 4 to 7,
    from Python's generator with this seed."""
    rng = random.Random(seed)
    return watch(rng.choices([0, 1], k=1000) + rng.choices(range(4, 8), k=1000), delta, clock).detections


@formula("drift.adwin_cut", cases=[
    Case({"n0": 1000, "n1": 12, "variance": 0.01172, "delta": 0.002}, {"result": 0.629332}, abs=1e-6, source=_BIFET),
])
def adwin_cut(
    n0: int = param(ge=1, le=10**12, unit="count", words=["old", "before", "first part"]),
    n1: int = param(ge=1, le=10**12, unit="count", words=["new", "after", "second part"]),
    variance: float = param(ge=0, le=1e12, words=["variance"]), delta: float = param(0.002, **_DELTA),
) -> float:
    """How far the means of a window's two parts may lie apart before ADWIN cuts it.

    sqrt(2 v L / m) + 2 L / (3 m) with 1/m = 1/n0 + 1/n1 and L = ln(2 ln(n0 + n1) / delta) (Bifet and Gavalda 2007);
    implementations differ in how they count the smallest part."""
    scale = math.log(2 * max(math.log(n0 + n1), 1.0) / delta)
    inverse = 1 / n0 + 1 / n1
    return math.sqrt(2 * variance * scale * inverse) + 2 / 3 * scale * inverse


class Adwin(Params):
    change: Literal["step", "ramp", "none"] = param("step", words=["change", "shape", "drift"])
    before: float = param(0.1, ge=-1e6, le=1e6, words=["from", "before", "error rate", "old mean"])
    after: float = param(0.3, ge=-1e6, le=1e6, words=["to", "after", "new mean", "jumps to"])
    noise: Literal["bernoulli", "gaussian", "none"] = param(
        "bernoulli", words=["noise"], help="bernoulli: each sample is 1 (an error) or 0")
    noise_sd: float = param(0.5, ge=0, le=1e6, help="for gaussian", words=["noise sd", "standard deviation"])
    n_before: int = param(1_000, ge=1, le=_MOST_SAMPLES, unit="count",
                          words=["at sample", "samples before", "after sample", "stable for", "changes at"])
    n_after: int = param(1_000, ge=1, le=_MOST_SAMPLES, unit="count", words=["samples after", "then runs for"])
    ramp_length: int = param(500, ge=1, le=_MOST_SAMPLES, unit="count", help="for ramp",
                             words=["ramp", "gradually over", "over"])
    delta: float = param(0.002, ge=1e-12, le=0.999, words=["delta", "confidence"])
    clock: int = param(32, **_CLOCK)
    stream: str = param("", max_length=10_000, words=["stream"], help="written stream instead: 1000x0 then 1000x1")


@tool("adwin", group="I", kind="simulator", example={"before": 0, "after": 1},
      words=["adwin", "adaptive window", "adaptive windowing", "streaming drift", "detection delay", "change detector",
             "notices the change", "how soon does adwin notice"],
      cases=[
          Case({"before": 0, "after": 1}, {"first_detection": 1023, "delay": 23, "detections": [1023]},
               source="river 0.26.1, which checks every 32 samples"),
          Case({"stream": "1000x0 then 1000x1", "clock": 1}, {"first_detection": 1009}, source="river 0.26.1"),
          Case({"before": 0, "after": 0}, {"first_detection": None, "false_alarms": 0}, source="nothing changes"),
      ],
      asks=[
          Ask("A stream jumps from 0 to 1 at sample 1000. At which index does ADWIN report it?", "first_detection",
              1023),
          Ask("ADWIN with delta 0.002 that checks every 32 samples watches a step from 0 to 1: what is the detection "
              "delay?", "delay", 23),
          Ask("How many samples late is ADWIN when the clock is 1 and the error rate goes from 0 to 1?", "delay", 9),
          Ask("An error rate steps from 0 to 1 and ADWIN checks every 300 samples: what is the delay?", "delay", 199),
          Ask("ADWIN checks every 64 samples and the stream jumps from 0 to 1 at sample 1000: how many samples until "
              "it notices?", "delay", 23),
      ])
def adwin(p: Adwin, seed: int) -> ToolResult:
    """Feeds river's ADWIN a stream whose mean steps or ramps, and shows when it notices and what its window does.

    The stream is a model's error (`bernoulli`: 1 for a wrong prediction), a noisy measurement (`gaussian`), or written
    out in `stream`. ADWIN keeps a window of recent samples and cuts off its old part when the means of two parts lie
    further apart than chance allows at `delta`; it looks only every `clock` samples.

    People get wrong:
    - A detector notices at once: it needs enough new samples to outweigh chance, and then waits for its clock. A step
      from 0 to 1 at sample 1000 is reported at 1023; from 0.1 to 0.2 it takes hundreds of samples.
    - It needs labels when it watches errors, so labels that come a month late make it a month late too.
    - An alarm says that the mean of this stream moved, not whether the data or the concept did.

    Sources: Bifet and Gavalda 2007; river 0.26.1 runs it (its documentation's stream is `drift.adwin_river_doc`).

    >>> adwin(Adwin(before=0, after=1), 0).values["detections"]
    [1023]
    """
    levels, changed_at = _levels(p)
    values = parse_stream(p.stream, seed) if p.stream else _noisy(p, levels, seed)
    every = max(1, -(-len(values) // _ROWS))
    seen = watch(values.tolist(), p.delta, p.clock, every)
    index = list(range(0, len(values), every))
    real = [index for index in seen.detections if changed_at is not None and index >= changed_at]
    candidates = seen.detections if p.stream else real
    first = candidates[0] if candidates else None
    delay = None if first is None or changed_at is None else first - changed_at
    false = [index for index in seen.detections if index not in real]
    return ToolResult(
        tool="adwin",
        values={"detections": seen.detections, "first_detection": first, "delay": delay, "change_at": changed_at,
                "false_alarms": len(false), "width_at_end": seen.width, "mean_at_end": seen.mean,
                "expected_delay": _expected_delay(p, changed_at)},
        units={"first_detection": "index", "delay": "samples", "width_at_end": "samples", "expected_delay": "samples"},
        naive={"delay": 0 if changed_at is not None else None, "first_detection": changed_at},
        summary=_summary(p, changed_at, first, delay, len(false)),
        formula="cut when |mean0 - mean1| > sqrt(2 v L/m) + 2L/(3m), 1/m = 1/n0 + 1/n1, L = ln(2 ln n / delta)",
        series={"index": index, "value": values[::every].tolist(), "width": seen.widths, "mean": seen.means},
        plot=_plot(index, seen, changed_at),
        assumptions=["the watched value is known at once: no label delay", "indexes count from 0"],
        warnings=[f"{len(false)} alarms came without a change."] if false and not p.stream else [],
    )


def watch(stream: Sequence[float], delta: float, clock: int, every: int | None = None) -> Watched:
    """river's ADWIN over one or more samples, with its other settings at their defaults; without `every` no widths and means
    are kept."""
    river: Any = importlib.import_module("river.drift")  # it ships no types
    detector = river.ADWIN(delta=delta, clock=clock)
    detections: list[int] = []
    widths: list[int] = []
    means: list[float] = []
    update, count = detector.update, len(stream)
    # It looks for a change at every `clock`-th sample since it began or last found one; between those, asking it after
    # each sample would take as long as the update itself.
    stops = {*range(clock, count, clock), count, *(range(1, count, every) if every else ())}
    at = 0
    for until in sorted(stops):
        for value in stream[at:until]:
            update(value)
        if detector.drift_detected:
            detections.append(until - 1)
        if every and (until - 1) % every == 0:
            widths.append(int(detector.width))
            means.append(float(detector.estimation))
        at = until
    return Watched(detections, widths, means, int(detector.width), float(detector.estimation))


def parse_stream(text: str, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float64]]:
    """`1000x0 then 1000x1`: COUNTxVALUE pieces joined by "then" or commas; FIRST..LAST is a ramp, B(p) a coin drawn
    with the seed, a bare number one sample. Raises ToolError."""
    rng = np.random.default_rng(seed)
    parts, total = [], 0
    for piece in filter(None, (each.strip() for each in re.split(r"\bthen\b|[,;\n]", text, flags=re.IGNORECASE))):
        found = _PIECE.match(piece)
        if found is None:
            raise ToolError(f"Can't read the stream's piece {piece[:40]!r}; write it like 1000x0, 500x0..1 or "
                            "500xB(0.2).")
        number = (found["count"] or "1").replace("_", "").lower()
        count = int(number.rstrip("k")) * (1_000 if number.endswith("k") else 1)
        total += count
        if count < 1 or total > 2 * _MOST_SAMPLES:
            raise ToolError(f"The stream has {total:,} samples; it must have between 1 and {2 * _MOST_SAMPLES:,}.")
        if found["coin"]:
            if not 0 <= float(found["p"]) <= 1:
                raise ToolError(f"A coin's probability can't be {found['p']}; it must lie between 0 and 1.")
            parts.append((rng.random(count) < float(found["p"])).astype(float))
        else:
            parts.append(np.linspace(float(found["first"]), float(found["last"] or found["first"]), count))
    if not parts:
        raise ToolError("The stream is empty; write it like \"1000x0 then 1000x1\".")
    return np.concatenate(parts)


def _levels(p: Adwin) -> tuple[np.ndarray[Any, np.dtype[np.float64]], int | None]:
    """The mean at each sample, and where it begins to change."""
    if p.stream:
        return np.zeros(0), None
    after = np.full(p.n_after, p.before if p.change == "none" else p.after, dtype=float)
    if p.change == "ramp":
        rising = np.linspace(p.before, p.after, p.ramp_length + 1)[1:]
        after[: len(rising)] = rising[: p.n_after]
    changes = p.change != "none" and p.before != p.after
    return np.concatenate([np.full(p.n_before, p.before), after]), p.n_before if changes else None


def _noisy(p: Adwin, levels: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    rng = np.random.default_rng(seed)
    if p.noise == "bernoulli":
        if min(p.before, p.after) < 0 or max(p.before, p.after) > 1:
            raise ToolError("adwin: with bernoulli noise before and after must lie between 0 and 1; use gaussian or "
                            "none.")
        return (rng.random(len(levels)) < levels).astype(float)
    return levels + (p.noise_sd * rng.standard_normal(len(levels)) if p.noise == "gaussian" else 0.0)


def _expected_delay(p: Adwin, changed_at: int | None) -> int | None:
    """Samples after which a step's mean difference exceeds the cut, on average and without the clock."""
    if changed_at is None or p.change != "step":
        return None
    spread = {"bernoulli": (p.before * (1 - p.before), p.after * (1 - p.after)), "none": (0.0, 0.0),
              "gaussian": (p.noise_sd**2, p.noise_sd**2)}[p.noise]

    def cuts(new: int) -> bool:
        old, share = p.n_before, new / (p.n_before + new)
        variance = (1 - share) * spread[0] + share * spread[1] + share * (1 - share) * (p.after - p.before) ** 2
        return bool(abs(p.after - p.before) > adwin_cut(old, new, variance, p.delta))

    low, high = 0, p.n_after
    if not cuts(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if cuts(middle) else (middle, high)
    return high


def _summary(p: Adwin, changed_at: int | None, first: int | None, delay: int | None, false: int) -> str:
    if changed_at is None:
        return f"ADWIN reports {'no change' if first is None and not false else f'its first change at {first}'}" + (
            "." if p.stream else f" on a stream that doesn't change ({false} false alarms).")
    if first is None:
        return (f"ADWIN doesn't notice the change from {p.before:g} to {p.after:g} at {changed_at} within "
                f"{p.n_after:,} samples; an instant detector is what people expect.")
    return (f"ADWIN reports the change from {p.before:g} to {p.after:g} at index {first}, {delay} samples after it "
            f"began at {changed_at}; it checks every {p.clock} samples, and \"at once\" would be a delay of 0.")


def _plot(index: list[int], seen: Watched, changed_at: int | None) -> Plot:
    naive: list[float | str] = [each + 1 - (changed_at if changed_at is not None and each >= changed_at else 0) for each in index]
    marks = [{"axis": "x", "at": each, "label": f"alarm at {each:,}"} for each in seen.detections[:5]]
    return Plot(title="ADWIN drops the old data some time after the change, not at it",
                x_label="sample (count)", y_label="window width (samples)", marks=marks, lines=[
        Line(label="ADWIN", x=[*index], y=[*seen.widths], kind="step"),
        Line(label="cut at once (naive)", x=[*index], y=naive, kind="step", dashed=True)])
