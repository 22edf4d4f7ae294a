"""Searching: passages that match a query."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from api.held import TutorHere
from api.problems import Body
from api.views import DEFAULT_K, MAX_K, search_view

router = APIRouter(tags=["search"])


class Query(Body):
    """`source` left out means the learner's notes, and the course only while there are none."""

    query: str
    k: int = Field(DEFAULT_K, ge=1, le=MAX_K)
    source: Literal["notes", "course"] | None = None


@router.post("/search")
def search(query: Query, tutor: TutorHere) -> dict[str, Any]:
    """The best passages, best first."""
    return search_view(tutor, query.query, query.k, query.source)
