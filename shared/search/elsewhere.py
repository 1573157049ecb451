"""Similar items of another stream, such as solved tickets for a call. That stream may have no collection yet."""

from collections.abc import Callable, Sequence

from schemas.points import IsOurs
from shared.clock import Clock, SystemClock
from shared.search.similar import Compared, Found, Question, SimilarSearch
from shared.stream_settings import SearchSettings
from shared.vectorstore.port import Collection

ASK_AGAIN_S = 10.0
"""A collection that does not exist is not looked for again for this time."""


class SearchElsewhere:
    """Searches the collection of another stream as soon as it exists.

    Args:
        open_collection: Returns the collection, or None.
        using: Names of the vectors that are compared.
        settings: The number of hits, the filters and the ranking.
        is_ours: Returns whether Millrace wrote a point of that stream.
        clock: Measures when to look for the collection again; None uses the system's clock.
    """

    def __init__(
        self,
        open_collection: Callable[[], Collection | None],
        using: Compared,
        settings: SearchSettings,
        is_ours: IsOurs,
        clock: Clock | None = None,
    ) -> None:
        self._open, self._using, self._settings, self._is_ours = open_collection, using, settings, is_ours
        self._clock = clock or SystemClock()
        self._search: SimilarSearch | None = None
        self._next_look_s = float("-inf")

    def find(self, questions: Sequence[Question]) -> list[Found]:
        """Answer a batch of questions; nothing is found as long as there is no collection.

        Raises:
            Unavailable: the store cannot be read.
        """
        search = self._current()
        return [Found()] * len(questions) if search is None or not questions else search.find(questions)

    def _current(self) -> SimilarSearch | None:
        now_s = self._clock.monotonic_s()
        if self._search is None and now_s >= self._next_look_s:
            self._next_look_s = now_s + ASK_AGAIN_S
            collection = self._open()
            if collection is not None:
                self._search = SimilarSearch(collection, self._using, self._settings, self._is_ours, self._clock)
        return self._search
