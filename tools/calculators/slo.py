"""Error budgets and burn-rate alerts of a service level objective; knows ratios, not how the errors are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

_SLO: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["slo", "objective", "target", "availability"]}
_DAYS: dict[str, Any] = {"gt": 0, "le": 3660, "unit": "days", "words": ["days", "period", "window", "month", "week", "year"]}
_BURN: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "times", "words": ["burn rate", "burn", "times"]}
_HOURS: dict[str, Any] = {"ge": 0, "le": 1e5, "unit": "count", "words": ["hours", "h", "window", "for"]}
_BUDGET: dict[str, Any] = {"gt": 0, "le": 1, "unit": "fraction", "words": ["budget", "of the budget"]}
_ERRORS: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["error rate", "errors", "fail", "failing"]}


@formula("slo.budget_spent", words=["budget spent", "of the budget", "budget is used", "share of the budget", "budget eaten", "eaten"],
    unit="fraction", cases=[
    Case({"burn": 14.4, "window_h": 1, "slo_days": 30}, {"result": 0.02}, rel=1e-9, source="Google SRE Workbook ch. 5"),
    Case({"burn": 6, "window_h": 6, "slo_days": 30}, {"result": 0.05}, rel=1e-9, source="Google SRE Workbook ch. 5"),
    Case({"burn": 1, "window_h": 72, "slo_days": 30}, {"result": 0.1}, rel=1e-9, source="Google SRE Workbook ch. 5"),
], asks=[
    Ask("We burned at 20 for 2 hours. What share of the monthly budget is spent?", "result", 0.05556),
])
def budget_spent(
    burn: float = param(**_BURN), window_h: float = param(**_HOURS), slo_days: float = param(30.0, **_DAYS),
) -> float:
    """Share of the error budget that a burn rate spends in window_h hours (above 1: more than there is)."""
    return burn * window_h / (slo_days * 24)


@formula("slo.budget_min", words=["error budget", "minutes may we be down", "allowed downtime"],
    unit="min", cases=[
    Case({"slo": 0.999, "days": 30}, {"result": 43.2}, rel=1e-6, source="arithmetic"),
], asks=[Ask("How many minutes of error budget does an SLO of 99.9% leave in 30 days?", "result", 43.2)])
def budget_min(slo: float = param(**_SLO), days: float = param(30.0, **_DAYS)) -> float:
    """Error budget as minutes of full outage in so many days: (1 - slo) * days * 1440."""
    return (1 - slo) * days * 1440


@formula("slo.budget_left_min", unit="min", words=["budget left", "budget are left", "remaining budget", "left of the budget"], cases=[
    Case({"slo": 0.999, "days": 30, "down_min": 20}, {"result": 23.2}, rel=1e-6, source="43.2 - 20"),
], asks=[
    Ask("Our SLO is 99.5% a month of 30 days and we were down for 50 minutes. How many minutes of error budget remain?", "result", 166.0),
])
def budget_left_min(
    slo: float = param(**_SLO), down_min: float = param(ge=0, le=1e8, unit="min", words=["down", "downtime", "burned", "outage", "used"]),
    days: float = param(30.0, **_DAYS),
) -> float:
    """Minutes of full outage that are left of an error budget: (1 - slo) * days * 1440 - used; below 0 when it is overspent."""
    return (1 - slo) * days * 1440 - down_min


@formula("slo.budget_requests", words=["may fail", "allowed to fail", "can fail", "failures allowed", "failed requests"],
    unit="requests", cases=[
    Case({"slo": 0.999, "requests": 1e6}, {"result": 1000}, rel=1e-9, source="arithmetic"),
], asks=[
    Ask("An SLO of 99.5% on 8 million requests a month: how many are allowed to fail?", "result", 40000.0),
])
def budget_requests(
    slo: float = param(**_SLO), requests: float = param(ge=0, le=1e18, unit="requests", words=["requests", "calls", "queries",
                                                                                               "this month", "a month"]),
) -> float:
    """Requests that may fail: (1 - slo) times the requests of the period."""
    return (1 - slo) * requests


@formula("slo.outage_cost", words=["budget is left", "budget left", "of the budget", "outage", "incident", "budget did it cost",
                                   "remaining budget"],
         cases=[
    Case({"slo": 0.999, "down_min": 10.8, "days": 30}, {"spent": 0.25, "left": 0.75}, rel=1e-9, source="10.8 of 43.2 min"),
], asks=[
    Ask("An outage of 12 minutes at an SLO of 99.9% over 30 days: what share of the budget is left?", "left", 0.72222),
    Ask("SLO 99.95% for 28 days and we were down for 5 minutes: what share of the budget did the incident cost?", "spent", 0.24802),
])
def outage_cost(
    slo: float = param(**_SLO),
    down_min: float = param(ge=0, le=1e7, unit="min", words=["outage of", "outage lasted", "down for", "incident", "outage for"]),
    days: float = param(30.0, **_DAYS),
) -> dict[str, float]:
    """Share of the error budget that a full outage spent, and what is left: minutes down / ((1 - slo) * days * 1440)."""
    spent = down_min / ((1 - slo) * days * 1440)
    return {"spent": spent, "left": 1 - spent}


@formula("slo.burn_rate", words=["burn rate", "burning", "how fast do we burn"],
    unit="count", cases=[
    Case({"error_rate": 0.0144, "slo": 0.999}, {"result": 14.4}, rel=1e-9, source="arithmetic"),
], asks=[Ask("Our objective is 99.5% and 3% of the calls fail: how fast do we burn the budget?", "result", 6.0),
    Ask("With 1% errors against an SLO of 99.9%, what is the burn rate?", "result", 10)])
def burn_rate(error_rate: float = param(**_ERRORS), slo: float = param(**_SLO)) -> float:
    """Burn rate: error rate over the error rate that the objective allows; 1 spends the budget exactly in its period."""
    return error_rate / (1 - slo)


@formula("slo.burn_for", words=["alert threshold", "page when"],
    unit="count", cases=[
    Case({"budget": 0.02, "window_h": 1, "slo_days": 30}, {"result": 14.4}, rel=1e-9, source="Google SRE Workbook ch. 5"),
], asks=[
    Ask("Which burn rate spends 5% of a 30-day budget in 6 hours?", "result", 6.0),
])
def burn_for(
    budget: float = param(**_BUDGET), window_h: float = param(gt=0, le=1e5, unit="count", words=["hours"]),
    slo_days: float = param(30.0, **_DAYS),
) -> float:
    """Burn rate that spends a share of the budget in window_h hours: the threshold of such an alert."""
    return budget * slo_days * 24 / window_h


@formula("slo.exhaustion_h", words=["budget gone", "budget is gone", "budget last", "budget used up", "budget exhausted", "burning"],
    unit="h", cases=[
    Case({"burn": 14.4, "slo_days": 30}, {"result": 50}, rel=1e-9, source="720 h / 14.4"),
], asks=[
    Ask("How many hours does a 28 day error budget last at a burn rate of 8?", "result", 84.0),
])
def exhaustion_h(burn: float = param(gt=0, le=1e9, unit="times", words=["burn rate", "burning", "burn", "times"]),
                 slo_days: float = param(30.0, **_DAYS)) -> float:
    """Hours until a steady burn rate has spent the whole budget."""
    return slo_days * 24 / burn


@formula("slo.detection_min", unit="min", cases=[
    Case({"burn": 1000, "threshold": 14.4, "window_h": 1}, {"result": 0.864}, rel=1e-9, source="full outage at 99.9%"),
    Case({"burn": 14.4, "threshold": 14.4, "window_h": 1}, {"result": 60}, rel=1e-9, source="the whole window"),
])
def detection_min(
    burn: float = param(gt=0, le=1e9, unit="times", words=["burn rate", "burn of", "burning at", "burn at", "burns at", "burn"]),
    threshold: float = param(gt=0, le=1e9, unit="times", words=["threshold", "alert at", "alerts at", "pages at", "fires at"]),
    window_h: float = param(gt=0, le=1e5, unit="count", words=["hours", "window"]),
) -> float:
    """Minutes of a steady burn, from a clean start, until the mean burn over the window reaches the threshold."""
    if burn < threshold * (1 - 1e-12):
        raise ToolError(f"slo.detection_min: a burn rate of {burn:g} never reaches the threshold {threshold:g}; give a burn "
                        "that is at least as high.")
    return window_h * 60 * threshold / burn


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
