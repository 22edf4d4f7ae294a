"""Predict, then run: what to ask a learner before a result is shown, and how far a reply was off. Knows results, not tools."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from agent.offline.measures import measure
from agent.offline.quantities import read_quantities
from agent.sentences import content_stems

ORDERS = re.compile(r"(?i)\b(?:just|please) (?:run|show|tell|compute|do)\b|\brun it\b|\bgo ahead\b|\bskip (?:it|this|that)\b"
                    r"|\b(?:give|show|tell) me (?:it\b|the (?:answer|result|number))|\bshow it\b|\bthe (?:answer|result),? please\b"
                    r"|^\W*(?:(?:yes|ok(?:ay)?|i)\W+)?(?:run|go|next|skip|pass|no|nope|nah|never mind|(?:you )?(?:tell|show) me)\W*$")
NO_IDEA = re.compile(r"(?i)\bno (?:idea|clue)\b|\bdon'?t know\b|\b(?:idk|dunno)\b|\b(?:can'?t|cannot) (?:say|guess)\b|\bnot sure\b")
ASKS = re.compile(r"(?i)^\W*(?:(?:and|but|so|ok(?:ay)?|wait|hm+|well|actually|first)\W+)*"
                  r"(?:what(?! about (?:~|about )?\$?\d)|why|how|when|where|which|who|explain|describe|define|compare|list|does|do|can"
                  r"|could you|should(?! be)|are|remind me|tell me (?:about|what|how|why|where)|show me (?:where|how|what)|now"
                  r"|make it|make that|try|use|change|set|with|instead|check|grade|run [\w.-]+ (?:with|for))\b")
SENTENCE = re.compile(r"(?<=[.?!])\s+")
RATE = re.compile(r"(?i)\b(?:requests?|queries)\s+(?:per|an?|each|every)\s+second\b|\brps\b")
UNTOLD = ("", "count", "fraction")
EIGHT = {("bit", "bytes"): 1 / 8, ("bytes", "bit"): 8, ("bit/s", "bytes/s"): 1 / 8, ("bytes/s", "bit/s"): 8}
_SURE = r"(?:sure|certain|confident|confidence)"
CONFIDENCE = re.compile(rf"(?i)(?P<percent>\d{{1,3}}(?:\.\d+)?)\s*(?:%|percent)\s*{_SURE}?|(?P<share>(?<![\d.])[01]?\.\d+)\s*{_SURE}\b"
                        r"|\b(?:confidence\s*(?:of|is|:|=|about)?|(?:sure|certain|confident)\s*[:=])\s*(?P<after>0?\.\d+|\d{1,3})(?![\d.,]*\d)\b")
WORDS = tuple((re.compile(rf"(?i){pattern}"), sure) for pattern, sure in (
    (r"\b(?:not|n't) (?:\w+ )?(?:sure|certain|confident)\b|\bun(?:sure|certain)\b", 0.3), (r"\b50/50\b|\bfifty-fifty\b", 0.5),
    (r"\bvery sure\b", 0.9), (r"\bpretty sure\b", 0.8), (r"\bfairly sure\b", 0.7), (r"\bquite sure\b", 0.75), (r"\bcertain\b", 0.95),
    (r"\bguess\b", 0.3)))


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
    counted = " (as a fraction or in %)" if unit == "fraction" else f" (in {unit})" if unit not in UNTOLD else ""
    text = (f"Before I run {tool}: what do you expect for {what}{counted}? Say a number and how sure you are, such as \"about 500, "
            "70% sure\"; or \"just run it\".")
    return {"name": name, "unit": unit, "text": text}


def asked_value(result: dict[str, Any], asked: str) -> str | None:
    """The name of the value that a question is about: the one that has most of the words of its last sentence that asks, then of
    all of it, then fewest others; the first among equals."""
    names = [name for name, value in result.get("values", {}).items() if isinstance(value, int | float)
             and not isinstance(value, bool) and math.isfinite(value)]
    asking = [sentence for sentence in SENTENCE.split(asked) if sentence.endswith("?")]
    near, wide = _stems(asking[-1] if asking else asked), _stems(asked)

    def fit(name: str) -> tuple[int, int, int]:
        own = _stems(name.replace("_", " "))
        return len(own & near), len(own & wide) if not own & near else 0, -len(own - near)

    return max(names, key=fit, default=None)


def _stems(text: str) -> frozenset[str]:
    return content_stems(RATE.sub("qps", text))


def read_prediction(reply: str, unit: str) -> Prediction | None:
    """The number and the confidence in a reply; None when it holds no number.

    >>> read_prediction("about 3k, 70% sure", "rps")
    Prediction(value=3000.0, confidence=0.7)
    >>> read_prediction("2 hours", "min")
    Prediction(value=120.0, confidence=None)
    """
    sure = _confidence(reply, unit)
    text = reply if sure is None else reply[: sure[1][0]] + " " * (sure[1][1] - sure[1][0]) + reply[sure[1][1]:]
    text = re.sub(r"(?i)\bzero\b", "0", text)
    found = [quantity for quantity in read_quantities(text) if not quantity.weak] or read_quantities(text)
    if not found:
        return None
    quantity, slashed = found[0], unit.partition("/")
    target = measure(slashed[0], slashed[2]) if unit else None
    value = quantity.number
    if target is not None and (quantity.unit, target.unit) in EIGHT:
        value = quantity.value * EIGHT[quantity.unit, target.unit] / target.scale
    elif target is not None and quantity.unit == target.unit:
        value = quantity.value / target.scale
    return Prediction(float(value), sure[0] if sure else None)


def declined(reply: str) -> bool:
    """Whether the learner would rather see the result at once."""
    return bool(ORDERS.search(reply) or NO_IDEA.search(reply) and not re.search(r"\d", reply))


def asks(reply: str) -> bool:
    """Whether a reply is a question or an order of its own, whatever numbers it holds."""
    return bool(ASKS.match(reply)) and not ORDERS.search(reply)


def compared(prediction: Prediction, result: dict[str, Any], name: str) -> dict[str, Any]:
    """{"name","unit","value","confidence","actual","error_factor"}; the factor is max(value/actual, actual/value), None when one
    of them is 0, their signs differ, or it is beyond all numbers."""
    actual = float(result["values"][name])
    value = prediction.value
    factor = 1.0 if value == actual else max(value / actual, actual / value) if min(value, actual) > 0 or max(value, actual) < 0 else None
    factor = factor if factor is not None and math.isfinite(factor) else None
    return {"name": name, "unit": str(result.get("units", {}).get(name, "")), "value": value, "confidence": prediction.confidence,
            "actual": actual, "error_factor": factor}


def told(compared_: dict[str, Any], figure: Any, named: bool = False) -> str:
    """One sentence for the learner; `figure` writes a number. With `named` it says which value was expected: nobody was asked for it."""
    unit = f" {compared_['unit']}" if compared_["unit"] not in UNTOLD else ""
    sure = f" ({compared_['confidence']:.0%} sure)" if compared_["confidence"] is not None else ""
    factor = compared_["error_factor"]
    off = "the sign or a zero is off" if factor is None else "right on it" if factor < 1.005 else f"off by a factor of {factor:.3g}"
    lead = f"For {compared_['name']} you" if named else "You"
    return f"{lead} expected {figure(compared_['value'])}{unit}{sure}; it is {figure(compared_['actual'])}{unit}: {off}."


def _confidence(reply: str, unit: str) -> tuple[float, tuple[int, int]] | None:
    """How sure, and where that stands."""
    matches = list(CONFIDENCE.finditer(reply))
    percents = [match for match in matches if match["percent"]]
    # Where a share is asked for, "5%, 80% sure" gives both in percent: the one that is sure, or else the second.
    named = [match for match in matches if re.search(r"(?i)sure|certain|confiden", match[0])]
    chosen = named[-1] if named else percents[-1] if len(percents) > 1 or percents and "fraction" not in unit and "%" not in unit else None
    if chosen is not None:
        number = float(chosen["percent"] or chosen["share"] or chosen["after"])
        return min(1.0, number / 100 if chosen["percent"] or number > 1 else number), chosen.span()
    return next(((sure, found.span()) for pattern, sure in WORDS if (found := pattern.search(reply))), None)
