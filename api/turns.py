"""Turns that outlive their listeners: each is read to its end in a task of its own. Knows no HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from agent.events import Started, TurnEvent, TurnRequest
from agent.tutor import Tutor

log = logging.getLogger("tutor.http")
T = TypeVar("T")


class LiveTurn:
    """The events of one turn for one listener, who may leave at any time; the turn goes on."""

    def __init__(self, first: TurnEvent) -> None:
        self._events: asyncio.Queue[TurnEvent | None] = asyncio.Queue()
        self._heard = True
        self.trace = first.trace if isinstance(first, Started) else ""
        self.deliver(first)

    def deliver(self, event: TurnEvent | None) -> None:
        """None says that there is no more."""
        if self._heard:
            self._events.put_nowait(event)

    async def next(self) -> TurnEvent | None:
        """The next event; None at the end."""
        return await self._events.get()

    def leave(self) -> None:
        """Nobody listens any more: what comes is dropped instead of kept."""
        self._heard = False


class LiveTurns:
    """The turns that run here on behalf of clients, and other work that mustn't stop when a client leaves."""

    def __init__(self, tutor: Tutor) -> None:
        self._tutor = tutor
        self._tasks: set[asyncio.Task[Any]] = set()
        self.listening: set[LiveTurn] = set()

    async def start(self, request: TurnRequest) -> LiveTurn:
        """Admits a turn and lets it run. Raises BadQuestion, ThreadBusy, UnknownThread when it isn't admitted."""
        events = self._tutor.turn(request)
        live = LiveTurn(await anext(events))
        self.listening.add(live)
        # A generator that is dropped after its first event would leave its turn admitted and not running, so a task
        # owns it.
        self._keep(_read(events, live)).add_done_callback(lambda task: _report(task, live.trace))
        return live

    def leave(self, live: LiveTurn) -> None:
        """The listener is gone."""
        live.leave()
        self.listening.discard(live)

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs work to its end even when whoever waits for it is cancelled."""
        return await asyncio.shield(self._keep(work))

    async def drain(self) -> None:
        """Waits until all has ended."""
        await self._tutor.drain()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _read(events: AsyncIterator[TurnEvent], live: LiveTurn) -> None:
    try:
        async for event in events:
            live.deliver(event)
    finally:
        live.deliver(None)


def _report(task: asyncio.Task[None], trace: str) -> None:
    """The learner was told a code and the trace; the traceback is for the operator."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("The turn of trace %s broke.", trace, exc_info=error)
