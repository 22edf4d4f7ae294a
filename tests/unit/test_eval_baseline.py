"""Baselines: kept and found again, in one's own home first; those that the project ships fit its suites."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.baseline import (
    SHIPPED,
    BaselineError,
    NoBaseline,
    find_baseline,
    load_baseline,
    places,
    ship_baseline,
    shipped_folder,
    store_baseline,
)
from eval.cases import load_cases, shipped_suites
from eval.compare import compare
from eval.gate import gate
from eval.outcome import Score
from eval.run import CaseResult, EvalRun


def _run(count: int = 20, *, value: float = 1 / 3, suite: str = "hand", model: str = "offline", error: str = "") -> EvalRun:
    results = [
        CaseResult(id=f"c{number}", kind="question", fingerprint="f", seed=1, asked=["Why?"], answers=["A text."], error=error,
                   scores={"facts": Score(value=value, detail="why"), "completed": Score(value=float(not error))})
        for number in range(count)
    ]
    return EvalRun(suite=suite, run="r", seed=0, model=model, started="2024-05-01T10:00:00+00:00",
                   finished="2024-05-01T10:01:00+00:00", directions={"facts": 1, "completed": 1}, results=results)


def test_a_baseline_comes_back_as_it_was_stored_a_case_a_line_without_texts(tmp_path: Path) -> None:
    run = _run()
    path = store_baseline(run, tmp_path / "baselines")
    assert path.name == "hand.json" and [each.name for each in path.parent.iterdir()] == ["hand.json"]
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) == 22 and "A text." not in text and "Why?" not in text
    again = load_baseline(path)
    assert all(change.difference == 0 for change in compare(run, again).changes)
    assert gate(again, run).exit_code == 0


def test_ones_own_baseline_comes_before_the_shipped_one(tmp_path: Path) -> None:
    own, shipped = tmp_path / "own", tmp_path / "shipped"
    theirs = store_baseline(_run(), shipped)
    assert find_baseline("hand", (own, shipped)) == theirs
    mine = store_baseline(_run(), own)
    assert find_baseline("hand", (own, shipped)) == mine
    assert places(tmp_path) == (tmp_path / "evals" / "baselines", SHIPPED)


def test_a_missing_baseline_says_where_it_was_looked_for_and_how_to_store_one(tmp_path: Path) -> None:
    with pytest.raises(NoBaseline, match="no baseline for hand in .*own or .*shipped; run it once with --store"):
        find_baseline("hand", (tmp_path / "own", tmp_path / "shipped"))


def test_baselines_that_are_damaged_or_not_worth_keeping_say_so(tmp_path: Path) -> None:
    (tmp_path / "hand.json").write_text("{", encoding="utf-8")
    with pytest.raises(BaselineError, match="can't be read"):
        load_baseline(tmp_path / "hand.json")
    with pytest.raises(BaselineError, match="needs a complete run"):
        store_baseline(_run(error="broke"), tmp_path)
    with pytest.raises(BaselineError, match="can't name a baseline"):
        store_baseline(_run(suite="../escape"), tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BaselineError, match="can't be written"):
        store_baseline(_run(), tmp_path / "file")


def test_only_a_checkout_ships_and_only_what_everybody_can_repeat(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="no checkout"):
        ship_baseline(_run(), tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    with pytest.raises(BaselineError, match="answered by a-provider"):
        ship_baseline(_run(model="a-provider"), tmp_path)
    assert ship_baseline(_run(), tmp_path) == tmp_path / "eval" / "data" / "baselines" / "hand.json"
    assert shipped_folder() == SHIPPED


@pytest.mark.parametrize("suite", shipped_suites())
def test_each_shipped_suite_has_a_baseline_that_fits_its_cases(suite: str) -> None:
    """Whoever edits a case makes the baselines anew: `make baselines`."""
    stored = load_baseline(SHIPPED / f"{suite}.json")
    cases = load_cases(shipped_suites()[suite])
    assert {result.id: result.fingerprint for result in stored.results} == {case.id: case.fingerprint for case in cases}
    assert (stored.suite, stored.seed) == (suite, 0) and stored.model in ("", "offline")
    assert all(score.value == 1 for result in stored.results for name, score in result.scores.items() if name == "completed")


def test_nothing_else_is_shipped() -> None:
    assert {path.name for path in SHIPPED.iterdir()} == {f"{name}.json" for name in shipped_suites()}
