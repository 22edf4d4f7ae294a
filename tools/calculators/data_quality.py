"""The quality gate of a pipeline: schema check, validation score, quarantine and reject, with what each error costs."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, formula, param, tool
from tools.calculators.avro_resolution import unreadable
from tools.calculators.prose import CHANGE, told
from tools.calculators.schema_change import pair


@formula("schema.quarantined", words=["quarantined records"], unit="records", cases=[
    Case({"change": "add without default", "records": 1_000_000, "new_share": 0.2}, {"result": 800_000.0},
         source="the new reader can't read the old 80%"),
    Case({"change": "add with default", "records": 1_000_000, "new_share": 0.2}, {"result": 0.0}, source="readable"),
])
def quarantined(
    change: str = told(param(max_length=200, words=["schema change", "change"]), CHANGE),
    records: float = param(ge=0, le=1e15, unit="records", words=["records", "events", "rows"]),
    new_share: float = param(ge=0, le=1, unit="fraction", words=["new schema", "new producers", "upgraded"]),
) -> float:
    """Old records that a reader with the new schema can't decode and sets aside, if the change breaks them."""
    before, after = pair(change)
    return 0.0 if unreadable(before, after) is None else records * (1 - new_share)


class Quality(Params):
    records: float = param(1e6, ge=1, le=1e12, unit="records", words=["records", "events", "rows"])
    bad_share: float = param(0.02, ge=0, le=1, unit="fraction", words=["bad", "broken", "invalid", "dirty"])
    threshold: float = param(1.5, ge=-5, le=10, unit="count",
                             words=["threshold", "validation threshold", "accept above"],
                             help="score from which on a record is accepted; bad records score 0 on average, sd 1")
    quarantine_width: float = param(0.5, ge=0, le=10, unit="count", words=["quarantine", "quarantine band", "width"],
                                    help="scores so far below the threshold are set aside for review, lower ones "
                                         "rejected")
    separation: float = param(3.0, ge=0, le=10, unit="count", words=["separation", "good records score", "validator"],
                              help="score of good records on average, sd 1: how well the validator tells them apart")
    change: str = told(param("none", max_length=200, words=["change", "schema change"], help="none, or like int->string"),
                       CHANGE)
    new_share: float = param(0.0, ge=0, le=1, unit="fraction", words=["new schema", "new producers"],
                             help="share of records already written with the new schema")
    bad_cost: float = param(20.0, ge=0, le=1e9, unit="USD", words=["bad record costs", "accepted bad", "per bad"])
    lost_cost: float = param(1.0, ge=0, le=1e9, unit="USD", words=["lost record costs", "rejected good", "per lost"])
    review_cost: float = param(0.25, ge=0, le=1e9, unit="USD", words=["review costs", "per review", "review"])


@tool("data-quality", group="C",
      words=["data quality", "validation", "quarantine", "dead letter", "reject", "validation threshold",
             "bad records", "bad rows", "dirty data", "reject threshold"],
      example={"threshold": 3, "quarantine_width": 1},
      cases=[
          Case({"separation": 0, "threshold": 0, "quarantine_width": 0, "bad_share": 0.5},
               {"accepted": 500_000, "bad_accepted": 250_000, "good_rejected": 250_000, "precision": 0.5}, rel=1e-9,
               source="a validator that can't tell is a coin"),
          Case({"threshold": 3, "quarantine_width": 0, "bad_share": 0}, {"good_rejected": 500_000}, rel=1e-9,
               source="half of the good records score below their mean"),
          Case({"threshold": 1.96, "quarantine_width": 0, "bad_share": 1}, {"bad_accepted": 24_998}, rel=1e-3,
               source="normal tail above 1.96: 0.0250"),
          Case({"change": "int->string"}, {"schema_quarantined": 1e6, "accepted": 0.0},
               source="the new reader can decode no old record"),
      ],
      asks=[
          Ask("1M records, 0% bad, good records score 3, a threshold of 3 and a quarantine band of 0: how many good "
              "ones "
              "are rejected?", "good_rejected", 500_000),
          Ask("How many of 2M records does a new reader set aside after the schema change int->string with 25% written "
              "by new producers?", "schema_quarantined", 1.5e6),
          Ask("1M records, 2% bad: how many bad records get in at a threshold of 2 with no quarantine?",
              "bad_accepted", 455),
          Ask("500k records of which 4% are bad, a validation threshold of 2 and no quarantine: how many good "
              "records are rejected?", "good_rejected", 76154.5),
      ])
def data_quality(p: Quality, seed: int) -> ToolResult:
    """Accepts, quarantines or rejects records by schema and validation score, and prices the errors of each threshold.

    Records that the reader's schema can't decode are set aside first. The rest get a score: bad ones are normal about
    0, good ones about `separation`, both with a standard deviation of 1. At or above the threshold a record is
    accepted; in the band below it goes to quarantine, where a reviewer decides rightly; under the band it is rejected.
    The cost counts bad records accepted, good ones rejected, and reviews. `best_threshold` is the cheapest on a grid of
    0.01.

    People get wrong: "stricter is safer". A stricter gate stops bad records and loses good ones, and past the best
    threshold the total cost rises again. The naive arm chooses the threshold that lets at most 1 in 10,000 bad records
    pass. And a quarantine that nobody empties is a slow reject.

    Sources: normal distribution; expected counts, no sampling.

    >>> run = data_quality(Quality(), 0)
    >>> run.values["best_cost"] < run.values["cost"] < run.naive["cost"]
    True
    """
    aside = float(quarantined(p.change, p.records, p.new_share))
    values = _counts(p, p.threshold, aside)
    grid = [step / 100 for step in range(-500, 1_001)]
    costs = [_counts(p, at, aside)["cost"] for at in grid]
    best = min(range(len(grid)), key=costs.__getitem__)
    strict = next(at for at in grid if _above(at, 0.0) <= 1e-4)
    naive = _counts(p, strict, aside)
    values |= {"best_threshold": grid[best], "best_cost": costs[best]}
    return ToolResult(
        tool="data-quality", values=values, units={key: _unit(key) for key in values},
        naive={"threshold": strict, "cost": naive["cost"], "good_rejected": naive["good_rejected"]},
        summary=f"{values['accepted']:,.0f} records are accepted, {values['quarantined']:,.0f} quarantined and "
        f"{values['rejected']:,.0f} rejected; {values['bad_accepted']:,.0f} bad ones get in and "
        f"{values['good_rejected']:,.0f} good ones are lost, at {values['cost']:,.0f} USD. The cheapest threshold is "
        f"{grid[best]:.2f} ({costs[best]:,.0f} USD); a strict one of {strict:.2f} costs {naive['cost']:,.0f} USD.",
        formula="accepted = N(bad * P(z >= t) + good * P(z >= t - separation)); cost = bad in * c1 + good lost * c2 + "
                "reviews * c3",
        series={"threshold": list(grid[::10]), "cost": costs[::10]}, plot=_plot(p, aside),
        assumptions=["scores are normal with a standard deviation of 1", "reviewers decide rightly",
                     "what the schema sets aside is neither lost nor charged: it can be read again with the right "
                     "schema"],
        warnings=["The reader can't decode the old records: upgrade the schema by a compatible change instead."]
        if values["schema_quarantined"] else [])


def _counts(p: Quality, threshold: float, aside: float) -> dict[str, Any]:
    """Expected counts at a threshold; `aside` records were set aside by the schema check."""
    rest = p.records - aside
    bad, good = rest * p.bad_share, rest * (1 - p.bad_share)
    floor = threshold - p.quarantine_width
    bad_in, good_in = bad * _above(threshold, 0.0), good * _above(threshold, p.separation)
    bad_kept, good_kept = bad * _above(floor, 0.0), good * _above(floor, p.separation)
    review = bad_kept - bad_in + good_kept - good_in
    accepted = bad_in + good_in
    return {
        "accepted": accepted, "quarantined": review + aside, "rejected": rest - bad_kept - good_kept,
        "schema_quarantined": aside, "reviewed": review, "bad_accepted": bad_in, "good_rejected": good - good_kept,
        "precision": good_in / accepted if accepted else None, "recall": good_in / good if good else None,
        "cost": bad_in * p.bad_cost + (good - good_kept) * p.lost_cost + review * p.review_cost}


def _above(threshold: float, mean: float) -> float:
    return 0.5 * math.erfc((threshold - mean) / math.sqrt(2))


def _plot(p: Quality, aside: float) -> Plot:
    grid = [step / 10 for step in range(-20, 71)]
    rows = [_counts(p, at, aside) for at in grid]
    lines = [Line(label="total", x=list(grid), y=[row["cost"] for row in rows]),
             Line(label="good records lost", x=list(grid), y=[row["good_rejected"] * p.lost_cost for row in rows]),
             Line(label="reviews", x=list(grid), y=[row["reviewed"] * p.review_cost for row in rows]),
             Line(label="bad records accepted (naive view)", dashed=True, x=list(grid),
                  y=[row["bad_accepted"] * p.bad_cost for row in rows])]
    return Plot(title="The strictest threshold isn't the cheapest",
                x_label="validation threshold (score)", y_label="cost (USD)",
                lines=lines,
                marks=[{"axis": "x", "at": p.threshold, "label": "this threshold"}])


def _unit(key: str) -> str:
    if key in ("precision", "recall"):
        return "fraction"
    return "USD" if "cost" in key else "score" if "threshold" in key else "records"
