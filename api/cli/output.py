"""How a command speaks: results on stdout, for people or as JSON, everything else on stderr. Knows no command."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleDimensions

Progress = Callable[[str, int, int], None]

# Documents may hold anything; what would move the cursor or rename the window doesn't reach a terminal.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
STEPS_OF_WORK = {"reading": "Reading files", "embedding": "Embedding passages"}


class Output:
    """One command's voice. `terminal` says whether a person looks at stdout. With --json stdout holds the result alone:
    what is shown beside it goes to stderr."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json

    @property
    def terminal(self) -> bool:
        return not self.as_json and sys.stdout.isatty()

    @property
    def size(self) -> ConsoleDimensions | None:
        """Width and height of the terminal in characters; None where there is none."""
        return self.console().size if self.terminal else None

    def result(self, data: Any, show: Callable[[], None]) -> None:
        """The command's one result: `data` with --json, else what `show` prints."""
        if self.as_json:
            self.row(data, indent=2 if sys.stdout.isatty() else None)
        else:
            show()

    def row(self, data: Any, indent: int | None = None) -> None:
        """One JSON object on a line of its own, at once."""
        print(to_json(data, indent), flush=True)

    def text(self, text: str = "") -> None:
        print(clean(text), file=sys.stderr if self.as_json else sys.stdout)

    def note(self, text: str) -> None:
        print(clean(text), file=sys.stderr, flush=True)

    def markdown(self, text: str) -> None:
        """Rendered for a terminal, as it stands for anything else."""
        if not self.terminal:
            self.text(text)
            return
        from rich.markdown import Markdown

        self.console().print(Markdown(clean(text), hyperlinks=False))

    def dim(self, text: str) -> None:
        if not self.terminal:
            self.text(text)
            return
        from rich.text import Text

        self.console().print(Text(clean(text), style="dim"))

    def rule(self, title: str) -> None:
        """A line across a terminal; a plain title elsewhere."""
        if not self.terminal:
            self.text(title)
            return
        from rich.text import Text

        self.console().rule(Text(clean(title)), align="left", style="dim")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Aligned columns in a terminal, tabs between cells elsewhere (for cut and awk), under a line of their names, if any."""
        cells = [[clean(str(cell)).replace("\n", " ").replace("\t", " ") for cell in row] for row in rows]
        if not self.terminal:
            for row in [list(head), *cells] if head else cells:
                self.text("\t".join(row))
            return
        from rich.table import Column, Table
        from rich.text import Text

        columns = (Column(name, overflow="fold") for name in head)
        table = Table(*columns, box=None, header_style="dim", pad_edge=False, show_header=bool(head))
        for row in cells:
            table.add_row(*(Text(cell) for cell in row))
        self.console().print(table)

    def console(self) -> Console:
        from rich.console import Console

        return Console(highlight=False)

    @contextmanager
    def progress(self) -> Iterator[Progress | None]:
        """Bars on stderr for whoever watches a terminal; None otherwise."""
        if not sys.stderr.isatty():
            yield None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        tasks: dict[str, TaskID] = {}
        bars = Bars(*columns, console=Console(stderr=True), transient=True)

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                bars.start()
                tasks[what] = bars.add_task(STEPS_OF_WORK.get(what, what))
            bars.update(tasks[what], completed=done, total=total)

        try:
            yield show
        finally:
            bars.stop()

    @contextmanager
    def waiting(self, text: str) -> Iterator[Callable[[str], None]]:
        """A spinner on stderr while something is thought over; the value changes its text."""
        if not sys.stderr.isatty():
            yield lambda _: None
            return
        from rich.console import Console
        from rich.text import Text

        with Console(stderr=True).status(Text(text)) as status:
            yield lambda other: status.update(Text(shortened(clean(other), 100)))


def to_json(data: Any, indent: int | None = None) -> str:
    """JSON that every parser reads: a number that JSON can't hold (NaN, infinity) becomes null."""
    try:
        return json.dumps(data, ensure_ascii=False, allow_nan=False, indent=indent)
    except ValueError:
        return json.dumps(_finite(data), ensure_ascii=False, allow_nan=False, indent=indent)


def clean(text: str) -> str:
    """Text without control characters, and without halves of surrogate pairs, which no encoding takes."""
    return CONTROL.sub("", whole(text))


def whole(text: str) -> str:
    """Text that can be encoded: undecodable bytes of a command line become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def shortened(text: str, length: int) -> str:
    """One line of at most `length` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def counted(number: int, noun: str) -> str:
    """
    >>> counted(1, "turn"), counted(1200, "turn")
    ('1 turn', '1,200 turns')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def speak_utf8() -> None:
    """Questions and answers hold dashes, arrows and Greek letters; an ASCII locale mustn't stop them."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data
