"""What the engine calls of a stream: its `Stages`, and what they return. `stream.py` holds the descriptor of a stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from schemas.base import Event, Frozen, Origin
from shared.engine.snapshots import Item
from shared.facts import Measures
from shared.media.port import MediaContent
from shared.records import SparseVector, Vector

SomeItemT = TypeVar("SomeItemT", bound=Item[Any], contravariant=True)


@dataclass(frozen=True, slots=True)
class Content:
    """What a stream stores of a snapshot, in addition to the fields that the engine stores.

    Attributes:
        payload: Payload fields with JSON values.
        sparse: Sparse vectors by name.
        vectors: The vectors of `Stream.derived` by name: computed from those of the inputs, of unit length.
    """

    payload: Mapping[str, object]
    sparse: Mapping[str, SparseVector] = field(default_factory=dict)
    vectors: Mapping[str, Vector] = field(default_factory=dict)


@runtime_checkable
class CompletesInputs(Protocol):
    """The part of `Stages` of a stream whose inputs need a device, such as the text of a recording."""

    def complete(self, items: Sequence[Any]) -> None:
        """Set what `prepare` left open of `item.inputs`, or `item.rejected`; `prepare` has set the digests instead.

        It is called on the worker thread, after the lookup, with the items that are neither refused nor superseded. Of
        several versions of an id, it is called with an older one only if the newer one could not be completed or embedded.
        An input whose digest is the stored one is unchanged: what the stored point holds of it may be used.

        Raises:
            Unavailable: it is called again with the same items.
            DeviceLost: the device is dead.
        """
        ...


@runtime_checkable
class ComparesBatch(Protocol):
    """The part of `Stages` of a stream whose results depend on what comes before them in their batch."""

    def compare(self, batch: Sequence[Any]) -> None:
        """Complete the results of the items that are published.

        It is called on the worker thread, after `decide`.

        Args:
            batch: All items that are neither refused nor superseded, in order, also those that publish nothing.

        Raises:
            Unavailable: the store cannot be read; it is called again with the same items.
        """
        ...


class Stages(Protocol[SomeItemT]):
    """What a stream supplies to the pipeline of a worker.

    `prepare` is called on the prepare thread. If a record with a newer schema blocked a batch and its partition
    has moved to another worker, the worker thread calls it again, so it must be safe on both threads at once. The
    other methods are called on the worker thread, one after the other. Any error that is not named here ends the
    worker.
    """

    def prepare(self, items: Sequence[SomeItemT]) -> None:
        """Set `item.inputs`, the inputs to embed, and replace `item.event` by the event as it is stored.

        It uses only the CPU, waits for nothing and raises nothing.
        """
        ...

    def decide(self, items: Sequence[SomeItemT]) -> None:
        """Determine the results of these items; each item has its vectors, and a repeat has its stored decision.

        It may wait for the store.

        Raises:
            Unavailable: the store cannot be read; it is called again with the same items.
        """
        ...

    def content(self, item: SomeItemT) -> Content:
        """Return the content to store of a snapshot. It waits for nothing and raises nothing."""
        ...

    def results(self, item: SomeItemT, origin: Origin) -> Sequence[tuple[str, Frozen]]:
        """Return the results to publish, each with its topic. It waits for nothing and raises nothing."""
        ...


@dataclass(frozen=True, slots=True)
class FollowUp:
    """An event that a version of an item brings about, such as the one of a picture that is attached to it.

    Attributes:
        event: The event.
        listed_in: The payload field of the item's point that lists it.
        entry: What that field lists of it, as JSON. If another version is stored after all, the event is sent only if that
            version lists the same.
    """

    event: Event
    listed_in: str
    entry: Mapping[str, object]


@runtime_checkable
class FollowsUp(Protocol):
    """The part of `Stages` of a stream whose items bring about further events of the same stream."""

    def follow_ups(self, item: Any) -> Sequence[FollowUp]:
        """Return the events that a version of an item brings about; they are sent to the redo topic with its results.

        It is called for every item that is neither rejected nor deferred, also for superseded ones: the worker that wrote
        their version may have died before it sent them. What is sent twice must be equal, but for its `event_id`.
        It waits for nothing and raises nothing.
        """
        ...

    def kept(self, item: Any) -> Mapping[str, object]:
        """Return the payload fields that the tombstone of a removed item keeps. It waits for nothing and raises nothing."""
        ...


@runtime_checkable
class MeasuresItems(Protocol):
    """The part of `Stages` of a stream that adds to what the metrics show of its items."""

    def measures(self, item: Any) -> Measures:
        """Return what the metrics show of a snapshot; called after `content`. It waits for nothing and raises nothing."""
        ...


@runtime_checkable
class ReadsApart(Protocol):
    """The part of `Stages` of a stream with media that no batch waits for."""

    def read_apart(self, content: MediaContent, name: str) -> Any:
        """Return what the stream needs of a medium. Several threads call it at once, each with another medium.

        Args:
            content: The content of the medium.
            name: The event's field that holds it.

        Raises:
            Rejected: the content cannot be used.
            CancelledError: `stop_reading` was called before its turn.
            Exception: any other error that Millrace does not raise itself refuses this record alone.
        """
        ...

    def stop_reading(self) -> None:
        """Read no further medium, because the worker ends; called while other threads read."""
        ...

    def use_reading(self, item: Any, name: str, reading: Any) -> None:
        """Keep what `read_apart` returned for the medium of an item; called before `prepare`, on its thread."""
        ...
