"""Word documents to Markdown-like text, in document order; knows OOXML (through python-docx), no passages."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory.base import UnreadableDocument
from memory.ingest.html import MarkdownWriter

if TYPE_CHECKING:
    from docx.document import Document

OLE_MAGIC = b"\xd0\xcf\x11\xe0"
MAX_UNPACKED_BYTES = 400_000_000
HEADING_STYLE = re.compile(r"heading (\d)$", re.IGNORECASE)
SKIPPED_STYLE = re.compile(r"toc (\d|heading)$|table of (contents|figures)", re.IGNORECASE)
CODE_STYLE = re.compile(r"\b(code|preformatted|source|listing|plain text)\b", re.IGNORECASE)
LIST_STYLE = re.compile(r"list (bullet|number)(?: (\d))?$", re.IGNORECASE)
JUNK_TITLE = re.compile(r"^(microsoft )?word( -|$)|^document\d*$|^untitled|\.docx?$", re.IGNORECASE)
MAX_LABEL_CHARS = 100
MAX_DEPTH = 8
MAX_SPAN = 50
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
TRANSPARENT = frozenset(f"{W}{name}" for name in ("sdt", "sdtContent", "ins", "customXml", "smartTag", "moveTo"))
# Text that was moved away is no longer there (what was deleted has tags of its own); a fallback repeats its choice.
OMITTED = frozenset(
    {f"{W}moveFrom", f"{W}pPr", f"{W}rPr", "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
)


def read_docx(data: bytes, path: Path) -> tuple[str, str]:
    """The text of a Word document as Markdown-like text ("" if it has none) and its title ("" if it has none).

    Raises UnreadableDocument when the file is damaged, protected, or no Word document.
    """
    from docx.exceptions import PythonDocxError
    from docx.opc.exceptions import OpcError

    if data.startswith(OLE_MAGIC):
        raise UnreadableDocument(
            f"{path} is protected by a password or in the old .doc format; save it as .docx without a password."
        )
    try:
        document = _opened(data, path)
        renderer = _Renderer(document)
        for element in _inside(document.element.body, f"{W}p", f"{W}tbl"):
            renderer.add(element)
        named = (document.core_properties.title or "").strip()
    # Broken XML is a SyntaxError (lxml's), a missing part a KeyError, a wrong content type or number a ValueError.
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, PythonDocxError, OpcError, SyntaxError, LookupError,
            ValueError, TypeError, AttributeError, NotImplementedError, RecursionError, EOFError, OSError) as error:
        raise UnreadableDocument(f"{path} is damaged or no Word document; save it as .docx again.") from error
    return renderer.finish(), renderer.title or ("" if JUNK_TITLE.search(named) else named)


def _opened(data: bytes, path: Path) -> Document:
    import docx

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
    if any(info.flag_bits & 1 for info in infos):
        raise UnreadableDocument(f"{path} is protected by a password; save it without one.")
    if sum(info.file_size for info in infos) > MAX_UNPACKED_BYTES:
        raise UnreadableDocument(f"{path} unpacks to more than {MAX_UNPACKED_BYTES / 1e6:g} MB; split it.")
    return docx.Document(io.BytesIO(data))


def _inside(element: Any, *tags: str) -> Iterator[Any]:
    """Children of these tags in order, also those inside content controls and tracked insertions."""
    for child in element:
        if child.tag in tags:
            yield child
        elif child.tag in TRANSPARENT:
            yield from _inside(child, *tags)


class _Renderer:
    """Writes one element after the other; remembers which list items and which code lines are open."""

    def __init__(self, document: Document) -> None:
        self.title = ""
        self._document = document
        self._writer = MarkdownWriter()
        self._formats = _list_formats(document)
        self._counts: dict[tuple[str, int], int] = {}
        self._depth = 0
        self._code: list[str] = []

    def finish(self) -> str:
        self._leave(0)
        return self._writer.text()

    def add(self, element: Any) -> None:
        if element.tag == f"{W}tbl":
            self._leave(0)
            self._table(element)
            return
        text = _text(element, bold=False)
        if not text.strip():
            if self._code:
                self._code.append("")
            return
        styles = self._styles(element)
        names = [style.name or "" for style in styles]
        heading = next(filter(None, map(HEADING_STYLE.match, names)), None)
        item = self._list_level(element, styles, names)
        if any(map(SKIPPED_STYLE.match, names)):
            return
        if any(map(CODE_STYLE.search, names)):
            if not self._code:
                self._leave(0)
            self._code.append(text)
        elif heading or names[:1] == ["Title"]:
            self._leave(0)
            if not heading:
                self.title = self.title or " ".join(text.split())
            self._writer.heading(int(heading[1]) if heading else 1, text)
        elif item is not None:
            self._item(*item, _text(element, bold=True))
        else:
            self._leave(0)
            self._writer.paragraph(_labelled(element, text))

    def _styles(self, paragraph: Any) -> list[Any]:
        """A paragraph's style and those that it is based on, nearest first."""
        from docx.text.paragraph import Paragraph

        styles: list[Any] = []
        style: Any = Paragraph(paragraph, self._document).style
        while style is not None and len(styles) < 10:
            styles.append(style)
            style = style.base_style
        return styles

    def _list_level(self, paragraph: Any, styles: list[Any], names: list[str]) -> tuple[int, str, bool] | None:
        """Depth (from 1), the list's id, and whether its items are numbered; None outside lists."""
        given = paragraph.find(f"{W}pPr/{W}numPr")
        named = next(filter(None, map(LIST_STYLE.match, names)), None)
        if given is None and named is not None:
            return int(named[2] or 1), named[1].lower(), named[1].lower() == "number"
        if given is None:
            numbered = (style.element.find(f"{W}pPr/{W}numPr") for style in styles)
            given = next((found for found in numbered if found is not None), None)
        if given is None:
            return None
        number, level = (_value(given.find(f"{W}{name}")) or "0" for name in ("numId", "ilvl"))
        if number == "0":  # numbering switched off for this paragraph
            return None
        return int(level) + 1, number, self._formats.get((number, int(level)), "bullet") not in ("bullet", "none")

    def _item(self, depth: int, list_id: str, numbered: bool, text: str) -> None:
        self._end_code()
        depth = min(depth, self._depth + 1, MAX_DEPTH)
        self._leave(depth - 1)
        key = (list_id, depth)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._writer.open_item(self._counts[key] if numbered else None)
        self._depth = depth
        self._writer.paragraph(text)

    def _leave(self, depth: int) -> None:
        """Closes the list items deeper than `depth`, and the code block if one is open."""
        self._end_code()
        while self._depth > depth:
            for key in [key for key in self._counts if key[1] > self._depth]:
                del self._counts[key]
            self._writer.close()
            self._depth -= 1

    def _end_code(self) -> None:
        if self._code:
            self._writer.code("\n".join(self._code))
            self._code = []

    def _table(self, table: Any) -> None:
        rows: list[list[str]] = []
        for row in _inside(table, f"{W}tr"):
            texts: list[str] = []
            for cell in _inside(row, f"{W}tc"):
                text = " ".join(_text(paragraph, bold=False) for paragraph in cell.iter(f"{W}p"))
                merged = cell.find(f"{W}tcPr/{W}vMerge")
                if merged is not None and _value(merged) != "restart" and rows and len(texts) < len(rows[-1]):
                    text = rows[-1][len(texts)]
                across = int(_value(cell.find(f"{W}tcPr/{W}gridSpan")) or 1)
                texts.extend([text, *[""] * (min(across, MAX_SPAN) - 1)])
            rows.append(texts)
        if max(map(len, rows), default=0) == 1:  # a frame around text, not a table
            for row in rows:
                self._writer.paragraph(row[0])
        else:
            self._writer.table(rows)


def _list_formats(document: Document) -> dict[tuple[str, int], str]:
    """The number format ("bullet", "decimal", …) of each list id and level."""
    from docx.opc.constants import RELATIONSHIP_TYPE

    parts = [part for part in document.part.rels.values() if part.reltype == RELATIONSHIP_TYPE.NUMBERING]
    if not parts:
        return {}
    root: Any = document.part.numbering_part.element
    levels: dict[str, dict[int, str]] = {}
    for abstract in root.iter(f"{W}abstractNum"):
        levels[abstract.get(f"{W}abstractNumId", "")] = {
            int(level.get(f"{W}ilvl", "0")): _value(level.find(f"{W}numFmt")) or "bullet"
            for level in abstract.iter(f"{W}lvl")
        }
    return {
        (number.get(f"{W}numId", ""), depth): form
        for number in root.iter(f"{W}num")
        for depth, form in levels.get(_value(number.find(f"{W}abstractNumId")) or "", {}).items()
    }


def _value(element: Any) -> str | None:
    return None if element is None else element.get(f"{W}val")


def _labelled(paragraph: Any, text: str) -> str:
    """A short paragraph all in bold is a heading in all but style; Markdown says so with asterisks."""
    marked = _text(paragraph, bold=True)
    whole = marked.startswith("**") and marked.endswith("**") and marked.count("**") == 2
    return marked if not whole or len(text) <= MAX_LABEL_CHARS else text


def _text(element: Any, bold: bool) -> str:
    """The text of a paragraph as it is shown; with `bold`, bold stretches between `**`."""
    parts: list[tuple[bool, str]] = []
    _collect(element, False, parts)
    joined: list[str] = []
    for at, (is_bold, piece) in enumerate(parts):
        if at and parts[at - 1][0] == is_bold:
            joined[-1] += piece
        else:
            joined.append(piece)
    if not bold:
        return "".join(joined)
    strong = bool(parts) and parts[0][0]
    return "".join(_strong(piece) if (at % 2 == 0) == strong else piece for at, piece in enumerate(joined))


def _strong(text: str) -> str:
    inner = text.strip()
    if not inner or "\n" in inner or "*" in inner:
        return text
    start = text.index(inner)
    return f"{text[:start]}**{inner}**{text[start + len(inner):]}"


def _collect(element: Any, bold: bool, parts: list[tuple[bool, str]]) -> None:
    for child in element:
        if child.tag in OMITTED:
            continue
        if child.tag == f"{W}r":
            mark = child.find(f"{W}rPr/{W}b")
            _collect(child, mark is not None and _value(mark) not in ("0", "false", "off"), parts)
        elif child.tag in (f"{W}t", MATH_TEXT):
            parts.append((bold, child.text or ""))
        elif child.tag == f"{W}tab":
            parts.append((bold, "\t"))
        elif child.tag in (f"{W}br", f"{W}cr"):
            parts.append((bold, "\n"))
        elif child.tag == f"{W}txbxContent":
            for paragraph in child.iter(f"{W}p"):
                parts.append((bold, "\n"))
                _collect(paragraph, bold, parts)
        elif child.tag == f"{W}noBreakHyphen":
            parts.append((bold, "-"))
        else:
            _collect(child, bold, parts)
