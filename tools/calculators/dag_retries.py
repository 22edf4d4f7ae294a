"""Retries of tasks: how likely they save a run and how long they wait. No graph's shape, no slots."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

AIRFLOW_CAP_S = 24 * 3600
"""Airflow's MAX_RETRY_DELAY: no exponential wait exceeds a day."""

_FAIL: dict[str, Any] = {"ge": 0.0, "le": 1.0, "unit": "fraction",
                         "words": ["fail", "fails", "failure rate", "failing", "failure probability"]}
_RETRIES: dict[str, Any] = {"ge": 0, "le": 100, "unit": "count", "words": ["retries", "retry", "times"]}
_TASKS: dict[str, Any] = {"ge": 1, "le": 1_000_000, "unit": "count", "words": ["tasks", "steps", "task dag"]}
_DELAY: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "s", "words": ["retry delay", "delay", "wait", "retry_delay"]}
_CAP: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "s", "words": ["max retry delay", "at most", "cap"],
                        "help": "0: no cap"}


@formula("dag.success", words=["dag success"], cases=[
    Case({"p_fail": 0.2, "retries": 3, "tasks": 10}, {"result": [0.9984, 0.98411, 0.10737]}, abs=1e-5,
         source="1 - 0.2^4; its 10th power; 0.8^10"),
])
def success(p_fail: float = param(**_FAIL), retries: int = param(**_RETRIES),
            tasks: int = param(**_TASKS)) -> list[float]:
    """Probability that a task succeeds with its retries, that all tasks of a DAG do, and that all do without retries.

    Attempts fail independently: a bug or a missing input fails all of them."""
    each = 1 - p_fail ** (retries + 1)
    return [each, each**tasks, (1 - p_fail) ** tasks]


@formula("dag.task_success", words=["one task succeeds"], cases=[
    Case({"p_fail": 0.2, "retries": 3}, {"result": 0.9984}, rel=1e-12, source="1 - 0.2^4"),
], asks=[
    Ask("One task fails with probability 10% and has 2 retries. How likely is it that this task succeeds?",
        "result", 0.999),
])
def task_success(p_fail: float = param(**_FAIL), retries: int = param(**_RETRIES)) -> float:
    """Probability that one of 1 + retries attempts succeeds."""
    return 1 - p_fail ** (retries + 1)


@formula("dag.expected_attempts", words=["attempts per task", "how many attempts"], cases=[
    Case({"p_fail": 0.2, "retries": 3}, {"result": 1.248}, rel=1e-12, source="1 + 0.2 + 0.04 + 0.008"),
    Case({"p_fail": 1.0, "retries": 3}, {"result": 4.0}, rel=1e-12, source="every attempt fails"),
], asks=[
    Ask("A task fails 20% of the time and has 2 retries: how many attempts does it need on average?", "result", 1.24),
])
def expected_attempts(p_fail: float = param(**_FAIL), retries: int = param(**_RETRIES)) -> float:
    """Mean number of attempts of a task: 1 + p + … + p^retries."""
    return math.fsum(p_fail**attempt for attempt in range(retries + 1))


@formula("dag.retries_needed", words=["how many retries", "retries are needed", "retries needed"], cases=[
    Case({"p_fail": 0.2, "tasks": 10, "target": 0.98}, {"result": 3}, source="2 retries give 0.9227, 3 give 0.9841"),
    Case({"p_fail": 0.05, "tasks": 100, "target": 0.99}, {"result": 3}, source="2 retries give 0.9876, 3 give 0.9994"),
], asks=[
    Ask("40 tasks that each fail 3% of the time: how many retries are needed for a success target of 99.9%?", "result", 3),
])
def retries_needed(
    p_fail: float = param(**_FAIL), tasks: int = param(**_TASKS),
    target: float = param(ge=0.0, lt=1.0, unit="fraction", words=["target", "success", "succeed"]),
) -> int:
    """Fewest retries with which a DAG of that many tasks succeeds with at least the target probability."""
    found = next((count for count in range(10_001) if (1 - p_fail ** (count + 1)) ** tasks >= target), None)
    if found is None:
        raise ToolError(f"dag.retries_needed: tasks that fail {p_fail:.4%} of the time don't reach {target:g} with "
                        "10,000 retries; lower p_fail or the target.")
    return found


@formula("dag.backoff_s", unit="s", words=["retry backoff", "exponential backoff"], cases=[
    Case({"retry_delay": 300, "retries": 3, "exponential": True}, {"result": [300, 600, 1200]},
         source="doubling, before Airflow's jitter"),
    Case({"retry_delay": 300, "retries": 3, "exponential": False}, {"result": [300, 300, 300]},
         source="constant delay"),
    Case({"retry_delay": 300, "retries": 4, "exponential": True, "max_retry_delay": 900},
         {"result": [300, 600, 900, 900]}, source="capped"),
])
def backoff_s(
    retry_delay: float = param(300, **_DELAY), retries: int = param(3, **_RETRIES),
    exponential: bool = param(True, words=["exponential", "doubling"]), max_retry_delay: float = param(0, **_CAP),
) -> list[float]:
    """Waits before each retry in seconds: the delay, doubled every time if exponential; before Airflow's jitter.

    Airflow then adds up to as much again (`dag.backoff_airflow_s`) and caps at `max_retry_delay` and at a day."""
    cap = max_retry_delay or math.inf
    return [_plain(min(retry_delay * (2**attempt if exponential else 1), cap)) for attempt in range(retries)]


@formula("dag.total_wait_s", unit="s", words=["total wait", "wait in total", "wait in the worst case", "longest wait"], cases=[
    Case({"retry_delay": 300, "retries": 3}, {"result": 2100}, source="300 + 600 + 1200"),
    Case({"retry_delay": 60, "retries": 4, "exponential": False}, {"result": 240}, source="4 * 60"),
    Case({"retry_delay": 60, "retries": 4, "max_retry_delay": 100}, {"result": 360}, source="60 + 100 + 100 + 100"),
], asks=[
    Ask("A retry delay of 30 s with exponential backoff and 5 retries: what is the total wait?", "result", 930),
    Ask("Retry delay 1 minute, doubling each time, 4 retries: how long is the wait in total?", "result", 900),
])
def total_wait_s(
    retry_delay: float = param(**_DELAY), retries: int = param(**_RETRIES),
    exponential: bool = param(True, words=["exponential", "doubling", "doubles"]), max_retry_delay: float = param(0, **_CAP),
) -> float:
    """Seconds that a task waits if every retry is used: the sum of its waits, delay * (2^retries - 1) when they double."""
    return _plain(sum(backoff_s(retry_delay, retries, exponential, max_retry_delay)))


@formula("dag.backoff_range_s", unit="s", cases=[
    Case({"retry_delay": 300, "retries": 3}, {"result": [[300, 599], [600, 1199], [1200, 2399]]},
         source="Airflow: min + hash mod min"),
])
def backoff_range_s(
    retry_delay: float = param(300, **_DELAY), retries: int = param(3, **_RETRIES),
    max_retry_delay: float = param(0, **_CAP),
) -> list[list[float]]:
    """Shortest and longest wait in seconds before each retry with Airflow's jitter: b to 2b - 1 in whole seconds."""
    cap = min(max_retry_delay or AIRFLOW_CAP_S, AIRFLOW_CAP_S)
    lowest = [max(1, math.ceil(retry_delay * 2**attempt)) for attempt in range(retries)]
    return [[_plain(min(low, cap)), _plain(min(2 * low - 1, cap))] for low in lowest]


@formula("dag.backoff_airflow_s", unit="s", cases=[
    Case({"retry_delay": 0, "retries": 1}, {"result": [1]}, source="at least a second; hash mod 1 is 0"),
    Case({"retry_delay": 300, "retries": 3}, {"result": [354, 691, 2330]},
         source="next_retry_datetime by hand: sha1 of "
         "etl#train#2026-01-01 00:00:00+00:00#1 and so on"),
])
def backoff_airflow_s(
    retry_delay: float = param(300, **_DELAY), retries: int = param(3, **_RETRIES),
    dag_id: str = param("etl", max_length=200), task_id: str = param("train", max_length=200),
    logical_date: str = param("2026-01-01 00:00:00+00:00", max_length=60, help="as Python prints it"),
    max_retry_delay: float = param(0, **_CAP),
) -> list[float]:
    """Waits in seconds as Airflow computes them: b + sha1(dag_id#task_id#logical_date#try) mod b, at most a day.

    The jitter is a hash, so one task always waits alike and different tasks spread. Source: airflow.models
    .taskinstance, next_retry_datetime (2.10 and 3: the first retry has b = the delay)."""
    waits: list[float] = []
    for attempt in range(1, retries + 1):
        low = max(1, math.ceil(retry_delay * 2 ** (attempt - 1)))
        digest = hashlib.sha1(f"{dag_id}#{task_id}#{logical_date}#{attempt}".encode(),
                              usedforsecurity=False).hexdigest()
        wait = min(low + int(digest, 16) % low, AIRFLOW_CAP_S)
        waits.append(_plain(min(wait, max_retry_delay) if max_retry_delay else wait))
    return waits


class DagRetries(Params):
    tasks: int = param(10, **_TASKS)
    fail_rate: float = param(0.2, **_FAIL)
    retries: int = param(3, **_RETRIES)
    retry_delay_s: float = param(300, **_DELAY)
    exponential: bool = param(True, words=["exponential", "doubling", "backoff"])
    max_retry_delay_s: float = param(0, **_CAP)


@tool("dag-retries", group="C", example={"tasks": 10, "fail_rate": 0.2, "retries": 3},
      words=["retries", "retry delay", "backoff", "task fails", "DAG succeeds", "flaky tasks", "airflow retries",
             "dag goes green", "pipeline succeeds"],
      cases=[
          Case({"tasks": 10, "fail_rate": 0.2, "retries": 3},
               {"success_probability": 0.98411, "without_retries": 0.10737, "task_success": 0.9984}, abs=1e-5,
               source="independent attempts"),
          Case({"retry_delay_s": 300, "retries": 3}, {"waits_s": [300, 600, 1200], "longest_wait_s": 2100},
               source="doubling"),
      ],
      asks=[
          Ask("What is the chance that a DAG of 10 tasks succeeds if each fails 20% of the time and has 3 retries?",
              "success_probability", 0.98411),
          Ask("My pipeline has 50 tasks, each failing 1% of the time with no retries (0 retries). How often does it "
              "work?",
              "success_probability", 0.60501),
          Ask("Without any retries, how likely do 10 tasks with a failure rate of 0.2 all get through?",
              "without_retries",
              0.10737),
          Ask("Airflow retry delay 300 s, 3 retries, exponential: how long does a task wait in total if every retry is "
              "used?", "longest_wait_s", 2100),
          Ask("200 tasks fail 5% of the time; with 2 retries, what is the success rate of the DAG?",
              "success_probability",
              0.97531),
          Ask("How many attempts does a task need on average at a failure rate of 50% and 3 retries?",
              "attempts_per_task",
              1.875),
          Ask("12 tasks, each fails 10% of the time, 2 retries each: what is the chance that the whole airflow dag "
              "goes green?", "success_probability", 0.988066),
      ])
def dag_retries(p: DagRetries, seed: int) -> ToolResult:
    """What retries buy a DAG: its chance to succeed, the attempts it costs and how long a task may wait.

    A DAG succeeds when each of its tasks succeeds in one of 1 + `retries` attempts; attempts fail independently with
    `fail_rate`. The waits are Airflow's before its jitter, which makes an exponential wait up to twice as long.
    People get wrong: a task that works four times out of five looks fine, but ten of them in a row work one time in
    ten; and retries cure only what fails by chance, not a bug, and repeat every side effect of a task that isn't
    idempotent.
    Sources: arithmetic; Airflow's next_retry_datetime for the waits.

    >>> dag_retries(DagRetries(tasks=10, fail_rate=0.5, retries=1), 0).values["success_probability"]
    0.056313514709472656
    """
    each, whole, bare = success(p.fail_rate, p.retries, p.tasks)
    waits = backoff_s(p.retry_delay_s, p.retries, p.exponential, p.max_retry_delay_s)
    attempts = expected_attempts(p.fail_rate, p.retries)
    expected_wait = math.fsum(wait * p.fail_rate ** (n + 1) for n, wait in enumerate(waits))
    counts = list(range(max(p.retries, 5) + 1))
    return ToolResult(
        tool="dag-retries",
        values={"success_probability": whole, "task_success": each, "without_retries": bare,
                "attempts_per_task": attempts,
                "attempts": attempts * p.tasks, "waits_s": waits, "longest_wait_s": _plain(math.fsum(waits)),
                "expected_wait_s": expected_wait},
        units={"success_probability": "fraction", "task_success": "fraction", "without_retries": "fraction",
               "attempts_per_task": "count", "attempts": "count", "waits_s": "s", "longest_wait_s": "s",
               "expected_wait_s": "s"},
        naive={"success_probability": each},
        summary=f"All {p.tasks:,} tasks succeed with probability {whole:.3%} ({bare:.3%} without retries), at "
        f"{attempts:.4g} attempts a task; a task that uses every retry waits {math.fsum(waits):,.6g} s. One task alone "
        f"succeeds with {each:.3%}, which isn't the figure of the DAG.",
        formula="task = 1 - p^(retries+1); DAG = task^tasks; attempts = 1 + p + … + p^retries; wait_i = delay * 2^i",
        series={"retries": list(counts), "success_probability": [success(p.fail_rate, n, p.tasks)[1] for n in counts]},
        plot=Plot(title=f"What each retry buys a DAG of {p.tasks:,} tasks that fail {p.fail_rate:.3g} of the time",
                  x_label="retries of each task (count)", y_label="chance of success (fraction)", lines=[
            Line(label=f"DAG of {p.tasks} tasks", x=list(counts),
                 y=[success(p.fail_rate, n, p.tasks)[1] for n in counts]),
            Line(label="one task taken for the whole (naive)", x=list(counts), dashed=True,
                 y=[success(p.fail_rate, n, 1)[1] for n in counts])]),
        assumptions=["attempts fail independently, all tasks alike", "every task must succeed",
                     "waits are before Airflow's jitter of up to as much again (exponential only)"],
        warnings=[f"Airflow caps an exponential wait at {AIRFLOW_CAP_S:,} s; the last ones here are longer."]
        if p.exponential and waits and waits[-1] > AIRFLOW_CAP_S else [],
    )


def _plain(value: float) -> float:
    """Whole numbers without a fraction, so that 300 stays 300."""
    return int(value) if float(value).is_integer() else value
