"""A velocity feature (events of a card in the last minutes) computed exactly, in buckets, and late. Knows no fraud
model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, Value, formula, param, tool
from tools.simulators.arrivals import parse_trace

Ints = NDArray[np.int64]

MAX_EVENTS = 200_000

_TRACE: dict[str, Any] = {"max_length": 100_000, "words": ["trace", "events"],
                          "help": "COUNT@TIME: 3@0s,1@59s,20@2:00..2:10"}
_WINDOW: dict[str, Any] = {"gt": 0, "le": 2_592_000, "unit": "s", "words": ["window", "last", "within"]}


@formula("velocity.count", unit="events", words=["velocity feature"], cases=[
    Case({"trace": "3@0s,2@30s,1@59s", "at_s": 60, "window_s": 60}, {"result": 3},
         source="the events at 0 s have left: (0, 60]"),
    Case({"trace": "3@0s,2@30s,1@59s", "at_s": 59, "window_s": 60}, {"result": 6}, source="(-1, 59]")])
def velocity_count(
    trace: str = param(**_TRACE), at_s: float = param(ge=0, le=2_592_000, unit="s", words=["at", "at time"]),
    window_s: float = param(**_WINDOW),
) -> int:
    """Events in the window (at - window, at]."""
    times, now = parse_trace(trace).times_ms, round(at_s * 1000)
    return int(((times > now - round(window_s * 1000)) & (times <= now)).sum())


@formula("velocity.max_count", unit="events", cases=[
    Case({"trace": "3@0s,2@30s,1@59s", "window_s": 60}, {"result": 6}, source="at 59 s"),
    Case({"trace": "3@0s,2@30s,1@59s", "window_s": 30}, {"result": 3}, source="(29, 59] holds 3; (0, 30] holds 2")])
def velocity_max(trace: str = param(**_TRACE), window_s: float = param(**_WINDOW)) -> int:
    """The largest value that the feature ever takes."""
    times = parse_trace(trace).times_ms
    return int(exact_counts(times, times, round(window_s * 1000)).max())


@formula("velocity.missed", words=["get past", "pass before", "attack"],
    unit="events", cases=[
    Case({"attack_rps": 2, "lag_s": 30, "threshold": 5}, {"result": 65}, rel=1e-12,
         source="5 allowed and 60 before they count")], asks=[
    Ask("An attacker makes 5 transactions per second, the feature is 12 s late and the threshold is 10: "
        "how many get past?", "result", 70.0),
])
def velocity_missed(
    attack_rps: float = param(ge=0, le=1e9, unit="rps", words=["attack", "per second", "attacker", "card testing", "transactions"]),
    lag_s: float = param(ge=0, le=1e9, unit="s", words=["lag", "late", "lags", "behind", "delay"]),
    threshold: float = param(ge=0, le=1e12, unit="events", words=["threshold", "limit", "blocks at", "more than", "allowed"]),
) -> float:
    """Events of a steady attack that pass before a feature that lags behind reaches the threshold: threshold + rate *
    lag."""
    return threshold + attack_rps * lag_s


class Velocity(Params):
    trace: str = param("1@0s,1@5m,30@10:00..10:30,1@20m", max_length=100_000, words=["trace"],
                       help="transactions of one card: 1@0s,30@10:00..10:30")
    window_s: float = param(600.0, ge=1, le=2_592_000, unit="s", words=["window", "in the last", "within", "last"])
    threshold: int = param(5, ge=1, le=1_000_000, unit="events",
                           words=["threshold", "limit", "more than", "block after", "allowed"])
    buckets: int = param(10, ge=1, le=10_000, unit="buckets", words=["buckets", "sub-windows", "slices"],
                         help="the window is kept as so many counters")
    lag_s: float = param(15.0, ge=0, le=86_400, unit="s", words=["lag", "late", "feature lag", "delay", "stale",
                                                                 "ingestion lag"])


@dataclass(frozen=True)
class Counts:
    """The feature at each transaction, itself included, by way of computing it."""

    times: Ints
    exact: Ints
    bucketed: Ints
    lagging: Ints


@tool("velocity-feature", group="H", kind="simulator",
      words=["velocity", "velocity feature", "transactions in the last", "fraud", "card testing", "window count",
             "feature lag"],
      example={"lag_s": 60},
      cases=[
          Case({}, {"max_exact": 31, "passed_exact": 6, "passed_lagging": 20, "caught_exact": 27},
               source="by hand: one a second, the 1st..4th of the burst pass exactly, the 1st..18th when 15 s are "
                      "missing"),
          Case({"lag_s": 0}, {"passed_lagging": 6, "missed_by_lag": 0}, source="no lag, no difference"),
          Case({"trace": "3@0s,2@30s,1@59s", "window_s": 60, "threshold": 5, "buckets": 60},
               {"max_exact": 6, "caught_exact": 1}, source="by hand"),
      ],
      asks=[
          Ask("Velocity feature with a lag of 0 s and a threshold of 5: how many more does the lag let slip by?",
              "missed_by_lag", 0),
          Ask("What is the largest count in the last 10 minutes for the trace 1@0s,1@5m,30@10:00..10:30,1@20m? It's a "
              "velocity feature.", "max_exact", 31),
          Ask("Fraud check on a velocity feature that is 15 s late: how many transactions slip by because of the lag?",
              "missed_by_lag", 14),
      ])
def velocity_feature(p: Velocity, seed: int) -> ToolResult:
    """Counts a card's transactions in a sliding window: exactly, in buckets, and with a delay.

    At each transaction the feature is the number of transactions in (now - window, now], itself included, and one above
    `threshold` is blocked (blocked attempts count as well). Buckets: the window is kept as `buckets` counters, the
    oldest dropped as a whole, so the window is between one bucket shorter and exact. Lag: transactions reach the
    feature store `lag_s` after they happen, except the present one.

    People get wrong:
    - The online feature is the offline feature: offline the count is exact at event time; online the last `lag_s` are
      missing, which in a burst is all that matters. A model trained on exact counts meets other numbers in production.
    - A tumbling counter will do: it forgets everything at each boundary; buckets make that error small and bounded.
    - A larger window catches more: a burst is caught after threshold + rate * lag events whatever the window.

    Source: definition of a sliding window, half open as in (now - window, now]; arithmetic.

    >>> run = velocity_feature(Velocity(lag_s=0), 0).values
    >>> run["passed_exact"], run["missed_by_lag"]
    (6, 0)
    """
    times = parse_trace(p.trace).times_ms
    if len(times) > MAX_EVENTS:
        raise ToolError(f"velocity-feature: the trace has {len(times):,} transactions; it may have at most "
                        f"{MAX_EVENTS:,}.")
    counts = all_counts(p, times)
    above = {name: column > p.threshold for name, column in
             (("exact", counts.exact), ("bucketed", counts.bucketed), ("lagging", counts.lagging))}
    values: dict[str, Value] = {
        "transactions": len(times), "max_exact": int(counts.exact.max()), "max_bucketed": int(counts.bucketed.max()),
        "max_lagging": int(counts.lagging.max()),
        **{f"passed_{name}": int((~flags).sum()) for name, flags in above.items()},
        **{f"caught_{name}": int(flags.sum()) for name, flags in above.items()},
        "missed_by_lag": int((above["exact"] & ~above["lagging"]).sum()),
        "missed_by_buckets": int((above["exact"] & ~above["bucketed"]).sum()),
        "differing_fraction": float((counts.exact != counts.lagging).mean()),
        "mean_error_lagging": float((counts.exact - counts.lagging).mean())}
    return ToolResult(
        tool="velocity-feature", values=values,
        units={key: "fraction" if "fraction" in key else "events" for key in values},
        naive={"passed_lagging": values["passed_exact"]},
        summary=f"Of {len(times):,} transactions the exact feature would stop {values['caught_exact']:,} (largest "
                f"count {values['max_exact']:,}); the one that lags {p.lag_s:g} s behind stops "
                f"{values['caught_lagging']:,} and lets {values['missed_by_lag']:,} more through; {p.buckets} buckets "
                f"cost {values['missed_by_buckets']:,}.",
        formula="count of transactions in (now - window, now]; a steady burst passes threshold + rate * lag before it "
                "is stopped",
        series={"second": (counts.times / 1000).tolist()[:20_000], "exact": counts.exact.tolist()[:20_000],
                "bucketed": counts.bucketed.tolist()[:20_000], "lagging": counts.lagging.tolist()[:20_000]},
        plot=_plot(p, counts),
        assumptions=["blocked attempts count", "transactions arrive in order of their time",
                     "the lag is the same for all"],
        warnings=["The lag is longer than the window: the feature sees nothing but the present transaction."]
        if p.lag_s >= p.window_s else [],
    )


def exact_counts(times: Ints, known: Ints, window_ms: int, lag_ms: int = 0) -> Ints:
    """For each of the sorted `times`: how many of the sorted `known` lie in (time - window, time - lag]."""
    newest = np.searchsorted(known, times - lag_ms, "right")
    return np.asarray(np.maximum(newest - np.searchsorted(known, times - window_ms, "right"), 0))


def all_counts(p: Velocity, times: Ints) -> Counts:
    """The feature by all three ways at each of one or more sorted `times` in ms."""
    window, lag = round(p.window_s * 1000), round(p.lag_s * 1000)
    before = np.arange(1, len(times) + 1)  # a transaction doesn't see those after it at the same millisecond
    gone = np.searchsorted(times, times - window, "right")
    width = max(1, -(-window // p.buckets))
    bucket = times // width
    # One search a bucket: all transactions of a bucket see back to the same moment.
    opens = np.append(0, np.flatnonzero(bucket[1:] != bucket[:-1]) + 1)
    dropped = np.searchsorted(times, (bucket[opens] - p.buckets + 1) * width, "left")
    exact, bucketed = before - gone, before - np.repeat(dropped, np.diff(opens, append=len(times)))
    seen = np.searchsorted(times, times - lag, "right") if lag else before - 1
    lagging = np.maximum(seen - gone, 0) + 1
    return Counts(times, exact, np.minimum(bucketed, exact), lagging)


def _plot(p: Velocity, counts: Counts) -> Plot:
    step = max(1, len(counts.times) // 600)
    seconds: list[float | str] = [float(each) for each in (counts.times / 1000)[::step]]
    columns = (("exact", counts.exact, False), (f"{p.buckets} buckets", counts.bucketed, False),
               (f"{p.lag_s:g} s late, taken for exact (naive)", counts.lagging, True))
    return Plot(title="The check counts what its window and its lag let it see", x_label="time (s)",
                y_label="transactions in the window (count)", lines=[
        Line(label=label, x=seconds, y=column[::step].tolist(), kind="step", dashed=dashed) for label, column, dashed in columns],
        marks=[{"axis": "y", "at": p.threshold, "label": f"threshold {p.threshold:,}"}])
