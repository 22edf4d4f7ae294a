"""Reads an arithmetic expression with units into a syntax tree. Knows how people write numbers and units, not what operators do."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Collection

from tools.base import ToolError
from tools.measures import Unit, find_unit

MOST_NODES = 400
SUFFIXES = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9, "G": 10**9, "T": 10**12}
"""Letters that touch a number: 12M, 1.5k, 175B. Bytes stand apart (`64 B`) or with a prefix (`64 KB`)."""

_THOUSANDS = r"\d{1,3}(?:,\d{3})+(?!\d)"


def _pattern(whole: str) -> re.Pattern[str]:
    return re.compile(rf"""
        (?P<space>\s+)
      | (?P<money>\$\s*)?(?P<number>(?:(?:{whole})(?:\.\d[\d_]*|\.(?![\w.]))?|\.\d[\d_]*)(?:[eE][+-]?\d+)?)
        (?:(?P<suffix>[kKMBGT])(?!\w))?(?P<percent>%(?!\s*(?!of\b|per\b)[\w(.]))?
      | (?P<name>[A-Za-zµμ]+\d*)
      | (?P<operator>\*\*|//|[-+*/%^(),×·÷])
    """, re.VERBOSE)


_TOKEN = _pattern(rf"{_THOUSANDS}|\d[\d_]*")
_TOKEN_IN_CALL = _pattern(r"\d[\d_]*")
"""Between the brackets of a function a comma parts its arguments, elsewhere thousands."""
_ALIKE = {"^": "**", "×": "*", "·": "*", "÷": "/", "x": "*", "of": "*", "per": "/"}


def read(text: str, functions: Collection[str]) -> tuple[ast.expr, dict[str, Unit]]:
    """The tree, in which the unit `ms` is the name `_ms`, and the units by the names written. Nothing is evaluated and the tree
    isn't checked. Raises ToolError for what is no arithmetic or has too many parts."""
    reader = _Reader(text, functions)
    return _parse(reader.tokens(), text), reader.units


def shown(text: str) -> str:
    """As quoted in an error."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


class _Reader:
    """Turns an expression into Python tokens in which each unit is a name and binds tighter than any operator."""

    def __init__(self, text: str, functions: Collection[str]) -> None:
        self._functions = functions
        self.units: dict[str, Unit] = {}
        self._text = text
        self._out: list[str] = []
        self._open: list[tuple[int, bool]] = []
        self._start = 0
        self._ended = False

    def tokens(self) -> list[str]:
        at = 0
        while at < len(self._text):
            pattern = _TOKEN_IN_CALL if any(call for _, call in self._open) else _TOKEN
            found = pattern.match(self._text, at)
            if found is None:
                raise ToolError(f"calculate can't read {self._text[at:at + 10]!r} in {shown(self._text)}; it takes numbers, units, "
                                "+ - * / ** // % and functions such as sqrt(…).")
            at = found.end()
            if found["number"]:
                self._number(found)
            elif found["name"] and found["name"] not in _ALIKE:
                self._name(found["name"], self._text[at:].lstrip().startswith("("))
            elif not found["space"]:
                written = found["name"] or found["operator"]
                self._sign(_ALIKE.get(written, written))
        return self._out

    def _number(self, found: re.Match[str]) -> None:
        digits = found["number"].replace(",", "").replace("_", "")
        plain = str(int(digits)) if digits.isdigit() else repr(float(digits))
        if plain == "inf":
            raise ToolError(f"calculate: {shown(digits)} is too large; it stops at numbers beyond 1e300.")
        if found["suffix"]:
            plain = f"({plain}*{SUFFIXES[found['suffix']]})"
        if found["percent"]:
            plain = f"({plain}/100)"
        self._start, self._ended = len(self._out), True
        self._out.append(plain)
        if found["money"]:
            self._name("USD", False)

    def _name(self, name: str, called: bool) -> None:
        """A function before its bracket, or a unit: by itself, or of the number or bracket before it."""
        if called and not self._ended and name in self._functions:
            self._out.append(name)
            return
        name = unicodedata.normalize("NFKC", name)  # as Python reads it: µ has two code points
        self.units[name] = find_unit(name)
        if self._ended:
            self._out.insert(self._start, "(")
            self._out += ["*", f"_{name}", ")"]
        else:
            self._start, self._ended = len(self._out), True
            self._out.append(f"_{name}")

    def _sign(self, sign: str) -> None:
        if sign == "(":
            call = bool(self._out) and self._out[-1] in self._functions
            self._open.append((len(self._out) - call, call))
        elif sign == ")" and self._open:
            self._start = self._open.pop()[0]
        self._out.append(sign)
        self._ended = sign == ")"


def _parse(tokens: list[str], text: str) -> ast.expr:
    try:
        tree = ast.parse(" ".join(tokens), mode="eval").body
        nodes = sum(1 for _ in ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ToolError(f"calculate can't read {shown(text)} as arithmetic; check the brackets and operators.") from None
    if nodes > MOST_NODES:
        raise ToolError(f"calculate takes expressions of at most {MOST_NODES} parts, and this one has {nodes}; split it.")
    return tree
