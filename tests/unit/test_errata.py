"""Every known error of learners' notes fires on its own examples and on none of the right statements beside it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from memory.errata import ERRATA_FILE, MAX_SAID, Errata, load_errata

ROWS: list[dict[str, Any]] = tomllib.loads(ERRATA_FILE.read_text("utf-8"))["erratum"]


@pytest.fixture(scope="module")
def errata() -> Errata:
    return load_errata()


def cases(key: str) -> list[Any]:
    return [pytest.param(row["id"], text, id=f"{row['id']}-{at}") for row in ROWS for at, text in enumerate(row[key])]


def fired(errata: Errata, text: str) -> set[str]:
    return {entry.id for entry in errata.in_text(text)}


@pytest.mark.parametrize(("entry", "text"), cases("hits"))
def test_a_wrong_statement_is_recognised(errata: Errata, entry: str, text: str) -> None:
    assert entry in fired(errata, text)


@pytest.mark.parametrize(("entry", "text"), cases("misses"))
def test_a_right_statement_is_left_alone(errata: Errata, entry: str, text: str) -> None:
    assert fired(errata, text) == set()


@pytest.mark.parametrize(("entry", "text"), cases("hits"))
def test_markup_and_line_breaks_hide_nothing(errata: Errata, entry: str, text: str) -> None:
    first, _, rest = text.partition(" ")
    assert entry in fired(errata, f"*   **{first}**\n    " + rest.replace(" ", "\n    ", 1))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_an_entry_is_complete(row: dict[str, Any], errata: Errata) -> None:
    assert row["match"] and row["hits"] and row["misses"]
    assert row["kind"] in {"wrong", "misleading", "dated"}
    assert (ERRATA_FILE.parent / f"{row['topic']}.md").is_file()
    assert all(row[key].strip() and "\n" not in row[key] for key in ("problem", "right", "source"))
    assert fired(errata, row["right"]) == set(), "what is taught in its place must not be an error itself"


def test_ids_are_unique() -> None:
    assert len({row["id"] for row in ROWS}) == len(ROWS)


def test_a_question_that_states_an_error_presupposes_it(errata: Errata) -> None:
    said = "I prepare for an interview. Use INCR to avoid race conditions in the limiter. Is there more to do?"
    assert "redis-incr-is-enough" in {entry.id for entry in errata.in_question(said)}
    assert errata.in_question("What is a sliding window counter?") == []
    assert errata.in_question(said + " x" * MAX_SAID) == [], "a whole document is not a question"


def test_a_malformed_entry_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "errata.toml"
    row = 'id = "odd"\nkind = "wrong"\ntopic = "t"\nproblem = "p"\nright = "r"\nsource = "s"\n'
    for match in ("match = ['(']", ""):
        broken.write_text(f"[[erratum]]\n{row}{match}\n", "utf-8")
        with pytest.raises(ValueError, match="errata.toml: entry 'odd' is malformed"):
            load_errata(broken)
