"""Every chapter of the built-in course: its form, its length, its links, and that it teaches no known error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from memory.errata import Errata, load_errata
from memory.ingest.markdown import plain
from memory.ingest.passages import cut_passages
from memory.ingest.readers import ReadDocument, read_file
from memory.open import COURSE

CHAPTERS = sorted(COURSE.glob("*.md"))
SECTIONS = ["Objectives", "Key points", "Common misconceptions", "Check yourself", "Sources"]
FRONT = re.compile(
    r"---\nid: (?P<id>[a-z0-9-]+)\ntitle: (?P<title>\S.*)\nrelated: \[(?P<related>[a-z0-9, -]+)\]\n---\n\n"
    r"# (?P<name>.+)\n"
)
LIST_ITEM = re.compile(r"^(?:[-*]|\d+\.) ", re.MULTILINE)
MIN_WORDS = 400


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def read(chapter: Path) -> ReadDocument:
    return read_file(chapter)


@pytest.fixture(scope="module")
def errata() -> Errata:
    return load_errata()


def section(text: str, name: str) -> str:
    return text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def test_there_is_a_course() -> None:
    assert len(CHAPTERS) >= 20


def test_it_opens_with_front_matter_and_its_title(chapter: Path, read: ReadDocument) -> None:
    found = FRONT.match(chapter.read_text("utf-8"))
    assert found and found["id"] == chapter.stem and found["title"] == found["name"] == read.title


def test_its_related_chapters_exist(chapter: Path) -> None:
    found = FRONT.match(chapter.read_text("utf-8"))
    assert found
    related = found["related"].split(", ")
    assert len(set(related)) == len(related) and chapter.stem not in related
    assert [name for name in related if not (COURSE / f"{name}.md").is_file()] == []


def test_it_has_its_sections_in_order(read: ReadDocument) -> None:
    assert re.findall(r"^## (.+)$", read.text, re.MULTILINE) == SECTIONS
    assert all(len(LIST_ITEM.findall(section(read.text, name))) >= 2 for name in SECTIONS if name != "Key points")
    assert "\n### " in section(read.text, "Key points")


def test_its_lead_says_what_the_thing_is(read: ReadDocument) -> None:
    lead = read.text.partition("\n# ")[2].partition("\n## ")[0].partition("\n")[2].strip()
    assert len(lead.split()) >= 12 and not re.match(r"(?:This|It|They|These)\b", lead)


def test_it_says_enough(read: ReadDocument) -> None:
    assert len(plain(read.text).split()) >= MIN_WORDS


def test_it_asks_questions(read: ReadDocument) -> None:
    questions = [block for block in read.blocks if block.heading[-1:] == ("Check yourself",) and block.kind == "item"]
    assert len(questions) >= 3 and all(
        read.text[block.start : block.end].rstrip().endswith(("?", ".")) for block in questions
    )


def test_it_is_cut_into_passages_without_loss(chapter: Path, read: ReadDocument) -> None:
    passages = cut_passages(chapter.name, read.text, read.blocks, "course")
    assert [block for passage in passages for block in passage.blocks] == read.blocks


def test_it_teaches_no_known_error(read: ReadDocument, errata: Errata) -> None:
    for block in read.blocks:
        text = read.text[block.start : block.end]
        for said in (text, *re.split(r"(?<=[.!?])\s+", text)):
            assert [entry.id for entry in errata.in_text(said)] == [], said
