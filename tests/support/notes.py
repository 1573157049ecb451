"""A stream that exists in the tests only: notes, which have a text, perhaps an attachment, and no decision.

It is a complete new stream.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.base import Deletion, Event, EventVersion, Frozen, Origin, SourceId, TenantId, UtcDatetime
from schemas.media import Media
from schemas.points import StoredItem, Tombstone
from shared.embedding.port import TEXT
from shared.engine.snapshots import Asks, Item
from shared.engine.stream import Content, Input, Stream


class Named(Frozen):
    note_id: SourceId


class Note(Event, Named):
    reason: Literal["created", "updated", "solved", "rated", "reopened"]
    body: str = ""
    attachment: Media | None = None


class NoteDeleted(Deletion, Named):
    pass


class NotePayload(StoredItem, Named):
    body: str
    text_digest: str
    text_windows: int
    attachment_digest: str | None


class NoteTombstone(Tombstone, Named):
    pass


class NoteFiled(Named):
    tenant_id: TenantId
    event_version: EventVersion
    occurred_at: UtcDatetime
    source: Origin


@dataclass(slots=True, kw_only=True)
class NoteItem(Item[Note | NoteDeleted]):
    attachment_digest: str | None = None


EVENT: TypeAdapter[Note | NoteDeleted] = TypeAdapter(Annotated[Note | NoteDeleted, Field(discriminator="reason")])


class NoteStages:
    def prepare(self, items: Sequence[NoteItem]) -> None:
        for item in items:
            item.inputs = {"text": _text(item)} if isinstance(item.event, Note) else {}

    def read_media(self, item: NoteItem, name: str, content: bytes) -> None:
        item.attachment_digest = sha256(content).hexdigest()

    def decide(self, items: Sequence[NoteItem]) -> None:
        pass

    def content(self, item: NoteItem) -> Content:
        return Content({"body": item.inputs["text"], "attachment_digest": item.attachment_digest})

    def results(self, item: NoteItem, origin: Origin) -> list[tuple[str, Frozen]]:
        tenant, version = item.event.tenant_id, item.version
        at = item.occurred_at
        filed = NoteFiled(
            tenant_id=tenant, note_id=item.source_id, event_version=version, occurred_at=at, source=origin
        )
        return [("notes.filed", filed)]


def media(event: Note | NoteDeleted) -> Mapping[str, Media]:
    attachment = event.attachment if isinstance(event, Note) else None
    return {} if attachment is None else {"attachment": attachment}


def _text(item: NoteItem) -> str:
    body = item.event.body if isinstance(item.event, Note) else ""
    return body if item.attachment_digest is None else f"{body} {item.attachment_digest}"


def asks(event: Note | NoteDeleted) -> Asks:
    return {"created": Asks.ALWAYS, "updated": Asks.IF_CHANGED, "reopened": Asks.IF_CHANGED}.get(
        event.reason, Asks.NEVER
    )


NOTES: Stream[Note | NoteDeleted, NoteItem] = Stream(
    name="notes", id_field="note_id", events=EVENT, snapshot=Note, payload=NotePayload, tombstone=NoteTombstone,
    result=NoteFiled, result_topics=("notes.filed",), item=NoteItem, media=media, asks=asks, decides=False,
    inputs=(Input("text", TEXT, affects_result=True),), cost=lambda record: 1, cost_unit="records",
    stages=lambda _: NoteStages(),
)  # fmt: skip
