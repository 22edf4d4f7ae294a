"""Threads: conversations of a learner."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.held import TutorHere
from api.views import thread_view, threads_view

router = APIRouter(prefix="/threads", tags=["threads"])


@router.get("")
def list_threads(tutor: TutorHere, learner: str = "local",
                 limit: Annotated[int, Query(ge=1, le=500)] = 20) -> dict[str, Any]:
    """A learner's threads, newest first."""
    return threads_view(tutor.parts.threads, learner, limit)


@router.get("/{thread}")
def show_thread(thread: str, tutor: TutorHere, learner: str | None = None) -> dict[str, Any]:
    """What was asked and answered. With `learner`, only if the thread is theirs."""
    return thread_view(tutor.parts.threads, thread, learner)
