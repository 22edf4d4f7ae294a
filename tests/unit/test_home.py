"""A home is its owner's alone, says who uses it, and mends its own indexes when it is opened."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.base import HomeBusy
from memory.home import announce, disown, make_private, open_to_others, own, owner, write_private
from memory.ingest.pipeline import ingest_text
from memory.minilm import HashEmbedder
from memory.open import Memory, open_memory

NOTES = "# Limits\n\nA token bucket holds up to b tokens.\n\n# Caches\n\nA write-back cache answers early.\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A closed home with one document; where it lies, nothing else is private."""
    memory = opened(tmp_path / "deep" / "home")
    ingest_text(memory.store, "limits.md", NOTES)
    memory.close()
    return tmp_path / "deep" / "home"


@pytest.fixture
def loose() -> Iterator[None]:
    """The ordinary mask, under which new files can be read by everybody."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def opened(home: Path) -> Memory:
    return open_memory(home, wait_s=0.0, course=False, embedder=HashEmbedder())


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# ---- private


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_a_new_home_is_its_owners_alone(loose: None, tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    memory = opened(home)
    ingest_text(memory.store, "limits.md", NOTES)
    assert mode(home) == mode(home / "chroma") == 0o700 and mode(tmp_path / "deep") == 0o755
    files = {path.name: mode(path) for path in home.iterdir() if path.is_file() and path.name != "lock"}
    assert set(files.values()) == {0o600} and {"tutor.sqlite", "tutor.sqlite-wal", "owner.json"} <= set(files)
    memory.close()
    assert not open_to_others(home)


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_a_folder_that_was_there_keeps_its_mode(loose: None, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o750)
    opened(home).close()
    assert mode(home) == 0o750 and mode(home / "tutor.sqlite") == 0o600 and open_to_others(home)


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_files_are_made_private_and_kept(loose: None, tmp_path: Path) -> None:
    write_private(tmp_path / "a.json", "{}")
    make_private(tmp_path / "b")
    assert mode(tmp_path / "a.json") == mode(tmp_path / "b") == 0o600
    make_private(tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == "{}"


# ---- one owner


def test_who_uses_a_home_is_told_at_once_and_in_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    held = own(tmp_path, 0.0)
    assert owner(tmp_path) == {"pid": os.getpid()} and caplog.messages == []
    with pytest.raises(HomeBusy, match=rf"Another process \(pid {os.getpid()}\) is using {tmp_path} and kept it for 0.01 s\."):
        own(tmp_path, 0.01)
    announce(tmp_path, "http://127.0.0.1:9", "t0ken")
    with pytest.raises(HomeBusy, match=r"the server at http://127\.0\.0\.1:9"):
        own(tmp_path, 0.01)
    who = f"another process (pid {os.getpid()}"
    assert caplog.messages == [f"Waiting up to 0.01 s for {who}), which is using {tmp_path} …",
                               f"Waiting up to 0.01 s for {who}, the server at http://127.0.0.1:9), which is using {tmp_path} …"]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}, "what nobody configured still prints those"
    assert "t0ken" not in caplog.text
    disown(tmp_path, held)
    disown(tmp_path, own(tmp_path, 0.0))
    assert owner(tmp_path) is None


def test_who_does_not_wait_is_told_nothing_but_the_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    held = own(tmp_path, 0.0)
    (tmp_path / "owner.json").write_text("[]", "utf-8")
    with pytest.raises(HomeBusy, match="^Another process is using"):
        own(tmp_path, 0.0)
    assert caplog.messages == []
    disown(tmp_path, held)


# ---- indexes


def test_a_removed_vector_index_is_made_anew_with_a_notice(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(home / "chroma")
    memory = opened(home)
    assert memory.index.search("token bucket", 1)[0].passage.document == "limits.md" and memory.store.problems() == []
    [notice] = caplog.messages
    assert str(home) in notice and "made anew" in notice
    memory.close()
    opened(home).close()
    assert caplog.messages == [notice], "once it is there, nothing is said"


@pytest.mark.parametrize("lost", ["some vectors", "some token vectors", "the words"])
def test_what_an_index_lacks_is_made_when_the_home_is_opened(home: Path, caplog: pytest.LogCaptureFixture, lost: str) -> None:
    memory = opened(home)
    some = sorted(memory.vectors.ids())[0]
    if lost == "some vectors":
        memory.vectors.remove([some])
    elif lost == "some token vectors":
        memory.db.execute("delete from token_vectors where passage = ?", (some,))
    else:
        memory.db.execute("delete from lexical")
    memory.close()
    memory = opened(home)
    assert memory.store.problems() == [] and len(caplog.messages) == 1
    memory.close()


def test_what_a_killed_ingest_left_goes_without_a_word(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    memory = opened(home)
    memory.vectors.add(["orphan"], HashEmbedder().embed_query("orphan").vector[None, :], ["notes"])
    memory.close()
    memory = opened(home)
    assert "orphan" not in memory.vectors.ids() and memory.store.problems() == [] and caplog.messages == []
    memory.close()
