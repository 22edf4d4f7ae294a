"""The two wire schemas of a human review, LangChain's and agent-inbox's, beside our own. Knows bodies, not what they do.

    ours          {"decision": "approve" | "edit" | "reject", "text"?, "by"?}
    LangChain     {"decisions": [{"type": "approve"} | {"type": "edit", "edited_action": {"name", "args": {"text"}}}
                                 | {"type": "reject", "message"?} | {"type": "respond", "message"}]}
    agent-inbox   [{"type": "accept" | "ignore", "args"?} | {"type": "edit", "args": {"action", "args": {"text"}}}
                   | {"type": "response", "args": "text"}]

A draft is one request for the one action `reply`, so lists hold one decision. A response is a person's own answer: it
takes the draft's place, like an edit.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Discriminator, Field, Tag, model_validator

from memory.reviews import Decision, Review

ACTION = "reply"
DESCRIPTION = "A draft waits for a person before the learner reads it."


def interrupt_of(review: Review) -> dict[str, Any]:
    """What either kind of client looks for in a request: {"action_requests","review_configs"} (LangChain) and
    {"action_request","config","description"} (agent-inbox)."""
    args = {"text": review.draft}
    return {
        "action_requests": [{"name": ACTION, "args": args, "arguments": args, "description": DESCRIPTION}],
        "review_configs": [{"action_name": ACTION, "allowed_decisions": ["approve", "edit", "reject", "respond"]}],
        "action_request": {"action": ACTION, "args": args},
        "config": {"allow_accept": True, "allow_edit": True, "allow_ignore": True, "allow_respond": True},
        "description": DESCRIPTION,
    }


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("the new text is empty")
    return text


Text = Annotated[str, AfterValidator(_not_blank)]


class Verdict(BaseModel):
    """`text` replaces the draft (edit) or is told instead of it (reject)."""

    decision: Decision
    text: str | None = None
    by: str = "reviewer"

    @model_validator(mode="after")
    def _edit_has_text(self) -> Self:
        if self.decision == "edit" and not (self.text or "").strip():
            raise ValueError("an edit needs the new text")
        return self


class Reply(BaseModel):
    """The arguments of the action `reply`."""

    text: Text


class EditedAction(BaseModel):
    name: Literal["reply"] = "reply"
    args: Reply


class ActionRequest(BaseModel):
    action: Literal["reply"] = "reply"
    args: Reply


class Approve(BaseModel):
    type: Literal["approve"]


class Edit(BaseModel):
    type: Literal["edit"]
    edited_action: EditedAction


class Reject(BaseModel):
    type: Literal["reject"]
    message: str | None = None


class Respond(BaseModel):
    type: Literal["respond"]
    message: Text


class Decisions(BaseModel):
    """LangChain's HITLResponse."""

    decisions: list[Annotated[Approve | Edit | Reject | Respond, Field(discriminator="type")]] = Field(min_length=1, max_length=1)
    by: str = "reviewer"


class InboxPlain(BaseModel):
    """An accepted draft may come back beside the type; it is the one that waits."""

    type: Literal["accept", "ignore"]
    args: Any = None


class InboxEdit(BaseModel):
    type: Literal["edit"]
    args: ActionRequest


class InboxResponse(BaseModel):
    type: Literal["response"]
    args: Text


Inbox = Annotated[list[Annotated[InboxPlain | InboxEdit | InboxResponse, Field(discriminator="type")]], Field(min_length=1, max_length=1)]


def _kind(body: Any) -> str:
    if isinstance(body, list):
        return "responses"
    return "decisions" if isinstance(body, dict) and "decisions" in body else "verdict"


Body = Annotated[Annotated[Verdict, Tag("verdict")] | Annotated[Decisions, Tag("decisions")] | Annotated[Inbox, Tag("responses")],
                 Discriminator(_kind)]


def verdict_of(body: Verdict | Decisions | list[InboxPlain | InboxEdit | InboxResponse]) -> Verdict:
    """What was decided, whichever schema says it."""
    if isinstance(body, Verdict):
        return body
    made, by = (body.decisions[0], body.by) if isinstance(body, Decisions) else (body[0], "reviewer")
    if isinstance(made, Edit):
        return Verdict(decision="edit", text=made.edited_action.args.text, by=by)
    if isinstance(made, InboxEdit):
        return Verdict(decision="edit", text=made.args.args.text, by=by)
    if isinstance(made, Respond):
        return Verdict(decision="edit", text=made.message, by=by)
    if isinstance(made, InboxResponse):
        return Verdict(decision="edit", text=made.args, by=by)
    if isinstance(made, Reject):
        return Verdict(decision="reject", text=made.message, by=by)
    return Verdict(decision="approve" if made.type in ("approve", "accept") else "reject", by=by)
