"""Loss scaling: log-normal gradients stored in 16 bits under no, static or dynamic scale; no model is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.number_formats import FORMATS, next_scale, smallest

MAX_DRAWS = 4_000_000


class LossScaling(Params):
    median_gradient: float = param(1e-7, ge=1e-30, le=1e4, unit="count",
                                   words=["median gradient", "median", "gradients around", "gradient of",
                                          "typical gradient"])
    spread_decades: float = param(1.0, ge=0.0, le=6.0, unit="count", words=["decades", "spread", "orders of magnitude"])
    dtype: Literal["fp16", "bf16", "fp32"] = param("fp16", words=["fp16", "bf16", "fp32", "precision", "dtype"])
    scaling: Literal["none", "static", "dynamic"] = param("dynamic", words=["scaling", "scaler", "static", "dynamic"])
    initial_scale: float = param(65_536.0, ge=1e-6, le=2.0**40, unit="count",
                                 words=["loss scale", "scale", "initial scale"])
    growth_factor: float = param(2.0, ge=1.01, le=16.0, unit="count", words=["growth factor", "grows by"])
    backoff_factor: float = param(0.5, ge=0.01, le=0.99, unit="fraction", words=["backoff", "backs off"])
    growth_interval: int = param(10, ge=1, le=100_000, unit="steps", words=["growth interval", "grows every"],
                                 help="PyTorch's default is 2,000")
    spike_probability: float = param(0.02, ge=0.0, le=1.0, unit="fraction", words=["spikes", "spike probability"])
    spike_factor: float = param(1_000.0, ge=1.0, le=1e9, unit="count", words=["spike factor", "times larger"])
    steps: int = param(200, ge=1, le=20_000, unit="steps", words=["steps"])
    gradients: int = param(500, ge=10, le=200_000, unit="count", words=["gradients a step", "gradients per step"])


@dataclass(frozen=True)
class Trace:
    """Scale before each step, skipped steps, and the share of applied gradients that became zero."""

    scales: list[float]
    skipped: list[int]
    underflow: float | None


@tool("loss-scaling", group="E", kind="simulator",
      words=["loss scaling", "loss scale", "GradScaler", "underflow", "fp16", "bf16", "mixed precision",
             "gradient underflow"],
      example={"median_gradient": 1e-8, "dtype": "fp16"},
      cases=[
          Case({"dtype": "fp16"}, {"smallest_value": 5.96e-8}, rel=1e-3, source="2^-24"),
          Case({"dtype": "bf16", "median_gradient": 1e-8}, {"underflow_unscaled": 0.0},
               source="bf16 has fp32's exponents"),
          Case({"median_gradient": 1e-8, "spread_decades": 1, "spike_probability": 0}, {"underflow_unscaled": 0.682},
               abs=0.005, source="normal distribution at half of 2^-24"),
      ],
      asks=[
          Ask("What is the smallest positive number in fp16?", "smallest_value", 5.9605e-8),
          Ask("Gradients have a median of 1e-8 and a spread of 1 decade: what share underflows in fp16 unscaled?",
              "underflow_unscaled", 0.682, 0.05),
          Ask("With a loss scale of 1024 in fp16, which is the smallest gradient that survives?", "smallest_kept",
              5.9605e-8 / 1024),
          Ask("What share of gradients with median 1e-8 underflows in bf16?", "underflow_unscaled", 0.0),
      ])
def loss_scaling(p: LossScaling, seed: int) -> ToolResult:
    """Gradient underflow in 16-bit formats and how dynamic loss scaling prevents it.

    Each step draws gradients from a log-normal; a few steps are spikes. They are multiplied by the scale, rounded
    to the format and divided again. A gradient below half the smallest subnormal becomes zero; one above the largest
    value overflows, and the step is skipped. The dynamic scale follows torch.amp.GradScaler: halved at an overflow,
    doubled after `growth_interval` good steps in a row.
    People get wrong: bf16 needs loss scaling (it has fp32's exponents, so nothing underflows; it lacks digits instead);
    a skipped step is an error (it is how the scaler finds the limit).
    Sources: Micikevicius et al., arXiv 1710.03740; PyTorch's GradScaler.

    >>> loss_scaling(LossScaling(dtype="bf16", median_gradient=1e-8), 0).values["underflow_unscaled"]
    0.0
    """
    if p.steps * p.gradients > MAX_DRAWS:
        raise ToolError(f"loss-scaling: steps * gradients is {p.steps * p.gradients}; it must be at most {MAX_DRAWS}.")
    drawn = _draw(p, seed)
    trace = _train(p, drawn)
    unscaled = _zeros(drawn, p.dtype)
    fp16 = _zeros(drawn, "fp16")
    low = smallest(p.dtype)
    lost = trace.underflow
    return ToolResult(
        tool="loss-scaling",
        values={"underflow_fraction": lost, "underflow_unscaled": unscaled, "skipped_steps": len(trace.skipped),
                "final_scale": trace.scales[-1], "smallest_value": low, "smallest_kept": low / trace.scales[0],
                "largest_value": FORMATS[p.dtype].largest},
        units={"underflow_fraction": "fraction", "underflow_unscaled": "fraction", "skipped_steps": "steps"},
        naive={"underflow_fraction": fp16},
        summary=_summary(p, trace, unscaled, fp16),
        formula="zero if |g| * scale < smallest subnormal / 2; infinite beyond the largest value",
        series={"step": list(range(len(trace.scales))), "scale": trace.scales, "skipped": trace.skipped},
        plot=_plot(p, drawn, trace.scales[-1]),
        assumptions=["gradients are log-normal and independent",
                     "only the stored gradient is rounded, not the arithmetic"],
        warnings=_warnings(p, trace),
    )


def _draw(p: LossScaling, seed: int) -> Any:
    """Gradient magnitudes, steps by gradients."""
    import numpy as np

    rng = np.random.default_rng(seed)
    size = p.median_gradient * 10 ** (p.spread_decades * rng.standard_normal((p.steps, p.gradients)))
    spike = rng.random(p.steps) < p.spike_probability
    return size * np.where(spike, p.spike_factor, 1.0)[:, None]


def _store(values: Any, dtype: str) -> Any:
    """Rounded to the format, to nearest even."""
    import numpy as np

    with np.errstate(over="ignore", under="ignore"):
        if dtype == "fp16":
            return values.astype(np.float16)
        single = values.astype(np.float32)
    if dtype == "fp32":
        return single
    bits = single.view(np.uint32)
    even = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (even & np.uint32(0xFFFF0000)).view(np.float32)


def _zeros(values: Any, dtype: str) -> float:
    return float((_store(values, dtype) == 0).mean())


def _train(p: LossScaling, drawn: Any) -> Trace:
    import numpy as np

    scale, good = (1.0, 0) if p.scaling == "none" else (p.initial_scale, 0)
    scales, skipped, zeros, applied = [], [], 0, 0
    for step, row in enumerate(drawn):
        scales.append(scale)
        kept = _store(row * scale, p.dtype)
        overflow = bool(np.isinf(kept).any())
        if overflow:
            skipped.append(step)
        else:
            zeros, applied = zeros + int((kept == 0).sum()), applied + row.size
        if p.scaling == "dynamic":
            scale, good = next_scale(scale, good, overflow, p.growth_factor, p.backoff_factor, p.growth_interval)
    return Trace(scales, skipped, zeros / applied if applied else None)


def _plot(p: LossScaling, drawn: Any, scale: float) -> Plot:
    """Share of gradients by power of two, as drawn and scaled."""
    import numpy as np

    exponents, counts = np.unique(np.floor(np.log2(drawn)).astype(int), return_counts=True)
    shift = round(float(np.log2(scale)))
    share = [float(each) / drawn.size for each in counts]
    form = FORMATS[p.dtype]
    return Plot(title=f"Loss scaling moves gradients into the range of {p.dtype}" if shift else f"Gradients and the range of {p.dtype}",
                x_label="magnitude (power of two)",
                y_label="share of gradients (fraction)", lines=[
                    Line(label="gradients as they are (naive)", x=[int(each) for each in exponents], y=list(share),
                         dashed=True),
                    Line(label=f"times 2^{shift}", x=[int(each) + shift for each in exponents], y=list(share))],
                marks=[{"axis": "x", "at": form.min_exponent - form.mantissa, "label": f"{p.dtype} smallest"},
                       {"axis": "x", "at": float(np.log2(form.largest)), "label": f"{p.dtype} largest"}])


def _summary(p: LossScaling, trace: Trace, unscaled: float, fp16: float) -> str:
    lost = "no step is applied" if trace.underflow is None else f"{trace.underflow:.2%} of the gradients become zero"
    text = f"In {p.dtype} with {p.scaling} scaling {lost}, and {len(trace.skipped)} of {p.steps} steps are skipped."
    if p.dtype == "fp16":
        return text + f" Without scaling {unscaled:.2%} would be lost."
    return text + f" {p.dtype} doesn't need a scale: unscaled it loses {unscaled:.2%}, fp16 would lose {fp16:.2%}."


def _warnings(p: LossScaling, trace: Trace) -> list[str]:
    found = []
    if trace.underflow is None:
        found.append("Every step overflowed: the scale is too large, or its growth too eager.")
    elif len(trace.skipped) > 0.1 * p.steps:
        found.append("More than a tenth of the steps is skipped: lower the scale or clip the spikes.")
    if p.dtype != "fp16" and p.scaling != "none":
        found.append(f"{p.dtype} has the exponent range of fp32; a loss scale only adds skipped steps and complexity.")
    return found
