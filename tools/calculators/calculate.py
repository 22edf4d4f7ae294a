"""Any expression with units, computed safely; knows units and arithmetic, no subject."""

from __future__ import annotations

import re

from tools import arithmetic
from tools.base import Case, Params, ToolResult, param, tool
from tools.plot_axes import figure

CONVENTIONS = ((r"(?i)month|year|\byr", "a month has 30 days and a year 365"),
               (r"[KMGTPk]i?B", "KB, MB, GB are powers of 1,000; KiB, MiB, GiB are powers of 1,024"))


class Calculate(Params):
    expression: str = param(min_length=1, max_length=arithmetic.LONGEST, words=["expression"],
                            help='like "12M * 8 / day" or "2 TB / 10 Gbps in min"')


@tool("calculate", group="A", words=["evaluate the expression", "arithmetic expression"],
      example={"expression": "12M users * 8 requests / day in rps"},
      cases=[Case({"expression": "12M * 8 / day"}, {"result": 1111.1111111}, rel=1e-9, source="arithmetic"),
             Case({"expression": "2 TB / 10 Gbps in s"}, {"result": 1600, "unit": "s"}, rel=1e-12, source="arithmetic"),
             Case({"expression": "1 PiB in PB"}, {"result": 1.125899906842624, "unit": "PB"}, rel=1e-12, source="IEC 80000-13"),
             Case({"expression": "10M * 2 * 1 KB * 5 year * 3 / day in TB"}, {"result": 109.5}, rel=1e-12, source="years of 365 d"),
             Case({"expression": "99.9% ** 5"}, {"result": 0.99500999}, rel=1e-8, source="arithmetic")])
def calculate(p: Calculate, seed: int) -> ToolResult:
    """Value of an arithmetic expression with units.

    Takes numbers (`12M`, `1.5k`, `175B`, `1,000,000`, `2e9`, `99.9%`), `+ - * / ** // %`, brackets, `sqrt log log2 log10 exp ceil
    floor round min max abs`, and units: time (`ns us ms s min h day week month year`), data (`B KB MB GB TB PB`, `KiB` and so on,
    `bit Kbit Mbit Gbit`), rates (`bps Kbps Mbps Gbps GBps rps qps`), `USD` or `$`, `FLOP TFLOP TFLOPS`; `users`, `requests` and other
    nouns are plain counts. A unit belongs to the number or bracket before it. "in" or "to" at the end picks the unit of the
    result. A letter that touches a number scales it: `175B` is a count, bytes stand apart as in `64 B`.
    It adds only what can be added: bytes to seconds is an error, and so is an answer asked for in a unit that doesn't fit.
    People get wrong: bits for bytes (a link's Gbps against a disk's GB), and decimal for binary prefixes (7% at giga, 12.6% at peta).
    Nothing is executed: the expression is read into a tree of the operations above, with limits on length, depth and size.
    Sources: IEC 80000-13 for prefixes; arithmetic.

    >>> calculate(Calculate(expression="2 TB / 10 Gbps in min"), 0).values
    {'result': 26.6666666666667, 'unit': 'min'}
    """
    found = arithmetic.evaluate(p.expression)
    return ToolResult(
        tool="calculate", values={"result": found.value, "unit": found.unit}, units={"result": found.unit} if found.unit else {},
        summary=f"{p.expression.strip()} = {figure(float(found.value))}{_after(found.unit)}.",
        formula=p.expression.strip(),
        assumptions=[text for pattern, text in CONVENTIONS if re.search(pattern, p.expression)],
    )


def _after(unit: str) -> str:
    if not unit or unit == "%":
        return unit
    return f" per {unit[2:]}" if unit.startswith("1/") else f" {unit}"
