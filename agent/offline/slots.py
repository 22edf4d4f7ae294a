"""Which tool a plain-language question wants, and with which arguments. Knows wording and tools' hints, no tool by name."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.offline.fitting import Fit, Reading, fit
from agent.offline.measures import measure
from agent.offline.moves import Choice
from agent.offline.parameters import COMMON, FUNCTION, SUFFIX, Slot, slots_of, stems_of
from tools.base import Tool, ToolError
from tools.registry import Registry

LONGEST = 2_000
"""Characters of a message that are read: a computing question is short."""
CANDIDATES = 20
FIELDS = {"words": 1.0, "name": 0.8, "outputs": 0.55, "summary": 0.45, "parameters": 0.3}
FORMULA_SUMMARY = 0.7
W = {"lexical": 0.9, "called": 0.3, "focus": 0.8, "unit": 0.7, "unused": 0.8, "missing": 1.1, "guessed": 0.25, "exact": 0.5, "inexact": -0.8, "tool": 0.4}
_HOW = r"(?:many|much|long|big|large|often|fast|high|low|small|likely|busy|available|full|soon|far|late|wide|probable|close|reliable|safe|idle)"
IMPERATIVE = re.compile(
    r"(?i)(?:^|[.!?:;,]\s+|\b(?:please|can you|could you|let'?s|let me|i want to|i'?d like to|i would like to|now|to|and)\s+)"
    r"(?:please\s+)?(?:simulate|plot|draw|graph|chart|calculate|compute|work out|estimate|figure out|visuali[sz]e|run (?!into|out|on\b)|show me (?:a|the) (?:plot|simulation|curve))\b")
NUMERIC = re.compile(
    rf"(?i)\bhow {_HOW}\b|\b(?:what|which)(?:'s| is| are)?(?: the)?(?: \w+)? (?:share|fraction|percentage|percent|probability|chance|odds|number|amount)\b|\bby how (?:many|much)\b")
ASKING = re.compile(r"(?i)\b(?:what|which|whats|when does|at which|after how|where does)\b|\?\s*$|:\s*[a-z][^.:]{2,60}\?")
CONCEPT = re.compile(
    rf"""(?ix)^\W*(?:(?:so|and|but|ok|okay|well|hi|hey|please|can\ you|could\ you|would\ you|pls)\W+)*
    (?:why|explain|describe|define|discuss|tell\ me|list|name|give|compare|contrast|who|where|is|are|does|do|should|can|could|will|would|when\ (?:should|would|is|to|do|not)
    |what(?:'s|s|\ is|\ are)?\ (?:the\ )?(?:difference|point|meaning|purpose|reason|advantage|disadvantage|weakness|drawback|idea|benefit|trade-?off|steps?|stages?|layers?|phases?)\b
    |how\ (?:do|does|can|could|should|would|did|to|is|are|come|might)\b(?!\ {_HOW}\b))""")
MEANING = re.compile(r"(?i)\bwhy\b|\bdifference between\b|\bexplain\b|\bpros and cons\b|\bwhat does\b[^?]*\bmean\b|\bwhat (?:does it|do you) mean\b|\bversus\b|\bhow (?:do|can|should|would) (?:i|we|you)\b|\bhow come\b")
ELSEWHERE = re.compile(
    r"(?i)\b(?:in|from|of|by|to) (?:my|the|our|your|these|those) (?:\S+ ){0,3}?(?:notes?|material|lessons?|course|documents?|docs?|slides?|chapter|section|text|checklist|example|handbook|runbook|wiki)\b"
    r"|\baccording to\b|\b(?:notes?|documents?|docs?|text|author|lesson) (?:say|says|quote|claims?|gives?|mentions?|states?|recommend)|\.(?:md|pdf|docx?|txt)\b")
NAME = re.compile(r"(?i)(?<![\w.])(?P<dotted>[a-z]+\.[a-z0-9_]+)(?![\w.])|\b(?:run|use|open|call|start|try|launch)\s+(?:the\s+)?(?P<used>[a-z0-9]+(?:-[a-z0-9]+)*)(?!-)\b|"
                  r"\b(?P<kind>[a-z0-9]+(?:[- ][a-z0-9]+)*?)\s+(?:tool|calculator|simulator|lab|sheet)\b")
UNIT_ASKED = re.compile(r"(?i)\b(?:how many|in|number of|how much)\s+(?P<unit>[a-zµ]{1,12})(?:/(?P<per>s|sec|second)|\s+(?:per|a)\s+(?P<each>second))?\b")
FOCUS = re.compile(rf"(?i)\bhow {_HOW}\b|\b(?:what|which|what's|whats)\b|[.:,]\s+(?=[^.:,?]{{3,50}}\?\s*$)")
UNIT_WORDS = frozenset("ms s us ns min minut hour h day second millisecond gb mb tb kb byte gbp mbp gbit mbit percent".split())


@dataclass(frozen=True)
class Profile:
    """A tool as the chooser sees it: its slots, the phrases that call for it, its outputs' units."""

    tool: Tool
    slots: tuple[Slot, ...]
    phrases: tuple[tuple[str, ...], ...]
    name: tuple[str, ...]
    endings: frozenset[str]
    gives: frozenset[str]


@dataclass(frozen=True)
class Candidate:
    """A tool that may fit: how well its words do, how well its parameters do, and both weighed."""

    profile: Profile
    fit: Fit
    lexical: float
    called: float
    total: float
    feats: tuple = ()


class SlotChooser:
    """Chooses among a registry's tools. Everything about the tools is prepared once, here."""

    def __init__(self, registry: Registry) -> None:
        self._profiles = [_profile(tool) for tool in registry]
        self._by_name = {profile.tool.name: profile for profile in self._profiles}
        self._weights: dict[str, list[tuple[int, float]]] = defaultdict(list)
        fields = [_fields(profile) for profile in self._profiles]
        spread = Counter(word for each in fields for word in each)
        self._rarity = {word: 1 - math.log(count) / math.log(len(fields) + 1) for word, count in spread.items()}
        for at, each in enumerate(fields):
            for word, weight in each.items():
                self._weights[word].append((at, weight * self._rarity[word]))

    def choose(self, question: str, previous: tuple[str, Mapping[str, Any]] | None = None) -> Choice | None:
        """The tool and arguments that a question wants, or None when it wants no computation.

        `previous` is the last call, for messages that only change something. Never raises on any text.
        """
        text = question[:LONGEST]
        if not text.strip() or ELSEWHERE.search(text):
            return None
        reading = Reading(text)
        best = self._best(reading)
        if best is None or not wanted(text, reading, best):
            return None
        return _choice(best)

    def _best(self, reading: Reading) -> Candidate | None:
        candidates = self.candidates(reading)
        return candidates[0] if candidates else None

    def candidates(self, reading: Reading) -> list[Candidate]:
        """The tools that the words speak for, the best first."""
        scores: dict[int, float] = defaultdict(float)
        for word in reading.places:
            for at, weight in self._weights.get(word, ()):
                scores[at] += weight
        named = self._named(reading.text)
        top = sorted(scores, key=lambda at: (-scores[at], at))[:CANDIDATES]
        weighed = [self._weigh(self._profiles[at], scores[at], reading, self._profiles[at] is named) for at in top]
        if named is not None and all(each.profile is not named for each in weighed):
            weighed.append(self._weigh(named, 0.0, reading, True))
        return sorted(weighed, key=lambda each: (-each.total, each.profile.tool.name))

    def _named(self, text: str) -> Profile | None:
        """A tool that the message names in full: "avail.series", "run limiter-race", "the traffic-sheet calculator"."""
        for match in NAME.finditer(text):
            name = match["dotted"] or (match["used"] or match["kind"]).lower().replace(" ", "-")
            if name in self._by_name:
                return self._by_name[name]
        return None

    def _weigh(self, profile: Profile, lexical: float, reading: Reading, named: bool) -> Candidate:
        found = fit(profile.slots, reading)
        called = sum(self._telling(phrase) for phrase in profile.phrases if reading.find(phrase))
        called += 3.0 if named else 0.0
        left = [q for at, q in enumerate(reading.quantities) if at not in found.used]
        unused = sum(0.2 if quantity.weak or quantity.unit == "s" and quantity.original == "clock" else 1.0 for quantity in left)
        exact = profile.tool.kind == "formula" and not found.missing and not found.guessed and not any(not quantity.weak for quantity in left)
        kind = (0.35 if exact else -0.2) if profile.tool.kind == "formula" else 0.5
        focus = sum(self._rarity.get(word, 0.0) for word in _focus(reading) if word in profile.gives)
        unit = 0.5 if profile.endings & _asked(reading.text) else 0.0
        relevance = min(1.0, (lexical + called) / 1.2)
        unused += 1.2 if _runs_example(profile.slots, found) else 0.0
        total = (W["lexical"] * lexical + W["called"] * called + W["focus"] * min(focus, 3.0) + found.score * relevance + W["unit"] * unit + kind
                 - W["unused"] * unused - W["missing"] * len(found.missing) - W["guessed"] * len(found.guessed))
        return Candidate(profile, found, lexical, called, total, (lexical, called, min(focus, 3.0), found.score * relevance, unit, kind, unused, len(found.missing), len(found.guessed), exact))

    def _telling(self, phrase: tuple[str, ...]) -> float:
        rarity = [self._rarity.get(word, 1.0) for word in phrase if word not in FUNCTION] or [0.2]
        return min(1.5, max(rarity) * (0.7 + 0.3 * len(rarity)))


def wanted(text: str, reading: Reading, best: Candidate) -> bool:
    """Whether the message wants a number or an experiment, rather than an explanation. Conservative."""
    evidence = best.fit.strong + best.fit.named
    if best.called >= 3.0:
        return True
    if MEANING.search(text) or (CONCEPT.search(text) and not IMPERATIVE.search(text)):
        return bool(NUMERIC.search(text)) and evidence >= 2 and not re.search(r"(?i)\bwhy\b|\bexplain\b", text)
    if best.called + best.lexical < 0.8 or len(best.fit.missing) > 1:
        return False
    if IMPERATIVE.search(text):
        return best.called >= 0.5 and (evidence >= 0.4 or best.called >= 1.0)
    if NUMERIC.search(text):
        return evidence >= 0.9
    return bool(ASKING.search(text)) and evidence >= 1.0


def _runs_example(slots: tuple[Slot, ...], found: Fit) -> bool:
    """Whether the tool would work on its built-in example data (a trace, a list of events), not on what was told."""
    named = {str(found.args[slot.name]) for slot in slots if slot.kind == "choice" and slot.name in found.args}
    switches = {str(option) for slot in slots if slot.kind == "choice" for option, _ in slot.options}
    return any(slot.kind in ("text", "list") and slot.name not in found.args and isinstance(slot.default, str | list | tuple) and len(slot.default) > 1
               and not (slot.name in switches and named - {slot.name} and any(
                   slot.name in (str(option) for option, _ in other.options) and other.name in found.args for other in slots if other.kind == "choice"))
               for slot in slots)


def _choice(best: Candidate) -> Choice:
    args = {slot.name: best.fit.args[slot.name] for slot in best.profile.slots if slot.name in best.fit.args}
    return complete(best.profile, args)


def complete(profile: Profile, args: dict[str, Any]) -> Choice:
    """A choice with what was assumed and what is missing. Text that its tool can't read is left out; a number out of
    range stays, as the tool's own error names the range."""
    missing = tuple(dict.fromkeys(slot.said for slot in profile.slots if slot.required and slot.name not in args))
    if not missing:
        try:
            profile.tool.validate(args)
        except ToolError:
            loose = {slot.name for slot in profile.slots if slot.kind in ("text", "list") and not slot.required}
            fewer = {name: value for name, value in args.items() if name not in loose}
            args = fewer if len(fewer) < len(args) and _valid(profile.tool, fewer) else args
    assumed = tuple(f"{slot.name} = {_shown(slot.default)} (default)" for slot in profile.slots
                    if slot.name not in args and not slot.required and slot.default not in (None, "", [], ()))
    return Choice(profile.tool.name, args, assumed, missing)


def _valid(tool: Tool, args: Mapping[str, Any]) -> bool:
    try:
        tool.validate(args)
    except ToolError:
        return False
    return True


def _shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = str(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return f"{value:,.10g}" if abs(value) >= 1 and abs(value) < 1e15 else f"{value:g}"


def _focus(reading: Reading) -> list[str]:
    """The words right after "how many", "what is the" or before the question mark: what is asked for."""
    found: list[str] = []
    for match in FOCUS.finditer(reading.text):
        following = [word for word, start, _ in reading.words if match.end() <= start < match.end() + 60 and word not in COMMON and word not in UNIT_WORDS]
        found += following[:4]
    return list(dict.fromkeys(found))


def _asked(text: str) -> frozenset[str]:
    """Dimensions of the units that the answer is wanted in: "how many GB", "in ms"."""
    found = (measure(match["unit"], match["per"] or match["each"] or "") for match in UNIT_ASKED.finditer(text))
    return frozenset(each.unit for each in found if each is not None and each.unit != "multiple")


def _profile(tool: Tool) -> Profile:
    outputs = _outputs(tool)
    endings = {SUFFIX[part][0] for name in outputs for part in name.split("_")[1:] or [name] if part in SUFFIX}
    if tool.unit and (found := measure(*tool.unit.split("/")[:2])) is not None:
        endings.add(found.unit)
    return Profile(tool, slots_of(tool.params.model_fields), tuple(stems for word in tool.words if (stems := stems_of(word))),
                   stems_of(re.sub(r"[-._]", " ", tool.name)), frozenset(endings),
                   frozenset(_gives(tool, outputs)))


def _gives(tool: Tool, outputs: list[str]) -> set[str]:
    """Words for what the tool works out."""
    texts = [" ".join(outputs).replace("_", " "), re.sub(r"[-._]", " ", tool.name), *tool.words]
    texts.append(re.split(r"[:;(]", tool.summary)[0] if tool.kind == "formula" else "")
    return {word for text in texts for word in stems_of(text) if word not in COMMON and word not in UNIT_WORDS}


def _outputs(tool: Tool) -> list[str]:
    """Names of what a tool gives, as far as its cases tell, and its own name's last part for a formula."""
    names = [name for case in tool.cases for name in case.expected if name != "result"]
    names += [ask.value for ask in tool.asks if ask.value != "result"]
    if tool.kind == "formula":
        names += [tool.name.split(".", 1)[-1], tool.unit.replace("/", "_")]
    return list(dict.fromkeys(names))


def _fields(profile: Profile) -> dict[str, float]:
    """Each word of a tool with the weight of the best place it stands in."""
    tool = profile.tool
    places: dict[str, Iterable[str]] = {
        "words": (word for phrase in profile.phrases for word in phrase), "name": profile.name,
        "outputs": stems_of(" ".join(_outputs(tool)).replace("_", " ")), "summary": stems_of(tool.summary),
        "parameters": (word for slot in profile.slots for phrase in slot.phrases for word in phrase.stems)}
    weights: dict[str, float] = {}
    for place, words in places.items():
        for word in words:
            if word not in COMMON and len(word) > 1:
                weight = FORMULA_SUMMARY if place == "summary" and tool.kind == "formula" else FIELDS[place]
                weights[word] = max(weights.get(word, 0.0), weight)
    return weights
