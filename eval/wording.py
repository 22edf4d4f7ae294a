"""How answers are read: wording made comparable, numbers with their suffixes, sentences that claim something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from eval.cases import FactGroups

_DASHES_AND_QUOTES = str.maketrans("‐‑‒–—−‘’“”", "------''\"\"")
_MARKS = re.compile(r"\s*\[\d+\]")
_MARKUP = re.compile(r"\*\*|__|`")
_MULTIPLIERS = {
    "k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "bn": 1e9, "b": 1e9, "billion": 1e9, "t": 1e12,
    "trillion": 1e12, "%": 1e-2, "percent": 1e-2, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "pb": 1e15,
}
_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>-)?(?P<digits>\d{1,3}(?:[,\u202f\u00a0]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?:e(?P<exponent>[+-]?\d+)|\s?[×x*]\s?10\^(?P<power>-?\d+)|\^(?P<raised>\d{1,3}))?"
    r"(?:\s?(?P<suffix>%|" + "|".join(sorted((key for key in _MULTIPLIERS if key != "%"), key=len, reverse=True))
    + r")(?![a-z]))?", re.IGNORECASE)
_ABBREVIATION = re.compile(r"\b(e\.g|i\.e|vs|cf|etc|approx)\.", re.IGNORECASE)
_LIST_MARK = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+")
_MARK_AFTER_STOP = re.compile(r"([.!?])((?:\s*\[\d+\])+)")
_CLAIM_WORDS = 4
"""A shorter fragment ("Yes.", "In short:") claims nothing that could be cited."""


def normal(text: str) -> str:
    """Lower case, single spaces, plain dashes and quotation marks, without bold, code and citation marks."""
    plain = _MARKUP.sub("", _MARKS.sub("", text)).translate(_DASHES_AND_QUOTES)
    return " ".join(plain.casefold().split())


def covered(groups: FactGroups, text: str) -> list[bool]:
    """For each group of alternatives, whether any of them occurs in the text."""
    read = normal(text)
    return [any(normal(each) in read for each in group) for group in groups]


def occurring(forbidden: Iterable[str], text: str) -> list[str]:
    """Those of the strings that occur in the text."""
    read = normal(text)
    return [each for each in forbidden if normal(each) in read]


def word_count(text: str) -> int:
    """Words that a reader reads: citation marks and pure punctuation don't count."""
    return sum(any(letter.isalnum() for letter in word) for word in _MARKS.sub("", text).split())


def numbers(text: str) -> Iterator[tuple[float, ...]]:
    """For each number, what it may mean: as written, and with its suffix applied ("1.2k", "99.9%", "5 TB").

    >>> list(numbers("1,157 requests/s at 99.5%, 3.4e-6, 10^9, 2.5 TB [1]"))
    [(1157.0,), (99.5, 0.995), (3.4e-06,), (1000000000.0,), (2.5, 2500000000000.0)]
    """
    for match in _NUMBER.finditer(_MARKS.sub("", text).translate(_DASHES_AND_QUOTES)):
        digits = re.sub("[,\u202f\u00a0]", "", match["digits"])
        value = float(f"{match['sign'] or ''}{digits}e{match['exponent'] or match['power'] or 0}")
        if match["raised"]:
            value = _power(value, int(match["raised"]))
        suffix = (match["suffix"] or "").lower()
        yield (value, round(value * _MULTIPLIERS[suffix], 12)) if suffix else (value,)


def holds_number(text: str, value: float, rel: float) -> bool:
    """Whether any number of the text, however written, is the value within the relative tolerance."""
    allowed = rel * abs(value) if value else 1e-9
    return any(abs(meaning - value) <= allowed for meanings in numbers(text) for meaning in meanings)


def claims(markdown: str) -> list[str]:
    """The sentences, list items and table rows that state something; marks after the full stop go with the sentence.

    Headings, code, questions, lead-ins that end with a colon and fragments under four words claim nothing.
    """
    return [sentence for block in _blocks(markdown) for sentence in _sentences(block) if _is_claim(sentence)]


def marks(sentence: str) -> list[int]:
    """The n of each citation mark [n]."""
    return [int(number) for number in re.findall(r"\[(\d+)\]", sentence)]


def _power(base: float, exponent: int) -> float:
    """Infinity instead of an error: answers hold any text."""
    try:
        return base**exponent
    except OverflowError:
        return float("inf")


def _blocks(markdown: str) -> Iterator[str]:
    """Paragraphs with their lines joined, list items and table rows, each as one line."""
    paragraph: list[str] = []
    lines = re.sub(r"```.*?(?:```|\Z)", "\n\n", markdown, flags=re.DOTALL).split("\n")
    for number, line in enumerate(lines):
        after = lines[number + 1] if number + 1 < len(lines) else ""
        if not line.strip() or line.lstrip().startswith(("#", "|", ">")) or _LIST_MARK.match(line):
            if paragraph:
                yield " ".join(paragraph)
            paragraph = []
        if not line.strip() or line.lstrip().startswith("#") or _is_rule(line) or _is_rule(after):
            continue
        if line.lstrip().startswith("|"):
            yield line.strip()
        else:
            paragraph.append(_LIST_MARK.sub("", line).strip().lstrip("> "))
    if paragraph:
        yield " ".join(paragraph)


def _is_rule(line: str) -> bool:
    """A table's line of dashes; the row above it is the header."""
    return "|" in line and "-" in line and not set(line.strip()) - set("|-: ")


def _sentences(block: str) -> list[str]:
    if block.startswith("|"):
        return [block]
    kept = _ABBREVIATION.sub(lambda match: match[0].replace(".", "\0"), _MARK_AFTER_STOP.sub(r"\2\1", block))
    return [part.replace("\0", ".").strip() for part in re.split(r"(?<=[.!?])\s+", kept) if part.strip()]


def _is_claim(sentence: str) -> bool:
    bare = _MARKS.sub("", sentence).strip().rstrip("*_\"') ")
    return word_count(sentence) >= _CLAIM_WORDS and not bare.endswith(("?", ":"))
