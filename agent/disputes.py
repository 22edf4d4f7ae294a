"""Messages that hold something against an answer: "that's wrong, it's X", "isn't it X?", "X, right?". Knows wording only."""

from __future__ import annotations

import re

_VERB = r"(?:is|are|isn't|aren't|was|were|does|doesn't|do|don't|has|have|can|can't|cannot|uses?|needs?|must|will|won't|stores?|shards?|keeps?|sends?|gets?)"
_ASKS = r"what|why|how|when|where|which|who|whose"
ASKS_TOO = re.compile(rf"(?i)\b(?:{_ASKS})\b[^.?!]*\?\W*$")
DENIES = re.compile(
    r"(?i)^\W*(?:(?:no|nope|but|wait|hmm+|sorry|hang on|hold on)\W+)*"
    r"(?:(?:isn't|wasn't) (?:that|this|it) (?:wrong|false|incorrect|the other way (?:round|around))"
    r"|(?:i think |i believe )?(?:that|this|it|that one|the (?:answer|second part)|you)(?:'s|'re| is| are| was| were)?(?: just| simply)? "
    r"(?:wrong|not (?:right|true|correct|quite right)|isn't (?:right|true|correct)|incorrect|false|mistaken|a mistake|the wrong way (?:round|around))"
    r"|(?:i )?(?:disagree|don't (?:think so|believe that|agree)))\b[\s,.;:!?—–-]*(?P<claim>.*)$")
OPPOSES = re.compile(rf"(?i)^\W*(?:no|nope|wrong)\b[\s,.;:!—–-]+(?P<claim>(?!\W*(?:i|thanks|thank|wait|problem|need|{_ASKS})\b).*\b{_VERB}\b.*|(?:it|that)'s .+)$")
THOUGHT = re.compile(r"(?i)^\W*(?:but |hm+,? |hmm+,? |wait,? )*(?:i (?:thought|think|believed?|was told|(?:have )?read|heard)|isn't it(?: true)?|aren't they|doesn't it|isn't the \w+)\b(?: that)?\s*(?P<claim>(?!\W*(?:i|about|of|on|some|more)\b).+)$")
CONFIRMS = re.compile(rf"(?i)^\W*(?:so|then|meaning|but|ah|and)?\b[\s,]*(?P<claim>(?!\W*(?:{_ASKS})\b).{{8,}}?)[\s,.;—–-]+(?:am i right|is that (?:right|correct|so)|isn't (?:that|it)(?: so| right| true)?|right|correct|yes|no|does(?:n't)? it|true)\s*\?+\s*$")
SURE = re.compile(r"(?i)^\W*(?:(?:but )?(?:are you (?:really |quite )?sure|really|is that (?:really )?(?:right|so|true|correct)|says who)(?: about (?:that|this|it))?)\W*$")
_LEAD = re.compile(r"(?i)^\W*(?:(?:it'?s|that'?s|it is|they are|they're|it should be|should be|because|since|as|surely|actually|i think|i thought|that|so)\b\s*)+")
_TAIL = re.compile(r"(?i)[\s,.;—–-]*\b(?:isn't (?:that|it)(?: so| right| true)?|right|am i right|correct|no|instead|surely)?\W*$")


def disputed(message: str) -> str | None:
    """What the message claims against (or to make sure of) the last answer: "" when it only doubts, None when it does neither.

    >>> disputed("That's wrong, it's all-reduce."), disputed("are you sure?"), disputed("what is all-reduce?")
    ('all-reduce', '', None)
    """
    if SURE.match(message):
        return ""
    if ASKS_TOO.search(message):
        return None
    for pattern in (DENIES, OPPOSES, THOUGHT, CONFIRMS):
        if found := pattern.match(message):
            return _TAIL.sub("", _LEAD.sub("", found["claim"])).strip(" ,.;:")
    return None
