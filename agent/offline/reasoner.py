"""The embedded default: a real chat model that reasons by rules over passages. Extractive, not a language model.

It reads the same messages as any other model and answers with tool calls or a draft; it keeps no state of its own.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, SkipValidation

from agent.offline.conversation import Conversation, read_conversation
from agent.offline.moves import Reasoning


class OfflineReasoner(BaseChatModel):
    """`reasoning` holds what it looks things up in: passages, errata, tools."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    reasoning: SkipValidation[Reasoning]
    model: str = "offline"

    @property
    def _llm_type(self) -> str:
        return "tutor-offline"

    def bind_tools(self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | Any], *, tool_choice: str | None = None,
                   **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """It knows the registry already; what is bound only limits what it may call."""
        names = [str(tool.get("name") or tool.get("function", {}).get("name")) if isinstance(tool, Mapping)
                 else getattr(tool, "name", getattr(tool, "__name__", "")) for tool in tools]
        return self.bind(tool_names=names, **kwargs)

    def _reply(self, messages: list[BaseMessage], tool_names: Sequence[str] | None) -> AIMessage:
        conversation: Conversation = read_conversation(messages)
        message = self.reasoning.next_message(conversation, tool_names)
        message.usage_metadata = {"input_tokens": sum(len(str(m.content)) for m in messages) // 4,
                                  "output_tokens": len(str(message.content)) // 4, "total_tokens": 0}
        message.usage_metadata["total_tokens"] = message.usage_metadata["input_tokens"] + message.usage_metadata["output_tokens"]
        return message

    def _generate(self, messages: list[BaseMessage], stop: list[str] | None = None,
                  run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages, kwargs.get("tool_names")))])

    async def _agenerate(self, messages: list[BaseMessage], stop: list[str] | None = None,
                         run_manager: AsyncCallbackManagerForLLMRun | None = None, **kwargs: Any) -> ChatResult:
        return self._generate(messages, stop, None, **kwargs)

    def _stream(self, messages: list[BaseMessage], stop: list[str] | None = None,
                run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        message = self._reply(messages, kwargs.get("tool_names"))
        if message.tool_calls:
            yield ChatGenerationChunk(message=AIMessageChunk(
                content=message.content, additional_kwargs=message.additional_kwargs, usage_metadata=message.usage_metadata,
                tool_call_chunks=[{"name": c["name"], "args": _json(c["args"]), "id": c["id"], "index": at, "type": "tool_call_chunk"}
                                  for at, c in enumerate(message.tool_calls)]))
            return
        words = re.findall(r"\S+\s*|\s+", str(message.content)) or [""]
        for at, word in enumerate(words):
            last = at == len(words) - 1
            chunk = AIMessageChunk(content=word, additional_kwargs=message.additional_kwargs if last else {},
                                   usage_metadata=message.usage_metadata if last else None)
            if run_manager:
                run_manager.on_llm_new_token(word, chunk=ChatGenerationChunk(message=chunk))
            yield ChatGenerationChunk(message=chunk)

    async def _astream(self, messages: list[BaseMessage], stop: list[str] | None = None,
                       run_manager: AsyncCallbackManagerForLLMRun | None = None, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream(messages, stop, None, **kwargs):
            yield chunk


def _json(value: Any) -> str:
    import json

    return json.dumps(value)
