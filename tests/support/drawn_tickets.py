"""Tickets whose pictures are drawings: a few words, so that neither a decoder nor a reader of text is needed.

`Tickets` is a worker of them over stand-ins whose redo topic comes back to it, so that pictures are processed to the end.
"""

import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from schemas.attachments import attached_id
from schemas.tickets import TICKET_EVENT, TicketImage, TicketImageRemoved
from shared.engine.resources import Resources
from shared.media.fetching.pool import HostPool, Result
from shared.media.port import MediaContent
from shared.reading.attached import AttachedPicture, AttachedPictureReader
from shared.records import Message, Record, Settled
from tests.support.assembly import Assembly
from tests.support.fakes import FakeCollection
from tests.support.pictured import PICTURED
from tests.support.products import FakePictureReader
from workers.tickets.stages import TicketStages

REDO, RETRIES = "tickets.redo", ("tickets.retry.1", "tickets.retry.2", "tickets.retry.3")


class NowPool(HostPool):
    """Runs each task at once; `held` tasks, those of a host that hangs, never end."""

    def __init__(self, hung: str = "") -> None:
        super().__init__(1, 1)
        self._hung = hung

    def submit(self, host: str, task: Callable[[], Result]) -> "Future[Result]":
        """Run a task, unless its host hangs."""
        future: Future[Result] = Future()
        if not host or host != self._hung:
            try:
                future.set_result(task())
            except Exception as error:  # noqa: BLE001  (whoever waits for the future gets it)
                future.set_exception(error)
        return future


class FakeAttachedReader(AttachedPictureReader):
    """Reads drawings; what is drawn is the text in the picture."""

    def __init__(self) -> None:
        self._drawings = FakePictureReader()

    @property
    def fingerprint(self) -> str:
        """A fixed fingerprint."""
        return "4ead4ead"

    def read(self, content: MediaContent, field: str) -> AttachedPicture:
        """Read a drawing."""
        picture = self._drawings.read(content, field)
        said = bytes(content).decode().partition(" of ")[2]
        return AttachedPicture(picture.pixels, said, picture.width_px, picture.height_px)


def _stages(resources: Resources) -> TicketStages:
    return TicketStages.of(replace(resources, attached=FakeAttachedReader()))


DRAWN_TICKETS = replace(PICTURED, stages=_stages)


@dataclass
class Tickets:
    """A worker of tickets with drawings."""

    collection: FakeCollection = field(default_factory=FakeCollection)
    pool: HostPool = field(default_factory=NowPool)
    parts: Assembly = field(init=False)
    offset: int = 0

    def __post_init__(self) -> None:
        """Put the parts together."""
        self.parts = Assembly(stream=DRAWN_TICKETS, collection=self.collection, pool=self.pool)

    def record(self, fields: dict[str, Any], topic: str = "tickets") -> Record:
        """Return the record of an event."""
        value = json.dumps(fields).encode()
        key = PICTURED.key(TICKET_EVENT.validate_json(value))
        return self.given(Message(topic, key, value))

    def given(self, message: Message) -> Record:
        """Return a message as a worker reads it."""
        self.offset += 1
        at_ms = 1_700_000_000_000
        return Record(message.topic, 0, self.offset, at_ms, message.key, message.value, message.headers)

    def settle(self, *events: dict[str, Any]) -> list[Settled]:
        """Settle events as one batch; what they send to the redo topic stays there."""
        return self.parts.settle(*(self.record(each) for each in events))

    def sent(self) -> list[tuple[str, str, int]]:
        """Return what was sent to the redo topic: the reason, the id of the picture and the version of each event."""
        read = [TICKET_EVENT.validate_json(each.value or b"") for each in self.parts.delivered(REDO)]
        pictures = [each for each in read if isinstance(each, TicketImage | TicketImageRemoved)]
        return [(each.reason, each.image_id, each.event_version) for each in pictures]

    def finish(self) -> list[Settled]:
        """Process what is in the redo topic and the retry lane, until nothing is left; return what became of it."""
        settled: list[Settled] = []
        done = 0
        while done < len(self.parts.sink.delivered):
            message = self.parts.sink.delivered[done]
            done += 1
            if message.topic == REDO or message.topic in RETRIES:
                settled += self.parts.settle(self.given(replace(message, topic=REDO)))
        return settled

    def alive(self, ticket_id: str = "T-1") -> dict[str, int]:
        """Return the version of each picture of a ticket whose point is no tombstone, by its id."""
        found = [each.payload for each in self.collection.points.values()]
        mine = [each for each in found if each.get("attached_to") == ticket_id]
        return {str(each["image_id"]): int(str(each["event_version"])) for each in mine}

    def payload(self, image_id: str | None = None, ticket_id: str = "T-1") -> dict[str, Any]:
        """Return the payload of the point of a ticket, or of one of its pictures."""
        source_id = ticket_id if image_id is None else attached_id(ticket_id, image_id)
        return dict(self.collection.points[PICTURED.point_id("acme", source_id)].payload)
