"""PDF to text and blocks by where its lines stand, and pieces to blocks for plain text too; knows no passages."""

from __future__ import annotations

import io
import logging
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from memory.base import Block, BlockKind, UnreadableDocument
from memory.ingest.markdown import lead, plain

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

BOLD_FONT = re.compile(r"bold|black|heavy|demi|cmbx|cmssbx", re.IGNORECASE)
MONO_FONT = re.compile(r"mono|courier|cmtt|consol|typewriter|menlo|inconsolata|code|nimbusmon|fixed", re.IGNORECASE)
BULLET = re.compile("^[•‣▪◦●○■□∙·\u2043\uf0b7\uf0a7\uf0d8*–-]\\s+(?=\\S)")
ITEM = re.compile(r"(?P<mark>[-*+•–‣]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+(?=\S)")
LEADER = re.compile(r"(?:[.·…]\s?){4,}\s*[\divxlc]+\s*$", re.IGNORECASE)
SENTENCE_END = re.compile(r"[.!?:;][\"'”’)\]]*$")
WORD = re.compile(r"\w+(?:-\w+)*")
WORD_BREAK = re.compile(r"(\w+)[-\u2010]$")
JUNK_TITLE = re.compile(r"^untitled|^microsoft|^slide \d|\.(docx?|tex|dvi|indd|pptx?|pages|pdf|html?)$", re.IGNORECASE)
UNREADABLE_CHARS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\ufeff]")
LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "ft", "ﬆ": "st", "\xa0": " "})
MAX_HEADING_CHARS, MAX_HEADING_LINES = 120, 3
LEAD_CHARS = 400
EDGE_LINES, HEADING_SCALE = 2, 1.12
# What pypdf raises on files that break the format in ways it didn't foresee.
DAMAGE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, RecursionError,
          NotImplementedError, EOFError, OSError, zlib.error, struct.error)


@dataclass(frozen=True)
class Piece:
    """A block before it knows what it hangs under. `level` counts from 1: a heading's rank, or how deep in lists."""

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    opens: bool = False


@dataclass(frozen=True)
class _Line:
    """One line of a page; `x` and `y` are where it begins, in points from the lower left, `size` its font's height."""

    text: str
    page: int
    x: float
    y: float
    size: float
    bold: bool
    mono: bool


def read_pdf(data: bytes, path: Path) -> tuple[str, str, list[Block]]:
    """Text, title ("" if the file names none) and blocks of a PDF, in reading order.

    Raises UnreadableDocument when the file is damaged, needs a password, or holds no text (pictures of pages).
    """
    from pypdf.errors import DependencyError, PyPdfError

    try:
        reader = _opened(data, path)
        pages = [_lines(page, number) for number, page in enumerate(reader.pages)]
        named = str((reader.metadata and reader.metadata.title) or "")
    except DependencyError as error:
        raise UnreadableDocument(f"{path} is encrypted with a method unknown here; save it unprotected.") from error
    except (PyPdfError, *DAMAGE) as error:
        raise UnreadableDocument(f"{path} is damaged or no PDF; save or download it again.") from error
    if not any(char.isalnum() for lines in pages for line in lines for char in line.text):
        raise UnreadableDocument(f"{path} holds no text, only pictures of its {len(pages)} pages; run text recognition (OCR) on it first.")
    body = _body_size(pages)
    groups = _groups(_without_running_lines(pages, body))
    heads = [_is_heading(group, body) for group in groups]
    text, pieces = _assembled(groups, heads)
    title = " ".join(_clean(named).split())
    if not title or JUNK_TITLE.search(title):
        opening = [group for group, head in zip(groups, heads, strict=True) if head and group[0].page == 0]
        title = " ".join(line.text for line in max(opening, key=lambda group: group[0].size, default=[]))
    return text, title, outlined(text, pieces)


def outlined(text: str, pieces: Iterable[Piece]) -> list[Block]:
    """Blocks with their headings and the lead words of the list items around them."""
    headings: list[tuple[int, str]] = []
    leads: list[str] = []
    blocks = []
    for piece in pieces:
        shown = text[piece.start : piece.end]
        depth = 0 if piece.kind == "heading" else piece.level
        del leads[max(0, depth - piece.opens) :]
        if piece.kind == "heading":
            while headings and headings[-1][0] >= piece.level:
                headings.pop()
            headings.append((piece.level, plain(shown).rstrip(":")))
        path = tuple(name for _, name in headings)
        blocks.append(Block(piece.kind, piece.start, piece.end, path, (*path, *filter(None, leads)), depth))
        if piece.opens:
            leads.append(lead(ITEM.sub("", shown[:LEAD_CHARS], count=1)))
    return blocks


def _opened(data: bytes, path: Path) -> PdfReader:
    from pypdf import PdfReader

    # What it has to say of a file, on whatever stream, our one line says.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = PdfReader(io.BytesIO(data))
    # An empty password opens what only forbids printing or copying to others.
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableDocument(f"{path} is protected by a password; save it without one.")
    return reader


def _lines(page: PageObject, number: int) -> list[_Line]:
    """The lines of a page in the order they are written; text turned sideways only where there is no other."""
    for orientations in ((0,), (0, 90, 180, 270)):
        pen = _Pen()
        page.extract_text(orientations=orientations, visitor_text=pen.write)
        lines = [line for line in (_line(pieces, number) for pieces in pen.lines) if line]
        if lines:
            return lines
    return []


class _Pen:
    """Takes down what a page writes, line by line: text, x, y, height and font of each piece."""

    def __init__(self) -> None:
        self.lines: list[list[tuple[str, float, float, float, str]]] = [[]]

    def write(self, text: str, user: Sequence[float], matrix: Sequence[float], font: Any, size: float) -> None:
        x = matrix[4] * user[0] + matrix[5] * user[2] + user[4]
        y = matrix[4] * user[1] + matrix[5] * user[3] + user[5]
        area = abs((matrix[0] * matrix[3] - matrix[1] * matrix[2]) * (user[0] * user[3] - user[1] * user[2]))
        name = str(font.get("/BaseFont", "")) if font else ""
        for at, piece in enumerate(text.split("\n")):
            if at:
                self.lines.append([])
            if piece:
                self.lines[-1].append((piece, x, y, abs(size) * area**0.5, name))


def _line(pieces: Sequence[tuple[str, float, float, float, str]], page: int) -> _Line | None:
    written = re.sub("\u00ad\\s*$", "-", "".join(piece[0] for piece in pieces))
    text = " ".join(_clean(written).split())
    shown = [piece for piece in pieces if piece[0].strip()]
    if not text or not shown:
        return None
    # The longest piece speaks for the line: the others are superscripts, symbols and stressed words.
    _, _, y, size, _ = max(shown, key=lambda piece: len(piece[0]))
    bold, mono = (all(font.search(piece[4]) for piece in shown) for font in (BOLD_FONT, MONO_FONT))
    return _Line(text, page, shown[0][1], y, round(size, 1), bold, mono)


def _clean(text: str) -> str:
    """Without control characters and lone surrogates, which no store accepts; ligatures as letters."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return UNREADABLE_CHARS.sub("", whole.translate(LIGATURES))


def _body_size(pages: Sequence[Sequence[_Line]]) -> float:
    """The height of most of the text."""
    sizes: Counter[float] = Counter()
    for line in chain.from_iterable(pages):
        sizes[line.size] += len(line.text)
    return max(sizes, key=lambda size: sizes[size])


def _without_running_lines(pages: Sequence[Sequence[_Line]], body: float) -> list[_Line]:
    """All lines but headers, footers, page numbers and tables of contents. A running line stands at the edge of most
    pages, numbers aside, or at the very same height of three or more, or it ends in the page's number."""
    edges: list[list[_Line]] = []
    for lines in pages:
        heights = sorted({line.y for line in lines})
        outer = {*heights[:EDGE_LINES], *heights[-EDGE_LINES:]}
        edges.append([line for line in lines if line.y in outer and line.size < HEADING_SCALE * body])
    shifts = Counter(shift for lines in edges for shift in {_shift(line) for line in lines} if shift is not None)
    patterns = Counter(pattern for lines in edges for pattern in {_pattern(line) for line in lines})
    places = Counter(place for lines in edges for place in {(_pattern(line), round(line.y)) for line in lines})
    most = max(1.0, len(pages) / 2)
    running = {
        id(line)
        for lines in edges
        for line in lines
        if patterns[_pattern(line)] > most
        or places[_pattern(line), round(line.y)] >= 3
        or ((shift := _shift(line)) is not None and shifts[shift] > most)
    }
    return [line for lines in pages for line in lines if id(line) not in running and not LEADER.search(line.text[-99:])]


def _pattern(line: _Line) -> str:
    return re.sub(r"\d+|\b[ivxl]+\b", "#", line.text.lower())


def _shift(line: _Line) -> int | None:
    """How far the number at the end of a line is from the number of its page."""
    found = re.search(r"(?:^|\s)(\d{1,5})$", line.text)
    return int(found[1]) - line.page if found else None


def _groups(lines: Sequence[_Line]) -> list[list[_Line]]:
    """Lines that belong together: those of a paragraph, a heading, an item or a listing."""
    steps = [(a.y - b.y) / a.size for a, b in pairwise(lines) if a.page == b.page and a.size == b.size > 0]
    pitch = median([step for step in steps if 0.5 < step < 3] or [1.2])
    groups: list[list[_Line]] = []
    for line in lines:
        if groups and _continues(groups[-1], line, pitch):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _continues(group: Sequence[_Line], line: _Line, pitch: float) -> bool:
    first, last = group[0], group[-1]
    step = (last.y - line.y) / last.size if last.size else pitch
    ended = SENTENCE_END.search(last.text) is not None
    if last.mono != line.mono or abs(last.size - line.size) > 0.08 * last.size:
        return False
    if line.mono:
        return last.page == line.page and 0 < step < 2.5 * pitch
    if _is_item(line) or (line.bold and not last.bold and ended) or (all(one.bold for one in group) and not line.bold):
        return False
    if last.page != line.page or not -0.5 < step < 1.3 * pitch:
        # The next column or page goes on with the sentence, or it doesn't.
        return not ended and not last.bold and line.text[0].islower()
    if _is_item(first):
        # An item's further lines are indented; back at its own margin, text goes on only in mid-sentence.
        return line.x > first.x + 0.5 * last.size or not ended
    left = group[1].x if len(group) > 1 else last.x
    return not ended or line.x <= left + 0.8 * last.size


def _is_item(line: _Line) -> bool:
    return bool(BULLET.match(line.text) or ITEM.match(line.text))


def _is_heading(group: Sequence[_Line], body: float) -> bool:
    text = " ".join(line.text for line in group)
    if len(group) > MAX_HEADING_LINES or len(text) > MAX_HEADING_CHARS or sum(map(str.isalpha, text)) < 3:
        return False
    if text.endswith((".", ",", ";", ":")) or BULLET.match(text) or all(line.mono for line in group):
        return False
    size = group[0].size
    return size >= HEADING_SCALE * body or (all(line.bold for line in group) and size >= 0.97 * body)


def _assembled(groups: Sequence[Sequence[_Line]], heads: Sequence[bool]) -> tuple[str, list[Piece]]:
    """The whole text and its pieces: a blank line between them, none between the items of a list."""
    words = Counter(word for group in groups for line in group for word in WORD.findall(line.text.lower()))
    ranks = sorted({group[0].size for group, head in zip(groups, heads, strict=True) if head}, reverse=True)
    written: list[str] = []
    pieces: list[Piece] = []
    size = 0
    for group, head in zip(groups, heads, strict=True):
        listing = all(line.mono for line in group)
        text = _code(group) if listing else BULLET.sub("- ", _joined(group, words))
        item = not head and not listing and bool(ITEM.match(text))
        gap = "" if not pieces else "\n" if item and pieces[-1].opens else "\n\n"
        start, size = size + len(gap), size + len(gap) + len(text)
        written += [gap, text]
        kind: BlockKind = "heading" if head else "code" if listing else "item" if item else "paragraph"
        level = ranks.index(group[0].size) + 1 if head else int(item)
        pieces.append(Piece(kind, start, size, level, opens=item))
    return "".join(written) + "\n", pieces


def _joined(group: Sequence[_Line], words: Counter[str]) -> str:
    """The lines as one; a word broken at a line's end is made whole, unless the document writes it with its hyphen."""
    text = group[0].text
    for line in group[1:]:
        broken, rest = WORD_BREAK.search(text), WORD.match(line.text)
        if broken and rest:
            first, second = broken[1].lower(), rest[0].lower()
            whole, hyphened = words[first + second], words[f"{first}-{second}"]
            joined = hyphened <= whole if line.text[0].islower() else whole > 0
            text = text[: broken.end(1)] + ("" if joined else "-") + line.text
        else:
            text = f"{text} {line.text}"
    return text


def _code(group: Sequence[_Line]) -> str:
    """Lines of a listing, indented as they stand on the page; a fixed-width letter is 0.6 of its height wide."""
    left, width = min(line.x for line in group), 0.6 * (group[0].size or 1)
    return "\n".join(" " * round((line.x - left) / width) + line.text for line in group)
