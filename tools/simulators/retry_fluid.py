"""A server and its retrying clients as a fluid in steps of 100 ms. Knows queues, timeouts, budgets and a breaker, no
plot."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEP_MS = 100


@dataclass(frozen=True)
class World:
    """What is tried: rates per second, times in steps. `waits[i]` steps pass before try i+1; None switches a thing
    off."""

    load: Floats
    """First tries per step, one number for each step."""
    capacity: Floats
    """Calls that the server can finish per step."""
    tries: int
    timeout: int
    waits: NDArray[np.int64]
    jitter: bool
    queue_limit: float | None = None
    drop_expired: bool = False
    budget: float | None = None
    breaker_rate: float | None = None
    breaker_window: int = 100
    breaker_open: int = 100

    def without_retries(self) -> World:
        return replace(self, tries=1, waits=self.waits[:0], breaker_rate=None)


@dataclass
class Flow:
    """What came of it, per step (`offered` calls reach the server, `good` answers are in time) and in total."""

    offered: Floats
    good: Floats
    wasted: float = 0.0
    gave_up: float = 0.0
    fallback: float = 0.0
    pending: float = 0.0
    opened: int = 0
    open_steps: int = 0


@dataclass
class _Breaker:
    """Opens when the share of failures in the last `window` steps reaches `rate`; half-open lets 5% through."""

    rate: float
    window: int
    stay: int
    trial: int
    state: str = "closed"
    until: int = 0
    opened: int = 0
    seen: deque[tuple[float, float]] = field(default_factory=deque)
    failures: float = 0.0
    total: float = 0.0

    def share(self, now: int) -> float:
        """Share of calls that may pass at this step."""
        if self.state == "open" and now >= self.until:
            self._enter("half-open", now + self.trial)
        return {"closed": 1.0, "open": 0.0, "half-open": 0.05}[self.state]

    def observe(self, now: int, failed: float, good: float) -> None:
        self.seen.append((failed, failed + good))
        self.failures, self.total = self.failures + failed, self.total + failed + good
        if len(self.seen) > self.window:
            old = self.seen.popleft()
            self.failures, self.total = self.failures - old[0], self.total - old[1]
        bad = self.total > 1e-9 and self.failures >= self.rate * self.total
        if self.state == "closed" and bad and len(self.seen) >= min(self.window, self.trial):
            self.opened += 1
            self._enter("open", now + 1 + self.stay)
        elif self.state == "half-open" and now >= self.until:
            self.opened += bad
            self._enter("open" if bad else "closed", now + 1 + self.stay)

    def _enter(self, state: str, until: int) -> None:
        self.state, self.until, self.failures, self.total = state, until, 0.0, 0.0
        self.seen.clear()


@dataclass
class _Server:
    """Works off a queue in order. `size` calls came at each step, `left` wait still, `in_time` were answered in
    time."""

    size: list[float]
    left: list[float]
    in_time: list[float]
    head: int = 0
    queued: float = 0.0

    def work(self, world: World, now: int, flow: Flow) -> None:
        """One step: also calls whose client has given up cost work, unless they are dropped."""
        capacity = float(world.capacity[now])
        while self.head <= now and capacity > 0:
            at = self.head
            expired = now - at >= world.timeout
            free = expired and world.drop_expired
            step = self.left[at] if free else min(self.left[at], capacity)
            if not free:
                capacity -= step
                if expired:
                    flow.wasted += step
                else:
                    flow.good[now] += step
                    self.in_time[at] += step
            self.left[at] -= step
            self.queued -= step
            if self.left[at] > 1e-9:
                break
            self.head += 1


def run(world: World) -> Flow:
    """Plays every step: retries due and first tries arrive, some are refused, the server works off its queue in order,
    calls that weren't answered within the timeout fail and are tried again later. A call whose client has given up is
    still worked on, unless `drop_expired`."""
    steps, tries = len(world.load), world.tries
    flow = Flow(np.zeros(steps), np.zeros(steps))
    due = np.zeros((steps + int(world.waits.max(initial=0)) + 2, tries))
    slope, arrived = np.zeros_like(due), np.zeros((steps, tries))
    server = _Server([0.0] * steps, [0.0] * steps, [0.0] * steps)
    breaker = None if world.breaker_rate is None else _Breaker(
        world.breaker_rate, world.breaker_window, world.breaker_open, world.timeout + 1)
    rate, tokens = np.zeros(tries), 0.0
    for now in range(steps):
        rate = rate + slope[now] if world.jitter else rate
        batch = due[now] + np.maximum(rate, 0.0)
        batch[0] += world.load[now]
        tokens = _admit(world, now, batch, breaker, tokens, flow)
        total = float(batch.sum())
        flow.offered[now] = total
        room = total if world.queue_limit is None else max(
            0.0, world.queue_limit + float(world.capacity[now]) - server.queued)
        taken = 1.0 if total <= room else room / total
        failed = batch * (1 - taken)
        arrived[now] = batch * taken
        server.size[now] = server.left[now] = total * taken
        server.queued += total * taken
        server.work(world, now, flow)
        late = now - world.timeout + 1
        if late >= 0 and server.size[late] > 0:
            failed = failed + arrived[late] * max(0.0, 1 - server.in_time[late] / server.size[late])
        lost = float(failed.sum())
        if breaker is not None:
            breaker.observe(now, lost, float(flow.good[now]))
        if lost > 0:
            flow.gave_up += float(failed[-1])
            if tries > 1:
                _retry(world, now, failed[:-1], due, slope)
    flow.opened = breaker.opened if breaker is not None else 0
    unanswered = sum(server.size[i] - server.in_time[i] for i in range(max(0, steps - world.timeout + 1), steps))
    flow.pending = unanswered + float(due[steps:].sum()) + _still_due(world, rate, slope, steps)
    return flow


def _admit(world: World, now: int, batch: Floats, breaker: _Breaker | None, tokens: float, flow: Flow) -> float:
    """Takes from the batch what the breaker refuses and what the retry budget doesn't cover; the tokens that are
    left."""
    share = 1.0 if breaker is None else breaker.share(now)
    if share < 1:
        flow.open_steps += 1
        flow.fallback += float(batch.sum()) * (1 - share)
        batch *= share
    if world.budget is None or world.tries == 1:
        return tokens
    most = world.budget * float(world.load[now]) * 10_000 / STEP_MS  # saved up for ten seconds at most
    tokens = min(tokens + world.budget * float(batch[0]), most)
    again = float(batch[1:].sum())
    if again > tokens:
        flow.gave_up += again - tokens
        batch[1:] *= tokens / again
    return tokens - min(again, tokens)


def _retry(world: World, now: int, failed: Floats, due: Floats, slope: Floats) -> None:
    """Puts failed tries into the calendar: all at once after the wait, or evenly over it (full jitter)."""
    columns = np.arange(1, world.tries)
    waits = np.minimum(world.waits, len(due) - now - 2)
    if world.jitter:
        slope[now + 1, 1:] += failed / waits
        slope[now + 1 + waits, columns] -= failed / waits
    else:
        due[now + waits, columns] += failed


def _still_due(world: World, rate: Floats, slope: Floats, steps: int) -> float:
    total = 0.0
    if world.jitter:
        for change in slope[steps:]:
            rate = rate + change
            total += float(np.maximum(rate, 0.0).sum())
    return total


def waits_in_steps(attempts: int, layers: int, base_s: float, factor: float, cap_s: float) -> NDArray[np.int64]:
    """Waits between the attempts ** layers tries of nested layers that all use the same backoff, at least one step
    each.

    The innermost layer counts its retries; when it gives up, the next layer out waits for its own retry.

    >>> waits_in_steps(2, 2, 0.1, 2, 60).tolist(), waits_in_steps(4, 1, 0.1, 2, 60).tolist()
    ([1, 1, 1], [1, 2, 4])
    """
    waits = []
    for done in range(1, attempts**layers):
        while done % attempts == 0:
            done //= attempts
        waits.append(min(cap_s, base_s * factor ** (done % attempts - 1)))
    return np.maximum(1, np.round(np.array(waits) * 1000 / STEP_MS)).astype(np.int64)
