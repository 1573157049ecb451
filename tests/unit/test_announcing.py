"""What is sent about a batch. It does not prove that it is delivered."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from schemas.outcomes import Outcome
from shared.engine.announcing import Announcer
from shared.records import Message, Provenance, Record, Settled

NOW = datetime(2026, 5, 4, tzinfo=UTC)
SETTLED = Settled(Record("tickets", 0, 7, 0, b"acme:T-1", b"{}"), Outcome.ROUTED, results=(Message("out", b"", b"r"),))


class Sums:
    """A summer of one message."""

    def messages(self, settled: Sequence[Settled], now: datetime) -> list[Message]:
        return [Message("tickets.sums", b"", str(len(settled)).encode())]


class Broken:
    """A summer with a fault."""

    def messages(self, settled: Sequence[Settled], now: datetime) -> list[Message]:
        raise ValueError("a text of a customer")


def topics(announcer: Announcer) -> list[str]:
    return [each.topic for each in announcer.messages([SETTLED], NOW)]


def test_sums_come_after_all_that_must_not_be_lost() -> None:
    assert topics(Announcer(Provenance("tickets", "m"), Sums())) == ["out", "tickets.outcomes", "tickets.sums"]


def test_a_fault_in_the_sums_costs_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert topics(Announcer(Provenance("tickets", "m"), Broken())) == ["out", "tickets.outcomes"]
    logged = "".join(capsys.readouterr())
    assert "no sums for drift" in logged
    assert "customer" not in logged
