"""One model call that ends: timeout, retry with jitter, and the offline reasoner when the provider is down. It says so."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, SystemMessage

from agent import tracing
from agent.context import Parts, TurnContext
from agent.offered import MAX_TOOLS, offered_tools
from agent.state import TutorState
from agent.textcalls import Answer as WrittenAnswer
from agent.textcalls import ToolCall, json_schema, parse_call, signature

ATTEMPTS = 2
BACKOFF_S = 0.4
SMALL_MODEL_TOOLS, SMALL_MODEL_SHARED = 1, 3


@dataclass
class Reply:
    """What a model said. `usage` includes what the turn had used before."""

    message: AIMessage
    usage: dict[str, float]
    prompts: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    model: str = "offline"


async def ask_model(state: TutorState, context: TurnContext, offer_tools: bool) -> Reply:
    """The next message of the model, or of the offline reasoner when the model can't be reached."""
    parts = context.parts
    if parts.model_name == "offline":
        rendered = parts.prompts.get("tutor")
        message = await _call(parts, parts.model, list(state["messages"]), parts.model_name, context)
        return Reply(message, added(state["usage"], message), {"tutor": str(rendered.version)}, [], "offline")
    # What a small model is offered it calls, whether it fits or not.
    text_calls = parts.calls == "text"
    most, shared = (SMALL_MODEL_TOOLS, SMALL_MODEL_SHARED) if text_calls else (MAX_TOOLS, 1)
    tools = offered_tools(parts.registry, state["request"]["question"], most, shared) if offer_tools else []
    system, prompts = _system(parts, state, tools)
    messages: list[BaseMessage] = [SystemMessage(system), *_wire_messages(state["messages"], text_calls)]
    model = parts.model.bind_tools(tools) if tools and not text_calls else parts.model
    try:
        message = await (_constrained(parts, tools, messages, context) if tools and text_calls
                         else _with_retry(parts, model, messages, context))
    except ProviderDown as down:
        message = await _call(parts, parts.fallback, list(state["messages"]), "offline", context)
        notice = f"{parts.model_name} can't be used now ({down}); the offline reasoner answered instead."
        return Reply(message, added(state["usage"], message), prompts, [notice], "offline")
    return Reply(_with_written_call(message, tools), added(state["usage"], message), prompts, [], parts.model_name)


class ProviderDown(Exception):
    """Why the provider can't be used, in a few words. `refused` is set when it answered that the request isn't one it takes."""

    def __init__(self, why: str, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


async def plain_reply(parts: Parts, text: str, context: TurnContext, system: str = "") -> AIMessage:
    """A call without tools. Raises ProviderDown."""
    from langchain_core.messages import HumanMessage

    before = [SystemMessage(system)] if system else []
    return await _with_retry(parts, parts.model, [*before, HumanMessage(text)], context)


async def planned_step(parts: Parts, messages: Sequence[BaseMessage], context: TurnContext, may_call: bool) -> AIMessage:
    """The offline reasoner's next step, whichever model answers."""
    model: Any = parts.fallback if may_call else parts.fallback.bind(tool_names=[])
    return await _call(parts, model, messages, "offline", context)


async def _constrained(parts: Parts, tools: Sequence[dict[str, Any]], messages: Sequence[BaseMessage], context: TurnContext) -> AIMessage:
    """A reply that the server holds to a schema, or a free one where the server knows no schemas; both are read strictly."""
    wanted = {"type": "json_schema", "json_schema": {"name": "reply", "schema": json_schema(tools)}}
    try:
        return await _with_retry(parts, parts.model.bind(response_format=wanted), messages, context)
    except ProviderDown as down:
        if not down.refused:
            raise
    return await _with_retry(parts, parts.model, messages, context)


async def _with_retry(parts: Parts, model: Any, messages: Sequence[BaseMessage], context: TurnContext) -> AIMessage:
    last, refused = "no answer", False
    for attempt in range(ATTEMPTS):
        if attempt:
            await asyncio.sleep(min(BACKOFF_S * 2**attempt * random.uniform(0.5, 1.5), context.left()))
        try:
            return await asyncio.wait_for(_call(parts, model, messages, parts.model_name, context),
                                          min(parts.settings.model_timeout_s, context.left()))
        except TimeoutError:
            last = f"no answer within {parts.settings.model_timeout_s:g} s"
            break  # a second wait as long would leave no time for the offline reasoner
        except parts.provider_errors as error:
            last, refused = _short(error), getattr(error, "status_code", None) in (400, 422)
            if not _worth_retrying(error):
                break
    raise ProviderDown(last, refused)


async def _call(parts: Parts, model: Any, messages: Sequence[BaseMessage], name: str, context: TurnContext) -> AIMessage:
    attributes = {tracing.REQUEST_MODEL: name, tracing.PROVIDER: name.split(":")[0]}
    with parts.tracer.span(tracing.CHAT, name, attributes, context.span) as span:
        if parts.streams and name != "offline":
            message = await _streamed(model, messages)
        else:
            message = await model.ainvoke(messages)
        used: dict[str, Any] = dict(message.usage_metadata or {})
        span.set_attribute(tracing.INPUT_TOKENS, used.get("input_tokens", 0))
        span.set_attribute(tracing.OUTPUT_TOKENS, used.get("output_tokens", 0))
    return message


async def _streamed(model: Any, messages: Sequence[BaseMessage]) -> AIMessage:
    """The whole message out of a stream. Raises ProviderDown when the stream ends without saying that it has ended."""
    whole: AIMessageChunk | None = None
    async for chunk in model.astream(messages):
        whole = chunk if whole is None else whole + chunk
    if whole is None or not {"finish_reason", "stop_reason", "done_reason"} & whole.response_metadata.keys():
        raise ProviderDown("its answer broke off")
    # LangChain completes a call whose JSON was cut off; arguments that nobody sent must not be run.
    broken = [c for c in whole.tool_call_chunks if not _is_object(c.get("args"))]
    ids = {c.get("id") for c in broken}
    invalid = [{"name": c.get("name"), "args": c.get("args"), "id": c.get("id"), "error": "cut off or no JSON object",
                "type": "invalid_tool_call"} for c in broken]
    return AIMessage(whole.content, tool_calls=[c for c in whole.tool_calls if c["id"] not in ids],
                     invalid_tool_calls=invalid or whole.invalid_tool_calls, usage_metadata=whole.usage_metadata,
                     response_metadata=whole.response_metadata)


def _is_object(text: str | None) -> bool:
    try:
        return isinstance(json.loads(text or "{}"), dict)
    except json.JSONDecodeError:
        return False


def _system(parts: Parts, state: TutorState, tools: Sequence[dict[str, Any]]) -> tuple[str, dict[str, str]]:
    functions = [tool["function"] for tool in tools]
    described = [{"name": f["name"], "description": f["description"]} for f in functions]
    mode = state["request"].get("mode", "direct")
    if parts.calls == "text":
        written = [{**d, "args": signature(f["parameters"])} for d, f in zip(described, functions, strict=True)]
        rendered = parts.prompts.render("text_tools", mode=mode, tools=written)
        return rendered.text, {"text_tools": str(rendered.prompt.version)}
    rendered = parts.prompts.render("tutor", mode=mode, tools=described)
    return rendered.text, {"tutor": str(rendered.prompt.version)}


def _wire_messages(messages: Sequence[BaseMessage], text_calls: bool) -> list[BaseMessage]:
    """Without native calls, calls and results travel as plain text."""
    if not text_calls:
        return [_bare(message) for message in messages]
    from langchain_core.messages import HumanMessage, ToolMessage

    out: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            out.append(HumanMessage(f"Result of {message.name}:\n{message.content}"))
        elif not (isinstance(message, AIMessage) and message.tool_calls):
            out.append(_bare(message))
    return out


def _bare(message: BaseMessage) -> BaseMessage:
    """A message without what only this program reads."""
    if message.additional_kwargs.keys() & {"past", "turn", "draft"}:
        return message.model_copy(update={"additional_kwargs": {}})
    return message


def _with_written_call(message: AIMessage, tools: Sequence[dict[str, Any]]) -> AIMessage:
    """A call that the model wrote as JSON in its text becomes a call; a written answer becomes plain text."""
    if message.tool_calls or not isinstance(message.content, str):
        return message
    found = parse_call(message.content, {tool["function"]["name"] for tool in tools})
    if isinstance(found, ToolCall):
        return AIMessage("", tool_calls=[{"name": found.name, "args": dict(found.args), "id": "written", "type": "tool_call"}],
                         usage_metadata=message.usage_metadata)
    if isinstance(found, WrittenAnswer):
        return AIMessage(found.text, usage_metadata=message.usage_metadata)
    return message


def added(before: dict[str, float], message: AIMessage) -> dict[str, float]:
    """The turn's usage with this message's."""
    used: dict[str, Any] = dict(message.usage_metadata or {})
    return {"input_tokens": before["input_tokens"] + used.get("input_tokens", 0),
            "output_tokens": before["output_tokens"] + used.get("output_tokens", 0), "cost_usd": before["cost_usd"]}


def _worth_retrying(error: BaseException) -> bool:
    status = getattr(error, "status_code", None)
    return status is None or status in (408, 409, 425, 429) or status >= 500


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "…"
