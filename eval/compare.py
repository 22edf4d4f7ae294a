"""Compares two runs of the same cases, metric by metric; knows no baseline and no threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from eval.run import CaseResult, EvalRun
from eval.stats import ALPHA, Verdict, holm, paired, verdict


class CompareError(Exception):
    """Two runs that can't be compared; the text says why."""


@dataclass(frozen=True)
class MetricChange:
    """One metric over the `n` cases that both runs have. `difference` is after minus before, `low` to `high` its 95%
    interval; `p` is raw, `p_adjusted` Holm's over all metrics; `up` and `down` are ids of cases whose value moved."""

    metric: str
    direction: int
    n: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float
    test: str
    verdict: Verdict
    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """All metrics of two runs. `changed` ids stand for different cases in the two runs, `only_before` and `only_after`
    are missing on one side: none of them is compared."""

    before: str
    after: str
    changes: tuple[MetricChange, ...]
    changed: tuple[str, ...] = ()
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()


def compare(before: EvalRun, after: EvalRun, seed: int = 0, alpha: float = ALPHA) -> Comparison:
    """Pairs the runs by case id. Raises CompareError when no case is the same, or the runs have different seeds."""
    check_comparable(before, after.suite, {result.id: result.fingerprint for result in after.results}, after.seed)
    old = {result.id: result for result in before.results}
    new = {result.id: result for result in after.results}
    changed = tuple(key for key in old if key in new and old[key].fingerprint != new[key].fingerprint)
    same = [key for key in old if key in new and key not in changed]
    directions = {name: sign for name, sign in before.directions.items() if name in after.directions}
    raw = []
    for metric, direction in directions.items():
        change = _change(metric, direction, {key: (old[key], new[key]) for key in same}, seed)
        if change is not None:
            raw.append(change)
    adjusted = holm({change.metric: change.p for change in raw})
    return Comparison(
        before.run, after.run, tuple(_judged(change, adjusted[change.metric], alpha) for change in raw), changed,
        tuple(key for key in old if key not in new), tuple(key for key in new if key not in old),
    )


def check_comparable(before: EvalRun, suite: str, fingerprints: Mapping[str, str], seed: int) -> None:
    """Whether a run of these cases (fingerprints by id) with this seed can be compared with an earlier one; it needn't
    have taken place yet. Raises CompareError."""
    if before.seed != seed:
        raise CompareError(f"The runs have different seeds, {before.seed} and {seed}; repeat one with the other's.")
    if not any(fingerprints.get(result.id) == result.fingerprint for result in before.results):
        raise CompareError(f"The runs of {before.suite} and {suite} have no case in common.")


def _change(
    metric: str, direction: int, pairs: Mapping[str, tuple[CaseResult, CaseResult]], seed: int
) -> MetricChange | None:
    """None when no case has the metric on both sides. A failed case is 0, but its cost says nothing and is left out."""
    values = {}
    for key, (old, new) in pairs.items():
        ends = old.scores.get(metric), new.scores.get(metric)
        if ends[0] is None or ends[1] is None or (direction < 0 and (ends[0].failed or ends[1].failed)):
            continue
        values[key] = ends[0].value, ends[1].value
    if not values:
        return None
    found = paired([old for old, _ in values.values()], [new for _, new in values.values()], seed)
    return MetricChange(
        metric, direction, found.n, found.before, found.after, found.difference, found.low, found.high, found.p,
        found.p, found.test, "no evidence", tuple(key for key, (old, new) in values.items() if new > old),
        tuple(key for key, (old, new) in values.items() if new < old),
    )


def _judged(change: MetricChange, p_adjusted: float, alpha: float) -> MetricChange:
    return replace(change, p_adjusted=p_adjusted,
                   verdict=verdict(change.difference, p_adjusted, change.direction, alpha))
