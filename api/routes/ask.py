"""Asking: one turn, as JSON or as a stream of its events."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from agent.events import Answer, Done, Failed, TurnRequest
from api.errors import TurnFailed
from api.held import HeldHere
from api.sse import TurnStream
from api.turns import LiveTurn

router = APIRouter(tags=["ask"])

STREAMED: dict[int | str, dict[str, Any]] = {200: {
    "description": "The answer; with `Accept: text/event-stream` or `?stream=true` the events of the turn, each with "
                   "`event`, `id` (from 1) and `data` (JSON), the last of them `done` or `error`.",
    "content": {"text/event-stream": {"schema": {"type": "string"}}}}}
NO_END = "The turn ended without an answer; the operator finds it under its trace."


@router.post("/ask", response_model=Answer, responses=STREAMED)
async def ask(turn: TurnRequest, request: Request, held: HeldHere, stream: bool | None = None) -> Response | Answer:
    """The turn goes on when the client leaves; the same request with the same `id` again waits for its end and gives what came
    of it. An `id` that stands for another request is refused with 409 (`id_reused`)."""
    live = await held.turns.start(turn)
    if stream or (stream is None and "text/event-stream" in request.headers.get("accept", "")):
        return TurnStream(held.turns, live)
    try:
        return await _answer(live)
    finally:
        held.turns.leave(live)


async def _answer(live: LiveTurn) -> Answer:
    """Reads to the end, so that the turn's trace can be looked at once its answer is there. Raises TurnFailed."""
    last = None
    while (event := await live.next()) is not None:
        last = event
    if isinstance(last, Done):
        return last.answer
    if isinstance(last, Failed):
        raise TurnFailed(last)
    raise TurnFailed(Failed(code="turn_failed", message=NO_END, trace=live.trace))
