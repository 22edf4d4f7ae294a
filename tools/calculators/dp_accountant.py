"""Privacy accountant for DP-SGD: epsilon of a training run by four accountants; doesn't know what accuracy is left."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.dp_sgd import (
    MAX_PLD_EPS,
    Curve,
    classic_epsilon,
    pld_epsilon,
    rdp_curve,
    sgd_eps_advanced,
        sgd_eps_shuffle,
    steps_within,
    tight_epsilon,
)
from tools.plot_axes import figure

LEDGER_ROWS = 40
MAX_STEPS = 10**7


class DpAccountant(Params):
    records: int = param(60_000, ge=1, le=10**10, unit="records",
                         words=["records", "examples", "training examples", "rows", "people", "users", "N"])
    batch: int = param(600, ge=1, le=10**8, unit="count", words=["batch", "batch size", "lot size", "batches of"])
    noise_multiplier: float = param(4.0, ge=0.2, le=1_000, unit="count",
                                    words=["noise multiplier", "noise", "sigma", "sigma of"],
                                    help="standard deviation of the noise over the clipping norm")
    epochs: int = param(100, ge=1, le=100_000, unit="epochs", words=["epochs", "passes", "epoch"])
    delta: float = param(1e-5, ge=1e-10, lt=1, unit="fraction", words=["delta"])
    accountant: Literal["pld", "rdp", "classic"] = param("pld", words=["accountant", "PLD", "RDP",
                                                                       "moments accountant"])
    sampling: Literal["poisson", "shuffle"] = param("poisson", words=["sampling", "Poisson", "shuffled", "shuffle"])
    budget_epsilon: float = param(2.0, ge=1e-3, le=1_000, unit="count",
                                  words=["budget", "privacy budget", "epsilon budget", "epsilon of at most"])
    records_per_person: int = param(1, ge=1, le=10_000, unit="count",
                                    words=["records a person", "records per person", "records per user",
                                           "each user owns"])


@dataclass(frozen=True)
class Run:
    """Sampling rate, steps, Renyi curve of the whole run, and what each accountant says (None: too wide to compute)."""

    rate: float
    steps: int
    curve: Curve
    epsilon: dict[str, float | None]


@tool("dp-accountant", group="F",
      words=["differential privacy", "epsilon", "DP-SGD", "privacy accountant", "noise multiplier", "privacy budget",
             "moments accountant", "private training"],
      example={"records": 60_000, "batch": 250, "noise_multiplier": 1.3, "epochs": 15},
      cases=[
          Case({}, {"epsilon_classic": 1.2586, "epsilon_rdp": 1.0355, "epsilon_pld": 0.947, "steps": 10_000}, abs=0.002,
               source="Abadi et al., arXiv 1607.00133, print 1.26; dp-accounting 0.6"),
          Case({"batch": 250, "noise_multiplier": 1.3, "epochs": 15}, {"epsilon_classic": 1.18, "epsilon_pld": 0.853},
               abs=0.002, source="TensorFlow Privacy's MNIST tutorial: 1.18; dp-accounting 0.6"),
          Case({}, {"epsilon_advanced": 9.34}, abs=0.01, shown=True,
               source="Abadi et al. print 9.34 for strong composition; the usual derivation doesn't give it"),
      ],
      asks=[
          Ask("What epsilon does DP-SGD reach on 60,000 records with batch size 600, noise multiplier 4 and 100 epochs "
              "at delta 1e-5?", "epsilon", 0.947),
          Ask("60k training examples, batch size 250, noise multiplier 1.3, 15 epochs: how large is epsilon with the "
              "moments accountant?", "epsilon_classic", 1.18),
          Ask("How many epochs fit into a privacy budget of 1 with 60,000 records, batches of 600 and sigma 4?",
              "epochs_within_budget", 93.0),
          Ask("Epsilon after 15 epochs with sigma 1.3 if batches are shuffled rather than Poisson sampled?",
              "epsilon_shuffle", 16.526),
          Ask("With 1M records and batch size 1,000, which sampling rate does DP-SGD have?", "sampling_rate", 0.001),
      ])
def dp_accountant(p: DpAccountant, seed: int) -> ToolResult:
    """Epsilon of training with DP-SGD, by accountant, and what is left of a privacy budget.

    Each step clips every record's gradient, adds Gaussian noise of `noise_multiplier` times the clipping norm, and sees
    each record with chance batch / records. The run is one mechanism with one true epsilon at a given delta;
    accountants bound it from above. `classic` is the moments accountant with the conversion of 2016, `rdp` the same
    divergence with the tighter conversion of 2020, `pld` the numerical privacy loss distribution, the tightest. They
    come from the dp-accounting library. `shuffle` is what holds when batches are cut from a shuffled pass: no
    amplification is proven by these accountants, so each epoch counts as one full Gaussian release.
    People get wrong: that a mechanism has one published epsilon (1.26, 1.04 and 0.95 describe the same run: state the
    accountant, delta and version beside it); that advanced composition is the tool for training (it says more than
    ten times as much); that shuffled batches are Poisson samples; that epsilon bounds re-identification (it bounds
    how much one *record* changes what anyone can conclude; somebody who owns g records gets g times the epsilon).
    Abadi et al. print 9.34 for strong composition in the default setting. Amplified Gaussian steps under advanced
    composition give 17.2 (26.4 with the classic noise formula), so that figure is shown and not asserted.
    Sources: Abadi et al., arXiv 1607.00133; Canonne, Kamath & Steinke, arXiv 2004.00010; Doroshenko et al., arXiv
    2207.04380.

    >>> round(dp_accountant(DpAccountant(accountant="rdp"), 0).values["epsilon"], 4)
    1.0355
    """
    run = _account(p)
    chosen = "shuffle" if p.sampling == "shuffle" else p.accountant
    warnings = _warnings(p, run)
    epsilon = run.epsilon[chosen]
    if epsilon is None:
        epsilon = run.epsilon["rdp"]
        warnings.append(f"Epsilon exceeds {MAX_PLD_EPS:g}, so the loss distribution wasn't computed; this is the Renyi "
                        "bound.")
    assert epsilon is not None
    within = _within(p, run)
    group = p.records_per_person * epsilon
    naive_name, naive = ("pld", run.epsilon["pld"]) if chosen == "shuffle" else ("advanced", run.epsilon["advanced"])
    return ToolResult(
        tool="dp-accountant",
        values={"epsilon": epsilon, **{f"epsilon_{name}": value for name, value in run.epsilon.items()},
                "steps": run.steps, "sampling_rate": run.rate, "budget_left": p.budget_epsilon - epsilon,
                "epochs_within_budget": within, "epsilon_per_person": group,
                "delta_per_person": _group_delta(p, epsilon)},
        units={"steps": "steps", "sampling_rate": "fraction", "epochs_within_budget": "epochs", "delta_per_person":
               "fraction"},
        naive={"epsilon": naive},
        summary=f"After {run.steps:,} steps at sampling rate {run.rate:.3g} epsilon is {epsilon:.4g} at delta "
                f"{p.delta:g} ({_NAMES[chosen]}). " + _contrast(run, chosen, naive_name)
                + f" A budget of {p.budget_epsilon:g} allows {within:,} epochs.",
        formula="delta(eps) of T Poisson-sampled Gaussian steps; Renyi: eps = min over a of T rho(a) + ln(1-1/a) - "
                "ln(delta a)/(a-1)",
        series=_ledger(p, run),
        plot=_plot(p, run),
        assumptions=["neighbouring data sets differ by adding or removing one record",
                     "gradients are clipped record by record and noise is drawn anew in each step",
                     "tuning runs on the same data would cost budget too and aren't counted",
                     "ledger and epochs within budget follow the chosen accountant; for pld the Renyi bound"],
        warnings=warnings,
    )


_NAMES = {"pld": "privacy loss distribution", "rdp": "Renyi accountant", "classic": "moments accountant",
          "shuffle": "shuffled batches, no amplification", "advanced": "advanced composition"}


def _account(p: DpAccountant) -> Run:
    if p.batch > p.records:
        raise ToolError(f"dp-accountant: batch is {p.batch} of only {p.records} records; it must be at most that.")
    rate = p.batch / p.records
    steps = math.ceil(p.epochs * p.records / p.batch)
    if steps > MAX_STEPS or rate < 1e-7:
        raise ToolError(f"dp-accountant: {steps} steps at sampling rate {rate:.3g} are out of range; use at most "
                        f"{MAX_STEPS} steps and a batch of at least a 10-millionth of the records.")
    curve = rdp_curve(rate, p.noise_multiplier, steps)
    rdp = tight_epsilon(curve, p.delta)
    pld = pld_epsilon(rate, p.noise_multiplier, steps, p.delta, rdp) if rdp <= MAX_PLD_EPS else None
    return Run(rate, steps, curve, {
        "pld": pld, "rdp": rdp, "classic": classic_epsilon(curve, p.delta),
        "shuffle": float(sgd_eps_shuffle(p.noise_multiplier, p.epochs, p.delta)),
        "advanced": float(sgd_eps_advanced(rate, p.noise_multiplier, steps, p.delta))})


def _within(p: DpAccountant, run: Run) -> int:
    """Whole epochs that the budget allows."""
    if p.sampling == "shuffle":
        low, high = 0, 1 << 24
        while high - low > 1:
            middle = (low + high) // 2
            fits = sgd_eps_shuffle(p.noise_multiplier, middle, p.delta) <= p.budget_epsilon
            low, high = (middle, high) if fits else (low, middle)
        return low
    one = [(order, rdp / run.steps) for order, rdp in run.curve]
    if p.accountant != "classic":
        return steps_within(one, p.budget_epsilon, p.delta) * p.batch // p.records
    best = max((p.budget_epsilon + math.log(p.delta) / (order - 1)) / rdp for order, rdp in one if rdp > 0)
    return math.floor(max(0.0, best)) * p.batch // p.records


def _group_delta(p: DpAccountant, epsilon: float) -> float | None:
    """Group privacy: delta grows to g e^((g-1) eps) delta; None when that is no bound (1 or more)."""
    exponent = (p.records_per_person - 1) * epsilon
    grown = p.records_per_person * math.exp(exponent) * p.delta if exponent < 50 else math.inf
    return grown if grown < 1 else None


def _contrast(run: Run, chosen: str, naive: str) -> str:
    said = run.epsilon[naive]
    if chosen == "shuffle":
        return f"Taking the shuffled batches for Poisson samples would claim {said or 0:.4g}."
    others = ", ".join(f"{value:.4g} by {name}" for name, value in run.epsilon.items()
                       if name in ("pld", "rdp", "classic") and name != chosen and value is not None)
    return f"The same run is {others}; advanced composition would say {said:.4g}."


def _ledger(p: DpAccountant, run: Run) -> dict[str, list[Any]]:
    """What has been spent after how many epochs."""
    epochs = sorted({max(1, round(p.epochs * row / LEDGER_ROWS)) for row in range(1, LEDGER_ROWS + 1)})
    if p.sampling == "shuffle":
        spent = [float(sgd_eps_shuffle(p.noise_multiplier, each, p.delta)) for each in epochs]
    else:
        convert = classic_epsilon if p.accountant == "classic" else tight_epsilon
        spent = [convert(run.curve, p.delta, each / p.epochs) for each in epochs]
    left = [p.budget_epsilon - each for each in spent]
    return {"epochs": list(epochs), "epsilon_spent": list(spent), "epsilon_left": left}


def _plot(p: DpAccountant, run: Run) -> Plot:
    points = sorted({max(1, round(p.epochs * row / 20)) for row in range(1, 21)})
    per_epoch = run.steps / p.epochs
    lines = [
        Line(label="moments accountant", x=list(points),
             y=[classic_epsilon(run.curve, p.delta, each / p.epochs) for each in points]),
        Line(label="Renyi, tighter conversion", x=list(points),
             y=[tight_epsilon(run.curve, p.delta, each / p.epochs) for each in points]),
        Line(label="shuffled batches", x=list(points),
             y=[float(sgd_eps_shuffle(p.noise_multiplier, each, p.delta)) for each in points]),
        Line(label="advanced composition (naive)", x=list(points), dashed=True,
             y=[float(sgd_eps_advanced(run.rate, p.noise_multiplier, max(1, round(each * per_epoch)), p.delta))
                for each in points]),
    ]
    if run.epsilon["pld"]:
        lines.append(Line(label="privacy loss distribution", x=[p.epochs], y=[run.epsilon["pld"]], kind="scatter"))
    return Plot(title="One run, several epsilons: it depends on who counts", x_label="training (epochs)",
                y_label=f"epsilon (at delta {figure(p.delta)})", log_y=True, lines=lines,
                marks=[{"axis": "y", "at": p.budget_epsilon, "label": f"budget {p.budget_epsilon:g}"}])


def _warnings(p: DpAccountant, run: Run) -> list[str]:
    found = []
    if p.delta > 1 / p.records:
        found.append(f"Delta {p.delta:g} exceeds 1/records: publishing one record whole would satisfy it.")
    if p.sampling == "poisson":
        found.append("This holds for Poisson sampling only; for a shuffled data loader choose sampling 'shuffle'.")
    rdp = run.epsilon["rdp"]
    if rdp is not None and rdp > 10:
        found.append("Above epsilon 10 the bound says little: e^10 is a factor of 22,000.")
    if p.records_per_person > 1:
        found.append("The unit of privacy is a record; bound each person's records, or account for persons, to protect "
                     "people.")
    return found
