"""Checkpoint interval: what checkpoints and failures cost a long job, by formula and on a seeded failure stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.checkpoint_formulas import daly, waste_exact, waste_first_order, young

DAY_S = 86_400
MAX_SEGMENTS = 20_000
"""Intervals that one simulated point plays, so that a run stays quick."""
HOPELESS = 5.0
"""Beyond this many mean failure times an interval hardly ever completes; it isn't simulated."""


class CheckpointJob(Params):
    write_s: float = param(300.0, ge=0.1, le=86_400.0, unit="s",
                           words=["write", "to write", "checkpoint takes", "writing", "checkpoint write", "to save", "saving",
                                  "saving takes", "checkpoint costs", "a save", "checkpoints", "blocks training", "stalls training"])
    restart_s: float = param(0.0, ge=0.0, le=86_400.0, unit="s", words=["restart", "recovery", "to restart", "reload"])
    gpus: int = param(16_384, ge=1, le=1_000_000, unit="GPUs", words=["GPUs", "H100s", "devices", "accelerators"])
    mtbf_gpu_h: float = param(50_676.0, ge=1.0, le=1e7, unit="h",
                              words=["MTBF per GPU", "per GPU", "each GPU fails", "GPU MTBF", "a GPU fails every", "each fail every",
                                     "GPUs fails every", "GPU fails once every", "MTBF each", "GPU dies every"],
                              help="hours between failures of one GPU with its share of the host")
    mtbf_h: float | None = param(None, ge=0.01, le=1e7, unit="h",
                                 words=["MTBF", "job fails every", "mean time between failures", "a failure every", "dies every",
                                        "crashes every", "breaks every", "fail once every", "loses a node every",
                                        "failure comes every", "failures every"],
                                 help="hours between failures of the whole job; replaces GPUs and MTBF per GPU")
    interval_s: float | None = param(None, ge=1.0, le=1e7, unit="s",
                                     words=["interval", "checkpoint every", "one every", "save every", "saves every", "saved every"],
                                     help="seconds of work between checkpoints; the optimum if not given")
    async_stall_s: float | None = param(None, ge=0.0, le=86_400.0, unit="s",
                                        words=["async", "snapshot", "asynchronous", "only pauses", "stalls only"],
                                        help="asynchronous snapshots: seconds that training stops; writing goes on")
    run_days: float = param(54.0, ge=0.1, le=3_650.0, unit="days", words=["run", "days", "training run", "job lasts", "run of"])


@tool("checkpoint-interval", group="E", kind="simulator",
      words=["checkpoint interval", "how often to checkpoint", "checkpoint every", "MTBF", "Young", "Daly", "failures", "lost work",
             "goodput", "waste"],
      example={"write_s": 300, "gpus": 16384, "mtbf_gpu_h": 50676, "run_days": 54},
      cases=[
          Case({"write_s": 300, "mtbf_h": 24}, {"young_s": 7200, "daly_s": 7001.39}, rel=1e-6,
               source="Young; Daly 2006"),
          Case({"write_s": 300}, {"young_s": 2584.8, "daly_s": 2388.6, "mtbf_h": 3.093}, rel=2e-4,
               source="Llama 3: 419 interruptions in 54 days on 16,384 GPUs"),
          Case({"write_s": 300, "interval_s": 2584.8}, {"waste_first_order": 0.232}, abs=1e-3, source="sqrt(2C/M)"),
      ],
      asks=[
          Ask("A checkpoint takes 300 s to write and the MTBF of the job is 24 h. How often to checkpoint (Young)?",
              "young_s", 7200),
          Ask("16,384 GPUs with 50,676 h MTBF per GPU: how many hours between failures of the job?", "mtbf_h", 3.093),
          Ask("Writing takes 60 s and a failure every 6 hours: what is Daly's optimal interval?", "daly_s",
              daly(60.0, 6 * 3600.0)),
          Ask("With 1,000 GPUs that each fail every 50,000 hours, how many failures in a run of 30 days?",
              "failures_expected", 14.4),
          Ask("Young's interval for 2 min to save a checkpoint on 4,096 GPUs, MTBF per GPU 40,000 h?", "young_s",
              young(120.0, 40_000 * 3600 / 4096)),
      ])
def checkpoint_interval(p: CheckpointJob, seed: int) -> ToolResult:
    """Optimal time between checkpoints and the share of a job that checkpoints, lost work and restarts take.

    The job fails when any GPU does, so its MTBF is a GPU's over their number. Young: sqrt(2CM). Daly adds two terms and
    subtracts C. First-order waste: C/tau + (tau/2 + R)/M; the exact one for exponential failures, which may also strike
    during a checkpoint or a restart, is 1 - tau/(M e^(R/M)(e^((tau+C)/M) - 1)). The simulated points play the run
    on a seeded stream of failures. With asynchronous snapshots C is only the stall, but a failure also loses the
    snapshot that is still being written: the restart grows by the writing time, and no interval is shorter than it.
    People get wrong: MTBF doesn't shrink with the number of GPUs (it is divided by it: 5.8 years a GPU are 3.1 hours
    for 16,384); asynchronous writing makes checkpoints free.
    Sources: Young 1974; Daly 2006; Llama 3, arXiv 2407.21783 (419 unexpected interruptions in 54 days).

    >>> checkpoint_interval(CheckpointJob(write_s=300, mtbf_h=24), 0).values["young_s"]
    7200.0
    """
    mtbf = (p.mtbf_h or p.mtbf_gpu_h / p.gpus) * 3600
    cost = p.write_s if p.async_stall_s is None else max(p.async_stall_s, 1e-3)
    restart = p.restart_s + (p.write_s if p.async_stall_s is not None else 0.0)
    floor = p.write_s if p.async_stall_s is not None else 0.0
    best_young, best_daly = max(young(cost, mtbf), floor), max(daly(cost, mtbf), floor)
    tau = p.interval_s or best_daly
    if tau < floor:
        raise ToolError(f"checkpoint-interval: interval_s is {tau:g}, but a snapshot takes {p.write_s:g} s to write; "
                        f"it must be at least that.")
    exact = waste_exact(cost, mtbf, tau, restart)
    lone = max(young(cost, (p.mtbf_h or p.mtbf_gpu_h) * 3600), floor)
    naive = waste_exact(cost, mtbf, lone, restart)
    grid = [best_daly * 2 ** (k / 4) for k in range(-16, 17) if best_daly * 2 ** (k / 4) >= floor]
    points = [each for each in (best_daly * 2**k for k in range(-3, 4)) if each >= floor and each < HOPELESS * mtbf]
    simulated = _simulate(p, [tau, *points], cost, mtbf, restart, seed)
    return ToolResult(
        tool="checkpoint-interval",
        values={"young_s": best_young, "daly_s": best_daly, "mtbf_h": mtbf / 3600, "interval_s": tau,
                "waste": exact, "waste_first_order": waste_first_order(cost, mtbf, tau, restart),
                "waste_simulated": simulated[0], "failures_expected": p.run_days * DAY_S / mtbf,
                "useful_days": p.run_days * (1 - exact)},
        units={"young_s": "s", "daly_s": "s", "mtbf_h": "h", "interval_s": "s", "waste": "fraction",
               "waste_first_order": "fraction", "waste_simulated": "fraction", "useful_days": "days"},
        naive={"interval_s": lone, "waste": naive, "mtbf_h": p.mtbf_h or p.mtbf_gpu_h},
        summary=f"The job fails every {mtbf / 3600:.4g} h; checkpoint after {best_daly:.4g} s of work (Young: "
                f"{best_young:.4g} s). At {tau:.4g} s {exact:.1%} of the time is lost." + _gap(p, lone, naive),
        formula="M = M_gpu/n; Young sqrt(2CM); waste = C/tau + (tau/2 + R)/M",
        series={"interval_s": grid, "waste": [waste_exact(cost, mtbf, each, restart) for each in grid]},
        plot=_plot(grid, points, simulated[1:], cost, mtbf, restart, best_daly),
        assumptions=["failures are independent with exponential gaps; any one stops the whole job",
                     "the interval counts work, without the writing",
                     "restarts load the last checkpoint and can fail too"],
        warnings=_warnings(p, exact, cost, mtbf, tau),
    )


def intervals_played(p: CheckpointJob, tau: float, cost: float) -> int:
    """How many intervals of `tau` seconds a simulated point plays: as many as the run has, up to MAX_SEGMENTS."""
    return int(min(max(p.run_days * DAY_S / (tau + cost), 1), MAX_SEGMENTS))


def _simulate(p: CheckpointJob, taus: Sequence[float], cost: float, mtbf: float, restart: float,
              seed: int) -> list[float | None]:
    """Waste at each interval on drawn failures; None where an interval would hardly ever complete."""
    import numpy as np

    def one(rng: Any, tau: float) -> float | None:
        """Every attempt at an interval draws the time to the next failure (memoryless); a failed one adds what it took
        and starts again with a restart."""
        if restart + tau + cost >= HOPELESS * mtbf:
            return None
        segments = intervals_played(p, tau, cost)
        need = np.full(segments, tau + cost)
        spent, left = 0.0, segments
        while left:
            failure = rng.exponential(mtbf, left)
            spent += float(np.minimum(failure, need).sum())
            left = int((failure < need).sum())
            need = np.full(left, restart + tau + cost)
        return 1 - segments * tau / spent

    rng = np.random.default_rng(seed)
    return [one(rng, tau) for tau in taus]


def _plot(grid: list[float], points: list[float], simulated: list[float | None], cost: float, mtbf: float,
          restart: float,
          best: float) -> Plot:
    seen = [(x, y) for x, y in zip(points, simulated, strict=True) if y is not None]
    # Beyond all of the time an approximation says nothing.
    first = [(x, y) for x in grid if (y := waste_first_order(cost, mtbf, x, restart)) <= 1] or [(best, 1.0)]
    return Plot(
        title="Too many checkpoints waste time, too few lose work",
        x_label="work between checkpoints (s)",
        y_label="time wasted (fraction)",
        log_x=True, marks=[{"axis": "x", "at": best, "label": f"optimum (Daly): {best:,.0f} s"}], lines=[
            Line(label="exact", x=list(grid), y=[waste_exact(cost, mtbf, each, restart) for each in grid]),
            Line(label="first order (naive)", x=[x for x, _ in first], y=[y for _, y in first], dashed=True),
            Line(label="simulated failures", kind="scatter", x=[x for x, _ in seen], y=[y for _, y in seen])])


def _gap(p: CheckpointJob, lone: float, waste: float) -> str:
    if p.mtbf_h is not None or p.gpus == 1:
        return ""
    return f" With one GPU's MTBF one would checkpoint every {lone:.4g} s and lose {waste:.1%}."


def _warnings(p: CheckpointJob, exact: float, cost: float, mtbf: float, tau: float) -> list[str]:
    found = []
    if exact > 0.5:
        found.append("More than half of the time is lost: write faster or asynchronously, or keep spare nodes.")
    if cost > mtbf / 10:
        found.append("A checkpoint takes over a tenth of the time between failures: first-order formulas get rough.")
    if p.async_stall_s is not None:
        found.append("Asynchronous snapshots need memory for a copy, and a failure loses the one in flight.")
    if tau >= HOPELESS * mtbf:
        found.append("The interval is so long that it hardly ever completes; it wasn't simulated.")
    return found
