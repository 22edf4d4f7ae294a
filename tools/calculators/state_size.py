"""State of a stream job: how much there is, what its checkpoints cost, how long a recovery takes."""

from __future__ import annotations

from typing import Any, Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

_KEYS: dict[str, Any] = {"ge": 0, "le": 1e12, "unit": "keys", "words": ["keys", "users", "devices", "distinct keys"]}
_BYTES: dict[str, Any] = {"ge": 0, "le": 1e9, "unit": "bytes",
                          "words": ["bytes per key", "per key", "each key", "value", "state per key"]}
_COPIES: dict[str, Any] = {"ge": 1, "le": 1e6, "unit": "windows",
                           "words": ["windows per event", "windows", "copies", "panes"]}
_GBPS: dict[str, Any] = {"gt": 0, "le": 1e6, "unit": "GB/s"}
_GB: dict[str, Any] = {"ge": 0, "le": 1e12, "unit": "GB", "words": ["state", "checkpoint"]}


@formula("stream.state_bytes", unit="bytes", cases=[
    Case({"keys": 1_000_000, "bytes_per_key": 100, "windows_per_event": 6}, {"result": 600_000_000},
         source="arithmetic"),
], asks=[Ask("1M keys of 100 bytes each, each event in 6 windows: how many bytes of state?", "result", 6e8),
    Ask("20M devices with 64 bytes of state per key and 12 copies of each event in sliding windows: how big is the "
        "state?", "result", 15360000000),])
def state_bytes(
    keys: float = param(**_KEYS), bytes_per_key: float = param(**_BYTES),
    windows_per_event: float = param(1.0, **_COPIES),
) -> float:
    """State of windows over keys: keys * bytes * windows that each event lands in."""
    return keys * bytes_per_key * windows_per_event


@formula("stream.checkpoint_s", words=["upload a checkpoint"], unit="s", cases=[
    Case({"state_GB": 100, "write_GBps": 0.5}, {"result": 200.0}, source="arithmetic"),
    Case({"state_GB": 100, "write_GBps": 0.5, "incremental_ratio": 0.05}, {"result": 10.0}, source="arithmetic"),
], asks=[Ask("How long does a full checkpoint of 100 GB of state take at 0.5 GB/s?", "result", 200),
    Ask("400 GB of state of which 5% changed, uploaded at 0.8 GB/s: how long does the incremental checkpoint take?",
        "result", 25),])
def checkpoint_s(
    state_GB: float = param(**_GB), write_GBps: float = param(words=["write", "upload", "at"], **_GBPS),
    incremental_ratio: float = param(1.0, ge=0, le=1, unit="fraction", words=["incremental", "changed", "dirty"]),
) -> float:
    """Time to upload a checkpoint: state * the share that changed / bandwidth."""
    return state_GB * incremental_ratio / write_GBps


@formula("stream.restore_s", unit="s", words=["restore", "restoring", "read the state back"], cases=[
    Case({"state_GB": 600, "restore_GBps": 1.5}, {"result": 400.0}, source="arithmetic"),
], asks=[
    Ask("Restoring 600 GB of state at 1.5 GB/s takes how long?", "result", 400),
    Ask("How many seconds does it take to read back a checkpoint of 90 GB at 0.6 GB/s after a crash?", "result", 150),
])
def restore_s(
    state_GB: float = param(**_GB), restore_GBps: float = param(words=["restore", "download", "read back", "at"], **_GBPS),
) -> float:
    """Time to read a state back after a crash: all of it / bandwidth, however small the last incremental checkpoint was."""
    return state_GB / restore_GBps


@formula("stream.catch_up_s", words=["catch up", "caught up"], unit="s", cases=[
    Case({"backlog_s": 300, "headroom": 2.0}, {"result": 300.0}, source="arithmetic"),
    Case({"backlog_s": 300, "headroom": 1.25}, {"result": 1200.0}, source="arithmetic"),
], asks=[Ask("A job with a headroom of 1.5x was down and has 300 s of backlog: how long does it take to catch up?",
             "result", 600),
    Ask("The stream job was down for 12 minutes and can process 3x the incoming rate: how long until it has caught "
        "up?", "result", 360),
    Ask("After an outage of 10 min, how many minutes does it take to catch up with capacity for 1.25 times the load?",
        "result", 2400),])
def catch_up_s(
    backlog_s: float = param(ge=0, le=1e9, unit="s", words=["backlog", "behind", "down for", "lag", "outage"]),
    headroom: float = param(gt=0, le=1e6, unit="count", words=["headroom", "capacity", "times the load", "the load", "incoming rate",
                                                               "process",
                                                               "times as fast", "faster"],
                            help="capacity as a multiple of the load"),
) -> float:
    """Time to work off a backlog while new events keep coming: backlog / (headroom - 1)."""
    if headroom <= 1:
        raise ToolError(f"stream.catch_up_s: with a headroom of {headroom:g} the job never catches up; it must be "
                        f"above 1.")
    return backlog_s / (headroom - 1)


class StateSizing(Params):
    keys: float = param(10_000_000.0, ge=1, le=1e12, unit="keys", words=["keys", "users", "devices", "distinct keys"])
    bytes_per_key: float = param(200.0, ge=1, le=1e9, unit="bytes",
                                 words=["bytes per key", "per key", "each key", "state per key", "value"])
    window_s: float = param(60.0, gt=0, le=1e9, unit="s", words=["window", "windows", "window size", "long"])
    slide_s: float = param(10.0, gt=0, le=1e9, unit="s", words=["slide", "slides", "every", "hop"],
                           help="as long as the window: tumbling")
    windows: Literal["sliding", "tumbling"] = param("sliding", words=["kind of window"],
                                                    help="tumbling: one copy of each event, whatever the slide")
    overhead: float = param(1.1, ge=1, le=10, unit="count", words=["overhead", "amplification"],
                            help="space that the state store takes over its live bytes")
    new_keys_per_day: float = param(0.0, ge=0, le=1e12, unit="keys", words=["new keys", "new keys a day", "per day"],
                                    help="keys that come on top and fall silent again")
    ttl_days: float = param(0.0, ge=0, le=36_500, unit="days", words=["ttl", "time to live", "expire", "kept for"],
                            help="0: silent keys are never dropped")
    horizon_days: float = param(30.0, ge=0, le=36_500, unit="days", words=["horizon", "after", "running for"])
    checkpoint_interval_s: float = param(60.0, gt=0, le=1e7, unit="s",
                                         words=["checkpoint interval", "checkpoint every"])
    incremental_ratio: float = param(0.1, ge=0, le=1, unit="fraction",
                                     words=["incremental", "changed", "incremental ratio", "dirty"],
                                     help="share of the state that a checkpoint uploads; 1 is a full one")
    write_GBps: float = param(0.5, gt=0, le=1e6, unit="GB/s", words=["write", "upload", "checkpoint bandwidth"])
    restore_GBps: float = param(1.0, gt=0, le=1e6, unit="GB/s", words=["restore", "download", "read back"])
    detection_s: float = param(30.0, ge=0, le=1e6, unit="s", words=["detection", "noticed", "heartbeat"])
    headroom: float = param(2.0, ge=1, le=1e3, unit="count", words=["headroom", "capacity", "times the load"],
                            help="capacity of the job as a multiple of its load")


@tool("state-sizing", group="C",
      words=["state size", "stream state", "keyed state", "checkpoint size", "recovery time", "rocksdb", "state ttl",
             "state of a flink job", "how much state"],
      example={"keys": 1e6, "bytes_per_key": 100, "window_s": 3600, "slide_s": 60},
      cases=[
          Case({"window_s": 60, "slide_s": 10}, {"windows_per_event": 6}, source="size / slide"),
          Case({"keys": 1e6, "bytes_per_key": 100, "overhead": 1}, {"state_GB": 0.6, "checkpoint_s": 0.12,
                                                                  "restore_s": 0.6}, rel=1e-9, source="arithmetic"),
          Case({"keys": 1, "bytes_per_key": 100, "window_s": 60, "slide_s": 60, "overhead": 1, "new_keys_per_day": 1e6,
                "ttl_days": 7}, {"live_keys": 7_000_001}, source="arithmetic"),
          Case({"keys": 1e6, "bytes_per_key": 100, "windows": "tumbling"}, {"windows_per_event": 1, "state_GB": 0.11,
                                                                            "without_overhead_GB": 0.1}, rel=1e-9, source="one copy"),
      ],
      asks=[
          Ask("60 s windows sliding every 10 s over 10M keys of 200 bytes each, with an overhead of 1: how many GB of "
              "state?", "state_GB", 12),
          Ask("How many windows is an event copied into when a 1 h window slides every 5 min?", "windows_per_event",
              12),
          Ask("50M keys, 1 KB per key, windows of 60 s that slide every 60 s, overhead 1: how long does it take to "
              "restore "
              "the state at 2 GB/s?", "restore_s", 25),
          Ask("State for 10M keys with 1M new keys per day and a TTL of 7 days: how many keys are live?", "live_keys",
              17e6),
          Ask("50 million users, 300 bytes of state each, a 1 h window that hops every 10 min and no overhead (1x): "
              "how many GB of state?", "state_GB", 90.0),
      ])
def state_sizing(p: StateSizing, seed: int) -> ToolResult:
    """State, checkpoint and recovery time of a stream job with keyed windows.

    Each event is kept once for each window it lands in (window / slide). Keys that fell silent stay for `ttl_days`, or
    for good. A checkpoint uploads the share that changed; a restore reads all of it back. After a crash the job is
    behind by the time since its last complete checkpoint, plus detection and restore, and catches up with the capacity
    it has above its load.

    People get wrong: sliding windows multiply the state (60 s by 10 s: six copies), incremental checkpoints make
    checkpoints cheap but not restores, and without a TTL the state grows for as long as new keys come. The naive arm
    counts keys times bytes.

    Sources: arithmetic; Apache Flink keeps one pane a window in its DataStream API (its SQL window functions share
    slices instead, so there the copies are fewer).

    >>> round(state_sizing(StateSizing(keys=1e6, bytes_per_key=100, overhead=1), 0).values["state_GB"], 9)
    0.6
    """
    if p.windows == "tumbling":
        p = p.model_copy(update={"slide_s": p.window_s})
    if p.slide_s > p.window_s:
        raise ToolError(f"state-sizing: slide_s is {p.slide_s:g}, longer than the window of {p.window_s:g} s; make it "
                        f"at "
                        "most window_s.")
    copies = p.window_s / p.slide_s
    live = p.keys + p.new_keys_per_day * (min(p.ttl_days, p.horizon_days) if p.ttl_days else p.horizon_days)
    state_GB = live * p.bytes_per_key * copies * p.overhead / 1e9
    upload_s = checkpoint_s(state_GB, p.write_GBps, p.incremental_ratio)
    reading_s = state_GB / p.restore_GBps
    behind_s = p.checkpoint_interval_s + upload_s + p.detection_s + reading_s
    caught_up_s = catch_up_s(behind_s, p.headroom) + p.detection_s + reading_s if p.headroom > 1 else None
    naive_GB = p.keys * p.bytes_per_key / 1e9
    return ToolResult(
        tool="state-sizing",
        values={"windows_per_event": round(copies, 9), "live_keys": live, "state_GB": state_GB,
                "without_overhead_GB": state_GB / p.overhead, "checkpoint_GB": state_GB * p.incremental_ratio, "checkpoint_s": upload_s,
                "checkpoint_duty": upload_s / p.checkpoint_interval_s, "restore_s": reading_s,
                "worst_lag_s": behind_s, "caught_up_after_s": caught_up_s},
        units={"windows_per_event": "windows", "live_keys": "keys", "state_GB": "GB",
               "without_overhead_GB": "GB", "checkpoint_GB": "GB",
               "checkpoint_s": "s", "checkpoint_duty": "fraction", "restore_s": "s", "worst_lag_s": "s",
               "caught_up_after_s": "s"},
        naive={"state_GB": naive_GB, "restore_s": naive_GB / p.restore_GBps},
        summary=f"{state_GB:.4g} GB of state: {live:,.0f} keys in {copies:.4g} windows each; keys times bytes alone "
                f"would be "
        f"{naive_GB:.4g} GB. A checkpoint takes {upload_s:.3g} s, a restore {reading_s:.3g} s, "
        + (f"and the job has caught up {caught_up_s:,.0f} s after a crash at worst." if caught_up_s is not None else
           "and without capacity above its load the job never catches up."),
        formula="state = live keys * bytes * window/slide * overhead; checkpoint = state * changed share / write; "
                "restore = "
                "state / read; caught up = detection + restore + (interval + checkpoint + detection + "
                "restore)/(headroom-1)",
        plot=_plot(p),
        assumptions=["every live key has an entry in each of its windows",
                     "no checkpoint runs while the job catches up",
                     "1 GB = 10^9 bytes", "the crash strikes just before a checkpoint is complete"],
        warnings=_warnings(p, upload_s))


def _plot(p: StateSizing) -> Plot:
    days = [p.horizon_days * step / 40 for step in range(41)]
    each = p.bytes_per_key * p.overhead / 1e9
    copies = p.window_s / p.slide_s

    def grown(day: float, ttl: float) -> float:
        return p.keys + p.new_keys_per_day * (min(day, ttl) if ttl else day)

    if not p.new_keys_per_day:
        slides = [p.window_s / n for n in sorted({1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 60.0, copies}, reverse=True)]
        return Plot(title=f"A short slide multiplies the state: windows of {p.window_s:,g} s",
                    x_label="slide (s)", log_x=True,
                    log_y=True, y_label="state (GB)", marks=[{"axis": "x", "at": p.slide_s, "label": "this slide"}], lines=[
            Line(label="one copy a window", x=list(slides), y=[p.keys * each * p.window_s / slide for slide in slides]),
            Line(label="keys times bytes (naive)", x=list(slides), y=[p.keys * p.bytes_per_key / 1e9] * len(slides), dashed=True)])
    lines = [Line(label="state as set", x=list(days), y=[grown(day, p.ttl_days) * each * copies for day in days]),
             Line(label="without a TTL", x=list(days), y=[grown(day, 0) * each * copies for day in days]),
             Line(label="keys times bytes (naive)", x=list(days), y=[p.keys * p.bytes_per_key / 1e9] * 41, dashed=True)]
    return Plot(title="New keys grow the state until a TTL drops the old ones",
                x_label="running for (days)", y_label="state (GB)", lines=lines)


def _warnings(p: StateSizing, upload_s: float) -> list[str]:
    said = []
    if upload_s > p.checkpoint_interval_s:
        said.append(f"A checkpoint takes {upload_s:,.0f} s and one is due every {p.checkpoint_interval_s:g} s: "
                    f"checkpoints "
                    "run back to back or are skipped.")
    if p.new_keys_per_day and not p.ttl_days:
        said.append("New keys come and no TTL drops the silent ones: the state grows without end.")
    if p.headroom <= 1:
        said.append("The job has no capacity above its load: after any outage it stays behind for good.")
    return said
