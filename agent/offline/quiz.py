"""Quiz questions out of passages, and how near an answer comes to the block it was made from. Knows no conversation."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from agent.evidence import Piece
from agent.offline.select import Unit, candidates
from agent.sentences import content_stems
from memory.ingest.markdown import lead, plain

LABELLED = re.compile(r"^(?:[*+-]|\d+[.)])?\s*(?:\*\*|__)(?P<label>[^*_]{3,60}?):?(?:\*\*|__):?\s*(?P<body>.+)", re.DOTALL)
MET, PARTIAL = 0.5, 0.2


@dataclass(frozen=True)
class QuizItem:
    """A question whose answer is the text of `unit`."""

    question: str
    unit: Unit


def make_quiz(pieces: Sequence[Piece], topic: str, avoid: Collection[str]) -> QuizItem | None:
    """A question about the best labelled block that wasn't asked before (`avoid` holds the questions asked)."""
    for unit in candidates(pieces, topic):
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


def _question(label: str, unit: Unit, topic: str) -> str:
    parents = [plain(name) for name in unit.source_block.context if len(name.split()) <= 8]
    about = next((name for name in reversed(parents) if name.lower() != label.lower() and lead(name) != label), topic)
    kind = label.lower()
    if kind in ("problem", "concept", "description", "importance", "mechanism", "how it works", "benefit", "trade-offs", "solution"):
        return f"What is the {kind} of {about}?" if kind not in ("how it works",) else f"How does {about} work?"
    return f"In the context of {about}: what can you say about \"{label}\"?"
