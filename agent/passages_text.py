"""Evidence as the text that a model reads: numbered, and fenced as data. Knows the prompt, not the search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.context import Parts
from agent.evidence import pieces
from prompts.fence import fence

SMALL_MODEL_PASSAGES = 3


def render_passages(parts: Parts, rows: Sequence[dict[str, Any]]) -> tuple[str, dict[str, str]]:
    """(text, {prompt name: version}). The offline reasoner, which also plans for small models, reads the
    rows themselves, so for it nothing is rendered."""
    if parts.model_name == "offline" or parts.calls == "planned":
        return f"{len(rows)} passages", {}
    if parts.calls == "text":
        # Models that write their calls as text are small ones with small contexts: the best few passages must do.
        rows = sorted(sorted(rows, key=lambda row: -row["score"])[:SMALL_MODEL_PASSAGES], key=lambda row: row["n"])
    found = pieces(rows, parts.memory.store)
    shown = [{"n": p.n, "document": p.passage.document, "heading": " > ".join(p.passage.heading), "text": p.passage.text} for p in found]
    mark = fence([str(row[key]) for row in shown for key in ("document", "heading", "text")])
    rendered = parts.prompts.render("passages", fence=mark, passages=shown)
    return rendered.text, {rendered.prompt.name: str(rendered.prompt.version)}
