"""Documents, passages and their vectors, kept together: what is stored, replaced and removed. Knows no ranking."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from memory.base import Block, DocumentInfo, Embedder, Passage, PassageVectors, Source, UnknownDocument, Vectors
from memory.chroma import VectorIndex
from memory.ingest.markdown import plain
from memory.lexical import LexicalIndex
from memory.sql import Database

EMBED_BATCH = 64
NEAR = 0.4
"""Cosine of a passage's vector and the mean of its telling tokens: 0.82 or more in the course, and about 0 for garbage."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class NewDocument:
    """A document that was read and cut, ready to be stored. `name` is its path as the learner gave it."""

    name: str
    title: str
    text: str
    hash: str
    passages: tuple[Passage, ...]
    source: Source = "notes"
    origin: str = ""

    @property
    def id(self) -> str:
        return hashlib.sha256(f"{self.source}\0{self.name}".encode()).hexdigest()[:12]


class PassageStore:
    """The truth about documents (SQL) with both indexes in step."""

    def __init__(self, db: Database, vectors: VectorIndex, lexical: LexicalIndex, embedder: Embedder) -> None:
        self._db, self._vectors, self._lexical, self._embedder = db, vectors, lexical, embedder
        self._cache: dict[str, Passage] = {}
        self.generation = 0

    # ---- reading

    def documents(self, source: Source | None = None) -> list[DocumentInfo]:
        rows = self._db.execute(
            "select d.*, (select count(*) from passages p where p.document = d.id) as chunks from documents d "
            "where :source is null or source = :source order by d.source desc, d.path", {"source": source})
        return [DocumentInfo(r["id"], r["path"], r["title"], r["chunks"], r["hash"], r["added"], r["source"]) for r in rows]

    def text(self, name: str) -> str:
        """The text of a document by path or id. Raises UnknownDocument."""
        rows = self._db.execute("select text from documents where path = :name or id = :name order by source desc limit 1", {"name": name})
        if not rows:
            raise UnknownDocument(f"There is no document {name!r}. `tutor documents` lists what is known.")
        return str(rows[0]["text"])

    def hashes(self, source: Source) -> dict[str, str]:
        rows = self._db.execute("select path, hash from documents where source = ?", (source,))
        return {row["path"]: row["hash"] for row in rows}

    def origins(self, source: Source) -> dict[str, str]:
        rows = self._db.execute("select path, origin from documents where source = ?", (source,))
        return {row["path"]: row["origin"] for row in rows}

    def passages(self, ids: Sequence[str]) -> dict[str, Passage]:
        """The passages of these ids; ids that are gone are left out."""
        missing = [key for key in ids if key not in self._cache]
        for at in range(0, len(missing), 500):
            part = missing[at : at + 500]
            rows = self._db.execute(
                "select p.*, d.path, d.source, substr(d.text, p.start + 1, p.stop - p.start) as body from passages p "
                f"join documents d on d.id = p.document where p.id in ({','.join('?' * len(part))})", tuple(part))
            self._cache.update({row["id"]: _passage(row) for row in rows})
        return {key: self._cache[key] for key in ids if key in self._cache}

    def around(self, passage: Passage, before: int, after: int) -> list[Passage]:
        rows = self._db.execute(
            "select n.id from passages p join documents d on d.id = p.document and d.path = :path "
            "join passages n on n.document = p.document and n.position between p.position - :before and p.position + :after "
            "where p.id = :id and n.id <> p.id order by n.position",
            {"path": passage.document, "id": passage.id, "before": before, "after": after})
        found = self.passages([row["id"] for row in rows])
        return list(found.values())

    def tokens(self, ids: Sequence[str]) -> dict[str, tuple[Any, list[int]]]:
        """By passage id: token vectors, int8, shape (tokens, dimension), and how many of them each block has."""
        rows = self._db.execute(
            f"select * from token_vectors where passage in ({','.join('?' * len(ids))})", tuple(ids))
        width = self._embedder.dimension
        return {r["passage"]: (np.frombuffer(r["tokens"], np.int8).reshape(-1, width), json.loads(r["counts"])) for r in rows}

    def count(self, source: Source | None = None) -> int:
        rows = self._db.execute("select count(*) as n from documents where :source is null or source = :source",
                                {"source": source})
        return int(rows[0]["n"])

    # ---- writing

    def put(self, documents: Sequence[NewDocument], progress: Progress | None = None) -> int:
        """Stores or replaces documents, all or nothing; passages that are still there keep their vectors.
        Returns the number of passages."""
        every = [passage for document in documents for passage in document.passages]
        known = self._with_tokens([passage.id for passage in every])
        rows: list[tuple[str, bytes, str]] = []
        for part, made in self._embedded([p for p in every if p.id not in known], progress):
            self._vectors.add([p.id for p in part], np.stack([v.vector for v in made]), [p.source for p in part])
            rows.extend((p.id, v.tokens.tobytes(), json.dumps(v.counts)) for p, v in zip(part, made, strict=True))
        stale: set[str] = set()
        with self._db.transaction(durable=True):
            self._db.many("insert or replace into token_vectors(passage, tokens, counts) values (?,?,?)", rows)
            for document in documents:
                stale |= self._drop(document.id)
                self._insert(document)
            stale = self._unreferenced(stale)
            self._db.many("delete from token_vectors where passage = ?", ((key,) for key in stale))
        self._forget(stale)
        return len(every)

    def remove(self, name: str) -> DocumentInfo:
        """Removes a document by id or path. Raises UnknownDocument."""
        found = [info for info in self.documents() if name in (info.id, info.path)]
        if not found:
            raise UnknownDocument(f"There is no document {name!r}. `tutor documents` lists what is known.")
        with self._db.transaction(durable=True):
            stale = self._unreferenced(self._drop(found[0].id))
            self._db.many("delete from token_vectors where passage = ?", ((key,) for key in stale))
        self._forget(stale)
        return found[0]

    def off_by(self) -> tuple[int, int]:
        """(missing, left over): how many passages an index lacks, and how many entries point at nothing. By counts alone, so
        that each opening can ask."""
        def count(sql: str) -> int:
            return int(self._db.execute(sql)[0][0])

        passages = count("select count(distinct id) from passages")
        entries = (count("select count(*) from token_vectors"), self._vectors.count())
        unlisted = bool(passages) and not count("select count(*) from (select 1 from lexical limit 1)")
        return passages if unlisted else max(0, passages - min(entries)), max(0, max(entries) - passages)

    def complete(self, progress: Progress | None = None) -> int:
        """Makes out of SQL what the indexes lack, and removes from them what nothing points at. Returns the number of
        passages that were made anew. What is through when it breaks off needn't be made again."""
        ids = list(dict.fromkeys(row["id"] for row in self._db.execute("select id from passages order by document, position")))
        self.sweep()
        self._cache.clear()
        there = self._vectors.ids() & self._with_tokens(ids)
        for part, made in self._embedded([p for p in self.passages(ids).values() if p.id not in there], progress):
            self._vectors.add([p.id for p in part], np.stack([v.vector for v in made]), [p.source for p in part])
            self._db.many("insert or replace into token_vectors(passage, tokens, counts) values (?,?,?)",
                          [(p.id, v.tokens.tobytes(), json.dumps(v.counts)) for p, v in zip(part, made, strict=True)])
        listed = self._listed()
        unlisted = [passage for passage in self.passages(ids).values() if passage.id not in listed]
        texts = {(info.source, info.path): self.text(info.id) for info in self.documents()} if unlisted else {}
        with self._db.transaction(durable=True):
            self._db.execute("delete from token_vectors where passage not in (select id from passages)")
            self._lexical.add(row for p in unlisted for row in _lexical_rows(p, texts[(p.source, p.document)]))
        self.generation += 1
        return len({*ids} - there | {passage.id for passage in unlisted})

    def sweep(self) -> int:
        """Removes vectors that nothing points at (left by a crash). Returns how many."""
        known = {row["id"] for row in self._db.execute("select id from passages")}
        orphans = self._vectors.ids() - known
        self._vectors.remove(orphans)
        return len(orphans)

    def sample(self, most: int) -> list[str]:
        """Ids of up to `most` passages, from the first to the last."""
        ids = [row["id"] for row in self._db.execute("select distinct id from passages order by id")]
        return ids[:: max(1, -(-len(ids) // most))]

    def astray(self, ids: Sequence[str]) -> list[str]:
        """Those whose vector isn't near the mean of their tokens' vectors, which lie in SQL. One that has either not isn't
        among them."""
        out: list[str] = []
        for at in range(0, len(ids), 500):
            part = ids[at : at + 500]
            stored = self._vectors.stored(part)
            for key, (tokens, _) in self.tokens(part).items():
                if key in stored and len(tokens) and not _mean(tokens) @ stored[key] >= NEAR * np.linalg.norm(stored[key]):
                    out.append(key)
        return out

    def problems(self) -> list[str]:
        """What doesn't agree between SQL and the indexes; empty when sound."""
        known = {row["id"] for row in self._db.execute("select id from passages")}
        found = [*self._db.check()]
        if missing := known - self._vectors.ids():
            found.append(f"{len(missing)} passages have no vector")
        if lost := known - self._with_tokens(sorted(known)):
            found.append(f"{len(lost)} passages have no token vectors")
        if astray := self.astray(sorted(known)):
            found.append(f"{len(astray)} passages have a vector that isn't their text's")
        found += self._lexical.check()
        if unlisted := known - self._listed():
            found.append(f"{len(unlisted)} passages are missing from the lexical index")
        return found

    # ---- helpers

    def _embedded(self, passages: Sequence[Passage], progress: Progress | None) -> Iterator[tuple[list[Passage], list[PassageVectors]]]:
        for at in range(0, len(passages), EMBED_BATCH):
            part = list(passages[at : at + EMBED_BATCH])
            yield part, list(self._embedder.embed_passages([_embedding_input(passage) for passage in part]))
            if progress:
                progress(min(at + EMBED_BATCH, len(passages)), len(passages))

    def _listed(self) -> set[str]:
        return {row["passage"] for row in self._db.execute("select distinct passage from lexical")}

    def _with_tokens(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for at in range(0, len(ids), 500):
            part = tuple(ids[at : at + 500])
            rows = self._db.execute(f"select passage from token_vectors where passage in ({','.join('?' * len(part))})", part)
            found |= {row["passage"] for row in rows}
        return found

    def _insert(self, document: NewDocument) -> None:
        self._db.execute(
            "insert into documents(id, path, title, source, hash, text, origin, added) values (?,?,?,?,?,?,?,?)",
            (document.id, document.name, document.title, document.source, document.hash, document.text,
             document.origin, datetime.now(UTC).isoformat(timespec="seconds")))
        self._db.many("insert into passages(id, document, position, heading, start, stop, blocks) values (?,?,?,?,?,?,?)",
                      (passage_row(document.id, at, passage) for at, passage in enumerate(document.passages)))
        self._lexical.add(row for passage in document.passages for row in _lexical_rows(passage, document.text))

    def _drop(self, document: str) -> set[str]:
        """Deletes a document's rows inside the caller's transaction; returns the ids of its passages."""
        old = {row["id"] for row in self._db.execute("select id from passages where document = ?", (document,))}
        self._lexical.remove(old)
        self._db.execute("delete from passages where document = ?", (document,))
        self._db.execute("delete from documents where id = ?", (document,))
        return old

    def _unreferenced(self, ids: set[str]) -> set[str]:
        return {key for key in ids if not self._db.execute("select 1 from passages where id = ? limit 1", (key,))}

    def _forget(self, stale: set[str]) -> None:
        self._cache.clear()
        self.generation += 1
        if stale:
            self._vectors.remove(stale)


def _mean(tokens: Any) -> Vectors:
    """The unit vector in the middle of rows of int8."""
    rows = tokens.astype(np.float32)
    mean = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9))


def _embedding_input(passage: Passage) -> tuple[str, list[str]]:
    context = " > ".join(dict.fromkeys(passage.heading))
    return context, [block_text(passage, block) for block in passage.blocks]


def block_text(passage: Passage, block: Block) -> str:
    """A block's words without markup."""
    return plain(passage.text[block.start - passage.start : block.end - passage.start])


def _lexical_rows(passage: Passage, text: str) -> Iterator[tuple[str, int, Source, str, str]]:
    says_more = any(block.kind != "heading" for block in passage.blocks)
    for at, block in enumerate(passage.blocks):
        if block.kind == "heading" and says_more:
            continue
        context = block.context if block.kind != "heading" else block.context[:-1]
        yield passage.id, at, passage.source, " ".join(context), plain(text[block.start : block.end])


def passage_row(document: str, position: int, passage: Passage) -> tuple[Any, ...]:
    """A row of the table of passages."""
    blocks = [[b.kind, b.start, b.end, list(b.heading), list(b.context), b.depth] for b in passage.blocks]
    return passage.id, document, position, json.dumps(passage.heading), passage.start, passage.end, json.dumps(blocks)


def _passage(row: Any) -> Passage:
    blocks = tuple(Block(kind, start, end, tuple(heading), tuple(context), depth)
                   for kind, start, end, heading, context, depth in json.loads(row["blocks"]))
    return Passage(row["id"], row["path"], tuple(json.loads(row["heading"])), row["body"], row["start"], row["stop"],
                   row["source"], blocks)
