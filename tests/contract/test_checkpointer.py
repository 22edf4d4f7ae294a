"""The home's checkpoint saver against LangGraph's own in-memory one: the same graphs must see the same things."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.types import ERROR
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from memory.checkpoints import HomeSaver
from memory.sql import Database

Saver = BaseCheckpointSaver[Any]
HERE: Any = {"configurable": {"thread_id": "here"}}
THERE: Any = {"configurable": {"thread_id": "there"}}
ANSWERS: list[Any] = [{"log": ["start"]}, Command(resume="yes"), Command(resume="no")]


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    note: str


@pytest.fixture
def home() -> Iterator[HomeSaver]:
    with closing(Database(":memory:")) as db:
        yield HomeSaver(db)


def chain(saver: Saver) -> Any:
    """first, then second, which writes how much it has seen."""
    graph = StateGraph(State)
    graph.add_node("first", lambda state: {"log": ["first"], "note": "n" * len(state["log"])})
    graph.add_node("second", lambda state: {"log": [f"second saw {len(state['log'])}"]})
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    graph.add_edge("second", END)
    return graph.compile(checkpointer=saver)


def asking(saver: Saver) -> Any:
    """before, then a node that stops for two answers, one after the other."""

    def ask(state: State) -> State:
        return {"log": [f"{interrupt('first?')} and {interrupt('second?')}"]}

    graph = StateGraph(State)
    graph.add_node("before", lambda state: {"log": ["before"], "note": "kept"})
    graph.add_node("ask", ask)
    graph.add_edge(START, "before")
    graph.add_edge("before", "ask")
    graph.add_edge("ask", END)
    return graph.compile(checkpointer=saver)


def failing(saver: Saver, ran: list[str]) -> Any:
    """Two nodes of one step, of which the second fails when it runs first."""

    def sound(state: State) -> State:
        ran.append("sound")
        return {"log": ["sound"]}

    def broken(state: State) -> State:
        ran.append("broken")
        if ran.count("broken") == 1:
            raise ZeroDivisionError("first attempt")
        return {"log": ["mended"]}

    graph = StateGraph(State)
    graph.add_node("sound", sound)
    graph.add_node("broken", broken)
    for name in ("sound", "broken"):
        graph.add_edge(START, name)
        graph.add_edge(name, END)
    return graph.compile(checkpointer=saver)


def seen(graph: Any, config: Any = HERE) -> list[Any]:
    """What a caller can see of a thread, newest first, without ids and times."""
    return [
        (
            state.values,
            state.next,
            state.metadata,
            [task.interrupts and task.interrupts[0].value for task in state.tasks],
            [task.error for task in state.tasks],
            state.parent_config is None,
        )
        for state in graph.get_state_history(config)
    ]


def same(home: HomeSaver, play: Callable[[Saver], Any]) -> Any:
    """Plays the same on both savers and gives what both saw."""
    wanted, found = play(InMemorySaver()), play(home)
    assert found == wanted
    return found


def test_a_thread_grows_alike(home: HomeSaver) -> None:
    def play(saver: Saver) -> Any:
        graph = chain(saver)
        results = [graph.invoke({"log": [f"turn {turn}"]}, HERE) for turn in range(3)]
        graph.invoke({"log": ["elsewhere"]}, THERE)
        return results, seen(graph), seen(graph, THERE)

    results, history, _ = same(home, play)
    assert results[-1]["log"][-1] == "second saw 8" and len(history) == 12


async def test_a_thread_grows_alike_when_awaited(home: HomeSaver) -> None:
    wanted, found = [await chain(saver).ainvoke({"log": ["x"]}, HERE) for saver in (InMemorySaver(), home)]
    assert found == wanted and len([each async for each in home.alist(HERE, limit=2)]) == 2


def test_an_interrupted_graph_waits_and_goes_on_where_it_stopped(home: HomeSaver) -> None:
    def play(saver: Saver) -> Any:
        steps: list[Any] = []
        for given in ANSWERS:
            steps += [asking(saver).invoke(given, HERE).get("log"), seen(asking(saver))]
        return steps

    assert same(home, play)[-2] == ["start", "before", "yes and no"]


def test_what_a_sound_node_wrote_beside_a_failing_one_is_not_done_again(home: HomeSaver) -> None:
    def play(saver: Saver) -> Any:
        ran: list[str] = []
        graph = failing(saver, ran)
        with pytest.raises(ZeroDivisionError):
            graph.invoke({"log": ["start"]}, {**HERE, "max_concurrency": 1})  # one after the other: no race to win
        stopped = saver.get_tuple(HERE)
        assert stopped is not None and stopped.pending_writes is not None
        pending = sorted(channel for _, channel, _ in stopped.pending_writes)
        return pending, graph.invoke(None, HERE), sorted(ran), seen(graph)

    pending, result, ran, _ = same(home, play)
    assert "log" in pending and ran == ["broken", "broken", "sound"]
    assert sorted(result["log"]) == ["mended", "sound", "start"]


def test_writes_of_a_second_attempt_do_not_replace_the_first_but_errors_do(home: HomeSaver) -> None:
    def play(saver: Saver) -> Any:
        chain(saver).invoke({"log": ["x"]}, HERE)
        newest = saver.get_tuple(HERE)
        assert newest is not None
        for attempt in ("first", "second"):
            saver.put_writes(newest.config, [("log", attempt), ("note", attempt)], "task")
            saver.put_writes(newest.config, [(ERROR, attempt)], "task")
        again = saver.get_tuple(HERE)
        assert again is not None and again.pending_writes is not None
        return sorted(again.pending_writes)

    writes = same(home, play)
    assert writes == [("task", ERROR, "second"), ("task", "log", "first"), ("task", "note", "first")]


def test_editing_the_state_is_seen_by_the_next_turn(home: HomeSaver) -> None:
    def play(saver: Saver) -> Any:
        graph = chain(saver)
        graph.invoke({"log": ["x"]}, HERE)
        graph.update_state(HERE, {"log": ["by hand"]})
        return graph.invoke({"log": ["y"]}, HERE), seen(graph)

    assert "by hand" in same(home, play)[0]["log"]


def test_listing_is_cut_by_before_and_limit(home: HomeSaver) -> None:
    chain(home).invoke({"log": ["x"]}, HERE)
    every = list(home.list(HERE))
    assert [each.config for each in home.list(HERE, limit=2)] == [each.config for each in every[:2]]
    assert [each.config for each in home.list(HERE, before=every[1].config)] == [each.config for each in every[2:]]
    assert home.get_tuple(every[2].config) == every[2] and len(every) == 4


def test_a_deleted_thread_is_gone_and_others_are_not(home: HomeSaver) -> None:
    def play(saver: Saver) -> Any:
        graph = chain(saver)
        for config in (HERE, THERE):
            graph.invoke({"log": ["x"]}, config)
        saver.delete_thread("here")
        return seen(graph), seen(graph, THERE), graph.invoke({"log": ["again"]}, HERE)

    gone, _, again = same(home, play)
    assert gone == [] and again["log"][0] == "again"


def test_pruning_keeps_the_newest_checkpoint_whole(home: HomeSaver) -> None:
    graph = chain(home)
    for turn in range(3):
        graph.invoke({"log": [f"turn {turn}"]}, HERE)
    graph.invoke({"log": ["elsewhere"]}, THERE)
    newest, elsewhere = seen(graph)[0], seen(graph, THERE)
    home.prune_thread("here")
    assert [state[:4] for state in seen(graph)] == [newest[:4]] and seen(graph, THERE) == elsewhere
    rows = home._db.execute(
        "select channel, count(*) as n from checkpoint_values where thread = 'here' group by channel"
    )
    assert rows and {row["n"] for row in rows} == {1}, "one value a channel is left"
    assert graph.invoke({"log": ["on"]}, HERE)["log"][-1] == "second saw 11"


def test_a_pruned_thread_that_waits_resumes_as_if_unpruned(home: HomeSaver) -> None:
    def play(saver: Saver) -> Any:
        asking(saver).invoke({"log": ["start"]}, HERE)
        asking(saver).invoke(Command(resume="yes"), HERE)
        if isinstance(saver, HomeSaver):
            saver.prune_thread("here")
        return asking(saver).invoke(Command(resume="no"), HERE)

    assert same(home, play)["log"] == ["start", "before", "yes and no"]


def test_a_run_that_forked_from_an_old_checkpoint_survives_pruning(home: HomeSaver) -> None:
    graph = chain(home)
    for turn in range(2):
        graph.invoke({"log": [f"turn {turn}"]}, HERE)
    oldest = list(graph.get_state_history(HERE))[4].config
    graph.update_state(oldest, {"log": ["fork"]})
    wanted = graph.get_state(HERE).values
    home.prune_thread("here")
    assert graph.get_state(HERE).values == wanted


def test_a_home_that_is_opened_again_goes_on(tmp_path: Path) -> None:
    for given in ANSWERS:
        with closing(Database(tmp_path / "tutor.sqlite")) as db:
            result = asking(HomeSaver(db)).invoke(given, HERE)
    assert result["log"][-1] == "yes and no"
