"""Selected units to a short, ordered Markdown answer, each with its passage's mark. Knows phrasing, not ranking."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from agent.offline.select import Unit, parents
from memory.base import Block
from memory.ingest.markdown import lead, plain

ITEM_MARK = re.compile(r"^(?:[*+-]|\d+[.)])\s+")
HEADING_MARK = re.compile(r"^#+\s*(?:(?:\d+|[a-z])\\?[.)]\s+)?|[\s:]*\n?[-=]{3,}\s*$")
COUNTED = re.compile(r"^(?:\d+|[a-z])\\?[.)]\s+")
PLACE_WORDS = 6
GENERIC_WORDS = 2
FLAG = " *(Corrected below.)*"


def render(units: Sequence[Unit], flawed: Collection[Unit] = ()) -> str:
    """Units as Markdown: prose as sentences, items as bullets (numbered where the document numbers them), rows as a
    table; a bullet whose parent isn't in the answer is told by that parent's label. `flawed` units hold an error that
    is corrected below."""
    lines: list[str] = []
    labels: set[str] = set()
    # "Mechanism: …" says nothing without what it is the mechanism of, once more than one thing is told.
    places = {unit.source_block.heading for unit in units if unit.source_block.kind == "item"}
    table: list[Unit] = []
    for unit in units:
        block = unit.source_block
        if block.kind == "row":
            table.append(unit)
            continue
        if table:
            lines.extend(_table(table))
            table = []
        if block.kind == "heading":
            lines.append(f"- {HEADING_MARK.sub('', unit.quote)} [{unit.piece.n}]")
            continue
        text = unit.quote if block.kind == "code" else body(unit)
        if block.kind == "code":
            lines.extend(["", f"{_fenced(text)}", ""])
            continue
        prefix = _prefix(block, text, labels) or (_place(block, labels) if len(places) > 1 else "")
        labels.add(lead(unit.quote))
        shown = f"{prefix}{text}[{unit.piece.n}]{FLAG if unit in flawed else ''}"
        lines.append(f"- {shown}" if block.kind == "item" or prefix else shown)
    if table:
        lines.extend(_table(table))
    return _spaced(lines)


def points(units: Sequence[Unit]) -> list[str]:
    """What a later "the second point" can refer to: each bullet's label or first words."""
    return [COUNTED.sub("", lead(unit.quote)) for unit in units if unit.source_block.kind in ("item", "row", "heading")]


def named_points(units: Sequence[Unit]) -> list[str]:
    """The points with the label they stand under: "Method" alone would name nothing in a later question."""
    named = []
    for block, point in ((unit.source_block, point) for unit in units for point in points([unit])):
        above = plain(block.context[-1]).strip(" :") if block.kind == "item" and len(block.context) > 1 else ""
        generic = len(point.split()) <= GENERIC_WORDS and above and len(above.split()) <= PLACE_WORDS and above.lower() != point.lower()
        named.append(f"{COUNTED.sub('', above)}: {point}" if generic else point)
    return named


def body(unit: Unit) -> str:
    """A unit's Markdown on one line, without the mark that opens a list item."""
    return " ".join(ITEM_MARK.sub("", unit.quote.strip()).split())


def _prefix(block: Block, text: str, labels: set[str]) -> str:
    """The label of the list item that this one hangs under, unless the answer has shown it just before."""
    above = parents(block)
    if not above or block.kind != "item":
        return ""
    label = above[-1]
    if label in labels or plain(text).lower().startswith(label.lower()) or len(label.split()) > 9:
        return ""
    labels.add(label)
    return f"**{label}** — "


def _place(block: Block, labels: set[str]) -> str:
    """The heading that a labelled item stands under, where the answer shows it for the first time."""
    name = COUNTED.sub("", plain(block.heading[-1])).strip(" :") if block.heading else ""
    if block.kind != "item" or not 0 < len(name.split()) <= PLACE_WORDS or "?" in name or name in labels:
        return ""
    labels.add(name)
    return f"**{name}** — "


def _table(rows: Sequence[Unit]) -> list[str]:
    passage = rows[0].piece.passage
    header = next((b for b in passage.blocks if b.kind == "row" and not parents(b)), None)
    out = [""]
    if header is not None:
        out.extend(passage.text[header.start - passage.start : header.end - passage.start].split("\n")[:2])
    out.extend(f"{row.quote.rstrip(' |')} [{row.piece.n}] |" for row in rows)
    return [*out, ""]


def _fenced(text: str) -> str:
    return text if text.lstrip().startswith("```") else f"```\n{text}\n```"


def _spaced(lines: Sequence[str]) -> str:
    """Blank lines between prose and lists, so that every renderer sees a list."""
    out: list[str] = []
    for line in lines:
        if out and out[-1] and line and (line.startswith("- ") != out[-1].startswith("- ")):
            out.append("")
        out.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip()
