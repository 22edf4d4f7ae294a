"""Starts a new calculator: `python -m tools.new NAME` writes a file that works as it is. Knows the rules of a tool, no subject."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from tools.base import ToolError

FOLDER = Path(__file__).resolve().parent / "calculators"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

TEMPLATE = '''\
"""__TITLE__: what this file computes, and what it doesn't know."""

from __future__ import annotations

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool


@formula("__MODULE__.drain_s", unit="s", cases=[
    Case({"backlog": 600_000, "per_s": 4_000}, {"result": 150.0}, rel=1e-12, source="arithmetic"),
])
def drain_s(
    backlog: float = param(ge=0, le=1e15, unit="count", words=["backlog", "waiting"]),
    per_s: float = param(gt=0, le=1e12, unit="rps", words=["per second", "rate"]),
) -> float:
    """Seconds until a backlog is gone at a steady rate."""
    return backlog / per_s


class __CLASS__(Params):
    """Names carry the unit, every parameter has a range, and the defaults teach something."""

    backlog: float = param(600_000, ge=0, le=1e15, unit="count", words=["backlog", "waiting"])
    capacity_rps: float = param(10_000, gt=0, le=1e12, unit="rps", words=["capacity", "handles"])
    arriving_rps: float = param(6_000, ge=0, le=1e12, unit="rps", words=["arriving", "incoming", "load"])


@tool("__NAME__", group="A", words=["__WORDS__"], example={"backlog": 600_000, "capacity_rps": 10_000, "arriving_rps": 6_000},
      cases=[Case({}, {"drain_s": 150.0}, rel=1e-12, source="arithmetic")],
      asks=[Ask("A backlog of 600k with 10k rps capacity and 6k rps arriving: how long to drain it?", "drain_s", 150.0)])
def __FUNCTION__(p: __CLASS__, seed: int) -> ToolResult:
    """One sentence that says what the tool gives.

    What it models and how. People get wrong: the capacity that drains a backlog is what new work leaves over.
    Sources: arithmetic.

    >>> __FUNCTION__(__CLASS__(), 0).values
    {'drain_s': 150.0}
    """
    spare = p.capacity_rps - p.arriving_rps
    if spare <= 0:
        raise ToolError(f"__NAME__: arriving_rps {p.arriving_rps:g} leaves nothing of capacity_rps {p.capacity_rps:g}, so the backlog "
                        "never ends; give more capacity.")
    right, naive = drain_s(p.backlog, spare), drain_s(p.backlog, p.capacity_rps)
    return ToolResult(
        tool="__NAME__", values={"drain_s": right}, units={"drain_s": "s"}, naive={"drain_s": naive},
        summary=f"The backlog is gone after {right:.4g} s; without new work it would be {naive:.4g} s.",
        formula="backlog / (capacity - arriving)",
        plot=Plot(title="The backlog shrinks", x_label="time (s)", y_label="backlog (requests)", lines=[
            Line(label="with new work", x=[0.0, right], y=[p.backlog, 0.0]),
            Line(label="without new work (naive)", x=[0.0, naive], y=[p.backlog, 0.0], dashed=True)]),
        assumptions=["both rates are steady"],
    )
'''


def main(argv: Sequence[str]) -> int:
    """0 when written; 2 with one line on stderr when not."""
    from tools.registry import load_tools

    if len(argv) != 1:
        print("usage: python -m tools.new NAME    (a name such as cache-warmup)", file=sys.stderr)
        return 2
    try:
        path = create(argv[0], FOLDER, {tool.name for tool in load_tools()})
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{path} is a working tool already: `tutor run {argv[0]}`. Replace its example with your own, then `make docs` and `make test`.")
    return 0


def create(name: str, folder: Path, taken: Collection[str]) -> Path:
    """Writes the file for a tool called `name`, and returns where it is. Raises ToolError for a bad or taken name."""
    if not _NAME.fullmatch(name) or len(name) > 40:
        raise ToolError(f"{name[:60]!r} can't be a tool's name; use lower-case words joined by hyphens, such as cache-warmup.")
    module = name.replace("-", "_")
    if keyword.iskeyword(module):
        raise ToolError(f"{name!r} is a word of Python; add another word to it.")
    if name in taken or f"{module}.drain_s" in taken:
        raise ToolError(f"There is a tool called {name!r} already; choose another name.")
    path = folder / f"{module}.py"
    classname = "".join(word.capitalize() for word in name.split("-"))
    text = TEMPLATE
    for mark, value in (("NAME", name), ("MODULE", module), ("FUNCTION", module), ("CLASS", classname), ("TITLE", classname),
                        ("WORDS", name.replace("-", " "))):
        text = text.replace(f"__{mark}__", value)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ToolError(f"{path.name} exists already and stays as it is; choose another name.") from None
    except OSError as error:
        raise ToolError(f"{path} can't be written ({error.strerror}).") from error
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
