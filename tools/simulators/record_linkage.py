"""The record-linkage lab: block, compare, weigh and threshold pairs of made-up records whose true matches are known."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, param, tool
from tools.calculators.linkage import pairs
from tools.calculators.string_distance import soundex_code
from tools.simulators.name_similarity import similarities
from tools.simulators.people import People, people

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_CLOSE = 0.88
"""Jaro-Winkler similarity from which on two names that differ count as close."""


class Linkage(Params):
    records: int = param(200, ge=10, le=1_000, unit="records", words=["records", "rows", "sample"],
                         help="made-up records that are really compared")
    duplicate_share: float = param(0.25, ge=0, le=0.9, unit="fraction", words=["duplicates", "duplicate share"])
    error_rate: float = param(0.15, ge=0, le=1, unit="fraction", words=["errors", "typos", "error rate", "mistyped"],
                              help="share of a repeated record's fields that are wrong")
    threshold_bits: float = param(6.0, ge=-100, le=100, unit="bits", words=["threshold", "match threshold", "cut-off"],
                                  help="pairs whose weights sum to this or more are linked")
    blocking: Literal["none", "surname", "surname-initial", "surname-soundex", "birth-year", "city",
                      "soundex-or-year"] = \
        param("surname-soundex", words=["blocking", "blocking key", "block by", "blocked by"])
    full_records: int = param(1_000_000, ge=2, le=10**12, unit="records",
                              words=["records in production", "all records", "table of", "customers"],
                              help="size of the real table, for the cost")
    pairs_per_s: float = param(1e6, ge=1e-6, le=1e12, unit="rps", words=["pairs per second", "comparisons per second"])


@tool("record-linkage", group="C", kind="simulator",
      words=["record linkage", "entity resolution", "fuzzy matching", "blocking", "fellegi-sunter", "match threshold",
             "jaro-winkler", "customer duplicates", "match customers", "same customer"],
      example={"blocking": "birth-year", "threshold_bits": 8},
      cases=[
          Case({"full_records": 1_000_000}, {"full_pairs": 499_999_500_000}, source="n(n-1)/2"),
          Case({"error_rate": 0, "blocking": "surname", "threshold_bits": -100},
               {"recall": 1.0, "blocking_recall": 1.0},
               source="without errors all copies share a block"),
          Case({"blocking": "none"}, {"reduction_ratio": 0.0, "blocking_recall": 1.0}, source="all pairs are compared"),
      ],
      asks=[
          Ask("Fuzzy matching on 1M records without blocking: how many pairs in all?", "full_pairs", 499_999_500_000),
          Ask("How many hours does it take to compare all pairs of 1M customers at 1M comparisons per second?",
              "full_hours_unblocked", 138.9),
          Ask("Record linkage of 500 records with no blocking: how many pairs are compared?", "all_pairs", 124_750),
      ])
def record_linkage(p: Linkage, seed: int) -> ToolResult:
    """Links made-up customer records and shows precision and recall by threshold, and what blocking saves and loses.

    Records have a first and last name, a birth year and a city; some repeat a person with typing errors. Candidate
    pairs share the blocking key. A field agrees, is close (names with a Jaro-Winkler similarity of 0.88 or more) or
    disagrees, and adds log2(m/u) bits, m and u being the shares of true matches and of other pairs with that outcome
    (counted here on the known truth; in practice estimated by EM). Pairs at or above `threshold_bits` are linked. The
    cost is scaled to `full_records`.

    People get wrong:
    - Fuzzy matching without blocking: pairs grow with the square, 1e6 records make 5e11 of them.
    - "Blocking only saves time": true matches with a mistyped key are never compared; `blocking_recall` bounds recall.
    - "A stricter threshold is safer": it buys precision with recall. The naive arm joins on equal fields.

    Sources: I. Fellegi, A. Sunter, JASA 64(328), 1969; W. Winkler, 1990.

    >>> run = record_linkage(Linkage(blocking="none"), 0).values
    >>> run["compared_pairs"] == run["all_pairs"] == 199 * 100
    True
    """
    crowd = people(p.records, p.duplicate_share, p.error_rate, seed)
    left, right = np.triu_indices(p.records, 1)
    truth = crowd.person[left] == crowd.person[right]
    outcomes = _compare(crowd, left, right)
    score = sum((_weights(outcome, truth)[outcome] for outcome in outcomes), np.zeros(len(left)))
    blocked = _candidates(crowd, p.blocking, left, right)
    linked = blocked & (score >= p.threshold_bits)
    exact = np.all([outcome == 2 for outcome in outcomes], axis=0)
    values = _values(p, truth, blocked, linked)
    naive = {"recall": _share(exact & truth, truth), "precision": _share(exact & truth, exact),
             "compared_pairs": len(left), "full_hours": values["full_hours_unblocked"]}
    return ToolResult(
        tool="record-linkage", values=values, units={key: _unit(key) for key in values}, naive=naive,
        summary=_summary(p, values, naive),
        formula="score = sum over fields of log2(m/u); linked if score >= threshold and the blocking keys agree",
        series=_curve(score, truth, blocked, 200), plot=_plot(p, score, truth, blocked),
        assumptions=["fields err independently", "m and u come from the known truth", "blocks scale like the sample's"],
        warnings=_warnings(truth, values))


def _compare(crowd: People, left: Ints, right: Ints) -> list[Ints]:
    """For each field the outcome of each pair: 0 disagrees, 1 close, 2 agrees."""
    found = []
    for names in (crowd.first, crowd.last):
        known = sorted(set(names))
        at = {name: place for place, name in enumerate(known)}
        index = np.array([at[name] for name in names], dtype=np.int64)
        close = similarities(known) >= _CLOSE
        found.append(close[index[left], index[right]].astype(np.int64) + (index[left] == index[right]))
    for column in (np.array(crowd.year), np.array(crowd.city)):
        found.append(2 * (column[left] == column[right]).astype(np.int64))
    return found


def _weights(outcome: Ints, truth: Bools) -> Floats:
    """log2(m/u) for each outcome; half a pair is added to each count so that none is 0."""
    m = np.bincount(outcome[truth], minlength=3) + 0.5
    u = np.bincount(outcome[~truth], minlength=3) + 0.5
    weights: Floats = np.log2((m / m.sum()) / (u / u.sum()))
    return weights


def _candidates(crowd: People, blocking: str, left: Ints, right: Ints) -> Bools:
    def same(keys: list[str]) -> Bools:
        column = np.array(keys)
        equal: Bools = column[left] == column[right]
        return equal

    sounds, years = [soundex_code(name) for name in crowd.last], [str(year) for year in crowd.year]
    if blocking == "none":
        return np.ones(len(left), dtype=np.bool_)
    if blocking == "soundex-or-year":
        return same(sounds) | same(years)
    return same({"surname": crowd.last, "surname-initial": [name[0] for name in crowd.last], "surname-soundex": sounds,
                 "birth-year": years, "city": crowd.city}[blocking])


def _values(p: Linkage, truth: Bools, blocked: Bools, linked: Bools) -> dict[str, Any]:
    compared, every = int(blocked.sum()), len(blocked)
    full = int(pairs(p.full_records, 0))
    right = int((linked & truth).sum())
    return {
        "true_matches": int(truth.sum()), "linked": int(linked.sum()), "right": right,
        "wrong": int((linked & ~truth).sum()), "missed": int(truth.sum()) - right,
        "precision": _share(linked & truth, linked), "recall": _share(linked & truth, truth),
        "f1": 2 * right / (int(linked.sum()) + int(truth.sum())) if linked.any() or truth.any() else None,
        "blocking_recall": _share(blocked & truth, truth), "all_pairs": every, "compared_pairs": compared,
        "reduction_ratio": 1 - compared / every, "full_pairs": full, "full_compared_pairs": full * compared / every,
        "full_hours_unblocked": full / p.pairs_per_s / 3_600,
        "full_hours": full * compared / every / p.pairs_per_s / 3_600}


def _share(part: Bools, whole: Bools) -> float | None:
    return int(part.sum()) / int(whole.sum()) if whole.any() else None


def _curve(score: Floats, truth: Bools, blocked: Bools, steps: int) -> dict[str, list[Any]]:
    """Precision and recall by threshold over the range of the scores."""
    grid = np.linspace(score.min(), score.max(), steps)
    linked = np.sort(score[blocked])
    right = np.sort(score[blocked & truth])
    above = len(linked) - np.searchsorted(linked, grid)
    good = len(right) - np.searchsorted(right, grid)
    matches = int(truth.sum())
    return {"threshold_bits": grid.tolist(),
            "precision": [yes / of if of else None for yes, of in zip(good.tolist(), above.tolist(), strict=True)],
            "recall": [yes / matches if matches else None for yes in good.tolist()]}


def _plot(p: Linkage, score: Floats, truth: Bools, blocked: Bools) -> Plot:
    curve, free = _curve(score, truth, blocked, 100), _curve(score, truth, np.ones_like(blocked), 100)
    lines = []
    for label, columns, name in (("precision", curve, "precision"), ("recall", curve, "recall"),
                                 ("recall without blocking", free, "recall")):
        points = [(bits, value) for bits, value in zip(columns["threshold_bits"], columns[name], strict=True)
                  if value is not None]
        lines.append(Line(label=label, x=[bits for bits, _ in points], y=[value for _, value in points],
                          dashed=label == "recall without blocking"))
    return Plot(title="A stricter threshold trades recall for precision",
                x_label="match threshold (bits)", y_label="share (fraction)",
                lines=lines, marks=[{"axis": "x", "at": p.threshold_bits, "label": f"this threshold: {p.threshold_bits:g} bits"}])


def _summary(p: Linkage, values: dict[str, Any], naive: dict[str, Any]) -> str:
    def shown(value: float | None) -> str:
        return "undefined" if value is None else f"{value:.1%}"

    return (f"Precision {shown(values['precision'])}, recall {shown(values['recall'])} (a join on equal fields: "
            f"{shown(naive['recall'])}); blocking by {p.blocking} keeps {shown(values['blocking_recall'])} of the true "
            f"matches and {1 - values['reduction_ratio']:.2%} of the pairs. On {p.full_records:,} records that is "
            f"{values['full_hours']:.3g} h instead of {values['full_hours_unblocked']:.4g} h.")


def _warnings(truth: Bools, values: dict[str, Any]) -> list[str]:
    if not truth.any():
        return ["Nothing repeats: recall is undefined."]
    if values["blocking_recall"] < 1:
        return ["True matches are lost before any comparison: their blocking keys differ."]
    return []


def _unit(key: str) -> str:
    if "hours" in key:
        return "h"
    return "fraction" if key in ("precision", "recall", "f1", "blocking_recall", "reduction_ratio") else "pairs"
