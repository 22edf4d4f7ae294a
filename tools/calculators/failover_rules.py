"""Formulas of failover: lost writes, RPO, RTO, and which systems may lose what they acknowledged. Runs no clock."""

from __future__ import annotations

import re
from typing import Any, Literal

from tools.base import Ask, Case, ToolError, formula, param

MAY_LOSE: dict[str, tuple[str, bool, str]] = {
    "redis cluster": (
        r"redis", True,
        "asynchronous replication: a promoted replica may miss acknowledged writes (Redis Cluster specification)"),
    "postgres async": (
        r"postgres.*async|async.*postgres", True,
        "without a synchronous standby a commit waits for the local disk only (PostgreSQL documentation)"),
    "postgres sync": (
        r"postgres", False,
        "a synchronous standby has flushed the commit before it is acknowledged (PostgreSQL documentation)"),
    "mysql async": (r"mysql(?!.*semi)", True, "the source doesn't wait for replicas (MySQL manual, replication)"),
    "mysql semi-sync": (
        r"mysql", False,
        "a replica has the commit first, until the timeout falls back to asynchronous (MySQL manual, AFTER_SYNC)"),
    "kafka acks=1": (
        r"acks\s*=?\s*(?:1|0)\b", True, "the leader answers before followers have the record (Kafka documentation)"),
    "kafka acks=all": (
        r"kafka", False,
        "every in-sync replica has it; needs min.insync.replicas of 2 and clean elections (Kafka documentation)"),
    "raft": (
        r"raft|etcd|zookeeper|zab|paxos|consul|spanner|cockroach", False,
        "a majority has the entry first, and a leader needs a majority (D. Ongaro, J. Ousterhout, 2014)"),
    "cassandra one": (
        r"cassandra.*\bone\b", True, "one replica has answered, and it may die (Cassandra documentation)"),
    "cassandra quorum": (r"cassandra", False, "a majority of replicas has the write (Cassandra documentation)"),
}
"""Name: (pattern, whether a single failover may lose acknowledged writes in that setting, why)."""

_RATE: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "rps", "words": ["writes", "write rate", "writes per second", "we write",
        "rows", "commits", "orders", "inserts", "updates", "writes/s", "transactions", "per second", "takes", "gets"]}


@formula("failover.lost_writes", words=["lost writes", "writes are lost", "writes lost", "data loss", "primary dies",
        "primary crashes", "lose", "are lost", "gone", "acknowledged writes", "how many writes", "disappear",
        "missing after the failover"],
    unit="writes", cases=[
    Case({"write_rps": 2000, "lag_ms": 250}, {"result": 500}, rel=1e-12, source="rate * lag"),
    Case({"write_rps": 2000, "lag_ms": 250, "mode": "sync"}, {"result": 0}, source="acknowledged only when replicated"),
], asks=[
    Ask("800 writes per second, the async replica is 1.5 s behind and the primary dies: how many writes are lost?", "result", 1200.0),
    Ask("3,000 writes per second and a replication lag of 40 ms: how many writes are lost when the primary dies?", "result", 120.0),
    Ask("Our async replica is two seconds behind, we take 450 orders per second. How many orders are gone after "
        "a failover?", "result", 900.0),
])
def lost_writes(
    write_rps: float = param(**_RATE),
    lag_ms: float = param(ge=0, le=1e9, unit="ms", words=["lag", "replication lag", "behind", "lags", "late", "old", "stale",
        "late by", "delay", "lag of"]),
    mode: Literal["async", "sync"] = param("async", words=["mode", "replication"]),
) -> float:
    """Acknowledged writes that die with an asynchronous primary: write rate * replication lag; none when
    synchronous."""
    return write_rps * lag_ms / 1000 if mode == "async" else 0.0


@formula("failover.rto_s", words=["without a primary", "no primary", "rto", "until the failover", "heartbeat", "time to detect",
        "detection", "recovery time", "how long are we down", "time to recover", "unavailable during a failover",
        "how long is the failover", "downtime of a failover", "no master"],
    unit="s", cases=[
    Case({"heartbeat_s": 1, "misses": 3, "election_s": 2, "redirect_s": 5}, {"result": 10}, rel=1e-12,
         source="3 + 2 + 5")], asks=[
    Ask("Health check every 5 s, 2 failed checks, promotion takes 8 s and the DNS TTL is 30 s: how long "
        "are we without a primary?", "result", 48.0),
    Ask("Heartbeats every 500 ms, 6 missed beats mean dead, the election takes 1.5 s. What is the RTO in seconds?", "result", 4.5),
    Ask("Pings every 10 s, three missed pings, promotion needs 20 s and the DNS TTL is 60 s. How long are we "
        "down in seconds?", "result", 110.0),
])
def rto_s(
    heartbeat_s: float = param(ge=0, le=86_400, unit="s", words=["heartbeat", "health check", "checked every", "ping", "beats",
        "heartbeats every", "heartbeats", "beat every", "checks every", "pings every"]),
    misses: int = param(ge=1, le=1_000, unit="count", words=["misses", "missed", "missing", "in a row", "failed checks",
        "missed heartbeats", "missed ones", "missed beats", "beats are missed", "failed", "tolerated"]),
    election_s: float = param(0.0, ge=0, le=86_400, unit="s", words=["election", "promotion", "promote", "promoting", "elect"]),
    redirect_s: float = param(0.0, ge=0, le=864_000, unit="s", words=["redirect", "dns", "dns ttl", "reconnect", "clients", "ttl",
        "clients notice", "load balancer", "switch over", "redirecting"]),
) -> float:
    """Time without service, the RTO: detection (heartbeat * misses) + election + redirecting the clients.

    What isn't told of the election and the redirection is 0."""
    return heartbeat_s * misses + election_s + redirect_s


@formula("failover.rpo_s", words=["rpo", "backup every", "data lost at most", "recovery point", "lose at most", "data do we lose",
        "data can we lose", "worst case data loss", "last backup"],
    unit="s", cases=[
    Case({"backup_every_s": 3600}, {"result": 3600}, rel=1e-12, source="everything since the last backup"),
    Case({"lag_s": 0.25}, {"result": 0.25}, rel=1e-12, source="the replication lag")], asks=[
    Ask("Backups run every 6 hours and there is no replica. RPO in seconds?", "result", 21600.0),
    Ask("We snapshot every 15 minutes, no replication. What is the recovery point objective in seconds?", "result", 900.0),
    Ask("The replica has a lag of 3 s. RPO in seconds?", "result", 3.0),
])
def rpo_s(
    lag_s: float = param(0.0, ge=0, le=1e9, unit="s", words=["lag", "behind", "replica lag", "replication lag"]),
    backup_every_s: float = param(0.0, ge=0, le=1e9, unit="s", words=["backup every", "backups every", "backups run every",
        "backup", "snapshot every", "snapshots", "every", "dump every", "snapshot", "dumps"]),
) -> float:
    """Most data lost, in seconds of writes: the lag of the copy that takes over, or the time since the last backup."""
    return max(lag_s, backup_every_s)


@formula("failover.downtime_min_per_yr", words=["failovers a year", "failovers per year", "failovers cost",
        "downtime from failovers", "failovers a month", "cost a year", "minutes a year do failovers"],
    unit="min/year", cases=[
    Case({"failovers_per_year": 12, "rto_s": 30}, {"result": 6}, rel=1e-12, source="12 * 30 s")], asks=[
    Ask("20 failovers a year and an RTO of 45 s: how many minutes of downtime a year?", "result", 15.0),
    Ask("8 failovers a year, each takes 90 s: how many minutes of downtime do they cost a year?", "result", 12.0),
    Ask("The primary fails over 50 times a year with an RTO of 12 s. Minutes a year without service?", "result", 10.0),
])
def downtime_min_per_yr(
    failovers_per_year: float = param(ge=0, le=1e6, unit="count", words=["failovers", "failures a year", "times a year",
        "switchovers", "failovers a year", "incidents"]),
    rto_s: float = param(ge=0, le=1e7, unit="s", words=["rto", "each takes", "takes", "each", "lasts", "failover takes",
        "recovery takes"]),
) -> float:
    """Minutes a year that failovers alone cost."""
    return failovers_per_year * rto_s / 60


@formula("failover.partition_lost_writes", words=["minority side", "partition", "split brain", "old primary", "network partition",
        "writes of the minority", "cut off", "lost in the partition"],
    unit="writes", cases=[
    Case({"write_rps": 1000, "minority_share": 0.1, "partition_s": 60, "node_timeout_s": 15}, {"result": 1500},
         rel=1e-12, source="1000 * 0.1 * min(60, 15)")], asks=[
    Ask("1,500 writes per second, a partition of 40 s leaves 20% of the clients on the minority side "
        "and the node timeout is 10 s: how many writes are lost?", "result", 3000.0),
    Ask("A network partition of 30 s: 25% of the clients stay with the old primary, 800 writes per second, "
        "node timeout 20 s. How many writes are lost?", "result", 4000.0),
    Ask("2,000 writes per second, 10% of the clients on the minority side, the partition lasts 8 s and the "
        "node timeout is 15 s. How many acknowledged writes are lost?", "result", 1600.0),
])
def partition_lost_writes(
    write_rps: float = param(**_RATE),
    minority_share: float = param(ge=0, le=1, unit="fraction", words=["minority", "clients on the minority side", "of the clients",
        "on the wrong side", "with the old primary", "stay with the old primary", "cut off"]),
    partition_s: float = param(ge=0.001, le=1e7, unit="s", words=["partition", "partition lasts", "partition of", "lasts", "for",
        "split for"]),
    node_timeout_s: float | None = param(15.0, ge=0, le=1e7, unit="s", words=["node timeout", "fenced after", "timeout",
        "steps down after", "stops after", "timeout of"],
                                         help="after which the old primary refuses writes; none: never"),
) -> float:
    """Acknowledged writes of clients left with the old primary of a partition; it takes them until the node timeout."""
    return write_rps * minority_share * (partition_s if node_timeout_s is None else min(partition_s, node_timeout_s))


@formula("failover.may_lose_acknowledged", cases=[
    Case({"system": "Redis Cluster"}, {"result": True}, source="Redis Cluster specification, write safety"),
    Case({"system": "etcd"}, {"result": False}, source="Raft"),
    Case({"system": "Kafka acks=1"}, {"result": True}, source="Kafka docs"),
    Case({"system": "PostgreSQL with a synchronous standby"}, {"result": False}, source="PostgreSQL documentation")])
def may_lose_acknowledged(
    system: str = param(max_length=200, words=["system", "database"], help=f"one of {', '.join(MAY_LOSE)}"),
) -> bool:
    """Whether one failover of a system may lose writes that it had acknowledged."""
    return _known(system)[1]


@formula("failover.why", cases=[Case({"system": "raft"}, {"result": MAY_LOSE["raft"][2]},
                                     source="table of this module")])
def why(system: str = param(max_length=200, words=["system", "database"])) -> str:
    """Why a failover of a system may or can't lose acknowledged writes, with its source."""
    return _known(system)[2]


def _known(system: str) -> tuple[str, bool, str]:
    text = system.lower().replace("postgresql", "postgres").replace("asynchronous", "async")
    found = next((entry for entry in MAY_LOSE.values() if re.search(entry[0], text)), None)
    if found is None:
        raise ToolError(f"failover.may_lose_acknowledged doesn't know {system[:40]!r}; choose one of "
                        f"{', '.join(MAY_LOSE)}.")
    return found
