"""One prompt file: front matter and template, read into canonical form; knows nothing of versions, locks or partials.

A file is Markdown as dotprompt writes it: YAML between two lines of ---, then the template. Front matter holds
`description` (required), `inputs` (name: type, see prompts.inputs) and `labels` (a list of words).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from prompts.errors import BadTemplate

KEYS = ("description", "inputs", "labels")
FRONT_MATTER = re.compile(r"---\n(?P<yaml>.*?)^---(?:\n|$)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Source:
    """`front_matter` as declared; `template` with LF line ends, no blanks at line ends, no empty line at either end."""

    front_matter: Mapping[str, Any]
    template: str

    @property
    def description(self) -> str:
        return str(self.front_matter["description"])

    @property
    def inputs(self) -> dict[str, Any]:
        return dict(self.front_matter.get("inputs") or {})

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.front_matter.get("labels") or ())


def read_source(raw: bytes, where: str) -> Source:
    """Parses a file's bytes. Raises BadTemplate, naming `where`."""
    try:
        text = _normal(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadTemplate(f"{where} isn't UTF-8 at byte {error.start}; save it as UTF-8.") from error
    match = FRONT_MATTER.match(text)
    if match is None:
        raise BadTemplate(f"{where} must begin with front matter between two lines of ---.")
    template = text[match.end():].strip("\n")
    if not template:
        raise BadTemplate(f"{where} has no template after its front matter.")
    return Source(_front_matter(match["yaml"], where), template)


def canonical(source: Source, template: str) -> str:
    """The text that is hashed and compared: `template` (partials expanded) under front matter with sorted keys.

    JSON is YAML too, so this is itself a prompt file, and its bytes don't hang on a YAML writer's taste.
    """
    head = json.dumps(source.front_matter, sort_keys=True, ensure_ascii=False, indent=2)
    return f"---\n{head}\n---\n{template}\n"


def _normal(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip(" \t") for line in lines)


def _front_matter(text: str, where: str) -> dict[str, Any]:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 2}" if mark is not None else ""
        raise BadTemplate(f"{where}: the front matter isn't valid YAML{line}.") from error
    if not isinstance(data, dict):
        raise BadTemplate(f"{where}: the front matter must hold {', '.join(KEYS)} as key: value.")
    for key in data:
        if key not in KEYS:
            raise BadTemplate(f"{where}: the front matter has no key {key!r}; it holds {', '.join(KEYS)}.")
    description = data.get("description")
    if not isinstance(description, str) or not description.strip():
        raise BadTemplate(f"{where}: the front matter needs a description, one line of text.")
    if not isinstance(data.get("inputs") or {}, dict):
        raise BadTemplate(f"{where}: inputs must be a mapping of name: type.")
    labels = data.get("labels") or []
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise BadTemplate(f"{where}: labels must be a list of words.")
    return data
