"""Serving memory: weights and key-value cache of a served model, and how many sequences fit. Knows no latency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, param, tool
from tools.calculators.kv_cache import per_token
from tools.calculators.transformer_shape import SHAPES

Model = Literal[
    "Llama-7B", "Llama-13B", "Llama-30B", "Llama-65B", "Llama-2-7B", "Llama-2-13B", "Llama-2-70B", "CodeLlama-34B",
    "Llama-3-8B", "Llama-3-70B", "Llama-3.1-8B", "Llama-3.1-70B", "Llama-3.1-405B", "Llama-3.2-1B", "Llama-3.2-3B",
    "Llama-3.3-70B", "Mistral-7B", "Mistral-Large-2", "Mixtral-8x7B", "Mixtral-8x22B", "Qwen2-7B", "Qwen2-72B",
    "Qwen2.5-7B", "Qwen2.5-14B", "Qwen2.5-32B", "Qwen2.5-72B", "Qwen3-8B", "Qwen3-32B", "Gemma-2B", "Gemma-7B",
    "Gemma-2-9B", "Gemma-2-27B", "Falcon-7B", "Falcon-40B", "Falcon-180B", "GPT-2", "GPT-J-6B", "GPT-NeoX-20B", "GPT-3",
    "OPT-1.3B", "OPT-6.7B", "OPT-13B", "OPT-30B", "OPT-66B", "OPT-175B", "BLOOM-176B", "PaLM-540B", "MPT-7B", "Yi-34B",
    "DeepSeek-V2", "DeepSeek-V3", "DeepSeek-R1", "gpt-oss-20b", "gpt-oss-120b"]
"""Models whose shape is known; a name that isn't here is never replaced in silence, see the warning."""
USUAL: Model = "Llama-3-8B"
RULE_OF_THUMB = 1.2
"""The common estimate "weights plus a fifth", which forgets the context."""


class Serving(Params):
    model: Model | None = param(None, words=["model"], help="its shape, unless given below; Llama-3-8B if none is named")
    params: float | None = param(None, ge=1e5, le=1e14, unit="parameters", words=["parameters", "params"])
    layers: int | None = param(None, ge=1, le=2_000, unit="layers", words=["layers"])
    kv_heads: int | None = param(None, ge=1, le=10_000, unit="heads", words=["kv heads", "KV heads", "key-value heads"])
    head_dim: int | None = param(None, ge=1, le=10_000, unit="count", words=["head dimension", "head size", "head dim"])
    kv_bits: float = param(16.0, ge=1.0, le=64.0, unit="bits",
                           words=["bit cache", "cache bits", "KV bits", "bit KV cache"])
    weight_bits: float = param(16.0, ge=1.0, le=64.0, unit="bits", words=["bit weights", "weight bits", "quantised to"])
    context_tokens: int = param(8_192, ge=1, le=100_000_000, unit="tokens",
                                words=["context", "tokens", "tokens of context", "sequence length", "context length"])
    batch: int = param(16, ge=1, le=1_000_000, unit="sequences",
                       words=["batch", "concurrent", "sequences", "users", "requests at once", "simultaneous"])
    gpu_memory_GB: float = param(80.0, ge=1.0, le=10_000.0, unit="GB", words=["GPU memory", "GPU", "card", "per GPU"])
    gpus: int = param(1, ge=1, le=10_000, unit="GPUs", words=["GPUs", "cards", "tensor parallel"])
    usable_fraction: float = param(0.9, ge=0.1, le=1.0, unit="fraction", words=["usable", "utilisation", "reserved"])
    bandwidth_GBps: float = param(3_350.0, ge=1.0, le=100_000.0, unit="GB/s", words=["memory bandwidth", "HBM"])


@dataclass(frozen=True)
class Sizes:
    """Bytes."""

    weights: float
    token: float
    usable: float


@tool("serving-memory", group="E",
      words=["KV cache", "key-value cache", "serving memory", "inference memory", "concurrent sequences", "GQA",
             "how many users fit", "bytes per token", "decode"],
      example={"model": "Llama-3-8B", "context_tokens": 131072, "batch": 4},
      cases=[
          Case({"model": "Llama-2-7B"}, {"kv_bytes_per_token": 524288}, source="2*32*32*128*2"),
          Case({"model": "Llama-3-8B"}, {"kv_bytes_per_token": 131072}, source="2*32*8*128*2"),
          Case({"model": "Llama-3-8B", "context_tokens": 8192, "batch": 16},
               {"kv_GB": 17.179869184, "weights_GB": 16.06},
               rel=1e-9, source="arithmetic"),
      ],
      asks=[
          Ask("How many bytes of KV cache does a token need in Llama-2-7B?", "kv_bytes_per_token", 524288),
          Ask("KV cache in GB for Llama-3-70B with a context of 32768 tokens and a batch of 4?", "kv_GB",
              32768 * 4 * 327680 / 1e9),
          Ask("A model with 32 layers, 8 KV heads and head size 128: KV cache bytes per token?", "kv_bytes_per_token",
              131072),
          Ask("How many concurrent sequences of 8192 tokens context does Llama-3-8B serve on an 80 GB GPU?",
              "max_batch", 52),
          Ask("How large are the weights of Llama-2-70B with 4 bit weights?", "weights_GB", 34.4885),
      ])
def serving_memory(p: Serving, seed: int) -> ToolResult:
    """Memory of serving a language model: weights against key-value cache, the largest batch and context.

    A token leaves 2 * layers * kv_heads * head_dim * bits/8 bytes (DeepSeek's latent attention one vector a layer). The
    cache of `batch` sequences of `context_tokens` shares the usable memory of all GPUs with the weights. Decoding reads
    weights and cache for every step, which bounds its speed by memory bandwidth.
    People get wrong: weights dominate (the cache grows with context times batch and overtakes them: 14 GB of 16-bit
    weights equal 26,700 tokens of Llama-2-7B); query heads count (grouped-query attention stores the fewer kv heads).
    Sources: model configuration files; Kwon et al., arXiv 2309.06180 (paged attention).

    >>> serving_memory(Serving(model="Llama-2-7B"), 0).values["kv_bytes_per_token"]
    524288.0
    """
    sizes = _sizes(p)
    cache = sizes.token * p.context_tokens * p.batch
    total = sizes.weights + cache
    room = max(0.0, sizes.usable - sizes.weights)
    fits, batch = total <= sizes.usable, math.floor(room / (sizes.token * p.context_tokens) + 1e-9)
    naive = sizes.weights * RULE_OF_THUMB
    return ToolResult(
        tool="serving-memory",
        values={"kv_bytes_per_token": sizes.token, "kv_GB": cache / 1e9, "weights_GB": sizes.weights / 1e9,
                "total_GB": total / 1e9, "usable_GB": sizes.usable / 1e9, "fits": fits, "max_batch": batch,
                "max_context_tokens": math.floor(room / (sizes.token * p.batch) + 1e-9), "kv_share": cache / total,
                "crossover_tokens": sizes.weights / sizes.token,
                "max_decode_tokens_per_s": p.batch * p.bandwidth_GBps * 1e9 * p.gpus / total},
        units={"kv_bytes_per_token": "bytes", "kv_GB": "GB", "weights_GB": "GB", "total_GB": "GB", "usable_GB": "GB",
               "max_batch": "sequences", "max_context_tokens": "tokens", "kv_share": "fraction",
               "crossover_tokens": "tokens",
               "max_decode_tokens_per_s": "tokens/s"},
        naive={"total_GB": naive / 1e9, "kv_GB": (naive - sizes.weights) / 1e9},
        summary=f"{p.model or USUAL}: {cache / 1e9:.4g} GB of KV cache beside {sizes.weights / 1e9:.4g} GB of weights "
                f"{'fit' if fits else 'do not fit'} into {sizes.usable / 1e9:.4g} usable GB; {batch} such sequences "
                f"would. Weights plus a fifth would say {naive / 1e9:.4g} GB whatever the context.",
        formula="kv = 2 * layers * kv_heads * head_dim * bits/8 per token; total = weights + kv * context * batch",
        plot=_plot(p, sizes),
        assumptions=["every sequence fills its context; paged attention wastes at most a block a sequence",
                     f"{p.usable_fraction:.0%} of the GPUs' memory is usable; GB are 10^9 bytes",
                     "no prefix is shared between sequences; activations are small while decoding"],
        warnings=_warnings(p, sizes, cache, fits),
    )


def _sizes(p: Serving) -> Sizes:
    shape = SHAPES[p.model or USUAL]
    own = p.layers or p.kv_heads or p.head_dim
    if shape.latent and not own:
        token = shape.layers * shape.latent * p.kv_bits / 8
    else:
        token = per_token(p.layers or shape.layers, p.kv_heads or shape.kv_heads, p.head_dim or shape.head_dim,
                          p.kv_bits)
    weights = (p.params or shape.parameters) * p.weight_bits / 8
    return Sizes(weights, token, p.gpus * p.gpu_memory_GB * 1e9 * p.usable_fraction)


def _plot(p: Serving, sizes: Sizes) -> Plot:
    contexts = [2**k for k in range(9, 21)]
    weights = sizes.weights / 1e9
    return Plot(
        title=f"At long context the KV cache outweighs the weights ({p.batch:,} sequences)",
        x_label="context (tokens)", y_label="memory (GB)",
        log_x=True,
        log_y=True, marks=[{"axis": "y", "at": sizes.usable / 1e9, "label": "usable memory"}], lines=[
            Line(label="weights and KV cache", x=list(contexts),
                 y=[weights + sizes.token * each * p.batch / 1e9 for each in contexts]),
            Line(label="KV cache", x=list(contexts), y=[sizes.token * each * p.batch / 1e9 for each in contexts]),
            Line(label="weights plus a fifth (naive)", x=list(contexts), y=[weights * RULE_OF_THUMB for _ in contexts],
                 dashed=True)])


def _warnings(p: Serving, sizes: Sizes, cache: float, fits: bool) -> list[str]:
    found = []
    if p.model is None and (p.layers is None or p.kv_heads is None or p.head_dim is None):
        given = "what isn't given is" if p.params or p.layers or p.kv_heads or p.head_dim else "the figures are"
        found.append(f"No model known here was named: {given} {USUAL}'s; name one, or give params, layers, kv_heads "
                     "and head_dim.")
    if sizes.weights > sizes.usable:
        found.append("The weights alone don't fit: quantise them or take more GPUs.")
    elif not fits:
        found.append("The cache doesn't fit: shorten the context, lower the batch, or store it in 8 bits.")
    if cache > sizes.weights:
        found.append("The cache outweighs the weights: quantising weights alone helps little here.")
    return found
