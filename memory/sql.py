"""The one SQLite file of a home: connection, pragmas, transactions, schema. Knows SQL, not what the rows mean.

Statements are portable SQL with named parameters; `Database` is the seam where another server can take SQLite's place.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memory.base import IndexDamaged, StorageFull
from memory.home import make_private

SAFE_SQLITE = (3, 51, 3)
SCHEMA_VERSION = 2

SCHEMA = """
create table if not exists meta(key text primary key, value text not null);
create table if not exists documents(
    id text primary key, path text not null, title text not null, source text not null,
    hash text not null, text text not null, origin text not null default '', added text not null, unique(source, path));
create table if not exists passages(
    id text not null, document text not null references documents(id) on delete cascade, position integer not null,
    heading text not null, start integer not null, stop integer not null, blocks text not null,
    primary key(document, position));
create index if not exists passages_by_id on passages(id);
create table if not exists token_vectors(passage text primary key, tokens blob not null, counts text not null);
create table if not exists threads(
    id text primary key, learner text not null, created text not null, deleted text, holder text, lease real);
create table if not exists turns(
    id text primary key, thread text not null, learner text not null, number integer not null, run text not null,
    trace text not null, status text not null, request text not null, answer text, error text,
    created real not null, ended real, attempts integer not null default 0);
create index if not exists turns_by_thread on turns(thread, number);
create index if not exists open_turns on turns(status) where status = 'running';
create table if not exists effects(
    thread text not null, turn text not null, call text not null, result text not null,
    primary key(thread, turn, call));
create table if not exists reviews(
    id text primary key, thread text not null, turn text not null, learner text not null, reason text not null,
    question text not null, draft text not null, confidence real not null, status text not null,
    decision text, created real not null, decided real);
create index if not exists reviews_by_status on reviews(status, created);
create table if not exists predictions(
    id text primary key, learner text not null, tool text not null, args text not null, name text not null, unit text not null,
    predicted real not null, confidence real, actual real not null, error_factor real, created real not null);
create index if not exists predictions_by_learner on predictions(learner, created);
create table if not exists spans(
    trace text not null, span text primary key, parent text, name text not null, start_ns integer not null,
    end_ns integer not null, status text not null, attributes text not null);
create index if not exists spans_by_trace on spans(trace, start_ns);
create table if not exists checkpoints(
    thread text not null, ns text not null, id text not null, parent text, type text not null, checkpoint blob not null,
    metadata blob not null, primary key(thread, ns, id));
create table if not exists checkpoint_values(
    thread text not null, ns text not null, channel text not null, version text not null, type text not null,
    value blob, primary key(thread, ns, channel, version));
create table if not exists checkpoint_writes(
    thread text not null, ns text not null, id text not null, task text not null, position integer not null,
    channel text not null, type text not null, value blob, path text not null default '',
    primary key(thread, ns, id, task, position));
"""


class Database:
    """A SQLite file (or ":memory:") shared by the threads of one process.

    Raises IndexDamaged when the file is no database, StorageFull when the disk refuses a write.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        self._lock = threading.RLock()
        self._depth = 0
        try:
            if self.path != ":memory:":
                make_private(Path(self.path))
            self._db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, cached_statements=256)
            self._db.row_factory = sqlite3.Row
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000", "secure_delete=ON",
                           "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-32000"):
                self._db.execute(f"pragma {pragma}")
            if self._db.execute("pragma user_version").fetchone()[0] != SCHEMA_VERSION:
                self._db.executescript(SCHEMA)
                self._db.execute(f"pragma user_version={SCHEMA_VERSION}")
        except sqlite3.DatabaseError as error:
            raise _explained(error, self.path) from error
        except OSError as error:
            raise StorageFull(f"Can't write {self.path} ({error.strerror}). Free some space or check its permissions.") from error

    @contextmanager
    def transaction(self, durable: bool = False) -> Iterator[Database]:
        """All or nothing. `durable` also waits until the disk has it (synchronous=FULL), as a promise made to a
        learner must; without it a commit survives the death of the process, not a power cut. Nests."""
        with self._lock:
            if self._depth:
                yield self
                return
            try:
                if durable:
                    self._db.execute("pragma synchronous=FULL")
                self._db.execute("begin immediate")
                self._depth = 1
                try:
                    yield self
                except BaseException:
                    self._db.execute("rollback")
                    raise
                else:
                    self._db.execute("commit")
            except sqlite3.DatabaseError as error:
                raise _explained(error, self.path) from error
            finally:
                self._depth = 0
                if durable:
                    self._db.execute("pragma synchronous=NORMAL")

    def execute(self, sql: str, values: Mapping[str, Any] | tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise _explained(error, self.path) from error

    def changed(self, sql: str, values: Mapping[str, Any] | tuple[Any, ...] = ()) -> int:
        """Runs a statement and tells how many rows it touched."""
        with self._lock:
            try:
                return self._db.execute(sql, values).rowcount
            except sqlite3.DatabaseError as error:
                raise _explained(error, self.path) from error

    def many(self, sql: str, rows: Iterable[Mapping[str, Any] | tuple[Any, ...]]) -> None:
        with self._lock:
            try:
                self._db.executemany(sql, rows)
            except sqlite3.DatabaseError as error:
                raise _explained(error, self.path) from error

    def check(self) -> list[str]:
        """What SQLite's own integrity check finds wrong; empty when sound."""
        found = [row[0] for row in self.execute("pragma integrity_check(10)")]
        return [] if found == ["ok"] else found

    def close(self) -> None:
        with self._lock:
            self._db.close()


def sqlite_warning() -> str | None:
    """SQLite before 3.51.3 has a rare WAL-reset corruption with several connections; we use one, and say so."""
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return None
    return (
        f"SQLite {sqlite3.sqlite_version} is older than 3.51.3, which mends a rare corruption when several connections "
        "reset the WAL at once; this program keeps to one connection in one process."
    )


def _explained(error: sqlite3.DatabaseError, path: str) -> Exception:
    text = str(error)
    if "disk is full" in text or "readonly" in text or "disk I/O" in text:
        return StorageFull(f"Can't write {path} ({text}). Free some space or check its permissions; nothing was changed.")
    # A page that was overwritten may also come out as a table that can't be opened, or as text that is none.
    damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    if damaged or "vtable constructor failed" in text or "Could not decode" in text:
        return IndexDamaged(f"{path} is damaged ({text}). Run `tutor doctor --rebuild`.")
    return error
