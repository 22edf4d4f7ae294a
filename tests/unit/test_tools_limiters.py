"""The rate limiters against their definitions, their envelopes, the `limits` library, and Redis scripts."""

from __future__ import annotations

import doctest
import json
import sys
import time
from collections import deque
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.base import Tool, ToolError
from tools.calculators import bucket_limits, distributed_limits, rate_limits
from tools.simulators import arrivals, distributed_limiter, limiter_race, limiters

RACE, DISTRIBUTED = limiter_race.limiter_race, distributed_limiter.distributed_limiter
TOOLS: list[Tool] = [RACE, DISTRIBUTED, *(each for module in (bucket_limits, rate_limits, distributed_limits)
                                           for each in vars(module).values()
                                           if isinstance(each, Tool))]
CASES = [(each, case) for each in TOOLS for case in each.cases if not case.shown]

REQUESTS = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 4)), max_size=60).map(sorted)


def _arrays(requests: list[tuple[int, int]], plain: bool = False) -> tuple[Any, Any]:
    times = np.array([at for at, _ in requests], dtype=np.int64)
    costs = np.array([1 if plain else cost for _, cost in requests], dtype=np.int64)
    return times, costs


# ---- goldens, pages, questions


@pytest.mark.parametrize(("tool", "case"), CASES, ids=[f"{tool.name}-{n}" for n, (tool, _) in enumerate(CASES)])
def test_every_case_holds(tool: Tool, case: Any) -> None:
    values = tool.run(case.args).values
    for name, expected in case.expected.items():
        assert values[name] == pytest.approx(expected, rel=case.rel or 1e-12, abs=case.abs), name


@pytest.mark.parametrize("tool", [RACE, DISTRIBUTED], ids=lambda tool: tool.name)
def test_the_example_on_the_page_runs(tool: Tool) -> None:
    example = doctest.DocTestParser().get_doctest(tool.page, dict(vars(sys.modules[tool.function.__module__])),
                                                  tool.name, None, 0)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.parametrize(("tool", "index", "args"), [
    (RACE, 0, {"limit": 100, "window_s": 60, "trace": "100@0:59,100@1:01", "algorithm": "fixed-aligned"}),
    (RACE, 1, {"limit": 100, "window_s": 60, "trace": "100@59s,100@61s", "algorithm": "token-bucket"}),
    (RACE, 2, {"limit": 100, "window_s": 60, "traffic": "adversarial"}),
    (RACE, 3, {"burst_size": 300, "burst_every_s": 60, "burst": 50, "limit": 100, "traffic": "burst"}),
    (RACE, 4, {"traffic": "steady", "offered_rps": 20, "limit": 600, "window_s": 60}),
    (RACE, 5, {"algorithm": "leaky-queue", "limit": 100, "window_s": 60}),
    (DISTRIBUTED, 0, {}),
    (DISTRIBUTED, 1, {"strategy": "local-quota", "limit": 100, "nodes": 10, "hot_share": 1.0, "duration_s": 10}),
    (DISTRIBUTED, 2, {"clients": 1_000_000, "crash_per_million": 1, "window_s": 60, "horizon_h": 24}),
    (DISTRIBUTED, 3, {"strategy": "get-then-set", "rtt_ms": 5}),
])
def test_a_question_has_its_answer_once_its_slots_are_filled(tool: Tool, index: int, args: dict[str, Any]) -> None:
    ask = tool.asks[index]
    assert tool.run(args).values[ask.value] == pytest.approx(ask.expected, rel=ask.rel)


# ---- traces


@pytest.mark.parametrize(("text", "times"), [
    ("100@59s,100@61s (seed example)", [59_000] * 100 + [61_000] * 100),
    ("2@0:59; 1@1:01.5", [59_000, 59_000, 61_500]),
    ("1@250ms\n1 @ 2 min, 1@1h", [250, 120_000, 3_600_000]),
    ("3.5, 1", [1_000, 3_500]),
    ("4@0..2s", [0, 500, 1_000, 1_500]),
    ("2@1:00..2:00", [60_000, 90_000]),
    ("1@59.9", [59_900]),
])
def test_a_trace_is_read(text: str, times: list[int]) -> None:
    assert arrivals.parse_trace(text).times_ms.tolist() == times


def test_costs_and_thousands_in_a_trace() -> None:
    trace = arrivals.parse_trace("2k@1s, 1@0 x3")
    assert len(trace) == 2_001
    assert trace.costs[:2].tolist() == [3, 1]


@pytest.mark.parametrize("text", ["", "  (only a remark)", "0@1s", "ten@5s", "5@-1s", "1@9s..2s", "2000k@0", "1@99999h",
                                  "1@0x0", "1@5 parsecs"])
def test_a_bad_trace_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ToolError, match=r"\.$"):
        arrivals.parse_trace(text)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 10**7)), min_size=1, max_size=20))
def test_a_trace_survives_writing_and_reading(entries: list[tuple[int, int]]) -> None:
    text = ",".join(f"{count}@{at / 1000}s" for count, at in entries)
    assert arrivals.parse_trace(text).times_ms.tolist() == sorted(at for count, at in entries for _ in range(count))


# ---- limiters against their definitions, one request at a time


def _defined(name: str, requests: list[tuple[int, int]], limit: int, window: int, rate: Fraction) -> list[bool]:
    """The textbook loop for each limiter, with fractions where the limiters use scaled integers."""
    told: list[bool] = []
    log: deque[tuple[int, int]] = deque()
    used: dict[int, int] = {}
    opened, in_window, level, last = -10**9, 0, Fraction(0), 0
    for now, cost in requests:
        level, last = max(level - (now - last) * rate, Fraction(0)), now
        if now >= opened + window and name == "fixed_from_first":
            opened, in_window = now, 0
        while log and log[0][0] < now - window:
            log.popleft()
        here = now // window
        overlap = Fraction((here + 1) * window - now, window)
        seen: dict[str, int | Fraction] = {
            "fixed_aligned": used.get(here, 0), "fixed_from_first": in_window, "sliding_log": sum(c for _, c in log),
            "sliding_counter": int(used.get(here - 1, 0) * overlap) + used.get(here, 0), "bucket": level}
        told.append(seen[name] + cost <= limit)
        if told[-1]:
            log.append((now, cost))
            used[here] = used.get(here, 0) + cost
            in_window, level = in_window + cost, level + cost
    return told


@pytest.mark.parametrize("name", ["fixed_aligned", "fixed_from_first", "sliding_log", "sliding_counter"])
@pytest.mark.parametrize("plain", [True, False])
@given(requests=REQUESTS, limit=st.integers(1, 8), window=st.integers(1, 120))
@settings(max_examples=60, deadline=None)
def test_a_window_limiter_follows_its_definition(
    name: str, plain: bool, requests: list[tuple[int, int]], limit: int, window: int,
) -> None:
    times, costs = _arrays(requests, plain)
    told = getattr(limiters, name)(times, costs, limit, window).tolist()
    assert told == _defined(name, list(zip(times.tolist(), costs.tolist(), strict=True)), limit, window, Fraction(0))


@given(requests=REQUESTS, burst=st.integers(1, 8), rate=st.fractions(Fraction(1, 100), 2, max_denominator=100))
@settings(deadline=None)
def test_bucket_meter_and_queue_decide_alike_and_by_definition(
    requests: list[tuple[int, int]], burst: int, rate: Fraction,
) -> None:
    times, costs = _arrays(requests)
    told = _defined("bucket", requests, burst, 1, rate)
    assert limiters.token_bucket(times, costs, burst, rate).tolist() == told
    assert limiters.leaky_meter(times, costs, burst, rate).tolist() == told
    assert limiters.leaky_queue(times, costs, burst, rate)[0].tolist() == told


@given(requests=REQUESTS, burst=st.integers(1, 8), rate=st.fractions(Fraction(1, 100), 2, max_denominator=100))
@settings(deadline=None)
def test_a_queue_lets_go_in_order_at_its_rate_and_never_early(
    requests: list[tuple[int, int]], burst: int, rate: Fraction,
) -> None:
    times, costs = _arrays(requests)
    allowed, leaves = limiters.leaky_queue(times, costs, burst, rate)
    assert (leaves >= times[allowed] * rate.numerator).all()
    assert (leaves - times[allowed] * rate.numerator < burst * rate.denominator).all()
    assert (np.diff(leaves) >= costs[allowed][:-1] * rate.denominator).all()


@given(requests=REQUESTS.filter(bool), limit=st.integers(4, 12), window=st.integers(1, 120), burst=st.integers(4, 12))
@settings(deadline=None)
def test_no_limiter_admits_more_than_its_envelope(
    requests: list[tuple[int, int]], limit: int, window: int, burst: int,
) -> None:
    times, costs = _arrays(requests)
    for name, lane in limiter_race.run_lanes(times, costs, limit, window, burst, Fraction(limit, window)).items():
        assert lane.worst_window <= lane.envelope, name
    for span in (1, 7, 50, 400):  # N + R*T holds in every interval, not only in the window
        passed = limiters.token_bucket(times, costs, burst, Fraction(limit, window))
        assert limiters.worst_window(times[passed], costs[passed], span) <= burst + Fraction(limit, window) * span


@given(requests=REQUESTS.filter(bool), window=st.integers(1, 120))
def test_the_worst_window_is_the_worst_of_all_windows(requests: list[tuple[int, int]], window: int) -> None:
    times, costs = _arrays(requests)
    found = max(sum(cost for at, cost in requests if start <= at <= start + window) for start in range(401))
    assert limiters.worst_window(times, costs, window) == found


@pytest.mark.parametrize(("limit", "window_ms", "lead_ms"), [(100, 60_000, 1_000), (100, 60_000, 500), (7, 1_000, 300),
                                                           (50, 10_000, 10_000), (1, 1_000, 1)])
def test_the_adversary_reaches_the_worst_cases(limit: int, window_ms: int, lead_ms: int) -> None:
    stream = arrivals.adversarial(limit, window_ms, lead_ms, 6 * window_ms)
    lanes = limiter_race.run_lanes(stream.times_ms, stream.costs, limit, window_ms, limit, Fraction(limit, window_ms))
    worst = rate_limits.counter_worst_rolling(limit, window_ms / 1_000, lead_ms / 1_000)
    assert lanes["sliding-counter"].worst_window == worst
    assert lanes["token-bucket"].worst_window == lanes["token-bucket"].envelope == 2 * limit
    assert lanes["sliding-log"].worst_window == lanes["sliding-log"].envelope == limit


# ---- the race


def test_the_race_and_the_formulas_agree() -> None:
    trace = "40@3s,90@59.999,30@60..90s,80@2:00,5@125"
    values = RACE.run({"limit": 50, "window_s": 60, "trace": trace}).values
    given_args = {"limit": 50, "window_s": 60, "trace": trace}
    for formula, key in (("fixed_aligned", "fixed_aligned"), ("fixed_from_first", "fixed_from_first"),
                         ("log", "sliding_log"), ("counter", "sliding_counter"),
                         ("token", "token_bucket"), ("leaky_meter", "leaky_meter")):
        assert getattr(rate_limits, formula).run(given_args).values["result"] == values[f"admitted_{key}"], key
    queue = rate_limits.leaky_queue.run(given_args).values
    assert queue["admitted"] == values["admitted_leaky_queue"]
    assert queue["longest_wait_s"] == pytest.approx(values["longest_wait_s_leaky_queue"], abs=1e-6)
    assert queue["worst_window"] == values["worst_leaky_queue"]


def test_a_log_keeps_one_timestamp_for_each_request_of_the_window() -> None:
    values = RACE.run({"traffic": "steady", "offered_rps": 1_000, "duration_s": 180, "limit": 600_000}).values
    assert values["memory_bytes_sliding_log"] == 8 * 60_001  # a closed window of 60 s at 1,000 a second
    assert values["memory_bytes_sliding_counter"] == 24


def test_a_weighted_request_pays_its_cost_or_nothing() -> None:
    values = RACE.run({"trace": "3@0 x40, 1@1 x20", "limit": 100, "window_s": 60}).values
    assert values["admitted_sliding_log"] == 3  # 40 + 40, the third refused, then 20
    assert values["worst_sliding_log"] == 100


def test_the_headline_names_the_gap_to_the_promise() -> None:
    result = RACE.run({"algorithm": "fixed-aligned"})
    assert (result.values["worst_window"], result.naive["worst_window"]) == (200, 100)
    assert "200" in result.summary and "100 per 60 s" in result.summary
    assert result.plot is not None and 2 <= len(result.plot.lines) <= 5
    assert all(len(line.x) == len(line.y) for line in result.plot.lines)
    assert sum(result.series["offered"]) == 200 and sum(result.series["token-bucket"]) == 103


def test_light_traffic_is_said_to_teach_nothing() -> None:
    assert "too light" in RACE.run({"trace": "1@0"}).warnings[0]
    assert RACE.run({"trace": "1@0 x500"}).warnings == [
        "Some requests cost more than the whole limit or bucket, so they can never pass."]


# ---- many nodes


@given(seed=st.integers(0, 2**32), nodes=st.integers(1, 30), limit=st.integers(1, 300), rtt=st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_an_atomic_counter_is_exact_and_a_quota_never_too_generous(seed: int, nodes: int, limit: int, rtt: int) -> None:
    values = DISTRIBUTED.run({"nodes": nodes, "limit": limit, "rtt_ms": rtt, "duration_s": 3}, seed).values
    assert values["admitted_lua"] == values["admitted_incr"] == values["perfect_limiter"]
    assert values["over_admitted_local_quota"] == 0
    assert values["over_admitted_get_then_set"] >= values["over_admitted_get_then_incr"] >= 0
    for name in ("get_then_set", "get_then_incr", "local_quota", "async_sync"):
        assert values[f"admitted_{name}"] - values["perfect_limiter"] == (
            values[f"over_admitted_{name}"] - values[f"wrongly_refused_{name}"])


def test_check_then_act_is_exact_without_delay_and_no_limit_with_a_long_one() -> None:
    exact = DISTRIBUTED.run({"rtt_ms": 0}).values
    assert exact["over_admitted_get_then_set"] == exact["over_admitted_get_then_incr"] == 0
    raced = DISTRIBUTED.run({"rtt_ms": 2}).values  # SET erases what others counted, all through the window
    assert raced["over_admitted_get_then_set"] > raced["over_admitted_get_then_incr"] > 0
    blind = DISTRIBUTED.run({"rtt_ms": 10_000, "duration_s": 1}).values
    assert blind["admitted_get_then_incr"] == blind["offered"] > blind["perfect_limiter"]


def test_check_then_increment_admits_too_much_by_what_is_in_flight() -> None:
    values = DISTRIBUTED.run({"offered_rps": 20_000, "duration_s": 4, "limit": 2_000, "rtt_ms": 20}).values
    assert values["over_admitted_get_then_incr"] == pytest.approx(4 * 20_000 * 0.020, rel=0.1)


def test_rarer_sync_admits_more_and_one_node_needs_none() -> None:
    over = [DISTRIBUTED.run({"sync_interval_ms": ms}).values["over_admitted_async_sync"] for ms in (1, 50, 500)]
    assert over[0] < over[1] < over[2]
    assert DISTRIBUTED.run({"nodes": 1, "sync_interval_ms": 1_000}).values["over_admitted_async_sync"] == 0


def test_a_hot_node_starves_on_its_quota() -> None:
    even, hot = (DISTRIBUTED.run({"strategy": "local-quota", "hot_share": share}).values for share in (0.0, 0.9))
    assert even["wrongly_refused"] < 20 < hot["wrongly_refused"]


@pytest.mark.parametrize(("on_failure", "over", "refused"), [("open", True, False), ("closed", False, True)])
def test_an_outage_fails_as_told(on_failure: str, over: bool, refused: bool) -> None:
    values = DISTRIBUTED.run({"strategy": "lua", "outage_start_s": 2, "outage_s": 3, "on_failure": on_failure}).values
    assert (values["over_admitted"] > 0, values["wrongly_refused"] > 0) == (over, refused)
    extra = distributed_limits.fail_open_extra(values["offered"] / 10, 100, 1.0, 3.0)
    assert values["over_admitted"] == pytest.approx(extra if over else 0, rel=0.1)


def test_skewed_clocks_break_even_the_atomic_script() -> None:
    values = DISTRIBUTED.run({"strategy": "lua", "clock_skew_ms": 300, "duration_s": 10}).values
    assert values["over_admitted"] > 0


def test_a_lost_expiry_is_counted_for_incr_only() -> None:
    args = {"clients": 1_000_000, "window_s": 60}
    lost = DISTRIBUTED.run(args | {"strategy": "incr"})
    assert lost.values["stuck_keys"] == pytest.approx(distributed_limits.stuck_keys(1e6, 1.0, 1_440), rel=0.15)
    assert "one script" in lost.warnings[0]
    assert DISTRIBUTED.run(args | {"strategy": "lua"}).values["stuck_keys"] == 0


# ---- every tool: determinism and the ends of its ranges


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_the_same_arguments_and_seed_give_the_same_bytes(tool: Tool) -> None:
    args = dict(tool.cases[0].args) | ({"traffic": "poisson"} if tool is RACE else {})
    assert tool.run(args, 7).model_dump_json() == tool.run(args, 7).model_dump_json()


def test_another_seed_gives_other_traffic() -> None:
    args = {"traffic": "poisson"}
    assert RACE.run(args, 1).values["offered"] != RACE.run(args, 2).values["offered"]
    assert DISTRIBUTED.run({}, 1).values["offered"] != DISTRIBUTED.run({}, 2).values["offered"]


def _ends(tool: Tool) -> list[tuple[Tool, str, Any]]:
    found = []
    for name, info in tool.params.model_fields.items():
        for item in info.metadata:
            found += [(tool, name, getattr(item, key)) for key in ("ge", "le") if getattr(item, key, None) is not None]
    return found


@pytest.mark.parametrize(("tool", "name", "value"), [end for tool in TOOLS for end in _ends(tool)],
                         ids=lambda value: getattr(value, "name", str(value)))
def test_the_ends_of_every_range_run_or_explain_themselves(tool: Tool, name: str, value: Any) -> None:
    try:
        result = tool.run(dict(tool.cases[0].args) | {name: value})
    except ToolError as refusal:
        assert str(refusal).endswith(".")
        return
    json.dumps(result.model_dump(), allow_nan=False)


@pytest.mark.parametrize("args", [
    {"traffic": "steady", "offered_rps": 0}, {"traffic": "steady", "offered_rps": 1e6, "duration_s": 0.3},
    {"traffic": "poisson", "offered_rps": 0.1, "duration_s": 2_592_000, "window_s": 86_400},
    {"traffic": "adversarial", "limit": 60_000, "window_s": 0.5, "duration_s": 1},
    {"rate_per_s": 1e6, "burst": 1_000_000},
    {"traffic": "burst", "burst_size": 300_000, "cost": 1_000, "duration_s": 1},
])
def test_the_race_runs_in_the_corners(args: dict[str, Any]) -> None:
    json.dumps(RACE.run(args).model_dump(), allow_nan=False)


@pytest.mark.parametrize(("tool", "args"), [
    (RACE, {"traffic": "steady", "offered_rps": 1e6, "duration_s": 2}), (RACE, {"rate_per_s": 1e-9}),
    (DISTRIBUTED, {"offered_rps": 1_000, "duration_s": 1_000}),
    (distributed_limits.local_quota, {"limit": 1, "offered": [-1.0]}),
    (rate_limits.counter_estimate, {"prev": 1, "curr": 1, "elapsed_s": 61, "window_s": 60}),
])
def test_what_cannot_be_run_is_refused_with_a_sentence(tool: Tool, args: dict[str, Any]) -> None:
    with pytest.raises(ToolError, match=r"\.$"):
        tool.run(args)


# ---- peers


class _Clock:
    now = 0.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The `limits` library on a virtual clock, without its clean-up thread: f(name, limit, window_s, times)."""
    limits = pytest.importorskip("limits", reason="the peer library `limits` is not installed")
    memory = pytest.importorskip("limits.storage.memory")
    clock = _Clock()
    monkeypatch.setattr(memory, "time", SimpleNamespace(time=clock.time))

    class Storage(memory.MemoryStorage):  # type: ignore[misc,name-defined]
        def _MemoryStorage__schedule_expiry(self) -> None:
            """Nothing runs beside the test."""

    def run(name: str, limit: int, window_s: int, times: list[float]) -> tuple[list[bool], float]:
        storage = Storage()
        storage.timer.cancel()
        limiter = getattr(limits.strategies, name)(storage)
        item = limits.RateLimitItemPerSecond(limit, window_s)
        told, began = [], time.perf_counter()
        for now in times:
            clock.now = now
            told.append(limiter.hit(item, "client"))
        return told, time.perf_counter() - began

    return run


PEERS = [("FixedWindowRateLimiter", limiters.fixed_from_first), ("MovingWindowRateLimiter", limiters.sliding_log),
         ("SlidingWindowCounterRateLimiter", limiters.sliding_counter)]


@pytest.mark.parametrize(("name", "ours"), PEERS, ids=[name for name, _ in PEERS])
@pytest.mark.parametrize("seed", range(4))
def test_limits_decides_alike(peer: Any, name: str, ours: Any, seed: int) -> None:
    # A window of 64 s and eighths of a second keep the peer's floats exact, so that even the edges must agree. It
    # starts at 640 s: in the very first window since time 0 the peer takes the current window for the previous one too.
    eighths = 8 * 640 + np.sort(np.random.default_rng(seed).integers(0, 8 * 400, 2_000))
    told, _ = peer(name, 60 + 40 * seed, 64, (eighths / 8).tolist())
    assert ours(eighths * 125, np.ones(2_000, dtype=np.int64), 60 + 40 * seed, 64_000).tolist() == told


@pytest.mark.parametrize(("name", "ours"), PEERS, ids=[name for name, _ in PEERS])
def test_a_million_arrivals_go_at_ten_times_the_speed_of_limits(peer: Any, name: str, ours: Any) -> None:
    times = np.sort(np.random.default_rng(0).integers(0, 10_000_000, 1_000_000))
    costs = np.ones(len(times), dtype=np.int64)
    some = (times[:20_000] / 1_000).tolist()
    theirs = min(peer(name, 100, 60, some)[1] for _ in range(2)) / len(some)
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        ours(times, costs, 100, 60_000)
        best = min(best, (time.perf_counter() - began) / len(times))
    assert theirs / best > 10


@pytest.fixture
def store() -> Any:
    pytest.importorskip("lupa", reason="fakeredis runs Lua through lupa, which is not installed")
    return pytest.importorskip("fakeredis", reason="the fake store `fakeredis` is not installed").FakeRedis()


def test_the_fixed_window_script_decides_like_the_limiter(store: Any) -> None:
    times = np.sort(np.random.default_rng(1).integers(0, 200_000, 400))
    costs = np.random.default_rng(2).integers(1, 4, 400)
    script = store.register_script(distributed_limiter.FIXED_WINDOW_LUA)
    told = [script(keys=[f"c:{at // 60_000}"], args=[80, 60_000, cost]) == 1
            for at, cost in zip(times.tolist(), costs.tolist(), strict=True)]
    assert told == limiters.fixed_aligned(times, costs, 80, 60_000).tolist()
    assert all(store.pttl(key) > 0 for key in store.keys("c:*"))


def test_the_sliding_log_script_decides_like_the_limiter(store: Any) -> None:
    times = np.sort(np.random.default_rng(3).integers(0, 40, 400)) * 5_000  # many land exactly one window later
    script = store.register_script(distributed_limiter.SLIDING_LOG_LUA)
    told = [script(keys=["log"], args=[30, 60_000, at, n]) == 1 for n, at in enumerate(times.tolist())]
    assert told == limiters.sliding_log(times, np.ones(400, dtype=np.int64), 30, 60_000).tolist()


def test_two_clients_that_check_before_they_add_take_the_same_last_place(store: Any) -> None:
    counts = [store.zcard("log") for _ in range(2)]  # both read before either adds
    for client, count in enumerate(counts):
        if count < 1:
            store.zadd("log", {f"client {client}": 0})
    assert store.zcard("log") - 1 == distributed_limits.race_extra(2)


def test_a_counter_that_lost_its_expiry_refuses_for_ever(store: Any) -> None:
    store.incr("client")  # and the node dies before EXPIRE
    assert store.ttl("client") == -1
    script = store.register_script(distributed_limiter.FIXED_WINDOW_LUA)
    assert [script(keys=["client"], args=[1, 1, 1]) for _ in range(3)] == [0, 0, 0]
