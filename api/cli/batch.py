"""Batches: JSON Lines in, JSON Lines out, one for one and in order; a bad line is answered and the rest goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from api.cli.failures import CliError, failure_of
from api.cli.output import Output, whole

Row = dict[str, Any]


async def run_batch(source: str, out: Output, answer: Callable[[Row], Awaitable[Row]]) -> int:
    """Answers each line of `source` (a file, - is stdin). `answer` takes a row and raises what is wrong with it.

    Raises CliError when the file can't be read at all; whatever a single line brings about stays in its own answer.
    """
    import asyncio

    for number, line in enumerate(_lines(source), 1):
        if not line.strip():
            continue
        key: Any = None
        try:
            row = _row(line, number)
            key = row.get("id")
        except CliError as error:
            out.row({"id": key, **failure_of(error).as_json()})
            continue
        # A value instead of a raise, whatever its type: one row's defect mustn't cost the others their answers.
        [told] = await asyncio.gather(answer(row), return_exceptions=True)
        if isinstance(told, BaseException):
            out.row({"id": key, **failure_of(told).as_json()})
        else:
            out.row({"id": key, **{name: value for name, value in told.items() if name != "id"}})
    return 0


def field(row: Row, name: str, kind: type = str, default: Any = ...) -> Any:
    """A row's field, checked. Raises CliError that names it; a field without `default` is required."""
    value = row.get(name)
    if value is None:
        if default is ...:
            raise CliError("bad_row", f"The row has no {name!r}.")
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise CliError("bad_row", f"{name!r} must be {_NAMES.get(kind, kind.__name__)}, not {type(value).__name__}.")
    return whole(value) if isinstance(value, str) else value


_NAMES: dict[type, str] = {str: "a text", int: "a whole number", dict: "an object"}


def _lines(source: str) -> Iterator[bytes]:
    if source == "-":
        # A terminal's or a pipe's bytes; a stand-in without bytes has text alone.
        stream: Any = getattr(sys.stdin, "buffer", sys.stdin)
        yield from (line if isinstance(line, bytes) else line.encode("utf-8", "surrogatepass") for line in stream)
        return
    try:
        with Path(source).open("rb") as file:
            yield from file
    except FileNotFoundError:
        raise CliError("not_found", f"There is no batch file {source}; give a JSON Lines file, or - for stdin.") from None
    except OSError as error:
        raise CliError("bad_input", f"The batch file {source} can't be read ({error.strerror}).") from None


def _row(line: bytes, number: int) -> Row:
    try:
        row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError:
        raise CliError("bad_row", f"Line {number} isn't UTF-8.") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise CliError("bad_row", f"Line {number} isn't JSON ({error}).") from None
    if not isinstance(row, dict):
        raise CliError("bad_row", f"Line {number} is {type(row).__name__}, not a JSON object.")
    return row
