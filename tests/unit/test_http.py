"""The HTTP side in process: every route, every refusal, listeners that leave, restarts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatResult
from pydantic import PrivateAttr, TypeAdapter

from agent.errors import BudgetSpent, ModelUnavailable, TurnError, TurnTimeout, UnknownModel
from agent.events import MAX_QUESTION_CHARS, Answer, Done, TextDelta, TurnEvent, TurnRequest
from agent.runtime import open_tutor
from agent.scripted import ScriptedModel, script
from agent.settings import Settings
from agent.tutor import Tutor
from api.app import create_app
from api.errors import code_of, status_of
from api.guard import MAX_BODY_BYTES
from api.sse import BEAT, frame_of, frames
from api.turns import LiveTurn
from api.views import documents_view, search_view, tools_view
from memory.base import HomeBusy, MemoryFault, StorageFull, UnreadableDocument
from memory.chroma import ArrayVectors
from memory.errata import load_errata
from memory.ingest.pipeline import ingest_course, ingest_text
from memory.lexical import LexicalIndex
from memory.minilm import HashEmbedder
from memory.open import Memory, open_in_memory
from memory.passages import PassageStore
from memory.retrieve import Retriever
from memory.sql import Database
from memory.threads import Threads
from prompts.store import PromptChanged, PromptError, UnknownPrompt
from tools.base import Params, Tool, ToolError, ToolResult, param, tool
from tools.registry import Registry

FACT = "The Airflow scheduler decides which task runs next and when it runs."
NOTES = f"# Airflow\n\n{FACT}\n"
QUESTION = "What does the Airflow scheduler decide?"
API = "/v1/tutor"
EVENTS: TypeAdapter[TurnEvent] = TypeAdapter(TurnEvent)


class Gated(ScriptedModel):
    """Plays its script, but each answer waits until the gate is open."""

    _gate: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)
    _asked: asyncio.Semaphore = PrivateAttr(default_factory=lambda: asyncio.Semaphore(0))

    async def asked(self, times: int = 1) -> None:
        for _ in range(times):
            await self._asked.acquire()

    def open(self) -> None:
        self._gate.set()

    def close(self) -> None:
        self._gate.clear()

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        self._asked.release()
        await self._gate.wait()
        return await super()._agenerate(*args, **kwargs)


class Odds(Params):
    wins: float = param(1.0, ge=0, le=10)


@tool("odds", group="test", example={"wins": 2})
def odds(params: Odds, seed: int) -> ToolResult:
    """Odds of winning."""
    return ToolResult(tool="odds", values={"odds": params.wins if params.wins < 10 else float("inf"), "seed": seed})


@dataclass
class Site:
    app: FastAPI
    client: httpx.AsyncClient
    tutor: Tutor

    async def ask(self, question: str = QUESTION, **fields: Any) -> httpx.Response:
        return await self.client.post(f"{API}/ask", json={"question": question, **fields})


def home_memory(home: Path) -> Memory:
    """A home whose database is a file; the vectors live in this process."""
    db, vectors, embedder = Database(home / "tutor.sqlite"), ArrayVectors(), HashEmbedder()
    lexical = LexicalIndex(db)
    store = PassageStore(db, vectors, lexical, embedder)
    return Memory(home, db, store, vectors, Retriever(store, vectors, lexical, embedder), load_errata())


def gated() -> Gated:
    return Gated(steps=[AIMessage(FACT)], cycle=True)


@asynccontextmanager
async def opened(home: Path, model: ScriptedModel | None = None, *, token: str | None = None, hosts: tuple[str, ...] = (),
                 notes: str = NOTES, **bounds: Any) -> AsyncIterator[Site]:
    memory = home_memory(home)
    if notes:
        ingest_text(memory.store, "notes.md", notes)
    settings = Settings(home=home, **bounds)
    model = model or script(FACT, cycle=True)
    try:
        with open_tutor(settings, memory=memory, model=model, registry=Registry([odds])) as tutor:
            app = create_app(tutor, token, hosts)
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                yield Site(app, client, tutor)
    finally:
        memory.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with opened(tmp_path) as found:
        yield found


def events_of(text: str) -> list[tuple[str, str, TurnEvent]]:
    """(event, id, data) of each frame."""
    found = []
    for frame in text.removesuffix("\n\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in frame.split("\n"))
        found.append((fields["event"], fields["id"], EVENTS.validate_json(fields["data"])))
    return found


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), response.text
    problem: dict[str, Any] = response.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] and problem["title"] and problem["detail"] and problem["trace"]
    return problem


# ---- asking


async def test_ask_gives_an_answer_whose_quotes_stand_in_the_document(site: Site) -> None:
    response = await site.ask()
    answer = Answer.model_validate(response.json())
    assert (response.status_code, answer.status) == (200, "answered")
    assert [c.quote for c in answer.citations] == [NOTES[c.start : c.end] for c in answer.citations] == [FACT]
    trace = (await site.client.get(f"{API}/traces/{answer.trace}")).json()
    assert trace["trace"] == answer.trace
    assert {"invoke_agent tutor", "chat scripted"} <= {span["name"] for span in trace["spans"]}


@pytest.mark.parametrize("how", [{"headers": {"Accept": "text/event-stream"}}, {"params": {"stream": "true"}}])
async def test_a_stream_starts_with_the_admission_and_ends_with_the_answer(site: Site, how: dict[str, Any]) -> None:
    response = await site.client.post(f"{API}/ask", json={"question": QUESTION}, **how)
    assert response.headers["content-type"].startswith("text/event-stream")
    found = events_of(response.text)
    assert [number for _, number, _ in found] == [str(n) for n in range(1, len(found) + 1)]
    assert [name for name, _, _ in found] == [event.type for _, _, event in found]
    assert (found[0][0], found[-1][0]) == ("started", "done")
    last = found[-1][2]
    assert isinstance(last, Done)
    assert "".join(event.text for _, _, event in found if isinstance(event, TextDelta)) == last.answer.text


async def test_json_is_given_to_whoever_asks_for_it_beside_streams(site: Site) -> None:
    response = await site.client.post(f"{API}/ask", params={"stream": "false"}, json={"question": QUESTION},
                                      headers={"Accept": "text/event-stream"})
    assert response.json()["status"] == "answered"


async def test_the_same_id_runs_once(tmp_path: Path) -> None:
    model = script(FACT, cycle=True)
    async with opened(tmp_path, model) as site:
        first, second = await site.ask(id="once"), await site.ask(id="once")
        assert first.json() == second.json()
        assert len(model.calls) == 1
        await site.ask(id="twice")
        assert len(model.calls) == 2


async def test_an_id_that_stands_for_another_request_is_refused(site: Site) -> None:
    first = (await site.ask(id="once", thread="t")).json()
    for other in ({"question": "What is a sensor?"}, {"mode": "socratic"}, {"review": True}, {"thread": "u"}):
        problem = refused(await site.ask(**{"id": "once", **other}), 409, "id_reused")
        assert next(iter(other)) in problem["detail"] and "once" in problem["detail"]
    refused(await site.client.post(f"{API}/ask?stream=1", json={"question": "Another?", "id": "once"}), 409, "id_reused")
    assert [(await site.ask(id="once", **how)).json() for how in ({}, {"thread": "t"})] == [first, first]


async def test_the_same_id_waits_for_the_turn_that_runs(tmp_path: Path) -> None:
    model = gated()
    async with opened(tmp_path, model) as site:
        assert await drop_after(site.app, {"question": QUESTION, "id": "a"}, 1) >= 1
        await model.asked()
        asking = [asyncio.create_task(site.ask(id="a")) for _ in range(2)]
        streaming = asyncio.create_task(site.client.post(f"{API}/ask?stream=1", json={"question": QUESTION, "id": "a"}))
        while len(site.app.state.held.turns.listening) < 3:
            await asyncio.sleep(0)
        model.open()
        answers = [(await each).json() for each in asking]
        name, _, event = events_of((await streaming).text)[-1]
        assert (name, event.answer.model_dump(mode="json")) == ("done", answers[0])  # type: ignore[union-attr]
        assert answers[0] == answers[1] and answers[0]["status"] == "answered" and len(model.calls) == 1


async def test_the_same_id_waits_for_the_turn_that_a_restart_goes_on_with(tmp_path: Path) -> None:
    memory = home_memory(tmp_path)
    for number in range(2):
        Threads(memory.db).admit(TurnRequest(question=QUESTION).model_dump(mode="json"), f"t{number}", "local", f"cut-off-{number}", "0" * 32)
    memory.close()
    model = gated()
    async with opened(tmp_path, model) as site:
        await model.asked()
        asking = [asyncio.create_task(site.ask(id=f"cut-off-{number}")) for number in range(2)]
        while len(site.app.state.held.turns.listening) < 2:
            await asyncio.sleep(0)
        model.open()
        assert [(await each).json()["id"] for each in asking] == ["cut-off-0", "cut-off-1"]
        assert len(model.calls) == 2


async def test_waiting_for_a_turn_has_an_end(tmp_path: Path) -> None:
    async with opened(tmp_path, deadline_s=0.05) as site:
        await asyncio.wait({site.app.state.held.recovery})
        site.tutor.parts.threads.admit(TurnRequest(question=QUESTION).model_dump(mode="json"), "t", "local", "lost", "0" * 32)
        site.tutor._ends["lost"] = asyncio.Event()
        assert "same id" in refused(await site.ask(id="lost"), 409, "thread_busy")["detail"]


async def test_a_busy_thread_refuses_and_goes_on(tmp_path: Path) -> None:
    model = gated()
    async with opened(tmp_path, model) as site:
        first = asyncio.create_task(site.ask(thread="t", id="a"))
        await model.asked()
        refused(await site.ask(thread="t"), 409, "thread_busy")
        stream = await site.client.post(f"{API}/ask?stream=1", json={"question": QUESTION, "thread": "t"})
        refused(stream, 409, "thread_busy")
        running = (await site.client.get(f"{API}/threads/t")).json()["turns"]
        assert [turn["status"] for turn in running] == ["running"]
        model.open()
        assert (await first).status_code == 200
        assert (await site.ask(thread="t")).status_code == 200


@pytest.mark.parametrize(("error", "status", "code"), [
    (BudgetSpent("no more"), 429, "budget_spent"), (TurnTimeout("too long"), 504, "timeout"),
    (ModelUnavailable("down"), 503, "model_unavailable"), (UnknownModel("none"), 404, "unknown_model"),
    (StorageFull("full"), 507, "storage_full")])
async def test_a_turn_that_fails_says_how(tmp_path: Path, error: Exception, status: int, code: str) -> None:
    async with opened(tmp_path, script(error, cycle=True)) as site:
        problem = refused(await site.ask(thread="t"), status, code)
        assert problem["detail"] == str(error)
        assert (await site.client.get(f"{API}/traces/{problem['trace']}")).status_code == 200
        streamed = await site.client.post(f"{API}/ask?stream=true", json={"question": QUESTION})
        assert [event.type for _, _, event in events_of(streamed.text)][-1] == "error"


async def test_the_deadline_is_a_problem_too(tmp_path: Path) -> None:
    async with opened(tmp_path, gated(), deadline_s=0.05) as site:
        refused(await site.ask(), 504, "timeout")


async def test_a_defect_in_a_turn_shows_a_trace_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path, script(ZeroDivisionError("secret"), cycle=True)) as site:
        response = await site.ask()
        problem = refused(response, 500, "turn_failed")
        assert problem["trace"] in problem["detail"] and "secret" not in response.text and "Zero" not in response.text
        stream = events_of((await site.client.post(f"{API}/ask?stream=true", json={"question": QUESTION})).text)
        assert stream[-1][0] == "error" and "secret" not in str(stream)
        await site.app.state.held.turns.drain()
    assert problem["trace"] in caplog.text and "ZeroDivisionError: secret" in caplog.text


async def test_a_defect_in_a_route_shows_a_trace_and_nothing_else(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.app.add_api_route("/broken", _broken)
    response = await site.client.get("/broken")
    problem = refused(response, 500, "internal")
    assert "secret" not in response.text
    assert problem["trace"] in caplog.text


def _broken() -> None:
    raise KeyError("secret")


# ---- refusals


REFUSALS: list[tuple[str, str, Any, int, str]] = [
    ("POST", "/ask", {"question": "x" * (MAX_QUESTION_CHARS + 1)}, 400, "bad_question"),
    ("POST", "/ask", {"question": ""}, 400, "bad_question"),
    ("POST", "/ask?stream=true", {"question": " \n"}, 400, "bad_question"),
    ("POST", "/ask", {}, 422, "bad_input"),
    ("POST", "/ask", {"question": QUESTION, "mode": "loud"}, 422, "bad_input"),
    ("POST", "/ask", [1], 422, "bad_input"),
    ("POST", "/ask", {"question": QUESTION, "model": "nosuch:x"}, 422, "bad_input"),
    ("POST", "/search", {"query": "x", "K": 3}, 422, "bad_input"),
    ("POST", "/documents", {"paths": ["/x"], "Prune": True}, 422, "bad_input"),
    ("POST", "/tools/odds/runs", {"arguments": {}}, 422, "bad_input"),
    ("POST", "/prompts/tutor/activate", {"version": 1, "lable": "x"}, 422, "bad_input"),
    ("POST", "/search", {"query": "  "}, 400, "bad_question"),
    ("POST", "/search", {"query": "x", "k": 0}, 422, "bad_input"),
    ("POST", "/documents", {"paths": []}, 422, "bad_input"),
    ("POST", "/documents", {"paths": ["/no/such/notes.md"]}, 422, "unreadable_document"),
    ("DELETE", "/documents/none", None, 404, "unknown_document"),
    ("GET", "/tools/none", None, 404, "unknown_tool"),
    ("POST", "/tools/none/runs", {}, 404, "unknown_tool"),
    ("POST", "/tools/odds/runs", {"args": {"wins": 11}}, 422, "tool_error"),
    ("POST", "/tools/odds/runs", {"args": {"losses": 1}}, 422, "tool_error"),
    ("GET", "/reviews?status=lost", None, 422, "bad_input"),
    ("GET", "/reviews/none", None, 404, "unknown_review"),
    ("POST", "/reviews/none", {"decision": "approve"}, 404, "unknown_review"),
    ("POST", "/reviews/none", {"decision": "edit"}, 422, "bad_input"),
    ("GET", "/prompts/none", None, 404, "unknown_prompt"),
    ("GET", "/prompts/tutor@999", None, 404, "unknown_prompt"),
    ("POST", "/prompts/tutor/activate", {"version": 999}, 404, "unknown_prompt"),
    ("POST", "/prompts/tutor/activate", {"version": 1, "label": "No Label"}, 400, "bad_prompt"),
    ("GET", "/threads/none", None, 404, "unknown_thread"),
    ("GET", "/traces/none", None, 404, "unknown_trace"),
    ("GET", "/nothing", None, 404, "not_found"),
    ("PUT", "/ask", {}, 405, "bad_method"),
]


async def test_refusals_are_problem_details(site: Site, subtests: pytest.Subtests) -> None:
    for method, path, body, status, code in REFUSALS:
        with subtests.test(f"{method} {path}", body=str(body)[:60]):
            refused(await site.client.request(method, API + path, json=body), status, code)
    assert (await site.client.get(f"{API}/threads")).json() == {"threads": []}


async def test_a_field_that_is_not_there_is_named(site: Site) -> None:
    detail = refused(await site.ask(model="nosuch:x"), 422, "bad_input")["detail"]
    assert "'model'" in detail and "openapi.json" in detail


async def test_a_body_that_is_no_json_is_told_so(site: Site) -> None:
    broken = await site.client.post(f"{API}/ask", content=b'{"question": ', headers={"Content-Type": "application/json"})
    assert "valid JSON" in refused(broken, 422, "bad_input")["detail"]
    # What a page elsewhere can send without asking first isn't taken.
    plain = await site.client.post(f"{API}/ask", content=b'{"question": "x"}', headers={"Content-Type": "text/plain"})
    assert "JSON object" in refused(plain, 422, "bad_input")["detail"]
    surrogate = await site.client.post(f"{API}/ask", content=b'{"question": "\\ud800"}', headers={"Content-Type": "application/json"})
    refused(surrogate, 422, "bad_input")


def kinds_under(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for each in kind.__subclasses__():
        yield each
        yield from kinds_under(each)


@pytest.mark.parametrize("kind", [*kinds_under(TurnError), *kinds_under(MemoryFault)], ids=lambda kind: kind.__name__)
def test_every_error_for_a_reader_has_a_status_of_its_own(kind: type[Exception]) -> None:
    assert status_of(kind("x")) not in (500, 200)
    assert code_of(kind("x")) == kind.__dict__["code"]


def test_the_status_comes_from_the_nearest_listed_ancestor() -> None:
    class Fresh(UnknownPrompt):
        pass

    assert [status_of(error) for error in (Fresh("x"), PromptChanged("x"), PromptError("x"))] == [404, 409, 400]
    assert [code_of(error) for error in (Fresh("x"), ToolError("x"))] == ["unknown_prompt", "tool_error"]
    assert [status_of(error) for error in (HomeBusy("x"), UnreadableDocument("x"), ToolError("x"))] == [503, 422, 422]
    assert (status_of(ValueError("x")), code_of(ValueError("x"))) == (500, "internal")
    told = TurnError("as a stream reported it")
    told.code = "timeout"
    assert status_of(told) == 504


# ---- reviews


async def test_a_draft_waits_for_a_person_and_then_is_the_answer(site: Site) -> None:
    waiting = (await site.ask(review=True, thread="t")).json()
    assert waiting["status"] == "review" and FACT not in waiting["text"]
    [row] = (await site.client.get(f"{API}/reviews")).json()["reviews"]
    assert row["id"] == waiting["review_id"] and FACT in row["draft"]
    shown = (await site.client.get(f"{API}/reviews/{row['id']}")).json()
    assert row.items() <= shown.items() and shown["answer"]["status"] == "answered"
    assert shown["action_requests"][0]["args"] == shown["action_request"]["args"] == {"text": row["draft"]}
    answer = (await site.client.post(f"{API}/reviews/{row['id']}", json={"decision": "approve", "by": "ann"})).json()
    assert (answer["status"], answer["id"]) == ("answered", waiting["id"]) and FACT in answer["text"]
    refused(await site.client.post(f"{API}/reviews/{row['id']}", json={"decision": "reject"}), 409, "review_closed")
    assert (await site.client.get(f"{API}/reviews")).json() == {"reviews": []}
    [done] = (await site.client.get(f"{API}/reviews?status=done")).json()["reviews"]
    assert done["decision"] == {"type": "approve", "text": None, "by": "ann"}
    [turn] = (await site.client.get(f"{API}/threads/t")).json()["turns"]
    assert FACT in turn["answer"]["text"]


async def test_an_edit_replaces_the_draft(site: Site) -> None:
    review = (await site.ask(review=True)).json()["review_id"]
    answer = (await site.client.post(f"{API}/reviews/{review}", json={"decision": "edit", "text": "It picks tasks."})).json()
    assert answer["text"] == "It picks tasks."


TEXT = {"text": "It picks tasks."}
SCHEMAS: list[tuple[Any, str, str]] = [
    ({"decisions": [{"type": "approve"}]}, "answered", FACT),
    ({"decisions": [{"type": "edit", "edited_action": {"name": "reply", "args": TEXT}}], "by": "ann"}, "answered", TEXT["text"]),
    ({"decisions": [{"type": "reject", "message": "Not this."}]}, "abstained", "Not this."),
    ({"decisions": [{"type": "reject"}]}, "abstained", "held it back"),
    ({"decisions": [{"type": "respond", "message": "hello"}]}, "answered", "hello"),
    ([{"type": "accept", "args": None}], "answered", FACT),
    ([{"type": "accept"}], "answered", FACT),
    ([{"type": "ignore", "args": None}], "abstained", "held it back"),
    ([{"type": "edit", "args": {"action": "reply", "args": TEXT}}], "answered", TEXT["text"]),
    ([{"type": "response", "args": "hello"}], "answered", "hello")]


async def test_a_decision_may_come_in_either_wire_schema(site: Site, subtests: pytest.Subtests) -> None:
    for body, status, text in SCHEMAS:
        with subtests.test(json.dumps(body)):
            review = (await site.ask(review=True)).json()["review_id"]
            response = await site.client.post(f"{API}/reviews/{review}", json=body)
            assert response.status_code == 200, response.text
            assert response.json()["status"] == status and text in response.json()["text"]


@pytest.mark.parametrize("body", [
    {"decisions": []}, {"decisions": [{"type": "approve"}] * 2}, {"decisions": [{"type": "shrug"}]}, {"decisions": [{"type": "edit"}]},
    {"decisions": [{"type": "respond", "message": " "}]}, {"decisions": [{"type": "edit", "edited_action": {"name": "rm", "args": TEXT}}]},
    [], [{"type": "accept"}] * 2, [{"type": "response"}], [{"type": "response", "args": ""}], [{"type": "edit", "args": "hello"}], {}, 7])
async def test_a_decision_that_says_nothing_clear_decides_nothing(site: Site, body: Any) -> None:
    review = (await site.ask(review=True)).json()["review_id"]
    refused(await site.client.post(f"{API}/reviews/{review}", json=body), 422, "bad_input")
    assert (await site.client.get(f"{API}/reviews/{review}")).json()["status"] == "pending"


async def test_a_restart_keeps_what_waits(tmp_path: Path) -> None:
    async with opened(tmp_path) as site:
        waiting = (await site.ask(review=True)).json()
    async with opened(tmp_path, notes="") as site:
        [row] = (await site.client.get(f"{API}/reviews")).json()["reviews"]
        answer = (await site.client.post(f"{API}/reviews/{row['id']}", json={"decision": "approve"})).json()
        assert (answer["id"], answer["status"]) == (waiting["id"], "answered")
        assert answer["citations"][0]["quote"] == FACT


# ---- start and end


async def test_it_is_ready_when_turns_that_were_cut_off_have_ended(tmp_path: Path) -> None:
    memory = home_memory(tmp_path)
    cut_off = TurnRequest(question=QUESTION).model_dump(mode="json")
    Threads(memory.db).admit(cut_off, "t", "local", "cut-off", "0" * 32)
    memory.close()
    model = gated()
    async with opened(tmp_path, model) as site:
        await model.asked()
        assert (await site.client.get("/healthz")).json() == {"status": "ok", "listeners": 0}
        refused(await site.client.get("/readyz"), 503, "not_ready")
        model.open()
        await asyncio.wait({site.app.state.held.recovery})
        assert (await site.client.get("/readyz")).json() == {"status": "ready"}
        [turn] = (await site.client.get(f"{API}/threads/t")).json()["turns"]
        assert (turn["id"], turn["status"]) == ("cut-off", "done")


async def test_a_decision_waits_until_earlier_ones_are_carried_out(tmp_path: Path) -> None:
    async with opened(tmp_path) as site:
        review = (await site.ask(review=True)).json()["review_id"]
        cut_off = TurnRequest(question=QUESTION).model_dump(mode="json")
        site.tutor.parts.threads.admit(cut_off, "t", "local", "cut-off", "0" * 32)
    model = gated()
    async with opened(tmp_path, model) as site:
        await model.asked()
        deciding = asyncio.create_task(site.client.post(f"{API}/reviews/{review}", json={"decision": "approve"}))
        for _ in range(20):
            assert (await site.client.get(f"{API}/reviews/{review}")).json()["status"] == "pending"
        assert not deciding.done()
        model.open()
        assert (await deciding).json()["status"] == "answered"


async def test_an_index_that_does_not_answer_is_not_ready(tmp_path: Path) -> None:
    async with opened(tmp_path) as site:
        await asyncio.wait({site.app.state.held.recovery})
        site.tutor.parts.memory.index = _Damaged()  # type: ignore[assignment]
        assert "rebuild" in refused(await site.client.get("/readyz"), 503, "not_ready")["detail"]


class _Damaged:
    def search(self, query: str, k: int) -> None:
        raise MemoryFault("rebuild it")


async def test_the_end_waits_for_running_turns(tmp_path: Path) -> None:
    model = gated()
    async with opened(tmp_path, model) as site:
        asking = asyncio.create_task(site.ask(id="last"))
        await model.asked()
        asyncio.get_running_loop().call_soon(model.open)
    assert (await asking).json()["status"] == "answered"


async def test_whoever_still_listens_at_the_end_is_told_and_the_next_start_has_the_answer(
        tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = gated()
    async with opened(tmp_path, model) as site:
        review = (await ask_and_open(site, model, review=True)).json()["review_id"]
        model.close()
        streaming = asyncio.create_task(site.client.post(f"{API}/ask?stream=1", json={"question": QUESTION, "id": "streamed"}))
        asking = asyncio.create_task(site.ask(id="asked"))
        await model.asked(2)
        held = site.app.state.held
        held.recovery = asyncio.create_task(asyncio.Event().wait())
        deciding = asyncio.create_task(site.client.post(f"{API}/reviews/{review}", json={"decision": "approve"}))
        await asyncio.sleep(0)
        await held.end(0.0)
        told = refused(await asking, 503, "shutting_down")
        assert "id asked" in told["detail"] and int((await asking).headers["retry-after"]) > 0
        name, _, event = events_of((await streaming).text)[-1]
        assert name == "error" and event.code == "shutting_down" and "id streamed" in event.message  # type: ignore[union-attr]
        refused(await deciding, 503, "shutting_down")
        refused(await site.ask(), 503, "shutting_down")
        assert held.turns.listening == set()
        held.recovery.cancel()
    assert [record.getMessage() for record in caplog.records] == [
        "Turns were still running 0 s after the end was asked for; the next start goes on with them."]
    model.open()
    async with opened(tmp_path, notes="") as site:
        await asyncio.wait({site.app.state.held.recovery})
        assert (await site.ask(id="asked")).json()["status"] == (await site.ask(id="streamed")).json()["status"] == "answered"


async def ask_and_open(site: Site, model: Gated, **fields: Any) -> httpx.Response:
    asking = asyncio.create_task(site.ask(**fields))
    await model.asked()
    model.open()
    return await asking


async def test_a_request_that_the_server_gives_up_is_told_so(site: Site) -> None:
    """Whatever it was about: here a route that knows nothing of ends."""
    begun = asyncio.Event()

    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    site.app.add_api_route("/endless", endless)
    waiting = asyncio.create_task(site.client.get("/endless"))
    await begun.wait()
    await site.app.state.held.end(0.0)
    waiting.cancel()
    refused(await waiting, 503, "shutting_down")


# ---- clients that leave


def scope(path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "state": {},
            "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), *headers],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}


async def drop_after(app: FastAPI, question: dict[str, Any], frames_read: int) -> int:
    """A client that resets its connection after so many frames; gives how many it got."""
    body, got, gone = json.dumps(question).encode(), 0, asyncio.Event()
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if pending:
            return pending.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal got
        got += bool(message.get("body"))
        if got >= frames_read:
            gone.set()

    if frames_read == 0:
        gone.set()
    await app(scope(f"{API}/ask", (b"accept", b"text/event-stream")), receive, send)
    return got


async def test_turns_go_on_when_their_clients_leave_and_nothing_is_left_behind(tmp_path: Path) -> None:
    model = gated()
    async with opened(tmp_path, model) as site:
        held = site.app.state.held
        dropping = [drop_after(site.app, {"question": QUESTION, "thread": f"t{n}"}, n % 3) for n in range(50)]
        async with asyncio.timeout(60):
            assert max(await asyncio.gather(*dropping)) <= 4
        assert held.turns.listening == set()
        assert len(site.tutor.parts.threads.unfinished()) == 50
        model.open()
        await held.turns.drain()
        assert site.tutor.parts.threads.unfinished() == []
        answered = [site.tutor.parts.threads.history(f"t{n}")[0].status for n in range(50)]
        assert answered == ["done"] * 50
        names = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
        assert not names & {"_read", "TurnStream._send", "_gone", "Tutor._run"}


async def test_silence_is_filled_with_comments() -> None:
    live = LiveTurn(TextDelta(text="a"))
    stream = frames(live, beat_s=0.0)
    assert [await anext(stream), await anext(stream), await anext(stream)] == [frame_of(TextDelta(text="a"), 1), BEAT, BEAT]
    live.deliver(TextDelta(text="b"))
    live.deliver(None)
    assert [frame async for frame in stream] == [frame_of(TextDelta(text="b"), 2)]


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_a_frame_holds_any_text_on_one_line(text: str) -> None:
    frame = frame_of(TextDelta(text=text), 7).decode()
    assert frame.endswith("\n\n") and frame.count("\n") == 4 and "\r" not in frame
    [(name, number, event)] = events_of(frame)
    assert (name, number, event) == ("text", "7", TextDelta(text=text))


# ---- bodies, hosts, tokens


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_not_read_to_its_end(site: Site, declared: bool) -> None:
    chunk, read, sent = b"x" * 100_000, 0, []

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    length = [(b"content-length", str(MAX_BODY_BYTES + 1).encode())] if declared else []
    await site.app(scope(f"{API}/ask", *length), receive, send)
    assert sent[0]["status"] == 413
    assert json.loads(sent[1]["body"])["code"] == "too_large"
    assert read <= (0 if declared else MAX_BODY_BYTES + len(chunk))


async def test_a_large_body_within_the_limit_is_read(site: Site) -> None:
    paths = ["x" * 1000] * 1000
    response = await site.client.post(f"{API}/documents", json={"paths": paths})
    assert "999 more" in refused(response, 422, "unreadable_document")["detail"]


@pytest.mark.parametrize(("bound", "host", "status"), [
    ("127.0.0.1", "localhost:80", 200), ("127.0.0.1", "127.0.0.1:8377", 200), ("127.0.0.1", "[::1]:8377", 200),
    ("127.0.0.1", "LOCALHOST", 200), ("127.0.0.1", "evil.example", 400), ("127.0.0.1", "localhost.evil.example", 400),
    ("127.0.0.1", "[", 400), ("127.0.0.1", "10.0.0.5", 400), ("10.0.0.5", "10.0.0.5:1", 200), ("tutor.lan", "Tutor.lan:1", 200),
    ("0.0.0.0", "10.0.0.5:1", 200), ("::", "[fe80::1]:1", 200), ("0.0.0.0", "evil.example", 400)])
async def test_only_our_own_names_are_answered(tmp_path: Path, bound: str, host: str, status: int) -> None:
    memory = open_in_memory()
    with open_tutor(Settings(home=tmp_path), memory=memory, model=script(FACT), registry=Registry([odds])) as tutor:
        transport = httpx.ASGITransport(create_app(tutor, hosts=[bound]))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            assert (await client.get("/healthz", headers={"Host": host})).status_code == status
    memory.close()


@pytest.mark.parametrize(("method", "path", "body"), [
    ("POST", "/documents", {"paths": ["nowhere"]}), ("DELETE", "/documents/notes.md", None),
    ("POST", "/reviews/none", {"decision": "approve"}), ("POST", "/prompts/tutor/activate", {"version": 1})])
async def test_what_changes_things_needs_the_token(tmp_path: Path, method: str, path: str, body: Any) -> None:
    async with opened(tmp_path, token="key") as site:
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic key"}, {"Authorization": "Bearer ké"}):
            headers = {name: value.encode() for name, value in given.items()}
            response = await site.client.request(method, API + path, json=body, headers=headers)  # type: ignore[arg-type]
            refused(response, 401, "unauthorized")
            assert response.headers["www-authenticate"] == "Bearer"
        allowed = await site.client.request(method, API + path, json=body, headers={"Authorization": "Bearer key"})
        assert allowed.status_code in (200, 404, 422)
        assert (await site.ask()).status_code == 200
        assert (await site.client.get(f"{API}/documents")).status_code == 200


async def test_the_description_says_what_needs_the_token(site: Site) -> None:
    told = (await site.client.get("/openapi.json")).json()
    [(name, scheme)] = told["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer") and "owner.json" in scheme["description"]
    guarded = {(method, path) for path, methods in told["paths"].items() for method, route in methods.items()
               if {name: []} in route.get("security", [])}
    assert guarded == {("post", f"{API}/documents"), ("delete", f"{API}/documents/{{document}}"), ("post", f"{API}/reviews/{{review}}"), ("post", f"{API}/predictions"),
                       ("post", f"{API}/prompts/{{name}}/activate")}


async def test_other_sites_get_no_permission(site: Site) -> None:
    response = await site.client.get("/healthz", headers={"Origin": "https://evil.example"})
    assert not [name for name in response.headers if name.startswith("access-control")]


# ---- documents, search, tools, prompts, threads


async def test_documents_come_are_found_and_go(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "kafka.md").write_text("# Kafka\n\nA partition keeps its order.\n")
    (folder / "ray.md").write_text("# Ray\n\nActors keep state.\n")
    async with opened(tmp_path, notes="") as site:
        report = (await site.client.post(f"{API}/documents", json={"paths": [str(folder), "/nowhere"]})).json()
        assert (report["documents"], report["added"], [row["path"] for row in report["failed"]]) == (2, 2, ["/nowhere"])
        rows = (await site.client.get(f"{API}/documents")).json()["documents"]
        assert {"id", "path", "title", "chunks", "hash", "when"} <= set(rows[0])
        assert [row["path"] for row in rows] == ["deep/kafka.md", "ray.md"]
        found = (await site.client.post(f"{API}/search", json={"query": "partition order", "k": 1})).json()
        [hit] = found["hits"]
        text = (folder / "deep" / "kafka.md").read_text()
        assert (found["query"], hit["document"], hit["heading"]) == ("partition order", "deep/kafka.md", ["Kafka"])
        assert hit["text"] == text[hit["start"] : hit["end"]] and 0 <= hit["score"] <= 1
        (folder / "ray.md").unlink()
        pruned = (await site.client.post(f"{API}/documents", json={"paths": [str(folder)], "prune": True})).json()
        assert (pruned["removed"], pruned["documents"]) == (1, 1)
        gone = (await site.client.delete(f"{API}/documents/deep/kafka.md")).json()
        assert gone["removed"]["id"] == rows[0]["id"]
        assert (await site.client.get(f"{API}/documents")).json() == {"documents": []}


def test_a_search_looks_through_the_course_only_while_there_are_no_notes(tmp_path: Path) -> None:
    chapter = tmp_path / "chapter.md"
    chapter.write_text(NOTES)
    memory = open_in_memory()
    ingest_course(memory.store, tmp_path)
    assert [hit["source"] for hit in search_view(memory, "Airflow")["hits"]] == ["course"]
    ingest_text(memory.store, "mine.md", "# Kafka\n\nA partition keeps its order.\n")
    assert {hit["source"] for hit in search_view(memory, "Airflow")["hits"]} == {"notes"}
    assert [hit["source"] for hit in search_view(memory, "Airflow", source="course")["hits"]] == ["course"]
    assert [row["path"] for row in documents_view(memory)["documents"]] == ["mine.md"]
    assert len(documents_view(memory, None)["documents"]) == 2
    memory.close()


async def test_tools_run_and_show_what_they_take(site: Site) -> None:
    [row] = (await site.client.get(f"{API}/tools")).json()["tools"]
    assert row["name"] == "odds" and row["schema"]["properties"]["wins"]["maximum"] == 10 and row["example"] == {"wins": 2}
    assert (await site.client.get(f"{API}/tools/odds@1")).json()["page"] == "Odds of winning."
    run = (await site.client.post(f"{API}/tools/odds/runs", json={"args": {"wins": 2}, "seed": 7})).json()
    assert (run["tool"], run["values"], run["seed"]) == ("odds@1", {"odds": 2.0, "seed": 7}, 7)
    endless = await site.client.post(f"{API}/tools/odds/runs", json={"args": {"wins": 10}})
    assert endless.status_code == 422 and "finite" in endless.json()["detail"]


def test_an_example_is_the_first_case_where_a_tool_names_none() -> None:
    bare = Tool("bare", 1, "test", "calculator", Odds, lambda params, seed: None, "Bare.", "Bare.")
    assert [row["example"] for row in tools_view(Registry([bare, odds]))["tools"]] == [{}, {"wins": 2}]


async def test_an_activated_prompt_is_the_homes_own_choice(site: Site, tmp_path: Path) -> None:
    listed = {row["name"]: row for row in (await site.client.get(f"{API}/prompts")).json()["prompts"]}
    assert listed["tutor"]["active"] in listed["tutor"]["versions"]
    changed = await site.client.post(f"{API}/prompts/tutor/activate", json={"version": 1, "label": "canary"})
    assert changed.json()["id"] == "tutor@1" and "canary" in (tmp_path / "prompts.toml").read_text()
    shown = (await site.client.get(f"{API}/prompts/tutor", params={"label": "canary"})).json()
    assert shown["version"] == 1 and shown["template"]


async def test_threads_are_a_learners_own(site: Site) -> None:
    await site.ask(thread="t", learner="ann")
    [row] = (await site.client.get(f"{API}/threads", params={"learner": "ann"})).json()["threads"]
    assert (row["id"], row["turns"], row["question"]) == ("t", 1, QUESTION)
    assert (await site.client.get(f"{API}/threads")).json() == {"threads": []}
    assert (await site.client.get(f"{API}/threads/t", params={"learner": "ann"})).json()["learner"] == "ann"
    refused(await site.client.get(f"{API}/threads/t", params={"learner": "bob"}), 404, "unknown_thread")
    refused(await site.ask(thread="t", learner="bob"), 404, "unknown_thread")


async def test_the_description_lists_every_route(site: Site) -> None:
    paths = (await site.client.get("/openapi.json")).json()["paths"]
    assert "422" not in paths["/healthz"]["get"]["responses"] and "default" in paths["/healthz"]["get"]["responses"]
    assert {"/healthz", "/readyz", f"{API}/ask", f"{API}/documents", f"{API}/search", f"{API}/tools/{{name}}/runs",
            f"{API}/reviews/{{review}}", f"{API}/prompts/{{name}}/activate", f"{API}/threads", f"{API}/traces"} <= set(paths)
