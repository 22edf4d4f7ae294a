"""Bytes per parameter of weights, gradients and optimizers in training, and bits of a served weight; knows no model sizes."""

from __future__ import annotations

from typing import Literal

Precision = Literal["mixed", "mixed_fp32_grad", "fp32", "bf16", "mixed_8bit_adam"]

STATE_BYTES: dict[str, tuple[float, float, float]] = {
    "mixed": (2, 2, 12), "mixed_fp32_grad": (2, 4, 12), "fp32": (4, 4, 8), "bf16": (2, 2, 4),
    "mixed_8bit_adam": (2, 2, 6),
}
"""Bytes per parameter of weights, gradients and optimizer with Adam. `mixed`: 16-bit weights and gradients, fp32 master
copy and both moments (ZeRO, arXiv 1910.02054, section 3.1)."""

MOMENT_BYTES: dict[str, float] = {"adam": 8, "adamw": 8, "adam8bit": 2, "lion": 4, "momentum": 4, "adagrad": 4,
                                  "sgd": 0}
"""Bytes per parameter that an optimizer keeps besides the weights (fp32 moments; 8-bit Adam keeps two bytes)."""

WeightType = Literal["fp32", "bf16", "fp16", "fp8", "int8", "int4", "nf4", "fp4"]

WEIGHT_BITS: dict[str, float] = {"fp32": 32, "bf16": 16, "fp16": 16, "fp8": 8, "int8": 8, "int4": 4, "nf4": 4, "fp4": 4}
"""Bits of a stored weight; block scales of quantised formats (about half a bit with NF4) aren't counted."""

Optimizer = Literal["adam", "adamw", "adam8bit", "lion", "momentum", "adagrad", "sgd"]


def sharded_bytes(precision: str, stage: int, dp: int) -> tuple[float, float, float]:
    """Bytes per parameter and GPU of weights, gradients and optimizer: ZeRO stage 1 divides the optimizer by dp,
    stage 2 the gradients too, stage 3 (FSDP) the weights too."""
    weights, gradients, optimizer = STATE_BYTES[precision]
    return (weights / (dp if stage >= 3 else 1), gradients / (dp if stage >= 2 else 1),
            optimizer / (dp if stage >= 1 else 1))
