"""The drift bench: one shift, many detectors, and what each says as rows grow. Knows nothing about models or labels."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.drift_alarms import benjamini_hochberg, bonferroni, fwer
from tools.calculators.drift_distances import PSI_BANDS, js, psi, psi_band, psi_noise, wasserstein
from tools.calculators.drift_tests import ks_critical
from tools.simulators.drift_shifts import Floats, Kind, Reference, Shift, draw, power_of_location, recorded

_PROCESS_BINS = 256
_MOST_VALUES = 2_000_000
Correction = Literal["none", "bonferroni", "benjamini-hochberg"]


class Bench(Params):
    shift: Kind = param("mean", words=["shift", "kind of drift", "type"], help="what changes in the current rows")
    shift_sd: float = param(0.1, ge=0, le=5, help="for mean: in standard deviations",
                            words=["mean shifts by", "standard deviations", "sd", "shift of", "shifts by"])
    sd_factor: float = param(3.0, ge=0.1, le=10, help="for variance: times the standard deviation",
                             words=["spread", "variance", "factor", "times the standard deviation", "wider"])
    tail_share: float = param(0.05, ge=0, le=1, unit="fraction", help="for tail: share of values 5 times as wide",
                              words=["tail", "outliers", "contaminated"])
    correlation: float = param(0.8, ge=0, le=0.999, help="for rotation: rho that turns to -rho",
                               words=["correlation", "rho", "rotation"])
    missing_share: float = param(0.05, ge=0, le=0.95, unit="fraction", help="for missingness",
                                 words=["missing", "nulls", "empty"])
    reference: Reference = param("normal", words=["reference", "distribution"])
    n: int = param(5_000, ge=20, le=100_000, unit="count", help="rows on each side",
                   words=["rows", "samples", "n", "rows per side", "records"])
    bins: int = param(10, ge=2, le=100, unit="count", words=["bins", "deciles", "buckets"])
    alpha: float = param(0.05, ge=1e-9, le=0.5, unit="fraction", words=["alpha", "significance", "level"])
    features: int = param(10, ge=1, le=1_000, unit="count", words=["features", "columns", "monitored features"])
    drifting: int = param(1, ge=0, le=1_000, unit="count", help="features that drift",
                          words=["drifting features", "really drift", "drifted"])
    correction: Correction = param("none", words=["correction", "multiple testing"])
    trials: int = param(20, ge=1, le=200, unit="count", help="for the power of KS and PSI", words=["trials", "repeats"])


@tool("drift-bench", group="I", kind="simulator", example={"shift": "variance", "sd_factor": 3, "n": 1000},
      words=["data drift", "drift test", "psi", "kolmogorov-smirnov", "ks test", "population stability index",
             "jensen-shannon", "covariate shift", "adversarial validation", "p-value",
             "drift monitor", "which tests fire"],
      cases=[
          Case({"shift": "mean", "shift_sd": 0.2}, {"auc_best": 0.55623}, abs=1e-5, source="Phi(d/sqrt 2)"),
          Case({"shift": "mean", "shift_sd": 1.0}, {"auc_best": 0.76025}, abs=1e-5, source="Phi(d/sqrt 2)"),
          Case({"shift": "variance", "sd_factor": 3, "n": 1000}, {"ks_d_population": 0.242164}, abs=1e-6,
               source="where the two densities cross; 0.243 on 1,000 normal scores"),
          Case({"features": 100, "n": 1000}, {"false_alarm_probability": 0.99408, "ks_critical": 0.060736}, abs=1e-5,
               source="1 - 0.95**100; 1.3581*sqrt(2/1000)"),
          Case({"shift": "rotation", "correlation": 0.8}, {"auc_best": 0.9, "ks_d_population": 0.0}, abs=1e-9,
               source="(1 + rho)/2"),
      ],
      asks=[
          Ask("Over 1,000 rows of 100 features: how likely is some false alarm from drift tests at alpha 5%?",
              "false_alarm_probability", 0.99408),
          Ask("The mean shifts by 0.2 standard deviations: what AUC can adversarial validation reach at best?",
              "auc_best", 0.55623),
          Ask("From which KS distance on do 1,000 rows per side count as drifted at alpha 5%?", "ks_critical",
              0.060736),
          Ask("Production data has 3 times the standard deviation and the same mean. How large is the KS distance?",
              "ks_d_population", 0.24216),
          Ask("A rotation flips a correlation of 0.8 to its negative: which AUC can a domain classifier reach at best?",
              "auc_best", 0.9),
          Ask("What PSI with 10 bins does a mean shift of half a standard deviation (0.5 sd) have?", "psi_population",
              0.23775),
      ])
def drift_bench(p: Bench, seed: int) -> ToolResult:
    """Runs the usual drift detectors over one known shift: what is significant, what is large, and what none can see.

    Draws `n` reference and `n` current rows of two features. The first one (with `rotation` their correlation) drifts
    as chosen; the shifts are in standard deviations, and `reference` only changes how values are recorded. One sample
    gives PSI (bins of equal reference shares), Jensen-Shannon, KS, t-test, Mann-Whitney, earth mover's distance, a
    missing-rate test and a classifier trained on half of the rows to tell the two sides apart. `..._population` and
    `auc_best` are the exact answers for endless rows. `alarms` counts KS alarms over `features` features of which
    `drifting` drift. Power: t and Mann-Whitney from their normal approximation, KS and PSI from `trials` draws of
    256 bins.

    People get wrong:
    - The p-value measures importance: a shift of 0.05 sd has D = 0.02 with 1,000 rows and with 100,000, p is 0.99 and
      8e-18. Judge the effect (D, PSI, AUC, or better the model's loss), and let p only tell noise from change.
    - The t-test or Mann-Whitney finds drift: both test location and say p = 1 when only the spread triples.
    - Every column checked means everything checked: a rotated correlation leaves every column as it was.
    - Alpha 5% means 5% false alarms: with 100 columns some alarm is 99.4% certain on every run.
    - PSI's 0.1 and 0.25 are conventions from credit scoring, not levels of a test.

    Sources: Kolmogorov's distribution; Phi(d/sqrt 2) for the classifier; (bins-1)(1/n+1/m) for PSI by chance.

    >>> bench = drift_bench(Bench(shift="variance", sd_factor=3, n=1000), 0).values
    >>> bench["ks_p"] < 1e-6, round(bench["power_t"], 2)
    (True, 0.05)
    """
    if p.n * p.features > _MOST_VALUES:
        raise ToolError(f"drift-bench: {p.n:,} rows of {p.features:,} features are too many; rows times features must "
                        f"be at most {_MOST_VALUES:,}.")
    rng = np.random.default_rng(seed)
    shift = Shift(p.shift, p.shift_sd, p.sd_factor, p.tail_share, p.correlation, p.missing_share)
    ref, cur = draw(shift, p.n, rng)
    values = _one_sample(p, ref, cur) | _answers(p, shift)
    alarms = _alarms(p, shift, values["ks_p"], rng)
    curves = _curves(p, shift, rng)
    at_n = {f"power_{key}": float(np.interp(math.log(p.n), np.log(curves["n"]), curves[key]))
            for key in ("ks", "t", "mann_whitney", "psi")}
    significant = min(values["ks_p"], values["missing_p"]) < p.alpha
    important = values["psi_population"] > PSI_BANDS[1] or values["auc_best"] >= 0.65
    values |= alarms | at_n | {"significant": significant, "important": important}
    return ToolResult(
        tool="drift-bench", values=values, units={"alarms": "count", "false_alarms": "count"},
        naive={"important": significant, "false_alarm_probability": p.alpha},
        summary=f"KS p = {values['ks_p']:.2g} at D = {values['ks_d']:.3f} over {p.n:,} rows a side "
        f"({'significant' if values['ks_p'] < p.alpha else 'not significant'} at {p.alpha:g}); PSI {values['psi']:.3f} "
        f"is {psi_band(values['psi'])}, and the best classifier reaches AUC {values['auc_best']:.3f}. Reading "
        f"importance from p-values would say {'drift' if significant else 'no drift'}; over {p.features} features "
        f"some false alarm has probability {values['false_alarm_probability']:.1%}, not {p.alpha:.0%}.",
        formula="PSI = sum (q-p) ln(q/p); KS p = K(D sqrt(n/2)); AUC = Phi(d/sqrt 2); any alarm = 1 - (1-alpha)^k",
        series={key: np.asarray(column).tolist() for key, column in curves.items()}, plot=_plot(p, curves),
        assumptions=["rows are independent, features too (but for the rotation)", "values are missing at random",
                     "PSI and KS leave missing values out",
                     f"KS power comes from {_PROCESS_BINS} bins, a little below the exact one"],
        warnings=_warnings(p, values),
    )


def _one_sample(p: Bench, ref: Floats, cur: Floats) -> dict[str, Any]:
    """Every detector on one pair of samples."""
    from scipy.special import kolmogorov
    from scipy.stats import mannwhitneyu, ttest_ind

    first, second = ref[:, 0], _present(cur[:, 0])
    before, after = recorded(first, p.reference), recorded(second, p.reference)
    missing = len(cur) - len(second)
    edges = np.quantile(first, np.arange(1, p.bins) / p.bins)
    shares = [np.bincount(np.searchsorted(edges, side, side="right"), minlength=p.bins).tolist()
              for side in (first, second)]
    d = _ks(first, second)
    nats, root, _ = js(shares[0], shares[1])
    pooled = missing / (2 * p.n)
    z = pooled * 2 / math.sqrt(2 * pooled * (1 - pooled) / p.n) if missing else 0.0
    return {
        "ks_d": d, "ks_p": float(kolmogorov(d / math.sqrt(1 / len(first) + 1 / len(second)))),
        "t_p": float(ttest_ind(before, after, equal_var=False).pvalue),
        "mann_whitney_p": float(mannwhitneyu(first, second, method="asymptotic").pvalue),
        "psi": psi(shares[0], shares[1], 1e-4), "js_nats": nats, "js_distance": root,
        "wasserstein": wasserstein(before.tolist(), after.tolist()),
        "missing_p": math.erfc(z / math.sqrt(2)), "auc": _classifier_auc(ref, cur),
    }


def _answers(p: Bench, shift: Shift) -> dict[str, Any]:
    """What endless rows would show, and the thresholds that go with n and the number of features."""
    level = bonferroni(p.features, p.alpha) if p.correction == "bonferroni" else p.alpha
    any_alarm = p.alpha if p.correction == "benjamini-hochberg" else fwer(p.features, level)
    return {"ks_d_population": shift.ks_distance(), "auc_best": shift.best_auc(),
            "psi_population": psi([1 / p.bins] * p.bins, shift.shares(p.bins).tolist(), 1e-4),
            "psi_by_chance": psi_noise(p.bins, p.n, p.n), "ks_critical": ks_critical(p.alpha, p.n, p.n),
            "false_alarm_probability": any_alarm}


def _alarms(p: Bench, shift: Shift, first_p: float, rng: np.random.Generator) -> dict[str, int]:
    """KS alarms over all features; the bench's first feature is one of the drifting ones (if there are any)."""
    from scipy.special import kolmogorov

    drifting = min(p.drifting, p.features)
    found = [first_p] if drifting else []
    while len(found) < p.features:
        first, second = (rng.standard_normal((2, p.n)) if len(found) >= drifting
                         else (side[:, 0] for side in draw(shift, p.n, rng)))
        second = _present(second)
        found.append(float(kolmogorov(_ks(first, second) / math.sqrt(1 / p.n + 1 / len(second)))))
    if p.correction == "benjamini-hochberg":
        told = benjamini_hochberg(found, p.alpha)
    else:
        level = bonferroni(p.features, p.alpha) if p.correction == "bonferroni" else p.alpha
        told = [value < level for value in found]
    return {"alarms": sum(told), "false_alarms": sum(told[drifting:])}


def _present(column: Floats) -> Floats:
    known = column[~np.isnan(column)]
    if len(known) < 10:
        raise ToolError(f"drift-bench: only {len(known)} of {len(column)} current values aren't missing; raise n or "
                        "lower missing_share.")
    return known


def _ks(first: Floats, second: Floats) -> float:
    a, b = np.sort(first), np.sort(second)
    gap = np.arange(1, len(a) + 1) / len(a) - np.searchsorted(b, a, side="right") / len(b)
    return float(max(gap.max(), 1 / len(a) - gap.min()))


def _classifier_auc(ref: Floats, cur: Floats) -> float:
    """AUC of a Gaussian classifier of two features and a missing flag, fitted on one half and scored on the other."""
    from scipy.stats import rankdata

    half = len(ref) // 2
    scores: list[Floats] = [np.zeros(len(ref) - half), np.zeros(len(cur) - half)]
    for sign, side in ((-1.0, ref), (1.0, cur)):
        gone = np.isnan(side[:half, 0])
        known, lost = side[:half][~gone], (gone.sum() + 0.5) / (half + 1)
        mean = known.sum(axis=0) / (len(known) + 1)
        cov = ((known - mean).T @ (known - mean) + np.eye(2)) / (len(known) + 1)  # one made-up row keeps it regular
        inverse, log_det = np.linalg.inv(cov), math.log(np.linalg.det(cov))
        for score, rows in zip(scores, (ref[half:], cur[half:]), strict=True):
            off = rows - mean
            fit = np.log(1 - lost) - log_det / 2 - np.einsum("ij,jk,ik->i", off, inverse, off) / 2
            alone = math.log(lost) - math.log(cov[1, 1]) / 2 - off[:, 1] ** 2 / cov[1, 1] / 2
            score += sign * np.where(np.isnan(rows[:, 0]), alone, fit)
    m, k = len(scores[0]), len(scores[1])
    return float((rankdata(np.concatenate(scores))[m:].sum() - k * (k + 1) / 2) / (m * k))


def _curves(p: Bench, shift: Shift, rng: np.random.Generator) -> dict[str, Floats]:
    """Power and mean statistics against rows a side, from 100 to a million."""
    from scipy.special import kolmogorov

    sizes = np.unique(np.geomspace(20, 1_000_000, 11).astype(np.int64))
    fine, coarse = shift.shares(_PROCESS_BINS), shift.shares(p.bins)
    columns: dict[str, list[float]] = {"ks": [], "psi": [], "mean_ks_d": [], "mean_psi": [], "ks_p_of_population_d": []}
    for n in sizes.tolist():
        gap = np.abs(np.cumsum(rng.multinomial(n, fine, p.trials) - rng.multinomial(
            n, np.full(_PROCESS_BINS, 1 / _PROCESS_BINS), p.trials), axis=1)).max(axis=1) / n
        a = np.maximum(rng.multinomial(n, np.full(p.bins, 1 / p.bins), p.trials) / n, 1e-4)
        b = np.maximum(rng.multinomial(n, coarse, p.trials) / n, 1e-4)
        index = ((b - a) * np.log(b / a)).sum(axis=1)
        columns["ks"].append(float((kolmogorov(gap * math.sqrt(n / 2)) < p.alpha).mean()))
        columns["psi"].append(float((index > PSI_BANDS[1]).mean()))
        columns["mean_ks_d"].append(float(gap.mean()))
        columns["mean_psi"].append(float(index.mean()))
        columns["ks_p_of_population_d"].append(float(kolmogorov(shift.ks_distance() * math.sqrt(n / 2))))
    t, mann_whitney = power_of_location(shift, p.reference, sizes.astype(float), p.alpha)
    return {"n": sizes.astype(float), "t": t, "mann_whitney": mann_whitney} | {
        key: np.asarray(column) for key, column in columns.items()}


def _plot(p: Bench, curves: dict[str, Floats]) -> Plot:
    names = {"ks": f"KS, p < {p.alpha:g}", "t": f"t-test, p < {p.alpha:g}", "psi": "PSI above 0.25",
             "mann_whitney": f"Mann-Whitney, p < {p.alpha:g}"}
    lines = [Line(label=label, x=curves["n"].tolist(), y=curves[key].tolist(), dashed=key in ("t", "mann_whitney"))
             for key, label in names.items()]
    return Plot(title=f"Who raises an alarm at the same {p.shift} shift depends on the rows",
                x_label="rows on each side (count)",
                y_label="runs with an alarm (fraction)",
                log_x=True, lines=lines, marks=[{"axis": "y", "at": p.alpha, "label": f"alpha {p.alpha:g}"}])


def _warnings(p: Bench, values: dict[str, Any]) -> list[str]:
    said = []
    if values["psi_by_chance"] > PSI_BANDS[0] / 2:
        said.append(f"With {p.n:,} rows and {p.bins} bins PSI is {values['psi_by_chance']:.3f} on average by chance.")
    if p.shift in ("rotation", "missingness"):
        said.append("No test of one column's values can see this shift; look at the classifier or the missing rate.")
    return said
