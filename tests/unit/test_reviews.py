"""Human review: the graph stops, the queue survives a restart, a decision resumes once."""

from __future__ import annotations

import pytest

from agent.events import TurnRequest
from agent.scripted import script
from memory.ingest.pipeline import ingest_text
from memory.open import Memory
from memory.reviews import ReviewClosed, UnknownReview
from tests.conftest import OpenTutor

ASK = TurnRequest(question="What is LRU eviction?", review=True)


async def test_a_sent_on_draft_waits_and_is_approved_after_a_restart(tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        waiting = await tutor.ask(ASK)
        assert waiting.status == "review" and waiting.review_id
        other = await tutor.ask(TurnRequest(question="What is a queue?", thread=waiting.thread))
        assert other.status == "answered"
    with tutor_with() as tutor:
        [review] = tutor.reviews.listing()
        assert "read longest ago" in review.draft
        answer = await tutor.decide(review.id, "approve")
        assert answer.status == "answered" and answer.citations and answer.id == waiting.id
        assert tutor.reviews.listing() == []


async def test_an_edit_replaces_the_text_and_a_rejection_withholds_it(tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        first, second = await tutor.ask(ASK), await tutor.ask(ASK)
        edited = await tutor.decide(str(first.review_id), "edit", "Better said [1].")
        rejected = await tutor.decide(str(second.review_id), "reject")
    assert edited.text == "Better said [1]." and edited.status == "answered"
    assert rejected.status == "abstained" and not rejected.citations


MISTAKE = "# Leaky bucket\n\nIf the queue of the leaky bucket is too big, it lets bursts through.\n"


async def test_a_reviewer_sees_what_the_learner_would_read(tutor_with: OpenTutor, memory: Memory) -> None:
    ingest_text(memory.store, "bucket.md", MISTAKE)
    with tutor_with() as tutor:
        waiting = await tutor.ask(TurnRequest(question="What does a leaky bucket with a big queue let through?", review=True))
    with tutor_with() as tutor:
        review = str(waiting.review_id)
        seen = tutor.preview(review)
        assert seen is not None and seen.corrections and seen.citations and seen.corrections[0].right in seen.text
        assert seen.corrections[0].right not in tutor.reviews.get(review).draft
        assert tutor.reviews.get(review).status == "pending"
        read = await tutor.decide(review, "approve")
        assert read == seen.model_copy(update={"ms": read.ms}) and tutor.preview(review) == read
        with pytest.raises(UnknownReview):
            tutor.preview("nope")


async def test_nothing_resumes_twice(tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        waiting = await tutor.ask(ASK)
        await tutor.decide(str(waiting.review_id), "approve")
        with pytest.raises(ReviewClosed):
            await tutor.decide(str(waiting.review_id), "reject")
        with pytest.raises(UnknownReview):
            await tutor.decide("nope", "approve")


async def test_a_draft_with_thin_ground_goes_to_a_person(tutor_with: OpenTutor) -> None:
    with tutor_with(model=script("Least recently used eviction drops the entry that was read longest ago [1]."), review_below=1.1) as tutor:
        answer = await tutor.ask(TurnRequest(question="What is LRU eviction?"))
        assert answer.status == "review"
        assert "confidence" in tutor.reviews.listing()[0].reason


async def test_a_decision_that_a_crash_cut_off_is_carried_out_at_the_next_start(tutor_with: OpenTutor) -> None:
    with tutor_with() as tutor:
        waiting = await tutor.ask(ASK)
        tutor.reviews.claim(str(waiting.review_id), "approve", None, "me")  # and then the process dies
    with tutor_with() as tutor:
        await tutor.recover()
        assert tutor.reviews.claimed() == []
        turn = tutor.parts.threads.get(waiting.id)
        assert turn is not None and turn.status == "done" and turn.answer is not None and turn.answer["status"] == "answered"
