"""Threads and turns: admission, the per-thread lock, history. Promises that an admitted turn ends; knows no graph."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from memory.base import MemoryFault
from memory.sql import Database

LEASE_S = 120.0
HISTORY_TURNS = 12
SAME = ("question", "mode", "review")
"""What a request with an id that is known must have in common with the first one."""


class ThreadBusy(MemoryFault):
    """Another turn is running on this thread."""

    code = "thread_busy"


class UnknownThread(MemoryFault):
    """No thread of this id, or it was deleted."""

    code = "unknown_thread"


class IdReused(MemoryFault):
    """The id stands for another request already."""

    code = "id_reused"


@dataclass(frozen=True)
class Turn:
    """An admitted turn. `status` is running, waiting (for a review), done or failed; `number` counts from 1."""

    id: str
    thread: str
    learner: str
    number: int
    run: str
    trace: str
    status: str
    request: dict[str, Any]
    answer: dict[str, Any] | None
    error: dict[str, Any] | None
    attempts: int


class Threads:
    """Rows of threads and turns. `clock` gives seconds since the epoch."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.time) -> None:
        self._db, self._clock = db, clock

    def admit(self, request: dict[str, Any], thread: str | None, learner: str, turn_id: str | None, trace: str) -> Turn:
        """Writes the admission row and takes the thread's lock, durable before this returns. The same id again gives
        back the row that is there. Raises ThreadBusy, UnknownThread, and IdReused when that row is of another request."""
        turn_id = turn_id or uuid.uuid4().hex
        now = self._clock()
        with self._db.transaction(durable=True):
            known = self._turn(turn_id)
            if known is not None and known.learner != learner:
                raise UnknownThread(f"There is no request {turn_id} of this learner.")
            if known is not None and (changed := _changed(known, request, thread)):
                raise IdReused(f"The id {turn_id} stands for another request already: its {changed} isn't this one's. Send the same "
                               "request again for its answer, or leave the id out.")
            if known is not None:
                return known
            thread = thread or uuid.uuid4().hex[:12]
            rows = self._db.execute("select learner, deleted, holder, lease from threads where id = ?", (thread,))
            if rows and rows[0]["deleted"]:
                raise UnknownThread(f"Thread {thread} was deleted. Start a new one by leaving the thread out.")
            if rows and rows[0]["learner"] != learner:
                raise UnknownThread(f"There is no thread {thread} of this learner.")
            if rows and rows[0]["holder"] and rows[0]["lease"] > now:
                raise ThreadBusy(f"Thread {thread} is still answering. Wait for it, or use another thread.")
            if not rows:
                self._db.execute("insert into threads(id, learner, created) values (?,?,?)", (thread, learner, str(now)))
            self._db.execute("update threads set holder = ?, lease = ? where id = ?", (turn_id, now + LEASE_S, thread))
            number = self._db.execute("select coalesce(max(number), 0) + 1 as n from turns where thread = ?", (thread,))[0]["n"]
            self._db.execute(
                "insert into turns(id, thread, learner, number, run, trace, status, request, created, attempts) "
                "values (?,?,?,?,?,?,'running',?,?,1)",
                (turn_id, thread, learner, number, uuid.uuid4().hex[:16], trace, json.dumps(request), now))
        found = self._turn(turn_id)
        assert found is not None
        return found

    def finish(self, turn: Turn, status: str, answer: dict[str, Any] | None = None, error: dict[str, Any] | None = None) -> None:
        """Ends a turn (or parks it as `waiting`) and gives the lock back. A turn that is over stays as it is."""
        with self._db.transaction(durable=True):
            self._db.execute(
                "update turns set status = ?, answer = ?, error = ?, ended = ? where id = ? and status in ('running','waiting')",
                (status, json.dumps(answer) if answer else None, json.dumps(error) if error else None, self._clock(), turn.id))
            self._db.execute("update threads set holder = null, lease = null where id = ? and holder = ?", (turn.thread, turn.id))

    def resume(self, turn: Turn) -> Turn:
        """Takes the lock again for a turn that stopped (waiting for review, or cut off by a crash)."""
        now = self._clock()
        with self._db.transaction(durable=True):
            if self._turn(turn.id) is None:
                raise UnknownThread(f"Thread {turn.thread} was deleted.")
            taken = self._db.changed(
                "update threads set holder = :turn, lease = :lease where id = :thread and "
                "(holder is null or holder = :turn or lease <= :now)",
                {"turn": turn.id, "lease": now + LEASE_S, "thread": turn.thread, "now": now})
            if not taken:
                raise ThreadBusy(f"Thread {turn.thread} is still answering. Wait for it, then try again.")
            self._db.execute("update turns set status = 'running', attempts = attempts + 1 where id = ?", (turn.id,))
        found = self._turn(turn.id)
        assert found is not None
        return found

    def get(self, turn_id: str) -> Turn | None:
        return self._turn(turn_id)

    def unfinished(self) -> list[Turn]:
        """Turns that were admitted and never ended: what recovery has to finish. Ours is the only process."""
        rows = self._db.execute("select * from turns where status = 'running' order by created")
        return [_turn(row) for row in rows]

    def history(self, thread: str, before: int | None = None, limit: int = HISTORY_TURNS) -> list[Turn]:
        """The last turns of a thread that were answered, oldest first."""
        rows = self._db.execute(
            "select * from turns where thread = :thread and answer is not null and (:before is null or number < :before) "
            "order by number desc limit :limit", {"thread": thread, "before": before, "limit": limit})
        return [_turn(row) for row in reversed(rows)]

    def turns(self, thread: str) -> list[Turn]:
        """Every turn of a thread, also those that failed, oldest first."""
        return [_turn(row) for row in self._db.execute("select * from turns where thread = ? order by number", (thread,))]

    def latest(self, learner: str) -> str | None:
        """The thread that this learner used last."""
        rows = self._db.execute(
            "select t.thread from turns t join threads h on h.id = t.thread where t.learner = ? and h.deleted is null "
            "order by t.created desc limit 1", (learner,))
        return rows[0]["thread"] if rows else None

    def listing(self, learner: str, limit: int = 20) -> list[dict[str, Any]]:
        """Threads of a learner, newest first: id, turns, first question, time of the last turn."""
        rows = self._db.execute(
            "select t.thread as id, count(*) as turns, max(t.created) as last, min(t.number) as first from turns t "
            "join threads h on h.id = t.thread where t.learner = ? and h.deleted is null group by t.thread "
            "order by last desc limit ?", (learner, limit))
        out = []
        for row in rows:
            opened = self._db.execute("select request from turns where thread = ? and number = ?", (row["id"], row["first"]))
            out.append({"id": row["id"], "turns": row["turns"], "last": row["last"],
                        "question": json.loads(opened[0]["request"])["question"]})
        return out

    def delete(self, thread: str) -> None:
        """Forgets a thread's turns under its lock and leaves a tombstone. Raises ThreadBusy, UnknownThread."""
        with self._db.transaction(durable=True):
            rows = self._db.execute("select holder, lease, deleted from threads where id = ?", (thread,))
            if not rows or rows[0]["deleted"]:
                raise UnknownThread(f"There is no thread {thread}.")
            if rows[0]["holder"] and rows[0]["lease"] > self._clock():
                raise ThreadBusy(f"Thread {thread} is still answering. Wait for it, then delete it.")
            for table in ("turns", "effects", "reviews", "checkpoints", "checkpoint_values", "checkpoint_writes"):
                self._db.execute(f"delete from {table} where thread = ?", (thread,))
            self._db.execute("update threads set deleted = ?, holder = null where id = ?", (str(self._clock()), thread))

    def effect(self, thread: str, turn: str, call: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Runs an effect once: its key and its result commit together; the second call gives the first one's result."""
        with self._db.transaction(durable=True):
            rows = self._db.execute("select result from effects where thread = ? and turn = ? and call = ?", (thread, turn, call))
            if rows:
                found: dict[str, Any] = json.loads(rows[0]["result"])
                return found
            result = make()
            self._db.execute("insert into effects(thread, turn, call, result) values (?,?,?,?)",
                             (thread, turn, call, json.dumps(result)))
            return result

    def _turn(self, turn_id: str) -> Turn | None:
        rows = self._db.execute("select * from turns where id = ?", (turn_id,))
        return _turn(rows[0]) if rows else None


def _changed(known: Turn, request: dict[str, Any], thread: str | None) -> str | None:
    """What a request under the id of a known turn asks otherwise. Whoever asks again may know the thread by now."""
    for name in SAME:
        if known.request.get(name) is not None and request.get(name) != known.request[name]:
            return name
    return "thread" if thread not in (None, known.thread) else None


def _turn(row: Any) -> Turn:
    def decoded(value: str | None) -> dict[str, Any] | None:
        return json.loads(value) if value else None

    return Turn(row["id"], row["thread"], row["learner"], row["number"], row["run"], row["trace"], row["status"],
                json.loads(row["request"]), decoded(row["answer"]), decoded(row["error"]), row["attempts"])
