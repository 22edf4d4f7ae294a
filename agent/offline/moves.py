"""The offline reasoner's next move: search, compute, ask back, or draft. Knows the order of decisions, not how they are worded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage

from agent.aspects import own_stems
from agent.evidence import Piece, Shelf
from agent.offline import phrases, worked
from agent.offline.answers import answer_draft
from agent.offline.chooser import ToolChooser, last_call
from agent.offline.conversation import Conversation, found_pieces, query_key
from agent.offline.draft import Draft, calls
from agent.offline.expressions import expression_in
from agent.offline.judge import judge
from agent.offline.ladder import hint_draft
from agent.offline.lessons import graded_draft, interview_draft, quiz_draft, told_draft
from agent.offline.sums import computed_draft
from agent.offline.understand import FEELINGS, GIVE_UP, THANKS, Understanding, lacks_a_side, points_nowhere, understand
from agent.sentences import content_stems
from memory.errata import Errata

MAX_SEARCHES = 4
FOREIGN_WORDS = 2
SEARCH, CALCULATE = "search_notes", "calculate"
NEVER = {"empty", "refuse"}
NO_SUMS = {"quiz", "quiz_answer", "hint", "attempt", "give_up"}
PLAIN = {"give_up", "shorter", "continue"}
"""Asked of an answer that was given already: told straight away in every mode."""


@dataclass
class Reasoning:
    """Everything the reasoner looks things up in. `occurs` tells whether a word stands anywhere in the material, `known`
    whether it is ordinary English, `spelt_out` appends the long form of a text's acronyms, `respelt` writes
    a text as the material spells its words."""

    shelf: Shelf
    errata: Errata
    chooser: ToolChooser | None
    occurs: Callable[[str], bool]
    known: Callable[[str], bool]
    spelt_out: Callable[[str], str]
    respelt: Callable[[str], str]

    def next_message(self, talk: Conversation, tool_names: Sequence[str] | None) -> AIMessage:
        """One step of the loop: tool calls with the thought behind them, or a draft."""
        look = understand(talk.question, talk.history)

        def may(name: str) -> bool:
            return tool_names is None or name in tool_names

        if look.intent not in NEVER and may(CALCULATE) and (sum_ := expression_in(talk.question)) and not talk.returned_by_tools:
            return calls("Arithmetic: I compute it.", [(CALCULATE, {"expression": sum_})])
        if not talk.returned_by_tools and (quick := self._without_search(look, talk)) is not None:
            return quick.message()
        if (call := self._computation(look, talk, may)) is not None:
            return call
        if may(SEARCH) and (search := self._searches(look, talk)) is not None:
            return search
        return self._draft(look, talk).message()

    def _without_search(self, look: Understanding, talk: Conversation) -> Draft | None:
        if look.intent == "empty":
            return Draft(phrases.EMPTY, "clarify")
        if look.intent == "refuse":
            return Draft(phrases.REFUSAL, "refused")
        if look.intent == "small_talk":
            if FEELINGS.search(look.question):
                return Draft(phrases.FEELINGS, own_voice=True)
            return Draft(phrases.THANKS if THANKS.match(look.question) else phrases.GREETING, own_voice=True)
        if look.intent == "about_self":
            return Draft(phrases.SELF, own_voice=True)
        if look.intent == "recalls":
            return Draft(_asked_before(talk), own_voice=True, context={"topic": talk.history[-1].topic} if talk.history else {})
        words = [word for word in re.findall(r"[^\W\d_]{2,}", look.question) if content_stems(word)]
        strange = words and (len(words) > 2 or not talk.history) and not any(self.occurs(word) or self.known(word) for word in words)
        if look.intent == "gibberish" or strange:
            return Draft(phrases.GIBBERISH, "clarify")
        if not talk.history and points_nowhere(look.question):
            return Draft(phrases.WHAT_DO_YOU_MEAN, "clarify")
        if talk.history and lacks_a_side(look):
            return Draft(phrases.WHICH_TWO, "clarify", context={"topic": talk.history[-1].topic, "query": talk.history[-1].query})
        if look.resolved.kind == "unlisted" and look.resolved.past is not None:
            past = look.resolved.past
            return Draft(phrases.UNLISTED, "clarify", context={"topic": past.topic, "query": past.query, "points": list(past.points)})
        return None

    def _computation(self, look: Understanding, talk: Conversation, may: Callable[[str], bool]) -> AIMessage | None:
        if self.chooser is None or look.intent in NO_SUMS or talk.returned_by_tools:
            return None
        if may(worked.TOOL) and (work := worked.estimate_to_check(talk.question, talk.history)) is not None:
            return calls("A worked estimate: I check it step by step.", [(worked.TOOL, work)])
        choice = self.chooser.choose(look.lines, last_call(talk))
        if choice is None or not may(choice.tool):
            return None
        if choice.missing:
            return Draft(f"To compute that I need {' and '.join(choice.missing)}. What should I take?", "clarify",
                         context={"topic": look.topic, "query": look.query,
                                  "pending": {"kind": "tool", "tool": choice.tool, "args": dict(choice.args)}}).message()
        return calls(f"A number is asked for: I compute it with {choice.tool}.", [(choice.tool, dict(choice.args))])

    def _searches(self, look: Understanding, talk: Conversation) -> AIMessage | None:
        if talk.returned_by_tools:
            return None
        done = {query_key(query) for query in talk.searched}
        if look.intent == "compare":
            missing = [query for query in (look.query, *look.sides) if query_key(query) not in done]
            if not missing or len(done) >= MAX_SEARCHES:
                return None
            thought = f"A comparison needs both sides, so I search for {look.sides[0]} and for {look.sides[1]}."
            return calls(thought, [(SEARCH, {"query": query}) for query in missing])
        if not done:
            return calls(f"I look for passages about: {look.query}.", [(SEARCH, {"query": look.query})])
        found = found_pieces(talk, self.shelf)
        if len(done) < 2 and judge(look.question, look.query, found, self.occurs) == "weak":
            other = _reworded(look, found)
            if query_key(other) not in done:
                return calls(f"The passages match only in part, so I search again in other words: {other}.", [(SEARCH, {"query": other})])
        return None

    def _draft(self, look: Understanding, talk: Conversation) -> Draft:
        computed = talk.returned_by_tools
        if computed and computed[-1].tool == worked.TOOL and computed[-1].result is not None:
            return worked.checked_draft(look, computed[-1].result)
        if computed:
            predicted = computed[-1].result is not None and talk.history and talk.history[-1].pending.get("kind") == "predict"
            choice = self.chooser.choose(look.lines, last_call(talk)) if self.chooser and not predicted else None
            return computed_draft(look, computed[-1], choice)
        found = found_pieces(talk, self.shelf)
        if look.intent == "quiz":
            return quiz_draft(look, talk, found)
        if look.intent == "quiz_answer":
            return graded_draft(look, talk, self.shelf)
        pending = talk.history[-1].pending.get("kind") if talk.history else None
        if look.intent == "give_up" and pending == "quiz":
            return told_draft(talk, self.shelf)
        verdict = "none" if self._strays(look) else judge(look.question, look.query, found, self.occurs)
        on_ladder = look.intent in ("hint", "attempt") or (look.intent == "continue" and pending == "ladder")
        # Who gave up is told the rest of it too.
        gave_up = bool(talk.history) and look.resolved.kind == "follow_up" and bool(GIVE_UP.search(talk.history[-1].question))
        mode = "direct" if look.intent in PLAIN or gave_up else talk.turn.get("mode")
        if on_ladder or mode == "socratic":
            return hint_draft(look, talk, found, self.shelf, self.errata, verdict != "none")
        if mode == "interview":
            return interview_draft(look, talk)
        if verdict == "none" and not self.errata.in_question(look.question):
            return Draft(phrases.NOTHING, "abstained", context={"topic": "", "query": ""})
        return answer_draft(look, talk, found, self.shelf, self.errata, self.respelt(look.query), self.spelt_out(look.topic))


    def _strays(self, look: Understanding) -> bool:
        """Whether a follow-up talks about something of its own that the material never mentions: the topic it was joined to
        would match all the same."""
        if look.resolved.kind != "follow_up" or look.intent in ("hint", "attempt", "give_up"):
            return False
        own = [word for word in re.findall(r"[^\W\d_]{3,}", look.question) if own_stems(word) - content_stems(look.topic)]
        return sum(not self.occurs(word) for word in own) >= FOREIGN_WORDS


def _asked_before(talk: Conversation) -> str:
    if not talk.history:
        return phrases.NOTHING_ASKED
    asked = [f"{at}. {past.question.splitlines()[0][:160]}" for at, past in enumerate(talk.history, start=1) if past.question.strip()]
    return phrases.ASKED_BEFORE + "\n\n" + "\n".join(asked)


def _reworded(look: Understanding, found: Sequence[Piece]) -> str:
    """The question's own words without filler, with the heading that matched best: feedback from the first search."""
    best = max(found, key=lambda piece: piece.score, default=None)
    heading = best.passage.heading[-1] if best and best.passage.heading else ""
    return " ".join([*(word for word in re.findall(r"[\w'-]+", look.query) if content_stems(word)), heading]).strip()
