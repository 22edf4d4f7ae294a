"""Ingest: files to stored passages, by content hash. Knows the order of work, not formats or storage."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from memory.base import IngestReport, Source, UnreadableDocument
from memory.ingest.markdown import parse_markdown
from memory.ingest.passages import cut_passages
from memory.ingest.readers import find_files, read_file
from memory.passages import NewDocument, PassageStore

BATCH_CHARS = 2_000_000
Progress = Callable[[str, int, int], None]

# Raised when cutting changes, so that stored documents are read anew although their bytes didn't change.
CUTTER = "1"


def ingest(store: PassageStore, paths: Sequence[Path], prune: bool = False, progress: Progress | None = None) -> IngestReport:
    """Reads files and folders into the learner's notes. Unchanged files cost a hash; unreadable ones are reported and
    change nothing. With `prune`, documents whose file is gone from the named folders are removed."""
    began = time.monotonic()
    report = IngestReport()
    known = store.hashes("notes")
    batch: list[NewDocument] = []
    files: list[tuple[Path, str]] = []
    owners = store.origins("notes")
    for path in paths:
        try:
            for file, name in find_files([path]):
                name = _own_name(file, name, owners)
                owners[name] = str(file.resolve())
                files.append((file, name))
        except UnreadableDocument as error:
            report.failed.append({"path": str(path), "error": str(error)})
    for number, (file, name) in enumerate(files):
        if progress:
            progress("reading", number, len(files))
        try:
            digest = _digest(file)
            if known.get(name) == digest:
                report.unchanged += 1
                continue
            batch.append(_read(file, name, digest))
        except UnreadableDocument as error:
            report.failed.append({"path": str(file), "error": str(error)})
            continue
        report.updated += name in known
        report.added += name not in known
        if sum(len(document.text) for document in batch) > BATCH_CHARS:
            store.put(batch, _embedding(progress))
            batch = []
    if batch:
        store.put(batch, _embedding(progress))
    if prune:
        report.removed = _prune(store, paths)
    infos = store.documents("notes")
    report.documents, report.chunks = len(infos), sum(info.chunks for info in infos)
    report.seconds = round(time.monotonic() - began, 3)
    return report


def ingest_course(store: PassageStore, folder: Path, progress: Progress | None = None) -> int:
    """Brings the built-in course up to date; returns how many chapters changed."""
    known = store.hashes("course")
    names = {f"course/{file.name}": file for file in sorted(folder.glob("*.md"))}
    fresh = []
    for name, file in names.items():
        digest = _digest(file)
        if known.get(name) != digest:
            fresh.append(_read(file, name, digest, "course"))
    if fresh:
        store.put(fresh, _embedding(progress))
    for gone in set(known) - set(names):
        store.remove(gone)
    return len(fresh)


def ingest_text(store: PassageStore, name: str, text: str) -> int:
    """Stores Markdown that is already in memory as one of the learner's documents. Returns its passages."""
    digest = hashlib.sha256(f"{CUTTER}\0{text}".encode()).hexdigest()
    return store.put([_cut(name, name, text, digest, "notes", "")])


def _digest(file: Path) -> str:
    if file.exists() and not file.is_file():
        raise UnreadableDocument(f"{file} is no regular file; name a file or a folder.")
    try:
        with file.open("rb") as stream:
            inner = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise UnreadableDocument(f"{file} has vanished; check the path and run ingest again.") from error
    except OSError as error:
        raise UnreadableDocument(f"{file} can't be read ({error.strerror}); check its permissions.") from error
    return hashlib.sha256(f"{CUTTER}\0{inner}".encode()).hexdigest()


def _read(file: Path, name: str, digest: str, source: Source = "notes") -> NewDocument:
    document = read_file(file)
    passages = cut_passages(name, document.text, document.blocks, source)
    if not passages:
        raise UnreadableDocument(f"{file} holds no text that could be cut into passages.")
    return NewDocument(name, document.title, document.text, digest, tuple(passages), source, str(file.resolve()))


def _cut(name: str, title: str, text: str, digest: str, source: Source, origin: str) -> NewDocument:
    return NewDocument(name, title, text, digest, tuple(cut_passages(name, text, parse_markdown(text), source)), source, origin)


def _embedding(progress: Progress | None) -> Callable[[int, int], None] | None:
    return (lambda done, total: progress("embedding", done, total)) if progress else None


def _own_name(file: Path, name: str, owners: dict[str, str]) -> str:
    """The name, with as much of the path before it as tells the file from another one of that name that is still there."""
    whole = file.resolve()
    parts = list(whole.parts[1:])
    size = len(Path(name).parts)
    while (other := owners.get(name)) not in (None, "", str(whole)) and _is_there(Path(str(other))) and size < len(parts):
        size += 1
        name = "/".join(parts[-size:])
    return name


def _prune(store: PassageStore, paths: Sequence[Path]) -> int:
    """Removes documents whose file is gone from the named places. A place that can't be found, like one on a disk that was
    unplugged, says nothing about its files."""
    roots = [path.resolve() for path in paths if _is_there(path)]
    doomed = [name for name, origin in store.origins("notes").items()
              if origin and _inside(Path(origin), roots) and not _is_there(Path(origin))]
    for name in doomed:
        store.remove(name)
    return len(doomed)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return True  # it can't be looked at, which is no proof that it is gone


def _inside(origin: Path, roots: Sequence[Path]) -> bool:
    return any(origin == root or root in origin.parents for root in roots)


