"""review: stops the graph until a person has decided on the draft. One interrupt, nothing before it."""

from __future__ import annotations

from typing import Any

from langgraph.types import interrupt

from agent.state import TutorState


async def review(state: TutorState) -> dict[str, Any]:
    """The value that resumes is {"type": "approve" | "edit" | "reject", "text": …, "by": …}."""
    draft = state["draft"] or {}
    decision = interrupt({
        "action_requests": [{"name": "reply", "args": {"text": draft.get("text", "")}, "arguments": {"text": draft.get("text", "")},
                             "description": "A draft waits for a person before the learner reads it."}],
        "review_configs": [{"action_name": "reply", "allowed_decisions": ["approve", "edit", "reject"]}],
    })
    return {"review": decision}
