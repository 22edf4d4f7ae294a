"""Readers: every format to text with blocks that fit it, every unreadable file to one sentence that says what to do."""

from __future__ import annotations

import io
import os
import random
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.base import UnreadableDocument
from memory.ingest.readers import ReadDocument, find_files, read_file

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def shown(document: ReadDocument) -> list[tuple[str, str]]:
    """Kind and text of each block."""
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def assert_sound(document: ReadDocument) -> None:
    """Blocks index the text, begin and end on something visible, ascend, and don't overlap."""
    for block in document.blocks:
        raw = document.text[block.start : block.end]
        assert 0 <= block.start < block.end <= len(document.text)
        # A listing keeps the indent of its first line.
        assert raw == (raw.rstrip() if block.kind == "code" else raw.strip()) != ""
    assert all(before.end <= after.start for before, after in pairwise(document.blocks))


# ---- Markdown


def test_front_matter_names_the_document_and_is_no_block(write: Write) -> None:
    document = read_file(write("a.md", "---\ntitle: 'It''s here'\ntags:\n  - x\n---\n\n# Other\n\nBody.\n"))
    assert document.title == "It's here"
    assert document.format == "markdown"
    assert shown(document) == [("heading", "# Other"), ("paragraph", "Body.")]
    assert document.text.startswith("---\ntitle:")


@pytest.mark.parametrize(
    ("line", "title"),
    [('title: "A: \\"b\\""', 'A: "b"'), ("title: Plain # remark", "Plain"), ("title: >\n  Two\n  lines", "Two lines")],
)
def test_title_in_each_yaml_style(write: Write, line: str, title: str) -> None:
    assert read_file(write("a.md", f"---\n{line}\nweight: 3\n---\nBody.\n")).title == title


def test_a_rule_at_the_top_is_no_front_matter(write: Write) -> None:
    document = read_file(write("a.md", "---\nThis is plain prose\n\n---\nMore.\n"))
    assert ("paragraph", "More.") in shown(document)
    assert any("plain prose" in text for _, text in shown(document))


def test_line_ends_and_byte_order_mark_are_normalised(write: Write) -> None:
    document = read_file(write("a.md", b"\xef\xbb\xbf# One\r\n\r\ntwo\rthree\r\n"))
    assert document.text == "# One\n\ntwo\nthree\n"
    assert document.title == "One"


def test_shortcode_lines_and_comments_are_no_blocks(write: Write) -> None:
    source = (
        '<!-- overview -->\n{{< feature-state for_version="1"\n  state="beta" >}}\n\n{{< note >}}\nA note\n'
        'in two lines.\n{{< /note >}}\n\n## Name {#anchor}\n\n{{< tooltip text="Pods" >}}\nare\n'
        '{{< tooltip id="work" >}}\nthat run.\n\n<a id="x"></a>\n'
    )
    document = read_file(write("a.md", source))
    assert shown(document) == [
        ("paragraph", "A note\nin two lines."),
        ("heading", "## Name"),
        ("paragraph", '{{< tooltip text="Pods" >}}\nare\n{{< tooltip id="work" >}}\nthat run.'),
    ]
    assert document.blocks[1].heading == ("Name",)
    assert document.text == source


def test_a_literal_shortcode_is_a_listing(write: Write) -> None:
    source = "Run:\n\n{{< highlight sh >}}\n# no heading\n\n- no item\n{{< /highlight >}}\n\nEnd.\n"
    document = read_file(write("a.md", source))
    assert [kind for kind, _ in shown(document)] == ["paragraph", "code", "paragraph"]


def test_title_falls_back_to_first_heading_then_to_the_name(write: Write) -> None:
    assert read_file(write("a.md", "**Bold line**\n\nx\n\n## Real\n")).title == "Real"
    assert read_file(write("plain-notes.md", "Only prose.\n")).title == "plain-notes"


fragments = st.sampled_from(
    ["# ", "## a {#b}", "\n", "\n\n", "- ", "1. ", "> ", "```", "~~~", "    ", "\t", "| a | b |\n", "|---|---|\n",
     "word ", "**b**", "__", "<!-- c -->", "<div>", "{{< note >}}", "{{< /note >}}", "{{< highlight x >}}",
     "{{< /highlight >}}", "---\n", "===\n", "title: x\n", "[a]: b", "\r", "\x0c", "\u2028", "é", "\\", "`", "* "]
)
markdown = st.one_of(st.lists(fragments, min_size=1, max_size=40).map("".join), st.text(min_size=1, max_size=200))


@pytest.mark.parametrize("suffix", [".md", ".txt", ".html"])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=markdown)
def test_blocks_fit_the_text_whatever_it_is(tmp_path: Path, suffix: str, source: str) -> None:
    path = tmp_path / f"random{suffix}"
    path.write_bytes(source.encode("utf-8", "replace"))
    try:
        document = read_file(path)
    except UnreadableDocument:
        return
    assert_sound(document)


# ---- plain text

MANUAL = """\
=========
The Title
=========

An opening paragraph
over two lines.

First Part
----------

- one item
  that goes on
- second item

  with a second paragraph

  * nested item

Back in prose, since
12. May is a date. Then:
1. first
2. second

1.2 Numbered Section

Run it::

    $ make
        indented

RATE LIMITS
Text right below.

1. Buy milk

2. Buy bread
"""


def test_plain_text_structure(write: Write) -> None:
    document = read_file(write("a.rst", MANUAL))
    assert_sound(document)
    assert (document.title, document.format, document.text) == ("The Title", "text", MANUAL)
    kinds = {text: block for (_, text), block in zip(shown(document), document.blocks, strict=True)}
    assert [text for kind, text in shown(document) if kind == "heading"] == [
        "The Title", "First Part", "1.2 Numbered Section", "RATE LIMITS",
    ]
    assert kinds["- one item\n  that goes on"].heading == ("The Title", "First Part")
    assert kinds["with a second paragraph"].context[-1] == "second item"
    assert (kinds["* nested item"].kind, kinds["* nested item"].depth) == ("item", 2)
    assert kinds["Back in prose, since\n12. May is a date. Then:"].kind == "paragraph"
    assert kinds["    $ make\n        indented"].kind == "code"
    assert kinds["1. first"].kind == kinds["2. Buy bread"].kind == "item"


def test_an_overline_ranks_above_the_same_underline_alone(write: Write) -> None:
    document = read_file(write("a.txt", "====\nBook\n====\n\nPart\n====\n\n1.3 Section\nText.\n"))
    assert document.blocks[-1].heading == ("Book", "Part", "1.3 Section")


def test_unknown_suffix_is_read_as_text_and_a_log_is_kept_as_it_is(write: Write) -> None:
    log = "ERROR\n2024-01-01 start\n2024-01-01 stop\n"
    document = read_file(write("run.log", "one\n" + log))
    assert shown(document) == [("paragraph", ("one\n" + log).strip())]
    assert read_file(write("notes.wiki", "Some text.\n")).format == "text"


# ---- encodings


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8-sig", "Naïve café — 日本"), ("utf-16", "Naïve café — 日本"), ("utf-32", "Naïve café"),
        ("cp1252", "Le modèle entraîné à l’échelle, voilà déjà évalué ; où êtes-vous ? Ça dépend de la mémoire."),
        ("cp1251", "Привет, это заметки о потоках данных и хранилищах признаков для системы."),
        ("shift_jis", "これは機械学習プラットフォームの設計に関するメモです。特徴量ストア。"),
    ],
)
def test_encodings_are_told(write: Write, encoding: str, text: str) -> None:
    assert read_file(write("a.txt", text.encode(encoding))).text == text


def test_html_is_decoded_as_it_declares(write: Write) -> None:
    page = '<html><head><meta charset="iso-8859-15"></head><body><p>It costs 5 €</p></body></html>'
    assert read_file(write("a.html", page.encode("iso-8859-15"))).text == "It costs 5 €\n"


# ---- HTML

PAGE = """\
<html><head><title>Limits | Site</title><style>p {}</style></head><body>
<header><h1>Site name</h1></header><nav><a href="/">Home</a></nav>
<main><article><header><h1>Rate <em>limits</em><a href="#r">¶</a></h1><p>by someone</p></header>
<p>A bucket of 2<sup>10</sup> tokens<sup><a href="#n">1</a></sup> in
 <code>redis</code>, <b>atomic </b>here.<br>Next line</p>
<ul><li>One<ul><li>Inner</li></ul></li><li><p>Two</p><pre><code class="language-python">def f():
    return 1
</code></pre></li></ul>
<ol start="3"><li>three</li></ol>
<table><tr><th>Name</th><th>A|B</th><th>C</th></tr><tr><td rowspan="2">x</td><td>1</td><td rowspan="2">y</td></tr>
<tr><td>-</td></tr></table>
<blockquote><p>Quoted</p></blockquote><dl><dt>Term</dt><dd>Meaning</dd></dl>
<p># no heading</p><p>[1]: http://x</p>
<div hidden>secret</div><p style="display:none">secret</p><aside>secret</aside><script>secret()</script>
</article></main><footer>Foot</footer></body></html>
"""

PAGE_AS_MARKDOWN = """\
# Rate limits

A bucket of 2^10 tokens in `redis`, **atomic** here.
Next line

- One
  - Inner
- Two

  ```python
  def f():
      return 1
  ```

3. three

| Name | A\\|B | C |
| --- | --- | --- |
| x | 1 | y |
| x | - | y |

> Quoted

- **Term**: Meaning

\\# no heading

\\[1]: http://x
"""


def test_html_main_content_as_markdown(write: Write) -> None:
    document = read_file(write("a.html", PAGE))
    assert document.text == PAGE_AS_MARKDOWN
    assert (document.title, document.format) == ("Rate limits", "html")
    assert_sound(document)
    assert [kind for kind, _ in shown(document)] == [
        "heading", "paragraph", "item", "item", "item", "code", "item", "row", "row", "row", "paragraph", "item",
        "paragraph", "paragraph",
    ]


def test_html_title_and_layout_tables(write: Write) -> None:
    page = "<title>The  page</title><table><tr><td><p>One</p><p>Two</p></td></tr></table>"
    document = read_file(write("a.htm", page))
    assert (document.title, document.text) == ("The page", "One\n\nTwo\n")


def test_deep_html_is_read(write: Write) -> None:
    document = read_file(write("a.html", "<div>" * 5000 + "deep" + "<ul><li>x" * 200))
    assert "deep" in document.text
    assert sum(text.count("x") for _, text in shown(document)) == 200


# ---- Word


def zipped(**parts: str | bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return stream.getvalue()


def word_file() -> bytes:
    import docx

    document = docx.Document()
    document.add_heading("The Title", 0)
    document.add_heading("Section", 1)
    document.add_paragraph("Plain and ").add_run("bold").bold = True
    document.add_paragraph().add_run("A label").bold = True
    document.add_paragraph("one", style="List Bullet")
    document.add_paragraph("inner", style="List Bullet 2")
    document.add_paragraph("first", style="List Number")
    document.add_paragraph("second", style="List Number")
    table = document.add_table(2, 2)
    for row in range(2):
        for column in range(2):
            table.cell(row, column).text = f"c{row}{column}"
    document.add_heading("Deeper", 2)
    document.add_paragraph("- no item")
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


WORD_AS_MARKDOWN = """\
# The Title

# Section

Plain and **bold**

**A label**

- one
  - inner
1. first
2. second

| c00 | c01 |
| --- | --- |
| c10 | c11 |

## Deeper

\\- no item
"""


def test_word_in_document_order(write: Write) -> None:
    document = read_file(write("a.docx", word_file()))
    assert document.text == WORD_AS_MARKDOWN
    assert (document.title, document.format) == ("The Title", "docx")
    assert_sound(document)
    assert document.blocks[-1].heading == ("Section", "Deeper")


def altered_word_file(part: str, old: str, new: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(word_file())) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts[part].decode()
    return zipped(**parts | {part: parts[part].decode().replace(old, new).encode()})


def test_word_tracked_changes_read_as_accepted(write: Write) -> None:
    content = altered_word_file(
        "word/document.xml",
        "<w:t>- no item</w:t></w:r>",
        "<w:t>kept</w:t></w:r><w:ins><w:r><w:t> added</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText> dropped</w:delText></w:r></w:del>"
        "<w:moveFrom><w:r><w:t> moved</w:t></w:r></w:moveFrom>",
    )
    assert read_file(write("a.docx", content)).text.endswith("\nkept added\n")


# ---- PDF


def pdf_file(*pages: str, fonts: str = "/F1 5 0 R /F2 6 0 R /F3 7 0 R", title: str = "") -> bytes:
    """A PDF of these content streams: F1 is Helvetica, F2 its bold, F3 Courier."""
    kids = " ".join(f"{10 + 2 * at} 0 R" for at in range(len(pages)))
    objects = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>",
        3: f"<< /Title ({title}) >>",
        4: f"<< /Font << {fonts} >> >>",
        5: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        6: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
        7: "<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
    }
    for at, content in enumerate(pages):
        objects[10 + 2 * at] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources 4 0 R /Contents {11 + 2 * at} 0 R >>"
        )
        objects[11 + 2 * at] = f"<< /Length {len(content.encode())} >>\nstream\n{content}\nendstream"
    out, offsets = b"%PDF-1.4\n", {}
    for number, content in objects.items():
        offsets[number] = len(out)
        out += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{number} 1\n{offset:010d} 00000 n \n" for number, offset in offsets.items())
    trailer = f"trailer << /Size {max(objects) + 1} /Root 1 0 R /Info 3 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + f"xref\n0 1\n0000000000 65535 f \n{table}{trailer}".encode()


def line(text: str, y: float, font: str = "F1", size: float = 11, x: float = 72) -> str:
    return f"BT /{font} {size} Tf {x} {y} Td ({text}) Tj ET"


def manual_page(number: int, *lines: str) -> str:
    return "\n".join([line("The Handbook", 760, size=9), *lines, line(f"Page {number} of 3", 40, size=9)])


def test_pdf_paragraphs_headings_items_and_listings(write: Write) -> None:
    pages = (
        manual_page(
            1, line("Queues", 720, "F2", 18),
            line("A queue decouples produ-", 690), line("cers from consumers, in a well-", 677),
            line("known way.", 664),
            line("A second paragraph is well-known", 638), line("as such and goes on", 625),
        ),
        manual_page(
            2, line("over the page.", 720), line("Kinds", 690, "F1", 14), line("\\225 bounded queues", 664),
            line("that block", 651, x=84), line("\\225 unbounded queues", 638),
        ),
        manual_page(
            3, line("for item in queue:", 720, "F3", 10), line("handle\\(item\\)", 708, "F3", 10, 96),
            line("End.", 670),
        ),
    )
    document = read_file(write("a.pdf", pdf_file(*pages)))
    assert_sound(document)
    assert shown(document) == [
        ("heading", "Queues"),
        ("paragraph", "A queue decouples producers from consumers, in a well-known way."),
        ("paragraph", "A second paragraph is well-known as such and goes on over the page."),
        ("heading", "Kinds"),
        ("item", "- bounded queues that block"),
        ("item", "- unbounded queues"),
        ("code", "for item in queue:\n    handle(item)"),
        ("paragraph", "End."),
    ]
    assert (document.title, document.format) == ("Queues", "pdf")
    assert document.blocks[-1].heading == ("Queues", "Kinds")


NINE = ("ash", "beech", "cedar", "elm", "fir", "hazel", "larch", "oak", "pine")


@pytest.mark.parametrize(
    "running",
    [
        lambda at: ("Handbook", 760 - at) if at < 5 else ("", 760),
        lambda at: (f"Part {'ABC'[at // 3]}", 760),
        lambda at: (f"On {NINE[at]} {at + 3}", 760),
    ],
    ids=["on most pages", "at one height of some", "with the page number"],
)
def test_pdf_running_lines_are_dropped(write: Write, running: Callable[[int], tuple[str, int]]) -> None:
    def page(at: int) -> str:
        text, y = running(at)
        body = [line(f"The {NINE[at]} stands {where}.", height) for where, height in (("here", 700), ("there", 640))]
        return "\n".join([line(text, y), *body])

    document = read_file(write("a.pdf", pdf_file(*map(page, range(9)))))
    assert [text for _, text in shown(document)] == [
        f"The {tree} stands {where}." for tree in NINE for where in ("here", "there")
    ]


def test_pdf_title_from_its_properties_unless_it_is_a_file_name(write: Write) -> None:
    page = line("Heading", 700, "F2", 18) + line("Body text that is longer.", 660)
    assert read_file(write("a.pdf", pdf_file(page, title="Named"))).title == "Named"
    assert read_file(write("b.pdf", pdf_file(page, title="Microsoft Word - x.docx"))).title == "Heading"


def encrypted_pdf(user_password: str) -> bytes:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf_file(line("Guarded words", 700)))))
    writer.encrypt(user_password, "owner", algorithm="RC4-128")
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def test_pdf_is_told_by_its_first_bytes_where_the_suffix_is_unknown(write: Write) -> None:
    assert read_file(write("paper", pdf_file(line("Words", 700)))).format == "pdf"


def test_pdf_that_only_forbids_printing_is_read(write: Write) -> None:
    assert "Guarded words" in read_file(write("a.pdf", encrypted_pdf(""))).text


# ---- what can't be read


UNREADABLE: list[tuple[str, bytes, str]] = [
    ("empty.md", b"", "is empty"),
    ("blank.txt", " \n\t\n".encode("utf-16"), "is empty"),
    ("blank.md", b"\xef\xbb\xbf\r\n \n", "is empty"),
    ("picture.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
    ("noise.foo", random.Random(7).randbytes(3000), "binary"),
    ("control.md", b"a\x01\x02\x03b" * 50, "binary"),
    ("short.txt", "caf\xe9".encode("latin-1"), "encoding"),
    ("broken16.txt", b"\xff\xfea\0b", "broken at byte"),
    ("old.doc", b"\xd0\xcf\x11\xe0", ".doc file"),
    ("rich.rtf", b"{\\rtf1 x}", "save it as .docx or PDF"),
    ("locked.pdf", encrypted_pdf("secret"), "protected by a password"),
    ("cut.pdf", pdf_file(line("Words", 700))[:300], "damaged"),
    ("no.pdf", b"just words", "damaged or no PDF"),
    ("scan.pdf", pdf_file("0 0 612 792 re f", "0 0 612 792 re f"), "only pictures of its 2 pages"),
    ("cut.docx", word_file()[:2000], "damaged"),
    ("no.docx", zipped(a="x"), "damaged or no Word document"),
    ("loose.docx", altered_word_file("_rels/.rels", "Target=", "Lost="), "damaged or no Word document"),
    ("untagged.docx", altered_word_file("word/document.xml", "</w:body>", ""), "damaged or no Word document"),
    ("locked.docx", b"\xd0\xcf\x11\xe0" + b"\0" * 600, "protected by a password"),
    ("bare.html", b"<html><nav>Home</nav><script>x()</script></html>", "no text"),
]


@pytest.mark.parametrize(("name", "content", "reason"), UNREADABLE, ids=[name for name, _, _ in UNREADABLE])
def test_unreadable_files_say_so_in_one_sentence(
    write: Write, caplog: pytest.LogCaptureFixture, name: str, content: bytes, reason: str
) -> None:
    path = write(name, content)
    with pytest.raises(UnreadableDocument) as caught:
        read_file(path)
    sentence = str(caught.value)
    assert reason in sentence
    assert str(path) in sentence
    assert sentence.endswith(".")
    assert ". " not in sentence
    assert "\n" not in sentence
    assert caplog.messages == [], "the libraries keep what they think of it to themselves"


def test_a_large_file_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "large.md"
    with path.open("wb") as stream:
        stream.truncate(100_000_000)  # sparse: all NULs, so that reading it would call it binary
    with pytest.raises(UnreadableDocument, match=r"too large \(100\.0 MB, at most 20 MB"):
        read_file(path)
    path.write_text("12345")
    with pytest.raises(UnreadableDocument, match="too large"):
        read_file(path, limit_bytes=4)
    assert read_file(path, limit_bytes=5).text == "12345"


def test_a_word_file_that_unpacks_to_too_much_is_refused(write: Write) -> None:
    bomb = bytearray(zipped(document="x"))
    declared = bomb.index(b"PK\x01\x02") + 24  # the unpacked size in the archive's directory
    bomb[declared : declared + 4] = (401_000_000).to_bytes(4, "little")
    with pytest.raises(UnreadableDocument, match="unpacks to more than 400 MB"):
        read_file(write("bomb.docx", bytes(bomb)))


@contextmanager
def as_nobody() -> Iterator[None]:
    """The superuser may read everything, so that the tests step down for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_paths_that_lead_to_no_file(tmp_path: Path, write: Write) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "loop.md").symlink_to(tmp_path / "loop.md")
    for path, reason in (
        (tmp_path / "gone.md", "does not exist"),
        (write("file.md", "x") / "below.md", "does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe.md", "pipe"),
        (tmp_path / "loop.md", "symbolic link"),
        (tmp_path / ("x" * 300), "too long"),
        (Path("a\0b.md"), "no path"),
    ):
        with pytest.raises(UnreadableDocument, match=reason):
            read_file(path)


def test_a_forbidden_file_says_so(write: Write) -> None:
    path = write("secret.md", "x")
    path.chmod(0)
    with as_nobody(), pytest.raises(UnreadableDocument, match="may not be read by this user"):
        read_file(path)


# ---- folders


def names(*paths: Path) -> list[str]:
    return [name for _, name in find_files(list(paths))]


def test_folders_are_walked_in_order_without_what_is_no_document(tmp_path: Path, write: Write) -> None:
    for name in (
        "b.md", "a/z.TXT", "a/deep/c.html", "README", "code.py", ".hidden.md", ".git/x.md", "node_modules/y.md",
        "a/__pycache__/z.md", "pic.PNG", "data.json", "x.zip", "old.doc",
    ):
        write(name, "text")
    write("blob.unknown", b"\0\1\2")
    write("wide.unknown", "wide".encode("utf-16"))
    assert names(tmp_path) == ["README", "a/deep/c.html", "a/z.TXT", "b.md", "code.py", "wide.unknown"]
    assert dict(find_files([tmp_path]))[tmp_path / "a" / "deep" / "c.html"] == "a/deep/c.html"


def test_files_named_directly_keep_their_names_and_come_once(tmp_path: Path, write: Write) -> None:
    note, picture = write("x/.note.md", "text"), write("pic.png", b"\0")
    assert find_files([note, picture, note]) == [(note, ".note.md"), (picture, "pic.png")]
    assert names(tmp_path / "x" / ".." / "x" / ".note.md") == [".note.md"]


def test_links_are_followed_once_and_loops_end(tmp_path: Path, write: Write) -> None:
    write("notes/a.md", "text")
    outside = write("outside/b.md", "text").parent
    notes = tmp_path / "notes"
    (notes / "loop").symlink_to(notes, target_is_directory=True)
    (notes / "again.md").symlink_to(notes / "a.md")
    (notes / "dangling.md").symlink_to(tmp_path / "gone.md")
    (notes / "more").symlink_to(outside, target_is_directory=True)
    (outside / "back").symlink_to(notes, target_is_directory=True)
    assert names(notes) == ["a.md", "more/b.md"]


def test_folders_with_nothing_to_read_and_missing_paths(tmp_path: Path, write: Write) -> None:
    write("pics/a.png", b"\0")
    with pytest.raises(UnreadableDocument, match="holds no file that can be read"):
        find_files([tmp_path / "pics"])
    with pytest.raises(UnreadableDocument, match="does not exist"):
        find_files([tmp_path / "gone"])


def test_a_forbidden_folder_is_reported(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = write("closed/a.md", "text").parent
    write("b.md", "text")
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)  # from here, no folder above needs to be passable
    closed.chmod(0)
    try:
        with as_nobody():
            found = find_files([Path()])
            assert [name for _, name in found] == ["b.md", "closed"]
            with pytest.raises(UnreadableDocument, match="may not be read by this user"):
                read_file(found[1][0])
            with pytest.raises(UnreadableDocument, match="may not be read by this user"):
                find_files([Path("closed")])
    finally:
        closed.chmod(0o755)
