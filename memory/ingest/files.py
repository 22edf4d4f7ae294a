"""Files and folders to bytes and text: which to read, how large, in what encoding. Knows no document format."""

from __future__ import annotations

import codecs
import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from memory.base import UnreadableDocument

SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__"})
DOCUMENTS = frozenset(
    (".md", ".markdown", ".mdx", ".txt", ".rst", ".log", ".text", ".html", ".htm", ".xhtml", ".pdf", ".docx")
)
# What a folder of notes may hold beside notes: pictures, sound, archives, programs, data, other office formats.
# A file of these that is named directly is still tried.
SKIPPED_SUFFIXES = frozenset((
    ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".avif", ".ico", ".svg", ".psd", ".eps",
    ".mp3", ".wav", ".flac", ".ogg", ".m4a", ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm",
    ".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".zst", ".jar", ".whl", ".iso", ".dmg", ".deb", ".rpm",
    ".exe", ".dll", ".so", ".dylib", ".a", ".o", ".obj", ".class", ".pyc", ".pyo", ".wasm", ".bin", ".dat",
    ".ttf", ".otf", ".woff", ".woff2", ".css", ".map", ".lock", ".ipynb",
    ".db", ".sqlite", ".sqlite3", ".parquet", ".arrow", ".feather", ".npy", ".npz", ".pkl", ".pt", ".onnx",
    ".safetensors", ".h5", ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".xml",
    ".doc", ".dot", ".rtf", ".odt", ".ods", ".odp", ".pages", ".numbers", ".key", ".xls", ".xlsx", ".ppt", ".pptx",
    ".epub", ".mobi",
))
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# The one-byte encodings that people's files are in, commonest first: they win where a guess finds several as good.
COMMON_ENCODINGS = ("cp1252", "cp1251", "iso8859_2", "cp1250", "koi8_r", "cp1253", "cp1254", "iso8859_7", "iso8859_9")
SNIFFED_BYTES = 4096
GUESSED_BYTES = 200_000
REASONS = {
    errno.ENOENT: "does not exist (any more); check the path",
    errno.EACCES: "may not be read by this user; change its permissions",
    errno.EPERM: "may not be read by this user; change its permissions",
    errno.ENOTDIR: "does not exist, because a part of its path is a file; check the path",
    errno.ELOOP: "is a symbolic link that leads back to itself; name the real file",
    errno.ENAMETOOLONG: "has a name that is too long for this system; check the path",
    errno.EISDIR: "is a folder; ingest the folder, or name a file in it",
}


def find_files(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Every document under `paths`, each with its name: relative to the folder that was named (POSIX separators), or
    the file's own name where a file was named. Folders are walked in sorted order, without hidden names,
    node_modules, __pycache__ and files that are no documents; a file named directly is always given.

    Raises UnreadableDocument for a path that doesn't exist or a folder with nothing to read.
    """
    found: dict[tuple[Path, str], None] = {}
    for path in paths:
        with explained(path):
            folder = stat.S_ISDIR(path.stat().st_mode)
            inside = _walk(path) if folder else {path.name: path}
        if not inside:
            raise UnreadableDocument(
                f"{path} holds no file that can be read: put Markdown, text, HTML, PDF or Word (.docx) files there."
            )
        found.update(dict.fromkeys((inside[name], _printable(name)) for name in sorted(inside)))
    return list(found)


def load(path: Path, limit_bytes: int) -> bytes:
    """The bytes of a regular file of at most `limit_bytes`; a larger one is refused by its size, unread.

    Raises UnreadableDocument when it is missing, forbidden, empty, too large, or no regular file.
    """
    with explained(path):
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            os.listdir(path)
            raise IsADirectoryError(errno.EISDIR, "is a folder", str(path))
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableDocument(f"{path} is a device, pipe or socket, not a file; name a file.")
        size = status.st_size
        if size <= limit_bytes:
            with path.open("rb") as stream:
                data = stream.read(limit_bytes + 1)
            size = len(data)
    if size > limit_bytes:
        raise UnreadableDocument(
            f"{path} is too large ({size / 1e6:.1f} MB, at most {limit_bytes / 1e6:g} MB are read); split it."
        )
    if not data.strip():
        raise UnreadableDocument(f"{path} is empty; there is nothing to read in it.")
    return data


def decode(data: bytes, path: Path, declared: str | None = None) -> str:
    """The text of a file, line ends as newlines, no byte order mark. UTF-8 is tried first, then UTF-16 by its mark,
    then the encoding that the file itself `declared`, then a guess if it is a confident one.

    Raises UnreadableDocument when the file is binary, empty of text, or in no encoding that can be told.
    """
    text = _decoded(data, path, declared).removeprefix("\ufeff")
    if len(CONTROL.findall(text)) > len(text) // 50 or "\0" in text:
        raise _binary(path)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise UnreadableDocument(f"{path} is empty; it holds nothing but white space.")
    return text


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns what the system says about a path into UnreadableDocument, in a sentence."""
    try:
        yield
    except OSError as error:
        reason = REASONS.get(error.errno or 0, f"can't be read ({error.strerror or error}); check the disk")
        raise UnreadableDocument(f"{path} {reason}.") from error
    except ValueError as error:  # a NUL in the path
        raise UnreadableDocument(f"{str(path)!r} is no path of a file ({error}); check it.") from error


def _walk(root: Path) -> dict[str, Path]:
    """Documents below a folder by name. Links are followed last and only to what wasn't met before, so neither a
    loop nor a second way to the same file counts."""
    files: dict[str, Path] = {}
    seen: set[tuple[int, int]] = set()
    todo, links = [(root, "")], list[tuple[Path, str]]()
    while todo or links:
        real = bool(todo)
        path, name = todo.pop() if todo else links.pop(0)
        try:
            status = path.stat()
        except OSError:
            continue  # a dangling link, or a file that went away while we walked
        met = (status.st_dev, status.st_ino) in seen
        seen.add((status.st_dev, status.st_ino))
        if stat.S_ISREG(status.st_mode) and (real or not met) and _is_document(path):
            files[name] = path
        if not stat.S_ISDIR(status.st_mode) or met:
            continue
        try:
            children = sorted(os.scandir(path), key=lambda child: child.name)
        except PermissionError:
            if not name:
                raise
            files[name] = path  # whoever reads it is told that it may not be opened
            continue
        for child in children:
            if not child.name.startswith(".") and child.name not in SKIPPED_FOLDERS:
                entry = (Path(child.path), f"{name}/{child.name}" if name else child.name)
                (links if child.is_symlink() else todo).append(entry)
    return files


def _is_document(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in DOCUMENTS or suffix in SKIPPED_SUFFIXES:
        return suffix in DOCUMENTS
    try:
        with path.open("rb") as stream:
            head = stream.read(SNIFFED_BYTES)
    except PermissionError:
        return True  # reading it reports the reason
    return head.startswith((b"%PDF-", *UTF16)) or b"\0" not in head


def _printable(name: str) -> str:
    """A name from the disk that isn't valid UTF-8 comes with lone surrogates, which no store accepts."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _decoded(data: bytes, path: Path, declared: str | None) -> str:
    try:
        if data.startswith(UTF32):
            return data.decode("utf-32")
        if data.startswith(UTF16):
            return data.decode("utf-16")
    except UnicodeDecodeError as error:
        raise UnreadableDocument(
            f"{path} starts like UTF-16 but is broken at byte {error.start}; save it again as UTF-8."
        ) from error
    if b"\0" in data[:SNIFFED_BYTES]:
        raise _binary(path)
    for encoding in ("utf-8", declared):
        text = _strictly(data, encoding) if encoding else None
        if text is not None:
            return text
    return _guessed(data, path)


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):  # LookupError: a page may declare an encoding that there isn't
        return None


def _guessed(data: bytes, path: Path) -> str:
    from charset_normalizer import from_bytes

    matches = list(from_bytes(data[:GUESSED_BYTES]))
    best = matches[0] if matches else None
    if best is not None and best.language != "Unknown":
        # Against a guess that hardly any file is in, a common encoding may read a little worse.
        slack = 0.04 if best.encoding in COMMON_ENCODINGS else 0.1
        equal = {
            encoding
            for match in matches
            if match.chaos <= best.chaos + slack and match.coherence >= best.coherence - slack
            for encoding in (match.encoding, *match.could_be_from_charset)
        }
        for encoding in (*(name for name in COMMON_ENCODINGS if name in equal), best.encoding):
            text = _strictly(data, encoding)
            if text is not None:
                return text
    if best is None and len(CONTROL.findall(data.decode("latin-1"))) > len(data) // 50:
        raise _binary(path)
    raise UnreadableDocument(f"{path} is in an encoding that can't be told for sure; save it as UTF-8.")


def _binary(path: Path) -> UnreadableDocument:
    return UnreadableDocument(
        f"{path} is a binary file; only Markdown, text, HTML, PDF and Word (.docx) files can be read."
    )
