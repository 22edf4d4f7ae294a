"""Runs the HTTP application on a port until somebody stops it; knows sockets and signals, no route."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from api.errors import PortBusy

if TYPE_CHECKING:
    import uvicorn

    from agent.settings import Settings
    from agent.tutor import Tutor

HOST, PORT = "127.0.0.1", 8377
# Turns have the first seconds to end; then their listeners are told, which takes a moment more.
GRACE_S, TELL_S = 2, 3


def serve(settings: Settings, host: str = HOST, port: int = PORT) -> None:
    """Opens the home and serves it until SIGTERM or SIGINT; port 0 takes any free one. Prints one line with the URL
    when it is ready. Raises PortBusy, HomeBusy, UnknownModel."""
    from agent.runtime import open_tutor

    # The port first: it fails at once, while opening a home takes a while.
    with listen(host, port) as listener, open_tutor(settings) as tutor:
        run(tutor, listener, host)


def run(tutor: Tutor, listener: socket.socket, host: str) -> None:
    """Serves an open tutor on a socket. Running turns and streams get a few seconds at the end; returns normally."""
    import uvicorn

    from api.app import create_app

    url, token = url_of(listener, host), secrets.token_urlsafe(32)

    class Announcing(uvicorn.Server):
        """Says that it is ready when it is."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            tutor.parts.memory.announce(url, token)
            print(f"Serving {tutor.parts.model_name} on {url}", flush=True)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            # uvicorn waits for its connections first, and those wait for their turns.
            ending = asyncio.create_task(app.state.held.end(GRACE_S))
            await super().shutdown(sockets)
            await ending

    app = create_app(tutor, token, [host])
    config = uvicorn.Config(app, http="h11", ws="none", loop="asyncio", lifespan="on",
                            log_level="warning", access_log=False, server_header=False, proxy_headers=False,
                            timeout_graceful_shutdown=GRACE_S + TELL_S)
    server = Announcing(config)
    with _stopped_by_signals(server):
        server.run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortBusy when the address is taken, forbidden or not this machine's."""
    try:
        # The resolver takes a larger number modulo 65,536.
        if not 0 <= port <= 65_535:
            raise OverflowError("ports go from 0 to 65535")
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise PortBusy(f"Can't listen on {host} port {port} ({why}). Stop what uses it, or name another with --port "
                       "(0 takes any free one).") from error


def url_of(listener: socket.socket, host: str) -> str:
    """How this machine reaches a listening socket, also one that listens on all interfaces."""
    port = listener.getsockname()[1]
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


@contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """uvicorn raises the signal that stopped it again when it is done, which would end the process as killed; here that
    signal finds nothing left to stop, and the process ends as done."""

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
