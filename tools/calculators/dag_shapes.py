"""The shapes in which people hand over a graph of tasks, brought to the usual one: {"name": [duration, parents]}. Checks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from tools.forms import as_rows

_COLUMNS = (("name", "task", "id", "task_id"),
            ("duration", "minutes", "duration_min", "duration_s", "time", "length", "weight", "cost", "d"),
            ("parents", "deps", "dependencies", "depends_on", "needs", "after", "upstream", "requires"), ("pool",))


def usual_shape(spec: Any) -> Any:
    """Rows [name, duration, parents], rows and tasks with named columns, and tasks that are a bare duration, as
    {"name": [duration, parents]}; anything else stays."""
    if isinstance(spec, list | tuple):
        rows = as_rows(spec, _COLUMNS)
        if not all(isinstance(row, list | tuple) and len(row) > 1 and isinstance(row[0], str) for row in rows) or (
                len({row[0] for row in rows}) < len(rows)):
            return spec
        spec = {row[0]: list(row[1:]) for row in rows}
    if not isinstance(spec, Mapping):
        return spec
    tasks = dict(zip(spec, as_rows(list(spec.values()), _COLUMNS[1:]), strict=True))
    rows = [[given] if isinstance(given, int | float) else given for given in tasks.values()]
    return {name: ["" if cell is None else cell for cell in row] if isinstance(row, list | tuple) else row
            for name, row in zip(tasks, rows, strict=True)}


def dag_text(spec: Any) -> Any:
    """The short notation, "name:duration:parent+parent@pool, …", of a graph in another shape; text stays."""
    usual = spec if isinstance(spec, str) else usual_shape(spec)
    if not isinstance(usual, Mapping) or not all(isinstance(row, list) and row for row in usual.values()):
        return spec
    parts = []
    for name, (duration, *rest) in usual.items():
        above, pool = (*rest, "", "")[:2]
        parents = str(above).replace(",", "+") if isinstance(above, str) else "+".join(map(str, above))
        parts.append(f"{name}:{duration}" + (f":{parents}" if parents else "") + (f"@{pool}" if pool else ""))
    return ", ".join(parts)


DagSpec = Annotated[dict[str, list[int | float | str | list[str]]] | str, BeforeValidator(usual_shape)]
"""{"name": [duration, parents]} with parents as a list, as text ("C, D") or, for one-letter names, run together ("CD");
one text "name:duration:parent+parent@pool, …", or words: "A takes 2 min, then B and C (4 min each)". Rows and tasks with
named columns are read too."""

DagText = Annotated[str, BeforeValidator(dag_text)]
