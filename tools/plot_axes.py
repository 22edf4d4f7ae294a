"""Where the points of a plot lie on its two axes, and how a figure is written. Knows neither pixels nor characters."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

from tools.base import Line, Plot, ToolError

PLAIN = (1e-3, 1e6)
"""Between these a number is written without a power of ten."""
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`, in its own numbers. With `names` it is categorical: the n-th name lies at n."""

    label: str
    names: tuple[str, ...]
    low: float
    high: float
    log: bool

    def place(self, value: float | str) -> float | None:
        """Where a value lies; None when this axis can't show it (not finite, or not above 0 on a logarithmic one)."""
        if self.names:
            return float(self.names.index(_name(value)))
        number = float(value)
        return number if math.isfinite(number) and (number > 0 or not self.log) else None

    def share(self, number: float) -> float:
        """0 at `low`, 1 at `high`."""
        low, here, high = (self._even(each) for each in (self.low, number, self.high))
        return (here - low) / (high - low) if high > low else 0.5

    def at(self, share: float) -> float:
        """The number that `share` takes back."""
        low, high = self._even(self.low), self._even(self.high)
        here = low + (high - low) * share
        if not self.log:
            return 2 * here
        # Rounding must not carry the ends beyond themselves, where the largest numbers overflow.
        return min(self.high, max(self.low, math.exp(min(here, math.log(sys.float_info.max)))))

    def _even(self, number: float) -> float:
        """On a scale with even steps; halved, so that the widest ranges have a length."""
        return math.log(number) if self.log else number / 2


@dataclass(frozen=True)
class Point:
    """One point of a line, placed; `end` is where the bar of a Gantt chart ends."""

    x: float
    y: float
    end: float | None = None


def axes(plot: Plot) -> tuple[Axis, Axis]:
    """The x and the y axis that hold every point and every mark. Raises ToolError when a line's columns differ in length."""
    for line in plot.lines:
        if len(line.x) != len(line.y) or (line.x2 is not None and len(line.x2) != len(line.x)):
            raise ToolError(f"The plot's line {line.label!r} has columns of different length; every x needs a y.")
    xs = [value for line in plot.lines for value in [*line.x, *(line.x2 or [])]]
    ys = [value for line in plot.lines for value in line.y]
    marks = [(mark.get("axis", "x"), float(mark["at"])) for mark in plot.marks]
    bars = any(line.kind == "bar" for line in plot.lines)
    return (_axis(plot.x_label, xs, [at for axis, at in marks if axis == "x"], plot.log_x, False),
            _axis(plot.y_label, ys, [at for axis, at in marks if axis == "y"], plot.log_y, bars and not plot.log_y))


def points(line: Line, x_axis: Axis, y_axis: Axis) -> list[Point]:
    """The points that both axes can show, in the line's order."""
    ends: list[float] | list[None] = line.x2 if line.x2 is not None else [None] * len(line.x)
    placed = ((x_axis.place(x), y_axis.place(y), end) for x, y, end in zip(line.x, line.y, ends, strict=True))
    return [Point(x, y, end) for x, y, end in placed if x is not None and y is not None]


def figure(number: float, digits: int = 6, plain: tuple[float, float] = PLAIN) -> str:
    """A number for the eye.

    >>> [figure(x) for x in (0, 0.25, 12000.0, 2.5e6, 1e9, 1e-6)]
    ['0', '0.25', '12,000', '2.5×10⁶', '10⁹', '10⁻⁶']
    """
    if number == 0 or not math.isfinite(number):
        return f"{number:g}"
    if plain[0] <= abs(number) < plain[1]:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(number))))
        text = f"{round(number, decimals):,.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    return {"1": power, "-1": "-" + power}.get(mantissa, f"{mantissa}×{power}")


def _axis(label: str, values: list[float | str], marks: list[float], log: bool, from_zero: bool) -> Axis:
    if any(isinstance(value, str) for value in values):
        names = tuple(dict.fromkeys(_name(value) for value in values))
        return Axis(label, names, 0.0, max(1.0, float(len(names) - 1)), False)
    numbers = [number for number in [*(float(value) for value in values), *marks] if math.isfinite(number)]
    above = [number for number in numbers if number > 0]
    log = log and bool(above)
    shown = above if log else [*numbers, 0.0] if from_zero else numbers
    low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
    return Axis(label, (), low, high, log)


def _name(value: float | str) -> str:
    return value if isinstance(value, str) else figure(value)
