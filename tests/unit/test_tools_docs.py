"""docs/tools.md matches the tools, shows calls that work, and a new tool starts as a file that works."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from api.cli.run import given_arguments
from tools.base import Case, Params, Tool, ToolError, ToolResult, param
from tools.docs import TARGET, command, example, generate, is_stale, main
from tools.new import create
from tools.registry import load_tools

REGISTRY = load_tools()


@cache
def page() -> str:
    return generate(REGISTRY)


def test_the_file_is_not_stale() -> None:
    assert not is_stale(page(), TARGET), "docs/tools.md is stale; `python -m tools.docs` writes it anew"


def test_a_changed_or_missing_file_is_stale(tmp_path: Path) -> None:
    target = tmp_path / "tools.md"
    assert is_stale("text", target)
    target.write_text("text")
    assert not is_stale("text", target) and is_stale("other", target)


def test_every_tool_has_its_place_and_its_command() -> None:
    for tool in REGISTRY:
        assert (f"| `{tool.id}` |" if tool.kind == "formula" else f"\n### {tool.id}\n") in page()
        if tool.kind != "formula":
            assert f"\n{command(tool, example(tool))}\n" in page()


def test_commands_are_read_back_as_the_same_arguments() -> None:
    for tool in REGISTRY:
        words = shlex.split(command(tool, example(tool)))
        assert words[:3] == ["tutor", "run", tool.name]
        assert given_arguments(None, words[4::2]) == {key: list(value) if isinstance(value, tuple) else value
                                                      for key, value in example(tool).items()}


def test_the_call_for_programs_is_what_it_says() -> None:
    shown = re.search(r'^tools\.get\("(.+)"\)\.run\((.+)\)\.values\["result"\]  # (.+)$', page(), re.M)
    assert shown is not None
    name, args, value = shown.groups()
    assert repr(REGISTRY.get(name).run(eval(args, {"__builtins__": {}})).values["result"]) == value


def test_measurements_are_kept_apart_from_what_is_checked() -> None:
    class One(Params):
        x: float = param(1.0, ge=0, le=2, unit="s", help="how | long")

    def run(p: One, seed: int) -> ToolResult:
        return ToolResult(tool="", values={"y": p.x}, units={"y": "s"}, naive={"y": 2.0}, assumptions=["a < b*c*d"], summary="It is.")

    told = generate([Tool("one", 2, "A", "calculator", One, run, "One.", "One.\n\n>>> 1\n1", (
        Case({"x": 1}, {"y": 1.0}, source="arithmetic"), Case({}, {"y": 7.0}, source="a paper", shown=True)))])
    checked, measured = told.split("**Checked against**")[1].split("**Published measurements**")
    assert "`x=1`: `y` = 1 (arithmetic)" in checked and "a paper" not in checked and "arithmetic" not in measured
    assert "`the defaults`: `y` = 7 (a paper)" in measured
    assert "| `x`<br>how \\| long | s | `1.0` | ≥ 0, ≤ 2 |" in told and "a &lt; b\\*c\\*d" in told and "```python\n>>> 1\n1\n```" in told


def test_other_arguments_are_a_usage_error(capsys: Any) -> None:
    assert main(["--what"]) == 2
    assert capsys.readouterr().err.startswith("usage:")


# ---- new tools


def test_a_new_tool_works_as_it_is(tmp_path: Path) -> None:
    path = create("cache-warmup", tmp_path, set())
    spec = importlib.util.spec_from_file_location("cache_warmup", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["cache_warmup"] = module
    spec.loader.exec_module(module)
    found = {value.name: value for value in vars(module).values() if isinstance(value, Tool)}
    assert set(found) == {"cache-warmup", "cache_warmup.drain_s"}
    for each in found.values():
        for case in each.cases:
            assert each.run(case.args).values == case.expected
    run = found["cache-warmup"].run({})
    assert run.plot is not None and run.naive and ">>>" in found["cache-warmup"].page
    with pytest.raises(ToolError, match="arriving_rps 10000 leaves nothing"):
        found["cache-warmup"].run({"arriving_rps": 10_000})


@pytest.mark.parametrize("name", ["", "Cache", "cache_warmup", "cache warmup", "../evil", "-x", "x-", "1st", "class", "x" * 41,
                                  "a--b", "x.py"])
def test_a_bad_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError):
        create(name, tmp_path, set())
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("precious")
    with pytest.raises(ToolError, match="mine.py exists already"):
        create("mine", tmp_path, set())
    assert (tmp_path / "mine.py").read_text() == "precious"
    with pytest.raises(ToolError, match="There is a tool called 'cache'"):
        create("cache", tmp_path, {"cache"})
