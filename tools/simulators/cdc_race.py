"""The CDC race: one table's changes through a poller, triggers and a log reader, and what each misses and costs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.cdc import find_script
from tools.calculators.prose import SCRIPT, told
from tools.simulators.change_capture import (
    CAUSES,
    Capture,
    Op,
    log,
    parse_script,
    poll,
    poll_times,
    replica,
    script_text,
    triggers,
)

_SCRIPT = "1 I a 1; 2 I b 1; 3 U a 2; 4 U a 3; 6 D b; 7 I c 1; 8 D c; 11 I d 1"
_SAYS = {"query": "Polling by updated_at", "trigger": "The triggers", "log": "The log reader"}


class Race(Params):
    source: Literal["script", "generated"] = param("script", words=["source", "changes from"])
    script: Annotated[str, BeforeValidator(script_text)] = told(param(_SCRIPT, max_length=500_000, words=["script", "operations", "ops"],
                             help="TIME OP KEY VALUE commit=TIME entries, OP one of I, U, D, T or insert, update, delete, "
                                  "truncate; used when source is script"), SCRIPT, find_script)
    method: Literal["query", "trigger", "log"] = param("query", words=["method", "cdc", "capture by"])
    poll_s: float = param(5.0, ge=0.001, le=1e7, unit="s",
                          words=["poll", "polls every", "polled every", "poll interval"])
    lookback_s: float = param(0.0, ge=0, le=1e7, unit="s", words=["lookback", "overlap"],
                              help="how far each poll reads back behind the largest timestamp seen")
    soft_delete: bool = param(False, words=["soft delete", "deleted flag", "soft deletes"])
    log_truncates: bool = param(False, words=["truncate events"], help="Debezium skips them unless told otherwise")
    ops_per_s: float = param(2.0, ge=1e-6, le=1e4, unit="rps", words=["operations per second", "changes per second"])
    duration_s: float = param(300.0, ge=1e-6, le=1e6, unit="s", words=["duration", "for", "lasting"])
    keys: int = param(50, ge=1, le=100_000, unit="keys", words=["keys", "rows"])
    delete_share: float = param(0.15, ge=0, le=1, unit="fraction", words=["deletes", "deleted", "delete share"])
    long_share: float = param(0.05, ge=0, le=1, unit="fraction", words=["long transactions", "long-running"])
    long_transaction_s: float = param(20.0, ge=0, le=1e6, unit="s", words=["long transaction", "transaction lasts"])
    truncate_at_s: float = param(0.0, ge=0, le=1e6, unit="s", words=["truncate at", "truncated at"], help="0: never")
    slot_paused_from_s: float = param(0.0, ge=0, le=1e7, unit="s", words=["paused from", "pause starts"])
    slot_paused_s: float = param(0.0, ge=0, le=1e7, unit="s", words=["paused for", "slot paused", "connector down for"])
    wal_MBps: float = param(20.0, ge=0, le=1e6, unit="MB/s", words=["wal", "write-ahead log", "log volume"])
    keep_GB: float = param(0.0, ge=0, le=1e9, unit="GB", words=["max_slot_wal_keep_size", "keep at most"],
                           help="the slot is dropped beyond that; 0: never")
    disk_free_GB: float = param(100.0, ge=1e-6, le=1e9, unit="GB", words=["free disk", "disk", "free"])


@tool("cdc-race", group="C", kind="simulator",
      words=["cdc", "change data capture", "debezium", "query-based", "log-based", "trigger-based", "replication slot",
             "ghost row", "deletes missed", "wal", "poller", "polling", "missed changes", "updated_at"],
      example={"source": "generated", "poll_s": 10},
      cases=[
          Case({}, {"captured": 3, "captured_query": 3, "captured_trigger": 8, "captured_log": 8, "ghosts": 1,
                    "never_seen": 1, "missed_overwritten": 2, "missed_delete": 2, "missed_short_lived": 1},
               source="traced by hand"),
          Case({"script": "1 I a 1; 3 I b 1 commit=9; 4 U a 2"}, {"missed_late_commit": 1, "absent_rows": 1},
               source="b commits behind the largest timestamp seen"),
          Case({"slot_paused_s": 3600}, {"wal_retained_GB": 72.0, "disk_full_after_s": 5000.0}, source="arithmetic"),
      ],
      asks=[
          Ask("With 8 operations 1 I a 1; 2 I b 1; 3 U a 2; 4 U a 3; 6 D b; 7 I c 1; 8 D c; 11 I d 1 and a poll every "
              "5 s, "
              "how many changes does query-based CDC capture?", "captured_query", 3),
          Ask("A replication slot is paused for 1 h at 20 MB/s of WAL: how many GB does the database retain?",
              "wal_retained_GB", 72),
          Ask("200 GB of free disk, 50 MB/s of write-ahead log, the connector is down: after how long is the disk "
              "full?",
              "disk_full_after_s", 4_000),
          Ask("We poll updated_at every 10 s. 2 s insert a, 4 s update a, 6 s insert b, 9 s delete b, 12 s update a. "
              "How many of the changes does the poller capture?", "captured", 2),
      ])
def cdc_race(p: Race, seed: int) -> ToolResult:
    """Runs one table's changes past a poller, row triggers and a log reader, and says what each misses and why.

    Query: every `poll_s`, rows whose updated_at is above the largest seen (less `lookback_s`). Trigger: real row
    triggers in SQLite. Log: every committed operation, later while the slot is paused; log that isn't read must be
    kept. The changes are a script (`3 U a 2 commit=9` ran at 3 s and became visible at 9 s) or generated. Each
    operation is captured or missed for one reason: overwritten before the next poll, a delete, short-lived (inserted
    and deleted between polls), a late commit (its timestamp is below one already seen), a truncate, or a dropped slot.

    People get wrong:
    - "Query CDC misses only deletes" (the naive arm): updates in between, short-lived rows and late commits go too, and
      deleted rows stay at the target as ghosts. A soft delete cures the ghosts only.
    - "Log CDC is free": a paused slot keeps the log and fills the source's disk; with a cap the slot is dropped instead
      and everything since then needs a new snapshot.
    - "The log has the old values and the user": PostgreSQL's default replica identity gives at most the old key, and no
      row event says who made the change.
    - Row triggers don't fire on TRUNCATE, and Debezium skips it by default: both keep every row as a ghost.

    Sources: Debezium's PostgreSQL connector (replica identity, skipped.operations); PostgreSQL's
    max_slot_wal_keep_size; the timestamp mode of Kafka Connect's JDBC source.

    >>> run = cdc_race(Race(), 0)
    >>> run.values["captured_query"], run.values["captured_log"], run.series["ghost_rows"], run.series["unseen_keys"]
    (3, 8, ['b'], ['c'])
    """
    ops = parse_script(p.script) if p.source == "script" else _generate(p, seed)
    retained_GB, lost_from = _slot(p, ops)
    since = round(p.slot_paused_from_s * 1_000)
    captures = {
        "query": poll(ops, poll_times(max(round(p.poll_s * 1_000), 1), ops), round(p.lookback_s * 1_000),
                      p.soft_delete),
        "trigger": triggers(ops),
        "log": log(ops, p.log_truncates, lost_from, (since, since + round(p.slot_paused_s * 1_000)))}
    values = _values(p, ops, captures, retained_GB)
    copy = replica(ops, captures[p.method], p.soft_delete and p.method == "query")
    hoped = sum(op.kind in ("I", "U") or p.soft_delete for op in ops)
    return ToolResult(
        tool="cdc-race", values=values, units={key: _unit(key) for key in values},
        naive={"captured": hoped, "ghosts": 0, "wal_retained_GB": 0.0},
        summary=f"{_SAYS[p.method]} captures {values['captured']:,} of {len(ops):,} operations"
        + (f", where \"it misses only deletes\" would give {hoped:,}" if p.method == "query" else "")
        + f"; its copy has {values['ghosts']:,} ghost rows and never saw {values['never_seen']:,} keys."
        + (f" The log reader gets {values['captured_log']:,}." if p.method != "log" else
           f" The database keeps up to {retained_GB:.3g} GB of log for it."),
        formula="query: updated_at > largest seen - lookback; retained log = rate * max(pause, longest transaction)",
        series={"ghost_rows": list(copy.ghosts[:1_000]), "unseen_keys": list(copy.never_seen[:1_000]),
                "cause": list(CAUSES), "missed": [values[f"missed_{cause.replace('-', '_')}"] for cause in CAUSES]},
        plot=_plot(ops, captures),
        assumptions=["the largest updated_at seen is the poller's only memory", "the copy starts complete",
                     "the trigger's change table is read in commit order", "log volume is steady"],
        warnings=_warnings(p, retained_GB, lost_from))


def _generate(p: Race, seed: int) -> list[Op]:
    """Random keys: a missing row is inserted, a present one updated or deleted; some transactions are long."""
    count = round(p.ops_per_s * p.duration_s)
    if not 1 <= count <= 20_000:
        raise ToolError(f"cdc-race: that is {count:,} operations; give a rate and a duration for 1 to 20,000.")
    rng = np.random.default_rng(seed)
    at = np.sort(rng.integers(0, max(round(p.duration_s * 1_000), 1), count)).tolist()
    keys, draws = rng.integers(0, p.keys, count).tolist(), rng.random(count).tolist()
    long = (rng.random(count) < p.long_share).tolist()
    rows: set[str] = set()
    free_at: dict[str, int] = {}
    ops: list[Op] = []
    truncate = round(p.truncate_at_s * 1_000)
    opened = 0
    for index in range(count):
        key = f"k{keys[index]}"
        if truncate and at[index] >= truncate:  # it waits for the rows that open transactions hold, all others for it
            opened, truncate, rows = max([truncate, *free_at.values()]), 0, set()
            ops.append(Op(opened, "T", "", None, opened))
        start = max(at[index], opened, free_at.get(key, 0))  # a row that an open transaction holds makes the next wait
        commit = start + (round(p.long_transaction_s * 1_000) if long[index] else 0)
        kind: Literal["I", "U", "D"] = "I" if key not in rows else "D" if draws[index] < p.delete_share else "U"
        (rows.discard if kind == "D" else rows.add)(key)
        free_at[key] = commit
        ops.append(Op(start, kind, key, index, commit))
    return sorted(ops, key=lambda op: op.commit)


def _slot(p: Race, ops: list[Op]) -> tuple[float, int | None]:
    """(GB of log kept at most, ms from which on it was thrown away unread or None)."""
    longest_s = max(op.commit - op.at for op in ops) / 1_000
    needed = p.wal_MBps * max(p.slot_paused_s, longest_s) / 1_000
    if p.keep_GB and needed > p.keep_GB:
        return p.keep_GB, round(p.slot_paused_from_s * 1_000)
    return needed, None


def _values(p: Race, ops: list[Op], captures: dict[str, Capture], retained_GB: float) -> dict[str, Any]:
    mine = captures[p.method]
    copy = replica(ops, mine, p.soft_delete and p.method == "query")
    waits = [got - ops[index].commit for index, got in mine.got.items()]
    causes = list(mine.missed.values())
    values: dict[str, Any] = {
        "operations": len(ops), "captured": len(mine.got), "missed": len(ops) - len(mine.got),
        **{f"captured_{name}": len(each.got) for name, each in captures.items()},
        **{f"missed_{cause.replace('-', '_')}": causes.count(cause) for cause in CAUSES},
        "ghosts": len(copy.ghosts), "stale_rows": len(copy.stale), "absent_rows": len(copy.absent),
        "never_seen": len(copy.never_seen), "read_again": mine.read_again,
        "worst_delay_s": max(waits) / 1_000 if waits else None,
        "mean_delay_s": sum(waits) / len(waits) / 1_000 if waits else None,
        "extra_writes": len(mine.got) if p.method == "trigger" else 0, "wal_retained_GB": retained_GB,
        "disk_full_after_s": p.disk_free_GB * 1_000 / p.wal_MBps if p.wal_MBps else None}
    return values


def _plot(ops: list[Op], captures: dict[str, Capture]) -> Plot:
    def climb(times: list[int]) -> tuple[list[float | str], list[float | str]]:
        ordered = sorted(times)
        picks = np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), 300)).astype(np.int64)).tolist()
        return [0.0, *(ordered[pick] / 1_000 for pick in picks)], [0, *(pick + 1 for pick in picks)]

    lines = []
    for name, each in captures.items():
        x, y = climb(list(each.got.values()))
        lines.append(Line(label=name, x=x, y=y, kind="step"))
    x, y = climb([op.commit for op in ops if op.kind in ("I", "U")])
    lines.append(Line(label="query, if it missed only deletes (naive)", x=x, y=y, kind="step", dashed=True))
    return Plot(title="Polling misses more than deletes",
                x_label="time (s)", y_label="operations captured (count)", lines=lines)


def _warnings(p: Race, retained_GB: float, lost_from: int | None) -> list[str]:
    said = []
    if lost_from is not None:
        said.append(f"The slot needed more than {p.keep_GB:g} GB of log and was dropped: all changes from "
                    f"{p.slot_paused_from_s:g} s on are lost to the log reader until a new snapshot.")
    elif retained_GB > p.disk_free_GB:
        said.append(f"The log kept for the reader needs {retained_GB:,.0f} GB and {p.disk_free_GB:g} GB are free: the "
                    f"source "
                    "database stops.")
    return said


def _unit(key: str) -> str:
    if key.endswith("_GB"):
        return "GB"
    if key.endswith("_s"):
        return "s"
    return "rows" if key in ("ghosts", "stale_rows", "absent_rows", "read_again", "extra_writes") else (
        "keys" if key == "never_seen" else "operations")
