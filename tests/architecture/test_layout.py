"""What lies where: the root, the vendors at the edge, the sizes of files and functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "tools", "memory", "prompts", "eval", "api")
AT_ROOT = {*PACKAGES, "tests", "docs", ".ci", ".git", ".gitignore", "pyproject.toml", "requirements.lock", "Makefile", "README.md",
           "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"}
MAX_FILE, MAX_FUNCTION = 300, 60

# "file" or "file:function", and the reason why it may be longer.
ALLOWED: dict[str, str] = {
}

# Vendor to the places (files, or folders that end in /) that may import it.
EDGES = {
    "fastapi": ("api/",),
    "chromadb": ("memory/chroma.py",),
    # eval/overhead.py builds the peer of the benchmark.
    "langgraph": ("agent/", "memory/checkpoints.py", "eval/overhead.py"),
    "torch": ("memory/export.py",),
    "sentence_transformers": ("memory/export.py",),
}
ENVIRONMENT = {"agent/settings.py", "memory/export.py", "memory/minilm.py"}
# What is only written: it tells a library to stay offline, and looks at nothing.
WRITTEN = {"memory/export.py": "os.environ['HF_HUB_OFFLINE'] = '1'", "memory/minilm.py": "os.environ['ORT_DISABLE_TELEMETRY'] = '1'"}
LOOKS = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def kept_files() -> Iterator[Path]:
    """Every file that a commit would hold: .gitignore's patterns and git's own folder left out."""
    ignored = [".git", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text("utf-8").split())]
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and not any(fnmatch(part, pattern) for part in parts for pattern in ignored):
            yield path


@cache
def modules() -> dict[str, ast.Module]:
    """The packages' modules by their path."""
    found = [path for path in kept_files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in PACKAGES]
    assert len(found) > 100
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in found}


def imported(tree: ast.AST) -> Iterator[str]:
    """The top names that are imported, at the head or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).split(".")[0]


def looks_at_environment(tree: ast.AST) -> list[ast.AST]:
    return [node for node in ast.walk(tree)
            if (isinstance(node, ast.Attribute) and node.attr in LOOKS and isinstance(node.value, ast.Name) and node.value.id == "os")
            or (isinstance(node, ast.ImportFrom) and node.module == "os" and LOOKS & {name.name for name in node.names})]


def catches_all(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id == "Exception") for kind in kinds)


def test_the_root_holds_what_it_may_and_nothing_else() -> None:
    there = {path.relative_to(ROOT).parts[0] for path in kept_files()} | {".git"}
    assert there - AT_ROOT == set()
    assert AT_ROOT - there == set()


@pytest.mark.parametrize("vendor", EDGES)
def test_vendors_stay_at_the_edge(vendor: str) -> None:
    users = {file for file, tree in modules().items() if vendor in imported(tree)}
    inside = {file for file in users if any(file == place or (place.endswith("/") and file.startswith(place)) for place in EDGES[vendor])}
    assert users and users == inside


def test_the_environment_is_read_in_one_place() -> None:
    looked = {file: found for file, tree in modules().items() if (found := looks_at_environment(tree))}
    assert set(looked) == ENVIRONMENT
    for file, assignment in WRITTEN.items():
        written = [ast.unparse(node) for node in ast.walk(modules()[file])
                   if isinstance(node, ast.Assign) and "environ" in ast.unparse(node)]
        assert written == [assignment] and len(looked[file]) == 1


def test_nothing_catches_everything() -> None:
    found = [f"{file}:{node.lineno}" for file, tree in modules().items() for node in ast.walk(tree)
             if isinstance(node, ast.ExceptHandler) and catches_all(node)]
    assert found == []


def test_files_and_functions_stay_short() -> None:
    long: dict[str, int] = {}
    for file, tree in modules().items():
        lines = len((ROOT / file).read_text("utf-8").splitlines())
        if lines > MAX_FILE:
            long[file] = lines
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                if size > MAX_FUNCTION:
                    long[f"{file}:{node.name}"] = size
    assert {name: size for name, size in long.items() if name not in ALLOWED} == {}
    assert set(ALLOWED) - set(long) == set() and all(reason.strip() for reason in ALLOWED.values())
