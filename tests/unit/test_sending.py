"""Sending a file: confirmed chunks, and resuming after an interruption.

A green run does not prove that a killed process resumes; only that the files it keeps on disk are enough for it.
"""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from millrace.ingest.counts import EXAMPLES, OTHER_REASONS, REASONS_KEPT, Counts
from millrace.ingest.mapping import RowMapping
from millrace.ingest.rows import Row
from millrace.ingest.sending import CHUNK_ROWS, ImportProgress, send
from millrace.ingest.table_files import TableFile
from schemas.failures import FailureReason
from shared.broker.delivery import ATTEMPTS, deliver
from shared.errors import Fatal, Rejected, Unavailable
from shared.records import Message
from tests.support.fakes import FakeSink, ManualClock

MAPPED = RowMapping("acme", {name: name for name in ("ticket_id", "subject", "priority", "reason", "satisfaction")})


class Sender:
    """A file of N rows, and how it is sent."""

    def __init__(self, folder: Path, rows: int = 5, bad: tuple[int, ...] = ()) -> None:
        lines = ({"ticket_id": f"T-{at}", "priority": "asap" if at in bad else "low"} for at in range(rows))
        self.path, self.state = folder / "tickets.jsonl", folder / "state"
        self.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.sink, self.clock = FakeSink(), ManualClock()
        self.advanced: list[int] = []
        self.shared = 0

    @property
    def source(self) -> TableFile:
        return TableFile.open(self.path)

    def progress(self, mapped: RowMapping = MAPPED, bootstrap: str = "a:1") -> ImportProgress:
        return ImportProgress.load(self.state, self.source, mapped, bootstrap)

    def send(self, advance: Callable[[int], None] | None = None, progress: ImportProgress | None = None) -> Counts:
        """Send the remaining rows, and return the outcome of all rows."""
        kept = self.progress() if progress is None else progress
        sending = partial(deliver, sink=self.sink, clock=self.clock)
        self.shared = send(self.source, MAPPED, sending, kept, advance or self.advanced.append).shared
        return kept.counts

    def sent(self) -> list[str]:
        return [json.loads(message.value or b"")["ticket_id"] for message in self.sink.delivered]


def numbered(*spans: range) -> list[str]:
    return [f"T-{at}" for span in spans for at in span]


def test_every_row_is_sent_in_order(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    assert sender.send() == Counts(sent=5, textless=5)
    assert sender.sent() == numbered(range(5))
    assert sender.progress().rows == 5


def test_a_chunk_is_confirmed_before_the_next_is_produced(tmp_path: Path) -> None:
    sender = Sender(tmp_path, rows=2 * CHUNK_ROWS + 1)
    sender.send()
    assert sender.advanced == [CHUNK_ROWS, CHUNK_ROWS, 1]
    assert [effect.split()[0] for effect in sender.sink.effects] == ["produce", "flush"] * 3
    assert [len(effect.split()) - 1 for effect in sender.sink.effects[::2]] == [CHUNK_ROWS, CHUNK_ROWS, 1]


def test_a_second_run_sends_nothing(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    sender.send()
    assert sender.send() == Counts(sent=5, textless=5)
    assert sender.sent() == numbered(range(5))


def test_an_interrupted_run_resumes_where_it_was_confirmed(tmp_path: Path) -> None:
    sender = Sender(tmp_path, rows=2 * CHUNK_ROWS + 10)

    def interrupt(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sender.send(interrupt)
    assert sender.progress().rows == CHUNK_ROWS
    assert sender.send().sent == 2 * CHUNK_ROWS + 10
    assert sender.sent() == numbered(range(2 * CHUNK_ROWS + 10))


def test_an_interruption_before_the_confirmation_sends_the_chunk_again(tmp_path: Path) -> None:
    class Interrupted(FakeSink):
        def flush(self) -> list[Message]:
            raise KeyboardInterrupt

    sender = Sender(tmp_path)
    sender.sink, whole = Interrupted(), sender.sink
    with pytest.raises(KeyboardInterrupt):
        sender.send()
    assert sender.progress().rows == 0
    sender.sink = whole
    assert sender.send().sent == 5


def test_a_restart_sends_from_the_first_row(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    sender.send()
    progress = sender.progress()
    progress.restart()
    assert sender.send(progress=progress).sent == 5
    assert sender.sent() == numbered(range(5), range(5))


@pytest.fixture
def begun(tmp_path: Path) -> Sender:
    """Yield a file that was sent."""
    sender = Sender(tmp_path)
    sender.send()
    return sender


def test_another_mapping_broker_or_content_starts_from_the_first_row(begun: Sender) -> None:
    assert begun.progress().rows == 5
    assert begun.progress(replace(MAPPED, tenant_id="other")).rows == 0
    assert begun.progress(bootstrap="b:1").rows == 0
    begun.path.write_text('{"ticket_id": "T-0"}\n')
    assert begun.progress().rows == 0


def test_a_renamed_file_resumes(begun: Sender) -> None:
    begun.path = begun.path.rename(begun.path.with_name("renamed.jsonl"))
    assert begun.progress().rows == 5


def test_refused_rows_are_counted_named_and_skipped(tmp_path: Path) -> None:
    sender = Sender(tmp_path, bad=(1, 3))
    counts = sender.send()
    assert (counts.sent, counts.rows_refused) == (3, 2)
    assert sender.sent() == ["T-0", "T-2", "T-4"]
    [(name, refused)] = counts.refused.items()
    assert name == "priority: invalid_value"
    assert [example.split(":")[0] for example in refused.examples] == ["row 2 (line 2)", "row 4 (line 4)"]
    assert sender.progress().rows == 5


def test_only_the_first_refusals_are_kept(tmp_path: Path) -> None:
    [refused] = Sender(tmp_path, rows=30, bad=tuple(range(30))).send().refused.values()
    assert (refused.rows, len(refused.examples)) == (30, EXAMPLES)


def test_reasons_beyond_the_limit_are_counted_together() -> None:
    counts = Counts()
    for number in range(REASONS_KEPT + 7):
        counts.refuse(Row(number, number, {}), Rejected(FailureReason.MISSING_FIELD, f"field{number}", "it is missing"))
    assert len(counts.refused) == REASONS_KEPT + 1
    assert counts.refused[OTHER_REASONS].rows == 7
    assert Counts.of(json.loads(json.dumps(counts.as_dict()))) == counts


def test_solved_tickets_without_a_rating_are_counted(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    rows: list[dict[str, object]] = [
        {"ticket_id": "a", "reason": "solved", "satisfaction": 5},
        {"ticket_id": "b", "reason": "solved", "subject": "Parcel"},
        {"ticket_id": "c", "subject": "Lamp"},
    ]
    sender.path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert sender.send() == Counts(sent=3, textless=1, solved=2, unrated=1)


def test_rows_that_share_an_id_are_counted_across_interruptions(tmp_path: Path) -> None:
    sender = Sender(tmp_path, rows=CHUNK_ROWS)
    once = sender.path.read_text()
    sender.path.write_text(once * 2)

    def interrupt(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sender.send(interrupt)
    sender.send()
    assert sender.shared == CHUNK_ROWS


def test_refused_rows_do_not_count_as_sharing_an_id_in_a_second_run_either(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    rows: list[dict[str, object]] = [
        {"ticket_id": "a", "priority": "low"}, {"ticket_id": "a", "priority": "asap"}, {"ticket_id": ["a"]},
    ]  # fmt: skip
    sender.path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for _ in range(2):
        assert sender.send().rows_refused == 2
        assert sender.shared == 0


def test_a_constant_id_or_version_is_shared_by_all_rows(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    mapped = RowMapping("acme", {"subject": "subject"}, {"ticket_id": "same"})
    sender.path.write_text('{"subject": "a"}\n' * 3)
    assert send(sender.source, mapped, lambda _: None, ImportProgress(), lambda _: None).shared == 2


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"rows": 3}', '{"rows": 3, "counts": {"colour": 1}}'])
def test_unreadable_progress_is_an_error_that_states_what_to_do(begun: Sender, kept: str) -> None:
    path = begun.progress().path
    assert path is not None
    path.write_text(kept)
    with pytest.raises(Fatal, match="remove the file"):
        begun.progress()


def test_the_order_of_the_mapping_does_not_matter(begun: Sender) -> None:
    backwards = dict(reversed(list(MAPPED.columns.items())))
    assert begun.progress(replace(MAPPED, columns=backwards)).rows == 5


def test_a_dry_run_keeps_no_progress(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    assert sender.send(progress=ImportProgress()).sent == 5
    assert not sender.state.exists()


def test_rows_that_were_not_confirmed_are_produced_again(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    sender.sink.undelivered = ATTEMPTS - 1
    sender.send()
    assert sender.sent() == numbered(range(5))
    assert len(sender.clock.waits) == ATTEMPTS - 1


def test_after_a_number_of_attempts_sending_fails_and_keeps_its_progress(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    sender.sink.undelivered = ATTEMPTS
    with pytest.raises(Unavailable, match=r"5 records were not confirmed \(away\); run the same command"):
        sender.send()
    assert sender.progress().rows == 0
    assert sender.advanced == []
    assert sender.send().sent == 5


def test_half_written_progress_does_not_count(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    progress = sender.progress()
    progress.save(2)
    assert progress.path is not None
    progress.path.with_suffix(f".{os.getpid()}.part").write_text('{"row')
    assert sender.progress().rows == 2
    assert sender.send().sent == 3


def test_refused_rows_are_remembered_by_a_resumed_run(tmp_path: Path) -> None:
    sender = Sender(tmp_path, rows=5, bad=(1, 3))
    sender.send()
    assert sender.progress().counts.rows_refused == 2
    assert sender.send().rows_refused == 2


def test_two_processes_that_import_one_file_use_different_part_files(tmp_path: Path) -> None:
    sender = Sender(tmp_path)
    one, other = sender.progress(), sender.progress()
    with patch("os.getpid", return_value=1), patch("pathlib.Path.replace"):
        one.save(2)
    other.save(3)
    assert [path.name.split(".")[1] for path in sorted(tmp_path.glob("state/ingest/*.part"))] == ["1"]
    assert sender.progress().rows == 3
