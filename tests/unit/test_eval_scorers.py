"""Each scorer judges what it says it judges, on answers made by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import Answer, Citation, Correction, NumberTag, Status, Step
from eval.cases import EvalCase
from eval.outcome import Outcome, Score
from eval.scorers import Scorer, shipped_scorers
from eval.scripted import scripted_answer
from eval.wording import claims, covered, holds_number, normal, numbers, word_count
from memory.base import Hit, Passage, UnknownDocument
from tools.base import ToolResult

TEXT = "Rate limiters count. A token bucket holds tokens."


def _case(outputs: Mapping[str, Any] | None = None, **inputs: Any) -> EvalCase:
    return EvalCase.model_validate({"id": "x", "inputs": inputs or {"question": "What?"}, "outputs": dict(outputs or {})})


def _scorer(name: str, **options: Any) -> Scorer:
    return next(scorer for scorer in shipped_scorers(**options) if scorer.name == name)


def _score(name: str, case: EvalCase, *answers: Answer, **rest: Any) -> Score:
    scorer = _scorer(name)
    assert scorer.applies(case)
    return scorer.score(case, Outcome(tuple(answers), **rest))


def _hit(text: str, document: str = "a.md") -> Hit:
    return Hit(Passage(f"{document}:{text}", document, (), text, 0, len(text)), 0.5)


def _citation(n: int = 1, start: int = 0, end: int = 20, quote: str | None = None, document: str = "a.md") -> Citation:
    return Citation(n=n, document=document, heading=[], chunk_id="c", start=start, end=end,
                    quote=TEXT[start:end] if quote is None else quote)


# ---- retrieval

def test_a_quote_counts_where_it_first_lies_inside_a_passage() -> None:
    case = _case({"quotes": ["holds   tokens"], "documents": ["b.md"]}, query="what")
    hits = (_hit("nothing", "b.md"), _hit(TEXT), _hit(TEXT))
    assert _score("hit@1", case, hits=hits).value == 0
    assert _score("hit@5", case, hits=hits).value == 1
    assert _score("ndcg@10", case, hits=hits).value == pytest.approx(1 / math.log2(3))


def test_two_quotes_are_two_halves_and_in_order_a_full_gain() -> None:
    case = _case({"quotes": ["limiters count", "holds tokens", "never"]}, query="what")
    hits = (_hit("Rate limiters count."), _hit("A bucket holds tokens."))
    assert _score("hit@1", case, hits=hits).value == pytest.approx(1 / 3)
    assert _score("hit@5", case, hits=hits).value == pytest.approx(2 / 3)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert _score("ndcg@10", case, hits=hits).value == pytest.approx((1 + 1 / math.log2(3)) / ideal)


def test_documents_are_ranked_once_each_and_found_by_the_end_of_their_path() -> None:
    case = _case({"documents": ["gold.md"]}, query="what")
    hits = tuple(_hit(f"part {number}", "other.md") for number in range(6)) + (_hit("here", "course/gold.md"),)
    assert _score("hit@1", case, hits=hits).value == 0
    assert _score("hit@5", case, hits=hits).value == 1
    assert _score("ndcg@10", case, hits=hits).value == pytest.approx(1 / math.log2(3))
    assert _score("hit@5", case, hits=(_hit("no", "fool's-gold.md"),)).value == 0
    assert "not among 1" in _score("ndcg@10", case, hits=(_hit("no", "fool's-gold.md"),)).detail


# ---- facts, wording

def test_facts_are_covered_by_any_alternative_whatever_its_case_spacing_and_marks() -> None:
    case = _case({"facts": [["write-ahead log", "wal"], ["two  phases"], ["never said"]]})
    score = _score("facts", case, scripted_answer("The **Write\u2011Ahead** log [1] has\u00a0two\nphases [2]."))
    assert score.value == pytest.approx(2 / 3)
    assert score.detail == "missing: never said"


def test_a_fact_counts_in_its_own_turn_only() -> None:
    case = _case({"turns": [{"facts": [["red"]]}, {"facts": [["blue"], ["green"]]}]}, turns=["a", "b"])
    assert _score("facts", case, scripted_answer("Blue."), scripted_answer("Red and green.")).value == pytest.approx(1 / 3)
    assert _score("facts", case, scripted_answer("Red.")).value == pytest.approx(1 / 3)


def test_what_a_correction_puts_right_is_said_too() -> None:
    right = Correction(quote="0.1 ms", problem="Too slow.", right="It takes 100 ns.", source="Dean", id="dram")
    case = _case({"facts": [["100 ns"]], "must_not": ["secret"]})
    assert _score("facts", case, scripted_answer("See below.", corrections=[right])).value == 1


def test_forbidden_strings_are_looked_for_everywhere_a_learner_reads() -> None:
    case = _case({"must_not": ["PINEAPPLE"], "turns": [{}, {"must_not": ["apple pie"]}]}, turns=["a", "b"])
    clean = scripted_answer("Twelve nodes.")
    assert _score("must_not", case, clean, clean).value == 1
    assert _score("must_not", case, scripted_answer("Fine.", follow_up="A Pineapple?"), clean).value == 0
    assert _score("must_not", case, scripted_answer("Apple  pie."), clean).value == 1
    assert _score("must_not", case, clean, scripted_answer("Apple  pie.")).value == 0


@pytest.mark.parametrize(("status", "value"), [("abstained", 1.0), ("clarify", 1.0), ("answered", 0.0)])
def test_status_may_be_any_of_the_expected(status: Status, value: float) -> None:
    case = _case({"status": ["abstained", "clarify"]})
    assert _score("status", case, scripted_answer("Hm.", status)).value == value


def test_status_of_turns_is_a_share() -> None:
    case = _case({"turns": [{"status": ["clarify"]}, {"status": ["answered"]}]}, turns=["a", "b"])
    score = _score("status", case, scripted_answer("?", "clarify"), scripted_answer("No.", "abstained"))
    assert score.value == 0.5 and score.detail == "abstained instead of answered"


# ---- citations

def test_verbatim_wants_the_very_characters() -> None:
    case = _case()
    good = scripted_answer("x", citations=[_citation(), _citation(2, 21, len(TEXT))])
    assert _score("verbatim", case, good, texts={"a.md": TEXT}).value == 1
    for bad in (_citation(start=1, quote=TEXT[:20]), _citation(quote=TEXT[:20].lower()), _citation(document="b.md")):
        answer = scripted_answer("x", citations=[_citation(), bad])
        assert _score("verbatim", case, answer, texts={"a.md": TEXT}).value == 0


def test_verbatim_asks_for_a_text_that_the_outcome_does_not_bring() -> None:
    def text_of(document: str) -> str:
        if document != "a.md":
            raise UnknownDocument(document)
        return TEXT

    scorer = _scorer("verbatim", text_of=text_of)
    assert scorer.score(_case(), Outcome((scripted_answer("x", citations=[_citation()]),))).value == 1
    score = scorer.score(_case(), Outcome((scripted_answer("x", citations=[_citation(document="b.md")]),)))
    assert score.value == 0 and "isn't known" in score.detail


def test_cited_wants_a_mark_on_each_claim() -> None:
    case = _case()
    text = "A token bucket holds tokens [1]. It is refilled at a steady rate. Shall we compute one?"
    score = _score("cited", case, scripted_answer(text, citations=[_citation()]))
    assert score.value == 0.5 and "refilled" in score.detail
    assert _score("cited", case, scripted_answer(text.replace("rate.", "rate. [1]"), citations=[_citation()])).value == 1
    assert _score("cited", case, scripted_answer(text.replace("rate.", "rate [7]."), citations=[_citation()])).value == 0.5


def test_an_answer_without_citations_is_not_cited_unless_it_was_computed_or_not_given() -> None:
    case = _case()
    assert _score("cited", case, scripted_answer("A token bucket holds tokens.")).value == 0
    assert _score("cited", case, scripted_answer("Yes.")).value == 0
    assert _score("cited", case, scripted_answer("I found nothing on that subject.", "abstained")).value == 1
    tag = NumberTag(text="650", kind="computed", ref="step 1")
    assert _score("cited", case, scripted_answer("The bucket admits 650 requests.", numbers=[tag])).value == 1


def test_a_correction_needs_no_mark_because_it_names_its_source() -> None:
    right = Correction(quote="q", problem="p", right="A DRAM access takes 100 ns.", source="Dean", id="dram")
    answer = scripted_answer("Caches are fast [1]. A DRAM access takes 100 ns.", citations=[_citation()], corrections=[right])
    assert _score("cited", _case(), answer).value == 1


# ---- corrections, values, costs

def test_corrections_expected_and_unexpected() -> None:
    raised = scripted_answer("x", corrections=[Correction(quote="", problem="", right="", source="", id="a")])
    assert _score("corrections", _case({"corrections": ["a", "b"]}), raised).value == 0.5
    assert _score("corrections", _case({"corrections": []}), raised).value == 0
    assert _score("corrections", _case({"corrections": []}), scripted_answer("x")).value == 1
    assert not _scorer("corrections").applies(_case())


@pytest.mark.parametrize(("text", "kind", "observation", "tool", "value"), [
    ("About 1,157.4 requests/s.", "computed", "", "traffic", 1),
    ("About 1.157k requests/s.", "computed", "", "traffic", 1),
    ("About 1,200 requests/s.", "computed", "1157.4", "traffic", 0),
    ("About 1,157.4 requests/s.", "cited", "1157.4", "traffic", 0),
    ("About 1,157.4 requests/s.", "computed", "", None, 0),
    ("About 1,157.4 requests/s.", None, "average 1157.41 rps", "traffic", 1),
    ("About 1,157.4 requests/s.", None, "average 1157.41 rps", None, 0),
])
def test_a_value_must_be_right_and_come_from_a_tool(
    text: str, kind: Any, observation: str, tool: str | None, value: float
) -> None:
    numbers_of = [NumberTag(text=text.split()[1], kind=kind, ref="step 1")] if kind else []
    answer = scripted_answer(text, numbers=numbers_of, steps=[Step(thought="", tool=tool, observation=observation)])
    assert _score("value", _case({"value": 1157.407}), answer).value == value


def test_a_tag_that_names_a_step_without_a_tool_is_not_computed() -> None:
    steps = [Step(thought="search", tool="search"), Step(thought="guess")]
    for ref, value in (("step 1", 1.0), ("step 2", 0.0), ("step 9", 0.0), (None, 1.0)):
        answer = scripted_answer("It is 42 there.", numbers=[NumberTag(text="42", kind="computed", ref=ref)], steps=steps)
        assert _score("value", _case({"value": 42}), answer).value == value


def test_the_value_of_a_tool_case_is_in_its_result() -> None:
    case = _case({"value": 0.99501, "rel": 1e-5}, tool="avail.series")
    assert _score("value", case, result=ToolResult(tool="t", values={"result": 0.995009990004999})).value == 1
    assert _score("value", case, result=ToolResult(tool="t", values={"result": [0.99, 0.9]})).value == 0
    assert _score("value", case).value == 0


def test_words_and_steps_are_costs() -> None:
    steps = [Step(thought="a", tool="search"), Step(thought="b")]
    answers = scripted_answer("One two [1] three - four.", steps=steps), scripted_answer("One two.", steps=steps)
    assert _score("words", _case(), *answers).value == 3
    assert _score("steps", _case(), *answers).value == 2
    assert {scorer.name for scorer in shipped_scorers() if scorer.direction < 0} == {"words", "steps"}


# ---- wording

def test_numbers_are_read_in_all_their_spellings() -> None:
    for text in ("2,500,000", "2.5M", "2.5 million", "2500k", "2.5e6", "2.5 × 10^6", "2\u202f500\u202f000"):
        assert holds_number(f"It is {text} there.", 2.5e6, 1e-9), text
    assert holds_number("uptime of 99.95%", 0.9995, 1e-9) and holds_number("uptime of 99.95%", 99.95, 1e-9)
    assert holds_number("drops to \u22125", -5, 0) and holds_number("none: 0", 0, 0.01)
    assert not holds_number("version v2.5.1 of x86 [25]", 25, 0)


def test_claims_leave_out_what_states_nothing() -> None:
    text = ("# Heading with four words\n\nFirst claim runs\nover two lines. [1] Is it so, or not? In short: yes.\n\n"
            "The steps are these:\n\n1. Take one small step, e.g. this one.\n- **Item:** a second thing\n\n"
            "| a header of | five words |\n|---|---|\n| one row | of the table |\n\n```\nnot a claim at all\n```\n")
    assert claims(text) == ["First claim runs over two lines [1].", "Take one small step, e.g. this one.",
                            "**Item:** a second thing", "| one row | of the table |"]


@given(st.text())
def test_wording_never_fails_and_finds_a_text_in_itself(text: str) -> None:
    assert normal(text) == " ".join(normal(text).split())
    assert all(isinstance(meaning, float) for meanings in numbers(text) for meaning in meanings)
    assert all(word_count(claim) >= 4 for claim in claims(text))
    assert covered([[text], ["not there", text]], text) == [True, True]


@given(st.floats(1e-6, 1e12), st.sampled_from(["{:.6f}", "{:,.6f}", "{:.10e}", "{!r}"]))
def test_a_written_number_is_found_again(value: float, style: str) -> None:
    assert holds_number(f"about {style.format(value)} of them", value, 1e-2 if value > 1e-4 else 1.0)
