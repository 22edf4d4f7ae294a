"""The command line's entry is light: what is heavy loads when it is used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "sentence_transformers", "chromadb", "langchain", "langchain_core", "langgraph", "numpy", "scipy", "onnxruntime",
         "matplotlib", "fastapi"}

LOADED = "import json, sys; import {module}; print(json.dumps(sorted(name.split('.')[0] for name in sys.modules)))"


@pytest.mark.parametrize("module", ["api.cli", "api.cli.main"])
def test_importing_the_command_line_loads_nothing_heavy(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED.format(module=module)], cwd=ROOT, capture_output=True, text=True, timeout=60,
                          check=True)
    loaded = set(json.loads(done.stdout))
    assert "api" in loaded and loaded & HEAVY == set()


def test_help_loads_nothing_heavy_either() -> None:
    code = "import json, sys; from api.cli.main import main; main(['--help']); print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    assert done.stdout.startswith("usage: tutor") and loaded & HEAVY == set()
