"""Known errors of learners' notes: one entry in course/errata.toml each. Recognises them in text; knows no answers."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from memory.ingest.markdown import plain

MAX_SAID = 1000
MAX_SEEN = 20_000
ERRATA_FILE = Path(__file__).parent / "course" / "errata.toml"


@dataclass(frozen=True)
class Erratum:
    """`match` must all be found in one block of text and `unless` not; `claim` recognises the same belief in what a
    learner says."""

    id: str
    kind: str
    topic: str
    match: tuple[re.Pattern[str], ...]
    unless: tuple[re.Pattern[str], ...]
    claim: tuple[re.Pattern[str], ...]
    problem: str
    right: str
    source: str

    def stands_in(self, block: str) -> bool:
        """Whether a block (plain text, markup removed) holds this error."""
        return all(p.search(block) for p in self.match) and not any(p.search(block) for p in self.unless)

    def presupposed_by(self, question: str) -> bool:
        """Whether a learner's question or statement takes this error for true."""
        return bool(self.claim) and all(p.search(question) for p in self.claim)


class Errata:
    """All entries of one file."""

    def __init__(self, entries: Sequence[Erratum]) -> None:
        self.entries = tuple(entries)
        self._seen: dict[str, list[Erratum]] = {}

    def in_text(self, text: str) -> list[Erratum]:
        """The errors that stand in a piece of Markdown. The same blocks come up again and again, so verdicts are kept."""
        found = self._seen.get(text)
        if found is None:
            if len(self._seen) >= MAX_SEEN:
                self._seen.clear()
            block = plain(text)
            found = self._seen[text] = [entry for entry in self.entries if entry.stands_in(block)]
        return list(found)

    def in_question(self, question: str) -> list[Erratum]:
        """The errors that a question presupposes, states, or asks about as if they might hold."""
        said = " ".join(question.split())
        if len(said) > MAX_SAID:
            return []
        sentences = [said, *re.split(r"(?<=[.!?])\s+", said)]
        return [entry for entry in self.entries
                if entry.presupposed_by(said) or any(entry.stands_in(sentence) for sentence in sentences)]


def load_errata(path: Path = ERRATA_FILE) -> Errata:
    """Reads the file. Raises ValueError that names the entry when one is malformed."""
    entries = []
    for row in tomllib.loads(path.read_text("utf-8")).get("erratum", []):
        try:
            entries.append(Erratum(
                row["id"], row["kind"], row["topic"], _compiled(row["match"]), _compiled(row.get("unless", [])),
                _compiled(row.get("claim", [])), row["problem"], row["right"], row["source"]))
        except (KeyError, re.error) as error:
            raise ValueError(f"{path.name}: entry {row.get('id', '?')!r} is malformed: {error}") from error
    return Errata(entries)


def _compiled(patterns: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)
