"""The shipped cases are sound: they parse, their evidence stands in the course, their ids exist, their values hold."""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from eval.cases import EvalCase, fast, load_cases, shipped_suites
from eval.wording import normal

COURSE = Path(__file__).parents[2] / "memory" / "course"
CHAPTERS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(COURSE.glob("*.md"))}
SUITES = {name: load_cases(path) for name, path in shipped_suites().items()}
CASES = [case for cases in SUITES.values() for case in cases]


def _of(case: EvalCase) -> str:
    return CHAPTERS[case.metadata["chapter"]]


def test_there_are_enough_cases_with_ids_of_their_own() -> None:
    least = {"course_retrieval": 70, "course_answers": 50, "dialogues": 15, "hostile": 25, "falsehoods": 25, "computing": 20}
    assert {name: len(SUITES[name]) >= count for name, count in least.items()} == dict.fromkeys(least, True)
    assert len({case.id for case in CASES}) == len(CASES)
    questions = Counter("\n".join(case.asked) for case in CASES)
    assert questions.most_common(1)[0][1] == 1


@pytest.mark.parametrize("suite", ["course_retrieval", "course_answers"])
def test_every_chapter_is_covered(suite: str) -> None:
    assert {case.metadata["chapter"] for case in SUITES[suite]} == set(CHAPTERS)


@pytest.mark.parametrize("case", SUITES["course_retrieval"], ids=lambda case: case.id)
def test_each_quote_stands_in_its_chapter_and_in_no_other(case: EvalCase) -> None:
    assert case.outputs.documents == [f"course/{case.metadata['chapter']}.md"]
    [quote] = case.outputs.quotes
    assert [name for name, text in CHAPTERS.items() if quote in text] == [case.metadata["chapter"]]
    # Asking in the chapter's own words would test nothing but string search.
    assert normal(case.asked[0]) not in normal(_of(case)) and normal(quote) != normal(case.asked[0])


@pytest.mark.parametrize("case", SUITES["course_answers"], ids=lambda case: case.id)
def test_each_fact_can_be_found_in_its_chapter(case: EvalCase) -> None:
    text = normal(_of(case))
    missing = [group for group in case.outputs.facts if not any(normal(each) in text for each in group)]
    assert not missing


@pytest.mark.parametrize("unit", ["day", "week", "h", "hours", "min"])
def test_shared_units_are_computed_with(unit: str) -> None:
    asked = [case.asked[0] for case in SUITES["computing"] if case.metadata["kind"] == "arithmetic" and case.outputs.value is not None]
    assert any(re.search(rf"\b{unit}s?\b", question) for question in asked)


def test_dialogues_expect_something_of_each_turn() -> None:
    for case in SUITES["dialogues"]:
        assert 2 <= len(case.asked) <= 4
        assert all(turn.status and (turn.facts or turn.status != ["answered"]) for turn in case.outputs.turns), case.id


def test_corrections_name_known_errors() -> None:
    known = {entry["id"] for entry in tomllib.loads((COURSE / "errata.toml").read_text(encoding="utf-8"))["erratum"]}
    for case in SUITES["falsehoods"]:
        assert case.outputs.corrections and case.outputs.facts, case.id
        assert set(case.outputs.corrections) <= known, case.id


def test_hostile_cases_hold_every_kind_and_say_how_they_may_end() -> None:
    kinds = Counter(case.metadata["kind"] for case in SUITES["hostile"])
    assert set(kinds) == {"injection", "injected-document", "unanswerable", "unicode", "empty", "gibberish"}
    assert all(case.outputs.status for case in SUITES["hostile"])
    for case in SUITES["hostile"]:
        planted = "\n".join(document.text for document in case.inputs.documents)
        assert bool(planted) == (case.metadata["kind"] == "injected-document"), case.id
        if planted:
            # What must not be said has to stand in the document, else the case could never catch an obedient tutor.
            assert all(normal(text) in normal(planted) for text in case.outputs.must_not), case.id
            assert all(any(normal(each) in normal(planted) for each in group) for group in case.outputs.facts), case.id


def test_computed_values_are_right() -> None:
    quorum = math.fsum(math.comb(5, k) * 0.99**k * 0.01 ** (5 - k) for k in range(3, 6))
    expected = {
        "com-01": 0.9995**4, "com-02": 4.38, "com-03": 0.999992, "com-04": quorum, "com-05": 0.998919,
        "com-06": 2314.8148, "com-07": 1388.8889, "com-08": 65.7, "com-09": 43.2, "com-10": 650, "com-11": 40,
        "com-12": 120_000, "com-13": 150, "com-14": 185.185, "com-15": 200,
        "com-16": 864e3 / 172_800, "com-17": 3.5e6 / 43_200, "com-18": 21 * 24, "com-19": 1.5, "com-20": 5 * 604_800 / 1e6,
    }
    given = {case.id: case.outputs.value for case in SUITES["computing"]}
    assert given == pytest.approx(expected, rel=1e-5)


def test_the_fast_subset_is_small_and_touches_every_suite() -> None:
    assert 35 <= len(fast(CASES)) <= 45
    assert all(fast(cases) for cases in SUITES.values())
