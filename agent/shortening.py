"""Whether a sentence only shortens what a span says: its content words in its order, none of them new. Knows words, not meaning.

Small models mix up what they copy: all words of a sentence stand in the span, and what it says is wrong. So for them
sharing words isn't enough. What may be left out is what leaves the rest as it was: words inside a clause, and whole clauses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from agent.sentences import NEGATION, WORD, content_stems, negated, numbers_in

CLAUSE_WORDS = frozenset(("while whereas because since but so although though that which who whose if unless when where and or as by "
                          "instead than then").split())
BREAK = re.compile(r"[,;:()\[\]|—–]|[.!?](?=\s|$)")
OPENS = re.compile(r"[;:—]|\s\||[.!?](?=\s|$)")
ENDS_BEFORE = "|".join(sorted({*CLAUSE_WORDS, "at", "during", "for", "from", "in", "inside", "into", "on", "over", "under", "with"}))
MAY_END = re.compile(rf"\W*$|\s*[,;:()\[\]|—–.!?]|\s+(?:{ENDS_BEFORE})\b")
CONDITION = re.compile(r"(?i)\b(?:unless|except|only|if|provided|until|when)\b")
REPORTED = re.compile(r"(?i)\b(?:belie(?:f|ve)s?|myths?|misconceptions?|claim(?:s|ed)?|assum\w+|wrong|false|mistake\w*|opposite)\b")
JOINING = frozenset(("because", "since", "while", "whereas"))
"""These may stand for each other and for "as"."""
TELLING = content_stems("also such called known refers thus therefore used")
SKIPPABLE = content_stems("each every both all")
PLACE = re.compile(r"(?i)\s((?:in|for|under) [^?]{3,60}?)\s*\?*\s*$")
MOST_LEFT_OUT = 6
"""Words inside one clause."""


@dataclass(frozen=True, slots=True)
class _Word:
    """`sentence` and `clause` number the span's; `first` opens a clause, `opens` a sentence or what stands behind a label, and
    behind one that `ends` a sentence could end."""

    stem: str
    sentence: int
    clause: int
    first: bool
    opens: bool
    ends: bool


def shortens(sentence: str, span: str, label: str = "") -> bool:
    """Whether `sentence` tells `span` (one or two sentences, without markup) in fewer of its own words. `label` names what the
    span is about where the span itself doesn't.

    >>> span = "A layer 7 proxy parses each request, while kube-proxy works at layer 4."
    >>> shortens("A layer 7 proxy parses each request.", span), shortens("A layer 4 proxy parses each request.", span)
    (True, False)
    """
    if negated(sentence) != negated(span) and not _negation_lies_behind(sentence, span):
        return False
    if not numbers_in(sentence) <= numbers_in(f"{label} {span}") or REPORTED.search(span):
        return False
    own = [word.stem for word in _words(sentence) if word.stem not in TELLING]
    there = _words(f"{label}: {span}" if label else span)
    return len(own) >= 2 and any(there[end].ends and _rest_is_free(span, there, end) for end in _ends(own, there))


def without_place(sentence: str, question: str) -> str:
    """The sentence without the place that the question put its subject in: asked about a watermark in stream processing, a model
    says so again.

    >>> without_place("A watermark in stream processing is a timestamp.", "What is a watermark in stream processing?")
    'A watermark is a timestamp.'
    """
    place = PLACE.search(question)
    return re.sub(rf"(?i),?\s{re.escape(place[1])}\b", "", sentence, count=1) if place else sentence


def _ends(own: list[str], there: tuple[_Word, ...]) -> set[int]:
    """Where in the span the last word of the sentence may be found; nowhere when its words can't be followed."""
    at = {number for number, word in enumerate(there) if word.stem == own[0] and _may_open(there, number)}
    for stem in own[1:]:
        at = {after for after, word in enumerate(there) if word.stem == stem
              and any(before < after and _may_leave_out(there, before, after) for before in at)}
    return at


def _may_open(there: tuple[_Word, ...], number: int) -> bool:
    while number and not there[number].opens and there[number - 1].stem in SKIPPABLE:
        number -= 1
    return there[number].opens


def _may_leave_out(there: tuple[_Word, ...], before: int, after: int) -> bool:
    if after == before + 1:
        return True
    if there[before].clause == there[after].clause:
        return after - before - 1 <= MOST_LEFT_OUT
    if not there[before].ends:
        return False
    return there[after].first if there[before].sentence == there[after].sentence else there[after].opens


def _rest_is_free(span: str, there: tuple[_Word, ...], end: int) -> bool:
    """Nothing behind the last word that is told, up to the end of its sentence, sets a condition."""
    rest = []
    for word in there[end + 1 :]:
        if word.opens:
            break
        rest.append(word.stem)
    return not rest or not CONDITION.search(span)


def _negation_lies_behind(sentence: str, span: str) -> bool:
    """The span's only negation stands in a clause that comes after all that the sentence tells."""
    found = NEGATION.search(span)
    return found is not None and not negated(sentence) and not NEGATION.search(sentence) and shortens(sentence, _cut(span, found.start()))


def _cut(span: str, stop: int) -> str:
    breaks = [match.end() for match in BREAK.finditer(span[:stop])]
    return span[: breaks[-1]] if breaks else ""


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[_Word, ...]:
    """The content words in order, each with its place."""
    found: list[_Word] = []
    sentence, clause, last, first, opens = 0, 0, 0, True, True
    for match in WORD.finditer(text):
        between, last = text[last : match.start()], match.end()
        if OPENS.search(between):
            sentence, opens = sentence + (not opens), True
        if BREAK.search(between) or match[0].lower() in CLAUSE_WORDS:
            clause, first = clause + (not first), True
        if match[0].lower() in JOINING:
            continue
        stems = [stem for part in re.split(r"['-]", match[0]) for stem in content_stems(part)]
        for at, stem in enumerate(stems, start=1):
            ends = at == len(stems) and bool(MAY_END.match(text, match.end()))
            found.append(_Word(stem, sentence, clause, first, opens, ends))
            first = opens = False
    return tuple(found)
