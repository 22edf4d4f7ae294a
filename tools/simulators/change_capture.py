"""Change data capture of one table: runs pollers, triggers and log readers over scripts of row operations.

Knows what each reader gets and why it misses the rest, not what that costs.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tools.base import ToolError
from tools.forms import as_rows

Kind = Literal["I", "U", "D", "T"]
Cause = Literal["overwritten", "delete", "short-lived", "late-commit", "truncate", "not-polled", "slot-lost"]
CAUSES: tuple[Cause, ...] = ("overwritten", "delete", "short-lived", "late-commit", "truncate", "not-polled",
                             "slot-lost")

MAX_OPERATIONS = 20_000
MAX_POLLS = 200_000

_WORDS = {"insert": "I", "create": "I", "c": "I", "update": "U", "delete": "D", "truncate": "T"}
_COLUMNS = (("time", "t", "at", "ts", "time_s", "t_s"), ("op", "kind", "type", "operation"), ("key", "id", "pk", "row"),
            ("value", "val", "v"), ("commit", "commit_s", "commit_time"))
_ENTRY = re.compile(r"(?:(?:and|then|at)\s+)*(?P<at>\d+(?::\d{2}){1,2}|\d+(?:\.\d+)?)\s*(?:(?:seconds?|secs?|s)\b)?\s*:?\s*"
                    r"(?P<kind>[A-Za-z]+)(?:\s+(?:(?:row|key|of)\s+)?(?P<rest>.*))?", re.IGNORECASE)
_ENDS = re.compile(r"[;\n]|(?:,|\.\s|\b(?:and|then)\b)\s*(?=(?:(?:and|then|at)\s+)*\d+(?:[.:]\d+)*\s*(?:s|secs?|seconds?)?\s*:?\s*"
                   r"(?:insert|update|delete|truncate))", re.IGNORECASE)


@dataclass(frozen=True)
class Op:
    """One row operation: `at` is when it ran and the row's updated_at, `commit` when others could see it (both in ms).
    Kinds: insert, update, delete, truncate (of the whole table: no key)."""

    at: int
    kind: Kind
    key: str
    value: Any
    commit: int


@dataclass
class Capture:
    """What one reader got: the operations (indices) with the time (ms) at which it got them, why it missed the others,
    and how many rows it read that it had read before."""

    got: dict[int, int] = field(default_factory=dict)
    missed: dict[int, Cause] = field(default_factory=dict)
    read_again: int = 0


@dataclass(frozen=True)
class Replica:
    """A copy kept by one reader against the table itself, at the end: rows that are gone at the source (`ghosts`), rows
    with an old value (`stale`), rows that are `absent`, and keys that the reader never saw at all."""

    ghosts: list[str]
    stale: list[str]
    absent: list[str]
    never_seen: list[str]


def parse_script(text: str) -> list[Op]:
    """Reads `TIME OP KEY [VALUE] [commit=TIME]` entries between semicolons or line breaks, in seconds, in commit order.

    OP is I, U, D or T (insert, update, delete, truncate); written out, a comma parts entries too ("2 s insert a, 4 s update
    a"), and times of the day count from midnight. Raises ToolError naming the first entry that isn't one.

    >>> [op.commit for op in parse_script("3 U a 2 commit=9; 4 I b 1")]
    [4000, 9000]
    >>> [(op.at, op.kind, op.key) for op in parse_script("2 s insert a, then at 4 s delete a")]
    [(2000, 'I', 'a'), (4000, 'D', 'a')]
    """
    rows = []
    for entry in (part.strip(" ,.") for part in _ENDS.split(text)):
        if not entry:
            continue
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ToolError(f"The operation {entry[:40]!r} is not TIME OP KEY VALUE; write it like 3 U a 2 or 6 D b.")
        rest, _, commit = (match["rest"] or "").partition("commit=")
        key, _, value = rest.strip().partition(" ")
        hours, minutes, seconds = ([*match["at"].split(":"), "0"] if ":" in match["at"] else ["0", "0", match["at"]])[:3]
        at = int(hours) * 3_600 + int(minutes) * 60 + float(seconds)
        rows.append([at, match["kind"], key, value.strip() or None, *([commit.strip()] if commit else [])])
    return read_rows(rows)


def read_rows(rows: Iterable[Sequence[Any]]) -> list[Op]:
    """Operations from [time in s, kind, key, value] or [time, kind, key, value, commit time], in commit order."""
    ops = []
    for row in rows:
        shown = " ".join(str(part) for part in row)[:60]
        kind = _WORDS.get(str(row[1]).lower(), str(row[1]).upper()[:1]) if 2 <= len(row) <= 5 else ""
        if kind not in ("I", "U", "D", "T") or (kind != "T" and (len(row) < 3 or row[2] in (None, ""))):
            raise ToolError(f"The operation {shown!r} is not [time, I, U, D or T, key, value, commit time]; truncate "
                            f"alone needs no key.")
        at, commit = _milliseconds(row[0], shown), _milliseconds(row[4] if len(row) == 5 else row[0], shown)
        if commit < at:
            raise ToolError(f"The operation {shown!r} commits before it runs; give a commit time of at least {row[0]}.")
        key = str(row[2]) if kind != "T" else ""
        ops.append(Op(at, kind, key, row[3] if len(row) > 3 else None, commit))  # type: ignore[arg-type]
    if not 1 <= len(ops) <= MAX_OPERATIONS:
        raise ToolError(f"The script has {len(ops):,} operations; give between 1 and {MAX_OPERATIONS:,}.")
    return sorted(ops, key=lambda op: op.commit)


def listed(script: Any) -> Any:
    """A script's rows with named columns as [time, kind, key, value, commit time]; anything else stays."""
    return as_rows(script, _COLUMNS) if isinstance(script, list | tuple) else script


def script_text(script: Any) -> Any:
    """Rows (or rows with named columns) as the text that `parse_script` reads; anything else stays."""
    rows = listed(script)
    if not isinstance(rows, list | tuple) or not rows or not all(isinstance(row, list | tuple) and 2 <= len(row) <= 5 for row in rows):
        return script
    told = [" ".join(str(cell) for cell in row[:4] if cell is not None) + (f" commit={row[4]}" if len(row) == 5 else "") for row in rows]
    return "; ".join(told)


def poll(ops: list[Op], polls: Sequence[int], lookback: int = 0, soft_delete: bool = False) -> Capture:
    """Asks at each of the `polls` (ms, in order) for rows whose updated_at lies above the largest seen, less
    `lookback`.

    `soft_delete`: deletes only set a flag on the row, and so look like updates. Rows that the script doesn't insert
    were there, and read, before. """
    capture = Capture()
    table: dict[str, int] = {key: -1 for key in _there_before(ops)}
    skipped: set[int] = set()
    recent: dict[str, int] = {}  # rows that the next poll reads again, with their operation
    by_age: list[tuple[int, str, int]] = []
    mark, done = -(2**62), 0
    for now in polls:
        touched: set[str] = set()
        while done < len(ops) and ops[done].commit <= now:
            touched |= _apply(ops, done, table, capture, skipped, soft_delete)
            done += 1
        since = mark - lookback
        while by_age and by_age[0][0] <= since:
            _, key, index = heapq.heappop(by_age)
            if recent.get(key) == index:
                del recent[key]
        for key in touched:
            recent.pop(key, None)
        capture.read_again += len(recent)
        for key in sorted(touched & table.keys()):
            index = table[key]
            if ops[index].at <= since:
                skipped.add(index)
                continue
            capture.got[index] = now
            recent[key] = index
            heapq.heappush(by_age, (ops[index].at, key, index))
            mark = max(mark, ops[index].at)
    for index in table.values():
        if index >= 0 and index not in capture.got:
            capture.missed[index] = "late-commit"
    capture.missed |= {index: "not-polled" for index in range(done, len(ops))}
    return capture


def poll_times(every: int, ops: list[Op]) -> range:
    """Every so many ms until all operations are committed. Raises ToolError beyond MAX_POLLS."""
    last = -(-ops[-1].commit // every) * every
    if last // every > MAX_POLLS:
        raise ToolError(f"That is {last // every:,} polls; a run takes at most {MAX_POLLS:,}: poll less often.")
    return range(every, max(last, every) + 1, every)


def triggers(ops: list[Op]) -> Capture:
    """Real row triggers (SQLite) that copy every change into a second table; truncate fires none of them."""
    import sqlite3

    base = sqlite3.connect(":memory:", isolation_level=None)
    try:
        base.execute("CREATE TABLE changes (id INTEGER PRIMARY KEY, op INTEGER)")
        base.execute("CREATE TABLE running (op INTEGER)")
        base.execute("INSERT INTO running VALUES (0)")
        _create(base)
        base.executemany("INSERT INTO source VALUES (?, NULL)", [(key,) for key in sorted(_there_before(ops))])
        base.execute("DELETE FROM changes")
        for index, op in enumerate(ops):
            base.execute("UPDATE running SET op = ?", (index,))
            if op.kind == "T":
                base.execute("DROP TABLE source")
                _create(base)
            elif op.kind == "D":
                base.execute("DELETE FROM source WHERE key = ?", (op.key,))
            else:
                base.execute("INSERT INTO source VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
                             (op.key, str(op.value)))
        fired = {index for (index,) in base.execute("SELECT op FROM changes")}
    finally:
        base.close()
    return Capture({index: ops[index].commit for index in sorted(fired)},
                   {index: "truncate" for index in range(len(ops)) if index not in fired})


def log(ops: list[Op], truncates: bool = True, lost_from: int | None = None,
        paused: tuple[int, int] = (0, 0)) -> Capture:
    """Reads the write-ahead log: each operation with its commit, what came while `paused` at its end. `truncates`:
    those events are passed on; `lost_from`: the log was thrown away unread from that time (ms) on."""
    capture = Capture()
    for index, op in enumerate(ops):
        if lost_from is not None and op.commit >= lost_from:
            capture.missed[index] = "slot-lost"
        elif op.kind == "T" and not truncates:
            capture.missed[index] = "truncate"
        else:
            capture.got[index] = paused[1] if paused[0] <= op.commit < paused[1] else op.commit
    return capture


def replica(ops: list[Op], capture: Capture, soft_delete: bool = False) -> Replica:
    """The reader's copy of the table against the table."""
    before = _there_before(ops)
    truth, copy = (_replayed(ops, which, before, soft_delete) for which in (range(len(ops)), sorted(capture.got)))
    seen = {ops[index].key for index in capture.got} | before
    return Replica(sorted(copy.keys() - truth.keys()),
                   sorted(key for key in copy.keys() & truth.keys() if copy[key] != truth[key]),
                   sorted(truth.keys() - copy.keys()), sorted({op.key for op in ops if op.kind != "T"} - seen))


def _apply(ops: list[Op], index: int, table: dict[str, int], capture: Capture, skipped: set[int],
           soft: bool) -> set[str]:
    """Runs one operation on the table; what it hides from later polls is missed. Returns the keys it touched."""
    op = ops[index]
    gone = op.kind == "T" or (op.kind == "D" and not soft)
    keys = set(table) if op.kind == "T" else {op.key}
    for key in keys:
        hidden = table.pop(key, -1)
        if hidden >= 0 and hidden not in capture.got:
            capture.missed[hidden] = "late-commit" if hidden in skipped else "short-lived" if gone else "overwritten"
    if gone:
        capture.missed[index] = "truncate" if op.kind == "T" else "delete"
    else:
        table[op.key] = index
    return keys


def _there_before(ops: list[Op]) -> set[str]:
    """Keys whose first operation isn't an insert."""
    first: dict[str, Kind] = {}
    for op in ops:
        if op.kind != "T":
            first.setdefault(op.key, op.kind)
    return {key for key, kind in first.items() if kind != "I"}


def _replayed(ops: list[Op], indices: Iterable[int], before: set[str], soft: bool) -> dict[str, int]:
    rows = {key: -1 for key in before}
    for index in indices:
        op = ops[index]
        if op.kind == "T":
            rows.clear()
        elif op.kind == "D" and not soft:
            rows.pop(op.key, None)
        else:
            rows[op.key] = index
    return rows


def _create(base: Any) -> None:
    base.execute("CREATE TABLE source (key TEXT PRIMARY KEY, value)")
    for event in ("INSERT", "UPDATE", "DELETE"):
        base.execute(f"CREATE TRIGGER on_{event.lower()} AFTER {event} ON source BEGIN "
                     "INSERT INTO changes (op) SELECT op FROM running; END")


def _milliseconds(value: Any, shown: str) -> int:
    try:
        time = float(value)
    except (TypeError, ValueError):
        time = -1.0
    if not 0 <= time <= 1e9:
        raise ToolError(f"The operation {shown!r} has a time that isn't a number of seconds between 0 and 1e9.")
    return round(time * 1_000)
