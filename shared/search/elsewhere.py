"""Similar items of another stream, such as solved tickets for a call. That stream may have no collection yet."""

from collections.abc import Callable, Sequence
from typing import Generic

from schemas.points import IsOurs
from shared.clock import Clock, SystemClock
from shared.errors import Unavailable
from shared.search.shown import HitT, Searchable
from shared.search.similar import Found, Question, SimilarSearch
from shared.stream_settings import SearchSettings
from shared.vectorstore.port import Collection

ASK_AGAIN_S = 30.0
"""After this time, it is looked again which collection the stream has: it may exist now, or be another one."""


class SearchElsewhere(Generic[HitT]):
    """Searches the collection of another stream as soon as it exists.

    Args:
        open_collection: Returns the collection, or None.
        searchable: What is offered of it, and how it is compared and shown.
        settings: The number of hits, the filters and the ranking.
        is_ours: Returns whether Millrace wrote a point of that stream.
        clock: Measures when to look for the collection again; None uses the system's clock.
    """

    def __init__(
        self,
        open_collection: Callable[[], Collection | None],
        searchable: Searchable[HitT],
        settings: SearchSettings,
        is_ours: IsOurs,
        clock: Clock | None = None,
    ) -> None:
        self._open, self._searchable = open_collection, searchable
        self._settings, self._is_ours = settings, is_ours
        self._clock = clock or SystemClock()
        self._search: SimilarSearch[HitT] | None = None
        self._collection: Collection | None = None
        self._next_look_s = float("-inf")

    def find(self, questions: Sequence[Question]) -> list[Found[HitT]]:
        """Answer a batch of questions; nothing is found as long as there is no collection.

        Raises:
            Unavailable: the store cannot be read.
        """
        search = self._current()
        if search is None or not questions:
            return [Found()] * len(questions)
        try:
            return search.find(questions)
        except Unavailable:
            self._next_look_s = float("-inf")  # the collection may have been replaced by another one
            raise

    def _current(self) -> SimilarSearch[HitT] | None:
        now_s = self._clock.monotonic_s()
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + ASK_AGAIN_S
            collection = self._open()
            if collection is None:
                self._search = None
            elif self._search is None or collection is not self._collection:
                self._search = SimilarSearch(collection, self._searchable, self._settings, self._is_ours, self._clock)
            self._collection = collection
        return self._search
