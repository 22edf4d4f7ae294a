"""Task overhead, Amdahl's law, actors and object traffic in closed form; no cluster is played and no failure."""

from __future__ import annotations

import math
from typing import Any

from pydantic import AliasChoices

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

_TASK: dict[str, Any] = {"gt": 0, "le": 1e9, "unit": "ms",
                         "words": ["task", "task takes", "work", "ms task", "each takes"]}
_OVERHEAD: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "ms", "words": ["overhead", "scheduling", "per-task overhead"]}
_SERIAL_WORDS = ["serial", "sequential", "can't be parallelised", "not parallel"]
_SERIAL: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": _SERIAL_WORDS,
                           "validation_alias": AliasChoices("serial_fraction", "serial", "s")}
_N: dict[str, Any] = {"ge": 1, "le": 10_000_000, "unit": "workers", "words": ["workers", "cores", "cpus", "nodes"],
                      "validation_alias": AliasChoices("n", "workers", "N")}
_EFFICIENCY: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["efficiency", "efficient"]}


@formula("ray.task_efficiency", unit="fraction", words=["task efficiency"], cases=[
    Case({"task_ms": 1, "overhead_ms": 0.5}, {"result": 0.66667}, rel=1e-4, source="t / (t + o)"),
], asks=[
    Ask("What is the task efficiency of a 5 ms Ray task with 1 ms of overhead?", "result", 0.833333),
])
def task_efficiency(task_ms: float = param(**_TASK), overhead_ms: float = param(**_OVERHEAD)) -> float:
    """Share of a worker's time that is work: t / (t + overhead)."""
    return task_ms / (task_ms + overhead_ms)


@formula("ray.min_task_ms", words=["how long must a task be", "smallest task"], unit="ms", cases=[
    Case({"overhead_ms": 0.5, "efficiency": 0.95}, {"result": 9.5}, rel=1e-9, source="o * e / (1 - e)"),
], asks=[
    Ask("How long must a Ray task be for 99% efficiency with an overhead of 0.5 ms?", "result", 49.5),
])
def min_task_ms(overhead_ms: float = param(**_OVERHEAD), efficiency: float = param(0.95, **_EFFICIENCY)) -> float:
    """How long a task must be for the wanted efficiency: overhead * e / (1 - e)."""
    return overhead_ms * efficiency / (1 - efficiency)


@formula("ray.batch_size", unit="items", words=["batch tasks", "items per task", "batch into one task"], cases=[
    Case({"task_ms": 1, "overhead_ms": 0.5, "efficiency": 0.95}, {"result": 10}, source="ceil(9.5 ms / 1 ms)"),
], asks=[
    Ask("Overhead is 2 ms and a task takes 1 ms: how many items must one task handle to be 90% efficient?", "result", 18),
])
def batch_size(
    task_ms: float = param(**_TASK), overhead_ms: float = param(**_OVERHEAD),
    efficiency: float = param(0.95, **_EFFICIENCY),
) -> int:
    """Fewest items that one task must handle for the wanted efficiency."""
    return max(1, math.ceil(overhead_ms * efficiency / (1 - efficiency) / task_ms - 1e-9))


@formula("ray.amdahl", words=["amdahl", "amdahl's law", "speedup"], cases=[
    Case({"serial_fraction": 0.05, "n": 64}, {"result": 15.42}, rel=1e-3, source="1 / (0.05 + 0.95/64)"),
    Case({"serial_fraction": 0.0, "n": 64}, {"result": 64.0}, rel=1e-12, source="nothing serial"),
], asks=[
    Ask("By Amdahl, what is the speedup of 20 workers when 8% of the job is serial?", "result", 7.93651),
])
def amdahl(serial_fraction: float = param(**_SERIAL), n: int = param(**_N)) -> float:
    """Speed-up of n workers when a share of the work is serial: 1 / (s + (1 - s)/n). Amdahl 1967."""
    return 1 / (serial_fraction + (1 - serial_fraction) / n)


@formula("ray.amdahl_limit", words=["best possible speedup", "speedup limit", "ever"],
         cases=[Case({"serial_fraction": 0.05}, {"result": 20.0}, rel=1e-12, source="1 / s")], asks=[
    Ask("10% of our job is serial: what is the best speedup any number of workers could ever give us?", "result", 10),
])
def amdahl_limit(serial_fraction: float = param(**_SERIAL)) -> float:
    """Speed-up that no number of workers exceeds: 1 / s."""
    if not serial_fraction:
        raise ToolError("ray.amdahl_limit: without serial work there is no limit; give a serial_fraction above 0.")
    return 1 / serial_fraction


@formula("ray.gustafson", words=["gustafson", "scaled speedup"], cases=[
    Case({"serial_fraction": 0.05, "n": 64}, {"result": 60.85}, rel=1e-12, source="64 - 0.05 * 63"),
], asks=[
    Ask("By Gustafson, which scaled speedup do 32 workers give with 5% serial work?", "result", 30.45),
])
def gustafson(serial_fraction: float = param(**_SERIAL), n: int = param(**_N)) -> float:
    """Scaled speed-up when the work grows with the workers: n - s*(n - 1). Gustafson 1988; s is measured on n
    workers."""
    return n - serial_fraction * (n - 1)


@formula("ray.actor_calls_s", unit="s", words=["actor calls", "calls over actors"], cases=[
    Case({"calls": 100, "call_ms": 10}, {"result": 1.0}, rel=1e-12, source="one actor runs one call at a time"),
    Case({"calls": 100, "call_ms": 10, "actors": 8}, {"result": 0.13}, rel=1e-12, source="ceil(100/8) * 10 ms"),
], asks=[
    Ask("A ray actor takes 5 ms per call: 3,000 calls over 4 actors, how many seconds?", "result", 3.75),
])
def actor_calls_s(
    calls: int = param(ge=1, le=1_000_000_000, unit="count", words=["calls", "method calls"]),
    call_ms: float = param(ge=0, le=1e9, unit="ms", words=["call takes", "each call"]),
    actors: int = param(1, ge=1, le=1_000_000, unit="count", words=["actors", "actor"]),
    concurrency: int = param(1, ge=1, le=10_000, unit="count", words=["max_concurrency", "concurrency"]),
) -> float:
    """Seconds for calls spread over actors: an actor runs its calls one after another (max_concurrency = 1)."""
    return math.ceil(calls / (actors * concurrency)) * call_ms / 1000


@formula("ray.transfer_s", words=["move an object", "object over the network"], unit="s", cases=[
    Case({"object_MB": 1250, "nic_Gbps": 10}, {"result": 1.0}, rel=1e-12, source="1.25e9 B * 8 / 1e10"),
], asks=[
    Ask("How long does a 500 MB object take over a 10 Gbit/s network to another node?", "result", 0.4),
])
def transfer_s(
    object_MB: float = param(ge=0, le=1e9, unit="MB", words=["object", "objects"]),
    nic_Gbps: float = param(gt=0, le=10_000, unit="Gbit/s", words=["network", "nic", "link"]),
) -> float:
    """Seconds to move an object to another node over a link; on its own node it is read in place."""
    return object_MB * 8 / (nic_Gbps * 1000)


@formula("ray.spill", words=["spilled to disk"], cases=[
    Case({"objects_GB": 30, "store_GB": 10, "spill_MBps": 500}, {"spilled_GB": 20, "write_s": 40, "round_trip_s": 80},
         rel=1e-12, source="what doesn't fit is written, and read again when needed"),
], asks=[
    Ask("120 GB of objects but the object store is 80 GB: how many GB are spilled?", "spilled_GB", 40),
])
def spill(
    objects_GB: float = param(ge=0, le=1e9, unit="GB", words=["objects", "data"]),
    store_GB: float = param(gt=0, le=1e6, unit="GB", words=["store", "object store"]),
    spill_MBps: float = param(500, gt=0, le=1e6, unit="MB/s", words=["spill", "disk"]),
) -> dict[str, float]:
    """GB that a node's store can't hold, and the seconds to write them to disk and to read them back."""
    spilled = max(0.0, objects_GB - store_GB)
    return {"spilled_GB": spilled, "write_s": spilled * 1000 / spill_MBps,
            "round_trip_s": 2 * spilled * 1000 / spill_MBps}


class RaySpeedup(Params):
    tasks: int = param(10_000, ge=1, le=1_000_000_000, unit="count", words=["tasks", "items", "remote calls"])
    task_ms: float = param(1.0, gt=0, le=1e7, unit="ms", words=["task", "ms task", "task takes", "each takes", "work"])
    overhead_ms: float = param(0.5, **_OVERHEAD)
    workers: int = param(64, ge=1, le=1_000_000, unit="workers", words=["workers", "cores", "cpus"])
    serial_fraction: float = param(0.0, ge=0, le=0.99, unit="fraction", words=_SERIAL_WORDS,
                                   help="of the work when one process does all of it")
    batch: int = param(1, ge=1, le=1_000_000_000, unit="count", words=["batch", "items per task", "grouped"])


@tool("ray-speedup", group="C", example={"task_ms": 1, "overhead_ms": 0.5, "workers": 64},
      words=["speedup", "amdahl", "task overhead", "tiny tasks", "ray tasks", "fine-grained", "scales", "batch size",
             "parallel tasks"],
      cases=[
          Case({"task_ms": 1, "overhead_ms": 0.5}, {"efficiency": 0.66667}, rel=1e-4, source="t / (t + o)"),
          Case({"serial_fraction": 0.05, "workers": 64}, {"amdahl_speedup": 15.42}, rel=1e-3, source="Amdahl"),
          Case({"serial_fraction": 0.05, "workers": 64, "overhead_ms": 0, "tasks": 64_000}, {"speedup": 15.42168675},
               rel=1e-8, source="without overhead it is Amdahl's"),
      ],
      asks=[
          Ask("How efficient is a Ray task of 1 ms with 0.5 ms overhead?", "efficiency", 0.66667),
          Ask("What speedup do 64 workers give if 5% of the work is serial?", "amdahl_speedup", 15.42),
          Ask("If 10% can't be parallelised, how much faster are 16 cores by Amdahl's law?", "amdahl_speedup", 6.4),
          Ask("My remote task takes 2 ms and the overhead is 0.5 ms; how many items should I batch into one to be 95% "
              "efficient?", "batch_for_95_percent", 5),
          Ask("10,000 tasks of 1 ms with an overhead of 0.5 ms on 64 workers: how long does it take?", "time_s",
              0.2355),
          Ask("What is the efficiency when each takes 10 ms and scheduling costs 0.5 ms?", "efficiency", 0.95238),
          Ask("i launch 5,000 ray tasks of 20 ms each with 1 ms overhead per task on 50 cores, how long does the "
              "whole thing take in seconds?", "time_s", 2.1),
          Ask("What speedup do 128 workers reach at best when 2% of the work is serial?", "amdahl_speedup", 36.1582),
      ])
def ray_speedup(p: RaySpeedup, seed: int) -> ToolResult:
    """Speed-up of many small tasks: what the overhead of each and the serial part leave of it.

    One process would need the tasks' work and the serial part, which is `serial_fraction` of the whole. The cluster
    does the serial part first, then the tasks in rounds of `workers`; every task costs its overhead on the worker and
    handles `batch` items.
    People get wrong: tiny tasks scale. A 1 ms task with 0.5 ms overhead wastes a third of every worker, on any number
    of workers; group items until a task is some twenty times its overhead. And 5% serial work caps the speed-up at 20.
    Sources: Amdahl, AFIPS 1967; Ray documentation, "Over-parallelizing with too fine-grained tasks harms speedup".

    >>> ray_speedup(RaySpeedup(tasks=64, task_ms=9.5, overhead_ms=0.5, workers=64), 0).values["speedup"]
    60.8
    """
    time_ms, alone_ms = _times(p, p.batch)
    speedup = round(alone_ms / time_ms, 12)
    wanted = batch_size(p.task_ms, p.overhead_ms, 0.95)
    counts = sorted({2**power for power in range(max(p.workers, 2).bit_length())} | {p.workers})
    by_workers = [_times(p.model_copy(update={"workers": count}), p.batch) for count in counts]
    best = _times(p, min(wanted, math.ceil(p.tasks / p.workers)))
    return ToolResult(
        tool="ray-speedup",
        values={"speedup": speedup, "efficiency": task_efficiency(p.batch * p.task_ms, p.overhead_ms),
                "amdahl_speedup": amdahl(p.serial_fraction, p.workers), "time_s": time_ms / 1000,
                "one_process_s": alone_ms / 1000, "parallel_efficiency": speedup / p.workers,
                "batch_for_95_percent": wanted, "speedup_when_batched": alone_ms / best[0]},
        units={"speedup": "times", "efficiency": "fraction", "amdahl_speedup": "times", "time_s": "s",
               "one_process_s": "s", "parallel_efficiency": "fraction", "batch_for_95_percent": "items",
               "speedup_when_batched": "times"},
        naive={"speedup": float(p.workers), "time_s": alone_ms / 1000 / p.workers, "efficiency": 1.0},
        summary=f"{p.workers:,} workers are {speedup:.4g} times as fast as one process: {time_ms / 1000:.4g} s for "
        f"{p.tasks:,} items, {task_efficiency(p.batch * p.task_ms, p.overhead_ms):.1%} of a task being work. Counting "
        f"workers would promise {p.workers:,} times; tasks of {wanted:,} items are 95% efficient.",
        formula="efficiency = t/(t+o); Amdahl = 1/(s + (1-s)/n); time = serial + ceil(tasks/n) * (t + o)",
        series={"workers": list(counts), "speedup": [alone / took for took, alone in by_workers]},
        plot=Plot(title=f"Overhead eats the speed-up of small tasks ({p.task_ms:g} ms each)",
                  x_label="workers (count)", y_label="speed-up (times)", log_x=True,
                  log_y=True,
                  lines=[
            Line(label="with overhead", x=list(counts), y=[alone / took for took, alone in by_workers]),
            *([Line(label="by Amdahl, without overhead", x=list(counts), y=[amdahl(p.serial_fraction, count) for count in counts])]
              if p.serial_fraction else []),
            Line(label="as many times as workers (naive)", x=list(counts), y=list(counts), dashed=True)],
                  marks=[{"axis": "x", "at": p.workers, "label": f"{p.workers:,} worker{'s' if p.workers > 1 else ''}"}]),
        assumptions=["tasks are alike and independent",
                     "the overhead is spent on the worker; the driver submits in no time",
                     "results are small: no transfer, no spilling"],
        warnings=["A worker spends more time on overhead than on work."] if p.overhead_ms > p.batch * p.task_ms else [],
    )


def _times(p: RaySpeedup, batch: int) -> tuple[float, float]:
    """Milliseconds of the cluster and of one process."""
    work = p.tasks * p.task_ms
    serial = work * p.serial_fraction / (1 - p.serial_fraction)
    calls = math.ceil(p.tasks / batch)
    each = min(batch, p.tasks) * p.task_ms + p.overhead_ms
    return serial + math.ceil(calls / p.workers) * each, work + serial
