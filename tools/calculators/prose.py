"""Where the plain-language form of a text parameter stands in a sentence. Knows shapes; reading what they find is the tools'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tools.prose.found import Finder, Found
from tools.prose.pairs import METHOD

CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
AND = r"\s*(?:[,;]\s*(?:and\s+|then\s+)?|\s(?:and|then)\s+|\s)\s*"
_UNIT = r"(?:ms|milliseconds?|seconds?|secs?|s|minutes?|mins?|min|m|hours?|h)\b"
_NUMBER = r"\d+(?:\.\d+)?"
_DATED = r"\d{4}-\d\d-\d\d(?:[T ]\d\d(?::\d\d)*)?|\d{1,3}T\d\d(?::\d\d)*"
_WHEN = rf"(?:day\s+\d+,?\s+(?:at\s+)?(?:{CLOCK})|{_DATED}|{CLOCK})"
_VALUE = r"-?\d+(?:\.\d+)?"
_WORD = r"[A-Za-z][\w.'-]*\w"
_PROPER = r"[A-Z][\w'-]+(?:\s[A-Z][\w'-]+){1,2}"

EVENTS = (rf"(?i){CLOCK}(?:{AND}{CLOCK})+|{_NUMBER}\s*{_UNIT}(?:{AND}{_NUMBER}\s*{_UNIT}){{2,}}"
          rf"|{_NUMBER}(?:,\s+(?:and\s+)?{_NUMBER}){{2,}}(?:,?\s+and\s+{_NUMBER})?(?:\s*{_UNIT})?")
"""Event times: three or more in a row, two suffice for times of the day."""
LABELS = rf"(?i)\blabels?\b[^:.;=]{{0,24}}?:?\s(?P<value>{_WHEN}(?:{AND}{_WHEN})*)"
FEATURES = (rf"(?i){_WHEN}\s*(?:=|->|→)\s*{_VALUE}(?:{AND}{_WHEN}\s*(?:=|->|→)\s*{_VALUE})*"
            rf"|{_VALUE}\s+(?:at|on|from)\s+{_WHEN}(?:{AND}{_VALUE}\s+(?:at|on|from)\s+{_WHEN})*")
_OP = (rf"(?:at\s+)?(?:{CLOCK}|{_NUMBER}\s*(?:seconds?|secs?|s)?)\s*:?\s+"
       r"(?:insert|update|delete|truncate|upsert)(?:s|d|ed)?\b(?:\s+(?!and\b|then\b|at\b)[\w=]+){0,3}")
_LETTERS = rf"{_NUMBER}\s+[IUDT]\b(?:\s+(?!and\b|then\b)[\w=]+){{0,3}}"
SCRIPT = rf"(?i:{_OP}(?:\s*(?:[,;.]|then|and)\s*(?:then\s+|and\s+)?{_OP})*)|{_LETTERS}(?:\s*;\s*{_LETTERS})+"
"""Row operations with their times: "2 s insert a, 4 s update a"."""
POLLS = r"(?i)\bpoll\w*\b[^.;?\n]{0,50}?\bat\s+(?:t\s*=\s*)?\d"
"""When a poller looks: "poll at t=5, 10 and 15"."""
_LASTS = r"(?:\d+(?:\.\d+)?\s*(?:s|sec|secs|seconds?|m|min|mins|minutes?|h|hr|hours?)\b)"
_NAMES = r"[A-Za-z]\w*(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*)[A-Za-z]\w*)*"
_FIRST = rf"(?:\bafter\s+)?{_NAMES}\s*(?:\(|:|=|(?:each\s+)?(?:takes?|lasts?|needs?|runs?(?:\s+for)?|is)\s+)?\s*{_LASTS}"
_LAST = (rf"(?:{_LASTS}(?:\s*each)?\)?|(?:needs?|depends?\s+on|after|waits?\s+(?:for|on)|requires?)\s+"
         r"(?:both\s+)?[A-Za-z]\w*(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+)[A-Za-z]\w*)*)\)?")
_ROW = r"\w+\s*:\s*\d+(?:\.\d+)?(?:\s*:\s*\w+(?:\s*\+\s*\w+)*)?(?:@\w+)?"
DAG = rf"{_ROW}(?:\s*[,;]\s*{_ROW})+|(?i:{_FIRST}[^?\n]*{_LAST})"
"""Tasks as name:duration:parents, or told: "A takes 2 min, then B and C (4 min each)"."""
TWO_STRINGS = METHOD
"""What may come with strings to compare: "levenshtein kitten sitting", "Jaro-Winkler of 'a b' and 'a c'"."""
ONE_STRING = (rf"\b(?:of|for)\s+(?:the\s+)?(?:sur)?(?:name\s+|word\s+|string\s+)?"
              rf"(?:[\"“'‘`](?P<quoted>[^\"”'’`]{{1,80}})[\"”'’`]|(?P<plain>{_PROPER}|{_WORD}))")
"""A string to encode: "the Soundex code of Robert"."""
BATCHES = r"\[\s*-?[\d.]+[^\]]*\]\s*(?:,|;|and|\s)\s*(?:and\s+)?\["
"""Rows of numbers: "[2, 4], [6] and [5, 7]"."""
RECORDS = r"[\d*][^\n;]*[\n;][^\n;]*[\d*]|\([^()\n]*,[^()\n]*\)\s*,?\s*\("
"""Records over several lines, between semicolons or in brackets."""
VALUES = r"(?i)\b(?:diagnos[ei]s|values|diseases|conditions|illnesses)\b"
"""Values of one class: "diagnoses flu, flu and cold"."""
EACH_BATCH = r"(?i)\d\s+(?:\w+\s+)?tokens?\b(?s:.*)\bloss|\bloss(?s:.*)\d\s+(?:\w+\s+)?tokens?\b"
"""Tokens and losses of batches told one by one."""
_DATE = r"\d{4}-\d\d-\d\d(?:[T ]\d\d(?::\d\d)*)?"
START = rf"(?i)\b(?:start(?:s|_date|ed|ing)?|since|from|begins?)\b[^.;?]{{0,24}}?(?P<value>{_DATE})"
NOW = rf"(?i)\b(?:now|today|unpaused?|switch(?:ed)? on|turned on|enabled?|deployed|until)\b[^.;?]{{0,24}}?(?P<value>{_DATE})"
_ACTION = rf"(?:scale|crash)\s*(?:to|of|=|:)?\s*\d+\s*(?:pods?|replicas?)?\s*(?:@|\bat)\s*{_NUMBER}\s*(?:{_UNIT})?"
ACTIONS = rf"(?i){_ACTION}(?:\s*(?:[,;]|\band\b|\bthen\b)\s*(?:and\s+|then\s+)?{_ACTION})+"
"""What a controller sees: "scale to 3 at 0 s, crash 1 at 10 s"."""
_TYPE = r"(?:nullable\s+)?(?:int(?:eger)?|long|float|double|string|bytes|boolean|enum)"
CHANGE = (rf"(?i)\b{_TYPE}\s*(?:->|→|\bto\b)\s*(?:a\s+|an\s+)?{_TYPE}\b"
          r"|\b(?:add|remov|renam|drop|delet)(?:e|es|s|ed|d|ing|ped|ping)?\b(?:\s+(?:a|an|the|new|required|optional|nullable|"
          r"field|column|enum|symbol|record)\b)*(?:\s+(?:with(?:out)?|no)(?:\s+(?:a|an))?\s+(?:default|alias)\b)?"
          r"|\b(?:field|column|enum symbol)\s+(?:is\s+|was\s+)?(?:added|removed|dropped|renamed)"
          r"(?:\s+with(?:out)?(?:\s+(?:a|an))?\s+(?:default|alias)\b)?")
"""A change of an Avro schema: "int->long", "a field is added without a default"."""


def told(field: Any, shape: str, read: Callable[[str], Found | None] | None = None) -> Any:
    """The same parameter, with the regular expression of its plain form in a sentence under `told` of its schema: a
    named group that matched is the argument if there is one, the whole match otherwise. Where one expression can't say it,
    `read` finds the argument and `shape` only what may be one."""
    field.json_schema_extra["told"] = shape
    if read is not None:
        field.metadata.append(Finder(read))
    return field
