"""Whether a message wants a number or an experiment, not an explanation. Knows wording only, and is conservative."""

from __future__ import annotations

import re

from agent.offline.measures import measure
from agent.offline.quantity import Quantity

_HOW = (r"(?:many|much|long|big|large|often|fast|high|low|small|likely|busy|available|full|soon|far|late|wide|probable"
        r"|close|reliable|idle)")
NUMERIC = re.compile(
    rf"(?i)\bhow {_HOW}\b|\bby (?:how (?:many|much)|what)\b|\b(?:what|which)(?:'s| is| are)?(?: the)?(?: \w+)? "
    r"(?:share|fraction|percentage|percent|probability|chance|odds|number|amount)\b")
IMPERATIVE = re.compile(
    r"(?i)(?:^|[.!?:;,]\s+|\b(?:please|can you|could you|let'?s|let me|i want to|i'?d like to|i would like to|now|to"
    r"|and)\s+)(?:please\s+)?(?:simulate|plot|draw|graph|chart|calculate|compute|work out|estimate|figure out"
    r"|visuali[sz]e|run (?!into|out|on\b)|show me (?:a|the) (?:plot|simulation|curve))\b")
OPEN = re.compile(
    r"(?i)\b(?:options|going on|called|going wrong|happening"
    r"|what (?:(?:can|could|should|must) (?:we|i|one|you|the)|(?:do|did) (?:we|i|one|you))\b(?! (?:tell|answer|say|report|write|put))"
    r"|what to do|better|help)\b"
    r"|\bwhich (?:algorithm|tool|method|technique|approach|pattern)\b")
"""A question for advice or a name, whatever numbers it tells."""
SHOW = re.compile(
    r"(?i)(?:^|[.!?:;,]\s+|\b(?:please|can you|could you|let'?s|now|and)\s+)(?:please\s+)?(?:show me|demonstrate|prove|try|let me see)"
    r"\b(?! (?:where|the (?:passage|source|part|notes?)))")
ALIKE, VERY_ALIKE = 0.55, 0.62
"""From here on a message sounds like a tool's question: of 400 questions about notes one that has numbers does."""
ASKING = re.compile(
    r"(?i)\b(?:what|which|whats|when does|at which|after how|where does)\b|\?\s*$|:\s*[a-z][^.:]{2,60}\?")
CONCEPT = re.compile(
    rf"""(?ix)^\W*(?:(?:so|and|but|ok|okay|well|hi|hey|please|can\ you|could\ you|would\ you|pls)\W+)*
    (?:why|explain|describe|define|discuss|tell\ me|list|name|give|compare|contrast|who|where|should
    |when\ (?:should|would|is|to|do|not)
    |what\ (?:can|could|might|may|would)\ go\ wrong\b
    |what(?:'s|s|\ is|\ are)?\ (?:the\ )?(?:difference|role|effect|impact|problem|risk|consequence|cause|job|point
        |meaning|purpose|reason|advantage|disadvantage|weakness|drawback|idea|benefit|trade-?off|steps?|stages?|layers?
        |phases?)\b
    |how\ (?:do|does|can|could|should|would|did|to|is|are|come|might)\b(?!\ {_HOW}\b))""")
MEANING = re.compile(
    r"(?i)\bwhy\b|\bexplain\b|\bdifference between\b|\bpros and cons\b|\bversus\b|\bwhat does\b[^?]*\bmean\b"
    r"|\bwhat (?:does it|do you) mean\b|\bhow (?:do|can|should|would) (?:i|we|you)\b|\bhow come\b"
    r"|\b(?:good|useful|used) for\b")
WHY = re.compile(r"(?i)\bwhy\b|\bexplain\b")
WHERE = re.compile(r"(?i)^\W*(?:where|when) (?:is|does|do|are)\b")
YES_NO = re.compile(r"(?i)^\W*(?:is|are|does|do|can|could|will|would)\b")
ADVICE = re.compile(r"(?i)\b(?:should|may|must|ought|recommend\w*|typical\w*|usual\w*|default|best)\b")
ELSEWHERE = re.compile(
    r"(?i)\b(?:in|from|of|by|to) (?:my|the|our|your|these|those) (?:\S+ ){0,3}?(?:notes?|material|lessons?|course"
    r"|documents?|docs?|slides?|chapter|section|text|checklist|example|handbook|runbook|wiki)\b"
    r"|\baccording to (?:my|the|our|your|these|those|this)\b"
    r"|\b(?:notes?|documents?|docs?|text|author|lesson) (?:say|says|quote|claims?|gives?|mentions?|states?|recommend)"
    r"|\.(?:md|pdf|docx?|txt)\b")
"""The answer stands in the learner's own material: looked up, not computed."""
REMARK = re.compile(r"\([^()]*\)")
TOOLISH = re.compile(r"(?i)[a-z]\.[a-z]|\b(?:run|use|open|call|start|try|launch|tool|calculator|simulator|lab|sheet)\b")
GIVEN = re.compile(r"(?i)(?:\b(?:of|with)|[=:])\s*$")
ASKING_WORD = re.compile(r"(?i)\b(?:what|which|whats|when|where|how)\b")
FOCUS = re.compile(
    rf"(?i)\bhow {_HOW}\b|\b(?:what|which|what's|whats)\b|[.:,]\s+(?=[^.:,?]{{3,50}}\?\s*$)")
SHARE = re.compile(r"(?i)\bhow (?:likely|probable)\b|\b(?:probability|chances?|odds)\b|\bwhat (?:share|fraction|percentage|percent)\b"
                   r"|\bhow many (?:percent|%)")
UNIT = re.compile(r"(?i)\b(?:how many|in|number of|how much)\s+(?P<unit>[a-zµ]{1,12})"
                  r"(?:/(?P<per>s|sec|second)|\s+(?:per|a)\s+(?P<each>second))?\b")


def wanted(text: str, evidence: float, relevance: float, called: float, focus: float, telling: bool,
           likeness: float = 0.0) -> bool:
    """Whether to compute. `evidence` counts the message's numbers and options that the best tool takes, `relevance` and
    `called` how much its words speak of the tool, `focus` how much the tool gives what is asked for, `likeness` how much
    the whole sounds like a question for it."""
    if OPEN.search(text) and not NUMERIC.search(text) and not IMPERATIVE.search(text):
        return False
    if likeness >= VERY_ALIKE and evidence >= 1 and relevance >= 0.5 and not (CONCEPT.search(text) or MEANING.search(text)):
        return True
    asks = ASKING.search(text) or NUMERIC.search(text) or IMPERATIVE.search(text)
    if likeness >= ALIKE and asks and (evidence >= 2 or (evidence >= 0.9 and NUMERIC.search(text))) and telling:
        return True
    if likeness >= ALIKE and SHOW.search(text):
        return True
    if YES_NO.match(text) and not MEANING.search(text):
        return evidence >= 2 and called >= 0.5 and telling
    if MEANING.search(text) or (CONCEPT.search(text) and not IMPERATIVE.search(text)):
        asked = NUMERIC.search(text) or (WHERE.match(text) and relevance >= 1.5)
        return bool(asked) and evidence >= 2 and relevance >= 0.8 and not WHY.search(text)
    if IMPERATIVE.search(text):
        return called >= 0.5
    if NUMERIC.search(text):
        unmistakable = relevance >= 3 and focus >= 0.95 and not ADVICE.search(text)
        return evidence >= 2 or (evidence >= 0.9 and relevance >= 0.85) or unmistakable
    lone = telling and ((evidence >= 1 and relevance >= 0.85) or (evidence >= 1.3 and relevance >= 0.65))
    return bool(ASKING.search(text)) and (evidence >= 1.7 or lone)


def ordered(text: str) -> bool:
    """Whether the message orders a run: "simulate …", "plot …", "calculate …"."""
    return bool(IMPERATIVE.search(text))


def could_ask(text: str) -> bool:
    """Whether a message without any number may still want a run: it orders one, asks how many, or names a tool."""
    return bool(IMPERATIVE.search(text) or NUMERIC.search(text) or TOOLISH.search(text))


def elsewhere(text: str) -> bool:
    """Whether the message asks what some text says."""
    return bool(ELSEWHERE.search(REMARK.sub(" ", text)))


def idle(quantity: Quantity) -> bool:
    """Whether a number may be left over: a name, an idiom, or a small number in words ("two services")."""
    return quantity.weak or (quantity.unit == "count" and quantity.value <= 4 and quantity.text.isalpha())


def telling(text: str, quantity: Quantity) -> bool:
    """Whether a lone number is more than a way of speaking: it has a unit, is broken, large, or given beforehand."""
    if quantity.unit not in ("count", "multiple") or quantity.value > 20 or quantity.value != int(quantity.value):
        return True
    if GIVEN.search(text[max(0, quantity.start - 12): quantity.start]):
        return True
    ask = ASKING_WORD.search(text)
    return ask is not None and quantity.end <= ask.start() and not quantity.weak


def asked_spans(text: str) -> list[tuple[int, int]]:
    """Where the words stand that name what is asked for: after "how many", "which", or in a closing "Peak QPS?"."""
    return [(match.end(), match.end() + 60) for match in FOCUS.finditer(text)]


def asked_units(text: str) -> frozenset[tuple[str, float]]:
    """(dimension, scale) of the units that the answer is wanted in: "how many GB", "in ms"; a probability is a fraction.

    >>> asked_units("How many megabytes per second is that?")
    frozenset({('bytes/s', 1000000.0)})
    """
    found = (measure(match["unit"], match["per"] or match["each"] or "") for match in UNIT.finditer(text))
    units = {(each.unit, each.scale) for each in found if each is not None and each.unit != "multiple"}
    return frozenset(units | {("fraction", 1.0)} if SHARE.search(text) else units)
