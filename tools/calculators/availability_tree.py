"""Availability of a tree of series, parallel and k-of-n groups and its costliest part; knows no time, only shares of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool

HOURS_PER_YEAR = 365 * 24
_MOST_PARTS = 400
_DEPTH = 30
_TOKEN = re.compile(
    r"\s*(?:(?P<k>\d+)\s*of\s*(?P<n>\d*)(?=\s*\()|(?P<times>\d+)\s*[x*×]\s*(?=[A-Za-z(\d])"
    r"|(?:beta|common[ _]cause)\s*[=:]?\s*(?P<beta>\d*\.?\d+\s?%?)|(?P<name>[A-Za-z][\w .\-/]*?)\s*[:=]\s*(?P<up>\d*\.?\d+\s?%?)"
    r"|(?P<kind>series|parallel)|(?P<bare>\d*\.?\d+\s?%?)|(?P<mark>[(),;]))", re.IGNORECASE)


@dataclass(frozen=True)
class Leaf:
    """A part with its own availability; all copies of one mention share a name."""

    name: str
    up: float


@dataclass(frozen=True)
class Group:
    """Children of which `needed` must work; a shock of probability `shock` takes all of them down at once."""

    children: tuple[Node, ...]
    needed: int
    shock: float


Node = Leaf | Group


class AvailabilityTree(Params):
    tree: str = param(
        "series(load balancer:99.99%, parallel(2 x web:99%, beta=0.1), 2of3(3 x database:99.5%))", min_length=3,
        max_length=4000, words=["tree", "system", "of"],
        help="name:availability, series(...), parallel(..., beta=0.1), 2of3(...), 3 x name:availability",
        pattern=r"(series|parallel|of\s*\d*|SERIES|PARALLEL)\s*\(|[:=]\s*\.?\d|^\s*\d*\.?\d+")
    common_cause: float = param(0.0, ge=0, le=0.5, unit="fraction", words=["common cause", "beta", "correlated"],
                                help="for each redundant group that names no beta of its own")


@tool("availability-tree", group="A",
      words=["availability of", "series(", "parallel(", "of3(", "critical part", "weakest part", "dependency tree",
             "which component", "composed availability"],
      example={"tree": "series(lb:99.99%, parallel(2 x web:99%, beta=0.1), 2of3(3 x db:99.5%))"},
      cases=[
          Case({"tree": "series(5 x api:99.9%)"}, {"availability": 0.99501}, rel=1e-6, source="arithmetic"),
          Case({"tree": "series(30 x dependency:0.9999)"}, {"availability": 0.9999**30}, rel=1e-9, source="arithmetic"),
          Case({"tree": "parallel(a:0.99, b:0.99)"}, {"availability": 0.9999}, rel=1e-9, source="independent failures"),
          Case({"tree": "parallel(2 x a:0.99, beta=0.1)"}, {"availability": 0.998919}, rel=1e-9, source="beta-factor model"),
          Case({"tree": "3of5(5 x node:0.99)"}, {"availability": 0.9999901494}, rel=1e-9, source="binomial"),
      ],
      asks=[
          Ask("What is the availability of series(lb:99.99%, parallel(web:99%, web:99%))?", "availability", 0.9998),
          Ask("Work out 2of3(a:99%, b:99%, c:99%) please.", "availability", 0.999702),
          Ask("How many hours a year is series(api:99.9%, db:99.95%) down?", "downtime_h_per_year", 13.136),
          Ask("parallel(2 x node:99%, beta=0.1) has which availability?", "availability", 0.998919),
      ])
def availability_tree(p: AvailabilityTree, seed: int) -> ToolResult:
    """Availability of a system written as a tree, its downtime, and the part whose repair would gain most.

    `series(...)` needs all its members, `parallel(...)` one, `2of3(...)` two; `3 x name:99%` repeats a part. Members fail
    independently except for a share beta of failures that takes a redundant group down at once: with members of unequal
    availability the shock has probability beta times the smallest unavailability, which for equal members is the
    beta-factor model 1 - beta u - ((1-beta) u)^n. The critical part is the one that, were it perfect, would save most
    downtime (its improvement potential); common causes are listed as a part of their own. All mentions of one name, as
    in `3 x`, go together.

    People get wrong: a chain is as good as its weakest link (it is worse: thirty parts of 99.99% give 99.7%); and
    replicas multiply nines (a common cause of 10% takes two replicas of 99% from 99.99% to 99.89%).

    Sources: NUREG/CR-4780 for the beta-factor model; M. Rausand, A. Hoyland, "System Reliability Theory", for improvement
    potential; binomial arithmetic.

    >>> availability_tree(AvailabilityTree(tree="series(lb:0.9999, 2of3(3 x db:0.99))"), 0).values["availability"]
    0.9996020298
    """
    root = parse(p.tree, p.common_cause)
    names = list(dict.fromkeys(leaf.name for leaf in _leaves(root)))
    total = round(_up(root, {}), 15)
    independent = round(_up(_without_shocks(root), {}), 15)
    gains = [(name, max(0.0, _up(root, {name: 1.0}) - total)) for name in names]
    if independent != total:
        gains.append(("common cause", max(0.0, independent - total)))
    rows = sorted(((name, gain * HOURS_PER_YEAR) for name, gain in gains), key=lambda row: -row[1])
    drawn = rows[:20]
    hours = (1 - total) * HOURS_PER_YEAR
    naive, told = _naive(root, total, independent)
    return ToolResult(
        tool="availability-tree",
        values={"availability": total, "downtime_h_per_year": hours, "downtime_min_per_year": hours * 60,
                "critical_part": rows[0][0], "critical_part_saves_h_per_year": rows[0][1],
                "parts": sum(1 for _ in _leaves(root))},
        units={"availability": "fraction", "downtime_h_per_year": "h/year", "downtime_min_per_year": "min/year",
               "critical_part_saves_h_per_year": "h/year", "parts": "components"},
        naive={"availability": naive},
        summary=f"Availability {total:.8g}: {hours:.4g} h of downtime a year. What costs most is {rows[0][0]}: were it "
        f"perfect, that would save {rows[0][1]:.4g} h.{told}",
        formula="series: product; k of n: P[at least k work]; common cause: P[k work | own failures (1-beta) u] - beta u; "
        "gain of a part = A(part perfect) - A",
        series={"part": [name for name, _ in rows], "saved_h_per_year": [saved for _, saved in rows]},
        plot=Plot(title="Where the downtime comes from: what a perfect part would save",
                  x_label="part", y_label="saved downtime (h/year)", lines=[
            Line(label="saved if perfect", kind="bar", x=[name for name, _ in drawn], y=[saved for _, saved in drawn]),
            Line(label="downtime of the whole", x=[name for name, _ in drawn], y=[hours] * len(drawn)),
            Line(label="seeming downtime (naive)", x=[name for name, _ in drawn],
                 y=[(1 - naive) * HOURS_PER_YEAR] * len(drawn), dashed=True)]),
        assumptions=["a year has 365 days", "each mention is a part of its own: write a shared dependency once, in series"]
        + (["all failures are independent"] if independent == total else []),
        warnings=[_BEST_CASE] if independent == total and _redundant(root) else [],
    )


_BEST_CASE = ("Redundant groups without a common cause are the best case: shared power, network or a bad release take "
              "replicas down together; set beta.")


def _naive(root: Node, total: float, independent: float) -> tuple[float, str]:
    """What the nearest misconception promises, and the sentence that says so."""
    if independent != total:
        return independent, f" Without common causes it would seem {independent:.8g}."
    if isinstance(root, Leaf) or root.needed == 1:
        return total, ""
    if root.needed == len(root.children):
        weakest = round(min(_up(child, {}) for child in root.children), 15)
        return weakest, f" The weakest link alone would promise {weakest:.8g}."
    one = round(_up(Group(root.children, 1, root.shock), {}), 15)
    return one, f" If one member sufficed, it would be {one:.8g}."


def parse(text: str, common_cause: float = 0.0) -> Node:
    """The tree of a text. Raises ToolError that names the place where it stops making sense."""
    tokens, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if not found or found.end() == at:
            raise _unclear(text, at)
        tokens.append((found, at))
        at = found.end()
    reader = _Reader(text, tokens, common_cause)
    nodes = reader.item()
    if reader.position != len(tokens):
        raise _unclear(text, tokens[reader.position][1])
    node = nodes[0] if len(nodes) == 1 else _group(nodes, len(nodes), 0.0)
    _count(nodes)
    return node


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, text: str, tokens: list[tuple[re.Match[str], int]], common_cause: float) -> None:
        self.text, self.tokens, self.common_cause = text, tokens, common_cause
        self.position, self.depth = 0, 0

    def item(self) -> list[Node]:
        """One mention, as often as it says: `3 x web:99%` gives three nodes."""
        token, at = self._next()
        if token["times"]:
            times = int(token["times"])
            if not 1 <= times <= _MOST_PARTS:
                raise ToolError(f"availability-tree: {times} copies; it must lie between 1 and {_MOST_PARTS}.")
            repeated = self.item()
            if _count(repeated) * times > _MOST_PARTS:
                raise _too_many()
            return repeated * times
        if token["name"]:
            return [Leaf(token["name"].strip(), self._fraction(token["up"], at))]
        if token["bare"]:
            return [Leaf(f"part at {at + 1}", self._fraction(token["bare"], at))]
        if token["kind"] or token["k"]:
            return [self._members(token, at)]
        raise _unclear(self.text, at)

    def _members(self, head: re.Match[str], at: int) -> Node:
        self.depth += 1
        if self.depth > _DEPTH:
            raise ToolError(f"availability-tree: nested deeper than {_DEPTH} groups; flatten the tree.")
        children: list[Node] = []
        beta = self.common_cause
        separator, place = self._next()
        if separator["mark"] != "(":
            raise _unclear(self.text, place)
        while separator["mark"] != ")":
            if self.position < len(self.tokens) and self.tokens[self.position][0]["beta"]:
                beta = self._fraction(self._next()[0]["beta"], place)
            else:
                children += self.item()
            separator, place = self._next()
            if not separator["mark"] or separator["mark"] == "(":
                raise _unclear(self.text, place)
        self.depth -= 1
        return self._close(head, at, children, beta)

    def _close(self, head: re.Match[str], at: int, children: list[Node], beta: float) -> Node:
        if not children:
            raise _unclear(self.text, at)
        kind = (head["kind"] or "").lower()
        needed = len(children) if kind == "series" else 1 if kind == "parallel" else int(head["k"])
        if head["n"] and int(head["n"]) != len(children):
            raise ToolError(f"availability-tree: {head[0].strip()} has {len(children)} members; list {head['n']}.")
        if not 1 <= needed <= len(children):
            raise ToolError(f"availability-tree: {needed} of {len(children)} can't be needed; it must lie between 1 and "
                            f"{len(children)}.")
        _count(children)
        return _group(children, needed, beta if needed < len(children) else 0.0)

    def _next(self) -> tuple[re.Match[str], int]:
        if self.position >= len(self.tokens):
            raise ToolError("availability-tree: the tree ends too early; a bracket isn't closed.")
        self.position += 1
        return self.tokens[self.position - 1]

    def _fraction(self, text: str, at: int) -> float:
        value = round(float(text.rstrip("% ")) / 100, 12) if text.endswith("%") else float(text)
        if not 0 <= value <= 1:
            raise ToolError(f"availability-tree: {text} at character {at + 1} is no fraction; write 0.999 or 99.9%.")
        return value


def _group(children: list[Node], needed: int, beta: float) -> Group:
    """The shock is fixed here, from the members as written."""
    down = [1 - _up(child, {}) for child in children]
    return Group(tuple(children), needed, beta * min(down))


def _up(node: Node, forced: Mapping[str, float]) -> float:
    """Availability of a node; `forced` replaces the availability of parts by name. The beta-factor model is one of rare
    failures: where members are down half of the time it would beat independence, so that is the bound."""
    if isinstance(node, Leaf):
        return forced.get(node.name, node.up)
    down = [1 - _up(child, forced) for child in node.children]
    independent = _k_of(node.needed, down)
    if node.shock == 0:
        return independent
    return max(0.0, min(independent, _k_of(node.needed, [max(0.0, each - node.shock) for each in down]) - node.shock))


def _k_of(needed: int, down: Sequence[float]) -> float:
    """P[at least `needed` work] of independent members that are down with these probabilities."""
    import numpy as np

    working = np.zeros(len(down) + 1)
    working[0] = 1.0
    for each in down:
        working[1:] = working[1:] * each + working[:-1] * (1 - each)
        working[0] *= each
    return min(1.0, float(working[needed:].sum()))


def _leaves(node: Node) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
    else:
        for child in node.children:
            yield from _leaves(child)


def _count(nodes: Sequence[Node]) -> int:
    count = sum(1 for node in nodes for _ in _leaves(node))
    if count > _MOST_PARTS:
        raise _too_many()
    return count


def _without_shocks(node: Node) -> Node:
    if isinstance(node, Leaf):
        return node
    return Group(tuple(_without_shocks(child) for child in node.children), node.needed, 0.0)


def _redundant(node: Node) -> bool:
    return isinstance(node, Group) and (node.needed < len(node.children) or any(_redundant(each) for each in node.children))


def _too_many() -> ToolError:
    return ToolError(f"availability-tree: more than {_MOST_PARTS} parts; put equal subsystems into one part.")


def _unclear(text: str, at: int) -> ToolError:
    there = text[at:at + 20].strip() or "the end"
    return ToolError(f"availability-tree can't read the tree at character {at + 1} ({there!r}); write for example "
                     "series(lb:99.99%, 2of3(3 x db:99%)).")
