"""Mends a home: a damaged database is read as far as it goes, lost documents are read again, indexes are made anew.
Knows what is derived from what, and how to tell what it did."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from api.cli.output import Progress, counted

if TYPE_CHECKING:
    from memory.open import Memory
    from memory.salvage import LostDocument, Salvage

DATABASE, VECTORS = "tutor.sqlite", "chroma"

# What a reader calls the rows of a table. One that isn't here goes by its own name.
NOUNS = {"documents": "documents", "threads": "conversations", "turns": "questions with their answers", "reviews": "reviews",
         "spans": "steps of traces", "effects": "results of tool calls", "checkpoints": "states of unfinished turns",
         "checkpoint_values": "values of unfinished turns", "checkpoint_writes": "writes of unfinished turns"}
UNSEEN = ("Nothing in it could be read. If you have a backup of the file, put it in its place; otherwise run `tutor ingest` on your "
          "notes again.")


def rebuild(home: Path, open_home: Callable[[], Memory], wait_s: float = 10.0, progress: Progress | None = None) -> list[str]:
    """Makes all that is derived anew and says what it did, a sentence each. Raises HomeBusy, StorageFull.

    Opening a home makes what its indexes lack, so what is derived is thrown away before. A damaged vector index in
    particular can keep the process that opened it from opening another.
    """
    from memory.home import disown, own, remove

    did: list[str] = []
    lost: list[LostDocument] = []
    with ExitStack() as stack:
        stack.callback(disown, home, own(home, wait_s))
        if (home / DATABASE).exists():
            lost = _database_mended(home, did)
        remove(home / VECTORS)
    memory = open_home()
    try:
        did += _read_again(memory, lost, progress)
        count = sum(info.chunks for info in memory.store.documents())
        did.append(f"Both indexes were made anew from {counted(count, 'passage')}.")
    finally:
        memory.close()
    return did


def _database_mended(home: Path, did: list[str]) -> list[LostDocument]:
    """Empties the derived tables. When the file is damaged, a fresh one with all that can be read takes its place; it is
    kept, once, beside it. Returns the documents that couldn't be read."""
    from memory.base import IndexDamaged
    from memory.salvage import damage, drop_derived, salvage

    database = home / DATABASE
    why = damage(database)
    if why is None:
        try:
            drop_derived(database)
            return []
        except IndexDamaged as error:
            why = str(error.__cause__ or error)
    fresh = home / f"{DATABASE}.new"
    saved = salvage(database, fresh)
    aside = _set_aside(database)
    fresh.replace(database)
    did += _told(why, saved, aside.name)
    return saved.documents


def _told(why: str, saved: Salvage, aside: str) -> list[str]:
    kept = f"the damaged file is kept as {aside}"
    if not any(saved.read.values()):
        return [f"{DATABASE} was damaged ({why}); {kept}. {UNSEEN}"]
    told = [f"{DATABASE} was damaged ({why}); what could be read was copied into a fresh file, and {kept}."]
    if saved.recut:
        told.append(f"{saved.recut} documents were cut into passages again.")
    parts = [f"{'at least ' if table in saved.unsure else ''}{count} {NOUNS.get(table, table)}" for table, count in saved.lost.items()]
    if parts:
        told.append(f"Not readable: {', '.join(parts)}. A backup of {DATABASE} would hold them.")
    else:
        told.append(f"Every document, conversation and review could be read, so {aside} can be deleted.")
    return told


def _set_aside(database: Path) -> Path:
    """Keeps a database, with its write-ahead log, as name.damaged-N, the first N that is free. The file stays in its place
    too where the disk can do that, so that a home is never without one."""
    number = 1
    while (target := database.with_name(f"{database.name}.damaged-{number}")).exists():
        number += 1
    try:
        target.hardlink_to(database)
    except OSError:
        database.rename(target)
    wal, shared = (database.with_name(database.name + suffix) for suffix in ("-wal", "-shm"))
    if wal.exists() and wal.stat().st_size:
        wal.rename(target.with_name(target.name + "-wal"))
    for each in (wal, shared):
        each.unlink(missing_ok=True)
    return target


def _read_again(memory: Memory, lost: list[LostDocument], progress: Progress | None) -> list[str]:
    """Reads lost documents from their files under their old names. What can't be read is told."""
    from memory.base import UnreadableDocument
    from memory.ingest.passages import cut_passages
    from memory.ingest.readers import read_file
    from memory.passages import NewDocument

    documents, failed = [], []
    for number, each in enumerate(lost):
        if progress:
            progress("reading", number, len(lost))
        name = each.name or "A document whose name can't be read"
        if not each.name or not each.origin:
            failed.append(f"{name} is lost; run `tutor ingest` on its file again.")
            continue
        try:
            read = read_file(Path(each.origin))
        except UnreadableDocument as error:
            failed.append(f"{name} is lost: {error}")
            continue
        passages = tuple(cut_passages(each.name, read.text, read.blocks, "notes"))
        # Without a hash, the next ingest reads the file once more and knows it again from then on.
        documents.append(NewDocument(each.name, read.title, read.text, "", passages, "notes", each.origin))
    memory.store.put([document for document in documents if document.passages])
    return [f"{len(documents)} of {counted(len(lost), 'lost document')} were read again from their files.", *failed] if lost else []
