"""What "the second one", "the latter", "the other" and "the two" point to in earlier turns. Knows no passages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.past import Past
from agent.sentences import content_stems

_NUMBERED = "first|second|third|fourth|fifth|sixth|seventh|last|1st|2nd|3rd|4th|5th|6th|7th"
_ITEM = r"(?:ones?|points?|items?|steps?|bullets?|reasons?|things?|parts?|options?|bits?|benefits?|challenges?|methods?|ways?|components?|blocks?|kinds?|types?)"
ORDINAL = re.compile(
    rf"(?i)\b(?:the |your |point |number |item |#)?(?P<n>{_NUMBERED})\s+(?:of the )?{_ITEM}\b"
    rf"|\bthe (?P<b>{_NUMBERED})\b(?=\s*(?:[:,?.!]|$|of (?:them|these|those)|please\b))"
    r"|\b(?:point|number|item|step|bullet|option)\s*#?\s*(?P<d>[1-9]|one|two|three|four|five|six|seven)\b")
NUMERALS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "last": -1,
            "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
            "1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "6th": 6, "7th": 7}
COUNTABLE = 3
RECENT = 3
FORMER = re.compile(r"(?i)\bthe (?:(?P<former>former)|latter)\b(?: one)?")
OTHER = re.compile(r"(?i)\bthe other(?: (?:one|side|half|option))?\b(?=\W*(?:$|then|too|as well|do|does|is|has|have|work))")
PAIR = re.compile(r"(?i)\b(?:the two|both(?: of (?:them|these|those))?|(?:these|those) two|each other|one another|which of (?:them|these|those)|which one|either(?: of them)?)\b"
                  r"|^\W*(?:(?:and|so|but|then|ok(?:ay)?)\W+)*which (?:is|are|was|has|needs|uses|would|should|do|does)\b(?=.*(?:\b(?:more|less|fewer|better|worse|prefer|use|take|choose|pick)\b|\w{3}er\b))")
THEY = re.compile(r"(?i)\b(?:they|them|these|those)\b")
FIRST_SECOND = re.compile(r"(?i)\bthe first(?: one)?\b.+\bthe second(?: one)?\b")


@dataclass(frozen=True)
class Pointed:
    """A point of an earlier answer, and the turn whose answer listed it. `point` is empty when that list is too short; a
    `side` of a comparison stands for itself."""

    point: str
    past: Past
    side: bool = False


def pointed(question: str, history: Sequence[Past]) -> Pointed | None:
    """The point that an ordinal, "the latter" or "the other one" means, or None when no list was shown."""
    listing = next((past for past in reversed(history) if past.points), None)
    if found := ORDINAL.search(question):
        name = (found["n"] or found["b"] or found["d"]).lower()
        number = NUMERALS[name] if name in NUMERALS else int(name)
        return _numbered(number, listing) if listing is not None else None
    two = pair(history)
    if (found := FORMER.search(question)) and two:
        return Pointed(two[0] if found["former"] else two[1], history[-1], side=True)
    two_listed = next((past for past in reversed(history[-RECENT:]) if len(past.points) == 2 and _lists_two(past)), listing)
    if OTHER.search(question) and two_listed is not None and len(two_listed.points) == 2:
        # Of two, the other one is the one that isn't talked about now.
        listing = two_listed
        now = content_stems(f"{history[-1].topic} {history[-1].question}")
        left, right = (len(content_stems(point) & now) / (len(content_stems(point)) or 1) for point in listing.points)
        return Pointed(listing.points[1 if left >= right else 0], listing, _lists_two(listing))
    return None


def pair(history: Sequence[Past]) -> tuple[str, str] | None:
    """The two things talked about last: of the last comparison or list of two, else the last two topics, older first."""
    talk = [past for past in history if past.topic]
    if talk and len(talk[-1].points) == 2 and _lists_two(talk[-1]):
        return talk[-1].points[0], talk[-1].points[1]
    newest = talk[-1].topic if talk else ""
    stems = content_stems(newest)
    for past in reversed(talk[:-1]):
        other = content_stems(past.topic)
        if other - stems and stems - other:
            return past.topic, newest
    return None


def _numbered(number: int, listing: Past) -> Pointed | None:
    if number > len(listing.points):
        # Fewer than three points are hardly what the learner counts.
        return Pointed("", listing) if len(listing.points) >= COUNTABLE else None
    return Pointed(listing.points[number - 1] if number > 0 else listing.points[-1], listing, len(listing.points) == 2 and _lists_two(listing))


def _lists_two(past: Past) -> bool:
    """Whether two points of an answer are what it was about, and not just two bullets of it."""
    asked = re.search(r"(?i)\b(?:two|both|kinds?|types?|ways?|modes?|forms?|compare|differ\w*|versus|vs|or)\b", past.question)
    topic = content_stems(past.topic)
    return bool(asked) or any(content_stems(point) == topic for point in past.points) or all(content_stems(point) & topic for point in past.points)
