"""Which column is which field: what was asked for, what the names say, and what is refused rather than guessed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path

from millrace.ingest.exports import Export, recognise_export
from millrace.ingest.fields import ATTRIBUTE, FIELDS, TEXT_FIELDS, is_field, normal, suggestions
from millrace.ingest.headers import looks_like_data
from millrace.ingest.times import STRICT, TimeReading
from shared.decoding import printable
from shared.errors import Fatal

SHOWN_COLUMNS = 40


@dataclass(frozen=True, slots=True)
class Wanted:
    """How rows are to become events, as the user says.

    Attributes:
        tenant_id: The tenant of rows that name none.
        columns: Column -> field, "" for a column that is left out; they win over what the names say.
        constants: Field -> value, for every row; they win over columns.
        values: Field -> value in the file -> value of the field, "" for one that is left out.
        id_column: The column that holds the ticket's id, the same as a column mapped to `ticket_id`.
        times: How times are read.
    """

    tenant_id: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    id_column: str | None = None
    times: TimeReading = STRICT

    def __post_init__(self) -> None:
        """Refuse names that are no field.

        Raises:
            Fatal: a field does not exist.
        """
        for name in (*self.columns.values(), *self.constants, *self.values):
            if name and not is_field(name):
                raise Fatal(f"a ticket has no field {name}; it has {', '.join(sorted(FIELDS))} and attributes.NAME")


@dataclass(frozen=True, slots=True)
class Mapped:
    """How rows become events.

    Attributes:
        tenant_id: The tenant of rows that name none.
        columns: Column -> field, for each column that is used.
        constants: Field -> value, for every row.
        values: Field -> normal value in the file -> value of the field; "*" stands for any other value.
        times: How times are read.
    """

    tenant_id: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    times: TimeReading = STRICT


@dataclass(frozen=True, slots=True)
class Fit:
    """A file's columns and what they are.

    Attributes:
        mapped: How rows become events.
        unused: Columns that are no field, in order.
        suggested: Unused column -> field that it may mean.
        export: The export that was recognised.
    """

    mapped: Mapped
    unused: tuple[str, ...]
    suggested: Mapping[str, str]
    export: Export | None


def fit(path: Path, columns: Sequence[str], wanted: Wanted, is_header: bool) -> Fit:
    """Decide which column is which field.

    Args:
        path: The file, for messages.
        columns: Their names, in order.
        wanted: What the user says.
        is_header: Whether the names come from one header, so that two equal ones hide each other.

    Raises:
        Fatal: a column that was mapped is not there, one is there twice, or two are one field; no column is a field, or
            none is the subject or the body though one looks like it.
    """
    export = recognise_export(columns)
    given = _given(path, columns, wanted)
    if is_header:
        _refuse_repeated(path, columns, given, export)
    chosen = _by_name(columns, given, export) | given
    used = {column: name for column, name in chosen.items() if name}
    _refuse_shared(path, used)
    unused = tuple(column for column in dict.fromkeys(columns) if column.strip() and column not in used)
    taken = {*used.values(), *wanted.constants}
    suggested = suggestions([column for column in unused if column not in chosen], taken)
    times = wanted.times
    if export is not None:
        times = TimeReading(times.zone or UTC, (*times.formats, *export.times))
    mapped = Mapped(wanted.tenant_id, used, wanted.constants, _values(wanted, export), times)
    found = Fit(mapped, unused, suggested, export)
    _refuse_textless(path, columns, found, is_header)
    return found


def _given(path: Path, columns: Sequence[str], wanted: Wanted) -> dict[str, str]:
    """Return column -> field as the user says, each column under its name in the file."""
    asked = [("--map", *pair) for pair in wanted.columns.items()]
    if wanted.id_column is not None:
        asked.append(("--id-column", wanted.id_column, "ticket_id"))
    given = {}
    for option, name, target in asked:
        column = find_column(columns, name)
        if column is None:
            near = suggest_column(columns, name)
            perhaps = f"; perhaps {printable(near)}?" if near else ""
            raise Fatal(f"{path}: {option} {printable(name)}: there is no such column{perhaps}\n{_listed(columns)}")
        given[column] = target
    return given


def _by_name(columns: Sequence[str], given: Mapping[str, str], export: Export | None) -> dict[str, str]:
    """Return column -> field by the names alone: those of a known export first, then the fields' own.

    A column that the export has for something else, or for a field that another column is, gives "".
    """
    taken = set(given.values())
    found: dict[str, str] = {}
    known = {} if export is None else export.columns
    by_export = {column: known[normal(column)] for column in columns if normal(column) in known}
    in_order = sorted(by_export, key=lambda column: list(known).index(normal(column)))
    for column in in_order:
        name = by_export[column]
        if column not in given:
            found[column] = "" if name in taken else name
            taken.add(name)
    for column in columns:
        name = normal(column)
        if is_field(name) and name not in taken and column not in by_export and column not in given:
            found[column] = name
    return found


def find_column(columns: Sequence[str], name: str) -> str | None:
    """Return the column of a name: the very same, else the only one that is equal but for case and blanks."""
    if name in columns:
        return name
    alike = {column for column in columns if normal(column) == normal(name)}
    return alike.pop() if len(alike) == 1 else None


def suggest_column(columns: Sequence[str], name: str) -> str | None:
    """Return the column whose name is most like a mistyped one, if any is."""
    from difflib import get_close_matches

    by_name = {normal(column): column for column in columns}
    near = get_close_matches(normal(name), by_name, n=1, cutoff=0.6)
    return by_name[near[0]] if near else None


def _values(wanted: Wanted, export: Export | None) -> dict[str, dict[str, str]]:
    known = {} if export is None else export.values
    merged = {name: dict(values) for name, values in known.items()}
    for name, values in wanted.values.items():
        merged.setdefault(name, {}).update({normal(value): target for value, target in values.items()})
    return merged


def _refuse_repeated(path: Path, columns: Sequence[str], given: Mapping[str, str], export: Export | None) -> None:
    used = {column for column, name in (_by_name(columns, given, export) | dict(given)).items() if name}
    for column, times in Counter(columns).items():
        harmless = not column.strip() or (
            column not in used and (column in given or (export is not None and export.repeats))
        )
        if times > 1 and not harmless:
            way_out = "rename one of them in the file"
            more = "" if column in used else f", or leave them out with --map '{printable(column)}='"
            raise Fatal(f"{path}: the column {printable(column)} is there {times} times; {way_out}{more}")


def _refuse_shared(path: Path, used: Mapping[str, str]) -> None:
    first: dict[str, str] = {}
    for column, name in used.items():
        if name in first:
            both = f"{printable(first[name])} and {printable(column)}"
            raise Fatal(f"{path}: the columns {both} are both {name}; leave one out with --map '{printable(column)}='")
        first[name] = column


def _refuse_textless(path: Path, columns: Sequence[str], found: Fit, is_header: bool) -> None:
    """Refuse a file of which nothing, or no text, would be sent."""
    mapped = found.mapped
    used = {*mapped.columns.values(), *mapped.constants}
    meant = {name for name in found.suggested.values() if name in TEXT_FIELDS}
    deletes = mapped.constants.get("reason") == "deleted"
    if not mapped.columns:
        problem = "none of its columns is a field of a ticket"
    elif (
        deletes
        or (used & TEXT_FIELDS and (not meant or found.export is not None))
        or (not meant and "reason" in mapped.columns.values())
    ):
        return
    elif meant:
        problem = f"no column is the {' or the '.join(sorted(meant))}, but one looks like it"
    else:
        problem = "no column is the subject or the body"
    fields = f"  fields: {', '.join(FIELDS)}, {ATTRIBUTE}NAME"
    lines = [f"{path}: {problem}, so nothing was sent", _listed(columns), fields]
    if found.suggested:
        fitting = " ".join(f"--map '{printable(column)}={name}'" for column, name in found.suggested.items())
        lines.append(f"  these would fit: {fitting}")
        lines.append("  a column that is not meant is left out by --map 'COLUMN='")
    if is_header and looks_like_data(columns):
        lines.append("  the first line looks like data: the file needs a header, a first line that names the columns")
    raise Fatal("\n".join(lines))


def _listed(columns: Sequence[str]) -> str:
    names = [printable(column) for column in dict.fromkeys(columns) if column.strip()]
    more = f" and {len(names) - SHOWN_COLUMNS} more" if len(names) > SHOWN_COLUMNS else ""
    return f"  columns: {', '.join(names[:SHOWN_COLUMNS])}{more}"
