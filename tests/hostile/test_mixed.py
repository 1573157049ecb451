"""Every hostile value and text as a record among good ones, through a whole worker on the embedded broker and Edge.

Green shows: an invalid record is one dead letter with its reason and field, an unusual text gives a result, and every
batch is settled whole and in order, so that a good record waits for no later batch. It does not show how the real model
handles the texts.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from schemas.failures import FailureHeader
from schemas.outcomes import LedgerEntry, Outcome
from shared.audit.comparison import audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.errors import Rejected
from shared.records import Message, Record, header_texts
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.hostile.test_json_suite import inside, verdict
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, running_worker
from tests.support.streams import Kind, limited_to, on_each_stream

BATCH = limited_to(64)
SHORT_CHARS = 1_000


@dataclass
class Pauses(Seen):
    """Keeps the worker's reports, and the dependencies for which it paused."""

    pauses: list[str] = field(default_factory=list)

    def paused(self, dependency: str) -> None:
        """Keep the dependency."""
        self.pauses.append(dependency)


@pytest.fixture(scope="module")
def files(data_dir: Path) -> dict[str, bytes]:
    """Return every file of the suite as bytes."""
    files = {path.name: path.read_bytes() for path in sorted((data_dir / "faults" / "json_test_suite").glob("*.json"))}
    assert len(files) > 50
    return files


@pytest.fixture(scope="module")
def texts(data_dir: Path) -> list[str]:
    """Return the strings that are allowed as text."""
    found: list[str] = json.loads((data_dir / "faults" / "blns.json").read_text(encoding="utf-8"))
    return [text for text in found if len(text) <= SHORT_CHARS]


def no_events(kind: Kind, files: dict[str, bytes]) -> list[bytes]:
    """Return values that are no valid events: every file alone, and each that is not JSON as the content of an event."""
    return [
        *files.values(),
        *(inside(kind, kind.content_field, file) for name, file in files.items() if name.startswith("n_")),
    ]


def mixed(kind: Kind, invalid: list[bytes], texts: list[str]) -> Iterator[Message]:
    """Yield every invalid value and every text in turn, each followed by a good record."""
    odd = [json.dumps(kind.event(f"odd-{at}", text=text)).encode() for at, text in enumerate(texts)]
    keys = [b"acme:any", *(f"acme:odd-{at}".encode() for at in range(len(odd)))]
    pairs = [(keys[0], value) for value in invalid] + list(zip(keys[1:], odd, strict=True))
    spread = [pair for first in range(7) for pair in pairs[first::7]]  # every batch holds all kinds
    for at, (key, value) in enumerate(spread):
        good = kind.event(f"good-{at}", text=f"text {at}")
        yield Message(kind.name, key, value)
        yield Message(kind.name, f"acme:good-{at}".encode(), json.dumps(good).encode())


def gaps(ledger: list[Record]) -> list[str]:
    """Return the places where a batch does not start where the one before ended, by partition; empty if none."""
    following: dict[tuple[str, int], int] = defaultdict(int)
    found = []
    for entry in (LedgerEntry.model_validate_json(record.value or b"") for record in ledger):
        for span in entry.ranges:
            where = (entry.topic, entry.partition)
            if span.first != following[where]:
                found.append(f"{where}: {span.first} after {following[where]}")
            following[where] = span.last + 1
    return found


@on_each_stream
def test_among_good_records_each_hostile_one_has_its_outcome(
    kind: Kind, files: dict[str, bytes], texts: list[str], tmp_path: Path
) -> None:
    invalid = no_events(kind, files)
    messages = list(mixed(kind, invalid, texts))
    settings = Settings(broker=BrokerSettings(), store=StoreSettings(path=tmp_path))
    seen = Pauses()
    with EmbeddedBroker() as broker, closing(EdgeStore(tmp_path)) as store:
        broker.create(kind.topics)
        sink = KafkaSink(broker.bootstrap, BrokerSettings())
        sink.produce(messages)
        assert sink.flush() == []
        sink.close()
        process, own = process_of(settings, broker.bootstrap, store), StreamSettings(batch=BATCH)
        with running_worker(process, FakeModel(), [seen], own, kind.stream):  # raises if the worker has ended
            seen.wait_settled(len(messages))
        reader = TopicReader(broker.bootstrap, kind.group)
        findings = audit(reader, kind.stream, store.open_alias(kind.name))
        letters, ledger = list(reader.read(kind.dlq)), list(reader.read(kind.ledger))
        results = Counter(each.source_id for each in kind.published(list(reader.read(kind.results))))
    assert findings.clean, findings
    assert (findings.settled, findings.pending, findings.repeated) == (len(messages), 0, 0)
    assert Counter(seen.outcomes) == {
        Outcome.DEAD_LETTERED: len(invalid),
        Outcome.ROUTED: len(messages) - len(invalid),
    }
    good = {f"good-{at}" for at in range(len(messages) // 2)}
    assert results == dict.fromkeys(good | {f"odd-{at}" for at in range(len(texts))}, 1)
    assert Counter(letter.value for letter in letters) == Counter(invalid)
    for letter in letters:
        headers, expected = header_texts(letter.headers), verdict(kind, letter.value or b"")
        assert isinstance(expected, Rejected)
        assert headers[FailureHeader.REASON] == expected.reason, letter
        assert headers[FailureHeader.FIELD] == expected.field, letter
    assert gaps(ledger) == []
    assert seen.pauses == []
