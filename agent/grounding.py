"""Grounding: which sentence rests on which verbatim span, what rests on none, where each number comes from.

Knows text and passages; doesn't know which model wrote a draft, so every draft is treated alike. A sentence is grounded
when it stands in a passage word for word, or when a span holds nearly all of its content words, all of its numbers and
the same polarity. That is strict on purpose: a paraphrase that strays is dropped rather than believed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.events import Citation, Correction, NumberTag
from agent.evidence import Piece
from agent.screening import is_planted
from agent.sentences import NUMBER, content_stems, negated, normal, numbers_in, quote, sentences_of, shown_in
from agent.shortening import shortens, without_place

MARK = re.compile(r"\s*\[(\d{1,3})\]")
LABEL = re.compile(r"^\*\*[^*]{1,120}\*\*\s+—\s+")
LIST_MARK = re.compile(r"^\s*(?:[*+-]|\d+[.)])\s+")
PIECES = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!vs\.)(?<!etc\.)(?<!\d\.)((?:\s*\[\d{1,3}\])*)\s+(?=[A-Z\"'(*_`])")
BREAK = re.compile(r"(?:^|[.!?:;|*_)\]—–-])\s*$")
"""What a part of a span may begin after: a label or another sentence."""
DENIED = re.compile(r"(?i)\b(?:myth|misconception|wrong|untrue|false|not true) (?:is )?(?:that|to (?:say|think|believe))\b")
MIN_COVERED = 0.75
LOOSE_COVERED = 0.6
MIN_CLAIM_STEMS = 2

# Sentences that claim nothing about the subject: talk about the material or to the learner.
TALK = re.compile(
    r"(?i)^(?:\W*)(?:your notes|the notes|the course|neither|i (?:found|could|can|couldn't|can't|don't|did)|"
    r"here (?:is|are)|in your notes|from (?:your|the) (?:notes|course)|correct(?:ion|ed below)|note:|sources?:|computed|"
    r"assum(?:ed|ing|ptions?)|would you|do you|what |which |how |why |try |tell me|let's|good|right|"
    r"partly right|not quite|missing from your answer|the passage says|well done)")


@dataclass(frozen=True)
class Support:
    """The span a sentence rests on."""

    piece: Piece
    start: int
    end: int


@dataclass
class Grounded:
    """A draft after grounding. `text` has marks [1]… that index `citations`; `unsupported` lists the sentences that were
    taken out; `confidence` is the grounded share of all that was claimed (1.0 when nothing was)."""

    text: str
    citations: list[Citation] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)
    confidence: float = 1.0
    claims: int = 0


def ground(draft: str, pieces: Sequence[Piece], computed: Sequence[str] = (), question: str = "", *, close: bool = False) -> Grounded:
    """Keeps the sentences that rest on a passage (or on a tool's result, or claim nothing), gives each its mark, and
    takes the rest out. `computed` are the texts of tool results; `close` is for writers that mix up what they copy: a sentence
    must then tell a span in the span's own words and order."""
    cited: dict[tuple[str, int, int], int] = {}
    out = Grounded("")
    kept_claims = 0
    kept_lines = []
    lines = draft.split("\n")
    for number, line in enumerate(lines):
        lead = LIST_MARK.match(line)
        prefix, body = (lead[0], line[lead.end() :]) if lead else ("", line)
        if _is_table_head(lines, number):
            kept_lines.append(line)
            continue
        kept: list[tuple[str, Support | None]] = []
        for sentence, marks in sentences_in(body):
            verdict = _verdict(sentence, marks, pieces, computed, question, close)
            if verdict is None:
                kept.append((sentence, None))
                continue
            out.claims += 1
            if not verdict:
                out.unsupported.append(sentence)
                continue
            kept_claims += 1
            kept.append((sentence, verdict[0]))
        if kept or not body.strip():
            kept_lines.append(prefix + _with_marks(_joined(kept), cited, out.citations))
    out.text = re.sub(r"\n{3,}", "\n\n", "\n".join(kept_lines)).strip()
    out.confidence = kept_claims / out.claims if out.claims else 1.0
    return out


def find_support(sentence: str, pieces: Sequence[Piece], preferred: Sequence[int] = (), *, close: bool = False) -> Support | None:
    """The span that a sentence rests on, or None. Passages whose number the sentence cites are tried first."""
    wanted = normal(sentence)
    ordered = [*(p for p in pieces if p.n in preferred), *(p for p in pieces if p.n not in preferred)]
    for piece in ordered:
        exact = _exact(wanted, piece)
        if exact:
            return exact
    if close:
        return _shortened(sentence, ordered)
    stems, numbers = content_stems(sentence), numbers_in(sentence)
    if len(stems) < MIN_CLAIM_STEMS:
        return None
    best: tuple[float, Support] | None = None
    for piece in ordered:
        heading = content_stems(" ".join(piece.passage.heading))
        spans = sentences_of(piece.passage)
        for at, span in enumerate(spans):
            for stop in (at, at + 1):
                if stop >= len(spans) or (stop > at and spans[stop].block != span.block):
                    continue
                text = " ".join(s.plain for s in spans[at : stop + 1])
                own = content_stems(text)
                covered = len(stems & (own | heading)) / len(stems)
                direct = len(stems & own) / len(stems)
                if covered < MIN_COVERED or direct < LOOSE_COVERED or not numbers <= numbers_in(text):
                    continue
                if negated(sentence) != negated(text) or bool(DENIED.search(sentence)) != bool(DENIED.search(text)):
                    continue
                score = direct - 0.01 * (stop - at) + (0.05 if piece.n in preferred else 0.0)
                if best is None or score > best[0]:
                    best = (score, Support(piece, span.start, spans[stop].end))
    return best[1] if best else None


def tag_numbers(text: str, citations: Sequence[Citation], computed: Sequence[str], given: str,
                corrections: Sequence[Correction] = ()) -> list[NumberTag]:
    """Where each number of the answer comes from: a tool, a quote or a correction's source, the learner, or nowhere."""
    tags: list[NumberTag] = []
    seen: set[str] = set()
    body = MARK.sub("", text)
    body = "\n".join(LIST_MARK.sub("", line) for line in body.split("\n"))
    said = numbers_in(given)
    results = [(at, numbers_in(result)) for at, result in enumerate(computed, 1)]
    for found in NUMBER.findall(body):
        key = next(iter(numbers_in(found)), found)
        if key in seen:
            continue
        seen.add(key)
        step = next((at for at, values in results if shown_in(key, values)), None)
        source = next((c.n for c in citations if key in numbers_in(c.quote)), None)
        if step is not None:
            tags.append(NumberTag(text=found, kind="computed", ref=f"step {step}"))
        elif source is not None:
            tags.append(NumberTag(text=found, kind="cited", ref=f"[{source}]"))
        elif (erratum := next((c for c in corrections if key in numbers_in(f"{c.problem} {c.right} {c.source}")), None)) is not None:
            tags.append(NumberTag(text=found, kind="cited", ref=erratum.source))
        elif key in said:
            tags.append(NumberTag(text=found, kind="given"))
        else:
            tags.append(NumberTag(text=found, kind="unsupported"))
    return tags


def _joined(kept: Sequence[tuple[str, Support | None]]) -> list[tuple[str, Support | None]]:
    """Sentences that follow each other in one passage share one span and one mark."""
    out: list[tuple[str, Support | None]] = []
    for text, support in kept:
        if out and support is not None and (last := out[-1][1]) is not None and last.piece.n == support.piece.n:
            gap = last.piece.passage.text[last.end - last.piece.passage.start : support.start - last.piece.passage.start]
            if support.start >= last.end and not gap.strip(" \n"):
                out[-1] = (f"{out[-1][0]} {text}", Support(last.piece, last.start, support.end))
                continue
        out.append((text, support))
    return out


def _with_marks(kept: Sequence[tuple[str, Support | None]], cited: dict[tuple[str, int, int], int], citations: list[Citation]) -> str:
    parts = []
    for text, support in kept:
        if support is None:
            parts.append(text)
            continue
        number = cited.setdefault((support.piece.passage.id, support.start, support.end), len(cited) + 1)
        if number > len(citations):
            citations.append(_citation(number, support))
        parts.append(_marked(text, f"[{number}]"))
    return " ".join(parts)


def _is_table_head(lines: Sequence[str], number: int) -> bool:
    """A header row or the line under it: names of columns claim nothing."""
    rule = re.compile(r"^\s*\|?[\s:|-]*-[\s:|-]*\|?\s*$")
    below = lines[number + 1] if number + 1 < len(lines) else ""
    return lines[number].lstrip().startswith("|") and bool(rule.match(lines[number]) or rule.match(below))


def _marked(sentence: str, marks: str) -> str:
    # In a table the mark goes into the last cell, or the row would grow a column.
    return f"{sentence.rstrip(' |')} {marks} |" if sentence.startswith("|") else f"{sentence}{marks}"


def _verdict(sentence: str, marks: Sequence[int], pieces: Sequence[Piece], computed: Sequence[str], question: str,
             close: bool) -> list[Support] | None:
    """None: claims nothing (or a tool said it). Empty: claims something that nothing supports."""
    if not content_stems(sentence) or sentence.lstrip().startswith(("```", "|--", "| --", "|:-", "---", "#")):
        return None
    if any(normal(sentence) in normal(result) or _computed(sentence, result) for result in computed):
        return None
    # A label in front ("**Scheduler** — …") names what the sentence is about; the sentence itself has to be supported.
    body = LABEL.sub("", sentence)
    support = find_support(without_place(body, question) if close else body, pieces, marks, close=close)
    if support is not None and not is_planted(sentence):
        return [support]
    bare = sentence.strip().rstrip("*_:")
    label = bare.startswith(("**", "_", "*")) and len(bare.split()) <= 8 and not re.search(r"[.!?]", bare.strip("*_ "))
    if label or sentence.rstrip().endswith(("?", ":")):
        return None
    if TALK.match(sentence) and not numbers_in(sentence) - numbers_in(question):
        return None
    return []


def _computed(sentence: str, result: str) -> bool:
    """A sentence that restates a tool's result: all its numbers are there, and it has some."""
    numbers = numbers_in(sentence)
    return bool(numbers) and all(shown_in(number, numbers_in(result)) for number in numbers)


def _exact(wanted: str, piece: Piece) -> Support | None:
    if not wanted:
        return None
    spans = sentences_of(piece.passage)
    for at, span in enumerate(spans):
        text = normal(span.plain)
        if text == wanted:
            return Support(piece, span.start, span.end)
        # A sentence may lack the bold label that opens its list item, or be several sentences of one block.
        if text.endswith(wanted) and len(wanted.split()) >= 4:
            raw = quote(piece.passage, span.start, span.end)
            offset = _offset_of(raw, wanted)
            if not BREAK.search(raw[:offset]):
                continue  # the tail of "it is a myth that …" isn't what was said
            return Support(piece, span.start + offset, span.end)
        if wanted.startswith(text) and len(wanted) > len(text):
            joined, stop = text, at
            while stop + 1 < len(spans) and spans[stop + 1].block == span.block and len(joined) < len(wanted):
                stop += 1
                joined = normal(" ".join(s.plain for s in spans[at : stop + 1]))
            if joined == wanted:
                return Support(piece, span.start, spans[stop].end)
    return None


def _shortened(sentence: str, pieces: Sequence[Piece]) -> Support | None:
    """The first span, one sentence before two, that the sentence only shortens."""
    for longer in (0, 1):
        for piece in pieces:
            spans = sentences_of(piece.passage)
            for first, last in zip(spans, spans[longer:], strict=False):
                block = piece.passage.blocks[first.block]
                if last.block != first.block or block.kind in ("heading", "code"):
                    continue
                label = "" if block.kind != "item" else next(iter(block.context[len(block.heading) :][-1:]), "")
                text = first.plain if last is first else f"{first.plain} {last.plain}"
                if shortens(sentence, text, label):
                    return Support(piece, first.start, last.end)
    return None


def _offset_of(raw: str, wanted: str) -> int:
    """Where, in raw Markdown, the part begins whose normal form is `wanted`."""
    starts = [match.start() for match in re.finditer(r"\S+", raw)]
    return next((at for at in starts if normal(raw[at:]) == wanted), 0)


def _citation(number: int, support: Support) -> Citation:
    passage = support.piece.passage
    return Citation(n=number, document=passage.document, heading=list(passage.heading), chunk_id=passage.id,
                    start=support.start, end=support.end, quote=quote(passage, support.start, support.end),
                    source=passage.source)


def sentences_in(line: str) -> list[tuple[str, list[int]]]:
    """Sentences of one line of a draft, without their marks, and the passage numbers that they cite."""
    if line.lstrip().startswith("|"):
        parts = [line]
    else:
        parts, at = [], 0
        for match in PIECES.finditer(line):
            parts.append(line[at : match.start()] + match[1])
            at = match.end()
        parts.append(line[at:])
    out = []
    for part in parts:
        marks = [int(number) for number in MARK.findall(part)]
        text = MARK.sub("", part).strip()
        if text:
            out.append((text, marks))
    return out
