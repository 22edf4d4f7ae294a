"""How far consumers are behind, when a buffer is full, and how many consumers it takes. Fluid rates, no single message."""

from __future__ import annotations

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.backpressure import BACKLOG, IN_RPS, OUT_RPS


@formula("backpressure.lag_s", unit="s", words=["consumer lag", "how far behind", "how old", "lag", "seconds behind", "time lag",
        "how late", "delay of a new message", "wait of a new message", "how long does a new message wait"], cases=[
    Case({"backlog": 600_000, "out_rps": 10_000}, {"result": 60}, rel=1e-12, source="600,000 / 10,000")], asks=[
    Ask("A backlog of 240k messages at a throughput of 4k per second: what is the consumer lag in seconds?", "result", 60.0),
    Ask("180,000 messages are queued and we consume 1,500 per second: how many seconds are we behind?", "result", 120.0),
    Ask("How long does a new message wait in seconds if 36k are ahead in the backlog and the consumers do 900 "
        "per second?", "result", 40.0),
])
def lag_s(backlog: float = param(**BACKLOG), out_rps: float = param(**OUT_RPS)) -> float:
    """How long a message that arrives now waits: backlog / consumption rate."""
    return backlog / out_rps


@formula("backpressure.time_to_full_s", words=["buffer is full", "fills up", "buffer full", "queue is full", "overflows",
        "overflow", "until it overflows", "until the buffer is full", "run full", "runs over", "buffer lasts",
        "how long until it is full", "out of space"],
    unit="s", cases=[
    Case({"limit": 100_000, "in_rps": 12_000, "out_rps": 10_000}, {"result": 50}, rel=1e-12, source="100,000 / 2,000")], asks=[
    Ask("A buffer of 50,000 messages, 3k per second come in and 2k per second go out: when does it "
        "overflow, in seconds?", "result", 50.0),
    Ask("A queue holds 12,000 messages, 900 per second go in and 600 per second go out. How many seconds until "
        "it overflows?", "result", 40.0),
    Ask("The buffer has room for 2 million events; 50k/s are produced, 42k/s consumed. After how many seconds "
        "is the buffer full?", "result", 250.0),
])
def time_to_full_s(
    limit: float = param(ge=0, le=1e18, unit="messages", words=["limit", "buffer of", "capacity", "buffer", "holds", "queue of",
        "room for", "queue holds", "buffer holds", "space for", "fits"]),
    in_rps: float = param(**IN_RPS), out_rps: float = param(**OUT_RPS),
) -> float:
    """Time until a buffer is full: limit / (in - out)."""
    if in_rps <= out_rps:
        raise ToolError(f"backpressure.time_to_full_s: {out_rps:g} can go out and only {in_rps:g} come in, so it never "
                        "fills.")
    return limit / (in_rps - out_rps)


@formula("backpressure.consumers", words=["how many consumers", "consumers needed", "consumers do i need", "partitions",
        "workers needed", "number of consumers", "consumers to keep up", "consumers to catch up", "how many workers",
        "consumers are needed"],
    unit="consumers", cases=[
    Case({"in_rps": 12_000, "per_consumer_rps": 1_000, "backlog": 600_000, "within_s": 300}, {"result": 14},
         source="12 + 2")], asks=[
    Ask("45k messages per second come in, each consumer handles 4k per second: how many consumers do I need?", "result", 12),
    Ask("9,000 messages/s come in and one consumer does 700 per second. How many consumers are needed to keep up?", "result", 13.0),
    Ask("We are 600k messages behind, 2,000/s arrive, each consumer handles 500/s and the backlog must be gone "
        "within 10 minutes. How many consumers?", "result", 6.0),
])
def consumers(
    in_rps: float = param(**IN_RPS),
    per_consumer_rps: float = param(ge=0.001, le=1e12, unit="rps", words=["each consumer", "per consumer", "a consumer",
        "one consumer", "each", "each handles", "one handles", "each does", "each can do", "per worker", "each worker",
        "consumer does", "each of them"]),
    backlog: float = param(0.0, **BACKLOG),
    within_s: float = param(600.0, ge=0.001, le=1e9, unit="s", words=["within", "in", "catch up in", "gone in", "cleared in",
        "drained in", "worked off in"]),
) -> int:
    """Consumers that keep up and also work off a backlog within a time, rounded up."""
    return -int(-(in_rps + backlog / within_s) // per_consumer_rps)
