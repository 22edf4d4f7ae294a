"""Graphs of tasks: reading them, their order, critical path, slack and weights; nothing of slots, retries or clocks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.dag_shapes import DagSpec
from tools.calculators.prose import DAG as SHAPE
from tools.calculators.prose import told
from tools.prose.found import Found
from tools.prose.tasks import find_tasks, read_tasks

MAX_TASKS = 500
EXAMPLE: dict[str, list[Any]] = {"A": [3, ""], "B": [2, "A"], "C": [4, "A"], "D": [2, "B"], "E": [3, "CD"],
                                 "F": [5, "A"], "G": [1, "EF"]}
EXAMPLE_TEXT = "A:3, B:2:A, C:4:A, D:2:B, E:3:C+D, F:5:A, G:1:E+F"

_DAG: dict[str, Any] = {"max_length": 40_000, "words": ["dag", "tasks", "graph"],
                       "help": 'tasks as {"E": [3, "CD"]} or as text "A:3, B:2:A, E:3:C+D" or in words "A takes 3 min, '
                               'B takes 2 min and needs A"'}


def dag_param() -> Any:
    """The parameter of everything that takes a graph."""
    return told(param(**_DAG), SHAPE, find_graph)


@lru_cache(maxsize=4)
def find_graph(text: str) -> Found | None:
    """The graph that a message tells, in the short notation."""
    return find_tasks(text, SHAPE)


@dataclass(frozen=True)
class Dag:
    """Tasks in listed order: duration (no unit), parents, and the pool of those that name one."""

    duration: dict[str, float]
    parents: dict[str, tuple[str, ...]]
    pool: dict[str, str]

    def children(self) -> dict[str, list[str]]:
        below: dict[str, list[str]] = {name: [] for name in self.duration}
        for name, above in self.parents.items():
            for parent in above:
                below[parent].append(name)
        return below


def read_dag(spec: DagSpec) -> Dag:
    """A checked graph. Raises ToolError for an unknown parent, a negative duration, a cycle or too many tasks."""
    rows = _text_rows(spec) if isinstance(spec, str) else _table_rows(spec)
    if not rows or len(rows) > MAX_TASKS:
        raise ToolError(f"dag: it has {len(rows)} tasks; give 1 to {MAX_TASKS}.")
    duration: dict[str, float] = {}
    for name, length, _, _ in rows:
        if name in duration:
            raise ToolError(f"dag: task {name!r} is listed twice; give every task its own name.")
        if not 0 <= length <= 1e9:
            raise ToolError(f"dag: the duration of {name!r} is {length:g}; it must lie between 0 and 1e9.")
        duration[name] = length
    parents = {name: _parents(name, given, duration) for name, _, given, _ in rows}
    dag = Dag(duration, parents, {name: pool for name, _, _, pool in rows if pool})
    order(dag)
    return dag


def order(dag: Dag) -> list[str]:
    """Tasks so that every one comes after its parents; among those that are free, by name."""
    left = {name: len(set(above)) for name, above in dag.parents.items()}
    below = dag.children()
    free = sorted(name for name, count in left.items() if not count)
    done: list[str] = []
    while free:
        name = free.pop(0)
        done.append(name)
        for child in set(below[name]):
            left[child] -= 1
            if not left[child]:
                free.append(child)
        free.sort()
    if len(done) < len(left):
        circle = sorted(name for name, count in left.items() if count)
        raise ToolError(f"dag: {', '.join(circle[:6])} wait for each other in a circle; take one dependency out.")
    return done


def levels(dag: Dag) -> dict[str, float]:
    """Length of the longest path from the start of each task to the end of the graph, its own duration included."""
    below, level = dag.children(), dict[str, float]()
    for name in reversed(order(dag)):
        level[name] = dag.duration[name] + max((level[child] for child in below[name]), default=0)
    return level


def earliest(dag: Dag) -> dict[str, float]:
    """Earliest start of each task when nothing but its parents holds it up."""
    start: dict[str, float] = {}
    for name in order(dag):
        start[name] = max((start[above] + dag.duration[above] for above in dag.parents[name]), default=0)
    return start


def longest_path(dag: Dag) -> list[str]:
    """The tasks of one critical path from first to last; by name where several are as long."""
    level, below = levels(dag), dag.children()
    path = [min(level, key=lambda name: (-level[name], name))]
    while below[path[-1]]:
        path.append(min(below[path[-1]], key=lambda name: (-level[name], name)))
    return path


def descendants(dag: Dag) -> dict[str, set[str]]:
    """Every task that comes after, directly or not."""
    below, found = dag.children(), dict[str, set[str]]()
    for name in reversed(order(dag)):
        found[name] = set(below[name]).union(*(found[child] for child in below[name]))
    return found


@formula("dag.critical_path", words=["critical path", "longest chain", "unlimited workers", "shortest possible time",
                                     "as many workers as I like"], cases=[
    Case({"dag": EXAMPLE}, {"result": 11}, source="A-B-D-E-G: 3 + 2 + 2 + 3 + 1"),
    Case({"dag": EXAMPLE_TEXT}, {"result": 11}, source="the same as text"),
    Case({"dag": [["A", 3, None], ["B", 2, ["A"]], ["C", 4, "A"], ["D", 1, ["B", "C"]]]}, {"result": 8}, source="rows"),
    Case({"dag": {"A": 3, "B": {"duration": 2, "deps": ["A"]}}}, {"result": 5}, source="named columns"),
], asks=[
    Ask("What is the critical path of A:3, B:2:A, C:6:A, D:1:B+C?", "result", 10),
    Ask("Durations in minutes: load 4; tidy 6 (after load); enrich 9 (after load); fit 20 (after tidy and enrich); report 3 (after fit). "
        "How long is the critical path with unlimited workers?", "result", 36),
    Ask("task | minutes | needs\nload | 4 | -\ntidy | 6 | load\nfit | 20 | tidy, load\nWhat is the shortest possible time?", "result", 30),
    Ask("Critical path, please: fetch 5 min; then parse (8) and index (12) both need fetch; publish (2) needs parse and index?", "result",
        19),
])
def critical_path(dag: DagSpec = dag_param()) -> float:
    """Length of the longest chain of dependent tasks: the time that no number of workers can beat."""
    return max(levels(read_dag(dag)).values())


@formula("dag.critical_path_tasks", words=["tasks on the critical path"], cases=[
    Case({"dag": EXAMPLE}, {"result": ["A", "B", "D", "E", "G"]}, source="as long as A-C-E-G; the first by name"),
])
def critical_path_tasks(dag: DagSpec = dag_param()) -> list[str]:
    """Names of the tasks on a critical path, from first to last (the first by name where several are as long)."""
    return longest_path(read_dag(dag))


@formula("dag.work", words=["total work", "on one worker", "with one worker", "total time"],
         cases=[Case({"dag": EXAMPLE}, {"result": 20}, source="sum of the durations")], asks=[
    Ask("Sum of the durations of the tasks A:3, B:2:A, C:4:A, D:1:B+C?", "result", 10),
])
def work(dag: DagSpec = dag_param()) -> float:
    """Sum of all durations: the time that one worker needs."""
    return sum(read_dag(dag).duration.values())


@formula("dag.parallelism", cases=[Case({"dag": EXAMPLE}, {"result": 20 / 11}, rel=1e-12,
                                        source="work / critical path")])
def parallelism(dag: DagSpec = dag_param()) -> float:
    """Work over critical path: the largest possible speed-up, and so the number of workers beyond which none helps."""
    read = read_dag(dag)
    longest = max(levels(read).values())
    if not longest:
        raise ToolError("dag.parallelism: all durations are 0, so there is no speed-up to speak of.")
    return sum(read.duration.values()) / longest


@formula("dag.slack", words=["slack", "float"], cases=[
    Case({"dag": EXAMPLE}, {"result": {"A": 0, "B": 0, "C": 0, "D": 0, "E": 0, "F": 2, "G": 0}},
         source="11 - 3 - level of F 6"),
])
def slack(dag: DagSpec = dag_param()) -> dict[str, Any]:
    """How much later each task may end without delaying the whole, with as many workers as wanted."""
    read = read_dag(dag)
    level, start = levels(read), earliest(read)
    total = max(level.values())
    return {"result": {name: total - start[name] - level[name] for name in read.duration}}


@formula("dag.topological_order", cases=[
    Case({"dag": EXAMPLE}, {"result": ["A", "B", "C", "D", "E", "F", "G"]}, source="Kahn 1962; free tasks by name"),
])
def topological_order(dag: DagSpec = dag_param()) -> list[str]:
    """The tasks in an order in which each comes after its parents; free ones by name."""
    return order(read_dag(dag))


@formula("dag.width", words=["most tasks at once"], cases=[
    Case({"dag": EXAMPLE}, {"result": 3}, source="B or D, C and F don't depend on each other"),
])
def width(dag: DagSpec = dag_param()) -> int:
    """Largest number of tasks none of which depends on another (Dilworth: tasks less a largest matching)."""
    read = read_dag(dag)
    after = descendants(read)
    partner: dict[str, str] = {}

    def placed(name: str, tried: set[str]) -> bool:
        for other in sorted(after[name] - tried):
            tried.add(other)
            if other not in partner or placed(partner[other], tried):
                partner[other] = name
                return True
        return False

    return len(read.duration) - sum(placed(name, set()) for name in order(read))


@formula("dag.priority_weights", words=["priority weight", "weight rule"], cases=[
    Case({"dag": EXAMPLE}, {"result": {"A": 7, "B": 4, "C": 3, "D": 3, "E": 2, "F": 2, "G": 1}},
         source="Airflow weight_rule=downstream: own weight and those of all descendants"),
])
def priority_weights(
    dag: DagSpec = dag_param(), weight: int = param(1, ge=1, le=1000, unit="count", words=["priority_weight"]),
) -> dict[str, Any]:
    """Airflow's default priority of each task: its own weight plus that of every task after it. Durations don't
    count."""
    after = descendants(read_dag(dag))
    return {"result": {name: weight * (1 + len(after[name])) for name in read_dag(dag).duration}}


_Row = tuple[str, float, str | Sequence[str], str]


def _table_rows(spec: Mapping[str, Sequence[Any]]) -> list[_Row]:
    rows: list[_Row] = []
    for name, given in spec.items():
        if not given or isinstance(given[0], str | list) or len(given) > 3:
            raise ToolError(f"dag: {name!r} needs [duration, parents] or [duration, parents, pool], such as [3, "
                            "\"CD\"].")
        pool = given[2] if len(given) > 2 else ""
        rows.append((name, given[0], given[1] if len(given) > 1 else "", str(pool)))
    return rows


def _text_rows(spec: str) -> list[_Row]:
    """In the short notation, or told in words: minutes then, whatever unit they are told in."""
    if (words := read_tasks(spec)) is not None:
        return [(name, int(length) if length.is_integer() else length, parents, "") for name, length, parents in words]
    rows: list[_Row] = []
    for part in filter(None, (each.strip() for each in re.split(r"[,;\n]", spec))):
        found = re.fullmatch(r"([^:@]+):\s*([0-9.eE]+)\s*(?::([^:@]*))?(?:@(.+))?", part)
        try:
            length = float(found[2]) if found else -1.0
        except ValueError:
            found = None
        if not found:
            raise ToolError(f"dag: can't read {part!r}; write name:duration:parent+parent@pool, such as E:3:C+D, or "
                            "say of each task how long it takes and what it needs.")
        rows.append((found[1].strip(), int(length) if length.is_integer() else length, found[3] or "",
                     (found[4] or "").strip()))
    return rows


def _parents(name: str, given: str | Sequence[str] | float, known: Mapping[str, float]) -> tuple[str, ...]:
    if not isinstance(given, str):
        if not isinstance(given, Sequence):
            raise ToolError(f"dag: the parents of {name!r} are {given!r}; give names, such as \"CD\" or [\"C\", "
                            "\"D\"].")
        names = list(given)
    elif given.strip() in known or not given.strip():
        names = [given.strip()] if given.strip() else []
    else:
        names = [each for each in re.split(r"[,+;|\s]+", given) if each]
        if any(each not in known for each in names):
            names = [each for part in names for each in ([part] if part in known else part)]
    unknown = [each for each in names if each not in known]
    if unknown:
        raise ToolError(f"dag: {name!r} waits for {unknown[0]!r}, which isn't a task of this graph.")
    return tuple(dict.fromkeys(names))
