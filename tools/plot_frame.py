"""The axes of a plot in matplotlib: scales, ticks and reference lines. Knows no lines and no page."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any, Literal

from tools.base import Plot
from tools.plot_axes import Axis, figure, tick_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#444444"
MARK = "#666666"
MOST_TICKS = 9
MOST_ROWS = 32
CHARACTER = 0.0108
"""The width of a small character, as a share of the drawing's area."""
LINE_HEIGHT = 0.045
"""The height of a small line of text, as a share of the drawing's area."""


def scale(ax: Axes, which: str, axis: Axis) -> None:
    ax.set(**{f"{which}label": axis.label})
    if axis.log:
        ax.set(**{f"{which}scale": "log"})


def begin_at(ax: Axes, plot: Plot, y_axis: Axis, lying: bool) -> None:
    """Lets the value axis begin where the axis says: at 0 (or below the shortest of logarithmic bars), though no point lies there."""
    if y_axis.names or any(line.kind in ("gantt", "cell") for line in plot.lines):
        return
    low, high = ax.get_xlim() if lying else ax.get_ylim()
    if low > y_axis.low or high < y_axis.high:
        reach = (min(low, y_axis.low), max(high, y_axis.high))
        ax.set_xlim(*reach) if lying else ax.set_ylim(*reach)


def ticks(ax: Axes, which: Literal["x", "y"], axis: Axis, rows: bool = False) -> None:
    """Names, or round numbers that are written alike; `rows`: one for every row, as far as they fit."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

    one = getattr(ax, f"{which}axis")
    if axis.names:
        _names(ax, which, axis)
        return
    if axis.log:
        found = axis.ticks(MOST_TICKS)
        low, high = getattr(ax, f"get_{which}lim")()
        one.set_major_locator(FixedLocator(found))
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high))) if high / low < 1e7 else []
        small = [size * 10.0**power for power in powers for size in range(1, 10)]
        shown = [each for each in small if low <= each <= high and each not in found]
        one.set_minor_locator(FixedLocator(shown) if shown else NullLocator())
        ax.tick_params(axis=which, which="minor", length=2.5, color="#888888")
    else:
        one.set_major_locator(MaxNLocator(8, integer=axis.whole, steps=[1, 2, 2.5, 5, 10]))
    if rows and axis.high - axis.low < MOST_ROWS:
        one.set_major_locator(FixedLocator(list(range(math.ceil(axis.low), math.floor(axis.high) + 1))))
    one.set_major_formatter(FuncFormatter(lambda value, _: tick_figure(value, axis)))
    one.set_minor_formatter(NullFormatter())


def _names(ax: Axes, which: Literal["x", "y"], axis: Axis) -> None:
    from matplotlib.ticker import FixedLocator

    one = getattr(ax, f"{which}axis")
    step = max(1, len(axis.names) // 60)
    one.set_major_locator(FixedLocator(list(range(0, len(axis.names), step))))
    names = [textwrap.fill(textwrap.shorten(name, 60, placeholder="…"), 26) for name in axis.names[::step]]
    one.set_ticklabels(names)
    ax.tick_params(axis=which, length=0)
    if which == "x" and sum(len(name) for name in names) > 80:
        ax.tick_params(axis="x", labelrotation=30)
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    ax.grid(False, axis="x" if which == "x" else "y")


def levels(ax: Axes, plot: Plot, lying: bool) -> None:
    """Reference lines. They may widen the area, so they come before all that asks how wide it is."""
    for each in plot.marks:
        draw_level = ax.axvline if (each.get("axis", "x") == "x") != lying else ax.axhline
        draw_level(float(each["at"]), color=MARK, linewidth=1.2, linestyle=(0, (1, 1.5)), zorder=3.5)


def mark(ax: Axes, plot: Plot, lying: bool) -> None:
    """The labels of reference lines; they stand outside the area, above it or at its right, where they cover nothing."""
    across: list[tuple[float, float, str]] = []
    upward: list[tuple[float, float, str]] = []
    for each in plot.marks:
        upright = (each.get("axis", "x") == "x") != lying
        at = float(each["at"])
        here = (at, ax.get_ylim()[0]) if upright else (ax.get_xlim()[0], at)
        spot = ax.transAxes.inverted().transform(ax.transData.transform(here))[0 if upright else 1]
        (across if upright else upward).append((float(spot), at, str(each.get("label", figure(at, 4)))))
    _above(ax, across)
    _beside(ax, upward)


def _above(ax: Axes, labels: list[tuple[float, float, str]]) -> None:
    """Labels over their lines, in as many rows as keep them apart."""
    rows: list[float] = []
    named = sorted(each for each in labels if each[2])
    for (spot, at, label), after in zip(named, [*(each[0] for each in named[1:]), 2.0], strict=False):
        label = textwrap.shorten(label, 60, placeholder="…")
        wide = CHARACTER * len(label)
        # Over its line, or drawn to the left where the next line is near.
        left = min(max(0.0, min(spot - wide / 2, max(after - wide - 0.01, spot - wide + 0.01))), 1.0 - wide)
        row = next((n for n, end in enumerate(rows) if left > end), len(rows))
        rows[row:row + 1] = [left + wide + 0.02]
        ax.annotate(label, (at, 1.0), xycoords=ax.get_xaxis_transform(), xytext=(left + wide / 2, 1.015 + LINE_HEIGHT * row),
                    textcoords="axes fraction", ha="center", va="bottom", **_text(row > 0))


def _beside(ax: Axes, labels: list[tuple[float, float, str]]) -> None:
    """Labels at the right of their lines, pushed up where they would lie on each other."""
    floor = -1.0
    for spot, _, label in sorted(each for each in labels if each[2]):
        lines = textwrap.wrap(label, 15)[:3]
        tall = LINE_HEIGHT * len(lines)
        middle = max(spot, floor + tall / 2)
        floor = middle + tall / 2
        ax.annotate("\n".join(lines), (1.0, spot), xycoords="axes fraction", xytext=(1.012, middle), textcoords="axes fraction",
                    ha="left", va="center", **_text(False))


def _text(linked: bool) -> dict[str, Any]:
    line: dict[str, Any] = {"arrowprops": {"arrowstyle": "-", "color": "#BBBBBB", "linewidth": 0.8}} if linked else {}
    return {"fontsize": 9, "color": INK, "zorder": 6, **line}
