"""A stored item as a question of one search: by its text, and by its pictures or those that are attached to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from millrace.federated import OpenSource, SearchModels, prepared, text_vectors
from schemas.attachments import attached_id
from shared.attachments import Listing
from shared.embedding.port import IMAGE
from shared.errors import Fatal
from shared.records import Vector
from shared.search.federated.federation import Question
from shared.vectorstore.port import is_unit


@dataclass(frozen=True, slots=True, eq=False)
class StoredItem:
    """What a stored item is searched by.

    Attributes:
        stream: Its stream.
        source_id: Its id in its source system.
        text: Its text; empty without one.
        pictures: The vectors of its pictures, each of shape (dim,), float32, unit length.
        image_space: Fingerprint of the model that they are of; None without pictures.
    """

    stream: str
    source_id: str
    text: str
    pictures: tuple[Vector, ...]
    image_space: str | None

    def questions(self, sources: Sequence[OpenSource], models: SearchModels, asked: Question) -> list[Question]:
        """Return the questions: one by the text, and one for each picture.

        Args:
            sources: The streams that are asked.
            models: The models of questions.
            asked: The tenant, the conditions, the number of hits and the false rate.

        Raises:
            Fatal: a model cannot be loaded, or there is nothing to ask by.
        """
        text = prepared(sources[0], self.text) if self.text.strip() else ""
        found: list[tuple[dict[str, dict[str, Vector]], str]] = []
        if text:
            found.append((text_vectors(sources, models, self.text), text))
        alike = [each.stream.name for each in sources if each.has_pictures and _space(each) == self.image_space]
        if alike:
            found += [({name: {"picture": picture} for name in alike}, "") for picture in self.pictures]
        if not found:
            raise Fatal(f"{self.stream}:{self.source_id} has neither a text nor a picture that can be searched by")
        return [
            Question(asked.tenant_id, vectors, said, asked.where, asked.limit, asked.false_rate)
            for vectors, said in found
        ]


def stored_item(sources: Sequence[OpenSource], tenant_id: str, name: str) -> StoredItem:
    """Return a stored item.

    Args:
        sources: The streams that can be searched.
        tenant_id: The tenant of the item.
        name: `stream:id`.

    Raises:
        Fatal: the stream is not searched, or holds no such item of the tenant.
    """
    stream, _, source_id = name.partition(":")
    source = next((each for each in sources if each.stream.name == stream), None)
    if source is None or not source_id:
        known = ", ".join(each.stream.name for each in sources)
        raise Fatal(f"{name!r} is no item of a stream that is searched: write stream:id, with one of {known}")
    which = source.stream.point_id(tenant_id, source_id)
    stored = source.collection.lookup([which]).get(which)
    if stored is None or source.stream.findable is None or stored.payload.get("deleted") is True:
        raise Fatal(f"{stream} hold no item {source_id} of tenant {tenant_id}")
    try:
        card = source.stream.findable.read(stored.payload)
    except ValidationError as error:
        raise Fatal(f"{name} was overwritten by another program") from error
    attached = (attached_id(source_id, each.image_id) for each in Listing.of(stored.payload).images)
    listed = {source.stream.point_id(tenant_id, each) for each in attached}
    every = [stored, *source.collection.lookup(listed).values()] if listed else [stored]
    pictures = [each.vectors[IMAGE.name] for each in every if IMAGE.name in each.vectors]
    usable = tuple(each for each in pictures if is_unit(each))
    return StoredItem(stream, source_id, card.text, usable, _space(source) if usable else None)


def _space(source: OpenSource) -> str | None:
    card = source.image_card
    return None if card is None else card.fingerprint
