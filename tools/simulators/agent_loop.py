"""An agent's loop of thought, action and observation over tools that fail, time out and act twice. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, Value, param, tool

KeyScope = Literal["none", "per-attempt", "per-step"]
TRANSCRIPT = 60
ARMS: dict[str, dict[str, str | int]] = {
    "at_most_once": {"retries": 0, "resume": "skip", "idempotency_key": "none"},
    "at_least_once": {"resume": "redo", "idempotency_key": "none"},
    "with_key": {"resume": "redo", "idempotency_key": "per-step"}}
_OUTCOMES = ("ok", "request lost", "response lost", "error")


class AgentLoop(Params):
    steps: int = param(20, ge=1, le=2_000, unit="steps", words=["steps", "tool calls", "actions", "records", "rows"])
    write_share: float = param(1.0, ge=0, le=1, unit="fraction",
                               words=["writes", "side effects", "write", "have side effects"],
                               help="share of the steps whose tool changes something (pays, sends, inserts)")
    lost_request: float = param(0.05, ge=0, le=1, unit="fraction",
                                words=["requests lost", "request is lost", "lost requests"])
    lost_response: float = param(0.10, ge=0, le=1, unit="fraction",
                                 words=["responses lost", "response is lost", "lost responses", "time out", "timeouts"],
                                 help="the tool has acted, but the agent sees a timeout")
    error: float = param(0.05, ge=0, le=1, unit="fraction", words=["clean errors", "tool errors", "errors"])
    retries: int = param(3, ge=0, le=10, unit="retries", words=["retries", "retry"])
    retry_delay_s: float = param(1.0, ge=0, le=86_400, unit="s", words=["retry delay", "retries after", "waits"])
    timeout_s: float = param(10.0, ge=0, le=86_400, unit="s", words=["timeout of", "tool timeout"])
    idempotency_key: KeyScope = param("none", words=["idempotency key", "idempotency", "key"])
    key_ttl_s: float = param(86_400.0, ge=0, le=31_536_000, unit="s", words=["key ttl", "keys are kept", "ttl"])
    checkpoint_every: int = param(1, ge=1, le=2_000, unit="steps",
                                  words=["checkpoint every", "checkpoints every", "saved every"])
    crash_after: int = param(0, ge=0, le=2_000, unit="steps",
                             words=["crash after", "crashes after", "dies after", "crash at"],
                             help="the process dies when this step has acted, before its checkpoint; 0: never")
    resume: Literal["redo", "skip"] = param("redo", words=["resume"],
                                            help="from the last checkpoint, or saved ahead of the work")
    step_budget: int = param(5_000, ge=1, le=100_000, unit="turns",
                             words=["step budget", "turn budget", "max turns", "turn limit"])
    token_budget: int | None = param(None, ge=1, le=10**12, unit="tokens", words=["token budget", "tokens at most"])
    base_tokens: int = param(2_000, ge=0, le=1_000_000, unit="tokens", words=["base", "prompt"])
    tokens_per_turn: int = param(500, ge=0, le=100_000, unit="tokens",
                                 words=["tokens per turn", "each turn adds", "per turn"])


@dataclass
class Run:
    """What a loop did: effects by step, turns, tokens, and the transcript's first rows."""

    effects: NDArray[np.int64]
    believed: NDArray[np.bool_]
    turns: int = 0
    tokens: int = 0
    now_ms: int = 0
    stopped_by: str = "done"
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    keys: dict[int, int] = field(default_factory=dict)


@tool("agent-loop", group="K", kind="simulator",
      words=["agent loop", "idempotency key", "idempotent", "duplicate side effects", "tool timeout", "react loop",
             "agent crash", "thought action observation", "retry a tool", "duplicates"],
      example={"idempotency_key": "per-step"},
      cases=[
          Case({"steps": 1000, "write_share": 1, "checkpoint_every": 100, "crash_after": 250, "lost_request": 0,
                "lost_response": 0, "error": 0},
               {"effects_at_most_once": 950, "effects_at_least_once": 1050, "effects_with_key": 1000},
               source="reference code of the delivery guarantees: N 1000, checkpoint 100, crash after 250"),
          Case({"lost_request": 0, "lost_response": 0, "error": 0},
               {"effects": 20, "duplicate_effects": 0, "turns": 20, "tokens": 135_000},
               source="nothing fails; 2k + 500 a turn"),
          Case({"lost_request": 0, "lost_response": 1, "error": 0, "write_share": 1, "retries": 2},
               {"effects": 60, "duplicate_effects": 40, "effects_with_key": 20},
               source="every call acts, none is heard"),
          Case({"lost_request": 1, "lost_response": 0, "error": 0}, {"effects": 0, "missing_effects": 20},
               source="nothing arrives"),
          Case({"lost_request": 0, "lost_response": 1, "error": 0, "write_share": 1, "retries": 2,
                "idempotency_key": "per-attempt"},
               {"duplicate_effects": 40}, source="a new key each time protects from nothing"),
      ],
      asks=[
          Ask("An agent writes 1000 rows, all steps are writes: 100% writes, no lost responses (0% responses lost), "
              "0% requests lost, 0% tool errors, checkpoint every 100 steps and a crash after 250 steps. How many "
              "rows with at-least-once?", "effects_at_least_once", 1050),
          Ask("Agent loop of 20 steps with 100% writes, 100% of the responses lost, 0% requests lost, 0% tool errors "
              "and 2 retries: how many duplicate side effects?", "duplicate_effects", 40),
          Ask("With an idempotency key per step, how many duplicates does the agent loop make?", "duplicate_effects",
              0),
          Ask("Agent loop with 20 steps, 0% requests lost, 0% responses lost and 0% tool errors: how many tokens?",
              "tokens", 135_000),
      ])
def agent_loop(p: AgentLoop, seed: int) -> ToolResult:
    """Plays an agent's loop over failing tools and counts what was really done, once, twice or never.

    Each turn sends the whole context, thinks, calls a tool and observes. A call may be lost before the tool acts, its
    answer may be lost after the tool has acted, or it fails cleanly; the agent can't tell the first two apart and tries
    again up to `retries` times. The process may crash after a step has acted and before it is checkpointed. The same
    draw is played at most once (no retry, progress saved ahead), at least once (retry, redo), and at least once with a
    key per step that the tool remembers for `key_ttl_s`.

    People get wrong:
    - Retrying a tool is safe: a timeout doesn't say that nothing happened. Without a key the payment goes out twice.
    - Any key will do: a key made anew for each attempt, or from what the model wrote this time, protects from nothing;
      and the store forgets it after a while.
    - Checkpoints make it exactly once: they bound what is done again. The effect and the checkpoint are two writes.
    - Not retrying is the safe choice: it trades duplicates for gaps.

    Sources: delivery guarantees as in stream processing; the Idempotency-Key header draft of the IETF HTTP API group.

    >>> sure = dict(lost_request=0, lost_response=0, error=0)
    >>> run = agent_loop(AgentLoop(steps=1000, checkpoint_every=100, crash_after=250, **sure), 0).values
    >>> run["effects_at_most_once"], run["effects_at_least_once"], run["effects_with_key"]
    (950, 1050, 1000)
    """
    if p.lost_request + p.lost_response + p.error > 1 + 1e-9:
        raise ToolError("agent-loop: lost_request, lost_response and error together can't be more than 1.")
    draws = np.random.default_rng(seed).random((2, p.steps, p.retries + 1))
    edges = np.cumsum([1 - p.lost_request - p.lost_response - p.error, p.lost_request, p.lost_response])
    outcomes = np.searchsorted(edges, draws, "right")
    writes = np.diff(np.floor(np.arange(p.steps + 1) * p.write_share + 1e-9)) > 0
    run = _play(p, outcomes, writes)
    played = {name: _play(p.model_copy(update=arm), outcomes, writes) for name, arm in ARMS.items()}
    intended = int(writes.sum())
    values: dict[str, Value] = {
        "intended_effects": intended, "effects": int(run.effects.sum()), "duplicate_effects": _duplicates(run),
        "missing_effects": _missing(run, writes),
        "done_but_believed_failed": int((writes & (run.effects > 0) & ~run.believed).sum()),
        "turns": run.turns, "tokens": run.tokens, "elapsed_s": run.now_ms / 1000, "stopped_by": run.stopped_by,
        "steps_believed_done": int(run.believed.sum())}
    for name, each in played.items():
        values |= {f"effects_{name}": int(each.effects.sum()), f"duplicates_{name}": _duplicates(each),
                   f"missing_{name}": _missing(each, writes)}
    return ToolResult(
        tool="agent-loop", values=values,
        units={key: {"turns": "turns", "tokens": "tokens", "elapsed_s": "s",
                     "steps_believed_done": "steps"}.get(key, "effects")
               for key in values if key != "stopped_by"},
        naive={"effects": intended, "duplicate_effects": 0},
        summary=_summary(values),
        formula="a retry after a lost response repeats the effect; a key per step makes it once; redo after a crash "
                "repeats the steps since the checkpoint",
        series={"thought": [row[0] for row in run.rows], "action": [row[1] for row in run.rows],
                "observation": [row[2] for row in run.rows]},
        plot=_plot(p, writes, played),
        assumptions=["the agent carries on with the next step when the retries are used up",
                     "a tool with a known key answers as before", "reading twice harms nobody"],
        warnings=_warnings(p, run),
    )


def _summary(values: dict[str, Value]) -> str:
    return (f"{values['intended_effects']:,} side effects were intended and {values['effects']:,} happened: "
            f"{values['duplicate_effects']:,} of them repeats, and {values['missing_effects']:,} never did. With one "
            f"key per step: {values['duplicates_with_key']:,} duplicates, {values['missing_with_key']:,} missing; "
            f"without retries: {values['duplicates_at_most_once']:,} and {values['missing_at_most_once']:,}. The loop "
            f"took {values['turns']:,} turns and {values['tokens']:,} tokens ({values['stopped_by']}).")


def _play(p: AgentLoop, outcomes: NDArray[np.int64], writes: NDArray[np.bool_]) -> Run:
    run = Run(np.zeros(p.steps, dtype=np.int64), np.zeros(p.steps, dtype=bool))
    position, life, crash = 0, 0, min(p.crash_after, p.steps)
    while position < p.steps:
        if not _step(p, run, position, outcomes[life, position].tolist(), bool(writes[position])):
            break
        position += 1
        if life == 0 and position == crash:
            saved = (crash - 1) // p.checkpoint_every if p.resume == "redo" else -(-crash // p.checkpoint_every)
            position, life = min(saved * p.checkpoint_every, p.steps), 1
            run.rows.append(("", "(the process crashes)", f"resumes after step {position}"))
    return run


def _step(p: AgentLoop, run: Run, at: int, outcomes: list[int], writes: bool) -> bool:
    """One step with its retries; False when a budget is used up."""
    for attempt in range(p.retries + 1):
        cost = p.base_tokens + p.tokens_per_turn * run.turns
        if run.turns >= p.step_budget or (p.token_budget is not None and run.tokens + cost > p.token_budget):
            run.stopped_by = "step budget" if run.turns >= p.step_budget else "token budget"
            return False
        run.turns, run.tokens = run.turns + 1, run.tokens + cost
        outcome = _OUTCOMES[outcomes[attempt]]
        known = False
        if writes and outcome in ("ok", "response lost"):
            age_ms = run.now_ms - run.keys[at] if at in run.keys else None
            known = p.idempotency_key == "per-step" and age_ms is not None and age_ms <= round(p.key_ttl_s * 1000)
            if not known:
                run.effects[at] += 1
                run.keys[at] = run.now_ms
        run.now_ms += 1_000 if outcome in ("ok", "error") else round(p.timeout_s * 1000)
        if len(run.rows) < TRANSCRIPT:
            run.rows.append(_row(at, attempt, outcome, writes, known))
        if outcome == "ok":
            run.believed[at] = True
            return True
        run.now_ms += round(p.retry_delay_s * 1000)
    return True


def _row(at: int, attempt: int, outcome: str, writes: bool, known: bool) -> tuple[str, str, str]:
    thought = f"Step {at + 1} is next." if attempt == 0 else f"Step {at + 1} didn't work; try again ({attempt})."
    seen = {"ok": "done" + (" (the tool knew the key and did nothing)" if known else ""),
            "error": "error: nothing was done",
            "request lost": "timeout [the tool never got it]",
            "response lost": "timeout [but the tool " + ("knew the key]" if known else "has acted]" if writes
                                                         else "has read]")}
    return thought, f"{'write' if writes else 'read'}({at + 1})", seen[outcome]


def _duplicates(run: Run) -> int:
    return int(np.maximum(run.effects - 1, 0).sum())


def _missing(run: Run, writes: NDArray[np.bool_]) -> int:
    return int((writes & (run.effects == 0)).sum())


def _plot(p: AgentLoop, writes: NDArray[np.bool_], played: dict[str, Run]) -> Plot:
    points = sorted({max(1, round(p.steps * i / 100)) for i in range(1, 101)})
    labels = {"at_least_once": "retry without a key", "with_key": "retry with a key per step",
              "at_most_once": "no retry"}
    lines = [Line(label=label, kind="step", x=[float(n) for n in points],
                  y=[float(played[name].effects[:n].sum()) for n in points]) for name, label in labels.items()]
    lines.append(Line(label="intended (naive)", kind="step", dashed=True, x=[float(n) for n in points],
                      y=[float(writes[:n].sum()) for n in points]))
    return Plot(title="Retries without a key repeat side effects", x_label="step (count)",
                y_label="side effects so far (count)", lines=lines)


def _warnings(p: AgentLoop, run: Run) -> list[str]:
    found = []
    if p.crash_after > p.steps:
        found.append(f"There are only {p.steps} steps, so the crash comes after the last one.")
    if p.idempotency_key == "per-attempt":
        found.append("A key made anew for each attempt is as good as none: derive it from the step, not from the try.")
    if p.idempotency_key == "per-step" and p.key_ttl_s < (p.timeout_s + p.retry_delay_s) * max(p.retries, 1):
        found.append("The tool forgets keys before the last retry comes.")
    if run.stopped_by != "done":
        found.append(f"The {run.stopped_by} ended the run at {run.turns:,} turns.")
    return found
