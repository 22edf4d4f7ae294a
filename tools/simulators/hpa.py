"""The horizontal pod autoscaler over a changing load, second by second. Knows no metric but load per pod."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.autoscaling import desired, hpa_scale_up_limit

_STEP = re.compile(r"^(?P<rps>\d+(?:\.\d+)?)\s*@\s*(?P<at>\d+(?:\.\d+)?)\s*(?P<unit>s|min|m|h|)$")
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}
_PERIOD_S = 15
"""Period of the default scaling policies."""


class Hpa(Params):
    replicas: int = param(4, ge=1, le=1_000, unit="replicas", words=["replicas", "pods", "starts with"])
    base_rps: float = param(200.0, ge=0, le=1e7, unit="rps", words=["base load", "from", "normal load"])
    peak_rps: float = param(1_000.0, ge=0, le=1e7, unit="rps", words=["peak", "to", "jumps to", "spike"])
    peak_at_s: int = param(60, ge=0, le=21_600, unit="s", words=["jumps at", "peak at", "after"])
    peak_for_s: int = param(900, ge=0, le=21_600, unit="s", words=["peak lasts", "spike of", "lasting"])
    trace: str = param("", max_length=10_000, words=["trace"], help="load steps instead: 200@0,1000@60s,300@20m")
    duration_s: int = param(1_800, ge=15, le=21_600, unit="s", words=["duration", "run for"])
    pod_rps: float = param(100.0, ge=0.001, le=1e6, unit="rps", words=["per pod", "each pod handles", "pod capacity"])
    target: float = param(0.6, ge=0.01, le=1.0, unit="fraction", words=["target", "utilisation", "target utilization"])
    metric: Literal["cpu", "requests"] = param(
        "cpu", words=["metric"], help="cpu can't show more than 100% of a pod; requests show all that arrives")
    tolerance: float = param(0.1, ge=0, le=1, unit="fraction", words=["tolerance"])
    sync_s: int = param(15, ge=5, le=600, unit="s", words=["sync", "sync period", "looks every"])
    metric_lag_s: int = param(30, ge=0, le=600, unit="s", words=["metric lag", "metrics are", "old", "scrape"])
    startup_s: int = param(45, ge=0, le=3_600, unit="s",
                           words=["start-up", "startup", "pods start in", "to start", "boot", "ready after"])
    stabilization_down_s: int = param(300, ge=0, le=3_600, unit="s",
                                      words=["stabilization", "stabilisation", "cool-down"])
    stabilization_up_s: int = param(0, ge=0, le=3_600, unit="s", words=["up stabilization"])
    up_percent: int = param(100, ge=0, le=10_000, words=["up percent"],
                            help="growth in 15 s, or up_pods if that is more")
    up_pods: int = param(4, ge=0, le=1_000, unit="count", words=["up pods"])
    min_replicas: int = param(2, ge=1, le=1_000, unit="count", words=["minReplicas", "minimum", "at least"])
    max_replicas: int = param(50, ge=1, le=1_000, unit="count", words=["maxReplicas", "maximum", "at most"])


@dataclass
class Pods:
    """When each pod is ready, in order."""

    ready_at: list[int]
    changes: list[tuple[int, int]] = field(default_factory=list)

    def ready(self, now: int) -> int:
        return bisect_right(self.ready_at, now)

    def scale(self, to: int, now: int, startup_s: int) -> None:
        """Adds pods that become ready later; removes those first that aren't ready."""
        self.changes.append((now, to - len(self.ready_at)))
        if to < len(self.ready_at):
            del self.ready_at[to:]
        else:
            self.ready_at += [now + startup_s] * (to - len(self.ready_at))

    def added(self, since: int) -> int:
        return sum(change for at, change in self.changes if at > since and change > 0)


@tool("hpa", group="J", kind="simulator", example={"peak_rps": 2000, "startup_s": 90},
      words=["hpa", "autoscaling", "autoscaler", "scale up", "scale-down", "stabilization window", "traffic spike",
             "overload", "load jumps", "pods start", "scale out"],
      cases=[
          Case({"peak_rps": 200}, {"overload_s": 0, "peak_replicas": 4, "lost_requests": 0.0},
               source="no change, no scaling"),
          Case({"replicas": 10, "base_rps": 654, "peak_rps": 654, "max_replicas": 50}, {"peak_replicas": 10},
               source="ratio 1.09 is within the tolerance"),
          Case({"metric": "requests", "base_rps": 240, "peak_rps": 480, "metric_lag_s": 0, "startup_s": 0},
               {"peak_replicas": 8, "first_scale_s": 15}, source="4 pods at 120% of 60% -> 8"),
      ],
      asks=[
          Ask("The load jumps from 240 to 480 rps, each pod handles 100 rps, the metric is requests per pod with a "
              "target of 60%. How many replicas does the HPA end up with at its peak?", "peak_replicas", 8),
          Ask("Load goes from 200 to 1,000 rps and pods need 45 s of startup: for how many seconds is the service "
              "overloaded?", "overload_s", 180),
          Ask("Pods start in 120 s and the load jumps from 200 to 1,000 rps. How long does the overload last?",
              "overload_s", 330),
      ])
def hpa(p: Hpa, seed: int) -> ToolResult:
    """Runs the horizontal pod autoscaler against a load that jumps, with old metrics, start-up time and stabilisation.

    Every `sync_s` it reads the mean utilisation as it was `metric_lag_s` ago, applies ceil(pods * ratio) with the
    tolerance, counts pods that didn't report yet as idle on the way up, takes the lowest wish of the up window and the
    highest of the down window, and obeys the policies (by default +100% or +4 pods in 15 s) and the bounds. A pod
    serves `pod_rps` once `startup_s` have passed.

    People get wrong:
    - The HPA is instant: metric age, sync period and start-up add up before the first new pod serves.
    - One step is enough: CPU can't show more than 100%, so a fivefold load looks like 1/target = 1.67 and the replicas
      climb in steps, each a start-up long. A metric of requests per pod shows the true ratio.
    - It follows the load down: it keeps the highest wish of the last five minutes.
    - It replaces headroom: what arrives before the pods are ready needs spare capacity, queues or shedding.

    Source: Kubernetes documentation (algorithm details, default behaviour). Left out: several metrics, missing metrics,
    cluster autoscaling when nodes are full.

    >>> hpa(Hpa(peak_rps=200), 0).values["peak_replicas"]
    4
    """
    if p.min_replicas > p.max_replicas:
        raise ToolError(f"hpa: min_replicas is {p.min_replicas}; it must lie between 1 and max_replicas "
                        f"({p.max_replicas}).")
    load = _load(p)
    rows = _run(p, load)
    change = next((at for at in range(1, p.duration_s) if load[at] != load[at - 1]), None)
    capacity = [ready * p.pod_rps for ready in rows["ready"]]
    lost = [max(0.0, load[at] - capacity[at]) for at in range(p.duration_s)]
    overload, later = sum(each > 1e-9 for each in lost), range(change or 0, p.duration_s)
    moved = next((at for at in later if rows["replicas"][at] != rows["replicas"][max(at - 1, 0)]), None)
    enough = next((at - later.start for at in later if capacity[at] >= load[at]), None)
    instant = [min(max(math.ceil(rps / p.pod_rps / p.target), p.min_replicas), p.max_replicas) for rps in load]
    values: dict[str, Any] = {
        "peak_replicas": max(rows["replicas"]), "final_replicas": rows["replicas"][-1], "overload_s": overload,
        "lost_requests": round(sum(lost), 6), "lost_fraction": sum(lost) / sum(load) if sum(load) else 0.0,
        "first_scale_s": None if moved is None or change is None else moved - change, "enough_after_s": enough,
        "scalings": sum(a != b for a, b in zip(rows["replicas"], rows["replicas"][1:], strict=False)),
        "replica_hours": sum(rows["replicas"]) / 3600}
    return ToolResult(
        tool="hpa", values=values, units={key: "s" for key in values if key.endswith("_s")} | {
            "peak_replicas": "replicas", "final_replicas": "replicas", "lost_requests": "requests"},
        naive={"overload_s": 0, "lost_requests": 0.0, "peak_replicas": max(instant),
               "replica_hours": sum(instant) / 3600},
        summary=f"Overloaded for {overload} s, {values['lost_requests']:,.0f} requests ({values['lost_fraction']:.1%}) "
        f"beyond capacity; replicas peak at {values['peak_replicas']}. "
        + (f"The first scaling comes {values['first_scale_s']} s after the load changes"
           + (f" and capacity suffices after {enough} s" if enough is not None else " and capacity never suffices")
           if values["first_scale_s"] is not None else "Nothing is scaled")
        + f"; an instant autoscaler would lose nothing with {max(instant)} replicas.",
        formula="every sync: ceil(pods * utilisation(t - lag) / target), then tolerance, windows, policies, bounds",
        series=_thin(rows | {"load_rps": load, "lost_rps": lost}),
        plot=_plot(p, load, rows["replicas"], capacity, instant),
        assumptions=["load spreads evenly over ready pods", "requests beyond capacity are lost, not queued",
                     "nodes have room for every pod"],
        warnings=["max_replicas is reached."] if max(rows["replicas"]) == p.max_replicas else [],
    )


def _load(p: Hpa) -> list[float]:
    """Requests a second, second by second. Raises ToolError on a trace that can't be read."""
    steps = [(0, p.base_rps), (p.peak_at_s, p.peak_rps), (p.peak_at_s + p.peak_for_s, p.base_rps)]
    if p.trace.strip():
        steps = []
        for piece in filter(None, (each.strip() for each in re.split(r"[,;\n]", p.trace))):
            found = _STEP.match(piece)
            if found is None:
                raise ToolError(f"hpa: can't read {piece[:40]!r} in the trace; write it like 200@0,1000@60s,300@20m.")
            steps.append((round(float(found["at"]) * _SECONDS[found["unit"]]), min(float(found["rps"]), 1e7)))
        steps.sort(key=lambda step: step[0])
    load, current, upcoming = [], 0.0, iter([*steps, (10**9, 0.0)])
    at, rps = next(upcoming)
    for second in range(p.duration_s):
        while at <= second:
            current = rps
            at, rps = next(upcoming)
        load.append(current)
    return load


def _run(p: Hpa, load: list[float]) -> dict[str, list[Any]]:
    pods = Pods([0] * min(max(p.replicas, p.min_replicas), p.max_replicas))
    usage: list[float] = []
    wishes: list[tuple[int, int]] = []
    rows: dict[str, list[Any]] = {"second": [], "replicas": [], "ready": [], "utilisation": []}
    for now in range(p.duration_s):
        if now and now % p.sync_s == 0 and now > p.metric_lag_s:
            seen, total = now - 1 - p.metric_lag_s, len(pods.ready_at)
            reporting = min(rows["ready"][seen], total)
            wish = desired(reporting, total - reporting, usage[seen] / p.target, p.tolerance)
            wish = min(max(wish, p.min_replicas), p.max_replicas)
            wishes = [each for each in wishes if each[0] > now - max(p.stabilization_up_s, p.stabilization_down_s)]
            wishes.append((now, wish))
            to = min(_stabilised(p, wishes, now, total), _ceiling(p, pods, now, total))
            if to != total:
                pods.scale(to, now, p.startup_s)
        ready = pods.ready(now)
        share = load[now] / (ready * p.pod_rps)
        usage.append(min(share, 1.0) if p.metric == "cpu" else share)
        for key, value in zip(rows, (now, len(pods.ready_at), ready, usage[-1]), strict=True):
            rows[key].append(value)
    return rows


def _stabilised(p: Hpa, wishes: list[tuple[int, int]], now: int, total: int) -> int:
    """The lowest wish of the up window and the highest of the down window decide."""
    up = min(wish for at, wish in wishes if at > now - p.stabilization_up_s or at == now)
    down = max(wish for at, wish in wishes if at > now - p.stabilization_down_s or at == now)
    return min(max(total, up), down)


def _ceiling(p: Hpa, pods: Pods, now: int, total: int) -> int:
    start = max(total - pods.added(now - _PERIOD_S), 1)
    limit: int = hpa_scale_up_limit(start, p.up_percent, p.up_pods)
    return max(total, limit)


def _thin(columns: dict[str, list[Any]], rows: int = 1_200) -> dict[str, list[Any]]:
    step = max(1, -(-len(columns["second"]) // rows))
    return {key: column[::step] for key, column in columns.items()}


def _plot(p: Hpa, load: list[float], replicas: list[int], capacity: list[float], instant: list[int]) -> Plot:
    asked, ideal = [each * p.pod_rps for each in replicas], [each * p.pod_rps for each in instant]
    thin = _thin({"second": list(range(p.duration_s)), "load": load, "capacity": capacity, "asked": asked,
                  "instant": ideal}, 600)
    labels = {"load": "load", "capacity": "capacity of ready pods", "asked": "capacity asked for",
              "instant": "instant autoscaler (naive)"}
    return Plot(title="Pods come after the load: the HPA isn't instant",
                x_label="time (s)", y_label=f"requests/s ({p.pod_rps:g} a replica)", lines=[
        Line(label=label, x=list(thin["second"]), y=thin[key], kind="step", dashed=key == "instant")
        for key, label in labels.items()])
