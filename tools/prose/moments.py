"""Points in time as people write them: "4 March 08:00", "the 5th at 2 pm", "12:00 on Mon, Tue and Wed". Knows nothing of their use."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_BEFORE = (0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335)
"""Days of a leap year before each month."""
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTH = (r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
          r"|nov(?:ember)?|dec(?:ember)?)\b")
_WEEKDAY = r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|mon|tues?|wed|thu(?:rs?)?|fri|sat|sun)\b"
_ORDINAL = r"\d{1,2}(?:st|nd|rd|th)\b"
_DAY = (rf"(?:\bday\s+\d{{1,5}}|(?:\bthe\s+)?{_ORDINAL}\s+(?:of\s+)?{_MONTH}|\b\d{{1,2}}\s+{_MONTH}|\b{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?"
        rf"|(?:\bthe\s+)?\b{_ORDINAL}|{_WEEKDAY})")
_HALF = r"\s?(?:[ap]\.m\.|[ap]m\b)"
_CLOCK = rf"(?:\b\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:\.\d{{1,3}})?)?(?:{_HALF})?(?![\d:])|\b\d{{1,2}}{_HALF}|\bnoon\b|\bmidnight\b)"
_DATED = r"\b(?:\d{4}-\d\d-\d\d(?:[T ]\d\d(?::\d\d)*)?|\d{1,3}T\d\d(?::\d\d)*)Z?"
_ROW = rf"{_DAY}(?:\s*(?:,\s*(?:and\s+)?|and\s+|to\s+|-|–|through\s+|until\s+){_DAY})*"
_MOMENT = re.compile(
    rf"(?i)(?P<dated>{_DATED})"
    rf"|(?P<at>{_CLOCK})\s*(?:,\s*)?(?:on\s+|(?:every|each)\s+(?:day|weekday|working\s+day)\s*,?\s*(?:from\s+)?|daily\s+(?:from\s+)?)"
    rf"(?P<days>{_ROW})(?!\s*,?\s*(?:at\s+)?{_CLOCK})"
    rf"|(?P<several>{_DAY}(?:\s*,\s*(?:and\s+)?|\s+and\s+){_ROW})\s*,?\s*(?:each\s+)?at\s+(?P<their>{_CLOCK})"
    rf"|(?P<day>{_DAY})\s*,?\s+(?:at\s+)?(?P<clock>{_CLOCK})"
    rf"|(?P<only>{_CLOCK})")
_RANGE = re.compile(rf"(?i)(?P<first>{_DAY})\s*(?:to|-|–|through|until)\s*(?P<last>{_DAY})")
_READ = re.compile(rf"(?i)(?:(?P<day>{_DAY})\s*,?\s+(?:at\s+)?)?(?P<clock>{_CLOCK})|(?P<alone>{_DAY})")


@dataclass(frozen=True, slots=True)
class Moments:
    """One or several points in time that a piece of text names, each as `read_moment` takes it."""

    names: tuple[str, ...]
    start: int
    end: int


def find_moments(text: str) -> list[Moments]:
    """All of a text, in order.

    >>> [found.names for found in find_moments("14 at 4 March 08:00, then at noon on Mon and Tue")]
    [('4 March 08:00',), ('Mon noon', 'Tue noon')]
    """
    return [Moments(_names(match), *match.span()) for match in _MOMENT.finditer(text)]


def read_moment(text: str) -> tuple[str, int, int] | None:
    """(kind of day or "", number of the day from 1, milliseconds in it); None when it isn't a point in time.

    >>> read_moment("Tue 2:30 pm"), read_moment("1 February")
    (('weekdays', 2, 52200000), ('days of a year', 32, 0))
    """
    found = _READ.fullmatch(text.strip())
    if found is None:
        return None
    kind, number = _day(found["day"] or found["alone"] or "")
    at = _milliseconds(found["clock"]) if found["clock"] else 0
    return None if at is None or number < 0 else (kind, number, at)


def _names(match: re.Match[str]) -> tuple[str, ...]:
    if match["dated"]:
        return (match["dated"],)
    if match["only"]:
        return (match["only"],)
    clock = " ".join((match["at"] or match["their"] or match["clock"]).split())
    return tuple(f"{' '.join(day.split())} {clock}" for day in _days(match["days"] or match["several"] or match["day"]))


def _days(text: str) -> list[str]:
    """The days of "Mon, Tue and Thu" or of "mon to fri"; a range of other days than the week's has only its ends."""
    found = _RANGE.fullmatch(text.strip())
    (kind, first), (_, last) = (_day(found["first"]), _day(found["last"])) if found else (("", 0), ("", 0))
    if found is not None and kind == "weekdays" and first < last:
        return [name.capitalize() for name in _WEEK[first - 1: last]]
    if found is not None and kind == "days" and 0 < last - first < 60:
        return [f"day {number}" for number in range(first, last + 1)]
    return re.findall(rf"(?i){_DAY}", text)


def _day(text: str) -> tuple[str, int]:
    lower = text.lower()
    digits = re.search(r"\d+", lower)
    month = next((at for at, name in enumerate(_MONTHS) if re.search(rf"\b{name}", lower)), None)
    if month is not None and digits:
        return "days of a year", _BEFORE[month] + int(digits[0]) if 1 <= int(digits[0]) <= 31 else -1
    if digits:
        return "days", int(digits[0])
    return ("weekdays", _WEEK.index(lower[:3]) + 1) if lower[:3] in _WEEK else ("", 0)


def _milliseconds(clock: str) -> int | None:
    """None for a time that no day has."""
    lower = clock.lower()
    if lower in ("noon", "midnight"):
        return 43_200_000 if lower == "noon" else 0
    parts = [float(part) for part in re.findall(r"\d+(?:\.\d+)?", lower)]
    hours, minutes, seconds = (*parts, 0.0, 0.0)[:3]
    half = re.search(r"([ap])\.?m", lower)
    if half is not None and not 1 <= hours <= 12:
        return None
    hours = hours % 12 + 12 * (half[1] == "p") if half is not None else hours
    if hours > 24 or minutes > 59 or seconds >= 60:
        return None
    return round(((hours * 60 + minutes) * 60 + seconds) * 1_000)
