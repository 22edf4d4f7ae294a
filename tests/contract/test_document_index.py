"""What search over documents keeps to: how many, in what order, from where, and that hits are pieces of the text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.base import MAX_PASSAGE_CHARS, DocumentIndex, Embedder, Passage, QueryVectors
from memory.chroma import ArrayVectors
from memory.ingest.pipeline import ingest_text
from memory.lexical import LexicalIndex
from memory.minilm import HashEmbedder
from memory.passages import NewDocument, PassageStore
from memory.retrieve import Retriever
from memory.sql import Database

TOPICS = ("cache", "queue", "shard", "replica", "watermark", "token", "bucket", "vector", "lineage", "quorum")


def filler(topic: str, size: int) -> str:
    """A paragraph of about `size` characters that no other topic shares its words with."""
    return (
        f"The {topic} is what this is about. "
        + " ".join(f"{topic}{at}" for at in range(size // (len(topic) + 3)))
        + "."
    )


GUIDE = "".join(f"# All about the {topic}\n\n{filler(topic, 900)}\n\n" for topic in TOPICS)
NOTES = "# Caches\n\nA cache keeps copies near the reader.\n"
LESSON = "# Lessons\n\nA cache forgets copies by eviction.\n"


@pytest.fixture
def index() -> Iterator[Retriever]:
    with closing(Database(":memory:")) as db:
        made = retriever(db)
        ingest_text(made.store, "guide.md", GUIDE)
        ingest_text(made.store, "notes.md", NOTES)
        passage = Passage("lesson", "course/lesson.md", ("Lessons",), LESSON, 0, len(LESSON), "course")
        made.store.put([NewDocument("course/lesson.md", "Lessons", LESSON, "h", (passage,), "course")])
        yield made


def retriever(db: Database, embedder: Embedder | None = None) -> Retriever:
    vectors, lexical, embedder = ArrayVectors(), LexicalIndex(db), embedder or HashEmbedder()
    return Retriever(PassageStore(db, vectors, lexical, embedder), vectors, lexical, embedder)


def test_it_gives_the_k_best_and_never_more(index: DocumentIndex) -> None:
    found = index.search("what is a cache", 3)
    assert len(found) == 3
    assert [hit.passage.id for hit in index.search("what is a cache", 1)] == [found[0].passage.id]
    assert index.search("what is a cache", 0) == [] and index.search("  \n ", 5) == []


def test_scores_fall_from_0_to_1_and_a_second_search_says_the_same(index: DocumentIndex) -> None:
    found = index.search("shard and replica", 8)
    scores = [hit.score for hit in found]
    assert scores == sorted(scores, reverse=True) and 0 <= scores[-1] < scores[0] <= 1
    assert found == index.search("shard and replica", 8)


@pytest.mark.parametrize("topic", TOPICS[1:])
def test_the_passage_about_the_topic_comes_first(index: DocumentIndex, topic: str) -> None:
    best = index.search(f"What is a {topic}?", 3)[0]
    assert f"The {topic} is what this is about." in best.passage.text
    assert len(best.blocks) == len(best.passage.blocks) and len(best.terms) == len(best.query_terms)
    assert best.terms[best.query_terms.index(topic)] == pytest.approx(1.0, abs=0.01)


def test_a_source_is_kept_to(index: DocumentIndex) -> None:
    assert {hit.passage.source for hit in index.search("cache copies", 20)} == {"notes", "course"}
    assert {hit.passage.source for hit in index.search("cache copies", 20, "notes")} == {"notes"}
    assert [hit.passage.id for hit in index.search("cache copies", 20, "course")] == ["lesson"]


def test_what_says_nearly_the_same_comes_once(index: Retriever) -> None:
    ingest_text(index.store, "copy.md", NOTES)
    ingest_text(index.store, "other.md", "# Caches\n\nA cache may lose copies when its machine restarts at night.\n")
    texts = [hit.passage.text for hit in index.search("cache keeps copies near reader", 20)]
    assert texts.count(NOTES.strip()) == 1 and any("at night" in text for text in texts)


def test_neighbours_are_the_passages_around_in_reading_order(index: Retriever) -> None:
    middle = next(hit.passage for hit in index.search("What is a watermark?", 1))
    before, after = index.neighbours(middle)
    assert before.end <= middle.start and middle.end <= after.start
    assert GUIDE[before.end : middle.start].strip() == "" and GUIDE[middle.end : after.start].strip() == ""
    assert index.neighbours(middle, 0, 1) == [after] and index.neighbours(middle, 1, 0) == [before]
    assert {each.document for each in index.neighbours(middle, 50, 50)} == {"guide.md"}
    assert middle not in index.neighbours(middle, 50, 50)


def test_documents_are_listed_with_their_passages(index: DocumentIndex) -> None:
    listed = {info.path: info for info in index.documents()}
    assert set(listed) == {"guide.md", "notes.md", "course/lesson.md"}
    assert listed["guide.md"].chunks >= len(TOPICS) and listed["course/lesson.md"].source == "course"


@pytest.mark.parametrize(
    "query", ['"', "a OR b AND NOT (c", "cache*", "x" * 5000, "NEAR/3", "größe ∞ 缓存", "'; drop table lexical"]
)
def test_no_query_is_an_expression_of_the_store(index: DocumentIndex, query: str) -> None:
    assert len(index.search(query, 2)) == 2


class WordlessQueries(HashEmbedder):
    """Finds no word in any query, as a model does in one of control or zero-width characters."""

    def embed_query(self, text: str) -> QueryVectors:
        query = super().embed_query(text)
        return QueryVectors(query.vector, query.tokens[:0], query.weights[:0], ())


def test_a_query_without_words_scores_in_numbers() -> None:
    with closing(Database(":memory:")) as db:
        made = retriever(db, WordlessQueries())
        ingest_text(made.store, "notes.md", NOTES)
        assert all(math.isfinite(score) for hit in made.search("\u200b", 3) for score in (hit.score, *hit.blocks))


words = st.lists(
    st.sampled_from([*TOPICS, "größe", "ünïcode", "缓存", "🙂", "a_b", "`code`", "**bold**", "[link](x)", "5 < 6"]),
    min_size=1,
    max_size=12,
).map(" ".join)
long_words = st.tuples(words, st.integers(100, 400)).map(lambda pair: " ".join([pair[0]] * pair[1])[:4000])
pieces = st.one_of(
    st.tuples(st.integers(1, 4), words).map(lambda pair: f"{'#' * pair[0]} {pair[1]}"),
    words,
    long_words,
    words.map(lambda text: f"**{text}**"),
    words.map(lambda text: f"> {text}"),
    st.lists(words, min_size=1, max_size=4).map(
        lambda items: "\n".join(f"- {item}\n  1. deeper {item}" for item in items)
    ),
    st.lists(words, min_size=1, max_size=4).map(
        lambda rows: "\n".join(["| a | b |", "| - | - |", *(f"| {row} | x |" for row in rows)])
    ),
    st.tuples(words, st.sampled_from(["```", "~~~", "    "])).map(lambda pair: f"{pair[1]}\n    {pair[0]}\n{pair[1]}"),
    st.sampled_from(["---", "\f", "<!-- hidden -->", "<div>\nx\n</div>", "Title\n=====", "\u2028", "\\*not\\*", "***"]),
)
documents = st.lists(pieces, min_size=1, max_size=12).map("\n\n".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents, words, st.integers(1, 8))
def test_every_hit_in_any_document_is_a_true_piece_of_it(text: str, query: str, k: int) -> None:
    with closing(Database(":memory:")) as db:
        made = retriever(db)
        ingest_text(made.store, "any.md", text)
        found = made.search(query, k)
        assert len(found) <= k and len({hit.passage.id for hit in found}) == len(found)
        assert bool(found) == bool(made.documents()[0].chunks)
        for hit in found:
            passage = hit.passage
            assert passage.text == text[passage.start : passage.end] and 0 < len(passage.text) <= MAX_PASSAGE_CHARS
            assert len(hit.blocks) == len(passage.blocks) and 0 <= hit.score <= 1
            assert all(passage.start <= block.start < block.end <= passage.end for block in passage.blocks)
