"""A tool's result told to a learner: the number, its unit, the formula, what was taken. Knows results, not tools."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from agent.offline.chooser import Choice
from agent.offline.conversation import Returned
from agent.offline.conversion import converted
from agent.offline.draft import Draft
from agent.offline.understand import Understanding
from agent.predictions import asked_value

MAX_VALUES, MAX_ASSUMED, MAX_WARNINGS = 8, 6, 2


def computed_draft(look: Understanding, last: Returned, choice: Choice | None) -> Draft:
    """What a computation gave; `choice` is how its arguments were read from the question."""
    context: dict[str, Any] = {"topic": look.topic, "query": look.query}
    if last.failed or last.result is None:
        return Draft(f"That can't be computed as asked: {last.text}", "clarify", context=context)
    result = last.result
    asked = asked_value(result, look.question)
    lines = [str(result.get("summary", "")).strip(), *_in_asked_unit(result, asked, look.question), *_values(result, asked)]
    if result.get("formula") and result["formula"] not in str(result.get("summary")):
        lines += ["", f"Formula: `{result['formula']}`"]
    taken = ", ".join(f"{key} = {figure(value)}" for key, value in result.get("args", {}).items()
                      if value is not None and not isinstance(value, list | dict)
                      and not (isinstance(value, str) and value in str(result.get("summary"))))
    lines += ["", f"Computed with {taken}."] if taken else []
    if choice is not None and choice.assumed:
        others = ", ".join(each.split(" = ")[0] for each in choice.assumed[MAX_ASSUMED:])
        rest = f"; and as usual {others}" if others else ""
        lines += ["", "Not given, so taken as: " + "; ".join(choice.assumed[:MAX_ASSUMED]) + f"{rest}."]
    if result.get("assumptions"):
        lines += ["", "Assumed: " + "; ".join(result["assumptions"]) + "."]
    lines += [f"\nNote: {warning}" for warning in result.get("warnings", [])[:MAX_WARNINGS]]
    tool, args = str(result.get("tool", last.tool)).split("@")[0], result.get("args", {})
    context["pending"] = {"kind": "tool", "tool": tool, "args": last.args, "values": _numbers(tool, result)}
    turnable = any(isinstance(value, int | float) and not isinstance(value, bool) for value in args.values())
    return Draft("\n".join(lines).strip(), "answered", "Which input would you change to see what it does?" if turnable else None, context,
                 own_voice=True)


def _numbers(tool: str, result: dict[str, Any]) -> dict[str, float]:
    """What came out, for a question that goes on with it; a formula's result is called as its name's last part ("burn")."""
    found = {name: value for name, value in result.get("values", {}).items()
             if isinstance(value, int | float) and not isinstance(value, bool)}
    return {tool.rsplit(".", 1)[-1]: found["result"]} if set(found) == {"result"} else found


def figure(value: Any) -> str:
    """A value as a reader wants it: thousands separated, four digits of a fraction, four after the nines of one close to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or value.is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if 0.9 < value < 1:
        return f"{value:.{min(15, 3 - math.floor(math.log10(1 - value)))}f}".rstrip("0").rstrip(".")
    return f"{value:,.4g}" if abs(value) < 9_999.5 else f"{value:,.0f}"


def _in_asked_unit(result: dict[str, Any], asked: str | None, question: str) -> Sequence[str]:
    """The asked value in the unit that the question names, where the tool counts in another one."""
    value = result.get("values", {}).get(asked)
    if asked is None or isinstance(value, bool) or not isinstance(value, int | float):
        return []
    unit = str(result.get("units", {}).get(asked, ""))
    found = converted(value, unit, question)
    name = "" if asked == "result" else f"{asked.replace('_', ' ')}: "
    own = f"{figure(value)} {unit}".removesuffix(" fraction")
    return ["", f"{name}{own} = **{figure(found[0])} {found[1]}**"] if found else []


def _values(result: dict[str, Any], asked: str | None) -> Sequence[str]:
    """What came out, what was asked for first."""
    units, values = result.get("units", {}), result.get("values", {})
    values = {asked: values[asked], **values} if asked is not None else values
    shown = [f"- {name.replace('_', ' ')}: {figure(value)} {units.get(name, '')}".rstrip()
             for name, value in values.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    return ["", *shown[:MAX_VALUES]] if len(shown) > 1 else []
