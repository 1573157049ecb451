"""Making the event that is sent for a row; the same row gives the same event on every run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from millrace.ingest.cell_values import reader_of
from millrace.ingest.fields import ATTRIBUTE, TEXT_FIELDS
from millrace.ingest.mapping import RowMapping
from millrace.ingest.rows import Row
from millrace.ingest.table_files import TableFile
from millrace.streams import DEFAULT
from schemas.base import SCHEMA_VERSION, Deletion, Event
from schemas.failures import FailureReason
from schemas.topics import input_topic
from shared.decoding import decode_event, printable
from shared.errors import Rejected
from shared.records import Message

ENCODER = json.JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class RowEvent:
    """The event of a row, and the record that carries it."""

    event: Event
    message: Message


class EventMaker:
    """Makes events from a file's rows.

    Args:
        source: The file; rows without an id get one from its digest and the row's number.
        mapped: How columns become fields.

    Raises:
        Rejected: a value that is set for every row cannot be read.
    """

    def __init__(self, source: TableFile, mapped: RowMapping) -> None:
        self._source = source
        self._id_column = next((column for column, name in mapped.columns.items() if name == DEFAULT.id_field), None)
        self._texts = {column for column, name in mapped.columns.items() if name in TEXT_FIELDS}
        self.has_ids = self._id_column is not None or DEFAULT.id_field in mapped.constants
        readers = {
            name: reader_of(name, mapped.values.get(name, {}), mapped.times)
            for name in (*mapped.columns.values(), *mapped.constants)
        }
        steps = [(column, name, readers[name]) for column, name in mapped.columns.items()]
        self._fields = [step for step in steps if not step[1].startswith(ATTRIBUTE)]
        self._attributes = [step for step in steps if step[1].startswith(ATTRIBUTE)]
        constants = [(name, readers[name], value) for name, value in mapped.constants.items()]
        values = {name: value if read is None else read(value) for name, read, value in constants}
        self._constants = {name: value for name, value in values.items() if not name.startswith(ATTRIBUTE)}
        self._constant_attributes = _bare({name: values[name] for name in values.keys() - self._constants.keys()})
        self._begin = {
            "schema_version": SCHEMA_VERSION,
            "event_id": "",
            "tenant_id": mapped.tenant_id,
            "event_version": 1,
            "occurred_at": source.modified_at.isoformat(),
            "reason": "created",
        }

    def make(self, row: Row) -> RowEvent:
        """Return the event of a row.

        Raises:
            Rejected: the row does not give a valid event; the error names the field.
        """
        if row.fault is not None:
            raise row.fault
        if row.missing and self._is_cut_off(row):
            what = (
                f"the row has only {len(row.cells) - len(row.missing)} of {len(row.cells)} cells and no text; "
                "perhaps it is the end of the row above"
            )
            what += "; perhaps a line break in a text is not quoted"
            raise Rejected(FailureReason.MISSING_FIELD, "row", what)
        value = ENCODER.encode(self._event(row)).encode("utf-8", "surrogatepass")
        event = decode_event(value, DEFAULT.events)
        return RowEvent(event, Message(input_topic(DEFAULT.name), DEFAULT.key(event), value))

    def _is_cut_off(self, row: Row) -> bool:
        """Return whether a row ends before its text: such a row is usually the end of the row above it."""
        texts = [row.cells.get(column) for column in self._texts]
        return not self._texts.isdisjoint(row.missing) and not any(str(text or "").strip() for text in texts)

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
        if DEFAULT.id_field not in event:
            event[DEFAULT.id_field] = self._id_of(row)
        if event["reason"] == "deleted":
            kept = {*Deletion.model_fields, DEFAULT.id_field}
            return {name: value for name, value in event.items() if name in kept}
        return event

    def _id_of(self, row: Row) -> str:
        """Return an id for a row without one; if a column holds the ids, such a row is refused."""
        if self._id_column is not None:
            what = f"the cell of {printable(self._id_column)} is empty"
            raise Rejected(FailureReason.MISSING_FIELD, DEFAULT.id_field, what)
        return row_id(self._source, row.number)

    def _put_attributes(self, event: dict[str, Any], cells: Mapping[str, Any]) -> None:
        """Add the columns and constants that are attributes to the row's own attributes."""
        own = event.get("attributes", {})
        if not isinstance(own, Mapping):
            return
        given = [(name, read, cells.get(column)) for column, name, read in self._attributes]
        read_cells = {name: read(cell) if read is not None and cell is not None else cell for name, read, cell in given}
        added = _bare({name: cell for name, cell in read_cells.items() if cell is not None and cell != ""})
        if added or self._constant_attributes:
            event["attributes"] = {**own, **added, **self._constant_attributes}


def row_id(source: TableFile, number: int) -> str:
    """Return the source id of a row without an id of its own: a digest of the file and the row's number."""
    return sha256(f"{source.digest}:{number}".encode()).hexdigest()[:16]


def _bare(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes under their names without the prefix."""
    return {name.removeprefix(ATTRIBUTE): value for name, value in attributes.items()}
