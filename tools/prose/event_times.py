"""Event times listed in a message, with the unit that is said once for all. Knows lists and units, no windows."""

from __future__ import annotations

import re

from tools.prose.found import Found

_UNIT = r"(?P<unit>ms|milliseconds?|millis|s|secs?|seconds?|min|mins|minutes?|h|hours?)\b"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
_AND = r"\s*(?:[,;]\s*(?:and\s+|then\s+)?|\s(?:and|then)\s+|->|→|\s)\s*"
_NUMBER = r"\d+(?:\.\d+)?"
_EACH = _UNIT.replace("(?P<unit>", "(?:")
_CLOCKS = re.compile(rf"(?<![\w:.]){_CLOCK}(?:{_AND}{_CLOCK})+")
_MEASURED = re.compile(rf"(?i)(?<![\w:.]){_NUMBER}\s*{_EACH}(?:{_AND}{_NUMBER}\s*{_EACH}){{2,}}")
_PLAIN = re.compile(rf"(?<![\w:./@#=-]){_NUMBER}(?:{_AND}{_NUMBER}){{2,}}(?![\w:@#/%]|\.\d)")
_BEHIND = re.compile(rf"(?i)\s*[(\[]?\s*(?:all\s+)?(?:in\s+)?{_UNIT}")
_AHEAD = re.compile(rf"(?i)(?:\bin\s+|[(\[])\s*{_UNIT}[^.;]*$")
_TINY = re.compile(r"(?i)\bms\b|\d\s*ms\b|millisecond|\bmillis\b")
_SECONDS = re.compile(r"(?i)\d\s*s\b|\bsec(?:ond)?s?\b|\bminutes?\b|\d\s*min\b")
REACH, FEW = 100, 10_000
"""So many characters before a list its unit may be said; numbers below `FEW` are seconds where only seconds are spoken of."""


def find_events(text: str) -> Found | None:
    """The longest list of times, each with its unit.

    >>> find_events("timestamps in seconds, in this order: 1, 4, 12, 8").text
    '1 s, 4 s, 12 s, 8 s'
    >>> find_events("clicks at 10:00, 10:03 and 10:20").text
    '10:00, 10:03, 10:20'
    """
    found = [_clocks(match) for match in _CLOCKS.finditer(text)] + [_measured(match) for match in _MEASURED.finditer(text)]
    found += [_plain(match, text) for match in _PLAIN.finditer(text)]
    return max(found, key=lambda each: each.text.count(","), default=None)


def _clocks(match: re.Match[str]) -> Found:
    return Found(", ".join(re.findall(_CLOCK, match[0])), (match.span(),))


def _measured(match: re.Match[str]) -> Found:
    each = re.findall(rf"(?i)({_NUMBER})\s*{_UNIT}", match[0])
    return Found(", ".join(f"{number} {_short(unit)}" for number, unit in each), (match.span(),))


def _plain(match: re.Match[str], text: str) -> Found:
    numbers = re.findall(_NUMBER, match[0])
    behind, ahead = _BEHIND.match(text, match.end()), _AHEAD.search(text[max(0, match.start() - REACH): match.start()])
    if behind is not None or ahead is not None:
        unit = _short((behind or ahead)["unit"])  # type: ignore[index]
    else:
        seconds = _SECONDS.search(text) and not _TINY.search(text) and max(map(float, numbers)) < FEW
        unit = "s" if seconds else "ms"
    return Found(", ".join(f"{number} {unit}" for number in numbers), ((match.start(), behind.end() if behind else match.end()),))


def _short(unit: str) -> str:
    lower = unit.lower()
    return "ms" if lower.startswith(("ms", "milli")) else "min" if lower.startswith("m") else lower[0]
