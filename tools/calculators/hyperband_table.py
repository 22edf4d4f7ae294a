"""Brackets of successive halving, Hyperband and ASHA, and what they cost; evaluates no configuration."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Literal

from tools.base import Ask, Case, ToolError, formula, outputs, param

Number = int | float
Bracket = list[list[Number]]
Variant = Literal["code", "formula"]

_VARIANTS: tuple[Variant, Variant] = ("code", "formula")

_R: dict[str, Any] = {"ge": 1, "le": 10**9, "unit": "count", "words": ["R", "maximum budget", "max epochs",
                                                                       "maximum epochs", "resource", "full training"]}
_ETA: dict[str, Any] = {"ge": 1.5, "le": 100, "unit": "count", "words": ["eta", "reduction factor", "halving rate",
                                                                         "keeps one in", "keep the best 1 in"]}
_MIN: dict[str, Any] = {"gt": 0, "le": 10**9, "unit": "count",
                        "words": ["minimum budget", "min epochs", "minimum epochs", "starting from", "starting with",
                                  "starting budget", "first rung", "epochs each", "initial epochs", "r"]}
_CONFIGS: dict[str, Any] = {"ge": 1, "le": 10**7, "unit": "count",
                            "words": ["configurations", "configs", "candidates", "trials", "models", "settings", "n"]}
_VARIANT = param("Algorithm 1 formula", max_length=100, words=["variant", "code", "formula"])
_CODE = [[[81, 1], [27, 3], [9, 9], [3, 27], [1, 81]], [[27, 3], [9, 9], [3, 27], [1, 81]], [[9, 9], [3, 27], [1, 81]],
         [[6, 27], [2, 81]], [[5, 81]]]
_PAPER = [[[81, 1], [27, 3], [9, 9], [3, 27], [1, 81]], [[34, 3], [11, 9], [3, 27], [1, 81]],
          [[15, 9], [5, 27], [1, 81]], [[8, 27], [2, 81]], [[5, 81]]]
_LI = "Li et al., JMLR 18, 2018"


@formula("hpo.hyperband_table", words=["Hyperband table"], cases=[
    Case({"R": 81, "eta": 3, "variant": "reference code / JMLR table"}, {"result": _CODE},
         source=f"{_LI}: table 1 and the reference code, n = ceil(int(B/R/(s+1)) eta^s)"),
    Case({"R": 81, "eta": 3, "variant": "Algorithm 1 formula"}, {"result": _PAPER},
         source=f"{_LI}: algorithm 1, n = ceil(B/R eta^s/(s+1))"),
])
def hyperband_table(
    R: float = param(**_R), eta: float = param(3.0, **_ETA), variant: str = _VARIANT,
) -> list[list[list[Number]]]:
    """Hyperband's brackets, the most exploring one first: rungs of [configurations, budget of each]. Two tables are
    in circulation: algorithm 1 of the paper ("formula") and its table and reference code ("code"), which rounds
    earlier."""
    return brackets(R, eta, table_variant(variant))


@formula("hpo.hyperband_budget", words=["Hyperband budget", "total budget of Hyperband"], cases=[
    Case({"R": 81, "eta": 3, "out": "code, formula (units of r)"}, {"result": [1701, 1902]}, source="sum of n r"),
])
def hyperband_budget(
    R: float = param(**_R), eta: float = param(3.0, **_ETA), out: str = outputs(code="code|table|reference", formula="formula|algorithm"),
) -> list[Number]:
    """Budget that all brackets use, each rung paid in full: [reference code, algorithm 1]."""
    return [_plain(sum((kept * budget for each in _exact(R, eta, name) for kept, budget in each), Fraction(0)))
            for name in _VARIANTS]


@formula("hpo.hyperband_brackets", unit="count", words=["Hyperband brackets", "how many brackets"], cases=[
    Case({"R": 81, "eta": 3}, {"result": 5}, source="floor(log_3 81) + 1"),
    Case({"R": 243, "eta": 3}, {"result": 6}, source="exact; floating-point log gives 4.999... and loses one"),
])
def hyperband_brackets(R: float = param(**_R), eta: float = param(3.0, **_ETA)) -> int:
    """Number of Hyperband's brackets: floor(log_eta R) + 1, computed exactly."""
    return _levels(Fraction(R), Fraction(eta)) + 1


@formula("hpo.hyperband_configs", unit="count", words=["Hyperband configurations"], cases=[
    Case({"R": 81, "eta": 3}, {"result": [128, 143]}, source="81+27+9+6+5; 81+34+15+8+5"),
])
def hyperband_configs(
    R: float = param(**_R), eta: float = param(3.0, **_ETA), out: str = outputs(code="code|table|reference", formula="formula|algorithm"),
) -> list[int]:
    """Configurations that all brackets start: [reference code, algorithm 1]."""
    return [sum(each[0][0] for each in _exact(R, eta, name)) for name in _VARIANTS]


@formula("hpo.successive_halving", words=["rungs of successive halving"], cases=[
    Case({"n": 81, "r": 1, "eta": 3, "R": 81}, {"result": _PAPER[0]}, source="Jamieson & Talwalkar 2016"),
    Case({"n": 10, "r": 2, "eta": 2}, {"result": [[10, 2], [5, 4], [2, 8], [1, 16]]}, source="until one is left"),
])
def successive_halving(
    n: int = param(**_CONFIGS),
    r: float = param(1.0, **_MIN), eta: float = param(3.0, **_ETA),
    R: float | None = param(None, ge=1, le=10**12, unit="count", words=["R", "maximum budget"]),
) -> Bracket:
    """Rungs of successive halving as [configurations, budget of each], until one is left or the budget reaches R."""
    return [[kept, _plain(budget)] for kept, budget in _halving(n, r, eta, R)]


@formula("hpo.successive_halving_budget", unit="count",
         words=["successive halving", "total epochs", "total budget", "epochs in all", "cost of successive halving"], cases=[
    Case({"n": 81, "r": 1, "eta": 3, "R": 81}, {"result": 405}, source="5 rungs of 81"),
    Case({"n": 16, "r": 4, "eta": 2}, {"result": 320}, source="16*4 in each of 5 rungs"),
], asks=[Ask("Successive halving of 27 configurations with eta 3 and a minimum budget of 2 epochs: how many epochs in total?",
             "result", 216),
         Ask("we start 16 configs with 4 epochs each and keep half every rung (eta 2): total epochs of successive halving?",
             "result", 320)])
def successive_halving_budget(
    n: int = param(**_CONFIGS),
    r: float = param(**_MIN), eta: float = param(**_ETA),
    R: float | None = param(None, ge=1, le=10**12, unit="count", words=["R", "maximum budget"]),
) -> Number:
    """Budget of successive halving when every rung is trained from scratch: sum over the rungs of configurations * budget."""
    return _plain(sum((kept * budget for kept, budget in _halving(n, r, eta, R)), Fraction(0)))


@formula("hpo.halving_rungs", unit="rungs",
         words=["successive halving", "how many rungs", "how many rounds", "rounds until one is left"], cases=[
    Case({"n": 81, "eta": 3}, {"result": 5}, source="81, 27, 9, 3, 1"),
    Case({"n": 100, "eta": 2}, {"result": 7}, source="100, 50, 25, 12, 6, 3, 1"),
], asks=[Ask("How many rungs does successive halving of 64 configurations with eta 4 have until one is left?", "result", 4)])
def halving_rungs(n: int = param(**_CONFIGS), eta: float = param(**_ETA)) -> int:
    """Rungs of successive halving until one configuration is left, about log_eta(n) + 1 as each keeps floor(n/eta)."""
    return len(_halving(n, 1.0, eta, None))


@formula("hpo.halving_survivors", unit="configurations",
         words=["successive halving", "survive", "survivors", "are left", "remain after"], cases=[
    Case({"n": 81, "eta": 3, "rounds": 2}, {"result": 9}, source="81, 27, 9"),
], asks=[Ask("200 configurations, eta 4: how many survive 2 rounds of successive halving?", "result", 12)])
def halving_survivors(
    n: int = param(**_CONFIGS), eta: float = param(**_ETA),
    rounds: int = param(ge=0, le=60, unit="rounds", words=["rounds", "halvings", "cuts", "promotions"]),
) -> int:
    """Configurations left after some rounds of successive halving: floor(n / eta), again and again."""
    kept = n
    for _ in range(rounds):
        kept = math.floor(kept / Fraction(eta))
    return kept


@formula("hpo.resumed_budget", unit="count", words=["Hyperband with checkpoints", "resuming"], cases=[
    Case({"R": 81, "eta": 3, "variant": "code"}, {"result": 1_404}, source="each rung pays only what is new"),
])
def resumed_budget(
    R: float = param(**_R), eta: float = param(3.0, **_ETA), variant: str = _VARIANT,
) -> Number:
    """Budget of all of Hyperband's brackets when survivors resume from checkpoints."""
    total = Fraction(0)
    for each in _exact(R, eta, table_variant(variant)):
        before = Fraction(0)
        for kept, budget in each:
            total, before = total + kept * (budget - before), budget
    return _plain(total)


@formula("hpo.asha_rungs", words=["ASHA rungs"], cases=[
    Case({"r": 1, "R": 81, "eta": 3}, {"result": [1, 3, 9, 27, 81]}, source="Li et al., arXiv 1810.05934"),
    Case({"r": 1, "R": 81, "eta": 3, "s": 1}, {"result": [3, 9, 27, 81]}, source="early stopping rate s"),
])
def asha_rungs(
    r: float = param(1.0, **_MIN), R: float = param(**_R), eta: float = param(3.0, **_ETA),
    s: int = param(0, ge=0, le=60, unit="count", words=["early-stopping rate", "s", "bracket"]),
) -> list[Number]:
    """Budgets of ASHA's rungs: r eta^(s+k) up to R."""
    if r > R:
        raise ToolError(f"hpo.asha_rungs: r is {r:g}, more than R {R:g}; it must be at most R.")
    rate, low = Fraction(eta), Fraction(r)
    count = _levels(Fraction(R) / low, rate)
    if s > count:
        raise ToolError(f"hpo.asha_rungs: s is {s}; it must lie between 0 and {count}.")
    return [_plain(low * rate**each) for each in range(s, count + 1)]


@formula("hpo.asha_promotable", unit="count", words=["ASHA promote", "may be promoted", "promotes"], cases=[
    Case({"finished": 10, "promoted": 2, "eta": 3}, {"result": 1}, source="floor(10/3) - 2"),
])
def asha_promotable(
    finished: int = param(ge=0, le=10**9, unit="count", words=["finished", "completed"]),
    promoted: int = param(0, ge=0, le=10**9, unit="count", words=["promoted"]), eta: float = param(3.0, **_ETA),
) -> int:
    """Configurations that ASHA may promote from a rung now: the top 1/eta of those finished, less those promoted, if
    these still rank there."""
    return max(0, math.floor(finished / Fraction(eta)) - promoted)


def table_variant(text: str) -> Variant:
    """Which of the two tables a text names. Raises ToolError when it names neither or both."""
    words = text.lower()
    code = any(each in words for each in ("code", "table", "reference", "jamieson", "jmlr"))
    paper = any(each in words for each in ("formula", "algorithm", "paper"))
    if code == paper:
        raise ToolError(f"hpo.hyperband_table: variant {text!r} must name 'reference code' or 'Algorithm 1 formula'.")
    return "code" if code else "formula"


def brackets(R: float, eta: float, variant: Variant) -> list[Bracket]:
    """Hyperband's brackets: rungs of [configurations, budget]. Raises ToolError when oversized."""
    return [[[kept, _plain(budget)] for kept, budget in each] for each in _exact(R, eta, variant)]


def _exact(R: float, eta: float, variant: Variant) -> list[list[tuple[int, Fraction]]]:
    """The same in exact arithmetic."""
    most, rate = Fraction(R), Fraction(eta)
    top = _levels(most, rate)
    found = []
    for s in range(top, -1, -1):
        share = Fraction(top + 1, s + 1)
        start = math.ceil((share if variant == "formula" else math.floor(share)) * rate**s)
        if start > 10**12:
            raise ToolError(f"hpo.hyperband_table: a bracket would start {start:.3g} configurations; lower R.")
        found.append([(math.floor(start / rate**i), most / rate ** (s - i)) for i in range(s + 1)])
    return found


def _halving(n: int, r: float, eta: float, R: float | None) -> list[tuple[int, Fraction]]:
    rate, budget, rungs, kept = Fraction(eta), Fraction(r), [], n
    while kept >= 1 and (R is None or budget <= Fraction(R)):
        rungs.append((kept, budget))
        if kept == 1:
            break
        kept, budget = math.floor(kept / rate), budget * rate
    return rungs


def _levels(ratio: Fraction, rate: Fraction) -> int:
    """floor(log_rate ratio) without floating point."""
    count, power = 0, rate
    while power <= ratio:
        count, power = count + 1, power * rate
    return count


def _plain(value: Fraction) -> Number:
    return int(value) if value.denominator == 1 else float(value)
