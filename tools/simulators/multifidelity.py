"""Schedulers that train configurations on growing budgets, on a virtual clock; knows no real model, only ranks."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

from tools.base import ToolError

RANDOM_SHARE = 1 / 3
"""BOHB draws this share of configurations at random."""


@dataclass(frozen=True)
class Setup:
    """What a race is about: budgets in units, time in milliseconds a unit, correlations between -1 and 1."""

    brackets: list[list[list[int | float]]]
    top: float
    eta: float
    workers: int
    unit_ms: int
    spread: float
    early: float
    resume: bool
    budget: float
    dims: int


@dataclass(frozen=True)
class Job:
    """One training run of a configuration up to a budget."""

    config: int
    level: float
    start_ms: int
    end_ms: int
    worker: int


@dataclass
class Race:
    """What happened: jobs, the quantile of each configuration's final loss, and the incumbent's after each job."""

    quantiles: list[float] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    incumbent: list[tuple[int, float]] = field(default_factory=list)
    spent: float = 0.0

    @property
    def makespan_ms(self) -> int:
        return max((each.end_ms for each in self.jobs), default=0)

    @property
    def regret(self) -> float:
        return self.incumbent[-1][1] if self.incumbent else 0.5

    @property
    def started_best(self) -> float:
        return min(self.quantiles, default=1.0)


class Landscape:
    """Configurations with a final loss and the losses that smaller budgets show.

    A configuration is a point of the unit cube; the share of the cube that is better than it, its quantile, is the
    cube of side twice its distance from the optimum (on a torus, hence exactly uniform). The loss at a smaller budget
    has a Gaussian copula with the final one: the correlation grows with the logarithm of the budget up to 1.
    """

    def __init__(self, setup: Setup, rng: Any) -> None:
        self.setup, self._rng = setup, rng
        self._optimum = rng.random(setup.dims)
        self._scores: list[tuple[float, float]] = []
        self.quantiles: list[float] = []
        self._low = min(each[0][1] for each in setup.brackets)

    def add(self, point: Any | None = None) -> int:
        """A new configuration, drawn at random unless a point is given."""
        where = self._rng.random(self.setup.dims) if point is None else point
        apart = abs(where - self._optimum)
        nearest = float(max(min(each, 1 - each) for each in apart))
        quantile = min(max((2 * nearest) ** self.setup.dims, 1e-12), 1 - 1e-12)
        self.quantiles.append(quantile)
        self._scores.append((NormalDist().inv_cdf(quantile), float(self._rng.standard_normal())))
        return len(self.quantiles) - 1

    def loss(self, config: int, level: float) -> float:
        """The loss that a configuration shows after training up to a budget."""
        final, own = self._scores[config]
        span = math.log(self.setup.top / self._low)
        share = math.log(level / self._low) / span if span else 1.0
        tie = min(1.0, self.setup.early + (1 - self.setup.early) * share)
        return tie * final + math.sqrt(max(0.0, 1 - tie * tie)) * own


class Clock:
    """Workers on a virtual clock: a job goes to the worker that is free first."""

    def __init__(self, setup: Setup, rng: Any) -> None:
        self._free = [(0, worker) for worker in range(setup.workers)]
        self._setup, self._rng = setup, rng

    def run(self, config: int, level: float, units: float, ready_ms: int = 0) -> Job:
        free, worker = heapq.heappop(self._free)
        spread = self._setup.spread
        factor = math.exp(spread * float(self._rng.standard_normal()) - spread**2 / 2)
        start = max(free, ready_ms)
        end = start + max(1, round(units * self._setup.unit_ms * factor))
        heapq.heappush(self._free, (end, worker))
        return Job(config, level, start, end, worker)

    @property
    def next_free_ms(self) -> int:
        return self._free[0][0]


def run(strategy: str, setup: Setup, seed: list[int]) -> Race:
    """Plays one race until the budget is spent. Strategies: hyperband, bohb, successive-halving, asha, random."""
    import numpy as np

    rng = np.random.default_rng(seed)
    land, clock = Landscape(setup, rng), Clock(setup, np.random.default_rng([*seed, 1]))
    race = Race(quantiles=land.quantiles)
    if strategy == "asha":
        _asha(setup, land, clock, race)
    elif strategy == "random":
        drawn = [land.add() for _ in range(max(1, int(setup.budget // setup.top)))]
        _rung(setup, land, clock, race, drawn, setup.top, 0, 0)
    else:
        _brackets(strategy, setup, land, clock, race, seed)
    _incumbents(land, race)
    return race


def _brackets(strategy: str, setup: Setup, land: Landscape, clock: Clock, race: Race, seed: list[int]) -> None:
    """Bracket after bracket, each rung waiting for its last job."""
    model = _Tpe(setup, seed) if strategy == "bohb" else None
    chosen = setup.brackets[:1] if strategy == "successive-halving" else setup.brackets
    for rungs in _cycle(chosen):
        cost = _cost(rungs, setup.resume)
        if race.jobs and race.spent + cost > setup.budget * (1 + 1e-9):
            return
        alive = [land.add(model.ask() if model else None) for _ in range(int(rungs[0][0]))]
        done, before = race.makespan_ms, 0.0
        for index, (_, level) in enumerate(rungs):
            done = _rung(setup, land, clock, race, alive, level, before if setup.resume else 0, done)
            keep = int(rungs[index + 1][0]) if index + 1 < len(rungs) else 0
            ranked = sorted(alive, key=lambda each: land.loss(each, level))
            if model:
                losses = [land.loss(each, level) for each in alive]
                model.tell(alive, level, losses, set(ranked[:keep]), level >= setup.top)
            alive, before = ranked[:keep], level


def _cycle(brackets: list[list[list[int | float]]]) -> Iterator[list[list[int | float]]]:
    while True:
        yield from brackets


def _rung(setup: Setup, land: Landscape, clock: Clock, race: Race, alive: list[int], level: float, before: float,
          ready_ms: int) -> int:
    """Trains all to the level; returns when the last has finished."""
    jobs = [clock.run(each, level, level - before, ready_ms) for each in alive]
    race.jobs.extend(jobs)
    race.spent += len(alive) * (level - before)
    return max(each.end_ms for each in jobs)


def _cost(rungs: list[list[int | float]], resume: bool) -> float:
    levels = [0.0, *(float(level) for _, level in rungs)]
    return math.fsum(count * (level - (levels[index] if resume else 0)) for index, (count, level) in enumerate(rungs))


def _asha(setup: Setup, land: Landscape, clock: Clock, race: Race) -> None:
    """Asynchronous successive halving: a free worker promotes if it can, else starts a new configuration."""
    levels = [float(level) for _, level in setup.brackets[0]]
    finished: list[list[tuple[float, int]]] = [[] for _ in levels]
    waiting: list[list[tuple[float, int]]] = [[] for _ in levels]
    running: list[tuple[int, int, int]] = []
    while race.spent < setup.budget:
        now = clock.next_free_ms
        while running and running[0][0] <= now:
            _, config, rung = heapq.heappop(running)
            scored = (land.loss(config, levels[rung]), config)
            insort(finished[rung], scored)
            heapq.heappush(waiting[rung], scored)
        config, rung = _promotion(finished, waiting, setup.eta) or (land.add(), 0)
        units = levels[rung] - (levels[rung - 1] if rung and setup.resume else 0)
        job = clock.run(config, levels[rung], units)
        race.jobs.append(job)
        race.spent += units
        heapq.heappush(running, (job.end_ms, config, rung))


def _promotion(finished: list[list[tuple[float, int]]], waiting: list[list[tuple[float, int]]],
               eta: float) -> tuple[int, int] | None:
    """The best of those not yet promoted, of the highest rung where it is in the top 1/eta."""
    for rung in range(len(finished) - 2, -1, -1):
        if waiting[rung] and bisect_left(finished[rung], waiting[rung][0]) < int(len(finished[rung]) / eta):
            return heapq.heappop(waiting[rung])[1], rung + 1
    return None


def _incumbents(land: Landscape, race: Race) -> None:
    """After each job: the quantile of the configuration with the best loss at the largest budget reached so far."""
    best: tuple[float, float] | None = None
    for job in sorted(race.jobs, key=lambda each: (each.end_ms, each.config)):
        key = (-job.level, land.loss(job.config, job.level))
        if best is None or key < best:
            best = key
            race.incumbent.append((job.end_ms, land.quantiles[job.config]))


class _Tpe:
    """BOHB's model: optuna's TPE sampler, which ranks trials by the largest budget that they reached."""

    def __init__(self, setup: Setup, seed: list[int]) -> None:
        import numpy as np

        self._dims = setup.dims
        self._rng = np.random.default_rng([*seed, 2])
        self._study = open_study(int(self._rng.integers(2**31)))
        self._trials: list[Any] = []

    def ask(self) -> Any:
        import numpy as np

        if self._rng.random() < RANDOM_SHARE:
            self._study.enqueue_trial({f"x{each}": float(self._rng.random()) for each in range(self._dims)})
        trial = self._study.ask()
        self._trials.append(trial)
        return np.array([trial.suggest_float(f"x{each}", 0.0, 1.0) for each in range(self._dims)])

    def tell(self, configs: list[int], level: float, losses: list[float], kept: set[int], final: bool) -> None:
        from optuna.trial import TrialState

        for config, loss in zip(configs, losses, strict=True):
            trial = self._trials[config]
            trial.report(loss, max(1, round(level)))
            if final:
                self._study.tell(trial, loss)
            elif config not in kept:
                self._study.tell(trial, state=TrialState.PRUNED)


def open_study(seed: int, constant_liar: bool = True, startup: int = 10) -> Any:
    """A minimising optuna study in memory with the TPE sampler."""
    try:
        import optuna
    except ImportError:
        raise ToolError("TPE needs the package optuna, which isn't installed.") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=constant_liar, n_startup_trials=startup)
    return optuna.create_study(direction="minimize", sampler=sampler)


Measure = Callable[[Race], float]
"""A number of a race, for averages over races."""


def mean(races: list[Race], measure: Measure) -> float:
    return math.fsum(map(measure, races)) / len(races)
