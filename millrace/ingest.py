"""Turning the rows of a CSV or JSON Lines file into ticket events, the same ones on every run."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from schemas.base import SCHEMA_VERSION
from schemas.tickets import TICKET_EVENT
from schemas.topics import input_topic
from shared.decoding import decode
from shared.errors import Fatal
from shared.records import Message
from workers.tickets.prepare import STREAM, record_key

INTEGER_FIELDS = frozenset({"event_version", "satisfaction"})
FIELDS = frozenset(
    {
        "event_id", "tenant_id", "event_version", "occurred_at", "reason", "ticket_id", "subject", "body", "language",
        "channel", "customer_id", "priority", "attributes", "resolution", "satisfaction", "agent_label",
    }
)  # fmt: skip
ATTRIBUTE = "attributes."

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mapped:
    """How rows become events.

    Attributes:
        tenant_id: The tenant of rows that name none.
        columns: Column -> field, for columns whose name is not a field's; `attributes.NAME` is a field too.
        constants: Field -> value, for every row.
        id_column: The column that holds the ticket's id; None takes a digest of the file and the row's number.
    """

    tenant_id: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    id_column: str | None = None

    def __post_init__(self) -> None:
        """Refuse names that are no field.

        Raises:
            Fatal: a field does not exist.
        """
        for name in (*self.columns.values(), *self.constants):
            if name not in FIELDS and not name.startswith(ATTRIBUTE):
                raise Fatal(f"a ticket has no field {name}; it has {', '.join(sorted(FIELDS))} and attributes.NAME")


@dataclass(frozen=True, slots=True)
class TicketFile:
    """A file of tickets. Its digest, not its name, stands in the ids: a renamed file gives the same tickets."""

    path: Path
    digest: str
    modified_at: datetime

    @classmethod
    def open(cls, path: Path) -> "TicketFile":
        """Look at a file.

        Raises:
            Fatal: it cannot be read, or it is neither .csv nor .jsonl.
        """
        if path.suffix not in (".csv", ".jsonl"):
            raise Fatal(f"{path}: expected a file that ends in .csv or .jsonl")
        try:
            with path.open("rb") as opened:
                digest = sha256()
                while block := opened.read(1 << 20):
                    digest.update(block)
            modified_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except OSError as error:
            raise Fatal(f"{path} cannot be read: {error.strerror}") from error
        return cls(path, digest.hexdigest(), modified_at)

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order.

        Raises:
            Fatal: the file is not what its name says; the error names the line.
        """
        with self.path.open(encoding="utf-8-sig", newline="") as opened:
            try:
                if self.path.suffix == ".csv":
                    reader = csv.DictReader(opened, strict=True)
                    yield from reader
                else:
                    yield from _json_lines(self.path, opened)
            except csv.Error as error:
                raise Fatal(f"{self.path}, line {reader.reader.line_num}: {error}") from error
            except UnicodeDecodeError as error:
                raise Fatal(f"{self.path}: {error}") from error


def _json_lines(path: Path, lines: Iterator[str] | Any) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Fatal(f"{path}, line {number}: {error}") from error
        if not isinstance(row, dict):
            raise Fatal(f"{path}, line {number}: expected an object")
        yield row


def to_message(row: Row, number: int, source: TicketFile, mapped: Mapped) -> Message:
    """Return the record for a row.

    Args:
        row: Column -> value; empty cells are left out.
        number: The row's number, from 0.
        source: The file.
        mapped: How columns become fields.

    Raises:
        Rejected: the row does not make a ticket event; the error names the field.
    """
    event = _event(row, number, source, mapped)
    value = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
    checked = decode(value, TICKET_EVENT)
    return Message(input_topic(STREAM), record_key(checked.tenant_id, checked.ticket_id), value)


def row_id(source: TicketFile, number: int) -> str:
    """Return the ticket id of a row that has none of its own: a digest of the file and the row's number."""
    return sha256(f"{source.digest}:{number}".encode()).hexdigest()[:16]


def _event(row: Row, number: int, source: TicketFile, mapped: Mapped) -> dict[str, Any]:
    event: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "event_id": f"{source.digest[:16]}:{number}",
        "tenant_id": mapped.tenant_id,
        "event_version": 1,
        "occurred_at": source.modified_at.isoformat(),
        "reason": "created",
        "ticket_id": row_id(source, number) if mapped.id_column is None else _text(row.get(mapped.id_column)),
    }
    attributes: dict[str, Any] = {}
    named = {column: column for column in row if column in FIELDS and (column != "ticket_id" or not mapped.id_column)}
    cells = [(target, row.get(column)) for column, target in (named | dict(mapped.columns)).items()]
    for name, value in [*cells, *mapped.constants.items()]:
        if value is None or value == "":
            continue
        if name.startswith(ATTRIBUTE):
            attributes[name.removeprefix(ATTRIBUTE)] = value
        else:
            event[name] = int(value) if name in INTEGER_FIELDS and _is_integer(value) else value
    if attributes and isinstance(event.get("attributes", {}), Mapping):
        event["attributes"] = {**event.get("attributes", {}), **attributes}
    return event


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _is_integer(value: object) -> bool:
    return isinstance(value, str) and value.strip().isdecimal() and len(value) <= 20
