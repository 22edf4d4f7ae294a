"""The scripted model: order, streaming, tools, what it remembers."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessageChunk, HumanMessage
from langchain_core.tools import tool

from agent.scripted import ScriptedModel, ScriptExhausted, script

CALL = AIMessage(content="", tool_calls=[{"name": "search", "args": {"query": "retry budget", "k": 3}, "id": "c1"}])


def whole(model: ScriptedModel) -> BaseMessageChunk:
    chunks = list(model.stream("go"))
    total: BaseMessageChunk = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return total


def test_steps_come_in_order_and_the_calls_are_kept() -> None:
    model = script("one", CALL)
    assert model.invoke("first").content == "one"
    assert model.invoke([HumanMessage("second")]).tool_calls == CALL.tool_calls
    assert [[message.content for message in call] for call in model.calls] == [["first"], ["second"]]


def test_an_exception_is_raised_and_the_script_goes_on() -> None:
    model = script(TimeoutError("slow"), "then")
    with pytest.raises(TimeoutError, match="slow"):
        model.invoke("a")
    assert model.invoke("b").content == "then"


def test_a_script_that_runs_out_says_which_call_came() -> None:
    model = script("only")
    model.invoke("a")
    with pytest.raises(ScriptExhausted, match=r"1 steps, but call 2 came \('what now'\)"):
        model.invoke("what now")
    with pytest.raises(ScriptExhausted, match="0 steps"):
        script(cycle=True).invoke("a")


def test_a_cycle_never_ends_and_keeps_only_the_last_calls() -> None:
    model = ScriptedModel(steps=[AIMessage("a"), AIMessage("b")], cycle=True, remember=3)
    assert [model.invoke(str(i)).content for i in range(5)] == ["a", "b", "a", "b", "a"]
    assert [call[0].content for call in model.calls] == ["2", "3", "4"]


def test_a_reply_can_be_changed_without_changing_the_script() -> None:
    model = script(CALL, cycle=True)
    model.invoke("a").tool_calls[0]["args"]["k"] = 99
    again = model.invoke("b")
    assert again.tool_calls[0]["args"]["k"] == 3
    assert CALL.id is None and again.id is not None


def test_a_stream_comes_in_words_and_adds_up_to_the_message() -> None:
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    step = AIMessage("Two  words\n", usage_metadata=usage, response_metadata={"finish_reason": "stop"})
    chunks = [chunk.content for chunk in script(step).stream("go")]
    assert chunks == ["Two  ", "words\n", ""]
    total = whole(script(step))
    assert isinstance(total, AIMessageChunk)
    assert (total.content, total.usage_metadata) == (step.content, usage)
    assert total.response_metadata["finish_reason"] == "stop"


def test_a_streamed_call_is_cut_inside_its_json_and_adds_up() -> None:
    chunks = list(script(CALL).stream("go"))
    pieces = [part["args"] for chunk in chunks for part in chunk.tool_call_chunks]
    assert '{"quer' in pieces and "".join(str(piece) for piece in pieces) == '{"query": "retry budget", "k": 3}'
    total = whole(script(CALL))
    assert isinstance(total, AIMessageChunk)
    assert [(call["name"], call["args"], call["id"]) for call in total.tool_calls] == [
        ("search", {"query": "retry budget", "k": 3}, "c1")
    ]


def test_a_broken_call_stays_broken_in_a_stream() -> None:
    broken = {"name": "search", "args": '{"query": retry}', "id": "c1", "error": None, "type": "invalid_tool_call"}
    total = whole(script(AIMessage(content="", invalid_tool_calls=[broken])))
    assert isinstance(total, AIMessageChunk)
    assert not total.tool_calls and total.invalid_tool_calls[0]["args"] == '{"query": retry}'


def test_content_blocks_stream_too() -> None:
    blocks: list[str | dict[Any, Any]] = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert whole(script(AIMessage(content=blocks))).content == blocks


def test_an_empty_message_is_a_message() -> None:
    assert script("").invoke("a").content == ""
    assert whole(script("")).content == ""


@given(st.text(), st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=4))
def test_any_message_survives_its_stream(text: str, args: dict[str, object]) -> None:
    step = AIMessage(content=text, tool_calls=[{"name": "run", "args": args, "id": "c1"}])
    total = whole(script(step))
    assert isinstance(total, AIMessageChunk)
    assert (total.content, total.tool_calls) == (step.content, step.tool_calls)


def test_tools_are_recorded_with_each_call_that_offers_them() -> None:
    @tool
    def search(query: str) -> str:
        """Searches."""
        return query

    model = script("a", "b")
    bound = model.bind_tools([search], tool_choice="any")
    assert bound.invoke("with").content == "a"
    assert model.invoke("without").content == "b"
    assert model.offered == [["search"], []]
    assert model.bound_tools[0]["function"]["parameters"]["required"] == ["query"]


async def _ask_both_ways(model: ScriptedModel) -> tuple[list[str], int]:
    before = threading.active_count()
    first = await model.ainvoke("a")
    said = [str(chunk.content) async for chunk in model.astream("b")]
    return [str(first.content), *said], threading.active_count() - before


def test_the_async_ways_use_no_thread() -> None:
    assert asyncio.run(_ask_both_ways(script("one", "two words"))) == (["one", "two ", "words", ""], 0)


def test_a_stream_lets_others_run_between_its_tokens() -> None:
    async def interleave() -> list[str]:
        seen: list[str] = []

        async def read(name: str) -> None:
            async for chunk in script("a b c").astream("go"):
                seen.append(name + str(chunk.content))

        await asyncio.gather(read("1"), read("2"))
        return seen

    seen = asyncio.run(interleave())
    assert seen.index("2a ") < seen.index("1c")


def test_threads_share_one_script_and_each_step_is_played_once() -> None:
    model = script(*(str(i) for i in range(200)))
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda i: model.invoke(str(i)).content, range(200)))
    assert sorted(said, key=lambda text: int(str(text))) == [str(i) for i in range(200)]
    assert len(model.calls) == 200
