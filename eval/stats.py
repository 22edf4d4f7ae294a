"""What numbers can support: intervals, paired tests and their correction; knows nothing of cases, metrics or runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
ALPHA = 0.05
RESAMPLES = 5_000
EXACT_FLIPS = 12
"""Up to this many non-zero differences all sign patterns are enumerated; 2**12 are fewer than the resamples."""

_CHUNK = 2_000_000
_TIE = 1e-12
"""Sums of floats that differ by less are the same statistic."""

Verdict = Literal["better", "worse", "no evidence"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval at 95%. `method` is wilson for proportions of 0/1 values, else bootstrap."""

    mean: float
    n: int
    low: float
    high: float
    method: Literal["wilson", "bootstrap"]


@dataclass(frozen=True)
class Paired:
    """How `after` differs from `before` on the same items: mean difference with its bootstrap interval, two-sided p.

    `test` is mcnemar (exact) when all values are 0 or 1, else sign-flip permutation.
    """

    n: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    p: float
    test: Literal["mcnemar", "permutation"]


def estimate(values: Sequence[float], seed: int = 0, *, counts: bool = False) -> Estimate:
    """Mean and 95% interval; `counts` that happen to be 0 or 1 aren't taken for a proportion.

    Raises ValueError for no values or values that aren't finite.
    """
    data = _finite(values)
    mean = float(data.mean())
    if _is_binary(data) and not counts:
        low, high = wilson(int(data.sum()), len(data))
        return Estimate(mean, len(data), low, high, "wilson")
    low, high = bootstrap_interval(values, seed)
    return Estimate(mean, len(data), low, high, "bootstrap")


def wilson(successes: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a proportion (E. B. Wilson, JASA 1927)."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / n
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At 0 and n the ends are exactly 0 and 1; rounding must not put the share outside its interval.
    return min(max((centre - spread) / scale, 0.0), share), max(min((centre + spread) / scale, 1.0), share)


def bootstrap_interval(values: Sequence[float], seed: int = 0, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of the mean over 5,000 resamples; the same values and seed give the same interval."""
    data = _finite(values)
    rng = np.random.default_rng(seed)
    size = max(1, _CHUNK // len(data))
    means = np.concatenate([
        data[rng.integers(0, len(data), (min(size, RESAMPLES - start), len(data)))].mean(axis=1)
        for start in range(0, RESAMPLES, size)
    ])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    mean = float(data.mean())
    return min(float(low), mean), max(float(high), mean)


def paired(before: Sequence[float], after: Sequence[float], seed: int = 0) -> Paired:
    """Compares two measurements of the same items, in the same order. Raises ValueError when the lengths differ."""
    if len(before) != len(after):
        raise ValueError(f"paired values must be as many before as after, not {len(before)} and {len(after)}")
    old, new = _finite(before), _finite(after)
    low, high = bootstrap_interval((new - old).tolist(), seed)
    binary = _is_binary(np.concatenate([old, new]))
    if binary:
        p = mcnemar(int(((old == 1) & (new == 0)).sum()), int(((old == 0) & (new == 1)).sum()))
    else:
        p = sign_flip((new - old).tolist(), seed)
    return Paired(len(old), float(old.mean()), float(new.mean()), float((new - old).mean()), low, high, p,
                  "mcnemar" if binary else "permutation")


def mcnemar(lost: int, won: int) -> float:
    """Exact two-sided p of McNemar's test: the discordant pairs under a fair coin."""
    n = lost + won
    tail = sum(math.comb(n, i) for i in range(min(lost, won) + 1))
    return min(1.0, 2 * tail / int(2**n))


def sign_flip(differences: Sequence[float], seed: int = 0) -> float:
    """Two-sided p of the sign-flip permutation test that the differences are symmetric around 0.

    Exact up to 12 non-zero differences; beyond that over 5,000 random patterns, the observed one included.
    """
    moved = _finite(differences)
    moved = moved[moved != 0]
    if not len(moved):
        return 1.0
    moved = moved / np.abs(moved).max()
    observed = abs(float(moved.sum())) - _TIE * len(moved)
    if len(moved) <= EXACT_FLIPS:
        patterns = (np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1
        return float((np.abs((2 * patterns - 1) @ moved) >= observed).mean())
    rng = np.random.default_rng(seed)
    size = max(1, _CHUNK // len(moved))
    as_far = sum(
        int((np.abs((2 * rng.integers(0, 2, (min(size, RESAMPLES - start), len(moved))) - 1) @ moved) >= observed).sum())
        for start in range(0, RESAMPLES, size)
    )
    return (1 + as_far) / (1 + RESAMPLES)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p-values that bound the chance of any false alarm over all of them (S. Holm, 1979), in the given order."""
    adjusted: dict[str, float] = {}
    floor = 0.0
    ranked = sorted(p_values, key=lambda name: p_values[name])
    for rank, name in enumerate(ranked):
        floor = max(floor, min(1.0, (len(ranked) - rank) * p_values[name]))
        adjusted[name] = floor
    return {name: adjusted[name] for name in p_values}


def verdict(difference: float, p: float, direction: int, alpha: float = ALPHA) -> Verdict:
    """What a difference says at level alpha; `direction` is 1 where more is better, -1 where less is."""
    if p >= alpha or difference == 0:
        return "no evidence"
    return "better" if difference * direction > 0 else "worse"


def _finite(values: Sequence[float]) -> Floats:
    data = np.asarray(values, np.float64)
    if not len(data) or not np.isfinite(data).all():
        raise ValueError("statistics need at least one value, and all of them finite")
    return data


def _is_binary(data: Floats) -> bool:
    return bool(np.isin(data, (0.0, 1.0)).all())
