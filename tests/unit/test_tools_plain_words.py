"""Plain-language forms of the tools' text parameters: where they stand in a sentence, and that they mean what the short forms mean."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.base import ToolError
from tools.calculators import prose
from tools.calculators.dag_graph import read_dag
from tools.calculators.dag_words import told_rows
from tools.calculators.event_counts import session_count
from tools.prose.found import Finder
from tools.registry import load_tools
from tools.simulators.change_capture import parse_script
from tools.simulators.event_trace import parse_events

TOOLS = {tool.name: tool for tool in load_tools()}


def taken(shape: str, sentence: str) -> str | None:
    """What the shape finds, as its users take it: a named group that matched, else all of it."""
    match = max(re.finditer(shape, sentence), key=lambda each: len(each[0]), default=None)
    return match and next((part for part in match.groupdict().values() if part), match[0])


@pytest.mark.parametrize(("words", "short"), [
    ("A takes 2 min, then B and C (4 min each, both need A), then D takes 3 min and needs B and C", "A:2, B:4:A, C:4:A, D:3:B+C"),
    ("extract takes 5 min, transform (10 min) and validate (7 min) both need extract, load takes 4 min and needs transform and "
     "validate", "extract:5, transform:10:extract, validate:7:extract, load:4:transform+validate"),
    ("ingest 10 min -> clean 20 min -> train 1 h", "ingest:10, clean:20:ingest, train:60:clean"),
    ("Task A takes 5 min. Tasks B and C take 3 min each and depend on A. D takes 90 s and depends on both B and C.",
     "A:5, B:3:A, C:3:A, D:1.5:B+C"),
    ("after A (2 min), B takes 3 min and C takes 5 min, then D takes 1 min", "A:2, B:3:A, C:5:A, D:1:B+C"),
    ("A (6 min) and B (4 min), both feed C (2 min)", "A:6, B:4, C:2:A+B"),
    ("A (4 min), B (2 min, needs A), C (6 min, needs A), D (3 min, needs B and C)", "A:4, B:2:A, C:6:A, D:3:B+C"),
    ("B takes 3 min and C takes 5 min, both need A, which takes 1 min", "B:3:A, C:5:A, A:1"),
    ("A=3min, B=2min after A, C=4min after A", "A:3, B:2:A, C:4:A"),
    ("clean needs extract and takes 10 min; extract lasts 5 min", "clean:10:extract, extract:5"),
    ("A (3 min) -> B (5 min) -> C (9 min), and B also feeds D (2 min)", "A:3, B:5:A, C:9:B, D:2:B"),
    ("A (3 min) then B (5 min) then C (2 min); D (9 min) only needs A", "A:3, B:5:A, C:2:B, D:9:A"),
])
def test_tasks_told_in_words_are_the_graph_in_short(words: str, short: str) -> None:
    told, written = read_dag(words), read_dag(short)
    assert told.duration == written.duration
    assert {name: set(above) for name, above in told.parents.items()} == {name: set(above) for name, above in written.parents.items()}


@pytest.mark.parametrize("words", [
    "Fetch takes 2 min. Report takes 1 min and needs Fetch and Publish", "load, then score for a while", "A takes 2 min",
    "A takes 2 min, B needs A",
])
def test_a_description_that_lacks_something_is_refused_and_not_guessed(words: str) -> None:
    assert told_rows(words) is None
    with pytest.raises(ToolError, match="dag: can't read"):
        read_dag(words)


@given(st.text(alphabet="ABCab 0123456789min,.()->;:+", max_size=60))
def test_any_words_make_a_graph_or_an_error(words: str) -> None:
    try:
        assert read_dag(words).duration
    except ToolError as error:
        assert "dag" in str(error)


@given(st.lists(st.integers(0, 90), min_size=2, max_size=6), st.data())
def test_a_graph_that_is_told_sentence_by_sentence_is_read_back(minutes: list[int], data: Any) -> None:
    names = "PQRSTU"[: len(minutes)]
    parents = {name: data.draw(st.lists(st.sampled_from(names[:at]), unique=True, max_size=3)) if at else []
               for at, name in enumerate(names)}
    sentences = [f"{name} takes {length} min" + (f" and needs {' and '.join(parents[name])}" if parents[name] else "")
                 for name, length in zip(names, minutes, strict=True)]
    dag = read_dag(". ".join(sentences))
    assert dag.duration == dict(zip(names, minutes, strict=True))
    assert {name: list(above) for name, above in dag.parents.items()} == parents


def test_row_operations_in_words_are_those_in_letters() -> None:
    told = parse_script("2 s insert a, then at 4 s update a, 6 seconds: inserts row b and 9 s delete b")
    assert told == parse_script("2 I a; 4 U a; 6 I b; 9 D b")
    assert [op.at for op in parse_script("10:00:02 insert a; 10:00:04 delete a")] == [36_002_000, 36_004_000]
    with pytest.raises(ToolError, match="is not TIME OP KEY VALUE"):
        parse_script("insert a at some time")


@pytest.mark.parametrize(("text", "milliseconds"), [
    ("10:00, 10:03 and 10:04:30", [36_000_000, 36_180_000, 36_270_000]), ("1 s, 4 s, then 3 s", [1000, 4000, 3000]),
    ("1, 4, 12 and 3 seconds", [1000, 4000, 12_000, 3000]), ("1000, 4s, 3s", [1000, 4000, 3000]),
    ("2 minutes, 1 hour", [120_000, 3_600_000]), ("5, 7, 9 ms", [5, 7, 9]),
])
def test_event_times_in_words(text: str, milliseconds: list[int]) -> None:
    assert parse_events(text, 1).times.tolist() == milliseconds


@pytest.mark.parametrize(("shape", "sentence", "found"), [
    (prose.EVENTS, "a user clicks at 10:00, 10:03 and 10:20, gap 5 min", "10:00, 10:03 and 10:20"),
    (prose.EVENTS, "events at 1000, 9000, 13000, 5000 ms with a bound of 2 s", "1000, 9000, 13000, 5000 ms"),
    (prose.EVENTS, "a window of 10 s and a bound of 2 s", None), (prose.EVENTS, "1,000 records, 4,000 more", None),
    (prose.LABELS, "labels at 10:00, 14:00, 18:00; feature values: 08:00=1", "10:00, 14:00, 18:00"),
    (prose.LABELS, "labels at day 1 12:00 and day 2 12:00, feature 5 at day 1 06:00", "day 1 12:00 and day 2 12:00"),
    (prose.FEATURES, "feature values: 08:00=1, 13:30=2. How many leak?", "08:00=1, 13:30=2"),
    (prose.FEATURES, "feature 5 at day 1 06:00, 7 at day 1 20:00", "5 at day 1 06:00, 7 at day 1 20:00"),
    (prose.SCRIPT, "We poll every 10 s. 2 s insert a, 4 s update a. How many?", "2 s insert a, 4 s update a"),
    (prose.SCRIPT, "8 operations 1 I a 1; 2 U a 2; 3 D a and a poll", "1 I a 1; 2 U a 2; 3 D a"),
    (prose.DAG, "makespan of A:3, B:2:A, C:6:A, D:1:B+C on 2 slots", "A:3, B:2:A, C:6:A, D:1:B+C"),
    (prose.DAG, "A takes 2 min, then B (4 min). How long with 2 workers?", "A takes 2 min, then B (4 min)"),
    (prose.DAG, "each task takes 1 hour and I have 3 workers", None),
    (prose.ONE_STRING, "soundex of Robert", "Robert"),
    (prose.CHANGE, "for the schema change int->long, at 500 events", "int->long"),
    (prose.CHANGE, "when a field is added without a default and consumers go first", "field is added without a default"),
    (prose.START, "a DAG with start_date 2026-01-01, unpaused on 2026-01-11", "2026-01-01"),
    (prose.NOW, "a DAG with start_date 2026-01-01, unpaused on 2026-01-11", "2026-01-11"),
    (prose.ACTIONS, "scale to 3 at 0 s, crash 1 at 10 s: how many pods?", "scale to 3 at 0 s, crash 1 at 10 s"),
])
def test_a_shape_finds_its_words_in_a_sentence(shape: str, sentence: str, found: str | None) -> None:
    assert taken(shape, sentence) == found


def test_every_shape_stands_at_a_text_parameter_and_compiles() -> None:
    shapes = [(tool.name, name, info.json_schema_extra["told"]) for tool in TOOLS.values()
              for name, info in tool.params.model_fields.items()
              if isinstance(info.json_schema_extra, dict) and "told" in info.json_schema_extra]
    assert {tool for tool, _, _ in shapes} >= {"dag-scheduler", "cdc-race", "point-in-time-join", "event-time", "linkage.levenshtein"}
    for tool, name, shape in shapes:
        field = TOOLS[tool].params.model_fields[name]
        assert re.compile(str(shape)) and ("str" in str(field.annotation) or any(isinstance(each, Finder) for each in field.metadata))


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=12), st.integers(1, 5_000))
def test_sessions_are_counted_as_by_merging(seconds: list[int], gap: int) -> None:
    merged: list[list[int]] = []
    for time in sorted(seconds):
        if merged and time - merged[-1][-1] <= gap:
            merged[-1].append(time)
        else:
            merged.append([time])
    counted = session_count.run({"events": ", ".join(f"{time}s" for time in seconds), "gap_s": gap}).values
    assert counted["sessions"] == len(merged)
    assert counted["largest"] == max(map(len, merged))


@given(st.integers(1, 200), st.integers(1, 64), st.integers(1, 64))
def test_nodes_are_filled_by_whole_pods(pods: int, node: int, pod: int) -> None:
    if pod > node:
        with pytest.raises(ToolError, match="not even one pod"):
            TOOLS["k8s.nodes_needed"].run({"pods": pods, "node_cores": node, "pod_cores": pod})
        return
    nodes = TOOLS["k8s.nodes_needed"].run({"pods": pods, "node_cores": node, "pod_cores": pod}).values["result"]
    fits = [count for count in itertools.takewhile(lambda count: count <= nodes, itertools.count(1)) if count * (node // pod) >= pods]
    assert fits == [nodes]
