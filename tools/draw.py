"""A plot as an SVG or PNG file (and, from tools.plot_text, in characters). Knows the page and its legend, no tool by name."""

from __future__ import annotations

import io
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.base import Plot, ToolError
from tools.plot_axes import Axis, axes, figure, placed
from tools.plot_frame import begin_at, levels, mark, scale, ticks
from tools.plot_shapes import NUMBERED_BARS, bars, cells, curve, gantt, totals
from tools.plot_text import text_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["save_plot", "text_plot"]

STYLE: Any = {
    "font.family": ["DejaVu Sans"], "font.size": 10.5, "axes.labelsize": 11, "legend.fontsize": 10,
    "axes.edgecolor": "#888888", "axes.grid": True, "axes.axisbelow": True, "grid.color": "#E4E4E4", "grid.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "xtick.color": "#444444", "ytick.color": "#444444",
    "axes.unicode_minus": False, "text.parse_math": False, "svg.hashsalt": "tutor", "svg.fonttype": "none", "savefig.dpi": 150,
    "hatch.linewidth": 0.8,
}
TITLE = {"x": 0.012, "ha": "left", "fontsize": 13, "fontweight": "bold"}
TITLE_COLUMNS = 68
LEGEND_COLUMNS = 102
BAR_COLUMNS = 74
"""As many small characters are as wide as all bars beside each other."""
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
    rows = len(x_axis.names) * (1 if plot.stacked else _bar_lines(plot)) if lying else _rows(plot, y_axis)
    # SVG readers get its title; dates and versions would change the bytes.
    metadata = {"Date": None, "Creator": None, "Title": plot.title} if kind == "svg" else {"Software": None, "Title": plot.title}
    stream = io.BytesIO()
    with _TURN, matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(8.0, min(12.0, max(4.8, 1.9 + 0.26 * rows))), layout="constrained")
        FigureCanvasAgg(drawing)
        layout: Any = drawing.get_layout_engine()
        layout.set(w_pad=0.12, h_pad=0.07)
        _fill(drawing, plot, x_axis, y_axis, lying)
        drawing.savefig(stream, format=kind, metadata=metadata)
    return stream.getvalue()


def _fill(drawing: Figure, plot: Plot, x_axis: Axis, y_axis: Axis, lying: bool) -> None:
    ax = drawing.add_subplot()
    across, upward = (y_axis, x_axis) if lying else (x_axis, y_axis)
    drawing.suptitle("\n".join(_balanced(plot.title)), **TITLE)
    scale(ax, "x", across)
    scale(ax, "y", upward)
    found = placed(plot, x_axis, y_axis)
    rows = any(line.kind in ("gantt", "cell") for line in plot.lines)
    handles: list[Any] = []
    for number, line in enumerate(plot.lines):
        if line.kind == "gantt":
            handles.append(gantt(ax, line, found[number], number, x_axis))
        elif line.kind == "cell":
            handles.append(cells(ax, line, found[number], number, x_axis))
        elif line.kind == "bar":
            handles.append(bars(ax, plot, found, number, lying))
        else:
            handles.append(curve(ax, plot, found, number, lying, x_axis, y_axis))
    if plot.stacked:
        totals(ax, plot, found, lying)
    if rows:
        ax.grid(False, axis="y")
    levels(ax, plot, lying)
    begin_at(ax, plot, y_axis, lying)
    ticks(ax, "x", across)
    ticks(ax, "y", upward, rows)
    if lying or rows:
        ax.invert_yaxis()
    mark(ax, plot, lying)
    if not any(found):
        ax.text(0.5, 0.5, "nothing to draw", transform=ax.transAxes, ha="center", va="center", color="#666666")
    if len(plot.lines) > 1:
        labels = [textwrap.shorten(line.label, 80, placeholder="…") for line in plot.lines]
        drawing.legend(handles, labels, loc="outside lower center", ncols=_legend_columns(labels), frameon=False, handlelength=2.8)


def _balanced(title: str) -> list[str]:
    """Lines of nearly the same length, so that no word stands alone."""
    rows = textwrap.wrap(title, TITLE_COLUMNS)
    narrow = next((width for width in range(24, TITLE_COLUMNS) if len(textwrap.wrap(title, width)) <= len(rows)), TITLE_COLUMNS)
    return textwrap.wrap(title, narrow) if len(rows) > 1 else rows


def _legend_columns(labels: list[str]) -> int:
    """As many columns as fit, but no more than the rows need, so that the last row isn't left with a single entry."""
    for columns in range(len(labels), 1, -1):
        rows = -(-len(labels) // columns)
        wide = sum(9 + max(len(label) for label in labels[first:first + rows]) for first in range(0, len(labels), rows))
        if wide <= LEGEND_COLUMNS:
            return -(-len(labels) // rows)
    return 1


def _lies(plot: Plot, x_axis: Axis) -> bool:
    """Bars lie when their names wouldn't fit under them, or their figures over them."""
    if not x_axis.names or not _bar_lines(plot):
        return False
    upright = len(x_axis.names) <= 6 and sum(len(name) for name in x_axis.names) <= 70
    bars = len(x_axis.names) * (1 if plot.stacked else _bar_lines(plot))
    told = [len(figure(float(y), 3)) for line in plot.lines if line.kind == "bar" for y in line.y]
    crowded = not plot.stacked and bars <= NUMBERED_BARS and max(told, default=0) + 1 > BAR_COLUMNS / bars
    return crowded or not (upright or max(len(name) for name in x_axis.names) <= 4)


def _bar_lines(plot: Plot) -> int:
    return sum(line.kind == "bar" for line in plot.lines)


def _rows(plot: Plot, y_axis: Axis) -> int:
    if not any(line.kind in ("gantt", "cell") for line in plot.lines):
        return 0
    return len(y_axis.names) or int(y_axis.high - y_axis.low) + 1
