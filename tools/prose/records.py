"""Records of persons written into a message: their cells, and which columns an attacker knows. Knows no measure of anonymity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tools.prose.found import Found
from tools.prose.grids import find_grids

_QUASI = re.compile(r"(?i)\bquasi[- ]?identif(?:iers?|ying\s+\w+)\b\s*(?:are|is|being|=|:)?\s*(?:the\s+)?(?P<names>[\w+&/, -]{1,80})")
_NAME_ENDS = re.compile(r"(?i)\s*(?:[,+&/]|\band\b)\s*")
_SENSITIVE = re.compile(r"(?i)diagnos|disease|illness|condition|sensitive|salary|income|test|result|grade")
_BRACKETS = re.compile(r"\([^()\n]*,[^()\n]*\)(?:\s*[,;]?\s*(?:and\s+)?\([^()\n]*,[^()\n]*\))+")
_PIECE = re.compile(r"[^\n;]+")
_DATA = re.compile(r"\d|\*")
_LISTED = re.compile(
    r"(?i)\b(?:diagnos[ei]s|values|diseases|conditions|illnesses)\b\s*(?:are|is|of|:)?\s*:?\s*[\"“']?"
    r"(?P<values>[\w+-]+(?:\s(?!and\b)[\w+-]+)?(?:\s*,\s*(?:and\s+)?[\w+-]+(?:\s(?!and\b)[\w+-]+)?){2,}(?:\s+and\s+[\w+-]+)?)")
LONGEST = 8
"""Cells of a record, at most: what has more is a sentence."""


@dataclass(frozen=True, slots=True)
class _Records:
    """Rows of cells, the header if there is one, and where they stand; `plain` ones are parted by blanks."""

    rows: list[list[str]]
    header: tuple[str, ...]
    start: int
    end: int
    plain: bool = False


def find_records(text: str) -> Found | None:
    """The columns that an attacker knows: those called quasi-identifiers, else all but a sensitive one.

    >>> find_records("quasi-identifiers zip and age: 130* <30 flu; 130* <30 HIV; 148* 40+ flu").text
    '(130*, <30), (130*, <30), (148*, 40+)'
    """
    found = _records(text)
    if found is None:
        return None
    known = _known(found, text)
    return Found(", ".join(f"({', '.join(row[at] for at in known)})" for row in found.rows), ((found.start, found.end),))


def find_classes(text: str) -> Found | None:
    """The sensitive values of each class of equal quasi-identifiers: "flu, HIV; flu"."""
    found = _records(text)
    if found is None:
        return None
    known = _known(found, text)
    rest = [at for at in range(len(found.rows[0])) if at not in known]
    if not rest:
        return None
    classes: dict[tuple[str, ...], list[str]] = {}
    for row in found.rows:
        classes.setdefault(tuple(row[at] for at in known), []).append(row[rest[-1]])
    return Found("; ".join(", ".join(values) for values in classes.values()), ((found.start, found.end),))


def find_values(text: str) -> Found | None:
    """The values of one class: "diagnoses flu, flu, cold and asthma".

    >>> find_values("One class has diagnoses flu, flu, cold, asthma. What is l?").text
    'flu, flu, cold, asthma'
    """
    found = _LISTED.search(text)
    return Found(found["values"], (found.span("values"),)) if found is not None else None


def _records(text: str) -> _Records | None:
    for grid in find_grids(text):
        if len(grid.header) <= LONGEST and sum(bool(_DATA.search(" ".join(row))) for row in grid.rows) == len(grid.rows):
            return _Records([list(row) for row in grid.rows], grid.header, grid.start, grid.end)
    if (match := _BRACKETS.search(text)) is not None:
        rows = [[cell.strip() for cell in inside.split(",")] for inside in re.findall(r"\(([^()]*)\)", match[0])]
        return _Records(rows, (), *match.span()) if len({len(row) for row in rows}) == 1 else None
    return _lines(text)


def _lines(text: str) -> _Records | None:
    """The longest run of lines, or of parts between semicolons, with as many cells each and a figure in each."""
    best: list[tuple[list[str], int, int]] = []
    run: list[tuple[list[str], int, int]] = []
    for piece in _PIECE.finditer(text):
        start = piece.start() + (piece[0].rfind(": ") + 2 if ": " in piece[0] else 0)
        inside = re.split(r"[.?!](?=\s|$)", text[start: piece.end()])[0]
        cells = [cell for cell in re.split(r"\s*[,|]\s*" if re.search(r"[,|]", inside) else r"\s+", inside.strip()) if cell]
        told = 2 <= len(cells) <= LONGEST and bool(_DATA.search(inside))
        if not told or ": " in piece[0] or (run and len(cells) != len(run[-1][0])):
            run = []
        if told:
            run = [*run, (cells, start, start + len(inside))]
            best = max(best, run, key=len)
        if len(inside) < piece.end() - start:
            run = []
    if len(best) < 3:
        return None
    return _Records([cells for cells, _, _ in best], (), best[0][1], best[-1][2], plain=True)


def _known(found: _Records, text: str) -> list[int]:
    """Columns of the quasi-identifiers; as many from the left as are named where there is no header."""
    width = len(found.rows[0])
    names = _quasi(text)
    if found.header:
        known = [at for at, head in enumerate(found.header) if any(_same(head, name) for name in names)]
        return known or [at for at in range(width) if not _SENSITIVE.search(found.header[at])] or list(range(width))
    if names:
        return list(range(min(len(names), width)))
    words = all(re.fullmatch(r"[A-Za-z-]+", row[-1]) for row in found.rows)
    return list(range(width - 1 if found.plain and words and width > 2 else width))


def _quasi(text: str) -> list[str]:
    found = _QUASI.search(text)
    return [name for name in _NAME_ENDS.split(found["names"].strip()) if name] if found is not None else []


def _same(head: str, name: str) -> bool:
    words: Sequence[str] = re.findall(r"\w+", name.lower())
    return bool(words) and words[0] in re.findall(r"\w+", head.lower())
