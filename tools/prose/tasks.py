"""Graphs of tasks told in a message: lists, arrows, tables and sentences. Knows names, durations and needs, no schedule."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tools.calculators.dag_words import told_rows
from tools.prose.found import Found
from tools.prose.grids import Grid, find_grids

Row = tuple[str, float, list[str]]
"""Name of a task, its duration (minutes where units are told), and the tasks that it needs."""

_MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0}
_UNIT = r"(?:s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)\b"
_LITTLE = (r"(?!(?:after|and|or|both|each|all|needs?|depends?|"
           r"requires?|takes?|lasts?|on|in|of|with|to|for|than|then|the|an|at|is|are"
           r"|about|only|has|have|limit|within|over|under|every|per"
           r"|how|what|which|when|where|if|find|compute|give)\b"
           r"|(?-i:a)\s+(?!(?:and|or|after|needs?|takes|then|both)\b)[A-Za-z])")
"""What no task is called: "a" is a task but for where it is an article."""
_NAME = rf"{_LITTLE}[A-Za-z_][\w-]*"
_HEAD = (rf"(?P<name>{_NAME})\s*(?:[=:(]\s*|\s(?:takes|lasts|is|needs|runs(?:\s+for)?)\s+)?(?P<lasts>\d+(?:\.\d+)?)\s*(?P<unit>{_UNIT})?"
         r"(?![\w%]|\.\d)\s*\)?")
_NAMES = rf"{_NAME}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*|\s*\+\s*){_NAME})*"
_RELATION = r"(?:after|once|needs?|depend(?:s|ing)?\s+on|requires?|waits?\s+(?:for|on)|(?:starts?|runs?|comes?|follows?)\s+after|follows?)"
_NEEDS = re.compile(rf"(?i)\s*[(,]?\s*(?:(?:and|which|that)\s+)?(?P<all>both\s+|all\s+|each\s+)?(?P<verb>{_RELATION})\s+(?:both\s+|all\s+)?"
                    rf"(?P<names>{_NAMES})\b(?!\s*[=:(]?\s*\d|\s+(?:takes|lasts|needs|depends)\b)\s*\)?")
_TASK = re.compile(rf"(?i)\b{_HEAD}")
_FREE = re.compile(r"(?i)\s*[(,]?\s*(?:(?:has|needs|with)\s+(?:no|nothing)\b[^;,.\n]{0,30}|first|no\s+(?:dependenc|parent)\w*)\)?")
_BETWEEN = re.compile(r"(?i)\s*(?:[;,.\n|]\s*)?(?:[-*•]\s+)?(?P<and>(?:and|&)\s+)?(?P<then>(?:then|next|finally)\s+)?")
_ARROW = re.compile(r"\s*(?:->|→|=>)\s*")
_CHAINED = re.compile(rf"(?i)\b{_NAME}\s*(?:->|→|=>)")
_LINK = re.compile(rf"(?i){_HEAD}|\b(?P<known>{_NAME})")
_SHORT = re.compile(r"(?i)\w+\s*:\s*\d+(?:\.\d+)?(?:\s*:\s*\w+(?:\s*\+\s*\w+)*)?(?:@\w+)?"
                    r"(?:\s*[,;]\s*\w+\s*:\s*\d+(?:\.\d+)?(?:\s*:\s*\w+(?:\s*\+\s*\w+)*)?(?:@\w+)?)+")
_PARENTS = re.compile(r"(?i)\b(?:needs?|after|depend|parents?|deps?|upstream|requires?|predecessors?|waits?)")
_NOTHING = re.compile(r"(?i)[-–—]*|none|nothing|null|n/?a|\(none\)")
STARTS = 8
"""So many words that a number follows are tried as the first task."""


def find_tasks(text: str, told: str) -> Found | None:
    """The graph in the short notation, "name:duration:parent+parent, …"; `told` is the expression for sentences.

    >>> find_tasks("extract 6; clean 9 (after extract); train 25 (after clean)", "$.").text
    'extract:6, clean:9:extract, train:25:clean'
    """
    short = _SHORT.search(text)
    if short is not None and ":" in short[0].partition(":")[2]:
        return Found(short[0], (short.span(),))
    for grid in find_grids(text):
        if (rows := _grid_rows(grid)) is not None:
            return Found(_in_short(rows), ((grid.start, grid.end),))
    listed = _listed(text)
    match = max(re.finditer(told, text), key=lambda each: len(each[0]), default=None)
    sentence = told_rows(match[0]) if match is not None else None
    if listed is not None and len(listed[0]) >= len(sentence or ()):
        return Found(_in_short(listed[0]), (listed[1],))
    if match is None:
        return None
    return Found(_in_short(sentence) if sentence is not None else match[0], (match.span(),))


def read_tasks(text: str) -> list[Row] | None:
    """The rows of a text that is nothing but a graph, told in any of these ways; None where it is none of them."""
    grids = [rows for grid in find_grids(text) if (rows := _grid_rows(grid)) is not None]
    if grids:
        return grids[0]
    listed = _listed(text)
    if listed is not None and not re.search(r"\w", text[listed[1][1]:]):
        return listed[0]
    return told_rows(text)


def _in_short(rows: Sequence[Row]) -> str:
    return ", ".join(f"{name}:{lasts:.12g}" + (f":{'+'.join(needs)}" if needs else "") for name, lasts, needs in rows)


def _listed(text: str) -> tuple[list[Row], tuple[int, int]] | None:
    """The list of the most tasks, and where it stands."""
    starts = sorted([*_TASK.finditer(text), *_CHAINED.finditer(text)], key=lambda each: each.start())[:STARTS]
    found = [(rows, (match.start(), end)) for match in starts
             for rows, end in [_Listing(text).read(match.start())] if _complete(rows)]
    return max(found, key=lambda each: len(each[0]), default=None)


def _complete(rows: Sequence[Row]) -> bool:
    """Whether there are several tasks, some wait for others, and all those waited for are there."""
    names = {name for name, _, _ in rows}
    needed = [each for _, _, needs in rows for each in needs]
    return len(rows) > 1 and bool(needed) and set(needed) <= names


class _Listing:
    """A list of tasks read from its first one on: "a 3, b 4 after a; c (2) and d (1) both need b", "a(3) -> b(4)"."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lasts: dict[str, tuple[float, str]] = {}
        self.needs: dict[str, list[str]] = {}

    def read(self, at: int) -> tuple[list[Row], int]:
        """The rows and where they end; none where "then" alone says what waits for what, which is for sentences."""
        group, told_then = list[str](), list[str]()
        end, joined, then = at, False, False
        while (step := self._chain(at) or self._task(at)) is not None:
            name, at = step
            group = [*group, name] if joined else [name]
            if (related := self._related(at, group, name)) is not None:
                at, group = related, []
            told_then += [name] if then else []
            end = at
            between = _BETWEEN.match(self.text, at)
            at, joined, then = (between.end(), bool(between["and"]), bool(between["then"])) if between else (at, False, False)
        return self._rows() if all(self.needs[name] for name in told_then) else [], end

    def _task(self, at: int) -> tuple[str, int] | None:
        head = _TASK.match(self.text, at)
        if head is not None:
            self._add(head)
        return (head["name"], head.end()) if head is not None else None

    def _chain(self, at: int) -> tuple[str, int] | None:
        """ "a(3) -> b(4) -> c": each needs the one before."""
        link = _LINK.match(self.text, at)
        arrow = _ARROW.match(self.text, link.end()) if link else None
        if link is None or arrow is None:
            return None
        before = ""
        while link is not None:
            name = link["name"] or link["known"]
            if link["name"]:
                self._add(link)
            self.needs.setdefault(name, []).extend([before] if before else [])
            before, end = name, link.end()
            arrow = _ARROW.match(self.text, end)
            link = _LINK.match(self.text, arrow.end()) if arrow else None
        return before, end

    def _add(self, head: re.Match[str]) -> None:
        self.lasts[head["name"]] = (float(head["lasts"]), (head["unit"] or "")[:1].lower())
        self.needs.setdefault(head["name"], [])

    def _related(self, at: int, group: Sequence[str], name: str) -> int | None:
        """Where what follows about the needs of the last task ends, or of all in its row: "c (2) and d (1) need b"."""
        found = _NEEDS.match(self.text, at)
        if found is None:
            free = _FREE.match(self.text, at)
            return free.end() if free is not None else None
        alone = not found["all"] and re.match(r"[a-z]+s\b", found["verb"].lower())
        for each in [name] if alone else group:
            self.needs[each] += re.findall(rf"(?i)\b{_NAME}", found["names"])
        return found.end()

    def _rows(self) -> list[Row]:
        unit = next((unit for _, unit in self.lasts.values() if unit), "")
        if set(self.needs) - set(self.lasts):
            return []
        return [(name, lasts * (_MINUTES[own or unit] if own or unit else 1.0), list(dict.fromkeys(self.needs[name])))
                for name, (lasts, own) in self.lasts.items()]


def _grid_rows(grid: Grid) -> list[Row] | None:
    """A table whose header says which column holds what a task waits for; the durations are the column of numbers."""
    needs = next((at for at, name in enumerate(grid.header) if at and _PARENTS.search(name)), None)
    lasts = next((at for at in range(1, len(grid.header)) if at != needs and all(
        re.fullmatch(rf"(?i)\d+(?:\.\d+)?\s*(?:{_UNIT})?", row[at]) for row in grid.rows)), None)
    if needs is None or lasts is None:
        return None
    rows: list[Row] = []
    for row in grid.rows:
        unit = re.search(rf"(?i){_UNIT}", row[lasts])
        number = float(re.findall(r"\d+(?:\.\d+)?", row[lasts])[0]) * (_MINUTES[unit[0][0].lower()] if unit else 1.0)
        parents = [] if _NOTHING.fullmatch(row[needs]) else re.split(r"\s*(?:[,;+&/]|\band\b)\s*", row[needs])
        rows.append((re.sub(r"\s+", "_", row[0]), number, [re.sub(r"\s+", "_", each) for each in parents if each]))
    return rows if _complete(rows) else None
