"""Tools: the calculators and simulators, and runs of them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from agent.tutor import Tutor
from api.errors import UnknownTool
from api.held import TutorHere
from api.problems import Body
from api.views import tool_view, tools_view
from tools.base import Tool, ToolError, ToolResult

router = APIRouter(prefix="/tools", tags=["tools"])


class Run(Body):
    """Arguments as the tool's schema describes them; the same seed gives the same result."""

    args: dict[str, Any] = Field(default_factory=dict)
    seed: int = Field(0, ge=0, lt=2**63)


@router.get("")
def list_tools(tutor: TutorHere) -> dict[str, Any]:
    """The newest version of every tool, with its schema."""
    return tools_view(tutor.parts.registry)


@router.get("/{name}")
def show_tool(name: str, tutor: TutorHere) -> dict[str, Any]:
    """One tool with its page; `name@version` picks a version."""
    return tool_view(_tool(tutor, name))


@router.post("/{name}/runs")
def run_tool(name: str, run: Run, tutor: TutorHere) -> ToolResult:
    """Runs a tool once. Nothing is kept."""
    parts = tutor.parts
    return parts.executor.run(_tool(tutor, name), run.args, run.seed, parts.settings.tool_timeout_s)


def _tool(tutor: Tutor, name: str) -> Tool:
    """Raises UnknownTool: to the registry it is a tool's error like others, here an address that isn't there."""
    try:
        return tutor.parts.registry.get(name)
    except ToolError as error:
        raise UnknownTool(str(error)) from error
