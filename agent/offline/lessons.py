"""Teaching moves: a quiz question and its grade, the hint ladder, the interviewer. Knows passages, not how they were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.evidence import Piece, Shelf, where
from agent.offline import phrases
from agent.offline.compose import body
from agent.offline.conversation import Conversation, found_pieces
from agent.offline.draft import Draft
from agent.offline.judge import preferred_source
from agent.offline.quiz import MET, grade, make_quiz
from agent.offline.select import Unit, candidates
from agent.offline.understand import Understanding
from agent.sentences import content_stems
from memory.errata import Errata
from memory.ingest.markdown import plain

ATTEMPT_STEMS = 2


def quiz_draft(look: Understanding, talk: Conversation, found: Sequence[Piece]) -> Draft:
    """A question out of the best labelled block that wasn't asked about yet."""
    asked = [str(past.pending.get("question")) for past in talk.history if past.pending.get("kind") == "quiz"]
    topic = look.topic or (talk.history[-1].topic if talk.history else "")
    item = make_quiz([p for p in found if p.passage.source == preferred_source(found)], topic, asked)
    if item is None:
        return Draft(phrases.NO_QUIZ, "clarify")
    pending = {"kind": "quiz", "question": item.question, "passage": item.unit.piece.passage.id,
               "start": item.unit.start, "end": item.unit.end, "hints": 0}
    return Draft(item.question, "answered", None, {"topic": topic, "query": look.query, "pending": pending}, own_voice=True)


def graded_draft(look: Understanding, talk: Conversation, shelf: Shelf) -> Draft:
    """How near the learner's answer came, and what the passage says."""
    unit = _pending_unit(talk.history[-1].pending, talk, shelf)
    if unit is None:
        return Draft(phrases.QUIZ_GONE, "clarify")
    share, missing = grade(look.question, unit.plain)
    verdict = "Right." if share >= 1.0 else "Partly right." if share >= MET else "Not quite yet."
    gaps = f" Missing from your answer: {', '.join(missing[:4])}." if missing and share < 1.0 else ""
    topic = talk.history[-1].topic
    return Draft(f"{verdict}{gaps}\n\nThe passage says:\n\n- {body(unit)} [{unit.piece.n}]", "answered",
                 "Shall I ask another question?", {"topic": topic, "query": topic, "shown": unit.piece.passage.id})


def hint_draft(look: Understanding, talk: Conversation, found: Sequence[Piece], shelf: Shelf, errata: Errata, suffices: bool) -> Draft:
    """The ladder, one rung a turn: where to look, how it begins, the sentence with gaps, then the whole."""
    last = talk.history[-1] if talk.history else None
    pending = last.pending if last else {}
    # What isn't a question of its own is taken for an attempt.
    attempt = not talk.question.endswith("?") or len(content_stems(talk.question)) <= ATTEMPT_STEMS
    continuing = last is not None and pending.get("kind") in ("quiz", "ladder") and (look.intent == "hint" or attempt)
    if continuing and last is not None:
        rung, query, topic = int(pending.get("hints", 0)) + 1, str(pending.get("query") or last.query or last.topic), last.topic
        unit = _pending_unit(pending, talk, shelf)
    else:
        rung, query, topic = 1, look.query, look.topic
        best = candidates([p for p in found if p.passage.source == preferred_source(found)], query)
        unit = next((u for u in best if not errata.in_text(u.quote)), None) if suffices else None
    if unit is None:
        return Draft(phrases.NOTHING, "abstained")
    context: dict[str, Any] = {"topic": topic or query, "query": query}
    share, missing = grade(look.question, unit.plain) if continuing and look.intent != "hint" else (0.0, [])
    if share >= MET:
        verdict = "Right." if share >= 1.0 or not missing else f"That's the heart of it. What you could add: {', '.join(missing[:3])}."
        return Draft(f"{verdict}\n\nThe passage says:\n\n- {body(unit)} [{unit.piece.n}]", "answered", "Shall we go one step further?",
                     {**context, "shown": unit.piece.passage.id})
    if rung > len(_RUNGS):
        return Draft(f"Here it is:\n\n- {body(unit)} [{unit.piece.n}]", "answered", "Can you say it in your own words now?",
                     {**context, "shown": unit.piece.passage.id})
    context["pending"] = {**pending, "kind": pending.get("kind", "ladder") if continuing else "ladder", "hints": rung, "query": query,
                          "passage": unit.piece.passage.id, "start": unit.start, "end": unit.end}
    return Draft(_RUNGS[rung - 1](unit), "answered", None, context, own_voice=True)


def interview_draft(look: Understanding, talk: Conversation) -> Draft:
    """An interviewer's next question; the design is the learner's to make."""
    topic = look.topic or "an ML platform"
    rounds = sum(past.pending.get("kind") == "interview" for past in talk.history)
    ask = phrases.INTERVIEW[min(rounds, len(phrases.INTERVIEW) - 1)]
    opening = "Noted. " if rounds else f"Let's say you have to design this: {topic}. "
    return Draft(opening + ask, "answered", None,
                 {"topic": topic, "query": look.query, "pending": {"kind": "interview", "round": rounds + 1}}, own_voice=True)


def _where(unit: Unit) -> str:
    place = " > ".join(name for name in unit.source_block.context if plain(name)) or where(unit.piece.passage)
    return f"Hint: look at the part called \"{place}\". What do you remember of it?"


def _beginning(unit: Unit) -> str:
    words = unit.plain.split()
    return f"Hint: it is about {len(words)} words there, and it begins \"{' '.join(words[:3])} …\". How would you go on?"


def _gaps(unit: Unit) -> str:
    """From the fourth word on, every other telling word is left out."""
    out, telling = [], 0
    for at, word in enumerate(unit.plain.split()):
        tells = at >= 3 and len(word) > 3 and bool(content_stems(word))
        telling += tells
        out.append("____" if tells and telling % 2 else word)
    return f"Hint: fill in the gaps: \"{' '.join(out)}\""


_RUNGS = (_where, _beginning, _gaps)


def _pending_unit(pending: Mapping[str, Any], talk: Conversation, shelf: Shelf) -> Unit | None:
    """The unit that a quiz or a ladder is about; it is evidence of this turn only if a search found it again."""
    passage = next(iter(shelf.passages([str(pending.get("passage"))]).values()), None)
    if passage is None:
        return None
    known = next((piece for piece in found_pieces(talk, shelf) if piece.passage.id == passage.id), None)
    piece = known or Piece(0, passage, 1.0, 1.0, tuple(1.0 for _ in passage.blocks), {}, "")
    start, end = int(pending["start"]), int(pending["end"])
    block = next((at for at, b in enumerate(passage.blocks) if b.start <= start < b.end), 0)
    return Unit(piece, block, start, end, plain(passage.text[start - passage.start : end - passage.start]), 1.0)
