"""A tool's parameters as places that words and quantities of a sentence may fill. Knows units and names, no tool."""

from __future__ import annotations

import math
import re
import typing
from dataclasses import dataclass
from typing import Any, Literal

from pydantic.fields import FieldInfo

from agent.offline.measures import DAY_S, measure, seconds_in
from agent.offline.quantity import Quantity
from agent.offline.vocabulary import COMMON, FUNCTION, PREPOSITIONS, stems_of
from agent.sentences import stem
from tools.prose.found import Finder

Kind = Literal["number", "whole", "choice", "flag", "list", "text"]

PER_SECOND = 0.3
"""Grade of "100 rps" for a parameter that counts in a window of its own."""
BARE = 0.35
"""Grade of a number without unit for a parameter that has one."""
THINGS = frozenset(("servers", "replicas", "GPUs", "nodes", "workers", "cores", "layers", "components", "shards", "pods"))
"""What stands there and doesn't come and go: no rate is a number of them."""
SUFFIX = {
    "bytes": ("bytes", 1.0), "KB": ("bytes", 1e3), "MB": ("bytes", 1e6), "GB": ("bytes", 1e9), "TB": ("bytes", 1e12),
    "GiB": ("bytes", 2.0**30), "MiB": ("bytes", 2.0**20), "Gbps": ("bit/s", 1e9), "Mbps": ("bit/s", 1e6),
    "GBps": ("bytes/s", 1e9), "MBps": ("bytes/s", 1e6), "TFLOPs": ("FLOP/s", 1e12), "GFLOPs": ("FLOP/s", 1e9),
    "ns": ("s", 1e-9), "us": ("s", 1e-6), "ms": ("s", 1e-3), "s": ("s", 1.0), "min": ("s", 60.0), "h": ("s", 3600.0),
    "hours": ("s", 3600.0), "minutes": ("s", 60.0), "seconds": ("s", 1.0), "days": ("s", DAY_S),
    "years": ("s", 365 * DAY_S), "rps": ("count/s", 1.0), "qps": ("count/s", 1.0), "km": ("km", 1.0),
    "watts": ("W", 1.0), "bits": ("bit", 1.0), "erlangs": ("erlang", 1.0), "B": ("count", 1e9), "M": ("count", 1e6)}
"""What the end of a parameter's name says of its unit: (dimension, scale)."""
UNITS = {
    "fraction": ("fraction", 1.0), "requests/day": ("count/day", 1.0), "rps": ("count/s", 1.0),
    "tokens/s": ("count/s", 1.0), "billion parameters": ("count", 1e9), "USD": ("USD", 1.0), "Gbit/s": ("bit/s", 1e9),
    "bits": ("bit", 1.0), "FLOP": ("FLOP", 1.0), "FLOP/s": ("FLOP/s", 1.0), "B/s": ("bytes/s", 1.0),
    "years": ("s", 365 * DAY_S), "h": ("s", 3600.0)}


@dataclass(frozen=True, slots=True)
class Phrase:
    """Stems in order; `weight` above 1 is more telling. A `leading` phrase counts before the number only; an `exact`
    one must be written so (N, k, params)."""

    stems: tuple[str, ...]
    weight: float
    leading: bool = False
    exact: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter. A value is a quantity in base units over `scale`; `unitless` numbers may be shares as well; `told` is
    the expression that finds a text's plain form in a sentence, `finder` does so where one expression can't."""

    name: str
    kind: Kind
    dimension: str
    scale: float
    unitless: bool
    phrases: tuple[Phrase, ...]
    required: bool
    default: Any
    options: tuple[tuple[Any, tuple[str, ...]], ...] = ()
    pattern: str = ""
    said: str = ""
    low: float = -math.inf
    high: float = math.inf
    told: str = ""
    noun: str = ""
    finder: Finder | None = None


def slots_of(fields: dict[str, FieldInfo]) -> tuple[Slot, ...]:
    """The slots of a tool's parameters, in order."""
    return tuple(_slot(field.alias or name, field) for name, field in fields.items())


def convert(quantity: Quantity, slot: Slot) -> tuple[float, float] | None:
    """(value as the parameter counts it, how well the units agree from 0 to 1); None when they can't."""
    found = _converted(quantity, slot.dimension, slot)
    if found is None or not math.isfinite(found[0]):
        return None
    value = float(f"{found[0] / slot.scale:.12g}") if found[1] != BARE else found[0]
    if slot.kind == "whole":
        if abs(value - round(value)) < 1e-9 * max(1.0, abs(value)):
            value = round(value)
        elif slot.dimension == "count":
            return None
    return value, found[1]


def _converted(q: Quantity, to: str, slot: Slot) -> tuple[float, float] | None:
    """Grades: 1 the same dimension, less the more has to be assumed; BARE for a number without unit."""
    if to == q.unit:
        return q.value, 0.6 if q.weak and q.unit == "s" else 0.8 if q.original == "clock" else 1.0
    if to == "fraction":
        return (q.value, 0.7) if q.unit == "count" and 0 <= q.value <= 1 else None
    if to == "count":
        return _count(q, slot)
    if to == "count/day":
        return {"count/s": (q.value * DAY_S, 1.0 if q.per == DAY_S else 0.4), "count": (q.value, 0.5)}.get(q.unit)
    if to == "bytes/day":
        return {"bytes/s": (q.value * DAY_S, 1.0 if q.per == DAY_S else 0.4), "bytes": (q.value, 0.8)}.get(q.unit)
    if to == "bytes/s" and q.unit in ("bit/s", "bytes"):
        return (q.value / 8, 0.8) if q.unit == "bit/s" else (q.value, 0.4)
    if to == "bit/s" and q.unit in ("bytes/s", "bit"):
        return (q.value * 8, 0.8) if q.unit == "bytes/s" else (q.value, 0.4)
    if {to, q.unit} == {"FLOP", "FLOP/s"}:
        return q.value, 0.8
    if to == "bytes" and q.unit == "bytes/s" and q.per is not None:
        return q.number, 0.4
    if q.unit == "count" and not q.weak:
        return q.value, BARE
    return None


def _count(q: Quantity, slot: Slot) -> tuple[float, float] | None:
    if q.unit in ("multiple", "ratio"):
        return q.value, 0.9
    if q.unit == "count/s" and slot.noun in THINGS:
        return None
    if q.unit == "count/s" and not (slot.name.endswith("_day") and q.per != DAY_S):
        number = q.value if q.per is None else q.number
        return number, 0.95 if q.per == DAY_S and slot.name.endswith("_day") else PER_SECOND if q.per in (1, None) else 0.8
    if q.unit == "fraction" and slot.unitless:
        return q.value, 0.7
    return None


def _slot(name: str, field: FieldInfo) -> Slot:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    unit, words = str(extra.get("unit", "")), [str(word) for word in typing.cast(list[Any], extra.get("words", []))]
    kind, options = _kind(field.annotation)
    dimension, scale = _dimension(name, unit)
    pattern = next((str(meta.pattern) for meta in field.metadata if getattr(meta, "pattern", None)), "")
    noun = unit if dimension == "count" and unit not in ("count", "", "billion parameters") else ""
    default = None if field.is_required() else field.get_default(call_default_factory=False)
    return Slot(name, kind, dimension, scale, unit in ("", "count") and kind == "number", _phrases(name, words, noun),
                field.is_required(), default, options, pattern, _said(name, words, noun, unit), *_range(field),
                str(extra.get("told", "")), noun, next((meta for meta in field.metadata if isinstance(meta, Finder)), None))


def _range(field: FieldInfo) -> tuple[float, float]:
    bounds = {key: float(value) for item in field.metadata for key in ("ge", "gt", "le", "lt")
              if isinstance(value := getattr(item, key, None), int | float)}
    low = max((bounds[key] for key in ("ge", "gt") if key in bounds), default=-math.inf)
    return low, min((bounds[key] for key in ("le", "lt") if key in bounds), default=math.inf)


def _kind(annotation: Any) -> tuple[Kind, tuple[tuple[Any, tuple[str, ...]], ...]]:
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "choice", tuple((option, stems_of(str(option).replace("_", " "))) for option in inside)
    if annotation is bool:
        return "flag", ()
    if annotation is int:
        return "whole", ()
    if annotation is float:
        return "number", ()
    if annotation is str:
        return "text", ()
    if type(None) in inside and len(inside) == 2:
        return _kind(next(part for part in inside if part is not type(None)))
    flat = origin is not None and inside and all(part in (int, float) or part is ... for part in inside)
    return ("list", ()) if flat else ("text", ())


def _dimension(name: str, unit: str) -> tuple[str, float]:
    """From the name's suffix, or from the unit; a lone letter says nothing ("s" is a sequence length)."""
    if unit in UNITS:
        return UNITS[unit]
    if unit not in ("", "count") and _measured(unit) is None:
        return "count", 1.0
    last = name.rsplit("_", 1)[-1]
    if name.endswith("bytes_per_day"):
        return "bytes/day", 1.0
    if name.endswith("bits_per_s"):
        return "bit/s", 1.0
    if (often := re.search(r"_per_(s|min|h|hour|minute|second)$", name)) is not None:
        return "count/s", 1.0 / (seconds_in(often[1]) or 1.0)
    if last in SUFFIX and (len(name) > 1) and not (last in ("B", "M") and unit != "billion parameters"):
        return SUFFIX[last]
    return (_measured(unit) or ("count", 1.0)) if unit not in ("", "count") else ("count", 1.0)


def _measured(unit: str) -> tuple[str, float] | None:
    if unit in SUFFIX and unit not in ("B", "M", "s"):
        return SUFFIX[unit]
    if (seconds := seconds_in(unit)) is not None:
        return "s", seconds
    word, _, slashed = unit.partition("/")
    found = measure(word, slashed)
    return (found.unit, found.scale) if found else None


def _phrases(name: str, words: list[str], noun: str) -> tuple[Phrase, ...]:
    found: dict[tuple[tuple[str, ...], str], Phrase] = {}
    for word in words:
        stems = stems_of(word)
        if len(word) == 1 or not stems:
            found[(stems, word)] = Phrase((stem(word),), 1.0, leading=True, exact=word)
            continue
        plain = all(part in PREPOSITIONS for part in word.lower().split())
        leading = plain or (word.lower().startswith(("at ", "from ", "on ")) and word not in ("at a time", "at once"))
        found[(stems, "")] = Phrase(stems, 0.7 if plain else 1.0 + 0.2 * (len(stems) - 1), leading=leading)
    spoken = [part for part in name.split("_") if part not in SUFFIX and part not in ("per", "of") and len(part) > 1]
    if spoken and (stems := stems_of(" ".join(spoken))) and (stems, "") not in found:
        found[(stems, "")] = Phrase(stems, 0.9 + 0.2 * (len(stems) - 1))
    if "duration" in name or "horizon" in name:
        found |= {((word,), ""): Phrase((word,), 0.6, leading=True) for word in ("for", "in", "over", "dure")}
    for part in spoken if len(spoken) > 1 and not words else []:
        if (single := stems_of(part)) and single[0] not in COMMON and (single, "") not in found:
            found[(single, "")] = Phrase(single, 0.45)
    if noun and (stems := stems_of(noun)) and (stems, "") not in found:
        found[(stems, "")] = Phrase(stems, 0.8)
    if len(name) <= 2 and not any(phrase.exact == name for phrase in found.values()):
        found[((), name)] = Phrase((stem(name),), 1.0, leading=True, exact=name)
    return tuple(found.values())


def _said(name: str, words: list[str], noun: str, unit: str) -> str:
    """What a missing value is called when asking for it: "the number of daily users"."""
    nouns = (word for word in words if len(word) > 1 and not all(part in FUNCTION for part in word.split()))
    spoken = next(nouns, " ".join(part for part in name.split("_") if part not in SUFFIX) or name)
    if noun.endswith("s"):
        named = stem(noun.split()[0]) in (stem(part) for part in spoken.split())
        return f"the number of {spoken if named else noun}"
    return f"the {spoken}" if noun or unit in ("", "count", "fraction") else f"the {spoken} (in {unit})"
