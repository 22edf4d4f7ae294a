"""A plot in characters, for a terminal. Knows no pixels and no colours: every line has a character of its own."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator, Sequence

from tools.base import Line, Plot
from tools.plot_axes import Axis, Point, axes, figure, placed, tick_figure

CHARACTERS = "*o+x#@%&"
FILLS = "█▒░▓"
MAX_GUTTER = 22
MAX_BARS = 48

Grid = list[list[str]]
Lines = Sequence[tuple[Line, list[Point]]]


def text_plot(plot: Plot, width: int = 72, height: int = 16) -> str:
    """The plot in lines of at most `width` columns (never below 40), its area `height` rows high (never below 4); bars lie,
    one a row (or one for all that are stacked), so that their area is as high as there are bars. Dashed lines have gaps.
    Raises ToolError when a line's columns differ in length.

    >>> from tools.base import Line
    >>> line = Line(label="a", x=[0, 1, 2], y=[0, 1, 2])
    >>> print(text_plot(Plot(title="Up", x_label="x", y_label="y (s)", lines=[line]), width=40, height=4))
    Up
    y (s)
    2 ┤                           *********
    1 ┤              *************
      │     *********
    0 ┤*****
      └┬─────────────────┬────────────────┬
       0                 1                2
                        x
    """
    width, height = max(40, width), max(4, height)
    x_axis, y_axis = axes(plot)
    lines = list(zip(plot.lines, placed(plot, x_axis, y_axis), strict=True))
    head = textwrap.wrap(plot.title, width)
    if not any(found for _, found in lines):
        return "\n".join([*head, "(nothing to draw)"])
    if x_axis.names and any(line.kind == "bar" for line in plot.lines):
        body = _bars(plot, lines, x_axis, y_axis, width)
    elif x_axis.names and y_axis.names and any(line.kind == "cell" for line in plot.lines):
        body = _table(plot, lines, x_axis, y_axis, width)
    else:
        body = _area(plot, lines, x_axis, y_axis, width, height)
    return "\n".join(row.rstrip() for row in [*head, *body, *_legend(plot, width)])


def _area(plot: Plot, lines: Lines, x_axis: Axis, y_axis: Axis, width: int, height: int) -> list[str]:
    gantt = any(line.kind == "gantt" for line in plot.lines)
    if y_axis.names or gantt:
        rows = len(y_axis.names) or min(height, round(y_axis.high - y_axis.low) + 1)
        height = min(max(rows, 2), 3 * height)
    labels = _row_labels(y_axis, height, gantt)
    gutter = max(len(label) for label in labels.values())
    columns = width - gutter - 3
    grid: Grid = [[" "] * columns for _ in range(height)]
    _draw_marks(plot, grid, x_axis, y_axis, gantt)
    # Dashed lines come last: their gaps show what they cover.
    passing = [(number, line, list(dict.fromkeys(_cells(line, found, x_axis, y_axis, columns, height, gantt))))
               for number, (line, found) in sorted(enumerate(lines), key=lambda item: item[1][0].dashed)]
    _draw(grid, passing, gantt)
    for line, found in lines:
        if line.kind == "gantt":
            _notes(grid, found, x_axis, y_axis)
    drawn = [f"{labels.get(n, ''):>{gutter}} {'┤' if n in labels else '│'}{''.join(row)}" for n, row in enumerate(grid)]
    return [plot.y_label, *drawn, *_x_ticks(x_axis, gutter, columns), plot.x_label.center(columns).rjust(gutter + 2 + columns)]


def _cells(line: Line, found: list[Point], x_axis: Axis, y_axis: Axis, columns: int, height: int, down: bool) -> Iterator[tuple[int, int]]:
    """(row, column) of every cell that the line passes, in order."""

    def cell(x: float, y: float) -> tuple[int, int]:
        up = round(y_axis.share(y) * (height - 1))
        return (up if down else height - 1 - up), round(x_axis.share(x) * (columns - 1))

    if line.kind == "gantt":
        for point in found:
            row, start = cell(point.x, point.y)
            end = cell(point.x if point.end is None else point.end, point.y)[1]
            yield from ((row, column) for column in range(start, max(start + 1, end)))
        return
    placed_cells = [cell(point.x, point.y) for point in found]
    if line.kind in ("scatter", "bar", "cell") or len(placed_cells) == 1:
        yield from placed_cells
        return
    for (row, column), (next_row, next_column) in zip(placed_cells, placed_cells[1:], strict=False):
        if line.kind == "step":
            yield from _between(row, column, row, next_column)
            yield from _between(row, next_column, next_row, next_column)
        else:
            yield from _between(row, column, next_row, next_column)


def _notes(grid: Grid, found: list[Point], x_axis: Axis, y_axis: Axis) -> None:
    """Writes notes into the bars of a Gantt chart, where a bar shows on both sides of them."""
    for point in found:
        row = round(y_axis.share(point.y) * (len(grid) - 1))
        start, end = (round(x_axis.share(x) * (len(grid[0]) - 1)) for x in (point.x, point.x if point.end is None else point.end))
        if point.note and end - start >= len(point.note) + 2:
            first = start + (end - start - len(point.note)) // 2
            grid[row][first:first + len(point.note)] = point.note


def _between(row: int, column: int, to_row: int, to_column: int) -> Iterator[tuple[int, int]]:
    steps = max(abs(to_row - row), abs(to_column - column), 1)
    for step in range(steps + 1):
        yield (math.floor(row + (to_row - row) * step / steps + 0.5), math.floor(column + (to_column - column) * step / steps + 0.5))


def _draw(grid: Grid, passing: list[tuple[int, Line, list[tuple[int, int]]]], gantt: bool) -> None:
    """Writes each line's character into the cells it passes. Where lines coincide they take turns, else dashed ones have
    gaps; a point that stands for itself is never hidden by a line; of bars the later ones are seen."""
    owners: dict[tuple[int, int], list[int]] = {}
    points = {cell for _, line, cells in passing if _stands_alone(line, cells) for cell in cells}
    gaps = {(number, cell) for number, line, cells in passing if line.dashed for cell in cells[2::3]}
    for number, line, cells in passing:
        for cell in cells:
            if gantt or cell not in points or _stands_alone(line, cells):
                owners.setdefault(cell, []).append(number)
    turns = list(range(len(grid)))
    for (row, column), here in sorted(owners.items()):
        if len(here) == 1 and (here[0], (row, column)) in gaps and not gantt and (row, column) not in points:
            continue
        grid[row][column] = _character(here[-1] if gantt else here[turns[row] // 2 % len(here)])
        turns[row] += len(here) > 1


def _stands_alone(line: Line, cells: list[tuple[int, int]]) -> bool:
    return line.kind in ("scatter", "bar", "cell") or len(cells) == 1


def _draw_marks(plot: Plot, grid: Grid, x_axis: Axis, y_axis: Axis, down: bool) -> None:
    for mark in plot.marks:
        upright = mark.get("axis", "x") == "x"
        axis = x_axis if upright else y_axis
        at = float(mark["at"])
        if axis.log and at <= 0 or not math.isfinite(at):
            continue
        share = min(1.0, max(0.0, axis.share(at)))
        if upright:
            for row in grid:
                row[round(share * (len(row) - 1))] = "┊"
        else:
            row_number = round(share * (len(grid) - 1))
            grid[row_number if down else len(grid) - 1 - row_number] = ["┈"] * len(grid[0])


def _row_labels(axis: Axis, height: int, down: bool) -> dict[int, str]:
    if axis.names:
        every = {round(axis.share(n) * (height - 1)): _cut(name, MAX_GUTTER) for n, name in enumerate(axis.names)}
    elif down:
        every = {row: figure(round(axis.at(row / (height - 1)))) for row in range(height)}
    else:
        every = {round(_bounded(axis.share(at)) * (height - 1)): tick_figure(at, axis) for at in axis.ticks(max(2, height // 3))}
    return every if down else {height - 1 - row: label for row, label in every.items()}


def _x_ticks(axis: Axis, gutter: int, columns: int) -> list[str]:
    """The rule under the area and the figures or names below it."""
    wanted: list[tuple[float, str]] = []
    if axis.names:
        room = columns // len(axis.names)
        wanted = [(axis.share(n), _cut(name, max(room - 1, 3))) for n, name in enumerate(axis.names)]
    for wide in () if axis.names else (7, 9, 11):
        wanted = [(_bounded(axis.share(at)), tick_figure(at, axis)) for at in axis.ticks(max(2, columns // wide))]
        if all(_start(*after, columns) - _start(*before, columns) > len(before[1]) + 1
               for before, after in zip(wanted, wanted[1:], strict=False)):
            break
    rule, text = ["─"] * columns, [" "] * (columns + 1)
    for share, label in wanted:
        column, start = round(share * (columns - 1)), _start(share, label, columns)
        if all(character == " " for character in text[max(0, start - 1):start + len(label) + 1]):
            rule[column] = "┬"
            text[start:start + len(label)] = label
    return [f"{'':>{gutter}} └{''.join(rule)}", f"{'':>{gutter}}  {''.join(text)}"]


def _start(share: float, label: str, columns: int) -> int:
    """The column where a label begins that stands in the middle under its tick, or within the area."""
    return min(max(0, round(share * (columns - 1)) - (len(label) // 2 if share else 0)), columns - len(label))


def _table(plot: Plot, lines: Lines, x_axis: Axis, y_axis: Axis, width: int) -> list[str]:
    """Cells: a row for every name of y, a column for every name of x; each cell has its line's character and its note."""
    gutter = min(width // 2, max((len(name) for name in y_axis.names), default=8))
    room = max(4, (width - gutter - 2) // max(1, len(x_axis.names)))
    grid = [[" " * room for _ in x_axis.names] for _ in y_axis.names]
    for number, (line, found) in enumerate(lines):
        for point in found if line.kind == "cell" else ():
            grid[round(point.y)][round(point.x)] = _cut(f"{_character(number)} {point.note}", room - 1).ljust(room)
    rule = "─" * min(width - gutter - 2, room * len(x_axis.names))
    rows = [f"{_cut(name, gutter):>{gutter}} │{''.join(grid[n])}" for n, name in enumerate(y_axis.names)]
    names = "".join(_cut(name, room - 1).ljust(room) for name in x_axis.names)
    return [*textwrap.wrap(f"{plot.y_label} by {plot.x_label}", width), f"{'':>{gutter}}  {names}", f"{'':>{gutter}} ┌{rule}", *rows]


def _bars(plot: Plot, lines: Lines, names: Axis, values: Axis, width: int) -> list[str]:
    """Lying bars: one row for every bar of every category, or for all of a stack; other lines put their character where
    they pass, reference lines show where nothing else is."""
    gutter = min(MAX_GUTTER, max(len(name) for name in names.names))
    figures = {(number, n): point.note or figure(point.y, 4) for number, (line, found) in enumerate(lines) if line.kind == "bar"
               for n, point in enumerate(found)}
    room = width - gutter - 4 - max(8, *(len(each) for each in figures.values()))
    span = f"from {figure(values.low, 4)} to {figure(values.high, 4)}" + (" (logarithmic)" if values.log else "")
    rows = textwrap.wrap(f"{plot.x_label}; bars: {plot.y_label}, {span}", width)
    head = len(rows)
    for n, name in enumerate(names.names):
        label = _cut(name, gutter)
        bar = _empty_bar(plot, values, room)
        for number, (line, found) in enumerate(lines):
            index, point = next(((index, point) for index, point in enumerate(found) if point.x == n), (0, None))
            if line.kind != "bar" or point is None:
                continue
            _fill_bar(bar, values, point, _character(number, bar=True), room)
            if plot.stacked and any(point.x == n for later, found in lines[number + 1:] if later.kind == "bar" for point in found):
                continue
            for other, (passing, found) in enumerate(lines):
                at = None if passing.kind == "bar" else _passes(found, n)
                if at is not None:
                    bar[min(room, round(values.share(at) * room))] = _character(other)
            rows.append(f"{label:>{gutter}} │{''.join(bar)} {figure(point.y, 4) if plot.stacked else figures[number, index]}")
            label, bar = "", _empty_bar(plot, values, room)
    hidden = len(rows) - head - MAX_BARS
    return [*rows[:MAX_BARS + head], f"… and {hidden} more bars"] if hidden > 0 else rows


def _empty_bar(plot: Plot, values: Axis, room: int) -> list[str]:
    bar = [" "] * (room + 1)
    for mark in plot.marks:
        at = float(mark["at"])
        if mark.get("axis") == "y" and (at > 0 or not values.log):
            bar[round(_bounded(values.share(at)) * room)] = "┊"
    return bar


def _fill_bar(bar: list[str], values: Axis, point: Point, character: str, room: int) -> None:
    base = values.low if point.base is None else point.base
    low, high = sorted(round(_bounded(values.share(at)) * room) for at in (base, point.y))
    if low == high and (point.y != base or point.base is None):
        high = low + 1
    bar[low:high] = [character if each == " " or not 0 < n < high - low - 1 else each for n, each in enumerate(bar[low:high])]


def _passes(found: list[Point], position: int) -> float | None:
    """Where a line lies over a category, between its points if need be."""
    for before, after in zip(found, found[1:], strict=False):
        if before.x <= position <= after.x:
            share = (position - before.x) / (after.x - before.x) if after.x > before.x else 0.0
            return before.y + (after.y - before.y) * share
    return next((point.y for point in found if point.x == position), None)


def _legend(plot: Plot, width: int) -> list[str]:
    lying = any(line.kind == "bar" for line in plot.lines) and any(isinstance(x, str) for line in plot.lines for x in line.x)
    parts = [f"{_character(n, bar=lying and line.kind == 'bar')} {line.label}" for n, line in enumerate(plot.lines)] \
        if len(plot.lines) > 1 else []
    for mark in plot.marks:
        label, at = str(mark.get("label", "mark")), figure(float(mark["at"]), 4)
        if not label:
            continue
        character = "┊" if lying or mark.get("axis", "x") == "x" else "┈"
        told = at in re.split(r"[^\w.,×⁻⁰¹²³⁴⁵⁶⁷⁸⁹-]+", label)
        parts.append(f"{character} {label}" if told else f"{character} {label} ({at})")
    rows: list[str] = []
    for part in parts:
        if rows and len(rows[-1]) + 3 + len(part) <= width:
            rows[-1] += "   " + part
        else:
            rows.append(_cut(part, width))
    return rows


def _character(number: int, bar: bool = False) -> str:
    if bar and number < len(FILLS):
        return FILLS[number]
    return CHARACTERS[number % len(CHARACTERS)]


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[:max(1, room - 1)] + "…"


def _bounded(share: float) -> float:
    return min(1.0, max(0.0, share))
