"""The interface of a cache of vectors, as the embedder uses it."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from shared.records import Embedded


class VectorCache(Protocol):
    """Stores vectors by key. It may lose any entry at any time, but must never return the vector of another key."""

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Embedded]:
        """Return the stored vectors, read-only; keys that are not stored are left out."""
        ...

    def put_many(self, vectors: Mapping[bytes, Embedded]) -> None:
        """Store vectors."""
        ...


def cache_key(modality: str, content: bytes, fingerprint: str) -> bytes:
    """Return SHA-256 over the three fields, each prefixed by its length, so that no boundary is ambiguous."""
    digest = sha256()
    for field in (modality.encode(), content, fingerprint.encode()):
        digest.update(len(field).to_bytes(8, "big"))
        digest.update(field)
    return digest.digest()
