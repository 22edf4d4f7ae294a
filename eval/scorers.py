"""What judges an outcome: the contract and the scorers that are shipped. Knows no subject and no statistics."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Sequence
from typing import Protocol

from agent.events import Answer, NumberTag
from eval.cases import EvalCase, TurnOutputs
from eval.outcome import Outcome, Score
from eval.ranking import HitAt, NdcgAt
from eval.wording import claims, covered, holds_number, marks, normal, occurring, word_count
from memory.base import MemoryFault

TextOf = Callable[[str], str]

__all__ = ["Outcome", "Score", "Scorer", "shipped_scorers"]


class Scorer(Protocol):
    """Judges one property. `direction` is 1 where more is better, -1 for costs (counts without an upper bound)."""

    @property
    def name(self) -> str: ...

    @property
    def direction(self) -> int: ...

    def applies(self, case: EvalCase) -> bool:
        """Whether the case expects anything that this scorer judges; otherwise it gets no score at all."""
        ...

    def score(self, case: EvalCase, outcome: Outcome) -> Score:
        """Called for finished cases only: a case that failed gets 0 from the runner."""
        ...


def shipped_scorers(text_of: TextOf | None = None) -> list[Scorer]:
    """All of them. `text_of` gives a cited document's text where an outcome doesn't bring it along."""
    return [HitAt(1), HitAt(5), NdcgAt(10), Facts(), Cited(), Verbatim(text_of), MustNot(), StatusIs(), Corrections(),
            Value(), Words(), Steps()]


class Facts:
    """Share of the expected facts that the answers state, over all turns; a fact counts in its own turn only."""

    name, direction = "facts", 1

    def applies(self, case: EvalCase) -> bool:
        return bool(case.outputs.facts) or any(turn.facts for turn in case.outputs.turns)

    def score(self, case: EvalCase, outcome: Outcome) -> Score:
        groups = list(case.outputs.facts)
        found = covered(groups, "\n".join(_said(answer) for answer in outcome.answers))
        for turn, answer in _turns(case, outcome):
            groups += turn.facts
            found += covered(turn.facts, _said(answer) if answer else "")
        missing = [" | ".join(group) for group, there in zip(groups, found, strict=True) if not there]
        return Score(value=sum(found) / len(found), detail=f"missing: {'; '.join(missing)}" if missing else "")


class Cited:
    """Share of the claiming sentences that carry the mark of an existing citation, a computed number or a known
    correction. 0 when an answered turn has neither citation nor computed number; turns that aren't answered pass."""

    name, direction = "cited", 1

    def applies(self, case: EvalCase) -> bool:
        return case.kind in ("question", "turns")

    def score(self, case: EvalCase, outcome: Outcome) -> Score:
        answered = [answer for answer in outcome.answers if answer.status == "answered"]
        if any(not _grounds(answer) for answer in answered):
            return Score(value=0.0, detail="answered without any citation or computed number")
        stated = [(answer, sentence) for answer in answered for sentence in claims(answer.text)]
        bare = [sentence for answer, sentence in stated if not _is_backed(answer, sentence)]
        share = 1 - len(bare) / len(stated) if stated else 1.0
        return Score(value=share, detail=f"without a mark: {' / '.join(bare)}" if bare else "")


class Verbatim:
    """1 if every citation's quote is exactly its document's text[start:end]. An answer without citations passes."""

    name, direction = "verbatim", 1

    def __init__(self, text_of: TextOf | None = None) -> None:
        self._text_of = text_of

    def applies(self, case: EvalCase) -> bool:
        return case.kind in ("question", "turns")

    def score(self, case: EvalCase, outcome: Outcome) -> Score:
        wrong = []
        for citation in (each for answer in outcome.answers for each in answer.citations):
            text = self._text(citation.document, outcome)
            if text is None:
                wrong.append(f"[{citation.n}] cites {citation.document}, which isn't known")
            elif text[citation.start : citation.end] != citation.quote:
                wrong.append(f"[{citation.n}] isn't {citation.document}[{citation.start}:{citation.end}]")
        return Score(value=float(not wrong), detail="; ".join(wrong))

    def _text(self, document: str, outcome: Outcome) -> str | None:
        if document in outcome.texts or self._text_of is None:
            return outcome.texts.get(document)
        try:
            return self._text_of(document)
        except (LookupError, MemoryFault):
            return None


class MustNot:
    """1 if nothing forbidden stands in what the learner reads: answer, next question and corrections."""

    name, direction = "must_not", 1

    def applies(self, case: EvalCase) -> bool:
        return bool(case.outputs.must_not) or any(turn.must_not for turn in case.outputs.turns)

    def score(self, case: EvalCase, outcome: Outcome) -> Score:
        said = [f"{_said(answer)}\n{answer.follow_up or ''}" for answer in outcome.answers]
        found = occurring(case.outputs.must_not, "\n".join(said))
        for turn, text in zip(case.outputs.turns, said, strict=False):
            found += occurring(turn.must_not, text)
        return Score(value=float(not found), detail=f"says: {'; '.join(found)}" if found else "")


class StatusIs:
    """Share of turns that ended with one of the expected statuses; a case-wide expectation is for the last turn."""

    name, direction = "status", 1

    def applies(self, case: EvalCase) -> bool:
        return bool(case.outputs.status) or any(turn.status for turn in case.outputs.turns)

    def score(self, case: EvalCase, outcome: Outcome) -> Score:
        pairs = [(turn.status, answer.status if answer else "none") for turn, answer in _turns(case, outcome)]
        if case.outputs.status:
            pairs.append((case.outputs.status, outcome.answers[-1].status if outcome.answers else "none"))
        judged = [(expected, status) for expected, status in pairs if expected]
        wrong = [f"{status} instead of {' or '.join(expected)}" for expected, status in judged if status not in expected]
        return Score(value=1 - len(wrong) / len(judged), detail="; ".join(wrong))


class Corrections:
    """Share of the expected known errors that were corrected; where none is expected, 1 if none was raised."""

    name, direction = "corrections", 1

    def applies(self, case: EvalCase) -> bool:
        return case.outputs.corrections is not None

    def score(self, case: EvalCase, outcome: Outcome) -> Score:
        raised = {each.id for answer in outcome.answers for each in answer.corrections}
        expected = case.outputs.corrections or []
        if not expected:
            return Score(value=float(not raised), detail=f"raised: {', '.join(sorted(raised))}" if raised else "")
        missing = [each for each in expected if each not in raised]
        detail = f"missing: {', '.join(missing)}" if missing else ""
        return Score(value=1 - len(missing) / len(expected), detail=detail)


class Value:
    """1 if the expected number stands in the answer and a tool computed it; for a tool case, if the run gave it."""

    name, direction = "value", 1

    def applies(self, case: EvalCase) -> bool:
        return case.outputs.value is not None

    def score(self, case: EvalCase, outcome: Outcome) -> Score:
        value, rel = case.outputs.value, case.outputs.rel
        if value is None:
            raise ValueError(f"case {case.id} expects no value")
        if case.kind == "tool":
            given = outcome.result.values if outcome.result else {}
            near = [name for name, each in given.items() if holds_number(_as_text(each), value, rel)]
            return Score(value=float(bool(near)), detail="" if near else f"expected {value:g}, not among {given}")
        if not outcome.answers or not holds_number(outcome.answers[-1].text, value, rel):
            return Score(value=0.0, detail=f"{value:g} isn't in the answer")
        computed = _is_computed(outcome.answers[-1], value, rel)
        return Score(value=float(computed), detail="" if computed else f"{value:g} didn't come from a tool")


class Words:
    """Mean number of words of the answers: a cost."""

    name, direction = "words", -1

    def applies(self, case: EvalCase) -> bool:
        return case.kind in ("question", "turns")

    def score(self, case: EvalCase, outcome: Outcome) -> Score:
        return Score(value=statistics.fmean([word_count(answer.text) for answer in outcome.answers] or [0]))


class Steps:
    """Number of tool calls over all turns: a cost."""

    name, direction = "steps", -1

    def applies(self, case: EvalCase) -> bool:
        return case.kind in ("question", "turns")

    def score(self, case: EvalCase, outcome: Outcome) -> Score:
        return Score(value=sum(bool(step.tool) for answer in outcome.answers for step in answer.steps))


def _turns(case: EvalCase, outcome: Outcome) -> list[tuple[TurnOutputs, Answer | None]]:
    answers = [*outcome.answers, *[None] * len(case.outputs.turns)]
    return list(zip(case.outputs.turns, answers, strict=False))


def _said(answer: Answer) -> str:
    """The answer with the corrections that are shown beside it."""
    return "\n".join([answer.text, *(correction.right for correction in answer.corrections)])


def _grounds(answer: Answer) -> bool:
    return bool(answer.citations) or any(tag.kind == "computed" for tag in answer.numbers)


def _is_backed(answer: Answer, sentence: str) -> bool:
    if {citation.n for citation in answer.citations} & set(marks(sentence)):
        return True
    if any(tag.kind == "computed" and tag.text and tag.text in sentence for tag in answer.numbers):
        return True
    read = normal(sentence)
    told = [normal(text) for each in answer.corrections for text in (each.problem, each.right, each.source, each.quote)]
    return any(text and (text in read or read in text) for text in told)


def _is_computed(answer: Answer, value: float, rel: float) -> bool:
    """By the tag of the number, which names its step; an untagged number is looked for in what the tools gave."""
    tags = [tag for tag in answer.numbers if holds_number(tag.text, value, rel)]
    if tags:
        return any(tag.kind == "computed" and _names_a_tool(tag, answer) for tag in tags)
    return any(step.tool and holds_number(step.observation, value, rel) for step in answer.steps)


def _names_a_tool(tag: NumberTag, answer: Answer) -> bool:
    """Whether "step 2" is a tool's step; a tag without a number of a step passes if any tool ran."""
    named = re.search(r"\bstep (\d+)", tag.ref or "")
    if named is None:
        return any(step.tool for step in answer.steps)
    number = int(named[1])
    return 1 <= number <= len(answer.steps) and bool(answer.steps[number - 1].tool)


def _as_text(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(_as_text(each) for each in value)
    return repr(value) if isinstance(value, float) else str(value)
