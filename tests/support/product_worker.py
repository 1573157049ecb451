"""A worker of products over stand-ins, its events, and what it published and stored."""

import json
from dataclasses import dataclass, field
from typing import Any, cast

from schemas.duplicates import PAIR_SEPARATOR, NearDuplicate, pair_id
from schemas.outcomes import Outcome
from schemas.products import ProductClassified
from shared.deadletters.envelope import DeadLetter, read_dead_letter
from shared.engine.stream import Stream
from shared.records import Record
from shared.vectorstore.port import VERSION_FIELD, Collection
from tests.support.assembly import Assembly
from tests.support.fakes import FakeCollection
from tests.support.letters import record_of
from tests.support.products import DRAWN_PRODUCTS, drawn
from workers.products.stages import RESULT_TOPIC

TENANT = "acme"


class Unlisted:
    """A collection whose effects go to no list."""

    def __init__(self, inner: Collection) -> None:
        self.effects: list[str] = []
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        """Return the collection's attribute."""
        return getattr(self._inner, name)


@dataclass
class Products:
    """A worker of products. Its pictures are drawings, unless another stream is given.

    A collection on disk can be given in place of that in memory; `stored`, `change` and `versions` do not read it.
    """

    stream: Stream[Any, Any] = DRAWN_PRODUCTS
    collection: Collection | None = None
    parts: Assembly = field(init=False)
    offset: int = 0

    def __post_init__(self) -> None:
        """Put the parts together."""
        given = FakeCollection() if self.collection is None else cast("FakeCollection", Unlisted(self.collection))
        self.parts = Assembly(stream=self.stream, collection=given)

    def image(self, image_id: str, version: int = 1, reason: str = "created", **changes: Any) -> Record:
        """Return the record of an image, of a product of its own; a value of `...` leaves the field out."""
        fields = {
            "event_version": version,
            "reason": reason,
            "image_id": image_id,
            "product_id": f"of {image_id}",
            "image": drawn("a mug"),
        }
        if reason == "deleted":
            del fields["product_id"], fields["image"]
        return self.record(fields | changes)

    def verdict(self, one: str, other: str, verdict: object, version: int = 1, **changes: Any) -> Record:
        """Return the record of a verdict, under the key of the pair unless another one is given."""
        fields = {"event_version": version, "reason": "judged", "images": [one, other], "verdict": verdict}
        key = changes.pop("key", None)
        return self.record(fields | changes, pair_id(one, other) if key is None else key)

    def record(self, fields: dict[str, Any], source_id: str | None = None) -> Record:
        """Return the record of an event with these fields."""
        known = {"schema_version": 1, "event_id": "e", "tenant_id": TENANT, "occurred_at": "2026-05-01T10:00:00Z"}
        event = {name: value for name, value in (known | fields).items() if value is not ...}
        self.offset += 1
        key = f"{event['tenant_id']}:{source_id or event['image_id']}".encode()
        return Record("products", 0, self.offset, 1_700_000_000_000, key, json.dumps(event).encode())

    def settle(self, *records: Record) -> list[Outcome]:
        """Settle a batch and return the outcomes."""
        return [each.outcome for each in self.parts.settle(*records)]

    def results(self) -> list[ProductClassified]:
        """Return every result."""
        return [ProductClassified.model_validate_json(each.value or b"") for each in self.parts.delivered(RESULT_TOPIC)]

    def result(self, *records: Record) -> ProductClassified:
        """Settle a batch that publishes one result, and return it."""
        before = len(self.results())
        self.settle(*records)
        [result] = self.results()[before:]
        return result

    def near(self, *records: Record) -> list[str]:
        """Settle a batch that publishes one result, and return the ids of its near-duplicates."""
        return [each.image_id for each in self.result(*records).near_duplicates]

    def near_duplicate(self, *records: Record) -> NearDuplicate:
        """Settle a batch that publishes one result with one near-duplicate, and return that."""
        [found] = self.result(*records).near_duplicates
        return found

    def dead_letters(self) -> list[DeadLetter]:
        """Return every dead letter."""
        read = [read_dead_letter(record_of(each)) for each in self.parts.delivered("products.dlq")]
        assert all(isinstance(each, DeadLetter) for each in read)
        return [each for each in read if isinstance(each, DeadLetter)]

    def stored(self, source_id: str = "I-1", tenant: str = TENANT) -> dict[str, Any]:
        """Return the payload of a point."""
        return dict(self.parts.collection.points[self.stream.point_id(tenant, source_id)].payload)

    def change(self, source_id: str, **fields: Any) -> None:
        """Change the payload of a point, as another program may; a value of `...` removes the field."""
        payload: Any = self.parts.collection.points[self.stream.point_id(TENANT, source_id)].payload
        payload.update(fields)
        for name in [name for name, value in fields.items() if value is ...]:
            del payload[name]

    def versions(self) -> dict[str, int]:
        """Return the version of every point by its source id, with a plus sign between the ids of a pair."""
        payloads = [each.payload for each in self.parts.collection.points.values()]
        return {str(each["image_id"]).replace(PAIR_SEPARATOR, "+"): int(str(each[VERSION_FIELD])) for each in payloads}
