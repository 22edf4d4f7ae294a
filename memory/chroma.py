"""Passage vectors in Chroma, persistent, one collection per embedder. Knows ids and vectors; the truth is in SQL.

Chroma and SQL can't commit together, so vectors are added before SQL points at them and removed after it no longer
does: a crash between leaves vectors that nothing points at, never passages without vectors.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from memory.base import IndexDamaged, Source, StorageFull, Vectors
from memory.graph_files import damage
from memory.home import PRIVATE_FOLDER

ADD_BATCH = 2000
REFUSALS = ("full", "disk", "I/O", "readonly", "read-only", "unable to open", "locked", "ermission denied", "oo many open files")
"""What Chroma says when its files may be sound and the machine doesn't let it."""


class VectorIndex(Protocol):
    """Nearest neighbours by cosine."""

    def add(self, ids: Sequence[str], vectors: Vectors, sources: Sequence[Source]) -> None: ...

    def remove(self, ids: Collection[str]) -> None: ...

    def nearest(self, vector: Vectors, k: int, source: Source | None) -> list[tuple[str, float]]:
        """(id, cosine) of the k nearest, best first; ids that SQL no longer knows may be among them."""
        ...

    def ids(self) -> set[str]: ...

    def stored(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """The vectors of these ids, those that are there."""
        ...

    def count(self) -> int:
        """How many there are, without reading them."""
        ...

    def close(self) -> None: ...


class ChromaVectors:
    """A Chroma collection in `folder`. One process owns it."""

    def __init__(self, folder: Path, embedder: str) -> None:
        import chromadb
        from chromadb.api.shared_system_client import SharedSystemClient
        from chromadb.config import Settings
        from chromadb.errors import ChromaError

        self._client: Any = None
        self._folder = folder
        try:
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            if (why := damage(folder)) is not None:
                raise ValueError(why)
            self._client = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
            self._collection: Any = self._client.get_or_create_collection(
                "passages-" + re.sub(r"[^a-zA-Z0-9.-]", "-", embedder),
                embedding_function=None, metadata={"hnsw:space": "cosine"},
            )
        except (ChromaError, OSError, ValueError) as error:
            if self._client is None:
                # Chroma keeps what it couldn't open, and would give it to whoever opens the folder next in this process.
                SharedSystemClient.clear_system_cache()
            self.close()
            raise self._explained(error) from error

    def add(self, ids: Sequence[str], vectors: Vectors, sources: Sequence[Source]) -> None:
        for at in range(0, len(ids), ADD_BATCH):
            part = slice(at, at + ADD_BATCH)
            with self._explaining():
                self._collection.upsert(ids=list(ids[part]), embeddings=np.asarray(vectors[part]),
                                        metadatas=[{"source": source} for source in sources[part]])

    def remove(self, ids: Collection[str]) -> None:
        doomed = list(ids)
        for at in range(0, len(doomed), ADD_BATCH):
            with self._explaining():
                self._collection.delete(ids=doomed[at : at + ADD_BATCH])

    def nearest(self, vector: Vectors, k: int, source: Source | None) -> list[tuple[str, float]]:
        where = {"source": source} if source else None
        with self._explaining():
            found = self._collection.query(query_embeddings=vector[None, :], n_results=k, include=["distances"], where=where)
        return [(key, 1.0 - float(distance)) for key, distance in zip(found["ids"][0], found["distances"][0], strict=True)]

    def ids(self) -> set[str]:
        with self._explaining():
            return set(self._collection.get(include=[])["ids"])

    def stored(self, ids: Sequence[str]) -> dict[str, Vectors]:
        out: dict[str, Vectors] = {}
        for at in range(0, len(ids), ADD_BATCH):
            with self._explaining():
                found = self._collection.get(ids=list(ids[at : at + ADD_BATCH]), include=["embeddings"])
            out.update((key, np.asarray(vector, np.float32)) for key, vector in zip(found["ids"], found["embeddings"], strict=True))
        return out

    def count(self) -> int:
        with self._explaining():
            return int(self._collection.count())

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Chroma's errors as StorageFull or IndexDamaged."""
        from chromadb.errors import ChromaError

        try:
            yield
        except ChromaError as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> StorageFull | IndexDamaged:
        text = str(error)
        refused = isinstance(error, OSError) and not isinstance(error, FileExistsError | NotADirectoryError)
        # SQLite calls a damaged file a malformed disk image.
        if refused or "malformed" not in text and any(word in text for word in REFUSALS):
            return StorageFull(f"Can't write the vector index in {self._folder} ({text}). Free some space or check its "
                               "permissions; nothing was changed.")
        return IndexDamaged(f"The vector index in {self._folder} can't be read ({text}). It is made anew when the home is opened next.")

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


class ArrayVectors:
    """The shipped in-memory index: exact search over a matrix. For tests and for homes that live in memory."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[Vectors, Source]] = {}

    def add(self, ids: Sequence[str], vectors: Vectors, sources: Sequence[Source]) -> None:
        self._rows.update({key: (vector, source) for key, vector, source in zip(ids, vectors, sources, strict=True)})

    def remove(self, ids: Collection[str]) -> None:
        for key in ids:
            self._rows.pop(key, None)

    def nearest(self, vector: Vectors, k: int, source: Source | None) -> list[tuple[str, float]]:
        keys = [key for key, (_, own) in self._rows.items() if source in (None, own)]
        if not keys:
            return []
        scores = np.stack([self._rows[key][0] for key in keys]) @ vector
        order = np.argsort(-scores, kind="stable")[:k]
        return [(keys[at], float(scores[at])) for at in order]

    def ids(self) -> set[str]:
        return set(self._rows)

    def stored(self, ids: Sequence[str]) -> dict[str, Vectors]:
        return {key: self._rows[key][0] for key in ids if key in self._rows}

    def count(self) -> int:
        return len(self._rows)

    def close(self) -> None:
        self._rows.clear()
