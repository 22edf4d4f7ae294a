"""Fan-out, hedged and tied requests over a latency mix, as closed forms and as a draw. Knows no queue and no load."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, Value, param, tool
from tools.calculators.latency_mix import LatencyMix, crossing, leaf_share
from tools.plot_axes import figure

MAX_DRAWS = 4_000_000
LEAST_SHARE = 5e-5
"""The plot shows shares down to this."""
QUANTILES = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999}


class TailLab(Params):
    fan_out: int = param(100, ge=1, le=1_000_000, unit="servers",
                         words=["fan-out", "fans out to", "leaves", "shards", "servers", "backends", "parallel calls"])
    p_slow: float = param(0.01, ge=0, le=0.5, unit="fraction",
                          words=["slow", "are slow", "slow share", "pauses", "outliers", "stragglers", "of the time"])
    fast_ms: float = param(5.0, ge=0.01, le=60_000, unit="ms", words=["fast", "normally", "mean", "typical", "usually"])
    slow_ms: float = param(1_000.0, ge=0.01, le=3_600_000, unit="ms",
                           words=["pause of", "slow ones take", "slow takes", "hiccup", "outlier of", "otherwise"])
    body: Literal["exponential", "lognormal"] = param("exponential", words=["distribution"])
    sigma: float = param(0.5, ge=0.01, le=2, words=["sigma"], help="of the logarithm of a lognormal body")
    strategy: Literal["none", "hedge", "tied"] = param("hedge", words=["strategy"])
    hedge_at: float = param(0.95, ge=0.01, le=0.9999, unit="fraction",
                            words=["hedge at", "hedged at", "percentile", "second copy at", "after the"],
                            help="quantile of one leaf's latency after which the second copy goes out")
    hedge_delay_ms: float | None = param(None, ge=0, le=3_600_000, unit="ms",
                                         words=["hedge after", "hedging after", "hedge delay", "second copy after",
                                                "backup after"],
                                         help="instead of hedge_at")
    message_ms: float = param(0.5, ge=0, le=1_000, unit="ms",
                              words=["message delay", "network delay", "cancel message"],
                              help="one way between tied servers; the second copy is sent after two of them")
    correlation: float = param(0.0, ge=0, le=1, unit="fraction",
                               words=["correlation", "correlated", "same cause", "shared"])
    requests: int = param(1_000, ge=1, le=100_000, unit="requests", words=["requests", "draws", "samples"])


@tool("tail-lab", group="H", kind="simulator",
      words=["tail latency", "hedge", "hedged request", "hedging", "tied request", "fan-out", "fans out",
             "tail at scale", "straggler", "backup request", "p999"],
      example={"fan_out": 1, "strategy": "hedge", "hedge_at": 0.95},
      cases=[
          Case({}, {"slow_share": 0.63397}, abs=1e-5, source="1 - 0.99^100 (Dean, Barroso 2013: 63%)"),
          Case({"fan_out": 2000, "p_slow": 0.0001}, {"slow_share": 0.18128}, abs=1e-4, source="Dean, Barroso 2013"),
          Case({"fan_out": 1}, {"p999_ms": 29.41, "p999_ms_plain": 1000, "extra_load": 0.05}, rel=1e-3,
               source="closed form of the mixture"),
          Case({"fan_out": 1, "correlation": 1}, {"p999_ms": 1000, "extra_load": 0.05}, rel=1e-9,
               source="same trouble twice"),
          Case({"fan_out": 1, "strategy": "none"}, {"p999_ms": 1000, "extra_load": 0}, rel=1e-9, source="closed form"),
          Case({"fan_out": 100, "slow_ms": 1800, "hedge_delay_ms": 10}, {"p999_ms": 74, "extra_load": 0.02},
               source="Dean, Barroso 2013, reading 1,000 BigTable keys: 1,800 ms to 74 ms with 2% more requests",
               shown=True),
          Case({"fan_out": 1, "strategy": "tied"}, {"p99_ms": 42},
               source="Dean, Barroso 2013, table 2: p99 67 ms to 42 ms with tied requests on an idle cluster",
               shown=True),
      ],
      asks=[
          Ask("A request fans out to 100 servers and 1% of the answers are slow. What share of the requests is slow?",
              "slow_share", 0.63397),
          Ask("With a fan-out of 2,000 leaves of which 0.01% are slow, how many requests meet a slow one?",
              "slow_share", 0.18128),
          Ask("Hedged requests at the 95th percentile, fan-out of 1: what p999 in ms?", "p999_ms", 29.41),
          Ask("Same hedging on a single server with a fan-out of 1, but the slowness is fully correlated, correlation "
              "of 1.0: p999?", "p999_ms", 1000),
          Ask("A request fans out to 100 servers and is hedged at the 98% percentile: how much extra load?",
              "extra_load", 0.02),
      ])
def tail_lab(p: TailLab, seed: int) -> ToolResult:
    """Shows how fan-out turns a rare slow server into the common case, and what a second copy of each call buys.

    Each leaf answers after `fast_ms` on average, except that a share `p_slow` takes `slow_ms`. The request waits for
    the slowest of `fan_out` leaves. A hedged call sends a second copy when the first hasn't answered after a quantile
    of the leaf latency; tied calls send both at once (two message delays apart) and whoever starts cancels the other,
    so both run only when they start within one message delay. With chance `correlation` the second copy meets the same
    trouble. Quantiles are closed forms; the draw beside them is there to check.

    People get wrong:
    - A leaf's p99 is the user's p99: with 100 leaves it is below the user's median.
    - Hedging always helps: it does when slowness belongs to the server. When it belongs to the request, the key or the
      shared store, the copy is as slow and costs the same.
    - One copy is enough at any fan-out: with 1% slow, both copies are slow in 1 of 10,000 calls, which 100 leaves make
      1% of the requests again, so the p999 stays bad.

    Sources: J. Dean, L. A. Barroso, "The Tail at Scale", CACM 56(2), 2013. Its measurements (1,800 ms to 74 ms with 2%
    more requests; tied requests 67 ms to 42 ms) belong to its clusters; this model isn't fitted to them.

    >>> run = tail_lab(TailLab(fan_out=1), 0).values
    >>> round(run["p999_ms_plain"], 1), round(run["p999_ms"], 1), round(run["extra_load"], 3)
    (1000.0, 29.4, 0.05)
    """
    mix = LatencyMix(p.fast_ms, p.p_slow, p.slow_ms, p.body, p.sigma)
    delay = _delay(p, mix)
    tails = {"plain": mix.beyond, "chosen": _tail(p, mix, delay, p.correlation),
             "independent": _tail(p, mix, delay, 0.0)}
    quantiles = {name: {key: crossing(tail, leaf_share(q, p.fan_out), p.fast_ms) for key, q in QUANTILES.items()}
                 for name, tail in tails.items()}
    drawn = _draw(p, mix, delay, seed)
    slow_share = -math.expm1(p.fan_out * math.log1p(-p.p_slow))
    values: dict[str, Value] = {
        "slow_share": slow_share, **quantiles["chosen"],
        **{f"{key}_plain": value for key, value in quantiles["plain"].items()},
        "leaf_p99_ms": mix.quantile_ms(0.99), "leaf_mean_ms": mix.mean_ms, "extra_load": _extra(p, mix, delay),
        "second_copy_after_ms": delay, "both_slow_share": _both_slow(p), **drawn}
    return ToolResult(
        tool="tail-lab", values=values,
        units={key: "ms" if "_ms" in key else "requests" if key == "drawn_requests" else "fraction" for key in values},
        naive={"slow_share": p.p_slow, "p50_ms": mix.quantile_ms(0.5), "p999_ms": quantiles["independent"]["p999_ms"]},
        summary=_summary(p, slow_share, quantiles, values["extra_load"]),
        formula="slow = 1 - (1-p)^n; root P(>t) = 1 - (1-H(t))^n with H(t) = S(t) (c + (1-c) S(t-d)); hedge load = "
                "S(d)",
        series=_series(p, tails), plot=_plot(p, tails, quantiles),
        assumptions=["leaves are independent of each other", "copies start on different servers of equal load",
                     "extra load slows nobody down"]
        + (["the tied copy that is cancelled in time costs nothing"] if p.strategy == "tied" else []),
        warnings=_warnings(p, values),
    )


def _summary(p: TailLab, slow_share: float, quantiles: dict[str, dict[str, float]], extra: Value) -> str:
    text = f"{slow_share:.3g} of the requests meet a slow leaf, not {p.p_slow:.3g}. "
    told = {name: " / ".join(f"{value:,.4g}" for value in each.values()) for name, each in quantiles.items()}
    if p.strategy == "none":
        return text + f"The request's p50 / p99 / p999 are {told['plain']} ms."
    text += (f"{'Hedged' if p.strategy == 'hedge' else 'Tied'} calls take its p50 / p99 / p999 from {told['plain']} ms "
             f"to {told['chosen']} ms for {extra:.3g} more load")
    return text + (f"; independent slowness would have promised {told['independent']} ms." if p.correlation else ".")


def _delay(p: TailLab, mix: LatencyMix) -> float:
    if p.strategy == "tied":
        return 2 * p.message_ms
    return p.hedge_delay_ms if p.hedge_delay_ms is not None else mix.quantile_ms(p.hedge_at)


def _tail(p: TailLab, mix: LatencyMix, delay: float, correlation: float) -> Callable[[float], float]:
    if p.strategy == "none":
        return mix.beyond
    return lambda t: mix.both_beyond(t, delay, correlation)


def _extra(p: TailLab, mix: LatencyMix, delay: float) -> float:
    """Share of calls that are executed twice."""
    if p.strategy == "none":
        return 0.0
    if p.strategy == "hedge":
        return mix.beyond(delay) if delay > 0 else 1.0
    steps, wait = 1_000, p.message_ms
    starts = [(mix.fast_quantile_ms((i + 0.5) / steps), (1 - mix.p_slow) / steps) for i in range(steps)]
    starts.append((mix.slow_ms, mix.p_slow))
    return (1 - p.correlation) * math.fsum(share * max(0.0, mix.beyond(t - 3 * wait) - mix.beyond(t - wait)) for t,
                                           share in starts)


def _both_slow(p: TailLab) -> float:
    if p.strategy == "none":
        return -math.expm1(p.fan_out * math.log1p(-p.p_slow))
    return -math.expm1(p.fan_out * math.log1p(-p.p_slow * (p.correlation + (1 - p.correlation) * p.p_slow)))


def _draw(p: TailLab, mix: LatencyMix, delay: float, seed: int) -> dict[str, Value]:
    """The same by drawing leaf latencies, at most MAX_DRAWS of them."""
    import numpy as np
    from numpy.typing import NDArray

    rng = np.random.default_rng(seed)
    requests = max(1, min(p.requests, MAX_DRAWS // p.fan_out))

    def latencies(count: int) -> NDArray[np.float64]:
        if mix.body == "exponential":
            drawn = rng.exponential(mix.fast_ms, count)
        else:
            drawn = rng.lognormal(math.log(mix.fast_ms) - mix.sigma**2 / 2, mix.sigma, count)
        drawn[rng.random(count) < mix.p_slow] = mix.slow_ms
        return drawn

    first = latencies(requests * p.fan_out)
    best = first
    if p.strategy != "none":
        late = np.flatnonzero(first > delay) if p.strategy == "hedge" else np.arange(len(first))
        second = latencies(len(late))
        if p.correlation:
            second = np.where(rng.random(len(late)) < p.correlation, first[late], second)
        best = first.copy()
        best[late] = np.minimum(first[late], delay + second)
    finished = best.reshape(requests, p.fan_out).max(axis=1)
    slow = first.reshape(requests, p.fan_out).max(axis=1) >= mix.slow_ms
    found = np.quantile(finished, [0.5, 0.99], method="higher").tolist()
    return {"drawn_requests": requests, "p50_ms_drawn": found[0], "p99_ms_drawn": found[1],
            "slow_share_drawn": float(slow.mean())}


def _times(p: TailLab) -> list[float]:
    low, high = p.fast_ms / 20, max(p.slow_ms, 20 * p.fast_ms) * 2
    return [low * (high / low) ** (i / 90) for i in range(91)]


def _root(p: TailLab, leaf: float) -> float:
    return 1.0 if leaf >= 1 else -math.expm1(p.fan_out * math.log1p(-leaf))


def _series(p: TailLab, tails: dict[str, Callable[[float], float]]) -> dict[str, list[float]]:
    times = _times(p)
    return {"time_ms": times, "leaf_later": [tails["plain"](t) for t in times]} | {
        f"request_later_{name}": [_root(p, tail(t)) for t in times] for name, tail in tails.items()}


def _plot(p: TailLab, tails: dict[str, Callable[[float], float]], quantiles: dict[str, dict[str, float]]) -> Plot:
    """Survival on logarithmic axes: where a line crosses a percentile's level lies that percentile."""
    columns = _series(p, tails)
    leaf = {key: crossing(tails["plain"], 1 - q, p.fast_ms) for key, q in QUANTILES.items()}
    told = {"leaf_later": ("one leaf (naive)", leaf),
            "request_later_plain": (f"all {p.fan_out:,} leaves" if p.fan_out > 1 else "the request", quantiles["plain"])}
    if p.strategy != "none":
        told["request_later_chosen"] = ("hedged" if p.strategy == "hedge" else "tied", quantiles["chosen"])
        if p.correlation:
            told["request_later_independent"] = ("if slowness were independent (naive)", quantiles["independent"])
    lines = []
    for key, (label, found) in told.items():
        every = list(zip(columns["time_ms"], columns[key], strict=True))
        points = [(t, share) for t, share in every if share > LEAST_SHARE]
        points += [(t, LEAST_SHARE) for t, _ in every[len(points):len(points) + 1]]  # where it falls out of sight
        summed = f"p50 {figure(found['p50_ms'], 3)} ms, p99 {figure(found['p99_ms'], 3)} ms"
        lines.append(Line(label=f"{label}: {summed}", dashed="naive" in label, x=[t for t, _ in points], y=[share for _, share in points]))
    return Plot(title=(f"Waiting for the slowest of {p.fan_out:,}" if p.fan_out > 1 else "One leaf") + ": how many requests take longer",
                x_label="latency (ms)", y_label="requests that take longer (fraction)", log_x=True, log_y=True, lines=lines,
                marks=[{"axis": "y", "at": round(1 - q, 6), "label": key.removesuffix("_ms").replace("p999", "p99.9")}
                       for key, q in QUANTILES.items()])


def _warnings(p: TailLab, values: dict[str, Value]) -> list[str]:
    found = []
    requests = values["drawn_requests"]
    if isinstance(requests, int) and requests < p.requests:
        found.append(f"Only {requests:,} requests were drawn: {MAX_DRAWS:,} leaf calls is the limit.")
    if p.strategy != "none" and p.correlation >= 0.5:
        found.append("Most slowness is shared by both copies: look for its cause instead of sending more copies.")
    extra = values["extra_load"]
    if isinstance(extra, float) and extra > 0.1:
        found.append(f"{extra:.0%} more load may itself make servers slow; hedge later or cancel the loser.")
    return found
