"""How kube-proxy picks a pod: probabilities, rules walked, pods that a few connections reach. Knows no requests."""

from __future__ import annotations

import math
from typing import Any, Literal

from tools.base import Ask, Case, ToolError, formula, param

Mode = Literal["iptables", "ipvs", "nftables"]

_PODS: dict[str, Any] = {"ge": 1, "le": 10**6, "unit": "replicas",
                         "words": ["pods", "endpoints", "backends", "replicas"]}
_CONNECTIONS: dict[str, Any] = {"ge": 0, "le": 10**9, "unit": "count", "words": ["connections", "channels", "clients"]}
_SERVICES: dict[str, Any] = {"ge": 1, "le": 10**6, "unit": "count", "words": ["services"]}
_MODE: dict[str, Any] = {"words": ["mode", "proxy mode"]}
_BY_HAND = "kube-proxy balances connections, not the requests inside them"


@formula("lb.l4_grpc_imbalance", words=["grpc", "http/2", "long-lived connections"], cases=[
    Case({"connections": 1, "pods": 10}, {"pods_used": 1}, source=_BY_HAND),
    Case({"connections": 3, "pods": 10}, {"pods_used": 3}, source=_BY_HAND + ": at most one pod a connection"),
    Case({"connections": 50, "pods": 10}, {"pods_used": 10}, source=_BY_HAND),
])
def l4_grpc_imbalance(
    connections: int = param(**_CONNECTIONS), pods: int = param(**_PODS),
) -> dict[str, Any]:
    """The most pods that long-lived connections (HTTP/2, gRPC) can reach through a layer 4 balancer: min(connections,
    pods).

    Every request of a connection goes to the pod that the connection was opened to. Random choice reaches fewer on
    average, n (1 - (1 - 1/n)**c), the second value."""
    return {"pods_used": min(connections, pods), "expected_pods_used": expected_pods_used(connections, pods)}


@formula("lb.expected_pods_used", words=["at least one connection", "pods get a connection", "pods used on average"], unit="replicas",
         cases=[
    Case({"connections": 1, "pods": 10}, {"result": 1.0}, rel=1e-12, source="n*(1 - (1 - 1/n)**c)"),
    Case({"connections": 10, "pods": 10}, {"result": 6.513216}, abs=1e-6, source="n*(1 - (1 - 1/n)**c)"),
], asks=[
    Ask("20 grpc connections over 8 pods through an L4 balancer: how many pods get at least one connection on "
        "average?", "result", 7.44633),
])
def expected_pods_used(connections: int = param(**_CONNECTIONS), pods: int = param(**_PODS)) -> float:
    """Pods that get at least one of c connections on average when each goes to a random pod: n (1 - (1 - 1/n)**c)."""
    if pods == 1:
        return float(min(connections, 1))
    return -pods * math.expm1(connections * math.log1p(-1 / pods))


@formula("lb.chance_of_idle_pod", words=["pod gets nothing", "idle pod"], unit="fraction", cases=[
    Case({"connections": 2, "pods": 2}, {"result": 0.5}, rel=1e-9, source="both connections to one pod"),
    Case({"connections": 10, "pods": 10}, {"result": 0.999637}, abs=1e-6, source="1 - 10!/10**10"),
], asks=[
    Ask("5 connections are spread at random over 3 pods: what is the chance that some pod stays idle?", "result", 0.382716),
])
def chance_of_idle_pod(
    connections: int = param(ge=0, le=100_000, unit="count", words=_CONNECTIONS["words"]),
    pods: int = param(ge=1, le=200, unit="replicas", words=_PODS["words"]),
) -> float:
    """Chance that some pod gets none of c randomly placed connections."""
    occupied = [1.0] + [0.0] * pods
    for _ in range(min(connections, 40 * pods)):  # further connections change the answer by less than 1e-15
        occupied = [0.0] + [(occupied[k] * k + occupied[k - 1] * (pods - k + 1)) / pods for k in range(1, pods + 1)]
    return 1 - occupied[pods]


@formula("lb.iptables_probabilities", words=["statistic module", "iptables probability"], cases=[
    Case({"pods": 5}, {"result": [0.2, 0.25, 1 / 3, 0.5, 1.0]}, rel=1e-9, source="kube-proxy: 1/(n - i) at rule i"),
])
def iptables_probabilities(
    pods: int = param(ge=1, le=10_000, unit="replicas", words=_PODS["words"]),
) -> list[float]:
    """Probabilities that kube-proxy writes into its chain of n endpoint rules, 1/n, 1/(n-1), ..., 1.

    A rule is only reached when those before it declined, so every pod ends up with the same share 1/n."""
    return [1 / (pods - index) for index in range(pods)]


@formula("lb.iptables_rule_probability", unit="fraction",
         words=["probability of the rule", "which probability", "probability in the rule"], cases=[
    Case({"pods": 5, "rule": 3}, {"result": 1 / 3}, rel=1e-9, source="kube-proxy: 1/(n - i), i counted from 0"),
    Case({"pods": 5, "rule": 5}, {"result": 1.0}, source="the last rule always matches"),
], asks=[
    Ask("Which probability does kube-proxy write into the fourth rule of a Service with 10 pods?", "result", 1 / 7, 1e-6),
])
def iptables_rule_probability(
    pods: int = param(ge=1, le=10_000, unit="replicas", words=_PODS["words"]),
    rule: int = param(ge=1, le=10_000, unit="count", words=["rule"], help="counted from 1"),
) -> float:
    """Probability in one of kube-proxy's n endpoint rules: 1/(n - rule + 1), as it is asked only if the rules before it declined."""
    if rule > pods:
        raise ToolError(f"lb.iptables_rule_probability: there are only {pods:,} rules, one a pod; rule {rule:,} doesn't exist.")
    return 1 / (pods - rule + 1)


@formula("lb.iptables_shares", cases=[
    Case({"probabilities": [0.2, 0.25, 1 / 3, 0.5, 1.0]}, {"result": [0.2] * 5}, rel=1e-9, source="chain rule"),
    Case({"probabilities": [0.2] * 5}, {"result": [0.2, 0.16, 0.128, 0.1024, 0.08192]}, rel=1e-9,
         source="equal probabilities aren't equal shares"),
])
def iptables_shares(
    probabilities: list[float] = param(min_length=1, max_length=10_000, words=["probabilities"]),
) -> list[float]:
    """Share of connections that each rule of a chain takes when it matches with its probability."""
    if min(probabilities) < 0 or max(probabilities) > 1:
        raise ToolError("lb.iptables_shares: every probability must lie between 0 and 1.")
    left, shares = 1.0, []
    for probability in probabilities:
        shares.append(left * probability)
        left *= 1 - probability
    return shares


@formula("lb.rules_walked", words=["rules walked"], unit="count", cases=[
    Case({"services": 5_000, "pods": 10, "mode": "iptables"}, {"result": 2506.0}, source="(5000+1)/2 + (10+1)/2"),
    Case({"services": 5_000, "pods": 10, "mode": "nftables"}, {"result": 2.0}, source="two map look-ups"),
    Case({"services": 5_000, "pods": 10, "mode": "ipvs"}, {"result": 2.0}, source="hash look-up, then the scheduler"),
])
def rules_walked(
    services: int = param(**_SERVICES), pods: int = param(**_PODS), mode: Mode = param("iptables", **_MODE),
) -> float:
    """Rules that the first packet of a connection passes on average; later packets take the conntrack entry.

    iptables is a list: half of the services, then half of the endpoints. ipvs and nftables look up a hash."""
    return (services + 1) / 2 + (pods + 1) / 2 if mode == "iptables" else 2.0


@formula("lb.rules_worst", words=["rules in the worst case"], unit="count", cases=[
    Case({"services": 5_000, "pods": 10, "mode": "iptables"}, {"result": 5_010}, source="the last of both lists"),
])
def rules_worst(
    services: int = param(**_SERVICES), pods: int = param(**_PODS), mode: Mode = param("iptables", **_MODE),
) -> int:
    """Most rules that the first packet of a connection passes."""
    return services + pods if mode == "iptables" else 2


@formula("lb.rules_total", words=["iptables rules in total"], unit="count", cases=[
    Case({"services": 5_000, "pods": 10, "mode": "iptables"}, {"result": 155_000}, source="5000*(1 + 10 + 2*10)"),
    Case({"services": 5_000, "pods": 10, "mode": "ipvs"}, {"result": 55_000}, source="5000*(1 + 10)"),
])
def rules_total(
    services: int = param(**_SERVICES), pods: int = param(**_PODS), mode: Mode = param("iptables", **_MODE),
) -> int:
    """Rules (or table entries) on every node for services with this many pods each.

    iptables: a jump for a service, and a choice, a mark and a DNAT rule for an endpoint; else one entry for each."""
    return services * (1 + 3 * pods) if mode == "iptables" else services * (1 + pods)
