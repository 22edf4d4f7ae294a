"""Messages that only change the last computation: "now with 64 GPUs", "double the users". Knows arguments, no tool."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent.offline.fitting import Fit, Reading, fit
from agent.offline.parameters import FUNCTION, Slot
from agent.offline.wishes import CONCEPT, NUMERIC, WHY, idle

LONGEST_WORDS = 18
_LEAD = r"(?i)^\W*(?:(?:ok|okay|well|hm+|alright|right|great|thanks|thank you|cool|nice|so|then|please|no|sorry|actually|wait)\W+)*"
INSISTS = re.compile(_LEAD + r"(?:and|now|but|or|what if|what about|how about|same|instead|make (?:it|that)|change|suppose|assume|try|again|i meant?|"
                     r"(?:what )?would (?:it|that) (?:be|change)|doubl\w+|tripl\w+|halv\w+|twice|half|increase|decrease|reduce|raise|lower|"
                     r"ten times|\w+ times (?:the|as)|\d+x)\b")
OPENS = re.compile(_LEAD + r"(?:with|at(?! which| what)|for|using|use|set|let|if|without|only|say|take|give it|let's say)\b")
THAT = re.compile(r"(?i)\b(?:is|does|would|in|for) (?:that|this|it)\b|\bof (?:them|those|it)\b|\bsame\b|\binstead\b")
PLAIN = re.compile(r"[\w\s%.,?!:/$@=+µ-]+")
MOST_OTHER_WORDS = 7
SCALED = re.compile(
    r"(?i)\b(?:(?P<word>doubl\w+|twice|tripl\w+|quadrupl\w+|halv\w+|half|tenfold)|(?<!of )(?<!to )(?<!at )(?<!is )(?<!=)(?P<times>\b\d+(?:\.\d+)?)\s*(?:x|×|times)\s+(?=[a-z])|"
    r"(?P<spoken>two|three|four|five|ten|hundred) times|(?P<percent>\d+(?:\.\d+)?)\s*(?:%|percent) (?P<way>more|less|fewer|higher|lower|longer|shorter))")
FACTORS = {"doubl": 2.0, "twice": 2.0, "tripl": 3.0, "quadrupl": 4.0, "halv": 0.5, "half": 0.5, "tenfold": 10.0, "two": 2.0, "three": 3.0,
           "four": 4.0, "five": 5.0, "ten": 10.0, "hundred": 100.0}


def insists(text: str) -> bool:
    """Whether a message says by itself that it goes on from the last one."""
    return bool(INSISTS.match(text))


def revised(slots: Sequence[Slot], before: Mapping[str, Any], reading: Reading, gives: frozenset[str]) -> dict[str, Any] | None:
    """The last call's arguments with what the message changes, or None when it isn't such a message.

    A reply to "what should I take for …?" fills what was missing. "How many hours is that?" repeats the call when its
    tool gives what is asked for.
    """
    if len(reading.words) > LONGEST_WORDS or WHY.search(reading.text):
        return None
    kept = _kept(slots, before)
    wants = [slot for slot in slots if slot.required and slot.name not in kept]
    if wants:
        filled = _fill_missing(slots, wants, kept, reading)
        return {**kept, **filled} if filled else None
    insisted = insists(reading.text)
    opened = insisted or bool(OPENS.match(reading.text)) or bool(THAT.search(reading.text) and NUMERIC.search(reading.text))
    if (CONCEPT.search(reading.text) and not insisted) or not (opened or _only_arguments(slots, reading)):
        return None
    scaled = _scaled(slots, before, reading)
    if scaled is not None:
        return {**kept, **scaled}
    found = fit(slots, reading)
    fresh = _certain(slots, found) | _by_unit(slots, before, reading, found)
    changes = {name: value for name, value in fresh.items() if before.get(name, _default(slots, name)) != value}
    strong = [at for at, quantity in enumerate(reading.quantities) if not idle(quantity)]
    if changes:
        return {**kept, **changes}
    asks_more = THAT.search(reading.text) and NUMERIC.search(reading.text) and any(word in gives for word, _, _ in reading.words)
    return kept if asks_more and not strong else None


def takes_all(slots: Sequence[Slot], before: Mapping[str, Any], reading: Reading) -> bool:
    """Whether each number of the message has a place among these slots."""
    found = fit(slots, reading)
    changes = _certain(slots, found) | _by_unit(slots, before, reading, found)
    return len(changes) >= sum(not idle(quantity) for quantity in reading.quantities)


def _kept(slots: Sequence[Slot], before: Mapping[str, Any]) -> dict[str, Any]:
    """Of the last arguments those that were more than defaults."""
    known = {slot.name: slot for slot in slots}
    return {name: value for name, value in before.items()
            if name in known and value is not None and (known[name].required or value != known[name].default)}


def _default(slots: Sequence[Slot], name: str) -> Any:
    return next((slot.default for slot in slots if slot.name == name), None)


def _only_arguments(slots: Sequence[Slot], reading: Reading) -> bool:
    """Whether a short message consists of values and what they are called: "8 stages?", "adversarial traffic"."""
    known = {word for slot in slots for phrase in slot.phrases for word in phrase.stems}
    known |= {word for slot in slots for _, stems in slot.options for word in stems} | FUNCTION
    inside = [reading.spans[at] for at in range(len(reading.quantities))]
    named = [at for at, (word, _, _) in enumerate(reading.words) if not any(low <= at < high for low, high in inside)]
    return len(reading.words) <= 4 and PLAIN.fullmatch(reading.text) is not None and all(reading.words[at][0] in known for at in named)


def _fill_missing(slots: Sequence[Slot], wants: Sequence[Slot], kept: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    found = fit(slots, reading)
    filled = _certain(slots, found)
    free = [at for at in range(len(reading.quantities)) if at not in found.used or set(filled) & set(kept)]
    for slot in wants:
        for at in free:
            converted = reading.converted(at, slot) if slot.kind in ("number", "whole") else None
            if slot.name not in filled and converted is not None:
                filled[slot.name] = converted[0]
                free.remove(at)
                break
    return filled if any(slot.name in filled for slot in wants) else {}


def _scaled(slots: Sequence[Slot], before: Mapping[str, Any], reading: Reading) -> dict[str, Any] | None:
    """ "double the users", "10x the traffic", "20% fewer servers": a factor on what stood there."""
    match = SCALED.search(reading.text)
    if match is None:
        return None
    if match["percent"]:
        share = float(match["percent"]) / 100
        factor = 1 + share if match["way"].lower() in ("more", "higher", "longer") else 1 - share
    elif match["times"]:
        factor = float(match["times"])
    else:
        word = (match["word"] or match["spoken"]).lower()
        factor = next(value for stem, value in FACTORS.items() if word.startswith(stem))
    best: tuple[float, int, Slot] | None = None
    for at, slot in enumerate(slots):
        value = before.get(slot.name, slot.default)
        if slot.kind not in ("number", "whole") or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        for phrase in slot.phrases:
            for first, _ in reading.find(phrase.stems, phrase.exact) if phrase.stems and not phrase.leading else []:
                start = reading.words[first][1]
                given = 0.2 if value != slot.default else 0.0
                score = phrase.weight + given - (0.02 * (start - match.end()) if start >= match.end() else 0.4 + 0.02 * (match.start() - start))
                if best is None or score > best[0]:
                    best = (score, -at, slot)
    if best is None:
        return None
    slot = best[2]
    value = float(f"{before.get(slot.name, slot.default) * factor:.12g}")
    return {slot.name: round(value) if slot.kind == "whole" else value}


def _certain(slots: Sequence[Slot], found: Fit) -> dict[str, Any]:
    """What the words put in its place, without what only its unit speaks for."""
    return {slot.name: found.args[slot.name] for slot in slots if slot.name in found.args and slot.name not in found.guessed
            and slot.name not in found.alone}


def _by_unit(slots: Sequence[Slot], before: Mapping[str, Any], reading: Reading, found: Fit) -> dict[str, Any]:
    """Numbers without a name go where such a number stood: "and at 99.99%?" after a question with one availability."""
    certain = _certain(slots, found)
    changes: dict[str, Any] = {}
    if sum(word not in FUNCTION for word, _, _ in reading.words) > MOST_OTHER_WORDS:
        return changes
    for at, quantity in enumerate(reading.quantities):
        if at in reading.taken or quantity.weak or (at in found.placed and found.placed[at] in certain):
            continue
        options = []
        for slot in slots:
            converted = reading.converted(at, slot) if slot.kind in ("number", "whole") and slot.name not in certain | changes else None
            if converted is not None and converted[1] >= 0.7:
                value = before.get(slot.name)
                given = value is not None and (slot.required or value != slot.default)
                options.append((given, converted[1], converted[0], slot))
        given_ones = [option for option in options if option[0]] or options
        chosen = min(given_ones, key=lambda option: _distance(option[2], before.get(option[3].name, option[3].default)), default=None)
        if chosen is not None and (len(given_ones) == 1 or chosen[3].dimension != "count" or chosen[0]):
            changes[chosen[3].name] = chosen[2]
    return changes


def _distance(value: float, current: Any) -> float:
    """How unlike two values are: the ratio of their orders of magnitude; far when nothing stands there."""
    if isinstance(current, bool) or not isinstance(current, int | float) or current <= 0 or value <= 0:
        return 1e3
    return abs(math.log10(value / current))

