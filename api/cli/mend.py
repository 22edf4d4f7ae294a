"""Mends a home: damaged files are moved aside, indexes made anew, lost documents read again. Knows what is derived
from what: the vector index from SQL, SQL's documents from the learner's files."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from api.cli.output import Progress, counted

if TYPE_CHECKING:
    from memory.open import Memory

DATABASE, VECTORS = "tutor.sqlite", "chroma"


@dataclass(frozen=True)
class _Lost:
    """A document that stood in a damaged database: its name, and the file that it was read from."""

    name: str
    origin: Path


def rebuild(home: Path, open_home: Callable[[], Memory], wait_s: float = 10.0, progress: Progress | None = None) -> list[str]:
    """Makes both indexes anew and says what it did, a sentence each. Raises HomeBusy, StorageFull.

    The vector index always goes out of the way before the home is opened: it holds nothing that SQL doesn't, and a
    damaged one can keep the process that opened it from opening another.
    """
    from memory.open import own

    did: list[str] = []
    lost: list[_Lost] = []
    with ExitStack() as stack:
        stack.callback(own(home, wait_s).release)
        if (home / DATABASE).exists() and (why := _unreadable(home / DATABASE, ("documents", "passages", "turns"))):
            lost = _documents_of(home / DATABASE)
            aside = _aside(home, DATABASE)
            did.append(f"{DATABASE} was damaged ({why}) and is kept as {aside.name}; conversations and reviews stay in there.")
        old = None
        if (home / VECTORS).exists():
            damaged = not (home / VECTORS).is_dir() or _unreadable(home / VECTORS / "chroma.sqlite3", ("collections", "embeddings"))
            old = _aside(home, VECTORS)
            if damaged:
                did.append(f"The vector index was damaged and is kept as {old.name}.")
                old = None
    memory = open_home()
    try:
        if lost:
            did += _read_again(memory, lost, progress)
        count = memory.store.rebuild((lambda done, total: progress("embedding", done, total)) if progress else None)
        memory.store.sweep()
        did.append(f"Both indexes were made anew from {counted(count, 'passage')}.")
    finally:
        memory.close()
    if old is not None:
        shutil.rmtree(old)
    return did


def _unreadable(database: Path, tables: tuple[str, ...]) -> str | None:
    """Why a SQLite file can't be read to its end, or None."""
    try:
        with closing(_opened(database)) as db:
            for table in tables:
                for _ in db.execute(f"select * from {table}"):
                    pass
    except sqlite3.DatabaseError as error:
        return str(error)
    return None


def _documents_of(database: Path) -> list[_Lost]:
    """What can still be read of the learner's documents in a damaged database."""
    found: list[_Lost] = []
    try:
        with closing(_opened(database)) as db:
            for name, origin in db.execute("select path, origin from documents where source = 'notes' order by rowid"):
                found.append(_Lost(str(name), Path(str(origin))))
    except sqlite3.DatabaseError:
        # What was read before the damaged page is what there is.
        return found
    return found


def _opened(database: Path) -> sqlite3.Connection:
    """For reading, with the write-ahead log that may lie beside it."""
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)


def _aside(home: Path, name: str) -> Path:
    """Moves a file or folder of the home (and SQLite's companions) to name.damaged-N, the first N that is free."""
    number = 1
    while (home / f"{name}.damaged-{number}").exists():
        number += 1
    target = home / f"{name}.damaged-{number}"
    (home / name).rename(target)
    for companion in ("-wal", "-shm"):
        if (home / (name + companion)).exists():
            (home / (name + companion)).rename(target.with_name(target.name + companion))
    return target


def _read_again(memory: Memory, lost: list[_Lost], progress: Progress | None) -> list[str]:
    """Reads lost documents from their files under their old names. What is gone is told."""
    from memory.base import UnreadableDocument
    from memory.ingest.passages import cut_passages
    from memory.ingest.readers import read_file
    from memory.passages import NewDocument

    documents, failed = [], []
    for number, each in enumerate(lost):
        if progress:
            progress("reading", number, len(lost))
        try:
            read = read_file(each.origin)
        except UnreadableDocument as error:
            failed.append(f"{each.name} is lost: {error}")
            continue
        passages = tuple(cut_passages(each.name, read.text, read.blocks, "notes"))
        # Without a hash, the next ingest reads the file once more and knows it again from then on.
        documents.append(NewDocument(each.name, read.title, read.text, "", passages, "notes", str(each.origin)))
    memory.store.put([document for document in documents if document.passages])
    return [f"{len(documents)} of {counted(len(lost), 'document')} could be read again from the files.", *failed]
