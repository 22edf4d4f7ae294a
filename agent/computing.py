"""One tool call carried out: within its time, with its result or its error as a message. Knows the registry, not the loop."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from langchain_core.messages import ToolMessage

from agent import tracing
from agent.context import TurnContext
from tools.base import ToolError

HIDDEN = ("series", "plot")
"""What a model doesn't need to see of a result."""


async def compute(call: Any, context: TurnContext) -> tuple[ToolMessage, str, dict[str, Any] | None]:
    """The message for the model, what was seen in a line, and the whole result; None with an error."""
    parts = context.parts
    try:
        tool = parts.registry.get(call["name"].replace("__", "."))
        attributes = {tracing.TOOL_NAME: tool.id, tracing.TOOL_CALL: str(call["id"])}
        limit = min(parts.settings.tool_timeout_s, context.left())
        with parts.tracer.span(tracing.EXECUTE_TOOL, tool.id, attributes, context.span):
            if tool.kind == "simulator" or tool.measures:
                result = await asyncio.to_thread(parts.executor.run, tool, call["args"], 0, limit)
            else:
                # Validation bounds calculators to microseconds; a thread would cost more than the work.
                result = parts.executor.run(tool, call["args"], 0, limit)
    except ToolError as error:
        return failed(call, str(error))
    told = result.model_dump(mode="json")
    return message_of(call, told), result.summary, told


def message_of(call: Any, told: dict[str, Any]) -> ToolMessage:
    """A result as the model sees it; the artifact keeps its values."""
    slim = {key: value for key, value in told.items() if key not in HIDDEN}
    text = json.dumps({key: value for key, value in slim.items() if value not in ({}, [], "", None)}, ensure_ascii=False)
    return ToolMessage(text, tool_call_id=call["id"], name=call["name"], artifact={"result": slim})


def failed(call: Any, why: str) -> tuple[ToolMessage, str, None]:
    return ToolMessage(why, tool_call_id=call["id"], name=call["name"], status="error"), why, None
