"""One turn from request to answer: admission, lock, deadline, trace, graph; recovery of turns that a crash cut off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, cast

from langgraph.types import Command

from agent import tracing
from agent.context import Parts, TurnContext
from agent.errors import BadQuestion, TurnError, TurnTimeout
from agent.events import MAX_QUESTION_CHARS, Answer, Done, Failed, Started, TextDelta, TurnEvent, TurnRequest
from agent.graph import build_graph
from agent.nodes.reply import answer_of
from agent.state import TutorState
from memory.base import MemoryFault
from memory.checkpoints import HomeSaver
from memory.predictions import Predictions
from memory.reviews import Decision, Review, Reviews
from memory.threads import Turn

WAITING = "The draft of this answer waits for a person to look at it. You can go on asking."


class Tutor:
    """Runs turns. One process, one Tutor."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.reviews = Reviews(parts.memory.db)
        self.predictions = Predictions(parts.memory.db)
        self._saver = HomeSaver(parts.memory.db)
        self._graph = build_graph(self._saver)
        self._running: set[asyncio.Task[Any]] = set()
        self._ends: dict[str, asyncio.Event] = {}

    async def turn(self, request: TurnRequest) -> AsyncIterator[TurnEvent]:
        """Events of one turn, the last of them Done or Failed. The turn runs on when nobody listens any more.

        A request whose id is known runs nothing: it waits for the turn that has the id, if that still runs, and gets what came
        of it. Raises BadQuestion, ThreadBusy, UnknownThread, IdReused before anything is admitted.
        """
        if any("\ud800" <= char <= "\udfff" for char in request.question):
            raise BadQuestion("The question holds half a character (a lone surrogate), which can't be stored. Copy the text again.")
        if len(request.question) > MAX_QUESTION_CHARS:
            raise BadQuestion(f"The question has {len(request.question):,} characters; at most {MAX_QUESTION_CHARS:,} are read. "
                              "Put long text into a file and `tutor ingest` it.")
        span = self.parts.tracer.start(tracing.INVOKE_AGENT, "tutor", {tracing.AGENT: "tutor"})
        turn = self.parts.threads.admit({**request.model_dump(mode="json"), "model": self.parts.model_name}, request.thread,
                                        request.learner, request.id, tracing.trace_id(span))
        if turn.trace != tracing.trace_id(span):
            yield Started(id=turn.id, thread=turn.thread, run=turn.run, trace=turn.trace)
            yield _outcome(await self._over(turn))
            return
        span.set_attribute(tracing.CONVERSATION, turn.thread)
        self._ends[turn.id] = asyncio.Event()
        events: asyncio.Queue[TurnEvent | None] = asyncio.Queue()
        # The task is there before the first event leaves: whoever stops listening can't stop an admitted turn.
        task = asyncio.create_task(self._run(turn, span, events.put_nowait))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: events.put_nowait(None))
        yield Started(id=turn.id, thread=turn.thread, run=turn.run, trace=turn.trace)
        while (told := await events.get()) is not None:
            yield told
        await task

    async def ask(self, request: TurnRequest) -> Answer:
        """The answer of one turn. Raises TurnError when it ends without one."""
        async for event in self.turn(request):
            if isinstance(event, Done):
                return event.answer
            if isinstance(event, Failed):
                error = TurnError(event.message)
                error.code = event.code
                raise error
        raise TurnError("The turn ended without an answer.")

    async def decide(self, review_id: str, decision: Decision, text: str | None = None, by: str = "reviewer") -> Answer:
        """Resumes the turn that waits for this review. Raises UnknownReview, ReviewClosed, ThreadBusy."""
        review = self.reviews.claim(review_id, decision, text, by)
        return await self._resume_review(review)

    def preview(self, review_id: str) -> Answer | None:
        """What the learner will read if the draft is approved; of a review that was decided, what they read, None when that
        turn failed. Raises UnknownReview."""
        turn = self.parts.threads.get(self.reviews.get(review_id).turn)
        if turn is None or turn.status not in ("waiting", "running"):
            return Answer.model_validate(turn.answer) if turn is not None and turn.answer is not None else None
        saved = self._saver.get_tuple({"configurable": {"thread_id": turn.id}})
        return answer_of(cast(TutorState, saved.checkpoint["channel_values"]), self.parts) if saved is not None else None

    async def recover(self) -> int:
        """Ends every turn that was admitted and cut off, and every review that was decided and not carried out."""
        turns, claimed = self.parts.threads.unfinished(), self.reviews.claimed()
        decided = {review.turn for review in claimed}
        # From now on, so that whoever asks for one of the later ones waits for it too.
        self._ends.update({turn.id: asyncio.Event() for turn in turns})
        try:
            for turn in turns:
                if turn.id not in decided:
                    await self._run(self.parts.threads.resume(turn), None, _nobody)
            for review in claimed:
                await self._resume_review(review)
        finally:
            for turn in turns:
                self._release(turn)
        return len(turns)

    async def drain(self) -> None:
        """Waits until the running turns have ended."""
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _over(self, turn: Turn) -> Turn:
        """The turn as it stands when its run here is over, or has taken as long as a turn may."""
        if turn.status == "running" and (end := self._ends.get(turn.id)) is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(end.wait(), self.parts.settings.deadline_s)
        return self.parts.threads.get(turn.id) or turn

    def _release(self, turn: Turn) -> None:
        """Lets those go on who wait for this turn's end."""
        if (end := self._ends.pop(turn.id, None)) is not None:
            end.set()

    # ---- one run

    async def _run(self, turn: Turn, span: Any, emit: Callable[[TurnEvent], None], resume: dict[str, Any] | None = None) -> Answer | None:
        settings = self.parts.settings
        began = time.perf_counter()
        span = span or self.parts.tracer.start(tracing.INVOKE_AGENT, "tutor resumed", {tracing.CONVERSATION: turn.thread})
        context = TurnContext(self.parts, emit, time.monotonic() + settings.deadline_s, span)
        self._ends.setdefault(turn.id, asyncio.Event())
        try:
            state = await asyncio.wait_for(self._invoke(turn, context, resume), settings.deadline_s)
            answer = self._ended(turn, state, (time.perf_counter() - began) * 1000)
            span.set_attribute(tracing.STATUS, answer.status)
            for piece in _pieces_of(answer.text):
                emit(TextDelta(text=piece))
            emit(Done(answer=answer))
            return answer
        except TimeoutError:
            self._failed(turn, TurnTimeout(f"The turn took longer than {settings.deadline_s:g} s and was stopped. "
                                           "Ask a smaller question."), emit)
        except (TurnError, MemoryFault) as error:
            self._failed(turn, error, emit)
        except asyncio.CancelledError:
            # The process is going down: the row stays `running`, and the next start ends the turn.
            raise
        except BaseException:
            # A defect of ours: the learner gets a code and the trace id, the operator the traceback.
            self._failed(turn, TurnError(f"Something went wrong inside; the operator finds it under trace {turn.trace}."), emit)
            raise
        finally:
            self._release(turn)
            span.end()
            self.parts.tracer.flush()
        return None

    async def _invoke(self, turn: Turn, context: TurnContext, resume: dict[str, Any] | None) -> dict[str, Any]:
        config: Any = {"configurable": {"thread_id": turn.id}, "recursion_limit": 4 * self.parts.settings.max_steps + 10}
        first: Any = {"request": turn.request, "turn": {"id": turn.id, "thread": turn.thread, "run": turn.run, "trace": turn.trace,
                                                       "number": turn.number}}
        if resume is not None:
            first = Command(resume=resume)
        elif turn.attempts > 1 and self._saver.get_tuple(config) is not None:
            first = None
        state: dict[str, Any] = await self._graph.ainvoke(first, config, context=context, durability="sync")
        return state

    def _ended(self, turn: Turn, state: dict[str, Any], ms: float) -> Answer:
        if state.get("__interrupt__"):
            return self._parked(turn, state, ms)
        answer = Answer.model_validate({**state["answer"], "ms": round(ms, 2)})
        for at, result in enumerate(state["results"]):
            if compared := result.get("prediction"):
                self.predictions.add(turn.learner, result["tool"], result["args"], compared, f"{turn.id}:{at}")
        self.parts.threads.finish(turn, "done", answer.model_dump(mode="json"))
        self._saver.delete_thread(turn.id)
        return answer

    def _parked(self, turn: Turn, state: dict[str, Any], ms: float) -> Answer:
        """The draft goes into the queue; the checkpoint stays until somebody has decided."""
        draft = state["draft"]
        reason = "the learner asked for it" if turn.request.get("review") else f"grounding confidence {draft['confidence']:.2f}"
        review = self.reviews.add(turn.thread, turn.id, turn.learner, reason, turn.request["question"], draft["text"], draft["confidence"])
        answer = Answer(id=turn.id, thread=turn.thread, run=turn.run, trace=turn.trace, status="review", text=WAITING, steps=state["steps"],
                        model=draft["model"], prompts=state["prompts"], confidence=draft["confidence"], review_id=review, ms=round(ms, 2))
        self.parts.threads.finish(turn, "waiting", answer.model_dump(mode="json"))
        return answer

    async def _resume_review(self, review: Review) -> Answer:
        turn = self.parts.threads.get(review.turn)
        assert turn is not None and review.decision is not None
        if turn.status == "done":
            self.reviews.close(review.id)
            return Answer.model_validate(turn.answer)
        answer = await self._run(self.parts.threads.resume(turn), None, _nobody, resume=review.decision)
        self.reviews.close(review.id)
        if answer is None:
            raise TurnError(f"The turn of review {review.id} couldn't be finished; `tutor trace list` shows why.")
        return answer

    def _failed(self, turn: Turn, error: Exception, emit: Callable[[TurnEvent], None]) -> None:
        failed = Failed(code=getattr(error, "code", "turn_failed"), message=str(error), trace=turn.trace)
        self.parts.threads.finish(turn, "failed", error=failed.model_dump(mode="json"))
        self._saver.delete_thread(turn.id)
        emit(failed)


def _outcome(turn: Turn) -> TurnEvent:
    """What came of a turn that was asked for again."""
    if turn.status == "running" or (turn.answer is None and turn.error is None):
        return Failed(code="thread_busy", message="This request is still being answered. Ask again with the same id.", trace=turn.trace)
    if turn.answer is not None:
        return Done(answer=Answer.model_validate(turn.answer))
    return Failed.model_validate(turn.error)


def _pieces_of(text: str) -> list[str]:
    """Small pieces for a reader's eye, cut at blanks."""
    pieces, at = [], 0
    while at < len(text):
        cut = text.find(" ", at + 24)
        end = len(text) if cut < 0 else cut + 1
        pieces.append(text[at:end])
        at = end
    return pieces


def _nobody(event: TurnEvent) -> None:
    """Recovery has no listener."""
