"""Garbage in a home's files: what is derived is made anew by itself; where it can't be, one clear line, and `tutor doctor --rebuild`
mends."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from memory.chroma import ChromaVectors
from memory.export import model_folder
from memory.ingest.pipeline import ingest
from memory.minilm import HashEmbedder
from memory.open import open_memory
from tests.faults.child import HASHED, run, tutor

pytestmark = pytest.mark.slow

NOTES = "# Limits\n\nA token bucket holds up to b tokens and refills at r tokens per second.\n"
GARBAGE = b"garbage!" * 4096
PERSISTED = 1200
"""Vectors enough for Chroma to write its graph into files; fewer stay in its SQLite file."""
needs_model = pytest.mark.skipif(not (model_folder() / "tokenizer.json").is_file(), reason="the embedding model isn't exported")

SEARCH = HASHED + """
sys.exit(main(sys.argv[1:], hashed))
"""

MEND = HASHED + """
from pathlib import Path

from api.cli.mend import rebuild

home = Path(sys.argv[1])
print(*rebuild(home, lambda: open_memory(home, course=False, embedder=HashEmbedder())), sep="\\n")
"""


def vectors(home: Path) -> None:
    (home / "chroma" / "chroma.sqlite3").write_bytes(GARBAGE)


def segments(home: Path) -> None:
    for file in (home / "chroma").glob("*/*.bin"):
        file.write_bytes(GARBAGE)


def graph(home: Path) -> None:
    """Sizes and heads stay, so that only a look at the contents tells."""
    draw = np.random.default_rng(3)
    for file in (home / "chroma").glob("*/data_level0.bin"):
        file.write_bytes(draw.bytes(file.stat().st_size))


def some_of_the_graph(home: Path) -> None:
    draw = np.random.default_rng(3)
    for file in (home / "chroma").glob("*/data_level0.bin"):
        with file.open("r+b") as opened:
            opened.seek(file.stat().st_size // 2)
            opened.write(draw.bytes(2000))


def other_vectors(home: Path) -> None:
    """An index of the right passages with the vectors of others."""
    made = ChromaVectors(home / "chroma", HashEmbedder.name)
    ids = sorted(made.ids())
    stray = np.random.default_rng(4).standard_normal((len(ids), HashEmbedder.dimension)).astype(np.float32)
    made.add(ids, stray, ["notes"] * len(ids))
    made.close()


def no_folder(home: Path) -> None:
    shutil.rmtree(home / "chroma")
    (home / "chroma").write_bytes(GARBAGE)


def database(home: Path) -> None:
    (home / "tutor.sqlite").write_bytes(GARBAGE)


def pages(home: Path) -> None:
    """The head says that it is a database; what follows is garbage."""
    head = (home / "tutor.sqlite").read_bytes()[:100]
    (home / "tutor.sqlite").write_bytes(head + GARBAGE)


def derived(home: Path) -> None:
    """The tables that documents and conversations don't need."""
    with closing(sqlite3.connect(home / "tutor.sqlite")) as db:
        roots = [row[0] for row in db.execute("select rootpage from sqlite_master where name in ('token_vectors', 'lexical_data')")]
        size = db.execute("pragma page_size").fetchone()[0]
    with (home / "tutor.sqlite").open("r+b") as file:
        for root in roots:
            file.seek((root - 1) * size)
            file.write(GARBAGE[:size])


DERIVED: list[Callable[[Path], None]] = [vectors, segments, graph, some_of_the_graph, other_vectors, no_folder]
DAMAGES: list[Callable[[Path], None]] = [database, pages, derived]


def make_home(folder: Path) -> tuple[Path, Path]:
    """(home, notes): one document, and beside it vectors that nothing points at, as a killed ingest leaves them."""
    home, notes = folder / "home", folder / "notes"
    notes.mkdir()
    (notes / "limits.md").write_text(NOTES, "utf-8")
    memory = open_memory(home, course=False, embedder=HashEmbedder())
    ingest(memory.store, [notes])
    orphans = np.random.default_rng(1).standard_normal((PERSISTED, HashEmbedder.dimension)).astype(np.float32)
    memory.vectors.add([f"orphan{at}" for at in range(PERSISTED)], orphans, ["notes"] * PERSISTED)
    memory.close()
    return home, notes


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_line_names_the_way_out_and_a_rebuild_mends(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    home, notes = make_home(tmp_path)
    damage(home)
    search = ("search", "token bucket", "--json", "--home", str(home))
    code, out, errors = run(tmp_path / "child", SEARCH, *(word for word in search if word != "--json"))
    assert (code, out) == (5, "") and errors.count("\n") == 1, errors
    assert errors.startswith("error: ") and "`tutor doctor --rebuild`" in errors
    code, told, errors = run(tmp_path / "child", MEND, home)
    assert code == 0 and "made anew" in told, errors
    if damage in (database, pages):
        assert "kept as tutor.sqlite.damaged-1. Nothing in it could be read." in told
        memory = open_memory(home, course=False, embedder=HashEmbedder())
        assert ingest(memory.store, [notes]).failed == []
        memory.close()
    code, out, errors = run(tmp_path / "child", SEARCH, *search)
    assert code == 0 and json.loads(out)["hits"][0]["text"] in NOTES, errors
    code, told, errors = run(tmp_path / "child", MEND, home)
    assert code == 0 and "damaged" not in told, "once mended, it stays so"
    kept = [path.name for path in home.iterdir() if "damaged" in path.name]
    assert kept == (["tutor.sqlite.damaged-1"] if damage in (database, pages, derived) else []), "and no copies pile up"


@pytest.mark.parametrize("damage", DERIVED)
def test_a_damaged_vector_index_is_made_anew_and_told(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    home, _ = make_home(tmp_path)
    damage(home)
    search = ("search", "token bucket", "--json", "--home", str(home))
    code, out, errors = run(tmp_path / "child", SEARCH, *search)
    assert code == 0 and json.loads(out)["hits"][0]["text"] in NOTES, errors
    told = errors.splitlines()
    assert len(told) == 2 and told[0].startswith(f"The vector index in {home / 'chroma'} is damaged (") and "made anew" in told[1], errors
    code, out, errors = run(tmp_path / "child", SEARCH, *search)
    assert (code, errors) == (0, "") and json.loads(out)["hits"], "and once is enough"


def test_doctor_names_vectors_that_belong_to_others(tmp_path: Path) -> None:
    home, _ = make_home(tmp_path)
    memory = open_memory(home, course=False, embedder=HashEmbedder())
    assert memory.store.problems() == []
    [known] = memory.store.sample(1)
    memory.vectors.add([known], np.full((1, HashEmbedder.dimension), 0.125, np.float32), ["notes"])
    assert memory.store.problems() == ["1 passages have a vector that isn't their text's"]
    memory.close()


@pytest.mark.parametrize("damage", [database, pages])
def test_the_line_names_the_place(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    home, _ = make_home(tmp_path)
    damage(home)
    _, _, errors = run(tmp_path / "child", SEARCH, "search", "token bucket", "--home", home)
    assert str(home) in errors


@pytest.mark.model
@needs_model
def test_the_real_command_mends(tmp_path: Path) -> None:
    home, notes = tmp_path / "home", tmp_path / "limits.md"
    notes.write_text(NOTES, "utf-8")
    assert tutor("ingest", str(notes), "--home", str(home)).returncode == 0
    vectors(home)
    found = tutor("search", "token bucket", "--json", "--home", str(home))
    assert found.returncode == 0 and json.loads(found.stdout)["hits"][0]["document"] == "limits.md", found.stderr
    database(home)
    refused = tutor("search", "token bucket", "--home", str(home))
    assert refused.returncode == 5 and refused.stdout == "" and refused.stderr.count("\n") == 1
    assert refused.stderr.startswith("error: ") and "`tutor doctor --rebuild`" in refused.stderr
    looked = tutor("doctor", "--json", "--home", str(home))
    assert looked.returncode == 1 and json.loads(looked.stdout)["problems"]
    mended = tutor("doctor", "--rebuild", "--json", "--home", str(home))
    assert mended.returncode == 0 and json.loads(mended.stdout)["sound"], mended.stderr
