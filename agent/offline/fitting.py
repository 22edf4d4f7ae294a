"""Puts the quantities of a sentence into a tool's parameters, each where its unit and the words around it say.

Knows sentences and slots, not which tool is wanted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.offline.measures import DAY_S
from agent.offline.parameters import BARE, Slot
from agent.offline.placing import (
    Fit,
    place_choices,
    place_implied,
    place_lists,
    place_lone_values,
    place_written,
    place_zeros,
)
from agent.offline.quantity import Quantity
from agent.offline.reading import Reading
from agent.offline.vocabulary import stems_of

ALONE = 0.45
"""Closeness of a number to the only parameter with its unit."""
ASIDE = 0.8
"""What the words around a number in brackets weigh, so that one outside of them is taken first."""
RETRIES_AFTER = re.compile(r"(?i)\s*(?:more |further |extra |additional )?(?:retr(?:y|ies)|re-?tries|times more|more times)\b")
RETRIES_BEFORE = re.compile(r"(?i)\b(?:retry|retries|retried|retrying)(?: it| a call| each call| calls?)?(?: up to| at most|:| =)? ?$")
SURE_HINTS = frozenset(("nines", "needed", "quorum", "percentile", "quantile"))
_HEAD = r"(?:user|person|customer|client|visitor)"
EACH_BEFORE = re.compile(rf"(?i)\b(?:each|every|per|an?) (?:\w+ )?(?:{_HEAD}|one)\b[^.;,]*$|\beach\b[^.;,]{{0,20}}$")
EACH_AFTER = re.compile(rf"(?i)\s*(?:\w+\s+){{0,2}}(?:each|apiece|per (?:{_HEAD}|head))\b")


@dataclass(frozen=True, slots=True)
class Link:
    """A quantity in a slot: `closeness` of the words (0 when only the unit speaks for it), `score` with the unit."""

    score: float
    quantity: int
    slot: int
    value: float
    closeness: float
    alone: bool = False


def fit(slots: Sequence[Slot], reading: Reading) -> Fit:
    """The best placing of a sentence's numbers, options and lists in these slots."""
    result = Fit()
    place_written(slots, reading, result)
    place_lists(slots, reading, result)
    place_choices(slots, reading, result)
    links = [link for link in _links(slots, reading, result) if slots[link.slot].name not in result.args]
    chosen = _assigned(links)
    for link in chosen:
        _place(link, slots[link.slot], reading, result)
        if link.closeness == 0 and not _only_place(link, links, chosen):
            result.guessed.add(slots[link.slot].name)
    place_zeros(slots, reading, result)
    place_lone_values(slots, reading, result)
    place_implied(slots, result)
    _fill_windows(slots, reading, chosen, result)
    _per_user(slots, reading, result)
    result.missing = [slot for slot in slots if slot.required and slot.name not in result.args]
    return result


def _place(link: Link, slot: Slot, reading: Reading, result: Fit) -> None:
    result.args[slot.name] = link.value
    result.used.add(link.quantity)
    result.placed[link.quantity] = slot.name
    result.score += link.score
    if link.closeness >= 0.4:
        result.strong += 0.4 if reading.quantities[link.quantity].weak else 1.0
    else:
        result.strong += 0.6 if link.closeness else 0.35
    if link.alone:
        result.alone.add(slot.name)


def _links(slots: Sequence[Slot], reading: Reading, done: Fit) -> list[Link]:
    """Every quantity in every slot that may hold it."""
    open_ones = [(at, quantity) for at, quantity in enumerate(reading.quantities)
                 if at not in done.used and at not in reading.taken]
    numeric = [(at, slot) for at, slot in enumerate(slots) if slot.kind in ("number", "whole")]
    slots_with = Counter(slot.dimension for _, slot in numeric)
    numbers_with = Counter(quantity.unit for at, quantity in enumerate(reading.quantities)
                           if at not in reading.taken and not quantity.weak)
    each = {at for at, quantity in open_ones if _each(reading.text, quantity)}
    links = []
    for place, slot in numeric:
        present = [phrase for phrase in slot.phrases if phrase.stems and phrase.stems[0] in reading.places
                   and reading.find(phrase.stems, phrase.exact)]
        for at, quantity in open_ones:
            if (converted := reading.converted(at, slot)) is None:
                continue
            value, grade = converted
            closeness = _near([reading.closeness(at, phrase) for phrase in present]) * (ASIDE if at in reading.asides else 1.0)
            if slot.name.startswith("attempts") and _retried(reading.text, quantity):
                value, closeness = value + 1, max(closeness, 1.0)
            if reading.hints[at]:
                closeness = max(closeness, _hinted(reading.hints[at], slot))
            if quantity.unit == "count/s" and slot.dimension == "count" and quantity.per == 1:
                closeness *= 0.5
            if slot.dimension == "count/day" and at in each:
                closeness, grade = 0.2 * closeness, 0.3
            lone = slots_with[slot.dimension] == 1 and numbers_with[quantity.unit] == 1
            link = _link(quantity, at, slot, place, value, grade, closeness, lone)
            if link is not None:
                links.append(link)
    return links


def _link(quantity: Quantity, at: int, slot: Slot, place: int, value: float, grade: float, closeness: float,
          lone: bool) -> Link | None:
    """A link if unit and words speak for it enough. Weak numbers need their name beside them; bare numbers for a
    measured parameter too; a value out of range counts against it, but stays if it is called by name."""
    if closeness < (0.7 if quantity.weak else 0.16):
        if quantity.weak:
            return None
        closeness = 0.0
    if grade == BARE and closeness < 0.7:
        return None
    measured = slot.dimension != "count" and grade >= 0.8
    alone = not closeness and measured and lone
    closeness = ALONE if alone else closeness
    inside = slot.low <= value <= slot.high or slot.name.endswith("per_user_day")
    if closeness or (measured and inside):
        return Link(0.35 * grade + closeness - (0.0 if inside else 1.2), at, place, value, closeness, alone)
    if slot.required and slot.dimension == "count" and grade == 1:
        return Link(0.12, at, place, value, 0.0)
    return None


def _retried(text: str, quantity: Quantity) -> bool:
    """Whether a number counts retries, which come after a first attempt."""
    return quantity.unit in ("count", "multiple") and bool(
        RETRIES_AFTER.match(text[quantity.end: quantity.end + 30])
        or RETRIES_BEFORE.search(text[max(0, quantity.start - 24): quantity.start]))


def _each(text: str, quantity: Quantity) -> bool:
    """Whether a number is said of each user, not of all."""
    return bool(EACH_BEFORE.search(text[max(0, quantity.start - 40): quantity.start])
                or EACH_AFTER.match(text[quantity.end: quantity.end + 30]))


def _near(values: list[float]) -> float:
    """The nearest phrase, and a little for the next two."""
    if len(values) < 2:
        return values[0] if values else 0.0
    values.sort(reverse=True)
    return values[0] + 0.25 * sum(values[1:3])


def _hinted(hints: Sequence[str], slot: Slot) -> float:
    """What a number's form says: "two out of three" is how many are needed, "at least 99%" a target."""
    for hint in hints:
        stems = stems_of(hint)
        for phrase in slot.phrases:
            if (phrase.stems == stems and not phrase.exact) or phrase.exact == hint:
                return 1.0 if hint in SURE_HINTS else 0.75
    return 0.0


def _assigned(links: list[Link]) -> list[Link]:
    """One slot a quantity and one quantity a slot, with nearly the highest sum: greedy, then exchanges that gain."""
    chosen: dict[int, Link] = {}
    holders: dict[int, int] = {}
    for link in sorted(links, key=lambda each: (-each.score, each.quantity, each.slot)):
        if link.quantity not in chosen and link.slot not in holders:
            chosen[link.quantity], holders[link.slot] = link, link.quantity
    for _ in range(2):
        for link in links:
            _exchange(link, links, chosen, holders)
    return sorted(chosen.values(), key=lambda each: each.quantity)


def _exchange(link: Link, links: list[Link], chosen: dict[int, Link], holders: dict[int, int]) -> None:
    """Gives a slot to another quantity if the sum gains, its holder moving to the best slot that is free then."""
    holder, current = holders.get(link.slot), chosen.get(link.quantity)
    if holder is None or holder == link.quantity:
        return
    freed = current.slot if current else None
    moves = [each for each in links if each.quantity == holder and each.slot != link.slot
             and (each.slot not in holders or each.slot == freed)]
    other = max(moves, key=lambda each: each.score, default=None)
    gain = link.score + (other.score if other else 0.0) - chosen[holder].score - (current.score if current else 0.0)
    if gain <= 1e-9:
        return
    if freed is not None:
        del holders[freed]
    del chosen[holder]
    chosen[link.quantity], holders[link.slot] = link, link.quantity
    if other is not None:
        chosen[holder], holders[other.slot] = other, holder


def _only_place(link: Link, links: list[Link], chosen: list[Link]) -> bool:
    """Whether nothing else was left for this quantity, nor for this slot, once the others were placed."""
    slots, quantities = {each.slot for each in chosen}, {each.quantity for each in chosen}
    rivals = any((each.quantity == link.quantity and each.slot not in slots)
                 or (each.slot == link.slot and each.quantity not in quantities) for each in links)
    return not rivals and sum(each.closeness == 0 for each in chosen) == 1


def _fill_windows(slots: Sequence[Slot], reading: Reading, chosen: Iterable[Link], result: Fit) -> None:
    """The minute of "300 per minute" goes to the window, when the 300 is a limit and no window is given."""
    windows = [slot for slot in slots if slot.dimension == "s"
               and any(phrase.stems in (("per",), ("window",)) for phrase in slot.phrases)]
    for link in chosen:
        quantity, limit = reading.quantities[link.quantity], slots[link.slot]
        period = 1.0 if quantity.per is None and quantity.unit == "count/s" else quantity.per
        if period is None or limit.dimension != "count" or limit.name.endswith("_day"):
            continue
        for slot in windows:
            if slot.name not in result.args or slot.name in result.guessed:
                result.args[slot.name] = period / slot.scale
                result.guessed.discard(slot.name)
                break
    said = next((quantity.per for quantity in reading.quantities if quantity.per and quantity.per > 1), None)
    for slot in windows:
        if said is not None and slot.required and slot.name not in result.args:
            result.args[slot.name] = said / slot.scale


def _per_user(slots: Sequence[Slot], reading: Reading, result: Fit) -> None:
    """ "4M photos a day" without users is 4M users with one photo a day each, for a tool that counts per user."""
    users = next((slot for slot in slots if "user" in slot.name and slot.dimension == "count"), None)
    if users is None or users.name in result.args:
        return
    for at in sorted(result.used):
        quantity, name = reading.quantities[at], result.placed.get(at, "")
        if quantity.per == DAY_S and quantity.unit == "count/s" and name.endswith("per_user_day"):
            result.args[users.name], result.args[name] = quantity.number, 1.0
            return
