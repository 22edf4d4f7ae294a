"""Which blocks of the evidence carry the answer: ranks and picks within a budget of words. Knows scores, not phrasing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.evidence import Piece
from agent.screening import is_planted
from agent.sentences import Sentence, content_stems, name_stems, quote, sentences_of
from memory.base import Block
from memory.errata import Errata, Erratum
from memory.ingest.markdown import lead
from memory.passages import block_text

MAX_PIECES = 8
PASSAGE_WEIGHT, SECTION_WEIGHT = 2.0, 1.2
"""Beside a block's own match: its passage's score and the mean match of the blocks under the same heading or label. Four sets of 80
questions cover 85% of their key facts in 210 words with them, 78% by the block alone."""
LENGTH_COST = 0.1
MAX_UNIT_WORDS = 60
MIN_UNIT_WORDS = 3
FLOOR = 0.6
NAME_BONUS = 0.16
ASKED_COST = 0.5
ASKS = re.compile(r"(?i)(?:what|how|why|which|when|where|who|can you|could you|please|explain|is|are|do|does|should|for both)\b")
FURNITURE = re.compile(r"(?i)^\W*(?:sources?|references?|bibliography|further reading|(?:learning )?(?:objectives|goals)|contents)\W*$")
"""Sections that name or announce, and tell nothing."""
ANNOUNCES = re.compile(
    r"(?i)\W*(?:(?:now,? |so,? |okay,? |first,? )?let(?:'|’)?s (?:break|clarify|tackle|explore|dive|delve|look|go|walk|start|discuss"
    r"|examine|unpack|address|compare|summari[sz]e)\b|here(?:'|’)?(?:s| is| are) (?:a|an|the|some) (?:\w+ ){0,2}"
    r"(?:breakdown|overview|summary|list|look|comparison|explanation)\b|you(?:'|’)re (?:right|absolutely right)\b"
    r"|(?:export to sheets|copy code|copy to clipboard|show (?:more|less)|read more|back to top)\W*$)")
"""Sentences that say what comes, and what a page's buttons say."""
MAX_ERRATA = 2
RELEVANT_RANK = 2
MIN_CLEAN_WORDS = 5


@dataclass(frozen=True, eq=False)
class Unit:
    """A contiguous run of one block's sentences: what the answer quotes. `value` orders units."""

    piece: Piece
    block: int
    start: int
    end: int
    plain: str
    value: float

    @property
    def words(self) -> int:
        return len(self.plain.split())

    @property
    def source_block(self) -> Block:
        return self.piece.passage.blocks[self.block]

    @property
    def quote(self) -> str:
        return quote(self.piece.passage, self.start, self.end)


@dataclass(frozen=True)
class Selection:
    """Units in reading order, and the known errors that stand in some of them."""

    units: tuple[Unit, ...]
    errata: tuple[tuple[Erratum, Unit], ...] = ()


def candidates(pieces: Sequence[Piece], query: str) -> list[Unit]:
    """Every block of the best passages as a unit, best first."""
    wanted = content_stems(query)
    units = []
    for piece in sorted(pieces, key=lambda p: -p.score)[:MAX_PIECES]:
        sections: dict[tuple[str, ...], list[float]] = {}
        for block, score in zip(piece.passage.blocks, piece.blocks, strict=False):
            sections.setdefault(block.context, []).append(score)
        by_block: dict[int, list[Sentence]] = {}
        for sentence in sentences_of(piece.passage):
            by_block.setdefault(sentence.block, []).append(sentence)
        for number, sentences in by_block.items():
            block = piece.passage.blocks[number]
            sentences = [sentence for sentence in sentences if not (is_planted(sentence.plain) or ANNOUNCES.match(sentence.plain))]
            if not sentences:
                continue
            if block.kind == "heading" or number >= len(piece.blocks) or any(FURNITURE.match(name) for name in block.context):
                continue
            run = _fit(sentences, wanted)
            text = " ".join(s.plain for s in run)
            if len(text.split()) < MIN_UNIT_WORDS or _label_only(text) or (block.kind == "row" and not parents(block)):
                continue
            named = max((_named(name, wanted) for name in (lead(block_text(piece.passage, block)), *block.context[-1:])), default=0.0)
            section = sections[block.context]
            value = (NAME_BONUS * named + piece.blocks[number] + SECTION_WEIGHT * sum(section) / len(section)
                     + PASSAGE_WEIGHT * piece.score - LENGTH_COST * len(text.split()) / 100 - (ASKED_COST if _asks(text) else 0.0))
            units.append(Unit(piece, number, run[0].start, run[-1].end, text, value))
    return sorted(units, key=lambda unit: (-unit.value, unit.piece.n, unit.block))


def whole_block(piece: Piece, number: int) -> Unit:
    """One block as a unit, whatever it is worth."""
    block = piece.passage.blocks[number]
    return Unit(piece, number, block.start, block.end, block_text(piece.passage, block), 0.0)


def parents(block: Block) -> tuple[str, ...]:
    """The labels of the list items that a block hangs under. Its context leaves out headings that name nothing, so the two
    are matched by the last heading."""
    last = block.heading[-1:]
    if last and last[0] in block.context:
        return block.context[block.context.index(last[0]) + 1 :]
    return block.context[len(block.heading) :]


def _asks(text: str) -> bool:
    """A question in the notes (what the learner once asked) answers none."""
    return bool(ASKS.match(text)) and len(text.split()) < 60 and not text.rstrip().endswith((".", ":"))


def _named(name: str, wanted: frozenset[str]) -> float:
    """How far a label or heading is spoken of in the question: 1 when all of its words are."""
    stems = name_stems(name)
    share = len(stems & wanted) / len(stems) if stems else 0.0
    return share if share >= 0.6 else 0.0


def pick(units: Sequence[Unit], budget: int, errata: Errata) -> Selection:
    """The best units within `budget` words, without repetitions, in reading order.

    A sentence that holds a known error is quoted only when its block is among the best and its correction (whose words
    count) comes with it; elsewhere the rest of its block is quoted without it.
    """
    chosen: list[Unit] = []
    wrong: dict[str, tuple[Erratum, Unit]] = {}
    bags: list[frozenset[str]] = []
    spent = 0
    for rank, unit in enumerate(units):
        if unit.value < FLOOR * units[0].value:
            break
        if spent + unit.words > budget:
            continue
        found = [erratum for erratum in errata.in_text(unit.quote) if erratum.id not in wrong]
        if found and rank < RELEVANT_RANK and len(wrong) + len(found) <= MAX_ERRATA:
            wrong.update((erratum.id, (erratum, unit)) for erratum in found)
            spent += sum(len(f"{e.problem} {e.right} {e.source}".split()) for e in found)
        elif found or errata.in_text(unit.quote):
            rest = _without(unit, errata)
            if rest is None or spent + rest.words > budget:
                continue
            unit = rest
        bag = content_stems(unit.plain)
        if any(len(bag & other) > 0.8 * min(len(bag), len(other)) for other in bags if other and bag):
            continue
        chosen.append(unit)
        bags.append(bag)
        spent += unit.words
    order = {number: rank for rank, number in enumerate(dict.fromkeys(unit.piece.n for unit in chosen))}
    chosen.sort(key=lambda unit: (order[unit.piece.n], unit.start))
    return Selection(tuple(chosen), tuple(wrong.values()))


def _without(unit: Unit, errata: Errata) -> Unit | None:
    """The longest run of the unit's sentences in which no error stands, or None."""
    inside = [s for s in sentences_of(unit.piece.passage) if unit.start <= s.start and s.end <= unit.end]
    best: tuple[int, list[Sentence]] = (0, [])
    for at in range(len(inside)):
        for stop in range(len(inside), at, -1):
            run = inside[at:stop]
            words = sum(len(s.plain.split()) for s in run)
            if words > best[0] and not errata.in_text(quote(unit.piece.passage, run[0].start, run[-1].end)):
                best = (words, run)
    words, run = best
    if words < MIN_CLEAN_WORDS:
        return None
    return replace(unit, start=run[0].start, end=run[-1].end, plain=" ".join(s.plain for s in run))


def _label_only(text: str) -> bool:
    """A heading in disguise ("How they work:"): it announces an answer and holds none."""
    return text.endswith(":") and len(text.split()) <= 12


def _fit(sentences: Sequence[Sentence], wanted: frozenset[str]) -> list[Sentence]:
    """The run of a block's sentences that fits MAX_UNIT_WORDS and shares most with the query; the first by default."""
    if sum(len(s.plain.split()) for s in sentences) <= MAX_UNIT_WORDS:
        return list(sentences)
    best: tuple[float, list[Sentence]] | None = None
    for at in range(len(sentences)):
        run: list[Sentence] = []
        words = 0
        for sentence in sentences[at:]:
            words += len(sentence.plain.split())
            if run and words > MAX_UNIT_WORDS:
                break
            run.append(sentence)
        text = " ".join(s.plain for s in run)
        score = len(content_stems(text) & wanted) + 0.02 * min(len(text.split()), MAX_UNIT_WORDS) - 0.3 * at
        if best is None or score > best[0]:
            best = (score, run)
    return best[1] if best else list(sentences[:1])
