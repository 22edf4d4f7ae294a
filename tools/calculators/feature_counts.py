"""One number out of a join: the value of a lone label, how many labels get none, or one from the future. Trains no model."""

from __future__ import annotations

from typing import Any

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.feature_joins import Features, Times, feature_param, join_rows, label_param, leaks, read_history
from tools.calculators.timestamps import HOUR_MS

_TTL: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "h", "words": ["ttl", "tolerance", "expires"], "help": "0: none expire"}
_LAG: dict[str, Any] = {"ge": 0, "le": 1e6, "unit": "h", "help": "event to store",
                        "words": ["lag", "ingestion lag", "arrives", "after its event time", "after the event", "shows up",
                                  "land in the store"]}


@formula("feature.value_for_label", words=["which value", "point-in-time join attach", "training row", "leak-free",
                                           "known at label time"], cases=[
    Case({"labels": "the 6th at noon", "features": "4th 08:00=14, 5th 07:30=22, 6th 7 pm=31"}, {"result": 22}, source="31 comes later"),
    Case({"labels": "11:10", "features": "09:40=15, 10:20=21, 11:05=30", "lag_h": 0.25}, {"result": 21}, source="30 arrives at 11:20"),
    Case({"labels": "11:10", "features": "09:40=15", "ttl_h": 1}, {"result": None}, source="90 minutes old"),
], asks=[
    Ask("The history of balance: 14 at 4 March 08:00, 22 at 5 March 07:30, 31 at 6 March 19:00. The label is from 6 March 12:00. Which "
        "value should a point-in-time join attach?", "result", 22),
    Ask("logins_7d was 4 at 8 am, 7 at 10 am and 9 at 3 pm. The label is from 2 pm. Which value belongs in the training row?", "result", 7),
    Ask("One label, timestamp the 5th at 14:00. Feature rows: 4th 09:00 = 12, 5th 13:30 = 19, 5th 20:00 = 25. Which value should end "
        "up in the training row?", "result", 19),
    Ask("Updates of a feature: 08:00 -> 3, 08:50 -> 6, 09:55 -> 8. Each one shows up in the store 15 minutes after its event time. For a "
        "label at 10:00, which value should a leak-free point-in-time join return?", "result", 6),
])
def value_for_label(
    labels: Times = label_param(), features: Features = feature_param(), ttl_h: float = param(0, **_TTL), lag_h: float = param(0, **_LAG),
) -> Any:
    """The value that a point-in-time join attaches to one label: the last that had arrived by then (event + lag), None if there is none
    or it is older than the TTL."""
    at, events, values = read_history(labels, features)
    if len(at) != 1:
        raise ToolError(f"feature.value_for_label: there are {len(at)} label times; give one, or use feature.pit_ingested for several.")
    row = join_rows(at, events, "ingested", round(ttl_h * HOUR_MS), round(lag_h * HOUR_MS))[0]
    return values[row] if row >= 0 else None


@formula("feature.missing_count", unit="rows", words=["labels without a value", "come back null", "no feature value", "null rows"], cases=[
    Case({"labels": "08:30, 09:15, 12:00, 14:45", "features": "07:00=1, 09:30=2, 13:00=3", "ttl_h": 2}, {"result": 2},
         source="07:00 is 2 h 15 min old at 09:15, and 09:30 is 2 h 30 min old at noon"),
    Case({"labels": "08:30, 09:15", "features": "09:00=1"}, {"result": 1}, source="nothing was written before 08:30"),
    Case({"labels": "08:30, 09:15", "features": "09:00=1", "lag_h": 0.5}, {"result": 2}, source="it arrives at 09:30"),
], asks=[
    Ask("As-of join with a TTL of 4 hours. The feature was written at 02:00, 07:30 and 13:00, labels at 05:00, 09:00, 12:30 and "
        "18:00. How many labels come back null?", "result", 2),
])
def missing_count(
    labels: Times = label_param(), features: Features = feature_param(), ttl_h: float = param(0, **_TTL), lag_h: float = param(0, **_LAG),
) -> int:
    """How many labels a point-in-time join leaves without a value: nothing had arrived yet, or only what is older than the TTL."""
    at, events, _ = read_history(labels, features)
    return join_rows(at, events, "ingested", round(ttl_h * HOUR_MS), round(lag_h * HOUR_MS)).count(-1)


@formula("feature.latest_leaks", unit="rows", cases=[
    Case({"labels": "day 1 18:00, day 3 12:00, day 6 08:00", "features": "day 1 09:00=3, day 5 20:00=12"}, {"result": 2},
         source="12 is from day 5"),
], words=["newest value", "latest value", "latest join", "most recent value", "from the future",
          "instead of the value known at the label time"], asks=[
    Ask("Every label was joined with the newest feature value. Feature values: 3 (day 1, 09:00), 5 (day 2, 15:00), 9 (day 4, "
        "10:00). Labels: day 1 18:00, day 3 12:00, day 5 06:00. How many rows got a value from the future?", "result", 2),
])
def latest_leaks(labels: Times = label_param(), features: Features = feature_param()) -> int:
    """How many rows see the future when every label simply gets the newest value there is: those before the last event."""
    at, events, _ = read_history(labels, features)
    return sum(leaks(at, events, join_rows(at, events, "latest")))


@formula("feature.daily_leaks", unit="rows", cases=[
    Case({"labels": "Mon 10:00, Tue 10:00", "features": "Mon 06:00=1, Tue 15:00=2"}, {"result": 1}, source="Tuesday's value is of 15:00"),
    Case({"labels": "Mon 10:00, Tue 10:00", "features": "Mon 06:00=1"}, {"result": 0}, source="a value carried on is an old one"),
], words=["joined on the date", "join on the date", "just on the date", "same date", "end-of-day snapshot", "snapshot of its own day",
          "daily snapshot", "daily partition", "from the future"], asks=[
    Ask("Features and labels are joined on the date. Labels are at 09:00 every day mon to thu, the feature rows are from mon "
        "07:00, tue 11:00, wed 08:30 and thu 22:00. How many rows leak the future?", "result", 2),
    Ask("A feature changes Mon 08:00, Tue 17:00 and Wed 18:30 and is kept as an end-of-day snapshot. Labels at noon on Mon, Tue, "
        "Wed and Thu take the snapshot of their own day: how many see the future?", "result", 2),
])
def daily_leaks(labels: Times = label_param(), features: Features = feature_param()) -> int:
    """How many rows see the future when a label takes the last value of its own day, as a join on the date or an end-of-day snapshot
    does: those with a value later on that day. A value carried on from days before is never from the future."""
    at, events, _ = read_history(labels, features)
    return sum(leaks(at, events, join_rows(at, events, "daily-partition")))
