"""A plot in characters, for a terminal. Knows no pixels and no colours: every line has a character of its own."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence

from tools.base import Line, Plot
from tools.plot_axes import Axis, Point, axes, figure, points

CHARACTERS = "*o+x#@%&"
FILLS = "█▒░▓"
MAX_GUTTER = 22
MAX_BARS = 48

Grid = list[list[str]]


def text_plot(plot: Plot, width: int = 72, height: int = 16) -> str:
    """The plot in lines of at most `width` columns (never below 40), its area `height` rows high (never below 4); bars lie,
    one a row, so that their area is as high as there are bars. Dashed lines have gaps. Raises ToolError when a line's
    columns differ in length.

    >>> from tools.base import Line
    >>> line = Line(label="a", x=[0, 1, 2], y=[0, 1, 2])
    >>> print(text_plot(Plot(title="Up", x_label="x", y_label="y (s)", lines=[line]), width=40, height=4))
    Up
    y (s)
    2 ┤                           *********
      │              *************
      │     *********
    0 ┤*****
      └┬─────────────────┬────────────────┬
       0                 1                2
                        x
    """
    width, height = max(40, width), max(4, height)
    x_axis, y_axis = axes(plot)
    lines = [(line, points(line, x_axis, y_axis)) for line in plot.lines]
    head = textwrap.wrap(plot.title, width)
    if not any(found for _, found in lines):
        return "\n".join([*head, "(nothing to draw)"])
    if x_axis.names and any(line.kind == "bar" for line in plot.lines):
        body = _bars(plot, lines, x_axis, y_axis, width)
    else:
        body = _area(plot, lines, x_axis, y_axis, width, height)
    return "\n".join(row.rstrip() for row in [*head, *body, *_legend(plot, width)])


def _area(plot: Plot, lines: Sequence[tuple[Line, list[Point]]], x_axis: Axis, y_axis: Axis, width: int, height: int) -> list[str]:
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
    for number, (line, found) in sorted(enumerate(lines), key=lambda item: item[1][0].dashed):
        cells = list(_cells(line, found, x_axis, y_axis, columns, height, gantt))
        _draw(grid, cells, _character(number), number, line.dashed and not gantt)
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
    placed = [cell(point.x, point.y) for point in found]
    if line.kind in ("scatter", "bar") or len(placed) == 1:
        yield from placed
        return
    for (row, column), (next_row, next_column) in zip(placed, placed[1:], strict=False):
        if line.kind == "step":
            yield from _between(row, column, row, next_column)
            yield from _between(row, next_column, next_row, next_column)
        else:
            yield from _between(row, column, next_row, next_column)


def _between(row: int, column: int, to_row: int, to_column: int) -> Iterator[tuple[int, int]]:
    steps = max(abs(to_row - row), abs(to_column - column), 1)
    for step in range(steps + 1):
        yield (math.floor(row + (to_row - row) * step / steps + 0.5), math.floor(column + (to_column - column) * step / steps + 0.5))


def _draw(grid: Grid, cells: list[tuple[int, int]], character: str, number: int, dashed: bool) -> None:
    for step, (row, column) in enumerate(dict.fromkeys(cells)):
        if dashed and step % 3 == 2:
            continue
        # Where two lines coincide they take turns.
        if grid[row][column] in " ┊┈" or (column // 2 + number) % 2:
            grid[row][column] = character


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
        wanted = {0, height - 1} if height < 7 else {0, round((height - 1) / 2), height - 1}
        every = {row: figure(axis.at(row / (height - 1)), 4) for row in wanted}
    return every if down else {height - 1 - row: label for row, label in every.items()}


def _x_ticks(axis: Axis, gutter: int, columns: int) -> list[str]:
    """The rule under the area and the figures or names below it."""
    if axis.names:
        room = columns // len(axis.names)
        wanted = [(axis.share(n), _cut(name, max(room - 1, 3))) for n, name in enumerate(axis.names)]
    else:
        wanted = [(share, figure(axis.at(share), 4)) for share in (0.0, 0.5, 1.0)]
    rule, text = ["─"] * columns, [" "] * (columns + 1)
    for share, label in wanted:
        column = round(share * (columns - 1))
        start = min(max(0, column - (len(label) // 2 if share else 0)), columns - len(label))
        if all(character == " " for character in text[max(0, start - 1):start + len(label) + 1]):
            rule[column] = "┬"
            text[start:start + len(label)] = label
    return [f"{'':>{gutter}} └{''.join(rule)}", f"{'':>{gutter}}  {''.join(text)}"]


def _bars(plot: Plot, lines: Sequence[tuple[Line, list[Point]]], names: Axis, values: Axis, width: int) -> list[str]:
    """Lying bars: one row for every bar of every category; other lines put their character where they pass."""
    gutter = min(MAX_GUTTER, max(len(name) for name in names.names))
    room = width - gutter - 14
    low = 0.0 if not values.log and values.low >= 0 else values.low
    scale = Axis(values.label, (), low, values.high, values.log)
    rows = [f"{plot.x_label}; bars: {plot.y_label}, from {figure(low)} to {figure(values.high)}" + (" (logarithmic)" if values.log else "")]
    for n, name in enumerate(names.names):
        label = _cut(name, gutter)
        for number, (line, found) in enumerate(lines):
            height = next((point.y for point in found if point.x == n), None)
            if line.kind != "bar" or height is None:
                continue
            long = max(1, round(scale.share(height) * room)) if height != low or values.log else 0
            bar = list((_character(number, bar=True) * long).ljust(room + 1))
            for other, (passing, placed) in enumerate(lines):
                at = None if passing.kind == "bar" else _passes(placed, n)
                if at is not None:
                    bar[min(room, round(scale.share(at) * room))] = _character(other)
            rows.append(f"{label:>{gutter}} │{''.join(bar)} {figure(height, 4)}")
            label = ""
    hidden = len(rows) - 1 - MAX_BARS
    return [*rows[:MAX_BARS + 1], f"… and {hidden} more bars"] if hidden > 0 else rows


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
    parts += [f"{'┊' if mark.get('axis', 'x') == 'x' else '┈'} {mark.get('label') or 'mark'} ({figure(float(mark['at']), 4)})"
              for mark in plot.marks]
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
