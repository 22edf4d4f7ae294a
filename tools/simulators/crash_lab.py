"""The crash lab: one stream job that dies at a chosen step, with every kind of sink, and what remains."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.simulators.delivery import SINKS, Crash, Ledger, Phase, Sink, deliver

_FLINK = "definition; Flink's checkpoints and two-phase-commit sink"
_SAYS = {"at-most-once": "buffers without replay (at most once)", "at-least-once": "appends at once (at least once)",
         "keyed-upsert": "upserts by a deterministic key", "increment": "adds 1 to a counter for each record",
         "two-phase-commit": "commits a transaction with each checkpoint (two-phase commit)"}


class CrashLab(Params):
    records: int = param(1_000, ge=1, le=10**9, unit="records", words=["records", "events", "messages", "rows", "of"])
    checkpoint_every: int = param(100, ge=1, le=10**9, unit="records",
                                  words=["checkpoint every", "checkpoints every", "checkpoint", "per checkpoint"])
    crash_after: int = param(250, ge=0, le=10**9, unit="records",
                             words=["crash after", "crashes after", "dies after", "died after", "after record", "fails after", "crash at"])
    crash_phase: Phase = param("between-checkpoints", words=["phase", "during", "step"],
                               help="where the job dies: between checkpoints, or at a step of the next checkpoint")
    sink: Sink = param("at-least-once", words=["sink", "guarantee", "delivery", "mode", "semantics"])
    crashes: int = param(1, ge=0, le=100, unit="count", words=["crashes", "times", "failures"],
                         help="the job dies that often at the same record")
    records_per_s: float = param(10.0, ge=1e-6, le=1e9, unit="rps",
                                 words=["records per second", "records a second", "rate", "throughput"])
    checkpoint_s: float = param(1.0, ge=0.0, le=1e6, unit="s", words=["checkpoint takes", "checkpoint duration"])
    downtime_s: float = param(30.0, ge=0.0, le=1e7, unit="s", words=["downtime", "down for", "restart takes", "outage"])
    transaction_timeout_s: float = param(900.0, ge=1e-6, le=1e7, unit="s", help="Kafka's brokers allow 900 s by default",
                                         words=["transaction timeout", "timeout", "transactions time out after"])
    commits_after_restore: bool = param(True, words=["commits after restore", "recovers transactions"],
                                        help="the restart commits the transactions that its checkpoint holds")


@tool("crash-lab", group="C", kind="simulator",
      words=["exactly once", "at least once", "at most once", "crash", "checkpoint", "two-phase commit", "duplicates",
             "lost records", "idempotent sink", "replay",
             "restart from the last checkpoint", "at-least-once", "at-most-once", "exactly-once"],
      example={"sink": "two-phase-commit", "crash_phase": "before-commit", "downtime_s": 1200},
      cases=[
          Case({}, {"rows": 1050, "duplicates": 50, "lost": 0, "executions": 1050, "rows_at_most_once": 950,
                    "lost_at_most_once": 50, "rows_keyed_upsert": 1000, "rows_two_phase_commit": 1000,
                    "rows_increment": 1050}, source=_FLINK),
          Case({"sink": "two-phase-commit", "crash_phase": "before-commit", "downtime_s": 1200},
               {"rows": 900, "lost": 100, "executions": 1000}, source="the timed-out transaction held 100 rows"),
          Case({"sink": "two-phase-commit", "crash_phase": "before-commit", "commits_after_restore": False},
               {"rows": 900, "lost": 100}, source="the pre-committed transaction held 100 rows"),
          Case({"sink": "two-phase-commit", "crash_phase": "after-pre-commit"},
               {"rows": 1000, "duplicates": 0, "lost": 0, "executions": 1100}, source=_FLINK),
      ],
      asks=[
          Ask("1,000 records, a checkpoint every 100 records, the job crashes after 250: how many rows does an "
              "at-least-once sink hold?", "rows_at_least_once", 1050),
          Ask("The stream job dies after 250 of 1k records with a checkpoint every 100. How many records does an "
              "at-most-once sink lose?", "lost_at_most_once", 50),
          Ask("With two-phase commit, 1000 records, checkpoints every 100 and a crash after 250, how many times are "
              "records executed in total?", "executions", 1050),
          Ask("10,000 records, checkpoint every 1,000, crash after 4,700: how many duplicates with at-least-once?",
              "duplicates_at_least_once", 700),
          Ask("A two-phase-commit sink takes 100 records per second and makes a checkpoint every 6,000 records that "
              "takes 2 s: how long at worst until a row is visible?", "visibility_worst_s", 62),
          Ask("at most once delivery, checkpoint every 200 records, 1000 records in total, crash after 450: how many "
              "records are gone for good?", "lost_at_most_once", 50),
          Ask("Flink checkpoints every 500 records and crashed after 1,730 of 4,000 records. At-least-once: how many "
              "rows are duplicated?", "duplicates_at_least_once", 230),
          Ask("2,000 records, a checkpoint every 300 records and a crash after 1,000: how many records does an "
              "at-most-once sink lose?", "lost_at_most_once", 100),
      ])
def crash_lab(p: CrashLab, seed: int) -> ToolResult:
    """Kills a checkpointed stream job at a chosen step and counts rows, duplicates and losses at every kind of sink.

    The job reads `records`, completes a checkpoint after every `checkpoint_every` and at the end, and after a crash
    goes on from the last complete one. A checkpoint has the steps pre-commit, complete, commit; a crash in another
    phase than between checkpoints strikes at the checkpoint that is due next. Sinks: at-most-once writes its buffer
    with the checkpoint and never replays; at-least-once appends at once; keyed-upsert writes the same value under the
    same key again; increment adds 1 under that key; two-phase-commit shows rows when the checkpoint's transaction
    commits. A transaction older than the timeout when the job is back has been aborted by the broker.

    People get wrong:
    - "Exactly once = each record is executed once": `executions` counts the replays that every sink but at-most-once
      sees; only the effect is exactly once. The naive arm expects no replay.
    - "Idempotent upserts make anything exactly once": an upsert of x = x + 1 counts each replay again.
    - "Two-phase commit can't lose": what was pre-committed must be committed after the restore; if nobody does, or the
      transaction timed out meanwhile, a whole checkpoint's rows are gone.
    - It is free: rows become visible only with the next checkpoint.
    - An idempotent producer removes the duplicates of its own retries, not those of a restarted job.

    Sources: Apache Flink's checkpointing and two-phase-commit sink; Kafka's transaction.max.timeout.ms (900 s).

    >>> run = crash_lab(CrashLab(sink="two-phase-commit"), 0).values
    >>> run["rows"], run["duplicates"], run["executions"]
    (1000, 0, 1050)
    """
    if p.crash_after > p.records:
        raise ToolError(f"crash-lab: crash_after is {p.crash_after:,} of {p.records:,} records; it must lie between 0 "
                        f"and "
                        f"{p.records:,}.")
    interval_s = p.checkpoint_every / p.records_per_s
    age_s = interval_s + p.checkpoint_s + p.downtime_s
    aborted = not p.commits_after_restore or age_s > p.transaction_timeout_s
    crashes = [Crash(p.crash_after, p.crash_phase)] * p.crashes
    runs = {sink: deliver(p.records, p.checkpoint_every, sink, crashes, aborted) for sink in SINKS}
    values = _values(p, runs, interval_s, age_s)
    return ToolResult(
        tool="crash-lab", values=values, units={key: _unit(key) for key in values},
        naive={"rows": p.records, "duplicates": 0, "lost": 0, "executions": p.records, "visibility_worst_s": 0.0},
        summary=_summary(p, values),
        formula="replayed = records since the last complete checkpoint; at-least-once rows = records + replayed; "
                "at-most-"
                "once rows = records - unwritten; two-phase commit: visible after interval + checkpoint at worst",
        series={"sink": list(SINKS), **{name: [values[f"{name}_{_key(sink)}"] for sink in SINKS]
                                        for name in ("rows", "duplicates", "lost")}},
        plot=_plot(p, aborted),
        assumptions=["a crash exactly at a checkpoint comes after it is committed", "the source can be read again",
                     "a record always gives the same row under the same key", "checkpoints themselves never fail"],
        warnings=_warnings(p, interval_s, age_s))


def _values(p: CrashLab, runs: dict[Sink, Ledger], interval_s: float, age_s: float) -> dict[str, Any]:
    rows, duplicates, lost = runs[p.sink].tally()
    transactional = p.sink in ("two-phase-commit", "at-most-once")
    replayed = max(runs[p.sink].executions - p.records, 0)
    values: dict[str, Any] = {
        "rows": rows, "duplicates": duplicates, "lost": lost, "exact": not duplicates and not lost,
        "executions": runs[p.sink].executions, "replayed": replayed, "crashes": runs[p.sink].crashes,
        "replay_s": replayed / p.records_per_s,
        "visibility_mean_s": interval_s / 2 + p.checkpoint_s if transactional else 0.0,
        "visibility_worst_s": interval_s + p.checkpoint_s if transactional else 0.0, "transaction_age_s": age_s}
    for sink, run in runs.items():
        for name, count in zip(("rows", "duplicates", "lost"), run.tally(), strict=True):
            values[f"{name}_{_key(sink)}"] = count
    return values


def _plot(p: CrashLab, aborted: bool) -> Plot:
    points = np.unique(np.linspace(0, p.records, 201).astype(np.int64)).tolist()
    lines = []
    for sink in ("at-most-once", "at-least-once", "keyed-upsert", "two-phase-commit"):
        rows = [deliver(p.records, p.checkpoint_every, sink, [Crash(point, p.crash_phase)] * p.crashes,
                        aborted).tally()[0]
                for point in points]
        lines.append(Line(label=sink, x=list(points), y=list(rows)))
    lines.append(Line(label="exactly once (naive)", x=[0, p.records], y=[p.records, p.records], dashed=True))
    return Plot(title="The sink decides whether a crash loses rows or doubles them", x_label="crash after (records)",
                y_label="rows at the sink (count)",
                lines=lines, marks=[{"axis": "x", "at": p.crash_after, "label": "this crash"}])


def _summary(p: CrashLab, values: dict[str, Any]) -> str:
    effect = f"holds {values['rows']:,} rows for {p.records:,} records"
    if p.sink == "increment":
        effect = f"has counted to {values['rows']:,} for {p.records:,} records"
    found = [f"{values[name]:,} {word}" for name, word in (("duplicates", "duplicates"),
                                                           ("lost", "lost")) if values[name]]
    return (f"After {values['crashes']} crash(es) the sink that {_SAYS[p.sink]} {effect}"
            f"{': ' + ' and '.join(found) if found else ', each exactly once'}. The operators executed "
            f"{values['executions']:,} records, where \"exactly once\" read literally would mean {p.records:,}.")


def _warnings(p: CrashLab, interval_s: float, age_s: float) -> list[str]:
    said = []
    if p.sink == "two-phase-commit":
        if interval_s + p.checkpoint_s > p.transaction_timeout_s:
            said.append("Even without a crash a transaction outlives its timeout before the checkpoint commits it: "
                        "lower "
                        "the checkpoint interval or raise the timeout.")
        elif age_s > p.transaction_timeout_s:
            said.append(f"The oldest transaction is {age_s:,.0f} s old at the restart, past the timeout of "
                        f"{p.transaction_timeout_s:,.0f} s: rows pre-committed in it are lost for good.")
        if p.crash_phase in ("between-checkpoints", "before-pre-commit") and p.crashes:
            said.append("The transaction left open by the crash holds up readers of committed data until it is "
                        "aborted.")
    if p.sink == "keyed-upsert" and p.crashes:
        said.append("Upserts are exact only when key and value don't depend on the run (no random ids, no clock); "
                    "until the "
                    "replay has caught up, readers see old values again.")
    return said


def _key(sink: Sink) -> str:
    return sink.replace("-", "_")


def _unit(key: str) -> str:
    if key.endswith("_s"):
        return "s"
    return "records" if key in ("executions", "replayed") or key.startswith("lost") else {
        "exact": "true/false", "crashes": "count"}.get(key, "rows")
