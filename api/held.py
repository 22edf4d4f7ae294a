"""What a route may ask for: the open tutor, its live turns, the owner's permission. Knows where the app keeps them."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from agent.tutor import Tutor
from api.turns import LiveTurns

NEEDS_TOKEN = ("This changes what is kept, so it needs the header Authorization: Bearer <token>; the token is in "
               "owner.json in the home.")


@dataclass
class Held:
    """Kept by one app. `recovery` ends the turns that an earlier process left; `writing` lets one request at a time
    change documents, since two ingests of the same files would undo each other."""

    tutor: Tutor
    turns: LiveTurns
    token: str | None = None
    recovery: asyncio.Task[Any] | None = None
    writing: threading.Lock = field(default_factory=threading.Lock)

    async def end(self, limit_s: float) -> None:
        """Waits for recovery and running turns, but not for ever; then tells whoever still listens."""
        await self.turns.end(limit_s, [self.recovery] if self.recovery else [])


def held_of(request: Request) -> Held:
    held = request.app.state.held
    assert isinstance(held, Held)
    return held


def tutor_of(request: Request) -> Tutor:
    return held_of(request).tutor


# Names the scheme in /openapi.json; what it refuses is told below, like every refusal.
BEARER = HTTPBearer(scheme_name="owner", auto_error=False, description="The token of owner.json, a file in the home that only its "
                    "owner reads and that a server writes anew at each start.")


def owner_only(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]) -> None:
    """Lets in whoever has the token, which the home keeps where only its owner reads it. Without a token, anybody."""
    token = held_of(request).token
    if token is None or (given is not None and secrets.compare_digest(given.credentials.strip().encode(), token.encode())):
        return
    raise HTTPException(401, NEEDS_TOKEN, {"WWW-Authenticate": "Bearer"})


async def text_only(request: Request) -> None:
    """Refuses half a surrogate pair, which JSON can escape and nothing that keeps text can store."""
    if b"\\ud" not in (await request.body()).lower():
        return
    try:
        json.dumps(await request.json(), ensure_ascii=False).encode()
    except ValueError:
        raise HTTPException(422, "The body holds half of a surrogate pair, which is no text.") from None


HeldHere = Annotated[Held, Depends(held_of)]
TutorHere = Annotated[Tutor, Depends(tutor_of)]
OWNER_ONLY, TEXT_ONLY = Depends(owner_only), Depends(text_only)
