"""Two processes on one home: the second says so and ends with 5; the first doesn't notice; a killed one blocks nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults.child import HASHED, Child, run

pytestmark = pytest.mark.slow

NOTES = "# Limits\n\nA token bucket holds up to b tokens and refills at r tokens per second.\n"

# Opens a home, then ingests the notes that are named on stdin, a line each.
FIRST = HASHED + """
from pathlib import Path

from memory.ingest.pipeline import ingest

memory = open_memory(Path(sys.argv[1]), course=False, embedder=HashEmbedder())
print("open", flush=True)
for line in sys.stdin:
    print("ingested", ingest(memory.store, [Path(line.strip())]).added, flush=True)
memory.close()
print("closed", flush=True)
"""

# Tells how long it waited, measured against its own wait and nothing else.
SECOND = HASHED + """
import time

began = time.monotonic()
code = main(sys.argv[1:], hashed)
waited = time.monotonic() - began
print("waited" if waited >= WAIT_S else "hurried", file=sys.stderr)
sys.exit(code)
"""


def documents(folder: Path, home: Path) -> tuple[int, str, list[str]]:
    code, out, errors = run(folder, SECOND, "documents", "--json", "--home", home)
    return code, out, errors.splitlines()


def test_the_second_says_so_and_the_first_goes_on(tmp_path: Path) -> None:
    home, notes = tmp_path / "home", tmp_path / "limits.md"
    notes.write_text(NOTES, "utf-8")
    with Child(tmp_path / "first", FIRST, home) as first:
        first.lines_until("open")
        code, out, errors = documents(tmp_path / "second", home)
        error = json.loads(out)["error"]
        named = f"(pid {first.process.pid})"
        assert code == 5 and errors == [f"Waiting up to 0.5 s for another process {named}, which is using {home} …", "waited"]
        assert error["code"] == "home_busy" and f"Another process {named} is using {home} and kept it for 0.5 s" in error["message"]
        assert first.process.stdin is not None
        print(notes, file=first.process.stdin, flush=True)
        assert first.lines_until("ingested") == ["ingested 1"]
        assert first.finish()[0] == 0
    code, out, _ = documents(tmp_path / "second", home)
    assert code == 0 and [each["path"] for each in json.loads(out)["documents"]] == ["limits.md"]


def test_a_killed_process_keeps_nobody_out(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Child(tmp_path / "first", FIRST, home) as first:
        first.lines_until("open")
        assert documents(tmp_path / "second", home)[0] == 5
        first.kill()
        code, out, _ = documents(tmp_path / "second", home)
        assert (code, json.loads(out)) == (0, {"documents": []})


def test_the_plain_line_is_one(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Child(tmp_path / "first", FIRST, home) as first:
        first.lines_until("open")
        code, out, errors = run(tmp_path / "second", SECOND, "search", "token", "--home", home)
    waiting, line, waited = errors.splitlines()
    assert (code, out, waited) == (5, "", "waited") and line.startswith("error: Another process (pid ") and "--home" in line
    assert waiting.startswith("Waiting up to 0.5 s")
