"""Numbers in plain language, with suffix, unit and surroundings. Knows how people write them, not what they mean."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal

from agent.offline.measures import DAY_S, MAGNITUDES, measure, seconds_in
from agent.offline.numerals import DIGITS, MULTIPLES, ONES, ORDINALS, PARTS, UNITS, WORDS, amount
from agent.offline.quantity import Quantity, joined, placed

_LABELLED = (
    "stage layer level type version phase step part chapter section question point option tier zone "
    "figure table page lesson item day sample index number no rule example principle zero"
)
LABELLED = frozenset(_LABELLED.split())
"""Nouns whose following number is mostly a name: "layer 7", "day 10"."""
BILLIONS = re.compile(r"(?i)\b(?:param\w*|model\w*|llms?|gpt\b|llama|train\w*|transformer\w*|billion|tokens?|gpus?|[ah]100s?"
                      r"|fsdp|ddp|zero-?\d?|lora|kv cache|fp16|bf16|int8|quanti[sz]\w*)\b")
COUNTED = re.compile(
    r"(?i)\b(?:users?|requests?|rows?|records?|events?|items?|tokens?|people|messages?|images?|vectors?|documents?|keys?"
    r"|impressions?|clicks?|ids?|embeddings?|queries|objects?|samples?|customers?|pairs?|views?|photos?|cells?|entries)\b")
_SMALL = "of is at and in for with over each a an to per on by"
NO_NOUN = frozenset(_SMALL.split())
TAKEN = ("requested",)
NEEDED, PERCENTILE = ("needed", "at least", "quorum", "of"), ("percentile", "quantile")

_TIME = r"(?:nano|micro|milli)?(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|yrs?)"
_RANKED = r"(?:rule|attempt|retry|try|stage|round|bracket|rung|step|layer|window|request|call|replica|bucket|time|position)s?"
_START = re.compile(rf"""(?ix)
    (?<![\w.@^*])(?:
      (?P<skip>\d{{4}}-\d\d?-\d\d?|\d+(?:\.\d+){{2,}}|\d+(?:\s?\*\*\s?\d+){{2,}})
    | (?P<nines>{DIGITS}|{WORDS})(?P<nines_half>\ and\ a\ half)?[-\s]+(?:nines?|9s|9's)\b
    | (?P<some>\d+|{UNITS})\s+(?:out\s+)?of\s+(?:(?:the|its|our|my)\s+)?(?P<all>\d+|{UNITS})
      (?![\w.,:%]|\s*%|\s+percent)
    | (?:(?:1|one)(?:\s+[a-z]+)?|once)\s+in\s+(?P<one_in>{DIGITS}\s*k?|{WORDS}(?:\s+(?:thousand|million|hundred))?)
      (?![\w%]|\s+{_TIME}\b)
    | p(?P<percentile>50|75|9\d|99\.9+|999)\b | (?P<percentile_th>\d{{1,2}}(?:\.\d+)?)(?:th|st|nd|rd)\s+percentile
    | (?P<ordinal>third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|\d{{1,3}}(?:st|nd|rd|th))\s+(?={_RANKED}\b)
    | (?P<clock>\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?:\.\d+)?)(?![\d:])
    | (?<![A-Za-z]-)(?P<ratio>{DIGITS}\s?:\s?{DIGITS})(?![\w:])
    | (?P<power>(?:{DIGITS}\s?[x×*·]\s?)?\d+(?:\.\d+)?\s?(?:\^|\*\*)\s?-?\d+)(?![\w^*])
    | (?P<money>(?:us)?[$€£]\s?{DIGITS})
    | (?P<part>(?:(?:an?|one)\s+)?half\b|two\shalves\b
      |(?:an?|one|two|three)[\s-](?:thirds?|quarters?|fifths?|tenths?|hundredths?)\b)
    | (?P<multiple>{'|'.join(MULTIPLES)})\b
    | (?P<number>{DIGITS})(?!\d|\.\d|,\d{{3}}\b|\s?\*\*|\s?\^)
    | (?P<word>{WORDS})(?:\s+and\s+(?P<word_half>a\s+half))?\b
    | (?P<single>an?\s+single)\s
    | (?P<implicit>(?:an?|per|each|every)\s+(?:single\s+)?{_TIME})\b
    )""")
_TAIL = re.compile(r"[\s-]{0,3}([A-Za-zµμ%×]+)(?![\w(])(?:\s?/\s?([A-Za-z]+)\b)?")
_PER = re.compile(rf"(?i)\s*(?:/\s*|\s(?:per|an?|each|every)\s+(?:single\s+)?|-per-)({_TIME}|[smhd])(?![\w-])")
_BETWEEN = re.compile(
    r"(?i)\s+(?!(?:and|or|with|at|of|in|for|is|are|was|were|that|to|the|from|by|on|per|each|every|an?|over|within|during|after|before|until|must|can|do"
    r"|does|if|how|what|which)\b)([A-Za-z][\w-]*)")
_DAILY = re.compile(r"(?i)(?:\s+[a-z]+)?\s+(?P<how>daily|hourly)\b(?!\s+(?:active|users?|visitors?|customers?))"
                    r"|\s*/\s*(?P<slash>day|d|h|hour)\b")
_NOT_ONE = re.compile(r"(?i)\b(?:each|the|this|that|which|any|no|every|other|another|only|previous|next|first|last"
                      r"|least|most) $")
_ONE_THING = re.compile(r"(?i)[\s-]+(?!(?:is|of|that|which|who|can|will|has|more|another|after|at|or|and|by|in|to"
                        r"|should|must|would|suffices)\b)[a-z]")


def read_quantities(text: str) -> list[Quantity]:
    """Every quantity of a text in order, without overlap.

    >>> [(q.value, q.unit) for q in read_quantities("12M users send 1.5 TB a day at three nines")]
    [(12000000.0, 'count'), (17361111.111111112, 'bytes/s'), (0.999, 'fraction')]
    """
    found: list[Quantity] = []
    at = 0
    while (match := _START.search(text, at)) is not None:
        at = match.end() if match["skip"] else match.start() + 1
        for quantity in _read(text, match):
            if math.isfinite(quantity.value):
                found.append(placed(text, quantity))
                at = max(at, quantity.end)
    return joined(text, found)


def _read(text: str, match: re.Match[str]) -> Iterator[Quantity]:
    start, end, kind = match.start(), match.end(), str(match.lastgroup)
    if kind in ("nines", "nines_half"):
        nines = amount(match["nines"])
        if 0 < nines <= 15:
            down = 10.0**-nines / (2 if match["nines_half"] else 1)
            yield Quantity(round(1 - down, 16), "fraction", start, end, "", original="nines", hints=("nines",))
    elif kind == "all":
        yield from _some_of_all(text, match)
    elif kind == "one_in":
        whole = match["one_in"].rstrip()
        number = amount(whole.rstrip("kK ")) * (1e3 if whole[-1] in "kK" else 1.0)
        if number > 0:
            yield Quantity(1 / number, "fraction", start, end, "", hints=("rate",))
    elif kind.startswith("percentile"):
        digits = match[kind]
        share = float(digits) / (100 if "." in digits or len(digits) < 3 else 1000)
        yield Quantity(share, "fraction", start, end, "", original="percentile", weak=True, hints=PERCENTILE)
    elif kind == "ordinal":
        rank = match["ordinal"].lower()
        number = float(rank[:-2]) if rank[0].isdigit() else 3.0 + ORDINALS.index(rank)
        yield Quantity(number, "count", start, match.end("ordinal"), "", number=number, weak=True)
    elif kind == "clock":
        yield _clock(text, match)
    elif kind == "skip":
        return
    elif kind == "ratio":
        first, second = (amount(part) for part in match["ratio"].split(":"))
        if second:
            yield Quantity(first / second, "ratio", start, end, "", number=first, original=":", hints=("ratio",))
    elif kind == "single":
        yield Quantity(1.0, "count", start, end, "", weak=True)
    elif kind == "implicit":
        seconds = seconds_in(match["implicit"].split()[-1]) or DAY_S
        yield Quantity(seconds, "s", start, end, "", original=match["implicit"].split()[-1], weak=True)
    elif kind == "multiple":
        yield Quantity(MULTIPLES[match["multiple"].lower()], "multiple", start, end, "", original=match["multiple"])
    elif kind == "part":
        yield from _part(text, match)
    else:
        yield from _plain(text, match, kind)


def _some_of_all(text: str, match: re.Match[str]) -> Iterator[Quantity]:
    """ "3 of 5", "8 of 40 GiB": the unit is said once for both."""
    some, all_, start, end = amount(match["some"]), amount(match["all"]), match.start(), match.end()
    found = _unit(text, end)
    if found is None or found[1] == "multiple":
        yield Quantity(some, "count", start, match.end("some"), "", hints=(*NEEDED, *TAKEN))
        yield Quantity(all_, "count", match.start("all"), end, "", hints=("n",))
        return
    scale, unit, original, stop = found
    yield Quantity(some * scale, unit, start, match.end("some"), "", number=some * scale, original=original, hints=TAKEN)
    yield Quantity(all_ * scale, unit, match.start("all"), stop, "", number=all_ * scale, original=original)


def _clock(text: str, match: re.Match[str]) -> Quantity:
    """Minutes and seconds after "at" or with a leading zero, a ratio elsewhere ("10:15")."""
    start, end, raw = match.start(), match.end(), match["clock"].split(":")
    parts = [float(part) for part in raw]
    seconds = sum(part * 60.0**power for power, part in enumerate(reversed(parts)))
    padded = any(len(part) > 1 and part[0] == "0" for part in raw)
    after = re.search(r"(?i)(?:\bat|\bfrom|\buntil|\btill|\bby|@|\band)\s*$", text[max(0, start - 8): start])
    if len(parts) == 3 or padded or not parts[0] or after or not parts[1]:
        return Quantity(seconds, "s", start, end, "", original="clock", hints=("at",))
    return Quantity(parts[0] / parts[1], "ratio", start, end, "", number=parts[0], original=":", hints=("ratio",))


def _part(text: str, match: re.Match[str]) -> Iterator[Quantity]:
    """ "half", "two thirds", "half a million", "half an hour"."""
    start, end = match.start(), match.end()
    words = re.split(r"[\s-]+", match["part"].lower())
    share = PARTS[words[-1]] * (ONES.get(words[0], 1) if len(words) > 1 else 1)
    after = re.match(r"(?i)[\s-]+(?:of\s+an?\s+|an?\s+)?(\w+)\b", text[end:])
    if after and (words[-1] == "half" or after[0].split()[0].lower() == "of"):
        size, unit = MAGNITUDES.get(after[1].lower()) if len(after[1]) > 2 else None, measure(after[1])
        if size is not None:
            stop, per = _per(text, end + after.end(), count=True)
            unit_of = "count/s" if per else "count"
            yield Quantity(share * size / (per or 1.0), unit_of, start, stop, "", number=share * size, per=per)
            return
        if unit is not None and unit.unit in ("s", "bytes"):
            yield Quantity(share * unit.scale, unit.unit, start, end + after.end(), "", original=after[1])
            return
    yield Quantity(share, "fraction", start, end, "", original=match["part"])


def _plain(text: str, match: re.Match[str], kind: str) -> Iterator[Quantity]:
    """A number in digits or words with what follows it: magnitude, unit, "per day"."""
    start, end = match.start(), match.end()
    before = text[max(0, start - 24): start]
    kind = "word" if kind == "word_half" else kind
    number = amount(match[kind].lstrip("uUsS$€£ ")) if kind == "money" else amount(match[kind])
    number += 0.5 if match["word_half"] else 0.0
    label = re.search(r"[A-Za-z]-$|(?i:\b(?:v|version|release|gpt|llama))\s*$", before)
    inside_name = re.search(r"[\d.]-$", before) and re.search(r"[A-Za-z]", before.rsplit(" ", 1)[-1])
    if re.search(r"[A-Za-z]/$", before) or inside_name:
        return
    if kind == "word" and match["word"].lower() == "one" and not _counts(text, start, end):
        return
    if kind == "number" and re.search(r"(?:^|[\s(=:,])[-−]$", before) and not re.search(r"\d\s*[-−]$", before):
        number, start = -number, start - 1
    if label:
        if not re.match(r"[\w-]", text[end:]):
            yield Quantity(number, "count", start, end, "", number=number, weak=True)
        return
    if kind == "money":
        number, end, _ = _magnitude(text, number, end)
        per = _PER.match(text, end)
        yield Quantity(number, "USD", start, per.end() if per else end, "", number=number,
                       per=seconds_in(per[1]) if per else None, original="$")
        return
    number, end, attached = _magnitude(text, number, end)
    if end == match.end() and re.match(r"[A-Za-z_]", text[end:]) and _unit(text, end) is None:
        return
    compound = kind == "word" and re.match(r"-[A-Za-z]", text[end:]) is not None
    yield _measured(text, number, start, end, kind == "word" and (number == 1 or compound), attached)


def _measured(text: str, number: float, start: int, end: int, weak: bool, attached: str) -> Quantity:
    found = _unit(text, end) or _shared_unit(text, end)
    if found is None:
        stop, per = _per(text, end, count=True)
        noun = re.search(r"(\w+)[\s#]+$", text[max(0, start - 24): start])
        named = noun is not None and noun[1].lower() in LABELLED and number == int(number) and abs(number) < 100
        if named and noun is not None and not text[start].isalpha() and (seconds := seconds_in(noun[1])) is not None and not per:
            return Quantity(number * seconds, "s", start, end, "", original=noun[1].lower(), weak=True)
        definite = bool(re.search(r"(?i)\b(?:the|these|those|both|first|last|all) $", text[max(0, start - 7): start]))
        unit = "count/s" if per else "count"
        return Quantity(number / (per or 1.0), unit, start, stop, "", number=number, per=per, original=attached,
                        weak=weak or (named and not per) or definite or _scale_end(text, start, end))
    scale, unit, original, end = found
    if unit == "multiple" and (often := _PER.match(text, end)) is not None and (each := seconds_in(often[1])):
        return Quantity(number / each, "count/s", start, often.end(), "", number=number, per=each, original=original)
    base = float(Decimal(repr(number)) / 100) if original == "%" else number * scale
    per = None
    if unit in ("bytes", "bit", "FLOP", "count"):
        end, per = _per(text, end, count=False)
    if per:
        return Quantity(base / per, f"{unit}/s", start, end, "", number=base, per=per, original=original)
    weak = weak or (unit == "bit" and re.fullmatch(r"\d+-bit", text[start:end]) is not None)  # what numbers are made of
    kept = number if unit in ("multiple", "count/s") else base
    return Quantity(base, unit, start, end, "", number=kept, original=original, weak=weak and unit == "bit",
                    hints=("times",) if unit == "multiple" else ())


def _scale_end(text: str, start: int, end: int) -> bool:
    """Whether a number is an end of a scale ("a score of 0-100", "70 out of 100") or half of "80/20"."""
    around = text[max(0, start - 8): end + 6]
    return bool(re.search(r"(?<![\d.])0\s?[-–]\s?(?:1|10|100)(?![\d.])|80/20", around)
                or re.search(r"(?i)\b(?:out of|score of)\s+$", text[max(0, start - 10): start]))


def _magnitude(text: str, number: float, end: int) -> tuple[float, int, str]:
    """The number times "k", "million" and the like. B is billions where models or people are counted, else bytes."""
    attached = ""
    for _ in range(2):
        found = _TAIL.match(text, end)
        word = found[1] if found else ""
        size = MAGNITUDES.get(word) or (MAGNITUDES.get(word.lower()) if len(word) > 2 else None)
        if found is None or size is None or (found[2] and measure(word, found[2]) is not None):
            break
        following = re.match(r"(?:[\s-]+\w[\w-]*){1,4}", text[found.end(1):])
        after = following[0].split() if following else []
        noun = bool(after) and after[0].lower() not in NO_NOUN
        counted = noun and following is not None and COUNTED.search(following[0])
        if word in ("B", "b") and not counted and not BILLIONS.search(text):
            break
        if word == "m" and not noun:
            break
        number, end, attached = number * size, found.end(1), word
    return number, end, attached


def _unit(text: str, end: int) -> tuple[float, str, str, int] | None:
    """(scale, unit, as written, end) of the unit that follows, if one does."""
    percent = re.match(r"\s?per ?cent(?:age)?\b(?! points)|\s?%", text[end:])
    if percent:
        return 0.01, "fraction", "%", end + percent.end()
    found = _TAIL.match(text, end)
    if found is None or (found[1] in ("x", "×") and re.match(r"\s*[\d.]", text[found.end(1):])):
        return None
    if found[1] == "m" and not found[2]:
        return 60.0, "s", "m", found.end(1)
    if found[2] and (both := measure(found[1], found[2])):
        return both.scale, both.unit, f"{found[1]}/{found[2]}", found.end()
    single = measure(found[1])
    if single is None or (found[1] in ("b", "d", "y", "h", "W") and re.match(r"\s*=", text[found.end(1):])):
        return None
    return single.scale, single.unit, found[1], found.end(1)


def _shared_unit(text: str, end: int) -> tuple[float, str, str, int] | None:
    """The unit of the next number in "from 200 to 1,000 rps" or "10 and 20 ms"."""
    following = re.match(rf"\s*(?:to|and|or|-|–|vs\.?|versus)\s*{DIGITS}", text[end:])
    found = _unit(text, _magnitude(text, 1.0, end + following.end())[1]) if following else None
    return (*found[:3], end) if found and found[1] not in ("multiple", "bit") else None


def _per(text: str, end: int, count: bool) -> tuple[int, float | None]:
    """Where "… per day" ends and its seconds. After a plain count up to two nouns may stand between."""
    at = end
    for step in range(3 if count else 2):
        if (found := _PER.match(text, at)) is not None:
            return found.end(), seconds_in(found[1])
        if step == 0 and (often := _DAILY.match(text, at)) is not None:
            return often.end(), 3600.0 if (often["how"] or often["slash"]).lower()[0] == "h" else DAY_S
        between = _BETWEEN.match(text, at)
        if between is None:
            break
        at = between.end()
    return end, None


def _counts(text: str, start: int, end: int) -> bool:
    """Whether "one" counts something, unlike in "which one" and "one is enough"."""
    return not _NOT_ONE.search(text[max(0, start - 10): start]) and bool(_ONE_THING.match(text[end:]))
