"""One earlier turn of a conversation, as far as later ones need it. Knows no wording."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Past:
    """`topic` in a few words, the `query` that was searched, the `points` that the answer listed (of a comparison its two
    sides), the blocks it `used`, and what was left `pending` (a quiz question, a hint ladder, a choice)."""

    question: str
    answer: str
    topic: str = ""
    query: str = ""
    points: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    pending: dict[str, Any] = field(default_factory=dict)
    status: str = "answered"
