"""The answers of `millrace lag`: exit codes, limits, the table, the JSON; and the selection of groups and topics.

Green does not show the numbers: `test_lag_meter.py` and the tests on a real Kafka show them.
"""

import json
import math

import pytest
from rich.console import Console

from millrace.lag_display import duration, json_of, rate, shown
from millrace.lag_measuring import measured
from millrace.streams import STREAMS
from shared.broker.group_lag import Selection
from shared.lag.limits import Limits, exit_code
from shared.lag.states import LagReport, PartitionLag, State, TopicLag, worst
from shared.lag_settings import LagSettings
from shared.stream_settings import StreamSettings

NOW_MS = 1_700_000_000_000
OWN = {name: StreamSettings() for name in STREAMS}


def partition(state: State, number: int = 0, records: int = 5, age_s: float = 100.0) -> PartitionLag:
    if state is State.UNKNOWN:
        return PartitionLag(number, state, reason="no leader")
    oldest_ms = NOW_MS - round(1000 * age_s) if records else None
    lost = 7 if state is State.EXPIRED else 0
    return PartitionLag(number, state, records, True, 3, oldest_ms, lost, 2, 4.0, 1.0, 200_000.0)


def report_of(*partitions: PartitionLag, left: tuple[TopicLag, ...] = ()) -> LagReport:
    topics = (TopicLag("g", "orders", 1, partitions),) if partitions else ()
    return LagReport(NOW_MS, 0.1, topics, left, {}, {})


CAUGHT_UP = partition(State.CAUGHT_UP, records=0)
UNKNOWN = partition(State.UNKNOWN, 1)


@pytest.mark.parametrize(
    ("partitions", "limits", "expected"),
    [
        ([CAUGHT_UP], Limits(0, 0), 0),
        ([partition(State.BEHIND)], Limits(), 0),
        ([partition(State.BEHIND)], Limits(age_s=100), 0),
        ([partition(State.BEHIND)], Limits(age_s=99), 1),
        ([partition(State.BEHIND)], Limits(records=5), 0),
        ([partition(State.BEHIND)], Limits(records=4), 1),
        ([CAUGHT_UP, partition(State.STUCK, 1)], Limits(), 1),
        ([CAUGHT_UP, partition(State.STALLED, 1)], Limits(age_s=9_999), 1),
        ([partition(State.EXPIRED, records=0)], Limits(), 1),
        ([CAUGHT_UP, UNKNOWN], Limits(), 3),
        ([partition(State.STUCK), UNKNOWN], Limits(), 1),
        ([partition(State.BEHIND), UNKNOWN], Limits(age_s=99), 1),
        ([], Limits(), 1),
    ],
)
def test_the_exit_code_follows_the_worst_state_and_the_limits(
    partitions: list[PartitionLag], limits: Limits, expected: int
) -> None:
    assert exit_code(report_of(*partitions), limits, []) == expected


def test_a_group_that_must_exist_decides_too() -> None:
    assert exit_code(report_of(CAUGHT_UP), Limits(), ["g"]) == 0
    assert exit_code(report_of(CAUGHT_UP), Limits(), ["g", "other"]) == 1


def test_limits_do_not_apply_where_records_wait_on_purpose() -> None:
    lane = TopicLag("g", "orders", 1, (partition(State.BEHIND),), on_purpose=True)
    report = LagReport(NOW_MS, 0.1, (lane,), (), {}, {})
    assert exit_code(report, Limits(0, 0), []) == 0
    assert printed(report)[-1] == "g in orders: records wait here until they are due"


def test_states_from_harmless_to_bad() -> None:
    assert worst([]) is State.LEFT
    assert worst([State.BEHIND, State.CAUGHT_UP]) is State.BEHIND
    assert worst([State.UNKNOWN, State.BEHIND]) is State.UNKNOWN
    assert worst(State) is State.EXPIRED


def printed(report: LagReport, by_partition: bool = False) -> list[str]:
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        console.print(shown(report, NOW_MS, by_partition))
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def test_the_table_has_a_line_for_each_topic_or_partition_and_what_is_held_back_is_a_note() -> None:
    left = (TopicLag("gone[1]", "", None, (), "it left"),)
    report = report_of(partition(State.EXPIRED), UNKNOWN, left=left)
    _, line, last, *notes = printed(report)
    assert line == "g orders expired 1 5 1 min 40 s 4.0 1.0 1 min 40 s", (
        "with an unknown part, no time to drain is known"
    )
    assert last == "gone[1] - left", "names are shown as they are, not as markup"
    lost, held = "7 offsets deleted unread", "2 offsets held back by an open transaction"
    unknown = "g in orders: 1 of 2 partitions unknown: no leader"
    assert notes == [f"g in orders: {lost}", f"g in orders: {held}", unknown, "gone[1]: it left"]
    _, first, second, _, *notes = printed(report, by_partition=True)
    assert first == "g orders 0 expired 1 5 1 min 40 s 4.0 1.0 1 min 40 s"
    assert second == "g orders 1 unknown 1"
    assert notes[:3] == [f"g in orders/0: {lost}", f"g in orders/0: {held}", "g in orders/1: no leader"]


def test_json_has_no_infinity_and_no_numbers_of_what_is_unknown() -> None:
    text = json.dumps(json_of(report_of(partition(State.BEHIND), UNKNOWN), NOW_MS), allow_nan=False)
    [topic] = json.loads(text)["topics"]
    assert (topic["state"], topic["records"], topic["age_s"], topic["drain_s"], topic["drains"]) == (
        "unknown",
        5,
        100.0,
        None,
        None,
    )
    assert topic["partitions"][1] == {"partition": 1, "state": "unknown", "reason": "no leader"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3_720, "1 h 2 min"),
        (90_000, "1 d 1 h"),
        (math.inf, "never"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_rates() -> None:
    assert [rate(each) for each in (None, 0.0, 0.25, 12.3)] == ["", "0", "0.2", "12"]


def test_by_default_all_groups_on_millrace_s_topics_are_measured_and_ours_start_at_the_beginning() -> None:
    what = measured(LagSettings(), STREAMS, OWN)
    assert what.selection.has_group("anything")
    assert what.selection.has_topic("tickets")
    assert what.selection.has_topic("tickets.routed")
    assert not what.selection.has_topic("orders")
    assert {"millrace-tickets", "millrace-redrive"} <= what.selection.from_beginning
    assert what.expected == ()
    assert "calls.retry.3" in what.on_purpose
    assert not what.on_purpose & {"tickets", "tickets.redo"}


def test_what_a_command_names_counts_before_the_settings() -> None:
    lag = LagSettings(groups="a*, b", topics="orders,bills-*")
    by_settings = measured(lag, STREAMS, OWN).selection
    assert (by_settings.groups, by_settings.topics) == (("a*", "b"), ("orders", "bills-*"))
    named = measured(lag, STREAMS, OWN, ("billing", "x-?"))
    assert (named.selection.groups, named.selection.topics) == (("billing", "x-?"), ("*",))
    assert named.expected == ("billing",), "a pattern need not match anything"
    assert measured(lag, STREAMS, OWN, (), ("bills",)).selection.groups == ("a*", "b")


def test_topics_of_kafka_itself_never_match() -> None:
    assert not Selection(["*"], ["*"]).has_topic("__consumer_offsets")
