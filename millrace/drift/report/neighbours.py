"""What outliers are most similar to: stored items of the same tenant or, without a store, the nearest centroid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from schemas.drift import Outlier, unpacked_half
from shared.drift.reference import Reference
from shared.engine.stream import Stream
from shared.vectorstore.port import Collection, Hit, Query, is_unit

MOST_NEIGHBOURS = 3
TEXT_CHARS = 160


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A stored item near an outlier.

    Attributes:
        item_id: Its id in the source system.
        cosine: Cosine similarity to the outlier.
        text: The beginning of its masked text.
        label: The label that a person gave it; None without one.
    """

    item_id: str
    cosine: float
    text: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """An outlier as it is shown.

    Attributes:
        outlier: The outlier.
        text: The beginning of its own masked text; empty if it is not stored.
        centroid: The name of the nearest centroid; empty if its reference is not there any more.
        neighbours: The most similar items; empty without a store.
    """

    outlier: Outlier
    text: str = ""
    centroid: str = ""
    neighbours: tuple[Neighbour, ...] = ()


def without_store(outliers: Sequence[Outlier], reference: Reference | None) -> list[Shown]:
    """Return outliers with the names of the nearest centroids."""
    return [Shown(each, centroid=_centroid(each, reference)) for each in outliers]


def with_store(
    outliers: Sequence[Outlier], reference: Reference | None, stream: Stream[Any, Any], collection: Collection
) -> list[Shown]:
    """Return outliers with the most similar stored items of their tenants.

    Raises:
        Unavailable: the store cannot be read.
    """
    if stream.findable is None or not outliers:
        return without_store(outliers, reference)
    fields = tuple(dict.fromkeys((*stream.findable.fields, "tenant_id", stream.id_field)))
    asked = [each for each in outliers if is_unit(unpacked_half(each.vector))]
    queries = [
        Query(
            unpacked_half(each.vector), each.input, MOST_NEIGHBOURS + 1, {"tenant_id": each.tenant_id}, payload=fields
        )
        for each in asked
    ]
    hits = dict(zip([id(each) for each in asked], collection.search(queries), strict=True))
    points = {id(each): stream.point_id(each.tenant_id, each.item_id) for each in outliers}
    stored = collection.payloads(set(points.values()), fields)
    return [
        Shown(
            each,
            _text(stream, stored.get(points[id(each)])),
            _centroid(each, reference),
            _neighbours(stream, hits.get(id(each), []), points[id(each)]),
        )
        for each in outliers
    ]


def _neighbours(stream: Stream[Any, Any], hits: Sequence[Hit], itself: UUID) -> tuple[Neighbour, ...]:
    others = [hit for hit in hits if hit.id != itself and stream.points.is_ours(hit.id, hit.payload)]
    return tuple(
        Neighbour(
            str(hit.payload[stream.id_field]), hit.score, _text(stream, hit.payload), _label(hit.payload.get("label"))
        )
        for hit in others[:MOST_NEIGHBOURS]
    )


def _text(stream: Stream[Any, Any], payload: Mapping[str, object] | None) -> str:
    if payload is None or stream.findable is None:
        return ""
    try:
        text = " ".join(stream.findable.read(payload).text.split())
    except ValidationError:
        return ""  # deleted, or overwritten by another program
    return text if len(text) <= TEXT_CHARS else text[: TEXT_CHARS - 1] + "…"


def _label(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _centroid(outlier: Outlier, reference: Reference | None) -> str:
    if reference is None or reference.reference_id != outlier.reference:
        return ""
    return reference.names[outlier.centroid] if outlier.centroid < len(reference.names) else ""
