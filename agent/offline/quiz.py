"""Quiz questions out of passages, and how near an answer comes to the block it was made from. Knows no conversation."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from agent.evidence import Piece
from agent.offline.compose import COUNTED
from agent.offline.select import Unit, candidates
from agent.sentences import content_stems, name_stems
from memory.ingest.markdown import lead, plain

LABELLED = re.compile(r"^(?:[*+-]|\d+[.)])?\s*(?:\*\*|__)(?P<label>[^*_]{3,60}?):?(?:\*\*|__):?\s*(?P<body>.+)", re.DOTALL)
MET, PARTIAL = 0.5, 0.2
FITS = 0.7
MIN_SAID, TRUE_SHARE = 3, 0.7
NAMED = 0.6
KINDS = tuple((re.compile(pattern, re.IGNORECASE), question) for pattern, question in (
    (r"concept|description|definition|what it is|(?:the )?core idea", "What is {}?"),
    (r"purpose|role", "What is {} for?"),
    (r"mechanism|how it works|how they work|method|key functionality", "How does {} work?"),
    (r"(?:core )?problem(?: solved)?", "Which problem is it about with {}?"),
    (r"pros?|advantages?|benefits?", "What speaks for {}?"),
    (r"cons?|disadvantages?|limitations?|trade-?offs?|drawbacks?", "What speaks against {}?"),
    (r"use cases?|when to use(?: it)?|best for", "When would you use {}?"),
    (r"solutions?|action|decision|strategy", "What would you do about {}?"),
    (r"detection|indicators?(?: of drift)?", "How would you notice it with {}?"),
    (r"(?:the )?hard part|challenges?|tricky (?:part|aspect)s?|consideration", "What is hard about {}?"),
    (r"importance|core because|why it's important|(?:why often )?overlooked(?: aspect)?|differentiator", "Why does {} matter?"),
    (r"technolog(?:y|ies)|think|tools?|implementation", "What would you build {} with?"),
))
"""What a label's block answers, the most telling kinds first; the place takes what the label stands under."""


@dataclass(frozen=True)
class QuizItem:
    """A question whose answer is the text of `unit`."""

    question: str
    unit: Unit


def make_quiz(pieces: Sequence[Piece], topic: str, avoid: Collection[str]) -> QuizItem | None:
    """A question about the best labelled block that wasn't asked before (`avoid` holds the questions asked)."""
    units = candidates(pieces, topic)
    # Of the blocks that fit the topic, those first that say what it is: their label makes a question a learner can answer.
    fit = [unit for unit in units if unit.value >= FITS * units[0].value]
    for unit in (*sorted(fit, key=lambda unit: (not _of(unit, topic), _rank(unit))), *units):
        found = LABELLED.match(unit.quote.strip())
        if not found or unit.quote.rstrip().endswith("?") or len(content_stems(found["body"])) < 5:
            continue
        question = _question(plain(found["label"]).strip(" :"), unit, topic)
        if question not in avoid:
            return QuizItem(question, unit)
    return None


def grade(answer: str, expected: str) -> tuple[float, list[str]]:
    """(share of the expected content words that the answer holds, the words that are missing, most telling first)."""
    wanted, given = content_stems(expected), content_stems(answer)
    if not wanted:
        return 0.0, []
    missing = [word for word in dict.fromkeys(re.findall(r"[A-Za-z][\w-]{3,}", expected))
               if content_stems(word) and not content_stems(word) <= given]
    # An answer in a learner's words needs not repeat all of a sentence: half of its content words is a full answer.
    return min(1.0, len(wanted & given) / (MET * len(wanted))), missing[:6]


def fits(answer: str, expected: str, asked: str) -> bool:
    """Whether a short answer is right as far as it goes: nearly all that it says beyond the question stands in the text."""
    said = content_stems(answer) - content_stems(asked)
    return len(said & content_stems(expected)) >= max(MIN_SAID, TRUE_SHARE * len(said))


def _question(label: str, unit: Unit, topic: str) -> str:
    parents = [COUNTED.sub("", plain(name)).strip(" :") for name in unit.source_block.context if len(name.split()) <= 8]
    about = next((name for name in reversed(parents) if name.lower() != label.lower() and lead(name) != label), topic)
    for pattern, question in KINDS:
        if pattern.fullmatch(label):
            return question.format(about)
    return f"In the context of {about}: what can you say about \"{label}\"?"


def _of(unit: Unit, topic: str) -> bool:
    """Whether the topic is what the block stands under."""
    wanted = content_stems(topic)
    names = [name_stems(name) for name in unit.source_block.context[-1:]]
    return any(name and len(name & wanted) >= NAMED * len(name) for name in names)


def _rank(unit: Unit) -> int:
    found = LABELLED.match(unit.quote.strip())
    label = plain(found["label"]).strip(" :") if found else ""
    return next((at for at, (pattern, _) in enumerate(KINDS) if pattern.fullmatch(label)), len(KINDS))
