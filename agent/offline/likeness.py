"""How much a question sounds like what each tool answers, by the embedder. Knows texts and vectors, not what a tool does."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memory.base import Vectors
from tools.base import Tool

NUMBER = re.compile(r"\d[\d,.]*(?:[eE][+-]?\d+)?")


class ToolLikeness:
    """Cosine of a question to the nearest of a tool's texts: what it is called and does, and the questions that it lists.

    Numbers are masked, so that "300 nodes" is as near to "12 nodes" as can be. The vectors of some thousand texts take seconds:
    they are looked for in `folders`, in order, and what had to be made is kept in the last of them.
    """

    def __init__(self, tools: Iterable[Tool], embed: Callable[[str], Vectors], embedder: str, folders: Sequence[Path] = ()) -> None:
        self._embed = embed
        pairs = [(tool.name, text) for tool in tools for text in _texts(tool)]
        self._owners = np.array([name for name, _ in pairs])
        texts = [text for _, text in pairs]
        key = hashlib.sha256("\0".join([embedder, *texts]).encode()).hexdigest()[:16]
        self._vectors = _read(key, folders) if texts else np.zeros((0, 1), np.float32)
        if self._vectors is None:
            self._vectors = np.stack([embed(text) for text in texts])
            if folders:
                _write(folders[-1] / f"tools-{key}.npy", self._vectors)

    def __call__(self, question: str) -> Mapping[str, float]:
        """By the name of each tool, between -1 and 1."""
        if not len(self._owners):
            return {}
        near = self._vectors @ self._embed(masked(question))
        best: dict[str, float] = {}
        for name, value in zip(self._owners.tolist(), near.tolist(), strict=True):
            best[name] = max(value, best.get(name, -1.0))
        return best


def masked(text: str) -> str:
    """Without its numbers.

    >>> masked("12M users, 8.5 requests each")
    'NM users, N requests each'
    """
    return " ".join(NUMBER.sub("N", text).split())


def _texts(tool: Tool) -> list[str]:
    name = re.sub(r"[-._]", " ", tool.name)
    return [f"{name}: {tool.summary} {', '.join(tool.words)}", *dict.fromkeys(masked(ask.question) for ask in tool.asks)]


def _read(key: str, folders: Sequence[Path]) -> Any:
    found = next((path for folder in folders if (path := folder / f"tools-{key}.npy").is_file()), None)
    return np.load(found, allow_pickle=False) if found else None


def _write(path: Path, vectors: Vectors) -> None:
    """Whole or not at all; vectors of tools as they were before go."""
    for old in path.parent.glob("tools-*.npy"):
        old.unlink()
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        np.save(file, vectors, allow_pickle=False)
    new.replace(path)
