"""`tutor ask`: one question, or a batch of them."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, ArgumentTypeError
from typing import TYPE_CHECKING, Any

from api.cli import answers
from api.cli.batch import Row, field, run_batch
from api.cli.call import Call
from api.cli.failures import CliError
from api.cli.output import whole

if TYPE_CHECKING:
    from agent.events import Answer, TurnRequest
    from api.backend import Backend

MODES = ("direct", "socratic", "interview")


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("question", nargs="?", metavar="QUESTION", help="what you want to know; - reads it from stdin")
    parser.add_argument("--thread", metavar="ID", help="go on with this conversation")
    parser.add_argument("--learner", metavar="ID", default="local", help="who asks (default: local)")
    parser.add_argument("--mode", choices=MODES, default="direct", help="how the tutor answers (default: direct)")
    parser.add_argument("--review", action="store_true", help="let a person look at the draft before it is answered")
    parser.add_argument("--steps", action="store_true", help="show the thoughts and actions too")
    parser.add_argument("--batch", metavar="FILE", help='rows {"id","question","thread"?,"learner"?,"mode"?}; - is stdin')
    model_options(parser)


def model_options(parser: ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME", help='"offline", openai:…, anthropic:…, ollama:…, gguf:FILE (default: $TUTOR_MODEL)')
    parser.add_argument("--base-url", type=url, metavar="URL", help="where an OpenAI-compatible server listens (default: $TUTOR_BASE_URL)")


def url(text: str) -> str:
    """An option's value that must be a URL."""
    from agent.settings import is_url

    if not is_url(text):
        raise ArgumentTypeError(f"{text!r} is no URL; give one such as http://127.0.0.1:8000/v1")
    return text


def run(call: Call) -> int:
    args = call.args
    if (args.question is None) == (args.batch is None):
        raise CliError("usage", "ask takes either a QUESTION or --batch FILE (`tutor ask --help` shows the usage)")
    with call.backend() as backend:
        if args.batch is not None:
            return asyncio.run(_batch(call, backend))
        return asyncio.run(_one(call, backend))


async def _one(call: Call, backend: Backend) -> int:
    args = call.args
    request = make_request(_given(args.question), thread=args.thread, learner=args.learner, mode=args.mode, review=args.review)
    await recovered(call, backend)
    with call.out.waiting("Thinking …") as show:
        answer = await answers.answer_of(backend.turn(request), answers.told_by(show))
    call.out.result(answer.model_dump(mode="json"), lambda: _show(call, answer))
    return 0


def _show(call: Call, answer: Answer) -> None:
    answers.show_answer(call.out, answer, call.args.steps, f"`tutor threads show {answer.thread}` shows all.")


async def _batch(call: Call, backend: Backend) -> int:
    await recovered(call, backend)

    async def answer(row: Row) -> Row:
        request = make_request(
            field(row, "question"), thread=field(row, "thread", default=None), mode=field(row, "mode", default=call.args.mode),
            learner=field(row, "learner", default=call.args.learner), review=field(row, "review", bool, call.args.review))
        found = await answers.answer_of(backend.turn(request))
        # The row's id takes the place of the answer's own, which goes on under another name.
        return {**found.model_dump(mode="json"), "turn": found.id}

    return await run_batch(call.args.batch, call.out, answer)


async def recovered(call: Call, backend: Backend) -> None:
    """Ends what a crash cut off, before anything new begins."""
    problem = await backend.recover()
    if problem:
        call.out.note(problem)


def make_request(question: str, **fields: Any) -> TurnRequest:
    """A checked request. Raises BadQuestion, CliError."""
    from pydantic import ValidationError

    from agent.errors import BadQuestion
    from agent.events import TurnRequest

    if not question.strip():
        raise BadQuestion("The question is empty. Say in a few words what you want to know.")
    if fields.get("thread") is not None and not fields["thread"].strip():
        raise CliError("bad_input", "The thread's id is empty. Leave --thread out to start a new thread.")
    try:
        return TurnRequest(question=question, **fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise CliError("bad_input", f"{'.'.join(map(str, first['loc']))} can't be {first['input']!r}: {first['msg']}.") from None


def _given(question: str) -> str:
    if question == "-":
        import sys

        question = sys.stdin.read()
    return whole(question)
