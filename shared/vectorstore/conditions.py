"""Conditions on payload fields that a search may set besides its own filter, and the paths of nested fields."""

import math
import re
from dataclasses import dataclass
from typing import Literal

Operator = Literal["=", "<", "<=", ">", ">="]

PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
QUOTE = '"'


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of one payload field with a value. A point whose field is missing, null or of another type fails it.

    A number is compared as float64, and with numbers only: neither true nor the text "5" equals 5.

    Attributes:
        keys: The keys that lead to the field: one for each level of nested objects; none contains a double quote.
        operator: How the field is compared with the value; a text can only be equal.
        value: The value.
    """

    keys: tuple[str, ...]
    operator: Operator
    value: str | float

    def __post_init__(self) -> None:
        """Check that the store can compare the value.

        Raises:
            ValueError: the value is a text to be compared by order, or not a finite number.
        """
        if isinstance(self.value, str):
            if self.operator != "=":
                raise ValueError(f"a text can only be compared with =, not with {self.operator}")
        elif not math.isfinite(self.value):
            raise ValueError(f"{self.value} is not a finite number")

    @property
    def path(self) -> str:
        """The path of the field; see `field_path`."""
        return field_path(self.keys)

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds of a number, as the arguments of Qdrant's range: gt, gte, lt, lte."""
        if isinstance(self.value, str):
            return {}
        names = {"=": ("gte", "lte"), "<": ("lt",), "<=": ("lte",), ">": ("gt",), ">=": ("gte",)}[self.operator]
        return dict.fromkeys(names, float(self.value))


def field_path(keys: tuple[str, ...]) -> str:
    """Return the path of a payload field as Qdrant reads it: keys joined by dots, quoted unless they are plain.

    Raises:
        ValueError: a key contains a double quote, which a path cannot express.
    """
    if any(QUOTE in key for key in keys):
        raise ValueError(f"a key of {keys} contains a double quote, which the path of a field cannot express")
    return ".".join(key if PLAIN_KEY.fullmatch(key) else f"{QUOTE}{key}{QUOTE}" for key in keys)
