"""Row operations with their times told in a message, and the times of polls. Knows words for them, captures nothing."""

from __future__ import annotations

import re

from tools.prose.found import Found

_AT = r"(?P<at>\d{1,2}:\d{2}(?::\d{2})?|\d+(?:\.\d+)?)\s*(?:seconds?\b|secs?\b|s\b)?"
_WHEN = rf"(?:\bat\s+)?(?:\bt\s*=?\s*|\btime\s+|\bsecond\s+|(?<![\w.:=]))(?:{_AT})"
_KIND = r"(?P<kind>insert|update|delete|truncate|upsert)(?:s|d|ed|es)?\b"
_KEY = r"(?:(?:the\s+)?(?:row|key|id|record)\s+)?(?P<key>(?!(?:and|then|at|t|row|of|the|is|was|in|on)\b)[A-Za-z_]\w*|\d+)\b"
_PART = r"(?:\s*[:|)]\s*|\s+)"
_FORMS = (
    re.compile(rf"(?i){_WHEN}{_PART}{_KIND}(?:{_PART}(?:of\s+)?{_KEY})?"),
    re.compile(rf"(?i){_WHEN}{_PART}{_KEY}\s+(?:is\s+|was\s+|gets\s+|got\s+)?(?P<kind>insert|updat|delet)ed\b"),
    re.compile(rf"(?i)\b{_KIND}\s+(?:of\s+)?{_KEY}\s+(?:at|@)\s+(?:t\s*=?\s*|time\s+|second\s+)?{_AT}"),
    re.compile(rf"(?i)\b{_KEY}\s+(?:is\s+|was\s+|gets\s+|got\s+)?(?P<kind>insert|updat|delet)ed\s+(?:at|@)\s+(?:t\s*=?\s*|time\s+|second\s+)?{_AT}"))
_STEP = re.compile(
    r"(?i)\b(?:row|key|record)\s+(?P<key>\w+)|\b(?P<kind>insert|updat|delet)(?:ed|es?|s)?\b|\b(?P<end>poll\w*)"
    r"|\b(?:at|and)\s+(?:t\s*=?\s*)?(?P<at>\d+(?:\.\d+)?)\s*(?:seconds?\b|secs?\b|s\b)?")
"""Of "row a is inserted at 1 s, updated at 3 s and at 7 s": whom, what, when."""
_LETTER = {"i": "I", "u": "U", "d": "D", "t": "T"}
_POLLS = re.compile(r"(?i)\bpoll\w*\b[^.;?\n]{0,50}?\bat\s+"
                    r"(?P<times>(?:t\s*=\s*)?\d+(?:\.\d+)?(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+)(?:t\s*=\s*)?"
                    r"\d+(?:\.\d+)?)+)(?:\s*s(?:ec(?:ond)?s?)?\b)?")


def find_operations(text: str, told: str) -> Found | None:
    """The operations as "1 I a; 2 U a", in the order of the message; `told` is the expression for the tool's own notation, which
    is taken as it stands where it holds as many.

    >>> find_operations("t1 insert a, t2 insert b, t4 update a, t7 delete b (hard delete)", "$.").text
    '1 I a; 2 I b; 4 U a; 7 D b'
    >>> find_operations("Insert k1 at t=2, then delete k1 at t=5", "$.").text
    '2 I k1; 5 D k1'
    """
    rows = max(([match for match in form.finditer(text) if _whole(match)] for form in _FORMS), key=len)
    own = max(re.finditer(told, text), key=lambda each: len(each[0]), default=None)
    if own is not None and len(re.findall(r"(?i)\d[\d.:]*\s*(?:s|seconds?)?\s*:?\s+(?:insert|update|delete|truncate|upsert|[IUDT]\b)",
        own[0])) >= len(rows):
        return Found(own[0], (own.span(),))
    if len(walked := _walked(text)) > len(rows):
        return Found("; ".join(entry for entry, _ in walked), tuple(span for _, span in walked))
    if not rows:
        return None
    script = "; ".join(" ".join(filter(None, (row["at"], _letter(row["kind"]), row.groupdict().get("key")))) for row in rows)
    return Found(script, tuple(row.span() for row in rows))


def find_polls(text: str) -> Found | None:
    """Times of polls: "poll at t=5, 10 and 15".

    >>> find_polls("It polls by updated_at at t=5 and t=10.").text
    '5, 10'
    """
    found = _POLLS.search(text)
    return Found(", ".join(re.findall(r"\d+(?:\.\d+)?", found["times"])), (found.span("times"),)) if found is not None else None


def _walked(text: str) -> list[tuple[str, tuple[int, int]]]:
    """Every time with the row and the verb that were told last."""
    key = kind = ""
    found: list[tuple[str, tuple[int, int]]] = []
    for step in _STEP.finditer(text):
        if step["key"] or step["end"]:
            key, kind = step["key"] or "", ""
        elif step["kind"]:
            kind = _letter(step["kind"])
        elif key and kind:
            found.append((f"{step['at']} {kind} {key}", step.span()))
    return found


def _whole(match: re.Match[str]) -> bool:
    """Only a truncate has no key."""
    return match["kind"].lower().startswith("trunc") or bool(match["key"])


def _letter(kind: str) -> str:
    """An upsert is an update for whoever captures it."""
    return "U" if kind.lower() == "upsert" else _LETTER[kind[0].lower()]
