"""Hyperparameter search tools against published tables, their definitions, scikit-learn and optuna."""

from __future__ import annotations

import doctest
import json
import math
import sys
from fractions import Fraction
from statistics import NormalDist
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.base import Tool, ToolError, ToolResult
from tools.calculators import acquisition, gaussian_process, hyperband_table, random_search
from tools.simulators import gp_ei, hyperband_race, multifidelity, tpe_search

STEPPER, RACE = gp_ei.gp_ei, hyperband_race.hyperband_race
TPE, RANDOM = tpe_search.tpe_search, random_search.random_search
LARGE = [STEPPER, RACE, TPE, RANDOM]
FORMULAS = [each for module in (acquisition, gaussian_process, hyperband_table, random_search)
            for each in vars(module).values() if isinstance(each, Tool) and each.kind == "formula"]
CASES = [(each, case) for each in [*LARGE, *FORMULAS] for case in each.cases if not case.shown]


def _close(got: Any, expected: Any, rel: float, near: float) -> bool:
    if isinstance(expected, list):
        return len(got) == len(expected) and all(_close(a, b, rel, near) for a, b in zip(got, expected, strict=True))
    if expected is None or isinstance(expected, bool | str):
        return type(got) is type(expected) and bool(got == expected)
    return bool(got == pytest.approx(expected, rel=rel or 1e-12, abs=near))


def _value(tool: Tool, **args: Any) -> Any:
    return tool.run(args).values["result"]


# ---- goldens, pages, questions, plots


@pytest.mark.parametrize(("tool", "case"), CASES, ids=[f"{tool.name}-{n}" for n, (tool, _) in enumerate(CASES)])
def test_every_case_holds(tool: Tool, case: Any) -> None:
    values = tool.run(case.args).values
    for name, expected in case.expected.items():
        assert _close(values[name], expected, case.rel, case.abs), (name, values[name])


@pytest.mark.parametrize("tool", LARGE, ids=lambda tool: tool.name)
def test_the_example_on_the_page_runs(tool: Tool) -> None:
    example = doctest.DocTestParser().get_doctest(tool.page, dict(vars(sys.modules[tool.function.__module__])),
                                                  tool.name, None, 0)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


ANSWERED = [
    (STEPPER, [{"batch": 4, "rounds": 5, "initial": 4}, {"objective": "forrester"},
               {"batch": 8, "rounds": 3, "initial": 4}]),
    (RACE, [{"max_budget": 81, "eta": 3}, {"max_budget": 81, "eta": 3}, {"max_budget": 27, "eta": 3},
            {"max_budget": 81, "eta": 3}, {"rank_correlation": 1.0, "strategy": "successive-halving"}]),
    (TPE, [{"trials": 40, "workers": 8}, {"trials": 60}, {"trials": 39}]),
    (RANDOM, [{"trials": 60, "top": 0.05}, {"top": 0.01, "confidence": 0.95}, {"trials": 64, "dims": 6},
              {"trials": 100, "top": 0.02}]),
]


@pytest.mark.parametrize(("tool", "index", "args"), [(tool, index, args) for tool, rows in ANSWERED
                                                     for index, args in enumerate(rows)])
def test_a_question_has_its_answer_once_its_slots_are_filled(tool: Tool, index: int, args: dict[str, Any]) -> None:
    ask = tool.asks[index]
    assert tool.run(args).values[ask.value] == pytest.approx(ask.expected, rel=ask.rel)


def test_every_question_is_answered_above() -> None:
    assert {tool.name: len(rows) for tool, rows in ANSWERED} == {tool.name: len(tool.asks) for tool in LARGE}


def _sound(result: ToolResult) -> None:
    """Finite, with labelled axes and lines of equal columns."""
    json.dumps(result.model_dump(), allow_nan=False)
    assert result.summary.endswith(".") and result.naive and result.formula and result.assumptions
    assert set(result.units) <= set(result.values)
    plot = result.plot
    assert plot is not None and plot.title and plot.x_label and plot.y_label and plot.lines
    for line in plot.lines:
        assert len(line.x) == len(line.y) > 0
        assert not plot.log_y or all(isinstance(y, str) or y > 0 for y in line.y), line.label


@pytest.mark.parametrize("tool", LARGE, ids=lambda tool: tool.name)
def test_the_same_arguments_and_seed_give_the_same_bytes(tool: Tool) -> None:
    first, again, other = tool.run(tool.example, 3), tool.run(tool.example, 3), tool.run(tool.example, 4)
    assert first.model_dump_json() == again.model_dump_json()
    assert tool is RANDOM or first.values != other.values
    _sound(first)
    assert any(line.dashed for line in first.plot.lines)  # type: ignore[union-attr]


def test_bohb_repeats_itself_too() -> None:
    args = {"strategy": "bohb", "max_budget": 27}
    assert RACE.run(args, 5).model_dump_json() == RACE.run(args, 5).model_dump_json()


def _extremes(tool: Tool) -> list[dict[str, Any]]:
    """Each parameter alone at the ends of its range, or at each of its choices."""
    found: list[dict[str, Any]] = []
    for name, info in tool.params.model_fields.items():
        for item in info.metadata:
            found += [{name: value} for key in ("ge", "le") if (value := getattr(item, key, None)) is not None]
        found += [{name: choice} for choice in get_args(info.annotation) if isinstance(choice, str)]
    return found


@pytest.mark.parametrize("tool", LARGE, ids=lambda tool: tool.name)
def test_the_ends_of_every_range_are_finite_or_refused_in_a_sentence(tool: Tool) -> None:
    ran = 0
    for args in _extremes(tool):
        try:
            result = tool.run(args)
        except ToolError as error:
            assert str(error).endswith(".") and str(error).count("\n") == 0, args
            continue
        _sound(result)
        ran += 1
    assert ran >= 6


# ---- acquisition and Gaussian processes


@given(st.floats(-5, 5), st.floats(0.01, 5), st.floats(-5, 5))
@settings(deadline=None)
def test_expected_improvement_is_the_integral(mu: float, sigma: float, best: float) -> None:
    normal = NormalDist()
    points = [normal.inv_cdf((each + 0.5) / 4_000) for each in range(4_000)]
    integral = math.fsum(max(0.0, best - mu - sigma * z) for z in points) / len(points)
    found = _value(acquisition.ei_min, mu=mu, sigma=sigma, best=best)
    assert found == pytest.approx(integral, abs=1e-3 * sigma)
    assert found >= max(0.0, best - mu)
    assert _value(acquisition.ei_max, mu=-mu, sigma=sigma, best=-best) == pytest.approx(found)
    both = [_value(each, mu=mu, sigma=sigma, best=best) for each in (acquisition.pi_min, acquisition.pi_max)]
    assert sum(both) == pytest.approx(1)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(-1e6, 1e6))
def test_expected_improvement_is_finite_and_never_negative(mu: float, sigma: float, best: float) -> None:
    assert 0 <= _value(acquisition.ei_min, mu=mu, sigma=sigma, best=best) < math.inf


@pytest.mark.parametrize("kernel", ["rbf", "matern32", "matern52"])
def test_scikit_learn_has_the_same_posterior_and_likelihood(kernel: Any) -> None:
    gp = pytest.importorskip("sklearn.gaussian_process", reason="scikit-learn is a peer, not a dependency")
    kernels = gp.kernels
    shape = {"rbf": kernels.RBF(0.4), "matern32": kernels.Matern(0.4, nu=1.5), "matern52": kernels.Matern(0.4, nu=2.5)}
    rng = np.random.default_rng(1)
    x, y, asked = rng.random((12, 2)), rng.standard_normal(12), rng.random((5, 2))
    scaled = kernels.ConstantKernel(2.0) * shape[kernel]
    peer = gp.GaussianProcessRegressor(scaled, alpha=0.01, optimizer=None).fit(x, y)
    args = {"X": x.tolist(), "y": y.tolist(), "rbf_l": 0.4, "noise": 0.01, "amplitude": 2.0, "kernel": kernel}
    mean, deviation = peer.predict(asked, return_std=True)
    found = _value(gaussian_process.gp_posterior, xs=asked.tolist(), **args)
    assert found == pytest.approx([*mean, *deviation], abs=1e-6)
    assert _value(gaussian_process.gp_log_likelihood, **args) == pytest.approx(peer.log_marginal_likelihood_value_)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=12, unique=True), st.data())
@settings(max_examples=30, deadline=None)
def test_the_stepper_that_adds_rows_agrees_with_the_whole_solution(points: list[int], data: Any) -> None:
    values = data.draw(st.lists(st.floats(-3, 3), min_size=len(points), max_size=len(points)))
    if max(values) - min(values) < 0.1:
        values = [float(each) for each in range(len(points))]
    p = gp_ei.GpEi(noise=0.1)
    process = gp_ei.Process(p)
    for point, value in zip(points, values, strict=True):
        process.add(point, value)
    process.add(7, 99.0)
    process.forget(len(points))
    mean, deviation, centre, scale = process.believe(values)
    whole, wide = gaussian_process.posterior(
        [gp_ei.X[each] for each in points], [(each - centre) / scale for each in values], list(gp_ei.X), p.length,
        p.noise**2, 1.0, p.kernel)
    assert mean == pytest.approx(whole, abs=1e-6)
    assert deviation == pytest.approx(wide, abs=1e-4)


@pytest.mark.parametrize(("args", "message"), [
    ({"X": [0, 1], "y": [1], "xs": [0.5]}, "needs a value"),
    ({"X": [0], "y": [1], "xs": [[0.5, 1]]}, "same coordinates"),
    ({"X": [[0], [1, 2]], "y": [1, 2], "xs": [0.5]}, "same number of coordinates"),
    ({"X": [0, 1e-9, 2e-9], "y": [1, 2, 3], "xs": [1], "rbf_l": 1e9}, None),
])
def test_a_process_without_a_solution_is_refused(args: dict[str, Any], message: str | None) -> None:
    if message is None:
        assert all(math.isfinite(each) for each in _value(gaussian_process.gp_posterior, **args))
        return
    with pytest.raises(ToolError, match=message):
        gaussian_process.gp_posterior.run(args)


@pytest.mark.parametrize("strategy", ["liar-min", "liar-mean", "liar-max"])
def test_a_liar_spreads_a_batch_and_top_k_doesnt(strategy: str) -> None:
    result = STEPPER.run({"strategy": strategy, "objective": "waves", "repeats": 15})
    assert result.values["batch_spread"] > 4 * result.values["top_k_spread"]
    assert result.values["regret"] < result.naive["regret"]


@pytest.mark.parametrize(("strategy", "lie"), [("liar-min", min), ("liar-max", max), ("liar-mean", np.mean)])
def test_a_batch_is_what_lying_step_by_step_gives(strategy: str, lie: Any) -> None:
    series = STEPPER.run({"strategy": strategy, "batch": 3, "rounds": 1, "repeats": 1}, 11).series
    tried, seen = series["trial_x"][:4], series["trial_value"][:4]
    told = float(lie(seen))
    for _ in range(3):
        centre, scale = float(np.mean(seen)), float(np.std(seen))
        known = [(each - centre) / scale for each in seen]
        mean, deviation = gaussian_process.posterior(tried, known, series["x"], 0.12, 1e-6, 1.0, "matern52")
        best = (min(seen) - centre) / scale
        gain = [-1.0 if x in tried else acquisition.expected_improvement(best - float(m) - 0.01, float(d))
                for x, m, d in zip(series["x"], mean, deviation, strict=True)]
        tried, seen = [*tried, series["x"][int(np.argmax(gain))]], [*seen, told]
    assert series["trial_x"] == tried


def test_a_batch_names_no_point_twice() -> None:
    tried = STEPPER.run({"batch": 8, "rounds": 6, "repeats": 1}).series["trial_x"]
    assert len(set(tried)) == len(tried) == 52


# ---- Hyperband, ASHA


@given(st.integers(1, 2_000), st.integers(2, 6))
def test_brackets_follow_their_formulas(R: int, eta: int) -> None:
    levels = _value(hyperband_table.hyperband_brackets, R=R, eta=eta)
    assert eta ** (levels - 1) <= R < eta**levels
    for variant in ("reference code", "Algorithm 1 formula"):
        table = _value(hyperband_table.hyperband_table, R=R, eta=eta, variant=variant)
        assert len(table) == levels
        for s, rungs in zip(range(levels - 1, -1, -1), table, strict=True):
            share = Fraction(levels, s + 1)
            start = math.ceil((share if variant[0] == "A" else levels // (s + 1)) * eta**s)
            assert [count for count, _ in rungs] == [start // eta**i for i in range(s + 1)]
            assert [level for _, level in rungs] == [pytest.approx(R * float(eta) ** (i - s)) for i in range(s + 1)]
            assert rungs[-1][0] >= 1
    code, paper = _value(hyperband_table.hyperband_budget, R=R, eta=eta)
    assert code <= paper
    resumed = _value(hyperband_table.resumed_budget, R=R, eta=eta, variant="formula")
    assert resumed <= paper


def test_exact_logarithms_keep_the_bracket_that_floating_point_loses() -> None:
    assert int(math.log(243) / math.log(3)) == 4
    assert _value(hyperband_table.hyperband_brackets, R=243, eta=3) == 6


@pytest.mark.parametrize("variant", ["both table and formula", "neither", ""])
def test_a_table_must_be_named(variant: str) -> None:
    with pytest.raises(ToolError, match="must name 'reference code' or 'Algorithm 1 formula'"):
        hyperband_table.hyperband_table.run({"R": 81, "eta": 3, "variant": variant})


def _setup(**changes: Any) -> multifidelity.Setup:
    plain: dict[str, Any] = {
        "brackets": hyperband_table.brackets(27, 3, "formula"), "top": 27, "eta": 3, "workers": 4, "unit_ms": 1_000,
        "spread": 0.4, "early": 0.6, "resume": True, "budget": 400.0, "dims": 2}
    return multifidelity.Setup(**{**plain, **changes})


@pytest.mark.parametrize("strategy", ["hyperband", "successive-halving", "asha", "random"])
@given(seed=st.integers(0, 10_000), workers=st.integers(1, 9), resume=st.booleans())
@settings(max_examples=15, deadline=None)
def test_workers_do_one_job_at_a_time_and_levels_are_climbed_in_order(
    strategy: str, seed: int, workers: int, resume: bool,
) -> None:
    race = multifidelity.run(strategy, _setup(workers=workers, resume=resume), [seed])
    for worker in range(workers):
        jobs = sorted((each.start_ms, each.end_ms) for each in race.jobs if each.worker == worker)
        assert all(one[1] <= two[0] for one, two in zip(jobs, jobs[1:], strict=False))
    for config in range(len(race.quantiles)):
        climbed = [each for each in race.jobs if each.config == config]
        assert all(one.level < two.level and one.end_ms <= two.start_ms
                   for one, two in zip(climbed, climbed[1:], strict=False))
    assert race.spent <= 400 + (27 if strategy == "asha" else 0)
    assert race.started_best <= race.regret <= 1


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_a_rung_waits_for_its_last_job_and_asha_promotes_only_the_top_third(seed: int) -> None:
    race = multifidelity.run("successive-halving", _setup(budget=108.0), [seed])
    levels = sorted({each.level for each in race.jobs})
    for low, high in zip(levels, levels[1:], strict=False):
        assert max(each.end_ms for each in race.jobs if each.level == low) <= min(
            each.start_ms for each in race.jobs if each.level == high)
    asha = multifidelity.run("asha", _setup(workers=3, early=1.0), [seed])
    for low, high in zip(levels, levels[1:], strict=False):
        for job in (each for each in asha.jobs if each.level == high):
            finished = sorted(asha.quantiles[each.config] for each in asha.jobs
                              if each.level == low and each.end_ms <= job.start_ms)
            assert finished.index(asha.quantiles[job.config]) < len(finished) // 3


@pytest.mark.parametrize("spearman", [0.2, 0.6, 0.9])
def test_early_losses_have_the_asked_rank_correlation(spearman: float) -> None:
    from scipy.stats import spearmanr

    setup = _setup(early=2 * math.sin(math.pi * spearman / 6))
    land = multifidelity.Landscape(setup, np.random.default_rng(2))
    configs = [land.add() for _ in range(4_000)]
    for level, expected in ((1, spearman), (27, 1.0)):
        seen = spearmanr([land.loss(each, level) for each in configs], land.quantiles).statistic
        assert seen == pytest.approx(expected, abs=0.04)
    assert np.quantile(land.quantiles, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


def test_halving_keeps_its_best_if_early_losses_rank_and_loses_it_if_they_dont() -> None:
    args = {"strategy": "successive-halving", "max_budget": 27, "repeats": 20}
    lost = [RACE.run({**args, "rank_correlation": each}).values["lost_best"] for each in (1.0, 0.5, 0.0)]
    assert lost[0] == 0.0 < lost[1] < lost[2]
    misled = RACE.run({**args, "rank_correlation": -1.0})
    assert misled.values["regret"] > misled.naive["regret"]


def test_asha_keeps_workers_busier_than_rungs_that_wait() -> None:
    waiting, asynchronous = (RACE.run({"strategy": each, "workers": 16}).values for each in ("hyperband", "asha"))
    assert asynchronous["utilisation"] > waiting["utilisation"] + 0.2
    assert asynchronous["makespan_s"] < waiting["makespan_s"]


def test_random_search_ends_at_the_expected_quantile() -> None:
    values = RACE.run({"strategy": "random", "max_budget": 9, "repeats": 100}).values
    expected = random_search.best_quantile.run({"n": values["configurations"]}).values["result"]
    assert values["regret"] == pytest.approx(expected, rel=0.4)


# ---- random search and TPE


@given(st.integers(1, 5_000), st.floats(0.001, 0.9))
def test_draws_needed_are_the_fewest_that_suffice(n: int, top: float) -> None:
    chance = _value(random_search.random_top, n=n, top=top)
    assert 0 < chance <= 1
    needed = _value(random_search.random_draws, top=top, confidence=0.95)
    assert _value(random_search.random_top, n=needed, top=top) >= 0.95 - 1e-9
    assert needed == 1 or _value(random_search.random_top, n=needed - 1, top=top) < 0.95 + 1e-9


@given(st.integers(1, 10**6), st.integers(1, 12))
def test_a_grid_is_the_largest_that_fits(trials: int, dims: int) -> None:
    levels = _value(random_search.grid_distinct, trials=trials, dims=dims)
    assert levels**dims <= trials < (levels + 1) ** dims


def test_tpe_is_optunas_own_search() -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed = int(np.random.default_rng([6, 0]).integers(2**31))
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True, n_startup_trials=10))
    study.optimize(lambda trial: math.fsum((trial.suggest_float(name, 0, 1) - 0.3) ** 2 for name in ("x0", "x1")),
                   n_trials=25)
    result = TPE.run({"workers": 1, "trials": 25}, 6)
    assert result.values["regret"] == pytest.approx(study.best_value, rel=1e-12)


def test_the_liar_keeps_a_parallel_batch_apart() -> None:
    result = TPE.run({"workers": 8, "trials": 48})
    assert result.values["crowded"] < 0.2 < result.naive["crowded"]
    assert result.values["regret"] < result.values["random_regret"]


def test_only_startup_trials_are_random_search() -> None:
    result = TPE.run({"trials": 8, "startup": 20})
    assert result.values["regret"] == result.naive["regret"]
    assert "random search" in result.warnings[0]


@pytest.mark.parametrize(("tool", "args", "message"), [
    (STEPPER, {"batch": 16, "rounds": 60}, "at most"), (RACE, {"max_budget": 729, "repeats": 50}, "exceed"),
    (RACE, {"strategy": "bohb", "max_budget": 243}, "bohb would propose"),
    (TPE, {"trials": 150, "repeats": 2}, "at most"), (RANDOM, {"dims": 2, "important": 3}, "at most"),
])
def test_what_would_take_too_long_is_refused(tool: Tool, args: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        tool.run(args)
