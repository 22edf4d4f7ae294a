"""Reviews: drafts that wait for a person, and what the person decides."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import fastapi
from fastapi import APIRouter

from agent.events import Answer
from api.held import OWNER_ONLY, HeldHere, TutorHere
from api.interrupts import Body, interrupt_of, verdict_of
from api.views import review_with_answer, reviews_view

router = APIRouter(prefix="/reviews", tags=["reviews"])


@router.get("")
def list_reviews(tutor: TutorHere, status: Literal["pending", "deciding", "done", "all"] = "pending") -> dict[str, Any]:
    """The queue, oldest first."""
    return reviews_view(tutor.reviews.listing(None if status == "all" else status))


@router.get("/{review}")
def show_review(review: str, tutor: TutorHere) -> dict[str, Any]:
    """One draft, with the answer that its approval would give, and the request in both wire schemas of human review."""
    found = tutor.reviews.get(review)
    return {**review_with_answer(found, tutor.preview(review)), **interrupt_of(found)}


@router.post("/{review}", dependencies=[OWNER_ONLY])
async def decide(review: str, body: Annotated[Body, fastapi.Body()], held: HeldHere) -> Answer:
    """Decides once; the turn that waited goes on and this is its answer. The body is `{"decision": …}`, LangChain's
    `{"decisions": […]}`, or agent-inbox's list of `{"type", "args"}`."""
    verdict = verdict_of(body)
    if held.recovery is not None:
        # Recovery carries out what was decided before a crash; a decision made meanwhile would be carried out twice.
        await held.turns.finish(asyncio.wait({held.recovery}))
    return await held.turns.finish(held.tutor.decide(review, verdict.decision, verdict.text, verdict.by))
