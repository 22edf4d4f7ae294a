"""The graph's private state: one turn in progress. Every field is plain data, so that a checkpoint is small."""

from __future__ import annotations

from typing import Any, TypedDict

from langchain_core.messages import AnyMessage


class TutorState(TypedDict, total=False):
    """`messages` is what the model sees; `evidence` the numbered passages (agent.evidence rows); `steps` what happened
    so far; `draft` the reply that waits for grounding; `verdict` what observe decided; `predict` the prediction that the
    learner is asked for; `answer` the end."""

    request: dict[str, Any]
    turn: dict[str, Any]
    query: str
    messages: list[AnyMessage]
    evidence: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    results: list[dict[str, Any]]
    rounds: int
    usage: dict[str, float]
    draft: dict[str, Any] | None
    review: dict[str, Any] | None
    notices: list[str]
    predict: dict[str, Any] | None
    prompts: dict[str, str]
    answer: dict[str, Any] | None
