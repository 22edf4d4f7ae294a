"""From a model's draft to one that holds: grounded, rewritten once if needed, and extractive when nothing else helps."""

from __future__ import annotations

from typing import Any

from agent.context import TurnContext
from agent.evidence import Piece, pieces
from agent.grounding import Grounded, ground
from agent.passages_text import render_passages
from agent.resilience import ProviderDown, Reply, plain_reply
from agent.state import TutorState

ACCEPTED = 0.6
"""The grounded share of a draft's claims below which it isn't shown, even without its unsupported sentences."""


async def grounded_draft(reply: Reply, state: TutorState, context: TurnContext) -> dict[str, Any]:
    """{"text", "status", "citations", "follow_up", "context", "confidence", "model", "usage", "notices", "prompts"}."""
    parts = context.parts
    found = pieces(state["evidence"], parts.memory.store)
    computed = [str(result) for result in state["results"]]
    question = state["request"]["question"]
    made = reply.message.additional_kwargs.get("draft")
    if made is not None and made["own_voice"]:
        return _final(Grounded(str(reply.message.content)), made, reply, state)
    if made is not None:
        return _final(ground(str(reply.message.content), _with_pending(found, made, context), computed, question,
                             close=made.get("close", False)), made, reply, state)
    text = _text(reply)
    grounded = ground(text, found, computed, question)
    used, notices, prompts = state["usage"], [], {}  # type: ignore[var-annotated]
    if grounded.unsupported and found:
        try:
            listed, prompts = await _rewritten(text, grounded, state, context)
            used = _plus(used, listed.usage_metadata)
            again = ground(str(listed.text), found, computed, question)
            grounded = again if again.confidence >= grounded.confidence else grounded
        except ProviderDown:
            notices.append("The model couldn't be asked to mend its draft; unsupported sentences were taken out.")
    if grounded.confidence >= ACCEPTED and (grounded.citations or not grounded.claims) and grounded.text and (grounded.claims or not found or computed):
        if grounded.unsupported:
            notices.append(f"{len(grounded.unsupported)} sentences of the model's draft had no support in the passages and were taken out.")
        out = _final(grounded, {"status": "answered" if grounded.citations or computed else _plain_status(text), "follow_up": None,
                                "context": {"topic": state["query"], "query": state["query"]}}, reply, state)
        return {**out, "usage": used, "notices": notices, "prompts": prompts}
    message = await parts.fallback.ainvoke(list(state["messages"]))
    if message.tool_calls:
        # The reasoner would search on; a draft is due now, so it gets no more tools.
        message = await parts.fallback.bind(tool_names=[]).ainvoke(list(state["messages"]))
    own = message.additional_kwargs["draft"]
    extracted = ground(str(message.content), found, computed, question)
    notices.append(f"The draft of {parts.model_name} wasn't supported by the passages; what you read are the passages' own sentences.")
    out = _final(extracted, own, reply, state)
    return {**out, "usage": used, "notices": notices, "prompts": prompts, "model": f"{parts.model_name} + offline"}


def _final(grounded: Grounded, made: dict[str, Any], reply: Reply, state: TutorState) -> dict[str, Any]:
    return {"text": grounded.text, "status": made["status"], "citations": [c.model_dump(mode="json") for c in grounded.citations],
            "follow_up": made["follow_up"], "context": made["context"], "confidence": grounded.confidence, "model": reply.model,
            "usage": state["usage"], "notices": [], "prompts": {}}


async def _rewritten(text: str, grounded: Grounded, state: TutorState, context: TurnContext) -> tuple[Any, dict[str, str]]:
    parts = context.parts
    shown, _ = render_passages(parts, state["evidence"])
    prompt = parts.prompts.render("correct", question=state["request"]["question"], passages=shown, draft=text,
                                  unsupported=grounded.unsupported)
    return await plain_reply(parts, prompt.text, context), {"correct": str(prompt.prompt.version)}


def _with_pending(found: list[Piece], made: dict[str, Any], context: TurnContext) -> list[Piece]:
    """A graded quiz quotes the passage it was asked from, which this turn may not have searched for."""
    wanted = made.get("context", {}).get("shown")
    if not wanted or any(piece.passage.id == wanted for piece in found):
        return found
    held = context.parts.memory.store.passages([wanted])
    return [*found, *(Piece(0, p, 1.0, 1.0, tuple(1.0 for _ in p.blocks), {}, "") for p in held.values())]


def _text(reply: Reply) -> str:
    return str(reply.message.text)


def _plain_status(text: str) -> str:
    return "clarify" if text.rstrip().endswith("?") else "abstained"


def _plus(used: dict[str, float], more: Any) -> dict[str, float]:
    more = more or {}
    return {**used, "input_tokens": used["input_tokens"] + more.get("input_tokens", 0),
            "output_tokens": used["output_tokens"] + more.get("output_tokens", 0)}
