"""Key-value cache: bytes per token, sequences that fit, and the decode speed that memory allows. Knows no scheduler."""

from __future__ import annotations

import math
import re
from typing import Any

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.state_bytes import WEIGHT_BITS, WeightType
from tools.calculators.transformer_shape import require_shape

_BYTES: tuple[tuple[str, float], ...] = (
    (r"fp32|float32|f32|32[ -]?bit", 4.0), (r"bf16|fp16|float16|f16|half|16[ -]?bit", 2.0),
    (r"fp8|int8|q8|e4m3|e5m2|8[ -]?bit", 1.0), (r"int4|fp4|nf4|q4|4[ -]?bit", 0.5),
)


def per_token(layers: int, kv_heads: int, head_dim: int, bits: float) -> float:
    """Bytes of keys and values that one token leaves: 2 * layers * kv_heads * head_dim * bits/8."""
    return 2 * layers * kv_heads * head_dim * bits / 8


_LAYERS: dict[str, Any] = {"ge": 1, "le": 2_000, "unit": "layers", "words": ["layers"]}
_KV: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "heads", "words": ["kv heads", "key-value heads", "KV heads", "groups"]}
_DIM: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "count", "words": ["head dimension", "head size", "head dim"]}
_BITS: dict[str, Any] = {"ge": 1.0, "le": 64.0, "unit": "bits", "words": ["bits", "bit"]}
_CACHE_TYPE: Any = param(None, words=["format", "dtype", "precision", "cache in"])
_CONTEXT: dict[str, Any] = {"ge": 1, "le": 100_000_000, "unit": "tokens",
                            "words": ["context", "tokens", "sequence length"]}
_BATCH: dict[str, Any] = {"ge": 1, "le": 10_000_000, "unit": "sequences", "words": ["batch", "sequences", "users", "requests",
                                                            "concurrent"]}
_GB: dict[str, Any] = {"ge": 0.0, "le": 1e6, "unit": "GB"}


@formula("serve.kv_bytes_per_token", unit="bytes", words=["KV cache per token", "kv cache for one token", "cache need for one token",
                                                          "for one token", "bytes of KV cache"], cases=[
    Case({"model": "Llama-2-7B fp16"}, {"result": 524288}, source="2*32*32*128*2"),
    Case({"model": "Llama-3-8B GQA8 fp16"}, {"result": 131072}, source="2*32*8*128*2: GQA, 4 times smaller"),
    Case({"model": "Llama-2-70B fp16"}, {"result": 327680}, source="2*80*8*128*2"),
    Case({"model": "Llama-3-8B MHA32 fp16"}, {"result": 524288}, source="2*32*32*128*2: a key-value head for each query head"),
    Case({"model": "Llama-3-8B int8"}, {"result": 65536}, source="one byte each"),
    Case({"model": "DeepSeek-V3 bf16"}, {"result": 70272}, source="61*(512+64)*2: latent attention, arXiv 2412.19437"),
    Case({"layers": 32, "kv_heads": 8, "head_dim": 128}, {"result": 131072}, source="from the shape"),
], asks=[
    Ask("16-bit KV cache, 52 layers, 52 KV heads of head size 128: bytes per token?", "result", 2 * 52 * 52 * 128 * 2),
    Ask("How many bytes of KV cache does one token leave in a model with 60 layers, 4 key-value heads and head size 64 at 8 bits?",
        "result", 2 * 60 * 4 * 64),
    Ask("an fp8 cache with 36 layers, 8 kv heads and head dim 96: how many bytes of KV cache per token?", "result", 2 * 36 * 8 * 96),
    Ask("kv cache per token of Llama-2-13B in bytes?", "result", 2 * 40 * 40 * 128 * 2),
])
def kv_bytes_per_token(
    model: str = param("", max_length=200, words=["model"]), layers: int | None = param(None, **_LAYERS),
    kv_heads: int | None = param(None, **_KV), head_dim: int | None = param(None, **_DIM),
    bits: float | None = param(None, **_BITS), dtype: WeightType | None = _CACHE_TYPE,
) -> float:
    """Bytes of KV cache per token: 2 * layers * kv_heads * head_dim * bytes, for a model by name or by its shape.

    The name may carry a data type (fp16, bf16, fp8, int4; 16 bits if none) and "GQA8", "MQA" or "MHA" to override the
    number of key-value heads; `bits` and `dtype` go before it. Models with latent attention (DeepSeek) cache one
    latent vector per layer instead.
    """
    width = bits / 8 if bits is not None else WEIGHT_BITS[dtype] / 8 if dtype is not None else _named_bytes(model)
    if layers is not None and kv_heads is not None and head_dim is not None:
        return _whole(per_token(layers, kv_heads, head_dim, width * 8))
    if not model:
        raise ToolError("serve.kv_bytes_per_token needs a model by name, or layers, kv_heads and head_dim.")
    shape = require_shape(model)
    heads = kv_heads or _named_heads(model, shape.heads, shape.kv_heads)
    if shape.latent and kv_heads is None and head_dim is None and heads == shape.kv_heads:
        return _whole((layers or shape.layers) * shape.latent * width)
    return _whole(per_token(layers or shape.layers, heads, head_dim or shape.head_dim, width * 8))


@formula("serve.kv_GB", unit="GB", words=["KV cache size", "size of the KV cache", "cache in GB"], cases=[
    Case({"model": "Llama-2-7B fp16", "context": 4096, "batch": 1}, {"result": 2.147483648}, rel=1e-12,
         source="4096*524,288"),
    Case({"model": "Llama-3-70B", "context": 131072, "batch": 1}, {"result": 42.94967296}, rel=1e-12,
         source="131072*327,680"),
], asks=[
    Ask("KV cache size in GB for 4 sequences of 16,384 tokens, 48 layers, 8 KV heads, head dimension 128?",
        "result", 4 * 16384 * 2 * 48 * 8 * 128 * 2 / 1e9),
    Ask("24 layers, 16 key-value heads of head size 64, context 2048, batch 32, 16 bits: how large does the cache get in GB?",
        "result", 32 * 2048 * 2 * 24 * 16 * 64 * 2 / 1e9),
    Ask("how many GB of kv cache for 50 users with 4,000 tokens of context each: 32 layers, 8 kv heads, head dim 128, 8 bits?",
        "result", 50 * 4000 * 2 * 32 * 8 * 128 / 1e9),
])
def kv_GB(context: int = param(**_CONTEXT), batch: int = param(1, **_BATCH), model: str = param("", max_length=200),
          layers: int | None = param(None, **_LAYERS), kv_heads: int | None = param(None, **_KV),
          head_dim: int | None = param(None, **_DIM), bits: float | None = param(None, **_BITS),
          dtype: WeightType | None = _CACHE_TYPE) -> float:
    """GB of KV cache of `batch` sequences of `context` tokens: it grows with both, the weights with neither."""
    each = float(kv_bytes_per_token(model=model, layers=layers, kv_heads=kv_heads, head_dim=head_dim, bits=bits,
                                    dtype=dtype))
    return each * context * batch / 1e9


@formula("serve.max_batch", unit="sequences", words=["largest batch", "sequences fit at once", "fit at once"], cases=[
    Case({"gpu_GB": 80, "weights_GB": 16.06, "kv_bytes_per_token": 131072, "context": 8192}, {"result": 59},
         source="(80 - 16.06)e9/(131072*8192)"),
], asks=[
    Ask("largest batch on a 40 GB GPU with 14 GB weights, 131,072 bytes per token and a context of 4096?",
        "result", math.floor(26e9 / (131072 * 4096))),
    Ask("How many sequences of 2,000 tokens fit at once if the GPU has 80 GB, the weights take 30 GB and the cache 200 kB per token?",
        "result", math.floor(50e9 / (200e3 * 2000))),
    Ask("my 48 GB card holds 28 GB of weights. the cache costs 250,000 bytes per token and everybody has a context of 2,000 tokens. "
        "what's the largest batch?", "result", math.floor(20e9 / 250e3 / 2000)),
])
def max_batch(gpu_GB: float = param(**_GB, words=["GPU memory", "GPU"]),
              weights_GB: float = param(**_GB, words=["weights"]),
              kv_bytes_per_token: float = param(gt=0.0, ge=1e-3, le=1e9, unit="bytes", words=["per token"]),
              context: int = param(**_CONTEXT), reserve_GB: float = param(0.0, **_GB,
                                                                          words=["reserve", "overhead"])) -> int:
    """Sequences of a context whose cache fits beside the weights; 0 when the weights alone don't fit."""
    return max(0, math.floor((gpu_GB - weights_GB - reserve_GB) * 1e9 / (kv_bytes_per_token * context) + 1e-9))


@formula("serve.max_context", unit="tokens", words=["longest context", "how long a context", "context fits"], cases=[
    Case({"gpu_GB": 80, "weights_GB": 16.06, "kv_bytes_per_token": 131072, "batch": 1}, {"result": 487823},
         source="(80 - 16.06)e9/131072"),
], asks=[
    Ask("longest context on a 24 GB GPU with 16 GB weights and 100,000 bytes per token, batch of 1?", "result", 80000),
    Ask("How long a context fits for a batch of 8 if the GPU has 80 GB, weights take 40 GB and each token costs 160 kB per token?",
        "result", math.floor(40e9 / 160e3 / 8)),
    Ask("one user only: 32 GB card, 14 GB weights, 500,000 bytes per token. how long a context can he have?", "result", 36000),
])
def max_context(gpu_GB: float = param(**_GB, words=["GPU memory", "GPU"]),
                weights_GB: float = param(**_GB, words=["weights"]),
                kv_bytes_per_token: float = param(gt=0.0, ge=1e-3, le=1e9, unit="bytes", words=["per token"]),
                batch: int = param(1, **_BATCH), reserve_GB: float = param(0.0, **_GB,
                                                                           words=["reserve", "overhead"])) -> int:
    """Tokens of context per sequence that fit beside the weights for a batch."""
    return max(0, math.floor((gpu_GB - weights_GB - reserve_GB) * 1e9 / (kv_bytes_per_token * batch) + 1e-9))


@formula("serve.gqa_ratio", unit="count", words=["GQA", "grouped-query attention", "smaller cache", "times smaller", "shrink the cache"],
         cases=[Case({"heads": 32, "kv_heads": 8}, {"result": 4.0}, source="32/8")], asks=[
    Ask("how many times smaller does GQA make the cache with 48 query heads and 6 kv heads?", "result", 8),
    Ask("By what factor does grouped-query attention shrink the KV cache: 32 heads, 4 key-value heads?", "result", 8),
    Ask("my model has 40 query heads but only 8 key-value heads. how much smaller does that make the kv cache, as a factor?",
        "result", 5),
])
def gqa_ratio(heads: int = param(ge=1, le=10_000, unit="heads", words=["heads", "query heads"]),
              kv_heads: int = param(**_KV)) -> float:
    """How many times grouped-query attention shrinks the cache against one key-value head per query head."""
    return heads / kv_heads


@formula("serve.weights_GB", unit="GB", words=["weights", "quantised weights", "how big are the weights"], cases=[
    Case({"params_B": 70, "bits": 16}, {"result": 140.0}, source="2 bytes each"),
    Case({"params_B": 70, "dtype": "int4"}, {"result": 35.0}, source="half a byte each"),
], asks=[
    Ask("Weights of a 34B model in int8: how many GB?", "result", 34),
    Ask("how much memory do the weights of a 13B model take in fp16?", "result", 26),
    Ask("how big are the weights of a 3B model at 16 bits, in GB?", "result", 6),
    Ask("we serve a 110B model quantised to int4. GB for the weights?", "result", 55),
])
def serve_weights_GB(params_B: float = param(ge=0.0, le=1e6, unit="billion parameters", words=["parameters", "model"]),
                     bits: float | None = param(None, **_BITS),
                     dtype: WeightType = param("bf16", words=["format", "dtype", "precision", "quantised to"])) -> float:
    """GB of the weights of a served model: params * bits/8. `bits` goes before `dtype`."""
    return params_B * (bits or WEIGHT_BITS[dtype]) / 8


@formula("serve.crossover_tokens", unit="tokens", words=["cache outweighs the weights", "cache larger than the weights",
                                                         "outweigh the weights"], cases=[
    Case({"weights_GB": 14, "kv_bytes_per_token": 524288}, {"result": 26702.9}, rel=1e-5, source="14e9/524288"),
], asks=[
    Ask("at how many tokens does the cache outweigh the weights with 26 GB of weights and 200,000 bytes per token?",
        "result", 130000),
    Ask("The weights are 140 GB and a token takes 320 kB per token of cache. From how many cached tokens on is the cache larger "
        "than the weights?", "result", 140e9 / 320e3),
    Ask("weights take 6 GB, the cache grows by 50,000 bytes per token. after how many tokens is the cache larger than the weights?",
        "result", 120000),
])
def crossover_tokens(weights_GB: float = param(**_GB, words=["weights"]),
                     kv_bytes_per_token: float = param(gt=0.0, ge=1e-3, le=1e9, unit="bytes",
                                                       words=["per token"])) -> float:
    """Tokens in the cache, over all sequences, from which it outweighs the weights."""
    return weights_GB * 1e9 / kv_bytes_per_token


@formula("serve.decode_tokens_per_s", unit="tokens/s",
         words=["decoding speed", "tokens per second", "memory-bound decoding", "generate"], cases=[
    Case({"weights_GB": 14, "kv_GB": 0, "bandwidth_GBps": 3350, "batch": 1}, {"result": 239.2857}, rel=1e-6,
         source="3350/14: H100 reads all weights for each token"),
    Case({"weights_GB": 14, "kv_GB": 14, "bandwidth_GBps": 3350, "batch": 8}, {"result": 957.142857}, rel=1e-8,
         source="8*3350/28"),
], asks=[
    Ask("14 GB of weights on a GPU with 2 TB/s memory bandwidth: how many tokens per second can it decode at most?",
        "result", 2000 / 14),
    Ask("how fast can a 70B model in int4 decode at most on a gpu with 3.35 TB/s memory bandwidth, in tokens per second?",
        "result", 3350 / 35),
    Ask("decoding speed limit in tokens per second: 16 GB weights, memory bandwidth 1 TB/s, batch 1?", "result", 1000 / 16),
    Ask("batch of 32, 20 GB of weights, KV cache of 12 GB, HBM bandwidth 3.2 TB/s. at most how many tokens per second can we "
        "generate?", "result", 32 * 3200 / 32),
])
def decode_tokens_per_s(
    weights_GB: float | None = param(None, ge=0.001, le=1e6, unit="GB", words=["weights"]),
    params_B: float | None = param(None, ge=1e-4, le=1e6, unit="billion parameters", words=["parameters", "params", "model"]),
    dtype: WeightType = param("bf16", words=["format", "dtype", "precision", "quantised to"]),
    kv_GB: float = param(0.0, **_GB, words=["KV cache", "cache"]),
    bandwidth_GBps: float = param(ge=0.1, le=1e6, unit="GB/s", words=["memory bandwidth", "HBM", "bandwidth"]),
    batch: int = param(1, **_BATCH),
) -> float:
    """Upper bound of decoding, batch * bandwidth / (weights + cache): each step reads both once and gives one token a sequence.

    The weights are given in GB, or are params_B parameters of `dtype`."""
    if weights_GB is None and params_B is None:
        raise ToolError("serve.decode_tokens_per_s needs weights_GB, or params_B with a dtype.")
    weights = weights_GB if weights_GB is not None else float(serve_weights_GB(params_B, None, dtype))
    return batch * bandwidth_GBps / (weights + kv_GB)


def _named_bytes(model: str) -> float:
    """Bytes per value that a name states; two when it states none."""
    return next((width for pattern, width in _BYTES if re.search(rf"(?<![a-z0-9])({pattern})(?![0-9])", model.lower())),
                2.0)


def _named_heads(model: str, heads: int, kv_heads: int) -> int:
    text = model.lower()
    grouped = re.search(r"\b(?:gqa|mha|mqa)[ -]?(\d{1,4})\b", text)
    if grouped:
        return max(1, int(grouped.group(1)))
    return 1 if re.search(r"\bmqa\b", text) else heads if re.search(r"\bmha\b", text) else kv_heads


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value
