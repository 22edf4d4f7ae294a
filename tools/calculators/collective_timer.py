"""Collective timer: time, latency and exposed part of a collective that backward computation may hide."""

from __future__ import annotations

from typing import Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, param, tool
from tools.calculators.collectives import Operation, bus_factor, require_tree, steps


class Collective(Params):
    size_bytes: float = param(14e9, ge=1.0, le=1e15, unit="bytes",
                              words=["gradients", "gradient", "message", "data", "tensor", "buffer", "payload",
                                     "all-reduce"])
    ranks: int = param(8, ge=2, le=100_000, unit="GPUs", words=["GPUs", "ranks", "workers", "devices", "nodes"])
    busbw_GBps: float = param(450.0, ge=1e-3, le=100_000.0, unit="GB/s",
                              words=["bus bandwidth", "busbw", "bandwidth", "NVLink", "link", "network"])
    latency_us: float = param(5.0, ge=0.0, le=10_000.0, unit="us", words=["latency", "per hop", "alpha", "per step"])
    operation: Operation = param("all_reduce", words=["operation", "collective"])
    algorithm: Literal["ring", "tree"] = param("ring", words=["algorithm", "ring", "tree"])
    compute_ms: float = param(0.0, ge=0.0, le=1e9, unit="ms",
                              words=["backward", "compute", "computation", "backward pass"],
                              help="backward computation that the communication may hide behind")
    buckets: int = param(1, ge=1, le=100_000, unit="count", words=["buckets", "chunks"],
                         help="gradient buckets, sent one by one as the backward pass finishes them")


@tool("collective-timer", group="E",
      words=["all-reduce", "allreduce", "all-gather", "reduce-scatter", "NCCL", "gradient synchronisation", "busbw",
             "algbw",
             "exposed communication", "ring", "collective"],
      example={"size_bytes": 14e9, "ranks": 64, "busbw_GBps": 50, "compute_ms": 800, "buckets": 25},
      cases=[
          Case({"size_bytes": 14e9, "ranks": 8, "busbw_GBps": 450, "latency_us": 0}, {"time_ms": 54.444444}, rel=1e-6,
               source="S/B*2(n-1)/n"),
          Case({"size_bytes": 14e9, "ranks": 64, "busbw_GBps": 50, "latency_us": 0}, {"time_ms": 551.25}, rel=1e-9,
               source="S/B*2(n-1)/n"),
          Case({"size_bytes": 14e9, "ranks": 64, "busbw_GBps": 50, "latency_us": 0, "compute_ms": 1000, "buckets": 25},
               {"exposed_ms": 22.05}, rel=1e-9, source="only the last of 25 buckets shows"),
      ],
      asks=[
          Ask("How long does an all-reduce of 14 GB of gradients take on 8 GPUs at 450 GB/s bus bandwidth?", "time_ms",
              54.44),
          Ask("14 GB gradients, 64 GPUs, network of 50 GB/s: how many ms for the all-reduce?", "time_ms", 551.25),
          Ask("All-reduce of 1 GB of data over 16 ranks with a bandwidth of 100 GB/s, what time?", "time_ms", 18.75),
          Ask("We all-reduce 28 GB of gradients across 256 GPUs at 50 GB/s. How many bytes does each GPU send?",
              "sent_bytes_per_rank", 2 * 255 / 256 * 28e9),
          Ask("What algorithm bandwidth do 8 GPUs reach in an all-reduce of 14 GB with busbw 450 GB/s?", "algbw_GBps",
              257.1),
      ])
def collective_timer(p: Collective, seed: int) -> ToolResult:
    """Time of an NCCL collective, split into bandwidth and latency, and the part that computation can't hide.

    Bandwidth: S/busbw times the operation's factor, 2(n-1)/n for all-reduce. Latency: a ring takes 2(n-1) steps, a
    double binary tree about 2*log2(n), while both move nearly the same bytes. With `buckets`, bucket i of B is ready
    when i/B of the backward pass is done and buckets go one after another, so that max(T/B, T - compute*(1 - 1/B))
    stays exposed; every bucket pays the latency again.
    People get wrong: algorithm bandwidth (S/t) is not bus bandwidth (what the wires carry); more ranks do not take
    proportionally more time (2(n-1)/n tends to 2), only the latency of a ring does.
    Sources: nccl-tests doc/PERFORMANCE.md; NCCL 2.4 (double binary trees).

    >>> run = collective_timer(Collective(size_bytes=14e9, ranks=64, busbw_GBps=50, latency_us=0), 0)
    >>> round(run.values["time_ms"], 2)
    551.25
    """
    if p.algorithm == "tree":
        require_tree(p.operation)
    bandwidth, latency = _bandwidth_ms(p, p.ranks), _latency_ms(p, p.ranks)
    time = bandwidth + latency
    exposed = max(time / p.buckets, time - p.compute_ms * (1 - 1 / p.buckets))
    factor = bus_factor(p.operation, p.ranks)
    naive_time = p.size_bytes / p.busbw_GBps / 1e6
    counts = sorted({2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, p.ranks})
    pair = _bandwidth_ms(p, 2) + _latency_ms(p, 2)
    return ToolResult(
        tool="collective-timer",
        values={"time_ms": time, "exposed_ms": exposed, "hidden_ms": time - exposed, "bandwidth_ms": bandwidth,
                "latency_ms": latency, "factor": factor, "algbw_GBps": p.size_bytes / time / 1e6,
                "sent_bytes_per_rank": factor * p.size_bytes, "step_ms": p.compute_ms + exposed,
                "scaling_efficiency": p.compute_ms / (p.compute_ms + exposed) if p.compute_ms else None},
        units={"time_ms": "ms", "exposed_ms": "ms", "hidden_ms": "ms", "bandwidth_ms": "ms", "latency_ms": "ms",
               "algbw_GBps": "GB/s", "sent_bytes_per_rank": "bytes", "step_ms": "ms", "scaling_efficiency": "fraction"},
        naive={"time_ms": naive_time, "algbw_GBps": p.busbw_GBps},
        summary=f"{time:.4g} ms on {p.ranks} ranks ({bandwidth:.4g} ms bandwidth, {latency:.3g} ms latency), of which "
                f"{exposed:.4g} ms stay exposed. Size over bus bandwidth alone would say {naive_time:.4g} ms.",
        formula="t = S/B * factor(n) + buckets * steps * alpha; exposed = max(t/buckets, t - compute*(1 - 1/buckets))",
        series={"ranks": list(counts), "bandwidth_ms": [_bandwidth_ms(p, n) for n in counts],
                "latency_ms": [_latency_ms(p, n) for n in counts]},
        plot=Plot(title=f"More ranks don't take proportionally longer ({p.operation}, {p.algorithm})",
                  x_label="ranks (GPUs)", y_label="time (ms)", log_x=True, log_y=True,
                  marks=[{"axis": "x", "at": p.ranks, "label": f"{p.ranks:,} ranks"}], lines=[
            Line(label=f"{p.operation}, {p.algorithm}", x=list(counts),
                 y=[_bandwidth_ms(p, n) + _latency_ms(p, n) for n in counts]),
            Line(label="bandwidth only", x=list(counts), y=[_bandwidth_ms(p, n) for n in counts]),
            Line(label="proportional to ranks (naive)", x=list(counts), y=[pair * n / 2 for n in counts], dashed=True),
        ]),
        assumptions=["every rank reaches the same bus bandwidth; the slowest link sets it",
                     "the tree moves 2(n-1)/n of the bytes like the ring",
                     "backward computation is spread evenly over buckets",
                     "communication doesn't slow the computation down (in fact it takes some of the GPU)"],
        warnings=_warnings(p, bandwidth, latency),
    )


def _bandwidth_ms(p: Collective, ranks: int) -> float:
    return p.size_bytes * bus_factor(p.operation, ranks) / p.busbw_GBps / 1e6


def _latency_ms(p: Collective, ranks: int) -> float:
    return p.buckets * steps(p.operation, ranks, p.algorithm) * p.latency_us / 1e3


def _warnings(p: Collective, bandwidth: float, latency: float) -> list[str]:
    found = []
    if latency > bandwidth:
        found.append("Latency outweighs bandwidth: fuse small messages into larger buckets, or take a tree.")
    if p.compute_ms and p.buckets == 1:
        found.append("One bucket can't overlap: it is ready only when the backward pass ends.")
    return found
