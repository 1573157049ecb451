"""A redrive in a process of its own, which can kill itself at a step.

Run as `python -m tests.support.redrive_process BOOTSTRAP STREAM STEP`.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum

from millrace import wiring
from millrace.wiring import redrive_of
from shared.broker import forwarder
from shared.broker.consumer import Membership
from shared.broker.forwarder import Forwarder
from shared.logs import configure
from shared.metrics.registry import Registry
from shared.records import Message, Record
from shared.settings import BrokerSettings, Settings
from tests.support.streams import kind_of_name

TRANSACTION_TIMEOUT_S = 3.0
"""Seconds after which the brokers abort the transaction of a killed redrive, instead of ten."""


class RedriveStep(IntEnum):
    """The steps of a redrive, in their order; each kill happens right after the step."""

    NEVER = 0
    READ = 1
    SENT = 2
    OFFSETS_SENT = 3
    COMMITTED = 4


class DoomedForwarder(Forwarder):
    """Kills its own process after a step, as a power cut would."""

    step = RedriveStep.NEVER

    def __init__(self, member: Membership) -> None:
        super().__init__(member)
        inner = self._producer
        if self.step is RedriveStep.OFFSETS_SENT:
            self._producer = _KillsBeforeCommit(inner)  # type: ignore[assignment]  # it has the methods that are used

    def poll(self, wait_s: float) -> list[Record]:
        """Read records, and perhaps die."""
        records = super().poll(wait_s)
        self._die(bool(records) and self.step is RedriveStep.READ)
        return records

    def _send(self, messages: Sequence[Message]) -> None:
        super()._send(messages)
        self._die(self.step is RedriveStep.SENT)

    def forward(self, records: Sequence[Record], messages: Sequence[Message]) -> None:
        """Forward records, and perhaps die."""
        super().forward(records, messages)
        self._die(self.step is RedriveStep.COMMITTED)

    def _die(self, now: bool) -> None:
        if now:
            os.kill(os.getpid(), signal.SIGKILL)


class _KillsBeforeCommit:
    """A producer that kills its process instead of committing a transaction."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        """Return the producer's attribute."""
        return getattr(self._inner, name)

    def commit_transaction(self, _: float) -> None:
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def redrive_process(
    bootstrap: str, stream: str, step: RedriveStep = RedriveStep.NEVER
) -> Iterator[subprocess.Popen[str]]:
    """Run a redrive; it is killed at the end if it still runs."""
    command = [sys.executable, "-m", "tests.support.redrive_process", bootstrap, stream, str(int(step))]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def main(bootstrap: str, stream: str, step: str) -> None:
    """Run a redrive until SIGTERM."""
    configure("error", json_lines=True)
    forwarder.TRANSACTION_TIMEOUT_S = TRANSACTION_TIMEOUT_S  # in this process alone
    DoomedForwarder.step = RedriveStep(int(step))
    wiring.Forwarder = DoomedForwarder  # type: ignore[attr-defined]  # in this process alone
    settings = Settings(broker=BrokerSettings(bootstrap=bootstrap))
    redrive = redrive_of([kind_of_name(stream).stream], settings, bootstrap, Registry())
    signal.signal(signal.SIGTERM, lambda *_: redrive.lifecycle.stop())
    redrive.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
