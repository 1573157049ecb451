"""The streams that suites run on: tickets, calls, products, and the notes that exist in the tests only.

No suite asks which one it has. What a suite says of all of them is said in the words of tickets: an event carries a text,
and its reason is created, updated, solved, rated, reopened or deleted. A `Kind` knows what that is in its stream.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from millrace import cli
from millrace.streams import STREAMS
from schemas.topics import retry_topics
from shared.engine.stream import Published, Stream
from shared.records import Message, Record
from shared.stream_settings import BatchSettings
from tests.support.calls import SPOKEN_CALLS, content_of, spoken
from tests.support.notes import NOTES
from tests.support.products import DRAWN_PRODUCTS, drawing, drawn
from workers.tickets.stages import TICKETS

TENANT = "acme"
SHORT_CALL_S = 60
"""The seconds of sound that a batch counts for a call, however short it is."""

MOST_PICTURES = 1_000
"""More pictures than a batch counts for an image of a test, however long its texts are."""

ANY_TEXT = "It should have been here on Monday."


def _unchanged(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Kind:
    """A stream, and functions that make its events.

    Attributes:
        stream: The stream.
        claim: The field of a result that must be equal in two results of one version.
        content_field: The field of an event that carries its content.
        content: Returns the value of that field for a text.
        fixed: Other fields that every event but a deletion has; a function is called with the source id.
        text_field: A field of an event in which any short text is valid; `a.b` is field `b` of an object `a`.
        stored_field: The field of a stored point that has the text, or holds it.
        text_in: Returns the text from the value of that field.
        reasons: The stream's own reasons, by those of tickets, where they differ.
        media_field: The field of an event whose content may be given by reference; None if it has none.
        medium: Returns content that can be used in that field.
        medium_digest: The field of a stored point that shows which content was read.
    """

    stream: Stream[Any, Any]
    claim: tuple[str, ...]
    content_field: str = "body"
    content: Callable[[str], Any] = _unchanged
    fixed: Mapping[str, Any] = field(default_factory=dict)
    text_field: str = "body"
    stored_field: str = "body"
    text_in: Callable[[Any], str] = _unchanged
    reasons: Mapping[str, str] = field(default_factory=dict)
    media_field: str | None = None
    medium: Callable[[], bytes] = lambda: b"content"
    medium_digest: str = "text_digest"

    @property
    def name(self) -> str:
        """The stream's name, which is that of its input topic too."""
        return self.stream.name

    @property
    def redo(self) -> str:
        """The topic of records to be processed again."""
        return f"{self.name}.redo"

    @property
    def dlq(self) -> str:
        """The topic of its dead letters."""
        return f"{self.name}.dlq"

    @property
    def quarantine(self) -> str:
        """The topic of dead letters that were replayed too often."""
        return f"{self.name}.quarantine"

    @property
    def retries(self) -> list[str]:
        """The topics of records that wait, by tier."""
        return list(retry_topics(self.name))

    @property
    def ledger(self) -> str:
        """The topic of its ledger."""
        return f"{self.name}.outcomes"

    @property
    def results(self) -> str:
        """The topic of its results."""
        return self.stream.result_topic

    @property
    def topics(self) -> list[str]:
        """The names of all its topics."""
        return [topic.name for topic in self.stream.topics()]

    @property
    def group(self) -> str:
        """The consumer group of its workers."""
        return f"millrace-{self.name}"

    def event(
        self, source_id: str = "T-1", version: int = 1, reason: str = "created", text: Any = ANY_TEXT, **changes: Any
    ) -> dict[str, Any]:
        """Return a valid event, with changes; a value of `...` leaves the field out.

        Args:
            source_id: The id of the item.
            version: The version of the event.
            reason: The reason, in the word of tickets.
            text: What the event says. What is not a text stands in the event as it is. A deletion says nothing.
            changes: Other fields, in the words of the stream.
        """
        content = self.content(text) if isinstance(text, str) else text
        fixed = {name: value(source_id) if callable(value) else value for name, value in self.fixed.items()}
        fields: dict[str, Any] = {
            "schema_version": 1,
            "event_id": "e-1",
            "tenant_id": TENANT,
            "event_version": version,
            "occurred_at": "2026-05-01T10:00:00Z",
            "reason": self.reasons.get(reason, reason),
            self.stream.id_field: source_id,
            **({} if reason == "deleted" else {self.content_field: content, **fixed}),
        }
        return {name: value for name, value in (fields | changes).items() if value is not ...}

    def referring(self, uri: str, source_id: str = "T-1", version: int = 1, reason: str = "created") -> dict[str, Any]:
        """Return a valid event whose medium is given by reference."""
        assert self.media_field is not None
        return self.event(source_id, version, reason) | {self.media_field: {"uri": uri}}

    def deleted(self, source_id: str = "T-1", version: int = 1) -> dict[str, Any]:
        """Return a deletion."""
        return self.event(source_id, version, "deleted")

    def record(self, fields: dict[str, Any], offset: int = 0, **changes: Any) -> Record:
        """Return the record of an event, under its own key."""
        key = f"{fields.get('tenant_id')}:{fields.get(self.stream.id_field)}".encode()
        values = {
            "topic": self.name,
            "timestamp_ms": 1_700_000_000_000,
            "key": key,
            "value": json.dumps(fields).encode(),
        }
        return Record(partition=0, offset=offset, **(values | changes))  # type: ignore[arg-type]  # any field may be changed

    def text_of(self, payload: Mapping[str, Any]) -> str | None:
        """Return the text that a stored point holds; None if it is a tombstone."""
        return self.text_in(payload[self.stored_field]) if self.stored_field in payload else None

    def point_id(self, source_id: str = "T-1") -> UUID:
        """Return the id of an item's point."""
        return self.stream.point_id(TENANT, source_id)

    def contradicted(self, value: bytes | None) -> bytes:
        """Return a result that contradicts the given one about the same version."""
        result = json.loads(value or b"")
        *outer, last = self.claim
        held = result
        for name in outer:
            held = held[name]
        held[last] = "2026-05-02T10:00:00Z"
        return json.dumps(result).encode()

    def published(self, records: Sequence[Record | Message]) -> list[Published]:
        """Read results."""
        return [self.stream.read_result(record.value) for record in records]


def _words(transcript: Mapping[str, Any]) -> str:
    return " ".join(segment["text"] for segment in transcript["segments"])


def limited_to(records: int) -> BatchSettings:
    """Return the settings of batches that only their number of records limits, in every stream."""
    return BatchSettings(max_records=records, max_sound_s=records * SHORT_CALL_S, max_pictures=records * MOST_PICTURES)


TICKET_KIND = Kind(TICKETS, ("decision", "action_reason"))
NOTE_KIND = Kind(NOTES, ("occurred_at",), media_field="attachment", medium_digest="attachment_digest")
CALL_KIND = Kind(
    SPOKEN_CALLS,
    ("decision", "action_reason"),
    content_field="audio",
    content=spoken,
    text_field="attributes.a",
    stored_field="transcript",
    text_in=_words,
    reasons={"created": "recorded", "solved": "rated", "reopened": "progress"},
    media_field="audio",
    medium=lambda: content_of(ANY_TEXT),
)
PRODUCT_KIND = Kind(
    DRAWN_PRODUCTS,
    ("decision", "action_reason"),
    content_field="title",
    fixed={"product_id": str, "image": drawn("a mug")},
    text_field="attributes.a",
    stored_field="title",
    reasons={"solved": "catalogued", "rated": "catalogued", "reopened": "updated"},
    media_field="image",
    medium=lambda: drawing("a lamp"),
    medium_digest="image_digest",
)
KINDS = [TICKET_KIND, NOTE_KIND, CALL_KIND, PRODUCT_KIND]
SLOW_KINDS = [TICKET_KIND, CALL_KIND]
"""For suites in which every stream takes long: calls ask more of a worker than notes do."""

WITH_MEDIA = [kind for kind in KINDS if kind.media_field is not None]
WITH_ATTRIBUTES = [kind for kind in KINDS if "attributes" in kind.stream.snapshot.model_fields]
on_each_stream = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
"""Runs a test on each stream, as its argument `kind`."""


def kind_of_name(name: str) -> Kind:
    """Return the stream of a name."""
    return next(kind for kind in KINDS if kind.name == name)


def main() -> None:
    """Run the command line with every stream of the tests."""
    STREAMS.update({kind.name: kind.stream for kind in KINDS})
    cli.main()


if __name__ == "__main__":
    main()
