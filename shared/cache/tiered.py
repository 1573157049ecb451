"""Several caches as one: the nearest is asked first, and stores the vectors that a cache behind it returned."""

from collections.abc import Mapping, Sequence

from typing_extensions import override

from shared.cache.port import VectorCache
from shared.observers import Observer
from shared.records import Embedded


class TieredCache(VectorCache):
    """A cache of several levels; it is thread-safe if they are.

    Args:
        levels: Name and cache of each level, the nearest first; metrics use these names.
        observer: Notified of the hits and misses of each level.
    """

    def __init__(self, levels: Sequence[tuple[str, VectorCache]], observer: Observer) -> None:
        self._levels, self._observer = tuple(levels), observer

    @override
    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Embedded]:
        """Ask each level for the keys that the levels before it do not have."""
        found: dict[bytes, Embedded] = {}
        distinct = list(dict.fromkeys(keys))
        for depth, (name, level) in enumerate(self._levels):
            missing = [key for key in distinct if key not in found]
            if not missing:
                break
            given = level.get_many(missing)
            self._observer.cache_read(name, len(given), len(missing) - len(given))
            for _, nearer in self._levels[:depth] if given else ():
                nearer.put_many(given)
            found |= given
        return {key: found[key] for key in distinct if key in found}

    @override
    def put_many(self, vectors: Mapping[bytes, Embedded]) -> None:
        for _, level in self._levels:
            level.put_many(vectors)
