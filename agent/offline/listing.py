"""Enumerations: when a question asks for the parts of something, the siblings of one list, each in a few words.

Knows the documents' structure (blocks, contexts), not ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.evidence import Piece, Shelf
from agent.offline.select import Unit, whole_block
from agent.sentences import content_stems, name_stems, sentences_of
from memory.base import Block, Passage

MIN_ITEMS, MAX_ITEMS = 3, 14
NEIGHBOURS = 2
NAME_MATCH = 0.5
ANCHOR_PIECES = 4


def siblings(pieces: Sequence[Piece], query: str, shelf: Shelf, budget: int) -> list[Unit]:
    """The items of the list that a question asks for, in reading order, or nothing when no list fits."""
    wanted = content_stems(query)
    best: tuple[float, Piece, Block] | None = None
    for piece in sorted(pieces, key=lambda p: -p.score)[:ANCHOR_PIECES]:
        for block, score in zip(piece.passage.blocks, piece.blocks, strict=False):
            if block.kind != "item":
                continue
            # A list is named by what stands above it: its heading or its parent item.
            named = max((_share(name_stems(name), wanted) for name in block.context[-2:]), default=0.0)
            value = piece.score + 0.5 * score + 0.35 * named - 0.05 * block.depth
            if named >= NAME_MATCH and (best is None or value > best[0]) and _count(piece.passage, block) >= 2:
                best = (value, piece, block)
    if best is None:
        return []
    _, anchor, block = best
    around = [*shelf.around(anchor.passage, NEIGHBOURS, 0), anchor.passage, *shelf.around(anchor.passage, 0, NEIGHBOURS)]
    known = {piece.passage.id: piece for piece in pieces}
    items = [(known.get(p.id, replace(anchor, passage=p, blocks=tuple(0.0 for _ in p.blocks))), number)
             for p in around for number, other in enumerate(p.blocks)
             if other.kind == "item" and other.context == block.context and other.depth == block.depth]
    items = [(piece, number) for piece, number in items if piece.passage.id in known]
    if not MIN_ITEMS <= len(items) <= MAX_ITEMS:
        return []
    each = max(8, budget // len(items))
    return [unit for piece, number in items for unit in _told(piece, number, each)]


def _told(piece: Piece, number: int, words: int) -> list[Unit]:
    """An item in at most about `words`: its first sentences, and its first child's first when it is only a label."""
    units = [_head(piece, number, words)]
    left = words - units[0].words
    block = piece.passage.blocks[number]
    after = piece.passage.blocks[number + 1] if number + 1 < len(piece.passage.blocks) else None
    if units[0].plain.endswith(":") and left > 8 and after is not None and after.depth > block.depth:
        child = _head(piece, number + 1, left)
        if child.words <= left + 6:
            units.append(child)
    return units


def _head(piece: Piece, number: int, words: int) -> Unit:
    unit = whole_block(piece, number)
    inside = [s for s in sentences_of(piece.passage) if s.block == number]
    if unit.words <= words or not inside:
        return unit
    run = inside[:1]
    for sentence in inside[1:]:
        if sum(len(s.plain.split()) for s in [*run, sentence]) > words:
            break
        run.append(sentence)
    return replace(unit, end=run[-1].end, plain=" ".join(s.plain for s in run))


def _count(passage: Passage, block: Block) -> int:
    return sum(other.kind == "item" and other.context == block.context and other.depth == block.depth for other in passage.blocks)


def _share(name: frozenset[str], wanted: frozenset[str]) -> float:
    return len(name & wanted) / len(name) if name else 0.0
