"""The server that owns a home, as a backend: the same questions over HTTP on this machine. Knows no memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from api.cli.failures import CliError

if TYPE_CHECKING:
    import httpx

    from agent.events import TurnEvent, TurnRequest
    from agent.settings import Settings
    from api.backend import Json, Progress
    from memory.reviews import Decision

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
HEALTH_S = 2.0
# A server bounds its turns itself; reading many documents may take long.
ANSWER_S, INGEST_S = 300.0, 3600.0
BY_STATUS = {404: "not_found", 409: "thread_busy", 429: "budget_spent", 503: "home_busy", 504: "timeout", 507: "storage_full"}


def living_server(settings: Settings, stack: ExitStack) -> ServerBackend | None:
    """The server that the home names, if it answers; None when there is none."""
    found = _announced(settings.home)
    if found is None:
        return None
    import httpx

    url, token = found
    client = stack.enter_context(httpx.Client(base_url=url, headers=_headers(token), timeout=ANSWER_S, trust_env=False))
    try:
        if not client.get("/healthz", timeout=HEALTH_S).is_success:
            return None
    except httpx.HTTPError:
        return None
    return ServerBackend(client, url, token)


def _announced(home: Path) -> tuple[str, str] | None:
    """URL and token out of the home. The token is for this machine alone."""
    from memory.home import owner

    found = owner(home)
    if found is None:
        return None
    url, token = str(found.get("url", "")), str(found.get("token", ""))
    return (url, token) if urlsplit(url).hostname in LOOPBACK else None


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


class ServerBackend:
    """A Backend. Problems that the server reports become a CliError with the server's code."""

    def __init__(self, client: httpx.Client, url: str, token: str) -> None:
        self.server: str | None = url
        self.model = f"the server at {url}"
        self._client, self._url, self._token = client, url, token

    def ingest(self, paths: Sequence[Path], prune: bool, progress: Progress | None) -> Json:
        # The server has a working directory of its own.
        places = [str(path.absolute()) for path in paths]
        return self._send("POST", "documents", {"paths": places, "prune": prune}, timeout=INGEST_S)

    def documents(self) -> Json:
        return self._send("GET", "documents")

    def remove(self, document: str) -> Json:
        return self._send("DELETE", f"documents/{quote(document, safe='')}")

    def search(self, query: str, k: int) -> Json:
        return self._send("POST", "search", {"query": query, "k": k})

    def check(self) -> Json:
        return self._send("GET", "home")

    async def turn(self, request: TurnRequest) -> AsyncIterator[TurnEvent]:
        import httpx
        from pydantic import TypeAdapter

        from agent.events import TurnEvent as Event

        events: TypeAdapter[TurnEvent] = TypeAdapter(Event)
        headers = {**_headers(self._token), "Accept": "text/event-stream"}
        try:
            async with (httpx.AsyncClient(base_url=self._url, headers=headers, timeout=ANSWER_S, trust_env=False) as client,
                        client.stream("POST", "/v1/tutor/ask", json=request.model_dump(mode="json")) as response):
                if not response.is_success:
                    await response.aread()
                    raise _problem(response)
                async for line in response.aiter_lines():
                    if line.startswith("data:"):
                        yield events.validate_json(line[5:])
        except httpx.HTTPError as error:
            raise _gone(self._url, error) from error

    async def recover(self) -> str | None:
        return None

    async def drain(self) -> None:
        return None

    def threads(self, learner: str, limit: int = 20) -> Json:
        return self._send("GET", f"threads?learner={quote(learner, safe='')}&limit={limit}")

    def thread(self, thread: str, learner: str | None = None) -> Json:
        whose = f"?learner={quote(learner, safe='')}" if learner is not None else ""
        return self._send("GET", f"threads/{quote(thread, safe='')}{whose}")

    def reviews(self, status: str | None) -> Json:
        return self._send("GET", "reviews" + (f"?status={status}" if status else "?status=all"))

    def review(self, review_id: str) -> Json:
        return self._send("GET", f"reviews/{quote(review_id, safe='')}")

    def predicted(self, learner: str, tool: str, args: Json, compared: Json) -> None:
        self._send("POST", "predictions", {"learner": learner, "tool": tool, "args": args, **compared})

    async def decide(self, review_id: str, decision: Decision, text: str | None, by: str) -> Json:
        return self._send("POST", f"reviews/{quote(review_id, safe='')}", {"decision": decision, "text": text, "by": by})

    def traces(self, limit: int) -> Json:
        return self._send("GET", f"traces?limit={limit}")

    def trace(self, trace_id: str) -> Json:
        return self._send("GET", f"traces/{quote(trace_id, safe='')}")

    def _send(self, method: str, path: str, body: Json | None = None, timeout: float = ANSWER_S) -> Json:
        import httpx

        try:
            response = self._client.request(method, f"/v1/tutor/{path}", json=body, timeout=timeout)
        except httpx.HTTPError as error:
            raise _gone(self._url, error) from error
        if not response.is_success:
            raise _problem(response)
        found: Any = response.json() if response.content else {}
        return found if isinstance(found, dict) else {"items": found}


def _problem(response: httpx.Response) -> CliError:
    """The problem details (RFC 9457) of a refusal."""
    try:
        found = response.json()
    except ValueError:
        found = {}
    status = response.status_code
    code = found.get("code") or BY_STATUS.get(status, "bad_input" if status < 500 else "internal")
    return CliError(str(code), str(found.get("detail") or found.get("title") or f"The server answered {status}."))


def _gone(url: str, error: Exception) -> CliError:
    told = str(error) or type(error).__name__
    return CliError("server_gone", f"The server at {url} stopped answering ({told}). Ask again; what it had taken on isn't lost.")
