"""Shared fixtures: a tutor without model, network or disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.runtime import open_tutor
from agent.settings import Settings
from agent.tutor import Tutor
from memory.ingest.pipeline import ingest_text
from memory.open import Memory, open_in_memory

NOTES = """# Caching

A cache is a small fast store that keeps copies of data which is read often.

## Eviction

*   **LRU:** Least recently used eviction drops the entry that was read longest ago.
*   **TTL:** A time to live drops every entry after 300 seconds, whether it was read or not.

## Write policies

| Policy | Latency | Risk |
| --- | --- | --- |
| Write-through | every write waits for the store | none |
| Write-back | writes return at once | data is lost when the cache dies |

# Queues

A queue decouples producers from consumers because it buffers messages while consumers are slow.

1.  **Ordering:** Messages of one partition keep their order.
2.  **Delivery:** At-least-once delivery can hand the same message over twice.
"""


@pytest.fixture
def memory() -> Iterator[Memory]:
    opened = open_in_memory()
    ingest_text(opened.store, "notes.md", NOTES)
    yield opened
    opened.close()


OpenTutor = Callable[..., AbstractContextManager[Tutor]]


@pytest.fixture
def tutor_with(tmp_path: Path, memory: Memory) -> OpenTutor:
    """tutor_with(model=…, **settings) opens a Tutor over the shared notes."""

    @contextmanager
    def opened(model: Any = None, **settings: Any) -> Iterator[Tutor]:
        parts = {key: settings.pop(key) for key in ("registry", "executor") if key in settings}
        with open_tutor(Settings(home=tmp_path, **settings), memory=memory, model=model, **parts) as tutor:
            yield tutor

    return opened
