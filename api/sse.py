"""Server-sent events (WHATWG HTML, section 9.2) of one turn; knows frames and listeners that leave, not what runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agent.events import TurnEvent
from api.turns import LiveTurn, LiveTurns

BEAT_S = 15.0
BEAT = b": still working\n\n"


class TurnStream(Response):
    """Streams a turn until it ends or the client leaves; then the listener is taken off at once, whatever was being
    sent. The turn isn't stopped."""

    media_type = "text/event-stream"

    def __init__(self, turns: LiveTurns, live: LiveTurn) -> None:
        self.status_code, self.background = 200, None
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._turns, self._live = turns, live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_gone, receive, group.cancel_scope)
                await self._send(send)
                group.cancel_scope.cancel()
        finally:
            self._turns.leave(self._live)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(frames(self._live)) as stream:
            async for frame in stream:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def frames(live: LiveTurn, beat_s: float = BEAT_S) -> AsyncGenerator[bytes, None]:
    """A frame an event, numbered from 1; a comment after `beat_s` seconds of silence, so that nothing on the way closes
    the connection."""
    number = 0
    while True:
        try:
            async with asyncio.timeout(beat_s):
                event = await live.next()
        except TimeoutError:
            yield BEAT
            continue
        if event is None:
            return
        number += 1
        yield frame_of(event, number)


def frame_of(event: TurnEvent, number: int) -> bytes:
    """`event`, `id` and `data` lines; JSON escapes line ends, so the data is one line."""
    return f"event: {event.type}\nid: {number}\ndata: {event.model_dump_json()}\n\n".encode()


async def _gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
