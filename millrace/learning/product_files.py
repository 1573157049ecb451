"""Finds labelled pictures: in a folder whose subfolders are labels, or by a manifest of files, labels and titles."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from millrace.ingest.mapping import find_column
from millrace.ingest.rows import Row
from millrace.ingest.table_files import TableFile
from shared.errors import Fatal

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic"})
FILE, LABEL, TITLE, DESCRIPTION = "file", "label", "title", "description"


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture with its label.

    Attributes:
        path: The file.
        name: How messages name it.
        label: Its label.
        title: The title of the product; empty if it has none.
        description: The description of the product; empty if it has none.
    """

    path: Path
    name: str
    label: str
    title: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class LabelledPictures:
    """The labelled pictures of a folder or a manifest, in a fixed order.

    Attributes:
        rows: The pictures.
        unlabelled: Number of pictures that were left out because they have no label.
    """

    rows: tuple[LabelledPicture, ...]
    unlabelled: int

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each picture."""
        return tuple(row.label for row in self.rows)

    @property
    def has_texts(self) -> bool:
        """Whether any picture has a title or a description."""
        return any(row.title or row.description for row in self.rows)


def read_pictures(source: Path) -> LabelledPictures:
    """Return the labelled pictures of a folder or a manifest.

    Args:
        source: A folder, in which the name of a picture's own folder is its label; or a .csv or .jsonl file with the
            columns `file` and `label`, and perhaps `title` and `description`.

    Raises:
        Fatal: the source cannot be read, a file of the manifest is missing or lies outside its folder, or there is no
            labelled picture.
    """
    found = _read_folder(source) if source.is_dir() else _read_manifest(source)
    if not found.rows:
        raise Fatal(f"{source}: there is no labelled picture (of the kinds {', '.join(sorted(SUFFIXES))})")
    return found


def _read_folder(folder: Path) -> LabelledPictures:
    rows, unlabelled = [], 0
    try:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as error:
        raise Fatal(f"{folder} cannot be read: {error.strerror}") from error
    for path in paths:
        if path.parent == folder:
            unlabelled += 1
        else:
            rows.append(LabelledPicture(path, path.relative_to(folder).as_posix(), path.parent.name))
    return LabelledPictures(tuple(rows), unlabelled)


def _read_manifest(manifest: Path) -> LabelledPictures:
    rows, unlabelled = [], 0
    for row in _manifest_rows(manifest):
        label = _cell(row, LABEL)
        if not label:
            unlabelled += 1
            continue
        name = _cell(row, FILE)
        path = _inside(manifest, row, name)
        rows.append(LabelledPicture(path, name, label, _cell(row, TITLE), _cell(row, DESCRIPTION)))
    return LabelledPictures(tuple(rows), unlabelled)


def _manifest_rows(manifest: Path) -> Iterator[Row]:
    for row in TableFile.open(manifest).sound_rows((FILE, LABEL, TITLE, DESCRIPTION)):
        for name in (FILE, LABEL):
            if find_column(tuple(row.cells), name) is None:
                columns = ", ".join(row.cells)
                raise Fatal(f"{manifest}, {row.name}: column {name} is missing; the columns are {columns}")
        yield row


def _cell(row: Row, name: str) -> str:
    column = find_column(tuple(row.cells), name)
    value = None if column is None else row.cells[column]
    return "" if value is None else str(value).strip()


def _inside(manifest: Path, row: Row, name: str) -> Path:
    """Return the path of a row's file, which must exist below the folder of the manifest."""
    if not name:
        raise Fatal(f"{manifest}, {row.name}: the row has a label, but no file")
    folder = manifest.parent.resolve()
    try:
        path = (folder / name).resolve()
        exists = path.is_file()
    except (OSError, ValueError) as error:
        raise Fatal(f"{manifest}, {row.name}: {name!r} is not a path: {error}") from error
    if not path.is_relative_to(folder):
        raise Fatal(f"{manifest}, {row.name}: {name} lies outside the folder of the manifest")
    if not exists:
        raise Fatal(f"{manifest}, {row.name}: the file {name} does not exist in {folder}")
    return path
