"""Keeps what a suite scored when it was trusted, in the home or with the project; knows both places, judges nothing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from eval.cases import DATA, Kind
from eval.outcome import Score
from eval.run import CaseResult, EvalRun

PROJECT = DATA.parents[1]
SHIPPED = DATA / "baselines"

REPRODUCIBLE_MODELS = frozenset({"", "offline", "scripted"})
"""What gives the same answer twice; "" is a run that asked no model (searches and tools only)."""


class BaselineError(Exception):
    """A baseline that is damaged, or a run that can't become one; the text names the file or the run and what to do."""

    code = "bad_input"


class NoBaseline(BaselineError):
    """No place holds a baseline for the suite."""

    code = "not_found"


class _StoredCase(BaseModel):
    kind: Kind
    fingerprint: str
    seed: int
    scores: dict[str, float]


class _Stored(BaseModel):
    suite: str
    run: str
    seed: int
    model: str
    started: str
    finished: str
    directions: dict[str, int]
    cases: dict[str, _StoredCase]


def places(home: Path) -> tuple[Path, ...]:
    """Where baselines are looked for, in this order: one's own come before those that are shipped."""
    return home / "evals" / "baselines", SHIPPED


def find_baseline(suite: str, folders: Sequence[Path]) -> Path:
    """The first folder's baseline of the suite. Raises NoBaseline, which says how to store one."""
    for folder in folders:
        if (path := _path(suite, folder)).exists():
            return path
    looked = " or ".join(str(folder) for folder in folders)
    raise NoBaseline(f"There is no baseline for {suite} in {looked}; run it once with --store instead of --baseline, when "
                     "you trust what it measures.")


def load_baseline(path: Path) -> EvalRun:
    """The stored run, without its texts. Raises BaselineError when it can't be read."""
    try:
        stored = _Stored.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BaselineError(f"The baseline {path} can't be read ({error}); store it anew from a run that you "
                            "trust.") from None
    results = [
        CaseResult(id=key, kind=case.kind, fingerprint=case.fingerprint, seed=case.seed, asked=[],
                   scores={name: Score(value=value) for name, value in case.scores.items()})
        for key, case in stored.cases.items()
    ]
    return EvalRun(**stored.model_dump(exclude={"cases"}), results=results)


def store_baseline(run: EvalRun, folder: Path) -> Path:
    """Makes the run the yardstick of its suite, one case a line. Raises BaselineError for a run with failed cases and
    for a folder that can't be written."""
    if run.failures:
        raise BaselineError(f"{len(run.failures)} cases of {run.suite} failed, the first is {run.failures[0].id} "
                            f"({run.failures[0].error}); a baseline needs a complete run.")
    path = _path(run.suite, folder)
    head = run.model_dump(include={"suite", "run", "seed", "model", "started", "finished", "directions"})
    cases = ",\n".join(f"  {json.dumps(result.id)}: {_stored(result).model_dump_json()}" for result in run.results)
    fresh = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(f"{json.dumps(head)[:-1]}, \"cases\": {{\n{cases}\n}}}}\n", encoding="utf-8")
        os.replace(fresh, path)
    except OSError as error:
        raise BaselineError(f"The baseline can't be written to {path} ({error.strerror}).") from error
    return path


def shipped_folder(project: Path = PROJECT) -> Path:
    """Where a checkout keeps the baselines that it ships. Raises BaselineError where the code was installed without its
    sources: what is written there would be shipped to nobody, and gone with the next update."""
    if not (project / "pyproject.toml").is_file():
        raise BaselineError(f"{project} is no checkout of the project; --store keeps a baseline in your home.")
    return project / SHIPPED.relative_to(PROJECT)


def ship_baseline(run: EvalRun, project: Path = PROJECT) -> Path:
    """Like store_baseline, into the checkout's sources. Raises BaselineError, also for a run that others can't repeat."""
    if run.model not in REPRODUCIBLE_MODELS:
        raise BaselineError(f"The run was answered by {run.model}; a shipped baseline is the offline reasoner's, which "
                            "everybody can repeat: run it with --model offline.")
    return store_baseline(run, shipped_folder(project))


def _path(suite: str, folder: Path) -> Path:
    if not re.fullmatch(r"\w[\w.-]*", suite):
        raise BaselineError(f"{suite!r} can't name a baseline; use letters, digits, dots, dashes and underscores.")
    return folder / f"{suite}.json"


def _stored(result: CaseResult) -> _StoredCase:
    scores = {name: score.value for name, score in result.scores.items()}
    return _StoredCase(kind=result.kind, fingerprint=result.fingerprint, seed=result.seed, scores=scores)
