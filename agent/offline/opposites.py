"""Whether two texts say opposite things of the same: "the inputs stay the same" against "the inputs change". Knows words only."""

from __future__ import annotations

import re

from agent.sentences import content_stems, stem

CLAUSE = re.compile(r"[.;:!?]\s|,\s|\b(?:while|whereas|but|although|though|when|so that|because)\b")
# "Without tokens it is dropped" denies no dropping: only a verb's negation turns a clause round.
DENIED = re.compile(r"(?i)\b(?:not|never|cannot)\b|n't\b")
_POLES = (
    ("change shift vary varies evolve drift moves differ", "same constant unchanged remain stay stable fixed steady identical"),
    ("more higher increase larger bigger greater grows raises adds", "less lower decrease smaller fewer reduces saves shrinks"),
    ("shard split partition part own piece", "full whole complete copy replicate replica entire"),
    ("allow allows accept accepts admits permitted", "deny denies denied drop drops dropped reject rejects rejected discarded"),
    ("fast faster fastest quick quickly", "slow slower slowest slowly"),
    ("cheap cheaper inexpensive", "expensive costly"),
    ("before earlier first", "after later afterwards last"),
    ("inside internal local", "outside external remote"),
    ("sequential serial", "parallel simultaneous concurrent"),
    ("immutable", "mutable modifiable"),
    ("synchronous", "asynchronous"),
    ("always every all", "never none"),
)
POLES = tuple((frozenset(map(stem, left.split())), frozenset(map(stem, right.split()))) for left, right in _POLES)
EVERY_POLE = frozenset(word for left, right in POLES for word in left | right)


def opposed(said: str, told: str, asked: str = "") -> bool:
    """Whether a clause of `said` takes the other side than the clause of `told` about the same things. Words of the question
    `asked` name nothing: they stand everywhere.

    >>> opposed("the inputs stay the same", "the distribution of the inputs changes, but the relationship remains the same")
    True
    """
    known = content_stems(asked)
    clauses = [(content_stems(clause), _flipped(clause)) for clause in CLAUSE.split(told) if content_stems(clause) & EVERY_POLE]
    for mine in filter(None, CLAUSE.split(said)):
        words = content_stems(mine)
        about = words - known - EVERY_POLE
        shared = [(len(about & theirs), theirs, flip) for theirs, flip in clauses]
        most = max((count for count, _, _ in shared), default=0)
        best = [(theirs, flip) for count, theirs, flip in shared if count == most]
        if most and all(_opposite(words, theirs, flip != _flipped(mine)) for theirs, flip in best):
            return True
    return False


def _opposite(mine: frozenset[str], theirs: frozenset[str], flipped: bool) -> bool:
    against = with_them = False
    for left, right in POLES:
        mine_left, mine_right = bool(mine & left) and not mine & right, bool(mine & right) and not mine & left
        left_told, right_told = bool(theirs & left) and not theirs & right, bool(theirs & right) and not theirs & left
        against |= (mine_left and right_told) or (mine_right and left_told)
        with_them |= (mine_left and left_told) or (mine_right and right_told)
    return (with_them and not against) if flipped else (against and not with_them)


def _flipped(clause: str) -> bool:
    return len(DENIED.findall(clause)) % 2 == 1
