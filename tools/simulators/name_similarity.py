"""Jaro-Winkler similarity of every pair of many short strings at once, by array instead of one pair at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tools.base import ToolError

Floats = NDArray[np.float64]

MAX_STRINGS = 1_500
MAX_LENGTH = 24
_BLOCK = 50_000


def similarities(strings: Sequence[str]) -> Floats:
    """Symmetric (n, n) table of Jaro-Winkler similarities (prefix 0.1, above 0.7), as `string_distance` gives them one
    by one; the diagonal is 1. Raises ToolError over MAX_STRINGS strings or MAX_LENGTH characters.

    >>> similarities(["DIXON", "DICKSONX"]).round(4).tolist()
    [[1.0, 0.8133], [0.8133, 1.0]]
    """
    longest = max(map(len, strings), default=0)
    if len(strings) > MAX_STRINGS or longest > MAX_LENGTH:
        raise ToolError(f"{len(strings):,} strings of up to {longest} characters are too many or too long; give at "
                        f"most "
                        f"{MAX_STRINGS:,} of {MAX_LENGTH}.")
    codes = np.zeros((len(strings), max(longest, 1)), dtype=np.int32)
    for row, text in enumerate(strings):
        codes[row, :len(text)] = [ord(char) for char in text]
    lengths = np.array([len(text) for text in strings], dtype=np.int64)
    table = np.eye(len(strings))
    first, second = np.triu_indices(len(strings), 1)
    for at in range(0, len(first), _BLOCK):
        left, right = first[at:at + _BLOCK], second[at:at + _BLOCK]
        table[left, right] = _pairs(codes[left], codes[right], lengths[left], lengths[right])
    return np.maximum(table, table.T)


def _pairs(a: NDArray[np.int32], b: NDArray[np.int32], len_a: NDArray[np.int64], len_b: NDArray[np.int64]) -> Floats:
    reach = np.maximum(np.maximum(len_a, len_b) // 2 - 1, 0)
    used_a, used_b = np.zeros(a.shape, dtype=np.bool_), np.zeros(b.shape, dtype=np.bool_)
    for place in range(int(len_a.max(initial=0))):
        free = place < len_a
        low, high = max(place - int(reach.max(initial=0)), 0), min(place + int(reach.max(initial=0)) + 1, b.shape[1])
        for other in range(low, high):
            hit = free & (a[:, place] == b[:, other]) & ~used_b[:,
                                                                other] & (abs(place - other) <= reach) & (other < len_b)
            used_b[:, other] |= hit
            used_a[:, place] |= hit
            free &= ~hit
    same = used_a.sum(axis=1)
    swapped = (_in_front(a, used_a) != _in_front(b, used_b)).sum(axis=1) // 2
    with np.errstate(divide="ignore", invalid="ignore"):
        jaro = np.where(same > 0, (same / len_a + same / len_b + (same - swapped) / same) / 3, 0.0)
    equal = (a[:, :4] == b[:, :4]) & (a[:, :4] != 0)
    prefix = np.cumprod(equal, axis=1).sum(axis=1)
    return np.where(jaro > 0.7, jaro + prefix * 0.1 * (1 - jaro), jaro)


def _in_front(codes: NDArray[np.int32], used: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The used characters of each row moved to its front, zeros behind them."""
    moved = np.zeros_like(codes)
    rows, columns = np.nonzero(used)
    moved[rows, (np.cumsum(used, axis=1) - 1)[rows, columns]] = codes[rows, columns]
    return moved
