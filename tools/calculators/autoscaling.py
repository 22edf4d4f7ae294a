"""How many replicas the horizontal pod autoscaler wants, and how fast it may get there. Knows nothing about time."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

_SOURCE = "kubernetes.io, Horizontal Pod Autoscaling, algorithm details"
_CODE = "kubernetes/pkg/controller/podautoscaler"

_REPLICAS: dict[str, Any] = {"ge": 1, "le": 10**6, "unit": "replicas", "words": ["replicas", "pods", "running"]}
_METRIC: dict[str, Any] = {"ge": 0, "le": 1e9,
                           "words": ["metric", "usage", "utilisation", "utilization", "average", "requests per pod", "cpu", "run at", "at"]}
_TARGET: dict[str, Any] = {"ge": 1e-6, "le": 1e9, "words": ["target", "desired", "goal"]}
_TOLERANCE: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["tolerance"]}


@formula("k8s.hpa", unit="replicas", cases=[
    Case({"replicas": 4, "metric": 200, "target": 100}, {"result": 8}, source=_SOURCE),
    Case({"replicas": 3, "metric": 100, "target": 60}, {"result": 5}, source=_SOURCE),
    Case({"replicas": 50, "metric": 90, "target": 75}, {"result": 60}, source="kubernetes.io blog on HPA tolerance"),
])
def hpa(
    replicas: int = param(**_REPLICAS), metric: float = param(**_METRIC), target: float = param(**_TARGET),
) -> int:
    """Replicas that the HPA's formula asks for, ceil(replicas * metric / target), without tolerance or bounds.

    Exact on the decimal numbers given, so 10 * 0.3 / 0.1 is 30 and not 31."""
    return math.ceil(replicas * _exact(metric) / _exact(target))


@formula("k8s.hpa_tolerance", unit="replicas", words=["hpa tolerance"], cases=[
    Case({"replicas": 10, "ratio": 1.09, "tolerance": 0.1}, {"result": 10},
         source=_SOURCE + "; the bare formula gives 11"),
    Case({"replicas": 10, "ratio": 1.11, "tolerance": 0.1}, {"result": 12}, source=_SOURCE),
    Case({"replicas": 10, "ratio": 0.89, "tolerance": 0.1}, {"result": 9}, source=_SOURCE),
], asks=[
    Ask("5 replicas and a ratio of metric over target of 1.3: how many replicas by the HPA tolerance rule?", "result", 7),
])
def hpa_tolerance(
    replicas: int = param(**_REPLICAS), ratio: float = param(ge=0, le=1e9, words=["ratio", "metric over target"]),
    tolerance: float = param(0.1, **_TOLERANCE),
) -> int:
    """Replicas for a ratio of metric to target: unchanged while |ratio - 1| <= tolerance (0.1 by default)."""
    if abs(_exact(ratio) - 1) <= _exact(tolerance):
        return replicas
    return math.ceil(replicas * _exact(ratio))


@formula("k8s.hpa_bounded", unit="replicas", cases=[
    Case({"replicas": 4, "metric": 900, "target": 100, "min_replicas": 2, "max_replicas": 10}, {"result": 10},
         source=_SOURCE),
    Case({"replicas": 4, "metric": 1, "target": 100, "min_replicas": 2, "max_replicas": 10}, {"result": 2},
         source=_SOURCE),
])
def hpa_bounded(
    replicas: int = param(**_REPLICAS), metric: float = param(**_METRIC), target: float = param(**_TARGET),
    tolerance: float = param(0.1, **_TOLERANCE),
    min_replicas: int = param(1, ge=0, le=10**6, unit="count", words=["at least", "minimum", "min"]),
    max_replicas: int = param(10, ge=1, le=10**6, unit="count", words=["at most", "maximum", "max"]),
) -> int:
    """Replicas with tolerance and between minReplicas and maxReplicas."""
    if min_replicas > max_replicas:
        raise ToolError(f"min_replicas is {min_replicas}; it must be at most max_replicas ({max_replicas}).")
    ratio = _exact(metric) / _exact(target)
    wanted = replicas if abs(ratio - 1) <= _exact(tolerance) else math.ceil(replicas * ratio)
    return min(max(wanted, min_replicas), max_replicas)


@formula("k8s.hpa_metrics", unit="replicas", cases=[
    Case({"replicas": 4, "metrics": [200, 30], "targets": [100, 60], "tolerance": 0.1}, {"result": 8}, source=_SOURCE),
    Case({"replicas": 4, "metrics": [50, 30], "targets": [100, 60], "tolerance": 0.1}, {"result": 2}, source=_SOURCE),
])
def hpa_metrics(
    replicas: int = param(**_REPLICAS), metrics: list[float] = param(min_length=1, max_length=100, words=["metrics"]),
    targets: list[float] = param(min_length=1, max_length=100, words=["targets"]),
    tolerance: float = param(0.1, **_TOLERANCE),
) -> int:
    """Replicas when several metrics are watched: the largest that any of them asks for."""
    if len(metrics) != len(targets) or min(targets) <= 0 or min(metrics) < 0:
        raise ToolError("k8s.hpa_metrics: give as many metrics as targets, metrics from 0 and targets above 0.")
    answers: list[int] = [hpa_bounded(replicas, metric, target, tolerance, 0, 10**18)
                          for metric, target in zip(metrics, targets, strict=True)]
    return max(answers)


@formula("k8s.hpa_unready", words=["pods still starting", "not ready"], unit="replicas", cases=[
    Case({"ready": 4, "unready": 4, "metric": 200, "target": 100, "tolerance": 0.1}, {"result": 8},
         source=_CODE + ": pods that aren't ready count as 0% on the way up"),
    Case({"ready": 4, "unready": 2, "metric": 200, "target": 100, "tolerance": 0.1}, {"result": 8}, source=_CODE),
    Case({"ready": 4, "unready": 2, "metric": 50, "target": 100, "tolerance": 0.1}, {"result": 2}, source=_CODE),
])
def hpa_unready(
    ready: int = param(ge=1, le=10**6, unit="replicas", words=["ready"]),
    unready: int = param(0, ge=0, le=10**6, unit="replicas", words=["not ready", "starting"]),
    metric: float = param(**_METRIC), target: float = param(**_TARGET), tolerance: float = param(0.1, **_TOLERANCE),
) -> int:
    """Replicas while some pods are still starting: `metric` is the mean over ready pods.

    On the way up starting pods count as using nothing, so the same overload isn't answered twice; on the way down they
    are left out."""
    return desired(ready, unready, _exact(metric) / _exact(target), tolerance)


@formula("k8s.hpa_scale_up_limit", words=["scale up at most", "scale-up policy"], unit="replicas", cases=[
    Case({"replicas": 1, "percent": 100, "pods": 4}, {"result": 5}, source=_CODE + ": the larger policy wins"),
    Case({"replicas": 10, "percent": 100, "pods": 4}, {"result": 20}, source=_CODE),
])
def hpa_scale_up_limit(
    replicas: int = param(**_REPLICAS),
    percent: int = param(100, ge=0, le=100_000, words=["percent"]),
    pods: int = param(4, ge=0, le=10**6, unit="count", words=["pods per period"]),
) -> int:
    """Most replicas after one period (15 s by default) of scaling up: the larger of +percent and +pods."""
    return max(replicas + pods, math.ceil(Fraction(replicas * (100 + percent), 100)))


def desired(ready: int, unready: int, ratio: Fraction | float, tolerance: float) -> int:
    """The replica calculator's rule: `ratio` is the ready pods' mean metric over its target."""
    total, limit = ready + unready, _exact(tolerance)
    exact = ratio if isinstance(ratio, Fraction) else _exact(ratio)
    if unready and exact > 1:
        exact = exact * ready / total
        if exact <= 1 + limit:
            return total
        return max(math.ceil(exact * total), total)
    return total if abs(exact - 1) <= limit else math.ceil(exact * ready)


class HpaReplicas(Params):
    replicas: int = param(4, **_REPLICAS)
    metric: float = param(200.0, **_METRIC)
    target: float = param(100.0, **_TARGET)
    tolerance: float = param(0.1, **_TOLERANCE)
    min_replicas: int = param(1, ge=0, le=10**6, unit="count", words=["at least", "minReplicas", "minimum"])
    max_replicas: int = param(100, ge=1, le=10**6, unit="count", words=["at most", "maxReplicas", "maximum"])


@tool("hpa-replicas", group="J", example={"replicas": 10, "metric": 109, "target": 100},
      words=["hpa", "horizontal pod autoscaler", "autoscaler", "desired replicas", "scale to",
             "scale", "replicas wanted", "desired pods"],
      cases=[Case({"replicas": 4, "metric": 200, "target": 100}, {"replicas": 8}, source=_SOURCE),
             Case({"replicas": 3, "metric": 100, "target": 60}, {"replicas": 5}, source=_SOURCE),
             Case({"replicas": 10, "metric": 109, "target": 100}, {"replicas": 10, "without_tolerance": 11},
                  source=_SOURCE)],
      asks=[
          Ask("The HPA has 4 replicas with an average metric of 200 and a target of 100. How many replicas does it "
              "want?", "replicas", 8),
          Ask("3 pods run at 100% CPU and the HPA target is 60%: what will it scale to?", "replicas", 5),
          Ask("10 replicas, metric 109, target 100: does the autoscaler add one?", "replicas", 10),
          Ask("50 replicas at an average of 90% with a target of 75%: how many does the autoscaler ask for?",
              "replicas", 60),
          Ask("With maxReplicas 20, how many replicas does the HPA set for 8 pods at a usage of 500 and a target of "
              "100?", "replicas", 20),
          Ask("hpa: 6 pods at 90% cpu, target 50%. how many replicas?", "replicas", 11),
          Ask("replicas now 10, average cpu 54%, target 50% - to how many does the hpa scale?", "replicas", 10),
      ])
def hpa_replicas(p: HpaReplicas, seed: int) -> ToolResult:
    """Replicas that the horizontal pod autoscaler sets for one reading of a metric.

    desired = ceil(replicas * metric / target), but unchanged while metric/target is within `tolerance` of 1, and kept
    between the bounds. Metric and target are averages per pod in the same unit; for CPU they are shares of what the pod
    *requests*.
    People get wrong: the ceil of the bare formula: 10 pods at 109 for a target of 100 stay 10, not 11; and that it is
    instant: see the `hpa` simulator. Source: Kubernetes documentation, algorithm details.

    >>> hpa_replicas(HpaReplicas(replicas=10, metric=109, target=100), 0).values["replicas"]
    10
    """
    wanted = hpa_bounded(p.replicas, p.metric, p.target, p.tolerance, p.min_replicas, p.max_replicas)
    bare = hpa(p.replicas, p.metric, p.target)
    ratio = p.metric / p.target
    # Near the target, where tolerance tells; as far as the metric, up to three times.
    widest = min(3.0, max(1.5, ratio, 1 + 2 * p.tolerance))
    ratios = [widest * step / 300 for step in range(301)]
    return ToolResult(
        tool="hpa-replicas", values={"replicas": wanted, "without_tolerance": bare, "ratio": ratio},
        units={"replicas": "replicas", "without_tolerance": "replicas"}, naive={"replicas": bare},
        summary=f"The autoscaler goes from {p.replicas} to {wanted} replicas: the metric is {ratio:.3g} x its target"
        + (f" (within {p.tolerance:.0%}, so nothing changes)" if abs(ratio - 1) <= p.tolerance else "")
        + (f"; the bare formula gives {bare}." if bare != wanted else "."),
        formula="ceil(replicas * metric / target), unchanged if |metric/target - 1| <= tolerance, within min and max",
        plot=Plot(title=f"Within {p.tolerance:.0%} of the target the autoscaler stays at {p.replicas} replicas",
                  x_label="metric / target (ratio)", y_label="replicas (count)", lines=[
            Line(label="with tolerance and bounds", kind="step", x=list(ratios), y=[
                hpa_bounded(p.replicas, each, 1.0, p.tolerance, p.min_replicas, p.max_replicas) for each in ratios]),
            Line(label="bare formula (naive)", kind="step", dashed=True, x=list(ratios),
                 y=[hpa(p.replicas, each, 1.0) for each in ratios])],
                  marks=[{"axis": "x", "at": ratio, "label": f"this metric: {ratio:.3g}"}] if ratio <= widest else []),
        assumptions=["all pods are ready and report", "one metric (with several, the largest answer counts)"],
        warnings=["The answer is cut by min_replicas or max_replicas."] if wanted in (p.min_replicas, p.max_replicas)
        and wanted != bare else [],
    )


def _exact(number: float) -> Fraction:
    """The decimal number that was written, so that 1.1 - 1 is 0.1."""
    return Fraction(repr(float(number)))
