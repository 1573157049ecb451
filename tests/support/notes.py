"""A stream that exists in the tests only: notes, which have a text and perhaps media, but no decision.

It is a complete new stream. Its attachments may be any file; its pictures and recordings are decoded.
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
from shared.engine.stages import Content
from shared.engine.stream import Input, Stream
from shared.media.decoding.decoder import Decoder
from shared.media.port import MediaContent


class Named(Frozen):
    note_id: SourceId


class Note(Event, Named):
    reason: Literal["created", "updated", "solved", "rated", "reopened"]
    body: str = ""
    attachment: Media | None = None
    picture: Media | None = None
    recording: Media | None = None


class NoteDeleted(Deletion, Named):
    pass


class NotePayload(StoredItem, Named):
    body: str
    text_digest: str
    text_windows: int
    attachment_digest: str | None
    picture_size_px: list[int] | None = None
    recording_s: float | None = None


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
    picture_size_px: list[int] | None = None
    recording_s: float | None = None


EVENT: TypeAdapter[Note | NoteDeleted] = TypeAdapter(Annotated[Note | NoteDeleted, Field(discriminator="reason")])


class NoteStages:
    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def prepare(self, items: Sequence[NoteItem]) -> None:
        for item in items:
            item.inputs = {"text": _text(item)} if isinstance(item.event, Note) else {}

    def read_media(self, item: NoteItem, name: str, content: MediaContent) -> None:
        if name == "picture":
            height_px, width_px, _ = self._decoder.picture(content, name).pixels.shape
            item.picture_size_px = [width_px, height_px]
        elif name == "recording":
            item.recording_s = self._decoder.sound(content, name, lambda window: None).duration_s
        else:
            item.attachment_digest = sha256(content).hexdigest()

    def decide(self, items: Sequence[NoteItem]) -> None:
        pass

    def content(self, item: NoteItem) -> Content:
        fields = ("attachment_digest", "picture_size_px", "recording_s")
        return Content({"body": item.inputs["text"], **{name: getattr(item, name) for name in fields}})

    def results(self, item: NoteItem, origin: Origin) -> list[tuple[str, Frozen]]:
        tenant, version = item.event.tenant_id, item.version
        at = item.occurred_at
        filed = NoteFiled(
            tenant_id=tenant, note_id=item.source_id, event_version=version, occurred_at=at, source=origin
        )
        return [("notes.filed", filed)]


def media_of(event: Note | NoteDeleted) -> Mapping[str, Media]:
    if not isinstance(event, Note):
        return {}
    found = {"attachment": event.attachment, "picture": event.picture, "recording": event.recording}
    return {name: media for name, media in found.items() if media is not None}


def _text(item: NoteItem) -> str:
    body = item.event.body if isinstance(item.event, Note) else ""
    return body if item.attachment_digest is None else f"{body} {item.attachment_digest}"


def asks(event: Note | NoteDeleted) -> Asks:
    return {"created": Asks.ALWAYS, "updated": Asks.IF_CHANGED, "reopened": Asks.IF_CHANGED}.get(
        event.reason, Asks.NEVER
    )


NOTES: Stream[Note | NoteDeleted, NoteItem] = Stream(
    name="notes", id_field="note_id", events=EVENT, snapshot=Note, payload=NotePayload, tombstone=NoteTombstone,
    result=NoteFiled, result_topics=("notes.filed",), item=NoteItem, media=media_of, asks=asks, decides=False,
    inputs=(Input("text", TEXT, affects_result=True),), cost=lambda record: 1, cost_unit="records",
    stages=lambda resources: NoteStages(resources.decoder),
)  # fmt: skip
