"""What the reasoner hands back: a draft, or tool calls with the thought behind them. Knows the messages' form only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage


@dataclass(frozen=True)
class Draft:
    """What the learner would read, before grounding. `own_voice` says nothing about the subject (a greeting, a hint where
    to look) or restates a tool's result, so that there is nothing to ground."""

    text: str
    status: str = "answered"
    follow_up: str | None = None
    context: dict[str, Any] = field(default_factory=dict)
    own_voice: bool = False

    def message(self) -> AIMessage:
        voice = self.own_voice or self.status in ("clarify", "refused", "abstained")
        return AIMessage(content=self.text, additional_kwargs={"draft": {
            "status": self.status, "follow_up": self.follow_up, "own_voice": voice, "context": {**self.context, "status": self.status}}})


def calls(thought: str, wanted: Sequence[tuple[str, dict[str, Any]]]) -> AIMessage:
    """Tool calls whose ids are the same whenever the same is asked for."""
    def identity(at: int, name: str, args: dict[str, Any]) -> str:
        return "call_" + hashlib.sha256(f"{at}{name}{json.dumps(args, sort_keys=True, default=str)}".encode()).hexdigest()[:12]

    return AIMessage(content=thought, tool_calls=[{"name": name, "args": args, "id": identity(at, name, args)}
                                                  for at, (name, args) in enumerate(wanted)])
