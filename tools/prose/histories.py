"""Times of labels and the history of a feature told in a message. Knows where they stand, not how they are joined."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from tools.prose.found import Found
from tools.prose.moments import Moments, find_moments

_ABOUT = re.compile(r"(?i)\blabel|\bfeature|\btraining (?:row|example|set)|point.in.time|\bpit\b|as.of join")
_ROLE = re.compile(
    r"(?i)(?P<label>\b(?:labels?|label\s+(?:times?|timestamps?)|prediction\s+times?|cut-?offs?|training\s+(?:rows?|examples?))\b)"
    r"|(?P<feature>\b(?:features?|values?|updates?|updated|written|history|snapshots?|changes|changed)\b)"
    r"|(?P<end>[.;?!](?=\s|$)|\n)")
_NUMBER = r"(?P<value>-?\d+(?:\.\d+)?)"
_AFTER = re.compile(rf"\)?\s*(?:(?:=|->|→|=>|\||:)\s*|,?\s*(?:value\s+)?(?:was|is|has|had|shows|gives)\s+){_NUMBER}(?![\w:]|\.\d)"
                    rf"|\s*\(\s*(?:value\s+)?{_NUMBER.replace('value', 'inside')}\s*\)"
                    rf"|\s+{_NUMBER.replace('value', 'bare')}(?=\s*(?:[,;\n)]|\.(?:\s|$)|$|and\b))")
_BESIDE = re.compile(rf"\s*,\s*{_NUMBER}\s*(?=\)|\n|$)")
"""The other cell of a line or of a pair in brackets."""
_BEFORE = re.compile(rf"(?i)(?<![\w.:-]){_NUMBER}\s*(?:(?:at|on|from|as\s+of|since|by)\s+(?:the\s+)?|@\s*|\(\s*(?:on\s+|at\s+)?)$")


_DAY_OF_ALL = re.compile(r"(?i)\b(?:all\s+)?(?:on|of)\s+(?:one|a\s+single|the\s+same)\s+day\b")
_COUNTED = re.compile(r"(?i)\bhow many\b|\bnumber of\b|\bshare\b|\bleak|\bnull\b|\bwhich (?:labels|rows)\b|\bfuture\b")
_OWNER = re.compile(r"(?i)\b(?:user|customer|account|entity|driver|member|client|merchant|id)\s+#?\d+\b")


@dataclass(slots=True)
class _Told:
    labels: list[Moments] = field(default_factory=list)
    rows: list[tuple[Moments, str | None, int, int]] = field(default_factory=list)


def find_labels(text: str) -> Found | None:
    """The times behind the word "label", up to where the features' begin or another sentence does.

    >>> find_labels("3 at 9 am, 6 at 11 am. The label is from 1 pm.").text
    '1 pm'
    """
    labels = _read(text).labels
    if not labels:
        return None
    aside = [match.span() for match in _DAY_OF_ALL.finditer(text)]
    return Found(", ".join(name for each in labels for name in each.names), (*((each.start, each.end) for each in labels), *aside))


def find_features(text: str) -> Found | None:
    """All other times with the value beside each; where none has a value they are numbered, which is enough for counting.

    >>> find_features("spend: 14 at 4 March 08:00, 22 at 5 March 07:30. The label is from 6 March 12:00.").text
    '4 March 08:00=14, 5 March 07:30=22'
    """
    told = _read(text)
    rows = [row for row in told.rows if row[1] is not None]
    if not rows and _COUNTED.search(text):
        names = [(name, each) for each, *_ in told.rows for name in each.names]
        rows = [(Moments((name,), each.start, each.end), str(number), each.start, each.end)
                for number, (name, each) in enumerate(names, 1)]
    if not rows or not _ABOUT.search(text):
        return None
    return Found(", ".join(f"{name}={value}" for each, value, _, _ in rows for name in each.names),
                 (*((start, end) for _, _, start, end in rows), *(match.span() for match in _OWNER.finditer(text))))


@lru_cache(maxsize=4)
def _read(text: str) -> _Told:
    """Goes through a message: what a time belongs to is said by the word before it, until a sentence speaks of something
    else; sentences that begin with a time go on with the last one's."""
    told = _Told()
    moments = find_moments(text)
    marks = [(match.start(), str(match.lastgroup), match.end()) for match in _ROLE.finditer(text)]
    spots = sorted([(each.start, "moment", at) for at, each in enumerate(moments)] + marks)
    label, ended = False, True
    for place, (start, kind, at) in enumerate(spots):
        if any(each.start < start < each.end for each in moments):
            continue
        if kind == "end":
            following = spots[place + 1] if place + 1 < len(spots) else None
            ended = following is None or following[1] != "moment" or bool(re.search(r"[A-Za-z]{3}", text[at: following[0]]))
            label = label and not ended
        elif kind != "moment":
            label = kind == "label"
        elif label:
            told.labels.append(moments[at])
        else:
            value, low, high = _value(text, moments[at])
            told.rows.append((moments[at], value, low, high))
    return told


def _value(text: str, at: Moments) -> tuple[str | None, int, int]:
    """What stands beside a time, and where both begin and end."""
    before = _BEFORE.search(text[max(0, at.start - 40): at.start])
    if before is not None:
        return before["value"], at.start - (len(text[max(0, at.start - 40): at.start]) - before.start()), at.end
    after = _AFTER.match(text, at.end) or _BESIDE.match(text, at.end)
    return (next(filter(None, after.groupdict().values())), at.start, after.end()) if after is not None else (None, at.start, at.end)
