"""Documents, passages and vectors stay in step: stored, replaced and removed whole, embedded no more than needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from memory.base import PassageVectors, UnknownDocument
from memory.chroma import ArrayVectors
from memory.ingest.pipeline import ingest_text
from memory.lexical import LexicalIndex
from memory.minilm import HashEmbedder
from memory.passages import EMBED_BATCH, PassageStore
from memory.retrieve import Retriever
from memory.sql import Database


class CountingEmbedder(HashEmbedder):
    """Counts what it embeds, and breaks once it embedded `breaks_after` passages."""

    def __init__(self) -> None:
        self.embedded = 0
        self.breaks_after: int | None = None

    def embed_passages(self, passages: Sequence[tuple[str, Sequence[str]]]) -> Iterator[PassageVectors]:
        for made in super().embed_passages(passages):
            if self.breaks_after is not None and self.embedded >= self.breaks_after:
                raise MemoryError("the embedder broke")
            self.embedded += 1
            yield made


@dataclass
class Home:
    """A store with its parts within reach."""

    db: Database
    vectors: ArrayVectors = field(default_factory=ArrayVectors)
    embedder: CountingEmbedder = field(default_factory=CountingEmbedder)

    def __post_init__(self) -> None:
        self.lexical = LexicalIndex(self.db)
        self.store = PassageStore(self.db, self.vectors, self.lexical, self.embedder)
        self.index = Retriever(self.store, self.vectors, self.lexical, self.embedder)

    def found(self, query: str) -> str:
        hits = self.index.search(query, 1)
        return hits[0].passage.text if hits else ""

    def state(self) -> object:
        """Everything that a reader can notice, vectors apart."""
        return (
            [(info.path, info.hash, info.chunks, self.store.text(info.path)) for info in self.store.documents()],
            [tuple(row) for row in self.db.execute("select * from passages order by document, position")],
            sorted(tuple(row) for row in self.db.execute("select passage, block, body from lexical")),
            sorted(tuple(row) for row in self.db.execute("select passage, tokens from token_vectors")),
        )


@pytest.fixture
def home() -> Iterator[Home]:
    with closing(Database(":memory:")) as db:
        yield Home(db)


def section(name: str, size: int = 1000) -> str:
    return (
        f"# {name}\n\n{name} is explained here. "
        + " ".join(f"{name}{at}" for at in range(size // (len(name) + 3)))
        + ".\n\n"
    )


ABC = section("alpha") + section("beta") + section("gamma")


def test_a_document_is_stored_whole_and_found(home: Home) -> None:
    assert ingest_text(home.store, "a.md", ABC) == 3
    (info,) = home.store.documents()
    assert (info.path, info.chunks, info.source) == ("a.md", 3, "notes") and home.store.text(
        info.id
    ) == home.store.text("a.md") == ABC
    assert "beta is explained" in home.found("beta") and home.store.problems() == []
    assert home.store.count() == home.store.count("notes") == 1 and home.store.count("course") == 0


def test_passages_that_are_still_there_keep_their_vectors(home: Home) -> None:
    ingest_text(home.store, "a.md", ABC)
    before = home.vectors.ids()
    ingest_text(home.store, "a.md", section("omega") + ABC.replace("beta is", "beta was"))
    assert home.embedder.embedded == 3 + 2, "one passage is new and one changed; two only moved"
    assert len(home.vectors.ids() & before) == 2 and len(home.vectors.ids()) == 4
    assert "beta was" in home.found("beta") and home.store.problems() == [] and home.store.sweep() == 0
    moved = home.index.search("gamma", 1)[0].passage
    assert home.store.text("a.md")[moved.start : moved.end] == moved.text


def test_what_a_new_version_lacks_is_found_no_more(home: Home) -> None:
    ingest_text(home.store, "a.md", ABC)
    ingest_text(home.store, "a.md", section("alpha"))
    assert "beta" not in home.found("beta beta7") and len(home.vectors.ids()) == 1
    assert not home.db.execute("select 1 from lexical where body like '%beta%'")
    assert len(home.db.execute("select 1 from token_vectors")) == 1


def test_nothing_is_changed_when_the_embedder_breaks_in_the_middle(home: Home) -> None:
    ingest_text(home.store, "a.md", ABC)
    before, ids = home.state(), home.vectors.ids()
    large = "".join(section(f"topic{at}x") for at in range(EMBED_BATCH + 10))
    home.embedder.breaks_after = home.embedder.embedded + EMBED_BATCH + 5
    with pytest.raises(MemoryError):
        ingest_text(home.store, "a.md", large)
    assert home.state() == before and home.store.problems() == [] and "beta is" in home.found("beta")
    assert home.store.sweep() == EMBED_BATCH and home.vectors.ids() == ids, "only the batch that was through had to go"
    home.embedder.breaks_after = None
    assert ingest_text(home.store, "a.md", large) >= EMBED_BATCH + 10 and home.store.problems() == []


def test_a_removed_document_is_gone_by_path_or_id_and_others_stay(home: Home) -> None:
    for name in ("a.md", "b.md", "c.md"):
        ingest_text(home.store, name, section(name[0] * 5))
    assert home.store.remove("a.md").path == "a.md"
    home.store.remove(home.store.documents()[0].id)
    assert [info.path for info in home.store.documents()] == ["c.md"] and len(home.vectors.ids()) == 1
    assert home.found("aaaaa bbbbb").startswith("# ccccc") and home.store.problems() == []
    for call in (lambda: home.store.remove("a.md"), lambda: home.store.text("a.md")):
        with pytest.raises(UnknownDocument, match="a.md"):
            call()


def test_the_same_words_in_two_documents_are_kept_apart(home: Home) -> None:
    ingest_text(home.store, "a.md", ABC)
    ingest_text(home.store, "b.md", ABC)
    home.store.remove("a.md")
    assert {hit.passage.document for hit in home.index.search("beta", 9)} == {"b.md"} and home.store.problems() == []


def test_completing_makes_what_was_there(home: Home) -> None:
    ingest_text(home.store, "a.md", ABC)
    ingest_text(home.store, "b.md", section("delta"))
    before, ids = home.state(), home.vectors.ids()
    home.vectors.close()
    home.lexical.clear()
    home.db.execute("delete from token_vectors")
    steps: list[tuple[int, int]] = []
    assert home.store.complete(lambda done, total: steps.append((done, total))) == 4
    assert home.state() == before and home.vectors.ids() == ids and home.store.problems() == [] and steps == [(4, 4)]
    assert "delta is" in home.found("delta")


def test_completing_goes_on_where_it_broke_off(home: Home) -> None:
    ingest_text(home.store, "a.md", section("alpha") + "".join(section(f"w{at}x") for at in range(EMBED_BATCH)))
    before, passages = home.state(), home.vectors.count()
    home.vectors.close()
    home.embedder.breaks_after = home.embedder.embedded + EMBED_BATCH
    with pytest.raises(MemoryError):
        home.store.complete()
    home.embedder.breaks_after, done = None, home.embedder.embedded
    assert home.store.off_by() == (passages - EMBED_BATCH, 0)
    assert home.store.complete() == passages - EMBED_BATCH
    assert home.embedder.embedded - done == passages - EMBED_BATCH
    assert home.state() == before and home.store.problems() == [] and home.store.off_by() == (0, 0)


def test_headings_alone_are_in_step_and_found(home: Home) -> None:
    ingest_text(home.store, "a.md", "# Alpha\n\n# Beta\n\n## Gamma\n")
    assert home.store.problems() == [] and home.store.off_by() == (0, 0)
    assert "Gamma" in home.found("gamma")


def test_damage_inside_the_words_is_said(home: Home) -> None:
    ingest_text(home.store, "a.md", ABC)
    home.db.execute("delete from lexical_data where id > 10")
    [problem] = home.store.problems()
    assert "damaged" in problem


@pytest.mark.parametrize("lost", ["vector", "tokens", "words", "left over"])
def test_counts_tell_what_completing_mends(home: Home, lost: str) -> None:
    ingest_text(home.store, "a.md", ABC)
    assert home.store.off_by() == (0, 0)
    before, embedded = home.state(), home.embedder.embedded
    some = next(iter(home.vectors.ids()))
    if lost == "vector":
        home.vectors.remove([some])
    elif lost == "tokens":
        home.db.execute("delete from token_vectors where passage = ?", (some,))
    elif lost == "words":
        home.db.execute("delete from lexical")
    else:
        home.vectors.add(["orphan"], home.embedder.embed_query("orphan").vector[None, :], ["notes"])
        home.db.execute("insert into token_vectors(passage, tokens, counts) values ('orphan', x'', '[]')")
    off_by = {"vector": (1, 0), "tokens": (1, 0), "words": (3, 0), "left over": (0, 1)}[lost]
    assert home.store.off_by() == off_by
    assert home.store.complete() == off_by[0]
    assert home.embedder.embedded - embedded == (1 if lost in ("vector", "tokens") else 0), "what is there isn't embedded again"
    assert home.state() == before and home.store.problems() == [] and home.store.off_by() == (0, 0)


def test_sweeping_takes_what_nothing_points_at_and_no_more(home: Home) -> None:
    ingest_text(home.store, "a.md", ABC)
    vector = home.embedder.embed_query("orphan").vector
    home.vectors.add(["orphan"], vector[None, :], ["notes"])
    assert home.store.sweep() == 1 and home.store.sweep() == 0
    assert len(home.vectors.ids()) == 3 and home.store.problems() == []


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("delete from token_vectors", "3 passages have no token vectors"),
        ("delete from lexical", "3 passages are missing from the lexical index"),
    ],
)
def test_what_is_missing_is_said(home: Home, sql: str, said: str) -> None:
    ingest_text(home.store, "a.md", ABC)
    home.db.execute(sql)
    assert home.store.problems() == [said]


def test_a_missing_vector_is_said(home: Home) -> None:
    ingest_text(home.store, "a.md", ABC)
    home.vectors.remove([next(iter(home.vectors.ids()))])
    assert home.store.problems() == ["1 passages have no vector"]


def test_words_in_a_different_structure_are_embedded_anew(home: Home) -> None:
    wall, items = "w" * 1494, "- item one is long enough\n- item two is long enough"
    for text in (f"{wall}\n\n{items}\n", f"```\n{'w' * 1490}\n\n{items}\n"):
        ingest_text(home.store, "a.md", text)
    hit = next(hit for hit in home.index.search("item one long enough", 5) if hit.passage.text == items)
    assert len(hit.blocks) == len(hit.passage.blocks)
