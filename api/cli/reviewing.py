"""Reviews from within the chat, which owns the home while it is open: what waits, one draft, a decision. Knows no conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.cli.failures import CliError, failure_of
from api.cli.output import Output
from api.cli.review import show_review, show_reviews, show_sent

if TYPE_CHECKING:
    from agent.events import Answer
    from api.backend import Backend
    from memory.reviews import Decision

HOW = "/approve {id} sends it, /edit {id} TEXT sends another text, /reject {id} REASON holds it back."
NEEDS_TEXT = "/edit takes the review's id and the text that is to be sent."


def waiting_for(backend: Backend, thread: str | None, question: str) -> str | None:
    """The review that waits for this question of this thread already."""
    pending = backend.reviews("pending")["reviews"] if thread is not None else []
    return next((each["id"] for each in pending if (each["thread"], each["question"]) == (thread, question)), None)


def look(out: Output, backend: Backend, review: str) -> None:
    """Lists what waits, or shows one draft as the learner would read it."""
    from memory.base import MemoryFault

    if not review:
        waiting = backend.reviews("pending")["reviews"]
        show_reviews(out, waiting)
        if waiting:
            out.note(f"/reviews ID shows a draft. {HOW.format(id='ID')}")
        return
    try:
        found = backend.review(review)
    except (MemoryFault, CliError) as error:
        out.note(_told(error, review))
        return
    show_review(out, found, HOW.format(id=found["id"]))


async def decide(out: Output, backend: Backend, decision: Decision, rest: str, by: str) -> Answer | None:
    """Carries out "ID" or "ID TEXT"; without an id the only draft that waits is meant. Gives the answer that was sent."""
    import asyncio

    from agent.events import Answer

    review, _, text = rest.partition(" ")
    pending: list[dict[str, Any]] = [] if review else backend.reviews("pending")["reviews"]
    if decision == "edit" and not text.strip():
        out.note(NEEDS_TEXT)
        return None
    if not review and len(pending) != 1:
        out.note(f"Say which: /{decision} ID. /reviews lists what waits." if pending else "Nothing waits.")
        return None
    review = review or pending[0]["id"]
    [told] = await asyncio.gather(backend.decide(review, decision, text.strip() or None, by), return_exceptions=True)
    if isinstance(told, BaseException):
        out.note(_told(told, review))
        return None
    show_sent(out, told)
    return Answer.model_validate(told)


def _told(error: BaseException, review: str) -> str:
    failure = failure_of(error)
    return f"There is no review {review}; /reviews lists what waits." if failure.code == "unknown_review" else f"error: {failure.message}"
