"""Ring all-reduce: plays both phases on integer arrays and counts every byte that crosses a link. Knows no NCCL."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool

MAX_CELLS = 4_000_000


class Ring(Params):
    ranks: int = param(8, ge=2, le=128, unit="GPUs", words=["ranks", "GPUs", "workers", "nodes", "devices"])
    elements: int = param(100_000, ge=1, le=1_000_000, unit="count", words=["elements", "values", "numbers"])
    element_bytes: int = param(4, ge=1, le=8, unit="bytes", words=["bytes each", "bytes per element", "element"])
    link_GBps: float = param(50.0, ge=1e-3, le=10_000.0, unit="GB/s", words=["link", "links", "bandwidth"])
    slow_link_GBps: float | None = param(None, ge=1e-3, le=10_000.0, unit="GB/s", words=["slow link", "slowest link"],
                                         help="one link of the ring is this fast")
    latency_us: float = param(1.0, ge=0.0, le=100_000.0, unit="us", words=["latency", "per step"])


@dataclass(frozen=True)
class Played:
    """What a run gave: each rank's array, bytes sent by rank and step, and the time of each step in microseconds."""

    arrays: Any
    sent: Any
    step_us: list[float]


@tool("ring-allreduce", group="E", kind="simulator",
      words=["ring all-reduce", "ring allreduce", "reduce-scatter", "step by step", "ring algorithm",
             "parameter server"],
      example={"ranks": 8, "elements": 4096},
      cases=[
          Case({"ranks": 8, "elements": 4096}, {"sent_bytes_per_rank": 28672, "steps": 14, "correct": True},
               source="2(n-1)/n * 16,384 bytes"),
          Case({"ranks": 4, "elements": 8, "element_bytes": 1}, {"sent_bytes_per_rank": 12, "steps": 6},
               source="1.5 * 8"),
      ],
      asks=[
          Ask("How many steps does a ring all-reduce take with 8 ranks?", "steps", 14),
          Ask("Ring all-reduce step by step over 16 GPUs with 4096 elements of 4 bytes each: how many bytes does a "
              "rank send?", "sent_bytes_per_rank", 30720),
          Ask("A parameter server instead of the ring all-reduce on 32 workers with 102,400 elements: how many bytes "
              "pass its link?", "root_bytes", 2 * 31 * 409600),
      ])
def ring_allreduce(p: Ring, seed: int) -> ToolResult:
    """Ring all-reduce, step by step: who sends which chunk, bytes moved, and that every rank ends with the sum.

    The array is cut into n chunks. In n-1 steps each rank passes a chunk to its neighbour, which adds it
    (reduce-scatter); in n-1 more the finished chunks travel on (all-gather). A step lasts as long as its slowest link:
    latency plus the largest chunk over the bandwidth. Arrays are drawn from the seed; the sums are checked.
    People get wrong: an all-reduce needs time in proportion to the ranks (each rank sends 2(n-1)/n of the array, less
    than twice, for any n); gathering at one root is as good (its link carries 2(n-1) arrays).
    Source: Patarasuk and Yuan 2009 (bandwidth-optimal all-reduce).

    >>> ring_allreduce(Ring(ranks=4, elements=8, element_bytes=1), 0).values["sent_bytes_per_rank"]
    12
    """
    import numpy as np

    if p.ranks * p.elements > MAX_CELLS:
        raise ToolError(f"ring-allreduce: ranks * elements is {p.ranks * p.elements}; it must be at most {MAX_CELLS}.")
    arrays = np.random.default_rng(seed).integers(-1000, 1000, (p.ranks, p.elements))
    played = _play(p, arrays)
    size = p.elements * p.element_bytes
    sent = played.sent.sum(axis=1)
    root = 2 * (p.ranks - 1) * size
    slowest = min(p.link_GBps, p.slow_link_GBps or p.link_GBps)
    root_us = root / slowest / 1e3 + 2 * p.latency_us
    time = math.fsum(played.step_us)
    return ToolResult(
        tool="ring-allreduce",
        values={"steps": 2 * (p.ranks - 1), "sent_bytes_per_rank": int(sent.max()), "sent_bytes_total": int(sent.sum()),
                "sent_over_size": float(sent.max()) / size, "time_us": time, "root_bytes": root,
                "root_time_us": root_us,
                "correct": bool((played.arrays == arrays.sum(axis=0)).all())},
        units={"steps": "steps", "sent_bytes_per_rank": "bytes", "sent_bytes_total": "bytes", "time_us": "us",
               "root_bytes": "bytes", "root_time_us": "us"},
        naive={"time_us": root_us},
        summary=f"In {2 * (p.ranks - 1)} steps each of {p.ranks} ranks sends {int(sent.max())} bytes, "
                f"{float(sent.max()) / size:.4g} times the array, in {time:.4g} us. One root would carry {root} bytes "
                f"and take {root_us:.4g} us.",
        formula="2(n-1) steps of S/n bytes: 2(n-1)/n * S sent by each rank",
        series={"step": list(range(len(played.step_us))), "step_us": played.step_us,
                "sent_bytes_by_rank": [int(each) for each in sent]},
        plot=_plot(p),
        assumptions=["links are full duplex and all ranks step together", "adding costs nothing",
                     "unequal chunks differ by one element at most"],
        warnings=_warnings(p, time, root_us),
    )


def _warnings(p: Ring, time: float, root_us: float) -> list[str]:
    found = []
    if p.slow_link_GBps is not None and p.slow_link_GBps < p.link_GBps:
        found.append("One slow link slows every step: the ring runs at its slowest link's speed.")
    if time > root_us:
        found.append("Latency dominates: for an array this small a root or a tree, with fewer steps, is faster.")
    return found


def _play(p: Ring, arrays: Any) -> Played:
    """At step k of the first phase rank r sends chunk r-k and adds what it gets; in the second it sends chunk r+1-k and
    keeps what it gets."""
    import numpy as np

    n = p.ranks
    data = arrays.copy()
    edges = [round(each * p.elements / n) for each in range(n + 1)]
    chunk = [slice(edges[i], edges[i + 1]) for i in range(n)]
    width = np.diff(edges) * p.element_bytes
    sent = np.zeros((n, 2 * (n - 1)), dtype=np.int64)
    speed = np.full(n, p.link_GBps)
    speed[0] = min(p.link_GBps, p.slow_link_GBps or p.link_GBps)
    step_us = []
    for step in range(2 * (n - 1)):
        gathering = step >= n - 1
        shift = step - (n - 1) - 1 if gathering else step
        numbers = [(rank - shift) % n for rank in range(n)]
        parcels = [data[rank, chunk[number]].copy() for rank, number in enumerate(numbers)]
        for rank, (number, parcel) in enumerate(zip(numbers, parcels, strict=True)):
            target = data[(rank + 1) % n, chunk[number]]
            target[:] = parcel if gathering else target + parcel
        sent[:, step] = width[numbers]
        step_us.append(p.latency_us + float((sent[:, step] / speed).max()) / 1e3)
    return Played(data, sent, step_us)


def _plot(p: Ring) -> Plot:
    counts, size = [2, 4, 8, 16, 32, 64, 128], p.elements * p.element_bytes
    return Plot(title="A ring loads each link with at most twice the array", x_label="ranks (count)",
                y_label="busiest link's bytes / array's bytes (ratio)",
                log_x=True,
                log_y=True, lines=[
                    Line(label="ring", x=list(counts), y=[2 * (n - 1) / n for n in counts]),
                    Line(label="through one root (naive)", x=list(counts), y=[2.0 * (n - 1) for n in counts], dashed=True)],
                marks=[{"axis": "x", "at": p.ranks, "label": f"{p.ranks} ranks, {size:,} bytes"}])
