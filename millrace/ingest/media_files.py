"""Media that a folder holds, or that a manifest names, for every command that reads one of them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from millrace.ingest.mapping import find_column
from millrace.ingest.rows import Row
from millrace.ingest.table_files import TableFile
from shared.errors import Fatal
from shared.media.decoding.kinds import START_BYTES, Kind, kind_of

FILE = "file"
ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}$")
"""The ending of a file's name; `.05` of `call 2024.05` is not one."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file, and what is known of it.

    Attributes:
        name: Its path in the folder, or as the manifest gives it.
        path: The file.
        row: The manifest's row, as messages name it; empty in a folder.
        fields: Values by name: the other columns of the manifest, also empty ones.
    """

    name: str
    path: Path
    row: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """How messages name it."""
        return f"{self.row}, {self.name}" if self.row else self.name


def read_files(source: Path) -> list[MediaFile]:
    """Return the files of a folder, or those of a manifest, in a fixed order.

    Args:
        source: A folder, which is searched with its subfolders, but without hidden files; or a table, such as a .csv or
            .jsonl file, with a column `file`, whose paths are relative to it and lie below its folder.

    Raises:
        Fatal: the source cannot be read, or a row of the manifest is not sound or names a file outside its folder.
    """
    try:
        return list(_of_folder(source) if source.is_dir() else _of_manifest(source))
    except OSError as error:
        raise Fatal(f"{source} cannot be read: {error.strerror or error}") from error


def files_to_send(source: Path, id_fields: Sequence[str]) -> list[MediaFile]:
    """Return the files of a folder or a manifest, each with the values of its event's fields.

    Args:
        source: As in `read_files`.
        id_fields: The fields that must hold ids; in a folder, each holds the path without its ending.

    Raises:
        Fatal: as in `read_files`, or there is no file, or two files of a folder would have the same id.
    """
    files = read_files(source)
    if not files:
        raise Fatal(f"{source} names no file")
    if source.is_dir():
        return _with_ids(files, id_fields)
    return [
        replace(file, fields={name: value for name, value in file.fields.items() if value not in (None, "")})
        for file in files
    ]


def kind_at(path: Path) -> Kind | None:
    """Return the kind of a file by its first bytes; None if it is of no kind that can be decoded.

    Raises:
        Fatal: the file cannot be read.
    """
    try:
        with path.open("rb") as opened:
            return kind_of(opened.read(START_BYTES))
    except OSError as error:
        raise Fatal(f"{path} cannot be read: {error.strerror}") from error


def _with_ids(files: Sequence[MediaFile], id_fields: Sequence[str]) -> list[MediaFile]:
    ids = [ENDING.sub("", file.name) for file in files]
    of_media = [item_id if kind_at(file.path) else None for file, item_id in zip(files, ids, strict=True)]
    counts = Counter(of_media)
    for item_id in of_media:
        if item_id is not None and counts[item_id] > 1:
            raise Fatal(f"{counts[item_id]} files would have the id {item_id}: rename them, or write a manifest")
    return [replace(file, fields=dict.fromkeys(id_fields, item_id)) for file, item_id in zip(files, ids, strict=True)]


def _of_folder(folder: Path) -> Iterator[MediaFile]:
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if _is_file(path) and not any(part.startswith(".") for part in inner.parts):
            yield MediaFile(inner.as_posix(), path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name that a link leads to is too long
        return False


def _of_manifest(manifest: Path) -> Iterator[MediaFile]:
    table = TableFile.open(manifest)
    columns = [name for name in table.table.columns or () if name]
    for row in table.sound_rows((FILE, *columns)):
        column = find_column(tuple(row.cells), FILE)
        if column is None:
            raise Fatal(f"{manifest}, {row.name}: column {FILE} is missing; the columns are {', '.join(row.cells)}")
        value = row.cells[column]
        name = "" if value is None else str(value).strip()
        fields = {other: value for other, value in row.cells.items() if other and other != column}
        yield MediaFile(name, _inside(manifest, row, name), row.name, fields)


def _inside(manifest: Path, row: Row, name: str) -> Path:
    """Return the path of a row's file, which must lie below the folder of the manifest."""
    if not name:
        raise Fatal(f"{manifest}, {row.name}: the file is missing")
    folder = manifest.parent.resolve()
    try:
        path = (folder / name).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, or a zero character
        raise Fatal(f"{manifest}, {row.name}: {name!r} is not a path: {error}") from error
    if not path.is_relative_to(folder):
        raise Fatal(f"{manifest}, {row.name}: {name} lies outside the folder of the manifest")
    return path
