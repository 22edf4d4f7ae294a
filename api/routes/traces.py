"""Traces: what a turn did and how long each part took."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.held import TutorHere
from api.views import trace_view, traces_view
from memory.traces import Traces

router = APIRouter(prefix="/traces", tags=["traces"])


@router.get("")
def list_traces(tutor: TutorHere, limit: Annotated[int, Query(ge=1, le=500)] = 20) -> dict[str, Any]:
    """The last traces, newest first."""
    return traces_view(Traces(tutor.parts.memory.db).recent(limit))


@router.get("/{trace}")
def show_trace(trace: str, tutor: TutorHere) -> dict[str, Any]:
    """All spans of one trace; a unique prefix of its id will do."""
    return trace_view(Traces(tutor.parts.memory.db).get(trace))
