"""recall: the conversation so far, and a first search for what was asked."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.runtime import Runtime

from agent import tracing
from agent.computing import compute, message_of
from agent.context import TurnContext
from agent.events import Acted, Observed
from agent.evidence import numbered
from agent.offline.conversation import past_from
from agent.offline.understand import understand
from agent.passages_text import render_passages
from agent.predictions import asks, compared, declined, read_prediction
from agent.search import NAME, look_up
from agent.state import TutorState

LONGEST_GUESS = 40
"""Words of a reply that is read as a number; in a longer one many stand, and which one is meant can't be told."""
NO_SEARCH = {"empty", "refuse", "gibberish", "small_talk", "about_self", "recalls", "quiz_answer"}
SHOWN_TURNS = 6


async def recall(state: TutorState, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Fills `messages` with the conversation and `evidence` with the first search's passages."""
    context, request, turn = runtime.context, state["request"], state["turn"]
    parts = context.parts
    past = parts.threads.history(turn["thread"], before=turn["number"])
    messages: list[AnyMessage] = []
    for each in past[-SHOWN_TURNS:]:
        answer = each.answer or {}
        messages.append(HumanMessage(each.request["question"]))
        messages.append(AIMessage(answer.get("text", ""), additional_kwargs={"past": answer.get("context", {})}))
    question = request["question"]
    messages.append(HumanMessage(question, additional_kwargs={"turn": {"mode": request.get("mode", "direct")}}))
    history = [past_from(e.request["question"], (e.answer or {}).get("text", ""), (e.answer or {}).get("context", {})) for e in past]
    look = understand(question, history)
    update: dict[str, Any] = {"query": look.query, "messages": messages, "evidence": [], "steps": [], "results": [], "rounds": 0,
                              "usage": {"input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0}, "notices": [], "prompts": {},
                              "predict": None, "draft": None, "review": None, "answer": None}
    pending = (past[-1].answer or {}).get("context", {}).get("pending") or {} if past else {}
    if pending.get("kind") == "predict" and (ran := await _predicted(pending, question, context)) is not None:
        return {**update, **ran, "messages": [*messages, *ran["messages"]]}
    if look.intent in NO_SEARCH:
        return update
    began = time.perf_counter()
    context.emit(Acted(tool=NAME, args={"query": look.query}))
    with parts.tracer.span(tracing.RETRIEVAL, NAME, {tracing.QUERY_CHARS: len(look.query)}, context.span) as span:
        hits = await asyncio.wait_for(asyncio.to_thread(look_up, parts.memory, look.query), context.left())
        span.set_attribute(tracing.EVIDENCE, len(hits))
    evidence = numbered([], hits, look.query)
    text, prompt = render_passages(parts, evidence)
    call = {"name": NAME, "args": {"query": look.query}, "id": "recall", "type": "tool_call"}
    messages.append(AIMessage("", tool_calls=[call]))
    messages.append(ToolMessage(text, tool_call_id="recall", name=NAME, artifact={"evidence": evidence}))
    ms = (time.perf_counter() - began) * 1000
    seen = f"{len(hits)} passages" + (f", best match {max(h.similarity for h in hits):.2f}" if hits else "")
    context.emit(Observed(tool=NAME, text=seen, ms=ms))
    update["steps"] = [{"thought": "First I look at what the material says about it.", "tool": NAME, "args": {"query": look.query},
                        "observation": seen, "ms": round(ms, 2)}]
    update["evidence"] = evidence
    update["prompts"] = prompt
    return update


async def _predicted(pending: dict[str, Any], reply: str, context: TurnContext) -> dict[str, Any] | None:
    """The call that waited for the learner's prediction, run, with the two side by side; None when the reply is no prediction."""
    if asks(reply):
        return None
    long = len(reply.split()) > LONGEST_GUESS or len(reply) > 10 * LONGEST_GUESS
    guess = None if long or declined(reply) else read_prediction(reply, pending["unit"])
    if guess is None and not declined(reply) and (not long or "?" in reply):
        return None
    call = {"name": pending["tool"], "args": pending["args"], "id": "predicted", "type": "tool_call"}
    began = time.perf_counter()
    context.emit(Acted(tool=call["name"], args=call["args"]))
    message, seen, result = await compute(call, context)
    if result is not None and guess is not None:
        result["prediction"] = compared(guess, result, pending["name"])
        message = message_of(call, result)
    ms = (time.perf_counter() - began) * 1000
    context.emit(Observed(tool=call["name"], text=seen, ms=ms, result=result))
    step = {"thought": "The prediction is made, so the result may be shown.", "tool": call["name"], "args": call["args"],
            "observation": seen, "ms": round(ms, 2)}
    return {"messages": [AIMessage("", tool_calls=[call]), message], "results": [result] if result else [], "steps": [step]}
