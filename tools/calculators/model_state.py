"""Model state: bytes of weights, gradients and optimizer, and how ZeRO shards them. Knows nothing of activations."""

from __future__ import annotations

import math
from typing import Any, Literal

from tools.base import Ask, Case, ToolError, formula, outputs, param
from tools.calculators.state_bytes import MOMENT_BYTES, STATE_BYTES, WEIGHT_BITS, Optimizer, Precision, WeightType

_PARAMS_B: dict[str, Any] = {"ge": 0.0, "le": 1e6, "unit": "billion parameters",
                             "words": ["parameters", "params", "model", "billion", "model of"]}
_DP: dict[str, Any] = {"ge": 1, "le": 1_000_000, "unit": "GPUs", "words": ["data parallel", "dp", "GPUs", "ranks", "cards", "A100s",
                                                            "H100s", "H100"]}
_K: dict[str, Any] = {"ge": 0.0, "le": 64.0, "unit": "bytes", "words": ["optimizer bytes", "bytes of optimizer state", "K"]}
_STATE_BYTES: dict[str, Any] = {"ge": 4.0, "le": 68.0, "unit": "bytes",
                                "words": ["bytes per parameter", "bytes/param", "bytes per param in all"]}
_STAGE: dict[str, Any] = {"ge": 0, "le": 3, "unit": "stage", "words": ["ZeRO stage", "stage", "ZeRO"]}
_GPU_GB: dict[str, Any] = {"gt": 0.0, "le": 100_000.0, "unit": "GB", "words": ["GPU memory", "card", "per GPU"]}
_SCHEME: Any = param("FSDP", words=["scheme"], help="without a ZeRO stage: FSDP is stage 3, DDP 0")
_OPTIMIZER: Any = param("adam", words=["optimizer"])
_PRECISION: Any = param("mixed", words=["precision"])
Scheme = Literal["FSDP", "DDP"]
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


@formula("zero.stage_GB", unit="GB", words=["ZeRO stage", "model states per GPU", "model state on each", "model state per GPU",
                                            "zero"], cases=[
    Case({"params_B": 7, "dp": 8, "stage": 3}, {"result": 14.0}, source="16*7/8"),
    Case({"params_B": 7.5, "dp": 64, "stage": 2}, {"result": 16.640625}, source="arithmetic"),
], asks=[
    Ask("ZeRO stage 2 model states per GPU for 10B params on 20 GPUs, in GB?", "result", 10 * (2 + 14 / 20)),
    Ask("How many GB of model states per GPU does ZeRO-1 leave for a model of 6B parameters on 24 GPUs?",
        "result", 6 * (4 + 12 / 24)),
    Ask("we shard 30 billion parameters fully (zero stage 3) across 48 cards. gb of model states per gpu?", "result", 10),
    Ask("a 9B model with ZeRO stage 1 over 32 GPUs, 16 bytes per parameter in all: GB of model state on each?",
        "result", 9 * (4 + 12 / 32)),
])
def stage_GB(params_B: float = param(**_PARAMS_B), dp: int = param(**_DP), stage: int = param(**_STAGE),
             K: float = param(12.0, **_K), bytes_per_param: float | None = param(None, **_STATE_BYTES)) -> float:
    """GB per GPU of model state at one ZeRO stage (0 is plain data parallelism, 3 is FSDP full sharding).

    `bytes_per_param` counts weights, gradients and optimizer together, 4 + K, and goes before K.
    """
    return params_B * _per_stage(dp, K if bytes_per_param is None else bytes_per_param - 4)[stage]


@formula("zero.max_params_B", unit="billion parameters", words=["largest model under ZeRO", "biggest model", "states fit",
                                                            "billion parameters at most"], cases=[
    Case({"gpu_GB": 32, "dp": 64, "stage": 0}, {"result": 2.0}, source="ZeRO table 2"),
    Case({"gpu_GB": 32, "dp": 64, "stage": 1}, {"result": 7.6}, rel=0.01, source="ZeRO table 2"),
    Case({"gpu_GB": 32, "dp": 64, "stage": 2}, {"result": 14.4}, rel=0.01, source="ZeRO table 2"),
    Case({"gpu_GB": 32, "dp": 64, "stage": 3}, {"result": 128.0}, source="ZeRO table 2"),
], asks=[
    Ask("largest model under ZeRO stage 3 on 16 GPUs of 40 GB, in billions of parameters?", "result", 40 * 16 / 16),
    Ask("How many billion parameters can ZeRO-2 train at most on 32 GPUs with 80 GB of memory each, counting only model state?",
        "result", 80 / (2 + 14 / 32)),
    Ask("eight 24 GB cards and zero stage 1: what's the biggest model whose states fit?", "result", 24 / (4 + 12 / 8)),
])
def max_params_B(gpu_GB: float = param(**_GPU_GB), dp: int = param(**_DP), stage: int = param(**_STAGE),
                 K: float = param(12.0, **_K)) -> float:
    """The largest model, in billions of parameters, whose state alone fills the GPU: a bound without activations."""
    return gpu_GB / _per_stage(dp, K)[stage]


@formula("zero.min_gpus", unit="GPUs", words=["how many GPUs", "fewest GPUs", "GPUs at least", "minimum GPUs"], cases=[
    Case({"params_B": 70, "gpu_GB": 80, "stage": 3}, {"result": 14}, source="16*70/80"),
], asks=[
    Ask("How many 80 GB GPUs do I need at least to hold the ZeRO-3 state of 70B params?", "result", 14),
    Ask("fewest GPUs with 24 GB for a 13B model under ZeRO stage 3?", "result", 9),
    Ask("i've a 30B model and 80 GB cards, fully sharded. how many gpus at minimum to hold the model state?", "result", 6),
])
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


@formula("zero.comm_volume_stage", unit="times the parameters", words=["elements sent", "times the model's parameters",
                                                            "model sizes"], cases=[
    Case({"stage": 1}, {"result": 2}, source="ZeRO section 7"),
    Case({"stage": 3}, {"result": 3}, source="ZeRO section 7"),
], asks=[
    Ask("how many elements, in model sizes, are sent per GPU and step at ZeRO stage 3?", "result", 3),
    Ask("how many times the model's parameters does each gpu send a step with ZeRO stage 2?", "result", 2),
    Ask("ZeRO stage 1: how many model sizes are the elements sent by each GPU per step?", "result", 2),
])
def comm_volume_stage(stage: int = param(**_STAGE)) -> int:
    """Elements that each GPU sends a step at one ZeRO stage, in model sizes."""
    return sum(_volumes(stage))


@formula("zero.comm_ratio", unit="count",
         words=["more communication", "more data than plain data parallelism", "communication overhead of ZeRO", "FSDP against DDP",
                "traffic of FSDP"], cases=[
    Case({"stage": 3}, {"result": 1.5}, source="ZeRO section 7: 3 psi over 2 psi"),
    Case({"stage": 2}, {"result": 1.0}, source="ZeRO section 7: no more than plain data parallelism"),
], asks=[
    Ask("How many times the communication of plain data parallelism does ZeRO stage 3 cause?", "result", 1.5),
    Ask("how much more communication does FSDP cause than plain DDP?", "result", 1.5),
    Ask("by how many times does the communication overhead of ZeRO stage 3 beat the traffic of plain DDP?", "result", 1.5),
])
def comm_ratio(stage: int = param(3, **_STAGE)) -> float:
    """How many times the communication of plain data parallelism a ZeRO stage causes: 3/2 at stage 3 (FSDP), else 1."""
    return sum(_volumes(stage)) / sum(_volumes(0))


@formula("zero.comm_GB", unit="GB", words=["sends per step", "send per step", "communication per step", "traffic per step"], cases=[
    Case({"params_B": 7, "dp": 8, "stage": 0}, {"result": 24.5}, source="2*(7/8)*14 GB"),
    Case({"params_B": 7, "dp": 8, "stage": 3}, {"result": 36.75}, source="3*(7/8)*14 GB"),
], asks=[
    Ask("communication per step of ZeRO stage 3 with 13B parameters on 16 GPUs, GB per GPU?", "result", 3 * 15 / 16 * 26),
    Ask("How many GB does each of 32 GPUs send per step when a 3B model trains with ZeRO stage 1?", "result", 2 * 31 / 32 * 6),
    Ask("how much traffic per step does plain DDP cause on each of 4 gpus with 2 billion params, in GB?", "result", 6),
    Ask("zero 3, eight gpus, 1.5B params in bf16: gb that one gpu sends per step?", "result", 3 * 7 / 8 * 3),
])
def comm_GB(params_B: float = param(**_PARAMS_B), dp: int = param(**_DP), stage: int | None = param(None, **_STAGE),
            bytes_per_element: float = param(2.0, gt=0.0, le=8.0, unit="bytes", words=["bytes per element"]),
            scheme: Scheme = _SCHEME) -> float:
    """GB that each GPU sends a step with ring collectives: 2(n-1)/n model sizes up to stage 2, 3(n-1)/n at stage 3."""
    return sum(_volumes(_stage(stage, scheme))) * (dp - 1) / dp * params_B * bytes_per_element


@formula("zero.comm_limit_GB", unit="GB",
         words=["limit of many GPUs", "large cluster", "on many GPUs", "sends per step", "moves per step"], cases=[
    Case({"params_B": 7.5, "stage": 3}, {"result": 45.0}, source="ZeRO section 7: 3 psi, 2 bytes each"),
    Case({"weights_GB": 15, "stage": 0}, {"result": 30.0}, source="ZeRO section 7: 2 psi"),
], asks=[
    Ask("On very many GPUs, how many GB does each send per step for 20B parameters under ZeRO-3?", "result", 120),
    Ask("our weights are 30 GB and we use ZeRO stage 1 on a large cluster: GB of traffic per step and GPU?", "result", 60),
    Ask("roughly how much traffic per step and gpu does zero stage 3 cause on many gpus, if the bf16 weights are 140 GB?",
        "result", 420),
])
def comm_limit_GB(
    params_B: float | None = param(None, **_PARAMS_B),
    weights_GB: float | None = param(None, ge=0.0, le=1e6, unit="GB", words=["weights", "parameters take", "16-bit parameters"]),
    stage: int | None = param(None, **_STAGE),
    bytes_per_element: float = param(2.0, gt=0.0, le=8.0, unit="bytes", words=["bytes per element"]), scheme: Scheme = _SCHEME,
) -> float:
    """GB that each of many GPUs sends a step: 2 model sizes up to stage 2, 3 at stage 3 (FSDP); (n-1)/n is taken as 1."""
    if params_B is None and weights_GB is None:
        raise ToolError("zero.comm_limit_GB needs params_B, or the weights in GB.")
    return sum(_volumes(_stage(stage, scheme))) * (weights_GB if weights_GB is not None else float(params_B or 0) * bytes_per_element)


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
], asks=[
    Ask("how many bytes per parameter do weights, gradients and Adam take in mixed precision?", "total", 16),
])
def precision_bytes(precision: Precision = _PRECISION) -> dict[str, float]:
    """Bytes per parameter by part for a set of data types, with Adam."""
    weights, gradients, optimizer = STATE_BYTES[precision]
    return {"weights": weights, "gradients": gradients, "optimizer": optimizer,
            "total": weights + gradients + optimizer}


@formula("mem.model_state_GB", unit="GB",
         words=["weights, gradients and optimizer", "weights, grads", "both moments", "full fine-tuning", "finetune",
                "without sharding", "no sharding", "unsharded", "model state"], cases=[
    Case({"params_B": 7}, {"result": 112.0}, source="16*7"),
    Case({"params_B": 175}, {"result": 2800.0}, source="16*175"),
], asks=[
    Ask("Weights, gradients and Adam of a 3B model, unsharded: how many GB?", "result", 48),
    Ask("no sharding, 2.5 billion params, mixed precision adam: weights, grads and moments together in GB?", "result", 40),
    Ask("How much GPU memory do weights, gradients and optimizer states of a 1.5B model take when everything is fp32?", "result", 24),
    Ask("i fully finetune a 0.5B model with adam on one gpu. what's the model state in GB?", "result", 8),
])
def replica_GB(params_B: float = param(**_PARAMS_B), precision: Precision = _PRECISION) -> float:
    """GB of one unsharded replica's weights, gradients and Adam state, before any activation."""
    return sum(STATE_BYTES[precision]) * params_B


@formula("mem.optimizer_GB", unit="GB",
         words=["optimizer state", "Adam state", "Adam moments", "optimizer memory"], cases=[
    Case({"params_B": 7}, {"result": 84.0}, source="12*7: fp32 master weights and two moments"),
    Case({"params_B": 7, "precision": "fp32"}, {"result": 56.0}, source="8*7: two moments"),
], asks=[
    Ask("How large is the Adam state of 7B params in mixed precision, in GB?", "result", 84),
    Ask("optimizer memory for a 1.5B model?", "result", 18),
    Ask("Adam moments and master copy of a 30B model in mixed precision: GB of optimizer state?", "result", 360),
    Ask("my optimizer is adam and all is fp32. how many GB of optimizer state for 4B parameters?", "result", 32),
])
def optimizer_GB(params_B: float = param(**_PARAMS_B), precision: Precision = _PRECISION) -> float:
    """GB of the optimizer state alone with Adam: 12 bytes a parameter in mixed precision (master copy and two moments)."""
    return STATE_BYTES[precision][2] * params_B


@formula("mem.max_params_B", unit="billion parameters",
         words=["largest model", "biggest model", "largest model on one GPU", "largest model that fits", "how large a model"], cases=[
    Case({"gpu_GB": 80}, {"result": 5.0}, source="80/16: weights, gradients and Adam in mixed precision"),
    Case({"gpu_GB": 24, "precision": "bf16"}, {"result": 3.0}, source="24/8"),
], asks=[
    Ask("What is the largest model whose training state fits on a single 24 GB card?", "result", 1.5),
    Ask("biggest model in billions of parameters that one 48 GB GPU can train unsharded with Adam?", "result", 3),
    Ask("we own a single 32 GB card and train in plain mixed precision. how large a model fits at most, state only?", "result", 2),
])
def largest_params_B(gpu_GB: float = param(**_GPU_GB), precision: Precision = _PRECISION) -> float:
    """The largest model, in billions of parameters, that one GPU can train unsharded: its memory over 16 bytes each."""
    return gpu_GB / sum(STATE_BYTES[precision])


@formula("mem.weights_GB", unit="GB", words=["weights alone", "size of the weights", "how large are the weights"], cases=[
    Case({"params_B": 7, "bits": 16}, {"result": 14.0}, source="arithmetic"),
    Case({"params_B": 70, "bits": 4}, {"result": 35.0}, source="arithmetic"),
    Case({"params_B": 70, "dtype": "int8"}, {"result": 70.0}, source="one byte each"),
], asks=[
    Ask("size of the weights alone of a 20B model at 16 bits?", "result", 40),
    Ask("How many GB do the weights of 40B parameters take at 8 bits each?", "result", 40),
    Ask("i squeezed a 65B model to 4 bit. how large are the weights now in GB?", "result", 32.5),
])
def weights_GB(params_B: float = param(**_PARAMS_B),
               bits: float | None = param(None, ge=1.0, le=64.0, unit="bits", words=["bits", "bit"]),
               dtype: WeightType = param("bf16", words=["format", "dtype", "precision", "quantised to"])) -> float:
    """GB of the weights alone, params * bits/8: what inference needs before its cache. `bits` goes before `dtype`."""
    return params_B * (bits or WEIGHT_BITS[dtype]) / 8


def _per_stage(dp: int, K: float) -> list[float]:
    return [4 + K, 4 + K / dp, 2 + (2 + K) / dp, (4 + K) / dp]


def _stage(stage: int | None, scheme: str) -> int:
    return stage if stage is not None else 3 if scheme == "FSDP" else 0


def _volumes(stage: int) -> tuple[int, ...]:
    """Reduce-scatter of gradients, all-gather of weights (after the step, or before forward and before backward)."""
    return (1, 1, 1) if stage == 3 else (1, 1)
