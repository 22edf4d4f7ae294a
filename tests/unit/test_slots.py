"""Plain-language computing questions: the quantities in them, the tool they want, and the arguments it gets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.offline.chooser import Choice, LastCall
from agent.offline.measures import measure
from agent.offline.quantities import read_quantities
from agent.offline.reading import Reading
from agent.offline.series import read_lists, read_written
from agent.offline.slots import SlotChooser
from tools.base import Ask, Params, Tool, ToolError, ToolResult, formula, param, tool
from tools.registry import Registry, load_tools

SYSTEM = ("A balancer with 99.99% fronts two app servers of 99% each (one suffices), then comes a database with "
          "99.95%. Overall availability?")

# ---- quantities


@pytest.mark.parametrize(("text", "value", "unit"), [
    ("12M", 12e6, "count"), ("12 million users", 12e6, "count"), ("1.5 TB", 1.5e12, "bytes"), ("3x", 3, "multiple"),
    ("99.9%", 0.999, "fraction"), ("99.99 percent", 0.9999, "fraction"), ("three nines", 0.999, "fraction"),
    ("three and a half nines", 0.9995, "fraction"), ("half", 0.5, "fraction"), ("two thirds", 2 / 3, "fraction"),
    ("half a million", 5e5, "count"), ("half an hour", 1800, "s"), ("for a day", 86_400, "s"), ("5:1", 5, "ratio"),
    ("10k rps", 1e4, "count/s"), ("2^20", 2**20, "count"), ("3 x 10^23", 3e23, "count"), ("1e9", 1e9, "count"),
    ("1,000", 1000, "count"), ("7B params", 7e9, "count"), ("512 B", 512, "bytes"), ("64 GPUs", 64, "count"),
    ("300 s", 300, "s"), ("2 h", 7200, "s"), ("0.5 ms", 5e-4, "s"), ("a 30-day month", 30 * 86_400, "s"),
    ("400 Gb/s", 4e11, "bit/s"), ("50 GB/s", 5e10, "bytes/s"), ("100 Mbps", 1e8, "bit/s"), ("16 KiB", 16_384, "bytes"),
    ("per request 2 KB", 2000, "bytes"), ("twenty-five nodes", 25, "count"), ("a hundred requests", 100, "count"),
    ("two and a half hours", 9000, "s"), ("312 TFLOPS", 3.12e14, "FLOP/s"), ("3e23 FLOPs", 3e23, "FLOP"),
    ("$2.50 an hour", 2.5, "USD"), ("30 cents", 0.3, "USD"), ("at 0:59", 59, "s"), ("1 in 1000", 0.001, "fraction"),
    ("300 million requests per day", 3e8 / 86_400, "count/s"), ("4M photos a day", 4e6 / 86_400, "count/s"),
    ("2 TB written daily", 2e12 / 86_400, "bytes/s"), ("a slope of -2", -2, "count"), ("5,600 km", 5600, "km"),
])
def test_reads_a_quantity_in_its_base_unit(text: str, value: float, unit: str) -> None:
    found = read_quantities(text)
    assert [quantity.unit for quantity in found] == [unit]
    assert found[0].value == pytest.approx(value, rel=1e-12)
    assert found[0].text == text[found[0].start: found[0].end]


@pytest.mark.parametrize("text", ["H100 and fp16", "Llama-2-7B", "2PC", "1.2.3.4 on 2024-05-01", "which one is enough",
                                  "9" * 400, "9**9**9", "HTTP/2", ""])
def test_names_and_monsters_are_no_quantities(text: str) -> None:
    assert read_quantities(text) == []


def test_bits_and_bytes_differ_by_their_capital() -> None:
    bits, size, rate = measure("Gb", "s"), measure("GB"), measure("mbps")
    assert bits and size and rate
    assert (bits.unit, size.unit, rate.unit) == ("bit/s", "bytes", "bit/s")


def test_a_range_shares_its_unit() -> None:
    found = read_quantities("jumps from 200 to 1,000 rps")
    assert [(q.value, q.unit) for q in found] == [(200, "count/s"), (1000, "count/s")]


def test_surroundings_are_kept() -> None:
    found = read_quantities("each request takes 80 ms on average")[0]
    assert found.words_before == ("each", "request", "takes")
    assert found.words_after == ("on", "average")
    assert found.original == "ms"


def test_names_like_layer_7_are_weak() -> None:
    assert [q.weak for q in read_quantities("layer 7, ZeRO-3 and 64 GPUs")] == [True, True, False]


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    for quantity in read_quantities(text):
        assert math.isfinite(quantity.value)
        assert 0 <= quantity.start < quantity.end <= len(text)
    Reading(text)


@given(st.one_of(st.integers(0, 10**15), st.floats(0.001, 1e12).map(lambda value: float(f"{value:.6g}"))))
def test_formatting_a_number_and_reading_it_gives_it_back(value: float) -> None:
    for written in (f"{value:,}", f"{value:.17g}"):
        found = [quantity.value for quantity in read_quantities(f"about {written} items")]
        assert found == [pytest.approx(value, rel=1e-12)]


UNITS = ["GB", "GiB", "ms", "%", "k rps", "Gbit/s", "TFLOP/s", "million users", "x"]


@given(st.integers(1, 999), st.sampled_from(UNITS), st.integers(0, 2))
def test_spacing_changes_no_value(number: int, unit: str, blanks: int) -> None:
    close, wide = read_quantities(f"{number}{unit}"), read_quantities(f"{number}{' ' * blanks}{unit}")
    assert [(q.value, q.unit) for q in close] == [(q.value, q.unit) for q in wide]


def test_traces_are_copied_or_put_together() -> None:
    for text in ("trace 100@59s,100@61s", "100 requests at 0:59 and another 100 at 1:01"):
        assert [part.text for part in read_written(text, read_quantities(text))] == ["100@59s,100@61s"]


def test_lists_tables_and_histograms() -> None:
    two = read_lists("10%, 40%, 50% and 20%, 30%, 50%")
    assert [found.values for found in two] == [(0.1, 0.4, 0.5), (0.2, 0.3, 0.5)]
    assert read_lists("| a | 10 |\n| b | 20 |\n| c | 3 |")[0].labels == ("a", "b", "c")
    assert read_lists("0-10: 5, 10-20: 8, 20-30: 2")[0].values == (5, 8, 2)
    assert read_lists("1,000,000 users") == []


def test_a_described_system_becomes_a_tree() -> None:
    system = read_written(SYSTEM, read_quantities(SYSTEM))
    assert [part.text for part in system] == ["series(balancer:99.99%, parallel(2 x app servers:99%), database:99.95%)"]


# ---- choosing among three tools of our own


class Oven(Params):
    loaves: int = param(10, ge=1, le=500, unit="loaves", words=["loaves", "bread"])
    bake_ms: float = param(1000.0, ge=0, le=1e7, unit="ms", words=["baking time", "bakes", "in the oven"])
    flour_bytes: float = param(500.0, ge=1, le=1e9, unit="bytes", words=["flour", "each loaf"])
    mode: Literal["steam-oven", "dry-oven"] = param("dry-oven", words=["mode"])
    share: float = param(0.5, ge=0, le=1, unit="fraction", words=["burnt", "share burnt"])


@tool("oven-planner", group="X", words=["oven", "bakery", "loaves"], asks=[Ask("?", "total_s", 1)])
def oven(p: Oven, seed: int) -> ToolResult:
    """Seconds that an oven bakes."""
    return ToolResult(tool="oven-planner", values={"total_s": p.loaves * p.bake_ms / 1000}, units={"total_s": "s"})


@formula("bread.crumbs", unit="count")
def crumbs(
    loaves: float = param(ge=0, le=1e9, unit="loaves", words=["loaves"]),
    per_loaf: float = param(ge=0, le=1e9, unit="count", words=["crumbs each", "crumbs per loaf"]),
) -> float:
    """Crumbs that loaves leave on the table."""
    return loaves * per_loaf


@formula("bread.trays", unit="trays")
def trays(rolls: float = param(ge=0, le=1e9, unit="count", words=["rolls"]),
          per_tray: float = param(ge=1, le=1e9, unit="count", words=["tray"])) -> float:
    """Trays that rolls fill."""
    return rolls / per_tray


@formula("bread.glaze", words=["glaze"])
def glaze(
    loaves: float = param(10, ge=0, le=1e9, unit="loaves", words=["loaves"]),
    egg_count: float = param(0, ge=0, le=1e9, unit="count", words=["eggs"]),
    butter: float = param(1, ge=0, le=1e9, unit="count", words=["butter"]),
    kind: Literal["sugar", "egg"] = param("sugar", words=["kind"]),
) -> float:
    """Glaze on the loaves."""
    return loaves + egg_count + butter


@formula("bread.spread")
def spread(ref: list[float] = param(words=["reference"]), cur: list[float] = param(words=["current"])) -> float:
    """Spread between two lists of bread weights."""
    return max(ref) - max(cur)


@pytest.fixture(scope="module")
def bakery() -> SlotChooser:
    return SlotChooser(Registry([oven, crumbs, trays, glaze, spread]))


def chosen(chooser: SlotChooser, question: str, previous: tuple[str, Mapping[str, Any]] | None = None) -> Choice:
    choice = chooser.choose(question, LastCall(*previous) if previous else None)
    assert choice is not None, question
    return choice


def test_fills_by_unit_and_by_words_and_converts(bakery: SlotChooser) -> None:
    question = "How long does a steam oven take for 40 loaves if each bakes 2 minutes and takes 3 KB of flour?"
    choice = chosen(bakery, question)
    assert choice.tool == "oven-planner"
    assert choice.args == {"loaves": 40, "bake_ms": 120_000, "flour_bytes": 3000, "mode": "steam-oven"}
    assert choice.assumed == ("share = 0.5 (default)",)
    assert choice.missing == ()


def test_falls_back_to_a_formula_that_fits(bakery: SlotChooser) -> None:
    choice = chosen(bakery, "How many crumbs do 12 loaves leave with 30 crumbs each?")
    assert (choice.tool, choice.args) == ("bread.crumbs", {"loaves": 12, "per_loaf": 30})


def test_a_number_gives_way_where_the_other_has_no_place_else(bakery: SlotChooser) -> None:
    choice = chosen(bakery, "I have 60 fresh white rolls, all baked today. With 12 rolls on each tray, how many trays?")
    assert choice.args == {"rolls": 60, "per_tray": 12}


def test_eggs_imply_the_egg_glaze_and_no_butter_is_zero(bakery: SlotChooser) -> None:
    choice = chosen(bakery, "How much glaze is on 12 loaves with 3 eggs and no butter?")
    assert choice.args == {"loaves": 12, "egg_count": 3, "butter": 0, "kind": "egg"}


def test_lists_go_where_they_are_called(bakery: SlotChooser) -> None:
    choice = chosen(bakery, "What is the spread of bread weights with current [1, 2, 3] against reference [4, 5, 6]?")
    assert choice.args == {"ref": [4, 5, 6], "cur": [1, 2, 3]}


def test_what_is_missing_is_asked_for_and_then_filled(bakery: SlotChooser) -> None:
    first = chosen(bakery, "compute bread.crumbs for 12 loaves")
    assert first.missing == ("the crumbs each",)
    second = chosen(bakery, "30", (first.tool, first.args))
    assert (second.args, second.missing) == ({"loaves": 12, "per_loaf": 30}, ())


def test_a_value_out_of_range_stays_for_the_tool_to_refuse(bakery: SlotChooser) -> None:
    choice = chosen(bakery, "How long does the oven take for 9,000 loaves with a baking time of 10 s?")
    assert choice.args["loaves"] == 9000
    with pytest.raises(ToolError, match="between 1 and 500"):
        oven.validate(choice.args)


def test_numbers_that_nothing_takes_are_named(bakery: SlotChooser) -> None:
    choice = chosen(bakery, "How long does the oven take for 40 loaves, a baking time of 10 s and 7 kW?")
    assert "7 kW isn't used" in choice.assumed


@pytest.mark.parametrize(("message", "change"), [
    ("now with 80 loaves", {"loaves": 80}), ("and with 3 s of baking time?", {"bake_ms": 3000}),
    ("double the loaves", {"loaves": 80}), ("20% more bread", {"loaves": 48}),
    ("half the baking time", {"bake_ms": 60_000}), ("what if 90 s?", {"bake_ms": 90_000}),
    ("in the dry oven instead", {"mode": "dry-oven"}), ("and 25% burnt?", {"share": 0.25}),
    ("100 loaves?", {"loaves": 100}), ("give it 80 loaves", {"loaves": 80}), ("how many seconds is that in total?", {}),
])
def test_a_message_that_changes_something_keeps_the_rest(
    bakery: SlotChooser, message: str, change: dict[str, Any],
) -> None:
    before = {"loaves": 40, "bake_ms": 120_000.0, "flour_bytes": 500.0, "mode": "steam-oven", "share": 0.5}
    choice = chosen(bakery, message, ("oven-planner", before))
    after = {"loaves": 40, "bake_ms": 120_000.0, "mode": "steam-oven"} | change
    assert choice.tool == "oven-planner"
    assert oven.validate(choice.args) == oven.validate(after)


@pytest.mark.parametrize("message", [
    "why is it so slow?", "and its drawbacks?", "what is sourdough?", "thanks!", "no, I meant rye",
    "explain the third point", "how do ovens bake 40 loaves?", "summarise chapter 3",
])
def test_other_messages_change_nothing(bakery: SlotChooser, message: str) -> None:
    assert bakery.choose(message, LastCall("oven-planner", {"loaves": 40})) is None


@given(st.text(max_size=200), st.booleans())
def test_choosing_never_raises(bakery: SlotChooser, text: str, again: bool) -> None:
    bakery.choose(text, LastCall("oven-planner", {"loaves": 40, "nonsense": None}) if again else None)


FRAGMENTS = ["10", "1.5 TB", "%", "(", "oven(", "[1,2", "loaves", "half", " a day ", "two out of three", "@", "1:02",
             ",", "how many", "-", "=", "e9", "^", "**", "0 in 5", "3:0", "what if", "double", "x", "²", "1,"]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join))
def test_fragments_of_numbers_never_raise(bakery: SlotChooser, text: str) -> None:
    for choice in (bakery.choose(text), bakery.choose(text, LastCall("oven-planner", {"loaves": 40}))):
        assert choice is None or choice.tool == "oven-planner" or choice.missing or choice.args


# ---- all tools


@pytest.fixture(scope="module")
def everything() -> tuple[Registry, SlotChooser]:
    registry = load_tools()
    return registry, SlotChooser(registry)


def test_finds_tool_and_arguments_for_their_own_questions(everything: tuple[Registry, SlotChooser]) -> None:
    registry, chooser = everything
    asked = [(each, ask) for each in registry for ask in each.asks[:4]]
    wrong = [ask.question for each, ask in asked if not _right(registry, chooser, each, ask)]
    assert len(wrong) <= 0.1 * len(asked), wrong


def _right(registry: Registry, chooser: SlotChooser, own: Tool, ask: Ask) -> bool:
    """The value, for what runs in no time; for simulators that the tool is chosen and nothing is missing."""
    choice = chooser.choose(ask.question)
    if choice is None or choice.missing:
        return False
    picked = registry.get(choice.tool)
    if picked.kind == "simulator":
        return picked is own
    try:
        values = picked.run(choice.args).values
    except ToolError:
        return False
    found = [values.get(ask.value)] if picked is own else [each for value in values.values() for each in _flat(value)]
    expected = pytest.approx(ask.expected, rel=ask.rel, abs=1e-12)
    return any(isinstance(value, int | float) and value == expected for value in found)


def _flat(value: Any) -> list[Any]:
    return [inner for each in value for inner in _flat(each)] if isinstance(value, list | tuple) else [value]


@pytest.mark.parametrize(("question", "expected"), [
    ("An app has 40M DAU and each user makes 25 requests a day. Average QPS?", 11_574.07),
    ("60M monthly users, a quarter of them come on a given day and make 8 requests. Average QPS?", 1388.89),
    ("500k users daily, 20 page views each, peak factor 5. How many requests per second at peak?", 578.7),
    ("Two billion events a day, 500 bytes apiece, retention 90 days, replication factor 2: storage in TB?", 180),
    ("four nines: how many minutes of downtime a year?", 52.56),
    ("A chain of 6 microservices, each with three nines. Overall availability?", 0.994015),
    ("Two out of three nodes must be up and each is up 99% of the time. How available is the quorum?", 0.999702),
    ("How many independent 99% machines in parallel do I need for at least five nines?", 3),
    ("Transfer time for 500 GB at 10 Gb/s with 70% efficiency?", 571.43),
    ("Token bucket capacity 20, refill 2 per second, full at the start. How many requests at most in 10 s?", 40),
    ("Sliding window counter, one-minute window: 84 in the previous window, 36 in the current, 15 s elapsed. Estimate?",
     99),
    ("Sliding log, 1k requests per second, 5 minute window. How many timestamps?", 300_000),
    ("How long to wait in a leaky bucket with 50 requests queued that leaks 10 per second?", 5),
    (SYSTEM, 0.99930011),
])
def test_answers_questions_in_other_words(
    everything: tuple[Registry, SlotChooser], question: str, expected: float,
) -> None:
    registry, chooser = everything
    choice = chosen(chooser, question)
    assert choice.missing == ()
    values = registry.get(choice.tool).run(choice.args).values.values()
    assert any(isinstance(value, int | float) and value == pytest.approx(expected, rel=0.005 if expected > 1 else 1e-6)
               for value in values), (choice, values)


def test_the_second_of_ten_per_second_is_the_window(everything: tuple[Registry, SlotChooser]) -> None:
    question = "Fixed window limiter with a limit of 10 per second: 10 requests at 0:57 and 10 at 0:59, how many pass?"
    choice = chosen(everything[1], question)
    assert choice.args["window_s"] == 1
    assert choice.args["trace"] == "10@57s,10@59s"


@pytest.mark.parametrize(("order", "tool_name"), [
    ("simulate a token bucket", "limiter-race"), ("plot the hit ratio of an LRU cache", "cache"),
    ("run traffic-sheet", "traffic-sheet"), ("please calculate avail.series for 4 components at 99%", "avail.series"),
])
def test_orders_run_without_any_or_all_numbers(
    everything: tuple[Registry, SlotChooser], order: str, tool_name: str,
) -> None:
    assert chosen(everything[1], order).tool == tool_name


@pytest.mark.parametrize("question", [
    "why do 200 requests pass a fixed window?", "what is the 99.9% in my notes?", "how much latency matters?",
    "What does the 3 in ZeRO-3 stand for?", "What are the steps of a 1F1B schedule?", "Why is 99.99% so hard to reach?",
    "When should I use a TTL of 60 seconds?", "How long does Airflow keep logs?",
    "what's a quorum of 3 out of 5 good for", "What is the point of 3 replicas at 99% availability in parallel?",
    "In my notes, how many hours of downtime does 99.9% mean?",
    "how many types of drift are there?", "According to my notes, how many seconds are in a day?", "", "?!",
    "explain watermarks to me like im five", "give me 5 interview questions about rate limiting",
    "which 3 replicas does a quorum need?", "What is the role of the 14-day label delay?",
    "In the lynx rollout checklist, how long is the shadow phase?",
    "limit is 100 a minute but a client squeezed 200 through",
])
def test_conceptual_questions_are_left_alone(everything: tuple[Registry, SlotChooser], question: str) -> None:
    assert everything[1].choose(question) is None
