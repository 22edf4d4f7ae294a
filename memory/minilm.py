"""MiniLM on ONNX Runtime: text to token, block and query vectors. Knows the model's files, not where vectors are kept.

Late chunking (Günther et al., 2024): a passage goes through the model once, its tokens' vectors are kept for late
interaction (MaxSim, Khattab and Zaharia, 2020), and each block's vector is the mean of its own tokens, so that it has
seen its surroundings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memory.base import PassageVectors, QueryVectors, Vectors

DIMENSION = 384
MAX_TOKENS = 512
CONTEXT_TOKENS = 40
MODEL_FILE = "minilm-int8.onnx"
BATCH_TOKENS = 768
STOP_WEIGHT = 0.4

# Function words and the words that questions are made of: present everywhere, they tell passages apart badly.
STOPWORDS = frozenset((
    "a an and are as at be been but by can could did do does for from had has have how i if in into is it "
    "its me my of on or our should so that the their them then there these they this to was we were what "
    "when where which who why will with would you your tell explain about give some mean means"
).split())


@dataclass(frozen=True)
class ModelMissing(Exception):
    """The exported model isn't where it should be."""

    path: Path

    def __str__(self) -> str:
        return f"The embedding model is missing at {self.path}. Run `make setup` (or `python -m memory.export`)."


class MiniLM:
    """all-MiniLM-L6-v2, dynamic int8 per channel. Safe to share between threads.

    One thread a batch and several batches at once: on few cores that beats splitting each small matrix product.
    """

    name = "all-minilm-l6-v2-int8pc@1"
    dimension = DIMENSION

    def __init__(self, folder: Path, workers: int = 2) -> None:
        from tokenizers import Tokenizer

        model = folder / MODEL_FILE
        if not model.is_file():
            raise ModelMissing(model)
        onnxruntime = silent_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._workers = workers
        # Untyped on purpose: its stub says that any token's id may be None.
        tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer = tokenizer
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._start: int = self._tokenizer.token_to_id("[CLS]")
        self._stop: int = self._tokenizer.token_to_id("[SEP]")
        self._colon: int = self._tokenizer.token_to_id(":")
        # Function words and punctuation tell nothing apart, so their vectors aren't kept: half the space and time.
        self._dull = np.array([at for token, at in self._tokenizer.get_vocab().items()
                               if token in STOPWORDS or not any(char.isalnum() for char in token)])

    def known_word(self, word: str) -> bool:
        """Is this a whole word of the model's vocabulary (30,522 entries of common English)?"""
        return self._tokenizer.token_to_id(word.lower()) is not None

    def embed_query(self, text: str) -> QueryVectors:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        ids = [self._start, *encoding.ids[: MAX_TOKENS - 2], self._stop]
        hidden = self._hidden([ids])[0]
        weights = np.array([_weight(token) for token in encoding.tokens[: MAX_TOKENS - 2]], np.float32)
        tokens = _unit(hidden[1:-1]) if len(ids) > 2 else np.zeros((0, DIMENSION), np.float32)
        return QueryVectors(_unit(hidden.mean(axis=0)), tokens, weights, tuple(encoding.tokens[: MAX_TOKENS - 2]))

    def embed_passages(self, passages: Sequence[tuple[str, Sequence[str]]]) -> Iterator[PassageVectors]:
        """One result a passage, in order. A passage is (context, block texts); tokens past the 512th are left out."""
        inputs = [self._passage_input(context, blocks) for context, blocks in passages]
        for (ids, starts), hidden in zip(inputs, self._hidden([ids for ids, _ in inputs]), strict=True):
            telling = ~np.isin(ids, self._dull)
            edges = [*starts, len(ids)]
            counts = tuple(int(telling[min(a, len(ids)) : min(b, len(ids))].sum())
                           for a, b in zip(edges[:-1], edges[1:], strict=True))
            yield PassageVectors(_quantized(_unit(hidden[telling])), counts, _unit(hidden.mean(axis=0)))

    def _passage_input(self, context: str, blocks: Sequence[str]) -> tuple[list[int], list[int]]:
        """Token ids of the whole, and where each block starts."""
        encoded = self._tokenizer.encode_batch([context, *blocks], add_special_tokens=False)
        ids, starts = [self._start, *encoded[0].ids[:CONTEXT_TOKENS], self._colon], []
        for block in encoded[1:]:
            starts.append(len(ids))
            ids.extend(block.ids)
        return [*ids[: MAX_TOKENS - 1], self._stop], starts

    def _hidden(self, batch: Sequence[list[int]]) -> list[Any]:
        """Token vectors of each input, shape (tokens, 384), computed in batches of like length."""
        out: list[Any] = [None] * len(batch)
        order = sorted(range(len(batch)), key=lambda at: len(batch[at]))
        groups = []
        while order:
            size = max(1, BATCH_TOKENS // len(batch[order[-1]]))
            chosen, order = order[-size:], order[:-size]
            groups.append(chosen)
        if len(groups) == 1:
            self._run(batch, groups[0], out)
        else:
            with ThreadPoolExecutor(self._workers) as pool:
                list(pool.map(lambda group: self._run(batch, group, out), groups))
        return out

    def _run(self, batch: Sequence[list[int]], group: Sequence[int], out: list[Any]) -> None:
        longest = max(len(batch[at]) for at in group)
        ids = np.zeros((len(group), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, at in enumerate(group):
            ids[row, : len(batch[at])] = batch[at]
            mask[row, : len(batch[at])] = 1
        hidden = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        for row, at in enumerate(group):
            out[at] = hidden[row, : len(batch[at])]


def silent_onnxruntime() -> Any:
    """The onnxruntime module with its telemetry off: official builds send events to Microsoft over HTTPS and keep a device
    id and a queue in the user's cache folder, unless this variable is set before they load (the package's Privacy.md)."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime


class HashEmbedder:
    """A shipped stand-in that needs no model: each word is a fixed random vector. Same words, same meaning; no more."""

    name = "hash@1"
    dimension = 64

    def known_word(self, word: str) -> bool:
        """It has no vocabulary, so no word is a misspelling to it."""
        return True

    def embed_query(self, text: str) -> QueryVectors:
        words = _words(text) or [""]
        tokens = np.stack([self._vector(word) for word in words])
        weights = np.array([_weight(word) for word in words], np.float32)
        return QueryVectors(_unit(tokens.mean(axis=0)), tokens, weights, tuple(words))

    def embed_passages(self, passages: Sequence[tuple[str, Sequence[str]]]) -> Iterator[PassageVectors]:
        for context, blocks in passages:
            words = [_words(part) or [""] for part in (context, *blocks)]
            tokens = np.stack([self._vector(word) for part in words for word in part])
            yield PassageVectors(_quantized(tokens), tuple(len(part) for part in words[1:]), _unit(tokens.mean(axis=0)))

    def _vector(self, word: str) -> Vectors:
        import hashlib

        seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
        return _unit(np.random.default_rng(seed).standard_normal(self.dimension).astype(np.float32))


def _words(text: str) -> list[str]:
    import re

    return re.findall(r"\w+", text.lower())


def _weight(token: str) -> float:
    if token.startswith("##") or (token.isalnum() and token not in STOPWORDS):
        return 1.0
    return STOP_WEIGHT


def _unit(vectors: Any) -> Vectors:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-9), dtype=np.float32)


def _quantized(vectors: Vectors) -> Any:
    """Each row scaled so that its largest component is ±127; direction is all that MaxSim needs."""
    peak = np.abs(vectors).max(axis=1, keepdims=True)
    return np.rint(vectors * (127.0 / np.maximum(peak, 1e-9))).astype(np.int8)
