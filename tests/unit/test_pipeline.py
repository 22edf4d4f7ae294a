"""Ingest of files and folders: what changed costs work, what can't be read is reported, and nothing else is lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from memory.base import IngestReport, PassageVectors
from memory.ingest.pipeline import ingest, ingest_course, ingest_text
from memory.minilm import HashEmbedder
from memory.open import Memory, open_in_memory


class CountingEmbedder(HashEmbedder):
    """Counts the passages that it embeds."""

    embedded = 0

    def embed_passages(self, passages: Sequence[tuple[str, Sequence[str]]]) -> Iterator[PassageVectors]:
        self.embedded += len(passages)
        return super().embed_passages(passages)


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def home(embedder: CountingEmbedder) -> Iterator[Memory]:
    opened = open_in_memory(embedder)
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "notes"
    (made / "deep").mkdir(parents=True)
    (made / "cache.md").write_text("# Caches\n\nA cache keeps copies near the reader.\n", "utf-8")
    (made / "queue.txt").write_text("A queue decouples producers from consumers.\n", "utf-8")
    (made / "deep" / "shard.md").write_text("# Shards\n\nA shard holds one part of the keys.\n", "utf-8")
    return made


def paths(home: Memory) -> set[str]:
    return {info.path for info in home.index.documents()}


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.unchanged, report.removed


def test_a_folder_is_read_and_named_from_where_it_was_named(home: Memory, folder: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    report = ingest(home.store, [folder], progress=lambda *step: steps.append(step))
    assert paths(home) == {"cache.md", "queue.txt", "deep/shard.md"} and counts(report) == (3, 0, 0, 0)
    assert (report.documents, report.chunks, report.failed) == (3, 3, []) and report.seconds >= 0
    assert {step[0] for step in steps} == {"reading", "embedding"} and steps[-1] == ("embedding", 3, 3)
    assert home.index.search("What is a shard?", 1)[0].passage.document == "deep/shard.md"


def test_what_did_not_change_costs_nothing(home: Memory, folder: Path, embedder: CountingEmbedder) -> None:
    ingest(home.store, [folder])
    before, generation, embedder.embedded = home.index.documents(), home.store.generation, 0
    (folder / "cache.md").touch()
    assert counts(ingest(home.store, [folder])) == (0, 0, 3, 0)
    assert embedder.embedded == 0 and home.store.generation == generation and home.index.documents() == before


def test_a_changed_file_replaces_its_document(home: Memory, folder: Path, embedder: CountingEmbedder) -> None:
    ingest(home.store, [folder])
    embedder.embedded = 0
    (folder / "cache.md").write_text("# Caches\n\nAn eviction makes room for newer entries.\n", "utf-8")
    report = ingest(home.store, [folder])
    assert counts(report) == (0, 1, 2, 0) and report.documents == 3 and embedder.embedded == 1
    assert "eviction" in home.store.text("cache.md") and home.store.problems() == []
    assert not any("copies near" in hit.passage.text for hit in home.index.search("cache copies near reader", 9))


def test_pruning_removes_what_is_gone_from_the_named_folder_only(home: Memory, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "vector.md").write_text("A vector has a direction.\n", "utf-8")
    (tmp_path / "notes-too").mkdir()
    (tmp_path / "notes-too" / "clock.md").write_text("A clock drifts.\n", "utf-8")
    ingest(home.store, [folder, other, tmp_path / "notes-too"])
    ingest_text(home.store, "typed.md", "A note without a file.\n")
    (folder / "deep" / "shard.md").unlink()
    (other / "vector.md").unlink()
    assert ingest(home.store, [folder]).removed == 0 and "deep/shard.md" in paths(home)
    report = ingest(home.store, [folder], prune=True)
    assert counts(report) == (0, 0, 2, 1)
    assert paths(home) == {"cache.md", "queue.txt", "vector.md", "clock.md", "typed.md"}


def test_pruning_never_touches_the_course(home: Memory, folder: Path, tmp_path: Path) -> None:
    course = shutil.copytree(folder, tmp_path / "course")
    ingest_course(home.store, course)
    ingest(home.store, [folder], prune=True)
    assert len(paths(home)) == 4 and home.store.count("course") == 1


def test_what_cannot_be_read_is_reported_and_the_rest_is_read(home: Memory, folder: Path, tmp_path: Path) -> None:
    (folder / "empty.md").write_bytes(b"  \n")
    (folder / "binary.md").write_bytes(bytes(range(256)) * 40)
    (folder / "only-comment.md").write_text("<!-- nothing -->\n", "utf-8")
    report = ingest(home.store, [tmp_path / "nowhere", folder])
    failed = {Path(each["path"]).name: each["error"] for each in report.failed}
    assert set(failed) == {"nowhere", "empty.md", "binary.md", "only-comment.md"} and report.added == 3
    assert "empty" in failed["empty.md"] and "binary" in failed["binary.md"] and "exist" in failed["nowhere"]
    assert all("\n" not in error and error.endswith(".") for error in failed.values())
    assert paths(home) == {"cache.md", "queue.txt", "deep/shard.md"}


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\x00\x01\x02" * 500], ids=["emptied", "blank", "binary"])
@pytest.mark.parametrize("prune", [False, True])
def test_a_file_that_became_unreadable_keeps_its_document(home: Memory, folder: Path, data: bytes, prune: bool) -> None:
    ingest(home.store, [folder])
    (folder / "cache.md").write_bytes(data)
    for _ in range(2):
        report = ingest(home.store, [folder], prune)
        assert counts(report) == (0, 0, 2, 0) and [Path(each["path"]).name for each in report.failed] == ["cache.md"]
    assert "copies near the reader" in home.store.text("cache.md") and home.store.problems() == []


def test_a_file_that_vanished_while_the_folder_was_read_is_reported(home: Memory, folder: Path) -> None:
    def vanish(stage: str, number: int, total: int) -> None:
        if number == 0:
            (folder / "queue.txt").unlink(missing_ok=True)

    report = ingest(home.store, [folder], progress=vanish)
    assert report.added == 2 and [Path(each["path"]).name for each in report.failed] == ["queue.txt"]


def test_a_folder_that_cannot_be_found_is_reported_and_loses_nothing(
    home: Memory, folder: Path, tmp_path: Path
) -> None:
    ingest(home.store, [folder])
    folder.rename(tmp_path / "unplugged")
    report = ingest(home.store, [folder], prune=True)
    assert [each["path"] for each in report.failed] == [str(folder)] and len(paths(home)) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["cache.md", "deep"])
def test_what_may_not_be_read_is_reported_and_loses_nothing(home: Memory, folder: Path, name: str) -> None:
    ingest(home.store, [folder])
    (folder / name).chmod(0)
    try:
        report = ingest(home.store, [folder], prune=True)
    finally:
        (folder / name).chmod(0o700)
    assert len(report.failed) == 1 and len(paths(home)) == 3


def test_two_folders_that_hold_a_file_of_one_name_both_count(home: Memory, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "cache.md").write_text("# Caches\n\nEviction makes room in a cache.\n", "utf-8")
    ingest(home.store, [folder, tmp_path / "more"])
    texts = [hit.passage.text for hit in home.index.search("cache eviction copies", 9)]
    assert any("copies near" in text for text in texts) and any("Eviction makes" in text for text in texts)


def test_notes_in_a_folder_called_course_do_not_clash_with_the_course(
    home: Memory, folder: Path, tmp_path: Path
) -> None:
    lessons = shutil.copytree(folder, tmp_path / "lessons")
    ingest_course(home.store, lessons)
    folder.rename(tmp_path / "course")
    (tmp_path / "top").mkdir()
    (tmp_path / "course").rename(tmp_path / "top" / "course")
    assert ingest(home.store, [tmp_path / "top"]).added == 3
    assert home.store.count("course") == 1 and home.store.count("notes") == 3


def test_the_course_follows_its_folder(home: Memory, folder: Path) -> None:
    (folder / "vector.md").write_text("A vector has a direction.\n", "utf-8")
    assert ingest_course(home.store, folder) == 2 and paths(home) == {"course/cache.md", "course/vector.md"}
    (folder / "vector.md").unlink()
    (folder / "cache.md").write_text("A cache forgets.\n", "utf-8")
    assert ingest_course(home.store, folder) == 1 and paths(home) == {"course/cache.md"}
    assert ingest_course(home.store, folder) == 0 and home.store.problems() == []
