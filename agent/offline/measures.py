"""Units of computing as people write them, each with its dimension and scale. Knows spellings, not sentences."""

from __future__ import annotations

import re
from dataclasses import dataclass

DAY_S = 86_400.0
BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60}
DECIMAL = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
MAGNITUDES = {"k": 1e3, "K": 1e3, "m": 1e6, "M": 1e6, "mn": 1e6, "mln": 1e6, "mio": 1e6, "B": 1e9, "bn": 1e9, "Bn": 1e9,
              "b": 1e9, "T": 1e12, "tn": 1e12, "G": 1e9, "hundred": 100.0, "thousand": 1e3, "million": 1e6,
              "millions": 1e6, "milion": 1e6, "billion": 1e9, "billions": 1e9, "trillion": 1e12, "trillions": 1e12,
              "dozen": 12.0}
TIMES = {"ns": 1e-9, "nanosecond": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "microsecond": 1e-6, "ms": 1e-3,
         "msec": 1e-3, "millisecond": 1e-3, "milli": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0,
         "minute": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "d": DAY_S, "day": DAY_S, "week": 7 * DAY_S,
         "wk": 7 * DAY_S, "month": 30 * DAY_S, "year": 365 * DAY_S, "yr": 365 * DAY_S, "y": 365 * DAY_S}
"""Seconds; a month has 30 days and a year 365."""
PREFIX_WORDS = {"kilo": 1e3, "mega": 1e6, "giga": 1e9, "tera": 1e12, "peta": 1e15, "exa": 1e18, "kibi": 2.0**10,
                "mebi": 2.0**20, "gibi": 2.0**30, "tebi": 2.0**40, "pebi": 2.0**50}
RATES = {"rps", "qps", "tps", "iops", "rpm", "qpm"}
ERLANGS = {"erlang", "erl"}
MONEY = {"usd": 1.0, "dollar": 1.0, "buck": 1.0, "eur": 1.0, "euro": 1.0, "cent": 0.01}
LENGTHS = {"km": 1.0, "kilometre": 1.0, "kilometer": 1.0, "mile": 1.609344}
POWERS = {"W": 1.0, "kW": 1e3, "MW": 1e6, "watt": 1.0, "kilowatt": 1e3, "megawatt": 1e6}

_SIZE = re.compile(r"(?P<prefix>[KMGTPE]i|[kKMGTPE])?(?P<kind>Bytes?|bytes?|bits?|[Bb])(?P<rate>ps)?")
_SLOPPY = re.compile(r"(?P<prefix>[kmgtp]i?)(?P<kind>bytes?|bits?|b)(?P<rate>ps)?")
_WORDED = re.compile(r"(?P<prefix>kilo|mega|giga|tera|peta|exa|kibi|mebi|gibi|tebi|pebi)?(?P<kind>byte|bit)s?")
_FLOPS = re.compile(r"(?:(?P<prefix>[kKMGTPEZ]|kilo|mega|giga|tera|peta|exa)?(?:flops?|FLOPS?|FLOPs)|"
                    r"(?P<short>[GTPEZ])F)(?P<rate>ps)?")


@dataclass(frozen=True, slots=True)
class Measure:
    """`unit` is the base unit of the dimension (bytes, bit, bytes/s, bit/s, s, fraction, count, count/s, USD, FLOP,
    FLOP/s, km, W, multiple); a number times `scale` is in it."""

    unit: str
    scale: float


def measure(word: str, slashed: str = "") -> Measure | None:
    """The unit that a word names, `slashed` being what follows a slash ("Gb", "s"); None when it is no unit.

    Capitals count: Mb is megabits and MB megabytes. All small, "mb" is bytes and "mbps" bits.

    >>> measure("GiB"), measure("Gb", "s")
    (Measure(unit='bytes', scale=1073741824.0), Measure(unit='bit/s', scale=1000000000.0))
    """
    per = 1.0
    if slashed:
        seconds = seconds_in(slashed)
        if seconds is None:
            return None
        per = seconds
    found = _size(word, bool(slashed)) or _flops(word, bool(slashed)) or _other(word)
    if found is None or not slashed:
        return found
    if found.unit in ("bytes", "bit", "FLOP", "count"):
        return Measure(f"{found.unit}/s", found.scale / per)
    return Measure(found.unit, found.scale / per) if found.unit == "FLOP/s" else None


def seconds_in(word: str) -> float | None:
    """Seconds of a unit of time in singular, plural or short ("sec", "hours", "h")."""
    lowered = word if word in TIMES else word.lower()
    if lowered in TIMES:
        return TIMES[lowered]
    return TIMES.get(lowered[:-1]) if lowered.endswith("s") and len(lowered) > 2 else None


def _size(word: str, rate: bool) -> Measure | None:
    """Bytes or bits. "kb" and "mb" in small letters are sloppy: bytes as a size, bits as a rate."""
    found = _SIZE.fullmatch(word) or _SLOPPY.fullmatch(word)
    if found is None:
        worded = _WORDED.fullmatch(word.lower())
        if worded is None:
            return None
        return Measure("bytes" if worded["kind"] == "byte" else "bit", PREFIX_WORDS.get(worded["prefix"] or "", 1.0))
    prefix, kind, rate = found["prefix"] or "", found["kind"], rate or bool(found["rate"])
    capital = prefix[:1].upper() + prefix[1:]
    scale = BINARY.get(capital) or DECIMAL.get(capital, 1.0)
    sloppy = kind == "b" and bool(prefix) and word == word.lower()
    bits = rate if sloppy else kind.startswith("b") and not kind.startswith("byte")
    return Measure(("bit" if bits else "bytes") + ("/s" if found["rate"] else ""), scale)


def _flops(word: str, rate: bool) -> Measure | None:
    found = _FLOPS.fullmatch(word)
    if found is None:
        return None
    prefix = found["prefix"] or found["short"] or ""
    scale = PREFIX_WORDS.get(prefix) or DECIMAL.get(prefix, 1e21 if prefix == "Z" else 1.0)
    per_second = bool(found["rate"]) or (word.endswith(("S", "F")) and not rate)
    return Measure("FLOP/s" if per_second else "FLOP", scale)


def _other(word: str) -> Measure | None:
    lowered = word.lower()
    singular = lowered[:-1] if lowered.endswith("s") and len(lowered) > 2 else lowered
    if (seconds := seconds_in(word)) is not None and word not in ("S", "D", "H", "MS", "Y"):
        return Measure("s", seconds)
    if lowered in RATES:
        return Measure("count/s", 1 / 60 if lowered.endswith("pm") else 1.0)
    if singular == "gig":
        return Measure("bytes", 1e9)
    if singular in ERLANGS:
        return Measure("erlang", 1.0)
    if singular in MONEY:
        return Measure("USD", MONEY[singular])
    if singular in LENGTHS:
        return Measure("km", LENGTHS[singular])
    if word in POWERS or singular in ("watt", "kilowatt", "megawatt"):
        return Measure("W", POWERS.get(word) or POWERS[singular])
    if lowered in ("%", "percent", "pct"):
        return Measure("fraction", 0.01)
    if lowered in ("x", "×", "times", "fold"):
        return Measure("multiple", 1.0)
    return None
