"""Settings of one process. The only module that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

from agent.errors import UnknownModel

Calls = Literal["native", "text", "planned"]


@dataclass(frozen=True)
class Settings:
    """`home` is the folder of everything kept; `model` names a chat model ("offline", "openai:gpt-…", "gguf:FILE").

    Bounds of a turn: `max_steps` rounds of the loop, `max_tokens` in all model calls, `deadline_s` wall time.
    `calls` is how a model acts: by `native` tool calls, by calls written as JSON in its `text`, or not at all: a `planned` turn is
    the reasoner's, and the model tells what it found. None leaves it to the kind of model. `review_below` is the grounding
    confidence under which a draft goes to a person.
    """

    home: Path
    model: str = "offline"
    base_url: str | None = None
    calls: Calls | None = None
    max_steps: int = 6
    max_tokens: int = 60_000
    deadline_s: float = 120.0
    model_timeout_s: float = 60.0
    tool_timeout_s: float = 10.0
    review_below: float = 0.25
    wait_s: float = 10.0
    otlp_endpoint: str | None = None


def settings_from(environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Settings from TUTOR_* variables; overrides that are None don't count.

    Raises UnknownModel when TUTOR_CALLS names no way to act.

    >>> settings_from({"TUTOR_HOME": "/tmp/x", "TUTOR_MODEL": "offline"}).home.name
    'x'
    """
    env = os.environ if environment is None else environment
    values: dict[str, object] = {
        "home": Path(env.get("TUTOR_HOME") or "~/.tutor").expanduser(),
        "model": env.get("TUTOR_MODEL") or "offline",
        "base_url": env.get("TUTOR_BASE_URL") or None,
        "calls": _calls(env.get("TUTOR_CALLS") or None),
        "otlp_endpoint": env.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None,
    }
    values.update({key: value for key, value in overrides.items() if value is not None})
    if "home" in values:
        values["home"] = Path(str(values["home"])).expanduser()
    return Settings(**values)  # type: ignore[arg-type]


def _calls(named: str | None) -> Calls | None:
    if named is not None and named not in get_args(Calls):
        raise UnknownModel(f"TUTOR_CALLS is {named!r}; it can be {', '.join(get_args(Calls))}, or unset.")
    return cast("Calls | None", named)


def provider_key(provider: str) -> str | None:
    """The provider's key out of the environment, where its own client would look for it."""
    return os.environ.get(f"{provider.upper()}_API_KEY")


def is_url(text: str) -> bool:
    """Whether a server can be reached under it, as far as its form tells.

    >>> is_url("http://127.0.0.1:8000/v1"), is_url("localhost:8000"), is_url("http://host:port"), is_url("http://")
    (True, False, False, False)
    """
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not set(text) & set(" \t\n")
    except ValueError:  # a port that is no number
        return False


def debugging() -> bool:
    """Whether the operator wants tracebacks (TUTOR_DEBUG)."""
    return bool(os.environ.get("TUTOR_DEBUG"))
