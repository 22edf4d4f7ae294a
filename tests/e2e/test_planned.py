"""A model that only writes, over the wire: what it is asked, what of its text the learner reads, and what stands in for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.errors import UnknownModel
from agent.events import Answer, TurnRequest
from agent.runtime import open_tutor
from agent.settings import Calls, Settings, settings_from
from agent.wire import JsonText, Say, ScriptedWire, Status, Step
from memory.open import Memory
from tests.conftest import NOTES

BOTH = "What are TTL and LRU?"
QUEUE = "What does a queue decouple?"
TRUE = "A queue decouples producers from consumers."
LIE = "A queue makes consumers faster than producers."
WHOLE = "A queue decouples producers from consumers because it buffers messages while consumers are slow."


async def told(home: Path, memory: Memory, question: str, steps: Sequence[Step], calls: Calls = "planned",
               mode: Any = "direct") -> tuple[Answer, list[dict[str, Any]]]:
    with ScriptedWire(steps) as wire:
        settings = Settings(home=home, model="openai:scripted", base_url=wire.base_url, calls=calls)
        with open_tutor(settings, memory=memory) as tutor:
            return await tutor.ask(TurnRequest(question=question, mode=mode)), wire.requests


def quotes_hold(answer: Answer) -> bool:
    return bool(answer.citations) and all(NOTES[c.start : c.end] == c.quote for c in answer.citations)


async def test_one_short_request_and_the_models_own_sentence_with_its_mark(tmp_path: Path, memory: Memory) -> None:
    answer, [request] = await told(tmp_path, memory, QUEUE, [Say(TRUE)])
    assert answer.text.startswith(f"{TRUE}[1]") and quotes_hold(answer) and answer.prompts["retell"] == "1"
    assert "tools" not in request and "response_format" not in request and request["max_completion_tokens"] == 120
    assert WHOLE in request["messages"][1]["content"] and answer.usage.input_tokens < 150


async def test_what_the_model_invents_is_taken_out_and_said_so(tmp_path: Path, memory: Memory) -> None:
    answer, requests = await told(tmp_path, memory, QUEUE, [Say(f"{LIE} {TRUE} {TRUE} This is why they never wait.")])
    assert "faster" not in answer.text and "never wait" not in answer.text and answer.text.count(TRUE) == 1
    assert len(requests) == 1 and "2 of 3 sentences that openai:scripted wrote are left out" in answer.notices[0]


async def test_each_fact_is_asked_for_alone_and_then_the_passages_speak(tmp_path: Path, memory: Memory) -> None:
    answer, requests = await told(tmp_path, memory, BOTH, [Say(LIE), Say(LIE), Say(LIE)])
    assert [request["messages"][1]["content"].count("\n") + 1 for request in requests] == [2, 1, 1]
    assert answer.status == "answered" and "faster" not in answer.text and quotes_hold(answer) and answer.prompts["shorten"] == "1"
    assert answer.model == "openai:scripted + offline" and "Nothing that openai:scripted wrote" in answer.notices[0]


async def test_facts_that_the_model_garbled_are_told_in_the_passages_words(tmp_path: Path, memory: Memory) -> None:
    answer, requests = await told(tmp_path, memory, BOTH, [Say("Least recently used eviction drops the entry."), Say(LIE)])
    assert "Least recently used eviction drops the entry.[" in answer.text and "300 seconds" in answer.text and quotes_hold(answer)
    assert "TTL" in requests[1]["messages"][1]["content"] and "faster" not in answer.text
    assert answer.model == "openai:scripted + offline" and "wrote a sentence of this answer" in answer.notices[-1]


@pytest.mark.parametrize(("question", "mode", "status"), [
    ("Who won the football world cup in 1998?", "direct", "abstained"), ("hello", "direct", "answered"),
    ("How available are two replicas at 99%?", "direct", "answered"), (QUEUE, "socratic", "answered"),
])
async def test_where_nothing_is_to_be_retold_the_model_is_not_asked(
    tmp_path: Path, memory: Memory, question: str, mode: str, status: str
) -> None:
    answer, requests = await told(tmp_path, memory, question, [], mode=mode)
    assert (requests, answer.status, answer.model, answer.usage.output_tokens) == ([], status, "offline", 0)


async def test_a_server_that_is_down_leaves_the_reasoners_draft(tmp_path: Path, memory: Memory) -> None:
    answer, _ = await told(tmp_path, memory, QUEUE, [Status(500), Status(500)])
    assert answer.model == "offline" and "can't be used now" in answer.notices[0] and quotes_hold(answer)


async def test_written_calls_are_constrained_and_their_prompt_is_short(tmp_path: Path, memory: Memory) -> None:
    steps = [JsonText({"tool": "search_notes", "args": {"query": "queue"}}), JsonText({"answer": f"{WHOLE} [1]"})]
    answer, requests = await told(tmp_path, memory, QUEUE, steps, "text")
    assert answer.text.startswith(WHOLE) and len(requests) == 2 and answer.prompts["text_tools"] == "2"
    schema = requests[0]["response_format"]["json_schema"]["schema"]
    assert schema["oneOf"][0]["properties"]["args"]["properties"]["query"]["maxLength"] == 200
    assert "- search_notes(query: string)" in requests[0]["messages"][0]["content"]
    assert len(requests[0]["messages"][0]["content"].split()) < 250


async def test_a_server_that_knows_no_schemas_is_asked_without_one(tmp_path: Path, memory: Memory) -> None:
    answer, requests = await told(tmp_path, memory, QUEUE, [Status(400), JsonText({"answer": f"{WHOLE} [1]"})], "text")
    assert answer.text.startswith(WHOLE) and ["response_format" in request for request in requests] == [True, False]


def test_how_a_model_acts_can_be_set_and_a_slip_is_named(tmp_path: Path) -> None:
    assert settings_from({"TUTOR_CALLS": "planned"}).calls == "planned" and settings_from({}).calls is None
    with pytest.raises(UnknownModel, match="TUTOR_CALLS is 'plan'; it can be native, text, planned"):
        settings_from({"TUTOR_CALLS": "plan"})
