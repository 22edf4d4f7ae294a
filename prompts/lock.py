"""The lock file: the hash of every version and the partials it was locked with; knows no prompt text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prompts.errors import PromptError
from prompts.files import read_toml, write_atomically

HEADER = "# The hash of every prompt version. `lock()` adds entries; nothing changes or removes one.\n"
HASH = re.compile(r"[0-9a-f]{64}")
ID = re.compile(r"_?[a-z][a-z0-9_]*@[1-9]\d*")


@dataclass(frozen=True, slots=True)
class Locked:
    """`hash` is sha256 in hex; `partials` are ids, `_grounding@1`."""

    hash: str
    partials: tuple[str, ...]

    def version_of(self, partial: str) -> int | None:
        """The version that a partial is pinned to; None when it wasn't included."""
        return next((int(number) for name, _, number in (ref.partition("@") for ref in self.partials)
                     if name == partial), None)


def read_lock(path: Path) -> dict[str, Locked]:
    """Prompt id to entry; {} when there is no file yet. Raises PromptError when the file is damaged."""
    entries: dict[str, Locked] = {}
    for ref, entry in read_toml(path).items():
        digest, partials = (entry.get("hash"), entry.get("partials")) if isinstance(entry, dict) else (None, None)
        sound = (ID.fullmatch(ref) and isinstance(digest, str) and HASH.fullmatch(digest) and isinstance(partials, list)
                 and all(isinstance(partial, str) and ID.fullmatch(partial) for partial in partials))
        if not sound:
            raise PromptError(f"{path}: the entry {ref!r} is damaged; restore the file as it was committed.")
        entries[ref] = Locked(str(digest), tuple(partials or ()))
    return entries


def write_lock(path: Path, entries: Mapping[str, Locked]) -> None:
    """Replaces the file, atomically."""
    write_atomically(path, HEADER + "".join(_text(ref, entries[ref]) for ref in sorted(entries)))


def _text(ref: str, entry: Locked) -> str:
    partials = ", ".join(f'"{partial}"' for partial in entry.partials)
    return f'\n["{ref}"]\nhash = "{entry.hash}"\npartials = [{partials}]\n'
