"""A worked estimate: its lines read as equations, each side as a quantity. Knows how learners write arithmetic, not what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tools.arithmetic import FUNCTIONS, Quantity, quantity
from tools.base import ToolError
from tools.expression import SUFFIXES
from tools.measures import NONE, TIME, find_unit

MOST_STEPS = 40
EQUALS = re.compile(r"\s*(?:=>|->|→|≈|≅|≃|~=|==|=)\s*")
LABEL = re.compile(r"^(?P<label>[A-Za-z][A-Za-z _/()-]{0,40}?)\s*[:=]\s*(?=\S)|^(?P<note>[^=:*×/+]{1,40}):\s+(?=.*=)")
BULLET = re.compile(r"(?i)^\s*(?:[-*•]\s+|\d{1,2}[.)]\s+|step\s+\d+\s*[:.)-]\s*)")
HEDGE = re.compile(r"(?i)^\s*(?:~|(?:about|approx\w*\.?|roughly|around|circa|ca\.?|so|or|thus|i\.e\.)\s+)+")
NEXT_STEP = re.compile(r";|(?<=[A-Za-z\d)%])\.\s+(?=\D)|,\s+(?:and\s+)?(?:then\s+|so\s+)?(?=[^,;=\n]*\d[^,;=\n]*=)")
NUMBER = re.compile(r"(?<![\w.])(?P<digits>\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+)?)(?P<suffix>[kKMBGT](?![A-Za-z\d]))?")
POWER = re.compile(r"(?<![\w.])(\d{1,4})\s*(?:\^|\*\*)\s*(\d{1,2})(?![\w.])")
SPOKEN = tuple((re.compile(rf"(?i){pattern}"), sign) for pattern, sign in (
    (r"\b(?:times|multiplied by)\b|\b(?:for|of)\b(?=\s*\d)", "*"), (r"\bdivided by\b|\bover\b(?=\s*\d)", "/"), (r"\bplus\b", "+"),
    (r"\bminus\b", "-"), (r"(?<=\w)\s+(?:an?|each|every)\s+(?=(?:day|hour|minute|second|month|year|user|request)\b)", " / "),
    (r"\bdaily\b", "/ day"), (r"\bper\b", "/"), (r"(?<=[\dkMBGT)])\s*[x×]\s*(?=[\d(])", " * "), (r"(?<![A-Za-z])[x×]\s*(?=\d)", "* "),
    (r"(?<=\d)[x×](?![\w(])", ""), (r"(?<=\d)\s*(?:million|mio|mn)\b", "M"), (r"(?<=\d)\s*(?:billion|bn)\b", "B"),
    (r"(?<=\d)\s*thousand\b", "k"), (r"\bsecs\b", "s")))
BITS = re.compile(r"\b([KMGT])b(?=\s*/\s*s\b|\b(?!ps|it))")
WORD = re.compile(r"(?:/\s*)?(?<![\d.])[A-Za-zµ_]+\d*|(?<=\d)(?![kKMBGT](?![A-Za-z\d])|[eE][+-]?\d)[A-Za-zµ]+")
HEAD = re.compile(rf"\s*\$?{NUMBER.pattern}\s*"
                  r"(?P<unit>(?:(?![kKMBGT](?![A-Za-z\d]))[A-Za-zµ]+)?(?:\s*/\s*[A-Za-zµ]+)*)?(?=\s*(?:$|[-+*/×÷^(]|x\b))")
WITH_UNIT = re.compile(rf"(?P<number>{NUMBER.pattern})\s*(?P<unit>(?![kKMBGT](?![A-Za-z\d]))[A-Za-zµ]+(?:\s*/\s*[A-Za-zµ]+)*)")
SIGNS = {"x", "of"}


@dataclass(frozen=True)
class Side:
    """One side of an equation; `timeless` is its value with the units of time left out, `head` that of its first number,
    `unit` one of what a single number is counted in; `bare` are the numbers that stand without a unit."""

    text: str
    quantity: Quantity
    timeless: Quantity
    head: Quantity
    unit: Quantity
    bare: tuple[float, ...]


@dataclass(frozen=True)
class Equation:
    """`left` = `right` on a line; `uses` are the numbers (in base units) and names that the left side takes from earlier lines."""

    line: int
    text: str
    label: str
    left: Side
    right: Side
    uses: frozenset[str]
    before: str
    """Everything that was said before the right side: what a bare number may count."""


def read_working(text: str, told: str = "") -> list[Equation]:
    """The equations of a learner's lines; `a = b = c` gives two. `told` is the problem.

    Raises ToolError for a line of arithmetic that can't be read, when there is none, and beyond MOST_STEPS.
    """
    names: dict[str, str] = {}
    found: list[Equation] = []
    before = told
    for at, line in enumerate(_lines(text), start=1):
        label, sides = _split(line, names)
        for left, right in zip(sides, sides[1:], strict=False):
            before += " " + left
            found.append(Equation(at, line, label, _dressed(_side(left, names, at), _side(right, names, at), before, at),
                                  _side(right, names, at),
                                  frozenset(name for name in names if _mentions(left, name)), before))
            before += " " + right
        if label and sides:
            names[label.lower()] = sides[-1]
    if not found:
        raise ToolError("estimate-check found no equation in the work; write one step a line, such as "
                        "\"12M users * 8 requests / day = 1,111 rps\".")
    if len(found) > MOST_STEPS:
        raise ToolError(f"estimate-check reads at most {MOST_STEPS} steps, and this work has {len(found)}; check it in parts.")
    return found


def numbers_in(text: str) -> Iterator[tuple[float, int]]:
    """Each number with the place after it; 10^5 is one."""
    for match in POWER.finditer(text):
        yield float(int(match[1]) ** int(match[2])), match.end()
    rest = POWER.sub(lambda match: " " * len(match[0]), text)
    for match in NUMBER.finditer(rest):
        yield float(match["digits"].replace(",", "")) * SUFFIXES.get(match["suffix"] or "", 1), match.end()


def _lines(text: str) -> list[str]:
    parts = [BULLET.sub("", part).strip() for line in text.splitlines() for part in NEXT_STEP.split(BULLET.sub("", line))]
    return [part for part in parts if part]


def _split(line: str, names: Mapping[str, str]) -> tuple[str, list[str]]:
    """A line's label, and what stands between its equals signs, without words like "about"."""
    head = LABEL.match(line)
    label = (head["label"] or "").strip() if head else ""
    sides = [HEDGE.sub("", side).strip(" .,") for side in EQUALS.split(line[head.end():] if head else line)]
    return label, [side for side in sides if re.search(r"\d", side) or any(_mentions(side, name) for name in names)]


def _side(text: str, names: Mapping[str, str], line: int) -> Side:
    tidy = _tidy(text, names)
    try:
        value, _ = quantity(tidy)
        timeless, _ = quantity(WORD.sub(lambda word: "" if _is_time(_noun(word[0])) else word[0], tidy))
    except ToolError as error:
        why = str(error).removeprefix("calculate").lstrip(": ")
        raise ToolError(f"estimate-check can't read {text[:60]!r} in line {line}: {why}") from None
    bare = tuple(number for number, end in numbers_in(tidy) if not re.match(r"\s*[A-Za-zµ$]", tidy[end:]))
    first = HEAD.match(tidy)
    single = first is not None and first.end() == len(tidy)
    unit = quantity(f"1 {first['unit']}")[0] if first and single and first["unit"] else Quantity(1)
    return Side(text, value, timeless, quantity(first[0])[0] if first else value, unit, bare)


def _dressed(left: Side, right: Side, before: str, line: int) -> Side:
    """A left side whose numbers stand alone gets the units that they had before, if that is what the result is given in."""
    if left.quantity.dimensions == right.quantity.dimensions or left.quantity.dimensions != NONE:
        return left
    units = {number: found["unit"] for found in WITH_UNIT.finditer(_tidy(before, {})) for number, _ in numbers_in(found["number"])}
    text = _tidy(left.text, {})
    for number, end in sorted(numbers_in(text), key=lambda each: -each[1]):
        if number in units and number in left.bare:
            text = f"{text[:end]} {units[number]}{text[end:]}"
    dressed = replace(_side(text, {}, line), text=left.text)
    return dressed if dressed.quantity.dimensions == right.quantity.dimensions else left


def _tidy(text: str, names: Mapping[str, str]) -> str:
    """As the calculator reads it: names put in, spoken operators as signs, words that count nothing left out."""
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?i)(?<![\w.]){re.escape(name)}(?!\w)", f"({names[name]})", text)
    for pattern, sign in SPOKEN:
        text = pattern.sub(sign, text)
    text = BITS.sub(r"\1bit", text)
    text = WORD.sub(lambda word: word[0] if _known(_noun(word[0])) else " ", text)
    return re.sub(r"\(\s*\)", "", text).strip()


def _noun(word: str) -> str:
    return word.lstrip("/ ")


def _is_time(word: str) -> bool:
    return word not in SIGNS and word not in FUNCTIONS and find_unit(word).dimensions == TIME


def _known(word: str) -> bool:
    if word in SIGNS or word in FUNCTIONS:
        return True
    try:
        find_unit(word)
    except ToolError:
        return False
    return True


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?i)(?<![\w.]){re.escape(name)}(?!\w)", text) is not None
