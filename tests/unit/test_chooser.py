"""What the offline reasoner computes: a learner's own estimate, bare arithmetic, and another tool on the last numbers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import TurnRequest
from agent.followup import Past
from agent.offline.chooser import Choice, LastCall
from agent.offline.expressions import expression_in
from agent.offline.likeness import ToolLikeness, masked
from agent.offline.parameters import slots_of
from agent.offline.sequels import goes_on, inherited, shared
from agent.offline.slots import SlotChooser
from agent.offline.understand import understand
from agent.offline.worked import checked_draft, estimate_to_check
from memory.base import Vectors
from tests.conftest import OpenTutor
from tools.arithmetic import evaluate
from tools.base import Ask, Params, ToolError, ToolResult, formula, param, tool
from tools.executor import InlineExecutor
from tools.registry import Registry, load_tools

# ---- a learner's own estimate

TOLD = "12M daily users, 8 requests each, peak 3x: what is the peak rps?"
BEFORE = [Past(TOLD, "", "traffic")]


@pytest.mark.parametrize(("message", "history", "problem", "work"), [
    ("check my estimate: 12M * 8 = 96M; 96M / 86400 = 1,111 rps", [], "", "12M * 8 = 96M;\n96M / 86400 = 1,111 rps"),
    ("12M * 8 = 96M\n96M / 86400 = 1,111 rps", [], "", "12M * 8 = 96M\n96M / 86400 = 1,111 rps"),
    ("12M * 8 = 96M\n96M / 86400 = 1,111 rps", BEFORE, TOLD, "12M * 8 = 96M\n96M / 86400 = 1,111 rps"),
    ("12M users, 8 requests each. Is my math right? 12M * 8 = 96M", BEFORE, "12M users, 8 requests each.", "12M * 8 = 96M"),
    ("500 GB over 10 Gbps. I say 500 / 10 = 50 s. What did I do wrong?", [], "500 GB over 10 Gbps.", "I say 500 / 10 = 50 s.\nWhat did I do wrong?"),
    ("I get 12M * 8 / 86400 = 1,111 rps. Right?", [], "", "I get 12M * 8 / 86400 = 1,111 rps.\nRight?"),
    ("where is the error? 500 GB / 10 Gbps = 50 s", [], "", "500 GB / 10 Gbps = 50 s"),
    ("Grade this: 3 * 4 = 12, 12 * 2 = 24", [], "", "3 * 4 = 12, 12 * 2 = 24"),
    ("Peak rps for 12M users?\n\n12M × 8 ≈ 96M\n96M ÷ 86400 ≈ 1,111", BEFORE, "Peak rps for 12M users?", "12M × 8 ≈ 96M\n96M ÷ 86400 ≈ 1,111"),
    ("Could you look over my calculation? 7B * 2 bytes = 14 GB", [], "", "7B * 2 bytes = 14 GB"),
])
def test_an_estimate_is_parted_into_problem_and_work(message: str, history: list[Past], problem: str, work: str) -> None:
    args = estimate_to_check(message, history)
    assert args is not None and (args.get("problem", ""), args["work"]) == (problem, work)


def test_the_factor_of_the_message_is_taken() -> None:
    for said, factor in (("within a factor of 1.5", 1.5), ("within 3x", 3.0), ("within factor 4", 4.0)):
        args = estimate_to_check(f"Is my estimate ok {said}? 3 * 4 = 12", [])
        assert args is not None and args["factor"] == factor
    assert "factor" not in (estimate_to_check("Is my estimate ok? 3 * 4 = 12", []) or {"factor": 0})


@pytest.mark.parametrize("message", [
    "12M * 8 = 96M", "why is 12M * 8 = 96M?", "What does replication factor = 3 mean?", "set max_connections=100 and pool-size = 20",
    "We moved from 2024-05-01 -> 2024-06-01 and from 10-20 ms -> 30-40 ms", "p99 went 10/20 → 5/20 and 3/4 → 1/4 today",
    "In the notes: 24/7 = always; 9-5 = office", "f1 = 2*p*r/(p+r) = 0.8, and acc = 90/100 = 0.9. explain f1", "check my notes for CI/CD",
    "is my estimate right?", "", "lr = 3e-4 and bs = 64", "x" * 7000 + " 3 * 4 = 12, 12 * 2 = 24",
])
def test_what_is_no_work_of_the_learners_is_left_alone(message: str) -> None:
    assert estimate_to_check(message, BEFORE) is None


@pytest.mark.parametrize("unit", ["1*", "9^", "1x", "1*2=", "1 GB/", "= ", "=1", "grade my ", "within a factor of "])
def test_finding_work_takes_no_longer_than_reading(unit: str) -> None:
    began = time.process_time()
    estimate_to_check((unit * 6000)[:5999], BEFORE)
    assert time.process_time() - began < 0.5


def test_the_verdict_is_told_step_by_step() -> None:
    args = {"work": "12M * 8 = 96M per day\n96M per day / 100,000 = 960 rps"}
    look = understand("check my estimate", [])
    draft = checked_draft(look, load_tools().get("estimate-check").run(args).model_dump(mode="json"))
    assert "1. `12M * 8 = 96M per day` holds" in draft.text and "2. `96M per day / 100,000 = 960 rps` wrong: day length" in draft.text
    assert draft.follow_up == "Can you mend that step and send it again?"


async def test_across_turns_the_problem_is_the_question_before(tutor_with: OpenTutor) -> None:
    few = Registry([load_tools().get(name) for name in ("estimate-check", "calculate", "availability")])
    with tutor_with(registry=few, executor=InlineExecutor()) as tutor:
        await tutor.ask(TurnRequest(question="12M daily users make 8 requests each, and the peak is 3x the average. What is the peak load?", thread="t"))
        answer = await tutor.ask(TurnRequest(question="12M * 8 = 96M\n96M / 86400 = 1,111 rps", thread="t"))
        assert [step.tool for step in answer.steps][-1] == "estimate-check"
        assert "peak and average" in answer.text and "3,333" in answer.text
        sum_ = await tutor.ask(TurnRequest(question="What's 3.5 TB / 12 h in MB/s?", thread="t"))
    assert "81.0185 MB/s" in sum_.text


# ---- bare arithmetic


@pytest.mark.parametrize(("message", "expression"), [
    ("what's 3.5 TB / 12 h in MB/s?", "3.5 TB / 12 h in MB/s"), ("How much is 17% of 3.4 million?", "17% of 3.4M"), ("3*4", "3*4"), ("2^10", "2^10"),
    ("12M * 8 / 86400", "12M * 8 / 86400"), ("what is 12 * 8 = ?", "12 * 8"), ("convert 5 GB to bits", "5 GB to bits"), ("90 min in h", "90 min in h"),
    ("ok so what is 5 minutes plus 3 minutes please?", "5 minutes + 3 minutes"), ("what is sqrt(16) * 2?", "sqrt(16) * 2"), ("1+1", "1+1"),
    ("100 * 1.05^10", "100 * 1.05^10"), ("10 Gbps in MB/s", "10 Gbps in MB/s"), ("6 divided by 2 times 3", "6 / 2 * 3"), ("3 x 4", "3 x 4"),
])
def test_arithmetic_is_found_and_computes(message: str, expression: str) -> None:
    assert expression_in(message) == expression
    assert evaluate(expression).value is not None


@pytest.mark.parametrize("message", [
    "", "100", "what is 100", "2024-05-01", "2024 - 05 - 01", "what happened on 2024-05-01?", "12/25/2024", "1 / 3 / 2024", "25. 12. 2024", "2020-2024",
    "3.11.4", "python 3.11", "v1.2.3 - v1.2.4", "upgrade 1.2 to 1.3", "Airflow 2 to 3", "24/7", "what is 24/7 support", "is it up 24/7?", "CI/CD",
    "what is CI/CD", "5:1", "3:1 ratio", "1/2", "50/50", "2/3 majority", "1-1 mapping", "10 to 20", "10 to 20 ms", "5 in 10", "1 in 5", "what is 9 to 5",
    "H100 / A100", "8 * H100", "TCP/IP", "10.0.0.1/24", "192.168.0.1", "555-1234", "1, 2, 3", "what is a 2-phase commit?", "p99 / p50", "top-5 accuracy",
    "explain 2+2", "O(n^2)", "k = 2 * 3", "2 + 2 = 5", "10 days to go", "3 times a day", "10% off", "5 + ", "7B", "3x", "1 * 2 " * 60,
])
def test_prose_dates_versions_and_ratios_are_no_arithmetic(message: str) -> None:
    assert expression_in(message) is None


@given(st.text(max_size=80) | st.lists(st.sampled_from(["1", "12M", " * ", "/", " in ", "GB", "(", ")", "^", "what is ", "?", "%", " of "]), max_size=12).map("".join))
def test_what_is_found_is_arithmetic_to_the_calculator(text: str) -> None:
    found = expression_in(text)
    if found is None:
        return
    try:
        evaluate(found)
    except ToolError as error:
        assert "\n" not in str(error)


# ---- what a question sounds like


class Spy:
    """An embedder that counts: a vector has a part for each of a few words."""

    words = ("bread", "oven", "tray", "crumb")

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, text: str) -> Vectors:
        self.seen.append(text)
        vector = np.array([text.lower().count(word) for word in self.words] + [0.1], np.float32)
        return vector / np.linalg.norm(vector)


@formula("bread.trays", unit="trays", asks=[Ask("How many crumbs, crumbs, crumbs do 60 rolls leave?", "result", 5), Ask("How full is it?", "result", 5)])
def trays(rolls: float = param(ge=1, le=1000, unit="count", words=["rolls"]),
          per_tray: float = param(ge=1, le=100, unit="count", words=["rolls on a tray", "tray"])) -> float:
    """Trays that rolls fill."""
    return rolls / per_tray


@formula("bread.ovens", unit="ovens")
def ovens(trays: float = param(ge=1, le=1000, unit="count", words=["trays"]),
          per_oven: float = param(ge=1, le=100, unit="count", words=["trays an oven", "oven holds", "per oven"])) -> float:
    """Ovens for trays."""
    return trays / per_oven


def test_a_tool_is_as_near_as_its_nearest_text() -> None:
    likeness = ToolLikeness(Registry([trays, ovens]), Spy(), "spy")
    near = likeness("an oven, an oven!")
    assert set(near) == {"bread.trays", "bread.ovens"} and near["bread.ovens"] > near["bread.trays"]
    assert all(-1 <= value <= 1.000001 for value in near.values())
    assert likeness("crumbs!")["bread.trays"] > 0.9 > likeness("crumbs!")["bread.ovens"]  # by the first of its questions alone
    assert likeness("How many trays do 9 rolls fill?") == likeness("How many trays do 4,000 rolls fill?")


def test_numbers_are_masked() -> None:
    assert masked("12M users,  8.5\nrequests and 1e-3 or 1,000.5") == "NM users, N requests and N or N"


def test_vectors_are_made_once_and_kept_in_the_last_folder(tmp_path: Path) -> None:
    shipped, home = tmp_path / "shipped", tmp_path / "home"
    shipped.mkdir(), home.mkdir()
    first, second = Spy(), Spy()
    made = ToolLikeness(Registry([trays, ovens]), first, "spy", [shipped, home])
    assert len(first.seen) >= 2 and list(shipped.iterdir()) == [] and len(list(home.iterdir())) == 1
    found = ToolLikeness(Registry([trays, ovens]), second, "spy", [shipped, home])
    assert second.seen == []
    assert found("bread in the oven") == made("bread in the oven")


def test_vectors_that_came_along_are_taken_first(tmp_path: Path) -> None:
    shipped, home, spy = tmp_path / "shipped", tmp_path / "home", Spy()
    shipped.mkdir(), home.mkdir()
    ToolLikeness(Registry([trays]), Spy(), "spy", [shipped])
    ToolLikeness(Registry([trays]), spy, "spy", [shipped, home])
    assert spy.seen == [] and list(home.iterdir()) == []


@pytest.mark.parametrize("change", ["tools", "embedder"])
def test_stale_vectors_are_replaced(tmp_path: Path, change: str) -> None:
    ToolLikeness(Registry([trays]), Spy(), "spy", [tmp_path])
    old, = tmp_path.iterdir()
    (tmp_path / "other.npy").write_bytes(b"not ours")
    spy = Spy()
    ToolLikeness(Registry([trays, ovens] if change == "tools" else [trays]), spy, "spy" if change == "tools" else "spy@2", [tmp_path])
    assert spy.seen and not old.exists() and {path.name[:6] for path in tmp_path.iterdir()} == {"other.", "tools-"}
    assert len(list(tmp_path.iterdir())) == 2


def test_without_tools_nothing_is_like_anything(tmp_path: Path) -> None:
    assert ToolLikeness([], Spy(), "spy", [tmp_path])("bread?") == {}


# ---- another tool on the last numbers


class Oven(Params):
    loaves: int = param(ge=1, le=500, unit="loaves", words=["loaves"])
    bake_s: float = param(ge=1, le=1e5, unit="s", words=["baking time"])
    share: float = param(0.5, ge=0, le=1, unit="fraction", words=["burnt"])


@tool("oven-planner", group="test", words=["oven", "how long does it bake"], example={"loaves": 4, "bake_s": 60})
def oven(p: Oven, seed: int) -> ToolResult:
    """Plans how long an oven bakes loaves."""
    if p.share > 0.9:
        raise ToolError("oven-planner burns everything beyond 0.9.")
    return ToolResult(tool="oven-planner", values={"total_s": p.loaves * p.bake_s}, units={"total_s": "s"})


@formula("bread.crumbs", unit="crumbs", words=["crumbs"])
def crumbs(loaves: float = param(ge=1, le=500, unit="loaves", words=["loaves"]),
           per_loaf: float = param(ge=0, le=1e6, unit="count", words=["crumbs each", "crumbs per loaf"])) -> float:
    """Crumbs that loaves leave on the table."""
    return loaves * per_loaf


@formula("bread.few", unit="crumbs", words=["crumbs"])
def few(loaves: float = param(ge=1, le=10, unit="loaves", words=["loaves"]),
        per_loaf: float = param(ge=0, le=1e6, unit="count", words=["crumbs each", "crumbs per loaf"])) -> float:
    """Crumbs that loaves leave on the table, of at most ten loaves."""
    return loaves * per_loaf


@pytest.fixture(scope="module")
def bakery() -> SlotChooser:
    return SlotChooser(Registry([trays, ovens, oven, crumbs]))


def chosen(chooser: SlotChooser, text: str, last: LastCall | None = None) -> Choice:
    found = chooser.choose(text, last)
    assert found is not None, text
    return found


TRAYS = LastCall("bread.trays", {"rolls": 60, "per_tray": 12}, {"trays": 5.0})
LOAVES = LastCall("oven-planner", {"loaves": 40, "bake_s": 60.0}, {"total_s": 2400.0})


def test_what_came_out_goes_into_the_next_tool(bakery: SlotChooser) -> None:
    choice = chosen(bakery, "And how many ovens is that with 2 per oven?", TRAYS)
    assert (choice.tool, choice.args, choice.missing) == ("bread.ovens", {"trays": 5.0, "per_oven": 2}, ())


def test_what_was_given_goes_into_the_next_tool(bakery: SlotChooser) -> None:
    choice = chosen(bakery, "and how many crumbs do they leave with 30 crumbs each?", LOAVES)
    assert (choice.tool, choice.args) == ("bread.crumbs", {"loaves": 40, "per_loaf": 30})


def test_a_change_stays_with_the_last_tool(bakery: SlotChooser) -> None:
    choice = chosen(bakery, "and now with 80 loaves?", LOAVES)
    assert (choice.tool, choice.args["loaves"], choice.args["bake_s"]) == ("oven-planner", 80, 60)


def test_a_question_that_stands_by_itself_takes_nothing_over(bakery: SlotChooser) -> None:
    choice = chosen(bakery, "How many crumbs do 12 loaves leave with 30 crumbs each?", LOAVES)
    assert (choice.tool, choice.args) == ("bread.crumbs", {"loaves": 12, "per_loaf": 30})


def test_a_number_that_the_next_tool_refuses_is_not_taken_over(bakery: SlotChooser) -> None:
    many = LastCall("bread.trays", {"rolls": 1, "per_tray": 1}, {"trays": 5000.0})
    found = bakery.choose("And how many ovens is that with 2 per oven?", many)
    assert found is None or found.tool != "bread.ovens" or "trays" not in found.args


def test_another_tool_is_taken_where_the_first_refuses() -> None:
    question = "How many crumbs do {} loaves leave with 30 crumbs each?"
    both = SlotChooser(Registry([few, crumbs]), lambda text: {"bread.few": 1.0})
    assert chosen(both, question.format(5)).tool == "bread.few"
    assert chosen(both, question.format(40)).tool == "bread.crumbs"
    # Where all refuse, the best one's words tell why.
    with pytest.raises(ToolError, match="between 1 and"):
        both_tools = Registry([few, crumbs])
        refused = chosen(both, "How many crumbs do 4,000 loaves leave with 9 million crumbs each?")
        both_tools.get(refused.tool).run(refused.args)


def test_likeness_finds_a_tool_whose_words_are_not_said() -> None:
    question = "How much heat for 40 loaves, 60 s?"
    assert SlotChooser(Registry([trays, ovens, oven, crumbs])).choose(question) is None
    found = SlotChooser(Registry([trays, ovens, oven, crumbs]), lambda text: {"oven-planner": 0.9, "bread.trays": 0.1}).choose(question)
    assert found is not None and (found.tool, found.args["bake_s"]) == ("oven-planner", 60)


@pytest.mark.parametrize(("text", "expected"), [
    ("and the 95th percentile of it?", True), ("what about 3 replicas?", True), ("ok, then how many nodes?", True), ("so how much does that cost?", True),
    ("How many of those fail?", True), ("How many nodes does a cluster need?", False), ("12M users, 8 requests each", False), ("", False),
    ("and " + "very " * 40 + "long", False),
])
def test_messages_that_go_on_are_told(text: str, expected: bool) -> None:
    assert goes_on(text) is expected


def test_values_are_taken_over_by_name_kind_and_range() -> None:
    slots = slots_of(oven.params.model_fields)
    need = [slot for slot in slots if slot.required]
    good: Mapping[str, Any] = {"loaves": 40, "bake_s": 60.0, "other": 1}
    assert inherited(need, good, slots, {}) == inherited(need, {}, slots, good) == {"loaves": 40, "bake_s": 60.0}
    for bad in ({"loaves": 40}, {**good, "loaves": 501}, {**good, "loaves": True}, {**good, "bake_s": "60"}, {**good, "bake_s": None}, {}):
        assert inherited(need, bad, slots, {}) is None
    assert shared(slots, {"share": 0.2, "loaves": 1}, slots, {}) == {"share": 0.2}
    assert shared(slots, {"share": 0.2}, slots, {"share": 0.3}) == shared(slots, {"share": 0.5}, slots, {}) == {}


@given(st.text(max_size=120), st.dictionaries(st.sampled_from(["rolls", "trays", "loaves", "x"]), st.none() | st.floats() | st.text(max_size=3) | st.booleans()))
def test_going_on_never_raises(bakery: SlotChooser, text: str, values: dict[str, Any]) -> None:
    found = bakery.choose(f"and how many ovens is that {text}", LastCall("bread.trays", {"rolls": 60}, values))
    assert found is None or found.tool
