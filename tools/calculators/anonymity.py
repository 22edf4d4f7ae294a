"""Anonymity measures: k, l and t of classes and tables, and what an attacker gains; changes no table."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from tools.base import Ask, Case, ToolError, formula, outputs, param
from tools.calculators.plain_tables import Cells, Rows
from tools.calculators.prose import RECORDS, VALUES, told
from tools.prose.records import find_classes, find_records, find_values

_VALUES = told(param(min_length=1, max_length=100_000, words=["values", "sensitive values"]), VALUES, find_values)
_CLASS = param(min_length=1, max_length=100_000, words=["class", "values in the class", "values of the class"])
_TABLE = param(min_length=1, max_length=100_000, words=["table", "values in the whole table", "whole table", "overall"])
_P = param(min_length=1, max_length=100_000, words=["p", "distribution", "shares", "counts"])
_Q = param(min_length=1, max_length=100_000, words=["q", "distribution of the table", "overall"])
_SIZES = param(min_length=1, max_length=100_000, words=["class sizes", "sizes", "equivalence classes", "classes", "groups"])

_AMOUNT = re.compile(r"[$€£]?\s*(-?\d[\d,]*(?:\.\d+)?)\s*([kKmM]?)")

SALARIES = [3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000, 11_000]
"""The sensitive column of the example in Li, Li & Venkatasubramanian, ICDE 2007."""

NETFLIX = {(8, 2, 14): 0.99, (2, 0, 3): 0.68}
"""(ratings known, of which wrong, error of the dates in days): share of subscribers found. Narayanan & Shmatikov,
IEEE Security & Privacy 2008."""


@formula("anon.k", words=["k of k-anonymity", "k-anonymity", "how large is k", "which k", "what k", "k of this table", "k-anonymous",
                          "smallest group",
                          "quasi identifiers"], cases=[
    Case({"rows": [["1305*", "<30"], ["1305*", "<30"], ["1485*", "40+"], ["1485*", "40+"], ["1485*", "40+"]]},
         {"result": 2}, source="smallest group of equal rows"),
    Case({"rows": "(20-29, 130), (20-29, 130), (30-39, 148), (30-39, 148), (30-39, 148)"}, {"result": 2},
         source="the same in plain text"),
], asks=[
    Ask("What k does this table have? The quasi-identifiers are zip and age.\n476** 20-29 flu\n476** 20-29 cancer\n479** 30-39 "
        "flu\n479** 30-39 "
        "HIV\n479** 30-39 flu", "result", 2),
    Ask("k-anonymity of these rows, quasi-identifiers zip and age: 130* <30 flu; 130* <30 HIV; 130* <30 cold; 148* 40+ flu; 148* 40+ cold?",
        "result", 2),
])
def k(
    rows: Rows = told(param(min_length=1, max_length=100_000, words=["rows", "records", "quasi-identifiers"]), RECORDS, find_records),
) -> int:
    """The k of k-anonymity: size of the smallest group of rows with equal quasi-identifiers."""
    return min(Counter(map(tuple, rows)).values())


@formula("anon.distinct_l", words=["distinct l-diversity", "l-diverse", "distinct l", "different sensitive values"], cases=[
    Case({"values": ["cancer", "cancer", "flu"]}, {"result": 2}, source="number of different values"),
    Case({"values": "flu, flu, cancer, hiv"}, {"result": 3}, source="number of different values"),
], asks=[Ask("A class holds the values \"flu, flu, cancer, hiv\". How many distinct sensitive values, that is l-diversity?",
             "result", 3),
         Ask("One class has diagnoses flu, cold, flu, asthma and HIV. What is its distinct l?", "result", 4)])
def distinct_l(values: Cells = _VALUES) -> int:
    """The l of distinct l-diversity of one class: its number of different sensitive values."""
    return len(set(values))


@formula("anon.entropy_l", words=["entropy l-diversity", "entropy l"], cases=[
    Case({"p": [0.5, 0.25, 0.25]}, {"result": 2.8284}, abs=1e-4, source="Machanavajjhala et al., ICDE 2006: exp(H)"),
    Case({"p": [0.75, 0.25]}, {"result": 1.7548}, abs=1e-4, source="Machanavajjhala et al., ICDE 2006: exp(H)"),
], asks=[
    Ask("A class has 6 patients with flu, 2 with a cold and 2 with asthma. Its entropy l-diversity, as exp(H)?", "result", 2.586),
])
def entropy_l(p: list[float] = _P) -> float:
    """The l of entropy l-diversity of one class: exp(entropy in nats) of its shares (or counts) of sensitive values."""
    shares = _shares("anon.entropy_l", p)
    return math.exp(-math.fsum(each * math.log(each) for each in shares if each > 0))


@formula("anon.table_l", words=["l of a table", "worst class", "distinct l-diversity of the table"], cases=[
    Case({"classes": [["flu", "cancer"], ["flu", "flu", "flu"]]}, {"result": [1, 1.0]}, source="worst class"),
])
def table_l(
    classes: Rows = told(param(min_length=1, max_length=100_000, words=["classes", "sensitive values of each class"]), RECORDS,
                         find_classes),
    out: str = outputs(distinct="distinct", entropy="entropy"),
) -> list[float]:
    """l of a table given its classes' sensitive values: [distinct, entropy], each of the worst class."""
    counts = [Counter(each) for each in classes]
    if not all(counts):
        raise ToolError("anon.table_l: a class without values has no diversity; leave it out.")
    entropies = [float(entropy_l([float(count) for count in each.values()])) for each in counts]
    return [min(map(len, counts)), min(entropies)]


@formula("anon.recursive_c", words=["recursive l-diversity"], cases=[
    Case({"counts": [5, 3, 2], "l": 2}, {"result": 1.0}, source="r1 / (r2 + r3)"),
])
def recursive_c(
    counts: list[int] = _P, ell: int = param(2, alias="l", ge=2, le=1_000, unit="count", words=["l"]),
) -> float:
    """Recursive (c,l)-diversity of one class: the c that it just misses, r1 / (r_l + ... + r_m)."""
    ranked = sorted(counts, reverse=True)
    rest = sum(ranked[ell - 1:])
    if ranked[-1] < 0 or rest <= 0:
        raise ToolError(f"anon.recursive_c: fewer than l = {ell} different values occur, so no c makes the class "
                        "diverse.")
    return ranked[0] / rest


@formula("anon.t_ordered", unit="fraction", words=["t-closeness", "ordered earth mover's distance"], cases=[
    Case({"p": [1, 1, 1, 0, 0, 0, 0, 0, 0], "q": [1] * 9}, {"result": 0.375}, rel=1e-12,
         source="Li, Li & Venkatasubramanian, ICDE 2007"),
    Case({"p": [0, 0, 0, 1, 0, 1, 0, 0, 1], "q": [1] * 9}, {"result": 1 / 6}, rel=1e-12,
         source="Li, Li & Venkatasubramanian, ICDE 2007, print 0.167"),
])
def t_ordered(p: list[float] = _P, q: list[float] = _Q) -> float:
    """Earth mover's distance of two distributions over m ordered values, neighbours 1/(m-1) apart."""
    a, b = _pair("anon.t_ordered", p, q)
    moved, total = 0.0, 0.0
    for left, right in zip(a, b, strict=True):
        moved += left - right
        total += abs(moved)
    return total / (len(a) - 1) if len(a) > 1 else 0.0


@formula("anon.t_equal", unit="fraction", words=["t-closeness of categories", "equal distance"], cases=[
    Case({"p": [1, 0, 0], "q": [1, 1, 1]}, {"result": 2 / 3}, rel=1e-12, source="half the sum of differences"),
])
def t_equal(p: list[float] = _P, q: list[float] = _Q) -> float:
    """Earth mover's distance when all values are equally far apart: half the sum of the differences of shares."""
    a, b = _pair("anon.t_equal", p, q)
    return math.fsum(abs(left - right) for left, right in zip(a, b, strict=True)) / 2


@formula("anon.t_closeness", unit="fraction", words=["t-closeness of a class"], cases=[
    Case({"values": [3_000, 4_000, 5_000], "table": SALARIES}, {"result": 0.375}, rel=1e-12,
         source="Li, Li & Venkatasubramanian, ICDE 2007"),
    Case({"values": [6_000, 8_000, 11_000], "table": SALARIES}, {"result": 0.167}, abs=5e-4,
         source="Li, Li & Venkatasubramanian, ICDE 2007"),
    Case({"values": ["3K", "4K", "5K"], "table": [f"{each // 1000}K" for each in SALARIES]}, {"result": 0.375}, rel=1e-12,
         source="the same salaries as text"),
    Case({"values": ["flu", "flu"], "table": ["flu", "flu", "cancer", "cancer"]}, {"result": 0.5}, rel=1e-12, source="by hand"),
])
def t_closeness(values: Cells = _CLASS, table: Cells = _TABLE) -> float:
    """The t of one class: distance of its sensitive values from the whole table's (ordered when all are numbers, or
    text such as 3K and $4,000)."""
    amounts: Cells = [_amount(each) for each in (*values, *table)]
    if None not in amounts:
        values, table = amounts[:len(values)], amounts[len(values):]
    domain = list(dict.fromkeys(table))
    ordered = all(isinstance(each, int | float) and not isinstance(each, bool) for each in domain)
    if ordered:
        domain = sorted(domain, key=lambda each: float(each or 0))
    if strangers := set(values) - set(domain):
        raise ToolError(f"anon.t_closeness: {next(iter(strangers))!r} occurs in the class but not in the table.")
    inside, overall = Counter(values), Counter(table)
    shares = [[float(each[value]) for value in domain] for each in (inside, overall)]
    return float((t_ordered if ordered else t_equal)(*shares))


@formula("anon.prosecutor_risk", unit="fraction", words=["prosecutor risk", "re-identification risk", "picks the right record"], cases=[
    Case({"sizes": [1, 4, 5]}, {"result": [1.0, 0.3]}, rel=1e-12, source="largest 1/size; classes / records"),
], asks=[Ask("Equivalence classes of sizes 4, 5 and 11: how high is the prosecutor risk?", "result", 0.25)])
def prosecutor_risk(sizes: list[int] = _SIZES, out: str = outputs(worst="worst|max|highest", mean="mean|average")) -> list[float]:
    """Chance that who knows a person's quasi-identifiers picks the right record: [worst class, mean over records]."""
    if min(sizes) < 1:
        raise ToolError("anon.prosecutor_risk: a class has at least one record.")
    return [1 / min(sizes), len(sizes) / sum(sizes)]


@formula("anon.unique_share", unit="fraction", words=["unique people", "share of unique", "unique combination", "alone with"], cases=[
    Case({"people": 1_000, "cells": 1_000}, {"result": 0.368063}, abs=1e-6, source="(1 - 1/cells)^(people - 1)"),
])
def unique_share(
    people: int = param(ge=1, le=10**11, unit="users", words=["people", "population", "records"]),
    cells: float = param(ge=1, le=1e18, unit="count", words=["combinations", "cells", "different values", "possible values"]),
) -> float:
    """Expected share of people who are alone with their combination of attributes, if all are equally frequent."""
    if cells == 1:
        return 1.0 if people == 1 else 0.0
    return math.exp((people - 1) * math.log1p(-1 / cells))


@formula("anon.bits", unit="bits", words=["bits of information", "single out", "identify one person", "how many bits identify"], cases=[
    Case({"people": 8_000_000_000}, {"result": 32.897353}, abs=1e-6, source="log2"),
], asks=[Ask("How many bits of information identify a person in a population of 330 million?", "result", 28.297891)])
def bits(people: float = param(ge=1, le=1e12, unit="users", words=["people", "population"])) -> float:
    """Bits of information that single one person out: log2(people)."""
    return math.log2(people)


@formula("anon.netflix", unit="fraction", cases=[
    Case({"ratings": 8, "wrong": 2, "date_err_days": 14}, {"result": 0.99}, rel=1e-12, shown=True,
         source="Narayanan & Shmatikov, IEEE Security & Privacy 2008"),
])
def netflix(
    ratings: int = param(ge=1, le=100, unit="count", words=["ratings", "movies", "known ratings"]),
    wrong: int = param(0, ge=0, le=100, unit="count", words=["wrong", "completely wrong"]),
    date_err_days: int = param(ge=0, le=10_000, unit="days", words=["date error", "days"]),
) -> float:
    """Share of Netflix Prize subscribers whose record was found from some ratings: a published measurement."""
    if (ratings, wrong, date_err_days) not in NETFLIX:
        known = "; ".join(f"{r} ratings, {w} wrong, {d} days: {share:.0%}" for (r, w, d), share in NETFLIX.items())
        raise ToolError(f"anon.netflix: only measured settings have a value ({known}).")
    return NETFLIX[ratings, wrong, date_err_days]


def _shares(name: str, numbers: Sequence[float]) -> list[float]:
    total = math.fsum(numbers)
    if total <= 0 or min(numbers) < 0:
        raise ToolError(f"{name}: shares must be zero or more, and not all zero.")
    return [each / total for each in numbers]


def _pair(name: str, p: Sequence[float], q: Sequence[float]) -> tuple[list[float], list[float]]:
    if len(p) != len(q):
        raise ToolError(f"{name}: p has {len(p)} values and q {len(q)}; give both over the same values.")
    return _shares(name, p), _shares(name, q)


class Reference:
    """A table's sensitive values, from which classes' distances are measured in the time that their own size takes."""

    def __init__(self, overall: Counter[Any], ordered: bool) -> None:
        self.ordered = ordered
        total = overall.total()
        self._share = {value: count / total for value, count in overall.items()}
        domain = sorted(overall) if ordered else list(overall)
        self._place = {value: place for place, value in enumerate(domain)}
        self._below = list(accumulate(self._share[value] for value in domain))
        self._sums = [0.0, *accumulate(self._below)]

    def distance(self, inside: Counter[Any]) -> float:
        """The t of a class: as `t_ordered` or `t_equal` of its shares and the table's."""
        total = inside.total()
        if not self.ordered:
            return math.fsum(max(0.0, count / total - self._share[value]) for value, count in inside.items())
        last = len(self._below)
        if last == 1:
            return 0.0
        places = sorted((self._place[value], count) for value, count in inside.items())
        moved, reached, start = 0.0, 0, 0
        for place, count in [*places, (last, 0)]:
            moved += self._apart(reached / total, start, place)
            reached, start = reached + count, place
        return moved / (last - 1)

    def _apart(self, level: float, start: int, end: int) -> float:
        """Sum of |level - cumulative share| over the places from start to end."""
        cross = bisect_right(self._below, level, start, end)
        low = level * (cross - start) - (self._sums[cross] - self._sums[start])
        return low + self._sums[end] - self._sums[cross] - level * (end - cross)


def _amount(value: Any) -> float | None:
    """A number, or one written as text such as "3K" or "$4,000"; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    found = _AMOUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    return float(found[1].replace(",", "")) * {"": 1, "k": 1e3, "m": 1e6}[found[2].lower()] if found else None
