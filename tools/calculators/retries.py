"""Formulas of retries: amplification, success, backoff, budgets, safe load. Knows no breaker and runs no clock."""

from __future__ import annotations

import math
from typing import Any, Literal

from tools.base import Ask, Case, ToolError, formula, param

SRE = "Google SRE Book, ch. 22 (Addressing Cascading Failures)"
AWS = "M. Brooker, Timeouts, retries and backoff with jitter, AWS Builders' Library"

_ATTEMPTS: dict[str, Any] = {"unit": "count", "words": ["attempts", "tries", "times", "attempts per layer"]}
_LAYERS: dict[str, Any] = {"unit": "count", "words": ["layers", "levels", "services deep", "deep"]}
_FAIL: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["fail", "failure rate", "errors", "fails"]}
_SECONDS: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "s"}


@formula("retry.amplification", unit="calls", words=["retry amplification"], cases=[
    Case({"attempts_per_layer": 4, "layers": 3}, {"result": 64}, source=SRE),
    Case({"attempts_per_layer": 3, "layers": 5}, {"result": 243}, source=AWS),
], asks=[Ask("How many calls reach the database when each of 3 layers makes 4 attempts?", "result", 64),
         Ask("A stack of 5 layers with 3 attempts per layer: how many times is the bottom called in the worst case?",
             "result", 243)])
def amplification(
    attempts_per_layer: int = param(ge=1, le=1_000, **_ATTEMPTS), layers: int = param(ge=0, le=100, **_LAYERS),
) -> int:
    """Calls that one request makes at the bottom of a stack when every try fails: attempts ** layers."""
    calls: int = attempts_per_layer**layers
    return calls


@formula("retry.amplification_mixed", unit="calls", cases=[
    Case({"attempts": [4, 3, 2]}, {"result": 24}, source="product"),
    Case({"attempts": [3, 1, 1]}, {"result": 3}, source="product")])
def amplification_mixed(attempts: list[int] = param(min_length=1, max_length=100, words=["attempts by layer"])) -> int:
    """Calls at the bottom when each layer has its own number of attempts: their product."""
    if any(each < 1 or each > 1_000 for each in attempts):
        raise ToolError("retry.amplification_mixed: every layer makes between 1 and 1000 attempts; a first try counts "
                        "as one.")
    return math.prod(attempts)


@formula("retry.expected_calls", unit="calls", cases=[
    Case({"p_fail": 0.1, "attempts": 3}, {"result": 1.11}, rel=1e-12, source="1 + 0.1 + 0.01"),
    Case({"p_fail": 1, "attempts": 4, "layers": 3}, {"result": 64}, rel=1e-12, source="everything fails"),
    Case({"p_fail": 0.5, "attempts": 2, "layers": 2}, {"result": 1.875}, rel=1e-12, source="(1 - 0.5^4) / 0.5")])
def expected_calls(
    p_fail: float = param(**_FAIL), attempts: int = param(ge=1, le=1_000, **_ATTEMPTS),
    layers: int = param(1, ge=1, le=20, **_LAYERS),
) -> float:
    """Mean calls at the bottom for each request when a call fails with p_fail: (1 - p^(a^L)) / (1 - p)."""
    tries = attempts**layers
    return float(tries) if p_fail == 1 else (1 - p_fail**tries) / (1 - p_fail)


@formula("retry.success", unit="fraction", cases=[
    Case({"p_fail": 0.1, "attempts": 3}, {"result": 0.999}, rel=1e-12, source="1 - 0.1^3"),
    Case({"p_fail": 0.5, "attempts": 2, "layers": 2}, {"result": 0.9375}, rel=1e-12, source="1 - 0.5^4")])
def success(
    p_fail: float = param(**_FAIL), attempts: int = param(ge=1, le=1_000, **_ATTEMPTS),
    layers: int = param(1, ge=1, le=20, **_LAYERS),
) -> float:
    """Chance that a request succeeds when its tries fail independently: 1 - p^(a^L). Overload isn't independent."""
    return float(1 - p_fail ** (attempts**layers))


@formula("retry.attempts_for", unit="attempts", cases=[
    Case({"p_fail": 0.1, "target": 0.999}, {"result": 3}, source="1 - 0.1^3"),
    Case({"p_fail": 0.01, "target": 0.99999}, {"result": 3}, source="1 - 0.01^2 is four nines only")])
def attempts_for(
    p_fail: float = param(gt=0, lt=1, unit="fraction", words=["fail", "failure rate"]),
    target: float = param(gt=0, lt=1, unit="fraction", words=["target", "success"]),
) -> int:
    """Attempts that bring independent failures down to a target success rate."""
    return max(1, math.ceil(math.log1p(-target) / math.log(p_fail) - 1e-9))


@formula("retry.budget_amplification", unit="calls", cases=[
    Case({"budget": 0.1}, {"result": 1.1}, rel=1e-12, source=f"{SRE}: 10% budget"),
    Case({"budget": 0.1, "layers": 3}, {"result": 1.331}, rel=1e-12, source="1.1^3")])
def budget_amplification(
    budget: float = param(ge=0, le=100, unit="fraction", words=["budget", "retry budget"]),
    layers: int = param(1, ge=1, le=100, **_LAYERS),
) -> float:
    """Worst amplification when each layer may retry at most `budget` of its first tries: (1 + budget) ** layers."""
    return float((1 + budget) ** layers)


@formula("retry.safe_load_rps", unit="rps", cases=[
    Case({"capacity_rps": 1000, "attempts": 4}, {"result": 250}, rel=1e-12, source="1000 / 4"),
    Case({"capacity_rps": 1000, "attempts": 4, "layers": 3}, {"result": 15.625}, rel=1e-12, source="1000 / 64")])
def safe_load_rps(
    capacity_rps: float = param(gt=0, le=1e12, unit="rps", words=["capacity", "handles"]),
    attempts: int = param(ge=1, le=1_000, **_ATTEMPTS), layers: int = param(1, ge=1, le=20, **_LAYERS),
) -> float:
    """Load up to which a service recovers from any failure by itself, as it can serve every retry: capacity / a^L."""
    return float(capacity_rps / attempts**layers)


@formula("retry.backoff_s", unit="s", words=["exponential backoff"], cases=[
    Case({"base": 1, "factor": 2, "cap": 60, "n": 8}, {"result": [1, 2, 4, 8, 16, 32, 60, 60]},
         source="capped exponential"),
    Case({"base": 0.5, "factor": 3, "cap": 10, "n": 4}, {"result": [0.5, 1.5, 4.5, 10]}, rel=1e-12,
         source="capped exponential")])
def backoff_s(
    base: float = param(1.0, **_SECONDS, words=["base", "first wait", "starts at"]),
    factor: float = param(2.0, ge=1, le=1_000, words=["factor", "multiplier"]),
    cap: float = param(60.0, **_SECONDS, words=["cap", "at most", "maximum"]),
    n: int = param(5, ge=0, le=10_000, unit="count", words=["retries", "n"]),
) -> list[float]:
    """Waits before each of n retries without jitter: min(cap, base * factor^i)."""
    waits, wait = [], base
    for _ in range(n):
        waits.append(min(wait, cap))
        wait = min(wait * factor, 1e300)
    return waits


@formula("retry.backoff_total_s", unit="s", cases=[
    Case({"base": 1, "factor": 2, "cap": 60, "n": 8}, {"result": 183}, rel=1e-12, source="sum"),
    Case({"base": 1, "factor": 2, "cap": 60, "n": 8, "jitter": "full"}, {"result": 91.5}, rel=1e-12,
         source="half on average")])
def backoff_total_s(
    base: float = param(1.0, **_SECONDS, words=["base"]), factor: float = param(2.0, ge=1, le=1_000, words=["factor"]),
    cap: float = param(60.0, **_SECONDS, words=["cap", "maximum"]),
    n: int = param(5, ge=0, le=10_000, words=["retries"]),
    jitter: Literal["none", "full", "equal"] = param("none", words=["jitter"]),
) -> float:
    """All waits of n retries together; on average with full jitter (0..w) a half, with equal jitter (w/2..w) three
    quarters."""
    return math.fsum(backoff_s(base, factor, cap, n)) * {"none": 1.0, "full": 0.5, "equal": 0.75}[jitter]


@formula("retry.jitter_bounds_s", unit="s", cases=[
    Case({"base": 1, "cap": 60, "n": 4, "jitter": "full"}, {"result": [[0, 1], [0, 2], [0, 4], [0, 8]]}, rel=1e-12,
         source=AWS),
    Case({"base": 1, "cap": 60, "n": 3, "jitter": "equal"}, {"result": [[0.5, 1], [1, 2], [2, 4]]}, rel=1e-12,
         source=AWS),
    Case({"base": 1, "cap": 20, "n": 4, "jitter": "decorrelated"}, {"result": [[1, 3], [1, 9], [1, 20], [1, 20]]},
         rel=1e-12, source=AWS)])
def jitter_bounds_s(
    base: float = param(1.0, **_SECONDS, words=["base"]), factor: float = param(2.0, ge=1, le=1_000, words=["factor"]),
    cap: float = param(60.0, **_SECONDS, words=["cap", "maximum"]),
    n: int = param(5, ge=0, le=10_000, words=["retries"]),
    jitter: Literal["none", "full", "equal", "decorrelated"] = param("full", words=["jitter"]),
) -> list[list[float]]:
    """Least and most of each wait: full 0..w, equal w/2..w, decorrelated base..3 times the last wait (capped)."""
    if jitter == "decorrelated":
        tops = backoff_s(3 * base, 3.0, cap, n)
        return [[min(base, cap), top] for top in tops]
    low = {"none": 1.0, "full": 0.0, "equal": 0.5}[jitter]
    return [[low * wait, wait] for wait in backoff_s(base, factor, cap, n)]


@formula("retry.worst_latency_s", unit="s", cases=[
    Case({"timeout_s": 1, "attempts": 4, "base": 1, "cap": 60}, {"result": 11}, rel=1e-12, source="4 * 1 + 1 + 2 + 4")])
def worst_latency_s(
    timeout_s: float = param(gt=0, le=1e6, unit="s", words=["timeout"]),
    attempts: int = param(ge=1, le=1_000, **_ATTEMPTS),
    base: float = param(0.0, **_SECONDS, words=["base", "backoff"]),
    factor: float = param(2.0, ge=1, le=1_000, words=["factor"]),
    cap: float = param(60.0, **_SECONDS, words=["cap"]),
) -> float:
    """Longest time until the last try has timed out: attempts * timeout + backoffs. A caller must wait at least so
    long."""
    return attempts * timeout_s + math.fsum(backoff_s(base, factor, cap, attempts - 1))


@formula("retry.overload_served", unit="fraction", cases=[
    Case({"load_rps": 1250, "capacity_rps": 1000}, {"result": 0.8}, rel=1e-12, source="1000 / 1250"),
    Case({"load_rps": 800, "capacity_rps": 1000}, {"result": 1.0}, source="below capacity")])
def overload_served(
    load_rps: float = param(gt=0, le=1e12, unit="rps", words=["load", "arrive"]),
    capacity_rps: float = param(gt=0, le=1e12, unit="rps", words=["capacity", "handles"]),
) -> float:
    """Share served by a server that sheds what exceeds its capacity at no cost: capacity / load, with or without
    retries."""
    return min(1.0, capacity_rps / load_rps)
