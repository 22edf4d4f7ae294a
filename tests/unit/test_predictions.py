"""Predict, then run: a result is kept back until the learner has said a number, and both are kept side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from agent.events import Answer, TurnRequest
from agent.predictions import Prediction, asked_value, asks, compared, declined, question_for, read_prediction, told
from agent.scripted import ScriptedModel, script
from agent.tutor import Tutor
from memory.open import open_in_memory
from memory.predictions import Predictions
from tests.conftest import OpenTutor
from tests.unit.test_http import API, opened, refused
from tools.base import Params, Tool, ToolResult, param, tool
from tools.executor import InlineExecutor
from tools.registry import Registry, load_tools

QPS = "An app has 40M DAU and each user makes 25 requests a day. Average QPS?"


@pytest.fixture(scope="module")
def few() -> Registry:
    """Real tools, so that the offline reasoner has words to choose by; few, so that it starts at once."""
    every = load_tools()
    return Registry([every.get(name) for name in ("traffic-sheet", "availability", "estimate-check", "calculate")])


@pytest.fixture
def learn(tutor_with: OpenTutor, few: Registry) -> Callable[..., Any]:
    """learn(model=…) opens a tutor over few tools."""
    return lambda **parts: tutor_with(registry=few, executor=InlineExecutor(), **parts)


async def say(tutor: Tutor, text: str, thread: str | None = "t", mode: str = "socratic", **more: Any) -> Answer:
    return await tutor.ask(TurnRequest(question=text, thread=thread, mode=mode, **more))


def calls(name: str, key: str = "c1", **args: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": key}])


# ---- the flow, offline


async def test_a_result_waits_for_a_number_and_then_both_are_shown_and_kept(learn: Callable[..., Any]) -> None:
    with learn() as tutor:
        asked = await say(tutor, QPS)
        assert asked.status == "clarify" and "what do you expect" in asked.text and "rps" in asked.text
        assert "11,574" not in str(asked) and "11574" not in str(asked)
        shown = await say(tutor, "about 5,800 rps, 70% sure")
        assert shown.text.startswith("You expected 5,800 rps (70% sure); it is 11,574 rps: off by a factor of 2.")
        assert {tag.text: tag.kind for tag in shown.numbers if tag.text in ("5,800", "11,574")} == {"5,800": "computed", "11,574": "computed"}
        kept, = tutor.predictions.listing("local")
    assert (kept["tool"].split("@")[0], kept["value"], kept["confidence"], kept["unit"]) == ("traffic-sheet", 5800, 0.7, "rps")
    assert (kept["actual"], kept["error_factor"]) == pytest.approx((11574.07, 1.99553), rel=1e-5)


async def test_direct_mode_keeps_nothing_back(learn: Callable[..., Any]) -> None:
    with learn() as tutor:
        answer = await say(tutor, QPS, mode="direct")
        assert "11,574" in answer.text and tutor.predictions.listing("local") == []


@pytest.mark.parametrize("order", ["just run it", "skip", "no idea", "Please run it.", "idk", "pass", "tell me"])
async def test_whoever_would_rather_see_it_sees_it_and_nothing_is_kept(learn: Callable[..., Any], order: str) -> None:
    with learn() as tutor:
        await say(tutor, QPS)
        answer = await say(tutor, order)
        assert "11,574" in answer.text and "expected" not in answer.text
        assert tutor.predictions.listing("local") == []


@pytest.mark.parametrize("question", ["What does a queue decouple?", "what is LRU eviction with 3 entries?", "how does LRU eviction work?"])
async def test_another_question_is_answered_and_is_no_prediction(learn: Callable[..., Any], question: str) -> None:
    with learn() as tutor:
        await say(tutor, QPS)
        answer = await say(tutor, question)
        assert answer.status == "answered" and "11,574" not in answer.text and tutor.predictions.listing("local") == []


async def test_a_changed_input_asks_for_the_prediction_again(learn: Callable[..., Any]) -> None:
    with learn() as tutor:
        await say(tutor, QPS)
        again = await say(tutor, "now with 80M DAU")
        assert again.status == "clarify" and "what do you expect" in again.text
        assert "it is 23,148 rps: right on it" in (await say(tutor, "23,148")).text
        kept, = tutor.predictions.listing("local")
    assert kept["args"]["daily_users"] == 80_000_000


async def test_of_a_long_reply_no_number_is_taken(learn: Callable[..., Any]) -> None:
    reasoning = "Let me think: 40M users with 25 requests each are 1,000M requests in all and a day has 86,400 seconds and so I " \
                "divide the one by the other and then I come to roughly 11,000 or it may be 12,000 a second in the end"
    assert len(reasoning.split()) > 40
    with learn() as tutor:
        await say(tutor, QPS)
        assert "expected" not in (await say(tutor, reasoning)).text
        assert tutor.predictions.listing("local") == []


async def test_the_mode_of_the_reply_does_not_matter(learn: Callable[..., Any]) -> None:
    with learn() as tutor:
        await say(tutor, QPS)
        assert (await say(tutor, "11,574", mode="direct")).text.startswith("You expected 11,574 rps; it is 11,574 rps: right on it.")


async def test_a_prediction_belongs_to_the_turn_before_and_to_its_thread(learn: Callable[..., Any]) -> None:
    with learn() as tutor:
        await say(tutor, QPS)
        await say(tutor, "500", thread="elsewhere")
        await say(tutor, "What does a queue decouple?")
        await say(tutor, "500")
        assert tutor.predictions.listing("local") == []


async def test_the_listing_is_the_learners_own_and_newest_first(learn: Callable[..., Any]) -> None:
    with learn() as tutor:
        for number, learner in enumerate(("ann", "bob", "ann"), start=1):
            await say(tutor, QPS, thread=f"t{number}", learner=learner)
            await say(tutor, str(number * 1000), thread=f"t{number}", learner=learner)
        assert [row["value"] for row in tutor.predictions.listing("ann")] == [3000, 1000]
        assert [row["value"] for row in tutor.predictions.listing("bob")] == [2000]


# ---- the same with a chat model

SAID = "Two replicas give an availability of 0.9999."
TWO = {"availability": 0.99, "replicas": 2}


async def test_a_chat_models_call_is_kept_back_from_the_learner_and_from_the_model(learn: Callable[..., Any]) -> None:
    model = script(calls("availability", **TWO), SAID)
    with learn(model=model) as tutor:
        asked = await say(tutor, "How available are two replicas at 99%?")
        assert asked.status == "clarify" and "what do you expect" in asked.text and "0.9999" not in str(asked)
        assert len(model.calls) == 1  # the question before the result is no model's
        shown = await say(tutor, "0.99, 80% sure")
        assert len(model.calls) == 2 and "0.9999" in str(model.calls[1][-1].content)
        kept, = tutor.predictions.listing("local")
    assert shown.text.startswith("You expected 0.99 (80% sure); it is 0.9999") and SAID in shown.text
    assert (kept["value"], kept["confidence"], kept["actual"]) == (0.99, 0.8, pytest.approx(0.9999))


async def test_of_two_calls_the_first_is_asked_for_and_neither_is_shown(learn: Callable[..., Any]) -> None:
    both = AIMessage("", tool_calls=[{"name": "availability", "args": TWO, "id": "a"},
                                     {"name": "availability", "args": {"availability": 0.9, "replicas": 3}, "id": "b"}])
    with learn(model=script(both, SAID)) as tutor:
        asked = await say(tutor, "How available are two replicas at 99%?")
        assert "0.9999" not in str(asked) and "0.999" not in str(asked)
        assert "it is 0.9999" in (await say(tutor, "0.99")).text


async def test_a_tool_error_and_a_search_go_to_the_model_as_ever(learn: Callable[..., Any]) -> None:
    model = script(calls("availability", availability=7), calls("search_notes", query="queue"),
                   "A queue decouples producers from consumers because it buffers messages while consumers are slow [1].")
    with learn(model=model) as tutor:
        answer = await say(tutor, "What does a queue decouple?")
    assert answer.status == "answered" and len(model.calls) == 3


async def test_a_second_call_after_the_prediction_is_asked_for_as_well(learn: Callable[..., Any]) -> None:
    model = script(calls("availability", **TWO), calls("availability", "c2", availability=0.9, replicas=2), "Two replicas at 90% give 0.99.")
    with learn(model=model) as tutor:
        await say(tutor, "How available are two replicas at 99%?")
        second = await say(tutor, "0.99")
        assert second.text.startswith("You expected 0.99; it is 0.9999") and "what do you expect" in second.text
        assert "it is 0.99: right on it" in (await say(tutor, "0.99")).text
        assert len(tutor.predictions.listing("local")) == 2


class Greet(Params):
    name: str = param("you")


class Endless(Params):
    speed: float = param(1.0, ge=0, le=9)


@tool("greet", group="test", example={})
def greet(params: Greet, seed: int) -> ToolResult:
    """Nothing that could be turned."""
    return ToolResult(tool="greet", values={"length": len(params.name)}, summary="Hello.")


@tool("endless", group="test", example={})
def endless(params: Endless, seed: int) -> ToolResult:
    """Never ends."""
    return ToolResult(tool="endless", values={"time_s": float("inf"), "flag": True}, summary="It never ends.")


@pytest.mark.parametrize("played", [greet, endless], ids=lambda each: str(each.name))
async def test_what_has_nothing_to_turn_or_to_guess_runs_at_once(tutor_with: OpenTutor, played: Tool) -> None:
    model = script(calls(played.name), "It ran.", "It ran.")
    with tutor_with(model=model, registry=Registry([played]), executor=InlineExecutor()) as tutor:
        assert (await say(tutor, "please run it")).status != "clarify"
    assert len(model.calls) >= 2


# ---- once a turn


async def test_a_turn_that_is_done_again_keeps_its_prediction_once(learn: Callable[..., Any]) -> None:
    model: ScriptedModel = script(calls("availability", **TWO), SAID, SAID)
    with learn(model=model) as tutor:
        await say(tutor, "How available are two replicas at 99%?")
        await say(tutor, "0.99", id="again")
        # As after a crash between the prediction's row and the turn's end.
        db = tutor.parts.memory.db
        with db.transaction(durable=True):
            db.execute("update turns set status = 'running', answer = null where id = 'again'")
        assert await tutor.recover() == 1
        assert len(model.calls) == 3
        assert [row["value"] for row in tutor.predictions.listing("local")] == [0.99]
        assert "You expected 0.99" in str(tutor.parts.threads.history("t")[-1].answer)


async def test_a_reviewed_turn_keeps_its_prediction_when_it_is_decided(learn: Callable[..., Any]) -> None:
    with learn(model=script(calls("availability", **TWO), SAID)) as tutor:
        await say(tutor, "How available are two replicas at 99%?")
        waiting = await say(tutor, "0.99", review=True)
        assert waiting.status == "review" and tutor.predictions.listing("local") == []
        done = await tutor.decide(str(waiting.review_id), "approve")
        assert "You expected 0.99" in done.text and len(tutor.predictions.listing("local")) == 1


def test_rows_are_kept_once_a_key_with_what_may_be_unknown() -> None:
    memory = open_in_memory()
    now = iter(range(100))
    kept = Predictions(memory.db, lambda: float(next(now)))
    row = {"name": "x", "unit": "s", "value": 1.0, "confidence": None, "actual": -2.0, "error_factor": None}
    for key in ("a", "a", None, None):
        kept.add("ann", "t@1", {"b": 1, "a": [2]}, row, key)
    found = kept.listing("ann")
    assert len(found) == 3 and found[0]["when"] > found[-1]["when"] and found[-1]["id"] == "a"
    assert {**found[0], **row, "args": {"a": [2], "b": 1}, "tool": "t@1"} == found[0]
    assert len(kept.listing("ann", limit=2)) == 2 and kept.listing("bob") == []
    memory.close()


# ---- reading a reply


@pytest.mark.parametrize(("reply", "unit", "value", "confidence"), [
    ("500", "rps", 500, None), ("about 3k, 70% sure", "rps", 3000, 0.7), ("1.2M", "rps", 1.2e6, None), ("500 rps, 80%", "rps", 500, 0.8),
    ("500, 0.8 confident", "rps", 500, 0.8), ("I'd say 1,100 rps; confidence 60", "rps", 1100, 0.6), ("5 h, confidence 0.7", "h", 5, 0.7),
    ("90% sure: 500", "rps", 500, 0.9), ("pretty sure 500 rps", "rps", 500, 0.8), ("not sure, 12", "h", 12, 0.3), ("uncertain, 5", "h", 5, 0.3),
    ("not very sure, 40", "GB", 40, 0.3), ("50/50, 300", "rps", 300, 0.5), ("300, 50/50", "rps", 300, 0.5), ("no idea, maybe 500", "rps", 500, None),
    ("2 hours", "min", 120, None), ("90 min", "h", 1.5, None), ("500 MB", "GB", 0.5, None), ("2 TB", "GB", 2000, None), ("4 Gbps", "MB/s", 500, None),
    ("500 MB/s", "Gbps", 4, None), ("96M a day", "rps", 96e6 / 86_400, None), ("5%", "fraction", 0.05, None), ("5%, 80% sure", "fraction", 0.05, 0.8),
    ("99.9% 70% sure", "fraction", 0.999, 0.7), ("95%", "%", 95, None), ("3 nines", "fraction", 0.999, None), ("$40", "USD", 40, None),
    ("10^5", "rps", 1e5, None), ("-3", "", -3, None), ("zero", "h", 0, None), ("twelve", "h", 12, None), ("is it 500?", "rps", 500, None),
    ("12 GB, 200% sure", "GB", 12, 1.0), ("300 rps pass the limiter, 80% sure", "rps", 300, 0.8),
])
def test_a_number_and_a_confidence_are_read(reply: str, unit: str, value: float, confidence: float | None) -> None:
    assert not asks(reply) and not declined(reply)
    assert read_prediction(reply, unit) == Prediction(pytest.approx(value), confidence)


@pytest.mark.parametrize("reply", ["", "a lot", "70% sure", "nan", "inf", "1e400", "9" * 400, "?!"])
def test_where_there_is_no_number_there_is_no_prediction(reply: str) -> None:
    assert read_prediction(reply, "rps") is None


@pytest.mark.parametrize("reply", [
    "what happens with 3 replicas?", "why 3?", "now with 20M users", "make it 20M", "tell me about 3 caches", "how does 500 pass the limiter?",
    "can you explain three nines", "ok, and what about the peak of 3x?", "show me where the notes say 3x", "run traffic-sheet with 12M users",
])
def test_questions_and_changes_are_told_from_guesses(reply: str) -> None:
    assert asks(reply) and not declined(reply)


@pytest.mark.parametrize("reply", ["just run it", "run", "yes, run", "go ahead", "no", "give me the answer", "I can't say", "not sure", "I don't know"])
def test_orders_to_run_are_told_from_questions(reply: str) -> None:
    assert declined(reply) and not asks(reply)


@given(st.text(max_size=120), st.sampled_from(["", "rps", "fraction", "%", "GB", "MB/s", "GB/", "/s", "nodes"]))
def test_reading_never_raises(reply: str, unit: str) -> None:
    found = read_prediction(reply, unit)
    declined(reply), asks(reply)
    assert found is None or found.confidence is None or 0 <= found.confidence <= 1


# ---- question and comparison

RESULT = {"tool": "avail@2", "values": {"ok": True, "text": "x", "rows": [1], "average_qps": 10.0, "peak_qps": 30.0, "never": float("nan")},
          "units": {"peak_qps": "rps"}}


def test_the_value_that_is_asked_about_is_predicted() -> None:
    assert asked_value(RESULT, "What is the peak?") == "peak_qps"
    assert asked_value(RESULT, "What is it?") == "average_qps"
    assert asked_value(RESULT, "The peak is 3x the average. How many requests per second on average?") == "average_qps"
    assert asked_value({"values": {"requests_per_day": 1, "peak_qps": 2, "qps": 3}}, "25 requests a day each. Average rps?") == "qps"
    assert asked_value({"values": {"ok": True, "never": float("inf")}}, "never?") is None
    asked = question_for(RESULT, "What is the peak?")
    assert asked is not None and (asked["name"], asked["unit"]) == ("peak_qps", "rps")
    assert asked["text"].startswith("Before I run avail: what do you expect for peak qps (in rps)?")
    assert question_for({"values": {}}, "x") is None


@pytest.mark.parametrize(("guess", "actual", "factor", "said"), [
    (30.0, 30.0, 1.0, "right on it"), (10.0, 30.0, 3.0, "off by a factor of 3"), (90.0, 30.0, 3.0, "off by a factor of 3"),
    (-10.0, -30.0, 3.0, "off by a factor of 3"), (0.0, 0.0, 1.0, "right on it"), (0.0, 30.0, None, "the sign or a zero is off"),
    (-1.0, 30.0, None, "the sign or a zero is off"), (1e-320, 1e300, None, "the sign or a zero is off"),
])
def test_how_far_off_it_was(guess: float, actual: float, factor: float | None, said: str) -> None:
    found = compared(Prediction(guess, 0.5), {"values": {"x": actual}, "units": {"x": "rps"}}, "x")
    assert found["error_factor"] == (None if factor is None else pytest.approx(factor))
    assert said in told(found, str) and "(50% sure)" in told(found, str)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_the_factor_is_the_same_both_ways_and_never_below_one(a: float, b: float) -> None:
    there, back = (compared(Prediction(x), {"values": {"x": y}}, "x")["error_factor"] for x, y in ((a, b), (b, a)))
    assert there == back and (there is None or 1 <= there < float("inf"))


# ---- over HTTP

MADE = {"tool": "odds@1", "args": {"wins": 2}, "name": "odds", "unit": "", "value": 3.0, "confidence": 0.5, "actual": 2.0, "error_factor": 1.5}


async def test_predictions_are_kept_and_listed(tmp_path: Any) -> None:
    async with opened(tmp_path) as site:
        assert (await site.client.get(f"{API}/predictions")).json() == {"predictions": []}
        made = await site.client.post(f"{API}/predictions", json=MADE)
        assert (made.status_code, made.json()) == (201, {"kept": 1})
        await site.client.post(f"{API}/predictions", json={**MADE, "learner": "ann", "confidence": None, "error_factor": None})
        [row] = (await site.client.get(f"{API}/predictions")).json()["predictions"]
        assert {**row, **MADE} == row
        [hers] = (await site.client.get(f"{API}/predictions?learner=ann")).json()["predictions"]
        assert hers["confidence"] is None and hers["error_factor"] is None
        for _ in range(2):
            await site.client.post(f"{API}/predictions", json=MADE)
        assert len((await site.client.get(f"{API}/predictions?limit=2")).json()["predictions"]) == 2


async def test_what_is_no_prediction_is_refused(tmp_path: Any) -> None:
    async with opened(tmp_path) as site:
        for wrong in ({"value": None}, {"value": "many"}, {"confidence": 1.5}, {"actual": "x"}, {"name": None}):
            refused(await site.client.post(f"{API}/predictions", json={**MADE, **wrong}), 422, "bad_input")
        for figure in ("1e999", "-1e999", "NaN"):
            body = '{"tool": "t", "name": "x", "actual": 1, "value": ' + figure + "}"
            broken = await site.client.post(f"{API}/predictions", content=body, headers={"Content-Type": "application/json"})
            refused(broken, 422, "bad_input")
        for limit in ("0", "-1", "1001", "x"):
            refused(await site.client.get(f"{API}/predictions?limit={limit}"), 422, "bad_input")
        assert (await site.client.get(f"{API}/predictions")).json() == {"predictions": []}


async def test_only_the_owner_keeps_predictions(tmp_path: Any) -> None:
    async with opened(tmp_path, token="secret") as site:
        assert (await site.client.post(f"{API}/predictions", json=MADE)).status_code in (401, 403)
        mine = await site.client.post(f"{API}/predictions", json=MADE, headers={"Authorization": "Bearer secret"})
        assert mine.status_code == 201
