"""What is told in plain words is found and means what the tools' own notation means; nothing is found where nothing is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.offline.quantities import read_quantities
from agent.offline.series import read_lists, read_written
from agent.offline.understand import cleaned_lines
from tools.base import ToolError
from tools.calculators.cdc import find_script, query_poll
from tools.calculators.dag_graph import find_graph, read_dag
from tools.calculators.event_counts import late_events
from tools.calculators.feature_counts import daily_leaks, latest_leaks, missing_count, value_for_label
from tools.calculators.leaky_queue import queue_waits
from tools.calculators.timestamps import HOUR_MS, read_times
from tools.prose.batches import find_losses, find_rows, find_token_counts
from tools.prose.event_times import find_events
from tools.prose.found import Found
from tools.prose.grids import find_grids
from tools.prose.histories import find_features, find_labels
from tools.prose.operations import find_polls
from tools.prose.pairs import find_first, find_second
from tools.prose.records import find_classes, find_records, find_values

FINDERS: list[Callable[[str], Found | None]] = [
    find_labels, find_features, find_graph, find_events, find_script, find_polls, find_rows, find_losses, find_token_counts, find_first, find_second,
    find_records, find_classes, find_values]


def text_of(found: Found | None) -> str | None:
    return found.text if found is not None else None


# ---- times, labels and histories


@pytest.mark.parametrize(("sentence", "labels", "features"), [
    ("spend: 14 at 4 March 08:00, 22 at 5 March 07:30. The training label is from 6 March 12:00.", "6 March 12:00",
     "4 March 08:00=14, 5 March 07:30=22"),
    ("one label, timestamp the 5th at 14:00. feature rows: 4th 09:00 = 12, 5th 08:00 = 17", "the 5th 14:00", "4th 09:00=12, 5th 08:00=17"),
    ("3 (day 1, 09:00), 5 (day 2, 15:00). Labels: day 1 18:00, day 3 12:00", "day 1 18:00, day 3 12:00", "day 1 09:00=3, day 2 15:00=5"),
    ("labels are at 10:00 every day mon to wed, the feature job wrote one row a day: mon 06:00, tue 15:00; how many leak?",
     "Mon 10:00, Tue 10:00, Wed 10:00", "mon 06:00=1, tue 15:00=2"),
    ("A feature was 3 at 9 am and 6 at 2 pm. The label is from 1 pm.", "1 pm", "9 am=3, 2 pm=6"),
    ("09:00 -> 12, 09:40 -> 15. For a label at 11:10, which feature value?", "11:10", "09:00=12, 09:40=15"),
    ("time | value\n2024-03-01 08:00 | 7\n2024-03-02 09:30 | 9\nlabel at 2024-03-03 12:00", "2024-03-03 12:00",
     "2024-03-01 08:00=7, 2024-03-02 09:30=9"),
    ("Features: Monday 08:00 4.6, Tuesday 14:00 4.7. Labels at noon on Mon and Tue.", "Mon noon, Tue noon",
     "Monday 08:00=4.6, Tuesday 14:00=4.7"),
    ("The label counts churn within 30 days; which value do we take from the feature store?", None, None),
    ("A label at 10:00; the feature was written at 09:00. Which value?", "10:00", None),
])
def test_labels_and_histories_are_told_apart(sentence: str, labels: str | None, features: str | None) -> None:
    assert text_of(find_labels(sentence)) == labels and text_of(find_features(sentence)) == features


@pytest.mark.parametrize(("written", "hours"), [
    ("Tue 2:30 pm", 38.5), ("the 2nd at noon", 36.0), ("day 2, 18:00", 42.0), ("12 am", 0.0), ("12 pm", 12.0), ("4 March 08:00", 63 * 24 + 8.0),
    ("March 4th at 8 a.m.", 63 * 24 + 8.0),
])
def test_a_moment_is_read_in_every_wording(written: str, hours: float) -> None:
    assert read_times([written]) == [round(hours * HOUR_MS)]


@pytest.mark.parametrize("written", ["13 pm", "25:00", "Mon 10:75", "someday"])
def test_a_time_that_no_day_has_is_refused(written: str) -> None:
    with pytest.raises(ToolError, match=r"times: "):
        read_times([written])


def test_kinds_of_days_are_not_mixed() -> None:
    with pytest.raises(ToolError, match="mixed"):
        read_times(["Mon 10:00", "day 2 10:00"])


@given(st.lists(st.integers(0, 6 * 1440), min_size=1, max_size=8, unique=True), st.lists(st.integers(0, 6 * 1440), min_size=1, max_size=6))
def test_counts_of_joins_agree_with_looking_at_every_pair(events: list[int], labels: list[int]) -> None:
    def name(minute: int) -> str:
        return f"day {minute // 1440 + 1} {minute // 60 % 24:02d}:{minute % 60:02d}"

    at, history = ", ".join(map(name, labels)), ", ".join(f"{name(each)}={each}" for each in events)
    assert latest_leaks(at, history) == sum(max(events) > label for label in labels)
    same_day = [[each for each in events if each // 1440 == label // 1440] for label in labels]
    assert daily_leaks(at, history) == sum(bool(day) and max(day) > label for day, label in zip(same_day, labels, strict=True))
    assert missing_count(at, history) == sum(all(each > label for each in events) for label in labels)
    first = [each for each in events if each <= labels[0]]
    assert value_for_label(name(labels[0]), history) == (max(first) if first else None)


def test_several_labels_have_no_single_value() -> None:
    with pytest.raises(ToolError, match="2 label times"):
        value_for_label("10:00, 11:00", "09:00=1")


# ---- tasks


@pytest.mark.parametrize(("sentence", "short"), [
    ("durations in minutes: load 5; tidy 7 (after load); fit 9 (after load); report 4 (after tidy and fit). How long?",
     "load:5, tidy:7:load, fit:9:load, report:4:tidy+fit"),
    ("load 12 min; then tidy (25) and fit (18) both need load; report (30) needs tidy", "load:12, tidy:25:load, fit:18:load, report:30:tidy"),
    ("Tasks A=4, B=3 after A, C=6 after A, D=2 after B and C (minutes) on 2 workers", "A:4, B:3:A, C:6:A, D:2:B+C"),
    ("A(3) -> B(7) -> D(2); A -> C(4) -> D. Critical path?", "A:3, B:7:A, D:2:B+C, C:4:A"),
    ("a -> b -> c, a 5 min, b 7 min, c 30 min", "a:5, b:7:a, c:30:b"),
    ("x 5, y 6, z 7, w 4 after x and y, v 3 after z and w", "x:5, y:6, z:7, w:4:x+y, v:3:z+w"),
    ("If A takes 3, B takes 5 and needs A, how long is it?", "A:3, B:5:A"),
    ("task | minutes | needs\nload | 4 | -\ntidy | 3 | load\nfit | 1 h | tidy, load", "load:4, tidy:3:load, fit:60:tidy+load"),
    ("name, min, after\nload, 4,\ntidy, 3, load\nfit, 9, load + tidy", "load:4, tidy:3:load, fit:9:load+tidy"),
])
def test_tasks_are_found_in_every_form(sentence: str, short: str) -> None:
    found, wanted = read_dag(find_graph(sentence).text), read_dag(short)  # type: ignore[union-attr]
    assert found.duration == wanted.duration
    assert {name: set(above) for name, above in found.parents.items()} == {name: set(above) for name, above in wanted.parents.items()}


@pytest.mark.parametrize("sentence", [
    "25 tasks that each fail 10% of the time with 2 retries", "we have 3 workers after lunch and 2 before", "layer 3 needs layer 2",
    "A 3 then B 5",
])
def test_no_tasks_are_made_up(sentence: str) -> None:
    assert find_graph(sentence) is None


# ---- events, requests, operations


@pytest.mark.parametrize(("sentence", "found"), [
    ("timestamps in seconds, in this order: 1, 4, 12, 8", "1 s, 4 s, 12 s, 8 s"), ("event times 1, 4, 12, 8, 15 (seconds)", "1 s, 4 s, 12 s, 8 s, 15 s"),
    ("events at 1000, 9000, 13000 ms", "1000 ms, 9000 ms, 13000 ms"), ("10 s windows, order of arrival: 0.5, 2, 6.5", "0.5 s, 2 s, 6.5 s"),
    ("clicks at 0, 12 and 155 sec", "0 s, 12 s, 155 s"), ("they arrive as 3s, 9s, 14s", "3 s, 9 s, 14 s"), ("10:00, 10:03 and 10:20", "10:00, 10:03, 10:20"),
    ("timestamps 1000, 4000, 3000", "1000 ms, 4000 ms, 3000 ms"), ("a window of 10 s and a bound of 2 s", None),
])
def test_events_take_the_unit_that_is_said_once(sentence: str, found: str | None) -> None:
    assert text_of(find_events(sentence)) == found


@given(st.lists(st.integers(0, 100), min_size=1, max_size=20), st.integers(1, 20), st.integers(0, 10))
def test_late_and_counted_events_are_all_events(times: list[int], size: int, bound: int) -> None:
    counted = late_events(", ".join(f"{each} s" for each in times), size, bound)
    assert sum(counted["counts"]) + counted["late"] == len(times) and counted["open"] >= 1


@pytest.mark.parametrize(("sentence", "trace"), [
    ("20 requests at second 10, 35 at second 50", "20@10s,35@50s"), ("hits at 1, 2, 3.5 and 4 s", "1@1s,1@2s,1@3.5s,1@4s"),
    ("requests come at 0s, 1s, 5.5s", "1@0s,1@1s,1@5.5s"), ("40 requests arrive at the same instant", "40@0s"),
    ("one request at t=0 and then 75 at t=61s", "1@0s,75@61s"), ("5 requests at minute 2 and 3 at minute 4", "5@120s,3@240s"),
    ("3 requests at 1, 2 and 3 s", "1@1s,1@2s,1@3s"),
])
def test_traffic_is_a_trace(sentence: str, trace: str) -> None:
    assert [each.text for each in read_written(sentence, read_quantities(sentence)) if each.kind == "trace"] == [trace]


@pytest.mark.parametrize(("sentence", "script"), [
    ("t1 insert a, t2 insert b, t4 update a, t7 delete b (hard delete)", "1 I a; 2 I b; 4 U a; 7 D b"),
    ("insert k1 at t=2, update k1 at t=6", "2 I k1; 6 U k1"), ("t1: row a inserted, t4: row a updated", "1 I a; 4 U a"),
    ("time | op | key\n1 | insert | a\n6 | delete | a", "1 I a; 6 D a"),
    ("Row a is inserted at 1 s, updated at 3 s and at 7 s; row b is deleted at 9 s", "1 I a; 3 U a; 7 U a; 9 D b"),
    ("We poll every 10 s. 2 s insert a, 4 s update a", "2 s insert a, 4 s update a"), ("we insert and update rows all day", None),
])
def test_operations_are_found_however_their_times_are_written(sentence: str, script: str | None) -> None:
    assert text_of(find_script(sentence)) == script


@pytest.mark.parametrize(("sentence", "polls"), [
    ("poll it by updated_at at t=5, 10 and 15", "5, 10, 15"), ("It polls at t=5 and t=10.", "5, 10"), ("we poll every 5 s", None),
])
def test_polls_are_found(sentence: str, polls: str | None) -> None:
    assert text_of(find_polls(sentence)) == polls


def test_polls_are_taken_as_text() -> None:
    assert query_poll.run({"ops": "1 I a; 4 U a; 6 D a", "polls": "5, 10"}).values["captured"] == 1


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(1, 9))
def test_a_queue_never_lets_two_out_closer_than_its_interval(seconds: list[int], every: int) -> None:
    waits = queue_waits(", ".join(f"1@{each}s" for each in seconds), every)
    assert 0 <= waits["mean_s"] <= waits["longest_s"] <= (len(seconds) - 1) * every


# ---- numbers, strings, tables


def test_rows_and_numbers_of_batches() -> None:
    assert text_of(find_rows("losses of [2, 4], [6] and [1, 1]")) == "[2, 4], [6] and [1, 1]" and find_rows("[2, 4] alone") is None
    told = "micro-batch 1: 1,200 tokens, mean loss 2.5; micro-batch 2: 50 tokens, mean loss 4.5"
    assert text_of(find_token_counts(told)) == "1200, 50" and text_of(find_losses(told)) == "2.5, 4.5"
    assert find_losses("200 tokens, loss 2.5, loss 3") is None
    assert read_lists("[2, 4], [6] and [1, 1]") == [], "rows of a table are no lists of their own"


@pytest.mark.parametrize(("sentence", "pair"), [
    ("Jaro-Winkler similarity of MARTHA and MARHTA?", ("MARTHA", "MARHTA")), ("levenshtein kitten sitting", ("kitten", "sitting")),
    ("Edit distance: flaw / lawn?", ("flaw", "lawn")), ("levenshtein(intention, execution)", ("intention", "execution")),
    ("How similar are the names \"Jon Smith\" and \"John Smyth\" by Jaro-Winkler?", ("Jon Smith", "John Smyth")),
    ("What Jaro-Winkler similarity do the names Meyer and Maier have?", ("Meyer", "Maier")), ("what is the levenshtein distance?", (None, None)),
    ("How does Jaro-Winkler differ from Levenshtein?", (None, None)), ("the difference between kafka and flink", (None, None)),
])
def test_two_strings_are_found(sentence: str, pair: tuple[str | None, str | None]) -> None:
    assert (text_of(find_first(sentence)), text_of(find_second(sentence))) == pair


TABLE = "zip,age,disease\n100*,20-29,flu\n100*,20-29,HIV\n200*,30-39,flu"


@pytest.mark.parametrize(("message", "rows"), [
    ("Quasi identifiers are zip + age band\n1305* 20-29 flu\n1305* 30-39 flu\n1306* 20-29 cold", "(1305*, 20-29), (1305*, 30-39), (1306*, 20-29)"),
    ("rows, quasi-identifiers zip and age: 130* <30 flu; 130* <30 HIV; 148* 40+ flu. What is k?", "(130*, <30), (130*, <30), (148*, 40+)"),
    (TABLE, "(100*, 20-29), (100*, 20-29), (200*, 30-39)"), ("rows (F, 30-39), (F, 30-39), (M, 40+)", "(F, 30-39), (F, 30-39), (M, 40+)"),
    (f"{TABLE}\nThe quasi-identifier is zip.", "(100*), (100*), (200*)"), ("What k is usual for k-anonymity, 5 or 10?", None),
])
def test_only_what_the_attacker_knows_is_taken_of_a_table(message: str, rows: str | None) -> None:
    assert text_of(find_records(message)) == rows


def test_classes_and_values() -> None:
    assert text_of(find_classes(TABLE)) == "flu, HIV; flu"
    assert text_of(find_values("diagnoses flu, cold, flu and HIV")) == "flu, cold, flu and HIV"


def test_a_markdown_table_is_a_grid_and_its_columns_are_lists() -> None:
    table = "| bin | train | prod |\n|---|---|---|\n| 0-10 | 400 | 300 |\n| 10-20 | 600 | 700 |\nWhat is the PSI?"
    assert find_grids(table)[0].rows == (("0-10", "400", "300"), ("10-20", "600", "700"))
    assert [found.values for found in read_lists(table)] == [(400.0, 600.0), (300.0, 700.0)]


@pytest.mark.parametrize(("sentence", "values"), [
    ("the four bands each held 25% of the applicants", (0.25,) * 4), ("each of the five age groups held 20%", (0.2,) * 5),
    ("5 patients with flu, 3 with a cold and 2 with asthma", (5.0, 3.0, 2.0)),
])
def test_shares_told_once_and_tallies_are_lists(sentence: str, values: tuple[float, ...]) -> None:
    assert [found.values for found in read_lists(sentence)] == [values]


def test_the_lines_of_a_message_stay() -> None:
    assert cleaned_lines("a | b\r\n\n  1 | 2 ") == "a | b\n1 | 2" and cleaned_lines(" one   line\n") == "one line"


PIECES = ["label ", "labels at ", "10:00", " day 2 ", "the 5th", ", ", " and ", "\n", " | ", "A 3", " after ", "B(2)", " -> ", "t1 insert a", "poll at ", "5", "[1, 2]",
          "(", ")", "mon to fri", " on ", "levenshtein ", "\"x\"", "9 tokens", "loss 2", ".", ";", "feature ", "needs ", "zip", "=", "%"]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_finders_never_raise_and_stay_inside_the_message(text: str) -> None:
    for finder in FINDERS:
        found = finder(text)
        assert found is None or (found.text and all(0 <= start <= end <= len(text) for start, end in found.spans))
