"""Small tables and lists of values as people type them: "(20-29, 130), (30-39, 148)". Knows no parameter's meaning."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

Cell = str | float | int | bool | None
_GROUP = re.compile(r"[(\[{]([^()\[\]{}]*)[)\]}]")


def rows_of(value: Any) -> Any:
    """Rows of cells from text: one a pair of brackets, else one a line or between semicolons. What is no text, stays.

    >>> rows_of("(20-29, 130), (30-39, 148)")
    [['20-29', 130.0], ['30-39', 148.0]]
    >>> rows_of("flu, cancer; flu, flu")
    [['flu', 'cancer'], ['flu', 'flu']]
    """
    if not isinstance(value, str):
        return value
    groups = _GROUP.findall(value) or re.split(r"[;\n]", value)
    return [cells_of(group) for group in groups if group.strip()]


def cells_of(value: Any) -> Any:
    """Cells from text, between commas (or blanks where there is no comma); numbers become numbers. What is no text, stays.

    >>> cells_of("flu, flu, 3")
    ['flu', 'flu', 3.0]
    """
    if not isinstance(value, str):
        return value
    inside = value.strip().strip("()[]{}")
    parts = re.split(r"\s*[,;\n|]\s*|\s+and\s+" if re.search(r"[,;\n|]", inside) else r"\s+", inside)
    return [_cell(part) for part in parts if part]


def _cell(text: str) -> Cell:
    plain = text.strip().strip("\"'")
    return float(plain) if re.fullmatch(r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,3})?", plain) else plain


Rows = Annotated[list[list[Cell]], BeforeValidator(rows_of)]
"""A list of rows, or a table in plain text."""
Cells = Annotated[list[Cell], BeforeValidator(cells_of)]
"""A list of values, or values in plain text."""
NumberRows = Annotated[list[list[float]], BeforeValidator(rows_of)]
"""As `Rows`, of numbers only."""
