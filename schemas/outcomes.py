"""The outcome of a record, and the ledger message that reports it: one message per settled batch and partition."""

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.base import Frozen, UtcDatetime


class Outcome(StrEnum):
    """What became of one record; every record ends as exactly one of these."""

    ROUTED = "routed"
    INDEXED = "indexed"
    DELETED = "deleted"
    SUPERSEDED = "superseded"
    DEFERRED = "deferred"
    DEAD_LETTERED = "dead_lettered"


class OffsetSpan(Frozen):
    """The offsets `first` to `last`, both included."""

    first: int = Field(ge=0)
    last: int = Field(ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            raise ValueError("last is lower than first")
        return self


class OffsetRange(OffsetSpan):
    """The records `first` to `last`, both included, that ended as `outcome`."""

    outcome: Outcome = Field(strict=False)


class LedgerEntry(Frozen):
    """The outcomes of the records of one partition in one settled batch."""

    schema_version: Literal[1] = 1
    stream: str
    topic: str
    topic_id: str | None = Field(
        default=None,
        description="The broker's id of the topic; a topic created later under the same name has another id.",
    )
    partition: int = Field(ge=0)
    ranges: tuple[OffsetRange, ...] = ()
    unread: tuple[OffsetSpan, ...] = Field(default=(), description="Offsets that the log lost before they were read.")
    model: str = Field(description="Fingerprint of the embedding model, 8 hex digits; of several, joined by `+`.")
    head: str | None = Field(
        default=None,
        description="Fingerprint of the trained head; null if no head is configured.",
    )
    settled_at: UtcDatetime
    backfill: str | None = Field(
        default=None, description="The consumer group of the backfill that settled them; null for the stream's workers."
    )
    index_only: bool = Field(default=False, description="Whether this backfill publishes no results.")

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if not self.ranges and not self.unread:
            raise ValueError("a ledger entry must have ranges or unread offsets")
        return self


def to_ranges(outcomes: list[tuple[int, Outcome]]) -> tuple[OffsetRange, ...]:
    """Merge (offset, outcome) pairs, ascending by offset, into ranges of adjacent offsets with the same outcome."""
    ranges: list[OffsetRange] = []
    for offset, outcome in outcomes:
        if ranges and ranges[-1].last == offset - 1 and ranges[-1].outcome == outcome:
            ranges[-1] = OffsetRange(first=ranges[-1].first, last=offset, outcome=outcome)
        else:
            ranges.append(OffsetRange(first=offset, last=offset, outcome=outcome))
    return tuple(ranges)
