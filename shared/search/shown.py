"""The fields that a stored item needs to be ranked and shown, and what can be searched for similar items.

Other programs may write into the collection and overwrite Millrace's fields. Points without valid fields are left out;
`schemas/points.py` decides whether Millrace wrote a point.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import ConfigDict, Field, ValidationError
from typing_extensions import override

from schemas.base import Frozen, SourceId, UtcDatetime
from schemas.points import IsOurs
from schemas.search import SimilarCall, SimilarItem, SimilarTicket
from shared.search.ranking import read_time
from shared.text.language import known_language
from shared.vectorstore.port import Candidate
from shared.vectorstore.terms import CALL_TERMS, TICKET_TERMS

HitT = TypeVar("HitT", bound=SimilarItem)
HitT_co = TypeVar("HitT_co", bound=SimilarItem, covariant=True)


class Compared(NamedTuple):
    """The names of the vectors that a question's vector is compared with; None if there is no vector of resolutions."""

    text: str
    resolution: str | None = None


class Quotable(NamedTuple):
    """A resolution that a reply may quote, and the ticket that it is of."""

    ticket_id: str
    text: str
    language: str | None


class Shown(Frozen):
    """The fields of a stored item that every result shows."""

    model_config = ConfigDict(extra="ignore")

    tenant_id: str = Field(description="The point's id is derived from this and the source id.")
    label: str | None
    satisfaction: Annotated[int, Field(ge=1, le=5)] | None
    customer_id: str | None = None
    occurred_at: UtcDatetime
    language: str | None = Field(default=None, description="The source's hint.")
    detected_language: str | None = None

    @property
    def known_language(self) -> str | None:
        """The item's language: the detected one, or else that of the hint."""
        return known_language(self.detected_language, self.language)

    @property
    def embedded_text(self) -> str:
        """The text whose words are compared with those of the question."""
        raise NotImplementedError

    @property
    def quotable(self) -> Quotable | None:
        """The resolution that a reply may quote; None if the item has none."""
        return None


class ShownTicket(Shown):
    """The fields of a stored ticket that a result shows or quotes."""

    ticket_id: SourceId
    subject: str
    body: str
    body_embedded: str | None = None
    resolution: str | None
    resolution_embedded: str | None = None
    resolution_language: str | None = None

    @property
    @override
    def embedded_text(self) -> str:
        """The embedded text of subject and body: all of it, unless a part was cut."""
        return f"{self.subject}\n\n{self.body if self.body_embedded is None else self.body_embedded}"

    @property
    @override
    def quotable(self) -> Quotable | None:
        """The embedded text of the resolution; if its language was not detected, that of the ticket is given."""
        if not self.resolution:
            return None
        text = self.resolution if self.resolution_embedded is None else self.resolution_embedded
        return Quotable(self.ticket_id, text, self.resolution_language or self.known_language)

    def hit(self, **common: Any) -> SimilarTicket:
        """Return the hit of this ticket, with the given fields of `SimilarItem`."""
        return SimilarTicket(ticket_id=self.ticket_id, subject=self.subject, resolution=self.resolution, **common)


class ShownCall(Shown):
    """The fields of a stored call that a result shows."""

    call_id: SourceId
    excerpt: str
    linked_ticket_id: SourceId | None = None

    @property
    @override
    def embedded_text(self) -> str:
        """The beginning of what is said."""
        return self.excerpt

    def hit(self, **common: Any) -> SimilarCall:
        """Return the hit of this call, with the given fields of `SimilarItem`."""
        return SimilarCall(call_id=self.call_id, excerpt=self.excerpt, linked_ticket_id=self.linked_ticket_id, **common)


@dataclass(frozen=True, slots=True)
class Searchable(Generic[HitT_co]):
    """What a stream must say of its points before similar ones are found among them.

    Attributes:
        what: The points that may be offered, in a message, in the singular.
        flag: The flag that these points have.
        using: The vectors that are compared.
        average_terms: Their average length, in terms; see `shared.vectorstore.terms`.
        shown: The fields that are shown.
        hit: Makes a hit of the shown fields and of the given fields of `SimilarItem`.
    """

    what: str
    flag: str
    using: Compared
    average_terms: float
    shown: type[Shown]
    hit: Callable[..., HitT_co]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the shown fields."""
        return tuple(self.shown.model_fields)

    def read(self, which: UUID, payload: Mapping[str, object], is_ours: IsOurs) -> Shown | None:
        """Return the shown fields of a point; None if Millrace did not write it, or if a shown field is not valid."""
        if not is_ours(which, payload):
            return None
        try:
            return self.shown.model_validate(dict(payload))
        except ValidationError:
            return None


SOLVED_TICKETS = Searchable(
    "solved ticket", "solved", Compared("text", "resolution"), TICKET_TERMS, ShownTicket, ShownTicket.hit
)
FINISHED_CALLS = Searchable("finished call", "finished", Compared("text"), CALL_TERMS, ShownCall, ShownCall.hit)


def is_rankable(candidate: Candidate) -> bool:
    """Return whether a candidate can be ranked: it needs a time with a zone, a text digest, and finite scores."""
    second = 0.0 if candidate.second is None else candidate.second
    return (
        read_time(candidate.payload.get("occurred_at")) is not None
        and isinstance(candidate.payload.get("text_digest"), str)
        and isfinite(candidate.dense + candidate.bm25 + second)
    )
