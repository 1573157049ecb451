"""Conditions on payload fields that a search may set besides its own filter, and the paths of nested fields."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from shared.vectorstore.moments import Moments, read_moment

Operator = Literal["=", "!=", "<", "<=", ">", ">="]

INEXPRESSIBLE = re.compile(r'["\\]')
"""Characters that the path of a field cannot express: a double quote, and a backslash, which Qdrant's engine refuses."""

EXACT_LIMIT = 2**53
"""Stores compare numbers as float64, which is exact for bounds below this limit, whatever is stored; from it on, they
differ in whether 2^53 and 2^53 + 1 are equal."""

INTEGER_LIMIT = 2.0**63

UNSUITED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"float": ("integer", "datetime"), "integer": ("datetime",), "datetime": ("integer", "float")}
)
"""The kinds of payload indexes that answer a condition of a kind wrongly: an index of times holds them as numbers, and an
index of integers holds no fractions. With an index of texts, or without one, the engine compares with the payload."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of one payload field with a value: a text, a number or a time.

    A point whose field is missing, null or of another type fails it: neither true nor the text "5" equals the number 5. A
    list meets it if one of its elements does. `!=` is met by a field that has a value, of any type, but not this one; so a
    missing field, null and an empty list fail it, and so does a list that contains the value.

    Attributes:
        keys: The keys that lead to the field: one for each level of nested objects; see `field_path`.
        operator: How the field is compared with the value; a text can only be equal or not, a time not unequal.
        value: The value. A number is compared with numbers, and moments with texts that are times; see `Moments`.
        whole: Whether a number is compared only with whole numbers: a payload index of integers holds no others.
    """

    keys: tuple[str, ...]
    operator: Operator
    value: str | float | Moments
    whole: bool = False

    def __post_init__(self) -> None:
        """Check that every store compares the value alike.

        Raises:
            ValueError: the value is a text to be compared by order or that is not valid Unicode, a time to be unequal, or
                a number that is not finite or too large to be compared exactly.
        """
        if isinstance(self.value, str):
            if self.operator not in ("=", "!="):
                raise ValueError(f"a text can only be compared with = and !=, not with {self.operator}")
            if not self.value.isascii() and self.value.encode(errors="replace").decode() != self.value:
                raise ValueError("the text is not valid Unicode")
        elif isinstance(self.value, Moments):
            if self.operator == "!=":
                raise ValueError("a time cannot be compared with !=; use < or >")
        elif not math.isfinite(self.value):
            raise ValueError(f"{self.value} is not a finite number")
        elif abs(self.value) >= EXACT_LIMIT:
            raise ValueError(f"{self.value:g} is beyond 2^53, from where on numbers are not compared exactly")

    @property
    def path(self) -> str:
        """The path of the field; see `field_path`."""
        return field_path(self.keys)

    @property
    def kind(self) -> str:
        """The kind of payload index that is made for it."""
        if isinstance(self.value, str):
            return "keyword"
        if isinstance(self.value, Moments):
            return "datetime"
        return "integer" if self.whole else "float"

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds of a number, as the arguments of Qdrant's range: gt, gte, lt, lte; those of = also for !=."""
        if isinstance(self.value, str | Moments):
            return {}
        names = {"<": ("lt",), "<=": ("lte",), ">": ("gt",), ">=": ("gte",)}.get(self.operator, ("gte", "lte"))
        return dict.fromkeys(names, float(self.value))

    @property
    def moment_bounds(self) -> dict[str, datetime]:
        """The bounds of a time, in the same way."""
        if not isinstance(self.value, Moments):
            return {}
        first, last = self.value.first, self.value.last
        each = {"<": {"lt": first}, "<=": {"lte": last}, ">": {"gt": last}, ">=": {"gte": first}}
        return each.get(self.operator, {"gte": first, "lte": last})

    @property
    def is_checked(self) -> bool:
        """Whether a store may find points that fail this condition, so that hits must be checked by `is_met_by`."""
        return self.whole or isinstance(self.value, Moments)

    def is_met_by(self, payload: Mapping[str, object]) -> bool:
        """Return whether a payload meets it: what every store answers, without a store."""
        found: object = payload
        for key in self.keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        values: Sequence[object] = found if isinstance(found, list | tuple) else [found]
        if isinstance(self.value, Moments):
            return any(_within(value, self.moment_bounds) for value in values)
        if isinstance(self.value, str):
            equal = any(isinstance(value, str) and value == self.value for value in values)
        else:
            equal = any(self._is_number(value) and _lies(value, self.bounds) for value in values)
        has_value = found is not None and len(values) > 0
        return has_value and not equal if self.operator == "!=" else equal

    def _is_number(self, value: object) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return _is_whole(value) if self.whole else is_number


def _is_whole(value: object) -> bool:
    if isinstance(value, float):
        return value.is_integer() and -INTEGER_LIMIT <= value < INTEGER_LIMIT
    return isinstance(value, int) and not isinstance(value, bool)


def _lies(value: object, bounds: Mapping[str, float]) -> bool:
    """Return whether a number is within bounds; Python compares integers of any size with floats exactly."""
    return isinstance(value, int | float) and all(_obeys(value, name, bound) for name, bound in bounds.items())


def _within(value: object, bounds: Mapping[str, datetime]) -> bool:
    moment = read_moment(value) if isinstance(value, str) else None
    return moment is not None and all(_obeys(moment, name, bound) for name, bound in bounds.items())


def _obeys(value: float | datetime, name: str, bound: float | datetime) -> bool:
    left, right = (value, bound) if name in ("lt", "lte") else (bound, value)
    return left < right or (left == right and name in ("lte", "gte"))  # type: ignore[operator]  # both of one type


def field_path(keys: tuple[str, ...]) -> str:
    """Return the path of a payload field as Qdrant reads it: keys joined by dots, quoted unless they are plain.

    Plain keys consist of alphanumeric characters of any script, _ and -. The engine itself removes quotes that are not
    needed, so that with them the name of an index would differ from its path.

    Raises:
        ValueError: a key contains a character that a path cannot express.
    """
    if any(INEXPRESSIBLE.search(key) for key in keys):
        raise ValueError(f"a key of {keys} contains a double quote or a backslash, which a path cannot express")
    return ".".join(key if _is_plain(key) else f'"{key}"' for key in keys)


def _is_plain(key: str) -> bool:
    return key.replace("_", "a").replace("-", "a").isalnum()
