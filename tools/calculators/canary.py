"""What a canary release can and can't show: detection by an exact binomial test; knows nothing of rollback tooling."""

from __future__ import annotations

import math

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool


@formula("ab.rule_of_three", words=["no failure", "without a failure", "zero errors", "clean canary", "rule of three",
        "not a single failure", "no event", "never failed", "no incident", "zero failures"],
    unit="fraction", cases=[
    Case({"n": 300}, {"result": 0.01}, rel=1e-12, source="3 / n"),
], asks=[Ask("No failure in 1,000 requests: what error rate can't be excluded at 95%?", "result", 0.003),
    Ask("The canary served 1,500 requests and not a single failure was seen. By the rule of three, how high may "
        "the error rate still be?", "result", 0.002),
    Ask("Rule of three: zero errors in 60,000 requests, upper bound?", "result", 5e-05),
])
def rule_of_three(n: float = param(ge=1, le=1e15, unit="requests", words=["requests", "trials", "failures in", "calls", "runs",
        "deploys", "tries"])) -> float:
    """Upper 95% bound of a rate after n trials without an event, by the rule of three: 3 / n."""
    return min(1.0, 3 / n)


@formula("ab.upper_bound_zero", words=["no errors", "zero errors", "upper bound", "confidence bound", "exact upper bound",
        "without an error", "no failure", "not one failed", "can still be", "confidence"],
    unit="fraction", cases=[
    Case({"n": 300, "confidence": 0.95}, {"result": 0.0099361}, rel=1e-4, source="1 - 0.05^(1/300)"),
], asks=[
    Ask("Zero errors in 2,500 requests: 95% upper bound of the rate?", "result", 0.0011976, 0.005),
    Ask("400 trials without an error: exact upper bound of the error rate at a confidence of 99%?", "result", 0.0114469053, 0.002),
    Ask("We saw no errors in 900 calls. What is the upper 95% confidence bound of the rate?", "result", 0.0033230578, 0.003),
])
def upper_bound_zero(
    n: float = param(ge=1, le=1e15, unit="requests", words=["requests", "trials", "calls", "runs", "tests", "deploys", "tries"]),
    confidence: float = param(0.95, gt=0, lt=1, unit="fraction", words=["confidence"]),
) -> float:
    """Exact upper bound of a rate after n trials without an event: 1 - (1 - confidence)^(1/n)."""
    return -math.expm1(math.log1p(-confidence) / n)


@formula("ab.seen_once", words=["at least one", "see it once", "show up once", "shows up", "at least once", "see it at least once",
        "will i see it", "ever see", "comes up", "would have shown", "happens at least once", "notice it once"],
    unit="fraction", cases=[
    Case({"p": 0.001, "n": 1000}, {"result": 1 - 0.999**1000}, rel=1e-9, source="1 - (1-p)^n"),
], asks=[
    Ask("A bug hits 1 in 5,000 requests. How likely does it show up at least once when 10,000 requests are served?", "result", 0.86468),
    Ask("A crash happens in 0.02% of the requests. We serve 8,000 requests. How likely do we see at least one?", "result", 0.798135787),
    Ask("A race condition shows up in one in 300 test runs; I make 500 runs. Chance that it shows up at "
        "least once?", "result", 0.811649489),
])
def seen_once(
    p: float = param(ge=0, le=1, unit="fraction", words=["rate", "probability", "hits", "affects", "one request in", "chance of",
        "of the requests", "of requests", "happens in", "occurs in", "crashes"]),
    n: float = param(ge=0, le=1e15, unit="requests", words=["requests", "trials", "calls", "tests", "runs", "times", "tries", "users"]),
) -> float:
    """Chance that an event of probability p shows at least once in n independent trials."""
    return float(n > 0) if p == 1 else -math.expm1(n * math.log1p(-p))


@formula("ab.canary_power", words=["canary catches", "canary detects", "caught by the canary", "notice the regression",
        "detect the regression", "chance that the canary", "notice it in the canary", "power of the canary", "old error rate",
        "error rate of the canary"], unit="fraction", cases=[
    Case({"p1": 0.0, "p2": 0.001, "n": 1000, "alpha": 0.05}, {"result": 1 - 0.999**1000}, rel=1e-9, source="one failure shows"),
], asks=[
    Ask("The canary gets 3,000 requests, baseline error rate 0.2%, the new version has 0.6%. Chance "
        "that the canary detects it at alpha 5%?", "result", 0.96999298, 0.003),
    Ask("Normally 1% of calls fail, the bad version fails 3% of the time, 500 requests go to the "
        "canary. How likely is the regression caught?", "result", 0.933071439, 0.003),
    Ask("How likely does a canary of 10,000 requests notice that errors rise from a baseline of "
        "0.1% to 0.15%?", "result", 0.431910405, 0.003),
])
def canary_power(
    p1: float = param(ge=0, lt=1, unit="fraction", words=["baseline", "old", "old version", "normally", "usual", "stable", "known",
        "before", "old error rate"]),
    p2: float = param(gt=0, le=1, unit="fraction", words=["canary", "new version", "new", "really has", "bad version", "regression",
        "worse", "raises errors to", "rises to"]),
    n: int = param(ge=0, le=10**12, unit="requests", words=["requests", "calls", "canary gets", "canary serves"]),
    alpha: float = param(0.05, gt=0, lt=1, unit="fraction", words=["alpha", "significance", "false alarm"]),
) -> float:
    """Chance that n canary requests at error rate p2 fail a one-sided exact test against the known baseline p1."""
    return _at_least(_critical(n, p1, alpha), n, p2)


class Canary(Params):
    rps: float = param(1_000.0, ge=0.001, le=1e5, unit="rps", words=["requests per second", "rps", "qps", "traffic"])
    canary_fraction: float = param(0.01, ge=1e-6, le=0.5, unit="fraction", words=["canary", "of the traffic", "gets"])
    minutes: float = param(10.0, ge=0.1, le=10_080, unit="count", words=["minutes", "bake", "for", "min"])
    baseline_error: float = param(0.001, ge=0, le=0.5, unit="fraction", words=["baseline", "normally", "usual", "old version"])
    canary_error: float = param(0.002, ge=1e-9, le=1, unit="fraction",
                                words=["new version", "bad version", "raises errors to", "regression", "to"])
    alpha: float = param(0.05, ge=1e-6, le=0.5, unit="fraction", words=["alpha", "false alarm", "significance"])


@tool("canary", group="A", words=["canary", "canary release", "rollout", "bake time", "rule of three", "regression caught"],
      example={"rps": 1000, "canary_fraction": 0.01, "minutes": 10},
      cases=[
          Case({"rps": 100, "canary_fraction": 0.1, "minutes": 5, "baseline_error": 0, "canary_error": 0.001},
               {"canary_requests": 3000, "detection": 1 - 0.999**3000, "upper_bound_if_clean": 1 - 0.05 ** (1 / 3000)},
               rel=1e-9, source="one failure shows; exact bound"),
      ],
      asks=[
          Ask("A canary gets 1% of the traffic of 1,000 rps for 10 minutes: how many requests does it see?",
              "canary_requests", 6000),
          Ask("500 rps, 2% canary, 5 minutes, no failure seen: which error rate is still possible?", "upper_bound_if_clean",
              0.000998),
          Ask("The baseline is 0% errors and the new version has 0.1%; a 10% canary of 100 rps bakes 5 minutes. How likely is "
              "the regression caught?", "detection", 0.9503),
      ])
def canary(p: Canary, seed: int) -> ToolResult:
    """How likely a canary catches a bad release, and how long it would have to bake.

    The canary gets its share of the traffic; its failures are counted against the known baseline with a one-sided exact
    binomial test at `alpha`. Detection is the chance that a release with `canary_error` fails that test. The bake time
    for 80% is searched with the same test. A clean canary still leaves an upper bound: 1 - 0.05^(1/n), about 3/n.

    People get wrong: "the canary was fine, so the release is safe". Ten minutes of 1% see 6,000 requests: a doubling
    from 0.1% to 0.2% errors is missed quite often, and effects that need scale, state or time (leaks, caches, rare
    tenants, load) don't show at all.

    Sources: exact binomial test (C. Clopper, E. Pearson, 1934); J. Hanley, A. Lippman-Hand, "If Nothing Goes Wrong, Is
    Everything All Right?", JAMA 249(13), 1983, for the rule of three.

    >>> canary(Canary(rps=1000, canary_fraction=0.01, minutes=10), 0).values["canary_requests"]
    6000
    """
    if p.canary_error <= p.baseline_error:
        raise ToolError(f"canary: canary_error {p.canary_error:g} isn't above baseline_error {p.baseline_error:g}, so there "
                        "is nothing to catch; give a worse release.")
    per_minute = p.rps * p.canary_fraction * 60
    n = round(per_minute * p.minutes)
    critical = _critical(n, p.baseline_error, p.alpha)
    power = _at_least(critical, n, p.canary_error)
    needed = _needed(p, 0.8)
    bakes = [p.minutes * 10 ** (step / 8) for step in range(-8, 9)]
    curve = [float(canary_power(p.baseline_error, p.canary_error, round(per_minute * bake), p.alpha)) for bake in bakes]
    bound = float(upper_bound_zero(n, 0.95)) if n else 1.0
    text = (f"{n:,} canary requests catch a rise from {p.baseline_error:.4g} to {p.canary_error:.4g} errors with probability "
            f"{power:.4g}, not 1; for 80% it must bake {needed / per_minute:.4g} min. ")
    return ToolResult(
        tool="canary",
        values={"canary_requests": n, "detection": power, "missed": 1 - power, "failures_that_alarm": critical,
                "requests_for_80_percent": needed, "minutes_for_80_percent": needed / per_minute,
                "upper_bound_if_clean": bound, "failures_served": n * p.canary_error},
        units={"canary_requests": "requests", "detection": "fraction", "missed": "fraction", "failures_that_alarm": "requests",
               "requests_for_80_percent": "requests", "minutes_for_80_percent": "min", "upper_bound_if_clean": "fraction",
               "failures_served": "requests"},
        naive={"detection": 1.0, "upper_bound_if_clean": 0.0},
        summary=text + f"Not a single failure would still allow an error rate of {bound:.4g} (95%).",
        formula="n = rps * share * 60 * minutes; alarm at the least c with P[Bin(n, baseline) >= c] <= alpha; detection = "
        "P[Bin(n, canary) >= c]",
        series={"minutes": list(bakes), "detection": list(curve)},
        plot=Plot(title=f"A short bake misses what a long one catches ({p.canary_fraction:.3g} of {p.rps:,.6g} rps)",
                  x_label="bake time (min)", y_label="chance to catch the fault (fraction)", log_x=True,
                  marks=[{"axis": "x", "at": p.minutes, "label": "this bake"}],
                  lines=[Line(label="caught", x=list(bakes), y=list(curve)),
                         Line(label="a quiet canary proves safety (naive)", x=list(bakes), y=[1.0] * len(bakes), dashed=True)]),
        assumptions=["requests fail independently and the canary's are like all others", "the baseline is known exactly",
                     "one look at the end: looking at each minute raises false alarms"],
        warnings=["Fewer than 100 canary requests show hardly anything."] if n < 100 else [],
    )


def _at_least(c: int, n: int, p: float) -> float:
    """P[Bin(n, p) >= c]."""
    from scipy.special import betainc

    if c <= 0:
        return 1.0
    return 0.0 if c > n else float(betainc(c, n - c + 1, p))


def _critical(n: int, p: float, alpha: float) -> int:
    """Least c with P[Bin(n, p) >= c] <= alpha; n + 1 when there is none (then nothing alarms)."""
    low, high = 0, n + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _at_least(middle, n, p) <= alpha else (middle + 1, high)
    return low


def _needed(p: Canary, power: float) -> int:
    """Requests at which the detection reaches the power, found by doubling and bisection."""

    def enough(n: int) -> bool:
        return _at_least(_critical(n, p.baseline_error, p.alpha), n, p.canary_error) >= power

    high = 1
    while not enough(high):
        high *= 2
        if high > 10**15:
            raise ToolError("canary: the two error rates are too close to be told apart by 10^15 requests; widen the gap.")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
