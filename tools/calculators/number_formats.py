"""Number formats: ranges of fp16, bf16, fp8 and fp32, underflow, and the rule of dynamic loss scaling; no training."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from tools.base import Ask, Case, formula, param


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: explicit mantissa bits, smallest normal exponent, largest finite value."""

    mantissa: int
    min_exponent: int
    largest: float
    bits: int


FORMATS: dict[str, Format] = {
    "fp32": Format(23, -126, (2 - 2.0**-23) * 2.0**127, 32),
    "tf32": Format(10, -126, (2 - 2.0**-10) * 2.0**127, 19),
    "bf16": Format(7, -126, (2 - 2.0**-7) * 2.0**127, 16),
    "fp16": Format(10, -14, 65504.0, 16),
    "fp8_e5m2": Format(2, -14, 57344.0, 8),
    "fp8_e4m3": Format(3, -6, 448.0, 8),
}
"""IEEE 754 for fp16 and fp32; arXiv 2209.05433 for the two fp8 (e4m3 gives up infinities for a larger range)."""

_NAMES = {"half": "fp16", "single": "fp32", "float": "fp32"}


def _usual(dtype: Any) -> Any:
    """A name as frameworks write it: float16, half, bfloat16, torch.float8_e5m2."""
    if not isinstance(dtype, str):
        return dtype
    told = dtype.strip().lower().removeprefix("torch.")
    return _NAMES.get(told) or re.sub(r"^float(?=\d)", "fp", re.sub(r"^bfloat", "bf", told))


Dtype = Annotated[Literal["fp32", "tf32", "bf16", "fp16", "fp8_e5m2", "fp8_e4m3"], BeforeValidator(_usual)]


def smallest(dtype: str) -> float:
    """The smallest positive (subnormal) value."""
    return math.ldexp(1.0, FORMATS[dtype].min_exponent - FORMATS[dtype].mantissa)


def rounded(value: float, dtype: str) -> float:
    """`value` in the format, rounded to nearest even, with subnormals; infinity when it overflows (e4m3 too, though
    hardware may saturate it)."""
    form = FORMATS[dtype]
    if value == 0 or math.isinf(value):
        return value
    exponent = max(math.frexp(abs(value))[1] - 1, form.min_exponent)
    step = math.ldexp(1.0, exponent - form.mantissa)
    result = round(abs(value) / step) * step
    return math.copysign(math.inf if result > form.largest else result, value)


def next_scale(scale: float, good_steps: int, overflow: bool, growth: float, backoff: float,
               interval: int) -> tuple[float, int]:
    """Scale and run of good steps after one optimizer step, as torch.amp.GradScaler does: back off at once on an
    infinite or NaN gradient, grow after `interval` good steps in a row unless that would leave fp32."""
    if overflow:
        return scale * backoff, 0
    if good_steps + 1 < interval:
        return scale, good_steps + 1
    grown = scale * growth
    return (grown if grown <= FORMATS["fp32"].largest else scale), 0


_FP16: Any = param("fp16", words=["format", "dtype", "precision"])
_VALUE: dict[str, Any] = {"ge": -1e38, "le": 1e38, "unit": "count", "words": ["value", "gradient", "remains of", "value of", "number"]}
_SCALE: dict[str, Any] = {"ge": 1e-30, "le": 1e30, "unit": "count", "words": ["scale", "loss scale"]}


@formula("precision.range",
         words=["floating-point range", "largest number", "largest value", "biggest number", "maximum value", "represent",
                "smallest normal number", "machine epsilon"], cases=[
    Case({"dtype": "fp16"}, {"max": 65504.0, "min_normal": 6.1035e-5, "min_subnormal": 5.9605e-8, "epsilon": 9.7656e-4},
         rel=1e-4, source="IEEE 754 binary16"),
    Case({"dtype": "bf16"}, {"max": 3.38953e38, "min_normal": 1.17549e-38, "min_subnormal": 9.1835e-41,
                             "epsilon": 0.0078125},
         rel=1e-4, source="bfloat16: fp32's exponent, 7 bits of mantissa"),
    Case({"dtype": "fp8_e4m3"}, {"max": 448.0, "min_subnormal": 0.001953125}, source="arXiv 2209.05433"),
], asks=[
    Ask("What is the largest number that fp16 can represent?", "max", 65504),
    Ask("what is the biggest number that bf16 can represent?", "max", 3.3895e38),
    Ask("which number is the maximum value that fp8_e4m3 can represent?", "max", 448),
])
def number_range(dtype: Dtype = _FP16) -> dict[str, float]:
    """Largest, smallest normal and smallest subnormal value of a format, and the gap after 1 (epsilon)."""
    form = FORMATS[dtype]
    return {"max": form.largest, "min_normal": math.ldexp(1.0, form.min_exponent), "min_subnormal": smallest(dtype),
            "epsilon": math.ldexp(1.0, -form.mantissa)}


@formula("precision.min_subnormal", words=["smallest positive number", "smallest number", "smallest number above zero"], cases=[
    Case({"dtype": "fp16"}, {"result": 5.96e-8}, rel=1e-3, source="2^-24"),
    Case({"dtype": "fp32"}, {"result": 1.4013e-45}, rel=1e-4, source="2^-149"),
], asks=[
    Ask("what is the smallest number above zero in bf16?", "result", 2.0**-133),
    Ask("what is the smallest number that fp16 can represent above zero?", "result", 2.0**-24),
])
def min_subnormal(dtype: Dtype = _FP16) -> float:
    """The smallest positive value; anything below half of it becomes zero."""
    return smallest(dtype)


@formula("precision.cast", words=["stored in", "cast to", "underflow to zero", "what remains"], cases=[
    Case({"value": 1e-8, "dtype": "fp16"}, {"result": 0.0}, source="underflow"),
    Case({"value": 1e-8, "dtype": "fp16", "scale": 65536}, {"result": 1.0000e-8}, rel=1e-3,
         source="scaled, then unscaled"),
    Case({"value": 1e-8, "dtype": "bf16"}, {"result": 1.0012e-8}, rel=1e-3,
         source="bf16 has the range, not the digits"),
], asks=[
    Ask("what remains of 1e-8 stored in fp16?", "result", 0.0),
    Ask("I multiply a value of 3e-9 by a loss scale of 65536 and cast it to fp16. What remains of it after unscaling?",
        "result", 3e-9),
])
def cast(value: float = param(**_VALUE), dtype: Dtype = _FP16, scale: float = param(1.0, **_SCALE)) -> float | None:
    """What remains of a value multiplied by a scale, stored in a format and divided again; None if it overflows."""
    kept = rounded(value * scale, dtype)
    return None if math.isinf(kept) else kept / scale


@formula("precision.loss_scale_bounds", words=["loss scale range", "which loss scale", "largest loss scale", "smallest loss scale"],
         cases=[
    Case({"smallest_gradient": 1e-8, "largest_gradient": 0.1}, {"lowest": 5.9605, "highest": 655040.0}, rel=1e-4,
         source="2^-24/1e-8; 65504/0.1"),
], asks=[
    Ask("largest loss scale in fp16 for a smallest gradient of 1e-9 and a largest gradient of 0.5?", "highest", 65504 / 0.5),
    Ask("My gradients lie between a smallest of 4e-10 and a largest of 2. Which loss scale do I need at least in fp16?", "lowest",
        2.0**-24 / 4e-10),
    Ask("which loss scale is the largest that doesn't overflow fp16 when the largest gradient is 16 and the smallest gradient 1e-8?",
        "result", 4094),
])
def loss_scale_bounds(
    smallest_gradient: float = param(ge=1e-30, le=1e6, unit="count", words=["smallest gradient", "smallest"]),
    largest_gradient: float = param(ge=1e-30, le=1e6, unit="count", words=["largest gradient", "largest"]),
    dtype: Dtype = _FP16,
) -> dict[str, float]:
    """The loss scales between which the smallest gradient is representable and the largest doesn't overflow."""
    return {"lowest": smallest(dtype) / smallest_gradient, "highest": FORMATS[dtype].largest / largest_gradient}


@formula("precision.bytes", unit="bytes", words=["bytes per value", "bytes of a number", "bytes does a number"],
         cases=[Case({"dtype": "bf16"}, {"result": 2.0}, source="16 bits")], asks=[
    Ask("How many bytes does a number stored in bf16 take?", "result", 2),
    Ask("How many bytes does a number stored as fp32 take?", "result", 4),
])
def storage_bytes(dtype: Dtype = _FP16) -> float:
    """Bytes of one stored value; tf32 is a compute format and is stored as fp32."""
    return 4.0 if dtype == "tf32" else FORMATS[dtype].bits / 8


@formula("scaler.trace", words=["GradScaler", "dynamic loss scale"], cases=[
    Case({"overflow": [0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0], "init_scale": 65536, "growth_interval": 4},
         {"result": [65536, 65536, 32768, 32768, 32768, 32768, 65536, 32768, 16384, 16384, 16384, 16384]},
         source="torch.amp.GradScaler's rule"),
])
def trace(overflow: list[bool] = param(max_length=100_000, words=["overflow", "inf"]),
          init_scale: float = param(65536.0, **_SCALE),
          growth_factor: float = param(2.0, gt=1.0, le=1e6, unit="count", words=["growth factor"]),
          backoff_factor: float = param(0.5, gt=0.0, lt=1.0, unit="fraction", words=["backoff factor"]),
          growth_interval: int = param(2000, ge=1, le=10_000_000, unit="steps",
                                       words=["growth interval"])) -> list[float]:
    """The loss scale after each step, given which steps met an infinite gradient (those steps are skipped)."""
    scale, good, scales = init_scale, 0, []
    for bad in overflow:
        scale, good = next_scale(scale, good, bad, growth_factor, backoff_factor, growth_interval)
        scales.append(scale)
    return scales


@formula("scaler.skipped", unit="steps", words=["skipped steps", "steps skipped", "scaler skips"], cases=[
    Case({"largest_gradient": 8, "init_scale": 65536}, {"result": 4},
         source="65536*8 / 2^4 = 32768 fits, /2^3 doesn't"),
], asks=[
    Ask("how many steps does the scaler skip at first with a largest gradient of 20 and a loss scale of 65536?", "result", 5),
    Ask("The GradScaler starts at a scale of 1,048,576 and my largest gradient is 1. How many skipped steps until it fits fp16?",
        "result", 5),
])
def skipped(largest_gradient: float = param(ge=0.0, le=1e30, unit="count", words=["largest gradient"]),
            init_scale: float = param(65536.0, **_SCALE),
            backoff_factor: float = param(0.5, ge=0.01, le=0.99, unit="fraction", words=["backoff"]),
            dtype: Dtype = _FP16) -> int:
    """Steps that a fresh scaler skips until its scale fits the largest gradient."""
    scale, count = init_scale, 0
    while math.isinf(rounded(largest_gradient * scale, dtype)):
        scale, count = scale * backoff_factor, count + 1
    return count
