"""Calls written as JSON in text: what is read, what stays prose, and the schema that forces it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from agent.textcalls import ARGS_KEYS, NAME_KEYS, Answer, ToolCall, json_schema, parse_call

NAMES = {"search_notes", "rate-limiter", "run"}
SEARCH = ToolCall("search_notes", {"query": "retry"})

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8)
arguments = st.dictionaries(st.text(), values, max_size=4)
prose = st.text(alphabet=st.characters(exclude_characters="{", exclude_categories=["Cs"]))


@pytest.mark.parametrize("text", [
    '{"name": "search_notes", "args": {"query": "retry"}}',
    '{"tool": "Search-Notes", "arguments": {"query": "retry"}}',
    '{"type": "function", "function": "SEARCH_NOTES", "parameters": {"query": "retry"}}',
    '{"name": "search_notes", "arguments": "{\\"query\\": \\"retry\\"}"}',
    'I look it up.\n```json\n{"name": "search_notes",\n "args": {"query": "retry"}}\n```\nOne moment.',
    '<tool_call>\n{"name": "search_notes", "arguments": {"query": "retry"}}\n</tool_call>',
    '[{"name": "search_notes", "args": {"query": "retry"}}]',
    'The set {a, b} first: {"thought": "look", "name": "search_notes", "args": {"query": "retry"}}',
    '{"name": "search_notes", "args": {"query": "retry"}} {"name": "run", "args": {}}',
])
def test_a_call_is_found(text: str) -> None:
    assert parse_call(text, NAMES) == SEARCH


@pytest.mark.parametrize("text", [
    "",
    "Retries need a budget.",
    "Set {replicas: 3}.",
    'The manifest holds {"replicas": 3}.',
    '{"name": "delete_everything", "args": {}}',
    '{"name": "search_note", "args": {}}',
    '{"name": ["search_notes"], "args": {}}',
    '{"name": "search_notes"}',
    '{"name": "search_notes", "args": [1]}',
    '{"name": "search_notes", "args": null}',
    '{"name": "search_notes", "args": "query=retry"}',
    '{"name": "search_notes", "args": "[1]"}',
    "{'name': 'search_notes', 'args': {}}",
    '{"name": "search_notes", "args": {"k": NaN}}',
    '{"name": "search_notes", "args": {"k": 1e999}}',
    '{"name": "search_notes", "args": {"k": 1' + "0" * 5000 + "}}",
    '{"name": "search_notes", "args": {"query": "\\ud800"}}',
    '{"name": "search_notes", "args": {}, "args": {"k": 1}}',
    '{"name": "search_notes", "tool": "run", "args": {}}',
    '{"name": "search_notes", "args": {}, "parameters": {}}',
    '{"name": "search_notes", "args": {}, "answer": "x"}',
    '{"answer": "x", "sources": []}',
    '{"answer": 3}',
    '{"a":' * 5000,
])
def test_everything_else_is_prose(text: str) -> None:
    assert parse_call(text, NAMES) is None


def test_a_call_inside_a_broken_one_is_not_run() -> None:
    assert parse_call('{"name": "run", "args": {"plan": {"name": "search_notes", "args": {}}', NAMES) is None


def test_an_answer_is_found() -> None:
    assert parse_call('```json\n{"answer": "99.9% [1]"}\n```', NAMES) == Answer("99.9% [1]")


def test_an_exact_name_wins_and_two_alike_are_nobody() -> None:
    twins = ["a-b", "a_b"]
    assert parse_call('{"name": "a_b", "args": {}}', twins) == ToolCall("a_b", {})
    assert parse_call('{"name": "A_B", "args": {}}', twins) is None


@given(st.text() | st.text(alphabet='{}[]":,\\ 1enat`').map(lambda text: '{"name": "run", "args": ' + text))
@example('{"name": "run", "args": ' + "[" * 100_000)
@example('{"' * 50_000)
@example("{" * 100_000)
def test_no_text_makes_it_raise(text: str) -> None:
    found = parse_call(text, NAMES)
    assert found is None or isinstance(found, Answer) or found.name in NAMES


@given(prose, st.sampled_from(sorted(NAMES)), st.sampled_from(NAME_KEYS), st.sampled_from(ARGS_KEYS), arguments,
       st.booleans(), st.booleans(), st.text())
def test_a_call_comes_back_as_it_was_written(
    before: str, name: str, name_key: str, args_key: str, args: dict[str, Any], quoted: bool, escaped: bool, after: str
) -> None:
    given_args = json.dumps(args) if quoted else args
    written = json.dumps({name_key: name.upper().replace("_", "-"), args_key: given_args}, ensure_ascii=escaped)
    assert parse_call(before + written + after, NAMES) == ToolCall(name, args)


@given(prose, st.text())
def test_an_answer_comes_back_as_it_was_written(before: str, text: str) -> None:
    assert parse_call(before + json.dumps({"answer": text}), NAMES) == Answer(text)


class Span(BaseModel):
    start: int
    end: int


class Search(BaseModel):
    """Searches."""

    query: str = Field(max_length=20)
    within: Span | None = None


class Limit(BaseModel):
    """Limits."""

    within: Span


def test_the_schema_takes_what_the_parser_reads_and_no_other_tool() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema([Search, Limit, {"type": "function", "function": {"name": "now", "description": "Now."}}])
    jsonschema.Draft202012Validator.check_schema(schema)
    for good in (
        {"name": "Search", "args": {"query": "x", "within": {"start": 1, "end": 2}}},
        {"name": "Limit", "args": {"within": {"start": 1, "end": 2}}},
        {"name": "now", "args": {}},
        {"answer": "yes"},
    ):
        jsonschema.validate(good, schema)
        assert parse_call(json.dumps(good), ["Search", "Limit", "now"]) is not None
    for bad in (
        {"name": "other", "args": {}},
        {"name": "Search", "args": {}},
        {"name": "Search", "args": {"query": "x" * 21}},
        {"name": "Limit", "args": {"within": {"start": "a", "end": 2}}},
        {"answer": "yes", "name": "now"},
        {},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)


def test_two_tools_may_define_the_same_word_differently() -> None:
    def counted(name: str, kind: str) -> dict[str, Any]:
        parameters = {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "$defs": {"N": {"type": kind}}}
        return {"type": "function", "function": {"name": name, "description": "Counts.", "parameters": parameters}}

    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema([counted("whole", "integer"), counted("word", "string")])
    jsonschema.validate({"name": "whole", "args": {"n": 1}}, schema)
    jsonschema.validate({"name": "word", "args": {"n": "one"}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "whole", "args": {"n": "one"}}, schema)


def test_without_tools_only_an_answer_is_left() -> None:
    assert list(json_schema([])["oneOf"][0]["properties"]) == ["answer"]
