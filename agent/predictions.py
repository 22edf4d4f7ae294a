"""Predict, then run: what to ask a learner before a result is shown, and how far a reply was off. Knows results, not tools."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from agent.offline.measures import measure
from agent.offline.quantities import read_quantities
from agent.sentences import content_stems

DECLINES = re.compile(r"(?i)\b(?:(?:just|please) (?:run|show|tell|compute|do)|run it|go ahead|skip|no (?:idea|clue)|don'?t know|dunno"
                      r"|can'?t (?:say|guess)|tell me|show me|pass)\b")
CONFIDENCE = re.compile(r"(?i)(?P<before>\d{1,3}(?:\.\d+)?)\s*(?:%|percent)\s*(?:sure|certain|confident|confidence)?|"
                        r"\b(?:confidence|sure|certain)\w*\s*(?:of|is|:|=|about)?\s*(?P<after>0?\.\d+|\d{1,3})\b")
WORDS = {"very sure": 0.9, "pretty sure": 0.8, "fairly sure": 0.7, "quite sure": 0.75, "certain": 0.95, "unsure": 0.3, "guess": 0.3,
         "50/50": 0.5, "fifty-fifty": 0.5}


@dataclass(frozen=True)
class Prediction:
    """A learner's number in the unit that was asked for, and how sure they are of it, from 0 to 1 (None: not said)."""

    value: float
    confidence: float | None = None


def question_for(result: dict[str, Any], asked: str) -> dict[str, Any] | None:
    """{"name","unit","text"}: what the learner is asked to predict; None when the result has no number."""
    name = asked_value(result, asked)
    if name is None:
        return None
    unit = str(result.get("units", {}).get(name, ""))
    tool = str(result.get("tool", "")).split("@")[0]
    what = "the result" if name == "result" else name.replace("_", " ")
    counted = f" (in {unit})" if unit else ""
    text = (f"Before I run {tool}: what do you expect for {what}{counted}? Say a number and how sure you are, such as \"about 500, "
            "70% sure\"; or \"just run it\".")
    return {"name": name, "unit": unit, "text": text}


def asked_value(result: dict[str, Any], asked: str) -> str | None:
    """The name of the value that a question is about: the one whose words it has most of, the first among equals."""
    names = [name for name, value in result.get("values", {}).items() if isinstance(value, int | float) and not isinstance(value, bool)]
    wanted = content_stems(asked)
    return max(names, key=lambda each: (len(content_stems(each.replace("_", " ")) & wanted), -names.index(each)), default=None)


def read_prediction(reply: str, unit: str) -> Prediction | None:
    """The number and the confidence in a reply; None when it holds no number.

    >>> read_prediction("about 3k, 70% sure", "rps")
    Prediction(value=3000.0, confidence=0.7)
    >>> read_prediction("2 hours", "min")
    Prediction(value=120.0, confidence=None)
    """
    sure = _confidence(reply, unit)
    text = reply if sure is None or sure[1] is None else reply[: sure[1][0]] + " " * (sure[1][1] - sure[1][0]) + reply[sure[1][1]:]
    found = [quantity for quantity in read_quantities(text) if not quantity.weak] or read_quantities(text)
    if not found:
        return None
    quantity, slashed = found[0], unit.partition("/")
    target = measure(slashed[0], slashed[2]) if unit else None
    value = quantity.number
    if target is not None and quantity.unit == target.unit:
        value = quantity.value / target.scale
    return Prediction(float(value), sure[0] if sure else None)


def declined(reply: str) -> bool:
    """Whether the learner would rather see the result at once."""
    return bool(DECLINES.search(reply))


def compared(prediction: Prediction, result: dict[str, Any], name: str) -> dict[str, Any]:
    """{"name","unit","value","confidence","actual","error_factor"}; the factor is max(value/actual, actual/value), None when one
    of them is 0 or their signs differ."""
    actual = float(result["values"][name])
    value = prediction.value
    factor = 1.0 if value == actual else max(value / actual, actual / value) if value * actual > 0 else None
    return {"name": name, "unit": str(result.get("units", {}).get(name, "")), "value": value, "confidence": prediction.confidence,
            "actual": actual, "error_factor": factor}


def told(compared_: dict[str, Any], figure: Any) -> str:
    """One sentence for the learner; `figure` writes a number."""
    unit = f" {compared_['unit']}" if compared_["unit"] else ""
    sure = f" ({compared_['confidence']:.0%} sure)" if compared_["confidence"] is not None else ""
    factor = compared_["error_factor"]
    off = "the sign or a zero is off" if factor is None else "right on it" if factor < 1.005 else f"off by a factor of {factor:.3g}"
    return f"You expected {figure(compared_['value'])}{unit}{sure}; it is {figure(compared_['actual'])}{unit}: {off}."


def _confidence(reply: str, unit: str) -> tuple[float, tuple[int, int] | None] | None:
    """How sure, and where a number for it stands."""
    matches = list(CONFIDENCE.finditer(reply))
    percents = [match for match in matches if match["before"]]
    # Where a share is asked for, "5%, 80% sure" gives both in percent: the one that is sure, or else the second.
    named = [match for match in matches if re.search(r"(?i)sure|certain|confiden", match[0])]
    chosen = named[-1] if named else percents[-1] if len(percents) > 1 or percents and "fraction" not in unit and "%" not in unit else None
    if chosen is not None:
        number = float(chosen["before"] or chosen["after"])
        return min(1.0, number / 100 if chosen["before"] or number > 1 else number), chosen.span()
    word = next((word for word in WORDS if word in reply.lower()), None)
    return (WORDS[word], None) if word else None
