"""A plot as an SVG or PNG file (and, from tools.plot_text, in characters). Knows colours and sizes, no tool by name."""

from __future__ import annotations

import io
import math
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.base import Line, Plot, ToolError
from tools.plot_axes import Axis, Point, axes, figure, points
from tools.plot_text import text_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["save_plot", "text_plot"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444", "#B8A800")
"""Okabe and Ito's palette, which colour-blind readers tell apart; its black is softened and its yellow darkened for white paper."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
STYLE: Any = {
    "font.family": ["DejaVu Sans"], "font.size": 10.5, "axes.titlesize": 13, "axes.labelsize": 11, "legend.fontsize": 10,
    "axes.edgecolor": "#888888", "axes.grid": True, "axes.axisbelow": True, "grid.color": "#E4E4E4", "grid.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "xtick.color": "#444444", "ytick.color": "#444444",
    "axes.unicode_minus": False, "text.parse_math": False, "svg.hashsalt": "tutor", "svg.fonttype": "none", "savefig.dpi": 150,
    "hatch.linewidth": 0.8,
}
MARKED_UP_TO = 12
NUMBERED_BARS = 16
_TURN = threading.Lock()
"""matplotlib's settings belong to the process, so drawings take turns."""


def save_plot(plot: Plot, path: Path) -> None:
    """Writes `path` as SVG or PNG, by its suffix; the same plot gives the same bytes. Raises ToolError, one sentence, for
    another suffix, a path that can't be written, or a line whose columns differ in length."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("svg", "png"):
        raise ToolError(f"A plot is written as .svg or .png, and {path.name!r} is neither; name the file plot.svg, for instance.")
    data = _render(plot, kind)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ToolError(f"The plot can't be written to {path} ({error.strerror}); name a file in a folder that you may write "
                        "to.") from error


def _render(plot: Plot, kind: str) -> bytes:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    x_axis, y_axis = axes(plot)
    lying = _lies(plot, x_axis)
    rows = len(x_axis.names) * _bar_lines(plot) if lying else _gantt_rows(plot, y_axis)
    # SVG readers get its title; dates and versions would change the bytes.
    metadata = {"Date": None, "Creator": None, "Title": plot.title} if kind == "svg" else {"Software": None, "Title": plot.title}
    stream = io.BytesIO()
    with _TURN, matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(8.0, min(12.0, max(4.8, 1.8 + 0.26 * rows))), layout="constrained")
        FigureCanvasAgg(drawing)
        _fill(drawing, plot, x_axis, y_axis, lying)
        drawing.savefig(stream, format=kind, metadata=metadata)
    return stream.getvalue()


def _fill(drawing: Figure, plot: Plot, x_axis: Axis, y_axis: Axis, lying: bool) -> None:
    ax = drawing.add_subplot()
    across, upward = (y_axis, x_axis) if lying else (x_axis, y_axis)
    ax.set_title("\n".join(textwrap.wrap(plot.title, 68)), loc="left", fontweight="bold", pad=10)
    _scale(ax, "x", across)
    _scale(ax, "y", upward)
    bars = [line for line in plot.lines if line.kind == "bar"]
    handles: list[Any] = []
    for number, line in enumerate(plot.lines):
        found = points(line, x_axis, y_axis)
        if line.kind == "gantt":
            handles.append(_gantt(ax, line, found, number))
        elif line.kind == "bar":
            slot = next(n for n, each in enumerate(bars) if each is line)
            handles.append(_bar(ax, plot, found, number, (slot, len(bars)), lying))
        else:
            handles.append(_curve(ax, line, found, number, lying, _covered(plot, number)))
    _ticks(ax, "x", across, whole=_all_whole(plot, "y" if lying else "x"))
    _ticks(ax, "y", upward, whole=_all_whole(plot, "x" if lying else "y"))
    if lying or any(line.kind == "gantt" for line in plot.lines):
        ax.invert_yaxis()
    _marks(ax, plot, lying)
    if not any(points(line, x_axis, y_axis) for line in plot.lines):
        ax.text(0.5, 0.5, "nothing to draw", transform=ax.transAxes, ha="center", va="center", color="#666666")
    if len(plot.lines) > 1:
        labels = [textwrap.shorten(line.label, 80, placeholder="…") for line in plot.lines]
        columns = max(1, min(len(labels), 92 // (max(len(label) for label in labels) + 8)))
        drawing.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, handlelength=2.8)


def _curve(ax: Axes, line: Line, found: list[Point], number: int, lying: bool, covered: int) -> Any:
    xs, ys = [point.x for point in found], [point.y for point in found]
    if lying:
        xs, ys = ys, xs
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    if line.kind == "scatter":
        return ax.scatter(xs, ys, s=34, marker=marker, zorder=4, edgecolors=colour, facecolors="white" if line.dashed else colour)
    # Where lines coincide, the one below is thicker and all can be seen.
    drawn, = ax.plot(xs, ys, color=colour, linewidth=2.0 + 1.6 * min(covered, 2), zorder=3 + 0.01 * number + line.dashed,
                     linestyle=(0, (5, 3)) if line.dashed else "-", drawstyle="steps-post" if line.kind == "step" else "default")
    if len(found) == 1 or (2 < len(found) <= MARKED_UP_TO and line.kind == "line"):
        drawn.set(marker=marker, markersize=5)
    return drawn


def _covered(plot: Plot, number: int) -> int:
    """How many later lines lie on this one for a quarter of its way or more."""
    line = plot.lines[number]
    if line.dashed or line.kind not in ("line", "step"):
        return 0
    own = set(zip(line.x, line.y, strict=True))
    later = (each for each in plot.lines[number + 1:] if each.kind == line.kind and not each.dashed)
    return sum(4 * len(own & set(zip(each.x, each.y, strict=True))) >= len(own) for each in later)


def _bar(ax: Axes, plot: Plot, found: list[Point], number: int, slot: tuple[int, int], lying: bool) -> Any:
    """Bars side by side. On a logarithmic axis they have no zero to stand on: they grow from the only reference line,
    if there is one (a tornado), else from the edge."""
    place, lines = slot
    line = plot.lines[number]
    bases = [float(mark["at"]) for mark in plot.marks if mark.get("axis") == "y"]
    base = bases[0] if plot.log_y and len(bases) == 1 and bases[0] > 0 else 0.0
    at = sorted({point.x for point in found})
    thick = 0.8 * min((after - before for before, after in zip(at, at[1:], strict=False)), default=1.0) / lines
    where = [point.x + (place - (lines - 1) / 2) * thick for point in found]
    colour = COLOURS[number % len(COLOURS)]
    look: dict[str, Any] = {"color": "white", "edgecolor": colour, "hatch": "////", "linewidth": 1.2} if line.dashed else \
        {"color": colour, "edgecolor": "white", "linewidth": 0.6}
    sizes = [point.y - base for point in found]
    drawn = ax.barh(where, sizes, thick, base, **look) if lying else ax.bar(where, sizes, thick, base, **look)
    if len(found) * lines <= NUMBERED_BARS or lying:
        ax.bar_label(drawn, [figure(point.y, 3) for point in found], padding=2, fontsize=9, color="#444444")
        ax.margins(x=0.1) if lying else ax.margins(y=0.1)
    return drawn


def _gantt(ax: Axes, line: Line, found: list[Point], number: int) -> Any:
    colour = COLOURS[number % len(COLOURS)]
    look: dict[str, Any] = {"color": colour, "edgecolor": "white"}
    if line.dashed:
        look = {"color": "white", "edgecolor": colour, "hatch": "////"}
    return ax.barh([point.y for point in found], [(point.x if point.end is None else point.end) - point.x for point in found], 0.7,
                   [point.x for point in found], linewidth=0.6, **look)


def _scale(ax: Axes, which: str, axis: Axis) -> None:
    ax.set(**{f"{which}label": axis.label})
    if axis.log:
        ax.set(**{f"{which}scale": "log"})


def _ticks(ax: Axes, which: str, axis: Axis, whole: bool) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    scale = getattr(ax, f"{which}axis")
    if axis.names:
        step = max(1, len(axis.names) // 60)
        scale.set_major_locator(FixedLocator(list(range(0, len(axis.names), step))))
        names = [textwrap.fill(textwrap.shorten(name, 60, placeholder="…"), 26) for name in axis.names[::step]]
        scale.set_ticklabels(names)
        if which == "x" and sum(len(name) for name in names) > 80:
            ax.tick_params(axis="x", labelrotation=30)
            for label in ax.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
        ax.grid(False, axis="x" if which == "x" else "y")
        return
    if axis.log:
        decades = math.log10(axis.high / axis.low)
        scale.set_major_locator(MaxNLocator(6) if decades < 0.7 else LogLocator(10, (1, 2, 5) if decades < 2.2 else (1,), numticks=9))
        scale.set_minor_locator(NullLocator())
    else:
        scale.set_major_locator(MaxNLocator(8, integer=whole, steps=[1, 2, 2.5, 5, 10]))
    low, high = getattr(ax, f"get_{which}lim")()
    digits = min(15, max(6, 2 + math.ceil(math.log10(max(abs(low), abs(high), 1e-300) / max(abs(high - low), 1e-300)))))
    # Powers of ten look alike along an axis: either all of them are written out or none.
    plain = (0.1, 1e3) if axis.log and not (axis.low >= 1e-3 and axis.high < 1e6) else (1e-3, 1e6 if axis.log else 1e7)
    scale.set_major_formatter(FuncFormatter(lambda value, _: figure(value, digits, plain)))
    scale.set_minor_formatter(NullFormatter())


def _marks(ax: Axes, plot: Plot, lying: bool) -> None:
    """Reference lines with their labels along them."""
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    for mark in plot.marks:
        upright = (mark.get("axis", "x") == "x") != lying
        at, label = float(mark["at"]), textwrap.shorten(str(mark.get("label") or ""), 40, placeholder="…")
        if upright:
            ax.axvline(at, color="#666666", linewidth=1.1, linestyle=":", zorder=2.5)
            left, right = ax.transAxes.inverted().transform(ax.transData.transform([(at, 1.0), (at, 1.0)]))[:, 0]
            ax.annotate(label, (at, 0.985), xycoords=ax.get_xaxis_transform(), xytext=(4 if min(left, right) < 0.06 else -4, 0),
                        textcoords="offset points", rotation=90, ha="left" if min(left, right) < 0.06 else "right", va="top",
                        fontsize=9, color="#444444", bbox=box, zorder=6)
        else:
            ax.axhline(at, color="#666666", linewidth=1.1, linestyle=":", zorder=2.5)
            ax.annotate(label, (0.995, at), xycoords=ax.get_yaxis_transform(), xytext=(0, 3), textcoords="offset points", ha="right",
                        va="bottom", fontsize=9, color="#444444", bbox=box, zorder=6)


def _lies(plot: Plot, x_axis: Axis) -> bool:
    """Bars lie when their names wouldn't fit under them."""
    upright = len(x_axis.names) <= 6 and sum(len(name) for name in x_axis.names) <= 70
    return bool(x_axis.names) and _bar_lines(plot) > 0 and not (upright or max(len(name) for name in x_axis.names) <= 4)


def _bar_lines(plot: Plot) -> int:
    return sum(line.kind == "bar" for line in plot.lines)


def _gantt_rows(plot: Plot, y_axis: Axis) -> int:
    if not any(line.kind == "gantt" for line in plot.lines):
        return 0
    return len(y_axis.names) or int(y_axis.high - y_axis.low) + 1


def _all_whole(plot: Plot, which: str) -> bool:
    values = [value for line in plot.lines for value in (line.x if which == "x" else line.y)]
    return all(isinstance(value, float) and value == int(value) for value in values if not isinstance(value, str) and math.isfinite(value))
