"""The template language, a strict subset of dotprompt's Handlebars; knows neither files nor versions.

{{name}}                        an input
{{#if name}}…{{else}}…{{/if}}   false: absent, false, 0, "" and []
{{#each items}}…{{/each}}       inside: {{this}}, {{this.field}} and, one scope up, {{../name}}; {{else}} when empty
{{> _partial}}                  the text of another prompt

A block's tag that stands alone on a line takes the line with it. Values are data: braces in them stay braces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prompts.errors import BadTemplate
from prompts.inputs import Shape

TAG = re.compile(r"\{\{(?P<body>[^{}]*)\}\}")
PARTIAL = re.compile(r"\{\{>\s*(?P<name>[^{}\s]*)\s*\}\}")
PATH = re.compile(r"(?P<up>(?:\.\./)*)(?:(?P<this>this)(?:\.(?P<field>\w+))?|(?P<name>\w+))")
BLOCK_TAG = re.compile(r"(?:#|/|else\s*$)")

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Path:
    """Which value: `up` scopes outwards, then a field of that scope's value, or the value itself."""

    up: int
    field: str | None


@dataclass(frozen=True, slots=True)
class Insert:
    path: Path


@dataclass(frozen=True, slots=True)
class Block:
    kind: Literal["if", "each"]
    path: Path
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


Node = str | Insert | Block


@dataclass(frozen=True, slots=True)
class Token:
    """Plain text, or a tag's body; `line` counts from 1."""

    text: str
    tag: bool
    line: int


@dataclass(frozen=True, slots=True)
class Template:
    """A template that fits its inputs; rendering it can't fail on inputs that passed `check_inputs`."""

    nodes: tuple[Node, ...]

    def render(self, values: Mapping[str, Any]) -> str:
        parts: list[str] = []
        _render(self.nodes, [values], parts)
        return "".join(parts)


def compile_template(text: str, inputs: Shape, where: str) -> Template:
    """Reads a template whose partials are expanded. Raises BadTemplate, with `where` and the line.

    >>> shape = Shape("object", fields={"who": Shape("string")})
    >>> compile_template("Hello {{who}}", shape, "v1.md").render({"who": "{{who}}"})
    'Hello {{who}}'
    """
    return Template(_Parser(_tokens(text, where), where).nodes([inputs], None)[0])


def partial_names(text: str) -> list[str]:
    """The partials that a template includes, in order of appearance, each once."""
    return list(dict.fromkeys(match["name"] for match in PARTIAL.finditer(text)))


def expand_partials(text: str, text_of: Callable[[str], str]) -> str:
    """The template with each {{> name}} replaced by `text_of(name)`."""
    return PARTIAL.sub(lambda match: text_of(match["name"]), text)


def _tokens(text: str, where: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    for match in TAG.finditer(text):
        start, end, body = match.start(), match.end(), match["body"].strip()
        if BLOCK_TAG.match(body):
            start, end = _whole_line(text, start, end)
        if text.startswith("{", match.start() - 1) and match.start() > at:
            raise _stray(text, match.start(), where)
        tokens.append(_plain(text, at, max(at, start), where))
        tokens.append(Token(body, True, _line(text, match.start())))
        at = end
    tokens.append(_plain(text, at, len(text), where))
    return tokens


def _whole_line(text: str, start: int, end: int) -> tuple[int, int]:
    """Widens a tag to its line, newline included, when nothing but blanks stands beside it."""
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    if text[line_start:start].strip() or text[end:line_end].strip():
        return start, end
    return line_start, min(line_end + 1, len(text))


def _plain(text: str, start: int, end: int, where: str) -> Token:
    stray = text.find("{{", start, end)
    if stray >= 0:
        raise _stray(text, stray, where)
    return Token(text[start:end], False, _line(text, start))


def _stray(text: str, at: int, where: str) -> BadTemplate:
    return BadTemplate(f"{where}: the tag at template line {_line(text, at)} isn't of the form {{{{name}}}}; close it "
                       "with }} and use no braces inside or around it.")


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


class _Parser:
    """Recursive descent over tokens; `scopes` are the shapes of the values around, the outermost first."""

    def __init__(self, tokens: Sequence[Token], where: str) -> None:
        self._tokens = iter(tokens)
        self._where = where

    def nodes(self, scopes: list[Shape], opener: Token | None) -> tuple[tuple[Node, ...], Token | None]:
        """Nodes up to the tag that ends them, and that tag: {{else}}, the opener's {{/…}} or None at the end."""
        found: list[Node] = []
        for token in self._tokens:
            if not token.tag:
                found.append(token.text)
            elif token.text.startswith("#"):
                found.append(self._block(token, scopes))
            elif token.text == "else" or token.text.startswith("/"):
                if opener is None:
                    raise self._bad(token, "closes nothing")
                return tuple(found), token
            else:
                found.append(self._insert(token, scopes))
        if opener is not None:
            raise self._bad(opener, "is never closed")
        return tuple(found), None

    def _block(self, token: Token, scopes: list[Shape]) -> Block:
        word, _, target = token.text[1:].partition(" ")
        if word not in ("if", "each"):
            raise self._bad(token, "is no known block; there are #if and #each")
        path, shape = self._path(target.strip(), token, scopes)
        inner = scopes
        if word == "each":
            if shape.item is None:
                raise self._bad(token, f"loops over one {shape}; only a list can be looped over")
            inner = [*scopes, shape.item]
        body, end = self.nodes(inner, token)
        otherwise: tuple[Node, ...] = ()
        if end is not None and end.text == "else":
            otherwise, end = self.nodes(scopes, token)
        if end is None or end.text != f"/{word}":
            raise self._bad(end or token, f"stands where {{{{/{word}}}}} must close line {token.line}")
        return Block("if" if word == "if" else "each", path, body, otherwise)

    def _insert(self, token: Token, scopes: list[Shape]) -> Insert:
        path, shape = self._path(token.text, token, scopes)
        if shape.kind in ("list", "object"):
            raise self._bad(token, f"inserts a whole {shape}; loop over it with #each, or name a field")
        return Insert(path)

    def _path(self, text: str, token: Token, scopes: list[Shape]) -> tuple[Path, Shape]:
        match = PATH.fullmatch(text)
        if match is None:
            raise self._bad(token, "is no tag of this language")
        up = len(match["up"]) // len("../")
        if up >= len(scopes):
            raise self._bad(token, "leads out of the template; drop a ../")
        scope, outermost = scopes[-1 - up], up == len(scopes) - 1
        if match["this"] and outermost:
            raise self._bad(token, "stands outside #each")
        if match["name"] and not outermost:
            raise self._bad(token, f"stands inside #each; write this.{match['name']} or ../{match['name']}")
        field = match["name"] or match["field"]
        if field is None:
            return Path(up, None), scope
        if field not in scope.fields:
            known = ", ".join(scope.fields) or "none"
            raise self._bad(token, f"isn't declared; the inputs here are: {known}")
        return Path(up, field), scope.fields[field]

    def _bad(self, token: Token, why: str) -> BadTemplate:
        return BadTemplate(f"{self._where}: {{{{{token.text}}}}} at template line {token.line} {why}.")


def _render(nodes: Sequence[Node], scopes: list[Any], parts: list[str]) -> None:
    for node in nodes:
        if isinstance(node, str):
            parts.append(node)
        elif isinstance(node, Insert):
            parts.append(_text(_value(node.path, scopes)))
        elif node.kind == "if":
            _render(node.body if _value(node.path, scopes) else node.otherwise, scopes, parts)
        else:
            items = _value(node.path, scopes) or ()
            for item in items:
                _render(node.body, [*scopes, item], parts)
            if not items:
                _render(node.otherwise, scopes, parts)


def _value(path: Path, scopes: list[Any]) -> Any:
    scope = scopes[-1 - path.up]
    return scope if path.field is None else scope.get(path.field)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
