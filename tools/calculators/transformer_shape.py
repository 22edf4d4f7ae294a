"""Transformer shapes: parameter counts, and the dimensions of well-known models. Knows no memory and no FLOPs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tools.base import Ask, Case, ToolError, formula, param


@dataclass(frozen=True)
class Shape:
    """What the models' published configuration files or papers state. `latent` is the width per token and layer that
    multi-head latent attention caches instead of keys and values (0 for ordinary attention)."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    parameters: float
    latent: int = 0


SHAPES: dict[str, Shape] = {
    "GPT-2": Shape(12, 768, 12, 12, 64, 0.124e9),
    "GPT-2 medium": Shape(24, 1024, 16, 16, 64, 0.355e9),
    "GPT-2 large": Shape(36, 1280, 20, 20, 64, 0.774e9),
    "GPT-2 XL": Shape(48, 1600, 25, 25, 64, 1.56e9),
    "GPT-J-6B": Shape(28, 4096, 16, 16, 256, 6.05e9),
    "GPT-NeoX-20B": Shape(44, 6144, 64, 64, 96, 20.6e9),
    "GPT-3": Shape(96, 12288, 96, 96, 128, 175e9),
    "Megatron-22B": Shape(48, 6144, 64, 64, 96, 22e9),
    "Megatron-1T": Shape(128, 25600, 160, 160, 160, 1008e9),
    "MT-NLG": Shape(105, 20480, 128, 128, 160, 530e9),
    "PaLM-540B": Shape(118, 18432, 48, 1, 256, 540.35e9),
    "OPT-1.3B": Shape(24, 2048, 32, 32, 64, 1.3e9),
    "OPT-6.7B": Shape(32, 4096, 32, 32, 128, 6.7e9),
    "OPT-13B": Shape(40, 5120, 40, 40, 128, 13e9),
    "OPT-30B": Shape(48, 7168, 56, 56, 128, 30e9),
    "OPT-66B": Shape(64, 9216, 72, 72, 128, 66e9),
    "OPT-175B": Shape(96, 12288, 96, 96, 128, 175e9),
    "BLOOM-176B": Shape(70, 14336, 112, 112, 128, 176.2e9),
    "Llama-7B": Shape(32, 4096, 32, 32, 128, 6.738e9),
    "Llama-13B": Shape(40, 5120, 40, 40, 128, 13.016e9),
    "Llama-30B": Shape(60, 6656, 52, 52, 128, 32.53e9),
    "Llama-33B": Shape(60, 6656, 52, 52, 128, 32.53e9),
    "Llama-65B": Shape(80, 8192, 64, 64, 128, 65.29e9),
    "Llama-2-7B": Shape(32, 4096, 32, 32, 128, 6.738e9),
    "Llama-2-13B": Shape(40, 5120, 40, 40, 128, 13.016e9),
    "Llama-2-70B": Shape(80, 8192, 64, 8, 128, 68.977e9),
    "CodeLlama-34B": Shape(48, 8192, 64, 8, 128, 33.74e9),
    "Llama-3-8B": Shape(32, 4096, 32, 8, 128, 8.03e9),
    "Llama-3-70B": Shape(80, 8192, 64, 8, 128, 70.55e9),
    "Llama-3.1-8B": Shape(32, 4096, 32, 8, 128, 8.03e9),
    "Llama-3.1-70B": Shape(80, 8192, 64, 8, 128, 70.55e9),
    "Llama-3.1-405B": Shape(126, 16384, 128, 8, 128, 405.85e9),
    "Llama-3-405B": Shape(126, 16384, 128, 8, 128, 405.85e9),
    "Llama-3.2-1B": Shape(16, 2048, 32, 8, 64, 1.236e9),
    "Llama-3.2-3B": Shape(28, 3072, 24, 8, 128, 3.213e9),
    "Llama-3.3-70B": Shape(80, 8192, 64, 8, 128, 70.55e9),
    "Mistral-7B": Shape(32, 4096, 32, 8, 128, 7.242e9),
    "Mixtral-8x7B": Shape(32, 4096, 32, 8, 128, 46.7e9),
    "Mixtral-8x22B": Shape(56, 6144, 48, 8, 128, 140.6e9),
    "Mistral-Large-2": Shape(88, 12288, 96, 8, 128, 123e9),
    "Qwen2-7B": Shape(28, 3584, 28, 4, 128, 7.616e9),
    "Qwen2-72B": Shape(80, 8192, 64, 8, 128, 72.71e9),
    "Qwen2.5-7B": Shape(28, 3584, 28, 4, 128, 7.616e9),
    "Qwen2.5-14B": Shape(48, 5120, 40, 8, 128, 14.77e9),
    "Qwen2.5-32B": Shape(64, 5120, 40, 8, 128, 32.76e9),
    "Qwen2.5-72B": Shape(80, 8192, 64, 8, 128, 72.71e9),
    "Qwen3-8B": Shape(36, 4096, 32, 8, 128, 8.19e9),
    "Qwen3-32B": Shape(64, 5120, 64, 8, 128, 32.76e9),
    "Gemma-2B": Shape(18, 2048, 8, 1, 256, 2.506e9),
    "Gemma-7B": Shape(28, 3072, 16, 16, 256, 8.538e9),
    "Gemma-2-9B": Shape(42, 3584, 16, 8, 256, 9.24e9),
    "Gemma-2-27B": Shape(46, 4608, 32, 16, 128, 27.23e9),
    "StarCoder": Shape(40, 6144, 48, 1, 128, 15.5e9),
    "Falcon-7B": Shape(32, 4544, 71, 1, 64, 7.22e9),
    "Falcon-40B": Shape(60, 8192, 128, 8, 64, 41.8e9),
    "Falcon-180B": Shape(80, 14848, 232, 8, 64, 179.5e9),
    "Phi-2": Shape(32, 2560, 32, 32, 80, 2.78e9),
    "MPT-7B": Shape(32, 4096, 32, 32, 128, 6.65e9),
    "Phi-3-mini": Shape(32, 3072, 32, 32, 96, 3.821e9),
    "Yi-34B": Shape(60, 7168, 56, 8, 128, 34.4e9),
    "DeepSeek-V2": Shape(60, 5120, 128, 128, 128, 236e9, latent=512 + 64),
    "DeepSeek-V3": Shape(61, 7168, 128, 128, 128, 671e9, latent=512 + 64),
    "DeepSeek-R1": Shape(61, 7168, 128, 128, 128, 671e9, latent=512 + 64),
    "gpt-oss-20b": Shape(24, 2880, 64, 8, 64, 20.9e9),
    "gpt-oss-120b": Shape(36, 2880, 64, 8, 64, 116.8e9),
}


def find_shape(text: str) -> Shape | None:
    """The shape of the model that `text` names ("Llama-2-7B fp16", "meta-llama/Llama-2-7b-hf"); None if none is named.
    The longest known name wins, so "GPT-2 XL" isn't taken for GPT-2 nor "GPT-3.5" for GPT-3."""
    wanted = _plain(text)
    hits = [name for name in SHAPES if re.search(re.escape(_plain(name)) + r"(?!\.\d)", wanted)]
    return SHAPES[max(hits, key=len)] if hits else None


def require_shape(text: str) -> Shape:
    """As `find_shape`, but raises ToolError with the known names."""
    found = find_shape(text)
    if found is None:
        raise ToolError(f"The shape of model {text!r} isn't known here; give its layers, heads and head size, or "
                        f"one of {', '.join(sorted(SHAPES))}.")
    return found


def usual_shape(parameters: float, layers: int | None = None, hidden: int | None = None,
                heads: int | None = None) -> tuple[int, int, int]:
    """Layers, hidden size and heads of a GPT, filling in what is None from 12*l*h^2 = parameters, with h = 128*l
    (GPT-3's proportions) if both are unknown, and heads of 128.

    >>> usual_shape(175e9)
    (96, 12288, 96)
    """
    if hidden is None:
        depth = layers or max(1, round((parameters / (12 * 128**2)) ** (1 / 3)))
        hidden = 128 * max(1, round((parameters / (12 * depth)) ** 0.5 / 128)) if layers else 128 * depth
        layers = depth
    return layers or max(1, round(parameters / (12 * hidden**2))), hidden, heads or max(1, hidden // 128)


def _plain(text: str) -> str:
    return re.sub(r"[\s_/-]", "", text.lower())


_LAYERS: dict[str, Any] = {"alias": "l", "ge": 1, "le": 2_000, "unit": "layers", "words": ["layers", "deep", "blocks"]}
_HIDDEN: dict[str, Any] = {"ge": 1, "le": 200_000, "unit": "count", "words": ["hidden", "width", "d_model", "h"]}
_VOCAB: dict[str, Any] = {"ge": 1, "le": 10_000_000, "unit": "tokens", "words": ["vocabulary", "vocab", "V"]}
_FFN: dict[str, Any] = {"ge": 1, "le": 1_000_000, "unit": "count", "words": ["ffn", "intermediate", "mlp"]}
_HEADS: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "heads", "words": ["heads", "query heads"]}
_KV_HEADS: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "heads", "words": ["kv heads", "key-value heads", "groups"]}


@formula("params.gpt_B", unit="billion parameters", words=["GPT parameter count", "parameters has a GPT", "billion parameters"], cases=[
    Case({"l": 96, "h": 12288, "V": 51200, "s": 2048}, {"result": 174.6}, abs=0.05, source="Megatron 2104.04473 eq. 2"),
    Case({"l": 128, "h": 25600, "V": 51200, "s": 2048}, {"result": 1008.0}, abs=0.5,
         source="Megatron 2104.04473 table 1: 1008.0"),
], asks=[
    Ask("GPT parameter count with 48 layers, hidden 6144, vocabulary 51,200 and sequence length 2048, in billions?",
        "result", (12 * 48 * 6144**2 + 13 * 48 * 6144 + (51200 + 2048) * 6144) / 1e9),
    Ask("How many billion parameters has a GPT of 32 layers, width 4096, vocab 50257 and context 2048?",
        "result", (12 * 32 * 4096**2 + 13 * 32 * 4096 + (50257 + 2048) * 4096) / 1e9),
    Ask("my gpt is 12 layers deep with hidden 768, a vocabulary of 50k and a context of 1024. how many billion parameters is it?",
        "result", (12 * 12 * 768**2 + 13 * 12 * 768 + (50000 + 1024) * 768) / 1e9),
])
def gpt_B(layers: int = param(**_LAYERS), h: int = param(**_HIDDEN), V: int = param(**_VOCAB),
          s: int = param(ge=1, le=100_000_000, unit="tokens", words=["sequence length", "context", "s"])) -> float:
    """Parameters of a GPT of l layers, in billions: 12*l*h^2 * (1 + 13/(12h) + (V+s)/(12*l*h)), MLP of 4h."""
    return (12 * layers * h * h + 13 * layers * h + (V + s) * h) / 1e9


@formula("params.per_layer", unit="parameters", words=["parameters of one GPT layer", "parameters of a layer", "weights in each layer",
                                                       "single transformer layer"], cases=[
    Case({"h": 12288}, {"result": 1812099072}, source="12h^2 + 13h"),
], asks=[
    Ask("parameters of one GPT layer with hidden size 4096?", "result", 12 * 4096**2 + 13 * 4096),
    Ask("How many parameters has a single transformer layer of width 8192?", "result", 12 * 8192**2 + 13 * 8192),
    Ask("d_model is 768. how many weights sit in each layer?", "result", 12 * 768**2 + 13 * 768),
])
def per_layer(h: int = param(**_HIDDEN)) -> int:
    """Parameters of one GPT layer: 4h^2 attention + 8h^2 MLP + 13h biases and norms."""
    return 12 * h * h + 13 * h


@formula("params.embedding", unit="parameters", words=["embedding parameters", "embeddings", "tied embeddings",
                                                       "parameters of the embeddings"], cases=[
    Case({"V": 128256, "h": 4096}, {"result": 1050673152}, source="Llama-3-8B: 2*V*h, untied"),
], asks=[
    Ask("embedding parameters with a vocabulary of 50,000 and hidden 1024, not tied?", "result", 2 * 50000 * 1024),
    Ask("How many parameters do tied embeddings with vocabulary 128,000 and width 4096 have?", "result", 128000 * 4096),
    Ask("our tokenizer has a vocabulary of 100k and h is 2048; input and output embedding are separate. how many parameters is that?",
        "result", 2 * 100000 * 2048),
])
def embedding(V: int = param(**_VOCAB), h: int = param(**_HIDDEN), tied: bool = param(False)) -> int:
    """Parameters of input and output embedding: V*h when tied, twice that when not."""
    return V * h * (1 if tied else 2)


@formula("params.llama_B", unit="billion parameters", words=["Llama parameter count"], cases=[
    Case({"l": 32, "h": 4096, "ffn": 11008, "heads": 32, "kv_heads": 32, "V": 32000}, {"result": 6.738415616},
         rel=1e-12,
         source="Llama-2-7B: 6,738,415,616"),
    Case({"l": 32, "h": 4096, "ffn": 14336, "heads": 32, "kv_heads": 8, "V": 128256}, {"result": 8.030261248},
         rel=1e-12,
         source="Llama-3-8B: 8,030,261,248"),
    Case({"l": 80, "h": 8192, "ffn": 28672, "heads": 64, "kv_heads": 8, "V": 128256}, {"result": 70.553706496},
         rel=1e-12,
         source="Llama-3-70B: 70,553,706,496"),
], asks=[
    Ask("Llama parameter count in billions: 40 layers, hidden 5120, ffn 13824, 40 heads, 40 kv heads, vocabulary 32000?",
        "result", (40 * (4 * 5120**2 + 3 * 5120 * 13824 + 2 * 5120) + 5120 + 2 * 32000 * 5120) / 1e9),
    Ask("How many billion parameters has a Llama-style model with 16 layers, width 2048, intermediate size 8192, 32 heads, 8 kv "
        "heads and a vocab of 128256?",
        "result", (16 * (2 * 2048**2 + 2 * 2048 * 512 + 3 * 2048 * 8192 + 2 * 2048) + 2048 + 2 * 128256 * 2048) / 1e9),
])
def llama_B(layers: int = param(**_LAYERS), h: int = param(**_HIDDEN), ffn: int = param(**_FFN),
            heads: int = param(**_HEADS), kv_heads: int = param(**_KV_HEADS), V: int = param(**_VOCAB),
            tied: bool = param(False)) -> float:
    """Parameters of a Llama-style model, in billions: grouped-query attention, gated MLP of three matrices, RMSNorm."""
    return (layers * (_attention(h, heads, kv_heads) + 3 * h * ffn + 2 * h) + h + V * h * (1 if tied else 2)) / 1e9


@formula("params.moe_B", unit="billion parameters", words=["mixture of experts parameter count", "mixture of experts",
                                                           "active parameters"], cases=[
    Case({"l": 32, "h": 4096, "ffn": 14336, "experts": 8, "top_k": 2, "heads": 32, "kv_heads": 8, "V": 32000},
         {"total_B": 46.702792704, "active_B": 12.879925248}, rel=1e-9, source="Mixtral 8x7B: 46.7B, 12.9B active"),
], asks=[
    Ask("mixture of experts with 16 experts, top-k 2, 24 layers, hidden 2048, ffn 8192, 16 heads, 4 kv heads and vocabulary 50000: "
        "how many billion parameters in total?", "total_B",
        (24 * (2 * 2048**2 + 2 * 2048 * 512 + 2 * 2048 + 2048 * 16 + 16 * 3 * 2048 * 8192) + 2048 + 2 * 50000 * 2048) / 1e9),
    Ask("How many billion active parameters does a mixture of experts use per token: 8 experts, 1 active expert, 16 layers, width 1024, "
        "intermediate 4096, 8 heads, 8 kv heads, vocab 32000?", "active_B",
        (16 * (4 * 1024**2 + 2 * 1024 + 1024 * 8 + 3 * 1024 * 4096) + 1024 + 2 * 32000 * 1024) / 1e9),
])
def moe_B(layers: int = param(**_LAYERS), h: int = param(**_HIDDEN), ffn: int = param(**_FFN),
          experts: int = param(ge=1, le=100_000, unit="experts", words=["experts"]),
          top_k: int = param(ge=1, le=100_000, unit="experts", words=["top-k", "active experts"]),
          heads: int = param(**_HEADS), kv_heads: int = param(**_KV_HEADS), V: int = param(**_VOCAB)) -> dict[str,
                                                                                                              float]:
    """Total and active parameters of a mixture of experts, in billions: memory follows the total, FLOPs the active."""
    if top_k > experts:
        raise ToolError(f"params.moe_B: top_k is {top_k} of only {experts} experts; it can be 1 to {experts}.")
    shared = layers * (_attention(h, heads, kv_heads) + 2 * h + h * experts) + h + 2 * V * h
    expert = 3 * h * ffn
    return {"total_B": (shared + layers * experts * expert) / 1e9, "active_B": (shared + layers * top_k * expert) / 1e9}


@formula("params.lora_M", unit="million parameters", words=["LoRA trainable parameters", "LoRA", "adapter",
                                                            "trainable parameters"], cases=[
    Case({"l": 32, "h": 4096, "r": 8, "matrices": 2}, {"result": 4.194304}, rel=1e-12,
         source="Llama-2-7B, r=8 on q and v"),
], asks=[
    Ask("LoRA trainable parameters in millions: 40 layers, hidden 5120, rank 8, 2 matrices?", "result", 40 * 2 * 2 * 5120 * 8 / 1e6),
    Ask("How many million parameters does a LoRA adapter of rank 64 train on 4 matrices of each of 80 layers with width 8192?",
        "result", 80 * 4 * 2 * 8192 * 64 / 1e6),
    Ask("i want to lora q, k and v (3 matrices) in all 24 layers, hidden size 2048, r = 4. trainable params in millions?",
        "result", 24 * 3 * 2 * 2048 * 4 / 1e6),
])
def lora_M(layers: int = param(**_LAYERS), h: int = param(**_HIDDEN),
           r: int = param(ge=1, le=100_000, unit="count", words=["rank", "r"]),
           matrices: int = param(2, ge=1, le=100, unit="matrices", words=["matrices", "target modules"])) -> float:
    """Trainable parameters, in millions, of rank-r adapters on `matrices` h-by-h matrices a layer: 2*h*r apiece."""
    return layers * matrices * 2 * h * r / 1e6


def _attention(h: int, heads: int, kv_heads: int) -> int:
    if h % heads or heads % kv_heads:
        raise ToolError(f"The hidden size {h} must be a multiple of {heads} heads, these of {kv_heads} kv heads.")
    head_dim = h // heads
    return 2 * h * heads * head_dim + 2 * h * kv_heads * head_dim
