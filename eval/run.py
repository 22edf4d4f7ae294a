"""Runs cases against a subject and scores what comes back; knows neither the tutor nor what the scorers look at."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic import BaseModel, Field

from agent.events import Answer, TurnRequest
from eval.cases import Document, EvalCase, Kind
from eval.outcome import Outcome, Score
from eval.ranking import SEARCH_DEPTH
from eval.scorers import Scorer
from memory.base import Hit, MemoryFault
from tools.base import ToolResult
from tools.registry import Registry, load_tools

COMPLETED = "completed"
"""The metric that every run has: 1 for a case that was finished, 0 for one that failed."""

CASE_TIMEOUT_S = 120.0


class SeededRequest(TurnRequest):
    """A request that also carries the case's seed, for subjects that draw random numbers: two runs of the same case
    with the same run seed get the same one, so that their difference isn't luck of the draw."""

    seed: int = 0


class Subject(Protocol):
    """What is evaluated. Anything it raises becomes a failed case."""

    async def ask(self, request: TurnRequest) -> Answer: ...

    def search(self, query: str, k: int) -> list[Hit]: ...

    def text_of(self, document: str) -> str:
        """The text that a citation's offsets count in. Raises LookupError or MemoryFault for an unknown document."""
        ...

    def fresh(self, documents: Sequence[Document]) -> AbstractAsyncContextManager[Subject]:
        """A subject of its own that also knows these documents; what happens to it leaves this one untouched."""
        ...


class CaseResult(BaseModel):
    """One case of a run. `target` is what was expected, in words; `ms` is wall time."""

    id: str
    kind: Kind
    fingerprint: str
    seed: int
    asked: list[str]
    answers: list[str] = Field(default_factory=list)
    statuses: list[str] = Field(default_factory=list)
    target: list[str] = Field(default_factory=list)
    scores: dict[str, Score] = Field(default_factory=dict)
    error: str = ""
    ms: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    metadata: dict[str, Any] = Field(default_factory=dict)


class EvalRun(BaseModel):
    """Results in the order of the cases. `directions` has an entry a metric: 1 more is better, -1 a cost."""

    suite: str
    run: str
    seed: int
    model: str
    started: str
    finished: str
    directions: dict[str, int]
    results: list[CaseResult]

    @property
    def failures(self) -> list[CaseResult]:
        """The cases that weren't finished."""
        return [result for result in self.results if result.error]

    def values(self, metric: str) -> list[float]:
        """The metric over the cases that have it. A failed case counts as 0, but has no cost that could be compared."""
        scores = [result.scores[metric] for result in self.results if metric in result.scores]
        return [score.value for score in scores if self.directions[metric] > 0 or not score.failed]


Progress = Callable[[int, int, CaseResult], None]
"""Called after each case: how many are done, how many there are, and the one that was just finished."""


@dataclass
class _Played:
    """What came back so far, kept when a later step of the case fails."""

    answers: list[Answer] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    result: ToolResult | None = None
    texts: dict[str, str] = field(default_factory=dict)


async def run_suite(
    cases: Sequence[EvalCase], subject: Subject, scorers: Sequence[Scorer], on_progress: Progress | None = None, *,
    suite: str = "suite", seed: int = 0, concurrency: int = 1, timeout_s: float = CASE_TIMEOUT_S,
    tools: Registry | None = None,
) -> EvalRun:
    """Runs every case once and scores it. A failed case keeps its place, its error and 0 in every metric it has.

    `concurrency` cases run at a time, each bounded by `timeout_s`; `tools` are for tool cases (default: all of them).
    """
    started, run = datetime.now(UTC), uuid.uuid4().hex
    gate, done, models = asyncio.Semaphore(concurrency), 0, Counter[str]()

    async def one(case: EvalCase) -> CaseResult:
        nonlocal done
        async with gate:
            case_seed = _seed(seed, case.id)
            # A learner of its own for each case: what one case teaches the tutor must not help or hurt another.
            learner = f"eval-{run[:12]}-{case.id}"
            outcome = await _outcome(case, subject, learner, case_seed, timeout_s, tools)
        models.update(answer.model for answer in outcome.answers if answer.model)
        result = _result(case, outcome, scorers, case_seed)
        done += 1
        if on_progress:
            on_progress(done, len(cases), result)
        return result

    results = await asyncio.gather(*(one(case) for case in cases))
    applicable = {name for result in results for name in result.scores}
    directions = {each.name: each.direction for each in scorers if each.name in applicable} | {COMPLETED: 1}
    model = models.most_common(1)[0][0] if models else ""
    return EvalRun(suite=suite, run=run, seed=seed, model=model, started=started.isoformat(),
                   finished=datetime.now(UTC).isoformat(), directions=directions, results=list(results))


def _seed(seed: int, case_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{case_id}".encode()).digest()[:4], "big")


async def _outcome(
    case: EvalCase, subject: Subject, learner: str, seed: int, timeout_s: float, tools: Registry | None,
) -> Outcome:
    played, clock = _Played(), time.perf_counter()
    # gather hands the failure over as a value, whatever its type; cancelling the run still cancels it.
    [failure] = await asyncio.gather(
        asyncio.wait_for(_play(case, subject, learner, seed, tools, played), timeout_s), return_exceptions=True
    )
    seconds = time.perf_counter() - clock
    error = "" if failure is None else f"{type(failure).__name__}: {failure}".rstrip(": ")
    if isinstance(failure, TimeoutError) and seconds >= timeout_s:
        error = f"no end within {timeout_s:g} s"
    return Outcome(tuple(played.answers), tuple(played.hits), played.result, played.texts, error, seconds * 1000)


async def _play(
    case: EvalCase, subject: Subject, learner: str, seed: int, tools: Registry | None, played: _Played,
) -> None:
    if case.kind == "tool":
        played.result = (tools or load_tools()).get(str(case.inputs.tool)).run(case.inputs.args, seed)
        return
    async with AsyncExitStack() as stack:
        if case.inputs.documents:
            subject = await stack.enter_async_context(subject.fresh(case.inputs.documents))
        if case.outputs.quotes or case.outputs.documents:
            played.hits.extend(subject.search(case.asked[-1], SEARCH_DEPTH))
        if case.kind == "query":
            return
        thread = None
        for question in case.asked:
            answer = await subject.ask(SeededRequest(
                question=question, thread=thread, learner=learner, mode=case.inputs.mode, seed=seed))
            played.answers.append(answer)
            thread = answer.thread
        played.texts.update(_cited_texts(played.answers, subject))


def _cited_texts(answers: Sequence[Answer], subject: Subject) -> dict[str, str]:
    texts = {}
    for document in {citation.document for answer in answers for citation in answer.citations}:
        try:
            texts[document] = subject.text_of(document)
        except (LookupError, MemoryFault):
            continue
    return texts


def _result(case: EvalCase, outcome: Outcome, scorers: Sequence[Scorer], seed: int) -> CaseResult:
    scores = {}
    for scorer in scorers:
        if scorer.applies(case):
            scores[scorer.name] = (
                Score(value=0.0, detail=outcome.error, failed=True) if outcome.error else scorer.score(case, outcome)
            )
    scores[COMPLETED] = Score(value=float(not outcome.error), detail=outcome.error, failed=bool(outcome.error))
    return CaseResult(
        id=case.id, kind=case.kind, fingerprint=case.fingerprint, seed=seed, asked=case.asked,
        answers=[answer.text for answer in outcome.answers] or _shown(outcome),
        statuses=[answer.status for answer in outcome.answers], target=_target(case), scores=scores,
        error=outcome.error, ms=outcome.ms, metadata=case.metadata,
        input_tokens=sum(answer.usage.input_tokens for answer in outcome.answers),
        output_tokens=sum(answer.usage.output_tokens for answer in outcome.answers),
    )


def _shown(outcome: Outcome) -> list[str]:
    """What a case without answers gave, for a reader: the summary of a tool, or where the best hits lie."""
    if outcome.result:
        return [outcome.result.summary or str(outcome.result.values)]
    places = [f"{hit.passage.document}[{hit.passage.start}:{hit.passage.end}]" for hit in outcome.hits[:5]]
    return [", ".join(places)] if places else []


def _target(case: EvalCase) -> list[str]:
    expected = case.outputs
    facts = [group for outputs in (expected, *expected.turns) for group in outputs.facts]
    return [*expected.quotes, *expected.documents, *(" | ".join(group) for group in facts),
            *([] if expected.value is None else [f"{expected.value:g}"]), *(expected.corrections or []),
            *(f"status {status}" for status in expected.status), *(f"not: {text}" for text in expected.must_not)]
