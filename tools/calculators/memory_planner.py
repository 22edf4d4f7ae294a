"""Memory planner: what one GPU holds in training under every kind of parallelism. Knows no speeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.activations import Recompute, layer_bytes
from tools.calculators.state_bytes import STATE_BYTES, Precision, sharded_bytes
from tools.calculators.transformer_shape import usual_shape

STAGES = ("0 (DDP)", "1", "2", "3 (FSDP)")


class MemoryPlan(Params):
    params: float = param(7e9, ge=1e6, le=1e14, unit="parameters",
                          words=["parameters", "params", "model", "parameter model"])
    dp: int = param(1, ge=1, le=100_000, unit="GPUs",
                    words=["GPUs", "data parallel", "dp", "data-parallel", "ranks", "cards", "A100s", "H100s", "H100"],
                    help="data-parallel ranks; 1 shards nothing")
    tp: int = param(1, ge=1, le=1_024, unit="count", words=["tensor parallel", "tp", "tensor-parallel"])
    pp: int = param(1, ge=1, le=1_024, unit="stages", words=["pipeline stages", "pp", "pipeline parallel"])
    ep: int = param(1, ge=1, le=10_000, unit="count", words=["expert parallel", "ep", "expert-parallel"])
    expert_fraction: float = param(0.0, ge=0.0, le=1.0, unit="fraction",
                                   words=["in experts", "expert parameters", "share in experts"])
    scheme: Literal["FSDP", "DDP"] = param("FSDP", words=["scheme", "sharding scheme"],
                                           help="FSDP shards everything (ZeRO stage 3), DDP nothing (stage 0)")
    zero_stage: int | None = param(None, ge=0, le=3, unit="stage", words=["ZeRO stage", "ZeRO", "stage", "sharding"],
                                   help="replaces the scheme: 0 is DDP, 3 is FSDP full sharding")
    precision: Precision = param("mixed", words=["precision", "mixed precision", "fp32", "bf16"])
    seq_len: int = param(4_096, ge=1, le=10_000_000, unit="tokens",
                         words=["sequence length", "sequence", "seq", "context", "tokens"])
    micro_batch: int = param(1, ge=1, le=65_536, unit="samples",
                             words=["micro-batch", "batch size", "batch", "per GPU batch"])
    microbatches: int = param(8, ge=1, le=100_000, unit="count", words=["microbatches per step", "accumulation steps"])
    hidden: int | None = param(None, ge=1, le=200_000, unit="count",
                               words=["hidden size", "hidden", "width", "d_model"])
    heads: int | None = param(None, ge=1, le=10_000, unit="heads", words=["attention heads", "heads"])
    layers: int | None = param(None, ge=1, le=2_000, unit="layers", words=["layers", "blocks"])
    vocab: int = param(32_000, ge=0, le=10_000_000, unit="count", words=["vocabulary", "vocab"],
                       help="0 leaves out the logits")
    sequence_parallel: bool = param(False, words=["sequence parallel", "sequence parallelism"])
    recompute: Recompute = param("selective", words=["recompute", "recomputation", "activation checkpointing", "checkpointing"],
                                 help="selective also stands for FlashAttention, which stores no attention scores")
    gpu_memory_GB: float = param(80.0, ge=1.0, le=10_000.0, unit="GB",
                                 words=["GPU memory", "card", "per GPU", "GB GPU", "GPU"])
    overhead_GB: float = param(2.0, ge=0.0, le=1_000.0, unit="GB", words=["overhead", "CUDA context", "fragmentation"])


@dataclass(frozen=True)
class Parts:
    """GB on the fullest GPU."""

    weights: float
    gradients: float
    optimizer: float
    gathered: float
    activations: float
    logits: float
    overhead: float

    @property
    def state(self) -> float:
        return self.weights + self.gradients + self.optimizer

    @property
    def total(self) -> float:
        return self.state + self.gathered + self.activations + self.logits + self.overhead


@tool("memory-planner", group="E",
      words=["memory per GPU", "does it fit", "fit on", "out of memory", "OOM", "ZeRO", "FSDP", "DDP", "model state",
             "optimizer state", "activation memory", "training memory"],
      example={"params": 7e9, "dp": 64, "zero_stage": 3, "seq_len": 4096},
      cases=[
          Case({"params": 7.5e9, "dp": 64, "zero_stage": 3}, {"model_state_GB": 1.875}, rel=1e-9,
               source="ZeRO figure 1: 1.88"),
          Case({"params": 7.5e9, "dp": 64, "zero_stage": 1}, {"model_state_GB": 31.40625}, rel=1e-9,
               source="ZeRO figure 1: 31.4"),
          Case({"params": 7.5e9, "dp": 64, "zero_stage": 0}, {"model_state_GB": 120}, rel=1e-9, source="ZeRO figure 1"),
          Case({"params": 175e9, "dp": 1, "tp": 8, "zero_stage": 0, "seq_len": 2048, "hidden": 12288, "heads": 96,
                "layers": 1, "sequence_parallel": True, "recompute": "none", "vocab": 0},
               {"activations_GB": 0.358612992}, rel=1e-9, source="arXiv 2205.05198 table 2"),
      ],
      asks=[
          Ask("How many GB of model state does each GPU hold for a 7.5B parameter model on 64 GPUs with ZeRO stage 3?",
              "model_state_GB", 1.875),
          Ask("Training a model of 13B parameters with ZeRO stage 1 on 16 GPUs: how much model state per GPU?",
              "model_state_GB", 61.75),
          Ask("What does plain DDP (ZeRO stage 0) need for weights, gradients and Adam of 7B parameters?",
              "model_state_GB", 112),
          Ask("With ZeRO stage 2 and 70B parameters across 128 GPUs, how large is the model state per GPU?",
              "model_state_GB", 147.65625),
          Ask("model state per gpu for 3B params on 4 gpus with plain DDP, no ZeRO?", "model_state_GB", 48),
          Ask("A model with 32 layers, hidden size 4096, 32 attention heads and a sequence length of 8192: how many GB "
              "of activations with selective recomputation?", "activations_GB", 36.507222016),
      ])
def memory_planner(p: MemoryPlan, seed: int) -> ToolResult:
    """GPU memory of training a transformer: weights, gradients, optimizer, activations, and whether it fits.

    Parameters per GPU are P/(tp*pp); an expert share is divided by ep too, and its replicas number dp/ep. ZeRO stage 1
    divides the optimizer by dp, stage 2 the gradients, stage 3 (FSDP) the weights; stage 3 also gathers two layers'
    full weights at a time. Activations per layer are sbh(10 + 24/t + 5as/(ht)); sequence parallelism divides the 10;
    selective recomputation (or FlashAttention) drops 5as/(ht); full recomputation keeps 2sbh a layer and works on one
    layer at a time. The first pipeline stage of 1F1B holds min(pp, microbatches) micro-batches.
    People get wrong: mixed precision halves the model state (it stays 16 bytes per parameter: 2+2+4+4+4 against
    4+4+4+4); FSDP shrinks activations (each GPU still runs its own batch at full width; only tp, sequence parallelism,
    recomputation or a smaller micro-batch do).
    Sources: ZeRO, arXiv 1910.02054 (table 1 truncates: 513 for 513.5 GB); Korthikanti et al., arXiv 2205.05198.

    >>> memory_planner(MemoryPlan(params=7.5e9, dp=64, zero_stage=3), 0).values["model_state_GB"]
    1.875
    """
    shape = usual_shape(p.params, p.layers, p.hidden, p.heads)
    _check(p, shape[0])
    stages = [_parts(p, stage, shape) for stage in range(4)]
    mine = stages[_stage(p)]
    naive = _naive(p, mine, _stage(p))
    values = {
        "total_GB": mine.total, "fits": mine.total <= p.gpu_memory_GB, "headroom_GB": p.gpu_memory_GB - mine.total,
        "model_state_GB": mine.state, "unsharded_state_GB": stages[0].state, "weights_GB": mine.weights, "gradients_GB": mine.gradients,
        "optimizer_GB": mine.optimizer, "gathered_weights_GB": mine.gathered, "activations_GB": mine.activations,
        "logits_GB": mine.logits, "bytes_per_parameter": sum(STATE_BYTES[p.precision]), "gpus": p.dp * p.tp * p.pp,
        "lowest_fitting_stage": next((n for n in range(4) if stages[n].total <= p.gpu_memory_GB), None)}
    return ToolResult(
        tool="memory-planner", values=values, naive=naive,
        units={key: "GB" for key in values if key.endswith("_GB")} | {"bytes_per_parameter": "bytes", "gpus": "GPUs"},
        summary=f"Each GPU holds {mine.total:.4g} GB ({mine.state:.4g} GB model state, {mine.activations:.4g} GB "
                f"activations): it {'fits' if values['fits'] else 'does not fit'} into {p.gpu_memory_GB:g} GB."
        + _gap(p, mine, naive["total_GB"]),
        formula="(w + g + o)P/(tp*pp) with o/dp from stage 1, g/dp from 2, w/dp at 3; activations L/pp * min(pp, m) * "
                "sbh(10 + 24/t + 5as/(ht))",
        series={"zero_stage": [0, 1, 2, 3], "total_GB": [each.total for each in stages],
                "model_state_GB": [each.state for each in stages]},
        plot=_plot(p, stages),
        assumptions=[f"{shape[0]} layers, hidden size {shape[1]}, {shape[2]} heads (GPT-3's proportions if not given)",
                     "GB are 10^9 bytes; an \"80 GB\" card offers about 85 of them",
                     "Adam; layers and their parameters are spread evenly over the stages",
                     "16-bit activations, twice that with fp32; a gated MLP differs from GPT's 4h by some per cent",
                     "1F1B pipeline: the first stage is the fullest; logits count when there is one stage"],
        warnings=_warnings(p, mine, 5 * shape[2] * p.seq_len > 34 * shape[1]),
    )


def _stage(p: MemoryPlan) -> int:
    """The ZeRO stage: the one given, or the one that the scheme stands for."""
    if p.zero_stage is not None:
        return p.zero_stage
    return 3 if p.scheme == "FSDP" else 0


def _check(p: MemoryPlan, layers: int) -> None:
    if p.dp % p.ep:
        raise ToolError(f"memory-planner: dp is {p.dp}, no multiple of ep = {p.ep}; experts are spread inside the "
                        f"data-parallel group, so ep must divide dp.")
    if p.pp > layers:
        raise ToolError(f"memory-planner: {p.pp} pipeline stages for {layers} layers; pp must be at most the layers.")


def _parts(p: MemoryPlan, stage: int, shape: tuple[int, int, int]) -> Parts:
    dense = p.params * (1 - p.expert_fraction) / (p.tp * p.pp)
    expert = p.params * p.expert_fraction / (p.tp * p.pp * p.ep)
    shared, own = sharded_bytes(p.precision, stage, p.dp), sharded_bytes(p.precision, stage, p.dp // p.ep)
    weights, gradients, optimizer = ((dense * a + expert * b) / 1e9 for a, b in zip(shared, own, strict=True))
    per_stage = math.ceil(shape[0] / p.pp)
    gathered = 0.0
    if stage == 3 and p.dp > 1:
        gathered = STATE_BYTES[p.precision][0] * (dense + expert) * min(2, per_stage) / per_stage / 1e9
    activations = _activations(p, per_stage, shape[1], shape[2])
    logits = 4 * p.seq_len * p.micro_batch * p.vocab / p.tp / 1e9 if p.pp == 1 else 0.0
    return Parts(weights, gradients, optimizer, gathered, activations, logits, p.overhead_GB)


def _activations(p: MemoryPlan, layers: int, hidden: int, heads: int) -> float:
    shape = (p.seq_len, p.micro_batch, hidden, heads, p.tp, p.sequence_parallel)
    stored = layers * min(p.pp, p.microbatches) * layer_bytes(*shape, p.recompute)
    working = layer_bytes(*shape, "none") if p.recompute == "full" else 0
    return (stored + working) * (2 if p.precision == "fp32" else 1) / 1e9


def _naive(p: MemoryPlan, mine: Parts, stage: int) -> dict[str, float]:
    """What comes out when mixed precision halves the state and FSDP divides the activations too."""
    state = mine.state / 2 if p.precision.startswith("mixed") else mine.state
    activations = mine.activations / p.dp if stage == 3 else mine.activations
    return {"model_state_GB": state, "activations_GB": activations,
            "total_GB": state + activations + mine.gathered + mine.logits + mine.overhead}


def _plot(p: MemoryPlan, stages: list[Parts]) -> Plot:
    """Every ZeRO stage, and the chosen one as the misconceptions have it."""
    mine = stages[_stage(p)]
    hoped = _naive(p, mine, _stage(p))
    shrunk = hoped["model_state_GB"] / mine.state

    def bar(label: str, heights: list[float], hope: float) -> Line:
        return Line(label=label, x=[*STAGES, f"{_stage(p)}, hoped (naive)"], y=[*heights, hope], kind="bar")

    return Plot(title=f"ZeRO divides the state, not the activations ({p.params / 1e9:.4g}B parameters, dp {p.dp:,})",
                x_label="ZeRO stage", y_label="memory (GB)", lines=[
        bar("weights", [each.weights + each.gathered for each in stages], mine.weights * shrunk + mine.gathered),
        bar("gradients", [each.gradients for each in stages], mine.gradients * shrunk),
        bar("optimizer", [each.optimizer for each in stages], mine.optimizer * shrunk),
        bar("activations and logits", [each.activations + each.logits for each in stages], hoped["activations_GB"] + mine.logits),
    ], stacked=True, marks=[{"axis": "y", "at": p.gpu_memory_GB, "label": f"GPU: {p.gpu_memory_GB:g} GB"}])


def _gap(p: MemoryPlan, mine: Parts, naive: float) -> str:
    if mine.total - naive < 0.005 * mine.total:
        return ""
    reasons = (["halved the state for mixed precision"] if p.precision.startswith("mixed") else []) + (
        ["let FSDP shard activations"] if _stage(p) == 3 and p.dp > 1 else [])
    return f" Whoever {' and '.join(reasons)} would expect {naive:.4g} GB."


def _warnings(p: MemoryPlan, mine: Parts, scores_dominate: bool) -> list[str]:
    found = []
    if 0.9 * p.gpu_memory_GB < mine.total <= p.gpu_memory_GB:
        found.append("Less than 10% is left: fragmentation and communication buffers often take that much.")
    if p.tp > 8:
        found.append("Tensor parallelism beyond 8 leaves the node's fast links; its all-reduces come in every layer.")
    if p.pp > 1 and _stage(p) >= 2:
        found.append("ZeRO stages 2 and 3 with a pipeline reduce or gather for every micro-batch; stage 1 is usual.")
    if p.recompute == "none" and scores_dominate:
        found.append("Attention scores outweigh the rest of the activations; FlashAttention or selective recomputation "
                     "removes them.")
    return found
