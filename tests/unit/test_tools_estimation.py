"""Estimation tools: goldens, worked questions, invariants, brute force and peers; no plot is judged here."""

from __future__ import annotations

import doctest
import importlib
import itertools
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.base import Case, Tool, ToolError, ToolResult

MODULES = [f"tools.calculators.{name}" for name in (
    "traffic", "envelope", "units", "latency", "erlang", "little", "mm1", "queueing", "zipf", "quorum", "error_budget", "slo",
    "ab_test", "canary", "availability", "availability_tree", "downtime", "nines")] + ["tools.simulators.cache"]
few = settings(max_examples=40, deadline=None)
TOOLS = {tool.name: tool for module in MODULES for tool in vars(importlib.import_module(module)).values()
         if isinstance(tool, Tool)}
CASES = [(name, case) for name, tool in TOOLS.items() for case in tool.cases if not case.shown]
WHOLE = [name for name, tool in TOOLS.items() if tool.kind != "formula"]


def run(name: str, args: dict[str, Any], seed: int = 0) -> ToolResult:
    return TOOLS[name].run(args, seed)


def value(name: str, **args: Any) -> Any:
    return run(name, args).values["result"]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CASES)])
def test_golden(name: str, case: Case) -> None:
    values = TOOLS[name].run(case.args).values
    for key, expected in case.expected.items():
        exact = isinstance(expected, bool) or not (case.rel or case.abs)
        assert values[key] == (expected if exact else pytest.approx(expected, rel=case.rel or 1e-15, abs=case.abs or 1e-15))


@pytest.mark.parametrize("name", WHOLE)
def test_page_explains_and_its_example_runs(name: str) -> None:
    tool = TOOLS[name]
    assert "eople get wrong" in tool.page and tool.words
    around = dict(vars(importlib.import_module(tool.function.__module__)))
    example = doctest.DocTestParser().get_doctest(tool.page, around, name, None, 0)
    assert example.examples and doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.parametrize("name", WHOLE)
def test_default_result_is_whole_finite_and_repeatable(name: str) -> None:
    tool = TOOLS[name]
    result = tool.run({}, seed=3)
    assert result.summary and result.formula and result.assumptions and result.naive and result.plot
    assert set(result.units) <= set(result.values) and any(line.dashed for line in result.plot.lines)
    assert all(len(line.x) == len(line.y) for line in result.plot.lines)
    assert result.model_dump_json() == tool.run({}, seed=3).model_dump_json()
    assert tool.run(tool.example).values


@pytest.mark.parametrize("name", WHOLE)
def test_every_limit_runs_and_stays_finite_or_is_explained(name: str) -> None:
    limits = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    for field, schema in TOOLS[name].params.model_json_schema()["properties"].items():
        ends = [each[key] for each in (schema, *schema.get("anyOf", [])) for key in limits if key in each]
        for end in [*ends, *schema.get("enum", [])]:
            try:
                json.dumps(run(name, {field: end}).model_dump(), allow_nan=False)
            except ToolError as error:
                assert str(error).endswith(".")


ANSWERS: dict[str, list[dict[str, Any]]] = {
    "traffic-sheet": [
        {"daily_users": 1e7, "actions_per_user_day": 10, "peak_ratio": 3}, {"requests_per_day": 1e6},
        {"daily_users": 1e7, "writes_per_user_day": 2, "item_bytes": 1e3, "retention_days": 1825, "replicas": 3},
        {"requests_per_day": 2e8, "peak_ratio": 4, "latency_ms": 150, "concurrency": 64},
        {"daily_users": 2e6, "writes_per_user_day": 3, "item_bytes": 5e5, "read_write": 50},
        {"written_bytes_per_day": 4e11, "retention_days": 90, "replicas": 2},
        {"written_bytes_per_day": 3e12, "retention_days": 730, "replicas": 3, "compression": 4},
        {"daily_users": 5e8, "writes_per_user_day": 1, "item_bytes": 2000}, {"requests_per_day": 9e7, "peak_ratio": 5},
        {"hot_fraction": 0.05, "total_items": 4e8, "item_bytes": 2000}],
    "link-transfer": [{}, {"size_bytes": 4e10, "link_bits_per_s": 2.5e10, "efficiency": 0.8},
                      {"link_bits_per_s": 1e9, "rtt_ms": 150}, {"size_bytes": 5e8, "link_bits_per_s": 1e8},
                      {"size_bytes": 9e13, "link_bits_per_s": 2e10}],
    "latency-ladder": [{"operation": "disk seek", "count": 1000}, {"count": 1},
                       {"operation": "SSD random read", "count": 1_000_000}, {"operation": "datacenter round trip", "count": 20},
                       {"operation": "SSD random read", "count": 64, "mode": "parallel", "width": 16},
                       {"operation": "fibre round trip", "count": 1, "distance_km": 5600}],
    "queue": [{}, {"arrival_rps": 90, "service_ms": 10}, {"servers": 10, "service_ms": 1000, "arrival_rps": 8},
              {"servers": 10, "service_ms": 1000, "arrival_rps": 8, "queue_limit": 0},
              {"service_ms": 4, "arrival_rps": 200}, {"servers": 3, "service_ms": 500, "arrival_rps": 4.5},
              {"servers": 4, "service_rps": 50, "arrival_rps": 170}, {"service_rps": 50, "arrival_rps": 42},
              {"servers": 5, "service_rps": 12, "arrival_rps": 50}, {"service_ms": 8, "arrival_rps": 100},
              {"servers": 4, "service_ms": 180_000, "arrival_rps": 60 / 3600}, {"servers": 8, "service_ms": 200, "arrival_rps": 30},
              {"service_ms": 5, "arrival_rps": 160}],
    "cache": [{"slots": 1000, "items": 10_000}, {"items": 100_000, "zipf": 0.8, "slots": 20_000},
              {"items": 1_000_000, "zipf": 0.8}, {"items": 10_000, "zipf": 1.0, "slots": 2000}],
    "quorum": [{}, {"replicas": 5, "write_quorum": 3}, {"replicas": 5, "read_quorum": 2, "write_quorum": 2},
               {"availability": 0.999, "read_quorum": 2}],
    "slo-burn": [{}, {"slo": 0.9995, "days": 28}, *({"error_rate": rate} for rate in (0.005, 0.02, 0.1))],
    "ab-test": [{}, {"p1": 0.2, "p2": 0.25}, {"looks": 10}, {"p1": 0.1, "p2": 0.11, "users_per_day": 20_000}],
    "canary": [{}, {"rps": 500, "canary_fraction": 0.02, "minutes": 5},
               {"baseline_error": 0, "canary_error": 0.001, "canary_fraction": 0.1, "rps": 100, "minutes": 5}],
    "availability": [{"in_series": 5}, {}, {"availability": 0.99, "replicas": 2, "common_cause": 0.1}],
    "availability-tree": [{"tree": tree} for tree in (
        "series(lb:99.99%, parallel(web:99%, web:99%))", "2of3(a:99%, b:99%, c:99%)", "series(api:99.9%, db:99.95%)",
        "parallel(2 x node:99%, beta=0.1)")]}
"""Arguments that a careful reader takes from each question, in the order of the tool's asks; the rest are defaults."""


@pytest.mark.parametrize("name", WHOLE)
def test_questions_have_the_answer_they_claim(name: str) -> None:
    for ask, args in zip(TOOLS[name].asks, ANSWERS[name], strict=True):
        assert run(name, args).values[ask.value] == pytest.approx(ask.expected, rel=ask.rel), ask.question


@pytest.mark.parametrize(("name", "args", "says"), [
    ("queue", {"arrival_rps": 120}, "without bound"), ("queue.mm1_W_s", {"lambda": 100, "mu": 100}, "below 1"),
    ("traffic-sheet", {"writes_per_user_day": 20, "actions_per_user_day": 10}, "fewer writes"),
    ("boe.links", {"link": "900 GB"}, "bits"), ("boe.links", {"link": "carrier pigeon"}, "10 GbE"),
    ("boe.qps", {}, "either"), ("boe.transfer_s", {"TB": 1, "GB": 1, "Gbps": 1}, "exactly one"),
    ("boe.latency", {"op": "coffee"}, "L1 cache"), ("quorum", {"replicas": 3, "read_quorum": 4}, "between 1 and 3"),
    ("ab-test", {"p1": 0.1, "p2": 0.1}, "different"), ("canary", {"canary_error": 0.0001}, "worse"),
    ("availability", {"needed": 3, "replicas": 2}, "between 1 and 2"), ("cache.ideal_hit", {"n": 0, "zipf": 1}, "between"),
    ("availability-tree", {"tree": "series(a:0.9"}, "bracket"), ("availability-tree", {"tree": "2of3(a:.9, b:.9)"}, "list 3"),
    ("availability-tree", {"tree": "series(a:.9,,)"}, "character 13"),
    ("availability-tree", {"tree": "300 x series(300 x a:.9)"}, "400"), ("avail.series_of", {"a": [0.9, 1.2]}, "1.2"),
])
def test_refusals_say_what_to_do(name: str, args: dict[str, Any], says: str) -> None:
    with pytest.raises(ToolError, match=says):
        run(name, args)


@given(users=st.floats(1, 1e9), actions=st.floats(0.01, 1e3), ratio=st.floats(0, 1e3), copies=st.integers(1, 5))
@few
def test_sheet_adds_up(users: float, actions: float, ratio: float, copies: int) -> None:
    args = {"daily_users": users, "actions_per_user_day": actions, "read_write": ratio, "replicas": copies, "compression": 4}
    found, series = run("traffic-sheet", args).values, run("traffic-sheet", args).series
    assert found["read_qps"] + found["write_qps"] == pytest.approx(found["qps"])
    assert found["read_qps"] == pytest.approx(ratio * found["write_qps"], rel=1e-6, abs=1e-9 * found["qps"])
    assert found["storage_TB"] == pytest.approx(copies * found["items_stored"] * 1000 / 4 / 1e12)
    assert found["servers"] <= found["servers_at_70_percent"]
    assert all(low * 0.999999 <= found["storage_TB"] <= high * 1.000001
               for low, high in zip(series["low"], series["high"], strict=True))


def test_sheet_keeps_given_writes_and_names_the_widest_doubt() -> None:
    result = run("traffic-sheet", {"writes_per_user_day": 2, "read_write": 9})
    assert result.values["requests_per_day"] == 2e8 and result.values["dominant_assumption"] == "item_bytes"
    assert "read_write" not in result.series["assumption"]
    assert run("traffic-sheet", {"tornado_of": "peak_qps"}).values["dominant_assumption"] == "per_user"


@pytest.mark.parametrize(("link", "unit", "expected"), [
    ("IB HDR", "Gb/s", 200), ("4 x 100 Gbps", "GB/s", 50), ("4 x 100 Gbps", "GB/s per port", 12.5), ("100GbE", "GB/s", 12.5),
    ("25 Gigabit Ethernet", "GB/s", 3.125), ("PCIe 5.0 x16", "GB/s", 63.015), ("PCIe Gen4 x8", "GB/s", 15.754),
    ("A100 NVLink", "GB/s per direction", 300), ("NVLink 4", "GB/s total", 900), ("12 GB/s", "Gb/s", 96),
    ("8 x NDR", "GB/s total", 400), ("800 Mbit/s", "MB/s", 100), ("10 gigabits per second", "GB/s", 1.25)])
def test_links_by_name(link: str, unit: str, expected: float) -> None:
    assert value("boe.links", link=link, unit=unit) == pytest.approx(expected, rel=1e-4)


@given(servers=st.integers(1, 20), load=st.floats(0.05, 0.95))
@few
def test_queue_obeys_little_and_erlang_and_a_long_limit_is_none(servers: int, load: float) -> None:
    args = {"arrival_rps": load * servers * 10, "service_rps": 10, "servers": servers}
    free, capped, short = (run("queue", {**args, "queue_limit": limit}).values for limit in (None, 1000, 2))
    assert free["L"] == pytest.approx(args["arrival_rps"] * free["W_ms"] / 1000)
    assert all(capped[key] == pytest.approx(free[key], rel=1e-6) for key in ("W_ms", "p99_ms", "Lq", "p_wait"))
    assert short["p99_ms"] <= free["p99_ms"] * (1 + 1e-9) and short["blocking"] > 0
    assert short["throughput_rps"] == pytest.approx(args["arrival_rps"] * (1 - short["blocking"]))
    assert short["Lq"] == pytest.approx(short["throughput_rps"] * short["Wq_ms"] / 1000)
    terms = [(load * servers) ** n / math.factorial(n) for n in range(servers + 1)]
    assert value("queue.erlang_b", servers=servers, erlangs=load * servers) == pytest.approx(terms[-1] / sum(terms), rel=1e-9)
    one = run("queue", {"arrival_rps": load * 100, "service_rps": 100, "queue_limit": 9}).values["blocking"]
    assert one == pytest.approx(value("queue.mm1k_blocking", **{"lambda": load * 100, "mu": 100, "K": 10}))


def test_queue_against_ciw() -> None:
    ciw = pytest.importorskip("ciw", reason="ciw, the queueing peer, isn't installed")
    ciw.seed(7)
    arrive, serve = [ciw.dists.Exponential(1.4)], [ciw.dists.Exponential(1.0)]
    simulation = ciw.Simulation(ciw.create_network(arrive, service_distributions=serve, number_of_servers=[2]))
    simulation.simulate_until_max_time(6000)
    waits = [record.waiting_time for record in simulation.get_all_records() if record.arrival_date > 500]
    assert sum(waits) / len(waits) == pytest.approx(value("queue.mmc_Wq_s", **{"lambda": 1.4, "mu": 1, "servers": 2}), rel=0.15)


@given(n=st.integers(2, 3000), zipf=st.floats(0, 2), share=st.floats(0.01, 0.99))
@few
def test_hit_ratios_keep_their_order(n: int, zipf: float, share: float) -> None:
    slots = max(1, int(share * n))
    fifo, lru, ideal = (value(f"cache.{kind}_hit", n=n, zipf=zipf, slots=slots) for kind in ("fifo", "lru", "ideal"))
    assert fifo <= lru + 1e-6 and lru <= ideal + 1e-9
    assert lru <= value("cache.lru_hit", n=n, zipf=zipf, slots=slots + 1) + 1e-9
    assert value("cache.slots_for_hit", n=n, zipf=zipf, hit=ideal) == pytest.approx(slots, abs=1)


@pytest.mark.parametrize(("zipf", "share"), [(0.6, 0.524), (0.8, 0.708), (1.0, 0.888), (1.2, 0.977)])
def test_banded_sums_equal_plain_ones(zipf: float, share: float) -> None:
    masses = [rank**-zipf for rank in range(1, 100_001)]
    assert value("cache.top_share", n=100_000, zipf=zipf, frac=0.3) == pytest.approx(sum(masses[:30_000]) / sum(masses), rel=1e-8)
    assert value("cache.top20_share", n=1_000_000, zipf=zipf) == pytest.approx(share, abs=0.0005)


@pytest.mark.parametrize("policy", ["LRU", "LFU", "TTL"])
def test_simulated_cache_equals_a_plain_one(policy: str) -> None:
    from tools.simulators.cache import Cache, _requests, _run

    p = Cache.model_validate({"items": 50, "slots": 12, "policy": policy, "requests": 1000, "ttl_s": 0.2, "rps": 300})
    held: dict[int, int] = {}
    used, asked, hits = dict.fromkeys(range(50), 0), dict.fromkeys(range(50), 0), 0
    for index, item in enumerate(_requests(p, 5)):
        asked[item] += 1
        fresh = item in held and (policy != "TTL" or index * 1000 // 300 - held[item] < 200)
        hits += fresh and index >= 500
        if item not in held and len(held) == 12:
            del held[min(held, key=lambda each: (asked[each] if policy == "LFU" else 0, used[each]))]
        if not fresh:
            held[item] = index * 1000 // 300
        used[item] = index
    assert _run(p, _requests(p, 5), 500).hits == hits > 0


def test_simulated_lru_agrees_with_che_and_depends_on_the_seed() -> None:
    found, other = (run("cache", {"requests": 100_000}, seed).values for seed in (0, 1))
    assert found["hit_ratio"] == pytest.approx(found["hit_ratio_che"], abs=0.008) and found != other
    assert found["hit_ratio"] + 0.05 < run("cache", {"requests": 100_000, "policy": "LFU"}).values["hit_ratio"]


@given(n=st.integers(1, 7), data=st.data())
@few
def test_quorum_equals_enumeration(n: int, data: st.DataObject) -> None:
    r, w, side = (data.draw(st.integers(low, n)) for low in (1, 1, 0))
    picks = [set(pick) for pick in itertools.combinations(range(n), r)]
    args = {"replicas": n, "read_quorum": r, "write_quorum": w, "reachable": side}
    found = run("quorum", args).values
    assert found["stale_probability"] == pytest.approx(sum(not pick & set(range(w)) for pick in picks) / len(picks))
    assert found["overlap"] == (found["stale_probability"] == 0)
    assert not (found["overlap"] and found["stale_across_partition"])
    assert not (found["writes_overlap"] and found["conflicting_writes"])
    assert run("quorum", {**args, "read_after_ms": 50}).values["stale_probability"] <= found["stale_probability"]


@given(a=st.lists(st.integers(0, 1000).map(lambda m: m / 1000), min_size=1, max_size=6), data=st.data())
@few
def test_tree_equals_enumeration(a: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(a)))
    up = sum(math.prod(x if on else 1 - x for x, on in zip(a, state, strict=True))
             for state in itertools.product([0, 1], repeat=len(a)) if sum(state) >= k)
    group = f"{k}of({', '.join(f'p{i}:{x}' for i, x in enumerate(a))})"
    assert run("availability-tree", {"tree": f"series({group}, last:0.5)"}).values["availability"] == pytest.approx(up / 2)
    assert value("avail.series_of", a=a) <= up + 1e-9 <= value("avail.parallel_of", a=a) + 2e-9
    assert 0 <= run("availability-tree", {"tree": group, "common_cause": 0.3}).values["availability"] <= up + 1e-9


@given(st.floats(0.5, 0.9999), st.integers(1, 20), st.floats(0, 1))
@few
def test_common_cause_lies_between_one_replica_and_independence(a: float, n: int, beta: float) -> None:
    tree = f"parallel({n} x a:{a:.12f}, beta={beta:.12f})"
    model = 1 - beta * (1 - a) - ((1 - beta) * (1 - a)) ** n
    assert run("availability-tree", {"tree": tree}).values["availability"] == pytest.approx(model, abs=1e-9)
    shared = value("avail.parallel_common_cause", a=a, n=n, beta=beta)
    assert a - 1e-9 <= shared <= value("avail.parallel", a=a, n=n) + 1e-9


@given(slo=st.floats(0.9, 0.9999), days=st.floats(28, 90), errors=st.floats(0.0001, 1))
@few
def test_alert_fires_when_its_share_of_the_budget_is_gone(slo: float, days: float, errors: float) -> None:
    found = run("slo-burn", {"slo": slo, "days": days, "error_rate": errors}).values
    for rule, share in (("page_fast", 0.02), ("page_slow", 0.05), ("ticket", 0.1)):
        if found[f"{rule}_min"] is not None:
            assert errors * found[f"{rule}_min"] == pytest.approx(share * found["budget_min"], rel=1e-6)
            assert found[f"{rule}_min"] < found["exhausted_after_h"] * 60


@given(p1=st.floats(0.01, 0.9), step=st.floats(0.005, 0.09), power=st.floats(0.55, 0.99))
@few
def test_sample_size_has_its_power_and_no_user_more(p1: float, step: float, power: float) -> None:
    n = value("ab.n_per_arm", p1=p1, p2=p1 + step, power=power)
    assert value("ab.power", p1=p1, p2=p1 + step, n=n) >= power - 1e-9
    assert value("ab.power", p1=p1, p2=p1 + step, n=max(1, n - 1)) < power + 1e-3 or n == 1


def test_peeking_and_p_value_against_a_random_walk_and_statsmodels() -> None:
    import numpy as np

    walks = np.random.default_rng(1).normal(size=(20_000, 20)).cumsum(axis=1) / np.sqrt(np.arange(1, 21))
    for looks in (2, 10, 20):
        alarms = (np.abs(walks[:, :looks]) > 1.959964).any(axis=1).mean()
        assert value("ab.peeking_fp", looks=looks) == pytest.approx(alarms, abs=0.012)
    peer = pytest.importorskip("statsmodels.stats.proportion", reason="statsmodels, the peer, isn't installed")
    theirs = peer.proportions_ztest([100, 130], [1000, 1100])[1]
    assert value("ab.p_value", x1=100, n1=1000, x2=130, n2=1100) == pytest.approx(theirs)


@given(n=st.integers(1, 5_000), p1=st.floats(0, 0.1), rise=st.floats(0.001, 0.5))
@few
def test_canary_power_against_scipy(n: int, p1: float, rise: float) -> None:
    import numpy as np
    from scipy.stats import binom  # type: ignore[import-untyped]

    critical = int(np.argmax(binom.sf(np.arange(n + 2) - 1, n, p1) <= 0.05))
    assert value("ab.canary_power", p1=p1, p2=p1 + rise, n=n) == pytest.approx(binom.sf(critical - 1, n, p1 + rise), abs=1e-9)
