"""`tutor chat`: a conversation in the terminal, or line by line out of a pipe."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from api.cli import answers
from api.cli.ask import MODES, make_request, model_options, recovered
from api.cli.call import Call
from api.cli.failures import failure_of
from api.cli.output import shortened, whole
from api.cli.screen import Reader, Screen, open_reader

if TYPE_CHECKING:
    from agent.events import Answer, TurnEvent
    from api.backend import Backend

HELP = """\
/sources         what the last answer cites, with the quotes
/steps           show the tutor's steps with each answer, or stop that
/mode NAME       direct, socratic or interview
/new             start a new conversation
/resume [N]      list earlier conversations, or go on with one
/quit            leave (Ctrl-D does, too)
Ctrl-C during an answer leaves it to be finished in the background."""


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
    while (line := await reader.read()) is not None:
        said = whole(line).strip()
        if said.startswith("/"):
            if not chat.obey(said):
                break
        elif said:
            await chat.ask(said)
    await chat.finish()
    return 0


class Chat:
    """The state of one conversation: thread, mode, last answer, and the answer that is still being worked on."""

    def __init__(self, call: Call, backend: Backend, reader: Reader) -> None:
        self._out, self._backend, self._reader = call.out, backend, reader
        self._learner, self._thread, self._mode = call.args.learner, call.args.thread, call.args.mode
        self._steps = False
        self._last: Answer | None = None
        self._told: list[dict[str, Any]] = []
        self._offered: list[str] = []
        self._working: asyncio.Task[Answer] | None = None

    def greet(self) -> None:
        documents = len(self._backend.documents()["documents"])
        model = "the offline reasoner" if self._backend.model == "offline" else self._backend.model
        known = f"{documents} document{'' if documents == 1 else 's'} of yours"
        self._out.note(f"Tutor for ML-platform system design · {model} · {known} · /help")

    async def ask(self, question: str) -> None:
        """Asks and shows the answer. Whatever goes wrong is told, and the conversation goes on."""
        await self._settled()
        screen = Screen(self._out)
        request = make_request(question, thread=self._thread, learner=self._learner, mode=self._mode)
        self._working = asyncio.create_task(answers.answer_of(self._backend.turn(request), self._watching(screen)))
        with screen:
            left = await self._interrupted(self._working)
        if left:
            self._out.note("It is finished in the background; your next question waits for it.")
            return
        answer = self._outcome()
        if answer is not None and not self._out.as_json:
            answers.show_answer(self._out, answer, self._steps)
            screen.show_plots()
            self._out.text()

    def obey(self, line: str) -> bool:
        """Carries out a /command; False when the conversation is over."""
        name, _, rest = line[1:].partition(" ")
        if name in ("quit", "exit", "q"):
            return False
        commands: dict[str, Callable[[str], None]] = {
            "help": lambda _: self._out.text(HELP), "sources": self._show_sources, "steps": self._turn_steps, "mode": self._set_mode,
            "new": self._begin, "resume": self._resume}
        command = commands.get(name)
        if command is None:
            self._out.note(f"There is no /{name}; /help lists what there is.")
        else:
            command(rest.strip())
        return True

    async def finish(self) -> None:
        """Waits until what was asked has been answered: it is in the history afterwards."""
        await self._settled()
        await self._backend.drain()
        if self._out.as_json:
            self._out.result({"thread": self._thread, "answers": self._told}, lambda: None)

    def _watching(self, screen: Screen) -> answers.Watch:
        def watch(event: TurnEvent) -> None:
            if event.type == "started":
                self._thread = event.thread
            screen.show(event)

        return watch

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

    async def _settled(self) -> None:
        """Waits for an answer that was left to the background."""
        if self._working is None:
            return
        with self._out.waiting("Finishing the earlier answer …"):
            await asyncio.wait({self._working})
        if self._outcome() is not None:
            self._out.note("The earlier answer is ready; it is part of the conversation.")

    def _outcome(self) -> Answer | None:
        """What the finished work gave; an error is told."""
        work, self._working = self._working, None
        assert work is not None
        error = work.exception()
        if error is not None:
            failure = failure_of(error)
            self._out.note(f"error: {failure.message}")
            self._told.append(failure.as_json())
            return None
        self._last = work.result()
        self._thread = self._last.thread
        self._told.append(self._last.model_dump(mode="json"))
        return self._last

    def _show_sources(self, rest: str) -> None:
        if self._last is None or not self._last.citations:
            self._out.note("The last answer cites nothing." if self._last else "Nothing was answered yet.")
            return
        for citation in self._last.citations:
            self._out.dim(answers.citation_line(citation, 2000))

    def _turn_steps(self, rest: str) -> None:
        self._steps = not self._steps
        if self._steps and self._last is not None:
            answers.show_steps(self._out, self._last.steps)
        self._out.note("Steps are shown from now on." if self._steps else "Steps are hidden from now on.")

    def _set_mode(self, rest: str) -> None:
        if rest in MODES:
            self._mode = rest
        self._out.note(f"The mode is {self._mode}. There are {', '.join(MODES)}." if rest not in MODES else f"The mode is {rest} now.")

    def _begin(self, rest: str) -> None:
        self._thread = self._last = None
        self._out.note("A new conversation.")

    def _resume(self, rest: str) -> None:
        if not rest:
            threads = self._backend.threads(self._learner)
            self._offered = [each["id"] for each in threads]
            for number, each in enumerate(threads, 1):
                self._out.text(f"{number:3}. {shortened(each['question'], 80)} ({each['turns']} turns, {each['id']})")
            self._out.note("/resume N goes on with one." if threads else "There are no earlier conversations.")
            return
        chosen = self._offered[int(rest) - 1] if rest.isdecimal() and 0 < int(rest) <= len(self._offered) else rest
        if chosen not in (each["id"] for each in self._backend.threads(self._learner)):
            self._out.note(f"There is no conversation {rest}; /resume lists them.")
            return
        self._thread, self._last = chosen, None
        self._out.note(f"Going on with {chosen}.")
