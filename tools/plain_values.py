"""Values of a result: told without the noise of binary fractions, freed of subnormals, checked for infinity. Knows no tool."""

from __future__ import annotations

import math
import sys
from typing import Any

DIGITS, EXACT = 12, 1e15
"""Digits that are told, and where whole numbers stop being exact to a reader."""


def readable(value: Any) -> str:
    """A value in a sentence: what binary fractions leave behind the twelfth digit isn't told.

    >>> readable(999.9999999999998), readable(0.1 + 0.2), readable(1e21), readable(2**60), readable([0.1 * 3, True])
    ('1000', '0.3', '1e+21', '1152921504606846976', '[0.3, True]')
    """
    if isinstance(value, float) and math.isfinite(value):
        rounded = value if value.is_integer() and abs(value) < EXACT else float(f"{value:.{DIGITS}g}")
        return repr(rounded).removesuffix(".0")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {readable(each)}" for key, each in value.items()) + "}"
    return "[" + ", ".join(readable(each) for each in value) + "]" if isinstance(value, list | tuple) else str(value)


def flushed(value: Any) -> Any:
    """Subnormal numbers as 0, as hardware does that flushes them: no system has them, and 1 over one isn't finite."""
    if isinstance(value, float):
        return 0.0 if abs(value) < sys.float_info.min else value
    if isinstance(value, dict):
        return {key: flushed(each) for key, each in value.items()}
    return type(value)(flushed(each) for each in value) if isinstance(value, list | tuple) else value


def finite(value: Any) -> bool:
    """Whether no number inside is infinite or none at all."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):  # numbers are looked at here, for a call each would cost more than many a run
        return all(math.isfinite(each) if isinstance(each, float) else isinstance(each, int | str) or finite(each) for each in value)
    return not isinstance(value, float) or math.isfinite(value)
