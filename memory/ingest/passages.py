"""Blocks to passages: cuts a document where a reader would, by least badness; knows sizes and structure, no grammar."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from memory.base import MAX_PASSAGE_CHARS, Block, Passage, Source

TARGET_CHARS = 1100
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def cut_passages(document: str, text: str, blocks: Sequence[Block], source: Source = "notes") -> list[Passage]:
    """Passages of whole blocks, each at most MAX_PASSAGE_CHARS long, in reading order.

    The cuts minimise a sum of costs, as in Knuth and Plass's line breaking: a cut before a heading is free, one
    inside a list or a table is dear, and a passage pays for the square of its distance to TARGET_CHARS.
    """
    pieces = [piece for block in blocks for piece in _fit(block, text)]
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(pieces) + 1):
        options = []
        for begin in range(end - 1, -1, -1):
            size = pieces[end - 1].end - pieces[begin].start
            if size > MAX_PASSAGE_CHARS and begin < end - 1:
                break
            options.append((best[begin][0] + _cut_cost(pieces, begin) + _size_cost(size), begin))
        best.append(min(options))
    cuts, at = [], len(pieces)
    while at > 0:
        cuts.append((best[at][1], at))
        at = best[at][1]
    seen: Counter[str] = Counter()
    return [_passage(document, text, pieces[begin:end], source, seen) for begin, end in reversed(cuts)]


def _cut_cost(blocks: Sequence[Block], at: int) -> float:
    """What it costs to begin a passage at block `at`."""
    if at == 0:
        return 0.0
    block, previous = blocks[at], blocks[at - 1]
    if block.kind == "heading":
        return -0.6 if len(block.heading) <= 1 else 0.0
    if previous.kind == "heading":
        return 4.0
    if block.kind == "row" and previous.kind == "row":
        return 3.0
    if block.kind == "code" and previous.end == block.start:
        return 6.0
    if block.depth <= 1 and block.kind == "item":
        return 0.35
    if block.depth:
        return 0.6 + 0.3 * block.depth
    return 0.3


def _size_cost(size: int) -> float:
    return ((size - TARGET_CHARS) / TARGET_CHARS) ** 2 * (1.6 if size < TARGET_CHARS else 1.0)


def _fit(block: Block, text: str) -> list[Block]:
    """A block longer than a passage is the one thing that is cut inside: at sentence or line ends, else at the limit."""
    if block.end - block.start <= MAX_PASSAGE_CHARS:
        return [block]
    pieces, start = [], block.start
    while start < block.end:
        end = min(block.end, start + MAX_PASSAGE_CHARS)
        if end < block.end:
            stops = [match.end() for match in SENTENCE_END.finditer(text, start, end)]
            if stops and stops[-1] > start + MAX_PASSAGE_CHARS // 3:
                end = stops[-1]
        piece_end = start + len(text[start:end].rstrip())
        if piece_end > start:
            pieces.append(Block(block.kind, start, piece_end, block.heading, block.context, block.depth))
        start = end
    return pieces


def _passage(document: str, text: str, blocks: Sequence[Block], source: Source, seen: Counter[str]) -> Passage:
    start, end = blocks[0].start, blocks[-1].end
    body = next((block for block in blocks if block.kind != "heading"), blocks[-1])
    # The id leaves the offset out, so that a passage that only moved keeps its vectors.
    shape = " ".join(f"{block.kind[0]}{block.start - start}" for block in blocks)
    content = "\0".join((source, document, shape, *body.heading, text[start:end]))
    seen[content] += 1
    digest = hashlib.sha256(f"{content}\0{seen[content]}".encode()).hexdigest()[:16]
    return Passage(digest, document, body.heading, text[start:end], start, end, source, tuple(blocks))
