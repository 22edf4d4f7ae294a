"""Delivery guarantees in numbers: rows, duplicates and losses after a crash, replays, delays of a commit."""

from __future__ import annotations

from typing import Any

from tools.base import Ask, Case, ToolError, formula, outputs, param
from tools.simulators.delivery import Crash, Phase, Sink, deliver

_MODES: dict[str, Sink] = {
    "amo": "at-most-once", "at-most-once": "at-most-once", "alo": "at-least-once", "at-least-once": "at-least-once",
    "idem": "keyed-upsert", "idempotent": "keyed-upsert", "upsert": "keyed-upsert", "keyed-upsert": "keyed-upsert",
    "inc": "increment", "increment": "increment", "increments": "increment",
    "2pc": "two-phase-commit", "two-phase-commit": "two-phase-commit", "eos": "two-phase-commit",
    "exactly-once": "two-phase-commit",
}
_FLINK = "definition; Flink's checkpoints and two-phase-commit sink"
_RUN = {"N": 1000, "checkpoint_every": 100, "crash_after": 250}

_RECORDS: dict[str, Any] = {"ge": 1, "le": 10**12, "unit": "records",
                            "words": ["records", "events", "rows", "messages"]}
_EVERY: dict[str, Any] = {"ge": 1, "le": 10**12, "unit": "records",
                          "words": ["checkpoint every", "checkpoint", "checkpoints every", "per checkpoint"]}
_AFTER: dict[str, Any] = {"ge": 0, "le": 10**12, "unit": "records",
                          "words": ["crash after", "crashes after", "crash at", "fails after", "dies after"]}
_INTERVAL: dict[str, Any] = {"gt": 0, "le": 1e7, "unit": "s",
                             "words": ["checkpoint interval", "checkpoint every", "interval", "commits every"]}
_WRITE: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "s",
                          "words": ["checkpoint takes", "checkpoint duration", "takes"]}


@formula("stream.delivery", cases=[
    Case(_RUN | {"mode": "alo", "out": "rows,dups,lost"}, {"result": [1050, 50, 0]}, source=_FLINK),
    Case(_RUN | {"mode": "idem", "out": "rows,dups,lost"}, {"result": [1000, 0, 0]}, source=_FLINK),
    Case(_RUN | {"mode": "2pc", "out": "rows,dups,lost"}, {"result": [1000, 0, 0]}, source=_FLINK),
    Case(_RUN | {"mode": "amo", "out": "rows,dups,lost"}, {"result": [950, 0, 50]}, source=_FLINK),
    Case(_RUN | {"mode": "increment"}, {"result": [1050, 50, 0]},
         source="an upsert of x = x + 1 counts a replay again"),
    Case(_RUN | {"crash_after": [250, 380], "mode": "alo"}, {"result": [1130, 130, 0]}, source="50 + 80 replayed"),
])
def delivery(
    N: int = param(**_RECORDS), checkpoint_every: int = param(**_EVERY),
    crash_after: int | tuple[int, ...] = param(unit="records", words=_AFTER["words"],
                                               help="records read when the job dies; several crashes in a list"),
    mode: str = param(max_length=40, words=["mode", "guarantee", "sink"], help="amo, alo, idem, increment or 2pc"),
    phase: Phase = param("between-checkpoints", words=["phase", "during"], help="where in a checkpoint the job dies"),
    out: str = outputs(rows="row", duplicates="dup", lost="los[ts]"),
) -> list[int]:
    """[rows, duplicates, lost records] at the sink after a crash and a restart from the last complete checkpoint.

    A crash exactly at a checkpoint comes after it is complete. For increments the rows are the sum of the counters.
    """
    sink = _MODES.get(mode.strip().lower().replace("_", "-").replace(" ", "-"))
    if sink is None:
        raise ToolError(f"stream.delivery: mode can't be {mode[:40]!r}; it is one of amo, alo, idem, increment and "
                        f"2pc.")
    points = (crash_after,) if isinstance(crash_after, int) else crash_after
    if len(points) > 1_000:
        raise ToolError(f"stream.delivery: {len(points):,} crashes are too many; give at most 1,000.")
    return list(deliver(N, checkpoint_every, sink, [Crash(point, phase) for point in points]).tally())


@formula("stream.replayed", words=["processed again", "processed twice"], unit="records", cases=[
    Case({"checkpoint_every": 100, "crash_after": 250}, {"result": 50}, source="records since the last checkpoint"),
    Case({"checkpoint_every": 100, "crash_after": 300}, {"result": 0}, source="a crash right after a checkpoint"),
], asks=[Ask("Checkpoints every 100 records, and the job dies after 250: how many records are processed again?",
             "result", 50),
    Ask("A checkpoint every 500 records and the job fails after 1,730 records: how many are processed again?",
        "result", 230),])
def replayed(checkpoint_every: int = param(**_EVERY), crash_after: int = param(**_AFTER)) -> int:
    """Records processed a second time after a crash between checkpoints: those since the last complete one."""
    return crash_after % checkpoint_every


@formula("stream.expected_replay", words=["replayed", "events are replayed", "replay after a crash"], unit="records", cases=[
    Case({"rate_per_s": 10_000, "interval_s": 60}, {"result": 300_000}, source="half an interval on average"),
    Case({"rate_per_s": 10_000, "interval_s": 60, "checkpoint_s": 10}, {"result": 400_000}, source="arithmetic"),
], asks=[Ask("10k events per second with a checkpoint interval of 60 s: how many events does a crash replay on "
             "average?",
             "result", 300_000),
    Ask("A job that checkpoints every 2 min handles 20k events a second. How many events get replayed on average "
        "when it dies?", "result", 1200000),
    Ask("throughput 5,000 a second, checkpoint interval 30 s, each checkpoint takes 4 s - what is the average replay "
        "after a crash?", "result", 95000),])
def expected_replay(
    rate_per_s: float = param(ge=0, le=1e12, unit="rps", words=["events per second", "rate", "throughput"]),
    interval_s: float = param(**_INTERVAL), checkpoint_s: float = param(0.0, **_WRITE),
) -> float:
    """Records replayed after a crash at a random moment: rate * (interval / 2 + the time a checkpoint takes)."""
    return rate_per_s * (interval_s / 2 + checkpoint_s)


@formula("stream.visibility_s", words=["visible to readers", "how late is a row visible"], cases=[
    Case({"interval_s": 60, "checkpoint_s": 2}, {"mean_s": 32.0, "worst_s": 62.0}, source="arithmetic"),
], asks=[Ask("A two-phase-commit sink has a checkpoint interval of 60 s and each checkpoint takes 2 s: after how long "
             "at "
             "worst can a row be read?", "worst_s", 62),
    Ask("Exactly-once sink, checkpoint interval 30 s, checkpoint takes 1 s: how many seconds until a row is visible "
        "on average?", "mean_s", 16),])
def visibility_s(interval_s: float = param(**_INTERVAL), checkpoint_s: float = param(0.0, **_WRITE)) -> dict[str,
                                                                                                             float]:
    """Mean and worst time (s) from writing a row into a transaction until readers of committed data see it."""
    return {"mean_s": interval_s / 2 + checkpoint_s, "worst_s": interval_s + checkpoint_s}


@formula("stream.transaction_age_s", words=["transaction timeout"], unit="s", cases=[
    Case({"interval_s": 600, "checkpoint_s": 30, "downtime_s": 400}, {"result": 1030},
         source="begin of the transaction to the restart; Kafka's brokers allow 900 s by default"),
], asks=[Ask("Checkpoint interval 10 min, a checkpoint takes 30 s, and the job is down for 400 s: how old is the "
             "oldest "
             "transaction at the restart?", "result", 1030),
    Ask("Checkpoints commit every 5 min and take 20 s; after an outage of 15 min, what is the age of the oldest "
        "transaction?", "result", 1220),])
def transaction_age_s(
    interval_s: float = param(**_INTERVAL), checkpoint_s: float = param(0.0, **_WRITE),
    downtime_s: float = param(0.0, ge=0, le=1e8, unit="s", words=["down for", "downtime", "outage", "down"]),
) -> float:
    """Age of the oldest transaction when the job is back; a timeout below it loses the rows pre-committed in it."""
    return interval_s + checkpoint_s + downtime_s
