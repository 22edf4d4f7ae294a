"""observe: judges what came back and within which bounds the loop may go on."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from agent.context import TurnContext
from agent.errors import BudgetSpent
from agent.state import TutorState

REPEATS = 3


async def observe(state: TutorState, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Stops a loop that runs in circles or out of budget: then think gets no more tools and must draft with what is
    there. Raises BudgetSpent when even one more call isn't affordable, TurnTimeout past the deadline."""
    settings = runtime.context.parts.settings
    runtime.context.left()
    used = state["usage"]
    tokens = used["input_tokens"] + used["output_tokens"]
    if tokens > settings.max_tokens * 1.5:
        raise BudgetSpent(f"The turn used up its budget of {settings.max_tokens} tokens. Ask a smaller question.")
    calls = [(step["tool"], str(sorted(step["args"].items()))) for step in state["steps"] if step["tool"]]
    circling = bool(calls) and calls.count(calls[-1]) >= REPEATS
    spent = tokens > settings.max_tokens
    if circling or spent:
        why = "The same call came back three times" if circling else "The budget is used up"
        return {"rounds": settings.max_steps - 1, "notices": [*state["notices"], f"{why}; I answer with what is there."]}
    return {}
