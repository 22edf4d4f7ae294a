"""Quorums: overlap, stale reads, availability and latency of N replicas; knows no product's own consistency options."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool
from tools.calculators.availability import k_of_n

_N: dict[str, Any] = {"ge": 1, "le": 100, "unit": "replicas", "words": ["replicas", "nodes", "N", "copies", "members", "n", "cluster of",
                                                                          "group of"]}
_R: dict[str, Any] = {"ge": 1, "le": 100, "unit": "replicas", "words": ["read quorum", "R", "reads from", "read", "reads ask",
        "read from", "R=", "reads of", "reads wait for", "reading from", "readers ask", "reads"]}
_W: dict[str, Any] = {"ge": 1, "le": 100, "unit": "replicas", "words": ["write quorum", "W", "writes to", "write",
        "writes wait for", "write to", "acks", "acknowledged by", "writes of", "written to", "writing to", "writes"]}
_A: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["availability", "available", "uptime", "each", "is up", "up"]}


@formula("quorum.overlap", cases=[
    Case({"N": 3, "R": 2, "W": 2}, {"result": True}, source="R + W > N"),
    Case({"N": 3, "R": 1, "W": 2}, {"result": False}, source="R + W > N"),
])
def overlap(N: int = param(**_N), R: int = param(**_R), W: int = param(**_W)) -> bool:
    """Whether every read quorum meets every write quorum: R + W > N."""
    _within("quorum.overlap", N, R, W)
    return R + W > N


@formula("quorum.stale_probability", words=["stale read", "miss the newest write", "read miss", "old value",
        "chance of a stale read", "stale", "reads miss", "misses the latest write", "misses the newest write", "outdated",
        "old data", "miss the latest"],
    unit="fraction", cases=[
    Case({"N": 3, "R": 1, "W": 1}, {"result": 2 / 3}, rel=1e-9, source="P. Bailis et al., VLDB 5(8), 2012"),
    Case({"N": 5, "R": 2, "W": 2}, {"result": 0.3}, rel=1e-9, source="C(3,2) / C(5,2)"),
    Case({"N": 3, "R": 2, "W": 2}, {"result": 0.0}, abs=1e-12, source="R + W > N"),
], asks=[
    Ask("N=5, R=1, W=3: how likely does a read miss the newest write?", "result", 0.4),
    Ask("7 replicas, a write goes to 3 and a read asks 2 of them, before anything else has spread. Chance "
        "of a stale read?", "result", 0.285714286),
    Ask("Our store keeps 4 copies. Writes wait for 2 acks, reads from 1 copy. What is the probability to read an "
        "old value right after the write?", "result", 0.5),
])
def stale_probability(N: int = param(**_N), R: int = param(**_R), W: int = param(**_W)) -> float:
    """Chance that R random replicas miss all W that hold the newest write, before it spreads: C(N-W, R) / C(N, R)."""
    _within("quorum.stale_probability", N, R, W)
    return math.comb(N - W, R) / math.comb(N, R)


@formula("quorum.stale_probability_at", words=["ms after the write", "stale after", "after the write", "replication lag",
        "still stale"], unit="fraction", cases=[
    Case({"N": 3, "R": 1, "W": 1, "t_ms": 0, "lag_ms": 10}, {"result": 2 / 3}, rel=1e-9, source="no time to spread"),
    Case({"N": 2, "R": 1, "W": 1, "t_ms": 10, "lag_ms": 10}, {"result": 0.5 * math.exp(-1)}, rel=1e-9,
         source="the other replica, and not there yet"),
], asks=[
    Ask("N=3, R=1, W=1 with a replication lag of 50 ms: chance of a stale read 20 ms after the write?", "result", 0.446880031),
    Ask("5 replicas, read quorum 2, write quorum 2, a mean lag of 30 ms. How likely is a read stale that "
        "comes 10 ms later?", "result", 0.154025136),
])
def stale_probability_at(
    N: int = param(**_N), R: int = param(**_R), W: int = param(**_W),
    t_ms: float = param(ge=0, le=1e9, unit="ms", words=["after", "later", "after the write", "read after", "ms after"]),
    lag_ms: float = param(gt=0, le=1e9, unit="ms", words=["lag", "replication lag", "lag of", "mean lag"]),
) -> float:
    """Chance of a stale read t_ms after the write, when each other replica gets it after an exponential lag."""
    _within("quorum.stale_probability_at", N, R, W)
    late = math.exp(-t_ms / lag_ms)
    return math.fsum(
        math.comb(N - W, left) * late**left * (1 - late) ** (N - W - left) * math.comb(left, R) / math.comb(N, R)
        for left in range(R, N - W + 1))


@formula("quorum.majority", words=["majority", "quorum size", "raft", "how many votes", "acks does a write need", "majority of",
        "how many nodes make", "votes needed", "quorum of a cluster", "nodes must agree", "acknowledge"],
    unit="replicas", cases=[
    Case({"N": 5}, {"result": 3}, source="floor(N/2) + 1"), Case({"N": 4}, {"result": 3}, source="floor(N/2) + 1"),
], asks=[
    Ask("How many votes make a majority of 9 nodes?", "result", 5.0),
    Ask("How big is the quorum of a raft cluster of 7?", "result", 4.0),
    Ask("We have 6 nodes, how many votes make a majority?", "result", 4.0),
    Ask("11 members must agree by majority: how many acks does a write need?", "result", 6.0),
])
def majority(N: int = param(**_N)) -> int:
    """Smallest majority of N replicas: floor(N/2) + 1."""
    return N // 2 + 1


@formula("quorum.tolerates", words=["can die", "may die", "can fail", "may fail", "can we lose", "can crash", "lose quorum",
         "failures tolerated", "raft", "etcd", "zookeeper", "survive", "replicas can fail", "majority writes", "majority left"],
    unit="replicas", cases=[
    Case({"N": 5}, {"result": 2}, source="majority quorum"), Case({"N": 4}, {"result": 1}, source="no better than 3"),
], asks=[
    Ask("A raft group of 9: how many members can fail before it stops?", "result", 4.0),
    Ask("How many nodes can we lose in an etcd cluster of 5?", "result", 2.0),
    Ask("A zookeeper ensemble of 7 nodes: how many servers may crash before it loses quorum?", "result", 3.0),
    Ask("we run consensus on six machines, how many of the nodes can die and a majority is still left?", "result", 2.0),
])
def tolerates(N: int = param(**_N)) -> int:
    """How many of N replicas may fail while a majority is left: floor((N-1)/2)."""
    return (N - 1) // 2


@formula("quorum.availability", words=["majority up", "quorum available", "chance the cluster works", "enough nodes are up", "quorum of"],
    unit="fraction", cases=[
    Case({"N": 5, "quorum": 3, "a": 0.99}, {"result": 0.99999015}, rel=1e-8, source="binomial"),
], asks=[
    Ask("7 replicas that are each up 95%, and a quorum of 4 is needed: how likely is it there?", "result", 0.999807, 1e-05),
    Ask("5 replicas at 97% each, a quorum of 3 is needed. How likely is the quorum available?", "result", 0.999742004, 1e-05),
    Ask("What is the chance that at least 2 of 3 nodes are up when each is up 99% of the time?", "result", 0.999702, 1e-05),
])
def availability(
    N: int = param(**_N), quorum: int = param(ge=1, le=100, unit="replicas", words=["quorum", "at least", "majority of", "needed",
                                                                                    "need", "must be up", "enough"]),
    a: float = param(**_A),
) -> float:
    """Chance that at least `quorum` of N independent replicas are up."""
    _within("quorum.availability", N, quorum, quorum)
    return min(1.0, float(k_of_n(quorum, N, a)))


class Quorum(Params):
    replicas: int = param(3, ge=1, le=25, unit="replicas", words=["replicas", "nodes", "N", "copies", "members"])
    read_quorum: int = param(1, ge=1, le=25, unit="replicas", words=["read quorum", "R", "reads from", "read from"])
    write_quorum: int = param(1, ge=1, le=25, unit="replicas", words=["write quorum", "W", "writes to", "write to", "acks"])
    availability: float = param(0.99, ge=0, le=1, unit="fraction", words=["availability", "available", "uptime", "up"])
    lag_ms: float = param(100.0, gt=0, le=1e7, unit="ms", words=["replication lag", "lag", "delay of replication"])
    read_after_ms: float = param(0.0, ge=0, le=1e8, unit="ms", words=["after the write", "later", "read after"])
    near_replicas: int = param(1, ge=0, le=25, unit="replicas", words=["in the client's region", "near", "local"])
    near_ms: float = param(1.0, ge=0, le=1e6, unit="ms", words=["within the region", "near", "local round trip"])
    far_ms: float = param(80.0, ge=0, le=1e6, unit="ms", words=["between regions", "far", "cross-region"])
    reachable: int | None = param(None, ge=0, le=25, unit="replicas", words=["reachable", "on the client's side", "partition"],
                                  help="replicas on the client's side of a partition; none: no partition")


@tool("quorum", group="A",
      words=["quorum", "read quorum", "write quorum", "stale read", "R+W>N", "CAP", "partition", "split brain", "majority",
             "eventual consistency", "active-active"],
      example={"replicas": 3, "read_quorum": 1, "write_quorum": 1, "read_after_ms": 50},
      cases=[
          Case({"replicas": 3, "read_quorum": 1, "write_quorum": 1}, {"stale_probability": 2 / 3}, rel=1e-9,
               source="P. Bailis et al., VLDB 5(8), 2012"),
          Case({"replicas": 5, "read_quorum": 3, "write_quorum": 3}, {"write_availability": 0.99999015,
               "stale_probability": 0.0}, abs=1e-8, source="binomial; R + W > N"),
          Case({"replicas": 3, "read_quorum": 2, "write_quorum": 2, "reachable": 1}, {"side_writes": False,
               "other_side_writes": True, "conflicting_writes": False}, source="one majority at most"),
      ],
      asks=[
          Ask("With 3 replicas, a read quorum of 1 and a write quorum of 1: how likely is a stale read right after a write?",
              "stale_probability", 2 / 3),
          Ask("5 nodes at 99% availability: how available are writes with a write quorum of 3?", "write_availability",
              0.99999015),
          Ask("N=5 replicas, R=2, W=2: what is the probability to read stale data?", "stale_probability", 0.3),
          Ask("3 replicas that are 99.9% available, read quorum 2: availability of reads?", "read_availability", 0.999997),
      ])
def quorum(p: Quorum, seed: int) -> ToolResult:
    """Whether reads see the newest write, how often a quorum is up, what it costs in time, and what a partition does.

    A write returns after `write_quorum` of `replicas` acknowledge, a read asks `read_quorum` random ones and takes the
    newest version. Quorums that must overlap (R + W > N) see it; else all R may lie among those that lack it, which the
    others get after an exponential lag. A quorum's latency is that of its farthest member, its nearest taken first.
    Under a partition each side serves what it has a quorum for; when both can write, versions conflict.

    People get wrong: that a store can be strong and active-active and fast. Strong needs R + W > N (and W > N/2 against
    conflicting writes), hence a far replica in each quorum that spans regions; fast quorums are the ones that read
    stale or lose a side in a partition. Overlap alone isn't linearizability: failed or concurrent writes still show.

    Sources: D. Gifford, "Weighted Voting", SOSP 1979; P. Bailis et al., "Probabilistically Bounded Staleness", VLDB 2012;
    S. Gilbert, N. Lynch, "Brewer's Conjecture", SIGACT News 33(2), 2002.

    >>> found = quorum(Quorum(replicas=5, read_quorum=2, write_quorum=2), 0).values
    >>> found["stale_probability"], found["overlap"]
    (0.3, False)
    """
    n, r, w = p.replicas, p.read_quorum, p.write_quorum
    _within("quorum", n, r, w)
    if p.reachable is not None and p.reachable > n:
        raise ToolError(f"quorum: reachable is {p.reachable} of only {n} replicas; it must lie between 0 and {n}.")
    near = min(p.near_replicas, n)
    values: dict[str, Any] = {
        "overlap": r + w > n, "writes_overlap": 2 * w > n,
        "stale_probability": float(stale_probability_at(n, r, w, p.read_after_ms, p.lag_ms)),
        "read_availability": float(availability(n, r, p.availability)),
        "write_availability": float(availability(n, w, p.availability)),
        "read_ms": p.near_ms if r <= near else max(p.near_ms if near else 0.0, p.far_ms),
        "write_ms": p.near_ms if w <= near else max(p.near_ms if near else 0.0, p.far_ms),
        **_partition(p),
    }
    any_one = 1 - (1 - p.availability) ** n
    naive = {"stale_probability": 0.0, "read_availability": any_one, "write_availability": any_one, "read_ms": p.near_ms,
             "write_ms": p.near_ms}
    times = [p.lag_ms * step / 10 for step in range(51)]
    return ToolResult(
        tool="quorum", values=values, naive=naive, summary=_summary(p, values, any_one),
        units={"stale_probability": "fraction", "read_availability": "fraction", "write_availability": "fraction",
               "read_ms": "ms", "write_ms": "ms"},
        formula="overlap: R + W > N; stale = sum_j P[j of N-W still lack it] C(j, R) / C(N, R); availability = P[at least k of "
        "N up]; latency = that of the quorum's farthest member",
        series={"t_ms": list(times), "stale_probability": [float(stale_probability_at(n, r, w, t, p.lag_ms)) for t in times]},
        plot=Plot(title=f"R={r}, W={w} of {n}: " + ("reads see the last write" if r + w > n else "reads may be stale for a while"),
                  x_label="time since the write (ms)",
                  y_label="chance of a stale read (fraction)", lines=[
            Line(label=f"R={r}, W={w} of {n}", x=list(times),
                 y=[float(stale_probability_at(n, r, w, t, p.lag_ms)) for t in times]),
            Line(label=f"majorities, R=W={n // 2 + 1}", x=list(times), y=[0.0] * len(times)),
            *([] if r == w == 1 else [Line(label="R=W=1", x=list(times), y=[
                float(stale_probability_at(n, 1, 1, t, p.lag_ms)) for t in times])]),
            Line(label="always fresh (naive)", x=list(times), y=[0.0] * len(times), dashed=True)],
                  marks=[{"axis": "x", "at": p.read_after_ms, "label": f"this read: {p.read_after_ms:g} ms"}]
                  if 0 < p.read_after_ms <= times[-1] else []),
        assumptions=["replicas fail independently; a read asks R random ones, sloppy quorums and read repair aside",
                     f"each replica that misses the write gets it after {p.lag_ms:g} ms on average, exponentially",
                     f"{near} of the replicas are near the client ({p.near_ms:g} ms), the others far ({p.far_ms:g} ms)"],
        warnings=_warnings(p, values),
    )


def _partition(p: Quorum) -> dict[str, Any]:
    """What each side of the partition may do; all None without one."""
    names = ("side_reads", "side_writes", "other_side_reads", "other_side_writes", "conflicting_writes",
             "stale_across_partition")
    if p.reachable is None:
        return dict.fromkeys(names)
    side, other = p.reachable, p.replicas - p.reachable
    reads, writes = side >= p.read_quorum, side >= p.write_quorum
    other_reads, other_writes = other >= p.read_quorum, other >= p.write_quorum
    stale = (writes and other_reads) or (other_writes and reads)
    return dict(zip(names, (reads, writes, other_reads, other_writes, writes and other_writes, stale), strict=True))


def _summary(p: Quorum, values: dict[str, Any], any_one: float) -> str:
    text = (f"R={p.read_quorum}, W={p.write_quorum} of {p.replicas}: a read {p.read_after_ms:g} ms after a write is stale with "
            f"probability {values['stale_probability']:.4g} (fresh by hope: 0); reads are {values['read_availability']:.8g} and "
            f"writes {values['write_availability']:.8g} available (one replica would do for {any_one:.8g}), in "
            f"{values['read_ms']:g} and {values['write_ms']:g} ms.")
    if p.reachable is not None:
        does = {(True, True): "reads and writes", (True, False): "only reads", (False, True): "only writes",
                (False, False): "neither reads nor writes"}
        text += (f" In the partition the client's side {does[values['side_reads'], values['side_writes']]}, the other "
                 f"{does[values['other_side_reads'], values['other_side_writes']]}.")
    return text


def _warnings(p: Quorum, values: dict[str, Any]) -> list[str]:
    warnings = []
    if not values["overlap"]:
        warnings.append("R + W <= N: a read may miss the newest write until replication catches up.")
    if not values["writes_overlap"] and p.replicas > 1:
        warnings.append("W <= N/2: two writes may be accepted by disjoint replicas and conflict.")
    if values["conflicting_writes"]:
        warnings.append("Both sides of the partition accept writes: split brain, somebody must merge.")
    return warnings


def _within(name: str, N: int, R: int, W: int) -> None:
    if R > N or W > N:
        raise ToolError(f"{name}: a quorum of {max(R, W)} can't be met by {N} replicas; it must lie between 1 and {N}.")
