"""Sample size, power and peeking of A/B tests on proportions; knows the statistics, not the metric's worth."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

_P1: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["baseline", "from", "p1", "conversion", "control", "old",
        "today", "currently", "now", "at present", "before", "converts at", "convert"]}
_P2: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["to", "p2", "treatment", "variant", "new", "goes to",
        "raises", "lift to", "better", "up to", "rise to", "variant converts", "improves to", "redesign"]}
_ALPHA: dict[str, Any] = {"ge": 1e-9, "lt": 1, "unit": "fraction", "words": ["alpha", "significance", "false positive",
        "significance level", "alpha of"]}
_POWER: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["power", "power of", "chance to see it", "with a power"]}
_COUNT: dict[str, Any] = {"ge": 1, "le": 1e15, "unit": "count", "words": ["per arm", "users", "samples", "n", "visitors",
        "in each arm", "per group", "each group", "per variant", "customers", "people", "sessions", "each arm", "each side"]}


@formula("ab.n_per_arm", words=["users per arm", "sample size", "detect a lift", "detect an increase", "users per group",
        "how many users", "users in each arm", "visitors per variant", "per arm", "a/b test size", "to see", "detect", "to notice",
        "how many people", "users do i need", "in each group", "samples needed"],
    unit="users", cases=[
    Case({"p1": 0.1, "p2": 0.11, "alpha": 0.05, "power": 0.8}, {"result": 14749}, source="unpooled normal approximation"),
    Case({"p1": 0.2, "p2": 0.25, "alpha": 0.05, "power": 0.8}, {"result": 1091}, source="unpooled normal approximation"),
    Case({"p1": 0.05, "p2": 0.055, "alpha": 0.05, "power": 0.8}, {"result": 31231}, source="unpooled normal approximation"),
], asks=[
    Ask("Sample size per arm to detect a lift from 8% to 9% at 5% significance and 80% power?", "result", 12206.0),
    Ask("How many users do I need in each group to see a rise of the conversion from 3% to 3.6%?", "result", 13911.0),
    Ask("The old page converts at 12%, I hope for 14% with the new one. How many visitors per variant with a "
        "power of 90%?", "result", 5937.0),
])
def n_per_arm(
    p1: float = param(**_P1), p2: float = param(**_P2), alpha: float = param(0.05, **_ALPHA),
    power: float = param(0.8, **_POWER),
) -> int:
    """Users in each arm of a two-sided test of two proportions (unpooled normal approximation, rounded up)."""
    if p1 == p2:
        raise ToolError(f"ab.n_per_arm: p1 and p2 are both {p1:g}, and no sample shows a difference that isn't there; give "
                        "two different rates.")
    z = _z(1 - alpha / 2) + _z(power)
    return max(1, math.ceil(max(z, 0.0) ** 2 * (p1 * (1 - p1) + p2 * (1 - p2)) / (p1 - p2) ** 2))


@formula("ab.n_per_arm_mean", words=["standard deviation", "difference in means", "sample size for a mean", "difference of means",
        "means", "average differs", "continuous metric", "scatters", "sd of"],
    unit="users", cases=[
    Case({"sd": 10, "delta": 1, "alpha": 0.05, "power": 0.8}, {"result": 1570}, source="2 (1.96 + 0.8416)^2 * 100"),
], asks=[
    Ask("Standard deviation 40 and a difference of 2 to detect: users per arm?", "result", 6280, 0.002),
    Ask("The rating has a standard deviation of 25 points and we want to detect a difference of 1.5. "
        "How many users per arm?", "result", 4361.0, 0.002),
    Ask("sd 120, effect 10, power 90%: users in each arm of a test of two means?", "result", 3027.0, 0.002),
])
def n_per_arm_mean(
    sd: float = param(gt=0, le=1e12, unit="count", words=["standard deviation", "sd", "scatter", "spread", "standard deviation of",
        "varies by"]),
    delta: float = param(gt=0, le=1e12, unit="count", words=["difference", "effect", "detect a difference of", "to detect",
        "change of", "shift of", "improvement of", "gain of"]),
    alpha: float = param(0.05, **_ALPHA), power: float = param(0.8, **_POWER),
) -> int:
    """Users in each arm of a two-sided test of two means with a common standard deviation (rounded up)."""
    return max(1, math.ceil(2 * (max(_z(1 - alpha / 2) + _z(power), 0.0) * sd / delta) ** 2))


@formula("ab.power", words=["power", "chance to detect", "chance of seeing", "power of the test", "how likely do we detect",
        "chance that the test shows", "would we detect", "likely to detect", "detect it"],
    unit="fraction", cases=[
    Case({"p1": 0.1, "p2": 0.11, "n": 14749, "alpha": 0.05}, {"result": 0.8}, abs=1e-4, source="inverse of ab.n_per_arm"),
], asks=[
    Ask("Baseline 10%, variant 11%, 8,000 users in each arm: what power does the test have?", "result", 0.5398, 0.01),
    Ask("What is the power of an A/B test with 5,000 users per arm when conversion goes from 10% to 12%?", "result", 0.892083389),
    Ask("We have only 3,000 visitors in each arm, the control converts 5% and the variant 6%. How likely "
        "is it that the test detects it?", "result", 0.397276368),
])
def power_of(
    p1: float = param(**_P1), p2: float = param(**_P2), n: float = param(**_COUNT), alpha: float = param(0.05, **_ALPHA),
) -> float:
    """Power of a two-sided test of two proportions with n users in each arm (unpooled normal approximation)."""
    shift = abs(p1 - p2) / math.sqrt((p1 * (1 - p1) + p2 * (1 - p2)) / n)
    z = _z(1 - alpha / 2)
    return NormalDist().cdf(shift - z) + NormalDist().cdf(-shift - z)


@formula("ab.mde", words=["minimum detectable effect", "mde", "smallest effect", "detectable lift", "smallest lift",
        "smallest rise", "smallest difference", "how small a difference", "minimum detectable lift", "can we detect"],
    unit="fraction", cases=[
    Case({"p1": 0.1, "n": 14749, "alpha": 0.05, "power": 0.8}, {"result": 0.01}, rel=1e-4, source="inverse of ab.n_per_arm"),
], asks=[
    Ask("Baseline 8% and 20,000 users per arm: what is the smallest rise we can detect?", "result", 0.00771, 0.01),
    Ask("With 50,000 users in each arm and a baseline of 4%, what is the minimum detectable effect?", "result", 0.0035448342),
    Ask("Our conversion is 20% and 2,500 visitors go to each group. How small a difference can we detect?", "result", 0.0325995222),
])
def mde(
    p1: float = param(**_P1), n: float = param(**_COUNT), alpha: float = param(0.05, **_ALPHA),
    power: float = param(0.8, **_POWER),
) -> float:
    """Smallest absolute rise over p1 that n users in each arm detect with the given power."""
    z = max(_z(1 - alpha / 2) + _z(power), 0.0)
    low, high = 0.0, 1 - p1
    for _ in range(200):
        middle = (low + high) / 2
        seen = middle >= z * math.sqrt((p1 * (1 - p1) + (p1 + middle) * (1 - p1 - middle)) / n)
        low, high = (low, middle) if seen else (middle, high)
    if high > (1 - p1) * (1 - 1e-9):
        raise ToolError(f"ab.mde: {n:g} users in each arm can't detect any rise over {p1:g}; give more users.")
    return high


@formula("ab.p_value", words=["p-value", "p value", "significant", "is the difference real", "z test", "converted", "clicked",
                              "bought", "signed up", "a/b result"],
    unit="fraction", cases=[
    Case({"x1": 100, "n1": 1000, "x2": 130, "n2": 1000}, {"result": 0.0354885}, rel=1e-4, source="pooled two-proportion z test"),
], asks=[
    Ask("120 of 2000 visitors clicked on the old page and 165 of 2000 on the new one: p-value?", "result", 0.005676, 0.005),
    Ask("In arm A 210 of 5000 users signed up, in arm B 260 of 5000 users. What is the p-value?", "result", 0.0181513934, 0.003),
    Ask("With the old checkout 88 of 1200 visitors bought something, with the new one 121 of 1200 "
        "visitors. Is the difference real, which p-value?", "result", 0.0168920059, 0.003),
])
def p_value(
    x1: float = param(ge=0, le=1e15, unit="count", words=["conversions", "successes", "of", "x1"]), n1: float = param(**_COUNT),
    x2: float = param(ge=0, le=1e15, unit="count", words=["conversions", "successes", "of", "x2"]), n2: float = param(**_COUNT),
) -> float:
    """Two-sided p-value of the pooled z test that two proportions are equal."""
    if x1 > n1 or x2 > n2:
        raise ToolError(f"ab.p_value: {max(x1, x2):g} successes are more than the users of their arm; check x and n.")
    pooled = (x1 + x2) / (n1 + n2)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    return 1.0 if spread == 0 else math.erfc(abs(x1 / n1 - x2 / n2) / spread / math.sqrt(2))


@formula("ab.peeking_fp", words=["peeking", "peek", "look every day", "false positive rate", "stop early", "stopping early",
        "interim looks", "check every day", "stop as soon as", "check it", "false alarm", "checked", "significant at the first"],
    unit="fraction", cases=[
    Case({"looks": 1, "alpha": 0.05}, {"result": 0.05}, rel=1e-6, source="one look"),
    Case({"looks": 5, "alpha": 0.05}, {"result": 0.142}, abs=5e-4, source="P. Armitage et al., JRSS A 132(2), 1969"),
    Case({"looks": 10, "alpha": 0.05}, {"result": 0.193}, abs=5e-4, source="P. Armitage et al., JRSS A 132(2), 1969"),
], asks=[
    Ask("We look at the test 20 times and stop at the first p < 0.05: how often is that a false positive?", "result", 0.248, 0.01),
    Ask("If I peek 5 times at alpha 5% and stop at the first significant result, how often is it a false alarm?", "result", 0.142, 0.01),
    Ask("10 interim looks at a significance of 5%: false positive rate with stopping early?", "result", 0.193, 0.01),
])
def peeking_fp(
    looks: int = param(ge=1, le=100, unit="count", words=["looks", "peeks", "times", "interim looks", "checks", "days", "check",
        "daily"]), alpha: float = param(0.05, **_ALPHA),
) -> float:
    """False-positive rate when a test without effect is read at equal steps and stopped at the first p < alpha."""
    return peeking_curve(looks, alpha)[-1]


class AbTest(Params):
    p1: float = param(0.05, ge=1e-6, le=0.999, unit="fraction", words=["baseline", "from", "conversion", "control", "rate of"])
    p2: float = param(0.055, ge=1e-6, le=0.999, unit="fraction", words=["to", "treatment", "variant", "rises", "lift to"])
    alpha: float = param(0.05, ge=1e-6, le=0.5, unit="fraction", words=["alpha", "significance level", "significance"])
    power: float = param(0.8, ge=0.05, le=0.999, unit="fraction", words=["power"])
    users_per_day: float = param(10_000.0, ge=1, le=1e10, unit="users", words=["users a day", "visitors", "per day", "daily"])
    looks: int = param(10, ge=1, le=100, unit="count", words=["looks", "peeks", "look at it", "peek", "times", "interim"])


@tool("ab-test", group="A",
      words=["a/b test", "ab test", "sample size", "per arm", "power", "peeking", "significance", "experiment", "conversion"],
      example={"p1": 0.05, "p2": 0.055},
      cases=[
          Case({"p1": 0.05, "p2": 0.055}, {"n_per_arm": 31231}, source="unpooled normal approximation"),
          Case({"p1": 0.1, "p2": 0.11}, {"n_per_arm": 14749}, source="unpooled normal approximation"),
          Case({"looks": 5}, {"peeking_false_positive": 0.142}, abs=5e-4, source="P. Armitage et al., JRSS A 132(2), 1969"),
      ],
      asks=[
          Ask("How many users per arm do I need to see a conversion rise from 5% to 5.5%?", "n_per_arm", 31231),
          Ask("A/B test: baseline 20%, variant 25%, alpha 0.05, power 80%. Sample size in each arm?", "n_per_arm", 1091),
          Ask("If I peek 10 times at 5% significance, what is the false positive rate?", "peeking_false_positive", 0.193),
          Ask("From a control rate of 10% to 11% with 20,000 visitors: how many days must it run?", "days", 2),
      ])
def ab_test(p: AbTest, seed: int) -> ToolResult:
    """How many users an A/B test needs, how long that takes, and what looking early does to it.

    Two proportions, two-sided, equal arms: n = (z_{1-alpha/2} + z_power)^2 (p1 q1 + p2 q2) / (p1 - p2)^2, rounded up (the
    unpooled normal approximation; pooled or continuity-corrected versions differ by a few per cent). All users of a day
    enter the test. Peeking: without any effect the z score is a random walk over sqrt(n); the chance that it leaves
    +-z at one of the looks is integrated numerically, look by look, not simulated.

    People get wrong: stopping at the first significant look. Ten looks at 5% are a false alarm in 19% of the cases.

    Sources: J. Fleiss, "Statistical Methods for Rates and Proportions", ch. 4; P. Armitage, C. McPherson, B. Rowe,
    "Repeated Significance Tests on Accumulating Data", JRSS A 132(2), 1969 (0.142 for 5 looks, 0.193 for 10: recomputed).

    >>> ab_test(AbTest(p1=0.05, p2=0.055), 0).values["n_per_arm"]
    31231
    """
    n = n_per_arm(p.p1, p.p2, p.alpha, p.power)
    days = math.ceil(2 * n / p.users_per_day)
    curve = peeking_curve(p.looks, p.alpha)
    sizes = [max(1, round(n * step / 10)) for step in range(1, 21)]
    looks = list(range(1, p.looks + 1))
    warnings = [] if p.looks == 1 else [f"Fix the end beforehand, or spend alpha over the {p.looks} looks (group-sequential)."]
    if n * min(p.p1, 1 - p.p1, p.p2, 1 - p.p2) < 10:
        warnings.append("Fewer than 10 expected events in an arm: the normal approximation is rough here.")
    return ToolResult(
        tool="ab-test",
        values={"n_per_arm": n, "n_total": 2 * n, "days": days, "absolute_difference": p.p2 - p.p1,
                "relative_difference": p.p2 / p.p1 - 1, "peeking_false_positive": curve[-1]},
        units={"n_per_arm": "users", "n_total": "users", "days": "days", "absolute_difference": "fraction",
               "relative_difference": "fraction", "peeking_false_positive": "fraction"},
        naive={"peeking_false_positive": p.alpha},
        summary=f"{n:,} users in each arm ({days:,} days at {p.users_per_day:,.0f} a day) show {p.p1:.4g} against {p.p2:.4g} "
        f"with a power of {p.power:.0%}. Whoever stops at the first significant of {p.looks} looks is wrong in "
        f"{curve[-1]:.1%} of the tests without effect, not in {p.alpha:.4g}.",
        formula="n = (z_{1-alpha/2} + z_power)^2 (p1 (1-p1) + p2 (1-p2)) / (p1 - p2)^2; days = 2 n / users per day",
        series={"looks": list(looks), "false_positive": list(curve), "n_per_arm": list(sizes),
                "power": [float(power_of(p.p1, p.p2, size, p.alpha)) for size in sizes]},
        plot=Plot(title=f"Peeking turns {p.alpha:.3g} false alarms into {curve[-1]:.2g} ({len(looks)} looks, no effect)",
                  x_label="looks (count)",
                  y_label="false positives (fraction)", lines=[
                      Line(label="stopped at the first p < alpha", x=list(looks), y=list(curve)),
                      Line(label="alpha as hoped (naive)", x=list(looks), y=[p.alpha] * len(looks), dashed=True)]),
        assumptions=["users are independent and split evenly", "looks come at equal steps of the sample",
                     "one metric and one variant: more of them need a correction"],
        warnings=warnings,
    )


def peeking_curve(looks: int, alpha: float) -> list[float]:
    """Chance of a false alarm by the 1st, 2nd… look, shape (looks,): the density of the walk that stayed inside the
    bounds is carried from look to look by Gauss-Legendre quadrature."""
    import numpy as np

    bound = _z(1 - alpha / 2)
    nodes, weights = np.polynomial.legendre.leggauss(64 + round(18 * math.sqrt(looks)))
    x = nodes * bound
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi) * weights * bound
    curve = [alpha]
    for look in range(2, looks + 1):
        edge = bound * math.sqrt(look)
        y = nodes * edge
        steps = np.exp(-0.5 * (y[:, None] - x[None, :]) ** 2) / math.sqrt(2 * math.pi)
        density = (steps @ density) * weights * edge
        x = y
        curve.append(1 - float(density.sum()))
    return curve


def _z(q: float) -> float:
    return NormalDist().inv_cdf(q)
