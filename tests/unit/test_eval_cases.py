"""Cases are read strictly, and sets of others are told from their content."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from eval.cases import CaseError, EvalCase, Inputs, Outputs, fast, load_cases, load_external, shipped_suites
from eval.scorers import shipped_scorers


def _write(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_cases_come_in_order_and_blank_lines_do_not_count(tmp_path: Path) -> None:
    first = {"id": "b", "inputs": {"question": "Why?"}, "outputs": {"facts": [["one", "1"]]}}
    second = {"id": "a", "inputs": {"query": "what"}, "metadata": {"fast": True}}
    cases = load_cases(_write(tmp_path / "set.jsonl", first, "", second, ""))
    assert [case.id for case in cases] == ["b", "a"]
    assert cases[0].kind == "question" and cases[1].kind == "query"
    assert [case.id for case in fast(cases)] == ["a"]


@pytest.mark.parametrize(("bad", "told"), [
    ("{", "not JSON"),
    ("[1]", "JSON object"),
    ({"id": "x", "inputs": {}}, "exactly one of"),
    ({"id": "x", "inputs": {"question": "a", "query": "b"}}, "exactly one of"),
    ({"id": "x", "inputs": {"question": "a"}, "outputs": {"fact": [["a"]]}}, "outputs.fact"),
    ({"id": "x", "inputs": {"question": "a"}, "outputs": {"status": ["done"]}}, "outputs.status"),
    ({"id": "x", "inputs": {"turns": ["a", "b"]}, "outputs": {"turns": [{}]}}, "1 turns but inputs have 2"),
    ({"id": "ok", "inputs": {"question": "again"}}, "stands on line 1"),
])
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, bad: Any, told: str) -> None:
    good = {"id": "ok", "inputs": {"question": "fine"}}
    with pytest.raises(CaseError, match=r"set\.jsonl, line 3") as caught:
        load_cases(_write(tmp_path / "set.jsonl", good, "", bad))
    assert told in str(caught.value)


def test_missing_empty_and_binary_files_are_case_errors(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="can't be read"):
        load_cases(tmp_path / "none.jsonl")
    with pytest.raises(CaseError, match="holds no cases"):
        load_cases(_write(tmp_path / "empty.jsonl", ""))
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CaseError, match="can't be read"):
        load_cases(tmp_path / "binary.jsonl")


def test_a_fingerprint_follows_inputs_and_outputs_but_not_metadata() -> None:
    def case(**changes: Any) -> EvalCase:
        return EvalCase.model_validate({"id": "x", "inputs": {"question": "a"}, **changes})

    assert case().fingerprint == case(metadata={"fast": True}).fingerprint
    assert case().fingerprint != case(outputs={"facts": [["b"]]}).fingerprint
    assert case().fingerprint != case(inputs={"question": "b"}).fingerprint


def test_an_external_question_list_becomes_cases(tmp_path: Path) -> None:
    row = {"question": "How much?", "quote": "It is 5.", "facts": [["5", "five"]], "kind": "how"}
    found = load_external(_write(tmp_path / "questions.jsonl", row, {"id": "z", "question": "Why?", "value": 2, "rel": 0.1}))
    first, second = found.cases
    assert found.name == "questions" and found.documents == ()
    assert first.id == "line-1" and first.inputs.question == "How much?"
    assert first.outputs.quotes == ["It is 5."] and first.outputs.facts == [["5", "five"]]
    assert first.metadata == {"kind": "how"}
    assert second.id == "z" and second.outputs.value == 2 and second.outputs.rel == 0.1


def test_an_external_file_may_hold_cases_of_our_own_form(tmp_path: Path) -> None:
    row = {"id": "x", "inputs": {"turns": ["a", "b"]}, "outputs": {"turns": [{}, {"facts": [["c"]]}]}}
    assert load_external(_write(tmp_path / "set.jsonl", row)).cases[0].kind == "turns"


def test_a_folder_of_entries_with_ids(tmp_path: Path) -> None:
    entries = [
        {"id": "e1", "question": "When?", "text": "On Monday.", "course": "one"},
        {"id": "e1", "text": "Or on Tuesday."},
        {"id": "e2", "question": "Where?", "text": "Here."},
    ]
    (tmp_path / "some-entries.json").write_text(json.dumps(entries), encoding="utf-8")
    _write(tmp_path / "other.json", {"not": "a list of entries"})
    _write(tmp_path / "truth.csv", "question,course,document", '"At what time, please?",one,e1', "Which place?,one,e2")
    found = load_external(tmp_path)
    assert [document.name for document in found.documents] == ["e1.md", "e2.md"]
    assert found.documents[0].text == "# When?\n\nOn Monday.\n\nOr on Tuesday.\n"
    assert [case.inputs.query for case in found.cases] == ["At what time, please?", "Which place?"]
    assert found.cases[1].outputs.documents == ["e2.md"]


def test_a_folder_of_files(tmp_path: Path) -> None:
    lessons = tmp_path / "docs" / "01" / "lessons"
    lessons.mkdir(parents=True)
    (lessons / "intro.md").write_text("# Intro\n\nHello.", encoding="utf-8")
    (lessons / "picture.png").write_bytes(b"\x89PNG")
    _write(tmp_path / "gold.csv", "question,filename", "What greets?,01/lessons/intro.md")
    found = load_external(tmp_path)
    assert [document.name for document in found.documents] == ["01/lessons/intro.md"]
    assert found.cases[0].outputs.documents == ["01/lessons/intro.md"]


def test_external_sets_that_are_absent_or_unknown_say_so(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="no evaluation set at"):
        load_external(tmp_path / "nowhere")
    with pytest.raises(CaseError, match="no CSV table"):
        load_external(tmp_path)
    (tmp_path / "docs").mkdir()
    _write(tmp_path / "gold.csv", "question,filename", "What?,lost.md")
    with pytest.raises(CaseError, match=r"lost\.md"):
        load_external(tmp_path)
    (tmp_path / "docs" / "lost.md").write_bytes(b"\xff\xfe")
    with pytest.raises(CaseError, match="can't be read"):
        load_external(tmp_path)


def test_a_gold_id_without_an_entry_is_an_error(tmp_path: Path) -> None:
    _write(tmp_path / "entries.json", '[{"id": "e1", "text": "On Monday."}]')
    _write(tmp_path / "truth.csv", "question,document", "When?,e1", "Where?,e9")
    with pytest.raises(CaseError, match="question 2: its gold document 'e9'"):
        load_external(tmp_path)


def test_shipped_suites_are_found_by_name() -> None:
    assert set(shipped_suites()) == {
        "course_retrieval", "course_answers", "dialogues", "hostile", "falsehoods", "computing"}


DOC = (Path(__file__).parents[2] / "docs" / "cases.md").read_text("utf-8")


def test_the_examples_of_the_page_are_cases(tmp_path: Path) -> None:
    examples = re.findall(r"```jsonl\n(.*?)```", DOC, re.DOTALL)
    assert len(examples) == 2
    sets = []
    for number, text in enumerate(examples):
        (tmp_path / f"{number}.jsonl").write_text(text, "utf-8")
        sets.append(load_external(tmp_path / f"{number}.jsonl").cases)
    assert {case.kind for case in sets[0]} == {"question", "turns", "query", "tool"}
    scorers = shipped_scorers()
    assert all(any(scorer.direction > 0 and scorer.applies(case) for scorer in scorers) for case in (*sets[0], *sets[1]))


def test_the_page_names_every_field_and_metric() -> None:
    fields = [*EvalCase.model_fields, *Inputs.model_fields, *Outputs.model_fields, "completed"]
    assert [name for name in [*fields, *(scorer.name for scorer in shipped_scorers())] if f"`{name}`" not in DOC] == []


@pytest.mark.parametrize("wrong", ["least recently used", ["least recently used"], [["a"], "b"]])
def test_wrong_facts_are_told_with_an_example(tmp_path: Path, wrong: Any) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps({"id": "a", "inputs": {"question": "Why?"}, "outputs": {"facts": wrong}}), "utf-8")
    with pytest.raises(CaseError, match=r"line 1: outputs.facts.*a list of facts, each of them a list of wordings.*LRU"):
        load_cases(path)
