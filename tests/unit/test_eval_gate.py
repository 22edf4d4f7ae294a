"""Comparison, gate and reports of runs that are made by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.cases import EvalCase
from eval.compare import CompareError, compare
from eval.gate import GateReport, Policy, gate
from eval.outcome import Score
from eval.report import comparison_table, eval_log, gate_table, junit, run_table, write_eval_log
from eval.run import CaseResult, EvalRun, run_suite
from eval.scorers import shipped_scorers
from eval.scripted import ScriptedSubject

DIRECTIONS = {"facts": 1, "verbatim": 1, "value": 1, "status": 1, "words": -1, "completed": 1}


def _run(values: Mapping[str, Mapping[str, float]], *, error: str = "", seed: int = 0, model: str = "offline",
         edited: Sequence[str] = ()) -> EvalRun:
    """`values`: metric values by case id; `error`: the id of a case that failed; `edited`: ids of cases that expect
    something else than they did."""
    results = [
        CaseResult(
            id=key, kind="question", fingerprint="g" if key in edited else "f", seed=1, asked=[f"What is {key}?"], answers=["An answer."],
            statuses=["answered"], target=["a fact"], error="broke down" if key == error else "",
            scores={name: Score(value=value, detail="why", failed=key == error) for name, value in scores.items()},
        )
        for key, scores in values.items()
    ]
    measured = {name for scores in values.values() for name in scores}
    return EvalRun(suite="hand", run=f"run{seed}", seed=seed, model=model, started="2024-05-01T10:00:00+00:00",
                   finished="2024-05-01T10:01:00+00:00", results=results,
                   directions={name: sign for name, sign in DIRECTIONS.items() if name in measured})


def _level(level: float, count: int = 20, **more: float) -> dict[str, dict[str, float]]:
    """Facts around a level, and constants."""
    return {f"c{number}": {"facts": level + (number % 3) / 30, "completed": 1.0, **more} for number in range(count)}


# ---- comparison

def test_a_run_compared_with_itself_shows_nothing() -> None:
    run = _run(_level(0.5, verbatim=1.0, words=80.0))
    comparison = compare(run, run)
    assert [change.metric for change in comparison.changes] == ["facts", "verbatim", "words", "completed"]
    assert all((change.difference, change.p, change.verdict) == (0, 1, "no evidence") for change in comparison.changes)


def test_gains_losses_and_costs_get_their_verdicts() -> None:
    before, after = _run(_level(0.4, words=80.0)), _run(_level(0.7, words=120.0))
    facts, words, completed = compare(before, after).changes
    assert facts.verdict == "better" and facts.difference == pytest.approx(0.3) and len(facts.up) == 20
    assert words.verdict == "worse" and words.difference == 40 and words.up and not words.down
    assert completed.verdict == "no evidence"
    assert compare(after, before).changes[0].verdict == "worse"


def test_p_values_are_corrected_over_the_metrics() -> None:
    before = _run({f"c{number}": {"facts": 0.0, "verbatim": 1.0, "completed": 1.0} for number in range(6)})
    after = _run({f"c{number}": {"facts": 1.0, "verbatim": 1.0, "completed": 1.0} for number in range(6)})
    facts = compare(before, after).changes[0]
    assert facts.test == "mcnemar" and facts.p == pytest.approx(2 / 64) and facts.p_adjusted == pytest.approx(6 / 64)
    # Alone it would be a discovery; one of three metrics it isn't.
    assert facts.verdict == "no evidence"


def test_only_the_same_cases_are_paired() -> None:
    before, after = _run(_level(0.5, 4)), _run(_level(0.5, 5))
    after.results[0].fingerprint = "other"
    comparison = compare(_run({**_level(0.5, 4), "gone": {"facts": 1.0}}), after)
    assert comparison.changed == ("c0",) and comparison.only_before == ("gone",) and comparison.only_after == ("c4",)
    assert comparison.changes[0].n == 3
    with pytest.raises(CompareError, match="no case in common"):
        compare(before, _run({"elsewhere": {"facts": 1.0}}))
    with pytest.raises(CompareError, match="different seeds"):
        compare(before, _run(_level(0.5, 4), seed=2))


def test_a_failed_case_counts_as_zero_but_has_no_cost() -> None:
    before = _run(_level(0.9, 12, words=80.0))
    values = _level(0.9, 12, words=80.0) | {"c0": dict.fromkeys(("facts", "words", "completed"), 0.0)}
    changes = {change.metric: change for change in compare(before, _run(values, error="c0")).changes}
    assert changes["facts"].down == ("c0",) and changes["completed"].down == ("c0",)
    assert changes["words"].difference == 0 and changes["words"].n == 11


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=15))
def test_comparison_is_symmetric(pairs: list[tuple[float, float]]) -> None:
    before = _run({str(number): {"facts": old} for number, (old, _) in enumerate(pairs)})
    after = _run({str(number): {"facts": new} for number, (_, new) in enumerate(pairs)})
    [there], [back] = compare(before, after).changes, compare(after, before).changes
    assert there.p_adjusted == back.p_adjusted and there.difference == -back.difference
    assert there.up == back.down
    mirrored = {"better": "worse", "worse": "better", "no evidence": "no evidence"}
    assert there.verdict == mirrored[back.verdict]


# ---- gate

def _failed(report: GateReport) -> list[str]:
    return [check.metric for check in report.checks if not check.passed]


def test_a_run_passes_against_itself_and_every_metric_has_one_rule() -> None:
    run = _run(_level(0.6, verbatim=1.0, value=1.0, status=0.5, words=80.0))
    report = gate(run, run)
    assert report.exit_code == 0
    assert {check.metric: check.rule for check in report.checks} == {
        "facts": "soft", "verbatim": "hard", "value": "hard", "status": "hard", "completed": "hard", "cases": "coverage"}
    assert len(report.checks) == 6


def test_a_clear_loss_is_a_regression_and_a_gain_is_not() -> None:
    before = _run(_level(0.6))
    assert gate(before, _run(_level(0.7))).exit_code == 0
    report = gate(before, _run(_level(0.5)))
    assert report.exit_code == 1 and _failed(report) == ["facts"]


def test_a_loss_within_the_margin_or_within_luck_passes() -> None:
    before = _run(_level(0.6))
    assert gate(before, _run(_level(0.5)), Policy(margins={"facts": 0.15})).exit_code == 0
    assert gate(before, _run(_level(0.5)), Policy(margin=0.05)).exit_code == 1
    unlucky = _level(0.6) | {"c0": {"facts": 0.0, "completed": 1.0}}
    assert gate(before, _run(unlucky)).exit_code == 0


def test_costs_are_gated_only_when_asked() -> None:
    before, wordy = _run(_level(0.6, words=80.0)), _run(_level(0.6, words=200.0))
    assert gate(before, wordy).exit_code == 0
    assert gate(before, wordy, Policy(margins={"words": 50})).exit_code == 1
    assert gate(before, _run(_level(0.6, words=20.0)), Policy(margins={"words": 50})).exit_code == 0


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["verbatim", "value", "status", "completed"]), st.integers(0, 19), st.sampled_from([0.0, 0.5, 0.999]))
def test_one_case_that_falls_in_a_hard_metric_is_a_regression(metric: str, number: int, value: float) -> None:
    """However small the fall, and whatever the other cases gained."""
    before, after = _level(0.6, verbatim=1.0, value=1.0, status=1.0), _level(0.6, verbatim=1.0, value=1.0, status=1.0)
    before[f"c{(number + 1) % 20}"][metric] = 0.0
    after[f"c{number}"][metric] = value
    report = gate(_run(before), _run(after))
    [check] = [check for check in report.checks if not check.passed]
    assert check.metric == metric and check.rule == "hard" and f"c{number} 1 -> {value:g}" in check.reason
    assert gate(_run(before), _run(before)).exit_code == 0


def test_what_may_be_luck_is_soft_unless_both_models_can_be_repeated() -> None:
    before, after = _level(0.6, value=1.0, verbatim=1.0), _level(0.6, value=1.0, verbatim=1.0)
    after["c3"]["value"] = 0.0
    for models in (("offline", "a-provider"), ("a-provider", "offline")):
        report = gate(_run(before, model=models[0]), _run(after, model=models[1]))
        assert report.exit_code == 0
        assert {check.metric for check in report.checks if check.rule == "hard"} == {"verbatim", "completed"}
    after["c3"]["verbatim"] = 0.0
    assert _failed(gate(_run(before), _run(after, model="a-provider"))) == ["verbatim"]


def test_a_guarantee_has_no_allowance_on_a_new_case() -> None:
    before = _run(_level(0.6, verbatim=1.0, value=1.0))
    more = _level(0.6, verbatim=1.0, value=1.0) | {"fresh": {"verbatim": 1.0, "value": 0.0, "completed": 1.0}}
    # What the tutor can't do yet may be added to a suite; nothing of it has fallen.
    assert gate(before, _run(more)).exit_code == 0
    more["fresh"]["verbatim"] = 0.0
    report = gate(before, _run(more))
    assert _failed(report) == ["verbatim"] and "fresh (not in the baseline) 0" in _reason(report, "verbatim")


def _reason(report: GateReport, metric: str) -> str:
    return next(check.reason for check in report.checks if check.metric == metric)


def test_a_case_that_fails_now_is_a_regression() -> None:
    broken = _level(0.6) | {"c3": {"facts": 0.0, "completed": 0.0}}
    assert _failed(gate(_run(_level(0.6)), _run(broken, error="c3"))) == ["completed"]


def test_a_metric_that_is_no_longer_measured_is_noticed() -> None:
    before, after = _level(0.6, value=1.0), _level(0.6, value=1.0)
    del after["c4"]["value"], after["c5"]["facts"]
    report = gate(_run(before), _run(after))
    assert _failed(report) == ["facts", "value"]
    assert "c4 isn't judged any more" in _reason(report, "value") and "c5" in _reason(report, "facts")


def test_lost_cases_are_noticed_unless_the_run_is_partial() -> None:
    before, fewer = _run(_level(0.6)), _run(_level(0.6, 15))
    report = gate(before, fewer)
    assert report.exit_code == 1 and report.missing == ("c15", "c16", "c17", "c18", "c19")
    assert gate(before, fewer, partial=True).exit_code == 0


def test_changed_and_new_cases_are_named_and_only_a_few_may_go_uncompared() -> None:
    before = _run(_level(0.6))
    few = gate(before, _run(_level(0.6), edited=["c1"]))
    assert few.exit_code == 0 and few.changed == ("c1",)
    assert _reason(few, "cases") == "19 of 20 are compared; changed since the baseline: c1"
    many = gate(before, _run(_level(0.6, 21), edited=["c1", "c7"]))
    assert _failed(many) == ["cases"] and many.changed == ("c1", "c7") and many.added == ("c20",)
    assert "changed since the baseline: c1, c7; not in the baseline: c20" in _reason(many, "cases")
    assert gate(before, _run(_level(0.6, 21), edited=["c1", "c7"]), Policy(uncompared=1.0)).exit_code == 0
    # A part of the suite is held to the same share of its own.
    assert _failed(gate(before, _run(_level(0.6, 5), edited=["c1"]), partial=True)) == ["cases"]


# ---- reports

def test_tables_hold_what_was_measured() -> None:
    run = _run(_level(0.5, words=80.0) | {"c3": {"facts": 0.0, "completed": 0.0}}, error="c3")
    table = run_table(run)
    assert "20 cases, model offline" in table and "failed: c3: broke down" in table
    assert [line.split()[:2] for line in table.splitlines()[2:5]] == [
        ["facts", "0.507"], ["words", "80.000"], ["completed", "0.950"]]
    lines = comparison_table(compare(_run(_level(0.4)), _run({**_level(0.7), "extra": {"facts": 1.0}}))).splitlines()
    assert "better" in lines[1] and lines[-1] == "not compared, only after: extra"
    shown = gate_table(gate(_run(_level(0.6)), _run(_level(0.5), edited=["c0", "c1"]))).splitlines()
    assert [line.split()[:3] for line in shown[:4]] == [
        ["check", "rule", "result"], ["facts", "soft", "REGRESSION"], ["completed", "hard", "ok"], ["cases", "coverage", "INCOMPLETE"]]
    assert shown[-1] == "hand: failed"


def _played() -> EvalRun:
    cases: list[dict[str, Any]] = [
        {"id": "a", "inputs": {"turns": ["What drains?", "What else?"]}, "outputs": {"turns": [{"facts": [["bucket"]]}, {}]}},
        {"id": "b\x00", "inputs": {"query": "bucket"}, "outputs": {"quotes": ["drains"]}},
        {"id": "c", "inputs": {"question": "boom \x01 <&>"}, "outputs": {"facts": [["x"]]}},
    ]
    subject = ScriptedSubject({"a.md": "A leaky bucket drains."}, {"boom \x01 <&>": RuntimeError("no \x02 luck")})
    return asyncio.run(run_suite([EvalCase.model_validate(case) for case in cases], subject, shipped_scorers(), suite="s 1"))


def test_the_log_has_the_form_of_inspect(tmp_path: Path) -> None:
    run = _played()
    path = write_eval_log(run, tmp_path / "logs")
    assert path.name == f"{run.started[:19].replace(':', '-')}+00-00_s-1_{run.run}.json"
    assert path.stat().st_mode & 0o077 == path.parent.stat().st_mode & 0o077 == 0, "it holds questions"
    log = json.loads(path.read_text(encoding="utf-8"))
    assert log == eval_log(run)
    assert log["version"] == 2 and log["status"] == "success" and log["eval"]["dataset"]["sample_ids"][0] == "a"
    assert log["results"]["total_samples"] == 3 and log["results"]["completed_samples"] == 2
    scores = {score["name"]: score["metrics"] for score in log["results"]["scores"]}
    assert scores["completed"]["mean"]["value"] == pytest.approx(2 / 3) and scores["hit@1"]["mean"]["value"] == 1
    first, _, third = log["samples"]
    assert [message["role"] for message in first["messages"]] == ["user", "assistant", "user", "assistant"]
    assert first["scores"]["facts"]["value"] == 1 and third["error"]["message"] == "RuntimeError: no \x02 luck"


def test_inspect_itself_reads_the_log(tmp_path: Path) -> None:
    log = pytest.importorskip("inspect_ai.log", reason="inspect-ai isn't installed")
    read = log.read_eval_log(str(write_eval_log(_played(), tmp_path)))
    assert read.version == 2 and len(read.samples) == 3 and read.results.completed_samples == 2
    assert len(log.list_eval_logs(str(tmp_path))) == 1


def test_junit_is_well_formed_whatever_was_asked() -> None:
    root = ElementTree.fromstring(junit(_played(), gate(_run(_level(0.6)), _run(_level(0.5)))))
    cases, checks = root.findall("testsuite")
    assert (cases.get("tests"), cases.get("failures"), cases.get("errors")) == ("3", "0", "1")
    assert cases.findall("testcase")[2].find("error") is not None
    failed = [node.get("name") for node in checks if node.find("failure") is not None]
    assert failed == ["facts (soft)"] and checks.get("failures") == "1"
    low = ElementTree.fromstring(junit(_run({"a": {"facts": 0.3, "words": 0.0}, "b": {"facts": 0.5}})))
    [problem] = low.iter("failure")
    assert problem.get("message") == "facts 0.3: why"
