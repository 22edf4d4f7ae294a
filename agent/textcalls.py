"""Tool calls that a model writes as JSON in its text: knows how to read them strictly and the schema that forces them,
not what the tools do."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NAME_KEYS = ("name", "tool", "function")
ARGS_KEYS = ("args", "arguments", "parameters")
LONGEST_ANSWER, LONGEST_TEXT, MOST_ITEMS = 900, 200, 40
"""Characters of the answer and of a text among the arguments, and items of a list, where a server constrains the reply by schema."""
MAX_TRIES = 1000
"""Braces that open no object before a text counts as prose: each costs a pass over the text up to it."""


@dataclass(frozen=True)
class ToolCall:
    """A wish to run `name`, spelt as it is registered, with `args` (keys and values as the model gave them)."""

    name: str
    args: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """The model's final text."""

    text: str


def parse_call(text: str, names: Collection[str]) -> ToolCall | Answer | None:
    """Reads the first balanced JSON object of `text`, wherever it stands. It is a call when it has one key of NAME_KEYS
    with a known name (case doesn't matter, - and _ are alike) and one of ARGS_KEYS with an object or the JSON text of
    one; it is an answer when its only key is "answer". Everything else is None: prose stays prose. Never raises.

    >>> parse_call('I look it up: {"tool": "Search-Notes", "args": {"query": "retry"}}', {"search_notes"})
    ToolCall(name='search_notes', args={'query': 'retry'})
    >>> parse_call('{"answer": "99.9%"}', {"search_notes"})
    Answer(text='99.9%')
    >>> parse_call('Set {"replicas": 3} in the manifest.', {"search_notes"}) is None
    True
    """
    found = _first_object(text)
    if found is None:
        return None
    if set(found) == {"answer"} and isinstance(found["answer"], str):
        return Answer(found["answer"])
    named = [found[key] for key in NAME_KEYS if key in found]
    given = [found[key] for key in ARGS_KEYS if key in found]
    if len(named) != 1 or len(given) != 1 or "answer" in found:
        return None  # a wish that can be read in two ways is none
    name = _registered(named[0], names)
    args = _decoded(given[0]) if isinstance(given[0], str) else given[0]
    return ToolCall(name, args) if name is not None and isinstance(args, dict) else None


def json_schema(tools: Sequence[Mapping[str, Any] | type | Callable[..., Any]]) -> dict[str, Any]:
    """The JSON Schema of what `parse_call` reads: a call of one of `tools` (whatever LangChain's bind_tools takes) with
    its arguments, or an answer. For servers that constrain sampling by grammar; OpenAI's own strict mode refuses a
    union at the root."""
    from langchain_core.utils.function_calling import convert_to_openai_tool

    choices: list[dict[str, Any]] = []
    definitions: dict[str, Any] = {}
    for tool in tools:
        function = convert_to_openai_tool(tool)["function"]
        # Each tool's own definitions move to the root, under its name, where $ref looks for them.
        place = f"{function['name']}."
        parameters = _rerooted(function.get("parameters") or {"type": "object", "properties": {}}, place)
        definitions |= {place + key: _bounded(value) for key, value in parameters.pop("$defs", {}).items()}
        choices.append(_closed({"name": {"const": function["name"]}, "args": _bounded(parameters)}))
    choices.append(_closed({"answer": {"type": "string", "maxLength": LONGEST_ANSWER}}))
    return {"oneOf": choices} | ({"$defs": definitions} if definitions else {})


def signature(parameters: Mapping[str, Any]) -> str:
    """A tool's arguments on one line, the optional ones with a question mark: what a small model reads instead of a schema.

    >>> signature({"properties": {"rate": {"type": "number"}, "unit": {"enum": ["s", "h"]}}, "required": ["rate"]})
    'rate: number, unit?: "s" | "h"'
    """
    needed = parameters.get("required", ())
    return ", ".join(f"{name}{'' if name in needed else '?'}: {_kind(field)}" for name, field in parameters.get("properties", {}).items())


def _kind(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in field["enum"])
    if "anyOf" in field:
        return " | ".join(_kind(each) for each in field["anyOf"])
    kind = str(field.get("type", "object"))
    return f"list of {_kind(field.get('items', {}))}" if kind == "array" else kind


def _first_object(text: str) -> dict[str, Any] | None:
    start = text.find("{")
    for _ in range(MAX_TRIES):
        if start < 0:
            return None
        try:
            found: dict[str, Any] = _checked(_DECODER.raw_decode(text, start)[0])
            return found
        except json.JSONDecodeError as error:
            # Not an object, or one that broke off. What lies before the break belongs to it, so the search goes on
            # behind: an object inside a broken call must not pass for a call of its own.
            start = text.find("{", max(error.pos, start + 1))
        except (ValueError, RecursionError):
            return None
    return None


def _decoded(text: str) -> Any:
    try:
        return _checked(_DECODER.decode(text))
    except (ValueError, RecursionError):
        return None


def _checked(value: Any) -> Any:
    # Half a surrogate pair is legal JSON but can't be stored or sent on; UnicodeEncodeError is a ValueError.
    json.dumps(value, ensure_ascii=False).encode()
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    given = dict(pairs)
    if len(given) != len(pairs):
        raise ValueError("a key stands twice")
    return given


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_finite, parse_constant=_finite)


def _registered(name: Any, names: Collection[str]) -> str | None:
    """The one of `names` that is meant; an exact spelling wins, two that fold alike are nobody."""
    if not isinstance(name, str):
        return None
    if name in names:
        return name
    alike = [each for each in names if _folded(each) == _folded(name)]
    return alike[0] if len(alike) == 1 else None


def _folded(name: str) -> str:
    return name.replace("-", "_").casefold()


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _bounded(schema: Any) -> Any:
    """With an end to every text and list that has none: a small model that repeats itself would otherwise run into its token
    limit, and a cut reply can't be read."""
    if isinstance(schema, list):
        return [_bounded(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _bounded(value) for key, value in schema.items()}
    if found.get("type") == "string" and not found.keys() & {"enum", "const", "pattern", "format"}:
        found.setdefault("maxLength", LONGEST_TEXT)
    elif found.get("type") == "array":
        found.setdefault("maxItems", MOST_ITEMS)
    return found


def _rerooted(schema: Any, place: str) -> Any:
    """A deep copy of `schema` whose local references point to `place` among the root's definitions."""
    if isinstance(schema, dict):
        return {
            key: f"#/$defs/{place}{value.removeprefix('#/$defs/')}"
            if key == "$ref" and isinstance(value, str) and value.startswith("#/$defs/") else _rerooted(value, place)
            for key, value in schema.items()
        }
    return [_rerooted(item, place) for item in schema] if isinstance(schema, list) else schema
