"""A sentence taken apart once, for all tools: words, numbers, lists, and how near they stand. Knows no tool."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection
from dataclasses import replace
from itertools import accumulate

from agent.offline.parameters import Phrase, Slot, convert
from agent.offline.quantities import read_quantities
from agent.offline.quantity import Quantity
from agent.offline.series import NumberList, Written, read_lists, read_written
from agent.offline.vocabulary import FUNCTION, words_of
from agent.offline.wishes import idle

MONTHLY = re.compile(r"(?i)\s*(?:monthly|registered|total|known)\b[^.;]{0,30}\b(?:users|people|customers|members)\b")
OF_THEM = re.compile(r"(?i)\s*of (?:them|these|those|whom|which)\b[^.;]{0,40}\b(?:day|daily)\b")
AGAIN = re.compile(r"(?: [a-z]+){0,2}\s*[(=]\s*(?:i\.?e\.?,?|or|so|exactly)?\s*")
TARGET = re.compile(r"(?i)\btarget (?:is |of |= ?|: ?|at )?$")
LEVEL = re.compile(r"(?i)\b(?:slo|sla|slas|slos|availability|uptime)\b\W*(?:\w+\W+){0,2}$")
STOP = re.compile(r"(?<!\d)[,.:]|[,.:](?!\d)|[;?!()\n]")
REACH = 9
"""Words between a number and what it is called, at most."""
STOPS = {",": 2.0, ";": 2.5, ":": 1.2, ".": 3.0, "?": 3.0, "!": 3.0, "(": 0.6, ")": 0.6, "\n": 2.5}
LINK = re.compile(r"(?i)(?:[=:]|\b(?:of|is|at|to|by|are|with|a|than|about|around|roughly|equals))\s*$")
ASIDE = re.compile(r"(?<![\w])\([^()]{0,120}\)|\b1 ?(?:[KMGT]i?B|kb|mb|gb|day|month|year) ?(?:=|is) ?[\d,.]+ ?\w+")
"""A remark in brackets, or what a unit is taken for."""
AIM = re.compile(r"(?i)\b(?:at least|reach|to get|achieve|aim for|promise)\s*$")


class Reading:
    """A sentence taken apart once, for all tools: words with their places, quantities, lists, written systems."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = list(words_of(text))
        self.quantities = _levels(text, _active_users(text, _once(text, read_quantities(text))))
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
        self.asides = self._asides()
        self._converted: dict[tuple[int, str, float, str, bool, bool], tuple[float, float] | None] = {}
        self._found: dict[tuple[tuple[str, ...], str], list[tuple[int, int]]] = {}
        self.taken = {at for at, q in enumerate(self.quantities)
                      if any(part.start <= q.start < part.end for part in self.written if part.kind != "system")}

    def left(self, used: Collection[int]) -> list[Quantity]:
        """The numbers that aren't used and have no excuse: no name or idiom, no remark in brackets, none said before."""
        said = {(self.quantities[at].unit, self.quantities[at].value) for at in used}
        return [quantity for at, quantity in enumerate(self.quantities)
                if at not in used and not idle(quantity) and at not in self.asides and (quantity.unit, quantity.value) not in said]

    def converted(self, number: int, slot: Slot) -> tuple[float, float] | None:
        """A quantity as a slot counts it, and how well the units agree."""
        key = (number, slot.dimension, slot.scale, slot.kind, slot.unitless, slot.name.endswith("_day"))
        if key not in self._converted:
            self._converted[key] = convert(self.quantities[number], slot)
        return self._converted[key]

    def _asides(self) -> set[int]:
        """Numbers of remarks: "(365-day years)", "1 KB = 1000 bytes"."""
        remarks = [match.span() for match in ASIDE.finditer(self.text)]
        return {at for at, quantity in enumerate(self.quantities) if any(low <= quantity.start < high for low, high in remarks)}

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
            assigned = self.text[end: end + 3].lstrip().startswith("=")
            if self.text[start:end] == exact and (assigned or (exact[0].isupper() and exact != "I")):
                found.append((at, at + 1))
        return found


def _once(text: str, quantities: list[Quantity]) -> list[Quantity]:
    """Without what only says the number before it again: the 800,000 of "800 KB (800,000 bytes)". Of "8k tokens (8192)" the exact
    one stays."""
    out: list[Quantity] = []
    for quantity in quantities:
        before = out[-1] if out else None
        if before is None or before.unit != quantity.unit or not AGAIN.fullmatch(text[before.end: quantity.start]):
            out.append(quantity)
        elif before.value != quantity.value:
            near = 0.94 < quantity.value / before.value < 1.06 if before.value and not quantity.weak else False
            if near:
                out[-1] = replace(before, value=quantity.value, number=quantity.number)
            else:
                out.append(quantity)
    return out


def _levels(text: str, quantities: list[Quantity]) -> list[Quantity]:
    """ "slo 99.9", the 99.99 in "load balancer 99.99, app 99.9%", the 60 in "at 65%, the target is 60" are shares, though nobody
    wrote percent."""
    shares = any(quantity.unit == "fraction" and quantity.value >= 0.9 for quantity in quantities)
    out = []
    for quantity in quantities:
        level = quantity.unit == "count" and 90 <= quantity.value < 100 and "." in quantity.text
        aim = quantity.unit == "count" and 1 < quantity.value <= 100 and TARGET.search(text[max(0, quantity.start - 16): quantity.start])
        if aim and any(other.original == "%" for other in quantities) and not re.match(r"\s*[a-z]", text[quantity.end:]):
            quantity = replace(quantity, unit="fraction", value=round(quantity.value / 100, 12), number=quantity.value / 100, original="%")
        elif level and (shares or LEVEL.search(text[max(0, quantity.start - 24): quantity.start])):
            value = round(quantity.value / 100, 12)
            quantity = replace(quantity, unit="fraction", value=value, number=value, original="%")
        out.append(quantity)
    return out


def _active_users(text: str, quantities: list[Quantity]) -> list[Quantity]:
    """ "90M monthly users, 40% of them on a given day" is 36M users of a day, in one quantity."""
    for at, (users, share) in enumerate(zip(quantities, quantities[1:], strict=False)):
        told = users.unit == "count" and share.unit == "fraction"
        if told and MONTHLY.match(text[users.end: share.start]) and OF_THEM.match(text[share.end: share.end + 80]):
            both = replace(users, value=users.value * share.value, number=users.value * share.value, end=share.end,
                           text=text[users.start: share.end], words_after=share.words_after)
            return [*quantities[:at], both, *quantities[at + 2:]]
    return quantities
