"""Helpers of the vector store suites: a spec, points, unit vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid5

import numpy as np

from shared.records import Point, SparseVector, Vector
from shared.vectorstore.port import VERSION_FIELD, CollectionSpec
from tests.support.fakes import DIM

NAMESPACE = UUID("5a0e7d7c-3f0e-4f0a-9b5e-1d9c1a2b3c4d")
SPEC = CollectionSpec(
    alias="tickets",
    name="tickets__model-a__00000001",
    vectors={"text": DIM, "resolution": DIM},
    indexes={"tenant_id": "keyword", "flags": "keyword", "satisfaction": "integer"},
    sparse=("terms",),
)


def unit(*values: float) -> Vector:
    """Return the unit vector in the direction of these first coordinates."""
    vector = np.zeros(DIM, np.float32)
    vector[: len(values)] = values
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def drawn(seed: int) -> Vector:
    """Return a random unit vector."""
    return unit(*np.random.default_rng(seed).normal(size=DIM).tolist())


def point_id(number: int) -> UUID:
    """Return the id of a numbered point."""
    return uuid5(NAMESPACE, str(number))


def point(number: int, version: int = 1, vector: Vector | None = None, **payload: object) -> Point:
    """Return a numbered point with a text vector."""
    fields: dict[str, object] = {"tenant_id": "acme", "number": number, VERSION_FIELD: version}
    vectors = {"text": drawn(number) if vector is None else vector}
    return Point(point_id(number), version, vectors, fields | payload)


def terms(weights: Mapping[int, float]) -> SparseVector:
    """Return a sparse vector of these indices and values."""
    ordered = sorted(weights.items())
    return SparseVector(np.array([i for i, _ in ordered], np.uint32), np.array([v for _, v in ordered], np.float32))


def worded(number: int, weights: Mapping[int, float], version: int = 1, **payload: object) -> Point:
    """Return a numbered point with a text vector and terms."""
    return replace(point(number, version, None, **payload), sparse={"terms": terms(weights)})


def tombstone(number: int, version: int) -> Point:
    """Return a numbered point without a vector."""
    return Point(point_id(number), version, {}, {"tenant_id": "acme", VERSION_FIELD: version, "deleted": True})


def ids(points: Sequence[Point]) -> list[UUID]:
    """Return the ids of points."""
    return [each.id for each in points]
