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
    r"|\bdid i (?:get|do|make)\b|\bis (?:this|that) right\b|\b(?:right|correct)\s*\?"
    r"|\b(?:where|what)(?:'s| is| are) (?:the|my) (?:error|mistake|slip)s?\b"
    r"|\bany (?:error|mistake|slip)s?\b")
EQUALS = re.compile(r"[=≈→]|->")
OPERATION = re.compile(r"[-+*/×÷^]|(?<![A-Za-z])x(?![A-Za-z])")
RESULT = re.compile(r"\s*~?\s*(?:about |roughly )?\$?\d")
EXPLAINS = re.compile(r"(?i)\b(?:explain|why|what does|mean)\b")
FACTOR = re.compile(r"(?i)\bwithin (?:a )?(?:factor (?:of )?(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*(?:x|×|times))")
PARTS = re.compile(r"(?<=[.;:?!])\s+|\n+")
ASK = re.compile(rf"(?i)^(?:please |can you |could you )?(?:grade|check|mark|review|verify)\b[^.\n?=\d]*\b(?:{WORK}|this|that|it)\b"
                 r"[^.\n?=\d]*[:.?]?\s*")


def estimate_to_check(question: str, history: Sequence[Past]) -> dict[str, Any] | None:
    """Arguments of the check: `work`, and the `problem` from the same message or the turn before; None when no estimate of
    the learner's own is there. Two equations are one without being asked for; a single one needs the wish."""
    if len(question) > 6_000 or not (signs := _equations(question)):
        return None
    stated = [sign for sign in signs if sign in "=≈"]
    if not WANTS.search(question) and (len(stated) < 2 or EXPLAINS.search(question)):
        return None
    parts = [part for part in PARTS.split(question) if part.strip()]
    start = next((at for at, part in enumerate(parts) if _equations(part)), 0)
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


def _equations(text: str) -> list[str]:
    """The equals sign of each: before it a number with an operation after it, a number behind it."""
    found: list[str] = []
    for line in text.splitlines():
        start = 0
        for sign in EQUALS.finditer(line):
            number = re.search(r"\d", line[start:sign.start()])
            if number and OPERATION.search(line, start + number.end(), sign.start()) and RESULT.match(line, sign.end()):
                found.append(sign[0])
            start = sign.end()
    return found


def checked_draft(look: Understanding, result: dict[str, Any]) -> Draft:
    """Each step with its verdict, then the result's."""
    values = result["values"]
    lines = [str(result["summary"]), ""]
    lines += [f"{at}. `{step['equation']}` {step['verdict']}" for at, step in enumerate(values["steps"], start=1)]
    follow_up = "Can you mend that step and send it again?" if values["first_wrong_step"] else "Which of the inputs are you least sure of?"
    return Draft("\n".join(lines), "answered", follow_up, {"topic": look.topic, "query": look.query}, own_voice=True)
