"""The graph files that Chroma keeps of a collection: whether what they hold can be one. Knows hnswlib's layout, no Chroma.

A search walks the graph by the numbers that stand in its files and doesn't look whether they lie inside: garbage ends the
process, which no clause can catch. So it is looked for before.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

HEADER = struct.Struct("<i6QiI3QdQ")
"""Version, offset of level 0, room, count, bytes an element, offsets of label and vector, top level, entry point, links a
level, links on level 0, M, the levels' factor, breadth while adding (hnswlib with Chroma's persistence)."""
VERSION = 1
LARGEST = 1e9
"""No component of a vector is larger; among 384 random floats one always is, or is none."""


def damage(folder: Path) -> str | None:
    """What can't be right in the graphs below a Chroma folder; None when all can, and for files of another layout."""
    for header in sorted(folder.glob("*/header.bin")):
        if (why := _damage(header.parent)) is not None:
            return why
    return None


def _damage(folder: Path) -> str | None:
    head = (folder / "header.bin").read_bytes()
    if len(head) != HEADER.size or struct.unpack_from("<i", head)[0] != VERSION:
        return None  # Chroma looks at these itself
    _, start, _, count, size, label, vector, top, entry, upper, lower, *_ = HEADER.unpack(head)
    if count == 0:
        return None
    if start or vector != 4 * (lower + 1) or label + 8 != size or label <= vector or (label - vector) % 4 or entry >= count or top < 0:
        return "header.bin holds numbers that don't fit together"
    level0 = folder / "data_level0.bin"
    if level0.stat().st_size < count * size:
        return "data_level0.bin is cut off"
    elements = np.memmap(level0, np.uint8, "r", shape=(count, size))
    links = np.ascontiguousarray(elements[:, :vector])
    if _stray(links[:, :2].copy().view("<u2")[:, 0], links[:, 4:].copy().view("<u4"), count):
        return "data_level0.bin has links to nothing"
    with np.errstate(invalid="ignore"):
        if not bool((np.abs(np.ascontiguousarray(elements[:, vector:label]).view("<f4")) <= LARGEST).all()):
            return "data_level0.bin has vectors that are none"
    return _upper_damage((folder / "link_lists.bin").read_bytes(), 4 * (upper + 1), count)


def _upper_damage(lists: bytes, width: int, count: int) -> str | None:
    """Of the levels above the lowest: for each element how many bytes of links follow, `width` a level, and these."""
    rows, at = [], 0
    for _ in range(count):
        length = int.from_bytes(lists[at : at + 4], "little")
        if length % width or at + 4 + length > len(lists):
            return "link_lists.bin is cut off or has links to nothing"
        if length:
            rows.append(np.frombuffer(lists, np.uint8, length, at + 4).reshape(-1, width))
        at += 4 + length
    levels = np.concatenate(rows) if rows else np.zeros((0, width), np.uint8)
    if _stray(levels[:, :2].copy().view("<u2")[:, 0], levels[:, 4:].copy().view("<u4"), count):
        return "link_lists.bin has links to nothing"
    return None


def _stray(used: Any, links: Any, count: int) -> bool:
    """Whether a row claims more links than it has room for, or one of those it uses leads outside."""
    if (used > links.shape[1]).any():
        return True
    return bool(((links >= count) & (np.arange(links.shape[1]) < used[:, None])).any())
