"""Runs pip and shows one line of what it does, not screens of it; all of it when it fails. Needs nothing installed.

`python -m api.cli.install TITLE ARGUMENT…` gives the arguments to `pip install`.
"""

from __future__ import annotations

import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO

PIP = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off")
TICK_S = 1.0


def install(title: str, arguments: Sequence[str], command: Sequence[str] = PIP) -> int:
    """pip's exit code. What it says goes into a line that is written over; a terminal shows it, nothing else does."""
    began, said = time.monotonic(), [""]
    print(f"{title} …", file=sys.stderr, end="" if sys.stderr.isatty() else "\n", flush=True)
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as pip:
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_read, args=(pip.stdout, lines), daemon=True).start()
        while True:
            try:
                line = lines.get(timeout=TICK_S)
            except queue.Empty:
                line = ""  # a long download: the seconds show that it goes on
            if line is None:
                break
            if line.strip():
                said.append(line.rstrip())
            _show(line_of(title, time.monotonic() - began, said[-1], shutil.get_terminal_size().columns - 1))
    if pip.returncode:
        _show("")
        print("\n".join(said[1:]), file=sys.stderr)
        print(f"error: {title} failed; pip says why above.", file=sys.stderr)
    else:
        _show(f"{title}: done ({time.monotonic() - began:.0f} s).")
        _end_line()
    return pip.returncode


def line_of(title: str, seconds: float, said: str, width: int) -> str:
    """
    >>> line_of("Packages", 7.2, "  Downloading torch-2.13.0.whl (190 MB)", 40)
    'Packages … 7 s · Downloading torch-2.13.'
    """
    return f"{title} … {seconds:.0f} s · {' '.join(said.split())}"[: max(width, 1)]


def _read(stream: IO[str] | None, lines: queue.Queue[str | None]) -> None:
    for line in stream or ():
        lines.put(line)
    lines.put(None)


def _show(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def _end_line() -> None:
    if sys.stderr.isatty():
        print(file=sys.stderr, flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        print("usage: python -m api.cli.install TITLE ARGUMENT…", file=sys.stderr)
        sys.exit(2)
    sys.exit(install(sys.argv[1], sys.argv[2:]))
