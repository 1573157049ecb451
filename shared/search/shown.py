"""What a found ticket has to hold to be ranked and shown: other programs write into the collection, and over our fields.

What does not hold it is no answer; `schemas/points.py` says whose a point is.
"""

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, ValidationError

from schemas.base import Frozen, SourceId, UtcDatetime
from schemas.points import IsOurs
from shared.vectorstore.port import Candidate


class ShownTicket(Frozen):
    """The fields of a stored ticket that a result shows, or quotes from."""

    model_config = ConfigDict(extra="ignore")

    tenant_id: str = Field(description="With `ticket_id`, what the point's id is derived from.")
    ticket_id: SourceId
    label: str | None
    subject: str
    body: str
    body_embedded: str | None = None
    resolution: str | None
    resolution_embedded: str | None = None
    satisfaction: Annotated[int, Field(ge=1, le=5)] | None
    occurred_at: UtcDatetime

    @property
    def embedded_text(self) -> str:
        """What was embedded of subject and body: all of it, unless something was cut."""
        return f"{self.subject}\n\n{self.body if self.body_embedded is None else self.body_embedded}"

    @property
    def embedded_resolution(self) -> str:
        """What was embedded of the resolution; empty if there is none."""
        return (self.resolution if self.resolution_embedded is None else self.resolution_embedded) or ""


SHOWN_FIELDS = tuple(ShownTicket.model_fields)


def read_shown(which: UUID, payload: Mapping[str, object], is_ours: IsOurs) -> ShownTicket | None:
    """Return what is shown of a point; None if it is not ours, or if a field that is shown is not valid."""
    if not is_ours(which, payload):
        return None
    try:
        return ShownTicket.model_validate(dict(payload))
    except ValidationError:
        return None


def is_rankable(candidate: Candidate) -> bool:
    """Return whether a candidate has what ranking needs: a time with its zone, the digest of its text, finite scores."""
    when = candidate.payload.get("occurred_at")
    if not (isinstance(when, str) and isinstance(candidate.payload.get("text_digest"), str)):
        return False
    try:
        zone = datetime.fromisoformat(when).tzinfo
    except ValueError:
        return False
    return zone is not None and isfinite(candidate.dense) and isfinite(candidate.bm25)
