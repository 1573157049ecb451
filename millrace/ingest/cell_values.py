"""Turning a column's cell into the value of a field: first translated, then read as the field's type."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from millrace.ingest.exports import OTHERS
from millrace.ingest.fields import CHOICES, INTEGER_FIELDS, normal
from millrace.ingest.times import TimeReading
from millrace.streams import DEFAULT
from schemas.failures import FailureReason
from shared.decoding import printable
from shared.errors import Rejected

Reader = Callable[[Any], Any]
"""Returns the value of a field for a cell, "" for a cell that is left out; raises `Rejected`."""

IDS = frozenset({"event_id", "tenant_id", DEFAULT.id_field, "customer_id"})
"""Fields that lose blanks at both ends, and for which a number becomes text: ids are often numbers in JSON."""

TEXTS = frozenset({"subject", "body", "resolution", "agent_label"})
"""Fields for which a number becomes text."""

IMAGES = "images"
"""The field that holds pictures."""

WHOLE = re.compile(r"[+-]?\d{1,20}(?:\.0+)?", re.ASCII)
REMEMBERED = 1_000
"""Largest number of different values of a field whose translations are cached."""


def reader_of(name: str, values: Mapping[str, str], times: TimeReading) -> Reader | None:
    """Return the function that reads the cells of a field; None if cells are used as they are.

    Args:
        name: The field.
        values: Normalised value in the file -> value of the field; "*" stands for any other value, "" leaves the cell
            out.
        times: How times are read.
    """
    typed = _typed(name, times)
    if not values and name not in CHOICES:
        return typed
    translation = Translation(name, values)
    if typed is None:
        return translation
    return lambda cell: typed(translation(cell))


def _typed(name: str, times: TimeReading) -> Reader | None:
    if name in INTEGER_FIELDS:
        return as_integer
    if name == "occurred_at":
        return lambda cell: times.read(cell) if isinstance(cell, str) else cell
    if name == IMAGES:
        return as_images
    if name in IDS:
        return as_id
    if name == "language":
        return as_language
    return as_text if name in TEXTS else None


def as_images(cell: Any) -> Any:
    """Return the pictures of a ticket: a text names their URIs, with blanks between them, and they are numbered from 1.

    In JSON, a picture may also be an object with an `image_id` and a `uri`, or with the fields of the event.
    """
    if isinstance(cell, str):
        cell = cell.split()
    if not isinstance(cell, list):
        return cell
    return [_as_image(str(number), each) for number, each in enumerate(cell, 1)]


def _as_image(number: str, each: Any) -> Any:
    if isinstance(each, str):
        return {"image_id": number, "image": {"uri": each}}
    if not isinstance(each, dict) or "image" in each:
        return each
    media = {name: value for name, value in each.items() if name != "image_id"}
    return {"image_id": each.get("image_id", number), "image": media}


class Translation:
    """The meaning of a field's values, if they are mapped or if only fixed values are allowed.

    Args:
        name: The field.
        values: As for `reader_of`.
    """

    def __init__(self, name: str, values: Mapping[str, str]) -> None:
        self._name, self._values, self._choices = name, values, CHOICES.get(name)
        self._known: dict[str, Any] = {}

    def __call__(self, cell: Any) -> Any:
        """Return the meaning of a cell; results are cached.

        Raises:
            Rejected: the field does not allow the value.
        """
        if not isinstance(cell, str):
            return self._meaning(cell)
        if cell not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[cell] = self._meaning(cell)
        return self._known[cell]

    def _meaning(self, cell: Any) -> Any:
        own = normal(str(cell))
        if own in self._values or OTHERS in self._values:
            return self._values.get(own, self._values.get(OTHERS)) if own else ""
        if self._choices is None:
            return cell
        if own in self._choices or not own:
            return own
        shown = printable(str(cell).strip(), 40)
        what = f"{shown!r} is not one of {', '.join(self._choices)}; map it with --value '{self._name}:{shown}=...'"
        raise Rejected(FailureReason.INVALID_VALUE, self._name, what)


def as_integer(cell: Any) -> Any:
    """Return the integer for text such as `12`, or such as `12.0` from a spreadsheet; return anything else as it is."""
    if isinstance(cell, str):
        text = cell.strip()
        return int(text.partition(".")[0]) if WHOLE.fullmatch(text) else text and cell
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def as_id(cell: Any) -> Any:
    """Return an id without blanks at its ends; a number becomes text."""
    return cell.strip() if isinstance(cell, str) else as_text(cell)


def as_language(cell: Any) -> Any:
    """Return a language in the form of BCP 47: `en-US` for `en_US`."""
    return cell.strip().replace("_", "-") if isinstance(cell, str) else cell


def as_text(cell: Any) -> Any:
    """Return a number as text, without a decimal point if it is whole; return anything else as it is."""
    if isinstance(cell, (str, bool)) or not isinstance(cell, int | float):
        return cell
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
