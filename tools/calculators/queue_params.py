"""What parameters of queueing formulas are called in plain language, and when a queue is stable; knows no formula."""

from __future__ import annotations

from typing import Any

from tools.base import ToolError

LAMBDA: dict[str, Any] = {"alias": "lambda", "ge": 0, "le": 1e12, "unit": "rps",
                           "words": ["arrive", "arrivals", "arrival rate", "lambda", "load", "gets", "come in", "receives",
        "arriving", "comes in", "rps in", "in and", "incoming", "hit it", "hits it", "reach", "show up", "jobs in"]}
MU: dict[str, Any] = {"gt": 0, "le": 1e12, "unit": "rps", "words": ["serves", "service rate", "mu", "capacity", "handles", "handle",
        "can handle", "can do", "rps service", "out", "finishes", "processes", "completes", "can serve", "serve", "per server",
        "each server", "does"]}
SERVERS: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "servers", "words": ["servers", "workers", "agents", "channels",
        "machines", "threads", "instances", "cashiers", "lines", "lanes"]}
ERLANGS: dict[str, Any] = {"ge": 0, "le": 1e5, "unit": "erlangs", "words": ["erlangs", "offered load", "erlang", "traffic of",
        "traffic"]}


def stable(name: str, lam: float, mu: float, servers: int) -> None:
    """Raises ToolError, in the name of a formula, when more arrives than the servers can take."""
    if lam >= servers * mu:
        raise ToolError(f"{name}: the queue grows without bound, for {lam:g} arrive a second and {servers:,} "
                        f"server{'s' if servers > 1 else ''} can take only {servers * mu:g}; keep utilisation below 1.")
