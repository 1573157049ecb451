"""Mapping columns to fields: by the user's options, by the columns' names, and refusing what would need guessing."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC
from difflib import get_close_matches
from pathlib import Path

from millrace.ingest.exports import Export, recognise_export
from millrace.ingest.fields import (
    ATTRIBUTE,
    CHOICES,
    FIELDS,
    TEXT_FIELDS,
    event_field_of,
    is_field,
    normal,
    suggestions,
)
from millrace.ingest.header_row import looks_like_data
from millrace.ingest.times import STRICT, TimeReading
from millrace.streams import DEFAULT
from schemas.base import TENANT_PATTERN
from shared.decoding import printable
from shared.errors import Fatal

SHOWN_COLUMNS = 40


@dataclass(frozen=True, slots=True)
class MappingOptions:
    """How rows become events, by the user's options.

    Attributes:
        tenant_id: The tenant of rows that name no tenant.
        columns: Column -> field, "" for a column that is left out; these win over the columns' names.
        constants: Field -> value, for every row; these win over columns.
        values: Field -> value in the file -> value of the field, "" for a value that is left out.
        id_column: The column with the ticket's id; the same as mapping that column to `ticket_id`.
        times: How times are read.
    """

    tenant_id: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    id_column: str | None = None
    times: TimeReading = STRICT

    def __post_init__(self) -> None:
        """Refuse options that are wrong for every file.

        Raises:
            Fatal: a field does not exist, a value is empty, or the tenant is not valid.
        """
        for name in (*self.columns.values(), *self.constants, *self.values):
            if name and not is_field(name):
                raise Fatal(f"a ticket has no field {name}; it has {', '.join(sorted(FIELDS))} and attributes.NAME")
        for name, value in self.constants.items():
            if not value:
                raise Fatal(f"--set {name}=: the value is missing; to leave a column out, use --map COLUMN=")
        if re.fullmatch(TENANT_PATTERN, self.tenant_id) is None:
            what = "a tenant is 1 to 64 letters, digits, dots, dashes or underscores, the first a letter or digit"
            raise Fatal(f"--tenant {printable(self.tenant_id)}: {what}")


@dataclass(frozen=True, slots=True)
class RowMapping:
    """How rows become events.

    Attributes:
        tenant_id: The tenant of rows that name no tenant.
        columns: Column -> field, for each column that is used.
        constants: Field -> value, for every row.
        values: Field -> normalised value in the file -> value of the field; "*" stands for any other value.
        times: How times are read.
    """

    tenant_id: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    times: TimeReading = STRICT


@dataclass(frozen=True, slots=True)
class ColumnMatch:
    """A file's columns and the fields that they map to.

    Attributes:
        mapped: How rows become events.
        unused: Columns that map to no field, in order.
        suggested: Unused column -> field that it may mean.
        export: The export that was recognised; None if none was.
    """

    mapped: RowMapping
    unused: tuple[str, ...]
    suggested: Mapping[str, str]
    export: Export | None


def match_columns(path: Path, columns: Sequence[str], options: MappingOptions, is_header: bool) -> ColumnMatch:
    """Decide which column maps to which field.

    Args:
        path: The file, for messages.
        columns: The names of its columns, in order.
        options: The user's options.
        is_header: Whether the names come from one header, so that the cells of one of two equal names would be lost.

    Raises:
        Fatal: a mapped column does not exist, a column appears twice, or two columns map to one field; or no column maps
            to a field, or none to the subject or the body although one looks like it.
    """
    export = recognise_export(columns)
    given = _given(path, columns, options)
    chosen = _by_name(columns, given, export) | given
    used = {column: name for column, name in chosen.items() if name}
    repeated = {column: times for column, times in Counter(columns).items() if times > 1 and column.strip()}
    if is_header:
        harmless = {*repeated} - {*used} if export is not None and export.repeats else {*given} - {*used}
        _refuse_repeated(path, {column: times for column, times in repeated.items() if column not in harmless}, used)
    _refuse_shared(path, used, is_header)
    fields = {*used.values(), *options.constants}
    _refuse_unused_values(options, fields)
    unused = tuple(column for column in dict.fromkeys(columns) if column not in used)
    suggested = suggestions([c for c in unused if c not in chosen and c not in repeated and c.strip()], fields)
    times = options.times
    if export is not None:
        times = TimeReading(times.zone or UTC, (*times.formats, *export.times))
    mapped = RowMapping(options.tenant_id, used, options.constants, _values(options, export), times)
    match = ColumnMatch(mapped, unused, suggested, export)
    _refuse_textless(path, columns, match, is_header)
    return match


def _given(path: Path, columns: Sequence[str], options: MappingOptions) -> dict[str, str]:
    """Return column -> field by the user's options, each column under its name in the file."""
    asked = [("--map", *pair) for pair in options.columns.items()]
    if options.id_column is not None:
        asked.append(("--id-column", options.id_column, DEFAULT.id_field))
    given = {}
    for option, name, target in asked:
        column = find_column(columns, name)
        if column is None:
            near = suggest_column(columns, name)
            perhaps = f"; perhaps {printable(near)}?" if near else ""
            raise Fatal(f"{path}: {option} {printable(name)}: the file has no such column{perhaps}\n{_listed(columns)}")
        if column in given:
            raise Fatal(f"{path}: {option} {printable(name)}: the column is mapped twice")
        given[column] = target
    return given


def _by_name(columns: Sequence[str], given: Mapping[str, str], export: Export | None) -> dict[str, str]:
    """Return column -> field by the names alone: the names of a known export first, then the fields' own names.

    A column gets "" if the export does not use it, or if another column already has its field.
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
        own = event_field_of(column)
        if own is not None and own not in taken and column not in by_export and column not in given:
            found[column] = own
    return found


def find_column(columns: Sequence[str], name: str) -> str | None:
    """Return the column with exactly this name, else the only one that is equal apart from case and blanks."""
    if name in columns:
        return name
    similar = {column for column in columns if normal(column) == normal(name)}
    return similar.pop() if len(similar) == 1 else None


def suggest_column(columns: Sequence[str], name: str) -> str | None:
    """Return the column whose name is most similar to a mistyped one; None if no name is similar enough."""
    by_name = {normal(column): column for column in columns}
    near = get_close_matches(normal(name), by_name, n=1, cutoff=0.6)
    return by_name[near[0]] if near else None


def _values(options: MappingOptions, export: Export | None) -> dict[str, dict[str, str]]:
    known = {} if export is None else export.values
    merged = {name: dict(values) for name, values in known.items()}
    for name, values in options.values.items():
        as_known = normal if name in CHOICES else str
        merged.setdefault(name, {}).update({normal(value): as_known(target) for value, target in values.items()})
    return merged


def _refuse_repeated(path: Path, repeated: Mapping[str, int], used: Mapping[str, str]) -> None:
    for column, times in repeated.items():
        more = "" if column in used else f", or leave them out with --map '{printable(column)}='"
        what = f"the column {printable(column)} appears {times} times; rename all but one of them in the file"
        raise Fatal(f"{path}: {what}{more}")


def _refuse_unused_values(options: MappingOptions, fields: Set[str]) -> None:
    for name, values in options.values.items():
        if name not in fields:
            raise Fatal(f"--value {name}:...: no column maps to {name}; map one with --map COLUMN={name}")
        for value, target in values.items():
            if target and name in CHOICES and normal(target) not in CHOICES[name]:
                raise Fatal(
                    f"--value {name}:{printable(value)}={printable(target)}: expected {', '.join(CHOICES[name])}"
                )


def _refuse_shared(path: Path, used: Mapping[str, str], is_header: bool) -> None:
    """Refuse two columns for one field; in JSON Lines, two spellings of one name may be columns of different rows."""
    first: dict[str, str] = {}
    for column, name in used.items():
        if name in first and (is_header or normal(first[name]) != normal(column)):
            both = f"{printable(first[name])} and {printable(column)}"
            raise Fatal(
                f"{path}: the columns {both} both map to {name}; leave one out with --map '{printable(column)}='"
            )
        first[name] = column


def _refuse_textless(path: Path, columns: Sequence[str], match: ColumnMatch, is_header: bool) -> None:
    """Refuse a file from which nothing, or no text, would be sent."""
    mapped = match.mapped
    fields = {*mapped.columns.values(), *mapped.constants}
    missing = {name for name in match.suggested.values() if name in TEXT_FIELDS}
    if mapped.constants.get("reason") == "deleted":
        return
    if not mapped.columns:
        problem = "none of its columns maps to a field of a ticket"
    elif missing:
        problem = f"no column maps to {' or '.join(sorted(missing))}, but a column has a similar name"
    elif not fields & TEXT_FIELDS:
        problem = "no column maps to subject or body"
    else:
        return
    known = f"  fields: {', '.join(FIELDS)}, {ATTRIBUTE}NAME"
    lines = [f"{path}: {problem}, so nothing was sent", _listed(columns), known]
    if match.suggested:
        fitting = " ".join(f"--map '{printable(column)}={name}'" for column, name in match.suggested.items())
        lines.append(f"  these would fit: {fitting}")
        lines.append("  to leave a column out, use --map 'COLUMN='")
    if is_header and len(columns) == 1:
        lines.append("  it has only one column: if another character separates its cells, give it with --delimiter")
    if is_header and looks_like_data(columns):
        lines.append(
            "  the first line looks like data: the file needs a header, so add a first line with the column names"
        )
    raise Fatal("\n".join(lines))


def _listed(columns: Sequence[str]) -> str:
    names = [printable(column) for column in dict.fromkeys(columns) if column.strip()]
    more = f" and {len(names) - SHOWN_COLUMNS} more" if len(names) > SHOWN_COLUMNS else ""
    return f"  columns: {', '.join(names[:SHOWN_COLUMNS])}{more}"
