"""Tickets with pictures: pictures that hold a text in their pixels, what reads it, and a desk with worker and redrive."""

import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from PIL import Image

from millrace.attached import with_attached
from millrace.resources import Process
from millrace.wiring import redrive_of
from schemas.attachments import attached_id
from schemas.tickets import TicketRouted
from shared.attachment_settings import AttachmentSettings
from shared.audit.comparison import AuditReport, audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.deadletters.envelope import DeadLetter, read_dead_letter
from shared.embedding.port import Pixels
from shared.media_settings import MediaSettings
from shared.metrics.registry import Registry
from shared.reading.port import ReadLine, ReadText
from shared.retry.survey import REDRIVE_GROUP
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import BatchSettings, RetrySettings, StreamSettings
from shared.tracing.port import Tracing
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.port import Stored
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, produce, results_of, running_worker
from tests.support.media import FakeFetcher
from tests.support.picture_files import encoded
from tests.support.tickets import event
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

OWN = StreamSettings(
    batch=BatchSettings(max_wait_s=0.05),
    retry=RetrySettings(tiers_s=(0.05, 0.1, 0.2), attempts_per_tier=1),
    attachments=AttachmentSettings(read=True),
)
PICTURED = with_attached(TICKETS, OWN)
SHAPE = (16, 128, 3)
TIMEOUT_S = 60.0


class FakeTextReader:
    """Reads the text that `screenshot` has put into the pixels."""

    fingerprint = "4ead4ead"

    def read(self, pixels: Pixels) -> ReadText:
        """Return the text."""
        said = pixels.tobytes().split(b"\0")[0] if pixels.shape == SHAPE else b""
        return ReadText(tuple(ReadLine(line, 0.9) for line in said.decode().splitlines()))


def screenshot(text: str = "") -> bytes:
    """Return a PNG file that holds a text in its pixels."""
    pixels = np.zeros(SHAPE, np.uint8)
    said = np.frombuffer(text.encode(), np.uint8)
    pixels.reshape(-1)[: len(said)] = said
    return encoded(Image.fromarray(pixels), "PNG")


def inline(text: str = "") -> dict[str, Any]:
    """Return the medium of a screenshot."""
    return {"inline": b64encode(screenshot(text)).decode()}


def images(**media: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the images of a ticket: the medium of each, by its id."""
    return [{"image_id": image_id, "image": medium} for image_id, medium in media.items()]


def at(uri: str) -> dict[str, Any]:
    """Return a medium by reference."""
    return {"uri": uri}


def ticket(version: int = 1, reason: str = "created", ticket_id: str = "T-1", **changes: Any) -> dict[str, Any]:
    """Return the event of a ticket."""
    return event(ticket_id=ticket_id, event_version=version, reason=reason, **changes)


@dataclass
class Studio:
    """A broker, a store, and a worker of tickets whose pictures are read; the redrive runs beside it."""

    bootstrap: str
    store: EdgeStore
    settings: Settings
    fetcher: FakeFetcher | None = field(default_factory=FakeFetcher)
    seen: Seen = field(default_factory=Seen)
    reader: FakeTextReader = field(default_factory=FakeTextReader)
    own: StreamSettings = OWN
    tracing: Tracing = field(default_factory=Tracing)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run a worker and a redrive."""
        process = Process(
            self.settings,
            self.bootstrap,
            self.store,
            Registry(),
            fetcher=self.fetcher,
            text_reader=self.reader,
            tracing=self.tracing,
        )
        redrive = redrive_of([PICTURED], self.settings, self.bootstrap, Registry())
        thread = threading.Thread(target=redrive.run)
        thread.start()
        try:
            with running_worker(process, FakeModel(), [self.seen], self.own, PICTURED):
                yield
        finally:
            redrive.lifecycle.stop()
            thread.join(TIMEOUT_S)

    def produce(self, *events: dict[str, Any]) -> None:
        """Send events."""
        produce(self.bootstrap, *events, stream=PICTURED)

    def settle(self) -> None:
        """Wait until nothing is left to do: every record is committed, and none waits in the retry lane."""
        wait_until(lambda: self.audit().pending == 0, TIMEOUT_S, "everything settled")

    def audit(self) -> AuditReport:
        """Audit the topics and points."""
        reader = TopicReader(self.bootstrap, "millrace-tickets")
        return audit(reader, PICTURED, self.store.open_alias("tickets"), TopicReader(self.bootstrap, REDRIVE_GROUP))

    def point(self, image_id: str | None = None, ticket_id: str = "T-1") -> Stored | None:
        """Return the point of a ticket, or that of one of its pictures."""
        collection = self.store.open_alias("tickets")
        assert collection is not None
        source_id = ticket_id if image_id is None else attached_id(ticket_id, image_id)
        which: UUID = PICTURED.point_id("acme", source_id)
        return collection.lookup([which]).get(which)

    def alive(self, *image_ids: str) -> dict[str, int]:
        """Return the versions of those of the ticket's pictures that have a point which is no tombstone."""
        found = {each: self.point(each) for each in image_ids}
        return {each: p.version for each, p in found.items() if p is not None and p.payload["deleted"] is False}

    def results(self) -> list[TicketRouted]:
        """Return every result."""
        return results_of(self.bootstrap)

    def dead_letters(self) -> list[DeadLetter]:
        """Return every dead letter."""
        read = [read_dead_letter(each) for each in TopicReader(self.bootstrap).read("tickets.dlq")]
        return [each for each in read if isinstance(each, DeadLetter)]

    def redone(self) -> list[bytes]:
        """Return the values of all records of the redo topic."""
        return [each.value or b"" for each in TopicReader(self.bootstrap).read("tickets.redo")]


@contextmanager
def studio_in(folder: Path, media: MediaSettings | None = None) -> Iterator[Studio]:
    """Return a fresh broker and store; with settings of media, they are really fetched."""
    with EmbeddedBroker() as broker, closing(EdgeStore(folder / "store")) as store:
        broker.create([topic.name for topic in PICTURED.topics()])
        settings = Settings(
            broker=BrokerSettings(bootstrap=broker.bootstrap),
            store=StoreSettings(path=folder / "store"),
            media=media or MediaSettings(),
        )
        yield Studio(broker.bootstrap, store, settings, None if media else FakeFetcher())
