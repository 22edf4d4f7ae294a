"""The tools' rows of `make bench`: each beside a peer that does the same work in the same run, or beside its limit.

A row is worth nothing when the two sides found different things, so what they found is compared before a time is told:
exactly where both follow one rule on one trace, within the noise of the draw where each draws its own.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

from eval.tool_races import Race, races
from tools.base import Tool

ROUNDS, REPEATS = 5, 10
MILLION = 1_000_000
MILLION_S, MEDIAN_MS, LONGEST_MS = 1.0, 50.0, 2_000.0
Row = tuple[str, str, str]


class Disagreement(Exception):
    """Two sides of a race found different things; the text says which."""


def speed_rows() -> list[Row]:
    """All rows: (figure, the peer's median, ours); a figure that misses what it is to reach says so. Raises Disagreement."""
    return [*(run(race, ROUNDS) for race in races()), *million_rows(), *tutor_run_rows()]


def run(race: Race, rounds: int) -> Row:
    """Both sides in turns, after one round that doesn't count; medians in ms. Raises Disagreement.

    The quicker side repeats its work within a round until it has taken about as long as the other, up to REPEATS times, and
    counts the mean: a moment in which the machine is busy with something else then meets both sides alike.
    """
    peer, slow = _timed(race.theirs)
    mine, quick = _timed(race.ours)
    check(race, peer, race.found(mine))
    times = max(1, min(REPEATS, round(slow / quick)))
    theirs: list[float] = []
    ours: list[float] = []
    for _ in range(rounds):
        peer, spent = _timed(race.theirs)
        theirs.append(spent)
        mine, spent = _timed(lambda: _last(race.ours, times))
        ours.append(spent / times)
        check(race, peer, race.found(mine))
    a, b = statistics.median(theirs), statistics.median(ours)
    return f"{race.figure}, ms", f"{a * 1e3:.1f}", f"{b * 1e3:.2f} ({a / b:.3g}x{_missed(a / b >= race.goal, f'at least {race.goal:g}x')})"


def check(race: Race, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Raises Disagreement with the first thing that the two sides found differently."""
    if theirs.keys() != ours.keys():
        raise Disagreement(f"{race.figure}: the peer found {', '.join(theirs)} and we {', '.join(ours)}; make both do the same work.")
    for name, peer in theirs.items():
        mine = ours[name]
        if peer != mine if race.noise == 0 else not math.isclose(peer, mine, rel_tol=race.noise):
            where = _first_difference(peer, mine) if isinstance(peer, list) else f"{peer} and {mine}"
            raise Disagreement(f"{race.figure}: the peer and we differ in {name} ({where}), so their times can't be compared.")


def million_rows(count: int = MILLION) -> list[Row]:
    """Seconds for that many arrivals at each limiter, 100 a second of which it lets half pass: plain ones, and some that cost more."""
    import numpy as np

    from tools.simulators import limiters

    rng = np.random.default_rng(0)
    times = np.sort(rng.integers(0, 10 * count, count))
    plain, weighted = np.ones(count, dtype=np.int64), rng.integers(1, 4, count)
    limit, window_ms = 3_000, 60_000
    rate = Fraction(limit, window_ms)
    runs: dict[Callable[..., Any], Any] = {
        limiters.fixed_aligned: window_ms, limiters.fixed_from_first: window_ms, limiters.sliding_log: window_ms,
        limiters.sliding_counter: window_ms, limiters.token_bucket: rate, limiters.leaky_meter: rate, limiters.leaky_queue: rate}
    rows = []
    for limiter, per in runs.items():
        spent = [statistics.median(_timed(partial(limiter, times, costs, limit, per))[1] for _ in range(3)) for costs in (plain, weighted)]
        rows.append((f"{count:,} arrivals, {limiter.__name__.replace('_', ' ')}, plain / weighted, s", "-",
                     f"{spent[0]:.2f} / {spent[1]:.2f}{_missed(max(spent) < MILLION_S, f'under {MILLION_S:g} s')}"))
    return rows


def tutor_run_rows(chosen: Callable[[Tool], bool] = lambda tool: True) -> list[Row]:
    """What a run of each tool takes in the executor that a chat uses, once it has run there before; formulas, which need arguments,
    on those of their page, everything else on its defaults."""
    from tools.docs import example
    from tools.executor import WorkerExecutor
    from tools.registry import load_tools

    spent: dict[bool, dict[str, float]] = {True: {}, False: {}}
    measuring: set[str] = set()
    with WorkerExecutor() as executor:
        for tool in filter(chosen, load_tools()):
            needs = any(info.is_required() for info in tool.params.model_fields.values())
            args = example(tool) if tool.kind == "formula" or needs else {}
            times = [_timed(partial(executor.run, tool, args, 0, 60.0))[1] * 1e3 for _ in range(4)]
            spent[tool.kind == "formula"][tool.name] = statistics.median(times[1:])
            if tool.measures:
                measuring.add(tool.name)
    rows = []
    for formulas, label in ((False, "calculators and simulators"), (True, "formulas")):
        if spent[formulas]:
            median, slowest = statistics.median(spent[formulas].values()), sorted(spent[formulas].items(), key=lambda each: -each[1])[:3]
            late = [name for name, ms in spent[formulas].items() if ms > LONGEST_MS and name not in measuring]
            rows += [(f"warm run of {len(spent[formulas])} {label}, median ms", "-",
                      f"{median:.2f}{_missed(median <= MEDIAN_MS, f'at most {MEDIAN_MS:g} ms')}"),
                     ("  the slowest three, ms", "-", ", ".join(f"{name} {ms:.3g}" for name, ms in slowest)
                      + _missed(not late, f"at most {LONGEST_MS:g} ms"))]
    return rows


def _last(work: Callable[[], Any], times: int) -> Any:
    for _ in range(times - 1):
        work()
    return work()


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    found = work()
    return found, time.perf_counter() - began


def _missed(reached: bool, wanted: str) -> str:
    return "" if reached else f", MISSED: {wanted} wanted"


def _first_difference(peer: list[Any], mine: Any) -> str:
    if len(peer) != len(mine):
        return f"{len(peer):,} and {len(mine):,} of them"
    at = next(at for at, (theirs, ours) in enumerate(zip(peer, mine, strict=True)) if theirs != ours)
    return f"at {at:,}: {peer[at]} and {mine[at]}"
