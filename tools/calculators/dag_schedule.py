"""List schedules of a task graph on a number of equal slots, and the bounds on their length. No failures, no pools."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from tools.base import Ask, Case, formula, param
from tools.calculators.dag_graph import EXAMPLE, Dag, dag_param, descendants, levels, read_dag
from tools.calculators.dag_shapes import DagSpec

LOPSIDED: dict[str, list[Any]] = {"p": [1, ""], "q": [1, ""], "a": [1, "p"], "b": [1, "p"], "c": [1, "p"],
                                  "d": [1, "q"], "e": [1, "q"], "f": [1, "q"], "long": [8, ""]}
"""One long task that nothing waits for beside many short ones: counting descendants starts it last."""

GRAHAM: dict[str, list[Any]] = {"t1": [3, ""], "t2": [2, ""], "t3": [2, ""], "t4": [2, ""], "t5": [4, "t4"],
                                "t6": [4, "t4"], "t7": [4, "t4"], "t8": [4, "t4"], "t9": [9, "t1"]}
"""Graham's anomaly: taken as listed, it finishes later on four slots than on three."""

_SLOTS: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "count", "words": ["slots", "workers", "machines", "worker", "machine"]}


def by_level(dag: Dag) -> Callable[[str], Any]:
    """Highest level first: the task with the longest path to the end goes first; by name among equals."""
    level = levels(dag)
    return lambda name: (-level[name], name)


def by_weight(dag: Dag) -> Callable[[str], Any]:
    """Airflow's default (weight_rule=downstream): the task with the most descendants first; by name among equals."""
    after = descendants(dag)
    return lambda name: (-len(after[name]), name)


def by_listing(dag: Dag) -> Callable[[str], Any]:
    """In the order in which the tasks are listed."""
    place = {name: index for index, name in enumerate(dag.duration)}
    return lambda name: place[name]


def list_schedule(dag: Dag, slots: int, key: Callable[[str], Any]) -> dict[str, tuple[float, float]]:
    """Start and end of every task when a free slot always takes the ready task that `key` puts first."""
    waits = {name: len(above) for name, above in dag.parents.items()}
    below = dag.children()
    ready = [(key(name), name) for name, count in waits.items() if not count]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    times: dict[str, tuple[float, float]] = {}
    now: float = 0
    while ready or running:
        while ready and len(running) < slots:
            name = heapq.heappop(ready)[1]
            times[name] = (now, now + dag.duration[name])
            heapq.heappush(running, (now + dag.duration[name], name))
        now = running[0][0]
        while running and running[0][0] == now:
            for child in below[heapq.heappop(running)[1]]:
                waits[child] -= 1
                if not waits[child]:
                    heapq.heappush(ready, (key(child), child))
    return times


def makespan(dag: Dag, slots: int, key: Callable[[str], Any]) -> float:
    """End of the last task."""
    return max(end for _, end in list_schedule(dag, slots, key).values())


@formula("dag.makespan_hlf", words=["makespan", "list schedule"], cases=[
    Case({"dag": EXAMPLE, "slots": 1}, {"result": 20}, source="one slot: the work"),
    Case({"dag": EXAMPLE, "slots": 2}, {"result": 13}, source="by hand; no schedule on 2 slots is shorter"),
    Case({"dag": EXAMPLE, "slots": 3}, {"result": 11}, source="the critical path"),
    Case({"dag": LOPSIDED, "slots": 2}, {"result": 8}, source="by hand: the task of 8 on one slot, the rest on the "
                                                              "other"),
], asks=[
    Ask("A=4, B=3 after A, C=6 after A, D=2 after B and C: what is the makespan on 2 workers, longest path first?", "result", 12),
    Ask("A(3) -> B(2) -> D(2); A -> C(4) -> D. How long does it take on one machine?", "result", 11),
])
def makespan_hlf(dag: DagSpec = dag_param(), slots: int = param(**_SLOTS)) -> float:
    """Time to finish with so many slots when the task with the longest path to the end goes first (a list schedule).

    Not always the shortest possible. For the seven-task example on 2 slots it is: A comes first, G last, and 12 would
    leave 8 on each slot between them. Only F and E fill 8 with E in it, so B, C and D lie on the other slot and end at
    8; but E has to wait for C and D."""
    read = read_dag(dag)
    return makespan(read, slots, by_level(read))


@formula("dag.makespan_airflow", cases=[
    Case({"dag": EXAMPLE, "slots": 2}, {"result": 13}, source="by hand"),
    Case({"dag": LOPSIDED, "slots": 2}, {"result": 12}, source="by hand: the task of 8 starts at 4; highest level: 8"),
])
def makespan_airflow(dag: DagSpec = dag_param(), slots: int = param(**_SLOTS)) -> float:
    """Time to finish with so many slots under Airflow's default priority, which counts descendants, not durations."""
    read = read_dag(dag)
    return makespan(read, slots, by_weight(read))


@formula("dag.makespan_listed", cases=[
    Case({"dag": EXAMPLE, "slots": 2}, {"result": 13}, source="by hand"),
    Case({"dag": GRAHAM, "slots": 3}, {"result": 12}, source="Graham 1969"),
    Case({"dag": GRAHAM, "slots": 4}, {"result": 15}, source="Graham 1969: one more slot, three later"),
])
def makespan_listed(dag: DagSpec = dag_param(), slots: int = param(**_SLOTS)) -> float:
    """Time to finish with so many slots when ready tasks are taken in the order in which they are listed.

    One more slot can make it longer (Graham, SIAM J. Appl. Math. 17, 1969)."""
    read = read_dag(dag)
    return makespan(read, slots, by_listing(read))


@formula("dag.lower_bound", cases=[
    Case({"dag": EXAMPLE, "slots": 1}, {"result": 20}, source="max(20/1, 11)"),
    Case({"dag": EXAMPLE, "slots": 2}, {"result": 11}, source="max(20/2, 11)"),
])
def lower_bound(dag: DagSpec = dag_param(), slots: int = param(**_SLOTS)) -> float:
    """No schedule is shorter: the larger of work / slots and the critical path."""
    read = read_dag(dag)
    return max(sum(read.duration.values()) / slots, max(levels(read).values()))


@formula("dag.graham_bound", words=["graham"], cases=[
    Case({"dag": EXAMPLE, "slots": 2}, {"result": 15.5}, source="20/2 + (1 - 1/2)*11"),
    Case({"dag": EXAMPLE, "slots": 3}, {"result": 14.0}, rel=1e-12, source="20/3 + (1 - 1/3)*11"),
])
def graham_bound(dag: DagSpec = dag_param(), slots: int = param(**_SLOTS)) -> float:
    """No list schedule is longer: work/m + (1 - 1/m) * critical path, so at most 2 - 1/m times the best (Graham
    1969)."""
    read = read_dag(dag)
    return sum(read.duration.values()) / slots + (1 - 1 / slots) * max(levels(read).values())


@formula("dag.slots_needed", cases=[
    Case({"dag": EXAMPLE}, {"result": 3}, source="makespans 20, 13, 11: the third slot reaches the critical path"),
])
def slots_needed(dag: DagSpec = dag_param()) -> int:
    """Smallest number of slots on which the highest-level-first schedule takes no longer than the critical path."""
    read = read_dag(dag)
    longest, key = max(levels(read).values()), by_level(read)
    return next((count for count in range(1, len(read.duration) + 1) if makespan(read, count, key) <= longest + 1e-9),
                len(read.duration))
