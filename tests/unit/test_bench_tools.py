"""The tools' rows of `make bench` on small inputs: both sides of every race find the same. Asserts no times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from eval import tool_races
from eval.bench_tools import Disagreement, check, million_rows, run, tutor_run_rows
from eval.tool_races import Race

# The races, the share of their size, and the library that their peers need. Those that draw need enough draws to tell.
SETS: list[tuple[Callable[[float], Sequence[Race]], float, str]] = [
    (tool_races.limiter_races, 0.05, "limits"), (tool_races.window_races, 0.03, "numpy"),
    (lambda scale: [tool_races.velocity_race(scale)], 0.03, "numpy"), (tool_races.adwin_races, 0.03, "river"),
    (lambda scale: tool_races.simpy_races(scale)[:1], 0.02, "simpy"), (lambda scale: tool_races.simpy_races(scale)[1:], 0.5, "simpy")]


@pytest.mark.parametrize(("races", "scale", "peer"), SETS,
                         ids=["limiters", "windows", "velocity", "adwin", "data loader", "simulated by both"])
def test_both_sides_of_a_race_find_the_same(races: Callable[[float], Sequence[Race]], scale: float, peer: str) -> None:
    pytest.importorskip(peer, reason=f"the peer library {peer} is not installed (it is in the extra `bench`)")
    for race in races(scale):
        theirs, ours = race.theirs(), race.found(race.ours())
        check(race, theirs, ours)
        assert theirs and race.noise < 0.3
        assert next(iter(theirs.values())), race.figure  # where nothing happens both always agree


def _race(theirs: object, ours: object, **more: float) -> Race:
    return Race("a race", lambda: {"found": theirs}, lambda: ours, lambda mine: {"found": mine}, **more)


@pytest.mark.parametrize(("theirs", "ours", "noise", "said"), [
    (1.0, 1.0001, 0.0, "1.0 and 1.0001"), (1.0, 1.2, 0.1, "1.0 and 1.2"), ([1, 2], [1, 3], 0.0, "at 1: 2 and 3"),
    ([1, 2], [1], 0.0, "2 and 1 of them")])
def test_a_race_with_different_results_is_no_race(theirs: object, ours: object, noise: float, said: str) -> None:
    with pytest.raises(Disagreement, match=said):
        run(_race(theirs, ours, noise=noise), 1)


def test_sides_that_report_different_things_are_no_race() -> None:
    race = replace(_race(1, 1), found=lambda mine: {"other": mine})
    with pytest.raises(Disagreement, match="the peer found found and we other"):
        run(race, 1)


def test_noise_is_allowed_where_both_draw() -> None:
    check(_race(1.0, 1.09), {"found": 1.0}, {"found": 1.0})
    check(_race(1.0, 1.09, noise=0.1), {"found": 1.0}, {"found": 1.09})


@pytest.mark.parametrize(("goal", "missed"), [(0.0, False), (1e9, True)])
def test_a_row_says_when_it_misses_its_figure(goal: float, missed: bool) -> None:
    figure, theirs, ours = run(_race(1, 1, goal=goal), 2)
    assert figure == "a race, ms" and float(theirs) >= 0
    assert ("MISSED" in ours) is missed


def test_every_limiter_has_its_row_of_many_arrivals() -> None:
    rows = million_rows(2_000)
    assert [row[0].split(", ")[1] for row in rows] == [
        "fixed aligned", "fixed from first", "sliding log", "sliding counter", "token bucket", "leaky meter", "leaky queue"]


def test_warm_runs_are_told_with_their_slowest() -> None:
    rows = tutor_run_rows(lambda tool: tool.name in ("limiter-race", "quorum", "queue", "units", "queue.erlang_b"))
    assert rows[0][0] == "warm run of 3 calculators and simulators, median ms"
    assert all(name in rows[1][2] for name in ("limiter-race", "quorum", "queue"))
    assert rows[2][0] == "warm run of 1 formulas, median ms" and "queue.erlang_b" in rows[3][2]
