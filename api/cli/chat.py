"""`tutor chat`: a conversation in the terminal, or line by line out of a pipe."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from api.cli import answers, reviewing
from api.cli.ask import MODES, make_request, model_options, recovered
from api.cli.call import Call
from api.cli.failures import failure_of
from api.cli.output import counted, shortened, whole
from api.cli.screen import PROMPT, Reader, Screen, open_reader
from api.cli.sources import WHOLE_QUOTE_CHARS, source_lines
from api.cli.threads import find_thread, last_answer, show_last

if TYPE_CHECKING:
    from agent.events import Answer, TurnEvent
    from api.backend import Backend
    from memory.reviews import Decision

HELP = """\
/sources            what the last answer cites, with the quotes
/steps              show the tutor's steps with each answer, or stop that
/mode NAME          direct, socratic or interview
/review [QUESTION]  let a person look at the answer before you get it: to this question, or to the last one again
/reviews [ID]       list the drafts that wait for a person, or show one
/approve ID, /edit ID TEXT, /reject ID REASON
                    decide as that person: send the draft, send another text, or hold it back
/new                start a new conversation
/resume [N]         list earlier conversations, or go on with one
/quit               leave (quit, exit and Ctrl-D do, too)
Ctrl-C during an answer leaves it to be finished in the background; it is shown when it is ready."""
LEAVE = ("quit", "exit")
ALL_SOURCES = "/sources shows all."
WAITS = "Review {review}: /reviews {review} shows the draft; /approve, /edit and /reject decide."


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--thread", metavar="ID", help="go on with this conversation")
    parser.add_argument("--learner", metavar="ID", default="local", help="who asks (default: local)")
    parser.add_argument("--mode", choices=MODES, default="direct", help="how the tutor answers (default: direct)")
    model_options(parser)


def run(call: Call) -> int:
    with call.backend() as backend:
        return asyncio.run(_talk(call, backend))


async def _talk(call: Call, backend: Backend) -> int:
    await recovered(call, backend)
    reader = open_reader(call.home / "history")
    chat = Chat(call, backend, reader)
    chat.greet()
    while (line := await reader.read(chat.prompt)) is not None:
        said = whole(line).strip()
        chat.catch_up()
        if said in LEAVE:
            break
        if said.startswith("/"):
            if not await chat.obey(said):
                break
        elif said:
            await chat.ask(said)
    await chat.finish()
    return 0


@dataclass
class Conversation:
    """A thread (none before its first answer) and what was asked on it last. /new and /resume begin another one; what is
    still being worked on stays with its own."""

    thread: str | None = None
    question: str | None = None


@dataclass(frozen=True)
class Work:
    """An answer that is being worked on."""

    task: asyncio.Task[Answer]
    question: str
    screen: Screen


class Chat:
    """The state of the talk: its conversation, mode, the answer shown last, and the one that is still being worked on."""

    def __init__(self, call: Call, backend: Backend, reader: Reader) -> None:
        self._out, self._backend, self._reader = call.out, backend, reader
        self._learner, self._mode = call.args.learner, call.args.mode
        self._now = Conversation(call.args.thread)
        self._steps = False
        self._last: Answer | None = None
        self._told: list[dict[str, Any]] = []
        self._offered: list[str] = []
        self._working: Work | None = None

    @property
    def prompt(self) -> str:
        return PROMPT if self._mode == MODES[0] else f"{self._mode} {PROMPT}"

    def greet(self) -> None:
        documents = len(self._backend.documents()["documents"])
        model = "the offline reasoner" if self._backend.model == "offline" else self._backend.model
        self._out.note(f"Tutor for ML-platform system design · {model} · {counted(documents, 'document')} of yours · /help")

    async def ask(self, question: str, review: bool = False) -> None:
        """Asks and shows the answer. Whatever goes wrong is told, and the conversation goes on."""
        if not await self._settled():
            self._out.note("The earlier answer isn't ready yet, so nothing was asked.")
            return
        screen, now = Screen(self._out), self._now
        request = make_request(question, thread=now.thread, learner=self._learner, mode=self._mode, review=review)
        task = asyncio.create_task(answers.answer_of(self._backend.turn(request), _watching(screen, now)))
        self._working, now.question = Work(task, question, screen), question
        with screen:
            left = await self._interrupted(task)
        if left:
            self._out.note("It is finished in the background; your next question waits for it.")
            return
        answer = self._outcome()
        if answer is not None:
            self._show(answer, screen)

    async def obey(self, line: str) -> bool:
        """Carries out a /command; False when the conversation is over."""
        name, _, rest = line[1:].partition(" ")
        if name in (*LEAVE, "q"):
            return False
        commands: dict[str, Callable[[str], Awaitable[None] | None]] = {
            "help": lambda _: self._out.text(HELP), "sources": self._show_sources, "steps": self._turn_steps, "mode": self._set_mode,
            "review": self._ask_for_review, "reviews": lambda rest: reviewing.look(self._out, self._backend, rest),
            "approve": partial(self._decide, "approve"), "edit": partial(self._decide, "edit"), "reject": partial(self._decide, "reject"),
            "new": self._begin, "resume": self._resume}
        command = commands.get(name)
        if command is None:
            self._out.note(f"There is no /{name}; /help lists what there is.")
        elif (more := command(rest.strip())) is not None:
            await more
        return True

    def catch_up(self) -> None:
        """Shows an answer that has become ready in the background."""
        if self._working is not None and self._working.task.done():
            self._show_earlier()

    async def finish(self) -> None:
        """Waits until what was asked has been answered, and shows it: it is in the history afterwards."""
        if await self._settled():
            await self._backend.drain()
        else:
            self._out.note("The earlier answer isn't ready yet. /resume shows it when it is.")
        if self._out.as_json:
            self._out.result({"thread": self._now.thread, "answers": self._told}, lambda: None)

    # ---- answers that come

    async def _interrupted(self, work: asyncio.Task[Answer]) -> bool:
        """Waits for the work; True when the learner pressed Ctrl-C first."""
        if not self._reader.interactive:
            await asyncio.wait({work})
            return False
        pressed = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, pressed.set)
        waiting = asyncio.create_task(pressed.wait())
        try:
            await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            waiting.cancel()
        return not work.done()

    async def _settled(self) -> bool:
        """Waits for an answer that was left to the background, and shows it; False when the learner pressed Ctrl-C again."""
        if self._working is None:
            return True
        with self._out.waiting("Finishing the earlier answer …"):
            left = await self._interrupted(self._working.task)
        if not left:
            self._show_earlier()
        return not left

    def _show_earlier(self) -> None:
        assert self._working is not None
        work, answer = self._working, self._outcome()
        if answer is not None:
            elsewhere = "" if answer.thread == self._now.thread else f", in the conversation {answer.thread}"
            self._out.note(f"The earlier answer is ready ({shortened(work.question, 60)}{elsewhere}):")
            self._show(answer, work.screen)

    def _outcome(self) -> Answer | None:
        """What the finished work gave; an error is told."""
        work, self._working = self._working, None
        assert work is not None
        error = work.task.exception()
        if error is not None:
            failure = failure_of(error)
            self._out.note(f"error: {failure.message}")
            self._told.append(failure.as_json())
            return None
        self._last = work.task.result()
        self._told.append(self._last.model_dump(mode="json"))
        return self._last

    def _show(self, answer: Answer, screen: Screen) -> None:
        if not self._out.as_json:
            answers.show_answer(self._out, answer, self._steps, ALL_SOURCES, WAITS)
            screen.show_plots()
            self._out.text()

    # ---- commands

    def _show_sources(self, rest: str) -> None:
        if self._working is not None:
            self._out.note("The answer that is being finished isn't ready yet; this is about the one before.")
        if self._last is None or not self._last.citations:
            self._out.note("The last answer cites nothing." if self._last else "Nothing was answered yet.")
            return
        for line in source_lines(self._last.citations, quote_chars=WHOLE_QUOTE_CHARS):
            self._out.dim(line)

    def _turn_steps(self, rest: str) -> None:
        self._steps = not self._steps
        if self._steps and self._last is not None:
            answers.show_steps(self._out, self._last.steps)
        self._out.note("Steps are shown from now on." if self._steps else "Steps are hidden from now on.")

    def _set_mode(self, rest: str) -> None:
        known = f"There are {', '.join(MODES)}."
        if rest in MODES:
            self._mode = rest
            self._out.note(f"The mode is {rest} now.")
        else:
            unknown = f"There is no mode {rest!r}. " if rest else ""
            self._out.note(f"{unknown}{known} The mode is {self._mode}.")

    async def _ask_for_review(self, rest: str) -> None:
        question = rest or self._now.question
        if question is None:
            self._out.note("Nothing was asked yet; /review QUESTION asks and lets a person look at the answer first.")
            return
        if waiting := reviewing.waiting_for(self._backend, self._now.thread, question):
            self._out.note(f"The answer to that waits already. {WAITS.format(review=waiting)}")
            return
        await self.ask(question, review=True)

    async def _decide(self, decision: Decision, rest: str) -> None:
        answer = await reviewing.decide(self._out, self._backend, decision, rest, self._learner)
        if answer is not None:
            self._told.append(answer.model_dump(mode="json"))
            self._last = answer if answer.thread == self._now.thread else self._last

    def _begin(self, rest: str) -> None:
        self._now, self._last = Conversation(), None
        self._out.note("A new conversation.")

    def _resume(self, rest: str) -> None:
        if not rest:
            threads = self._backend.threads(self._learner)["threads"]
            self._offered = [each["id"] for each in threads]
            for number, each in enumerate(threads, 1):
                self._out.text(f"{number:3}. {shortened(each['question'], 80)} ({counted(each['turns'], 'turn')}, {each['id']})")
            self._out.note("/resume N goes on with one." if threads else "There are no earlier conversations.")
            return
        chosen = self._offered[int(rest) - 1] if rest.isdecimal() and 0 < int(rest) <= len(self._offered) else rest
        found = find_thread(self._backend, chosen, self._learner)
        if found is None:
            self._out.note(f"There is no conversation {rest}; /resume lists them.")
            return
        self._now, self._last = Conversation(chosen, found["turns"][-1]["question"]), last_answer(found)
        self._out.note(f"Going on with {chosen}.")
        show_last(self._out, found)


def _watching(screen: Screen, now: Conversation) -> answers.Watch:
    def watch(event: TurnEvent) -> None:
        if event.type == "started":
            now.thread = event.thread
        screen.show(event)

    return watch
