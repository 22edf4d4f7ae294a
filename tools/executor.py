"""Where tools run: in this process, or in a worker process with time and memory limits. Knows no tool by name."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from tools.base import Tool, ToolError, ToolResult
from tools.worker import Worker, WorkerGone

GIB = 2**30


class InlineExecutor:
    """Runs a tool here and now. Validation bounds its size; nothing bounds its time."""

    def run(self, tool: Tool, args: Mapping[str, Any], seed: int = 0, timeout_s: float = 10.0) -> ToolResult:
        return tool.run(args, seed)


class WorkerExecutor:
    """Runs simulators, and tools that measure, in worker processes that live on from run to run; calculators and formulas
    run here, for validation bounds them. A run that takes longer than its `timeout_s`, or more than `memory_bytes` on top of
    what its worker holds, raises ToolError, and another worker takes the place of that one.

    Workers start when they are first needed, up to `workers` of them; may be used from many threads. Close it, or use it
    as a context manager. As with every use of spawned processes, a script that uses it needs an
    `if __name__ == "__main__":` guard.
    """

    def __init__(self, workers: int = 2, memory_bytes: int = 2 * GIB) -> None:
        self._memory_bytes = memory_bytes
        self._workers = workers
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._closed = False
        self._change = threading.Condition()
        self._starting = 0

    def __enter__(self) -> WorkerExecutor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def run(self, tool: Tool, args: Mapping[str, Any], seed: int = 0, timeout_s: float = 10.0) -> ToolResult:
        """The same result as `tool.run`. Raises ToolError, one sentence, for bad arguments, for too much time or memory, and
        when no worker is free within `timeout_s`; ToolCrash when the tool itself is broken."""
        if tool.kind != "simulator" and not tool.measures:
            return tool.run(args, seed)
        tool.validate(args)
        worker = self._take(tool, timeout_s)
        healthy = False
        try:
            result = worker.run(tool, args, seed, timeout_s)
            healthy = True
            return result
        except ToolError:
            healthy = True
            raise
        except TimeoutError:
            raise ToolError(f"{tool.name} took longer than {timeout_s:g} s and was stopped; {_smaller(tool, args)}.") from None
        except MemoryError:
            raise ToolError(f"{tool.name} needed more than {self._memory_bytes / GIB:.3g} GiB of memory and was stopped; "
                            f"{_smaller(tool, args)}.") from None
        except WorkerGone as gone:
            raise ToolError(f"{tool.name} lost its worker process ({gone}); run it again, and if that fails, {_smaller(tool, args)}.") \
                from None
        finally:
            # Whatever else ends a run (Ctrl-C, a broken tool) leaves a worker that nobody knows the state of.
            self._give_back(worker, healthy)

    def close(self) -> None:
        """Ends every worker, also in the middle of a run. Can be called twice."""
        with self._change:
            self._closed = True
            idle, busy = [*self._idle], [*self._busy]
            self._idle.clear()
            self._change.notify_all()
        for worker in idle:
            worker.stop()
        for worker in busy:
            worker.kill()

    def _take(self, tool: Tool, timeout_s: float) -> Worker:
        with self._change:
            free = self._change.wait_for(
                lambda: self._closed or self._idle or len(self._busy) + self._starting < self._workers, timeout_s)
            if self._closed:
                raise ToolError(f"{tool.name} can't run: its executor is closed; open another one.")
            if not free:
                raise ToolError(f"{tool.name} found no free worker within {timeout_s:g} s; try again in a moment.")
            while self._idle:
                worker = self._idle.pop()
                if worker.alive:
                    self._busy.add(worker)
                    return worker
                worker.stop()
            self._starting += 1
        started = None
        try:
            started = Worker(self._memory_bytes)
        except WorkerGone as gone:
            raise ToolError(f"{tool.name} can't run: its worker process didn't start ({gone}); try again in a moment.") from gone
        finally:
            with self._change:
                self._starting -= 1
                if started is not None:
                    self._busy.add(started)
                self._change.notify_all()
        return started

    def _give_back(self, worker: Worker, healthy: bool) -> None:
        with self._change:
            self._busy.discard(worker)
            kept = healthy and not self._closed
            if kept:
                self._idle.append(worker)
            self._change.notify_all()
        if not kept:
            worker.stop()


def _smaller(tool: Tool, args: Mapping[str, Any]) -> str:
    """What to make smaller: the one or two numbers that lie farthest above their defaults."""
    defaults = {info.alias or name: info.default for name, info in tool.params.model_fields.items()}
    ratios = {
        name: abs(value) / (abs(default) or 1)
        for name, default in defaults.items()
        if _is_number(value := args.get(name, default)) and _is_number(default)
    }
    given = [name for name in args if _is_number(args[name])]
    grown = sorted((name for name, ratio in ratios.items() if ratio > 1), key=lambda name: -ratios[name])[:2]
    named = grown or given[:2]
    return f"make {' or '.join(named)} smaller" if named else "give it smaller numbers or shorter lists"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
