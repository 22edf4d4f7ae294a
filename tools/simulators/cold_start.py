"""New items among known ones: who gets shown, and what ignorance costs. Knows click rates, no content and no user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, Value, formula, param, tool

Floats = NDArray[np.float64]
Policy = Literal["raw-mean", "popularity", "smoothed", "thompson"]
POLICIES: tuple[Policy, ...] = ("raw-mean", "popularity", "smoothed", "thompson")
MAX_DRAWS = 10_000_000
MAX_BATCHES = 1_000

_CLICKS: dict[str, Any] = {"ge": 0, "le": 1e15, "unit": "clicks", "words": ["clicks", "successes"]}
_SHOWN: dict[str, Any] = {"ge": 0, "le": 1e15, "unit": "impressions", "words": ["impressions", "views", "shown"]}
_STRENGTH: dict[str, Any] = {"ge": 0, "le": 1e12, "unit": "impressions",
                             "words": ["prior strength", "pseudo-impressions", "strength"]}
_PRIOR: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction",
                          "words": ["prior", "prior mean", "average ctr", "global rate"]}


@formula("coldstart.smoothed_rate", unit="fraction", words=["bayesian average", "smoothed ctr", "smoothed rate"],
         cases=[
    Case({"clicks": 1, "impressions": 1, "prior_mean": 0.05, "prior_strength": 20}, {"result": 2 / 21}, rel=1e-12,
         source="(1 + 20 * 0.05) / (1 + 20)"),
    Case({"clicks": 0, "impressions": 0, "prior_mean": 0.05, "prior_strength": 20}, {"result": 0.05}, rel=1e-12,
         source="the prior"),
    Case({"clicks": 500, "impressions": 10_000, "prior_mean": 0.1, "prior_strength": 100}, {"result": 510 / 10_100},
         rel=1e-12, source="data outweighs the prior")],
    asks=[Ask("Bayesian average: clicks 3, impressions 10, prior mean 5%, strength 20. Smoothed rate?", "result",
              4 / 30)])
def smoothed_rate(
    clicks: float = param(**_CLICKS), impressions: float = param(**_SHOWN),
    prior_mean: float = param(**_PRIOR), prior_strength: float = param(**_STRENGTH),
) -> float:
    """Click rate shrunk to a prior worth `prior_strength` impressions: (clicks + s*m) / (impressions + s); m when
    empty."""
    total = impressions + prior_strength
    return (clicks + prior_strength * prior_mean) / total if total else prior_mean


@formula("coldstart.prior_weight", unit="fraction", cases=[
    Case({"impressions": 20, "prior_strength": 20}, {"result": 0.5}, rel=1e-12, source="20 of 40")])
def prior_weight(
    impressions: float = param(**_SHOWN),
    prior_strength: float = param(ge=1e-6, le=1e12, unit="impressions", words=["prior strength", "strength"]),
) -> float:
    """How much of the estimate is still the prior: strength / (impressions + strength)."""
    return prior_strength / (impressions + prior_strength)


@formula("coldstart.standard_error", unit="fraction", cases=[
    Case({"rate": 0.05, "impressions": 1900}, {"result": 0.005}, rel=1e-9, source="sqrt(0.05 * 0.95 / 1900)")])
def standard_error(
    rate: float = param(ge=0, le=1, unit="fraction", words=["rate", "ctr"]),
    impressions: float = param(ge=1e-6, le=1e15, unit="impressions", words=["impressions"]),
) -> float:
    """Standard error of a click rate: sqrt(p (1-p) / n)."""
    return float((rate * (1 - rate) / impressions) ** 0.5)


class ColdStart(Params):
    policy: Policy = param("thompson", words=["policy", "strategy"])
    known_items: int = param(10, ge=1, le=200, unit="items", words=["known items", "old items", "existing items"])
    new_items: int = param(10, ge=1, le=200, unit="items", words=["new items", "cold items", "fresh items"])
    history: int = param(1_000, ge=1, le=1_000_000, unit="impressions",
                         words=["history", "impressions each", "known for"],
                         help="impressions that each known item has had")
    first_views: int = param(1, ge=0, le=100_000, unit="impressions", words=["first views", "views before"],
                             help="impressions that each new item has had by accident")
    impressions: int = param(3_000, ge=100, le=50_000, unit="impressions", words=["impressions", "views", "for"])
    batch: int = param(100, ge=1, le=5_000, unit="impressions", words=["batch", "feedback every"],
                       help="clicks are learnt from after so many impressions")
    prior_mean: float = param(0.05, ge=0.001, le=0.999, unit="fraction",
                              words=["prior", "prior mean", "average ctr", "ctr"])
    prior_strength: float = param(20.0, ge=0.1, le=100_000, unit="impressions",
                                  words=["prior strength", "pseudo-impressions"])
    spread: float = param(20.0, ge=2, le=10_000, words=["spread"],
                          help="true rates are Beta with this many pseudo-impressions; small: items differ much")
    runs: int = param(6, ge=1, le=64, unit="runs", words=["runs", "repetitions"])


@dataclass
class State:
    """Clicks and impressions so far, shape (runs, items)."""

    clicks: Floats
    shown: Floats


@tool("cold-start", group="H", kind="simulator",
      words=["cold start", "new item", "popularity fallback", "thompson sampling", "thompson", "exploration",
             "explore exploit", "bandit", "regret", "prior strength"],
      example={"policy": "popularity"},
      cases=[
          Case({"policy": "popularity"}, {"new_item_share": 0.0}, source="popularity never shows what nobody has seen"),
          Case({"known_items": 1, "new_items": 1, "policy": "popularity"}, {"new_item_share": 0.0}, source="as above"),
      ],
      asks=[
          Ask("With the popularity fallback, what share of the impressions do new items get? Cold start with 10 new "
              "items.", "new_item_share_popularity", 0.0),
          Ask("Cold start with Thompson sampling, 10 known items and 10 new items over 3,000 impressions: how many "
              "clicks of regret?", "regret_clicks", 39.26, 0.02),
          Ask("How much regret in clicks does the popularity policy have in a cold start with 10 known and 10 new "
              "items for 3,000 impressions?", "regret_clicks_popularity", 178.0, 0.02),
      ])
def cold_start(p: ColdStart, seed: int) -> ToolResult:
    """Shows new items beside known ones under four policies and counts the clicks lost against always showing the best.

    True click rates are drawn once for all items from a Beta distribution; known items come with a history, new ones
    with `first_views`. Clicks are learnt from in batches. `raw-mean` shows the highest clicks / impressions (1 of 1 is
    100%, 0 of 0 counts as 0); `popularity` the most clicked; `smoothed` the highest mean shrunk to the prior;
    `thompson` draws each item's rate from its posterior and shows the highest draw.

    People get wrong:
    - Popularity is a safe default: it is, and it never finds out that a new item is better; the rich get richer.
    - One click of one view is a 100% item: without a prior the luckiest item wins, not the best.
    - Smoothing solves cold start: it removes the luck, but a prior mean below the best known item still shows no new
      one.
    - A strong prior is the cautious choice: it slows down learning as well, also that of Thompson sampling.
    - Exploration costs clicks: for the first batches; afterwards its regret stops growing while the others' goes on.

    Sources: W. Thompson, 1933; O. Chapelle, L. Li, "An Empirical Evaluation of Thompson Sampling", NeurIPS 2011.

    >>> cold_start(ColdStart(policy="popularity"), 0).values["new_item_share"]
    0.0
    """
    rng = np.random.default_rng(seed)
    runs = max(1, min(p.runs, MAX_DRAWS // ((p.known_items + p.new_items) * p.impressions)))
    items = p.known_items + p.new_items
    rates = rng.beta(p.prior_mean * p.spread, (1 - p.prior_mean) * p.spread, (runs, items))
    shown = np.where(np.arange(items) < p.known_items, p.history, p.first_views)
    past = State(rng.binomial(shown, rates).astype(float), np.tile(shown.astype(float), (runs, 1)))
    columns = {name: _play(p, name, rates, past, np.random.default_rng([seed, at])) for at, name in enumerate(POLICIES)}
    regret = {name: float(column[0][-1]) for name, column in columns.items()}
    shares = {name: column[1] for name, column in columns.items()}
    best = float(rates.max(axis=1).mean())
    values: dict[str, Value] = {
        "regret_clicks": regret[p.policy], "new_item_share": shares[p.policy], "best_rate": best,
        "best_known_rate": float(rates[:, : p.known_items].max(axis=1).mean()),
        "clicks_per_impression": best - regret[p.policy] / columns[p.policy][2],
        **{f"regret_clicks_{name.replace('-', '_')}": value for name, value in regret.items()},
        **{f"new_item_share_{name.replace('-', '_')}": value for name, value in shares.items()}}
    done = columns[p.policy][2]
    steps: list[float | str] = [min((i + 1) * _batch(p), done) for i in range(len(columns[p.policy][0]))]
    return ToolResult(
        tool="cold-start", values=values,
        units={key: "clicks" if "regret" in key else "clicks/impression" if "rate" in key or "per" in key
               else "fraction"
               for key in values},
        naive={"regret_clicks": regret["raw-mean"], "new_item_share": shares["raw-mean"]},
        summary=f"{p.policy} loses {regret[p.policy]:,.0f} clicks in {done:,} impressions against always showing the "
                f"best item and gives new items {shares[p.policy]:.1%} of them; raw means would lose "
                f"{regret['raw-mean']:,.0f}, popularity {regret['popularity']:,.0f}, Thompson sampling "
                f"{regret['thompson']:,.0f}.",
        formula="regret = sum(best rate - rate of the shown item); smoothed = (clicks + s m) / (impressions + s); "
                "Thompson: draw from Beta(clicks + s m, impressions - clicks + s (1 - m))",
        series={"impressions": list(steps)} | {name: column[0].tolist() for name, column in columns.items()},
        plot=Plot(title="Who never explores keeps losing clicks",
                  x_label="impressions (count)", y_label="regret so far (clicks)", lines=[
            Line(label=name + (" (naive)" if name == "raw-mean" else ""), x=list(steps), y=columns[name][0].tolist(),
                 dashed=name == "raw-mean") for name in POLICIES]),
        assumptions=[f"mean of {runs} runs", "true rates don't change",
                     "one item shown at a time, no position effects"],
        warnings=_warnings(p, runs, done),
    )


def _play(p: ColdStart, policy: Policy, rates: Floats, past: State,
          rng: np.random.Generator) -> tuple[Floats, float, int]:
    """Mean regret after each batch, the share of impressions that new items got, and the impressions given."""
    runs, batch = len(rates), _batch(p)
    state = State(past.clicks.copy(), past.shown.copy())
    best, row = rates.max(axis=1, keepdims=True), np.arange(runs)[:, None]
    lost, given, fresh, done = [], 0.0, 0.0, 0
    while done < p.impressions:
        size = min(batch, p.impressions - done)
        shown = _choose(p, policy, state, size, rng)
        true = rates[row, shown]
        clicked = rng.random((runs, size)) < true
        np.add.at(state.shown, (row, shown), 1.0)
        np.add.at(state.clicks, (row, shown), clicked)
        given += float((best - true).sum(axis=1).mean())
        fresh += float((shown >= p.known_items).mean()) * size
        done += size
        lost.append(given)
    return np.array(lost), fresh / done, done


def _choose(p: ColdStart, policy: Policy, state: State, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Items for each impression of a batch, shape (runs, size)."""
    runs, items = state.clicks.shape
    a, b = p.prior_strength * p.prior_mean, p.prior_strength * (1 - p.prior_mean)
    if policy == "thompson":
        draws = rng.beta((state.clicks + a)[:, None, :], (state.shown - state.clicks + b)[:, None, :],
                         (runs, size, items))
        return np.asarray(draws.argmax(axis=2))
    if policy == "popularity":
        score = state.clicks
    elif policy == "raw-mean":
        score = state.clicks / np.maximum(state.shown, 1.0)
    else:
        score = (state.clicks + a) / (state.shown + a + b)
    return np.asarray(np.repeat(score.argmax(axis=1)[:, None], size, axis=1))


def _batch(p: ColdStart) -> int:
    return max(p.batch, -(-p.impressions // MAX_BATCHES))


def _warnings(p: ColdStart, runs: int, done: int) -> list[str]:
    found = []
    if runs < p.runs:
        found.append(f"Only {runs} of {p.runs} runs: items * impressions * runs is bounded at {MAX_DRAWS:,}.")
    if _batch(p) > p.batch:
        found.append(f"Clicks are learnt from every {_batch(p)} impressions: at most {MAX_BATCHES:,} batches are "
                     "played.")
    if p.batch * 5 > done:
        found.append("Feedback comes in very few batches, so no policy learns much.")
    if p.policy == "popularity":
        found.append("Popularity never shows a new item; give new items a share of the traffic or a prior.")
    return found
