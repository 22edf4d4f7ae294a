"""Gaussian process regression with zero mean and a fixed kernel: posterior and likelihood; fits no hyperparameter."""

from __future__ import annotations

import math
from typing import Any, Literal

from tools.base import Case, ToolError, formula, param

Kernel = Literal["rbf", "matern32", "matern52"]
Points = list[float] | list[list[float]]

JITTER = 1e-10
"""Added to the kernel's diagonal, as scikit-learn does."""

_X = param(min_length=1, max_length=300, words=["points", "X", "observed at"])
_Y = param(min_length=1, max_length=300, words=["values", "y", "observed"])
_XS = param(min_length=1, max_length=5_000, words=["queries", "new points", "predict at"])
_L: dict[str, Any] = {"ge": 1e-9, "le": 1e9, "unit": "count", "words": ["length scale", "length"]}
_NOISE: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "count", "words": ["noise", "noise variance"]}
_AMPLITUDE: dict[str, Any] = {"gt": 0, "le": 1e9, "unit": "count", "words": ["amplitude", "signal variance"]}
_KERNEL = param("rbf", words=["kernel"])
_TWO: dict[str, Any] = {"X": [0, 1], "y": [0, 1], "rbf_l": 1}


@formula("hpo.gp_posterior", cases=[
    Case(_TWO | {"xs": [0.5, 2], "out": "mu,mu,sd,sd"}, {"result": [0.549318, 0.829661, 0.174518, 0.739305]}, abs=1e-5,
         source="closed form; scikit-learn's GaussianProcessRegressor agrees"),
    Case(_TWO | {"xs": [0, 1]}, {"result": [0.0, 1.0, 0.0, 0.0]}, abs=1e-7, source="without noise it passes through the points"),
])
def gp_posterior(
    X: Points = _X, y: list[float] = _Y, rbf_l: float = param(1.0, **_L), xs: Points = _XS,
    noise: float = param(0.0, **_NOISE), amplitude: float = param(1.0, **_AMPLITUDE), kernel: Kernel = _KERNEL,
    out: str = param("", max_length=200),
) -> list[float]:
    """Posterior of a zero-mean Gaussian process (length scale rbf_l) at xs: all means, then all standard deviations.
    `noise` and `amplitude` are variances."""
    mean, deviation = posterior(X, y, xs, rbf_l, noise, amplitude, kernel)
    return [*(float(each) for each in mean), *(float(each) for each in deviation)]


@formula("hpo.gp_log_likelihood", cases=[
    Case(_TWO, {"result": -2.399528}, abs=1e-6, source="-(y'K^-1 y + ln|K| + n ln 2 pi) / 2"),
])
def gp_log_likelihood(
    X: Points = _X, y: list[float] = _Y, rbf_l: float = param(1.0, **_L), noise: float = param(0.0, **_NOISE),
    amplitude: float = param(1.0, **_AMPLITUDE), kernel: Kernel = _KERNEL,
) -> float:
    """Log marginal likelihood of the observations, by which length scales are compared."""
    import numpy as np

    lower, weights = _solve(_matrix(X), np.asarray(y, dtype=float), rbf_l, noise, amplitude, kernel)
    return float(-0.5 * np.dot(y, weights) - np.log(np.diag(lower)).sum() - len(y) / 2 * math.log(2 * math.pi))


@formula("hpo.gp_kernel", cases=[
    Case({"distance": 1, "length": 1}, {"result": 0.606531}, abs=1e-6, source="exp(-1/2)"),
    Case({"distance": 1, "length": 1, "kernel": "matern52"}, {"result": 0.523994}, abs=1e-6,
         source="(1 + sqrt5 + 5/3) exp(-sqrt5)"),
])
def gp_kernel(
    distance: float = param(ge=0, le=1e12, unit="count", words=["distance", "apart"]), length: float = param(1.0, **_L),
    kernel: Kernel = _KERNEL,
) -> float:
    """Correlation of the function's values at two points of a given distance."""
    import numpy as np

    return float(correlation(np.array(distance / length), kernel))


def posterior(
    X: Points, y: list[float], xs: Points, length: float, noise: float, amplitude: float, kernel: Kernel,
) -> tuple[Any, Any]:
    """Mean and standard deviation at xs as arrays. Raises ToolError when lengths differ or points coincide without
    noise."""
    import numpy as np

    known, asked, values = _matrix(X), _matrix(xs), np.asarray(y, dtype=float)
    if len(known) != len(values) or known.shape[1] != asked.shape[1]:
        raise ToolError(f"hpo.gp_posterior: X has {len(known)} points of {known.shape[1]} coordinates, y {len(values)} "
                        f"values, xs points of {asked.shape[1]}; each point needs a value and all the same "
                        f"coordinates.")
    lower, weights = _solve(known, values, length, noise, amplitude, kernel)
    cross = amplitude * correlation(_distances(known, asked) / length, kernel)
    half = np.linalg.solve(lower, cross)
    variance = np.maximum(amplitude - (half**2).sum(axis=0), 0.0)
    return cross.T @ weights, np.sqrt(variance)


def correlation(scaled: Any, kernel: Kernel) -> Any:
    """Kernel of unit variance at distances in units of the length scale (array in, array out)."""
    import numpy as np

    if kernel == "rbf":
        return np.exp(-0.5 * scaled**2)
    root = math.sqrt(3 if kernel == "matern32" else 5) * scaled
    return (1 + root + (root**2 / 3 if kernel == "matern52" else 0)) * np.exp(-root)


def _solve(known: Any, values: Any, length: float, noise: float, amplitude: float, kernel: Kernel) -> tuple[Any, Any]:
    """Cholesky factor of the observations' covariance, and its inverse times the values."""
    import numpy as np

    if len(known) != len(values):
        raise ToolError(f"hpo.gp: X has {len(known)} points but y {len(values)} values; each point needs one.")
    covariance = amplitude * correlation(_distances(known, known) / length, kernel)
    covariance += noise * np.eye(len(known))
    try:
        lower = _factor(covariance, amplitude)
    except np.linalg.LinAlgError:
        raise ToolError("hpo.gp: the points lie too close together for this length scale; add noise or shorten "
                        "it.") from None
    return lower, np.linalg.solve(lower.T, np.linalg.solve(lower, values))


def _factor(covariance: Any, amplitude: float) -> Any:
    """Cholesky factor, with JITTER on the diagonal only where the covariance is as good as singular: between well separated
    points without noise the posterior is then exactly what was observed. Raises LinAlgError."""
    import numpy as np

    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        lower = np.zeros_like(covariance)
    if np.diag(lower).min() ** 2 > 1e3 * JITTER * amplitude:
        return lower
    return np.linalg.cholesky(covariance + JITTER * amplitude * np.eye(len(covariance)))


def _matrix(points: Points) -> Any:
    """Points as rows. Raises ToolError when they differ in their number of coordinates."""
    import numpy as np

    rows = [each if isinstance(each, list) else [each] for each in points]
    if len({len(each) for each in rows}) != 1 or not rows[0]:
        raise ToolError("hpo.gp: all points need the same number of coordinates, at least one.")
    return np.array(rows, dtype=float)


def _distances(left: Any, right: Any) -> Any:
    import numpy as np

    return np.sqrt(((left[:, None, :] - right[None, :, :]) ** 2).sum(axis=2))
