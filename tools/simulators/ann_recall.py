"""Recall of a nearest-neighbour index against what it scans, and against what the user wanted. Builds on
vector_index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, Value, param, tool
from tools.simulators.vector_index import (
    Floats,
    Ints,
    InvertedFile,
    NeighbourGraph,
    Vectors,
    distances,
    make_vectors,
    nearest,
    overlap,
)

MAX_GRAPH_QUERIES = 40
MAX_WORK = 600_000_000
"""Multiplications of points with centroids or with each other."""
RANDOM_READ_NS = 100.0


class AnnRecall(Params):
    n: int = param(2_000, ge=100, le=20_000, unit="vectors", words=["vectors", "items", "embeddings", "documents"])
    d: int = param(24, ge=2, le=128, unit="dimensions", words=["dimensions", "dim", "dimensional"])
    index: Literal["ivf", "graph"] = param("ivf", words=["index"],
                                           help="inverted file, or a neighbour graph as in HNSW")
    nlist: int = param(64, ge=1, le=512, unit="cells", words=["nlist", "cells", "lists", "clusters"])
    nprobe: int = param(4, ge=1, le=512, unit="cells", words=["nprobe", "probes", "probe", "probing"])
    M: int = param(12, ge=2, le=48, unit="links", words=["M", "links", "neighbours per node"])
    ef: int = param(32, ge=1, le=2_000, words=["ef", "efSearch", "ef search", "beam"])
    k: int = param(10, ge=1, le=100, unit="count", words=["k", "top", "recall@"])
    queries: int = param(50, ge=1, le=200, unit="queries", words=["queries"])
    groups: int = param(40, ge=1, le=1_000, unit="count", words=["groups", "topics"])
    model_noise: float = param(0.5, ge=0, le=10, words=["model noise", "embedding noise", "noise"],
                               help="error of the embedding model against the spread within a topic; 0 is a perfect "
                                    "model")
    scan_GBps: float = param(10.0, ge=0.1, le=1_000, unit="GB/s", words=["memory bandwidth", "scan rate"])


@dataclass(frozen=True)
class Searched:
    """Results (queries, k) and compared points (queries,) at one setting of the dial, and the whole curve."""

    found: Ints
    compared: float
    dial: list[int]
    recall: list[float]
    share: list[float]


@tool("ann-recall", group="H", kind="simulator",
      words=["ann", "approximate nearest neighbour", "nearest neighbor", "recall@k", "nprobe", "nlist", "ivf", "hnsw",
             "faiss", "vector search", "vector index", "ef"],
      example={"nprobe": 4},
      cases=[
          Case({"nprobe": 64}, {"recall_at_k": 1.0, "scanned_fraction": 1.0}, source="every cell is scanned"),
          Case({"n": 500, "index": "graph", "ef": 500, "queries": 20}, {"recall_at_k": 1.0},
               source="the graph is in one piece"),
          Case({"model_noise": 0, "nprobe": 64}, {"relevance_at_k": 1.0, "relevance_exact": 1.0},
               source="a perfect model"),
          Case({"n": 1_000, "nlist": 1, "nprobe": 1}, {"recall_at_k": 1.0, "scanned_fraction": 1.0},
               source="one cell: brute force"),
      ],
      asks=[
          Ask("What recall does an IVF index reach with nlist of 64 and nprobe of 64?", "recall_at_k", 1.0),
          Ask("With nlist 128 and nprobe 128, what fraction of the vectors does the vector search scan?",
              "scanned_fraction", 1.0),
          Ask("With a perfect embedding, model noise 0, nlist 64 and nprobe 64, what relevance at k does vector "
              "search have?", "relevance_at_k", 1.0),
      ])
def ann_recall(p: AnnRecall, seed: int) -> ToolResult:
    """Builds a small vector index, searches it at every setting of its dial, and compares with exact search.

    Vectors lie in overlapping topics. `ivf` clusters them into `nlist` cells by k-means and scans the `nprobe` cells
    nearest to the query; `graph` walks a neighbour graph best-first and keeps the `ef` best. recall@k is the share of
    the k *exact* nearest vectors that are returned. What users want is another matter: each stored vector is a true one
    plus the embedding model's error, and relevance@k is the share of the truly nearest that are returned.

    People get wrong:
    - Recall is model quality: it measures the index against exact search over the same vectors. With a poor model,
      recall 1.0 returns the wrong items exactly.
    - The last percent of recall is worth it: the curve is steep first and flat later; relevance hardly moves beyond the
      knee.
    - Scanning a share of the data finds that share of the answers: the nearest cells hold most of them.

    Latency is a model: bytes scanned over memory bandwidth, and a random read for each point of a graph. Sources: H.
    Jégou et al., "Product Quantization for Nearest Neighbor Search", 2011 (inverted file); Y. Malkov, D. Yashunin, 2016
    (HNSW).

    >>> run = ann_recall(AnnRecall(n=1000, nlist=16, nprobe=16), 0).values
    >>> run["recall_at_k"], run["scanned_fraction"]
    (1.0, 1.0)
    """
    _check(p)
    rng = np.random.default_rng(seed)
    queries = p.queries if p.index == "ivf" else min(p.queries, MAX_GRAPH_QUERIES)
    data = make_vectors(p.n, p.d, queries, p.groups, p.model_noise, rng)
    table = distances(data.queries, data.stored)
    truth, wanted = nearest(table, p.k), nearest(distances(data.latent_queries, data.latent), p.k)
    found = _ivf(p, data, table, truth, rng) if p.index == "ivf" else _graph(p, data, truth, rng)
    recall, exact = overlap(found.found, truth), overlap(truth, wanted)
    relevance = overlap(found.found, wanted)
    share = found.compared / p.n
    values: dict[str, Value] = {
        "recall_at_k": recall, "scanned_fraction": share, "scanned_vectors": found.compared,
        "relevance_at_k": relevance,
        "relevance_exact": exact, "latency_us": _latency_us(p, found.compared), "latency_exact_us": p.n * _scan_us(p),
        "times_fewer": p.n / found.compared}
    dial = f"nprobe {min(p.nprobe, p.nlist)} of {p.nlist}" if p.index == "ivf" else f"ef {p.ef}"
    return ToolResult(
        tool="ann-recall", values=values,
        units={"recall_at_k": "fraction", "scanned_fraction": "fraction", "scanned_vectors": "vectors",
               "relevance_at_k": "fraction", "relevance_exact": "fraction", "latency_us": "us",
               "latency_exact_us": "us"},
        naive={"relevance_at_k": recall, "recall_at_k": share},
        summary=f"With {dial} the index compares {share:.2%} of the vectors and returns {recall:.3f} of the exact top "
                f"{p.k}. Of the truly nearest it returns {relevance:.3f}; exact search would return {exact:.3f}, so "
                f"the model loses {1 - exact:.3f} and the index {max(0.0, exact - relevance):.3f}.",
        formula="recall@k = |returned & exact top k| / k; IVF compares about n * nprobe / nlist vectors and nlist "
                "centroids",
        series={"dial": list(found.dial), "recall": list(found.recall), "scanned_fraction": list(found.share)},
        plot=_plot(p, found, exact),
        assumptions=["synthetic vectors in overlapping topics",
                     "latency is scanned bytes over bandwidth, no cache effects"]
        + [{"graph": "the graph has one layer, built exactly", "ivf": "cells are scanned whole, in float64"}[p.index]],
        warnings=_warnings(p, recall, exact),
    )


def _check(p: AnnRecall) -> None:
    if p.index == "ivf" and p.nlist > p.n // 2:
        raise ToolError(f"ann-recall: nlist is {p.nlist}; with {p.n} vectors it must lie between 1 and {p.n // 2}.")
    work = min(p.n, 40 * p.nlist) * p.nlist * p.d if p.index == "ivf" else p.n * p.n * p.d // 4
    if p.index == "graph" and p.n > 4_000:
        raise ToolError(f"ann-recall: a graph of {p.n} vectors is too large here; n must lie between 100 and 4000 for "
                        "a graph.")
    if work > MAX_WORK:
        raise ToolError(f"ann-recall: {work:,} multiplications are too many; make n, d or nlist smaller.")


def _ivf(p: AnnRecall, data: Vectors, table: Floats, truth: Ints, rng: np.random.Generator) -> Searched:
    """A neighbour is found once its cell is probed, so the whole curve follows from the rank of that cell."""
    index = InvertedFile.build(data.stored, p.nlist, rng)
    ranks = index.ranks(data.queries)
    needed = np.take_along_axis(ranks, index.cell[truth], axis=1)
    dial = sorted({round(p.nlist ** (i / 24)) for i in range(25)} | {min(p.nprobe, p.nlist)})
    recall = [float((needed < probes).mean()) for probes in dial]
    sizes = np.bincount(index.cell, minlength=p.nlist)
    share = [float((sizes[None, :] * (ranks < probes)).sum(axis=1).mean()) / p.n for probes in dial]
    found, compared = index.search(table, ranks, p.nprobe, p.k)
    return Searched(found, float(compared.mean()), dial, recall, share)


def _graph(p: AnnRecall, data: Vectors, truth: Ints, rng: np.random.Generator) -> Searched:
    graph = NeighbourGraph.build(data.stored, p.M, rng)
    dial = sorted({max(1, p.ef // 4), p.ef, min(2_000, p.ef * 4)})
    curve: dict[int, tuple[Ints, float]] = {}
    for ef in dial:
        found = [graph.search(data.stored, query, ef, p.k) for query in data.queries]
        rows = np.array([ids + [-1] * (p.k - len(ids)) for ids, _ in found], dtype=np.int64)
        curve[ef] = rows, sum(count for _, count in found) / len(found)
    return Searched(*curve[p.ef], dial, [overlap(curve[ef][0], truth) for ef in dial],
                    [curve[ef][1] / p.n for ef in dial])


def _scan_us(p: AnnRecall) -> float:
    """Microseconds for one vector of 4-byte components."""
    return p.d * 4 / (p.scan_GBps * 1e9) * 1e6


def _latency_us(p: AnnRecall, compared: float) -> float:
    if p.index == "graph":
        return compared * (_scan_us(p) + RANDOM_READ_NS / 1000)
    return (compared + p.nlist) * _scan_us(p)


def _plot(p: AnnRecall, found: Searched, exact: float) -> Plot:
    return Plot(title="Recall grows with what is scanned, relevance doesn't", x_label="vectors compared (fraction)",
                y_label="found (fraction)",
                log_x=True, lines=[
        Line(label=f"recall@{p.k} against exact search", x=list(found.share), y=list(found.recall)),
        Line(label="relevant among exact search's answers", x=[found.share[0], found.share[-1]],
             y=[exact, exact]),
        Line(label="a random share (naive)", x=list(found.share), y=list(found.share), dashed=True)],
        marks=[{"axis": "x", "at": found.compared / p.n, "label": f"nprobe {p.nprobe}"}])


def _warnings(p: AnnRecall, recall: float, exact: float) -> list[str]:
    found = []
    if p.index == "ivf" and p.nprobe > p.nlist:
        found.append(f"There are only {p.nlist} cells to probe.")
    if p.index == "graph" and p.ef < p.k:
        found.append(f"ef {p.ef} is below k {p.k}: at most {p.ef} results come back.")
    if p.index == "graph" and p.queries > MAX_GRAPH_QUERIES:
        found.append(f"Only {MAX_GRAPH_QUERIES} queries are walked through the graph.")
    if exact < recall:
        found.append("The embedding model loses more than the index: a better model helps, a larger dial doesn't.")
    return found
