"""What the nodes of one turn share: the open parts of the program and the turn's own limits. Nothing of it is saved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.errors import TurnTimeout
from agent.settings import Calls, Settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agent.events import TurnEvent
    from agent.tracing import Tracer
    from memory.open import Memory
    from memory.threads import Threads
    from prompts.store import PromptStore
    from tools.base import Executor
    from tools.registry import Registry


@dataclass
class Parts:
    """Opened once a process (agent.runtime)."""

    settings: Settings
    memory: Memory
    threads: Threads
    prompts: PromptStore
    registry: Registry
    executor: Executor
    model: BaseChatModel
    fallback: BaseChatModel
    model_name: str
    tracer: Tracer
    calls: Calls = "native"
    streams: bool = False
    provider_errors: tuple[type[BaseException], ...] = ()


@dataclass
class TurnContext:
    """`emit` hands an event to whoever listens; `deadline` is on the monotonic clock, in seconds."""

    parts: Parts
    emit: Callable[[TurnEvent], None]
    deadline: float
    span: Any = None
    clock: Callable[[], float] = field(default=time.monotonic)

    def left(self) -> float:
        """Seconds until the deadline. Raises TurnTimeout when there are none."""
        left = self.deadline - self.clock()
        if left <= 0:
            raise TurnTimeout(f"The turn took longer than {self.parts.settings.deadline_s:g} s and was stopped. Ask a smaller "
                              "question, or raise the deadline.")
        return left
