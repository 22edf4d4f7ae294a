"""Waits in a leaky bucket used as a queue that lets one request out at a fixed interval. Knows no limit and no refusal."""

from __future__ import annotations

from typing import Any

from tools.base import Ask, Case, formula, param
from tools.simulators import arrivals


@formula("ratelimit.queue_waits", words=["leaky bucket as a queue", "lets one out every", "last one wait", "one request every"], cases=[
    Case({"trace": "40@0s", "every_s": 0.2}, {"last_s": 7.8, "longest_s": 7.8, "mean_s": 3.9}, rel=1e-9, source="39 * 0.2 s"),
    Case({"trace": "3@0s, 1@10s", "every_s": 2}, {"last_s": 0.0, "longest_s": 4.0, "mean_s": 1.5}, rel=1e-9, source="by hand: 0, 2, 4, 0"),
], asks=[
    Ask("A leaky bucket as a queue lets one request out every 250 ms, the first at once. 30 requests arrive at the same instant and "
        "none is "
        "refused. How long does the last one wait?", "last_s", 7.25),
    Ask("Leaky queue, one request goes out every 2 s: 5 requests at t=0 and 4 more at t=3 s. How long is the longest wait?", "longest_s",
        13),
])
def queue_waits(
    trace: str = param(max_length=200_000, words=["trace", "arrivals"], help="like 40@0s,20@5s"),
    every_s: float = param(gt=0, le=86_400, unit="s", words=["every", "one every", "interval", "out every", "apart"]),
) -> dict[str, Any]:
    """Waits of requests in a leaky queue that lets one out every so often, the first at once: the last one's, the longest, the mean."""
    left, waits = 0.0, list[float]()
    for at in (arrivals.parse_trace(trace).times_ms / 1_000).tolist():
        left = max(at, left + every_s) if waits else at
        waits.append(left - at)
    return {"last_s": waits[-1], "longest_s": max(waits), "mean_s": sum(waits) / len(waits)}
