"""How learners word things against how documents do: spelling and acronyms, learnt from the documents themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

from memory.minilm import STOPWORDS

WORD = re.compile(r"[A-Za-z]+")
DEFINED = re.compile(r"((?:[A-Za-z][\w]*[ -]){1,5}[A-Za-z][\w]*)\s*\(([A-Z][A-Za-z]{1,5}?)s?\)")
NUMERONYM = re.compile(r"\b([A-Za-z])(\d{1,2})([A-Za-z])\b")
"""A word by its first letter, how many letters follow, and its last one: k8s, i18n."""
MIN_LENGTH = 5
LONG_WORD = 9


class Wording:
    """Vocabulary and acronyms of a body of text."""

    def __init__(self, texts: Iterable[str], known: Callable[[str], bool]) -> None:
        self._known = known
        self._counts: Counter[str] = Counter()
        self.acronyms: dict[str, str] = {}
        for text in texts:
            self._counts.update(word.lower() for word in WORD.findall(text))
            for match in DEFINED.finditer(text):
                self._learn(match[1], match[2])

    def knows(self, word: str) -> bool:
        """Whether the documents have this word or one that begins with it (postgres, PostgreSQL)."""
        lowered = word.lower()
        return lowered in self._counts or (len(lowered) >= 5 and any(other.startswith(lowered) for other in self._counts))

    def means(self, word: str) -> str | None:
        """The word of the documents that a misspelt or shortened one stands for; None when it stands for none, and for names
        ("FoundationDB"), which nobody misspells out of another word."""
        if any(char.isupper() for char in word[1:]):
            return None
        found = self.corrected(word)
        return found if found != word and self.knows(found) else None

    def corrected(self, query: str) -> str:
        """The query with misspelt words replaced by the nearest word of the documents; others stay as they are.

        >>> Wording(["schema drift in a pipeline"], lambda word: False).corrected("schmea drift")
        'schema drift'
        """
        query = NUMERONYM.sub(lambda match: self._spelt_out(match) or match[0], query)
        return WORD.sub(lambda match: self._corrected_word(match[0]), query)

    def expanded(self, query: str) -> str:
        """The query with the long form of its acronyms appended, and the acronym of its long forms.

        >>> Wording(["Change Data Capture (CDC) reads logs"], lambda word: True).expanded("what is cdc")
        'what is cdc change data capture'
        """
        lowered = query.lower()
        present = set(WORD.findall(lowered))
        extra = [long for short, long in self.acronyms.items() if short in present and long not in lowered]
        extra += [short for short, long in self.acronyms.items() if long in lowered and short not in present]
        return " ".join([query, *extra])

    def _spelt_out(self, numeronym: re.Match[str]) -> str | None:
        first, last, length = numeronym[1].lower(), numeronym[3].lower(), int(numeronym[2]) + 2
        fitting = [(count, word) for word, count in self._counts.items()
                   if len(word) == length and word[0] == first and word[-1] == last]
        return max(fitting)[1] if fitting else None

    def _learn(self, long: str, short: str) -> None:
        parts = re.findall(r"\w+", long)
        size = len(short)
        if size >= 2 and len(parts) >= size and "".join(part[0] for part in parts[-size:]).upper() == short.upper():
            self.acronyms.setdefault(short.lower(), " ".join(parts[-size:]).lower())

    def _corrected_word(self, word: str) -> str:
        lowered = word.lower()
        if len(lowered) < MIN_LENGTH or lowered in STOPWORDS or lowered in self._counts or self._known(lowered):
            return word
        if any(self._known(stem) or stem in self._counts for stem in _stems(lowered)):
            return word
        from rapidfuzz.distance import OSA

        limit = 2 if len(lowered) >= LONG_WORD else 1
        near = [
            (distance, -count, other)
            for other, count in self._counts.items()
            if abs(len(other) - len(lowered)) <= limit and len(other) >= MIN_LENGTH - 1
            and (distance := OSA.distance(lowered, other, score_cutoff=limit)) <= limit
        ]
        return min(near)[2] if near else word


def _stems(word: str) -> list[str]:
    """The word without its commonest endings: enough to see that "sharders" is no misspelling of "shard"."""
    found = []
    for ending in ("s", "es", "ed", "d", "ing", "er", "ers", "ly", "ment", "ness", "able", "ize", "ise", "ized", "ised"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            base = word[: -len(ending)]
            found += [base, base + "e"]
            if len(base) > 3 and base[-1] == base[-2]:
                found.append(base[:-1])
    return found
