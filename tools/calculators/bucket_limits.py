"""Closed formulas of token and leaky buckets: how much passes, how long one waits. Plays no trace."""

from __future__ import annotations

import math

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.rate_limits import REFILL, RPS, SECONDS


@formula("ratelimit.token_max", unit="requests", words=["token bucket", "at most", "burst of", "let through",
        "how many requests pass", "at most pass", "full bucket", "pass in total", "in total over", "how many calls"], cases=[
    Case({"N": 100, "R_per_s": 1.6666666666666667, "T_s": 60}, {"result": 200}, rel=1e-9, source="N + R*T envelope"),
    Case({"N": 60, "R_per_s": 1, "T_s": 600, "cost": 5}, {"result": 132}, source="floor(660 / 5)"),
], asks=[Ask("Bucket size 40, refill 5 per second: how many requests at most in one minute?", "result", 340),
    Ask("At most how many requests pass a bucket of 100 tokens at 2 a second in 60 s?", "result", 220),
    Ask("A bucket of 25 tokens that refills at 10 per second, how many requests pass in half a minute at most?", "result", 325.0),
    Ask("A full token bucket of 40 tokens refills 2 per second and a call costs 4 tokens. How many calls pass in "
        "100 s at most?", "result", 60.0),
])
def token_max(
    N: float = param(ge=0, le=1e12, unit="tokens", words=["burst", "bucket", "tokens", "bucket of", "holds", "bucket size", "size",
        "capacity"]), R_per_s: float = param(**REFILL),
    T_s: float = param(words=["in", "during", "interval", "within", "over", "for"], **SECONDS),
    cost: float = param(1.0, gt=0, le=1e12, unit="count", words=["cost", "costs", "tokens each", "tokens per call", "worth"],
                        help="tokens that one request takes; above 1 only whole requests count"),
) -> float:
    """Most that a token bucket (or a leaky meter) passes in any T seconds: N + R*T, over the tokens that one costs."""
    tokens = N + R_per_s * T_s
    return tokens if cost == 1 else float(math.floor(tokens / cost + 1e-9))


@formula("ratelimit.token_wait_s", unit="s", words=["token bucket", "Retry-After", "retry after", "bucket is empty",
                                                    "wait for a token"], cases=[
    Case({"tokens": 0.5, "cost": 3, "R_per_s": 5}, {"result": 0.5}, source="arithmetic"),
], asks=[
    Ask("The bucket is empty and refills at 2 per second; a request costs 5 tokens. What should "
        "Retry-After say, in seconds?", "result", 2.5),
    Ask("An export costs 30 tokens, 6 tokens are left and the bucket refills at 3 per second. After how many "
        "seconds can it pass?", "result", 8.0),
    Ask("Retry-After for an empty bucket with a refill rate of 0.5 per second?", "result", 2.0),
])
def token_wait_s(
    tokens: float = param(0.0, ge=0, le=1e12, unit="count", words=["left", "tokens left", "remaining"]),
    cost: float = param(1.0, ge=0, le=1e12, unit="tokens", words=["cost", "needs", "costs", "takes", "worth"]),
    R_per_s: float = param(gt=0, le=1e9, unit="rps", words=["rate", "refill"]),
) -> float:
    """Seconds until a request of that cost can pass (what Retry-After should say): (cost - tokens) / R, at least 0.

    Without `tokens` the bucket is empty."""
    return max(cost - tokens, 0.0) / R_per_s


@formula("ratelimit.token_burst_s", words=["burst lasts", "runs dry", "start to reject", "run out of tokens", "until it rejects",
        "bucket lasts", "until it's empty", "until the bucket is empty", "bucket empty", "how long does the bucket last"],
    unit="s", cases=[
    Case({"N": 100, "R_per_s": 10, "offered_rps": 60}, {"result": 2.0}, source="arithmetic"),
], asks=[
    Ask("A full bucket of 300 tokens refills at 20 per second and 80 per second are offered: after how "
        "many seconds does the bucket run dry?", "result", 5.0),
    Ask("200 tokens, refill 10/s, 50 rps offered: after how many seconds does it start to reject?", "result", 5.0),
    Ask("A bucket of 1,000 tokens gets 40 new ones per second and a client sends 90 per second. How many seconds "
        "until it is empty?", "result", 20.0),
])
def token_burst_s(
    N: float = param(ge=0, le=1e12, unit="tokens", words=["burst", "bucket", "full bucket"]), R_per_s: float = param(**REFILL),
    offered_rps: float = param(**RPS),
) -> float | None:
    """How long a full bucket carries a load above its rate: N / (offered - R); None when it lasts for ever."""
    return N / (offered_rps - R_per_s) if offered_rps > R_per_s else None


@formula("ratelimit.refill_s", unit="s", words=["full again", "refilled", "until it is full", "fill up"], cases=[
    Case({"N": 100, "R_per_s": 4}, {"result": 25.0}, source="100 / 4"),
], asks=[Ask("An empty bucket of 60 tokens refills with 5 a second. How long until it is full?", "result", 12.0),
    Ask("A bucket of 500 tokens has 100 left and refills at 25 per second. How long until it is full again?", "result", 16.0),
])
def refill_s(
    N: float = param(ge=0, le=1e12, unit="tokens", words=["bucket", "bucket of", "size", "capacity"]), R_per_s: float = param(**REFILL),
    tokens: float = param(0.0, ge=0, le=1e12, unit="tokens", words=["left", "tokens left", "remaining"]),
) -> float:
    """Seconds until an idle token bucket is full again: (N - tokens) / R, at least 0."""
    return max(N - tokens, 0.0) / R_per_s


@formula("ratelimit.queue_wait_s", unit="s", words=["leaky bucket", "queue wait", "in front of me", "how long do i wait"], cases=[
    Case({"ahead": 99, "R_per_s": 1.6666666666666667}, {"result": 59.4}, rel=1e-9, source="arithmetic"),
], asks=[
    Ask("A leaky bucket drains 8 per second and 120 requests are queued ahead: how long does the next "
        "one wait, in seconds?", "result", 15.0),
    Ask("45 requests in front of me in a leaky bucket with a drain rate of 9 per second: how many seconds do I wait?", "result", 5.0),
])
def queue_wait_s(
    ahead: float = param(ge=0, le=1e12, unit="requests", words=["ahead", "in front", "queued", "queue of"]),
    R_per_s: float = param(gt=0, le=1e9, unit="rps", words=["leak rate", "drain", "rate"]),
) -> float:
    """Wait of a request in a leaky queue with that many before it: ahead / R."""
    return ahead / R_per_s


@formula("ratelimit.queue_max", words=["leaky queue", "leave the queue", "leaves the leaky bucket"],
    unit="requests", cases=[
    Case({"R_per_s": 1.6666666666666667, "T_s": 60}, {"result": 101}, source="departures are 1/R apart"),
], asks=[
    Ask("At most how many leave a leaky queue that drains 5 per second in 10 s?", "result", 51),
])
def queue_max(R_per_s: float = param(**REFILL), T_s: float = param(words=["in", "interval"], **SECONDS)) -> int:
    """Most requests that leave a leaky queue in any closed T seconds, whatever its size: floor(R*T) + 1."""
    return math.floor(round(R_per_s * T_s, 9)) + 1


@formula("ratelimit.last_wait_s", unit="s", words=["last one wait", "last of them", "last request", "at the same instant", "all at once",
                                                   "lets one out", "one request out", "arrive together", "burst waits"], cases=[
    Case({"burst": 40, "every_s": 0.2}, {"result": 7.8}, rel=1e-12, source="the first goes at once: 39 * 0.2"),
    Case({"burst": 11, "R_per_s": 5}, {"result": 2.0}, rel=1e-12, source="10 / 5"),
], asks=[
    Ask("A leaky queue lets one request out every 50 ms, the first at once. 21 requests arrive together: how many seconds does the last "
        "one wait?", "result", 1.0),
    Ask("A burst of 61 requests hits an empty leaky bucket that drains 4 per second. How long does the last one wait, in seconds?",
        "result", 15.0),
    Ask("Our leaky bucket passes a request each 0.5 s. If 10 come in all at once, after how many seconds does the last of them leave?",
        "result", 4.5),
])
def last_wait_s(
    burst: float = param(ge=1, le=1e12, unit="requests", words=["burst of", "arrive", "arrive together", "at once", "come in", "hit"]),
    every_s: float | None = param(None, gt=0, le=1e9, unit="s", words=["every", "each", "one per", "out every"]),
    R_per_s: float | None = param(None, gt=0, le=1e9, unit="rps", words=["drains", "leaks", "rate", "leak rate", "lets out", "passes"]),
) -> float:
    """Wait of the last request of a burst in an empty leaky queue whose first request leaves at once: (burst - 1) / R."""
    if (every_s is None) == (R_per_s is None):
        raise ToolError("ratelimit.last_wait_s needs either every_s or R_per_s, and not both.")
    return (burst - 1) * every_s if every_s is not None else (burst - 1) / (R_per_s or 1.0)
