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
                      "words": ["sequence length", "context", "sequence", "tokens", "s"]}
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
], asks=[Ask("Activations of one layer in GB with sequence length 4096, micro-batch 2, hidden size 4096 and 32 heads?",
             "result", 4096 * 2 * 4096 * (34 + 5 * 32) / 1e9)])
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


@formula("act.attention_term", words=["attention term", "5as/h"], cases=[Case({"s": 2048, "h": 12288, "a": 96}, {"result": 80.0},
                                           source="arXiv 2205.05198")])
def attention_term(s: int = param(**_S), h: int = param(**_H), a: int = param(**_HEADS)) -> float:
    """5as/h, the attention scores' part of sbh(34 + 5as/h): it grows with the sequence, the 34 does not."""
    return 5 * a * s / h


@formula("act.crossover_tokens", unit="tokens",
         words=["attention scores outweigh", "scores take over", "scores dominate"], cases=[
    Case({"h": 12288, "a": 96}, {"result": 870.4}, rel=1e-9, source="34h/(5a)"),
])
def crossover_tokens(h: int = param(**_H), a: int = param(**_HEADS)) -> float:
    """The sequence length from which attention scores outweigh everything else in a layer: 34h/(5a)."""
    return 34 * h / (5 * a)


@formula("act.full_recompute_overhead", unit="fraction",
         words=["full recomputation", "overhead of recomputation", "extra compute of recomputation",
                "full activation checkpointing"], cases=[
    Case({}, {"result": 1 / 3}, rel=1e-12, source="4 passes' worth in place of 3"),
])
def full_recompute_overhead(
    backward_over_forward: float = param(2.0, ge=0.1, le=10.0, unit="ratio", words=["backward to forward"]),
) -> float:
    """Extra FLOPs of full recomputation: one more forward pass against forward + backward, 1/(1+2) = 33%."""
    return 1 / (1 + backward_over_forward)


@formula("act.total_GB", unit="GB", words=["activation memory", "activations of all layers"], cases=[
    Case({**_GPT3, "l": 96, "sequence_parallel": True, "recompute": "selective"}, {"result": 10.267656192}, rel=1e-12,
         source="96 * 106,954,752 bytes"),
    Case({"s": 2048, "b": 1, "h": 12288, "a": 96, "t": 1, "l": 96}, {"result": 275.414777856}, rel=1e-12,
         source="96 * 2,868,903,936 bytes"),
])
def total_GB(s: int = param(**_S), b: int = param(**_B), h: int = param(**_H), a: int = param(**_HEADS),
             layers: int = param(**_L), t: int = param(1, **_T),
             sequence_parallel: bool = param(False, words=["sequence parallel"]),
             recompute: Recompute = _RECOMPUTE) -> float:
    """GB of activations of l layers for one micro-batch on one GPU."""
    return layers * layer_bytes(s, b, h, a, t, sequence_parallel, recompute) / 1e9


@formula("act.first_stage_GB", unit="GB", cases=[
    Case({**_GPT3, "l": 96, "p": 8}, {"result": 34.427e0}, rel=1e-4, source="1F1B: L layers' worth whatever p is"),
    Case({**_GPT3, "l": 96, "p": 8, "v": 3}, {"result": 44.468e0}, rel=1e-4, source="times 1 + (p-1)/(pv)"),
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


@formula("act.logits_GB", unit="GB", words=["logits", "logits tensor", "output logits"], cases=[
    Case({"s": 8192, "b": 1, "V": 128256}, {"result": 4.202692608}, rel=1e-9,
         source="4sbV: fp32 logits of Llama-3's vocabulary"),
])
def logits_GB(s: int = param(**_S), b: int = param(**_B),
              V: int = param(ge=1, le=10_000_000, unit="tokens", words=["vocabulary", "vocab"]),
              bytes_per_element: int = param(4, ge=1, le=8, unit="bytes", words=["bytes"]),
              t: int = param(1, **_T)) -> float:
    """GB of the output logits of one micro-batch: s*b*V elements, fp32 for a stable softmax, divided by TP."""
    return s * b * V * bytes_per_element / t / 1e9


def _whole(numerator: int, divisor: int) -> int | float:
    return numerator // divisor if numerator % divisor == 0 else numerator / divisor
