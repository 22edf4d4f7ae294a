"""Tails, retries, breakers, failover, vector search, cold start, backlogs and agents against definitions and
libraries."""

from __future__ import annotations

import contextlib
import datetime
import doctest
import itertools
import json
import math
import sys
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.base import Tool, ToolError
from tools.calculators import (
    agent_chain,
    agent_reliability,
    ann_cost,
    backoff,
    backpressure,
    breaker_rules,
    consumer_lag,
    failover_rules,
    hedging,
    retries,
    tail_latency,
)
from tools.calculators.latency_mix import LatencyMix, crossing, leaf_share
from tools.simulators import (
    agent_loop,
    ann_recall,
    circuit_breaker,
    cold_start,
    failover,
    retry_fluid,
    retry_storm,
    tail_lab,
    vector_index,
    velocity,
)

MODULES = [agent_chain, agent_reliability, ann_cost, backoff, backpressure, breaker_rules, consumer_lag, failover_rules, hedging,
           retries, tail_latency,
           agent_loop, ann_recall, circuit_breaker, cold_start, failover, retry_storm, tail_lab, velocity]
TOOLS: list[Tool] = [each for module in MODULES for each in vars(module).values() if isinstance(each, Tool)]
PAGES = [each for each in TOOLS if each.kind != "formula"]
CASES = [(each, case) for each in TOOLS for case in each.cases if not case.shown]
SHOWN = [(each, case) for each in TOOLS for case in each.cases if case.shown and each.kind == "formula"]
NAMED = {each.name: each for each in TOOLS}


def _value(name: str, **args: Any) -> Any:
    return NAMED[name].run(args).values["result"]


# ---- goldens, pages, questions


@pytest.mark.parametrize(("tool", "case"), CASES, ids=[f"{tool.name}-{n}" for n, (tool, _) in enumerate(CASES)])
def test_every_case_holds(tool: Tool, case: Any) -> None:
    values = tool.run(case.args).values
    for name, expected in case.expected.items():
        if isinstance(expected, list):
            assert np.allclose(values[name], expected, rtol=case.rel or 1e-12, atol=case.abs), name
        elif expected is None or isinstance(expected, bool | str):
            assert values[name] == expected, name
        else:
            assert values[name] == pytest.approx(expected, rel=case.rel or 1e-12, abs=case.abs), name


@pytest.mark.parametrize(("tool", "case"), SHOWN, ids=[f"{tool.name}-{n}" for n, (tool, _) in enumerate(SHOWN)])
def test_a_published_table_is_quoted_as_its_source_has_it(tool: Tool, case: Any) -> None:
    assert {name: tool.run(case.args).values[name] for name in case.expected} == dict(case.expected)


@pytest.mark.parametrize("tool", PAGES, ids=lambda tool: tool.name)
def test_the_example_on_the_page_runs(tool: Tool) -> None:
    example = doctest.DocTestParser().get_doctest(tool.page, dict(vars(sys.modules[tool.function.__module__])),
                                                  tool.name, None, 0)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


ANSWERS: dict[str, list[dict[str, Any]]] = {
    "tail-lab": [{"fan_out": 100, "p_slow": 0.01}, {"fan_out": 2000, "p_slow": 0.0001},
                 {"fan_out": 1, "hedge_at": 0.95},
                 {"fan_out": 1, "correlation": 1.0}, {"fan_out": 100, "hedge_at": 0.98}],
    "circuit-breaker": [{"fail_max": 5, "outage_s": 90, "call_rps": 10}, {"reset_s": 60},
                        {"fail_max": 3, "reset_s": 10, "outage_s": 90}],
    "retry-storm": [{"layers": 3, "attempts": 4}, {"attempts": 3, "capacity_rps": 1000},
                    {"attempts": 3, "load_rps": 700, "capacity_rps": 1000}, {"load_rps": 700, "capacity_rps": 1000}],
    "failover": [{"write_rps": 2000, "lag_ms": 250}, {"heartbeat_s": 1, "misses": 3, "election_s": 2, "redirect_s": 5},
                 {"mode": "sync", "write_rps": 5000}, {"mode": "async", "lag_ms": 2000},
                 {"failure": "partition", "minority_share": 0.1, "fence_s": 15, "write_rps": 2000, "lag_ms": 0}],
    "ann-recall": [{"nlist": 64, "nprobe": 64}, {"nlist": 128, "nprobe": 128},
                   {"model_noise": 0, "nlist": 64, "nprobe": 64}],
    "cold-start": [{"new_items": 10}, {"policy": "thompson"}, {"policy": "popularity"}],
    "velocity-feature": [{"lag_s": 0, "threshold": 5}, {"window_s": 600}, {"lag_s": 15}],
    "backpressure": [{"in_rps": 12_000, "out_rps": 10_000, "surge_s": 300}, {"after_rps": 6_000},
                     {"in_rps": 15_000, "surge_s": 60}, {"buffer_limit": 100_000, "policy": "drop"},
                     {"in_rps": 20_000, "surge_s": 600, "message_bytes": 2000},
                     {"in_rps": 30_000, "out_rps": 25_000, "surge_s": 600}],
    "agent-reliability": [{"p_step": 0.95, "steps": 20}, {"retries": 1}, {"steps": 20, "base_tokens": 2000,
                                                                          "tokens_per_step": 500},
                          {"k": 8, "steps": 1, "p_step": 0.6}, {"steps": 10, "p_step": 0.99},
                          {"detect": 0.5, "retries": 1}],
    "agent-loop": [{"steps": 1000, "lost_request": 0, "lost_response": 0, "error": 0, "checkpoint_every": 100,
                    "crash_after": 250},
                   {"steps": 20, "lost_request": 0, "lost_response": 1, "error": 0, "retries": 2},
                   {"idempotency_key": "per-step"}, {"lost_request": 0, "lost_response": 0, "error": 0}],
}


@pytest.mark.parametrize(("tool", "index"), [(tool, at) for tool in PAGES for at in range(len(tool.asks))],
                         ids=lambda value: getattr(value, "name", str(value)))
def test_a_question_has_its_answer_once_its_slots_are_filled(tool: Tool, index: int) -> None:
    ask = tool.asks[index]
    assert tool.run(ANSWERS[tool.name][index]).values[ask.value] == pytest.approx(ask.expected, rel=ask.rel, abs=1e-9)


@pytest.mark.parametrize("tool", PAGES, ids=lambda tool: tool.name)
def test_every_page_teaches(tool: Tool) -> None:
    result = tool.run({})
    assert "People get wrong" in tool.page and "Source" in tool.page
    assert 3 <= len(tool.asks) <= 6 and result.naive and result.formula and result.assumptions
    assert set(result.naive) <= set(result.values)
    assert any(result.naive[key] != result.values[key] for key in result.naive)
    assert result.plot is not None and 2 <= len(result.plot.lines) <= 5
    assert any(line.dashed for line in result.plot.lines)
    assert all(len(line.x) == len(line.y) > 1 for line in result.plot.lines)
    lengths = {len(column) for column in result.series.values()}
    assert len(lengths) == 1, lengths


# ---- tails

MIXES = st.builds(LatencyMix, st.floats(0.5, 50), st.floats(0, 0.5), st.floats(1, 5_000),
                  st.sampled_from(["exponential", "lognormal"]), st.floats(0.1, 1.5))


@given(mix=MIXES, fan_out=st.integers(1, 5_000), q=st.floats(0.01, 0.9999), delay=st.floats(0, 500), c=st.floats(0, 1))
@settings(deadline=None, max_examples=60)
def test_a_quantile_is_where_the_tail_crosses(mix: LatencyMix, fan_out: int, q: float, delay: float, c: float) -> None:
    share = leaf_share(q, fan_out)
    for tail in (mix.beyond, lambda t: mix.both_beyond(t, delay, c)):
        at = crossing(tail, share, mix.fast_ms)
        assert tail(at) <= share <= tail(at * (1 - 1e-6)) * (1 + 1e-6) + 1e-15


@given(mix=MIXES, t=st.floats(0, 5_000), delay=st.floats(0, 500), c=st.floats(0, 1))
def test_a_second_copy_never_hurts_and_correlation_takes_its_help_away(mix: LatencyMix, t: float, delay: float,
                                                                       c: float) -> None:
    assert mix.both_beyond(t, delay, 0) <= mix.both_beyond(t, delay, c) + 1e-12 <= mix.beyond(t) + 1e-9
    assert mix.both_beyond(t, delay, 1) == pytest.approx(mix.beyond(t))


@given(p=st.floats(0, 1), n=st.integers(1, 10_000), m=st.integers(1, 1_000))
def test_more_leaves_are_never_faster(p: float, n: int, m: int) -> None:
    slow, more = _value("tail.fanout_slow", p=p, n=n), _value("tail.fanout_slow", p=p, n=n + m)
    assert 0 <= slow <= more <= 1
    assert slow + _value("tail.fanout_fast", p=p, n=n) == pytest.approx(1)
    assert _value("tail.hedged_slow", p=p, n=n) <= slow + 1e-12


@given(target=st.floats(0.001, 0.9), n=st.integers(1, 5_000))
def test_the_inverse_fan_out_formulas_invert(target: float, n: int) -> None:
    p = _value("tail.max_slow_share", target=target, n=n)
    assert _value("tail.fanout_slow", p=p, n=n) == pytest.approx(target)
    widest = _value("tail.max_fanout", p=0.01, target=target)
    assert widest == 0 or _value("tail.fanout_slow", p=0.01, n=widest) <= target + 1e-9
    assert _value("tail.fanout_slow", p=0.01, n=widest + 1) > target


@pytest.mark.parametrize("args", [
    {"fan_out": 20, "p_slow": 0.02}, {"fan_out": 20, "strategy": "tied", "message_ms": 1.0},
    {"fan_out": 5, "body": "lognormal"},
    {"fan_out": 10, "correlation": 0.5}, {"fan_out": 30, "strategy": "none"}, {"fan_out": 10, "hedge_delay_ms": 0.0}])
def test_the_draw_agrees_with_the_closed_form(args: dict[str, Any]) -> None:
    values = tail_lab.tail_lab.run(args | {"requests": 60_000}, 1).values
    share = values["slow_share"]
    assert values["slow_share_drawn"] == pytest.approx(share, abs=4.5 * math.sqrt(share * (1 - share) / 60_000))
    assert values["p50_ms_drawn"] == pytest.approx(values["p50_ms"], rel=0.02)
    if values["p99_ms"] != args.get("slow_ms", 1_000):
        assert values["p99_ms_drawn"] == pytest.approx(values["p99_ms"], rel=0.06)


def test_tied_copies_run_twice_only_when_the_cancellation_crosses() -> None:
    rng = np.random.default_rng(0)
    for wait in (0.5, 3.0):
        first, second = (np.where(rng.random(400_000) < 0.01, 1_000.0, rng.exponential(5, 400_000)) for _ in range(2))
        drawn = float((np.abs(first - (second + 2 * wait)) < wait).mean())
        extra = tail_lab.tail_lab.run({"strategy": "tied", "message_ms": wait, "fan_out": 1}).values["extra_load"]
        assert extra == pytest.approx(drawn, rel=0.03)
    assert tail_lab.tail_lab.run({"strategy": "tied", "message_ms": 0}).values["extra_load"] == 0


def test_hedging_helps_only_against_independent_slowness() -> None:
    found = [tail_lab.tail_lab.run({"fan_out": 1, "correlation": c}) for c in (0.0, 0.05, 0.5, 1.0)]
    p999 = [each.values["p999_ms"] for each in found]
    assert p999 == sorted(p999) and p999[-1] == p999[-2] == 1_000 > 10 * p999[0]
    assert all(each.values["extra_load"] == pytest.approx(0.05) for each in found)
    assert found[-1].naive["p999_ms"] == p999[0] and "promised" in found[-1].summary


# ---- retries


def _by_hand(p: float, attempts: int, layers: int) -> tuple[float, float]:
    """(calls, success) of nested layers, each of which tries the layer below."""
    calls, success = 1.0, 1 - p
    for _ in range(layers):
        calls *= sum((1 - success) ** i for i in range(attempts))
        success = 1 - (1 - success) ** attempts
    return calls, success


@given(p=st.floats(0, 1), attempts=st.integers(1, 5), layers=st.integers(1, 4))
def test_nested_retries_are_one_long_row_of_tries(p: float, attempts: int, layers: int) -> None:
    calls, success = _by_hand(p, attempts, layers)
    args = {"p_fail": p, "attempts": attempts, "layers": layers}
    assert _value("retry.expected_calls", **args) == pytest.approx(calls, rel=1e-6)
    assert _value("retry.success", **args) == pytest.approx(success)
    assert calls <= _value("retry.amplification", attempts_per_layer=attempts, layers=layers) * (1 + 1e-9)


@given(base=st.floats(0.01, 10), factor=st.floats(1, 4), cap=st.floats(0.01, 100), n=st.integers(0, 40))
def test_backoff_is_the_one_of_tenacity(base: float, factor: float, cap: float, n: int) -> None:
    tenacity = pytest.importorskip("tenacity", reason="the peer library tenacity is not installed")
    peer = tenacity.wait_exponential(multiplier=base, exp_base=factor, max=cap)
    theirs = [peer(SimpleNamespace(attempt_number=i + 1)) for i in range(n)]
    assert _value("retry.backoff_s", base=base, factor=factor, cap=cap, n=n) == pytest.approx(theirs)
    spread = tenacity.wait_random_exponential(multiplier=base, exp_base=factor, max=cap)
    for i, (low, high) in enumerate(_value("retry.jitter_bounds_s", base=base, factor=factor, cap=cap, n=n)):
        assert low <= spread(SimpleNamespace(attempt_number=i + 1)) <= high


WORLDS = st.fixed_dictionaries({
    "load_rps": st.floats(1, 2_000), "attempts": st.integers(1, 4), "layers": st.integers(1, 2),
    "timeout_s": st.sampled_from([0.1, 0.5, 2.0]), "backoff_base_s": st.floats(0, 2),
    "jitter": st.sampled_from(["none", "full"]), "retry_budget": st.none() | st.floats(0, 1),
    "breaker_failure_rate": st.none() | st.floats(0.05, 1), "queue_limit": st.none() | st.floats(0, 3_000),
    "drop_expired": st.booleans(), "capacity_left": st.floats(0, 1), "load_spike": st.floats(1, 5),
    "trouble_start_s": st.just(3.0), "trouble_s": st.floats(0, 20), "duration_s": st.just(20.0)})


@given(args=WORLDS)
@settings(deadline=None, max_examples=40)
def test_no_request_gets_lost_in_the_fluid(args: dict[str, Any]) -> None:
    world = retry_storm._world(retry_storm.RetryStorm(**args))
    flow = retry_fluid.run(world)
    ends = float(flow.good.sum()) + flow.gave_up + flow.fallback + flow.pending
    assert ends == pytest.approx(float(world.load.sum()), rel=1e-6)
    assert (flow.good <= world.capacity + 1e-9).all() and flow.pending >= -1e-6
    assert float(flow.offered.sum()) <= float(world.load.sum()) * world.tries * (1 + 1e-9)


@given(load=st.floats(10, 240), attempts=st.just(4), jitter=st.sampled_from(["none", "full"]))
@settings(deadline=None, max_examples=4)
def test_a_load_whose_every_retry_fits_always_comes_back(load: float, attempts: int, jitter: str) -> None:
    run = retry_storm.retry_storm.run({"load_rps": load, "attempts": attempts, "jitter": jitter, "capacity_left": 0,
                                       "trouble_s": 5, "duration_s": 600}).values
    assert run["final_goodput_rps"] == pytest.approx(load, rel=1e-3) and not run["metastable"]
    assert load < run["safe_load_rps"]


def test_without_retries_the_queue_is_the_one_of_arithmetic() -> None:
    values = retry_storm.retry_storm.run({"attempts": 1, "timeout_s": 60, "duration_s": 120}).values
    assert values["served_fraction"] == pytest.approx(1, abs=1e-3)  # 2,000 wait at most 4 s
    assert values["wasted_fraction"] == 0 and values["amplification_peak"] == 1


def test_each_remedy_ends_the_storm() -> None:
    assert retry_storm.retry_storm.run({}).values["metastable"]
    for remedy in ({"retry_budget": 0.1}, {"drop_expired": True}, {"queue_limit": 100}, {"breaker_failure_rate": 0.5},
                   {"load_rps": 300}):
        result = retry_storm.retry_storm.run(remedy)
        assert not result.values["metastable"], remedy
        assert result.values["recovery_s"] is not None
    assert retry_storm.retry_storm.run({"breaker_failure_rate": 0.5}).values["breaker_openings"] >= 1


def test_retries_lower_what_they_promise_to_raise() -> None:
    result = retry_storm.retry_storm.run({})
    served = result.values["served_fraction"]
    assert served < result.values["served_fraction_no_retries"] < result.naive["served_fraction"]
    assert "metastable" in result.summary and result.warnings


# ---- breakers


@pytest.fixture
def peer_breaker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Which calls pybreaker passes: f(times_ms, failed, fail_max, reset_ms, successes), on a virtual clock."""
    pybreaker = pytest.importorskip("pybreaker", reason="the peer library pybreaker is not installed")
    clock = SimpleNamespace(ms=0)
    start = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
    now = SimpleNamespace(now=lambda zone=None: start + datetime.timedelta(milliseconds=clock.ms))
    monkeypatch.setattr(pybreaker, "datetime", now)

    def run(times: list[int], failed: list[bool], fail_max: int, reset_ms: int,
            successes: int) -> tuple[list[bool], str]:
        breaker = pybreaker.CircuitBreaker(fail_max, reset_ms / 1000, success_threshold=successes)
        passed = []

        def call(bad: bool) -> None:
            passed[-1] = True
            if bad:
                raise ConnectionError

        for at, bad in zip(times, failed, strict=True):
            clock.ms = at
            passed.append(False)
            with contextlib.suppress(ConnectionError, pybreaker.CircuitBreakerError):
                breaker.call(call, bad)
        return passed, breaker.current_state

    return run


@pytest.mark.parametrize("seed", range(30))
def test_the_breaker_decides_like_pybreaker(peer_breaker: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, 5_000, 200)).tolist()
    failed = (rng.random(200) < rng.choice([0.3, 0.7, 1.0])).tolist()
    fail_max, reset, successes = int(rng.integers(1, 7)), int(rng.integers(0, 800)), int(rng.integers(1, 4))
    breaker = breaker_rules.Breaker(fail_max, reset, successes)
    assert (breaker_rules.replay(times, failed, breaker)[0], breaker.state) == peer_breaker(times, failed, fail_max,
                                                                                            reset, successes)


@given(fail_max=st.integers(1, 30), attempts=st.integers(0, 100))
def test_a_dead_dependency_sees_the_first_failures_only(fail_max: int, attempts: int) -> None:
    args = {"fail_max": fail_max, "attempts": attempts, "within_reset": True}
    passed = _value("breaker.calls_through", **args)
    assert passed == min(fail_max, attempts) and passed + _value("breaker.calls_refused", **args) == attempts
    if attempts:
        played = breaker_rules.breaker_replay.run({"outcomes": "F" * attempts, "fail_max": fail_max,
                                                   "interval_s": 0.5}).values
        assert played["through"] == passed


@given(rps=st.integers(1, 50), fail_max=st.integers(1, 20), reset=st.integers(1, 60), outage=st.integers(1, 200))
@settings(deadline=None, max_examples=30)
def test_calls_through_an_outage_are_the_trip_and_a_trial_for_each_reset(rps: int, fail_max: int, reset: int,
                                                                         outage: int) -> None:
    values = circuit_breaker.circuit_breaker.run({"call_rps": rps, "fail_max": fail_max, "reset_s": reset,
                                                  "outage_s": outage, "outage_start_s": 10, "duration_s": 300}).values
    calls = outage * rps
    left = (calls - fail_max) / rps  # from the tripping call to the end
    expected = min(calls, fail_max + max(0, math.floor(left / reset + 1e-9)))
    assert abs(values["through_in_outage"] - expected) <= 1 + outage // reset // max(1, rps * reset // 2)
    assert values["through_in_outage"] + values["refused_in_outage"] == calls
    if values["recovery_delay_s"] is not None:
        assert values["recovery_delay_s"] <= reset + 1 / rps


def test_a_row_of_failures_hardly_comes_at_half_the_calls() -> None:
    rng = np.random.default_rng(0)
    lengths = []
    for _ in range(3_000):
        run = count = 0
        while run < 4:
            run, count = (run + 1 if rng.random() < 0.5 else 0), count + 1
        lengths.append(count)
    assert _value("breaker.calls_to_trip", error_rate=0.5, fail_max=4) == pytest.approx(np.mean(lengths), rel=0.05)


# ---- failover


@given(mode=st.sampled_from(["async", "semi-sync", "sync"]), lag=st.integers(0, 3_000), rtt=st.integers(0, 50),
       timeout=st.integers(0, 2_000), jitter=st.floats(0, 1), seed=st.integers(0, 99), crash=st.floats(0.1, 5))
@settings(deadline=None, max_examples=60)
def test_lost_writes_are_those_acknowledged_and_nowhere_else(mode: str, lag: int, rtt: int, timeout: int, jitter: float,
                                                             seed: int, crash: float) -> None:
    p = failover.Failover(mode=mode, lag_ms=lag, rtt_ms=rtt, semi_sync_timeout_ms=timeout, jitter=jitter, write_rps=40,
                          crash_at_s=crash)
    writes = failover._writes(p, seed)
    for moment in range(0, round(crash * 1000), 371):
        rows = zip(writes.acked.tolist(), writes.replicated.tolist(), strict=True)
        assert writes.lost_at(moment, True) == sum(acked <= moment < replicated for acked, replicated in rows)
    if mode == "sync":
        assert failover.failover.run(p.model_dump(), seed).values["lost_writes"] == 0


def test_semi_sync_is_synchronous_until_the_replica_is_slow() -> None:
    args = {"mode": "semi-sync", "semi_sync_timeout_ms": 500}
    assert failover.failover.run(args | {"lag_ms": 400}).values["lost_writes"] == 0
    slow = failover.failover.run(args | {"lag_ms": 900})
    assert slow.values["lost_writes"] == pytest.approx(2_000 * 0.4, rel=0.01) and slow.warnings


def test_a_synchronous_copy_in_a_lost_region_saves_nothing_and_fencing_bounds_a_partition() -> None:
    same = failover.failover.run({"mode": "sync", "failure": "region"}).values
    other = failover.failover.run({"mode": "sync", "failure": "region", "replica_in": "other region"}).values
    assert same["lost_writes"] == same["acknowledged_writes"] > other["lost_writes"] == 0
    lost = [failover.failover.run({"failure": "partition", "fence_s": fence, "lag_ms": 0}).values["lost_writes"]
            for fence in (0, 15, None)]
    assert lost == [0, 3_000, 12_000]
    assert lost[1] == _value("failover.partition_lost_writes", write_rps=2_000, minority_share=0.1, partition_s=60)


@pytest.mark.parametrize(("system", "loses"), [
    ("Redis Cluster", True), ("redis", True), ("PostgreSQL asynchronous standby", True), ("postgres sync", False),
    ("MySQL", True), ("MySQL semi-sync", False), ("Kafka acks=1", True), ("Kafka acks=all", False), ("etcd", False),
    ("ZooKeeper", False), ("Cassandra ONE", True), ("Cassandra QUORUM", False)])
def test_which_systems_may_lose_acknowledged_writes(system: str, loses: bool) -> None:
    assert _value("failover.may_lose_acknowledged", system=system) is loses


# ---- backlogs


def _stepped(p: backpressure.Backpressure, step_s: float = 0.01) -> dict[str, float]:
    """The same in small steps, with every batch of arrivals remembered by its time."""
    queue: list[list[float]] = []
    buffered = peak = lag = dropped = held = stale = now = 0.0
    while now < p.surge_s + 400:
        arriving = (p.in_rps if now < p.surge_s - 1e-9 else p.after_rps) * step_s
        room = float("inf") if p.policy != "drop" else p.buffer_limit + p.out_rps * step_s - buffered
        taken = min(arriving, room)
        dropped += arriving - taken
        queue.append([now, taken])
        buffered += taken
        work = p.out_rps * step_s
        while queue and work > 0:
            out = min(work, queue[0][1])
            lag = max(lag, now - queue[0][0]) if out > 1e-9 else lag
            stale += out if now - queue[0][0] > p.deadline_s else 0.0
            queue[0][1] -= out
            work, buffered = work - out, buffered - out
            if queue[0][1] > 1e-9:
                break
            queue.pop(0)
        if p.policy == "block":
            held = max(held, buffered - p.buffer_limit)
        peak = max(peak, min(buffered, p.buffer_limit) if p.policy == "block" else buffered)
        now += step_s
        if now > p.surge_s and buffered < 1e-6:
            break
    return {"peak_backlog": peak, "peak_lag_s": lag, "drain_s": now - p.surge_s, "dropped": dropped, "held_back": held,
            "stale": stale}


@pytest.mark.parametrize("policy", ["unbounded", "drop", "block"])
@pytest.mark.parametrize("args", [
    {"in_rps": 150, "out_rps": 100, "surge_s": 20, "after_rps": 60, "buffer_limit": 300, "deadline_s": 2},
    {"in_rps": 400, "out_rps": 100, "surge_s": 5, "after_rps": 0, "buffer_limit": 10_000, "deadline_s": 1}])
def test_the_backlog_is_what_steps_in_time_give(policy: str, args: dict[str, Any]) -> None:
    values = backpressure.backpressure.run(args | {"policy": policy}).values
    slow = _stepped(backpressure.Backpressure(**args, policy=policy))
    for key in ("peak_backlog", "peak_lag_s", "drain_s", "dropped", "held_back"):
        assert values[key] == pytest.approx(slow[key], rel=0.02, abs=2.5), key
    total = args["in_rps"] * args["surge_s"] + args["after_rps"] * values["drain_s"]
    assert values["stale_fraction"] * total == pytest.approx(slow["stale"], rel=0.02, abs=4)


@given(rate=st.floats(1, 1e5), out=st.floats(1, 1e5), surge=st.floats(0, 1e4, allow_subnormal=False), after=st.floats(0, 1e5),
       limit=st.integers(0, 10**7), policy=st.sampled_from(["unbounded", "drop", "block"]))
def test_every_message_is_somewhere(rate: float, out: float, surge: float, after: float, limit: int,
                                    policy: str) -> None:
    values = backpressure.backpressure.run({"in_rps": rate, "out_rps": out, "surge_s": surge, "after_rps": after,
                                            "buffer_limit": limit, "policy": policy}).values
    whole = max(0.0, (rate - out) * surge)
    assert values["peak_backlog"] + values["dropped"] + values["held_back"] == pytest.approx(whole)
    assert policy == "unbounded" or values["peak_backlog"] <= limit
    assert (values["drain_s"] is None) == (after > out or (after == out and whole > 0 and policy != "drop")
                                           or (after == out and values["peak_backlog"] > 0))
    assert 0 <= values["stale_fraction"] <= 1 and 0 <= values["dropped_fraction"] <= 1


# ---- vector search


@given(seed=st.integers(0, 50), nlist=st.integers(1, 60), k=st.integers(1, 20))
@settings(deadline=None, max_examples=12)
def test_recall_never_falls_with_the_dial_and_ends_at_one(seed: int, nlist: int, k: int) -> None:
    result = ann_recall.ann_recall.run({"n": 600, "d": 8, "nlist": nlist, "nprobe": nlist, "k": k, "queries": 20}, seed)
    recall, share = result.series["recall"], result.series["scanned_fraction"]
    assert recall == sorted(recall) and share == sorted(share)
    assert recall[-1] == share[-1] == result.values["recall_at_k"] == result.values["scanned_fraction"] == 1
    assert result.values["relevance_at_k"] == result.values["relevance_exact"]


def test_the_curve_is_what_searching_gives() -> None:
    for nprobe in (1, 3, 9):
        result = ann_recall.ann_recall.run({"n": 1_000, "nlist": 30, "nprobe": nprobe})
        at = result.series["dial"].index(nprobe)
        assert result.values["recall_at_k"] == pytest.approx(result.series["recall"][at])
        assert result.values["scanned_fraction"] == pytest.approx(result.series["scanned_fraction"][at])


def test_a_better_index_does_not_mend_a_poor_model() -> None:
    poor = ann_recall.ann_recall.run({"nprobe": 64, "model_noise": 2})
    assert poor.values["recall_at_k"] == 1 > 0.5 > poor.values["relevance_at_k"]
    assert poor.naive["relevance_at_k"] == 1


def test_faiss_finds_the_same_with_the_same_cells() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peer's bindings warn on import
        faiss = pytest.importorskip("faiss", reason="the peer library faiss is not installed")
    rng = np.random.default_rng(3)
    data = vector_index.make_vectors(2_000, 16, 40, 20, 0.3, rng)
    ours = vector_index.InvertedFile.build(data.stored, 32, rng)
    quantizer = faiss.IndexFlatL2(16)
    quantizer.add(ours.centroids.astype(np.float32))
    theirs = faiss.IndexIVFFlat(quantizer, 16, 32)
    theirs.train(data.stored.astype(np.float32))  # keeps the given cells
    theirs.add(data.stored.astype(np.float32))
    table, ranks = vector_index.distances(data.queries, data.stored), ours.ranks(data.queries)
    for nprobe in (1, 4, 32):
        theirs.nprobe = nprobe
        found, _ = ours.search(table, ranks, nprobe, 10)
        same = vector_index.overlap(found, theirs.search(data.queries.astype(np.float32), 10)[1])
        assert same > 0.995, nprobe


def test_the_graph_finds_what_hnswlib_finds() -> None:
    hnswlib = pytest.importorskip("hnswlib", reason="the peer library hnswlib is not installed")
    rng = np.random.default_rng(4)
    data = vector_index.make_vectors(1_500, 16, 30, 20, 0.3, rng)
    truth = vector_index.nearest(vector_index.distances(data.queries, data.stored), 10)
    graph = vector_index.NeighbourGraph.build(data.stored, 12, rng)
    peer = hnswlib.Index("l2", 16)
    peer.init_index(1_500, M=12, ef_construction=100, random_seed=1)
    peer.set_num_threads(1)
    peer.add_items(data.stored)
    for ef in (20, 100):
        peer.set_ef(ef)
        theirs = vector_index.overlap(peer.knn_query(data.queries, 10)[0].astype(np.int64), truth)
        ours = vector_index.overlap(np.array([graph.search(data.stored, query, ef, 10)[0] for query in data.queries]),
                                    truth)
        assert ours == pytest.approx(theirs, abs=0.06) and ours > 0.9


# ---- cold start and velocity


@given(clicks=st.integers(0, 1_000), more=st.integers(0, 10_000), prior=st.floats(0, 1), strength=st.floats(0.01, 1e4))
def test_a_smoothed_rate_lies_between_the_raw_one_and_the_prior(clicks: int, more: int, prior: float,
                                                                strength: float) -> None:
    shown = clicks + more
    rate = _value("coldstart.smoothed_rate", clicks=clicks, impressions=shown, prior_mean=prior,
                  prior_strength=strength)
    raw = clicks / shown if shown else prior
    assert min(raw, prior) - 1e-12 <= rate <= max(raw, prior) + 1e-12
    if shown:
        weight = _value("coldstart.prior_weight", impressions=shown, prior_strength=strength)
        assert rate == pytest.approx(weight * prior + (1 - weight) * raw)


def test_regret_only_grows_and_thompson_grows_slowest() -> None:
    result = cold_start.cold_start.run({"runs": 8, "impressions": 6_000}, 5)
    for policy in cold_start.POLICIES:
        curve = result.series[policy]
        assert all(b >= a - 1e-9 for a, b in itertools.pairwise(curve)) and curve[0] >= 0
    late = {policy: result.series[policy][-1] - result.series[policy][len(result.series[policy]) // 2]
            for policy in cold_start.POLICIES}
    assert late["thompson"] == min(late.values()) < 0.5 * late["popularity"]
    assert result.values["new_item_share_popularity"] == 0 < result.values["new_item_share_thompson"]


def test_only_raw_means_fall_for_one_lucky_click() -> None:
    p = cold_start.ColdStart(prior_mean=0.05, prior_strength=100)
    state = cold_start.State(np.array([[1.0, 80.0]]), np.array([[1.0, 1_000.0]]))
    picks = {policy: cold_start._choose(p, policy, state, 200,
                                        np.random.default_rng(0)) for policy in cold_start.POLICIES}
    assert (picks["raw-mean"] == 0).all()
    assert (picks["smoothed"] == 1).all() and (picks["popularity"] == 1).all()
    assert 0 < (picks["thompson"] == 0).mean() < 0.5


EVENTS = st.lists(st.integers(0, 600), min_size=1, max_size=60).map(sorted)


@given(events=EVENTS, window=st.integers(1, 300), buckets=st.integers(1, 20), lag=st.integers(0, 100))
def test_the_feature_is_the_count_of_its_definition(events: list[int], window: int, buckets: int, lag: int) -> None:
    p = velocity.Velocity(window_s=window, buckets=buckets, lag_s=lag)
    counts = velocity.all_counts(p, np.array(events, dtype=np.int64) * 1000)
    for at, now in enumerate(events):
        earlier = events[: at + 1]
        exact = sum(now - window < each <= now for each in earlier)
        late = 1 + sum(now - window < each <= now - lag for each in events[:at])
        assert counts.exact[at] == exact and counts.lagging[at] == late
        width = -(-window * 1000 // buckets)
        kept = sum(each * 1000 // width > now * 1000 // width - buckets for each in earlier)
        assert counts.bucketed[at] == min(kept, exact)
        assert sum(each * 1000 > now * 1000 - window * 1000 + width for each in earlier) <= counts.bucketed[at]


def test_lag_lets_a_steady_burst_through_until_it_is_counted() -> None:
    values = velocity.velocity_feature.run({"trace": "600@0..300s", "window_s": 3_600, "threshold": 5,
                                            "lag_s": 30}).values
    assert values["passed_lagging"] == pytest.approx(_value("velocity.missed", attack_rps=2, lag_s=30, threshold=5),
                                                     abs=2)
    assert values["passed_exact"] == 5 and values["missed_by_lag"] == values["passed_lagging"] - 5


# ---- agents


def _paths(p: agent_reliability.AgentReliability) -> dict[str, float]:
    """Success, silent and noticed failure, calls and tokens by walking every path of a short run."""
    again = (1 - p.p_step) * p.detect
    step = []
    for tries in range(1, p.retries + 2):
        reached = again ** (tries - 1)
        step += [("right", tries, reached * p.p_step), ("silent", tries, reached * (1 - p.p_step) * (1 - p.detect))]
        if tries == p.retries + 1:
            step += [("right", tries, reached * again * p.hitl_rate * p.hitl_success),
                     ("given up", tries, reached * again * (1 - p.hitl_rate * p.hitl_success))]
    total = {"success": 0.0, "silent_failure": 0.0, "noticed_failure": 0.0, "calls": 0.0, "input_tokens": 0.0}
    for path in itertools.product(step, repeat=p.steps):
        weight, calls = math.prod(each[2] for each in path), sum(each[1] for each in path)
        ends = {each[0] for each in path}
        kind = "noticed_failure" if "given up" in ends else "silent_failure" if "silent" in ends else "success"
        total[kind] += weight
        total["calls"] += weight * calls
        limit = p.context_limit if p.context_limit is not None else 10**9
        total["input_tokens"] += weight * sum(min(p.base_tokens + p.tokens_per_step * i, limit) for i in range(calls))
    return total


@given(p=st.floats(0, 1), steps=st.integers(1, 3), again=st.integers(0, 2), detect=st.floats(0, 1),
       human=st.floats(0, 1), fixes=st.floats(0, 1), limit=st.none() | st.integers(100, 5_000))
@settings(deadline=None, max_examples=40)
def test_an_agent_is_the_sum_over_its_paths(p: float, steps: int, again: int, detect: float, human: float, fixes: float,
                                            limit: int | None) -> None:
    params = agent_reliability.AgentReliability(p_step=p, steps=steps, retries=again, detect=detect, hitl_rate=human,
                                                hitl_success=fixes, context_limit=limit)
    values = agent_reliability.agent_reliability.run(params.model_dump()).values
    for key, expected in _paths(params).items():
        assert values[key] == pytest.approx(expected, rel=1e-6, abs=1e-9), key
    assert values["success"] + values["silent_failure"] + values["noticed_failure"] == pytest.approx(1)
    assert values["pass_hat_k"] <= values["success"] + 1e-12 <= values["pass_at_k"] + 2e-9


@given(base=st.integers(0, 10_000), per=st.integers(0, 2_000), steps=st.integers(0, 300))
def test_tokens_are_the_sum_of_the_contexts(base: int, per: int, steps: int) -> None:
    args = {"base": base, "per_step": per, "steps": steps}
    contexts = [base + per * i for i in range(steps)]
    assert _value("agent.tokens", **args) == sum(contexts) >= _value("agent.tokens_no_growth", base=base, steps=steps)
    assert _value("agent.tokens_new", **args) == (contexts[-1] if contexts else 0)
    assert _value("agent.tokens_cached", **args, cached_price=1.0) == pytest.approx(sum(contexts))
    if per and contexts:
        over = _value("agent.overflow_step", base=base, per_step=per, context_limit=5_000)
        assert next((i for i, size in enumerate(contexts, 1) if size > 5_000), over) == over


@given(n=st.integers(1, 12), data=st.data())
def test_the_estimates_average_over_all_choices(n: int, data: Any) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    picks = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert _value("agent.pass_hat_k_estimate", n=n, c=c, k=k) == pytest.approx(sum(map(all, picks)) / len(picks))
    assert _value("agent.pass_at_k_estimate", n=n, c=c, k=k) == pytest.approx(sum(map(any, picks)) / len(picks))


LOOPS = st.fixed_dictionaries({
    "steps": st.integers(1, 40), "write_share": st.floats(0, 1), "lost_request": st.floats(0, 0.3),
    "lost_response": st.floats(0, 0.4), "error": st.floats(0, 0.3), "retries": st.integers(0, 5),
    "checkpoint_every": st.integers(1, 15), "crash_after": st.integers(0, 45)})


@given(args=LOOPS, seed=st.integers(0, 1_000))
@settings(deadline=None, max_examples=80)
def test_keys_prevent_duplicates_and_no_retry_makes_gaps_only(args: dict[str, Any], seed: int) -> None:
    values = agent_loop.agent_loop.run(args, seed).values
    assert values["duplicates_with_key"] == values["duplicates_at_most_once"] == 0
    assert values["missing_with_key"] == values["missing_at_least_once"] <= values["missing_at_most_once"]
    assert values["effects_with_key"] <= min(values["intended_effects"], values["effects_at_least_once"])
    for arm in ("at_most_once", "at_least_once", "with_key"):
        once = values[f"effects_{arm}"] - values[f"duplicates_{arm}"]
        assert once + values[f"missing_{arm}"] == values["intended_effects"]
    for scope in ("none", "per-attempt"):
        assert agent_loop.agent_loop.run(args | {"idempotency_key": scope},
                                         seed).values["effects"] == values["effects_at_least_once"]


@given(every=st.integers(1, 50), crash=st.integers(1, 200))
@settings(deadline=None, max_examples=30)
def test_a_crash_repeats_or_skips_the_work_since_the_checkpoint(every: int, crash: int) -> None:
    sure = {"lost_request": 0, "lost_response": 0, "error": 0}
    values = agent_loop.agent_loop.run({"steps": 200, "checkpoint_every": every, "crash_after": crash} | sure).values
    assert values["effects_at_least_once"] == 200 + crash - (crash - 1) // every * every
    assert values["effects_at_most_once"] == 200 - (min(-(-crash // every) * every, 200) - crash)
    assert values["effects_with_key"] == 200


def test_budgets_end_the_loop_and_short_lived_keys_fail() -> None:
    assert agent_loop.agent_loop.run({"step_budget": 7}).values["stopped_by"] == "step budget"
    poor = agent_loop.agent_loop.run({"token_budget": 10_000}).values
    assert poor["stopped_by"] == "token budget" and poor["tokens"] <= 10_000
    deaf = {"lost_request": 0, "lost_response": 1, "error": 0, "retries": 2, "idempotency_key": "per-step"}
    assert agent_loop.agent_loop.run(deaf).values["duplicate_effects"] == 0
    assert agent_loop.agent_loop.run(deaf | {"key_ttl_s": 5}).values["duplicate_effects"] == 40


def test_the_transcript_tells_what_happened() -> None:
    result = agent_loop.agent_loop.run({"steps": 3, "lost_request": 0, "lost_response": 1, "error": 0, "retries": 1})
    assert result.series["action"] == ["write(1)", "write(1)", "write(2)", "write(2)", "write(3)", "write(3)"]
    assert set(result.series["observation"]) == {"timeout [but the tool has acted]"}


# ---- every tool: determinism and the ends of its ranges


@pytest.mark.parametrize("tool", PAGES, ids=lambda tool: tool.name)
def test_the_same_arguments_and_seed_give_the_same_bytes(tool: Tool) -> None:
    assert tool.run({}, 7).model_dump_json() == tool.run({}, 7).model_dump_json()


@pytest.mark.parametrize("tool", [tail_lab.tail_lab, ann_recall.ann_recall, cold_start.cold_start,
                                  agent_loop.agent_loop],
                         ids=lambda tool: tool.name)
def test_another_seed_gives_another_draw(tool: Tool) -> None:
    assert tool.run({}, 1).values != tool.run({}, 2).values


def _ends(tool: Tool) -> list[tuple[Tool, str, Any]]:
    found = []
    for name, info in tool.params.model_fields.items():
        for item in info.metadata:
            found += [(tool, info.alias or name, getattr(item, key)) for key in ("ge", "le")
                      if getattr(item, key, None) is not None]
    return found


@pytest.mark.parametrize(("tool", "name", "value"), [end for tool in TOOLS for end in _ends(tool)],
                         ids=lambda value: getattr(value, "name", str(value)))
def test_the_ends_of_every_range_run_or_explain_themselves(tool: Tool, name: str, value: Any) -> None:
    small = {"n": 400, "queries": 10, "nlist": 8} if tool is ann_recall.ann_recall else {}
    try:
        result = tool.run(dict(tool.cases[0].args) | small | {name: value})
    except ToolError as refusal:
        assert str(refusal).endswith(".")
        return
    json.dumps(result.model_dump(), allow_nan=False)


@pytest.mark.parametrize(("tool", "args"), [
    (tail_lab.tail_lab, {"fan_out": 1_000_000, "requests": 100_000, "p_slow": 0.5, "body": "lognormal",
                         "strategy": "tied"}),
    (retry_storm.retry_storm, {"attempts": 16, "layers": 2, "duration_s": 600, "breaker_failure_rate": 0.2,
                               "retry_budget": 10}),
    (ann_recall.ann_recall, {"n": 20_000, "d": 40, "nlist": 300, "queries": 200, "k": 100}),
    (ann_recall.ann_recall, {"n": 100, "d": 2, "nlist": 50, "nprobe": 1, "k": 100}),
    (ann_recall.ann_recall, {"index": "graph", "n": 100, "ef": 1, "k": 5, "M": 48}),
    (cold_start.cold_start, {"known_items": 1, "new_items": 1, "impressions": 50_000, "batch": 1}),
    (failover.failover, {"write_rps": 10_000, "crash_at_s": 40, "jitter": 1}),
    (agent_loop.agent_loop, {"steps": 2_000, "retries": 10, "lost_request": 1, "lost_response": 0, "error": 0}),
    (agent_reliability.agent_reliability, {"steps": 500, "retries": 10, "p_step": 0, "k": 1_000}),
])
def test_the_corners_run(tool: Tool, args: dict[str, Any]) -> None:
    json.dumps(tool.run(args).model_dump(), allow_nan=False)


@pytest.mark.parametrize(("tool", "args"), [
    (retry_storm.retry_storm, {"attempts": 4, "layers": 5}), (circuit_breaker.circuit_breaker,
                                                              {"call_rps": 1e4, "duration_s": 100}),
    (failover.failover, {"write_rps": 1e5, "crash_at_s": 100}), (ann_recall.ann_recall, {"n": 100, "nlist": 64}),
    (ann_recall.ann_recall, {"index": "graph", "n": 5_000}), (ann_recall.ann_recall,
                                                              {"n": 20_000, "nlist": 512, "d": 128}),
    (agent_loop.agent_loop, {"lost_request": 0.6, "lost_response": 0.6}),
    (velocity.velocity_feature, {"trace": "lots"}),
    (tail_latency.table1_ms, {"percentile": 42}), (tail_latency.tied_p99_ms, {"cluster": "moon"}),
    (tail_latency.partial_slow, {"p": 0.1, "n": 3, "needed": 4}), (breaker_rules.breaker_replay, {"outcomes": "FXS"}),
    (failover_rules.may_lose_acknowledged, {"system": "abacus"}),
    (backpressure.drain_s, {"backlog": 1, "out_rps": 1, "in_rps": 2}),
    (agent_chain.pass_hat_k_estimate, {"n": 3, "c": 4, "k": 1}), (retries.amplification_mixed, {"attempts": [3, 0]}),
    (ann_cost.recall_at_k, {"found": [1], "truth": [1, 1]}), (tail_latency.tied_ms, {"percentile": 95}),
])
def test_what_cannot_be_run_is_refused_with_a_sentence(tool: Tool, args: dict[str, Any]) -> None:
    with pytest.raises(ToolError, match=r"\.$"):
        tool.run(args)
