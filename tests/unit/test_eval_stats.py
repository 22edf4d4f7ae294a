"""Statistics agree with scipy and with known values, and hold their invariants on any data."""

from __future__ import annotations

import importlib
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.stats import bootstrap_interval, estimate, holm, mcnemar, paired, sign_flip, verdict, wilson

stats: Any = importlib.import_module("scipy.stats")

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=30)
PAIRS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30)
BITS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30)
quick = settings(max_examples=40, deadline=None)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 20), (7, 10), (50, 100), (99, 100), (1000, 1000)])
def test_wilson_agrees_with_scipy(successes: int, n: int) -> None:
    theirs = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson(successes, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (0, 1), (3, 11), (11, 3), (5, 5), (40, 60)])
def test_mcnemar_is_the_exact_binomial_test_of_the_discordant_pairs(lost: int, won: int) -> None:
    expected = stats.binomtest(lost, lost + won).pvalue if lost + won else 1.0
    assert mcnemar(lost, won) == pytest.approx(expected, rel=1e-12)


def test_sign_flip_is_exact_for_few_and_close_for_many() -> None:
    def theirs(values: list[float]) -> float:
        result = stats.permutation_test((values,), lambda x, axis: x.mean(axis=axis), permutation_type="samples",
                                        vectorized=True, n_resamples=20_000, rng=1)
        return float(result.pvalue)

    few = [0.1, 0.2, -0.05, 0.3, 0.3, 0.0]
    assert sign_flip(few) == pytest.approx(theirs(few))
    many = [0.3, -0.1, 0.2, 0.05, -0.2, 0.4, 0.1, -0.05, 0.25, 0.15, -0.3, 0.2, 0.1, -0.15, 0.35]
    assert sign_flip(many) == pytest.approx(theirs(many), abs=0.015)
    assert sign_flip([0.5] * 100) == pytest.approx(1 / 5001)


def test_the_bootstrap_agrees_with_scipy_and_is_repeatable() -> None:
    values = [0.0, 0.25, 0.5, 1.0, 1.0, 0.75, 0.33, 0.66, 1.0, 0.2] * 4
    theirs = stats.bootstrap((values,), lambda x, axis: x.mean(axis=axis), method="percentile", vectorized=True,
                             n_resamples=5000, rng=3).confidence_interval
    assert bootstrap_interval(values) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert bootstrap_interval(values, 7) == bootstrap_interval(values, 7) != bootstrap_interval(values, 8)


def test_many_values_are_resampled_in_pieces() -> None:
    values = [float(number % 7) for number in range(1500)]
    spread = 1.96 * 2 / math.sqrt(1500)
    assert bootstrap_interval(values) == pytest.approx((2.996 - spread, 2.996 + spread), abs=0.02)


def test_holm_on_a_known_example() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert holm({}) == {} and holm({"only": 0.9}) == {"only": 0.9}


def test_proportions_get_wilson_and_everything_else_the_bootstrap() -> None:
    assert estimate([0, 1, 1]).method == "wilson"
    assert estimate([0, 1, 1], counts=True).method == estimate([0, 0.5, 1]).method == "bootstrap"
    assert paired([0, 1], [1, 1]).test == "mcnemar" and paired([0, 0.5], [1, 1]).test == "permutation"


def test_a_clear_gain_a_clear_loss_and_luck() -> None:
    gain = paired([0.2, 0.4, 0.3] * 10, [0.5, 0.6, 0.4] * 10)
    assert 0 < gain.low <= gain.difference <= gain.high and gain.p < 0.001
    assert verdict(gain.difference, gain.p, 1) == "better" and verdict(gain.difference, gain.p, -1) == "worse"
    assert verdict(-gain.difference, gain.p, 1) == "worse"
    luck = paired([0, 1, 0, 1], [1, 0, 0, 1])
    assert verdict(luck.difference, luck.p, 1) == verdict(0.1, 0.05, 1) == "no evidence"


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, 1.0]])
def test_nothing_can_be_said_of_no_values_or_infinite_ones(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        estimate(values)
    with pytest.raises(ValueError, match="as many"):
        paired([*values, 1.0], values)


@quick
@given(SHARES)
def test_an_interval_holds_its_mean(values: list[float]) -> None:
    for found in (estimate(values), estimate([float(value > 0.5) for value in values])):
        assert found.low <= found.mean <= found.high and found.n == len(values)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_lies_in_the_unit_interval_and_narrows_with_more_data(counts: tuple[int, int]) -> None:
    successes, n = counts
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    more = wilson(10 * successes, 10 * n)
    assert more[1] - more[0] < high - low


@quick
@given(SHARES)
def test_a_measurement_compared_with_itself_has_no_difference(values: list[float]) -> None:
    for data in (values, [float(value > 0.5) for value in values]):
        found = paired(data, data)
        assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


@quick
@given(PAIRS)
def test_swapping_the_sides_turns_the_difference_and_keeps_p(pairs: list[tuple[float, float]]) -> None:
    before, after = [old for old, _ in pairs], [new for _, new in pairs]
    there, back = paired(before, after), paired(after, before)
    assert there.p == back.p and there.difference == -back.difference
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-12)
    assert 0 < there.p <= 1


@quick
@given(BITS)
def test_on_bits_the_permutation_test_and_mcnemar_say_the_same(pairs: list[tuple[int, int]]) -> None:
    differences = [float(new - old) for old, new in pairs]
    exact = mcnemar(differences.count(-1), differences.count(1))
    close = 1e-12 if sum(map(abs, differences)) <= 12 else 0.04
    assert sign_flip(differences) == pytest.approx(exact, abs=close)


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_only_raises_keeps_the_order_and_never_exceeds_bonferroni(p_values: dict[str, float]) -> None:
    adjusted = holm(p_values)
    assert list(adjusted) == list(p_values)
    for name, p in p_values.items():
        assert p <= adjusted[name] <= min(1.0, p * len(p_values)) + 1e-12
        assert all(adjusted[name] <= adjusted[other] for other, theirs in p_values.items() if p < theirs)
