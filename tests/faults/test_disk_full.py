"""A disk that fills up: one line for the learner, and everything that was acknowledged is still there."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from memory.ingest.pipeline import ingest
from memory.minilm import HashEmbedder
from memory.open import open_memory
from memory.threads import Threads
from tests.faults.child import HASHED, run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs limits of file sizes")]

KEPT = "# Limits\n\nA token bucket holds up to b tokens and refills at r tokens per second.\n"

ADMIT = """
import resource, sys
from pathlib import Path

from memory.base import StorageFull
from memory.sql import Database
from memory.threads import Threads

threads = Threads(Database(Path(sys.argv[1]) / "tutor.sqlite"))


def admit(number):
    threads.admit({"question": "x" * 20_000}, f"t{number}", "local", f"r{number}", "trace")
    print("admitted", f"r{number}", flush=True)


hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
number = 0
try:
    while True:
        admit(number)
        number += 1
except StorageFull as error:
    print("refused", error, flush=True)
assert threads.get(f"r{number}") is None
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
admit("-after")
"""

INGEST = HASHED + """
def opened():
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


sys.exit(main(sys.argv[2:], hashed))
"""

START = """
import resource, sys
from pathlib import Path

from api.cli.main import main
from memory.minilm import HashEmbedder
from memory.open import open_memory

limit, home, template = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def opener(settings, progress):
    return open_memory(settings.home, course=False, embedder=HashEmbedder(), template=template)


sys.exit(main(["search", "token bucket", "--home", str(home)], opener))
"""

SQL, VECTORS = "sql", "vectors"


def limit_of(home: Path, first: str) -> int:
    """Bytes that no file may grow beyond, so that SQL's log is refused first, or Chroma's own file."""
    return 2_000_000 if first == SQL else (home / "chroma" / "chroma.sqlite3").stat().st_size + 8192


@pytest.mark.parametrize("limit", [8192, 700_000])
def test_a_new_home_on_a_full_disk_says_so_and_leaves_nothing(tmp_path: Path, limit: int) -> None:
    template = tmp_path / "template"
    memory = open_memory(template, course=False, embedder=HashEmbedder())
    memory.db.execute("create table filler as select zeroblob(1000000) as zeros")
    memory.close()
    code, out, errors = run(tmp_path / "child", START, limit, tmp_path / "small", template)
    assert (code, out) == (5, "") and errors.count("\n") == 1, errors
    assert errors.startswith(f"error: Can't write {tmp_path / 'small'} (") and "Free some space" in errors
    assert not any((tmp_path / "small" / name).exists() for name in ("chroma", "tutor.sqlite", "tutor.sqlite.new"))


def make_home(folder: Path) -> Path:
    """A home with one document, and beside it a folder of notes that don't fit on the disk."""
    (folder / "kept").mkdir()
    (folder / "kept" / "kept.md").write_text(KEPT, "utf-8")
    (folder / "notes").mkdir()
    for file in range(4):
        lines = [f"Broker {file} keeps offset {at * 7} of partition {at} in segment {at // 9}." for at in range(1250)]
        (folder / "notes" / f"n{file}.md").write_text(f"# Brokers {file}\n\n" + "\n\n".join(lines), "utf-8")
    memory = open_memory(folder / "home", course=False, embedder=HashEmbedder())
    ingest(memory.store, [folder / "kept"])
    memory.close()
    return folder / "home"


def test_turns_that_were_admitted_stay_and_the_next_is_refused_in_a_line(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    code, out, errors = run(tmp_path / "child", ADMIT, home)
    assert code == 0, errors
    said = [line.split(" ", 1) for line in out.splitlines()]
    [refusal] = [text for word, text in said if word == "refused"]
    assert refusal.startswith(f"Can't write {home / 'tutor.sqlite'}") and "Free some space" in refusal
    admitted = [text for word, text in said if word == "admitted"]
    assert len(admitted) > 5 and admitted[-1] == "r-after"
    memory = open_memory(home, course=False, embedder=HashEmbedder())
    assert sorted(turn.id for turn in Threads(memory.db).unfinished()) == sorted(admitted)
    assert memory.store.problems() == []
    memory.close()


@pytest.mark.parametrize("first", [SQL, VECTORS])
def test_ingest_says_so_in_one_line(tmp_path: Path, first: str) -> None:
    home = make_home(tmp_path)
    code, out, errors = run(tmp_path / "child", INGEST, limit_of(home, first), "ingest", tmp_path / "notes", "--home", home)
    [line] = errors.splitlines()
    assert (code, out) == (5, "") and line.startswith("error: Can't write ") and "nothing was changed" in line


@pytest.mark.parametrize("first", [SQL, VECTORS])
def test_nothing_is_lost_and_ingest_completes_when_there_is_room(tmp_path: Path, first: str) -> None:
    home = make_home(tmp_path)
    code, _, _ = run(tmp_path / "child", INGEST, limit_of(home, first), "ingest", tmp_path / "notes", "--home", home)
    assert code != 0
    memory = open_memory(home, course=False, embedder=HashEmbedder())
    assert [info.path for info in memory.store.documents()] == ["kept.md"]
    assert memory.index.search("token bucket", 1)[0].passage.text in KEPT
    memory.store.sweep()
    assert memory.store.problems() == []
    assert ingest(memory.store, [tmp_path / "notes"]).added == 4
    assert memory.store.problems() == [] and memory.store.sweep() == 0
    memory.close()
