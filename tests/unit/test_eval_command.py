"""`tutor eval run` with a baseline: what is told before the run, what is kept, when it ends with 1."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from agent.settings import Settings
from api.backend import LocalBackend, local_backend
from api.cli.main import main
from eval.baseline import PROJECT, SHIPPED
from eval.cases import shipped_suites
from eval.logs import read_log
from memory.ingest.pipeline import ingest_text
from memory.open import Memory, open_in_memory

NOTES = "# Caches\n\nA write-back cache answers before the write has reached the store.\n"
QUESTION = "What does a write-back cache do before the write has reached the store?"


@pytest.fixture
def memory() -> Iterator[Memory]:
    held = open_in_memory()
    ingest_text(held.store, "caches.md", NOTES)
    yield held
    held.close()


@pytest.fixture
def opened() -> list[Path]:
    """The homes that were opened: each is a run that has begun."""
    return []


@pytest.fixture
def tutor(memory: Memory, tmp_path: Path, opened: list[Path]) -> Callable[..., int]:
    @contextmanager
    def opener(settings: Settings, progress: Any = None) -> Iterator[LocalBackend]:
        opened.append(settings.home)
        with local_backend(settings, memory) as backend:
            yield backend

    return lambda *words: main([*words, "--home", str(tmp_path / "home")], opener)


def suite(folder: Path, *, expected: float = 1.0, tools: int = 20, more: int = 0) -> str:
    """A question with an answer in the notes, and tool cases of which `more` expect another value."""
    rows: list[dict[str, Any]] = [{"id": "ask", "inputs": {"question": QUESTION}, "outputs": {"status": ["answered"]}}]
    rows += [{"id": f"t{number}", "inputs": {"tool": "boe.qps", "args": {"dau": 86_400}},
              "outputs": {"value": expected, "rel": 0.02 if number < more else 0.01}} for number in range(tools)]
    path = folder / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def shipped_now() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in SHIPPED.parent.rglob("*") if path.is_file()}


def test_a_missing_baseline_is_told_before_anything_is_run(
        tutor: Callable[..., int], tmp_path: Path, opened: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("eval", "run", suite(tmp_path), "--baseline") == 4
    assert opened == []
    assert "no baseline for mine" in (error := capsys.readouterr().err) and "with --store" in error


def test_a_baseline_that_cannot_be_compared_is_told_before_anything_is_run(
        tutor: Callable[..., int], tmp_path: Path, opened: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("eval", "run", suite(tmp_path, tools=1), "--store") == 0
    assert tutor("eval", "run", suite(tmp_path, tools=1), "--baseline", "--seed", "3") == 3
    assert "different seeds, 0 and 3" in capsys.readouterr().err
    (tmp_path / "mine.jsonl").write_text(json.dumps({"id": "other", "inputs": {"query": "cache"}}), "utf-8")
    assert tutor("eval", "run", str(tmp_path / "mine.jsonl"), "--baseline") == 3
    assert "no case in common" in capsys.readouterr().err and len(opened) == 1


def test_a_stored_baseline_is_found_again_in_the_home_and_leaves_the_sources_alone(
        tutor: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = shipped_now()
    cases = suite(tmp_path, tools=1)
    assert tutor("eval", "run", cases, "--store") == 0
    own = tmp_path / "home" / "evals" / "baselines" / "mine.json"
    assert own.is_file() and f"in your home now: {own}" in capsys.readouterr().err
    assert tutor("eval", "run", cases, "--baseline") == 0
    shown = capsys.readouterr()
    assert f"The baseline is {own}" in shown.err and shown.out.endswith("mine: passed\n")
    assert shipped_now() == before


def test_a_fall_in_one_answer_of_many_ends_with_1_and_the_log_is_kept(
        tutor: Callable[..., int], tmp_path: Path, memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    cases, log, junit = suite(tmp_path), tmp_path / "log.json", tmp_path / "junit.xml"
    assert tutor("eval", "run", cases, "--store") == 0
    own = (tmp_path / "home" / "evals" / "baselines" / "mine.json").read_bytes()
    [note] = memory.store.documents()
    memory.store.remove(note.path)
    ingest_text(memory.store, "other.md", "# Bread\n\nDough rises because yeast makes gas.\n")
    capsys.readouterr()
    words = ("--baseline", "--store", "--out", str(log), "--junit", str(junit), "--json")
    assert tutor("eval", "run", cases, *words) == 1
    gate = told(capsys)["gate"]
    assert not gate["passed"] and [check["metric"] for check in gate["checks"] if not check["passed"]] == ["status"]
    assert read_log(log).values("status") == [0.0]
    failed = [node.get("name") for node in ElementTree.parse(junit).iter("testcase") if node.find("failure") is not None]
    assert failed == ["ask", "status (hard)"]
    # A run that didn't pass doesn't become what the next one is held to.
    assert (tmp_path / "home" / "evals" / "baselines" / "mine.json").read_bytes() == own


def test_the_log_is_written_before_what_may_fail(tutor: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.json"
    assert tutor("eval", "run", suite(tmp_path, tools=1), "--out", str(log), "--junit", str(tmp_path / "none" / "junit.xml")) == 3
    assert len(read_log(log).results) == 2
    assert f"The log is in {log}" in capsys.readouterr().err


def test_changed_cases_are_named_and_fail_unless_they_are_allowed(
        tutor: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("eval", "run", suite(tmp_path), "--store") == 0
    edited = suite(tmp_path, more=3)
    assert tutor("eval", "run", edited, "--baseline") == 1
    shown = capsys.readouterr().out
    assert "18 of 21 are compared; changed since the baseline: t0, t1, t2" in shown and shown.endswith("mine: failed\n")
    assert tutor("eval", "run", edited, "--baseline", "--allow-changed", "--json") == 0
    assert told(capsys)["gate"]["changed"] == ["t0", "t1", "t2"]


@pytest.mark.parametrize(("words", "why"), [
    (("--allow-changed",), "what --baseline lets pass"),
    (("--fast", "--store"), "whole suite"),
    (("--fast", "--store-shipped"), "whole suite"),
    (("--store-shipped", "--seed", "3"), "with seed 0"),
    (("--store-shipped", "--docs", "notes.md"), "built-in course"),
])
def test_options_that_do_not_go_together_are_told_before_anything_is_run(
        words: tuple[str, ...], why: str, tutor: Callable[..., int], opened: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("eval", "run", "computing", *words) == 3
    assert why in capsys.readouterr().err and opened == []


def test_only_suites_of_the_project_are_shipped(
        tutor: Callable[..., int], tmp_path: Path, opened: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    before = shipped_now()
    assert tutor("eval", "run", suite(tmp_path), "--store-shipped") == 3
    assert "its own suites only" in capsys.readouterr().err
    assert opened == [] and shipped_now() == before


def test_make_baselines_measures_every_suite() -> None:
    """The target asks for the list; what it would miss would keep an old baseline."""
    target = (PROJECT / "Makefile").read_text("utf-8").partition("\nbaselines:")[2].partition("\n\n")[0]
    assert "eval suites" in target and "--store-shipped" in target and "--model offline" in target
    assert len(shipped_suites()) == 6
