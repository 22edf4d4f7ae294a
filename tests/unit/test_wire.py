"""The scripted wire, read by the client that the tutor uses for OpenAI and whatever imitates it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI

from agent.textcalls import ToolCall, parse_call
from agent.wire import BadJson, Call, Cut, Hang, JsonText, Nothing, Refuse, Say, ScriptedWire, Status, Step

ARGS = {"query": "retry \"budget\" für alle", "k": 3}
TOOL = {"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}


def client(wire: ScriptedWire, **settings: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model="any", base_url=wire.base_url, api_key="none", max_retries=0, stream_usage=True, **settings  # type: ignore[arg-type]
    )


def streamed(wire: ScriptedWire, asked: str = "go") -> AIMessageChunk:
    chunks = list(client(wire).stream(asked))
    total: AIMessageChunk = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return total


def play(steps: Sequence[Step], stream: bool) -> AIMessage:
    with ScriptedWire(steps) as wire:
        return streamed(wire) if stream else client(wire).invoke("go")


def post(wire: ScriptedWire, body: object, path: str = "/v1/chat/completions") -> tuple[int, Any]:
    """Status and JSON body of one plain request."""
    connection = http.client.HTTPConnection(urlsplit(wire.base_url).netloc)
    try:
        connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body))
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


both = pytest.mark.parametrize("stream", [False, True])


@both
def test_text_arrives_whole_with_its_usage(stream: bool) -> None:
    message = play([Say("Three  nines.\n")], stream)
    assert message.content == "Three  nines.\n"
    assert message.usage_metadata is not None
    assert (message.usage_metadata["input_tokens"], message.usage_metadata["output_tokens"]) == (1, 2)
    assert message.response_metadata["finish_reason"] == "stop"


def test_a_stream_counts_only_when_asked_to() -> None:
    with ScriptedWire([Say("a")]) as wire:
        chunks = list(client(wire).stream("go", stream_usage=False))
    assert all(chunk.usage_metadata is None for chunk in chunks)


@both
def test_a_call_is_put_together(stream: bool) -> None:
    message = play([Call("search", ARGS)], stream)
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [("search", ARGS)]
    assert message.content == "" and not message.invalid_tool_calls


def test_a_streamed_call_is_cut_inside_its_json() -> None:
    with ScriptedWire([Call("search", ARGS)]) as wire:
        pieces = [part["args"] for chunk in client(wire).stream("go") for part in chunk.tool_call_chunks]
    assert pieces[:2] == ["", '{"quer']


@both
def test_one_message_may_hold_text_and_several_calls(stream: bool) -> None:
    message = play([[Say("Both."), Call("search", ARGS), Call("run", {})]], stream)
    assert message.content == "Both."
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [("search", ARGS), ("run", {})]
    assert len({call["id"] for call in message.tool_calls}) == 2


@both
def test_bad_json_is_no_call(stream: bool) -> None:
    message = play([BadJson("search", '{"query": retry}')], stream)
    assert not message.tool_calls
    assert [(bad["name"], bad["args"]) for bad in message.invalid_tool_calls] == [("search", '{"query": retry}')]


def test_a_refusal_is_told_apart_from_an_answer() -> None:
    message = play([Refuse("I won't.")], stream=False)
    assert (message.content, message.additional_kwargs["refusal"]) == ("", "I won't.")


def test_a_streamed_refusal_is_in_the_deltas() -> None:
    with ScriptedWire([Refuse("I won't.")]) as wire:
        sdk = openai.OpenAI(base_url=wire.base_url, api_key="none", max_retries=0)
        events = sdk.chat.completions.create(model="any", messages=[{"role": "user", "content": "go"}], stream=True)
        deltas = [choice.delta for event in events for choice in event.choices]
    assert "".join(delta.refusal or "" for delta in deltas) == "I won't."
    assert not any(delta.content for delta in deltas)


def test_a_cut_stream_gives_its_beginning_and_raises() -> None:
    with ScriptedWire([Cut("Three nines are 8.76 hours", after=11)]) as wire:
        seen: list[str] = []
        with pytest.raises(openai.APIConnectionError):
            for chunk in client(wire).stream("go"):
                seen.append(str(chunk.content))
    assert "".join(seen) == "Three nines"


def test_a_cut_reply_raises_too() -> None:
    with pytest.raises(openai.APIConnectionError):
        play([Cut("Three nines", after=5)], stream=False)


@both
@pytest.mark.parametrize(("code", "error"), [
    (429, openai.RateLimitError), (500, openai.InternalServerError), (529, openai.InternalServerError),
    (401, openai.AuthenticationError),
])
def test_a_status_raises_its_error(code: int, error: type[openai.APIStatusError], stream: bool) -> None:
    with pytest.raises(error) as raised:
        play([Status(code, headers={"Retry-After": "7"})], stream)
    assert raised.value.response.headers["retry-after"] == "7"
    assert isinstance(raised.value.body, dict) and raised.value.body["code"] == f"http_{code}"


def test_the_body_of_a_status_goes_out_as_it_is() -> None:
    with ScriptedWire([Status(502, "<html>bad gateway</html>")]) as wire, pytest.raises(openai.InternalServerError) as raised:
        client(wire).invoke("go")
    assert raised.value.response.text == "<html>bad gateway</html>"


def test_a_retry_takes_the_next_step() -> None:
    with ScriptedWire([Status(429, headers={"Retry-After-Ms": "1"}), Say("now")]) as wire:
        model = ChatOpenAI(model="any", base_url=wire.base_url, api_key="none", max_retries=1)  # type: ignore[arg-type]
        assert model.invoke("go").content == "now"
        assert len(wire.requests) == 2


def test_a_hang_ends_at_the_clients_deadline() -> None:
    with ScriptedWire([Hang(), Say("after")]) as wire:
        with pytest.raises(openai.APITimeoutError):
            client(wire, timeout=0.5).invoke("go")
        assert client(wire).invoke("again").content == "after"


def test_closing_ends_a_hang_and_every_thread() -> None:
    before = set(threading.enumerate())
    failed: list[BaseException] = []

    def ask(wire: ScriptedWire) -> None:
        try:
            post(wire, {"messages": [{"role": "user", "content": "go"}]})
        except (http.client.HTTPException, OSError) as error:
            failed.append(error)

    with ScriptedWire([Hang()]) as wire:
        asking = threading.Thread(target=ask, args=(wire,))
        asking.start()
        silent = socket.create_connection(("127.0.0.1", urlsplit(wire.base_url).port or 0))
        while not wire.requests:
            asking.join(0.01)
    asking.join()
    silent.close()
    assert len(failed) == 1
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        post(wire, {})


@both
def test_a_call_in_text_reads_back(stream: bool) -> None:
    message = play([JsonText({"tool": "search", "args": ARGS})], stream)
    assert parse_call(str(message.content), ["search"]) == ToolCall("search", ARGS)


@both
def test_nothing_is_an_empty_message(stream: bool) -> None:
    message = play([Nothing()], stream)
    assert (message.content, message.tool_calls) == ("", [])


def test_requests_are_kept_in_order_with_their_tools() -> None:
    with ScriptedWire([Call("search", ARGS), Say("done")]) as wire:
        model = client(wire, temperature=0).bind_tools([TOOL])
        called = model.invoke("find")
        result = ToolMessage("three hits", tool_call_id=called.tool_calls[0]["id"])
        assert model.invoke([HumanMessage("find"), called, result]).content == "done"
    assert [len(request["messages"]) for request in wire.requests] == [1, 3]
    assert wire.requests[0]["tools"] == [TOOL] and wire.requests[0]["temperature"] == 0
    assert wire.requests[1]["messages"][2] == {"role": "tool", "tool_call_id": "call_0_0", "content": "three hits"}


def test_a_history_that_openai_refuses_is_refused_and_takes_no_step() -> None:
    called = AIMessage("", tool_calls=[{"name": "search", "args": {}, "id": "c1"}])
    with ScriptedWire([Say("fine")]) as wire:
        for history in ([HumanMessage("a"), called], [HumanMessage("a"), called, HumanMessage("b")],
                        [HumanMessage("a"), ToolMessage("x", tool_call_id="c1")]):
            with pytest.raises(openai.BadRequestError, match="Tool results must follow"):
                client(wire).invoke(history)
        assert wire.requests == []
        assert client(wire).invoke("a").content == "fine"


def test_a_request_beyond_the_script_says_so() -> None:
    with ScriptedWire([Say("only")]) as wire:
        client(wire).invoke("a")
        with pytest.raises(openai.BadRequestError, match="Request 2 came, but the script has 1 steps"):
            client(wire).invoke("b")


def test_the_models_are_listed() -> None:
    with ScriptedWire([], model="tiny") as wire:
        assert [model.id for model in openai.OpenAI(base_url=wire.base_url, api_key="none").models.list()] == ["tiny"]


@pytest.mark.parametrize(("body", "path", "status"), [
    (b"{", "/v1/chat/completions", 400),
    ([], "/v1/chat/completions", 400),
    ({"messages": []}, "/v1/chat/completions", 400),
    ({}, "/v1/embeddings", 404),
])
def test_what_it_does_not_speak_is_an_error_in_openais_form(body: object, path: str, status: int) -> None:
    with ScriptedWire([]) as wire:
        code, reply = post(wire, body, path)
    assert code == status and reply["error"]["message"]


def test_a_body_too_large_is_not_read() -> None:
    with ScriptedWire([]) as wire:
        connection = http.client.HTTPConnection(urlsplit(wire.base_url).netloc)
        connection.putrequest("POST", "/v1/chat/completions")
        connection.putheader("Content-Length", "9000000")
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()


def test_many_ask_at_once_and_each_step_is_played_once() -> None:
    async def ask(wire: ScriptedWire) -> list[str]:
        model = client(wire)
        replies = await asyncio.gather(*(model.ainvoke(str(i)) for i in range(20)))
        return [str(reply.content) for reply in replies]

    with ScriptedWire([Say(str(i)) for i in range(20)]) as wire:
        said = asyncio.run(ask(wire))
    assert sorted(said, key=int) == [str(i) for i in range(20)]
