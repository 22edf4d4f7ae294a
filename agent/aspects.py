"""Questions that name an aspect and no subject: "any downsides?", "alternatives?", "how much?". Knows words, no conversation."""

from __future__ import annotations

import re

from agent.sentences import content_stems, stem

_ASPECTS = """
    drawback benefit alternative limit limitation threshold tradeoff trade off cost price catch risk danger cause reason use case purpose
    goal point example instance step part type kind category variant version method technique technology technologies tool option solution
    remedy fix mitigation metric formula equation complexity problem challenge issue pitfall strength weakness difference requirement
    assumption default value number size consequence impact effect role responsibility detail exception prerequisite pattern practice
    advice rule owner layer level order unit input output result feature property characteristic caveat concern symptom side speak against
    hard harder difficult difficulty easy work help matter good bad better best worst typical usual common main important key major biggest
    need fail failure break avoid prevent solve handle detect measure test monitor scale choose pick prefer implement build happen cause
    much many long often big fast slow expensive cheap any other another else more also most ok too really exactly usually typically
    involved available there possible suitable suit appropriate useful recommended relevant one
"""
ASPECTS = frozenset(stem(word) for word in _ASPECTS.split()) | content_stems(_ASPECTS)
MOST_WORDS = 8


def bare_aspect(question: str) -> bool:
    """Whether a message asks for an aspect without saying of what.

    >>> bare_aspect("any downsides?"), bare_aspect("what is a watermark?")
    (True, False)
    """
    stems = content_stems(question)
    return bool(stems) and len(re.findall(r"\w+", question)) <= MOST_WORDS and stems <= ASPECTS


def own_stems(question: str) -> frozenset[str]:
    """What a question talks about beside aspects."""
    return content_stems(question) - ASPECTS
