"""A calculator for expressions with units, within bounds. Knows no names but its functions and units, and runs no code."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tools.base import ToolError
from tools.expression import read, shown
from tools.measures import NONE, TIME, Dimensions, Unit, describe, find_unit

LONGEST = 1_000
"""Characters of an expression."""
DEEPEST = 150
LARGEST = 1e300
MOST_DIGITS = 300
_BINARY: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
                                          ast.Pow: "**"}

Number = int | float


@dataclass(frozen=True)
class Quantity:
    """A number of base units (tools.measures) with its dimensions."""

    number: Number
    dimensions: Dimensions = NONE


@dataclass(frozen=True)
class Reckoned:
    """`value` in `unit` ("" for a plain number)."""

    value: Number
    unit: str


def evaluate(expression: str) -> Reckoned:
    """The value of an expression, in the unit after a closing "in" or "to", else in the only unit of its kind that it uses,
    else in s, bytes (bit where it speaks of bits), USD, FLOP, and rates per s. Raises ToolError, one sentence, for anything
    that isn't arithmetic, for units that don't fit, and beyond the limits on length, depth and size.

    >>> evaluate("2 TB / 10 Gbps in s")
    Reckoned(value=1600.0, unit='s')
    >>> evaluate("3 * 500 GB"), evaluate("12M * 9 / day").value
    (Reckoned(value=1500, unit='GB'), 1250.0)
    """
    if len(expression) > LONGEST:
        raise ToolError(f"calculate reads at most {LONGEST:,} characters, and this expression has {len(expression):,}; split it.")
    body, wanted = _parts(expression)
    found, units = quantity(body)
    if not wanted:
        target, name = _natural(found, units)
    elif wanted in ("%", "percent"):
        target, name = Quantity(0.01), "%"
    else:
        (target, asked), name = quantity(wanted), wanted
        if not asked or target.number <= 0:
            raise ToolError(f"calculate needs a unit after \"in\", such as GB or 1/day, and {shown(wanted)} is none.")
    if target.dimensions != found.dimensions:
        raise ToolError(f"calculate can't give {shown(body)} in {shown(name)}: the one is {describe(found.dimensions)}, the other "
                        f"{describe(target.dimensions)}.")
    value = _quotient(found.number, target.number)
    # Factors of units aren't all exact in binary; their last digit is noise.
    return Reckoned(_checked(float(f"{value:.15g}") if units and isinstance(value, float) else value), name)


def quantity(text: str) -> tuple[Quantity, dict[str, Unit]]:
    """The value of an expression in base units, and the units that it names. Raises ToolError as `evaluate` does."""
    if len(text) > LONGEST:
        raise ToolError(f"calculate reads at most {LONGEST:,} characters, and this expression has {len(text):,}; split it.")
    tree, units = read(text, FUNCTIONS)
    return _Evaluator(units).value(tree), units


def _parts(expression: str) -> tuple[str, str]:
    """What is to be computed, and the unit that it is wanted in ("" for none)."""
    breaks = list(re.finditer(r"\s(?:in|to|as)\s", expression))
    if not breaks:
        return expression.strip(), ""
    return expression[:breaks[-1].start()].strip(), expression[breaks[-1].end():].strip()


class _Evaluator:
    """Walks the allowed nodes; everything else is refused."""

    def __init__(self, units: dict[str, Unit]) -> None:
        self._units = units

    def value(self, node: ast.expr, depth: int = 0) -> Quantity:
        if depth > DEEPEST:
            # A long sum is a chain to the left; it is as deep as it is long.
            raise ToolError(f"calculate takes at most {DEEPEST} operations inside one another; split the expression.")
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return Quantity(_checked(node.value))
        if isinstance(node, ast.Name) and node.id[1:] in self._units:
            unit = self._units[node.id[1:]]
            return Quantity(unit.factor, unit.dimensions)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
            inner = self.value(node.operand, depth + 1)
            return inner if isinstance(node.op, ast.UAdd) else Quantity(-inner.number, inner.dimensions)
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return _combine(_BINARY[type(node.op)], self.value(node.left, depth + 1), self.value(node.right, depth + 1))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and not node.keywords:
            return _call(node.func.id, [self.value(each, depth + 1) for each in node.args])
        raise ToolError("calculate takes only numbers, units, + - * / ** // % and the functions " + ", ".join(FUNCTIONS) + ".")


def _combine(sign: str, a: Quantity, b: Quantity) -> Quantity:
    if sign in "+-%" and a.dimensions != b.dimensions:
        verb = {"+": "add {b} to {a}", "-": "take {b} from {a}", "%": "divide {a} by {b} with a remainder"}[sign]
        tried = verb.format(a=describe(a.dimensions), b=describe(b.dimensions))
        raise ToolError(f"calculate can't {tried}; give both the same units.")
    if sign in ("/", "//", "%") and b.number == 0:
        raise ToolError("calculate can't divide by zero.")
    if sign == "**":
        return _power(a, b)
    dimensions = a.dimensions
    if sign == "*":
        dimensions = _plus(a.dimensions, b.dimensions, 1)
    elif sign in ("/", "//"):
        dimensions = _plus(a.dimensions, b.dimensions, -1)
    if sign == "/":
        return Quantity(_checked(_bounded(operator.truediv, a.number, b.number)), dimensions)
    operation: Callable[[Any, Any], Number] = {"+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv,
                                               "%": operator.mod}[sign]
    return Quantity(_checked(_bounded(operation, a.number, b.number)), dimensions)


def _power(base: Quantity, exponent: Quantity) -> Quantity:
    power = exponent.number
    if exponent.dimensions != NONE:
        raise ToolError("calculate needs a plain number as an exponent, without a unit.")
    if base.number == 0 and power < 0:
        raise ToolError("calculate can't divide by zero.")
    if base.number < 0 and power != int(power):
        raise ToolError("calculate can't raise a negative number to a broken exponent.")
    if base.number and abs(power) * abs(math.log10(abs(base.number))) > MOST_DIGITS:
        raise ToolError(f"calculate stops at numbers of {MOST_DIGITS} digits; choose a smaller base or exponent.")
    dimensions = tuple(each * power for each in base.dimensions)
    if any(each != int(each) or abs(each) > 9 for each in dimensions):
        raise ToolError(f"calculate can't raise {describe(base.dimensions)} to the power {power:g}.")
    time, data, money, work = (int(each) for each in dimensions)
    return Quantity(_checked(_bounded(operator.pow, base.number, power)), (time, data, money, work))


def _call(name: str, args: list[Quantity]) -> Quantity:
    least, most, function = FUNCTIONS[name]
    if not least <= len(args) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise ToolError(f"calculate: {name} takes {wanted} numbers, not {len(args)}.")
    dimensions = args[0].dimensions
    if name == "sqrt" and dimensions != NONE:
        return _power(args[0], Quantity(0.5))
    if name not in ("min", "max", "abs") and any(each.dimensions != NONE for each in args):
        raise ToolError(f"calculate: {name} needs plain numbers; divide by a unit first, as in {name}(5 GB / 1 GB).")
    if any(each.dimensions != dimensions for each in args):
        raise ToolError(f"calculate: {name} needs values of one kind; give them all the same units.")
    try:
        return Quantity(_checked(function(*(each.number for each in args))), dimensions)
    except (ValueError, OverflowError, ZeroDivisionError, TypeError):
        numbers = ", ".join(f"{each.number:g}" for each in args)
        raise ToolError(f"calculate: {name}({numbers}) has no value, or one beyond {LARGEST:g}.") from None


def _round(number: Number, digits: Number = 0) -> Number:
    return round(number, int(digits)) if digits else round(number)


FUNCTIONS: dict[str, tuple[int, int, Callable[..., Number]]] = {
    "sqrt": (1, 1, math.sqrt), "log": (1, 2, math.log), "log2": (1, 1, math.log2), "log10": (1, 1, math.log10), "exp": (1, 1, math.exp),
    "ceil": (1, 1, math.ceil), "floor": (1, 1, math.floor), "round": (1, 2, _round), "min": (1, 50, min), "max": (1, 50, max),
    "abs": (1, 1, abs),
}
"""Name: least and most arguments, and what it does."""


def _bounded(operation: Callable[[Any, Any], Number], a: Number, b: Number) -> Number:
    try:
        return operation(a, b)
    except OverflowError:
        raise ToolError(f"calculate stops at numbers beyond {LARGEST:g}.") from None


def _quotient(a: Number, b: Number) -> Number:
    """a / b, whole when both are and it goes."""
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return a if b == 1 else _bounded(operator.truediv, a, b)


def _checked(number: Number) -> Number:
    if isinstance(number, complex) or not -LARGEST <= number <= LARGEST:
        raise ToolError(f"calculate stops at numbers beyond {LARGEST:g}.")
    return number


def _plus(a: Dimensions, b: Dimensions, sign: int) -> Dimensions:
    return (a[0] + sign * b[0], a[1] + sign * b[1], a[2] + sign * b[2], a[3] + sign * b[3])


def _natural(quantity: Quantity, units: dict[str, Unit]) -> tuple[Quantity, str]:
    """The unit that a reader expects when none is asked for."""
    dimensions = quantity.dimensions
    if dimensions == NONE:
        return Quantity(1), ""
    own = {unit.name: unit for unit in units.values() if unit.dimensions == dimensions}
    if len(own) == 1 and sum(dimensions) == 1 and max(dimensions) == 1:
        unit, = own.values()
        return Quantity(unit.factor, dimensions), unit.name
    times = {unit.name: unit for unit in units.values() if unit.dimensions == TIME}
    bits = all(unit.bits for unit in units.values() if unit.dimensions[1])
    # Money goes by the hour or month it is paid for; everything else by the second.
    time = next(iter(times.values())) if len(times) == 1 and dimensions[2] else find_unit("s")
    bases = (time, find_unit("bit" if bits else "byte"), find_unit("USD"), find_unit("FLOP"))
    factor = Fraction(1)
    above: list[str] = []
    below: list[str] = []
    for unit, power in zip(bases, dimensions, strict=True):
        factor *= Fraction(unit.factor) ** power
        label = ("bytes" if unit.name == "B" else unit.name) + (f"^{abs(power)}" if abs(power) > 1 else "")
        (above if power > 0 else below if power < 0 else []).append(label)
    name = "*".join(above or ["1"]) + "".join(f"/{label}" for label in below)
    return Quantity(factor.numerator if factor.denominator == 1 else float(factor), dimensions), name
