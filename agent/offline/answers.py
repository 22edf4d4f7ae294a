"""Drafts out of passages: an explanation, a definition, a list, a comparison. Knows units, not the loop."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from agent.aspects import ASPECTS
from agent.evidence import Piece, Shelf
from agent.offline import phrases
from agent.offline.claims import opening
from agent.offline.compose import named_points, points, render
from agent.offline.conversation import Conversation, found_pieces
from agent.offline.draft import Draft
from agent.offline.judge import preferred_source
from agent.offline.listing import siblings
from agent.offline.select import Selection, Unit, candidates, pick
from agent.offline.understand import Understanding
from agent.sentences import content_stems, name_stems
from memory.base import Source
from memory.errata import Errata
from memory.ingest.markdown import lead

BUDGET_WORDS = 193
SHORT_WORDS = 60
SIDE_WORDS = 55
ROW_WORTH = 0.5
TOLD_COST, SPOKEN_OF = 0.3, 0.3
"""In a follow-up question, beside a unit's value of about 3: what having been told costs, and what holding its words is worth."""
ENUMERATES = re.compile(r"(?i)\bsteps?\b|\bstages?\b|\bparts?\b")
EXAMPLE = re.compile(r"(?i)\be\.g\.|for example|for instance|such as|example")
# "[Label:] A watermark is a …": the subject, and then what kind of thing it is.
DEFINES = re.compile(r"^(?:[^.:]{2,60}: )?(?:an? |the )?(?P<subject>[^.,:;]{2,70}?) (?:is|are|refers to|means|stands for) (?:an? |the |when |where |how )?\w")


@dataclass(frozen=True)
class Written:
    """Text with the units it quotes; `names` are what "the second point" counts."""

    text: str
    selection: Selection
    names: tuple[str, ...]


def answer_draft(look: Understanding, talk: Conversation, found: Sequence[Piece], shelf: Shelf, errata: Errata, wanted: str,
                 subject: str) -> Draft:
    """The answer that the passages carry. `wanted` is the query as the material spells it, `subject` the topic with its acronyms
    spelt out."""
    source = preferred_source(found)
    usable = [piece for piece in found if piece.passage.source == source]
    used = set(look.resolved.past.used) if look.intent == "continue" and look.resolved.past else set()
    if look.intent == "compare":
        written = _compared(look, talk, shelf, source, errata)
    else:
        written = _told(look, usable, used, shelf, errata, wanted, subject)
    context = {"topic": look.topic, "query": look.query}
    units, flaws = written.selection.units, written.selection.errata
    if not units and not flaws:
        return Draft(phrases.NOTHING_TO_CONTINUE, "clarify", context=context) if used else Draft(phrases.NOTHING, "abstained", context=context)
    in_notes_too = any(piece.passage.source == "notes" for piece in found)
    text = f"{phrases.COURSE_ONLY}\n\n{written.text}" if source == "course" and in_notes_too else written.text
    if look.intent == "claim":
        text = f"{opening(look.resolved.point, look.topic, found, bool(errata.in_question(look.question)))}\n\n{text}"
    # "And the third one?" after "the second one" still counts the list that was meant first.
    names = look.resolved.past.points if look.resolved.kind == "ordinal" and look.resolved.past and look.resolved.past.points else written.names
    return Draft(text, "answered", _next_question(look, units, usable), {
        **context, "points": list(names), "used": [*used, *(_key(unit) for unit in units)],
        "errata": [[erratum.id, unit.piece.n, unit.start, unit.end] for erratum, unit in flaws]})


def _told(look: Understanding, usable: Sequence[Piece], used: Collection[str], shelf: Shelf, errata: Errata, wanted: str,
          subject: str) -> Written:
    units = [unit for unit in candidates(usable, wanted) if _key(unit) not in used]
    if look.resolved.kind == "follow_up" and look.resolved.past is not None:
        units = _fresh(units, look, frozenset(look.resolved.past.used))
    first: list[Unit] = []
    names: tuple[str, ...] = ()
    if look.intent == "list" or ENUMERATES.search(look.question):
        first = [unit for unit in siblings(usable, wanted, shelf, BUDGET_WORDS) if _key(unit) not in used]
        names = tuple(points([unit for unit in first if unit.source_block.depth == first[0].source_block.depth]))
    elif look.intent == "define":
        first = [unit for unit in units if _defines(unit, content_stems(look.topic), content_stems(subject))][:1]
    if look.resolved.kind == "example":
        units.sort(key=lambda unit: not EXAMPLE.search(unit.plain))
    top = units[0].value if units else 1.0
    keys = {_key(unit) for unit in first}
    ranked = [replace(unit, value=top) for unit in first] + [unit for unit in units if _key(unit) not in keys]
    selection = pick(ranked, SHORT_WORDS if look.intent == "shorter" else BUDGET_WORDS, errata)
    if look.intent == "define" and keys:
        # Whatever stands before it in the document, the definition comes first.
        selection = replace(selection, units=tuple(sorted(selection.units, key=lambda unit: _key(unit) not in keys)))
    return Written(render(selection.units, {unit for _, unit in selection.errata}), selection, names or tuple(named_points(selection.units)))


def _fresh(units: Sequence[Unit], look: Understanding, told: frozenset[str]) -> list[Unit]:
    """Units with those last that were told already and hold no word of the new question: it asks for something else."""
    asked = content_stems(look.question) - content_stems(look.topic) - ASPECTS
    topic = content_stems(look.topic)
    weighed = [replace(unit, value=unit.value + SPOKEN_OF * _share(asked, content_stems(unit.plain))
                       + SPOKEN_OF / 2 * _share(topic, content_stems(" ".join([unit.plain, *unit.source_block.context])))
                       - (TOLD_COST if _key(unit) in told and not asked & content_stems(unit.plain) else 0.0)) for unit in units]
    return sorted(weighed, key=lambda unit: -unit.value)


def _compared(look: Understanding, talk: Conversation, shelf: Shelf, source: Source, errata: Errata) -> Written:
    """What the question's own search found, completed by each side's search where that side is missing; then sorted by which of
    the two a block is about."""
    a, b = (content_stems(side) for side in look.sides)

    def about(unit: Unit) -> frozenset[str]:
        # A heading that names both sides says nothing about which of them a block is about.
        own = [name for name in unit.source_block.context if not (a & content_stems(name) and b & content_stems(name))]
        return content_stems(unit.plain) | content_stems(" ".join(own))

    def found_by(query: str) -> list[Unit]:
        units = candidates([piece for piece in found_pieces(talk, shelf, query) if piece.passage.source == source], look.query)
        # The row of a table that is about the aspect asked for compares both sides in one line.
        weighed = [replace(unit, value=unit.value + (ROW_WORTH if _row_name(unit) & content_stems(look.query) else 0.0)) for unit in units]
        return sorted(weighed, key=lambda unit: -unit.value)

    main = found_by(look.query)
    selections = [pick(main, BUDGET_WORDS, errata)]
    lacking = [side for side, stems in zip(look.sides, (a, b), strict=True)
               if not any(_share(stems, about(unit)) > 0.5 for unit in selections[0].units)]
    if lacking:
        selections = [pick(main, BUDGET_WORDS - SIDE_WORDS * len(lacking), errata)]
        known = {_key(unit) for unit in selections[0].units}
        for side in lacking:
            more = [unit for unit in found_by(side) if _key(unit) not in known and _share(content_stems(side), about(unit)) > 0.5]
            selections.append(pick(more, SIDE_WORDS, errata))
    groups: dict[str, list[Unit]] = {"": [], **{side: [] for side in look.sides}}
    for unit in (unit for selection in selections for unit in selection.units):
        in_a, in_b = _share(a - b, about(unit)), _share(b - a, about(unit))
        both = unit.source_block.kind == "row" or in_a == in_b
        groups["" if both else look.sides[0] if in_a > in_b else look.sides[1]].append(unit)
    flaws = tuple({erratum.id: (erratum, unit) for selection in selections for erratum, unit in selection.errata}.values())
    flawed = {unit for _, unit in flaws}
    text = "\n\n".join((f"**{name}**\n\n" if name else "") + render(group, flawed) for name, group in groups.items() if group)
    units = tuple(unit for group in groups.values() for unit in group)
    return Written(text, Selection(units, flaws), look.sides)


def _row_name(unit: Unit) -> frozenset[str]:
    """What a table's row is about: its first cell."""
    cells = unit.quote.strip(" |").split("|")
    return content_stems(cells[0]) if unit.source_block.kind == "row" and len(cells) > 2 else frozenset()


def _defines(unit: Unit, topic: frozenset[str], subject: frozenset[str]) -> bool:
    """Whether a unit says what the topic is: "X is a …", or a block under a label that is just X."""
    if not topic:
        return False
    found = DEFINES.match(unit.plain)
    if found:
        said = content_stems(found["subject"])
        if topic <= said and len(said - subject) <= 1:
            return True
    names = (lead(unit.quote), *unit.source_block.context[-1:])
    return any(name_stems(name) == topic for name in names)


def _next_question(look: Understanding, units: Sequence[Unit], found: Sequence[Piece]) -> str | None:
    """One next step: the nearest label that the answer didn't use."""
    used = {_key(unit) for unit in units}
    shown = {name for unit in units for name in unit.source_block.context} | set(points(units))
    for unit in candidates(found, look.query):
        label = next(iter(points([unit])), "")
        if _key(unit) in used or not label or label in shown or not 1 <= len(label.split()) <= 7 or "?" in label:
            continue
        about = next((name for name in reversed(unit.source_block.context) if name != label and len(name.split()) <= 8), "")
        return f"Shall we look at \"{label}\"{f' ({about})' if about else ''} next?"
    return None


def _key(unit: Unit) -> str:
    return f"{unit.piece.passage.id}:{unit.start}"


def _share(side: frozenset[str], words: frozenset[str]) -> float:
    return len(side & words) / len(side) if side else 0.0
