"""Formulas of agents: success of chains of steps, repeated tries, tokens of a growing context. Runs no agent."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, ToolError, formula, outputs, param

TAU = "S. Yao et al., tau-bench, 2024 (pass^k)"
CODEX = "M. Chen et al., Evaluating Large Language Models Trained on Code, 2021 (pass@k)"

_P: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction",
                      "words": ["p_step", "works", "per step", "each step", "right", "step success", "correct"]}
_STEPS: dict[str, Any] = {"ge": 0, "le": 1_000_000, "unit": "steps", "words": ["steps", "turns", "step task", "tool calls", "calls"]}
_TASK: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction",
                         "words": ["success", "success rate", "solves", "accuracy", "p", "per try", "each try", "succeeds", "right",
                                   "correct", "per run"]}
_K: dict[str, Any] = {"ge": 1, "le": 1_000_000, "unit": "tries", "words": ["tries", "trials", "runs", "k", "times", "attempts",
                                                                           "in a row", "samples"]}
_BASE: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "tokens",
                         "words": ["base", "prompt", "system prompt", "starts with", "starts at", "initial context"]}
_PER: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "tokens",
                        "words": ["per step", "each step adds", "a step adds", "grows by", "adds", "each turn adds", "per turn"]}


@formula("agent.chain_success", unit="fraction", words=["chain success", "each works", "whole run works", "all steps right",
                                                        "tool calls", "every step right"], cases=[
    Case({"p_step": 0.95, "steps": 10}, {"result": 0.59874}, abs=1e-5, source="p^n"),
    Case({"p_step": 0.95, "steps": 20}, {"result": 0.35849}, abs=1e-5, source="p^n"),
    Case({"p_step": 0.99, "steps": 20}, {"result": 0.81791}, abs=1e-5, source="p^n")], asks=[
    Ask("A workflow of 9 tool calls, each works 98% of the time: how likely does the whole run work?", "result", 0.83375),
])
def chain_success(p_step: float = param(**_P), steps: int = param(**_STEPS)) -> float:
    """Chance that every one of n independent steps is right: p^n."""
    return p_step**steps


@formula("agent.chain_with_failures", unit="fraction", words=[
    "agent fails", "step fails", "steps fail", "fails 1 in", "goes wrong", "error per step", "wrong in", "fails in", "finishes",
], cases=[
    Case({"p_wrong": 0.05, "steps": 20}, {"result": 0.35849}, abs=1e-5, source="0.95^20"),
], asks=[
    Ask("Each step of an agent fails in 3% of the cases. Chance that 25 steps all go right?", "result", 0.46697),
    Ask("An agent goes wrong in 1 in 40 steps: how likely does it get through a 16 step task?", "result", 0.66692),
])
def chain_with_failures(
    p_wrong: float = param(ge=0, le=1, unit="fraction", words=["fails", "fails in", "wrong", "goes wrong", "error rate", "mistake",
                                                               "fail"]),
    steps: int = param(**_STEPS),
) -> float:
    """Chance that a chain of n steps has no failure when each step fails with p: (1 - p)^n."""
    return float((1 - p_wrong) ** steps)


@formula("agent.chain_success_retry1", unit="fraction", cases=[
    Case({"p_step": 0.95, "steps": 20}, {"result": 0.95117}, abs=1e-5,
         source="(1-(1-p)^2)^n, detected independent errors only")])
def chain_success_retry1(p_step: float = param(**_P), steps: int = param(**_STEPS)) -> float:
    """Chance that a chain succeeds when each wrong step is noticed and tried once more: (1 - (1-p)^2)^n."""
    return (1 - (1 - p_step) ** 2) ** steps


@formula("agent.chain_success_retry", words=["with retries", "errors are noticed"],
    unit="fraction", cases=[
    Case({"p_step": 0.95, "steps": 20, "retries": 1}, {"result": 0.95117}, abs=1e-5, source="all errors detected"),
    Case({"p_step": 0.95, "steps": 20, "retries": 3, "detect": 0}, {"result": 0.35849}, abs=1e-5,
         source="nothing to retry"),
    Case({"p_step": 0.9, "steps": 10, "retries": 1, "detect": 0.5}, {"result": 0.945**10}, rel=1e-9,
         source="0.9 + 0.05 * 0.9"),
])
def chain_success_retry(
    p_step: float = param(**_P), steps: int = param(**_STEPS),
    retries: int = param(1, ge=0, le=1_000, unit="retries", words=["retries", "retry"]),
    detect: float = param(1.0, ge=0, le=1, unit="fraction", words=["detected", "detectable", "noticed"]),
) -> float:
    """Chance that a chain succeeds when a share `detect` of the wrong steps is noticed and retried: (p * sum
    ((1-p)d)^i)^n."""
    return float(step_success(p_step, retries, detect)) ** steps


@formula("agent.step_success", words=["one step with retries"],
    unit="fraction", cases=[
    Case({"p_step": 0.9, "retries": 1, "detect": 0.5}, {"result": 0.945}, rel=1e-12, source="0.9 + 0.1 * 0.5 * 0.9")])
def step_success(
    p_step: float = param(**_P), retries: int = param(1, ge=0, le=1_000, unit="retries", words=["retries"]),
    detect: float = param(1.0, ge=0, le=1, unit="fraction", words=["detected", "noticed"]),
) -> float:
    """Chance that one step ends right when noticed errors are retried."""
    again = (1 - p_step) * detect
    return p_step * math.fsum(again**i for i in range(retries + 1))


@formula("agent.required_step_success", words=["must each step", "each step must", "each step need", "how reliable must",
         "how good must each step", "per step needed"],
    unit="fraction", cases=[
    Case({"target": 0.9, "steps": 20}, {"result": 0.994746}, abs=1e-6, source="0.9^(1/20)")],
            asks=[Ask("A 12-step agent should finish 95% of its tasks: how good must each step be?", "result", 0.995735, 1e-05),
    Ask("How reliable must each of 20 steps be for a target of 90% success?", "result", 0.994746, 1e-4)])
def required_step_success(
    target: float = param(gt=0, le=1, unit="fraction", words=["target", "overall", "end to end", "wanted", "want", "whole task", "task"]),
    steps: int = param(ge=1, le=1_000_000, unit="steps", words=["steps", "step task", "tool calls", "turns"]),
) -> float:
    """Success that each step needs for a chain of n to reach a target: target^(1/n)."""
    return float(target ** (1 / steps))


@formula("agent.max_steps", words=["longest chain", "how many steps", "steps at most", "most steps"],
    unit="steps", cases=[
    Case({"p_step": 0.95, "target": 0.5}, {"result": 13}, source="0.95^13 = 0.513, 0.95^14 = 0.488"),
    Case({"p_step": 0.99, "target": 0.9}, {"result": 10}, source="0.99^10 = 0.904")], asks=[
    Ask("Each step is right 98% of the time. How many steps at most for an 80% target?", "result", 11),
])
def max_steps(
    p_step: float = param(gt=0, lt=1, unit="fraction", words=["per step", "step success", "each step"]),
    target: float = param(0.5, gt=0, lt=1, unit="fraction", words=["target", "at least"]),
) -> int:
    """Longest chain that still succeeds with a target chance: floor(ln target / ln p)."""
    return math.floor(math.log(target) / math.log(p_step) + 1e-12)


@formula("agent.tokens", unit="tokens", words=["tokens", "input tokens", "tokens in total", "tokens does it send"], cases=[
    Case({"base": 2000, "per_step": 500, "steps": 20}, {"result": 135_000},
         source="the context is sent again at each step"),
    Case({"base": 2000, "per_step": 500, "steps": 1}, {"result": 2000}, source="one call")])
def tokens(base: int = param(**_BASE), per_step: int = param(**_PER), steps: int = param(**_STEPS)) -> int:
    """Input tokens of n calls when the whole context is sent each time and grows: n*base + per_step * n(n-1)/2."""
    return steps * base + per_step * (steps * (steps - 1) // 2)


@formula("agent.tokens_no_growth", unit="tokens", cases=[
    Case({"base": 2000, "steps": 20}, {"result": 40_000}, source="what one expects who forgets the growth")])
def tokens_no_growth(base: int = param(**_BASE), steps: int = param(**_STEPS)) -> int:
    """Input tokens if the context didn't grow: n * base."""
    return steps * base


@formula("agent.tokens_new", unit="tokens", cases=[
    Case({"base": 2000, "per_step": 500, "steps": 20}, {"result": 11_500}, source="2,000 + 19 * 500")])
def tokens_new(base: int = param(**_BASE), per_step: int = param(**_PER), steps: int = param(**_STEPS)) -> int:
    """Tokens that appear for the first time, which is all that is billed in full with perfect prefix caching."""
    return base + per_step * (steps - 1) if steps else 0


@formula("agent.tokens_cached", words=["prefix caching", "prompt caching", "with caching"],
    unit="tokens", cases=[
    Case({"base": 2000, "per_step": 500, "steps": 20, "cached_price": 0.1}, {"result": 23_850}, rel=1e-12,
         source="11,500 + 0.1 * 123,500")], asks=[
    Ask("With prompt caching at a cached price of 10%, a 3,000 token prompt and 400 tokens per step "
        "over 15 steps: how many full-price tokens is that?", "result", 16520.0),
])
def tokens_cached(
    base: int = param(**_BASE), per_step: int = param(**_PER), steps: int = param(**_STEPS),
    cached_price: float = param(0.1, ge=0, le=1, unit="fraction",
                                words=["cached price", "cache read price", "cached tokens cost"]),
) -> float:
    """Tokens at full price that cost the same, when the repeated prefix is read from a cache at a fraction of the
    price."""
    fresh = base + per_step * (steps - 1) if steps else 0
    return fresh + cached_price * (steps * base + per_step * (steps * (steps - 1) // 2) - fresh)


@formula("agent.overflow_step", words=["context is full", "context overflows", "context window", "runs out of context"],
    unit="steps", cases=[
    Case({"base": 2000, "per_step": 500, "context_limit": 8000}, {"result": 14},
         source="2,000 + 13 * 500 = 8,500 > 8,000")], asks=[
    Ask("A 4k prompt, each step adds 1,500 tokens and the context window is 32k: at which step does the "
        "context overflow?", "result", 20),
])
def overflow_step(
    base: int = param(**_BASE), per_step: int = param(ge=1, le=10**9, unit="tokens",
                                                      words=["per step", "each step adds"]),
    context_limit: int = param(ge=1, le=10**9, unit="tokens", words=["context window", "context limit", "window"]),
) -> int:
    """The first step (from 1) whose context is larger than the window."""
    return (context_limit - base) // per_step + 2 if base <= context_limit else 1


@formula("agent.all_tries", unit="fraction", words=[
    "all runs", "every run", "all tries", "all of them succeed", "in a row", "all succeed", "each time", "consistently",
], cases=[
    Case({"p": 0.6, "k": 8}, {"result": 0.016796}, abs=1e-6, source=f"{TAU}: p^k"),
], asks=[
    Ask("An agent solves a task 85% of the time. How likely does it succeed in all of 6 runs?", "result", 0.37715),
    Ask("Success rate 90% per run: what is the chance of 10 successes in a row?", "result", 0.34868),
])
def all_tries(p: float = param(**_TASK), k: int = param(**_K)) -> float:
    """Chance that all of k independent tries succeed, pass^k: p^k."""
    return p**k


@formula("agent.pass_hat_k", unit="fraction", words=["pass^k"], cases=[
    Case({"p": 0.6, "k": 8, "out": "pass^8, pass@8"}, {"result": [0.016796, 0.999345]}, abs=1e-6,
         source="p^k and 1 - (1-p)^k"),
    Case({"p": 0.9, "k": 4}, {"result": [0.6561, 0.9999]}, rel=1e-9, source="p^k and 1 - (1-p)^k"),
    Case({"p": 0.9, "k": 4, "out": "pass@4"}, {"result": 0.9999}, rel=1e-9, source="1 - (1-p)^k")])
def pass_hat_k(p: float = param(**_TASK), k: int = param(**_K),
               out: str = outputs(pass_hat_k=r"pass\^|hat|all", pass_at_k="pass@|at.?k|one|any")) -> list[float]:
    """Chance that all of k tries succeed (pass^k, reliability) and that at least one does (pass@k, luck)."""
    return [p**k, -math.expm1(k * math.log1p(-p)) if p < 1 else 1.0]


@formula("agent.pass_at_k", unit="fraction", words=["pass@k", "at least one", "one success is enough", "best of", "one of them",
                                                    "any of them", "once is enough"], cases=[
    Case({"p": 0.6, "k": 8}, {"result": 0.999345}, abs=1e-6, source="1 - 0.4^8")], asks=[
    Ask("A model solves 30% of the problems per try. With 5 tries, how likely does at least one succeed?", "result", 0.83193),
])
def pass_at_k(p: float = param(**_TASK), k: int = param(**_K)) -> float:
    """Chance that at least one of k independent tries succeeds: 1 - (1-p)^k."""
    return -math.expm1(k * math.log1p(-p)) if p < 1 else 1.0


@formula("agent.pass_hat_k_estimate", words=["pass^k from", "estimate pass^k"],
    unit="fraction", cases=[
    Case({"n": 8, "c": 6, "k": 2}, {"result": 15 / 28}, rel=1e-12, source=f"{TAU}: C(6,2) / C(8,2)")], asks=[
    Ask("10 runs, 7 successes and k=2: what is the unbiased estimate of pass^k?", "result", 0.46667),
])
def pass_hat_k_estimate(
    n: int = param(ge=1, le=10_000, unit="runs", words=["runs", "of", "n"]),
    c: int = param(ge=0, le=10_000, unit="successes", words=["successes", "passed", "correct"]), k: int = param(**_K),
) -> float:
    """Unbiased pass^k from c successes in n runs: C(c, k) / C(n, k)."""
    _counts("agent.pass_hat_k_estimate", n, c, k)
    return math.comb(c, k) / math.comb(n, k)


@formula("agent.pass_at_k_estimate", words=["pass@k from", "estimate pass@k"],
    unit="fraction", cases=[
    Case({"n": 8, "c": 2, "k": 2}, {"result": 1 - 15 / 28}, rel=1e-12, source=f"{CODEX}: 1 - C(6,2) / C(8,2)"),
    Case({"n": 200, "c": 10, "k": 1}, {"result": 0.05}, rel=1e-12, source="the plain share")], asks=[
    Ask("20 samples, 3 correct: unbiased pass@k for k=5?", "result", 0.60088),
])
def pass_at_k_estimate(
    n: int = param(ge=1, le=10_000, unit="runs", words=["runs", "samples", "n"]),
    c: int = param(ge=0, le=10_000, unit="successes", words=["successes", "passed", "correct"]), k: int = param(**_K),
) -> float:
    """Unbiased pass@k from c successes in n samples: 1 - C(n-c, k) / C(n, k)."""
    _counts("agent.pass_at_k_estimate", n, c, k)
    return 1 - math.comb(n - c, k) / math.comb(n, k)


@formula("agent.majority_success", words=["majority vote", "majority wins", "votes", "voting", "self-consistency"],
    unit="fraction", cases=[
    Case({"p": 0.6, "k": 5}, {"result": 0.68256}, rel=1e-9, source="binomial: at least 3 of 5"),
    Case({"p": 0.4, "k": 5}, {"result": 0.31744}, rel=1e-9, source="voting makes a bad agent worse")], asks=[
    Ask("7 votes that are each right 75% of the time, majority wins: how accurate is the vote?", "result", 0.92944),
])
def majority_success(p: float = param(**_TASK), k: int = param(ge=1, le=10_001, unit="tries",
                                                               words=["votes", "tries", "samples", "voters", "agents"])) -> float:
    """Chance that more than half of k independent tries are right, when wrong ones agree."""
    from scipy.stats import binom

    return float(binom.sf(k // 2, k, p))


def _counts(name: str, n: int, c: int, k: int) -> None:
    if c > n or k > n:
        raise ToolError(f"{name}: c is {c} and k is {k}; both may be at most n = {n}.")
