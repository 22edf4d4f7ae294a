"""Error budgets and burn rates as single formulas; knows ratios, not how the errors are counted. Alerts are in slo.py."""

from __future__ import annotations

from typing import Any

from tools.base import Ask, Case, ToolError, formula, param

_SLO: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["slo", "objective", "target", "availability", "promise",
        "promised", "agreed", "goal", "nines", "sla"]}
_PERFECT: dict[str, Any] = {**{key: value for key, value in _SLO.items() if key != "lt"}, "le": 1}
_DAYS: dict[str, Any] = {"gt": 0, "le": 3660, "unit": "days", "words": ["days", "period", "window", "month", "week", "year"]}
_BURN: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "times", "words": ["burn rate", "burn", "times", "burning at", "burns at",
        "burned at", "burn of", "consume"]}
_HOURS: dict[str, Any] = {"ge": 0, "le": 1e5, "unit": "h", "words": ["hours", "h", "window", "for", "long", "lasted", "in"]}
_BUDGET: dict[str, Any] = {"gt": 0, "le": 1, "unit": "fraction", "words": ["budget", "of the budget", "of a budget",
        "of the monthly budget", "of the error budget", "of our budget", "spends"]}
_ERRORS: dict[str, Any] = {"ge": 0, "le": 1, "unit": "fraction", "words": ["error rate", "errors", "fail", "failing", "error",
        "failed", "of the requests", "of requests", "of calls", "of the calls", "errors are at", "return errors", "go wrong"]}


@formula("slo.budget_spent", words=["budget spent", "of the budget", "budget is used", "share of the budget", "budget eaten",
        "eaten", "budget does that spend", "budget did we spend", "budget burned", "consumed", "share of the error budget"],
    unit="fraction", cases=[
    Case({"burn": 14.4, "window_h": 1, "slo_days": 30}, {"result": 0.02}, rel=1e-9, source="Google SRE Workbook ch. 5"),
    Case({"burn": 6, "window_h": 6, "slo_days": 30}, {"result": 0.05}, rel=1e-9, source="Google SRE Workbook ch. 5"),
    Case({"burn": 1, "window_h": 72, "slo_days": 30}, {"result": 0.1}, rel=1e-9, source="Google SRE Workbook ch. 5"),
], asks=[
    Ask("We burned at 20 for 2 hours. What share of the monthly budget is spent?", "result", 0.05556),
    Ask("A burn rate of 14.4 lasted 3 hours. How much of the 30 day error budget is that?", "result", 0.06),
    Ask("For 90 minutes we burned at 8, the SLO period is 28 days. What share of the budget is gone?", "result", 0.0178571429),
])
def budget_spent(
    burn: float = param(**_BURN), window_h: float = param(**_HOURS), slo_days: float = param(30.0, **_DAYS),
) -> float:
    """Share of the error budget that a burn rate spends in window_h hours (above 1: more than there is)."""
    return burn * window_h / (slo_days * 24)


@formula("slo.budget_min", words=["error budget", "minutes may we be down", "allowed downtime", "budget in minutes",
        "how large is the error budget", "full outage", "how long may we be down", "minutes of outage", "size of the error budget"],
    unit="min", cases=[
    Case({"slo": 0.999, "days": 30}, {"result": 43.2}, rel=1e-6, source="arithmetic"),
    Case({"slo": 1, "days": 30}, {"result": 0.0}, source="100% leaves none"),
], asks=[Ask("How many minutes of error budget does an SLO of 99.9% leave in 30 days?", "result", 43.2),
    Ask("How large is the error budget in minutes for 99.95% over 28 days?", "result", 20.16),
    Ask("The agreed objective is 99.5% per week of 7 days. How many minutes of full outage does the error budget hold?", "result", 50.4),
])
def budget_min(slo: float = param(**_PERFECT), days: float = param(30.0, **_DAYS)) -> float:
    """Error budget as minutes of full outage in so many days: (1 - slo) * days * 1440."""
    return (1 - slo) * days * 1440


@formula("slo.budget_left_min", unit="min", words=["budget left", "budget are left", "remaining budget", "left of the budget",
        "budget do i have left", "have left", "minutes left", "still left", "remains of the budget", "budget remain",
        "budget remains"], cases=[
    Case({"slo": 0.999, "days": 30, "down_min": 20}, {"result": 23.2}, rel=1e-6, source="43.2 - 20"),
], asks=[
    Ask("Our SLO is 99.5% a month of 30 days and we were down for 50 minutes. How many minutes of error budget remain?", "result", 166.0),
    Ask("SLO 99.9% over 30 days. 15 minutes of the budget are already used. How many minutes are left?", "result", 28.2),
    Ask("We promise 99.95% a month of 30 days and had an outage of 8 minutes. How many minutes of error budget "
        "are left?", "result", 13.6),
])
def budget_left_min(
    slo: float = param(**_PERFECT), down_min: float = param(ge=0, le=1e8, unit="min", words=["down", "downtime", "burned", "outage",
        "used", "already", "were down", "have been down", "spent", "outages of", "gone"]),
    days: float = param(30.0, **_DAYS),
) -> float:
    """Minutes of full outage that are left of an error budget: (1 - slo) * days * 1440 - used; below 0 when it is overspent."""
    return (1 - slo) * days * 1440 - down_min


@formula("slo.budget_requests", words=["may fail", "allowed to fail", "can fail", "failures allowed", "failed requests"],
    unit="requests", cases=[
    Case({"slo": 0.999, "requests": 1e6}, {"result": 1000}, rel=1e-9, source="arithmetic"),
], asks=[
    Ask("An SLO of 99.5% on 8 million requests a month: how many are allowed to fail?", "result", 40000.0),
    Ask("At 99.9% how many of our 40 million calls this month may fail?", "result", 40000.0),
    Ask("With an SLO of 99.99% and 2.5 billion requests, how many failed requests does the budget allow?", "result", 250000.0),
])
def budget_requests(
    slo: float = param(**_PERFECT), requests: float = param(ge=0, le=1e18, unit="requests", words=["requests", "calls", "queries",
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
    Ask("The database was down for 9 minutes, our SLO is 99.95% over 30 days. What share of the "
        "error budget did it cost?", "spent", 0.416666667, 0.002),
])
def outage_cost(
    slo: float = param(**_SLO),
    down_min: float = param(ge=0, le=1e7, unit="min", words=["outage of", "outage lasted", "down for", "incident", "outage for"]),
    days: float = param(30.0, **_DAYS),
) -> dict[str, float]:
    """Share of the error budget that a full outage spent, and what is left: minutes down / ((1 - slo) * days * 1440)."""
    spent = down_min / ((1 - slo) * days * 1440)
    return {"spent": spent, "left": 1 - spent}


@formula("slo.burn_rate", words=["burn rate", "burning", "how fast do we burn", "burn", "times too fast", "times as fast",
        "budget burning", "how fast is the budget burning"],
    unit="count", cases=[
    Case({"error_rate": 0.0144, "slo": 0.999}, {"result": 14.4}, rel=1e-9, source="arithmetic"),
], asks=[Ask("Our objective is 99.5% and 3% of the calls fail: how fast do we burn the budget?", "result", 6.0),
    Ask("With 1% errors against an SLO of 99.9%, what is the burn rate?", "result", 10),
    Ask("0.5% of requests fail and the SLO is 99.95%. Burn rate?", "result", 10.0),
    Ask("errors are at 4%, we promised 99%. How fast is the budget burning?", "result", 4.0),
])
def burn_rate(error_rate: float = param(**_ERRORS), slo: float = param(**_SLO)) -> float:
    """Burn rate: error rate over the error rate that the objective allows; 1 spends the budget exactly in its period."""
    return error_rate / (1 - slo)


@formula("slo.burn_for", words=["alert threshold", "page when", "which burn rate", "burn rate threshold", "burn rate spends",
        "threshold of the alert", "alert on", "burn rate should", "what burn rate"],
    unit="count", cases=[
    Case({"budget": 0.02, "window_h": 1, "slo_days": 30}, {"result": 14.4}, rel=1e-9, source="Google SRE Workbook ch. 5"),
], asks=[
    Ask("Which burn rate spends 5% of a 30-day budget in 6 hours?", "result", 6.0),
    Ask("What burn rate uses up 10% of a 28 day budget in 24 hours?", "result", 2.8),
    Ask("I want to be paged when 3% of the 30 day budget is spent within 2 hours. Which burn rate threshold is that?", "result", 10.8),
])
def burn_for(
    budget: float = param(**_BUDGET), window_h: float = param(gt=0, le=1e5, unit="h", words=["hours", "window", "in", "within", "over"]),
    slo_days: float = param(30.0, **_DAYS),
) -> float:
    """Burn rate that spends a share of the budget in window_h hours: the threshold of such an alert."""
    return budget * slo_days * 24 / window_h


@formula("slo.exhaustion_h", words=["budget gone", "budget is gone", "budget last", "budget used up", "budget exhausted", "burning",
        "whole budget", "budget runs out", "run out of budget", "spent completely", "how long does the budget last", "hours until"],
    unit="h", cases=[
    Case({"burn": 14.4, "slo_days": 30}, {"result": 50}, rel=1e-9, source="720 h / 14.4"),
], asks=[
    Ask("How many hours does a 28 day error budget last at a burn rate of 8?", "result", 84.0),
    Ask("After how many hours is a 30 day budget gone at a burn rate of 20?", "result", 36.0),
    Ask("The budget for 28 days burns at 3 times the allowed rate. How many hours does it last?", "result", 224.0),
])
def exhaustion_h(burn: float = param(gt=0, le=1e9, unit="times", words=["burn rate", "burning", "burn", "times"]),
                 slo_days: float = param(30.0, **_DAYS)) -> float:
    """Hours until a steady burn rate has spent the whole budget."""
    return slo_days * 24 / burn


@formula("slo.detection_min", words=["until the alert fires", "alert fires", "time to detect", "detection time",
        "how long until the alert", "reaches the threshold", "reach the threshold", "until it pages", "does the page fire",
        "until the window reaches"], unit="min", cases=[
    Case({"burn": 1000, "threshold": 14.4, "window_h": 1}, {"result": 0.864}, rel=1e-9, source="full outage at 99.9%"),
    Case({"burn": 14.4, "threshold": 14.4, "window_h": 1}, {"result": 60}, rel=1e-9, source="the whole window"),
], asks=[
    Ask("A burn rate of 36, an alert threshold of 14.4 over a window of 1 hour: how many minutes until the alert fires?", "result", 24.0),
    Ask("We burn at 12 and the alert has a threshold of 6 in a 6 hour window. How many minutes until it fires?", "result", 180.0),
    Ask("The error budget burns 50 times too fast. The page fires at a threshold of 10 averaged over 2 hours. "
        "After how many minutes?", "result", 24.0),
])
def detection_min(
    burn: float = param(gt=0, le=1e9, unit="times", words=["burn rate", "burn of", "burning at", "burn at", "burns at", "burn",
        "burn rate of", "burns", "burning"]),
    threshold: float = param(gt=0, le=1e9, unit="times", words=["threshold", "alert at", "alerts at", "pages at", "fires at"]),
    window_h: float = param(gt=0, le=1e5, unit="h", words=["hours", "window", "window of", "over", "averaged over"]),
) -> float:
    """Minutes of a steady burn, from a clean start, until the mean burn over the window reaches the threshold."""
    if burn < threshold * (1 - 1e-12):
        raise ToolError(f"slo.detection_min: a burn rate of {burn:g} never reaches the threshold {threshold:g}; give a burn "
                        "that is at least as high.")
    return window_h * 60 * threshold / burn
