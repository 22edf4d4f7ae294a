"""Privacy budget of repeated releases: basic against advanced composition; doesn't know what is released."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, param, tool
from tools.calculators.dp_composition import (
    compose_advanced,
    compose_basic,
    compose_crossover,
    gaussian_sigma_analytic,
    gaussian_sigma_classic,
    laplace_scale,
    posterior,
)


class PrivacyBudget(Params):
    epsilon: float = param(0.1, ge=1e-4, le=20, unit="count",
                           words=["epsilon", "epsilon of", "each at epsilon", "eps", "epsilon each"])
    releases: int = param(10, ge=1, le=10**8, unit="count",
                          words=["releases", "queries", "statistics", "times", "mechanisms", "reports", "dashboards"])
    delta_prime: float = param(1e-5, ge=1e-15, le=0.5, unit="fraction", words=["delta", "delta prime", "delta'"])
    budget: float = param(1.0, ge=1e-3, le=1_000, unit="count", words=["budget", "privacy budget", "total epsilon"])
    sensitivity: float = param(1.0, gt=0, le=1e9, unit="count", words=["sensitivity", "one person changes it by"])
    prior: float = param(0.5, ge=0, le=1, unit="fraction", words=["prior", "attacker's belief", "believes"])


@tool("privacy-budget", group="F",
      words=["privacy budget", "composition", "queries", "epsilon each", "advanced composition", "basic composition",
             "Laplace noise", "Gaussian noise", "differential privacy"],
      example={"epsilon": 0.1, "releases": 100},
      cases=[
          Case({}, {"basic": 1.0, "advanced": 1.6226, "total_epsilon": 1.0}, abs=1e-3,
               source="Dwork, Rothblum & Vadhan 2010: advanced is worse for few releases"),
          Case({"releases": 100}, {"basic": 10.0, "advanced": 5.8502}, abs=1e-3,
               source="Dwork, Rothblum & Vadhan 2010"),
          Case({"epsilon": 1.0, "releases": 1}, {"gaussian_sigma": 3.731, "gaussian_sigma_classic": 4.845}, abs=1e-3,
               source="Balle & Wang, arXiv 1805.06530; Dwork & Roth 2014"),
      ],
      asks=[
          Ask("Ten queries at epsilon 0.1 each: what is the total privacy loss?", "total_epsilon", 1.0),
          Ask("100 releases with epsilon 0.1 and delta 1e-5: total epsilon by advanced composition?", "advanced",
              5.8502),
          Ask("How much Laplace noise does a count with sensitivity 1 need at epsilon 0.5?", "laplace_scale", 2.0),
          Ask("Sigma of the analytic Gaussian mechanism for epsilon 1 and delta 1e-5?", "gaussian_sigma", 3.7306),
          Ask("From how many queries at epsilon 0.1 on does advanced composition pay?", "crossover_releases", 29.0),
          Ask("A budget of 2 and epsilon 0.1 a query: how many queries may I answer?", "releases_within_budget", 20.0),
      ])
def privacy_budget(p: PrivacyBudget, seed: int) -> ToolResult:
    """Total epsilon of many private releases about the same people, with the noise that each one needs.

    Basic composition adds epsilons. Advanced composition grows with the square root of the number, but has a constant
    that few releases don't earn back, and costs an extra delta. Both are upper bounds, so the smaller one counts. The
    noise is shown for one release: Laplace for pure epsilon, Gaussian by the classic formula and by the analytic one.
    People get wrong: that advanced composition always wins (10 releases at 0.1 are 1.0 by adding and 1.62 by
    the theorem); that a budget per query is a budget (losses about the same people add up until nothing may be asked
    again); that epsilon 0 to 1 is anonymity: belief of 50% may still rise to 73% at epsilon 1.
    Sources: Dwork, Rothblum & Vadhan, FOCS 2010; Balle & Wang, arXiv 1805.06530.

    >>> privacy_budget(PrivacyBudget(), 0).values["total_epsilon"]
    1.0
    """
    basic = float(compose_basic(p.epsilon, p.releases))
    advanced = float(compose_advanced(p.epsilon, p.releases, p.delta_prime))
    total = min(basic, advanced)
    crossover = compose_crossover(p.epsilon, p.delta_prime)
    within = _within(p)
    better = "adding epsilons" if basic <= advanced else "advanced composition"
    return ToolResult(
        tool="privacy-budget",
        values={"total_epsilon": total, "basic": basic, "advanced": advanced, "crossover_releases": crossover,
                "releases_within_budget": within, "budget_left": p.budget - total,
                "laplace_scale": float(laplace_scale(p.epsilon, p.sensitivity)),
                "gaussian_sigma": float(gaussian_sigma_analytic(p.epsilon, p.delta_prime, p.sensitivity)),
                "gaussian_sigma_classic": float(gaussian_sigma_classic(p.epsilon, p.delta_prime, p.sensitivity)),
                "posterior": float(posterior(p.prior, min(total, 700.0)))},
        units={"crossover_releases": "releases", "releases_within_budget": "releases", "posterior": "fraction"},
        naive={"total_epsilon": advanced, "per_release": p.epsilon},
        summary=f"{p.releases:,} releases at epsilon {p.epsilon:g} cost {total:.5g} by {better} (basic {basic:.5g}, "
                f"advanced {advanced:.5g} with delta {p.delta_prime:g}); a budget of {p.budget:g} allows {within:,}. "
                + ("Using the advanced theorem here would overstate the loss." if advanced > basic else
                   "Adding them up would overstate the loss."),
        formula="basic k*eps; advanced eps*sqrt(2k ln(1/delta')) + k*eps*(e^eps - 1)",
        series=_series(p),
        plot=_plot(p),
        assumptions=["every release may depend on the answers before it and concerns the same people",
                     "each release is pure epsilon-private; delta' is spent once, by the advanced theorem only"],
        warnings=_warnings(p, total),
    )


def _within(p: PrivacyBudget) -> int:
    """Most releases whose smaller bound stays within the budget."""
    basic = math.floor(p.budget / p.epsilon * (1 + 1e-12))
    low, high = 0, 1 << 40
    while high - low > 1:
        middle = (low + high) // 2
        fits = compose_advanced(p.epsilon, middle, p.delta_prime) <= p.budget
        low, high = (middle, high) if fits else (low, middle)
    return max(basic, low)


def _counts(p: PrivacyBudget) -> list[int]:
    top = max(p.releases, 50)
    return sorted({max(1, round(top ** (step / 30))) for step in range(31)})


def _series(p: PrivacyBudget) -> dict[str, list[Any]]:
    counts = _counts(p)
    return {"releases": list(counts), "basic": [float(compose_basic(p.epsilon, each)) for each in counts],
            "advanced": [float(compose_advanced(p.epsilon, each, p.delta_prime)) for each in counts]}


def _plot(p: PrivacyBudget) -> Plot:
    rows = _series(p)
    lines = [Line(label="basic composition", x=rows["releases"], y=rows["basic"]),
             Line(label="advanced composition", x=rows["releases"], y=rows["advanced"]),
             Line(label="each release by itself (naive)", x=rows["releases"], y=[p.epsilon] * len(rows["releases"]), dashed=True)]
    return Plot(title=f"Privacy loss adds up: releases of epsilon {p.epsilon:g}", x_label="releases (count)",
                y_label="total epsilon", log_x=True, log_y=True,
                lines=lines, marks=[{"axis": "y", "at": p.budget, "label": f"budget {p.budget:g}"}])


def _warnings(p: PrivacyBudget, total: float) -> list[str]:
    found = []
    if p.epsilon >= 1:
        found.append("The classic Gaussian formula is proven for epsilon below 1 only; use the analytic one.")
    if total > p.budget:
        found.append(f"The budget of {p.budget:g} is overspent: the later releases may not be answered.")
    if total > 10:
        found.append("Above epsilon 10 the bound says little: e^10 is a factor of 22,000.")
    return found
