"""What every request passes before a route sees it: trace id, Host header, size of its body; and what it is told when the
server ends before its route does. Knows no route."""

from __future__ import annotations

import asyncio
import ipaddress
import uuid
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ShuttingDown
from api.problems import problem

MAX_BODY_BYTES = 2_000_000
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
WILDCARDS = frozenset({"0.0.0.0", "::"})
WRONG_HOST = "This server doesn't answer under that host name. Use localhost or the address that it was bound to."
TOO_LARGE = f"The body is larger than {MAX_BODY_BYTES:,} bytes. Put long text into a file and ingest it."
CUT_OFF = "The server stopped before this was done. Look what came of it when the server has started again."


class Guard:
    """ASGI middleware. Hosts that aren't ours are refused, since a page elsewhere may have its own name resolve to
    this machine (DNS rebinding); when all interfaces are bound, addresses are let in too: that trick needs a name."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str], ending: Callable[[], bool] = lambda: False) -> None:
        self._app, self._ending = app, ending
        self._hosts = frozenset(host.strip("[]").lower() for host in hosts) | frozenset(LOCAL_HOSTS)
        self._any_address = bool(self._hosts & WILDCARDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = uuid.uuid4().hex
        scope.setdefault("state", {})["trace"] = trace
        headers = Headers(scope=scope)
        if not self._ours(headers.get("host", "")):
            await problem(400, "wrong_host", WRONG_HOST, trace)(scope, receive, send)
        elif _declared(headers) > MAX_BODY_BYTES:
            await problem(413, "too_large", TOO_LARGE, trace, {"Connection": "close"})(scope, receive, send)
        else:
            await self._answered(scope, receive, send, trace)

    async def _answered(self, scope: Scope, receive: Receive, send: Send, trace: str) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, _counted(receive), watched)
        except asyncio.CancelledError:
            if begun or not self._ending():
                raise
            await problem(503, ShuttingDown.code, CUT_OFF, trace)(scope, receive, send)

    def _ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or (self._any_address and _is_address(name))


def _declared(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _counted(receive: Receive) -> Receive:
    """The body as it comes, cut off where it gets too large: a chunked one doesn't say beforehand."""
    seen = 0

    async def counting() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY_BYTES:
            raise HTTPException(413, TOO_LARGE, {"Connection": "close"})
        return message

    return counting


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
