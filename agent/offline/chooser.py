"""The seam between a question and a tool: what a choice is, and a chooser that reads the tools only when one may be wanted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from agent.offline.conversation import Conversation
from tools.registry import Registry

MAY_COMPUTE = re.compile(
    r"(?i)\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|half|nines?|million|billion|dozen|hundred|thousand|"
    r"levenshtein|jaro|soundex|edit distance|"
    r"run|simulat\w*|plot|show me|comput\w*|calculat\w*|estimat\w*|how (?:many|much|long|big|large|often|likely|available))\b")


@dataclass(frozen=True)
class Choice:
    """A tool that fits a question: `assumed` are the defaults it took, `missing` what must be asked for first."""

    tool: str
    args: Mapping[str, Any]
    assumed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class LastCall(NamedTuple):
    """The last computation of a conversation: the arguments that were given, and the numbers that came out."""

    tool: str
    args: Mapping[str, Any]
    values: Mapping[str, Any] = MappingProxyType({})


class ToolChooser(Protocol):
    """Reads quantities out of plain language. `previous` is what "now with 64 GPUs" changes."""

    def choose(self, question: str, previous: LastCall | None = None) -> Choice | None: ...


Likeness = Callable[[str], Mapping[str, float]]
"""How much a question sounds like each tool, by its name, from -1 to 1."""


class LazyChooser:
    """The slot chooser, made when a question may want a number for the first time: it reads every tool's schema."""

    def __init__(self, registry: Registry, likeness: Callable[[], Likeness] | None = None) -> None:
        self._registry, self._likeness = registry, likeness
        self._chooser: ToolChooser | None = None

    def choose(self, question: str, previous: LastCall | None = None) -> Choice | None:
        if previous is None and not MAY_COMPUTE.search(question):
            return None
        if self._chooser is None:
            from agent.offline.slots import SlotChooser

            self._chooser = SlotChooser(self._registry, self._likeness() if self._likeness else None)
        return self._chooser.choose(question, previous)


def last_call(talk: Conversation) -> LastCall | None:
    """What was computed in one of the last two turns, or waits there for a prediction."""
    pending = next((past.pending for past in reversed(talk.history[-2:]) if past.pending.get("kind") in ("tool", "predict")), None)
    return LastCall(pending["tool"], pending["args"], pending.get("values", {})) if pending else None
