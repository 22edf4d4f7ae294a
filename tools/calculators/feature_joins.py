"""Joins of labels with the history of a feature, right and leaky ones. One entity, given times; no model, no store."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import AliasChoices

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.prose import FEATURES, LABELS, told
from tools.calculators.timestamps import DAY_MS, HOUR_MS, read_times
from tools.prose.histories import find_features, find_labels

Join = Literal["as-of", "strict", "ingested", "daily-partition", "nearest", "latest"]

MAX_ROWS = 2_000
_INSIDE_DAY = re.compile(r"(?i)\b(day\s+\d+|\d{1,2}(?:st|nd|rd|th)|(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*),\s*(?:at\s+)?(?=\d)")

_LABELS: dict[str, Any] = {"max_length": 20_000, "words": ["labels", "label times"],
                           "help": "times such as 14:30, 01T12 (day 1, 12 h), dates, or hours"}
_FEATURES: dict[str, Any] = {"max_length": 20_000, "words": ["features", "feature times"],
                             "help": "value by event time, such as {\"01T00\": 10}"}
_TTL: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "h", "words": ["ttl", "tolerance", "expires"],
                        "validation_alias": AliasChoices("ttl_h", "ttl", "ttl_hours", "tolerance_h"),
                        "help": "older values count as missing; 0: none expire"}
_LAG: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "h", "help": "event to store",
                        "words": ["lag", "ingestion lag", "delay", "arrives", "after its event time", "after the event", "shows up",
                                  "land in the store"],
                        "validation_alias": AliasChoices("lag_h", "lag", "lag_hours", "ingestion_lag_h")}

_THREE: dict[str, Any] = {"labels": ["01T12", "02T12", "03T12"],
                          "features": {"01T00": 10, "02T06": 20, "02T18": 30, "03T12": 40}}

Times = list[str | float] | str
Features = dict[str, int | float | str | bool | None] | str
"""As written: label times, and value by event time."""


def label_param() -> Any:
    return told(param(**_LABELS), LABELS, find_labels)


def feature_param() -> Any:
    return told(param(**_FEATURES), FEATURES, find_features)


def join_rows(labels: Sequence[int], events: Sequence[int], join: Join, ttl_ms: int = 0, lag_ms: int = 0) -> list[int]:
    """For each label time the index of the feature row that the join takes, -1 for none. Event times sorted, all in ms.

    as-of: last event at or before the label; strict: before it; ingested: last event that had also arrived (event +
    lag); daily-partition: last of the label's day; nearest: whichever event is closest, earlier if equal; latest: last
    of all. A TTL drops a row older than that at the label time."""
    return [_kept(_row(at, events, join, lag_ms), at, events, ttl_ms) for at in labels]


def leaks(labels: Sequence[int], events: Sequence[int], rows: Sequence[int], lag_ms: int = 0) -> list[bool]:
    """Which cells hold a value that wasn't in the store at the label's time."""
    return [row >= 0 and events[row] + lag_ms > at for at, row in zip(labels, rows, strict=True)]


def label_names(labels: Sequence[str | float] | str) -> Sequence[str | float]:
    """The times as they are written, from a list or from text ("10:00, 14:00 and 18:00")."""
    if not isinstance(labels, str):
        return labels
    return [each.strip() for each in re.split(r"[,;\n]|\band\b(?!\s*$)", labels) if each.strip()]


def feature_values(features: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """Value by event time, from a mapping or from text ("08:00=1, 13:30=2", "5 at day 1 06:00"). Raises ToolError for an entry
    that can't be read."""
    if not isinstance(features, str):
        return features
    history: dict[str, Any] = {}
    for part in filter(None, (each.strip() for each in re.split(r"[,;\n]|\band\b", _INSIDE_DAY.sub(r"\1 ", features)))):
        turned = None if "=" in part else re.fullmatch(r"(-?[\d.]+)\s+(?:at|on|from)\s+(.+)", part)
        when, _, value = (turned[2], "=", turned[1]) if turned else re.sub(r"\s*(?:->|→)\s*", "=", part).rpartition("=")
        try:
            number = float(value)
        except ValueError:
            raise ToolError(f"features: can't read {part!r}; write it like 02T06=20 or 14:30=20.") from None
        if not abs(number) < 1e15:
            raise ToolError(f"features: the value of {part!r} must lie between -1e15 and 1e15.")
        history[when.strip()] = int(number) if number.is_integer() else number
    return history


def read_history(labels: Sequence[str | float] | str, features: Mapping[str, Any] | str) -> tuple[list[int], list[int], list[Any]]:
    """Label times, sorted event times, and the values in that order; of two values at one time the last listed
    stays."""
    names, history = label_names(labels), feature_values(features)
    both = read_times([*names, *history])
    by_time = dict(zip(both[len(names):], history.values(), strict=True))
    events = sorted(by_time)
    return both[: len(names)], events, [by_time[at] for at in events]


def joined(labels: Times, features: Features, join: Join, ttl_h: float = 0,
           lag_h: float = 0) -> list[Any]:
    """The feature's value beside each label, None where there is none."""
    at, events, values = read_history(labels, features)
    rows = join_rows(at, events, join, round(ttl_h * HOUR_MS), round(lag_h * HOUR_MS))
    return [values[row] if row >= 0 else None for row in rows]


@formula("feature.pit_asof", words=["point-in-time join", "as-of join"], cases=[
    Case(_THREE, {"result": [10, 20, 40]}, source="pandas merge_asof, backward"),
    Case({**_THREE, "ttl_h": 6}, {"result": [None, 20, 40]}, source="pandas merge_asof with tolerance 6 h"),
    Case({"labels": [], "features": {"01T00": 10}}, {"result": []}, source="no label, no row"),
    Case({"labels": "02T12", "features": {}}, {"result": [None]}, source="nothing known"),
    Case({"labels": "the 6th at noon", "features": "4th 08:00=14, 5th 07:30=22, 6th 7 pm=31"}, {"result": [22]}, source="31 comes later"),
])
def pit_asof(labels: Times = label_param(), features: Features = feature_param(),
             ttl_h: float = param(0, **_TTL)) -> list[Any]:
    """Value of the feature at each label time: the last event at or before it, unless older than the TTL."""
    return joined(labels, features, "as-of", ttl_h)


@formula("feature.pit_strict", words=["strict point-in-time join"], cases=[
    Case(_THREE, {"result": [10, 20, 30]}, source="pandas merge_asof, allow_exact_matches=False"),
])
def pit_strict(labels: Times = label_param(), features: Features = feature_param(),
               ttl_h: float = param(0, **_TTL)) -> list[Any]:
    """The last event strictly before each label time: an event of the same moment may be the label's own doing."""
    return joined(labels, features, "strict", ttl_h)


@formula("feature.pit_ttl", words=["feature ttl"], cases=[
    Case({**_THREE, "ttl_h": 6}, {"result": [None, 20, 40]}, source="12 h old, 6 h old (kept), 0 h old"),
    Case({**_THREE, "ttl_h": 5}, {"result": [None, None, 40]}, source="6 h is older than 5 h"),
])
def pit_ttl(labels: Times = label_param(), features: Features = feature_param(),
            ttl_h: float = param(6, **_TTL)) -> list[Any]:
    """As-of join that drops values older than the TTL at the label time; exactly as old is kept (as pandas and Feast
    do)."""
    return joined(labels, features, "as-of", ttl_h)


@formula("feature.pit_ingested", words=["ingestion time", "bitemporal join", "shows up in the store", "available", "lands in the store",
                                        "leak-free"], cases=[
    Case({**_THREE, "lag_h": 1}, {"result": [10, 20, 30]}, source="the event of 03T12 arrives at 03T13"),
    Case({**_THREE, "lag_h": 8}, {"result": [10, 10, 30]}, source="the event of 02T06 arrives at 02T14"),
])
def pit_ingested(labels: Times = label_param(), features: Features = feature_param(),
                 lag_h: float = param(1, **_LAG), ttl_h: float = param(0, **_TTL)) -> list[Any]:
    """What the online store could have served at each label time: the last event that had arrived (event time +
    lag)."""
    return joined(labels, features, "ingested", ttl_h, lag_h)


@formula("feature.daily_partition_join", words=["daily partition", "daily snapshot"], cases=[
    Case(_THREE, {"result": [10, 30, 40]}, source="row 2 leaks: 30 is from 6 h in the future"),
    Case({"labels": ["01T12", "02T12"], "features": {"01T00": 10}}, {"result": [10, None]}, source="no partition"),
    Case({"labels": ["01T12", "02T12"], "features": {"01T00": 10}, "fill_forward": True}, {"result": [10, 10]},
         source="a daily snapshot carries the value on"),
])
def daily_partition_join(
    labels: Times = label_param(), features: Features = feature_param(),
    fill_forward: bool = param(False, words=["snapshot", "carried forward"],
                               help="a day without event takes the last value of the days before, as a snapshot does"),
) -> list[Any]:
    """Value in the partition of each label's day, that is the day's last: it leaks whatever came later that day."""
    at, events, values = read_history(labels, features)
    rows = join_rows(at, events, "daily-partition")
    if fill_forward:
        rows = [bisect_left(events, (one // DAY_MS + 1) * DAY_MS) - 1 for one in at]
    return [values[row] if row >= 0 else None for row in rows]


@formula("feature.latest_join", words=["latest join"], cases=[
    Case(_THREE, {"result": [40, 40, 40]}, source="what a plain join on the entity gives"),
])
def latest_join(labels: Times = label_param(), features: Features = feature_param()) -> list[Any]:
    """The newest value beside every label, whenever it was: training on today's features."""
    return joined(labels, features, "latest")


@formula("feature.nearest_join", cases=[
    Case(_THREE, {"result": [10, 20, 40]}, source="02T06 and 02T18 are as near; the earlier is taken"),
    Case({"labels": ["02T13"], "features": {"02T06": 20, "02T18": 30}}, {"result": [30]}, source="leaks by 5 h"),
])
def nearest_join(labels: Times = label_param(), features: Features = feature_param()) -> list[Any]:
    """The value nearest in time, before or after (pandas merge_asof with direction="nearest"): it leaks."""
    return joined(labels, features, "nearest")


@formula("feature.leaked", words=["leaked rows", "label leakage"], cases=[
    Case({**_THREE, "join": "daily-partition"}, {"result": [False, True, False]}, source="30 is from 02T18"),
    Case({**_THREE, "join": "latest"}, {"result": [True, True, False]}, source="40 is from 03T12"),
    Case({**_THREE, "join": "as-of", "lag_h": 1}, {"result": [False, False, True]}, source="40 arrives at 03T13"),
])
def leaked(
    labels: Times = label_param(), features: Features = feature_param(),
    join: Join = param("as-of", words=["join"]), lag_h: float = param(0, **_LAG),
) -> list[bool]:
    """Which rows of a join hold a value that wasn't in the store at the label's time (event + lag later than the
    label)."""
    at, events, _ = read_history(labels, features)
    lag_ms = round(lag_h * HOUR_MS)
    return leaks(at, events, join_rows(at, events, join, 0, lag_ms), lag_ms)


@formula("feature.leaked_count", unit="rows", words=["values leak", "rows leak", "cells leak", "leak", "how many leak"], cases=[
    Case({**_THREE, "join": "daily-partition"}, {"result": 1}, source="30 is from 02T18"),
    Case({"labels": "09:00 and 15:00", "features": "08:00=5, 12:00=6, 16:00=7", "join": "latest"}, {"result": 2},
         source="7 is from 16:00"),
])
def leaked_count(
    labels: Times = label_param(), features: Features = feature_param(),
    join: Join = param("as-of", words=["join"]), lag_h: float = param(0, **_LAG),
) -> int:
    """How many rows of a join hold a value that wasn't in the store at the label's time: those with event + lag > label."""
    return sum(leaked(labels, features, join, lag_h))


@formula("feature.auc", words=["auc"], cases=[
    Case({"labels": [0, 0, 1, 1], "scores": [0.1, 0.4, 0.35, 0.8]}, {"result": 0.75}, rel=1e-12,
         source="3 of 4 pairs in order"),
    Case({"labels": [0, 1], "scores": [0.5, 0.5]}, {"result": 0.5}, rel=1e-12, source="a tie is half a pair"),
], asks=[
    Ask("Labels 0, 0, 1, 1 and scores 0.1, 0.4, 0.35, 0.8: what is the AUC?", "result", 0.75),
])
def auc(
    labels: list[int] = param(min_length=2, max_length=200_000, words=["labels"], help="0 or 1"),
    scores: list[float] = param(min_length=2, max_length=200_000, words=["scores"]),
) -> float:
    """Area under the ROC curve: share of (positive, negative) pairs that the score puts in order; ties count half."""
    if len(labels) != len(scores) or not set(labels) == {0, 1}:
        raise ToolError("feature.auc: give a score for each label, and labels of both kinds, 0 and 1.")
    return area(labels, scores)


def area(labels: Any, scores: Any) -> float:
    """AUC of arrays of equal length, from average ranks (Mann-Whitney)."""
    import numpy as np

    truth, score = np.asarray(labels) == 1, np.asarray(scores, dtype=float)
    order = np.sort(score)
    ranks = (np.searchsorted(order, score, "left") + np.searchsorted(order, score, "right") + 1) / 2
    positives = int(truth.sum())
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * (len(score) - positives)))


def _row(at: int, events: Sequence[int], join: Join, lag_ms: int) -> int:
    if join == "latest":
        return len(events) - 1
    if join == "daily-partition":
        row = bisect_left(events, (at // DAY_MS + 1) * DAY_MS) - 1
        return row if row >= 0 and events[row] // DAY_MS == at // DAY_MS else -1
    if join == "strict":
        return bisect_left(events, at) - 1
    row = bisect_right(events, at - (lag_ms if join == "ingested" else 0)) - 1
    if join == "nearest" and row + 1 < len(events) and (row < 0 or events[row + 1] - at < at - events[row]):
        return row + 1
    return row


def _kept(row: int, at: int, events: Sequence[int], ttl_ms: int) -> int:
    return -1 if row >= 0 and ttl_ms and at - events[row] > ttl_ms else row
