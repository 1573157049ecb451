"""The part of the demo with tickets that have pictures: they are routed at once, and their pictures follow."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from uuid import UUID

from rich.console import Console

from millrace.demo.sample_files import event_message, inline, rows_of
from millrace.resources import Process
from millrace.wiring import redrive_of
from schemas.attachments import attached_id
from shared.attachment_settings import AttachmentSettings
from shared.broker.producer import KafkaSink
from shared.engine.stream import Stream
from shared.errors import MillraceError
from shared.metrics.registry import Registry
from shared.stream_settings import RetrySettings, StreamSettings

READING_PACKAGE = "rapidocr"
FIELDS = ("ticket_id", "reason", "occurred_at", "subject", "body", "language", "channel", "customer_id")
TIERS_S = (1.0, 2.0, 4.0)
"""Pictures come back after this time in the demo, in seconds, instead of ten."""


def reads_pictures(own: StreamSettings, has_image_model: bool) -> StreamSettings:
    """Return the settings of tickets, with their pictures read if all that it needs is installed."""
    if not has_image_model or find_spec(READING_PACKAGE) is None:
        return own
    changes = {"attachments": AttachmentSettings(read=True), "retry": RetrySettings(tiers_s=TIERS_S)}
    return own.model_copy(update=changes)


@dataclass(frozen=True, slots=True)
class PicturedTickets:
    """The part of the demo; the worker of tickets runs meanwhile.

    Attributes:
        stream: The stream of tickets.
        console: Where it is shown.
        process: Broker, store and settings.
        tenant: The tenant of all samples.
        wait_until: Waits until something is done.
    """

    stream: Stream[Any, Any]
    console: Console
    process: Process
    tenant: str
    wait_until: Callable[[Callable[[], bool]], None]

    def play(self, sink: KafkaSink) -> None:
        """Send the tickets, wait until their pictures are stored, and show what was read in them.

        Raises:
            MillraceError: the redrive failed, or the collection does not exist.
        """
        rows = rows_of("pictured.jsonl")
        self.console.print(
            f"\n{len(rows)} tickets with a picture arrive: they are routed at once, their pictures follow."
        )
        collection = self.process.store.open_alias(self.stream.name)
        if collection is None:
            raise MillraceError(f"the store has no collection of the stream {self.stream.name}")
        ids = {
            self.stream.point_id(self.tenant, attached_id(row["ticket_id"], image_id)): row["ticket_id"]
            for row in rows
            for image_id in row["images"]
        }
        with self._redrive() as failure:
            sink.produce([event_message(self.stream, self.tenant, _event(row)) for row in rows])
            sink.flush()
            stored: dict[UUID, Any] = {}

            def all_stored() -> bool:
                if failure:
                    raise MillraceError(f"the redrive failed: {failure[0]}")
                stored.update(collection.payloads(set(ids), ("image_id", "read_text")))
                return len(stored) == len(ids)

            self.wait_until(all_stored)
        for which, payload in sorted(stored.items(), key=lambda each: ids[each[0]]):
            text = " | ".join((payload["read_text"] or "no text").splitlines())
            self.console.print(f"  {ids[which]}, {payload['image_id']}: {text}", markup=False)

    @contextmanager
    def _redrive(self) -> Iterator[list[BaseException]]:
        """Run the redrive meanwhile; the list will hold its error if it fails."""
        failure: list[BaseException] = []
        redrive = redrive_of([self.stream], self.process.settings, self.process.address, Registry())

        def work() -> None:
            try:
                redrive.run()
            except BaseException as error:  # noqa: BLE001  (reported by `play`)
                failure.append(error)

        thread = threading.Thread(target=work, name="redrive", daemon=True)
        thread.start()
        try:
            yield failure
        finally:
            redrive.lifecycle.stop()
            thread.join()


def _event(row: dict[str, Any]) -> dict[str, Any]:
    images = [{"image_id": image_id, "image": inline(file)} for image_id, file in row["images"].items()]
    return {**{name: row[name] for name in FIELDS}, "images": images}
