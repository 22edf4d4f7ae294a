"""Nothing goes out and nothing is left in the user's cache: the libraries' telemetry is off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from memory.export import model_folder

ROOT = Path(__file__).parents[2]
EMBED = """
import sys
from pathlib import Path

from memory.minilm import MiniLM

print(MiniLM(Path(sys.argv[1])).embed_query("a token bucket").vector.shape)
"""
# Hints of a build machine, where the library may keep quiet by itself.
HINTS = ("CI", "GITHUB_", "TF_BUILD", "BUILD", "JENKINS", "TRAVIS", "CODEBUILD", "TEAMCITY")


@pytest.mark.model
@pytest.mark.skipif(not (model_folder() / "tokenizer.json").is_file(), reason="the embedding model isn't exported")
def test_embedding_leaves_nothing_in_the_users_cache(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith((*HINTS, "ORT_"))}
    done = subprocess.run([sys.executable, "-c", EMBED, str(model_folder())], capture_output=True, text=True, cwd=ROOT, timeout=120,
                          env={**kept, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert done.returncode == 0 and done.stdout == "(384,)\n", done.stderr
    assert list(tmp_path.rglob("*")) == []
