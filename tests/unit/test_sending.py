"""Sending a file: confirmed chunks, and going on after an interruption.

A green run does not prove that a killed process resumes; only that what it keeps on disk is enough to.
"""

import json
from pathlib import Path

import pytest

from millrace.ingest import Mapped, TicketFile
from millrace.sending import ATTEMPTS, CHUNK_ROWS, REFUSED_SHOWN, Progress, Sent, send
from shared.errors import Unavailable
from shared.records import Message
from tests.fakes import FakeSink, ManualClock

MAPPED = Mapped("acme")


class Sender:
    """A file of so many rows, and how it is sent."""

    def __init__(self, folder: Path, rows: int = 5, bad: tuple[int, ...] = ()) -> None:
        lines = ({"ticket_id": f"T-{at}", "priority": "asap" if at in bad else "low"} for at in range(rows))
        self.path, self.state = folder / "tickets.jsonl", folder / "state"
        self.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.sink, self.clock = FakeSink(), ManualClock()
        self.advanced: list[int] = []

    @property
    def source(self) -> TicketFile:
        return TicketFile.open(self.path)

    def progress(self, mapped: Mapped = MAPPED, bootstrap: str = "a:1") -> Progress:
        return Progress.load(self.state, self.source, mapped, bootstrap)

    def send(self) -> Sent:
        return send(self.source, MAPPED, self.sink, self.progress(), self.clock, self.advanced.append)

    def sent(self) -> list[str]:
        return [json.loads(message.value or b"")["ticket_id"] for message in self.sink.delivered]


def numbered(*spans: range) -> list[str]:
    return [f"T-{at}" for span in spans for at in span]


def test_every_row_is_sent_in_order(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    assert sender.send() == Sent(rows=5)
    assert sender.sent() == numbered(range(5))
    assert sender.progress().rows == 5


def test_a_chunk_is_confirmed_before_the_next_is_produced(tmp_path: Path) -> None:
    sender = Sender(tmp_path, rows=2 * CHUNK_ROWS + 1)
    sender.send()
    assert sender.advanced == [CHUNK_ROWS, CHUNK_ROWS, 1]
    assert [effect.split()[0] for effect in sender.sink.effects] == ["produce", "flush"] * 3
    assert [len(effect.split()) - 1 for effect in sender.sink.effects[::2]] == [CHUNK_ROWS, CHUNK_ROWS, 1]


def test_sent_again_it_sends_nothing(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    sender.send()
    assert sender.send() == Sent()
    assert sender.sent() == numbered(range(5))


def test_an_interrupted_run_goes_on_where_it_was_confirmed(tmp_path: Path) -> None:
    sender = Sender(tmp_path, rows=2 * CHUNK_ROWS + 10)

    def interrupt(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send(sender.source, MAPPED, sender.sink, sender.progress(), sender.clock, interrupt)
    assert sender.progress().rows == CHUNK_ROWS
    assert sender.send().rows == CHUNK_ROWS + 10
    assert sender.sent() == numbered(range(2 * CHUNK_ROWS + 10))


def test_an_interruption_before_the_confirmation_sends_the_chunk_again(tmp_path: Path) -> None:
    class Interrupted(FakeSink):
        def flush(self) -> list[Message]:
            raise KeyboardInterrupt

    sender = Sender(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        send(sender.source, MAPPED, Interrupted(), sender.progress(), sender.clock, sender.advanced.append)
    assert sender.progress().rows == 0
    assert sender.send().rows == 5


def test_a_restart_sends_from_the_first_row(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    sender.send()
    sender.progress().save(0)
    sender.send()
    assert sender.sent() == numbered(range(5), range(5))


@pytest.fixture
def begun(tmp_path: Path) -> Sender:
    """Give a file that was sent."""
    sender = Sender(tmp_path)
    sender.send()
    return sender


def test_another_mapping_broker_or_content_begins_anew(begun: Sender) -> None:
    assert begun.progress().rows == 5
    assert begun.progress(Mapped("other")).rows == 0
    assert begun.progress(bootstrap="b:1").rows == 0
    begun.path.write_text('{"ticket_id": "T-0"}\n')
    assert begun.progress().rows == 0


def test_a_renamed_file_goes_on(begun: Sender) -> None:
    begun.path = begun.path.rename(begun.path.with_name("renamed.jsonl"))
    assert begun.progress().rows == 5


def test_refused_rows_are_counted_named_and_passed_by(tmp_path: Path) -> None:
    sender = Sender(tmp_path, bad=(1, 3))
    sent = sender.send()
    assert (sent.rows, sent.refused) == (3, 2)
    assert sender.sent() == ["T-0", "T-2", "T-4"]
    assert [reason.split(":")[0] for reason in sent.reasons] == ["row 2", "row 4"]
    assert "priority" in sent.reasons[0]
    assert sender.progress().rows == 5


def test_only_the_first_refusals_are_kept(tmp_path: Path) -> None:
    sent = Sender(tmp_path, rows=30, bad=tuple(range(30))).send()
    assert (sent.refused, len(sent.reasons)) == (30, REFUSED_SHOWN)


def test_what_is_not_confirmed_is_produced_again(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    sender.sink.undelivered = ATTEMPTS - 1
    sender.send()
    assert sender.sent() == numbered(range(5))
    assert len(sender.clock.waits) == ATTEMPTS - 1


def test_after_so_many_attempts_it_gives_up_and_keeps_its_place(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    sender.sink.undelivered = ATTEMPTS
    with pytest.raises(Unavailable, match=r"5 records were not confirmed \(away\); run the same command"):
        sender.send()
    assert sender.progress().rows == 0
    assert sender.advanced == []
    assert sender.send().rows == 5


def test_progress_that_was_half_written_does_not_count(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    progress = sender.progress()
    progress.save(2)
    progress.path.with_suffix(".part").write_text('{"row')
    assert sender.progress().rows == 2
    assert sender.send().rows == 3


def test_refused_rows_are_remembered_by_a_run_that_goes_on(tmp_path: Path) -> None:
    sender = Sender(tmp_path, rows=5, bad=(1, 3))
    sender.send()
    assert sender.progress().refused == 2
    sender.send()
    assert sender.progress().refused == 2
