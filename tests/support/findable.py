"""Points of three streams for the tests of one search over all of them, and sources over collections in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from schemas.points import point_id
from shared.embedding.image.words import WORDS
from shared.embedding.port import Matrix
from shared.engine.stream import Stream
from shared.records import Point, Vector
from shared.search.federated.source import Source, SourceParts
from shared.vectorstore.terms import CALL_TERMS, TICKET_TERMS, Terms
from tests.support.fakes import FakeCollection, FakeModel
from workers.calls.stages import CALLS
from workers.products.stages import PRODUCTS
from workers.tickets.stages import TICKETS

WIDE = 64
"""Length of the vectors: two drawn ones are nearly orthogonal, so that an equal text stands out."""

PICTURE_WEIGHT = 0.6
SHARED: Mapping[str, Any] = {
    "event_version": 1,
    "label": None,
    "occurred_at": "2026-01-01T00:00:00Z",
    "detected_language": "en",
}
TERMS_OF: Mapping[str, Terms] = {"tickets": Terms(TICKET_TERMS), "calls": Terms(CALL_TERMS)}


def drawn(text: str, dim: int = WIDE) -> Vector:
    """Return the vector of a text; equal texts have equal ones, others are nearly orthogonal."""
    return FakeModel(dim).embed([text]).vectors[0]


def between(one: Vector, other: Vector, share: float) -> Vector:
    """Return a unit vector between two: the given share of the first, the rest of the second."""
    mixed = share * one + (1 - share) * other
    return np.asarray(mixed / np.linalg.norm(mixed), np.float32)


def ticket(ticket_id: str, text: str, dim: int = WIDE, **changes: Any) -> Point:
    """Return the point of a ticket."""
    payload = {"tenant_id": "acme", "ticket_id": ticket_id, "subject": ticket_id, "body": text, **SHARED, **changes}
    return _point(TICKETS, payload, {"text": drawn(text, dim)}, text)


def call(call_id: str, text: str, dim: int = WIDE, **changes: Any) -> Point:
    """Return the point of a call; `text` is what is said."""
    payload = {"tenant_id": "acme", "call_id": call_id, "excerpt": text, **SHARED, **changes}
    return _point(CALLS, payload, {"text": drawn(text, dim)}, text)


def product(image_id: str, picture: str, text: str = "", dim: int = WIDE, **changes: Any) -> Point:
    """Return the point of a product; `picture` are the words that its picture shows, `text` its title."""
    payload: dict[str, Any] = {
        "tenant_id": "acme",
        "image_id": image_id,
        "product_id": f"P-{image_id}",
        "title": text or None,
    }
    payload |= {**SHARED, "description": None, "price": 9.5, "currency": "EUR", **changes}
    vectors = {"image": drawn(f"pixels of {picture}", dim), WORDS: drawn(picture, dim)}
    return _point(PRODUCTS, payload, vectors | ({"text": drawn(text, dim)} if text else {}), "")


def _point(stream: Stream[Any, Any], payload: dict[str, Any], vectors: dict[str, Vector], text: str) -> Point:
    which = point_id(payload["tenant_id"], stream.name, payload[stream.id_field])
    terms = {"terms": TERMS_OF[stream.name].of_document(text)} if stream.name in TERMS_OF else {}
    return Point(which, payload["event_version"], vectors, payload, terms)


def with_vectors(point: Point, **vectors: Vector) -> Point:
    """Return a point with other vectors."""
    return replace(point, vectors={**point.vectors, **vectors})


def memory(*points: Point) -> FakeCollection:
    """Return a collection in memory with these points, and no effects yet."""
    made = FakeCollection(dimensions=dict.fromkeys(("text", "image", WORDS), WIDE))
    made.upsert(points)
    made.effects.clear()
    return made


def source(stream: Stream[Any, Any], collection: FakeCollection, candidates: int = 10) -> Source:
    """Return what is searched of a stream; all its pictures are of one model."""
    assert stream.findable is not None
    vectors = {"tickets": ("text",), "calls": ("text",), "products": ("image", WORDS, "text")}[stream.name]
    parts = SourceParts(
        stream=stream.name,
        id_field=stream.id_field,
        collection=collection,
        vectors=vectors,
        findable=stream.findable,
        is_ours=stream.points.is_ours,
        image_space="one model",
    )
    return Source(parts, PICTURE_WEIGHT, candidates)


def asked_by(embed: Callable[[str], Vector], texts: Sequence[str]) -> dict[str, Matrix]:
    """Return the vectors of texts, as the encoder of a source does; questions to pictures are the same words."""
    rows = np.array([embed(text) for text in texts], np.float32)
    return {"text": rows, "words": rows}
