"""A home's folder: which process owns it, and that nobody but its owner reads it. Knows nothing of what lies inside."""

from __future__ import annotations

import json
import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from memory.base import HomeBusy, StorageFull

log = logging.getLogger("tutor.memory")

LOCK_FILE, OWNER_FILE = "lock", "owner.json"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


def own(home: Path, wait_s: float) -> FileLock:
    """Takes the home's lock, making the folder when there is none, and says at once when it has to wait for another process.
    Raises HomeBusy after `wait_s` seconds, StorageFull when the folder can't be made. `disown` gives the home back."""
    try:
        make_home(home)
        lock = FileLock(home / LOCK_FILE, thread_local=False)
        _acquire(lock, home, wait_s)
    except OSError as error:
        raise StorageFull(f"Can't use {home} ({error.strerror}). Name a folder that can be written with --home.") from error
    # A courtesy to whoever waits: a home that can be locked but takes no file more can still be read.
    with suppress(OSError):
        write_private(home / OWNER_FILE, json.dumps({"pid": os.getpid()}))
    return lock


def disown(home: Path, lock: FileLock) -> None:
    (home / OWNER_FILE).unlink(missing_ok=True)
    lock.release()


def announce(home: Path, url: str, token: str) -> None:
    """Tells other processes that a server owns this home and how to reach it."""
    write_private(home / OWNER_FILE, json.dumps({"pid": os.getpid(), "url": url, "token": token}))


def owner(home: Path) -> dict[str, Any] | None:
    """What the owning process said of itself, or None: {"pid"}, and for a server {"pid","url","token"}."""
    try:
        found = json.loads((home / OWNER_FILE).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None


def make_home(folder: Path) -> None:
    """A folder that only its owner may enter; one that is there already stays as it is."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)


def make_private(path: Path) -> None:
    """An empty file that only its owner may read, unless there is one already."""
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, PRIVATE_FILE))


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, in one step."""
    scratch = path.with_suffix(".new")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE), "w", encoding="utf-8") as file:
        file.write(text)
    scratch.replace(path)


def remove(path: Path) -> None:
    """A folder, or what lies in its place, if anything does."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def open_to_others(home: Path) -> bool:
    """Whether other accounts of this machine may look into the folder."""
    return os.name == "posix" and bool(home.stat().st_mode & 0o077)


def _acquire(lock: FileLock, home: Path, wait_s: float) -> None:
    try:
        lock.acquire(timeout=0)
        return
    except Timeout:
        if wait_s > 0:
            log.warning("Waiting up to %g s for %s, which is using %s …", wait_s, _holder(home, "another process"), home)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        raise HomeBusy(f"{_holder(home, 'Another process')} is using {home} and kept it for {wait_s:g} s. Stop it, try again, or "
                       "name another folder with --home.") from None


def _holder(home: Path, name: str) -> str:
    found = owner(home) or {}
    known = [f"pid {found['pid']}"] if "pid" in found else []
    known += [f"the server at {found['url']}"] if "url" in found else []
    return f"{name} ({', '.join(known)})" if known else name
