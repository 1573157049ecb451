"""The streams that suites run on: tickets, and the notes that exist in the tests only. No suite asks which one it has."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from millrace import cli
from millrace.streams import STREAMS
from shared.engine.stream import Published, Stream
from shared.records import Message, Record
from tests.support.notes import NOTES
from workers.tickets.stages import TICKETS

TENANT = "acme"


@dataclass(frozen=True)
class Kind:
    """A stream, and functions that make its events.

    Attributes:
        stream: The stream.
        claim: The field of a result that must be equal in two results of one version.
    """

    stream: Stream[Any, Any]
    claim: tuple[str, ...]

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
        self, source_id: str = "T-1", version: int = 1, reason: str = "created", **changes: Any
    ) -> dict[str, Any]:
        """Return a valid event, with changes; a value of `...` leaves the field out."""
        fields: dict[str, Any] = {
            "schema_version": 1,
            "event_id": "e-1",
            "tenant_id": TENANT,
            "event_version": version,
            "occurred_at": "2026-05-01T10:00:00Z",
            "reason": reason,
            self.stream.id_field: source_id,
            "body": ... if reason == "deleted" else "It should have been here on Monday.",
        }
        return {name: value for name, value in (fields | changes).items() if value is not ...}

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


TICKET_KIND, NOTE_KIND = Kind(TICKETS, ("decision", "action_reason")), Kind(NOTES, ("occurred_at",))
KINDS = [TICKET_KIND, NOTE_KIND]
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
