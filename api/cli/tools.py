"""`tutor tools`: which calculators, simulators and formulas there are, by group, and the page of each. Needs no home."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

from api.cli.call import Call
from api.cli.failures import CliError
from api.cli.output import Output, counted, to_json

if TYPE_CHECKING:
    from tools.base import Tool, ToolError
    from tools.registry import Registry


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="one tool, also as name@version; without --json another word searches")
    parser.add_argument("--group", metavar="G", help="the tools of one group: a letter, or a family of formulas")


def run(call: Call) -> int:
    from api.views import tool_view, tools_view
    from tools.base import ToolError
    from tools.registry import load_tools

    registry, name, out = load_tools(), call.args.name, call.out
    among = list(registry) if call.args.group is None else _of_group(registry, call.args.group)
    if name is None:
        found = tools_view(among)
        out.result(found, lambda: _show_all(out, among) if call.args.group is None else _show_list(out, among))
        return 0
    try:
        one = tool_view(registry.get(name))
    except ToolError as error:
        matching = [] if out.as_json else [tool for tool in among if _matches(tool, name)]
        if not matching:
            raise _unknown(error) from error
        out.note(f"No tool is called {name!r}; these speak of it.")
        _show_list(out, matching)
        return 0
    out.result(one, lambda: _show(out, one))
    return 0


def find_tool(registry: Registry, name: str) -> Tool:
    """Raises CliError with the code unknown_tool: a name that isn't there is no bad argument."""
    from tools.base import ToolError

    try:
        return registry.get(name)
    except ToolError as error:
        raise _unknown(error) from error


def _unknown(error: ToolError) -> CliError:
    return CliError("unknown_tool", str(error))


def _of_group(registry: Registry, group: str) -> list[Tool]:
    """Raises CliError when no tool is in it."""
    found = [tool for tool in registry if tool.group.casefold() == group.casefold()]
    if not found:
        raise CliError("not_found", f"There is no group {group!r}. There are {', '.join(sorted({tool.group for tool in registry}))}.")
    return found


def _matches(tool: Tool, words: str) -> bool:
    told = f"{tool.name} {tool.group} {tool.summary}".casefold()
    return all(word in told for word in words.casefold().split())


def _show_all(out: Output, tools: list[Tool]) -> None:
    """Calculators and simulators a group, then how many formulas each family has."""
    from tools.docs import GROUPS

    groups: dict[str, list[Tool]] = {}
    for tool in sorted(tools, key=lambda tool: tool.group):
        groups.setdefault(tool.group, []).append(tool)
    families = {group: found for group, found in groups.items() if all(tool.kind == "formula" for tool in found)}
    for group, found in groups.items():
        if group not in families:
            out.rule(f"{group}. {GROUPS.get(group, group)}")
            out.table((), _rows(found))
            out.text()
    out.rule(f"{counted(sum(map(len, families.values())), 'formula')} in {len(families)} families")
    out.text(", ".join(f"{family} {len(found)}" for family, found in families.items()))
    out.note("\n`tutor tools --group A` (or a family) lists one, `tutor tools WORD` searches, `tutor tools NAME` shows a page.")


def _show_list(out: Output, tools: list[Tool]) -> None:
    out.table(("tool", "kind", "what it does"), _rows(tools))


def _rows(tools: list[Tool]) -> list[list[str]]:
    """Calculators first, then simulators, then formulas, each by name."""
    kinds = ("calculator", "simulator", "formula")
    ranked = sorted(tools, key=lambda tool: (kinds.index(tool.kind), tool.name))
    return [[tool.name, tool.kind, tool.summary] for tool in ranked]


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
