"""Task graphs, Ray, shared memory and feature joins against their goldens, closed forms, brute force and peers."""

from __future__ import annotations

import doctest
import itertools
import json
import math
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.base import Tool, ToolError
from tools.calculators import (
    dag_graph,
    dag_intervals,
    dag_retries,
    dag_schedule,
    feature_freshness,
    feature_joins,
    plasma,
    ray_facts,
    ray_tasks,
)
from tools.simulators import dag_scheduler, feature_skew, plasma_store, point_in_time, ray_cluster

SCHEDULER, RETRIES = dag_scheduler.dag_scheduler, dag_retries.dag_retries
SPEEDUP, CLUSTER, STORE = ray_tasks.ray_speedup, ray_cluster.ray_cluster, plasma_store.plasma_store
LAB, SKEW = point_in_time.point_in_time_join, feature_skew.feature_skew
PAGES = [SCHEDULER, RETRIES, SPEEDUP, CLUSTER, STORE, LAB, SKEW]
MODULES = [dag_graph, dag_intervals, dag_retries, dag_schedule, feature_freshness, feature_joins, plasma, ray_facts,
           ray_tasks, plasma_store]
TOOLS: list[Tool] = list({id(each): each for module in MODULES for each in vars(module).values()
                          if isinstance(each, Tool)}.values())
TOOLS += [each for each in PAGES if each not in TOOLS]
CASES = [(each, case) for each in TOOLS for case in each.cases if not case.shown]
THREE: dict[str, Any] = {"labels": ["01T12", "02T12", "03T12"], "features": {"01T00": 10, "02T06": 20, "02T18": 30,
                                                                             "03T12": 40}}


# ---- goldens, pages, questions


@pytest.mark.parametrize(("tool", "case"), CASES, ids=[f"{tool.name}-{n}" for n, (tool, _) in enumerate(CASES)])
def test_every_case_holds(tool: Tool, case: Any) -> None:
    if "frame" in str(case.args.get("kind", "")):
        pytest.importorskip("pandas", reason="frames need pandas, which is not installed")
    values = tool.run(case.args).values
    for name, expected in case.expected.items():
        if isinstance(expected, int | float) and not isinstance(expected, bool):
            assert values[name] == pytest.approx(expected, rel=case.rel or 1e-12, abs=case.abs), name
        elif isinstance(expected, list) and case.abs:
            assert values[name] == pytest.approx(expected, abs=case.abs), name
        else:
            assert values[name] == expected, name


@pytest.mark.parametrize("tool", PAGES, ids=lambda tool: tool.name)
def test_the_example_on_the_page_runs(tool: Tool) -> None:
    names = dict(vars(sys.modules[tool.function.__module__]))
    example = doctest.DocTestParser().get_doctest(tool.page, names, tool.name, None, 0)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


ASKS: list[tuple[Tool, list[dict[str, Any]]]] = [
    (SCHEDULER, [{"slots": 1}, {"slots": 3}, {}, {"slots": 2, "startup_s": 60}, {"fail_rate": 0.2, "retries": 3},
                 {"interval_min": 1440, "slots": 3},
                 {"dag": "A takes 2 min, then B and C (4 min each, both need A), then D takes 3 min and needs B and C", "slots": 1}]),
    (RETRIES, [{"tasks": 10, "fail_rate": 0.2, "retries": 3}, {"tasks": 50, "fail_rate": 0.01, "retries": 0},
               {"tasks": 10, "fail_rate": 0.2}, {"retry_delay_s": 300, "retries": 3},
               {"tasks": 200, "fail_rate": 0.05, "retries": 2}, {"fail_rate": 0.5, "retries": 3},
               {"tasks": 12, "fail_rate": 0.1, "retries": 2}]),
    (SPEEDUP, [{"task_ms": 1, "overhead_ms": 0.5}, {"workers": 64, "serial_fraction": 0.05},
               {"serial_fraction": 0.1, "workers": 16}, {"task_ms": 2, "overhead_ms": 0.5},
               {"tasks": 10_000, "task_ms": 1, "overhead_ms": 0.5, "workers": 64},
               {"task_ms": 10, "overhead_ms": 0.5}, {"tasks": 5_000, "task_ms": 20, "overhead_ms": 1, "workers": 50},
               {"workers": 128, "serial_fraction": 0.02}]),
    (CLUSTER, [{"nodes": 4, "cpus_per_node": 8, "store_GB": 1, "tasks": 400, "object_MB": 20},
               {"tasks": 100, "object_MB": 50, "nodes": 2, "store_GB": 10},
               {"tasks": 100, "task_ms": 10, "actors": 1, "overhead_ms": 0, "submit_ms": 0, "object_MB": 0},
               {"submit_ms": 0.05, "tasks": 20_000, "task_ms": 0.01, "object_MB": 0}, {"failure": "owner"},
               {"nodes": 2, "store_GB": 1, "tasks": 100, "object_MB": 50}]),
    (STORE, [{"size_MiB": 8}, {"size_MiB": 16}, {"size_MiB": 32}, {"kind": "list-of-dicts"}, {"size_MiB": 64}]),
    (LAB, [{"join": "daily-partition"}, {"join": "latest"}, {"join": "as-of", "ttl_h": 6},
           {"join": "as-of", "lag_h": 1},
           {"join": "latest"}, {"join": "latest", "entities": 20_000},
           {"labels": "10:00, 14:00, 18:00", "features": "08:00=1, 13:30=2, 14:30=3, 17:00=4", "join": "as-of", "lag_h": 1}]),
    (SKEW, [{"updates_per_h": 1, "refresh_min": 60, "lag_min": 0, "hot_fraction": 0},
            {"updates_per_h": 6, "refresh_min": 10, "lag_min": 0, "hot_fraction": 0},
            {"entities": 10_000, "zipf": 1, "hot_fraction": 0.1}, {"refresh_min": 60, "lag_min": 5, "ttl_s": 300},
            {"entities": 500_000_000, "feature_bytes": 2000, "hot_fraction": 0.1},
            {"entities": 500_000_000, "feature_bytes": 2000},
            {"updates_per_h": 3, "refresh_min": 20, "lag_min": 0, "hot_fraction": 0}]),
]


@pytest.mark.parametrize(("tool", "args"), ASKS, ids=[tool.name for tool, _ in ASKS])
def test_the_questions_have_the_answers_they_promise(tool: Tool, args: list[dict[str, Any]]) -> None:
    for ask, given_args in zip(tool.asks, args, strict=True):
        assert tool.run(given_args).values[ask.value] == pytest.approx(ask.expected, rel=ask.rel,
                                                                       abs=1e-9), ask.question


# ---- task graphs


@st.composite
def dags(draw: Any, most: int = 9) -> dict[str, list[Any]]:
    count = draw(st.integers(1, most))
    names = [chr(ord("a") + index) for index in range(count)]
    return {name: [draw(st.integers(0, 9)), draw(st.lists(st.sampled_from(names[:index]),
                                                          unique=True)) if index else []]
            for index, name in enumerate(names)}


@given(dags(), st.integers(1, 5), st.sampled_from(["level", "weight", "listed"]))
@settings(max_examples=80, deadline=None)
def test_every_list_schedule_lies_between_the_bounds(spec: dict[str, Any], slots: int, by: str) -> None:
    dag = dag_graph.read_dag(spec)
    key = {"level": dag_schedule.by_level, "weight": dag_schedule.by_weight, "listed": dag_schedule.by_listing}[by](dag)
    times = dag_schedule.list_schedule(dag, slots, key)
    length = max(end for _, end in times.values())
    assert dag_schedule.lower_bound(spec, slots) - 1e-9 <= length <= dag_schedule.graham_bound(spec, slots) + 1e-9
    assert all(times[above][1] <= times[name][0] for name, parents in dag.parents.items() for above in parents)
    marks = {start for start, _ in times.values()}
    assert all(sum(start <= at < end for start, end in times.values()) <= slots for at in marks)


@given(dags())
@settings(max_examples=40, deadline=None)
def test_networkx_agrees_on_path_order_and_width(spec: dict[str, Any]) -> None:
    nx = pytest.importorskip("networkx", reason="the peer library networkx is not installed")
    graph = nx.DiGraph()
    graph.add_nodes_from(spec)
    graph.add_edges_from((above, name, {"weight": spec[above][0]}) for name in spec for above in spec[name][1])
    tails = {name: spec[name][0] for name in spec}
    longest = max(nx.dag_longest_path_length(nx.DiGraph([*graph.edges(data=True), *(
        (name, "end", {"weight": tails[name]}) for name in spec)])), 0)
    assert dag_graph.critical_path(spec) == longest
    assert dag_graph.topological_order(spec) == list(nx.lexicographical_topological_sort(graph))
    assert dag_graph.width(spec) == max(len(group) for group in nx.antichains(graph))
    path = dag_graph.critical_path_tasks(spec)
    assert sum(tails[name] for name in path) == longest
    assert all(graph.has_edge(*pair) for pair in itertools.pairwise(path))


def _shortest(spec: dict[str, Any], slots: int) -> int:
    """Best of all active schedules: every order of the tasks, each task put at its first gap on any slot."""
    dag, best = dag_graph.read_dag(spec), 10**9
    for order in itertools.permutations(spec):
        if any(order.index(above) > order.index(name) for name, parents in dag.parents.items() for above in parents):
            continue
        times: dict[str, tuple[int, int]] = {}
        for name in order:
            at, length = max((times[above][1] for above in dag.parents[name]), default=0), int(dag.duration[name])
            while any(sum(start <= tick < end for start, end in times.values()) >= slots
                      for tick in range(at, at + length)):
                at += 1
            times[name] = (at, at + length)
        best = min(best, max(end for _, end in times.values()))
    return best


@pytest.mark.parametrize(("slots", "expected"), [(1, 20), (2, 13), (3, 11)])
def test_no_schedule_of_the_example_is_shorter_than_the_highest_level_first_one(slots: int, expected: int) -> None:
    assert _shortest(dag_graph.EXAMPLE, slots) == expected == dag_schedule.makespan_hlf(dag_graph.EXAMPLE, slots)


def test_parents_may_be_written_in_several_ways() -> None:
    ways: list[Any] = [{"ab": [2, ""], "c": [3, ""], "d": [1, given_parents]} for given_parents in
                       ("ab, c", "ab+c", ["ab", "c"], "ab c")]
    assert {dag_graph.critical_path(way) for way in [*ways, "ab:2, c:3, d:1:ab+c"]} == {4}


@pytest.mark.parametrize("spec", [{}, {"A": [1, "B"]}, {"A": [1, "B"], "B": [1, "A"]}, {"A": [-1, ""]}, {"A": []},
                                  {"A": ["3", ""]}, {"A": [1, 2]}, "A:1, A:2", "A", "A:x", "A:1.2.3",
                                  {f"t{n}": [1, ""] for n in range(501)}])
def test_a_graph_that_is_none_is_refused_with_a_sentence(spec: Any) -> None:
    with pytest.raises(ToolError, match=r"\.$"):
        dag_graph.critical_path.run({"dag": spec})


def test_a_deep_chain_and_a_wide_fan_are_read() -> None:
    chain = {f"t{n:03d}": [1, [f"t{n - 1:03d}"] if n else []] for n in range(500)}
    assert (dag_graph.critical_path(chain), dag_graph.width(chain)) == (500, 1)
    assert dag_graph.width({f"t{n}": [1, ""] for n in range(500)}) == 500


@given(dags(), st.integers(1, 4), st.sampled_from(["downstream", "critical-path", "listed"]))
@settings(max_examples=60, deadline=None)
def test_the_simulator_schedules_like_the_formula(spec: dict[str, Any], slots: int, priority: str) -> None:
    text = ", ".join(f"{name}:{row[0]}:{'+'.join(row[1])}" for name, row in spec.items())
    run = SCHEDULER.run({"dag": text, "slots": slots, "priority": priority, "runs": 1})
    formula = {"downstream": dag_schedule.makespan_airflow, "critical-path": dag_schedule.makespan_hlf,
               "listed": dag_schedule.makespan_listed}[priority]
    assert run.values["makespan_min"] == pytest.approx(formula(spec, slots))


@given(dags(6), st.integers(1, 3), st.floats(0.05, 0.9), st.integers(0, 3), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_failures_only_lengthen_a_run_and_attempts_are_bounded(
    spec: dict[str, Any], slots: int, rate: float, retries: int, seed: int,
) -> None:
    text = ", ".join(f"{name}:{row[0]}:{'+'.join(row[1])}" for name, row in spec.items())
    args = {"dag": text, "slots": slots, "fail_rate": rate, "retry_delay_min": 1, "runs": 20}
    few = SCHEDULER.run({**args, "retries": retries}, seed).values
    critical = few["critical_path_min"]
    assert few["mean_makespan_min"] is None or few["mean_makespan_min"] >= critical - 1e-9
    assert few["attempts_per_run"] <= len(spec) * (retries + 1)


def test_a_pool_of_one_makes_its_tasks_serial_and_leaves_the_others_alone() -> None:
    args = {"dag": "a:5@gpu, b:5@gpu, c:5", "slots": 3, "pools": "gpu=1"}
    assert SCHEDULER.run(args).values["makespan_min"] == 10
    assert SCHEDULER.run({**args, "pools": "gpu=2"}).values["makespan_min"] == 5
    for pools in ("", "gpu=0", "gpu"):
        with pytest.raises(ToolError, match="pool"):
            SCHEDULER.run({**args, "pools": pools})


def test_failed_runs_come_as_often_as_the_formula_says() -> None:
    for rate, retries in ((0.1, 0), (0.3, 1), (0.5, 2)):
        values = SCHEDULER.run({"fail_rate": rate, "retries": retries, "runs": 2000, "retry_delay_min": 0}).values
        chance = values["success_probability"]
        assert values["simulated_success"] == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / 2000))


def test_the_scheduler_refuses_more_than_it_can_play_and_waits_exponentially() -> None:
    with pytest.raises(ToolError, match="120,000"):
        SCHEDULER.run({"runs": 2000, "retries": 20, "fail_rate": 0.5})
    base = {"dag": "a:1", "fail_rate": 0.5, "retries": 5, "runs": 500, "retry_delay_min": 10}
    even, grown = (SCHEDULER.run({**base, "exponential": each}).values for each in (False, True))
    assert even["simulated_success"] == grown["simulated_success"]
    assert grown["mean_makespan_min"] > even["mean_makespan_min"]


@given(st.floats(0, 1), st.integers(0, 20), st.integers(1, 500))
def test_retries_raise_success_and_attempts(rate: float, retries: int, tasks: int) -> None:
    each, whole, bare = dag_retries.success(rate, retries, tasks)
    assert bare <= whole + 1e-12
    assert whole <= each + 1e-12
    assert 1 <= dag_retries.expected_attempts(rate, retries) <= retries + 1


@given(st.floats(0.01, 0.9), st.integers(1, 300), st.floats(0.1, 0.9999))
@settings(deadline=None)
def test_the_retries_needed_are_enough_and_not_too_many(rate: float, tasks: int, target: float) -> None:
    count = dag_retries.retries_needed(rate, tasks, target)
    assert dag_retries.success(rate, count, tasks)[1] >= target
    assert not count or dag_retries.success(rate, count - 1, tasks)[1] < target


@given(st.integers(0, 5_000), st.integers(0, 12), st.text("abc", max_size=5))
def test_airflows_waits_lie_in_their_range_and_are_a_hash_of_the_task(delay: int, retries: int, task: str) -> None:
    waits = dag_retries.backoff_airflow_s(delay, retries, "dag", task, "2026-01-01", 0)
    ranges = dag_retries.backoff_range_s(delay, retries, 0)
    assert all(low <= wait <= high for wait, (low, high) in zip(waits, ranges, strict=True))
    assert waits == dag_retries.backoff_airflow_s(delay, retries, "dag", task, "2026-01-01", 0)
    assert all(wait <= 86_400 for wait in waits)


@given(st.integers(0, 200), st.integers(1, 48))
def test_the_runs_that_catch_up_are_those_that_have_started(hours: int, interval: int) -> None:
    count = dag_intervals.catchup_runs("0", str(hours), interval, True, "interval")
    starts = dag_intervals.run_starts("0", interval, 100, "interval")
    assert count == hours // interval
    days = [(int(each[:2]) - 1) * 24 + int(each.split("T")[1][:2]) for each in starts[:count]]
    assert all(start <= hours for start in days)


# ---- Ray


@given(st.floats(0, 1), st.integers(1, 100_000))
def test_amdahl_lies_between_one_and_its_two_limits(serial: float, workers: int) -> None:
    speedup = ray_tasks.amdahl(serial, workers)
    assert 1 - 1e-9 <= speedup <= workers * (1 + 1e-9)
    assert not serial or speedup <= 1 / serial * (1 + 1e-9)
    assert speedup <= ray_tasks.gustafson(serial, workers) * (1 + 1e-9)


@given(st.floats(0.01, 1_000), st.floats(0, 100), st.floats(0.01, 0.99))
def test_the_batch_reaches_the_efficiency_and_no_smaller_one_does(task: float, overhead: float, wanted: float) -> None:
    size = ray_tasks.batch_size(task, overhead, wanted)
    assert ray_tasks.task_efficiency(size * task, overhead) >= wanted - 1e-6
    assert size == 1 or ray_tasks.task_efficiency((size - 1) * task, overhead) < wanted


def test_names_that_a_formula_goes_by_elsewhere_are_taken_too() -> None:
    assert ray_tasks.amdahl.run({"serial": 0.05, "workers": 64}).values == ray_tasks.amdahl.run(
        {"serial_fraction": 0.05, "n": 64}).values
    assert feature_joins.pit_ttl.run({**THREE, "ttl": 6}).values["result"] == [None, 20, 40]


@given(tasks=st.integers(1, 400), nodes=st.integers(1, 4), cpus=st.integers(1, 4), actors=st.integers(0, 4),
       overhead=st.sampled_from([0.0, 0.5, 3.0]), batch=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_the_cluster_obeys_work_span_and_driver(
    tasks: int, nodes: int, cpus: int, actors: int, overhead: float, batch: int,
) -> None:
    width = min(actors, nodes * cpus)
    values = CLUSTER.run({"tasks": tasks, "nodes": nodes, "cpus_per_node": cpus, "actors": width, "batch": batch,
                          "overhead_ms": overhead, "task_ms": 2, "submit_ms": 0.25, "object_MB": 0}).values
    calls, slots = math.ceil(tasks / batch), width or nodes * cpus
    work = tasks * 2 + calls * overhead
    each = min(batch, tasks) * 2 + overhead
    span = values["makespan_ms"]
    assert span >= max(work / slots, (calls - 1) * 0.25) - 1e-6
    assert span <= (calls - 1) * 0.25 + math.ceil(calls / slots) * each + 1e-6
    assert values["efficiency"] <= 1 + 1e-9
    assert values["completed"]


@pytest.mark.parametrize("nodes", [1, 2, 5])
def test_what_does_not_fit_is_spilled_and_what_is_remote_moves(nodes: int) -> None:
    args = {"tasks": 200, "task_ms": 50, "nodes": nodes, "cpus_per_node": 4, "object_MB": 10, "submit_ms": 0}
    roomy, tight = (CLUSTER.run({**args, "store_GB": size}).values for size in (10, 0.1))
    assert roomy["spilled_MB"] == 0
    assert tight["spilled_MB"] == pytest.approx(2000 - nodes * 100)
    assert roomy["transferred_MB"] == pytest.approx(2000 * (nodes - 1) / nodes, rel=0.02)
    assert tight["makespan_ms"] > roomy["makespan_ms"]


def test_a_dead_node_is_made_good_for_tasks_and_not_for_actors_unless_asked() -> None:
    base = {"tasks": 200, "object_MB": 1, "store_GB": 10, "failure": "node"}
    for args, recovered in ((base, True), ({**base, "retries": 0}, False), ({**base, "actors": 32}, False),
                            ({**base, "actors": 32, "actor_restarts": 1}, True)):
        values = CLUSTER.run(args).values
        assert values["completed"] is recovered
        assert (values["reconstructed_tasks"] + values["retried_tasks"] > 0) is recovered
        assert (values["lost_objects"] + values["failed_calls"] > 0) is not recovered
    inlined = CLUSTER.run({**base, "object_MB": 0.1}).values  # results in the owner's memory outlive the node
    assert (inlined["reconstructed_tasks"], inlined["completed"]) == (0, True)


@given(st.floats(0, 1), st.integers(0, 40), st.sampled_from([0.05, 5.0]))
@settings(max_examples=40, deadline=None)
def test_every_call_ends_once_or_is_counted_as_gone(fail_at: float, actors: int, size: float) -> None:
    args = {"tasks": 150, "object_MB": size, "failure": "node", "fail_at": fail_at, "actors": min(actors, 32)}
    safe = CLUSTER.run({**args, "actor_restarts": 1}).values
    assert (safe["completed"], safe["lost_objects"], safe["failed_calls"]) == (True, 0, 0)
    calm = CLUSTER.run({**args, "failure": "none"}).values
    assert safe["production_ms"] >= calm["production_ms"] - 1e-9


def test_an_owner_takes_all_its_objects_along() -> None:
    values = CLUSTER.run({"failure": "owner", "fail_at": 1, "object_MB": 0.01}).values
    assert (values["lost_objects"], values["completed"]) == (400, False)


def test_ray_refuses_what_it_cannot_play() -> None:
    for args in ({"tasks": 20_001}, {"actors": 33}, {"failure": "node", "nodes": 1}):
        with pytest.raises(ToolError, match=r"\.$"):
            CLUSTER.run(args)
    with pytest.raises(ToolError, match="task_max_retries"):
        ray_facts.default.run({"setting": "nonsense"})


# ---- shared memory (invariants and ratios, no milliseconds)


@pytest.mark.parametrize(("kind", "shared"), [("ndarray", True), ("numeric-frame", True), ("object-frame", False),
                                              ("list-of-dicts", False)])
def test_only_typed_blocks_are_shared_and_they_are_read_only(kind: str, shared: bool) -> None:
    if "frame" in kind:
        pytest.importorskip("pandas", reason="frames need pandas, which is not installed")
    values = STORE.run({"kind": kind, "size_MiB": 1}).values
    assert values["shares_memory"] is shared
    assert (values["buffers"] > 0) is shared
    assert values["read_only"] is (True if shared else None)
    assert (values["get_copies_MiB"] == 0) is shared
    assert STORE.run({"kind": kind, "size_MiB": 1, "path": "pickle4"}).values["shares_memory"] is False
    assert STORE.run({"kind": kind, "size_MiB": 1, "path": "pickle5"}).values["shares_memory"] is shared
    assert plasma.zero_copy_invariant.run({"array_MiB": 1, "kind": kind}).values["result"][2:] == [shared, False]


def test_attaching_is_much_faster_than_unpickling_and_does_not_grow() -> None:
    assert plasma_store.attach_vs_pickle_ratio.run({"MiB": 256}).values["min_speedup"] >= 50
    assert plasma_store.attach_ms(1024) < 20 * plasma_store.attach_ms(1)


def test_two_mappings_hold_the_pages_once() -> None:
    values = STORE.run({"size_MiB": 8}).values
    if values["rss_of_both_MiB"] is None:
        pytest.skip("this system has no /proc/self/smaps")
    assert values["rss_of_both_MiB"] == pytest.approx(16, rel=0.05)
    assert values["pss_of_both_MiB"] == pytest.approx(8, rel=0.05)


def test_another_process_attaches_to_what_the_standard_library_shares() -> None:
    from multiprocessing import shared_memory

    array = np.arange(1 << 16, dtype=np.float64)
    meta, _ = plasma.dump5(array)
    store = shared_memory.SharedMemory(create=True, size=array.nbytes)
    try:
        np.ndarray(array.shape, array.dtype, store.buf)[:] = array
        reader = (
            "import mmap, pickle, sys\n"
            "from multiprocessing import resource_tracker, shared_memory\n"
            "store = shared_memory.SharedMemory(name=sys.argv[1])\n"
            "resource_tracker.unregister(store._name, 'shared_memory')\n"
            "got = pickle.loads(bytes.fromhex(sys.argv[2]), buffers=[store.buf[:int(sys.argv[3])]])\n"
            "print(got.shape[0], got[-1], got.flags.owndata)\n"
            "del got\n"
        )
        told = subprocess.run([sys.executable, "-c", reader, store.name, meta.hex(), str(array.nbytes)],
                              capture_output=True, text=True, timeout=60, check=True)
    finally:
        store.close()
        store.unlink()
    assert told.stdout.split() == ["65536", "65535.0", "False"]


# ---- features


@st.composite
def histories(draw: Any) -> tuple[list[float], dict[str, int]]:
    events = draw(st.lists(st.integers(0, 96), unique=True, max_size=12))
    labels = draw(st.lists(st.integers(0, 96), min_size=1, max_size=8))
    return [float(each) for each in labels], {str(at): index for index, at in enumerate(events)}


@given(histories(), st.sampled_from([0, 1, 6, 30]))
@settings(max_examples=60, deadline=None)
def test_pandas_joins_alike(history: tuple[list[float], dict[str, int]], ttl: int) -> None:
    pd = pytest.importorskip("pandas", reason="the peer library pandas is not installed")
    labels, features = history
    left = pd.DataFrame({"at": sorted(labels)})
    right = pd.DataFrame({"at": sorted(float(each) for each in features)}, dtype=float)
    right["value"] = [features[str(int(at))] for at in right["at"]]

    def peer(**options: Any) -> list[Any]:
        found = pd.merge_asof(left, right, on="at", **options)["value"]
        return [None if pd.isna(value) else int(value) for value in found]

    within = {"tolerance": float(ttl)} if ttl else {}
    assert feature_joins.pit_asof(sorted(labels), features, ttl) == peer(**within)
    assert feature_joins.pit_strict(sorted(labels), features, ttl) == peer(allow_exact_matches=False, **within)
    if features:
        assert feature_joins.nearest_join(sorted(labels), features) == peer(direction="nearest")


@given(histories(), st.integers(0, 30), st.sampled_from([0, 5, 24]))
def test_only_the_join_by_arrival_never_leaks(history: tuple[list[float], dict[str, int]], lag: int, ttl: int) -> None:
    labels, features = history
    at, events, _ = feature_joins.read_history(labels, features)
    hour = 3_600_000
    rows = feature_joins.join_rows(at, events, "ingested", ttl * hour, lag * hour)
    assert not any(feature_joins.leaks(at, events, rows, lag * hour))
    if not lag:
        assert feature_joins.pit_ingested(labels, features, 0, ttl) == feature_joins.pit_asof(labels, features, ttl)
    assert not any(feature_joins.leaked(labels, features, "as-of", 0))
    days = feature_joins.daily_partition_join(labels, features, False)
    for when, cell in zip(labels, days, strict=True):
        same = [int(each) for each in features if int(each) // 24 == int(when) // 24]
        assert cell == (features[str(max(same))] if same else None)


@pytest.mark.parametrize("write", [
    lambda when: when.strftime("%dT%H"), lambda when: when.isoformat(), lambda when: when.strftime("%Y-%m-%d %H:%M"),
    lambda when: f"{(when - datetime(2026, 1, 1)).total_seconds() / 3600:g}",
])
def test_times_may_be_written_in_several_ways(write: Any) -> None:
    def text(given_time: str) -> str:
        return str(write(datetime(2026, 1, int(given_time[:2])) + timedelta(hours=int(given_time[3:]))))

    args = {"labels": [text(each) for each in THREE["labels"]],
            "features": {text(when): value for when, value in THREE["features"].items()}}
    assert feature_joins.pit_asof.run(args).values["result"] == [10, 20, 40]
    assert feature_joins.daily_partition_join.run(args).values["result"] == [10, 30, 40]


@pytest.mark.parametrize("args", [{"labels": ["teatime"], "features": {}}, {"labels": ["01T12"], "features": {"5": 1}},
                                  {"labels": ["2026-02-30"], "features": {}}, {"labels": ["01T31"], "features": {}}])
def test_times_that_are_none_are_refused_with_a_sentence(args: dict[str, Any]) -> None:
    with pytest.raises(ToolError, match=r"\.$"):
        feature_joins.pit_asof.run(args)


def test_the_lab_joins_its_entities_as_the_small_table() -> None:
    rng = np.random.default_rng(3)
    events = np.sort(rng.integers(0, 120, (200, 6)), axis=1) * 3_600_000  # whole hours, so that many tie
    at = rng.integers(0, 120, (200, 1)) * 3_600_000
    for join in point_in_time.JOINS:
        rows = point_in_time._rows(join, events, at, 7_200_000)
        slow = [feature_joins.join_rows(when, history, join, 0, 7_200_000)[0]
                for when, history in zip(at.tolist(), events.tolist(), strict=True)]
        assert rows[:, 0].tolist() == slow, join


def test_only_leaky_joins_promise_more_than_serving_keeps() -> None:
    honest = LAB.run({"join": "ingested", "lag_h": 2, "signal": 1, "entities": 20_000}).values
    event_time = LAB.run({"join": "as-of", "lag_h": 2, "signal": 1, "entities": 20_000}).values
    latest = LAB.run({"join": "latest", "entities": 20_000}).values
    assert honest["auc_gap"] == 0
    assert honest["online_auc"] > 0.6
    assert event_time["auc_gap"] > 0.01
    assert event_time["online_auc"] == honest["online_auc"]
    assert latest["online_auc"] == pytest.approx(0.5, abs=0.02)
    assert 0.7 < latest["offline_auc"] < 0.83
    assert LAB.run({"effect": 0, "join": "latest", "entities": 20_000}).values["offline_auc"] == pytest.approx(0.5,
        abs=0.02)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=2, max_size=30))
def test_the_auc_counts_pairs(rows: list[tuple[int, int]]) -> None:
    good, bad = ([score for label, score in rows if label == wanted] for wanted in (1, 0))
    if not good or not bad:
        with pytest.raises(ToolError):
            feature_joins.auc([label for label, _ in rows], [float(score) for _, score in rows])
        return
    pairs = sum((one > other) + (one == other) / 2 for one in good for other in bad) / len(good) / len(bad)
    assert feature_joins.auc([label for label, _ in rows], [float(score) for _, score in rows]) == pytest.approx(pairs)


@pytest.mark.parametrize("args", [{}, {"updates_per_h": 4, "refresh_min": 15, "ttl_s": 900}, {"hot_fraction": 0},
                                  {"updates_per_h": 0.1, "refresh_min": 1440, "lag_min": 240}])
def test_the_sampled_staleness_is_the_formula(args: dict[str, Any]) -> None:
    values = SKEW.run(args).values
    assert values["skew_rate"] == pytest.approx(values["expected_skew_rate"], abs=0.016)
    assert values["mean_age_s"] <= values["longest_age_s"]


@given(st.floats(0, 100), st.floats(0, 1e4), st.floats(0, 1e3), st.floats(0, 1e4), st.floats(0, 1))
def test_staleness_is_a_share_and_grows_with_every_delay(
    rate: float, refresh: float, lag: float, ttl: float, hot: float,
) -> None:
    share = feature_freshness.staleness_skew(rate, refresh, lag, ttl, hot)
    assert 0 <= share <= 1
    for longer in ((refresh * 2, lag, ttl, hot), (refresh, lag * 2, ttl, hot), (refresh, lag, ttl * 2, hot)):
        assert feature_freshness.staleness_skew(rate, *longer) >= share - 1e-9


# ---- for all


@pytest.mark.parametrize("tool", [each for each in PAGES if not each.measures], ids=lambda tool: tool.name)
def test_the_same_seed_gives_the_same_bytes(tool: Tool) -> None:
    args = {"fail_rate": 0.3, "retries": 2} if tool is SCHEDULER else {}
    one, other, third = (tool.run(args, seed).model_dump_json() for seed in (5, 5, 6))
    assert one == other
    if tool in (SCHEDULER, LAB, SKEW):
        assert one.replace('"seed":5', "") != third.replace('"seed":6', "")


CORNERS: list[tuple[Tool, dict[str, Any]]] = [
    (SCHEDULER, {"dag": "a:0"}), (SCHEDULER, {"slots": 1000, "interval_min": 0.01, "startup_s": 3600}),
    (SCHEDULER, {"fail_rate": 0.95, "runs": 816, "retries": 20, "exponential": True, "retry_delay_min": 1440}),
    (SCHEDULER, {"fail_rate": 0.95, "runs": 10}), (SCHEDULER, {"dag": ",".join(f"t{n}:1e6" for n in range(500))}),
    (RETRIES, {"tasks": 1_000_000, "fail_rate": 1, "retries": 100}), (RETRIES, {"fail_rate": 0, "retries": 0}),
    (SPEEDUP, {"tasks": 1, "workers": 1_000_000, "overhead_ms": 1e6}),
    (SPEEDUP, {"tasks": 10**9, "task_ms": 1e7, "serial_fraction": 0.99, "workers": 1, "batch": 10**9}),
    (CLUSTER, {"tasks": 20_000, "nodes": 200, "cpus_per_node": 256, "object_MB": 10_000, "store_GB": 0.1}),
    (CLUSTER, {"tasks": 10_000_000, "batch": 1_000_000, "task_ms": 600_000, "spill_MBps": 0.5}),
    (CLUSTER, {"tasks": 20_000, "actors": 800, "nodes": 100, "failure": "node", "fail_at": 0, "actor_restarts": 1}),
    (CLUSTER, {"tasks": 1, "object_MB": 0, "submit_ms": 0, "overhead_ms": 0, "task_ms": 0.001}),
    (STORE, {"size_MiB": 1024}), (STORE, {"size_MiB": 1024, "kind": "list-of-dicts"}), (STORE, {"path": "pickle5"}),
    (LAB, {"entities": 50_000, "updates_per_day": 4.8}), (LAB, {"updates_per_day": 0.2, "ttl_h": 0.1, "lag_h": 48}),
    (LAB, {"labels": "2026-01-01", "features": "2026-01-02=1e14", "join": "nearest"}),
    (SKEW, {"updates_per_h": 10_000, "refresh_min": 100_000, "lag_min": 100_000, "ttl_s": 1e7, "weight": 10}),
    (SKEW, {"refresh_min": 0, "lag_min": 0, "ttl_s": 0, "entities": 1, "zipf": 1.5, "mismatch": "units"}),
    (SKEW, {"entities": 1_000_000_000, "hot_fraction": 1, "weight": -10, "mismatch": "rounding"}),
]


@pytest.mark.parametrize(("tool", "args"), CORNERS, ids=[f"{tool.name}-{n}" for n, (tool, _) in enumerate(CORNERS)])
def test_the_corners_run_and_stay_finite(tool: Tool, args: dict[str, Any]) -> None:
    result = tool.run(args)
    json.dumps(result.model_dump(), allow_nan=False)
    assert result.summary.endswith(".")
    assert result.plot is not None
    assert all(len(line.x) == len(line.y) for line in result.plot.lines)
    assert any(line.dashed for line in result.plot.lines) or result.plot.marks
