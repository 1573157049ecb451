"""The outcome of a record and the ledger message that says it: one message per settled batch and partition."""

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
            raise ValueError("last lies before first")
        return self


class OffsetRange(OffsetSpan):
    """The records `first` to `last`, both included, that ended as `outcome`."""

    outcome: Outcome = Field(strict=False)


class LedgerEntry(Frozen):
    """What became of the records of one partition in one settled batch."""

    schema_version: Literal[1] = 1
    stream: str
    topic: str
    topic_id: str | None = Field(
        default=None, description="The broker's id of the topic: one made later under the same name has another."
    )
    partition: int = Field(ge=0)
    ranges: tuple[OffsetRange, ...] = ()
    unread: tuple[OffsetSpan, ...] = Field(
        default=(), description="Offsets that the log no longer held when their turn came: nobody has read them."
    )
    model: str = Field(description="Fingerprint of the embedding model, 8 hex digits.")
    head: str | None = Field(default=None, description="Fingerprint of the trained head; null: the vote decided.")
    settled_at: UtcDatetime

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.ranges and not self.unread:
            raise ValueError("neither ranges nor unread offsets")
        return self


def to_ranges(outcomes: list[tuple[int, Outcome]]) -> tuple[OffsetRange, ...]:
    """Fold (offset, outcome) pairs, ascending by offset, into ranges of neighbouring offsets with one outcome."""
    ranges: list[OffsetRange] = []
    for offset, outcome in outcomes:
        if ranges and ranges[-1].last == offset - 1 and ranges[-1].outcome == outcome:
            ranges[-1] = OffsetRange(first=ranges[-1].first, last=offset, outcome=outcome)
        else:
            ranges.append(OffsetRange(first=offset, last=offset, outcome=outcome))
    return tuple(ranges)
