"""Small tables in a message: a header and rows parted by bars, commas, tabs or wide gaps. Knows no meaning of a column."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RULE = re.compile(r"[\s|:+-]*-[\s|:+-]*")
_PARTS = (r"\s*\|\s*", r"\s*\t\s*", r"\s*;\s*", r"\s*,\s*", r" {2,}")


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells of rows, as many as the header has; `starts` says where each row's text begins."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    start: int
    end: int
    header_end: int


def find_grids(text: str) -> list[Grid]:
    """Every run of lines that split into as many cells as the line before them, which is the header.

    >>> find_grids("task | min | needs\\nload | 5 | -\\nscore | 9 | load")[0].rows
    (('load', '5', '-'), ('score', '9', 'load'))
    """
    lines = [(match.start(), match[0]) for match in re.finditer(r"[^\n]+", text)]
    found: list[Grid] = []
    at = 0
    while at < len(lines):
        grid, after = _grid(lines, at)
        found += [grid] if grid is not None else []
        at = after if grid is not None else at + 1
    return found


def _grid(lines: list[tuple[int, str]], first: int) -> tuple[Grid | None, int]:
    start, head = lines[first]
    for part in _PARTS:
        header = _cells(head, part)
        if len(header) < 2 or any(re.fullmatch(r"[-\d.,%\s]*", cell) for cell in header) or len(max(header, key=len)) > 40:
            continue
        rows: list[tuple[str, ...]] = []
        at, end = first + 1, start + len(head)
        while at < len(lines) and (_RULE.fullmatch(lines[at][1]) or len(_cells(lines[at][1], part)) == len(header)):
            if not _RULE.fullmatch(lines[at][1]):
                rows.append(tuple(_cells(lines[at][1], part)))
            at, end = at + 1, lines[at][0] + len(lines[at][1])
        if len(rows) >= 2:
            return Grid(tuple(header), tuple(rows), start, end, start + len(head)), at
    return None, first + 1


def _cells(line: str, part: str) -> list[str]:
    """Bars at the edges are no cells."""
    inside = re.sub(r"^\s*\||\|\s*$", "", line) if "|" in part and line.strip().startswith("|") else line
    return [cell.strip() for cell in re.split(part, inside.strip(" ") if part == " {2,}" else inside)]
