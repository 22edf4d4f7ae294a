"""Decides whether a run is good enough to be merged, against the baseline of its suite; knows no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from eval.baseline import REPRODUCIBLE_MODELS
from eval.compare import Comparison, MetricChange, compare
from eval.run import COMPLETED, CaseResult, EvalRun

PASSED, REGRESSED = 0, 1

Pairs = Mapping[str, tuple[CaseResult, CaseResult]]
Rule = Literal["hard", "soft", "coverage"]

GUARANTEED = frozenset({"verbatim", "must_not", COMPLETED})
"""What has to hold of every answer, whoever gives it."""

REPEATABLE = frozenset({"value", "status", "corrections"})
"""Right or wrong, and the same each time where the model is reproducible; with another model one case may be luck."""

SHOWN = 10
"""Ids that a reason lists; the report holds them all."""


@dataclass(frozen=True)
class Policy:
    """What a run may lose. A metric in `hard` may fall on no case; one in `guaranteed` must also be 1 on each case that
    the baseline doesn't have. The other shares are soft: `margin` is how far below zero the whole 95% interval of the
    paired difference must lie to be a regression; `margins` sets it a metric, and a cost is gated only when it is named
    there. At most the share `uncompared` of the run's cases may have no counterpart in the baseline."""

    margin: float = 0.01
    margins: Mapping[str, float] = field(default_factory=dict)
    guaranteed: frozenset[str] = GUARANTEED
    hard: frozenset[str] = GUARANTEED | REPEATABLE
    uncompared: float = 0.05


@dataclass(frozen=True)
class Check:
    """One rule applied to one metric (or to the cases); `reason` says in numbers why it holds or doesn't."""

    metric: str
    rule: Rule
    passed: bool
    reason: str


@dataclass(frozen=True)
class GateReport:
    """All checks of a suite. `missing` are cases of the baseline that the run doesn't have, `added` the other way
    round, `changed` are ids that stand for different cases: none of them was compared."""

    suite: str
    checks: tuple[Check, ...]
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return PASSED if all(check.passed for check in self.checks) else REGRESSED


def policy_for(*runs: EvalRun) -> Policy:
    """Hard on everything that is right or wrong if all runs can be repeated, else on the guarantees only."""
    repeatable = all(run.model in REPRODUCIBLE_MODELS for run in runs)
    return Policy() if repeatable else Policy(hard=GUARANTEED)


def gate(before: EvalRun, run: EvalRun, policy: Policy | None = None, *, partial: bool = False) -> GateReport:
    """Checks a run against its baseline. Unless `partial`, a case that the run has lost is a failure too.

    `policy` is policy_for both runs by default. Raises CompareError when the two have no case in common.
    """
    policy = policy or policy_for(before, run)
    comparison = compare(before, run)
    changes = {change.metric: change for change in comparison.changes}
    pairs = _pairs(before, run, comparison)
    metrics = [*before.directions, *sorted(policy.guaranteed & set(run.directions) - set(before.directions))]
    checks = []
    for metric in metrics:
        if metric in policy.hard | policy.guaranteed:
            checks.append(_hard_check(metric, changes.get(metric), pairs, run, policy))
        elif before.directions[metric] > 0 or metric in policy.margins:
            checks.append(_soft_check(metric, changes.get(metric), pairs, policy))
    checks.append(_coverage(comparison, run, policy, partial))
    return GateReport(run.suite, tuple(check for check in checks if check is not None), comparison.only_before,
                      comparison.changed, comparison.only_after)


def _pairs(before: EvalRun, after: EvalRun, comparison: Comparison) -> Pairs:
    old = {result.id: result for result in before.results}
    new = {result.id: result for result in after.results}
    return {key: (old[key], new[key]) for key in old if key in new and key not in comparison.changed}


def _hard_check(metric: str, change: MetricChange | None, pairs: Pairs, run: EvalRun, policy: Policy) -> Check | None:
    """None when no case has the metric on either side."""
    wrong = _unscored(metric, pairs)
    held = 0
    if change is not None:
        held = change.n
        fell = change.down if change.direction > 0 else change.up
        wrong += [f"{key} {_value(pairs[key][0], metric):.4g} -> {_value(pairs[key][1], metric):.4g}" for key in fell]
    if metric in policy.guaranteed:
        alone = [each for each in run.results if metric in each.scores
                 and (each.id not in pairs or metric not in pairs[each.id][0].scores)]
        held += len(alone)
        wrong += [f"{each.id} (not in the baseline) {_value(each, metric):.4g}" for each in alone
                  if _value(each, metric) < 1]
    if not held and not wrong:
        return None
    mean = "" if change is None else f"{change.before:.4g} -> {change.after:.4g} "
    told = f"{mean}on {held} cases, " + (f"fell: {_few(wrong)}" if wrong else "none fell")
    return Check(metric, "hard", not wrong, told)


def _soft_check(metric: str, change: MetricChange | None, pairs: Pairs, policy: Policy) -> Check | None:
    """None when no case has the metric on either side."""
    if unscored := _unscored(metric, pairs):
        return Check(metric, "soft", False, _few(unscored))
    if change is None:
        return None
    margin = policy.margins.get(metric, policy.margin)
    best = change.high if change.direction > 0 else -change.low
    reason = (f"{change.before:.4g} -> {change.after:.4g} on {change.n} cases, difference {change.difference:+.4g} "
              f"[{change.low:+.4g}, {change.high:+.4g}], margin {margin:g}")
    return Check(metric, "soft", best >= -margin, reason)


def _coverage(comparison: Comparison, run: EvalRun, policy: Policy, partial: bool) -> Check:
    total = len(run.results)
    without = len(comparison.changed) + len(comparison.only_after)
    share = without / total
    lost = () if partial else comparison.only_before
    told = [f"{total - without} of {total} are compared"]
    for what, ids in (("changed since the baseline", comparison.changed), ("not in the baseline", comparison.only_after),
                      ("in the baseline but not run", lost)):
        if ids:
            told.append(f"{what}: {_few(ids)}")
    if share > policy.uncompared:
        told.append(f"{share:.0%} of the run can't be compared, {policy.uncompared:.0%} may: store the baseline anew, or "
                    "pass --allow-changed")
    return Check("cases", "coverage", share <= policy.uncompared and not lost, "; ".join(told))


def _unscored(metric: str, pairs: Pairs) -> list[str]:
    """The same case with the same expectation is judged by the same scorers, unless one of them was lost."""
    return [f"{key} isn't judged any more" for key, (old, new) in pairs.items()
            if metric in old.scores and metric not in new.scores]


def _value(result: CaseResult, metric: str) -> float:
    return result.scores[metric].value


def _few(items: Sequence[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more
