"""What a stream job's sink holds after crashes: checkpoints, replays and transactions, in ranges of records.

Knows the order of steps of one checkpoint, not how long they take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tools.base import ToolError

Sink = Literal["at-most-once", "at-least-once", "keyed-upsert", "increment", "two-phase-commit"]
Phase = Literal["between-checkpoints", "before-pre-commit", "after-pre-commit", "before-commit", "after-commit"]

SINKS: tuple[Sink, ...] = ("at-most-once", "at-least-once", "keyed-upsert", "increment", "two-phase-commit")
PHASES: tuple[Phase, ...] = ("between-checkpoints", "before-pre-commit", "after-pre-commit", "before-commit",
                             "after-commit")


@dataclass(frozen=True)
class Crash:
    """The job dies once `after` records were read, or, in any other phase than between checkpoints, during the
    checkpoint at that record or the next one due. In "before-commit" the checkpoint is complete, its transaction not
    yet committed; in "after-commit" it is committed but the job doesn't know."""

    after: int
    phase: Phase = "between-checkpoints"


@dataclass
class Ledger:
    """Ranges of records [start, end): executed by the operators, and written so that readers see them; a range may be
    in either list more than once. `keyed` says that writing a record again replaces it. `crashes` came to pass."""

    records: int
    keyed: bool = False
    executed: list[tuple[int, int]] = field(default_factory=list)
    written: list[tuple[int, int]] = field(default_factory=list)
    crashes: int = 0

    @property
    def executions(self) -> int:
        return sum(end - start for start, end in self.executed)

    def tally(self) -> tuple[int, int, int]:
        """(rows, duplicates, lost records) at the sink; for increments rows are the sum of the counters."""
        steps: dict[int, int] = {0: 0, self.records: 0}
        for start, end in self.written:
            steps[start], steps[end] = steps.get(start, 0) + 1, steps.get(end, 0) - 1
        rows = duplicates = lost = depth = 0
        edges = sorted(steps)
        for edge, following in zip(edges, edges[1:], strict=False):
            depth += steps[edge]
            visible = min(depth, 1) if self.keyed else depth
            rows += visible * (following - edge)
            duplicates += max(visible - 1, 0) * (following - edge)
            lost += (not visible) * (following - edge)
        return rows, duplicates, lost

    def copies(self) -> NDArray[np.int64]:
        """How often each record is visible at the sink, shape (records,)."""
        steps = np.zeros(self.records + 1, dtype=np.int64)
        for start, end in self.written:
            steps[start] += 1
            steps[end] -= 1
        depth = np.cumsum(steps)[:-1]
        return np.minimum(depth, 1) if self.keyed else depth


def deliver(records: int, every: int, sink: Sink, crashes: Sequence[Crash], aborted: bool = False) -> Ledger:
    """Reads `records` once each, with a checkpoint after every `every` and at the end, through `crashes` in that order.

    After a crash the job goes on from its last complete checkpoint; only at-most-once goes on where it died, without
    what it had buffered. That sink writes at the checkpoint's pre-commit, two-phase commit at its commit, the others at
    once. `aborted`: transactions that were pre-committed before a crash are gone when the job is back (they timed out,
    or nobody commits them). A crash at a record that was passed already never comes. Raises ToolError for one beyond
    the end. """
    if late := [crash for crash in crashes if not 0 <= crash.after <= records]:
        raise ToolError(f"A crash after {late[0].after:,} records is not within the {records:,} that there are; give a "
                        f"number "
                        f"from 0 to {records:,}.")
    job = _Job(Ledger(records, sink == "keyed-upsert"), sink)
    for crash in crashes:
        if crash.after < job.position or (crash.phase != "between-checkpoints" and job.position == records):
            continue
        job.ledger.crashes += 1
        due = min(max(-(-crash.after // every), 1) * every, records)
        if due <= job.position:
            due = min(due + every, records)
        if crash.phase == "between-checkpoints":
            last = records if crash.after == records else crash.after // every * every
            job.complete(last)
            job.read(crash.after)
        else:
            job.complete(max((due - 1) // every * every, job.position))
            job.read(due)
            job.checkpoint_until(crash.phase, aborted)
        job.restart()
    job.complete(records)
    return job.ledger


@dataclass
class _Job:
    """`position` is the next record to read, `checkpoint` the position of the last complete checkpoint; what lies
    between `buffered` and `position` was executed but is not written yet (at-most-once and two-phase commit)."""

    ledger: Ledger
    sink: Sink
    position: int = 0
    checkpoint: int = 0
    buffered: int = 0

    def read(self, until: int) -> None:
        if until <= self.position:
            return
        self.ledger.executed.append((self.position, until))
        if self.sink in ("at-least-once", "keyed-upsert", "increment"):
            self.ledger.written.append((self.position, until))
        self.position = until

    def complete(self, until: int) -> None:
        """Reads on to `until` with every checkpoint on the way complete and committed."""
        if until >= self.position:
            self.read(until)
            self._write()
            self.checkpoint = self.position

    def checkpoint_until(self, phase: Phase, aborted: bool) -> None:
        """The steps of the checkpoint at this position that come before the crash, and what the restart makes of
        them."""
        if phase == "before-pre-commit":
            return
        if self.sink == "at-most-once":
            self._write()
        if phase == "after-pre-commit":  # no checkpoint knows of the transaction: the restart aborts it
            return
        self.checkpoint = self.position
        if phase == "after-commit" or not aborted:  # the checkpoint holds the transaction: the restart commits it
            self._write()
        self.buffered = self.position

    def restart(self) -> None:
        if self.sink != "at-most-once":
            self.position = self.checkpoint
        self.buffered = self.position

    def _write(self) -> None:
        if self.sink in ("at-most-once", "two-phase-commit") and self.position > self.buffered:
            self.ledger.written.append((self.buffered, self.position))
        self.buffered = self.position
