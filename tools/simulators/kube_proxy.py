"""kube-proxy against a layer 7 balancer: who gets the requests of long-lived connections. Knows no latency."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, param, tool
from tools.calculators.service_routing import Mode, expected_pods_used, rules_total, rules_walked, rules_worst

_MOST_CHOICES, _MOST_ROUNDS = 2_000_000, 5_000


Ints = np.ndarray[Any, np.dtype[np.int64]]


class KubeProxy(Params):
    pods: int = param(10, ge=1, le=1_000, unit="replicas", words=["pods", "endpoints", "backends", "replicas"])
    added_pods: int = param(0, ge=0, le=1_000, unit="replicas", help="started after the connections were opened",
                            words=["added pods", "new pods", "scaled up by", "more pods"])
    protocol: Literal["http2", "http1-keepalive", "http1-close"] = param(
        "http2", words=["protocol"], help="http2 (gRPC) and keep-alive send many requests over one connection")
    clients: int = param(1, ge=1, le=10_000, unit="count", words=["clients", "callers", "client pods"])
    connections_per_client: int = param(1, ge=1, le=100, unit="count",
                                        words=["connections", "connections each", "channels", "pool size"])
    rps: float = param(1_000.0, ge=0.1, le=1e6, unit="rps", words=["requests per second", "load", "rps"])
    duration_s: float = param(60.0, ge=1, le=86_400, unit="s", words=["duration", "for", "during"])
    max_connection_age_s: float = param(0.0, ge=0, le=86_400, unit="s", help="0 means that connections never close",
                                        words=["max connection age", "reconnect every", "connection age"])
    mode: Mode = param("iptables", words=["mode", "proxy mode"])
    services: int = param(5_000, ge=1, le=200_000, unit="count", words=["services"])


@tool("kube-proxy-vs-l7", group="J", kind="simulator", example={"clients": 4, "connections_per_client": 2},
      words=["kube-proxy", "l7 load balancer", "layer 7", "layer 4", "grpc load balancing", "http/2", "keep-alive",
             "iptables", "ipvs", "nftables", "uneven load", "hot pod", "connection imbalance"],
      cases=[
          Case({"clients": 1, "connections_per_client": 1, "pods": 10}, {
              "pods_used": 1, "idle_pods": 9, "imbalance": 10.0, "l7_pods_used": 10}, rel=1e-9,
               source="one HTTP/2 connection goes to one pod"),
          Case({"mode": "ipvs", "clients": 4, "pods": 10}, {"pods_used": 4},
               source="ipvs takes connections round robin"),
          Case({"mode": "iptables", "services": 5_000, "pods": 10}, {"rules_walked": 2506.0, "rules_worst": 5_010},
               source="half of both lists"),
      ],
      asks=[
          Ask("One gRPC connection to a service with 10 pods: how many pods receive requests?", "pods_used", 1),
          Ask("How many of 10 pods stay idle behind kube-proxy when a single HTTP/2 connection carries everything?",
              "idle_pods", 9),
          Ask("kube-proxy in iptables mode with 5,000 services and 10 endpoints: how many rules does a new connection "
              "walk on average?", "rules_walked", 2506),
          Ask("10 clients each open one connection to 10 pods. How many pods are used on average?",
              "expected_pods_used", 6.5132),
          Ask("What is the worst number of iptables rules for 20,000 services with 50 pods?", "rules_worst", 20_050),
          Ask("kube-proxy iptables, 2,000 services, 20 pods each: how many rules does a new connection walk in the "
              "worst case?", "rules_worst", 2020),
      ])
def kube_proxy_vs_l7(p: KubeProxy, seed: int) -> ToolResult:
    """Sends requests through kube-proxy and through a layer 7 balancer and compares the load of each pod.

    kube-proxy chooses a pod when a connection opens (at random with iptables and nftables, in turn with ipvs) and every
    request of that connection goes there. A layer 7 balancer chooses for each request, here in turn. Clients send
    evenly over their connections; `max_connection_age_s` closes and reopens them; `added_pods` start after the first
    connections are open.

    People get wrong:
    - "The Service balances my requests": it balances connections. One HTTP/2 connection uses one pod of ten, and pods
      that the autoscaler adds get nothing until clients reconnect.
    - Ten connections reach ten pods: at random they reach 6.5.
    - iptables slows every packet: it walks its list once a connection; then conntrack answers.
    - "IPVS wins by connection tracking": it wins by hash look-up and uses conntrack too. IPVS mode is deprecated since
      Kubernetes 1.35; nftables (stable since 1.33) has the hash look-up as well.

    Cures: a layer 7 proxy or mesh, client-side balancing over a headless Service, or a maximum connection age.
    Sources: kube-proxy's rules (probabilities 1/n, 1/(n-1), ..., 1); Kubernetes release notes.

    >>> kube_proxy_vs_l7(KubeProxy(), 0).values["pods_used"]
    1
    """
    rng = np.random.default_rng(seed)
    every, requests = p.pods + p.added_pods, max(1, round(p.rps * p.duration_s))
    connections = p.clients * p.connections_per_client
    layer4 = _layer4(p, requests, connections, rng)
    layer7 = np.full(every, requests // every) + (np.arange(every) < requests % every)
    mean = requests / every
    used, imbalance = int((layer4 > 0).sum()), float(layer4.max() / mean)
    opened = requests if p.protocol == "http1-close" else connections * _rounds(p)
    expected = expected_pods_used(opened if p.protocol == "http1-close" else connections, p.pods)
    return ToolResult(
        tool="kube-proxy-vs-l7",
        values={"pods_used": used, "idle_pods": every - used, "imbalance": imbalance,
                "busiest_share": float(layer4.max() / requests), "l7_pods_used": int((layer7 > 0).sum()),
                "l7_imbalance": float(layer7.max() / mean), "expected_pods_used": expected, "connections": opened,
                "rules_walked": rules_walked(p.services, p.pods, p.mode),
                "rules_worst": rules_worst(p.services, p.pods, p.mode),
                "rules_total": rules_total(p.services, p.pods, p.mode)},
        units={"pods_used": "replicas", "idle_pods": "replicas", "busiest_share": "fraction", "rules_walked": "rules"},
        naive={"pods_used": every, "idle_pods": 0, "imbalance": 1.0},
        summary=f"Through kube-proxy {opened:,} connection{'s' if opened != 1 else ''} use {used} of {every} pods; the "
        f"busiest serves {layer4.max() / requests:.1%} of the requests, {imbalance:.3g} times the mean, where \"the "
        f"Service balances\" promises 1. A layer 7 balancer uses {int((layer7 > 0).sum())}. A new connection walks "
        f"{rules_walked(p.services, p.pods, p.mode):,.0f} rules in {p.mode} mode.",
        formula="pods used by c random connections: n (1 - (1 - 1/n)^c); rule i matches with 1/(n - i)",
        series={"pod": list(range(1, every + 1)), "kube_proxy": layer4.tolist(), "layer7": layer7.tolist()},
        plot=_plot(layer4, layer7, p.pods),
        assumptions=["clients send evenly over their connections", "every request costs the same",
                     "the layer 7 balancer takes pods in turn and knows added pods at once"],
        warnings=_warnings(p),
    )


def _layer4(p: KubeProxy, requests: int, connections: int, rng: np.random.Generator) -> Ints:
    """Requests by pod when each connection sticks to the pod it was opened to."""
    every = p.pods + p.added_pods
    if p.protocol == "http1-close":
        if p.mode == "ipvs":
            return np.full(every, requests // every) + (np.arange(every) < requests % every)
        return rng.multinomial(requests, np.full(every, 1 / every))
    rounds = min(_rounds(p), _MOST_ROUNDS, max(1, _MOST_CHOICES // connections))  # more would only even out further
    load = np.zeros(every, dtype=np.int64)
    start = 0
    for number in range(rounds):
        share = requests * (number + 1) // rounds - requests * number // rounds
        each = np.full(connections, share // connections) + (np.arange(connections) < share % connections)
        reachable = p.pods if number == 0 else every
        if p.mode == "ipvs":
            pods, start = (start + np.arange(connections)) % reachable, (start + connections) % reachable
        else:
            pods = rng.integers(reachable, size=connections)
        load += np.bincount(pods, each, every).astype(np.int64)
    return load


def _rounds(p: KubeProxy) -> int:
    """How often every connection is opened."""
    return max(1, math.ceil(p.duration_s / p.max_connection_age_s)) if p.max_connection_age_s else 1


def _warnings(p: KubeProxy) -> list[str]:
    said = []
    if p.mode == "ipvs":
        said.append("IPVS mode is deprecated since Kubernetes 1.35; nftables is its successor.")
    if p.added_pods and p.protocol != "http1-close" and _rounds(p) == 1:
        said.append("Added pods get nothing: no connection is ever reopened.")
    return said


def _plot(layer4: Ints, layer7: Ints, old: int) -> Plot:
    shown = min(len(layer4), 60)
    names: list[float | str] = [f"{index + 1}{'' if index < old else '+'}" for index in range(shown)]
    return Plot(title="kube-proxy balances connections, a layer 7 balancer requests", x_label="pod (+ added later)",
                y_label="requests (count)", lines=[
        Line(label="kube-proxy (layer 4)", x=names, y=layer4[:shown].tolist(), kind="bar"),
        Line(label="layer 7 balancer", x=names, y=layer7[:shown].tolist(), kind="bar"),
        Line(label="balanced (naive)", x=names, y=[float(layer4.sum() / len(layer4))] * shown, dashed=True)])
