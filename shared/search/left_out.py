"""Explains why a search found nothing: what could be offered, such as solved tickets, and what each rule excludes."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.search import SimilarLeftOut
from shared.settings import variable
from shared.stream_settings import SearchSettings
from shared.vectorstore.port import Collection

LOWEST_RATING = 1


@dataclass(frozen=True, slots=True)
class Offerable:
    """Counts of what could be offered to one tenant, or to all tenants, such as solved tickets.

    Attributes:
        total: Their number.
        left_out: Number of them that are never offered, for each rule.
    """

    total: int
    left_out: SimilarLeftOut

    @property
    def offered(self) -> int:
        """Number of them that the search may offer."""
        return max(0, self.total - self.left_out.unrated - self.left_out.rated_too_low)

    def without(self, payload: Mapping[str, object], flag: str, settings: SearchSettings) -> "Offerable":
        """Return the counts without one point, if it has the flag.

        Args:
            payload: What the point holds.
            flag: The flag of what is counted.
            settings: The rules that exclude points.
        """
        flags, rating = payload.get("flags"), payload.get("satisfaction")
        if not self.total or not isinstance(flags, list) or flag not in flags:
            return self
        is_too_low = isinstance(rating, int) and rating < settings.min_satisfaction
        is_unrated = not isinstance(rating, int) and not settings.include_unrated
        left_out = SimilarLeftOut(
            unrated=max(0, self.left_out.unrated - is_unrated),
            rated_too_low=max(0, self.left_out.rated_too_low - is_too_low),
        )
        return Offerable(self.total - 1, left_out)

    def reasons(self, settings: SearchSettings, stream: str) -> list[str]:
        """Return a line for each rule that excludes some, with the setting of the stream that includes them."""
        lines = []
        if self.left_out.unrated:
            advice = f"set {variable(stream, 'search', 'include_unrated')}=true to include them"
            lines.append(f"{self.left_out.unrated} without a rating (`satisfaction`): {advice}")
        if self.left_out.rated_too_low:
            advice = f"lower {variable(stream, 'search', 'min_satisfaction')} to include them"
            lines.append(f"{self.left_out.rated_too_low} rated below {settings.min_satisfaction}: {advice}")
        return lines


def count_offerable(collection: Collection, flag: str, settings: SearchSettings, tenant_id: str | None) -> Offerable:
    """Count the points of one tenant that have a flag or, with `tenant_id` None, of all: three exact counts.

    Raises:
        Unavailable: the store cannot be read.
    """
    equals: dict[str, str | int] = {"flags": flag}
    if tenant_id is not None:
        equals["tenant_id"] = tenant_id
    total = collection.count(equals, {})
    if not total:
        return Offerable(0, SimilarLeftOut(unrated=0, rated_too_low=0))
    rated = collection.count(equals, {"satisfaction": LOWEST_RATING})
    well_rated = collection.count(equals, {"satisfaction": settings.min_satisfaction})
    unrated = 0 if settings.include_unrated else max(0, total - rated)  # other writes may happen between the counts
    return Offerable(total, SimilarLeftOut(unrated=unrated, rated_too_low=max(0, rated - well_rated)))
