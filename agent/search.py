"""The search tool: the learner's notes first, the course where they fall short. Knows when to look where."""

from __future__ import annotations

from typing import Any

from memory.base import Hit, Source
from memory.open import Memory

NAME = "search_notes"
DESCRIPTION = "Search the learner's notes and the built-in course. Returns numbered passages to cite."
NOTES_K, COURSE_K = 8, 5
NOTES_SUFFICE = 0.60

SCHEMA: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": NAME,
        "description": DESCRIPTION,
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string", "description": "What to look for, in words that stand by themselves."}},
            "required": ["query"],
        },
    },
}


def look_up(memory: Memory, query: str) -> list[Hit]:
    """Passages of the notes, and of the course unless the notes match well. Best first within each."""
    notes = memory.index.search(query, NOTES_K, "notes") if memory.store.count("notes") else []
    if notes and notes[0].similarity >= NOTES_SUFFICE:
        return notes
    return notes + memory.index.search(query, COURSE_K, "course")


def default_source(memory: Memory) -> Source:
    """What a plain search looks through: the learner's own documents, or the course while there are none."""
    return "notes" if memory.store.count("notes") else "course"
