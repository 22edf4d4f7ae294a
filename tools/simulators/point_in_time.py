"""Point-in-time join lab: one small table joined in six ways, and what each way does to a model on many entities."""

from __future__ import annotations

from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.feature_joins import Join, area, feature_values, join_rows, label_names, leaks, read_history
from tools.calculators.prose import FEATURES, LABELS, told
from tools.calculators.timestamps import DAY_MS, HOUR_MS
from tools.prose.histories import find_features, find_labels

JOINS: tuple[Join, ...] = ("as-of", "strict", "ingested", "daily-partition", "nearest", "latest")
DAYS = 5
LABEL_DAY = 3
MAX_CELLS = 1_200_000
MAX_COLUMNS = 8


class PointInTime(Params):
    labels: str = told(param("01T12, 02T12, 03T12", max_length=5_000, words=["label times", "labels at"],
                             help="times of the labels: 01T12 is day 1, 12 h; 14:30, dates and hours work too"), LABELS, find_labels)
    features: str = told(param("01T00=10, 02T06=20, 02T18=30, 03T12=40", max_length=10_000,
                               words=["feature times", "features at"], help="time=value, separated by commas"), FEATURES, find_features)
    join: Join = param("as-of", words=["join", "joined"])
    lag_h: float = param(0.0, ge=0, le=48, unit="h", words=["ingestion lag", "lag", "arrives", "late", "delay"],
                         help="from a feature's event to the store")
    ttl_h: float = param(0.0, ge=0, le=1_000, unit="h", words=["ttl", "expires", "older than"], help="0: none expires")
    entities: int = param(4_000, ge=100, le=50_000, unit="count", words=["entities", "users", "accounts"])
    updates_per_day: float = param(4.0, ge=0.2, le=48, unit="count",
                                   words=["updates a day", "updates per day", "events a day"])
    effect: float = param(1.2, ge=0, le=5, unit="count", words=["effect", "consequence", "shift after"],
                          help="how far a positive label moves the values after it, in standard deviations")
    signal: float = param(0.0, ge=0, le=5, unit="count", words=["signal", "predictive", "shift before"],
                          help="how far a coming positive label moves the values before it, in standard deviations")
    build_up_h: float = param(6.0, ge=1e-6, le=72, unit="h", words=["build-up", "before the label"],
                              help="how long before the label the signal shows")


@tool("point-in-time-join", group="D", kind="simulator",
      words=["point-in-time", "point in time", "leakage", "leak", "as-of join", "feature join", "training set", "ttl",
             "daily snapshot", "daily partition", "time travel", "backtest", "leak from the future", "future values"],
      example={"join": "daily-partition"},
      cases=[
          Case({"join": "as-of"}, {"joined": [10, 20, 40], "leaked_cells": 0}, source="pandas merge_asof"),
          Case({"join": "strict"}, {"joined": [10, 20, 30]}, source="allow_exact_matches=False"),
          Case({"join": "daily-partition"}, {"joined": [10, 30, 40], "leaked_cells": 1}, source="30 is from 6 h ahead"),
          Case({"join": "latest"}, {"joined": [40, 40, 40], "leaked_cells": 2}, source="plain join on the entity"),
          Case({"join": "as-of", "ttl_h": 6}, {"joined": [None, 20, 40], "missing_cells": 1}, source="tolerance 6 h"),
          Case({"join": "latest", "entities": 50_000}, {"offline_auc": 0.80193, "online_auc": 0.5}, abs=0.008,
               source="normal values: AUC = Phi(1.2 / sqrt 2)"),
          Case({"join": "as-of"}, {"offline_auc": 0.504}, source="another synthetic set with independent labels; leaky "
               "joins gave 0.70 to 0.83 there", shown=True),
      ],
      asks=[
          Ask("How many rows leak from the future if I use a daily partition join on the example labels?",
              "leaked_cells", 1),
          Ask("With a latest join instead of point-in-time, how many of the three cells leak?", "leaked_cells", 2),
          Ask("An as-of join with a TTL of 6 hours: how many labels get no feature value?", "missing_cells", 1),
          Ask("If features arrive with an ingestion lag of 1 hour, how many cells does a plain as-of join leak?",
              "leaked_cells", 1),
          Ask("What AUC does the served model reach when it was trained with a latest join?", "online_auc", 0.5, 0.06),
          Ask("What offline AUC does a latest join pretend on 20k users?", "offline_auc", 0.802, 0.02),
          Ask("labels at 10:00, 14:00, 18:00; feature values: 08:00=1, 13:30=2, 14:30=3, 17:00=4. as-of join with an "
              "ingestion lag of 1 hour: how many cells leak?", "leaked_cells", 1),
      ])
def point_in_time_join(p: PointInTime, seed: int) -> ToolResult:
    """Joins labels with a feature's history in six ways, marks leaked cells, and compares offline with online AUC.

    The small table shows each label's cell: what the join takes, what the online store could have served at that time
    (the last value whose event *and* arrival lie before, not older than the TTL), and whether the cell was known then.
    Beside it, many synthetic entities have a label on day 4 of 5 and values at random times: standard normal, moved by
    `effect` after a positive label (its consequence, such as a chargeback) and by `signal` shortly before one. The
    score is the joined value itself; a missing one counts as 0, the mean. Offline AUC uses the chosen join, online AUC
    what was served. Without signal the online AUC is a coin's, whatever the offline one says.

    People get wrong: a daily snapshot is "point-in-time" (it holds what came later that day); the event time is enough
    (a value that hadn't arrived couldn't be served: the as-of join by event time leaks the ingestion lag); the newest
    value is fine for training.
    Sources: pandas merge_asof; Feast documentation, point-in-time joins (with TTL); Mann-Whitney for the AUC.

    >>> point_in_time_join(PointInTime(join="latest"), 0).values["joined"]
    [40, 40, 40]
    """
    table = _table(p)
    aucs = _aucs(p, seed)
    offline, online = aucs[p.join], aucs["ingested"]
    leaked, missing = sum(table["leaked"]), sum(value is None for value in table["joined"])
    return ToolResult(
        tool="point-in-time-join",
        values={"joined": table["joined"], "servable": table["servable"], "leaked": table["leaked"],
                "leaked_cells": leaked,
                "missing_cells": missing, "offline_auc": offline, "online_auc": online, "auc_gap": offline - online,
                "leaked_share": aucs["leaked share"]},
        units={"leaked_cells": "count", "missing_cells": "count", "offline_auc": "AUC", "online_auc": "AUC",
               "auc_gap": "AUC", "leaked_share": "fraction"},
        naive={"joined": table["latest"], "offline_auc": aucs["latest"]},
        summary=f"The {p.join} join gives {table['joined']}; {leaked} of {len(table['joined'])} cells come from the "
                f"future (servable: {table['servable']}). On {p.entities:,} entities it promises AUC {offline:.3f} "
                f"offline, and serving reaches {online:.3f}. Joining the latest values would promise "
                f"{aucs['latest']:.3f}.",
        formula="servable at t: the last value with event + lag <= t and t - event <= TTL; a cell leaks if event + lag "
                "> t",
        series={"label": table["label"], "joined": table["joined"], "servable": table["servable"],
                "leaked": table["leaked"], "join": list(JOINS), "offline_auc": [aucs[each] for each in JOINS]},
        plot=_plot(p, aucs),
        assumptions=["one feature and one label an entity; the score is the feature itself",
                     "every value arrives `lag_h` after its event", "a missing value counts as the mean",
                     "days begin at midnight of the times as given"],
        warnings=_warnings(p, leaked, offline, online),
    )


def _table(p: PointInTime) -> dict[str, list[Any]]:
    names, at, events, values = _read(p)
    lag, ttl = round(p.lag_h * HOUR_MS), round(p.ttl_h * HOUR_MS)
    rows = join_rows(at, events, p.join, ttl, lag)
    right = join_rows(at, events, "ingested", ttl, lag)
    latest = join_rows(at, events, "latest")

    def cells(taken: list[int]) -> list[Any]:
        return [values[row] if row >= 0 else None for row in taken]

    return {"label": names, "joined": cells(rows), "servable": cells(right), "latest": cells(latest),
            "leaked": leaks(at, events, rows, lag)}


def _read(p: PointInTime) -> tuple[list[str], list[int], list[int], list[Any]]:
    """Label times as written and in ms; the feature's event times in ms and its values, by time."""
    names, history = [str(each) for each in label_names(p.labels)], feature_values(p.features)
    if not names or not history:
        raise ToolError("point-in-time-join: give at least one label time and one feature, such as 01T12 and 01T00=10.")
    return (names, *read_history(names, history))


def _aucs(p: PointInTime, seed: int) -> dict[str, float]:
    """Offline AUC by join ("ingested" is also the online one) and the share of leaked cells of the chosen join."""
    import numpy as np

    count = max(1, round(p.updates_per_day * DAYS))
    if p.entities * count > MAX_CELLS:
        raise ToolError(f"point-in-time-join: entities * updates is {p.entities * count:,}; it must be at most "
                        f"{MAX_CELLS:,}.")
    rng = np.random.default_rng(seed)
    truth = np.arange(p.entities) % 2
    at = (LABEL_DAY * DAY_MS + rng.integers(0, DAY_MS, p.entities))[:, None]
    events = np.sort(rng.integers(0, DAYS * DAY_MS, (p.entities, count)), axis=1)
    after = events > at
    before = ~after & (events >= at - round(p.build_up_h * HOUR_MS))
    values = rng.standard_normal((p.entities, count)) + truth[:, None] * (p.effect * after + p.signal * before)
    lag, ttl = round(p.lag_h * HOUR_MS), round(p.ttl_h * HOUR_MS)
    found: dict[str, float] = {}
    for join in JOINS:
        rows = _rows(join, events, at, lag)
        taken = np.take_along_axis(events, np.maximum(rows, 0), axis=1)
        kept = (rows >= 0) & ((at - taken <= ttl) | (ttl == 0))
        cell = np.where(kept, np.take_along_axis(values, np.maximum(rows, 0), axis=1), 0.0)
        found[join] = area(truth, cell[:, 0])
        if join == p.join:
            found["leaked share"] = float((kept & (taken + lag > at)).mean())
    return found


def _plot(p: PointInTime, aucs: dict[str, float]) -> Plot:
    """The joined table, a row a join with the AUC that it promises; cells from the future stand out."""
    names, at, events, values = _read(p)
    lag, ttl = round(p.lag_h * HOUR_MS), round(p.ttl_h * HOUR_MS)
    cells: dict[str, list[tuple[str, str, str]]] = {"known at the label's time": [], "leaked from the future": [], "no value": []}
    for join in JOINS:
        rows = join_rows(at, events, join, ttl, lag)
        told = f"{join}{' (chosen)' if join == p.join else ''}: AUC {aucs[join]:.2f}"
        for name, row, leaked in list(zip(names, rows, leaks(at, events, rows, lag), strict=True))[:MAX_COLUMNS]:
            kind = "no value" if row < 0 else "leaked from the future" if leaked else "known at the label's time"
            cells[kind].append((name, told, "none" if row < 0 else f"{values[row]:g}"))
    return Plot(title=f"Joins that see the future promise more than serving's AUC of {aucs['ingested']:.2f}",
                x_label="time of the label, with the feature value joined to it", y_label="join, and the offline AUC it promises", lines=[
        Line(label=label, kind="cell", dashed=label.startswith("leaked"), x=[cell[0] for cell in found], y=[cell[1] for cell in found],
             notes=[cell[2] for cell in found]) for label, found in cells.items() if found or label.startswith("leaked")])


def _rows(join: Join, events: Any, at: Any, lag: int) -> Any:
    """`join_rows` for a table of entities: index of the row that each takes, -1 for none."""
    import numpy as np

    if join == "latest":
        return np.full_like(at, events.shape[1] - 1)
    if join == "strict":
        return (events < at).sum(axis=1, keepdims=True) - 1
    if join == "daily-partition":
        day = at // DAY_MS
        rows = (events < (day + 1) * DAY_MS).sum(axis=1, keepdims=True) - 1
        same = np.take_along_axis(events, np.maximum(rows, 0), axis=1) // DAY_MS == day
        return np.where((rows >= 0) & same, rows, -1)
    rows = (events + (lag if join == "ingested" else 0) <= at).sum(axis=1, keepdims=True) - 1
    if join == "nearest":
        last = events.shape[1] - 1
        following = np.take_along_axis(events, np.minimum(rows + 1, last), axis=1) - at
        back = at - np.take_along_axis(events, np.maximum(rows, 0), axis=1)
        return np.where((rows < last) & ((rows < 0) | (following < back)), rows + 1, rows)
    return rows


def _warnings(p: PointInTime, leaked: int, offline: float, online: float) -> list[str]:
    found = []
    if leaked:
        found.append(f"Leaked cells: {leaked}; the online store didn't have these values at the label's time.")
    if offline - online > 0.02:
        found.append(f"The offline AUC is {offline - online:.3f} too high: the model won't do that in production.")
    if p.join in ("as-of", "strict") and p.lag_h:
        found.append("This join goes by event time and ignores that values arrive later; join by arrival ('ingested').")
    return found
