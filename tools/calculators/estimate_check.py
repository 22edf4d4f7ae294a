"""A learner's worked estimate, graded line by line; knows arithmetic and the usual slips, no system's right answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tools.arithmetic import quantity
from tools.base import Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.plot_axes import figure
from tools.slips import PEAK, REPLICAS, Slip, slip_in
from tools.working import Equation, numbers_in, put_right, read_working

LONGEST = 6_000
COUNTS = {"two": 2, "twice": 2, "double": 2, "three": 3, "triple": 3, "four": 4, "five": 5, "six": 6, "ten": 10}
_COUNT = r"(?P<n>\d+(?:\.\d+)?|" + "|".join(COUNTS) + ")"
REPLICATION = (re.compile(rf"(?i)\b{_COUNT}\s*(?:x|×|-?fold|-?way)?\s*(?:replicas?\b|replication|copies)"),
               re.compile(rf"(?i)\breplicat\w*(?:\s+factor)?(?:\s+of|\s+is|\s*[=:])?\s*{_COUNT}"),
               re.compile(rf"(?i)\b(?:replicated|stored|kept)\s+{_COUNT}(?:x|\s+times)"))
PEAKING = (re.compile(rf"(?i)\bpeak\w*\b[^.\d?]{{0,30}}?{_COUNT}\s*(?:x\b|×|times|the (?:average|mean))"),
           re.compile(rf"(?i)\b{_COUNT}\s*(?:x\b|×|times)?[^.\d?]{{0,24}}?\bpeak\b(?!\s*\d)"))
OF_DATA = re.compile(r"\)?\s*(?:[kKMGTPE]i?)?(?:B|bit|[Bb]ps|bytes?)s?\b")
SAYS_REPLICAS = re.compile(r"(?i)\breplica|\bcop(?:y|ies)\b|\bRF\b")
SAYS_PEAK = re.compile(r"(?i)\bpeak")
UNIT = re.compile(r"\d(?:[eE][+-]?\d+)?[kKMBGT]?\s+(?P<apart>(?:per\s+|an?\s+|/\s*)?[A-Za-z%]+(?:\s*(?:/|per)\s*[A-Za-z]+)?)"
                  r"|\d(?P<glued>[KMGTP]?i?B(?:/s)?|[KMGT]?bps)\b")
ASKS_AVERAGE = re.compile(r"(?i)\b(?:average|mean)\b[^.?]*\?")


class EstimateCheck(Params):
    work: str = param(min_length=1, max_length=LONGEST, words=["work", "my estimate"],
                      help='one step a line, "what = expression = result", such as "12M users * 8 requests / day = 1,111 rps"')
    problem: str = param("", max_length=LONGEST, help="what was to be estimated; peaks and copies that it names must be used")
    answer: str = param("", max_length=200, help='the right result with its unit, such as "3,333 rps"; left out, it is worked out '
                                                 "from the steps")
    factor: float = param(2.0, ge=1.0, le=1000.0, words=["within a factor of", "tolerance"],
                          help="how far off the result may be and still be accepted")


@dataclass(frozen=True)
class Checked:
    """A step, its own slip, and by how much its result is off in all, with what it took over from earlier lines."""

    step: Equation
    slip: Slip | None
    off: float


@tool("estimate-check", group="A", words=["check my estimate", "grade my estimate", "grade my calculation", "check my math",
                                          "where is my estimate wrong"],
      example={"problem": "12M daily users, 8 requests each, peak 3x: peak rps?",
               "work": "12M users * 8 requests = 96M a day\n96M / 100,000 = 960 rps\n960 * 3 = 2,880 rps"},
      cases=[Case({"work": "12M * 8 = 96M per day\n96M / 86400 = 1,111 rps", "problem": "12M daily users, 8 requests each"},
                  {"accepted": True, "first_wrong_step": 0, "kind": ""}, source="arithmetic"),
             Case({"work": "500 GB / 10 Gbps = 50 s"},
                  {"accepted": False, "first_wrong_step": 1, "kind": "bits and bytes", "right": 400.0, "error_factor": 8.0}, rel=1e-9,
                  source="8 bits a byte"),
             Case({"work": "10M * 1 KB = 10 GB a day\n10 GB * 365 = 3.65 TB",
                   "problem": "10M posts of 1 KB a day, kept a year, three copies. How much storage?"},
                  {"accepted": False, "first_wrong_step": 2, "kind": "forgotten replication", "right": 10.95}, rel=1e-9,
                  source="3 x 3.65 TB"),
             Case({"work": "96M per day\n96M / 100,000 = 960 rps", "problem": "96M requests a day: how many a second?"},
                  {"accepted": True, "first_wrong_step": 1, "kind": "day length", "right": 1111.111}, rel=1e-6,
                  source="86,400 s a day")])
def estimate_check(p: EstimateCheck, seed: int) -> ToolResult:
    """Checks a back-of-the-envelope estimate step by step, with units, and names the first wrong step.

    Each equation is checked by itself: the left side is computed, and the result may be rounded as far as its digits show. What
    goes wrong is told by its factor: 8 is bits for bytes, 1.024 to some power is GB for GiB, 0.864 a day of 100,000 s, a power of
    1,000 a prefix, 60, 3,600, 24, 30 or 365 a unit of time; anything else is arithmetic. A bare number counts what was spoken of
    last. A later step that goes on from a wrong one isn't blamed again. If the problem names copies that no step uses, or a peak
    when the result is an average, that is the slip of the last step. The result is accepted within the stated factor, also when a
    step is wrong: an estimate needs its order of magnitude.

    People get wrong: bits and bytes, GB and GiB, the average for the peak, the copies, and the length of a day.
    Sources: arithmetic; IEC 80000-13 for prefixes.

    >>> r = estimate_check(EstimateCheck(work="500 GB / 10 Gbps = 50 s"), 0)
    >>> r.values["first_wrong_step"], r.values["kind"], r.values["right"]
    (1, 'bits and bytes', 400.0)
    """
    steps = _checked(read_working(p.work, p.problem))
    last = steps[-1]
    missed = _missed(p.problem, steps)
    claimed = _written(last.step)
    fits = last.slip is None or last.slip.factor != 1 or bool(p.answer)
    due = claimed / last.off / (missed.factor if missed else 1.0)
    right = _answer(p.answer, last.step) / (last.step.right.unit.number or 1) if p.answer else due
    if claimed <= 0 or right <= 0:
        raise ToolError(f"estimate-check needs a result above zero, not {last.step.right.text!r}; leave the last line out or correct it.")
    off = max(claimed / right, right / claimed)
    wrong = [each for each in steps if each.slip is not None]
    first = wrong[0] if wrong else None
    slip = first.slip if first else missed
    number = steps.index(first) + 1 if first else len(steps) if missed else 0
    label = _unit_of(last.step.right.text)
    accepted = fits and off <= p.factor * (1 + 1e-9)
    return ToolResult(
        tool="estimate-check",
        values={"accepted": accepted, "error_factor": round(off, 9), "first_wrong_step": number, "kind": slip.kind if slip else "",
                "claimed": claimed, "right": float(f"{right:.12g}"), "wrong_steps": len(wrong) + (missed is not None),
                "steps": [_row(each, missed if each is last else None) for each in steps]},
        units={"claimed": label, "right": label} if label else {},
        summary=_summary(steps, number, slip, accepted, off, p.factor, right, label, missed if first else None),
        formula="error factor = max(claimed / right, right / claimed)",
        series={"step": list(range(1, len(steps) + 1)), "times_too_large": [float(f"{e.off:.6g}") for e in steps]},
        plot=_plot(steps, missed, p.factor),
        assumptions=[f"accepted within a factor of {p.factor:g}", "a step's result may be rounded to the digits it shows",
                     "a day has 86,400 s, a month 30 days, a year 365 days"],
    )


def _checked(equations: list[Equation]) -> list[Checked]:
    found: list[Checked] = []
    wrong: dict[float, float] = {}
    for step in equations:
        slip = slip_in(step, wrong)
        off, meant = slip.factor if slip else 1.0, put_right(step.left, wrong) if wrong else step.left.quantity
        if meant.number and step.left.quantity.number:
            off *= abs(step.left.quantity.number / meant.number)
        found.append(Checked(step, slip, off))
        result = next(numbers_in(step.right.text), (0.0, 0))[0]
        wrong.pop(result, None)
        if abs(off - 1) > 1e-9:
            wrong[result] = off
    return found


def _missed(problem: str, steps: list[Checked]) -> Slip | None:
    """A factor that the problem names and no step uses."""
    used = {number for each in steps for number, _ in numbers_in(each.step.left.text)}
    lines = " ".join(each.step.text for each in steps)
    copies = _named(REPLICATION, problem)
    data = any(each.step.right.quantity.dimensions[1] for each in steps[-1:])
    factors = {number for each in steps for number, end in numbers_in(each.step.left.tidy)
               if not OF_DATA.match(each.step.left.tidy[end:end + 20])}
    if data and copies > 1 and copies not in factors and not SAYS_REPLICAS.search(lines):
        return Slip(REPLICAS, 1 / copies, f"the problem asks for {copies:g} copies")
    peak, average = _named(PEAKING, problem), ASKS_AVERAGE.search(problem)
    if peak <= 1 or data:
        return None
    if average is None and peak not in used and not SAYS_PEAK.search(lines):
        return Slip(PEAK, 1 / peak, f"this is the average, and the peak is {peak:g} times that")
    if average is not None and not SAYS_PEAK.search(average[0]) and peak in used:
        return Slip(PEAK, peak, "the average is asked for, and this is the peak")
    return None


def _named(patterns: tuple[re.Pattern[str], ...], text: str) -> float:
    for pattern in patterns:
        if found := pattern.search(text):
            return float(COUNTS.get(found["n"].lower(), 0) or found["n"])
    return 0.0


def _answer(text: str, last: Equation) -> float:
    """The right answer in base units. Raises ToolError when it counts something else than the result."""
    right, _ = quantity(text)
    if right.dimensions == last.right.quantity.dimensions:
        return float(right.number)
    if right.dimensions == (0, 0, 0, 0):
        return float(right.number * last.right.unit.number)
    raise ToolError(f"estimate-check: the answer {text!r} and the result {last.right.text!r} count different things; give both the "
                    "same unit.")


def _summary(steps: list[Checked], number: int, slip: Slip | None, accepted: bool, off: float, factor: float, right: float, unit: str,
             also: Slip | None) -> str:
    told = f"{figure(right)} {unit}".strip()
    verdict = "accepted" if accepted else "not accepted"
    if slip is None:
        return f"Every step holds, and the result is {verdict}." if accepted else \
            f"Every step holds, but the result should be {told}: off by a factor of {off:.3g}, {verdict}."
    step, found = steps[number - 1].step, steps[number - 1].slip
    gives = f": it gives {figure(_written(step) / found.factor)} {_unit_of(step.right.text)}".rstrip() \
        if found and found.factor != 1 else ""
    more = f" Besides, {also.hint} ({also.kind})." if also else ""
    close = f"The result should be {told}: off by a factor of {off:.3g}, {verdict} within a factor of {factor:g}."
    if off <= factor and not accepted:
        close = "The two can't be compared by a factor, so the result isn't accepted."
    return f"Step {number} is wrong ({slip.kind}): \"{step.left.text} = {step.right.text}\", but {slip.hint}{gives}.{more} {close}"


def _written(step: Equation) -> float:
    return float(step.right.quantity.number / (step.right.unit.number or 1))


def _row(each: Checked, missed: Slip | None) -> dict[str, Any]:
    return {"line": each.step.line, "equation": f"{each.step.left.text} = {each.step.right.text}", "verdict": _verdict(each, missed)}


def _verdict(each: Checked, missed: Slip | None) -> str:
    if each.slip is not None:
        return f"wrong: {each.slip.kind}"
    if missed is not None:
        return f"holds as far as it goes: {missed.kind}"
    return "holds" if abs(each.off - 1) < 1e-9 else "holds, on a wrong number"


def _unit_of(text: str) -> str:
    found = UNIT.search(text)
    return (found["apart"] or found["glued"] or "") if found else ""


def _plot(steps: list[Checked], missed: Slip | None, factor: float) -> Plot:
    names = [f"step {at}" for at in range(1, len(steps) + 1)]
    off: list[float | str] = [each.off for each in steps[:-1]]
    off.append(steps[-1].off * (missed.factor if missed else 1.0))
    return Plot(title="How far each step is off", x_label="step", y_label="result over right result (times)", log_y=True,
                lines=[Line(label="yours", x=list(names), y=off, kind="scatter"),
                       Line(label="right", x=list(names), y=[1.0] * len(names), dashed=True)],
                marks=[{"axis": "y", "at": factor, "label": f"{factor:g} times"},
                       {"axis": "y", "at": 1 / factor, "label": f"1/{factor:g}"}])
