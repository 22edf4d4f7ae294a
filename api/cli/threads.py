"""`tutor threads`: earlier conversations, and what was answered in them. Knows the shapes of api.views."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import TYPE_CHECKING, Any

from api.cli.answers import show_answer
from api.cli.call import Call
from api.cli.failures import CliError, failure_of
from api.cli.output import Output, counted, shortened

if TYPE_CHECKING:
    from agent.events import Answer
    from api.backend import Backend

BRIEF_CHARS, MOST = 600, 500


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the conversations, newest first")
    listing.add_argument("--learner", metavar="ID", default="local", help="whose (default: local)")
    listing.add_argument("-n", type=_number, default=20, metavar="N", help="how many (default: 20)")
    show = actions.add_parser("show", help="what was asked and answered in one, with all sources")
    show.add_argument("id", metavar="ID", help="the conversation's id")
    show.add_argument("--steps", action="store_true", help="show the thoughts and actions too")


def run(call: Call) -> int:
    out = call.out
    with call.backend() as backend:
        if call.args.action == "list":
            found = backend.threads(call.args.learner, call.args.n)
            out.result(found, lambda: _show_all(out, found["threads"]))
        else:
            thread = backend.thread(call.args.id)
            out.result(thread, lambda: _show(out, thread, call.args.steps))
    return 0


def find_thread(backend: Backend, thread: str, learner: str) -> dict[str, Any] | None:
    """A learner's thread in the shape of thread_view; None when there is none of this id."""
    from memory.base import MemoryFault

    try:
        return backend.thread(thread, learner)
    except (MemoryFault, CliError) as error:
        if failure_of(error).code != "unknown_thread":
            raise
        return None


def last_answer(thread: dict[str, Any]) -> Answer | None:
    """What the thread's last question was answered, if it was."""
    return _answer(thread["turns"][-1])


def show_last(out: Output, thread: dict[str, Any]) -> None:
    """The last question and the beginning of its answer."""
    turn = thread["turns"][-1]
    answer = _answer(turn)
    out.text(f"› {shortened(turn['question'], BRIEF_CHARS)}")
    if answer is None:
        out.note(_no_answer(turn))
        return
    text = _beginning(answer.text)
    out.markdown(text)
    if len(text) < len(answer.text):
        out.note(f"`tutor threads show {thread['id']}` shows it whole.")


def _show_all(out: Output, threads: list[dict[str, Any]]) -> None:
    if not threads:
        out.note("No conversations yet.")
        return
    out.table(("thread", "last", "turns", "first question"),
              [[each["id"], f"{datetime.fromtimestamp(each['last']):%Y-%m-%d %H:%M}", each["turns"], shortened(each["question"], 80)]
               for each in threads])


def _show(out: Output, thread: dict[str, Any], steps: bool) -> None:
    turns = thread["turns"]
    out.rule(f"{thread['id']} ({counted(len(turns), 'turn')}, learner {thread['learner']})")
    for turn in turns:
        out.text(f"\n{turn['number']} › {turn['question']}\n")
        answer = _answer(turn)
        if answer is None:
            out.text(_no_answer(turn))
        else:
            show_answer(out, answer, steps)


def _answer(turn: dict[str, Any]) -> Answer | None:
    from agent.events import Answer

    return None if turn["answer"] is None else Answer.model_validate(turn["answer"])


def _no_answer(turn: dict[str, Any]) -> str:
    if turn["error"]:
        return f"It ended without an answer: {turn['error']['message']}"
    return "It is still being answered."


def _beginning(text: str) -> str:
    """Whole lines up to a length; of a first line that is longer, its beginning."""
    if len(text) <= BRIEF_CHARS:
        return text
    cut = text.rfind("\n", 0, BRIEF_CHARS)
    return f"{text[:cut]}\n\n…" if cut > 0 else shortened(text, BRIEF_CHARS)


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise ArgumentTypeError(f"{text!r} is no number of conversations; give one from 1 to {MOST}")
    return int(text)
