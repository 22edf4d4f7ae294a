"""A learner's claim held against the passages: borne out, contradicted, or neither. Knows sentences, not how they were found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from agent.evidence import Piece
from agent.offline import phrases
from agent.offline.opposites import opposed
from agent.sentences import NEGATION, content_stems, negated, sentences_of

Holding = Literal["holds", "fails", "open"]

NEARLY = 0.8
ABOUT = 0.6
MOST_PIECES = 5
INSTEAD = re.compile(r"(?i)\b(?:instead of|rather than|unlike|as opposed to|in contrast to|not just)\b(?P<what>[^.;]{0,60})")


def held_against(claim: str, topic: str, pieces: Sequence[Piece]) -> Holding:
    """Whether sentences about the topic hold all that the claim says, with the same polarity; "fails" when one holds it with
    the opposite. Sentences for both sides, or a claim of a single word that many sentences share, leave it open."""
    said = content_stems(NEGATION.sub(" ", claim)) - content_stems(topic)
    about = content_stems(topic)
    if not said:
        return "open"
    backed = denied = False
    for piece in sorted(pieces, key=lambda p: -p.score)[:MOST_PIECES]:
        for sentence in sentences_of(piece.passage):
            held = content_stems(sentence.plain)
            names = content_stems(" ".join(piece.passage.blocks[sentence.block].context[1:][-2:]))
            if len(said & held) < NEARLY * len(said) or len(about & (held | names)) < ABOUT * len(about):
                continue
            replaced = any(content_stems(found["what"]) & said for found in INSTEAD.finditer(sentence.plain))
            if replaced or negated(sentence.plain) != negated(claim) or opposed(claim, sentence.plain, topic):
                denied = True
            else:
                backed = True
    return "open" if backed == denied else "holds" if backed else "fails"


def opening(claim: str, topic: str, pieces: Sequence[Piece], known_error: bool) -> str:
    """What is said before the passages. A known error speaks for itself in its correction."""
    if not claim or known_error:
        return phrases.CHECKED
    return {"holds": phrases.BORNE_OUT, "fails": phrases.NOT_BORNE_OUT, "open": phrases.CHECKED}[held_against(claim, topic, pieces)]
