"""The fields that a search can filter on: those that a stream declares, and the attributes that its settings index."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shared.stream_settings import NUMBER, TIME, SearchSettings
from shared.vectorstore.conditions import field_path
from shared.vectorstore.port import IndexKind

ATTRIBUTES = "attributes"
"""The payload field that holds the attributes of an item."""

IN_WORDS: Mapping[IndexKind, str] = MappingProxyType(
    {"keyword": "text", "integer": "whole number", "float": "number", "datetime": "time"}
)
"""What a field of each kind holds, in words."""


@dataclass(frozen=True, slots=True)
class Filterable:
    """A payload field that a search can filter on.

    Attributes:
        keys: The keys that lead to the field: one for each level of nested objects.
        kind: The kind of its values, and of its payload index.
        is_prepared: Whether the worker stores its texts prepared: normalised, and with personal data masked.
        choices: The only values that a text can have; empty: any.
    """

    keys: tuple[str, ...]
    kind: IndexKind
    is_prepared: bool = False
    choices: tuple[str, ...] = ()


def field_indexes(fields: Mapping[str, Filterable]) -> dict[str, IndexKind]:
    """Return the payload fields, each with the kind of its index."""
    return {field_path(each.keys): each.kind for each in fields.values()}


def attribute_fields(settings: SearchSettings) -> dict[str, Filterable]:
    """Return the indexed attributes by their names."""
    kinds: dict[str, IndexKind] = {NUMBER: "float", TIME: "datetime"}
    found = {}
    for given in settings.indexed_attributes:
        ending = next((each for each in kinds if given.endswith(each)), "")
        name = given.removesuffix(ending)
        found[name] = Filterable((ATTRIBUTES, name), kinds.get(ending, "keyword"), is_prepared=True)
    return found


def filterable_fields(declared: Mapping[str, Filterable], settings: SearchSettings) -> dict[str, Filterable]:
    """Return the fields that conditions can name: those of a stream, and its indexed attributes.

    An attribute is named with or without `attributes.` before it; without it, a field of the same name wins.

    Args:
        declared: The fields that the stream declares; see `Stream.filters`.
        settings: The settings of the stream.
    """
    attributes = attribute_fields(settings)
    explicit = {f"{ATTRIBUTES}.{name}": each for name, each in attributes.items()}
    return {**explicit, **attributes, **declared}
