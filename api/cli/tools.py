"""`tutor tools`: which calculators and simulators there are, and the page of each. Needs no home."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

from api.cli.call import Call
from api.cli.failures import CliError
from api.cli.output import Output, to_json

if TYPE_CHECKING:
    from tools.base import Tool
    from tools.registry import Registry


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="one tool, also as name@version")


def run(call: Call) -> int:
    from api.views import tool_view, tools_view
    from tools.registry import load_tools

    registry = load_tools()
    if call.args.name is None:
        found = tools_view(registry)
        call.out.result(found, lambda: _show_all(call.out, found["tools"]))
    else:
        one = tool_view(find_tool(registry, call.args.name))
        call.out.result(one, lambda: _show(call.out, one))
    return 0


def find_tool(registry: Registry, name: str) -> Tool:
    """Raises CliError with the code unknown_tool: a name that isn't there is no bad argument."""
    from tools.base import ToolError

    try:
        return registry.get(name)
    except ToolError as error:
        raise CliError("unknown_tool", str(error)) from error


def _show_all(out: Output, tools: list[dict[str, Any]]) -> None:
    out.table(("tool", "kind", "what it does"), [[tool["name"], tool["kind"], tool["description"]] for tool in tools])


def _show(out: Output, tool: dict[str, Any]) -> None:
    out.rule(f"{tool['id']} ({tool['kind']})")
    out.markdown(tool["page"])
    out.text()
    out.table(("parameter", "type", "unit", "default"), [_parameter(name, told, tool["schema"])
                                                         for name, told in tool["schema"].get("properties", {}).items()])
    example = " ".join(f"--set {name}={value if isinstance(value, str) else to_json(value)}" for name, value in tool["example"].items())
    out.text(f"\ntutor run {tool['name']} {example}".rstrip())


def _parameter(name: str, told: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    kind = told.get("type") or "/".join(each.get("type", "?") for each in told.get("anyOf", [])) or "choice"
    limits = [f"{sign} {told[key]:g}" for key, sign in
              (("exclusiveMinimum", ">"), ("minimum", "≥"), ("exclusiveMaximum", "<"), ("maximum", "≤")) if key in told]
    choices = " | ".join(str(each) for each in told.get("enum", []))
    default = "required" if name in schema.get("required", []) else to_json(told.get("default"))
    return [name, " ".join([choices or kind, *limits]), told.get("unit", ""), default]
