"""Leases: which records are read ahead, which are in hand, and who holds them when partitions move.

A green run does not prove when the broker's callbacks are called; the tests on brokers check that.
"""

import threading
from dataclasses import replace

import pytest

from shared.broker.leases import Leases
from shared.errors import Fatal
from shared.records import Record, TopicPartition
from tests.support.tickets import event, record

ZERO, ONE = TopicPartition("tickets", 0), TopicPartition("tickets", 1)
PATIENCE_S = 10.0


def read(leases: Leases, offset: int, where: TopicPartition = ZERO) -> Record:
    """Return a record as it is read under the running lease."""
    lease = leases.lease_of(where)
    assert lease is not None
    return replace(record(event(), offset, partition=where.partition), lease=lease.number)


@pytest.fixture
def leases() -> Leases:
    """Yield leases on two partitions."""
    made = Leases()
    made.grant([ZERO, ONE], {})
    return made


def test_records_are_taken_in_order_up_to_a_limit(leases: Leases) -> None:
    records = [read(leases, at) for at in range(5)]
    leases.put(records)
    assert leases.waiting() == 5
    assert leases.take(3, 0) == records[:3]
    assert leases.take(3, 0) == records[3:]
    assert leases.take(3, 0) == []


def test_records_read_ahead_are_counted_in_bytes(leases: Leases) -> None:
    going = replace(read(leases, 0), key=b"k", value=b"four", headers=(("name", b"v"),))
    staying = replace(read(leases, 1, ONE), key=None, value=b"xx", headers=())
    leases.put([going, staying])
    leases.put([going])
    assert leases.waiting_bytes() == 10 + 2 + 10
    leases.take(1, 0)
    assert leases.waiting_bytes() == 2 + 10
    leases.give_up({ZERO})
    assert leases.waiting_bytes() == 2
    leases.take(5, 0)
    leases.take(5, 0)
    assert leases.waiting_bytes() == 0


def test_every_lease_has_a_number_of_its_own(leases: Leases) -> None:
    before = leases.lease_of(ZERO)
    assert before != leases.lease_of(ONE)
    leases.give_up({ZERO})
    assert leases.lease_of(ZERO) is None
    assert leases.count() == 1
    leases.grant([ZERO], {})
    assert leases.lease_of(ZERO) not in (None, before)


def test_records_of_a_running_lease_are_held(leases: Leases) -> None:
    records = [read(leases, 0), read(leases, 0, ONE)]
    assert leases.hold(records) == records


def test_a_record_of_an_ended_lease_is_not_held_even_if_the_partition_is_assigned_again(leases: Leases) -> None:
    old = read(leases, 0)
    leases.give_up({ZERO})
    assert leases.still_owned([old]) == leases.hold([old]) == []
    leases.grant([ZERO], {})
    assert leases.still_owned([old]) == leases.hold([old]) == []
    assert leases.hold([read(leases, 0)]) != []


def test_records_of_a_partition_being_revoked_are_not_taken_in_hand_but_can_be_committed(leases: Leases) -> None:
    leaving, staying = read(leases, 0), read(leases, 0, ONE)
    leases.begin_revoke({ZERO})
    assert leases.hold([leaving, staying]) == [staying]
    assert leases.still_owned([leaving, staying]) == [leaving, staying]


def test_giving_up_partitions_drops_the_records_read_ahead_of_those_alone(leases: Leases) -> None:
    going, staying = read(leases, 0), read(leases, 0, ONE)
    leases.put([going, staying])
    leases.give_up({ZERO})
    assert leases.take(10, 0) == [staying]


def test_after_giving_up_no_partition_is_being_revoked(leases: Leases) -> None:
    leases.begin_revoke({ZERO})
    leases.give_up({ZERO})
    leases.grant([ZERO], {})
    fresh = read(leases, 5)
    assert leases.hold([fresh]) == [fresh]


def test_a_revocation_waits_until_the_records_in_hand_are_released(leases: Leases) -> None:
    leases.hold([read(leases, 0)])
    assert leases.wait_released({ONE}, 0)
    assert not leases.wait_released({ZERO}, 0)
    leases.release()
    assert leases.wait_released({ZERO}, 0)


def test_a_new_hold_releases_the_records_that_are_not_held_again(leases: Leases) -> None:
    leases.hold([read(leases, 0)])
    leases.hold([read(leases, 0, ONE)])
    assert leases.wait_released({ZERO}, 0)


def test_a_release_wakes_the_revocation(leases: Leases) -> None:
    leases.hold([read(leases, 0)])
    released = threading.Thread(target=leases.release)
    released.start()
    assert leases.wait_released({ZERO}, PATIENCE_S)
    released.join()


def test_a_record_wakes_the_taker(leases: Leases) -> None:
    given = read(leases, 0)
    feeding = threading.Thread(target=leases.put, args=([given],))
    feeding.start()
    assert leases.take(1, PATIENCE_S) == [given]
    feeding.join()


def test_a_failed_poll_thread_is_fatal_for_the_taker_at_once(leases: Leases) -> None:
    leases.fail(ZeroDivisionError("bug"))
    with pytest.raises(Fatal, match="bug"):
        leases.take(1, PATIENCE_S)


def test_when_the_poll_thread_has_failed_nothing_waits_for_it(leases: Leases) -> None:
    leases.fail(RuntimeError("gone"))
    with pytest.raises(Fatal, match="gone"):
        leases.hold([])
    with pytest.raises(Fatal, match="gone"):
        leases.still_owned([])
