"""What a subject gave back for one case and how a scorer judged it; knows no scorer by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from agent.events import Answer
from memory.base import Hit
from tools.base import ToolResult


@dataclass(frozen=True)
class Outcome:
    """Everything that came back: one answer a turn, the hits of the search, the result of a tool run.

    `texts` holds the documents that the answers cite; a document that couldn't be had is left out. `error` is empty or
    says why the case wasn't finished; what had come before stays. `ms` is wall time.
    """

    answers: tuple[Answer, ...] = ()
    hits: tuple[Hit, ...] = ()
    result: ToolResult | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    ms: float = 0.0


class Score(BaseModel):
    """`value` is in 0..1, or a count for a scorer of counts; `detail` says in words what was missing; `failed` marks
    the 0 of a case that wasn't finished."""

    model_config = ConfigDict(frozen=True)
    value: float
    detail: str = ""
    failed: bool = False
