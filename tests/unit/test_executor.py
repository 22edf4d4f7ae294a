"""Tools in worker processes: the same results as here, limits on time and memory, and workers that die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tools.base import Params, Tool, ToolError, ToolResult, param, tool
from tools.executor import InlineExecutor, WorkerExecutor
from tools.worker import ToolCrash

MIB = 2**20


class Work(Params):
    amount: int = param(1, ge=0, le=10**12)


def result(p: Work, **values: object) -> ToolResult:
    return ToolResult(tool="", values={"amount": p.amount, **values})


@tool("test-double", group="T", kind="simulator")
def double(p: Work, seed: int) -> ToolResult:
    """Doubles."""
    if p.amount == 13:
        raise ToolError("test-double: 13 has no double.")
    return result(p, double=2 * p.amount, seed=seed)


@tool("test-where", group="T", kind="simulator")
def where(p: Work, seed: int) -> ToolResult:
    """Says which process it runs in."""
    return result(p, pid=os.getpid())


@tool("test-here", group="T", kind="calculator")
def here(p: Work, seed: int) -> ToolResult:
    """Says which process it runs in."""
    return result(p, pid=os.getpid())


@tool("test-measure", group="T", kind="calculator", measures=True)
def measure(p: Work, seed: int) -> ToolResult:
    """Says which process it runs in."""
    return result(p, pid=os.getpid())


@tool("test-spin", group="T", kind="simulator")
def spin(p: Work, seed: int) -> ToolResult:
    """Works until it is stopped, when asked for more than 1."""
    while p.amount > 1:
        pass
    return result(p)


@tool("test-fill", group="T", kind="simulator")
def fill(p: Work, seed: int) -> ToolResult:
    """Takes as much memory as asked."""
    return result(p, taken=len(bytearray(p.amount)))


@tool("test-die", group="T", kind="simulator")
def die(p: Work, seed: int) -> ToolResult:
    """Ends its process, unless the amount is 0."""
    if p.amount:
        os.kill(os.getpid(), signal.SIGKILL)
    return result(p)


@tool("test-broken", group="T", kind="simulator")
def broken(p: Work, seed: int) -> ToolResult:
    """Divides by zero."""
    return result(p, never=1 // (p.amount - p.amount))


@pytest.fixture(scope="module")
def executor() -> Iterator[WorkerExecutor]:
    with WorkerExecutor(workers=1, memory_bytes=256 * MIB) as opened:
        yield opened


def pid(executor: WorkerExecutor, which: Tool = where) -> int:
    return int(executor.run(which, {}).values["pid"])


def test_results_are_the_inline_executors(executor: WorkerExecutor) -> None:
    for args, seed in (({}, 0), ({"amount": 7}, 3)):
        far, near = executor.run(double, args, seed), InlineExecutor().run(double, args, seed)
        assert far == near and far.model_dump_json() == near.model_dump_json()


def test_simulators_and_measuring_tools_share_a_worker_and_calculators_stay_here(executor: WorkerExecutor) -> None:
    assert pid(executor) == pid(executor, measure) != os.getpid()
    assert pid(executor, here) == os.getpid()


def test_calculators_start_no_process() -> None:
    with WorkerExecutor(workers=0) as without:
        assert pid(without, here) == os.getpid()
        with pytest.raises(ToolError, match="no free worker"):
            without.run(where, {}, timeout_s=0.01)


def test_what_a_tool_refuses_is_the_same_text_and_costs_no_worker(executor: WorkerExecutor) -> None:
    before = pid(executor)
    for args in ({"amount": 13}, {"amount": -1}, {"other": 1}):
        with pytest.raises(ToolError) as far:
            executor.run(double, args)
        with pytest.raises(ToolError) as near:
            double.run(args)
        assert str(far.value) == str(near.value)
    assert pid(executor) == before


def test_a_run_that_takes_too_long_is_stopped_and_its_worker_replaced(executor: WorkerExecutor) -> None:
    before = pid(executor)
    with pytest.raises(ToolError) as stopped:
        executor.run(spin, {"amount": 5}, timeout_s=0.05)
    assert str(stopped.value) == "test-spin took longer than 0.05 s and was stopped; make amount smaller."
    assert pid(executor) != before


def test_a_run_that_takes_too_much_memory_is_stopped(executor: WorkerExecutor) -> None:
    assert executor.run(fill, {"amount": 50 * MIB}).values["taken"] == 50 * MIB
    with pytest.raises(ToolError) as stopped:
        executor.run(fill, {"amount": 400 * MIB})
    assert str(stopped.value) == "test-fill needed more than 0.25 GiB of memory and was stopped; make amount smaller."
    assert executor.run(double, {}).values["double"] == 2


def test_a_worker_that_dies_in_a_run_is_reported_and_replaced(executor: WorkerExecutor) -> None:
    with pytest.raises(ToolError, match="test-die lost its worker process .ended by signal 9.; run it again"):
        executor.run(die, {})
    assert executor.run(die, {"amount": 0}).values == {"amount": 0}


def test_a_worker_that_dies_between_runs_is_replaced_silently(executor: WorkerExecutor) -> None:
    before = pid(executor)
    os.kill(before, signal.SIGKILL)
    wait_until_gone(before)
    assert pid(executor) != before


def wait_until_gone(process: int, most_s: float = 5.0) -> None:
    until = time.monotonic() + most_s
    while time.monotonic() < until:
        stat = Path(f"/proc/{process}/stat")
        if not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
    raise AssertionError(f"process {process} lives on")


def test_a_broken_tool_is_no_tool_error_and_its_traceback_is_kept(executor: WorkerExecutor) -> None:
    with pytest.raises(ToolCrash, match="test-broken@1 broke: ZeroDivisionError") as crash:
        executor.run(broken, {})
    assert "in broken" in crash.value.__notes__[0]
    assert executor.run(double, {}).values["double"] == 2


def test_a_tool_that_no_module_holds_is_refused(executor: WorkerExecutor) -> None:
    def inner(p: Work, seed: int) -> ToolResult:
        return result(p)

    hidden = Tool("test-hidden", 1, "T", "simulator", Work, inner, "", "")
    with pytest.raises(ToolError, match="test-hidden@1 can't run in a worker process"):
        executor.run(hidden, {})


def test_many_threads_get_their_own_results() -> None:
    with WorkerExecutor(workers=2) as shared, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: shared.run(double, {"amount": n}, timeout_s=60.0).values["double"], range(20, 60)))
        workers = {threads.submit(pid, shared).result() for _ in range(4)}
    assert found == [2 * n for n in range(20, 60)] and 1 <= len(workers) <= 2


def test_a_closed_executor_leaves_no_process_and_says_so() -> None:
    executor = WorkerExecutor()
    process = pid(executor)
    executor.close()
    executor.close()
    wait_until_gone(process)
    with pytest.raises(ToolError, match="its executor is closed"):
        executor.run(where, {})


def test_closing_ends_a_run_in_another_thread() -> None:
    executor = WorkerExecutor(workers=1)
    executor.run(double, {})
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(executor.run, spin, {"amount": 2}, 0, 60.0)
        executor.close()
        with pytest.raises(ToolError, match="lost its worker process|is closed"):
            running.result()
