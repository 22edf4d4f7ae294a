"""A retry storm: a short trouble, clients that try again, and whether the service comes back. Leaves the fluid to
retry_fluid."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, Value, param, tool
from tools.simulators import retry_fluid
from tools.simulators.retry_fluid import STEP_MS, Floats, Flow, World

MAX_TRIES = 256
PER_S = 1000 // STEP_MS


class RetryStorm(Params):
    load_rps: float = param(700.0, ge=0.1, le=1e6, unit="rps",
                            words=["load", "arrive", "clients send", "first tries", "traffic"])
    capacity_rps: float = param(1_000.0, ge=1, le=1e6, unit="rps",
                                words=["capacity", "handles", "can serve", "server handles"])
    attempts: int = param(3, ge=1, le=64, unit="attempts",
                          words=["attempts", "tries", "attempts per layer", "tries each"])
    layers: int = param(1, ge=1, le=8, unit="layers", words=["layers", "levels", "tiers", "deep"])
    timeout_s: float = param(1.0, ge=0.1, le=60, unit="s", words=["timeout", "times out after", "deadline"])
    backoff_base_s: float = param(0.1, ge=0, le=600, unit="s", words=["backoff", "first backoff", "base"])
    backoff_factor: float = param(2.0, ge=1, le=10, words=["backoff factor", "multiplier"])
    backoff_cap_s: float = param(10.0, ge=0, le=600, unit="s", words=["backoff cap", "capped at"])
    jitter: Literal["full", "none"] = param("full", words=["jitter"])
    retry_budget: float | None = param(None, ge=0, le=10, unit="fraction", words=["retry budget", "budget"],
                                       help="retries allowed for each first try, e.g. 0.1; none: no limit")
    breaker_failure_rate: float | None = param(None, ge=0.01, le=1, unit="fraction",
                                               words=["breaker opens at", "breaker", "failure rate"],
                                               help="share of failures that opens the breaker; none: no breaker")
    breaker_window_s: float = param(5.0, ge=0.2, le=120, unit="s", words=["breaker window"])
    breaker_open_s: float = param(10.0, ge=0.1, le=600, unit="s", words=["breaker stays open", "open for"])
    fallback_quality: float = param(0.6, ge=0, le=1, unit="fraction",
                                    words=["fallback quality", "fallback", "degraded"])
    queue_limit: float | None = param(None, ge=0, le=1e9, unit="requests",
                                      words=["queue limit", "queue of", "bounded queue"])
    drop_expired: bool = param(False, words=["drop expired", "deadline propagation"],
                               help="the server skips calls whose client has given up")
    trouble_start_s: float = param(10.0, ge=0, le=600, unit="s", words=["trouble starts", "starts at"])
    trouble_s: float = param(10.0, ge=0, le=600, unit="s",
                             words=["trouble", "trouble lasts", "outage", "brownout", "slowdown"])
    capacity_left: float = param(0.5, ge=0, le=1, unit="fraction",
                                 words=["capacity left", "of its capacity", "drops to"])
    load_spike: float = param(1.0, ge=1, le=100, unit="count", words=["spike", "load spike", "times the load"])
    duration_s: float = param(60.0, ge=1, le=600, unit="s", words=["duration", "run for"])


@tool("retry-storm", group="H", kind="simulator",
      words=["retry storm", "retries", "retry amplification", "metastable", "metastable failure", "overload", "goodput",
             "retry budget", "thundering herd"],
      example={"attempts": 3, "retry_budget": 0.1, "drop_expired": True},
      cases=[
          Case({"attempts": 4, "layers": 3}, {"amplification_worst": 64}, source="Google SRE Book, ch. 22: 4^3"),
          Case({"attempts": 3, "layers": 5}, {"amplification_worst": 243}, source="AWS Builders' Library: 3^5"),
          Case({}, {"metastable": True, "final_goodput_rps": 0.0, "final_offered_rps": 2100,
                    "final_goodput_rps_no_retries": 700,
                    "safe_load_rps": 1000 / 3}, rel=1e-6, source="700 * 3 tries exceed 1,000; without retries the "
                                                                 "queue drains"),
          Case({"load_rps": 300, "duration_s": 120}, {"metastable": False, "final_goodput_rps": 300}, rel=1e-6,
               source="300 * 3 < 1,000: always recovers"),
          Case({"drop_expired": True, "retry_budget": 0.1}, {"metastable": False, "final_goodput_rps": 700}, rel=1e-6,
               source="no work on expired calls, retries bounded at 10%"),
          Case({"trouble_s": 0}, {"served_fraction": 1.0, "amplification_peak": 1.0, "gave_up_fraction": 0.0}, abs=1e-9,
               source="nothing fails"),
      ],
      asks=[
          Ask("A retry storm through 3 layers of 4 attempts each: what is the worst amplification?",
              "amplification_worst", 64),
          Ask("Clients make 3 attempts, the server handles 1,000 rps: up to which load does a retry storm always die "
              "out?", "safe_load_rps", 333.3),
          Ask("Retry storm with 3 attempts at a load of 700 rps and a capacity of 1000 rps: what goodput is left in "
              "the end?", "final_goodput_rps", 0),
          Ask("And the goodput without retries in the end, same load of 700 rps, capacity 1000 rps, retry storm?",
              "final_goodput_rps_no_retries", 700),
      ])
def retry_storm(p: RetryStorm, seed: int) -> ToolResult:
    """Runs a short loss of capacity (or a spike) against clients that retry, and shows whether the service comes back.

    Clients send `load_rps` first tries, wait `timeout_s` and try again after a backoff, up to `attempts` in each of
    `layers` (attempts^layers tries in all). The server works in order of arrival, also on calls whose client has given
    up, which is what keeps a queue longer than the timeout from ever doing useful work. A retry budget, a bounded
    queue, dropping of expired calls, or a breaker with a fallback can be added. Fluid model in steps of 100 ms.

    People get wrong:
    - Retries raise availability: against independent failures, 1 - p^n; in overload they are more load, and success
      falls *because* of them.
    - When the trouble is over, the service recovers: if load * attempts^layers exceeds the capacity, the storm can
      keep itself alive (a metastable failure) until load is cut.
    - Backoff and jitter are enough: they spread retries in time but don't take any away. Budgets, breakers and
      shedding do.

    Sources: Google SRE Book, ch. 22; M. Brooker, AWS Builders' Library; N. Bronson et al., "Metastable Failures in
    Distributed Systems", HotOS 2021.

    >>> run = retry_storm(RetryStorm(), 0).values
    >>> run["metastable"], round(run["final_goodput_rps_no_retries"])
    (True, 700)
    """
    world = _world(p)
    flow, bare = retry_fluid.run(world), retry_fluid.run(world.without_retries())
    first, worst = float(world.load.sum()), p.attempts**p.layers
    served, served_bare = (float(each.good.sum()) / first for each in (flow, bare))
    promised = 1 - (1 - served_bare) ** worst
    done, done_bare = _recovery(p, flow, world.load), _recovery(p, bare, world.load)
    stuck = done is None and p.load_rps < p.capacity_rps and _after(p)
    values: dict[str, Value] = {
        "served_fraction": served, "served_fraction_no_retries": served_bare,
        "useful_fraction": served + p.fallback_quality * flow.fallback / first,
        "gave_up_fraction": flow.gave_up / first,
        "final_goodput_rps": _final(flow.good), "final_goodput_rps_no_retries": _final(bare.good),
        "final_offered_rps": _final(flow.offered), "amplification_worst": worst,
        "amplification_peak": float(_seconds(flow.offered).max()) / float(_seconds(world.load).max()),
        "wasted_fraction": flow.wasted / max(flow.wasted + float(flow.good.sum()), 1e-12),
        "recovery_s": done, "recovery_s_no_retries": done_bare, "metastable": stuck,
        "safe_load_rps": p.capacity_rps / worst, "breaker_openings": flow.opened,
        "breaker_open_s": flow.open_steps / PER_S}
    return ToolResult(
        tool="retry-storm", values=values,
        units={key: "rps" if "_rps" in key else "fraction" if "fraction" in key else "s" for key in values
               if key.split("_")[-1] in ("fraction", "rps", "s", "retries")},
        naive={"served_fraction": promised},
        summary=_summary(p, values, promised),
        formula="worst calls = attempts^layers; always recovers if load * attempts^layers <= capacity; hopeless if "
                "load > capacity; metastable in between",
        series={"second": list(range(len(_seconds(flow.good)))), "offered_rps": _seconds(flow.offered).tolist(),
                "goodput_rps": _seconds(flow.good).tolist(), "goodput_rps_no_retries": _seconds(bare.good).tolist()},
        plot=_plot(p, world, flow, bare),
        assumptions=["every call costs the server the same", "refusing a call costs nothing", "clients keep coming"]
        + (["nested layers have the same backoff and no overall deadline"] if p.layers > 1 else []),
        warnings=_warnings(p, stuck),
    )


def _summary(p: RetryStorm, values: dict[str, Value], promised: float) -> str:
    text = (f"{values['served_fraction']:.1%} of the requests are served, {values['served_fraction_no_retries']:.1%} "
            f"without retries; independent failures would have promised {promised:.1%}. In the end "
            f"{values['final_goodput_rps']:,.0f} of {p.load_rps:,.0f} rps are served while "
            f"{values['final_offered_rps']:,.0f} rps are offered")
    if values["metastable"]:
        since = p.duration_s - p.trouble_start_s - p.trouble_s
        return text + f", though the trouble ended {since:g} s before: a metastable failure."
    return text + ("." if values["recovery_s"] is None else f"; normal again {values['recovery_s']:g} s after the "
                                                            "trouble.")


def _world(p: RetryStorm) -> World:
    if p.attempts**p.layers > MAX_TRIES:
        raise ToolError(f"retry-storm: attempts ** layers is {p.attempts**p.layers:,} tries; it must be at most "
                        f"{MAX_TRIES}.")
    steps = max(PER_S, round(p.duration_s * PER_S))
    start, end = round(p.trouble_start_s * PER_S), round((p.trouble_start_s + p.trouble_s) * PER_S)
    load, capacity = np.full(steps, p.load_rps / PER_S), np.full(steps, p.capacity_rps / PER_S)
    load[start:end] *= p.load_spike
    capacity[start:end] *= p.capacity_left
    waits = retry_fluid.waits_in_steps(p.attempts, p.layers, p.backoff_base_s, p.backoff_factor, p.backoff_cap_s)
    return World(load, capacity, p.attempts**p.layers, max(1, round(p.timeout_s * PER_S)), waits, p.jitter == "full",
                 p.queue_limit, p.drop_expired, p.retry_budget, p.breaker_failure_rate,
                 max(1, round(p.breaker_window_s * PER_S)), max(1, round(p.breaker_open_s * PER_S)))


def _seconds(column: Floats) -> Floats:
    """Rates of whole seconds."""
    whole = len(column) // PER_S
    return np.asarray(column[: whole * PER_S].reshape(whole, PER_S).sum(axis=1))


def _final(column: Floats) -> float:
    """Mean rate of the last tenth of the run, at least a second."""
    tail = _seconds(column)
    return float(tail[-max(1, len(tail) // 10):].mean())


def _after(p: RetryStorm) -> bool:
    return p.trouble_start_s + p.trouble_s < p.duration_s


def _recovery(p: RetryStorm, flow: Flow, load: Floats) -> float | None:
    """Seconds after the trouble from which on every second serves 95% of its load; None when the run ends before."""
    bad = np.flatnonzero(_seconds(flow.good) < 0.95 * _seconds(load))
    last = 0.0 if not len(bad) else float(bad[-1]) + 1
    if last >= len(_seconds(load)):
        return None
    return max(0.0, last - p.trouble_start_s - p.trouble_s)


def _plot(p: RetryStorm, world: World, flow: Flow, bare: Flow) -> Plot:
    lines = [("calls offered", flow.offered, False), ("goodput", flow.good, False),
             ("goodput without retries", bare.good, False),
             ("capacity", world.capacity, False), ("all served, as retries promise (naive)", world.load, True)]
    xs: list[float | str] = list(range(len(_seconds(world.load))))
    return Plot(title=f"A retry storm: up to {p.attempts} attempts a call",
                x_label="time (s)", y_label="calls/s", lines=[
        Line(label=label, x=xs, y=_seconds(column).tolist(), kind="step", dashed=dashed) for label, column,
        dashed in lines], marks=[{"axis": "x", "at": p.trouble_start_s, "label": "trouble"},
               {"axis": "x", "at": p.trouble_start_s + p.trouble_s, "label": "trouble over"}])


def _warnings(p: RetryStorm, stuck: bool) -> list[str]:
    found = []
    if p.load_rps > p.capacity_rps:
        found.append("The load exceeds the capacity for good: only shedding or more servers help.")
    if stuck:
        found.append("It stays down after the trouble: try a retry budget, drop_expired, a bounded queue or a breaker.")
    if p.retry_budget is None and p.layers > 1:
        found.append("Retry in one layer only, or give each layer a budget.")
    return found
