"""Kubernetes: scores and scheduler, autoscaler, shuffle sharding, kube-proxy, reconciling and rollouts against their
definitions, small enumerations and slower replays."""

from __future__ import annotations

import doctest
import itertools
import json
import math
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.base import Tool, ToolError
from tools.calculators import autoscaling, kube_scores, service_routing, shuffle_sharding
from tools.simulators import hpa, kube_nodes, kube_proxy, kube_scheduler, reconcile, rollout

SCORE, REPLICAS, SHARDS = kube_scores.node_score, autoscaling.hpa_replicas, shuffle_sharding.apf_shuffle_sharding
SCHEDULER, HPA, PROXY = kube_scheduler.kube_scheduler, hpa.hpa, kube_proxy.kube_proxy_vs_l7
LOOP, ROLLOUT = reconcile.reconcile_loop, rollout.rolling_update
PICTURED = [SCORE, REPLICAS, SHARDS, SCHEDULER, HPA, PROXY, LOOP, ROLLOUT]
MODULES = (kube_scores, autoscaling, shuffle_sharding, service_routing, rollout)
TOOLS: list[Tool] = [*PICTURED, *{each.name: each for module in MODULES for each in vars(module).values()
                                  if isinstance(each, Tool) and each.kind == "formula"}.values()]
CASES = [(each, case) for each in TOOLS for case in each.cases if not case.shown]


def run(name: str, **args: Any) -> Any:
    return next(tool for tool in TOOLS if tool.name == name).run(args).values["result"]


# ---- goldens, pages, questions, limits


@pytest.mark.parametrize(("tool", "case"), CASES, ids=[f"{tool.name}-{n}" for n, (tool, _) in enumerate(CASES)])
def test_every_case_holds(tool: Tool, case: Any) -> None:
    values = tool.run(case.args).values
    for name, expected in case.expected.items():
        exact = isinstance(expected, str) or expected is None
        assert values[name] == (expected if exact else pytest.approx(expected, rel=case.rel or 1e-12, abs=case.abs)), name


@pytest.mark.parametrize("tool", PICTURED, ids=lambda tool: tool.name)
def test_the_example_on_the_page_runs(tool: Tool) -> None:
    example = doctest.DocTestParser().get_doctest(tool.page, dict(vars(sys.modules[tool.function.__module__])),
                                                  tool.name, None, 0)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


_REQUESTED = {"requested_cores": 2, "requested_GiB": 4}


@pytest.mark.parametrize(("tool", "index", "args"), [
    (SCORE, 0, {"cpu_cores": 4, "memory_GiB": 16, **_REQUESTED}),
    (SCORE, 1, {"cpu_cores": 8, "memory_GiB": 32, "requested_cores": 6, "requested_GiB": 8}),
    (SCORE, 2, {"cpu_cores": 4, "memory_GiB": 16, **_REQUESTED}),
    (REPLICAS, 0, {"replicas": 4, "metric": 200, "target": 100}),
    (REPLICAS, 1, {"replicas": 3, "metric": 1.0, "target": 0.6}),
    (REPLICAS, 2, {"replicas": 10, "metric": 109, "target": 100}),
    (REPLICAS, 3, {"replicas": 50, "metric": 0.9, "target": 0.75}),
    (REPLICAS, 4, {"replicas": 8, "metric": 500, "target": 100, "max_replicas": 20}),
    (SHARDS, 0, {"hand_size": 8, "queues": 64, "elephants": 16}),
    (SHARDS, 1, {"hand_size": 12, "queues": 32, "elephants": 4}),
    (SHARDS, 2, {"queues": 64, "elephants": 16}),
    (SHARDS, 3, {"hand_size": 8, "queue_length": 50}),
    (SCHEDULER, 0, {"node_count": 3, "node_cores": 2, "pods": 10, "pod_cores": 1}),
    (SCHEDULER, 1, {"node_count": 5, "node_cores": 4, "pods": 20, "pod_cores": 1.5}),
    (SCHEDULER, 2, {"node_count": 4, "pods": 6, "one_per_node": True}),
    (HPA, 0, {"base_rps": 240, "peak_rps": 480, "pod_rps": 100, "metric": "requests", "target": 0.6}),
    (HPA, 1, {"base_rps": 200, "peak_rps": 1_000, "startup_s": 45}),
    (HPA, 2, {"base_rps": 200, "peak_rps": 1_000, "startup_s": 120}),
    (PROXY, 0, {"connections_per_client": 1, "pods": 10}),
    (PROXY, 1, {"pods": 10, "protocol": "http2", "connections_per_client": 1}),
    (PROXY, 2, {"mode": "iptables", "services": 5_000, "pods": 10}),
    (PROXY, 3, {"clients": 10, "connections_per_client": 1, "pods": 10}),
    (PROXY, 4, {"services": 20_000, "pods": 50}),
    (LOOP, 0, {"delay_ms": 50}),
    (LOOP, 1, {"loss": 1.0, "resync_s": 30}),
    (LOOP, 2, {"loss": 1.0, "resync_s": 30}),
    (LOOP, 3, {"loss": 1.0}),
    (ROLLOUT, 0, {"rps": 1_000, "propagation_ms": 2_000, "prestop_s": 0}),
    (ROLLOUT, 1, {"prestop_s": 5}),
    (ROLLOUT, 2, {"rps": 5_000, "propagation_ms": 1_500, "prestop_s": 1}),
    (ROLLOUT, 3, {"replicas": 20, "max_surge": 5, "startup_s": 30}),
    (ROLLOUT, 4, {"replicas": 12, "rps": 2_000, "propagation_ms": 3_000, "prestop_s": 0}),
    (ROLLOUT, 5, {"replicas": 12, "max_surge": 3, "startup_s": 20}),
    (REPLICAS, 5, {"replicas": 6, "metric": 0.9, "target": 0.5}),
    (REPLICAS, 6, {"replicas": 10, "metric": 0.54, "target": 0.5}),
    (SHARDS, 4, {"hand_size": 6, "queues": 128, "elephants": 10}),
    (SCORE, 3, {"cpu_cores": 8, "memory_GiB": 32, "requested_cores": 2, "requested_GiB": 16}),
    (SCORE, 4, {"cpu_cores": 16, "memory_GiB": 64, "requested_cores": 4, "requested_GiB": 48}),
    (SCHEDULER, 3, {"node_count": 5, "node_cores": 8, "pods": 12, "pod_cores": 3}),
    (PROXY, 5, {"services": 2_000, "pods": 20}),
])
def test_a_question_has_its_answer_once_its_slots_are_filled(tool: Tool, index: int, args: dict[str, Any]) -> None:
    ask = tool.asks[index]
    assert tool.run(args).values[ask.value] == pytest.approx(ask.expected, rel=ask.rel)


@pytest.mark.parametrize("tool", PICTURED, ids=lambda tool: tool.name)
def test_same_arguments_and_seed_give_the_same_bytes(tool: Tool) -> None:
    first, second = (tool.run(tool.example, seed=3).model_dump_json() for _ in range(2))
    assert first == second
    default = tool.run({})
    assert default.summary and default.naive and default.plot is not None and len(default.plot.lines) >= 2


def _edges(tool: Tool) -> list[tuple[str, float]]:
    found = []
    for name, info in tool.params.model_fields.items():
        for limit in info.metadata:
            found += [(name, getattr(limit, key)) for key in ("ge", "le") if getattr(limit, key, None) is not None]
    return found


@pytest.mark.parametrize(("tool", "name", "value"), [(tool, *edge) for tool in PICTURED for edge in _edges(tool)])
def test_a_parameter_at_its_limit_runs_and_stays_finite_or_is_refused(tool: Tool, name: str, value: float) -> None:
    try:
        result = tool.run({name: value})
    except ToolError as error:
        assert str(error).endswith(".") and str(error).count(". ") == 0
    else:
        json.dumps(result.model_dump(), allow_nan=False)


# ---- scores


RESOURCES = st.lists(st.tuples(st.integers(0, 100), st.integers(100, 1_000)), min_size=1, max_size=5)


@given(RESOURCES)
def test_least_and_most_allocated_add_up_and_the_scheduler_rounds_down(rows: list[tuple[int, int]]) -> None:
    asked, size = [a for a, _ in rows], [s for _, s in rows]
    least = run("k8s.least_allocated", requested=asked, allocatable=size)
    assert least + run("k8s.most_allocated", requested=asked, allocatable=size) == pytest.approx(100)
    assert least - 2 < run("k8s.least_allocated_int", requested=asked, allocatable=size) <= least + 1e-9
    balanced = run("k8s.balanced_allocation", requested=asked, allocatable=size)
    assert balanced == pytest.approx(100 * (1 - np.std([a / s for a, s in rows])))


def test_weights_and_bad_lists() -> None:
    assert run("k8s.least_allocated", requested=[2, 4], allocatable=[4, 16], weights=[3, 1]) == 56.25
    assert run("k8s.least_allocated", requested=[0], allocatable=[0]) == 0
    for args in ({"requested": [1], "allocatable": [1, 2]}, {"requested": [-1], "allocatable": [1]},
                 {"requested": [1], "allocatable": [1], "weights": [0]}):
        with pytest.raises(ToolError, match=r"\.$"):
            run("k8s.least_allocated", **args)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8), st.integers(1, 5))
def test_spread_scores_prefer_emptier_domains(counts: list[int], skew: int) -> None:
    scores = run("k8s.spread_scores", counts=counts, max_skew=skew)
    assert all(0 <= score <= 100 for score in scores)
    order = sorted(range(len(counts)), key=lambda index: counts[index])
    assert [scores[index] for index in order] == sorted(scores, reverse=True)


# ---- scheduler


NODES = st.lists(st.builds(
    lambda zone, cpu, mem, asked, usage, taint: f"zone=z{zone} cpu={cpu} mem={mem} req_cpu={min(asked, cpu)} usage={usage}"
    + (f" taint={taint}" if taint else ""),
    st.integers(1, 3), st.integers(1, 8), st.integers(1, 32), st.integers(0, 4), st.sampled_from([0.1, 0.5, 0.99]),
    st.sampled_from(["", "gpu:NoSchedule", "spot:PreferNoSchedule"])), min_size=1, max_size=6)


@given(NODES, st.integers(1, 40), st.integers(0, 2), st.sampled_from(["", "gpu"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_placements_respect_every_filter(nodes: list[str], pods: int, skew: int, tolerates: str, alone: bool) -> None:
    text = ";".join(f"n{index} {node}" for index, node in enumerate(nodes))
    args = {"nodes": text, "pods": pods, "pod_cores": 0.7, "pod_memory_GiB": 1.5, "max_skew": skew,
            "tolerates": tolerates, "one_per_node": alone}
    values = SCHEDULER.run(args).values
    placed = values["pods_by_node"]
    assert values["placed"] + values["unschedulable"] == pods and sum(placed.values()) == values["placed"]
    assert bool(values["message"]) == (values["unschedulable"] > 0)
    zones: dict[str, int] = {}
    for node in kube_nodes.parse_nodes(text):
        mine = placed[node.name]
        assert node.req_cpu + mine * 700 <= node.cpu or not mine
        assert node.req_mem + mine * 1_536 <= node.mem or not mine
        if any(effect == "NoSchedule" for _, _, effect in node.taints) and not tolerates:
            assert not mine
        assert not alone or mine <= 1
        zones[node.zone] = zones.get(node.zone, 0) + mine
    assert not skew or max(zones.values()) - min(zones.values()) <= skew
    unused = SCHEDULER.run(args | {"nodes": text.replace("usage=0.99", "usage=0.01")}).values
    assert unused["pods_by_node"] == placed  # measured usage never counts


def test_affinity_taints_and_packing_move_pods() -> None:
    nodes = "a cpu=4 mem=16 label=disk:hdd; b cpu=4 mem=16 label=disk:ssd req_cpu=2; c cpu=4 mem=16 taint=old:PreferNoSchedule"
    first = {"nodes": nodes, "pods": 1}
    assert SCHEDULER.run(first).values["first_node"] == "a"
    assert SCHEDULER.run(first | {"prefers": "disk=ssd"}).values["first_node"] == "b"
    assert SCHEDULER.run(first | {"selector": "disk=ssd"}).values["first_node"] == "b"
    assert SCHEDULER.run(first | {"strategy": "most-allocated", "weight_balanced": 0}).values["first_node"] == "b"
    avoided = {SCHEDULER.run(first | {"tolerates": "old"}, seed=seed).values["first_node"] for seed in range(8)}
    assert avoided == {"a", "c"}  # a tolerated taint admits, ties are drawn
    none = SCHEDULER.run(first | {"selector": "disk=tape"}).values
    assert none["first_node"] is None and "3 node(s) didn't match" in none["message"]


@pytest.mark.parametrize("nodes", ["", "a cpu=x", "a cpu=0", "a; a", "a taint=gpu", "a x200", "a colour=red"])
def test_bad_nodes_are_refused_with_a_sentence(nodes: str) -> None:
    with pytest.raises(ToolError, match=r"\.$"):
        SCHEDULER.run({"nodes": nodes})


# ---- autoscaler


@given(st.integers(1, 1_000), st.integers(0, 10_000), st.integers(1, 1_000))
def test_the_bare_formula_is_a_ceiling(replicas: int, metric: int, target: int) -> None:
    wanted = run("k8s.hpa", replicas=replicas, metric=metric, target=target)
    assert wanted == -(-replicas * metric // target)
    assert run("k8s.hpa", replicas=replicas, metric=metric / 1_000, target=target / 1_000) == wanted
    bounded = run("k8s.hpa_bounded", replicas=replicas, metric=metric, target=target, min_replicas=2, max_replicas=50)
    assert bounded == min(max(replicas if abs(metric - target) * 10 <= target else wanted, 2), 50)
    assert run("k8s.hpa_unready", ready=replicas, unready=0, metric=metric, target=target) == run(
        "k8s.hpa_metrics", replicas=replicas, metrics=[metric], targets=[target])


@pytest.mark.parametrize(("ratio", "replicas"), [(1.1, 10), (0.9, 10), (1.1001, 12), (0.8999, 9), (0.0, 0)])
def test_the_tolerance_includes_its_edge(ratio: float, replicas: int) -> None:
    assert run("k8s.hpa_tolerance", replicas=10, ratio=ratio, tolerance=0.1) == replicas


@given(st.integers(1, 100), st.integers(0, 100), st.integers(0, 500))
def test_starting_pods_never_turn_a_scaling_round(ready: int, unready: int, metric: int) -> None:
    wanted = run("k8s.hpa_unready", ready=ready, unready=unready, metric=metric, target=100)
    if metric > 100:
        assert ready + unready <= wanted <= max(ready + unready, math.ceil(ready * metric / 100))
    else:
        assert wanted <= ready + unready


@given(st.integers(0, 5_000), st.integers(0, 5_000), st.sampled_from(["cpu", "requests"]), st.integers(0, 120),
       st.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_replicas_stay_within_bounds_and_policies(base: int, peak: int, metric: str, startup: int, lag: int) -> None:
    series = HPA.run({"base_rps": base, "peak_rps": peak, "metric": metric, "startup_s": startup, "metric_lag_s": lag,
                      "duration_s": 1_100, "peak_for_s": 300}).series
    replicas = series["replicas"]
    assert all(2 <= each <= 50 for each in replicas) and all(r <= n for r, n in zip(series["ready"], replicas, strict=True))
    assert all(b <= max(2 * a, a + 4) for a, b in zip(replicas, replicas[1:], strict=False))
    assert all(at % 15 == 0 for at, (a, b) in enumerate(zip(replicas, replicas[1:], strict=False), 1) if a != b)


def test_what_delays_the_autoscaler() -> None:
    def overload(**args: Any) -> int:
        return int(HPA.run(args).values["overload_s"])

    assert overload(startup_s=0) < overload() < overload(startup_s=120)
    assert overload(metric="requests") < overload()  # CPU can't show more than 100%
    assert overload(metric_lag_s=0) < overload(metric_lag_s=120)
    assert overload(stabilization_up_s=60) > overload()
    assert overload(replicas=20, min_replicas=20) == 0


def test_scaling_down_waits_for_the_window() -> None:
    series = HPA.run({"peak_at_s": 60, "peak_for_s": 700, "stabilization_down_s": 300, "duration_s": 1_200}).series
    replicas, top, after_peak = series["replicas"], max(series["replicas"]), 760
    assert all(each == top for each in replicas[after_peak:after_peak + 290])
    assert replicas[after_peak + 400] < top


def test_load_traces() -> None:
    assert HPA.run({"trace": "200@0, 1000@1m; 200@16m"}).series == HPA.run({"peak_at_s": 60, "peak_for_s": 900}).series
    for trace in ("many@0", "5", "5@now"):
        with pytest.raises(ToolError, match="can't read"):
            HPA.run({"trace": trace})
    with pytest.raises(ToolError, match="max_replicas"):
        HPA.run({"min_replicas": 9, "max_replicas": 3})


# ---- shuffle sharding


@pytest.mark.parametrize(("hand", "queues", "elephants"), [(1, 3, 2), (2, 4, 2), (2, 5, 3), (3, 5, 2), (4, 4, 1)])
def test_squishing_matches_the_enumeration_of_all_hands(hand: int, queues: int, elephants: int) -> None:
    hands = list(itertools.combinations(range(queues), hand))
    mouse = set(range(hand))
    squished = sum(mouse <= set().union(*dealt) for dealt in itertools.product(hands, repeat=elephants))
    assert run("k8s.apf_squish", hand=hand, queues=queues, elephants=elephants) == pytest.approx(
        float(Fraction(squished, len(hands) ** elephants)), rel=1e-12)


@given(st.integers(1, 12), st.integers(0, 100), st.integers(1, 30))
def test_more_elephants_and_fewer_queues_squish_more(hand: int, spare: int, elephants: int) -> None:
    fewer, more = run("k8s.apf_squish", hand=hand, queues=hand + spare, elephants=[elephants, elephants + 1])
    assert 0 <= fewer <= more <= 1
    assert run("k8s.apf_squish", hand=hand, queues=hand + spare + 1, elephants=elephants) <= fewer
    assert run("k8s.apf_squish", hand=hand, queues=hand, elephants=elephants) == 1
    assert run("k8s.apf_squish", hand=hand, queues=hand + spare, elephants=0) == 0


def test_a_simulation_agrees_and_a_bigger_hand_is_not_safer() -> None:
    rng, trials = np.random.default_rng(1), 4_000
    order = rng.random((trials, 5, 16)).argsort(axis=2)[:, :, :4]
    covered = [set(mouse) <= set().union(*elephants) for mouse, *elephants in order.tolist()]
    assert np.mean(covered) == pytest.approx(run("k8s.apf_squish", hand=4, queues=16, elephants=4), abs=0.03)
    small, large = (SHARDS.run({"hand_size": hand, "elephants": 16}).values["squish_probability"] for hand in (4, 12))
    assert small < large / 3


def test_too_large_a_hand_is_refused_or_warned_about() -> None:
    for name in ("k8s.apf_squish", "k8s.apf_entropy_bits"):
        with pytest.raises(ToolError, match="only 4 queues"):
            run(name, hand=5, queues=4, **({"elephants": 1} if "squish" in name else {}))
    with pytest.raises(ToolError, match="only 4 queues"):
        SHARDS.run({"hand_size": 5, "queues": 4})
    assert SHARDS.run({"hand_size": 12, "queues": 64}).values["valid"] is False
    assert SHARDS.run({"hand_size": 12, "queues": 64}).warnings


# ---- kube-proxy


@given(st.integers(1, 300))
def test_the_chain_of_probabilities_is_uniform(pods: int) -> None:
    chain = run("lb.iptables_probabilities", pods=pods)
    assert run("lb.iptables_shares", probabilities=chain) == pytest.approx([1 / pods] * pods, rel=1e-9)


@pytest.mark.parametrize(("connections", "pods"), [(0, 3), (1, 3), (3, 3), (5, 2), (4, 4)])
def test_pods_reached_match_the_enumeration(connections: int, pods: int) -> None:
    reached = [len(set(choice)) for choice in itertools.product(range(pods), repeat=connections)]
    assert run("lb.expected_pods_used", connections=connections, pods=pods) == pytest.approx(np.mean(reached))
    assert run("lb.chance_of_idle_pod", connections=connections, pods=pods) == pytest.approx(
        np.mean([each < pods for each in reached]))
    most = next(tool for tool in TOOLS if tool.name == "lb.l4_grpc_imbalance").run(
        {"connections": connections, "pods": pods}).values
    assert most == {"pods_used": max(reached), "expected_pods_used": pytest.approx(np.mean(reached))}


@given(st.integers(1, 20), st.integers(0, 5), st.integers(1, 30), st.integers(1, 3), st.sampled_from([0, 7.0]),
       st.sampled_from(["http2", "http1-keepalive", "http1-close"]), st.sampled_from(["iptables", "ipvs", "nftables"]))
@settings(max_examples=60, deadline=None)
def test_requests_are_conserved_and_stick_to_connections(pods: int, added: int, clients: int, each: int, age: float,
                                                         protocol: str, mode: str) -> None:
    result = PROXY.run({"pods": pods, "added_pods": added, "clients": clients, "connections_per_client": each,
                        "max_connection_age_s": age, "protocol": protocol, "mode": mode, "rps": 50})
    layer4, layer7 = result.series["kube_proxy"], result.series["layer7"]
    assert sum(layer4) == sum(layer7) == 3_000 and max(layer7) - min(layer7) <= 1
    if protocol != "http1-close" and not age:
        assert sum(load > 0 for load in layer4) <= min(clients * each, pods)
        assert not any(layer4[pods:])  # pods that came later get nothing
        if mode == "ipvs":
            assert result.values["pods_used"] == min(clients * each, pods)
    assert result.values["imbalance"] >= result.values["l7_imbalance"] - 1e-9


def test_reconnecting_reaches_added_pods() -> None:
    stuck = PROXY.run({"clients": 50, "added_pods": 10})
    moved = PROXY.run({"clients": 50, "added_pods": 10, "max_connection_age_s": 1})
    assert stuck.values["idle_pods"] >= 10 and stuck.warnings
    assert moved.values["idle_pods"] == 0 and moved.values["imbalance"] < 1.5


# ---- reconcile


SCRIPTS = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=12)


def _script(steps: list[tuple[bool, int]]) -> str:
    return ", ".join(f"{'scale' if scale else 'crash'} {count}@{10 * index}s" for index, (scale, count) in enumerate(steps))


@given(SCRIPTS, st.sets(st.integers(1, 12)), st.sets(st.integers(1, 12)))
def test_a_level_triggered_controller_converges_after_any_lost_or_doubled_event(
    steps: list[tuple[bool, int]], lost: set[int], twice: set[int],
) -> None:
    args = {"events": _script(steps), "lost": ",".join(map(str, lost)), "duplicated": ",".join(map(str, twice)),
            "resync_s": 7, "horizon_s": 10 * len(steps) + 20}
    values = LOOP.run(args).values
    assert values["level_pods"] == values["desired"] == next((count for scale, count in reversed(steps) if scale), 0)
    assert values["level_settled_after_s"] <= 7
    if len(steps) not in lost:  # the last event wakes it even without re-listing
        assert values["level_without_resync_pods"] == values["desired"]


@given(st.lists(st.integers(20, 29), min_size=2, max_size=12), st.data())
def test_an_edge_triggered_controller_keeps_every_loss(counts: list[int], data: st.DataObject) -> None:
    events = _script([(True, count) for count in counts])
    assert LOOP.run({"events": events, "lost": ""}).values["edge_pods"] == counts[-1]
    lost = data.draw(st.integers(1, len(counts) - 1))
    values = LOOP.run({"events": events, "lost": str(lost + 1)}).values
    assert values["edge_pods"] == counts[-1] - (counts[lost] - counts[lost - 1])
    last = LOOP.run({"events": events, "lost": str(len(counts)), "resync_s": 0}).values
    assert last["level_pods"] == last["edge_pods"] == counts[-2]


def test_losses_are_drawn_with_the_seed() -> None:
    drawn = {LOOP.run({"lost": "", "loss": 0.5}, seed=seed).values["lost_events"] for seed in range(12)}
    assert len(drawn) > 1
    assert LOOP.run({"loss": 1.0}).values["edge_pods"] == 0
    assert "ignored" in LOOP.run({"lost": "99"}).warnings[0]


@pytest.mark.parametrize("args", [{"events": ""}, {"events": "stop 3@0"}, {"lost": "x"}, {"lost": "0"},
                                  {"resync_s": 0.5}, {"events": "scale 1@99999999s"}])
def test_a_bad_script_is_refused_with_a_sentence(args: dict[str, Any]) -> None:
    with pytest.raises(ToolError, match=r"\.$"):
        LOOP.run(args)


# ---- rollout


def _replay(p: rollout.Rollout) -> dict[str, float]:
    """The same rollout, one millisecond after another."""
    startup, prestop, grace = (round(each * 1_000) for each in (p.startup_s, p.prestop_s, p.grace_s))
    past, never = -10**9, 10**9
    pods: list[dict[str, int]] = [{"made": past, "ready": past, "gone": never, "old": 1} for _ in range(p.replicas)]
    served: list[tuple[dict[str, int], int, float]] = []
    lost = dict.fromkeys(("refused", "early", "nowhere", "flight"), 0.0)
    now, finished = 0, never
    while now <= finished + max(p.propagation_ms, startup, grace):
        while True:
            alive = [pod for pod in pods if pod["gone"] > now]
            new, ready = [pod for pod in alive if not pod["old"]], [pod for pod in alive if pod["ready"] <= now]
            old = [pod for pod in alive if pod["old"]]
            if len(new) < p.replicas and len(alive) < p.replicas + p.max_surge:
                pods.append({"made": now, "ready": now + (startup if p.readiness == "probe" else 0), "gone": never, "old": 0})
            elif old and len(ready) > p.replicas - p.max_unavailable:
                old[0]["gone"] = now
            else:
                break
        if finished == never and not old and len(ready) == p.replicas:
            finished = now
        routed = [pod for pod in pods if pod["ready"] + p.propagation_ms <= now < pod["gone"] + p.propagation_ms]
        if not routed:
            lost["nowhere"] += p.rps / 1_000
        for pod in routed:
            share = p.rps / 1_000 / len(routed)
            if now >= pod["gone"] + min(prestop, grace):
                lost["refused"] += share
            elif now < pod["made"] + startup:
                lost["early"] += share
            else:
                served.append((pod, now, share))
        now += 1
    for pod, at, share in served:  # only now it is known how long each pod lived
        end = pod["gone"] + (grace if p.graceful else min(prestop, grace))
        lost["flight"] += share if at + p.request_ms >= end and p.request_ms else 0.0
    return lost | {"done": finished / 1_000}


@given(st.integers(1, 5), st.integers(0, 3), st.integers(0, 5), st.integers(0, 90), st.sampled_from(["probe", "none"]),
       st.integers(0, 120), st.integers(0, 60), st.integers(0, 80), st.booleans(), st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_the_rollout_equals_its_replay_by_the_millisecond(
    replicas: int, surge: int, unavailable: int, startup: int, readiness: Any, propagation: int, prestop: int, grace: int,
    graceful: bool, request: int,
) -> None:
    p = rollout.Rollout(replicas=replicas, max_surge=max(surge, 1 - unavailable), max_unavailable=unavailable,
                        startup_s=startup / 1_000, readiness=readiness, propagation_ms=propagation,
                        prestop_s=prestop / 1_000, grace_s=grace / 1_000, graceful=graceful, request_ms=request)
    values, slow = ROLLOUT.function(p, 0).values, _replay(p)
    got = [values[key] for key in ("refused_by_terminating", "sent_before_start", "without_any_pod", "lost_in_flight")]
    assert got == pytest.approx([slow[key] for key in ("refused", "early", "nowhere", "flight")], abs=1e-5)
    assert values["duration_s"] == slow["done"]


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 5_000), st.integers(0, 10))
@settings(max_examples=40, deadline=None)
def test_errors_are_load_times_the_gap_whatever_the_replicas(replicas: int, surge: int, gap: int, prestop: int) -> None:
    values = ROLLOUT.run({"replicas": replicas, "max_surge": surge, "propagation_ms": gap, "prestop_s": prestop,
                          "startup_s": 20}).values
    assert values["failed_requests"] == pytest.approx(
        run("k8s.rollout_errors", rps=1_000, propagation_ms=gap, prestop_ms=1_000 * prestop), abs=1e-5)
    assert values["duration_s"] == run("k8s.rollout_duration_s", replicas=replicas, max_surge=surge, startup_s=20)


def test_a_rollout_that_cannot_move_is_refused() -> None:
    with pytest.raises(ToolError, match="at least 1"):
        ROLLOUT.run({"max_surge": 0})
    assert ROLLOUT.run({"prestop_s": 30}).warnings
