"""Why a search found nothing: how many solved tickets there are, and which rule leaves how many of them out."""

from dataclasses import dataclass

from schemas.search import SimilarLeftOut
from shared.settings import variable
from shared.stream_settings import SearchSettings
from shared.vectorstore.port import Collection

LOWEST_RATING = 1


@dataclass(frozen=True, slots=True)
class SolvedTickets:
    """The solved tickets of one tenant, or of all.

    Attributes:
        total: How many there are.
        left_out: How many of them are never offered, by rule.
    """

    total: int
    left_out: SimilarLeftOut

    @property
    def offered(self) -> int:
        """How many the search may offer."""
        return max(0, self.total - self.left_out.unrated - self.left_out.rated_too_low)

    def reasons(self, settings: SearchSettings, stream: str) -> list[str]:
        """Return a line for each rule that leaves tickets out, with the setting of the stream that lets them in."""
        lines = []
        if self.left_out.unrated:
            setting = f"{variable(stream, 'search', 'include_unrated')}=true lets them in"
            lines.append(f"{self.left_out.unrated} without a rating (`satisfaction`): {setting}")
        if self.left_out.rated_too_low:
            setting = f"a lower {variable(stream, 'search', 'min_satisfaction')} lets them in"
            lines.append(f"{self.left_out.rated_too_low} rated below {settings.min_satisfaction}: {setting}")
        return lines


def count_solved(collection: Collection, settings: SearchSettings, tenant_id: str | None) -> SolvedTickets:
    """Count solved tickets, those of one tenant or, with None, all: three exact counts of the store.

    Raises:
        Unavailable: the store cannot be read.
    """
    equals: dict[str, str | int] = {"flags": "solved"}
    if tenant_id is not None:
        equals["tenant_id"] = tenant_id
    total = collection.count(equals, {})
    if not total:
        return SolvedTickets(0, SimilarLeftOut(unrated=0, rated_too_low=0))
    rated = collection.count(equals, {"satisfaction": LOWEST_RATING})
    well_rated = collection.count(equals, {"satisfaction": settings.min_satisfaction})
    unrated = 0 if settings.include_unrated else max(0, total - rated)  # others write between the counts
    return SolvedTickets(total, SimilarLeftOut(unrated=unrated, rated_too_low=max(0, rated - well_rated)))
