"""Known errors near an answer: in what it quotes, in what it nearly quoted, in what the learner takes for true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.events import Citation, Correction
from agent.evidence import Piece
from agent.sentences import content_stems, quote
from memory.errata import Errata, Erratum

NEAR = 0.9
MAX_CORRECTIONS = 2


@dataclass(frozen=True)
class Found:
    """An error and the passage that holds it; no passage when only the question does."""

    erratum: Erratum
    piece: Piece | None = None
    start: int = 0
    end: int = 0


def corrections_for(question: str, citations: Sequence[Citation], evidence: Sequence[Piece], errata: Errata,
                    context: dict[str, Any]) -> list[Found]:
    """Errors to correct, those of the quotes first, at most MAX_CORRECTIONS."""
    by_id = {piece.passage.id: piece for piece in evidence}
    found: dict[str, Found] = {}
    for citation in citations:
        for erratum in errata.in_text(citation.quote):
            if piece := by_id.get(citation.chunk_id):
                found.setdefault(erratum.id, Found(erratum, piece, citation.start, citation.end))
    names = {erratum.id: erratum for erratum in errata.entries}
    numbers = {piece.n: piece for piece in evidence}
    for name, n, start, end in context.get("errata", []):
        if name in names and n in numbers:
            found.setdefault(name, Found(names[name], numbers[n], start, end))
    for erratum in errata.in_question(question):
        found.setdefault(erratum.id, Found(erratum))
    withheld = (context.get("pending") or {}).get("kind") in ("ladder", "quiz")
    # A hint or a quiz question doesn't give the answer away, so what only stands near it isn't corrected before it is told.
    for each in [] if withheld else _near(question, evidence, errata):
        found.setdefault(each.erratum.id, each)
    return list(found.values())[:MAX_CORRECTIONS]


def with_corrections(text: str, citations: Sequence[Citation], found: Sequence[Found]) -> tuple[str, list[Citation], list[Correction]]:
    """The answer with one line a correction; an error that stands in a document is cited there."""
    every, corrections, lines = list(citations), [], []
    for each in found:
        erratum, mark, said = each.erratum, "", ""
        if each.piece is not None:
            said = quote(each.piece.passage, each.start, each.end)
            mark = f" [{_cite(every, each, said)}]"
        where = "your notes" if each.piece is not None and each.piece.passage.source == "notes" else "a common belief"
        label = {"wrong": "Correction", "misleading": "Careful", "dated": "Out of date"}.get(erratum.kind, "Correction")
        lines.append(f"**{label}** ({where}{mark}): {erratum.problem} {erratum.right} *Source: {erratum.source}*")
        corrections.append(Correction(quote=said, problem=erratum.problem, right=erratum.right, source=erratum.source, id=erratum.id))
    return "\n\n".join(part for part in (text, *lines) if part), every, corrections


def _near(question: str, evidence: Sequence[Piece], errata: Errata) -> list[Found]:
    """Errors in the blocks that match the question best, although no quote shows them."""
    if not evidence:
        return []
    top = max((score for piece in evidence for score in piece.blocks), default=0.0)
    wanted = content_stems(question)
    found = []
    for piece in evidence:
        for block, score in zip(piece.passage.blocks, piece.blocks, strict=False):
            if score < NEAR * top or block.kind == "heading":
                continue
            text = quote(piece.passage, block.start, block.end)
            for erratum in errata.in_text(text):
                if len(wanted & content_stems(text)) >= min(2, len(wanted)):
                    found.append(Found(erratum, piece, block.start, block.end))
    return found


def _cite(citations: list[Citation], each: Found, said: str) -> int:
    assert each.piece is not None
    passage = each.piece.passage
    for known in citations:
        if (known.chunk_id, known.start, known.end) == (passage.id, each.start, each.end):
            return known.n
    number = max((c.n for c in citations), default=0) + 1
    citations.append(Citation(n=number, document=passage.document, heading=list(passage.heading), chunk_id=passage.id,
                              start=each.start, end=each.end, quote=said, source=passage.source))
    return number
