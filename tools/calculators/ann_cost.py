"""Formulas of nearest-neighbour indexes: what is scanned, stored and found. Builds no index."""

from __future__ import annotations

from typing import Any

from tools.base import Ask, Case, ToolError, formula, param

_N: dict[str, Any] = {"ge": 1, "le": 1e13, "unit": "vectors", "words": ["vectors", "items", "embeddings"]}
_D: dict[str, Any] = {"ge": 1, "le": 1e6, "unit": "dimensions", "words": ["dimensions", "dim", "d"]}


@formula("ann.scanned_fraction", unit="fraction", words=["scanned", "nprobe", "share of the vectors", "how much is scanned"], cases=[
    Case({"nlist": 1024, "nprobe": 8}, {"result": 8 / 1024}, rel=1e-12, source="cells of equal size"),
    Case({"nlist": 64, "nprobe": 64}, {"result": 1.0}, source="every cell")], asks=[
    Ask("2,048 lists and 10 probes: what share of the vectors is scanned?", "result", 0.0048828),
])
def scanned_fraction(
    nlist: int = param(ge=1, le=10**9, unit="cells", words=["nlist", "cells", "lists", "clusters"]),
    nprobe: int = param(ge=1, le=10**9, unit="cells", words=["nprobe", "probes", "probe"]),
) -> float:
    """Share of the vectors that an inverted-file index compares when it probes nprobe of nlist equal cells."""
    return min(nprobe, nlist) / nlist


@formula("ann.distances", words=["distances per query", "vectors compared", "how many distances"],
    unit="distances", cases=[
    Case({"n": 1e6, "nlist": 1000, "nprobe": 10}, {"result": 11_000}, rel=1e-12,
         source="1,000 centroids + 10,000 vectors"),
    Case({"n": 1e6, "nlist": 1, "nprobe": 1}, {"result": 1_000_001}, rel=1e-12, source="brute force and one centroid")], asks=[
    Ask("2M vectors in 4,096 cells with nprobe 32: how many distances per query?", "result", 19721.0),
])
def distances(
    n: float = param(**_N), nlist: int = param(ge=1, le=10**9, unit="cells", words=["nlist", "cells"]),
    nprobe: int = param(ge=1, le=10**9, unit="cells", words=["nprobe", "probes"]),
) -> float:
    """Distances computed for one query: the centroids and the vectors of the probed cells."""
    return nlist + n * min(nprobe, nlist) / nlist


@formula("ann.best_nlist", words=["best nlist", "how many cells", "how many lists"],
    unit="cells", cases=[
    Case({"n": 1e6, "nprobe": 1}, {"result": 1000}, rel=1e-12, source="sqrt(n)")], asks=[
    Ask("Best nlist for 4 million vectors at an nprobe of 1?", "result", 2000.0),
])
def best_nlist(n: float = param(**_N), nprobe: int = param(1, ge=1, le=10**6, unit="cells", words=["nprobe"])) -> float:
    """Number of cells that minimises nlist + nprobe * n / nlist: sqrt(nprobe * n). Recall isn't considered."""
    return float((nprobe * n) ** 0.5)


@formula("ann.memory_GB", unit="GB", words=["vector memory", "vectors", "embeddings", "float32"], cases=[
    Case({"n": 1e9, "d": 128}, {"result": 512}, rel=1e-12, source="1e9 * 128 * 4 B"),
    Case({"n": 1e9, "d": 768, "bytes_per_component": 1}, {"result": 768}, rel=1e-12, source="int8")],
    asks=[Ask("25M embeddings of 384 dims as float32: how many GB?", "result", 38.4),
    Ask("How many GB do 100 million vectors of 768 dimensions take?", "result", 307.2)])
def memory_GB(
    n: float = param(**_N), d: int = param(**_D),
    bytes_per_component: float = param(4.0, ge=0.125, le=8, unit="bytes", words=["bytes per component", "bytes each"]),
) -> float:
    """Raw vectors in decimal GB: n * d * bytes (4 for float32)."""
    return n * d * bytes_per_component / 1e9


@formula("ann.hnsw_memory_GB", words=["hnsw memory", "hnsw graph", "hnsw index"],
    unit="GB", cases=[
    Case({"n": 1e6, "d": 128, "M": 16}, {"result": 0.64}, rel=1e-12, source="1e6 * (512 + 2*16*4) B")], asks=[
    Ask("HNSW index of 5 million vectors with 256 dims and M=32: how much memory in GB?", "result", 6.4),
])
def hnsw_memory_GB(
    n: float = param(**_N), d: int = param(**_D), M: int = param(16, ge=2, le=1_000, unit="links",
                                                                 words=["M", "links"]),
) -> float:
    """Vectors and bottom-layer links of an HNSW graph in GB: n * (4 d + 8 M) bytes; upper layers add a few percent."""
    return n * (4 * d + 8 * M) / 1e9


@formula("ann.pq_bytes", words=["product quantisation", "pq code", "bytes per code"],
    unit="bytes", cases=[
    Case({"m": 16, "bits": 8}, {"result": 16}, source="16 sub-vectors of 8 bits"),
    Case({"m": 12, "bits": 4}, {"result": 6}, source="48 bits")], asks=[
    Ask("Product quantisation with 48 sub-vectors of 8 bits: bytes per code?", "result", 48),
])
def pq_bytes(
    m: int = param(ge=1, le=4_096, unit="count", words=["subquantizers", "sub-vectors", "m"]),
    bits: int = param(8, ge=1, le=16, words=["bits"]),
) -> int:
    """Bytes of one product-quantised code, rounded up: m * bits / 8."""
    return -(-m * bits // 8)


@formula("ann.recall_at_k", unit="fraction", words=["recall"], cases=[
    Case({"found": [1, 2, 3, 9], "truth": [1, 2, 3, 4]}, {"result": 0.75}, rel=1e-12, source="3 of 4"),
    Case({"found": [4, 3, 2, 1], "truth": [1, 2, 3, 4]}, {"result": 1.0}, source="order doesn't count")])
def recall_at_k(
    found: list[int] = param(max_length=100_000, words=["found", "returned"]),
    truth: list[int] = param(min_length=1, max_length=100_000, words=["truth", "exact neighbours"]),
) -> float:
    """Share of the exact nearest neighbours that the index returned."""
    if len(set(truth)) < len(truth):
        raise ToolError("ann.recall_at_k: truth names a neighbour twice; give distinct ids.")
    return len(set(found) & set(truth)) / len(truth)
