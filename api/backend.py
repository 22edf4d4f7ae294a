"""What the command line works on: a home that this process opens, or the server that owns it already."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from api.cli.failures import CliError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agent.events import TurnEvent, TurnRequest
    from agent.settings import Settings
    from agent.tutor import Tutor
    from memory.open import Memory
    from memory.reviews import Decision

Progress = Callable[[str, int, int], None]
Json = dict[str, Any]


class Backend(Protocol):
    """Everything is answered in the shapes of api.views. Unknown things raise the errors of the lower packages, or a
    CliError with the same code."""

    model: str
    server: str | None
    """The URL of the process that does the work, when it isn't this one."""

    def ingest(self, paths: Sequence[Path], prune: bool, progress: Progress | None) -> Json: ...

    def documents(self) -> Json: ...

    def remove(self, document: str) -> Json: ...

    def search(self, query: str, k: int) -> Json: ...

    def check(self) -> Json:
        """Reads the whole home and tells what is wrong with it."""
        ...

    def turn(self, request: TurnRequest) -> AsyncIterator[TurnEvent]:
        """The events of one turn; the turn goes on when nobody listens any more."""
        ...

    async def recover(self) -> str | None:
        """Ends turns that a crash cut off. What couldn't be ended is told in a sentence."""
        ...

    async def drain(self) -> None:
        """Waits for turns that are still running in this process."""
        ...

    def threads(self, learner: str, limit: int = 20) -> Json: ...

    def thread(self, thread: str, learner: str | None = None) -> Json:
        """With `learner`, only if the thread is theirs."""
        ...

    def reviews(self, status: str | None) -> Json: ...

    def review(self, review_id: str) -> Json: ...

    async def decide(self, review_id: str, decision: Decision, text: str | None, by: str) -> Json: ...

    def predicted(self, learner: str, tool: str, args: Json, compared: Json) -> None:
        """Keeps what a learner expected and what it was (agent.predictions.compared)."""
        ...

    def traces(self, limit: int) -> Json: ...

    def trace(self, trace_id: str) -> Json: ...


@contextmanager
def open_backend(settings: Settings, progress: Progress | None = None) -> Iterator[Backend]:
    """The server when one owns the home and lives, else the home itself. Raises HomeBusy, IndexDamaged, UnknownModel."""
    from api.server_backend import living_server
    from memory.base import HomeBusy

    with ExitStack() as stack:
        backend: Backend | None = living_server(settings, stack)
        if backend is None:
            try:
                backend = stack.enter_context(open_local(settings, progress))
            except HomeBusy:
                # It may have been a server that was still starting.
                backend = living_server(settings, stack)
                if backend is None:
                    raise
        yield backend


@contextmanager
def open_local(settings: Settings, progress: Progress | None = None) -> Iterator[LocalBackend]:
    """The home in this process; prepares the embedding model when it was never made."""
    from memory.open import open_memory

    prepare_model()
    memory = open_memory(settings.home, wait_s=settings.wait_s, progress=progress)
    try:
        with local_backend(settings, memory) as backend:
            yield backend
    finally:
        memory.close()


@contextmanager
def local_backend(settings: Settings, memory: Memory, model: BaseChatModel | None = None) -> Iterator[LocalBackend]:
    """Over memory that is open already, which stays open at the end."""
    with ExitStack() as stack:
        yield LocalBackend(settings, memory, model, stack)


def prepare_model() -> None:
    """Makes the embedding model that `make setup` would have made. Raises CliError when its parts aren't installed."""
    from memory.export import model_folder
    from memory.minilm import MODEL_FILE

    folder = model_folder()
    if (folder / "tokenizer.json").is_file() and (folder / MODEL_FILE).is_file():
        return
    from api.cli.setup import ensure_set_up

    try:
        ensure_set_up()
    except (ImportError, ValueError, OSError) as error:
        raise CliError("model_missing", f"The embedding model can't be prepared in {folder}: {error}") from error


class LocalBackend:
    """An open home. The tutor (graph, model, tools) is opened when the first turn needs it: searching doesn't."""

    def __init__(self, settings: Settings, memory: Memory, model: BaseChatModel | None, stack: ExitStack) -> None:
        self.settings, self.memory = settings, memory
        self.model = settings.model
        self.server: str | None = None
        self._chat_model, self._stack = model, stack
        self._tutor: Tutor | None = None

    @property
    def tutor(self) -> Tutor:
        """Raises UnknownModel."""
        if self._tutor is None:
            from agent.runtime import open_tutor

            self._tutor = self._stack.enter_context(open_tutor(self.settings, memory=self.memory, model=self._chat_model))
            self.model = self._tutor.parts.model_name
        return self._tutor

    def ingest(self, paths: Sequence[Path], prune: bool, progress: Progress | None) -> Json:
        from api.views import ingest_view
        from memory.ingest.pipeline import ingest

        return ingest_view(ingest(self.memory.store, paths, prune, progress))

    def documents(self) -> Json:
        from api.views import documents_view

        return documents_view(self.memory)

    def remove(self, document: str) -> Json:
        from api.views import document_view

        return {"removed": document_view(self.memory.store.remove(document))}

    def search(self, query: str, k: int) -> Json:
        from api.views import search_view

        return search_view(self.memory, query, k)

    def check(self) -> Json:
        from api.views import home_view

        return home_view(self.memory)

    def turn(self, request: TurnRequest) -> AsyncIterator[TurnEvent]:
        return self.tutor.turn(request)

    async def recover(self) -> str | None:
        import asyncio

        # Whatever is wrong with an old turn mustn't keep a new question from its answer.
        [failure] = await asyncio.gather(self.tutor.recover(), return_exceptions=True)
        if isinstance(failure, BaseException):
            return f"A turn that was cut off earlier couldn't be finished: {failure}"
        return None

    async def drain(self) -> None:
        if self._tutor is not None:
            await self._tutor.drain()

    def threads(self, learner: str, limit: int = 20) -> Json:
        from api.views import threads_view
        from memory.threads import Threads

        return threads_view(Threads(self.memory.db), learner, limit)

    def thread(self, thread: str, learner: str | None = None) -> Json:
        from api.views import thread_view
        from memory.threads import Threads

        return thread_view(Threads(self.memory.db), thread, learner)

    def reviews(self, status: str | None) -> Json:
        from api.views import reviews_view
        from memory.reviews import Reviews

        return reviews_view(Reviews(self.memory.db).listing(status))

    def review(self, review_id: str) -> Json:
        from api.interrupts import interrupt_of
        from api.views import review_with_answer

        found = self.tutor.reviews.get(review_id)
        return {**review_with_answer(found, self.tutor.preview(review_id)), **interrupt_of(found)}

    async def decide(self, review_id: str, decision: Decision, text: str | None, by: str) -> Json:
        answer = await self.tutor.decide(review_id, decision, text, by)
        return answer.model_dump(mode="json")

    def predicted(self, learner: str, tool: str, args: Json, compared: Json) -> None:
        from memory.predictions import Predictions

        Predictions(self.memory.db).add(learner, tool, args, compared)

    def traces(self, limit: int) -> Json:
        from api.views import traces_view
        from memory.traces import Traces

        return traces_view(Traces(self.memory.db).recent(limit))

    def trace(self, trace_id: str) -> Json:
        from api.views import trace_view
        from memory.traces import Traces

        return trace_view(Traces(self.memory.db).get(trace_id))


BackendOpener = Callable[["Settings", Progress | None], AbstractContextManager[Backend]]
