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
                      "words": ["write", "checkpoint takes", "checkpoint costs", "to save", "saving", "saving takes", "C"]}
_M: dict[str, Any] = {"ge": 1e-3, "le": 1e12, "unit": "s",
                      "words": ["MTBF", "time between failures", "fails every", "a failure every", "dies every",
                                "crashes every", "one failure every", "M"]}
_TAU: dict[str, Any] = {"ge": 1e-3, "le": 1e9, "unit": "s", "words": ["interval", "checkpoint every", "one every", "save every", "tau"]}
_R: dict[str, Any] = {"ge": 0.0, "le": 1e8, "unit": "s", "words": ["restart", "recovery", "R"]}
_GPU_H: dict[str, Any] = {"ge": 1.0, "le": 1e9, "unit": "h",
                          "words": ["MTBF per GPU", "MTBF", "per GPU", "GPU fails every", "GPUs fails every", "each GPU fails",
                                    "fails once every", "GPU lasts"]}
_GPUS: dict[str, Any] = {"ge": 1, "le": 10_000_000, "unit": "GPUs", "words": ["GPUs", "devices"]}
_RUN = ["within", "survives", "run of", "for", "job lasts", "without a failure", "runs"]
_LLAMA_S = 54 * 86_400 / 419


@formula("ckpt.mtbf_h", unit="h", words=["mean time between failures"], cases=[
    Case({"interruptions": 419, "days": 54}, {"result": 3.093}, abs=1e-3,
         source="Llama 3, 16,384 H100, arXiv 2407.21783"),
])
def mtbf_h(interruptions: float = param(ge=1, le=1e9, unit="count", words=["interruptions", "failures"]),
           days: float = param(gt=0.0, le=1e6, ge=1e-6, unit="days", words=["days"])) -> float:
    """Hours between interruptions: the observed time over their number."""
    return days * 24 / interruptions


@formula("ckpt.cluster_mtbf_h", unit="h", words=["MTBF of the job", "MTBF of the cluster", "time between failures"], cases=[
    Case({"mtbf_gpu_h": 50682.06, "gpus": 16384}, {"result": 3.0934}, rel=1e-4, source="Llama 3 the other way round"),
    Case({"mtbf_gpu_h": 50000, "gpus": 1024}, {"result": 48.828125}, rel=1e-12, source="M/n"),
])
def cluster_mtbf_h(mtbf_gpu_h: float = param(**_GPU_H), gpus: int = param(**_GPUS)) -> float:
    """Hours between failures of a job that every GPU can stop: one GPU's MTBF over their number."""
    return mtbf_gpu_h / gpus


@formula("ckpt.gpu_mtbf_h", unit="h", words=["MTBF of one GPU", "MTBF per GPU"], cases=[
    Case({"interruptions": 419, "days": 54, "gpus": 16384}, {"result": 50676.4}, rel=1e-4, source="Llama 3: 5.8 years"),
])
def gpu_mtbf_h(interruptions: float = param(ge=1, le=1e9, unit="count", words=["interruptions", "failures"]),
               days: float = param(ge=1e-6, le=1e6, unit="days", words=["days"]), gpus: int = param(**_GPUS)) -> float:
    """Hours between failures of a single GPU (with its share of host and network), from a cluster's record."""
    return days * 24 / interruptions * gpus


@formula("ckpt.p_failure", unit="fraction", words=["chance of a failure", "at least one failure", "probability of failing"],
         cases=[
    Case({"mtbf_gpu_h": 50000, "gpus": 1024, "hours": 24}, {"result": 0.38831}, rel=1e-4, source="1 - e^(-24/48.8)"),
])
def p_failure(mtbf_gpu_h: float = param(**_GPU_H), gpus: int = param(**_GPUS),
              hours: float = param(ge=0.0, le=1e7, unit="h", words=_RUN)) -> float:
    """Chance that a job sees at least one failure within some hours: 1 - e^(-t*n/M)."""
    return -math.expm1(-hours * gpus / mtbf_gpu_h)


@formula("ckpt.p_survive", unit="fraction", words=["survives", "without a failure", "runs through", "no failure"], cases=[
    Case({"mtbf_gpu_h": 50000, "gpus": 1024, "hours": 24}, {"result": 0.61169}, rel=1e-4, source="e^(-24/48.8)"),
], asks=[Ask("What is the chance that a job on 512 GPUs runs for 48 hours without a failure at an MTBF per GPU of 40,000 h?",
             "result", math.exp(-48 * 512 / 40_000))])
def p_survive(mtbf_gpu_h: float = param(**_GPU_H), gpus: int = param(**_GPUS),
              hours: float = param(ge=0.0, le=1e7, unit="h", words=_RUN)) -> float:
    """Chance that a job runs for some hours without a failure: e^(-t*n/M)."""
    return math.exp(-hours * gpus / mtbf_gpu_h)


@formula("ckpt.young_s", unit="s", words=["optimal checkpoint interval", "Young", "how often to checkpoint"], cases=[
    Case({"C_s": 300, "M_s": 86400}, {"result": 7200}, rel=1e-12, source="Young 1974: sqrt(2CM)"),
    Case({"C_s": 300, "M_s": _LLAMA_S}, {"result": 2584.8}, abs=0.1, source="Llama 3's MTBF, 5 min write"),
])
def young_s(C_s: float = param(**_C), M_s: float = param(**_M)) -> float:
    """Young's optimal seconds between checkpoints for writing time C and mean time between failures M: sqrt(2CM)."""
    return young(C_s, M_s)


@formula("ckpt.daly_s", unit="s", words=["Daly"], cases=[
    Case({"C_s": 300, "M_s": 86400}, {"result": 7001.39}, abs=0.01, source="Daly 2006, higher order"),
    Case({"C_s": 300, "M_s": _LLAMA_S}, {"result": 2388.6}, abs=0.1, source="Daly 2006, higher order"),
    Case({"C_s": 300, "M_s": 100}, {"result": 100.0}, rel=1e-12, source="Daly 2006: M when C >= 2M"),
])
def daly_s(C_s: float = param(**_C), M_s: float = param(**_M)) -> float:
    """Daly's optimal seconds of work between checkpoints: Young's with two more terms, less C; M when C >= 2M."""
    return daly(C_s, M_s)


@formula("ckpt.waste", unit="fraction", words=["checkpoint waste", "time wasted", "fraction of time lost"], cases=[
    Case({"C_s": 300, "M_s": _LLAMA_S, "tau_s": 2584.8}, {"result": 0.2321}, abs=1e-4, source="23%: sqrt(2C/M)"),
    Case({"C_s": 300, "M_s": 86400, "tau_s": 7200}, {"result": 0.0833333}, rel=1e-6, source="300/7200 + 3600/86400"),
])
def waste(C_s: float = param(**_C), M_s: float = param(**_M), tau_s: float = param(**_TAU),
          R_s: float = param(0.0, **_R)) -> float:
    """First-order share of time lost to checkpoints and failures: C/tau + (tau/2 + R)/M."""
    return waste_first_order(C_s, M_s, tau_s, R_s)


@formula("ckpt.waste_optimal", unit="fraction", words=["least waste", "waste at the optimal interval"], cases=[
    Case({"C_s": 300, "M_s": _LLAMA_S}, {"result": 0.2321}, abs=1e-4, source="sqrt(2C/M)"),
])
def waste_optimal(C_s: float = param(**_C), M_s: float = param(**_M), R_s: float = param(0.0, **_R)) -> float:
    """First-order waste at Young's interval: sqrt(2C/M) + R/M; half of it is writing, half is lost work."""
    return math.sqrt(2 * C_s / M_s) + R_s / M_s


@formula("ckpt.waste_exponential", unit="fraction", cases=[
    Case({"C_s": 300, "M_s": _LLAMA_S, "tau_s": 2388.6}, {"result": 0.2145258}, abs=1e-6,
         source="Daly 2006, complete model"),
])
def waste_exponential(C_s: float = param(**_C), M_s: float = param(**_M), tau_s: float = param(**_TAU),
                      R_s: float = param(0.0, **_R)) -> float:
    """Exact share of time lost under exponential failures: 1 - tau / (M e^(R/M) (e^((tau+C)/M) - 1))."""
    return waste_exact(C_s, M_s, tau_s, R_s)


@formula("ckpt.size_GB", unit="GB", words=["checkpoint size", "size of a checkpoint", "full checkpoint",
                                           "how big is a checkpoint", "checkpoint of a model"], cases=[
    Case({"params_B": 70}, {"result": 980.0}, source="14 bytes: 2 weights + 4 master + 8 moments"),
])
def size_GB(params_B: float = param(ge=0.0, le=1e6, unit="billion parameters", words=["parameters", "model"]),
            bytes_per_param: float = param(14.0, ge=0.5, le=64.0, unit="bytes",
                                           words=["bytes per parameter"])) -> float:
    """GB of a full training checkpoint: 16-bit weights, fp32 master and two Adam moments; gradients aren't stored."""
    return params_B * bytes_per_param


@formula("ckpt.write_s", unit="s", words=["write a checkpoint", "checkpoint write time", "writing a checkpoint"], cases=[
    Case({"size_GB": 980, "storage_GBps": 10}, {"result": 98.0}, source="arithmetic"),
])
def write_s(size_GB: float = param(ge=0.0, le=1e9, unit="GB", words=["checkpoint", "size"]),
            storage_GBps: float = param(ge=1e-6, le=1e6, unit="GB/s",
                                        words=["storage", "bandwidth", "write speed"])) -> float:
    """Seconds to write a checkpoint at the storage's total write bandwidth."""
    return size_GB / storage_GBps
