"""act: carries out the tool calls of the last message, each with a timeout; a failing tool answers with its error."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langgraph.runtime import Runtime

from agent import tracing
from agent.context import TurnContext
from agent.events import Acted, Observed
from agent.evidence import numbered
from agent.passages_text import render_passages
from agent.search import NAME, look_up
from agent.state import TutorState
from tools.base import ToolError

MAX_CALLS = 6


async def act(state: TutorState, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Appends a ToolMessage for every call, in order. Calls beyond MAX_CALLS are answered with a refusal."""
    request = state["messages"][-1]
    assert isinstance(request, AIMessage)
    messages: list[AnyMessage] = list(state["messages"])
    evidence, steps, results = list(state["evidence"]), list(state["steps"]), list(state["results"])
    thought = str(request.text).strip()
    for number, call in enumerate(request.tool_calls):
        began = time.perf_counter()
        runtime.context.emit(Acted(tool=call["name"], args=call["args"]))
        if number >= MAX_CALLS:
            message, seen, result = _failed(call, f"Only {MAX_CALLS} calls a step are carried out; call again if you need this.")
        elif call["name"] == NAME:
            message, seen, result = await _search(call, evidence, runtime.context)
            evidence = message.artifact["evidence_all"] if message.artifact else evidence
        else:
            message, seen, result = await _compute(call, runtime.context)
        ms = (time.perf_counter() - began) * 1000
        if message.artifact:
            message.artifact.pop("evidence_all", None)
        messages.append(message)
        results.extend([result] if result else [])
        steps.append({"thought": thought if number == 0 else "", "tool": call["name"], "args": call["args"], "observation": seen,
                      "ms": round(ms, 2)})
        runtime.context.emit(Observed(tool=call["name"], text=seen, ms=ms, result=result))
    for broken in request.invalid_tool_calls:
        # An unanswered call would break the conversation, so a call that can't be read is answered too.
        messages.append(ToolMessage(f"The arguments aren't valid JSON ({broken.get('error')}). Call again with valid JSON.",
                                    tool_call_id=str(broken.get("id")), status="error"))
    return {"messages": messages, "evidence": evidence, "steps": steps, "results": results}


async def _search(call: Any, known: list[dict[str, Any]], context: TurnContext) -> tuple[ToolMessage, str, None]:
    query = str(call["args"].get("query", "")).strip()
    if not query:
        return _failed(call, "search_notes needs a query.")
    parts = context.parts
    with parts.tracer.span(tracing.RETRIEVAL, NAME, {tracing.QUERY_CHARS: len(query)}, context.span) as span:
        hits = await asyncio.wait_for(asyncio.to_thread(look_up, parts.memory, query), context.left())
        span.set_attribute(tracing.EVIDENCE, len(hits))
    every = numbered(known, hits, query)
    ids = {hit.passage.id for hit in hits}
    numbers = {row["id"]: row["n"] for row in every}
    # The rows of this search keep its own scores; their numbers are the turn's.
    own = [{**row, "n": numbers[row["id"]]} for row in numbered([], hits, query)]
    text, _ = render_passages(parts, [row for row in every if row["id"] in ids])
    seen = f"{len(hits)} passages" + (f", best match {max(h.similarity for h in hits):.2f}" if hits else "")
    return ToolMessage(text, tool_call_id=call["id"], name=NAME, artifact={"evidence": own, "evidence_all": every}), seen, None


async def _compute(call: Any, context: TurnContext) -> tuple[ToolMessage, str, dict[str, Any] | None]:
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
        return _failed(call, str(error))
    told = result.model_dump(mode="json")
    slim = {key: value for key, value in told.items() if key not in ("series", "plot")}
    return ToolMessage(_text_of(slim), tool_call_id=call["id"], name=call["name"], artifact={"result": slim}), result.summary, told


def _failed(call: Any, why: str) -> tuple[ToolMessage, str, None]:
    return ToolMessage(why, tool_call_id=call["id"], name=call["name"], status="error"), why, None


def _text_of(result: dict[str, Any]) -> str:
    import json

    return json.dumps({key: value for key, value in result.items() if value not in ({}, [], "", None)}, ensure_ascii=False)
