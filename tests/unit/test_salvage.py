"""Whatever is overwritten in a home's database, each row that can be read is saved, and what is lost is told."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.ingest.pipeline import ingest
from memory.lexical import LexicalIndex
from memory.minilm import HashEmbedder
from memory.open import open_memory
from memory.salvage import LostDocument, Salvage, damage, drop_derived, salvage
from memory.sql import SCHEMA, Database

PAGE = 4096
LEAF = 0x0D
"""The first byte of a page that holds rows of a table."""
TRUTH = ("meta", "documents", "passages", "threads", "turns", "effects", "reviews", "spans", "checkpoints", "checkpoint_values",
         "checkpoint_writes")
Rows = dict[str, list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with notes, and a closed home that has read them and holds rows of every kind."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "notes").mkdir()
    for file in range(12):
        sections = [f"## Part {part}\n\nMark{file}x{part} is explained. " + f"Words of part {part}. " * 40 for part in range(8)]
        (folder / "notes" / f"n{file:02}.md").write_text(f"# File {file}\n\n" + "\n\n".join(sections), "utf-8")
    memory = open_memory(folder / "home", course=False, embedder=HashEmbedder())
    ingest(memory.store, [folder / "notes"])
    fill(memory.db)
    memory.db.execute("pragma wal_checkpoint(truncate)")
    memory.close()
    return folder


def fill(db: Database) -> None:
    text = "y" * 300
    db.many("insert into threads(id, learner, created) values (?,'local','1')", ((f"thread{at:03}",) for at in range(100)))
    db.many("insert into turns(id, thread, learner, number, run, trace, status, request, answer, created) "
            "values (?,?,'local',?,'r','t','done',?,?,1)",
            ((f"turn{at:03}", f"thread{at // 3:03}", at % 3 + 1, json.dumps({"question": f"askedmark{at:03}{text}"}), json.dumps({"text": text}))
             for at in range(300)))
    db.many("insert into effects(thread, turn, call, result) values (?,?,'c',?)",
            ((f"thread{at:03}", f"turn{at:03}", json.dumps({"effectmark": f"{at:03}{text}"})) for at in range(60)))
    db.many("insert into reviews(id, thread, turn, learner, reason, question, draft, confidence, status, created) "
            "values (?,?,?,'local','thin','q',?,0.5,'pending',1)",
            ((f"review{at:03}", f"thread{at:03}", f"turn{at:03}", f"reviewmark{at:03}{text}") for at in range(60)))
    db.many("insert into spans(trace, span, name, start_ns, end_ns, status, attributes) values (?,?,'n',1,2,'ok',?)",
            ((f"trace{at:03}", f"span{at:03}", json.dumps({"spanmark": f"{at:03}{text}"})) for at in range(100)))
    blob = np.random.default_rng(1).bytes(400)
    db.many("insert into checkpoints(thread, ns, id, type, checkpoint, metadata) values (?,'','1','m',?,?)",
            ((f"thread{at:03}", f"checkmark{at:03}".encode() + blob, blob) for at in range(40)))
    db.many("insert into checkpoint_values(thread, ns, channel, version, type, value) values (?,'','c','1','m',?)",
            ((f"thread{at:03}", f"valuemark{at:03}".encode() + blob) for at in range(40)))
    db.many("insert into checkpoint_writes(thread, ns, id, task, position, channel, type, value) values (?,'','1','t',0,'c','m',?)",
            ((f"thread{at:03}", f"writemark{at:03}".encode() + blob) for at in range(40)))
    db.execute("insert into meta(key, value) values ('metamark', 'x')")


@pytest.fixture
def damaged(base: Path, tmp_path: Path) -> Path:
    """A copy of the database, for a test to damage."""
    return copied(base, tmp_path)


def copied(base: Path, folder: Path) -> Path:
    path = folder / "tutor.sqlite"
    path.write_bytes((base / "home" / "tutor.sqlite").read_bytes())
    return path


def rows_of(path: Path) -> Rows:
    with closing(sqlite3.connect(path)) as db:
        return {table: sorted(db.execute(f"select * from {table}").fetchall(), key=repr) for table in TRUTH}


def leaf_with(path: Path, mark: str) -> int:
    """Where the page begins that holds the row of a mark."""
    data = path.read_bytes()
    at = data.find(mark.encode())
    while at >= 0:
        start = at // PAGE * PAGE
        if data[start] == LEAF:
            return start
        at = data.find(mark.encode(), start + PAGE)
    raise AssertionError(f"no row holds {mark}")


def overwrite(path: Path, start: int, garbage: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(garbage)


def saved_from(path: Path) -> tuple[Salvage, Rows]:
    fresh = path.with_name("fresh.sqlite")
    saved = salvage(path, fresh)
    assert damage(fresh) is None
    return saved, rows_of(fresh)


def noise(size: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def test_a_sound_file_has_no_damage_and_is_copied_whole(base: Path, damaged: Path) -> None:
    assert damage(damaged) is None
    saved, rows = saved_from(damaged)
    assert rows == rows_of(base / "home" / "tutor.sqlite") and not saved.lost and not saved.documents and not saved.recut
    assert saved.read["turns"] == 300


def test_what_is_derived_can_be_dropped(damaged: Path) -> None:
    drop_derived(damaged)
    with closing(Database(damaged)) as db:
        assert LexicalIndex(db).size() == 0 and db.execute("select * from token_vectors") == []
        assert db.execute("select count(*) as n from documents")[0]["n"] == 12


def test_every_table_has_row_numbers() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        tables = [table for (table,) in db.execute("select name from sqlite_master where type = 'table'")]
        assert {"documents", "turns", "reviews", "predictions"} <= set(tables)
        # A table without row numbers would refuse this.
        assert all(db.execute(f"select rowid from {table}").fetchall() == [] for table in tables)


@pytest.mark.parametrize("table", ["token_vectors", "lexical_content", "lexical_data"])
def test_damage_of_derived_tables_costs_nothing(base: Path, damaged: Path, table: str) -> None:
    with closing(sqlite3.connect(damaged)) as db:
        root = db.execute("select rootpage from sqlite_master where name = ?", (table,)).fetchone()[0]
    overwrite(damaged, (root - 1) * PAGE, noise(PAGE))
    assert damage(damaged)
    saved, rows = saved_from(damaged)
    assert rows == rows_of(base / "home" / "tutor.sqlite") and not saved.lost


@pytest.mark.parametrize(("table", "mark"), [
    ("turns", "askedmark150"), ("turns", "askedmark000"), ("turns", "askedmark299"), ("effects", "effectmark\": \"030"),
    ("reviews", "reviewmark030"), ("spans", "spanmark\": \"050"), ("checkpoints", "checkmark020"), ("checkpoint_values", "valuemark020"),
    ("checkpoint_writes", "writemark020")])
def test_rows_beside_a_damaged_page_are_saved(base: Path, damaged: Path, table: str, mark: str) -> None:
    overwrite(damaged, leaf_with(damaged, mark), noise(PAGE))
    assert damage(damaged)
    before = rows_of(base / "home" / "tutor.sqlite")
    saved, rows = saved_from(damaged)
    gone = [row for row in before[table] if row not in rows[table]]
    assert 0 < len(gone) <= 12 and any(mark in repr(row) for row in gone)
    assert saved.lost == {table: len(gone)} and saved.unsure == set()
    assert {**rows, table: []} == {**before, table: []} and all(row in before[table] for row in rows[table])


def test_a_conversation_outlives_its_own_row(base: Path, damaged: Path) -> None:
    overwrite(damaged, leaf_with(damaged, "thread050"), noise(PAGE))
    saved, rows = saved_from(damaged)
    assert saved.lost.keys() == {"threads"}
    assert {row[1] for row in rows["turns"]} <= {row[0] for row in rows["threads"]}


def test_passages_are_cut_again_out_of_their_documents(base: Path, damaged: Path) -> None:
    with closing(sqlite3.connect(damaged)) as db:
        root = db.execute("select rootpage from sqlite_master where name = 'passages'").fetchone()[0]
    overwrite(damaged, (root - 1) * PAGE, noise(PAGE))
    saved, rows = saved_from(damaged)
    assert rows == rows_of(base / "home" / "tutor.sqlite") and saved.recut == 12 and not saved.lost


def test_a_document_whose_file_changed_is_cut_out_of_its_text(base: Path, damaged: Path) -> None:
    with closing(sqlite3.connect(damaged)) as db:
        db.execute("update documents set origin = '/no/such/file' where path = 'n03.md'")
        db.commit()
        root = db.execute("select rootpage from sqlite_master where name = 'passages'").fetchone()[0]
    overwrite(damaged, (root - 1) * PAGE, noise(PAGE))
    _, rows = saved_from(damaged)
    assert rows["passages"] == rows_of(base / "home" / "tutor.sqlite")["passages"]
    assert [row[1] for row in rows["documents"] if row[4] == ""] == ["n03.md"], "its next ingest reads it again"


def test_lost_documents_are_named(base: Path, damaged: Path) -> None:
    overwrite(damaged, leaf_with(damaged, "# File 5\n"), noise(PAGE))
    saved, rows = saved_from(damaged)
    assert saved.documents and saved.lost["documents"] == len(saved.documents)
    assert {row[1] for row in rows["documents"]} | {each.name for each in saved.documents} == {f"n{at:02}.md" for at in range(12)}
    assert {row[1] for row in rows["passages"]} == {row[0] for row in rows["documents"]}


def test_text_that_is_none_loses_its_row_but_not_its_origin(base: Path, damaged: Path) -> None:
    with closing(sqlite3.connect(damaged)) as db:
        db.execute("update documents set text = cast(x'ff00fe' as text) where path = 'n04.md'")
        db.commit()
    assert damage(damaged)
    saved, _ = saved_from(damaged)
    assert saved.documents == [LostDocument("n04.md", str((base / "notes" / "n04.md").resolve()))]


def test_values_that_make_no_sense_are_no_rows(damaged: Path) -> None:
    with closing(sqlite3.connect(damaged)) as db:
        db.execute("update turns set request = 'garbage!' where id = 'turn007'")
        db.execute("update turns set number = 'many' where id = 'turn008'")
        db.commit()
    saved, rows = saved_from(damaged)
    assert saved.lost == {"turns": 2} and len(rows["turns"]) == 298


def test_a_table_of_a_later_version_is_copied_too(damaged: Path) -> None:
    with closing(sqlite3.connect(damaged)) as db:
        db.execute("create table guesses(id text primary key, value real not null)")
        db.execute("insert into guesses values ('a', 1.5)")
        db.commit()
    salvage(damaged, damaged.with_name("fresh.sqlite"))
    with closing(sqlite3.connect(damaged.with_name("fresh.sqlite"))) as db:
        assert db.execute("select * from guesses").fetchall() == [("a", 1.5)]


@pytest.mark.parametrize("make", [lambda path: overwrite(path, 100, noise(path.stat().st_size - 100)), lambda path: path.write_bytes(noise(PAGE)),
                                  lambda path: path.write_bytes(b"")])
def test_where_nothing_can_be_read_the_fresh_file_is_empty(damaged: Path, make: Callable[[Path], object]) -> None:
    make(damaged)
    saved, rows = saved_from(damaged)
    assert not any(saved.read.values()) and not any(rows.values())


@settings(max_examples=12, deadline=None)
@given(share=st.floats(0, 1), size=st.sampled_from([700, PAGE, 9000, 50 * PAGE]), text=st.booleans(), seed=st.integers(0, 99))
def test_whatever_is_overwritten_only_true_rows_are_saved(base: Path, share: float, size: int, text: bool, seed: int) -> None:
    """Rows that come out are rows that were there; a page of which a part was overwritten may give others, which SQLite
    can't tell, but never one of a wrong shape."""
    with tempfile.TemporaryDirectory() as folder:
        path = copied(base, Path(folder))
        start = PAGE + int(share * (path.stat().st_size - size - PAGE)) // PAGE * PAGE
        overwrite(path, start, (b"garbage!" * (size // 8 + 1))[:size] if text else noise(size, seed))
        before = rows_of(base / "home" / "tutor.sqlite")
        saved, rows = saved_from(path)
        for table in TRUTH:
            if size % PAGE == 0 and table not in ("passages", "documents"):
                assert set(rows[table]) <= set(before[table]) or (table == "threads" and "threads" in saved.lost)
            # Without the list of its tables, SQLite reads nothing of a file.
            if saved.read and table != "passages" and table not in saved.lost and size % PAGE == 0:
                assert len(rows[table]) == len(before[table])
        with closing(Database(Path(folder) / "fresh.sqlite")) as db:
            assert db.check() == []
