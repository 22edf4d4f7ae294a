"""The races between our tools and their peers: the same work on the same pinned inputs. Knows no clock and no table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval import tool_peers


@dataclass(frozen=True)
class Race:
    """The same work by a peer and by us. `found` puts what ours returns into the peer's form, outside of the time that counts;
    numbers may differ by the share `noise`, and at 0 everything must be equal. Ours is to be `goal` times as fast."""

    figure: str
    theirs: Callable[[], Mapping[str, Any]]
    ours: Callable[[], Any]
    found: Callable[[Any], Mapping[str, Any]]
    noise: float = 0.0
    goal: float = 10.0


def races(scale: float = 1.0) -> list[Race]:
    """Every race, on inputs of which the smallest keep that share of their size."""
    return [*limiter_races(scale), *window_races(scale), velocity_race(scale), *adwin_races(scale), *simpy_races(scale)]


def limiter_races(scale: float = 1.0) -> list[Race]:
    """The three algorithms that `limits` has as well. Its fixed window opens at the first request; it has no fixed window on
    the clock and no bucket. Eighths of a second and a window of 64 s keep its floats exact, so that even the edges must
    agree; before 640 s it takes the very first window for its own predecessor."""
    import numpy as np

    from tools.simulators import limiters

    count, limit, window_s = round(100_000 * scale), 600, 64
    eighths = 8 * 640 + np.sort(np.random.default_rng(0).integers(0, 8 * count // 10, count))
    seconds, ms, ones = (eighths / 8).tolist(), eighths * 125, np.ones(count, dtype=np.int64)

    def race(label: str, strategy: str, ours: Callable[..., Any]) -> Race:
        return Race(f"limiter, {label}, {count:,} arrivals, beside limits",
                    lambda: {"decisions": tool_peers.limits_decisions(strategy, limit, window_s, seconds)},
                    lambda: ours(ms, ones, limit, window_s * 1_000), lambda allowed: {"decisions": allowed.tolist()})

    return [race("fixed window", "FixedWindowRateLimiter", limiters.fixed_from_first),
            race("sliding log", "MovingWindowRateLimiter", limiters.sliding_log),
            race("sliding counter", "SlidingWindowCounterRateLimiter", limiters.sliding_counter)]


def window_races(scale: float = 1.0) -> list[Race]:
    """Firings and late events of a lagged stream: tumbling and sliding windows with allowed lateness, and sessions."""
    import numpy as np

    from tools.simulators import event_trace, sessions, windows

    count, bound, lateness = round(200_000 * scale), 5_000, 5_000
    times = event_trace.generate(100.0, count / 100, "pareto", 4_000.0, 1, 0).times
    rng = np.random.default_rng(0)
    apart = np.cumsum(rng.exponential(1_000, count).astype(np.int64))
    apart = apart[np.argsort(apart + rng.exponential(500, count), kind="stable")]

    def race(label: str, size: int, slide: int) -> Race:
        events = times.tolist()
        return Race(f"{label}, {count:,} events, beside a plain loop",
                    lambda: _named(("firings", "late"), tool_peers.plain_windows(events, size, slide, bound, lateness)),
                    lambda: windows.fixed(times, windows.watermark_after(times, bound), size, slide, lateness),
                    lambda run: {"firings": run.firings.rows(), "late": run.late.tolist()})

    events = apart.tolist()
    return [race("tumbling windows", 10_000, 10_000), race("sliding windows", 60_000, 10_000),
            Race(f"session windows, {count:,} events, beside a plain loop",
                 lambda: _named(("firings", "late"), tool_peers.plain_sessions(events, 2_000, 2_000, 1_000)),
                 lambda: sessions.sessions(apart, windows.watermark_after(apart, 2_000), 2_000, 1_000),
                 lambda run: {"firings": run.firings.rows(ends=True), "late": run.late.tolist()})]


def velocity_race(scale: float = 1.0) -> Race:
    """A card's transactions in the last ten minutes, two a second: exact, in ten buckets, and 15 s late."""
    import numpy as np

    from tools.simulators.velocity import Velocity, all_counts

    count, params = round(100_000 * scale), Velocity(window_s=600, buckets=10, lag_s=15)
    times = np.sort(np.random.default_rng(0).integers(0, 500 * count, count))
    events = times.tolist()
    return Race(f"velocity counts, {count:,} transactions, beside deques",
                lambda: _named(("exact", "bucketed", "lagging"), tool_peers.plain_velocity(events, 600_000, 15_000, 10)),
                lambda: all_counts(params, times),
                lambda run: {name: getattr(run, name).tolist() for name in ("exact", "bucketed", "lagging")})


def adwin_races(scale: float = 1.0) -> list[Race]:
    """Once the detector over a stream, as the tool has it for its plot; once the whole tool beside a script that draws the same
    stream and hands it to river."""
    import numpy as np

    from tools.simulators.adwin import adwin, watch

    half = round(100_000 * scale)
    names = ("detections", "width_at_end", "mean_at_end")

    def stream() -> list[float]:
        drawn: list[float] = (np.random.default_rng(0).random(2 * half) < np.repeat([0.1, 0.3], half)).astype(float).tolist()
        return drawn

    def theirs(samples: list[float]) -> Mapping[str, Any]:
        return _named(names, tool_peers.river_detections(samples, 0.002, 32))

    drawn, args = stream(), {"before": 0.1, "after": 0.3, "n_before": half, "n_after": half}
    return [Race(f"ADWIN, {2 * half:,} samples, beside river itself", lambda: theirs(drawn),
                 lambda: watch(drawn, 0.002, 32, max(2 * half // 1_000, 1)),
                 lambda seen: _named(names, (seen.detections, seen.width, seen.mean)), goal=1.0),
            Race(f"ADWIN, the whole tool, {2 * half:,} samples, beside river itself", lambda: theirs(stream()),
                 lambda: adwin.run(args, 0), lambda result: {name: result.values[name] for name in names}, goal=1.0)]


def simpy_races(scale: float = 1.0) -> list[Race]:
    """Whole tools with a simulated arm, formulas and plot included, beside the simulation alone. The data loader plays the same
    drawn times; the others draw their own, so that they agree within the noise of so many draws. The queue has no simulated
    arm: it is exact where simpy estimates."""
    return [_loader_race(round(20_000 * scale)), _checkpoint_race(3_650 * scale), _tail_race(round(4_000 * scale)),
            _queue_race(round(50_000 * scale))]


def _loader_race(batches: int) -> Race:
    from tools.simulators.data_loader import Loader, data_loader, drawn_loads

    params = Loader(batches=batches)
    counts, loads = data_loader.function(params, 0).series["workers"], drawn_loads(params, 0)

    def theirs() -> Mapping[str, Any]:
        ends = {count: tool_peers.simpy_loader(loads, count, params.prefetch, params.step_ms) for count in counts}
        return {f"idle fraction with {count} workers": 1 - batches * params.step_ms / end for count, end in ends.items()}

    return Race(f"data loader, {len(counts)} runs of {batches:,} batches, beside simpy", theirs, lambda: data_loader.function(params, 0),
                lambda result: {f"idle fraction with {count} workers": idle
                                for count, idle in zip(result.series["workers"], result.series["idle_fraction"], strict=True)})


def _checkpoint_race(days: float) -> Race:
    from tools.simulators.checkpoint_interval import CheckpointJob, checkpoint_interval, intervals_played

    params = CheckpointJob(write_s=300, run_days=days)
    mtbf = params.mtbf_gpu_h / params.gpus * 3_600

    def found(result: Any) -> dict[str, float]:
        drawn = result.plot.lines[-1]
        return {f"waste at {tau:.0f} s": waste for tau, waste in zip(drawn.x, drawn.y, strict=True)}

    taus = [float(tau) for tau in checkpoint_interval.function(params, 0).plot.lines[-1].x]
    played = [intervals_played(params, tau, params.write_s) for tau in taus]

    def theirs() -> Mapping[str, Any]:
        return {f"waste at {tau:.0f} s": tool_peers.simpy_checkpoints(tau, params.write_s, params.restart_s, mtbf, count, 1)
                for tau, count in zip(taus, played, strict=True)}

    return Race(f"checkpoint failures, {sum(played):,} intervals, beside simpy", theirs,
                lambda: checkpoint_interval.function(params, 0), found, noise=5 / math.sqrt(min(played)))


def _tail_race(requests: int) -> Race:
    from tools.simulators.tail_lab import TailLab, tail_lab

    params = TailLab(fan_out=20, hedge_delay_ms=15.0, requests=requests)
    names = ("p50_ms_drawn", "p99_ms_drawn", "slow_share_drawn")
    return Race(f"hedged calls, {requests:,} requests to {params.fan_out} leaves, beside simpy",
                lambda: _named(names, tool_peers.simpy_tail(params.fan_out, params.fast_ms, params.p_slow, params.slow_ms, 15.0,
                                                            requests, 1)),
                lambda: tail_lab.function(params, 0), lambda result: {name: result.values[name] for name in names},
                noise=8 / math.sqrt(requests))


def _queue_race(customers: int) -> Race:
    from tools.calculators.queueing import Queue, queue

    params = Queue(arrival_rps=8, service_rps=1, servers=10)
    names = ("W_ms", "p99_ms", "p_wait")
    return Race(f"M/M/10, exact beside {customers:,} customers in simpy",
                lambda: _named(names, tool_peers.simpy_queue(params.arrival_rps, params.service_rps, params.servers, customers, 1)),
                lambda: queue.function(params, 0), lambda result: {name: result.values[name] for name in names},
                noise=20 / math.sqrt(customers))


def _named(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))
