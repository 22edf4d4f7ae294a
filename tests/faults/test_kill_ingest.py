"""An ingest that is killed at any point leaves the old documents or the new ones, never something in between."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from memory.ingest.pipeline import ingest
from memory.minilm import HashEmbedder
from memory.open import Memory, open_memory
from tests.faults.child import Child

pytestmark = pytest.mark.slow

FILES, SECTIONS = 12, 16
CHANGED = range(4, FILES)
WORDS = "partition replica quorum broker offset ledger segment commit follower leader epoch fence"

INGEST = """
import sys
from pathlib import Path

from memory.chroma import ChromaVectors
from memory.ingest.pipeline import ingest
from memory.lexical import LexicalIndex
from memory.minilm import HashEmbedder
from memory.open import own
from memory.passages import PassageStore
from memory.sql import Database

home, folder, point, then = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]


def reached(name):
    if name == point:
        print("reached", flush=True)
        if then == "wait":
            sys.stdin.read()


class Vectors(ChromaVectors):
    adds = 0

    def add(self, ids, vectors, sources):
        self.adds += 1
        reached(f"before vectors {self.adds}")
        super().add(ids, vectors, sources)
        reached(f"after vectors {self.adds}")

    def remove(self, ids):
        reached("before removal")
        super().remove(ids)
        reached("after removal")


class Lexical(LexicalIndex):
    def add(self, rows):
        super().add(rows)
        reached("inside the transaction")


lock = own(home, 10)
db = Database(home / "tutor.sqlite")
store = PassageStore(db, Vectors(home / "chroma", HashEmbedder.name), Lexical(db), HashEmbedder())
ingest(store, [folder], progress=lambda what, done, total: reached(f"{what} {done}"))
print("ingested", flush=True)
"""

# Where the child is, whether it stops there until it is killed or runs on, and which documents may be there afterwards.
POINTS = [
    ("reading 3", "wait", {"old"}),
    ("before vectors 1", "wait", {"old"}),
    ("after vectors 1", "wait", {"old"}),
    ("after vectors 2", "wait", {"old"}),
    ("inside the transaction", "wait", {"old"}),
    ("before removal", "wait", {"new"}),
    ("before vectors 1", "run", {"old", "new"}),
    ("inside the transaction", "run", {"old", "new"}),
]


def write_notes(folder: Path, version: str) -> None:
    folder.mkdir(exist_ok=True)
    for file in range(FILES):
        own = version if file in CHANGED else "same"
        sections = [f"## Part {part}\n\nMark{own}{file}x{part} belongs to {own} file {file}. " + f"It says {WORDS} {file} {part}. " * 9
                    for part in range(SECTIONS)]
        (folder / f"n{file}.md").write_text(f"# File {file}\n\n" + "\n\n".join(sections), "utf-8")


@contextmanager
def opened(home: Path) -> Iterator[Memory]:
    memory = open_memory(home, course=False, embedder=HashEmbedder())
    try:
        yield memory
    finally:
        memory.close()


def answers(memory: Memory, version: str) -> bool:
    """Whether every document is of this version, and a search for a mark finds it first."""
    for file in range(FILES):
        mark = f"Mark{version if file in CHANGED else 'same'}{file}x{file % SECTIONS}"
        if mark not in memory.store.text(f"n{file}.md") or mark not in memory.index.search(mark, 1)[0].passage.text:
            return False
    return True


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the old notes and a closed home that has read them."""
    folder = tmp_path_factory.mktemp("base")
    write_notes(folder / "notes", "old")
    with opened(folder / "home") as memory:
        ingest(memory.store, [folder / "notes"])
        assert answers(memory, "old") and memory.store.problems() == []
    return folder


@pytest.mark.parametrize(("point", "then", "allowed"), POINTS, ids=[f"{point}, {then}" for point, then, _ in POINTS])
def test_a_killed_ingest_is_all_or_nothing(base: Path, tmp_path: Path, point: str, then: str, allowed: set[str]) -> None:
    # The notes are edited where they were read: the same names in another folder would be other documents.
    home, notes = tmp_path / "home", base / "notes"
    shutil.copytree(base / "home", home)
    write_notes(notes, "new")
    with Child(tmp_path, INGEST, home, notes, point, then) as child:
        child.lines_until("reached")
        child.kill()
    with opened(home) as memory:
        there = {version for version in ("old", "new") if answers(memory, version)}
        assert len(there) == 1 and there <= allowed
        memory.store.sweep()
        assert memory.store.problems() == []
        again = ingest(memory.store, [notes])
        assert again.failed == [] and again.updated + again.unchanged == again.documents == FILES
        assert answers(memory, "new") and not answers(memory, "old")
        assert memory.store.problems() == [] and memory.store.sweep() == 0
