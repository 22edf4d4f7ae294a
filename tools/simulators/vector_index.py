"""Two small nearest-neighbour indexes in numpy: inverted file and neighbour graph. Knows distances, not what they
mean."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Vectors:
    """`latent` is what matters, `stored` is what an embedding model made of it; the same for the queries. Shapes (n, d)
    and (queries, d)."""

    latent: Floats
    stored: Floats
    latent_queries: Floats
    queries: Floats


def make_vectors(n: int, d: int, queries: int, groups: int, noise: float, rng: np.random.Generator) -> Vectors:
    """Points in overlapping groups. `noise` is the model's error in units of the spread within a group."""
    centres = rng.normal(size=(groups, d))
    latent = centres[rng.integers(groups, size=n)] + rng.normal(size=(n, d))
    asked = centres[rng.integers(groups, size=queries)] + rng.normal(size=(queries, d))
    return Vectors(latent, latent + noise * rng.normal(size=(n, d)), asked,
                   asked + noise * rng.normal(size=(queries, d)))


def distances(queries: Floats, points: Floats) -> Floats:
    """Squared distances (queries, points), without the queries' own norms, which change no order."""
    return np.asarray((points**2).sum(axis=1)[None, :] - 2 * queries @ points.T)


def nearest(table: Floats, k: int) -> Ints:
    """The k smallest of each row, in order; equal values by index."""
    some = np.sort(np.argpartition(table, k - 1, axis=1)[:, :k], axis=1) if k < table.shape[1] else (
        np.tile(np.arange(table.shape[1]), (len(table), 1)))
    order = np.argsort(np.take_along_axis(table, some, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(some, order, axis=1)[:, :k])


def overlap(found: Ints, truth: Ints) -> float:
    """Mean share of each row of `truth` that `found` has in the same row; -1 in `found` is nothing."""
    return float((found[:, :, None] == truth[:, None, :]).any(axis=1).mean())


@dataclass(frozen=True)
class InvertedFile:
    """Cells of k-means. `cell` (n,) says in which cell a point is."""

    centroids: Floats
    cell: Ints

    @staticmethod
    def build(points: Floats, nlist: int, rng: np.random.Generator, rounds: int = 5) -> InvertedFile:
        """Lloyd's algorithm on at most 40 points a cell; an empty cell takes a random point."""
        sample = points[rng.permutation(len(points))[: 40 * nlist]]
        centroids = sample[:nlist].copy()
        for _ in range(rounds):
            own = distances(sample, centroids).argmin(axis=1)
            counts = np.bincount(own, minlength=nlist)
            order = np.argsort(own, kind="stable")
            filled = np.flatnonzero(counts)
            starts = np.concatenate([[0], np.cumsum(counts)[:-1]])[filled]
            centroids[filled] = np.add.reduceat(sample[order], starts, axis=0) / counts[filled, None]
            empty = np.flatnonzero(counts == 0)
            centroids[empty] = sample[rng.integers(len(sample), size=len(empty))]
        return InvertedFile(centroids, distances(points, centroids).argmin(axis=1))

    def ranks(self, queries: Floats) -> Ints:
        """(queries, nlist): at which probe each cell is scanned, from 0."""
        order = np.argsort(distances(queries, self.centroids), axis=1, kind="stable")
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(order.shape[1])[None, :].repeat(len(order), axis=0), axis=1)
        return ranks

    def search(self, table: Floats, ranks: Ints, nprobe: int, k: int) -> tuple[Ints, Ints]:
        """Best k among the probed cells (-1 where there are fewer), and how many points each query compared."""
        open_cells = ranks[:, self.cell] < nprobe
        found = nearest(np.where(open_cells, table, np.inf), k)
        return np.where(np.take_along_axis(open_cells, found, axis=1), found, -1), open_cells.sum(axis=1)


@dataclass(frozen=True)
class NeighbourGraph:
    """Each point linked to its nearest and a few random points, both ways: one flat layer of what HNSW builds."""

    links: list[Ints]
    entry: int

    @staticmethod
    def build(points: Floats, m: int, rng: np.random.Generator) -> NeighbourGraph:
        near = np.concatenate([_others(points, start, min(start + 500, len(points)),
                                       m) for start in range(0, len(points), 500)])
        far = rng.integers(len(points), size=(len(points), 2))
        ring = (np.arange(len(points)) + 1)[:, None] % len(points)  # a ring keeps the graph in one piece
        to = np.concatenate([near, far, ring], axis=1)
        pairs = np.stack([np.arange(len(points)).repeat(to.shape[1]), to.ravel()])
        pairs = np.concatenate([pairs, pairs[::-1]], axis=1)[:, np.tile(pairs[0] != pairs[1], 2)]
        start, end = np.divmod(np.unique(pairs[0] * len(points) + pairs[1]), len(points))
        links = np.split(end, np.searchsorted(start, np.arange(1, len(points))))
        middle = int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin())
        return NeighbourGraph(links, middle)

    def search(self, points: Floats, query: Floats, ef: int, k: int) -> tuple[list[int], int]:
        """Best-first search that keeps the `ef` best seen: the k best of them and the number of points compared."""
        seen = np.zeros(len(points), dtype=bool)
        seen[self.entry] = True
        start = float(((points[self.entry] - query) ** 2).sum())
        candidates, best = [(start, self.entry)], [(-start, self.entry)]
        compared = 1
        while candidates:
            distance, at = heapq.heappop(candidates)
            if len(best) >= ef and distance > -best[0][0]:
                break
            new = self.links[at][~seen[self.links[at]]]
            seen[new] = True
            compared += len(new)
            for value, each in zip(((points[new] - query) ** 2).sum(axis=1).tolist(), new.tolist(), strict=True):
                if len(best) < ef or value < -best[0][0]:
                    heapq.heappush(candidates, (value, each))
                    heapq.heappush(best, (-value, each))
                    if len(best) > ef:
                        heapq.heappop(best)
        return [each for _, each in sorted((-value, each) for value, each in best)[:k]], compared


def _others(points: Floats, start: int, end: int, m: int) -> Ints:
    """The m nearest other points of each of the points from start to end."""
    table = distances(points[start:end], points)
    table[np.arange(end - start), np.arange(start, end)] = np.inf
    return nearest(table, min(m, len(points) - 1))
