"""The usual slips of a back-of-the-envelope estimate, told from how far a result is off. Knows factors, not systems."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import combinations

from tools.arithmetic import Quantity
from tools.measures import BYTE, DAY, NONE, SECOND, TIME, describe
from tools.working import Equation, Side, numbers_in

NEAR, FINE = 0.02, 0.003
"""Relative difference within which two figures are the same, and within which a known factor is recognised."""
MOST_ROUNDING = 0.12
DAY_S = 86_400
WRONG_DAYS = (100_000, 84_600, 8_640, 864_000, 1_440, 3_600, 24_000, 36_000)
CONVERSIONS = (8, 60, 3600, DAY_S, 24, 1440, 7, 30, 365, 12, 1000, 10**6, 10**9, 10**12, 1024, 1024**2, 1024**3, 1024**4)
"""Numbers by which a learner writes a change of units out."""
BITS_BYTES, BINARY, DAY_LENGTH = "bits and bytes", "GB and GiB", "day length"
PEAK, REPLICAS, TIME_UNIT, PREFIX, UNITS, ARITHMETIC = (
    "peak and average", "forgotten replication", "unit of time", "prefix", "units that don't fit", "arithmetic")
ONE_DAY = Quantity(DAY, TIME)
TIMES = tuple((factor, TIME_UNIT, hint) for factor, hint in (
    (60, "60 seconds a minute"), (3600, "3,600 seconds an hour"), (DAY_S, "86,400 seconds a day"), (24, "24 hours a day"),
    (365, "365 days a year"), (30, "30 days a month"), (12, "12 months a year")))
IN_BYTES = re.compile(r"\d\s*(?:[KMGTP]i?)?B\b|(?i:\bbytes?\b|\b[kmgt]i?bytes?\b)")
IN_BITS = re.compile(r"\d\s*[KMGTP]?(?:bit|bps|b)\b|(?i:\bbits?\b)")
IN_BINARY = re.compile(r"[KMGTP]iB|\b1024\b|2\s*(?:\^|\*\*)\s*[1-5]0\b")
DIVIDED = re.compile(r"(?i)(?:/|÷|\bper|\bby|\bover)\s*\(?\s*[\d.,ekM^*×x ]*$")
BY_DAY = re.compile(r"(?i)\bda(?:y|ily|u)s?\b")
LONGER = re.compile(r"(?i)(?:/|\bper|\ban?|\beach)\s*(?:min(?:ute)?|h|hr|hour|day|month|year)\b|\b(?:hour|dai|month|year)ly\b")
PERIOD = re.compile(r"(?i)\b(?P<day>(?:day|week|month|year)s?|(?:dai|week|month|year)ly|DAU)\b"
                    r"|(?:/|\b(?:per|an?))\s*(?:h|hr|hour|min|minute)\b|\bhourly\b")
BY_SECOND = re.compile(r"(?i)\b(?:[rqt]ps)\b|per sec|/\s*s\b|a second|[KMGT]bps\b")


@dataclass(frozen=True)
class Slip:
    """What went wrong, and the factor by which the result is too large; 1 where there is none, as between sorts of units."""

    kind: str
    factor: float
    hint: str


def slip_in(step: Equation, known: Collection[float] = ()) -> Slip | None:
    """Why the right side isn't what the left side gives, within what a learner may round; None when it is.

    A bare number counts what the lines before it speak of (bytes or bits) or what the result is given in. `known` are wrong
    results of earlier steps, which aren't blamed again.
    """
    whole = _slip(step, known)
    if whole is None or step.begun is step.right:
        return whole
    begun = _slip(replace(step, right=step.begun), known)
    return begun if begun is None or step.goes_on else whole


def _slip(step: Equation, known: Collection[float]) -> Slip | None:
    ratio = _ratio(step)
    if ratio is None:
        left, right = describe(step.left.quantity.dimensions), describe(step.right.quantity.dimensions)
        return Slip(UNITS, 1.0, f"the left side is {left}, the result {right}")
    if not 0 < ratio < math.inf:
        return Slip(ARITHMETIC, 1.0, "the left side doesn't give this")
    if (day := _wrong_day(step, ratio, known)) is not None:
        return day
    if abs(ratio - 1) <= NEAR and not (IN_BINARY.search(step.left.text) and _binary(ratio, tight=True)) or _written_out(step, ratio, known):
        return None
    both = f"{step.left.text} {step.left.tidy} {step.right.text}"
    data, time = bool(_dimensions(step)[1] or IN_BYTES.search(both) or IN_BITS.search(both)), bool(_dimensions(step)[0])
    if data and IN_BINARY.search(both) and (power := _binary(ratio)):
        return _binary_slip(ratio, power)
    rounding = _rounding(step.right.text)
    if abs(ratio - 1) <= rounding or _rounded_up(step, ratio):
        return None
    if data and (power := _binary(ratio)):
        return _binary_slip(ratio, power)
    return _by_factor(ratio, data, time, max(NEAR / 4, rounding))


def _by_factor(ratio: float, data: bool, time: bool, within: float) -> Slip:
    """The known factor that is nearest."""
    above = max(ratio, 1 / ratio)
    power = round(math.log10(above))
    usual: list[tuple[float, str, str]] = [(8, BITS_BYTES, "a byte has 8 bits")] if data else []
    usual += TIMES if time else ()
    if power:
        size = f"it is {10**power:,} times too {'large' if ratio > 1 else 'small'}"
        usual.append((10.0**power, ARITHMETIC if power % 3 else PREFIX, size))
    factor, kind, hint = min(usual, key=lambda each: _distance(above / each[0]), default=(0.0, "", ""))
    if factor and _near(above, factor, within):
        return Slip(kind, ratio, hint)
    return Slip(ARITHMETIC, ratio, "the left side doesn't give this")


def _ratio(step: Equation) -> float | None:
    """Result over what the left side gives; None when their units can't be brought together."""
    left, right = step.left.quantity, step.right.quantity
    if not left.number:
        return math.inf if right.number else 1.0
    if left.dimensions == right.dimensions:
        return float(right.number / left.number)
    if right.dimensions == NONE:
        return float(min((right.number / (left.number / unit) for unit in _bases(left, step)), key=_distance))
    if left.dimensions == NONE:
        # "20 GB a day; 20 * 365 = 7,300 GB": the number goes on in the unit that it had.
        units = [*_bases(right, step), step.right.unit.number, right.number / (step.right.timeless.number or 1)]
        return float(min((right.number / (left.number * unit) for unit in units), key=_distance))
    if step.right.timeless.dimensions == left.dimensions:
        return float(step.right.timeless.number / left.number)
    timeless, bald = step.left.timeless, step.left.bald
    if timeless.dimensions == NONE:
        # "7 days * 24 h = 168 h": hours of each day.
        units = [*_bases(right, step), *([step.right.unit.number] if right.dimensions == TIME else [])]
        loose = min((right.number / (timeless.number * unit) for unit in units), key=_distance)
        return float(loose) if _distance(loose) < math.log(1 + NEAR) else None
    if bald.dimensions == right.dimensions and bald.number:
        # "$0.02 * 500 GB = $10": a price is for one.
        return float(right.number / bald.number)
    return float(right.number / timeless.number) if timeless.dimensions == right.dimensions else None


def _bases(side: Quantity, step: Equation) -> list[float]:
    """What a bare number may count, in base units: bytes or bits, seconds, things a second."""
    time, data, money, work = side.dimensions
    if money or work:
        return [1.0]
    told = step.before
    eight = any(number == 8 for number in step.left.bare)
    bytes_told, bits_told = bool(IN_BYTES.search(told)), bool(IN_BITS.search(told)) or eight
    per_item = [float(BYTE)] if bytes_told and not bits_told else [1.0] if bits_told and not bytes_told else []
    per_item = per_item or ([1.0] if IN_BITS.search(step.right.text) else [float(BYTE)])
    return [each**data * float(SECOND) ** time for each in per_item]


def _wrong_day(step: Equation, ratio: float, known: Collection[float]) -> Slip | None:
    """A number for the seconds of a day that isn't 86,400: told as such, or in a step from a day to a second or back."""
    left, right = step.left, step.right
    days = [day for day in WRONG_DAYS if day not in known]
    if left.quantity == ONE_DAY and right.quantity.dimensions == TIME and right.quantity.number / SECOND in days:
        return Slip(DAY_LENGTH, ratio, f"a day has 86,400 seconds, not {right.quantity.number / SECOND:,.0f}")
    given = right.text + " " + step.label
    times = next((day for day in days if day in left.bare and _near(ratio * DAY_S, 1)), 0)
    if times and BY_DAY.search(given):
        return Slip(DAY_LENGTH, times / DAY_S, f"a day has 86,400 seconds, not {times:,}")
    by_second = _dimensions(step)[0] < 0 and not LONGER.search(given) or BY_SECOND.search(given)
    period = next(iter(reversed(list(PERIOD.finditer(step.before)))), None)
    if not (by_second and period and period["day"]):
        return None
    off = _near(ratio, DAY_S / 100_000, FINE) and bool(re.search(r"(?i)/\s*day", left.text))
    used = next((day for day in days if day in left.bare and _divides(left, day)), 100_000 if off and 100_000 in days else 0)
    with_hours = any(number == 24 for number in left.bare)
    minutes = with_hours and left.bare.count(60) == 1 and not {3_600, DAY_S} & set(left.bare)
    if minutes and (_divides(left, 24) or _divides(left, 60)):
        return Slip(DAY_LENGTH, 60.0, "24 * 60 is the minutes of a day; it has 86,400 seconds")
    if not used or with_hours and used in (3_600, 1_440):
        return None
    return Slip(DAY_LENGTH, DAY_S / used, f"a day has 86,400 seconds, not {used:,}")


def _divides(side: Side, number: float) -> bool:
    return any(value == number and DIVIDED.search(side.text[:end]) for value, end in numbers_in(side.text))


def _written_out(step: Equation, ratio: float, known: Collection[float]) -> bool:
    """Whether the left side holds numbers that change the unit, so that it gives the result after all. A day of another length
    that was blamed before is one."""
    if any(day in step.left.bare for day in WRONG_DAYS if day in known) and (_near(ratio, DAY_S) or _near(ratio, 1 / DAY_S)):
        return True
    within = max(NEAR, _rounding(step.right.text))
    written = [number for number in step.left.bare if number in CONVERSIONS][:6]
    for many in range(1, len(written) + 1):
        for chosen in combinations(written, many):
            product = math.prod(chosen)
            if _near(ratio, product, within) or _near(ratio, 1 / product, within):
                return True
    return False


def _dimensions(step: Equation) -> tuple[int, int, int, int]:
    right = step.right.quantity.dimensions
    return right if right != NONE else step.left.quantity.dimensions


def _binary(ratio: float, tight: bool = False) -> int:
    """The power of 1.024 that a factor is, 0 when it is none."""
    power = round(math.log(ratio) / math.log(1.024)) if ratio > 0 else 0
    return power if 1 <= abs(power) <= 5 and _near(ratio, 1.024**power, 1e-4 if tight else FINE) else 0


def _rounded_up(step: Equation, ratio: float) -> bool:
    """4.4 machines are 5 machines."""
    left, right = step.left.quantity, step.right.quantity
    return left.dimensions == right.dimensions == NONE and ratio > 1 and right.number == math.ceil(left.number)


def _binary_slip(ratio: float, power: int) -> Slip:
    letter = "KMGTP"[abs(power) - 1]
    return Slip(BINARY, ratio, f"1 {letter}iB is {1.024 ** abs(power):.4g} {letter}B")


def _rounding(text: str) -> float:
    """Half a unit of the last digit that was written, as a share of the number, within reason.

    >>> _rounding("1,100 rps"), _rounding("960")
    (0.045454545454545456, 0.0052083333333333...)
    """
    found = re.search(r"\d[\d,]*(?:\.\d+)?", text)
    digits = found[0].replace(",", "") if found else "1"
    whole, point, fraction = digits.partition(".")
    zeros = len(whole) - len(whole.rstrip("0")) if not point else -len(fraction)
    value = float(digits)
    return min(MOST_ROUNDING, 0.5 * 10.0**zeros / value) if value else MOST_ROUNDING


def _near(value: float, wanted: float, within: float = NEAR / 4) -> bool:
    return abs(value - wanted) <= within * abs(wanted)


def _distance(ratio: float) -> float:
    return abs(math.log(ratio)) if ratio > 0 else math.inf
