"""Opens a home: one folder, one owning process, everything that memory keeps. Knows how the parts fit together."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from threadpoolctl import threadpool_limits

from memory.base import Embedder, IndexDamaged, StorageFull
from memory.chroma import ArrayVectors, ChromaVectors, VectorIndex
from memory.errata import Errata, load_errata
from memory.export import model_folder
from memory.home import PRIVATE_FOLDER, announce, disown, make_private, own, remove
from memory.ingest.pipeline import Progress, ingest_course
from memory.lexical import LexicalIndex
from memory.minilm import HashEmbedder, MiniLM
from memory.passages import PassageStore
from memory.retrieve import Retriever
from memory.sql import Database

COURSE = Path(__file__).parent / "course"
VECTORS = "chroma"
KNOWN = 8
"""Passages whose vectors are looked at when a home is opened; `tutor doctor` looks at all."""

log = logging.getLogger("tutor.memory")


@dataclass
class Memory:
    """An open home. `index` searches, `store` keeps documents, `db` is shared by threads, reviews and traces."""

    home: Path | None
    db: Database
    store: PassageStore
    vectors: VectorIndex
    index: Retriever
    errata: Errata
    lock: FileLock | None = None

    def close(self) -> None:
        self.vectors.close()
        self.db.close()
        if self.home is not None and self.lock is not None:
            disown(self.home, self.lock)

    def announce(self, url: str, token: str) -> None:
        """Tells other processes that a server owns this home and how to reach it."""
        if self.home is not None:
            announce(self.home, url, token)


def open_memory(home: Path, *, wait_s: float = 10.0, course: bool = True, progress: Progress | None = None,
                embedder: Embedder | None = None, template: Path | None = None) -> Memory:
    """Opens a home, creating it when it doesn't exist (as a copy of `template`, or of the one with the course), with the built-in
    course up to date and every passage in the indexes.

    Raises HomeBusy when another process keeps it longer than `wait_s`, IndexDamaged when its database can't be read,
    StorageFull.
    """
    lock = own(home, wait_s)
    try:
        if template is None and embedder is None and course:
            template = template_folder()
        if template is not None and not (home / "tutor.sqlite").exists():
            _start_from(template, home)
        memory = _assemble(home, embedder or MiniLM(model_folder()), lock)
    except BaseException:
        disown(home, lock)
        raise
    try:
        _complete(memory, progress)
        if course:
            ingest_course(memory.store, COURSE, progress)
    except BaseException:
        memory.close()
        raise
    return memory


def open_in_memory(embedder: Embedder | None = None, course: bool = False) -> Memory:
    """A home that lives in this process only: the shipped fake for tests and throw-away subjects."""
    db, vectors, chosen = Database(":memory:"), ArrayVectors(), embedder or HashEmbedder()
    lexical = LexicalIndex(db)
    store = PassageStore(db, vectors, lexical, chosen)
    memory = Memory(None, db, store, vectors, Retriever(store, vectors, lexical, chosen), load_errata())
    if course:
        ingest_course(store, COURSE)
    return memory


def build_template(progress: Progress | None = None) -> Path:
    """Set-up: a home with the course in it, which each new home starts as a copy of."""
    folder = template_folder()
    with template_lock():
        memory = _assemble(folder, MiniLM(model_folder()), None)
        ingest_course(memory.store, COURSE, progress)
        memory.store.sweep()
        memory.db.execute("pragma wal_checkpoint(truncate)")
        memory.close()
    return folder


def template_folder() -> Path:
    return model_folder().parent / "template"


@contextmanager
def template_lock() -> Iterator[None]:
    template_folder().mkdir(parents=True, exist_ok=True)
    with FileLock(template_folder().parent / "template.lock"):
        yield


def _complete(memory: Memory, progress: Progress | None) -> None:
    """Makes what the indexes lack, since a folder may have been removed, and lets go of what a killed ingest left."""
    missing, left_over = memory.store.off_by()
    if missing:
        log.warning("The search index of %s lacks %d passages; they are made anew out of what was read …", memory.home, missing)
    if missing or left_over:
        memory.store.complete((lambda done, total: progress("embedding", done, total)) if progress else None)


def _start_from(folder: Path, home: Path) -> None:
    if not (folder / "tutor.sqlite").is_file():
        return
    copy = home / "tutor.sqlite.new"
    try:
        with template_lock():
            shutil.copytree(folder / VECTORS, home / VECTORS, dirs_exist_ok=True)
            (home / VECTORS).chmod(PRIVATE_FOLDER)
            make_private(copy)
            shutil.copyfile(folder / "tutor.sqlite", copy)
        # The database appears last: a copy that was cut off starts over.
        copy.replace(home / "tutor.sqlite")
    except OSError as error:
        for part in (copy, home / VECTORS):
            remove(part)
        raise StorageFull(f"Can't write {home} ({_reason(error)}). Free some space or check its permissions; nothing was "
                          "changed.") from error


def _reason(error: OSError) -> str:
    """copytree gathers what went wrong with each file as (from, to, why)."""
    told = error.args[0] if isinstance(error, shutil.Error) and error.args else None
    return error.strerror or (str(told[0][-1]) if isinstance(told, list) and told else str(error))


def _assemble(home: Path, embedder: Embedder, lock: FileLock | None) -> Memory:
    # The matrix products of a search are small: splitting them over threads that spin costs more than it saves, and on a
    # busy machine a hundred times more.
    threadpool_limits(limits=1, user_api="blas")
    db = Database(home / "tutor.sqlite")
    lexical = LexicalIndex(db)
    vectors = _opened_vectors(home / VECTORS, db, lexical, embedder)
    store = PassageStore(db, vectors, lexical, embedder)
    return Memory(home, db, store, vectors, Retriever(store, vectors, lexical, embedder), load_errata(), lock)


def _opened_vectors(folder: Path, db: Database, lexical: LexicalIndex, embedder: Embedder) -> ChromaVectors:
    """The vector index; an empty one in place of one that is damaged, since all that it is made of is in SQL."""
    vectors: ChromaVectors | None = None
    try:
        vectors = ChromaVectors(folder, embedder.name)
        store = PassageStore(db, vectors, lexical, embedder)
        sample = store.sample(KNOWN)
        if 2 * len(store.astray(sample)) <= len(sample):
            return vectors
        why: object = "its vectors aren't those of the passages"
    except IndexDamaged as error:
        # With the database itself damaged there is nothing to make an index of.
        if damaged := db.check():
            raise IndexDamaged(f"{db.path} is damaged ({damaged[0]}). Run `tutor doctor --rebuild`.") from error
        why = error.__cause__ or error
    if vectors is not None:
        vectors.close()
    log.warning("The vector index in %s is damaged (%s), so it is thrown away.", folder, why)
    try:
        remove(folder)
    except OSError as error:
        raise StorageFull(f"The vector index in {folder} is damaged and can't be removed ({error.strerror}). Check its "
                          "permissions.") from error
    return ChromaVectors(folder, embedder.name)
