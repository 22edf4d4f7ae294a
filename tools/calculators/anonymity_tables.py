"""Tables of persons to anonymise: built in, made up from a seed, or given as CSV; measures nothing."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from tools.base import ToolError

Cell = str | float

MAX_ROWS = 10_000

CODES = ("zip", "postcode", "postal", "code", "plz")
"""Columns of digits that are names of places rather than quantities: they are generalised by cutting off the end."""

SALARIES = """zip,age,salary
47677,29,3000
47602,22,4000
47678,27,5000
47905,43,6000
47909,52,11000
47906,47,8000
47605,30,7000
47673,36,9000
47607,32,10000"""
"""The example of Li, Li & Venkatasubramanian, ICDE 2007."""

PATIENTS = """zip,age,disease
20811,23,asthma
20814,27,flu
20812,21,asthma
20815,29,fracture
20871,51,flu
20874,58,diabetes
20872,55,asthma
20875,59,fracture
20713,34,cancer
20716,38,cancer
20714,31,cancer
20718,36,cancer"""
"""Twelve invented patients: with zips of 3 digits and ages of 20 years, one class has a single disease."""

DISEASES = ("flu", "asthma", "diabetes", "hypertension", "cancer", "depression")


@dataclass(frozen=True)
class Table:
    """Columns of equal length; numeric columns hold floats, others text."""

    names: list[str]
    rows: list[list[Cell]]
    numeric: list[bool]

    def column(self, name: str) -> int:
        """Raises ToolError when there is no such column."""
        if name not in self.names:
            raise ToolError(f"anonymity: there is no column {name!r}; the table has {', '.join(self.names)}.")
        return self.names.index(name)


def read_table(text: str) -> Table:
    """A table from CSV with a header line. Raises ToolError on ragged, empty or oversized input."""
    lines = [line for line in csv.reader(io.StringIO(text.strip())) if line]
    if len(lines) < 2:
        raise ToolError("anonymity: the table needs a header line and at least one record.")
    names = [each.strip() for each in lines[0]]
    if len(lines) - 1 > MAX_ROWS:
        raise ToolError(f"anonymity: the table has {len(lines) - 1} records; it must have at most {MAX_ROWS}.")
    if len(set(names)) != len(names):
        raise ToolError("anonymity: the header names a column twice.")
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(names):
            raise ToolError(f"anonymity: line {number} has {len(line)} cells for {len(names)} columns.")
    columns = [[line[index].strip() for line in lines[1:]] for index in range(len(names))]
    numeric = [not _is_code(name) and all(_number(each) is not None for each in column)
               for name, column in zip(names, columns, strict=True)]
    cells: list[list[Any]] = [[_number(each) for each in column] if is_number else column
                              for column, is_number in zip(columns, numeric, strict=True)]
    return Table(names, [list(row) for row in zip(*cells, strict=True)], numeric)


def make_table(rows: int, sorting: float, seed: int) -> Table:
    """`rows` persons with zip, age, sex and disease. With chance `sorting` the disease is that of the person's area and
    decade of age instead of a common one, which makes classes homogeneous."""
    import numpy as np

    rng = np.random.default_rng(seed)
    area = rng.integers(0, 40, rows)
    street = rng.integers(0, 25, rows)
    age = np.clip(np.round(rng.gamma(6.0, 7.0, rows)), 18, 95).astype(int)
    sex = rng.integers(0, 2, rows)
    common = rng.choice(len(DISEASES), rows, p=[0.4, 0.2, 0.15, 0.12, 0.08, 0.05])
    local = (area * 7 + age // 10 * 5) % len(DISEASES)
    disease = np.where(rng.random(rows) < sorting, local, common)
    found: list[list[Cell]] = [
        [f"{20_000 + int(a) * 25 + int(s):05d}", float(y), "fm"[int(x)], DISEASES[int(d)]]
        for a, s, y, x, d in zip(area, street, age, sex, disease, strict=True)]
    return Table(["zip", "age", "sex", "disease"], found, [False, True, False, False])


def _is_code(name: str) -> bool:
    return any(code in name.lower() for code in CODES)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None
