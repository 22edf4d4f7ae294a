"""An Airflow-like scheduler on a virtual clock: slots, pools, priorities, start-up, failures, retries, schedule."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.dag_graph import EXAMPLE_TEXT, Dag, find_graph, levels, longest_path, read_dag
from tools.calculators.dag_retries import AIRFLOW_CAP_S, success
from tools.calculators.dag_schedule import by_level, by_listing, by_weight
from tools.calculators.dag_shapes import DagText
from tools.calculators.prose import DAG, told

MAX_ATTEMPTS = 120_000
MINUTE_MS = 60_000


class DagScheduler(Params):
    dag: DagText = told(param(EXAMPLE_TEXT, max_length=20_000, words=["dag", "tasks", "graph"],
                              help="name:minutes:parent+parent@pool, separated by commas, or in words"), DAG, find_graph)
    slots: int = param(2, ge=1, le=1_000, unit="count",
                       words=["slots", "workers", "parallelism", "worker slots", "at once", "executors"])
    pools: str = param("", max_length=500, words=["pool", "pools"], help="slots of each pool, such as gpu=1,db=2")
    priority: Literal["downstream", "critical-path", "listed"] = param(
        "downstream", words=["priority", "weight rule"], help="downstream (descendants) is Airflow's default")
    fail_rate: float = param(0.0, ge=0, le=0.95, unit="fraction", words=["fail", "fails", "failure rate", "failing", "flaky"])
    retries: int = param(0, ge=0, le=20, unit="count", words=["retries", "retry"])
    retry_delay_min: float = param(5.0, ge=0, le=1_440, unit="min", words=["retry delay", "wait before a retry"])
    exponential: bool = param(False, words=["exponential", "backoff", "doubling"])
    startup_s: float = param(0.0, ge=0, le=3_600, unit="s",
                             words=["start-up", "startup", "pod start", "cold start", "executor start"])
    interval_min: float = param(60.0, ge=1e-6, le=525_600, unit="min", words=["schedule interval", "interval", "every"])
    runs: int = param(100, ge=1, le=2_000, unit="runs", words=["simulate", "simulated runs"])


@dataclass(frozen=True)
class _Run:
    """Attempts as (task, start, end, ended well) in ms, when each task was first ready, and whether all succeeded."""

    attempts: list[tuple[str, int, int, bool]]
    ready: dict[str, int]
    end_ms: int
    succeeded: bool


@dataclass(frozen=True)
class _Plan:
    """What every run shares: the graph in ms, order keys, pool sizes."""

    dag: Dag
    below: dict[str, list[str]]
    length_ms: dict[str, int]
    key: Callable[[str], Any]
    pools: dict[str, int]
    order: list[str]


@tool("dag-scheduler", group="C", kind="simulator",
      words=["airflow", "dag", "critical path", "makespan", "scheduler", "worker slots", "workflow", "pipeline tasks",
             "pool", "catchup", "data interval", "makespan", "gantt", "how long does the pipeline take"],
      example={"slots": 2},
      cases=[
          Case({"slots": 1}, {"makespan_min": 20, "critical_path_min": 11, "work_min": 20}, rel=1e-12,
               source="one slot: the work"),
          Case({"slots": 2, "priority": "critical-path"}, {"makespan_min": 13, "graham_bound_min": 15.5}, rel=1e-12,
               source="by hand"),
          Case({"slots": 3}, {"makespan_min": 11, "utilisation": 20 / 33}, rel=1e-12, source="the critical path"),
          Case({"fail_rate": 0.2, "retries": 3, "runs": 2000}, {"success_probability": 0.98885,
                                                                "simulated_success": 0.98885},
               abs=0.01, source="(1 - 0.2^4)^7"),
          Case({"slots": 3, "interval_min": 1440}, {"data_age_at_end_min": 1451}, source="interval + makespan"),
      ],
      asks=[
          Ask("How long does the example DAG take on 1 worker slot?", "makespan_min", 20),
          Ask("What is the makespan of the example Airflow DAG with 3 slots?", "makespan_min", 11),
          Ask("What is the critical path of the example Airflow DAG, however many workers I add?", "critical_path_min",
              11),
          Ask("The DAG runs on 2 workers and every task needs 60 s of pod start-up: how long is the critical path "
              "then?",
              "critical_path_min", 16),
          Ask("If each task of the dag fails 20% of the time with 3 retries, how often does a run succeed?",
              "success_probability", 0.98885),
          Ask("With a schedule interval of 1440 minutes and 3 slots, how old is the oldest data when the run is done?",
              "data_age_at_end_min", 1451),
          Ask("A takes 2 min, then B and C (4 min each, both need A), then D takes 3 min and needs B and C. How long "
              "does the dag take with 1 worker?", "makespan_min", 13),
      ])
def dag_scheduler(p: DagScheduler, seed: int) -> ToolResult:
    """Plays a DAG on an Airflow-like scheduler: Gantt chart, critical path, makespan, retries and age of the data.

    A task is ready when all its parents succeeded. A free slot (and a free place in the task's pool) takes the ready
    task of highest priority: most descendants (Airflow's default), longest path to the end, or as listed; by name among
    equals. Every attempt first spends the start-up on its slot, then the task's minutes; it fails at its end with
    `fail_rate`. A retry gives the slot back and waits: the delay, or doubled every time plus Airflow's jitter of up to
    as much again. A task without retries left fails the run; what depends on it never starts, the rest goes on. Times
    are whole milliseconds. One run without failures gives makespan and chart, `runs` runs with failures the rest.

    People get wrong: more workers always help (nothing beats the critical path, and one more can even delay);
    Airflow knows which task is long (its priority counts descendants); a run *of* a day happens on that day (with data
    intervals it starts when the day is over, so at the end the oldest row is an interval and a makespan old. Airflow 3
    runs cron schedules at their logical date unless told otherwise).
    Sources: Airflow documentation, Priority Weights, Dag Runs, Timetables; R. Graham, SIAM J. Appl. Math. 17 (1969).

    >>> dag_scheduler(DagScheduler(slots=3), 0).values["makespan_min"]
    11.0
    """
    plan = _plan(p)
    clean = _run(p, plan, None)
    values = _values(p, plan, clean, _many(p, plan, seed))
    by_slots = _sweep(p, plan)
    naive = {"makespan_min": values["work_min"] / p.slots, "success_probability": 1 - p.fail_rate,
             "data_age_at_end_min": values["makespan_min"]}
    return ToolResult(
        tool="dag-scheduler", values=values, naive=naive,
        units={name: "min" if "_min" in name else "count" if "attempts" in name else "fraction"
               for name in values if name != "critical_tasks"},
        summary=_summary(p, values, naive["makespan_min"]),
        formula="max(work/m, critical path) <= makespan <= work/m + (1 - 1/m) * critical path; success = (1 - p^(r+1))^n",
        series={"slots": list(by_slots), "makespan_min": list(by_slots.values()),
                "linear_min": [values["work_min"] / count for count in by_slots]},
        plot=_gantt(p, plan, clean, naive["makespan_min"]),
        assumptions=["durations are known and don't depend on how many tasks run", "an attempt fails at its end",
                     "failures are independent", "the start-up counts as work of its slot",
                     "the schedule makes data intervals: a run starts when its interval is over",
                     "falling behind is for runs that follow each other (max_active_runs = 1)"],
        warnings=_warnings(p, plan, values),
    )


def _values(p: DagScheduler, plan: _Plan, clean: _Run, many: list[_Run]) -> dict[str, Any]:
    good = sorted(run.end_ms for run in many if run.succeeded)
    makespan, longest = clean.end_ms / MINUTE_MS, _longest_min(plan)
    work = sum(plan.length_ms.values()) / MINUTE_MS
    mean = sum(good) / len(good) / MINUTE_MS if good else None
    _, chance, bare = success(p.fail_rate, p.retries, len(plan.order))
    return {
        "makespan_min": makespan, "critical_path_min": longest, "work_min": work,
        "lower_bound_min": max(work / p.slots, longest),
        "graham_bound_min": work / p.slots + (1 - 1 / p.slots) * longest,
        "utilisation": work / (makespan * p.slots) if makespan else 0.0, "critical_tasks": longest_path(_with_ms(plan)),
        "success_probability": chance, "simulated_success": len(good) / p.runs, "success_without_retries": bare,
        "mean_makespan_min": mean,
        "p95_makespan_min": good[max(0, math.ceil(0.95 * len(good)) - 1)] / MINUTE_MS if good else None,
        "attempts_per_run": sum(len(run.attempts) for run in many) / p.runs,
        "starts_after_interval_began_min": p.interval_min, "data_age_at_end_min": p.interval_min + makespan,
        "falls_behind_min_per_run": max(0.0, (makespan if mean is None else mean) - p.interval_min),
    }


def _plan(p: DagScheduler) -> _Plan:
    dag = read_dag(p.dag)
    if (size := len(dag.duration) * p.runs * (p.retries + 1)) > MAX_ATTEMPTS:
        raise ToolError(f"dag-scheduler: tasks * runs * (retries + 1) is {size:,}; it must be at most "
                        f"{MAX_ATTEMPTS:,}.")
    if max(dag.duration.values()) > 1e6:
        raise ToolError("dag-scheduler: a task may take at most 1e6 minutes.")
    pools: dict[str, int] = {}
    for part in filter(None, (each.strip() for each in p.pools.split(","))):
        name, _, size_text = part.partition("=")
        if not size_text.strip().isdigit() or int(size_text) < 1:
            raise ToolError(f"dag-scheduler: can't read pool {part!r}; write name=slots, such as gpu=1.")
        pools[name.strip()] = int(size_text)
    if unknown := sorted(set(dag.pool.values()) - set(pools)):
        raise ToolError(f"dag-scheduler: pool {unknown[0]!r} has no size; add {unknown[0]}=1 to pools.")
    key = {"downstream": by_weight, "critical-path": by_level, "listed": by_listing}[p.priority](dag)
    length = {name: round(minutes * MINUTE_MS) + round(p.startup_s * 1000) for name, minutes in dag.duration.items()}
    return _Plan(dag, dag.children(), length, key, pools, sorted(dag.duration, key=key))


def _with_ms(plan: _Plan) -> Dag:
    return Dag({name: float(length) for name, length in plan.length_ms.items()}, plan.dag.parents, plan.dag.pool)


def _longest_min(plan: _Plan) -> float:
    return max(levels(_with_ms(plan)).values()) / MINUTE_MS


def _many(p: DagScheduler, plan: _Plan, seed: int) -> list[_Run]:
    """Runs with failures. An attempt's luck belongs to its task, so other slots or priorities meet the same luck."""
    if not p.fail_rate:
        return [_run(p, plan, None)] * p.runs
    import numpy as np

    lucky = np.random.default_rng(seed).random((p.runs, len(plan.order), p.retries + 1, 2))
    place = {name: index for index, name in enumerate(sorted(plan.order))}
    return [_run(p, plan, {name: luck[index] for name, index in place.items()}) for luck in lucky.tolist()]


def _run(p: DagScheduler, plan: _Plan, luck: dict[str, list[list[float]]] | None) -> _Run:
    """One run; `luck` holds two uniform numbers an attempt of each task (fails?, jitter), None means no failures."""
    waits = {name: len(above) for name, above in plan.dag.parents.items()}
    free_in = dict(plan.pools)
    tries = dict.fromkeys(plan.dag.duration, 0)
    ready = [(plan.key(name), name) for name, count in waits.items() if not count]
    heapq.heapify(ready)
    since = {name: 0 for _, name in ready}
    events: list[tuple[int, int, str, bool]] = []  # (when, 0 = an attempt ends, 1 = a retry is due, task, succeeded)
    attempts: list[tuple[str, int, int, bool]] = []
    now = running = end = 0
    failed = False
    while ready or events:
        held: list[tuple[Any, str]] = []
        while ready and running < p.slots:
            item = heapq.heappop(ready)
            name, pool = item[1], plan.dag.pool.get(item[1], "")
            if pool and not free_in[pool]:
                held.append(item)
                continue
            if pool:
                free_in[pool] -= 1
            running += 1
            fine = luck is None or luck[name][tries[name]][0] >= p.fail_rate
            attempts.append((name, now, now + plan.length_ms[name], fine))
            heapq.heappush(events, (now + plan.length_ms[name], 0, name, fine))
        for item in held:
            heapq.heappush(ready, item)
        now = events[0][0]
        while events and events[0][0] == now:
            _, kind, name, fine = heapq.heappop(events)
            if kind:
                heapq.heappush(ready, (plan.key(name), name))
                continue
            running, end = running - 1, now
            if name in plan.dag.pool:
                free_in[plan.dag.pool[name]] += 1
            if fine:
                for child in plan.below[name]:
                    waits[child] -= 1
                    if not waits[child]:
                        since[child] = now
                        heapq.heappush(ready, (plan.key(child), child))
            elif tries[name] < p.retries:
                jitter = luck[name][tries[name]][1] if luck else 0.0
                heapq.heappush(events, (now + _wait_ms(p, tries[name], jitter), 1, name, True))
                tries[name] += 1
            else:
                failed = True
    return _Run(attempts, since, end, not failed)


def _wait_ms(p: DagScheduler, attempt: int, jitter: float) -> int:
    if not p.exponential:
        return round(p.retry_delay_min * MINUTE_MS)
    low: int = max(1, math.ceil(p.retry_delay_min * 60 * 2**attempt))
    return min(low + int(jitter * low), AIRFLOW_CAP_S) * 1000


def _sweep(p: DagScheduler, plan: _Plan) -> dict[int, float]:
    most = min(max(p.slots, 4), 12)
    counts = sorted({*range(1, most + 1), p.slots})
    return {count: _run(p.model_copy(update={"slots": count}), plan, None).end_ms / MINUTE_MS for count in counts}


def _summary(p: DagScheduler, values: dict[str, Any], linear: float) -> str:
    text = (f"The run takes {values['makespan_min']:.6g} min on {p.slots} slots: {values['work_min']:.6g} min of work, "
            f"critical path {values['critical_path_min']:.6g} min. Dividing the work by the slots would promise "
            f"{linear:.4g} min.")
    if p.fail_rate:
        text += (f" With {p.fail_rate:.1%} failures an attempt and {p.retries} retries it succeeds "
                 f"{values['success_probability']:.2%} of the time.")
    return text + f" Its oldest row is {values['data_age_at_end_min']:.6g} min old when it ends."


def _gantt(p: DagScheduler, plan: _Plan, run: _Run, linear: float) -> Plot:
    """One row a task: waiting for a slot or pool, then running; critical tasks by themselves."""
    critical = set(longest_path(_with_ms(plan)))
    began = {name: start for name, start, _, _ in run.attempts}
    shown = sorted(run.attempts, key=lambda each: (each[1], each[0]))[:60]
    lines = []
    for label, wanted in (("on the critical path", True), ("other tasks", False)):
        some = [each for each in shown if (each[0] in critical) == wanted]
        lines.append(Line(label=label, kind="gantt", x=[start / MINUTE_MS for _, start, _, _ in some],
                          y=[name for name, _, _, _ in some], x2=[end / MINUTE_MS for _, _, end, _ in some]))
    waited = [name for name, _, _, _ in shown if began[name] > run.ready[name]]
    lines.append(Line(label="ready, waiting for a slot", kind="gantt", dashed=True, y=list(waited),
                      x=[run.ready[name] / MINUTE_MS for name in waited],
                      x2=[began[name] / MINUTE_MS for name in waited]))
    return Plot(title=f"{len(plan.order)} tasks on {p.slots} slots ({p.priority} first), no failures",
                x_label="time (min)", y_label="task", lines=lines,
                marks=[{"axis": "x", "at": linear, "label": f"work divided by slots (naive): {linear:.4g} min"},
                       {"axis": "x", "at": _longest_min(plan), "label": f"critical path: {_longest_min(plan):.4g} min"}])


def _warnings(p: DagScheduler, plan: _Plan, values: dict[str, Any]) -> list[str]:
    found = []
    if p.slots > 1 and values["makespan_min"] <= values["critical_path_min"] + 1e-9:
        found.append("The critical path decides: more slots change nothing.")
    if behind := values["falls_behind_min_per_run"]:
        found.append(f"A run takes longer than the interval: each starts {behind:.4g} min later than the last one did.")
    if values["mean_makespan_min"] is None:
        found.append("No simulated run succeeded, so there is no makespan with failures.")
    if p.retries and not p.fail_rate:
        found.append("Retries do nothing without a fail_rate.")
    if len(plan.order) > 60:
        found.append("The chart shows the first 60 tasks.")
    return found
