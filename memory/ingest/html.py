"""HTML to Markdown-like text, and the writer that makes such text from any source of structure. Knows no files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

HEADINGS = {f"h{level}": level for level in range(1, 7)}
BLOCKS = frozenset((
    "p", "div", "section", "article", "main", "body", "html", "figure", "figcaption", "details", "summary", "hr",
    "address", "form", "fieldset", "legend", "center", "caption", "table", "thead", "tbody", "tfoot", "tr", "td", "th",
    "blockquote", "ul", "ol", "menu", "li", "dl", "dt", "dd", "pre", *HEADINGS,
))
DROPPED = frozenset((
    "script", "style", "noscript", "template", "nav", "footer", "aside", "head", "iframe", "svg", "canvas", "object",
    "audio", "video", "button", "select", "textarea", "dialog",
))
DROPPED_ROLES = frozenset({"navigation", "banner", "contentinfo", "complementary", "search"})
INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
PERMALINKS = frozenset({"¶", "#", "§", "🔗"})
MONOSPACED = frozenset({"code", "kbd", "samp", "tt"})
MARKED = MONOSPACED | {"b", "strong", "sup"}
LANGUAGE = re.compile(r"(?:^|\s)(?:language|lang|highlight)-([\w+#-]+)")
EXPONENT = re.compile(r"[-+\u2212]?\d{1,4}|[a-z]")
LINE_BREAK = "\0"
# What would turn the first words of a line into Markdown structure.
STRUCTURAL = re.compile(r"^(?:#{1,6}(?:\s|$)|>|[-+*](?:\s|$)|=+\s*$|[-_*\s]{2,}$|`{3}|~{3}|<|\[[^\]]*\]:)")
NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
MAX_DEPTH, MAX_SPAN, LAYOUT_CELL_CHARS = 20, 50, 1000


def render_html(source: str) -> tuple[str, str]:
    """The main content of a page as Markdown-like text ("" if there is none), and the page's title ("" if none)."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(source)
    if tree.body is None:
        return "", ""
    renderer = _Renderer(MarkdownWriter())
    renderer.walk(_main_content(tree.body))
    named = tree.css_first("head > title")
    title = named.text() if named is not None else ""
    return renderer.writer.text(), renderer.first_heading or " ".join(title.split())


def _main_content(body: LexborNode) -> LexborNode:
    mains = [node for node in body.css("main, [role=main]") if node.text().strip()]
    if mains:
        return max(mains, key=lambda node: len(node.text()))
    articles = body.css("article")
    content = "p, li, pre, td, h1, h2, h3"
    if len(articles) == 1 and 2 * len(articles[0].css(content)) > len(body.css(content)):
        return articles[0]
    return body


class MarkdownWriter:
    """Collects blocks into Markdown that `parse_markdown` reads back as the same blocks."""

    def __init__(self, escape: bool = True) -> None:
        self._escape = _escaped if escape else str
        self._out: list[str] = []
        # What stands before the first and before the further lines, for each open item and quote.
        self._margin: list[tuple[str, str]] = []
        self._after_item = False

    def text(self) -> str:
        return "\n".join(self._out) + "\n" if self._out else ""

    def heading(self, level: int, text: str) -> None:
        if text.strip():
            self._emit(["#" * min(level, 6) + " " + " ".join(text.split())])

    def paragraph(self, text: str) -> None:
        """`text` may hold newlines (line breaks) and inline markup; what would look like structure is escaped."""
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        if lines:
            self._emit([self._escape(line) for line in lines])

    def code(self, text: str, language: str = "") -> None:
        if text.strip():
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
            self._emit([fence + language, *text.strip("\n").split("\n"), fence])

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Pipe rows; the first row is the header, as Markdown wants one."""
        cells = ([" ".join(text.split()).replace("|", "\\|") for text in row] for row in rows)
        filled = [row for row in cells if any(row)]
        width = max(map(len, filled), default=0)
        lines = ["| " + " | ".join([*row, *[""] * (width - len(row))]) + " |" for row in filled]
        if lines:
            self._emit([lines[0], "|" + " --- |" * width, *lines[1:]])

    def open_item(self, number: int | None = None) -> None:
        marker = "- " if number is None else f"{number}. "
        self._margin.append((marker, " " * len(marker)))

    def open_quote(self) -> None:
        self._margin.append(("> ", "> "))

    def close(self) -> None:
        """Ends the innermost item or quote."""
        self._margin.pop()

    def _emit(self, lines: Sequence[str]) -> None:
        margin = self._margin[:MAX_DEPTH]
        first, rest = ("".join(parts) for parts in zip(*margin, strict=True)) if margin else ("", "")
        starts_item = first != rest
        if self._out and not (starts_item and self._after_item):
            self._out.append("")
        self._margin = [(later, later) for _, later in self._margin]
        self._out += [(first + lines[0]).rstrip(), *((rest + line).rstrip() for line in lines[1:])]
        self._after_item = starts_item


def _escaped(line: str) -> str:
    return "\\" + line if STRUCTURAL.match(line) else NUMBERED.sub(r"\1\\\2", line)


class _Renderer:
    """Walks the tree of a page without recursion, as pages may nest deeper than Python's stack."""

    def __init__(self, writer: MarkdownWriter) -> None:
        self.writer = writer
        self.first_heading = ""
        self._inline: list[str] = []
        self._marks: list[int] = []
        self._numbers: list[int | None] = []
        self._term = ""
        self._in_article = False

    def walk(self, root: LexborNode) -> None:
        self._in_article = root.tag != "body"
        todo: list[tuple[LexborNode, bool]] = [(root, False)]
        while todo:
            node, leaving = todo.pop()
            tag = node.tag or ""
            if node.is_text_node:
                self._inline.append(node.text_content or "")
            elif leaving:
                self._leave(tag)
            elif tag == "header":
                # A page's header is furniture; an article's header holds its name.
                names = node.css("h1, h2, h3, h4, h5, h6") if self._in_article else []
                todo.extend((name, False) for name in reversed(names))
            elif node is not root and _hidden(node, tag):
                continue
            elif not self._whole(node, tag):
                self._enter(node, tag)
                todo.append((node, True))
                todo.extend((child, False) for child in reversed(list(node.iter(include_text=True))))
        self._flush()

    def _whole(self, node: LexborNode, tag: str) -> bool:
        """Handles what is read as a unit; False leaves the node to the walk."""
        if tag == "br":
            self._inline.append(LINE_BREAK)
        elif tag == "pre":
            self._flush()
            found = LANGUAGE.search(" ".join(part.attributes.get("class") or "" for part in [node, *node.css("code")]))
            self.writer.code(node.text().expandtabs(4), found[1] if found else "")
        elif tag == "table" and not _is_layout(node):
            self._flush()
            caption = node.css_first("caption")
            self.writer.paragraph(" ".join(caption.text().split()) if caption is not None else "")
            self.writer.table(_rows(node))
        else:
            return False
        return True

    def _enter(self, node: LexborNode, tag: str) -> None:
        if tag in BLOCKS:
            self._flush()
        if tag == "article":
            self._in_article = True
        elif tag in ("ul", "menu"):
            self._numbers.append(None)
        elif tag == "ol":
            start = node.attributes.get("start") or "1"
            self._numbers.append(int(start) if re.fullmatch(r"\d{1,6}", start) else 1)
        elif tag == "li":
            number = self._numbers[-1] if self._numbers else None
            self.writer.open_item(number)
            if number is not None:
                self._numbers[-1] = number + 1
        elif tag == "dd":
            self.writer.open_item()
            if self._term:
                self._inline.append(f"**{self._term}**: ")
                self._term = ""
        elif tag == "blockquote":
            self.writer.open_quote()
        elif tag in MARKED:
            self._marks.append(len(self._inline))

    def _leave(self, tag: str) -> None:
        if tag in HEADINGS:
            name = self._take().replace("**", "")
            self.first_heading = self.first_heading or name.replace("`", "")
            self.writer.heading(HEADINGS[tag], name)
        elif tag == "dt":
            terms = [self._term, self._take().replace("**", "").replace("\n", " ")]
            self._term = ", ".join(filter(None, terms))
        elif tag in MARKED:
            self._wrap(tag, self._marks.pop())
        elif tag in BLOCKS:
            self._flush()
        if tag in ("ul", "ol", "menu"):
            self._numbers.pop()
        elif tag in ("li", "dd", "blockquote"):
            self.writer.close()
        elif tag == "dl" and self._term:
            self.writer.paragraph(self._term)
            self._term = ""

    def _wrap(self, tag: str, since: int) -> None:
        inner = "".join(self._inline[since:])
        text = inner.strip()
        if not text or LINE_BREAK in text:
            return
        if tag == "sup":  # 2<sup>10</sup> must not become 210
            wrapped = f"^{text}" if EXPONENT.fullmatch(text) else text
        elif tag in MONOSPACED:
            wrapped = text if "`" in text else f"`{text}`"
        else:
            wrapped = text if "**" in text else f"**{text}**"
        self._inline[since:] = [inner.replace(text, wrapped, 1)]

    def _take(self) -> str:
        text = " ".join("".join(self._inline).split())
        self._inline.clear()
        self._marks = [0] * len(self._marks)
        return re.sub(f" ?{LINE_BREAK} ?", "\n", text).strip("\n")

    def _flush(self) -> None:
        self.writer.paragraph(self._take())


def _hidden(node: LexborNode, tag: str) -> bool:
    given = node.attributes
    return (
        tag in DROPPED
        or "hidden" in given
        or given.get("aria-hidden") == "true"
        or (given.get("role") or "") in DROPPED_ROLES
        or bool(INVISIBLE.search(given.get("style") or ""))
        or (tag == "a" and node.text().strip() in PERMALINKS)
        or (tag == "sup" and node.css_first("a") is not None)  # the mark of a footnote
    )


def _is_layout(table: LexborNode) -> bool:
    """Whether a table only places things: it would read badly as rows."""
    return (
        table.attributes.get("role") in ("presentation", "none")
        or table.css_first("table table, h1, h2, h3, pre") is not None
        or max((len(row.css("td, th")) for row in table.css("tr")), default=0) < 2
        or any(len(cell.text()) > LAYOUT_CELL_CHARS for cell in table.css("td, th"))
    )


def _rows(table: LexborNode) -> list[list[str]]:
    """Cell texts; a cell that spans rows is repeated downwards, one that spans columns is padded to the right."""
    rows: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}  # column -> rows still to fill, text
    for row in table.css("tr"):
        texts: list[str] = []
        below: dict[int, tuple[int, str]] = {}
        for cell in row.css("td, th"):
            _fill(texts, hanging, below)
            inner = _Renderer(MarkdownWriter(escape=False))
            inner.walk(cell)
            text = " ".join(inner.writer.text().split())
            left = _span(cell, "rowspan") - 1
            for step in range(_span(cell, "colspan")):
                if left:
                    below[len(texts)] = (left, "" if step else text)
                texts.append("" if step else text)
        _fill(texts, hanging, below)
        rows.append(texts)
        hanging = below
    return rows


def _fill(texts: list[str], hanging: dict[int, tuple[int, str]], below: dict[int, tuple[int, str]]) -> None:
    while len(texts) in hanging:
        left, text = hanging[len(texts)]
        if left > 1:
            below[len(texts)] = (left - 1, text)
        texts.append(text)


def _span(cell: LexborNode, name: str) -> int:
    given = cell.attributes.get(name) or "1"
    return min(max(int(given), 1), MAX_SPAN) if re.fullmatch(r"\d{1,6}", given) else 1
