"""Teaching moves: a quiz question and its grade, the interviewer. Knows passages, not how they were found."""

from __future__ import annotations

from collections.abc import Sequence

from agent.evidence import Piece, Shelf
from agent.offline import phrases
from agent.offline.compose import body
from agent.offline.conversation import Conversation
from agent.offline.draft import Draft
from agent.offline.judge import preferred_source
from agent.offline.ladder import pending_unit, revealed
from agent.offline.opposites import opposed
from agent.offline.quiz import MET, fits, grade, make_quiz
from agent.offline.understand import Understanding


def quiz_draft(look: Understanding, talk: Conversation, found: Sequence[Piece]) -> Draft:
    """A question out of the best labelled block that wasn't asked about yet."""
    asked = [str(past.pending.get("question")) for past in talk.history if past.pending.get("kind") == "quiz"]
    topic = look.topic or (talk.history[-1].topic if talk.history else "")
    item = make_quiz([p for p in found if p.passage.source == preferred_source(found)], topic, asked)
    if item is None:
        return Draft(phrases.NO_QUIZ, "clarify")
    pending = {"kind": "quiz", "question": item.question, "passage": item.unit.piece.passage.id,
               "start": item.unit.start, "end": item.unit.end, "hints": -1}
    return Draft(item.question, "answered", None, {"topic": topic, "query": look.query, "pending": pending}, own_voice=True)


def graded_draft(look: Understanding, talk: Conversation, shelf: Shelf) -> Draft:
    """How near the learner's answer came, and what the passage says."""
    unit = pending_unit(talk.history[-1].pending, talk, shelf)
    if unit is None:
        return Draft(phrases.QUIZ_GONE, "clarify")
    share, missing = grade(look.question, unit.plain)
    asked = str(talk.history[-1].pending.get("question", ""))
    against = opposed(look.question, unit.plain, asked)
    partly = share >= MET or fits(look.question, unit.plain, asked)
    verdict = phrases.OPPOSED if against else "Right." if share >= 1.0 else "Partly right." if partly else "Not quite yet."
    gaps = f" Missing from your answer: {', '.join(missing[:4])}." if missing and share < 1.0 and not against else ""
    topic = talk.history[-1].topic
    return Draft(f"{verdict}{gaps}\n\nThe passage says:\n\n- {body(unit)} [{unit.piece.n}]", "answered",
                 "Shall I ask another question?", {"topic": topic, "query": topic, "shown": unit.piece.passage.id})


def told_draft(talk: Conversation, shelf: Shelf) -> Draft:
    """The answer to a quiz question that the learner gave up."""
    last = talk.history[-1]
    unit = pending_unit(last.pending, talk, shelf)
    if unit is None:
        return Draft(phrases.QUIZ_GONE, "clarify")
    return revealed(unit, "Here it is:", {"topic": last.topic, "query": last.topic}, "Shall I ask another question?")


def interview_draft(look: Understanding, talk: Conversation) -> Draft:
    """An interviewer's next question; the design is the learner's to make."""
    topic = look.topic or "an ML platform"
    rounds = sum(past.pending.get("kind") == "interview" for past in talk.history)
    ask = phrases.INTERVIEW[min(rounds, len(phrases.INTERVIEW) - 1)]
    opening = "Noted. " if rounds else f"Let's say you have to design this: {topic}. "
    return Draft(opening + ask, "answered", None,
                 {"topic": topic, "query": look.query, "pending": {"kind": "interview", "round": rounds + 1}}, own_voice=True)
