"""What holds for every tool there is: schema, example, cases, determinism, finite values, page, fuzz. Names none of them."""

from __future__ import annotations

import contextlib
import doctest
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools.base import Case, Tool, ToolError, ToolResult
from tools.docs import example
from tools.draw import text_plot
from tools.plot_text import CHARACTERS, FILLS
from tools.registry import load_tools

TOOLS = list(load_tools())
BIG = [tool for tool in TOOLS if tool.kind != "formula"]
FAMILIES = sorted({tool.group for tool in TOOLS if tool.kind == "formula"})
GROUPS = {**{tool.id: [tool] for tool in BIG},
          **{f"formulas {family}": [tool for tool in TOOLS if tool.kind == "formula" and tool.group == family] for family in FAMILIES}}
every_group = pytest.mark.parametrize("tools", GROUPS.values(), ids=GROUPS.keys())
UNIT_ENDING = re.compile(r"_(ns|us|ms|s|min|h|days|bytes|KB|MB|GB|TB|KiB|MiB|GiB|Gbps|GBps|USD|rps)$")


BY_ID = {tool.id: tool for tool in TOOLS}


@cache
def ran(name: str) -> ToolResult:
    return BY_ID[name].run(example(BY_ID[name]))


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float | int):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from numbers(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from numbers(each)


def assert_finite(tool: Tool, result: ToolResult) -> None:
    lines = [(line.x, line.y, line.x2 or []) for line in result.plot.lines] if result.plot else []
    for name, part in (("values", result.values), ("naive", result.naive), ("series", result.series), ("plot", lines)):
        assert all(math.isfinite(number) for number in numbers(part)), f"{tool.id} {name} with {result.args}"


@every_group
def test_the_schema_is_valid_and_takes_the_example(tools: list[Tool]) -> None:
    for tool in tools:
        schema = tool.params.model_json_schema(by_alias=True)
        jsonschema.Draft202012Validator.check_schema(schema)
        tool.validate(example(tool))
        jsonschema.validate(dict(tool.example), {**schema, "required": []})


@every_group
def test_the_example_runs_and_its_values_are_finite_and_drawable(tools: list[Tool]) -> None:
    for tool in tools:
        result = ran(tool.id)
        assert result.values and result.summary and result.tool == tool.id
        assert_finite(tool, result)
        if result.plot is not None:
            assert result.plot.title in text_plot(result.plot, width=200)


@every_group
def test_a_picture_fits_the_terminal_and_every_line_of_it_is_seen(tools: list[Tool]) -> None:
    for tool in tools:
        plot = ran(tool.id).plot
        if plot is None:
            continue
        told = text_plot(plot).splitlines()
        assert len(plot.title) <= 72 and max(len(row) for row in told if "bars:" not in row) <= 72, tool.id
        area = "".join(re.split("[┤│]", row, maxsplit=1)[1] for row in told if re.search("[┤│]", row))
        for number, line in enumerate(plot.lines):
            lies = line.kind == "bar" and any(isinstance(x, str) for x in line.x)
            assert (FILLS if lies else CHARACTERS)[number] in area or not any(line.y), f"{tool.id} hides {line.label!r}"


def reads_own_text(tool: Tool) -> bool:
    """Whether a tool is nothing without what a learner wrote: an expression, a worked estimate."""
    return any(info.is_required() and info.annotation is str for info in tool.params.model_fields.values())


@pytest.mark.parametrize("tool", [tool for tool in BIG if not reads_own_text(tool)], ids=lambda tool: tool.id)
def test_calculators_and_simulators_run_on_their_defaults(tool: Tool) -> None:
    assert tool.params().model_dump(by_alias=True).keys() == ran(tool.id).args.keys()


@every_group
def test_values_have_units_or_are_plain_numbers(tools: list[Tool]) -> None:
    for tool in tools:
        result = ran(tool.id)
        if tool.kind != "formula":
            assert set(result.units) <= set(result.values), tool.id
            bare = [name for name, value in result.values.items() if name not in result.units and isinstance(value, float | int)]
            assert not [name for name in bare if UNIT_ENDING.search(name)], f"{tool.id} gives no unit of these"
        assert all(unit.strip() for unit in result.units.values()), tool.id


@every_group
def test_every_case_that_is_no_measurement_holds(tools: list[Tool]) -> None:
    for tool in tools:
        for case in tool.cases:
            if not case.shown:
                check(tool, case)


def check(tool: Tool, case: Case) -> None:
    values = tool.run(case.args).values
    for name, expected in case.expected.items():
        given = values[name]
        if isinstance(expected, float | int) and not isinstance(expected, bool):
            assert given == pytest.approx(expected, rel=case.rel or 1e-12, abs=case.abs), f"{tool.id} {name} {dict(case.args)}"
        else:
            assert list(flat(given)) == [pytest.approx(each, rel=case.rel or 1e-12, abs=case.abs) if isinstance(each, float) else each
                                         for each in flat(expected)], f"{tool.id} {name} {dict(case.args)}"


def flat(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield key
            yield from flat(each)
    elif isinstance(value, list | tuple):
        yield len(value)
        for each in value:
            yield from flat(each)
    else:
        yield float(value) if isinstance(value, float | int) and not isinstance(value, bool) else value


@every_group
def test_same_arguments_and_seed_give_the_same_bytes(tools: list[Tool]) -> None:
    for tool in tools:
        if not tool.measures:
            assert tool.run(example(tool)).model_dump_json() == ran(tool.id).model_dump_json(), tool.id


@every_group
def test_what_the_tool_does_not_know_is_refused_in_one_sentence(tools: list[Tool]) -> None:
    for tool in tools:
        with pytest.raises(ToolError, match=re.escape(tool.name)) as refused:
            tool.run({**example(tool), "no_such_parameter": 1})
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("tool", BIG, ids=lambda tool: tool.id)
def test_the_page_has_a_summary_and_an_example_that_runs(tool: Tool) -> None:
    assert tool.summary.endswith(".") and len(tool.summary) <= 200
    examples = doctest.DocTestParser().get_doctest(tool.page, dict(vars(sys.modules[tool.function.__module__])), tool.id, None, 0)
    assert examples.examples
    assert doctest.DocTestRunner().run(examples).failed == 0


# ---- fuzz: arguments drawn from the parameters' own types and ranges


def arguments(tool: Tool, wide: bool) -> st.SearchStrategy[dict[str, Any]]:
    """`wide` takes counts up to their limits; else sizes stay near the defaults, so that a run is short."""
    schema = tool.params.model_json_schema(by_alias=True)
    known = example(tool)
    required, optional = {}, {}
    for name, field in schema.get("properties", {}).items():
        strategy = value_of(field, schema.get("$defs", {}), known.get(name, field.get("default")), wide)
        (required if name in schema.get("required", []) else optional)[name] = strategy
    return st.fixed_dictionaries(required, optional=optional)


def value_of(field: dict[str, Any], defined: dict[str, Any], usual: Any, wide: bool) -> st.SearchStrategy[Any]:
    if "$ref" in field:
        return value_of(defined[field["$ref"].rsplit("/", 1)[-1]], defined, usual, wide)
    if "anyOf" in field:
        return st.one_of(*(value_of(each, defined, usual, wide) for each in field["anyOf"]))
    if "enum" in field or "const" in field:
        return st.sampled_from(field.get("enum") or [field["const"]])
    kinds: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
        "integer": lambda: whole(field, usual, wide), "number": lambda: real(field),
        "boolean": st.booleans, "null": st.none,
        "string": lambda: st.just(usual if isinstance(usual, str) else "") | st.text(max_size=min(20, field.get("maxLength", 20))),
    }
    if field.get("type") == "array" and "items" in field:
        items = value_of(field["items"], defined, None, wide)
        drawn = st.lists(items, min_size=field.get("minItems", 0), max_size=min(max(8, field.get("minItems", 0)), field.get("maxItems", 8)))
        return st.one_of(st.just(usual), drawn) if isinstance(usual, list | tuple) else drawn
    return kinds.get(field.get("type", ""), lambda: st.just(usual))()


def whole(field: dict[str, Any], usual: Any, wide: bool) -> st.SearchStrategy[int]:
    low = math.ceil(field.get("minimum", field.get("exclusiveMinimum", -1_001) + 1))
    high = math.floor(field.get("maximum", field.get("exclusiveMaximum", low + 10_001) - 1))
    if not wide:
        high = min(high, max(low + 4, 2 * usual if isinstance(usual, int) else 0))
    return st.integers(low, max(low, high))


def real(field: dict[str, Any]) -> st.SearchStrategy[float]:
    """Any number in the range, the smallest ones included."""
    low, high = field.get("minimum", field.get("exclusiveMinimum", -1e6)), field.get("maximum", field.get("exclusiveMaximum", 1e6))
    return st.floats(low, high, exclude_min="exclusiveMinimum" in field, exclude_max="exclusiveMaximum" in field)


def fuzz(tool: Tool, wide: bool, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(arguments(tool, wide))
    def nothing_breaks(args: dict[str, Any]) -> None:
        with contextlib.suppress(ToolError):
            assert_finite(tool, tool.run(args))

    nothing_breaks()


@every_group
def test_no_arguments_within_their_ranges_break_a_tool(tools: list[Tool]) -> None:
    for tool in tools:
        fuzz(tool, wide=False, examples=5)


@pytest.mark.slow
@every_group
def test_no_arguments_up_to_their_limits_break_a_tool(tools: list[Tool]) -> None:
    for tool in tools:
        fuzz(tool, wide=True, examples=math.ceil(10_000 / len(TOOLS)))


def test_formulas_tell_no_noise() -> None:
    for each, case in ((tool, case) for tool in TOOLS if tool.kind == "formula" for case in tool.cases):
        with contextlib.suppress(ToolError):
            told = each.run(case.args).summary.removeprefix(each.summary.rstrip("."))
            digits = (re.sub(r"e.*|\D", "", number).strip("0") for number in re.findall(r"\d+\.\d+(?:e[+-]?\d+)?", told))
            assert all(len(number) <= 12 for number in digits), told


def test_a_sum_that_is_nearly_round_is_told_round() -> None:
    result = load_tools().get("avail.series").run({"a": 0.9, "n": 3})
    assert result.values["result"] == 0.7290000000000001 and result.summary.endswith(": 0.729 fraction.")
