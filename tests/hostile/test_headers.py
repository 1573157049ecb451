"""A header whose name is not UTF-8: Kafka transports it and the client cannot read it. Librdkafka itself sends it here.

Green shows: such a record is one dead letter with its bytes, the stream continues, and one in the dead-letter queue
stops no command. It does not show how other clients handle such a name.
"""

import ctypes
import json
from contextlib import closing
from pathlib import Path

from confluent_kafka import cimpl

from schemas.failures import HEADER_PREFIX, FailureHeader, FailureReason
from schemas.outcomes import Outcome
from shared.audit.comparison import audit
from shared.broker.backlog import measure_backlog
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.deadletters.envelope import DeadLetter, WithoutEnvelope, read_dead_letter
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.streams import Kind, on_each_stream

TIMEOUT_MS = 10_000
END, TOPIC, VALUE, KEY, HEADER = 0, 1, 4, 5, 9
"""Librdkafka's numbers of the parts of a message."""

NO_UTF8 = b"na\xefve"


def produce_with_header(bootstrap: str, topic: str, key: bytes, value: bytes, name: bytes) -> None:
    """Send one record with a header; confluent-kafka itself accepts only names that are text."""
    library = ctypes.CDLL(cimpl.__file__)  # importing it also loads librdkafka
    library.rd_kafka_conf_new.restype = library.rd_kafka_new.restype = ctypes.c_void_p
    for function in (library.rd_kafka_producev, library.rd_kafka_flush, library.rd_kafka_destroy):
        function.argtypes = [ctypes.c_void_p]
    config, error = ctypes.c_void_p(library.rd_kafka_conf_new()), ctypes.create_string_buffer(512)
    for setting in ((b"bootstrap.servers", bootstrap.encode()), (b"log_level", b"0")):
        assert library.rd_kafka_conf_set(config, *setting, error, ctypes.c_size_t(512)) == 0, error.value
    client = library.rd_kafka_new(ctypes.c_int(0), config, error, ctypes.c_size_t(512))
    assert client, error.value
    size = ctypes.c_size_t
    parts = (
        *(ctypes.c_int(TOPIC), ctypes.c_char_p(topic.encode())),
        *(ctypes.c_int(VALUE), ctypes.c_char_p(value), size(len(value))),
        *(ctypes.c_int(KEY), ctypes.c_char_p(key), size(len(key))),
        *(ctypes.c_int(HEADER), ctypes.c_char_p(name), ctypes.c_char_p(b"x"), ctypes.c_ssize_t(1)),
    )
    assert library.rd_kafka_producev(client, *parts, ctypes.c_int(END)) == 0
    assert library.rd_kafka_flush(client, ctypes.c_int(TIMEOUT_MS)) == 0
    library.rd_kafka_destroy(client)


@on_each_stream
def test_the_record_is_one_dead_letter_with_its_bytes_and_the_stream_continues(kind: Kind, tmp_path: Path) -> None:
    key, value = b"acme:T-1", json.dumps(kind.event()).encode()
    settings, seen = Settings(broker=BrokerSettings(), store=StoreSettings(path=tmp_path)), Seen()
    with EmbeddedBroker() as broker, closing(EdgeStore(tmp_path)) as store:
        broker.create(kind.topics)
        produce(broker.bootstrap, *(kind.event(f"before-{at}") for at in range(100)), stream=kind.stream)
        produce_with_header(broker.bootstrap, kind.name, key, value, NO_UTF8)
        produce(broker.bootstrap, *(kind.event(f"after-{at}") for at in range(20)), stream=kind.stream)
        with running_worker(process_of(settings, broker.bootstrap, store), FakeModel(), [seen], stream=kind.stream):
            seen.wait_settled(121)
        reader = TopicReader(broker.bootstrap, kind.group)
        findings = audit(reader, kind.stream, store.open_alias(kind.name))
        [letter] = map(read_dead_letter, reader.read(kind.dlq))
        results = list(reader.read(kind.results))
    assert findings.clean, findings
    assert (seen.outcomes.count(Outcome.DEAD_LETTERED), len(results)) == (1, 120)
    assert isinstance(letter, DeadLetter)
    assert (letter.record.key, letter.record.value) == (key, value)
    assert (letter.reason, letter.field) == (FailureReason.INVALID_UTF8, "headers")
    assert {name for name, _ in letter.record.headers} == set(FailureHeader) - {FailureHeader.ORIGIN_TOPIC_ID}
    assert all(name.startswith(HEADER_PREFIX) for name, _ in letter.record.headers)


@on_each_stream
def test_in_the_dead_letter_queue_it_is_unreadable_and_stops_nothing(kind: Kind, tmp_path: Path) -> None:
    with EmbeddedBroker() as broker, closing(EdgeStore(tmp_path)):
        broker.create(kind.topics)
        produce_with_header(broker.bootstrap, kind.dlq, b"k", b"v", NO_UTF8)
        reader = TopicReader(broker.bootstrap, kind.group)
        [letter] = map(read_dead_letter, reader.read(kind.dlq))
        findings = audit(reader, kind.stream, None)
        assert measure_backlog(broker.bootstrap, kind.dlq).records == 1
    assert isinstance(letter, WithoutEnvelope)
    assert (letter.record.key, letter.record.value, letter.record.headers) == (b"k", b"v", ())
    assert letter.record.unreadable == "headers"
    assert findings.unreadable == 1
