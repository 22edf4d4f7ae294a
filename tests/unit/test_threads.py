"""Admission, the lock of a thread and its lease, tombstones and effects: rows that a crash may not lose or double."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from memory.base import MemoryFault
from memory.sql import Database
from memory.threads import HISTORY_TURNS, LEASE_S, IdReused, ThreadBusy, Threads, UnknownThread

ASK = {"question": "What is a cache?"}


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.fixture
def db() -> Iterator[Database]:
    with closing(Database(":memory:")) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def threads(db: Database, clock: Clock) -> Threads:
    return Threads(db, clock)


def test_an_admitted_turn_is_on_disk_before_admit_returns(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "tutor.sqlite")) as db, closing(Database(tmp_path / "tutor.sqlite")) as other:
        turn = Threads(db).admit(ASK, None, "me", None, "trace")
        assert Threads(other).unfinished() == [turn] and Threads(other).get(turn.id) == turn
        assert (turn.status, turn.number, turn.request, turn.attempts) == ("running", 1, ASK, 1)


def test_the_same_id_is_admitted_once(threads: Threads) -> None:
    first = threads.admit(ASK, "t", "me", "r1", "trace")
    assert threads.admit(ASK, "t", "me", "r1", "other trace") == first
    with pytest.raises(IdReused, match="question"):
        threads.admit({"question": "another"}, "t", "me", "r1", "other trace")
    threads.finish(first, "done", {"text": "so"})
    again = threads.admit(ASK, "t", "me", "r1", "trace")
    assert (again.status, again.answer) == ("done", {"text": "so"}) and len(threads.turns("t")) == 1


def test_many_requests_of_one_id_at_once_make_one_turn(threads: Threads) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: threads.admit(ASK, None, "me", "r1", "trace"), range(16)))
    assert len({turn.thread for turn in made}) == 1 and threads.unfinished() == [made[0]]


def test_one_turn_a_thread_at_a_time_and_other_threads_go_on(threads: Threads) -> None:
    first = threads.admit(ASK, "t", "me", None, "x")
    with pytest.raises(ThreadBusy):
        threads.admit(ASK, "t", "me", None, "x")
    threads.admit(ASK, "other", "me", None, "x")
    threads.finish(first, "done", {"text": "so"})
    assert threads.admit(ASK, "t", "me", None, "x").number == 2


def test_a_refused_turn_leaves_nothing_behind(threads: Threads) -> None:
    threads.admit(ASK, "t", "me", "r1", "x")
    with pytest.raises(ThreadBusy):
        threads.admit(ASK, "t", "me", "r2", "x")
    assert threads.get("r2") is None and len(threads.turns("t")) == 1


def test_a_lock_that_nobody_gave_back_ends_with_its_lease(threads: Threads, clock: Clock) -> None:
    lost = threads.admit(ASK, "t", "me", "lost", "x")
    clock.now += LEASE_S - 1
    with pytest.raises(ThreadBusy):
        threads.admit(ASK, "t", "me", "next", "x")
    clock.now += 1
    following = threads.admit(ASK, "t", "me", "next", "x")
    threads.finish(lost, "failed", error={"code": "late"})
    with pytest.raises(ThreadBusy):
        threads.admit(ASK, "t", "me", "third", "x")  # the late one gave back a lock that wasn't its own any more
    with pytest.raises(ThreadBusy):
        threads.resume(lost)
    threads.finish(following, "done", {"text": "so"})
    assert threads.unfinished() == []


def test_a_turn_that_is_over_stays_as_it_is(threads: Threads) -> None:
    turn = threads.admit(ASK, "t", "me", "r", "x")
    threads.finish(turn, "done", {"text": "first"})
    threads.finish(turn, "failed", error={"code": "second"})
    found = threads.get("r")
    assert found is not None and (found.status, found.answer, found.error) == ("done", {"text": "first"}, None)


def test_a_waiting_turn_frees_its_thread_and_takes_it_again(threads: Threads) -> None:
    turn = threads.admit(ASK, "t", "me", "r", "x")
    threads.finish(turn, "waiting")
    assert threads.unfinished() == []
    between = threads.admit(ASK, "t", "me", "between", "x")
    with pytest.raises(ThreadBusy):
        threads.resume(turn)
    threads.finish(between, "done", {"text": "so"})
    resumed = threads.resume(turn)
    assert (resumed.status, resumed.attempts) == ("running", 2)
    with pytest.raises(ThreadBusy):
        threads.admit(ASK, "t", "me", "third", "x")


def test_another_learners_thread_looks_like_none(threads: Threads) -> None:
    threads.finish(threads.admit(ASK, "t", "me", "r", "x"), "done", {"text": "mine"})
    with pytest.raises(UnknownThread):
        threads.admit(ASK, "t", "you", None, "x")
    assert threads.listing("you") == [] and threads.latest("you") is None


def test_another_learners_request_id_gives_no_answer_away(threads: Threads) -> None:
    threads.finish(threads.admit(ASK, "t", "me", "r", "x"), "done", {"text": "mine"})
    with suppress(MemoryFault):
        assert threads.admit(ASK, None, "you", "r", "x").answer is None


def test_a_deleted_thread_leaves_a_tombstone_and_no_word(threads: Threads, db: Database) -> None:
    turn = threads.admit(ASK, "t", "me", "r", "x")
    with pytest.raises(ThreadBusy):
        threads.delete("t")
    threads.effect("t", "r", "c", lambda: {"n": 1})
    threads.finish(turn, "done", {"text": "so"})
    threads.delete("t")
    assert (
        threads.turns("t") == []
        and threads.get("r") is None
        and threads.listing("me") == []
        and threads.latest("me") is None
    )
    assert db.execute("select * from effects") == []
    for forbidden in (
        lambda: threads.admit(ASK, "t", "me", None, "x"),
        lambda: threads.delete("t"),
        lambda: threads.delete("never"),
    ):
        with pytest.raises(UnknownThread):
            forbidden()


def test_a_turn_whose_thread_was_deleted_cannot_resume(threads: Threads) -> None:
    turn = threads.admit(ASK, "t", "me", "r", "x")
    threads.finish(turn, "waiting")
    threads.delete("t")
    with pytest.raises(UnknownThread):
        threads.resume(turn)


def test_an_effect_happens_once_whatever_it_is_asked(threads: Threads) -> None:
    done: list[int] = []

    def effect() -> dict[str, int]:
        done.append(1)
        return {"number": len(done)}

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: threads.effect("t", "r", "call", effect), range(8)))
    assert results == [{"number": 1}] * 8 and len(done) == 1
    assert threads.effect("t", "r", "another call", effect) == {"number": 2}


def test_an_effect_that_failed_may_be_tried_again(threads: Threads) -> None:
    def broken() -> dict[str, int]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        threads.effect("t", "r", "call", broken)
    assert threads.effect("t", "r", "call", lambda: {"n": 1}) == {"n": 1}


def test_history_holds_the_last_answers_oldest_first(threads: Threads) -> None:
    for at in range(HISTORY_TURNS + 3):
        turn = threads.admit({"question": f"q{at}"}, "t", "me", f"r{at}", "x")
        threads.finish(turn, *(("failed", None) if at == 5 else ("done", {"text": f"a{at}"})))
    history = [turn.id for turn in threads.history("t")]
    assert len(history) == HISTORY_TURNS and history[-1] == "r14" and "r5" not in history
    assert [turn.id for turn in threads.history("t", before=4)] == ["r0", "r1", "r2"]
    assert len(threads.turns("t")) == HISTORY_TURNS + 3


def test_threads_are_listed_newest_first_with_what_opened_them(threads: Threads) -> None:
    for thread, question in (("a", "first of a"), ("b", "first of b"), ("a", "second of a")):
        threads.finish(threads.admit({"question": question}, thread, "me", None, "x"), "done", {"text": "so"})
    listed = [(row["id"], row["turns"], row["question"]) for row in threads.listing("me")]
    assert listed == [("a", 2, "first of a"), ("b", 1, "first of b")] and threads.latest("me") == "a"
