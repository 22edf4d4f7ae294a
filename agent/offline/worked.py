"""A learner's own estimate that wants checking: told from a question, parted into problem and work, and told back. Checks nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from agent.followup import Past
from agent.offline.draft import Draft
from agent.offline.understand import Understanding

TOOL = "estimate-check"
WORK = r"(?:estimat\w*|calculations?|math|maths|arithmetic|numbers|working|workings|work|steps|attempt|reasoning|envelope)"
WANTS = re.compile(
    rf"(?i)\b(?:grade|check|mark|review|verify|correct|go over|look over)\b[^.\n?=]{{0,40}}\b{WORK}\b"
    rf"|\b(?:is|are|does|do|did)\b[^.\n?=]{{0,30}}\b{WORK}\b[^.\n?=]{{0,20}}\b(?:right|correct|ok|okay|hold|add up|make sense|off)\b"
    rf"|\bwhere\b[^.\n?=]{{0,20}}\bwrong\b|\bwhat(?:'s| is) wrong\b|\bwrong (?:step|with)\b|\bmy {WORK}\b"
    r"|\bdid i (?:get|do)\b|\bis (?:this|that) right\b")
EQUATION = re.compile(r"\d[^=≈→\n]*[-+*/×÷x^][^=≈→\n]*\s*(?:=|≈|→|->)\s*~?\s*(?:about |roughly )?\$?\d")
FACTOR = re.compile(r"(?i)\bwithin (?:a )?(?:factor (?:of )?(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*(?:x|×|times))")
PARTS = re.compile(r"(?<=[.;:?!])\s+|\n+")
ASK = re.compile(rf"(?i)^(?:please |can you |could you )?(?:grade|check|mark|review|verify)\b[^.\n?=\d]*\b{WORK}\b[^.\n?=\d]*[:.?]?\s*")


def estimate_to_check(question: str, history: Sequence[Past]) -> dict[str, Any] | None:
    """Arguments of the check: `work`, and the `problem` from the same message or the turn before; None when no estimate of
    the learner's own is there. Two equations are one without being asked for; a single one needs the wish."""
    if len(question) > 6_000 or not (found := EQUATION.findall(question)):
        return None
    if len(found) < 2 and not WANTS.search(question):
        return None
    parts = [part for part in PARTS.split(question) if part.strip()]
    start = next((at for at, part in enumerate(parts) if EQUATION.search(part)), 0)
    told = [ASK.sub("", part) for part in parts[:start]]
    problem = " ".join(part for part in told if re.search(r"\d", part) or not WANTS.search(part)).strip()
    if not re.search(r"\d", problem) and history and re.search(r"\d", history[-1].question):
        problem = f"{history[-1].question} {problem}".strip()
    args: dict[str, Any] = {"work": "\n".join(ASK.sub("", part) for part in parts[start:])}
    if problem:
        args["problem"] = problem
    if factor := FACTOR.search(question):
        args["factor"] = float(factor[1] or factor[2])
    return args


def checked_draft(look: Understanding, result: dict[str, Any]) -> Draft:
    """Each step with its verdict, then the result's."""
    values = result["values"]
    lines = [str(result["summary"]), ""]
    lines += [f"{at}. `{step['equation']}` {step['verdict']}" for at, step in enumerate(values["steps"], start=1)]
    follow_up = "Can you mend that step and send it again?" if values["first_wrong_step"] else "Which of the inputs are you least sure of?"
    return Draft("\n".join(lines), "answered", follow_up, {"topic": look.topic, "query": look.query}, own_voice=True)
