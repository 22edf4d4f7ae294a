"""Units of time, data, money and work with their dimensions. Knows factors, not expressions."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache

from tools.base import ToolError

Dimensions = tuple[int, int, int, int]
"""Powers of time, data, money and floating-point operations."""

NONE: Dimensions = (0, 0, 0, 0)
TIME, DATA, MONEY, WORK = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)
NAMES = ("time", "data", "money", "work")
NS = 1
SECOND = 10**9
DAY = 86_400 * SECOND
BIT, BYTE = 1, 8


@dataclass(frozen=True)
class Unit:
    """`times / per` base units: nanoseconds, bits, US dollars, floating-point operations. Two whole numbers keep rates exact."""

    name: str
    dimensions: Dimensions = NONE
    times: int = 1
    per: int = 1
    bits: bool = False

    @property
    def factor(self) -> int | float:
        return self.times if self.per == 1 else self.times / self.per


def find_unit(name: str) -> Unit:
    """Raises ToolError with the nearest names."""
    units = _table()
    unit = _found(name)
    if unit is None:
        near = difflib.get_close_matches(name, units, 3, 0.6)
        hint = f"did you mean {', '.join(near)}?" if near else "units are such as s, min, h, day, KB, GiB, Gbps, rps, users, USD."
        raise ToolError(f"calculate knows no unit or function {name[:30]!r}; {hint}")
    return unit


def is_unit(name: str) -> bool:
    """Without looking for names that are near, which takes longer."""
    return _found(name) is not None


def _found(name: str) -> Unit | None:
    units = _table()
    return units.get(name) or units.get(name.lower()) or units.get(name.removesuffix("s"))


def describe(dimensions: Dimensions) -> str:
    """In words: "data / time", "a plain number"."""
    above = [_power(name, power) for name, power in zip(NAMES, dimensions, strict=True) if power > 0]
    below = [_power(name, -power) for name, power in zip(NAMES, dimensions, strict=True) if power < 0]
    if not above and not below:
        return "a plain number"
    return " * ".join(above or ["1"]) + "".join(f" / {each}" for each in below)


def _power(name: str, power: int) -> str:
    return name if power == 1 else f"{name}^{power}"


@cache
def _table() -> dict[str, Unit]:
    return _times() | _data() | _counts()


def _times() -> dict[str, Unit]:
    sizes = {("ns", "nanosecond"): NS, ("us", "µs", "μs", "microsecond"): 1_000, ("ms", "millisecond"): 10**6,
             ("s", "sec", "second"): SECOND, ("min", "minute"): 60 * SECOND, ("h", "hr", "hour"): 3600 * SECOND,
             ("day", "d"): DAY, ("week",): 7 * DAY, ("month",): 30 * DAY, ("year", "yr"): 365 * DAY}
    return {name: Unit(names[0], TIME, size) for names, size in sizes.items() for name in names}


def _data() -> dict[str, Unit]:
    found = {"B": Unit("B", DATA, BYTE), "byte": Unit("B", DATA, BYTE), "bytes": Unit("B", DATA, BYTE),
             "bit": Unit("bit", DATA, BIT, bits=True), "bps": Unit("bps", (-1, 1, 0, 0), BIT, SECOND, bits=True)}
    for power, letter in enumerate("KMGTPE", start=1):
        decimal, binary = 1000**power, 1024**power
        for symbol in {letter, "k" if letter == "K" else letter}:
            found[f"{symbol}B"] = Unit(f"{letter}B", DATA, BYTE * decimal)
            found[f"{symbol}Bps"] = Unit(f"{letter}Bps", (-1, 1, 0, 0), BYTE * decimal, SECOND)
            found[f"{symbol}bit"] = Unit(f"{letter}bit", DATA, BIT * decimal, bits=True)
            found[f"{symbol}bps"] = Unit(f"{letter}bps", (-1, 1, 0, 0), BIT * decimal, SECOND, bits=True)
        found[f"{letter.lower()}bps"] = found[f"{letter}bps"]
        found[f"{letter}iB"] = Unit(f"{letter}iB", DATA, BYTE * binary)
        found[f"{letter}ibit"] = Unit(f"{letter}ibit", DATA, BIT * binary, bits=True)
    return found


def _counts() -> dict[str, Unit]:
    found = {name: Unit(name, (-1, 0, 0, 0), 1, SECOND) for name in ("rps", "qps", "tps")}
    found |= {"USD": Unit("USD", MONEY), "dollar": Unit("USD", MONEY)}
    for power, letter in enumerate(("", "K", "M", "G", "T", "P", "E")):
        found[f"{letter}FLOP"] = Unit(f"{letter}FLOP", WORK, 1000**power)
        found[f"{letter}FLOPS"] = Unit(f"{letter}FLOPS", (-1, 0, 0, 1), 1000**power, SECOND)
    plain = ("user", "request", "query", "queries", "event", "message", "record", "row", "item", "key", "token", "call", "replica",
             "server", "node", "machine", "GPU", "core", "worker", "image", "vector", "write", "read", "operation", "op", "click", "copy",
             "copies")
    return found | {name: Unit(name) for name in plain}
