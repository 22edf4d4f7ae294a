"""Shows runs to people and programs: text tables, the JSON of Inspect's EvalLog, JUnit XML. Judges nothing itself."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from eval.compare import Comparison
from eval.gate import Check, GateReport
from eval.run import CaseResult, EvalRun
from eval.stats import estimate
from memory.home import make_home, make_private

PASS_LEVEL = 0.5
"""A case fails in JUnit's terms when one of its shares lies below this: a 0/1 metric at 0, a share below a half."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def run_table(run: EvalRun) -> str:
    """A line a metric: mean, 95% interval, number of cases; then the failed cases."""
    rows = [("metric", "mean", "95% interval", "n", "by")]
    for metric in run.directions:
        values = run.values(metric)
        if not values:
            continue
        found = estimate(values, counts=run.directions[metric] < 0)
        rows.append((metric, f"{found.mean:.3f}", f"{found.low:.3f} .. {found.high:.3f}", str(found.n), found.method))
    times = [result.ms for result in run.results]
    head = f"{run.suite}: {len(run.results)} cases, model {run.model or 'none'}, seed {run.seed}"
    if times:
        head += f", median {statistics.median(times):.0f} ms a case"
    return "\n".join([head, *_aligned(rows), *(f"failed: {each.id}: {each.error}" for each in run.failures)])


def comparison_table(comparison: Comparison) -> str:
    """A line a metric: before, after, difference with interval, Holm-adjusted p, verdict, cases that moved."""
    rows = [("metric", "before", "after", "difference", "95% interval", "p (Holm)", "n", "verdict", "up", "down")]
    for each in comparison.changes:
        rows.append((each.metric, f"{each.before:.3f}", f"{each.after:.3f}", f"{each.difference:+.3f}",
                     f"{each.low:+.3f} .. {each.high:+.3f}", f"{each.p_adjusted:.3f}", str(each.n), each.verdict,
                     str(len(each.up)), str(len(each.down))))
    left_out = {"changed": comparison.changed, "only before": comparison.only_before, "only after": comparison.only_after}
    return "\n".join([*_aligned(rows), *(f"not compared, {why}: {', '.join(ids)}" for why, ids in left_out.items() if ids)])


def gate_table(report: GateReport) -> str:
    """A line a check with its rule (a hard metric may fall on no case, a soft one within luck), then the outcome."""
    rows = [("check", "rule", "result", "why")]
    rows += [(check.metric, check.rule, _result(check), check.reason) for check in report.checks]
    return "\n".join([*_aligned(rows), f"{report.suite}: {'passed' if report.exit_code == 0 else 'failed'}"])


def _result(check: Check) -> str:
    if check.passed:
        return "ok"
    return "INCOMPLETE" if check.rule == "coverage" else "REGRESSION"


def eval_log(run: EvalRun) -> dict[str, Any]:
    """The run in the JSON form of Inspect's EvalLog version 2 (fields as in inspect-ai 0.3.285)."""
    scored = [(metric, run.values(metric)) for metric in run.directions]
    model = run.model or "none"
    usage = {
        model: _usage(sum(each.input_tokens for each in run.results), sum(each.output_tokens for each in run.results))
    }
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": run.run, "run_id": run.run, "created": run.started, "task": run.suite, "task_id": run.suite,
            "task_version": 1, "model": model, "packages": {}, "metadata": {"seed": run.seed},
            "dataset": {"name": run.suite, "samples": len(run.results), "shuffled": False,
                        "sample_ids": [result.id for result in run.results]},
            "config": {"epochs": 1, "fail_on_error": False},
        },
        "plan": {"name": "plan", "steps": [{"solver": "subject", "params": {}}], "config": {}},
        "results": {
            "total_samples": len(run.results),
            "completed_samples": len(run.results) - len(run.failures),
            "scores": [_eval_score(metric, values, run) for metric, values in scored if values],
        },
        "stats": {"started_at": run.started, "completed_at": run.finished, "model_usage": usage},
        "samples": [_sample(result, model) for result in run.results],
    }


def write_eval_log(run: EvalRun, folder: Path) -> Path:
    """Writes one JSON file under the name that `inspect view` looks for: time, suite and run."""
    when = datetime.fromisoformat(run.started).strftime("%Y-%m-%dT%H-%M-%S+00-00")
    path = folder / f"{when}_{re.sub(r'[^A-Za-z0-9.-]', '-', run.suite)}_{run.run}.json"
    make_home(folder)
    make_private(path)
    path.write_text(json.dumps(eval_log(run), allow_nan=False), encoding="utf-8")
    return path


def junit(run: EvalRun, report: GateReport | None = None) -> str:
    """JUnit XML: a test case for each case, and one for each check of the gate."""
    root = ElementTree.Element("testsuites", name="eval")
    suite = ElementTree.SubElement(root, "testsuite", name=run.suite, timestamp=run.started)
    counts = {"failure": 0, "error": 0}
    for result in run.results:
        node = ElementTree.SubElement(suite, "testcase", classname=run.suite, name=_clean(result.id),
                                      time=f"{result.ms / 1000:.3f}")
        low = [f"{name} {score.value:.3g}: {score.detail}" for name, score in result.scores.items()
               if run.directions.get(name, -1) > 0 and score.value < PASS_LEVEL]
        if not result.error and not low:
            continue
        kind = "error" if result.error else "failure"
        counts[kind] += 1
        problem = ElementTree.SubElement(node, kind, message=_clean(result.error or low[0]))
        problem.text = _clean("\n".join([*low, "asked: " + " / ".join(result.asked),
                                         "got: " + " / ".join(result.answers)]))
    _count(suite, len(run.results), counts["failure"], counts["error"])
    if report is not None:
        _gate_suite(root, report)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _eval_score(metric: str, values: Sequence[float], run: EvalRun) -> dict[str, Any]:
    found = estimate(values, counts=run.directions[metric] < 0)
    spread = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    numbers = {"mean": found.mean, "stderr": spread, "low95": found.low, "high95": found.high}
    return {
        "name": metric, "scorer": metric, "scored_samples": len(values),
        "unscored_samples": len(run.results) - len(values), "params": {"direction": run.directions[metric]},
        "metrics": {name: {"name": name, "value": value, "params": {}} for name, value in numbers.items()},
    }


def _sample(result: CaseResult, model: str) -> dict[str, Any]:
    messages: list[dict[str, str]] = []
    for number, asked in enumerate(result.asked):
        messages.append({"role": "user", "content": asked, "source": "input"})
        if number < len(result.answers):
            messages.append({"role": "assistant", "content": result.answers[number], "source": "generate"})
    last = result.answers[-1] if result.answers else ""
    choices = [{"message": {"role": "assistant", "content": last, "source": "generate"}, "stop_reason": "stop"}]
    sample = {
        "id": result.id, "epoch": 1, "input": "\n\n".join(result.asked), "target": result.target,
        "messages": messages, "output": {"model": model, "choices": choices if last else [], "completion": last},
        "scores": {name: {"value": score.value, "answer": last, "explanation": score.detail}
                   for name, score in result.scores.items()},
        "metadata": result.metadata | {"kind": result.kind, "seed": result.seed, "statuses": result.statuses},
        "model_usage": {model: _usage(result.input_tokens, result.output_tokens)},
        "total_time": result.ms / 1000,
    }
    if result.error:
        sample["error"] = {"message": result.error, "traceback": "", "traceback_ansi": ""}
    return sample


def _usage(given: int, made: int) -> dict[str, int]:
    return {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}


def _gate_suite(root: ElementTree.Element, report: GateReport) -> None:
    name = f"{report.suite}.gate"
    suite = ElementTree.SubElement(root, "testsuite", name=name)
    for check in report.checks:
        node = ElementTree.SubElement(suite, "testcase", classname=name, name=f"{check.metric} ({check.rule})")
        if not check.passed:
            ElementTree.SubElement(node, "failure", message=_clean(check.reason))
    _count(suite, len(report.checks), sum(not check.passed for check in report.checks), 0)


def _count(suite: ElementTree.Element, tests: int, failures: int, errors: int) -> None:
    for name, count in (("tests", tests), ("failures", failures), ("errors", errors)):
        suite.set(name, str(count))


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 can't hold: questions and answers may hold anything."""
    return _NOT_XML.sub("\ufffd", text)
