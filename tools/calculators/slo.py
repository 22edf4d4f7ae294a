"""Burn-rate alerts of a service level objective: when each fires and what it costs; the formulas are in error_budget.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, param, tool
from tools.calculators.error_budget import budget_min, budget_requests, budget_spent, burn_for, burn_rate, detection_min, exhaustion_h


@dataclass(frozen=True)
class _Rule:
    name: str
    budget: float
    window_h: float
    short_h: float


_RULES = (_Rule("page_fast", 0.02, 1, 5 / 60), _Rule("page_slow", 0.05, 6, 0.5), _Rule("ticket", 0.10, 72, 6))
"""Budget shares and windows that the Google SRE Workbook, ch. 5 recommends for a 30-day objective."""


class Slo(Params):
    slo: float = param(0.999, ge=0.5, lt=1, unit="fraction", words=["slo", "objective", "target", "nines"])
    days: float = param(30.0, ge=1, le=366, unit="days", words=["days", "period", "month", "rolling window"])
    error_rate: float = param(0.01, ge=0, le=1, unit="fraction",
                              words=["error rate", "errors", "failing", "fail", "of requests fail", "outage"])
    rps: float = param(1_000.0, ge=0, le=1e9, unit="rps", words=["requests per second", "rps", "qps", "traffic"])


@tool("slo-burn", group="A",
      words=["slo", "error budget", "burn rate", "alert", "page", "how long until the budget is gone", "multiwindow"],
      example={"slo": 0.999, "error_rate": 0.01},
      cases=[
          Case({"slo": 0.999, "days": 30}, {"budget_min": 43.2}, rel=1e-9, source="arithmetic"),
          Case({"slo": 0.999, "days": 30, "error_rate": 0.0144},
               {"burn_rate": 14.4, "page_fast_threshold": 14.4, "page_slow_threshold": 6.0, "ticket_threshold": 1.0,
                "page_fast_min": 60.0}, rel=1e-9, source="Google SRE Workbook ch. 5"),
          Case({"slo": 0.999, "error_rate": 1.0}, {"page_fast_min": 0.864}, rel=1e-9, source="14.4 / 1000 of an hour"),
      ],
      asks=[
          Ask("How many minutes of downtime does a 99.9% SLO over 30 days allow?", "budget_min", 43.2),
          Ask("SLO 99.95%, 28 days: how large is the error budget in minutes?", "budget_min", 20.16),
          Ask("We have a target of three nines and an error rate of 0.5%. What is the burn rate?", "burn_rate", 5),
          Ask("After how many hours is the 30 days budget of a 99.9% SLO gone when 2% of requests fail?", "exhausted_after_h",
              36),
          Ask("With an SLO of 99.9% and 10% errors, after how many minutes does the fast page fire?", "page_fast_min", 8.64),
      ])
def slo_burn(p: Slo, seed: int) -> ToolResult:
    """When burn-rate alerts fire, and how much of the error budget is gone by then.

    The budget is the failures that the objective allows in its period. Burn rate 1 spends it exactly in that period.
    Three alerts stand for 2% of the budget in 1 h, 5% in 6 h and 10% in 3 days; over 30 days their thresholds are the
    well-known 14.4, 6 and 1. Each needs its long window, and a short one of a twelfth so that it stops soon after the
    errors do. Errors start suddenly and stay at one rate; before that there were none.

    People get wrong: an alert on "error rate above what the SLO allows" cries wolf at every blip, while waiting for the
    objective to be missed is days late. A page that fires at 14.4 has spent just 2% of the budget, at any error rate.

    Sources: B. Beyer et al., "The Site Reliability Workbook", ch. 5; arithmetic for periods other than 30 days.

    >>> found = slo_burn(Slo(slo=0.999, error_rate=0.0144), 0).values
    >>> round(found["burn_rate"], 6), round(found["page_fast_min"], 6)
    (14.4, 60.0)
    """
    burn = float(burn_rate(p.error_rate, p.slo))
    values: dict[str, Any] = {
        "burn_rate": burn, "budget_min": float(budget_min(p.slo, p.days)),
        "budget_requests": float(budget_requests(p.slo, p.rps * p.days * 86_400)),
        "exhausted_after_h": float(exhaustion_h(burn, p.days)) if burn > 0 else None,
    }
    for rule in _RULES:
        threshold = float(burn_for(rule.budget, rule.window_h, p.days))
        values[f"{rule.name}_threshold"] = threshold
        values[f"{rule.name}_min"] = _fires_after_min(rule, threshold, burn)
        values[f"{rule.name}_stops_after_min"] = _stops_after_min(rule, threshold, burn)
    fired = [rule for rule in _RULES if values[f"{rule.name}_min"] is not None]
    first = min(fired, key=lambda rule: float(values[f"{rule.name}_min"])) if fired else None
    values["first_alert"] = first.name if first else None
    values["budget_spent_at_first_alert"] = (
        float(budget_spent(burn, values[f"{first.name}_min"] / 60, p.days)) if first else None)
    minutes = [f"{rule.name}_min" for rule in _RULES] + [f"{rule.name}_stops_after_min" for rule in _RULES]
    naive_min = values["exhausted_after_h"] * 60 if values["exhausted_after_h"] is not None else None
    return ToolResult(
        tool="slo-burn", values=values,
        units={"burn_rate": "count", "budget_min": "min", "budget_requests": "requests", "exhausted_after_h": "h",
               "budget_spent_at_first_alert": "fraction", **dict.fromkeys(minutes, "min"),
               **{f"{rule.name}_threshold": "count" for rule in _RULES}},
        naive={"alert_min": naive_min, "budget_spent": 1.0 if burn > 0 else 0.0},
        summary=_summary(p, values, first),
        formula="burn = error_rate / (1 - slo); spent = burn * hours / (days * 24); threshold = budget share * days * 24 / "
        "window h; fires after window * threshold / burn",
        series=_curve(p), plot=_plot(p),
        assumptions=["errors start at once, stay at one rate, and there were none before", "traffic is even over the period",
                     "alerts are evaluated continuously and need both windows"],
        warnings=_warnings(p, burn),
    )


def _fires_after_min(rule: _Rule, threshold: float, burn: float) -> float | None:
    return float(detection_min(burn, threshold, rule.window_h)) if burn > 0 and burn >= threshold * (1 - 1e-12) else None


def _stops_after_min(rule: _Rule, threshold: float, burn: float) -> float | None:
    """After the errors end: when the short window, full of them, has sunk below the threshold."""
    if burn <= 0 or burn < threshold * (1 - 1e-12):
        return None
    return max(0.0, rule.short_h * 60 * (1 - threshold / burn))


def _curve(p: Slo) -> dict[str, list[Any]]:
    allowed = 1 - p.slo
    rates = [allowed * (1 / allowed) ** (step / 40) for step in range(41)]
    columns: dict[str, list[Any]] = {"error_rate": list(rates)}
    for rule in _RULES:
        threshold = float(burn_for(rule.budget, rule.window_h, p.days))
        columns[f"{rule.name}_min"] = [_fires_after_min(rule, threshold, float(burn_rate(rate, p.slo))) for rate in rates]
    columns["exhausted_min"] = [float(exhaustion_h(float(burn_rate(rate, p.slo)), p.days)) * 60 for rate in rates]
    return columns


def _plot(p: Slo) -> Plot:
    curve = _curve(p)
    lines = []
    for rule in _RULES:
        points = [(x, y) for x, y in zip(curve["error_rate"], curve[f"{rule.name}_min"], strict=True) if y is not None]
        if points:
            lines.append(Line(label=f"{rule.name}: {rule.budget:.0%} of the budget", x=[x for x, _ in points],
                              y=[y for _, y in points]))
    lines.append(Line(label="budget gone (naive: notice then)", x=list(curve["error_rate"]), y=list(curve["exhausted_min"]),
                      dashed=True))
    marks = [{"axis": "x", "at": p.error_rate, "label": f"errors as set: {p.error_rate:.4g}"}] if p.error_rate > 0 else []
    return Plot(title=f"How soon an alert fires for an objective of {p.slo:.6g}",
                x_label="error rate (fraction)", y_label="time to the alert (min)", log_x=True,
                log_y=True, lines=lines, marks=marks)


def _summary(p: Slo, values: dict[str, Any], first: _Rule | None) -> str:
    text = f"{p.slo:.6g} over {p.days:g} days allows {values['budget_min']:.4g} min of full outage"
    if values["exhausted_after_h"] is None:
        return text + "; without errors nothing of it is spent."
    text += (f"; an error rate of {p.error_rate:.4g} burns at {values['burn_rate']:.4g} and spends it in "
             f"{values['exhausted_after_h']:.4g} h.")
    if first is None:
        return text + " No alert fires at so slow a burn."
    return text + (f" The first alert ({first.name}) fires after {values[f'{first.name}_min']:.4g} min with "
                   f"{values['budget_spent_at_first_alert']:.1%} of the budget spent; who waits for the missed objective "
                   "notices at 100%.")


def _warnings(p: Slo, burn: float) -> list[str]:
    warnings = []
    if 0 < burn <= 1:
        warnings.append("Burn rate at most 1: the objective holds if this goes on.")
    if 0 < p.rps * 3600 * (1 - p.slo) < 10:
        warnings.append("So little traffic that a few failures in an hour cross the threshold: lengthen the windows.")
    for rule in _RULES:
        threshold = float(burn_for(rule.budget, rule.window_h, p.days))
        if threshold * (1 - p.slo) > 1:
            warnings.append(f"{rule.name} can never fire: its burn rate {threshold:.4g} needs more than 100% errors.")
        elif threshold < 1 - 1e-9:
            warnings.append(f"{rule.name} fires below burn rate 1, though the objective holds there: its {rule.window_h:g} h "
                            "are too long for so short a period.")
    return warnings
