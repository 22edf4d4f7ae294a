"""The small TOML files of a prompt store: read strictly, replaced whole; knows no prompt."""

from __future__ import annotations

import os
import secrets
import tomllib
from pathlib import Path
from typing import Any

from prompts.errors import PromptError


def read_toml(path: Path) -> dict[str, Any]:
    """The file's tables; {} when it doesn't exist. Raises PromptError when it can't be read or isn't TOML."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PromptError(f"{path} isn't valid TOML ({error}); repair or delete it.") from error
    except OSError as error:
        raise PromptError(f"{path} can't be read ({error.strerror}); check what it is and who may read it.") from error


def write_atomically(path: Path, text: str) -> None:
    """Replaces the file by renaming a finished one over it: a reader sees the old text or the new, never a part.

    Raises PromptError when the disk refuses; the old file is then still whole.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("x", encoding="utf-8", newline="\n") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise PromptError(f"{path} can't be written ({error.strerror}); nothing was changed.") from error
