"""act: carries out the tool calls of the last message, each with a timeout; a failing tool answers with its error."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.runtime import Runtime

from agent import tracing
from agent.computing import compute, failed
from agent.context import TurnContext
from agent.events import Acted, Observed
from agent.evidence import numbered
from agent.passages_text import render_passages
from agent.predictions import question_for
from agent.search import NAME, look_up
from agent.state import TutorState

MAX_CALLS, SHORT_WORDS = 6, 7
WAITS = "Computed, and kept back until the learner has said what they expect."


async def act(state: TutorState, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Appends a ToolMessage for every call, in order. Calls beyond MAX_CALLS are answered with a refusal."""
    request = state["messages"][-1]
    assert isinstance(request, AIMessage)
    messages: list[AnyMessage] = list(state["messages"])
    evidence, steps, results = list(state["evidence"]), list(state["steps"]), list(state["results"])
    thought, predict = str(request.text).strip(), state.get("predict")
    for number, call in enumerate(request.tool_calls):
        began = time.perf_counter()
        runtime.context.emit(Acted(tool=call["name"], args=call["args"]))
        if number >= MAX_CALLS:
            message, seen, result = failed(call, f"Only {MAX_CALLS} calls a step are carried out; call again if you need this.")
        elif call["name"] == NAME:
            message, seen, result = await _search(call, evidence, runtime.context)
            evidence = message.artifact["evidence_all"] if message.artifact else evidence
        else:
            message, seen, result = await compute(call, runtime.context)
            if result is not None and state["request"].get("mode") == "socratic" and (asked := _prediction_first(call, result, state)):
                message, seen, result = ToolMessage(WAITS, tool_call_id=call["id"], name=call["name"]), WAITS, None
                predict = predict or asked
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
    return {"messages": messages, "evidence": evidence, "steps": steps, "results": results, "predict": predict}


def _prediction_first(call: Any, result: dict[str, Any], state: TutorState) -> dict[str, Any] | None:
    """What the learner is asked to predict, and the call that then runs again; None where there is nothing to turn or to guess."""
    turnable = any(isinstance(value, int | float) and not isinstance(value, bool) for value in result.get("args", {}).values())
    asked = question_for(result, _asked(state)) if turnable else None
    return {"kind": "predict", "tool": call["name"], "args": call["args"], **asked} if asked else None


def _asked(state: TutorState) -> str:
    """The question, after the one before it for "now with 20M users"."""
    said = [str(message.content) for message in state["messages"] if isinstance(message, HumanMessage)]
    return said[-1] if len(said[-1].split()) > SHORT_WORDS else " ".join(said[-4:])


async def _search(call: Any, known: list[dict[str, Any]], context: TurnContext) -> tuple[ToolMessage, str, None]:
    query = str(call["args"].get("query", "")).strip()
    if not query:
        return failed(call, "search_notes needs a query.")
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
