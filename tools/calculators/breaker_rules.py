"""The rules of a circuit breaker: when it opens, what it lets through, when it closes. Knows no load and no latency."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tools.base import Ask, Case, ToolError, formula, param

State = Literal["closed", "open", "half-open"]
PYBREAKER = "run against pybreaker: the fail_max-th failure trips; one call passes after the reset timeout"

_FAILED = ("f", "fail", "failed", "failure", "error", "err", "timeout", "false")
_TIMED = re.compile(rf"(?:(?P<at>\d{{1,12}}(?:\.\d+)?):)?(?P<how>{'|'.join(_FAILED)}|s|ok|success|succeeded|pass|true)", re.IGNORECASE)

_MAX: dict[str, Any] = {"ge": 1, "le": 10**9, "unit": "failures",
                        "words": ["fail_max", "failures", "after", "trips after", "opens after", "threshold", "failures in a row",
        "consecutive failures", "opens on", "trips at"]}
_RESET = ["reset timeout", "reset", "stays open", "tries again after", "half-open after", "trial every", "one trial", "one call every"]
_LASTING = ["within", "in", "during", "over", "dead for"]
ATTEMPTS = 20


@dataclass
class Breaker:
    """Opens after `fail_max` failures in a row; after `reset_ms` one call may try; `success_threshold` successes in a
    row then close it and one failure opens it again. Ask `admits`, then `record` the outcome, in order of time."""

    fail_max: int
    reset_ms: int
    success_threshold: int = 1
    state: State = "closed"
    failures: int = 0
    successes: int = 0
    opened_ms: int = 0
    trips: int = 0

    def admits(self, now_ms: int) -> bool:
        if self.state == "open" and now_ms - self.opened_ms >= self.reset_ms:
            self.state, self.successes = "half-open", 0
        return self.state != "open"

    def record(self, now_ms: int, failed: bool) -> None:
        if not failed:
            self.failures = 0
            self.successes += 1
            if self.state == "half-open" and self.successes >= self.success_threshold:
                self.state = "closed"
            return
        self.failures += 1
        if self.state == "half-open" or self.failures >= self.fail_max:
            self.state, self.opened_ms, self.failures = "open", now_ms, 0
            self.trips += 1


def replay(times_ms: Sequence[int], failed: Sequence[bool], breaker: Breaker) -> tuple[list[bool], list[State]]:
    """Which calls pass, and the state after each; `failed[i]` is what call i would meet if it passed."""
    passed, states = [], []
    for now, bad in zip(times_ms, failed, strict=True):
        through = breaker.admits(now)
        if through:
            breaker.record(now, bad)
        passed.append(through)
        states.append(breaker.state)
    return passed, states


@formula("breaker.calls_through", unit="calls", words=["circuit breaker lets through", "breaker trips", "get through",
        "let through", "really reach", "reach the dead service", "reached the", "calls reach", "still hit", "go through",
        "actually reach", "lets through"],
         cases=[
    Case({"fail_max": 5, "attempts": 20, "within_reset": True}, {"result": 5}, source=PYBREAKER),
    Case({"fail_max": 5, "attempts": 3, "within_reset": True}, {"result": 3}, source="it never trips"),
    Case({"fail_max": 5, "attempts": 20, "within_reset": False}, {"result": 6}, source="one trial after the timeout"),
    Case({"fail_max": 3, "attempts": 60, "reset_s": 20, "lasting_s": 60}, {"result": 5},
         source="by hand: opens at 2 s, trials at 22 and 42 s"),
], asks=[Ask("A breaker trips after 5 failures and 20 attempts follow each other within the reset timeout: how many "
             "calls get through?", "result", 5),
    Ask("The breaker opens after 6 failures in a row; the service is dead and 40 calls follow within the reset "
        "timeout. How many of them reach it?", "result", 6.0),
    Ask("A dead dependency gets 90 attempts in 30 s. The breaker trips after 10 failures and has a reset timeout "
        "of a minute. How many calls really reach it?", "result", 10.0),
    Ask("Circuit breaker with 4 failures to open and a reset timeout of 20 s. The backend is down, we make 120 "
        "calls in 2 minutes. How many calls go through?", "result", 9.0),
])
def calls_through(
    fail_max: int = param(5, **_MAX),
    attempts: int | None = param(None, ge=0, le=10**12, unit="calls", words=["attempts", "calls", "tries", "requests"],
    help="20 if none"),
    within_reset: bool | None = param(None, words=["within the reset timeout", "within reset"]),
    timeouts: int = param(1, ge=0, le=10**9, unit="count", words=["timeouts pass", "reset timeouts"],
                          help="reset timeouts that pass when not within_reset; each lets one trial through"),
    reset_s: float | None = param(None, ge=0, le=1e9, unit="s", words=_RESET, help="with lasting_s: told instead of timeouts"),
    lasting_s: float | None = param(None, gt=0, le=1e9, unit="s", words=_LASTING,
                                    help="time over which the attempts are spread evenly, while the dependency is dead"),
) -> int:
    """Calls to a dead dependency that a breaker lets through: the first fail_max, then one trial for each reset
    timeout."""
    if reset_s is not None and lasting_s is not None:
        return _through("breaker.calls_through", fail_max, attempts, reset_s, lasting_s)
    inside = _inside("breaker.calls_through", within_reset, reset_s)
    return min(ATTEMPTS if attempts is None else attempts, fail_max + (0 if inside else timeouts))


@formula("breaker.calls_refused", words=["fails fast", "answered at once", "refused by the breaker", "rejected by the breaker",
        "fail fast", "refused at once", "are refused", "rejected at once", "short-circuited", "answered by the breaker", "spared"],
    unit="calls", cases=[
    Case({"fail_max": 5, "attempts": 20, "within_reset": True}, {"result": 15}, source=PYBREAKER)], asks=[
    Ask("A breaker trips after 4 failures and 30 calls come within the reset timeout. How many are "
        "refused by the breaker?", "result", 26),
    Ask("After 5 failures the breaker opens. 50 calls are made within the reset timeout, how many are refused at once?", "result", 45.0),
    Ask("The backend is dead for 60 s and gets 300 calls in that time. The breaker opens after 3 consecutive "
        "failures, reset timeout 30 s. How many calls fail fast?", "result", 296.0),
])
def calls_refused(
    fail_max: int = param(5, **_MAX),
    attempts: int | None = param(None, ge=0, le=10**12, unit="calls", words=["attempts", "calls", "tries", "requests"],
    help="20 if none"),
    within_reset: bool | None = param(None, words=["within the reset timeout"]),
    timeouts: int = param(1, ge=0, le=10**9, unit="count", words=["timeouts pass"]),
    reset_s: float | None = param(None, ge=0, le=1e9, unit="s", words=_RESET, help="with lasting_s: told instead of timeouts"),
    lasting_s: float | None = param(None, gt=0, le=1e9, unit="s", words=_LASTING,
                                    help="time over which the attempts are spread evenly, while the dependency is dead"),
) -> int:
    """Calls to a dead dependency that a breaker answers itself, at once."""
    made = ATTEMPTS if attempts is None else attempts
    if reset_s is not None and lasting_s is not None:
        return made - _through("breaker.calls_refused", fail_max, attempts, reset_s, lasting_s)
    inside = _inside("breaker.calls_refused", within_reset, reset_s)
    return made - min(made, fail_max + (0 if inside else timeouts))


@formula("breaker.calls_to_trip", words=["until the breaker trips", "calls until it trips", "until it opens", "to trip",
        "breaker open on average", "before it trips", "does it take to trip", "calls does it take", "to open",
        "calls until it opens"],
    unit="calls", cases=[
    Case({"error_rate": 0.5, "fail_max": 5}, {"result": 62}, rel=1e-12, source="run of 5: (1 - 0.5^5) / (0.5 * 0.5^5)"),
    Case({"error_rate": 1, "fail_max": 5}, {"result": 5}, rel=1e-12, source="every call fails"),
    Case({"error_rate": 0.1, "fail_max": 5}, {"result": 111_110}, rel=1e-9, source="run of 5 at 10%")], asks=[
    Ask("30% of the calls fail and the breaker needs 3 failures in a row. After how many calls does it "
        "trip on average?", "result", 51.4815),
    Ask("At an error rate of 60% and 5 failures in a row to trip: how many calls until it opens on average?", "result", 29.6502058),
    Ask("A dependency fails 20% of the time. The breaker wants 4 consecutive failures. How many calls does it "
        "take to trip?", "result", 780.0),
])
def calls_to_trip(
    error_rate: float = param(gt=0, le=1, unit="fraction", words=["error rate", "fail", "errors", "fails", "failing",
        "of the calls", "failure rate"]),
    fail_max: int = param(5, ge=1, le=100, unit="failures", words=["failures in a row", "fail_max", "in a row", "consecutive",
        "straight"]),
) -> float:
    """Mean calls until fail_max failures in a row: (1 - p^k) / (p^k (1 - p)). A partly failing dependency hardly trips
    it."""
    run = error_rate**fail_max
    if run < 1e-300:
        raise ToolError(f"breaker.calls_to_trip: at an error rate of {error_rate:g} a run of {fail_max} failures never "
                        "comes.")
    return float(fail_max) if error_rate == 1 else (1 - run) / (run * (1 - error_rate))


@formula("breaker.probes", words=["trial calls", "probes", "half-open tries", "trials", "half-open trials", "test calls",
        "how often does it probe", "trial calls fail"],
    unit="calls", cases=[
    Case({"outage_s": 300, "reset_s": 60}, {"result": 5}, source="one trial a minute"),
    Case({"outage_s": 59, "reset_s": 60}, {"result": 0}, source="it is over before the first trial")], asks=[
    Ask("The breaker retries every 20 s while the outage of 4 minutes lasts. How many trial calls fail?", "result", 12),
    Ask("An outage of 10 minutes and a reset timeout of 30 s: how many trial calls fail?", "result", 20.0),
    Ask("The open breaker tries again every 15 s. The service is down for 3 minutes. How many probes fail?", "result", 12.0),
])
def probes(
    outage_s: float = param(ge=0, le=1e9, unit="s", words=["outage", "down for", "lasts", "dead for", "broken for", "outage of",
        "for"]),
    reset_s: float = param(60.0, gt=0, le=1e9, unit="s", words=["reset", "reset timeout", "retries every", "tries again",
        "half-open after", "every", "trial every", "probes every", "one call every"]),
) -> int:
    """Trials that fail while an outage goes on after the breaker has opened, under steady calls."""
    return math.floor(outage_s / reset_s + 1e-9)


@formula("breaker.replay", cases=[
    Case({"outcomes": "FFFFFFFF", "fail_max": 5, "interval_s": 1, "reset_s": 60},
         {"through": 5, "refused": 3, "state": "open", "trips": 1}, source=PYBREAKER),
    Case({"outcomes": "FFFFSFFFF", "fail_max": 5, "interval_s": 1, "reset_s": 60},
         {"through": 9, "refused": 0, "state": "closed", "trips": 0}, source="a success starts the count again"),
    Case({"outcomes": "FFFSSS", "fail_max": 3, "interval_s": 30, "reset_s": 60},
         {"through": 5, "refused": 1, "state": "closed", "trips": 1}, source="by hand: trial at 120 s succeeds"),
    Case({"outcomes": ["fail", "fail", "ok", "ok"], "fail_max": 2, "interval_s": 1, "reset_s": 60},
         {"through": 2, "refused": 2, "state": "open", "trips": 1}, source="by hand"),
    Case({"outcomes": "1000:fail, 2000:fail, 3000:ok, 62000:ok", "fail_max": 2, "reset_s": 60},
         {"through": 3, "refused": 1, "state": "closed", "trips": 1}, source="by hand: trial 60 s after the second failure")])
def breaker_replay(
    outcomes: str = param(max_length=100_000, words=["outcomes"],
                          help="F or S (or fail, ok) for each call, as FFFS or F, F, S; with times in ms 1000:fail, 2000:ok"),
    fail_max: int = param(5, **_MAX),
    interval_s: float = param(1.0, ge=0, le=86_400, unit="s", words=["interval", "every"]),
    reset_s: float = param(60.0, ge=0, le=864_000, unit="s", words=["reset", "timeout"]),
    success_threshold: int = param(1, ge=1, le=1_000, unit="count", words=["successes to close"]),
) -> dict[str, Any]:
    """Calls through and refused, the state in the end and how often it tripped, for a text of outcomes F and S."""
    times, failed = _outcomes(outcomes, interval_s)
    breaker = Breaker(fail_max, round(reset_s * 1000), success_threshold)
    passed, states = replay(times, failed, breaker)
    return {"through": sum(passed), "refused": len(passed) - sum(passed), "state": states[-1], "trips": breaker.trips}


def _outcomes(text: str, interval_s: float) -> tuple[list[int], list[bool]]:
    """When each call comes, in ms, and whether it would fail. Raises ToolError."""
    letters = re.sub(r"[\s,;]", "", text).upper()
    if letters and not set(letters) - set("FS"):
        return [round(i * interval_s * 1000) for i in range(len(letters))], [letter == "F" for letter in letters]
    entries = [_TIMED.fullmatch(part) for part in re.split(r"[,;\s]+", text.strip())]
    timed = {bool(entry and entry["at"]) for entry in entries}
    if not all(entries) or len(timed) > 1:
        raise ToolError(f"breaker.replay can't read {text[:40]!r}; write F for a failure and S for a success, as "
                        "in FFFFFSS, or 1000:fail, 2000:ok with times in ms.")
    times = [round(float(entry["at"])) if entry["at"] else round(i * interval_s * 1000) for i, entry in enumerate(entries) if entry]
    if times != sorted(times):
        raise ToolError("breaker.replay: the calls must come in order of time.")
    return times, [entry["how"].lower() in _FAILED for entry in entries if entry]


def _inside(name: str, within_reset: bool | None, reset_s: float | None) -> bool:
    """Whether all calls come before the first trial; that isn't assumed when a reset timeout is told."""
    if within_reset is None and reset_s is not None:
        raise ToolError(f"{name}: do all calls come within the reset timeout of {reset_s:g} s? Give within_reset, or lasting_s.")
    return within_reset is not False


def _through(name: str, fail_max: int, attempts: int | None, reset_s: float, lasting_s: float) -> int:
    """Failed calls of evenly spaced attempts: the first fail_max, then the first one after each reset timeout."""
    if attempts is None:
        raise ToolError(f"{name}: how many calls are made in the {lasting_s:g} s? Give attempts.")
    if attempts <= fail_max:
        return attempts
    apart = max(1, math.ceil(reset_s * attempts / lasting_s - 1e-9))
    return fail_max + (attempts - fail_max) // apart
