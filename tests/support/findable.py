"""Points of three streams for the tests of one search over all of them, and sources over collections in memory."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from millrace.configured import collection_spec
from millrace.streams import STREAMS
from schemas.points import point_id
from shared.embedding.image.words import WORDS
from shared.embedding.port import Embeddings, Matrix
from shared.engine.stream import Stream
from shared.records import Point, Vector
from shared.search.federated.parts import SourceParts
from shared.search.federated.source import Source
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.terms import CALL_TERMS, TICKET_TERMS, Terms
from tests.support.fakes import FakeCollection, FakeModel
from workers.calls.stages import CALLS
from workers.products.stages import PRODUCTS
from workers.tickets.stages import TICKETS

WIDE = 64
"""Length of the vectors: two drawn ones are nearly orthogonal, so that an equal text stands out."""

PICTURE_WEIGHT = 0.6
COLOURS = ("red", "green", "blue")
SHARED: Mapping[str, Any] = {
    "event_version": 1, "label": None, "occurred_at": "2026-01-01T00:00:00Z", "detected_language": "en",
}  # fmt: skip
"""The payload fields that all points have."""

TERMS_OF: Mapping[str, Terms] = {"tickets": Terms(TICKET_TERMS), "calls": Terms(CALL_TERMS)}


def drawn(text: str, dim: int = WIDE) -> Vector:
    """Return the vector of a text; equal texts have equal ones, others are nearly orthogonal."""
    vector: Vector = FakeModel(dim).embed([text]).vectors[0]
    return vector


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
        "tenant_id": "acme", "image_id": image_id, "product_id": f"P-{image_id}", "title": text or None,
        "description": None, "price": 9.5, "currency": "EUR", **SHARED, **changes,
    }  # fmt: skip
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
        point_id=stream.point_id,
        image_space="one model",
    )
    return Source(parts, PICTURE_WEIGHT, candidates)


def asked_by(embed: Callable[[str], Vector], texts: Sequence[str]) -> dict[str, Matrix]:
    """Return the vectors of texts, as the encoder of a source does; questions to pictures are the same words."""
    rows = np.array([embed(text) for text in texts], np.float32)
    return {"text": rows, "words": rows}


def open_store(folder: Path, streams: Sequence[str] = tuple(STREAMS)) -> EdgeStore:
    """Open an embedded store with the collections of streams, as their settings name them, for vectors of `WIDE`."""
    store = EdgeStore(folder)
    for name in streams:
        store.open(collection_spec(StreamSettings(), STREAMS[name], {"text": WIDE, "image": WIDE}))
    return store


def fill(folder: Path, **points: Sequence[Point]) -> None:
    """Write the points of each stream into an embedded store."""
    with closing(open_store(folder)) as store:
        for name, each in points.items():
            collection = store.open_alias(name)
            assert collection is not None
            collection.upsert(each)


class ColourModel(FakeModel):
    """Gives a picture the vector of `product` for the name of its strongest colour: red, green or blue."""

    def __init__(self) -> None:
        super().__init__(WIDE)
        self.sizes: list[int] = []

    def embed(self, pictures: Sequence[Any]) -> Embeddings:
        """Embed pictures."""
        self.sizes.append(len(pictures))
        colours = [COLOURS[int(np.argmax(each.mean((0, 1))))] for each in pictures]
        return super().embed([f"pixels of {colour}" for colour in colours])


@dataclass(frozen=True, slots=True)
class Fakes:
    """The models of the commands under test."""

    text: FakeModel
    pictures: ColourModel


def ask_few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the packaged questions by which chance is measured by 80 others, which takes less time."""
    texts = tuple(f"a question that fits nothing, number {number}" for number in range(80))
    monkeypatch.setattr("shared.search.federated.background.background_texts", lambda: texts)


def use_fakes(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Fakes:
    """Let the commands use a store and models without weights."""
    fakes = Fakes(FakeModel(WIDE), ColourModel())
    ask_few_questions(monkeypatch)
    monkeypatch.setenv("MILLRACE_STORE__PATH", str(folder))
    monkeypatch.setattr("millrace.federated.load_text_model", lambda _: fakes.text)
    monkeypatch.setattr("millrace.federated.load_image_model", lambda _: fakes.pictures)
    return fakes


ASKED = "where is my parcel"
OTHERS = tuple(f"something else, number {number}" for number in range(20))


def small_shop(tenant: str = "acme") -> dict[str, list[Point]]:
    """Return the points of a tenant: of each stream twenty that fit nothing, and one whose text is `ASKED`.

    The first three products show red, green and blue.
    """
    pictures = [*COLOURS, *OTHERS[len(COLOURS) :]]
    return {
        "tickets": [*(ticket(f"O-{n}", text, tenant_id=tenant) for n, text in enumerate(OTHERS)),
                    ticket("T-1", ASKED, tenant_id=tenant, subject="[b]bold[/b]")],
        "calls": [*(call(f"D-{n}", text, tenant_id=tenant) for n, text in enumerate(OTHERS)),
                  call("C-1", ASKED, tenant_id=tenant)],
        "products": [*(product(f"I-{n}", what, tenant_id=tenant) for n, what in enumerate(pictures)),
                     product("P-1", "a box", ASKED, tenant_id=tenant)],
    }  # fmt: skip


def save_picture(path: Path, colour: str) -> Path:
    """Write a picture of one colour, as PNG."""
    value = {"red": (250, 10, 10), "green": (10, 250, 10), "blue": (10, 10, 250)}[colour]
    Image.new("RGB", (32, 32), value).save(path)
    return path
