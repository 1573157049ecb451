"""What is sent to topics about a settled batch."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from shared.deadletters.envelope import write_dead_letter
from shared.engine.ledger import Ledger
from shared.logs import get_logger
from shared.records import Message, Provenance, Settled, UnreadOffsets
from shared.retry.lane import write_waiting

log = get_logger("settle")


class Summer(Protocol):
    """Builds what is published about a batch as a whole."""

    def messages(self, settled: Sequence[Settled], now: datetime) -> list[Message]:
        """Return these messages. It waits for nothing."""
        ...


class Announcer:
    """Builds the messages about the batches of a stream.

    Args:
        provenance: The stream, and the fingerprints of its model and head.
        summer: Builds the sums for the watch for drift; None without it.
    """

    def __init__(self, provenance: Provenance, summer: Summer | None = None) -> None:
        self._provenance, self._summer, self._ledger = provenance, summer, Ledger(provenance)

    def messages(self, settled: Sequence[Settled], now: datetime) -> list[Message]:
        """Return results, follow-ups, dead letters, deferred records, ledger messages and sums, in this order."""
        results = [result for each in settled for result in each.results]
        follow_ups = [listed.message for each in settled for listed in each.follow_ups]
        dead = [
            write_dead_letter(each.record, each.failure, self._provenance, now)
            for each in settled
            if each.failure is not None
        ]
        waiting = [
            write_waiting(each.record, each.deferral, self._provenance, now)
            for each in settled
            if each.deferral is not None
        ]
        return [
            *results, *follow_ups, *dead, *waiting, *self._ledger.messages(settled, now), *self._sums(settled, now),
        ]  # fmt: skip

    def _sums(self, settled: Sequence[Settled], now: datetime) -> list[Message]:
        """Return the sums; a fault in them costs the sums of this batch, and never its results."""
        if self._summer is None:
            return []
        try:
            return self._summer.messages(settled, now)
        except Exception as error:  # noqa: BLE001  (whatever it is, the batch goes on)
            log.error("no sums for drift of this batch", kind=type(error).__name__, records=len(settled))
            return []

    def unread(self, spans: Sequence[UnreadOffsets], now: datetime) -> list[Message]:
        """Return ledger messages that list the offsets which were lost before anybody read them."""
        return self._ledger.unread(spans, now)
