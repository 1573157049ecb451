"""A batch in hand: finished although its partition is being revoked, and one outage however many stages it meets.

Green shows this over the real leases and stand-ins for everything else. It does not show a rebalance of a real broker;
the contract suite of groups and `tests/faults/test_rebalance.py` do.
"""

import threading
from collections.abc import Sequence
from dataclasses import replace

from shared.broker.leases import Leases
from shared.errors import Unavailable
from shared.records import Record, TopicPartition, UnreadOffsets
from tests.support.assembly import Assembly
from tests.support.fakes import FakeCollection, FakeSource
from tests.support.tickets import event, record

PLACE = TopicPartition("tickets", 0)
RELEASE_TIMEOUT_S = 10.0


class Leased(FakeSource):
    """Hands out records under real leases, and asks the worker to stop once all are committed."""

    def __init__(self) -> None:
        super().__init__()
        self.leases = Leases()
        self.leases.grant([PLACE], {})

    def hold(self, records: Sequence[Record]) -> list[Record]:
        """Declare these records to be in hand."""
        return self.leases.hold(records)

    def still_owned(self, records: Sequence[Record]) -> list[Record]:
        """Return the records that are still this worker's."""
        return self.leases.still_owned(records)

    def commit(self, records: Sequence[Record]) -> int:
        """Commit and release the records."""
        lost = super().commit(records)
        self.leases.release()
        return lost


def test_a_batch_is_finished_and_committed_although_its_partition_is_revoked_while_it_is_embedded() -> None:
    source = Leased()
    parts = Assembly(source=source)
    lease = source.leases.lease_of(PLACE)
    assert lease is not None
    source.waiting = [replace(record(event(ticket_id=f"T-{at}"), at), lease=lease.number) for at in range(2)]
    released: list[bool] = []

    def wait() -> None:
        released.append(source.leases.wait_released({PLACE}, RELEASE_TIMEOUT_S))
        parts.lifecycle.stop()

    waiting = threading.Thread(target=wait)

    def revoke() -> None:
        if parts.reported.named("stage_done")[-1][0] == "embed" and not waiting.is_alive():
            source.leases.begin_revoke({PLACE})
            waiting.start()

    parts.reported.when("stage_done", revoke)
    parts.worker().run()
    waiting.join()
    assert released == [True], "the revocation waited for the records in hand, which were released"
    assert [each.offset for each in source.committed] == [0, 1]
    assert len(parts.results()) == 2
    assert parts.reported.named("records_abandoned") == []


class UnavailableStore(FakeCollection):
    """A store that does not answer the first lookups and the first write."""

    def __init__(self, *calls: str) -> None:
        super().__init__()
        self.calls = list(calls)

    def _fail(self, effect: str) -> None:
        super()._fail(effect)
        if self.calls and effect.startswith(self.calls[0]):
            self.calls.pop(0)
            raise Unavailable("store", "away")


def stopping_after(parts: Assembly, records: int) -> Assembly:
    """Stop the worker once N records are settled."""

    def stop() -> None:
        if len(parts.source.committed) >= records:
            parts.lifecycle.stop()

    parts.reported.when("batch_settled", stop)
    return parts


def test_a_store_that_is_unavailable_in_two_stages_is_one_outage_and_the_waits_keep_growing() -> None:
    parts = Assembly(
        source=FakeSource(waiting=[record(event())]), collection=UnavailableStore("lookup", "lookup", "upsert")
    )
    stopping_after(parts, 1).worker().run()
    assert parts.reported.named("paused") == [("store",)]
    assert len(parts.reported.named("resumed")) == 1
    assert len(parts.results()) == 1


def test_records_lost_unread_are_reported_while_the_batch_in_hand_waits_for_the_store() -> None:
    parts = Assembly(source=FakeSource(waiting=[record(event())]), collection=UnavailableStore("lookup", "lookup"))
    order: list[str] = []

    def watch(hook: str) -> None:
        if hook in ("paused", "unread_lost", "resumed"):
            order.append(hook)
        if hook == "paused":
            parts.source.gone.append(UnreadOffsets(PLACE, None, 7, 11))
        if hook == "batch_settled":
            parts.lifecycle.stop()

    parts.reported.watch = watch
    parts.worker().run()
    assert order == ["paused", "unread_lost", "resumed"]
    assert parts.reported.named("unread_lost") == [(5,)]
