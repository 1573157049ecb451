"""Producing with retries until every record is confirmed; for commands that the user runs again if they fail."""

import threading

from shared.broker.port import Sink
from shared.clock import Clock
from shared.errors import Unavailable
from shared.records import Message

ATTEMPTS = 5
RETRY_WAIT_S = 1.0


def deliver(messages: list[Message], sink: Sink, clock: Clock) -> None:
    """Produce until every message is confirmed.

    Raises:
        Unavailable: some messages were not confirmed within `ATTEMPTS` attempts.
    """
    for _ in range(ATTEMPTS):
        sink.produce(messages)
        messages = sink.flush()
        if not messages:
            return
        clock.wait(threading.Event(), RETRY_WAIT_S)
    what = f"{len(messages)} records were not confirmed ({sink.last_error})"
    raise Unavailable("broker", f"{what}; run the same command again to continue")
