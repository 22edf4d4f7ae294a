"""Writes docs/tools.md from the tools themselves, or checks that it is up to date. Knows no tool by name.

`python -m tools.docs` writes the file; `python -m tools.docs --check` exits with 1 when it is stale.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.base import Case, Tool
from tools.plot_axes import figure
from tools.registry import Registry, load_tools

TARGET = Path(__file__).resolve().parent.parent / "docs" / "tools.md"
GROUPS = {"A": "Estimation, capacity and availability", "B": "Rate limiting", "C": "Data movement", "D": "Features",
          "E": "Distributed training and serving memory", "F": "Privacy", "G": "Hyperparameter optimisation",
          "H": "Serving, recommendation and resilience", "I": "Drift", "J": "Kubernetes and routing", "K": "Agentic flow"}
LONGEST_VALUE = 100
KINDS = {"integer": "whole", "boolean": "true or false", "string": "text", "array": "list", "object": "mapping"}

HEAD = """\
# Calculators, simulators and formulas

This file is generated from the tools' own pages, parameters and cases: `make docs` writes it, `python -m tools.docs --check` fails when
it is stale.

- **In the terminal**: `tutor tools` lists them by group (`--group G` one group, `tutor tools WORD` searches),
  `tutor tools NAME` shows a page, `tutor run NAME --set key=value …` runs one (`--plot FILE.svg` draws it,
  `--predict VALUE` compares your own estimate first, `--json` prints the whole result).
- **In a conversation**: ask in plain language; the tutor picks the tool and fills in its parameters.
- **In a program**:

```python
from tools.registry import load_tools

tools = load_tools()
tools.get("avail.series").run({{"a": 0.999, "n": 5}}).values["result"]  # 0.995009990004999
```

`run(args, seed=0)` checks the arguments and returns a `ToolResult`: `values` with `units` by the same names, a `summary` in words, `naive`
(what the common misconception would give), the `formula`, `series`, a `plot` that `tools.draw` turns into SVG, PNG or text, `assumptions`
and `warnings`. A list may be text (`"1, 2"`), rows and shares may carry names, None is the default; `out` picks some of several outputs.
The same arguments and seed give the same bytes, except where a tool says that it measures this machine. What can't be computed raises
`tools.base.ToolError`, one sentence for a reader. `tools.executor.WorkerExecutor` runs simulators in a process of their own with limits
on time and memory:

```python
from pathlib import Path

from tools.draw import save_plot, text_plot
from tools.executor import WorkerExecutor
from tools.registry import load_tools

if __name__ == "__main__":
    with WorkerExecutor() as executor:
        result = executor.run(load_tools().get("cache"), {{"slots": 2_000}}, timeout_s=5.0)
    print(result.summary)
    print(text_plot(result.plot))
    save_plot(result.plot, Path("cache.svg"))
```

`name@version` names one version for good; a bare name is the newest. A new tool is one file (`make new-tool NAME=…`) and is found by
itself.
There are {tools} tools and {formulas} formulas.
"""


def main(argv: Sequence[str]) -> int:
    """0 when done or up to date, 1 when --check finds the file stale, 2 for other arguments."""
    if list(argv) not in ([], ["--check"]):
        print("usage: python -m tools.docs [--check]", file=sys.stderr)
        return 2
    text = generate(load_tools())
    if not argv:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if is_stale(text, TARGET):
        print(f"{TARGET.name} doesn't match the tools; `python -m tools.docs` writes it anew.", file=sys.stderr)
        return 1
    return 0


def is_stale(text: str, target: Path) -> bool:
    return not target.exists() or target.read_text(encoding="utf-8") != text


def generate(registry: Registry | Iterable[Tool]) -> str:
    """The whole file. Runs the example of every tool once."""
    tools = sorted((tool for tool in registry if tool.kind != "formula"), key=lambda tool: (tool.group, tool.name))
    formulas = sorted((tool for tool in registry if tool.kind == "formula"), key=lambda tool: tool.name)
    groups = sorted({tool.group for tool in tools})
    families = sorted({tool.group for tool in formulas})
    parts = [HEAD.format(tools=len(tools), formulas=len(formulas)), "## Contents\n"]
    for group in groups:
        names = ", ".join(f"[{tool.name}](#{_anchor(tool.id)})" for tool in tools if tool.group == group)
        parts.append(f"- {GROUPS.get(group, group)}: {names}")
    parts.append("- [Formulas](#formulas): " + ", ".join(f"[{family}](#{family})" for family in families) + "\n")
    for group in groups:
        parts.append(f"## {GROUPS.get(group, group)}\n")
        parts += [_section(tool) for tool in tools if tool.group == group]
    parts.append("## Formulas\n\nEach is called like a tool: `tutor run avail.series --set a=0.999 --set n=5`. Its value is named "
                 "`result` where the example shows a single one.\n")
    parts += [_family(family, [tool for tool in formulas if tool.group == family]) for family in families]
    return "\n".join(parts).rstrip() + "\n"


def _section(tool: Tool) -> str:
    args = example(tool)
    result = tool.run(args)
    told = [f"### {tool.id}\n", _facts(tool), _markdown(tool.page), "", "**Parameters**\n",
            _table(("name", "unit", "default", "range"), [_parameter(name, field, tool) for name, field in _fields(tool).items()]),
            "**Example**\n", f"```sh\n{command(tool, args)}\n```\n", f"```python\n{_call(tool, args)}\n```\n"]
    if tool.kind == "calculator" and not tool.measures:
        told += [_text(result.summary) + "\n", "**Values**\n", _table(("name", "unit", "in the example"), [
            (f"`{name}`", result.units.get(name, ""), _value(value)) for name, value in result.values.items()])]
    else:
        told += ["**Values**: " + ", ".join(f"`{name}`" + (f" ({unit})" if (unit := result.units.get(name)) else "")
                                            for name in result.values) + ".\n"]
    if result.naive:
        told.append("**What the common mistake gives**: " + ", ".join(f"`{name}`" for name in result.naive) + ".\n")
    if result.assumptions:
        told += ["**Assumptions**\n", *(f"- {_text(line)}" for line in result.assumptions), ""]
    told += _cases(tool)
    return "\n".join(told)


def _facts(tool: Tool) -> str:
    facts: list[str] = [tool.kind]
    if tool.measures:
        facts.append("measures this machine, so that its figures differ from run to run")
    return f"*{'; '.join(facts)}*\n"


def _cases(tool: Tool) -> list[str]:
    checked = [case for case in tool.cases if not case.shown]
    shown = [case for case in tool.cases if case.shown]
    told = []
    if checked:
        told += ["**Checked against**\n", *(f"- {_case(case)}" for case in checked), ""]
    if shown:
        told += ["**Published measurements**, shown for comparison and never asserted\n", *(f"- {_case(case)}" for case in shown), ""]
    return told


def _case(case: Case) -> str:
    expected = ", ".join(f"`{name}` = {_value(value)}" for name, value in case.expected.items())
    return f"{_code(_short(_arguments(case.args) or 'the defaults'))}: {expected}" + (f" ({_text(case.source)})" if case.source else "")


def _family(family: str, formulas: Sequence[Tool]) -> str:
    rows = []
    for tool in formulas:
        args = example(tool)
        value = "measured" if tool.measures else _outcome(tool.run(args).values)
        rows.append((f"`{tool.id}`", _text(tool.summary), "<br>".join(_brief(name, field) for name, field in _fields(tool).items()),
                     _code(_short(_arguments(args))) if args else "", value, tool.unit))
    told = [f"### {family}\n", _table(("formula", "what it gives", "parameters", "example", "value", "unit"), rows)]
    shown = [(tool, case) for tool in formulas for case in tool.cases if case.shown]
    if shown:
        told += ["Published measurements, shown for comparison and never asserted:\n",
                 *(f"- `{tool.name}` {_case(case)}" for tool, case in shown), ""]
    return "\n".join(told)


def example(tool: Tool) -> dict[str, Any]:
    """Arguments that the tool takes: its own example, else those of its first case, else none but the defaults."""
    cases = sorted(tool.cases, key=lambda case: case.shown)
    return dict(tool.example or (cases[0].args if cases else {}))


def command(tool: Tool, args: Mapping[str, Any]) -> str:
    """The call in a shell."""
    return " ".join(["tutor run", tool.name, *(f"--set {shlex.quote(f'{name}={_typed(value)}')}" for name, value in args.items())])


def _typed(value: Any) -> str:
    """As `--set` reads it: JSON, and plain text for a string that isn't JSON."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    try:
        json.loads(value)
    except json.JSONDecodeError:
        return value
    return json.dumps(value, ensure_ascii=False)


def _call(tool: Tool, args: Mapping[str, Any]) -> str:
    return f'load_tools().get("{tool.name}").run({dict(args)!r}).values'


def _fields(tool: Tool) -> dict[str, dict[str, Any]]:
    schema = tool.params.model_json_schema(by_alias=True)
    defined = schema.get("$defs", {})
    required = schema.get("required", [])
    return {name: {**_resolved(field, defined), "required": name in required} for name, field in schema.get("properties", {}).items()}


def _resolved(field: dict[str, Any], defined: dict[str, Any]) -> dict[str, Any]:
    """A field with what it refers to, and the limits of its alternatives lifted up."""
    for part in [field, *field.get("anyOf", []), *field.get("allOf", [])]:
        if "$ref" in part:
            field = {**defined.get(part["$ref"].rsplit("/", 1)[-1], {}), **field}
        elif part is not field:
            field = {**part, **field} if part.get("type") != "null" else {**field, "optional": True}
    return field


def _parameter(name: str, field: dict[str, Any], tool: Tool) -> tuple[str, ...]:
    help_ = f"<br>{_text(field['description'])}" if field.get("description") else ""
    default = "required" if field["required"] else _code(_short(json.dumps(field.get("default"), ensure_ascii=False)))
    return f"`{name}`{help_}", field.get("unit", ""), default, _range(field)


def _brief(name: str, field: dict[str, Any]) -> str:
    unit, limits = field.get("unit", ""), _range(field)
    default = "" if field["required"] else f", default {_short(json.dumps(field.get('default'), ensure_ascii=False), 30)}"
    return f"`{name}`" + (f" {unit}" if unit else "") + (f": {limits}" if limits else "") + _text(default)


def _range(field: dict[str, Any]) -> str:
    if choices := field.get("enum") or ([field["const"]] if "const" in field else []):
        return ", ".join(_text(str(each)) for each in choices)
    low = next((f"{sign} {figure(field[key])}" for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">")) if key in field), "")
    high = next((f"{sign} {figure(field[key])}" for key, sign in (("maximum", "≤"), ("exclusiveMaximum", "<")) if key in field), "")
    kind = KINDS.get(field.get("type", ""), "")
    if "maxLength" in field and not low:
        high = f"up to {field['maxLength']:,} characters"
    if "maxItems" in field:
        high = f"up to {field['maxItems']:,} items"
    return ", ".join(part for part in (kind, low, high) if part)


def _outcome(values: Mapping[str, Any]) -> str:
    if set(values) == {"result"}:
        return _value(values["result"])
    return ", ".join(f"`{key}` = {_value(value)}" for key, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return figure(value)
    return _code(_short(json.dumps(_rounded(value), ensure_ascii=False)))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return {key: _rounded(each) for key, each in value.items()} if isinstance(value, dict) else value


def _arguments(args: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in args.items())


def _short(text: str, most: int = LONGEST_VALUE) -> str:
    return text if len(text) <= most else text[:most - 1] + "…"


def _code(text: str) -> str:
    return f"`{text.replace('`', '')}`" if text else ""


def _markdown(page: str) -> str:
    """A page with its examples fenced and its stars and angle brackets literal."""
    told = []
    for block in re.split(r"\n\s*\n", page):
        told.append(f"```python\n{block}\n```" if block.lstrip().startswith(">>>") else _text(block))
    return "\n\n".join(told)


def _text(text: str) -> str:
    """Markdown that reads as it is written; what stands in backticks already does."""
    parts = re.split(r"(`[^`]*`)", text)
    literal = (part if part.startswith("`") else re.sub(r"(?<!^)(?<!\n)\*|\*(?! )", r"\\*", part).replace("<", "&lt;") for part in parts)
    return "".join(literal)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in cells) + "\n"


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9_ -]", "", title.lower()).replace(" ", "-")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
