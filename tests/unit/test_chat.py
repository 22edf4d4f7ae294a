"""Conversations in the terminal: commands, answers that come late, sources, earlier threads. No model, no terminal."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import Answer, Citation, Done, Started, TextDelta, TurnEvent, TurnRequest
from api.cli.answers import show_answer
from api.cli.call import Call
from api.cli.chat import Chat
from api.cli.main import main
from api.cli.output import Output
from api.cli.sources import source_lines, unmarked
from eval.scripted import scripted_answer
from memory.ingest.pipeline import ingest_text
from memory.open import Memory, open_in_memory
from memory.reviews import Reviews
from tests.unit.test_cli import NOTES, over

Tutor = Callable[..., int]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def memory() -> Iterator[Memory]:
    held = open_in_memory()
    ingest_text(held.store, "limits.md", NOTES)
    yield held
    held.close()


@pytest.fixture
def tutor(memory: Memory, tmp_path: Path) -> Tutor:
    return lambda *words: main([*words, "--home", str(tmp_path / "home")], over(memory))


@pytest.fixture
def say(tutor: Tutor, monkeypatch: pytest.MonkeyPatch) -> Tutor:
    """Types lines into `tutor chat`; options come by name."""

    def typed(*lines: str, options: tuple[str, ...] = ()) -> int:
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
        return tutor("chat", *options)

    return typed


# ---- commands


def test_a_scripted_conversation(say: Tutor, capsys: Captured) -> None:
    assert say("What is a token bucket?", "/sources", "/steps", "/mode socratic", "/frob", "", "/new", "What is a write-back cache?",
               "/resume", "/resume 2", "/quit", "never asked") == 0
    told = capsys.readouterr()
    assert "the offline reasoner · 1 document of yours · /help" in told.err.splitlines()[0]
    assert "There is no /frob" in told.err and "The mode is socratic now." in told.err and "Going on with" in told.err
    assert told.out.count("[1] limits.md › Rate limits") == 2 and "search_notes" in told.out
    assert "  2. What is a token bucket? (1 turn, " in told.out and "never asked" not in told.out


@pytest.mark.parametrize("word", ["quit", "exit", "/quit", "/exit", "/q"])
def test_a_word_ends_the_talk(say: Tutor, capsys: Captured, memory: Memory, word: str) -> None:
    assert say(word, "What is a token bucket?") == 0
    assert capsys.readouterr().out == "" and memory.db.execute("select * from turns") == []


def test_an_unknown_mode_is_called_unknown(say: Tutor, capsys: Captured) -> None:
    say("/mode bogus", "/mode")
    told = capsys.readouterr().err.splitlines()
    assert told[1:] == ["There is no mode 'bogus'. There are direct, socratic, interview. The mode is direct.",
                        "There are direct, socratic, interview. The mode is direct."]


def test_a_conversation_as_json_is_one_object(say: Tutor, capsys: Captured) -> None:
    assert say("/help", "What is a token bucket?", "/sources", "/steps", "y" * 30_000, "And its bursts?", "/resume", "/resume 1", "/mode x",
               options=("--json",)) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    first, bad, last = found["answers"]
    assert first["thread"] == last["thread"] == found["thread"] and bad["error"]["code"] == "bad_question"
    assert all(text in told.err for text in ("Ctrl-C", "[1] limits.md", "search_notes", "1. What is a token bucket?", "› And its bursts?"))


def test_an_answer_is_sent_on_for_review(say: Tutor, tutor: Tutor, capsys: Captured) -> None:
    assert say("/help", "/review", "What is a token bucket?", "/review", "/review What is a write-back cache?") == 0
    told = capsys.readouterr()
    assert "/review" in told.out and "Nothing was asked yet" in told.err
    tutor("review", "list", "--json")
    waiting = json.loads(capsys.readouterr().out)["reviews"]
    assert [each["question"] for each in waiting] == ["What is a token bucket?", "What is a write-back cache?"]
    assert f"/reviews {waiting[0]['id']} shows the draft" in told.err


def test_asking_twice_for_a_review_makes_one_draft(say: Tutor, memory: Memory, capsys: Captured) -> None:
    assert say("What is a token bucket?", "/review", "/review", "/review What is a token bucket?") == 0
    [waiting] = Reviews(memory.db).listing()
    assert capsys.readouterr().err.count(f"waits already. Review {waiting.id}") == 2


def test_reviews_are_decided_in_the_chat(say: Tutor, memory: Memory, capsys: Captured) -> None:
    questions = ("What is a token bucket?", "What is a write-back cache?", "What is a sliding window?")
    say("/approve", "/reviews", *(f"/review {question}" for question in questions))
    first, second, third = (each.id for each in Reviews(memory.db).listing())
    assert capsys.readouterr().err.count("Nothing waits.") == 2
    assert say("/reviews", f"/reviews {first}", "/reviews none", "/approve", "/edit", f"/edit {second}", "/reject none", f"/approve {first}",
               f"/edit {second} It writes later.", "/reject", f"/approve {first}", "/sources") == 0
    told = capsys.readouterr()
    assert all(f"{review}\tpending" in told.out for review in (first, second, third)) and f"/approve {first} sends it" in told.err
    assert told.err.count("There is no review none; /reviews lists what waits.") == 2 and "Say which: /approve ID" in told.err
    assert told.err.count("takes the review's id and the text") == 2 and "was decided already" in told.err
    assert told.out.count("[1] limits.md") >= 2 and "It writes later." in told.out and "held it back" in told.out
    made = [each.decision or {} for each in Reviews(memory.db).listing("done")]
    assert [(each["type"], each["text"], each["by"]) for each in made] == [
        ("approve", None, "local"), ("edit", "It writes later.", "local"), ("reject", None, "local")]


def test_a_decision_says_what_the_learner_reads(say: Tutor, memory: Memory, capsys: Captured) -> None:
    say("/review What is a token bucket?", "/reject", options=("--json",))
    told = capsys.readouterr()
    assert [each["status"] for each in json.loads(told.out)["answers"]] == ["review", "abstained"]
    say("/review What is a token bucket?")
    [waiting] = Reviews(memory.db).listing()
    capsys.readouterr()
    say(f"/reject {waiting.id} Look at the second chapter.")
    assert "Look at the second chapter." in capsys.readouterr().out


# ---- answers that come late


class Typist:
    """A reader that counts as a person at a terminal."""

    interactive = True

    async def read(self, prompt: str = "") -> str | None:
        return None


class SlowTurns:
    """Turns that wait for `released`; the learner presses Ctrl-C when one of the first `interrupted` has begun."""

    model, server = "slow", None

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.interrupted = 1
        self.asked: list[TurnRequest] = []

    async def turn(self, request: TurnRequest) -> AsyncIterator[TurnEvent]:
        self.asked.append(request)
        number = len(self.asked)
        thread = request.thread or f"t{number}"
        yield Started(id=str(number), thread=thread, run="r", trace="0")
        if number <= self.interrupted:
            signal.raise_signal(signal.SIGINT)
        await self.released.wait()
        yield TextDelta(text="Slow.")
        cited = Citation(n=1, document=f"{number}.md", heading=[], chunk_id="c", start=0, end=4, quote="Slow")
        yield Done(answer=scripted_answer(f"Slow {number}. [1]", thread=thread, citations=[cited]))

    def thread(self, thread: str, learner: str | None = None) -> dict[str, Any]:
        answer = scripted_answer("Old.", thread=thread).model_dump(mode="json")
        return {"id": thread, "learner": "local", "turns": [{"question": "old?", "answer": answer, "error": None}]}

    async def drain(self) -> None:
        return None


def slow_chat(tmp_path: Path) -> tuple[Chat, SlowTurns]:
    turns = SlowTurns()
    args = Namespace(home=str(tmp_path), learner="local", thread=None, mode="direct")
    return Chat(Call(args, Output()), turns, Typist()), turns  # type: ignore[arg-type]


async def test_ctrl_c_leaves_an_answer_to_the_background(capsys: Captured, tmp_path: Path) -> None:
    chat, turns = slow_chat(tmp_path)
    await chat.ask("first")
    assert "finished in the background" in capsys.readouterr().err
    turns.released.set()
    await chat.ask("second")
    await chat.finish()
    assert [(request.question, request.thread) for request in turns.asked] == [("first", None), ("second", "t1")]
    told = capsys.readouterr()
    assert "The earlier answer is ready (first):" in told.err
    assert 0 <= told.out.index("Slow 1.") < told.out.index("Slow 2.")


@pytest.mark.parametrize(("command", "thread"), [("/new", None), ("/resume old", "old")])
async def test_what_ctrl_c_left_behind_does_not_undo_a_command(capsys: Captured, tmp_path: Path, command: str, thread: str | None) -> None:
    chat, turns = slow_chat(tmp_path)
    await chat.ask("first")
    await chat.obey(command)
    turns.released.set()
    await chat.ask("second")
    assert [request.thread for request in turns.asked] == [None, thread]
    assert "The earlier answer is ready (first, in the conversation t1):" in capsys.readouterr().err


async def test_an_earlier_answer_is_shown_when_it_is_ready_and_its_sources_are_the_last_ones(capsys: Captured, tmp_path: Path) -> None:
    chat, turns = slow_chat(tmp_path)
    await chat.ask("first")
    chat.catch_up()
    await chat.obey("/sources")
    told = capsys.readouterr()
    assert told.out == "" and "isn't ready yet" in told.err
    turns.released.set()
    assert chat._working is not None
    await asyncio.wait({chat._working.task})
    chat.catch_up()
    await chat.obey("/sources")
    assert capsys.readouterr().out.count("[1] 1.md: “Slow”") == 2


async def test_who_does_not_want_to_wait_for_the_earlier_answer_need_not(capsys: Captured, tmp_path: Path) -> None:
    chat, turns = slow_chat(tmp_path)
    await chat.ask("first")
    asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
    await chat.ask("second")
    assert "nothing was asked" in capsys.readouterr().err and len(turns.asked) == 1
    turns.released.set()
    await chat.finish()
    assert "Slow 1." in capsys.readouterr().out


async def test_the_prompt_shows_a_mode_that_is_not_the_usual_one(tmp_path: Path) -> None:
    chat, _ = slow_chat(tmp_path)
    assert chat.prompt == "› "
    await chat.obey("/mode interview")
    assert chat.prompt == "interview › "


# ---- earlier conversations


def test_what_a_reviewer_sent_can_be_read(say: Tutor, tutor: Tutor, capsys: Captured) -> None:
    tutor("ask", "What is a token bucket?", "--review", "--json")
    waiting = json.loads(capsys.readouterr().out)
    tutor("review", "edit", waiting["review_id"], "--text", "A bucket of tokens.")
    capsys.readouterr()
    assert tutor("threads", "list") == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split("\t")[0] == "thread" and row.split("\t")[::2] == [waiting["thread"], "1"] and row.endswith("What is a token bucket?")
    assert tutor("threads", "show", waiting["thread"]) == 0
    assert "1 › What is a token bucket?\n\nA bucket of tokens." in capsys.readouterr().out
    assert say(f"/resume {waiting['thread']}", "/resume nowhere") == 0
    told = capsys.readouterr()
    assert told.out == "› What is a token bucket?\nA bucket of tokens.\n" and "There is no conversation nowhere" in told.err


def test_a_thread_shows_its_sources_and_its_failures(tutor: Tutor, memory: Memory, capsys: Captured) -> None:
    tutor("ask", "What is a token bucket?", "--thread", "t")
    tutor("ask", "y" * 30_000, "--thread", "t")
    from memory.threads import Threads

    threads = Threads(memory.db)
    request = TurnRequest(question="What else?").model_dump(mode="json")
    threads.finish(threads.admit(request, "t", "local", None, "0" * 32), "failed", error={"code": "timeout", "message": "Too slow."})
    capsys.readouterr()
    assert tutor("threads", "show", "t") == 0
    told = capsys.readouterr().out
    assert "t (2 turns, learner local)" in told and "[1] limits.md › Rate limits" in told
    assert "2 › What else?\n\nIt ended without an answer: Too slow." in told
    assert tutor("threads", "show", "t", "--json") == 0
    assert [turn["status"] for turn in json.loads(capsys.readouterr().out)["turns"]] == ["done", "failed"]


def test_a_long_answer_is_shown_in_short_when_its_conversation_is_resumed(say: Tutor, tutor: Tutor, capsys: Captured) -> None:
    tutor("ask", "What is a token bucket?", "--review", "--json")
    waiting = json.loads(capsys.readouterr().out)
    tutor("review", "edit", waiting["review_id"], "--text", "\n".join(f"Line {n}." for n in range(200)))
    capsys.readouterr()
    say(f"/resume {waiting['thread']}")
    told = capsys.readouterr()
    assert "Line 1." in told.out and len(told.out) < 700 and f"`tutor threads show {waiting['thread']}` shows it whole." in told.err


# ---- sources


def cited(n: int, document: str = "a.md", heading: tuple[str, ...] = (), quote: str = "said") -> Citation:
    return Citation(n=n, document=document, heading=list(heading), chunk_id="c", start=0, end=len(quote), quote=quote)


@pytest.mark.parametrize(("markdown", "shown"), [
    ("- **Watermark:** the *time*", "Watermark: the time"),
    ("| NLU | none \\| few |\n| --- | :-: |\n| `x` | [y](z.md) |", "NLU · none | few x · y"),
    ("1.  **Order:** a_b_c, 2 * 3 * 4", "Order: a_b_c, 2 * 3 * 4"),
    ("> said\n> twice", "said twice"), ("## Head\n\ntext", "Head text"), ("```py\nx = 1\n```", "x = 1"),
    ("Volume:** much", "Volume: much"), ("2**3 is 8", "2**3 is 8"), ("3.5 of 4", "3.5 of 4"), ("_so_ **_it_** is", "so it is")])
def test_sources_are_plain_text(markdown: str, shown: str) -> None:
    assert unmarked(markdown) == shown


@given(st.text("ab .,;:\n"))
def test_text_without_markup_stays_as_it_is(text: str) -> None:
    assert unmarked(text) == " ".join(text.split())


def test_sources_of_one_section_stand_together() -> None:
    lines = source_lines([cited(1, heading=("A",)), cited(2, "b.md"), cited(3, heading=("A",), quote="*more*")])
    assert lines == ["[1] a.md › A: “said”", "[3]   “more”", "[2] b.md: “said”"]


@given(st.integers(60, 200), st.text("abc ", min_size=1, max_size=300), st.text("xyz ", min_size=1, max_size=400))
def test_a_source_fits_into_a_line(width: int, heading: str, quote: str) -> None:
    assert all(len(line) <= width for line in source_lines([cited(12, heading=(heading,), quote=quote), cited(13, quote=quote)], width))


class Screenful(Output):
    """A terminal of 80 by 25, whatever the tests run in."""

    terminal = True

    def console(self) -> Any:
        from rich.console import Console

        return Console(highlight=False, width=80, height=25)


def test_a_long_list_of_sources_is_cut_to_what_fits(capsys: Captured) -> None:
    answer: Answer = scripted_answer("All.", citations=[cited(n, f"{n}.md", quote="word " * 60) for n in range(1, 31)])
    show_answer(Screenful(), answer, more="/sources shows all.")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert len(lines) == 8 and lines[-1].strip() == "… and 24 more; /sources shows all."
    show_answer(Screenful(), answer)
    assert len(capsys.readouterr().out.splitlines()) >= 31
    show_answer(Output(), answer, more="/sources shows all.")
    assert "[30]" in capsys.readouterr().out
