"""What is embedded in bulk: the files of a folder or a manifest, or the rows of a table, in a fixed order.

This module knows neither models nor what a file must hold.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from stat import S_ISDIR
from typing import Any, Protocol

from typing_extensions import override

from millrace.ingest.mapping import find_column
from millrace.ingest.media_files import ENDING, FILE, MediaFile, read_files
from millrace.ingest.rows import Row
from millrace.ingest.table_files import TableFile
from shared.errors import Fatal

LABEL, TEXT_COLUMN, IMAGE_ID, PRODUCT_ID = "label", "text", "image_id", "product_id"
_ID = r"(?:(?!_product_)[^\s.()])+"
NAMED_IDS = re.compile(rf"image_(?P<image_id>{_ID})_product_(?P<product_id>{_ID})", re.IGNORECASE)
"""The name of a picture that states its ids, without its ending: `image_17_product_4`. An id has no blank, dot or
parenthesis, which a copy's name has (`image_17_product_4 (1)`), and the name must be understood in one way only."""

Cells = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Input:
    """One input.

    Attributes:
        file: The file as the outputs name it: relative to the folder, or as the manifest gives it; or the table's name.
        row: The row of the manifest or the table, such as `row 3 (line 4)`; empty in a folder.
        path: The path of the file; None for a row of a table.
        text: The text of a row of a table.
        label: Its label; empty if it has none.
        image_id: The id of its picture; empty if unknown.
        product_id: The id of its product; empty if unknown.
        fault: Why a row of a table cannot be used; empty if it can.
    """

    file: str
    row: str = ""
    path: str | None = None
    text: str = ""
    label: str = ""
    image_id: str = ""
    product_id: str = ""
    fault: str = ""


class Source(Protocol):
    """The inputs of a run."""

    @property
    def count(self) -> int:
        """Number of inputs."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 in hex of what shows whether the inputs have changed, without reading each file."""
        ...

    def inputs(self) -> Iterator[Input]:
        """Yield the inputs, in the same order each time."""
        ...


@dataclass(frozen=True, slots=True)
class Files(Source):
    """The files of a folder or a manifest."""

    files: tuple[Input, ...] = field(repr=False)

    @property
    @override
    def count(self) -> int:
        return len(self.files)

    @property
    @override
    def digest(self) -> str:
        """Over names, labels, ids, sizes and times of change."""
        digest = sha256()
        for each in self.files:
            fields = (each.file, each.row, each.label, each.image_id, each.product_id, _state(each.path))
            digest.update(repr(fields).encode())
        return digest.hexdigest()

    @override
    def inputs(self) -> Iterator[Input]:
        return iter(self.files)


@dataclass(frozen=True, slots=True)
class TableRows(Source):
    """The texts of a table, which are read again and again, so that they are never in memory together.

    Attributes:
        table: The table.
        columns: The columns of the texts and of the labels; None for the latter if there are no labels.
        rows: Number of rows.
    """

    table: TableFile
    columns: tuple[str, str | None]
    rows: int

    @property
    @override
    def count(self) -> int:
        return self.rows

    @property
    @override
    def digest(self) -> str:
        """Over the bytes of the table and the names of the columns."""
        return sha256(repr((self.table.digest, *self.columns)).encode()).hexdigest()

    @override
    def inputs(self) -> Iterator[Input]:
        text_column, label_column = self.columns
        for row in self.table.rows():
            yield _of_row(self.table.path, row, text_column, label_column)


def read_source(path: Path, text_column: str | None, label_column: str | None) -> Source:
    """Return the inputs that a folder, a manifest or a table of texts names.

    Args:
        path: A folder, whose subfolders are labels; a table with a column `file`; or a table with a column of texts.
        text_column: The column of the texts of a table, which makes it no manifest; None for `text` if it has no `file`.
        label_column: The column of the labels; None for `label` if there is one.

    Raises:
        Fatal: the path cannot be read, names no input, or has no such column; or a manifest is not sound.
    """
    if not path.exists():
        raise Fatal(f"{path} does not exist; expected a folder, or a .csv or .jsonl file")
    if path.is_dir():
        if text_column is not None or label_column is not None:
            raise Fatal(f"{path} is a folder: --text-column and --label-column are for tables")
        found: Source = Files(tuple(_of_folder(path)))
    else:
        found = _of_table(path, text_column, label_column)
    if not found.count:
        raise Fatal(f"{path} names no input: {'it holds no file' if path.is_dir() else 'it has no row'}")
    return found


def readable(text: str) -> str:
    r"""Return a text that can be written as UTF-8: bytes of a file's name that are not UTF-8 become `\udcff`."""
    return text.encode(errors="backslashreplace").decode()


def named_ids(name: str) -> tuple[str, str]:
    """Return the ids of image and product that the name of a file states; empty if it states none."""
    found = NAMED_IDS.fullmatch(ENDING.sub("", name.rpartition("/")[2]))
    return ("", "") if found is None else (readable(found[IMAGE_ID]), readable(found[PRODUCT_ID]))


def _of_folder(folder: Path) -> Iterator[Input]:
    """Yield the files, and links that lead to no file: an image that is missing must be listed, and so must a folder."""
    found = [(each.path, each.name) for each in read_files(folder)]
    found += [(each, each.relative_to(folder).as_posix()) for each in _other_links(folder)]
    for path, name in sorted(found):
        label = "" if path.parent == folder else readable(path.parent.name)
        image_id, product_id = named_ids(name)
        yield Input(readable(name), "", str(path), "", label, image_id, product_id)


def _other_links(folder: Path) -> Iterator[Path]:
    """Yield the links that lead nowhere, in a circle, or to a folder, which is not followed.

    Raises:
        Fatal: a folder cannot be read, so that its files would be left out.
    """
    for base, folders, names in os.walk(folder, onerror=_refuse_unreadable):
        folders[:] = [each for each in folders if not each.startswith(".")]
        for name in (*folders, *names):
            path = Path(base, name)
            if not name.startswith(".") and path.is_symlink() and (name in folders or not _exists(path)):
                yield path


def _refuse_unreadable(error: OSError) -> None:
    raise Fatal(f"{error.filename} cannot be read: {error.strerror}") from error


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # the name that a link leads to is too long
        return False


def _of_table(path: Path, text_column: str | None, label_column: str | None) -> Source:
    table = TableFile.open(path)
    first = next((row for row in table.rows() if row.fault is None), None)
    columns = tuple(table.table.columns or (() if first is None else first.cells))
    if text_column is None and find_column(columns, FILE) is not None:
        _check_column(path, columns, label_column)
        return Files(tuple(_of_manifest(read_files(path), label_column or LABEL)))
    texts = _check_column(path, columns, text_column)
    if find_column(columns, texts or TEXT_COLUMN) is None:
        raise Fatal(
            f"{path} has neither a column {FILE} nor a column {TEXT_COLUMN}; name the column of the texts by "
            f"--text-column; the columns are {', '.join(columns)}"
        )
    labels = _check_column(path, columns, label_column) or find_column(columns, LABEL)
    used = (texts or TEXT_COLUMN, *([labels] if labels else []))
    table.check_columns(used)
    return TableRows(table, (used[0], labels), sum(1 for _ in table.rows()))


def _check_column(path: Path, columns: tuple[str, ...], name: str | None) -> str | None:
    if name is not None and find_column(columns, name) is None:
        raise Fatal(f"{path} has no column {name}; the columns are {', '.join(columns)}")
    return name


def _of_manifest(files: Iterable[MediaFile], label_column: str) -> Iterator[Input]:
    for each in files:
        by_name = named_ids(each.name)
        label, *ids = (_cell(each.fields, name) for name in (label_column, IMAGE_ID, PRODUCT_ID))
        image_id, product_id = (stated or named for stated, named in zip(ids, by_name, strict=True))
        yield Input(readable(each.name), each.row, str(each.path), "", label, image_id, product_id)


def _of_row(path: Path, row: Row, text_column: str, label_column: str | None) -> Input:
    if row.fault is not None:
        return Input(readable(path.name), row.name, fault=row.fault.detail)
    column = find_column(tuple(row.cells), text_column)
    value = None if column is None else row.cells[column]
    return Input(
        readable(path.name),
        row.name,
        text="" if value is None else str(value),
        label="" if label_column is None else _cell(row.cells, label_column),
        image_id=_cell(row.cells, IMAGE_ID),
        product_id=_cell(row.cells, PRODUCT_ID),
    )


def _cell(cells: Cells, name: str) -> str:
    column = find_column(tuple(cells), name)
    value = None if column is None else cells[column]
    return "" if value is None else readable(str(value).strip())


def _state(path: str | None) -> tuple[int, int] | None:
    """Return the size in bytes and the time of change in nanoseconds; None if the file cannot be asked, or is a folder."""
    try:
        found = Path(path or "").stat()
    except (OSError, ValueError):
        return None
    return None if S_ISDIR(found.st_mode) else (found.st_size, found.st_mtime_ns)
