"""Checkpoint formulas: failure intervals, Young's and Daly's optimum, waste, sizes, write times. Simulates nothing."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, formula, param


def young(write_s: float, mtbf_s: float) -> float:
    """Seconds between checkpoints by Young's first-order optimum, sqrt(2CM)."""
    return math.sqrt(2 * write_s * mtbf_s)


def daly(write_s: float, mtbf_s: float) -> float:
    """Daly's higher-order optimum: sqrt(2CM)(1 + x/3 + x^2/9) - C with x = sqrt(C/2M) if C < 2M, else M (FGCS 2006)."""
    if write_s >= 2 * mtbf_s:
        return mtbf_s
    x = math.sqrt(write_s / (2 * mtbf_s))
    return young(write_s, mtbf_s) * (1 + x / 3 + x * x / 9) - write_s


def waste_first_order(cost_s: float, mtbf_s: float, interval_s: float, restart_s: float) -> float:
    """Share of time lost, C/tau + (tau/2 + R)/M; meaningful while small, it can exceed 1."""
    return cost_s / interval_s + (interval_s / 2 + restart_s) / mtbf_s


def waste_exact(cost_s: float, mtbf_s: float, interval_s: float, restart_s: float) -> float:
    """Share of time lost under exponential failures that may strike during checkpoints and restarts too (Daly 2006):
    wall time per interval M*e^(R/M)*(e^((tau+C)/M) - 1)."""
    x = (interval_s + cost_s) / mtbf_s
    return 1 - interval_s / mtbf_s * math.exp(-restart_s / mtbf_s - x) / -math.expm1(-x)


_C: dict[str, Any] = {"ge": 1e-3, "le": 1e8, "unit": "s",
                      "words": ["write", "checkpoint takes", "checkpoint costs", "to save", "saving", "saving takes", "a save",
                                "each takes", "checkpoints", "blocks training", "stalls training", "C"]}
_M: dict[str, Any] = {"ge": 1e-3, "le": 1e12, "unit": "s",
                      "words": ["MTBF", "time between failures", "fails every", "a failure every", "dies every", "crashes every",
                                "one failure every", "fail once every", "failure comes every", "failures every", "loses a node every",
                                "M"]}
_TAU: dict[str, Any] = {"ge": 1e-3, "le": 1e9, "unit": "s",
                        "words": ["interval", "checkpoint every", "one every", "save every", "saves every", "tau"]}
_R: dict[str, Any] = {"ge": 0.0, "le": 1e8, "unit": "s", "words": ["restart", "recovery", "R"]}
_GPU_H: dict[str, Any] = {"ge": 1.0, "le": 1e9, "unit": "h",
                          "words": ["MTBF per GPU", "MTBF", "per GPU", "GPU fails every", "GPUs fails every", "each GPU fails",
                                    "fails once every", "GPU lasts", "MTBF each", "GPU dies every", "of each"]}
_GPUS: dict[str, Any] = {"ge": 1, "le": 10_000_000, "unit": "GPUs", "words": ["GPUs", "devices", "cards", "accelerators", "H100s"]}
_RUN = ["within", "survives", "run of", "for", "job lasts", "without a failure", "runs"]
_LLAMA_S = 54 * 86_400 / 419


@formula("ckpt.mtbf_h", unit="h", words=["mean time between failures", "mean time between", "mean time between interruptions",
                                         "hours between failures", "between failures on average"], cases=[
    Case({"interruptions": 419, "days": 54}, {"result": 3.093}, abs=1e-3,
         source="Llama 3, 16,384 H100, arXiv 2407.21783"),
], asks=[
    Ask("60 interruptions in 30 days: mean time between failures in hours?", "result", 30 * 24 / 60),
    Ask("Our run saw 18 failures during 9 days. How many hours lie between two of them on average?", "result", 9 * 24 / 18),
    Ask("in two weeks the job got interrupted 42 times. how many hours does it run between failures on average?",
        "result", 14 * 24 / 42),
])
def mtbf_h(interruptions: float = param(ge=1, le=1e9, unit="count", words=["interruptions", "failures", "lost", "interrupted",
                                                            "crashes", "broke"]),
           days: float = param(gt=0.0, le=1e6, ge=1e-6, unit="days", words=["days"])) -> float:
    """Hours between interruptions: the observed time over their number."""
    return days * 24 / interruptions


@formula("ckpt.cluster_mtbf_h", unit="h", words=["MTBF of the job", "MTBF of the cluster", "time between failures",
                                                 "hours between failures", "between crashes of the job"], cases=[
    Case({"mtbf_gpu_h": 50682.06, "gpus": 16384}, {"result": 3.0934}, rel=1e-4, source="Llama 3 the other way round"),
    Case({"mtbf_gpu_h": 50000, "gpus": 1024}, {"result": 48.828125}, rel=1e-12, source="M/n"),
], asks=[
    Ask("MTBF of a job on 2,048 GPUs if one GPU has an MTBF of 40,000 h?", "result", 40000 / 2048),
    Ask("A GPU fails once every 5 years on average. How many hours pass between failures in a cluster of 3,000 GPUs?",
        "result", 5 * 365 * 24 / 3000),
    Ask("each gpu lasts 30k hours on average, the job uses 500 of them and dies with any. how many hours between crashes of the job?",
        "result", 30000 / 500),
])
def cluster_mtbf_h(mtbf_gpu_h: float = param(**_GPU_H), gpus: int = param(**_GPUS)) -> float:
    """Hours between failures of a job that every GPU can stop: one GPU's MTBF over their number."""
    return mtbf_gpu_h / gpus


@formula("ckpt.gpu_mtbf_h", unit="h", words=["MTBF of one GPU", "MTBF per GPU", "single GPU"], cases=[
    Case({"interruptions": 419, "days": 54, "gpus": 16384}, {"result": 50676.4}, rel=1e-4, source="Llama 3: 5.8 years"),
], asks=[
    Ask("MTBF of one GPU if 1,000 GPUs had 20 failures in 10 days?", "result", 10 * 24 / 20 * 1000),
    Ask("A cluster of 8,000 GPUs recorded 150 interruptions in 25 days. What is the MTBF per GPU in hours?",
        "result", 25 * 24 / 150 * 8000),
    Ask("we lost a job 12 times in 30 days on 256 devices. how many hours does a single gpu last between failures?",
        "result", 30 * 24 / 12 * 256),
])
def gpu_mtbf_h(interruptions: float = param(ge=1, le=1e9, unit="count", words=["interruptions", "failures", "lost", "interrupted",
                                                            "crashes", "broke"]),
               days: float = param(ge=1e-6, le=1e6, unit="days", words=["days"]), gpus: int = param(**_GPUS)) -> float:
    """Hours between failures of a single GPU (with its share of host and network), from a cluster's record."""
    return days * 24 / interruptions * gpus


@formula("ckpt.p_failure", unit="fraction", words=["chance of a failure", "at least one failure", "probability of failing",
                                                   "at least one breaks", "at least one of"],
         cases=[
    Case({"mtbf_gpu_h": 50000, "gpus": 1024, "hours": 24}, {"result": 0.38831}, rel=1e-4, source="1 - e^(-24/48.8)"),
], asks=[
    Ask("chance of a failure within 12 hours on 4,000 GPUs with an MTBF of 50,000 h each?",
        "result", 1 - math.exp(-12 * 4000 / 50000)),
    Ask("What is the probability that at least one of 1,000 GPUs fails in a run of 20 hours, each GPU having an MTBF of 30,000 hours?",
        "result", 1 - math.exp(-20 * 1000 / 30000)),
    Ask("a gpu fails every 45,000 hours. i book 600 for 48 hours. how likely is it that at least one breaks during my run?",
        "result", 1 - math.exp(-48 * 600 / 45000)),
])
def p_failure(mtbf_gpu_h: float = param(**_GPU_H), gpus: int = param(**_GPUS),
              hours: float = param(ge=0.0, le=1e7, unit="h", words=_RUN)) -> float:
    """Chance that a job sees at least one failure within some hours: 1 - e^(-t*n/M)."""
    return -math.expm1(-hours * gpus / mtbf_gpu_h)


@formula("ckpt.p_survive", unit="fraction", words=["survives", "without a failure", "runs through", "no failure"], cases=[
    Case({"mtbf_gpu_h": 50000, "gpus": 1024, "hours": 24}, {"result": 0.61169}, rel=1e-4, source="e^(-24/48.8)"),
], asks=[
    Ask("What is the chance that a job on 512 GPUs runs for 48 hours without a failure at an MTBF per GPU of 40,000 h?",
        "result", math.exp(-48 * 512 / 40_000)),
    Ask("no failure within 10 hours on 2,000 GPUs, MTBF 60,000 h per GPU: how likely?", "result", math.exp(-10 * 2000 / 60000)),
    Ask("i start a 24 hour job on 128 gpus and each gpu fails every 20,000 hours. how likely does the job finish without a failure?",
        "result", math.exp(-24 * 128 / 20000)),
])
def p_survive(mtbf_gpu_h: float = param(**_GPU_H), gpus: int = param(**_GPUS),
              hours: float = param(ge=0.0, le=1e7, unit="h", words=_RUN)) -> float:
    """Chance that a job runs for some hours without a failure: e^(-t*n/M)."""
    return math.exp(-hours * gpus / mtbf_gpu_h)


@formula("ckpt.young_s", unit="s", words=["optimal checkpoint interval", "Young", "Young's interval", "how often to checkpoint",
                                          "how often to save", "time between checkpoints"], cases=[
    Case({"C_s": 300, "M_s": 86400}, {"result": 7200}, rel=1e-12, source="Young 1974: sqrt(2CM)"),
    Case({"C_s": 300, "M_s": _LLAMA_S}, {"result": 2584.8}, abs=0.1, source="Llama 3's MTBF, 5 min write"),
], asks=[
    Ask("Young's interval for C = 60 s and M = 12 h?", "result", math.sqrt(2 * 60 * 43200)),
    Ask("Saving takes 45 seconds and the mean time between failures is 8 hours. What is the optimal checkpoint interval in seconds?",
        "result", math.sqrt(2 * 45 * 28800)),
    Ask("our job dies every 3 hours on average and writing the state costs us 2 minutes. after how many seconds of work should i "
        "checkpoint?", "result", math.sqrt(2 * 120 * 10800)),
    Ask("a failure every two days, a checkpoint takes 5 minutes to write: best time between checkpoints (first order)?",
        "result", math.sqrt(2 * 300 * 2 * 86400)),
])
def young_s(C_s: float = param(**_C), M_s: float = param(**_M)) -> float:
    """Young's optimal seconds between checkpoints for writing time C and mean time between failures M: sqrt(2CM)."""
    return young(C_s, M_s)


@formula("ckpt.daly_s", unit="s", words=["Daly", "Daly's interval", "higher-order"], cases=[
    Case({"C_s": 300, "M_s": 86400}, {"result": 7001.39}, abs=0.01, source="Daly 2006, higher order"),
    Case({"C_s": 300, "M_s": _LLAMA_S}, {"result": 2388.6}, abs=0.1, source="Daly 2006, higher order"),
    Case({"C_s": 300, "M_s": 100}, {"result": 100.0}, rel=1e-12, source="Daly 2006: M when C >= 2M"),
], asks=[
    Ask("Daly's interval for C = 120 s and M = 4 h?",
        "result", math.sqrt(2 * 120 * 14400) * (1 + math.sqrt(120 / 28800) / 3 + 120 / 28800 / 9) - 120),
    Ask("By Daly's higher-order formula, how many seconds should lie between checkpoints that take 90 s with an MTBF of 10 hours?",
        "result", math.sqrt(2 * 90 * 36000) * (1 + math.sqrt(90 / 72000) / 3 + 90 / 72000 / 9) - 90),
    Ask("saving takes 4 minutes, the run crashes every 2 hours. how often does daly want me to save?",
        "result", math.sqrt(2 * 240 * 7200) * (1 + math.sqrt(240 / 14400) / 3 + 240 / 14400 / 9) - 240),
])
def daly_s(C_s: float = param(**_C), M_s: float = param(**_M)) -> float:
    """Daly's optimal seconds of work between checkpoints: Young's with two more terms, less C; M when C >= 2M."""
    return daly(C_s, M_s)


@formula("ckpt.waste", unit="fraction", words=["checkpoint waste", "time wasted", "time is wasted", "fraction of time lost", "wasted",
                                               "lost work", "redone work"], cases=[
    Case({"C_s": 300, "M_s": _LLAMA_S, "tau_s": 2584.8}, {"result": 0.2321}, abs=1e-4, source="23%: sqrt(2C/M)"),
    Case({"C_s": 300, "M_s": 86400, "tau_s": 7200}, {"result": 0.0833333}, rel=1e-6, source="300/7200 + 3600/86400"),
], asks=[
    Ask("checkpoint every 30 min, a checkpoint takes 60 s, MTBF 10 h: what share of the time is wasted to first order?",
        "result", 60 / 1800 + 900 / 36000),
    Ask("Writing a checkpoint takes 3 minutes, we save every 2 hours and fail once every 24 hours, restart 10 minutes. Which "
        "fraction of time is lost?", "result", 180 / 7200 + (3600 + 600) / 86400),
    Ask("a colleague saves every 15 min, each save blocks training for 30 s and the job crashes every 6 hours. what percentage of "
        "the time goes to writing and redone work?", "result", 30 / 900 + 450 / 21600),
])
def waste(C_s: float = param(**_C), M_s: float = param(**_M), tau_s: float = param(**_TAU),
          R_s: float = param(0.0, **_R)) -> float:
    """First-order share of time lost to checkpoints and failures: C/tau + (tau/2 + R)/M."""
    return waste_first_order(C_s, M_s, tau_s, R_s)


@formula("ckpt.waste_optimal", unit="fraction", words=["least waste", "waste at the optimal interval", "at Young's interval",
                                                       "best possible interval"], cases=[
    Case({"C_s": 300, "M_s": _LLAMA_S}, {"result": 0.2321}, abs=1e-4, source="sqrt(2C/M)"),
], asks=[
    Ask("waste at the optimal interval for C = 60 s and M = 5 h?", "result", math.sqrt(2 * 60 / 18000)),
    Ask("If we checkpoint at Young's interval, what share of the time is lost with 2 minutes to write and an MTBF of 12 hours?",
        "result", math.sqrt(2 * 120 / 43200)),
    Ask("with the best possible checkpoint interval, which fraction of the time do we still lose? a save costs 90 s, a failure "
        "every 8 hours, and restart takes 6 minutes", "result", math.sqrt(2 * 90 / 28800) + 360 / 28800),
])
def waste_optimal(C_s: float = param(**_C), M_s: float = param(**_M), R_s: float = param(0.0, **_R)) -> float:
    """First-order waste at Young's interval: sqrt(2C/M) + R/M; half of it is writing, half is lost work."""
    return math.sqrt(2 * C_s / M_s) + R_s / M_s


@formula("ckpt.waste_exponential", unit="fraction", words=["exponential failures", "exact share of time lost", "complete model"], cases=[
    Case({"C_s": 300, "M_s": _LLAMA_S, "tau_s": 2388.6}, {"result": 0.2145258}, abs=1e-6,
         source="Daly 2006, complete model"),
], asks=[
    Ask("exact share of time lost under exponential failures: checkpoint takes 60 s, interval 20 min, MTBF 4 h?",
        "result", 1 - 1200 / (14400 * (math.exp(1260 / 14400) - 1))),
    Ask("With exponential failures (Daly's complete model), what fraction of time is lost if a checkpoint costs 300 s, we save "
        "every hour and the MTBF is 6 hours?", "result", 1 - 3600 / (21600 * (math.exp(3900 / 21600) - 1))),
    Ask("exact share of time lost with exponential failures: 2 min to write, interval 40 min, MTBF 3 h, restart 5 min?",
        "result", 1 - 2400 / (10800 * math.exp(300 / 10800) * (math.exp(2520 / 10800) - 1))),
])
def waste_exponential(C_s: float = param(**_C), M_s: float = param(**_M), tau_s: float = param(**_TAU),
                      R_s: float = param(0.0, **_R)) -> float:
    """Exact share of time lost under exponential failures: 1 - tau / (M e^(R/M) (e^((tau+C)/M) - 1))."""
    return waste_exact(C_s, M_s, tau_s, R_s)


@formula("ckpt.size_GB", unit="GB", words=["checkpoint size", "size of a checkpoint", "full checkpoint", "how big is a checkpoint",
                                           "how big is the checkpoint", "checkpoint of a model", "checkpoint with optimizer states",
                                           "lands on disk", "on disk"], cases=[
    Case({"params_B": 70}, {"result": 980.0}, source="14 bytes: 2 weights + 4 master + 8 moments"),
], asks=[
    Ask("checkpoint size of a 7B model?", "result", 7 * 14),
    Ask("How big is a checkpoint with optimizer states for 34B parameters?", "result", 34 * 14),
    Ask("i save weights, master copy and both adam moments of my 1.3 billion parameter model. how many GB lands on disk?",
        "result", 1.3 * 14),
    Ask("a full checkpoint of a 20B model at 12 bytes per parameter: GB?", "result", 20 * 12),
])
def size_GB(params_B: float = param(ge=0.0, le=1e6, unit="billion parameters", words=["parameters", "model"]),
            bytes_per_param: float = param(14.0, ge=0.5, le=64.0, unit="bytes",
                                           words=["bytes per parameter"])) -> float:
    """GB of a full training checkpoint: 16-bit weights, fp32 master and two Adam moments; gradients aren't stored."""
    return params_B * bytes_per_param


@formula("ckpt.write_s", unit="s", words=["write a checkpoint", "checkpoint write time", "writing a checkpoint", "time to write",
                                          "save a checkpoint"], cases=[
    Case({"size_GB": 980, "storage_GBps": 10}, {"result": 98.0}, source="arithmetic"),
], asks=[
    Ask("write a checkpoint of 500 GB at 20 GB/s: how many seconds?", "result", 500 / 20),
    Ask("How long does it take to write a 1.2 TB checkpoint to storage with 8 GB/s bandwidth?", "result", 1200 / 8),
    Ask("our checkpoint has 98 GB and the disks swallow 2 GB per second. how long does saving block us?", "result", 98 / 2),
])
def write_s(size_GB: float = param(ge=0.0, le=1e9, unit="GB", words=["checkpoint", "size"]),
            storage_GBps: float = param(ge=1e-6, le=1e6, unit="GB/s",
                                        words=["storage", "bandwidth", "write speed"])) -> float:
    """Seconds to write a checkpoint at the storage's total write bandwidth."""
    return size_GB / storage_GBps
