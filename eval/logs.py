"""Runs as files: Inspect's EvalLog out, the same back in for comparison. Knows the file's layout, judges nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from eval.cases import CaseError
from eval.outcome import Score
from eval.report import eval_log
from eval.run import CaseResult, EvalRun
from memory.home import make_home, make_private


def write_log(run: EvalRun, path: Path) -> Path:
    """The run as an EvalLog that also holds what a comparison needs (each case's fingerprint). Raises CaseError."""
    log = eval_log(run)
    for sample, result in zip(log["samples"], run.results, strict=True):
        sample["metadata"]["fingerprint"] = result.fingerprint
    scratch = path.with_name(path.name + ".new")
    try:
        make_home(path.parent)
        make_private(scratch)
        scratch.write_text(json.dumps(log, allow_nan=False), encoding="utf-8")
        os.replace(scratch, path)
    except OSError as error:
        raise CaseError(f"The log can't be written to {path} ({error.strerror}); name another file.") from error
    return path


def read_log(path: Path) -> EvalRun:
    """A run out of a log that write_log made. Raises CaseError when the file is none."""
    try:
        log = json.loads(path.read_text("utf-8"))
        directions = {score["name"]: score["params"]["direction"] for score in log["results"]["scores"]}
        results = [_result(sample) for sample in log["samples"]]
        head = log["eval"]
        return EvalRun(suite=head["task"], run=head["run_id"], seed=head["metadata"]["seed"], model=head["model"],
                       started=log["stats"]["started_at"], finished=log["stats"]["completed_at"], directions=directions, results=results)
    except OSError as error:
        raise CaseError(f"The log {path} can't be read ({error.strerror}).") from None
    except (ValueError, KeyError, TypeError) as error:
        raise CaseError(f"{path} is no log of `tutor eval run` ({type(error).__name__}: {error}).") from None


def _result(sample: dict[str, Any]) -> CaseResult:
    told = sample["metadata"]
    error = sample.get("error", {}).get("message", "")
    scores = {name: Score(value=score["value"], detail=score["explanation"], failed=bool(error))
              for name, score in sample["scores"].items()}
    said: dict[str, list[str]] = {"user": [], "assistant": []}
    for message in sample["messages"]:
        said[message["role"]].append(message["content"])
    return CaseResult(id=sample["id"], kind=told["kind"], fingerprint=told["fingerprint"], seed=told["seed"], asked=said["user"],
                      answers=said["assistant"], statuses=told["statuses"], target=sample["target"], scores=scores, error=error,
                      ms=sample["total_time"] * 1000)
