"""Formulas of the waits between retries: exponential backoff, jitter, the longest time a caller waits. Runs no clock."""

from __future__ import annotations

import math
from typing import Any, Literal

from tools.base import Ask, Case, formula, param

AWS = "M. Brooker, Timeouts, retries and backoff with jitter, AWS Builders' Library"

_ATTEMPTS: dict[str, Any] = {"unit": "count", "words": ["attempts", "tries", "times", "attempts per layer", "attempts each"]}
_SECONDS: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "s"}
_BASE: dict[str, Any] = {**_SECONDS, "words": ["base", "first wait", "starts at", "starts with", "first delay", "initial",
        "starting at", "from", "begins with", "starting with", "begin at", "first backoff", "waits first", "initial wait",
        "initial delay", "start at", "beginning with"]}
_FACTOR: dict[str, Any] = {"ge": 1, "le": 1_000, "unit": "times", "words": ["factor", "multiplier", "doubles", "doubling",
        "triples", "grows", "each time", "times longer", "factor of"]}
_CAP: dict[str, Any] = {**_SECONDS, "words": ["cap", "at most", "maximum", "max", "capped", "never more", "up to", "capped at",
        "cap of", "no more than", "limit of", "but at most", "ceiling"]}
_RETRIES: dict[str, Any] = {"ge": 0, "le": 10_000, "unit": "retries", "words": ["retries", "n", "waits", "retry"]}
UNCAPPED = 1e9


@formula("retry.backoff_s", unit="s", words=["exponential backoff", "backoff", "waits between retries", "delay before",
        "list the waits", "list of waits", "which waits", "waits one by one", "each wait", "how long is each wait",
        "wait before each", "last wait", "nth wait"], cases=[
    Case({"base": 1, "factor": 2, "cap": 60, "n": 8}, {"result": [1, 2, 4, 8, 16, 32, 60, 60]},
         source="capped exponential"),
    Case({"base": 0.5, "factor": 3, "cap": 10, "n": 4}, {"result": [0.5, 1.5, 4.5, 10]}, rel=1e-12,
         source="capped exponential")])
def backoff_s(
    base: float = param(**_BASE),
    factor: float = param(2.0, **_FACTOR),
    cap: float = param(UNCAPPED, **_CAP),
    n: int = param(**_RETRIES),
) -> list[float]:
    """Waits before each of n retries without jitter: min(cap, base * factor^i)."""
    waits, wait = [], base
    for _ in range(n):
        waits.append(min(wait, cap))
        wait = min(wait * factor, 1e300)
    return waits


@formula("retry.backoff_total_s", words=["total wait", "waits altogether", "waits in total", "backoff in total", "total backoff",
        "sum of the waits", "sum of all waits", "waits together", "sum", "how long in total", "wait in total", "waits add up",
        "total time waiting", "spends waiting", "sleep in total", "wait altogether", "in total over", "all retries together"],
    unit="s", cases=[
    Case({"base": 1, "factor": 2, "cap": 60, "n": 8}, {"result": 183}, rel=1e-12, source="sum"),
    Case({"base": 1, "factor": 2, "cap": 60, "n": 8, "jitter": "full"}, {"result": 91.5}, rel=1e-12,
         source="half on average")], asks=[
    Ask("Backoff starts with 0.5 s and doubles for 6 retries. How long are all waits together, in seconds?", "result", 31.5),
    Ask("Waits begin at 200 ms and double up to a cap of 2 s. How many seconds does a client wait in total over 6 "
        "retries?", "result", 7.0),
    Ask("Exponential backoff: base 1 s, factor 3, 5 retries, at most 30 s each. What is the sum of all waits in "
        "seconds?", "result", 70.0),
    Ask("With full jitter, backoff starting at 2 s that doubles over 4 retries: how many seconds is the total "
        "wait on average?", "result", 15.0),
])
def backoff_total_s(
    base: float = param(**_BASE), factor: float = param(2.0, **_FACTOR), cap: float = param(UNCAPPED, **_CAP),
    n: int = param(**_RETRIES),
    jitter: Literal["none", "full", "equal"] = param("none", words=["jitter"]),
) -> float:
    """All waits of n retries together; on average with full jitter (0..w) a half, with equal jitter (w/2..w) three
    quarters."""
    return math.fsum(backoff_s(base, factor, cap, n)) * {"none": 1.0, "full": 0.5, "equal": 0.75}[jitter]


@formula("retry.jitter_bounds_s", words=["jitter", "bounds of the waits", "least and most", "shortest and longest wait",
        "range of the waits", "decorrelated jitter"],
    unit="s", cases=[
    Case({"base": 1, "cap": 60, "n": 4, "jitter": "full"}, {"result": [[0, 1], [0, 2], [0, 4], [0, 8]]}, rel=1e-12,
         source=AWS),
    Case({"base": 1, "cap": 60, "n": 3, "jitter": "equal"}, {"result": [[0.5, 1], [1, 2], [2, 4]]}, rel=1e-12,
         source=AWS),
    Case({"base": 1, "cap": 20, "n": 4, "jitter": "decorrelated"}, {"result": [[1, 3], [1, 9], [1, 20], [1, 20]]},
         rel=1e-12, source=AWS)])
def jitter_bounds_s(
    base: float = param(**_BASE), factor: float = param(2.0, **_FACTOR), cap: float = param(UNCAPPED, **_CAP),
    n: int = param(**_RETRIES),
    jitter: Literal["none", "full", "equal", "decorrelated"] = param("full", words=["jitter"]),
) -> list[list[float]]:
    """Least and most of each wait: full 0..w, equal w/2..w, decorrelated base..3 times the last wait (capped)."""
    if jitter == "decorrelated":
        tops = backoff_s(3 * base, 3.0, cap, n)
        return [[min(base, cap), top] for top in tops]
    low = {"none": 1.0, "full": 0.0, "equal": 0.5}[jitter]
    return [[low * wait, wait] for wait in backoff_s(base, factor, cap, n)]


@formula("retry.worst_latency_s", words=["longest time", "caller waits", "worst latency", "gives up after", "timeout", "timeouts",
        "worst case latency", "at worst", "longest a caller waits", "until it gives up", "before it gives up",
        "deadline of the caller"],
    unit="s", cases=[
    Case({"timeout_s": 1, "attempts": 4, "base": 1, "cap": 60}, {"result": 11}, rel=1e-12, source="4 * 1 + 1 + 2 + 4")], asks=[
    Ask("Timeout of 3 s, 4 attempts and a backoff that starts at 1 s: how long until the caller gives "
        "up, in seconds?", "result", 19.0),
    Ask("Timeout 2 s per try, 3 attempts, no backoff: how many seconds until the caller gives up?", "result", 6.0),
    Ask("Each try times out after 800 ms, there are 5 attempts and the backoff starts at 100 ms and doubles. What "
        "is the worst latency in seconds?", "result", 5.5),
])
def worst_latency_s(
    timeout_s: float = param(gt=0, le=1e6, unit="s", words=["timeout", "times out after", "deadline"]),
    attempts: int = param(ge=1, le=1_000, **_ATTEMPTS),
    base: float = param(0.0, **{**_BASE, "words": [*_BASE["words"], "backoff", "backoff of"]}),
    factor: float = param(2.0, **_FACTOR), cap: float = param(UNCAPPED, **_CAP),
) -> float:
    """Longest time until the last try has timed out: attempts * timeout + backoffs. A caller must wait at least so
    long."""
    return attempts * timeout_s + math.fsum(backoff_s(base, factor, cap, attempts - 1))
