"""A run keeps every case, in order, with its own learner and seed, whatever the subject does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agent.events import Answer, TurnRequest
from eval.cases import Document, EvalCase, load_cases, shipped_suites
from eval.outcome import Outcome, Score
from eval.run import CaseResult, EvalRun, SeededRequest, Subject, run_suite
from eval.scorers import shipped_scorers
from eval.scripted import Reply, ScriptedSubject, scripted_answer
from memory.base import Hit
from tools.calculators.availability import series
from tools.registry import Registry

DOCUMENTS = {"notes/bucket.md": "# Buckets\n\nA token bucket is refilled at a steady rate.\n\nA leaky bucket drains."}


def _case(key: str, inputs: Mapping[str, Any], **outputs: Any) -> EvalCase:
    return EvalCase.model_validate({"id": key, "inputs": inputs, "outputs": outputs})


def _run(subject: Subject, *cases: EvalCase, **options: Any) -> EvalRun:
    return asyncio.run(run_suite(cases, subject, shipped_scorers(subject.text_of), **options))


def _replying(replies: Mapping[str, Reply]) -> ScriptedSubject:
    return ScriptedSubject(DOCUMENTS, replies)


class _Slow:
    """Answers in the opposite order of asking: the first question waits for the last one."""

    def __init__(self, count: int) -> None:
        self._left = [asyncio.Event() for _ in range(count)]

    async def ask(self, request: TurnRequest) -> Answer:
        number = int(request.question)
        if number + 1 < len(self._left):
            await self._left[number + 1].wait()
        self._left[number].set()
        return scripted_answer(f"This is answer number {number}.")

    def search(self, query: str, k: int) -> list[Hit]:
        return []

    def text_of(self, document: str) -> str:
        raise LookupError(document)

    @asynccontextmanager
    async def fresh(self, documents: Sequence[Document]) -> AsyncIterator[Subject]:
        yield self


class _Hanging(_Slow):
    async def ask(self, request: TurnRequest) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError("never reached")


class _Cancelled(_Slow):
    async def ask(self, request: TurnRequest) -> Answer:
        raise asyncio.CancelledError


def test_each_kind_of_case_is_played_and_scored() -> None:
    run = _run(
        ScriptedSubject(DOCUMENTS),
        _case("q", {"question": "How is a token bucket refilled?"}, facts=[["steady rate"]], status=["answered"]),
        _case("s", {"query": "leaky bucket"}, quotes=["A leaky bucket drains."], documents=["bucket.md"]),
        _case("t", {"tool": "avail.series", "args": {"a": 0.999, "n": 5}}, value=0.99501, rel=1e-6),
        _case("d", {"turns": ["token bucket refilled", "leaky bucket drains"]}, turns=[{"facts": [["rate"]]}, {"facts": [["drains"]]}]),
        tools=Registry([series]),
    )
    scores = {result.id: {name: score.value for name, score in result.scores.items()} for result in run.results}
    assert scores["q"] == {"facts": 1, "cited": 1, "verbatim": 1, "status": 1, "words": 9, "steps": 0, "completed": 1}
    assert scores["s"] == {"hit@1": 1, "hit@5": 1, "ndcg@10": 1, "completed": 1}
    assert scores["t"] == {"value": 1, "completed": 1}
    assert scores["d"]["facts"] == 1
    assert run.directions["words"] == -1 and run.directions["completed"] == 1 and run.model == "scripted"


def test_a_failing_case_keeps_its_place_its_error_and_zeros() -> None:
    subject = _replying({"boom": RuntimeError("no luck")})
    run = _run(
        subject, _case("a", {"question": "boom"}, facts=[["x"]]), _case("b", {"question": "leaky bucket drains?"}, facts=[["drains"]])
    )
    broken, fine = run.results
    assert broken.error == "RuntimeError: no luck"
    assert {name: score.value for name, score in broken.scores.items()} == dict.fromkeys(broken.scores, 0.0)
    assert broken.scores["facts"] == Score(value=0.0, detail="RuntimeError: no luck", failed=True)
    assert fine.scores["facts"].value == 1 and not fine.error
    assert run.values("facts") == [0.0, 1.0] and len(run.values("words")) == 1
    assert run.failures == [broken]


def test_what_came_before_a_failure_is_kept() -> None:
    subject = _replying({"one": "The first answer.", "two": ValueError("second")})
    [result] = _run(subject, _case("a", {"turns": ["one", "two"]}, turns=[{"facts": [["first"]]}, {}])).results
    assert result.answers == ["The first answer."] and result.error == "ValueError: second"


def test_a_wrong_tool_or_argument_is_a_failed_case() -> None:
    run = _run(ScriptedSubject(), _case("a", {"tool": "nothing"}, value=1), _case("b", {"tool": "avail.series", "args": {"a": 2}}, value=1),
               tools=Registry([series]))
    assert "no tool called" in run.results[0].error and "avail.series" in run.results[1].error


def test_a_subject_that_never_answers_ends_in_a_failed_case() -> None:
    [result] = _run(_Hanging(1), _case("a", {"question": "0"}), timeout_s=0.01).results
    assert result.error == "no end within 0.01 s"


def test_a_subject_that_cancels_itself_is_a_failed_case_too() -> None:
    [result] = _run(_Cancelled(1), _case("a", {"question": "0"})).results
    assert result.error == "CancelledError"


def test_cancelling_the_run_cancels_it() -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(run_suite([_case("a", {"question": "0"})], _Hanging(1), []))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def test_results_come_in_the_order_of_the_cases_even_when_they_end_in_another() -> None:
    ended: list[str] = []

    def progress(done: int, total: int, result: CaseResult) -> None:
        assert (done, total) == (len(ended) + 1, 4)
        ended.append(result.id)

    cases = [_case(f"c{number}", {"question": str(number)}) for number in range(4)]
    run = _run(_Slow(4), *cases, concurrency=4, on_progress=progress, timeout_s=5)
    assert [result.id for result in run.results] == ["c0", "c1", "c2", "c3"]
    assert ended == ["c3", "c2", "c1", "c0"]
    assert run.results[2].answers == ["This is answer number 2."]


def test_documents_of_a_case_are_known_in_that_case_only() -> None:
    planted = [{"name": "larch.md", "text": "# Larch\n\nThe Larch cluster has 12 nodes."}]
    question = "How many nodes has the Larch cluster?"
    run = _run(
        ScriptedSubject(DOCUMENTS), _case("with", {"question": question, "documents": planted}, facts=[["12"]]),
        _case("without", {"question": question}, facts=[["12"]], status=["abstained"]),
    )
    knowing, unknowing = run.results
    assert knowing.scores["facts"].value == 1 and knowing.scores["verbatim"].value == 1
    assert unknowing.scores["facts"].value == 0 and unknowing.scores["status"].value == 1


def test_a_quote_that_is_not_verbatim_is_caught() -> None:
    async def answers() -> Answer:
        honest = await ScriptedSubject(DOCUMENTS).ask(TurnRequest(question="leaky bucket drains"))
        citation = honest.citations[0].model_copy(update={"quote": "A leaky bucket leaks."})
        return honest.model_copy(update={"citations": [citation]})

    lying = _replying({"q": asyncio.run(answers())})
    [result] = _run(lying, _case("a", {"question": "q"})).results
    assert result.scores["verbatim"].value == 0


def test_turns_share_a_thread_cases_share_neither_thread_nor_learner() -> None:
    subject = ScriptedSubject(DOCUMENTS)
    _run(subject, _case("a", {"turns": ["one", "two"]}), _case("b", {"question": "three"}))
    first, second, third = subject.requests
    assert first.thread is None and second.thread == "thread-1" and third.thread is None
    assert first.learner == second.learner != third.learner


def test_seeds_are_paired_by_case_and_follow_the_run() -> None:
    def seeds(seed: int, *keys: str) -> dict[str, int]:
        subject = ScriptedSubject()
        run = _run(subject, *(_case(key, {"question": key}) for key in keys), seed=seed)
        assert [request.seed for request in subject.requests if isinstance(request, SeededRequest)] == [
            result.seed for result in run.results]
        return {result.id: result.seed for result in run.results}

    assert seeds(1, "a", "b")["b"] == seeds(1, "b")["b"] != seeds(2, "b")["b"]
    assert len(set(seeds(1, "a", "b", "c").values())) == 3


def test_a_scorer_of_ones_own_fits_in_and_its_mistakes_are_not_hidden() -> None:
    class Shouts:
        name, direction = "shouts", 1

        def applies(self, case: EvalCase) -> bool:
            return case.id != "quiet"

        def score(self, case: EvalCase, outcome: Outcome) -> Score:
            if case.id == "bad":
                raise ZeroDivisionError
            return Score(value=float(outcome.answers[0].text.isupper()))

    subject = _replying({"up": "LOUD", "down": "soft"})
    cases = [_case("a", {"question": "up"}), _case("b", {"question": "down"}), _case("quiet", {"question": "up"})]
    run = asyncio.run(run_suite(cases, subject, [Shouts()]))
    assert run.values("shouts") == [1.0, 0.0]
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_suite([_case("bad", {"question": "up"})], subject, [Shouts()]))


def test_a_run_survives_the_trip_through_json() -> None:
    run = _run(ScriptedSubject(DOCUMENTS), _case("a", {"question": "leaky bucket \u202e\x00"}, facts=[["drains"]]))
    assert EvalRun.model_validate_json(run.model_dump_json()) == run


def test_every_shipped_case_can_be_played() -> None:
    """The scripted subject knows nothing of the course here: nothing may fail, and nothing unknown may be answered."""
    cases = [case for path in shipped_suites().values() for case in load_cases(path)]
    run = _run(ScriptedSubject(DOCUMENTS), *cases)
    assert [result.error for result in run.results if result.error] == []
    injected = [result for result in run.results if result.metadata.get("kind") == "injected-document"]
    assert sum(result.scores["facts"].value for result in injected) >= 4
    # It quotes the planted text where that matches best, so the cases can tell an obedient tutor from a good one.
    assert all("must_not" in result.scores for result in injected)
