"""Training time: days, GPU-hours and money from FLOPs, a dense peak and its utilisation; no memory, no failures."""

from __future__ import annotations

import math
from typing import Any, Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, formula, param, tool
from tools.calculators.training_flops import PEAK_TFLOPS, Gpu, attention_per_token, hardware_per_token, peak_of
from tools.calculators.transformer_shape import usual_shape

DAY_S = 86_400

_N: dict[str, Any] = {"ge": 1.0, "le": 1e16, "unit": "parameters", "words": ["parameters", "params", "model"]}
_D: dict[str, Any] = {"ge": 1.0, "le": 1e18, "unit": "tokens", "words": ["tokens"]}
_GPUS: dict[str, Any] = {"ge": 1, "le": 10_000_000, "unit": "GPUs", "words": ["GPUs", "accelerators", "chips", "A100s", "H100s",
                                                            "H100", "cards"]}
_PEAK: dict[str, Any] = {"ge": 0.01, "le": 1e6, "unit": "TFLOP/s", "words": ["peak", "TFLOP/s"]}
_MFU: dict[str, Any] = {"ge": 0.001, "le": 1.0, "unit": "fraction", "words": ["MFU", "utilisation", "utilization"]}


@formula("traintime.days", unit="days", words=["training days", "with full recomputation", "recompute all activations"], cases=[
    Case({"P": 175e9, "T": 300e9, "n": 1024, "X": 140e12}, {"result": 33.9}, abs=0.1,
         source="Megatron 2104.04473: 34 days"),
    Case({"P": 1008e9, "T": 450e9, "n": 3072, "X": 163e12}, {"result": 83.9}, abs=0.1, source="Megatron: 84 days"),
], asks=[
    Ask("training days with full recomputation: 20B parameters, 500B tokens, 256 GPUs at 130 TFLOP/s achieved per GPU?",
        "result", 8 * 20e9 * 500e9 / (256 * 130e12) / 86400),
    Ask("We recompute all activations and reach 150 TFLOP/s per GPU on 512 GPUs. Days for 100B parameters and 300B tokens?",
        "result", 8 * 100e9 * 300e9 / (512 * 150e12) / 86400),
    Ask("how many training days with full recomputation for 175B parameters and 300B tokens on 2,048 GPUs that achieve 150 TFLOP/s "
        "each?", "result", 8 * 175e9 * 300e9 / (2048 * 150e12) / 86400),
])
def days(
    P: float = param(**_N), T: float = param(**_D), n: int = param(**_GPUS),
    X: float = param(ge=1e6, le=1e18, unit="FLOP/s", words=["achieved", "per GPU", "FLOP/s"]),
) -> float:
    """Days of training with full recomputation at X achieved FLOP/s per GPU: 8TP/(nX); 8 = 2 forward, 4 back, 2 again.

    The paper rounds to 34 and 84 days.
    """
    return 8 * T * P / (n * X) / DAY_S


@formula("traintime.days_6ND", unit="days", words=["days to train"], cases=[
    Case({"N": 7e9, "D": 1e12, "gpus": 256, "peak_TFLOPs": 312, "mfu": 0.4}, {"result": 15.2155}, rel=1e-4,
         source="arithmetic"),
], asks=[
    Ask("days to train 13B parameters on 1T tokens with 512 GPUs, 312 TFLOP/s peak and MFU 0.45?",
        "result", 6 * 13e9 * 1e12 / (512 * 312e12 * 0.45) / 86400),
    Ask("64 GPUs with a peak of 989 TFLOP/s reach 38% MFU. How many days does a 3B model with 600B tokens take?",
        "result", 6 * 3e9 * 600e9 / (64 * 989e12 * 0.38) / 86400),
    Ask("days to train a 1B model on 200B tokens with 16 GPUs of 165 TFLOP/s peak at an MFU of 0.3?",
        "result", 6 * 1e9 * 200e9 / (16 * 165e12 * 0.3) / 86400),
])
def days_6nd(N: float = param(**_N), D: float = param(**_D), gpus: int = param(**_GPUS),
             peak_TFLOPs: float = param(**_PEAK), mfu: float = param(**_MFU)) -> float:
    """Days of training without recomputation: 6ND over GPUs times dense peak times MFU."""
    return 6 * N * D / (gpus * peak_TFLOPs * 1e12 * mfu) / DAY_S


@formula("traintime.gpu_hours", unit="GPU-hours", words=["GPU-hours", "GPU hours"], cases=[
    Case({"N": 7e9, "D": 2e12, "peak_TFLOPs": 312, "mfu": 0.4}, {"result": 186965.81}, rel=1e-6, source="arithmetic"),
    Case({"N": 7e9, "D": 2e12, "peak_TFLOPs": 312, "mfu": 0.4}, {"result": 184320}, source="Llama 2 7B, as published",
         shown=True),
], asks=[
    Ask("GPU-hours for 3B parameters on 300B tokens at 312 TFLOP/s peak and 40% MFU?",
        "result", 6 * 3e9 * 300e9 / (312e12 * 0.4) / 3600),
    Ask("How many GPU-hours does it take to train 30B params on 1.5T tokens if the peak is 989 TFLOP/s and the MFU 42%?",
        "result", 6 * 30e9 * 1.5e12 / (989e12 * 0.42) / 3600),
    Ask("gpu-hours for a 1.5B model and 90B tokens with a peak of 165 TFLOP/s, utilisation 36%?",
        "result", 6 * 1.5e9 * 90e9 / (165e12 * 0.36) / 3600),
])
def gpu_hours(N: float = param(**_N), D: float = param(**_D), peak_TFLOPs: float = param(**_PEAK),
              mfu: float = param(**_MFU)) -> float:
    """GPU-hours of training, whatever the number of GPUs: 6ND over peak and MFU."""
    return 6 * N * D / (peak_TFLOPs * 1e12 * mfu) / 3600


@formula("traintime.cost_usd", unit="USD",
         words=["rent GPUs", "renting GPUs", "bill", "GPU bill", "rental", "cost of the cluster", "costs to run"], cases=[
    Case({"gpus": 1024, "days": 33.9, "usd_per_gpu_hour": 2}, {"result": 1666252.8}, rel=1e-9, source="arithmetic"),
], asks=[
    Ask("We rent 64 GPUs for ten days at $3 per GPU-hour. What is the bill?", "result", 64 * 240 * 3),
    Ask("512 H100s for three weeks, $2.50 an hour each: how much does it cost?", "result", 512 * 21 * 24 * 2.5),
    Ask("the boss wants 200 gpus for 45 days, they cost $1.80 per gpu-hour. what's the bill?", "result", 200 * 45 * 24 * 1.8),
])
def cost_usd(gpus: int = param(**_GPUS), days: float = param(ge=0.0, le=1e6, unit="days", words=["days", "for"]),
             usd_per_gpu_hour: float = param(ge=0.0, le=1e4, unit="USD",
                                             words=["per GPU-hour", "price", "an hour", "hourly", "dollars"])) -> float:
    """Price of GPUs rented for a number of days: gpus * days * 24 * price of an hour."""
    return gpus * days * 24 * usd_per_gpu_hour


@formula("traintime.gpus_needed", unit="GPUs",
         words=["how many GPUs", "fewest GPUs", "GPUs needed", "finish within", "deadline"], cases=[
    Case({"N": 70e9, "D": 2e12, "days": 30, "peak_TFLOPs": 989.4, "mfu": 0.4}, {"result": 819}, source="arithmetic"),
    Case({"N": 70e9, "D": 2e12, "days": 30, "gpu": "H100", "mfu": 0.4}, {"result": 819}, source="arithmetic"),
], asks=[
    Ask("How many A100s do I need to train 13B parameters on 1T tokens in 30 days at 40% MFU?", "result", 242),
    Ask("fewest GPUs to train 3B parameters on 200B tokens within 10 days at 35% MFU and 312 TFLOP/s peak?",
        "result", math.ceil(6 * 3e9 * 200e9 / (10 * 86400 * 312e12 * 0.35))),
    Ask("deadline in two weeks! 1B params, 100B tokens, H100s at 30% MFU. how many gpus do i need?",
        "result", math.ceil(6e9 * 100e9 / (14 * 86400 * 989.4e12 * 0.3))),
])
def gpus_needed(N: float = param(**_N), D: float = param(**_D),
                days: float = param(ge=0.01, le=1e6, unit="days", words=["days", "deadline", "within", "finish in"]),
                peak_TFLOPs: float | None = param(None, **_PEAK), gpu: Gpu | None = param(None, words=["GPU type"]),
                mfu: float = param(**_MFU)) -> int:
    """The fewest GPUs that train in the given days, 6ND/(days * peak * MFU), if MFU holds at that scale."""
    return math.ceil(6 * N * D / (days * DAY_S * peak_of(peak_TFLOPs, gpu) * 1e12 * mfu) - 1e-9)


@formula("traintime.tokens_per_s", unit="tokens/s", words=["tokens per second", "training throughput"], cases=[
    Case({"N": 7e9, "gpus": 8, "peak_TFLOPs": 312, "mfu": 0.5}, {"result": 29714.2857}, rel=1e-8, source="arithmetic"),
], asks=[
    Ask("training throughput in tokens per second: 13B parameters, 64 GPUs, 312 TFLOP/s peak, MFU 45%?",
        "result", 64 * 312e12 * 0.45 / (6 * 13e9)),
    Ask("How many tokens per second do 128 GPUs with 989 TFLOP/s peak process at 40% MFU for a model of 70B parameters?",
        "result", 128 * 989e12 * 0.4 / (6 * 70e9)),
    Ask("i have 8 gpus with a peak of 125 TFLOP/s, mfu 0.3 and a 1.3B model. how many tokens per second will the training eat?",
        "result", 8 * 125e12 * 0.3 / (6 * 1.3e9)),
])
def tokens_per_s(N: float = param(**_N), gpus: int = param(**_GPUS), peak_TFLOPs: float = param(**_PEAK),
                 mfu: float = param(**_MFU)) -> float:
    """Tokens per second of a cluster at an MFU: gpus*peak*MFU/6N."""
    return gpus * peak_TFLOPs * 1e12 * mfu / (6 * N)


@formula("traintime.energy_MWh", unit="MWh", words=["energy", "electricity", "power consumption", "MWh"], cases=[
    Case({"gpus": 1024, "watts": 400, "days": 34, "pue": 1.1}, {"result": 367.656}, rel=1e-5, source="arithmetic"),
], asks=[
    Ask("energy of 256 GPUs at 500 W for 20 days with a PUE of 1.2, in MWh?", "result", 256 * 500 * 20 * 24 * 1.2 / 1e6),
    Ask("How much electricity in MWh do 2,000 GPUs of 700 watts use in 30 days at PUE 1.1?",
        "result", 2000 * 700 * 30 * 24 * 1.1 / 1e6),
    Ask("we train for two weeks on 64 cards that draw 0.4 kW each, pue 1.3. how many MWh go up in smoke?",
        "result", 64 * 400 * 14 * 24 * 1.3 / 1e6),
])
def energy_MWh(
    gpus: int = param(**_GPUS), watts: float = param(ge=1.0, le=1e5, unit="W", words=["watts", "power"]),
    days: float = param(ge=0.0, le=1e6, unit="days", words=["days"]),
    pue: float = param(1.1, ge=1.0, le=5.0, unit="count", words=["PUE"]),
) -> float:
    """Electricity of a run: GPUs times power times time times the data centre's overhead (PUE)."""
    return gpus * watts * days * 24 * pue / 1e6


class TrainingRun(Params):
    params: float = param(7e9, ge=1e5, le=1e15, unit="parameters", words=["parameters", "params", "model"])
    tokens: float = param(2e12, ge=1e6, le=1e17, unit="tokens", words=["tokens", "training tokens", "data"])
    gpus: int = param(1_024, ge=1, le=1_000_000, unit="GPUs",
                      words=["GPUs", "accelerators", "chips", "A100s", "H100s", "H100", "cards"])
    gpu: Gpu = param("A100", words=["GPU type", "A100", "H100", "V100", "TPU"])
    peak_TFLOPs: float | None = param(None, ge=0.1, le=100_000.0, unit="TFLOP/s", words=["peak", "peak TFLOP/s"],
                                      help="dense peak per GPU; the data sheet's if not given")
    mfu: float = param(0.4, ge=0.001, le=1.0, unit="fraction", words=["MFU", "utilisation", "utilization"])
    achieved_TFLOPs: float | None = param(None, ge=0.1, le=100_000.0, unit="TFLOP/s",
                                          words=["achieved", "reach", "sustained", "achieving", "TFLOP/s each", "getting", "doing",
                                                 "each"],
                                          help="executed FLOP/s per GPU, recomputation included; replaces the MFU")
    flops_per_parameter: float | None = param(None, ge=1.0, le=1_000.0, unit="FLOP",
                                              words=["FLOPs per parameter", "per parameter per token", "per param per token",
                                                     "per parameter"],
                                              help="executed for each parameter and token: 6, or 8 with full recomputation")
    recompute: Literal["none", "selective", "full"] = param("none", words=["recompute", "activation recomputation"])
    context: int = param(0, ge=0, le=10_000_000, unit="tokens", words=["sequence length", "context"],
                         help="counts attention scores; 0 leaves them out, as 6ND does")
    layers: int | None = param(None, ge=1, le=2_000, unit="layers", words=["layers"])
    hidden: int | None = param(None, ge=1, le=200_000, unit="count", words=["hidden size", "hidden"])
    usd_per_gpu_hour: float = param(2.0, ge=0.0, le=10_000.0, unit="USD",
                                    words=["per GPU-hour", "per GPU hour", "an hour", "price", "$", "dollars"])


@tool("training-cost", group="E",
      words=["train a model", "training take", "training cost", "FLOPs", "MFU", "HFU", "GPU-hours", "GPU hours", "days to train",
             "how many days", "6ND"],
      example={"params": 175e9, "tokens": 300e9, "gpus": 1024, "gpu": "A100", "achieved_TFLOPs": 140,
               "recompute": "full"},
      cases=[
          Case({"params": 175e9, "tokens": 300e9, "gpus": 1024, "gpu": "A100", "achieved_TFLOPs": 140,
                "recompute": "full"},
               {"days": 33.91, "hfu": 140 / 312}, rel=2e-4, source="Megatron 2104.04473: 34 days"),
          Case({"params": 405e9, "tokens": 15.6e12}, {"flops_6ND": 3.79e25}, rel=1e-3, source="Llama 3: 3.8e25"),
          Case({"params": 7e9, "tokens": 1e12, "gpus": 256, "gpu": "A100"}, {"days": 15.2155}, rel=1e-4,
               source="arithmetic"),
      ],
      asks=[
          Ask("How many FLOPs does it take to train a 70B parameter model on 1.4T tokens?", "flops_6ND", 5.88e23),
          Ask("How many days to train 7B parameters on 1T tokens with 256 A100 GPUs at 40% MFU?", "days", 15.2155),
          Ask("What does training a model of 13B parameters on 2T tokens cost at $2 per GPU-hour with 40% MFU on A100?",
              "cost_usd", 6 * 13e9 * 2e12 / (312e12 * 0.4) / 3600 * 2),
          Ask("GPU-hours for 70B parameters and 2T tokens on H100 at 35% MFU?", "gpu_hours",
              6 * 70e9 * 2e12 / (989.4e12 * 0.35) / 3600),
          Ask("1,024 GPUs with 300 TFLOP/s peak at 50% MFU train 175B parameters on 300B tokens: how many days?",
              "days",
              6 * 175e9 * 300e9 / (1024 * 300e12 * 0.5) / DAY_S),
          Ask("20B parameters and 400B tokens on 128 GPUs getting 150 TFLOP/s each; with recomputation count 8 FLOPs per parameter per "
              "token. How many days?", "days", 8 * 20e9 * 400e9 / (128 * 150e12) / DAY_S),
      ])
def training_cost(p: TrainingRun, seed: int) -> ToolResult:
    """Days, GPU-hours and cost of training a transformer, with MFU and HFU.

    Model FLOPs are 6N per token, plus 12*L*h*s for attention scores when `context` is given. Time is model FLOPs over
    gpus * dense peak * MFU. Recomputation adds executed FLOPs: they count in HFU, not in MFU. With `achieved_TFLOPs`
    (what papers measure, recomputation included) the time follows from executed FLOPs instead: 8TP/(nX) for full
    recomputation.
    People get wrong: data-sheet peaks "with sparsity" are twice the dense ones; a run at 100% of the peak doesn't exist
    (good ones reach 35-55%); 6ND leaves out attention scores (a share of s/(6h+s)) and recomputation.
    Sources: Narayanan et al., arXiv 2104.04473 (34 and 84 days, recomputed 33.9 and 83.9); PaLM, arXiv 2204.02311.

    >>> training_cost(TrainingRun(params=70e9, tokens=1.4e12), 0).values["flops_6ND"]
    5.88e+23
    """
    peak = (p.peak_TFLOPs or PEAK_TFLOPS[p.gpu]) * 1e12
    layers, hidden, _ = usual_shape(p.params, p.layers, p.hidden)
    attention = attention_per_token(layers, hidden, p.context)
    model = (6 * p.params + attention) * p.tokens
    own = None if p.flops_per_parameter is None else p.flops_per_parameter * p.params + attention
    executed = (own or hardware_per_token(p.params, attention, p.recompute)) * p.tokens
    rate = p.achieved_TFLOPs * 1e12 * model / executed if p.achieved_TFLOPs else peak * p.mfu
    seconds = model / (p.gpus * rate)
    days, hours = seconds / DAY_S, p.gpus * seconds / 3600
    mfu, hfu = rate / peak, rate / peak * executed / model
    optimist = 6 * p.params * p.tokens / (p.gpus * 2 * peak) / DAY_S
    return ToolResult(
        tool="training-cost",
        values={"days": days, "gpu_hours": hours, "cost_usd": hours * p.usd_per_gpu_hour,
                "flops_6ND": 6 * p.params * p.tokens,
                "flops_model": model, "flops_executed": executed, "mfu": mfu, "hfu": hfu,
                "tokens_per_s": p.tokens / seconds, "attention_share": attention * p.tokens / model,
                "tokens_per_parameter": p.tokens / p.params},
        units={"days": "days", "gpu_hours": "GPU-hours", "cost_usd": "USD", "flops_6ND": "FLOP", "flops_model": "FLOP",
               "flops_executed": "FLOP", "mfu": "fraction", "hfu": "fraction", "tokens_per_s": "tokens/s",
               "attention_share": "fraction"},
        naive={"days": optimist, "cost_usd": optimist * 24 * p.gpus * p.usd_per_gpu_hour},
        summary=f"{days:.4g} days on {p.gpus} GPUs: {hours:.4g} GPU-hours, ${hours * p.usd_per_gpu_hour:,.0f}, at "
                f"{mfu:.1%} MFU. 6ND at a peak quoted with sparsity would promise {optimist:.3g} days.",
        formula="days = (6N + 12Lhs)D / (gpus * peak * MFU) / 86400; HFU = MFU * executed / model FLOPs",
        plot=_plot(p, model / rate / DAY_S, 2 * peak),
        assumptions=[f"dense peak {peak / 1e12:g} TFLOP/s per GPU",
                     "utilisation stays the same at every number of GPUs",
                     "no failures, no restarts, one pass over the tokens"]
        + ([f"attention of {layers} layers, hidden size {hidden}; no causal discount"] if p.context else []),
        warnings=_warnings(p, mfu, hfu),
    )


def _plot(p: TrainingRun, one_gpu_days: float, sparse: float) -> Plot:
    counts = sorted({2**k for k in range(3, 16)} | {p.gpus})
    fastest = 6 * p.params * p.tokens / sparse / DAY_S
    return Plot(title=f"Days to train {p.params / 1e9:.4g}B parameters on {p.tokens / 1e9:,.4g}B tokens",
                x_label="GPUs", y_label="time (days)", log_x=True, log_y=True,
                marks=[{"axis": "x", "at": p.gpus, "label": f"{p.gpus:,} GPUs"}], lines=[
        Line(label="at this utilisation", x=list(counts), y=[one_gpu_days / n for n in counts]),
        Line(label="peak with sparsity (naive)", x=list(counts), y=[fastest / n for n in counts], dashed=True),
    ])


def _warnings(p: TrainingRun, mfu: float, hfu: float) -> list[str]:
    found = []
    if mfu > 0.6:
        found.append(f"An MFU of {mfu:.0%} is above what large runs report; check that the peak is the dense one.")
    if hfu > 1:
        found.append(f"The hardware would execute {hfu:.0%} of its peak: that can't be.")
    if p.tokens < 5 * p.params:
        found.append("Fewer than 5 tokens per parameter: a smaller model on more tokens would be better (about 20).")
    return found
