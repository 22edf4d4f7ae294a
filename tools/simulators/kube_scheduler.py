"""kube-scheduler placing a set of like pods, one after another. Knows no plugin's inner workings."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import numpy as np

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.simulators.kube_nodes import Node, Pod, Weights, parse_nodes, parse_pairs, refusal, scores, zone_counts

_NODES = ("idle zone=z1 cpu=4 mem=16 req_cpu=3 req_mem=12 usage=0.1; "
          "busy zone=z1 cpu=4 mem=16 req_cpu=0.5 req_mem=2 usage=0.95; "
          "half zone=z2 cpu=4 mem=16 req_cpu=2 req_mem=8 usage=0.5; "
          "gpu zone=z2 cpu=8 mem=32 usage=0 taint=gpu:NoSchedule")


class Scheduler(Params):
    nodes: str = param(_NODES, max_length=20_000, words=["node list"],
                       help="name zone=z1 cpu=4 mem=16 req_cpu=1 req_mem=2 usage=0.9 taint=gpu:NoSchedule "
                       "label=disk:ssd x3; cores and GiB; usage is measured and ignored")
    node_count: int = param(0, ge=0, le=100, unit="nodes", words=["nodes", "workers", "machines"],
                            help="so many empty nodes alike, instead of the list; 0 means the list")
    node_cores: float = param(4.0, ge=0.1, le=1_000, unit="cores", help="with node_count",
                              words=["cores per node", "cores each", "CPUs each", "nodes with"])
    node_memory_GiB: float = param(16.0, ge=0.1, le=10_000, unit="GiB", help="with node_count",
                                   words=["GiB per node", "memory per node"])
    zones: int = param(2, ge=1, le=20, unit="count", words=["zones"], help="with node_count")
    pods: int = param(3, ge=1, le=500, unit="count", words=["pods", "replicas"])
    pod_cores: float = param(0.5, ge=0, le=1_000, unit="cores",
                             words=["cores per pod", "pods of", "each request", "pod requests", "each requesting"])
    pod_memory_GiB: float = param(1.0, ge=0, le=10_000, unit="GiB", words=["GiB per pod", "pod memory"])
    tolerates: str = param("", max_length=500, words=["tolerates", "toleration"],
                           help="taints: gpu or gpu=a:NoSchedule or *")
    selector: str = param("", max_length=500, words=["node selector", "required"], help="labels: disk=ssd")
    prefers: str = param("", max_length=500, words=["prefers", "preferred affinity"], help="labels: disk=ssd")
    max_skew: int = param(0, ge=0, le=500, unit="count", help="hard topology spread over zones; 0 means none",
                          words=["max skew", "skew", "topology spread"])
    one_per_node: bool = param(False, words=["anti-affinity", "one per node"])
    strategy: Literal["least-allocated", "most-allocated"] = param("least-allocated", words=["strategy"])
    weight_fit: int = param(1, ge=0, le=100, words=["fit weight"])
    weight_balanced: int = param(1, ge=0, le=100, words=["balance weight"])
    weight_affinity: int = param(2, ge=0, le=100, words=["affinity weight"])
    weight_taint: int = param(3, ge=0, le=100, words=["taint weight"])
    weight_spread: int = param(2, ge=0, le=100, words=["spread weight"])


@tool("kube-scheduler", group="J", kind="simulator", example={"pods": 4, "tolerates": "gpu"},
      words=["kube-scheduler", "scheduler", "pod placement", "taint", "toleration", "node affinity", "topology spread",
             "insufficient cpu", "pending pod", "unschedulable", "stay pending", "fit on the nodes"],
      cases=[
          Case({}, {"first_node": "busy", "placed": 3, "unschedulable": 0}, source="by hand from the plugins' rules"),
          Case({"nodes": "a cpu=4 mem=16 req_cpu=1.9 req_mem=3.9", "pods": 1, "pod_cores": 0.1, "pod_memory_GiB": 0.1},
               {"first_fit_score": 62}, source="(50 + 75)/2 = 62.5, rounded down by the scheduler"),
          Case({"node_count": 3, "node_cores": 2, "pods": 10, "pod_cores": 1, "pod_memory_GiB": 1},
               {"placed": 6, "unschedulable": 4}, source="2 pods a node"),
      ],
      asks=[
          Ask("3 nodes with 2 cores each: how many of 10 pods that each request 1 core stay pending?",
              "unschedulable", 4),
          Ask("How many pods of 1.5 cores fit on 5 nodes with 4 cores each if I start 20 pods?", "placed", 10),
          Ask("4 nodes and 6 pods with required anti-affinity, one per node: how many are unschedulable?",
              "unschedulable", 2),
          Ask("5 nodes with 8 cores each, pods that request 3 cores each: of 12 pods, how many stay pending?",
              "unschedulable", 2),
      ])
def kube_scheduler(p: Scheduler, seed: int) -> ToolResult:
    """Places pods as kube-scheduler does: filters say no with a reason, scores rank the rest, requests count.

    Filters: cordoned, taints, node selector, CPU, memory and pod count, hard topology spread over zones, one pod per
    node. Scores, each 0 to 100 in whole numbers: LeastAllocated (or MostAllocated), BalancedAllocation, preferred
    affinity, PreferNoSchedule taints, and the built-in soft spreading by host and zone; weighted 1, 1, 2, 3, 2 by
    default. Ties are drawn with the seed. Pods are like each other and go one after another.

    People get wrong:
    - Load drives placement: the default example sends the first pod to the node at 95% CPU because little is
      *requested* there, and not to the node at 10%, all but a core of which is promised away.
    - A tolerated taint attracts: it only admits; use affinity as well.
    - Pending means "cluster is full": read the reasons, a taint or a spread constraint may be the only obstacle.

    Source: kube-scheduler's plugins and default weights (kubernetes/pkg/scheduler). Left out: preemption, volumes,
    ports, image locality, affinity between different pods.

    >>> kube_scheduler(Scheduler(), 0).values["first_node"]
    'busy'
    """
    nodes = _alike(p) if p.node_count else parse_nodes(p.nodes)
    pod = Pod(round(p.pod_cores * 1_000), round(p.pod_memory_GiB * 1_024),
              frozenset(p.tolerates.replace(",", " ").split()), parse_pairs(p.selector, "selector"),
              parse_pairs(p.prefers, "prefers"), p.max_skew, p.one_per_node)
    weights = Weights(p.weight_fit, p.weight_balanced, p.weight_affinity, p.weight_taint, p.weight_spread,
                      p.strategy == "most-allocated")
    if pod.spread and not any(node.zone for node in nodes):
        raise ToolError("kube-scheduler: max_skew needs nodes with zones; add zone=z1 to them.")
    before = [(node.req_cpu, node.usage) for node in nodes]
    table, first, refused = _first_look(nodes, pod, weights), None, Counter[str]()
    places, rng = [], np.random.default_rng(seed)
    for _ in range(p.pods):
        chosen, reasons = _place(nodes, pod, weights, rng)
        if chosen is None:
            refused = reasons
            break  # the pods are alike: where one doesn't fit the next doesn't either
        first = first or chosen
        places.append(chosen.name)
    pending = p.pods - len(places)
    measured = [node for node, row in zip(nodes, table, strict=True) if not row["reason"] and node.usage is not None]
    coolest = min(measured, key=lambda node: node.usage or 0.0, default=None)
    start = next((row for row in table if first is not None and row["node"] == first.name), None)
    return ToolResult(
        tool="kube-scheduler",
        values={"placed": len(places), "unschedulable": pending, "first_node": first.name if first else None,
                "first_score": start["total"] if start else None, "first_fit_score": start["fit"] if start else None,
                "first_node_usage": first.usage if first else None,
                "pods_by_node": {node.name: node.ours for node in nodes}, "message": _message(refused, len(nodes))},
        units={"placed": "pods", "unschedulable": "pods", "first_node_usage": "fraction"},
        naive={"first_node": coolest.name if coolest else None},
        summary=_summary(p, places, pending, first, coolest, _message(refused, len(nodes))),
        formula="total = fit + balanced + 2*affinity + 3*taints + 2*spread by default, over nodes that pass filters",
        series={key: [row[key] for row in table] for key in table[0]}, plot=_plot(nodes, before),
        assumptions=["pods are alike and never leave", "scores see requests, never measured usage",
                     "series shows filters and scores for the first pod; -1 means filtered"],
        warnings=["A pod without requests counts as nothing here; kube-scheduler scores it as 100m CPU and 200 MiB."]
        if not pod.cpu and not pod.mem else [],
    )


def _alike(p: Scheduler) -> list[Node]:
    return [Node(f"node{number + 1}", f"z{number % p.zones + 1}", round(p.node_cores * 1_000),
                 round(p.node_memory_GiB * 1_024), labels={"zone": f"z{number % p.zones + 1}"})
            for number in range(p.node_count)]


def _place(nodes: list[Node], pod: Pod, weights: Weights, rng: np.random.Generator) -> tuple[Node | None, Counter[str]]:
    """The node taken and booked, or the reasons against each."""
    skew = zone_counts(nodes, pod)
    reasons = [refusal(node, pod, skew) for node in nodes]
    feasible = [node for node, reason in zip(nodes, reasons, strict=True) if not reason]
    if not feasible:
        return None, Counter(part for reason in reasons for part in _parts(reason))
    totals = [row["total"] for row in scores(feasible, pod, weights)]
    best = [node for node, total in zip(feasible, totals, strict=True) if total == max(totals)]
    chosen = best[int(rng.integers(len(best)))] if len(best) > 1 else best[0]
    chosen.req_cpu, chosen.req_mem = chosen.req_cpu + pod.cpu, chosen.req_mem + pod.mem
    chosen.pods, chosen.ours = chosen.pods + 1, chosen.ours + 1
    return chosen, Counter()


def _first_look(nodes: list[Node], pod: Pod, weights: Weights) -> list[dict[str, Any]]:
    """Filter reason and scores of every node for the first pod."""
    skew = zone_counts(nodes, pod)
    reasons = [refusal(node, pod, skew) for node in nodes]
    feasible = [node for node, reason in zip(nodes, reasons, strict=True) if not reason]
    rows = iter(scores(feasible, pod, weights) if feasible else [])
    filtered = dict.fromkeys(("fit", "balanced", "affinity", "taint", "spread", "total"), -1)
    return [{"node": node.name, "reason": reason, "usage": node.usage, **(filtered if reason else next(rows))}
            for node, reason in zip(nodes, reasons, strict=True)]


def _parts(reason: str) -> list[str]:
    return reason.split(", ") if reason.startswith(("Insufficient", "Too many")) else [reason]


def _message(refused: Counter[str], nodes: int) -> str:
    if not refused:
        return ""
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(refused.items()))
    return f"0/{nodes} nodes are available: {told}."


def _summary(p: Scheduler, places: list[str], pending: int, first: Node | None, coolest: Node | None,
             message: str) -> str:
    told = f"{len(places)} of {p.pods} pods are placed" + (f", {pending} stay pending: {message}" if pending else ".")
    if first is None or first.usage is None or coolest is None:
        return told
    return told + (f" The first goes to {first.name} at {first.usage:.0%} measured CPU, where little is requested; "
                   f"by usage it would go to {coolest.name}." if first is not coolest else
                   f" The first goes to {first.name}, which also has the lowest measured usage.")


def _plot(nodes: list[Node], before: list[tuple[int, float | None]]) -> Plot:
    names: list[float | str] = [node.name for node in nodes]
    earlier: list[float | str] = [asked / node.cpu for node, (asked, _) in zip(nodes, before, strict=True)]
    lines = [Line(label="requested before", x=names, y=earlier, kind="bar"),
             Line(label="requested after", x=names, y=[node.req_cpu / node.cpu for node in nodes], kind="bar")]
    if any(usage is not None for _, usage in before):
        lines.append(Line(label="measured usage (naive guide)", x=names, y=[usage or 0.0 for _, usage in before], kind="bar",
                          dashed=True))
    return Plot(title="Pods go by requests, not by usage",
                x_label="node", y_label="share of allocatable CPU (fraction)", lines=lines)
