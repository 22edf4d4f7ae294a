"""A tool as the chooser sees it: its slots, the phrases that call for it, words and units of what it gives. Chooses nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agent.offline.measures import measure
from agent.offline.parameters import SUFFIX, Slot, slots_of
from agent.offline.placing import GENERIC
from agent.offline.vocabulary import COMMON, stems_of
from tools.base import Tool

FIELDS = {"words": 1.0, "name": 0.85, "outputs": 0.55, "summary": 0.45, "options": 0.4, "parameters": 0.3}
FORMULA_SUMMARY = 0.7
"""A word's weight by where the tool has it; a formula's summary says what it gives, a tool's only what it is about."""
_UNITS = "ms s us ns min minut hour h day second millisecond gb mb tb kb byte gbp mbp gbit mbit percent"
UNIT_WORDS = frozenset(_UNITS.split())
UNTELLING = COMMON | UNIT_WORDS


@dataclass(frozen=True)
class Profile:
    """A tool as the chooser sees it: its slots, the phrases that call for it, words and units of what it gives."""

    tool: Tool
    slots: tuple[Slot, ...]
    phrases: tuple[tuple[str, ...], ...]
    name: frozenset[str]
    gives: frozenset[str]
    units: frozenset[tuple[str, float]]


def profile_of(tool: Tool) -> Profile:
    outputs = _outputs(tool)
    units = {SUFFIX[last] for name in outputs if (last := name.rsplit("_", 1)[-1]) in SUFFIX and "_" in name}
    word, _, slashed = tool.unit.partition("/")
    if tool.unit and (found := measure(word, slashed)) is not None:
        units.add((found.unit, found.scale))
    name = stems_of(re.sub(r"[-._]", " ", tool.name))
    texts = [" ".join(outputs).replace("_", " "), *tool.words]
    texts += [re.split(r"[:;(]", tool.summary)[0]] if tool.kind == "formula" else []
    gives = {stemmed for text in texts for stemmed in stems_of(text)}.union(name) - UNTELLING
    phrases = tuple(stems for text in tool.words if (stems := stems_of(text)))
    slots = slots_of(tool.params.model_fields)
    return Profile(tool, slots, phrases, frozenset(name), frozenset(gives), frozenset(units))


def _outputs(tool: Tool) -> list[str]:
    """Names of what a tool gives, as far as its cases tell, and its own name's last part for a formula."""
    names = [name for case in tool.cases for name in case.expected if name != "result"]
    names += [ask.value for ask in tool.asks if ask.value != "result"]
    names += [tool.name.split(".", 1)[-1]] if tool.kind == "formula" else []
    return list(dict.fromkeys(names))


def fields_of(profile: Profile) -> dict[str, float]:
    """Each word of a tool with the weight of the best place it stands in."""
    tool = profile.tool
    places: dict[str, Iterable[str]] = {
        "words": (word for phrase in profile.phrases for word in phrase),
        "name": profile.name,
        "outputs": stems_of(" ".join(_outputs(tool)).replace("_", " ")), "summary": stems_of(tool.summary),
        "options": (word for slot in profile.slots for _, stems in slot.options for word in stems
                    if word not in GENERIC),
        "parameters": (word for slot in profile.slots for phrase in slot.phrases for word in phrase.stems)}
    weights: dict[str, float] = {}
    for place, words in places.items():
        weight = FORMULA_SUMMARY if place == "summary" and tool.kind == "formula" else FIELDS[place]
        for word in words:
            if word not in COMMON and len(word) > 1:
                weights[word] = max(weights.get(word, 0.0), weight)
    return weights
