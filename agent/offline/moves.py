"""The offline reasoner's next move: search, compute, ask back, or draft. Knows the order of decisions, not the wire."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from langchain_core.messages import AIMessage

from agent.evidence import Piece, Shelf, pieces, where
from agent.offline import phrases
from agent.offline.compose import points, render
from agent.offline.conversation import Conversation, Returned
from agent.offline.judge import judge, preferred_source
from agent.offline.listing import siblings
from agent.offline.quiz import MET, grade, make_quiz
from agent.offline.select import Selection, Unit, candidates, pick
from agent.offline.understand import FEELINGS, THANKS, Understanding, understand
from agent.sentences import content_stems
from memory.base import Source
from memory.errata import Errata
from memory.ingest.markdown import plain
from tools.registry import Registry

BUDGET_WORDS = 190
SHORT_WORDS = 60
SIDE_WORDS = 55
MAX_SEARCHES = 4
SEARCH = "search_notes"
MAY_COMPUTE = re.compile(r"(?i)\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|half|nines?|million|billion|dozen|hundred|thousand|"
                         r"run|simulat\w*|plot|show me|comput\w*|calculat\w*|estimat\w*|how (?:many|much|long|big|large|often|likely|available))\b")


@dataclass(frozen=True)
class Choice:
    """A tool that fits a question: `assumed` are the defaults it took, `missing` what must be asked for first."""

    tool: str
    args: Mapping[str, Any]
    assumed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class ToolChooser(Protocol):
    """Reads quantities out of plain language. `previous` is the last call's (tool, args), for "now with 64 GPUs"."""

    def choose(self, question: str, previous: tuple[str, Mapping[str, Any]] | None = None) -> Choice | None: ...


class LazyChooser:
    """The slot chooser, made when a question may want a number for the first time: it reads every tool's schema."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._chooser: ToolChooser | None = None

    def choose(self, question: str, previous: tuple[str, Mapping[str, Any]] | None = None) -> Choice | None:
        if previous is None and not MAY_COMPUTE.search(question):
            return None
        if self._chooser is None:
            from agent.offline.slots import SlotChooser

            self._chooser = SlotChooser(self._registry)
        return self._chooser.choose(question, previous)


@dataclass(frozen=True)
class Draft:
    """What the learner would read, before grounding."""

    text: str
    status: str = "answered"
    follow_up: str | None = None
    context: dict[str, Any] = field(default_factory=dict)
    own_voice: bool = False
    """Says nothing about the subject (a greeting, a hint where to look), so that there is nothing to ground."""


@dataclass
class Reasoning:
    """Everything the reasoner looks things up in. `occurs` tells whether a word stands anywhere in the material, `known`
    whether it is ordinary English."""

    shelf: Shelf
    errata: Errata
    chooser: ToolChooser | None
    occurs: Callable[[str], bool]
    known: Callable[[str], bool]

    def next_message(self, talk: Conversation, tool_names: Sequence[str] | None) -> AIMessage:
        """One step of the loop: tool calls with the thought behind them, or a draft."""
        look = understand(talk.question, talk.history)
        quick = self._without_search(look, talk)
        if quick is not None:
            return _message(quick)

        def may(name: str) -> bool:
            return tool_names is None or name in tool_names

        if (call := self._computation(look, talk, may)) is not None:
            return call
        if (wanted := self._searches(look, talk)) and may(SEARCH):
            return wanted
        return _message(self._draft(look, talk))

    # ---- moves that need no evidence

    def _without_search(self, look: Understanding, talk: Conversation) -> Draft | None:
        if look.intent == "empty":
            return Draft(phrases.EMPTY, "clarify")
        if look.intent == "refuse":
            return Draft(phrases.REFUSAL, "refused")
        if look.intent == "gibberish":
            return Draft(phrases.GIBBERISH, "clarify")
        if look.intent == "small_talk":
            if FEELINGS.search(look.question):
                return Draft(phrases.FEELINGS, own_voice=True)
            return Draft(phrases.THANKS if THANKS.match(look.question) else phrases.GREETING, own_voice=True)
        if look.intent == "about_self":
            return Draft(phrases.SELF, own_voice=True)
        words = [word for word in re.findall(r"[^\W\d_]{2,}", look.question) if content_stems(word)]
        if words and (len(words) > 2 or not talk.history) and not any(self.occurs(word) or self.known(word) for word in words):
            return Draft(phrases.GIBBERISH, "clarify")
        if not talk.history and _points_nowhere(look.question):
            return Draft(phrases.WHAT_DO_YOU_MEAN, "clarify")
        return None

    # ---- actions

    def _computation(self, look: Understanding, talk: Conversation, may: Callable[[str], bool]) -> AIMessage | None:
        computed = [r for r in talk.returned if r.tool != SEARCH]
        if computed or self.chooser is None or look.intent in ("quiz", "quiz_answer", "hint", "give_up"):
            return None
        choice = self.chooser.choose(look.question, _last_call(talk))
        if choice is None or not may(choice.tool):
            return None
        if choice.missing:
            needs = " and ".join(choice.missing)
            return _message(Draft(f"To compute that I need {needs}. What should I take?", "clarify",
                                  context={"topic": look.topic, "query": look.query,
                                           "pending": {"kind": "tool", "tool": choice.tool, "args": dict(choice.args)}}))
        return _calls(f"A number is asked for: I compute it with {choice.tool}.", [(choice.tool, dict(choice.args))])

    def _searches(self, look: Understanding, talk: Conversation) -> AIMessage | None:
        if any(r.tool != SEARCH for r in talk.returned):
            return None
        done = {_key(query) for query in talk.searched}
        if look.intent == "compare":
            wanted = [look.query, *look.sides]
            missing = [query for query in wanted if _key(query) not in done]
            if missing and len(done) < MAX_SEARCHES:
                thought = f"A comparison needs both sides, so I search for {look.sides[0]} and for {look.sides[1]}."
                return _calls(thought, [(SEARCH, {"query": query}) for query in missing])
            return None
        if _key(look.query) not in done and not done:
            return _calls(f"I look for passages about: {look.query}.", [(SEARCH, {"query": look.query})])
        if len(done) < 2 and judge(look.question, look.query, self._pieces(talk), self.occurs) == "weak":
            other = self._reworded(look, self._pieces(talk))
            if other and _key(other) not in done:
                return _calls(f"The passages match only in part, so I search again in other words: {other}.", [(SEARCH, {"query": other})])
        return None

    def _reworded(self, look: Understanding, found: Sequence[Piece]) -> str:
        """The question's own words without filler, with the heading that matched best: feedback from the first search."""
        best = max(found, key=lambda piece: piece.score, default=None)
        heading = best.passage.heading[-1] if best and best.passage.heading else ""
        words = [w for w in re.findall(r"[\w'-]+", look.query) if content_stems(w)]
        return " ".join([*words, heading]).strip()

    # ---- drafts

    def _draft(self, look: Understanding, talk: Conversation) -> Draft:
        computed = [r for r in talk.returned if r.tool != SEARCH]
        if computed:
            return self._computed(look, talk, computed)
        found = self._pieces(talk)
        if look.intent == "quiz":
            return self._quiz(look, talk, found)
        if look.intent == "quiz_answer":
            return self._graded(look, talk)
        if look.intent == "hint" or (talk.turn.get("mode") == "socratic" and look.intent != "give_up"):
            return self._hint(look, talk, found)
        if talk.turn.get("mode") == "interview" and look.intent != "give_up":
            return self._interview(look, talk, found)
        verdict = judge(look.question, look.query, found, self.occurs)
        claimed = self.errata.in_question(look.question)
        if verdict == "none" and not claimed:
            return Draft(phrases.NOTHING, "abstained", context={"topic": "", "query": ""})
        return self._extract(look, talk, found)

    def _extract(self, look: Understanding, talk: Conversation, found: Sequence[Piece]) -> Draft:
        source = preferred_source(found)
        usable = [piece for piece in found if piece.passage.source == source]
        used = set(look.resolved.past.used) if look.intent == "continue" and look.resolved.past else set()
        if look.intent == "compare":
            selection, text = self._compared(look, talk, source)
        else:
            query = look.query
            units = [u for u in candidates(usable, query) if _unit_key(u) not in used]
            if look.intent == "list" or re.search(r"(?i)\bsteps?\b|\bstages?\b|\bparts?\b", look.question):
                listed = [u for u in siblings(usable, query, self.shelf, BUDGET_WORDS) if _unit_key(u) not in used]
                top = units[0].value if units else 1.0
                keys = {_unit_key(u) for u in listed}
                units = [replace(u, value=top) for u in listed] + [u for u in units if _unit_key(u) not in keys]
            if look.resolved.kind == "example":
                units.sort(key=lambda u: not re.search(r"(?i)\be\.g\.|for example|for instance|such as|example", u.plain))
            budget = SHORT_WORDS if look.intent == "shorter" else BUDGET_WORDS
            selection = pick(units, budget, self.errata)
            text = render(selection.units, {unit for _, unit in selection.errata})
        if not selection.units and not selection.errata:
            return Draft(phrases.NOTHING_TO_CONTINUE if used else phrases.NOTHING, "clarify" if used else "abstained",
                         context={"topic": look.topic, "query": look.query})
        has_notes = any(piece.passage.source == "notes" for piece in found)
        if source == "course" and has_notes:
            text = f"{phrases.COURSE_ONLY}\n\n{text}"
        context = {"topic": look.topic, "query": look.query, "points": points(selection.units),
                   "used": [*used, *(_unit_key(u) for u in selection.units)],
                   "errata": [[erratum.id, unit.piece.n, unit.start, unit.end] for erratum, unit in selection.errata]}
        return Draft(text, "answered", self._next_question(look, selection.units, usable), context)

    def _compared(self, look: Understanding, talk: Conversation, source: Source) -> tuple[Selection, str]:
        """What the question's own search found, completed by each side's search where that side is missing; then sorted
        by which of the two a block is about."""
        a, b = (content_stems(side) for side in look.sides)

        def about(unit: Unit) -> frozenset[str]:
            # A heading that names both sides says nothing about which of them a block is about.
            own = [name for name in unit.source_block.context if not (a & content_stems(name) and b & content_stems(name))]
            return content_stems(unit.plain) | content_stems(" ".join(own))

        def found_by(query: str) -> list[Unit]:
            return candidates([p for p in self._pieces(talk, query) if p.passage.source == source], look.query)

        main = found_by(look.query)
        picked = pick(main, BUDGET_WORDS, self.errata)
        lacking = [side for side, stems in zip(look.sides, (a, b), strict=True)
                   if not any(_share(stems, about(unit)) > 0.5 for unit in picked.units)]
        selections = [picked]
        if lacking:
            selections = [pick(main, BUDGET_WORDS - SIDE_WORDS * len(lacking), self.errata)]
            known = {(u.piece.passage.id, u.block) for u in selections[0].units}
            for side in lacking:
                more = [u for u in found_by(side) if (u.piece.passage.id, u.block) not in known and _share(content_stems(side), about(u)) > 0.5]
                selections.append(pick(more, SIDE_WORDS, self.errata))
        units = [unit for selection in selections for unit in selection.units]
        flaws = tuple({e.id: (e, u) for selection in selections for e, u in selection.errata}.values())
        groups: dict[str, list[Unit]] = {"": [], **{side: [] for side in look.sides}}
        for unit in units:
            in_a, in_b = _share(a - b, about(unit)), _share(b - a, about(unit))
            row = unit.source_block.kind == "row" or in_a == in_b
            groups["" if row else look.sides[0] if in_a > in_b else look.sides[1]].append(unit)
        flawed = {unit for _, unit in flaws}
        parts = [(f"**{name}**\n\n" if name else "") + render(group, flawed) for name, group in groups.items() if group]
        ordered = tuple(unit for group in groups.values() for unit in group)
        return Selection(ordered, flaws), "\n\n".join(parts)

    def _computed(self, look: Understanding, talk: Conversation, computed: Sequence[Returned]) -> Draft:
        last = computed[-1]
        if last.failed or last.result is None:
            return Draft(f"That can't be computed as asked: {last.text}", "clarify", context={"topic": look.topic, "query": look.query})
        result = last.result
        lines = [str(result.get("summary", "")).strip()]
        values = result.get("values", {})
        shown = [f"- {name.replace('_', ' ')}: {figure(value)} {result.get('units', {}).get(name, '')}".rstrip()
                 for name, value in values.items() if isinstance(value, int | float) and not isinstance(value, bool)]
        lines.extend(["", *shown[:8]] if len(shown) > 1 else [])
        if result.get("formula"):
            lines.extend(["", f"Formula: `{result['formula']}`"])
        taken = ", ".join(f"{key} = {figure(value)}" for key, value in result.get("args", {}).items() if value is not None and not isinstance(value, list | dict))
        if taken:
            lines.extend(["", f"Computed with {taken}."])
        choice = self.chooser.choose(look.question, _last_call(talk)) if self.chooser else None
        if choice is not None and choice.assumed:
            lines.extend(["", "Not given, so taken as: " + "; ".join(choice.assumed[:6]) + "."])
        if result.get("assumptions"):
            lines.extend(["", "Assumed: " + "; ".join(result["assumptions"]) + "."])
        lines.extend(f"\nNote: {warning}" for warning in result.get("warnings", [])[:2])
        return Draft("\n".join(lines).strip(), "answered", "Which input would you change to see what it does?",
                     {"topic": look.topic, "query": look.query,
                      "pending": {"kind": "tool", "tool": str(result.get("tool", last.tool)).split("@")[0], "args": result.get("args", {})}},
                     own_voice=True)

    # ---- pedagogy

    def _quiz(self, look: Understanding, talk: Conversation, found: Sequence[Piece]) -> Draft:
        asked = [str(past.pending.get("question")) for past in talk.history if past.pending.get("kind") == "quiz"]
        topic = look.topic or (talk.history[-1].topic if talk.history else "")
        item = make_quiz([p for p in found if p.passage.source == preferred_source(found)], topic, asked)
        if item is None:
            return Draft("I have no question ready on that. Name a topic of your notes, for example \"quiz me on watermarks\".", "clarify")
        pending = {"kind": "quiz", "question": item.question, "passage": item.unit.piece.passage.id,
                   "start": item.unit.start, "end": item.unit.end, "hints": 0}
        return Draft(item.question, "answered", None, {"topic": topic, "query": look.query, "pending": pending}, own_voice=True)

    def _graded(self, look: Understanding, talk: Conversation) -> Draft:
        pending = talk.history[-1].pending
        unit = self._pending_unit(pending, talk)
        if unit is None:
            return Draft("The passage of that question is gone. Say \"quiz me\" for another one.", "clarify")
        share, missing = grade(look.question, unit.plain)
        verdict = "Right." if share >= 1.0 else "Partly right." if share >= MET else "Not quite yet."
        gaps = f" Missing from your answer: {', '.join(missing[:4])}." if missing and share < 1.0 else ""
        topic = talk.history[-1].topic
        return Draft(f"{verdict}{gaps}\n\nThe passage says:\n\n- {_body(unit)} [{unit.piece.n}]", "answered",
                     "Shall I ask another question?", {"topic": topic, "query": topic, "shown": unit.piece.passage.id})

    def _hint(self, look: Understanding, talk: Conversation, found: Sequence[Piece]) -> Draft:
        """The ladder: where to look, what kind of thing it is, a part with its key words left out, then the whole."""
        last = talk.history[-1] if talk.history else None
        pending = last.pending if last else {}
        continuing = pending.get("kind") in ("quiz", "ladder") and (look.intent == "hint" or not talk.question.endswith("?"))
        if continuing and last is not None:
            rung, query = int(pending.get("hints", 0)) + 1, str(pending.get("query") or last.query or last.topic)
            unit = self._pending_unit(pending, talk)
        else:
            rung, query = 1, look.query
            best = candidates([p for p in found if p.passage.source == preferred_source(found)], query)
            unit = next((u for u in best if not self.errata.in_text(u.quote)), None)
            if unit is None or judge(look.question, query, found, self.occurs) == "none":
                return Draft(phrases.NOTHING, "abstained")
        if unit is None:
            return Draft(phrases.NOTHING, "abstained")
        kept = {**pending, "kind": pending.get("kind", "ladder"), "hints": rung, "query": query, "passage": unit.piece.passage.id,
                "start": unit.start, "end": unit.end}
        topic = (last.topic if continuing and last else look.topic) or query
        context: dict[str, Any] = {"topic": topic, "query": query, "pending": kept}
        place = " > ".join(name for name in unit.source_block.context if plain(name)) or where(unit.piece.passage)
        if rung == 1:
            return Draft(f"Hint: look at the part called \"{place}\". What do you remember of it?", "answered", None, context, own_voice=True)
        if rung == 2:
            return Draft(f"Hint: it is one sentence of about {unit.words} words there, and it begins \"{' '.join(unit.plain.split()[:3])} …\". How would you go on?",
                         "answered", None, context, own_voice=True)
        if rung == 3:
            return Draft(f"Hint: fill in the gaps: \"{_gapped(unit.plain)}\"", "answered", None, context, own_voice=True)
        return Draft(f"Here it is:\n\n- {_body(unit)} [{unit.piece.n}]", "answered", "Can you say it in your own words now?",
                     {"topic": topic, "query": query, "shown": unit.piece.passage.id})

    def _interview(self, look: Understanding, talk: Conversation, found: Sequence[Piece]) -> Draft:
        topic = look.topic or "an ML platform"
        opened = any(past.pending.get("kind") == "interview" for past in talk.history)
        asks = ["Which requirements would you clear up first, and with which numbers?", "What does the block diagram look like, and where does state live?",
                "Which part fails first under ten times the load, and what do you do about it?", "What do you give up with that choice?",
                "How would you notice in production that it went wrong?"]
        round_ = sum(past.pending.get("kind") == "interview" for past in talk.history)
        ask = asks[min(round_, len(asks) - 1)]
        lead_in = "Noted. " if opened else f"Let's say you have to design this: {topic}. "
        return Draft(lead_in + ask, "answered", None, {"topic": topic, "query": look.query, "pending": {"kind": "interview", "round": round_ + 1}}, own_voice=True)

    # ---- helpers

    def _pieces(self, talk: Conversation, query: str | None = None) -> list[Piece]:
        """The passages of this turn, each with its best match; of one search alone when its query is given."""
        rows: dict[str, dict[str, Any]] = {}
        for returned in talk.returned:
            if query is not None and _key(str(returned.args.get("query", ""))) != _key(query):
                continue
            for row in returned.rows:
                if row["id"] not in rows or row["score"] > rows[row["id"]]["score"]:
                    rows[row["id"]] = row
        return pieces(sorted(rows.values(), key=lambda row: row["n"]), self.shelf)

    def _pending_unit(self, pending: Mapping[str, Any], talk: Conversation) -> Unit | None:
        """The unit that a quiz or a ladder is about; it is evidence of this turn only if a search found it again."""
        found = self.shelf.passages([str(pending.get("passage"))])
        passage = next(iter(found.values()), None)
        if passage is None:
            return None
        known = next((p for p in self._pieces(talk) if p.passage.id == passage.id), None)
        piece = known or Piece(0, passage, 1.0, 1.0, tuple(1.0 for _ in passage.blocks), {}, "")
        start, end = int(pending["start"]), int(pending["end"])
        block = next((at for at, b in enumerate(passage.blocks) if b.start <= start < b.end), 0)
        return Unit(piece, block, start, end, plain(passage.text[start - passage.start : end - passage.start]), 1.0)

    def _next_question(self, look: Understanding, units: Sequence[Unit], found: Sequence[Piece]) -> str | None:
        """One next step: the nearest label that the answer didn't use."""
        used = {_unit_key(u) for u in units}
        shown = {name for u in units for name in u.source_block.context} | {p for p in points(units)}
        for unit in candidates(found, look.query):
            label = next(iter(points([unit])), "")
            if _unit_key(unit) in used or not label or label in shown or not 1 <= len(label.split()) <= 7 or "?" in label:
                continue
            about = next((n for n in reversed(unit.source_block.context) if n != label and len(n.split()) <= 8), "")
            return f"Shall we look at \"{label}\"{f' ({about})' if about else ''} next?"
        return None


def _message(draft: Draft) -> AIMessage:
    voice = draft.own_voice or draft.status in ("clarify", "refused", "abstained")
    extra = {"draft": {"status": draft.status, "follow_up": draft.follow_up, "own_voice": voice, "context": {**draft.context, "status": draft.status}}}
    return AIMessage(content=draft.text, additional_kwargs=extra)


def _calls(thought: str, calls: Sequence[tuple[str, dict[str, Any]]]) -> AIMessage:
    return AIMessage(content=thought, tool_calls=[
        {"name": name, "args": args, "id": "call_" + hashlib.sha256(f"{at}{name}{json.dumps(args, sort_keys=True, default=str)}".encode()).hexdigest()[:12]}
        for at, (name, args) in enumerate(calls)])


def _last_call(talk: Conversation) -> tuple[str, Mapping[str, Any]] | None:
    """The last computation of the conversation, which "now with 64 GPUs" changes."""
    return next(((past.pending["tool"], past.pending["args"]) for past in reversed(talk.history[-2:])
                 if past.pending.get("kind") == "tool"), None)


def _points_nowhere(question: str) -> bool:
    """"How would I monitor it?" as the first thing said: it points to something that wasn't named."""
    points = re.search(r"(?i)\b(?:it|that one|them|they|these|those|the (?:two|other|former|latter|first|second)(?: one)?|this|that)\b", question)
    return bool(points) and len(content_stems(question)) <= 1 and not re.search(r"(?i)\bit (?:is|matter|mean|help)s?\b", question)


def _key(query: str) -> str:
    return " ".join(query.lower().split())


def _unit_key(unit: Unit) -> str:
    return f"{unit.piece.passage.id}:{unit.start}"


def _share(side: frozenset[str], words: frozenset[str]) -> float:
    return len(side & words) / len(side) if side else 0.0


def _body(unit: Unit) -> str:
    return " ".join(re.sub(r"^(?:[*+-]|\d+[.)])\s+", "", unit.quote.strip()).split())


def _gapped(text: str) -> str:
    """Every content word after the fifth word but each third one left out."""
    out, seen = [], 0
    for at, word in enumerate(text.split()):
        telling = at >= 3 and len(word) > 3 and content_stems(word)
        seen += bool(telling)
        out.append("____" if telling and seen % 2 else word)
    return " ".join(out)


def figure(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or value.is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"


