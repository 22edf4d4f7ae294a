"""think: asks the model what to do next; what comes back is tool calls or a draft that has been grounded."""

from __future__ import annotations

from typing import Any, Literal

from langgraph.runtime import Runtime

from agent import tracing
from agent.context import TurnContext
from agent.drafting import grounded_draft
from agent.events import Thought
from agent.planning import planned_reply
from agent.resilience import ask_model
from agent.state import TutorState


async def think(state: TutorState, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """One model call. On the last allowed round no tools are offered, so that the loop ends with a draft."""
    context = runtime.context
    rounds = state["rounds"] + 1
    if (asked := state.get("predict")) is not None:
        return {"rounds": rounds, "draft": _ask_first(asked, state, context)}
    closing = rounds >= context.parts.settings.max_steps
    ask = planned_reply if context.parts.calls == "planned" else ask_model
    reply = await ask(state, context, offer_tools=not closing)
    update: dict[str, Any] = {"rounds": rounds, "usage": reply.usage, "prompts": {**state["prompts"], **reply.prompts},
                              "notices": list(dict.fromkeys([*state["notices"], *_taken_over(state, context), *reply.notices]))}
    if (reply.message.tool_calls or reply.message.invalid_tool_calls) and not closing:
        thought = str(reply.message.text).strip()
        if thought:
            context.emit(Thought(text=thought))
        return {**update, "messages": [*state["messages"], reply.message], "draft": None}
    with context.parts.tracer.span("ground", "draft", parent=context.span) as span:
        draft = await grounded_draft(reply, {**state, **update}, context)  # type: ignore[typeddict-item]
        span.set_attribute(tracing.CONFIDENCE, draft["confidence"])
    update["usage"] = draft.pop("usage")
    update["notices"] = [*update["notices"], *draft.pop("notices")]
    update["prompts"] = {**update["prompts"], **draft.pop("prompts")}
    return {**update, "draft": draft}


def _taken_over(state: TutorState, context: TurnContext) -> list[str]:
    """Says so when the turn was admitted by a process with another model, which ended before the turn did."""
    begun, here = state["request"].get("model"), context.parts.model_name
    if begun in (None, here):
        return []
    return [f"The question was asked of {begun}, and the program stopped before it was answered; {_named(here)} finished it."]


def _named(model: str) -> str:
    return "the offline reasoner" if model == "offline" else model


def _ask_first(asked: dict[str, Any], state: TutorState, context: TurnContext) -> dict[str, Any]:
    """In place of a model's draft: nothing is claimed, so there is nothing to ground."""
    kept = {"topic": state["query"], "query": state["query"], "status": "clarify", "pending": asked}
    return {"text": asked["text"], "status": "clarify", "citations": [], "follow_up": None, "context": kept, "confidence": 1.0,
            "model": context.parts.model_name}


async def after_thinking(state: TutorState, runtime: Runtime[TurnContext]) -> Literal["act", "review", "reply"]:
    """Asynchronous, or LangGraph would hand it to a thread. Tool calls are carried out; a draft goes to a person when the learner asked for it or its ground is thin."""
    draft = state["draft"]
    if draft is None:
        return "act"
    if state["request"].get("review") or draft["confidence"] < runtime.context.parts.settings.review_below:
        return "review"
    return "reply"
