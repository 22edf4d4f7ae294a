"""A turn of a model that only writes: the reasoner plans it and picks the facts, the model tells them, and what it garbles is told
in the material's own words. Knows drafts and facts, not how a fact is checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage

from agent.context import TurnContext
from agent.evidence import Piece, pieces
from agent.facts import Fact, facts_of
from agent.grounding import LIST_MARK, find_support, ground, sentences_in
from agent.offline.phrases import COURSE_ONLY
from agent.resilience import ProviderDown, Reply, added, plain_reply, planned_step
from agent.screening import is_planted
from agent.sentences import content_stems, normal
from agent.shortening import without_place
from agent.state import TutorState

TOLD = 0.4
"""The share of a fact's words that must stand in a sentence of the model for the fact to count as told."""
PATIENCE_S = 20.0
"""After which no further request is made."""
LEANS = re.compile(r"(?i)(?:it|its|they|their|this|these|that|those|such|both|the (?:difference|distinction|choice|latter|former|same))\b")


async def planned_reply(state: TutorState, context: TurnContext, offer_tools: bool) -> Reply:
    """The reasoner's next calls, or its own draft, or, where the draft quotes passages, what the model makes of the quotes."""
    parts, usage = context.parts, state["usage"]
    plan = await planned_step(parts, state["messages"], context, offer_tools)
    found = pieces(state["evidence"], parts.memory.store)
    facts = _facts(plan, found, state)
    if not facts:
        return Reply(plan, usage, model="offline")
    question, kept, written, prompts = state["request"]["question"], list[str](), 0, dict[str, str]()
    retell, shorten = parts.prompts.render("retell", question=question), parts.prompts.render("shorten")
    patience = context.left() - PATIENCE_S
    # All facts at once, then each one that was left out or garbled alone, which is easier.
    for prompt, told in ((retell, facts), *((shorten, [fact]) for fact in facts)):
        if prompt is shorten and (context.left() < patience or _is_told(told[0], kept)):
            continue
        try:
            message = await plain_reply(parts, "\n".join(fact.text for fact in told), context, prompt.text)
        except ProviderDown as down:
            notice = f"{parts.model_name} can't be used now ({down}); the offline reasoner answered instead."
            return Reply(plan, usage, model="offline", notices=[notice])
        usage, prompts = added(usage, message), {**prompts, prompt.prompt.name: str(prompt.prompt.version)}
        sentences = _sentences(str(message.text))
        written += len(sentences)
        new = [sentence for sentence in _kept(sentences, found, question) if not _says_less(sentence, kept)]
        kept = [*new, *kept] if told == facts[:1] else [*kept, *new]
    if not kept:
        notice = f"Nothing that {parts.model_name} wrote was supported by the passages; what you read are the passages' own sentences."
        return Reply(plan, usage, prompts, [notice], f"{parts.model_name} + offline")
    return _told(kept, written, facts, plan, Reply(plan, usage, prompts, [], parts.model_name))


def _facts(plan: AIMessage, found: Sequence[Piece], state: TutorState) -> list[Fact]:
    """Nothing when there is nothing to tell: calls, a question back, a computed result, a quiz, or a hint that must not tell."""
    made = plan.additional_kwargs.get("draft")
    if plan.tool_calls or state["results"] or made is None or made["own_voice"]:
        return []
    if made["status"] != "answered" or "used" not in made["context"]:
        return []
    return facts_of(ground(str(plan.content), found).citations, found, made["context"].get("errata", ()))


def _told(kept: Sequence[str], written: int, facts: Sequence[Fact], plan: AIMessage, reply: Reply) -> Reply:
    """The model's sentences in a paragraph, then the facts that it left out or garbled, as the material has them; the first
    one, often a definition, stays first."""
    left = [fact for fact in facts if not _is_told(fact, kept)]
    first = left.pop(0).shown if left and left[0] is facts[0] else ""
    text = "\n\n".join(part for part in (first, " ".join(kept), "\n".join(f"- {fact.shown}" for fact in left)) if part)
    if str(plan.content).startswith(COURSE_ONLY):
        text = f"{COURSE_ONLY}\n\n{text}"
    made: dict[str, Any] = {**plan.additional_kwargs["draft"], "close": True}
    reply.message = AIMessage(text, additional_kwargs={"draft": made})
    if written > len(kept):
        reply.notices.append(f"{written - len(kept)} of {written} sentences that {reply.model} wrote are left out: not supported by the "
                             "passages, or said twice.")
    if left or first:
        reply.notices.append(f"{reply.model} wrote {'a sentence' if len(kept) == 1 else f'{len(kept)} sentences'} of this answer; the rest "
                             "are the passages' own.")
        reply.model = f"{reply.model} + offline"
    return reply


def _sentences(text: str) -> list[str]:
    """The sentences of a model's text, each once: small models repeat themselves."""
    lines = (LIST_MARK.sub("", line) for line in text.split("\n"))
    found = {normal(sentence): sentence for line in lines for sentence, _ in sentences_in(line)}
    return [_ended(sentence) for key, sentence in found.items() if key]


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?", ":")) else f"{sentence}."


def _kept(sentences: Sequence[str], found: Sequence[Piece], question: str) -> list[str]:
    """The sentences that a passage supports. One that leans on its predecessor goes with it, and one that says less than another
    goes too."""
    kept: list[str] = []
    stands = False
    for sentence in sentences:
        stands = (stands or not LEANS.match(sentence)) and _holds(sentence, found, question)
        if stands and not _says_less(sentence, kept):
            kept.append(sentence)
    return kept


def _says_less(sentence: str, kept: Sequence[str]) -> bool:
    return any(content_stems(sentence) <= content_stems(other) for other in kept)


def _holds(sentence: str, found: Sequence[Piece], question: str) -> bool:
    return not is_planted(sentence) and not sentence.endswith(("?", ":")) and (
        find_support(without_place(sentence, question), found, close=True) is not None)


def _is_told(fact: Fact, kept: Sequence[str]) -> bool:
    """Whether a kept sentence tells the fact's first sentence, which carries it."""
    wanted = content_stems(sentences_in(fact.text)[0][0])
    return any(len(wanted & content_stems(sentence)) >= TOLD * len(wanted) for sentence in kept)
