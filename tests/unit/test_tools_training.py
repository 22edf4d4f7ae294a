"""Training tools: memory, collectives, pipelines, FLOPs, checkpoints, precision, loading and serving memory."""

from __future__ import annotations

import doctest
import importlib
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.base import Case, Tool, ToolError, ToolResult

CALCULATORS = ("activations", "checkpoint_formulas", "collective_timer", "collectives", "gradient_accumulation",
               "kv_cache",
               "memory_planner", "model_state", "number_formats", "pipeline_bubble", "serving_memory", "training_flops",
               "training_time", "transformer_shape")
SIMULATORS = ("checkpoint_interval", "data_loader", "loss_scaling", "pipeline_schedule", "ring_allreduce")
MODULES = (*(f"tools.calculators.{name}" for name in CALCULATORS), *(f"tools.simulators.{name}" for name in SIMULATORS))


def _tools() -> dict[str, Tool]:
    found: dict[str, Tool] = {}
    for module in MODULES:
        for value in vars(importlib.import_module(module)).values():
            if isinstance(value, Tool):
                assert found.setdefault(value.name, value) is value, f"two tools are called {value.name}"
    return found


TOOLS = _tools()
BIG = [each for each in TOOLS.values() if each.kind != "formula"]
CASES = [(tool.name, case) for tool in TOOLS.values() for case in tool.cases if not case.shown]
quick = settings(max_examples=25, deadline=None)


def values(tool: str, seed: int = 0, **args: Any) -> dict[str, Any]:
    return TOOLS[tool].run(args, seed).values


def result(system: str, **args: Any) -> Any:
    return values(system, **args)["result"]


def agrees(got: Any, want: Any, case: Case) -> bool:
    if isinstance(want, dict):
        return all(agrees(got[key], each, case) for key, each in want.items())
    if isinstance(want, list | tuple):
        return len(got) == len(want) and all(agrees(a, b, case) for a, b in zip(got, want, strict=True))
    if isinstance(want, bool | str) or want is None:
        return bool(got == want)
    return bool(abs(got - want) <= max(case.abs, case.rel * abs(want)))


def finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(finite(each) for each in value.values())
    if isinstance(value, list | tuple):
        return all(finite(each) for each in value)
    return not isinstance(value, float) or math.isfinite(value)


# Every case, page and question


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(CASES)])
def test_case(name: str, case: Case) -> None:
    got = TOOLS[name].run(case.args).values
    assert agrees({key: got[key] for key in case.expected}, case.expected, case), (case.args, got)


def test_every_tool_has_cases_with_a_source() -> None:
    for tool in TOOLS.values():
        assert any(not case.shown for case in tool.cases), tool.name
        assert all(case.source for case in tool.cases), tool.name


@pytest.mark.parametrize("tool", BIG, ids=lambda tool: tool.name)
def test_page_example_and_questions(tool: Tool) -> None:
    assert "People get wrong:" in tool.page and "Source" in tool.page
    assert 3 <= len(tool.asks) <= 6 and tool.words
    run = tool.run(tool.example)
    assert run.summary and run.formula and run.naive and run.assumptions and run.plot is not None
    assert set(run.naive) <= set(run.values) and set(run.units) <= set(run.values)
    assert {ask.value for ask in tool.asks} <= set(run.values)
    assert 2 <= len(run.plot.lines) <= 5 and run.plot.title and run.plot.x_label and run.plot.y_label
    assert all(len(line.x) == len(line.y) for line in run.plot.lines)


@pytest.mark.parametrize("module", MODULES)
def test_doctests(module: str) -> None:
    loaded = importlib.import_module(module)
    runner, parser = doctest.DocTestRunner(), doctest.DocTestParser()
    pages = {name: value.page if isinstance(value, Tool) else value.__doc__ or ""
             for name, value in vars(loaded).items()
             if isinstance(value, Tool) or (callable(value) and value.__module__ == module)}
    for name, page in pages.items():
        runner.run(parser.get_doctest(page, dict(vars(loaded)), f"{module}.{name}", None, 0))
    assert runner.summarize(verbose=False).failed == 0


ANSWERS: dict[str, list[dict[str, Any]]] = {
    "memory-planner": [{"params": 7.5e9, "dp": 64, "zero_stage": 3}, {"params": 13e9, "dp": 16, "zero_stage": 1},
                       {"params": 7e9, "zero_stage": 0}, {"params": 70e9, "dp": 128, "zero_stage": 2},
                       {"params": 3e9, "dp": 4, "scheme": "DDP"},
                       {"layers": 32, "hidden": 4096, "heads": 32, "seq_len": 8192, "recompute": "selective"}],
    "collective-timer": [{"size_bytes": 14e9, "ranks": 8, "busbw_GBps": 450},
                         {"size_bytes": 14e9, "ranks": 64, "busbw_GBps": 50},
                         {"size_bytes": 1e9, "ranks": 16, "busbw_GBps": 100},
                         {"size_bytes": 28e9, "ranks": 256, "busbw_GBps": 50},
                         {"size_bytes": 14e9, "ranks": 8, "busbw_GBps": 450}],
    "gradient-accumulation": [{"micro_batch": 4, "accumulation": 8, "dp": 16},
                              {"micro_batch": 2, "accumulation": 32, "dp": 64, "seq_len": 2048},
                              {"micro_batch": 1, "accumulation": 16, "dp": 8}],
    "serving-memory": [{"model": "Llama-2-7B"}, {"model": "Llama-3-70B", "context_tokens": 32768, "batch": 4},
                       {"layers": 32, "kv_heads": 8, "head_dim": 128}, {"model": "Llama-3-8B", "context_tokens": 8192},
                       {"model": "Llama-2-70B", "weight_bits": 4}],
    "training-cost": [{"params": 70e9, "tokens": 1.4e12},
                      {"params": 7e9, "tokens": 1e12, "gpus": 256, "gpu": "A100", "mfu": 0.4},
                      {"params": 13e9, "tokens": 2e12, "usd_per_gpu_hour": 2, "mfu": 0.4, "gpu": "A100"},
                      {"params": 70e9, "tokens": 2e12, "gpu": "H100", "mfu": 0.35},
                      {"gpus": 1024, "peak_TFLOPs": 300, "mfu": 0.5, "params": 175e9, "tokens": 300e9},
                      {"gpus": 128, "achieved_TFLOPs": 150, "params": 20e9, "tokens": 400e9, "flops_per_parameter": 8}],
    "checkpoint-interval": [{"write_s": 300, "mtbf_h": 24}, {"gpus": 16384, "mtbf_gpu_h": 50676},
                            {"write_s": 60, "mtbf_h": 6},
                            {"gpus": 1000, "mtbf_gpu_h": 50000, "run_days": 30},
                            {"write_s": 120, "gpus": 4096, "mtbf_gpu_h": 40000}],
    "data-loader": [{"load_ms": 800, "step_ms": 100}, {"workers": 0, "load_ms": 300, "step_ms": 100, "variation": 0},
                    {"workers": 4, "load_ms": 800, "step_ms": 100, "variation": 0}],
    "loss-scaling": [{"dtype": "fp16"}, {"median_gradient": 1e-8, "spread_decades": 1, "dtype": "fp16",
                                         "scaling": "none"},
                     {"initial_scale": 1024, "dtype": "fp16"}, {"median_gradient": 1e-8, "dtype": "bf16"}],
    "pipeline-schedule": [{"stages": 4, "microbatches": 8}, {"stages": 8, "microbatches": 32},
                          {"stages": 16, "microbatches": 64},
                          {"stages": 4, "microbatches": 8, "forward_ms": 10, "backward_ms": 20},
                          {"schedule": "gpipe", "stages": 4, "microbatches": 16}],
    "ring-allreduce": [{"ranks": 8}, {"ranks": 16, "elements": 4096, "element_bytes": 4},
                       {"ranks": 32, "elements": 102_400}],
}


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_questions_have_the_right_answers(name: str) -> None:
    assert len(ANSWERS[name]) == len(TOOLS[name].asks)
    for ask, args in zip(TOOLS[name].asks, ANSWERS[name], strict=True):
        assert values(name, **args)[ask.value] == pytest.approx(ask.expected, rel=ask.rel), ask.question


def test_all_tools_are_asked() -> None:
    assert {tool.name for tool in BIG} == set(ANSWERS)


# Determinism and limits


@pytest.mark.parametrize("tool", BIG, ids=lambda tool: tool.name)
def test_same_arguments_and_seed_give_the_same_bytes(tool: Tool) -> None:
    assert tool.run({}, 7).model_dump_json() == tool.run({}, 7).model_dump_json()


@pytest.mark.parametrize(("name", "args"), [("loss-scaling", {"median_gradient": 1e-8}), ("data-loader", {}),
                                            ("checkpoint-interval", {})])
def test_the_seed_counts(name: str, args: dict[str, Any]) -> None:
    assert TOOLS[name].run(args, 1).series != TOOLS[name].run(args, 2).series or \
        TOOLS[name].run(args, 1).values != TOOLS[name].run(args, 2).values


def limits(tool: Tool) -> dict[str, tuple[Any, Any]]:
    """Lowest and highest allowed value of each numeric parameter, strict bounds moved inwards."""
    found = {}
    for name, info in tool.params.model_fields.items():
        bound = {key: getattr(item, key) for item in info.metadata for key in ("ge", "gt", "le", "lt")
                 if getattr(item, key, None) is not None}
        if bound:
            low = bound["ge"] if "ge" in bound else bound["gt"] + 1e-6
            high = bound["le"] if "le" in bound else bound["lt"] - 1e-6
            found[info.alias or name] = (low, high)
    return found


def runs_or_says_why(tool: Tool, args: dict[str, Any]) -> None:
    try:
        run = tool.run(args)
    except ToolError as error:
        assert str(error).count("\n") == 0 and len(str(error)) < 2_000
        return
    assert finite(run.values) and finite(run.naive) and finite(run.series), (tool.name, args)
    assert run.plot is None or finite(run.plot.model_dump())
    ToolResult.model_validate_json(run.model_dump_json())


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_extremes_stay_finite(tool: Tool) -> None:
    bounds = limits(tool)
    usual = dict(tool.cases[0].args) if tool.kind == "formula" else {}
    for name, pair in bounds.items():
        for value in pair:
            runs_or_says_why(tool, usual | {name: value})
    for side in (0, 1):
        runs_or_says_why(tool, usual | {name: pair[side] for name, pair in bounds.items()})


@pytest.mark.parametrize(("name", "args", "said"), [
    ("memory-planner", {"dp": 8, "ep": 3}, "ep must divide dp"),
    ("memory-planner", {"params": 1e9, "pp": 1000}, "pp must be at most"),
    ("memory-planner", {"dp": 0}, "between 1 and"),
    ("pipeline-schedule", {"schedule": "interleaved", "stages": 4, "microbatches": 6, "chunks": 2}, "multiple"),
    ("pipeline-schedule", {"chunks": 2}, "interleaved"),
    ("pipeline-schedule", {"stages": 128, "microbatches": 4096}, "at most"),
    ("collective-timer", {"operation": "all_gather", "algorithm": "tree"}, "ring"),
    ("collective-timer", {"ranks": 8, "busbw_GB": 4}, "has no parameter busbw_GB"),
    ("loss-scaling", {"steps": 20_000, "gradients": 200_000}, "at most"),
    ("gradient-accumulation", {"tokens": [1, 2], "losses": [1]}, "one of each"),
    ("gradient-accumulation", {"tokens": [0], "losses": [1]}, "positive"),
    ("checkpoint-interval", {"async_stall_s": 5, "interval_s": 10}, "at least"),
    ("ring-allreduce", {"ranks": 128, "elements": 1_000_000}, "at most"),
    ("zero.min_gpus", {"params_B": 70, "gpu_GB": 80, "stage": 1}, "higher stage"),
    ("act.selective", {"s": 2048}, "needs h and a"),
    ("accum.unequal_micro", {"micro": [[1], []]}, "no mean"),
    ("serve.kv_bytes_per_token", {"model": "Nonesuch-9B"}, "isn't known"),
    ("serve.kv_bytes_per_token", {"layers": 32}, "needs a model"),
    ("params.moe_B", {"l": 1, "h": 8, "ffn": 8, "experts": 2, "top_k": 3, "heads": 2, "kv_heads": 1, "V": 8}, "1 to 2"),
    ("params.llama_B", {"l": 1, "h": 10, "ffn": 8, "heads": 3, "kv_heads": 1, "V": 8}, "multiple"),
    ("pipeline.in_flight", {"p": 4, "m": 6, "v": 2, "schedule": "interleaved"}, "multiple"),
])
def test_refusals_say_what_to_do(name: str, args: dict[str, Any], said: str) -> None:
    with pytest.raises(ToolError, match=said):
        TOOLS[name].run(args)


# Memory


@quick
@given(st.floats(0.01, 2000), st.integers(1, 4096))
def test_zero_stages_shard_more_and_more(params_B: float, dp: int) -> None:
    plain, one, two, three = result("zero.model_state_GB", params_B=params_B, dp=dp)
    assert plain >= one >= two >= three
    assert three * dp == pytest.approx(plain)
    assert [result("zero.stage_GB", params_B=params_B, dp=dp, stage=stage) for stage in range(4)] == [plain, one, two,
                                                                                                      three]


@quick
@given(st.floats(1, 500), st.sampled_from([24, 40, 80, 192]))
def test_min_gpus_is_the_least_that_fits(params_B: float, gpu_GB: int) -> None:
    least = result("zero.min_gpus", params_B=params_B, gpu_GB=gpu_GB, stage=3)
    assert result("zero.stage_GB", params_B=params_B, dp=least, stage=3) <= gpu_GB * (1 + 1e-9)
    assert least == 1 or result("zero.stage_GB", params_B=params_B, dp=least - 1, stage=3) > gpu_GB


@quick
@given(st.integers(1, 64), st.integers(1, 4), st.sampled_from([1, 2, 4, 8]), st.integers(1, 8))
def test_activations_shrink_with_each_measure(s: int, b: int, t: int, heads: int) -> None:
    h = 128 * heads
    none, tp, sp, selective, full = result("act.bytes_per_layer", s=64 * s, b=b, h=h, a=heads, t=t)
    assert none >= tp >= sp >= selective
    assert none == 64 * s * b * h * 34 + 5 * heads * (64 * s) ** 2 * b
    assert selective * t == 34 * 64 * s * b * h and full == 2 * 64 * s * b * h
    term, saved, _ = result("act.selective", s=64 * s, h=h, a=heads)
    assert saved == pytest.approx(1 - selective * t / none) and term == pytest.approx(5 * heads * 64 * s / h)


def test_fsdp_shards_state_but_not_activations() -> None:
    one, many = values("memory-planner", dp=1, zero_stage=3), values("memory-planner", dp=64, zero_stage=3)
    assert many["model_state_GB"] == pytest.approx(one["model_state_GB"] / 64)
    assert many["activations_GB"] == one["activations_GB"]
    run = TOOLS["memory-planner"].run({"dp": 64, "zero_stage": 3})
    assert run.naive["total_GB"] < run.values["total_GB"] and "FSDP" in run.summary


def test_mixed_precision_keeps_sixteen_bytes() -> None:
    assert values("memory-planner", precision="mixed")["model_state_GB"] == values("memory-planner", precision="fp32")[
        "model_state_GB"]


def test_experts_are_spread_over_the_data_parallel_group() -> None:
    dense = values("memory-planner", dp=16, zero_stage=0, expert_fraction=0.8)
    spread = values("memory-planner", dp=16, ep=8, zero_stage=0, expert_fraction=0.8)
    assert spread["model_state_GB"] == pytest.approx(dense["model_state_GB"] * (0.2 + 0.8 / 8))
    full = values("memory-planner", dp=16, ep=8, zero_stage=3, expert_fraction=0.8)
    assert full["model_state_GB"] == pytest.approx(dense["model_state_GB"] / 16)


def test_adam_really_keeps_sixteen_bytes_a_parameter() -> None:
    torch = pytest.importorskip("torch", reason="the optimizer's real state needs torch")
    weight = torch.nn.Parameter(torch.zeros(1000))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    moments = [each for each in optimizer.state[weight].values() if each.numel() == 1000]
    held = sum(each.numel() * each.element_size() for each in (weight, weight.grad, *moments))
    assert held / 1000 == result("mem.bytes_per_param")[0]


# Parameter counts and FLOPs


def test_layer_count_matches_a_real_layer() -> None:
    torch = pytest.importorskip("torch", reason="counts a real layer's parameters")
    layer = torch.nn.TransformerEncoderLayer(64, 4, dim_feedforward=256)
    assert sum(each.numel() for each in layer.parameters()) == result("params.per_layer", h=64)


def test_six_nd_matches_counted_flops() -> None:
    pytest.importorskip("torch", reason="counts a real network's FLOPs")
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    net = torch.nn.Sequential(torch.nn.Linear(32, 64, bias=False), torch.nn.Linear(64, 16, bias=False))
    data = torch.ones(10, 32, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        net(data).sum().backward()
    assert counter.get_total_flops() == result("flops.6ND", N=32 * 64 + 64 * 16, D=10)


@quick
@given(st.floats(1e8, 1e12), st.floats(1e9, 1e13), st.integers(1, 10_000), st.floats(0.05, 0.9))
def test_time_formulas_agree(N: float, D: float, gpus: int, mfu: float) -> None:
    days = result("traintime.days_6ND", N=N, D=D, gpus=gpus, peak_TFLOPs=312, mfu=mfu)
    assert days * 24 * gpus == pytest.approx(result("traintime.gpu_hours", N=N, D=D, peak_TFLOPs=312, mfu=mfu))
    rate = result("traintime.tokens_per_s", N=N, gpus=gpus, peak_TFLOPs=312, mfu=mfu)
    assert D / rate / 86_400 == pytest.approx(days)
    assert result("flops.mfu", tokens_per_s=rate, N=N, chips=gpus, peak_TFLOPs=312) == pytest.approx(mfu)
    full = result("traintime.days", P=N, T=D, n=gpus, X=312e12 * mfu)
    assert full == pytest.approx(days * 4 / 3)


def test_recomputation_raises_hfu_not_mfu() -> None:
    plain, full = values("training-cost"), values("training-cost", recompute="full")
    assert full["mfu"] == plain["mfu"] and full["hfu"] == pytest.approx(plain["mfu"] * 4 / 3)
    assert full["days"] == plain["days"]
    assert plain["tokens_per_s"] * plain["days"] * 86_400 == pytest.approx(2e12)
    assert values("training-cost", context=4096)["days"] > plain["days"]


@quick
@given(st.floats(1e18, 1e28))
def test_chinchilla_spends_the_budget(compute: float) -> None:
    best = values("flops.chinchilla_optimal", C=compute)
    assert result("flops.6ND", N=best["params"], D=best["tokens"]) == pytest.approx(compute)


def test_known_shapes_are_plausible_and_found_by_name() -> None:
    from tools.calculators.transformer_shape import SHAPES, find_shape, usual_shape

    for name, shape in SHAPES.items():
        assert find_shape(name) is shape and shape.heads % shape.kv_heads == 0, name
        if not shape.latent and "x" not in name and "oss" not in name:
            assert 0.35 < 12 * shape.layers * shape.hidden**2 / shape.parameters < 1.3 or shape.parameters < 3e9, name
    assert find_shape("meta-llama/Llama-2-7b-hf") is SHAPES["Llama-2-7B"]
    assert find_shape("GPT-3 175B") is SHAPES["GPT-3"] and find_shape("GPT-2 XL") is SHAPES["GPT-2 XL"]
    assert find_shape("GPT-3.5 turbo") is None and find_shape("OPT-1.3B") is SHAPES["OPT-1.3B"]
    assert usual_shape(175e9) == (96, 12288, 96) and usual_shape(7e9, layers=32) == (32, 4224, 33)


# Collectives


@quick
@given(st.integers(2, 24), st.integers(1, 400), st.integers(1, 8))
def test_a_ring_moves_exactly_what_the_formula_says(n: int, elements: int, width: int) -> None:
    run = TOOLS["ring-allreduce"].run({"ranks": n, "elements": elements, "element_bytes": width}, seed=n)
    size = elements * width
    assert run.values["correct"] and run.values["steps"] == 2 * (n - 1)
    assert run.values["sent_bytes_total"] == 2 * (n - 1) * size
    exact = result("nccl.wire_bytes", bytes=size, n=n)
    if elements % n == 0:
        assert run.series["sent_bytes_by_rank"] == [exact] * n
    assert exact <= run.values["sent_bytes_per_rank"] <= exact + 2 * width


@quick
@given(st.floats(1, 1e12), st.integers(2, 10_000), st.floats(0.1, 1000))
def test_an_all_reduce_is_a_reduce_scatter_and_an_all_gather(size: float, n: int, busbw: float) -> None:
    args = {"bytes": size, "n": n, "busbw_GBps": busbw}
    whole = result("nccl.allreduce_ms", **args)
    assert whole == pytest.approx(result("nccl.reducescatter_ms", **args) + result("nccl.allgather_ms", **args))
    if whole > 1e-5:
        assert result("nccl.busbw_GBps", bytes=size, n=n, time_ms=whole) == pytest.approx(busbw)
    assert 1 <= result("nccl.allreduce_factor", n=n) < 2


@quick
@given(st.integers(2, 512), st.integers(1, 50), st.floats(0, 1000), st.sampled_from(["ring", "tree"]))
def test_exposed_time_lies_between_a_bucket_and_everything(n: int, buckets: int, compute: float,
                                                           algorithm: str) -> None:
    got = values("collective-timer", ranks=n, buckets=buckets, compute_ms=compute, algorithm=algorithm)
    assert got["time_ms"] / buckets <= got["exposed_ms"] * (1 + 1e-12)
    assert got["exposed_ms"] <= got["time_ms"] * (1 + 1e-12)
    ready, free = [compute * (i + 1) / buckets for i in range(buckets)], 0.0
    for each in ready:
        free = max(free, each) + got["time_ms"] / buckets
    assert got["exposed_ms"] == pytest.approx(free - compute, abs=1e-9, rel=1e-9)


def test_a_tree_pays_less_latency() -> None:
    ring, tree = (values("collective-timer", ranks=1024, algorithm=each) for each in ("ring", "tree"))
    assert ring["latency_ms"] == pytest.approx(2 * 1023 * 0.005) and tree["latency_ms"] == pytest.approx(2 * 10 * 0.005)
    assert ring["bandwidth_ms"] == tree["bandwidth_ms"]


# Pipelines


@quick
@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 4), st.sampled_from(["gpipe", "1f1b", "interleaved"]),
       st.integers(1, 30), st.integers(1, 30))
def test_the_played_schedule_equals_the_closed_form(
    p: int, turns: int, v: int, schedule: str, forward: int, backward: int,
) -> None:
    chunks, m = (v, p * turns) if schedule == "interleaved" else (1, turns * 2 - 1)
    got = values("pipeline-schedule", stages=p, microbatches=m, chunks=chunks, schedule=schedule, forward_ms=forward,
                 backward_ms=backward)
    of_total, of_ideal = result("pipeline.bubble", p=p, m=m, v=chunks)
    assert got["bubble_of_total"] == pytest.approx(of_total, abs=1e-12)
    assert got["bubble_of_ideal"] == pytest.approx(of_ideal, abs=1e-12)
    assert got["makespan_ms"] == pytest.approx(result("pipeline.step_ms", p=p, m=m, v=chunks, fwd_ms=forward,
                                                      bwd_ms=backward))
    assert got["peak_in_flight"] == pytest.approx(result("pipeline.in_flight", p=p, m=m, v=chunks, schedule=schedule))


@quick
@given(st.integers(2, 8), st.integers(1, 12), st.integers(1, 40), st.sampled_from(["gpipe", "1f1b"]))
def test_transfers_never_help(p: int, m: int, transfer: int, schedule: str) -> None:
    args: dict[str, Any] = {"stages": p, "microbatches": m, "schedule": schedule}
    slow = values("pipeline-schedule", **args, transfer_ms=transfer)
    assert slow["makespan_ms"] >= values("pipeline-schedule", **args)["makespan_ms"] + 2 * (p - 1) * transfer - 1e-9


def test_operations_don_t_overlap_and_wait_for_their_input() -> None:
    plot = TOOLS["pipeline-schedule"].run({"schedule": "interleaved", "chunks": 2}).plot
    assert plot is not None
    bars = [(row, float(start), end) for line in plot.lines
            for start, row, end in zip(line.x, line.y, line.x2 or [], strict=True)]
    assert len(bars) == 2 * 4 * 8 * 2
    for device in range(4):
        mine = sorted((start, end) for row, start, end in bars if row == device)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(mine))
    assert min(start for row, start, _ in bars if row == 3) == pytest.approx(3 * 10 / 2)


@quick
@given(st.integers(2, 64), st.floats(0.01, 0.9))
def test_min_microbatches_is_the_least(p: int, bound: float) -> None:
    m = result("pipeline.min_microbatches", p=p, bubble=bound)
    assert result("pipeline.bubble", p=p, m=m)[0] <= bound + 1e-9
    assert m == 1 or result("pipeline.bubble", p=p, m=m - 1)[0] > bound


# Checkpoints


@quick
@given(st.floats(1, 1000), st.floats(20, 1e4), st.floats(0, 600))
def test_daly_is_near_the_true_optimum(write: float, ratio: float, restart: float) -> None:
    from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

    mtbf = write * ratio

    def waste(tau: float) -> float:
        return float(result("ckpt.waste_exponential", C_s=write, M_s=mtbf, tau_s=tau, R_s=restart))

    young, daly = result("ckpt.young_s", C_s=write, M_s=mtbf), result("ckpt.daly_s", C_s=write, M_s=mtbf)
    best = minimize_scalar(waste, bounds=(young / 10, young * 3), method="bounded", options={"xatol": 1e-6 * young}).fun
    assert waste(daly) <= best + 1e-4 and waste(daly) <= waste(young) + 1e-9


@quick
@given(st.floats(1, 1000), st.floats(1000, 1e6), st.floats(0.2, 5))
def test_young_minimises_first_order_waste(write: float, mtbf: float, factor: float) -> None:
    young = result("ckpt.young_s", C_s=write, M_s=mtbf)
    least = result("ckpt.waste", C_s=write, M_s=mtbf, tau_s=young)
    assert least == pytest.approx(result("ckpt.waste_optimal", C_s=write, M_s=mtbf))
    assert result("ckpt.waste", C_s=write, M_s=mtbf, tau_s=young * factor) >= least - 1e-12


@pytest.mark.parametrize("args", [{}, {"restart_s": 600}, {"async_stall_s": 5}, {"interval_s": 7200}, {"mtbf_h": 1.0}])
def test_simulated_failures_confirm_the_exact_waste(args: dict[str, Any]) -> None:
    runs = [values("checkpoint-interval", seed, **args, run_days=1000) for seed in range(4)]
    assert np.mean([run["waste_simulated"] for run in runs]) == pytest.approx(runs[0]["waste"], abs=0.01)


def test_mtbf_is_divided_by_the_gpus() -> None:
    run = TOOLS["checkpoint-interval"].run({})
    assert run.values["mtbf_h"] == pytest.approx(50_676 / 16_384)
    assert run.naive["waste"] > 0.99 and run.values["waste"] < 0.25


# Precision, accumulation, loading, serving


@quick
@given(st.floats(-1e6, 1e6, allow_subnormal=True), st.sampled_from(["fp16", "bf16", "fp8_e5m2", "fp8_e4m3", "fp32"]))
def test_rounding_matches_ml_dtypes(value: float, dtype: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="the peer for 8- and 16-bit formats")
    from tools.calculators.number_formats import rounded

    kinds = {"fp16": np.float16, "fp32": np.float32, "bf16": ml_dtypes.bfloat16, "fp8_e5m2": ml_dtypes.float8_e5m2,
             "fp8_e4m3": ml_dtypes.float8_e4m3fn}
    single = float(np.float32(value))  # ml_dtypes rounds from fp32
    with np.errstate(over="ignore"):
        peer = float(np.float32(single).astype(kinds[dtype]))
    mine = rounded(single, dtype)
    assert mine == peer or (math.isinf(mine) and math.isnan(peer))


def test_stored_gradients_match_ml_dtypes() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="the peer for bf16")
    from tools.simulators.loss_scaling import _store

    drawn = 10.0 ** np.random.default_rng(0).uniform(-44, 38, 20_000)
    expected = drawn.astype(np.float32).astype(ml_dtypes.bfloat16).astype(np.float32)
    assert (_store(drawn, "bf16") == expected).all()


@quick
@given(st.lists(st.booleans(), max_size=40), st.integers(1, 5))
def test_scale_trace_matches_torch(overflow: list[bool], interval: int) -> None:
    torch = pytest.importorskip("torch", reason="the peer is torch.amp.GradScaler")
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=interval)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scales = []
    for bad in overflow:
        scaler.scale(weight.sum())
        weight.grad = torch.tensor([math.inf if bad else 1.0])
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    assert result("scaler.trace", overflow=overflow, init_scale=1024, growth_interval=interval) == scales


def test_bf16_needs_no_scale_and_fp16_does() -> None:
    fp16 = values("loss-scaling", median_gradient=1e-8, scaling="none")
    assert fp16["underflow_fraction"] > 0.5 and values("loss-scaling",
                                                       median_gradient=1e-8)["underflow_fraction"] < 0.01
    run = TOOLS["loss-scaling"].run({"median_gradient": 1e-8, "dtype": "bf16", "scaling": "none"})
    assert run.values["underflow_fraction"] == 0 and run.values["final_scale"] == 1
    assert run.naive["underflow_fraction"] > 0.5


def test_the_dynamic_scale_finds_the_limit() -> None:
    run = TOOLS["loss-scaling"].run({"growth_interval": 5, "steps": 400})
    assert 0 < run.values["skipped_steps"] < 100
    scales = run.series["scale"]
    assert all(scales[step + 1] == scales[step] / 2 for step in run.series["skipped"] if step + 1 < len(scales))


@quick
@given(st.lists(st.lists(st.floats(0, 100), min_size=1, max_size=6), min_size=1, max_size=6))
def test_mean_of_means_is_right_only_for_equal_sizes(micro: list[list[float]]) -> None:
    got = values("accum.unequal_micro", micro=micro)
    assert got["true_mean"] == pytest.approx(float(np.concatenate(micro).mean()), abs=1e-9)
    if len({len(each) for each in micro}) == 1:
        assert got["mean_of_means"] == pytest.approx(got["true_mean"], abs=1e-9)
    weighted = values("accum.token_weighted", losses=[float(np.mean(each)) for each in micro],
                      tokens=[len(each) for each in micro])
    assert weighted["true_mean"] == pytest.approx(got["true_mean"], abs=1e-9)


@quick
@given(st.integers(1, 32), st.integers(1, 300), st.integers(1, 100), st.floats(0, 2), st.integers(1, 4))
def test_a_loader_is_bounded_by_workers_and_gpu(workers: int, load: int, step: int, variation: float,
                                                prefetch: int) -> None:
    got = values("data-loader", workers=workers, load_ms=load, step_ms=step, variation=variation, prefetch=prefetch,
                 batches=200)
    assert 0 <= got["idle_fraction"] < 1 and got["total_ms"] >= got["busy_ms"] == 200 * step
    if variation == 0:
        assert got["total_ms"] >= 200 * load / workers
        settled = result("loader.idle_fraction", load_ms=load, step_ms=step, workers=workers)
        assert got["total_ms"] <= 200 * step / (1 - settled) + load + step + 1e-6


def test_variation_makes_average_rates_too_hopeful() -> None:
    run = TOOLS["data-loader"].run({"workers": 8, "variation": 0.5})
    assert run.values["idle_fraction"] > run.naive["idle_fraction"] + 0.1


def test_deeper_prefetch_absorbs_variation() -> None:
    one, two, deep = (values("data-loader", workers=10, prefetch=each)["total_ms"] for each in (1, 2, 8))
    assert one > two > deep


@quick
@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 32), st.integers(1, 20))
def test_cache_bytes_match_real_arrays(layers: int, kv_heads: int, head_dim: int, context: int) -> None:
    cache = np.zeros((2, layers, kv_heads, context, head_dim), dtype=np.float16)
    got = result("serve.kv_bytes_per_token", layers=layers, kv_heads=kv_heads, head_dim=head_dim)
    assert got * context == cache.nbytes


@pytest.mark.parametrize(("model", "expected"), [
    ("Llama-3-8B MHA fp16", 524288), ("Llama-3-8B MQA", 16384), ("llama 2 13b bf16", 819200),
    ("Mistral-7B int4", 32768),
    ("Llama-3.1-405B fp8", 258048), ("Llama-2-7B fp32", 1048576), ("Qwen2.5-32B", 262144), ("Falcon-7B", 8192),
])
def test_cache_of_named_models(model: str, expected: int) -> None:
    assert result("serve.kv_bytes_per_token", model=model) == expected


@quick
@given(st.integers(1, 200_000), st.sampled_from(["Llama-2-7B", "Llama-3-70B", "DeepSeek-V3"]), st.integers(1, 16))
def test_the_largest_batch_fits_and_one_more_does_not(context: int, model: str, gpus: int) -> None:
    args: dict[str, Any] = {"model": model, "context_tokens": context, "gpus": gpus}
    most = values("serving-memory", **args)["max_batch"]
    if most >= 1 and most < 1_000_000:
        assert values("serving-memory", **args, batch=most)["fits"]
        assert not values("serving-memory", **args, batch=most + 1)["fits"]
    assert values("serving-memory", **args)["kv_bytes_per_token"] == result("serve.kv_bytes_per_token", model=model)


# What is named, and what isn't


def test_a_scheme_stands_for_its_stage_unless_a_stage_is_given() -> None:
    assert values("memory-planner", dp=8, scheme="DDP")["model_state_GB"] == 112
    assert values("memory-planner", dp=8, scheme="FSDP") == values("memory-planner", dp=8, zero_stage=3)
    assert values("memory-planner", dp=8, scheme="DDP", zero_stage=3)["model_state_GB"] == 14


def test_a_model_that_is_not_named_is_never_replaced_in_silence() -> None:
    silent, named = TOOLS["serving-memory"].run({"context_tokens": 100}), TOOLS["serving-memory"].run({"model": "Llama-7B"})
    assert any("No model" in each for each in silent.warnings) and silent.summary.startswith("Llama-3-8B:")
    assert not any("No model" in each for each in named.warnings) and named.values["kv_bytes_per_token"] == 524288
    own = TOOLS["serving-memory"].run({"layers": 32, "kv_heads": 8, "head_dim": 128, "params": 8e9})
    assert not any("No model" in each for each in own.warnings)


def test_more_than_the_peak_asks_for_the_number_of_gpus() -> None:
    with pytest.raises(ToolError, match="number of GPUs"):
        TOOLS["flops.mfu"].run({"tokens_per_s": 400_000, "N": 13e9, "gpu": "H100"})
    with pytest.raises(ToolError, match="peak_TFLOPs"):
        TOOLS["flops.mfu"].run({"tokens_per_s": 400, "N": 13e9})
    with pytest.raises(ToolError, match="weights_GB"):
        TOOLS["serve.decode_tokens_per_s"].run({"bandwidth_GBps": 900})


def test_bits_go_before_the_named_format() -> None:
    assert values("serve.weights_GB", params_B=70, dtype="int4")["result"] == 35
    assert values("serve.weights_GB", params_B=70, dtype="int4", bits=6)["result"] == 52.5
    assert values("serve.decode_tokens_per_s", params_B=7, dtype="fp16", bandwidth_GBps=900) == values(
        "serve.decode_tokens_per_s", weights_GB=14, bandwidth_GBps=900)
