"""Two strings to compare told in a message: quoted, joined by a small word, or behind a method's name. Compares nothing."""

from __future__ import annotations

import re
from functools import lru_cache

from tools.prose.found import Found

METHOD = (r"(?i:\b(?:jaro(?:[- ]?winkler)?|damerau(?:[- ]levenshtein)?|levenshtein|hamming|(?:string\s+)?edit(?:ing)?\s+distance|edits?"
          r"|jaccard|n-?grams?|bigrams?|trigrams?)\b)")
"""What may be asked of two strings; a sentence that names none of them compares other things."""
_OPEN, _CLOSE = "[\"“'‘`]", "[\"”'’`]"
_QUOTE = rf"(?<!\w){_OPEN}([^\"“”‘’`]{{1,80}}?){_CLOSE}(?!\w)"
_OTHER = (r"(?!(?i:similarity|distance|"
          r"the|two|a|an|is|are|of|for|between|what|whats|how|which|and|or|to|in|on|by|with|strings?|words?|names?"
          r"|titles?|score|metric|please|algorithm|code|index|example|from|does|do|it|vs|sets?|jaro|winkler"
          r"|jaro-winkler|levenshtein|damerau|jaccard)\b)")
_WORD = rf"{_OTHER}[A-Za-z0-9](?:[\w.'-]*\w)?"
_PROPER = rf"{_OTHER}[A-Z][\w'-]+(?:\s[A-Z][\w'-]+){{1,2}}"
_ONE = rf"(?<!\w)(?:{_PROPER}|{_WORD})"
_SEP = r"\s*(?:,|/|\||->|→|\b(?i:and|to|into|vs\.?|versus|with|against)\b)\s*"
_NOUN = r"(?i:(?:the\s+)?(?:two\s+)?(?:sur|first\s+)?(?:words?|strings?|names?|titles?)\s*:?\s*)"
_FILL = (r"(?:\s*(?i:similarity|distance|score|index|"
         r"of|for|between|from|turn|to|the|strings?|words?|names?|is|in|:|-)(?=[\s:(\"'“‘`-])|\s*:)*\s*\(?\s*")
_PAIRS = (
    re.compile(rf"{_QUOTE}(?:{_SEP}|\s+){_NOUN}?{_QUOTE}"),
    re.compile(rf"(?i:\b(?:between|from|of|for|turns?|convert|change|compare)\s+){_NOUN}?({_ONE}){_SEP}{_NOUN}?({_ONE})"),
    re.compile(rf"{_NOUN}({_ONE}){_SEP}({_ONE})"),
    re.compile(rf"{METHOD}{_FILL}({_ONE}){_SEP}({_ONE})"),
    re.compile(rf"{METHOD}{_FILL}(?<!\w)({_WORD})\s+({_WORD})\s*[?.!)]?\s*$"))


def find_first(text: str) -> Found | None:
    """The first of two strings.

    >>> find_first("Jaro-Winkler similarity of MARTHA and MARHTA?").text
    'MARTHA'
    >>> find_first("levenshtein(kitten, sitting)").text
    'kitten'
    """
    return _found(text, 0)


def find_second(text: str) -> Found | None:
    """The second of two strings.

    >>> find_second("levenshtein kitten sitting").text
    'sitting'
    """
    return _found(text, 1)


def _found(text: str, which: int) -> Found | None:
    both = _pair(text)
    return Found(both[which][0], (both[which][1],)) if both is not None else None


@lru_cache(maxsize=4)
def _pair(text: str) -> tuple[tuple[str, tuple[int, int]], tuple[str, tuple[int, int]]] | None:
    """The first form that is there, those with quotes before those that rest on small words."""
    if not re.search(METHOD, text):
        return None
    for form in _PAIRS:
        if (match := form.search(text)) is not None:
            return (match[1], match.span(1)), (match[2], match.span(2))
    return None
