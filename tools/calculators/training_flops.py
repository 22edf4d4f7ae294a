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
_T: dict[str, Any] = {"ge": 1, "le": 10_000_000, "unit": "tokens", "words": ["sequence length", "context", "T"]}
_HID: dict[str, Any] = {"ge": 1, "le": 200_000, "unit": "count", "words": ["hidden", "h"]}
_RECOMPUTE: Any = param("full", words=["recompute", "recomputation"])
_PALM = {"tokens_per_s": 238300, "N": 540.35e9, "L": 118, "H": 48, "Q": 256, "T": 2048, "chips": 6144,
         "peak_TFLOPs": 275}


@formula("flops.6ND", unit="FLOP", words=["training FLOPs", "training compute", "compute to train", "6ND"], cases=[
    Case({"N": 175e9, "D": 300e9}, {"result": 3.15e23}, rel=1e-3, source="GPT-3 paper: 3.14e23, with 174.6e9"),
    Case({"N": 70e9, "D": 1.4e12}, {"result": 5.88e23}, rel=1e-3, source="Chinchilla; its paper's budget is 5.76e23"),
    Case({"N": 405e9, "D": 15.6e12}, {"result": 3.79e25}, rel=1e-3, source="Llama 3 paper: 3.8e25"),
    Case({"N": 70e9, "D": 1.4e12}, {"result": 5.76e23}, rel=1e-3, source="Chinchilla's printed budget", shown=True),
])
def six_nd(N: float = param(**_N), D: float = param(**_D)) -> float:
    """Training FLOPs: 2 forward and 4 backward per parameter and token; ignores attention scores and recomputation.

    Printed and recomputed values differ a little: GPT-3 3.14e23 (from 174.6e9 parameters) against 3.15e23; Chinchilla's
    budget 5.76e23 against 5.88e23.
    """
    return 6 * N * D


@formula("flops.2N", unit="FLOP/token", words=["forward pass", "FLOPs per generated token", "inference of one token"],
         cases=[Case({"N": 7e9}, {"result": 1.4e10}, rel=1e-12,
                                                    source="2 per parameter")])
def two_n(N: float = param(**_N)) -> float:
    """FLOPs of one token's forward pass (inference): a multiplication and an addition per parameter."""
    return 2 * N


@formula("flops.inference", unit="FLOP", words=["inference FLOPs", "generate tokens", "prefill", "read a prompt"], cases=[
    Case({"N": 70e9, "D": 1e6}, {"result": 1.4e17}, rel=1e-12, source="2ND"),
])
def inference(N: float = param(**_N), D: float = param(**_D)) -> float:
    """FLOPs to read or write D tokens: 2ND, a third of training on them."""
    return 2 * N * D


@formula("flops.per_token", unit="FLOP/token", words=["training FLOPs per token"], cases=[
    Case({"N": 540.35e9, "L": 118, "H": 48, "Q": 256, "T": 2048}, {"result": 3.27774e12}, rel=1e-5,
         source="PaLM appendix B"),
])
def per_token(N: float = param(**_N), L: int = param(**_L), H: int = param(**_H), Q: int = param(**_Q),
              T: int = param(**_T)) -> float:
    """Training FLOPs per token with attention: 6N + 12*L*H*Q*T (layers, heads, head size, sequence length)."""
    return 6 * N + attention_per_token(L, H * Q, T)


@formula("flops.attention_share", unit="fraction", words=["share of attention", "attention scores' share of FLOPs"], cases=[
    Case({"s": 2048, "h": 12288}, {"result": 0.0270270}, rel=1e-5, source="s/(6h) over 1 + s/(6h), N = 12Lh^2"),
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
], asks=[Ask("Our 7B parameter model trains at 3,500 tokens per second per GPU with a peak of 312 TFLOP/s. What is the MFU?",
             "result", 0.471154),
         Ask("13B params, 64 A100 GPUs, 110k tokens/s in total: what MFU do we get?", "result",
             110e3 * 6 * 13e9 / (64 * 312e12))])
def mfu(tokens_per_s: float = param(ge=0.0, le=1e15, unit="tokens/s",
                                    words=["tokens per second", "throughput", "tokens/s", "tokens a second"]),
        N: float = param(**_N), chips: int = param(1, ge=1, le=10_000_000, unit="GPUs",
                                                   words=["chips", "GPUs", "A100s", "H100s", "cards"]),
        peak_TFLOPs: float | None = param(None, ge=0.01, le=1e6, unit="TFLOP/s", words=["peak"]),
        gpu: Gpu | None = param(None, words=["GPU type"]),
        L: int = param(0, **_L | {"ge": 0}),
        H: int = param(0, **_H | {"ge": 0}), Q: int = param(0, **_Q | {"ge": 0}),
        T: int = param(0, **_T | {"ge": 0})) -> float:
    """Model FLOPs utilisation: tokens/s times (6N + 12LHQT) over chips times dense peak; recomputation doesn't count.

    Without L, H, Q, T attention is left out. The peak is given or is the named GPU's. `tokens_per_s` is of all chips
    together (of one chip when no number is given); more than the peak is refused.
    """
    found = tokens_per_s * (6 * N + attention_per_token(L, H * Q, T)) / (chips * peak_of(peak_TFLOPs, gpu) * 1e12)
    if found > 1:
        raise ToolError(f"flops.mfu: {tokens_per_s:g} tokens/s would be {found:.3g} times the peak of {chips} GPUs; give "
                        "the number of GPUs (chips) that reach it together.")
    return found


@formula("flops.hfu", unit="fraction", words=["HFU from MFU", "hardware FLOPs utilisation"], cases=[
    Case({"mfu": 0.3, "recompute": "full"}, {"result": 0.4}, rel=1e-9, source="4 passes' worth for 3"),
    Case({"mfu": 0.462, "recompute": "full"}, {"result": 0.578}, rel=1e-3,
         source="PaLM prints 57.8%: it recomputes less than everything", shown=True),
])
def hfu(mfu: float = param(ge=0.0, le=1.0, unit="fraction", words=["MFU"]),
        recompute: Recompute = _RECOMPUTE,
        s: int = param(2048, **_T), h: int = param(12288, **_HID)) -> float:
    """Hardware FLOPs utilisation from MFU: recomputed work counts too, so HFU flatters what MFU doesn't.

    Full recomputation: 4/3. Selective (attention scores only, s and h of a GPT): 1 + s/(18h+3s).
    """
    return mfu * hardware_per_token(2 * h, 2 * s, recompute) / hardware_per_token(2 * h, 2 * s, "none")


@formula("flops.chinchilla_tokens", unit="tokens", words=["Chinchilla", "compute-optimal tokens", "how many tokens"], cases=[
    Case({"N": 70e9}, {"result": 1.4e12}, rel=1e-12, source="Chinchilla: 70B on 1.4T"),
])
def chinchilla_tokens(
    N: float = param(**_N),
    tokens_per_parameter: float = param(20.0, ge=0.1, le=1e5, unit="count", words=["per parameter"]),
) -> float:
    """Compute-optimal tokens of a model: about 20 per parameter (Hoffmann et al., arXiv 2203.15556)."""
    return N * tokens_per_parameter


@formula("flops.chinchilla_optimal", words=["Chinchilla", "compute-optimal model", "compute budget", "optimal model size"], cases=[
    Case({"C": 5.88e23}, {"params": 70e9, "tokens": 1.4e12}, rel=1e-9, source="C = 6ND, D = 20N"),
])
def chinchilla_optimal(C: float = param(ge=1.0, le=1e34, unit="FLOP",
                                        words=["compute", "budget", "FLOPs"])) -> dict[str, float]:
    """Parameters and tokens that spend a compute budget best: N = sqrt(C/120), D = 20N."""
    parameters = (C / 120) ** 0.5
    return {"params": parameters, "tokens": 20 * parameters}


@formula("flops.gpt_iteration", unit="FLOP", words=["FLOPs of one iteration"], cases=[
    Case({"B": 1536, "s": 2048, "l": 96, "h": 12288, "V": 51200}, {"result": 4.5137e18}, rel=1e-3,
         source="Megatron 2104.04473 eq. 3: 96Bslh^2(1 + s/6h + V/16lh)"),
])
def gpt_iteration(B: int = param(ge=1, le=10_000_000, unit="sequences", words=["batch", "B"]), s: int = param(**_T),
                  layers: int = param(**_L | {"alias": "l"}), h: int = param(**_HID),
                  V: int = param(ge=1, le=10_000_000, unit="tokens", words=["vocabulary"]),
                  recompute: bool = param(True, words=["recompute"])) -> float:
    """FLOPs of one GPT iteration on B sequences: 96Bslh^2(1 + s/6h + V/16lh) with full recomputation.

    Without it 72 in place of 96 and 12 in place of 16.
    """
    if recompute:
        return 96 * B * s * layers * h * h * (1 + s / (6 * h) + V / (16 * layers * h))
    return 72 * B * s * layers * h * h * (1 + s / (6 * h) + V / (12 * layers * h))


@formula("flops.achieved_TFLOPs", unit="TFLOP/s", words=["achieved TFLOP/s", "TFLOPs per GPU", "TFLOPs reached"], cases=[
    Case({"tokens_per_s": 238300, "N": 540.35e9, "chips": 6144}, {"result": 125.748}, rel=1e-4, source="6N tokens/s"),
])
def achieved_TFLOPs(
    tokens_per_s: float = param(ge=0.0, le=1e15, unit="tokens/s", words=["tokens per second"]), N: float = param(**_N),
    chips: int = param(ge=1, le=10_000_000, unit="GPUs", words=["chips", "GPUs"]),
) -> float:
    """Model TFLOP/s per chip from a measured throughput."""
    return 6 * N * tokens_per_s / chips / 1e12
