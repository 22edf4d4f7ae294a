"""Enumerations: when a question asks for the parts of something, the siblings of one list, each in a few words, or the
sections under one heading by their names.

Knows the documents' structure (blocks, contexts), not ranking.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from agent.evidence import Piece, Shelf
from agent.offline.select import Unit, whole_block
from agent.sentences import content_stems, name_stems, sentences_of
from memory.base import Block, Passage

MIN_ITEMS, MAX_ITEMS = 3, 14
NEIGHBOURS = 3
NAME_MATCH = 0.5
ANCHOR_PIECES = 4
FARTHER = 0.6
"""How much less a list is named by what stands above the name above it."""
PER_WORD = 0.08
"""What each word of the question in that name is worth, so that of two fitting names the fuller one wins."""
BRACKETED = re.compile(r"\(([^()]*)\)")


def siblings(pieces: Sequence[Piece], query: str, shelf: Shelf, budget: int) -> list[Unit]:
    """The items of the list that a question asks for, in reading order, or nothing when no list fits."""
    wanted = content_stems(query)
    best: tuple[float, Piece, Block] | None = None
    for piece in sorted(pieces, key=lambda p: -p.score)[:ANCHOR_PIECES]:
        for block, score in zip(piece.passage.blocks, piece.blocks, strict=False):
            if block.kind != "item":
                continue
            # A list is named by what stands above it: its heading or its parent item.
            named, words = _named(block.context, wanted)
            value = piece.score + 0.5 * score + 0.35 * named + PER_WORD * words - 0.05 * block.depth
            if named >= NAME_MATCH and (best is None or value > best[0]) and _count(piece.passage, block) >= 2:
                best = (value, piece, block)
    under = _sections(pieces, wanted)
    if under and (best is None or under[0] > best[0]):
        return under[1]
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


def _sections(pieces: Sequence[Piece], wanted: frozenset[str]) -> tuple[float, list[Unit]] | None:
    """(How well the heading fits, the headings right under it in reading order), or None when no heading fits."""
    found: dict[tuple[str, ...], dict[tuple[str, ...], Unit]] = {}
    scores: dict[tuple[str, ...], float] = {}
    for piece in sorted(pieces, key=lambda p: (p.passage.document, p.passage.start)):
        headings = {block.heading: number for number, block in reversed([*enumerate(piece.passage.blocks)]) if block.kind == "heading"}
        for path, number in headings.items():
            if len(path) > 1:
                found.setdefault(path[:-1], {}).setdefault(path, whole_block(piece, number))
                scores[path[:-1]] = max(scores.get(path[:-1], 0.0), piece.score)
    best: tuple[float, list[Unit]] | None = None
    for parent, children in found.items():
        named, words = _named(parent[-1:], wanted)
        # The document's own name is in every question about it; what its sections are isn't asked for with it.
        value = scores[parent] + 0.25 + 0.35 * named + PER_WORD * words
        if len(parent) > 1 and named >= NAME_MATCH and MIN_ITEMS <= len(children) <= MAX_ITEMS and (best is None or value > best[0]):
            best = (value, sorted(children.values(), key=lambda unit: unit.start))
    return best


def _named(context: Sequence[str], wanted: frozenset[str]) -> tuple[float, int]:
    """How far the two names above a list are spoken of, and in how many words."""
    best = (0.0, 0)
    for weight, name in zip((1.0, FARTHER), reversed(context[-2:]), strict=False):
        for stems in (name_stems(name), *(_letters(inside) for inside in BRACKETED.findall(name))):
            if stems and (weight < 1.0 or len(stems & wanted) == len(stems) or stems == name_stems(name)):
                best = max(best, (weight * _share(stems, wanted), len(stems & wanted)))
    return best


def _letters(name: str) -> frozenset[str]:
    return frozenset(stem for stem in content_stems(name) if not stem.isdigit())


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
