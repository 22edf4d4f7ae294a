"""reply: the grounded draft becomes the answer: corrections of known errors, tagged numbers, one next step."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from agent import tracing
from agent.context import Parts, TurnContext
from agent.corrections import corrections_for, with_corrections
from agent.events import Answer, Citation, Correction, Step, Usage
from agent.evidence import pieces
from agent.grounding import tag_numbers
from agent.offline.conversion import converted
from agent.offline.sums import figure
from agent.predictions import told
from agent.state import TutorState

REJECTED = "A person looked at the answer and held it back. Ask in other words, or look at the passages yourself with `tutor search`."
NO_DRAFT: dict[str, Any] = {"text": "", "status": "abstained", "citations": [], "follow_up": None, "context": {}, "confidence": 0.0}


async def reply(state: TutorState, runtime: Runtime[TurnContext]) -> dict[str, Any]:
    """Builds the Answer and notes in the trace what it rests on."""
    answer = answer_of(state, runtime.context.parts)
    if runtime.context.span is not None:
        runtime.context.span.set_attribute(tracing.PROMPTS, [f"{name}@{version}" for name, version in sorted(state["prompts"].items())])
        runtime.context.span.set_attribute(tracing.CONFIDENCE, (state["draft"] or NO_DRAFT)["confidence"])
    return {"answer": answer.model_dump(mode="json"), "messages": []}


def answer_of(state: TutorState, parts: Parts) -> Answer:
    """The state's draft as the learner reads it. A reviewer's edit replaces the text; a rejection withholds it."""
    request, turn = state["request"], state["turn"]
    draft = state["draft"] or NO_DRAFT
    decision = state.get("review") or {}
    text, status, citations = draft["text"], draft["status"], [Citation(**row) for row in draft["citations"]]
    if decision.get("type") == "reject":
        text, status, citations = decision.get("text") or REJECTED, "abstained", []
    elif decision.get("type") == "edit":
        text = str(decision.get("text"))
        citations = [c for c in citations if f"[{c.n}]" in text]
    corrections: list[Correction] = []
    if status in ("answered", "abstained") and decision.get("type") not in ("reject", "edit"):
        found = corrections_for(request["question"], citations, pieces(state["evidence"], parts.memory.store), parts.memory.errata,
                                draft["context"])
        if found:
            status = "answered"
            text, citations, corrections = with_corrections(text, citations, found)
    for compared in (result["prediction"] for result in state["results"] if result.get("prediction")):
        text = f"{told(compared, figure)}\n\n{text}"
    results = [_text(result, request["question"]) for result in state["results"]]
    return Answer(
        id=turn["id"], thread=turn["thread"], run=turn["run"], trace=turn["trace"], status=status, text=text, citations=citations,
        numbers=tag_numbers(text, citations, results, request["question"], corrections), corrections=corrections,
        steps=[Step(**step) for step in state["steps"]],
        follow_up=draft["follow_up"] if status == "answered" else None, model=draft.get("model", parts.model_name),
        prompts=state["prompts"], usage=Usage.model_validate(state["usage"]), confidence=round(draft["confidence"], 3),
        notices=state["notices"], context=draft["context"])


def _text(result: dict[str, Any], question: str) -> str:
    """Everything a tool said, for finding numbers in it again, also in the rounded form and the unit that a reader sees."""
    units = result.get("units") or {}
    other = (converted(value, str(units.get(name, "")), question) for name, value in (result.get("values") or {}).items()
             if isinstance(value, int | float) and not isinstance(value, bool))
    asked = " ".join(figure(found[0]) for found in other if found is not None)
    shown = " ".join(figure(value) for part in ("values", "args", "naive", "prediction") for value in (result.get(part) or {}).values())
    plain = {key: value for key, value in result.items() if key not in ("series", "plot")}
    return f"{plain} {shown} {asked}"
