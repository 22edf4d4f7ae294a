"""Arguments in the other forms in which people write them: a list as text, one number for a list, a table by name, None for
"as usual"; and which of several outputs somebody asks for. Knows types and labels, no tool."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

_CONTAINERS = (list, tuple, dict)
_NUMBERS = re.compile(r"(?:-?[\d.]+(?:[eE][+-]?\d+)?\s*)+")


def natural(params: type[BaseModel], args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with what can mean but one thing brought to what the parameter takes.

    A list: "[1, 2]" or "1, 2" in text, one number, an array, rows with named columns, shares by name (in the order of the first
    such table, if all have the same names). A table: (name, item) pairs. Where only text is taken, a list of plain items is
    "a, b" and a table of them "x=a, y=b". A choice: whatever its case and whether hyphens or spaces part its words. None counts
    as not given where the parameter has a default and doesn't know None. What is left as it was is for the parameters' own
    checks to refuse.

    >>> class P(BaseModel):
    ...     xs: list[float]
    ...     weights: list[float] = []
    >>> natural(P, {"xs": "1, 2.5", "weights": None})
    {'xs': ['1', '2.5']}
    """
    told: dict[str, Any] = {}
    tables: list[str] = []
    for key, value in args.items():
        info = _field(params, key)
        kinds = _kinds(info.annotation) if info is not None else set()
        if info is not None and value is None and not info.is_required() and not kinds & {None, NoneType, Any}:
            continue
        told[key] = plain = _dated(value.tolist() if hasattr(value, "tolist") else value)
        if kinds and kinds <= {str, NoneType}:
            told[key] = _text(plain)
        elif info is not None and kinds & set(_CONTAINERS) and kinds <= {*_CONTAINERS, NoneType, int, float}:
            told[key] = _listed(plain, kinds, _nested(info.annotation))
            if isinstance(plain, dict) and dict not in kinds:
                tables.append(key)
        elif dict in kinds and list not in kinds:
            told[key] = _table(plain)
        elif info is not None and kinds and kinds <= {Literal, NoneType} and isinstance(plain, str):
            told[key] = _option(plain, _options(info.annotation))
    names = {frozenset(told[key]) for key in tables}
    if len(names) == 1:
        order = list(told[tables[0]])
        told |= {key: [told[key][name] for name in order] for key in tables}
    return told


def chosen(asked: str, labels: Mapping[str, str], result: Any) -> Any:
    """Those outputs that `asked` lists between commas, one by itself if it is a single one; all of them, as they are, unless
    every part of it fits exactly one label. `labels` are regular expressions by output, in the outputs' order.

    >>> chosen("advanced", {"basic": "basic", "advanced": "advanced"}, [1.0, 1.6])
    1.6
    >>> chosen("both", {"basic": "basic", "advanced": "advanced"}, [1.0, 1.6])
    [1.0, 1.6]
    """
    parts = [part.strip() for part in asked.split(",") if part.strip()]
    found = [[at for at, label in enumerate(labels.values()) if re.search(label, part, re.IGNORECASE)] for part in parts]
    values = list(result.values()) if isinstance(result, dict) else result
    if not found or any(len(each) != 1 for each in found) or (isinstance(result, dict) and len(found) == len(labels)):
        return result
    picked = [values[each[0]] for each in found]
    return picked if len(picked) > 1 else picked[0]


def _field(params: type[BaseModel], key: str) -> FieldInfo | None:
    for name, info in params.model_fields.items():
        also = info.validation_alias
        if key in (name, info.alias, *(also.choices if isinstance(also, AliasChoices) else ())):
            return info
    return None


def _kinds(annotation: Any) -> set[Any]:
    """The sorts of value that a parameter takes, as bare types: {list, NoneType} of `list[float] | None`."""
    origin = get_origin(annotation)
    if origin in _CONTAINERS:
        return {origin}
    if origin is None:
        return {annotation}
    if origin.__name__ in ("Union", "UnionType"):
        return set().union(*(_kinds(each) for each in get_args(annotation)))
    return {origin}


def _nested(annotation: Any) -> bool:
    """Whether what it takes is a list of lists and nothing plainer."""
    parts = [each for each in get_args(annotation) if each not in (Ellipsis, NoneType)]
    if get_origin(annotation) in _CONTAINERS:
        return any(get_origin(each) in _CONTAINERS for each in parts)
    return bool(parts) and all(_nested(each) for each in parts)


def _options(annotation: Any) -> list[Any]:
    given = get_args(annotation)
    return list(given) if get_origin(annotation) is Literal else [option for each in given for option in _options(each)]


def _option(told: str, options: Sequence[Any]) -> str:
    """The one choice that has the same letters and digits, whatever their case and what parts them."""
    near = [option for option in options if _letters(str(option)) == _letters(told)]
    return str(near[0]) if len(near) == 1 and told not in options else told


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text).lower()


def _dated(value: Any) -> Any:
    """Dates in a list as text."""
    return [str(each) if isinstance(each, date) else each for each in value] if isinstance(value, list | tuple) else value


def _table(value: Any) -> Any:
    """A table whose names are text, from one by number or date, or from a list of (name, item)."""
    pairs = value.items() if isinstance(value, dict) else value
    if not value or isinstance(value, str) or not isinstance(value, dict | list | tuple) or (
            not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs)):
        return value
    return {str(name): item for name, item in pairs}


def _text(value: Any) -> Any:
    """Plain items between commas, and those of a table as name=item."""
    items = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(items, list | tuple) or not all(isinstance(each, str | int | float) for each in items):
        return value
    return ", ".join(f"{name}={each}" for name, each in value.items()) if isinstance(value, dict) else ", ".join(map(str, items))


def _listed(value: Any, kinds: set[Any], nested: bool) -> Any:
    if isinstance(value, str):
        return _read(value, kinds, nested)
    if nested and isinstance(value, list) and value and all(isinstance(row, dict) and row.keys() == value[0].keys() for row in value):
        return [[row[name] for name in value[0]] for row in value]
    single = isinstance(value, int | float) and not isinstance(value, bool)
    return [value] if single and not kinds & {dict, int, float} and not nested else value


def _read(text: str, kinds: set[Any], nested: bool) -> Any:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, list | dict):
        return told
    inside = text.strip().strip("[](){}")
    by = r"[,;\n]" if re.search(r"[,;\n]", inside) or not _NUMBERS.fullmatch(inside) else r"\s+"
    parts = [part.strip() for part in re.split(by, inside) if part.strip()]
    single = len(parts) == 1 and bool(kinds & {int, float})
    return text if dict in kinds or nested or single or not parts else parts


def as_rows(rows: Sequence[Any], columns: Sequence[Sequence[str]]) -> list[Any]:
    """Rows that are mappings as lists in the order of `columns`, each of which may go by several names: None for a column
    that a row doesn't have, nothing at its end. Other rows stay, and so does a mapping with a name that no column has."""
    return [_row(row, columns) if isinstance(row, Mapping) else row for row in rows]


def _row(row: Mapping[Any, Any], columns: Sequence[Sequence[str]]) -> Any:
    by_name = {str(name).lower(): value for name, value in row.items()}
    if set(by_name) - {name for names in columns for name in names}:
        return row
    cells = [next((by_name[name] for name in names if name in by_name), None) for names in columns]
    while cells and cells[-1] is None:
        cells.pop()
    return cells
