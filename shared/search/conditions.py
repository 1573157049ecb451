"""The attributes that a search can filter on, and conditions on them as a user writes them, such as `plan=enterprise`."""

import math
import re
from collections.abc import Mapping

from shared.stream_settings import NUMBER, SearchSettings
from shared.vectorstore.conditions import Condition, Operator, field_path
from shared.vectorstore.port import IndexKind

ATTRIBUTES = "attributes"
"""The payload field that holds the attributes of a ticket."""

COMPARISON = re.compile(r"(<=|>=|=|<|>)(.*)", re.DOTALL)


def attribute_kinds(settings: SearchSettings) -> dict[str, IndexKind]:
    """Return the indexed attributes, each with the kind of its index."""
    return {
        name.removesuffix(NUMBER): "float" if name.endswith(NUMBER) else "keyword"
        for name in settings.indexed_attributes
    }


def attribute_indexes(settings: SearchSettings) -> dict[str, IndexKind]:
    """Return the payload fields of the indexed attributes, each with the kind of its index."""
    return {field_path((ATTRIBUTES, name)): kind for name, kind in attribute_kinds(settings).items()}


def read_condition(text: str, kinds: Mapping[str, IndexKind]) -> Condition:
    """Return the condition that a text such as `plan=enterprise` or `seats>=10` states.

    Args:
        text: Name of an indexed attribute, one of = < <= > >=, and the value; texts can only be compared with =.
        kinds: The indexed attributes, as `attribute_kinds` returns them.

    Raises:
        ValueError: the attribute is not indexed, or the comparison or the value does not suit it.
    """
    for name in sorted(kinds, key=len, reverse=True):
        found = COMPARISON.fullmatch(text.removeprefix(name)) if text.startswith(name) else None
        if found is not None:
            operator: Operator = found[1]  # type: ignore[assignment]  # the pattern matches only these
            return Condition((ATTRIBUTES, name), operator, _value(text, name, found[2].strip(), kinds[name]))
    raise ValueError(
        f"{text!r} does not begin with the name of an indexed attribute and one of = < <= > >=; indexed attributes: "
        f"{', '.join(kinds) or 'none'}"
    )


def _value(text: str, name: str, value: str, kind: IndexKind) -> str | float:
    if kind == "keyword":
        return value
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r}: {name} is compared as a number, and {value!r} is not a finite number")
    return number
