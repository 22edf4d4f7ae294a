"""When Airflow starts the runs of a schedule, and how many it makes up for. Knows no task and no duration of one."""

from __future__ import annotations

from typing import Any, Literal

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.prose import NOW, START, told
from tools.calculators.timestamps import HOUR_MS, as_text, read_times

MAX_RUNS = 1_000_000
MAX_LISTED = 100

_INTERVAL: dict[str, Any] = {"gt": 0, "le": 24 * 366, "unit": "h", "words": ["interval", "schedule", "every"]}
_START: dict[str, Any] = {"max_length": 40, "words": ["start date", "start_date"],
                          "help": "on a boundary of the schedule; 01T00, a date, or hours"}
_NOW: dict[str, Any] = {"max_length": 40, "words": ["now", "unpaused", "switched on"]}
Timetable = Literal["interval", "trigger"]
_TIMETABLE: dict[str, Any] = {"words": ["timetable"], "help": "interval: data intervals (Airflow 2's cron and all "
                              "timedelta schedules); trigger: a run at the logical date (Airflow 3's default for cron)"}


@formula("dag.run_starts", words=["when does the first run start", "logical date", "data interval"], cases=[
    Case({"start": "01T00", "interval_h": 24, "runs": 2}, {"result": ["02T00", "03T00"]},
         source="Airflow: a run starts at the end of its interval"),
    Case({"start": "01T00", "interval_h": 24, "runs": 2, "timetable": "trigger"}, {"result": ["01T00", "02T00"]},
         source="CronTriggerTimetable"),
    Case({"start": "2026-01-31", "interval_h": 24, "runs": 1}, {"result": ["2026-02-01T00:00"]}, source="calendar"),
])
def run_starts(
    start: str = told(param(**_START), START), interval_h: float = param(24, **_INTERVAL),
    runs: int = param(1, ge=1, le=MAX_LISTED, unit="count", words=["runs"]),
    timetable: Timetable = param("interval", **_TIMETABLE),
) -> list[str]:
    """When the first runs of a schedule start: the run *of* a day starts when that day is over.

    With Airflow 3 a cron text such as "@daily" makes no data interval by default (create_cron_data_intervals is False),
    so that a run starts at its logical date; timedelta schedules and Airflow 2 start an interval later."""
    first, step = read_times([start])[0], round(interval_h * HOUR_MS)
    wait = step if timetable == "interval" else 0
    return [as_text(first + wait + step * index, "-" in start.strip("-")) for index in range(runs)]


@formula("dag.catchup_runs", unit="runs", words=["catchup", "backfill"], cases=[
    Case({"start": "01T00", "now": "08T12", "interval_h": 24}, {"result": 7}, source="seven whole days are over"),
    Case({"start": "01T00", "now": "08T12", "interval_h": 24, "catchup": False}, {"result": 1}, source="only the last"),
    Case({"start": "01T00", "now": "01T23", "interval_h": 24}, {"result": 0}, source="the first interval isn't over"),
    Case({"start": "01T00", "now": "08T12", "interval_h": 24, "timetable": "trigger"}, {"result": 8},
         source="eight midnights, the first included"),
], asks=[
    Ask("A daily DAG with start date 2026-01-01 is unpaused on 2026-01-11 with catchup: how many runs exist?",
        "result", 10),
])
def catchup_runs(
    start: str = told(param(**_START), START), now: str = told(param(**_NOW), NOW), interval_h: float = param(24, **_INTERVAL),
    catchup: bool = param(True, words=["catchup"], help="Airflow 2's default is True, Airflow 3's False"),
    timetable: Timetable = param("interval", **_TIMETABLE),
) -> int:
    """Runs that exist at a moment: one for every interval that is over, or without catchup only the latest.

    (For a cron trigger timetable without catchup Airflow waits for the next tick or makes up the last one, depending on
    its `run_immediately`; the last one is counted here.)"""
    first, at = read_times([start, now])
    step = round(interval_h * HOUR_MS)
    over = max(0, (at - first) // step + (timetable == "trigger")) if at >= first else 0
    if over > MAX_RUNS:
        raise ToolError(f"dag.catchup_runs: that makes {over:,} runs; choose a later start or a longer interval.")
    return over if catchup else min(over, 1)


@formula("dag.data_age_h", unit="h", words=["data age", "freshness"], cases=[
    Case({"interval_h": 24, "makespan_h": 2}, {"result": {"at_start": 24, "at_end": 26, "before_next": 50}},
         source="the oldest row of a daily run is 24 h old when the run starts"),
])
def data_age_h(
    interval_h: float = param(24, **_INTERVAL),
    makespan_h: float = param(0, ge=0, le=24 * 366, unit="h", words=["run takes", "makespan", "duration"]),
) -> dict[str, Any]:
    """Age in hours of the oldest row of a run's interval: when the run starts, when it ends, and just before the next
    ends."""
    return {"result": {"at_start": interval_h, "at_end": interval_h + makespan_h,
                       "before_next": 2 * interval_h + makespan_h}}
