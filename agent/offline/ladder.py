"""The hint ladder: a guiding question, where to look, the sentence with gaps, the whole; and how an attempt is taken.

Knows one unit that carries the answer, not how it was found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.evidence import Piece, Shelf
from agent.offline import phrases
from agent.offline.compose import body
from agent.offline.conversation import Conversation, found_pieces
from agent.offline.draft import Draft
from agent.offline.judge import preferred_source
from agent.offline.opposites import opposed
from agent.offline.quiz import grade
from agent.offline.select import Unit, candidates, parents, whole_block
from agent.offline.understand import Understanding
from agent.sentences import content_stems, negated, sentences_of
from memory.errata import Errata
from memory.ingest.markdown import plain

LADDERS = ("quiz", "ladder")
NEAR, MIN_HITS, SOME, RIVALS = 0.75, 2, 0.2, 8
SHOWN_WORDS = 30
CLOSE, ASKED, LETTERS = 0.75, 0.5, 0.75
FURNITURE = re.compile(r"(?i)\b(?:asked|replied|said|wrote):?$")
"""Headings of a copied chat."""
HEDGES = content_stems("maybe perhaps probably guess think like something hmm well sure yes no ok could might just kind thing really")


@dataclass(frozen=True)
class Attempt:
    """How a learner's attempt compares: the words that were right, the unit they come from, and whether they suffice."""

    hits: tuple[str, ...]
    unit: Unit
    right: bool


def hint_draft(look: Understanding, talk: Conversation, found: Sequence[Piece], shelf: Shelf, errata: Errata, suffices: bool) -> Draft:
    """One rung a turn; an attempt is judged first, and ends the ladder when it is right."""
    last = talk.history[-1] if talk.history else None
    pending: Mapping[str, Any] = last.pending if last is not None and last.pending.get("kind") in LADDERS else {}
    going_on = bool(pending) and look.intent in ("hint", "attempt", "continue")
    if last is not None and going_on:
        rung, query, topic = int(pending.get("hints", 0)) + 1, str(pending.get("query") or last.query or last.topic), last.topic
        unit = pending_unit(pending, talk, shelf)
    else:
        rung, query, topic = 0, look.query, look.topic
        best = candidates([p for p in found if p.passage.source == preferred_source(found)], query)
        unit = _asked_for([u for u in best if _fit(u, errata)], query) if suffices else None
    if unit is None:
        return Draft(phrases.NOTHING, "abstained")
    context: dict[str, Any] = {"topic": topic or query, "query": query}
    said = ""
    if going_on and look.intent == "attempt":
        attempt = judged(look.question, query, unit, _rivals(unit, found, query))
        if attempt.right:
            return revealed(attempt.unit, _praise(look.question, attempt.unit), context, "Shall we go one step further?")
        said = f"That's part of it: {', '.join(attempt.hits[:4])}. " if attempt.hits else "Not yet. "
    if rung >= len(_RUNGS):
        return revealed(unit, "Here it is:", context, "Can you say it in your own words now?")
    context["pending"] = {**pending, "kind": pending.get("kind", "ladder"), "hints": rung, "query": query,
                          "passage": unit.piece.passage.id, "start": unit.start, "end": unit.end}
    first = rung == 0 and look.intent != "hint"
    return Draft(said + (_guiding(look, unit) if first else _RUNGS[rung](unit, query)), "answered", None, context, own_voice=True)


def _asked_for(units: Sequence[Unit], query: str) -> Unit | None:
    """Of the units nearly as good as the best, the one that speaks of most that was asked, itself or by its labels."""
    wanted = content_stems(query)
    near = [unit for unit in units if unit.value >= CLOSE * units[0].value]
    # A word that few of them hold tells more than the topic's own.
    common = Counter(stem for unit in near for stem in wanted & _speaks_of(unit))
    return max(near, key=lambda unit: unit.value + ASKED * sum(1 / common[stem] for stem in wanted & _speaks_of(unit)), default=None)


def _speaks_of(unit: Unit) -> frozenset[str]:
    return content_stems(" ".join([unit.plain, *unit.source_block.context[-2:]]))


def _fit(unit: Unit, errata: Errata) -> bool:
    """Whether a unit can be asked for: text that isn't wrong, and no drawing."""
    letters = sum(char.isalpha() or char.isspace() for char in unit.plain)
    return letters >= LETTERS * len(unit.plain) and not any(erratum.kind == "wrong" for erratum in errata.in_text(unit.quote))


def revealed(unit: Unit, opening: str, context: Mapping[str, Any], follow_up: str) -> Draft:
    """The bottom of the ladder: the unit word for word."""
    return Draft(f"{opening}\n\n- {body(unit)} [{unit.piece.n}]", "answered", follow_up, {**context, "shown": unit.piece.passage.id})


def judged(attempt: str, question: str, unit: Unit, others: Sequence[Unit] = ()) -> Attempt:
    """The attempt against the unit, the blocks beside it under the same label and others that speak of as much that was asked:
    its new words count, not the question's."""
    said = frozenset(stem for stem in content_stems(attempt) - content_stems(question) - HEDGES if len(stem) > 1)
    best = Attempt((), unit, False)
    for near in (unit, *_beside(unit), *others):
        held = content_stems(near.plain)
        hits = tuple(dict.fromkeys(word for word in re.findall(r"[\w-]+", attempt) if content_stems(word) & said & held))
        met = len(said & held)
        share, _ = grade(attempt, near.plain)
        right = share >= 1.0 or (met >= MIN_HITS and met >= NEAR * len(said))
        if right and (_against(attempt, near, said) or opposed(attempt, near.plain, question)):
            continue
        if (right, len(hits)) > (best.right, len(best.hits)) and met >= SOME * len(said):
            best = Attempt(hits, near, right)
    return best


def pending_unit(pending: Mapping[str, Any], talk: Conversation, shelf: Shelf) -> Unit | None:
    """The unit that a quiz or a ladder is about; it is evidence of this turn only if a search found it again."""
    passage = next(iter(shelf.passages([str(pending.get("passage"))]).values()), None)
    if passage is None:
        return None
    known = next((piece for piece in found_pieces(talk, shelf) if piece.passage.id == passage.id), None)
    piece = known or Piece(0, passage, 1.0, 1.0, tuple(1.0 for _ in passage.blocks), {}, "")
    start, end = int(pending["start"]), int(pending["end"])
    block = next((at for at, b in enumerate(passage.blocks) if b.start <= start < b.end), 0)
    return Unit(piece, block, start, end, plain(passage.text[start - passage.start : end - passage.start]), 1.0)


def _beside(unit: Unit) -> list[Unit]:
    """The other blocks under the same label, none of another kind of thing."""
    blocks, own = unit.piece.passage.blocks, unit.source_block
    if not parents(own):
        return []
    units = (whole_block(unit.piece, at) for at, block in enumerate(blocks) if at != unit.block and block.context == own.context)
    return [replace(each, plain=plain(each.plain)) for each in units]


def _rivals(unit: Unit, found: Sequence[Piece], query: str) -> list[Unit]:
    """Other units that could have been meant: they speak of all that was asked that the ladder's own does."""
    wanted = content_stems(query)
    asked = wanted & _speaks_of(unit)
    return [other for other in candidates(found, query)[:RIVALS] if len(wanted & _speaks_of(other)) >= len(asked) > 0]


def _against(attempt: str, unit: Unit, said: frozenset[str]) -> bool:
    """Whether the sentence that the attempt comes nearest to says the opposite."""
    inside = [s.plain for s in sentences_of(unit.piece.passage) if unit.start <= s.start and s.end <= unit.end]
    nearest = max(inside, key=lambda sentence: len(content_stems(sentence) & said), default="")
    return bool(nearest) and negated(nearest) != negated(attempt)


def _praise(attempt: str, unit: Unit) -> str:
    share, missing = grade(attempt, unit.plain)
    whole = share >= 1.0 or not missing
    opening = "Right." if whole else f"Right, that's the heart of it. What you could add: {', '.join(missing[:3])}."
    return f"{opening}\n\nThe passage says:"


def _guiding(look: Understanding, unit: Unit) -> str:
    ask = next((text for pattern, text in phrases.GUIDING if re.search(pattern, look.question, re.IGNORECASE)), phrases.GUIDING_ELSE)
    return f"{phrases.TOGETHER} {ask} (Your material treats it under \"{_place(unit, look.query)}\".)"


def _where(unit: Unit, query: str) -> str:
    return f"Hint: look at the part called \"{_place(unit, query)}\". What do you remember of it?"


def _outline(unit: Unit, query: str) -> str:
    """Only the question's own words and the small ones stand; every other telling word is a gap."""
    return f"Hint: the sentence is built like this: \"{_cloze(unit, content_stems(query), 1)}\". What goes into the gaps?"


def _gaps(unit: Unit, query: str) -> str:
    return f"Hint: which words fill the gaps? \"{_cloze(unit, content_stems(query), 2)}\""


_RUNGS = (_where, _outline, _gaps)


def _cloze(unit: Unit, kept: frozenset[str], every: int) -> str:
    """The first words, each `every`-th telling one left out. Words of the question and very short ones stay."""
    out, telling = [], 0
    for word in unit.plain.split()[:SHOWN_WORDS]:
        stems = content_stems(word)
        tells = len(word.strip("().,:;\"'")) > 2 and bool(stems - kept)
        telling += tells
        out.append("____" if tells and telling % every == 0 else word)
    return " ".join(out) + (" …" if len(unit.plain.split()) > SHOWN_WORDS else "")


def _place(unit: Unit, query: str) -> str:
    """The unit's headings down to the first that would give the answer away: one with words of the unit that the question lacks."""
    secret = content_stems(unit.plain) - content_stems(query)
    names: list[str] = []
    for name in dict.fromkeys(plain(name) for name in unit.source_block.heading):
        if names and content_stems(name) & secret:
            break
        if not FURNITURE.search(name.strip()):
            names.append(name.strip(" :"))
    return " > ".join(name for name in names if name) or unit.piece.passage.document
