"""The fields that a stored ticket needs to be ranked and shown.

Other programs may write into the collection and overwrite Millrace's fields. Points without valid fields are left out;
`schemas/points.py` decides whether Millrace wrote a point.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, ValidationError

from schemas.base import Frozen, SourceId, UtcDatetime
from schemas.points import IsOurs
from shared.search.ranking import read_time
from shared.text.language import known_language
from shared.vectorstore.port import Candidate


class ShownTicket(Frozen):
    """The fields of a stored ticket that a result shows or quotes."""

    model_config = ConfigDict(extra="ignore")

    tenant_id: str = Field(description="The point's id is derived from this and `ticket_id`.")
    ticket_id: SourceId
    label: str | None
    subject: str
    body: str
    body_embedded: str | None = None
    resolution: str | None
    resolution_embedded: str | None = None
    satisfaction: Annotated[int, Field(ge=1, le=5)] | None
    customer_id: str | None = None
    occurred_at: UtcDatetime
    language: str | None = Field(default=None, description="The source's hint.")
    detected_language: str | None = None
    resolution_language: str | None = None

    @property
    def known_language(self) -> str | None:
        """The ticket's language: the detected one, or else that of the hint."""
        return known_language(self.detected_language, self.language)

    @property
    def answer_language(self) -> str | None:
        """The language of the resolution; if it was not detected, that of the ticket."""
        return self.resolution_language or self.known_language

    @property
    def embedded_text(self) -> str:
        """The embedded text of subject and body: all of it, unless a part was cut."""
        return f"{self.subject}\n\n{self.body if self.body_embedded is None else self.body_embedded}"

    @property
    def embedded_resolution(self) -> str:
        """The embedded text of the resolution; empty if the ticket has no resolution."""
        return (self.resolution if self.resolution_embedded is None else self.resolution_embedded) or ""


SHOWN_FIELDS = tuple(ShownTicket.model_fields)


def read_shown(which: UUID, payload: Mapping[str, object], is_ours: IsOurs) -> ShownTicket | None:
    """Return the shown fields of a point; None if Millrace did not write it, or if a shown field is not valid."""
    if not is_ours(which, payload):
        return None
    try:
        return ShownTicket.model_validate(dict(payload))
    except ValidationError:
        return None


def is_rankable(candidate: Candidate) -> bool:
    """Return whether a candidate can be ranked: it needs a time with a zone, a text digest, and finite scores."""
    second = 0.0 if candidate.second is None else candidate.second
    return (
        read_time(candidate.payload.get("occurred_at")) is not None
        and isinstance(candidate.payload.get("text_digest"), str)
        and isfinite(candidate.dense + candidate.bm25 + second)
    )
