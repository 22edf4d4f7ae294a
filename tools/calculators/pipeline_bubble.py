"""Pipeline bubble: idle share, step time and stored micro-batches in closed form; simulates nothing."""

from __future__ import annotations

import math
from typing import Any, Literal

from tools.base import Case, ToolError, formula, outputs, param

_P: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "stages", "words": ["pipeline stages", "stages", "p"]}
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


@formula("pipeline.interleaved_bubble", unit="fraction", words=["interleaved bubble"], cases=[
    Case({"p": 8, "m": 32, "v": 4}, {"result": 0.0546875}, abs=1e-9, source="Megatron 2104.04473: (p-1)/(v*m)"),
])
def interleaved_bubble(p: int = param(**_P), m: int = param(**_M), v: int = param(**_V)) -> float:
    """Idle time over ideal time with v interleaved chunks a device: (p-1)/(v*m); m has to be a multiple of p."""
    return (p - 1) / (v * m)


@formula("pipeline.efficiency", unit="fraction", words=["pipeline efficiency", "busy"], cases=[
    Case({"p": 4, "m": 8}, {"result": 0.7272727}, abs=1e-6, source="m/(m+p-1)"),
])
def efficiency(p: int = param(**_P), m: int = param(**_M), v: int = param(1, **_V)) -> float:
    """Share of the time in which a stage works: v*m/(v*m+p-1)."""
    return v * m / (v * m + p - 1)


@formula("pipeline.step_ms", unit="ms", words=["step time of a pipeline"], cases=[
    Case({"p": 4, "m": 8, "fwd_ms": 10, "bwd_ms": 20}, {"result": 330.0}, rel=1e-12, source="(m+p-1)(f+b)"),
])
def step_ms(p: int = param(**_P), m: int = param(**_M), fwd_ms: float = param(**_MS, words=["forward"]),
            bwd_ms: float = param(**_MS, words=["backward"]), v: int = param(1, **_V)) -> float:
    """Milliseconds of a step: m*(f+b) of work plus (p-1)*(f+b)/v of bubble; f and b are one micro-batch on a device."""
    return (fwd_ms + bwd_ms) * (m + (p - 1) / v)


@formula("pipeline.speedup", unit="count", words=["speedup of a pipeline", "faster than one device"],
         cases=[Case({"p": 4, "m": 8}, {"result": 2.9090909}, rel=1e-6,
                                                       source="p*m/(m+p-1)")])
def speedup(p: int = param(**_P), m: int = param(**_M), v: int = param(1, **_V)) -> float:
    """Speed against one device that holds all layers: p times the efficiency, not p."""
    return p * v * m / (v * m + p - 1)


@formula("pipeline.min_microbatches", unit="count", words=["fewest micro-batches", "how many micro-batches",
                                                           "keep the bubble below"], cases=[
    Case({"p": 8, "bubble": 0.1}, {"result": 63}, source="(p-1)(1-x)/x"),
    Case({"p": 8, "bubble": 0.2}, {"result": 28}, source="GPipe: little when m >= 4p"),
])
def min_microbatches(
    p: int = param(**_P), v: int = param(1, **_V),
    max_bubble: float = param(alias="bubble", ge=0.001, le=0.999, unit="fraction", words=["bubble", "idle"]),
) -> int:
    """The fewest micro-batches that keep the bubble's share of the total time at or below a bound."""
    return max(1, math.ceil((p - 1) * (1 - max_bubble) / (max_bubble * v) - 1e-9))


@formula("pipeline.in_flight", unit="micro-batches", words=["in flight", "activations held", "stashed activations"], cases=[
    Case({"p": 4, "m": 8, "schedule": "gpipe"}, {"result": 8}, source="all forwards first"),
    Case({"p": 4, "m": 8, "schedule": "1f1b"}, {"result": 4}, source="PipeDream-Flush"),
    Case({"p": 8, "m": 32, "v": 4, "schedule": "interleaved"}, {"result": 9.75}, source="p(1 + (p-1)/(pv))"),
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
