"""Formulas of retries: amplification, success, budgets, safe load; waits are in backoff.py. Knows no breaker and runs no clock."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, ToolError, formula, param

SRE = "Google SRE Book, ch. 22 (Addressing Cascading Failures)"
AWS = "M. Brooker, Timeouts, retries and backoff with jitter, AWS Builders' Library"

_ATTEMPTS: dict[str, Any] = {"unit": "count", "words": ["attempts", "tries", "times", "attempts per layer", "attempts each"]}
_LAYERS: dict[str, Any] = {"unit": "count", "words": ["layers", "levels", "services deep", "deep", "tiers", "hops",
        "services in a chain", "layered", "hops deep", "services", "calls deep"]}
_FAIL: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["fail", "failure rate", "errors", "fails", "failing",
        "flaky", "time out", "times out", "failure", "broken", "of the time", "goes wrong", "lost", "error rate", "drops"]}


@formula("retry.amplification", unit="calls", words=["retry amplification", "retries multiply", "calls at the bottom", "layers",
        "each layer tries", "retry storm worst case", "multiply", "hit the database", "reach the bottom"], cases=[
    Case({"attempts_per_layer": 4, "layers": 3}, {"result": 64}, source=SRE),
    Case({"attempts_per_layer": 3, "layers": 5}, {"result": 243}, source=AWS),
], asks=[Ask("How many calls reach the database when each of 3 layers makes 4 attempts?", "result", 64),
         Ask("A stack of 5 layers with 3 attempts per layer: how many times is the bottom called in the worst case?",
             "result", 243),
    Ask("3 attempts at each of 4 layers: how many calls reach the bottom in the worst case?", "result", 81.0),
    Ask("The web tier, the api and the storage client each try 5 times. With 3 layers, how many calls hit the "
        "disk for one click when everything fails?", "result", 125.0),
])
def amplification(
    attempts_per_layer: int = param(ge=1, le=1_000, **_ATTEMPTS), layers: int = param(ge=0, le=100, **_LAYERS),
) -> int:
    """Calls that one request makes at the bottom of a stack when every try fails: attempts ** layers."""
    calls: int = attempts_per_layer**layers
    return calls


@formula("retry.amplification_mixed", words=["own number of attempts", "one click cause", "calls at the bottom", "layers make",
        "layers", "attempts by layer", "at the top", "in the middle", "different attempts", "attempts differ", "respectively",
        "from top to bottom"], unit="calls", cases=[
    Case({"attempts": [4, 3, 2]}, {"result": 24}, source="product"),
    Case({"attempts": [3, 1, 1]}, {"result": 3}, source="product")], asks=[
    Ask("Three layers make 4, 2 and 3 attempts. How many calls can one click cause at the bottom?", "result", 24.0),
    Ask("attempts by layer are 3, 3, 2, 5: how many calls arrive at the bottom if all fail?", "result", 90.0),
    Ask("We retry at every level: three layers, 2 attempts at the top, 6 in the middle and 4 at the bottom. How "
        "many calls can one request cause?", "result", 48.0),
])
def amplification_mixed(attempts: list[int] = param(min_length=1, max_length=100, words=["attempts by layer", "attempts", "tries",
        "respectively", "layers make", "top to bottom"])) -> int:
    """Calls at the bottom when each layer has its own number of attempts: their product."""
    if any(each < 1 or each > 1_000 for each in attempts):
        raise ToolError("retry.amplification_mixed: every layer makes between 1 and 1000 attempts; a first try counts "
                        "as one.")
    return math.prod(attempts)


@formula("retry.after_retries", words=[
    "retries", "after retries", "error rate after retries", "still fails", "retried", "with retries", "two retries", "one retry",
], cases=[
    Case({"p_fail": 0.1, "retries": 2}, {"success": 0.999, "failure": 0.001}, rel=1e-9, source="0.1^3: a first try and two more"),
], asks=[
    Ask("8% of the calls fail and each is retried twice. What share still fails?", "failure", 0.000512),
    Ask("A flaky call fails 30% of the time, with 3 retries: how likely does it succeed?", "success", 0.9919),
    Ask("2% of my calls are lost and a client makes one retry. What share of the calls still fails?", "failure", 0.0004, 0.001),
    Ask("An upload breaks with probability 15% and gets three retries. How likely does it succeed "
        "in the end?", "success", 0.99949375, 1e-05),
])
def after_retries(
    p_fail: float = param(**_FAIL), retries: int = param(ge=0, le=1_000, unit="retries", words=["retries", "retry", "retried",
                                                                                                "more times"]),
) -> dict[str, float]:
    """Success and failure of a call that is tried once and then retried, failures independent: failure = p^(retries + 1)."""
    failure = p_fail ** (retries + 1)
    return {"success": 1 - failure, "failure": failure}


@formula("retry.expected_calls", words=["calls on average", "mean calls", "expected calls", "extra load of retries",
        "calls does one request cause on average", "average number of calls", "extra load", "average calls", "more load"],
    unit="calls", cases=[
    Case({"p_fail": 0.1, "attempts": 3}, {"result": 1.11}, rel=1e-12, source="1 + 0.1 + 0.01"),
    Case({"p_fail": 1, "attempts": 4, "layers": 3}, {"result": 64}, rel=1e-12, source="everything fails"),
    Case({"p_fail": 0.5, "attempts": 2, "layers": 2}, {"result": 1.875}, rel=1e-12, source="(1 - 0.5^4) / 0.5")], asks=[
    Ask("A call fails 25% of the time and there are 4 attempts: how many calls on average?", "result", 1.328125),
    Ask("20% of the calls fail, at most 3 attempts. How many calls does a request cause on average?", "result", 1.24),
    Ask("The error rate is 40% and every client makes up to 5 tries. Expected calls per request?", "result", 1.6496),
])
def expected_calls(
    p_fail: float = param(**_FAIL), attempts: int = param(ge=1, le=1_000, **_ATTEMPTS),
    layers: int = param(1, ge=1, le=20, **_LAYERS),
) -> float:
    """Mean calls at the bottom for each request when a call fails with p_fail: (1 - p^(a^L)) / (1 - p)."""
    tries = attempts**layers
    return float(tries) if p_fail == 1 else (1 - p_fail**tries) / (1 - p_fail)


@formula("retry.success", words=["attempts", "tries", "succeed in the end", "request succeeds", "call fails", "goes through",
        "works in the end", "success rate with attempts", "gets through"],
    unit="fraction", cases=[
    Case({"p_fail": 0.1, "attempts": 3}, {"result": 0.999}, rel=1e-12, source="1 - 0.1^3"),
    Case({"p_fail": 0.5, "attempts": 2, "layers": 2}, {"result": 0.9375}, rel=1e-12, source="1 - 0.5^4")], asks=[
    Ask("Calls fail 10% of the time and the client makes 4 attempts. How likely does the request "
        "succeed in the end?", "result", 0.9999, 1e-06),
    Ask("A call fails with probability 0.2 and gets 3 tries: how likely does it go through?", "result", 0.992, 0.0001),
    Ask("The network drops 5 percent of my requests, I make two attempts. What is the success rate?", "result", 0.9975, 1e-05),
])
def success(
    p_fail: float = param(**_FAIL), attempts: int = param(ge=1, le=1_000, **_ATTEMPTS),
    layers: int = param(1, ge=1, le=20, **_LAYERS),
) -> float:
    """Chance that a request succeeds when its tries fail independently: 1 - p^(a^L). Overload isn't independent."""
    return float(1 - p_fail ** (attempts**layers))


@formula("retry.attempts_for", words=["how many attempts", "how many tries", "attempts needed", "retries needed",
        "how many times must", "times must i try", "attempts until"],
    unit="attempts", cases=[
    Case({"p_fail": 0.1, "target": 0.999}, {"result": 3}, source="1 - 0.1^3"),
    Case({"p_works": 0.8, "target": 0.995}, {"result": 4}, source="0.2^3 = 0.008, 0.2^4 = 0.0016"),
    Case({"p_fail": 0.01, "target": 0.99999}, {"result": 3}, source="1 - 0.01^2 is four nines only")], asks=[
    Ask("A call fails 5% of the time. How many attempts do I need for a success of 99.99%?", "result", 4),
    Ask("Every call is lost with probability 10% and I want five nines of success. How many tries are needed?", "result", 5.0),
    Ask("A job breaks 30% of the time. How many attempts do I need so that 99% of the jobs succeed?", "result", 4.0),
    Ask("One try works only 70% of the time, but 99% of the uploads must go through. How many tries are needed?", "result", 4.0),
])
def attempts_for(
    p_fail: float | None = param(None, gt=0, lt=1, unit="fraction",
    words=["fail", "failure rate", "fails", "error rate", "failing", "lost",
        "breaks", "failure"]),
    target: float = param(ge=0.1, lt=1, unit="fraction", words=["target", "success", "want", "succeed", "reach", "go through",
        "should work", "at least", "certain"]),
    p_works: float | None = param(None, gt=0, le=0.999999, unit="fraction", words=["works", "a try works", "try works",
        "works only", "succeeds", "call works", "try succeeds", "gets through"], help="success of one try, instead of p_fail"),
) -> int:
    """Attempts that bring independent failures down to a target success rate."""
    if (p_fail is None) == (p_works is None):
        raise ToolError("retry.attempts_for needs either p_fail or p_works, and not both.")
    failing = p_fail if p_fail is not None else 1 - (p_works or 0.0)
    return max(1, math.ceil(math.log1p(-target) / math.log(failing) - 1e-9))


@formula("retry.budget_amplification", words=["retry budget", "load grow at worst", "amplification with a budget", "retry budget of"],
    unit="calls", cases=[
    Case({"budget": 0.1}, {"result": 1.1}, rel=1e-12, source=f"{SRE}: 10% budget"),
    Case({"budget": 0.1, "layers": 3}, {"result": 1.331}, rel=1e-12, source="1.1^3")], asks=[
    Ask("A retry budget of 20% on 3 layers: how much can the load grow at worst?", "result", 1.728),
    Ask("Each of 4 layers has a retry budget of 10%. What is the worst amplification?", "result", 1.4641),
    Ask("Clients may retry at most 25% of their first tries. How much can the load grow with this retry budget?", "result", 1.25),
])
def budget_amplification(
    budget: float = param(ge=0, le=100, unit="fraction", words=["budget", "retry budget"]),
    layers: int = param(1, ge=1, le=100, **_LAYERS),
) -> float:
    """Worst amplification when each layer may retry at most `budget` of its first tries: (1 + budget) ** layers."""
    return float((1 + budget) ** layers)


@formula("retry.safe_load_rps", words=["safe load", "recovers by itself", "without a retry storm",
        "recover from an outage by itself", "safe load with retries", "up to which load", "load may i run", "stay safe",
        "highest load"],
    unit="rps", cases=[
    Case({"capacity_rps": 1000, "attempts": 4}, {"result": 250}, rel=1e-12, source="1000 / 4"),
    Case({"capacity_rps": 1000, "attempts": 4, "layers": 3}, {"result": 15.625}, rel=1e-12, source="1000 / 64")], asks=[
    Ask("Capacity 3,000 rps and 3 attempts per request: up to which load does it recover by itself?", "result", 1000.0),
    Ask("A service can handle 6,000 rps and clients make up to 4 attempts. Which load is safe so that it "
        "recovers by itself from a retry storm?", "result", 1500.0),
    Ask("What is the safe load of a backend with a capacity of 900 rps when 2 layers make 3 attempts each?", "result", 100.0),
])
def safe_load_rps(
    capacity_rps: float = param(gt=0, le=1e12, unit="rps", words=["capacity", "handles", "can serve", "serves", "can do",
        "can handle", "up to"]),
    attempts: int = param(ge=1, le=1_000, **_ATTEMPTS), layers: int = param(1, ge=1, le=20, **_LAYERS),
) -> float:
    """Load up to which a service recovers from any failure by itself, as it can serve every retry: capacity / a^L."""
    return float(capacity_rps / attempts**layers)


@formula("retry.overload_served", words=["load shedding", "sheds", "overloaded", "overload", "share served", "share is served",
        "requests are served", "gets served", "over capacity", "shed the rest", "drops the rest"],
    unit="fraction", cases=[
    Case({"load_rps": 1250, "capacity_rps": 1000}, {"result": 0.8}, rel=1e-12, source="1000 / 1250"),
    Case({"load_rps": 800, "capacity_rps": 1000}, {"result": 1.0}, source="below capacity")], asks=[
    Ask("4,000 rps arrive and the capacity is 2,500 rps; the rest is shed. What share is served?", "result", 0.625),
    Ask("A server can serve 300 rps, sheds the rest, and 1,000 rps come in. Which share gets served?", "result", 0.3),
    Ask("Overloaded: capacity 8k rps, load 10k rps with load shedding. Share of requests served?", "result", 0.8),
])
def overload_served(
    load_rps: float = param(gt=0, le=1e12, unit="rps", words=["load", "arrive", "come in", "offered", "sent", "hit it", "incoming"]),
    capacity_rps: float = param(gt=0, le=1e12, unit="rps", words=["capacity", "handles", "can do", "can serve", "can handle",
        "serves", "capacity of"]),
) -> float:
    """Share served by a server that sheds what exceeds its capacity at no cost: capacity / load, with or without
    retries."""
    return min(1.0, capacity_rps / load_rps)
