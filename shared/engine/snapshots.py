"""The law of snapshots: what an event does, given what is stored. It is the same for every stream, and stands only here.

An event is a snapshot of a whole item as of its version, so the newest alone is enough. `docs/delivery.md` has the table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from schemas.base import Deletion, Event, UtcDatetime
from schemas.decisions import Decision, rounded
from shared.errors import Rejected, Unavailable
from shared.records import Embedded, Record, Settled
from shared.vectorstore.port import VERSION_FIELD, Stored, is_version

CONTENT_FIELD = "content_digest"
"""The payload field that keeps `Item.content`."""

PUBLISHED_FIELD = "decided_version"
"""The payload field that keeps the version whose result was the last to be published, or was about to be."""

DECISION_FIELD = "decision"
"""The payload field that keeps what that result says."""

STANDING_FIELDS = (VERSION_FIELD, CONTENT_FIELD, PUBLISHED_FIELD, DECISION_FIELD)
"""What is read again after a write: which version stands, and whose write of it."""

Standing = Mapping[UUID, Mapping[str, object]]
"""Those fields of the points that are stored."""

EventT = TypeVar("EventT", bound=Event)
MOMENT: TypeAdapter[datetime] = TypeAdapter(UtcDatetime)


class Effect(StrEnum):
    """What an event does, given what is stored."""

    ROUTE = "route"
    """The point is written and the results are published."""

    INDEX = "index"
    """The point is written; there is nothing to publish."""

    DELETE = "delete"
    """A tombstone is written."""

    SUPERSEDE = "supersede"
    """Nothing is written or published: something newer, or another content of this version, came first."""

    REPEAT = "repeat"
    """The point is stored already; a result that a crash may have kept from being published is published again."""


class Asks(StrEnum):
    """Whether an event asks for a result."""

    ALWAYS = "always"
    """A result is published for it, whatever was published before."""

    IF_CHANGED = "if_changed"
    """One is published where an input that decides has changed, or where nothing was published so far."""

    NEVER = "never"
    """There is nothing to publish."""


@dataclass(slots=True, kw_only=True)
class Item(Generic[EventT]):
    """An event on its way through the pipeline. A stream adds its own fields.

    Attributes:
        record: What it was decoded from.
        event: As it came; from the stage `prepare` on, as it is kept.
        source_id: The item's id in the source system.
        point_id: Where it is stored.
        content: Digest of all that this version says; the stored point keeps it.
        asks: Whether the event asks for a result, as its stream says.
        inputs: What is to be embedded, by the name of its vector.
        digests: SHA-256 of each input, in hex.
        embedded: The vectors, by name.
        decision: What was decided; None of a stream that decides nothing.
        stored: What the store held of this id when the batch was looked up.
        effect: What the event does; set right after the lookup, for as long as `stored` holds.
        rejected: Set by a stage that found the item to be poison.
    """

    record: Record
    event: EventT
    source_id: str
    point_id: UUID
    content: str = ""
    asks: Asks = Asks.NEVER
    inputs: dict[str, Any] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    embedded: dict[str, Embedded] = field(default_factory=dict)
    decision: Decision | None = None
    stored: Stored | None = None
    effect: Effect | None = None
    rejected: Rejected | None = None

    @property
    def version(self) -> int:
        """The event's version."""
        return self.event.event_version

    @property
    def deletes(self) -> bool:
        """Whether the event deletes the item."""
        return isinstance(self.event, Deletion)

    @property
    def is_live(self) -> bool:
        """Whether the item still has an effect."""
        return self.rejected is None and self.effect is not Effect.SUPERSEDE

    @property
    def is_repeat(self) -> bool:
        """Whether this version's effects are stored already, so that its results are published again, not made again.

        Either it is the stored version, or the stored one is newer but published nothing: then the result of this version
        is the item's latest, and a crash may have kept it from being published.
        """
        stored = self.stored
        return stored is not None and self.version in (stored.version, self.published_version)

    @property
    def published_version(self) -> int | None:
        """The version that was published last, as the stored point says; None also if what it says cannot be."""
        stored = self.stored
        found = None if stored is None else stored.payload.get(PUBLISHED_FIELD)
        return found if stored is not None and is_version(found) and found <= stored.version else None

    @property
    def is_published(self) -> bool:
        """Whether this version is the last to have been published, so that a repeat publishes it again."""
        return not self.deletes and self.published_version == self.version

    @property
    def publishes(self) -> bool:
        """Whether the item's results are published."""
        return self.effect is Effect.ROUTE or (self.effect is Effect.REPEAT and self.is_published)

    @property
    def is_conflict(self) -> bool:
        """Whether this very version is stored already, with other content: the first has won."""
        stored = self.stored
        if stored is None or stored.version != self.version:
            return False
        content = stored.payload.get(CONTENT_FIELD)
        return isinstance(content, str) and content != self.content  # another program may have written over it

    @property
    def stored_decision(self) -> Decision | None:
        """The decision that is stored; None also if another program has written over it."""
        stored: Any = None if self.stored is None else self.stored.payload.get(DECISION_FIELD)
        try:
            return None if stored is None else Decision.model_validate(stored, strict=False)
        except ValidationError:
            return None

    @property
    def previous_queue(self) -> str | None:
        """The queue of the earlier result, if there was one."""
        stored = None if self.stored is None else self.stored.payload.get(DECISION_FIELD)
        queue = stored.get("queue") if isinstance(stored, dict) else None
        return queue if isinstance(queue, str) else None

    @property
    def occurred_at(self) -> datetime:
        """When the event happened; of a conflicting version, when the first one says, which has won."""
        if self.is_conflict and self.stored is not None:
            try:
                return MOMENT.validate_python(self.stored.payload.get("occurred_at"))
            except ValidationError:
                pass
        return self.event.occurred_at


ItemT = TypeVar("ItemT", bound=Item[Any])


@dataclass(frozen=True, slots=True)
class Rules:
    """What the law leaves to a stream.

    Attributes:
        deciding: The inputs that its results depend on: another result is asked for where one of them has changed.
        decides: Whether its results carry a decision: then one that is stored and valid says that something was published,
            and else the version that was.
    """

    deciding: tuple[str, ...]
    decides: bool


def effect_of(item: Item[Any], rules: Rules) -> Effect:
    """Return what an event does, given what is stored of its id.

    Args:
        item: The event, its digests taken and what is stored looked up.
        rules: The stream's.
    """
    stored = item.stored
    if stored is not None:
        if item.is_repeat:
            return Effect.SUPERSEDE if item.is_conflict and not item.is_published else Effect.REPEAT
        if stored.version > item.version:
            return Effect.SUPERSEDE
    asks = item.asks
    if asks is Asks.NEVER:
        return Effect.DELETE if item.deletes else Effect.INDEX
    if asks is Asks.IF_CHANGED and stored is not None:
        return Effect.ROUTE if _is_news(item, stored, rules) else Effect.INDEX
    return Effect.ROUTE


def _is_news(item: Item[Any], stored: Stored, rules: Rules) -> bool:
    """Whether nothing was published yet, or an input that decides is another than the one that is stored."""
    is_new = item.stored_decision is None if rules.decides else item.published_version is None
    return is_new or any(stored.payload.get(digest_field(name)) != item.digests.get(name) for name in rules.deciding)


def digest_field(name: str) -> str:
    """Return the payload field that keeps the digest of an input."""
    return f"{name}_digest"


def windows_field(name: str) -> str:
    """Return the payload field that keeps how many windows of the model an input that decides has filled."""
    return f"{name}_windows"


def keep_newest(items: Sequence[Item[Any]]) -> int:
    """Of several versions of one id in a batch, leave the newest that is not poison; of equal ones, the first.

    Only one of an id may be written at once: which of two would win depends on the store. Repeats write nothing, and each
    keeps its own result. Returns how many had the version of another but not its content.
    """
    newest: dict[UUID, Item[Any]] = {}
    writers = [item for item in items if item.is_live and not item.is_repeat]
    for item in writers:
        if item.point_id not in newest or newest[item.point_id].version < item.version:
            newest[item.point_id] = item
    conflicts = 0
    for item in writers:
        if newest[item.point_id] is not item:
            item.effect = Effect.SUPERSEDE
            winner = newest[item.point_id]
            conflicts += winner.version == item.version and winner.content != item.content
    return conflicts


def is_preceded(settled: Settled, standing: Standing) -> bool:
    """Whether another worker has written this version first, with other content or another decision.

    The guard lets the first write of a version stand, so what stands is what everybody publishes.
    """
    stored = standing.get(settled.point_id) if settled.point_id is not None else None
    if stored is None or settled.point is None or stored.get(VERSION_FIELD) != settled.version:
        return False
    fields = (CONTENT_FIELD, PUBLISHED_FIELD, DECISION_FIELD) if settled.results else (CONTENT_FIELD,)
    mine = settled.point.payload
    return any(_comparable(stored.get(name)) != _comparable(mine.get(name)) for name in fields)


def is_overtaken(settled: Settled, standing: Standing) -> bool:
    """Whether something newer is stored now, and this result is not the item's latest all the same.

    Raises:
        Unavailable: a write did not take effect; it lost a race for an id that was new to both, and is made again.
    """
    if settled.point_id is None or settled.version is None:
        return False
    stored = standing.get(settled.point_id, {})
    version = stored.get(VERSION_FIELD)
    if not isinstance(version, int) or version < settled.version:
        where = f"point {settled.point_id} holds version {version} after {settled.version} was written"
        raise Unavailable("store", where)
    # What is newer may have published nothing: then this result is the latest all the same.
    still_owed = bool(settled.results) and stored.get(PUBLISHED_FIELD) == settled.version
    return version > settled.version and not still_owed


def _comparable(value: Any) -> Any:
    """Return a value with its numbers rounded as they are published: a store may change the last bit of one."""
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, dict):
        return {name: _comparable(each) for name, each in value.items()}
    return [_comparable(each) for each in value] if isinstance(value, list) else value
