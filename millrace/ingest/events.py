"""From a row to the event that is sent; the same row gives the same event on every run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from millrace.ingest.exports import OTHERS
from millrace.ingest.fields import ATTRIBUTE, CHOICES, INTEGER_FIELDS, normal
from millrace.ingest.files import TableFile
from millrace.ingest.mapping import Mapped
from millrace.ingest.rows import Row
from schemas.base import SCHEMA_VERSION
from schemas.failures import FailureReason
from schemas.tickets import TICKET_EVENT, TicketDeleted, TicketSnapshot
from schemas.topics import input_topic
from shared.decoding import decode, printable
from shared.errors import Rejected
from shared.records import Message
from workers.tickets.prepare import STREAM, record_key

TEXTS = frozenset({"event_id", "tenant_id", "ticket_id", "customer_id", "subject", "body", "resolution", "agent_label"})
"""Fields for which a number of another column becomes text: ids are often numbers in JSON."""


@dataclass(frozen=True, slots=True)
class Made:
    """A row's event, and the record that carries it."""

    event: TicketSnapshot | TicketDeleted
    message: Message


class Maker:
    """Makes events of a file's rows.

    Args:
        source: The file; its digest and the row's number make the ids of rows that have none.
        mapped: How columns become fields.
    """

    def __init__(self, source: TableFile, mapped: Mapped) -> None:
        self._source, self._mapped = source, mapped
        self._columns = tuple(mapped.columns.items())
        self._id_column = next((column for column, name in self._columns if name == "ticket_id"), None)
        self._modified_at = source.modified_at.isoformat()

    def make(self, row: Row) -> Made:
        """Return the event of a row.

        Raises:
            Rejected: the row does not make one; the error names the field.
        """
        if row.fault is not None:
            raise row.fault
        value = json.dumps(self._event(row), ensure_ascii=False).encode("utf-8", "surrogatepass")
        event = decode(value, TICKET_EVENT)
        return Made(event, Message(input_topic(STREAM), record_key(event.tenant_id, event.ticket_id), value))

    def identity(self, row: Row) -> tuple[object, ...] | None:
        """Return what tells a row's event from others: tenant, id and version; None for a row without an id of its own."""
        if self._id_column is None:
            return None
        by_field = {name: row.cells.get(column) for column, name in self._columns}
        own = (by_field.get("tenant_id") or self._mapped.tenant_id, str(by_field["ticket_id"] or ""))
        return (*own, str(by_field.get("event_version") or "")) if own[1] else None

    def _event(self, row: Row) -> dict[str, Any]:
        event: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "event_id": f"{self._source.digest[:16]}:{row.number}",
            "tenant_id": self._mapped.tenant_id,
            "event_version": 1,
            "occurred_at": self._modified_at,
            "reason": "created",
        }
        attributes: dict[str, Any] = {}
        cells = row.cells
        for column, name in self._columns:
            self._put(event, attributes, name, cells.get(column), column != name)
        for name, value in self._mapped.constants.items():
            self._put(event, attributes, name, value, False)
        if "ticket_id" not in event:
            if self._id_column is not None:
                what = f"the cell of {printable(self._id_column)} is empty"
                raise Rejected(FailureReason.MISSING_FIELD, "ticket_id", what)
            event["ticket_id"] = row_id(self._source, row.number)
        if attributes and isinstance(event.get("attributes", {}), Mapping):
            event["attributes"] = {**event.get("attributes", {}), **attributes}
        if event["reason"] == "deleted":
            return {name: value for name, value in event.items() if name in TicketDeleted.model_fields}
        return event

    def _put(self, event: dict[str, Any], attributes: dict[str, Any], name: str, value: Any, is_mapped: bool) -> None:
        """Give a field its value; an empty cell is left out."""
        if value is None or value == "":
            return
        if name.startswith(ATTRIBUTE):
            attributes[name.removeprefix(ATTRIBUTE)] = value
            return
        if name in self._mapped.values or name in CHOICES:
            value = self._translated(name, value)
            if value == "":
                return
        if name in INTEGER_FIELDS:
            value = _integer(value)
        elif name == "occurred_at" and isinstance(value, str):
            value = self._mapped.times.read(value)
        elif is_mapped and name in TEXTS and isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        event[name] = value

    def _translated(self, name: str, value: Any) -> Any:
        """Return what a value in the file means for a field that knows a few values."""
        own = normal(str(value))
        known = self._mapped.values.get(name, {})
        choices = CHOICES.get(name)
        if own in known:
            return known[own]
        if choices is None:
            return value
        if own in choices or not own:
            return own
        if OTHERS in known:
            return known[OTHERS]
        shown = printable(str(value).strip(), 40)
        what = (
            f"{shown!r} is not one of {', '.join(choices)}; --value '{name}:{shown}={choices[1]}', for example, maps it"
        )
        raise Rejected(FailureReason.INVALID_VALUE, name, what)


def row_id(source: TableFile, number: int) -> str:
    """Return the ticket id of a row that has none of its own: a digest of the file and the row's number."""
    return sha256(f"{source.digest}:{number}".encode()).hexdigest()[:16]


def _integer(value: Any) -> Any:
    """Return a whole number that is written as text, or with a point as spreadsheets do; anything else as it is."""
    if isinstance(value, str):
        text = value.strip().removesuffix(".0")
        return int(text) if text.isdecimal() and len(text) <= 20 else value
    return int(value) if isinstance(value, float) and value.is_integer() else value
