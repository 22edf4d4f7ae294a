"""BM25 over blocks in SQLite FTS5 (porter stems). Knows words; can be rebuilt from the passages at any time."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence

from memory.base import IndexDamaged, Source
from memory.minilm import STOPWORDS
from memory.sql import Database

CONTEXT_WEIGHT = 0.7
BODY_WEIGHT = 1.0
WORD = re.compile(r"\w+", re.UNICODE)
MAX_TERMS = 64

CREATE = """create virtual table if not exists lexical using fts5(
    passage unindexed, block unindexed, source unindexed, context, body, tokenize='porter unicode61 remove_diacritics 2')"""


def words(text: str) -> list[str]:
    """The words that carry meaning, lower-cased, each once, in order; all words when none does.

    >>> words("How does the token bucket work?")
    ['token', 'bucket', 'work']
    """
    every = list(dict.fromkeys(WORD.findall(text.lower())))
    return [word for word in every if word not in STOPWORDS] or every


class LexicalIndex:
    """The lexical table beside the passages, so that both change in one transaction."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.execute(CREATE)
        # The vocabulary table needs no space: it is a view of the index.
        db.execute("create virtual table if not exists lexical_words using fts5vocab(lexical, 'row')")

    def add(self, rows: Iterable[tuple[str, int, Source, str, str]]) -> None:
        """Rows of (passage id, block number, source, context, body)."""
        self._db.many("insert into lexical(passage, block, source, context, body) values (?,?,?,?,?)", rows)

    def remove(self, passages: Collection[str]) -> None:
        if passages:
            # One scan for all of them: FTS5 has no index on an unindexed column.
            self._db.execute("delete from lexical where passage in (select value from json_each(?))",
                             (json.dumps(list(passages)),))

    def clear(self) -> None:
        self._db.execute("drop table if exists lexical")
        self._db.execute("drop table if exists lexical_words")
        self.__init__(self._db)  # type: ignore[misc]

    def best(self, query: str, k: int, source: Source | None) -> list[tuple[str, int, float]]:
        """(passage, block, BM25) of the k best blocks, best first; larger is better."""
        terms = words(query)[:MAX_TERMS]
        if not terms:
            return []
        match = " OR ".join(f'"{term}"' for term in terms)
        where = "and source = :source" if source else ""
        rows = self._db.execute(
            f"select passage, block, -bm25(lexical, 0, 0, 0, {CONTEXT_WEIGHT}, {BODY_WEIGHT}) as score from lexical "
            f"where lexical match :match {where} order by score desc limit :k",
            {"match": match, "k": k, "source": source},
        )
        return [(row["passage"], row["block"], row["score"]) for row in rows]

    def frequencies(self, stems: Sequence[str]) -> dict[str, int]:
        """How many blocks hold each stem (as the tokenizer writes it)."""
        marks = ",".join("?" * len(stems))
        rows = self._db.execute(f"select term, doc from lexical_words where term in ({marks})", tuple(stems))
        return {row["term"]: row["doc"] for row in rows}

    def check(self) -> list[str]:
        """What FTS5's own integrity check finds wrong; empty when sound."""
        try:
            self._db.execute("insert into lexical(lexical) values ('integrity-check')")
        except IndexDamaged as error:
            return [str(error)]
        return []

    def size(self) -> int:
        return int(self._db.execute("select count(*) as n from lexical")[0]["n"])
