"""Activation memory of transformer layers under tensor and sequence parallelism and recomputation; no weights."""

from __future__ import annotations

from typing import Any, Literal

from tools.base import Ask, Case, ToolError, formula, outputs, param
from tools.calculators.transformer_shape import require_shape

Recompute = Literal["none", "selective", "full"]


def layer_bytes(s: int, b: int, h: int, a: int, t: int, sequence_parallel: bool, recompute: str) -> float:
    """Bytes of one layer's stored activations at 16 bits (Korthikanti et al., arXiv 2205.05198, table 2).

    sbh(10 + 24/t + 5as/(ht)); sequence parallelism divides the 10 too; selective recomputation drops the 5as/h;
    full recomputation stores the layer's input alone, 2sbh. Whole numbers stay int.
    """
    if recompute == "full":
        return 2 * s * b * h
    scores = 0 if recompute == "selective" else 5 * a * s * s * b
    if sequence_parallel:
        return _whole(34 * s * b * h + scores, t)
    return 10 * s * b * h + _whole(24 * s * b * h + scores, t)


_S: dict[str, Any] = {"ge": 1, "le": 10_000_000, "unit": "tokens",
                      "words": ["sequence length", "context", "sequence", "seq", "tokens", "s"]}
_B: dict[str, Any] = {"ge": 1, "le": 100_000, "unit": "samples", "words": ["micro-batch", "batch", "b"]}
_H: dict[str, Any] = {"ge": 1, "le": 200_000, "unit": "count", "words": ["hidden", "hidden size", "width", "h"]}
_HEADS: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "heads", "words": ["attention heads", "heads", "a"]}
_T: dict[str, Any] = {"ge": 1, "le": 1_024, "unit": "GPUs", "words": ["tensor parallel", "TP", "t"]}
_L: dict[str, Any] = {"alias": "l", "ge": 1, "le": 2_000, "unit": "layers", "words": ["layers", "l"]}
_RECOMPUTE: Any = param("none", words=["recompute", "recomputation", "activation checkpointing"])
_GPT3: dict[str, int] = {"s": 2048, "b": 1, "h": 12288, "a": 96, "t": 8}


@formula("act.bytes_per_layer", unit="bytes", words=["activation memory per layer"], cases=[
    Case(_GPT3, {"result": [2868903936, 578813952, 358612992, 106954752, 50331648]}, source="arXiv 2205.05198 table 2"),
])
def bytes_per_layer(s: int = param(**_S), b: int = param(**_B), h: int = param(**_H), a: int = param(**_HEADS),
                    t: int = param(1, **_T), out: str = outputs(none="^no", TP=r"^t(ensor )?p(arallel\w*)?$",
                    TP_SP="sp|sequence", selective="selective", full="full")) -> list[float]:
    """Bytes of activations per layer: [no parallelism, TP, TP + sequence parallelism, + selective recomputation, full].

    The first is for one GPU (t = 1); full recomputation keeps 2sbh, the layer's input.
    """
    return [layer_bytes(s, b, h, a, 1, False, "none"), layer_bytes(s, b, h, a, t, False, "none"),
            layer_bytes(s, b, h, a, t, True, "none"), layer_bytes(s, b, h, a, t, True, "selective"),
            layer_bytes(s, b, h, a, t, True, "full")]


@formula("act.layer_GB", unit="GB",
         words=["activations of one layer", "activation memory of a layer", "one transformer layer"], cases=[
    Case({"s": 2048, "b": 1, "h": 12288, "a": 96}, {"result": 2.868903936}, rel=1e-12, source="arXiv 2205.05198 table 2"),
    Case(_GPT3 | {"sequence_parallel": True}, {"result": 0.358612992}, rel=1e-12, source="arXiv 2205.05198 table 2"),
], asks=[
    Ask("Activations of one layer in GB with sequence length 4096, micro-batch 2, hidden size 4096 and 32 heads?",
        "result", 4096 * 2 * 4096 * (34 + 5 * 32) / 1e9),
    Ask("one transformer layer, s = 2048, b = 4, h = 5120, a = 40, tensor parallel 8 without sequence parallelism: activations in GB?",
        "result", 2048 * 4 * 5120 * (10 + 24 / 8 + 5 * 40 * 2048 / (5120 * 8)) / 1e9),
    Ask("how many GB of activations does a single layer store with selective recomputation, 8192 tokens, micro-batch 1, hidden "
        "4096, 32 heads?", "result", 34 * 8192 * 4096 / 1e9),
])
def layer_GB(s: int = param(**_S), b: int = param(**_B), h: int = param(**_H), a: int = param(**_HEADS),
             t: int = param(1, **_T), sequence_parallel: bool = param(False, words=["sequence parallel"]),
             recompute: Recompute = _RECOMPUTE) -> float:
    """GB of activations that one transformer layer stores at 16 bits: sbh(34 + 5as/h), less with TP or recomputation."""
    return layer_bytes(s, b, h, a, t, sequence_parallel, recompute) / 1e9


@formula("act.selective", words=["selective recomputation"], cases=[
    Case({"model": "GPT-3 175B", "s": 2048, "h": 12288, "a": 96}, {"result": [80, 0.7018, 0.0278]}, abs=1e-4,
         source="arXiv 2205.05198: 70% and 2.7%"),
    Case({"model": "MT-NLG 530B", "s": 2048, "h": 20480, "a": 128}, {"result": [64, 0.6531, 0.0167]}, abs=1e-4,
         source="arXiv 2205.05198: 65% and 1.6%"),
])
def selective(s: int = param(2048, **_S), h: int | None = param(None, **_H), a: int | None = param(None, **_HEADS),
              model: str = param("", max_length=100, words=["model"]),
              out: str = outputs(scores="5as", memory_saved="memory|saved", FLOP_overhead="flop|overhead")) -> list[float]:
    """Selective recomputation: [5as/h, share of activation memory saved, extra FLOPs s/(6h)].

    Give h and a, or a model whose shape is known. The paper prints 2.7% and 1.6% where the formula gives 2.78% and
    1.67%: it truncates.
    """
    if h is None or a is None:
        if not model:
            raise ToolError("act.selective needs h and a, or a model by name such as 'GPT-3 175B'.")
        shape = require_shape(model)
        h, a = h or shape.hidden, a or shape.heads
    scores = 5 * a * s / h
    return [scores, scores / (34 + scores), s / (6 * h)]


@formula("act.selective_saved", unit="fraction",
         words=["selective recomputation", "recomputation save", "recompute save", "share of the activation memory",
                "fraction of the activation memory"], cases=[
    Case({"s": 2048, "h": 12288, "a": 96}, {"result": 80 / 114}, rel=1e-12, source="arXiv 2205.05198: 70%"),
    Case({"s": 2048, "h": 20480, "a": 128}, {"result": 64 / 98}, rel=1e-12, source="arXiv 2205.05198: 65%"),
], asks=[
    Ask("how much of the activations does selective recomputation spare us, as a share, with s = 8192, h = 8192 and a = 64?",
        "result", 320 / 354),
    Ask("Which fraction of the activations goes away with selective activation recompute at a sequence length of 1024, hidden size "
        "2048 and 16 heads?", "result", 40 / 74),
    Ask("i turn on selective recompute for my model, 2k context (2,048 tokens), width 5120, 40 heads. what percentage of activation "
        "memory do i save?", "result", 80 / 114),
])
def selective_saved(s: int = param(**_S), h: int = param(**_H), a: int = param(**_HEADS)) -> float:
    """Share of activation memory that selective recomputation saves on one GPU: x/(34 + x) with x = 5as/h."""
    return 5 * a * s / h / (34 + 5 * a * s / h)


@formula("act.attention_term", words=["attention term", "5as/h"], cases=[Case({"s": 2048, "h": 12288, "a": 96}, {"result": 80.0},
                                           source="arXiv 2205.05198")], asks=[
    Ask("what is the attention term 5as/h for s = 4096, h = 4096 and a = 32?", "result", 5 * 32 * 4096 / 4096),
    Ask("Compute 5as/h for a sequence length of 8192, 64 heads and a hidden size of 8192.", "result", 5 * 64 * 8192 / 8192),
    Ask("in sbh(34 + 5as/h), how large is the attention term at 2,048 tokens, 24 heads, width 3072?", "result", 5 * 24 * 2048 / 3072),
])
def attention_term(s: int = param(**_S), h: int = param(**_H), a: int = param(**_HEADS)) -> float:
    """5as/h, the attention scores' part of sbh(34 + 5as/h): it grows with the sequence, the 34 does not."""
    return 5 * a * s / h


@formula("act.crossover_tokens", unit="tokens",
         words=["attention scores outweigh", "scores take over", "scores dominate", "attention dominates the activations"], cases=[
    Case({"h": 12288, "a": 96}, {"result": 870.4}, rel=1e-9, source="34h/(5a)"),
], asks=[
    Ask("with hidden size 4096 and 32 heads, at what sequence length do attention scores outweigh the rest of the layer?",
        "result", 34 * 4096 / (5 * 32)),
    Ask("From how many tokens on do the attention scores take over the activation memory if the width is 8192 with 64 attention "
        "heads?", "result", 34 * 8192 / (5 * 64)),
    Ask("we have h = 2048 and a = 16 and keep lengthening the context. when do the scores dominate the activations?",
        "result", 34 * 2048 / (5 * 16)),
])
def crossover_tokens(h: int = param(**_H), a: int = param(**_HEADS)) -> float:
    """The sequence length from which attention scores outweigh everything else in a layer: 34h/(5a)."""
    return 34 * h / (5 * a)


@formula("act.full_recompute_overhead", unit="fraction",
         words=["full recomputation", "overhead of recomputation", "extra compute", "extra FLOPs",
                "full activation checkpointing"], cases=[
    Case({}, {"result": 1 / 3}, rel=1e-12, source="4 passes' worth in place of 3"),
], asks=[
    Ask("how much extra compute does full recomputation cost?", "result", 1 / 3),
    Ask("What percentage of extra FLOPs does full activation checkpointing add to a training step?", "result", 1 / 3),
    Ask("overhead of full recomputation if the backward pass costs 2.5 times the forward pass, i.e. backward to forward 2.5?",
        "result", 1 / 3.5),
])
def full_recompute_overhead(
    backward_over_forward: float = param(2.0, ge=0.1, le=10.0, unit="ratio", words=["backward to forward"]),
) -> float:
    """Extra FLOPs of full recomputation: one more forward pass against forward + backward, 1/(1+2) = 33%."""
    return 1 / (1 + backward_over_forward)


@formula("act.total_GB", unit="GB", words=["activation memory", "activations of all layers", "total activations", "activations"], cases=[
    Case({**_GPT3, "l": 96, "sequence_parallel": True, "recompute": "selective"}, {"result": 10.267656192}, rel=1e-12,
         source="96 * 106,954,752 bytes"),
    Case({"s": 2048, "b": 1, "h": 12288, "a": 96, "t": 1, "l": 96}, {"result": 275.414777856}, rel=1e-12,
         source="96 * 2,868,903,936 bytes"),
], asks=[
    Ask("activations of all layers in GB: 24 layers, sequence length 1024, batch 8, hidden 2048, 16 heads, no recomputation?",
        "result", 24 * 1024 * 8 * 2048 * (34 + 5 * 16 * 1024 / 2048) / 1e9),
    Ask("How much memory do the activations of 32 layers take with full recomputation, sequence length 4096, micro-batch 2, hidden "
        "size 4096 and 32 heads?", "result", 32 * 2 * 4096 * 2 * 4096 / 1e9),
    Ask("48 layers deep, width 6144, 48 heads, context 2048, micro-batch 1, selective recomputation. how many GB of activations on "
        "one gpu?", "result", 48 * 34 * 2048 * 6144 / 1e9),
])
def total_GB(s: int = param(**_S), b: int = param(**_B), h: int = param(**_H), a: int = param(**_HEADS),
             layers: int = param(**_L), t: int = param(1, **_T),
             sequence_parallel: bool = param(False, words=["sequence parallel"]),
             recompute: Recompute = _RECOMPUTE) -> float:
    """GB of activations of l layers for one micro-batch on one GPU."""
    return layers * layer_bytes(s, b, h, a, t, sequence_parallel, recompute) / 1e9


@formula("act.first_stage_GB", unit="GB", words=["first pipeline stage", "first stage", "activations under 1F1B"], cases=[
    Case({**_GPT3, "l": 96, "p": 8}, {"result": 34.427e0}, rel=1e-4, source="1F1B: L layers' worth whatever p is"),
    Case({**_GPT3, "l": 96, "p": 8, "v": 3}, {"result": 44.468e0}, rel=1e-4, source="times 1 + (p-1)/(pv)"),
], asks=[
    Ask("activations on the first pipeline stage under 1F1B with 40 layers, 4 pipeline stages, sequence 2048, micro-batch 1, hidden "
        "5120, 40 heads, in GB?", "result", 40 * (34 * 2048 * 5120 + 5 * 40 * 2048 * 2048) / 1e9),
    Ask("How many GB does the first stage hold with a pipeline of 8 stages, 64 layers, sequence length 4096, micro-batch 1, hidden "
        "size 8192, 64 heads and selective recomputation?", "result", 64 * 34 * 4096 * 8192 / 1e9),
    Ask("interleaved pipeline with 2 virtual stages on 4 pipeline stages: 32 layers, s = 2048, b = 1, h = 4096, a = 32, no "
        "recompute. how many GB of activations does the first stage hold?",
        "result", 32 * 2048 * 4096 * (34 + 80) / 1e9 * (1 + 3 / 8)),
])
def first_stage_GB(s: int = param(**_S), b: int = param(**_B), h: int = param(**_H), a: int = param(**_HEADS),
                   layers: int = param(**_L), t: int = param(1, **_T),
                   p: int = param(ge=1, le=1_024, unit="stages", words=["pipeline stages", "pipeline"]),
                   v: int = param(1, ge=1, le=64, unit="chunks", words=["interleaving", "virtual stages"]),
                   sequence_parallel: bool = param(True), recompute: Recompute = _RECOMPUTE) -> float:
    """GB of activations on the first pipeline stage under 1F1B: p micro-batches of l/p layers, so p cancels out.

    Interleaving with v chunks multiplies by 1 + (p-1)/(pv) (arXiv 2205.05198, section 4.2.3).
    """
    extra = 1 + (p - 1) / (p * v) if v > 1 else 1.0
    return layers * layer_bytes(s, b, h, a, t, sequence_parallel, recompute) * extra / 1e9


@formula("act.logits_GB", unit="GB", words=["logits", "logits tensor", "output logits", "memory of the logits"], cases=[
    Case({"s": 8192, "b": 1, "V": 128256}, {"result": 4.202692608}, rel=1e-9,
         source="4sbV: fp32 logits of Llama-3's vocabulary"),
], asks=[
    Ask("logits of a micro-batch of 2 with sequence length 8192 and a vocabulary of 128k, how many GB?",
        "result", 8192 * 2 * 128000 * 4 / 1e9),
    Ask("How much memory do the output logits of 4 sequences with 2,048 tokens each take in fp32, with a vocabulary of 32,000?",
        "result", 4 * 2048 * 32000 * 4 / 1e9),
    Ask("the loss blows my memory: batch 8, context 4096, vocab 50,000, logits in 16 bit (2 bytes). how many GB is the logits tensor?",
        "result", 8 * 4096 * 50000 * 2 / 1e9),
])
def logits_GB(s: int = param(**_S), b: int = param(**_B),
              V: int = param(ge=1, le=10_000_000, unit="tokens", words=["vocabulary", "vocab"]),
              bytes_per_element: int = param(4, ge=1, le=8, unit="bytes", words=["bytes"]),
              t: int = param(1, **_T)) -> float:
    """GB of the output logits of one micro-batch: s*b*V elements, fp32 for a stable softmax, divided by TP."""
    return s * b * V * bytes_per_element / t / 1e9


def _whole(numerator: int, divisor: int) -> int | float:
    return numerator // divisor if numerator % divisor == 0 else numerator / divisor
