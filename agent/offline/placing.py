"""Puts what isn't a plain number into a tool's parameters: written systems, lists, named options, "no …".

Knows sentences and slots, not which tool is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.offline.parameters import Slot
from agent.offline.reading import Reading
from agent.offline.series import NumberList
from agent.offline.vocabulary import FUNCTION, stems_of
from tools.prose.found import Found

_EVERYDAY = (
    "none step full open clos own all tree trace burst queue tail mean reduc ramp chang varianc parallel serial dynam "
    "static request cpu uniform normal incr requir data model first time batch other least most row column number "
    "text"
)
GENERIC = frozenset(_EVERYDAY.split())
"""Options that are everyday words: they count only beside their parameter's name."""
NEGATED = re.compile(r"(?i)\b(?:no|not|without|disabled?|off|don't|doesn't|isn't|turn off)\s+(?:\w+\s+)?$")
QUOTED = re.compile(r"[\"“'`]([^\"”'`]{1,120})[\"”'`]")
NONE = ("no", "without", "zero")


@dataclass(slots=True)
class Fit:
    """What a tool's parameters take from a sentence. `strong` counts the quantities whose place the words confirm and
    `named` the options; `guessed` parameters have only the unit for them, `alone` ones are besides the only ones with
    that unit; `placed` says where each quantity went; `written` that a text in the tool's own notation was taken."""

    args: dict[str, Any] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    score: float = 0.0
    strong: float = 0.0
    named: float = 0.0
    missing: list[Slot] = field(default_factory=list)
    guessed: set[str] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)
    placed: dict[int, str] = field(default_factory=dict)
    written: bool = False


def place_written(slots: Sequence[Slot], reading: Reading, result: Fit) -> None:
    """Traces, streams and systems, and quoted text for a parameter that needs it."""
    for part in reading.written:
        for slot in slots:
            if slot.kind != "text" or slot.name in result.args:
                continue
            notation = part.kind in ("call", "system") and slot.pattern and re.search(slot.pattern, part.text)
            if part.kind in slot.name or notation:
                inside = {at for at, q in enumerate(reading.quantities) if part.start <= q.start < part.end}
                result.args[slot.name] = part.text
                result.used |= inside
                result.written = True
                result.score += 1.5 + 0.6 * len(inside)
                result.strong += 1.5
                result.named += 1
                break
    for slot in slots:
        if slot.told and slot.name not in result.args:
            _place_told(slot, reading, result)
    open_ones = [slot for slot in slots if slot.kind == "text" and slot.required and slot.name not in result.args]
    for slot, quoted in zip(open_ones, QUOTED.finditer(reading.text), strict=False):
        result.args[slot.name] = quoted[1]
        result.written = True


def _place_told(slot: Slot, reading: Reading, result: Fit) -> None:
    """The plain form of a text, as its finder or its expression finds it."""
    found = slot.finder.read(reading.text) if slot.finder is not None else _matched(slot.told, reading.text)
    if found is None:
        return
    inside = {at for at, q in enumerate(reading.quantities) if found.holds(q.start)}
    result.args[slot.name] = found.text
    result.used |= inside
    result.written = True
    result.score += 1.0 + 0.4 * min(len(inside), 8)
    result.strong += 1.5
    result.named += 1


def _matched(shape: str, text: str) -> Found | None:
    """The longest match: a named group is the argument if one matched, else all of it."""
    match = max(re.finditer(shape, text), key=lambda each: len(each[0]), default=None)
    if match is None:
        return None
    return Found(next((part for part in match.groupdict().values() if part), match[0]), (match.span(),))


def place_lists(slots: Sequence[Slot], reading: Reading, result: Fit) -> None:
    """Lists, nearest name first; for a lone list of shares the shares of the sentence ("99.9% and 99.5% in series")."""
    places = [slot for slot in slots if slot.kind == "list" and slot.name not in result.args]
    rest = [found for found in reading.lists if len(found.values) >= 2]
    if not places or (all(found.pair for found in rest) and _shares(places, reading, result)):
        return
    for slot in places:
        near = [(_list_closeness(slot, found, reading), -at, found) for at, found in enumerate(rest)]
        closeness, _, found = max(near, key=lambda each: each[:2], default=(0.0, 0, None))
        if found is None or closeness < 0 or (closeness < 0.3 if found.pair else not slot.required and closeness == 0):
            continue
        rest.remove(found)
        result.args[slot.name] = [int(value) if value == int(value) else value for value in found.values]
        result.used |= {at for at, q in enumerate(reading.quantities) if found.holds(q.start)}
        result.score, result.strong = result.score + 1.0 + closeness, result.strong + 1.0


def _shares(places: Sequence[Slot], reading: Reading, result: Fit) -> bool:
    shares = [at for at, q in enumerate(reading.quantities) if q.unit == "fraction" and not q.weak]
    slot = places[0]
    called = any(reading.find(phrase.stems, phrase.exact) for phrase in slot.phrases if not phrase.exact)
    whole = len(shares) >= 2 and abs(sum(reading.quantities[at].value for at in shares) - 1) < 0.02
    if len(places) != 1 or len(shares) < 2 or not slot.required or not (called or whole):
        return False
    result.args[slot.name] = [reading.quantities[at].value for at in shares]
    result.used |= set(shares)
    result.score, result.strong = result.score + 0.5 * len(shares), result.strong + 1
    return True


def _list_closeness(slot: Slot, found: NumberList, reading: Reading) -> float:
    if found.name:
        return 1.0 if found.name == slot.name or any(found.name == phrase.exact for phrase in slot.phrases) else -1.0
    before = [at for at, word in enumerate(reading.words) if word[2] <= found.start][-5:]
    if not before:
        return 0.0
    spots = [spot for phrase in slot.phrases for spot in reading.find(phrase.stems, phrase.exact)]
    return max((1.0 / (2 + before[-1] - after) for first, after in spots if before[0] <= first <= before[-1]),
               default=0.0)


def place_choices(slots: Sequence[Slot], reading: Reading, result: Fit) -> None:
    """Named options ("token bucket", "GPipe") and flags ("with recomputation", "no sequence parallelism")."""
    switches = [slot for slot in slots if slot.kind in ("flag", "choice")]
    written = {slot.name for slot in slots if slot.kind == "text" and slot.name in result.args}
    counts: set[tuple[str, ...]] = set()
    for slot in slots if switches else ():
        if slot.kind in ("number", "whole"):
            counts.update(phrase.stems for phrase in slot.phrases if len(phrase.stems) == 1)
    for slot in switches:
        if slot.kind == "flag":
            spots = [spot for phrase in slot.phrases for spot in reading.find(phrase.stems, phrase.exact)]
            if spots:
                start = reading.words[spots[0][0]][1]
                result.args[slot.name] = not NEGATED.search(reading.text[max(0, start - 24): start])
                result.score += 0.3
            continue
        if (own := next((option for option, _ in slot.options if option in written), None)) is not None:
            result.args[slot.name] = own  # a trace is given, so the traffic is that trace
            continue
        clear = [(_clearness(slot, option, stems, reading, counts), option) for option, stems in slot.options]
        best, option = max(clear, key=lambda each: each[0], default=(0.0, None))
        if best > 0:
            result.args[slot.name] = option
            result.score += 0.1 * min(best, 2)
            result.named = min(1.0, result.named + (1.0 if best >= 2 and re.search(r"\d", str(option)) else 0.2))


def _clearness(
    slot: Slot, option: Any, stems: tuple[str, ...], reading: Reading, counts: set[tuple[str, ...]],
) -> float:
    """How clearly an option is named: 0 not at all, 1 by one telling word, more by several or by a name with digits."""
    written = str(option)
    if re.search(r"\d", written):
        if re.search(rf"(?i)(?<!\w){re.escape(written)}(?![\w.]\w)", reading.text):
            return 2.0 if len(written) > 4 else 1.2
        if not written[0].isdigit():
            return 0.0
    if not stems or any(part not in reading.places for part in stems):
        return 0.0
    if len(stems) > 1:
        return _together(stems, reading)
    if stems[0] not in GENERIC and len(stems[0]) > 2 and stems not in counts:
        return 1.0
    spots = [spot for phrase in slot.phrases if phrase.stems != stems
             for spot in reading.find(phrase.stems, phrase.exact)]
    near = any(min(abs(at - first), abs(at - after + 1)) <= 2 for at in reading.places[stems[0]]
               for first, after in spots)
    return 0.9 if near else 0.0


def _together(stems: tuple[str, ...], reading: Reading) -> float:
    """Words of an option near each other, in its order where one is a small word ("after-commit")."""
    small = bool(FUNCTION & set(stems))
    spread = min(max(min(abs(at - other) for other in reading.places[part]) for part in stems)
                 for at in reading.places[stems[0]])
    if spread <= len(stems) + 1 and (not small or reading.find(stems)):
        return float(len(stems))
    return 0.6 * len(stems) if spread <= 8 and not small else 0.0


def place_zeros(slots: Sequence[Slot], reading: Reading, result: Fit) -> None:
    """ "no queue" and "without duplicates" are zeros, where zero is allowed."""
    if not any(word in reading.places for word in NONE):
        return
    for slot in slots:
        if slot.kind not in ("number", "whole") or slot.name in result.args or slot.low != 0 or slot.required:
            continue
        spots = [first for phrase in slot.phrases for first, _ in reading.find(phrase.stems, phrase.exact)]
        if any(first and reading.words[first - 1][0] in NONE for first in spots):
            result.args[slot.name] = 0
            result.score += 0.4


def place_lone_values(slots: Sequence[Slot], reading: Reading, result: Fit) -> None:
    """A list that has to be there and of which one value is named: "the largest timestamp is 12,000 ms"."""
    for slot in slots:
        if slot.kind != "list" or not slot.required or slot.name in result.args:
            continue
        near = [(max((reading.closeness(at, phrase) for phrase in slot.phrases), default=0.0), at)
                for at, q in enumerate(reading.quantities) if at not in result.used and q.unit == slot.dimension]
        closeness, at = max(near, default=(0.0, 0))
        if closeness > 0.2:
            value = float(f"{reading.quantities[at].value / slot.scale:.12g}")
            result.args[slot.name] = [int(value) if value == int(value) else value]
            result.used.add(at)
            result.score, result.strong = result.score + closeness, result.strong + 0.6


def place_implied(slots: Sequence[Slot], result: Fit) -> None:
    """An option that a given parameter is called by: a correlation implies a rotation, a burst size bursts."""
    given = [slot for slot in slots if slot.kind in ("number", "whole") and slot.name in result.args
             and slot.name not in result.guessed]
    for slot in slots:
        if slot.kind != "choice" or slot.name in result.args:
            continue
        for other in given:
            head = stems_of(other.name.replace("_", " "))
            called: set[tuple[str, ...]] = {head[:1]} if len(head) > 1 else set()
            called.update(phrase.stems for phrase in other.phrases if len(phrase.stems) == 1 and not phrase.exact)
            implied = next((option for option, stems in slot.options
                            if stems in called and stems != head and option != slot.default), None)
            if implied is not None:
                result.args[slot.name] = implied
                break
