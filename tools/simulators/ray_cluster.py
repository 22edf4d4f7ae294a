"""A Ray-like cluster on a virtual clock: driver, tasks or actors, stores that spill, one failure. Runs no code."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.ray_facts import INLINE_BYTES

MAX_CALLS = 20_000
MAX_BARS = 1_200
MAX_ROWS = 16


class RayCluster(Params):
    tasks: int = param(400, ge=1, le=10_000_000, unit="count", words=["tasks", "items", "calls", "remote calls"])
    task_ms: float = param(10.0, ge=0.001, le=600_000, unit="ms", words=["task", "task takes", "ms task", "each takes",
                                                                     "work"])
    overhead_ms: float = param(0.5, ge=0, le=10_000, unit="ms", words=["overhead", "scheduling", "per-task overhead"])
    submit_ms: float = param(0.05, ge=0, le=1_000, unit="ms", words=["submit", "driver needs", "to submit"],
                             help="the driver's time for one .remote(), one after another")
    batch: int = param(1, ge=1, le=1_000_000, unit="count", words=["batch", "items per task", "grouped"])
    object_MB: float = param(20.0, ge=0, le=10_000, unit="MB", words=["object", "result", "returns", "output"],
                             help="result of one item; up to 100 KiB a call it skips the object store")
    nodes: int = param(4, ge=1, le=200, unit="nodes", words=["nodes", "machines"])
    cpus_per_node: int = param(8, ge=1, le=256, unit="cores", words=["cpus", "cores", "cpus per node"])
    store_GB: float = param(1.0, ge=0.001, le=10_000, unit="GB", words=["object store", "store", "plasma"])
    spill_MBps: float = param(500.0, ge=0.001, le=100_000, unit="MB/s", words=["spill", "disk", "spilling"])
    nic_Gbps: float = param(10.0, ge=0.001, le=1_000, unit="Gbit/s", words=["network", "nic", "link"])
    actors: int = param(0, ge=0, le=10_000, unit="count", words=["actors", "actor"],
                        help="0: stateless tasks; else the calls go round these actors, each on one CPU")
    failure: Literal["none", "node", "owner"] = param("none", words=["failure", "dies", "crash", "lost"],
                                                      help="node: the last node dies; owner: the process that "
                                                           "submitted")
    fail_at: float = param(0.5, ge=0, le=1, unit="fraction", words=["of the run", "through the run"],
                           help="share of the undisturbed production time")
    retries: int = param(3, ge=0, le=100, unit="count", words=["max_retries", "retries"],
                         help="of tasks; Ray's default 3")
    actor_restarts: int = param(0, ge=0, le=100, unit="count", words=["max_restarts", "restarts", "max_task_retries"],
                                help="max_restarts and max_task_retries of actors; Ray's default 0")


@dataclass
class _Played:
    """Bars (slot, start us, end us, done anew), bytes by node, and what a failure did."""

    bars: list[tuple[int, int, int, bool, int]] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    spilled: list[float] = field(default_factory=list)
    inline: float = 0.0
    killed: int = 0
    reconstructed: int = 0
    lost: int = 0
    failed: int = 0
    end_us: int = 0


@tool("ray-cluster", group="C", kind="simulator",
      words=["ray", "ray cluster", "object store", "spill", "actor", "actors", "lineage", "owner died", "node dies",
             "remote tasks", "reconstruct", "ray job", "spilled", "driver"],
      example={"tasks": 400, "object_MB": 20, "store_GB": 1},
      cases=[
          Case({"object_MB": 0, "submit_ms": 0, "task_ms": 1, "tasks": 320}, {"efficiency": 2 / 3, "makespan_ms": 15.0},
               rel=1e-9, source="10 rounds of 1.5 ms on 32 CPUs"),
          Case({"object_MB": 0, "submit_ms": 0, "actors": 1, "tasks": 100, "overhead_ms": 0}, {"makespan_ms": 1000.0},
               rel=1e-9, source="one actor is serial"),
          Case({"tasks": 400, "object_MB": 20, "store_GB": 1}, {"spilled_MB": 4000, "transferred_MB": 6000}, rel=1e-9,
               source="8 GB of results, 4 GB of stores; three nodes of four are remote"),
          Case({"failure": "owner", "object_MB": 1}, {"reconstructed_tasks": 0, "completed": False}, rel=1e-9,
               source="Ray documentation: no recovery from owner failure"),
      ],
      asks=[
          Ask("On a Ray cluster of 4 nodes with 8 CPUs and a 1 GB object store each, 400 tasks return 20 MB each. How "
              "much is spilled?", "spilled_MB", 4000),
          Ask("100 tasks return 50 MB each, 2 nodes, store of 10 GB: how much crosses the network to the driver?",
              "transferred_MB", 2500),
          Ask("1 Ray actor gets 100 calls of 10 ms each; results are 0 MB, overhead 0 ms and submit 0 ms. How long "
              "does it take?", "makespan_ms", 1000),
          Ask("The driver needs 0.05 ms to submit a task; how long do 20,000 tasks of 0.01 ms with 0 MB results take?",
              "makespan_ms", 1000.46),
          Ask("If the owner dies, how many objects does Ray reconstruct?", "reconstructed_tasks", 0),
          Ask("Ray: 2 nodes with 1 GB of object store each, 100 tasks return 50 MB each. How many MB are spilled?",
              "spilled_MB", 3000),
      ])
def ray_cluster(p: RayCluster, seed: int) -> ToolResult:
    """Plays many Ray tasks or actor calls: makespan, efficiency, spilled and moved bytes, and what a failure costs.

    The driver on node 0 submits call after call; the CPU that is free first takes it (an actor's calls wait for their
    actor). A call spends its overhead and its items' work, then puts its result into its node's store; when the store
    is full it writes to disk first, and the put waits for that. At the end the driver reads all results: those of its
    own node in place, spilled ones from disk, remote ones over its network card. `node` kills the last node: Ray runs
    again what was running and, by lineage, what was finished there (tasks up to max_retries; actor calls and their
    results only with restarts set). `owner` kills the process that holds the references: nothing can be recovered,
    whatever is left. Whole microseconds.

    People get wrong: tiny tasks scale (the overhead stays, and one driver submits them one by one); actor calls run in
    parallel (one actor runs one at a time); an object is safe because its bytes are on a healthy node (its owner may
    die).
    Sources: Ray documentation, fault_tolerance/objects, object-spilling, patterns/too-fine-grained-tasks.

    >>> ray_cluster(RayCluster(tasks=320, task_ms=1, object_MB=0, submit_ms=0), 0).values["makespan_ms"]
    15.0
    """
    _check(p)
    calm = _play(p, None)
    at_us = round(p.fail_at * calm.end_us)
    played = _play(p, at_us) if p.failure == "node" else calm
    values = _values(p, calm, played, at_us)
    naive_ms = p.tasks * p.task_ms / (p.nodes * p.cpus_per_node)
    return ToolResult(
        tool="ray-cluster", values=values,
        naive={"makespan_ms": naive_ms, "efficiency": 1.0, "spilled_MB": 0.0, "transferred_MB": 0.0},
        units={name: "ms" if name.endswith("_ms") else "MB" if name.endswith("_MB") else
               "fraction" if name == "efficiency" else "times" if name == "speedup" else "count"
               for name in values if name != "completed"},
        summary=_summary(p, values, naive_ms),
        formula="call = overhead + batch * task; production >= calls * submit; spilled = max(0, results - store) a "
                "node",
        series={"node": list(range(p.nodes)), "stored_MB": [each / 1e6 for each in played.stored],
                "spilled_MB": [each / 1e6 for each in played.spilled]},
        plot=_gantt(p, played, at_us, naive_ms) if len(played.bars) <= MAX_BARS else _curve(p),
        assumptions=["calls are alike and independent; a node's disk writes one object at a time",
                     "all results are kept until the driver has read them, which it does when all are made",
                     "moving and restoring overlap; reading in place takes no time",
                     "a failure is noticed at once; a restarted actor finds a free CPU"],
        warnings=_warnings(p, values, played),
    )


def _check(p: RayCluster) -> None:
    if (calls := math.ceil(p.tasks / p.batch)) > MAX_CALLS:
        raise ToolError(f"ray-cluster: {calls:,} calls are too many to play; at most {MAX_CALLS:,}: raise batch or "
                        "lower tasks.")
    if p.actors > p.nodes * p.cpus_per_node:
        raise ToolError(f"ray-cluster: {p.actors} actors need as many CPUs; there are {p.nodes * p.cpus_per_node}.")
    if p.failure == "node" and p.nodes < 2:
        raise ToolError("ray-cluster: when the only node dies nothing is left; give at least 2 nodes.")


def _play(p: RayCluster, fail_us: int | None) -> _Played:
    """Production of all results; `fail_us` is when the last node dies."""
    sizes = [min(p.batch, p.tasks - first) for first in range(0, p.tasks, p.batch)]
    played = _Played(stored=[0.0] * p.nodes, spilled=[0.0] * p.nodes)
    disk_us = [0] * p.nodes
    width = p.actors or p.nodes * p.cpus_per_node
    free = [(0, slot) for slot in range(width)]  # sorted, so already a heap
    actor_free = [0] * width
    moved: set[int] = set()
    retry = (p.actor_restarts if p.actors else p.retries) > 0
    queue = [(call, 0, False) for call in range(len(sizes))]
    for call, not_before, anew in queue:  # grows while it is walked: what the failure took is appended
        ready = max(round(call * p.submit_ms * 1000), not_before)
        if p.actors:
            slot = call % p.actors
            start = max(ready, actor_free[slot])
        else:
            start, slot = heapq.heappop(free)
            while fail_us is not None and max(start, ready) >= fail_us and slot % p.nodes == p.nodes - 1:
                start, slot = heapq.heappop(free)
            start = max(start, ready)
        node = (slot % p.nodes) if slot not in moved else slot % (p.nodes - 1)
        dies = fail_us is not None and node == p.nodes - 1
        if dies and fail_us is not None and start >= fail_us:  # an actor whose node is gone
            if not retry:
                played.failed += 1
                continue
            moved.add(slot)
            node, dies, start = slot % (p.nodes - 1), False, max(start, fail_us)
        end = worked = start + round((p.overhead_ms + sizes[call] * p.task_ms) * 1000)
        size = sizes[call] * p.object_MB * 1e6
        if not dies or fail_us is None or end <= fail_us:
            end = _put(p, played, disk_us, node, size, end)
        if dies and fail_us is not None:
            cut = end > fail_us
            end = min(end, fail_us)
            if cut or size > INLINE_BYTES:
                _take(played, retry, cut)
                if retry:
                    queue.append((call, fail_us, True))
        played.bars.append((slot, start, end, anew, min(worked, end)))
        actor_free[slot] = end
        if not p.actors:
            heapq.heappush(free, (end, slot))
    if fail_us is not None:
        played.stored[-1] = played.spilled[-1] = 0.0
    played.end_us = max((bar[2] for bar in played.bars), default=0)
    return played


def _put(p: RayCluster, played: _Played, disk_us: list[int], node: int, size: float, end: int) -> int:
    """Books a result and gives the time at which the put is done."""
    if size <= INLINE_BYTES:
        played.inline += size if node else 0.0
        return end
    if played.stored[node] + size <= p.store_GB * 1e9:
        played.stored[node] += size
        return end
    played.spilled[node] += size
    disk_us[node] = max(disk_us[node], end) + round(size / p.spill_MBps)
    return disk_us[node]


def _take(played: _Played, retry: bool, cut: bool) -> None:
    """Counts what the dead node took: a call that ran (`cut`) or a finished result."""
    if cut and retry:
        played.killed += 1
    elif cut:
        played.failed += 1
    elif retry:
        played.reconstructed += 1
    else:
        played.lost += 1


def _values(p: RayCluster, calm: _Played, played: _Played, at_us: int) -> dict[str, Any]:
    remote = sum(played.stored[1:]) + sum(played.spilled[1:]) + played.inline
    nic_us = remote * 8 / (p.nic_Gbps * 1000)
    gather_us = max(nic_us, max(played.spilled) / p.spill_MBps)
    end_us = played.end_us + gather_us
    lost = played.lost
    if p.failure == "owner":
        lost = sum(bar[2] <= at_us for bar in calm.bars)
        end_us += at_us
    work_ms = p.tasks * p.task_ms
    width = p.actors or p.nodes * p.cpus_per_node
    return {"makespan_ms": end_us / 1000, "production_ms": played.end_us / 1000, "gather_ms": gather_us / 1000,
            "efficiency": work_ms * 1000 / (width * calm.end_us), "speedup": work_ms * 1000 / end_us,
            "spilled_MB": sum(played.spilled) / 1e6, "transferred_MB": remote / 1e6, "inlined_MB": played.inline / 1e6,
            "retried_tasks": played.killed, "reconstructed_tasks": played.reconstructed, "lost_objects": lost,
            "failed_calls": played.failed, "completed": p.failure != "owner" and not played.failed and not played.lost,
            "calls": math.ceil(p.tasks / p.batch)}


def _summary(p: RayCluster, values: dict[str, Any], naive_ms: float) -> str:
    text = (f"{values['calls']:,} calls take {_text(values['makespan_ms'])} ms ({_text(values['production_ms'])} to "
            f"make the results, {_text(values['gather_ms'])} to read them); dividing the work by all CPUs would "
            f"promise {_text(naive_ms)} ms. {_text(values['spilled_MB'])} MB are spilled, "
            f"{_text(values['transferred_MB'])} MB cross the network.")
    if p.failure == "node":
        text += (f" The dead node costs {values['retried_tasks']} retries and {values['reconstructed_tasks']} "
                 f"reconstructions; {values['lost_objects']} results and {values['failed_calls']} calls are gone for "
                 "good.")
    if p.failure == "owner":
        text += (f" With the owner {values['lost_objects']:,} finished results are lost; the time is that of starting "
                 "anew.")
    return text


def _text(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.4g}"


def _gantt(p: RayCluster, played: _Played, at_us: int, naive_ms: float) -> Plot:
    """Calls on the first CPUs or actors, which lie on different nodes; the others are alike."""
    seen = [bar for bar in played.bars if bar[0] < MAX_ROWS]
    lines = []
    for label, anew in (("first run", False), ("run again", True)):
        bars = [bar for bar in seen if bar[3] == anew]
        if bars or not anew:
            lines.append(Line(label=label, kind="gantt", x=[bar[1] / 1000 for bar in bars], y=[bar[0] for bar in bars],
                              x2=[bar[4] / 1000 for bar in bars]))
    if waits := [bar for bar in seen if bar[2] > bar[4]]:
        lines.append(Line(label="put waits for the disk", kind="gantt", dashed=True, x=[bar[4] / 1000 for bar in waits],
                          y=[bar[0] for bar in waits], x2=[bar[2] / 1000 for bar in waits]))
    marks: list[dict[str, Any]] = [{"axis": "x", "at": naive_ms, "label": f"work divided by CPUs (naive): {_text(naive_ms)} ms"}]
    if p.failure != "none":
        marks.append({"axis": "x", "at": at_us / 1000, "label": f"{p.failure} dies"})
    rows, what = p.actors or p.nodes * p.cpus_per_node, "actor" if p.actors else "CPU"
    cut = f" (first {MAX_ROWS} of {rows} {what}s)" if rows > MAX_ROWS else ""
    return Plot(title=f"{len(played.bars)} calls on {p.nodes} nodes{cut}",
                x_label="time (ms)", y_label=what, lines=lines, marks=marks)


def _curve(p: RayCluster) -> Plot:
    """Too many bars to draw: efficiency against the batch size."""
    batches = [2**power for power in range(14)]
    return Plot(title="Efficiency of a task that handles several items", x_label="items per task", log_x=True,
                y_label="efficiency (fraction)", lines=[
        Line(label="with overhead", x=list(batches),
             y=[size * p.task_ms / (size * p.task_ms + p.overhead_ms) for size in batches]),
        Line(label="tiny tasks taken as free", x=[1, batches[-1]], y=[1.0, 1.0], dashed=True)])


def _warnings(p: RayCluster, values: dict[str, Any], played: _Played) -> list[str]:
    found = []
    if values["calls"] * p.submit_ms > 0.9 * values["production_ms"]:
        found.append("The driver is the bottleneck: it can't submit faster, so more CPUs change nothing; batch the "
                     "items.")
    if values["spilled_MB"]:
        found.append("The stores are full: results wait for the disk.")
    if p.actors and p.actors < p.nodes * p.cpus_per_node:
        found.append(f"{p.actors} actors use {p.actors} of {p.nodes * p.cpus_per_node} CPUs; each runs one call at a "
                     "time.")
    if p.failure != "none" and not values["completed"]:
        found.append("Ray doesn't bring this back by itself: the application has to.")
    return found
