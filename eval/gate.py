"""Decides whether a run is good enough to be merged, against the baseline that was stored for its suite."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ValidationError

from eval.cases import DATA, Kind
from eval.compare import MetricChange, compare
from eval.outcome import Score
from eval.run import COMPLETED, CaseResult, EvalRun

BASELINES = DATA / "baselines"
PASSED, REGRESSED = 0, 1


class GateError(Exception):
    """A baseline that is missing, damaged or not worth storing; the text names the file and what to do."""


@dataclass(frozen=True)
class Policy:
    """`margin` is how far below zero a whole interval must lie to be a regression; `margins` sets it a metric, and a
    cost is gated only when it is named there. A metric in `hard` may not have more cases below 1 than before."""

    margin: float = 0.01
    margins: Mapping[str, float] = field(default_factory=dict)
    hard: frozenset[str] = frozenset({"verbatim", "must_not", COMPLETED})


@dataclass(frozen=True)
class Check:
    """One rule applied to one metric; `reason` says in numbers why it holds or doesn't."""

    metric: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class GateReport:
    """All checks of a suite. `missing` are cases of the baseline that the run doesn't have."""

    suite: str
    checks: tuple[Check, ...]
    missing: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return PASSED if all(check.passed for check in self.checks) else REGRESSED


class _StoredCase(BaseModel):
    kind: Kind
    fingerprint: str
    seed: int
    scores: dict[str, float]


class _Baseline(BaseModel):
    suite: str
    run: str
    seed: int
    model: str
    started: str
    finished: str
    directions: dict[str, int]
    cases: dict[str, _StoredCase]


def gate(run: EvalRun, folder: Path = BASELINES, policy: Policy | None = None, *, partial: bool = False) -> GateReport:
    """Checks a run against its suite's baseline. Unless `partial`, a case that the run has lost is a failure too.

    Raises GateError when there is no baseline, CompareError when the two have no case in common.
    """
    policy = policy or Policy()
    before = load_baseline(run.suite, folder)
    comparison = compare(before, run)
    checks = [check for change in comparison.changes if (check := _margin_check(change, policy)) is not None]
    checks += [_hard_check(metric, before, run) for metric in sorted(policy.hard & set(run.directions))]
    if comparison.only_before and not partial:
        count = len(comparison.only_before)
        checks.append(Check("cases", False, f"{count} cases of the baseline weren't run, the first is "
                                            f"{comparison.only_before[0]}"))
    return GateReport(run.suite, tuple(checks), comparison.only_before)


def store_baseline(run: EvalRun, folder: Path = BASELINES) -> Path:
    """Makes the run the yardstick of its suite, one case a line. Raises GateError for a run with failed cases."""
    if run.failures:
        raise GateError(f"{len(run.failures)} cases of {run.suite} failed, the first is {run.failures[0].id} "
                        f"({run.failures[0].error}); a baseline needs a complete run.")
    path = _path(run.suite, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    head = run.model_dump(include={"suite", "run", "seed", "model", "started", "finished", "directions"})
    cases = ",\n".join(f"  {json.dumps(result.id)}: {_stored(result).model_dump_json()}" for result in run.results)
    fresh = path.with_suffix(".tmp")
    fresh.write_text(f"{json.dumps(head)[:-1]}, \"cases\": {{\n{cases}\n}}}}\n", encoding="utf-8")
    os.replace(fresh, path)
    return path


def load_baseline(suite: str, folder: Path = BASELINES) -> EvalRun:
    """The stored run, without its texts. Raises GateError when it is missing or damaged."""
    path = _path(suite, folder)
    if not path.exists():
        raise GateError(f"There is no baseline for {suite} at {path}; store one from a run that you trust.")
    try:
        stored = _Baseline.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise GateError(f"The baseline {path} can't be read ({error}); store it anew from a run that you trust.") from None
    results = [
        CaseResult(id=key, kind=case.kind, fingerprint=case.fingerprint, seed=case.seed, asked=[],
                   scores={name: Score(value=value) for name, value in case.scores.items()})
        for key, case in stored.cases.items()
    ]
    return EvalRun(**stored.model_dump(exclude={"cases"}), results=results)


def _path(suite: str, folder: Path) -> Path:
    if not re.fullmatch(r"\w[\w.-]*", suite):
        raise GateError(f"{suite!r} can't name a baseline; use letters, digits, dots, dashes and underscores.")
    return folder / f"{suite}.json"


def _stored(result: CaseResult) -> _StoredCase:
    scores = {name: score.value for name, score in result.scores.items()}
    return _StoredCase(kind=result.kind, fingerprint=result.fingerprint, seed=result.seed, scores=scores)


def _margin_check(change: MetricChange, policy: Policy) -> Check | None:
    """None for a cost that nobody set a margin for."""
    if change.direction < 0 and change.metric not in policy.margins:
        return None
    margin = policy.margins.get(change.metric, policy.margin)
    best = change.high if change.direction > 0 else -change.low
    reason = (f"{change.before:.4g} -> {change.after:.4g} on {change.n} cases, difference {change.difference:+.4g} "
              f"[{change.low:+.4g}, {change.high:+.4g}], margin {margin:g}")
    return Check(change.metric, best >= -margin, reason)


def _hard_check(metric: str, before: EvalRun, after: EvalRun) -> Check:
    """Cases that the baseline doesn't have, or had in another form, have no allowance."""
    known = {result.id: result for result in before.results}
    run = [result for result in after.results if metric in result.scores]
    allowed = {
        result.id for result in run
        if (old := known.get(result.id)) is not None and old.fingerprint == result.fingerprint
        and metric in old.scores and old.scores[metric].value < 1
    }
    below = [result.id for result in run if result.scores[metric].value < 1]
    fresh = [key for key in below if key not in allowed]
    reason = f"{len(below)} cases below 1, {len(allowed)} of them are allowed by the baseline"
    return Check(f"{metric} (hard)", len(below) <= len(allowed), reason + (f"; new: {', '.join(fresh)}" if fresh else ""))
