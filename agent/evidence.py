"""The numbered passages of one turn: what the model may cite. Knows passages and their scores, not how they were found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from memory.base import Hit, Passage


class Shelf(Protocol):
    """Where passages can be looked up again by id."""

    def passages(self, ids: Sequence[str]) -> dict[str, Passage]: ...

    def around(self, passage: Passage, before: int, after: int) -> list[Passage]: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """One numbered passage. `similarity` and `blocks` are its best match over the searches that found it, `terms` the
    match of each word of that search."""

    n: int
    passage: Passage
    score: float
    similarity: float
    blocks: tuple[float, ...]
    terms: Mapping[str, float]
    query: str


def numbered(known: Sequence[dict[str, Any]], hits: Iterable[Hit], query: str) -> list[dict[str, Any]]:
    """The evidence rows with new hits added; a passage keeps its number, and of two matches the better one."""
    rows = {row["id"]: dict(row) for row in known}
    for hit in hits:
        fresh = {
            "id": hit.passage.id, "score": round(hit.score, 4), "similarity": round(hit.similarity, 4),
            "blocks": [round(score, 4) for score in hit.blocks], "source": hit.passage.source, "query": query,
            "terms": {term: round(match, 3) for term, match in zip(hit.query_terms, hit.terms, strict=True)},
        }
        old = rows.get(hit.passage.id)
        if old is None:
            rows[hit.passage.id] = {"n": len(rows) + 1, **fresh}
        elif fresh["score"] > old["score"]:
            rows[hit.passage.id] = {**fresh, "n": old["n"]}
    return sorted(rows.values(), key=lambda row: row["n"])


def pieces(rows: Sequence[dict[str, Any]], shelf: Shelf) -> list[Piece]:
    """Evidence rows with their passages; rows whose passage has been removed since are left out."""
    found = shelf.passages([row["id"] for row in rows])
    return [
        Piece(row["n"], found[row["id"]], row["score"], row["similarity"], tuple(row["blocks"]), row["terms"], row["query"])
        for row in rows
        if row["id"] in found
    ]


def where(passage: Passage) -> str:
    """A passage's place for a reader: its document and heading path."""
    return " > ".join(dict.fromkeys([passage.document, *passage.heading]))
