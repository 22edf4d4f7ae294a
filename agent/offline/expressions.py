"""Bare arithmetic in a message: "what's 3.5 TB / 12 h in MB/s?". Knows how people ask for it, not how it is computed."""

from __future__ import annotations

import re

from agent.offline.measures import measure
from agent.offline.quantities import read_quantities
from tools.arithmetic import FUNCTIONS
from tools.base import ToolError
from tools.expression import read

LONGEST = 300
ASKS = re.compile(
    r"(?i)^[\s\"'>:-]*(?:(?:so|and|now|ok(?:ay)?|then|please|hey|hi|can you|could you|quick(?:ly)?|just|tell me|give me)\b[\s,:]*)*"
    r"(?:(?:what(?:'s|s| is| are| does| would| do)?|how (?:much|many|long)(?: is| are| does| would)?|calculate|compute|evaluate|work out"
    r"|solve|convert|calc|find|express|rewrite)\b[\s:]*)?")
ENDS = re.compile(r"(?i)[\s?!.=]*(?:(?:equals?|please|come to|amount to|make|roughly|about|approximately|in total|then)[\s?!.=]*)*$")
SIGN = re.compile(r"[\w)%]\s*(?:[*/×÷+^]|\*\*|\s-\s|\bx\b|(?<=%)\s+of\b|\btimes\b|\bdivided by\b|\bplus\b|\bminus\b)\s*[\w($.]")
CONVERTED = re.compile(r"^(?P<body>.*\d.*?)\s+(?:in|to|as|into)\s+(?P<unit>%|[A-Za-zµ][\w/µ]*(?:\s+per\s+\w+)?)$")
HOW_MANY = re.compile(r"(?i)^\W*(?:(?:so|and|ok|quick(?:ly)?)\W+)*how many (?P<unit>[a-z]+)(?P<per>/s)?"
                      r" (?:is|are|make|in|does) (?:an? |the )?(?P<rest>\d.{1,50})$")
DATE = re.compile(r"(?:19|20)\d\d\s*[-/.]\s*\d\d?\s*[-/.]\s*\d\d?|\d\d?\s*[-/.]\s*\d\d?\s*[-/.]\s*(?:19|20)\d\d")
SPOKEN = ((r"(?i)\btimes\b|\bmultiplied by\b", "*"), (r"(?i)\bdivided by\b", "/"), (r"(?i)\bplus\b", "+"), (r"(?i)\bminus\b", "-"),
          (r"(?i)(?<=\d)\s*(?:million|mio|mn)\b", "M"), (r"(?i)(?<=\d)\s*(?:billion|bn)\b", "B"), (r"(?i)(?<=\d)\s*thousand\b", "k"),
          (r"(?i)\bto the power (?:of )?", "**"), (r"(?<=\d)\s*percent\b", "%"), (r"(?i)\binto\b", "in"))


def expression_in(question: str) -> str | None:
    """The arithmetic that a message consists of, as the calculator reads it; None when it is anything else.

    >>> expression_in("what's 3.5 TB / 12 h in MB/s?"), expression_in("How much is 17% of 3.4 million?")
    ('3.5 TB / 12 h in MB/s', '17% of 3.4M')
    >>> expression_in("How many TiB is a 16 TB (decimal) disk?")
    '16 TB in TiB'
    >>> expression_in("what is a 2-phase commit?") is None
    True
    """
    if len(question) > LONGEST or not re.search(r"\d", question):
        return None
    if (conversion := _how_many(question)) is not None:
        return conversion
    text = ENDS.sub("", ASKS.sub("", question, count=1)).strip()
    for pattern, sign in SPOKEN:
        text = re.sub(pattern, sign, text)
    converted = CONVERTED.match(text)
    body = converted["body"] if converted else text
    if not (SIGN.search(body) or converted) or DATE.fullmatch(body) or re.fullmatch(r"[\d\s./:-]+", body) and not re.search(r"\s|\*", body):
        return None
    try:
        read(body, FUNCTIONS)
        if converted and converted["unit"] != "%":
            read(converted["unit"], FUNCTIONS)
    except ToolError:
        return None
    return text


def _how_many(question: str) -> str | None:
    """ "How many TiB is a 16 TB disk?" is "16 TB in TiB", if both are sizes, rates or times."""
    match = HOW_MANY.match(question)
    found = read_quantities(match["rest"]) if match else []
    if match is None or len(found) != 1 or found[0].per is not None:
        return None
    asked = measure(match["unit"], "s" if match["per"] else "")
    if asked is None or asked.unit != found[0].unit or asked.unit in ("multiple", "count"):
        return None
    return f"{found[0].text} in {match['unit']}{match['per'] or ''}"
