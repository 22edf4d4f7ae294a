"""The limiter race: one stream of requests through every rate limiter at once. Knows no limiter's inner workings."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, outputs, param, tool
from tools.simulators import arrivals, limiters
from tools.simulators.limiters import Bools, Ints

NAMES = {
    "fixed-aligned": "fixed window on the clock", "fixed-from-first": "fixed window from the first hit",
    "sliding-log": "sliding log", "sliding-counter": "sliding counter", "token-bucket": "token bucket",
    "leaky-meter": "leaky bucket as a meter", "leaky-queue": "leaky bucket as a queue",
}
_STATE_BYTES = {"fixed-aligned": 16, "fixed-from-first": 16, "sliding-log": 0, "sliding-counter": 24,
                "token-bucket": 16, "leaky-meter": 16, "leaky-queue": 16}
_NOTES = {"trace": "100@59s,100@61s"}
_CLOUDFLARE = "Cloudflare blog, 7 June 2017, field measurement over 400 million requests of 270,000 sources"


@formula("ratelimit.counter_field_error", cases=[
    Case({}, {"wrong_percent": 0.003, "mean_rate_difference_percent": 6, "false_negatives": 3, "false_positives": 0},
         source=_CLOUDFLARE, shown=True),
])
def counter_field_error(
    out: str = outputs(wrong="wrong|percent of|requests", mean_rate_difference="difference|mean", false_negatives="negative",
                       false_positives="positive"),
) -> dict[str, float]:
    """Measured error of a sliding-window counter in production: requests decided wrongly in percent, mean difference of the
    rate in percent, sources over the limit that passed (none by 15% or more), sources below it that were blocked."""
    return {"wrong_percent": 0.003, "mean_rate_difference_percent": 6, "false_negatives": 3, "false_positives": 0}


class Race(Params):
    algorithm: Literal["fixed-aligned", "fixed-from-first", "sliding-log", "sliding-counter", "token-bucket",
                       "leaky-meter", "leaky-queue"] = param(
        "fixed-aligned", words=["algorithm", "limiter", "strategy"], help="the one that the headline is about")
    limit: int = param(100, ge=1, le=1_000_000, unit="requests",
                       words=["limit", "allowed", "quota", "per window", "per minute", "at most"])
    window_s: float = param(60.0, ge=0.001, le=86_400, unit="s", words=["window", "per", "period", "interval"])
    burst: int = param(0, ge=0, le=1_000_000, unit="tokens", help="bucket size N; 0 means the limit",
                       words=["burst", "bucket", "tokens", "capacity", "bucket size", "queue", "room for"])
    rate_per_s: float = param(0.0, ge=0, le=1e6, unit="rps", help="refill or leak rate R; 0 means limit / window",
                              words=["refill", "leak rate", "drain", "refilled", "leaks", "tokens per second", "token"])
    traffic: Literal["trace", "steady", "burst", "poisson", "adversarial"] = param(
        "trace", words=["traffic", "arrivals", "pattern", "client"])
    trace: str = param("100@59s,100@61s", max_length=200_000, words=["trace", "requests arrive", "arrive at"],
                       help="COUNT@TIME entries, used when traffic is trace")
    offered_rps: float = param(5.0, ge=0, le=1e6, unit="rps", help="for steady and poisson traffic",
                               words=["traffic of", "offered", "arrive at", "load", "requests per second"])
    duration_s: float = param(180.0, ge=0.001, le=2_592_000, unit="s", words=["duration", "for", "lasting", "run"])
    burst_size: int = param(200, ge=1, le=1_000_000, unit="requests", help="for burst traffic",
                            words=["bursts of", "burst size", "at once", "spike"])
    burst_every_s: float = param(60.0, ge=0.001, le=86_400, unit="s", words=["every", "bursts every"])
    lead_s: float = param(1.0, ge=0.001, le=86_400, unit="s", words=["before the boundary", "before the window"],
                          help="how long before a window's end the adversarial burst comes")
    cost: int = param(1, ge=1, le=1_000, unit="tokens", words=["cost", "weight", "each request costs"])
    entry_bytes: int = param(8, ge=1, le=1_000, unit="bytes", help="one timestamp of the log, or one queued request",
                             words=["bytes per timestamp", "timestamp", "entry"])


@dataclass(frozen=True)
class Lane:
    """What one limiter did. `leaves` is when admitted requests pass on, in 1/`scale` ms."""

    allowed: Bools
    leaves: Ints
    weights: Ints
    scale: int
    longest_wait_s: float
    mean_wait_s: float
    worst_window: int
    envelope: int
    memory_bytes: int


@tool("limiter-race", group="B", kind="simulator", example={"traffic": "adversarial", "algorithm": "sliding-counter"},
      words=["rate limiter", "rate limit", "token bucket", "leaky bucket", "sliding window", "sliding log",
             "fixed window", "throttle", "boundary burst", "simulate a limiter"],
      cases=[
          Case(_NOTES, {"admitted": 200, "worst_window": 200, "admitted_fixed_from_first": 100,
                        "admitted_sliding_log": 100, "admitted_sliding_counter": 102, "admitted_token_bucket": 103,
                        "admitted_leaky_meter": 103, "admitted_leaky_queue": 103}, source="algorithm definitions"),
          Case({"trace": "1@0,99@59.9,100@60.1"}, {"admitted_fixed_from_first": 200, "admitted_sliding_log": 101},
               source="limits 5.8.0 FixedWindow 200, MovingWindow 101"),
          Case({"traffic": "adversarial"}, {"worst_sliding_counter": 199, "worst_sliding_log": 100,
                                            "worst_fixed_aligned": 200, "worst_token_bucket": 200, "envelope": 200},
               source="algorithm definitions; token envelope N + R*T = 200"),
          Case({"traffic": "adversarial", "lead_s": 0.5}, {"worst_sliding_counter": 200}, source="definition"),
          Case({"algorithm": "sliding-counter"}, {"wrongly_decided_fraction": 0.00003, "mean_rate_difference": 0.06,
                                                  "false_negative_sources": 3, "false_positive_sources": 0},
               source=_CLOUDFLARE, shown=True),
      ],
      asks=[
          Ask("Limit 100 per minute in a fixed window aligned to the clock: 100 requests at 0:59 and 100 at 1:01, how "
              "many get through?", "admitted_fixed_aligned", 200),
          Ask("A token bucket is limited to 100 per 60 s and the trace is 100@59s,100@61s. How many requests does it "
              "admit?", "admitted_token_bucket", 103),
          Ask("What does an adversarial client get through a sliding window counter of 100 per 60 s in its worst "
              "rolling window?", "worst_sliding_counter", 199),
          Ask("Bursts of 300 every 60 s hit a token bucket with a burst of 50 and a limit of 100 for 180 s: how many "
              "pass?", "admitted_token_bucket", 150),
          Ask("Steady traffic of 20 rps against a limit of 600 per 60 s: how many bytes of timestamps does the sliding "
              "log keep?", "memory_bytes_sliding_log", 4_800),
          Ask("How long does the last request wait in a leaky bucket queue with a limit of 100 per minute?",
              "longest_wait_s_leaky_queue", 59.4),
          Ask("Sliding log limiter of 4 per 10 seconds, only accepted requests are recorded. Hits at 0.5, 1, 2.5, 2.7, 6, 10.6 and 12 "
              "s: how "
              "many are accepted?", "admitted_sliding_log", 6),
          Ask("Token bucket that holds 60, refills at 30 a minute and is full. 60 requests come at second 40 and another 50 at second "
              "60: how "
              "many get through?", "admitted_token_bucket", 70),
      ])
def limiter_race(p: Race, seed: int) -> ToolResult:
    """Sends one stream of requests through seven rate limiters and shows what each lets pass in its worst window.

    The limiters: a fixed window on the clock, the same opened by the first request, a log of timestamps, a counter that
    weighs the previous window by its overlap, a token bucket (N tokens, R a second), and the leaky bucket in its two
    meanings, a meter and a queue. Time is in whole milliseconds, buckets in exact fractions; `worst_window` is the most
    that passed in any closed interval of one window's length, and `envelope` the most that the algorithm can ever let
    pass there. Traffic is a trace (`100@59s,100@1:01,60@0..60s x2`), steady, bursts, Poisson, or an adversary who sends
    the limit `lead_s` before a boundary and then takes every place as it comes free, with a quiet window after it.

    People get wrong:
    - "100 a minute" holds in every minute: the fixed window on the clock lets 200 pass within two seconds.
    - A fixed window that opens at the first hit is no cure: of 1@0,99@59.9,100@60.1 it admits all, 199 within 0.2 s.
    - "The sliding counter has no 2x": short bursts no, but 199 pass in a rolling minute when the burst comes 1 s before
      the boundary. Nor is 199 the ceiling: a burst within the last window/limit seconds gives 200.
    - "Leaky bucket = token bucket": as a meter it is the token bucket upside down (same decisions); as a queue it
      admits the same requests but makes them wait and never emits a burst.
    - The log is exact and costs memory: 10,000 requests/s allowed for a minute are 600,000 timestamps for one client.

    Sources: the algorithms' definitions; the `limits` library 5.8.0 agrees on the first-hit window and both sliding
    limiters (but its fixed window also charges refused requests, which matters when they are weighted); the counter's
    estimate is the one in Cloudflare's post of 2017, whose field error (0.003% of requests) is a measurement of their
    traffic, shown and not reproduced.

    >>> race = limiter_race(Race(trace="100@59s,100@61s"), 0).values
    >>> race["admitted_fixed_aligned"], race["admitted_sliding_log"], race["admitted_token_bucket"]
    (200, 100, 103)
    """
    stream = _stream(p, seed)
    window_ms = max(round(p.window_s * 1_000), 1)
    rate = bucket_rate(p.rate_per_s, p.limit, window_ms)
    lanes = run_lanes(stream.times_ms, stream.costs, p.limit, window_ms, p.burst or p.limit, rate, p.entry_bytes)
    lane, name = lanes[p.algorithm], NAMES[p.algorithm]
    passed = int(lane.allowed.sum())
    values: dict[str, Any] = {
        "offered": len(stream), "admitted": passed, "refused": len(stream) - passed, "worst_window": lane.worst_window,
        "envelope": lane.envelope, "memory_bytes": lane.memory_bytes, "longest_wait_s": lane.longest_wait_s,
        "mean_wait_s": lane.mean_wait_s}
    for key, each in lanes.items():
        suffix = key.replace("-", "_")
        values |= {f"admitted_{suffix}": int(each.allowed.sum()), f"worst_{suffix}": each.worst_window,
                   f"memory_bytes_{suffix}": each.memory_bytes}
    values["longest_wait_s_leaky_queue"] = lanes["leaky-queue"].longest_wait_s
    return ToolResult(
        tool="limiter-race", values=values, units={key: _unit(key) for key in values},
        naive={"worst_window": p.limit, "longest_wait_s": 0.0},
        summary=f"The {name} admits {passed:,} of {len(stream):,} requests; {_cost(lane.worst_window, p)} pass in its "
        f"worst {p.window_s:g} s, where \"{p.limit:,} per {p.window_s:g} s\" promises {p.limit:,} (it could be up to "
        f"{lane.envelope:,})." + (f" The longest wait is {lane.longest_wait_s:.3g} s." if lane.longest_wait_s else ""),
        formula="worst any window: fixed 2L, log L, counter 2L, token bucket and meter N + R*T, queue R*T + 1 leaving; "
                "counter: floor(prev*(W-elapsed)/W) + curr + cost <= L",
        series=_raster(stream, lanes), plot=_plot(p, stream, lanes, window_ms),
        assumptions=["buckets start full of tokens (or empty of water)", "a refused request consumes nothing",
                     "windows are [k*W, (k+1)*W); a log entry exactly W old still counts",
                     "leaky queue: a request occupies the bucket until 1/R after it leaves"],
        warnings=_warnings(p, stream, lanes),
    )


def run_lanes(times: Ints, costs: Ints, limit: int, window_ms: int, burst: int, per_ms: Fraction, entry_bytes: int = 8,
              ) -> dict[str, Lane]:
    """Every limiter over the same arrivals, by name; `per_ms` is the buckets' rate in cost a millisecond."""
    queued, departures = limiters.leaky_queue(times, costs, burst, per_ms)
    allowed = {
        "fixed-aligned": limiters.fixed_aligned(times, costs, limit, window_ms),
        "fixed-from-first": limiters.fixed_from_first(times, costs, limit, window_ms),
        "sliding-log": limiters.sliding_log(times, costs, limit, window_ms),
        "sliding-counter": limiters.sliding_counter(times, costs, limit, window_ms),
        "token-bucket": limiters.token_bucket(times, costs, burst, per_ms),
        "leaky-meter": queued, "leaky-queue": queued}  # a meter decides like the queue and lets pass at once
    bucket = burst + int(per_ms * window_ms)
    dearest = int(costs.max()) if len(costs) else 1
    envelope = {"fixed-aligned": 2 * limit, "fixed-from-first": 2 * limit, "sliding-log": limit,
                "sliding-counter": 2 * limit, "token-bucket": bucket, "leaky-meter": bucket,
                "leaky-queue": int(per_ms * window_ms) + dearest}
    lanes = {}
    for name, flags in allowed.items():
        queue = name == "leaky-queue"
        scale = per_ms.numerator if queue else 1
        came, weights = times[flags], costs[flags]
        leaves = departures if queue else came
        entries = 0
        if name == "sliding-log":
            entries = limiters.worst_window(came, np.ones_like(came), window_ms)
        elif queue and len(came):
            entries = int((np.arange(1, len(came) + 1) - np.searchsorted(leaves, came * scale, side="right")).max())
        waited = (leaves - came * scale) / (scale * 1_000) if queue and len(came) else np.zeros(1)
        lanes[name] = Lane(flags, leaves, weights, scale, round(float(waited.max()), 6), round(float(waited.mean()), 6),
                           limiters.worst_window(leaves, weights, window_ms * scale), envelope[name],
                           _STATE_BYTES[name] + entries * entry_bytes)
    return lanes


def bucket_rate(per_s: float, limit: int, window_ms: int) -> Fraction:
    """A bucket's rate in cost a millisecond, exact; 0 means limit / window. Its terms are small enough for 64-bit
    arithmetic over 30 days. Raises ToolError below 0.00001 a second."""
    if not per_s:
        return Fraction(limit, window_ms)
    if per_s < 1e-5:
        raise ToolError(f"The bucket's rate is {per_s:g} a second; it must be 0 (limit / window) or at least 0.00001.")
    return Fraction(per_s).limit_denominator(1_000_000 if per_s < 1_000 else 1_000) / 1_000


def _stream(p: Race, seed: int) -> arrivals.Arrivals:
    if p.traffic == "trace":
        stream = arrivals.parse_trace(p.trace)
    elif p.traffic == "steady":
        stream = arrivals.steady(p.offered_rps, p.duration_s)
    elif p.traffic == "poisson":
        stream = arrivals.poisson(p.offered_rps, p.duration_s, seed)
    elif p.traffic == "burst":
        stream = arrivals.bursts(p.burst_size, p.burst_every_s, p.duration_s)
    else:
        stream = arrivals.adversarial(p.limit, max(round(p.window_s * 1_000), 1), round(p.lead_s * 1_000),
                                      round(p.duration_s * 1_000))
    return arrivals.Arrivals(stream.times_ms, stream.costs * p.cost)


def _raster(stream: arrivals.Arrivals, lanes: dict[str, Lane]) -> dict[str, list[Any]]:
    """Offered and admitted requests by arrival time, one row a distinct time or, beyond 400 of them, one a bin."""
    times = stream.times_ms
    moments = times[np.concatenate([[True], np.diff(times) > 0])] if len(times) else times
    if len(moments) > 400:
        moments = np.linspace(int(times[0]), int(times[-1]), 400)
    row = np.searchsorted(moments, times, side="right") - 1
    columns: dict[str, list[Any]] = {"time_s": (moments / 1_000).tolist(),
                                     "offered": np.bincount(row, minlength=len(moments)).tolist()}
    for name, lane in lanes.items():
        columns[name] = np.bincount(row[lane.allowed], minlength=len(moments)).tolist()
    return columns


def _plot(p: Race, stream: arrivals.Arrivals, lanes: dict[str, Lane], window_ms: int) -> Plot:
    first, last = (int(stream.times_ms[0]), int(stream.times_ms[-1])) if len(stream) else (0, 0)
    grid = np.unique(np.linspace(first, last + window_ms, 240).astype(np.int64))
    chosen = list(dict.fromkeys([p.algorithm, "fixed-aligned", "sliding-log", "sliding-counter", "token-bucket",
                                 "leaky-queue"]))[:5]
    lines = []
    for name in chosen:
        lane = lanes[name]
        total = np.concatenate([[0], np.cumsum(lane.weights)])
        until = np.searchsorted(lane.leaves, grid * lane.scale, side="right")
        since = np.searchsorted(lane.leaves, (grid - window_ms) * lane.scale, side="left")
        lines.append(Line(label=f"{NAMES[name]}: worst {lane.worst_window:,}", x=(grid / 1_000).tolist(), kind="step",
                          y=(total[until] - total[since]).tolist(), dashed=name == "fixed-aligned"))
    return Plot(title=f"\"{p.limit:,} per {p.window_s:g} s\" and what passes in a rolling {p.window_s:g} s",
                x_label="time (s)",
                y_label=f"passed in the last {p.window_s:g} s ({'requests' if p.cost == 1 else 'cost'})",
                lines=lines, marks=[{"axis": "y", "at": p.limit, "label": f"limit {p.limit:,} (naive: never more)"}])


def _warnings(p: Race, stream: arrivals.Arrivals, lanes: dict[str, Lane]) -> list[str]:
    said = []
    if all(lane.allowed.all() for lane in lanes.values()):
        said.append("No limiter refused anything: the traffic is too light to tell them apart.")
    if len(stream) and int(stream.costs.max()) > min(p.limit, p.burst or p.limit):
        said.append("Some requests cost more than the whole limit or bucket, so they can never pass.")
    return said


def _unit(key: str) -> str:
    if "bytes" in key:
        return "bytes"
    return "s" if "wait_s" in key else "requests"


def _cost(amount: int, p: Race) -> str:
    return f"{amount:,}" if p.cost == 1 else f"requests worth {amount:,}"
