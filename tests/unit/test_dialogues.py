"""Conversations of several turns, offline: what a message points to, claims, the ladder, a quiz and its grades."""

from __future__ import annotations

import pytest

from agent.aspects import bare_aspect
from agent.disputes import disputed
from agent.events import Answer, TurnRequest
from agent.evidence import Piece
from agent.followup import Past, resolve
from agent.offline.claims import held_against
from agent.offline.opposites import opposed
from agent.offline.quiz import fits
from agent.offline.understand import understand
from agent.references import pair, pointed
from agent.tutor import Tutor
from memory.ingest.markdown import parse_markdown
from memory.ingest.passages import cut_passages
from memory.ingest.pipeline import ingest_text
from memory.open import Memory
from tests.conftest import OpenTutor

LIST = Past("list the CDC methods", "…", topic="CDC methods", query="list the CDC methods", points=("Log", "Trigger", "Query"))
RAY = Past("What does Ray do?", "…", topic="Ray", query="What does Ray do?")
AIRFLOW = Past("And Airflow?", "…", topic="Airflow", query="Airflow")
BOTH = Past("compare DDP and FSDP", "…", topic="DDP and FSDP", query="compare DDP and FSDP", points=("DDP", "FSDP"))
LADDER = Past("Why use a cache?", "…", topic="cache", query="Why use a cache?", pending={"kind": "ladder", "query": "Why use a cache?"})
QUIZ = Past("quiz me", "What is a cache?", topic="cache", query="cache", pending={"kind": "quiz", "question": "What is a cache?"})

BREWING = """# Brewing

How beer is made, from grain to glass.

## Ways to brew

### 1. Top brewing

*   **Concept:** Yeast rises to the surface of the vat and works at room temperature.
*   **Cons:** Each batch spoils within nine days because the surface stays open.

### 2. Bottom brewing

*   **Concept:** Yeast sinks to the floor of the vat and works slowly in a cold cellar.
*   **Cons:** The cellar must be cooled for seven weeks, which costs a lot of ice.

### 3. Wild brewing

*   **Concept:** The vat is left open overnight, so that yeast from the air settles in it.
*   **Cons:** No batch tastes like the one before.
"""


@pytest.fixture
def brewing(memory: Memory) -> Memory:
    ingest_text(memory.store, "brewing.md", BREWING)
    return memory


async def talk(tutor: Tutor, *said: str, mode: str = "direct") -> list[Answer]:
    answers: list[Answer] = []
    for text in said:
        answers.append(await tutor.ask(TurnRequest(question=text, thread="t", mode=mode)))
    return answers


# ---- what a message points to


@pytest.mark.parametrize(("said", "history", "kind", "query"), [
    ("any downsides?", [RAY], "follow_up", "any downsides Ray"),
    ("what are the alternatives?", [RAY], "follow_up", "alternatives Ray"),
    ("And Airflow?", [RAY], "follow_up", "Airflow"),
    ("and the second?", [LIST], "ordinal", "Trigger CDC methods"),
    ("the third one, please", [LIST], "ordinal", "Query CDC methods"),
    ("the last one?", [LIST], "ordinal", "Query CDC methods"),
    ("what about the fifth?", [LIST], "unlisted", "what about the fifth?"),
    ("how much memory does the latter need?", [BOTH], "ordinal", "much memory need FSDP"),
    ("what are the drawbacks of the remote one?", [RAY], "follow_up", "drawbacks remote one Ray"),
    ("yes, go on", [RAY], "continue", "What does Ray do?"),
    ("could you put that in one sentence?", [RAY], "shorter", "What does Ray do?"),
    ("for instance?", [RAY], "example", "example of Ray"),
    ("no, Airflow", [RAY], "correction", "Airflow"),
    ("I was asking about Airflow, not Ray", [RAY], "correction", "What does Airflow do?"),
    ("that's wrong, it's an orchestrator", [RAY], "claim", "an orchestrator Ray"),
    ("and what is the best recipe for sourdough bread?", [RAY], "new", "and what is the best recipe for sourdough bread?"),
    ("unrelated, but what is a quorum?", [RAY], "new", "what is a quorum?"),
    ("can you say that more simply?", [RAY], "shorter", "What does Ray do?"),
    ("back to the fixed window. What was its problem?", [RAY, BOTH], "back", "fixed window. What was its problem"),
    ("returning to Ray: what is it written in?", [RAY, BOTH], "back", "Ray: what is it written in What does Ray do?"),
])
def test_what_a_short_message_asks(said: str, history: list[Past], kind: str, query: str) -> None:
    found = resolve(said, history)
    assert (found.kind, found.query) == (kind, query)


def test_the_other_of_two_is_asked_the_same() -> None:
    latter = Past("how does the latter shard?", "…", topic="FSDP", query="shard FSDP", points=("DDP", "FSDP"))
    found = resolve("and the other one?", [BOTH, latter])
    assert (found.topic, found.query) == ("DDP", "shard DDP")


@pytest.mark.parametrize("said", ["compare the two", "so which is better for small teams?", "how do they differ?", "which of them is older?", "how does the first differ from the second?"])
def test_the_two_are_the_last_two_topics(said: str) -> None:
    look = understand(said, [LIST, RAY, AIRFLOW])
    assert look.intent == "compare" and look.sides == ("Ray", "Airflow")


def test_a_hyphenated_name_stays_whole_in_a_topic() -> None:
    assert resolve("explain exactly-once semantics", []).topic == "exactly-once semantics"


def test_two_sides_of_a_comparison_go_before_topics() -> None:
    assert pair([RAY, BOTH]) == ("DDP", "FSDP")
    assert pair([RAY]) is None and pointed("the second one", [RAY]) is None


def test_its_side_of_a_comparison_is_the_last_topic() -> None:
    assert understand("compare its speed with that of Airflow", [RAY]).sides == ("Ray speed", "Airflow")


@pytest.mark.parametrize(("said", "aspect"), [("alternatives?", True), ("what are the main drawbacks?", True), ("watermarks?", False),
                                              ("what is a quorum?", False), ("", False)])
def test_aspects_name_no_subject(said: str, aspect: bool) -> None:
    assert bare_aspect(said) is aspect


# ---- claims


@pytest.mark.parametrize(("said", "claim"), [
    ("No, iptables is the fast one.", "iptables is the fast one"), ("But I thought it needs labels. Isn't that so?", "it needs labels"),
    ("So P(X) changes, right?", "P(X) changes"), ("are you sure?", ""), ("I disagree", ""), ("what is wrong with retries?", None),
    ("no, why is that?", None), ("Why is it right to round?", None),
    ("I read about Kafka. What is it?", None), ("no problem", None), ("no thanks, what is next?", None), ("I think I am tired", None),
])
def test_what_a_learner_claims(said: str, claim: str | None) -> None:
    assert disputed(said) == claim


CLAIMED = """# Drift

Data drift is a change of the inputs while the labels' relation to them stays the same.

FSDP averages gradients with a reduce-scatter instead of an all-reduce.

The drift detector works without a label for each new point.
"""


@pytest.mark.parametrize(("claim", "topic", "holding"), [
    ("the inputs change", "data drift", "holds"), ("the inputs stay the same", "data drift", "fails"),
    ("all-reduce", "FSDP gradients", "fails"), ("it needs a label for each new point", "drift detector", "fails"),
    ("it runs on Mars", "data drift", "open"), ("", "data drift", "open"),
])
def test_a_claim_is_held_against_the_sentences_about_its_topic(claim: str, topic: str, holding: str) -> None:
    passage = cut_passages("d.md", CLAIMED, parse_markdown(CLAIMED))[0]
    assert held_against(claim, topic, [Piece(1, passage, 1.0, 0.9, tuple(1.0 for _ in passage.blocks), {}, "q")]) == holding


@pytest.mark.parametrize(("said", "told", "against"), [
    ("P(Y|X) changes", "the relationship P(Y|X) remains the same", True),
    ("P(Y|X) does not change", "the relationship P(Y|X) remains the same", False),
    ("without tokens the request is dropped", "If no tokens are left, the request is dropped", False),
    ("each GPU keeps part of the weights", "every GPU holds the full weights", True),
    ("the weights are full of noise", "nothing is known of the biases", False),
])
def test_opposite_clauses(said: str, told: str, against: bool) -> None:
    assert opposed(said, told) is against


async def test_a_wrong_claim_isnt_agreed_with(brewing: Memory, tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        _, wrong, right = await talk(tutor, "What is bottom brewing?", "that's wrong, the yeast works fast in a cold cellar", "so yeast sinks to the floor, right?")
    assert wrong.text.startswith("Not quite") and "works slowly" in wrong.text and wrong.citations
    assert right.text.startswith("Right") and right.citations


# ---- lists


async def test_sections_under_a_heading_are_a_list_to_count_in(brewing: Memory, tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        listed, second, last = await talk(tutor, "List the ways to brew.", "explain the second one", "and the last?")
    assert listed.context["points"] == ["Top brewing", "Bottom brewing", "Wild brewing"]
    assert "sinks to the floor" in second.text and second.context["query"].startswith("Bottom brewing")
    assert "from the air" in last.text


async def test_a_follow_up_tells_what_it_asks_for(brewing: Memory, tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        _, downsides, foreign, unlisted = await talk(tutor, "What is bottom brewing?", "any downsides?", "does it need a flibbertigibbet snorkel?",
                                                     "compare them")
    assert "seven weeks" in downsides.text
    assert foreign.status == "abstained"
    assert unlisted.status == "clarify"


# ---- the ladder and the quiz


@pytest.mark.parametrize(("said", "history", "intent"), [
    ("because reads are frequent?", [LADDER], "attempt"), ("A copy near the reader.", [LADDER], "attempt"),
    ("ok thanks, now quiz me on that", [RAY], "quiz"), ("ok thanks, that was clear", [RAY], "small_talk"),
    ("what is a queue?", [LADDER], "explain"), ("no idea", [LADDER], "hint"), ("still no clue", [QUIZ], "hint"),
    ("Is there more to it? I don't know, just tell me", [LADDER], "give_up"), ("ok what's the answer", [QUIZ], "give_up"),
    ("tell me about queues", [LADDER], "explain"), ("it keeps copies of data", [QUIZ], "quiz_answer"),
    ("is it a small fast store?", [QUIZ], "quiz_answer"), ("what do you mean by store?", [QUIZ], "explain"),
])
def test_replies_to_a_hint_or_a_quiz(said: str, history: list[Past], intent: str) -> None:
    found = understand(said, history).intent
    assert found == intent or (intent == "explain" and found in ("define", "how"))


async def test_the_ladder_asks_first_and_keeps_the_answer_back(brewing: Memory, tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        rungs = await talk(tutor, "Why does a batch of top brewing spoil within days?", "no idea", "no idea", "still no idea", mode="socratic")
    asked, *hints, told = rungs
    assert asked.text.count("?") == 1 and not asked.citations
    assert all("stays open" not in answer.text for answer in (asked, *hints))
    assert "____" in hints[0].text and hints[0].text.count("____") > hints[1].text.count("____") > 0
    assert "the surface stays open" in told.text and told.citations


async def test_an_attempt_is_judged(brewing: Memory, tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        question = "Where does the yeast of bottom brewing work?"
        _, off, part, right = await talk(tutor, question, "On a shelf with jam.", "somewhere cold under a hill in a barrel", "slowly in a cold cellar", mode="socratic")
    assert off.text.startswith("Not yet.") and "____" in off.text
    assert part.text.startswith("That's part of it: cold.")
    assert right.text.startswith("Right") and "cold cellar" in right.text and right.citations


async def test_a_quiz_asks_about_its_topic_and_tells_right_from_reversed(brewing: Memory, tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        asked, reversed_, _, hint, told = await talk(tutor, "ask me something about bottom brewing", "yeast works fast at the floor of the vat",
                                                     "quiz me on wild brewing", "can I get a hint?", "what's the answer?")
    assert asked.text == "What is Bottom brewing?" and asked.context["topic"] == "bottom brewing"
    assert reversed_.text.startswith("Not quite")
    assert hint.text.startswith("Hint: look at the part")
    assert told.text.startswith("Here it is") and "from the air" in told.text


def test_a_short_true_answer_fits() -> None:
    told = "A consistent and highly available key-value store that holds all cluster state, configuration and metadata."
    assert fits("a key-value store of cluster state", told, "What is etcd for?")
    assert not fits("a message queue of user events", told, "What is etcd for?")
