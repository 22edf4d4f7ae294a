"""Files to text and blocks, one reader a format; knows which format a file is in, nothing of passages or storage."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from memory.base import Block, UnreadableDocument
from memory.ingest.files import decode, find_files, load
from memory.ingest.markdown import parse_markdown
from memory.ingest.pdf import ITEM, Piece, outlined, read_pdf

__all__ = ["ReadDocument", "find_files", "read_file"]

Format = Literal["markdown", "text", "html", "pdf", "docx"]

LIMIT_BYTES = 20_000_000
FORMATS: dict[str, Format] = {
    ".md": "markdown", ".markdown": "markdown", ".mdx": "markdown", ".html": "html", ".htm": "html", ".xhtml": "html",
    ".pdf": "pdf", ".docx": "docx",
}
# Formats that decode as text, or look damaged, but are neither: a reader had better hear what to do instead.
FOREIGN = frozenset((
    ".doc", ".dot", ".rtf", ".odt", ".pages", ".ppt", ".pptx", ".odp", ".key", ".xls", ".xlsx", ".ods", ".epub",
    ".mobi",
))
MAX_TITLE_CHARS = 200

FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
FRONT_LINE = re.compile(r"\s*$|[ \t#-]|[^\s:][^:\n]*:(?:\s|$)|[\]}]")
FRONT_TITLE = re.compile(r"^title[ \t]*:[ \t]*(.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
SHORTCODES = re.compile(
    r"^[ \t]*(?:\{\{[<%]\s*/?\s*(?P<name>[\w-]+)(?:(?!\}\}|\{\{).)*[>%]\}\}[ \t]*)+$", re.DOTALL | re.MULTILINE
)
LITERAL_SHORTCODES = frozenset({"highlight", "mermaid"})
ANCHOR = re.compile(r"^([ ]{0,3}#{1,6}[ \t].*?)(\{#[\w.-]+\}[ \t]*)$", re.MULTILINE)
TAGS = re.compile(r"<!--.*?(?:-->|\Z)|\{\{[<%](?:(?!\}\}|\{\{|text=).)*\}\}|<[^<>]*>", re.DOTALL)
DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)

RULE = re.compile(r"([^\w\s])(?:\s?\1){2,}$")
UNDERLINE = re.compile(r"([=\-~^\"'`*+#])\1{2,}$")
NUMBERED = re.compile(r"(\d{1,3}(?:\.\d{1,3})*)\.?\s+[A-Z]")
HASHES = re.compile(r"(#{1,6})\s+\S")
CAPITALS = re.compile(r"(?=.*[^\W\d_]{3})[^=;{}<>*\\|]+$")
RST_MARKUP = re.compile(r"\.\. (?:_.*:|[\w-]+::)\s*\S*$")
RST_CODE = re.compile(r"\.\. (?:code|code-block|sourcecode|parsed-literal)::|(?!\.\. ).*::$")
MAX_HEADING_CHARS = 100


@dataclass(frozen=True)
class ReadDocument:
    """A document as text with its blocks: offsets index `text`, ascend and don't overlap. A document may have text
    and no block (front matter alone)."""

    text: str
    title: str
    format: Format
    blocks: list[Block]


def read_file(path: Path, limit_bytes: int = LIMIT_BYTES) -> ReadDocument:
    """Reads one file of at most `limit_bytes`. Its format is told by the suffix; any other suffix is tried as text.

    Raises UnreadableDocument, one sentence that names the file and says what to do: it is missing, forbidden, empty,
    too large, binary, damaged, protected, scanned, or in an encoding that can't be told.
    """
    suffix = path.suffix.lower()
    if suffix in FOREIGN:
        raise UnreadableDocument(f"{path} is a {suffix} file, which can't be read; save it as .docx or PDF.")
    data = load(path, limit_bytes)
    kind = FORMATS.get(suffix) or ("pdf" if data.startswith(b"%PDF-") else "text")
    text, title, blocks = READERS[kind](data, path)
    return ReadDocument(text, " ".join(title.split())[:MAX_TITLE_CHARS] or path.stem, kind, blocks)


def _read_markdown(data: bytes, path: Path) -> tuple[str, str, list[Block]]:
    text = decode(data, path)
    shown, title = _without_front_matter(text)
    shown = ANCHOR.sub(lambda found: found[1] + " " * len(found[2]), _without_shortcodes(shown))
    # `shown` is as long as `text`, so that its offsets hold for both.
    blocks = [block for block in parse_markdown(shown) if _says_something(text[block.start : block.end])]
    return text, title or _first_heading(text, blocks), blocks


def _without_front_matter(text: str) -> tuple[str, str]:
    """The text with its YAML front matter blanked out, and the title that stands there."""
    found = FRONT_MATTER.match(text)
    if not found or not all(FRONT_LINE.match(line) for line in found[1].split("\n")):
        return text, ""
    named = FRONT_TITLE.search(found[1])
    title = re.sub(r"^[>|][+-]?\s", "", named[1]).strip() if named else ""
    if title[:1] in ("'", '"'):
        quote = title[0]
        title = title[1:].rsplit(quote, 1)[0].replace("''" if quote == "'" else '\\"', quote)
    else:
        title = title.split(" #")[0]
    return _blank(found[0]) + text[found.end() :], title


def _without_shortcodes(text: str) -> str:
    """Blanks out lines of Hugo shortcodes. One that puts words into a running sentence stays; one that holds literal
    text becomes a fence, as its content is no prose."""
    closed = set(re.findall(r"\{\{[<%]\s*/\s*([\w-]+)", text))

    def shown(found: re.Match[str]) -> str:
        line = found[0]
        name = found["name"]
        before = text[: found.start()].rstrip("\n").rpartition("\n")[2].strip()
        attached = found.start() > 1 and text[found.start() - 2] != "\n"
        in_prose = attached and before and not before.startswith(("#", "{{", "<"))
        if name not in closed and ("text=" in line or in_prose):
            return line
        if name in LITERAL_SHORTCODES and name in closed and len(line.strip()) >= 3 and "\n" not in line:
            indent = len(line) - len(line.lstrip())
            return line[:indent] + "~~~".ljust(len(line) - indent)
        return _blank(line)

    return SHORTCODES.sub(shown, text) if "{{" in text else text


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _says_something(raw: str) -> bool:
    """False for markup without a word: comments, anchors, pictures, line breaks, shortcodes without text."""
    return not raw.startswith(("<", "{{")) or any(char.isalnum() for char in TAGS.sub("", raw))


def _first_heading(text: str, blocks: Sequence[Block]) -> str:
    """The first real heading; a line in bold only stands in for one."""
    named = (b for b in blocks if b.kind == "heading" and not text.startswith(("**", "__"), b.start))
    return next((block.heading[-1] for block in named if block.heading), "")


def _read_html(data: bytes, path: Path) -> tuple[str, str, list[Block]]:
    from memory.ingest.html import render_html

    declared = DECLARED.search(data[:2048])
    source = decode(data, path, declared[1].decode("ascii", "replace") if declared else None)
    return _rendered(path, *render_html(source))


def _read_docx(data: bytes, path: Path) -> tuple[str, str, list[Block]]:
    from memory.ingest.docx import read_docx

    return _rendered(path, *read_docx(data, path))


def _rendered(path: Path, text: str, title: str) -> tuple[str, str, list[Block]]:
    if not text.strip():
        raise UnreadableDocument(f"{path} holds no text to read; check that it opens and shows any.")
    blocks = parse_markdown(text)
    return text, title or _first_heading(text, blocks), blocks


def _read_pdf(data: bytes, path: Path) -> tuple[str, str, list[Block]]:
    text, title, blocks = read_pdf(data, path)
    return text, title or _first_heading(text, blocks), blocks


def _read_text(data: bytes, path: Path) -> tuple[str, str, list[Block]]:
    text = decode(data, path)
    blocks = outlined(text, _text_pieces(text))
    return text, _first_heading(text, blocks), blocks


@dataclass(frozen=True)
class _Line:
    start: int
    text: str
    indent: int

    @property
    def end(self) -> int:
        return self.start + self.indent + len(self.text)


def _text_pieces(text: str) -> Iterator[Piece]:
    """Plain text by blank lines, underlines, capitals, section numbers, list marks and indents."""
    styles: list[tuple[str, int]] = []
    items: list[int] = []  # indents of the open list items
    code_below: int | None = None  # the indent of the line that announced a listing
    paragraphs = list(_paragraphs(text))
    for at, lines in enumerate(paragraphs):
        first = lines[0]
        if first.text.startswith("```") or (code_below is not None and first.indent > code_below):
            yield Piece("code", first.start, lines[-1].end, len(items))
            continue
        code_below = None
        around = [paragraph[0].text for paragraph in (*paragraphs[max(0, at - 1) : at], *paragraphs[at + 1 : at + 2])]
        here = 0
        while here < len(lines):
            style = _heading_style(lines, here, around)
            if style:
                line = lines[here]
                items.clear()
                yield Piece("heading", line.start + line.indent, line.end, _rank(styles, style))
            elif not RULE.match(lines[here].text) and not RST_MARKUP.match(lines[here].text):
                end = here + 1
                while end < len(lines) and not _breaks(lines, here, end, around):
                    end += 1
                yield _body(lines[here:end], items)
                here = end - 1
            if RST_CODE.match(lines[here].text):
                code_below = lines[here].indent
            here += 1


def _paragraphs(text: str) -> Iterator[list[_Line]]:
    """Runs of lines without a blank one between; a fenced listing is one run."""
    run: list[_Line] = []
    fenced, start = False, 0
    for raw in text.split("\n"):
        line = _Line(start, raw.strip(), len(raw) - len(raw.lstrip()))
        start += len(raw) + 1
        fence = line.text.startswith("```")
        if run and ((not line.text and not fenced) or (fence and not fenced)):
            yield run
            run = []
        if line.text:
            run.append(line)
        if fence and fenced:
            yield run
            run = []
        fenced ^= fence
    if run:
        yield run


def _heading_style(lines: Sequence[_Line], at: int, around: Sequence[str]) -> tuple[str, int] | None:
    """What marks line `at` of a paragraph as a heading: the underline, capitals, or a section number's depth.
    `around` holds the first lines of the paragraphs next to it: numbers in a row are a list."""
    text = lines[at].text
    if len(text) > MAX_HEADING_CHARS or RULE.match(text) or (ITEM.match(text) and lines[at].indent):
        return None
    below = lines[at + 1].text if at + 1 < len(lines) else ""
    under = UNDERLINE.match(below)
    if under and 2 * len(below) >= len(text):
        return under[1], int(at > 0 and lines[at - 1].text == below)
    alone = len(lines) == 1
    hashes = HASHES.match(text)
    if hashes and alone:
        return "#", len(hashes[1])
    if at or text.endswith((".", ",", ";", "?", "!")):
        return None
    number = NUMBERED.match(text)
    if number and "." in number[1] and not NUMBERED.match(below):
        return "1", number[1].count(".") + 1
    if number and alone and not any(map(NUMBERED.match, around)):
        return "1", 1
    if text.isupper() and CAPITALS.match(text) and not below.isupper():
        return "A", 1
    return None


def _rank(styles: list[tuple[str, int]], style: tuple[str, int]) -> int:
    """Headings rank in the order in which their styles are first met; a section number also by its depth."""
    kind, depth = style
    wanted = [(kind, step) for step in range(1, depth + 1)] if kind in "1#" else [style]
    styles.extend(step for step in wanted if step not in styles)
    return styles.index(style) + 1


def _breaks(lines: Sequence[_Line], begin: int, at: int, around: Sequence[str]) -> bool:
    """Whether a new block begins at line `at` of a paragraph whose current block began at `begin`."""
    text = lines[at].text
    if RULE.match(text) or _heading_style(lines, at, around):
        return True
    mark = ITEM.match(text)
    if mark is None:
        return False
    # In mid-paragraph "12. " may end a sentence; a list there begins with 1, a, or a bullet.
    name = mark["mark"].strip("().")
    return bool(ITEM.match(lines[begin].text)) or not name.isalnum() or name in ("1", "a", "A")


def _body(lines: Sequence[_Line], items: list[int]) -> Piece:
    """A paragraph or list item; `items` is brought up to date."""
    first = lines[0]
    opens = bool(ITEM.match(first.text))
    while items and first.indent <= items[-1]:
        items.pop()
    if opens:
        items.append(first.indent)
    return Piece("item" if items else "paragraph", first.start + first.indent, lines[-1].end, len(items), opens)


READERS: dict[Format, Callable[[bytes, Path], tuple[str, str, list[Block]]]] = {
    "markdown": _read_markdown, "text": _read_text, "html": _read_html, "pdf": _read_pdf, "docx": _read_docx,
}
