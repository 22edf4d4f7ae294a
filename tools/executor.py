"""Where tools run: in this process, or each in a worker with time and memory limits. Knows no tool by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.base import Tool, ToolResult


class InlineExecutor:
    """Runs a tool here and now. Validation bounds its size; nothing bounds its time."""

    def run(self, tool: Tool, args: Mapping[str, Any], seed: int = 0, timeout_s: float = 10.0) -> ToolResult:
        return tool.run(args, seed)
