"""The lines, bars and cells of a plot in matplotlib. Knows colours, markers and hatches, no axes and no page."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from tools.base import Line, Plot
from tools.plot_axes import Axis, Point, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444", "#B8A800")
"""Okabe and Ito's palette, which colour-blind readers tell apart; its black is softened and its yellow darkened for white paper."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "//", "..", "\\\\", "xx", "--", "++", "oo")
"""So that bars differ in print and for eyes that see no colours."""
INK = "#444444"
MARKED_UP_TO = 12
NUMBERED_BARS = 16
LOOKS = 120
HARDLY = 0.005
"""Lines that are less than this share of the area apart look like one."""
PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6}


def curve(ax: Axes, plot: Plot, every: list[list[Point]], number: int, lying: bool, x_axis: Axis, y_axis: Axis) -> Any:
    """A line, step or point set; dashed ones have hollow markers. A level over categories goes right across."""
    line, found = plot.lines[number], every[number]
    xs, ys = [point.x for point in found], [point.y for point in found]
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    inside = "white" if line.dashed else colour
    pattern: Any = (0, (5, 3)) if line.dashed else "-"
    level = bool(x_axis.names) and line.kind == "line" and len(found) > 1 and len(set(ys)) == 1
    if level:
        draw_level = ax.axvline if lying else ax.axhline
        return draw_level(ys[0], color=colour, linewidth=2.0, linestyle=pattern, zorder=3 + 0.01 * number + line.dashed)
    if lying:
        xs, ys = ys, xs
    if line.kind == "scatter":
        return ax.scatter(xs, ys, s=38, marker=marker, zorder=4, clip_on=False, edgecolors=colour, facecolors=inside)
    # Where lines coincide, the one below is thicker and all can be seen.
    wide = 1.9 + 1.5 * min(_covered(plot, every, number, x_axis, y_axis), 2)
    drawn, = ax.plot(xs, ys, color=colour, linewidth=wide, zorder=3 + 0.01 * number + line.dashed, linestyle=pattern,
                     drawstyle="steps-post" if line.kind == "step" else "default")
    look: dict[str, Any] = {"marker": marker, "markersize": 5, "markerfacecolor": inside}
    if len(found) == 1 or (2 < len(found) <= MARKED_UP_TO and line.kind == "line"):
        drawn.set(**look)
    elif len(found) > 2 and sum(each.kind in ("line", "step") and each.dashed == line.dashed for each in plot.lines) > 1:
        # Few markers, each line's at other places, tell lines apart that dashes don't.
        drawn.set(**look, markevery=(0.03 + 0.035 * (number % 5), 0.2))
    return drawn


def _covered(plot: Plot, every: list[list[Point]], number: int, x_axis: Axis, y_axis: Axis) -> int:
    """How many later lines lie on this one for a third of its way or more, as far as the eye can tell."""
    line = plot.lines[number]
    if line.dashed or line.kind not in ("line", "step") or not every[number]:
        return 0
    first, last = (x_axis.share(every[number][end].x) for end in (0, -1))
    looks = [first + (last - first) * (n + 0.5) / LOOKS for n in range(LOOKS)]
    own = _heights(every[number], line.kind == "step", looks, x_axis, y_axis)
    later = (n for n, each in enumerate(plot.lines) if n > number and each.kind == line.kind and not each.dashed and every[n])
    heights = (_heights(every[n], line.kind == "step", looks, x_axis, y_axis) for n in later)
    return sum(3 * sum(a is not None and b is not None and abs(a - b) < HARDLY for a, b in zip(own, other, strict=True)) >= LOOKS
               for other in heights)


def _heights(found: list[Point], steps: bool, looks: list[float], x_axis: Axis, y_axis: Axis) -> list[float | None]:
    """How high a line is, as a share of the area, at the places `looks` across it; None before it begins and after its end."""
    xs, ys = [x_axis.share(point.x) for point in found], [y_axis.share(point.y) for point in found]
    if xs != sorted(xs):
        return [None] * len(looks)
    heights: list[float | None] = []
    for look in looks:
        after = bisect_right(xs, look)
        if not 0 < after < len(xs):
            heights.append(None)
        elif steps:
            heights.append(ys[after - 1])
        else:
            heights.append(ys[after - 1] + (ys[after] - ys[after - 1]) * (look - xs[after - 1]) / (xs[after] - xs[after - 1]))
    return heights


def bars(ax: Axes, plot: Plot, found: list[list[Point]], number: int, lying: bool) -> Any:
    """The bars of one line: beside those of the others, or on them when stacked."""
    every = [n for n, line in enumerate(plot.lines) if line.kind == "bar"]
    # Halves of a tornado grow to both sides from one line, so that they share a row.
    tornado = plot.log_y and all(point.base is not None for n in every for point in found[n])
    lines = 1 if plot.stacked or tornado else len(every)
    place = 0 if plot.stacked or tornado else every.index(number)
    mine = found[number]
    at = sorted({point.x for point in mine})
    thick = 0.8 * min((after - before for before, after in zip(at, at[1:], strict=False)), default=1.0) / lines
    where = [point.x + (place - (lines - 1) / 2) * thick for point in mine]
    bases = [point.base or 0.0 for point in mine]
    sizes = [point.y - base for point, base in zip(mine, bases, strict=True)]
    draw_bars = ax.barh if lying else ax.bar
    drawn = draw_bars(where, sizes, thick, bases, **_look(plot.lines[number], number))
    if plot.stacked:
        _inside(ax, plot, mine, lying)
    elif len(mine) * lines <= NUMBERED_BARS or lying:
        ax.bar_label(drawn, [point.note or figure(point.y, 3) for point in mine], padding=3, fontsize=9, color=INK, bbox=PAPER, zorder=5)
        ax.margins(x=0.12) if lying else ax.margins(y=0.1)
    return drawn


def totals(ax: Axes, plot: Plot, found: list[list[Point]], lying: bool) -> None:
    """What the bars of a stack come to, at its end."""
    tops: dict[float, float] = {}
    for line, mine in zip(plot.lines, found, strict=True):
        for point in mine if line.kind == "bar" else ():
            tops[point.x] = max(tops.get(point.x, 0.0), point.y)
    for at, top in tops.items():
        ax.annotate(figure(top, 3), (top, at) if lying else (at, top), xytext=(4, 0) if lying else (0, 4), textcoords="offset points",
                    ha="left" if lying else "center", va="center" if lying else "bottom", fontweight="bold", color=INK, bbox=PAPER,
                    zorder=5)
    ax.margins(x=0.12) if lying else ax.margins(y=0.1)


def _inside(ax: Axes, plot: Plot, mine: list[Point], lying: bool) -> None:
    """The size of each part of a stack, in the parts that are large enough to hold it."""
    highest = max((float(mark["at"]) for mark in plot.marks if mark.get("axis") == "y"), default=0.0)
    sums: dict[float | str, float] = {}
    for line in plot.lines:
        for x, y in zip(line.x, line.y, strict=True) if line.kind == "bar" else ():
            sums[x] = sums.get(x, 0.0) + float(y)
    highest = max([highest, *sums.values()])
    for point in mine:
        size = point.y - (point.base or 0.0)
        middle = point.y - size / 2
        if size >= 0.06 * highest:
            ax.annotate(point.note or figure(size, 3), (middle, point.x) if lying else (point.x, middle), ha="center", va="center",
                        fontsize=9, color=INK, bbox=PAPER, zorder=5)


def gantt(ax: Axes, line: Line, found: list[Point], number: int, x_axis: Axis) -> Any:
    """Bars from start to end in their rows, with a note where it fits."""
    # Waiting lies under work, so that its outline doesn't cover a short bar beside it.
    look = {**_look(line, number), "zorder": 2 - 0.5 * line.dashed}
    ends = [point.x if point.end is None else point.end for point in found]
    drawn = ax.barh([point.y for point in found], [end - point.x for point, end in zip(found, ends, strict=True)], 0.7,
                    [point.x for point in found], **look)
    for point, end in zip(found, ends, strict=True):
        if point.note and end - point.x > 0.011 * (len(point.note) + 0.4) * (x_axis.high - x_axis.low):
            ax.annotate(point.note, ((point.x + end) / 2, point.y), ha="center", va="center", fontsize=8.5, color=INK, zorder=5,
                        bbox={**PAPER, "boxstyle": "round,pad=0.15"})
    return drawn


def cells(ax: Axes, line: Line, found: list[Point], number: int, x_axis: Axis) -> Any:
    """A table's cells with their notes; each line has a tint and a hatch, dashed ones a strong one."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    colour = COLOURS[number % len(COLOURS)]
    tint = tuple(1 - 0.45 * (1 - part) for part in to_rgb(colour))
    look: dict[str, Any] = {"facecolor": tint, "edgecolor": "white", "linewidth": 2, "hatch": HATCHES[number % len(HATCHES)] or None}
    if line.dashed:
        look |= {"edgecolor": colour, "hatch": "//"}
    ax.barh([point.y for point in found], [0.94] * len(found), 0.86, [point.x - 0.47 for point in found], **look)
    if x_axis.names:
        ax.set_xlim(-0.5, len(x_axis.names) - 0.5)
    for point in found:
        ax.annotate(point.note, (point.x, point.y), ha="center", va="center", fontsize=10, color="#222222", zorder=5,
                    bbox={**PAPER, "boxstyle": "round,pad=0.15"})
    return Patch(**look)


def _look(line: Line, number: int) -> dict[str, Any]:
    colour = COLOURS[number % len(COLOURS)]
    if line.dashed:
        return {"facecolor": "white", "edgecolor": colour, "hatch": "////", "linewidth": 1.2}
    return {"facecolor": colour, "edgecolor": "white", "hatch": HATCHES[number % len(HATCHES)] or None, "linewidth": 0.6}
