"""What memory keeps and the contracts it is reached by; knows nothing of SQL, Chroma, models or the agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Source = Literal["notes", "course"]
BlockKind = Literal["heading", "paragraph", "item", "code", "row", "quote"]

MAX_PASSAGE_CHARS = 1500


@dataclass(frozen=True, slots=True)
class Block:
    """The smallest piece that stays whole: a paragraph, a list item's own text, a table row, a code block.

    `start` and `end` are character offsets in the document's text. `context` names what the block hangs under,
    outermost first: headings, then the lead words of the list items around it (or a table's header row).
    """

    kind: BlockKind
    start: int
    end: int
    heading: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of whole blocks of one document: `text == document_text[start:end]`, at most 1,500 characters."""

    id: str
    document: str
    heading: tuple[str, ...]
    text: str
    start: int
    end: int
    source: Source = "notes"
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found. `score` is in 0..1, comparable within one search. `similarity` is the weighted
    MaxSim of query and passage (-1..1, comparable across searches), `blocks` the same for each block, and
    `terms` that of each word of the query in `query_terms`."""

    passage: Passage
    score: float
    similarity: float = 0.0
    blocks: tuple[float, ...] = ()
    terms: tuple[float, ...] = ()
    query_terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """One row of `tutor documents`. `added` is an ISO 8601 time in UTC."""

    id: str
    path: str
    title: str
    chunks: int
    hash: str
    added: str
    source: Source = "notes"


@dataclass(slots=True)
class IngestReport:
    """What `tutor ingest` did. Counts are documents, except `chunks`; `seconds` is wall time."""

    documents: int = 0
    chunks: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class QueryVectors:
    """`vector` (d,) is the query's meaning, `tokens` (t, d) its words' in context, `weights` (t,) their importance and
    `words` (t,) the words (or word pieces) themselves."""

    vector: Vectors
    tokens: Vectors
    weights: Vectors
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PassageVectors:
    """`tokens` (t, d) int8: the telling words' vectors by direction only, the context line's first, then each block's;
    `counts` says how many each block has; `vector` (d,) is the whole passage's unit vector."""

    tokens: NDArray[np.int8]
    counts: tuple[int, ...]
    vector: Vectors


class Embedder(Protocol):
    """Turns text into vectors. `name` identifies model and precision: vectors of different names don't mix."""

    name: str
    dimension: int

    def embed_query(self, text: str) -> QueryVectors: ...

    def embed_passages(self, passages: Sequence[tuple[str, Sequence[str]]]) -> Iterator[PassageVectors]:
        """One result a passage, in order; a passage is (context line, texts of its blocks)."""
        ...

    def known_word(self, word: str) -> bool:
        """Whether the word is ordinary English, so that spelling correction leaves it alone."""
        ...


class DocumentIndex(Protocol):
    """Search over everything that was ingested."""

    def search(self, query: str, k: int = 10, source: Source | None = None) -> list[Hit]:
        """The k best passages, best first; `source` restricts to the learner's notes or to the course."""
        ...

    def neighbours(self, passage: Passage, before: int = 1, after: int = 1) -> list[Passage]:
        """The passages around one in its document, in reading order, the passage itself left out."""
        ...

    def documents(self) -> list[DocumentInfo]: ...


class MemoryFault(Exception):
    """Base of what memory raises for a reader: `code` is stable, the text says what happened and what to do."""

    code = "memory"


class UnreadableDocument(MemoryFault):
    """A file that can't be read as text: empty, binary, too large, protected, vanished or wrongly encoded."""

    code = "unreadable_document"


class IndexDamaged(MemoryFault):
    """The stored index can't be opened; the text names the file and the command that rebuilds it."""

    code = "index_damaged"


class HomeBusy(MemoryFault):
    """Another process owns this home."""

    code = "home_busy"


class StorageFull(MemoryFault):
    """The disk is full or read-only; nothing was changed."""

    code = "storage_full"


class UnknownDocument(MemoryFault):
    """No document of this id or path."""

    code = "unknown_document"
