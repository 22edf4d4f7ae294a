"""Points in time as learners write them ("01T12", "2026-01-02 12:00", hours), read as whole milliseconds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from tools.base import ToolError
from tools.prose.moments import read_moment

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MAX_TIMES = 4_000

_CLOCK = r"(\d{1,2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?)?"
_DATE = re.compile(rf"(\d{{4}})-(\d{{2}})-(\d{{2}})(?:[T ]{_CLOCK})?(?:Z|\+00:?00)?")
_DAY = re.compile(rf"(\d{{1,5}})T{_CLOCK}Z?")
_HOURS = re.compile(r"-?\d+(?:\.\d+)?h?")


def read_times(given: Iterable[str | float]) -> list[int]:
    """Milliseconds of each: a number is hours, "02T18:30", "day 2 18:30" and "the 2nd at 6:30 pm" are 18:30 on day 2, "18:30"
    alone on day 1, Monday is the first day of its week, "4 March" a day of a leap year, a date is UTC. Days begin at
    multiples of 24 h. Raises ToolError when one can't be read or when kinds are
    mixed, for then they can't be compared."""
    read = [_read(each) for each in given]
    if len(read) > MAX_TIMES:
        raise ToolError(f"{len(read)} times are too many; give at most {MAX_TIMES}.")
    kinds = {kind for kind, _ in read}
    if len(kinds) > 1:
        raise ToolError(f"times: {' and '.join(sorted(kinds))} are mixed; write all of them one way, such as 01T12.")
    return [at for _, at in read]


def as_text(at_ms: int, dated: bool) -> str:
    """The time as "02T18", with minutes and seconds only if there are any, or as an ISO date."""
    days, rest = divmod(at_ms, DAY_MS)
    hours, rest = divmod(rest, HOUR_MS)
    minutes, rest = divmod(rest, 60_000)
    clock = f"T{hours:02d}" + (f":{minutes:02d}" if minutes or rest or dated else "") + (
        f":{rest / 1000:06.3f}".rstrip("0").rstrip(".") if rest else "")
    return (date.fromordinal(days + date(1970, 1, 1).toordinal()).isoformat() if dated else f"{days + 1:02d}") + clock


def _read(given: str | float) -> tuple[str, int]:
    if not isinstance(given, str):
        return "hours", round(given * HOUR_MS)
    text = given.strip()
    if found := _DATE.fullmatch(text):
        try:
            day = date(int(found[1]), int(found[2]), int(found[3])).toordinal() - date(1970, 1, 1).toordinal()
        except ValueError:
            raise ToolError(f"times: {text!r} isn't a date of the calendar.") from None
        return "dates", day * DAY_MS + _clock(text, found, 4)
    if found := _DAY.fullmatch(text):
        return "days", (int(found[1]) - 1) * DAY_MS + _clock(text, found, 2)
    if moment := read_moment(text):
        kind, day, at = moment
        return kind or "times of one day", (day - 1 if kind else 0) * DAY_MS + at
    if re.fullmatch(r"\d{1,2}:\d{2}(?::\d{2})?", text):
        raise ToolError(f"times: {text!r} isn't a time of the day.")
    if _HOURS.fullmatch(text):
        return "hours", round(float(text.rstrip("h")) * HOUR_MS)
    raise ToolError(f"times: can't read {text[:40]!r}; write 01T12 (day 1, 12 h), 14:30, 2026-01-02T12:00 or a number of "
                    "hours.")


def _clock(text: str, found: re.Match[str], first: int) -> int:
    hours, minutes, seconds = (int(found[first + n] or 0) for n in range(3))
    if hours > 24 or minutes > 59 or seconds > 59:
        raise ToolError(f"times: {text!r} isn't a time of the day.")
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + int((found[first + 3] or "0").ljust(3, "0"))
