"""A tool's arguments made ready: what was assumed, what is missing, what it can't read left out. Chooses no tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.offline.chooser import Choice
from agent.offline.profiles import Profile
from tools.base import Tool, ToolError


def complete(profile: Profile, args: dict[str, Any], unused: tuple[str, ...] = ()) -> Choice:
    """A choice with what was assumed and what is missing. Text that its tool can't read is left out; a number out of
    range stays, as the tool's own error names the range."""
    missing = tuple(dict.fromkeys(slot.said for slot in profile.slots if slot.required and slot.name not in args))
    if not missing and not _valid(profile.tool, args):
        loose = {slot.name for slot in profile.slots if slot.kind in ("text", "list") and not slot.required}
        fewer = {name: value for name, value in args.items() if name not in loose}
        args = fewer if len(fewer) < len(args) and _valid(profile.tool, fewer) else args
    assumed = tuple(f"{slot.name} = {shown(slot.default)} (default)" for slot in profile.slots
                    if slot.name not in args and not slot.required and slot.default not in (None, "", [], ()))
    return Choice(profile.tool.name, args, assumed + unused, missing)


def _valid(tool: Tool, args: Mapping[str, Any]) -> bool:
    try:
        tool.validate(args)
    except ToolError:
        return False
    return True


def shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = str(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return f"{value:,.10g}" if 1 <= abs(value) < 1e15 else f"{value:g}"
