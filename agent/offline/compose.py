"""Selected units to a short, ordered Markdown answer, each with its passage's mark. Knows phrasing, not ranking."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from agent.offline.select import Unit
from memory.base import Block
from memory.ingest.markdown import lead, plain

ITEM_MARK = re.compile(r"^(?:[*+-]|\d+[.)])\s+")
HEADING_MARK = re.compile(r"^#+\s*(?:(?:\d+|[a-z])\\?[.)]\s+)?|[\s:]*\n?[-=]{3,}\s*$")
COUNTED = re.compile(r"^(?:\d+|[a-z])\\?[.)]\s+")
FLAG = " *(Corrected below.)*"


def render(units: Sequence[Unit], flawed: Collection[Unit] = ()) -> str:
    """Units as Markdown: prose as sentences, items as bullets (numbered where the document numbers them), rows as a
    table; a bullet whose parent isn't in the answer is told by that parent's label. `flawed` units hold an error that
    is corrected below."""
    lines: list[str] = []
    labels: set[str] = set()
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
        prefix = _prefix(block, text, labels)
        labels.add(lead(unit.quote))
        shown = f"{prefix}{text}[{unit.piece.n}]{FLAG if unit in flawed else ''}"
        lines.append(f"- {shown}" if block.kind == "item" or prefix else shown)
    if table:
        lines.extend(_table(table))
    return _spaced(lines)


def points(units: Sequence[Unit]) -> list[str]:
    """What a later "the second point" can refer to: each bullet's label or first words."""
    return [COUNTED.sub("", lead(unit.quote)) for unit in units if unit.source_block.kind in ("item", "row", "heading")]


def body(unit: Unit) -> str:
    """A unit's Markdown on one line, without the mark that opens a list item."""
    return " ".join(ITEM_MARK.sub("", unit.quote.strip()).split())


def _prefix(block: Block, text: str, labels: set[str]) -> str:
    """The label of the list item that this one hangs under, unless the answer has shown it just before."""
    parents = [name for name in block.context[len(block.heading) :]]
    if not parents or block.kind != "item":
        return ""
    label = parents[-1]
    if label in labels or plain(text).lower().startswith(label.lower()) or len(label.split()) > 9:
        return ""
    labels.add(label)
    return f"**{label}** — "


def _table(rows: Sequence[Unit]) -> list[str]:
    passage = rows[0].piece.passage
    header = next((b for b in passage.blocks if b.kind == "row" and b.context == b.heading), None)
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
