"""The command line as real processes: pipes that close, locales, a home that a server owns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.export import model_folder

ROOT = Path(__file__).parents[2]
TUTOR = (sys.executable, "-m", "api.cli.main")
NOTES = "# Rate limits\n\nA token bucket holds up to b tokens and refills at r tokens per second, so it allows bursts.\n"
needs_model = pytest.mark.skipif(not (model_folder() / "tokenizer.json").is_file(), reason="the embedding model isn't exported")


def tutor(*words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TUTOR, *words], input=stdin, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, timeout=120,
                          env={**os.environ, **environment})


def test_a_reader_that_leaves_early_sees_no_traceback() -> None:
    writer = subprocess.Popen([*TUTOR, "tools", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert writer.stdout is not None
    writer.stdout.close()
    _, complaint = writer.communicate(timeout=60)
    assert complaint == b"" and writer.returncode == 0


def test_an_ascii_locale_stops_no_answer() -> None:
    done = tutor("prompts", "show", "größe→∞", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 4 and "Traceback" not in done.stderr
    shown = tutor("run", "boe.latency", "--set", "op=größe", "--json", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert shown.returncode == 3 and set(json.loads(shown.stdout)) == {"error"}


def test_help_of_every_level_ends_with_0() -> None:
    for words in (("--help",), ("review", "--help"), ("review", "edit", "--help")):
        done = tutor(*words)
        assert done.returncode == 0 and done.stdout.startswith("usage: tutor") and done.stderr == ""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    """A home with one document that a server owns."""
    home = tmp_path / "home"
    (tmp_path / "limits.md").write_text(NOTES, "utf-8")
    assert tutor("ingest", str(tmp_path / "limits.md"), "--home", str(home)).returncode == 0
    server = subprocess.Popen([*TUTOR, "serve", "--home", str(home), "--port", "0"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert server.stdout is not None and "http://127.0.0.1:" in server.stdout.readline()
    yield home
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    server.stdout.close()
    assert not (home / "owner.json").exists()


@pytest.mark.slow
@pytest.mark.model
@needs_model
def test_commands_go_through_the_server_that_owns_the_home(served: Path, tmp_path: Path) -> None:
    home = ("--home", str(served))
    found = json.loads(tutor("search", "token bucket", "--json", *home).stdout)
    assert found["hits"][0]["document"] == "limits.md"
    answer = json.loads(tutor("ask", "What is a token bucket?", "--json", *home).stdout)
    assert answer["status"] == "answered" and answer["citations"][0]["quote"] in NOTES
    (tmp_path / "more.md").write_text("# Shards\n\nA shard is a part of the data.\n", "utf-8")
    assert json.loads(tutor("ingest", str(tmp_path / "more.md"), "--json", *home).stdout)["documents"] == 2
    assert tutor("documents", "--remove", "more.md", *home).returncode == 0
    batch = tutor("ask", "--batch", "-", *home, stdin='{"id": 1, "question": "What is a token bucket?"}\n{"id": 2, "question": ""}\n')
    assert [("error" in row) for row in map(json.loads, batch.stdout.splitlines())] == [False, True]
    assert tutor("review", "approve", "nobody", *home).returncode == 4
    waiting = json.loads(tutor("ask", "What is a token bucket?", "--review", "--json", *home).stdout)
    sent = tutor("review", "edit", waiting["review_id"], "--text", "Tokens.", "--json", *home)
    assert json.loads(sent.stdout)["text"] == "Tokens."
    assert "Tokens." in tutor("threads", "show", waiting["thread"], *home).stdout
    assert waiting["thread"] in tutor("threads", "list", *home).stdout
    assert tutor("threads", "show", "nowhere", *home).returncode == 4
    seen = tutor("review", "show", waiting["review_id"], *home)
    assert seen.returncode == 0 and "Tokens." in seen.stdout
    checked = json.loads(tutor("doctor", "--json", *home).stdout)
    assert checked["server"].startswith("http://127.0.0.1:") and checked["sound"] and checked["documents"] == 1
    refused = tutor("ask", "x", "--model", "offline", *home)
    assert refused.returncode == 5 and refused.stderr.startswith("error: The server at")


@pytest.mark.slow
def test_making_the_embedding_model_shows_no_bars_of_its_own(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from memory.export import export; export(Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "model")], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert (done.returncode, done.stdout) == (0, "") and "%" not in done.stderr


@pytest.mark.slow
@pytest.mark.model
@needs_model
def test_a_killed_server_leaves_a_home_that_opens(tmp_path: Path) -> None:
    home = tmp_path / "home"
    server = subprocess.Popen([*TUTOR, "serve", "--home", str(home), "--port", "0"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert server.stdout is not None and "http://127.0.0.1:" in server.stdout.readline()
    server.kill()
    server.wait(30)
    server.stdout.close()
    assert (home / "owner.json").exists()
    assert json.loads(tutor("documents", "--json", "--home", str(home)).stdout) == {"documents": []}
