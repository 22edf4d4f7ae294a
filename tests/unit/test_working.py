"""Worked estimates as learners write them: what is read, which step is blamed, with which kind, and what is accepted."""

from __future__ import annotations

import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tools.base import ToolError, ToolResult
from tools.registry import load_tools
from tools.working import read_working

BITS, BINARY, DAY, PEAK, COPIES = "bits and bytes", "GB and GiB", "day length", "peak and average", "forgotten replication"
TIME, PREFIX, UNITS, SUM = "unit of time", "prefix", "units that don't fit", "arithmetic"
CHECK = load_tools().get("estimate-check")
POSTS = "10M posts of 1 KB a day, kept a year, three copies. How much storage?"
PHOTOS = "Two billion events a day, 500 bytes apiece, kept 90 days, replication factor 2: storage?"
USERS = "12M daily users, 8 requests each, peak 3x: peak rps?"


def checked(work: str, problem: str = "", **more: object) -> ToolResult:
    return CHECK.run({"work": work, "problem": problem, **more})


# ---- every step holds

RIGHT = [
    ("12M × 8 = 96M/day\n96M / 86400 = 1,111 rps", ""),
    ("12M x 8 = 96M per day\n96M ÷ 86,400 ≈ 1,111 rps", ""),
    ("12M users * 8 requests a day = 96M a day -> 96M / 86400 = 1111 rps", ""),
    ("12M * 8 = 96M / 86400 = 1,111", ""),
    ("12M * 8 = 96M / 86400 = 1,111 rps; peak = 1,111 * 3 = 3,333 rps", USERS),
    ("avg = 96M / 86400 = 1,111 rps\npeak qps = avg * 3 = 3,333", USERS),
    ("users = 12M\nreqs = 8\ntotal = users * reqs = 96M\ntotal / 86400 = 1,111 rps", ""),
    ("DAU = 12M\nrequests per user = 8\nper day = DAU * requests per user = 96M\nrps = per day / 86400 = 1,111", ""),
    ("qps = 12M * 8 / 86400 = 1,111\npeak = 3 * qps = 3,333\nservers = peak / 500 = 6.7 → 7", ""),
    ("1. 12M users x 8 = 96M requests\n2. 96M / 86,400 s = 1,111 /s\n3. 1,111 x 3 = 3,333 /s", ""),
    ("- daily: 12M * 8 = 96M\n- per second: 96M / 86400 = ~1,100", ""),
    ("Step 1: 12M * 8 = 96M\nStep 2: 96M / 86400 = 1,111", ""),
    ("• 12M·8 = 96M a day\n• 96M a day / 86400 → about 1,100 per second", ""),
    ("(12M * 8) / 86400 ≈ 1.1k rps", "12M users, 8 requests a day each"),
    ("12M*8=96M and 96M/86,400=1,111", ""),
    ("12M*8=96M, 96M/86,400=1,111, 1,111*3=3,333 rps", ""),
    ("12M users * ~8 requests = 96M\n96M / ~86,400 = 1,111", ""),
    ("96M/day ~ 1.1k/s", ""),
    ("96M/day equals 1,111 rps", ""),
    ("=96M/86400\n=1111", ""),
    ("I think 12M * 8 = 96M requests a day.\nThen 96M / 86400 = 1,111 per second.", ""),
    ("12M DAU × 8 req/user/day = 96M req/day ÷ 86,400 = 1,111 req/s × 3 = 3,333 req/s peak", ""),
    ("96M per day / 24 = 4M per hour\n4M / 3600 = 1,111 per second", ""),
    ("96M per day / 1440 = 66,667 per minute\n66,667 / 60 = 1,111 per second", ""),
    ("96M / (24*3600) = 1,111 rps", "96M a day"),
    ("1 day = 24 * 60 * 60 = 86400 s\n96M / 86400 = 1111", ""),
    ("96M / (24*60) = 66,667 per minute", "96M requests a day"),
    ("12 000 000 * 8 = 96 000 000", ""),
    ("12.000.000 * 8 = 96.000.000", ""),
    ("10^9 * 1 KB = 1 TB", ""),
    ("10⁹ × 1 KB = 1 TB", ""),
    ("1e9 rows * 100 bytes = 100 GB", ""),
    ("1 billion rows of 100 bytes = 100 GB", ""),
    ("5 million x 10 = 50 million\n50 million / 86400 = 579", ""),
    ("half of 12M = 6M\n20% of 6M = 1.2M", ""),
    ("12M – 2M = 10M", ""),
    ("**12M * 8 = 96M** (per day)\n`96M / 86400 = 1,111` ✓", ""),
    ("12M * 8 (requests each) = 96M # a day", ""),
    ("500 GB * 8 = 4000 Gb\n4000 Gb / 10 Gbps = 400 s", ""),
    ("10 Gbps / 8 = 1.25 GB/s\n500 / 1.25 = 400 s", "500 GB over 10 Gbps: how long?"),
    ("500 GB over 10 Gbps: 500 * 8 / 10 = 400 s", ""),
    ("5 TB / 1 GB/s = 5000 s = 83 min", ""),
    ("300 GB * 8 / 100 Mbps = 24,000 s = 6.7 h", ""),
    ("96M / 86,400 = 1,111 rps\n1,111 rps * 2 KB = 2.2 MB/s\n2.2 MB/s * 8 = 17.8 Mbps", ""),
    ("1M rows/s * 200 B = 200 MB/s\n200 MB/s * 86400 = 17 TB per day", ""),
    ("175B params * 2 bytes = 350 GB\n350 GB / 80 GB = 4.4 GPUs -> 5 GPUs", ""),
    ("4.2e22 / (312e12 * 0.4) = 3.4e8 s / 86400 = 3,900 days", ""),
    ("2^30 bytes = 1.074 GB", ""),
    ("64 GiB = 68.7 GB", ""),
    ("$0.023 * 500 GB = $11.50", ""),
    ("100 GB × $0.02/GB = $2", ""),
    ("0.1% * 365 * 24 * 60 = 525.6 min", ""),
    ("200 rps * 0.5 s = 100 in flight", ""),
    ("100 rps * day = 8.64M requests", ""),
    ("10M * 1 KB = 10 GB / day\n10 GB/day * 365 days = 3,650 GB = 3.65 TB\n3.65 TB * 3 = 11 TB", POSTS),
    ("2B × 500 B = 1 TB\n1 TB × 90 = 90 TB\nRF=2: 90 * 2 = 180 TB", PHOTOS),
    ("We have 12M users. Each does 8 requests a day. 12M * 8 = 96M. So per second that's 96M / 86400 = 1111.", ""),
    ("Storage: 1 KB * 10M = 10 GB/day\n* 365 = 3.65 TB/year", ""),
    ("10k rps × 1 kB = 10 MB/s; × 8 = 80 Mbps", ""),
    ("reads = 100 * writes = 100 * 1,111 = 111,100 rps", ""),
    ("604800 / 3600 = 168 h / 24 = 7 days", ""),
    ("7 days * 24 h = 168 h", ""),
    ("14 + 84 = 98 GB", ""),
    ("weights = 7B * 2 B = 14 GB\ngrads = 14 GB\nopt = 7B * 12 B = 84 GB\ntotal = weights + grads + opt = 112 GB", ""),
    ("p = 1 - (1 - 0.99)^2 = 99.99%", ""),
    ("100 mb * 1000 = 100 gb = 800 gigabits", ""),
    ("2 GPUs * 80 GB = 160 GB > 140 GB", ""),
    ("a) 12M * 8 = 96M\nb) 96M / 86400 = 1111, is that right?", ""),
    ("$$12M \\times 8 = 96M$$", ""),
]


@pytest.mark.parametrize(("work", "problem"), RIGHT)
def test_right_work_is_not_blamed(work: str, problem: str) -> None:
    values = checked(work, problem).values
    assert (values["first_wrong_step"], values["kind"], values["accepted"]) == (0, "", True), values["steps"]


# ---- one step is wrong

WRONG = [
    ("500 GB / 10 Gbps = 50 s", "", 1, BITS, False),
    ("500 GB over 10 Gbps: 500 / 10 = 50 s", "", 1, BITS, False),
    ("7B params x 16 bits = 112 GB", "", 1, BITS, False),
    ("1,111 rps * 2 KB = 2.2 Mbps", "", 1, BITS, False),
    ("10 Gbps = 10 GB/s\n500 GB / 10 GB/s = 50 s", "", 1, BITS, False),
    ("bandwidth = 1000 rps * 50 KB = 50 MB/s = 50 Mbit/s", "", 2, BITS, False),
    ("96M / (24*60) = 66,667 rps", "96M requests a day", 1, DAY, False),
    ("16 GiB = 16 GB", "", 1, BINARY, True),
    ("7B * 2 bytes = 14 GiB", "", 1, BINARY, True),
    ("2^30 bytes = 1 GB", "", 1, BINARY, True),
    ("1 TiB * 3 = 3 TB", "", 1, BINARY, True),
    ("• 12M * 8 = 96M\n• 96M / 100k = 960 rps", "96M requests a day: rps?", 2, DAY, True),
    ("12M DAU × 8 = 96M req/day ÷ 100,000 = 960 req/s × 3 = 2,880 req/s peak", "", 2, DAY, True),
    ("1 day ≈ 100k s\n96M / 100k = 960", "96M a day: rps?", 1, DAY, True),
    ("100 rps * 100,000 = 10M a day", "", 1, DAY, True),
    ("96M a day / 84,600 = 1,135 rps", "", 1, DAY, True),
    ("QPS = 1e8 / 1e5 = 1000", "100M requests a day", 1, DAY, True),
    ("96M / (30 * 100,000) = 32 rps", "96M requests a month", 1, DAY, True),
    ("96M/day = 66,667 rps", "", 1, TIME, False),
    ("100 ms * 30 = 3 min", "", 1, TIME, False),
    ("300 GB / 100 MB/s = 3000 s = 50 h", "", 2, TIME, False),
    ("1,111 rps * 2 KB = 2.2 GB/s", "", 1, PREFIX, False),
    ("storage per day: 4M photos * 2 MB = 8 TB\nper year: 8 TB * 365 = 2.92 EB", "", 2, PREFIX, False),
    ("QPS: 12M * 8 / 86400 ≈ 1111\nStorage: 12M * 8 * 1 KB = 96 MB / day", "", 2, PREFIX, False),
    ("100 GB / 50 MB/s = 2000 MB", "", 1, UNITS, False),
    ("3 TB + 2 TB = 5 s", "", 1, UNITS, False),
    ("5 TB / 1 GB/s = 500 s", "", 1, SUM, False),
    ("500k * 20 = 1M views", "", 1, SUM, False),
    ("5 - 5 = 3", "", 1, SUM, False),
    ("20,000 / 500 = 400 servers\n400 * 1.5 = 600 servers", "", 1, SUM, False),
    ("300 GB / 100 MB/s = 3000 s = 5 min", "", 2, SUM, False),
    ("avg = 96M / 86400 = 1,111 rps\npeak qps = avg * 3 = 2,222", USERS, 2, SUM, True),
    ("10M * 1 KB = 10 GB a day\n10 GB * 365 = 3.65 TB", POSTS, 2, COPIES, False),
    ("2B × 500 B = 1 TB\n1 TB × 90 = 90 TB", PHOTOS, 2, COPIES, True),
    ("2M * 1 KB = 2 GB a day\n2 GB * 365 = 730 GB", "2M posts of 1 KB a day, two copies. How much storage a year?", 2, COPIES, True),
    ("12M * 8 = 96M\n96M / 86400 = 1,111 rps", USERS, 2, PEAK, False),
    ("96M / 86400 = 1,111 rps\n1,111 * 3 = 3,333 rps", "96M requests a day, peak 3x. What is the average rps?", 2, PEAK, False),
]


@pytest.mark.parametrize(("work", "problem", "step", "kind", "accepted"), WRONG)
def test_the_first_wrong_step_and_its_kind(work: str, problem: str, step: int, kind: str, accepted: bool) -> None:
    values = checked(work, problem).values
    assert (values["first_wrong_step"], values["kind"], values["accepted"]) == (step, kind, accepted), values["steps"]


def test_a_step_that_goes_on_from_a_wrong_one_holds() -> None:
    values = checked("500k * 20 = 1M views\n1M * 2 KB = 2 GB a day\n2 GB * 365 = 730 GB").values
    assert [row["verdict"] for row in values["steps"]] == ["wrong: arithmetic", "holds, on a wrong number", "holds, on a wrong number"]
    assert values["wrong_steps"] == 1
    assert (values["right"], values["error_factor"]) == pytest.approx((7300, 10))


def test_what_was_divided_by_a_wrong_number_is_off_the_other_way() -> None:
    values = checked("10 Gbps = 10 GB/s\n500 GB / 10 GB/s = 50 s").values
    assert (values["right"], values["error_factor"], values["wrong_steps"]) == (400, 8, 1)


def test_in_a_sum_only_the_wrong_part_is_off() -> None:
    values = checked("a = 2 * 5 = 100\nb = 3 * 30 = 90\na + b = 190").values
    assert (values["first_wrong_step"], values["right"], values["wrong_steps"]) == (1, 100, 1)


def test_a_wrong_day_is_blamed_where_it_is_told_and_not_where_it_is_used() -> None:
    values = checked("1 day ≈ 100k s\n96M/day / 100k = 960 rps").values
    assert (values["first_wrong_step"], values["wrong_steps"]) == (1, 1)
    assert values["right"] == pytest.approx(1111.11, rel=1e-5)


def test_two_slips_are_both_counted() -> None:
    values = checked("500k * 20 = 1M\n1M * 2 KB = 2 MB").values
    assert (values["first_wrong_step"], values["wrong_steps"]) == (1, 2)
    assert values["right"] == pytest.approx(20_000)


def test_the_stated_answer_counts_and_the_factor_is_the_callers() -> None:
    assert checked("12M * 8 = 96M\n96M / 86400 = 1,111 rps", answer="3,333 rps").values["accepted"] is False
    assert checked("12M * 8 = 96M\n96M / 86400 = 1,111 rps", answer="3,333 rps", factor=4).values["accepted"] is True
    with pytest.raises(ToolError, match="count different things"):
        checked("96M / 86400 = 1,111 rps", answer="3 GB")


def test_a_result_of_the_wrong_sort_is_told_without_a_figure() -> None:
    assert checked("100 GB / 50 MB/s = 7 MB").summary.endswith("but the left side is time, the result data."
                                                               " The two can't be compared by a factor, so the result isn't accepted.")


def test_the_summary_says_what_the_step_gives() -> None:
    told = checked("12M * 8 = 96M a day\n96M a day / 100,000 = 960 rps").summary
    assert "Step 2 is wrong (day length)" in told and "it gives 1,111.11 rps" in told


# ---- reading


def test_names_bullets_and_chains_are_read() -> None:
    found = read_working("- avg = 12M * 8 / 86400 = 1,111 rps -> 1.1k rps\n- peak: avg * 3 = 3,333")
    assert [(step.line, step.label, step.left.text, step.right.text) for step in found] == [
        (1, "avg", "12M * 8 / 86400", "1,111 rps"), (1, "avg", "1,111 rps", "1.1k rps"), (2, "peak", "avg * 3", "3,333")]
    assert [step.goes_on for step in found] == [True, False, False]
    assert found[2].left.quantity.number == pytest.approx(3300 / 1e9)


# ---- any numbers

HARMLESS = (2, 3, 4, 5, 6, 9, 11, 15, 25, 40, 75, 120, 250, 800)
"""Numbers that no slip is known by."""


def written(value: float, digits: int) -> str:
    """With so many digits, as learners write: 12.3M, 4,560, 0.0123."""
    rounded = float(f"{value:.{digits}g}")
    for size, letter in ((1e9, "B"), (1e6, "M")):
        if rounded >= size:
            return f"{rounded / size:.12g}{letter}"
    return f"{rounded:,.0f}" if rounded >= 10 ** (digits - 1) else f"{rounded:.12f}".rstrip("0").rstrip(".")


BYTES = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}
counts = st.integers(2, 999).map(lambda n: n * 1_000_000)
small = st.sampled_from(HARMLESS)
sizes = st.sampled_from(["KB", "MB"])
digits = st.integers(3, 6)
times_signs = st.sampled_from([" * ", " × ", " x ", "*", " times "])
equals_signs = st.sampled_from([" = ", "=", " ≈ ", " -> ", " → ", " = about ", " = ~"])


def in_bytes(value: float, kept: int) -> str:
    unit = max((unit for unit, size in BYTES.items() if value >= size), key=lambda unit: BYTES[unit])
    return f"{float(f'{value / BYTES[unit]:.{kept}g}'):,.12g} {unit}"


@settings(max_examples=120, deadline=None)
@given(counts, small, small, sizes, digits, times_signs, equals_signs, st.booleans())
def test_a_right_chain_of_rates_and_bytes_is_never_blamed(
    users: int, each: int, size: int, unit: str, kept: int, times: str, equals: str, one_line: bool,
) -> None:
    day = users * each
    rate = day / 86_400
    link = rate * size * BYTES[unit]
    steps = [f"{users:,} users{times}{each} requests{equals}{written(day, kept)} per day",
             f"{written(day, kept)} / 86,400{equals}{written(rate, kept)} rps",
             f"{written(rate, kept)} rps{times}{size} {unit}{equals}{in_bytes(link, kept)}/s",
             f"{in_bytes(link, kept)}/s{times}86,400{equals}{in_bytes(link * 86_400, kept)} per day"]
    values = checked(("; " if one_line else "\n").join(steps), "How much a second, and how much a day?").values
    assert (values["first_wrong_step"], values["accepted"]) == (0, True), (steps, values["steps"])


@settings(max_examples=120, deadline=None)
@given(small, st.sampled_from(["GB", "TB"]), small, st.sampled_from(["Mbps", "Gbps"]), digits)
def test_a_right_transfer_is_never_blamed(data: int, unit: str, speed: int, line: str, kept: int) -> None:
    rate = speed * {"Mbps": 1e6, "Gbps": 1e9}[line]
    seconds = data * BYTES[unit] * 8 / rate
    work = (f"{speed} {line} / 8 = {in_bytes(rate / 8, kept)}/s\n{data} {unit} / {in_bytes(rate / 8, kept)}/s = {written(seconds, kept)} s\n"
            f"{data} {unit} / {speed} {line} = {written(seconds, kept)} s = {written(seconds / 3600, kept)} h")
    values = checked(work).values
    assert (values["first_wrong_step"], values["accepted"]) == (0, True), (work, values["steps"])


@settings(max_examples=120, deadline=None)
@given(small, st.sampled_from(["GB", "TB"]), small, st.sampled_from(["Mbps", "Gbps"]), digits, st.booleans())
def test_a_factor_of_eight_is_bits_and_bytes(data: int, unit: str, speed: int, line: str, kept: int, twice: bool) -> None:
    seconds = data * BYTES[unit] / (speed * {"Mbps": 1e6, "Gbps": 1e9}[line]) * (64 if twice else 1)
    work = f"{data} {unit} * 3 = {data * 3} {unit}\n{data} {unit} / {speed} {line} = {written(seconds, kept)} s\n" \
           f"{written(seconds, kept)} s * 3 = {written(3 * seconds, kept)} s"
    values = checked(work).values
    assert (values["first_wrong_step"], values["kind"], values["wrong_steps"]) == (2, BITS, 1), (work, values["steps"])
    assert values["error_factor"] == pytest.approx(8, rel=0.02)


@settings(max_examples=120, deadline=None)
@given(st.integers(2, 999), st.sampled_from([("KiB", "KB", 1), ("MiB", "MB", 2), ("GiB", "GB", 3), ("TiB", "TB", 4)]), small, st.booleans())
def test_powers_of_1024_for_1000_are_told(number: int, units: tuple[str, str, int], copies: int, back: bool) -> None:
    (first, second), power = (units[1::-1] if back else units[:2]), units[2]
    work = f"{number} {first} * {copies} = {number * copies:,} {second}\n{number * copies:,} {second} * 3 = {number * copies * 3:,} {second}"
    values = checked(work).values
    assert (values["first_wrong_step"], values["kind"], values["wrong_steps"]) == (1, BINARY, 1), (work, values["steps"])
    assert values["error_factor"] == pytest.approx(1.024**power, rel=1e-6)


@settings(max_examples=120, deadline=None)
@given(counts, small, digits, st.sampled_from(["100,000", "100k", "10^5", "84,600"]))
def test_a_day_of_another_length_is_told(users: int, each: int, kept: int, length: str) -> None:
    seconds = 84_600 if length == "84,600" else 100_000
    rate = users * each / seconds
    work = f"{users:,} users * {each} = {written(users * each, 6)} a day\n{written(users * each, 6)} / {length} = {written(rate, kept)} rps\n" \
           f"{written(rate, kept)} rps * 3 = {written(3 * rate, kept)} rps"
    values = checked(work).values
    assert (values["first_wrong_step"], values["kind"], values["wrong_steps"]) == (2, DAY, 1), (work, values["steps"])
    assert values["right"] == pytest.approx(3 * users * each / 86_400, rel=0.02)


@settings(max_examples=120, deadline=None)
@given(counts, st.integers(2, 6), st.sampled_from(["kept in {n} copies", "with {n} replicas", "replication factor {n}", "replicated {n} times"]))
def test_copies_that_no_step_uses_are_told(items: int, copies: int, said: str) -> None:
    problem = f"{items:,} posts of 1 KB a day, {said.format(n=copies)}. How much storage a year?"
    daily = in_bytes(items * 1e3, 6)
    first = f"{items:,} * 1 KB = {daily} a day\n"
    forgot = checked(f"{first}{daily} * 365 = {in_bytes(items * 365e3, 6)}", problem).values
    assert (forgot["first_wrong_step"], forgot["kind"]) == (2, COPIES)
    assert forgot["error_factor"] == pytest.approx(copies, rel=0.02)
    used = checked(f"{first}{daily} * 365 * {copies} = {in_bytes(items * 365e3 * copies, 6)}", problem).values
    assert (used["first_wrong_step"], used["accepted"]) == (0, True)


@settings(max_examples=120, deadline=None)
@given(counts, small, st.integers(2, 12), st.sampled_from(["the peak is {n}x the average", "peak {n} times the average", "{n}x at peak"]))
def test_the_average_for_the_peak_is_told(users: int, each: int, peak: int, said: str) -> None:
    problem = f"{users:,} daily users make {each} requests each; {said.format(n=peak)}. What is the peak load?"
    assume(each != peak)  # one 2 may be either
    rate = users * each / 86_400
    work = f"{users:,} * {each} = {written(users * each, 6)}\n{written(users * each, 6)} / 86400 = {written(rate, 6)} rps"
    forgot = checked(work, problem).values
    assert (forgot["first_wrong_step"], forgot["kind"]) == (2, PEAK)
    assert forgot["error_factor"] == pytest.approx(peak, rel=0.02)
    used = checked(f"{work}\n{written(rate, 6)} * {peak} = {written(rate * peak, 6)} rps", problem).values
    assert (used["first_wrong_step"], used["accepted"]) == (0, True)


# ---- hostile input

HOSTILE = ["", " ", "no equation here", "=", "= = =", "12M", "((((((", "(" * 5000 + "1 = 1", "1*" * 3000, "1," * 3000, "a " * 3000,
           "=1" * 3000, "1 = 1\n" * 900, "1 / 0 = 1", "99^99^99 = 1", "1e999 = 1", "1 = 1e-999", "2 - 5 = -3", "5 - 5 = 0",
           "12 * 8 = 0", "∞ * 2 = ∞", "☃ = ☃", "\u0000 = 1", "\u202e5 = 5\u202e)", "__import__('os') = 1", "1" * 5990 + " = 1", "x" * 10_000_000]


@pytest.mark.parametrize("work", HOSTILE, ids=[f"{text[:12]!r} of {len(text)}" for text in HOSTILE])
def test_what_is_no_work_is_refused_in_a_sentence_and_at_once(work: str) -> None:
    began = time.process_time()
    with pytest.raises(ToolError) as caught:
        checked(work, work if len(work) < 6000 else "")
    assert time.process_time() - began < 0.5
    told = str(caught.value)
    assert "\n" not in told.strip() and len(told) < 400 and told.endswith((".", "?"))


PARTS = ["10", "12M", "0", "1e300", "1e-300", "1.5 TB", " * ", " / ", " = ", "\n", " + ", " - ", "(", ")", "%", " a day", " per ", "Gbps",
         "100,000", " ≈ ", "avg = ", "peak: ", "2^30", "x", "$", " rps", "~", "; ", ". ", "sqrt(", " GiB", "^", "days", "3 replicas", "²", "é"]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=24).map("".join), st.booleans())
def test_fragments_are_graded_or_refused(work: str, with_problem: bool) -> None:
    try:
        values = checked(work, "Peak 3x, three copies: what is the average?" if with_problem else "").values
    except ToolError as error:
        assert "\n" not in str(error).strip()
        return
    assert values["error_factor"] >= 1 and values["right"] > 0
    assert (values["first_wrong_step"] > 0) == bool(values["kind"])
