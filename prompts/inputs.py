"""What a prompt takes in: the types that front matter declares, and the check of given values; knows no template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from prompts.errors import BadInput, BadTemplate, MissingInput

Kind = Literal["string", "integer", "number", "boolean", "choice", "list", "object"]

NAME = re.compile(r"[a-z][a-z0-9_]*")
SCALARS: Mapping[str, Kind] = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean"}
PYTHON_TYPES: Mapping[Kind, tuple[type, ...]] = {
    "string": (str,), "choice": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
    "list": (list, tuple), "object": (Mapping,),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """The type of one input: `choices` of a choice, `item` of a list, `fields` of an object."""

    kind: Kind
    choices: tuple[str, ...] = ()
    item: Shape | None = None
    fields: Mapping[str, Shape] = field(default_factory=dict)
    optional: bool = False

    def __str__(self) -> str:
        if self.kind == "choice":
            return " | ".join(self.choices)
        if self.kind == "list":
            return f"list of {self.item}"
        return self.kind


def read_inputs(declared: Mapping[Any, Any], where: str) -> Shape:
    """The declared inputs as one object. Raises BadTemplate.

    A type is `string`, `integer`, `number` or `boolean`; a choice of words, `direct | socratic`; or a list, written
    as YAML writes one: `[string]` or `[{n: integer, text: string}]`. A name that ends in `?` is optional (between
    braces YAML wants it in quotes).

    >>> print(read_inputs({"mode": "direct | socratic", "tools?": ["string"]}, "v1.md").fields["tools"])
    list of string
    """
    fields: dict[str, Shape] = {}
    for key, value in declared.items():
        name = key.removesuffix("?") if isinstance(key, str) else ""
        if not NAME.fullmatch(name) or name == "this" or name in fields:
            raise BadTemplate(f"{where}: {key!r} can't name an input; use a new word of lower-case letters, "
                              "digits and _ (not yes, no, on, off), with ? at its end when it is optional.")
        fields[name] = _shape(value, name, where, optional=key.endswith("?"))
    return Shape("object", fields=fields)


def check_inputs(shape: Shape, given: Mapping[str, Any], prompt: str) -> None:
    """Raises MissingInput or BadInput unless `given` has exactly what the prompt declares, by type."""
    _check_object(shape, given, prompt, "")


def _shape(value: Any, name: str, where: str, *, optional: bool = False) -> Shape:
    if isinstance(value, list) and len(value) == 1:
        inner = value[0]
        item = read_inputs(inner, where) if isinstance(inner, Mapping) else _shape(inner, name, where)
        return Shape("list", item=item, optional=optional)
    if isinstance(value, str):
        if value in SCALARS:
            return Shape(SCALARS[value], optional=optional)
        choices = tuple(word.strip() for word in value.split("|"))
        if len(choices) > 1 and all(choices):
            return Shape("choice", choices=choices, optional=optional)
    raise BadTemplate(f"{where}: input {name} has no known type ({value!r}); use {', '.join(SCALARS)}, a choice "
                      "(a | b) or a list ([string]).")


def _check_object(shape: Shape, given: Mapping[str, Any], prompt: str, at: str) -> None:
    for name in given:
        if name not in shape.fields:
            takes = ", ".join(shape.fields) or "none"
            raise BadInput(f"{prompt} doesn't know the input {at}{name}; it takes {takes}.")
    for name, wanted in shape.fields.items():
        value = given.get(name)
        if value is not None:
            _check(wanted, value, prompt, at + name)
        elif not wanted.optional:
            raise MissingInput(f"{prompt} needs the input {at}{name} ({wanted}).")


def _check(shape: Shape, value: Any, prompt: str, at: str) -> None:
    # bool is an int to Python, but not to whoever declares an integer
    right = isinstance(value, PYTHON_TYPES[shape.kind]) and isinstance(value, bool) <= (shape.kind == "boolean")
    if not right or (shape.kind == "choice" and value not in shape.choices):
        text = repr(value)
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise BadInput(f"{prompt}: input {at} must be {shape}, not {shown}.")
    if shape.item is not None:
        for position, item in enumerate(value):
            _check(shape.item, item, prompt, f"{at}[{position}]")
    if shape.kind == "object":
        _check_object(shape, value, prompt, at + ".")
