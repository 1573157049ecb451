"""Point ids, the fields that the points of every stream have, and the check whether Millrace wrote a point.

Other programs may write into a collection and overwrite fields of Millrace's points. A point is Millrace's if its id is
the one that `point_id` returns for the tenant and the source id in its payload, and if the payload has the types of its
stream's schema. Fields that other programs add are left unchanged.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from uuid import UUID, uuid5

from pydantic import ConfigDict, Field, ValidationError

from schemas.base import EventVersion, Frozen, TenantId

POINT_NAMESPACE = UUID("6f1d2f0c-6f0b-5a53-9a55-0f1f3a0c8a2e")
"""Namespace of all point ids. It never changes: a change would give every stored item a second point."""


def point_id(tenant_id: str, stream: str, source_id: str) -> UUID:
    """Return the id of an item's point: uuid5 of its tenant, stream and source id.

    Tenant ids have no colon and streams are fixed words, so no two items have the same name.
    """
    return uuid5(POINT_NAMESPACE, f"{tenant_id}:{stream}:{source_id}")


class StoredItem(Frozen):
    """The fields that the engine stores for every snapshot, in addition to those of its stream."""

    tenant_id: TenantId
    event_version: EventVersion
    deleted: Literal[False] = False
    content_digest: str = Field(
        description="SHA-256 of this version's content; distinguishes a repeat from a conflict."
    )
    decided_version: EventVersion | None = Field(description="The version whose result was last published.")


class Tombstone(Frozen):
    """The fields that the engine stores for a deleted item; its stream adds the source id."""

    tenant_id: TenantId
    event_version: EventVersion
    deleted: Literal[True] = True
    content_digest: str = Field(
        description="SHA-256 of this version's content; distinguishes a repeat from a conflict."
    )


IsOurs = Callable[[UUID | int, Mapping[str, object]], bool]
"""A check whether Millrace wrote a point, given its id and its payload; see `PointSchema.is_ours`."""


@dataclass(frozen=True, slots=True)
class SecondKind:
    """A kind of item of a stream that is not a snapshot with vectors, such as a person's verdict on two images.

    Attributes:
        field: The payload field that only its points have.
        payload: The schema of its points.
    """

    field: str
    payload: type[Frozen]


@dataclass(frozen=True)
class PointSchema:
    """The content of a stream's points.

    Attributes:
        stream: The name of the stream, as it is used in the ids of its points.
        id_field: The payload field that holds the source id, such as `ticket_id`.
        payload: The schema of a stored snapshot.
        tombstone: The schema of a deleted item.
        second_kind: The kind of item besides snapshots; None without such a kind.
    """

    stream: str
    id_field: str
    payload: type[Frozen]
    tombstone: type[Frozen]
    second_kind: SecondKind | None = None

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields that `foreign_reason` checks; points of other kinds have only some of them."""
        others = () if self.second_kind is None else tuple(self.second_kind.payload.model_fields)
        return tuple(dict.fromkeys((*self.payload.model_fields, *others)))

    def is_ours(self, which: UUID | int, payload: Mapping[str, object]) -> bool:
        """Return whether a point's id is the one of the item that its payload names.

        It takes two microseconds, and reads only `tenant_id` and the source id.
        """
        tenant, source_id = payload.get("tenant_id"), payload.get(self.id_field)
        if not (isinstance(tenant, str) and isinstance(source_id, str)):
            return False
        return which == point_id(tenant, self.stream, source_id)

    def foreign_reason(self, which: UUID | int, payload: Mapping[str, object]) -> str | None:
        """Return why Millrace did not write a point, or None if it did; no value of the payload is quoted.

        Args:
            which: The point's id.
            payload: All the `fields` that the point has.
        """
        if isinstance(which, int):
            return "its id is an integer"
        if not self.is_ours(which, payload):
            return f"its id does not match the tenant and the {self.id_field.removesuffix('_id')} in its payload"
        schema = self._lenient_schema(payload)
        held = {name: payload[name] for name in schema.model_fields if name in payload}
        try:
            schema.model_validate_json(
                json.dumps(held)
            )  # as JSON: strict for numbers, but a list is accepted as a tuple
        except ValidationError as error:
            return _in_words(error)
        except (ValueError, RecursionError):
            return "its payload is not valid JSON"
        return None

    def _lenient_schema(self, payload: Mapping[str, object]) -> type[Frozen]:
        if payload.get("deleted") is True:
            return self._lenient_tombstone
        if self.second_kind is not None and self.second_kind.field in payload:
            return self._lenient_second
        return self._lenient_payload

    @cached_property
    def _lenient_payload(self) -> type[Frozen]:
        return _ignoring_others(self.payload)

    @cached_property
    def _lenient_tombstone(self) -> type[Frozen]:
        return _ignoring_others(self.tombstone)

    @cached_property
    def _lenient_second(self) -> type[Frozen]:
        return _ignoring_others(self.payload if self.second_kind is None else self.second_kind.payload)


def _ignoring_others(schema: type[Frozen]) -> type[Frozen]:
    """Return the same schema, but without refusing fields that other programs have added."""

    class Lenient(schema):  # type: ignore[misc, valid-type]  # the base is chosen at run time
        model_config = ConfigDict(extra="ignore")

    return Lenient


def _in_words(error: ValidationError) -> str:
    first: Any = error.errors(include_input=False, include_url=False)[0]
    if not first["loc"]:
        return "its payload is not valid JSON"
    missing = first["type"] == "missing" and len(first["loc"]) == 1
    return f"its field {first['loc'][0]} is {'missing' if missing else 'not valid'}"
