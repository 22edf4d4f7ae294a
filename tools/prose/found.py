"""What a finder hands back: a parameter's argument and where in the message it stands. Knows no parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """`text` is the argument in a notation that the tool reads; `spans` are the places (start, end) that say it."""

    text: str
    spans: tuple[tuple[int, int], ...]

    def holds(self, at: int) -> bool:
        """Whether the character at that place belongs to it."""
        return any(start <= at < end for start, end in self.spans)


@dataclass(frozen=True, slots=True)
class Finder:
    """How a text parameter's plain form is found in a message; `read` gives None where there is none."""

    read: Callable[[str], Found | None]
