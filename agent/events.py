"""The vocabulary of a turn: what comes in, what streams out, what it ends with. CLI, HTTP, tests and eval read this
and nothing else; it is also the wire format."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["direct", "socratic", "interview"]
Status = Literal["answered", "clarify", "abstained", "refused", "review"]

MAX_QUESTION_CHARS = 20_000


class TurnRequest(BaseModel):
    """One thing a learner says. `id` makes it idempotent: the same id never runs twice. Fields that it doesn't have are refused:
    one that is misspelt would be left out in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    thread: str | None = None
    learner: str = "local"
    mode: Mode = "direct"
    review: bool = False
    id: str | None = None


class Citation(BaseModel):
    """One mark [n]. `quote` equals the document's text[start:end], always."""

    n: int
    document: str
    heading: list[str]
    chunk_id: str
    start: int
    end: int
    quote: str
    source: Literal["notes", "course"] = "notes"


class NumberTag(BaseModel):
    """Where a number in the answer comes from; `ref` is a citation ("[1]"), a tool step ("step 2") or None."""

    text: str
    kind: Literal["computed", "cited", "given", "unsupported"]
    ref: str | None = None


class Correction(BaseModel):
    """A known error that stands in a quoted passage or in the learner's question."""

    quote: str
    problem: str
    right: str
    source: str
    id: str = ""


class Step(BaseModel):
    """One round of the loop: why, which tool with which arguments, what came back, how long it took in ms."""

    thought: str
    tool: str | None = None
    args: dict[str, Any] = Field(default_factory=dict)
    observation: str = ""
    ms: float = 0.0


class Usage(BaseModel):
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


class Answer(BaseModel):
    """How every turn ends."""

    id: str
    thread: str
    run: str
    trace: str
    status: Status
    text: str
    citations: list[Citation] = Field(default_factory=list)
    numbers: list[NumberTag] = Field(default_factory=list)
    corrections: list[Correction] = Field(default_factory=list)
    steps: list[Step] = Field(default_factory=list)
    follow_up: str | None = None
    model: str = ""
    prompts: dict[str, str] = Field(default_factory=dict)
    usage: Usage = Field(default_factory=Usage)
    ms: float = 0.0
    confidence: float = 1.0
    notices: list[str] = Field(default_factory=list)
    review_id: str | None = None
    context: dict[str, Any] = Field(default_factory=dict)
    """What a later turn needs: topic, query, points, passages used, what is pending."""


class Started(BaseModel):
    """The admission row is durable; the turn will end, whatever happens to this process."""

    type: Literal["started"] = "started"
    id: str
    thread: str
    run: str
    trace: str


class Thought(BaseModel):
    type: Literal["thought"] = "thought"
    text: str


class Acted(BaseModel):
    """A tool call is about to run."""

    type: Literal["action"] = "action"
    tool: str
    args: dict[str, Any]


class Observed(BaseModel):
    type: Literal["observation"] = "observation"
    tool: str
    text: str
    ms: float
    result: dict[str, Any] | None = None


class TextDelta(BaseModel):
    """A piece of the final, grounded answer."""

    type: Literal["text"] = "text"
    text: str


class Done(BaseModel):
    type: Literal["done"] = "done"
    answer: Answer


class Failed(BaseModel):
    """The turn ended without an answer; `code` is stable, `message` is for the learner."""

    type: Literal["error"] = "error"
    code: str
    message: str
    trace: str = ""


TurnEvent = Annotated[
    Started | Thought | Acted | Observed | TextDelta | Done | Failed, Field(discriminator="type")
]
