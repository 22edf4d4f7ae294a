"""The few facts that a small model is given to tell: the sentences which the reasoner would quote, best first cut to a budget.

Knows drafts and passages, not models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.events import Citation
from agent.evidence import Piece
from agent.offline.compose import ITEM_MARK
from agent.sentences import content_stems
from agent.shortening import REPORTED
from memory.base import Block
from memory.ingest.markdown import lead, plain

MAX_FACTS, MAX_WORDS = 4, 110
NEAR = 0.75
"""Of the best fact's match: what lies below strays from the question, and a small model strays with it."""


@dataclass(frozen=True)
class Fact:
    """One cited span: `text` is what a model reads, `shown` (Markdown) what a learner reads when no model tells it; `match` is its
    block's with the question."""

    text: str
    shown: str
    match: float


def facts_of(citations: Sequence[Citation], pieces: Sequence[Piece], flawed: Sequence[Sequence[Any]] = ()) -> list[Fact]:
    """At most MAX_FACTS in the draft's order. `flawed` are (erratum, passage number, start, end) of known errors, which nobody is
    to retell; code and tables have no sentences, and beliefs that a passage refutes are too easily told as true."""
    by_id = {piece.passage.id: piece for piece in pieces}
    rated: list[tuple[int, Fact]] = []
    for at, citation in enumerate(citations):
        piece = by_id.get(citation.chunk_id)
        if piece is None or any(n == piece.n and start < citation.end and end > citation.start for _, n, start, end in flawed):
            continue
        number = next((i for i, b in enumerate(piece.passage.blocks) if b.start <= citation.start < b.end), None)
        if number is None or number >= len(piece.blocks) or piece.passage.blocks[number].kind not in ("item", "paragraph", "quote"):
            continue
        text = plain(citation.quote)
        if REPORTED.search(text) or "?" in text or not text.rstrip("*_").endswith((".", "!")):
            continue
        rated.append((at, _fact(text, citation.quote, piece.passage.blocks[number], piece.blocks[number])))
    rated.sort(key=lambda each: -each[1].match)
    chosen: list[tuple[int, Fact]] = []
    words = 0
    for at, fact in rated[:MAX_FACTS]:
        words += len(fact.text.split())
        if chosen and (words > MAX_WORDS or fact.match < NEAR * rated[0][1].match):
            break
        chosen.append((at, fact))
    return [fact for _, fact in sorted(chosen, key=lambda each: each[0])]


def _fact(text: str, quote: str, block: Block, match: float) -> Fact:
    """With the label that says what it is about, where its own sentence doesn't say it."""
    own = lead(quote)
    body = text[len(own) + 1 :].strip() if text.startswith(f"{own}:") else text
    if content_stems(own) <= content_stems(body):
        text = body
    shown = " ".join(ITEM_MARK.sub("", quote.strip()).split())
    parent = next(iter(block.context[len(block.heading) :][-1:]), "") if block.kind == "item" else ""
    if not parent or content_stems(parent) <= content_stems(text):
        return Fact(text, shown, match)
    return Fact(f"{parent}: {text}", f"**{parent}** — {shown}", match)
