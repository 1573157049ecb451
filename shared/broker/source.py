"""The consuming side as the engine sees it. What one thread does with the consumer without end is in `poller.py`.

The two share `Leases` (records read ahead, and whose partitions are) and `Commits` (asked for here, sent and confirmed
there); both are thread-safe. Nothing here touches the consumer.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial

from confluent_kafka import KafkaException

from shared.broker.commits import Commits, Reached
from shared.broker.consumer import LOST_CODES, NEEDS, Membership
from shared.broker.leases import Leases
from shared.broker.poller import Poller
from shared.broker.security import Address, failure
from shared.broker.topic_ids import TopicIds
from shared.clock import Clock
from shared.errors import Unavailable
from shared.records import Record, UnreadOffsets, next_offsets
from shared.settings import BrokerSettings

REFUSED_ATTEMPTS = 10
REFUSED_WAIT_S = 0.1
"""A refused commit is tried again for a second, as long as the leases hold: a cooperative rebalance takes not all."""


class KafkaSource:
    """A member of a consumer group. `port.Source` says which thread calls what, and what may block.

    Args:
        bootstrap: Addresses of the brokers.
        topics: What to subscribe to.
        group: The consumer group.
        settings: The broker's settings.
        clock: For the deadlines.

    Raises:
        Fatal: the settings cannot be used.
    """

    def __init__(
        self, bootstrap: Address, topics: Sequence[str], group: str, settings: BrokerSettings, clock: Clock
    ) -> None:
        self._settings, self._clock = settings, clock
        self._leases = Leases()
        self._commits = Commits(self._leases)
        ids = TopicIds(bootstrap, topics)
        member = Membership(bootstrap, tuple(topics), group, settings)
        self._poller = Poller(member, self._leases, self._commits, ids, clock)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=partial(self._poller.run, self._closing), name="poll", daemon=True)
        self._thread.start()
        threading.Thread(target=partial(ids.watch, clock, self._closing), name="topics", daemon=True).start()

    # --- from any thread ---

    @property
    def last_poll_s(self) -> float:
        """When the poll thread last began a turn, in seconds of the monotonic clock."""
        return self._poller.last_poll_s

    @property
    def fault(self) -> str | None:
        """What keeps this worker from consuming: the brokers cannot be reached, or a topic does not exist."""
        return self._poller.fault

    @property
    def assigned(self) -> int:
        """How many partitions this worker owns now."""
        return self._leases.count()

    # --- from the engine's gathering thread ---

    def take(self, limit: int, wait_s: float) -> list[Record]:
        """Return up to `limit` records, empty when none came within `wait_s`."""
        return self._leases.take(limit, wait_s)

    # --- from the engine's working thread ---

    def hold(self, records: Sequence[Record]) -> list[Record]:
        """Declare records to be in hand and return those still ours."""
        return self._leases.hold(records)

    def ours(self, records: Sequence[Record]) -> list[Record]:
        """Return the records whose partition is still this worker's; one about to go still is."""
        return self._leases.ours(records)

    def unread(self) -> list[UnreadOffsets]:
        """Return what the log was found to have lost before it was read, until it is `reported`."""
        return self._leases.unread()

    def reported(self, spans: Sequence[UnreadOffsets]) -> None:
        """Forget what the engine has reported for good."""
        self._leases.forget_unread(spans)

    def commit(self, records: Sequence[Record]) -> int:
        """Commit past these records and let go of them; return how many were lost."""
        for _ in range(REFUSED_ATTEMPTS):
            ours = self._leases.ours(records)
            if not ours or self._confirmed(ours):
                break
            # A refusal may only mean that the group has moved on a step.
            self._clock.wait(self._closing, REFUSED_WAIT_S)
        else:
            ours = []
        self._leases.release()
        return len(records) - len(ours)

    def _confirmed(self, ours: Sequence[Record]) -> bool:
        """Have the poll thread commit; return False where the group refuses because the partitions are another's."""
        leases = {record.topic_partition: record.lease for record in ours}
        future = self._commits.ask(
            {where: Reached(offset, leases[where]) for where, offset in next_offsets(ours).items()}
        )
        try:
            future.result(self._settings.commit_timeout_s)
        except FutureTimeoutError:
            raise Unavailable("broker", f"no commit confirmed in {self._settings.commit_timeout_s} s") from None
        except KafkaException as error:
            code = error.args[0].code()
            if code in LOST_CODES:
                return False
            raise failure(error.args[0], "commit failed", NEEDS) from error
        return True

    def release(self) -> None:
        """Let go of the records in hand."""
        self._leases.release()

    def check(self) -> None:
        """Raise what the poll thread has failed with, if it has."""
        self._leases.check()

    def pause(self) -> None:
        """Stop fetching, keep polling."""
        self._poller.pause()

    def resume(self) -> None:
        """Fetch again."""
        self._poller.resume()

    # --- from whoever made it, in the end ---

    def close(self) -> None:
        """Leave the group and wait for the poll thread to end."""
        self._closing.set()
        self._leases.release()
        self._thread.join(self._settings.commit_timeout_s)
