"""The calculator for expressions: right where Python is, in units, and unmoved by hostile input."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.arithmetic import LONGEST, evaluate
from tools.base import ToolError
from tools.calculators.calculate import calculate


@pytest.mark.parametrize(("expression", "value", "unit"), [
    ("12M * 8 / day", 12e6 * 8 / 86_400, "1/s"),
    ("2 TB / 10 Gbps in s", 1600, "s"),
    ("2 TB / 10 Gbps in min", 1600 / 60, "min"),
    ("12M users * 8 requests / day in rps", 12e6 * 8 / 86_400, "rps"),
    ("12M requests per day to rps", 12e6 / 86_400, "rps"),
    ("3 * 500 GB", 1500, "GB"),
    ("2 h + 30 min in min", 150, "min"),
    ("2 h + 30 min", 9000, "s"),
    ("1 PiB in PB", 1.125899906842624, "PB"),
    ("4 KiB + 1 B", 4097, "bytes"),
    ("100 Mbit * 2 + 8 bit", 200_000_008, "bit"),
    ("10 GB/s in Gbps", 80, "Gbps"),
    ("175B * 2 B in GB", 350, "GB"),
    ("(3 + 4) TB / 2", 3.5, "TB"),
    ("8 / 2 TB in 1/TB", 4, "1/TB"),
    ("sqrt(4 s * 9 s)", 6, "s"),
    ("max(2 min, 90 s) in s", 120, "s"),
    ("ceil(2.5 TB / 1 TB)", 3, ""),
    ("7 TB // 2 TB", 3, ""), ("7 TB % 2 TB", 1, "TB"),
    ("$2/h * 1,024", 2048, "USD/h"),
    ("3.14e23 FLOP / (1024 * 140 TFLOPS) in day", 25.35058, "day"),
    ("99.9% ** 5", 0.999**5, ""), ("20% of 500", 100, ""), ("1/8 in %", 12.5, "%"),
    ("1,000,000 + max(1,000)", 1_000_001, ""),
    ("10 % -3", -2, ""), ("2^10", 1024, ""), ("-2**2", -4, ""), ("3 x 4", 12, ""), ("1.5k", 1500, ""),
    ("50 ms + 20 µs in us", 50_020, "us"),
])
def test_expressions_and_units(expression: str, value: float, unit: str) -> None:
    found = evaluate(expression)
    assert found.value == pytest.approx(value, rel=1e-6) and found.unit == unit


def test_the_tool_gives_result_unit_and_words() -> None:
    run = calculate.run({"expression": " 2 TB / 10 Gbps in s "})
    assert run.values == {"result": 1600.0, "unit": "s"} and run.units == {"result": "s"}
    assert run.summary == "2 TB / 10 Gbps in s = 1,600 s."
    assert calculate.run({"expression": "12M/day"}).summary.endswith("= 138.889 per s.")


@pytest.mark.parametrize(("expression", "says"), [
    ("2 TB + 3 s", "can't add time to data"), ("2 s - 1", "can't take a plain number from time"), ("5 GB in s", "data, the other time"),
    ("5 in 3", "needs a unit"), ("2 ** (1 s)", "plain number as an exponent"), ("(2 s) ** 0.5", "time"), ("log(5 GB)", "plain numbers"),
    ("max(1 s, 1 GB)", "one kind"), ("5 XiB", "no unit or function 'XiB'"), ("3 GBB", "did you mean GB"),
    ("1/0", "zero"), ("5 % 0", "zero"), ("0 ** -1", "zero"), ("sqrt(-1)", "no value"), ("(-8) ** 0.5", "broken exponent"),
    ("log(0)", "no value"), ("log(1, 2, 3)", "takes 1 to 2"), ("", "can't read"), (" in s", "can't read"), ("1 +", "can't read"),
    ("1 2", "can't read"), ("()", "takes only"), ("1e999", "too large"), ("10**299 * 10**299", "beyond"), ("exp(1e6)", "no value"),
    ("(10**290) ** 90000", "300 digits"),
])
def test_what_has_no_value_is_explained(expression: str, says: str) -> None:
    with pytest.raises(ToolError) as refused:
        evaluate(expression)
    assert says in str(refused.value) and "\n" not in str(refused.value) and len(str(refused.value)) < 250


@pytest.mark.parametrize("expression", [
    "9**9**9", "9**9**9**9", "(9**99)**(9**9)", "2**10000", "10**-10**9", "1e300*1e300", "9" * 1000, "1e" + "9" * 900, "exp(exp(exp(9)))",
    "__import__('os').system('true')", "().__class__.__bases__", "open('x')", "eval(1)", "exec(1)", "a.b", "s.real", "(1).real", "[1]*9**9",
    "{1:2}", "lambda: 0", "1 if 1 else 2", "x := 1", "f'{1}'", "1j", "True", "None", "'a'*99", "1 < 2", "~1", "1 << 99", "1 @ 2", "*1",
    "max(*1)", "max(a=1)", "sqrt(x=4)", "_s", "_GB * 2", "sqrt", "sqrt.x", "sqrt(sqrt)",
    "round(1, 10**400)", "0x10", "1__1.__2", "\x00", "1;2",
    "1\n2", "#", "1 # 2", "\\", "(" * 500 + "1" + ")" * 500, "-" * 999 + "1", "1+" * 499 + "1", "+".join(["1 s"] * 160), "²", "π", "🙂",
    "sqrt(" * 199 + "1" + ")" * 199, "1" + "%" * 900, "max(" + "1," * 400 + "1)", "in in in", "1 in in s",
])
def test_hostile_text_ends_in_a_sentence(expression: str) -> None:
    with pytest.raises(ToolError) as refused:
        evaluate(expression)
    assert len(str(refused.value)) < 250 and "\n" not in str(refused.value).replace("\\n", "")


def test_an_expression_of_ten_megabytes_is_not_read() -> None:
    for text in ("1+" * 5_000_000 + "1", "(" * 10_000_000, " in " * 2_500_000):
        with pytest.raises(ToolError, match=f"at most {LONGEST:,} characters"):
            evaluate(text)
        with pytest.raises(ToolError, match="calculate: expression"):
            calculate.run({"expression": text})


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet="0123456789.,+-*/%^()$ eEkMGBbsTinto_'[]pxhdaysqrtlog", max_size=60) | st.text(max_size=40))
def test_any_text_gives_a_finite_number_or_a_sentence(text: str) -> None:
    try:
        found = evaluate(text)
    except ToolError as refused:
        assert str(refused)
    else:
        assert math.isfinite(found.value)


numbers = st.integers(0, 10**6).map(str) | st.floats(1e-3, 1e6).map(repr)
SAFE: dict[str, Any] = {name: getattr(math, name) for name in ("sqrt", "log", "log2", "log10", "exp", "ceil", "floor")}
SAFE |= {"round": round, "min": min, "max": max, "abs": abs}


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), inner).map(" ".join),
        inner.map("({})".format), inner.map("-{}".format),
        st.tuples(st.sampled_from(sorted(SAFE)), inner).filter(lambda each: each[0] not in ("min", "max")).map(lambda e: f"{e[0]}({e[1]})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda e: f"{e[0]}({e[1]}, {e[2]})"))


@settings(max_examples=400, deadline=None)
@given(st.recursive(numbers, larger, max_leaves=8))
def test_it_agrees_with_python(expression: str) -> None:
    try:
        found = evaluate(expression).value
    except ToolError as refused:
        assert any(why in str(refused) for why in ("zero", "digits", "beyond", "broken", "no value", "negative", "no part"))
        return
    expected = eval(expression, {"__builtins__": {}}, SAFE)
    assert found == expected and type(found) is type(expected)


TIMES = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "day": 86_400}
SIZES = {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@given(st.floats(1e-6, 1e6), st.sampled_from([TIMES, SIZES]), st.data())
def test_there_and_back_is_the_same_quantity(number: float, units: dict[str, float], data: st.DataObject) -> None:
    one, other = data.draw(st.sampled_from(sorted(units))), data.draw(st.sampled_from(sorted(units)))
    there = evaluate(f"{number!r} {one} in {other}").value
    assert there == pytest.approx(number * units[one] / units[other], rel=1e-12)
    assert evaluate(f"{there!r} {other} in {one}").value == pytest.approx(number, rel=1e-12)
