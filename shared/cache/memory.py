"""The in-process cache, limited in bytes; it drops the least recently used entries first."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from typing_extensions import override

from shared.cache.port import VectorCache
from shared.records import Embedded

ENTRY_OVERHEAD_BYTES = 320
"""Memory of an entry besides its vector's data: key, array object and dictionary slot, measured on CPython 3.11."""


class MemoryCache(VectorCache):
    """A thread-safe LRU cache of vectors.

    Args:
        limit_bytes: The largest memory that the cache may use; with 0 it stores nothing.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._entries: OrderedDict[bytes, Embedded] = OrderedDict()
        self._lock = threading.Lock()

    @override
    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Embedded]:
        found: dict[bytes, Embedded] = {}
        with self._lock:
            for key in keys:
                embedded = self._entries.get(key)
                if embedded is not None:
                    self._entries.move_to_end(key)
                    found[key] = embedded
        return found

    @override
    def put_many(self, vectors: Mapping[bytes, Embedded]) -> None:
        """Store copies of vectors, and drop the least recently used entries beyond the limit."""
        with self._lock:
            for key, embedded in vectors.items():
                self._drop(key)
                kept = embedded.vector.copy()  # a row of a batch's matrix would keep the whole matrix alive
                kept.flags.writeable = False
                self._entries[key] = Embedded(kept, embedded.windows)
                self._used_bytes += kept.nbytes + ENTRY_OVERHEAD_BYTES
            while self._used_bytes > self._limit_bytes:
                self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        dropped = self._entries.pop(key, None)
        if dropped is not None:
            self._used_bytes -= dropped.vector.nbytes + ENTRY_OVERHEAD_BYTES
