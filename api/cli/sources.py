"""The lines under an answer that say what it cites: plain text, one line a source. Knows citations, no answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from api.cli.output import Output, shortened

if TYPE_CHECKING:
    from agent.events import Citation

QUOTE_CHARS, WHOLE_QUOTE_CHARS = 110, 2000
FEWEST_LINES, FEWEST_CHARS = 4, 24
PLACE_SHARE, HEIGHT_SHARE = 0.6, 0.3

TABLE_RULE = re.compile(r"\|?(?:\s*:?-+:?\s*\|)+(?:\s*:?-+:?)?\s*|-{3,}")
CELL_END = re.compile(r"(?<!\\)\|")
FENCE = re.compile(r"(?:```|~~~)\w*")
OPENING = re.compile(r"(?:>\s*)*(?:(?:[*+-]|\d+[.)]|#{1,6})\s+)?(?:\[[ xX]\]\s+)?")
LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s+\"[^\"]*\")?\)")
SPANS = (re.compile(r"(\*{1,3}|~~|`+)(?=\S)(.+?)(?<=\S)\1"), re.compile(r"(?<!\w)(_{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)"))
# A quote may begin or end inside a bold span.
STRAY = re.compile(r"(?<!\S)\*\*(?=\S)|(?<=\S)\*\*(?!\S)")
ESCAPE = re.compile(r"\\(?=[^\w\s])")


def show_sources(out: Output, citations: Sequence[Citation], more: str | None = None) -> None:
    """A line a source. In a terminal each fits into its width and, with `more`, the lines into a part of its height:
    the rest is counted, and `more` says where it stands."""
    size = out.size
    lines = source_lines(citations, size.width if size else None)
    fits = len(lines) if size is None or more is None else max(FEWEST_LINES, int(size.height * HEIGHT_SHARE))
    if len(lines) > fits:
        lines = [*lines[: fits - 1], f"… and {len(lines) - fits + 1} more; {more}"]
    for line in lines:
        out.dim(line)


def source_lines(citations: Sequence[Citation], width: int | None = None, quote_chars: int = QUOTE_CHARS) -> list[str]:
    """`[1] notes.md › Airflow › Scheduler: “the quote”`. Sources of one section stand together, and only the first of
    them names it."""
    sections: dict[tuple[str, ...], list[Citation]] = {}
    for citation in citations:
        sections.setdefault((citation.document, *citation.heading), []).append(citation)
    return [_line(cited, section if at == 0 else (), width, quote_chars)
            for section, found in sections.items() for at, cited in enumerate(found)]


def _line(citation: Citation, section: tuple[str, ...], width: int | None, quote_chars: int) -> str:
    place = " › ".join(section)
    if width is not None:
        place = shortened(place, max(FEWEST_CHARS, int(width * PLACE_SHARE)))
    lead = f"[{citation.n}] {place}: " if place else f"[{citation.n}]   "
    room = quote_chars if width is None else max(FEWEST_CHARS, width - len(lead) - 2)
    return f"{lead}“{shortened(unmarked(citation.quote), room)}”"


def unmarked(markdown: str) -> str:
    """Markdown as a reader would see it, in one line.

    >>> unmarked("- **Watermark:** no event before `t` [is expected](w.md).")
    'Watermark: no event before t is expected.'
    >>> unmarked("| NLU | 2 * 3 | a_b |\\n| --- | --- | --- |\\n| **x** | | y |")
    'NLU · 2 * 3 · a_b x · y'
    """
    lines = (line.strip() for line in markdown.split("\n"))
    text = " ".join(_line_of(line) for line in lines if not (FENCE.fullmatch(line) or TABLE_RULE.fullmatch(line)))
    text = LINK.sub(r"\1", text)
    for span in (*SPANS, *SPANS):  # twice: one may stand inside the other
        text = span.sub(r"\2", text)
    return " ".join(ESCAPE.sub("", STRAY.sub("", text)).split())


def _line_of(line: str) -> str:
    if line.startswith("|"):
        return " · ".join(cell.strip() for cell in CELL_END.split(line) if cell.strip())
    return OPENING.sub("", line, count=1)
