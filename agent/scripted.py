"""A chat model that plays a script: knows its steps and what it was asked, and understands nothing of either."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, InstanceOf, PrivateAttr

PIECE_CHARS = 6


def script(*steps: str | AIMessage | BaseException, cycle: bool = False) -> ScriptedModel:
    """A model that gives `steps` in this order: a string is an answer, an AIMessage may call tools, an exception is
    raised.

    >>> script("Four nines.").invoke("How available?").content
    'Four nines.'
    """
    played = [AIMessage(content=step) if isinstance(step, str) else step for step in steps]
    return ScriptedModel(steps=played, cycle=cycle)


class ScriptExhausted(Exception):
    """The model was called more often than its script has steps."""


class ScriptedModel(BaseChatModel):
    """Plays one step a call, from any thread. With `cycle` it starts over at the end, which makes it an endless model
    of no latency for benchmarks. Only the last `remember` calls are kept."""

    steps: list[InstanceOf[AIMessage] | InstanceOf[BaseException]]
    cycle: bool = False
    remember: int = Field(default=1000, ge=1)
    model: str = "scripted"
    _tape: _Tape = PrivateAttr(default_factory=lambda: _Tape())

    @property
    def calls(self) -> list[list[BaseMessage]]:
        """The messages of each call, oldest first."""
        return self._tape.calls

    @property
    def offered(self) -> list[list[str]]:
        """The names of the tools that each call offered, oldest first, beside `calls`."""
        return self._tape.offered

    @property
    def bound_tools(self) -> list[dict[str, Any]]:
        """What `bind_tools` was last given, in OpenAI's form."""
        return self._tape.bound

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], *,
        tool_choice: str | None = None, **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        self._tape.bound = [convert_to_openai_tool(tool) for tool in tools]
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return self.bind(tools=self._tape.bound, **kwargs)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model}

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._play(messages, kwargs))])

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None, **kwargs: Any,
    ) -> ChatResult:
        # Nothing here waits, so the thread hop of the inherited version would only cost time.
        return ChatResult(generations=[ChatGeneration(message=self._play(messages, kwargs))])

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        yield from _chunks(self._play(messages, kwargs))

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None, **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(self._play(messages, kwargs)):
            yield chunk
            await asyncio.sleep(0)  # between tokens others run and a cancellation lands, as with a real model

    def _play(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        offered = [str(tool.get("function", tool).get("name")) for tool in kwargs.get("tools", [])]
        at = self._tape.record(messages, offered, self.remember)
        if at >= len(self.steps) and not (self.cycle and self.steps):
            last = str(messages[-1].content)[:80] if messages else ""
            raise ScriptExhausted(
                f"The script has {len(self.steps)} steps, but call {at + 1} came ({last!r}); add a step or set cycle=True."
            )
        step = self.steps[at % len(self.steps)]
        if isinstance(step, BaseException):
            raise step.with_traceback(None)
        # LangChain writes an id into what it gets, and callers may write into arguments: the script must stay as it is.
        return step.model_copy(update={"tool_calls": copy.deepcopy(step.tool_calls)} if step.tool_calls else {})


class _Tape:
    """What a model was asked and how far it has come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._position = 0
        self.calls: list[list[BaseMessage]] = []
        self.offered: list[list[str]] = []
        self.bound: list[dict[str, Any]] = []

    def record(self, messages: list[BaseMessage], offered: list[str], remember: int) -> int:
        """Takes down a call and gives its place in the script, from 0."""
        with self._lock:
            self.calls.append(list(messages))
            self.offered.append(offered)
            del self.calls[:-remember], self.offered[:-remember]
            at = self._position
            self._position += 1
            return at


def _chunks(message: AIMessage) -> Iterator[ChatGenerationChunk]:
    """The message in pieces: words, then tool calls with their JSON cut anywhere, then what belongs to the whole."""
    for text in _pieces_of(message.content):
        yield _chunk(message, content=text)
    raw = [(call["name"], json.dumps(call["args"]), call["id"]) for call in message.tool_calls]
    raw += [(bad["name"] or "", bad["args"] or "", bad["id"]) for bad in message.invalid_tool_calls]
    for index, (name, arguments, key) in enumerate(raw):
        first = tool_call_chunk(name=name, args="", id=key, index=index)
        yield _chunk(message, content="", tool_call_chunks=[first])
        for start in range(0, len(arguments), PIECE_CHARS):
            part = tool_call_chunk(args=arguments[start : start + PIECE_CHARS], index=index)
            yield _chunk(message, content="", tool_call_chunks=[part])
    yield _chunk(
        message, content="", additional_kwargs=message.additional_kwargs, response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata, chunk_position="last",
    )


def _pieces_of(content: str | list[Any]) -> list[Any]:
    if isinstance(content, str):
        return re.findall(r"\S+\s*|\s+", content)
    return [[block] for block in content]


def _chunk(message: AIMessage, **parts: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(id=message.id, **parts))
