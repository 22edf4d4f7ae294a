"""Number words and digits as text and as values ("twenty-five", "1,000", "2^20"). Knows numerals, not units."""

from __future__ import annotations

import math
import re

from agent.offline.measures import MAGNITUDES

ONES = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
        "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
        "eighteen": 18, "nineteen": 19}
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
PARTS = {"half": 0.5, "halves": 0.5, "third": 1 / 3, "thirds": 1 / 3, "quarter": 0.25, "quarters": 0.25, "fifth": 0.2,
         "fifths": 0.2, "tenth": 0.1, "tenths": 0.1, "hundredth": 0.01, "hundredths": 0.01}
ORDINALS = ("third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
MULTIPLES = {"twice": 2.0, "double": 2.0, "doubled": 2.0, "doubles": 2.0, "doubling": 2.0, "triple": 3.0,
             "tripled": 3.0, "triples": 3.0, "thrice": 3.0, "quadruple": 4.0, "tenfold": 10.0, "twofold": 2.0,
             "threefold": 3.0}

DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,3}(?!\w))?"
_TENS = f"(?:{'|'.join(TENS)})"
UNITS = f"(?:{'|'.join(sorted(ONES, key=len, reverse=True))})"
WORDS = rf"(?:(?:{UNITS}|an?)\s(?:hundred|thousand|million|billion|trillion|dozen)(?:\s(?:and\s)?{_TENS})?|" \
        rf"{_TENS}(?:[-\s]{UNITS})?|{UNITS})"


def amount(text: str) -> float:
    """The number that digits, a power or number words denote. NaN when it is too large."""
    cleaned = text.lower().replace(",", "").strip()
    if "^" in cleaned or "**" in cleaned:
        *factor, power = re.split(r"\s?[x×·]\s?|(?<!\*)\*(?!\*)", cleaned)
        base, exponent = re.split(r"\s?(?:\^|\*\*)\s?", power, maxsplit=1)
        if abs(float(exponent)) * max(1.0, math.log10(max(float(base), 1e-300))) > 300 or len(exponent) > 4:
            return math.nan
        return float((float(factor[0]) if factor else 1.0) * float(base) ** float(exponent))
    if re.fullmatch(r"[\d.]+(?:e[+-]?\d+)?", cleaned):
        return float(cleaned)
    total = 0.0
    for word in re.split(r"[\s-]+", cleaned):
        if word in ONES or word in TENS:
            total += ONES.get(word) or TENS[word]
        elif word in MAGNITUDES:
            total = (total or 1.0) * MAGNITUDES[word]
    return total
