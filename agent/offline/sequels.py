"""A message that asks another tool about the numbers of the last computation: "and the 95th percentile of it?". Knows arguments
and slots, not which tool is wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent.offline.parameters import Slot

LONGEST_WORDS = 30
GOES_ON = re.compile(
    r"(?i)^\W*(?:(?:ok|okay|well|hm+|alright|right|great|thanks|thank you|cool|nice|so|please|no|sorry|actually|wait)\W+)*"
    r"(?:and|then|now|but|or|so|if|what about|how about|what if|what would|what does that|same|which|in|with|for)\b")
POINTS_BACK = re.compile(r"(?i)\b(?:it|its|that|those|them|these|this|there|same|then)\b")


def goes_on(text: str) -> bool:
    """Whether a message takes for granted what was computed before."""
    return len(text.split()) <= LONGEST_WORDS and bool(GOES_ON.match(text) or POINTS_BACK.search(text))


def inherited(slots: Sequence[Slot], missing: Sequence[Slot], before: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the missing parameters were, or came out as, in the last computation; None when one of them has no value there.

    `before` holds the last call's arguments and, under other names, the values that it gave.
    """
    found: dict[str, Any] = {}
    for slot in missing:
        value = before.get(slot.name)
        if value is None or isinstance(value, bool) != (slot.kind == "flag"):
            return None
        if slot.kind in ("number", "whole") and (not isinstance(value, int | float) or not slot.low <= value <= slot.high):
            return None
        found[slot.name] = value
    return found


def shared(slots: Sequence[Slot], before: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Optional parameters that were given before and that the message leaves alone."""
    return {slot.name: before[slot.name] for slot in slots
            if not slot.required and slot.name not in own and before.get(slot.name) not in (None, slot.default)}
