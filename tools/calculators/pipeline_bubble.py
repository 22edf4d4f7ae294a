"""Pipeline bubble: idle share, step time and stored micro-batches in closed form; simulates nothing."""

from __future__ import annotations

import math
from typing import Any, Literal

from tools.base import Ask, Case, ToolError, formula, outputs, param

_P: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "stages", "words": ["pipeline stages", "stages", "pieces", "p"]}
_M: dict[str, Any] = {"ge": 1, "le": 1_000_000, "unit": "count", "words": ["micro-batches", "microbatches", "m"]}
_V: dict[str, Any] = {"ge": 1, "le": 1_000, "unit": "chunks",
                      "words": ["interleaving", "chunks", "virtual stages", "v"]}
_MS: dict[str, Any] = {"gt": 0.0, "le": 1e6, "unit": "ms"}
_SCHEDULE: Any = param("1f1b", words=["schedule"])
_SOURCE = "GPipe (p-1)/(m+p-1); Megatron 2104.04473 (p-1)/m"


@formula("pipeline.bubble", unit="fraction", words=["pipeline bubble"], cases=[
    Case({"p": 4, "m": 8}, {"result": [0.27273, 0.375]}, abs=1e-5, source=_SOURCE),
    Case({"p": 8, "m": 32}, {"result": [0.17949, 0.21875]}, abs=1e-5, source=_SOURCE),
    Case({"p": 16, "m": 64}, {"result": [0.18987, 0.234375]}, abs=1e-5, source=_SOURCE),
    Case({"p": 4, "m": 1}, {"result": [0.75, 3.0]}, abs=1e-5, source=_SOURCE),
])
def bubble(p: int = param(**_P), m: int = param(**_M), v: int = param(1, **_V),
           out: str = outputs(of_total="total|gpipe", of_ideal="ideal|megatron")) -> list[float]:
    """Idle time of p stages with m micro-batches, [of the total (GPipe), of the ideal (Megatron)].

    One idle time, two denominators. Interleaving v chunks a device divides the idle time by v; the default 1
    is GPipe and plain 1F1B alike.
    """
    return [(p - 1) / (v * m + p - 1), (p - 1) / (v * m)]


@formula("pipeline.interleaved_bubble", unit="fraction", words=["interleaved bubble", "bubble over the ideal time",
                                                            "interleaved schedule", "interleaved 1F1B",
                                                            "fraction of the ideal time"], cases=[
    Case({"p": 8, "m": 32, "v": 4}, {"result": 0.0546875}, abs=1e-9, source="Megatron 2104.04473: (p-1)/(v*m)"),
], asks=[
    Ask("interleaved bubble with 4 stages, 16 micro-batches and 2 chunks a device?", "result", 3 / 32),
    Ask("With interleaving of 4 chunks on 16 pipeline stages and 64 micro-batches, how large is the bubble over the ideal time?",
        "result", 15 / 256),
    Ask("interleaved 1F1B, 8 stages, 40 micro-batches, 2 chunks per device: bubble as a fraction of the ideal time?",
        "result", 7 / 80),
])
def interleaved_bubble(p: int = param(**_P), m: int = param(**_M), v: int = param(**_V)) -> float:
    """Idle time over ideal time with v interleaved chunks a device: (p-1)/(v*m); m has to be a multiple of p."""
    return (p - 1) / (v * m)


@formula("pipeline.efficiency", unit="fraction", words=["pipeline efficiency", "busy", "actually works", "stage works"], cases=[
    Case({"p": 4, "m": 8}, {"result": 0.7272727}, abs=1e-6, source="m/(m+p-1)"),
], asks=[
    Ask("pipeline efficiency with 6 stages and 24 micro-batches?", "result", 24 / 29),
    Ask("What percentage of the time is a stage busy in a pipeline of 4 stages fed with 12 micro-batches?", "result", 12 / 15),
    Ask("i cut my model into 8 pieces and feed 40 micro-batches through. what share of the time does each stage actually work?",
        "result", 40 / 47),
])
def efficiency(p: int = param(**_P), m: int = param(**_M), v: int = param(1, **_V)) -> float:
    """Share of the time in which a stage works: v*m/(v*m+p-1)."""
    return v * m / (v * m + p - 1)


@formula("pipeline.step_ms", unit="ms", words=["step time of a pipeline", "step time", "step take"], cases=[
    Case({"p": 4, "m": 8, "fwd_ms": 10, "bwd_ms": 20}, {"result": 330.0}, rel=1e-12, source="(m+p-1)(f+b)"),
], asks=[
    Ask("step time of a pipeline with 6 stages, 12 micro-batches, forward 5 ms, backward 10 ms?", "result", 17 * 15),
    Ask("Four stages, 20 micro-batches, each takes 8 ms forward and 16 ms backward per stage. How many ms does a step take?",
        "result", 23 * 24),
    Ask("a micro-batch takes 12 ms forward and 24 ms backward on each of 3 stages and we push 9 micro-batches through. how long is "
        "the step in ms?", "result", 11 * 36),
])
def step_ms(p: int = param(**_P), m: int = param(**_M), fwd_ms: float = param(**_MS, words=["forward"]),
            bwd_ms: float = param(**_MS, words=["backward"]), v: int = param(1, **_V)) -> float:
    """Milliseconds of a step: m*(f+b) of work plus (p-1)*(f+b)/v of bubble; f and b are one micro-batch on a device."""
    return (fwd_ms + bwd_ms) * (m + (p - 1) / v)


@formula("pipeline.speedup", unit="count", words=["speedup of a pipeline", "speedup", "faster than one device", "faster than a single"],
         cases=[Case({"p": 4, "m": 8}, {"result": 2.9090909}, rel=1e-6,
                                                       source="p*m/(m+p-1)")], asks=[
    Ask("speedup of a pipeline with 4 stages and 16 micro-batches?", "result", 64 / 19),
    Ask("How many times faster than one device is a pipeline of 8 stages with 56 micro-batches?", "result", 8 * 56 / 63),
    Ask("we spread the layers over 10 gpus as pipeline stages and use 30 micro-batches. how much faster is it than a single gpu?",
        "result", 300 / 39),
])
def speedup(p: int = param(**_P), m: int = param(**_M), v: int = param(1, **_V)) -> float:
    """Speed against one device that holds all layers: p times the efficiency, not p."""
    return p * v * m / (v * m + p - 1)


@formula("pipeline.min_microbatches", unit="count", words=["fewest micro-batches", "how many micro-batches", "keep the bubble below",
                                                           "bubble of at most", "bubble may be at most"], cases=[
    Case({"p": 8, "bubble": 0.1}, {"result": 63}, source="(p-1)(1-x)/x"),
    Case({"p": 8, "bubble": 0.2}, {"result": 28}, source="GPipe: little when m >= 4p"),
], asks=[
    Ask("fewest micro-batches for 4 stages and a bubble of at most 10%?", "result", 27),
    Ask("How many micro-batches keep the bubble below 5% with 8 pipeline stages?", "result", 133),
    Ask("my pipeline has 16 stages and i don't want more than a quarter of the time idle. how many microbatches do i need?",
        "result", 45),
])
def min_microbatches(
    p: int = param(**_P), v: int = param(1, **_V),
    max_bubble: float = param(alias="bubble", ge=0.001, le=0.999, unit="fraction", words=["bubble", "idle"]),
) -> int:
    """The fewest micro-batches that keep the bubble's share of the total time at or below a bound."""
    return max(1, math.ceil((p - 1) * (1 - max_bubble) / (max_bubble * v) - 1e-9))


@formula("pipeline.in_flight", unit="micro-batches", words=["in flight", "micro-batches in flight", "activations held",
                                                            "activations does a stage hold", "stashed activations"], cases=[
    Case({"p": 4, "m": 8, "schedule": "gpipe"}, {"result": 8}, source="all forwards first"),
    Case({"p": 4, "m": 8, "schedule": "1f1b"}, {"result": 4}, source="PipeDream-Flush"),
    Case({"p": 8, "m": 32, "v": 4, "schedule": "interleaved"}, {"result": 9.75}, source="p(1 + (p-1)/(pv))"),
], asks=[
    Ask("micro-batches in flight on the first stage with 6 stages, 24 micro-batches and 1F1B?", "result", 6),
    Ask("How many micro-batches' activations are held at most with GPipe, 4 stages and 20 micro-batches?", "result", 20),
    Ask("1F1B with 8 pipeline stages but only 5 micro-batches: how many micro-batches in flight at most?", "result", 5),
])
def in_flight(p: int = param(**_P), m: int = param(**_M), v: int = param(1, **_V),
              schedule: Literal["gpipe", "1f1b", "interleaved"] = _SCHEDULE) -> float:
    """Micro-batches whose activations the first stage holds at most: m with GPipe, min(p, m) with 1F1B.

    Interleaved: (p-1)/v more than 1F1B.
    """
    if schedule == "gpipe":
        return m
    if schedule == "1f1b" or v == 1:
        return min(p, m)
    if m % p:
        raise ToolError(f"pipeline.in_flight: the interleaved schedule needs m = {m} to be a multiple of p = {p}.")
    return min(m, p + (p - 1) / v)
