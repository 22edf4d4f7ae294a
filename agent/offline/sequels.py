"""A message that asks another tool about the numbers of the last computation: "and the 95th percentile of it?". Knows arguments
and slots, not which tool is wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent.offline.parameters import Slot
from agent.offline.vocabulary import stems_of

LONGEST_WORDS = 30
GOES_ON = re.compile(
    r"(?i)^\W*(?:(?:ok|okay|well|hm+|alright|right|great|thanks|thank you|cool|nice|so|please|no|sorry|actually|wait)\W+)*"
    r"(?:and|then|now|but|or|so|if|what about|how about|what if|what would|what does that|same|which|in|with|for)\b")
POINTS_BACK = re.compile(r"(?i)\b(?:it|its|that|those|them|these|this|there|same|then)\b")


def goes_on(text: str) -> bool:
    """Whether a message takes for granted what was computed before."""
    return len(text.split()) <= LONGEST_WORDS and bool(GOES_ON.match(text) or POINTS_BACK.search(text))


def inherited(missing: Sequence[Slot], before: Mapping[str, Any], known: Sequence[Slot], gave: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the missing parameters were, or came out as, in the last computation; None when one of them has no value there.

    `before` holds the last call's arguments, `known` its tool's slots, `gave` the numbers that came out. A parameter of the same
    name counts, else one of the same dimension that is called alike; a number that came out by its name's words.
    """
    found: dict[str, Any] = {}
    for slot in missing:
        value = _value(slot, before, known, gave)
        if value is None or isinstance(value, bool) != (slot.kind == "flag"):
            return None
        if slot.kind in ("number", "whole") and (not isinstance(value, int | float) or not slot.low <= value <= slot.high):
            return None
        found[slot.name] = value
    return found


def shared(slots: Sequence[Slot], before: Mapping[str, Any], known: Sequence[Slot], own: Mapping[str, Any]) -> dict[str, Any]:
    """Optional parameters that were given before and that the message leaves alone."""
    found = {slot.name: _value(slot, before, known, {}) for slot in slots if not slot.required and slot.name not in own}
    return {slot.name: found[slot.name] for slot in slots if found.get(slot.name) not in (None, slot.default)}


def _value(slot: Slot, before: Mapping[str, Any], known: Sequence[Slot], gave: Mapping[str, Any]) -> Any:
    for named in (before, gave):
        if slot.name in named:
            return named[slot.name]
    called = {phrase.stems for phrase in slot.phrases if phrase.stems and not phrase.exact}
    for other in known:
        alike = called & {phrase.stems for phrase in other.phrases if not phrase.exact}
        if other.name in before and alike and (other.dimension, other.kind) == (slot.dimension, slot.kind):
            value = before[other.name]
            return value * other.scale / slot.scale if isinstance(value, float) and slot.scale != other.scale else value
    return next((value for name, value in gave.items() if tuple(stems_of(name.replace("_", " "))) in called), None)
