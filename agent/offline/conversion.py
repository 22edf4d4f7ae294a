"""A result in the unit that was asked for: 9,000 s as 2.5 h. Knows units and how they are asked for, no tool."""

from __future__ import annotations

import re

from agent.offline.measures import Measure, measure, seconds_in
from agent.offline.wishes import UNIT

OFTEN = re.compile(r"(?i)\bhow many (?P<unit>[a-z]+)(?: [a-z]+)?(?:/(?P<per>s|sec|min|h|day)"
                   r"| (?:per|a|an|each|every) (?P<each>second|minute|hour|day))\b")
EIGHT = {("bit/s", "bytes/s"): 1 / 8, ("bytes/s", "bit/s"): 8.0, ("bit", "bytes"): 1 / 8, ("bytes", "bit"): 8.0}
"""From bits to bytes and back."""
PERCENT = "%"
IN_PERCENT = re.compile(r"(?i)\b(?:in|how many) (?:percent|%)|\b(?:what|which) percent|\bpercentage\b")


def converted(value: float, unit: str, question: str) -> tuple[float, str] | None:
    """The value and unit as the question wants them; None when it wants no other unit, or one of another kind.

    >>> converted(9000.0, "s", "How many hours does that take?")
    (2.5, 'hours')
    >>> converted(520.0, "requests/s", "How many requests per minute is that?")
    (31200.0, 'requests per minute')
    >>> converted(0.125, "fraction", "What share is lost, in percent?"), converted(9000.0, "s", "How many GB is that?")
    ((12.5, '%'), None)
    """
    own = _measure(*unit.split("/")[:2]) if unit else None
    if unit == "fraction":
        return (float(f"{100 * value:.12g}"), PERCENT) if IN_PERCENT.search(question) else None
    if own is None:
        return None
    for match in [*OFTEN.finditer(question), *UNIT.finditer(question)]:
        per = match["per"] or match["each"] or ""
        asked = _measure(match["unit"], per)
        if asked is None:
            continue
        factor = 1.0 if asked.unit == own.unit else EIGHT.get((own.unit, asked.unit))
        if factor is None or (asked.unit, asked.scale) == (own.unit, own.scale):
            continue
        written = match["unit"] + (f"/{per}" if match["per"] else f" per {per}" if per else "")
        return float(f"{value * own.scale * factor / asked.scale:.12g}"), written
    return None


def _measure(word: str, slashed: str = "") -> Measure | None:
    """As `measure`, and anything else that is counted over time ("requests/s")."""
    seconds = seconds_in(slashed) if slashed else None
    return measure(word, slashed) or (Measure("count/s", 1 / seconds) if seconds else None)
