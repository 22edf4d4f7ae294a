"""The full tutor over a provider's wire: what it streams, how it fails, and what the learner reads then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ModelUnavailable, UnknownModel
from agent.events import Answer, TurnRequest
from agent.models import open_model
from agent.runtime import offline_model, open_tutor
from agent.settings import Settings
from agent.tutor import Tutor
from agent.wire import BadJson, Call, Cut, JsonText, Nothing, Refuse, Say, ScriptedWire, Status, Step
from memory.open import Memory
from tests.conftest import NOTES
from tools.registry import load_tools

LRU = "What is LRU eviction?"
QUOTED = "Least recently used eviction drops the entry that was read longest ago [1]."
REPLICAS = "How available are two replicas at 99%?"
TWO = {"availability": 0.99, "replicas": 2}
COMPUTED = "Two replicas give an availability of 0.9999."


@contextmanager
def opened(home: Path, memory: Memory, wire: ScriptedWire) -> Iterator[Tutor]:
    settings = Settings(home=home, model="openai:scripted", base_url=wire.base_url)
    with open_tutor(settings, memory=memory) as tutor:
        yield tutor


async def told(home: Path, memory: Memory, question: str, steps: Sequence[Step]) -> tuple[Answer, list[dict[str, Any]]]:
    """The answer, and the requests that reached the provider."""
    with ScriptedWire(steps) as wire, opened(home, memory, wire) as tutor:
        answer = await tutor.ask(TurnRequest(question=question))
        return answer, wire.requests


def is_extractive(answer: Answer) -> bool:
    """Sentences of the notes, each with a quote that holds."""
    return answer.status == "answered" and "read longest ago" in answer.text and bool(answer.citations) and all(
        NOTES[c.start : c.end] == c.quote for c in answer.citations)


def is_the_reasoners(answer: Answer, why: str) -> bool:
    [notice] = answer.notices
    return (is_extractive(answer) and answer.model == "offline" and why in notice and "\n" not in notice
            and notice.startswith("openai:scripted can't be used now (") and notice.endswith("the offline reasoner answered instead."))


async def test_a_streamed_call_then_a_grounded_answer(tmp_path: Path, memory: Memory) -> None:
    steps: list[Step] = [[Say("I look it up."), Call("search_notes", {"query": "LRU eviction"})], Say(QUOTED)]
    answer, requests = await told(tmp_path, memory, LRU, steps)
    assert answer.text.startswith("Least recently used eviction") and is_extractive(answer) and answer.notices == []
    assert (answer.model, answer.steps[-1].tool, answer.steps[-1].thought) == ("openai:scripted", "search_notes", "I look it up.")
    assert all(request["stream"] for request in requests) and len(requests) == 2
    assert "search_notes" in [tool["function"]["name"] for tool in requests[0]["tools"]]
    assert requests[1]["messages"][-1]["role"] == "tool" and "read longest ago" in requests[1]["messages"][-1]["content"]


async def test_the_tokens_of_a_stream_are_counted(tmp_path: Path, memory: Memory) -> None:
    answer, requests = await told(tmp_path, memory, LRU, [Say(QUOTED)])
    assert len(requests) == 1 and answer.usage.output_tokens == len(QUOTED.split()) and answer.usage.input_tokens > 0


async def test_a_streamed_calculation_is_carried_out(tmp_path: Path, memory: Memory) -> None:
    answer, requests = await told(tmp_path, memory, REPLICAS, [Call("availability", TWO), Say(COMPUTED)])
    assert answer.text == COMPUTED and answer.steps[-1].args == TWO and answer.notices == []
    assert {tag.kind for tag in answer.numbers if tag.text == "0.9999"} == {"computed"}
    assert "0.9999" in requests[1]["messages"][-1]["content"]


async def test_arguments_that_are_no_json_go_back_to_the_model(tmp_path: Path, memory: Memory) -> None:
    steps: list[Step] = [BadJson("availability", '{"availability": 0.99,, "replicas"'), Call("availability", TWO), Say(COMPUTED)]
    answer, requests = await told(tmp_path, memory, REPLICAS, steps)
    reply = requests[1]["messages"][-1]
    assert reply["role"] == "tool" and "aren't valid JSON" in reply["content"]
    assert answer.text == COMPUTED and answer.steps[-1].tool == "availability" and len(requests) == 3


@pytest.mark.parametrize("step", [Refuse("I can't help with that."), Nothing()], ids=["refused", "nothing"])
async def test_without_an_answer_the_passages_own_sentences_are_shown(tmp_path: Path, memory: Memory, step: Step) -> None:
    answer, requests = await told(tmp_path, memory, LRU, [step])
    assert is_extractive(answer) and answer.model == "openai:scripted + offline" and len(requests) == 1
    assert len(answer.notices) == 1 and "the passages' own sentences" in answer.notices[0]


@pytest.mark.parametrize("failure", [Cut(QUOTED, 20), Status(429), Status(500)], ids=["cut", "429", "500"])
async def test_a_failure_that_passes_is_tried_again(tmp_path: Path, memory: Memory, failure: Step) -> None:
    answer, requests = await told(tmp_path, memory, LRU, [failure, Say(QUOTED)])
    assert is_extractive(answer) and (answer.model, answer.notices, len(requests)) == ("openai:scripted", [], 2)


@pytest.mark.parametrize(("failure", "why"), [(Cut(QUOTED, 20), ""), (Status(429), "429"), (Status(500), "500")], ids=["cut", "429", "500"])
async def test_a_failure_that_stays_leaves_the_reasoner(tmp_path: Path, memory: Memory, failure: Step, why: str) -> None:
    answer, requests = await told(tmp_path, memory, LRU, [failure, failure])
    assert is_the_reasoners(answer, why) and len(requests) == 2


@pytest.mark.parametrize("code", [401, 404])
async def test_what_a_retry_cannot_mend_is_not_retried(tmp_path: Path, memory: Memory, code: int) -> None:
    answer, requests = await told(tmp_path, memory, LRU, [Status(code), Say(QUOTED)])
    assert is_the_reasoners(answer, str(code)) and len(requests) == 1


async def test_a_provider_that_fails_in_mid_turn_loses_no_result(tmp_path: Path, memory: Memory) -> None:
    answer, _ = await told(tmp_path, memory, LRU, [Call("search_notes", {"query": "LRU eviction"}), Status(401)])
    assert is_the_reasoners(answer, "401") and answer.steps[-1].tool == "search_notes"


async def test_a_call_written_into_the_text_is_carried_out(tmp_path: Path, memory: Memory) -> None:
    steps: list[Step] = [[Say("I compute it: "), JsonText({"tool": "availability", "args": TWO})], Say(COMPUTED)]
    answer, _ = await told(tmp_path, memory, REPLICAS, steps)
    assert (answer.text, answer.steps[-1].tool, answer.steps[-1].args) == (COMPUTED, "availability", TWO)


async def test_an_answer_written_as_json_is_shown_as_text(tmp_path: Path, memory: Memory) -> None:
    answer, _ = await told(tmp_path, memory, LRU, [JsonText({"answer": QUOTED})])
    assert is_extractive(answer) and "{" not in answer.text and answer.notices == []


@pytest.mark.parametrize(("name", "said"), [
    ("gpt-nothing", "There is no model 'gpt-nothing'"), ("openai:", "There is no model 'openai:'"), ("", "There is no model ''"),
    ("nobody:model", "There is no provider 'nobody'"), ("gguf:none.gguf", "can't be read"),
])
def test_a_model_that_nobody_knows_is_named_in_a_line(tmp_path: Path, memory: Memory, name: str, said: str) -> None:
    with ExitStack() as stack, pytest.raises(UnknownModel, match=said) as caught:
        open_model(name, lambda: offline_model(memory, load_tools()), stack)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    if not name:
        return  # for settings, an empty name is none
    with pytest.raises(UnknownModel, match=said), open_tutor(Settings(home=tmp_path, model=name), memory=memory):
        pass


@pytest.mark.skipif(find_spec("langchain_deepseek") is not None, reason="the package is there")
def test_a_package_or_a_key_that_is_missing_makes_the_model_unavailable(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name, said in (("deepseek:chat", "pip install langchain-deepseek"), ("openai:m", "Set the provider's key")):
        with ExitStack() as stack, pytest.raises(ModelUnavailable, match=said):
            open_model(name, lambda: offline_model(memory, load_tools()), stack)


def test_a_base_url_that_is_none_is_named(memory: Memory) -> None:
    with ExitStack() as stack, pytest.raises(UnknownModel, match="'not-a-url' is none"):
        open_model("openai:m", lambda: offline_model(memory, load_tools()), stack, "not-a-url")
