"""Spelling and acronyms as the documents have them; ordinary English and their own words stay as they are."""

from __future__ import annotations

import pytest

from memory.wording import Wording

TEXT = """Change Data Capture (CDC) reads the log. A Service Level Objective (SLO) is a target; an error budget
follows from it. Schema drift breaks pipelines. Debezium publishes to PostgreSQL and partitions. Shards are split.
Service Level Indicators (SLIs) are measured. A thing of no kind (XYZ) stays unknown.
The watermark advances, the watermark waits."""
ENGLISH = frozenset(("partition", "receive", "window", "shard"))


@pytest.fixture
def wording() -> Wording:
    return Wording([TEXT], ENGLISH.__contains__)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("schmea", "schema"),
        ("waetrmark", "watermark"),
        ("watermrak", "watermark"),
        ("debezum", "debezium"),
        ("pipelins", "pipelines"),
        ("postgrsql", "postgresql"),
        ("measurd", "measured"),
    ],
)
def test_a_slip_of_the_finger_becomes_the_documents_word(wording: Wording, typed: str, meant: str) -> None:
    assert wording.corrected(f"What is {typed}?") == f"What is {meant}?"


@pytest.mark.parametrize(
    "query",
    [
        "schema",
        "Debezium",
        "window",
        "receive",
        "sharders",
        "shardes",
        "cdx",
        "slo",
        "explain",
        "zzzzzzzz",
        "schemlessly",
        "",
        "¿größe?",
    ],
)
def test_what_is_a_word_or_far_from_one_stays(wording: Wording, query: str) -> None:
    assert wording.corrected(query) == query


def test_a_longer_word_may_have_two_slips_and_a_shorter_one(wording: Wording) -> None:
    assert wording.corrected("watremakr") == "watermark"
    assert wording.corrected("shcemo") == "shcemo"


def test_of_two_words_as_near_the_commoner_one_is_meant() -> None:
    assert Wording(["planes plates plates"], lambda word: False).corrected("plases") == "plates"
    assert Wording(["planes planes plates"], lambda word: False).corrected("plases") == "planes"


@pytest.mark.parametrize(
    ("query", "expanded"),
    [
        ("what is cdc", "what is cdc change data capture"),
        ("what is CDC?", "what is CDC? change data capture"),
        ("change data capture", "change data capture cdc"),
        ("service level objective and cdc", "service level objective and cdc change data capture slo"),
        ("Is Change Data Capture CDC?", "Is Change Data Capture CDC?"),
        ("sli", "sli service level indicators"),
        ("cdcx and slow", "cdcx and slow"),
        ("xyz", "xyz"),
    ],
)
def test_an_acronym_brings_its_long_form_and_the_other_way_round(wording: Wording, query: str, expanded: str) -> None:
    assert wording.expanded(query) == expanded


def test_the_first_meaning_of_an_acronym_stays() -> None:
    texts = ["Service Level Agreement (SLA)", "Some Late Arrival (SLA)", "Some other words (SLA)"]
    assert Wording(texts, lambda word: True).acronyms == {"sla": "service level agreement"}


@pytest.mark.parametrize(
    ("word", "known"), [("postgres", True), ("Watermark", True), ("post", False), ("mysql", False)]
)
def test_a_word_is_known_whole_or_by_its_beginning(wording: Wording, word: str, known: bool) -> None:
    assert wording.knows(word) is known


def test_no_documents_correct_nothing() -> None:
    empty = Wording([], lambda word: False)
    assert (
        empty.corrected("schmea drift") == "schmea drift" and empty.expanded("cdc") == "cdc" and not empty.knows("cdc")
    )


def test_a_numeronym_is_the_word_that_it_shortens() -> None:
    wording = Wording(["Kubernetes runs pods. Kubernetes watches them."], lambda word: False)
    assert wording.corrected("what is k8s?") == "what is kubernetes?"
    assert wording.corrected("what is k9s?") == "what is k9s?"


def test_a_misspelt_word_stands_for_one_of_the_documents_and_a_name_for_none() -> None:
    wording = Wording(["The population stability index compares bins.", "A foundation model."], lambda word: False)
    assert wording.means("populaton") == "population"
    assert wording.means("FoundationDB") is None
    assert wording.means("population") is None
