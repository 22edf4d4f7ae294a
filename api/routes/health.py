"""Health: whether the process lives, and whether it can answer."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from api.errors import NotReady
from api.held import HeldHere
from memory.base import MemoryFault

router = APIRouter(tags=["health"])

PROBE = "is the index there"
PROBE_S = 5.0


@router.get("/healthz")
async def healthz(held: HeldHere) -> dict[str, str | int]:
    """The process lives; `listeners` are the clients that wait for a turn now."""
    return {"status": "ok", "listeners": len(held.turns.listening)}


@router.get("/readyz")
async def readyz(held: HeldHere) -> dict[str, str]:
    """Recovery is done and the index answers a query; otherwise 503 with the reason."""
    recovery = held.recovery
    if recovery is None or not recovery.done():
        raise NotReady("Turns that an earlier process left are still being ended; try again in a moment.")
    if recovery.cancelled() or recovery.exception() is not None:
        raise NotReady("Turns that an earlier process left couldn't be ended; the log says why.")
    index = held.tutor.parts.memory.index
    try:
        await asyncio.wait_for(asyncio.to_thread(index.search, PROBE, 1), PROBE_S)
    except TimeoutError:
        raise NotReady(f"The index didn't answer within {PROBE_S:g} s.") from None
    except MemoryFault as fault:
        raise NotReady(f"The index doesn't answer: {fault}") from fault
    return {"status": "ready"}
