"""How many pods fit on nodes, how many a rolling update may add or miss, how many EndpointSlices there are. Places no pod."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, ToolError, formula, param

_NODE_CORES: dict[str, Any] = {"gt": 0, "le": 1e5, "unit": "cores",
                               "words": ["cores per node", "node", "node of", "nodes with", "node has", "each node"]}
_NODE_GIB: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "GiB", "words": ["GiB per node", "node memory", "memory per node"]}
_POD_CORES: dict[str, Any] = {"gt": 0, "le": 1e5, "unit": "cores",
                              "words": ["cores per pod", "each pod", "pods of", "pod", "request", "requests", "pod requests"]}
_POD_GIB: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "GiB", "words": ["GiB per pod", "pod memory", "memory per pod"]}
_SCHEDULER = "the scheduler's NodeResourcesFit: requests must fit, usage doesn't matter"


@formula("k8s.pods_per_node", unit="pods", words=["fit on one node", "fit on a node", "pods per node", "pods on a node"], cases=[
    Case({"node_cores": 16, "pod_cores": 3}, {"result": 5}, source=_SCHEDULER),
    Case({"node_cores": 16, "pod_cores": 1, "memory_GiB": 64, "pod_memory_GiB": 12}, {"result": 5}, source="memory: 64 / 12"),
    Case({"node_cores": 64, "pod_cores": 0.1}, {"result": 110}, source="kubelet's default of 110 pods a node"),
], asks=[
    Ask("A node has 16 cores and each pod requests 3 cores: how many pods fit on one node?", "result", 5),
    Ask("How many pods fit on a node of 8 cores when every pod requests 0.5 cores?", "result", 16),
])
def pods_per_node(
    node_cores: float = param(**_NODE_CORES), pod_cores: float = param(**_POD_CORES),
    memory_GiB: float = param(0.0, **_NODE_GIB), pod_memory_GiB: float = param(0.0, **_POD_GIB),
    most: int = param(110, ge=1, le=10_000, unit="count", words=["max pods", "maxPods"], help="kubelet's maxPods"),
) -> int:
    """Pods that one empty node takes by their requests: the least of floor(node / pod) for cores and memory, and maxPods."""
    if (memory_GiB > 0) != (pod_memory_GiB > 0):
        raise ToolError("k8s.pods_per_node: memory counts only if both memory_GiB and pod_memory_GiB are given; give both or neither.")
    by_memory = math.floor(memory_GiB / pod_memory_GiB + 1e-9) if pod_memory_GiB else most
    return min(math.floor(node_cores / pod_cores + 1e-9), by_memory, most)


@formula("k8s.nodes_needed", unit="nodes", words=["nodes needed", "how many nodes"], cases=[
    Case({"pods": 100, "node_cores": 16, "pod_cores": 3}, {"result": 20}, source="5 pods a node"),
    Case({"pods": 101, "node_cores": 16, "pod_cores": 3}, {"result": 21}, source="rounded up"),
], asks=[
    Ask("100 pods that request 3 cores each on nodes with 16 cores: how many nodes do I need?", "result", 20),
    Ask("How many nodes of 8 cores are needed for 60 pods when each pod requests 1.5 cores?", "result", 12),
])
def nodes_needed(
    pods: int = param(ge=0, le=10**7, unit="replicas", words=["pods", "replicas"]),
    node_cores: float = param(**_NODE_CORES), pod_cores: float = param(**_POD_CORES),
    memory_GiB: float = param(0.0, **_NODE_GIB), pod_memory_GiB: float = param(0.0, **_POD_GIB),
    most: int = param(110, ge=1, le=10_000, unit="count", words=["max pods", "maxPods"], help="kubelet's maxPods"),
) -> int:
    """Nodes that so many equal pods need, each node filled by whole pods: ceil(pods / pods per node).

    Dividing total cores by cores a node promises too few, for what is left over on a node is less than a pod."""
    fit = int(pods_per_node(node_cores, pod_cores, memory_GiB, pod_memory_GiB, most))
    if not fit:
        raise ToolError("k8s.nodes_needed: not even one pod fits on such a node; take larger nodes or smaller requests.")
    return math.ceil(pods / fit)


@formula("k8s.rollout_bounds", words=["maxSurge", "maxUnavailable", "rolling update bounds", "during the rollout"], cases=[
    Case({"replicas": 10}, {"most_pods": 13, "fewest_available": 8}, source="Kubernetes: surge rounds up, unavailable down"),
    Case({"replicas": 3, "max_surge": 0.25, "max_unavailable": 0.25}, {"most_pods": 4, "fewest_available": 3}, source="same"),
], asks=[
    Ask("10 replicas with maxSurge 25% and maxUnavailable 25%: how many pods exist at most during the rollout?", "most_pods", 13),
    Ask("A Deployment of 15 replicas, maxUnavailable 20%, maxSurge 0%: how many pods stay available at least during a rolling "
        "update?", "fewest_available", 12),
])
def rollout_bounds(
    replicas: int = param(ge=1, le=10**7, unit="replicas", words=["replicas", "pods"]),
    max_surge: float = param(0.25, ge=0, le=1, unit="fraction", words=["maxSurge", "max surge", "surge"]),
    max_unavailable: float = param(0.25, ge=0, le=1, unit="fraction", words=["maxUnavailable", "max unavailable", "unavailable"]),
) -> dict[str, int]:
    """Most pods and fewest available ones during a rolling update: n + ceil(n * surge) and n - floor(n * unavailable)."""
    if not max_surge and not max_unavailable:
        raise ToolError("k8s.rollout_bounds: maxSurge and maxUnavailable can't both be 0, or nothing could ever be replaced.")
    return {"most_pods": replicas + math.ceil(replicas * max_surge - 1e-9),
            "fewest_available": replicas - math.floor(replicas * max_unavailable + 1e-9)}


@formula("k8s.endpoint_slices", unit="slices", words=["EndpointSlices", "endpoint slices"], cases=[
    Case({"pods": 1_050}, {"result": 11}, source="100 endpoints a slice by default"),
], asks=[Ask("How many EndpointSlices does a service with 1,050 pods have?", "result", 11)])
def endpoint_slices(
    pods: int = param(ge=0, le=10**7, unit="replicas", words=["pods", "endpoints", "backends"]),
    per_slice: int = param(100, ge=1, le=1_000, unit="count", words=["per slice", "max endpoints per slice"]),
) -> int:
    """EndpointSlices of a service when they are full: ceil(endpoints / 100); one changed pod sends one slice, not all."""
    return math.ceil(pods / per_slice)
