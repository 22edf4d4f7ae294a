"""A process of its own for running tools, one after the other, within a memory limit. Knows tools by module and id only."""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Mapping
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tools.base import Tool, ToolError, ToolResult

START_S = 60.0
STOP_S = 1.0
STATM = Path("/proc/self/statm")

_MISTAKES = (ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, ImportError, LookupError, NameError, OSError,
             RuntimeError, TypeError, ValueError)
"""What broken code raises; anything else ends the worker."""


class WorkerGone(Exception):
    """The process ended by itself or was ended by somebody else; the text says how."""


class ToolCrash(RuntimeError):
    """A tool broke, which is a mistake in it and not in its arguments; its own traceback is attached as a note."""


class Worker:
    """One process. Serves one run at a time; whoever shares it takes turns."""

    def __init__(self, memory_bytes: int) -> None:
        """Starts the process and waits until it is ready. Raises WorkerGone."""
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, memory_bytes), daemon=True, name="tool-worker")
        self._process.start()
        theirs.close()
        try:
            self._receive(START_S)
        except (WorkerGone, TimeoutError) as error:
            self.stop()
            raise WorkerGone(str(error) or f"it wasn't ready within {START_S:g} s") from None

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def run(self, tool: Tool, args: Mapping[str, Any], seed: int, timeout_s: float) -> ToolResult:
        """Raises what the tool raises as ToolError or MemoryError, ToolCrash, TimeoutError after `timeout_s`, and WorkerGone. The
        worker is to be stopped after any of them but ToolError."""
        try:
            self._pipe.send((tool.function.__module__, tool.id, dict(args), seed))
        except OSError:
            raise WorkerGone(self._ending()) from None
        how, what = self._receive(timeout_s)
        if how == "result":
            return ToolResult.model_validate(what)
        if how == "refused":
            raise ToolError(what)
        if how == "memory":
            raise MemoryError(what)
        crash = ToolCrash(f"{tool.id} broke: {what[0]}")
        crash.add_note(what[1])
        raise crash

    def kill(self) -> None:
        """Ends the process whatever it does; a run in another thread then raises WorkerGone."""
        if self._process.is_alive():
            self._process.kill()

    def stop(self) -> None:
        """Ends the process and closes what belongs to it. Only for whoever holds the worker; can be called twice."""
        self.kill()
        self._process.join(STOP_S)
        self._pipe.close()

    def _receive(self, timeout_s: float) -> tuple[str, Any]:
        try:
            if not self._pipe.poll(timeout_s):
                raise TimeoutError
            answer: tuple[str, Any] = self._pipe.recv()
        except TimeoutError:
            raise
        except (EOFError, OSError):
            raise WorkerGone(self._ending()) from None
        return answer

    def _ending(self) -> str:
        self._process.join(STOP_S)
        code = self._process.exitcode
        if code is None:
            return "it stopped answering"
        return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def serve(pipe: Connection, memory_bytes: int) -> None:
    """The process's loop: (module, tool id, args, seed) in, (how, what) out, until the pipe closes."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asked, who then stops this process.
    pipe.send(("ready", None))
    while True:
        try:
            module, name, args, seed = pipe.recv()
        except (EOFError, OSError):
            return
        answer = _answer(module, name, args, seed, memory_bytes)
        try:
            pipe.send(answer)
        except (BrokenPipeError, ConnectionResetError):
            return
        if answer[0] == "memory":
            return


def _answer(module: str, name: str, args: dict[str, Any], seed: int, memory_bytes: int) -> tuple[str, Any]:
    try:
        tool = next((each for each in vars(importlib.import_module(module)).values() if isinstance(each, Tool) and each.id == name), None)
        if tool is None:
            return "refused", f"{name} can't run in a worker process, for it isn't at the top of its module {module}."
        _limit_memory(memory_bytes)
        return "result", tool.run(args, seed)
    except ToolError as error:
        return "refused", str(error)
    except MemoryError as error:
        return "memory", str(error)
    except _MISTAKES as error:
        return "crash", (f"{type(error).__name__}: {error}", traceback.format_exc())


def _limit_memory(more_bytes: int) -> None:
    """Lets the address space grow by `more_bytes` from here. Where the system can't tell its size, time is the only limit."""
    if not STATM.exists():
        return
    import resource

    now = int(STATM.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = now + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
