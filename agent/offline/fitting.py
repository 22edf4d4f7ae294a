"""Puts the quantities of a sentence into a tool's parameters, each where its unit and the words around it say.

Knows sentences and slots, not which tool is wanted.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from agent.offline.measures import DAY_S
from agent.offline.parameters import FUNCTION, Phrase, Slot, convert, stems_of, words_of
from agent.offline.quantities import Quantity, read_quantities
from agent.offline.series import NumberList, Written, read_lists, read_written

STOP = re.compile(r"(?<!\d)[,.:]|[,.:](?!\d)|[;?!()\n]")
ALONE = 0.45
"""Closeness of a number to the only parameter with its unit."""
REACH = 9
"""Words between a number and what it is called, at most."""
STOPS = {",": 2.0, ";": 2.5, ":": 1.2, ".": 3.0, "?": 3.0, "!": 3.0, "(": 0.6, ")": 0.6, "\n": 2.5}
LINK = re.compile(r"(?i)(?:[=:]|\b(?:of|is|at|to|by|are|with|a|than|about|around|roughly|equals))\s*$")
GENERIC = frozenset("none step full open clos own all tree trace burst queue tail mean reduc ramp chang varianc parallel serial dynam static "
                    "request cpu uniform normal incr requir data model first time batch other least most row column number text".split())
NEGATED = re.compile(r"(?i)\b(?:no|not|without|disabled?|off|don't|doesn't|isn't|turn off)\s+(?:\w+\s+)?$")
EACH_BEFORE = re.compile(r"(?i)\b(?:each|every|per|an?) (?:\w+ )?(?:user|person|customer|client|visitor|one)\b[^.;,]*$|\beach\b[^.;,]{0,20}$")
EACH_AFTER = re.compile(r"(?i)\s*(?:\w+\s+){0,2}(?:each|apiece|per (?:user|person|head|customer|client|visitor))\b")
AIM = re.compile(r"(?i)\b(?:at least|reach|to get|achieve|aim for|promise)\s*$")
QUOTED = re.compile(r"[\"“'`]([^\"”'`]{1,120})[\"”'`]")


@dataclass(frozen=True, slots=True)
class Link:
    """A quantity in a slot: `closeness` of the words (0 when only the unit speaks for it), `score` with the unit."""

    score: float
    quantity: int
    slot: int
    value: float
    closeness: float


@dataclass(slots=True)
class Fit:
    """What a tool's parameters take from a sentence. `strong` counts the quantities whose place the words confirm;
    `guessed` parameters have only the unit for them, `alone` ones are besides the only ones with that unit; `placed` says
    where each quantity went; `written` that a text in the tool's own notation was taken."""

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


class Reading:
    """A sentence taken apart once, for all tools: words with their places, quantities, lists, written systems."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = list(words_of(text))
        self.quantities = read_quantities(text)
        self.lists: list[NumberList] = read_lists(text)
        self.written: list[Written] = read_written(text, self.quantities)
        self.places: dict[str, list[int]] = {}
        for at, (word, _, _) in enumerate(self.words):
            self.places.setdefault(word, []).append(at)
        self.spans = [self._span(quantity) for quantity in self.quantities]
        small = (1.6 if word == "and" else 0.3 if word in FUNCTION else 1.0 for word, _, _ in self.words)
        self._word_costs = [0.0, *accumulate(small)]
        stops = [(at.start(), STOPS[at[0]]) for at in STOP.finditer(text)]
        self._stops, self._stop_costs = [at for at, _ in stops], [0.0, *accumulate(cost for _, cost in stops)]
        self._starts = [quantity.start for quantity in self.quantities]
        self.hints = [self._hints(quantity) for quantity in self.quantities]
        self._converted: dict[tuple[int, str, float, str, bool, bool], tuple[float, float] | None] = {}
        self._found: dict[tuple[tuple[str, ...], str], list[tuple[int, int]]] = {}
        self.taken = {at for at, q in enumerate(self.quantities)
                      if any(part.start <= q.start < part.end for part in self.written if part.kind != "system")}

    def converted(self, number: int, slot: Slot) -> tuple[float, float] | None:
        """A quantity as a slot counts it, and how well the units agree."""
        key = (number, slot.dimension, slot.scale, slot.kind, slot.unitless, slot.name.endswith("_day"))
        if key not in self._converted:
            self._converted[key] = convert(self.quantities[number], slot)
        return self._converted[key]

    def _hints(self, quantity: Quantity) -> tuple[str, ...]:
        aim = quantity.unit == "fraction" and AIM.search(self.text[max(0, quantity.start - 14): quantity.start])
        return (*quantity.hints, "target", "goal") if aim else quantity.hints

    def find(self, stems: tuple[str, ...], exact: str = "") -> list[tuple[int, int]]:
        """Places (first, after the last) of a phrase; one small word may stand inside."""
        key = (stems, exact)
        if key not in self._found:
            self._found[key] = self._exactly(exact) if exact else self._phrase(stems)
        return self._found[key]

    def closeness(self, quantity: int, phrase: Phrase) -> float:
        """From 1 (next to the number) to 0 (too far, or not there)."""
        best = 0.0
        low, high = self.spans[quantity]
        own = self.quantities[quantity]
        counted = own.unit == "count" and own.value > 1
        for first, after in self.find(phrase.stems, phrase.exact):
            if first < high and after > low:
                cost, share = 0.0, 1.0 if not phrase.leading else 0.0
            elif first >= high:
                if phrase.leading or first - high > REACH:
                    continue
                cost, share = self._between(high, first, own.end, self.words[first][1]), 1.0
            else:
                if low - after > REACH or low < after:
                    continue
                cost = self._between(after, low, self.words[after - 1][2], own.start)
                share = self._leading_share(quantity, counted, phrase, cost)
            best = max(best, share * phrase.weight / (1 + 0.45 * cost))
        return best

    def _leading_share(self, quantity: int, counted: bool, phrase: Phrase, cost: float) -> float:
        before = self.text[max(0, self.quantities[quantity].start - 12): self.quantities[quantity].start]
        if phrase.exact:
            near = before.rstrip().endswith(("=", ":", phrase.exact)) or bool(LINK.search(before))
            return 1.3 if near and cost < 1 else 0.0
        if before.rstrip().endswith("="):
            return 1.2 if cost < 0.1 else 0.8
        return 0.95 if not counted or LINK.search(before) or phrase.leading else 0.72

    def _span(self, quantity: Quantity) -> tuple[int, int]:
        low = next((at for at, word in enumerate(self.words) if word[1] >= quantity.start), len(self.words))
        high = next((at for at in range(low, len(self.words)) if self.words[at][1] >= quantity.end), len(self.words))
        return low, high

    def _between(self, low: int, high: int, start: int, end: int) -> float:
        """Cost of the words from `low` up to `high` and of the stops and numbers in text[start:end]."""
        words = self._word_costs[high] - self._word_costs[low]
        stops = self._stop_costs[bisect_left(self._stops, end)] - self._stop_costs[bisect_left(self._stops, start)]
        return words + stops + 1.5 * (bisect_left(self._starts, end) - bisect_left(self._starts, start))

    def _phrase(self, stems: tuple[str, ...]) -> list[tuple[int, int]]:
        found = []
        for first in self.places.get(stems[0], ()) if stems else ():
            at = first + 1
            for part in stems[1:]:
                if at < len(self.words) and self.words[at][0] != part and self.words[at][0] in FUNCTION:
                    at += 1
                if at >= len(self.words) or self.words[at][0] != part:
                    break
                at += 1
            else:
                found.append((first, at))
        return found

    def _exactly(self, exact: str) -> list[tuple[int, int]]:
        """A symbol in its own case; a small letter or "a" only before an equals sign."""
        found = []
        for at, (_, start, end) in enumerate(self.words):
            if self.text[start:end] == exact and (exact[0].isupper() and exact != "I" or self.text[end:].lstrip().startswith("=")):
                found.append((at, at + 1))
        return found


def fit(slots: Sequence[Slot], reading: Reading) -> Fit:
    """The best placing of a sentence's numbers, choices and lists in these slots."""
    result = Fit()
    _place_written(slots, reading, result)
    _place_lists(slots, reading, result)
    _place_choices(slots, reading, result)
    links = [link for link in _links(slots, reading, result) if slots[link.slot].name not in result.args]
    chosen = _assigned(links)
    for link in chosen:
        slot, quantity = slots[link.slot], reading.quantities[link.quantity]
        result.args[slot.name] = link.value
        result.used.add(link.quantity)
        result.placed[link.quantity] = slot.name
        result.score += link.score
        result.strong += (0.4 if quantity.weak else 1.0) if link.closeness >= 0.4 else 0.35 if link.closeness == 0 else 0.6
        if link.closeness == ALONE:
            result.alone.add(slot.name)
        if link.closeness == 0 and not _only_place(link, links, chosen):
            result.guessed.add(slot.name)
    _none_of(slots, reading, result)
    _lone_values(slots, reading, result)
    _implied_choices(slots, result)
    _fill_windows(slots, reading, chosen, result)
    _per_user(slots, reading, result)
    result.missing = [slot for slot in slots if slot.required and slot.name not in result.args]
    return result


def _links(slots: Sequence[Slot], reading: Reading, done: Fit) -> list[Link]:
    links = []
    alone = Counter(slot.dimension for slot in slots if slot.kind in ("number", "whole"))
    units = Counter(quantity.unit for at, quantity in enumerate(reading.quantities) if at not in reading.taken and not quantity.weak)
    open_quantities = [(at, q) for at, q in enumerate(reading.quantities) if at not in done.used and at not in reading.taken]
    places, hinted = reading.places, reading.hints
    each = {at: _each(reading.text, quantity) for at, quantity in open_quantities}
    for at, slot in enumerate(slots):
        if slot.kind not in ("number", "whole"):
            continue
        present = [phrase for phrase in slot.phrases if phrase.stems and phrase.stems[0] in places and reading.find(phrase.stems, phrase.exact)]
        for number, quantity in open_quantities:
            converted = reading.converted(number, slot)
            if converted is None:
                continue
            value, grade = converted
            closeness = _near([reading.closeness(number, phrase) for phrase in present])
            if hinted[number]:
                closeness = max(closeness, _hinted(hinted[number], slot))
            if closeness < (0.7 if quantity.weak else 0.16):
                closeness = 0.0
                if quantity.weak:
                    continue
            if quantity.unit == "count/s" and slot.dimension == "count" and quantity.per == 1:
                closeness *= 0.5
            if slot.dimension == "count/day" and each[number]:
                closeness, grade = 0.2 * closeness, 0.3
            if grade == 0.35 and closeness < 0.7:
                continue
            if not closeness and slot.dimension != "count" and alone[slot.dimension] == 1 and units[quantity.unit] == 1 and grade >= 0.8:
                closeness = ALONE
            outside = 0.0 if slot.low <= value <= slot.high or slot.name.endswith("per_user_day") else 1.2
            if closeness or (grade >= 0.8 and slot.dimension != "count" and not outside):
                links.append(Link(0.35 * grade + closeness - outside, number, at, value, closeness))
            elif slot.required and slot.dimension == "count" and grade == 1 and not quantity.weak:
                links.append(Link(0.12, number, at, value, 0.0))
    return links


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
    """What a number's form says: "two out of three" is how many are needed, p99 a percentile, "at least 99%" a target."""
    for hint in hints:
        stems = stems_of(hint)
        for phrase in slot.phrases:
            if phrase.stems == stems and not phrase.exact or phrase.exact == hint:
                return 0.75 if hint in ("of", "at least", "n", "times", "at", "rate", "ratio", "target", "goal") else 1.0
    return 0.0


def _only_place(link: Link, links: list[Link], chosen: list[Link]) -> bool:
    """Whether nothing else was left for this quantity, nor for this slot, once the others were placed."""
    slots, quantities = {each.slot for each in chosen}, {each.quantity for each in chosen}
    return not any((each.quantity == link.quantity and each.slot not in slots) or (each.slot == link.slot and each.quantity not in quantities)
                   for each in links if each is not link) and sum(each.closeness == 0 for each in chosen) == 1


def _assigned(links: list[Link]) -> list[Link]:
    """One slot a quantity and one quantity a slot, with nearly the highest sum: greedy, then exchanges that gain."""
    best: dict[tuple[int, int], Link] = {(link.quantity, link.slot): link for link in links}
    chosen: dict[int, Link] = {}
    slots: dict[int, int] = {}
    for link in sorted(links, key=lambda each: (-each.score, each.quantity, each.slot)):
        if link.quantity not in chosen and link.slot not in slots:
            chosen[link.quantity], slots[link.slot] = link, link.quantity
    for _ in range(2):
        for link in links:
            holder = slots.get(link.slot)
            current = chosen.get(link.quantity)
            if holder is None or holder == link.quantity:
                continue
            freed = current.slot if current else None
            moves = [best[(holder, at)] for quantity, at in best if quantity == holder and (at not in slots or at == freed) and at != link.slot]
            other = max(moves, key=lambda each: each.score, default=None)
            gain = link.score + (other.score if other else 0) - chosen[holder].score - (current.score if current else 0)
            if gain > 1e-9:
                if freed is not None:
                    del slots[freed]
                del chosen[holder]
                chosen[link.quantity], slots[link.slot] = link, link.quantity
                if other is not None:
                    chosen[holder], slots[other.slot] = other, holder
    return sorted(chosen.values(), key=lambda each: each.quantity)


def _place_written(slots: Sequence[Slot], reading: Reading, result: Fit) -> None:
    """Traces, streams and written systems, and quoted text for a parameter that needs it."""
    for part in reading.written:
        slot = next((each for each in slots if each.kind == "text" and each.name not in result.args and (
            part.kind in each.name or (part.kind in ("call", "system") and each.pattern and re.search(each.pattern, part.text)))), None)
        if slot is not None:
            result.args[slot.name] = part.text
            inside = {at for at, q in enumerate(reading.quantities) if part.start <= q.start < part.end}
            result.used |= inside
            result.written = True
            result.score += 1.5 + 0.6 * len(inside)
            result.strong += 1.5
            result.named += 1
    for slot in slots:
        if slot.kind == "text" and slot.required and slot.name not in result.args and (quoted := QUOTED.search(reading.text)):
            result.args[slot.name] = quoted[1]


def _place_lists(slots: Sequence[Slot], reading: Reading, result: Fit) -> None:
    places = [slot for slot in slots if slot.kind == "list"]
    lists = [found for found in reading.lists if len(found.values) >= 2]
    if not places:
        return
    if all(found.pair for found in lists):
        shares = [at for at, q in enumerate(reading.quantities) if q.unit == "fraction" and not q.weak]
        if len(places) == 1 and len(shares) >= 2 and places[0].required and any(
                reading.find(phrase.stems, phrase.exact) for phrase in places[0].phrases if not phrase.exact):
            result.args[places[0].name] = [reading.quantities[at].value for at in shares]
            result.used |= set(shares)
            result.score, result.strong = result.score + 0.5 * len(shares), result.strong + 1
            return
    rest = list(lists)
    for slot in places:
        near = [(_list_closeness(slot, found, reading), -at, found) for at, found in enumerate(rest)]
        closeness, _, found = max(near, key=lambda each: each[:2], default=(0.0, 0, None))
        if found is None or (closeness < 0.3 if found.pair else not slot.required and closeness == 0):
            continue
        rest.remove(found)
        values = [float(f"{value / slot.scale if slot.dimension != 's' else value:.12g}") for value in found.values]
        result.args[slot.name] = [int(value) if value == int(value) else value for value in values]
        result.used |= {at for at, q in enumerate(reading.quantities) if found.start <= q.start < found.end}
        result.score, result.strong = result.score + 1.0 + closeness, result.strong + 1.0


def _list_closeness(slot: Slot, found: NumberList, reading: Reading) -> float:
    before = [at for at, word in enumerate(reading.words) if word[2] <= found.start][-5:]
    return max((1.0 / (1 + before[-1] + 1 - after) for phrase in slot.phrases if before
                for first, after in reading.find(phrase.stems, phrase.exact) if before[0] <= first <= before[-1]), default=0.0)


def _place_choices(slots: Sequence[Slot], reading: Reading, result: Fit) -> None:
    switches = [slot for slot in slots if slot.kind in ("flag", "choice")]
    taken = {phrase.stems for slot in slots if slot.kind in ("number", "whole") for phrase in slot.phrases
             if len(phrase.stems) == 1} if switches else set()
    for slot in switches:
        if slot.kind == "flag":
            spots = [spot for phrase in slot.phrases for spot in reading.find(phrase.stems, phrase.exact)]
            if spots:
                before = reading.text[max(0, reading.words[spots[0][0]][1] - 24): reading.words[spots[0][0]][1]]
                result.args[slot.name] = not NEGATED.search(before)
                result.score += 0.3
        else:
            found = max((_option(slot, option, stems, reading, taken) for option, stems in slot.options), key=lambda each: each[0], default=(0.0, None))
            if found[0] > 0:
                result.args[slot.name] = found[1]
                result.score += 0.1 * min(found[0], 2)
                result.named = min(1.0, result.named + (1.0 if found[0] >= 2 and re.search(r"\d", str(found[1])) else 0.2))


def _option(slot: Slot, option: Any, stems: tuple[str, ...], reading: Reading, taken: set[tuple[str, ...]]) -> tuple[float, Any]:
    """How clearly an option is named: its words next to each other, or a telling word, or any word beside the slot's."""
    digits = re.findall(r"\d+(?:\.\d+)?", str(option))
    if digits and stems and len(stems[0]) <= 8 and re.search(rf"(?i)(?<!\w){re.escape(str(option))}(?![\w.]\w)", reading.text):
        return (2.0 if len(str(option)) > 4 else 1.2), option
    if digits and not str(option)[0].isdigit():
        return 0.0, option
    if not stems or any(part not in reading.places for part in stems):
        return 0.0, option
    if len(stems) > 1:
        spread = min(max(abs(other - at) for part in stems for other in (min(reading.places[part], key=lambda place: abs(place - at)),))
                     for at in reading.places[stems[0]])
        loose = spread <= 8 and not FUNCTION & set(stems)
        return (float(len(stems)) if spread <= len(stems) + 1 and _ordered(stems, reading) else 0.6 * len(stems) if loose else 0.0), option
    if stems[0] not in GENERIC and len(stems[0]) > 2 and stems not in taken:
        return 1.0, option
    near = any(min(abs(at - first), abs(at - after + 1)) <= 2 for at in reading.places[stems[0]] for phrase in slot.phrases
               for first, after in reading.find(phrase.stems, phrase.exact) if phrase.stems != stems)
    return (0.9 if near else 0.0), option


def _none_of(slots: Sequence[Slot], reading: Reading, result: Fit) -> None:
    """"no queue" and "without duplicates" are zeros, where zero is allowed."""
    if not any(word in reading.places for word in ("no", "without", "zero")):
        return
    for slot in slots:
        if slot.kind not in ("number", "whole") or slot.name in result.args or slot.low != 0 or slot.required:
            continue
        for phrase in slot.phrases:
            if any(first and reading.words[first - 1][0] in ("no", "without", "zero") for first, _ in reading.find(phrase.stems, phrase.exact)):
                result.args[slot.name] = 0
                result.score += 0.4
                break


def _lone_values(slots: Sequence[Slot], reading: Reading, result: Fit) -> None:
    """A list that has to be there and of which one value is named: "the largest timestamp is 12,000 ms"."""
    for slot in slots:
        if slot.kind != "list" or not slot.required or slot.name in result.args:
            continue
        near = [(max((reading.closeness(at, phrase) for phrase in slot.phrases), default=0.0), at) for at, q in enumerate(reading.quantities)
                if at not in result.used and q.unit == slot.dimension]
        closeness, at = max(near, default=(0.0, 0))
        if closeness > 0.2:
            value = float(f"{reading.quantities[at].value / slot.scale:.12g}")
            result.args[slot.name] = [int(value) if value == int(value) else value]
            result.used.add(at)
            result.score, result.strong = result.score + closeness, result.strong + 0.6


def _implied_choices(slots: Sequence[Slot], result: Fit) -> None:
    """An option that another parameter is called by, which has been given: a correlation implies the rotation."""
    for slot in slots:
        if slot.kind != "choice" or slot.name in result.args:
            continue
        for other in slots:
            if other.kind not in ("number", "whole") or other.name not in result.args or other.name in result.guessed:
                continue
            called = {phrase.stems for phrase in other.phrases if len(phrase.stems) == 1 and not phrase.exact}
            head = stems_of(other.name.replace("_", " "))
            called |= {head[:1]} if len(head) > 1 else set()
            implied = next((option for option, stems in slot.options if stems in called and stems != head and option != slot.default), None)
            if implied is not None:
                result.args[slot.name] = implied
                break


def _ordered(stems: tuple[str, ...], reading: Reading) -> bool:
    """Whether the words of an option stand in its order where one of them is a small word ("after-commit")."""
    return not FUNCTION & set(stems) or bool(reading.find(stems))


def _fill_windows(slots: Sequence[Slot], reading: Reading, chosen: Iterable[Link], result: Fit) -> None:
    """The minute of "300 per minute" goes to the window, when the 300 is a limit and no window is given."""
    for link in chosen:
        quantity = reading.quantities[link.quantity]
        if quantity.per is None or slots[link.slot].dimension != "count" or slots[link.slot].name.endswith("_day"):
            continue
        window = next((slot for slot in slots if slot.dimension == "s" and (slot.name not in result.args or slot.name in result.guessed)
                       and any(phrase.stems in (("per",), ("window",)) for phrase in slot.phrases)), None)
        if window is not None:
            result.args[window.name] = quantity.per / window.scale
            result.guessed.discard(window.name)
    window = next((slot for slot in slots if slot.required and slot.dimension == "s" and slot.name not in result.args
                   and any(phrase.stems == ("window",) for phrase in slot.phrases)), None)
    period = next((quantity.per for quantity in reading.quantities if quantity.per and quantity.per > 1), None)
    if window is not None and period is not None:
        result.args[window.name] = period / window.scale


def _per_user(slots: Sequence[Slot], reading: Reading, result: Fit) -> None:
    """"4M photos a day" without users is 4M users with one photo a day each, for a tool that counts per user."""
    users = next((slot for slot in slots if "user" in slot.name and slot.dimension == "count"), None)
    if users is None or users.name in result.args:
        return
    for at, quantity in enumerate(reading.quantities):
        if quantity.per != DAY_S or quantity.unit != "count/s":
            continue
        for slot in slots:
            if slot.name.endswith("per_user_day") and result.args.get(slot.name) == quantity.number and at in result.used:
                result.args[users.name], result.args[slot.name] = quantity.number, 1.0
                return
