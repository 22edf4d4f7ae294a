"""A scripted server that speaks the OpenAI chat-completions wire on loopback: knows the wire's shapes, and no model."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import responses
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

MAX_BODY_BYTES = 8_000_000
MAX_CONNECTIONS = 256
HANG_S = 120.0


@dataclass(frozen=True)
class Say:
    """Text."""
    text: str


@dataclass(frozen=True)
class Call:
    """A tool call."""
    name: str
    args: Mapping[str, Any]


@dataclass(frozen=True)
class BadJson:
    """A tool call with arguments `raw`, not JSON. What is only cut short LangChain completes when it streams."""
    name: str
    raw: str


@dataclass(frozen=True)
class Refuse:
    """`message.refusal`: the model declines."""
    text: str


@dataclass(frozen=True)
class JsonText:
    """`obj` as JSON in the text: how models without native tool calls write one."""
    obj: Any


@dataclass(frozen=True)
class Nothing:
    """A reply with empty content."""


@dataclass(frozen=True)
class Cut:
    """The connection breaks after `after` characters of `text`, without [DONE]."""
    text: str
    after: int


@dataclass(frozen=True)
class Status:
    """An error reply; a `body` of text goes out as it is, None is an error in OpenAI's form."""
    code: int
    body: Mapping[str, Any] | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hang:
    """No reply until the server closes, or 120 s have passed."""


Part = Say | Call | BadJson | Refuse | JsonText | Nothing
Step = Part | Sequence[Part] | Cut | Status | Hang


class ScriptedWire:
    """Plays `steps`, one a chat request, in the order of arrival; a sequence of parts makes one message (text and
    several calls). `base_url` is for a client, `requests` are the bodies that took a step. A request beyond the script,
    or one that OpenAI would refuse for its form, gets a 400. Tokens are counted as words; sampling settings don't matter.

    >>> with ScriptedWire([Say("hello")]) as wire:
    ...     wire.base_url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(self, steps: Sequence[Step], model: str = "scripted") -> None:
        self.requests: list[dict[str, Any]] = []
        self.model = model
        self.base_url = ""
        self._steps = list(steps)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="scripted-wire")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self._thread.join()

    def take(self, request: dict[str, Any]) -> tuple[int, Step | None]:
        """The next step with its number from 0, None when there is none left."""
        with self._lock:
            at = len(self.requests)
            if at == len(self._steps):
                return at, None
            self.requests.append(request)
            return at, self._steps[at]


class _Server(socketserver.ThreadingTCPServer):
    """One thread a connection; `close` ends them all, whatever their clients do."""

    request_queue_size = 128

    def __init__(self, wire: ScriptedWire) -> None:
        self.wire = wire
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if len(self._open) >= MAX_CONNECTIONS:
            return False
        self._open.add(request)
        return True

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):  # a client may leave when it likes
            super().handle_error(request, client_address)

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        for each in list(self._open):
            with suppress(OSError):  # the other side was first
                each.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 30.0  # s, for a client that sends nothing
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path.rstrip("/") != "/v1/models":
            return self._send(404, _problem(f"There is no {self.path} here.", "not_found"))
        model = {"id": self.server.wire.model, "object": "model", "created": 0, "owned_by": "script"}
        self._send(200, {"object": "list", "data": [model]})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True  # the body stays unread
            return self._send(413, _problem(f"The body needs a length of at most {MAX_BODY_BYTES}.", "bad_length"))
        body = self.rfile.read(int(length))
        if self.path.rstrip("/") != "/v1/chat/completions":
            return self._send(404, _problem(f"There is no {self.path} here.", "not_found"))
        try:
            request = json.loads(body)
        except ValueError:
            return self._send(400, _problem("The body is not JSON.", "bad_json"))
        complaint = _complaint(request)
        if complaint:
            return self._send(400, _problem(complaint, "invalid_messages"))
        self._play(request)

    def _play(self, request: dict[str, Any]) -> None:
        at, step = self.server.wire.take(request)
        match step:
            case None:
                self._send(400, _problem(f"Request {at + 1} came, but the script has {at} steps.", "script_exhausted"))
            case Status():
                phrase = responses.get(step.code, "Scripted error")
                body = _problem(phrase, f"http_{step.code}") if step.body is None else step.body
                self._send(step.code, body, step.headers)
            case Hang():
                self.server.closing.wait(HANG_S)
                self.close_connection = True
            case Cut():
                self._reply(request, at, _message([Say(step.text)], at), step.after)
            case _:
                self._reply(request, at, _message(step if isinstance(step, Sequence) else [step], at), None)

    def _reply(self, request: dict[str, Any], at: int, message: dict[str, Any], cut: int | None) -> None:
        head = {"id": f"chatcmpl-{at}", "created": 0, "model": request.get("model") or self.server.wire.model}
        usage = _usage(request, message)
        finish = "tool_calls" if "tool_calls" in message else "stop"
        if not request.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
            whole = head | {"object": "chat.completion", "choices": [choice], "usage": usage}
            return self._send(200, whole, cut=cut)
        self._head(200, {"Content-Type": "text/event-stream; charset=utf-8", "Transfer-Encoding": "chunked"})
        head |= {"object": "chat.completion.chunk"}
        for delta in _deltas(message, cut):
            self._event(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        if cut is not None:
            self.close_connection = True  # without the last chunk, so that the client sees the body break off
            return
        self._event(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        if (request.get("stream_options") or {}).get("include_usage"):
            self._event(head | {"choices": [], "usage": usage})
        self.wfile.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def _event(self, body: dict[str, Any]) -> None:
        data = f"data: {json.dumps(body)}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _send(
        self, code: int, body: Mapping[str, Any] | str, headers: Mapping[str, str] | None = None, cut: int | None = None
    ) -> None:
        kind, text = ("text/plain; charset=utf-8", body) if isinstance(body, str) else ("application/json", json.dumps(body))
        data = text.encode()
        self._head(code, {"Content-Type": kind, "Content-Length": str(len(data))} | dict(headers or {}))
        self.wfile.write(data if cut is None else data[: min(cut, len(data) - 1)])
        self.close_connection = self.close_connection or cut is not None

    def _head(self, code: int, headers: Mapping[str, str]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Stays silent: `requests` is the log."""


def _message(parts: Sequence[Part], at: int) -> dict[str, Any]:
    """The parts as one message in OpenAI's form."""
    content, refusal, calls = "", "", list[dict[str, Any]]()
    for part in parts:
        match part:
            case Say():
                content += part.text
            case JsonText():
                content += json.dumps(part.obj, ensure_ascii=False)
            case Refuse():
                refusal += part.text
            case Call() | BadJson():
                raw = part.raw if isinstance(part, BadJson) else json.dumps(dict(part.args))
                function = {"name": part.name, "arguments": raw}
                calls.append({"id": f"call_{at}_{len(calls)}", "type": "function", "function": function})
    said = None if (refusal or calls) and not content else content
    return {"role": "assistant", "content": said, "refusal": refusal or None} | ({"tool_calls": calls} if calls else {})


def _deltas(message: dict[str, Any], cut: int | None) -> Iterator[dict[str, Any]]:
    """The message as a stream gives it: in words, and with the JSON of tool calls cut anywhere."""
    yield {"role": "assistant", "content": None if message["content"] is None else ""}
    for key, text in (("content", (message["content"] or "")[:cut]), ("refusal", message["refusal"] or "")):
        yield from ({key: piece} for piece in re.findall(r"\S+\s*|\s+", text))
    for index, call in enumerate(message.get("tool_calls", [])):
        yield {"tool_calls": [{"index": index} | call | {"function": call["function"] | {"arguments": ""}}]}
        for piece in re.findall(r"(?s).{1,6}", call["function"]["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _usage(request: dict[str, Any], message: dict[str, Any]) -> dict[str, int]:
    asked = sum(len(str(each.get("content") or "").split()) for each in request["messages"])
    raw = [call["function"]["arguments"] for call in message.get("tool_calls", [])]
    given = len(" ".join([message["content"] or "", message["refusal"] or "", *raw]).split())
    return {"prompt_tokens": asked, "completion_tokens": given, "total_tokens": asked + given}


def _complaint(request: Any) -> str | None:
    """What OpenAI would refuse: no messages, or tool results that don't answer the calls right before them."""
    messages = request.get("messages") if isinstance(request, dict) else None
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        return "`messages` must be a list of objects with at least one."
    owed: set[str] = set()
    for message in [*messages, {}]:
        if message.get("role") == "tool" and str(message.get("tool_call_id")) in owed:
            owed.discard(str(message["tool_call_id"]))
        elif owed or message.get("role") == "tool":
            return f"Tool results must follow the calls they answer; {sorted(owed)} is owed, {message} came."
        else:
            owed = {str(call.get("id")) for call in message.get("tool_calls") or []}
    return None


def _problem(message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}
