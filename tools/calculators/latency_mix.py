"""A leaf's latency as a mix of a fast body and rare pauses, with hedged and tied copies. Knows no queue and no load."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Body = Literal["exponential", "lognormal"]


@dataclass(frozen=True)
class LatencyMix:
    """A share `p_slow` takes exactly `slow_ms`; the others are exponential or lognormal with mean `fast_ms`. `sigma` is
    the standard deviation of the lognormal body's logarithm."""

    fast_ms: float
    p_slow: float
    slow_ms: float
    body: Body = "exponential"
    sigma: float = 0.5

    def beyond(self, t_ms: float) -> float:
        """Probability that one copy takes longer than t_ms."""
        if t_ms < 0:
            return 1.0
        return (1 - self.p_slow) * self._body_beyond(t_ms) + (self.p_slow if t_ms < self.slow_ms else 0.0)

    def both_beyond(self, t_ms: float, delay_ms: float, correlation: float) -> float:
        """Probability that neither of two copies has answered by t_ms, the second sent after delay_ms. With probability
        `correlation` what made the first slow makes the second just as slow."""
        first = self.beyond(t_ms)
        return first * (correlation + (1 - correlation) * self.beyond(t_ms - delay_ms))

    def quantile_ms(self, q: float) -> float:
        return crossing(self.beyond, 1 - q, self.fast_ms)

    def fast_quantile_ms(self, u: float) -> float:
        """The body's quantile without the pauses, 0 < u < 1."""
        if self.body == "exponential":
            return -self.fast_ms * math.log1p(-u)
        from statistics import NormalDist

        return math.exp(self._mu + self.sigma * NormalDist().inv_cdf(u))

    @property
    def mean_ms(self) -> float:
        return (1 - self.p_slow) * self.fast_ms + self.p_slow * self.slow_ms

    @property
    def _mu(self) -> float:
        return math.log(self.fast_ms) - self.sigma**2 / 2

    def _body_beyond(self, t_ms: float) -> float:
        if self.body == "exponential":
            return math.exp(-t_ms / self.fast_ms)
        return 0.5 * math.erfc((math.log(t_ms) - self._mu) / (self.sigma * math.sqrt(2))) if t_ms > 0 else 1.0


def crossing(beyond: Callable[[float], float], share: float, scale_ms: float) -> float:
    """The smallest time at which a falling tail is at most `share`, found by doubling and bisection to the last bit."""
    share *= 1 - 1e-12  # a tail that only approaches `share`, because just that many are slow, hasn't reached it
    low, high = 0.0, scale_ms
    while beyond(high) > share:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if beyond(middle) > share else (low, middle)
    return high


def leaf_share(root_quantile: float, fan_out: int) -> float:
    """The share of leaves that may be later for the slowest of `fan_out` leaves to keep a quantile: 1 - q^(1/n)."""
    return -math.expm1(math.log(root_quantile) / fan_out)
