"""Whatever one record is, the others are settled: on a real Kafka, with topics created by `millrace topics create`.

Green shows that records at the limits of topic and client (in size, codec, key and headers) have one outcome each, and
that the records around them are settled. It does not show what other clients may write into a batch.
"""

import base64
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import KafkaException, Producer

from schemas.failures import CutHeader, FailureReason
from schemas.outcomes import Outcome
from schemas.topics import MESSAGE_LIMIT_BYTES, Topic
from shared.audit.comparison import audit
from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.broker.source import KafkaSource
from shared.clock import SystemClock
from shared.deadletters.envelope import DeadLetter, read_dead_letter
from shared.records import Headers, TopicPartition, header_texts
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.brokers import take
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, produce, produce_by, results_of, running_worker
from tests.support.kafka.server import KafkaServer
from tests.support.tickets import event
from workers.tickets.stages import TICKETS

GROUP = "millrace-tickets"
ONLY = TopicPartition("tickets", 0)
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
NO_LINGER_ENDS_MS = 60_000
"""A batch ends by its number of records or by the flush, never by time, however slow the machine is."""

BATCH_HEAD_BYTES, RECORDS_AT = 12, 61
"""Header of a batch on disk: base offset and length, and the offset of its records."""

CLIENT_EXPANDS_BYTES = 100_000_000
"""Size that the client is willing to decompress at once: the default of `receive.message.max.bytes`."""


class Odd(NamedTuple):
    """A record that a well-behaved source would not send."""

    codec: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def base64_ticket(size_bytes: int, seed: int = 1) -> bytes:
    """Return a ticket with an attachment in an attribute: random bytes in base64."""
    noise = random.Random(seed).randbytes(size_bytes * 3 // 4)  # noqa: S311  (no secret)
    return json.dumps(event(ticket_id="odd", attributes={"file": base64.b64encode(noise).decode()})).encode()


class Senders:
    """Sends records, each in a batch by itself; one client for each codec."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._clients: dict[str, Producer] = {}

    def send(self, odd: Odd) -> bool:
        """Send a record; return whether the topic accepted it."""
        client = self._client(odd.codec)
        delivered: list[bool] = []
        try:
            headers: Any = list(odd.headers)
            client.produce(
                "tickets",
                odd.value,
                odd.key,
                headers=headers,
                on_delivery=lambda error, _: delivered.append(error is None),
            )
        except KafkaException:
            return False
        assert client.flush(60) == 0
        return delivered == [True]

    def _client(self, codec: str) -> Producer:
        if codec not in self._clients:
            limits = {"message.max.bytes": 1_000_000_000, "queue.buffering.max.kbytes": 2_000_000, "linger.ms": 0}
            servers = {"bootstrap.servers": self._bootstrap, "compression.type": codec, "log_level": 0}
            self._clients[codec] = Producer(servers | limits)
        return self._clients[codec]


class Stream:
    """A worker on Kafka and Edge, whose neighbours are ordinary tickets."""

    def __init__(self, bootstrap: str, store: EdgeStore, seen: Seen) -> None:
        self.bootstrap, self.store, self.seen = bootstrap, store, seen
        self._senders, self._sink = Senders(bootstrap), KafkaSink(bootstrap, BrokerSettings())
        self.good = 0
        self.odd = 0

    def close(self) -> None:
        """Close the client of the neighbours."""
        self._sink.close()

    def neighbours(self, count: int) -> None:
        """Send ordinary tickets."""
        produce_by(self._sink, *(event(ticket_id=f"good-{self.good + at}") for at in range(count)))
        self.good += count

    def send(self, odd: Odd) -> bool:
        """Send an unusual record, and count it if the topic accepts it."""
        taken = self._senders.send(odd)
        self.odd += taken
        return taken

    def dead_letters(self) -> list[DeadLetter]:
        """Wait until all is settled, check that nothing is lost, and return the dead letters."""
        self.seen.wait_settled(self.good + self.odd)
        reader = TopicReader(self.bootstrap, GROUP)
        found = audit(reader, TICKETS, self.store.open_alias("tickets"))
        assert found.clean, found
        assert (found.settled, found.repeated) == (self.good + self.odd, 0)
        results = Counter(result.ticket_id for result in results_of(self.bootstrap))
        assert {each: n for each, n in results.items() if each.startswith("good-")} == {
            f"good-{at}": 1 for at in range(self.good)
        }
        dead_letters = [read_dead_letter(record) for record in reader.read("tickets.dlq")]
        assert len(dead_letters) == self.seen.outcomes.count(Outcome.DEAD_LETTERED)
        return [letter for letter in dead_letters if isinstance(letter, DeadLetter)]


@contextmanager
def working(server: KafkaServer, folder: Path, topics: tuple[Topic, ...] = TICKETS.topics()) -> Iterator[Stream]:
    """Run a worker over these topics."""
    create_topics(server.bootstrap, topics, 1)
    settings, seen = Settings(broker=BrokerSettings(), store=StoreSettings(path=folder)), Seen()
    store = EdgeStore(folder)
    try:
        with (
            running_worker(process_of(settings, server.bootstrap, store), FakeModel(), [seen]),
            closing(Stream(server.bootstrap, store, seen)) as stream,
        ):
            yield stream
    finally:
        store.close()


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_mail_with_base64_is_one_dead_letter_with_all_its_bytes(
    codec: str, own_kafka: KafkaServer, tmp_path: Path
) -> None:
    value = base64_ticket(1_400_000)
    with working(own_kafka, tmp_path) as stream:
        stream.neighbours(20)
        assert stream.send(Odd(codec, b"acme:odd", value))
        stream.neighbours(20)
        [letter] = stream.dead_letters()
    assert (letter.reason, letter.record.key, letter.record.value) == (FailureReason.TOO_LARGE, b"acme:odd", value)
    assert not letter.is_cut


def test_a_dead_letter_that_the_queue_does_not_accept_is_cut_and_states_the_original_size(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    """The topics are from an earlier version, or an operator's own: the queue accepts smaller messages than the input."""
    small = tuple(
        Topic(
            t.name, t.key, t.partitions, t.retention_ms, 600_000 if t.name == "tickets.dlq" else t.message_limit_bytes
        )
        for t in TICKETS.topics(3)
    )
    value, name = base64_ticket(1_300_000), b"x" * 700_000
    with working(own_kafka, tmp_path, small) as stream:
        stream.neighbours(20)
        assert stream.send(Odd("zstd", b"acme:odd", value))
        assert stream.send(Odd("none", b"acme:headers", b"{}", (("h", random.Random(2).randbytes(700_000)),)))  # noqa: S311
        assert stream.send(Odd("gzip", name + random.Random(3).randbytes(650_000), b"{}"))  # noqa: S311
        stream.neighbours(20)
        dead_letters = sorted(stream.dead_letters(), key=lambda each: each.record.key or b"")
    reported = [header_texts(letter.record.headers) for letter in dead_letters]
    assert all(letter.is_cut for letter in dead_letters)
    no_key, headers, valued = reported
    assert CutHeader.KEY_SHA256 in no_key
    assert (headers[CutHeader.HEADERS], headers[CutHeader.VALUE_BYTES]) == ("1", "2")
    assert valued[CutHeader.VALUE_BYTES] == str(len(value))
    assert value.startswith(dead_letters[2].record.value or b"nothing")


def test_a_batch_that_the_client_cannot_decompress_is_skipped_with_all_its_records(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    with working(own_kafka, tmp_path) as stream:
        stream.neighbours(20)
        for key in (b"acme:a", b"acme:b", b"acme:b"):
            assert stream.send(Odd("zstd", key, b"\0" * (CLIENT_EXPANDS_BYTES + 50_000_000)))
        assert stream.send(Odd("zstd", b"acme:c", b"\0" * 40_000_000))
        stream.neighbours(20)
        batch = _one_batch(stream.bootstrap, 150, 1_000_000)
        stream.odd += batch
        stream.neighbours(20)
        dead_letters = stream.dead_letters()
    assert Counter(letter.reason for letter in dead_letters) == {
        FailureReason.UNREADABLE: 3 + batch,
        FailureReason.TOO_LARGE: 1,
    }
    assert len({letter.origin for letter in dead_letters}) == len(dead_letters), (
        "each offset has a dead letter of its own"
    )


def test_records_around_one_that_cannot_be_decompressed_keep_their_order(own_kafka: KafkaServer) -> None:
    """A commit states that all records before it are settled."""
    create_topics(own_kafka.bootstrap, TICKETS.topics(1), 1)
    senders = Senders(own_kafka.bootstrap)
    for number in range(3):
        produce(own_kafka.bootstrap, *(event(ticket_id=f"T-{number}-{at}") for at in range(4)))
        assert senders.send(Odd("zstd", b"acme:a", b"\0" * (CLIENT_EXPANDS_BYTES + 50_000_000)))
    _one_batch(own_kafka.bootstrap, 130, 1_000_000)
    produce(own_kafka.bootstrap, event())
    unreadable = {4, 9, 14} | set(range(15, 145))
    source = KafkaSource(own_kafka.bootstrap, ["tickets"], "group", BrokerSettings(), SystemClock())
    with closing(source):
        taken = take(source, 146)
    assert [record.offset for record in taken] == list(range(146))
    assert {record.offset for record in taken if record.unreadable} == unreadable
    read = list(TopicReader(own_kafka.bootstrap).read("tickets"))
    assert [record.offset for record in read] == list(range(146))
    middle = {ONLY: 60}
    assert [record.offset for record in TopicReader(own_kafka.bootstrap).read("tickets", middle)] == list(
        range(60, 146)
    )


def test_a_batch_damaged_on_disk_becomes_dead_letters_and_the_stream_continues(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    create_topics(own_kafka.bootstrap, TICKETS.topics(1), 1)
    for prefix in ("before", "damaged", "after"):
        _events_in_one_batch(own_kafka.bootstrap, prefix, 5)
    own_kafka.stop()
    [log] = own_kafka.folder.glob("node-1/data/tickets-0/*.log")
    content, second = bytearray(log.read_bytes()), 0
    second = BATCH_HEAD_BYTES + int.from_bytes(content[8:12])  # each batch starts with its base offset and its length
    end = second + BATCH_HEAD_BYTES + int.from_bytes(content[second + 8 : second + 12])
    content[second + RECORDS_AT : end] = random.Random(3).randbytes(end - second - RECORDS_AT)  # noqa: S311
    log.write_bytes(content)
    own_kafka.start()
    with working(own_kafka, tmp_path, TICKETS.topics(1)) as stream:
        stream.odd = 15
        dead_letters = stream.dead_letters()
    assert [letter.origin.offset for letter in dead_letters] == list(range(5, 10))
    assert {letter.reason for letter in dead_letters} == {FailureReason.UNREADABLE}


def _events_in_one_batch(bootstrap: str, prefix: str, count: int) -> None:
    settings = {"compression.type": "zstd", "linger.ms": NO_LINGER_ENDS_MS, "log_level": 0}
    producer = Producer({"bootstrap.servers": bootstrap} | settings)
    for at in range(count):
        fields = event(ticket_id=f"{prefix}-{at}")
        producer.produce("tickets", json.dumps(fields).encode(), f"acme:{prefix}-{at}".encode())
    assert producer.flush(30) == 0


def _one_batch(bootstrap: str, records: int, size_bytes: int) -> int:
    """Send records that the client puts into one batch, larger than what a client decompresses at once."""
    settings = {"linger.ms": NO_LINGER_ENDS_MS, "batch.size": 2_000_000_000, "message.max.bytes": 1_000_000_000}
    producer = Producer(
        {"bootstrap.servers": bootstrap, "compression.type": "zstd", "batch.num.messages": records, "log_level": 0}
        | settings
    )
    for _ in range(records):
        producer.produce("tickets", b"\0" * size_bytes, b"acme:one-batch")
    assert producer.flush(60) == 0
    return records


def test_headers_survive_unchanged_and_those_under_millrace_s_names_are_not_trusted(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    headers: Headers = (("null", None), ("empty", b""), ("millrace-replays", b"99"), ("twice", b"1"), ("twice", None))
    with working(own_kafka, tmp_path) as stream:
        assert stream.send(Odd("none", b"acme:x", b"no JSON", headers))
        stream.neighbours(5)
        [letter] = stream.dead_letters()
    kept = tuple(each for each in letter.record.headers if not each[0].startswith("millrace-"))
    assert kept == (("null", None), ("empty", b""), ("twice", b"1"), ("twice", None))
    assert (letter.replays, letter.attempts) == (0, 1)


def any_record(rng: random.Random, number: int) -> Odd:
    """Return a record of any size up to the topic's limit, under any codec, with any key and headers."""
    codec = rng.choice(CODECS)
    kind = rng.randrange(8)
    size = int(rng.choice([0, 10, 1_000, 100_000, MESSAGE_LIMIT_BYTES, 1_500_000]) * rng.random())
    value: bytes | None = {
        0: None,
        1: b"",
        2: rng.randbytes(size),
        3: base64_ticket(size, number),
        4: b"\0" * (size * rng.choice([1, 1, 1, 20])),
        5: json.dumps(event(ticket_id=f"any-{number}", body="words " * (size // 20))).encode(),
        6: json.dumps(event(ticket_id=f"any-{number}")).encode(),
        7: b"[" * (size // 10),
    }[kind]
    key = rng.choice([f"acme:any-{number}".encode(), None, b"", rng.randbytes(size // 4 or 1)])
    headers: Headers = tuple(
        (
            rng.choice(["", "trace", "millrace-attempts", "millrace-reason", "\N{SNOWMAN}" * 50, "h" * (size // 50)]),
            each,
        )
        for each in rng.choices([None, b"", b"\xff\xfe", rng.randbytes(size // 8)], k=rng.choice([0, 0, 1, 3, 200]))
    )
    return Odd(codec, key, value, headers)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thousand_records_half_of_them_random_are_all_settled(
    seed: int, own_kafka: KafkaServer, tmp_path: Path
) -> None:
    rng = random.Random(seed)  # noqa: S311  (records, not secrets)
    with working(own_kafka, tmp_path) as stream:
        taken = 0
        for number in range(500):
            if number % 10 == 0:  # more neighbours than dead letters, otherwise the breaker delays all of them
                stream.neighbours(10)
            taken += stream.send(any_record(rng, number))
        stream.dead_letters()
    assert taken > 400, "the topic refused nearly all of them"
