"""Where a conversation is typed and shown: a terminal with a prompt and live Markdown, or plain lines of a pipe."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from api.cli.answers import told_by
from api.cli.output import Output, clean

if TYPE_CHECKING:
    from agent.events import TurnEvent

COMMANDS = ("/help", "/sources", "/steps", "/mode", "/review", "/reviews", "/approve", "/edit", "/reject", "/new", "/resume", "/quit")
PROMPT = "› "


class Reader(Protocol):
    """Where a learner's lines come from. `interactive` says that a person types them now."""

    interactive: bool

    async def read(self, prompt: str = PROMPT) -> str | None:
        """The next line; None at the end. `prompt` is for whoever types it."""
        ...


def open_reader(history: Path) -> Reader:
    """A prompt with history for a person at a terminal, else the lines of stdin."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return PromptReader(history)
    return LineReader()


class LineReader:
    interactive = False

    async def read(self, prompt: str = PROMPT) -> str | None:
        return sys.stdin.readline() or None


class PromptReader:
    interactive = True

    def __init__(self, history: Path) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory

        from memory.home import make_home, make_private

        make_home(history.parent)
        make_private(history)
        self._session: PromptSession[str] = PromptSession(
            history=FileHistory(str(history)), completer=WordCompleter(list(COMMANDS), sentence=True), complete_while_typing=False)

    async def read(self, prompt: str = PROMPT) -> str | None:
        while True:
            try:
                return await self._session.prompt_async(prompt)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return None


class Screen:
    """One answer coming in: a spinner with the current thought, then its Markdown as it grows. Leaves the terminal clean
    at its end, and shows nothing after it: the turn may go on in the background."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._stack = ExitStack()
        self._open = False
        self._text = ""
        self._live: Any = None
        self._plots: list[dict[str, Any]] = []
        self._think = told_by(lambda _: None)

    def __enter__(self) -> Screen:
        self._think = told_by(self._stack.enter_context(self._out.waiting("Thinking …")))
        self._open = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._open = False
        self._stack.close()

    def show(self, event: TurnEvent) -> None:
        if event.type == "observation" and event.result and event.result.get("plot"):
            self._plots.append(event.result["plot"])
        if not self._open:
            return
        self._think(event)
        if event.type == "text" and self._out.terminal:
            self._grow(event.text)

    def show_plots(self) -> None:
        from api.cli.run import show_plot

        if self._out.terminal:
            for plot in self._plots:
                show_plot(self._out, plot)

    def _grow(self, piece: str) -> None:
        from rich.live import Live
        from rich.markdown import Markdown

        if self._live is None:
            self._stack.close()  # the spinner
            self._live = self._stack.enter_context(Live(console=self._out.console(), transient=True, auto_refresh=False))
        self._text += piece
        self._live.update(Markdown(clean(self._text), hyperlinks=False), refresh=True)
