"""Turns that outlive their listeners: each is read to its end in a task of its own; at the end of the process those who
still listen are told. Knows no HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any, TypeVar

from agent.errors import BadQuestion
from agent.events import Failed, Started, TurnEvent, TurnRequest
from agent.tutor import Tutor
from api.errors import ShuttingDown

log = logging.getLogger("tutor.http")
T = TypeVar("T")

STOPPING = "The server is stopping. Ask again when it has started again."
CUT_OFF = "The server is stopping. The turn goes on when it starts again; ask again then with the id {id} for its answer."
WORK_CUT_OFF = "The server is stopping. Look what came of this when it has started again."


class LiveTurn:
    """The events of one turn for one listener, who may leave at any time; the turn goes on."""

    def __init__(self, first: TurnEvent) -> None:
        self._events: asyncio.Queue[TurnEvent | None] = asyncio.Queue()
        self._heard = True
        self.id, self.trace = (first.id, first.trace) if isinstance(first, Started) else ("", "")
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

    def cut_off(self) -> None:
        """The process ends before the turn does: the listener is told so, and nothing after it."""
        self.deliver(Failed(code=ShuttingDown.code, message=CUT_OFF.format(id=self.id), trace=self.trace))
        self.deliver(None)
        self.leave()


class LiveTurns:
    """The turns that run here on behalf of clients, and other work that mustn't stop when a client leaves."""

    def __init__(self, tutor: Tutor) -> None:
        self._tutor = tutor
        self._tasks: set[asyncio.Task[Any]] = set()
        self.listening: set[LiveTurn] = set()
        self._ended = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None

    async def start(self, request: TurnRequest) -> LiveTurn:
        """Admits a turn and lets it run. Raises BadQuestion, ThreadBusy, UnknownThread, IdReused, ShuttingDown when it
        isn't admitted."""
        if self._ended.is_set():
            raise ShuttingDown(STOPPING)
        if not request.question.strip():
            raise BadQuestion("The question is empty. Say in a few words what you want to know.")
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
        """Runs work to its end even when whoever waits for it is cancelled. Raises ShuttingDown when the process ends
        before it."""
        task, ended = self._keep(work), asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if not task.done():
            raise ShuttingDown(WORK_CUT_OFF)
        return task.result()

    async def drain(self) -> None:
        """Waits until all has ended."""
        await self._tutor.drain()
        while self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def ending(self) -> bool:
        """The end of the process was asked for."""
        return self._ending is not None

    async def end(self, limit_s: float, beside: Iterable[asyncio.Task[Any]] = ()) -> None:
        """The process ends: waits up to `limit_s` seconds for what runs here and `beside`, then tells whoever still
        waits, and admits nothing more. What didn't end is resumed at the next start. A second call joins the first."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(limit_s, set(beside)))
        await self._ending

    async def _end(self, limit_s: float, beside: set[asyncio.Task[Any]]) -> None:
        _, left = await asyncio.wait({asyncio.create_task(self.drain()), *beside}, timeout=limit_s)
        self._ended.set()
        for live in list(self.listening):
            live.cut_off()
        if left:
            log.warning("Turns were still running %g s after the end was asked for; the next start goes on with them.", limit_s)

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
