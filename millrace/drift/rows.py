"""The rows that a reference is built from: the decided items of a stream, as they are stored.

The classes that an item is counted by are those of the sums that a worker publishes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from schemas.decisions import Decision
from shared.drift.reference import Seen
from shared.drift.traits import counted_by
from shared.engine.snapshots import DECISION_FIELD, MOMENT
from shared.engine.stream import Stream
from shared.facts import Traits
from shared.records import Vector
from shared.vectorstore.port import is_unit

TEXT_CHARS = 2_000
"""The beginning of a text, of this length, is kept to find the words that characterise similar items."""


@dataclass(frozen=True, slots=True, eq=False)
class DecidedItem:
    """An item that was decided.

    Attributes:
        item_id: Its id in the source system.
        tenant_id: Its tenant.
        occurred_at: When the stored event of it happened.
        decision: The decision.
        traits: The classes that it is counted by; see `Seen`.
        text: The beginning of its masked text.
        vectors: Its vectors that affect results, by the name of the input.
    """

    item_id: str
    tenant_id: str
    occurred_at: datetime
    decision: Decision
    traits: Mapping[str, str]
    text: str
    vectors: Mapping[str, Vector]

    def seen(self, name: str) -> Seen | None:
        """Return the row of an input; None if the item has no vector of it."""
        vector = self.vectors.get(name)
        if vector is None:
            return None
        return Seen(vector, self.item_id, self.tenant_id, self.occurred_at, self.traits, self.text)


def watched_inputs(stream: Stream[Any, Any]) -> tuple[str, ...]:
    """Return the names of the inputs whose vectors are watched: those that affect results."""
    return stream.rules.affecting


def is_decided(payload: Mapping[str, object]) -> bool:
    """Return whether the payload of a point holds a decision."""
    return payload.get("deleted") is not True and payload.get(DECISION_FIELD) is not None


def decided_item(
    stream: Stream[Any, Any], which: UUID, payload: Mapping[str, Any], vectors: Mapping[str, Vector]
) -> DecidedItem | None:
    """Return the decided item of a point; None if it has no decision, or if it is no valid snapshot of the stream.

    Args:
        stream: The stream.
        which: The point's id.
        payload: Its whole payload.
        vectors: Its vectors.
    """
    if not is_decided(payload) or stream.points.foreign_reason(which, payload) is not None:
        return None
    try:
        decision = Decision.model_validate(payload[DECISION_FIELD], strict=False)
        occurred_at = MOMENT.validate_python(payload["occurred_at"])
    except ValidationError:
        return None
    traits = Traits() if stream.stored_traits is None else stream.stored_traits(payload)
    return DecidedItem(
        item_id=str(payload[stream.id_field]),
        tenant_id=str(payload["tenant_id"]),
        occurred_at=occurred_at,
        decision=decision,
        traits=counted_by(decision, traits),
        text=traits.text[:TEXT_CHARS],
        vectors={name: vectors[name] for name in _usable(watched_inputs(stream), vectors)},
    )


def _usable(names: Sequence[str], vectors: Mapping[str, Vector]) -> list[str]:
    return [name for name in names if name in vectors and is_unit(vectors[name])]
