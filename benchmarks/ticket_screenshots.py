"""`python -m benchmarks.ticket_screenshots`: the twelve sample screenshots as pictures of tickets, through a whole worker.

Beside 288 solved sample tickets, twelve tickets arrive that say no more than "see the screenshot". Printed is, for each
screenshot, at what rank its ticket is found by each of the three longest rows of its true text that hold no personal data,
and whether personal data is left in what is stored. Then tickets arrive whose screenshot is on a host that never answers,
in turn with tickets without one: the time from sending a ticket to its result, with quartiles.
"""

import argparse
import json
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

from millrace.attached import with_attached
from millrace.demo.sample_files import event_message, inline, rows_of
from millrace.federated import SearchModels, federation_of, open_sources, prepared, text_vectors
from millrace.resources import Process, load_models
from millrace.streams import DEFAULT
from millrace.wiring import redrive_of, stream_worker
from schemas.attachments import attached_id
from shared.attachment_settings import AttachmentSettings
from shared.broker.embedded import EmbeddedBroker
from shared.broker.producer import KafkaSink
from shared.broker.source import KafkaSource
from shared.clock import SystemClock
from shared.media_settings import MediaSettings
from shared.metrics.registry import Registry
from shared.model_settings import EmbeddingSettings
from shared.search.federated.federation import Question
from shared.settings import BrokerSettings, OperationSettings, Settings, StoreSettings
from shared.stream_settings import RetrySettings, StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.media_server import MediaServer, silent
from tests.support.waiting import wait_until

TENANT, IMAGE_ID = "acme", "screenshot"
SAMPLES = Path(__file__).parents[1] / "millrace" / "demo" / "samples" / "screenshots"
ASKED, DEPTH = 3, 10
TIMEOUT_S = 300.0
PAUSE_S = 0.3


class Desk:
    """A worker of tickets that reads their pictures, with the redrive, on the embedded broker and store.

    Args:
        folder: Where the store is.
        own: The settings of tickets.
        media: What may be fetched.
    """

    def __init__(self, folder: Path, own: StreamSettings, media: MediaSettings) -> None:
        self.own, self.stream, self.clock = own, with_attached(DEFAULT, own), SystemClock()
        self.settings = Settings(
            broker=BrokerSettings(),
            store=StoreSettings(path=folder / "store"),
            operation=OperationSettings(state_dir=folder),
            media=media,
        )

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run the worker and the redrive."""
        names = [topic.name for topic in self.stream.topics()]
        with EmbeddedBroker() as broker, closing(EdgeStore(self.settings.store.path)) as self.store:
            broker.create(names)
            self.bootstrap = broker.bootstrap
            process = Process(self.settings, self.bootstrap, self.store, Registry())
            redrive = redrive_of([self.stream], self.settings, self.bootstrap, Registry())
            with stream_worker(self.stream, self.own, process, load_models(self.stream, self.own)) as running:
                threads = [threading.Thread(target=each.run, daemon=True) for each in (redrive, running.worker)]
                for each in threads:
                    each.start()
                try:
                    yield
                finally:
                    redrive.lifecycle.stop()
                    running.lifecycle.stop()
                    for each in threads:
                        each.join()

    def send(self, *events: dict[str, Any]) -> None:
        """Send events."""
        with closing(KafkaSink(self.bootstrap, self.settings.broker)) as sink:
            sink.produce([event_message(self.stream, TENANT, each) for each in events])
            sink.flush()

    def wait_for(self, source_ids: Sequence[str]) -> dict[str, Any]:
        """Wait until points are stored, and return their payloads by source id."""
        collection = self.store.open_alias(self.stream.name)
        assert collection is not None
        ids = {self.stream.point_id(TENANT, each): each for each in source_ids}
        found: dict[str, Any] = {}

        def is_there() -> bool:
            fields = ("read_text", "subject", "body")
            found.update({ids[which]: held for which, held in collection.payloads(set(ids), fields).items()})
            return len(found) == len(ids)

        wait_until(is_there, TIMEOUT_S, "the points")
        return found


def ticket(ticket_id: str, body: str, images: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return the event of a ticket."""
    return {
        "ticket_id": ticket_id,
        "reason": "created",
        "occurred_at": "2026-11-02T09:00:00Z",
        "subject": "Help",
        "body": body,
        "images": list(images),
    }


def report_reading(desk: Desk) -> None:
    """Send the screenshots, and search for their words."""
    samples = json.loads((SAMPLES / "screenshots.json").read_text(encoding="utf-8"))
    solved = [row for row in rows_of("tickets.jsonl") if row["reason"] == "solved"]
    desk.send(*solved)
    events = {
        f"S-{at}": ticket(
            f"S-{at}",
            "See the screenshot.",
            [{"image_id": IMAGE_ID, "image": inline(f"screenshots/{each['file']}")}],
        )
        for at, each in enumerate(samples)
    }
    desk.send(*events.values())
    stored = desk.wait_for([attached_id(each, IMAGE_ID) for each in events] + [row["ticket_id"] for row in solved])
    sources, _ = open_sources(desk.store, [(desk.stream, desk.own)])
    models = SearchModels()
    federation, ranks, left = federation_of(sources, models), [], 0
    for at, each in enumerate(samples):
        found_at = [
            _rank(federation.find(_question(sources[0], models, desk, row)).hits, f"S-{at}") for row in _asked(each)
        ]
        text = stored[attached_id(f"S-{at}", IMAGE_ID)]["read_text"] or ""
        left += sum(personal in text for personal in each["personal"])
        ranks += found_at
        print(f"{each['file']}: {len(text.split())} words stored, found at rank {', '.join(map(str, found_at))}")
    first = sum(rank == 1 for rank in ranks)
    personal = sum(len(each["personal"]) for each in samples)
    print(f"first: {first} of {len(ranks)} searches; personal data left: {left} of {personal}")


def _asked(sample: dict[str, Any]) -> list[str]:
    rows = [row for row in sample["rows"] if not any(personal in row for personal in sample["personal"])]
    return sorted(rows, key=len, reverse=True)[:ASKED]


def _question(source: Any, models: SearchModels, desk: Desk, row: str) -> Question:
    return Question(TENANT, text_vectors([source], models, row), prepared(source, row), limit=DEPTH)


def _rank(hits: Sequence[Any], ticket_id: str) -> int | str:
    return next((rank for rank, hit in enumerate(hits, 1) if hit.source_id == ticket_id), "-")


def report_waiting(desk: Desk, server: MediaServer, count: int) -> None:
    """Send tickets with and without an unfetchable screenshot in turn, and print how long each waits for its result."""
    hanging = [{"image_id": IMAGE_ID, "image": {"uri": server.url("/hangs")}}]
    sent_s: dict[str, float] = {}
    took_s: dict[str, list[float]] = {"hanging": [], "without": []}
    topics = [desk.stream.result_topic]
    with closing(KafkaSource(desk.bootstrap, topics, "benchmark", BrokerSettings(), desk.clock)) as source:
        for at in range(2 * count):
            kind = "hanging" if at % 2 else "without"
            ticket_id = f"{kind}-{at}"
            sent_s[ticket_id] = desk.clock.monotonic_s()
            desk.send(ticket(ticket_id, f"Where is parcel number {at}?", hanging if at % 2 else ()))
            until_s = sent_s[ticket_id] + PAUSE_S
            while desk.clock.monotonic_s() < until_s or ticket_id in sent_s:
                for record in source.take(100, 0.02):
                    result = desk.stream.result.model_validate_json(record.value or b"")
                    if (began_s := sent_s.pop(desk.stream.source_id(result), None)) is not None:
                        took_s[kind].append(desk.clock.monotonic_s() - began_s)
    for kind, values in took_s.items():
        low, middle, high = (1_000 * value for value in quantiles(values, n=4))
        print(f"{kind}: {len(values)} tickets, result after {middle:.0f} ms (quartiles {low:.0f}-{high:.0f})")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=EmbeddingSettings().model, help="the text model")
    parser.add_argument("--tickets", type=int, default=40, help="tickets of each kind whose time is measured")
    given = parser.parse_args()
    with MediaServer({"/hangs": silent}) as server, tempfile.TemporaryDirectory() as folder:
        own = StreamSettings(
            embedding=EmbeddingSettings(model=given.model),
            attachments=AttachmentSettings(read=True),
            retry=RetrySettings(tiers_s=(1.0, 2.0, 4.0)),
        )
        media = MediaSettings(
            hosts=(f"127.0.0.1:{server.port}",),
            private_addresses=("127.0.0.1",),
            plain_http=True,
            breaker_failures=10_000,
        )
        desk = Desk(Path(folder), own, media)
        with desk.working():
            report_reading(desk)
            report_waiting(desk, server, given.tickets)


if __name__ == "__main__":
    main()
