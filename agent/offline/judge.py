"""Does the evidence suffice? Absolute measures of match, and whether the kind of answer asked for is there at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from agent.evidence import Piece
from agent.sentences import content_stems, sentences_of
from memory.base import Source

Verdict = Literal["enough", "weak", "none"]

ENOUGH, WEAK = 0.44, 0.33
OFF_TOPIC = 0.90
"""Below this sum of the best match and the mean match of the question's words nothing of 320 questions on the notes lies, and a
third of those that have nothing to do with them."""
NOTES_MATCH, COURSE_MARGIN = 0.34, 0.15
NAMED_RESCUE = 0.62

YEAR = re.compile(r"\b(?:19|20)\d\d\b")
DIGIT = re.compile(r"\d")
ASKS_YEAR = re.compile(r"(?i)\b(?:(?:in )?(?:which|what) year|when (?:was|were|did)\b.*\b(?:released?|invented|created|founded|published|start(?:ed)?|introduced|born|die[d]?)|what date|on which day)\b")
ASKS_PERSON = re.compile(r"(?i)\bwho (?:invented|created|came up with|developed|proposed|introduced|maintains|wrote|founded|discovered|designed|won|is the (?:author|ceo|inventor|president|founder|creator)|took|first|made|painted)\b")
ASKS_NUMBER = re.compile(r"(?i)\b(?:what|which) (?:tcp |udp |default |network )?(?:port|price|salary|discount|version number|phone number|ip address|cost|fee|rate in dollars)\b|\bhow (?:much|many)\b|\bwhat (?:is|are|was) the (?:\w+ )?(?:port|price|salary|phone number|cost per|discount|market share|budget|utili[sz]ation)\b|\bcharges?\b.*\bper\b|\bport (?:does|do|is)\b")
# "What's the price in accuracy?" asks what is given up, not for a figure.
FIGURATIVE = re.compile(r"(?i)\b(?:price|cost|fee)s? (?:in|in terms of|of|for) (?!\d|dollars?\b|euros?\b|usd\b|eur\b|money\b|an? |the |one\b|each\b)[a-z]+\W*$")
POINTS_BACK = re.compile(r"(?i)\b(?:it|its|that|they|their|them|those|this|these|he|she|his|her)\b")
LIVE = re.compile(r"(?i)\b(?:right now|at the moment|currently running|today'?s (?:price|weather|date)|as of (?:now|today)|our (?:production )?(?:cluster|team|company|database|servers?)\b.*\b(?:now|today|currently))\b")
PERSONAL = re.compile(r"(?i)\b(?:phone number|home address|e-?mail address|date of birth|password|social security|who wrote (?:these|the|my) notes)\b")
# Words that look like names but are the language of the field or of questions.
COMMON_NAMES = frozenset(["what", "which", "who", "why", "how", "when", "where", "is", "are", "do", "does", "can", "could", "should", "would", "will", "i", "my", "the", "a", "an", "in", "on", "of", "for", "explain", "compare", "describe", "tell", "give", "list", "name", "define", "if", "since", "because", "no", "yes", "and", "or", "but", "according", "hi", "hello", "please", "let"])


def preferred_source(pieces: Sequence[Piece]) -> Source:
    """The learner's own notes, unless the course matches much better or the notes hardly at all."""
    best: dict[Source, float] = {"notes": 0.0, "course": 0.0}
    for piece in pieces:
        best[piece.passage.source] = max(best[piece.passage.source], piece.similarity)
    margin = COURSE_MARGIN if best["notes"] >= NOTES_MATCH else 0.0
    return "notes" if best["notes"] and best["notes"] >= best["course"] - margin else "course"


def judge(question: str, query: str, pieces: Sequence[Piece], occurs: Callable[[str], bool]) -> Verdict:
    """Whether the pieces can answer. `occurs` tells if a word stands anywhere in the material."""
    if not pieces or LIVE.search(question) or PERSONAL.search(question):
        return "none"
    top = max(piece.similarity for piece in pieces)
    if top < WEAK:
        return "none"
    if top + _matched(pieces) < OFF_TOPIC:
        return "none"
    if _missing_kind(question, query, pieces):
        return "none"
    if _foreign_name(question, pieces, occurs) and top < NAMED_RESCUE:
        return "none"
    if top >= ENOUGH:
        return "enough"
    return "weak"


def _matched(pieces: Sequence[Piece]) -> float:
    """How well the question's telling words are met at all, each where it is met best, on average."""
    best: dict[str, float] = {}
    for piece in pieces:
        for word, match in piece.terms.items():
            best[word] = max(match, best.get(word, -1.0))
    telling = [match for word, match in best.items() if len(word) > 2 and content_stems(word)]
    return sum(telling) / len(telling) if telling else 1.0


def unknown_names(question: str, occurs: Callable[[str], bool]) -> list[str]:
    """Names in a question (capitalised inside it, or with digits) that the material never mentions."""
    words = re.findall(r"[A-Za-z][\w.+-]*", question)
    names = []
    for at, word in enumerate(words):
        bare = word.strip(".-+")
        inner = at > 0 and (bare[:1].isupper() or any(c.isupper() for c in bare[1:]) or any(c.isdigit() for c in bare))
        if len(bare) > 1 and inner and bare.lower() not in COMMON_NAMES and not occurs(bare):
            names.append(bare)
    return names


def _foreign_name(question: str, pieces: Sequence[Piece], occurs: Callable[[str], bool]) -> bool:
    if question.isupper():
        question = question.lower()
    told, asked = _scene(question)
    return bool(unknown_names(asked if told and not POINTS_BACK.search(asked) else question, occurs))


def _scene(question: str) -> tuple[str, str]:
    """What is told before the question itself, and the question: names in a scene needn't be in the notes."""
    sentences = re.split(r"(?<=[.!?])\s+", question.strip())
    return " ".join(sentences[:-1]), sentences[-1]


def _missing_kind(question: str, query: str, pieces: Sequence[Piece]) -> bool:
    """The question asks for a year, a person or a figure, and no sentence near its words holds one."""
    if ASKS_PERSON.search(question):
        return True
    pattern = YEAR if ASKS_YEAR.search(question) else DIGIT if ASKS_NUMBER.search(question) and not FIGURATIVE.search(question) else None
    if pattern is None:
        return False
    wanted = content_stems(query) - content_stems("how much many what which notes say year port price number according")
    need = max(1, round(0.6 * len(wanted)))
    for piece in pieces:
        heading = content_stems(" ".join(piece.passage.heading))
        for sentence in sentences_of(piece.passage):
            if pattern.search(sentence.plain) and len(wanted & (content_stems(sentence.plain) | heading)) >= need:
                return False
    return True
