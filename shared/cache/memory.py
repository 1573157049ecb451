"""The in-process cache: least recently used goes first, bounded by bytes."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from typing_extensions import override

from shared.cache.port import VectorCache
from shared.records import Embedded

ENTRY_OVERHEAD_BYTES = 320
"""What an entry costs beside its vector's data: key, array object and dictionary slot, measured on CPython 3.11."""


class MemoryCache(VectorCache):
    """A thread-safe LRU cache of vectors.

    Args:
        limit_bytes: The most memory it may take; 0 remembers nothing.
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
        """Remember copies, and forget the least recently used beyond the limit."""
        with self._lock:
            for key, embedded in vectors.items():
                self._forget(key)
                kept = embedded.vector.copy()  # a row of a batch's matrix would keep the whole matrix alive
                kept.flags.writeable = False
                self._entries[key] = Embedded(kept, embedded.windows)
                self._used_bytes += kept.nbytes + ENTRY_OVERHEAD_BYTES
            while self._used_bytes > self._limit_bytes:
                self._forget(next(iter(self._entries)))

    def _forget(self, key: bytes) -> None:
        forgotten = self._entries.pop(key, None)
        if forgotten is not None:
            self._used_bytes -= forgotten.vector.nbytes + ENTRY_OVERHEAD_BYTES
