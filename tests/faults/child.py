"""A Python process of its own that a test listens to line by line and may kill. Knows nothing of what the script does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]
GIVE_UP_S = 150.0
"""After this long a child that says nothing more is killed, so that a hang is a failure and not a hang of the tests."""


class Child:
    """Runs `script` (source text, written into `folder`) with `words`; its stdin stays open until the end."""

    def __init__(self, folder: Path, script: str, *words: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "child.py").write_text(script, "utf-8")
        self._errors = (folder / "child.err").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, str(folder / "child.py"), *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, text=True, encoding="utf-8", cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        self._watchdog = threading.Timer(GIVE_UP_S, self.process.kill)
        self._watchdog.start()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.kill()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            assert stream is not None
            stream.close()

    def lines_until(self, wanted: str, times: int = 1) -> list[str]:
        """What the child says up to the `times`-th line that begins with `wanted`. Fails when it ends before."""
        assert self.process.stdout is not None
        heard: list[str] = []
        while sum(line.startswith(wanted) for line in heard) < times:
            line = self.process.stdout.readline()
            assert line, f"The child ended without {wanted!r}; it said {heard}.\n{self.complaints()}"
            heard.append(line.rstrip("\n"))
        return heard

    def finish(self) -> tuple[int, str, str]:
        """(exit code, rest of stdout, stderr) after the child's own end."""
        out, _ = self.process.communicate()
        self._watchdog.cancel()
        return self.process.returncode, out, self.complaints()

    def kill(self) -> None:
        """SIGKILL, as the kernel's memory killer would; returns when the process is gone."""
        self._watchdog.cancel()
        self.process.kill()
        self.process.wait()

    def complaints(self) -> str:
        self._errors.seek(0)
        return self._errors.read()


def run(folder: Path, script: str, *words: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a script that ends by itself."""
    with Child(folder, script, *words) as child:
        return child.finish()


def tutor(*words: str) -> subprocess.CompletedProcess[str]:
    """The real command line."""
    command: Sequence[str] = [sys.executable, "-m", "api.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, timeout=4 * GIVE_UP_S, check=False)


HASHED = """
import sys
from contextlib import contextmanager
from dataclasses import replace

from api.backend import local_backend
from api.cli.main import main
from memory.minilm import HashEmbedder
from memory.open import open_memory

WAIT_S = 0.5


@contextmanager
def hashed(settings, progress):
    memory = open_memory(settings.home, wait_s=WAIT_S, course=False, embedder=HashEmbedder())
    try:
        with local_backend(settings, memory) as backend:
            opened()
            yield backend
    finally:
        memory.close()


def opened():
    pass
"""
"""The head of a script: the command line over homes of HashEmbedder, which need no model and no course."""
