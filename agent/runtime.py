"""The composition root: settings to an open Tutor. Real parts by default; tests pass their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from agent.context import Parts
from agent.settings import Settings
from agent.tutor import Tutor
from memory.ingest.pipeline import Progress
from memory.open import Memory, open_memory, template_folder
from memory.threads import Threads
from memory.traces import Traces
from prompts.store import PromptStore
from tools.executor import WorkerExecutor
from tools.registry import LazyRegistry

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from tools.base import Executor
    from tools.registry import Registry


@contextmanager
def open_tutor(settings: Settings, *, memory: Memory | None = None, model: BaseChatModel | None = None,
               executor: Executor | None = None, registry: Registry | None = None, progress: Progress | None = None) -> Iterator[Tutor]:
    """A Tutor over the home of `settings`, closed at the end. What is passed in isn't opened (nor closed) here."""
    from agent.models import OpenModel, open_model
    from agent.tracing import Tracer

    with ExitStack() as stack:
        if memory is None:
            memory = open_memory(settings.home, wait_s=settings.wait_s, progress=progress)
            stack.callback(memory.close)
        registry = registry or LazyRegistry()
        fallback = offline_model(memory, registry)
        opened = OpenModel(model, "scripted") if model is not None else open_model(
            settings.model, lambda: fallback, stack, settings.base_url, settings.model_timeout_s, settings.calls)
        tracer = Tracer(Traces(memory.db), settings.otlp_endpoint)
        stack.callback(tracer.close)
        overrides = memory.home / "prompts.toml" if memory.home else None
        parts = Parts(settings, memory, Threads(memory.db), PromptStore(overrides=overrides), registry,
                      executor or stack.enter_context(WorkerExecutor()),
                      opened.model, fallback, opened.name, tracer, opened.calls, opened.streams, opened.errors)
        yield Tutor(parts)


def offline_model(memory: Memory, registry: Registry) -> BaseChatModel:
    """The embedded reasoner over a home."""
    from agent.offline.chooser import LazyChooser
    from agent.offline.likeness import ToolLikeness
    from agent.offline.moves import Reasoning
    from agent.offline.reasoner import OfflineReasoner

    def likeness() -> ToolLikeness:
        kept = [template_folder(), memory.home] if memory.home else []
        return ToolLikeness(registry, memory.index.embed, memory.index.embedder, kept)

    reasoning = Reasoning(memory.store, memory.errata, LazyChooser(registry, likeness), memory.index.mentions, memory.index.known,
                          lambda text: memory.index.wording().expanded(text),
                          lambda text: memory.index.wording().corrected(text))
    return OfflineReasoner(reasoning=reasoning)
