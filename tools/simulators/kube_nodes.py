"""Nodes and pods as kube-scheduler sees them: written form, filters, scores. Knows nothing about the order of pods."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from tools.base import ToolError
from tools.calculators.kube_scores import MAX_SCORE

_TAINT = re.compile(r"^(?P<key>[\w./-]+)(?:=(?P<value>[\w.-]*))?:(?P<effect>NoSchedule|PreferNoSchedule|NoExecute)$")
_NUMBERS = {"cpu": 1000.0, "req_cpu": 1000.0, "mem": 1024.0, "req_mem": 1024.0}
_MOST_NODES = 100
_HOSTNAME_SKEW, _ZONE_SKEW = 3, 5
"""maxSkew of kube-scheduler's built-in soft constraints by host and by zone."""


@dataclass
class Node:
    """Millicores and MiB. `usage` is the measured share of CPU, which no filter or score looks at."""

    name: str
    zone: str = ""
    cpu: int = 4_000
    mem: int = 16_384
    req_cpu: int = 0
    req_mem: int = 0
    pods: int = 0
    max_pods: int = 110
    usage: float | None = None
    taints: list[tuple[str, str, str]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    cordoned: bool = False
    ours: int = 0


@dataclass(frozen=True)
class Pod:
    """One of a set of like pods; `spread` is the hard maxSkew by zone (0: none)."""

    cpu: int
    mem: int
    tolerations: frozenset[str] = frozenset()
    selector: tuple[tuple[str, str], ...] = ()
    preference: tuple[tuple[str, str], ...] = ()
    spread: int = 0
    alone: bool = False


@dataclass(frozen=True)
class Weights:
    """Of the score plugins; the defaults are kube-scheduler's."""

    fit: int = 1
    balanced: int = 1
    affinity: int = 2
    taint: int = 3
    spread: int = 2
    packing: bool = False


def parse_nodes(text: str) -> list[Node]:
    """`a zone=z1 cpu=4 mem=16 req_cpu=1 req_mem=2 usage=0.9 taint=gpu:NoSchedule label=disk:ssd x3; b ...`: cores and
    GiB, nodes apart by semicolons or lines, `x3` for three alike. Raises ToolError."""
    nodes: list[Node] = []
    for line in filter(None, (each.strip() for each in re.split(r"[;\n]", text))):
        name, *words = line.split()
        copies = 1
        if words and re.fullmatch(r"x\d{1,4}", words[-1]):
            copies = int(words.pop()[1:])
        if copies + len(nodes) > _MOST_NODES or copies < 1:
            raise ToolError(f"There are more than {_MOST_NODES} nodes (or none); give between 1 and {_MOST_NODES}.")
        names = [name] if copies == 1 else [f"{name}{number}" for number in range(1, copies + 1)]
        nodes += [_node(each, words) for each in names]
    if not nodes or len({node.name for node in nodes}) < len(nodes):
        raise ToolError("Node names must be there and differ; write nodes like \"a zone=z1 cpu=4 mem=16; b cpu=8\".")
    return nodes


def parse_pairs(text: str, what: str) -> tuple[tuple[str, str], ...]:
    """`disk=ssd,tier=web` as pairs. Raises ToolError."""
    pairs = []
    for word in filter(None, re.split(r"[,\s]+", text)):
        key, separator, value = word.replace(":", "=", 1).partition("=")
        if not key or not separator:
            raise ToolError(f"Can't read {word[:40]!r} in {what}; write it like disk=ssd.")
        pairs.append((key, value))
    return tuple(pairs)


def refusal(node: Node, pod: Pod, skew: dict[str, int]) -> str:
    """Why this node is filtered out, in kube-scheduler's words; empty when it fits. `skew` is the number of like pods
    by zone, over the zones that count."""
    if node.cordoned:
        return "node(s) were unschedulable"
    for key, value, effect in node.taints:
        if effect != "PreferNoSchedule" and not _tolerated(pod, key, value, effect):
            return f"node(s) had untolerated taint {{{key}: {value}}}"
    if not _matches(node, pod.selector):
        return "node(s) didn't match Pod's node affinity/selector"
    lacking = [name for name, short in (("Too many pods", node.pods + 1 > node.max_pods),
                                        ("Insufficient cpu", pod.cpu > node.cpu - node.req_cpu),
                                        ("Insufficient memory", pod.mem > node.mem - node.req_mem)) if short]
    if lacking:
        return ", ".join(lacking)
    if pod.spread:
        if not node.zone:
            return "node(s) didn't match pod topology spread constraints (missing required label)"
        if skew[node.zone] + 1 - min(skew.values()) > pod.spread:
            return "node(s) didn't match pod topology spread constraints"
    return "node(s) didn't match pod anti-affinity rules" if pod.alone and node.ours else ""


def zone_counts(nodes: list[Node], pod: Pod) -> dict[str, int]:
    """Like pods by zone, over nodes that the pod's selector admits (taints don't count, as by default)."""
    counts: dict[str, int] = {}
    for node in nodes:
        if node.zone and _matches(node, pod.selector):
            counts[node.zone] = counts.get(node.zone, 0) + node.ours
    return counts


def scores(nodes: list[Node], pod: Pod, weights: Weights) -> list[dict[str, int]]:
    """Each feasible node's plugin scores (0 to 100, whole numbers) and their weighted total."""
    affinity = [sum(node.labels.get(key) == value for key, value in pod.preference) for node in nodes]
    avoid = [sum(effect == "PreferNoSchedule" and not _tolerated(pod, key, value, effect)
                 for key, value, effect in node.taints) for node in nodes]
    spread = _spread(nodes)
    rows = []
    for index, node in enumerate(nodes):
        asked = ((node.req_cpu + pod.cpu, node.cpu), (node.req_mem + pod.mem, node.mem))
        free = [(size - want) * MAX_SCORE // size for want, size in asked]
        full = [want * MAX_SCORE // size for want, size in asked]
        first, second = (want / size for want, size in asked)
        row = {"fit": sum(full if weights.packing else free) // 2,
               "balanced": int((1 - abs(first - second) / 2) * MAX_SCORE) if pod.cpu or pod.mem else 0,
               "affinity": affinity[index] * MAX_SCORE // max(affinity) if max(affinity) else 0,
               "taint": MAX_SCORE - avoid[index] * MAX_SCORE // max(avoid) if max(avoid) else MAX_SCORE,
               "spread": spread[index]}
        row["total"] = sum(getattr(weights, key) * value for key, value in row.items())
        rows.append(row)
    return rows


def _spread(nodes: list[Node]) -> list[int]:
    """The built-in soft spreading by host (maxSkew 3) and zone (maxSkew 5)."""
    zones: dict[str, int] = {}
    for node in nodes:
        zones[node.zone] = zones.get(node.zone, 0) + node.ours
    raw = [node.ours * math.log(len(nodes) + 2) + _HOSTNAME_SKEW - 1
           + (zones[node.zone] * math.log(len(zones) + 2) + _ZONE_SKEW - 1 if node.zone else 0) for node in nodes]
    rounded = [math.floor(value + 0.5) for value in raw]
    high, low = max(rounded), min(rounded)
    return [MAX_SCORE * (high + low - value) // high for value in rounded]


def _matches(node: Node, pairs: tuple[tuple[str, str], ...]) -> bool:
    return all(node.labels.get(key) == value for key, value in pairs)


def _tolerated(pod: Pod, key: str, value: str, effect: str) -> bool:
    """A toleration is `key`, `key=value`, `key:effect`, `key=value:effect`, or `*` for everything."""
    full = f"{key}={value}"
    return bool(pod.tolerations & {"*", key, full, f"{key}:{effect}", f"{full}:{effect}"})


def _node(name: str, words: list[str]) -> Node:
    node = Node(name)
    for word in words:
        key, _, value = word.partition("=")
        if key in _NUMBERS or key in ("pods", "max_pods", "usage"):
            try:
                number = float(value)
            except ValueError:
                number = -1.0
            if not 0 <= number <= 1e6 or (key in ("cpu", "mem") and number < 0.001):
                raise ToolError(f"Node {name}: {key} can't be {value[:20]!r}; give a number above 0 (cores or GiB).")
            if key == "usage":
                node.usage = number
            else:
                setattr(node, key, round(number * _NUMBERS.get(key, 1)))
        elif key == "taint" and (found := _TAINT.match(value)):
            node.taints.append((found["key"], found["value"] or "", found["effect"]))
        elif key == "label":
            node.labels.update(parse_pairs(value, f"the label of node {name}"))
        elif key == "zone":
            node.zone = node.labels["zone"] = value
        elif word == "cordoned":
            node.cordoned = True
        else:
            raise ToolError(f"Node {name}: can't read {word[:40]!r}; it takes zone, cpu, mem, req_cpu, req_mem, pods, "
                            "max_pods, usage, taint=key:NoSchedule, label=key:value and cordoned.")
    return node
