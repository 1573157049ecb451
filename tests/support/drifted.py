"""A broker and a store that a worker has filled with decided tickets, for tests of the commands of drift."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from millrace.configured import model_card
from schemas.topics import DRIFT_ALERTS
from shared.broker.embedded import EmbeddedBroker
from shared.broker.producer import KafkaSink
from shared.records import Message
from shared.settings import BrokerSettings, OperationSettings, Settings, StoreSettings
from shared.stream_settings import BatchSettings, StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.ingest_files import millrace
from tests.support.tickets import deleted, event
from workers.tickets.stages import TICKETS

OWN = StreamSettings(batch=BatchSettings(max_wait_s=0.5))
NOW = datetime.now(UTC).replace(microsecond=0)
LABELS = ("delivery", "invoice", "login")
COUNTED = ("labels", "actions", "languages", "channels", "lengths", "confidences")
DECIDED = 1_040
FAILED = 7


class KnownModel(FakeModel):
    """A fake with the fingerprint that the configuration names, so that the store and the topic agree on it."""

    fingerprint = model_card(StreamSettings()).fingerprint


@dataclass(frozen=True, slots=True)
class Place:
    """A broker and a store that a worker has filled."""

    bootstrap: str
    folder: Path

    @property
    def settings(self) -> Settings:
        """The settings of the worker."""
        return settings_of(self.bootstrap, self.folder)

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run a command in this process."""
        known = {
            "MILLRACE_STORE__PATH": str(self.folder / "store"),
            "MILLRACE_DRIFT__REFERENCES": str(self.folder / "references"),
            "MILLRACE_BROKER__BOOTSTRAP": self.bootstrap,
        }
        return millrace(["drift", *arguments], self.folder, known | environment)

    def build(self, *options: str, **environment: str) -> tuple[int, dict[str, Any]]:
        """Build references, and return the exit code and the object that was printed."""
        code, printed = self.run("reference", "build", "--stream", "tickets", "--json", *options, **environment)
        [line] = [each for each in printed.splitlines() if each.startswith("{")]
        return code, json.loads(line)


def settings_of(bootstrap: str, folder: Path) -> Settings:
    """Return settings of a broker, and of a store in a folder."""
    return Settings(
        broker=BrokerSettings(bootstrap=bootstrap),
        store=StoreSettings(path=folder / "store"),
        operation=OperationSettings(state_dir=folder / "state"),
    )


def tickets() -> Iterator[dict[str, Any]]:
    """Yield the events that are decided: of two tenants, in three languages, with and without a channel."""
    for number in range(DECIDED):
        yield event(
            ticket_id=f"T-{number}",
            tenant_id="acme" if number % 10 else "zeta",
            occurred_at=(NOW - timedelta(minutes=number)).isoformat(),
            subject=("Where is my parcel?", "Wo ist mein Paket geblieben?")[number % 4 == 0],
            body=f"It should have been here on day {number}." * (1 + number % 3),
            channel=("email", "chat", None)[number % 3],
        )


@contextmanager
def filled_place(folder: Path) -> Iterator[Place]:
    """Yield a broker and a store with labelled, decided, deleted and refused tickets."""
    solved = [
        event(
            ticket_id=f"L-{tenant}-{n}", tenant_id=tenant, reason="solved", agent_label=LABELS[n % 3], body=f"old {n}"
        )
        for tenant in ("acme", "zeta")
        for n in range(12)
    ]
    with EmbeddedBroker() as broker:
        store = EdgeStore(folder / "store")
        broker.create([topic.name for topic in TICKETS.topics()] + ["calls.sums", "calls.outliers", DRIFT_ALERTS.name])
        settings = settings_of(broker.bootstrap, folder)
        seen = Seen()
        with running_worker(process_of(settings, broker.bootstrap, store), KnownModel(), [seen], OWN):
            produce(broker.bootstrap, *solved)
            seen.wait_settled(len(solved))
            produce(broker.bootstrap, *tickets(), event(ticket_id="D-1"))
            with closing(KafkaSink(broker.bootstrap, BrokerSettings())) as sink:
                sink.produce([Message("tickets", b"acme:B-%d" % n, b"no JSON") for n in range(FAILED)])
                assert sink.flush() == []
            seen.wait_settled(len(solved) + DECIDED + 1 + FAILED)
            produce(broker.bootstrap, deleted(ticket_id="D-1", event_version=2))
            seen.wait_settled(len(solved) + DECIDED + 2 + FAILED)
        store.close()  # one process at a time may use it
        yield Place(broker.bootstrap, folder)
