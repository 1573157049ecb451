"""The drift service: it waits while the brokers do not answer, connects again when topics change, and may end.

Green does not show an outage of real brokers; `tests/faults/test_drift_command.py` has one.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from shared.broker.port import Reader
from shared.drift.board import Board, Rules, Tallies
from shared.engine.loop import FailurePolicies
from shared.errors import Fatal, Unavailable
from shared.operation.lifecycle import Lifecycle
from shared.records import TopicPartition, Watermarks
from tests.support.drift_process import STREAM, References, judged
from tests.support.fakes import ManualClock
from workers.services.drift_lanes import Lane, Wiring
from workers.services.drift_watch import DriftWatch

TOPIC = f"{STREAM}.sums"


@dataclass
class Topics:
    """The topics, as a reader sees them."""

    ids: dict[str, str] = field(default_factory=lambda: {TOPIC: "id-1"})
    partitions: int = 2

    def topic_ids(self, topics: list[str]) -> dict[str, str]:
        return {topic: self.ids[topic] for topic in topics if topic in self.ids}

    def watermarks(self, topic: str) -> dict[TopicPartition, Watermarks]:
        return {TopicPartition(topic, number): Watermarks(0, 7) for number in range(self.partitions)}


def watch(connect: Callable[[], Wiring], topics: Topics | None = None) -> DriftWatch:
    clock = ManualClock()
    reader = cast(Reader, topics or Topics())
    return DriftWatch(connect, reader, Lifecycle(clock, 60), FailurePolicies(), clock, lambda: None)


def wiring() -> Wiring:
    board = Board(STREAM, References(), Rules(judged, lambda: 0.01, 0.05), Tallies())
    nothing: Any = lambda *_: []  # noqa: E731
    return Wiring(
        "127.0.0.1:9", 6, (Lane(board, "id-1", 2),), ("calls.sums",), nothing, nothing, nothing, Counter(), ManualClock()
    )  # fmt: skip


def test_it_waits_while_the_brokers_do_not_answer_and_ends_on_what_is_fatal() -> None:
    reasons: list[Exception] = [Unavailable("broker", "down"), Unavailable("broker", "down"), Fatal("refused")]

    def connect() -> Wiring:
        raise reasons.pop(0)

    service = watch(connect)
    with pytest.raises(Fatal, match="refused"):
        service.run()
    assert reasons == []
    assert service.lifecycle.not_ready()["broker"] == "down"
    assert (service.is_up, service.owned()) == (False, set())


@pytest.mark.parametrize(
    ("topics", "change"),
    [
        (Topics(), None),
        (Topics({TOPIC: "id-2"}), "was made again"),
        (Topics(partitions=3), "has more partitions"),
        (Topics({TOPIC: "id-1", "calls.sums": "id-3"}), "new topics: calls.sums"),
    ],
)
def test_a_changed_topic_makes_it_connect_again(topics: Topics, change: str | None) -> None:
    service = watch(wiring, topics)
    ends = service._look(wiring())
    assert ends[TOPIC, 1] == 7
    assert (service._change is None) if change is None else (change in str(service._change))


def test_what_fails_while_looking_at_topics_is_logged_or_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[Exception] = [RuntimeError("changed size during iteration"), Fatal("the brokers refuse this user")]

    def refresh() -> None:
        raise errors.pop(0)

    async def at_once(_: float) -> None:
        return

    service = watch(wiring)
    service._refresh = refresh
    application = cast(Any, type("Application", (), {"is_ready": True, "see_ends": None}))
    monkeypatch.setattr("workers.services.drift_watch.asyncio.sleep", at_once)
    with capture_logs() as logs:
        asyncio.run(asyncio.wait_for(service._look_again(application, wiring()), 10))
    assert errors == []
    assert [each["log_level"] for each in logs] == ["error"]
    with pytest.raises(Fatal, match="refuse"):
        service._turn(application)


def test_an_application_that_does_not_get_ready_is_started_again() -> None:
    service, application = watch(wiring), cast(Any, type("Application", (), {"is_ready": False}))
    clock = cast(ManualClock, service._clock)
    service._unready_s = clock.seconds
    service._turn(application)
    clock.seconds += 121
    with pytest.raises(Unavailable, match="restored"):
        service._turn(application)
