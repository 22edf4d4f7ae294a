"""Passages cut into sentences with exact offsets, and what two pieces of text share. Knows text, not answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

from memory.base import Block, Passage
from memory.ingest.markdown import plain
from memory.minilm import STOPWORDS

# A sentence ends at . ! ? followed by white space and a capital, quote or markup; not after "e.g." and the like.
BOUNDARY = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!vs\.)(?<!etc\.)(?<!\d\.)[\"')\]*_]*\s+(?=[A-Z0-9\"'(*_`])")
NUMBER = re.compile(r"(?<![\w.])\d(?:[\d,]*\d)?(?:\.\d+)?")
WORD = re.compile(r"[A-Za-z0-9]+(?:['-][A-Za-z0-9]+)*")
NEGATION = re.compile(r"\b(?:not|no|never|cannot|can't|won't|doesn't|don't|isn't|aren't|without|neither|nor|hardly|n't)\b", re.I)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A verbatim span: `document_text[start:end]`. `plain` is it without markup; `block` its block's index."""

    start: int
    end: int
    plain: str
    block: int


@lru_cache(maxsize=512)
def sentences_of(passage: Passage) -> tuple[Sentence, ...]:
    """Every sentence of a passage in order; list items and rows are at least one each, code blocks are whole."""
    found: list[Sentence] = []
    for number, block in enumerate(passage.blocks):
        for start, end in _spans(passage, block):
            text = plain(passage.text[start - passage.start : end - passage.start])
            if text:
                found.append(Sentence(start, end, text, number))
    return tuple(found)


def quote(passage: Passage, start: int, end: int) -> str:
    """The document's text between two offsets that lie in this passage."""
    return passage.text[start - passage.start : end - passage.start]


def _spans(passage: Passage, block: Block) -> list[tuple[int, int]]:
    text = passage.text[block.start - passage.start : block.end - passage.start]
    if block.kind in ("code", "row", "heading"):
        return [(block.start, block.end)]
    spans, at = [], 0
    for match in BOUNDARY.finditer(text):
        spans.append((block.start + at, block.start + at + len(text[at : match.start()].rstrip())))
        at = match.end()
    spans.append((block.start + at, block.start + len(text)))
    return [(start, end) for start, end in spans if end > start]


# What learners call what documents list under other names; stems on both sides.
ALIKE = {word: name for name, words in {
    "con": "drawback disadvantag downsid shortcom", "pro": "benefit advantag upsid", "step": "stage phase",
    "part": "compon block element",
}.items() for word in words.split()}
_STEMMER = snowballstemmer.stemmer("english")


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    stemmed = str(_STEMMER.stemWord(word.lower()))
    return ALIKE.get(stemmed, stemmed)


@lru_cache(maxsize=8192)
def content_stems(text: str) -> frozenset[str]:
    """Stems of the words that carry meaning."""
    return frozenset(stem(part) for word in WORD.findall(text) for part in re.split(r"['-]", word)
                     if part and part.lower() not in STOPWORDS)


def name_stems(name: str) -> frozenset[str]:
    """Stems of a heading or label, without what stands in brackets: "Control Plane (the brain)" is called Control Plane."""
    return content_stems(re.sub(r"\([^()]*\)", " ", name)) or content_stems(name)


@lru_cache(maxsize=8192)
def numbers_in(text: str) -> frozenset[str]:
    """The numbers of a text in one form: "1,000" and "1000.0" are the same."""
    return frozenset(_canonical(match) for match in NUMBER.findall(text))


def shown_in(number: str, values: frozenset[str]) -> bool:
    """Whether a number is one of `values`, as printed or rounded to the digits that it shows (at least three)."""
    if number in values:
        return True
    if len(number.replace(".", "").lstrip("0")) < 3:
        return False
    places = len(number.partition(".")[2])
    return any(len(value) > len(number) and abs(float(value) - float(number)) <= 0.5 * 10**-places * 1.0000001 for value in values)


def negated(text: str) -> bool:
    """Whether an odd number of negations stands in the text."""
    return len(NEGATION.findall(text)) % 2 == 1


@lru_cache(maxsize=32_768)
def normal(text: str) -> str:
    """For exact comparison: no markup, no case, single blanks, straight quotes."""
    straight = text.translate(str.maketrans("‘’“”–—", "''\"\"--"))
    return " ".join(plain(straight).lower().split()).strip(" .;:")


def _canonical(number: str) -> str:
    cleaned = number.replace(",", "").rstrip(".")
    return cleaned.rstrip("0").rstrip(".") if "." in cleaned else cleaned
