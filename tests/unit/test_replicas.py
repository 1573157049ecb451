"""The text that describes topics whose replicas are out of sync.

Green does not show what brokers answer: `tests/faults/test_in_sync_replicas.py` asks three of them.
"""

from typing import Any

import pytest

from shared.broker.replicas import ReplicaSurvey, TopicState


def topic(in_sync: tuple[int, ...], wanted: int | None = 2, copies: int = 3, without_leader: int = 0) -> TopicState:
    settings: Any = None if wanted is None else {"min.insync.replicas": str(wanted)}
    return TopicState("tickets", (copies,) * len(in_sync), in_sync, without_leader, settings)


@pytest.mark.parametrize(
    ("state", "refuses", "shortage", "lag"),
    [
        (topic((3, 3)), False, "", ""),
        (topic((3, 2)), False, "", "tickets: 1 of 2 partitions have 2 in-sync replicas of 3"),
        (
            topic((1, 1)),
            True,
            "tickets: 2 of 2 partitions have 1 in-sync replica, min.insync.replicas requires 2",
            "tickets: 2 of 2 partitions have 1 in-sync replica of 3",
        ),
        (
            topic((0, 1, 2), without_leader=1),
            True,
            "tickets: 2 of 3 partitions have 0 to 1 in-sync replicas, min.insync.replicas requires 2; "
            "1 of 3 partitions have no leader",
            "tickets: 3 of 3 partitions have 0 to 2 in-sync replicas of 3",
        ),
        (
            topic((1,), copies=1),
            False,
            "tickets: 1 of 1 partitions have 1 in-sync replica, min.insync.replicas requires 2",
            "",
        ),
        (
            topic((1,), wanted=None),
            False,
            "tickets: 1 of 1 partitions have 1 in-sync replica of 3, and min.insync.replicas could not be read",
            "tickets: 1 of 1 partitions have 1 in-sync replica of 3",
        ),
        (topic((3,), wanted=None), False, "", ""),
    ],
)
def test_missing_replicas_and_refused_writes_are_described(
    state: TopicState, refuses: bool, shortage: str, lag: str
) -> None:
    assert (state.refuses_writes, state.shortage(), state.lag()) == (refuses, shortage, lag)


def test_brokers_that_do_not_answer_are_named_only_if_replicas_are_missing() -> None:
    short, well = topic((1,)), topic((3,))
    assert ReplicaSurvey((well,), (2,), (), is_embedded=False).shortage() == ""
    assert ReplicaSurvey((short,), (2,), (), is_embedded=False).shortage().endswith("; broker 2 does not answer")
    assert ReplicaSurvey((short,), (2, 3), (), is_embedded=False).shortage().endswith("; brokers 2, 3 do not answer")
