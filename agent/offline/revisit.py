"""Messages that only change the last computation: "now with 64 GPUs", "double the users". Knows arguments, no tool."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent.offline.fitting import fit
from agent.offline.parameters import Slot
from agent.offline.placing import Fit
from agent.offline.reading import Reading
from agent.offline.vocabulary import COMMON, FUNCTION
from agent.offline.wishes import CONCEPT, NUMERIC, WHY, idle

LONGEST_WORDS, LONGEST_REPLY = 18, 8
MOST_OTHER_WORDS = 7
"""Telling words of a message whose numbers may go by their unit alone."""
_LEAD = (r"(?i)^\W*(?:(?:ok|okay|well|hm+|alright|right|great|thanks|thank you|cool|nice|so|then|please|no|sorry"
         r"|actually|wait)\W+)*")
_WAY = r"(?:more|less|fewer|higher|lower|longer|shorter)"
INSISTS = re.compile(
    _LEAD + r"(?:and|now|but|or|what if|what about|how about|same|instead|make (?:it|that)|change|suppose|assume|try"
    r"|again|i meant?|(?:what )?would (?:it|that) (?:be|change)|doubl\w+|tripl\w+|halv\w+|twice|half|increase|decrease"
    rf"|reduce|raise|lower|ten times|\w+ times (?:the|as)|\d+x|\d+(?:\.\d+)?\s*(?:%|percent) {_WAY})\b")
OPENS = re.compile(
    _LEAD + r"(?:with|at(?! which| what)|for|using|use|what (?:would|does|do|if|about)|set|let|if|without|only|say|take"
    r"|give it|let's say)\b")
THAT = re.compile(r"(?i)\b(?:is|does|would|in|for) (?:that|this|it)\b|\bof (?:them|those|it)\b|\bsame\b")
AGAIN = re.compile(r"(?i)\b(?:instead|this time)\b")
PLAIN = re.compile(r"[\w\s%.,?!:/$@=+µ-]+")
SCALED = re.compile(
    r"(?i)\b(?:(?P<word>doubl\w+|twice|tripl\w+|quadrupl\w+|halv\w+|(?<!and a )half|tenfold)"
    r"|(?<!of )(?<!to )(?<!at )(?<!is )(?<!=)(?P<times>\b\d+(?:\.\d+)?)\s*(?:x|×|times)\s+(?=[a-z])"
    r"|(?P<spoken>two|three|four|five|ten|hundred) times"
    rf"|(?P<percent>\d+(?:\.\d+)?)\s*(?:%|percent) (?P<way>{_WAY}))")
ADDED = re.compile(
    r"(?i)\b(?:(?P<add>add(?:ing)?|another|plus)|(?P<drop>remov(?:e|ing)|drop|los(?:e|ing)|take away)) (?:\w+ ){0,2}?$")
MORE, FEWER = re.compile(r"(?i)\s+(?:more|extra|additional)\b"), re.compile(r"(?i)\s+(?:fewer|less)\b(?! than)")
FACTORS = {"doubl": 2.0, "twice": 2.0, "tripl": 3.0, "quadrupl": 4.0, "halv": 0.5, "half": 0.5, "tenfold": 10.0,
           "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "ten": 10.0, "hundred": 100.0}


def insists(text: str) -> bool:
    """Whether a message says by itself that it goes on from the last one."""
    return bool(INSISTS.match(text) or AGAIN.search(text))


def revised(
    slots: Sequence[Slot], before: Mapping[str, Any], reading: Reading, gives: frozenset[str],
) -> dict[str, Any] | None:
    """The last call's arguments with what the message changes, or None when it isn't such a message.

    A reply to "what should I take for …?" fills what was missing. "How many hours is that?" repeats the call when its
    tool gives what is asked for.
    """
    text = reading.text
    if len(reading.words) > LONGEST_WORDS or WHY.search(text):
        return None
    kept = _kept(slots, before)
    wants = [slot for slot in slots if slot.required and slot.name not in kept]
    asks_more = bool(THAT.search(text) and NUMERIC.search(text))
    opened = insists(text) or bool(OPENS.match(text)) or asks_more
    if wants:
        filled = _fill_missing(slots, wants, kept, reading) if _is_reply(slots, reading, opened) else {}
        return {**kept, **filled} if filled else None
    if not (opened or _only_arguments(slots, reading)):
        return None
    if (scaled := _scaled(slots, before, reading)) is not None:
        return {**kept, **scaled}
    found = fit(slots, reading)
    known = {slot.name: slot.default for slot in slots}
    fresh = _certain(slots, found) | _by_unit(slots, before, reading, found)
    fresh |= _added({**known, **before}, reading, found, fresh)
    changes = {name: value for name, value in fresh.items() if before.get(name, known.get(name)) != value}
    if changes:
        return {**kept, **changes}
    repeats = asks_more and any(word in gives for word, _, _ in reading.words)
    return kept if repeats and all(idle(quantity) for quantity in reading.quantities) else None


def takes_all(slots: Sequence[Slot], before: Mapping[str, Any], reading: Reading) -> bool:
    """Whether each number of the message has a place among these slots."""
    found = fit(slots, reading)
    changes = _certain(slots, found) | _by_unit(slots, before, reading, found)
    return len(changes) >= sum(not idle(quantity) for quantity in reading.quantities)


def _kept(slots: Sequence[Slot], before: Mapping[str, Any]) -> dict[str, Any]:
    known = {slot.name for slot in slots}
    return {name: value for name, value in before.items() if name in known and value is not None}


def _only_arguments(slots: Sequence[Slot], reading: Reading) -> bool:
    """Whether a short message consists of values and what they are called: "8 stages?", "adversarial traffic"."""
    if len(reading.words) > 4 or PLAIN.fullmatch(reading.text) is None:
        return False
    known = {word for slot in slots for phrase in slot.phrases for word in phrase.stems}
    known |= {word for slot in slots for _, stems in slot.options for word in stems} | FUNCTION
    return all(word in known or any(low <= at < high for low, high in reading.spans)
               for at, (word, _, _) in enumerate(reading.words))


def _is_reply(slots: Sequence[Slot], reading: Reading, opened: bool) -> bool:
    """Whether a message can answer "what should I take for …?": values, with at most one word that means nothing."""
    if len(reading.words) > LONGEST_REPLY or CONCEPT.search(reading.text) or ("?" in reading.text and not opened):
        return False
    known = {word for slot in slots for phrase in slot.phrases for word in phrase.stems} | COMMON
    other = sum(word not in known and not any(low <= at < high for low, high in reading.spans)
                for at, (word, _, _) in enumerate(reading.words))
    return other == 0 or (other == 1 and not all(quantity.weak for quantity in reading.quantities))


def _fill_missing(
    slots: Sequence[Slot], wants: Sequence[Slot], kept: Mapping[str, Any], reading: Reading,
) -> dict[str, Any]:
    found = fit(slots, reading)
    filled = _certain(slots, found)
    free = [at for at in range(len(reading.quantities))
            if at not in found.used or found.placed.get(at, "") not in {"", *filled}]
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
    best: tuple[float, int] | None = None
    for at, slot in enumerate(slots):
        value = before.get(slot.name, slot.default)
        if slot.kind not in ("number", "whole") or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        for phrase in slot.phrases:
            for first, _ in reading.find(phrase.stems, phrase.exact) if phrase.stems and not phrase.leading else []:
                start = reading.words[first][1]
                gap = start - match.end() if start >= match.end() else match.start() - start + 20
                score = phrase.weight - 0.02 * gap + (0.2 if value != slot.default else 0.0)
                best = max(best or (score, -at), (score, -at))
    if best is None:
        return None
    slot = slots[-best[1]]
    value = float(f"{before.get(slot.name, slot.default) * _factor(match):.12g}")
    return {slot.name: round(value) if slot.kind == "whole" else value}


def _added(current: Mapping[str, Any], reading: Reading, found: Fit, fresh: Mapping[str, Any]) -> dict[str, Any]:
    """ "add five lines", "two more servers", "3 fewer": what stands there and the number, where it was placed."""
    out: dict[str, Any] = {}
    for at, name in found.placed.items():
        quantity, value = reading.quantities[at], current.get(name)
        if name not in fresh or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        before = ADDED.search(reading.text[max(0, quantity.start - 24): quantity.start])
        after = reading.text[quantity.end: quantity.end + 12]
        if MORE.match(after) or before is not None and before["add"]:
            out[name] = value + fresh[name]
        elif FEWER.match(after) or before is not None and before["drop"]:
            out[name] = value - fresh[name]
    return out


def _factor(match: re.Match[str]) -> float:
    if match["percent"]:
        share = float(match["percent"]) / 100
        return 1 + share if match["way"].lower() in ("more", "higher", "longer") else 1 - share
    if match["times"]:
        return float(match["times"])
    word = (match["word"] or match["spoken"]).lower()
    return next(value for start, value in FACTORS.items() if word.startswith(start))


def _certain(slots: Sequence[Slot], found: Fit) -> dict[str, Any]:
    """What the words put in its place, without what only its unit speaks for."""
    unsure = found.guessed | found.alone
    return {slot.name: found.args[slot.name] for slot in slots if slot.name in found.args and slot.name not in unsure}


def _by_unit(slots: Sequence[Slot], before: Mapping[str, Any], reading: Reading, found: Fit) -> dict[str, Any]:
    """Numbers without a name go where such a number stood: "and at 99.99%?" after a question with one availability."""
    certain = _certain(slots, found)
    changes: dict[str, Any] = {}
    if sum(word not in FUNCTION for word, _, _ in reading.words) > MOST_OTHER_WORDS:
        return changes
    for at, quantity in enumerate(reading.quantities):
        if at in reading.taken or quantity.weak or found.placed.get(at) in certain:
            continue
        options: list[tuple[bool, float, float, Slot]] = []
        for slot in slots:
            if slot.kind not in ("number", "whole") or slot.name in certain or slot.name in changes:
                continue
            converted, value = reading.converted(at, slot), before.get(slot.name)
            if converted is not None and converted[1] >= 0.7:
                given = value is not None and (slot.required or value != slot.default)
                current = slot.default if value is None else value
                options.append((not given, _distance(converted[0], current), converted[0], slot))
        options.sort(key=lambda option: option[:2])
        if options and (not options[0][0] or len(options) == 1 or options[0][3].dimension != "count"):
            changes[options[0][3].name] = options[0][2]
    return changes


def _distance(value: float, current: Any) -> float:
    """How unlike two values are: the ratio of their orders of magnitude; far when nothing stands there."""
    if isinstance(current, bool) or not isinstance(current, int | float) or current <= 0 or value <= 0:
        return 1e3
    return abs(math.log10(value / current))
