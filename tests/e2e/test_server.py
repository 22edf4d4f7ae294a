"""The server as a real process on a real port: it says when it is ready, survives clients that reset, and ends well.

Run as a program (`python -m tests.e2e.test_server HOME`) this file is the server under test: one whose model never
answers, over a home whose vectors need no embedding model.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from api.errors import PortBusy
from api.serve import HOST, listen, run, url_of

ROOT = Path(__file__).parents[2]
ASK = {"question": "What does the Airflow scheduler decide?"}
ENDS_S = 15.0


@contextmanager
def process(*command: str, stderr: IO[str] | None = None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its URL, once it has said it."""
    with subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True) as started:
        try:
            yield started, _announced(started.stdout)
        finally:
            started.kill()


def _announced(stdout: IO[str] | None) -> str:
    assert stdout is not None
    line = stdout.readline()
    found = re.search(r"http://\S+", line)
    assert found, f"instead of its URL the server said {line!r}"
    return found[0]


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server for a test that stops it."""
    with process("tests.e2e.test_server", str(tmp_path)) as found:
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """URL and home of a server that outlives a test."""
    home = tmp_path_factory.mktemp("home")
    with process("tests.e2e.test_server", str(home)) as (_, url):
        yield url, home


def first_event(response: httpx.Response) -> str:
    return next(line for line in response.iter_lines() if line.startswith("event:"))


def test_a_stop_with_an_open_stream_ends_well(hanging: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    server, url = hanging
    owner = json.loads((tmp_path / "owner.json").read_text())
    assert (owner["url"], owner["pid"]) == (url, server.pid) and len(owner["token"]) >= 32
    assert (tmp_path / "owner.json").stat().st_mode & 0o077 == 0
    with httpx.stream("POST", f"{url}/v1/tutor/ask?stream=true", json=ASK, trust_env=False) as response:
        assert first_event(response) == "event: started"
        server.send_signal(signal.SIGTERM)
        assert server.wait(ENDS_S) == 0
    assert not (tmp_path / "owner.json").exists()


def test_a_stop_tells_whoever_waits_for_an_answer_and_logs_a_line(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as log, process("tests.e2e.test_server", str(tmp_path / "home"), stderr=log) as (server, url):
        with ThreadPoolExecutor(1) as pool, httpx.Client(base_url=url, trust_env=False, timeout=ENDS_S) as client:
            asking = pool.submit(httpx.post, f"{url}/v1/tutor/ask", json={**ASK, "thread": "json"}, trust_env=False, timeout=ENDS_S)
            with client.stream("POST", "/v1/tutor/ask?stream=true", json=ASK) as stream:
                lines = stream.iter_lines()
                assert next(lines) == "event: started"
                while client.get("/healthz").json()["listeners"] < 2:
                    pass
                server.send_signal(signal.SIGTERM)
                assert [line for line in lines if line.startswith("event:")][-1] == "event: error"
            refused = asking.result(ENDS_S)
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
        assert refused.json()["code"] == "shutting_down" and int(refused.headers["retry-after"]) > 0
        assert server.wait(ENDS_S) == 0
        log.seek(0)
        assert len(log.read().splitlines()) == 1


def test_an_interrupt_of_an_idle_server_ends_well(hanging: tuple[subprocess.Popen[str], str]) -> None:
    server, url = hanging
    with httpx.Client(base_url=url, trust_env=False) as client:
        assert client.get("/healthz").json()["status"] == "ok"
        server.send_signal(signal.SIGINT)
        assert server.wait(ENDS_S) == 0


def test_the_token_that_the_home_keeps_is_the_one(shared: tuple[str, Path]) -> None:
    url, home = shared
    token = json.loads((home / "owner.json").read_text())["token"]
    with httpx.Client(base_url=url, trust_env=False) as client:
        body = {"paths": [str(home / "nowhere.md")]}
        assert client.post("/v1/tutor/documents", json=body).status_code == 401
        allowed = client.post("/v1/tutor/documents", json=body, headers={"Authorization": f"Bearer {token}"})
        assert allowed.json()["code"] == "unreadable_document"


def test_fifty_clients_that_reset_leave_their_turns_and_nothing_else(shared: tuple[str, Path]) -> None:
    url, _ = shared
    port = int(url.rpartition(":")[2])
    for number in range(50):
        _reset(port, {**ASK, "thread": f"t{number}"})
    with httpx.Client(base_url=url, trust_env=False) as client:
        threads = client.get("/v1/tutor/threads", params={"limit": 100}).json()["threads"]
        assert {row["id"] for row in threads} == {f"t{number}" for number in range(50)}
        # The server learns of a reset when it looks at the socket next, which is some requests later at most.
        left = (client.get("/healthz").json()["listeners"] for _ in range(1000))
        assert 0 in left
        busy = client.post("/v1/tutor/ask", json={**ASK, "thread": "t0"})
        assert busy.json()["code"] == "thread_busy"


def _reset(port: int, question: dict[str, str]) -> None:
    """Asks for a stream, reads a little of it and resets the connection."""
    body = json.dumps(question).encode()
    head = (f"POST /v1/tutor/ask HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    with socket.create_connection((HOST, port), timeout=ENDS_S) as client:
        client.sendall(head + body)
        assert client.recv(16).startswith(b"HTTP/1.1 200")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_large_body_is_refused_while_it_is_being_sent(shared: tuple[str, Path]) -> None:
    url, _ = shared
    with socket.create_connection((HOST, int(url.rpartition(":")[2])), timeout=ENDS_S) as client:
        client.sendall(b"POST /v1/tutor/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       b"Content-Length: 3000000\r\n\r\n")
        assert client.recv(16).startswith(b"HTTP/1.1 413")


def test_a_port_that_is_taken_is_told_so() -> None:
    with listen(HOST, 0) as taken:
        port = taken.getsockname()[1]
        assert url_of(taken, HOST) == f"http://127.0.0.1:{port}" and url_of(taken, "::") == f"http://[::1]:{port}"
        with pytest.raises(PortBusy, match=f"port {port}"):
            listen(HOST, port)
    for host, number in (("192.0.2.1", 0), (HOST, 70_000)):
        with pytest.raises(PortBusy, match="--port"):
            listen(host, number)


@pytest.mark.slow
@pytest.mark.model
def test_the_command_serves_and_ends_well_with_an_open_stream(tmp_path: Path) -> None:
    from memory.export import model_folder

    if find_spec("api.cli.serve") is None or not (model_folder() / "tokenizer.json").is_file():
        pytest.skip("the command or the embedding model isn't there")
    with ExitStack() as stack:
        # A provider that takes the connection and never says anything.
        silent = stack.enter_context(listen(HOST, 0))
        server, url = stack.enter_context(process(
            "api.cli.main", "serve", "--port", "0", "--home", str(tmp_path), "--model", "openai:none",
            "--base-url", f"http://{HOST}:{silent.getsockname()[1]}"))
        client = stack.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=60))
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.post("/v1/tutor/search", json={"query": "token bucket", "k": 3}).json()["hits"]
        response = stack.enter_context(client.stream("POST", "/v1/tutor/ask?stream=true", json=ASK))
        assert first_event(response) == "event: started"
        server.send_signal(signal.SIGTERM)
        assert server.wait(ENDS_S) == 0


def _serve(home: Path) -> None:
    from agent.runtime import open_tutor
    from agent.scripted import ScriptedModel
    from agent.settings import Settings
    from tools.registry import Registry

    class Silent(ScriptedModel):
        """Never answers."""

        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.Event().wait()

    with listen(HOST, 0) as listener, _memory(home) as memory, open_tutor(
            Settings(home=home), memory=memory, model=Silent(steps=[]), registry=Registry([])) as tutor:
        run(tutor, listener, HOST)


@contextmanager
def _memory(home: Path) -> Iterator[Any]:
    from memory.minilm import HashEmbedder
    from memory.open import open_memory

    memory = open_memory(home, course=False, embedder=HashEmbedder())
    try:
        yield memory
    finally:
        memory.close()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
