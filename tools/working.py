"""A worked estimate: its lines read as equations, each side as a quantity. Knows how learners write arithmetic, not what goes wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tools.arithmetic import FUNCTIONS, LONGEST, Quantity, quantity
from tools.base import ToolError
from tools.expression import SUFFIXES
from tools.measures import NONE, TIME, find_unit, is_unit

MOST_STEPS = 40
PLAIN = tuple((re.compile(pattern), written) for pattern, written in (
    (r"\n\s*(?=[=≈→]|->)", " "), (r"(?m)(?:(?<=\s)|^)\*\*(?=\S)(.+?)\*\*(?=[\s.,;:]|$)", r"\1"), (r"(?m)\s#\s[^=\n]*$", ""),
    (r"[:;]-?\)|[`|✓✔✅!?\"“”]", " "), (r"[–−]", "-"), (r"[€£]", "$"), (r"\$(?!\s*[\d.])|(?<=[A-Za-z])['’][a-z]*", ""),
    (r"\\(?:times|cdot)\b", "×"), (r"\\approx\b", "≈"),
    (r"(?<![\d.,])(\d{1,3})\.(\d{3})\.(\d{3})(?![\d.])", r"\1\2\3"),
    (r"(?<=\d)[ \u00a0\u2009\u202f](?=\d{3}(?!\d))", "")))
"""What is set otherwise than in plain text: results on a line of their own, bold, remarks, ticks, LaTeX, 12.000.000, 12 000."""
RAISED = re.compile("(?<=\\d)[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
EQUALS = re.compile(r"\s*(?:=>|->|→|≈|≅|≃|~=|==|=|\bequals\b)\s*|(?<=[\w)%])\s*~\s*")
LABEL = re.compile(r"^(?P<label>[A-Za-z][A-Za-z _/()-]{0,40}?)\s*[:=]\s*(?=\S)|^(?P<note>[^=:*×/+]{1,40}):\s+(?=.*=)")
BULLET = re.compile(r"(?i)^\s*(?:[-*•]\s+|\(?(?:\d{1,2}|[a-h])\)\s+(?=\w)|\d{1,2}\.\s+|step\s+\d+\s*[:.)-]\s*)")
CARRIES_ON = re.compile(r"\s*[*×x÷/]\s*\d[\d.,]*[kKMBGT]?\s*(?:[A-Za-z]+\s*)?(?=[=≈→]|->)")
COMPARED = re.compile(r"\s[<>≤≥]=?\s")
HEDGE = re.compile(r"(?i)^\s*(?:~|(?:about|approx\w*\.?|roughly|around|circa|ca\.?|so|or|thus|i\.e\.)\s+)+")
NEXT_STEP = re.compile(r";|(?<=[A-Za-z\d)%])\.\s+(?=\D)|(?<=[a-z]{3})\.\s+|(?:,\s+(?:and\s+)?(?:then\s+|so\s+)?|\s+(?:and|then|so)\s+)"
                       r"(?=(?:[^,;=\d\n]|,(?=\d{3}))*\d(?:[^,;=\n]|,(?=\d{3}))*=)")
NUMBER = re.compile(r"(?<![\w.])(?<!\d,)(?P<digits>\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+)?)(?P<suffix>[kKMBGT](?![A-Za-z\d]))?")
POWER = re.compile(r"(?<![\w.])(\d{1,4})\s*(?:\^|\*\*)\s*(\d{1,2})(?![\w.])")
SPOKEN = tuple((re.compile(rf"(?i){pattern}"), sign) for pattern, sign in (
    (r"~", ""), (r"\bhalf(?:\s+of)?(?=\s+[\d(])", "0.5 *"),
    (r"\b(?:times|multiplied by)\b|\b(?:for|of)\b(?=\s*\d)", "*"), (r"\bdivided by\b|\bover\b(?=\s*\d)", "/"), (r"\bplus\b", "+"),
    (r"\bminus\b", "-"), (r"(?<=\w)\s+(?:an?|each|every)\s+(?=(?:day|hour|minute|second|month|year|user|request)\b)", " / "),
    (r"\bdaily\b", "/ day"), (r"\bper\b", "/"), (r"(?<=[\dkMBGT)])\s*[x×]\s*(?=[\d(])", " * "), (r"(?<![A-Za-z])[x×]\s*(?=\d)", "* "),
    (r"(?<=\d)[x×](?![\w(])", ""), (r"(?<=\d)\s*(?:million|mio|mn)\b", "M"), (r"(?<=\d)\s*(?:billion|bn)\b", "B"),
    (r"(?<=\d)\s*thousand\b", "k"), (r"\bsecs\b", "s"),
    *((rf"\b{prefix}{noun}s?\b", prefix[0].upper() + unit) for prefix in ("kilo", "mega", "giga", "tera", "peta")
      for noun, unit in (("byte", "B"), ("bit", "bit")))))
SMALL = re.compile(r"(?<=[\d\s])([kmgt])b(?![A-Za-z])")
DIVISOR = re.compile(rf"/\s*({NUMBER.pattern}\s*[A-Za-z]+(?:/|(?<=B)\s+per\s+)(?:s|[A-Za-z]{{3,}})\b)")
REMARK = re.compile(r"\(([^()\d]*)\)")
BITS = re.compile(r"\b([KMGT])b(?=\s*/\s*s\b|\b(?!ps|it))")
WORD = re.compile(r"(?:/\s*)?(?<![\d.])[A-Za-zµ_]+\d*|(?<=\d)(?![kKMBGT](?![A-Za-z\d])|[eE][+-]?\d)[A-Za-zµ]+")
HEAD = re.compile(rf"\s*\$?{NUMBER.pattern}\s*"
                  r"(?P<unit>(?:(?![kKMBGT](?![A-Za-z\d]))[A-Za-zµ]+)?(?:\s*/\s*[A-Za-zµ]+)*)?(?=\s*(?:$|[-+*/×÷^(]|x\b))")
WITH_UNIT = re.compile(rf"(?P<number>{NUMBER.pattern})\s*(?P<unit>(?![kKMBGT](?![A-Za-z\d]))[A-Za-zµ]+(?:\s*/\s*[A-Za-zµ]+)*)")
FIGURE = re.compile(rf"(?<!\^)\$?{NUMBER.pattern}%?")
SIGNS = {"x", "of"}


@dataclass(frozen=True)
class Side:
    """One side of an equation, as written and `tidy`; `timeless` is its value with the units of time left out, `bald` with all
    units but $; `unit` is one of what a single number is counted in; `bare` are the numbers that stand without a unit."""

    text: str
    tidy: str
    quantity: Quantity
    timeless: Quantity
    bald: Quantity
    unit: Quantity
    bare: tuple[float, ...]


@dataclass(frozen=True)
class Equation:
    """`left` = `right` on a line. `begun` is what the right side begins with where it goes on reckoning ("= 96M / 86400"), else
    all of it; `goes_on` says that another equals sign follows."""

    line: int
    text: str
    label: str
    left: Side
    right: Side
    begun: Side
    goes_on: bool
    before: str
    """Everything that was said before the right side: what a bare number may count."""


def read_working(text: str, told: str = "") -> list[Equation]:
    """The equations of a learner's lines; `a = b = c` gives two. `told` is the problem.

    Raises ToolError for a line of arithmetic that can't be read, when there is none, and beyond MOST_STEPS.
    """
    names: dict[str, str] = {}
    units: dict[float, str] = {}
    found: list[Equation] = []
    before = told
    _learn(_tidy(told, {}), units)
    for at, line in enumerate(_lines(text), start=1):
        label, written = _split(line, names)
        _learn(_tidy(line, {}), units)
        if written and found and CARRIES_ON.match(line):
            written[0] = f"{found[-1].right.text} {written[0]}"
        if len(found) + len(written) - 1 > MOST_STEPS:
            raise ToolError(f"estimate-check reads at most {MOST_STEPS} steps, and this work has more; check it in parts.")
        sides = [_side(each, _tidy(each, names), at) for each in written] if len(written) > 1 else []
        for place, (left, right) in enumerate(zip(sides, sides[1:], strict=False), start=2):
            before += " " + left.text
            _learn(left.tidy, units)
            found.append(Equation(at, line, label, _dressed(left, right, units, at), right, _begun(right, at), place < len(sides), before))
            before += " " + right.text
            _learn(right.tidy, units)
        if label and written:
            names[label.lower()] = written[-1]
    if not found:
        raise ToolError("estimate-check found no equation in the work; write one step a line, such as "
                        "\"12M users * 8 requests / day = 1,111 rps\".")
    return found


def put_right(side: Side, wrong: Mapping[float, float]) -> Quantity:
    """What a side gives when the numbers that are `wrong` so many times too large are mended, each where it stands first."""
    left = dict(wrong)

    def mended(match: re.Match[str]) -> str:
        off = left.pop(_number(match), 1.0)
        return match[0] if off == 1.0 else f"({match[0]} / {off!r})"

    return quantity(FIGURE.sub(mended, side.tidy))[0]


def numbers_in(text: str) -> Iterator[tuple[float, int]]:
    """Each number with the place after it; 10^5 is one."""
    for match in POWER.finditer(text):
        yield float(int(match[1]) ** int(match[2])), match.end()
    rest = POWER.sub(lambda match: " " * len(match[0]), text)
    for match in NUMBER.finditer(rest):
        yield _number(match), match.end()


def _number(match: re.Match[str]) -> float:
    return float(match["digits"].replace(",", "")) * SUFFIXES.get(match["suffix"] or "", 1)


def _lines(text: str) -> list[str]:
    for pattern, plain in PLAIN:
        text = pattern.sub(plain, text)
    text = RAISED.sub(lambda power: f"^{unicodedata.normalize('NFKC', power[0])}", text)
    parts = [_listed(part).strip() for line in text.splitlines() for part in NEXT_STEP.split(_listed(line))]
    return [part for part in parts if part]


def _listed(line: str) -> str:
    """Without a bullet, which "* 365 = …" is none."""
    return line if CARRIES_ON.match(line) else BULLET.sub("", line)


def _split(line: str, names: Mapping[str, str]) -> tuple[str, list[str]]:
    """A line's label, and what stands between its equals signs, without words like "about"."""
    head = LABEL.match(line)
    label = (head["label"] or "").strip() if head else ""
    sides = [_bare(side) for side in EQUALS.split(line[head.end():] if head else line)]
    return label, [side for side in sides if re.search(r"\d", side) or any(_mentions(side, name) for name in names)]


def _bare(side: str) -> str:
    """Without a note before it, what it is compared with, and remarks."""
    reckoned = COMPARED.split(side.rpartition(": ")[2])[0]
    return HEDGE.sub("", re.sub(r",\s\D*$", "", reckoned)).strip(" .,")


def _side(text: str, tidy: str, line: int) -> Side:
    try:
        if len(tidy) > LONGEST:
            raise ToolError(f"one side holds at most {LONGEST:,} characters, and this one has {len(tidy):,}; split the step.")
        value, timeless, bald = (quantity(each)[0] for each in (tidy, _without(tidy, _is_time), _without(tidy, _is_unit)))
    except ToolError as error:
        why = str(error).removeprefix("calculate").lstrip(": ")
        raise ToolError(f"estimate-check can't read {text[:60]!r} in line {line}: {why}") from None
    bare = tuple(number for number, end in numbers_in(tidy) if not re.match(r"\)?\s*[A-Za-zµ$]", tidy[end:end + 40]))
    first = HEAD.match(tidy)
    single = first is not None and first.end() == len(tidy)
    unit = quantity(f"1 {first['unit']}")[0] if first and single and first["unit"] else Quantity(1)
    return Side(text, tidy, value, timeless, bald, unit, bare)


def _without(tidy: str, drops: Callable[[str], bool]) -> str:
    """Without the units that `drops` names; one that stands for itself ("rate * day") counts one."""
    def left(word: re.Match[str]) -> str:
        if not drops(_noun(word[0])):
            return word[0]
        before = tidy[:word.start()].rstrip()[-1:]
        return "" if word[0].startswith("/") or before.isalnum() or before in (")", "%") else "1"

    return WORD.sub(left, tidy)


def _begun(side: Side, line: int) -> Side:
    first = HEAD.match(side.tidy)
    return _side(side.text, first[0], line) if first and first.end() < len(side.tidy) else side


def _learn(tidy: str, units: dict[float, str]) -> None:
    """Notes the unit that each number has."""
    for found in WITH_UNIT.finditer(tidy):
        units.update((number, found["unit"]) for number, _ in numbers_in(found["number"]))


def _dressed(left: Side, right: Side, units: Mapping[float, str], line: int) -> Side:
    """A left side whose numbers stand alone gets the units that they had before, if that is what the result is given in."""
    if left.quantity.dimensions == right.quantity.dimensions or left.quantity.dimensions != NONE:
        return left
    text = left.tidy
    for number, end in sorted(numbers_in(text), key=lambda each: -each[1]):
        if number in units and number in left.bare:
            end += bool(re.search(r"[*^]\s*\d+$", text[:end]) and text[end:end + 1] == ")" and POWER.search(text[:end]))
            text = f"{text[:end]} {units[number]}{text[end:]}"
    dressed = _side(left.text, text, line)
    return dressed if dressed.quantity.dimensions == right.quantity.dimensions else left


def _tidy(text: str, names: Mapping[str, str]) -> str:
    """As the calculator reads it: names put in, spoken operators as signs, words that count nothing left out."""
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?i)(?<![\w.]){re.escape(name)}(?!\w)", f"({names[name]})", text)
    text = DIVISOR.sub(r"/ (\1)", REMARK.sub(r" \1 ", text))
    for pattern, sign in SPOKEN:
        text = pattern.sub(sign, text)
    text = BITS.sub(r"\1bit", SMALL.sub(lambda unit: f"{unit[1].upper()}B", text))
    text = POWER.sub(r"(\g<0>)", text)
    text = WORD.sub(lambda word: word[0] if _known(_noun(word[0])) else " ", text)
    return re.sub(r"\(\s*\)|^\s*/\s*[A-Za-z]+\s+(?=[\d(])", "", text).strip()


def _noun(word: str) -> str:
    return word.lstrip("/ ")


def _is_time(word: str) -> bool:
    return word not in SIGNS and word not in FUNCTIONS and find_unit(word).dimensions == TIME


def _is_unit(word: str) -> bool:
    return word not in SIGNS and word not in FUNCTIONS


def _known(word: str) -> bool:
    return word in SIGNS or word in FUNCTIONS or is_unit(word)


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?i)(?<![\w.]){re.escape(name)}(?!\w)", text) is not None
