"""Pipeline schedule: plays GPipe, 1F1B and interleaved 1F1B on a virtual clock, knowing nothing of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

from pydantic import model_validator

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool

MAX_OPERATIONS = 60_000
MAX_BARS = 2_400


class Pipeline(Params):
    stages: int = param(4, ge=1, le=128, unit="stages", words=["stages", "pipeline stages", "devices", "pipeline", "pieces", "p"])
    microbatches: int = param(8, ge=1, le=4_096, unit="count", words=["microbatches", "micro-batches", "m"])
    chunks: int = param(1, ge=1, le=32, unit="chunks", words=["chunks", "interleaving", "virtual stages", "chunks per device", "v"],
                        help="model chunks a device, for the interleaved schedule")
    schedule: Literal["gpipe", "1f1b", "interleaved"] = param("1f1b",
                                                              words=["schedule", "GPipe", "1F1B", "interleaved"])
    forward_ms: int = param(10, ge=1, le=100_000, unit="ms", words=["forward", "forward pass"])
    backward_ms: int = param(20, ge=1, le=100_000, unit="ms", words=["backward", "backward pass"])
    transfer_ms: int = param(0, ge=0, le=100_000, unit="ms", words=["transfer", "send", "communication", "hop"])

    @model_validator(mode="after")
    def _schedule_of_chunks(self) -> Self:
        if self.schedule != "interleaved" and self.chunks > 1:
            raise ValueError(f"{self.chunks} chunks need schedule 'interleaved'")
        return self


class Op(NamedTuple):
    """One forward or backward of one micro-batch through one chunk of layers."""

    backward: bool
    micro: int
    chunk: int


@dataclass(frozen=True)
class Played:
    """Start and end of every operation in ticks (milliseconds times chunks); peak of stored chunks by device."""

    order: list[list[Op]]
    start: dict[tuple[int, Op], int]
    end: dict[tuple[int, Op], int]
    peak: list[int]


@tool("pipeline-schedule", group="E", kind="simulator",
      words=["pipeline", "bubble", "1F1B", "GPipe", "micro-batches", "interleaved", "pipeline parallel", "stages idle"],
      example={"stages": 4, "microbatches": 8, "schedule": "1f1b"},
      cases=[
          Case({"stages": 4, "microbatches": 8, "schedule": "gpipe"},
               {"makespan_ms": 330, "bubble_of_total": 3 / 11, "bubble_of_ideal": 0.375, "peak_in_flight": 8},
               rel=1e-12,
               source="GPipe (p-1)/(m+p-1)"),
          Case({"stages": 4, "microbatches": 8}, {"bubble_of_total": 3 / 11, "peak_in_flight": 4}, rel=1e-12,
               source="1F1B: the same bubble, fewer activations"),
          Case({"stages": 8, "microbatches": 32, "chunks": 4, "schedule": "interleaved"},
               {"bubble_of_ideal": 0.0546875},
               rel=1e-12, source="Megatron 2104.04473: (p-1)/(v*m)"),
      ],
      asks=[
          Ask("What share of the time is idle with 4 pipeline stages and 8 microbatches?", "bubble_of_total", 0.27273),
          Ask("Bubble of a pipeline of 8 stages fed with 32 microbatches?", "bubble_of_total", 0.17949),
          Ask("With 16 stages and 64 micro-batches, how large is the bubble against the ideal time?", "bubble_of_ideal",
              0.234375),
          Ask("How long does a step take on 4 stages with 8 microbatches, forward 10 ms and backward 20 ms?",
              "makespan_ms",
              330),
          Ask("GPipe schedule on 4 stages with 16 microbatches: how many microbatches' activations does a stage hold?",
              "peak_in_flight", 16),
      ])
def pipeline_schedule(p: Pipeline, seed: int) -> ToolResult:
    """Timeline of a pipeline-parallel step: bubble, step time and stored activations.

    Every device works through its list of operations in order; a forward waits for the stage before, a backward for the
    stage behind, plus the transfer. GPipe runs all forwards, then all backwards. 1F1B warms up with p-1-d forwards on
    device d, then alternates, so that at most p micro-batches are stored. The interleaved schedule gives each device
    `chunks` separate pieces of the model and fills the pipe with pieces, which divides the bubble by their number and
    stores (p-1)/v micro-batches more. Times are whole milliseconds for a device's share of the layers.
    People get wrong: (p-1)/m is idle time over *ideal* time (Megatron) and (p-1)/(m+p-1) is idle time over *total* time
    (GPipe); they describe one bubble, and the first can exceed 100%. 1F1B doesn't shrink the bubble, it saves memory.
    Sources: GPipe, arXiv 1811.06965; Narayanan et al., arXiv 2104.04473.

    >>> pipeline_schedule(Pipeline(stages=4, microbatches=1), 0).values["bubble_of_total"]
    0.75
    """
    _check(p)
    played = _play(p)
    v = _chunks(p)
    makespan = max(played.end.values()) / v
    ideal = p.microbatches * (p.forward_ms + p.backward_ms)
    of_total, of_ideal = 1 - ideal / makespan, makespan / ideal - 1
    closed = (p.stages - 1) / (v * p.microbatches + p.stages - 1)
    sharing = (p.stages - 1) / (v * p.microbatches)
    peaks = [each / v for each in played.peak]
    return ToolResult(
        tool="pipeline-schedule",
        values={"makespan_ms": makespan, "ideal_ms": ideal, "bubble_ms": makespan - ideal, "bubble_of_total": of_total,
                "bubble_of_ideal": of_ideal, "closed_form_of_total": closed, "peak_in_flight": max(peaks),
                "speedup": p.stages * ideal / makespan},
        units={"makespan_ms": "ms", "ideal_ms": "ms", "bubble_ms": "ms", "bubble_of_total": "fraction",
               "bubble_of_ideal": "fraction", "closed_form_of_total": "fraction", "peak_in_flight": "micro-batches"},
        naive={"bubble_of_total": sharing, "makespan_ms": ideal, "speedup": p.stages},
        summary=f"The step takes {makespan:.6g} ms, {of_total:.2%} of it idle ({of_ideal:.2%} of the ideal {ideal} "
                f"ms); a stage stores up to {max(peaks):.4g} micro-batches. Reading (p-1)/m as a share of the total "
                f"would say {sharing:.2%}.",
        formula="bubble/total = (p-1)/(v*m + p-1); bubble/ideal = (p-1)/(v*m)",
        series={"device": list(range(p.stages)), "peak_in_flight": peaks},
        plot=_gantt(p, played) if len(played.end) <= MAX_BARS else _curve(p),
        assumptions=["all stages take the same time; transfers overlap with other work",
                     "the optimizer step isn't drawn",
                     f"forward to backward is {p.forward_ms}:{p.backward_ms}"],
        warnings=_warnings(p, of_total, closed),
    )


def _chunks(p: Pipeline) -> int:
    return p.chunks if p.schedule == "interleaved" else 1


def _check(p: Pipeline) -> None:
    v = _chunks(p)
    if p.schedule == "interleaved" and p.microbatches % p.stages:
        raise ToolError(f"pipeline-schedule: the interleaved schedule needs microbatches ({p.microbatches}) to be a "
                        f"multiple of the {p.stages} stages.")
    operations = 2 * p.stages * p.microbatches * v
    if operations > MAX_OPERATIONS:
        raise ToolError(f"pipeline-schedule: 2 * stages * microbatches * chunks is {operations}; it must be at most "
                        f"{MAX_OPERATIONS}.")


def _order(p: Pipeline, device: int) -> list[Op]:
    """The fixed order in which a device does its work."""
    v, total = _chunks(p), p.microbatches * _chunks(p)
    forward = [_nth(p, k, v, False) for k in range(total)]
    backward = [_nth(p, k, v, True) for k in range(total)]
    if p.schedule == "gpipe":
        return forward + backward
    warm = p.stages - device - 1
    if p.schedule == "interleaved" and v > 1:
        warm = 2 * warm + (v - 1) * p.stages
    warm = min(warm, total)
    steady = [op for pair in zip(forward[warm:], backward, strict=False) for op in pair]
    return forward[:warm] + steady + backward[total - warm:]


def _nth(p: Pipeline, k: int, v: int, backward: bool) -> Op:
    """Megatron's order: p micro-batches through chunk 0, the same through chunk 1, …; backwards from the last chunk."""
    if v == 1:
        return Op(backward, k, 0)
    group, rest = divmod(k, p.stages * v)
    chunk, within = divmod(rest, p.stages)
    return Op(backward, group * p.stages + within, v - 1 - chunk if backward else chunk)


def _play(p: Pipeline) -> Played:
    """Runs every device's list; a device whose next operation still waits is taken up again when its input is there."""
    v = _chunks(p)
    order = [_order(p, device) for device in range(p.stages)]
    start: dict[tuple[int, Op], int] = {}
    end: dict[tuple[int, Op], int] = {}
    position, free = [0] * p.stages, [0] * p.stages
    ready = list(range(p.stages))
    while ready:
        device = ready.pop()
        while position[device] < len(order[device]):
            op = order[device][position[device]]
            source = _input(p, v, device, op)
            if source is not None and source not in end:
                break
            hop = p.transfer_ms * v if source is not None and source[0] != device else 0
            begin = max(free[device], end[source] + hop if source is not None else 0)
            start[device, op] = begin
            free[device] = end[device, op] = begin + (p.backward_ms if op.backward else p.forward_ms)
            position[device] += 1
            ready.extend({(device + 1) % p.stages, (device - 1) % p.stages} - {device})
    return Played(order, start, end, [_peak(each) for each in order])


def _input(p: Pipeline, v: int, device: int, op: Op) -> tuple[int, Op] | None:
    """The operation that this one waits for; stage number of chunk c on device d is c*p + d."""
    stage, last = op.chunk * p.stages + device, v * p.stages - 1
    if not op.backward:
        return None if stage == 0 else ((stage - 1) % p.stages, Op(False, op.micro, (stage - 1) // p.stages))
    if stage == last:
        return device, Op(False, op.micro, op.chunk)
    return (stage + 1) % p.stages, Op(True, op.micro, (stage + 1) // p.stages)


def _peak(order: list[Op]) -> int:
    held = peak = 0
    for op in order:
        held += -1 if op.backward else 1
        peak = max(peak, held)
    return peak


def _gantt(p: Pipeline, played: Played) -> Plot:
    v = _chunks(p)
    lines = []
    for label, backward in (("forward", False), ("backward", True)):
        keys = [key for key in played.end if key[1].backward == backward]
        rows = sorted((played.start[key] / v, key[0], played.end[key] / v, key[1].micro + 1) for key in keys)
        lines.append(Line(label=label, kind="gantt", x=[row[0] for row in rows], y=[row[1] for row in rows],
                          x2=[row[2] for row in rows], notes=[str(row[3]) for row in rows]))
    makespan, ideal = max(played.end.values()) / v, p.microbatches * (p.forward_ms + p.backward_ms)
    return Plot(title=f"{p.schedule}: {p.stages} stages, {p.microbatches} micro-batches, {1 - ideal / makespan:.1%} bubble",
                x_label="time (ms)", y_label="device", lines=lines,
                marks=[{"axis": "x", "at": ideal, "label": f"without a bubble (naive): {ideal:,.6g} ms"}])


def _curve(p: Pipeline) -> Plot:
    """Too many bars to draw: the bubble against the number of micro-batches instead."""
    counts, v = [p.stages * each for each in (1, 2, 4, 8, 16, 32)], _chunks(p)
    return Plot(title=f"More micro-batches shrink the bubble of {p.stages} stages",
                x_label="micro-batches (count)", y_label="bubble (fraction)", log_x=True,
                lines=[
        Line(label="of total time", x=list(counts), y=[(p.stages - 1) / (v * m + p.stages - 1) for m in counts]),
        Line(label="of ideal time", x=list(counts), y=[(p.stages - 1) / (v * m) for m in counts], dashed=True)])


def _warnings(p: Pipeline, of_total: float, closed: float) -> list[str]:
    found = []
    if of_total > 0.2:
        found.append(f"More than a fifth is idle: GPipe calls the bubble small from {4 * p.stages} micro-batches on.")
    if p.transfer_ms and of_total > closed + 1e-9:
        found.append(f"Transfers raise the idle share from the closed form's {closed:.2%}.")
    return found
