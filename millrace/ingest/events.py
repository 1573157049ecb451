"""From a row to the event that is sent; the same row gives the same event on every run."""

import json
from collections.abc import Callable, Mapping
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

REMEMBERED = 1_000
"""Different values of a field that are remembered with their meaning."""

ENCODER = json.JSONEncoder(ensure_ascii=False)
Reader = Callable[[Any], Any]
"""From a cell to the value of a field, "" for a cell that is left out; it raises `Rejected`."""


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
        used = mapped.columns.items()
        self._fields = [(c, name, _reader(mapped, name, c != name)) for c, name in used if not _is_attribute(name)]
        self._attributes = [(c, name.removeprefix(ATTRIBUTE)) for c, name in used if _is_attribute(name)]
        self._by_field = {name: column for column, name in used}
        self._identity = [self._by_field.get(name) for name in ("ticket_id", "tenant_id", "event_version")]
        self._constants = _constants(mapped)
        constants = mapped.constants.items()
        self._constant_attributes = {n.removeprefix(ATTRIBUTE): value for n, value in constants if _is_attribute(n)}
        self._begin = {
            "schema_version": SCHEMA_VERSION,
            "event_id": "",
            "tenant_id": mapped.tenant_id,
            "event_version": 1,
            "occurred_at": source.modified_at.isoformat(),
            "reason": "created",
        }

    def make(self, row: Row) -> Made:
        """Return the event of a row.

        Raises:
            Rejected: the row does not make one; the error names the field.
        """
        if row.fault is not None:
            raise row.fault
        value = ENCODER.encode(self._event(row)).encode("utf-8", "surrogatepass")
        event = decode(value, TICKET_EVENT)
        return Made(event, Message(input_topic(STREAM), record_key(event.tenant_id, event.ticket_id), value))

    def identity(self, row: Row) -> tuple[object, ...] | None:
        """Return what tells a row's event from others: tenant, id and version; None for a row without an id of its own."""
        own, tenant_id, version = (None if column is None else row.cells.get(column) for column in self._identity)
        return (tenant_id or self._mapped.tenant_id, str(own), str(version or "")) if own else None

    def _event(self, row: Row) -> dict[str, Any]:
        event: dict[str, Any] = self._begin | {"event_id": f"{self._source.digest[:16]}:{row.number}"}
        cells = row.cells
        for column, name, read in self._fields:
            value = cells.get(column)
            if value is None or value == "":
                continue
            if read is not None:
                value = read(value)
            if value != "":
                event[name] = value
        event |= self._constants
        if self._attributes or self._constant_attributes:
            self._put_attributes(event, cells)
        if "ticket_id" not in event:
            event["ticket_id"] = self._id_of(row)
        if event["reason"] == "deleted":
            return {name: value for name, value in event.items() if name in TicketDeleted.model_fields}
        return event

    def _id_of(self, row: Row) -> str:
        """Return the id of a row that gives none; where a column holds the ids, a row has to give one."""
        column = self._by_field.get("ticket_id")
        if column is not None:
            what = f"the cell of {printable(column)} is empty"
            raise Rejected(FailureReason.MISSING_FIELD, "ticket_id", what)
        return row_id(self._source, row.number)

    def _put_attributes(self, event: dict[str, Any], cells: Mapping[str, Any]) -> None:
        """Add the columns and constants that are attributes to those of the row."""
        own = event.get("attributes", {})
        if not isinstance(own, Mapping):
            return
        added = {name: cells.get(column) for column, name in self._attributes} | self._constant_attributes
        added = {name: value for name, value in added.items() if value is not None and value != ""}
        if added:
            event["attributes"] = {**own, **added}


def _is_attribute(name: str) -> bool:
    return name.startswith(ATTRIBUTE)


def _constants(mapped: Mapped) -> dict[str, Any]:
    """Return the constants as fields of an event; those of attributes are put there by each row."""
    found: dict[str, Any] = {}
    for name, value in mapped.constants.items():
        read = _reader(mapped, name, False)
        if value and not _is_attribute(name):
            found[name] = value if read is None else read(value)
    return found


def _reader(mapped: Mapped, name: str, is_mapped: bool) -> Reader | None:
    """Return what reads a cell of a field; None where a cell is taken as it is."""
    if name in INTEGER_FIELDS:
        values = mapped.values.get(name)
        return _integer if values is None else lambda value: _integer(values.get(normal(str(value)), value))
    if name in mapped.values or name in CHOICES:
        return _Translation(name, mapped.values.get(name, {}))
    if name == "occurred_at":
        return lambda value: mapped.times.read(value) if isinstance(value, str) else value
    return _as_text if is_mapped and name in TEXTS else None


class _Translation:
    """What the values of a field mean that knows a few of them; what was looked up once is remembered."""

    def __init__(self, name: str, values: Mapping[str, str]) -> None:
        self._name, self._values, self._choices = name, values, CHOICES.get(name)
        self._known: dict[str, Any] = {}

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, str):
            return self._translated(value)
        if value not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[value] = self._translated(value)
        return self._known[value]

    def _translated(self, value: Any) -> Any:
        own = normal(str(value))
        if own in self._values:
            return self._values[own]
        if self._choices is None:
            return value
        if own in self._choices or not own:
            return own
        if OTHERS in self._values:
            return self._values[OTHERS]
        shown = printable(str(value).strip(), 40)
        example = f"--value '{self._name}:{shown}={self._choices[1]}', for example, maps it"
        what = f"{shown!r} is not one of {', '.join(self._choices)}; {example}"
        raise Rejected(FailureReason.INVALID_VALUE, self._name, what)


def row_id(source: TableFile, number: int) -> str:
    """Return the ticket id of a row that has none of its own: a digest of the file and the row's number."""
    return sha256(f"{source.digest}:{number}".encode()).hexdigest()[:16]


def _integer(value: Any) -> Any:
    """Return a whole number that is written as text, or with a point as spreadsheets do; anything else as it is."""
    if isinstance(value, str):
        text = value.strip().removesuffix(".0")
        return int(text) if text.isdecimal() and len(text) <= 20 else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_text(value: Any) -> Any:
    """Return a number as text, and anything else as it is."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
