"""The peers of the tools' speed rows: the `limits` library, plain Python loops, river and simpy. Knows none of our tools.

Each is written the way a person who knows the library well would write it, and does no more than its row compares.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simpy.events import ProcessGenerator

BEFORE_ALL = -(2**61)


def limits_decisions(strategy: str, limit: int, window_s: int, times_s: Sequence[float]) -> list[bool]:
    """One client's requests through a strategy class of `limits` with its in-memory storage, on the clock of the trace."""
    from unittest.mock import patch

    from limits import RateLimitItemPerSecond, strategies
    from limits.storage import memory

    class Storage(memory.MemoryStorage):
        def _MemoryStorage__schedule_expiry(self) -> None:
            """No thread cleans up beside the run, which also spares the peer that work."""

    now = 0.0
    with patch.object(memory, "time", SimpleNamespace(time=lambda: now)):
        storage = Storage()
        storage.timer.cancel()
        hit, item = getattr(strategies, strategy)(storage).hit, RateLimitItemPerSecond(limit, window_s)
        told = []
        for now in times_s:  # noqa: B007 - the clock reads it
            told.append(hit(item, "client"))
    return told


def plain_windows(times: Sequence[int], size: int, slide: int, bound: int, lateness: int) -> tuple[list[list[Any]], list[int]]:
    """Tumbling or sliding windows over events in order of arrival: [["fire" or "re", start, count]…] and the indices of the
    late ones. A dictionary of open windows, and a heap of those that the watermark has yet to fire or to drop."""
    rows: list[list[Any]] = []
    late: list[int] = []
    counts: dict[int, int] = {}
    waiting: list[int] = []
    fired: list[int] = []
    mark = BEFORE_ALL
    for index, at in enumerate(times):
        start, taken = at - at % slide, False
        while start > at - size:
            last = start + size - 1
            if last + lateness > mark:
                taken = True
                count = counts[start] = counts.get(start, 0) + 1
                if last <= mark:
                    rows.append(["re" if count > 1 else "fire", start, count])
                if count == 1:
                    heappush(waiting if last > mark else fired, start)
            start -= slide
        if not taken:
            late.append(index)
        if at - bound - 1 > mark:
            mark = at - bound - 1
            while waiting and waiting[0] + size - 1 <= mark:
                start = heappop(waiting)
                rows.append(["fire", start, counts[start]])
                heappush(fired, start)
            while fired and fired[0] + size - 1 + lateness <= mark:
                del counts[heappop(fired)]
    return rows, late


def plain_sessions(times: Sequence[int], gap: int, bound: int, lateness: int) -> tuple[list[list[Any]], list[int]]:
    """Sessions that merge while events are at most `gap` apart: [["fire" or "re", start, end, count]…] and the late indices.
    Few sessions are open at a time, so a list of them is enough."""
    rows: list[list[Any]] = []
    late: list[int] = []
    live: list[list[int]] = []  # start, end, count, whether a result has come out
    mark = BEFORE_ALL
    for index, at in enumerate(times):
        start, end, count, again = at, at + gap, 1, 0
        met = [each for each in live if each[0] <= end and each[1] >= at]
        for each in met:
            start, end, count, again = min(start, each[0]), max(end, each[1]), count + each[2], again | each[3]
        if end - 1 + lateness <= mark:
            late.append(index)
        else:
            if len(met) == 1:
                window = met[0]
            else:
                live = [each for each in live if each not in met] if met else live
                live.append(window := [])
            window[:] = start, end, count, again
            if end - 1 <= mark:
                rows.append(["re" if again else "fire", start, end, count])
                window[3] = 1
        if at - bound - 1 > mark:
            before, mark = mark, at - bound - 1
            for due in sorted((each for each in live if before < each[1] - 1 <= mark), key=lambda each: each[1]):
                rows.append(["re" if due[3] else "fire", *due[:3]])
                due[3] = 1
            live = [each for each in live if each[1] - 1 + lateness > mark]
    return rows, late


def plain_velocity(times: Sequence[int], window: int, lag: int, buckets: int) -> tuple[list[int], list[int], list[int]]:
    """A card's transactions in the window at each of them (itself included): exact, in buckets, and with those of the last
    `lag` ms missing. One deque each for what the exact and the late feature hold."""
    exact: list[int] = []
    bucketed: list[int] = []
    lagging: list[int] = []
    held: deque[int] = deque()
    on_the_way: deque[int] = deque()
    seen: deque[int] = deque()
    counters: dict[int, int] = {}
    width, total = -(-window // buckets), 0
    for at in times:
        while held and held[0] <= at - window:
            held.popleft()
        while on_the_way and on_the_way[0] <= at - lag:
            seen.append(on_the_way.popleft())
        while seen and seen[0] <= at - window:
            seen.popleft()
        held.append(at)
        on_the_way.append(at)
        here = at // width
        if here not in counters:
            counters[here] = 0
            for old in [each for each in counters if each <= here - buckets]:
                total -= counters.pop(old)
        counters[here] += 1
        total += 1
        exact.append(len(held))
        bucketed.append(min(total, len(held)))
        lagging.append(len(seen) + 1)
    return exact, bucketed, lagging


def river_detections(stream: Sequence[float], delta: float, clock: int) -> tuple[list[int], int, float]:
    """Where river's ADWIN reports a change, and its width and mean at the end, as in its documentation's example."""
    from river import drift

    adwin: Any = drift.ADWIN  # it ships no types
    detector, found = adwin(delta=delta, clock=clock), []
    for index, value in enumerate(stream):
        detector.update(value)
        if detector.drift_detected:
            found.append(index)
    return found, int(detector.width), float(detector.estimation)


def simpy_loader(loads: Sequence[int], workers: int, prefetch: int, step: int) -> int:
    """When a GPU is done that takes batches in order from workers which prepare every `workers`-th batch; ms."""
    import simpy

    env = simpy.Environment()
    ready = [env.event() for _ in loads]
    room = [simpy.Container(env, prefetch, prefetch) for _ in range(workers)]

    def worker(number: int) -> ProcessGenerator:
        for batch in range(number, len(loads), workers):
            yield room[number].get(1)
            yield env.timeout(loads[batch])
            ready[batch].succeed()

    def gpu() -> ProcessGenerator:
        for batch, load in enumerate(loads):
            if workers:
                yield ready[batch]
                room[batch % workers].put(1)
            else:
                yield env.timeout(load)
            yield env.timeout(step)

    for number in range(workers):
        env.process(worker(number))
    env.run(env.process(gpu()))
    return int(env.now)


def simpy_checkpoints(tau: float, cost: float, restart: float, mtbf: float, intervals: int, seed: int) -> float:
    """Share of time lost when a job of so many intervals meets exponential failures, also while it writes or restarts."""
    import simpy

    env, rng = simpy.Environment(), random.Random(seed)

    def job() -> ProcessGenerator:
        for _ in range(intervals):
            need = tau + cost
            while (failure := rng.expovariate(1 / mtbf)) < need:
                yield env.timeout(failure)
                need = restart + tau + cost
            yield env.timeout(need)

    env.run(env.process(job()))
    return 1 - intervals * tau / float(env.now)


def simpy_tail(fan_out: int, fast_ms: float, p_slow: float, slow_ms: float, delay_ms: float, requests: int, seed: int,
               ) -> tuple[float, float, float]:
    """Requests that wait for all their leaves, each hedged after `delay_ms`: median and p99 in ms, and the share that met a
    slow leaf."""
    import simpy

    env, rng = simpy.Environment(), random.Random(seed)
    took: list[float] = []
    slow: set[int] = set()

    def leaf(number: int) -> ProcessGenerator:
        latency = slow_ms if rng.random() < p_slow else rng.expovariate(1 / fast_ms)
        if latency >= slow_ms:
            slow.add(number)
        first = env.timeout(latency)
        yield first | env.timeout(delay_ms)
        if not first.processed:
            yield first | env.timeout(slow_ms if rng.random() < p_slow else rng.expovariate(1 / fast_ms))

    def client() -> ProcessGenerator:
        for number in range(requests):
            began = env.now
            yield env.all_of([env.process(leaf(number)) for _ in range(fan_out)])
            took.append(env.now - began)

    env.run(env.process(client()))
    took.sort()
    return took[math.ceil(0.5 * (requests - 1))], took[math.ceil(0.99 * (requests - 1))], len(slow) / requests


def simpy_queue(arrival_rps: float, service_rps: float, servers: int, customers: int, seed: int) -> tuple[float, float, float]:
    """M/M/c: mean and p99 of the time in the system in ms, and the share of customers that wait."""
    import simpy

    env, rng = simpy.Environment(), random.Random(seed)
    desk = simpy.Resource(env, servers)
    spent: list[float] = []
    waited = 0

    def customer() -> ProcessGenerator:
        nonlocal waited
        came = env.now
        with desk.request() as turn:
            yield turn
            waited += env.now > came
            yield env.timeout(rng.expovariate(service_rps))
        spent.append(env.now - came)

    def source() -> ProcessGenerator:
        for _ in range(customers):
            yield env.timeout(rng.expovariate(arrival_rps))
            env.process(customer())

    env.process(source())
    env.run()
    spent.sort()
    return sum(spent) / customers * 1_000, spent[math.ceil(0.99 * (customers - 1))] * 1_000, waited / customers
