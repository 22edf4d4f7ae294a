"""Training FLOPs: what a model and its tokens cost in arithmetic, and utilisation. Knows no days and no prices."""

from __future__ import annotations

from typing import Any, Literal

from tools.base import Ask, Case, ToolError, formula, param

Recompute = Literal["none", "selective", "full"]

PEAK_TFLOPS: dict[str, float] = {
    "V100": 125.0, "T4": 65.0, "A100": 312.0, "A10": 125.0, "L4": 121.0, "L40S": 362.0, "H100": 989.4,
    "H100-PCIe": 756.0,
    "H200": 989.4, "B200": 2250.0, "MI250X": 383.0, "MI300X": 1307.4, "TPUv3": 123.0, "TPUv4": 275.0, "TPUv5e": 197.0,
    "TPUv5p": 459.0, "TPUv6e": 918.0,
}
"""Dense 16-bit peak in TFLOP/s from the vendors' data sheets (V100 and T4: fp16; the rest bf16). Data sheets of recent
NVIDIA parts print twice this, "with sparsity", which dense training doesn't reach."""

Gpu = Literal["V100", "T4", "A100", "A10", "L4", "L40S", "H100", "H100-PCIe", "H200", "B200", "MI250X", "MI300X",
              "TPUv3",
              "TPUv4", "TPUv5e", "TPUv5p", "TPUv6e"]


def attention_per_token(layers: float, hidden: float, context: float) -> float:
    """Training FLOPs of attention scores per token, forward and backward: 12*L*h*s (PaLM, arXiv 2204.02311, appendix B;
    the causal mask isn't deducted)."""
    return 12 * layers * hidden * context


def peak_of(peak_TFLOPs: float | None, gpu: str | None) -> float:
    """TFLOP/s of the peak given, or of the GPU named. Raises ToolError when there is neither."""
    if peak_TFLOPs is None and gpu is None:
        raise ToolError(f"A peak is needed: give peak_TFLOPs, or gpu as one of {', '.join(PEAK_TFLOPS)}.")
    return peak_TFLOPs or PEAK_TFLOPS[str(gpu)]


def hardware_per_token(parameters: float, attention: float, recompute: str) -> float:
    """FLOPs executed per token: full recomputation repeats the forward pass, selective only the scores."""
    again = {"none": 0.0, "selective": attention / 3, "full": (6 * parameters + attention) / 3}[recompute]
    return 6 * parameters + attention + again


_N: dict[str, Any] = {"ge": 0.0, "le": 1e16, "unit": "parameters", "words": ["parameters", "params", "model", "N"]}
_D: dict[str, Any] = {"ge": 0.0, "le": 1e18, "unit": "tokens", "words": ["tokens", "D"]}
_L: dict[str, Any] = {"ge": 1, "le": 2_000, "unit": "layers", "words": ["layers", "L"]}
_H: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "heads", "words": ["heads", "H"]}
_Q: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "count", "words": ["head dimension", "head size", "Q"]}
_T: dict[str, Any] = {"ge": 1, "le": 10_000_000, "unit": "tokens", "words": ["sequence length", "context", "of length", "tokens long",
                                                            "seq", "T"]}
_HID: dict[str, Any] = {"ge": 1, "le": 200_000, "unit": "count", "words": ["hidden", "width", "d_model", "h"]}
_RECOMPUTE: Any = param("full", words=["recompute", "recomputation"])
_PALM = {"tokens_per_s": 238300, "N": 540.35e9, "L": 118, "H": 48, "Q": 256, "T": 2048, "chips": 6144,
         "peak_TFLOPs": 275}


@formula("flops.6ND", unit="FLOP", words=["training FLOPs", "training compute", "compute to train", "flops to train", "total to train",
                                          "to pretrain", "to train", "6ND"], cases=[
    Case({"N": 175e9, "D": 300e9}, {"result": 3.15e23}, rel=1e-3, source="GPT-3 paper: 3.14e23, with 174.6e9"),
    Case({"N": 70e9, "D": 1.4e12}, {"result": 5.88e23}, rel=1e-3, source="Chinchilla; its paper's budget is 5.76e23"),
    Case({"N": 405e9, "D": 15.6e12}, {"result": 3.79e25}, rel=1e-3, source="Llama 3 paper: 3.8e25"),
    Case({"N": 70e9, "D": 1.4e12}, {"result": 5.76e23}, rel=1e-3, source="Chinchilla's printed budget", shown=True),
], asks=[
    Ask("a 7B model reads 1T tokens during training: compute in FLOPs?", "result", 6 * 7e9 * 1e12),
    Ask("What compute in FLOPs does it take to train 30 billion parameters on 600 billion tokens?", "result", 6 * 30e9 * 600e9),
    Ask("i want to pretrain a 400M parameter model on 8B tokens. how many flops is that by the 6ND rule?", "result", 6 * 400e6 * 8e9),
])
def six_nd(N: float = param(**_N), D: float = param(**_D)) -> float:
    """Training FLOPs: 2 forward and 4 backward per parameter and token; ignores attention scores and recomputation.

    Printed and recomputed values differ a little: GPT-3 3.14e23 (from 174.6e9 parameters) against 3.15e23; Chinchilla's
    budget 5.76e23 against 5.88e23.
    """
    return 6 * N * D


@formula("flops.2N", unit="FLOP/token", words=["forward pass", "FLOPs per generated token", "inference of one token", "single token"],
         cases=[Case({"N": 7e9}, {"result": 1.4e10}, rel=1e-12,
                                                    source="2 per parameter")], asks=[
    Ask("FLOPs per generated token of a 13B model?", "result", 2 * 13e9),
    Ask("How many FLOPs does one token's forward pass through 70 billion parameters take?", "result", 2 * 70e9),
    Ask("my 3B model writes one token of an answer. roughly how many flops went into that token?", "result", 2 * 3e9),
])
def two_n(N: float = param(**_N)) -> float:
    """FLOPs of one token's forward pass (inference): a multiplication and an addition per parameter."""
    return 2 * N


@formula("flops.inference", unit="FLOP", words=["inference FLOPs", "generate tokens", "prefill", "read a prompt"], cases=[
    Case({"N": 70e9, "D": 1e6}, {"result": 1.4e17}, rel=1e-12, source="2ND"),
], asks=[
    Ask("inference FLOPs of a 7B model for 2,000 tokens?", "result", 2 * 7e9 * 2000),
    Ask("How many FLOPs does the prefill of a prompt with 30k tokens take on a model of 34B parameters?", "result", 2 * 34e9 * 30e3),
    Ask("we let a 70B model generate half a million tokens. how many flops is that in total?", "result", 2 * 70e9 * 5e5),
])
def inference(N: float = param(**_N), D: float = param(**_D)) -> float:
    """FLOPs to read or write D tokens: 2ND, a third of training on them."""
    return 2 * N * D


@formula("flops.per_token", unit="FLOP/token", words=["training FLOPs per token", "attention included"], cases=[
    Case({"N": 540.35e9, "L": 118, "H": 48, "Q": 256, "T": 2048}, {"result": 3.27774e12}, rel=1e-5,
         source="PaLM appendix B"),
], asks=[
    Ask("training FLOPs per token with attention: 7B parameters, 32 layers, 32 heads, head size 128, sequence length 4096?",
        "result", 6 * 7e9 + 12 * 32 * 32 * 128 * 4096),
    Ask("A 1.3B model has 24 layers with 16 heads of head dimension 128 and a context of 2048. How many training FLOPs per token, "
        "attention included?", "result", 6 * 1.3e9 + 12 * 24 * 16 * 128 * 2048),
    Ask("one training token costs how many FLOPs with attention included for 175e9 parameters, 96 layers, 96 heads of head size 128 "
        "and 2048 context?", "result", 6 * 175e9 + 12 * 96 * 96 * 128 * 2048),
])
def per_token(N: float = param(**_N), L: int = param(**_L), H: int = param(**_H), Q: int = param(**_Q),
              T: int = param(**_T)) -> float:
    """Training FLOPs per token with attention: 6N + 12*L*H*Q*T (layers, heads, head size, sequence length)."""
    return 6 * N + attention_per_token(L, H * Q, T)


@formula("flops.attention_share", unit="fraction", words=["share of attention", "attention scores' share of FLOPs",
                                                          "flops is attention", "goes into attention"], cases=[
    Case({"s": 2048, "h": 12288}, {"result": 0.0270270}, rel=1e-5, source="s/(6h) over 1 + s/(6h), N = 12Lh^2"),
], asks=[
    Ask("attention scores' share of FLOPs at 4096 context and hidden 4096?", "result", 4096 / (6 * 4096 + 4096)),
    Ask("What share of training FLOPs goes into attention scores with a sequence length of 32,768 and hidden size 8192?",
        "result", 32768 / (6 * 8192 + 32768)),
    Ask("we go to a context of 131,072 tokens with width 5120. what percentage of the flops is attention then?",
        "result", 131072 / (6 * 5120 + 131072)),
])
def attention_share(s: int = param(**_T), h: int = param(**_HID)) -> float:
    """Share of attention scores in all training FLOPs of a GPT: s/(6h+s); small until the context rivals 6h."""
    return s / (6 * h + s)


@formula("flops.mfu", unit="fraction",
         words=["model FLOPs utilisation", "model FLOPs utilization", "MFU", "what MFU", "utilisation from throughput"], cases=[
    Case(_PALM, {"result": 0.462}, abs=5e-4, source="PaLM: 46.2%"),
    Case({"tokens_per_s": 238300, "N": 540.35e9, "chips": 6144, "peak_TFLOPs": 275}, {"result": 0.457}, abs=5e-4,
         source="PaLM: 45.7% without attention"),
    Case({"tokens_per_s": 3500, "N": 7e9, "gpu": "A100"}, {"result": 0.471154}, rel=1e-5, source="6N*3500 over 312e12"),
], asks=[
    Ask("Our 7B parameter model trains at 3,500 tokens per second per GPU with a peak of 312 TFLOP/s. What is the MFU?",
        "result", 0.471154),
    Ask("13B params, 64 A100 GPUs, 110k tokens/s in total: what MFU do we get?", "result",
        110e3 * 6 * 13e9 / (64 * 312e12)),
    Ask("throughput of 50,000 tokens/s for a 3B model on 16 chips with 197 TFLOP/s peak: MFU?",
        "result", 6 * 3e9 * 5e4 / (16 * 197e12)),
])
def mfu(tokens_per_s: float = param(ge=0.0, le=1e15, unit="tokens/s",
                                    words=["tokens per second", "throughput", "tokens/s", "tokens a second"]),
        N: float = param(**_N), chips: int = param(1, ge=1, le=10_000_000, unit="GPUs",
                                                   words=["chips", "GPUs", "A100s", "H100s", "H100", "cards"]),
        peak_TFLOPs: float | None = param(None, ge=0.01, le=1e6, unit="TFLOP/s", words=["peak"]),
        gpu: Gpu | None = param(None, words=["GPU type"]),
        L: int = param(0, **_L | {"ge": 0}),
        H: int = param(0, **_H | {"ge": 0}), Q: int = param(0, **_Q | {"ge": 0}),
        T: int = param(0, **_T | {"ge": 0}),
        flops_per_parameter: float = param(6.0, ge=1.0, le=100.0, unit="FLOP", words=["FLOPs per parameter",
                                                            "FLOPs per param"])) -> float:
    """Model FLOPs utilisation: tokens/s times (6N + 12LHQT) over chips times dense peak; recomputation doesn't count.

    Without L, H, Q, T attention is left out. The peak is given or is the named GPU's. `tokens_per_s` is of all chips
    together (of one chip when no number is given); more than the peak is refused.
    """
    found = tokens_per_s * (flops_per_parameter * N + attention_per_token(L, H * Q, T)) / (chips * peak_of(peak_TFLOPs, gpu) * 1e12)
    if found > 1:
        raise ToolError(f"flops.mfu: {tokens_per_s:g} tokens/s would be {found:.3g} times the peak of {chips} GPUs; give "
                        "the number of GPUs (chips) that reach it together.")
    return found


@formula("flops.hfu", unit="fraction", words=["HFU from MFU", "HFU", "hardware FLOPs utilisation", "hardware utilisation"], cases=[
    Case({"mfu": 0.3, "recompute": "full"}, {"result": 0.4}, rel=1e-9, source="4 passes' worth for 3"),
    Case({"mfu": 0.462, "recompute": "full"}, {"result": 0.578}, rel=1e-3,
         source="PaLM prints 57.8%: it recomputes less than everything", shown=True),
], asks=[
    Ask("HFU from an MFU of 45% with full recomputation?", "result", 0.6),
    Ask("With full activation recomputation our MFU is 33%. What hardware FLOPs utilisation does the GPU see?", "result", 0.44),
    Ask("mfu 0.39, everything is recomputed in the backward pass. hardware utilisation?", "result", 0.52),
])
def hfu(mfu: float = param(ge=0.0, le=1.0, unit="fraction", words=["MFU"]),
        recompute: Recompute = _RECOMPUTE,
        s: int = param(2048, **_T), h: int = param(12288, **_HID)) -> float:
    """Hardware FLOPs utilisation from MFU: recomputed work counts too, so HFU flatters what MFU doesn't.

    Full recomputation: 4/3. Selective (attention scores only, s and h of a GPT): 1 + s/(18h+3s).
    """
    return mfu * hardware_per_token(2 * h, 2 * s, recompute) / hardware_per_token(2 * h, 2 * s, "none")


@formula("flops.chinchilla_tokens", unit="tokens", words=["Chinchilla", "compute-optimal tokens", "how many tokens",
                                                          "tokens should it see", "tokens per parameter"], cases=[
    Case({"N": 70e9}, {"result": 1.4e12}, rel=1e-12, source="Chinchilla: 70B on 1.4T"),
], asks=[
    Ask("compute-optimal tokens for a 1B model?", "result", 20e9),
    Ask("By Chinchilla, how many tokens does a model of 13 billion parameters want?", "result", 260e9),
    Ask("i have a 350M model. how many tokens should it see at 20 tokens per parameter?", "result", 7e9),
    Ask("tokens for a 2B model at 100 per parameter?", "result", 200e9),
])
def chinchilla_tokens(
    N: float = param(**_N),
    tokens_per_parameter: float = param(20.0, ge=0.1, le=1e5, unit="count", words=["per parameter"]),
) -> float:
    """Compute-optimal tokens of a model: about 20 per parameter (Hoffmann et al., arXiv 2203.15556)."""
    return N * tokens_per_parameter


@formula("flops.chinchilla_optimal", words=["Chinchilla", "compute-optimal model", "compute budget", "optimal model size",
                                            "compute-optimal"], cases=[
    Case({"C": 5.88e23}, {"params": 70e9, "tokens": 1.4e12}, rel=1e-9, source="C = 6ND, D = 20N"),
], asks=[
    Ask("compute-optimal model size for a budget of 1e23 FLOPs?", "params", (1e23 / 120) ** 0.5),
    Ask("With a compute budget of 3e21 FLOPs, how many parameters would Chinchilla choose?", "params", (3e21 / 120) ** 0.5),
    Ask("we may burn 6e22 flops in all. how many tokens are compute-optimal for that budget?", "tokens", 20 * (6e22 / 120) ** 0.5),
])
def chinchilla_optimal(C: float = param(ge=1.0, le=1e34, unit="FLOP",
                                        words=["compute", "budget", "FLOPs"])) -> dict[str, float]:
    """Parameters and tokens that spend a compute budget best: N = sqrt(C/120), D = 20N."""
    parameters = (C / 120) ** 0.5
    return {"params": parameters, "tokens": 20 * parameters}


@formula("flops.gpt_iteration", unit="FLOP", words=["FLOPs of one iteration"], cases=[
    Case({"B": 1536, "s": 2048, "l": 96, "h": 12288, "V": 51200}, {"result": 4.5137e18}, rel=1e-3,
         source="Megatron 2104.04473 eq. 3: 96Bslh^2(1 + s/6h + V/16lh)"),
], asks=[
    Ask("FLOPs of one iteration with batch 512, sequence length 2048, 24 layers, hidden 2304 and vocabulary 51,200 with "
        "recomputation?", "result", 96 * 512 * 2048 * 24 * 2304**2 * (1 + 2048 / (6 * 2304) + 51200 / (16 * 24 * 2304))),
    Ask("how many FLOPs does one iteration of a GPT with 12 layers, hidden 768, vocab 50257 on a batch of 32 sequences of length "
        "1024 cost, no recompute?", "result", 72 * 32 * 1024 * 12 * 768**2 * (1 + 1024 / (6 * 768) + 50257 / (12 * 12 * 768))),
])
def gpt_iteration(B: int = param(ge=1, le=10_000_000, unit="sequences", words=["batch", "batch of", "B"]), s: int = param(**_T),
                  layers: int = param(**_L | {"alias": "l"}), h: int = param(**_HID),
                  V: int = param(ge=1, le=10_000_000, unit="tokens", words=["vocabulary", "vocab", "V"]),
                  recompute: bool = param(True, words=["recompute"])) -> float:
    """FLOPs of one GPT iteration on B sequences: 96Bslh^2(1 + s/6h + V/16lh) with full recomputation.

    Without it 72 in place of 96 and 12 in place of 16.
    """
    if recompute:
        return 96 * B * s * layers * h * h * (1 + s / (6 * h) + V / (16 * layers * h))
    return 72 * B * s * layers * h * h * (1 + s / (6 * h) + V / (12 * layers * h))


@formula("flops.achieved_TFLOPs", unit="TFLOP/s", words=["achieved TFLOP/s", "TFLOPs per GPU", "TFLOP/s per GPU", "TFLOPs reached",
                                                         "TFLOPs are reached"], cases=[
    Case({"tokens_per_s": 238300, "N": 540.35e9, "chips": 6144}, {"result": 125.748}, rel=1e-4, source="6N tokens/s"),
], asks=[
    Ask("achieved TFLOP/s per GPU for a 13B model at 200,000 tokens per second on 128 GPUs?", "result", 6 * 13e9 * 2e5 / 128 / 1e12),
    Ask("64 GPUs train 3B parameters at 1.1M tokens per second. How many TFLOPs are reached by each?",
        "result", 6 * 3e9 * 1.1e6 / 64 / 1e12),
    Ask("8 gpus push 60k tokens per second through my 7B model. what tflops per gpu does that make?",
        "result", 6 * 7e9 * 60e3 / 8 / 1e12),
])
def achieved_TFLOPs(
    tokens_per_s: float = param(ge=0.0, le=1e15, unit="tokens/s", words=["tokens per second"]), N: float = param(**_N),
    chips: int = param(ge=1, le=10_000_000, unit="GPUs", words=["chips", "GPUs", "cards", "A100s", "H100s", "H100"]),
) -> float:
    """Model TFLOP/s per chip from a measured throughput."""
    return 6 * N * tokens_per_s / chips / 1e12
