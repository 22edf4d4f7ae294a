"""What single tools draw: the picture agrees with the values, shows the misconception, and hides nothing at a floor."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tools.base import Line, Plot, ToolResult
from tools.registry import load_tools

REGISTRY = load_tools()


def run(name: str, **args: Any) -> ToolResult:
    return REGISTRY.get(name).run(args)


def drawn(name: str, **args: Any) -> Plot:
    plot = run(name, **args).plot
    assert plot is not None
    return plot


def line(plot: Plot, label: str) -> Line:
    return next(each for each in plot.lines if each.label.startswith(label))


def numbers(column: list[float | str]) -> list[float]:
    return [float(each) for each in column]


@pytest.mark.parametrize("args", [{}, {"local_steps": 10, "mu": 5.0}, {"local_steps": 100, "rounds": 200}])
def test_a_fedavg_line_leaves_the_picture_instead_of_running_along_its_floor(args: dict[str, Any]) -> None:
    plot = drawn("fedavg-drift", **args)
    hope = numbers(line(plot, "if local work were free").y)
    assert all(after < before for before, after in pairwise(hope)) and min(hope) == pytest.approx(1e-4 * hope[0])
    level = {mark["label"]: mark["at"] for mark in plot.marks}
    assert level["1% of the start"] == pytest.approx(0.01 * hope[0])


def test_tpe_says_where_its_picture_ends() -> None:
    assert drawn("tpe-search").marks == []
    plot = drawn("tpe-search", objective="one-matters", trials=150, workers=1)
    least = min(min(numbers(each.y)) for each in plot.lines)
    assert least >= 1e-6 and (least > 1e-6 or [mark["at"] for mark in plot.marks] == [1e-6])


@pytest.mark.parametrize("failure", [("node", "primary"), ("region", "region"), ("partition", "link")])
@pytest.mark.parametrize("mode", ["async", "semi-sync", "sync"])
def test_failover_draws_what_each_mode_loses(mode: str, failure: tuple[str, str]) -> None:
    result = run("failover", mode=mode, failure=failure[0])
    assert result.plot is not None
    chosen = line(result.plot, f"{mode} (chosen)")
    at = next(n for n, name in enumerate(chosen.x) if str(name).startswith(failure[1]))
    assert chosen.y[at] == result.values["lost_writes"] and not any(line(result.plot, "acknowledged is safe").y)


def test_a_breakers_calls_are_answered_refused_or_failed_never_two_of_them() -> None:
    plot = drawn("circuit-breaker", call_rps=10.0)
    columns = [numbers(line(plot, label).y) for label in ("answered", "refused at once", "failed after a wait")]
    assert [sum(each) for each in zip(*columns, strict=True)] == pytest.approx([10.0] * 60)


@pytest.mark.parametrize("args", [{}, {"lost": "5", "resync_s": 30.0}, {"lost": "", "duplicated": "2"}])
def test_reconcile_rows_are_whole_and_end_with_the_pods_of_the_values(args: dict[str, Any]) -> None:
    result = run("reconcile-loop", **args)
    assert result.plot is not None
    rows: dict[str, list[tuple[float, float, str, str]]] = {}
    for each in result.plot.lines:
        assert each.x2 is not None and each.notes is not None
        for start, row, end, note in zip(numbers(each.x), each.y, each.x2, each.notes, strict=True):
            rows.setdefault(str(row), []).append((start, end, note, each.label))
    for row, key in (("desired", "desired"), ("level-triggered", "level_pods"), ("level, no re-list", "level_without_resync_pods"),
                     ("edge-triggered (naive)", "edge_pods")):
        bars = sorted(rows[row])
        assert bars[0][0] == 0 and bars[-1][1] == 120 and all(before[1] == after[0] for before, after in pairwise(bars))
        assert bars[-1][2] == str(result.values[key])
        assert row == "desired" or (bars[-1][3] == "as desired") == (result.values[key] == result.values["desired"])


@pytest.mark.parametrize("args", [{}, {"prestop_s": 5.0, "rps": 5000.0}, {"readiness": "none"}])
def test_a_rollouts_failures_add_up_to_the_value(args: dict[str, Any]) -> None:
    result = run("rolling-update", **args)
    assert result.plot is not None
    so_far = numbers(line(result.plot, "as set").y)
    assert so_far == sorted(so_far) and so_far[-1] == pytest.approx(result.values["failed_requests"] - result.values["lost_in_flight"])


def test_tail_lab_marks_percentiles_and_tells_them() -> None:
    result = run("tail-lab", fan_out=1)
    assert result.plot is not None
    assert {mark["label"]: mark["at"] for mark in result.plot.marks} == {"p50": 0.5, "p99": 0.01, "p99.9": 0.001}
    hedged = line(result.plot, "hedged")
    assert f"p99 {result.values['p99_ms']:.1f} ms" in hedged.label
    after = min(x for x, y in zip(numbers(hedged.x), numbers(hedged.y), strict=True) if y <= 0.001)
    assert after == pytest.approx(result.values["p999_ms"], rel=0.1)


def test_the_hoped_for_memory_is_drawn_beside_the_real_one() -> None:
    result = run("memory-planner", params=7e9, dp=64, zero_stage=3)
    assert result.plot is not None
    real, hoped = (sum(float(each.y[at]) for each in result.plot.lines) for at in (3, 4))
    assert str(result.plot.lines[0].x[4]).endswith("(naive)")
    assert result.values["total_GB"] - real == pytest.approx(result.naive["total_GB"] - hoped)


def test_ray_speedup_draws_amdahl_only_where_he_differs_from_the_hope() -> None:
    assert [each.label for each in drawn("ray-speedup").lines] == ["with overhead", "as many times as workers (naive)"]
    assert len(drawn("ray-speedup", serial_fraction=0.05).lines) == 3


def test_the_hope_of_backpressure_follows_the_buffer_until_the_surge_ends() -> None:
    plot = drawn("backpressure", policy="block", buffer_limit=100_000)
    hope, buffer = line(plot, "over with the surge"), line(plot, "in the buffer")
    held = dict(zip(numbers(buffer.x), numbers(buffer.y), strict=True))
    assert all(held[x] == y for x, y in zip(numbers(hope.x[:-2]), numbers(hope.y[:-2]), strict=True)) and hope.y[-2:] == [0, 0]


def test_shares_of_time_beyond_all_of_it_are_not_drawn() -> None:
    approximate = line(drawn("checkpoint-interval"), "first order")
    assert len(approximate.y) > 5 and sum(y == 1 for y in approximate.y) == 0 and max(numbers(approximate.y)) < 1
