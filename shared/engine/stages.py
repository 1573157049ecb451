"""What the engine calls of a stream: its `Stages`, and what they return. `stream.py` holds the descriptor of a stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from schemas.base import Frozen, Origin
from shared.engine.snapshots import Item
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
