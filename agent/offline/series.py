"""Traces, lists, small tables and written-out systems in a text. Knows their shapes, not which tool takes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.offline.quantity import Quantity
from tools.prose.grids import Grid, find_grids

_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
_TIME = r"(?:\d+:)?\d+:\d+(?:\.\d+)?|\d+(?:\.\d+)?\s*(?:ms|min|s|m|h)?"
_ENTRY = rf"\d+k?\s*@\s*(?:{_TIME})(?:\s*\.\.\s*(?:{_TIME}))?(?:\s*x\s*\d+)?"
_TRACE = re.compile(rf"(?<!\d){_ENTRY}(?:\s*[,;]\s*(?:and\s+)?{_ENTRY})*")
_PIECE = rf"\d+x(?:B\()?{_NUMBER}\)?(?:\.\.{_NUMBER})?"
_STREAM = re.compile(rf"\b{_PIECE}(?:\s*(?:,|then)\s*{_PIECE})*")
_LIST = re.compile(
    rf"(?<![\w.,:@])(?:\[\s*{_NUMBER}\s*%?(?:\s*,\s*{_NUMBER}\s*%?)*\s*\]"
    rf"|{_NUMBER}%?(?:\s*,\s*{_NUMBER}%?)+,?\s+and\s+{_NUMBER}%?(?!%?\s*,\s*\d|\d)"
    rf"|{_NUMBER}%?(?:\s*,\s*{_NUMBER}%?){{2,}}"
    rf"|{_NUMBER}(?: {{1,3}}{_NUMBER}){{2,}}"
    rf"|{_NUMBER}(?:\s+and\s+|\s*,\s+){_NUMBER})(?![\w@%]|\.\d|\s*%)")
_SLASHED = re.compile(rf"(?<![\w./]){_NUMBER}%?(?:\s*/\s*{_NUMBER}%?){{2,}}(?![\w/])")
_PAIRED = re.compile(rf"({_NUMBER})\s*\((\d[\d,]*)\s*[a-z]+\)")
"""Values with what each counts for: "0.8 (500 examples), 0.6 (1500 examples)"."""
_NAMED = re.compile(rf"(?<![\w.])(?P<name>[A-Za-z]\w{{0,15}})\s?=\s?(?P<value>{_NUMBER})(?![\w%]|\.\d)")
"""One of several values of the same name: "client 1 has a = 2, c = 0 and client 2 a = 6, c = 1"."""
_HOLDER = r"(?:(?:patients|people|persons|records|rows|cases|customers)\s+)?(?:(?:with|have|has|had)\s+(?:an?\s+)?)?"
_OF_EACH = rf"\d+\s(?!and\b|or\b|to\b|of\b){_HOLDER}[A-Za-z][\w-]*"
_TALLY = re.compile(rf"(?<![\w.,:@=-]){_OF_EACH}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+){_OF_EACH})+(?![\w])")
"""How many there are of each: "6 flu, 3 cold and 1 HIV", "5 patients with flu and 3 with a cold"."""
_CELL = rf"(?:[A-Za-z][\w .-]{{0,30}}|{_NUMBER}\s?[-–]\s?{_NUMBER})\s*[:=|]\s*(?P<value>{_NUMBER})\s*%?"
_TABLE = re.compile(rf"(?<![\w.])(?:{_CELL.replace('(?P<value>', '(?:')}\s*(?:[,;|\n]\s*\|?\s*|$)){{3,}}")
_NESTED = re.compile(r"\[[\s\d.,eE+-]+\](?:(?:\s*[,;]\s*(?:and\s+)?|\s+and\s+|\s+)\[[\s\d.,eE+-]+\]){2,}")
"""Three lists and more in a row are the rows of one table, no lists of their own."""
_SMALL = dict(zip("two three four five six seven eight nine ten twelve twenty".split(), (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 20), strict=True))
_MANY = rf"(?P<many>\d{{1,3}}|{'|'.join(_SMALL)})"
_ALIKE = re.compile(
    rf"(?i)\b(?:{_MANY}\s+(?:[a-z-]+\s+){{1,3}}?each|each\s+of\s+(?:the|its|our)\s+{_MANY.replace('many', 'of')}\s+(?:[a-z-]+\s+){{1,3}}?)"
    rf"\s*(?:held|holds?|had|have|has|with|at|contain(?:ed|s)?|covered|got)?\s*(?:about\s+)?(?P<share>{_NUMBER})\s*%")
"""Equal shares told once: "the four bands each held 25%"."""
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?!\s*,?\s*\d{1,2}\b)")
_CALL = re.compile(r"\b\w+\(")
_NOUN_BEFORE = re.compile(r"(?i)([a-z][a-z -]{1,40}?)\s*(?:,?\s*(?:each|which|that|is|are|has|have|with|of|at|up"
                          r"|available|running|a|an|an availability))*[\s:(]*$")
_LEAD = re.compile(r"(?i)^.*\b(?:a|an|the|then|comes|fronts|calls|and|plus|of|behind|by|through|to|our|my|one|with)\s+")
_ONE_ENOUGH = re.compile(r"(?i)\bone (?:of (?:them|which) )?(?:is enough|suffices|must|has to|can)|\bredundan|\breplica"
                         r"|\b(?:in parallel|either|standby|any one)\b")
_CHAINED = re.compile(r"(?i)\b(?:then|fronts|fronted|in front of|behind|followed by|passes|in series|chain|goes through"
                      r"|depends?|calls?|overall|whole|end to end)\b")
_AT = re.compile(r"(?i)(?:\s+[a-z]+){0,4}\s+(?:at|in)\s+(?:(?P<named>(?:the\s+)?(?:second|minute)|time|t\s*=)\s*)?")
_COME = re.compile(r"(?i)[\s,:]+(?:there are |come |arrive |another )?")
_HITS = re.compile(
    rf"(?i)(?:(?P<count>\d+)\s+)?\b(?:hits?|requests?|calls?|arrivals?|attempts?)\s+(?:(?:arrive|come|land|are)\s+)?at\s+(?:t\s*=\s*)?"
    rf"(?P<times>{_NUMBER}(?:\s*(?:ms|s))?(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+){_NUMBER}(?:\s*(?:ms|s))?){{2,}})\s*(?P<unit>ms|s|secs?|seconds?|min|minutes?)?\b(?![:@])(?!\.\d)")
"""Single requests at a row of times: "hits at 1, 2, 3.5 and 4 s"."""
_AT_ONCE = re.compile(
    r"(?i)(?P<count>\d+)\s+(?:\w+\s+){0,4}?(?:at|in)\s+(?:the\s+(?:very\s+)?same\s+(?:instant|moment|time)|one\s+(?:instant|go))\b")
MOST_CALLS = 8
_AVAILABLE = re.compile(r"(?i)\bavailab|\buptime\b|\bis up\b|\bdowntime\b")


@dataclass(frozen=True, slots=True)
class NumberList:
    """Numbers that belong together: a list, the value column of a table, the counts of a histogram. A `pair` ("1 and
    10") is a list only if something calls it one. `spots` says where the numbers start if others stand between them,
    which are all called `name`."""

    values: tuple[float, ...]
    start: int
    end: int
    labels: tuple[str, ...] = ()
    pair: bool = False
    name: str = ""
    spots: tuple[int, ...] = ()

    def holds(self, at: int) -> bool:
        """Whether the number that starts there is one of these."""
        return at in self.spots if self.spots else self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Written:
    """Text in a tool's notation, found so (`kind` trace, stream, call) or put together from a description (system)."""

    text: str
    kind: str
    start: int
    end: int


def read_lists(text: str) -> list[NumberList]:
    """Lists and tables of a text, in order.

    >>> [found.values for found in read_lists("reference 10, 20, 30 against [20, 20, 20]")]
    [(10.0, 20.0, 30.0), (20.0, 20.0, 20.0)]
    >>> read_lists("0-10: 5, 10-20: 8, 20-30: 2")[0].labels
    ('0-10', '10-20', '20-30')
    """
    found = [column for grid in find_grids(text) for column in _columns(text, grid)]
    for table in () if found else _TABLE.finditer(text):
        cells = list(re.finditer(_CELL, table[0]))
        labels = tuple(re.split(r"\s*[:=|]\s*", cell[0])[0].strip() for cell in cells)
        found.append(NumberList(tuple(float(cell["value"]) for cell in cells), table.start(), table.end(), labels))
    paired = list(_PAIRED.finditer(text))
    if len(paired) >= 2:
        # Two columns; the second one lies where the first one's last number ends, so that both have a place.
        found.append(NumberList(tuple(float(each[1]) for each in paired), paired[0].start(), paired[-1].start(2)))
        found.append(NumberList(tuple(float(each[2].replace(",", "")) for each in paired), paired[-1].start(2), paired[-1].end()))
    found += _repeated(text)
    nested = [match.span() for match in _NESTED.finditer(text)]
    for match in [*_SLASHED.finditer(text), *_LIST.finditer(text)]:
        if any(other.start < match.end() and match.start() < other.end for other in found):
            continue
        if any(start <= match.start() < end for start, end in nested):
            continue
        if "[" not in match[0] and _THOUSANDS.fullmatch(match[0].strip()):
            continue
        cells_of_list = re.findall(rf"({_NUMBER})\s*(%?)", match[0])
        numbers = tuple(float(part) / (100 if percent else 1) for part, percent in cells_of_list)
        pair = len(numbers) == 2 and "[" not in match[0]
        found.append(NumberList(numbers, match.start(), match.end(), pair=pair))
    return sorted(found, key=lambda each: each.start)


def _columns(text: str, grid: Grid) -> list[NumberList]:
    """The columns of numbers of a table that has several, each called by its header; the rows' names go with the first."""
    wanted = [at for at in range(1, len(grid.header)) if all(re.fullmatch(rf"{_NUMBER}\s*%?", row[at]) for row in grid.rows)]
    if len(wanted) < 2:
        return []
    places: dict[int, list[int]] = {}
    place = grid.header_end
    for row in grid.rows:
        for at, cell in enumerate(row):
            place = text.index(cell, place)
            places.setdefault(at, []).extend(place + number.start() for number in re.finditer(r"\d+(?:\.\d+)?", cell))
            place += len(cell)
    found, head = [], grid.start
    for at in wanted:
        head = text.index(grid.header[at], head) + len(grid.header[at])
        values = tuple(float(re.match(_NUMBER, row[at])[0]) for row in grid.rows)  # type: ignore[index]
        found.append(NumberList(values, head, head, spots=(*places[at], *(places[0] if at == wanted[0] else ()))))
    return found


def _repeated(text: str) -> list[NumberList]:
    """Values that stand apart: each "a = …" of "client 1 has a = 2, c = 0 and client 2 a = 6, c = 1", and
    how many there are of each: "6 flu, 3 cold and 1 HIV"."""
    named: dict[str, list[re.Match[str]]] = {}
    for match in _NAMED.finditer(text):
        named.setdefault(match["name"], []).append(match)
    found = [NumberList(tuple(float(each["value"]) for each in same), same[0].start("value"), same[0].end("value"), name=name,
                        spots=tuple(each.start("value") for each in same))
             for name, same in named.items() if len(same) > 1]
    for match in _ALIKE.finditer(text):
        word = (match["many"] or match["of"]).lower()
        many, share = _SMALL.get(word) or int(word), float(match["share"]) / 100
        if abs(many * share - 1) < 0.02:
            found.append(NumberList((share,) * many, match.start(), match.end()))
    for match in _TALLY.finditer(text):
        counts = tuple(float(part) for part in re.findall(r"(?<![\w.-])\d+(?= )", match[0]))
        found.append(NumberList(counts, match.start(), match.end(), pair=len(counts) == 2))
    return found


def read_written(text: str, quantities: Sequence[Quantity]) -> list[Written]:
    """Traces ("100@59s,100@61s", or "100 requests at 0:59 and 100 at 1:01"), streams ("1000x0 then 1000x1") and calls
    ("series(a:99%, b:99%)")."""
    found = [Written(match[0].replace(" and ", " "), "trace", match.start(), match.end())
             for match in _TRACE.finditer(text)]
    found += [Written(match[0], "stream", match.start(), match.end()) for match in _STREAM.finditer(text)]
    found += _calls(text)
    if not any(each.kind == "trace" for each in found) and (told := _told(text, quantities)) is not None:
        found.append(told)
    if not any(each.kind == "call" for each in found) and (system := _described(text, quantities)) is not None:
        found.append(system)
    return found


def _calls(text: str) -> list[Written]:
    """Names with balanced round brackets; the first ones only, as each is followed to its end."""
    found: list[Written] = []
    at = 0
    for _ in range(MOST_CALLS):
        match = _CALL.search(text, at)
        if match is None:
            break
        depth, at = 0, match.end()
        for end in range(match.end() - 1, len(text)):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            if depth == 0:
                found.append(Written(text[match.start(): end + 1], "call", match.start(), end + 1))
                at = end + 1
                break
    return found


def _told(text: str, quantities: Sequence[Quantity]) -> Written | None:
    """Counts with a point in time after or before each: "60 requests arrive at 0:59 and 60 more at 1:02", single requests,
    or a lone burst."""
    if (hits := _HITS.search(text)) is not None:
        return _single(hits)
    entries: list[tuple[Quantity, Quantity]] = []
    for count, time in zip(quantities, quantities[1:], strict=False):
        between = _AT.fullmatch(text[count.end: time.start])
        if between is not None and count.unit == "count" and (time.unit == "s" or time.unit == "count" and between["named"]):
            entries.append((count, time))
    if not entries:
        for time, count in zip(quantities, quantities[1:], strict=False):
            if (count.unit == "count" and time.original == "clock"
                    and _COME.fullmatch(text[time.end: count.start])):
                entries.append((count, time))
    if not entries or (len(entries) < 2 and entries[0][1].original != "clock"):
        burst = _AT_ONCE.search(text)
        return Written(f"{burst['count']}@0s", "trace", *burst.span()) if burst is not None and not entries else None
    start = min(min(count.start, time.start) for count, time in entries)
    end = max(max(count.end, time.end) for count, time in entries)
    told = [(count, time.value * (60 if time.unit == "count" and "minute" in text[count.end: time.start].lower() else 1))
            for count, time in entries]
    return Written(",".join(f"{count.value:.0f}@{at:g}s" for count, at in told), "trace", start, end)


def _single(hits: re.Match[str]) -> Written:
    """As many at each time as are told, if they aren't told all together."""
    times = re.findall(_NUMBER, hits["times"])
    unit = (hits["unit"] or ("ms" if "ms" in hits["times"] else "s")).lower()
    short = "ms" if unit == "ms" else "min" if unit.startswith("m") else "s"
    each = 1 if hits["count"] is None or int(hits["count"]) == len(times) else int(hits["count"])
    return Written(",".join(f"{each}@{time}{short}" for time in times), "trace", *hits.span())


def _described(text: str, quantities: Sequence[Quantity]) -> Written | None:
    """Parts with an availability each, one after the other: "a balancer with 99.99% fronts two servers of 99% each (one
    suffices), then a database with 99.95%" is series(balancer:99.99%, parallel(2 x servers:99%), database:99.95%)."""
    shares = [at for at, q in enumerate(quantities) if q.unit == "fraction" and not q.weak and q.value >= 0.5]
    if len(shares) < 2 or not _AVAILABLE.search(text) or not _CHAINED.search(text):
        return None
    parts: list[str] = []
    after = 0
    for place, at in enumerate(shares):
        share = quantities[at]
        following = quantities[shares[place + 1]].start if place + 1 < len(shares) else len(text)
        counts = [q for q in quantities[:at] if q.start >= after and q.unit == "count" and q.value in range(1, 101)]
        count = counts[-1] if counts else None
        noun = _NOUN_BEFORE.search(text[count.end if count else after: share.start])
        name = re.sub(r"[^a-z ]", "", _LEAD.sub("", noun[1].lower() if noun else "")).strip() or f"part {place + 1}"
        leaf = f"{name}:{share.value * 100:.10g}%"
        if count is not None and count.value > 1:
            if not _ONE_ENOUGH.search(text[count.start: following]):
                return None
            leaf = f"parallel({count.value:.0f} x {leaf})"
        parts.append(leaf)
        after = share.end
    if len({re.sub(r".*:", "", part) for part in parts}) < 2:
        return None
    return Written(f"series({', '.join(parts)})", "system", quantities[shares[0]].start, quantities[shares[-1]].end)
