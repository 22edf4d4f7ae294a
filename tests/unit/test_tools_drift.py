"""Drift: distances, tests and the bench against scipy and exact answers, ADWIN against river, DLE against NannyML."""

from __future__ import annotations

import doctest
import json
import math
import random
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from tools.base import Tool, ToolError
from tools.calculators import drift_alarms, drift_distances, drift_tests
from tools.calculators.drift_distances import psi
from tools.simulators import adwin, concept_drift, drift_bench, drift_shifts
from tools.simulators.drift_shifts import Shift

BENCH, ADWIN, CONCEPT = drift_bench.drift_bench, adwin.adwin, concept_drift.concept_or_data_drift
SIMULATORS = [BENCH, ADWIN, CONCEPT]
MODULES = (drift_distances, drift_tests, drift_alarms, adwin, concept_drift)
TOOLS: list[Tool] = [*SIMULATORS, *{each.name: each for module in MODULES for each in vars(module).values()
                                    if isinstance(each, Tool) and each.kind == "formula"}.values()]
CASES = [(each, case) for each in TOOLS for case in each.cases if not case.shown]
SHARES = st.lists(st.integers(1, 1_000), min_size=2, max_size=12)
PAIRS = SHARES.flatmap(lambda first: st.tuples(st.just(first), st.lists(st.integers(1, 1_000), min_size=len(first),
                                                                        max_size=len(first))))
SAMPLES = st.lists(st.integers(-50, 50), min_size=2, max_size=40)


def run(name: str, **args: Any) -> Any:
    return next(tool for tool in TOOLS if tool.name == name).run(args).values["result"]


# ---- goldens, pages, questions, limits


@pytest.mark.parametrize(("tool", "case"), CASES, ids=[f"{tool.name}-{n}" for n, (tool, _) in enumerate(CASES)])
def test_every_case_holds(tool: Tool, case: Any) -> None:
    values = tool.run(case.args).values
    for name, expected in case.expected.items():
        exact = isinstance(expected, str) or expected is None
        assert values[name] == (expected if exact else pytest.approx(expected, rel=case.rel or 1e-12, abs=case.abs)), name


@pytest.mark.parametrize("tool", SIMULATORS, ids=lambda tool: tool.name)
def test_the_example_on_the_page_runs(tool: Tool) -> None:
    example = doctest.DocTestParser().get_doctest(tool.page, dict(vars(sys.modules[tool.function.__module__])),
                                                  tool.name, None, 0)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.parametrize(("tool", "index", "args"), [
    (drift_alarms.fwer, 0, {"features": 100, "alpha": 0.05}),
    (BENCH, 0, {"features": 100, "alpha": 0.05, "n": 1_000}),
    (BENCH, 1, {"shift": "mean", "shift_sd": 0.2}),
    (BENCH, 2, {"n": 1_000, "alpha": 0.05}),
    (BENCH, 3, {"shift": "variance", "sd_factor": 3}),
    (BENCH, 4, {"shift": "rotation", "correlation": 0.8}),
    (BENCH, 5, {"bins": 10, "shift": "mean", "shift_sd": 0.5}),
    (ADWIN, 0, {"before": 0, "after": 1, "n_before": 1_000}),
    (ADWIN, 1, {"before": 0, "after": 1, "delta": 0.002, "clock": 32}),
    (ADWIN, 2, {"before": 0, "after": 1, "clock": 1}),
    (ADWIN, 3, {"before": 0, "after": 1, "clock": 300}),
    (CONCEPT, 0, {"kind": "concept", "rows_per_day": 500}),
    (CONCEPT, 1, {"kind": "concept", "new_slope": -2}),
    (CONCEPT, 2, {"kind": "covariate", "shift_sd": 1.5}),
    (CONCEPT, 3, {"kind": "concept", "drift_day": 10, "label_delay_days": 14}),
    (ADWIN, 4, {"before": 0, "after": 1, "n_before": 1_000, "clock": 64}),
    (CONCEPT, 5, {"kind": "concept", "drift_day": 5, "label_delay_days": 10}),
    (CONCEPT, 4, {"kind": "concept", "drift_day": 20, "label_delay_days": 7}),
])
def test_a_question_has_its_answer_once_its_slots_are_filled(tool: Tool, index: int, args: dict[str, Any]) -> None:
    ask = tool.asks[index]
    assert tool.run(args).values[ask.value] == pytest.approx(ask.expected, rel=ask.rel)


@pytest.mark.parametrize("tool", SIMULATORS, ids=lambda tool: tool.name)
def test_same_arguments_and_seed_give_the_same_bytes(tool: Tool) -> None:
    first, second = (tool.run(tool.example, seed=3).model_dump_json() for _ in range(2))
    assert first == second
    assert tool.run({}).summary and tool.run({}).naive and tool.run({}).plot is not None


@pytest.mark.parametrize("seed", [1, 2])
def test_another_seed_draws_another_sample(seed: int) -> None:
    assert BENCH.run({}, seed=seed).values["ks_d"] != BENCH.run({}, seed=0).values["ks_d"]


def _edges(tool: Tool) -> list[tuple[str, float]]:
    found = []
    for name, info in tool.params.model_fields.items():
        for limit in info.metadata:
            found += [(name, getattr(limit, key)) for key in ("ge", "le") if getattr(limit, key, None) is not None]
    return found


@pytest.mark.parametrize(("tool", "name", "value"), [(tool, *edge) for tool in SIMULATORS for edge in _edges(tool)])
def test_a_parameter_at_its_limit_runs_and_stays_finite_or_is_refused(tool: Tool, name: str, value: float) -> None:
    try:
        result = tool.run({name: value})
    except ToolError as error:
        assert str(error).endswith(".") and str(error).count(". ") == 0
    else:
        json.dumps(result.model_dump(), allow_nan=False)


# ---- distances


@given(PAIRS)
def test_psi_is_symmetric_and_the_sum_of_both_divergences(pair: tuple[list[int], list[int]]) -> None:
    p, q = pair
    value = run("drift.psi", ref=p, cur=q)
    assert value >= 0
    assert value == pytest.approx(run("drift.psi", ref=q, cur=p))
    assert value == pytest.approx(run("drift.kl", p=p, q=q) + run("drift.kl", p=q, q=p), abs=1e-12)


@given(PAIRS)
def test_distances_agree_with_scipy_and_keep_their_bounds(pair: tuple[list[int], list[int]]) -> None:
    from scipy.spatial.distance import jensenshannon

    p, q = pair
    nats, root, bits = run("drift.js", p=p, q=q)
    assert root == pytest.approx(float(jensenshannon(p, q)), abs=1e-7)
    assert 0 <= nats <= math.log(2) and bits == pytest.approx(nats / math.log(2))
    hellinger, variation = run("drift.hellinger", p=p, q=q), run("drift.total_variation", p=p, q=q)
    assert hellinger**2 - 1e-12 <= variation <= math.sqrt(2) * hellinger + 1e-12
    assert run("drift.kl", p=p, q=q) >= 2 * variation**2 - 1e-12  # Pinsker
    statistic, p_value, freedom = run("drift.chi2", ref=p, cur=q)
    peer = stats.chi2_contingency([p, q], correction=False)
    assert (statistic, p_value, freedom) == pytest.approx((peer.statistic, peer.pvalue, peer.dof))


@given(SAMPLES, SAMPLES)
def test_sample_distances_agree_with_scipy(a: list[int], b: list[int]) -> None:
    assert run("drift.wasserstein", a=a, b=b) == pytest.approx(stats.wasserstein_distance(a, b))
    assert run("drift.ks_statistic", a=a, b=b) == pytest.approx(stats.ks_2samp(a, b, method="asymp").statistic)


def test_an_empty_bin_is_floored_or_refused() -> None:
    assert run("drift.psi", ref=[0.5, 0.5], cur=[1.0, 0.0]) == pytest.approx(
        0.5 * math.log(2) + (1e-4 - 0.5) * math.log(1e-4 / 0.5))
    assert run("drift.psi", ref=[0.5, 0.5, 0], cur=[0.5, 0.5, 0], floor=0) == 0
    with pytest.raises(ToolError, match="floor"):
        run("drift.psi", ref=[0.5, 0.5], cur=[1.0, 0.0], floor=0)
    with pytest.raises(ToolError, match="infinite"):
        run("drift.kl", p=[0.5, 0.5], q=[1.0, 0.0])
    assert run("drift.kl", p=[1.0, 0.0], q=[0.5, 0.5]) == pytest.approx(math.log(2))
    with pytest.raises(ToolError, match="same bins"):
        run("drift.js", p=[1.0], q=[0.5, 0.5])
    with pytest.raises(ToolError, match="negative"):
        run("drift.js", p=[1.0, -1.0], q=[0.5, 0.5])


def test_counts_and_shares_say_the_same() -> None:
    assert run("drift.psi", ref=[200, 300], cur=[60, 40]) == pytest.approx(run("drift.psi", ref=[0.4, 0.6], cur=[0.6, 0.4]))


def test_psi_without_drift_has_the_mean_and_quantile_that_the_formulas_say() -> None:
    rng = np.random.default_rng(0)
    counts = rng.multinomial(2_000, [0.1] * 10, size=(2, 3_000))
    values = [run("drift.psi", ref=a, cur=b) for a, b in zip(counts[0].tolist(), counts[1].tolist(), strict=True)]
    assert np.mean(values) == pytest.approx(run("drift.psi_noise", bins=10, n=2_000), rel=0.05)
    assert np.mean(np.array(values) > run("drift.psi_critical", bins=10, n=2_000)) == pytest.approx(0.05, abs=0.015)


# ---- tests


@given(st.floats(0.0, 0.5), st.integers(1, 10**6), st.integers(1, 10**6))
def test_ks_p_value_is_kolmogorovs(distance: float, n: int, m: int) -> None:
    expected = stats.kstwobign.sf(distance * math.sqrt(n * m / (n + m)))
    assert run("drift.ks_p", D=distance, n=n, m=m) == pytest.approx(expected, rel=1e-6, abs=1e-300)


@given(st.floats(0.001, 0.1), st.integers(10, 10**6))
def test_the_critical_distance_has_the_level_as_its_p_value(alpha: float, n: int) -> None:
    critical = run("drift.ks_critical", alpha=alpha, n=n)
    if critical < 1:  # the closed form keeps the first term of Kolmogorov's series
        assert run("drift.ks_p_asymptotic", D=critical, n_each=n) == pytest.approx(alpha, rel=0.001)
        needed = run("drift.ks_n_needed", D=critical, alpha=alpha)
        assert needed in (n, n + 1)


@pytest.mark.parametrize("cur", ["2*ref, n=500 normal scores", "0.5 x ref, n=200", "REF*1, n=10", "3*ref"])
def test_location_tests_are_blind_to_spread(cur: str) -> None:
    if cur.startswith("REF"):
        with pytest.raises(ToolError, match="can't read"):
            run("drift.variance_only", cur=cur)
        return
    t, mann_whitney, distance = run("drift.variance_only", cur=cur)
    assert (t, mann_whitney) == pytest.approx((1.0, 1.0))
    assert distance > 0.1


def test_location_tests_see_an_offset() -> None:
    t, mann_whitney, distance = run("drift.variance_only", cur="ref + 0.5, n=1000")
    assert t < 1e-10 and mann_whitney < 1e-10
    assert distance == pytest.approx(run("drift.ks_mean_shift", shift_sd=0.5), abs=0.002)


# ---- many features, classifiers, forests


@given(st.integers(1, 10_000), st.floats(0.001, 0.5))
def test_corrections_keep_the_chance_of_a_false_alarm(features: int, alpha: float) -> None:
    assert run("drift.fwer", features=features, alpha=run("drift.sidak", features=features, alpha=alpha)) == pytest.approx(
        alpha)
    assert run("drift.fwer", features=features, alpha=run("drift.bonferroni", features=features, alpha=alpha)) <= alpha + 1e-12
    assert run("drift.fwer", features=features, alpha=alpha) <= min(1, features * alpha) + 1e-12


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30), st.integers(1, 200))
def test_benjamini_hochberg_agrees_with_scipy(thousandths: list[int], rate: int) -> None:
    p = [each / 1000 for each in thousandths]
    q = (rate + 0.5) / 1000 * 0.999
    assert run("drift.benjamini_hochberg", p=p, q=q) == (stats.false_discovery_control(p) <= q).tolist()


@given(st.floats(0.0, 5.0))
def test_auc_and_shift_are_inverse(shift: float) -> None:
    assert run("drift.advval_shift", auc=run("drift.advval_auc", shift_sd=shift)) == pytest.approx(shift, abs=1e-5)
    assert run("drift.advval_auc", shift_sd=shift, features=4) == pytest.approx(run("drift.advval_auc", shift_sd=2 * shift))


def test_path_length_agrees_with_scikit_learn() -> None:
    forest = pytest.importorskip("sklearn.ensemble._iforest", reason="scikit-learn is a peer here, not a dependency")
    sizes = [1, 2, 3, 10, 256, 100_000]
    assert [run("drift.iforest_c", n=n) for n in sizes] == pytest.approx(forest._average_path_length(np.array(sizes)))
    assert run("drift.iforest_score", path=0, n=256) == 1


# ---- the bench


SHIFTS = [Shift("mean", mean=0.4), Shift("variance", factor=2.0), Shift("variance", factor=0.4),
          Shift("tail", tail=0.3), Shift("rotation", correlation=0.6), Shift("missingness", missing=0.2), Shift("none")]


@pytest.mark.parametrize("shift", SHIFTS, ids=lambda shift: shift.kind)
def test_the_exact_answers_match_what_is_drawn(shift: Shift) -> None:
    ref, cur = drift_shifts.draw(shift, 100_000, np.random.default_rng(5))
    present = cur[~np.isnan(cur[:, 0]), 0]
    assert stats.ks_2samp(ref[:, 0], present, method="asymp").statistic == pytest.approx(shift.ks_distance(), abs=0.006)
    edges = stats.norm.ppf(np.arange(1, 10) / 10)
    drawn = np.bincount(np.searchsorted(edges, present), minlength=10) / len(present)
    assert drawn == pytest.approx(shift.shares(10), abs=0.006)
    args = {"shift": shift.kind, "shift_sd": shift.mean, "sd_factor": shift.factor, "tail_share": shift.tail,
            "correlation": shift.correlation, "missing_share": shift.missing, "n": 40_000, "features": 1, "trials": 1}
    assert BENCH.run(args).values["auc"] == pytest.approx(shift.best_auc(), abs=0.012)


@pytest.mark.parametrize("shift", [SHIFTS[0], SHIFTS[1], SHIFTS[3]], ids=lambda shift: shift.kind)
@pytest.mark.parametrize("reference", ["normal", "skewed"])
def test_the_power_of_location_tests_matches_their_simulation(shift: Shift, reference: Any) -> None:
    rng, n = np.random.default_rng(2), 200
    pairs = [drift_shifts.draw(shift, n, rng) for _ in range(600)]
    a = np.array([drift_shifts.recorded(ref[:, 0], reference) for ref, _ in pairs])
    b = np.array([drift_shifts.recorded(cur[:, 0], reference) for _, cur in pairs])
    t, mann_whitney = drift_shifts.power_of_location(shift, reference, np.array([float(n)]), 0.05)
    assert (stats.ttest_ind(a, b, axis=1, equal_var=False).pvalue < 0.05).mean() == pytest.approx(t[0], abs=0.08)
    assert (stats.mannwhitneyu(a, b, axis=1, method="asymptotic").pvalue < 0.05).mean() == pytest.approx(
        mann_whitney[0], abs=0.05)


def test_the_p_value_collapses_while_the_effect_stays() -> None:
    small, large = (BENCH.run({"shift_sd": 0.05, "n": n, "features": 1}).values for n in (1_000, 100_000))
    assert small["ks_p"] > 0.05 and large["ks_p"] < 1e-10
    assert large["ks_d"] < 0.03 and large["psi"] < 0.01 and large["auc"] < 0.53
    assert large["significant"] and not large["important"]
    by_n = BENCH.run({"shift_sd": 0.05}).series["ks_p_of_population_d"]
    assert by_n == sorted(by_n, reverse=True)


def test_each_shift_is_seen_by_its_own_detectors_only() -> None:
    spread = BENCH.run({"shift": "variance", "sd_factor": 3}).values
    assert spread["ks_p"] < 1e-10 and spread["t_p"] > 0.01 and spread["mann_whitney_p"] > 0.001
    assert spread["power_t"] == pytest.approx(0.05, abs=0.01)
    turned = BENCH.run({"shift": "rotation"}).values
    assert turned["ks_p"] > 0.01 and turned["psi"] < 0.02 and turned["auc"] > 0.85
    holes = BENCH.run({"shift": "missingness"}).values
    assert holes["ks_p"] > 0.01 and holes["missing_p"] < 1e-10


def test_a_correction_silences_false_alarms() -> None:
    def false_alarms(correction: str) -> int:
        return sum(BENCH.run({"shift": "none", "features": 100, "n": 500, "trials": 1, "correction": correction,
                              "drifting": 0}, seed=seed).values["false_alarms"] for seed in range(10))

    assert 25 <= false_alarms("none") <= 75
    assert false_alarms("bonferroni") <= 2
    assert false_alarms("benjamini-hochberg") <= 2


@pytest.mark.parametrize("drifting", [0, 1, 4])
def test_alarms_on_features_that_drift_are_not_false(drifting: int) -> None:
    values = BENCH.run({"shift_sd": 1.0, "features": 6, "drifting": drifting, "correction": "bonferroni"}).values
    assert (values["alarms"], values["false_alarms"]) == (drifting, 0)


def test_power_grows_with_rows() -> None:
    series = BENCH.run({"shift_sd": 0.2, "trials": 100}).series
    assert series["t"] == sorted(series["t"])
    assert series["ks"][0] < 0.2 and series["ks"][-1] == 1.0


# ---- ADWIN


def _river(values: list[float], **settings_: Any) -> list[int]:
    drift = pytest.importorskip("river.drift")
    detector, found = drift.ADWIN(**settings_), []
    for index, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            found.append(index)
    return found


@given(st.integers(0, 10**6), st.integers(1, 100))
@settings(max_examples=10, deadline=None)
def test_the_documented_stream_is_rivers(seed: int, clock: int) -> None:
    rng = random.Random(seed)
    stream = [float(each) for each in rng.choices([0, 1], k=1000) + rng.choices(range(4, 8), k=1000)]
    assert run("drift.adwin_river_doc", seed=seed, clock=clock) == _river(stream, clock=clock)


@given(st.integers(0, 10**6), st.integers(1, 100), st.integers(1, 40), st.integers(1, 1500))
@settings(max_examples=20, deadline=None)
def test_what_is_kept_of_the_window_is_rivers(seed: int, clock: int, every: int, count: int) -> None:
    drift = pytest.importorskip("river.drift")
    stream = [float(each) for each in random.Random(seed).choices([0, 1], k=count) + [5] * (count % 300)]
    detector, found, windows = drift.ADWIN(clock=clock), [], []
    for index, value in enumerate(stream):
        detector.update(value)
        found += [index] * detector.drift_detected
        windows.append((detector.width, detector.estimation))
    seen = adwin.watch(stream, 0.002, clock, every)
    assert seen.detections == found
    assert list(zip(seen.widths, seen.means, strict=True)) == windows[::every]
    assert (seen.width, seen.mean) == windows[-1]


@pytest.mark.parametrize(("text", "values"), [
    ("3x0 then 2x1", [0, 0, 0, 1, 1]), ("2 x 0.5, 1*-1; 4", [0.5, 0.5, -1, 4]), ("3x0..1", [0, 0.5, 1]),
    ("2xB(1) THEN 2 x bernoulli(0)", [1, 1, 0, 0]), ("1k x 2", [2] * 1000),
])
def test_a_stream_is_read(text: str, values: list[float]) -> None:
    assert adwin.parse_stream(text).tolist() == values


@pytest.mark.parametrize("text", ["", "then", "tenx0", "0x1", "5xB(2)", "999999999x1", "3y4"])
def test_a_bad_stream_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ToolError, match=r"\.$"):
        adwin.parse_stream(text)


@given(st.integers(1, 400), st.floats(0.3, 0.9))
@settings(max_examples=25, deadline=None)
def test_detections_come_on_the_clock_and_after_the_change(clock: int, after: float) -> None:
    values = ADWIN.run({"before": 0, "after": after, "clock": clock, "noise": "none"}).values
    assert values["first_detection"] >= 1_000 and values["delay"] == values["first_detection"] - 1_000
    assert all((index + 1) % clock == 0 for index in values["detections"])
    assert values["delay"] >= values["expected_delay"] / 2


def test_smaller_changes_and_ramps_take_longer() -> None:
    delays = [ADWIN.run({"before": 0, "after": after, "noise": "none", "clock": 1}).values["delay"]
              for after in (1.0, 0.5, 0.2)]
    assert delays == sorted(delays) and delays[0] < delays[-1]
    ramp = ADWIN.run({"before": 0, "after": 1, "noise": "none", "change": "ramp"}).values["delay"]
    assert ramp > ADWIN.run({"before": 0, "after": 1, "noise": "none"}).values["delay"]


def test_a_change_that_is_too_small_is_missed_and_said_so() -> None:
    result = ADWIN.run({"before": 0.5, "after": 0.51})
    assert result.values["first_detection"] is None and "doesn't notice" in result.summary
    with pytest.raises(ToolError, match="between 0 and 1"):
        ADWIN.run({"after": 2})
    assert ADWIN.run({"after": 2, "noise": "gaussian"}).values["first_detection"] is not None


# ---- concept or data


def _exact_mae(shift: float, slope: float) -> float:
    def error(x: float) -> float:
        spread = 0.5 + 0.5 * abs(x)
        mean: float = run("drift.expected_mae", bias=(2 - slope) * x, sd=spread)
        return mean * math.exp(-((x - shift) ** 2) / 2) / math.sqrt(2 * math.pi)

    return float(quad(error, shift - 9, shift + 9, points=[0.0], limit=200, epsrel=1e-4)[0])


@pytest.mark.parametrize(("kind", "shift", "slope"), [("none", 0.0, 2.0), ("covariate", 1.5, 2.0), ("concept", 0.0, -2.0)])
def test_the_true_error_is_the_integral(kind: str, shift: float, slope: float) -> None:
    _, _, true, _ = run("drift.decision", kind=kind)
    assert true == pytest.approx(_exact_mae(shift, slope), rel=0.02)


@given(st.floats(-5, 5))
@settings(max_examples=10, deadline=None)
def test_no_label_free_monitor_sees_a_new_relationship(slope: float) -> None:
    moved, predicted, true, estimated = run("drift.decision", kind="concept", new_slope=slope)
    assert (moved, predicted) == (False, False)
    assert estimated == run("drift.decision", kind="none")[3]
    assert true >= estimated - 0.03


@pytest.mark.parametrize(("kind", "verdict", "blind"), [
    ("none", "no drift", "no drift"), ("irrelevant", "harmless data drift", "harmless data drift"),
    ("covariate", "data drift that hurts", "data drift that hurts"), ("concept", "concept drift", "no drift"),
    ("both", "concept drift and data drift", "data drift that hurts"),
])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_verdict_needs_labels_for_concept_drift(kind: str, verdict: str, blind: str, seed: int) -> None:
    values = CONCEPT.run({"kind": kind}, seed=seed).values
    assert (values["verdict"], values["verdict_without_labels"]) == (verdict, blind)


@pytest.mark.parametrize("delay", [0, 30])
def test_the_label_delay_adds_to_the_alarm(delay: int) -> None:
    values = CONCEPT.run({"drift_day": 5, "label_delay_days": delay}).values
    assert values["labels_alarm_day"] == 5 + delay
    assert values["x_alarm_day"] is None and values["dle_alarm_day"] is None


def test_a_nanny_that_cannot_extrapolate_underestimates() -> None:
    splines, bins = (CONCEPT.run({"kind": "covariate", "shift_sd": 3, "nanny": nanny}).values for nanny in ("splines", "bins"))
    assert bins["dle_mae"] < 0.85 * bins["true_mae"]
    assert splines["dle_mae"] == pytest.approx(splines["true_mae"], rel=0.1)


def test_drift_must_begin_within_the_days() -> None:
    with pytest.raises(ToolError, match="between 1 and 9"):
        CONCEPT.run({"horizon_days": 10, "drift_day": 10})


def test_nannyml_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """NannyML 0.13.1: 0.721 without drift, 1.028 after the covariate shift, 0.721 after the concept drift."""
    monkeypatch.setenv("NML_DISABLE_USAGE_LOGGING", "1")
    nannyml = pytest.importorskip("nannyml", reason="NannyML wants older libraries than ours; run it where it is installed")
    import pandas as pd

    rng = np.random.default_rng(0)
    weights = np.array([0.0, 2.0, 0.0])

    def frame(world: concept_drift.World, shifts: tuple[float, float] = (0.0, 0.0)) -> Any:
        inputs, targets = world.draw(20_000, rng, shifts)
        return pd.DataFrame({"x": inputs[:, 0], "z": inputs[:, 1], "y": targets,
                             "f": np.column_stack([np.ones(20_000), inputs]) @ weights})

    old, new = concept_drift.World(2.0, 0.5, 0.5), concept_drift.World(-2.0, 0.5, 0.5)
    dle = nannyml.DLE(feature_column_names=["x", "z"], y_pred="f", y_true="y", metrics=["mae"], chunk_size=20_000)
    dle.fit(frame(old))
    for kind, data in (("none", frame(old)), ("covariate", frame(old, (1.5, 0.0))), ("concept", frame(new))):
        estimate = dle.estimate(data.drop(columns="y")).filter(period="analysis").to_df()[("mae", "value")].iloc[0]
        assert run("drift.decision", kind=kind)[3] == pytest.approx(float(estimate), abs=0.06)


def test_psi_of_shifted_shares_is_what_the_bench_reports() -> None:
    shares = Shift("mean", mean=0.5).shares(10).tolist()
    assert BENCH.run({"shift_sd": 0.5}).values["psi_population"] == pytest.approx(psi([0.1] * 10, shares, 1e-4))
