"""How an answer looks on paper and in a terminal, and how it is waited for. Knows events, not where they come from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from api.cli.failures import CliError
from api.cli.output import Output, shortened
from api.cli.sources import show_sources

if TYPE_CHECKING:
    from agent.events import Answer, Failed, Step, TurnEvent

OBSERVATION_CHARS = 300

WAITS = "Review {review}: `tutor review show {review}`. Once it is decided, `tutor threads show {thread}` has the answer."

Watch = Callable[["TurnEvent"], None]


async def answer_of(events: AsyncIterator[TurnEvent], watch: Watch | None = None) -> Answer:
    """The answer that a turn's events end with; `watch` sees each of them. Raises CliError when there is none."""
    import asyncio

    from agent.events import Done, Failed

    ended: list[Done | Failed] = []

    async def follow() -> None:
        async for event in events:
            if watch is not None:
                watch(event)
            if isinstance(event, Done | Failed):
                ended.append(event)

    # A defect comes after the event that tells the learner of it; the event has the trace, so it is the one to report.
    [defect] = await asyncio.gather(follow(), return_exceptions=True)
    if ended and isinstance(ended[0], Failed):
        raise _failure(ended[0]) from (defect if isinstance(defect, BaseException) else None)
    if isinstance(defect, BaseException):
        raise defect
    if not ended:
        raise CliError("turn_failed", "The turn ended without an answer.")
    assert isinstance(ended[0], Done)
    return ended[0].answer


def told_by(show: Callable[[str], None]) -> Watch:
    """A watcher that tells in a line what the tutor is doing."""

    def watch(event: TurnEvent) -> None:
        if event.type == "thought":
            show(event.text)
        elif event.type == "action":
            show(f"{event.tool} {arguments(event.args)}")

    return watch


def show_answer(out: Output, answer: Answer, steps: bool = False, more: str | None = None, waits: str = WAITS) -> None:
    """Text (with its corrections), sources, the next question; notices go to stderr. `more` says where all sources stand
    when a terminal is too small for them, `waits` what can be done with a draft that waits for a person."""
    if steps:
        show_steps(out, answer.steps)
    out.markdown(answer.text)
    if answer.citations:
        out.text()
        show_sources(out, answer.citations, more)
    if answer.follow_up:
        out.text()
        out.markdown(f"*{answer.follow_up.strip()}*" if out.terminal else answer.follow_up)
    for notice in answer.notices:
        out.note(notice)
    if answer.status == "review" and answer.review_id:
        out.note(waits.format(review=answer.review_id, thread=answer.thread))


def show_steps(out: Output, steps: Sequence[Step]) -> None:
    for number, step in enumerate(steps, 1):
        if step.thought:
            out.dim(f"{number}. {step.thought}")
        if step.tool:
            lead = "   " if step.thought else f"{number}. "
            out.dim(f"{lead}→ {step.tool} {arguments(step.args)} ({step.ms:.0f} ms)")
        if step.observation:
            out.dim(f"   ← {shortened(step.observation, OBSERVATION_CHARS)}")
    if steps:
        out.text()


def arguments(args: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in args.items())


def _failure(failed: Failed) -> CliError:
    where = ""
    if failed.code == "turn_failed" and failed.trace:
        where = f" `tutor trace show {failed.trace}` shows how far it came; TUTOR_DEBUG=1 shows the error."
    return CliError(failed.code, failed.message + where)
