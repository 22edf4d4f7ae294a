"""How a ranking of passages is judged against gold quotes or gold documents; knows nothing of answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from eval.cases import EvalCase
from eval.outcome import Outcome, Score
from eval.wording import normal
from memory.base import Hit

SEARCH_DEPTH = 30
"""Passages to ask a search for: several of one document count once where documents are ranked, so 10 wouldn't do."""


class HitAt:
    """Quotes: the share of them that lie inside the first k passages. Documents: 1 if one of the gold ones is among
    the first k different documents. Quotes decide when a case has both."""

    direction = 1

    def __init__(self, k: int) -> None:
        self.k, self.name = k, f"hit@{k}"

    def applies(self, case: EvalCase) -> bool:
        return bool(case.outputs.quotes or case.outputs.documents)

    def score(self, case: EvalCase, outcome: Outcome) -> Score:
        gains = _gains(case, outcome.hits)
        if not case.outputs.quotes:
            return Score(value=float(any(gains[: self.k])), detail=_place(gains))
        return Score(value=sum(gains[: self.k]) / len(case.outputs.quotes), detail=_place(gains))


class NdcgAt:
    """Normalised discounted cumulative gain of the first k, gain 1 for each quote or gold document when it first
    appears, discount log2(rank + 1). With one gold item it is 1 at rank 1, 0.63 at rank 2, 0 beyond k."""

    direction = 1

    def __init__(self, k: int) -> None:
        self.k, self.name = k, f"ndcg@{k}"

    def applies(self, case: EvalCase) -> bool:
        return bool(case.outputs.quotes or case.outputs.documents)

    def score(self, case: EvalCase, outcome: Outcome) -> Score:
        gains = _gains(case, outcome.hits)
        found = math.fsum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains[: self.k]))
        return Score(value=min(found / self._ideal(case), 1.0), detail=_place(gains))

    def _ideal(self, case: EvalCase) -> float:
        """Quotes may all lie in the first passage, but a search can't know; one a rank is the common yardstick."""
        items = len(case.outputs.quotes or case.outputs.documents)
        return math.fsum(1 / math.log2(rank + 2) for rank in range(min(items, self.k)))


def _gains(case: EvalCase, hits: Sequence[Hit]) -> list[int]:
    """For each rank, how many gold items appear there for the first time."""
    if case.outputs.quotes:
        return _quote_gains(case.outputs.quotes, hits)
    ranked = list(dict.fromkeys(hit.passage.document for hit in hits))
    left = list(case.outputs.documents)
    gains = []
    for document in ranked:
        named = [name for name in left if is_document(document, name)]
        left = [name for name in left if name not in named]
        gains.append(len(named))
    return gains


def _quote_gains(quotes: Sequence[str], hits: Sequence[Hit]) -> list[int]:
    left = [normal(quote) for quote in quotes]
    gains = []
    for hit in hits:
        text = normal(hit.passage.text)
        found = [quote for quote in left if quote in text]
        left = [quote for quote in left if quote not in found]
        gains.append(len(found))
    return gains


def is_document(document: str, name: str) -> bool:
    """Whether a document's path is the name or ends in it: an index may know a longer path than the case."""
    return document == name or document.endswith("/" + name)


def _place(gains: Sequence[int]) -> str:
    first = next((rank for rank, gain in enumerate(gains, 1) if gain), None)
    return f"first at rank {first}" if first else f"not among {len(gains)} results"
