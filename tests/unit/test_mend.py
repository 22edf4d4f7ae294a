"""A rebuild tells what it could save, what is lost, and what to do about it; it keeps one copy and no pile."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from api.cli.mend import rebuild
from memory.ingest.pipeline import ingest
from memory.minilm import HashEmbedder
from memory.open import Memory, open_memory
from memory.reviews import Reviews
from memory.threads import Threads

DOCUMENTS, TURNS = 6, 60



def opened(home: Path) -> Memory:
    return open_memory(home, wait_s=0.0, course=False, embedder=HashEmbedder())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A closed home with documents, turns and a review."""
    home, notes = tmp_path / "home", tmp_path / "notes"
    notes.mkdir()
    for number in range(DOCUMENTS):
        (notes / f"n{number}.md").write_text(f"# File {number}\n\nMark{number} is a token bucket. " + "It holds tokens. " * 200, "utf-8")
    memory = opened(home)
    ingest(memory.store, [notes])
    threads = Threads(memory.db)
    for number in range(TURNS):
        turn = threads.admit({"question": f"asked{number:03} " + "x" * 300}, f"t{number % 4}", "local", None, "trace")
        threads.finish(turn, "done", {"text": "y" * 300})
    Reviews(memory.db).add("t0", "turn", "local", "thin", "q", "draft", 0.5)
    memory.db.execute("pragma wal_checkpoint(truncate)")
    memory.close()
    return home


def scratch(home: Path, mark: str) -> None:
    """Overwrites the page of the table whose row holds the mark."""
    data = (home / "tutor.sqlite").read_bytes()
    at = data.find(mark.encode())
    while data[at // 4096 * 4096] != 0x0D:
        at = data.find(mark.encode(), at + 1)
        assert at >= 0
    with (home / "tutor.sqlite").open("r+b") as file:
        file.seek(at // 4096 * 4096)
        file.write(b"\xff" * 4096)


def kept(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir() if "damaged" in path.name or path.name.endswith(".new"))


def turns_in(home: Path) -> int:
    memory = opened(home)
    try:
        return sum(len(Threads(memory.db).turns(f"t{at}")) for at in range(4))
    finally:
        memory.close()


def test_a_sound_home_is_rebuilt_in_its_place(home: Path) -> None:
    assert rebuild(home, lambda: opened(home), 0.0) == [f"Both indexes were made anew from {3 * DOCUMENTS} passages."]
    assert kept(home) == [] and turns_in(home) == TURNS


def test_lost_turns_are_counted_and_the_rest_is_there(home: Path) -> None:
    scratch(home, "asked030")
    did = " ".join(rebuild(home, lambda: opened(home), 0.0))
    lost = TURNS - turns_in(home)
    assert 0 < lost < 10 and f"Not readable: {lost} questions with their answers. A backup of tutor.sqlite would hold them." in did
    assert kept(home) == ["tutor.sqlite.damaged-1"]
    memory = opened(home)
    assert len(memory.store.documents()) == DOCUMENTS and len(Reviews(memory.db).listing()) == 1 and memory.store.problems() == []
    memory.close()
    rebuild(home, lambda: opened(home), 0.0)
    assert kept(home) == ["tutor.sqlite.damaged-1"]


def test_a_document_whose_text_is_damaged_is_read_again_from_its_file(home: Path) -> None:
    with closing(sqlite3.connect(home / "tutor.sqlite")) as db:
        db.execute("update documents set text = cast(x'ff00fe' as text) where path in ('n1.md', 'n2.md')")
        db.commit()
    (home.parent / "notes" / "n2.md").unlink()
    did = " ".join(rebuild(home, lambda: opened(home), 0.0))
    assert "1 of 2 lost documents were read again from their files." in did and "n2.md is lost: " in did
    memory = opened(home)
    assert len(memory.store.documents()) == DOCUMENTS - 1 and "Mark1 " in memory.index.search("Mark1", 1)[0].passage.text
    memory.close()


def test_a_document_of_which_only_the_name_is_known_is_named(home: Path) -> None:
    scratch(home, "# File 3")
    did = rebuild(home, lambda: opened(home), 0.0)
    memory = opened(home)
    gone = {f"n{number}.md" for number in range(DOCUMENTS)} - {info.path for info in memory.store.documents()}
    memory.close()
    assert gone and {line.split(" ")[0] for line in did if line.endswith("is lost; run `tutor ingest` on its file again.")} == gone


def test_where_nothing_is_readable_the_way_out_is_said(home: Path) -> None:
    (home / "tutor.sqlite").write_bytes(b"garbage!" * 4096)
    did = " ".join(rebuild(home, lambda: opened(home), 0.0))
    assert "kept as tutor.sqlite.damaged-1. Nothing in it could be read. If you have a backup" in did
    assert (home / "tutor.sqlite.damaged-1").read_bytes() == b"garbage!" * 4096


def test_a_rebuild_that_cannot_write_changes_nothing(home: Path) -> None:
    scratch(home, "asked030")
    before = (home / "tutor.sqlite").read_bytes()
    (home / "tutor.sqlite.new").mkdir()
    with pytest.raises(OSError):
        rebuild(home, lambda: opened(home), 0.0)
    assert (home / "tutor.sqlite").read_bytes() == before and kept(home) == ["tutor.sqlite.new"]


@pytest.mark.parametrize("leaves", ["a file", "a link", "nothing"])
def test_what_lies_in_the_place_of_the_vector_index_goes(home: Path, tmp_path: Path, leaves: str) -> None:
    (home / "chroma").rename(tmp_path / "elsewhere")
    if leaves == "a file":
        (home / "chroma").write_text("x")
    elif leaves == "a link":
        (home / "chroma").symlink_to(tmp_path / "elsewhere")
    rebuild(home, lambda: opened(home), 0.0)
    assert (home / "chroma").is_dir() and not (home / "chroma").is_symlink() and (tmp_path / "elsewhere").is_dir()


def test_a_log_with_damage_in_front_of_it_is_kept_beside_the_file(home: Path) -> None:
    memory = opened(home)
    threads = Threads(memory.db)
    threads.finish(threads.admit({"question": "late"}, "t9", "local", "late", "trace"), "done", {"text": "z"})
    wal = (home / "tutor.sqlite-wal").read_bytes()
    memory.close()
    (home / "tutor.sqlite-wal").write_bytes(wal)
    scratch(home, "asked030")
    rebuild(home, lambda: opened(home), 0.0)
    memory = opened(home)
    assert json.dumps(Threads(memory.db).turns("t9")[0].request) == '{"question": "late"}'
    memory.close()
