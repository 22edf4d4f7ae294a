"""Hybrid retrieval: dense and lexical candidates, ranked by late interaction and BM25 together. Knows scores, not SQL.

Measured on four sets (docs/adr/0002-late-interaction.md): MaxSim over the token vectors that ingest keeps anyway ranks
better than cosine of one vector a passage, and better than BM25; the sum of the three beats each of them everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from memory.base import DocumentInfo, Embedder, Hit, Passage, QueryVectors, Source, Vectors
from memory.chroma import VectorIndex
from memory.lexical import LexicalIndex, words
from memory.passages import PassageStore, block_text
from memory.wording import Wording

DENSE_CANDIDATES = 40
LEXICAL_CANDIDATES = 60
MAX_CANDIDATES = 40
MAXSIM_WEIGHT, DENSE_WEIGHT, LEXICAL_WEIGHT = 0.72, 0.20, 0.08
NEAR_DUPLICATE = 0.85
MAX_QUERY_CHARS = 2000


@dataclass(frozen=True)
class _Candidate:
    passage: Passage
    dense: float
    lexical: float


class Retriever:
    """DocumentIndex over a PassageStore and its two indexes."""

    def __init__(self, store: PassageStore, vectors: VectorIndex, lexical: LexicalIndex, embedder: Embedder) -> None:
        self.store = store
        self._vectors, self._lexical, self._embedder = vectors, lexical, embedder
        self._wording: tuple[int, Wording] | None = None

    def search(self, query: str, k: int = 10, source: Source | None = None) -> list[Hit]:
        """The k best passages, best first, near-duplicates once. Words past the first 2,000 characters don't count."""
        query = " ".join(query[:MAX_QUERY_CHARS].split())
        if not query or k < 1:
            return []
        wording = self.wording()
        query = wording.corrected(query)
        vectors = self._embedder.embed_query(query)
        if not len(vectors.tokens):
            return []
        candidates = self._candidates(vectors, wording.expanded(query), source)
        ranked = sorted(self._scored(vectors, candidates), key=lambda hit: (-hit.score, hit.passage.id))
        return [self._explained(hit, vectors) for hit in _distinct(ranked, k)]

    def neighbours(self, passage: Passage, before: int = 1, after: int = 1) -> list[Passage]:
        return self.store.around(passage, before, after)

    def documents(self) -> list[DocumentInfo]:
        return self.store.documents()

    def dense_only(self, query: str, k: int, source: Source | None = None) -> list[str]:
        """Passage ids by cosine alone: one of the two parts that the whole is measured against."""
        return [key for key, _ in self._vectors.nearest(self._embedder.embed_query(query).vector, k, source)]

    def lexical_only(self, query: str, k: int, source: Source | None = None) -> list[str]:
        """Passage ids by BM25 alone: the other part."""
        return list(dict.fromkeys(key for key, _, _ in self._lexical.best(query, 5 * k, source)))[:k]

    def wording(self) -> Wording:
        """Vocabulary of everything stored, made anew when that changes."""
        if self._wording is None or self._wording[0] != self.store.generation:
            texts = [self.store.text(info.path) for info in self.store.documents()]
            self._wording = (self.store.generation, Wording(texts, self._embedder.known_word))
        return self._wording[1]

    def embed(self, text: str) -> Vectors:
        """The unit vector of a text as a query, (dimension,)."""
        return self._embedder.embed_query(text).vector

    @property
    def embedder(self) -> str:
        """The embedder's name."""
        return self._embedder.name

    def known(self, word: str) -> bool:
        """Whether a word is ordinary English, as far as the embedder's vocabulary goes."""
        return self._embedder.known_word(word)

    def mentions(self, word: str) -> bool:
        """Whether a word stands anywhere in the material, in any of its forms or misspelt."""
        wording = self.wording()
        return bool(self._lexical.best(word, 1, None)) or wording.knows(word) or wording.means(word) is not None

    def _candidates(self, vectors: QueryVectors, lexical_query: str, source: Source | None) -> list[_Candidate]:
        dense = dict(self._vectors.nearest(vectors.vector, DENSE_CANDIDATES, source))
        lexical: dict[str, float] = {}
        for key, _, score in self._lexical.best(lexical_query, LEXICAL_CANDIDATES, source):
            lexical[key] = max(score, lexical.get(key, 0.0))
        top = max(lexical.values(), default=0.0) or 1.0
        ids = list(dict.fromkeys([*dense, *lexical]))
        passages = self.store.passages(ids)
        found = [
            _Candidate(passages[key], dense.get(key, -1.0), lexical.get(key, 0.0) / top)
            for key in ids
            if key in passages and source in (None, passages[key].source)
        ]
        found.sort(key=lambda each: -(max(each.dense, 0.0) + 0.5 * each.lexical))
        return found[:MAX_CANDIDATES]

    def _scored(self, vectors: QueryVectors, candidates: Sequence[_Candidate]) -> list[Hit]:
        hits = []
        floor = min((each.dense for each in candidates if each.dense >= 0), default=0.0)
        for each, similarity in zip(candidates, self._maxsim(vectors, [c.passage.id for c in candidates]), strict=True):
            # A lexical candidate outside the dense list is at most as close as the last one on it.
            dense = each.dense if each.dense >= 0 else floor
            score = MAXSIM_WEIGHT * similarity + DENSE_WEIGHT * dense + LEXICAL_WEIGHT * each.lexical
            hits.append(Hit(each.passage, float(np.clip(score, 0.0, 1.0)), float(similarity)))
        return hits

    def _maxsim(self, query: QueryVectors, ids: Sequence[str]) -> Vectors:
        """Weighted mean over the query's words of their best match in each passage (Khattab and Zaharia, 2020)."""
        if not ids or not len(query.tokens):
            return np.zeros(len(ids), np.float32)
        stored = self.store.tokens(ids)
        matrices = [stored[key][0] for key in ids]
        starts = np.cumsum([0, *(len(matrix) for matrix in matrices)])[:-1]
        best = np.maximum.reduceat(query.tokens @ _unit_rows(np.concatenate(matrices)).T, starts, axis=1)
        return np.asarray(query.weights @ best / query.weights.sum(), np.float32)

    def _explained(self, hit: Hit, query: QueryVectors) -> Hit:
        """The hit with the match of each of its blocks and of each word of the query."""
        tokens, counts = self.store.tokens([hit.passage.id])[hit.passage.id]
        match = query.tokens @ _unit_rows(tokens).T
        head = len(tokens) - sum(counts)
        # A block inherits half of what its headings match: "Cons" answers for the thing whose cons it lists.
        context = match[:, :head].max(axis=1) if head else np.full(len(query.words), -1.0)
        blocks, at = [], head
        for count in counts:
            own = match[:, at : at + count].max(axis=1) if count else context
            blocks.append(float(query.weights @ np.maximum(own, 0.5 * (own + context)) / query.weights.sum()))
            at += count
        return replace(hit, blocks=tuple(blocks), terms=tuple(float(m) for m in match.max(axis=1)), query_terms=query.words)


def _unit_rows(tokens: Any) -> Vectors:
    rows = tokens.astype(np.float32)
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return np.asarray(rows)


def _distinct(ranked: Sequence[Hit], k: int) -> list[Hit]:
    """The first k whose words aren't nearly those of a better one."""
    kept: list[Hit] = []
    bags: list[set[str]] = []
    for hit in ranked:
        bag = set(words(" ".join(block_text(hit.passage, block) for block in hit.passage.blocks)))
        if any(len(bag & other) > NEAR_DUPLICATE * len(bag | other) for other in bags):
            continue
        kept.append(hit)
        bags.append(bag)
        if len(kept) == k:
            break
    return kept
