"""The fast subset of our own cases, through the real tutor with the real embedding model: what must never fail, and floors."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.runtime import open_tutor
from agent.settings import Settings
from eval.cases import fast, load_cases, shipped_suites
from eval.run import EvalRun, run_suite
from eval.scorers import shipped_scorers
from eval.subject import TutorSubject
from memory.export import model_folder
from memory.minilm import MODEL_FILE, MiniLM

needs_model = pytest.mark.skipif(not (model_folder() / MODEL_FILE).is_file(), reason="the embedding model isn't exported; run `make setup`")


def mean(run: EvalRun, metric: str) -> float:
    values = run.values(metric)
    assert values, f"no case has {metric}"
    return sum(values) / len(values)


@pytest.mark.model
@needs_model
async def test_the_fast_cases_hold(tmp_path: Path) -> None:
    cases = [case for path in shipped_suites().values() for case in fast(load_cases(path))]
    assert len(cases) >= 40
    with open_tutor(Settings(home=tmp_path)) as tutor:
        subject = TutorSubject(tutor, lambda: MiniLM(model_folder()))
        run = await run_suite(cases, subject, shipped_scorers(tutor.parts.memory.store.text), suite="fast")
    assert mean(run, "completed") == 1.0 and mean(run, "verbatim") == 1.0
    assert mean(run, "status") >= 0.85 and mean(run, "facts") >= 0.7 and mean(run, "hit@5") >= 0.75
