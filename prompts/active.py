"""Which version of a prompt is active, and which bears a label: the shipped choice under a home's own; knows no text.

Both files read `[active]` and `[labels.<label>]`, each with lines of `name = version`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prompts.errors import PromptError
from prompts.files import read_toml, write_atomically

HEADER = "# Which version of each prompt is active. A line here is all that brings a version in or takes it back.\n"

Choice = dict[str, int]


@dataclass(frozen=True)
class Line:
    """One choice as a file makes it; as text, where it stands and what it says."""

    file: Path
    table: str
    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.file}: [{self.table}] {self.name} = {self.version}"


class ActiveVersions:
    """The shipped file, and the file of a home whose lines win and which alone is written when there is one."""

    def __init__(self, shipped: Path, overrides: Path | None) -> None:
        self._files = [shipped] if overrides is None else [shipped, overrides]
        self._writing = threading.Lock()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are read, the shipped one first."""
        return tuple(self._files)

    def active(self) -> Choice:
        """Prompt name to active version. Raises PromptError when a file is damaged."""
        return {name: number for file in self._files for name, number in _read(file)[0].items()}

    def labels(self) -> dict[str, Choice]:
        """Label to prompt name to version."""
        merged: dict[str, Choice] = {}
        for file in self._files:
            for label, choice in _read(file)[1].items():
                merged.setdefault(label, {}).update(choice)
        return merged

    def lines(self) -> list[Line]:
        """Every choice of every file."""
        return [Line(file, table, name, version) for file in self._files
                for table, choice in _tables(*_read(file)) for name, version in choice.items()]

    def choose(self, name: str, version: int, label: str | None) -> None:
        """Makes a version active, or gives it a label. Atomic; raises PromptError when the file can't be written."""
        with self._writing:
            active, labels = _read(self._files[-1])
            (active if label is None else labels.setdefault(label, {}))[name] = version
            write_atomically(self._files[-1], _toml(active, labels))


def _read(path: Path) -> tuple[Choice, dict[str, Choice]]:
    data = read_toml(path)
    for table in data:
        if table not in ("active", "labels"):
            raise PromptError(f"{path} has no use for {table}; it holds [active] and [labels.<label>].")
    labels = _table(data.get("labels", {}), "[labels]", path)
    return (_choice(data.get("active", {}), "[active]", path),
            {label: _choice(choice, f"[labels.{label}]", path) for label, choice in labels.items()})


def _choice(table: Any, title: str, path: Path) -> Choice:
    for name, number in _table(table, title, path).items():
        if type(number) is not int or number < 1:
            raise PromptError(f"{path}: {title} {name} must be a version number from 1, not {number!r}.")
    return dict(table)


def _table(table: Any, title: str, path: Path) -> Mapping[str, Any]:
    if not isinstance(table, Mapping):
        raise PromptError(f"{path}: {title} must be a table of name = version.")
    return table


def _toml(active: Choice, labels: Mapping[str, Choice]) -> str:
    # Names and labels are plain words wherever they come in, so they need no quotes.
    return HEADER + "".join(
        f"\n[{title}]\n" + "".join(f"{name} = {number}\n" for name, number in sorted(choice.items()))
        for title, choice in _tables(active, labels) if choice
    )


def _tables(active: Choice, labels: Mapping[str, Choice]) -> list[tuple[str, Choice]]:
    return [("active", active), *((f"labels.{label}", choice) for label, choice in sorted(labels.items()))]
