"""Which tool a plain-language question wants, with which arguments. Knows tools by their hints, none by name."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.offline import revisit, sequels
from agent.offline.chooser import Choice, LastCall, Likeness
from agent.offline.completing import complete, shown
from agent.offline.fitting import fit
from agent.offline.parameters import Slot
from agent.offline.placing import Fit
from agent.offline.profiles import UNTELLING, Profile, fields_of, profile_of
from agent.offline.quantity import Quantity
from agent.offline.reading import Reading
from agent.offline.vocabulary import FUNCTION
from agent.offline.wishes import ALIKE, asked_spans, asked_units, could_ask, elsewhere, ordered, telling, wanted
from tools.base import ToolError
from tools.registry import Registry

LONGEST = 2_000
"""Characters of a message that are read: a computing question is short."""
CANDIDATES = 12
GIVEN = 1.0
RIVALS, RIVAL_MARGIN = 4, 2.0
SIBLING = 0.8
LEXICAL, CALLED, FOCUS, UNIT, LIKENESS = 0.9, 0.3, 1.1, 0.5, 2.0
UNUSED, EXCUSED, MISSING, GUESSED = 0.8, 0.3, 1.1, 0.4
EXACT, INEXACT, TOOL = 0.7, -0.2, 0.4
"""What speaks for a candidate: words of the tool, its own phrases, the asked-for word and unit among its outputs;
against it: numbers it can't take, values it lacks or guesses. A formula that takes everything beats a tool, others
don't. Set by hand on the tools' example questions, where a random search found nothing better."""
LEAST, LEAST_ORDERED = 1.5, 0.4
"""Below this total no tool fits; less is needed for an order ("simulate a token bucket")."""
CONTRARY = -0.5
"""For the unit of a formula that gives another one than is asked for."""
TELLING = 100
"""From here on a number that equals a default is no accident."""
RATES = {"bytes/s": "bit/s", "bit/s": "bytes/s"}
NAME = re.compile(
    r"(?i)(?<![\w.])(?P<dotted>[a-z]+\.[a-z0-9_]+)(?![\w.])"
    r"|\b(?:run|use|open|call|start|try|launch)\s+(?:the\s+)?(?P<used>[a-z0-9]+(?:-[a-z0-9]+)*)(?!-)\b"
    r"|\b(?P<kind>[a-z0-9]+(?:[- ][a-z0-9]+){0,3}?)\s+(?:tool|calculator|simulator|lab|sheet)\b")


@dataclass(frozen=True)
class Asked:
    """What a question asks for: the words after "how many", and units as (dimension, scale)."""

    words: tuple[str, ...]
    units: frozenset[tuple[str, float]]


@dataclass(frozen=True)
class Candidate:
    """A tool that may fit, how its parameters do, and how much its words speak for it."""

    profile: Profile
    fit: Fit
    total: float
    relevance: float
    called: float
    focus: float
    named: bool
    likeness: float


class SlotChooser:
    """Chooses among a registry's tools. Everything about the tools is prepared once, here."""

    def __init__(self, registry: Registry, likeness: Likeness | None = None) -> None:
        self._likeness: Likeness = likeness or (lambda question: {})
        self._profiles = [profile_of(tool) for tool in registry]
        self._by_name = {profile.tool.name: profile for profile in self._profiles}
        self._places = {profile.tool.name: at for at, profile in enumerate(self._profiles)}
        self._readers = [at for at, profile in enumerate(self._profiles) if any(slot.pattern for slot in profile.slots)]
        self._shapes = {slot.told for profile in self._profiles for slot in profile.slots if slot.told}
        self._weights: dict[str, list[tuple[int, float]]] = defaultdict(list)
        fields = [fields_of(profile) for profile in self._profiles]
        spread = Counter(word for each in fields for word in each)
        self._rarity = {word: 1 - math.log(count) / math.log(len(fields) + 1) for word, count in spread.items()}
        for at, each in enumerate(fields):
            for word, weight in each.items():
                self._weights[word].append((at, weight * self._rarity[word]))

    def choose(self, question: str, previous: LastCall | None = None) -> Choice | None:
        """The tool and arguments that a question wants, or None when it wants no computation.

        `previous` is the last call, for messages that only change something. Never raises, whatever the text.
        """
        text = question[:LONGEST]
        if not text.strip() or elsewhere(text):
            return None
        reading = Reading(text)
        if previous is None and not (reading.quantities or reading.written or could_ask(text) or self._told(text)):
            return None
        found = self.candidates(reading)
        best = next((each for each in found if each.named or _takes_enough(each, reading)), None)
        if previous is not None and (changed := self._continued(previous, reading, best, found)) is not None:
            return changed
        fitting = [each for each in found if each.named or _takes_enough(each, reading)] if best is not None else []
        choices = [self._choice(each, reading) for each in fitting[:RIVALS]
                   if each.total >= fitting[0].total - RIVAL_MARGIN and self._wanted(each, reading)]
        # What its tool refuses was most likely meant for another; if all refuse, the first one's words tell why.
        return next((each for each in choices if not each.missing and self._runs(each)), choices[0] if choices else None)

    def _told(self, text: str) -> bool:
        """Whether some tool's text stands in the message in its plain form: "between kafka and kafak"."""
        return any(re.search(shape, text) for shape in self._shapes)

    def _choice(self, chosen: Candidate, reading: Reading, previous: LastCall | None = None) -> Choice:
        """`previous` is what a sequel has its other values from; they are told."""
        left = [quantity.text for quantity in _left(chosen.profile.slots, chosen.fit, reading)]
        args = {slot.name: chosen.fit.args[slot.name] for slot in chosen.profile.slots if slot.name in chosen.fit.args}
        own = fit(chosen.profile.slots, reading).args if previous is not None else args
        kept = tuple(f"{name} = {shown(value)} (from before)" for name, value in args.items() if name not in own)
        return complete(chosen.profile, args, kept + tuple(f"{text} isn't used" for text in left))

    def _runs(self, choice: Choice) -> bool:
        """Whether a tool takes these arguments; a calculator is tried, as that costs microseconds."""
        tool = self._by_name[choice.tool].tool
        try:
            tool.validate(choice.args) if tool.kind == "simulator" or tool.measures else tool.run(choice.args)
        except ToolError:
            return False
        return True

    def _continued(self, previous: LastCall, reading: Reading, best: Candidate | None, found: Sequence[Candidate]) -> Choice | None:
        """The last call with a change, or another tool on its numbers, whichever the message's words speak for more."""
        sequel = self._sequel(previous, reading, best, found)
        changed = self._revised(previous, reading, best)
        if sequel is None or changed is None:
            return changed or (self._choice(sequel, reading, previous) if sequel else None)
        last = fit(self._by_name[changed.tool].slots, reading)
        return self._choice(sequel, reading, previous) if sequel.fit.strong + sequel.focus > last.strong + last.named else changed

    def _sequel(self, previous: LastCall, reading: Reading, best: Candidate | None, found: Sequence[Candidate]) -> Candidate | None:
        """The best other tool that goes on with numbers of the last computation, unless `best` needs none of them."""
        last = self._by_name.get(previous.tool.split("@")[0])
        if last is None or not sequels.goes_on(reading.text):
            return None
        rated: list[tuple[float, str, Candidate]] = []
        for each in found:
            slots, missing, name = each.profile.slots, each.fit.missing, each.profile.tool.name
            taken = sequels.inherited(missing, previous.args, last.slots, previous.values)
            if each.profile is last or taken is None or not _takes_enough(each, reading):
                continue
            kept = sequels.shared(slots, previous.args, last.slots, {**each.fit.args, **taken})
            family = SIBLING * (each.profile.tool.group == last.tool.group or name.split(".")[0] == last.tool.name.split(".")[0])
            total = each.total + MISSING * len(missing) + family
            if not (taken or kept) or total < LEAST + SIBLING or not (each.focus or each.called or each.likeness >= ALIKE - 0.1):
                continue
            going_on = replace(each, fit=replace(each.fit, args={**kept, **each.fit.args, **taken}, missing=[]))
            if self._runs(self._choice(going_on, reading)):
                rated.append((total, name, going_on))
        total, _, sequel = max(rated, key=lambda each: each[:2]) if rated else (0.0, "", None)
        alone = best is not None and not best.fit.missing and best.fit.strong >= 1 and self._wanted(best, reading)
        return None if best is not None and alone and best.total >= total else sequel

    def _revised(
        self, previous: LastCall, reading: Reading, best: Candidate | None,
    ) -> Choice | None:
        """The last call with a change, unless the message is a question of its own."""
        last = self._by_name.get(previous.tool.split("@")[0])
        if last is None:
            return None
        insists = revisit.insists(reading.text) and revisit.takes_all(last.slots, previous.args, reading)
        enough = 2.0 if best is not None and best.profile is last else 1.7
        if not insists and best is not None and best.fit.strong >= enough and self._wanted(best, reading):
            return None
        args = revisit.revised(last.slots, previous.args, reading, last.gives)
        return complete(last, args) if args is not None else None

    def _wanted(self, best: Candidate, reading: Reading) -> bool:
        if best.named:
            return True
        if len(best.fit.missing) > 1 or best.total < (LEAST_ORDERED if ordered(reading.text) else LEAST):
            return False
        if best.fit.written and not (best.fit.used or best.called >= 0.5 or best.relevance >= 1.5):
            return False  # a word that a text could be isn't one yet
        clear = best.fit.written or any(telling(reading.text, reading.quantities[at]) for at in best.fit.used)
        evidence = best.fit.strong + best.fit.named
        return wanted(reading.text, evidence, best.relevance, best.called, best.focus, clear, best.likeness)

    def candidates(self, reading: Reading) -> list[Candidate]:
        """The tools that the words speak for, the best first."""
        scores: dict[int, float] = defaultdict(float)
        for word in reading.places:
            for at, weight in self._weights.get(word, ()):
                scores[at] += weight
        top = sorted(scores, key=lambda at: (-scores[at], at))[:CANDIDATES]
        if any(part.kind in ("call", "system") for part in reading.written):
            top += [at for at in self._readers if at not in top]
        likeness = self._likeness(reading.text)
        top += [at for name in sorted(likeness, key=lambda name: (-likeness[name], name))[:CANDIDATES]
                if (at := self._places[name]) not in top]
        named = self._named(reading.text)
        if named is not None and (at := self._profiles.index(named)) not in top:
            top.append(at)
        asked = Asked(_asked_words(reading), asked_units(reading.text))
        weighed = [self._weigh(self._profiles[at], scores.get(at, 0.0), reading, asked, self._profiles[at] is named,
                               likeness.get(self._profiles[at].tool.name, 0.0)) for at in top]
        return sorted(weighed, key=lambda each: (not each.named, -each.total, each.profile.tool.name))

    def _named(self, text: str) -> Profile | None:
        """A tool that the message names in full: "avail.series", "run limiter-race", "the traffic-sheet calculator"."""
        for match in NAME.finditer(text):
            name = match["dotted"] or (match["used"] or match["kind"]).lower().replace(" ", "-")
            if name in self._by_name:
                return self._by_name[name]
        return None

    def _weigh(self, profile: Profile, lexical: float, reading: Reading, asked: Asked, named: bool,
               likeness: float) -> Candidate:
        found = fit(profile.slots, reading)
        called = sum(self._worth(phrase) for phrase in profile.phrases if reading.find(phrase)) + 3.0 * named
        focus = sum(self._rarity.get(word, 0.0) * (1.5 if word in profile.name else 1.0)
                    for word in asked.words if word in profile.gives)
        kinds = {dimension for dimension, _ in profile.units}
        unit = max((1.0 if each in profile.units else 0.6 if each[0] in kinds or RATES.get(each[0]) in kinds else 0.0
                    for each in asked.units), default=0.0)
        if asked.units and not unit and profile.tool.kind == "formula" and profile.tool.unit:
            unit = CONTRARY
        left = _left(profile.slots, found, reading)
        example = _runs_example(profile.slots, found)
        excused = len(reading.quantities) - len(found.used) - len(left)
        unused = 1.2 * example + EXCUSED * excused + sum(_loss(quantity) for quantity in left)
        whole = bool(found.args) and not (found.missing or found.guessed or left)
        kind = EXACT if whole and not example else INEXACT if profile.tool.kind == "formula" else TOOL
        share = 1.0 if found.written else min(1.0, (lexical + called) / 1.2)
        total = (LEXICAL * lexical + CALLED * called + FOCUS * min(focus, 3.0) + UNIT * unit + kind
                 + LIKENESS * likeness + found.score * share - UNUSED * unused - MISSING * len(found.missing)
                 - GUESSED * len(found.guessed) - GIVEN * _asks_for_given(profile.slots, found, asked))
        relevance = lexical + called + 0.3 * unit + 0.2 * focus
        return Candidate(profile, found, total, relevance, called, focus, named, likeness)

    def _worth(self, phrase: tuple[str, ...]) -> float:
        """More, the rarer its words are among the tools, and the more of them there are."""
        rarity = [self._rarity.get(word, 1.0) for word in phrase if word not in FUNCTION] or [0.2]
        return min(1.5, max(rarity) * (0.7 + 0.3 * len(rarity)))


def _asks_for_given(slots: Sequence[Slot], found: Fit, asked: Asked) -> bool:
    """Whether the tool would be told what is asked for: "how many accumulation steps" isn't one of its inputs."""
    wanted = set(asked.words)
    given = (phrase for slot in slots if slot.name in found.args for phrase in slot.phrases)
    return any(len(phrase.stems) > 1 and set(phrase.stems) <= wanted for phrase in given)


def _takes_enough(candidate: Candidate, reading: Reading) -> bool:
    """A formula has to take every number (or three of four); a tool more than it leaves."""
    found = candidate.fit
    left = len(_left(candidate.profile.slots, found, reading))
    if candidate.profile.tool.kind == "formula":
        sure = not found.missing and not found.guessed
        return not left or (sure and (left == 1 and found.strong >= 3 or left <= 2 and found.strong >= 1 and candidate.relevance >= 3.5))
    # Not "left < used": a shown example may hold numbers; but a tool that takes none of them answers something else.
    return left < max(2, len(found.used)) and (bool(found.used) or not left or candidate.named)


def _left(slots: Sequence[Slot], found: Fit, reading: Reading) -> list[Quantity]:
    """The numbers that the tool doesn't take; one that says what it would take anyway ("a real day has 86,400") isn't missed."""
    defaults = {slot.default for slot in slots if slot.name not in found.args and isinstance(slot.default, int | float)}
    return [quantity for quantity in reading.left(found.used) if quantity.value not in defaults or quantity.value < TELLING]


def _loss(quantity: Quantity) -> float:
    """What it costs to leave a number unused."""
    return 0.2 if quantity.original == "clock" else 1.0


def _runs_example(slots: tuple[Slot, ...], found: Fit) -> bool:
    """Whether the tool would work on its built-in example (a trace, a list of events) instead of what was told."""
    for slot in slots:
        if slot.kind not in ("text", "list") or slot.name in found.args:
            continue
        switched = any(other.kind == "choice" and slot.name in [option for option, _ in other.options]
                       and found.args.get(other.name, slot.name) != slot.name for other in slots)
        if isinstance(slot.default, str | list | tuple) and len(slot.default) > 1 and not switched:
            return True
    return False


def _asked_words(reading: Reading) -> tuple[str, ...]:
    """The telling words for what is asked: the first four after each "how many" and the like."""
    found: list[str] = []
    for low, high in asked_spans(reading.text):
        telling_words = [word for word, start, _ in reading.words if low <= start < high and word not in UNTELLING]
        found += telling_words[:4]
    return tuple(dict.fromkeys(found))
