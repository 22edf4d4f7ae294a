"""`tutor run`: a calculator or simulator with the learner's own numbers. Needs a home only to keep a prediction."""

from __future__ import annotations

import asyncio
import json
import math
from argparse import ArgumentParser, ArgumentTypeError
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.cli.batch import Row, field, run_batch
from api.cli.call import Call
from api.cli.failures import CliError
from api.cli.output import Output, to_json, whole
from api.cli.tools import find_tool

if TYPE_CHECKING:
    from tools.base import ToolResult
    from tools.registry import Registry

FIGURE = "{:.6g}"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("tool", nargs="?", metavar="TOOL", help="which one: `tutor tools` lists them")
    parser.add_argument("--set", action="append", default=[], metavar="k=v", help="a parameter; the value is JSON, or text when it isn't")
    parser.add_argument("--args", metavar="JSON", dest="arguments", help="all parameters as a JSON object")
    parser.add_argument("--seed", type=int, default=0, help="the seed of a simulator (default: 0)")
    parser.add_argument("--predict", type=_guess, metavar="[NAME=]VALUE",
                        help="your own estimate first; you are told how far off it was, and of which value when you don't NAME one")
    parser.add_argument("--confidence", type=float, metavar="PERCENT", help="how sure you are of --predict, 0 to 100")
    parser.add_argument("--learner", default="local", metavar="ID", help="whose prediction it is (default: local)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the plot to a .png or .svg file")
    parser.add_argument("--batch", metavar="FILE", help='rows {"id","tool","args"}; - is stdin')


def run(call: Call) -> int:
    from tools.registry import load_tools

    args = call.args
    if (args.tool is None) == (args.batch is None):
        raise CliError("usage", "run takes either a TOOL or --batch FILE (`tutor run --help` shows the usage)")
    registry = load_tools()
    if args.batch is not None:
        return asyncio.run(_batch(call, registry))
    if args.confidence is not None and (args.predict is None or not 0 <= args.confidence <= 100):
        raise CliError("usage", "--confidence goes with --predict and lies between 0 and 100, in percent")
    result = find_tool(registry, args.tool).run(given_arguments(args.arguments, args.set), args.seed)
    told = result.model_dump(mode="json")
    if args.predict is not None:
        told["prediction"] = prediction(args.predict[1], told, args.confidence, args.predict[0])
        with call.backend() as backend:
            backend.predicted(args.learner, told["tool"], told["args"], told["prediction"])
    if args.plot is not None:
        _save_plot(result, args.plot)
        told["plot_file"] = str(args.plot)
    call.out.result(told, lambda: _show(call.out, result, told))
    return 0


async def _batch(call: Call, registry: Registry) -> int:
    async def answer(row: Row) -> Row:
        tool = find_tool(registry, field(row, "tool"))
        return tool.run(field(row, "args", dict, {}), field(row, "seed", int, call.args.seed)).model_dump(mode="json")

    return await run_batch(call.args.batch, call.out, answer)


def given_arguments(whole_object: str | None, pairs: list[str]) -> dict[str, Any]:
    """--args and --set together; a pair wins. Raises CliError.

    >>> given_arguments('{"x": 1, "y": 2}', ["x=3", "policy=lru"])
    {'x': 3, 'y': 2, 'policy': 'lru'}
    """
    try:
        found = {} if whole_object is None else json.loads(whole_object)
    except (json.JSONDecodeError, RecursionError) as error:
        raise CliError("bad_input", f"--args isn't JSON ({error}).") from None
    if not isinstance(found, dict):
        raise CliError("bad_input", f"--args must be a JSON object, not {type(found).__name__}.")
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise CliError("bad_input", f"--set {pair!r} has no value; write it as name=value.")
        found[name.strip()] = _value(value)
    return found


def prediction(value: float, result: dict[str, Any], confidence: float | None = None, name: str | None = None) -> dict[str, Any]:
    """How far an estimate is from a result's value, the plainest number when no `name` is given: {"name","unit","value",
    "confidence","actual","error_factor"}, where the factor is max(value/actual, actual/value), and null when one of them is 0 or
    their signs differ. `confidence` is in percent, and a share in what is told. Raises CliError.

    >>> prediction(50.0, {"values": {"per_second": 100}}, 80)["error_factor"]
    2.0
    """
    from agent.predictions import Prediction, asked_value, compared

    first = asked_value(result, "")
    if first is None:
        raise CliError("bad_input", "This tool gives no number that could be predicted; leave --predict out.")
    numbers = {key: value for key, value in result["values"].items() if asked_value({"values": {key: value}}, "")}
    if (name := name or first) not in numbers:
        raise CliError("bad_input", f"There is no number {name!r} to predict; there are {', '.join(numbers)}.")
    return compared(Prediction(value, None if confidence is None else confidence / 100), result, name)


def figure(value: Any) -> str:
    """A value for a reader: six digits of a number, the beginning of a long list."""
    if isinstance(value, float):
        return FIGURE.format(value)
    told = to_json(value) if isinstance(value, list | dict) else str(value)
    return told if len(told) <= 200 else told[:199] + "…"


def _guess(text: str) -> tuple[str | None, float]:
    """Name, if one is given, and value of --predict."""
    name, equals, value = text.rpartition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (equals and not name.strip()):
        raise ArgumentTypeError(f"{text!r} is no number; give one as 3000, or as qps=3000")
    return name.strip() or None, number


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return whole(text)


def _save_plot(result: ToolResult, path: Path) -> None:
    if result.plot is None:
        raise CliError("bad_input", f"{result.tool} draws no plot; leave --plot out.")
    if path.suffix.lower() not in (".png", ".svg"):
        raise CliError("bad_input", f"{path} is neither .png nor .svg; name the plot's file so.")
    from tools.draw import save_plot

    try:
        save_plot(result.plot, path)
    except OSError as error:
        raise CliError("bad_input", f"The plot can't be written to {path} ({error.strerror}).") from error


def _show(out: Output, result: ToolResult, told: dict[str, Any]) -> None:
    out.text(result.summary)
    out.text()
    out.table(("value", "number", "unit"), [[name, figure(value), result.units.get(name, "")] for name, value in result.values.items()])
    if result.naive:
        out.text("\nA common mistake would give: " + ", ".join(f"{name} = {figure(value)}" for name, value in result.naive.items()))
    if guess := told.get("prediction"):
        from agent.predictions import told as sentence

        out.text("\n" + sentence(guess, figure, named=True))
    for title, lines in (("Assumes", result.assumptions), ("Careful", result.warnings)):
        for line in lines:
            out.dim(f"{title}: {line}")
    if told.get("plot_file"):
        out.note(f"The plot is in {told['plot_file']}.")
    elif result.plot is not None and out.terminal:
        show_plot(out, told["plot"])


def show_plot(out: Output, plot: dict[str, Any]) -> None:
    """A small plot in characters, where there is something to draw with."""
    if find_spec("tools.draw") is None:
        return
    from tools.base import Plot
    from tools.draw import text_plot

    out.text()
    out.text(text_plot(Plot.model_validate(plot)))
