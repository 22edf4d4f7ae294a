"""The human review queue: drafts that wait for a person. Knows decisions and staleness, not the graph that waits."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from memory.base import MemoryFault
from memory.sql import Database

Decision = Literal["approve", "edit", "reject"]


class UnknownReview(MemoryFault):
    """No review of this id."""

    code = "unknown_review"


class ReviewClosed(MemoryFault):
    """Somebody decided already; nothing resumes twice."""

    code = "review_closed"


@dataclass(frozen=True)
class Review:
    """A draft in the queue. `status` is pending, deciding (claimed, the turn is resuming) or done."""

    id: str
    thread: str
    turn: str
    learner: str
    reason: str
    question: str
    draft: str
    confidence: float
    status: str
    decision: dict[str, Any] | None
    created: float


class Reviews:
    """Rows of the queue; they survive restarts."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.time) -> None:
        self._db, self._clock = db, clock

    def add(self, thread: str, turn: str, learner: str, reason: str, question: str, draft: str, confidence: float) -> str:
        """Queues a draft, once a turn: asking again gives the same id."""
        with self._db.transaction(durable=True):
            rows = self._db.execute("select id from reviews where turn = ?", (turn,))
            if rows:
                return str(rows[0]["id"])
            review = uuid.uuid4().hex[:12]
            self._db.execute(
                "insert into reviews(id, thread, turn, learner, reason, question, draft, confidence, status, created) "
                "values (?,?,?,?,?,?,?,?,'pending',?)",
                (review, thread, turn, learner, reason, question, draft, confidence, self._clock()))
            return review

    def get(self, review_id: str) -> Review:
        rows = self._db.execute("select * from reviews where id = ?", (review_id,))
        if not rows:
            raise UnknownReview(f"There is no review {review_id!r}. `tutor review list` shows what waits.")
        return _review(rows[0])

    def listing(self, status: str | None = "pending") -> list[Review]:
        rows = self._db.execute("select * from reviews where :status is null or status = :status order by created",
                                {"status": status})
        return [_review(row) for row in rows]

    def claim(self, review_id: str, decision: Decision, text: str | None, by: str) -> Review:
        """Takes a pending review for a decision; the second one to try gets ReviewClosed."""
        self.get(review_id)
        made = json.dumps({"type": decision, "text": text, "by": by})
        with self._db.transaction(durable=True):
            won = self._db.changed(
                "update reviews set status = 'deciding', decision = ?, decided = ? where id = ? and status = 'pending'",
                (made, self._clock(), review_id))
        if not won:
            raise ReviewClosed(f"Review {review_id} was decided already; nothing was resumed again.")
        return self.get(review_id)

    def close(self, review_id: str) -> None:
        """The turn has resumed and ended."""
        self._db.execute("update reviews set status = 'done' where id = ?", (review_id,))

    def claimed(self) -> list[Review]:
        """Decided, but the turn didn't get to its end (a crash between): recovery resumes these."""
        return self.listing("deciding")


def _review(row: Any) -> Review:
    return Review(row["id"], row["thread"], row["turn"], row["learner"], row["reason"], row["question"], row["draft"],
                  row["confidence"], row["status"], json.loads(row["decision"]) if row["decision"] else None, row["created"])
