"""The `retry` commands on the embedded broker: what waits, one record in full, and the request to hurry.

Green does not show the redrive sending: `tests/faults/test_retry_on_kafka.py` does.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from millrace import cli
from millrace.cli import retry
from millrace.streams import STREAMS
from schemas.failures import FailureReason
from shared.broker.embedded import EmbeddedBroker
from shared.broker.producer import KafkaSink
from shared.errors import Deferred
from shared.metrics.registry import Registry
from shared.operation.lifecycle import Lifecycle
from shared.operation.probes import ProbeServer
from shared.records import Deferral, Message, Provenance
from shared.retry.lane import write_waiting
from shared.settings import BrokerSettings
from tests.support.fakes import ManualClock
from tests.support.streams import NOTE_KIND

PROVENANCE = Provenance("notes", "30bde1f0")


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command and return its exit code and its output."""
    monkeypatch.setattr(retry, "quiet", lambda: None)
    monkeypatch.setitem(STREAMS, "notes", NOTE_KIND.stream)
    monkeypatch.setattr(sys, "argv", ["millrace", "retry", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    reported = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, reported.out + reported.err


def waiting(number: int, tier: int, detail: str = "nothing is there") -> Message:
    failure = Deferred(FailureReason.MEDIA_NOT_FOUND, "attachment", detail)
    now = ManualClock().now()
    deferral = Deferral(failure, tier, int(now.timestamp() * 1000) + 5_000, 2, now)
    return write_waiting(NOTE_KIND.record(NOTE_KIND.event(f"T-{number}"), number), deferral, PROVENANCE, now)


@pytest.fixture
def broker() -> Iterator[str]:
    """Yield the address of a broker with three waiting records, and one of another program."""
    with EmbeddedBroker() as own:
        own.create(NOTE_KIND.topics)
        with closing(KafkaSink(own.bootstrap, BrokerSettings())) as sink:
            messages = [
                waiting(1, 1),
                waiting(2, 1),
                waiting(3, 3, "\x1b[31mred"),
                Message("notes.retry.2", None, b"x"),
            ]
            sink.produce(messages)
            assert sink.flush() == []
        yield own.bootstrap


def test_the_list_shows_what_waits_and_the_state_of_each_tier(
    broker: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(monkeypatch, capsys, "list", "--stream", "notes", "--bootstrap", broker)
    assert code == 0
    for expected in ("tier 1: 2 records", "tier 2: 1 record,", "tier 3: 1 record,", "2 attempts", "media_not_found"):
        assert expected in said
    assert "\x1b" not in said
    assert "notes/0@1" in said
    code, said = run(monkeypatch, capsys, "list", "--stream", "notes", "--bootstrap", broker, "--json")
    listed = json.loads(said)
    assert [tier["records"] for tier in listed["tiers"]] == [2, 1, 1]
    assert [record.get("attempts") for record in listed["records"]].count(2) == 3
    assert [record["input"] for record in listed["records"] if "input" in record and record["tier"] == 3] == [
        "notes/0@3"
    ]


def test_one_record_is_shown_in_full(
    broker: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, said = run(monkeypatch, capsys, "list", "--stream", "notes", "--bootstrap", broker, "--json")
    place = next(record["position"] for record in json.loads(said)["records"] if record.get("tier") == 3)
    code, said = run(monkeypatch, capsys, "show", place, "--stream", "notes", "--bootstrap", broker)
    assert code == 0
    assert "millrace-retry-due-at-ms" in said
    assert "It should have been here on Monday." in said
    code, said = run(monkeypatch, capsys, "show", "notes.retry.1/0@999", "--stream", "notes", "--bootstrap", broker)
    assert (code, "no record is at" in said) == (1, True)
    code, said = run(monkeypatch, capsys, "show", "notes/0@1", "--stream", "notes", "--bootstrap", broker)
    assert (code, "notes.retry.1" in said) == (2, True)


def test_now_hurries_a_redrive_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = ManualClock()
    redrive, worker = Lifecycle(clock, 120), Lifecycle(clock, 120)
    redrive.can_hurry = True
    with closing(ProbeServer("127.0.0.1", 0, {"notes": worker, "redrive": redrive}, Registry())) as both:
        code, said = run(monkeypatch, capsys, "now", "--port", str(both.port))
        assert (code, "sends all records that wait now" in said) == (0, True)
    assert redrive.hurried_at_ms == int(clock.now().timestamp() * 1000)
    with closing(ProbeServer("127.0.0.1", 0, {"notes": worker}, Registry())) as alone:
        code, said = run(monkeypatch, capsys, "now", "--port", str(alone.port))
        assert (code, "does not run redrive" in said) == (1, True)
    assert worker.hurried_at_ms == -1
