"""What an agent of n steps achieves and costs: success, silent errors, tokens, money, time. Exact, without
simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, Value, param, tool

Floats = NDArray[np.float64]


class AgentReliability(Params):
    p_step: float = param(0.95, ge=0, le=1, unit="fraction",
                          words=["per step", "step success", "each step", "a step succeeds", "step accuracy", "right"])
    steps: int = param(20, ge=1, le=500, unit="steps", words=["steps", "step chain", "turns", "tool calls"])
    retries: int = param(0, ge=0, le=10, unit="retries", words=["retries", "retry", "tries again"])
    detect: float = param(1.0, ge=0, le=1, unit="fraction",
                          words=["detected", "detects", "detectable", "noticed", "of the errors", "errors caught"])
    hitl_rate: float = param(0.0, ge=0, le=1, unit="fraction",
                             words=["human review", "human", "escalated", "handed to a person", "hitl"],
                             help="share of the noticed failures that are left after the retries and go to a human")
    hitl_success: float = param(1.0, ge=0, le=1, unit="fraction",
                                words=["human fixes", "human success", "reviewer is right"])
    human_min: float = param(10.0, ge=0, le=100_000, unit="min", words=["minutes per review", "review takes"])
    base_tokens: int = param(2_000, ge=0, le=10_000_000, unit="tokens",
                             words=["base", "prompt", "system prompt", "initial context", "starts with"])
    tokens_per_step: int = param(500, ge=0, le=1_000_000, unit="tokens",
                                 words=["per step", "each step adds", "adds", "grows by", "step adds"])
    output_tokens: int = param(150, ge=0, le=1_000_000, unit="tokens", words=["output", "generated", "writes"],
                               help="output tokens of a call; they are part of what a step adds")
    context_limit: int | None = param(None, ge=1, le=100_000_000, unit="tokens",
                                      words=["context window", "context limit", "window"],
                                      help="older turns are cut beyond it")
    caching: bool = param(False, words=["caching", "prefix caching", "prompt caching", "cached"])
    cached_price: float = param(0.1, ge=0, le=1, unit="fraction",
                                words=["cached price", "cache reads cost", "of the price"])
    input_usd_per_M: float = param(3.0, ge=0, le=10_000, unit="USD",
                                   words=["input price", "per million input", "input tokens cost"])
    output_usd_per_M: float = param(15.0, ge=0, le=10_000, unit="USD",
                                    words=["output price", "per million output", "output tokens cost"])
    call_s: float = param(3.0, ge=0, le=3_600, unit="s", words=["call takes", "latency of a call", "seconds per step"])
    k: int = param(8, ge=1, le=1_000, unit="runs", words=["k", "tries of the task", "runs", "pass^"])


@dataclass(frozen=True)
class Step:
    """What becomes of one step: right, wrong without anybody noticing, noticed but given up; and its calls."""

    right: float
    silent: float
    given_up: float
    to_human: float
    calls: Floats
    """Probability of 1, 2, … calls."""


@tool("agent-reliability", group="K",
      words=["agent", "agent reliability", "task succeeds", "success per step", "agent needs", "agentic", "multi-step",
             "chain of steps", "step success", "pass^k", "pass@k",
             "context growth", "agent cost", "tokens does an agent", "human in the loop"],
      example={"retries": 1, "detect": 0.5},
      cases=[
          Case({}, {"success": 0.35849, "input_tokens": 135_000}, abs=1e-5,
               source="0.95^20; the context is sent again each step"),
          Case({"retries": 1}, {"success": 0.95117}, abs=1e-5, source="(1 - 0.05^2)^20"),
          Case({"retries": 3, "detect": 0}, {"success": 0.35849, "input_tokens": 135_000}, abs=1e-5,
               source="nothing to retry"),
          Case({"steps": 1, "p_step": 0.6}, {"pass_hat_k": 0.016796, "pass_at_k": 0.999345}, abs=1e-6,
               source="0.6^8, 1 - 0.4^8"),
          Case({"p_step": 0.99}, {"success": 0.81791}, abs=1e-5, source="0.99^20"),
          Case({"hitl_rate": 1}, {"success": 1.0, "human_reviews": 1.0}, rel=1e-9,
               source="each of 20 * 0.05 failures is fixed"),
          Case({"caching": True}, {"billed_input_tokens": 23_850}, rel=1e-9, source="11,500 + 0.1 * 123,500"),
      ],
      asks=[
          Ask("An agent has 95% success per step and needs 20 steps. What is the chance that the task succeeds?",
              "success", 0.35849),
          Ask("Agent with 20 steps at 95% per step and 1 retry of detected errors: success?", "success", 0.95117),
          Ask("How many input tokens does an agent use in 20 steps with a 2k prompt when each step adds 500 tokens?",
              "input_tokens", 135_000),
          Ask("What is pass^8 of an agent with 1 step at 60% step success?", "pass_hat_k", 0.016796),
          Ask("An agent of 10 steps, each step right 99% of the time: how likely is it to finish correctly?", "success",
              0.90438),
          Ask("If only 50% of the errors are detected, with 1 retry, 95% per step and 20 steps, what success does the "
              "agent have?", "success", 0.58715),
      ])
def agent_reliability(p: AgentReliability, seed: int) -> ToolResult:
    """Success, silent failures, tokens, cost and time of an agent that takes n steps with retries and human review.

    A step is right with `p_step`. A wrong one is noticed with `detect` and retried up to `retries` times; what is still
    wrong and noticed goes to a human with `hitl_rate`. What isn't noticed stays in the result. Every call sends the
    whole context again, which has grown by `tokens_per_step` for each earlier call, retries included. The distribution
    of the number of calls is exact; a run goes on to its last step even after a failure.

    People get wrong:
    - Average accuracy is reliability: 95% a step is 36% over 20 steps, and 60% a task is 2% for eight tasks in a row.
    - Retries fix it: only errors that somebody notices can be retried; the rest pass silently.
    - Tokens grow with the steps: they grow with their square, as each call pays for the whole past. Caching the prefix
      takes most of the price away, not the length.

    Sources: independent steps, p^n; S. Yao et al., tau-bench, 2024 (pass^k); M. Chen et al., 2021 (pass@k). Prices are
    inputs; cached reads at a tenth of the price are common (vendors' price lists).

    >>> run = agent_reliability(AgentReliability(), 0).values
    >>> round(run["success"], 5), run["input_tokens"]
    (0.35849, 135000.0)
    """
    step = _step(p)
    success = step.right**p.steps
    silent = (step.right + step.silent) ** p.steps - success
    calls = _calls(step.calls, p.steps)
    counts = np.arange(len(calls), dtype=float)
    tokens, fresh = _tokens(p, counts)
    input_tokens, new_tokens = float(calls @ tokens), float(calls @ fresh)
    mean_calls = float(calls @ counts)
    billed = new_tokens + p.cached_price * (input_tokens - new_tokens) if p.caching else input_tokens
    cost = (billed * p.input_usd_per_M + mean_calls * p.output_tokens * p.output_usd_per_M) / 1e6
    reviews = step.to_human * p.steps
    values: dict[str, Value] = {
        "success": success, "silent_failure": max(0.0, silent), "noticed_failure": max(0.0, 1 - success - silent),
        "step_success": step.right, "calls": mean_calls, "input_tokens": input_tokens, "billed_input_tokens": billed,
        "output_tokens": mean_calls * p.output_tokens, "cost_usd": cost,
        "cost_per_success_usd": cost / success if success > 1e-12 else None,
        "latency_s": mean_calls * p.call_s + reviews * p.human_min * 60, "human_reviews": reviews,
        "pass_hat_k": success**p.k, "pass_at_k": -math.expm1(p.k * math.log1p(-success)) if success < 1 else 1.0,
        "last_context_tokens": _context(p, p.steps - 1)}
    units = {"calls": "calls", "human_reviews": "reviews", "cost_usd": "USD", "cost_per_success_usd": "USD",
             "latency_s": "s"}
    units |= {key: "tokens" if "tokens" in key else "fraction" for key in values if key not in units}
    naive_tokens = p.steps * p.base_tokens
    return ToolResult(
        tool="agent-reliability", values=values, units=units,
        naive={"success": p.p_step, "input_tokens": float(naive_tokens)},
        summary=f"The task succeeds with {success:.3g}, not {p.p_step:.3g}; {values['silent_failure']:.3g} end wrong "
                f"unnoticed. It takes {input_tokens:,.0f} input tokens, not {naive_tokens:,}, and costs {cost:.3g} "
                f"USD. All of {p.k} runs succeed with {success**p.k:.3g}, at least one with {values['pass_at_k']:.3g}.",
        formula="success = (p * sum_i ((1-p) d)^i + what humans fix)^n; tokens = n*base + per_step * n(n-1)/2; pass^k "
                "= success^k; pass@k = 1 - (1-success)^k",
        series=_series(p), plot=_plot(p),
        assumptions=["steps and retries fail independently", "a run goes on to its last step after a failure"]
        + (["the prefix is always still in the cache"] if p.caching else []),
        warnings=_warnings(p),
    )


def _step(p: AgentReliability) -> Step:
    again = (1 - p.p_step) * p.detect
    rounds = math.fsum(again**i for i in range(p.retries + 1))
    left = again ** (p.retries + 1)
    fixed = left * p.hitl_rate * p.hitl_success
    calls = np.array([again**i * (1 - again) for i in range(p.retries)] + [again**p.retries])
    return Step(min(1.0, p.p_step * rounds + fixed), (1 - p.p_step) * (1 - p.detect) * rounds, left - fixed,
                left * p.hitl_rate, calls)


def _calls(one: Floats, steps: int) -> Floats:
    """Distribution of the calls of a run, from 0, by squaring the distribution of one step."""
    result, power = np.array([1.0]), np.concatenate([[0.0], one])
    while steps:
        if steps & 1:
            result = np.convolve(result, power)
        power = np.convolve(power, power) if steps > 1 else power
        steps >>= 1
    return np.asarray(result / result.sum())


def _tokens(p: AgentReliability, calls: Floats) -> tuple[Floats, Floats]:
    """Input tokens of a run with so many calls, and those among them that no earlier call has sent."""
    before = np.arange(max(len(calls) - 1, 0), dtype=float)
    contexts = p.base_tokens + p.tokens_per_step * before
    new = np.where(before > 0, float(p.tokens_per_step), float(p.base_tokens))
    if p.context_limit is not None:
        # what is cut moves every later token, so that only the prompt is still where the cache knows it
        new = np.where(contexts > p.context_limit, max(0, p.context_limit - p.base_tokens), new)
        new = np.where((before == 0) & (contexts > p.context_limit), p.context_limit, new)
        contexts = np.minimum(contexts, p.context_limit)
    return np.concatenate([[0.0], np.cumsum(contexts)]), np.concatenate([[0.0], np.cumsum(new)])


def _context(p: AgentReliability, before: int) -> int:
    size = p.base_tokens + p.tokens_per_step * before
    return size if p.context_limit is None else min(size, p.context_limit)


def _series(p: AgentReliability) -> dict[str, list[float | str]]:
    most = max(p.steps, 2)
    counts = sorted({max(1, round(most * i / 60)) for i in range(1, 61)})
    right, bare = _step(p).right, _step(p.model_copy(update={"retries": 1, "detect": 1.0, "hitl_rate": 0.0})).right
    tokens = _tokens(p, np.arange(most + 1, dtype=float))[0]
    return {"steps": [float(n) for n in counts], "success": [right**n for n in counts],
            "success_no_retry": [p.p_step**n for n in counts], "success_all_detected": [bare**n for n in counts],
            "input_tokens": [float(tokens[n]) for n in counts]}


def _plot(p: AgentReliability) -> Plot:
    columns = _series(p)
    labels = {"success": f"as set (retries: {p.retries}, {p.detect:.0%} noticed)", "success_no_retry": "no retry",
              "success_all_detected": "one retry, every error noticed"}
    if columns["success"] == columns["success_no_retry"]:
        labels = {key: label for key, label in labels.items() if key != "success"}
    lines = [Line(label=label, x=columns["steps"], y=columns[key]) for key, label in labels.items()]
    lines.append(Line(label="accuracy of a step (naive)", x=columns["steps"], y=[p.p_step] * len(columns["steps"]),
                      dashed=True))
    return Plot(title=f"Steps right {100 * p.p_step:.4g}% of the time aren't all right {100 * p.p_step:.4g}% of the time",
                x_label="steps (count)", y_label="chance that all are right (fraction)", lines=lines)


def _warnings(p: AgentReliability) -> list[str]:
    found = []
    if p.retries and not p.detect:
        found.append("No error is noticed, so the retries never happen.")
    if p.context_limit is not None and p.base_tokens + p.tokens_per_step * (p.steps - 1) > p.context_limit:
        cut = max(1, (p.context_limit - p.base_tokens) // max(p.tokens_per_step, 1) + 2)
        found.append(f"From call {cut} on the context is cut at {p.context_limit:,} tokens: what the agent knew is "
                     f"lost{', and the cache with it.' if p.caching else '.'}")
    return found
