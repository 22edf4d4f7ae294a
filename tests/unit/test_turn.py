"""Whole turns through the graph, with the offline reasoner and with scripted models."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.messages import AIMessage

from agent.errors import BadQuestion, TurnError
from agent.events import Done, Started, TextDelta, TurnRequest
from agent.scripted import script
from memory.threads import ThreadBusy
from tests.conftest import NOTES, OpenTutor


def quotes_hold(answer: object) -> bool:
    return all(NOTES[c.start : c.end] == c.quote for c in answer.citations if c.document == "notes.md")  # type: ignore[attr-defined]


async def test_an_answer_is_cited_and_its_quotes_are_verbatim(tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        answer = await tutor.ask(TurnRequest(question="What is least recently used eviction?"))
    assert answer.status == "answered" and answer.citations and quotes_hold(answer)
    assert "read longest ago" in answer.text and "[1]" in answer.text
    assert answer.model == "offline" and answer.prompts["tutor"] == "1"


async def test_what_the_material_does_not_hold_is_said_so(tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        answer = await tutor.ask(TurnRequest(question="Who won the football world cup in 1998?"))
    assert answer.status == "abstained" and not answer.citations


async def test_events_come_in_order_and_spell_the_answer(tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        events = [event async for event in tutor.turn(TurnRequest(question="What does a queue decouple?"))]
    assert isinstance(events[0], Started) and isinstance(events[-1], Done)
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == events[-1].answer.text


async def test_a_follow_up_knows_the_thread_and_survives_a_new_tutor(tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        first = await tutor.ask(TurnRequest(question="What is a cache?"))
    with tutor_with() as tutor:
        second = await tutor.ask(TurnRequest(question="and its eviction?", thread=first.thread))
    assert second.thread == first.thread and "LRU" in second.text


async def test_the_same_request_id_runs_once(tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        first = await tutor.ask(TurnRequest(question="What is a cache?", id="r1"))
        again = await tutor.ask(TurnRequest(question="What is a cache?", id="r1"))
        assert first == again
        assert len(tutor.parts.threads.history(first.thread)) == 1


@pytest.mark.parametrize(("asked", "told"), [("openai:m", 1), ("offline", 0), (None, 0)])
async def test_who_finishes_a_turn_of_another_model_says_so(tutor_with: OpenTutor, asked: str | None, told: int) -> None:
    with tutor_with() as tutor:
        turn = tutor.parts.threads.admit({"question": "What is a cache?", "model": asked}, "t", "local", None, "trace")
        await tutor.recover()
        ended = tutor.parts.threads.get(turn.id)
    assert ended is not None and ended.answer is not None and ended.answer["model"] == "offline"
    notices = ended.answer["notices"]
    assert len(notices) == told and all("openai:m" in each and "offline reasoner finished it" in each for each in notices)


async def test_a_turn_keeps_which_model_it_was_asked_of(tutor_with: OpenTutor) -> None:
    with tutor_with(model=script("A cache keeps what is read often near.", cycle=True)) as tutor:
        answer = await tutor.ask(TurnRequest(question="What is a cache?"))
        kept = tutor.parts.threads.get(answer.id)
    assert kept is not None and kept.request["model"] == "scripted" and not any("finished it" in each for each in answer.notices)


async def test_one_writer_a_thread(tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        turn = tutor.parts.threads.admit({"question": "x"}, "t1", "local", None, "trace")
        with pytest.raises(ThreadBusy):
            await tutor.ask(TurnRequest(question="What is a cache?", thread="t1"))
        tutor.parts.threads.finish(turn, "failed", error={"code": "x"})
        assert (await tutor.ask(TurnRequest(question="What is a cache?", thread="t1"))).status == "answered"


async def test_a_question_that_is_too_long_is_refused_before_anything_is_kept(tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        with pytest.raises(BadQuestion, match="20,000"):
            await tutor.ask(TurnRequest(question="x" * 1_000_000))
        assert tutor.parts.threads.listing("local") == []


async def test_a_model_that_makes_things_up_is_caught_before_the_learner_reads_it(tutor_with: OpenTutor) -> None:
    lie = "An LRU cache was invented in 1987 and always keeps 42 entries."
    model = script(AIMessage(lie), AIMessage(lie))
    with tutor_with(model=model) as tutor:
        answer = await tutor.ask(TurnRequest(question="What is LRU eviction?"))
    assert "1987" not in answer.text and "42" not in answer.text
    assert answer.citations and quotes_hold(answer) and any("wasn't supported" in notice for notice in answer.notices)
    assert len(model.calls) == 2  # the draft, and one request to mend it


async def test_a_grounded_draft_of_a_model_is_kept_and_cited(tutor_with: OpenTutor) -> None:
    model = script("Least recently used eviction drops the entry that was read longest ago [1].")
    with tutor_with(model=model) as tutor:
        answer = await tutor.ask(TurnRequest(question="What is LRU eviction?"))
    assert answer.text.startswith("Least recently used eviction") and len(answer.citations) == 1 and not answer.notices


async def test_a_tool_call_is_carried_out_and_its_number_is_computed(tutor_with: OpenTutor) -> None:
    model = script(AIMessage("", tool_calls=[{"name": "availability", "args": {"availability": 0.99, "replicas": 2}, "id": "c1"}]),
                   "Two replicas give an availability of 0.9999.")
    with tutor_with(model=model) as tutor:
        answer = await tutor.ask(TurnRequest(question="How available are two replicas at 99%?"))
    assert [step.tool for step in answer.steps][-1] == "availability"
    assert {tag.kind for tag in answer.numbers if tag.text == "0.9999"} == {"computed"}


async def test_a_tool_error_goes_to_the_model_which_may_try_again(tutor_with: OpenTutor) -> None:
    model = script(AIMessage("", tool_calls=[{"name": "availability", "args": {"availability": 7}, "id": "c1"}]),
                   AIMessage("", tool_calls=[{"name": "availability", "args": {"availability": 0.9}, "id": "c2"}]),
                   "The availability is 0.9.")
    with tutor_with(model=model) as tutor:
        answer = await tutor.ask(TurnRequest(question="availability please"))
    assert "between 0 and 1" in answer.steps[-2].observation and answer.status == "answered"


async def test_a_loop_that_runs_in_circles_ends(tutor_with: OpenTutor) -> None:
    call = AIMessage("", tool_calls=[{"name": "search_notes", "args": {"query": "cache"}, "id": "c"}])
    with tutor_with(model=script(call, cycle=True), max_steps=5) as tutor:
        answer = await tutor.ask(TurnRequest(question="What is a cache?"))
    assert answer.status in ("answered", "abstained") and len(answer.steps) <= 8


async def test_a_defect_ends_the_turn_with_a_code_and_frees_the_thread(tutor_with: OpenTutor) -> None:
    with tutor_with(model=script(ZeroDivisionError("broken"))) as tutor:
        with pytest.raises(TurnError, match="trace"):
            await tutor.ask(TurnRequest(question="What is a cache?", thread="t"))
        with pytest.raises(ZeroDivisionError):
            await asyncio.gather(*tutor._running)
        assert tutor.parts.threads.unfinished() == []


async def test_every_turn_leaves_a_trace_without_message_text(tutor_with: OpenTutor) -> None:
    from memory.traces import Traces

    with tutor_with() as tutor:
        answer = await tutor.ask(TurnRequest(question="What is a cache?"))
        spans = Traces(tutor.parts.memory.db).get(answer.trace)
    names = {span.attributes["gen_ai.operation.name"] for span in spans}
    assert {"invoke_agent", "chat", "retrieval"} <= names
    assert "tutor@1" in next(span for span in spans if span.parent is None).attributes["tutor.prompts"]
    assert "cache" not in str([span.attributes for span in spans])
