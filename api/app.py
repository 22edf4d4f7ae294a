"""The HTTP application over an open tutor: which routes there are, and what happens at its start and end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from agent.tutor import Tutor
from api.guard import Guard
from api.held import TEXT_ONLY, Held
from api.problems import Problem, install_problems
from api.routes import ask, documents, health, home, predictions, prompts, reviews, search, threads, tools, traces
from api.turns import LiveTurns

log = logging.getLogger("tutor.http")

PREFIX = "/v1/tutor"
NOUNS = (ask, documents, home, search, tools, reviews, predictions, prompts, threads, traces)
DRAIN_S = 2.0
PROBLEM: dict[str, Any] = {"model": Problem, "description": "What went wrong, as problem details (RFC 9457)."}


def create_app(tutor: Tutor, token: str | None = None, hosts: Iterable[str] = (), drain_s: float = DRAIN_S) -> FastAPI:
    """The app. With a `token`, whatever changes documents, reviews or prompts needs it; `hosts` are names it answers
    under beside this machine's own; at the end it waits up to `drain_s` seconds for turns that run."""
    held = Held(tutor, LiveTurns(tutor), token)
    app = FastAPI(title="Tutor", version="1", docs_url=None, redoc_url=None, lifespan=_lifespan, responses={"default": PROBLEM})
    app.state.held = held
    app.state.drain_s = drain_s
    app.add_middleware(Guard, hosts=tuple(hosts), ending=lambda: held.turns.ending)
    install_problems(app)
    app.include_router(health.router)
    for noun in NOUNS:
        app.include_router(noun.router, prefix=PREFIX, dependencies=[TEXT_ONLY], responses={422: PROBLEM})
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    held: Held = app.state.held
    held.recovery = asyncio.create_task(held.tutor.recover())
    held.recovery.add_done_callback(_report)
    # Recovery lists its turns before the first request comes, so that it never takes a new one for an old one.
    await asyncio.sleep(0)
    yield
    await held.end(app.state.drain_s)


def _report(recovery: asyncio.Task[int]) -> None:
    if not recovery.cancelled() and (error := recovery.exception()) is not None:
        log.error("Turns that an earlier process left couldn't be ended.", exc_info=error)
