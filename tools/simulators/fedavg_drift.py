"""FedAvg drift: rounds of local steps on quadratic clients, against the true optimum; knows nothing of networks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.federated import client_pulls, settle_rate

SETTLED = 0.01
OUT_OF_SIGHT = 1e-4
"""The plot ends at this share of the first distance: what is nearer counts as there."""
"""Settled: the distance is this share of what it was at the start."""

MAX_WORK = 4_000_000


class FedAvgDrift(Params):
    curvatures: str = param("1, 10", max_length=2_000, words=["curvatures", "curvature"],
                            help="one a kind of data, with commas")
    optima: str = param("0, 1", max_length=2_000, words=["optima", "client optima", "optimum of the clients"],
                        help="one a kind of data, with commas")
    eta: float = param(0.05, ge=1e-6, le=10, unit="count", words=["learning rate", "eta", "step size"])
    local_steps: int = param(10, ge=1, le=100_000, unit="steps",
                             words=["local steps", "local updates", "local epochs", "steps between rounds", "steps"])
    mu: float = param(0.0, ge=0, le=1_000, unit="count", words=["mu", "proximal term", "FedProx"])
    clients: int = param(2, ge=1, le=2_000, unit="clients", words=["clients", "devices", "phones"],
                         help="used with dirichlet_alpha; else one client a kind of data")
    dirichlet_alpha: float | None = param(None, ge=1e-3, le=1e6, unit="count", words=["Dirichlet", "alpha"],
                                          help="how evenly clients mix the kinds of data; none: one kind each")
    participation: float = param(1.0, ge=1e-6, le=1, unit="fraction", 
                                 words=["participation", "sampled a round", "take part"])
    rounds: int = param(60, ge=1, le=2_000, unit="rounds", words=["rounds", "communication rounds"])
    start: float = param(2.0, ge=-1e6, le=1e6, unit="count", words=["start", "initial value"])


@dataclass(frozen=True)
class Fleet:
    """Curvature and optimum by client."""

    a: list[float]
    c: list[float]

    @property
    def optimum(self) -> float:
        return math.fsum(a * c for a, c in zip(self.a, self.c, strict=True)) / math.fsum(self.a)

    def fixed_point(self, pulls: list[float]) -> float:
        return math.fsum(s * c for s, c in zip(pulls, self.c, strict=True)) / math.fsum(pulls)


@tool("fedavg-drift", group="F", kind="simulator",
      words=["federated learning", "FedAvg", "client drift", "local steps", "FedProx", "non-IID",
             "federated averaging"],
      example={"local_steps": 10, "mu": 5.0},
      cases=[
          Case({"local_steps": 1}, {"fixed_point": 0.90909, "true_optimum": 0.90909}, abs=1e-5,
               source="closed form: one step is plain gradient descent"),
          Case({}, {"fixed_point": 0.71344}, abs=1e-5, source="closed form of two quadratic clients"),
          Case({"local_steps": 1_000}, {"fixed_point": 0.5}, abs=1e-5, source="closed form: mean of the optima"),
          Case({"dirichlet_alpha": 1e6, "clients": 20, "local_steps": 100}, {"gap": 0.0}, abs=1e-3,
               source="equal clients don't drift"),
      ],
      asks=[
          Ask("Two clients with curvatures 1 and 10 and optima 0 and 1, learning rate 0.05: where does FedAvg settle "
              "with 10 local steps?", "fixed_point", 0.71344),
          Ask("Where is the true optimum of clients with curvatures 1, 10 and optima 0, 1?", "true_optimum", 0.90909),
          Ask("How far from the optimum does federated averaging end with 1000 local steps a round?", "gap", -0.40909),
          Ask("With one local step and learning rate 0.05, how many rounds until FedAvg has settled to 1%?",
              "rounds_to_settle", 15.0),
          Ask("FedProx with mu 10 and 1000 local steps: what does it converge to?", "fixed_point", 0.846154),
      ])
def fedavg_drift(p: FedAvgDrift, seed: int) -> ToolResult:
    """Where federated averaging settles when clients differ, and how many rounds it takes.

    Each kind of data has the loss a/2 (x - c)^2. A client holds one kind, or a Dirichlet mixture of them (small alpha:
    nearly one kind, large alpha: all alike), and in each round walks `local_steps` gradient steps from the global
    value; the server averages. With mu, FedProx pulls each client back to the global value. Everything is linear, so
    the point where rounds settle has a closed form: clients weigh in by how far they walk, 1 - (1 - eta a)^steps,
    instead of by curvature.
    People get wrong: that more local work saves communication for free. It needs fewer rounds, but to reach another
    point: with two unequal clients, 10 steps settle 22% off the optimum and 1,000 steps at the plain mean of the
    clients' optima. Equal clients (large alpha) do get the saving free. A smaller rate, FedProx or fewer steps trade
    it back.
    Sources: McMahan et al., arXiv 1602.05629; Li et al. (FedProx), arXiv 1812.06127; Karimireddy et al., arXiv
    1910.06378.

    >>> round(fedavg_drift(FedAvgDrift(local_steps=10), 0).values["fixed_point"], 5)
    0.71344
    """
    fleet = _fleet(p, seed)
    pulls = client_pulls(fleet.a, p.eta, p.local_steps, p.mu)
    even = [1 / len(fleet.a)] * len(fleet.a)
    rate = settle_rate(even, pulls)
    path = _path(p, fleet, pulls, seed)
    target, fixed = fleet.optimum, fleet.fixed_point(pulls)
    settle, single = _rounds(rate), _rounds_of_single(p, fleet, even)
    hope = math.ceil(single / p.local_steps) if single else None
    excess = math.fsum(fleet.a) / len(fleet.a) / 2 * (fixed - target) ** 2
    return ToolResult(
        tool="fedavg-drift",
        values={"fixed_point": fixed, "true_optimum": target, "gap": fixed - target, "excess_loss": excess,
                "rounds_to_settle": settle, "rounds_with_one_step": single,
                "rounds_to_optimum": _first_near(p, path, target), "round_rate": rate, "final": path[-1],
                "gradient_steps": p.local_steps * p.rounds, "clients": len(fleet.a)},
        units={"rounds_to_settle": "rounds", "rounds_with_one_step": "rounds", "rounds_to_optimum": "rounds",
               "gradient_steps": "steps", "clients": "clients"},
        naive={"fixed_point": target, "rounds_to_optimum": hope},
        summary=f"With {p.local_steps:,} local steps a round FedAvg settles at {fixed:.5g} (rounds: {settle}); the "
                f"optimum of the {len(fleet.a)} clients is {target:.5g}, a gap of {fixed - target:+.4g}. "
                + (f"If local work were free the optimum would take {hope} rounds instead of {single}." if hope
                   else "Plain gradient descent at this rate diverges."),
        formula="x* = sum(s_i c_i) / sum(s_i), s_i = a_i/(a_i+mu) (1 - (1 - eta (a_i+mu))^steps)",
        series={"round": list(range(len(path))), "global": path, "client_pull": pulls[:200],
                "client_optimum": fleet.c[:200]},
        plot=_plot(p, fleet, path, seed),
        assumptions=["losses are quadratic in one variable and gradients exact, so drift is the only error",
                     "clients count equally; those who take part in a round are drawn anew"],
        warnings=_warnings(p, fixed - target, fleet),
    )


def _fleet(p: FedAvgDrift, seed: int) -> Fleet:
    a, c = _numbers("curvatures", p.curvatures), _numbers("optima", p.optima)
    if len(a) != len(c):
        raise ToolError(f"fedavg-drift: there are {len(a)} curvatures but {len(c)} optima; give as many of each.")
    if min(a) <= 0:
        raise ToolError("fedavg-drift: curvatures must be above zero; a flat loss has no optimum.")
    clients = len(a) if p.dirichlet_alpha is None else p.clients
    if clients * p.rounds > MAX_WORK:
        raise ToolError(f"fedavg-drift: clients times rounds is {clients * p.rounds}; it must be at most {MAX_WORK}.")
    if p.dirichlet_alpha is None:
        return Fleet(a, c)
    import numpy as np

    mix = np.random.default_rng(seed).dirichlet([p.dirichlet_alpha] * len(a), clients)
    bend = mix @ np.array(a)
    middle = (mix @ (np.array(a) * np.array(c))) / bend
    return Fleet([float(each) for each in bend], [float(each) for each in middle])


def _numbers(name: str, text: str) -> list[float]:
    try:
        found = [float(each) for each in text.replace(";", ",").split(",") if each.strip()]
    except ValueError:
        raise ToolError(f"fedavg-drift: {name} must be numbers with commas, such as '1, 10', not {text!r}.") from None
    if not 1 <= len(found) <= 100 or not all(abs(each) <= 1e6 for each in found):
        raise ToolError(f"fedavg-drift: {name} needs between 1 and 100 numbers of at most a million.")
    return found


def _path(p: FedAvgDrift, fleet: Fleet, pulls: list[float], seed: int) -> list[float]:
    """The global value by round, from the start."""
    import numpy as np

    rng = np.random.default_rng([seed, 1])
    s, c = np.array(pulls), np.array(fleet.c)
    count = max(1, round(p.participation * len(c)))
    x, path = p.start, [p.start]
    for _ in range(p.rounds):
        chosen = slice(None) if count == len(c) else rng.choice(len(c), count, replace=False)
        x = float(x + np.mean(s[chosen] * (c[chosen] - x)))
        if abs(x) > 1e12:
            raise ToolError("fedavg-drift: rounds with so few clients diverge; lower eta or raise participation.")
        path.append(x)
    return path


def _rounds(rate: float) -> int:
    return 1 if abs(rate) <= SETTLED else math.ceil(math.log(SETTLED) / math.log(abs(rate)) - 1e-9)


def _rounds_of_single(p: FedAvgDrift, fleet: Fleet, even: list[float]) -> int | None:
    """Rounds of plain gradient descent; None when it diverges at this rate."""
    rate = 1 - p.eta * math.fsum(w * a for w, a in zip(even, fleet.a, strict=True))
    return _rounds(rate) if abs(rate) < 1 else None


def _first_near(p: FedAvgDrift, path: list[float], target: float) -> int | None:
    """First round from which on the global value stays within 1% of the starting distance to the optimum."""
    near = SETTLED * abs(p.start - target)
    last_far = max((index for index, x in enumerate(path) if abs(x - target) > near), default=-1)
    return last_far + 1 if last_far + 1 < len(path) else None


def _plot(p: FedAvgDrift, fleet: Fleet, path: list[float], seed: int) -> Plot:
    """Distance to the optimum by round, for the chosen steps, one step, a proximal term, and the hope."""
    start = abs(p.start - fleet.optimum) or 1.0
    least = start * OUT_OF_SIGHT
    lines = [Line(label=f"{p.local_steps} local steps" + (f", mu {p.mu:g}" if p.mu else ""), **_distance(fleet, path, least))]
    rate = 1 - p.eta * math.fsum(fleet.a) / len(fleet.a)
    if abs(rate) < 1:
        far = p.start - fleet.optimum
        single = [fleet.optimum + far * rate**each for each in range(p.rounds + 1)]
        hope = [fleet.optimum + far * rate ** (each * p.local_steps) for each in range(p.rounds + 1)]
        lines.append(Line(label="1 local step", **_distance(fleet, single, least)))
        lines.append(Line(label="if local work were free (naive)", dashed=True, **_distance(fleet, hope, least)))
    mu = max(fleet.a) if not p.mu else 0.0
    if p.eta * (max(fleet.a) + mu) < 2:
        other = _path(p, fleet, client_pulls(fleet.a, p.eta, p.local_steps, mu), seed)
        lines.append(Line(label=f"FedProx, mu {mu:g}" if mu else "without FedProx", **_distance(fleet, other, least)))
    return Plot(title="More local work settles away from the optimum", x_label="communication rounds (count)",
                y_label="distance to the optimum (model's unit)", log_y=True, lines=lines,
                marks=[{"axis": "y", "at": start * SETTLED, "label": f"{SETTLED:.0%} of the start"}])


def _distance(fleet: Fleet, path: list[float], least: float) -> dict[str, Any]:
    """Rounds and distances until the distance falls below `least` for good: there the line leaves the picture."""
    far = [abs(each - fleet.optimum) for each in path]
    seen = max((n for n, each in enumerate(far) if each >= least), default=0)
    x: list[float] = [float(n) for n in range(seen + 1)]
    y = [max(each, least) for each in far[:seen + 1]]
    if seen + 1 < len(far) and far[seen + 1] > 0 and least < far[seen]:
        x.append(seen + math.log(far[seen] / least) / math.log(far[seen] / far[seen + 1]))
        y.append(least)
    return {"x": x, "y": y}


def _warnings(p: FedAvgDrift, gap: float, fleet: Fleet) -> list[str]:
    found = []
    if abs(gap) > SETTLED * max(1e-12, max(fleet.c) - min(fleet.c)):
        found.append("More rounds won't close this gap: use fewer local steps, a falling rate, FedProx or SCAFFOLD.")
    if p.eta * (max(fleet.a) + p.mu) > 1:
        found.append("Local steps overshoot (eta times curvature exceeds 1).")
    if p.participation < 1:
        found.append("With partial participation the value keeps fluctuating about the fixed point.")
    return found
