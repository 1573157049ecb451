"""The dead-letter commands as they are run, on Kafka and on the embedded broker: listed, replayed, killed, purged.

Green shows: a replay killed by SIGKILL resumes, sends every selected dead letter and repeats at most one chunk, and the
audit is clean once a worker has settled the replayed records. Not shown: two replays of the same selection at the same
time; both send.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from millrace import cli
from millrace.cli import dlq
from millrace.streams import STREAMS
from schemas.failures import FailureReason
from schemas.outcomes import Outcome
from shared.broker.embedded import EmbeddedBroker
from shared.broker.provision import create_topics
from shared.records import Message, Record
from shared.vectorstore.edge.store import EdgeStore
from tests.support.dead_letter_queue import Queue
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen
from tests.support.kafka.server import KafkaServer
from tests.support.letters import message
from tests.support.streams import SLOW_KINDS, Kind
from tests.support.waiting import wait_until

TIMEOUT_S = 120.0
ROLES = ("dlq", "redo", "quarantine")
RATE, CHUNK = "40/s", 40


@pytest.fixture
def main(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[[Sequence[str]], tuple[int, str, str]]:
    """Return the command line in this process, which is three seconds faster than a process of its own."""
    monkeypatch.setattr(dlq, "quiet", lambda: None)
    monkeypatch.chdir(tmp_path)

    def run(arguments: Sequence[str]) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", list(arguments))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        reported = capsys.readouterr()
        return ended.value.code if isinstance(ended.value.code, int) else 0, reported.out, reported.err

    return run


@pytest.fixture(params=["embedded", "kafka"])
def broker(request: pytest.FixtureRequest) -> str:
    """Return the kind of broker."""
    return str(request.param)


@pytest.fixture(params=SLOW_KINDS, ids=lambda kind: kind.name)
def queue(
    request: pytest.FixtureRequest,
    broker: str,
    main: Callable[[Sequence[str]], tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Queue]:
    """Yield an empty queue for each stream, on a broker of its own."""
    kind: Kind = request.param
    monkeypatch.setitem(STREAMS, kind.name, kind.stream)
    if broker == "kafka":
        server: KafkaServer = request.getfixturevalue("own_kafka")
        create_topics(server.bootstrap, kind.stream.topics(3), replication=1)
        yield Queue(kind, server.bootstrap, main)
        return
    with EmbeddedBroker() as held:
        held.create(kind.topics)
        yield Queue(kind, held.bootstrap, main)


def mixed(kind: Kind, count: int) -> list[Message]:
    """Return dead letters with two reasons in turn, of two tenants."""
    reasons = (FailureReason.MODEL_FAILED, FailureReason.TOO_DEEP)
    return [message(n, reasons[n % 2], kind, tenant="acme" if n % 3 else "other") for n in range(count)]


def contents(records: list[Record]) -> Counter[tuple[bytes | None, bytes | None]]:
    return Counter((record.key, record.value) for record in records)


def test_dead_letters_are_listed_and_counted(queue: Queue) -> None:
    queue.put(*mixed(queue.kind, 30), Message(queue.kind.dlq, b"k", b"foreign"))
    lines = queue.run("list", "--limit", "5").splitlines()
    assert [len(lines), lines[5].split(",")[0]] == [9, f"{queue.kind.dlq}: 31 dead letters"]
    dead_letters = [json.loads(line) for line in queue.run("list", "--json", "--limit", "0").splitlines()]
    assert len({letter["position"] for letter in dead_letters}) == 31
    assert sum("unreadable" in letter for letter in dead_letters) == 1
    chosen = queue.run("list", "--json", "--reason", "too_deep", "--tenant", "acme", "--field", "body").splitlines()
    assert {json.loads(line)["origin"] for line in chosen} == {
        f"{queue.kind.name}/0@{n}" for n in range(30) if n % 2 and n % 3
    }
    reported = queue.reported("list", "--histogram", "--json", "--since", "1h")
    assert {kind["reason"]: kind["count"] for kind in reported["kinds"]} == {
        "model_failed": 15,
        "too_deep": 15,
        "unreadable": 1,
    }
    assert 0 < reported["oldest_age_s"] < TIMEOUT_S
    assert "no dead letters" in queue.run("list", "--until", "1h")
    assert "no dead letters" in queue.run("list", "--quarantine")


def test_one_dead_letter_is_shown_and_its_bytes_are_written_exactly(queue: Queue, tmp_path: Path) -> None:
    value = bytes(range(256))
    queue.put(message(4, kind=queue.kind, value=value, headers=(("trace", b"\xff"),)))
    [held] = queue.held(queue.kind.dlq)
    place = f"{queue.kind.dlq}/{held.partition}@{held.offset}"
    shown = queue.run("show", place)
    assert shown == queue.run("show", f"{queue.kind.name}/0@4")
    assert "\\x1b" in shown
    assert "\x1b" not in shown
    queue.run("show", place, "--raw", "bytes")
    assert (tmp_path / "bytes").read_bytes() == value
    assert "cannot be written: No such file" in queue.run("show", place, "--raw", "missing/bytes", code=1)
    assert "cannot be written: Is a directory" in queue.run("show", place, "--raw", ".", code=1)
    assert "no dead letter is at" in queue.run("show", f"{queue.kind.name}/0@5", code=1)
    assert "expected TOPIC/PARTITION@OFFSET" in queue.run("show", queue.kind.name, code=2)


def test_a_dry_run_writes_nothing_and_commits_nothing(queue: Queue) -> None:
    queue.put(*mixed(queue.kind, 30))
    topics = [getattr(queue.kind, role) for role in ROLES]
    before = [queue.reader.watermarks(topic) for topic in topics]
    reported = queue.reported("replay", "--dry-run", "--json", "--group", "dry", "--reason", "too_deep")
    assert (reported["replayed"], reported["skipped"], reported["dry_run"]) == (15, 15, True)
    assert [queue.reader.watermarks(topic) for topic in topics] == before
    assert queue.positions("dry") == {}
    reported = queue.reported("replay", "--json", "--group", "dry", "--reason", "too_deep")
    assert reported["replayed"] == 15, "the replay itself did something else"
    assert sum(queue.positions("dry").values()) == 30


def test_selections_do_not_hide_dead_letters_from_each_other(queue: Queue) -> None:
    queue.put(*mixed(queue.kind, 30))
    for reason in ("too_deep", "model_failed", "too_deep"):
        queue.run("replay", "--reason", reason)
    assert contents(queue.held(queue.kind.redo)) == contents(queue.held(queue.kind.dlq))


def test_a_replay_killed_in_the_middle_resumes_and_repeats_at_most_one_chunk(queue: Queue) -> None:
    queue.put(*mixed(queue.kind, 600))
    arguments = ("replay", "--reason", "model_failed", "--rate", RATE)
    for wanted in (80, 160):
        with queue.running(*arguments) as doomed:
            wait_until(partial(queue.holds, queue.kind.redo, wanted), TIMEOUT_S, "some letters in redo")
            doomed.kill()
            doomed.wait()
        assert queue.depth(queue.kind.redo) < 300, "the kill came too late to show anything"
    queue.run("replay", "--reason", "model_failed")
    dead_letters = queue.held(queue.kind.dlq)
    chosen = contents([each for each in dead_letters if dict(each.headers)["millrace-reason"] == b"model_failed"])
    redo = contents(queue.held(queue.kind.redo))
    assert redo.keys() == chosen.keys()
    assert redo.total() - chosen.total() <= 2 * CHUNK


def test_records_that_fail_again_return_until_they_are_quarantined_and_the_audit_stays_clean(
    queue: Queue, tmp_path: Path
) -> None:
    """40 tickets fail in the model; a replay after the model is fixed saves all but 5, which end in quarantine."""
    seen, store = Seen(), EdgeStore(tmp_path / "store")
    words = ["HOPELESS" if n < 5 else "POISON" if n < 40 else "fine" for n in range(120)]
    queue.send([f"{word} {n}" for n, word in enumerate(words)])
    with queue.working(tmp_path, store, Failing("POISON", "HOPELESS"), seen):
        seen.wait_settled(120)
    assert Counter(seen.outcomes) == {Outcome.ROUTED: 80, Outcome.DEAD_LETTERED: 40}
    arguments = ("replay", "--json", "--max-replays", "2")
    with queue.working(tmp_path, store, Failing("HOPELESS"), seen):
        counted = []
        for settled in (160, 165, 165, 165):
            reported = queue.reported(*arguments)
            counted.append((reported["replayed"], reported["quarantined"]))
            seen.wait_settled(settled)
    assert counted == [(40, 0), (5, 0), (0, 5), (0, 0)]
    assert Counter(seen.outcomes) == {Outcome.ROUTED: 115, Outcome.DEAD_LETTERED: 50}
    assert {dict(record.headers)["millrace-replays"] for record in queue.held(queue.kind.quarantine)} == {b"2"}
    assert {dict(record.headers)["millrace-attempts"] for record in queue.held(queue.kind.quarantine)} == {b"3"}
    findings = queue.audit(store)
    store.close()
    assert findings.clean, findings
    assert (findings.settled, findings.repeated, findings.pending) == (165, 0, 0)


def test_quarantined_dead_letters_are_replayed_once_each_after_a_fix_and_their_count_starts_again(
    queue: Queue, tmp_path: Path
) -> None:
    """Ten dead letters and ten older ones of the same records are in quarantine; the queue itself is empty."""
    seen, store = Seen(), EdgeStore(tmp_path / "store")
    for count in (b"3", b"5"):
        dead_letters = [message(n, kind=queue.kind, headers=(("millrace-replays", count),)) for n in range(10)]
        queue.put(*[Message(queue.kind.quarantine, each.key, each.value, each.headers) for each in dead_letters])
    reported = queue.reported("replay", "--quarantine", "--json")
    assert (reported["replayed"], reported["repeated"], reported["quarantined"]) == (10, 10, 0)
    assert {dict(record.headers)["millrace-replays"] for record in queue.held(queue.kind.redo)} == {b"1"}
    assert queue.reported("replay", "--quarantine", "--json")["replayed"] == 0, "it resumes where it stopped"
    with queue.working(tmp_path, store, FakeModel(), seen):
        seen.wait_settled(10)
    assert Counter(seen.outcomes) == {Outcome.ROUTED: 10}
    findings = queue.audit(store)
    store.close()
    assert (findings.clean, findings.settled, findings.points) == (True, 10, 10), findings


def test_a_replay_without_a_position_warns_that_it_starts_from_the_oldest(queue: Queue) -> None:
    queue.put(*mixed(queue.kind, 30))
    assert queue.warned("replay", "--dry-run")
    assert queue.warned("replay")
    assert not queue.warned("replay")
    assert not queue.warned("replay", "--restart")


def test_a_killed_replay_is_absorbed_by_the_guard(queue: Queue, tmp_path: Path) -> None:
    """The same dead letters are in redo twice: each record has its outcome, and there is one point per ticket."""
    seen, store = Seen(), EdgeStore(tmp_path / "store")
    queue.put(*[message(n, kind=queue.kind) for n in range(50)])
    queue.run("replay")
    queue.run("replay", "--restart", "--limit", "30")
    with queue.working(tmp_path, store, FakeModel(), seen):
        seen.wait_settled(80)
    findings = queue.audit(store)
    store.close()
    assert (findings.clean, findings.settled, findings.points) == (True, 80, 50), findings


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_purged_dead_letters_are_deleted_and_the_audit_knows(queue: Queue, tmp_path: Path) -> None:
    seen, store = Seen(), EdgeStore(tmp_path / "store")
    queue.send(["POISON" if n < 20 else "fine" for n in range(60)])
    with queue.working(tmp_path, store, FakeModel(), seen):
        seen.wait_settled(60)
    assert "20 dead letters would be deleted" in queue.run("purge", "--all", "--dry-run")
    assert "confirm with --yes" in queue.run("purge", "--all", code=2)
    assert "0 dead letters deleted" in queue.run("purge", "--until", "1h", "--yes")
    assert "either --until TIME or --all" in queue.run("purge", code=2)
    assert len(queue.held(queue.kind.dlq)) == 20
    assert "20 dead letters deleted" in queue.run("purge", "--all", "--yes")
    assert queue.held(queue.kind.dlq) == []
    assert queue.reported("replay", "--json")["replayed"] == 0
    findings = queue.audit(store)
    store.close()
    assert (findings.clean, findings.purged) == (True, 20), findings


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
def test_the_embedded_broker_reports_that_it_cannot_purge(queue: Queue) -> None:
    queue.put(message(kind=queue.kind))
    assert "the embedded broker cannot delete records" in queue.run("purge", "--all", "--yes", code=1)


class Failing(FakeModel):
    """Fails on texts that contain any of several words."""

    def __init__(self, *words: str) -> None:
        super().__init__(poison=words[0])
        self._words = words

    def embed(self, texts: Any) -> Any:
        """Embed the texts, or fail."""
        for word in self._words:
            self._poison = word
            if any(word in text for text in texts):
                break
        return super().embed(texts)
