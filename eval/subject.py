"""The tutor as a subject of evaluation: questions, searches, and a fresh tutor for cases that bring documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agent.events import Answer, TurnRequest
from agent.tutor import Tutor
from eval.cases import Document
from memory.base import Embedder, Hit

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.language_models import BaseChatModel

    from memory.passages import PassageStore


class TutorSubject:
    """A Subject over an open tutor. `embedder` makes the embedder of fresh subjects, once; `model` is their chat model
    (None: the one that the settings name)."""

    def __init__(self, tutor: Tutor, embedder: Callable[[], Embedder], model: BaseChatModel | None = None) -> None:
        self.tutor = tutor
        self._make_embedder, self._model = embedder, model
        self._embedder: Embedder | None = None

    async def ask(self, request: TurnRequest) -> Answer:
        return await self.tutor.ask(request)

    def search(self, query: str, k: int) -> list[Hit]:
        """Where a plain search looks: the notes, or the course while there are none."""
        from agent.search import default_source

        memory = self.tutor.parts.memory
        return memory.index.search(query, k, default_source(memory))

    def text_of(self, document: str) -> str:
        return self.tutor.parts.memory.store.text(document)

    @asynccontextmanager
    async def fresh(self, documents: Sequence[Document]) -> AsyncIterator[TutorSubject]:
        """A tutor whose notes are these documents, in memory, gone at the end."""
        from agent.runtime import open_tutor
        from memory.open import open_in_memory

        memory = open_in_memory(self._shared_embedder())
        try:
            add_documents(memory.store, documents)
            with open_tutor(self.tutor.parts.settings, memory=memory, model=self._model) as tutor:
                yield TutorSubject(tutor, self._shared_embedder, self._model)
        finally:
            memory.close()

    def _shared_embedder(self) -> Embedder:
        """Loading a model takes longer than a case does."""
        if self._embedder is None:
            self._embedder = self._make_embedder()
        return self._embedder


def packaged_embedder() -> Embedder:
    """MiniLM where its export is there, else the stand-in that needs no model."""
    from memory.export import model_folder
    from memory.minilm import MODEL_FILE, HashEmbedder, MiniLM

    folder = model_folder()
    return MiniLM(folder) if (folder / MODEL_FILE).is_file() else HashEmbedder()


def add_documents(store: PassageStore, documents: Sequence[Document]) -> None:
    from memory.ingest.pipeline import ingest_text

    for document in documents:
        ingest_text(store, document.name, document.text)
