"""How kube-scheduler scores a node: allocation, balance, spread. Knows nothing about filters or several pods."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

MAX_SCORE = 100
_SOURCE = "kubernetes pkg/scheduler/framework/plugins"

_REQUESTED: dict[str, Any] = {"min_length": 1, "max_length": 100, "words": ["requested", "requests"],
                              "help": "by resource, with the new pod's requests"}
_ALLOCATABLE: dict[str, Any] = {"min_length": 1, "max_length": 100, "words": ["allocatable", "capacity"],
                                "help": "by resource, in the same unit and order"}
_WEIGHTS: dict[str, Any] = {"max_length": 100, "help": "by resource; empty means equal"}


@formula("k8s.least_allocated", words=["least allocated", "node score"], cases=[
    Case({"requested": [2, 4], "allocatable": [4, 16]}, {"result": 62.5}, source="(50 + 75)/2; " + _SOURCE),
    Case({"requested": [5, 4], "allocatable": [4, 16]}, {"result": 37.5}, source="over capacity scores 0"),
])
def least_allocated(
    requested: list[float] = param(**_REQUESTED), allocatable: list[float] = param(**_ALLOCATABLE),
    weights: list[float] = param([], **_WEIGHTS),
) -> float:
    """LeastAllocated score of a node, 0 to 100: the weighted mean of its unrequested shares. It spreads pods.

    kube-scheduler divides in whole numbers, so it drops the fraction (62 for 62.5); see `k8s.least_allocated_int`."""
    rows = _rows(requested, allocatable, weights)
    return sum(weight * _free(asked, size) for asked, size, weight in rows) / sum(weight for _, _, weight in rows)


@formula("k8s.least_allocated_int", cases=[
    Case({"requested": [2000, 4096], "allocatable": [4000, 16384]}, {"result": 62}, source=_SOURCE),
])
def least_allocated_int(
    requested: list[int] = param(**_REQUESTED), allocatable: list[int] = param(**_ALLOCATABLE),
    weights: list[int] = param([], **_WEIGHTS),
) -> int:
    """LeastAllocated as kube-scheduler computes it, in whole numbers (millicores, bytes), rounded down twice."""
    rows = _rows(requested, allocatable, weights)
    total = sum(int(weight) * (0 if asked > size or size == 0 else int((size - asked) * MAX_SCORE) // int(size))
                for asked, size, weight in rows)
    return total // int(sum(weight for _, _, weight in rows))


@formula("k8s.most_allocated", words=["most allocated", "bin packing"], cases=[
    Case({"requested": [2, 4], "allocatable": [4, 16]}, {"result": 37.5}, source="(50 + 25)/2; " + _SOURCE),
])
def most_allocated(
    requested: list[float] = param(**_REQUESTED), allocatable: list[float] = param(**_ALLOCATABLE),
    weights: list[float] = param([], **_WEIGHTS),
) -> float:
    """MostAllocated score of a node, 0 to 100: the weighted mean of its requested shares. It packs pods."""
    rows = _rows(requested, allocatable, weights)
    return sum(weight * (MAX_SCORE * min(asked, size) / size if size else 0.0) for asked, size, weight in rows) / sum(
        weight for _, _, weight in rows)


@formula("k8s.balanced_allocation", words=["balanced allocation"], cases=[
    Case({"requested": [2, 4], "allocatable": [4, 16]}, {"result": 87.5}, source="1 - |0.5 - 0.25|/2; " + _SOURCE),
    Case({"requested": [1, 1, 4], "allocatable": [4, 4, 4]}, {"result": 64.6447}, abs=1e-4, source=_SOURCE),
])
def balanced_allocation(
    requested: list[float] = param(**_REQUESTED), allocatable: list[float] = param(**_ALLOCATABLE),
) -> float:
    """BalancedAllocation score of a node, 0 to 100: 100 times (1 - standard deviation of the requested shares)."""
    shares = [min(asked / size, 1.0) for asked, size, _ in _rows(requested, allocatable, []) if size]
    mean = sum(shares) / len(shares) if shares else 0.0
    return MAX_SCORE * (1 - math.sqrt(sum((share - mean) ** 2 for share in shares) / max(len(shares), 1)))


@formula("k8s.spread_scores", words=["topology spread"], cases=[
    Case({"counts": [3, 1, 0], "max_skew": 1}, {"result": [0, 60, 100]}, source=_SOURCE + "/podtopologyspread"),
    Case({"counts": [0, 0], "max_skew": 1}, {"result": [100, 100]}, source=_SOURCE + "/podtopologyspread"),
])
def spread_scores(
    counts: list[int] = param(min_length=1, max_length=5_000, unit="count", words=["matching pods", "per zone"]),
    max_skew: int = param(1, ge=1, le=1_000, unit="count", words=["max skew"]),
) -> list[int]:
    """Soft topology-spread scores of domains that hold `counts` matching pods: fewer pods, higher score.

    Raw score count * ln(domains + 2) + maxSkew - 1, rounded, then turned round to 0..100."""
    if min(counts) < 0:
        raise ToolError("k8s.spread_scores: counts must be at least 0.")
    raw = [math.floor(count * math.log(len(counts) + 2) + max_skew - 1 + 0.5) for count in counts]
    high, low = max(raw), min(raw)
    return [MAX_SCORE * (high + low - score) // high if high else MAX_SCORE for score in raw]


class NodeScore(Params):
    cpu_cores: float = param(4.0, ge=0.1, le=10_000, unit="cores", words=["cores", "CPUs", "cpu capacity"])
    memory_GiB: float = param(16.0, ge=0.1, le=100_000, unit="GiB", words=["memory", "GiB", "RAM"])
    requested_cores: float = param(2.0, ge=0, le=10_000, unit="cores", help="by pods already on the node",
                                   words=["cores requested", "already requested", "requested cpu", "requested"])
    requested_GiB: float = param(4.0, ge=0, le=100_000, unit="GiB", help="by pods already on the node",
                                 words=["GiB requested", "memory requested", "requested memory", "requested"])
    pod_cores: float = param(0.0, ge=0, le=10_000, unit="cores", words=["pod asks for", "pod cpu", "new pod"])
    pod_GiB: float = param(0.0, ge=0, le=100_000, unit="GiB", words=["pod memory", "pod's memory"])
    used_cores: float = param(3.8, ge=0, le=10_000, unit="cores", help="measured; the scheduler doesn't look",
                              words=["really uses", "actual usage", "used", "measured"])


@tool("node-score", group="J", example={"requested_cores": 2, "requested_GiB": 4, "pod_cores": 0.5, "pod_GiB": 1},
      words=["node score", "LeastAllocated", "MostAllocated", "BalancedAllocation", "least allocated",
             "most allocated", "balanced allocation", "scheduler score",
             "score of a node"],
      cases=[Case({}, {"least_allocated": 62.5, "most_allocated": 37.5, "balanced_allocation": 87.5,
                       "least_allocated_int": 62}, source="by hand: (50 + 75)/2")],
      asks=[
          Ask("A node with 4 cores and 16 GiB has 2 cores requested and 4 GiB requested. What is its LeastAllocated "
              "score?", "least_allocated", 62.5),
          Ask("What does MostAllocated give a node of 8 cores and 32 GiB with 6 cores requested and 8 GiB requested?",
              "most_allocated", 50),
          Ask("Score of a node by BalancedAllocation: 4 cores, 16 GiB, 2 cores requested, 4 GiB requested?",
              "balanced_allocation", 87.5),
          Ask("node of 8 cores and 32 GiB, 2 cores requested and 16 GiB requested: what is the least allocated "
              "score?", "least_allocated", 62.5),
          Ask("Counting the new pod, 6 of 8 cores and 8 of 32 GiB are requested on a node. LeastAllocated gives it how many points out "
              "of 100?", "least_allocated", 50.0),
          Ask("node with 16 cores and 64 GiB, 4 cores requested and 48 GiB requested: which MostAllocated score does "
              "it get?", "most_allocated", 50.0),
      ])
def node_score(p: NodeScore, seed: int) -> ToolResult:
    """Scores one node as kube-scheduler does, from what its pods request and not from what they use.

    LeastAllocated is the mean unrequested share, MostAllocated the mean requested share, BalancedAllocation punishes a
    node whose CPU is promised away while its memory isn't. All count the new pod in.
    People get wrong: a node at 95% CPU whose pods request little is *attractive* to the scheduler; requests decide
    placement, usage doesn't. Source: kube-scheduler's NodeResourcesFit and NodeResourcesBalancedAllocation.

    >>> node_score(NodeScore(), 0).values["least_allocated"]
    62.5
    """
    asked = [p.requested_cores + p.pod_cores, p.requested_GiB + p.pod_GiB]
    size = [p.cpu_cores, p.memory_GiB]
    fits = all(want <= have for want, have in zip(asked, size, strict=True))
    least = least_allocated(asked, size, [])
    values = {"least_allocated": least, "most_allocated": most_allocated(asked, size, []),
              "balanced_allocation": balanced_allocation(asked, size), "fits": fits,
              "least_allocated_int": least_allocated_int([round(each * 1000) for each in asked],
                                                         [round(each * 1000) for each in size], [])}
    by_usage = MAX_SCORE * max(0.0, 1 - (p.used_cores + p.pod_cores) / p.cpu_cores)
    cores = [p.cpu_cores * step / 20 for step in range(21)]
    return ToolResult(
        tool="node-score", values=values, naive={"least_allocated": by_usage},
        summary=f"LeastAllocated {least:.4g}, MostAllocated {values['most_allocated']:.4g}, BalancedAllocation "
        f"{values['balanced_allocation']:.4g} of 100" + ("" if fits else ", but the pod doesn't fit and is filtered")
        + f". Someone who thinks that usage counts would expect {by_usage:.4g}.",
        formula="least = mean of 100*(allocatable-requested)/allocatable; balanced = 100*(1 - std of requested shares)",
        plot=Plot(title="What is requested sets a node's score, whatever is used",
                  x_label="CPU requested on the node (cores)",
                  y_label="score (0 to 100)", lines=[
            Line(label="LeastAllocated", x=list(cores), y=[least_allocated([c, asked[1]], size, []) for c in cores]),
            Line(label="MostAllocated", x=list(cores), y=[most_allocated([c, asked[1]], size, []) for c in cores]),
            Line(label="BalancedAllocation", x=list(cores),
                 y=[balanced_allocation([c, asked[1]], size) for c in cores]),
            Line(label="by measured usage (naive)", x=list(cores), y=[by_usage] * len(cores), dashed=True)],
                  marks=[{"axis": "x", "at": asked[0], "label": f"requested with the pod: {asked[0]:g}"}]),
        assumptions=["CPU and memory weigh the same", "kube-scheduler itself works in whole numbers and rounds down"],
        warnings=[] if fits else ["The pod doesn't fit: NodeResourcesFit filters this node before any scoring."],
    )


def _free(asked: float, size: float) -> float:
    return 0.0 if size == 0 or asked > size else MAX_SCORE * (size - asked) / size


def _rows(requested: list[Any], allocatable: list[Any], weights: list[Any]) -> list[tuple[float, float, float]]:
    """(requested, allocatable, weight) by resource. Raises ToolError when the lists don't match."""
    weights = weights or [1] * len(requested)
    if not len(requested) == len(allocatable) == len(weights):
        raise ToolError(f"requested, allocatable and weights have {len(requested)}, {len(allocatable)} and "
                        f"{len(weights)} entries; give one for each resource.")
    if min(*requested, *allocatable, *weights) < 0 or sum(weights) <= 0:
        raise ToolError("requested, allocatable and weights must be at least 0, and some weight above 0.")
    return list(zip(requested, allocatable, weights, strict=True))
