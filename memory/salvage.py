"""Saves what can still be read of a damaged home database into a fresh one. Knows rows, and which tables are derived
from others; nothing of where the files go, nor of vectors.

SQLite reads a table in order and stops at the first page that makes no sense. The rows behind it are asked for one by one:
the table's indexes tell which there are.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memory.base import Block, Source, UnreadableDocument
from memory.ingest.markdown import parse_markdown
from memory.ingest.passages import cut_passages
from memory.ingest.readers import read_file
from memory.lexical import LexicalIndex
from memory.passages import passage_row
from memory.sql import Database

MAX_PROBED = 1_000_000
"""Up to this row number every row is asked for, also one that no index tells of."""

JSON_COLUMNS = frozenset({("passages", "heading"), ("passages", "blocks"), ("turns", "request"), ("turns", "answer"), ("turns", "error"),
                          ("effects", "result"), ("reviews", "decision"), ("spans", "attributes")})
PYTHON_TYPES = {"text": (str,), "integer": (int,), "real": (float, int)}
RESTORED_THREADS = """
insert or ignore into threads(id, learner, created) select thread, min(learner), cast(min(created) as text) from turns group by thread"""
WITHOUT_PASSAGES = "select 1 from documents where id not in (select document from passages) limit 1"


@dataclass(frozen=True)
class LostDocument:
    """A document of the learner's whose row can't be read whole. What is known of it: its name ("" when not even that)
    and the file that it was read from, if that could be read."""

    name: str
    origin: str


@dataclass
class Salvage:
    """`lost` counts, by table, the rows that were there and can't be read, `read` those that were copied; of `unsure` tables
    more may be lost, since no index tells what there was. `recut` counts documents whose passages were cut again out of
    their text; passages that were lost aren't counted."""

    read: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    documents: list[LostDocument] = field(default_factory=list)
    recut: int = 0


def damage(database: Path) -> str | None:
    """Why a SQLite file can't be trusted or read to its end, or None."""
    try:
        with closing(_opened(database)) as db:
            found = str(db.execute("pragma integrity_check(1)").fetchone()[0])
            if found != "ok":
                return found.splitlines()[-1]
            for table in _tables(db):
                for _ in db.execute(f'select * from "{table}"'):
                    pass
    except sqlite3.DatabaseError as error:
        return str(error)
    return None


def drop_derived(database: Path) -> None:
    """Empties the tables that opening the home makes anew. Raises IndexDamaged, StorageFull."""
    with closing(Database(database)) as db, db.transaction(durable=True):
        db.execute("delete from token_vectors")
        LexicalIndex(db).clear()


def salvage(damaged: Path, fresh: Path) -> Salvage:
    """Makes `fresh`, a database with every row of `damaged` that can be read; derived tables stay empty.
    Raises StorageFull, and then `fresh` is gone again."""
    saved = Salvage()
    remove_database(fresh)
    try:
        with closing(_opened(damaged)) as old, closing(Database(fresh)) as new, new.transaction(durable=True):
            for table, sql in _truth(old).items():
                new.execute(sql)
                _copy(old, new, table, saved)
            if "threads" in saved.lost:
                new.execute(RESTORED_THREADS)
            if saved.lost.pop("passages", None) is not None or new.execute(WITHOUT_PASSAGES):
                saved.recut = _cut_again(new)
    except BaseException:
        remove_database(fresh)
        raise
    return saved


def remove_database(path: Path) -> None:
    """A SQLite file and its companions."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _opened(database: Path) -> sqlite3.Connection:
    """For reading, with the write-ahead log that may lie beside it."""
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)


def _tables(db: sqlite3.Connection) -> dict[str, str]:
    """Name to the statement that makes it."""
    return dict(db.execute("select name, sql from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\'"))


def _truth(old: sqlite3.Connection) -> dict[str, str]:
    """The tables to copy, documents before their passages. Also those that a later version may have added."""
    try:
        found = _tables(old)
    except sqlite3.DatabaseError:
        return {}
    kept = {name: sql.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1) for name, sql in found.items()
            if name != "token_vectors" and not name.startswith("lexical")}
    return dict(sorted(kept.items(), key=lambda item: item[0] != "documents"))


def _copy(old: sqlite3.Connection, new: Database, table: str, saved: Salvage) -> None:
    wanted = {row["name"]: row["type"].lower() for row in new.execute(f"pragma table_info({table})")}
    columns = [row[1] for row in _read(old, f"pragma table_info({table})")[0] if row[1] in wanted]
    copier = _Copier(new, table, columns, [wanted[name] for name in columns])
    listed = f"select rowid, {', '.join(columns)} from {table}"
    if not copier.took_all(old, f"{listed} order by rowid"):
        copier.took_all(old, f"{listed} order by rowid desc")
        known, complete = _rowids(old, table)
        there = copier.done | copier.unfit | known
        top = max(there, default=0)
        for rowid in sorted((set(range(1, top + 1)) if top <= MAX_PROBED else there) - copier.done):
            copier.took_all(old, f"{listed} where rowid = {rowid}")
        copier.unfit |= there - copier.done
        if not complete:
            saved.unsure.add(table)
    lost = copier.unfit - copier.done
    saved.read[table] = len(copier.done)
    if lost or table in saved.unsure:
        saved.lost[table] = len(lost)
    if table == "documents":
        saved.documents += _known_of(old, lost)


class _Copier:
    """Puts rows into the new table. `done` are the rowids that are there, `unfit` those whose values make no sense."""

    def __init__(self, new: Database, table: str, columns: Sequence[str], types: Sequence[str]) -> None:
        self.done: set[int] = set()
        self.unfit: set[int] = set()
        self._new, self._table, self._columns, self._types = new, table, columns, types
        self._insert = f"insert into {table}({', '.join(columns)}) values ({', '.join('?' * len(columns))})"

    def took_all(self, old: sqlite3.Connection, sql: str) -> bool:
        """Whether the statement could be carried out to its end."""
        rows = None
        try:
            rows = old.execute(sql)
            while (row := rows.fetchone()) is not None:
                if row[0] not in self.done:
                    self._take(row[0], row[1:])
        except sqlite3.DatabaseError:
            return False
        return True

    def _take(self, rowid: int, values: Sequence[Any]) -> None:
        if all(map(self._fits, self._columns, self._types, values)) and self._inserted(values):
            self.done.add(rowid)
        else:
            self.unfit.add(rowid)

    def _fits(self, column: str, declared: str, value: Any) -> bool:
        if value is None or declared not in PYTHON_TYPES:
            return True
        return isinstance(value, PYTHON_TYPES[declared]) and ((self._table, column) not in JSON_COLUMNS or _is_json(str(value)))

    def _inserted(self, values: Sequence[Any]) -> bool:
        try:
            self._new.execute(self._insert, tuple(values))
        except sqlite3.IntegrityError:
            return False
        return True


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _rowids(old: sqlite3.Connection, table: str) -> tuple[set[int], bool]:
    """The rows that the table's indexes know, read from both ends, and whether one of them could be read whole."""
    found: set[int] = set()
    whole = False
    for index in _read(old, f"pragma index_list({table})")[0]:
        columns = [row[2] for row in _read(old, f'pragma index_info("{index[1]}")')[0]]
        for order in ("", " order by " + ", ".join(f"{column} desc" for column in columns)):
            rows, complete = _read(old, f'select rowid from {table} indexed by "{index[1]}"{order}')
            found.update(row[0] for row in rows if isinstance(row[0], int))
            whole |= complete
    return found, whole


def _read(old: sqlite3.Connection, sql: str) -> tuple[list[tuple[Any, ...]], bool]:
    """The rows up to the first that can't be read, and whether those are all."""
    found: list[tuple[Any, ...]] = []
    try:
        for row in old.execute(sql):
            found.append(row)
    except sqlite3.DatabaseError:
        return found, False
    return found, True


def _known_of(old: sqlite3.Connection, lost: Iterable[int]) -> list[LostDocument]:
    """What a row, or the index over it, still tells of the learner's documents that are lost."""
    listed, _ = _read(old, "select rowid, source, path from documents indexed by sqlite_autoindex_documents_2")
    named = {rowid: (source, path) for rowid, source, path in listed}
    found = []
    for rowid in sorted(lost):
        source, path = named.get(rowid) or (_cell(old, rowid, "source"), _cell(old, rowid, "path"))
        if source != "course":
            found.append(LostDocument(path, _cell(old, rowid, "origin")))
    return found


def _cell(old: sqlite3.Connection, rowid: int, column: str) -> str:
    """A text of a damaged row of the documents, "" when it can't be read."""
    rows, _ = _read(old, f"select {column} from documents where rowid = {rowid}")
    return rows[0][0] if rows and isinstance(rows[0][0], str) else ""


def _cut_again(new: Database) -> int:
    """Cuts every document anew: the same text gives the same passages. Returns how many documents that were."""
    new.execute("delete from passages")
    documents = new.execute("select rowid, id, path, source from documents")
    for document in documents:
        text, origin = new.execute("select text, origin from documents where id = ?", (document["id"],))[0]
        blocks = _blocks_of(text, origin)
        if blocks is None:
            # Its file is another one by now, so its next ingest reads it whatever it holds.
            new.execute("update documents set hash = '' where id = ?", (document["id"],))
            blocks = parse_markdown(text)
        source: Source = document["source"]
        passages = cut_passages(document["path"], text, blocks, source)
        new.many("insert into passages(id, document, position, heading, start, stop, blocks) values (?,?,?,?,?,?,?)",
                 (passage_row(document["id"], at, passage) for at, passage in enumerate(passages)))
    return len(documents)


def _blocks_of(text: str, origin: str) -> list[Block] | None:
    """The blocks as the reader of its file saw them, if the file still holds this text."""
    try:
        read = read_file(Path(origin)) if origin else None
    except UnreadableDocument:
        return None
    return read.blocks if read is not None and read.text == text else None


