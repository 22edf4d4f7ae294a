"""What learners expected before they saw a result: number, confidence, and how far off it was. Knows rows, no tool."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from memory.sql import Database


class Predictions:
    """Rows in a home. `clock` gives seconds since the epoch."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.time) -> None:
        self._db, self._clock = db, clock

    def add(self, learner: str, tool: str, args: dict[str, Any], compared: dict[str, Any], key: str | None = None) -> None:
        """Keeps {"name","unit","value","confidence","actual","error_factor"} of one prediction, once for each `key` (a turn)."""
        with self._db.transaction(durable=True):
            self._db.execute(
                "insert or ignore into predictions(id, learner, tool, args, name, unit, predicted, confidence, actual, error_factor, "
                "created) values (?,?,?,?,?,?,?,?,?,?,?)",
                (key or uuid.uuid4().hex, learner, tool, json.dumps(args, sort_keys=True), compared["name"], compared["unit"],
                 compared["value"], compared["confidence"], compared["actual"], compared["error_factor"], self._clock()))

    def listing(self, learner: str, limit: int = 100) -> list[dict[str, Any]]:
        """The learner's predictions, newest first; `confidence` and `error_factor` may be None."""
        rows = self._db.execute("select * from predictions where learner = ? order by created desc, id limit ?", (learner, limit))
        return [{"id": row["id"], "tool": row["tool"], "args": json.loads(row["args"]), "name": row["name"], "unit": row["unit"],
                 "value": row["predicted"], "confidence": row["confidence"], "actual": row["actual"],
                 "error_factor": row["error_factor"], "when": row["created"]} for row in rows]
