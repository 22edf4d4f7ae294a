"""A reference population and five ways in which it drifts, as samples and as exact answers. Knows no test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["none", "mean", "variance", "tail", "rotation", "missingness"]
Reference = Literal["normal", "skewed", "uniform"]

TAIL_FACTOR = 5.0
"""Values of the tail shift come from a normal distribution this many times as wide."""


@dataclass(frozen=True)
class Shift:
    """How the current rows differ. Only the number that belongs to `kind` counts: `mean` in standard deviations,
    `factor` times the standard deviation, `tail` share of wide values, `correlation` rho of the two features that turns
    to -rho, `missing` share of the first feature's values."""

    kind: Kind
    mean: float = 0.0
    factor: float = 1.0
    tail: float = 0.0
    correlation: float = 0.0
    missing: float = 0.0

    @property
    def parts(self) -> list[tuple[float, float, float]]:
        """The first feature's current distribution as a mixture of (weight, mean, standard deviation)."""
        if self.kind == "mean":
            return [(1.0, self.mean, 1.0)]
        if self.kind == "variance":
            return [(1.0, 0.0, self.factor)]
        if self.kind == "tail":
            return [(1 - self.tail, 0.0, 1.0), (self.tail, 0.0, TAIL_FACTOR)]
        return [(1.0, 0.0, 1.0)]

    def cdf(self, x: Floats) -> Floats:
        """Distribution function of the current first feature."""
        from scipy.special import ndtr

        return np.asarray(sum(weight * ndtr((x - mean) / sd) for weight, mean, sd in self.parts), dtype=float)

    def density(self, x: Floats) -> Floats:
        """Density of the current first feature."""
        return np.asarray(sum(weight / (sd * math.sqrt(2 * math.pi)) * np.exp(-(((x - mean) / sd) ** 2) / 2)
                              for weight, mean, sd in self.parts), dtype=float)

    def shares(self, bins: int) -> Floats:
        """Current share in each of `bins` bins that hold equal shares of the reference."""
        from scipy.special import ndtri

        edges = self.cdf(ndtri(np.arange(1, bins) / bins))
        return np.diff(np.concatenate([[0.0], edges, [1.0]]))

    def ks_distance(self) -> float:
        """KS distance of the two populations (first feature)."""
        from scipy.special import ndtr

        if self.kind == "mean":
            return float(2 * ndtr(self.mean / 2) - 1)
        factor, weight = (self.factor, 1.0) if self.kind == "variance" else (TAIL_FACTOR, self.tail)
        if self.kind not in ("variance", "tail") or factor == 1:
            return 0.0
        crossing = factor * math.sqrt(2 * math.log(factor) / (factor**2 - 1))
        return weight * float(abs(ndtr(crossing) - ndtr(crossing / factor)))

    def best_auc(self) -> float:
        """AUC of the best classifier that tells reference rows from current ones."""
        from scipy.special import ndtr

        wide = {"variance": (1.0, self.factor), "tail": (self.tail, TAIL_FACTOR)}
        if self.kind == "mean":
            return float(ndtr(self.mean / math.sqrt(2)))
        if self.kind in wide:
            weight, factor = wide[self.kind]
            return (1 - weight) / 2 + weight * 2 / math.pi * math.atan(max(factor, 1 / factor))
        if self.kind == "rotation":
            return (1 + self.correlation) / 2
        return 0.5 + self.missing / 2 if self.kind == "missingness" else 0.5


def draw(shift: Shift, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """n reference and n current rows of two standard features, each (n, 2); a missing value is NaN. The features are
    correlated only for a rotation."""
    ref, cur = rng.standard_normal((n, 2)), rng.standard_normal((n, 2))
    if shift.kind == "mean":
        cur[:, 0] += shift.mean
    elif shift.kind == "variance":
        cur[:, 0] *= shift.factor
    elif shift.kind == "tail":
        cur[:, 0] *= np.where(rng.random(n) < shift.tail, TAIL_FACTOR, 1.0)
    elif shift.kind == "rotation":
        rest = math.sqrt(1 - shift.correlation**2)
        ref[:, 1] = shift.correlation * ref[:, 0] + rest * ref[:, 1]
        cur[:, 1] = -shift.correlation * cur[:, 0] + rest * cur[:, 1]
    elif shift.kind == "missingness":
        cur[rng.random(n) < shift.missing, 0] = np.nan
    return ref, cur


def recorded(values: Any, reference: Reference) -> Floats:
    """The values as they are, skewed by ln(1 + e^x), or uniform: how the system records them. Ranks stay."""
    from scipy.special import ndtr

    if reference == "skewed":
        return np.asarray(np.logaddexp(0.0, values), dtype=float)
    return np.asarray(ndtr(values) if reference == "uniform" else values, dtype=float)


def power_of_location(shift: Shift, reference: Reference, n: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Power of the t-test and of Mann-Whitney with n rows a side, from the normal approximation with exact moments."""
    from scipy.special import ndtr, ndtri

    reach = 9 * max(1.0, *(sd for _, _, sd in shift.parts)) + abs(shift.mean)
    x = np.linspace(-reach, reach, 4_001)
    step = x[1] - x[0]
    before, after = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) * step, shift.density(x) * step
    value = recorded(x, reference)
    critical = float(ndtri(1 - alpha / 2))

    def moments(of: Floats, weights: Floats) -> tuple[float, float]:
        mean = float((of * weights).sum())
        return mean, float((of**2 * weights).sum()) - mean**2

    def power(effect: float, spread: float, assumed: float) -> Floats:
        centre = effect * np.sqrt(n) / spread
        cut = critical * assumed / spread
        return np.asarray(ndtr(centre - cut) + ndtr(-centre - cut), dtype=float)

    (mean_0, var_0), (mean_1, var_1) = moments(value, before), moments(value, after)
    (above, var_a), (_, var_b) = moments(ndtr(x), after), moments(shift.cdf(x), before)
    location = math.sqrt(var_0 + var_1)
    return power(mean_1 - mean_0, location, location), power(above - 0.5, math.sqrt(var_a + var_b), math.sqrt(1 / 6))
