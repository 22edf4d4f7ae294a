"""What every vector index keeps to: neighbours of small sets, upsert, removal, sources, and (on disk) survival."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from memory.base import Source, Vectors
from memory.chroma import ADD_BATCH, ArrayVectors, ChromaVectors, VectorIndex

DIMENSION = 24
Opener = Callable[[], VectorIndex]


@pytest.fixture(params=["array", "chroma"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorIndex]:
    made: VectorIndex = ArrayVectors() if request.param == "array" else ChromaVectors(tmp_path / "chroma", "test@1")
    yield made
    made.close()


def unit(rows: int, seed: int) -> Vectors:
    made = np.random.default_rng(seed).standard_normal((rows, DIMENSION)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def named(rows: int) -> list[str]:
    return [f"p{at}" for at in range(rows)]


def sources(rows: int) -> list[Source]:
    return ["course" if at % 3 == 0 else "notes" for at in range(rows)]


def exact(
    vectors: Vectors, own: Sequence[Source], query: Vectors, k: int, source: Source | None
) -> list[tuple[str, float]]:
    """The truth by plain arithmetic."""
    scored = [(f"p{at}", float(vector @ query)) for at, vector in enumerate(vectors) if source in (None, own[at])]
    return sorted(scored, key=lambda pair: -pair[1])[:k]


@pytest.mark.parametrize("source", [None, "notes", "course"])
def test_the_nearest_are_the_nearest_by_cosine(index: VectorIndex, source: Source | None) -> None:
    vectors, own = unit(200, 1), sources(200)
    index.add(named(200), vectors, own)
    for query in unit(5, 2):
        found, wanted = index.nearest(query, 10, source), exact(vectors, own, query, 10, source)
        assert [key for key, _ in found] == [key for key, _ in wanted]
        assert np.allclose([score for _, score in found], [score for _, score in wanted], atol=1e-4)


def test_what_was_stored_is_given_back(index: VectorIndex) -> None:
    vectors = unit(30, 7)
    index.add(named(30), vectors, sources(30))
    found = index.stored(["p3", "gone", "p29"])
    assert found.keys() == {"p3", "p29"} and np.allclose(found["p3"], vectors[3], atol=1e-6) and np.allclose(found["p29"], vectors[29], atol=1e-6)


def test_both_indexes_say_the_same(tmp_path: Path) -> None:
    vectors, own = unit(120, 3), sources(120)
    with ExitStack() as stack:
        pair: list[VectorIndex] = [ArrayVectors(), ChromaVectors(tmp_path, "test@1")]
        for each in pair:
            stack.callback(each.close)
            each.add(named(120), vectors, own)
            each.remove(named(10))
            each.add(["p20", "fresh"], unit(2, 4), ["course", "notes"])
        first, second = pair
        assert first.ids() == second.ids()
        for query in unit(5, 5):
            for source in (None, "notes", "course"):
                wanted = first.nearest(query, 7, source)
                found = second.nearest(query, 7, source)
                assert [key for key, _ in found] == [key for key, _ in wanted]


def test_adding_again_replaces_vector_and_source(index: VectorIndex) -> None:
    first, second, other = unit(3, 6)
    index.add(["a", "b"], np.stack([first, other]), ["notes", "notes"])
    index.add(["a"], second[None, :], ["course"])
    assert index.ids() == {"a", "b"} and index.count() == 2
    (key, score), = index.nearest(second, 5, "course")
    assert key == "a" and score == pytest.approx(1.0, abs=1e-5)
    assert [key for key, _ in index.nearest(first, 5, "notes")] == ["b"]


def test_what_is_removed_is_not_found_and_the_rest_is(index: VectorIndex) -> None:
    vectors = unit(6, 7)
    index.add(named(6), vectors, ["notes"] * 6)
    index.remove({"p0", "p3", "never there"})
    assert index.ids() == {"p1", "p2", "p4", "p5"} and index.count() == 4
    assert {key for key, _ in index.nearest(vectors[0], 10, None)} == index.ids()


def test_nothing_in_gives_nothing_out(index: VectorIndex) -> None:
    query = unit(1, 8)[0]
    assert index.ids() == set() and index.count() == 0 and index.nearest(query, 3, None) == []
    index.add([], np.zeros((0, DIMENSION), np.float32), [])
    index.remove([])
    index.add(["a"], query[None, :], ["notes"])
    assert index.nearest(query, 3, "course") == []
    assert [key for key, _ in index.nearest(query, 50, None)] == ["a"]


def test_more_than_one_batch_goes_in_and_out(index: VectorIndex) -> None:
    rows = ADD_BATCH + 5
    vectors = unit(rows, 9)
    index.add(named(rows), vectors, sources(rows))
    assert len(index.ids()) == index.count() == rows
    assert index.nearest(vectors[-1], 1, None)[0][0] == f"p{rows - 1}"
    index.remove(named(rows)[1:])
    assert index.ids() == {"p0"}


def test_a_closed_index_on_disk_opens_as_it_was(tmp_path: Path) -> None:
    vectors, own = unit(40, 10), sources(40)
    first = ChromaVectors(tmp_path, "test@1")
    first.add(named(40), vectors, own)
    first.remove(["p5"])
    first.close()
    again = ChromaVectors(tmp_path, "test@1")
    try:
        assert again.ids() == set(named(40)) - {"p5"}
        for query in unit(3, 11):
            wanted = [pair for pair in exact(vectors, own, query, 41, "notes") if pair[0] != "p5"][:5]
            assert [key for key, _ in again.nearest(query, 5, "notes")] == [key for key, _ in wanted]
    finally:
        again.close()


def test_another_embedders_vectors_lie_apart(tmp_path: Path) -> None:
    first = ChromaVectors(tmp_path, "small@1")
    first.add(["a"], unit(1, 12), ["notes"])
    first.close()
    other = ChromaVectors(tmp_path, "large@1")
    try:
        other.add(["b"], np.ones((1, 7), np.float32), ["notes"])
        assert other.ids() == {"b"}
    finally:
        other.close()
