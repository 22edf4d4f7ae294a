"""Schema evolution: what a change breaks, in which direction, who goes first, how many events that costs."""

from __future__ import annotations

import json
from typing import Any, Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool
from tools.calculators.avro_resolution import PRIMITIVES, unreadable
from tools.calculators.prose import CHANGE, told
from tools.calculators.schema_change import COMMON, pair

_AVRO = "Avro specification, schema resolution; fastavro 1.13 agrees"

_CHANGE: dict[str, Any] = {"max_length": 200, "words": ["change", "schema change", "field"],
                           "help": "like add with default, rename without alias, int->long"}
_SCHEMA: dict[str, Any] = {"words": ["schema"], "help": "an Avro schema, as JSON or its text"}


@formula("schema.avro_readable", cases=[
    Case({"change": "add with default"}, {"result": True}, source=_AVRO),
    Case({"change": "add without default"}, {"result": False}, source=_AVRO),
    Case({"change": "remove"}, {"result": True}, source=_AVRO),
    Case({"change": "int->long"}, {"result": True}, source=_AVRO),
    Case({"change": "long->int"}, {"result": False}, source=_AVRO),
    Case({"change": "rename without alias"}, {"result": False}, source=_AVRO),
    Case({"change": "rename with alias"}, {"result": True}, source=_AVRO),
    Case({"change": "int->long", "direction": "forward"}, {"result": False}, source=_AVRO),
    Case({"change": "remove without default", "direction": "full"}, {"result": False}, source=_AVRO),
    Case({"change": "add enum symbol", "direction": "forward"}, {"result": False}, source=_AVRO),
    Case({"change": "add enum symbol with default", "direction": "full"}, {"result": True}, source=_AVRO),
    Case({"change": "required->optional", "direction": "forward"}, {"result": False}, source=_AVRO),
])
def avro_readable(
    change: str = told(param(**_CHANGE), CHANGE),
    direction: Literal["backward", "forward", "full"] = param(
        "backward", words=["direction", "compatibility"],
        help="backward: new readers, old data; forward: old readers, new data"),
) -> bool:
    """Whether data stays readable across an Avro schema change, by default old data by the new schema."""
    before, after = pair(change)
    backward, forward = unreadable(before, after) is None, unreadable(after, before) is None
    return {"backward": backward, "forward": forward, "full": backward and forward}[direction]


@formula("schema.avro_compatible", cases=[
    Case({"writer": "int", "reader": "long"}, {"readable": True, "reason": ""}, source=_AVRO),
    Case({"writer": "long", "reader": "int"}, {"readable": False}, source=_AVRO),
    Case({"writer": '["null", "int"]', "reader": "double"}, {"readable": False}, source=_AVRO),
    Case({"writer": {"type": "array", "items": "int"}, "reader": {"type": "array", "items": "float"}},
         {"readable": True},
         source=_AVRO),
])
def avro_compatible(
    writer: str | dict[str, Any] | list[Any] = param(**_SCHEMA),
    reader: str | dict[str, Any] | list[Any] = param(**_SCHEMA),
) -> dict[str, Any]:
    """Whether all data of the writer's Avro schema can be read with the reader's, and if not, why."""
    reason = unreadable(_parsed(writer), _parsed(reader))
    return {"readable": reason is None, "reason": reason or ""}


@formula("schema.compatibility", cases=[
    Case({"change": "add with default"}, {"backward": True, "forward": True, "full": True, "upgrade_first": "any"},
         source=_AVRO),
    Case({"change": "int->long"}, {"backward": True, "forward": False, "full": False, "upgrade_first": "consumers"},
         source=_AVRO),
    Case({"change": "add without default"},
         {"backward": False, "forward": True, "full": False, "upgrade_first": "producers"}, source=_AVRO),
    Case({"change": "rename without alias"},
         {"backward": False, "forward": False, "full": False, "upgrade_first": "neither"}, source=_AVRO),
])
def compatibility(change: str = told(param(**_CHANGE), CHANGE)) -> dict[str, Any]:
    """Backward, forward and full compatibility of an Avro schema change, and which side has to be upgraded first."""
    before, after = pair(change)
    backward, forward = unreadable(before, after) is None, unreadable(after, before) is None
    first = {(True, True): "any", (True, False): "consumers", (False, True): "producers"}.get((backward, forward),
                                                                                              "neither")
    return {"backward": backward, "forward": forward, "full": backward and forward, "upgrade_first": first}


class Evolution(Params):
    change: str = told(param(max_length=200, words=["schema change", "change"],
                             help="like add with default, rename without alias, int->long"), CHANGE)
    upgrade_first: Literal["consumers", "producers"] = param("producers",
                                                             words=["first", "upgrade first", "upgraded first"])
    events_per_s: float = param(1_000.0, ge=0, le=1e9, unit="rps",
                                words=["events per second", "rate", "events a second"])
    gap_h: float = param(2.0, ge=0, le=8_760, unit="h", words=["gap", "rollout", "between the deployments", "apart"],
                         help="time between the upgrades of the two sides")
    retention_days: float = param(7.0, ge=0, le=3_650, unit="days",
                                  words=["retention", "kept for", "replay", "history"],
                                  help="old events that the new readers still have to be able to read")
    registry: Literal["none", "backward", "forward", "full"] = param("backward",
                                                                     words=["registry", "compatibility mode"])


@tool("schema-evolution", group="C",
      words=["schema evolution", "schema change", "avro", "backward compatible", "forward compatible",
             "schema registry", "breaking change", "upgrade order"],
      example={"change": "add without default", "upgrade_first": "consumers"},
      cases=[
          Case({"change": "int->long"}, {"backward": True, "forward": False, "unreadable_events": 7.2e6}, rel=1e-12,
               source="old readers meet new data for 2 h"),
          Case({"change": "add without default", "upgrade_first": "consumers", "registry": "none"},
               {"backward": False, "forward": True, "unreadable_events": 1_000 * (7 * 86_400 + 7_200)}, rel=1e-12,
               source="new readers meet old data: 7 days kept and 2 h more"),
          Case({"change": "add with default"}, {"unreadable_events": 0.0, "accepted": True}, source=_AVRO),
      ],
      asks=[
          Ask("Producers are upgraded first for the schema change int->long, at 500 events per second and with the "
              "deployments 4 h apart: how many events can't be read?", "unreadable_events", 7.2e6),
          Ask("How many events are unreadable when a field is added with default and consumers go first?",
              "unreadable_events", 0),
          Ask("rename without alias, consumers upgraded first, no registry check, 100 events per second, nothing "
              "retained, a gap of 1 h: how many events fail?", "unreadable_events", 360_000),
      ])
def schema_evolution(p: Evolution, seed: int) -> ToolResult:
    """What an Avro schema change breaks, in which direction, and how many events fail while the sides are upgraded.

    Backward: new readers can read old data; forward: old readers can read new data. If producers go first, old readers
    meet new data for the gap; if consumers go first, new readers meet the producers' old data for the gap, and either
    way new readers meet whatever old data is still kept. Every datum the writer's schema allows must be readable. A
    registry refuses a change that breaks its mode, and then nothing fails because nothing is deployed.

    People get wrong: "adding a field is always safe" (without a default new readers can't read old data), "the registry
    checks it" (in its usual mode, backward, it lets int->long pass, and producers that go first then break every old
    reader), "renaming is cosmetic" (it is a removal and an addition unless the reader has an alias). The naive arm
    expects no failures.

    Sources: Apache Avro specification, schema resolution; Confluent's compatibility types (backward means that
    consumers go first).

    >>> run = schema_evolution(Evolution(change="int->long"), 0).values
    >>> run["backward"], run["forward"], run["safe_first"]
    (True, False, 'consumers')
    """
    told = compatibility(p.change)
    accepted = p.registry == "none" or bool(told[p.registry])
    failing, by_gap = _failures(p, told), p.gap_h * 3_600 * p.events_per_s
    values: dict[str, Any] = {
        "backward": told["backward"], "forward": told["forward"], "full": told["full"],
        "safe_first": told["upgrade_first"],
        "accepted": accepted, "unreadable_events": failing if accepted else 0.0, "events_in_gap": by_gap}
    before, after = pair(p.change)
    return ToolResult(
        tool="schema-evolution", values=values,
        units={key: "events" for key in values if "events" in key},
        naive={"unreadable_events": 0.0},
        summary=_summary(p, values),
        formula="producers first: events fail in the gap unless forward compatible; then old data fails unless "
                "backward",
        series={"change": list(COMMON), "backward": [compatibility(each)["backward"] for each in COMMON],
                "forward": [compatibility(each)["forward"] for each in COMMON],
                "reason": [unreadable(before, after) or "", unreadable(after, before) or ""]},
        plot=_plot(p, told),
        assumptions=["each side switches at one moment",
                     "no reader knows the writer's schema by heart: the registry serves it",
                     "the reader's schema is the only thing that changes, not how the code uses the field"],
        warnings=_warnings(p, values))


def _failures(p: Evolution, told: dict[str, Any]) -> float:
    """Events that some reader can't read."""
    gap, kept = p.gap_h * 3_600 * p.events_per_s, p.retention_days * 86_400 * p.events_per_s
    if p.upgrade_first == "producers":
        return (0.0 if told["forward"] else gap) + (0.0 if told["backward"] else kept)
    return 0.0 if told["backward"] else gap + kept


def _plot(p: Evolution, told: dict[str, Any]) -> Plot:
    hours = [max(p.gap_h, 1.0) * step / 20 for step in range(41)]
    lines = [Line(label=f"{side} first", x=list(hours),
                  y=[_failures(p.model_copy(update={"upgrade_first": side, "gap_h": hour}),
                                                                   told) for hour in hours])
             for side in ("consumers", "producers")]
    lines.append(Line(label="no failures (naive)", x=[hours[0], hours[-1]], y=[0.0, 0.0], dashed=True))
    hurt = sum(any(line.y) for line in lines[:-1])
    what = ("Neither order loses an event", "Who is upgraded first decides", "Neither order saves every event")[hurt]
    return Plot(title=f"{what}: {p.change}", x_label="time between the upgrades (h)",
                y_label="events that can't be read (count)", lines=lines, marks=[{"axis": "x", "at": p.gap_h, "label": "this gap"}])


def _summary(p: Evolution, values: dict[str, Any]) -> str:
    ways = ("fully compatible" if values["full"] else "only backward compatible" if values["backward"] else
            "only forward compatible" if values["forward"] else "compatible in neither direction")
    if not values["accepted"]:
        return (f"{p.change} is {ways}, so a registry that asks for {p.registry} refuses it: no event fails, nothing "
                "changes.")
    return (f"{p.change} is {ways}; with {p.upgrade_first} upgraded first {values['unreadable_events']:,.0f} events "
            f"can't be read, where people expect none. Safe to upgrade first: {values['safe_first']}.")


def _warnings(p: Evolution, values: dict[str, Any]) -> list[str]:
    said = []
    if values["accepted"] and values["unreadable_events"] and p.registry != "none":
        said.append(f"The registry's mode {p.registry} accepts the change, and yet this order of upgrades breaks "
                    "readers.")
    if values["safe_first"] == "neither":
        said.append("No order is safe: go by a second field or topic, written in parallel until all readers "
                    "have moved.")
    return said


def _parsed(schema: str | dict[str, Any] | list[Any]) -> Any:
    if not isinstance(schema, str) or schema.strip() in PRIMITIVES:
        return schema.strip() if isinstance(schema, str) else schema
    if len(schema) > 200_000:
        raise ToolError(f"The schema is {len(schema):,} characters long; give at most 200,000.")
    try:
        return json.loads(schema)
    except json.JSONDecodeError as error:
        raise ToolError(f"The schema is no JSON: {error.msg} at character {error.pos}.") from None
