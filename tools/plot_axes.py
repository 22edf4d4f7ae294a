"""Where the points of a plot lie on its two axes, where the ticks are, and how a figure is written. Knows neither pixels nor
characters."""

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
    """An axis from `low` to `high`, in its own numbers. With `names` it is categorical: the n-th name lies at n. `whole`:
    it counts things, so there are no halves."""

    label: str
    names: tuple[str, ...]
    low: float
    high: float
    log: bool
    whole: bool = False

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

    def ticks(self, most: int) -> list[float]:
        """Round numbers on the axis, about `most` at most and at least one; not for categories."""
        if self.log and math.log10(self.high) - math.log10(self.low) >= 1:
            return _powers(self.low, self.high, most) or [self.low, self.high]
        return _steps(self.low, self.high, most, self.whole) or [self.low]

    def digits(self) -> int:
        """How many digits tell this axis' numbers apart."""
        span = abs(self._even(self.high) - self._even(self.low)) if not self.log else 0.0
        largest = max(abs(self.low), abs(self.high)) / 2
        return min(15, max(4, 2 + math.ceil(math.log10(largest / span)))) if span > 0 and largest / span < 1e15 else 6

    def _even(self, number: float) -> float:
        """On a scale with even steps; halved, so that the widest ranges have a length."""
        return math.log(number) if self.log else number / 2


@dataclass(frozen=True)
class Point:
    """One point of a line, placed; `end` is where the bar of a Gantt chart ends, `base` where a bar begins (None: at the
    axis), `note` is what is written there."""

    x: float
    y: float
    end: float | None = None
    base: float | None = None
    note: str = ""


def axes(plot: Plot) -> tuple[Axis, Axis]:
    """The x and the y axis that hold every point and every mark. Raises ToolError when a line's columns differ in length."""
    for line in plot.lines:
        if any(column is not None and len(column) != len(line.x) for column in (line.y, line.x2, line.notes)):
            raise ToolError(f"The plot's line {line.label!r} has columns of different length; every x needs a y.")
    xs = [value for line in plot.lines for value in [*line.x, *(line.x2 or [])]]
    ys: list[float | str] = [value for line in plot.lines for value in line.y]
    if plot.stacked:
        ys += [top for line in stack(plot) for top in line[1]]
    marks = [(mark.get("axis", "x"), float(mark["at"])) for mark in plot.marks]
    bars = any(line.kind == "bar" for line in plot.lines)
    flat = any(line.kind in ("gantt", "cell") for line in plot.lines)
    return (_axis(plot.x_label, xs, [*(at for axis, at in marks if axis == "x"), *_held(plot, xs)], plot.log_x, 0.0),
            _axis(plot.y_label, ys, [at for axis, at in marks if axis == "y"], plot.log_y, 0.0 if flat else 1.0 if bars else 0.5))


def _held(plot: Plot, xs: list[float | str]) -> list[float]:
    """Where the x axis must end for the last level of every step line to have a length: a little after the last jump. Not
    for lines of so many points that they are curves."""
    numbers = [float(value) for value in xs if not isinstance(value, str) and math.isfinite(value)]
    if len(numbers) < len(xs) or not numbers or plot.log_x:
        return []
    low, high = min(numbers), max(numbers)
    stairs = [line for line in plot.lines if line.kind == "step" and len(line.x) > 1 and line.x[-1] == high]
    jumps = any(line.y[-1] != line.y[-2] and high - float(line.x[-2]) > 0.02 * (high - low) for line in stairs)
    return [high + 0.03 * (high - low)] if jumps else []


def placed(plot: Plot, x_axis: Axis, y_axis: Axis) -> list[list[Point]]:
    """For every line the points that both axes can show, in the line's order. Bars know where they begin: on each other
    when stacked, at the only reference line of a logarithmic axis (a tornado), else at zero. Steps are held to the end."""
    bases = [float(mark["at"]) for mark in plot.marks if mark.get("axis") == "y"]
    base = (bases[0] if len(bases) == 1 and bases[0] > 0 else None) if y_axis.log else 0.0
    stacked = dict(zip((n for n, line in enumerate(plot.lines) if line.kind == "bar"), stack(plot), strict=True)) if plot.stacked else {}
    return [_points(line, x_axis, y_axis, *stacked.get(number, ([base] * len(line.x), line.y))) for number, line in enumerate(plot.lines)]


def stack(plot: Plot) -> list[tuple[list[float | None], list[float | str]]]:
    """Where the bars of each bar line begin and end when they lie on each other."""
    tops: dict[float | str, float] = {}
    stacked: list[tuple[list[float | None], list[float | str]]] = []
    for line in (line for line in plot.lines if line.kind == "bar"):
        begins: list[float | None] = []
        ends: list[float | str] = []
        for x, y in zip(line.x, line.y, strict=False):
            begins.append(tops.get(x, 0.0))
            tops[x] = tops.get(x, 0.0) + float(y)
            ends.append(tops[x])
        stacked.append((begins, ends))
    return stacked


def _points(line: Line, x_axis: Axis, y_axis: Axis, begins: list[float | None], tops: list[float | str]) -> list[Point]:
    ends: list[float] | list[None] = line.x2 if line.x2 is not None else [None] * len(line.x)
    notes = line.notes if line.notes is not None else [""] * len(line.x)
    found = []
    for x, y, end, begin, note in zip(line.x, tops, ends, begins, notes, strict=True):
        across, up = x_axis.place(x), y_axis.place(y)
        if up is None and y == 0 and line.kind == "bar":
            up, begin, note = y_axis.low, y_axis.low, note or "0"  # a bar without length still tells its figure
        if across is not None and up is not None:
            found.append(Point(across, up, end, begin, note))
    if line.kind == "step" and found and not x_axis.names and found[-1].x < x_axis.high:
        found.append(Point(x_axis.high, found[-1].y))
    return found


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


def tick_figure(number: float, axis: Axis) -> str:
    """A number beside an axis: all along one axis are written alike.

    >>> [tick_figure(x, Axis("", (), 0.0, 14e6, False)) for x in (0, 8e6, 12e6)]
    ['0', '8×10⁶', '12×10⁶']
    """
    largest = max(abs(axis.low), abs(axis.high))
    if axis.log:
        return figure(number, axis.digits(), (1e-3, 2e6) if axis.low >= 1e-3 and axis.high <= 1e6 else (1.0, 11.0))
    if number == 0 or 1e-3 <= largest < 1e6:
        # Rounding leaves dust beside 0 that isn't meant.
        return "0" if abs(number) < 1e-9 * largest else figure(number, axis.digits(), (0.0, 1e7))
    power = 3 * math.floor(math.log10(largest) / 3) if 1e-300 < largest < 1e300 else 0
    if not power:
        return figure(number, axis.digits())
    return f"{figure(number / 10.0**power, axis.digits(), (0.0, 1e4))}×10{str(power).translate(_SUPERSCRIPTS)}"


def _axis(label: str, values: list[float | str], marks: list[float], log: bool, zero_below: float) -> Axis:
    """`zero_below`: the axis begins at 0 when its smallest number is at most this share of its largest (1: always)."""
    if any(isinstance(value, str) for value in values):
        names = tuple(dict.fromkeys(_name(value) for value in values))
        return Axis(label, names, 0.0, max(1.0, float(len(names) - 1)), False)
    numbers = [number for number in [*(float(value) for value in values), *marks] if math.isfinite(number)]
    above = [number for number in numbers if number > 0]
    log = log and bool(above)
    shown = above if log else numbers
    low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
    if log and zero_below == 1 and not marks and low > sys.float_info.min * 10:
        low = 10.0 ** math.floor(math.log10(low) - 0.1)  # so that the shortest bar has a length
    if not log and (zero_below == 1 or 0 < low <= zero_below * high):
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high == 0:
        high = 1.0  # nothing at all isn't drawn amid tiny figures below and above 0
    counted = [float(value) for value in values]
    whole = all(number.is_integer() for number in counted) and any(abs(number) > 1 for number in counted)
    return Axis(label, (), low, high, log, whole)


def _steps(low: float, high: float, most: int, whole: bool) -> list[float]:
    """Multiples of a round step from `low` to `high`; `whole`: of a whole step."""
    half = high / 2 - low / 2
    least = max(2 * (half / max(1, most)), 1.0 if whole else 0.0)
    if not math.isfinite(least) or least < 1e-300:
        return []
    power = 10.0 ** math.floor(math.log10(least))
    sizes = (1, 2, 5, 10, 20) if whole and power == 1 else (1, 2, 2.5, 5, 10, 20)
    step = next(size * power for size in sizes if size * power >= least * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, first + most + 2) if number * step <= high + 1e-9 * step]


def _powers(low: float, high: float, most: int) -> list[float]:
    """Powers of ten from `low` to `high`, with 2 and 5 between them when there is room, or only every n-th."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found: list[float] = []
    every = max(1, -(-(last - first) // most))
    for sizes in ((1, 2, 5), (1,)):
        found = [size * 10.0**power for power in range(first, last + 1) for size in sizes
                 if power < 308 and power % every == 0 and low * (1 - 1e-9) <= size * 10.0**power <= high * (1 + 1e-9)]
        if len(found) <= most:
            break
    return found


def _name(value: float | str) -> str:
    return value if isinstance(value, str) else figure(value)
