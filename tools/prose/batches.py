"""Numbers of several batches told in a message: rows in brackets, or one of each kind a batch. Knows no loss."""

from __future__ import annotations

import re

from tools.prose.found import Found

_NUMBER = r"-?(?:\d+(?:\.\d+)?|\.\d+)"
_ROW = rf"\[\s*{_NUMBER}(?:\s*,\s*{_NUMBER})*\s*\]"
_ROWS = re.compile(rf"{_ROW}(?:(?:\s*[,;]\s*(?:and\s+)?|\s+and\s+|\s+){_ROW})+")
_TOKENS = re.compile(r"(?i)(?<![\w.,/])(?P<value>\d[\d,]*)\s+(?:\w+\s+)?tokens?\b")
_NUMBERED = re.compile(r"(?i)\bbatch\s+#?\d+")
"""What a batch is called isn't a number of it: "micro-batch 2"."""
_LOSS = re.compile(rf"(?i)\bloss(?:\s+(?:of|is|was))?\s*[=:]?\s*(?P<value>{_NUMBER})(?![\w%]|\.\d)")


def find_rows(text: str) -> Found | None:
    """Rows of numbers in brackets, at least two.

    >>> find_rows("token losses of [2, 4], [6] and [1, 1, 3, 7] each").text
    '[2, 4], [6] and [1, 1, 3, 7]'
    """
    match = max(_ROWS.finditer(text), key=lambda each: len(each[0]), default=None)
    return Found(match[0], (match.span(),)) if match is not None else None


def find_token_counts(text: str) -> Found | None:
    """The token count of each batch, if as many losses are told: "200 tokens, mean loss 2.5; 50 tokens, mean loss 4.5"."""
    return _each(_TOKENS, _LOSS, text)


def find_losses(text: str) -> Found | None:
    """The loss of each batch, if as many token counts are told."""
    return _each(_LOSS, _TOKENS, text)


def _each(wanted: re.Pattern[str], other: re.Pattern[str], text: str) -> Found | None:
    found = list(wanted.finditer(text))
    if len(found) < 2 or len(found) != len(other.findall(text)):
        return None
    names = [match.span() for match in _NUMBERED.finditer(text)]
    return Found(", ".join(match["value"].replace(",", "") for match in found), (*(match.span() for match in found), *names))
