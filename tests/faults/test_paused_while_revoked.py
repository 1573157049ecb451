"""A partition that leaves a paused worker and comes back after the pause must be read.

The client keeps the pause of a partition that was revoked. Green shows it on the embedded broker under the classic
protocol; it does not show the new one: `benchmarks/faults/kills.py` fills buffers and moves partitions at random
moments.
"""

from contextlib import closing

from shared.broker.embedded import PARTITIONS, EmbeddedBroker
from shared.broker.source import KafkaSource
from shared.clock import SystemClock
from shared.settings import BrokerSettings
from tests.support.in_process import produce
from tests.support.tickets import event
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

TIMEOUT_S = 60.0
RECORDS = 80


def test_a_partition_that_left_during_a_pause_and_came_back_is_read() -> None:
    settings = BrokerSettings(group_protocol="classic", session_timeout_s=6)
    with EmbeddedBroker() as broker:
        broker.create([topic.name for topic in TICKETS.topics()])

        def member() -> "closing[KafkaSource]":
            return closing(KafkaSource(broker.bootstrap, ["tickets"], "group", settings, SystemClock()))

        with member() as staying:
            wait_until(lambda: staying.assigned == PARTITIONS, TIMEOUT_S, "all partitions with the first")
            staying.pause()
            with member() as passing:
                wait_until(lambda: passing.assigned == PARTITIONS // 2, TIMEOUT_S, "half of them with the second")
                staying.resume()
                wait_until(lambda: staying.assigned == PARTITIONS // 2, TIMEOUT_S, "half of them with the first")
            wait_until(lambda: staying.assigned == PARTITIONS, TIMEOUT_S, "all partitions with the first again")
            produce(broker.bootstrap, *[event(ticket_id=f"T-{number}") for number in range(RECORDS)])
            read: set[tuple[int, int]] = set()

            def all_read() -> bool:
                read.update((record.partition, record.offset) for record in staying.take(RECORDS, 0.1))
                return len(read) == RECORDS

            wait_until(all_read, TIMEOUT_S / 3, "all records read")
