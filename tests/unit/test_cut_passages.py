"""Cutting a document into passages: whole blocks, nothing lost, none too long, and ids that survive edits elsewhere."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.base import MAX_PASSAGE_CHARS, Block, Passage
from memory.ingest.markdown import parse_markdown
from memory.ingest.passages import TARGET_CHARS, cut_passages

word = st.text("abcdefgh", min_size=1, max_size=9)
sentence = st.lists(word, min_size=1, max_size=40).map(lambda words: " ".join(words) + ".")
paragraph = st.lists(sentence, min_size=1, max_size=14).map(" ".join)
pieces = st.one_of(
    st.tuples(st.integers(1, 3), word).map(lambda pair: f"{'#' * pair[0]} {pair[1]}"),
    paragraph,
    st.lists(sentence, min_size=1, max_size=9).map(lambda items: "\n".join(f"- {item}" for item in items)),
    st.lists(sentence, min_size=1, max_size=9).map(
        lambda rows: "\n".join(["| a |", "| - |", *(f"| {row} |" for row in rows)])
    ),
    st.lists(sentence, min_size=1, max_size=20).map(lambda lines: "\n".join(["```", *lines, "```"])),
    st.integers(1400, 4000).map(lambda size: "w" * size),
)
documents = st.lists(pieces, max_size=14).map("\n\n".join)
quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def cut(text: str, name: str = "notes.md") -> list[Passage]:
    return cut_passages(name, text, parse_markdown(text))


def inside(piece: Block, block: Block) -> bool:
    return block.start <= piece.start and piece.end <= block.end and piece.kind == block.kind


@quick
@given(documents)
def test_passages_are_pieces_of_the_text_in_order_and_short_enough(text: str) -> None:
    passages = cut(text)
    assert all(
        each.text == text[each.start : each.end] and 0 < len(each.text) <= MAX_PASSAGE_CHARS for each in passages
    )
    assert all(one.end <= other.start for one, other in pairwise(passages))
    assert all((each.blocks[0].start, each.blocks[-1].end) == (each.start, each.end) for each in passages)


@quick
@given(documents)
def test_no_block_is_cut_unless_it_is_longer_than_a_passage_and_none_is_lost(text: str) -> None:
    blocks, left = parse_markdown(text), [block for passage in cut(text) for block in passage.blocks]
    for block in blocks:
        if block.end - block.start <= MAX_PASSAGE_CHARS:
            assert left.pop(0) == block
            continue
        pieces = [left.pop(0)]
        while left and inside(left[0], block):
            pieces.append(left.pop(0))
        assert len(pieces) > 1 and all(inside(piece, block) and piece.context == block.context for piece in pieces)
        assert "".join("".join(text[piece.start : piece.end].split()) for piece in pieces) == "".join(
            text[block.start : block.end].split()
        )
    assert left == []


@quick
@given(documents, documents)
def test_ids_are_unique_in_a_document_and_between_documents(text: str, other: str) -> None:
    twice = f"{text}\n\n{other}\n\n{text}"  # the same passages again must still be told apart
    ids = [passage.id for passage in (*cut(twice), *cut(twice, "copy.md"))]
    assert len(set(ids)) == len(ids)


@settings(quick, derandomize=True)  # two ways to cut that cost the same to the last bit may swap
@given(st.lists(paragraph.filter(lambda text: len(text) > 40), min_size=1, max_size=8), st.integers(0, 3))
def test_ids_stay_when_text_is_inserted_before(paragraphs: list[str], room: int) -> None:
    text = "# Section\n\n" + "\n\n".join(
        f"## Part {at}\n\n{each[: TARGET_CHARS - 100]}" for at, each in enumerate(paragraphs)
    )
    wall = "w" * (MAX_PASSAGE_CHARS - room)  # too long to share a passage with what follows
    before, after = cut(text), cut(f"{wall}\n\n{text}")
    assert [each.id for each in after[1:]] == [each.id for each in before]
    assert [each.start - len(wall) - 2 for each in after[1:]] == [each.start for each in before]


def test_an_edit_changes_the_id_of_its_own_passage_only() -> None:
    text = "".join(f"# Topic {at}\n\n{f'word{at} ' * 140}\n\n" for at in range(4))
    before, after = cut(text), cut(text.replace("word2", "term2"))
    assert [one.id == other.id for one, other in zip(before, after, strict=True)] == [True, True, False, True]


def test_the_source_and_the_heading_are_part_of_the_id() -> None:
    text, other = "# One\n\nThe same words.\n", "# Two\n\nThe same words.\n"
    assert cut(text)[0].id != cut(other)[0].id
    assert cut(text)[0].id != cut_passages("notes.md", text, parse_markdown(text), "course")[0].id


def test_it_cuts_before_headings_rather_than_inside_lists_and_tables() -> None:
    items = "\n".join(f"- Item {at} says one thing and then another." for at in range(18))
    rows = "\n".join(
        ["| a | b |", "| - | - |", *(f"| row {at} | says one thing and then another |" for at in range(18))]
    )
    text = f"# List\n\nIt begins here.\n\n{items}\n\n# Table\n\nIt begins here too.\n\n{rows}\n"
    assert [passage.text.split("\n")[0] for passage in cut(text)] == ["# List", "# Table"]


def test_a_long_block_is_cut_at_the_end_of_a_sentence() -> None:
    text = " ".join(f"Sentence {at} says something short." for at in range(120))
    passages = cut(text)
    assert len(passages) > 2 and all(
        passage.text.startswith("Sentence") and passage.text.endswith(".") for passage in passages
    )


def test_a_heading_is_not_left_behind_by_its_text() -> None:
    text = "".join(f"{f'word{at} ' * 150}\n\n## Part {at}\n\n" for at in range(5)) + "The end.\n"
    assert not any(passage.blocks[-1].kind == "heading" for passage in cut(text))
