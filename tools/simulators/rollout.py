"""A rolling update behind endpoints that lag: which requests meet a pod that isn't there. Knows rates, no requests."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

import numpy as np

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

Times = np.ndarray[Any, np.dtype[np.int64]]
_FOREVER = 2**60


@formula("k8s.rollout_errors", words=["requests refused", "failed requests of a rollout"], unit="requests", cases=[
    Case({"rps": 1000, "propagation_ms": 2000, "prestop_ms": 0}, {"result": 2000.0}, source="arithmetic"),
    Case({"rps": 1000, "propagation_ms": 2000, "prestop_ms": 5000}, {"result": 0.0}, source="arithmetic"),
], asks=[
    Ask("A rollout at a load of 2k rps, endpoints take 3 s of propagation and there is no preStop sleep: how many "
        "requests are refused?", "result", 6000),
])
def rollout_errors(
    rps: float = param(ge=0, le=1e9, unit="rps", words=["requests per second", "load"]),
    propagation_ms: float = param(ge=0, le=1e9, unit="ms", words=["propagation", "endpoints take"]),
    prestop_ms: float = param(0, ge=0, le=1e9, unit="ms", words=["preStop", "sleep"]),
) -> float:
    """Requests refused over a whole rolling update that replaces ready pods one for one: rps * (propagation - preStop).

    Each of R pods takes 1/R of the load and stops accepting that much before the last proxy learns of it, so the number
    of replicas cancels out."""
    return rps * max(0.0, propagation_ms - prestop_ms) / 1_000


@formula("k8s.rollout_duration_s", words=["rollout take", "rollout duration", "rolling update take"], unit="s", cases=[
    Case({"replicas": 10, "max_surge": 3, "startup_s": 20}, {"result": 80.0}, source="4 waves of 20 s"),
])
def rollout_duration_s(
    replicas: int = param(ge=1, le=10**6, unit="replicas", words=["replicas", "pods"]),
    max_surge: int = param(1, ge=1, le=10**6, unit="count", words=["maxSurge", "surge"]),
    startup_s: float = param(ge=0, le=86_400, unit="s", words=["startup", "ready after"]),
) -> float:
    """Time until every new pod is ready when max_surge pods start at a time and none may be unavailable."""
    return math.ceil(replicas / max_surge) * startup_s


class Rollout(Params):
    replicas: int = param(10, ge=1, le=500, unit="replicas", words=["replicas", "pods"])
    rps: float = param(1_000.0, ge=0, le=1e6, unit="rps", words=["requests per second", "load", "rps", "traffic"])
    max_surge: int = param(1, ge=0, le=500, unit="count", words=["maxSurge", "max surge", "surge"])
    max_unavailable: int = param(0, ge=0, le=500, unit="count", words=["maxUnavailable", "max unavailable"])
    startup_s: float = param(10.0, ge=0, le=3_600, unit="s",
                             words=["startup", "start-up", "ready after", "starts in", "to start"])
    readiness: Literal["probe", "none"] = param(
        "probe", words=["readiness"], help="none: a pod counts as ready as soon as its container runs")
    propagation_ms: int = param(2_000, ge=0, le=600_000, unit="ms", help="until every proxy follows the endpoints",
                                words=["propagation", "endpoints", "propagate", "proxies learn"])
    prestop_s: float = param(0.0, ge=0, le=3_600, unit="s", words=["preStop", "pre-stop", "sleep"])
    grace_s: float = param(30.0, ge=0, le=3_600, unit="s", words=["grace", "terminationGracePeriod", "grace period"])
    graceful: bool = param(True, words=["graceful", "drains"], help="finishes requests in flight after SIGTERM")
    request_ms: int = param(100, ge=0, le=600_000, unit="ms", words=["request takes", "latency", "request duration"])
    pod_rps: float = param(150.0, ge=0.001, le=1e6, unit="rps", words=["pod handles", "per pod", "capacity"])


@dataclass(frozen=True)
class Fleet:
    """One row a pod, in ms: when it was made, is ready, and is deleted. Old pods were ready long before 0."""

    created: Times
    ready: Times
    deleted: Times
    done_ms: int


@tool("rolling-update", group="J", kind="simulator", example={"prestop_s": 5, "rps": 5000},
      words=["rolling update", "rollout", "deployment", "readiness probe", "endpoints", "endpointslice", "5xx", "502",
             "preStop", "zero downtime", "graceful shutdown", "deploy", "pods replaced", "failed requests"],
      cases=[
          Case({}, {"failed_requests": 2000.0, "duration_s": 100.0}, rel=1e-9,
               source="rps * propagation; 10 waves of 10 s"),
          Case({"prestop_s": 5}, {"failed_requests": 0.0}, abs=1e-6, source="preStop outlasts the propagation"),
          Case({"readiness": "none", "propagation_ms": 0, "replicas": 1, "startup_s": 10},
               {"failed_requests": 10_000.0}, rel=1e-9, source="the only pod is routed 10 s before it serves"),
      ],
      asks=[
          Ask("A rolling update at 1,000 rps, endpoints need 2 s to propagate, no preStop: how many requests fail?",
              "failed_requests", 2_000),
          Ask("Same update with a preStop sleep of 5 s: how many requests fail?", "failed_requests", 0),
          Ask("A rollout at 5,000 rps with a propagation of 1,500 ms and a preStop of 1 s: how many requests get a 5xx "
              "error?", "failed_requests", 2_500),
          Ask("How long does a rollout of 20 replicas take with maxSurge 5 and pods that are ready after 30 s?",
              "duration_s", 120),
          Ask("rolling update of 12 pods at 2k rps with an endpoint propagation of 3 s and no preStop sleep: how "
              "many requests fail?", "failed_requests", 6000),
          Ask("How long does a rolling update of 12 replicas take with maxSurge 3 if pods are ready after 20 s?",
              "duration_s", 80),
      ])
def rolling_update(p: Rollout, seed: int) -> ToolResult:
    """Replays a Deployment's rolling update and counts requests that reach a pod which doesn't serve (yet or any more).

    The controller makes new pods within `max_surge` and deletes old ones as new ones get ready. A pod's readiness or
    deletion reaches the proxies `propagation_ms` later; deletion also starts `prestop_s` and then SIGTERM, after which
    the pod refuses connections, finishes what it has (if graceful) and is killed after `grace_s`. Load spreads evenly
    over routed pods; time is in whole milliseconds.

    People get wrong:
    - Ready implies routed, and deleted implies no longer routed: both wait for the endpoints to propagate. The errors
      of a rollout are rps * (propagation - preStop), however many replicas there are.
    - The readiness probe prevents errors: it covers the start; the end needs a preStop that outlasts the propagation.
    - A longer grace period drains: SIGTERM comes first; grace only bounds preStop and draining together.
    - No probe is neutral: the pod is ready at once and its whole start-up is errors.

    Source: Kubernetes documentation on pod termination and Deployments. Left out: load balancers outside the cluster
    (slower), client retries, terminating pods that proxies use as a last resort.

    >>> rolling_update(Rollout(), 0).values["failed_requests"]
    2000.0
    """
    if p.max_surge + p.max_unavailable == 0:
        raise ToolError("rolling-update: max_surge and max_unavailable are both 0, so nothing could move; one must be "
                        "at least 1.")
    fleet = _controller(p)
    flow = _flow(p, fleet)
    failed = flow["refused"] + flow["not_started"] + flow["nowhere"] + flow["in_flight"]
    total = p.rps * flow["span_s"]
    values = {"failed_requests": round(failed, 6), "failed_fraction": failed / total if total else 0.0,
              "refused_by_terminating": round(flow["refused"], 6), "sent_before_start": round(flow["not_started"], 6),
              "without_any_pod": round(flow["nowhere"], 6), "lost_in_flight": round(flow["in_flight"], 6),
              "duration_s": fleet.done_ms / 1_000, "fewest_routed": flow["fewest"], "peak_pod_rps": flow["peak"],
              "overload_s": flow["overload_s"]}
    return ToolResult(
        tool="rolling-update", values=values,
        units={key: "s" if key.endswith("_s") else "requests" for key in values if key != "failed_fraction"} | {
            "fewest_routed": "replicas", "peak_pod_rps": "requests/s"},
        naive={"failed_requests": 0.0},
        summary=f"The rollout takes {fleet.done_ms / 1_000:g} s and fails {failed:,.0f} requests: "
        f"{flow['refused']:,.0f} went to pods that had stopped, {flow['not_started'] + flow['nowhere']:,.0f} to pods "
        f"that didn't serve yet (or none), {flow['in_flight']:,.0f} were cut off. If ready meant routed it would be 0.",
        formula="one for one: failed = rps * max(0, propagation - preStop)",
        series=flow["series"], plot=_plot(p, fleet),
        assumptions=["every proxy changes propagation_ms after the API", "a pod serves startup_s after it was made",
                     "terminating pods don't count towards max_surge", "no client retries"],
        warnings=["prestop_s isn't shorter than grace_s: the pod is killed in its preStop."]
        if p.prestop_s >= p.grace_s else [],
    )


def _controller(p: Rollout) -> Fleet:
    """The Deployment controller: it acts at once whenever a new pod is ready."""
    startup = round(p.startup_s * 1_000)
    created, ready = [-_FOREVER] * p.replicas, [-_FOREVER] * p.replicas
    deleted = [_FOREVER] * p.replicas
    starting: list[int] = []
    now = gone = up = 0  # `up`: new pods that are ready
    while True:
        while starting and starting[0] <= now:
            heapq.heappop(starting)
            up += 1
        old = p.replicas - gone
        more = min(p.replicas - up - len(starting), p.replicas + p.max_surge - old - up - len(starting))
        for _ in range(more):
            created.append(now)
            ready.append(now + (startup if p.readiness == "probe" else 0))
            deleted.append(_FOREVER)
            heapq.heappush(starting, ready[-1])
        fewer = min(old, max(0, old + up - (p.replicas - p.max_unavailable)))
        deleted[gone:gone + fewer] = [now] * fewer
        gone += fewer
        if more <= 0 and fewer == 0:
            if not starting:
                return Fleet(np.array(created), np.array(ready), np.array(deleted), now)
            now = max(now, starting[0])


def _flow(p: Rollout, fleet: Fleet) -> dict[str, Any]:
    """Who gets which share of the load, between all moments at which something changes."""
    startup, prestop, grace = (round(each * 1_000) for each in (p.startup_s, p.prestop_s, p.grace_s))
    routed_from = np.minimum(fleet.ready + p.propagation_ms, _FOREVER)
    routed_to = np.minimum(fleet.deleted + p.propagation_ms, _FOREVER)
    serves_from = fleet.created + startup
    killed = np.minimum(fleet.deleted + grace, _FOREVER)
    closes = np.minimum(fleet.deleted + min(prestop, grace), _FOREVER)
    end = max(fleet.done_ms + max(p.propagation_ms, startup, grace) + 1, 1)
    moments = np.unique(np.clip(np.concatenate(
        [routed_from, routed_to, serves_from, killed, closes, np.array([0, end])]), 0, end))

    def covering(start: Times, stop: Times) -> Times:
        """Pods whose interval [start, stop) covers each stretch between two moments."""
        real = start < stop
        begun = np.searchsorted(np.sort(start[real]), moments[:-1], side="right")
        return np.asarray(begun - np.searchsorted(np.sort(stop[real]), moments[:-1], side="right"))

    routed = covering(routed_from, routed_to)
    refused = covering(np.maximum(routed_from, closes), routed_to)
    early = covering(routed_from, np.minimum(np.minimum(serves_from, closes), routed_to))
    lengths = np.diff(moments) / 1_000
    share = np.where(routed > 0, p.rps / np.maximum(routed, 1), 0.0)
    through = np.concatenate([[0.0], np.cumsum(share * lengths)])  # requests that a pod routed since 0 has got

    def between(start: Times, stop: Times) -> float:
        got = np.interp(np.clip(stop, 0, end), moments, through) - np.interp(np.clip(start, 0, end), moments, through)
        return float(np.maximum(got, 0.0).sum())

    cut = closes if not p.graceful else killed
    in_flight = between(np.maximum(np.maximum(cut - p.request_ms, routed_from), serves_from),
                        np.minimum(closes, routed_to))
    busy = np.where(routed > 0, share, 0.0)
    return {"refused": float((refused * share * lengths).sum()), "not_started": float((early * share * lengths).sum()),
            "nowhere": float((lengths * p.rps)[routed == 0].sum()), "in_flight": in_flight, "span_s": end / 1_000,
            "fewest": int(routed.min()), "peak": float(busy.max()),
            "overload_s": float(lengths[(busy > p.pod_rps) | (routed == 0)].sum()) if p.rps else 0.0,
            "series": {"time_s": (moments[:-1] / 1_000).tolist(), "routed": routed.tolist(),
                       "ready": covering(fleet.ready, fleet.deleted).tolist(),
                       "failing_rps": np.where(routed > 0, (refused + early) * share, p.rps).tolist()}}


def _plot(p: Rollout, fleet: Fleet) -> Plot:
    """Requests that no pod served, summed up over the rollout, as set and with other preStop times."""
    covering = p.propagation_ms / 1_000
    arms = {"as set": p.prestop_s} | {label: prestop for label, prestop in (
        ("without preStop", 0.0), (f"preStop of {covering:g} s", covering)) if prestop != p.prestop_s}
    lines = []
    for label, prestop in arms.items():
        flow = _flow(p.model_copy(update={"prestop_s": prestop}), fleet)
        moments = [*flow["series"]["time_s"], flow["span_s"]]
        steps = [rate * (end - at) for rate, at, end in zip(flow["series"]["failing_rps"], moments, moments[1:], strict=False)]
        lines.append(Line(label=label, x=moments, y=[round(each, 6) for each in accumulate([0.0, *steps])]))
    lines.append(Line(label="ready means routed (naive)", x=[0.0, moments[-1]], y=[0.0, 0.0], dashed=True))
    return Plot(title="Ready isn't routed: requests that fail during a rollout",
                x_label="time (s)", y_label="failed requests so far (count)", lines=lines)
