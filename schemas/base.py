"""The fields that every input event carries, and their limits.

This module contains only the base models; it must not depend on any stream.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic_core import PydanticKnownError

SCHEMA_VERSION = 1
"""The `schema_version` of the events that Millrace's commands send: the newest one that every stream accepts."""

EVENT_VERSION_LIMIT = 2**53
"""Event versions are in [1, 2**53): Qdrant compares them as float64, which is exact only below this limit."""

TEXT_LIMIT_CHARS = 100_000
"""The maximum length of a text in an event, in characters."""

TENANT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""A tenant id has no colon, so that the record key `tenant_id:source_id` can be split."""

SOURCE_ID_PATTERN = r"^[^\x00-\x1f\x7f]{1,128}$"
"""An id given by the source system: any text of 1 to 128 characters without control characters."""

DATE_AND_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}", re.IGNORECASE)
"""The beginning of an RFC 3339 time. Without this check, pydantic reads digits as seconds since 1970: `20260904`
becomes a day in 1970."""


def date_and_time(value: object) -> object:
    """Refuse values that are neither a `datetime` nor text that begins like one; pydantic checks the rest of it."""
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
        raise ValueError("the time, converted to UTC, is outside the years 1 to 9999") from None


UtcDatetime = Annotated[AwareDatetime, Strict(False), BeforeValidator(date_and_time), AfterValidator(to_utc)]
"""Not strict: pydantic treats a validator's output as Python input, and strict Python input must be a `datetime`."""
EventVersion = Annotated[int, Field(ge=1, lt=EVENT_VERSION_LIMIT)]
TenantId = Annotated[str, Field(pattern=TENANT_PATTERN)]
SourceId = Annotated[str, Field(pattern=SOURCE_ID_PATTERN)]


class Frozen(BaseModel):
    """Base class of all data on topics and in the store: immutable, strictly typed, without unknown fields, finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Event(Frozen):
    """The fields of every input event of every stream.

    Attributes:
        SOURCE_ID: What the source id is made of, in words; empty if the event has it as a field.
    """

    SOURCE_ID: ClassVar[str] = ""

    schema_version: Literal[1] = Field(description="Version of this schema; currently 1.")
    event_id: str = Field(min_length=1, max_length=128, description="Unique id of this message at its source.")
    tenant_id: TenantId = Field(description="The owner of the event; similar items never come from another tenant.")
    event_version: EventVersion = Field(
        description="Version of the item, increased by the source with each change; the highest wins."
    )
    occurred_at: UtcDatetime = Field(description="When the event happened at the source, with a UTC offset.")


class Removal(Event):
    """The item no longer exists: a tombstone takes the place of its point. Its stream adds only the source id."""


class Deletion(Removal):
    """The item was deleted at its source; its stream adds only the source id."""

    reason: Literal["deleted"]


class Origin(Frozen):
    """The input record that a result or a dead letter came from."""

    topic: str
    topic_id: str | None = Field(
        default=None,
        description="The broker's id of the topic; a topic created later under the same name has another id.",
    )
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
