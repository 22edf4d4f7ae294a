"""Plots as SVG, PNG and text: whole, deterministic, and refused in one sentence where they can't be drawn or written."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.base import Line, Plot, ToolError
from tools.draw import save_plot, text_plot
from tools.plot_axes import Axis, Point, axes, figure, placed

UP = Line(label="up", x=[0, 1, 2, 3], y=[0, 1, 2, 3])
FLAT = Line(label="flat (naive)", x=[0, 3], y=[1, 1], dashed=True)


def plot(*lines: Line, **more: Any) -> Plot:
    return Plot(title="A title", x_label="time (s)", y_label="load (rps)", lines=list(lines), **more)


PLOTS = {
    "lines": plot(UP, FLAT, marks=[{"axis": "x", "at": 2, "label": "here"}, {"axis": "y", "at": 2.5, "label": "limit"}]),
    "log": plot(Line(label="first", x=[1, 10, 1000], y=[1e-9, 1, 1e9]), log_x=True, log_y=True),
    "step": plot(Line(label="first", x=[0, 1, 2], y=[0, 5, 5], kind="step"), Line(label="second", x=[0, 2], y=[3, 3], kind="scatter")),
    "bars": plot(Line(label="first", x=["x", "y"], y=[1, 2], kind="bar"),
                 Line(label="second", x=["x", "y"], y=[2, 1], kind="bar", dashed=True), FLAT),
    "lying bars": plot(Line(label="first", x=[f"a long name {n}" for n in range(9)], y=list(range(9)), kind="bar")),
    "numeric bars": plot(Line(label="first", x=[0.1, 0.2, 0.3], y=[1, 2, 3], kind="bar"), UP),
    "tornado": plot(Line(label="low", x=list("abcdefgh"), y=[1.0] * 8, kind="bar"), log_y=True, marks=[{"axis": "y", "at": 10.0}]),
    "gantt": plot(Line(label="run", x=[0, 2], y=["A", "B"], x2=[2, 5], kind="gantt"),
                  Line(label="wait", x=[0], y=["B"], x2=[2], kind="gantt", dashed=True)),
    "numeric gantt": plot(Line(label="run", x=[0, 2], y=[0, 3], x2=[2, 5], kind="gantt")),
    "stack": plot(Line(label="first", x=["x", "y"], y=[1, 2], kind="bar"), Line(label="second", x=["x", "y"], y=[3, 1], kind="bar"),
                  stacked=True, marks=[{"axis": "y", "at": 3.5, "label": "room"}]),
    "cells": plot(Line(label="right", x=["t1", "t2"], y=["join", "join"], kind="cell", notes=["10", "20"]),
                  Line(label="leaked", x=["t1"], y=["latest"], kind="cell", notes=["40"])),
    "gantt with notes": plot(Line(label="run", x=[0, 20], y=["A", "A"], x2=[20, 21], kind="gantt", notes=["job1", "job2"]), UP),
    "near marks": plot(UP, *(Line(label=f"more {n}", x=[0, 1, 2], y=[n, n, 1]) for n in range(2)), marks=[
        {"axis": axis, "at": 2 + n / 100, "label": f"{axis} mark {n}"} for n in range(3) for axis in "xy"]),
    "nothing": plot(),
    "a point": plot(Line(label="first", x=[1], y=[1])),
    "nothing above 0": plot(Line(label="first", x=[0, 0], y=[0, -1]), log_x=True, log_y=True),
    "odd names": plot(Line(label="_hidden $x^2$ <&>", x=["$a$", "_b"], y=[1, 2]), UP),
}


@pytest.mark.parametrize("name", PLOTS)
def test_an_svg_is_well_formed_names_everything_and_is_the_same_each_time(name: str, tmp_path: Path) -> None:
    drawn = PLOTS[name]
    save_plot(drawn, tmp_path / "a.svg")
    save_plot(drawn, tmp_path / "b.SVG")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.SVG").read_bytes()
    told = svg_text(tmp_path / "a.svg")
    assert "A title" in told and "time (s)" in told and "load (rps)" in told
    assert all((line.label in told) == (len(drawn.lines) > 1) for line in drawn.lines)
    assert all(mark.get("label", "") in told for mark in drawn.marks)


def svg_text(path: Path) -> str:
    return "\n".join("".join(each.itertext()) for each in ElementTree.parse(path).getroot().iter("{http://www.w3.org/2000/svg}text"))


@pytest.mark.parametrize("name", ["lines", "gantt"])
def test_a_png_is_large_enough_to_read_and_the_same_each_time(name: str, tmp_path: Path) -> None:
    save_plot(PLOTS[name], tmp_path / "a.png")
    save_plot(PLOTS[name], tmp_path / "b.png")
    data = (tmp_path / "a.png").read_bytes()
    assert data == (tmp_path / "b.png").read_bytes() and data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert width >= 1000 and height >= 600


def test_the_bytes_hold_neither_date_nor_version(tmp_path: Path) -> None:
    for name in ("a.svg", "a.png"):
        save_plot(PLOTS["lines"], tmp_path / name)
        assert not re.search(rb"dc:date|Software|Matplotlib v", (tmp_path / name).read_bytes())


def test_dashed_lines_are_dashed(tmp_path: Path) -> None:
    save_plot(plot(UP, FLAT), tmp_path / "a.svg")
    save_plot(plot(UP), tmp_path / "b.svg")
    assert "stroke-dasharray" in (tmp_path / "a.svg").read_text() and "stroke-dasharray" not in (tmp_path / "b.svg").read_text()


@pytest.mark.parametrize("path", ["plot.pdf", "plot", "no/such/folder/plot.svg", ".svg"])
def test_a_path_that_will_not_do_is_named_in_one_sentence(path: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError) as refused:
        save_plot(plot(UP), tmp_path / path)
    assert Path(path).name in str(refused.value) and "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("draw", [text_plot, lambda each: save_plot(each, Path("never.svg"))])
def test_columns_of_different_length_are_refused(draw: Any) -> None:
    with pytest.raises(ToolError, match="'crooked'"):
        draw(plot(Line(label="crooked", x=[1, 2], y=[1])))


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("width", [40, 72, 120])
def test_text_keeps_to_its_width_and_names_everything(name: str, width: int) -> None:
    drawn = PLOTS[name]
    told = text_plot(drawn, width=width, height=12)
    assert told == text_plot(drawn, width=width, height=12)
    assert told.startswith("A title\n")
    if name == "nothing":
        assert "nothing to draw" in told
        return
    assert all(len(row) <= width or "bars:" in row for row in told.splitlines())
    assert "time (s)" in told and "load (rps)" in told
    assert all((line.label in told) == (len(drawn.lines) > 1) for line in drawn.lines)


def test_text_gives_each_line_its_own_character_and_dashes_have_gaps() -> None:
    told = text_plot(plot(Line(label="low", x=[0, 9], y=[0, 0]), Line(label="high", x=[0, 9], y=[9, 9], dashed=True)), width=50, height=8)
    rows = [re.split("[┤│]", row)[1] for row in told.splitlines() if re.search("[┤│]", row)]
    assert set(rows[0]) == {"o", " "} and set(rows[-1]) == {"*"}
    assert "* low   o high" in told


def test_text_bars_are_as_long_as_their_values() -> None:
    told = text_plot(plot(Line(label="first", x=["one", "two", "none"], y=[10, 20, 0], kind="bar")))
    one, two, none = (row.count("█") for row in told.splitlines() if "│" in row)
    assert two == 2 * one and none == 0


def test_text_shows_gantt_rows_from_the_top_in_their_order() -> None:
    rows = [row for row in text_plot(PLOTS["gantt"], width=60).splitlines() if "┤" in row]
    assert [row.split("┤")[0].strip() for row in rows] == ["A", "B"]
    assert rows[0].index("*") < rows[1].index("*") and "o" in rows[1]


def test_stacked_bars_are_one_row_whose_parts_add_up() -> None:
    rows = [row for row in text_plot(PLOTS["stack"], width=60).splitlines() if "│" in row]
    assert len(rows) == 2 and rows[0].endswith(" 4") and rows[1].endswith(" 3")
    assert rows[0].count("▒") > 2 * rows[0].count("█") > 0 and rows[0].index("▒") > rows[0].index("█")
    assert rows[1].index("┊") > rows[1].rindex("▒")


def test_stacked_bars_begin_where_those_below_them_end() -> None:
    drawn = PLOTS["stack"]
    first, second = placed(drawn, *axes(drawn))
    assert [point.base for point in first] == [0, 0] and [point.base for point in second] == [1, 2]
    assert [point.y for point in second] == [4, 3] and axes(drawn)[1].high == 4


def test_the_halves_of_a_tornado_grow_from_the_reference_line() -> None:
    found = placed(PLOTS["tornado"], *axes(PLOTS["tornado"]))
    assert {point.base for point in found[0]} == {10.0}


def test_cells_are_written_where_their_row_meets_their_column(tmp_path: Path) -> None:
    rows = [row for row in text_plot(PLOTS["cells"], width=60).splitlines() if "│" in row]
    assert rows[0].split() == ["join", "│*", "10", "*", "20"] and rows[1].split() == ["latest", "│o", "40"]
    save_plot(PLOTS["cells"], tmp_path / "a.svg")
    assert {"10", "20", "40"} <= set(svg_text(tmp_path / "a.svg").splitlines())


def test_notes_stand_in_gantt_bars_that_hold_them_and_at_bars(tmp_path: Path) -> None:
    drawn = plot(Line(label="first", x=["x", "y"], y=[1, 2], kind="bar", notes=["one", "two"]))
    save_plot(drawn, tmp_path / "a.svg")
    assert {"one", "two"} <= set(svg_text(tmp_path / "a.svg").splitlines()) and "one" in text_plot(drawn)
    save_plot(PLOTS["gantt with notes"], tmp_path / "b.svg")
    for told in (svg_text(tmp_path / "b.svg"), text_plot(PLOTS["gantt with notes"])):
        assert "job1" in told and "job2" not in told


def test_labels_of_reference_lines_stand_apart(tmp_path: Path) -> None:
    save_plot(PLOTS["near marks"], tmp_path / "a.svg")
    assert svg_text(tmp_path / "a.svg").count("x mark") == 3
    spots = re.findall(r"rotate\(-0 ([0-9.]+) ([0-9.]+)\)[^>]*>([xy]) mark", (tmp_path / "a.svg").read_text())
    heights = sorted(float(height) for _, height, _ in spots)
    assert len(spots) == 6 and all(after - before > 8 for before, after in zip(heights, heights[1:], strict=False))


@pytest.mark.parametrize(("ys", "low"), [([3, 10], 0), ([8, 10], 8), ([-3, 10], -3)])
def test_the_value_axis_begins_at_zero_when_that_is_near(ys: list[float], low: float) -> None:
    assert axes(plot(Line(label="first", x=[0, 1], y=list(ys))))[1].low == low


def test_a_step_is_held_to_the_end_of_the_axis() -> None:
    drawn = plot(Line(label="short", x=[0, 1], y=[1, 2], kind="step"), UP)
    assert placed(drawn, *axes(drawn))[0][-1] == Point(3, 2)


@given(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12), st.integers(1, 12))
def test_ticks_are_few_round_and_on_the_axis(low: float, span: float, most: int) -> None:
    axis = Axis("", (), low, low + span, False)
    found = axis.ticks(most)
    assert 1 <= len(found) <= most + 2 and found == sorted(found)
    assert all(low - 1e-6 * span - 1e-3 <= each <= low + span * (1 + 1e-6) + 1e-3 for each in found)


@given(st.floats(1e-12, 1e12), st.floats(1, 1e12), st.integers(2, 12))
def test_ticks_of_a_logarithmic_axis_lie_on_it(low: float, ratio: float, most: int) -> None:
    found = Axis("", (), low, low * ratio, True).ticks(most)
    assert 1 <= len(found) <= most + 2 and all(low * 0.999 <= each <= low * ratio * 1.001 for each in found)


numbers = st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1e-300, 1e300, -1e300])


@settings(max_examples=150, deadline=None)
@given(points=st.lists(st.tuples(numbers, numbers), max_size=12), kind=st.sampled_from(["line", "step", "scatter", "bar", "gantt", "cell"]),
       log_x=st.booleans(), log_y=st.booleans(), width=st.integers(0, 200), height=st.integers(0, 40))
def test_text_takes_any_points(points: list[tuple[float, float]], kind: Any, log_x: bool, log_y: bool, width: int, height: int) -> None:
    line = Line(label="any", x=[x for x, _ in points], y=[y for _, y in points], kind=kind)
    told = text_plot(plot(line, UP, log_x=log_x, log_y=log_y), width=width, height=height)
    assert "A title" in told and "any" in told


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_figure_is_near_its_number(number: float) -> None:
    assert math.isclose(read(figure(number)), number, rel_tol=1e-5, abs_tol=1e-320)


def read(told: str) -> float:
    scientific = re.fullmatch("(-?)(?:([0-9.-]+)×)?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", told)
    if scientific is None:
        return float(told.replace(",", ""))
    sign, mantissa, power = scientific.groups()
    return float(f"{sign}{mantissa or 1}e{power.translate(str.maketrans('⁻⁰¹²³⁴⁵⁶⁷⁸⁹', '-0123456789'))}")


# ---- what a reader must be able to see


def area(told: str) -> list[str]:
    return [re.split("[┤│]", row)[1] for row in told.splitlines() if re.search("[┤│]", row)]


@pytest.mark.parametrize(("x", "y"), [([0, 9], [5, 5]), ([4, 4], [0, 9]), ([0, 9], [0, 9])], ids=["level", "upright", "slanting"])
def test_text_lines_that_coincide_take_turns(x: list[float], y: list[float]) -> None:
    lines = [Line(label=name, x=list(x), y=list(y), dashed=name == "c") for name in "abc"]
    drawn = "".join(area(text_plot(plot(*lines, marks=[{"axis": axis, "at": at} for axis in "xy" for at in (0, 9)]))))
    assert min(drawn.count(character) for character in "*o+") >= 4


def test_a_text_point_is_never_hidden_by_a_line() -> None:
    for last in (True, False):
        lines = [Line(label="way", x=[0, 9], y=[0, 9]), Line(label="stop", x=[3, 6], y=[3, 6], kind="scatter")]
        told = "".join(area(text_plot(plot(*(lines if last else lines[::-1])))))
        assert told.count("o" if last else "*") == 2


@pytest.mark.parametrize(("y", "log"), [([3, 10], False), ([0.9, 1.0], True)])
def test_a_mark_beyond_the_data_stands_on_the_page_beside_its_line(y: list[float], log: bool, tmp_path: Path) -> None:
    line = Line(label="a", x=["first", "second"], y=list(y), kind="scatter")
    level = Line(label="b", x=["first", "second"], y=[1, 1], dashed=True)
    save_plot(plot(line, level, log_y=log, marks=[{"axis": "y", "at": 20, "label": "far away"}]), tmp_path / "a.svg")
    height = float(re.findall(r'height="([\d.]+)pt"', (tmp_path / "a.svg").read_text())[0])
    where = text_places(tmp_path / "a.svg")
    assert 0 < where["far away"][1] < height / 3 and where["time (s)"][1] > 2 * height / 3
    assert where["a"][1] > where["time (s)"][1], "the legend lies under the axis"


def text_places(path: Path) -> dict[str, tuple[float, float]]:
    """Where each text of an SVG stands, in points from the left and from the top."""
    found = {}
    for each in ElementTree.parse(path).getroot().iter("{http://www.w3.org/2000/svg}text"):
        moved = re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", each.get("transform", ""))
        x, y = moved.groups() if moved else (each.get("x", "0"), each.get("y", "0"))
        found["".join(each.itertext())] = (float(x), float(y))
    return found


def test_a_legend_is_never_cut_at_the_page(tmp_path: Path) -> None:
    from matplotlib.image import imread

    labels = ("LeastAllocated", "MostAllocated", "BalancedAllocation", "by measured usage (naive)")
    save_plot(plot(*(Line(label=label, x=[0, 1], y=[0, n]) for n, label in enumerate(labels))), tmp_path / "a.png")
    pixels = imread(tmp_path / "a.png")
    assert (pixels[:, [0, 1, 2, -3, -2, -1], :3] > 0.98).all()


def test_a_bar_of_nothing_on_a_logarithmic_axis_tells_its_figure(tmp_path: Path) -> None:
    bars = plot(Line(label="lost", x=["one", "two", "three"], y=[500, 0, 60_000], kind="bar"), UP.model_copy(update={"x": [], "y": []}), log_y=True)
    rows = [row for row in text_plot(bars).splitlines() if "│" in row]
    assert rows[1].endswith(" 0") and "█" not in rows[1] and rows[0].count("█") > 3
    save_plot(bars, tmp_path / "a.svg")
    assert {"0", "500", "60,000"} <= set(svg_text(tmp_path / "a.svg").splitlines())


def test_the_last_level_of_a_step_line_has_a_length() -> None:
    stairs = plot(Line(label="stairs", x=[0, 1, 2], y=[0, 1, 2], kind="step"))
    assert axes(stairs)[0].high > 2 and placed(stairs, *axes(stairs))[0][-1].x == axes(stairs)[0].high
    assert area(text_plot(stairs))[0].count("*") >= 2
    level = plot(Line(label="level", x=[0, 1, 2], y=[0, 1, 1], kind="step"))
    assert axes(level)[0].high == 2
    curve = plot(Line(label="curve", x=list(range(101)), y=list(range(101)), kind="step"))
    assert axes(curve)[0].high == 100


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=9, unique=True), st.integers(1, 12))
def test_an_axis_that_counts_has_no_halves(values: list[int], most: int) -> None:
    axis = axes(plot(Line(label="n", x=list(range(len(values))), y=list(values))))[1]
    assert axis.whole == any(abs(value) > 1 for value in values)
    assert not axis.whole or all(tick.is_integer() for tick in axis.ticks(most))


def test_bars_lie_when_their_figures_would_lie_on_each_other(tmp_path: Path) -> None:
    for figures, lie in ((1, False), (60_002, True)):
        drawn = plot(*(Line(label=f"l{n}", x=["p", "q", "r"], y=[figures] * 3, kind="bar") for n in range(4)))
        save_plot(drawn, tmp_path / "a.svg")
        where = text_places(tmp_path / "a.svg")
        assert (abs(where["p"][0] - where["q"][0]) < 20) == lie


def test_of_lines_that_look_like_one_the_lower_is_drawn_thicker(tmp_path: Path) -> None:
    near = [Line(label="first", x=[0, 1, 2], y=[0, 1, 2]), Line(label="second", x=[0, 1.999], y=[0.001, 2])]
    apart = [near[0], Line(label="second", x=[0, 2], y=[1, 0])]
    widths = []
    for lines in (near, apart):
        save_plot(plot(*lines), tmp_path / "a.svg")
        widths.append(set(re.findall(r"stroke: #0072b2; stroke-width: ([\d.]+)", (tmp_path / "a.svg").read_text())))
    assert max(map(float, widths[0])) > max(map(float, widths[1]))


def test_a_line_of_zeros_lies_at_the_foot_of_its_axis(tmp_path: Path) -> None:
    zeros = plot(Line(label="lost", x=[0, 1, 2], y=[0, 0, 0]))
    assert area(text_plot(zeros))[-1].count("*") > 20
    save_plot(zeros, tmp_path / "a.svg")
    assert not re.search(r"^-0|^0\.0", svg_text(tmp_path / "a.svg"), re.MULTILINE)
