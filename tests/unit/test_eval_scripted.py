"""The scripted subject keeps the contract of a subject, so that what passes with it can pass with a tutor."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import TurnRequest
from eval.cases import Document
from eval.run import Subject
from eval.scripted import Reply, ScriptedSubject, scripted_answer
from memory.base import MAX_PASSAGE_CHARS

DOCUMENTS = {"course/a.md": "# Drift\n\nConcept drift changes the relation.\n\nData drift changes the inputs.\n", "b.md": "Kafka keeps a log."}


def _ask(subject: Subject, question: str) -> str:
    return asyncio.run(subject.ask(TurnRequest(question=question))).text


def test_scripted_replies_come_first_then_quotes_then_silence() -> None:
    replies: dict[str, Reply] = {"hi": "Hello.", "boom": OSError("gone"), "whole": scripted_answer("All mine.", "refused")}
    subject = ScriptedSubject(DOCUMENTS, replies)
    assert _ask(subject, "hi") == "Hello." and _ask(subject, "whole") == "All mine."
    assert _ask(subject, "What changes the inputs?") == "Data drift changes the inputs. [1]"
    assert _ask(subject, "Who won the cup?") == "Nothing here holds an answer."
    with pytest.raises(OSError, match="gone"):
        _ask(subject, "boom")
    assert [request.question for request in subject.requests][:2] == ["hi", "whole"]


def test_search_puts_the_passage_with_the_rarest_shared_words_first() -> None:
    hits = ScriptedSubject(DOCUMENTS).search("drift of the relation", 5)
    assert [hit.passage.text for hit in hits] == ["Concept drift changes the relation.", "Data drift changes the inputs."]
    assert hits[0].passage.heading == ("Drift",) and hits[0].passage.source == "course"
    assert ScriptedSubject(DOCUMENTS).search("kafka log", 1)[0].passage.source == "notes"
    assert ScriptedSubject(DOCUMENTS).search("zebra", 5) == [] == ScriptedSubject().search("kafka", 5)


def test_one_rare_word_outweighs_two_common_ones() -> None:
    text = "\n\n".join(["A quorum decides.", *(f"Common usual number {number}." for number in range(5))])
    assert ScriptedSubject({"a.md": text}).search("common usual quorum", 1)[0].passage.text == "A quorum decides."


def test_a_fresh_subject_knows_more_and_leaves_the_first_untouched() -> None:
    subject = ScriptedSubject(DOCUMENTS)

    async def texts() -> str:
        async with subject.fresh([Document(name="c.md", text="Ray has actors.")]) as other:
            return other.text_of("c.md") + other.text_of("b.md")

    assert asyncio.run(texts()) == "Ray has actors.Kafka keeps a log."
    with pytest.raises(LookupError, match=r"c\.md"):
        subject.text_of("c.md")


@given(st.text(alphabet=st.sampled_from("word #\n.|x"), max_size=4000), st.text(max_size=20))
def test_passages_and_citations_are_verbatim_for_any_document(text: str, question: str) -> None:
    subject = ScriptedSubject({"d.md": text})
    for hit in subject.search("word xxx", 50):
        passage = hit.passage
        assert text[passage.start : passage.end] == passage.text and 0 < len(passage.text) <= MAX_PASSAGE_CHARS
    answer = asyncio.run(subject.ask(TurnRequest(question=question)))
    assert all(text[each.start : each.end] == each.quote for each in answer.citations)
