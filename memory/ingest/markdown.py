"""Markdown text to blocks with exact offsets; knows the CommonMark grammar (through markdown-it), not passages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from memory.base import Block

BOLD_LINE = re.compile(r"^(\*\*|__)(?P<label>[^*_].{0,120}?)(\*\*|__):?\s*$", re.DOTALL)
LEAD = re.compile(r"^(?:[*+-]|\d+[.)])?\s*(?:\*\*|__)(?P<label>.+?)(?:\*\*|__)", re.DOTALL)
MARKUP = re.compile(r"\*\*|__|`|(?<!\w)[*_]|[*_](?!\w)|^\s*(?:[*+-]|\d+[.)])\s+|^#+\s*|\\(?=[^\w\s])", re.MULTILINE)
LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
PSEUDO_HEADING_LEVEL = 7
BOILERPLATE_REPEATS = 4


def plain(text: str) -> str:
    """Markdown with its markup taken out and white space folded: what a reader sees.

    >>> plain("*   **Volume:** handling `petabytes` of [data](x)")
    'Volume: handling petabytes of data'
    """
    return " ".join(MARKUP.sub("", LINK.sub(r"\1", text)).split())


def lead(text: str) -> str:
    """The bold label that opens a list item, or its first words."""
    found = LEAD.match(text.strip())
    label = plain(found["label"]) if found else plain(text)
    label = label.rstrip(":. ")
    return label if len(label) <= 90 else " ".join(label[:90].split()[:-1])


def parse_markdown(text: str) -> list[Block]:
    """Every block of the document in order; headings included. Offsets index `text`."""
    walker = _Walker(text)
    blocks = list(walker.walk(_parser().parse(text)))
    return _without_boilerplate(text, blocks)


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"maxNesting": 100}).enable("table").disable("inline")


@dataclass
class _Walker:
    text: str
    headings: list[tuple[int, str]] = field(default_factory=list)
    leads: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        # markdown-it counts lines by "\n"; splitlines() would also cut at form feeds and U+2028.
        self.lines = [0]
        for at, char in enumerate(self.text):
            if char == "\n":
                self.lines.append(at + 1)
        self.lines.append(len(self.text))

    def walk(self, tokens: Sequence[Token]) -> Iterator[Block]:
        item_starts: list[int | None] = []
        table: tuple[int, int] | None = None
        header = ""
        for token in tokens:
            kind, span = token.type, token.map
            if kind == "list_item_open":
                item_starts.append(span[0] if span else None)
                self.leads.append("")
            elif kind == "list_item_close":
                item_starts.pop()
                self.leads.pop()
            elif kind == "heading_open" and span:
                block = self._block("heading", span)
                if block:
                    # A setext heading's span holds its underline, which is no part of its name.
                    name = plain(self.text[block.start : block.end].rstrip("=- \n").rstrip("#"))
                    self._open_heading(int(token.tag[1]), name)
                    yield self._with(block)
            elif kind == "paragraph_open" and span:
                opens_item = bool(item_starts) and item_starts[-1] == span[0]
                block = self._block("item" if item_starts else "paragraph", span)
                if block is None:
                    continue
                raw = self.text[block.start : block.end]
                bold = BOLD_LINE.match(raw) if not item_starts else None
                if bold:
                    self._open_heading(PSEUDO_HEADING_LEVEL, plain(bold["label"]).rstrip(":"))
                    yield self._with(block, kind="heading")
                else:
                    yield self._with(block, skip_own_lead=True)
                if opens_item:
                    self.leads[-1] = lead(raw)
            elif kind in ("fence", "code_block", "html_block") and span:
                block = self._block("code" if kind != "html_block" else "paragraph", span)
                # A comment is invisible to a reader, so it isn't part of what the document says.
                if block and not self.text.startswith("<!--", block.start):
                    yield self._with(block)
            elif kind == "table_open" and span:
                table, header = (span[0], span[1]), ""
            elif kind == "table_close":
                table = None
            elif kind == "tr_open" and span and table:
                # The header row carries the separator line below it, so that the table stays contiguous.
                first = span[0] == table[0]
                block = self._block("row", (span[0], span[1] + 1) if first else (span[0], span[1]))
                if block:
                    if first:
                        header = plain(self.text[block.start : block.end].split("\n")[0].strip("| ").replace("|", " | "))
                        yield self._with(block)
                    else:
                        yield self._with(block, extra=header)

    def _open_heading(self, level: int, name: str) -> None:
        while self.headings and self.headings[-1][0] >= level:
            self.headings.pop()
        self.headings.append((level, name))

    def _block(self, kind: str, span: Sequence[int]) -> Block | None:
        start, end = self.lines[span[0]], self.lines[min(span[1], len(self.lines) - 1)]
        raw = self.text[start:end]
        if not raw.strip():
            return None
        indent = 0 if kind == "code" else len(raw) - len(raw.lstrip())
        return Block(kind=kind, start=start + indent, end=start + len(raw.rstrip()))  # type: ignore[arg-type]

    def _with(self, block: Block, kind: str | None = None, skip_own_lead: bool = False, extra: str = "") -> Block:
        path = tuple(name for _, name in self.headings)
        leads = [name for name in self.leads if name]
        if skip_own_lead and self.leads and self.leads[-1]:
            leads = [name for name in self.leads[:-1] if name] + [self.leads[-1]]
        if extra:
            leads.append(extra)
        return Block(
            kind=kind or block.kind,  # type: ignore[arg-type]
            start=block.start,
            end=block.end,
            heading=path,
            context=(*path, *leads),
            depth=len(self.leads),
        )


def _without_boilerplate(text: str, blocks: list[Block]) -> list[Block]:
    """Drops from `context` (not from `heading`) names that a document repeats again and again: they say nothing."""
    names = Counter(
        block.heading[-1] for block in blocks if block.kind == "heading" and block.heading
    )
    parents: dict[str, set[tuple[str, ...]]] = {}
    for block in blocks:
        if block.kind == "heading" and block.heading:
            parents.setdefault(block.heading[-1], set()).add(block.heading[:-1])
    dull = {name for name, count in names.items() if count >= BOILERPLATE_REPEATS and len(parents[name]) >= BOILERPLATE_REPEATS}
    if not dull:
        return blocks
    return [
        Block(b.kind, b.start, b.end, b.heading, tuple(name for name in b.context if name not in dull), b.depth)
        for b in blocks
    ]
