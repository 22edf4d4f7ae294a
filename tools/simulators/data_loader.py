"""Data loader: workers that prepare batches while the GPU computes, on a virtual clock. Reads no data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, formula, param, tool

MAX_BATCHES_PLOTTED = 400


@formula("loader.workers_needed", unit="workers", words=["how many workers", "loader workers needed", "loader workers",
                                                         "workers keep up", "num_workers"], cases=[
    Case({"load_ms": 800, "step_ms": 100}, {"result": 8}, source="800/100"),
    Case({"load_ms": 850, "step_ms": 100}, {"result": 9}, source="rounded up"),
], asks=[
    Ask("how many loader workers with 450 ms to prepare a batch and a 60 ms GPU step?", "result", 8),
    Ask("Decoding a batch takes 2 s of CPU time, the training step 150 ms. How many workers keep up?", "result", 14),
    Ask("the gpu finishes a step every 80 ms but loading a batch takes 500 ms. num_workers should be at least how many?",
        "result", 7),
])
def workers_needed(
    load_ms: float = param(ge=0.0, le=1e9, unit="ms", words=["load", "prepare a batch"]),
    step_ms: float = param(ge=1e-3, le=1e9, unit="ms", words=["step", "GPU step"]),
) -> int:
    """The fewest workers that keep up on average: a batch's preparation over the GPU's step, rounded up."""
    return max(1, math.ceil(load_ms / step_ms - 1e-12))


@formula("loader.idle_fraction", unit="fraction", words=["GPU idle", "waits for data", "wait for data", "GPU idle share"], cases=[
    Case({"load_ms": 800, "step_ms": 100, "workers": 4}, {"result": 0.5}, source="1 - 4*100/800"),
    Case({"load_ms": 800, "step_ms": 100, "workers": 8}, {"result": 0.0}, source="keeps up"),
    Case({"load_ms": 300, "step_ms": 100, "workers": 0}, {"result": 0.75}, source="serial: 300/(300 + 100)"),
], asks=[
    Ask("4 workers, no variation, 600 ms to load a batch and a step of 100 ms: which share of the time does the GPU idle, waiting "
        "for data?", "result", 1 - 400 / 600),
    Ask("Two workers need 500 ms each to prepare a batch while the GPU step takes 200 ms. What fraction of the time does the GPU "
        "wait for data?", "result", 0.2),
    Ask("i load data in the main process, 0 workers: 150 ms to prepare a batch, then a 350 ms gpu step. what share of the time is "
        "the gpu idle?", "result", 0.3),
])
def idle_fraction(
    load_ms: float = param(ge=0.0, le=1e9, unit="ms", words=["load", "prepare a batch"]),
    step_ms: float = param(ge=1e-3, le=1e9, unit="ms", words=["step", "GPU step"]),
    workers: int = param(ge=0, le=100_000, unit="workers", words=["workers"]),
) -> float:
    """Share of time that the GPU waits for data, without variation: 1 - workers*step/load; 0 workers load in series."""
    if workers == 0:
        return load_ms / (load_ms + step_ms)
    return max(0.0, 1 - workers * step_ms / load_ms) if load_ms else 0.0


@formula("loader.read_GBps", unit="GB/s", words=["read bandwidth", "storage must deliver", "must storage deliver",
                                                 "storage throughput", "have to read"], cases=[
    Case({"samples_per_s": 2500, "sample_bytes": 110000, "gpus": 8}, {"result": 2.2}, rel=1e-12, source="arithmetic"),
], asks=[
    Ask("read bandwidth for 8 GPUs at 3,000 images per second each, 120 KB an image, in GB/s?", "result", 8 * 3000 * 120e3 / 1e9),
    Ask("What must storage deliver in GB/s if 64 GPUs each take 500 samples per second and a sample has 2 MB?",
        "result", 64 * 500 * 2e6 / 1e9),
    Ask("16 gpus, every one eats 900 records per second of 400 kB. how many GB/s do i have to read?",
        "result", 16 * 900 * 400e3 / 1e9),
])
def read_GBps(
    samples_per_s: float = param(ge=0.0, le=1e9, unit="count", words=["samples per second", "images per second"]),
    sample_bytes: float = param(ge=0.0, le=1e12, unit="bytes", words=["sample", "image", "record"]),
    gpus: int = param(1, ge=1, le=1_000_000, unit="GPUs", words=["GPUs", "cards", "accelerators"]),
) -> float:
    """GB/s that storage must deliver so that every GPU gets its samples."""
    return samples_per_s * sample_bytes * gpus / 1e9


class Loader(Params):
    workers: int = param(8, ge=0, le=512, unit="workers", words=["workers", "loader workers", "processes"])
    load_ms: int = param(800, ge=1, le=600_000, unit="ms",
                         words=["to load", "load", "prepare", "decode", "loading a batch", "a batch takes", "preprocessing"])
    step_ms: int = param(100, ge=1, le=600_000, unit="ms", words=["GPU step", "step", "compute", "training step"])
    variation: float = param(0.5, ge=0.0, le=3.0, unit="fraction",
                             words=["variation", "coefficient of variation", "jitter"],
                             help="standard deviation over mean of a batch's preparation; 0 for none")
    prefetch: int = param(2, ge=1, le=64, unit="count", words=["prefetch", "prefetch factor"])
    batches: int = param(500, ge=10, le=20_000, unit="count", words=["batches", "steps"])
    usd_per_gpu_hour: float = param(2.0, ge=0.0, le=10_000.0, unit="USD", words=["per GPU-hour", "price", "$"])


@dataclass(frozen=True)
class Run:
    """Milliseconds: when each batch is ready, and when the GPU starts on it; the end of the last step."""

    ready: list[int]
    start: list[int]
    end: int


@tool("data-loader", group="E", kind="simulator",
      words=["data loader", "dataloader", "loader workers", "num_workers", "GPU idle", "input pipeline", "data loading",
             "GPU waits for data", "prefetch"],
      example={"workers": 8, "load_ms": 800, "step_ms": 100},
      cases=[
          Case({"workers": 4, "load_ms": 800, "step_ms": 100, "variation": 0, "batches": 20000}, {"idle_fraction": 0.5},
               abs=1e-3, source="1 - 4*100/800"),
          Case({"workers": 0, "load_ms": 300, "step_ms": 100, "variation": 0}, {"idle_fraction": 0.75}, rel=1e-12,
               source="serial loading"),
          Case({"workers": 8, "load_ms": 800, "step_ms": 100}, {"workers_needed": 8}, source="800/100"),
      ],
      asks=[
          Ask("Preparing a batch takes 800 ms to load and the GPU step 100 ms: how many workers do we need?",
              "workers_needed", 8),
          Ask("With no loader workers (0 workers), 300 ms to load, step of 100 ms and variation 0: which share is the "
              "GPU idle?", "idle_fraction", 0.75),
          Ask("4 workers, 800 ms to load a batch, 100 ms GPU step, variation 0: what GPU idle share?", "idle_fraction",
              0.5,
              0.03),
      ])
def data_loader(p: Loader, seed: int) -> ToolResult:
    """GPU time lost to waiting for data, by number of loader workers.

    Batch i belongs to worker i mod W, as in PyTorch's DataLoader; workers prepare batches in parallel, at most
    `prefetch` ahead each, and the GPU takes batches in order. Preparation times are log-normal, in whole
    milliseconds. Without workers, loading and computing alternate. The wait for the first batch counts.
    People get wrong: enough workers on average means no waiting (batches arrive in order, so one slow batch blocks
    those behind it; variation needs spare workers and a deeper prefetch); the GPU is slow when it is only starved.
    Sources: PyTorch DataLoader; closed form 1 - W*step/load for no variation.

    >>> data_loader(Loader(workers=0, load_ms=300, step_ms=100, variation=0), 0).values["idle_fraction"]
    0.75
    """
    times = drawn_loads(p, seed)
    run = _run(p, p.workers, times)
    busy = p.batches * p.step_ms
    idle = 1 - busy / run.end
    mean = sum(times) / len(times)
    needed = max(1, math.ceil(p.load_ms / p.step_ms))
    naive = _average_idle(p, mean, p.workers)
    counts = sorted({0, *(max(1, round(needed * each)) for each in (0.25, 0.5, 0.75, 1, 1.25, 1.5, 2)), p.workers})
    counts = [each for each in counts if each <= 512]
    curve = [1 - busy / _run(p, each, times).end for each in counts]
    return ToolResult(
        tool="data-loader",
        values={"idle_fraction": idle, "workers_needed": needed, "total_ms": run.end, "busy_ms": busy,
                "batches_per_s": p.batches / run.end * 1000, "wasted_usd_per_gpu_day": idle * 24 * p.usd_per_gpu_hour},
        units={"idle_fraction": "fraction", "workers_needed": "workers", "total_ms": "ms", "busy_ms": "ms",
               "batches_per_s": "batches/s", "wasted_usd_per_gpu_day": "USD/day"},
        naive={"idle_fraction": naive},
        summary=f"The GPU waits {idle:.1%} of the time with {p.workers} workers; average rates would say {naive:.1%}. "
                f"It takes {needed} workers to keep up on average.",
        formula="without variation: idle = 1 - W*step/load; workers = ceil(load/step)",
        series={"workers": list(counts), "idle_fraction": curve, "wait_ms": _waits(p, run)},
        plot=Plot(title="Enough workers on average still leave the GPU waiting",
                  x_label="workers (count)", y_label="GPU idle (fraction)", lines=[
            Line(label="simulated", x=list(counts), y=list(curve)),
            Line(label="by average rates (naive)", x=list(counts), y=[_average_idle(p, mean, each) for each in counts],
                 dashed=True)]),
        assumptions=["workers don't slow each other down (storage and CPUs suffice)", "the copy to the GPU overlaps"],
        warnings=["The workers can't keep up even on average."] if 0 < p.workers < needed else
        ["Loading and computing alternate without workers."] if p.workers == 0 else [],
    )


def drawn_loads(p: Loader, seed: int) -> list[int]:
    """Preparation of each batch in whole milliseconds, with the wanted mean and variation."""
    import numpy as np

    if p.variation == 0:
        return [p.load_ms] * p.batches
    sigma = math.sqrt(math.log1p(p.variation**2))
    drawn = np.random.default_rng(seed).lognormal(math.log(p.load_ms) - sigma**2 / 2, sigma, p.batches)
    return [max(1, int(each)) for each in np.rint(drawn)]


def _run(p: Loader, workers: int, times: list[int]) -> Run:
    """Plays the run: a worker starts batch i when it is done with batch i-W and batch i - W*prefetch has been taken."""
    ready: list[int] = []
    start: list[int] = []
    clock = 0
    for i, load in enumerate(times):
        if workers == 0:
            begin = clock
        else:
            begin = max(ready[i - workers] if i >= workers else 0,
                        start[i - workers * p.prefetch] if i >= workers * p.prefetch else 0)
        ready.append(begin + load)
        start.append(max(clock, ready[i]))
        clock = start[i] + p.step_ms
    return Run(ready, start, clock)


def _average_idle(p: Loader, mean_ms: float, workers: int) -> float:
    if workers == 0:
        return mean_ms / (mean_ms + p.step_ms)
    return max(0.0, 1 - workers * p.step_ms / mean_ms)


def _waits(p: Loader, run: Run) -> list[int]:
    """Milliseconds that the GPU waits before each of the first batches."""
    free = [0, *(each + p.step_ms for each in run.start)]
    return [begin - before for begin, before in zip(run.start, free, strict=False)][:MAX_BATCHES_PLOTTED]
