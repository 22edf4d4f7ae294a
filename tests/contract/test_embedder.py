"""What every embedder keeps to: shapes, units, order, and that likeness of words shows in the vectors."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.base import Embedder, PassageVectors
from memory.export import model_folder
from memory.minilm import MODEL_FILE, HashEmbedder, MiniLM, ModelMissing

CACHE = (
    "Caching > Eviction",
    ["Least recently used eviction drops the oldest entry.", "A time to live drops entries."],
)
QUEUE = ("Queues", ["A queue decouples producers from slow consumers."])


def _minilm() -> Embedder:
    if not (model_folder() / MODEL_FILE).is_file():
        pytest.skip(f"the embedding model isn't exported to {model_folder()}; `make setup` does it")
    return MiniLM(model_folder())


EMBEDDERS = [pytest.param(HashEmbedder, id="hash"), pytest.param(_minilm, id="minilm", marks=pytest.mark.model)]


@pytest.fixture(scope="module", params=EMBEDDERS)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    made: Embedder = request.param()
    return made


def directions(tokens: Any) -> Any:
    rows = tokens.astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def one(embedder: Embedder, context: str, blocks: Sequence[str]) -> PassageVectors:
    (found,) = embedder.embed_passages([(context, blocks)])
    return found


def well_formed(found: PassageVectors, blocks: Sequence[str], dimension: int) -> bool:
    tokens, counts = found.tokens, found.counts
    return (tokens.dtype == np.int8 and tokens.ndim == 2 and tokens.shape[1] == dimension
            and len(counts) == len(blocks) and min(counts, default=0) >= 0 and sum(counts) <= len(tokens)
            and (not len(tokens) or bool((np.abs(tokens).max(axis=1) == 127).all()))
            and abs(float(np.linalg.norm(found.vector)) - 1) < 1e-5)


def test_a_query_has_one_vector_weight_and_word_a_token(embedder: Embedder) -> None:
    query = embedder.embed_query("How does the token bucket refill?")
    assert query.vector.shape == (embedder.dimension,) and query.vector.dtype == np.float32
    assert query.tokens.shape == (len(query.words), embedder.dimension) and query.weights.shape == (len(query.words),)
    assert np.allclose(np.linalg.norm(query.tokens, axis=1), 1, atol=1e-5)
    assert abs(float(np.linalg.norm(query.vector)) - 1) < 1e-5 and (query.weights > 0).all()


def test_function_words_weigh_less_than_the_words_that_tell(embedder: Embedder) -> None:
    query = embedder.embed_query("what is the bucket")
    weights = dict(zip(query.words, query.weights, strict=True))
    assert weights["the"] < weights["bucket"] and weights["what"] < weights["bucket"]


@pytest.mark.parametrize("text", ["", " ", "?!", "ß", "größe → ∞", "word " * 1500], ids=repr)
def test_any_text_gives_a_query_of_finite_numbers(embedder: Embedder, text: str) -> None:
    query = embedder.embed_query(text)
    assert len(query.tokens) == len(query.weights) == len(query.words)
    assert np.isfinite(query.vector).all() and np.isfinite(query.tokens).all()


def test_a_passage_has_a_count_a_block_and_its_context_first(embedder: Embedder) -> None:
    found = one(embedder, *CACHE)
    assert well_formed(found, CACHE[1], embedder.dimension)
    assert len(found.tokens) > sum(found.counts), "the context line's own vectors come before the blocks'"


def test_more_text_in_a_block_is_more_vectors_of_that_block(embedder: Embedder) -> None:
    short = one(embedder, "Queues", ["A queue buffers.", "Order holds."]).counts
    longer = one(embedder, "Queues", ["A queue buffers.", "Order holds inside one partition of the log."]).counts
    assert longer[0] == short[0] and longer[1] > short[1]


def test_results_come_in_order_and_hardly_depend_on_the_batch(embedder: Embedder) -> None:
    batch = [CACHE, QUEUE, ("", ["Sharding splits the keys."]), CACHE]
    together = list(embedder.embed_passages(batch))
    assert len(together) == len(batch)
    for (context, blocks), found in zip(batch, together, strict=True):
        alone = one(embedder, context, blocks)
        assert alone.counts == found.counts and float(alone.vector @ found.vector) > 0.97
    assert float(together[0].vector @ together[1].vector) < 0.9


def test_no_passages_give_no_results(embedder: Embedder) -> None:
    assert list(embedder.embed_passages([])) == []


@pytest.mark.parametrize("blocks", [["", "word"], ["***", "word"], ["word " * 3000, "last"], ["one"] * 200],
                         ids=["empty block", "no words", "past the limit", "many blocks"])
def test_odd_blocks_keep_the_counts_in_step(embedder: Embedder, blocks: list[str]) -> None:
    assert well_formed(one(embedder, "Context", blocks), blocks, embedder.dimension)


def test_a_query_is_nearer_to_what_shares_its_words(embedder: Embedder) -> None:
    near, far = embedder.embed_passages([CACHE, QUEUE])
    query = embedder.embed_query("least recently used eviction drops entries")
    assert float(query.vector @ near.vector) > float(query.vector @ far.vector)
    best = [(query.tokens @ directions(found.tokens).T).max(axis=1).mean() for found in (near, far)]
    assert best[0] > best[1] + 0.1


def test_the_same_text_gives_the_same_vectors_from_any_thread(embedder: Embedder) -> None:
    first = one(embedder, *CACHE)
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda _: one(embedder, *CACHE), range(8)))
    assert all(np.array_equal(first.tokens, each.tokens) for each in again)
    assert all(np.array_equal(first.vector, each.vector) for each in again)


def test_ordinary_words_are_known(embedder: Embedder) -> None:
    assert embedder.known_word("window") and embedder.known_word("Window")


@pytest.mark.model
def test_the_model_knows_no_misspelling() -> None:
    assert not _minilm().known_word("schmea")


@pytest.mark.model
def test_the_model_puts_a_paraphrase_before_shared_words() -> None:
    model = _minilm()
    texts = ("The job starts over after a crash.", "The crash course starts on Monday.")
    near, far = model.embed_passages([("", [text]) for text in texts])
    query = model.embed_query("restarting work when a machine fails")
    assert float(query.vector @ near.vector) > float(query.vector @ far.vector)


def test_vectors_of_different_models_cannot_be_mixed_up() -> None:
    assert HashEmbedder.name != MiniLM.name


def test_a_missing_model_says_where_and_what_to_do(tmp_path: Any) -> None:
    with pytest.raises(ModelMissing, match="make setup") as raised:
        MiniLM(tmp_path)
    assert str(tmp_path / MODEL_FILE) in str(raised.value)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=60), st.lists(st.text(max_size=80), min_size=1, max_size=6))
def test_any_words_at_all_keep_the_shapes(context: str, blocks: list[str]) -> None:
    assert well_formed(one(HashEmbedder(), context, blocks), blocks, HashEmbedder.dimension)
