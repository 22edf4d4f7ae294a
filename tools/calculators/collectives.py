"""Collectives: bytes on the wire and time of NCCL operations from bus bandwidth. Knows no topology, no overlap."""

from __future__ import annotations

import math
from typing import Any, Literal

from tools.base import Ask, Case, ToolError, formula, param

Operation = Literal["all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "reduce", "send_recv"]


def bus_factor(operation: str, n: int) -> float:
    """busbw / algbw: what share of the size S each rank must send (nccl-tests doc/PERFORMANCE.md). S is the size of the
    whole result for all_gather, of the whole input for reduce_scatter and all_to_all."""
    if operation == "all_reduce":
        return 2 * (n - 1) / n
    return (n - 1) / n if operation in ("all_gather", "reduce_scatter", "all_to_all") else 1.0


def steps(operation: str, n: int, algorithm: str) -> int:
    """Messages one after another, each of which pays the latency."""
    if operation == "send_recv":
        return 1
    hops = math.ceil(math.log2(n)) if algorithm == "tree" else n - 1
    return 2 * hops if operation == "all_reduce" else hops


_N: dict[str, Any] = {"ge": 1, "le": 1_000_000, "unit": "GPUs", "words": ["ranks", "GPUs", "workers", "devices", "n"]}
_S: dict[str, Any] = {"alias": "bytes", "ge": 0.0, "le": 1e16, "unit": "bytes",
                      "words": ["size", "message", "gradients", "data", "tensor", "buffer"]}
_BUS: dict[str, Any] = {"gt": 0.0, "le": 1e6, "ge": 1e-6, "unit": "GB/s", "words": ["bus bandwidth", "busbw", "bandwidth", "GB/s"]}
_ALPHA: dict[str, Any] = {"ge": 0.0, "le": 1e6, "unit": "us", "words": ["latency", "alpha"]}
_OP: Any = param("all_reduce", words=["operation", "collective"])
_PERF = "nccl-tests PERFORMANCE.md"


@formula("nccl.allreduce_factor", words=["all-reduce bus factor", "all-reduce factor", "times the size in an all-reduce",
                                         "times the tensor's size"], cases=[
    Case({"n": 2}, {"result": 1.0}, source=_PERF), Case({"n": 8}, {"result": 1.75}, source=_PERF),
    Case({"n": 64}, {"result": 1.96875}, source=_PERF), Case({"n": 1}, {"result": 0.0}, source="nobody to send to"),
], asks=[
    Ask("all-reduce bus factor for 16 ranks?", "result", 2 * 15 / 16),
    Ask("nccl-tests multiplies the algorithm bandwidth of an all-reduce on 32 GPUs by which factor to report the bus bandwidth?",
        "result", 2 * 31 / 32),
    Ask("each of 4 ranks sends how many times the tensor's size in an all-reduce?", "result", 1.5),
])
def allreduce_factor(n: int = param(**_N)) -> float:
    """Bytes each rank sends in an all-reduce over the size: 2(n-1)/n, tending to 2, so time hardly grows with ranks."""
    return bus_factor("all_reduce", n)


@formula("nccl.allgather_factor", words=["all-gather factor", "factor for an all-gather", "gathered result"], cases=[
    Case({"n": 8}, {"result": 0.875}, source=_PERF),
], asks=[
    Ask("all-gather factor on 16 GPUs?", "result", 15 / 16),
    Ask("how much of the gathered result does each of 32 ranks send in an all-gather, as a factor?", "result", 31 / 32),
])
def allgather_factor(n: int = param(**_N)) -> float:
    """Bytes each rank sends in an all-gather over the gathered size: (n-1)/n."""
    return bus_factor("all_gather", n)


@formula("nccl.reducescatter_factor", words=["reduce-scatter factor", "factor for a reduce-scatter"], cases=[
    Case({"n": 8}, {"result": 0.875}, source=_PERF),
], asks=[
    Ask("reduce-scatter factor with 4 ranks?", "result", 3 / 4),
    Ask("Bus bandwidth over algorithm bandwidth of a reduce-scatter on 64 GPUs: which factor?", "result", 63 / 64),
])
def reducescatter_factor(n: int = param(**_N)) -> float:
    """Bytes each rank sends in a reduce-scatter over the input size: (n-1)/n, half an all-reduce."""
    return bus_factor("reduce_scatter", n)


@formula("nccl.alltoall_factor", words=["all-to-all factor", "all-to-all"], cases=[
    Case({"n": 8}, {"result": 0.875}, source=_PERF),
], asks=[
    Ask("all-to-all factor with 16 ranks?", "result", 15 / 16),
    Ask("In an all-to-all over 32 GPUs, which factor of its buffer does each rank send to the others?", "result", 31 / 32),
])
def alltoall_factor(n: int = param(**_N)) -> float:
    """Bytes each rank sends in an all-to-all over its buffer size: (n-1)/n."""
    return bus_factor("all_to_all", n)


@formula("nccl.broadcast_factor", cases=[Case({"n": 8}, {"result": 1.0}, source=_PERF)])
def broadcast_factor(n: int = param(**_N)) -> float:
    """Bus over algorithm bandwidth of broadcast and reduce: 1 for any number of ranks."""
    return bus_factor("broadcast", n)


@formula("nccl.factor", cases=[Case({"operation": "all_reduce", "n": 64}, {"result": 1.96875}, source=_PERF)], asks=[
    Ask("bus over algorithm bandwidth of a broadcast on 16 ranks: which factor?", "result", 1),
])
def factor(operation: Operation = _OP, n: int = param(**_N)) -> float:
    """Bus over algorithm bandwidth of any collective."""
    return bus_factor(operation, n)


@formula("nccl.allreduce_ms", unit="ms", words=["all-reduce time", "all-reduce", "allreduce"], cases=[
    Case({"bytes": 14e9, "n": 8, "busbw_GBps": 450}, {"result": 54.444}, rel=1e-4, source="S/B*2(n-1)/n"),
    Case({"bytes": 14e9, "n": 64, "busbw_GBps": 50}, {"result": 551.25}, rel=1e-6, source="one 400 Gb/s NIC per GPU"),
], asks=[
    Ask("all-reduce time of 2 GB on 4 ranks at 300 GB/s busbw, without latency, in ms?", "result", 2e9 * 1.5 / 300e9 * 1e3),
    Ask("How many milliseconds do 32 GPUs need to all-reduce 6 GB of gradients at a bus bandwidth of 100 GB/s?",
        "result", 6e9 * 2 * 31 / 32 / 100e9 * 1e3),
    Ask("after every step 16 workers sum up 500 MB of gradients with an allreduce over a 25 GB/s bus. how many ms does that cost?",
        "result", 5e8 * 2 * 15 / 16 / 25e9 * 1e3),
])
def allreduce_ms(size: float = param(**_S), n: int = param(**_N), busbw_GBps: float = param(**_BUS)) -> float:
    """Milliseconds of an all-reduce of `bytes` over n ranks at a bus bandwidth, without latency: S/B * 2(n-1)/n."""
    return size * bus_factor("all_reduce", n) / busbw_GBps / 1e6


@formula("nccl.allgather_ms", unit="ms", words=["all-gather", "all-gather time"], cases=[
    Case({"bytes": 14e9, "n": 8, "busbw_GBps": 450}, {"result": 27.2222}, rel=1e-5, source="S/B*(n-1)/n"),
], asks=[
    Ask("all-gather time of 4 GB over 8 ranks at 200 GB/s, in ms?", "result", 4e9 * 7 / 8 / 200e9 * 1e3),
    Ask("How many milliseconds does an all-gather that ends with 24 GB on each of 64 GPUs take at a bus bandwidth of 40 GB/s?",
        "result", 24e9 * 63 / 64 / 40e9 * 1e3),
    Ask("fsdp has to collect 1.5 GB of weights from 16 gpus with an all-gather, busbw 90 GB/s. how long in ms?",
        "result", 1.5e9 * 15 / 16 / 90e9 * 1e3),
])
def allgather_ms(size: float = param(**_S), n: int = param(**_N), busbw_GBps: float = param(**_BUS)) -> float:
    """Milliseconds of an all-gather whose result is `bytes` large: S/B * (n-1)/n, half an all-reduce."""
    return size * bus_factor("all_gather", n) / busbw_GBps / 1e6


@formula("nccl.reducescatter_ms", unit="ms", words=["reduce-scatter", "reduce-scatter time"], cases=[
    Case({"bytes": 14e9, "n": 8, "busbw_GBps": 450}, {"result": 27.2222}, rel=1e-5, source="S/B*(n-1)/n"),
], asks=[
    Ask("reduce-scatter time of 8 GB over 16 ranks at 100 GB/s, in ms?", "result", 8e9 * 15 / 16 / 100e9 * 1e3),
    Ask("How many milliseconds does a reduce-scatter of 3 GB of gradients take on 8 GPUs with a bus bandwidth of 360 GB/s?",
        "result", 3e9 * 7 / 8 / 360e9 * 1e3),
    Ask("zero-2 reduce-scatters 26 GB of gradients over 32 gpus, busbw 80 GB/s. how many ms is that?",
        "result", 26e9 * 31 / 32 / 80e9 * 1e3),
])
def reducescatter_ms(size: float = param(**_S), n: int = param(**_N), busbw_GBps: float = param(**_BUS)) -> float:
    """Milliseconds of a reduce-scatter whose input is `bytes` large on each rank: S/B * (n-1)/n."""
    return size * bus_factor("reduce_scatter", n) / busbw_GBps / 1e6


@formula("nccl.collective_ms", unit="ms", words=["collective with latency", "latency for each step", "ring collective"], cases=[
    Case({"operation": "all_reduce", "bytes": 1e6, "n": 8, "busbw_GBps": 50, "latency_us": 5},
         {"result": 0.105}, rel=1e-9, source="14 steps of 5 us + 35 us"),
], asks=[
    Ask("collective with latency: all-reduce of 2 MB on 16 ranks, bus bandwidth 50 GB/s, latency 8 us, how many ms?",
        "result", 2e6 * 2 * 15 / 16 / 50e9 * 1e3 + 30 * 8 / 1e3),
    Ask("Ring all-gather of 64 MB over 8 GPUs at 100 GB/s with a latency of 10 us for each step: time in ms?",
        "result", 64e6 * 7 / 8 / 100e9 * 1e3 + 7 * 10 / 1e3),
    Ask("tiny ring all-reduce of 100 kB on 64 ranks with 20 us latency for each step and 25 GB/s bus bandwidth: how many ms?",
        "result", 1e5 * 2 * 63 / 64 / 25e9 * 1e3 + 126 * 20 / 1e3),
])
def collective_ms(operation: Operation = _OP, size: float = param(**_S), n: int = param(**_N),
                  busbw_GBps: float = param(**_BUS), latency_us: float = param(0.0, **_ALPHA)) -> float:
    """Milliseconds of a ring collective with a latency for each of its steps."""
    return size * bus_factor(operation, n) / busbw_GBps / 1e6 + steps(operation, n, "ring") * latency_us / 1e3


@formula("nccl.algbw_GBps", unit="GB/s", words=["algorithm bandwidth", "algbw"], cases=[
    Case({"bytes": 14e9, "time_ms": 54.4444444}, {"result": 257.142857}, rel=1e-6, source="450/1.75"),
], asks=[
    Ask("algbw of an all-reduce of 10 GB that took 50 ms?", "result", 10e9 / 50e-3 / 1e9),
    Ask("A collective on a 256 MB buffer took 4 ms. What is the algorithm bandwidth in GB/s?", "result", 256e6 / 4e-3 / 1e9),
    Ask("our 3 GB broadcast took 15 ms. which algbw is that in GB/s?", "result", 200),
])
def algbw_GBps(size: float = param(**_S),
               time_ms: float = param(gt=0.0, ge=1e-6, le=1e12, unit="ms", words=["took", "time"])) -> float:
    """Algorithm bandwidth, size over time: what a user feels; it falls with the number of ranks on the same wires."""
    return size / time_ms / 1e6


@formula("nccl.busbw_GBps", unit="GB/s", words=["bus bandwidth", "busbw", "measured all-reduce", "what bus bandwidth"], cases=[
    Case({"bytes": 14e9, "n": 8, "time_ms": 54.4444444}, {"result": 450.0}, rel=1e-6, source=_PERF),
], asks=[
    Ask("busbw of an all-reduce of 1 GB on 16 ranks that took 10 ms?", "result", 1e9 / 10e-3 * 2 * 15 / 16 / 1e9),
    Ask("We measured an all-gather of 8 GB over 32 GPUs: it took 90 ms. Which bus bandwidth is that in GB/s?",
        "result", 8e9 / 90e-3 * 31 / 32 / 1e9),
    Ask("an allreduce of 512 MB across 4 gpus took 5 ms in our benchmark. did the link deliver, i.e. what is the bus bandwidth?",
        "result", 512e6 / 5e-3 * 1.5 / 1e9),
])
def busbw_GBps(size: float = param(**_S), n: int = param(**_N),
               time_ms: float = param(gt=0.0, ge=1e-6, le=1e12, unit="ms", words=["took", "time"]),
               operation: Operation = _OP) -> float:
    """Bus bandwidth from a measured time: algbw times the operation's factor, comparable to the link whatever n is."""
    return size / time_ms / 1e6 * bus_factor(operation, n)


@formula("nccl.wire_bytes", unit="bytes", words=["each rank sends", "bytes on the wire", "over the wire", "bytes leave each GPU",
                                                 "bytes per rank"], cases=[
    Case({"bytes": 8000, "n": 8}, {"result": 14000.0}, source="2*7/8*8000"),
], asks=[
    Ask("each rank sends how many bytes in an all-reduce of 1 GB over 4 ranks?", "result", 1.5e9),
    Ask("How many bytes on the wire does a reduce-scatter of 640 MB cause for each of 16 ranks?", "result", 640e6 * 15 / 16),
    Ask("8 gpus all-reduce a tensor of 400 MB with the ring. how many bytes leave each gpu?", "result", 700e6),
])
def wire_bytes(size: float = param(**_S), n: int = param(**_N), operation: Operation = _OP) -> float:
    """Bytes each rank sends in a bandwidth-optimal collective."""
    return size * bus_factor(operation, n)


@formula("nccl.link_GBps", unit="GB/s", words=["NICs", "network cards", "InfiniBand", "Gb/s in GB/s", "network links"],
         cases=[
    Case({"nic_Gbps": 400}, {"result": 50.0}, source="8 bits a byte"),
    Case({"nic_Gbps": 200, "nics": 4}, {"result": 100.0}, source="8 bits a byte"),
], asks=[
    Ask("How many GB/s do four NICs of 200 Gbit/s give a node?", "result", 100),
    Ask("InfiniBand NDR is 400 Gb/s: what is that in GB/s?", "result", 50),
    Ask("our node has eight 100 Gb/s network cards. how many gigabytes per second can it send?", "result", 100),
])
def link_GBps(nic_Gbps: float = param(gt=0.0, le=1e6, unit="Gbit/s", words=["NIC", "link", "Gb/s", "InfiniBand"]),
              nics: int = param(1, ge=1, le=64, unit="count", words=["NICs", "links", "cards", "ports"])) -> float:
    """GB/s of network links quoted in Gb/s: divide by 8. NDR InfiniBand is 400 Gb/s, 50 GB/s each way."""
    return nic_Gbps / 8 * nics


@formula("nccl.exposed_ms", unit="ms",
         words=["exposed communication", "stays exposed", "stay exposed", "overlap", "hides behind",
                "hidden behind the backward pass"], cases=[
    Case({"comm_ms": 80, "compute_ms": 60}, {"result": 20.0}, source="what is longer than the computation shows"),
    Case({"comm_ms": 50, "compute_ms": 60}, {"result": 0.0}, source="all of it is hidden"),
], asks=[
    Ask("Communication of 90 ms overlaps with a backward pass of 70 ms. How many ms stay exposed?", "result", 20),
    Ask("the all-reduce takes 140 ms and hides behind a backward pass of 200 ms. how many ms of communication stay exposed?",
        "result", 0),
    Ask("gradients need 260 ms to sync, backward runs 180 ms at the same time. how much longer does the step get, in ms?",
        "result", 80),
])
def exposed_ms(
    comm_ms: float = param(ge=0.0, le=1e9, unit="ms", words=["communication", "all-reduce", "all-reduce takes"]),
    compute_ms: float = param(ge=0.0, le=1e9, unit="ms", words=["backward", "backward pass", "computation", "compute"]),
) -> float:
    """Milliseconds of communication that computation can't hide under full overlap: max(0, communication - computation)."""
    return max(0.0, comm_ms - compute_ms)


@formula("nccl.hierarchical_ms", unit="ms", words=["two-level all-reduce", "hierarchical all-reduce", "inside the node",
                                                   "between nodes"], cases=[
    Case({"bytes": 14e9, "gpus_per_node": 8, "nodes": 8, "intra_GBps": 450, "inter_GBps": 50}, {"result": 115.6944},
         rel=1e-5, source="54.44 inside the node + 61.25 for an eighth of the bytes across 8 nodes"),
], asks=[
    Ask("two-level all-reduce of 8 GB on 4 nodes with 8 GPUs per node, NVLink 400 GB/s, network 50 GB/s: how many ms?",
        "result", (8e9 * 2 * 7 / 8 / 400e9 + 1e9 * 2 * 3 / 4 / 50e9) * 1e3),
    Ask("Hierarchical all-reduce of 2 GB over 16 nodes of 4 GPUs per node: 300 GB/s inside the node, 25 GB/s between nodes. Time in "
        "ms?", "result", (2e9 * 2 * 3 / 4 / 300e9 + 5e8 * 2 * 15 / 16 / 25e9) * 1e3),
    Ask("two-level all-reduce: 28 GB of gradients, 32 nodes with 8 GPUs per node, 450 GB/s NVLink, 100 GB/s network. how long in ms?",
        "result", (28e9 * 2 * 7 / 8 / 450e9 + 3.5e9 * 2 * 31 / 32 / 100e9) * 1e3),
])
def hierarchical_ms(
    size: float = param(**_S), gpus_per_node: int = param(8, ge=1, le=1_024, unit="GPUs", words=["per node"]),
    nodes: int = param(ge=1, le=100_000, unit="nodes", words=["nodes"]),
    intra_GBps: float = param(ge=1e-6, le=1e6, unit="GB/s", words=["NVLink", "inside the node"]),
    inter_GBps: float = param(ge=1e-6, le=1e6, unit="GB/s", words=["network", "between nodes"]),
) -> float:
    """Milliseconds of a two-level all-reduce: reduce-scatter and all-gather in nodes, all-reduce between."""
    inside = size * 2 * (gpus_per_node - 1) / gpus_per_node / intra_GBps
    across = size / gpus_per_node * 2 * (nodes - 1) / nodes / inter_GBps
    return (inside + across) / 1e6


def require_tree(operation: str) -> None:
    """NCCL's trees serve all-reduce, broadcast and reduce; the others take rings. Raises ToolError."""
    if operation not in ("all_reduce", "broadcast", "reduce"):
        raise ToolError(f"There is no tree for {operation}: each rank needs different bytes; take algorithm 'ring'.")
