"""Words of questions and of tools' hints in one form, so that they meet. Knows language, no tool."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.sentences import stem

_FUNCTION = (
    "of the a an is are at with for in to per each by about around roughly only and that its our my be from on as it "
    "has have over than so we i was were do does this these every if when within after before"
)
FUNCTION = frozenset(_FUNCTION.split())
_COMMON = (
    "how mani much what which who whi when where must can could may might shall should will would take get got make "
    "use go come keep give let more less most least too also just then there here not no don t doe did cannot m re ll "
    "you me us they them he she his her ani some onli same other anoth such very up down out off onc again between "
    "both whole all even still now want know say ask pleas thing way good bad like exampl estim calcul comput second "
    "one two three four five six seven eight ten"
)
COMMON = FUNCTION | frozenset(_COMMON.split())
"""Stems that don't tell one tool from another."""
_PREPOSITIONS = "to from for at of in over every after before by per with on within during into"
PREPOSITIONS = frozenset(_PREPOSITIONS.split())
TERM = re.compile(r"[A-Za-z][A-Za-z0-9]*")
SAME = {"people": "user", "person": "user", "custom": "user", "visitor": "user", "member": "user", "subscrib": "user",
        "param": "paramet", "machin": "server", "host": "server", "box": "server", "utilis": "util", "utiliz": "util",
        "outag": "downtim", "qps": "rps", "dataset": "data", "averag": "mean", "accelerat": "gpu", "copi": "replica",
        "duplic": "replica", "fiber": "fibr", "behaviour": "behavior", "odd": "chanc", "probabl": "chanc",
        "likelihood": "chanc", "likeli": "chanc", "synchronis": "synchron", "synchroniz": "synchron",
        "normalis": "normal", "quantiz": "quantis", "simultan": "concurr", "kilometr": "km", "kilomet": "km"}
"""Stems that learners use for one another."""
COMPOUNDS = {"micro batch": "microbatch", "all reduc": "allreduce", "all gather": "allgather",
             "round trip": "roundtrip", "data loader": "dataloader", "down time": "downtime", "up time": "uptime",
             "check point": "checkpoint", "drop out": "dropout", "through put": "throughput", "work load": "workload"}
"""Two words (the second one a stem) that are written as one as well."""


def canonical(word: str) -> str:
    """A word's stem, the same for words that learners use for one another ("machines", "servers")."""
    stemmed = stem(word)
    return SAME.get(stemmed, stemmed)


def words_of(text: str) -> Iterator[tuple[str, int, int]]:
    """(canonical stem, start, end) of each word; "micro-batch", "micro batch" and "microbatch" are one."""
    found = list(TERM.finditer(text))
    at = 0
    while at < len(found):
        match = found[at]
        if at + 1 < len(found) and text[match.end(): found[at + 1].start()] in ("-", " "):
            joined = COMPOUNDS.get(f"{match[0]} {stem(found[at + 1][0])}".lower())
            if joined:
                yield canonical(joined), match.start(), found[at + 1].end()
                at += 2
                continue
        yield canonical(match[0]), match.start(), match.end()
        at += 1


def stems_of(text: str) -> tuple[str, ...]:
    return tuple(word for word, _, _ in words_of(text))
