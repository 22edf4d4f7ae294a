"""Arguments in other natural forms give what the usual form gives; what `out` names is what comes out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from tools.base import ToolError
from tools.forms import chosen
from tools.registry import load_tools

TOOLS = load_tools()
EVENTS = [1000, 4000, 3000, 9999, 11000, 7000, 12000]


def run(name: str, **args: Any) -> Any:
    values = TOOLS.get(name).run(args).values
    return values["result"] if set(values) == {"result"} else values


@pytest.mark.parametrize(("name", "usual", "other"), [
    ("stream.tumbling10s", {"events_ms": EVENTS}, {"events_ms": "1000, 4000, 3000, 9999, 11000, 7000, 12000"}),
    ("stream.tumbling10s", {"events_ms": EVENTS}, {"events_ms": str(EVENTS)}),
    ("stream.tumbling10s", {"events_ms": EVENTS}, {"events_ms": np.array(EVENTS)}),
    ("stream.tumbling10s", {"events_ms": EVENTS}, {"events_ms": EVENTS, "bound_ms": None}),
    ("event-time", {"events": "1000, 4000, 12000"}, {"events": [1000, 4000, 12000]}),
    ("accum.unequal_micro", {"micro": [[1, 2, 3], [10]]}, {"micro": "[[1, 2, 3], [10]]"}),
    ("drift.psi", {"ref": [0.7, 0.3], "cur": [0.6, 0.4]}, {"ref": {"a": 0.7, "b": 0.3}, "cur": {"b": 0.4, "a": 0.6}}),
    ("drift.ks_statistic", {"a": [1, 2, 3], "b": [2, 3, 4]}, {"a": "1 2 3", "b": "[2; 3; 4]"}),
    ("hpo.gp_posterior", {"X": [0, 1], "y": [0, 1], "xs": [0.5]}, {"X": [0, 1], "y": [0, 1], "xs": 0.5}),
    ("k8s.apf_squish", {"hand": 8, "queues": 64, "elephants": [1, 4]}, {"hand": 8, "queues": 64, "elephants": "1, 4"}),
    ("k8s.apf_squish", {"hand": 8, "queues": 64, "elephants": 4}, {"hand": 8, "queues": 64, "elephants": "4"}),
    ("anon.distinct_l", {"values": ["flu", "heart disease"]}, {"values": "flu, heart disease"}),
    ("anon.distinct_l", {"values": ["heart disease"]}, {"values": "heart disease"}),
    ("anon.k", {"rows": [["130", 28], ["130", 28]]}, {"rows": [{"zip": "130", "age": 28}, {"age": 28, "zip": "130"}]}),
    ("feature.pit_asof", {"labels": [12, 36], "features": {"0": 10, "30": 20}}, {"labels": "12, 36", "features": {0: 10, 30: 20}}),
    ("feature.pit_asof", {"labels": ["2026-01-02"], "features": {"2026-01-01": 10}},
     {"labels": [datetime(2026, 1, 2)], "features": [(datetime(2026, 1, 1), 10)]}),
    ("precision.bytes", {"dtype": "fp8_e5m2"}, {"dtype": "FP8 E5M2"}),
    ("precision.bytes", {"dtype": "bf16"}, {"dtype": "torch.bfloat16"}),
    ("precision.bytes", {"dtype": "fp16"}, {"dtype": "half"}),
    ("plasma.oob_buffers", {"kind": "list-of-dicts"}, {"kind": "list of dicts"}),
    ("plasma.oob_buffers", {"kind": "object-frame"}, {"kind": "object DataFrame"}),
    ("nccl.factor", {"operation": "all_reduce", "n": 8}, {"operation": "AllReduce", "n": 8}),
    ("ratelimit.token", {"limit": 9, "trace": "5@0s,5@1s"}, {"limit": 9, "trace": ["5@0s", "5@1s"], "N": None}),
    ("ratelimit.log", {"limit": 2, "window_s": 10, "trace": "1@0,1@1,1@2"}, {"limit": 2, "window_s": 10, "trace": [0, 1, 2]}),
    ("ratelimit.token", {"limit": 100, "trace": "100@59s,100@61s"}, {"limit": 100, "trace": "100@0:59 + 100@1:01"}),
    ("cdc.query_poll", {"ops": [[1, "I", "a", 1], [3, "D", "a"]]}, {"ops": [{"t": 1, "op": "insert", "key": "a", "value": 1},
                                                                              {"t": 3, "op": "delete", "key": "a"}]}),
    ("cdc-race", {"script": "1 I a 1; 3 U a 2 commit=9"}, {"script": [[1, "I", "a", 1], [3, "U", "a", 2, 9]]}),
    ("dag-scheduler", {"dag": "A:3, B:2:A, C:1:A+B"}, {"dag": {"A": [3, ""], "B": [2, "A"], "C": [1, ["A", "B"]]}}),
    ("dag.critical_path", {"dag": {"A": [3, ""], "B": [2, "A"]}}, {"dag": [{"name": "A", "duration": 3}, {
        "name": "B", "duration": 2, "deps": ["A"]}]}),
    ("breaker.replay", {"outcomes": "FFS", "fail_max": 2}, {"outcomes": [False, False, True], "fail_max": 2}),
    ("breaker.replay", {"outcomes": "FFS", "fail_max": 2}, {"outcomes": "0:fail, 1000:error, 2000:ok", "fail_max": 2}),
])
def test_another_form_means_the_same(name: str, usual: dict[str, Any], other: dict[str, Any]) -> None:
    assert run(name, **other) == run(name, **usual)


@pytest.mark.parametrize(("name", "args"), [
    ("drift.psi", {"ref": {"a": 0.5, "b": 0.5}, "cur": {"a": 0.4, "c": 0.6}}),
    ("drift.psi", {"ref": "many", "cur": [0.5, 0.5]}),
    ("avail.series", {"a": None, "n": 2}),
    ("precision.bytes", {"dtype": "fp8"}),
    ("dag.critical_path", {"dag": [["A", 1, ""], ["A", 2, ""]]}),
    ("dag.critical_path", {"dag": {"A": {"duration": 1, "colour": "red"}}}),
    ("cdc.log", {"ops": [{"t": 1, "op": "I", "key": "a", "colour": "red"}]}),
    ("breaker.replay", {"outcomes": "2000:fail, 1000:ok"}),
    ("breaker.replay", {"outcomes": "1000:fail, ok"}),
])
def test_what_can_mean_several_things_is_refused(name: str, args: dict[str, Any]) -> None:
    with pytest.raises(ToolError):
        run(name, **args)


@pytest.mark.parametrize(("name", "args", "out", "expected"), [
    ("dp.compose", {"eps": 0.1, "k": 10}, "basic", 1.0),
    ("dp.compose", {"eps": 0.1, "k": 10}, "advanced, basic", [1.6225980474607942, 1.0]),
    ("stream.delivery", {"N": 1000, "checkpoint_every": 100, "crash_after": 250, "mode": "alo"}, "dups", 50),
    ("zero.model_state_GB", {"params_B": 7.5, "dp": 64}, "Pos+g+p", 1.875),
    ("zero.model_state_GB", {"params_B": 8, "dp": 2}, "Pos, Pos+g", [80.0, 72.0]),
    ("pipeline.bubble", {"p": 4, "m": 8}, "of ideal (Megatron)", 0.375),
    ("hpo.hyperband_budget", {"R": 81}, "formula", 1902),
    ("tail.hedge_bigtable", {}, "without, with", [1800, 74]),
])
def test_out_picks_among_several_outputs(name: str, args: dict[str, Any], out: str, expected: Any) -> None:
    assert run(name, **args, out=out) == expected


def test_out_that_names_nothing_known_gives_everything() -> None:
    everything = run("dp.compose", eps=0.1, k=10)
    assert run("dp.compose", eps=0.1, k=10, out="the totals") == everything
    assert chosen("basic, total", {"basic": "basic", "advanced": "advanced"}, everything) == everything
    assert set(run("accum.unequal_micro", micro=[[1, 3], [8]], out="true mean, mean of means")) == {"true_mean", "mean_of_means"}
