"""A number of a sentence with its unit and its surroundings, and numbers that belong together. Reads no numerals."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from agent.offline.measures import seconds_in

WORDS_KEPT = 6
EVERY = re.compile(r"(?i)\s+(?:[a-z]+\s+)?every\s+")
"""Between a count and a time they are a rate: "one token every 2 s"."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """`value` is in the base `unit` (bytes, bit, bytes/s, bit/s, s, fraction, count, count/s, USD, FLOP, FLOP/s, km, W,
    multiple, ratio), `original` the unit as written. With a "per day" `number` is the value before the division by
    `per` seconds. `weak` numbers may be a name ("layer 7") or mere idiom ("a day"); `hints` are words that the form of
    the number implies."""

    value: float
    unit: str
    start: int
    end: int
    text: str
    words_before: tuple[str, ...] = ()
    words_after: tuple[str, ...] = ()
    number: float = 0.0
    per: float | None = None
    original: str = ""
    weak: bool = False
    hints: tuple[str, ...] = ()


def placed(text: str, quantity: Quantity) -> Quantity:
    """With its text and the words around it."""
    word = r"[A-Za-z][\w'-]*"
    before = re.findall(word, text[max(0, quantity.start - 80): quantity.start].lower())[-WORDS_KEPT:]
    after = re.findall(word, text[quantity.end: quantity.end + 80].lower())[:WORDS_KEPT]
    return replace(quantity, text=text[quantity.start: quantity.end], words_before=tuple(before),
                   words_after=tuple(after), number=quantity.number or quantity.value)


def joined(text: str, found: list[Quantity]) -> list[Quantity]:
    """ "5 h 15 min" is one duration, and "5120 x 5120" one number said twice."""
    out: list[Quantity] = []
    for quantity in found:
        last = out[-1] if out else None
        between = text[last.end: quantity.start] if last else ""
        smaller = last is not None and last.unit == quantity.unit == "s" and quantity.value < (seconds_in(last.original) or 0.0)
        if last is not None and smaller and not (last.weak or quantity.weak) and re.fullmatch(r"\s*(?:and|,)?\s*", between):
            value = last.value + quantity.value
            out[-1] = placed(text, replace(last, value=value, number=value, end=quantity.end, original=quantity.original))
        elif last is not None and last.unit == "count" and quantity.unit == "s" and EVERY.fullmatch(between):
            rate = last.value / quantity.value if quantity.value else 0.0
            out[-1] = placed(text, replace(last, value=rate, unit="count/s", number=last.value, per=quantity.value, end=quantity.end))
        elif last is None or not (re.fullmatch(r"\s*[x×]\s*", between) and quantity.value == last.value):
            out.append(quantity)
    return out
