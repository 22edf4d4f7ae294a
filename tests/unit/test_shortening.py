"""Which sentences only shorten what a span says, and which mix it up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.shortening import shortens, without_place

CHECKPOINTS = "Checkpointing: FSDP saves sharded checkpoints in parallel, because gathering a full state dict on one rank can exhaust memory."
BREAKER = "A circuit breaker fails calls to a sick backend at once, which gives the backend time to recover."
PROXIES = ("kube-proxy makes addresses work at layer 4, while a layer 7 load balancer is a proxy that routes single requests "
           "by their content.")
CLIPPING = "Clipping needs the global norm over all shards, not the norm of each shard."
DRIFTS = "Concept drift is a change in P(Y|X), whereas data drift is a change in P(X). Data drift shows in unlabelled inputs."


@pytest.mark.parametrize(("sentence", "span"), [
    (CHECKPOINTS, CHECKPOINTS),
    ("FSDP saves sharded checkpoints, as gathering a full state dict can exhaust memory.", CHECKPOINTS),
    ("A circuit breaker fails calls to a sick backend, which gives the backend time to recover.", BREAKER),
    ("A circuit breaker fails calls to a sick backend.", BREAKER),
    ("A layer 7 load balancer is a proxy.", "A layer 7 load balancer is a proxy that routes single requests by content."),
    ("Clipping needs the global norm over all shards.", CLIPPING),
    ("Data drift shows in unlabelled inputs.", DRIFTS),
])
def test_fewer_of_the_same_words_are_supported(sentence: str, span: str) -> None:
    assert shortens(sentence, span)


@pytest.mark.parametrize(("sentence", "span"), [
    ("FSDP saves memory by gathering a full state dict on one rank.", CHECKPOINTS),  # another order
    ("FSDP saves memory.", CHECKPOINTS),  # from one clause into the middle of the next
    ("A circuit breaker fails.", BREAKER),  # the object is missing
    ("A circuit breaker fails, which gives the backend time to recover.", BREAKER),
    ("A circuit breaker fails requests to a sick backend at once.", BREAKER),  # a word of the model's own
    ("A layer 4 load balancer is a proxy that routes single requests by their content.", PROXIES),
    ("Clipping needs the norm of each shard.", CLIPPING),
    ("Concept drift shows in unlabelled inputs.", DRIFTS),  # from one sentence into the next
    ("A watermark requires complete knowledge.", "Perfect watermark: A perfect watermark requires complete knowledge."),
    ("More retries always help.", "The belief that more retries always help ignores amplification."),
    ("A breaker helps.", "A breaker helps only if the backend can recover."),
    ("A read takes 7 ns.", "A read takes 100 ns."),
    ("Watermarks remove duplicates.", "Watermarks do not remove duplicates."),
    ("Streaming pipelines.", "Streaming pipelines turn events into features."),
])
def test_what_is_mixed_up_is_not(sentence: str, span: str) -> None:
    assert not shortens(sentence, span)


def test_a_label_may_be_the_subject() -> None:
    assert shortens("The online store keeps the latest values.", "Purpose: Keeps the latest values for inference.", "Online Store (serving)")
    assert not shortens("The online store keeps the latest values.", "Purpose: Keeps the latest values for inference.")


def test_the_place_that_the_question_names_adds_nothing() -> None:
    assert without_place("In Rust, a trait in stream processing is x.", "What is a trait in stream processing?") == "In Rust, a trait is x."
    assert without_place("A trait is x.", "What is a trait?") == "A trait is x."


@given(st.text(), st.text())
def test_no_text_makes_it_raise(sentence: str, span: str) -> None:
    assert shortens(sentence, span) in (True, False)
