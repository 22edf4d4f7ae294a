"""What the tutor knows, as the plain dicts that HTTP and command line give out; knows names of fields, no transport."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.events import Answer
    from agent.tutor import Tutor
    from memory.base import DocumentInfo, Hit, IngestReport, Source
    from memory.open import Memory
    from memory.reviews import Review
    from memory.threads import Threads, Turn
    from memory.traces import SpanRow
    from prompts.store import Prompt, PromptStore
    from tools.base import Tool

DEFAULT_K, MAX_K = 10, 100
SHOWN_TURNS = 200


def search_view(held: Tutor | Memory, query: str, k: int = DEFAULT_K, source: Source | None = None) -> dict[str, Any]:
    """{"query","hits"}, best first. Looks through `source`; left out, the learner's notes, and the course only while
    there are none. `start` and `end` are character offsets in the document's text. Raises BadQuestion."""
    from agent.errors import BadQuestion
    from agent.search import default_source

    if not query.strip():
        raise BadQuestion("The query is empty. Say what to look for, in a few words.")
    if not 1 <= k <= MAX_K:
        raise BadQuestion(f"k is {k}; a search gives between 1 and {MAX_K} hits.")
    memory = _memory_of(held)
    hits = memory.index.search(query, k, source or default_source(memory))
    return {"query": query, "hits": [_hit(hit) for hit in hits]}


def documents_view(held: Tutor | Memory, source: Source | None = "notes") -> dict[str, Any]:
    """{"documents"}: the learner's own; with "course" the built-in chapters, with None both, notes first."""
    return {"documents": [document_view(info) for info in _memory_of(held).store.documents(source)]}


def document_view(info: DocumentInfo) -> dict[str, Any]:
    """{"id","path","title","chunks","hash","when","source"}; `when` is an ISO 8601 time in UTC."""
    return {"id": info.id, "path": info.path, "title": info.title, "chunks": info.chunks, "hash": info.hash,
            "when": info.added, "source": info.source}


def ingest_view(report: IngestReport) -> dict[str, Any]:
    """{"documents","chunks","added","updated","unchanged","removed","failed":[{"path","error"}],"seconds"}."""
    return asdict(report)


def home_view(held: Tutor | Memory) -> dict[str, Any]:
    """{"documents","chunks","problems","errata","unfinished_turns","pending_reviews","warnings"}; `problems` and `warnings`
    are sentences. Reads everything that is kept. Raises IndexDamaged."""
    from memory.reviews import Reviews
    from memory.sql import sqlite_warning
    from memory.threads import Threads

    memory = _memory_of(held)
    notes = memory.store.documents("notes")
    warning = sqlite_warning()
    return {
        "documents": len(notes), "chunks": sum(info.chunks for info in notes), "problems": memory.store.problems(),
        "errata": len(memory.errata.entries), "unfinished_turns": len(Threads(memory.db).unfinished()),
        "pending_reviews": len(Reviews(memory.db).listing("pending")), "warnings": [warning] if warning else [],
    }


def tools_view(tools: Iterable[Tool]) -> dict[str, Any]:
    """{"tools"}: the newest version of each, without pages; `tools` is a Registry."""
    rows = (tool_view(tool) for tool in tools)
    return {"tools": [{key: value for key, value in row.items() if key != "page"} for row in rows]}


def tool_view(tool: Tool) -> dict[str, Any]:
    """{"name","version","id","group","kind","description","schema","example","page"}; `schema` is the JSON schema of
    the arguments, `example` arguments that it takes, `page` its whole documentation."""
    example = tool.example or next((case.args for case in tool.cases), {})
    return {"name": tool.name, "version": tool.version, "id": tool.id, "group": tool.group, "kind": tool.kind,
            "description": tool.summary, "schema": tool.params.model_json_schema(by_alias=True),
            "example": dict(example), "page": tool.page}


def reviews_view(reviews: Iterable[Review]) -> dict[str, Any]:
    """{"reviews"}, in the order given."""
    return {"reviews": [review_view(review) for review in reviews]}


def review_view(review: Review) -> dict[str, Any]:
    """{"id","thread","turn","learner","reason","question","draft","confidence","status","decision","created"};
    `created` is in seconds since the epoch, `decision` {"type","text","by"} or null."""
    return asdict(review)


def review_with_answer(review: Review, answer: Answer | None) -> dict[str, Any]:
    """review_view with "answer": what the learner reads once it is approved, with sources and corrections; of a review
    that was decided what they read, null when that turn failed."""
    return {**review_view(review), "answer": None if answer is None else answer.model_dump(mode="json")}


def prompts_view(store: PromptStore) -> dict[str, Any]:
    """{"prompts": [{"name","active","versions","labels"}]}; `labels` maps a label to the version that bears it."""
    active, labels = store.active(), store.labels()
    return {"prompts": [
        {"name": name, "active": active.get(name), "versions": store.versions(name),
         "labels": {label: chosen[name] for label, chosen in sorted(labels.items()) if name in chosen}}
        for name in store.names()]}


def prompt_view(prompt: Prompt) -> dict[str, Any]:
    """{"id","name","version","hash","description","inputs","labels","partials","template"}."""
    return {"id": prompt.id, "name": prompt.name, "version": prompt.version, "hash": prompt.hash,
            "description": prompt.description, "inputs": dict(prompt.inputs), "labels": list(prompt.labels),
            "partials": list(prompt.partials), "template": prompt.template}


def threads_view(threads: Threads, learner: str, limit: int = 20) -> dict[str, Any]:
    """{"threads": [{"id","turns","last","question"}]}, newest first; `last` is in seconds since the epoch."""
    return {"threads": threads.listing(learner, limit)}


def thread_view(threads: Threads, thread: str, learner: str | None = None) -> dict[str, Any]:
    """{"id","learner","turns":[{"id","number","run","trace","status","question","answer","error"}]}: the last turns,
    oldest first, also those that run, wait or failed. Raises UnknownThread, also when `learner` is given and isn't its own."""
    from memory.threads import UnknownThread

    turns = threads.turns(thread)[-SHOWN_TURNS:]
    if not turns or learner not in (None, turns[0].learner):
        raise UnknownThread(f"There is no thread {thread!r}. `tutor threads list` shows those there are.")
    return {"id": thread, "learner": turns[0].learner, "turns": [_turn(turn) for turn in turns]}


def traces_view(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """{"traces": [{"trace","name","start_ns","ms","spans"}]}; `rows` are those of Traces.recent."""
    return {"traces": list(rows)}


def trace_view(spans: Sequence[SpanRow]) -> dict[str, Any]:
    """{"trace","name","start_ns","ms","spans"} of one trace (at least one span, by start time); each span has
    {"span","parent","name","at_ms","ms","status","attributes"}, where `at_ms` counts from the trace's start."""
    start, end = min(span.start_ns for span in spans), max(span.end_ns for span in spans)
    root = next((span for span in spans if span.parent is None), spans[0])
    return {"trace": root.trace, "name": root.name, "start_ns": start, "ms": (end - start) / 1e6,
            "spans": [_span(span, start) for span in spans]}


def _memory_of(held: Tutor | Memory) -> Memory:
    from memory.open import Memory

    return held if isinstance(held, Memory) else held.parts.memory


def _hit(hit: Hit) -> dict[str, Any]:
    passage = hit.passage
    return {"chunk_id": passage.id, "document": passage.document, "heading": list(passage.heading),
            "text": passage.text, "start": passage.start, "end": passage.end, "score": round(hit.score, 6),
            "source": passage.source}


def _turn(turn: Turn) -> dict[str, Any]:
    return {"id": turn.id, "number": turn.number, "run": turn.run, "trace": turn.trace, "status": turn.status,
            "question": turn.request["question"], "answer": turn.answer, "error": turn.error}


def _span(span: SpanRow, start_ns: int) -> dict[str, Any]:
    return {"span": span.span, "parent": span.parent, "name": span.name, "at_ms": (span.start_ns - start_ns) / 1e6,
            "ms": (span.end_ns - span.start_ns) / 1e6, "status": span.status, "attributes": span.attributes}
