"""Reviews: drafts that wait for a person, and what the person decides."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, model_validator

from agent.events import Answer
from api.held import OWNER_ONLY, HeldHere, TutorHere
from api.views import review_view, reviews_view
from memory.reviews import Decision

router = APIRouter(prefix="/reviews", tags=["reviews"])


class Verdict(BaseModel):
    """`text` replaces the draft (edit) or is told instead of it (reject)."""

    decision: Decision
    text: str | None = None
    by: str = "reviewer"

    @model_validator(mode="after")
    def _edit_has_text(self) -> Self:
        if self.decision == "edit" and not (self.text or "").strip():
            raise ValueError("an edit needs the new text")
        return self


@router.get("")
def list_reviews(tutor: TutorHere, status: Literal["pending", "deciding", "done", "all"] = "pending") -> dict[str, Any]:
    """The queue, oldest first."""
    return reviews_view(tutor.reviews.listing(None if status == "all" else status))


@router.get("/{review}")
def show_review(review: str, tutor: TutorHere) -> dict[str, Any]:
    """One draft."""
    return review_view(tutor.reviews.get(review))


@router.post("/{review}", dependencies=[OWNER_ONLY])
async def decide(review: str, verdict: Verdict, held: HeldHere) -> Answer:
    """Decides once; the turn that waited goes on and this is its answer."""
    if held.recovery is not None:
        # Recovery carries out what was decided before a crash; a decision made meanwhile would be carried out twice.
        await held.turns.finish(asyncio.wait({held.recovery}))
    return await held.turns.finish(held.tutor.decide(review, verdict.decision, verdict.text, verdict.by))
