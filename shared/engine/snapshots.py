"""The rules for snapshots: what effect an event has, given what is stored. They are the same for every stream.

An event is a snapshot of a whole item as of its version, so the newest version alone is enough; `docs/delivery.md`,
"What each `reason` does", lists the effects. Whether a version loses is decided only in this file, in this order:

- `effect_of`, before the write: a newer version is stored, or other content of the same version;
- `supersede_older`, before the write: the batch in hand holds a newer version, whose inputs are complete and embedded;
- `keep_newest`, before the write: the same for all versions of the batch, and for the same version earlier in it;
- `loses_to_same_version`, after the write: another worker stored the same version first: the batch is processed again;
- `loses_to_newer_version`, after the write: another worker has stored a newer version.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from schemas.base import Event, Removal, UtcDatetime
from schemas.decisions import Decision, rounded
from shared.errors import Deferred, Rejected, Unavailable
from shared.records import Embedded, Record, Settled
from shared.vectorstore.port import VERSION_FIELD, Stored, is_version

CONTENT_FIELD = "content_digest"
"""The payload field that holds `Item.content_digest`."""

PUBLISHED_FIELD = "decided_version"
"""The payload field that holds the version whose result was published last, or was about to be published."""

DECISION_FIELD = "decision"
"""The payload field that holds the decision of that result."""

READ_BACK_FIELDS = (VERSION_FIELD, CONTENT_FIELD, PUBLISHED_FIELD, DECISION_FIELD)
"""The fields that are read again after a write: they show which version is stored, and with what content."""

ReadBack = Mapping[UUID, Mapping[str, object]]
"""These fields of the stored points, by point id."""

EventT = TypeVar("EventT", bound=Event)
MOMENT: TypeAdapter[datetime] = TypeAdapter(UtcDatetime)


class Effect(StrEnum):
    """The effect of an event, given what is stored."""

    ROUTE = "route"
    """The point is written and the results are published."""

    INDEX = "index"
    """The point is written; nothing is published."""

    DELETE = "delete"
    """A tombstone is written."""

    SUPERSEDE = "supersede"
    """Nothing is written or published: a newer version, or other content of this version, came first."""

    REPEAT = "repeat"
    """The point is stored already; its result, if any, is published again, because a crash may have prevented that."""


class Asks(StrEnum):
    """Whether an event asks for a result."""

    ALWAYS = "always"
    """A result is published, whatever was published before."""

    IF_CHANGED = "if_changed"
    """A result is published if an input that affects it has changed, or if nothing has been published yet."""

    NEVER = "never"
    """No result is published."""


@dataclass(slots=True, kw_only=True)
class Item(Generic[EventT]):
    """An event on its way through the pipeline. A stream adds its own fields.

    Attributes:
        record: The record that it was decoded from.
        event: The event as it arrived; from the stage `prepare` on, as it is stored.
        source_id: The item's id in the source system.
        point_id: The id of its point.
        content_digest: Digest of everything that this version states; the stored point holds it.
        asks: Whether the event asks for a result; the stream defines this.
        inputs: The inputs to embed, by the name of the vector.
        digests: SHA-256 of each input, in hex, by the same names.
        embedded: The vectors, by the same names.
        decision: The decision; always None in a stream that decides nothing.
        stored: The point that was stored under this id when the batch was looked up; None if there was no point.
        effect: The effect of the event; set right after each lookup, and valid as long as `stored` is.
        rejected: Why the item cannot be processed; set by the stage that found this out.
        deferred: Why the item cannot be processed yet.
        media_failure: Why its media could not be loaded. It becomes `rejected` or `deferred`, unless the media are not
            needed: a version that is stored already, or that loses to a newer one, has its outcome without them.
    """

    record: Record
    event: EventT
    source_id: str
    point_id: UUID
    content_digest: str = ""
    asks: Asks = Asks.NEVER
    inputs: dict[str, Any] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    embedded: dict[str, Embedded] = field(default_factory=dict)
    decision: Decision | None = None
    stored: Stored | None = None
    effect: Effect | None = None
    rejected: Rejected | None = None
    deferred: Deferred | None = None
    media_failure: Rejected | Deferred | None = None

    @property
    def version(self) -> int:
        """The event's version."""
        return self.event.event_version

    @property
    def deletes(self) -> bool:
        """Whether the event deletes the item."""
        return isinstance(self.event, Removal)

    @property
    def is_live(self) -> bool:
        """Whether the item is neither rejected, deferred nor superseded."""
        return self.rejected is None and self.deferred is None and self.effect is not Effect.SUPERSEDE

    @property
    def is_repeat(self) -> bool:
        """Whether this version's effects are stored already, so that its stored result is published, not a new one.

        This is so in two cases. Either this version is the stored one. Or a newer version is stored that published
        nothing, and this version is the last one that published; a crash may have prevented its publication.
        """
        stored = self.stored
        return stored is not None and self.version in (stored.version, self.published_version)

    @property
    def published_version(self) -> int | None:
        """The version that was published last, according to the stored point; None if absent or not valid there."""
        stored = self.stored
        found = None if stored is None else stored.payload.get(PUBLISHED_FIELD)
        return found if stored is not None and is_version(found) and found <= stored.version else None

    @property
    def is_published(self) -> bool:
        """Whether this version is the one that was published last, so that a repeat publishes it again.

        An event that never asks for a result was never published, whatever another program wrote into its point.
        """
        return self.asks is not Asks.NEVER and self.published_version == self.version

    @property
    def publishes(self) -> bool:
        """Whether the item's results are published."""
        return self.effect is Effect.ROUTE or (self.effect is Effect.REPEAT and self.is_published)

    @property
    def is_conflict(self) -> bool:
        """Whether this version is stored already with other content: the one stored first has won."""
        stored = self.stored
        if stored is None or stored.version != self.version:
            return False
        content = stored.payload.get(CONTENT_FIELD)
        return isinstance(content, str) and content != self.content_digest  # another program may have overwritten it

    @property
    def stored_decision(self) -> Decision | None:
        """The stored decision; None if absent, or if another program has overwritten it."""
        stored: Any = None if self.stored is None else self.stored.payload.get(DECISION_FIELD)
        try:
            return None if stored is None else Decision.model_validate(stored, strict=False)
        except ValidationError:
            return None

    @property
    def previous_queue(self) -> str | None:
        """The queue of the earlier result; None if absent."""
        stored = None if self.stored is None else self.stored.payload.get(DECISION_FIELD)
        queue = stored.get("queue") if isinstance(stored, dict) else None
        return queue if isinstance(queue, str) else None

    @property
    def occurred_at(self) -> datetime:
        """When the event happened; for a conflicting version, the time that is stored, because that event has won."""
        if self.is_conflict and self.stored is not None:
            try:
                return MOMENT.validate_python(self.stored.payload.get("occurred_at"))
            except ValidationError:
                pass
        return self.event.occurred_at


ItemT = TypeVar("ItemT", bound=Item[Any])


@dataclass(frozen=True, slots=True)
class Rules:
    """The part of the rules that each stream defines.

    Attributes:
        affecting: Names of the inputs on which results depend: if one of them changes, a new result is needed.
        decides: Whether results carry a decision. With decisions, a valid stored decision shows that a result was
            published; without them, a valid version in `PUBLISHED_FIELD` shows it.
    """

    affecting: tuple[str, ...]
    decides: bool


def effect_of(item: Item[Any], rules: Rules) -> Effect:
    """Return the effect of an event, given the point that is stored under its id.

    A version loses here against a newer stored version, and against other content that was stored first under the
    same version. Exception: the version whose result was published last does not lose; it is a repeat.

    Args:
        item: The event, with its digests and the result of the lookup.
        rules: The rules that its stream defines.
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
        return Effect.ROUTE if _needs_new_result(item, stored, rules) else Effect.INDEX
    return Effect.ROUTE


def _needs_new_result(item: Item[Any], stored: Stored, rules: Rules) -> bool:
    """Return whether nothing has been published yet, or an input that affects the result differs from the stored one."""
    is_new = item.stored_decision is None if rules.decides else item.published_version is None
    return is_new or any(stored.payload.get(digest_field(name)) != item.digests.get(name) for name in rules.affecting)


def digest_field(name: str) -> str:
    """Return the payload field that holds the digest of an input."""
    return f"{name}_digest"


def windows_field(name: str) -> str:
    """Return the payload field that holds the number of windows of an input; only inputs that affect results have it."""
    return f"{name}_windows"


def newest_of(items: Sequence[ItemT]) -> dict[UUID, ItemT]:
    """Return the newest version of each id among some items, of equal versions the first."""
    newest: dict[UUID, ItemT] = {}
    for item in items:
        if item.point_id not in newest or newest[item.point_id].version < item.version:
            newest[item.point_id] = item
    return newest


def split_newest(items: Sequence[ItemT]) -> tuple[list[ItemT], list[ItemT]]:
    """Return the repeats and the newest version of each id among some items, of equal versions the first; and the rest."""
    newest = newest_of(items)
    first = [item for item in items if item.is_repeat or item is newest[item.point_id]]
    taken = {id(item) for item in first}
    return first, [item for item in items if id(item) not in taken]


def supersede_older(older: Sequence[ItemT], newer: Sequence[ItemT]) -> list[ItemT]:
    """Supersede the older items whose newer version has neither failed nor been deferred.

    Returns:
        The items whose newer or equal version has failed. Equal versions of one that has not are in neither group:
        `keep_newest` judges them, because it counts conflicts.
    """
    alive = {item.point_id: item.version for item in newer if item.is_live and not item.is_repeat}
    for item in older:
        if item.version < alive.get(item.point_id, 0):
            item.effect = Effect.SUPERSEDE
    return [item for item in older if item.point_id not in alive]


def keep_newest(items: Sequence[Item[Any]]) -> int:
    """Keep the newest version of each id in a batch, of equal versions the first; the others are superseded.

    Only one version of an id may be written at once: which of two would win depends on the store. Rejected and deferred
    items do not count. Repeats do not either: they write nothing, and each keeps its own result.

    Returns:
        The number of superseded items that have the winner's version but other content.
    """
    writers = [item for item in items if item.is_live and not item.is_repeat]
    newest, conflicts = newest_of(writers), 0
    for item in writers:
        if newest[item.point_id] is not item:
            item.effect = Effect.SUPERSEDE
            winner = newest[item.point_id]
            conflicts += winner.version == item.version and winner.content_digest != item.content_digest
    return conflicts


def loses_to_same_version(settled: Settled, read_back: ReadBack) -> bool:
    """Return whether another worker has stored this version first, with other content or another result.

    The guard of the store keeps the first write of a version, and every worker publishes what that write stored.
    """
    stored = read_back.get(settled.point_id) if settled.point_id is not None else None
    if stored is None or settled.point is None or stored.get(VERSION_FIELD) != settled.version:
        return False
    published = (PUBLISHED_FIELD, DECISION_FIELD, *settled.repeated_fields) if settled.results else ()
    mine = settled.point.payload
    return any(_comparable(stored.get(name)) != _comparable(mine.get(name)) for name in (CONTENT_FIELD, *published))


def loses_to_newer_version(settled: Settled, read_back: ReadBack) -> bool:
    """Return whether this version loses after its write, because a newer version is stored now.

    It does not lose if the newer version published nothing: then this result is still the item's latest.

    Raises:
        Unavailable: this write did not take effect, because another worker wrote the new id at the same time; the write
            is repeated.
    """
    if settled.point_id is None or settled.version is None:
        return False
    stored = read_back.get(settled.point_id, {})
    version = stored.get(VERSION_FIELD)
    if not isinstance(version, int) or version < settled.version:
        detail = (
            f"point {settled.point_id} holds version {version} after version {settled.version} was "
            "written; another worker wrote at the same time, and the write is repeated"
        )
        raise Unavailable("store", detail)
    # The newer version may have published nothing: then this result is still the item's latest.
    still_latest = bool(settled.results) and stored.get(PUBLISHED_FIELD) == settled.version
    return version > settled.version and not still_latest


def _comparable(value: Any) -> Any:
    """Return a value with its numbers rounded as they are published, because a store may change the last bit of one."""
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, dict):
        return {name: _comparable(each) for name, each in value.items()}
    return [_comparable(each) for each in value] if isinstance(value, list) else value
