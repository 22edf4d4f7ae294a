"""A circuit breaker call by call through an outage and the recovery. Knows no queue: the dependency fails or it
doesn't."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, Value, param, tool
from tools.calculators.breaker_rules import Breaker, State, replay

MAX_CALLS = 300_000


class CircuitBreaker(Params):
    fail_max: int = param(5, ge=1, le=10_000, unit="failures",
                          words=["failures", "fail_max", "trips after", "opens after", "trip", "consecutive"])
    reset_s: float = param(60.0, ge=0, le=86_400, unit="s",
                           words=["reset timeout", "reset", "half-open after", "stays open"])
    success_threshold: int = param(1, ge=1, le=1_000, unit="successes", words=["successes", "to close", "closes after"])
    call_rps: float = param(10.0, ge=0.001, le=10_000, unit="rps", words=["calls", "call rate", "requests", "traffic"])
    outage_start_s: float = param(10.0, ge=0, le=86_400, unit="s", words=["outage starts", "starts at", "breaks at"])
    outage_s: float = param(90.0, ge=0, le=86_400, unit="s",
                            words=["outage", "down for", "outage of", "outage lasts", "is dead for", "unavailable for"])
    outage_error_rate: float = param(1.0, ge=0, le=1, unit="fraction",
                                     words=["fail in the outage", "error rate", "errors", "fail"])
    base_error_rate: float = param(0.0, ge=0, le=1, unit="fraction", words=["background errors", "normal error rate"])
    duration_s: float = param(300.0, ge=1, le=86_400, unit="s", words=["duration", "run for", "observe"])
    call_timeout_ms: int = param(1_000, ge=0, le=600_000, unit="ms",
                                 words=["call timeout", "timeout", "each failed call waits"])
    fallback_quality: float = param(0.6, ge=0, le=1, unit="fraction",
                                    words=["fallback quality", "fallback", "degraded answer"])


@tool("circuit-breaker", group="H", kind="simulator",
      words=["circuit breaker", "breaker", "half-open", "breaker opens", "trips", "fail fast", "fallback"],
      example={"fail_max": 5, "outage_s": 300, "reset_s": 30},
      cases=[
          Case({}, {"through_in_outage": 6, "refused_in_outage": 894, "refused_after_recovery": 304, "trips": 2,
                    "recovery_delay_s": 30.4}, rel=1e-9,
                    source="by hand: trips at 10.4 s, trials at 70.4 s and 130.4 s"),
          Case({"outage_s": 2, "duration_s": 12}, {"through_in_outage": 5, "refused_in_outage": 15},
               source="20 calls meet the outage, 5 pass (pybreaker)"),
          Case({"outage_s": 0}, {"through_in_outage": 0, "refused_in_outage": 0, "trips": 0}, source="nothing fails"),
          Case({"outage_error_rate": 0.0}, {"through_in_outage": 900, "trips": 0}, source="nothing fails"),
      ],
      asks=[
          Ask("A breaker trips after 5 failures, the outage lasts 90 s and 10 calls a second arrive: how many calls "
              "get through during the outage?", "through_in_outage", 6),
          Ask("Circuit breaker with a reset timeout of 60 s: for how many seconds after recovery does it stay open?",
              "recovery_delay_s", 30.4),
          Ask("The breaker opens after 3 failures with a reset timeout of 10 s and an outage of 90 s. How many calls "
              "go through to the dead service?", "through_in_outage", 11),
      ])
def circuit_breaker(p: CircuitBreaker, seed: int) -> ToolResult:
    """Plays calls through a breaker while the dependency is down and after it is back.

    Calls come evenly at `call_rps`. After `fail_max` failures in a row the breaker opens and answers at once with a
    fallback; after `reset_s` one call may try, and `success_threshold` successes in a row close it again. A call that
    fails has waited `call_timeout_ms` first; a refused one hasn't.

    People get wrong:
    - An open breaker means nothing gets through: a trial goes through after each reset timeout.
    - It closes when the dependency is back: it stays open up to one reset timeout longer and refuses calls that would
      succeed. A shorter timeout recovers sooner and tries a broken service more often.
    - It protects against partial failure: counting failures in a row, half the calls may fail for a minute unnoticed.

    Sources: M. Nygard, "Release It!"; rules as in the pybreaker library (fail_max, reset_timeout, success_threshold).

    >>> run = circuit_breaker(CircuitBreaker(outage_s=2, duration_s=12), 0).values
    >>> run["through_in_outage"], run["refused_in_outage"]
    (5, 15)
    """
    count = int(p.duration_s * p.call_rps)
    if not 1 <= count <= MAX_CALLS:
        raise ToolError(f"circuit-breaker: call_rps * duration_s is {count:,} calls; it must lie between 1 and "
                        f"{MAX_CALLS:,}.")
    times = np.round(np.arange(count) * 1000 / p.call_rps).astype(np.int64)
    start, end = round(p.outage_start_s * 1000), round((p.outage_start_s + p.outage_s) * 1000)
    out = (times >= start) & (times < end)
    failed = np.random.default_rng(seed).random(count) < np.where(out, p.outage_error_rate, p.base_error_rate)
    breaker = Breaker(p.fail_max, round(p.reset_s * 1000), p.success_threshold)
    passed_list, states = replay(times.tolist(), failed.tolist(), breaker)
    passed = np.array(passed_list)
    after = times >= end
    served = passed & ~failed
    first, last = bisect_left(times.tolist(), start), bisect_left(times.tolist(), end)
    values: dict[str, Value] = {
        "through_in_outage": int((passed & out).sum()), "refused_in_outage": int((~passed & out).sum()),
        "refused_after_recovery": int((~passed & after).sum()), "trips": breaker.trips,
        "detected_after_s": _first_gap(states[first:], times[first:], start, "open"),
        "recovery_delay_s": _closed_after(states, times, last, end),
        "served_fraction": float(served.mean()),
        "useful_fraction": float((served + ~passed * p.fallback_quality).mean()),
        "useful_fraction_without": float((~failed).mean()),
        "wait_saved_s": float((~passed & failed).sum() * p.call_timeout_ms / 1000),
        "failed_calls": int((passed & failed).sum()), "failed_calls_without": int(failed.sum())}
    meets = int(out.sum())
    return ToolResult(
        tool="circuit-breaker", values=values,
        units={key: "s" if key.endswith("_s") else "fraction" if "fraction" in key else "count" if key == "trips"
               else "calls"
               for key in values},
        naive={"through_in_outage": meets, "recovery_delay_s": 0.0},
        summary=f"{values['through_in_outage']:,} of {meets:,} calls in the outage get through, which saves "
                f"{values['wait_saved_s']:,.0f} s of waiting for timeouts. "
        + (f"It closes {values['recovery_delay_s']:g} s after the dependency is back and by then has refused "
           f"{values['refused_after_recovery']:,} calls that could have gone through."
           if values["recovery_delay_s"] is not None else "It hasn't closed by the end of the run."),
        formula="through in a full outage = fail_max + floor(outage / reset); recovery delay <= reset",
        plot=_plot(times / 1000, passed, failed, p), series=_series(times, states),
        assumptions=["calls are evenly spaced and finish before the next one", "the outage starts and ends at once"],
        warnings=_warnings(p, breaker),
    )


def _first_gap(states: list[State], times: np.ndarray, start: int, state: State) -> float | None:
    return next((float(at - start) / 1000 for each, at in zip(states, times, strict=True) if each == state), None)


def _closed_after(states: list[State], times: np.ndarray, last: int, end: int) -> float | None:
    if last == 0 or states[last - 1] == "closed":
        return 0.0
    return _first_gap(states[last:], times[last:], end, "closed")


def _warnings(p: CircuitBreaker, breaker: Breaker) -> list[str]:
    found = []
    if p.outage_s and p.outage_error_rate and not breaker.trips:
        found.append("It never tripped: too few failures came in a row; use a failure rate over a window instead.")
    if p.base_error_rate and breaker.trips and p.base_error_rate**p.fail_max > 1e-4:
        found.append("Background errors alone can trip it: raise fail_max or measure a rate.")
    return found


def _series(times: np.ndarray, states: list[State]) -> dict[str, list[float | str]]:
    changes = [0] + [i for i in range(1, len(states)) if states[i] != states[i - 1]]
    return {"change_s": [float(times[i]) / 1000 for i in changes], "state": [states[i] for i in changes]}


def _plot(seconds: np.ndarray, passed: np.ndarray, failed: np.ndarray, p: CircuitBreaker) -> Plot:
    lines = []
    for label, counted, dashed in (("answered", passed & ~failed, False), ("refused at once", ~passed, False),
                                   ("failed after a wait", passed & failed, False),
                                   ("failed after a wait, without a breaker (naive)", failed, True)):
        edges = np.arange(61) * p.duration_s / 60
        counts = np.histogram(seconds[counted], edges)[0] * 60 / p.duration_s
        lines.append(Line(label=label, x=edges[:-1].tolist(), y=counts.tolist(), kind="step", dashed=dashed))
    return Plot(title="A breaker turns failing calls into quick refusals",
                x_label="time (s)", y_label="calls (1/s)", lines=lines, marks=[
        {"axis": "x", "at": p.outage_start_s, "label": "outage begins"},
        {"axis": "x", "at": p.outage_start_s + p.outage_s, "label": "service is back"}])
