"""A primary with a replica that fails, write by write: what was acknowledged and didn't survive. Knows no database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, Value, param, tool

Ints = NDArray[np.int64]

MAX_WRITES = 500_000


class Failover(Params):
    mode: Literal["async", "semi-sync", "sync"] = param("async", words=["mode", "replication"])
    failure: Literal["node", "region", "partition"] = param("node", words=["failure", "loss of", "in a"])
    replica_in: Literal["same region", "other region"] = param("same region", words=["replica in"])
    write_rps: float = param(2_000.0, ge=0.01, le=1e5, unit="rps",
                             words=["writes", "writes per second", "write rate", "write load"])
    lag_ms: float = param(250.0, ge=0, le=600_000, unit="ms", words=["replication lag", "lag", "behind"])
    jitter: float = param(0.0, ge=0, le=1, unit="fraction", words=["jitter", "lag varies"],
                          help="lag of each write varies by so much")
    rtt_ms: float = param(1.0, ge=0, le=10_000, unit="ms", words=["rtt", "round trip"],
                          help="between primary and replica")
    semi_sync_timeout_ms: float = param(1_000.0, ge=0, le=600_000, unit="ms",
                                        words=["semi-sync timeout", "falls back after"])
    crash_at_s: float = param(30.0, ge=0.001, le=3_600, unit="s", words=["crash at", "fails at", "dies at"])
    heartbeat_s: float = param(1.0, ge=0, le=3_600, unit="s", words=["heartbeat", "health check", "checked every"])
    misses: int = param(3, ge=1, le=100, unit="count", words=["misses", "missed heartbeats", "missed"])
    election_s: float = param(2.0, ge=0, le=3_600, unit="s", words=["election", "promotion", "promote"])
    redirect_s: float = param(5.0, ge=0, le=86_400, unit="s", words=["redirect", "dns ttl", "dns", "reconnect"])
    partition_s: float = param(60.0, ge=0, le=3_600, unit="s", words=["partition lasts", "partition for"])
    fence_s: float | None = param(15.0, ge=0, le=3_600, unit="s",
                                  words=["fenced after", "node timeout", "lease", "fence"],
                                  help="after which a cut-off primary refuses writes; none: never")
    minority_share: float = param(0.1, ge=0, le=1, unit="fraction",
                                  words=["minority", "clients on the minority", "of the clients"])


@dataclass(frozen=True)
class Writes:
    """Integer milliseconds at which each write arrives, is acknowledged by a primary that lives on, and is at the
    replica."""

    arrived: Ints
    acked: Ints
    replicated: Ints

    def lost_at(self, crash_ms: int, survives: bool) -> int:
        """Writes acknowledged by the crash that no surviving copy has."""
        acked = int(np.searchsorted(self.acked, crash_ms, "right"))
        return max(0, acked - (int(np.searchsorted(self.replicated, crash_ms, "right")) if survives else 0))


@tool("failover", group="H", kind="simulator",
      words=["failover", "rpo", "rto", "lost writes", "data loss", "async replication", "primary dies", "region loss",
             "split brain", "promote a replica", "acknowledged writes"],
      example={"mode": "sync", "failure": "region"},
      cases=[
          Case({}, {"lost_writes": 500, "rpo_s": 0.25, "rto_s": 10}, rel=0.01, source="2,000/s * 250 ms; 3 + 2 + 5 s"),
          Case({"mode": "sync"}, {"lost_writes": 0, "rpo_s": 0.0}, source="acknowledged only when replicated"),
          Case({"mode": "sync", "failure": "region"}, {"lost_writes": 59_500}, rel=1e-3,
               source="both copies were in the region"),
          Case({"mode": "sync", "failure": "region", "replica_in": "other region"}, {"lost_writes": 0},
               source="the copy survives"),
          Case({"mode": "semi-sync", "lag_ms": 1500}, {"lost_writes": 1_000}, rel=0.01,
               source="acknowledged after 1 s without the replica: 2,000/s * 0.5 s"),
          Case({"failure": "partition", "lag_ms": 0}, {"lost_writes": 3_000}, rel=0.01,
               source="10% of 2,000/s until the fence at 15 s"),
      ],
      asks=[
          Ask("The primary takes 2,000 writes per second with a replication lag of 250 ms and dies: how many "
              "acknowledged writes are lost in the failover?", "lost_writes", 500),
          Ask("What RTO do I get from a heartbeat of 1 s with 3 misses, an election of 2 s and a DNS TTL of 5 s in a "
              "failover?", "rto_s", 10),
          Ask("Failover with sync replication at 5k writes/s: lost writes?", "lost_writes", 0),
          Ask("Async replication that lags 2 s behind: what RPO after a failover?", "rpo_s", 2),
          Ask("In a partition, 10% of the clients stay with the old primary, which is fenced after 15 s, at 2,000 "
              "writes per second and a lag of 0 ms. Lost writes?", "lost_writes", 3000),
      ])
def failover(p: Failover, seed: int) -> ToolResult:
    """Loses a primary (or its region, or the link to it) and counts the writes that were acknowledged and are gone.

    Writes arrive evenly. Asynchronous: acknowledged at once, at the replica `lag_ms` later, in order. Synchronous:
    acknowledged when the replica has it and half a round trip has brought the answer back. Semi-synchronous: so, but
    after a timeout without the replica it acknowledges alone. RTO = heartbeat * misses + election + redirect. In a
    partition the cut-off primary goes on taking the writes of its clients until it is fenced; a sync one can't.

    People get wrong:
    - Asynchronous replication fails over without loss: what is under way to the replica is gone, and it was
      acknowledged.
    - A synchronous copy saves us: not when the region burns in which both are; across regions each write pays the trip.
    - Semi-synchronous is synchronous: a slow replica turns it into asynchronous, just when the trouble begins.
    - Failover is instant: detection dominates, and clients still hold the old address.

    Sources: Redis Cluster specification (write safety: acknowledged writes may be lost in failover and partition);
    MySQL manual, semisynchronous replication; PostgreSQL documentation, synchronous replication.

    >>> run = failover(Failover(), 0).values
    >>> run["lost_writes"], run["rto_s"]
    (500, 10.0)
    """
    crash = round(p.crash_at_s * 1000)
    writes = _writes(p, seed)
    survives = _survives(p)
    lost = _lost(p, writes, crash, survives)
    moments = np.linspace(0, crash, 201).astype(np.int64).tolist()
    curve = [writes.lost_at(moment, survives) for moment in moments]
    rto = p.heartbeat_s * p.misses + p.election_s + p.redirect_s
    waits = (writes.acked - writes.arrived)[writes.acked <= crash]
    values: dict[str, Value] = {
        "lost_writes": lost, "rpo_s": lost / p.write_rps, "rto_s": rto, "detection_s": p.heartbeat_s * p.misses,
        "failed_writes": round(p.write_rps * rto), "worst_lost_writes": max(lost, *curve),
        "ack_latency_ms": float(waits.mean()) if len(waits) else None,
        "acknowledged_writes": int(np.searchsorted(writes.acked, crash, "right"))}
    return ToolResult(
        tool="failover", values=values,
        units={key: "s" if key.endswith("_s") else "ms" if key.endswith("_ms") else "writes" for key in values},
        naive={"lost_writes": 0, "rto_s": 0.0},
        summary=f"{lost:,} acknowledged writes are lost ({values['rpo_s']:.3g} s of them), not none; the service is "
                f"back after {rto:g} s, of which {p.heartbeat_s * p.misses:g} s pass before anyone notices, and "
                f"{values['failed_writes']:,} writes fail meanwhile.",
        formula="async: lost = write rate * lag; sync: 0 while a copy survives; RTO = heartbeat * misses + election + "
                "redirect; partition: + rate * minority share * min(partition, fence)",
        series={"crash_s": [moment / 1000 for moment in moments], "lost_writes": curve},
        plot=_plot(p, seed),
        assumptions=["writes are evenly spaced and equal", "the replica applies in order",
                     "a promoted replica's history wins"]
        + (["one replica in another region"] if p.replica_in == "other region" else []),
        warnings=_warnings(p),
    )


def _writes(p: Failover, seed: int) -> Writes:
    end = p.crash_at_s + 1
    count = int(end * p.write_rps) + 1
    if count > MAX_WRITES:
        raise ToolError(f"failover: {count:,} writes until crash_at_s are too many; write_rps * crash_at_s may be at "
                        f"most {MAX_WRITES:,}.")
    arrived = np.round(np.arange(count) * 1000 / p.write_rps).astype(np.int64)
    lags = np.full(count, p.lag_ms)
    if p.jitter:
        lags *= 1 + p.jitter * np.random.default_rng(seed).uniform(-1, 1, count)
    replicated = np.maximum.accumulate(arrived + np.round(lags).astype(np.int64))
    confirmed = replicated + round(p.rtt_ms / 2)
    if p.mode == "async":
        acked = arrived
    elif p.mode == "sync":
        acked = confirmed
    else:
        acked = np.maximum.accumulate(np.minimum(confirmed, arrived + round(p.semi_sync_timeout_ms)))
    return Writes(arrived, acked, replicated)


def _survives(p: Failover) -> bool:
    return not (p.failure == "region" and p.replica_in == "same region")


def _lost(p: Failover, writes: Writes, crash: int, survives: bool) -> int:
    if p.failure != "partition":
        return writes.lost_at(crash, survives)
    lost = writes.lost_at(crash, True)
    alone_s = p.partition_s if p.fence_s is None else min(p.partition_s, p.fence_s)
    if p.mode == "sync":
        return lost
    if p.mode == "semi-sync":
        alone_s = max(0.0, alone_s - p.semi_sync_timeout_ms / 1000)
    return lost + round(p.write_rps * p.minority_share * alone_s)


def _plot(p: Failover, seed: int) -> Plot:
    """What each mode loses in each kind of failure; the replica stays where it is."""
    named: dict[str, Literal["node", "region", "partition"]] = {
        "primary": "node", f"region of {'both copies' if p.replica_in == 'same region' else 'the primary'}": "region",
        "link (partition)": "partition"}
    lines = []
    for mode in ("async", "semi-sync", "sync"):
        arms = [p.model_copy(update={"mode": mode, "failure": failure}) for failure in named.values()]
        writes = _writes(arms[0], seed)
        lines.append(Line(label=mode + (" (chosen)" if mode == p.mode else ""), kind="bar", x=list(named), y=[
            _lost(arm, writes, round(p.crash_at_s * 1000), _survives(arm)) for arm in arms]))
    lines.append(Line(label="acknowledged is safe (naive)", kind="bar", x=list(named), y=[0] * len(named), dashed=True))
    return Plot(title="Acknowledged isn't safe: writes lost by replication mode", x_label="what fails",
                y_label="acknowledged writes lost (count)", log_y=True, lines=lines)


def _warnings(p: Failover) -> list[str]:
    found = []
    if p.failure == "region" and p.replica_in == "same region":
        found.append("Every copy was in the lost region: only a backup elsewhere is left.")
    if p.mode == "semi-sync" and p.lag_ms > p.semi_sync_timeout_ms:
        found.append("The replica is slower than the semi-sync timeout, so writes are acknowledged without it.")
    if p.failure == "partition" and p.fence_s is None and p.mode != "sync":
        found.append("Without fencing two primaries take writes for the whole partition (split brain).")
    if p.mode == "sync":
        found.append("A synchronous primary without its replica must stop writing, or it isn't synchronous any more.")
    return found
