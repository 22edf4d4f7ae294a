"""Tasks told in words ("A takes 2 min, then B and C, 4 min each") as rows of name, minutes and parents. Schedules nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0}
_TOKEN = re.compile(r"""(?ix)
    (?P<lasts>\d+(?:\.\d+)?\s*(?P<unit>s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)\b)
  | (?P<arrow>->|→|=>)
  | (?P<needs>\b(?:needs?|depends?\s+on|depending\s+on|waits?\s+(?:for|on)|requires?|starts?\s+after|runs?\s+after|comes?\s+after
      |follows?|after|once)\b)
  | (?P<takes>\b(?:takes?|lasts?|is|are|runs?\s+for|runs?|needing|taking)\b|[:=])
  | (?P<feeds>\b(?:feeds?|before|blocks?|triggers?|leads?\s+to|goes\s+into|go\s+into)\b)
  | (?P<then>\b(?:then|next|finally|afterwards|followed\s+by)\b)
  | (?P<and>\band\b|&|\+|\bor\b)
  | (?P<comma>,)
  | (?P<stop>[.;!?\n])
  | (?P<open>\()|(?P<close>\))
  | (?P<word>[A-Za-z_][\w-]*)""")
_FILLER = frozenset("the a an each both all task tasks step steps job jobs long which it they that takes take finish finishes finished "
                    "done only also just complete completes have has are is in parallel min for with of to run start starts at same "
                    "time".split())


@dataclass
class _Task:
    minutes: float | None = None
    needs: list[str] = field(default_factory=list)


@dataclass
class _Reading:
    """What has been told so far: `group` is whom the sentence speaks of, `stage` those told since the last "then"."""

    tasks: dict[str, _Task] = field(default_factory=dict)
    group: list[str] = field(default_factory=list)
    stage: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    served: bool = False
    row: list[str] = field(default_factory=list)

    def add_subject(self, name: str, new: bool, joined: bool) -> None:
        """Those who come next wait for what was told before them: "after A, …", "A feeds …", or "then"."""
        if new and self.served and not joined:
            self.waiting, self.served = [], False
        known = name in self.tasks and self.tasks[name].minutes is not None  # spoken of again: "and parse also feeds …"
        self.group = [name] if new or known else [*self.group, name]
        self.row = [name] if known else [*self.row, name]
        task = self.tasks.setdefault(name, _Task())
        if self.waiting:
            task.needs += self.waiting
            self.served = True
        elif not task.needs and not known:
            task.needs += [each for each in self.before if each != name]
        if name not in self.stage:
            self.stage.append(name)

    def add_parent(self, parent: str) -> None:
        """What is needed by name takes the place of what "then" implied."""
        if not self.group:
            self.waiting, self.served = ([parent] if self.served else [*self.waiting, parent]), False
            return
        for name in self.group:
            needs = self.tasks[name].needs
            if set(needs) <= set(self.before) and parent not in needs:
                needs.clear()
            needs.append(parent)


def told_rows(text: str) -> list[tuple[str, float, list[str]]] | None:
    """(name, minutes, names of its parents) for each task; None when the text isn't such a description or lacks a duration.

    >>> told_rows("A takes 2 min, then B and C (4 min each, both need A), then D takes 3 min and needs B and C")
    [('A', 2.0, []), ('B', 4.0, ['A']), ('C', 4.0, ['A']), ('D', 3.0, ['B', 'C'])]
    """
    tokens = list(_tokens(text))
    if not any(kind == "lasts" for kind, _ in tokens):
        return None
    reading = _read(tokens, _names(tokens))
    if reading is None:
        return None
    rows = [(name, task.minutes, list(dict.fromkeys(task.needs))) for name, task in reading.tasks.items()]
    if len(rows) < 2 or any(minutes is None for _, minutes, _ in rows):
        return None
    return [(name, minutes or 0.0, [each for each in needs if each != name]) for name, minutes, needs in rows]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup) if match.lastgroup != "unit" else "lasts"
        if match["lasts"]:
            number = float(re.match(r"[\d.]+", match[0])[0])  # type: ignore[index]
            yield "lasts", f"{number * _MINUTES[match['unit'][0].lower()]:.12g}"
        elif kind == "needs" and re.match(r"\s+\d", text[match.end():]):
            yield "takes", match[0]  # "needs 5 min"
        else:
            yield kind, match[0]


def _names(tokens: list[tuple[str, str]]) -> set[str]:
    """Words that are given a duration or have a verb, alone or in a row of words: the tasks."""
    found: set[str] = set()
    row: list[str] = []
    for at, (kind, text) in enumerate(tokens):
        following = tokens[at + 1][0] if at + 1 < len(tokens) else ""
        if kind == "word":
            verb = following in ("takes", "lasts", "open", "needs", "arrow", "feeds")
            if _filler(text) and not (len(text) == 1 and verb):
                continue
            row = [*row, text] if at and tokens[at - 1][0] in ("and", "comma") else [text]
            found.update(row if verb else ())
        elif kind == "lasts":
            found.update(row)
            row = []
        elif kind not in ("and", "comma", "open", "takes", "close"):
            row = []
    return found


def _read(tokens: list[tuple[str, str]], names: set[str]) -> _Reading | None:
    """None when something is waited for that isn't a task."""
    state = _Reading()
    target, joined, spoken = False, False, False  # behind "needs"; behind "and" or a comma; the group has its verb
    named = ""
    for at, (kind, text) in enumerate(tokens):
        before = tokens[at - 1][0] if at else "stop"
        if kind == "word" and text in names:
            named = text
            if target and (before == "needs" or not _opens(tokens, at, names)):
                state.add_parent(text)
                joined = False
                continue
            if target:
                state.row = []
            state.add_subject(text, not (joined and not spoken and not target), before == "and")
            target, spoken = False, False
        elif kind == "word" and target and before in ("needs", "and") and not _filler(text):
            return None
        elif kind == "lasts":
            lacking = [each for each in state.group if state.tasks[each].minutes is None]
            which = before == "open" or any(each in ("which", "that", named) for _, each in tokens[max(0, at - 2): at])
            lacking = [named] if target and which else lacking
            for name in lacking:
                state.tasks.setdefault(name, _Task()).minutes = float(text)
        elif kind == "takes":
            spoken = True
        elif kind == "feeds":
            feeding = state.row if tokens[at - 1][1].lower() in ("both", "all") else state.group
            state.waiting, state.served, state.group, state.row, target = list(feeding), False, [], [], False
        elif kind == "needs":
            target, spoken = True, True
            if tokens[at - 1][1].lower() in ("both", "all"):
                state.group = list(state.row)
            elif before in ("comma", "stop", "then") and text.lower() in ("after", "once") and _leads(tokens, at, names):
                state.group = []  # "after A, B takes …": it is for those who come next
        elif kind in ("then", "arrow"):
            state.before, state.stage, state.group = (state.stage or state.before), [], []
            state.row = []
            target = spoken = False
        elif kind == "stop":
            target, spoken, state.row = False, True, []
        joined = kind in ("and", "comma") or (joined and kind in ("word", "close"))
    return None if state.waiting and not state.served else state


def _filler(text: str) -> bool:
    """A capital alone is a name: "A"."""
    return text.lower() in _FILLER and not (len(text) == 1 and text.isupper())


def _opens(tokens: list[tuple[str, str]], at: int, names: set[str]) -> bool:
    """Whether a name behind "needs …" speaks of itself: it is followed by a verb or a duration, as is a row that it opens."""
    for kind, text in tokens[at + 1:]:
        if kind in ("takes", "lasts", "open", "needs", "feeds"):
            return True
        if not (kind == "and" or (kind == "word" and (text in names or _filler(text)))):
            return False
    return False


def _leads(tokens: list[tuple[str, str]], at: int, names: set[str]) -> bool:
    """Whether "after …" stands before those who wait: a comma follows, and then a name with its verb."""
    inside = 0
    for place in range(at + 1, len(tokens) - 1):
        kind = tokens[place][0]
        inside += {"open": 1, "close": -1}.get(kind, 0)
        if kind == "comma" and not inside:
            following = next((each for each in range(place + 1, len(tokens)) if tokens[each][1] in names), None)
            return following is not None and _opens(tokens, following, names)
        if kind in ("stop", "then", "takes", "arrow") and not inside:
            return False
    return False
