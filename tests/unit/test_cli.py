"""The command line through `main`: results, exit codes, batches, conversations. No model, no network, no terminal."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent.scripted import script
from agent.settings import Settings
from api.backend import LocalBackend, local_backend
from api.cli.batch import run_batch
from api.cli.call import Opener
from api.cli.failures import CliError, failure_of
from api.cli.install import install, line_of
from api.cli.main import COMMANDS, main
from api.cli.mend import rebuild
from api.cli.output import Output, clean, to_json
from api.cli.run import prediction
from api.server_backend import ServerBackend
from eval.logs import read_log
from memory.base import HomeBusy
from memory.home import disown, own
from memory.ingest.pipeline import ingest, ingest_text
from memory.minilm import HashEmbedder
from memory.open import Memory, open_in_memory, open_memory
from memory.predictions import Predictions
from tools.registry import load_tools

NOTES = """# Rate limits

A token bucket holds up to b tokens and refills at r tokens per second, so it allows bursts of b requests.

# Caches

A write-back cache answers before the write has reached the store.
"""


@pytest.fixture
def memory() -> Iterator[Memory]:
    held = open_in_memory()
    ingest_text(held.store, "limits.md", NOTES)
    yield held
    held.close()


@pytest.fixture
def tutor(memory: Memory, tmp_path: Path) -> Callable[..., int]:
    """Runs `tutor …` over a home in memory."""
    return lambda *words: main([*words, "--home", str(tmp_path / "home")], over(memory))


def over(memory: Memory, model: Any = None) -> Opener:
    @contextmanager
    def opener(settings: Settings, progress: Any = None) -> Iterator[LocalBackend]:
        with local_backend(settings, memory, model) as backend:
            yield backend

    return opener


def failing(error: BaseException) -> Opener:
    @contextmanager
    def opener(settings: Settings, progress: Any = None) -> Iterator[LocalBackend]:
        raise error
        yield

    return opener


def rows_in(path: Path, *rows: Any) -> str:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return str(path)


# ---- results


def test_search_finds_a_passage_with_its_place(tutor: Callable[..., int], memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("search", "token bucket bursts", "-k", "1", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    hit = found["hits"][0]
    assert found["query"] == "token bucket bursts" and len(found["hits"]) == 1
    assert hit["document"] == "limits.md" and "token bucket" in hit["text"]
    assert memory.store.text("limits.md")[hit["start"]:hit["end"]] == hit["text"]


def test_ask_ends_with_an_answer_whose_quotes_stand_in_the_notes(
        tutor: Callable[..., int], memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("ask", "How does a token bucket allow bursts?", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["status"] == "answered" and answer["citations"]
    for cited in answer["citations"]:
        assert memory.store.text(cited["document"])[cited["start"]:cited["end"]] == cited["quote"]


def test_ask_for_people_lists_citations_and_steps(tutor: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("ask", "How does a token bucket allow bursts?", "--steps") == 0
    told = capsys.readouterr().out
    assert "search_notes" in told and "[1] limits.md › Rate limits: “A token bucket" in told


def test_a_thread_goes_on(tutor: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    tutor("ask", "What is a token bucket?", "--json")
    first = json.loads(capsys.readouterr().out)
    tutor("ask", "And its bursts?", "--thread", first["thread"], "--json")
    second = json.loads(capsys.readouterr().out)
    assert second["thread"] == first["thread"] and second["id"] != first["id"]


def test_options_may_stand_before_the_command(memory: Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--home", str(tmp_path), "documents"], over(memory)) == 0
    assert json.loads(capsys.readouterr().out)["documents"][0]["path"] == "limits.md"


def test_ingest_reads_a_folder_and_tells_what_it_could_not_read(
        tutor: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n\nShards split data by a key.\n", "utf-8")
    (folder / "b.pdf").write_bytes(b"no pdf at all")
    assert tutor("ingest", str(folder), "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["added"], report["documents"]) == (1, 2)
    assert [Path(each["path"]).name for each in report["failed"]] == ["b.pdf"]
    (folder / "a.md").unlink()
    (folder / "c.md").write_text("# C\n\nReplicas copy data.\n", "utf-8")
    assert tutor("ingest", str(folder), "--prune", "--json") == 0
    assert json.loads(capsys.readouterr().out)["removed"] == 1


def test_a_removed_document_is_gone(tutor: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("documents", "--remove", "limits.md", "--json") == 0
    assert json.loads(capsys.readouterr().out)["removed"]["path"] == "limits.md"
    tutor("documents", "--json")
    assert json.loads(capsys.readouterr().out) == {"documents": []}


def test_a_reviewed_answer_goes_out_once(tutor: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    tutor("ask", "What is a token bucket?", "--review", "--json")
    waiting = json.loads(capsys.readouterr().out)
    assert waiting["status"] == "review"
    tutor("review", "list", "--json")
    assert [each["id"] for each in json.loads(capsys.readouterr().out)["reviews"]] == [waiting["review_id"]]
    assert tutor("review", "edit", waiting["review_id"], "--text", "A bucket of tokens.", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["id"], answer["text"]) == (waiting["id"], "A bucket of tokens.")
    assert tutor("review", "approve", waiting["review_id"]) == 3
    assert "decided already" in capsys.readouterr().err


def test_a_reviewer_is_shown_sources_and_corrections(tutor: Callable[..., int], memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    ingest_text(memory.store, "bucket.md", "# Leaky bucket\n\nIf the queue of the leaky bucket is too big, it lets bursts through.\n")
    tutor("ask", "What does a leaky bucket with a big queue let through?", "--review", "--json")
    review = json.loads(capsys.readouterr().out)["review_id"]
    for _ in range(2):
        assert tutor("review", "show", review) == 0
        told = capsys.readouterr().out
        assert "[1] bucket.md › Leaky bucket: “If the queue" in told and "constant rate whatever the size" in told
        tutor("review", "approve", review)
        capsys.readouterr()


def test_traces_tell_what_a_turn_did(tutor: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    tutor("ask", "What is a token bucket?", "--json")
    trace = json.loads(capsys.readouterr().out)["trace"]
    tutor("trace", "list", "--json")
    assert json.loads(capsys.readouterr().out)["traces"][0]["trace"] == trace
    tutor("trace", "show", trace[:12])
    told = capsys.readouterr().out
    assert "invoke_agent tutor" in told and "  retrieval search_notes" in told


def test_prompts_are_shown_compared_and_activated(tutor: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("prompts", "activate", "tutor@1", "--json") == 0
    assert "tutor = 1" in (tmp_path / "home" / "prompts.toml").read_text("utf-8")
    capsys.readouterr()
    assert tutor("prompts", "list", "--json") == 0
    assert {"tutor", "passages"} <= {each["name"] for each in json.loads(capsys.readouterr().out)["prompts"]}
    assert tutor("prompts", "diff", "tutor@1", "tutor@1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["diff"] == ""


def test_a_prediction_says_of_which_value_it_is(tutor: Callable[..., int], memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("run", "traffic-sheet", "--predict", "1000") == tutor("run", "traffic-sheet", "--predict", "peak_qps=3000") == 0
    told = capsys.readouterr().out
    assert "For qps you expected 1000 rps; it is 1157.41 rps: off by" in told and "For peak_qps you expected 3000 rps; it is 3472.22 rps: off by" in told
    assert [each["name"] for each in Predictions(memory.db).listing("local")] == ["peak_qps", "qps"]
    assert tutor("run", "traffic-sheet", "--predict", "mood=3") == 3
    assert "there are requests_per_day, qps, peak_qps" in capsys.readouterr().err


@pytest.mark.parametrize("guess", ["inf", "-inf", "nan", "qps=nan", "=3", "much", "qps=", "1e999"])
def test_a_prediction_is_a_finite_number(tutor: Callable[..., int], capsys: pytest.CaptureFixture[str], guess: str) -> None:
    assert tutor("run", "traffic-sheet", f"--predict={guess}") == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and "is no number" in told.err


def test_a_tool_runs_and_judges_a_prediction(tutor: Callable[..., int], memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("run", "boe.qps", "--args", '{"dau": 1}', "--set", "dau=8640000", "--set", "actions=10", "--predict", "500",
                 "--confidence", "80", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["values"] == {"result": 1000.0} and told["args"]["dau"] == 8640000
    assert told["prediction"] == {"name": "result", "unit": "rps", "value": 500.0, "confidence": 0.8, "actual": 1000.0, "error_factor": 2.0}
    kept, = Predictions(memory.db).listing("local")
    assert {**kept, "args": {}} | told["prediction"] == {**kept, "args": {}} and kept["args"]["dau"] == 8640000


@pytest.mark.parametrize(("guess", "actual", "factor"), [(2.0, 8, 4.0), (8.0, 2.0, 4.0), (0.0, 0.0, 1.0), (0.0, 5, None), (-2.0, 2, None)])
def test_a_prediction_is_off_by_a_factor(guess: float, actual: float, factor: float | None) -> None:
    told = prediction(guess, {"values": {"name": "x", "flag": True, "first": actual, "second": 99}})
    assert told == {"name": "first", "unit": "", "value": guess, "confidence": None, "actual": actual, "error_factor": factor}


def test_tools_show_schema_and_example(tutor: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("tools", "boe.qps", "--json") == 0
    tool = json.loads(capsys.readouterr().out)
    assert tool["name"] == "boe.qps" and "dau" in tool["schema"]["properties"]
    assert tutor("tools", "--json") == 0
    assert {"name", "version", "description", "schema", "example"} <= set(json.loads(capsys.readouterr().out)["tools"][0])


def test_tools_are_listed_by_group_and_formulas_counted(tutor: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("tools") == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert len(lines) < 120 and lines[0] == "A. Estimation, capacity and availability" and "--group" in told.err
    kinds = [line.split("\t")[1] for line in lines[1 : lines.index("")]]
    assert kinds == sorted(kinds) and set(kinds) == {"calculator", "simulator"}
    every = list(load_tools())
    assert not {tool.name for tool in every if tool.kind != "formula"} - {line.split("\t")[0] for line in lines}
    assert sum(map(int, re.findall(r"[a-z0-9]+ (\d+)", lines[-1]))) == sum(tool.kind == "formula" for tool in every)
    assert tutor("tools", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["tools"]) == len(every)


def test_tools_are_filtered_and_searched(tutor: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("tools", "--group", "BOE") == 0
    names = [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]
    assert names[0] == "tool" and len(names) > 5 and all(name.startswith("boe.") for name in names[1:])
    assert tutor("tools", "watermark window") == 0
    told = capsys.readouterr()
    assert "stream.is_late\t" in told.out and "boe.qps" not in told.out and "No tool is called 'watermark window'" in told.err
    assert tutor("tools", "--group", "boe", "watermark") == 4
    assert tutor("tools", "watermark", "--json") == 4
    assert tutor("tools", "--group", "nothing") == 4
    assert "There are A, B, " in capsys.readouterr().err


@pytest.mark.parametrize(("words", "head"), [
    (("documents",), "id path title passages read"), (("prompts", "list"), "prompt active versions labels"),
    (("trace", "list"), "trace when ms spans what"), (("threads", "list"), "thread last turns first question"),
    (("review", "list"), "id status since why question"), (("tools", "--group", "A"), "tool kind what it does")])
def test_a_list_begins_with_the_names_of_its_columns(
        tutor: Callable[..., int], capsys: pytest.CaptureFixture[str], words: tuple[str, ...], head: str) -> None:
    tutor("ask", "What is a token bucket?", "--review")
    capsys.readouterr()
    assert tutor(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].replace("\t", " ") == head and len(lines) > 1


def test_a_version_that_stands_apart_is_told_how_it_is_written(tutor: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("prompts", "activate", "tutor", "2") == 2
    assert "`tutor prompts activate tutor@2`" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    plain = capsys.readouterr().out
    assert main(["--version", "--json"]) == 0
    assert plain == f"tutor {json.loads(capsys.readouterr().out)['version']}\n"


def test_doctor_finds_a_sound_home_sound(tutor: Callable[..., int], memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("doctor", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sound"] and told["problems"] == [] and told["documents"] == 1 and told["unfinished_turns"] == 0
    memory.vectors.remove(memory.vectors.ids())
    assert tutor("doctor", "--json") == 1
    assert json.loads(capsys.readouterr().out)["problems"] == ["1 passages have no vector"]


def test_doctor_names_the_line_that_asks_for_a_prompt_which_is_gone(
        tutor: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "prompts.toml").write_text("[labels.canary]\ntutor = 99\n", "utf-8")
    assert tutor("doctor") == 1
    told = capsys.readouterr()
    assert f"{tmp_path / 'home' / 'prompts.toml'}: [labels.canary] tutor = 99 names a version that isn't there" in told.err
    assert told.out.endswith("Not sound.\n") and "--rebuild" not in told.out + told.err, "a rebuild mends no prompt"


def test_doctor_tells_the_way_out_of_damage(tutor: Callable[..., int], memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    memory.db.execute("delete from lexical")
    assert tutor("doctor") == 1
    assert capsys.readouterr().out.endswith("Not sound. `tutor doctor --rebuild` mends the home.\n")


def test_doctor_warns_of_a_home_that_others_can_read(tutor: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    assert tutor("doctor", "--json") == 0
    assert not [line for line in json.loads(capsys.readouterr().out)["warnings"] if "other accounts" in line]
    (tmp_path / "home").chmod(0o755)
    assert tutor("doctor", "--json") == 0
    assert [line for line in json.loads(capsys.readouterr().out)["warnings"] if "other accounts" in line]


@pytest.mark.parametrize(("answer", "told"), [
    (httpx.Response(200, json={"documents": 3, "problems": ["2 passages have no vector"], "warnings": []}), "2 passages have no vector"),
    (httpx.Response(404, json={"code": "not_found", "detail": "Nothing answers to GET /v1/tutor/home."}), "The home wasn't checked"),
])
def test_doctor_has_the_server_check_the_home(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: httpx.Response, told: str) -> None:
    url = "http://127.0.0.1:1"

    @contextmanager
    def served(settings: Settings, progress: Any = None) -> Iterator[ServerBackend]:
        with httpx.Client(base_url=url, transport=httpx.MockTransport(lambda _: answer)) as client:
            yield ServerBackend(client, url, "t0ken")

    assert main(["doctor", "--home", str(tmp_path)], served) == 1
    said = capsys.readouterr()
    assert f"Problem: {told}" in said.err and "Sound." not in said.out.splitlines()
    assert said.out.endswith(f"Not sound. Stop the server at {url}, then run `tutor doctor --rebuild`.\n")


# ---- what goes wrong


@pytest.mark.parametrize(("words", "exit_code", "code"), [
    ((), 2, "usage"),
    (("frob",), 2, "usage"),
    (("ask",), 2, "usage"),
    (("ask", "x", "--batch", "-"), 2, "usage"),
    (("ask", "x", "--mode", "rude"), 2, "usage"),
    (("review",), 2, "usage"),
    (("ask", ""), 3, "bad_question"),
    (("ask", "x" * 1_000_000), 3, "bad_question"),
    (("search", " "), 3, "bad_question"),
    (("search", "x", "-k", "0"), 3, "bad_question"),
    (("run", "boe.qps", "--set", "dau=minus"), 3, "tool_error"),
    (("run", "boe.qps", "--set", "dau"), 3, "bad_input"),
    (("run", "boe.qps", "--args", "[1]"), 3, "bad_input"),
    (("prompts", "activate", "tutor"), 3, "bad_input"),
    (("prompts", "render", "tutor"), 3, "bad_prompt"),
    (("ask", "x", "--model", "nonsense"), 4, "unknown_model"),
    (("ask", "x", "--model", "openai:m", "--base-url", "not-a-url"), 2, "usage"),
    (("run", "no.such"), 4, "unknown_tool"),
    (("tools", "no.such"), 4, "unknown_tool"),
    (("documents", "--remove", "no.md"), 4, "unknown_document"),
    (("review", "approve", "nobody"), 4, "unknown_review"),
    (("trace", "show", "ffff"), 4, "unknown_trace"),
    (("prompts", "show", "nobody"), 4, "unknown_prompt"),
    (("ask", "--batch", "/no/such/file"), 4, "not_found"),
    (("eval", "run", "no-such-suite"), 4, "not_found"),
])
def test_every_error_has_its_exit_code_and_one_line(
        memory: Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], exit_code: int, code: str) -> None:
    home = ["--home", str(tmp_path)]
    assert main([*words, *home, "--json"], over(memory)) == exit_code
    told = capsys.readouterr()
    assert json.loads(told.out)["error"]["code"] == code and told.err == ""
    assert main([*words, *home], over(memory)) == exit_code
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("error: ") and told.err.count("\n") == 1


def test_a_file_that_vanished_is_bad_input(tutor: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert tutor("ingest", "/no/such/notes.md", "--json") == 3
    report = json.loads(capsys.readouterr().out)
    assert report["added"] == 0 and report["failed"][0]["path"] == "/no/such/notes.md"


def test_a_busy_home_is_unavailable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = own(tmp_path, 0.0)

    @contextmanager
    def impatient(settings: Settings, progress: Any = None) -> Iterator[LocalBackend]:
        own(settings.home, 0.0).release()
        raise AssertionError("the home should have been busy")
        yield

    assert main(["documents", "--home", str(tmp_path)], impatient) == 5
    disown(tmp_path, held)
    assert f"Another process (pid {os.getpid()}) is using {tmp_path}" in capsys.readouterr().err


def test_a_defect_shows_no_traceback_unless_asked(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUTOR_DEBUG", raising=False)
    assert main(["documents", "--home", str(tmp_path)], failing(KeyError("lost"))) == 1
    told = capsys.readouterr()
    assert told.err == "error: Something went wrong inside (KeyError: 'lost'). TUTOR_DEBUG=1 shows where.\n"
    monkeypatch.setenv("TUTOR_DEBUG", "1")
    assert main(["documents", "--home", str(tmp_path)], failing(KeyError("lost"))) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_defect_in_a_turn_names_its_trace(memory: Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = over(memory, script(ZeroDivisionError("boom")))
    assert main(["ask", "What is a token bucket?", "--home", str(tmp_path), "--json"], broken) == 1
    told = capsys.readouterr()
    error = json.loads(told.out)["error"]
    trace = memory.db.execute("select trace from turns")[0]["trace"]
    assert error["code"] == "turn_failed" and f"tutor trace show {trace}" in error["message"] and told.err == ""


def test_an_old_turn_that_cannot_be_finished_does_not_keep_a_new_one_from_its_answer(
        memory: Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from memory.threads import Threads

    cut_off = Threads(memory.db).admit({"not": "a question"}, None, "local", None, "0" * 32)
    assert main(["ask", "What is a token bucket?", "--home", str(tmp_path), "--json"], over(memory)) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["status"] == "answered" and "couldn't be finished" in told.err
    found = Threads(memory.db).get(cut_off.id)
    assert found is not None and found.status == "failed"


def test_help_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f" {name} " in told for name in COMMANDS)
    assert main(["ask", "--help"]) == 0
    assert "--thread" in capsys.readouterr().out


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    code = ("import sys, api.cli.main; api.cli.main.make_parser(); "
            "print([m for m in ('torch','chromadb','langchain','langchain_core','langgraph','numpy','pydantic','rich','httpx') "
            "if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- batches


def test_a_batch_answers_each_row_in_order_and_survives_bad_ones(
        tutor: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = rows_in(tmp_path / "rows.jsonl", {"id": "a", "question": "What is a token bucket?"}, "{broken", {"id": 7}, "",
                     {"id": "e", "question": ""}, {"id": "m", "question": "x", "mode": "rude"}, {"id": "l", "question": "y" * 30_000},
                     {"id": "z", "question": "What is a write-back cache?", "learner": "ada"})
    assert tutor("ask", "--batch", source) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in told] == ["a", None, 7, "e", "m", "l", "z"]
    codes = [row.get("error", {}).get("code") for row in told]
    assert codes == [None, "bad_row", "bad_row", "bad_question", "bad_input", "bad_question", None]
    assert told[0]["status"] == told[-1]["status"] == "answered"


def test_a_batch_of_searches_reads_stdin(
        tutor: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"id": 1, "query": "token bucket", "k": 1}\n{"id": 2, "query": "cache", "k": "all"}'))
    assert tutor("search", "--batch", "-") == 0
    one, two = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert one["id"] == 1 and len(one["hits"]) == 1
    assert two["id"] == 2 and two["error"]["code"] == "bad_row"


def test_a_batch_of_runs(tutor: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = rows_in(tmp_path / "rows.jsonl", {"id": 1, "tool": "boe.qps", "args": {"dau": 86400}}, {"id": 2, "tool": "nope", "args": {}})
    assert tutor("run", "--batch", source) == 0
    one, two = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert one["id"] == 1 and one["values"] == {"result": 1.0} and two["error"]["code"] == "unknown_tool"


VALUES = st.one_of(st.none(), st.integers(-3, 3), st.text(max_size=3))
ROWS = st.fixed_dictionaries({}, optional={"id": VALUES, "x": VALUES}).map(lambda row: json.dumps(row).encode())


# A busy machine mustn't fail it, so neither speed of drawing nor of running is checked.
@hypothesis_settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(ROWS, st.sampled_from([b"{", b"[]", b"\xff\xfe", b"null", b"7", b'"id"', b'{"id": 1}}', b"\xef\xbb\xbf{}"])),
                max_size=6))
def test_every_line_is_answered_with_its_own_id(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    source = tmp_path_factory.mktemp("batch") / "rows.jsonl"
    source.write_bytes(b"\n".join(lines))

    async def echo(row: dict[str, Any]) -> dict[str, Any]:
        return {"x": 10 // row["x"]}

    written = io.StringIO()
    with redirect_stdout(written):
        assert asyncio.run(run_batch(str(source), Output(True), echo)) == 0
    told = [json.loads(line) for line in written.getvalue().split("\n") if line]
    assert [row["id"] for row in told] == [_id_of(line) for line in lines]


def _id_of(line: bytes) -> Any:
    try:
        row = json.loads(line.decode("utf-8"))
    except ValueError:
        return None
    return row.get("id") if isinstance(row, dict) else None


# ---- mending


@pytest.mark.parametrize("damage", ["none", "vectors", "vectors_gone", "database"])
def test_rebuild_mends(tmp_path: Path, damage: str) -> None:
    home, notes = tmp_path / "home", tmp_path / "notes"
    (notes / "deep").mkdir(parents=True)
    (notes / "deep" / "limits.md").write_text(NOTES, "utf-8")
    (notes / "gone.md").write_text("# Gone\n\nThis file will be deleted.\n", "utf-8")

    def opened() -> Memory:
        return open_memory(home, wait_s=0.0, course=False, embedder=HashEmbedder())

    memory = opened()
    ingest(memory.store, [notes])
    memory.close()
    (notes / "gone.md").unlink()
    if damage == "vectors":
        (home / "chroma" / "chroma.sqlite3").write_bytes(b"garbage" * 1000)
    elif damage == "vectors_gone":
        (home / "chroma").rename(tmp_path / "elsewhere")
    elif damage == "database":
        _scratch_turns(home / "tutor.sqlite")
    did = rebuild(home, opened, wait_s=0.0)
    memory = opened()
    assert memory.store.problems() == []
    assert [info.path for info in memory.store.documents()] == ["deep/limits.md", "gone.md"]
    assert "token bucket" in memory.index.search("token bucket", 1)[0].passage.text
    memory.close()
    kept = sorted(path.name for path in home.glob("*.damaged-*") if not path.name.endswith(("-wal", "-shm")))
    assert kept == (["tutor.sqlite.damaged-1"] if damage == "database" else [])
    assert ("could be read, so tutor.sqlite.damaged-1 can be deleted" in " ".join(did)) == (damage == "database")
    assert rebuild(home, opened, wait_s=0.0) == ["Both indexes were made anew from 2 passages."]


def _scratch_turns(database: Path) -> None:
    """Overwrites the root page of the turns: documents can be read, conversations can't."""
    with sqlite3.connect(database) as db:
        root = db.execute("select rootpage from sqlite_master where name = 'turns'").fetchone()[0]
        size = db.execute("pragma page_size").fetchone()[0]
    db.close()
    with database.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)


# ---- over a server


def test_what_a_server_refuses_keeps_its_code() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer t0ken"
        if request.method == "DELETE":
            return httpx.Response(404, json={"code": "unknown_document", "detail": "There is no document 'a b'.", "status": 404})
        if request.url.path.endswith("/search"):
            raise httpx.ConnectError("refused")
        return httpx.Response(502, text="a proxy's page")

    client = httpx.Client(base_url="http://127.0.0.1:1", headers={"Authorization": "Bearer t0ken"}, transport=httpx.MockTransport(handle))
    backend = ServerBackend(client, "http://127.0.0.1:1", "t0ken")
    for act, code, exit_code in ((lambda: backend.remove("a b"), "unknown_document", 4), (lambda: backend.search("x", 1), "server_gone", 5),
                                 (backend.documents, "internal", 1)):
        with pytest.raises(CliError) as refused:
            act()
        failure = failure_of(refused.value)
        assert (failure.code, failure.exit) == (code, exit_code)


def test_a_model_is_refused_where_a_server_answers(tmp_path: Path, memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    @contextmanager
    def served(settings: Settings, progress: Any = None) -> Iterator[LocalBackend]:
        with local_backend(settings, memory) as backend:
            backend.server = "http://127.0.0.1:9"
            yield backend

    assert main(["ask", "x", "--model", "offline", "--home", str(tmp_path)], served) == 5
    assert "answers with its own model" in capsys.readouterr().err


def test_busy_is_told_like_any_error() -> None:
    assert failure_of(HomeBusy("kept")).exit == 5


# ---- evaluation


def test_eval_runs_a_file_writes_a_log_and_compares(
        tutor: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = rows_in(tmp_path / "mine.jsonl",
                    {"id": "t", "inputs": {"tool": "boe.qps", "args": {"dau": 86400}}, "outputs": {"value": 1.0}},
                    {"id": "s", "inputs": {"query": "token bucket"}, "outputs": {"documents": ["limits.md"]}})
    log = tmp_path / "log.json"
    junit = tmp_path / "junit.xml"
    assert tutor("eval", "run", cases, "--out", str(log), "--junit", str(junit), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["suite"] == "mine" and told["failed"] == [] and told["metrics"]["value"]["mean"] == 1.0
    assert "testcase" in junit.read_text("utf-8")
    assert log.stat().st_mode & 0o077 == 0
    run = read_log(log)
    assert [result.id for result in run.results] == ["t", "s"] and run.values("hit@1") == [1.0]
    assert tutor("eval", "compare", str(log), str(log)) == 0
    assert "no evidence" in capsys.readouterr().out


def test_a_case_with_documents_gets_a_tutor_of_its_own(
        tutor: Callable[..., int], tmp_path: Path, memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    document = {"name": "own.md", "text": "# Shards\n\nA shard is a part of the data that one node holds.\n"}
    cases = rows_in(tmp_path / "own.jsonl", {"id": "d", "inputs": {"query": "what is a shard", "documents": [document]},
                                             "outputs": {"documents": ["own.md"]}})
    assert tutor("eval", "run", cases, "--json") == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["hit@1"]["mean"] == 1.0
    assert [info.path for info in memory.store.documents()] == ["limits.md"]


# ---- installing


def test_an_installation_says_a_line_and_all_of_it_only_when_it_fails(capfd: pytest.CaptureFixture[str]) -> None:
    noisy = (sys.executable, "-c", "import sys; print('\\n'.join(f'Collecting p{n}' for n in range(99))); sys.exit(int(sys.argv[1]))")
    assert install("Installing", ["0"], noisy) == 0
    assert capfd.readouterr() == ("", "Installing …\n")
    assert install("Installing", ["3"], noisy) == 3
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 101 and told[1] == "Collecting p0" and told[-1].startswith("error: Installing failed")


@given(st.text(), st.integers(10, 200))
def test_what_pip_does_fits_into_a_line(said: str, width: int) -> None:
    line = line_of("Installing", 61.4, said, width)
    assert len(line) <= width and "\n" not in line and ("Installing … 61 s · ".startswith(line) or line.startswith("Installing … 61 s · "))


def test_an_installation_needs_nothing_installed() -> None:
    code = "import sys, api.cli.install; print(sorted({m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names)))"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['__main__', 'api']"


# ---- output


def test_what_a_document_holds_cannot_steer_a_terminal() -> None:
    assert clean("a\x1b[2Jb\x07\r\n\tc\x9b") == "a[2Jb\n\tc" and clean("\ud83d\ude00\ud83d") == "😀\ufffd"


def test_json_holds_no_nan() -> None:
    assert json.loads(to_json({"a": [float("nan"), 1.5], "b": float("inf")})) == {"a": [None, 1.5], "b": None}
