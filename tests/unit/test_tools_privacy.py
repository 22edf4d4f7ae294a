"""Privacy tools against published values, their definitions, dp-accounting, scipy and pycanon."""

from __future__ import annotations

import doctest
import json
import math
import sys
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.base import Tool, ToolError, ToolResult
from tools.calculators import (
    anonymity,
    anonymity_tables,
    dp_accountant,
    dp_budget,
    dp_composition,
    dp_sgd,
    federated,
    secagg,
)
from tools.registry import load_tools
from tools.simulators import anonymity_lab, fedavg_drift, secure_aggregation

ACCOUNTANT, BUDGET = dp_accountant.dp_accountant, dp_budget.privacy_budget
LAB, DRIFT, SECAGG = anonymity_lab.anonymity_lab, fedavg_drift.fedavg_drift, secure_aggregation.secure_aggregation
LARGE = [ACCOUNTANT, BUDGET, LAB, DRIFT, SECAGG]
FORMULAS = [each for module in (dp_composition, dp_sgd, anonymity, federated, secagg) for each in vars(module).values()
            if isinstance(each, Tool)]
CASES = [(each, case) for each in [*LARGE, *FORMULAS] for case in each.cases if not case.shown]
SHARES = st.lists(st.integers(0, 50), min_size=2, max_size=12).filter(any)


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
    (ACCOUNTANT, [{"records": 60_000, "batch": 600, "noise_multiplier": 4, "epochs": 100, "delta": 1e-5},
                  {"records": 60_000, "batch": 250, "noise_multiplier": 1.3, "epochs": 15},
                  {"records": 60_000, "batch": 600, "noise_multiplier": 4, "budget_epsilon": 1},
                  {"noise_multiplier": 1.3, "epochs": 15, "sampling": "shuffle"},
                  {"records": 1_000_000, "batch": 1_000, "epochs": 1}]),
    (BUDGET, [{"releases": 10, "epsilon": 0.1}, {"releases": 100, "epsilon": 0.1, "delta_prime": 1e-5},
              {"sensitivity": 1, "epsilon": 0.5}, {"epsilon": 1, "delta_prime": 1e-5}, {"epsilon": 0.1},
              {"budget": 2, "epsilon": 0.1}]),
    (LAB, [{"table": "salaries", "kept_characters": 3, "number_width": 30},
           {"table": "salaries", "kept_characters": 3, "number_width": 30},
           {"table": "patients", "kept_characters": 3, "number_width": 20},
           {"table": "patients", "kept_characters": 3, "number_width": 20},
           {"table": "patients", "kept_characters": 5, "number_width": 1}]),
    (DRIFT, [{"curvatures": "1, 10", "optima": "0, 1", "eta": 0.05, "local_steps": 10},
             {"curvatures": "1, 10", "optima": "0, 1"}, {"local_steps": 1_000}, {"local_steps": 1, "eta": 0.05},
             {"mu": 10, "local_steps": 1_000}]),
    (SECAGG, [{"clients": 10, "dropouts": 2}, {"clients": 20, "dropouts": 3}, {"clients": 50},
              {"bits": 16, "clients": 32}]),
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
    assert plot is not None and plot.title and plot.x_label and plot.y_label and 2 <= len(plot.lines) <= 5
    for line in plot.lines:
        assert len(line.x) == len(line.y) > 0
        assert not plot.log_y or all(isinstance(y, str) or y > 0 for y in line.y), line.label


@pytest.mark.parametrize("tool", LARGE, ids=lambda tool: tool.name)
def test_the_same_arguments_and_seed_give_the_same_bytes(tool: Tool) -> None:
    first, again = tool.run(tool.example, 3), tool.run(tool.example, 3)
    assert first.model_dump_json() == again.model_dump_json()
    _sound(first)
    assert any(line.dashed for line in first.plot.lines)  # type: ignore[union-attr]


def _extremes(tool: Tool) -> list[dict[str, Any]]:
    """Each parameter alone at the ends of its range, or at each of its choices."""
    found: list[dict[str, Any]] = []
    for name, info in tool.params.model_fields.items():
        for item in info.metadata:
            found += [{name: value} for key in ("ge", "le") if (value := getattr(item, key, None)) is not None]
            if (low := getattr(item, "gt", None)) is not None:
                found.append({name: low + 1e-6})
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
    assert ran >= 8


# ---- differential privacy


@given(st.floats(1e-3, 5), st.integers(1, 10_000), st.floats(1e-9, 0.1))
def test_the_better_composition_is_never_worse_than_either(eps: float, k: int, slack: float) -> None:
    best = _value(dp_composition.compose_best, eps=eps, k=k, delta_prime=slack)
    both = _value(dp_composition.compose, eps=eps, k=k, delta_prime=slack)
    assert best == min(both)
    crossover = _value(dp_composition.compose_crossover, eps=eps, delta_prime=slack)
    assert (both[1] < both[0]) == (crossover is not None and k >= crossover)


@given(st.floats(0.01, 8), st.floats(1e-9, 0.01))
@settings(max_examples=30, deadline=None)
def test_the_analytic_gaussian_is_exact_and_less_noisy_where_the_classic_holds(eps: float, delta: float) -> None:
    sigma = _value(dp_composition.gaussian_sigma_analytic, eps=eps, delta=delta)
    assert _value(dp_composition.gaussian_delta, eps=eps, sigma=sigma) == pytest.approx(delta, rel=1e-5)
    assert _value(dp_composition.gaussian_eps, sigma=sigma, delta=delta) == pytest.approx(eps, rel=1e-5)
    if eps < 1:
        assert sigma < _value(dp_composition.gaussian_sigma_classic, eps=eps, delta=delta)


@given(st.floats(0.01, 20), st.floats(1e-6, 1))
def test_sampling_amplifies_and_randomised_response_inverts(eps: float, q: float) -> None:
    amplified = _value(dp_composition.amplification, eps=eps, q=q)
    assert 0 < amplified <= eps * (1 + 1e-9)
    if eps < 15:
        truth = _value(dp_composition.randomized_response_p, eps=eps)
        assert _value(dp_composition.randomized_response_eps, p=truth) == pytest.approx(eps, rel=1e-6)
    assert _value(dp_composition.posterior, prior=0.5, eps=eps) == pytest.approx(1 / (1 + math.exp(-eps)))


@pytest.mark.parametrize(("q", "sigma", "steps"), [(0.01, 4, 1_000), (0.02, 2, 200), (1.0, 20, 50), (0.2, 5, 30)])
def test_tighter_accountants_say_less(q: float, sigma: float, steps: int) -> None:
    args = {"q": q, "sigma": sigma, "T": steps, "delta": 1e-5}
    pld, rdp, classic, advanced = (_value(each, **args) for each in (
        dp_sgd.sgd_eps_pld, dp_sgd.sgd_eps_rdp, dp_sgd.sgd_eps_classic, dp_sgd.sgd_eps_advanced))
    assert pld < rdp < classic
    assert q == 1.0 or rdp < advanced


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
def test_the_curve_that_is_read_out_of_the_accountant_is_its_own(share: float) -> None:
    curve = dp_sgd.rdp_curve(0.01, 4, 10_000)
    steps = round(10_000 * share)
    assert dp_sgd.tight_epsilon(curve, 1e-5, share) == pytest.approx(
        _value(dp_sgd.sgd_eps_rdp, q=0.01, sigma=4, T=steps, delta=1e-5), rel=1e-6)


def test_without_sampling_a_run_is_one_gaussian_release() -> None:
    curve = dict(dp_sgd.rdp_curve(1.0, 5, 40))
    assert curve[10] == pytest.approx(_value(dp_composition.rdp_gaussian, alpha=10, sigma=5, k=40), rel=1e-9)
    exact = _value(dp_composition.gaussian_eps, sigma=5, delta=1e-6, k=40)
    assert _value(dp_sgd.sgd_eps_pld, q=1, sigma=5, T=40, delta=1e-6) == pytest.approx(exact, rel=1e-9)
    nearly = _value(dp_sgd.sgd_eps_pld, q=0.99999, sigma=5, T=40, delta=1e-6)
    assert nearly == pytest.approx(exact, rel=0.005)


def test_a_long_run_composed_by_blocks_agrees_with_the_library() -> None:
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
    from dp_accounting.pld import PLDAccountant

    accountant = PLDAccountant()
    accountant.compose(SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(8)), 20_000))
    ours = _value(dp_sgd.sgd_eps_pld, q=0.01, sigma=8, T=20_000, delta=1e-5)
    assert ours == pytest.approx(accountant.get_epsilon(1e-5), abs=5e-4)


def test_budgets_are_kept_and_not_wasted() -> None:
    steps = _value(dp_sgd.sgd_steps, q=0.01, sigma=4, eps=0.7, delta=1e-5)
    spent = [_value(dp_sgd.sgd_eps_rdp, q=0.01, sigma=4, T=each, delta=1e-5) for each in (steps, steps + 2)]
    assert spent[0] <= 0.7 + 1e-9 < spent[1] + 1e-6
    found = BUDGET.run({"epsilon": 0.05, "budget": 1.3, "delta_prime": 1e-4}).values["releases_within_budget"]
    both = [_value(dp_composition.compose_best, eps=0.05, k=k, delta_prime=1e-4) for k in (found, found + 1)]
    assert both[0] <= 1.3 + 1e-9 < both[1]


def test_shuffled_batches_are_not_poisson_samples() -> None:
    poisson, shuffled = (ACCOUNTANT.run({"sampling": each}) for each in ("poisson", "shuffle"))
    assert shuffled.values["epsilon"] > 10 * poisson.values["epsilon"]
    assert shuffled.naive["epsilon"] == poisson.values["epsilon"]
    assert "shuffle" in poisson.warnings[0]


def test_hopeless_noise_is_refused_by_the_formula_and_bounded_by_the_tool() -> None:
    with pytest.raises(ToolError, match="protects nobody"):
        dp_sgd.sgd_eps_pld.run({"q": 0.5, "sigma": 0.3, "T": 10_000})
    result = ACCOUNTANT.run({"noise_multiplier": 0.3, "batch": 6_000})
    assert result.values["epsilon_pld"] is None
    assert result.values["epsilon"] == result.values["epsilon_rdp"] > 500


# ---- anonymity


@given(SHARES, st.data())
def test_distances_lie_between_zero_and_one_and_agree(counts: list[int], data: Any) -> None:
    other = data.draw(st.lists(st.integers(0, 50), min_size=len(counts), max_size=len(counts)).filter(any))
    ordered = _value(anonymity.t_ordered, p=counts, q=other)
    equal = _value(anonymity.t_equal, p=counts, q=other)
    assert 0 <= ordered <= equal + 1e-12 <= 1 + 1e-9
    assert _value(anonymity.t_ordered, p=counts, q=counts) == 0


@given(SHARES)
def test_entropy_diversity_is_at_most_distinct(counts: list[int]) -> None:
    distinct = sum(each > 0 for each in counts)
    assert 1 - 1e-9 <= _value(anonymity.entropy_l, p=counts) <= distinct + 1e-9


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.data(), st.booleans())
def test_the_quick_distance_is_the_defined_one(table: list[int], data: Any, ordered: bool) -> None:
    from collections import Counter

    inside = data.draw(st.lists(st.sampled_from(table), min_size=1, max_size=20))
    values: list[Any] = [float(each) for each in table] if ordered else [f"v{each}" for each in table]
    chosen: list[Any] = [float(each) for each in inside] if ordered else [f"v{each}" for each in inside]
    quick = anonymity.Reference(Counter(values), ordered).distance(Counter(chosen))
    assert quick == pytest.approx(_value(anonymity.t_closeness, values=chosen, table=values), abs=1e-9)


def test_scipy_moves_the_same_earth() -> None:
    from scipy.stats import wasserstein_distance

    table = [float(each) for each in anonymity.SALARIES]
    ranks = list(range(len(table)))
    for inside in ([3_000, 4_000, 5_000], [6_000, 8_000, 11_000], [7_000, 9_000, 10_000]):
        moved = wasserstein_distance([table.index(each) for each in inside], ranks) / (len(table) - 1)
        assert _value(anonymity.t_closeness, values=inside, table=table) == pytest.approx(moved)


@pytest.mark.parametrize("seed", range(4))
def test_pycanon_finds_the_same_k_l_and_t(seed: int) -> None:
    peer = pytest.importorskip("pycanon.anonymity", reason="pycanon holds numpy at 2.0, so it isn't a dependency")
    pandas = pytest.importorskip("pandas")
    width, kept = 20, 2
    table = anonymity_tables.make_table(300, 0.5, seed)
    frame = pandas.DataFrame([[str(row[0])[:kept], str(float(row[1]) // width), row[2], row[3]] for row in table.rows],
                             columns=table.names)
    quasi = ["zip", "age", "sex"]
    found = LAB.run({"table": "synthetic", "rows": 300, "number_width": width, "kept_characters": kept}, seed).values
    assert found["k"] == peer.k_anonymity(frame, quasi)
    assert found["distinct_l"] == peer.l_diversity(frame, quasi, ["disease"])
    # the peer cuts off the decimals, so that a 2 that came out as 1.999... is a 1
    cut = {math.floor(found["entropy_l"] + 1e-9), math.floor(found["entropy_l"] - 1e-9)}
    assert peer.entropy_l_diversity(frame, quasi, ["disease"]) in cut
    assert found["t"] == pytest.approx(peer.t_closeness(frame, quasi, ["disease"]), abs=1e-9)


@given(st.integers(1, 30), st.integers(0, 5), st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_suppression_gives_k_and_coarser_ranges_never_help_the_attacker(least: int, kept: int, seed: int) -> None:
    args = {"table": "synthetic", "rows": 200, "kept_characters": kept}
    values = LAB.run({**args, "min_class": least}, seed).values
    assert values["k"] >= least or values["suppressed"] == 200
    fine, coarse = (LAB.run({**args, "number_width": width}, seed).values for width in (10, 20))
    assert coarse["k"] >= fine["k"] and coarse["identity_risk"] <= fine["identity_risk"]
    assert coarse["attribute_risk"] <= fine["attribute_risk"] + 1e-12
    assert coarse["utility_loss"] >= fine["utility_loss"]
    assert fine["attribute_risk"] >= fine["baseline_guess"] - 1e-12


def test_a_k_anonymous_class_with_one_disease_reveals_it() -> None:
    result = LAB.run({})
    assert result.values["k"] == 4 and result.naive["attribute_risk"] == 0.25
    assert result.values["attribute_risk"] == pytest.approx(7 / 12)
    assert result.series["its_share"].count(1.0) == 1
    assert any("single sensitive value" in each for each in result.warnings)


def test_an_own_table_is_read() -> None:
    text = 'city,postcode,income\n"Ulm, old",89073,10\nUlm,89075,20\nUlm,89077,30\n"Ulm, old",89073,30'
    values = LAB.run({"table": "own", "csv": text, "quasi": "postcode", "kept_characters": 3}).values
    assert values["k"] == 4 and values["t"] == 0.0 and values["records"] == 4


@pytest.mark.parametrize(("args", "message"), [
    ({"table": "own"}, "needs csv"), ({"table": "own", "csv": "a,b\n1"}, "line 2 has 1 cells"),
    ({"table": "own", "csv": "a,a\n1,2"}, "twice"), ({"quasi": "height"}, "no column 'height'"),
    ({"quasi": "disease"}, "can't be a quasi-identifier"), ({"table": "own", "csv": "a,b"}, "at least one record"),
])
def test_a_bad_table_is_refused_in_a_sentence(args: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        LAB.run(args)


def test_the_netflix_measurement_is_shown_and_nothing_is_made_up() -> None:
    assert _value(anonymity.netflix, ratings=8, wrong=2, date_err_days=14) == 0.99
    with pytest.raises(ToolError, match="only measured settings"):
        anonymity.netflix.run({"ratings": 5, "wrong": 1, "date_err_days": 14})


# ---- federated learning

CLIENTS = st.lists(st.tuples(st.floats(0.1, 10), st.floats(-5, 5)), min_size=1, max_size=6)


@given(CLIENTS, st.floats(0.001, 0.09), st.integers(1, 200), st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=60, deadline=None)
def test_the_fixed_point_is_where_simulated_rounds_stay(
    clients: list[tuple[float, float]], eta: float, steps: int, mu: float,
) -> None:
    a, c = [each[0] for each in clients], [each[1] for each in clients]
    fixed = _value(federated.fedavg_fixed_point, a=a, c=c, eta=eta, local_steps=steps, mu=mu)
    ends = []
    for curve, centre in clients:
        x = fixed
        for _ in range(steps):
            x -= eta * (curve * (x - centre) + mu * (x - fixed))
        ends.append(x)
    assert sum(ends) / len(ends) == pytest.approx(fixed, abs=1e-7)
    assert min(c) - 1e-9 <= fixed <= max(c) + 1e-9


@given(CLIENTS, st.floats(0.001, 0.09))
def test_one_local_step_settles_at_the_optimum_and_many_at_the_mean(
    clients: list[tuple[float, float]], eta: float,
) -> None:
    a, c = [each[0] for each in clients], [each[1] for each in clients]
    optimum = _value(federated.true_optimum, a=a, c=c)
    assert _value(federated.fedavg_fixed_point, a=a, c=c, eta=eta, local_steps=1) == pytest.approx(optimum, abs=1e-8)
    many = _value(federated.fedavg_fixed_point, a=a, c=c, eta=eta, local_steps=10**7)
    assert many == pytest.approx(sum(c) / len(c), abs=1e-8)
    assert _value(federated.fedprox_fixed_point, a=a, c=c, eta=1e-7, local_steps=10**7, mu=1e5) == pytest.approx(
        optimum, abs=1e-2)


def test_rounds_to_settle_are_those_of_the_path() -> None:
    result = DRIFT.run({"local_steps": 3})
    path, fixed = result.series["global"], result.values["fixed_point"]
    near = 0.01 * abs(path[0] - fixed)
    assert result.values["rounds_to_settle"] == next(n for n, x in enumerate(path) if abs(x - fixed) <= near)
    assert result.values["final"] == pytest.approx(fixed)
    assert result.values["rounds_to_optimum"] is None
    assert DRIFT.run({"local_steps": 1}).values["rounds_to_optimum"] == 15


def test_alike_clients_get_the_saving_and_unlike_ones_dont() -> None:
    gaps = [abs(DRIFT.run({"dirichlet_alpha": alpha, "clients": 200, "local_steps": 50}, 1).values["gap"])
            for alpha in (0.05, 1, 1e4)]
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 1e-4


@pytest.mark.parametrize(("args", "message"), [
    ({"curvatures": "1, x"}, "must be numbers"), ({"curvatures": "1,2,3"}, "3 curvatures but 2 optima"),
    ({"curvatures": "0, 1"}, "above zero"), ({"eta": 0.3, "local_steps": 1_000}, "diverge"),
    ({"eta": 0.5, "local_steps": 1}, "don't converge"),
])
def test_a_federation_without_an_answer_is_refused(args: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        DRIFT.run(args)


# ---- secure aggregation


@given(st.integers(2, 12), st.data())
@settings(max_examples=40, deadline=None)
def test_the_sum_is_exact_exactly_when_enough_clients_stay(clients: int, data: Any) -> None:
    dropouts = data.draw(st.integers(0, clients - 1))
    threshold = data.draw(st.integers(1, clients))
    result = SECAGG.run({"clients": clients, "dropouts": dropouts, "threshold": threshold, "dim": 32},
                        data.draw(st.integers(0, 99)))
    enough = clients - dropouts >= threshold
    assert result.values["sum_exact"] is (True if enough else None)
    assert result.values["difference_error"] == 0
    assert result.naive["sum_exact"] is (dropouts == 0)
    assert (result.series["server_sum"] == result.series["true_sum"]) is enough


@given(st.integers(0, 2**127 - 2), st.integers(1, 8), st.data())
@settings(max_examples=40, deadline=None)
def test_any_threshold_of_shares_rebuilds_and_fewer_dont(secret: int, threshold: int, data: Any) -> None:
    p = secure_aggregation.SecureAggregation(clients=10, threshold=threshold)
    shares = secure_aggregation._share(secret, p, np.random.default_rng(0))
    chosen = data.draw(st.permutations(range(1, 11)))[:threshold]
    assert secure_aggregation._rebuild({x: shares[x - 1] for x in chosen}) == secret
    if threshold > 1:
        assert secure_aggregation._rebuild({x: shares[x - 1] for x in chosen[1:]}) != secret


@given(st.integers(1, 12), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_masks_cancel_unless_a_client_is_missing(n: int, seed: int) -> None:
    assert _value(secagg.masks_cancel, n=n, seed=seed) is True
    assert _value(secagg.masks_cancel, n=n + 1, dropouts=1, seed=seed) is False


def test_masked_updates_look_uniform_and_plain_ones_dont() -> None:
    found = [SECAGG.run({"clients": 3, "dropouts": 0, "dim": 4_000}, seed).values for seed in range(20)]
    assert 0.7 < np.mean([each["masked_unevenness"] for each in found]) < 1.3
    assert min(each["plain_unevenness"] for each in found) > 100
    assert abs(np.mean([each["correlation"] for each in found])) < 0.02


def test_traffic_is_counted_message_by_message() -> None:
    assert _value(secagg.secagg_expansion, users=2**10, dim=2**20, bits=16) == 1.73
    assert _value(secagg.secagg_expansion, users=2**14, dim=2**24, bits=16) == 1.98
    keys, shares, vector = 2 * 5 * 256, (4 * 4 + 5) * 256, 100 * 11
    assert _value(secagg.secagg_user_bits, users=5, dim=100, bits=8) == keys + shares + vector


@pytest.mark.parametrize(("args", "message"), [
    ({"clients": 4, "dropouts": 4}, "at least one must stay"), ({"clients": 4, "threshold": 5}, "can't reach"),
    ({"clients": 60, "dim": 50_000}, "at most"),
])
def test_an_impossible_round_is_refused(args: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        SECAGG.run(args)


def test_tables_may_be_written_in_plain_text() -> None:
    run = {tool.name: tool for tool in load_tools()}
    written = "(20-29, 130), (20-29, 130), (30-39, 148)"
    assert run["anon.k"].run({"rows": written}).values == run["anon.k"].run(
        {"rows": [["20-29", 130], ["20-29", 130], ["30-39", 148]]}).values == {"result": 1}
    assert run["anon.distinct_l"].run({"values": "flu, cancer, flu"}).values == {"result": 2}
    assert run["anon.table_l"].run({"classes": "flu, cancer; flu, flu"}).values["result"][0] == 1
    assert run["anon.t_closeness"].run({"values": "3000, 4000, 5000", "table": "3000 4000 5000 6000 7000 8000 9000 10000 11000"}
                                       ).values["result"] == pytest.approx(0.375)


def test_a_share_of_yeses_that_the_coin_alone_exceeds_is_refused() -> None:
    run = {tool.name: tool for tool in load_tools()}["dp.randomized_response_estimate"].run
    assert run({"p": 0.75, "observed": 0.4}).values["result"] == pytest.approx(0.3)
    with pytest.raises(ToolError, match="only be chance"):
        run({"p": 0.75, "observed": 0.1})
