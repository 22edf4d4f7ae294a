"""Finished spans in SQL, by trace: what `tutor trace show` reads. Knows rows, not OpenTelemetry."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memory.base import MemoryFault
from memory.sql import Database

KEEP_TRACES = 2000


class UnknownTrace(MemoryFault):
    """No trace of this id."""

    code = "unknown_trace"


@dataclass(frozen=True)
class SpanRow:
    """One finished span; times are nanoseconds since the epoch."""

    trace: str
    span: str
    parent: str | None
    name: str
    start_ns: int
    end_ns: int
    status: str
    attributes: dict[str, Any]


class Traces:
    """The last KEEP_TRACES traces of a home."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, spans: Sequence[SpanRow]) -> None:
        rows = [(s.trace, s.span, s.parent, s.name, s.start_ns, s.end_ns, s.status, json.dumps(s.attributes)) for s in spans]
        with self._db.transaction():
            self._db.many(
                "insert or replace into spans(trace, span, parent, name, start_ns, end_ns, status, attributes) "
                "values (?,?,?,?,?,?,?,?)", rows)

    def get(self, trace: str) -> list[SpanRow]:
        """All spans of a trace by start time; a unique prefix of the id will do. Raises UnknownTrace."""
        rows = self._db.execute("select * from spans where trace like ? order by start_ns", (trace.replace("%", "") + "%",))
        if not trace or not rows or len({row["trace"] for row in rows}) > 1:
            raise UnknownTrace(f"There is no single trace {trace!r}. `tutor trace list` shows the last ones.")
        return [SpanRow(r["trace"], r["span"], r["parent"], r["name"], r["start_ns"], r["end_ns"], r["status"],
                        json.loads(r["attributes"])) for r in rows]

    def recent(self, limit: int = 20) -> list[dict[str, Any]]:
        """The last traces, newest first: id, name of the root, start, duration in ms, number of spans."""
        rows = self._db.execute(
            "select trace, min(start_ns) as start, max(end_ns) - min(start_ns) as ns, count(*) as spans, "
            "max(case when parent is null then name end) as name from spans group by trace order by start desc limit ?", (limit,))
        return [{"trace": r["trace"], "name": r["name"], "start_ns": r["start"], "ms": r["ns"] / 1e6, "spans": r["spans"]}
                for r in rows]

    def prune(self) -> None:
        """Keeps the last KEEP_TRACES."""
        self._db.execute(
            "delete from spans where trace not in (select trace from spans group by trace order by max(start_ns) desc limit ?)",
            (KEEP_TRACES,))
