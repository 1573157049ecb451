"""The consuming side as the engine sees it. The poll thread, which owns the consumer, is in `poller.py`.

Both share `Leases` (records read ahead, and owned partitions) and `Commits` (requested here, sent and confirmed by the
poll thread); these two are thread-safe. Nothing in this module calls the consumer.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial

from confluent_kafka import KafkaException
from typing_extensions import override

from shared.broker.commits import Commits, Reached
from shared.broker.consumer import LOST_CODES, NEEDS, Membership
from shared.broker.leases import Leases
from shared.broker.pace import Pace
from shared.broker.poller import Poller
from shared.broker.port import Source
from shared.broker.security import Address, failure
from shared.broker.topic_ids import TopicIds
from shared.clock import Clock
from shared.errors import Unavailable
from shared.records import Record, UnreadOffsets, next_offsets
from shared.settings import BrokerSettings

REFUSED_ATTEMPTS = 10
REFUSED_WAIT_S = 0.1
"""A refused commit is retried for 1 s while the leases are valid: a cooperative rebalance does not revoke all
partitions."""


class KafkaSource(Source):
    """A member of a consumer group. `port.Source` states which thread calls which method, and which methods may block.

    Args:
        bootstrap: Addresses of the brokers.
        topics: The topics to subscribe to.
        group: The consumer group.
        settings: The broker's settings.
        clock: For the deadlines.
        pace: How fast a backfill reads; None for a worker of live traffic.

    Raises:
        Fatal: the settings cannot be used.
    """

    def __init__(
        self,
        bootstrap: Address,
        topics: Sequence[str],
        group: str,
        settings: BrokerSettings,
        clock: Clock,
        pace: Pace | None = None,
    ) -> None:
        self._settings, self._clock, self._pace = settings, clock, pace
        self._leases = Leases()
        self._commits = Commits(self._leases)
        ids = TopicIds(bootstrap, topics)
        member = Membership(bootstrap, tuple(topics), group, settings, bounded=pace is not None)
        self._poller = Poller(member, self._leases, self._commits, ids, clock)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=partial(self._poller.run, self._closing), name="poll", daemon=True)
        self._thread.start()
        threading.Thread(target=partial(ids.watch, clock, self._closing), name="topics", daemon=True).start()

    # --- from any thread ---

    @property
    @override
    def last_poll_s(self) -> float:
        return self._poller.last_poll_s

    @property
    @override
    def fault(self) -> str | None:
        return self._poller.fault

    @property
    @override
    def assigned(self) -> int:
        return self._leases.count()

    # --- from the engine's prepare thread ---

    @override
    def take(self, limit: int, wait_s: float) -> list[Record]:
        if self._pace is None:
            return self._leases.take(limit, wait_s)
        allowed = self._pace.allowed(limit, wait_s)
        if not allowed:
            self._leases.check()
            return []
        taken = self._leases.take(allowed, wait_s)
        self._pace.took(len(taken))
        return taken

    # --- from the engine's worker thread ---

    @override
    def hold(self, records: Sequence[Record]) -> list[Record]:
        return self._leases.hold(records)

    @override
    def still_owned(self, records: Sequence[Record]) -> list[Record]:
        return self._leases.still_owned(records)

    @override
    def unread(self) -> list[UnreadOffsets]:
        return self._leases.unread()

    @override
    def reported(self, spans: Sequence[UnreadOffsets]) -> None:
        self._leases.forget_unread(spans)

    @override
    def commit(self, records: Sequence[Record]) -> int:
        for _ in range(REFUSED_ATTEMPTS):
            owned = self._leases.still_owned(records)
            if not owned or self._confirmed(owned):
                break
            # A refusal may only mean that the group has rebalanced; this worker may still own the partitions.
            self._clock.wait(self._closing, REFUSED_WAIT_S)
        else:
            owned = []
        self._leases.release()
        return len(records) - len(owned)

    def _confirmed(self, owned: Sequence[Record]) -> bool:
        """Commit on the poll thread; return False if the group refuses because the partitions may have a new owner."""
        leases = {record.topic_partition: record.lease for record in owned}
        future = self._commits.ask(
            {where: Reached(offset, leases[where]) for where, offset in next_offsets(owned).items()}
        )
        try:
            future.result(self._settings.commit_timeout_s)
        except FutureTimeoutError:
            raise Unavailable(
                "broker", f"the commit was not confirmed within {self._settings.commit_timeout_s} s"
            ) from None
        except KafkaException as error:
            code = error.args[0].code()
            if code in LOST_CODES:
                return False
            raise failure(error.args[0], "the commit failed", NEEDS) from error
        return True

    @override
    def release(self) -> None:
        self._leases.release()

    @override
    def check(self) -> None:
        """Raise the error with which the poll thread has failed, if it has failed."""
        self._leases.check()

    @override
    def pause(self) -> None:
        self._poller.pause()

    @override
    def resume(self) -> None:
        self._poller.resume()

    # --- from the creator of the source, as the last call ---

    @override
    def close(self) -> None:
        self._closing.set()
        self._leases.release()
        self._thread.join(self._settings.commit_timeout_s)
