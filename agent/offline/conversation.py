"""Messages back to a conversation: the question, earlier turns, what the tools returned. Knows the message format, no meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agent.evidence import Piece, Shelf, pieces
from agent.past import Past


@dataclass(frozen=True)
class Returned:
    """What one tool call gave back. `rows` are evidence rows (for searches), `result` a ToolResult's fields."""

    tool: str
    args: dict[str, Any]
    text: str
    rows: tuple[dict[str, Any], ...] = ()
    result: dict[str, Any] | None = None
    failed: bool = False


@dataclass(frozen=True)
class Conversation:
    """`turn` is the request's own fields (mode and the like)."""

    question: str
    history: tuple[Past, ...]
    returned: tuple[Returned, ...] = ()
    turn: dict[str, Any] = field(default_factory=dict)

    @property
    def returned_by_tools(self) -> tuple[Returned, ...]:
        """What came back from calculators and simulators."""
        return tuple(r for r in self.returned if r.tool != "search_notes")

    @property
    def searched(self) -> tuple[str, ...]:
        return tuple(str(r.args.get("query", "")) for r in self.returned if r.tool == "search_notes")


def read_conversation(messages: Sequence[BaseMessage]) -> Conversation:
    """The last human message is the question; what follows it is this turn, what precedes it the history."""
    last = max((at for at, message in enumerate(messages) if isinstance(message, HumanMessage)), default=-1)
    if last < 0:
        return Conversation("", ())
    question = messages[last]
    calls: dict[str, tuple[str, dict[str, Any]]] = {}
    returned: list[Returned] = []
    for message in messages[last + 1 :]:
        if isinstance(message, AIMessage):
            calls.update({str(call["id"]): (call["name"], call["args"]) for call in message.tool_calls})
        elif isinstance(message, ToolMessage):
            name, args = calls.get(message.tool_call_id, (str(message.name or ""), {}))
            artifact = message.artifact or {}
            returned.append(Returned(name, args, str(message.content), tuple(artifact.get("evidence", ())),
                                     artifact.get("result"), message.status == "error"))
    return Conversation(str(question.content), tuple(_history(messages[:last])), tuple(returned),
                        dict(question.additional_kwargs.get("turn", {})))


def found_pieces(talk: Conversation, shelf: Shelf, query: str | None = None) -> list[Piece]:
    """The passages of this turn, each with its best match; of one search alone when its query is given."""
    rows: dict[str, dict[str, Any]] = {}
    for returned in talk.returned:
        if query is not None and query_key(str(returned.args.get("query", ""))) != query_key(query):
            continue
        for row in returned.rows:
            if row["id"] not in rows or row["score"] > rows[row["id"]]["score"]:
                rows[row["id"]] = row
    return pieces(sorted(rows.values(), key=lambda row: row["n"]), shelf)


def query_key(query: str) -> str:
    """Queries that differ in case or blanks are the same search."""
    return " ".join(query.lower().split())


def _history(messages: Sequence[BaseMessage]) -> list[Past]:
    found: list[Past] = []
    asked = ""
    for message in messages:
        if isinstance(message, HumanMessage):
            asked = str(message.content)
        elif isinstance(message, AIMessage) and not message.tool_calls:
            found.append(past_from(asked, str(message.content), message.additional_kwargs.get("past", {})))
    return found


def past_from(question: str, answer: str, context: dict[str, Any]) -> Past:
    """An earlier turn from its stored context (Answer.context)."""
    return Past(question, answer, str(context.get("topic", "")), str(context.get("query", "")), tuple(context.get("points", ())),
                tuple(context.get("used", ())), dict(context.get("pending") or {}), str(context.get("status", "answered")))
