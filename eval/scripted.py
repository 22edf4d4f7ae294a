"""A subject that needs no tutor: plays scripted replies and, without a script, quotes the passage that shares most
words with the question. Evaluation is tested with it, and it is the floor that a tutor has to beat."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from agent.events import Answer, Citation, Status, TurnRequest
from eval.cases import Document
from eval.wording import claims, normal
from memory.base import MAX_PASSAGE_CHARS, Hit, Passage, Source

Reply = Answer | str | Exception

_ENOUGH = 0.3
"""Share of the question's rare words below which a passage isn't worth quoting."""


def scripted_answer(text: str, status: Status = "answered", **fields: Any) -> Answer:
    """An Answer with placeholders for everything that isn't given."""
    return Answer(**{"id": "a1", "thread": "t1", "run": "r1", "trace": "0", "model": "scripted", **fields,
                     "text": text, "status": status})


class ScriptedSubject:
    """`documents` are texts by name; `replies` answer exactly these questions (an exception is raised instead)."""

    def __init__(self, documents: Mapping[str, str] | None = None, replies: Mapping[str, Reply] | None = None) -> None:
        self.documents = dict(documents or {})
        self.replies = dict(replies or {})
        self.requests: list[TurnRequest] = []
        self._passages = [each for name, text in self.documents.items() for each in _paragraphs(name, text)]
        self._words = [Counter(_stems(f"{' '.join(each.heading)} {each.text}")) for each in self._passages]
        self._rare = Counter(stem for words in self._words for stem in words)

    async def ask(self, request: TurnRequest) -> Answer:
        self.requests.append(request)
        reply = self.replies.get(request.question)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Answer):
            return reply
        thread = request.thread or f"thread-{len(self.requests)}"
        if reply is not None:
            return scripted_answer(reply, thread=thread)
        return self._quoting(request.question, thread)

    def search(self, query: str, k: int) -> list[Hit]:
        """Passages by the share of the query's words that they hold, rare and unknown words counting more."""
        asked = {stem: math.log(1 + len(self._passages) / max(self._rare[stem], 1)) for stem in _stems(query)}
        total = math.fsum(asked.values()) or 1.0
        scored = [
            Hit(passage, math.fsum(weight for stem, weight in asked.items() if words[stem]) / total)
            for passage, words in zip(self._passages, self._words, strict=True)
        ]
        scored.sort(key=lambda hit: (-hit.score, len(hit.passage.text), hit.passage.id))
        return [hit for hit in scored if hit.score > 0][:k]

    def text_of(self, document: str) -> str:
        """Raises LookupError for a document that was never given."""
        if document not in self.documents:
            raise LookupError(f"There is no document {document!r}.")
        return self.documents[document]

    @asynccontextmanager
    async def fresh(self, documents: Sequence[Document]) -> AsyncIterator[ScriptedSubject]:
        yield ScriptedSubject(self.documents | {each.name: each.text for each in documents}, self.replies)

    def _quoting(self, question: str, thread: str) -> Answer:
        hits = self.search(question, 1)
        if not hits or hits[0].score < _ENOUGH:
            return scripted_answer("Nothing here holds an answer.", "abstained", thread=thread)
        passage = hits[0].passage
        quoted = claims(passage.text)[:4] or [passage.text]
        citation = Citation(n=1, document=passage.document, heading=list(passage.heading), chunk_id=passage.id,
                            start=passage.start, end=passage.end, quote=passage.text, source=passage.source)
        return scripted_answer(" ".join(f"{each} [1]" for each in quoted), thread=thread, citations=[citation])


def _paragraphs(document: str, text: str) -> Iterator[Passage]:
    """Blocks between blank lines, headings carried along as context; a longer block is cut at 1,500 characters."""
    heading: tuple[str, ...] = ()
    source: Source = "course" if document.startswith("course/") else "notes"
    for match in re.finditer(r"\S.*?(?=\n\s*\n|\s*\Z)", text, re.DOTALL):
        if match[0].startswith("#"):
            heading = (match[0].lstrip("# ").split("\n")[0],)
            if "\n" not in match[0]:
                continue
        for start in range(match.start(), match.end(), MAX_PASSAGE_CHARS):
            end = min(start + MAX_PASSAGE_CHARS, match.end())
            yield Passage(f"{document}:{start}", document, heading, text[start:end], start, end, source)


def _stems(text: str) -> list[str]:
    """Words of three letters and more without their commonest endings, so that plurals and verb forms meet."""
    return [re.sub(r"(?:ies|ing|ed|es|s|e|y)$", "", word) for word in re.findall(r"[^\W_]{3,}", normal(text))]
