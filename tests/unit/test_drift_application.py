"""The order of taking, writing and acknowledging, with Faust's objects but without brokers.

Green does not show that Faust delivers and commits as it is assumed here; `tests/faults/test_drift_on_kafka.py` does.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.drift.frames import Place, framed
from shared.drift.keeper import Keeper, Outgoing, Taken
from shared.drift.reading import Unreadable
from shared.drift.reference import Subject
from shared.errors import Fatal, Unavailable
from shared.records import Record, TopicPartition
from workers.services.drift import DriftApplication, _Held
from workers.services.drift_lanes import Lane, Wiring

pytest.importorskip("faust")
SUBJECT = Subject("tickets", "text", "0badcafe", "all")
PLACE = TopicPartition("tickets.sums", 0)


@dataclass
class Kept(Keeper):
    """Keeps the offsets that it was given."""

    table = "tickets.windows"
    topic = PLACE.topic
    taken: list[int] = field(default_factory=list)
    arrived: list[datetime | None] = field(default_factory=list)
    removed: bool = False
    outgoing: tuple[Outgoing, ...] = ()
    failure: Exception | None = None
    partitions: Collection[int] = ()

    def take(self, _: bytes, __: Place, offset: int, arrived: datetime | None = None) -> Taken:
        self.arrived.append(arrived)
        if self.failure is not None:
            raise self.failure
        self.taken.append(offset)
        return Taken((SUBJECT,), self.outgoing)

    def tick(self, _: datetime, __: Callable[[int], bool]) -> Taken:
        return Taken()

    def written(self, _: Subject) -> tuple[int, bytes | None] | None:
        return 0, None if self.removed else repr(self.taken).encode()

    def restore(self, _: Iterable[bytes], partitions: Collection[int], __: str | None) -> None:
        self.partitions = partitions

    def forget(self) -> None:
        self.taken = []


class Event:
    """A message as Faust gives it."""

    def __init__(self, offset: int, value: bytes | None = b"x", timestamp: float = 0.0, kind: int = 0) -> None:
        self.message = SimpleNamespace(
            topic=PLACE.topic, partition=0, offset=offset, timestamp=timestamp, timestamp_type=kind
        )
        self.key, self.value, self.acked = str(SUBJECT).encode(), value, False

    def ack(self) -> None:
        self.acked = True


class Table:
    """Notes what is written to the changelog, and confirms it when asked."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes | None, asyncio.Future[None]]] = []

    def send_changelog(self, _: int, __: bytes, value: bytes | None, *___: str) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent.append((value, future))
        return future


def application(keeper: Kept, asked: list[tuple[int, int]] | None = None) -> tuple[DriftApplication, _Held, Table]:
    def between(_: TopicPartition, first: int, end: int) -> list[Record]:
        if asked is not None:
            asked.append((first, end))
        return [Record(PLACE.topic, 0, offset, 0, None, b"x") for offset in range(first, end)]

    wiring = Wiring(
        "127.0.0.1:9", 6, (Lane(keeper, "id-1", 1),), (), lambda _: frozenset((b"sent",)), between, lambda _: {0: 5},
        Counter(), SystemClock(),
    )  # fmt: skip
    app = DriftApplication(wiring)
    held, table = app._held[0], Table()
    held.table = table
    return app, held, table


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 10))


def test_a_message_is_acknowledged_when_the_changelog_has_its_state() -> None:
    async def work() -> None:
        app, held, table = application(Kept())
        event = Event(5)
        await app._take(held, event)
        writing = asyncio.create_task(app._write(held))
        await asyncio.sleep(0.05)
        assert [value for value, _ in table.sent] == [b"[5]"]
        assert not event.acked
        table.sent[0][1].set_result(None)
        await writing
        assert event.acked

    run(work())


def test_a_state_that_is_not_written_leaves_its_message_unacknowledged() -> None:
    async def work() -> None:
        app, held, table = application(Kept())
        event = Event(5)
        await app._take(held, event)
        writing = asyncio.create_task(app._write(held))
        await asyncio.sleep(0.05)
        table.sent[0][1].set_exception(OSError("no brokers"))
        with pytest.raises(OSError, match="no brokers"):
            await writing
        assert not event.acked

    run(work())


def test_what_faust_dropped_is_read_from_the_topic_first() -> None:
    async def work() -> None:
        asked: list[tuple[int, int]] = []
        keeper = Kept()
        app, held, _ = application(keeper, asked)
        held.next_offsets[0] = 5
        for offset in (5, 9, 6, 10):
            await app._take(held, Event(offset))
        assert asked == [(6, 9)]
        assert keeper.taken == [5, 6, 7, 8, 9, 6, 10]

    run(work())


def test_a_failure_is_raised_by_run_and_nothing_is_acknowledged() -> None:
    async def work() -> None:
        app, held, _ = application(Kept(failure=Unavailable("broker", "down")))
        taking = asyncio.create_task(app._take(held, Event(5)))
        await asyncio.sleep(0.05)
        assert not taking.done(), "Faust would start the agent again and read on"
        taking.cancel()
        assert held.unsettled == []
        with pytest.raises(Unavailable, match="down"):
            app._check(())

    run(work())


def test_an_unreadable_message_is_counted_passed_and_acknowledged() -> None:
    async def work() -> None:
        app, held, _ = application(Kept(failure=Unreadable("not the sums")))
        event = Event(5)
        await app._take(held, event)
        await app._write(held)
        assert event.acked
        assert app._wiring.unreadable == {PLACE.topic: 1}

    run(work())


def test_an_error_that_is_not_in_the_message_does_not_pass_for_one() -> None:
    async def work() -> None:
        app, held, _ = application(Kept(failure=ValueError("operands could not be broadcast together")))
        taking = asyncio.create_task(app._take(held, Event(5)))
        await asyncio.sleep(0.05)
        taking.cancel()
        assert app._wiring.unreadable == {}
        assert held.unsettled == []

    run(work())


def test_a_message_arrived_when_the_brokers_say_so_or_now() -> None:
    async def work() -> None:
        keeper = Kept()
        app, held, _ = application(keeper)
        held.next_offsets[0] = 4
        await app._take(held, Event(5, timestamp=120.0, kind=1))
        await app._take(held, Event(6, timestamp=120.0, kind=0))
        between, given, now = keeper.arrived
        assert (between, given) == (datetime.fromtimestamp(0, UTC), datetime.fromtimestamp(120, UTC))
        assert now is not None
        assert abs((app._clock.now() - now).total_seconds()) < 60

    run(work())


def test_a_forgotten_subject_is_removed_from_the_changelog_and_not_restored() -> None:
    async def work() -> None:
        app, held, table = application(Kept(removed=True))
        await app._take(held, Event(5))
        writing = asyncio.create_task(app._write(held))
        await asyncio.sleep(0.05)
        assert [value for value, _ in table.sent] == [None]
        table.sent[0][1].set_result(None)
        await writing
        app._remember(held, Event(0, framed(Place("id-1", 0), 7, {})))
        app._remember(held, Event(0, None))
        assert held.restored == {}

    run(work())


def test_an_alert_that_was_sent_before_a_crash_is_not_sent_again() -> None:
    async def work() -> None:
        app, held, _ = application(Kept(outgoing=(Outgoing("drift.alerts", b"sent", b"x", once=True),)))
        await app._take(held, Event(5))  # sending would fail without brokers
        assert list(held.changed) == [SUBJECT]

    run(work())


def test_of_a_changelog_the_state_that_has_read_furthest_is_restored() -> None:
    async def work() -> None:
        app, held, _ = application(Kept())
        for offset, topic in ((7, "id-1"), (6, "id-1"), (99, "id-0")):
            event = Event(0, framed(Place(topic, 0), offset, {}))
            app._remember(held, event)
        assert list(held.restored.values()) == [framed(Place("id-1", 0), 7, {})]

    run(work())


def test_a_changelog_that_cannot_be_read_ends_the_process() -> None:
    async def work() -> None:
        app, held, _ = application(Kept())
        app._remember(held, Event(0, b"[9]\n"))
        with pytest.raises(Fatal, match=r"millrace-drift-tickets\.windows-changelog"):
            app._check(())

    run(work())


def test_messages_that_faust_does_not_read_end_this_life_but_a_gap_does_not() -> None:
    async def work() -> None:
        asked: list[tuple[int, int]] = []
        app, held, _ = application(Kept(), asked)
        held.read_s[0], held.next_offsets[0] = app._clock.monotonic_s() - 31, 5
        app.see_ends({(PLACE.topic, 0): 5})
        await app._look_for_stalls()
        assert asked == []
        app.see_ends({(PLACE.topic, 0): 7})
        await app._look_for_stalls()
        assert asked == [(5, 7)]
        with pytest.raises(Unavailable, match="partition 0, are not read"):
            app._check(())

    async def gap() -> None:
        app, held, _ = application(Kept())
        held.read_s[0], held.next_offsets[0] = app._clock.monotonic_s() - 31, 5
        app._wiring = replace(app._wiring, between=lambda *_: [])
        app.see_ends({(PLACE.topic, 0): 7})
        await app._look_for_stalls()
        app._check(())
        assert held.next_offsets == {0: 7}

    run(work())
    run(gap())
