"""Gradient accumulation: effective batch, and the weighting error of averaging unequal micro-batches; no memory."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, outputs, param, tool
from tools.calculators.plain_tables import NumberRows, cells_of
from tools.calculators.prose import BATCHES, EACH_BATCH, told
from tools.prose.batches import find_losses, find_rows, find_token_counts

Numbers = Annotated[list[float], BeforeValidator(cells_of)]
"""A list of numbers, or numbers in plain text."""


def means(micro: list[list[float]]) -> tuple[float, float]:
    """The mean over all tokens, and the mean of the micro-batches' means."""
    flat = [value for each in micro for value in each]
    return math.fsum(flat) / len(flat), math.fsum(math.fsum(each) / len(each) for each in micro) / len(micro)


_BATCH: dict[str, Any] = {"ge": 1, "le": 10_000_000, "unit": "samples"}
_MICRO: Any = told(param(min_length=1, max_length=10_000, words=["micro-batches", "token losses"]), BATCHES, find_rows)
_COUNT: dict[str, Any] = {"ge": 1, "le": 1_000_000, "unit": "count"}


@formula("accum.unequal_micro", words=["mean of means", "token weighting", "token losses", "per-token losses", "micro-batch means"],
         cases=[
    Case({"micro": [[1, 2, 3], [10]]}, {"true_mean": 4.0, "mean_of_means": 6.0}, source="16/4 against (2 + 10)/2"),
    Case({"micro": [[1, 3], [5, 7]]}, {"true_mean": 4.0, "mean_of_means": 4.0}, source="equal sizes: no difference"),
    Case({"micro": "[1, 2, 3] and [10]"}, {"true_mean": 4.0, "mean_of_means": 6.0}, source="the same in words"),
], asks=[
    Ask("Three micro-batches have the token losses [1, 5, 3], [8] and [2, 4]. The code averages the means of the micro-batches: what "
        "loss does it report?", "mean_of_means", 14 / 3),
])
def unequal_micro(micro: NumberRows = _MICRO,
                  out: str = outputs(true_mean="true|token", mean_of_means="mean.of.mean|naive")) -> dict[str, float]:
    """Loss averaged over all tokens, and the mean of each micro-batch's mean: they differ when sizes differ."""
    if not all(micro):
        raise ToolError("accum.unequal_micro: a micro-batch without tokens has no mean; leave it out.")
    true, naive = means(micro)
    return {"true_mean": true, "mean_of_means": naive}


@formula("accum.overshoot", words=["overshoot", "how much too high", "off the true mean", "error of the mean of means"], cases=[
    Case({"micro": [[1, 2, 3], [10]]}, {"result": 2.0}, source="6 - 4"),
    Case({"micro": [[1, 3], [5, 7]]}, {"result": 0.0}, source="equal sizes: no difference"),
], asks=[
    Ask("Per-token losses of unequal micro-batches are [2, 2], [9], [1, 1, 3, 3]. By how much does the mean of the means overshoot "
        "the true mean?", "result", 13 / 3 - 3),
])
def overshoot(micro: NumberRows = _MICRO) -> float:
    """By how much the mean of the micro-batches' means lies above the mean over all tokens."""
    if not all(micro):
        raise ToolError("accum.overshoot: a micro-batch without tokens has no mean; leave it out.")
    true, naive = means(micro)
    return naive - true


@formula("accum.token_weighted", words=["token-weighted loss", "weighted by tokens", "mean loss of micro-batches"], cases=[
    Case({"losses": [2, 10], "tokens": [3, 1]}, {"true_mean": 4.0, "mean_of_means": 6.0, "ratio": 1.5},
         source="(2*3 + 10)/4"),
], asks=[
    Ask("Three micro-batches with 400, 100 and 50 real tokens and mean losses 2.0, 3.0 and 6.0: what is the per-token mean loss of "
        "the whole batch?", "true_mean", 1400 / 550),
    Ask("Micro-batch 1 has 300 tokens, mean loss 2.0; micro-batch 2 has 100 tokens, mean loss 4.0. What is the right mean loss over "
        "all tokens?", "true_mean", 2.5),
    Ask("token-weighted loss for mean losses 4, 2 and 3 with token counts 100, 300 and 200?", "true_mean", 1600 / 600),
    Ask("Two micro-batches have mean losses [1.5, 4.0] and tokens [900, 100]. What is the loss weighted by tokens?",
        "true_mean", 1.75),
    Ask("losses = 2, 6; tokens = 3000, 1000. what loss does the mean of means report in place of the token-weighted loss?",
        "mean_of_means", 4),
])
def token_weighted(
    losses: Numbers = told(param(min_length=1, max_length=100_000, words=["losses", "mean losses"]), EACH_BATCH, find_losses),
    tokens: Numbers = told(param(min_length=1, max_length=100_000, words=["tokens", "token counts"]), EACH_BATCH, find_token_counts),
) -> dict[str, float | None]:
    """Token-weighted loss from mean losses and token counts of micro-batches: sum(loss*tokens)/sum(tokens), and the mean of means.

    `ratio` is the mean of means over it, None for a loss of 0."""
    _check(losses, tokens, "accum.token_weighted")
    true = math.fsum(a * b for a, b in zip(losses, tokens, strict=True)) / math.fsum(tokens)
    naive = math.fsum(losses) / len(losses)
    return {"true_mean": true, "mean_of_means": naive, "ratio": naive / true if true else None}


@formula("accum.effective_batch", unit="sequences", words=["effective batch", "effective batch size", "total batch", "batch really",
                                                           "samples per update", "sequences per update"], cases=[
    Case({"micro_batch": 4, "accumulation": 8, "dp": 16}, {"result": 512}, source="arithmetic"),
], asks=[
    Ask("6 samples per gpu, 4 accumulation steps, 10 GPUs: effective batch?", "result", 6 * 4 * 10),
    Ask("Eight GPUs each process a micro-batch of 2 sequences and we accumulate over 64 steps. What is the total batch?",
        "result", 8 * 2 * 64),
    Ask("my card only fits 3 samples, so i add up the gradients of 20 rounds before each update. how big is the batch really?",
        "result", 3 * 20),
    Ask("we accumulate 5 micro-batches of 7 samples on every one of 12 GPUs. how many samples per update?", "result", 5 * 7 * 12),
])
def effective_batch(micro_batch: int = param(**_BATCH, words=["micro-batch", "per GPU", "fits", "each GPU", "small batches of",
                                                            "batches of"]),
                    accumulation: int = param(**_COUNT, words=["accumulation steps", "accumulate", "accumulating over",
                                                            "accumulate over", "rounds", "gradients over"]),
                    dp: int = param(1, **_COUNT, words=["data parallel", "GPUs", "cards", "ranks", "devices"])) -> int:
    """Sequences behind one optimizer step: micro-batch times accumulation steps times data-parallel ranks."""
    return micro_batch * accumulation * dp


@formula("accum.steps", unit="count", words=["accumulation steps", "how many accumulation steps", "how often to accumulate"], cases=[
    Case({"global_batch": 1024, "micro_batch": 4, "dp": 16}, {"result": 16}, source="arithmetic"),
], asks=[
    Ask("accumulation steps for a global batch of 512 with micro-batch 2 on 16 GPUs?", "result", 512 / (2 * 16)),
    Ask("We want an effective batch of 1,200 samples, each of our 10 cards fits 5 at a time. How many accumulation steps is that?",
        "result", 1200 / (10 * 5)),
    Ask("the paper trains with a batch size of 256 but only 8 images fit on my single gpu. over how many batches do i accumulate "
        "the gradients?", "result", 256 / 8),
    Ask("global batch 4k, 32 sequences per GPU, 25 gpus: how often do I have to accumulate?", "result", 5),
])
def accumulation_steps(global_batch: int = param(**_BATCH, words=["global batch", "total batch", "effective batch", "target batch",
                                                            "batch size of", "sequences per update"]),
                       micro_batch: int = param(**_BATCH, words=["micro-batch", "per GPU", "fits at a time", "at a time", "at once",
                                                            "fit on"]),
                       dp: int = param(1, **_COUNT, words=["data parallel", "GPUs", "cards", "ranks", "devices"])) -> int:
    """Accumulation steps for a global batch, rounded up."""
    if global_batch < micro_batch:
        raise ToolError(f"accum.steps: a global batch of {global_batch} is smaller than a micro-batch of {micro_batch}; give the "
                        "batch of all accumulation steps and GPUs together.")
    return math.ceil(global_batch / (micro_batch * dp))


@formula("accum.tokens_per_step", unit="tokens", words=["tokens per step", "tokens per update", "tokens per optimizer step",
                                                        "tokens in a batch"], cases=[
    Case({"global_batch": 1024, "s": 4096}, {"result": 4194304}, source="arithmetic"),
], asks=[
    Ask("tokens per step with a global batch of 512 and sequence length 2048?", "result", 512 * 2048),
    Ask("How many tokens does one update see if 960 sequences of 4,096 tokens each make up the global batch?", "result", 960 * 4096),
    Ask("we feed the model 1,024 documents of 1,500 tokens before each optimizer step. tokens per update?", "result", 1024 * 1500),
])
def tokens_per_step(global_batch: int = param(**_BATCH, words=["global batch"]),
                    s: int = param(ge=1, le=100_000_000, unit="tokens", words=["sequence length"])) -> int:
    """Tokens behind one optimizer step."""
    return global_batch * s


def _check(losses: list[float], tokens: list[float], name: str) -> None:
    if len(losses) != len(tokens):
        raise ToolError(f"{name}: {len(losses)} losses for {len(tokens)} token counts; give one of each a micro-batch.")
    if any(not 1e-9 <= each <= 1e12 for each in tokens) or any(abs(each) > 1e12 for each in losses):
        raise ToolError(f"{name}: token counts must be positive and losses and counts at most 1e12.")


class Accumulation(Params):
    micro_batch: int = param(4, ge=1, le=1_000_000, unit="samples",
                             words=["micro-batch", "micro batch", "per GPU batch"])
    accumulation: int = param(8, ge=1, le=1_000_000, unit="count",
                              words=["accumulation steps", "accumulation", "accumulated", "gradient accumulation"])
    dp: int = param(16, ge=1, le=1_000_000, unit="GPUs", words=["GPUs", "data parallel", "ranks"])
    seq_len: int = param(4_096, ge=1, le=10_000_000, unit="tokens", words=["sequence length", "tokens each", "context", "tokens long"])
    tokens: list[float] = param([3.0, 1.0], min_length=1, max_length=10_000, words=["token counts"],
                                help="tokens that count in each micro-batch")
    losses: list[float] = param([2.0, 10.0], min_length=1, max_length=10_000, words=["losses"],
                                help="mean loss of each micro-batch")


@tool("gradient-accumulation", group="E",
      words=["gradient accumulation", "effective batch", "global batch", "micro-batch", "mean of means", "loss normalisation"],
      example={"tokens": [3, 1], "losses": [2, 10]},
      cases=[Case({"tokens": [3, 1], "losses": [2, 10]}, {"true_mean": 4.0, "mean_of_means": 6.0}, source="arithmetic"),
             Case({"micro_batch": 2, "accumulation": 16, "dp": 64}, {"effective_batch": 2048}, source="arithmetic")],
      asks=[
          Ask("What is the effective batch with a micro-batch of 4, 8 accumulation steps and 16 GPUs?",
              "effective_batch", 512),
          Ask("Micro-batch 2, gradient accumulation 32, 64 GPUs, sequence length 2048: how many tokens a step?",
              "tokens_per_step", 2 * 32 * 64 * 2048),
          Ask("How many sequences does one update see with a micro-batch of 1, accumulation of 16 and 8 GPUs?",
              "effective_batch", 128),
      ])
def gradient_accumulation(p: Accumulation, seed: int) -> ToolResult:
    """Effective batch of gradient accumulation, and what averaging unequal micro-batches gets wrong.

    One optimizer step sees micro_batch * accumulation * dp sequences. If micro-batches hold different numbers of tokens
    (padding, packing, loss masks), the loss of the whole batch is the token-weighted mean; dividing each micro-batch's
    mean by the number of micro-batches weighs a token of a short one more. The same happens between ranks.
    People get wrong: accumulating n micro-batches always equals one batch n times as large (only if each counts its
    tokens); it saves activation memory, not model state, and no time.
    Source: arithmetic; the fault was found in several training libraries in 2024.

    >>> gradient_accumulation(Accumulation(tokens=[3, 1], losses=[2, 10]), 0).values["true_mean"]
    4.0
    """
    _check(p.losses, p.tokens, "gradient-accumulation")
    total, count = math.fsum(p.tokens), len(p.tokens)
    true = math.fsum(a * b for a, b in zip(p.losses, p.tokens, strict=True)) / total
    naive = math.fsum(p.losses) / count
    batch = p.micro_batch * p.accumulation * p.dp
    over = [total / (each * count) for each in p.tokens]
    shown = list(range(1, min(count, 50) + 1))
    named = [f"{n} ({p.tokens[n - 1]:,.6g} tokens)" if len(shown) <= 8 else str(n) for n in shown]
    return ToolResult(
        tool="gradient-accumulation",
        values={"effective_batch": batch, "tokens_per_step": batch * p.seq_len, "true_mean": true,
                "mean_of_means": naive,
                "relative_error": naive / true - 1 if true else None, "largest_overweight": max(over)},
        units={"effective_batch": "sequences", "tokens_per_step": "tokens", "relative_error": "fraction",
               "largest_overweight": "times"},
        naive={"true_mean": naive},
        summary=f"One step sees {batch} sequences. The loss of these {count} micro-batches is {true:.4g}; averaging "
                f"their means says {naive:.4g}, as it weighs the tokens of the shortest {max(over):.3g} times.",
        formula="loss = sum(loss_i * tokens_i) / sum(tokens_i), not the mean of loss_i",
        series={"tokens": list(p.tokens), "loss": list(p.losses), "overweight": over},
        plot=Plot(title="A mean of means gives the tokens of a short micro-batch more weight", x_label="micro-batch",
                  y_label="weight of a token (fraction)",
                  lines=[Line(label="token-weighted", kind="bar", x=list(named), y=[1 / total for _ in shown]),
                         Line(label="mean of means (naive)", kind="bar", dashed=True, x=list(named),
                              y=[1 / (count * p.tokens[n - 1]) for n in shown])]),
        assumptions=["losses are means over each micro-batch's tokens",
                     "no layer depends on the batch (batch norm would)"],
        warnings=["The micro-batches differ in tokens: sum the losses and divide once by all tokens, across ranks too."]
        if max(p.tokens) > min(p.tokens) * (1 + 1e-12) else [],
    )
