"""Which tools a model is offered: search always, and the calculators and simulators whose words the question has."""

from __future__ import annotations

from typing import Any

from agent.search import SCHEMA
from agent.sentences import content_stems
from tools.base import Tool
from tools.registry import Registry

MAX_TOOLS = 8


def offered_tools(registry: Registry, question: str, most: int = MAX_TOOLS, least_shared: int = 1) -> list[dict[str, Any]]:
    """OpenAI-style schemas, the search tool first, then tools that share at least so many words with the question. All tools at
    once would fill a small model's context."""
    wanted = content_stems(question)
    scored = [(_overlap(tool, wanted), tool) for tool in registry if tool.kind != "formula"]
    best = sorted((pair for pair in scored if pair[0] >= least_shared), key=lambda pair: (-pair[0], pair[1].name))[:most]
    return [SCHEMA, *(_schema(tool) for _, tool in best)]


def _overlap(tool: Tool, wanted: frozenset[str]) -> float:
    own = content_stems(" ".join((tool.name.replace("-", " "), tool.summary, *tool.words)))
    return len(own & wanted)


def _schema(tool: Tool) -> dict[str, Any]:
    schema = tool.params.model_json_schema()
    for field in schema.get("properties", {}).values():
        field.pop("words", None)
    return {"type": "function", "function": {"name": tool.name, "description": tool.summary, "parameters": schema}}
