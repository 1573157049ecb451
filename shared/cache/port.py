"""What the embedder asks of a cache of vectors."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from shared.records import Embedded


class VectorCache(Protocol):
    """Remembers vectors by key. May forget anything at any time; must never answer with another key's vector."""

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Embedded]:
        """Return the vectors known, read-only; keys that are not known are left out."""
        ...

    def put_many(self, vectors: Mapping[bytes, Embedded]) -> None:
        """Remember vectors."""
        ...


def cache_key(modality: str, content: bytes, fingerprint: str) -> bytes:
    """Return SHA-256 over the three fields, each prefixed by its length, so that no boundary is ambiguous."""
    digest = sha256()
    for field in (modality.encode(), content, fingerprint.encode()):
        digest.update(len(field).to_bytes(8, "big"))
        digest.update(field)
    return digest.digest()
