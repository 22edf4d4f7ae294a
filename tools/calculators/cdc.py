"""Change-data-capture formulas: what pollers, triggers and log readers catch, before images, retained log."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.plain_tables import cells_of
from tools.calculators.prose import POLLS, SCRIPT, told
from tools.prose.found import Found
from tools.prose.operations import find_operations, find_polls
from tools.simulators import change_capture

_OPS = [[1, "I", "a", 1], [2, "I", "b", 1], [3, "U", "a", 2], [4, "U", "a", 3], [6, "D", "b", None], [7, "I", "c", 1],
        [8, "D", "c", None], [11, "I", "d", 1]]
_LATE = [[1, "I", "a", 1], [3, "I", "b", 1, 9], [4, "U", "a", 2]]

Ops = Annotated[tuple[tuple[Any, ...], ...] | str, BeforeValidator(change_capture.listed)]
Moments = Annotated[tuple[float, ...], BeforeValidator(cells_of)]
_SCRIPT: dict[str, Any] = {"max_length": change_capture.MAX_OPERATIONS,
                           "words": ["operations", "ops", "changes", "script"],
                           "help": "[time in s, I, U, D or T, key, value] each, with a commit time at the end if later; or "
                                   "in words, such as \"2 s insert a, 4 s update a\""}
_IDENTITY = {
    "DEFAULT": "primary key only", "FULL": "all columns", "INDEX": "columns of the index only", "NOTHING": "nothing",
}
_DEBEZIUM = "Debezium's PostgreSQL connector, replica identity"


def op_param() -> Any:
    """The parameter of everything that takes operations."""
    return told(param(**_SCRIPT), SCRIPT, find_script)


def find_script(text: str) -> Found | None:
    """The operations that a message tells."""
    return find_operations(text, SCRIPT)


@formula("cdc.log", words=["log-based", "log reader", "write-ahead log"], cases=[
    Case({"ops": _OPS}, {"captured": 8}, source="a log reader sees every operation"),
    Case({"ops": [[1, "U", "a", 1], [2, "T", None, None]]}, {"captured": 2}, source="truncate is in the log too"),
    Case({"ops": [{"t": 1, "op": "insert", "key": "a"}, {"t": 2, "op": "truncate"}]}, {"captured": 2}, source="named columns"),
])
def log(ops: Ops = op_param()) -> dict[str, int]:
    """Operations that a reader of the write-ahead log captures: all that commit."""
    return {"captured": len(change_capture.log(_read(ops)).got)}


@formula("cdc.query_poll", words=["poller", "poll by updated_at", "polling", "polled", "query-based", "does the poller see"], cases=[
    Case({"ops": _OPS, "poll_every_s": 5}, {"captured": 3, "missed": 5, "ghosts": ["b"], "never_seen": ["c"]},
         source="traced by hand: polls at 5, 10 and 15 s see a3, b1, d1"),
    Case({"ops": _LATE, "poll_every_s": 5}, {"captured": 1, "missed": 2, "ghosts": [], "never_seen": ["b"]},
         source="b commits with a timestamp below the largest seen"),
    Case({"ops": _LATE, "poll_every_s": 5, "lookback_s": 2}, {"captured": 2, "missed": 1}, source="traced by hand"),
    Case({"ops": "1 I a; 2 I b; 4 U a; 6 D b", "polls": "5, 10"}, {"captured": 2, "missed": 2, "ghosts": ["b"]}, source="a and b at 5 s"),
], asks=[
    Ask("A table is polled by updated_at at t=5 and t=10. t1 insert a, t2 insert b, t4 update a, t6 delete b, t8 insert c. How many "
        "of the five "
        "changes does the poller see?", "captured", 3),
    Ask("insert k1 at t=2, update k1 at t=3, insert k2 at t=6, delete k2 at t=7. Polls by updated_at at t=5, 10 and 15: how many "
        "changes are "
        "missed?", "missed", 3),
])
def query_poll(
    ops: Ops = op_param(),
    poll_every_s: float = param(5.0, gt=0, le=1e9, unit="s", words=["poll every", "polls every", "interval"],
                                validation_alias=AliasChoices("poll_every_s", "poll_every", "poll_s",
                                                              "poll_interval_s")),
    polls: Moments = told(param((), max_length=10_000, unit="s", words=["polls at"],
                                help="times of the polls; if none, every poll_every_s until all is committed",
                                validation_alias=AliasChoices("polls", "polls_s", "poll_times", "poll_at")), POLLS, find_polls),
    lookback_s: float = param(0.0, ge=0, le=1e9, unit="s", words=["lookback", "overlap"]),
) -> dict[str, Any]:
    """Changes that polling by updated_at captures and misses, rows it keeps that are gone, keys it never saw."""
    script = _read(ops)
    if any(not 0 <= time <= 1e9 for time in polls):
        raise ToolError("cdc.query_poll: polls must lie between 0 and 1e9 s; give the times of the polls in seconds.")
    times = sorted(round(time * 1_000) for time in polls) if polls else change_capture.poll_times(
        max(round(poll_every_s * 1_000), 1), script)
    capture = change_capture.poll(script, times, round(lookback_s * 1_000))
    copy = change_capture.replica(script, capture)
    return {"captured": len(capture.got), "missed": len(script) - len(capture.got), "ghosts": copy.ghosts,
            "never_seen": copy.never_seen}


query = formula("cdc.query", cases=query_poll.cases[:1])(query_poll.function)
poll = formula("cdc.poll", cases=query_poll.cases[:1])(query_poll.function)
"""The same under the names by which it is asked for as often."""


@formula("cdc.trigger", words=["row triggers", "trigger-based", "triggers capture"], cases=[
    Case({"ops": _OPS}, {"captured": 8, "extra_writes": 8},
         source="SQLite, one trigger each for insert, update, delete"),
    Case({"ops": [[1, "I", "a", 1], [2, "T", None, None]]}, {"captured": 1, "extra_writes": 1},
         source="row triggers don't fire on truncate"),
])
def trigger(ops: Ops = op_param()) -> dict[str, int]:
    """Operations that row triggers capture (run in SQLite), and the rows that they write beside the application's."""
    capture = change_capture.triggers(_read(ops))
    return {"captured": len(capture.got), "extra_writes": len(capture.got)}


@formula("cdc.pg_update_before_image", cases=[
    Case({"replica_identity": "DEFAULT"}, {"result": "primary key only"}, source=_DEBEZIUM),
    Case({"replica_identity": "FULL"}, {"result": "all columns"}, source=_DEBEZIUM),
])
def pg_update_before_image(
    replica_identity: str = param("DEFAULT", max_length=200, words=["replica identity"],
                                  help="DEFAULT, FULL, INDEX or NOTHING"),
) -> str:
    """What old values an update event from PostgreSQL carries, by the table's REPLICA IDENTITY.

    With DEFAULT even the old key is there only if the update changed it, and a table without a primary key gives none.
    Who made the change is in no row event.
    """
    wanted = (replica_identity.strip().upper().removeprefix("REPLICA IDENTITY").split() or [""])[0]
    wanted = "INDEX" if wanted == "USING" else wanted
    if wanted not in _IDENTITY:
        raise ToolError(f"cdc.pg_update_before_image: replica_identity can't be {replica_identity[:40]!r}; it is one "
                        f"of {', '.join(_IDENTITY)}.")
    return _IDENTITY[wanted]


@formula("cdc.late_commit_missed", cases=[
    Case({"updated_at_s": 3, "commit_s": 9, "seen_up_to_s": 4}, {"result": True}, source="3 < 4, visible only at 9"),
    Case({"updated_at_s": 3, "commit_s": 9, "seen_up_to_s": 4, "lookback_s": 2}, {"result": False}, source="3 > 4 - 2"),
])
def late_commit_missed(
    updated_at_s: float = param(ge=0, le=1e12, unit="s", words=["updated_at", "updated at", "timestamp"]),
    commit_s: float = param(ge=0, le=1e12, unit="s", words=["commits", "committed at", "commit"]),
    seen_up_to_s: float = param(ge=0, le=1e12, unit="s", words=["seen", "high-water mark", "watermark", "last seen"],
                                help="largest updated_at that was read before the commit"),
    lookback_s: float = param(0.0, ge=0, le=1e12, unit="s", words=["lookback", "overlap"]),
) -> bool:
    """Whether a poller misses a row that commits after rows with later timestamps were read."""
    if commit_s < updated_at_s:
        raise ToolError(f"cdc.late_commit_missed: commit_s is {commit_s:g}, before updated_at_s of {updated_at_s:g}; a "
                        f"row commits after it is written.")
    return updated_at_s <= seen_up_to_s - lookback_s


@formula("cdc.wal_retained_GB", words=["wal piles up", "retained wal"], unit="GB", cases=[
    Case({"wal_MBps": 20, "paused_s": 3600}, {"result": 72.0}, source="arithmetic"),
], asks=[Ask("A replication slot is paused for 1 h while the database writes 20 MB/s of WAL: how many GB are retained?",
             "result", 72),
    Ask("Debezium is down for 6 hours and postgres writes 15 MB/s of WAL: how much WAL piles up in GB?", "result", 324),])
def wal_retained_GB(
    wal_MBps: float = param(ge=0, le=1e6, unit="MB/s", words=["wal", "log", "writes"]),
    paused_s: float = param(ge=0, le=1e9, unit="s", words=["paused for", "paused", "down for", "behind"]),
) -> float:
    """Log that a database must keep for a reader that doesn't read: rate * time."""
    return wal_MBps * paused_s / 1_000


@formula("cdc.disk_full_after_s", words=["disk full", "fills the disk"], unit="s", cases=[
    Case({"free_GB": 100, "wal_MBps": 20}, {"result": 5000.0}, source="arithmetic"),
], asks=[Ask("100 GB are free and the WAL grows by 20 MB/s: after how many seconds does a paused slot fill the disk?",
             "result", 5000),
    Ask("How long until the disk is full if 500 GB are free and an abandoned replication slot keeps 25 MB/s of wal?",
        "result", 20000),])
def disk_full_after_s(
    free_GB: float = param(ge=0, le=1e9, unit="GB", words=["free", "disk", "free space"]),
    wal_MBps: float = param(gt=0, le=1e6, unit="MB/s", words=["wal", "log", "grows"]),
) -> float:
    """Time until the log kept for a paused reader fills the disk, and with it the source database stops."""
    return free_GB * 1_000 / wal_MBps


@formula("cdc.overwritten_share", words=["updates never seen", "missed updates", "overwritten between polls"], unit="fraction", cases=[
    Case({"updates_per_s": 0.1, "poll_s": 10}, {"result": math.exp(-1)}, rel=1e-12, source="1 - (1 - 1/e) / 1"),
    Case({"updates_per_s": 1, "poll_s": 60}, {"result": 59 / 60}, rel=1e-9, source="one of 60 updates a poll is seen"),
], asks=[Ask("A row gets 1 update per second and is polled every 60 s: which share of its updates is never seen?",
             "result", 0.98333),
    Ask("A row gets 0.05 updates per second and the table is polled every 60 s: what share of updates is overwritten "
        "before a poll sees it?", "result", 0.683262),])
def overwritten_share(
    updates_per_s: float = param(gt=0, le=1e9, unit="rps", words=["updates per second", "updates", "update"]),
    poll_s: float = param(gt=0, le=1e9, unit="s", words=["poll", "polled every", "polls every", "interval"]),
) -> float:
    """Share of one row's random updates that a poller never sees: 1 - (1 - exp(-uT)) / (uT).

    With updates at rate u (Poisson), a poll after every T finds a change with probability 1 - exp(-uT), of the uT that
    there were on average.
    """
    between = updates_per_s * poll_s
    return 1 + math.expm1(-between) / between


def _read(ops: Ops) -> list[change_capture.Op]:
    return change_capture.parse_script(ops) if isinstance(ops, str) else change_capture.read_rows(ops)
