"""Turns that a SIGKILL cuts off are ended by the next start: each that was admitted, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from agent.events import TurnRequest
from agent.runtime import open_tutor
from agent.settings import Settings
from agent.tutor import Tutor
from memory.minilm import HashEmbedder
from memory.open import open_memory
from tests.faults.child import Child
from tools.executor import InlineExecutor

pytestmark = pytest.mark.slow

FIRST = "What is a token bucket?"
QUESTIONS = ("How available are two replicas at 99%?", "How available are two zones at 99%?", "How available are two shards at 99%?")
CALL = {"name": "availability", "args": {"availability": 0.99, "replicas": 2}, "id": "c1"}
SAID = "Two replicas give an availability of 0.9999."
NOTES = "# Limits\n\nA token bucket holds up to b tokens and refills at r tokens per second."

TURNS = """
import asyncio, sys
from pathlib import Path

from langchain_core.messages import AIMessage

from agent.events import TurnRequest
from agent.runtime import open_tutor
from agent.scripted import ScriptedModel
from agent.settings import Settings
from memory.ingest.pipeline import ingest_text
from memory.minilm import HashEmbedder
from memory.open import open_memory
from tools.executor import InlineExecutor

home, place, action = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
first, notes, call, questions = eval(sys.argv[4])
quiet = False


class Model(ScriptedModel):
    async def _agenerate(self, *args, **options):
        if quiet and place == "think":
            print("blocked", flush=True)
            await asyncio.Event().wait()
        return await super()._agenerate(*args, **options)


class Executor(InlineExecutor):
    def run(self, tool, args, seed=0, timeout_s=10.0):
        if place == "act":
            print("blocked", flush=True)
            sys.stdin.read()
        return super().run(tool, args, seed, timeout_s)


async def main(tutor):
    global quiet
    if action == "recover":
        quiet = True
        return await tutor.recover()
    await tutor.ask(TurnRequest(question=first, thread="t-done", id="r-done"))
    quiet = True
    turns = [tutor.turn(TurnRequest(question=each, thread=f"t{at}", id=f"r{at}")) for at, each in enumerate(questions)]
    for turn in turns:
        print("admitted", (await anext(turn)).id, flush=True)

    async def rest(turn):
        async for _ in turn:
            pass

    await asyncio.gather(*map(rest, turns))


memory = open_memory(home, course=False, embedder=HashEmbedder())
if action == "ask":
    ingest_text(memory.store, "limits.md", notes)
steps = [AIMessage("A token bucket holds up to b tokens and refills at r tokens per second [1].")] if action == "ask" else []
model = Model(steps=[*steps, *(AIMessage("", tool_calls=[call]) for _ in questions)])
with open_tutor(Settings(home=home), memory=memory, model=model, executor=Executor()) as tutor:
    asyncio.run(main(tutor))
"""


class Answering(BaseChatModel):
    """Calls the tool, and answers once its result is there: turns may come in any order and from any checkpoint."""

    questions: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "answering"

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **options: Any) -> ChatResult:
        self.questions += [str(each.content) for each in messages if each.type == "human"][-1:]
        ended = isinstance(messages[-1], ToolMessage) and messages[-1].name == CALL["name"]
        return ChatResult(generations=[ChatGeneration(message=AIMessage(SAID) if ended else AIMessage("", tool_calls=[CALL]))])


class Counting(InlineExecutor):
    """Counts the runs of tools."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self, tool: Any, args: Any, seed: int = 0, timeout_s: float = 10.0) -> Any:
        self.runs += 1
        return super().run(tool, args, seed, timeout_s)


def killed(folder: Path, place: str, action: str = "ask") -> list[str]:
    """Runs turns until they are blocked at `place` and kills the process; the ids that were told to the learner."""
    blocked = len(QUESTIONS) if (place, action) == ("think", "ask") else 1
    given = repr((FIRST, NOTES, CALL, QUESTIONS))
    with Child(folder / action, TURNS, folder / "home", place, action, given) as child:
        heard = child.lines_until("blocked", blocked)
        child.kill()
    return [line.split()[1] for line in heard if line.startswith("admitted")]


@contextmanager
def restarted(home: Path, model: Answering, executor: Counting) -> Iterator[Tutor]:
    memory = open_memory(home, course=False, embedder=HashEmbedder())
    try:
        with open_tutor(Settings(home=home), memory=memory, model=model, executor=executor) as tutor:
            yield tutor
    finally:
        memory.close()


@pytest.mark.parametrize(("place", "again"), [("think", False), ("act", False), ("think", True), ("act", True)],
                         ids=["in think", "in act", "in think, then in recovery", "in act, then in recovery"])
def test_every_admitted_turn_ends_once(tmp_path: Path, place: str, again: bool) -> None:
    admitted = killed(tmp_path, place)
    assert admitted == ["r0", "r1", "r2"]
    if again:
        killed(tmp_path, place, "recover")
    model, executor = Answering(), Counting()
    with restarted(tmp_path / "home", model, executor) as tutor:
        threads = tutor.parts.threads
        done = threads.get("r-done")
        assert {turn.id for turn in threads.unfinished()} == set(admitted)
        assert asyncio.run(tutor.recover()) == len(admitted)
        assert threads.unfinished() == [] and threads.get("r-done") == done
        for number in range(3):
            [turn] = threads.turns(f"t{number}")
            assert (turn.id, turn.status, turn.request["question"]) == (f"r{number}", "done", QUESTIONS[number])
            assert turn.answer is not None and turn.answer["text"].startswith("Two replicas")
            assert [step["tool"] for step in turn.answer["steps"]] == ["search_notes", "availability"]
        # A turn that was killed in act had asked the model before: its checkpoint spares it that question.
        asked = [model.questions.count(question) for question in QUESTIONS]
        assert executor.runs == 3 and max(asked) <= 2 and min(asked) == (1 if place == "act" else 2)
        assert asyncio.run(tutor.recover()) == 0
        repeated = asyncio.run(tutor.ask(TurnRequest(question=QUESTIONS[0], thread="t0", id="r0")))
        assert repeated.model_dump(mode="json") == threads.turns("t0")[0].answer
        assert len(model.questions) == sum(asked) and executor.runs == 3
