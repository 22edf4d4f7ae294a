"""Model state: bytes of weights, gradients and optimizer, and how ZeRO shards them. Knows nothing of activations."""

from __future__ import annotations

import math
from typing import Any, Literal

from tools.base import Ask, Case, ToolError, formula, outputs, param

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


_PARAMS_B: dict[str, Any] = {"ge": 0.0, "le": 1e6, "unit": "billion parameters",
                             "words": ["parameters", "params", "model", "billion", "model of"]}
_DP: dict[str, Any] = {"ge": 1, "le": 1_000_000, "unit": "GPUs", "words": ["data parallel", "dp", "GPUs", "ranks"]}
_K: dict[str, Any] = {"ge": 0.0, "le": 64.0, "unit": "bytes", "words": ["optimizer bytes", "bytes of optimizer state", "K"]}
_STAGE: dict[str, Any] = {"ge": 0, "le": 3, "unit": "stage", "words": ["ZeRO stage", "stage", "ZeRO"]}
_GPU_GB: dict[str, Any] = {"gt": 0.0, "le": 100_000.0, "unit": "GB", "words": ["GPU memory", "card", "per GPU"]}
_OPTIMIZER: Any = param("adam", words=["optimizer"])
_PRECISION: Any = param("mixed", words=["precision"])
_TABLE = "ZeRO arXiv 1910.02054 table 1"


@formula("zero.model_state_GB", unit="GB", words=["ZeRO memory table"], cases=[
    Case({"params_B": 7.5, "dp": 4, "K": 12}, {"result": [120, 52.5, 41.25, 30]}, rel=3e-3, abs=6e-3, source=_TABLE),
    Case({"params_B": 7.5, "dp": 16, "K": 12}, {"result": [120, 35.6, 21.6, 7.5]}, rel=3e-3, abs=6e-3, source=_TABLE),
    Case({"params_B": 7.5, "dp": 64, "K": 12}, {"result": [120, 31.4, 16.6, 1.88]}, rel=3e-3, abs=6e-3, source=_TABLE),
    Case({"params_B": 128, "dp": 64, "K": 12}, {"result": [2048, 536, 284, 32]}, rel=3e-3, abs=6e-3, source=_TABLE),
    Case({"params_B": 128, "dp": 1024, "K": 12}, {"result": [2048, 513.5, 257.75, 2]}, rel=3e-3, abs=6e-3,
         source=_TABLE + " prints 513 and 257: it truncates"),
    Case({"params_B": 1000, "dp": 64, "K": 12}, {"result": [16000, 4187, 2218, 250]}, rel=3e-3, abs=6e-3,
         source=_TABLE),
    Case({"params_B": 1000, "dp": 1024, "K": 12}, {"result": [16000, 4011, 2013, 15.6]}, rel=3e-3, abs=6e-3,
         source=_TABLE),
])
def model_state_GB(params_B: float = param(**_PARAMS_B), dp: int = param(**_DP), K: float = param(12.0, **_K),
                   out: str = outputs(DP=r"^(plain )?d(ata )?p|ddp|stage.?0|zero.?0", Pos=r"^p_?os$|stage.?1|zero.?1",
                                      Pos_g=r"^p_?os\s*\+\s*g$|stage.?2|zero.?2", Pos_g_p=r"\+\s*p$|stage.?3|zero.?3|fsdp")) -> list[float]:
    """GB per GPU of model state under plain data parallelism and ZeRO stages 1, 2, 3 (the list in that order).

    (2+2+K)P, (2+2+K/N)P, (2+(2+K)/N)P, (2+2+K)P/N. The paper's table truncates: where this gives 513.5 it prints 513.
    """
    return [params_B * each for each in _per_stage(dp, K)]


@formula("zero.stage_GB", unit="GB", words=["ZeRO stage", "model states per GPU"], cases=[
    Case({"params_B": 7, "dp": 8, "stage": 3}, {"result": 14.0}, source="16*7/8"),
    Case({"params_B": 7.5, "dp": 64, "stage": 2}, {"result": 16.640625}, source="arithmetic"),
])
def stage_GB(params_B: float = param(**_PARAMS_B), dp: int = param(**_DP), stage: int = param(**_STAGE),
             K: float = param(12.0, **_K)) -> float:
    """GB per GPU of model state at one ZeRO stage (0 is plain data parallelism, 3 is FSDP full sharding)."""
    return params_B * _per_stage(dp, K)[stage]


@formula("zero.max_params_B", unit="billion parameters", words=["largest model under ZeRO"], cases=[
    Case({"gpu_GB": 32, "dp": 64, "stage": 0}, {"result": 2.0}, source="ZeRO table 2"),
    Case({"gpu_GB": 32, "dp": 64, "stage": 1}, {"result": 7.6}, rel=0.01, source="ZeRO table 2"),
    Case({"gpu_GB": 32, "dp": 64, "stage": 2}, {"result": 14.4}, rel=0.01, source="ZeRO table 2"),
    Case({"gpu_GB": 32, "dp": 64, "stage": 3}, {"result": 128.0}, source="ZeRO table 2"),
])
def max_params_B(gpu_GB: float = param(**_GPU_GB), dp: int = param(**_DP), stage: int = param(**_STAGE),
                 K: float = param(12.0, **_K)) -> float:
    """The largest model, in billions of parameters, whose state alone fills the GPU: a bound without activations."""
    return gpu_GB / _per_stage(dp, K)[stage]


@formula("zero.min_gpus", unit="GPUs", words=["how many GPUs", "fewest GPUs", "GPUs at least", "minimum GPUs"], cases=[
    Case({"params_B": 70, "gpu_GB": 80, "stage": 3}, {"result": 14}, source="16*70/80"),
], asks=[Ask("How many 80 GB GPUs do I need at least to hold the ZeRO-3 state of 70B params?", "result", 14)])
def min_gpus(params_B: float = param(gt=0.0, le=1e6, unit="billion parameters", words=["parameters", "model"]),
             gpu_GB: float = param(**_GPU_GB), stage: int = param(3, **_STAGE), K: float = param(12.0, **_K)) -> int:
    """The smallest data-parallel group whose GPUs hold the model state at this ZeRO stage. ToolError when none does."""
    divided = [0.0, K, 2 + K, 4 + K][stage]
    left = gpu_GB - (4 + K - divided) * params_B
    if divided * params_B <= left:
        return 1
    if left <= 0 or stage == 0:
        raise ToolError(f"zero.min_gpus: ZeRO stage {stage} keeps {(4 + K - divided) * params_B:.4g} GB on each GPU, "
                        f"more than {gpu_GB:g} GB however many there are; take a higher stage or split the model.")
    return math.ceil(divided * params_B / left - 1e-12)


@formula("zero.comm_volume_in_psi", unit="times the parameters", cases=[
    Case({}, {"result": [2, 3]}, source="ZeRO section 7: 2 psi against 3 psi"),
])
def comm_volume_in_psi(out: str = outputs(DDP="ddp|^dp|zero.?[012]|plain", FSDP="zero.?3|fsdp")) -> list[int]:
    """Elements that each GPU sends a step, in model sizes: [plain DP and ZeRO-1/2, ZeRO-3 or FSDP].

    Plain DP all-reduces the gradients: reduce-scatter + all-gather = 1 + 1. ZeRO-3 gathers the weights for the
    forward and again for the backward pass and reduce-scatters the gradients: 1 + 1 + 1.
    """
    return [sum(_volumes(0)), sum(_volumes(3))]


@formula("zero.comm_volume_stage", unit="times the parameters", words=["elements sent"], cases=[
    Case({"stage": 1}, {"result": 2}, source="ZeRO section 7"),
    Case({"stage": 3}, {"result": 3}, source="ZeRO section 7"),
])
def comm_volume_stage(stage: int = param(**_STAGE)) -> int:
    """Elements that each GPU sends a step at one ZeRO stage, in model sizes."""
    return sum(_volumes(stage))


@formula("zero.comm_ratio", unit="count",
         words=["more communication", "more data than plain data parallelism", "communication overhead of ZeRO",
                "FSDP against DDP", "traffic of FSDP"], cases=[
    Case({"stage": 3}, {"result": 1.5}, source="ZeRO section 7: 3 psi over 2 psi"),
    Case({"stage": 2}, {"result": 1.0}, source="ZeRO section 7: no more than plain data parallelism"),
], asks=[Ask("How many times the communication of plain data parallelism does ZeRO stage 3 cause?", "result", 1.5)])
def comm_ratio(stage: int = param(3, **_STAGE)) -> float:
    """How many times the communication of plain data parallelism a ZeRO stage causes: 3/2 at stage 3 (FSDP), else 1."""
    return sum(_volumes(stage)) / sum(_volumes(0))


@formula("zero.comm_GB", unit="GB", words=["sends per step", "communication per step", "traffic per step"], cases=[
    Case({"params_B": 7, "dp": 8, "stage": 0}, {"result": 24.5}, source="2*(7/8)*14 GB"),
    Case({"params_B": 7, "dp": 8, "stage": 3}, {"result": 36.75}, source="3*(7/8)*14 GB"),
])
def comm_GB(params_B: float = param(**_PARAMS_B), dp: int = param(**_DP), stage: int = param(**_STAGE),
            bytes_per_element: float = param(2.0, gt=0.0, le=8.0, unit="bytes", words=["bytes per element"])) -> float:
    """GB that each GPU sends a step with ring collectives: 2(n-1)/n model sizes up to stage 2, 3(n-1)/n at stage 3."""
    return sum(_volumes(stage)) * (dp - 1) / dp * params_B * bytes_per_element


@formula("mem.bytes_per_param", unit="bytes/parameter", words=["bytes per parameter"], cases=[
    Case({}, {"result": [16, 16]}, source="4+4+4+4 against 2+2+4+4+4"),
    Case({"optimizer": "sgd"}, {"result": [8, 8]}, source="4+4 against 2+2+4"),
])
def bytes_per_param(optimizer: Optimizer = _OPTIMIZER,
                    out: str = outputs(fp32="fp32|full|single", mixed="mixed|16")) -> list[float]:
    """Bytes per parameter of model state, [fp32, mixed precision]: equal, as the fp32 master copy eats the saving."""
    moments = MOMENT_BYTES[optimizer]
    return [4 + 4 + moments, 2 + 2 + 4 + moments]


@formula("mem.precision_bytes", unit="bytes/parameter", words=["bytes per parameter by part"], cases=[
    Case({"precision": "mixed"}, {"weights": 2, "gradients": 2, "optimizer": 12, "total": 16},
         source="ZeRO section 3.1"),
    Case({"precision": "mixed_fp32_grad"}, {"total": 18}, source="2+4+12"),
])
def precision_bytes(precision: Precision = _PRECISION) -> dict[str, float]:
    """Bytes per parameter by part for a set of data types, with Adam."""
    weights, gradients, optimizer = STATE_BYTES[precision]
    return {"weights": weights, "gradients": gradients, "optimizer": optimizer,
            "total": weights + gradients + optimizer}


@formula("mem.model_state_GB", unit="GB",
         words=["weights, gradients and optimizer", "full fine-tuning", "without sharding", "unsharded", "model state"], cases=[
    Case({"params_B": 7}, {"result": 112.0}, source="16*7"),
    Case({"params_B": 175}, {"result": 2800.0}, source="16*175"),
], asks=[Ask("Weights, gradients and Adam of a 3B model, unsharded: how many GB?", "result", 48)])
def replica_GB(params_B: float = param(**_PARAMS_B), precision: Precision = _PRECISION) -> float:
    """GB of one unsharded replica's weights, gradients and Adam state, before any activation."""
    return sum(STATE_BYTES[precision]) * params_B


@formula("mem.optimizer_GB", unit="GB",
         words=["optimizer state", "Adam state", "Adam moments", "optimizer memory", "moments"], cases=[
    Case({"params_B": 7}, {"result": 84.0}, source="12*7: fp32 master weights and two moments"),
    Case({"params_B": 7, "precision": "fp32"}, {"result": 56.0}, source="8*7: two moments"),
], asks=[Ask("How large is the Adam state of 7B params in mixed precision, in GB?", "result", 84),
         Ask("optimizer memory for a 1.5B model?", "result", 18)])
def optimizer_GB(params_B: float = param(**_PARAMS_B), precision: Precision = _PRECISION) -> float:
    """GB of the optimizer state alone with Adam: 12 bytes a parameter in mixed precision (master copy and two moments)."""
    return STATE_BYTES[precision][2] * params_B


@formula("mem.max_params_B", unit="billion parameters",
         words=["largest model", "biggest model", "largest model on one GPU", "largest model that fits"], cases=[
    Case({"gpu_GB": 80}, {"result": 5.0}, source="80/16: weights, gradients and Adam in mixed precision"),
    Case({"gpu_GB": 24, "precision": "bf16"}, {"result": 3.0}, source="24/8"),
], asks=[Ask("What is the largest model whose training state fits on a single 24 GB card?", "result", 1.5)])
def largest_params_B(gpu_GB: float = param(**_GPU_GB), precision: Precision = _PRECISION) -> float:
    """The largest model, in billions of parameters, that one GPU can train unsharded: its memory over 16 bytes each."""
    return gpu_GB / sum(STATE_BYTES[precision])


@formula("mem.weights_GB", unit="GB", words=["weights alone", "size of the weights"], cases=[
    Case({"params_B": 7, "bits": 16}, {"result": 14.0}, source="arithmetic"),
    Case({"params_B": 70, "bits": 4}, {"result": 35.0}, source="arithmetic"),
    Case({"params_B": 70, "dtype": "int8"}, {"result": 70.0}, source="one byte each"),
])
def weights_GB(params_B: float = param(**_PARAMS_B),
               bits: float | None = param(None, ge=1.0, le=64.0, unit="bits", words=["bits", "bit"]),
               dtype: WeightType = param("bf16", words=["format", "dtype", "precision", "quantised to"])) -> float:
    """GB of the weights alone, params * bits/8: what inference needs before its cache. `bits` goes before `dtype`."""
    return params_B * (bits or WEIGHT_BITS[dtype]) / 8


def _per_stage(dp: int, K: float) -> list[float]:
    return [4 + K, 4 + K / dp, 2 + (2 + K) / dp, (4 + K) / dp]


def _volumes(stage: int) -> tuple[int, ...]:
    """Reduce-scatter of gradients, all-gather of weights (after the step, or before forward and before backward)."""
    return (1, 1, 1) if stage == 3 else (1, 1)
