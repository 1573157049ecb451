"""The fields that every input event carries, and the limits on them.

Holds the base model alone; it must not know any stream.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic_core import PydanticKnownError

SCHEMA_VERSION = 1
"""The newest `schema_version` this code understands; a newer one pauses the worker instead of being dead-lettered."""

EVENT_VERSION_LIMIT = 2**53
"""Event versions lie in [1, 2**53): Qdrant compares them as float64, which is exact only below this bound."""

TEXT_LIMIT_CHARS = 100_000
"""The longest text of an event."""

TENANT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""No colon in a tenant id, so that the record key `tenant_id:source_id` can be taken apart again."""

SOURCE_ID_PATTERN = r"^[^\x00-\x1f\x7f]{1,128}$"
"""An id given by the source system: any text of 1 to 128 characters without control characters."""

DATE_AND_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}", re.IGNORECASE)
"""How an RFC 3339 time begins. Pydantic alone also reads digits as seconds since 1970: `20260904` as a day in that year."""


def date_and_time(value: object) -> object:
    """Refuse what is neither a `datetime` nor a text that begins as one; the rest of the text is checked by pydantic."""
    if isinstance(value, str):
        if DATE_AND_TIME.match(value) is None:
            raise ValueError("expected a date, a time and a UTC offset, such as 2026-05-01T12:00:00+02:00")
    elif not isinstance(value, datetime):
        raise PydanticKnownError("datetime_type")
    return value


def to_utc(moment: datetime) -> datetime:
    """Return the same moment, expressed in UTC."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC the time lies outside the years 1 to 9999") from None


UtcDatetime = Annotated[AwareDatetime, Strict(False), BeforeValidator(date_and_time), AfterValidator(to_utc)]
"""Not strict: what a function hands on counts as Python's, and a strict time of Python's is a `datetime` alone."""
EventVersion = Annotated[int, Field(ge=1, lt=EVENT_VERSION_LIMIT)]
TenantId = Annotated[str, Field(pattern=TENANT_PATTERN)]
SourceId = Annotated[str, Field(pattern=SOURCE_ID_PATTERN)]


class Frozen(BaseModel):
    """Base of everything that travels: immutable, strictly typed, unknown fields refused, numbers finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Event(Frozen):
    """What every input event carries, whatever its stream."""

    schema_version: Literal[1] = Field(description="Version of this schema; 1 today.")
    event_id: str = Field(min_length=1, max_length=128, description="Unique id of this message at its source.")
    tenant_id: TenantId = Field(description="Whose event this is; similar items are never taken from another tenant.")
    event_version: EventVersion = Field(description="Counted up per source id by the source; the highest wins.")
    occurred_at: UtcDatetime = Field(description="When the event happened at the source, with a UTC offset.")


class Deletion(Event):
    """The item is gone at its source; its stream adds the source id, and nothing else remains."""

    reason: Literal["deleted"]


class Origin(Frozen):
    """The input record that a result or a dead letter came from."""

    topic: str
    topic_id: str | None = Field(
        default=None, description="The broker's id of the topic: one made later under the same name has another."
    )
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
