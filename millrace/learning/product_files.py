"""Finds labelled pictures: in a folder whose subfolders are labels, or by a manifest of files, labels and titles."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from millrace.ingest.mapping import find_column
from millrace.ingest.media_files import MediaFile, kind_at, read_files
from shared.errors import Fatal
from shared.media.decoding.kinds import PICTURES

LABEL, TITLE, DESCRIPTION, PRODUCT = "label", "title", "description", "product_id"


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture with its label.

    Attributes:
        path: The file.
        name: How messages name it.
        label: Its label.
        title: The title of the product; empty if it has none.
        description: The description of the product; empty if it has none.
        product_id: The product; empty if unknown. Pictures of one product are held out together.
    """

    path: Path
    name: str
    label: str
    title: str = ""
    description: str = ""
    product_id: str = ""


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


def read_pictures(source: Path, label_column: str = LABEL) -> LabelledPictures:
    """Return the labelled pictures of a folder or a manifest; whether each can be decoded is found out later.

    Args:
        source: A folder, in which the name of a picture's own folder is its label; or a manifest as `read_files` reads
            it, with a column of labels, and perhaps `title`, `description` and `product_id`.
        label_column: Name of the column of the labels.

    Raises:
        Fatal: as in `read_files`, or a file of the manifest is missing, or there is no labelled picture.
    """
    files = read_files(source)
    found = _of_folder(source, files) if source.is_dir() else _of_manifest(source, files, label_column)
    if not found.rows:
        kinds = ", ".join(kind.upper() for kind in PICTURES)
        raise Fatal(f"{source}: there is no labelled picture (of the kinds {kinds})")
    return found


def _of_folder(folder: Path, files: Sequence[MediaFile]) -> LabelledPictures:
    """Files of other kinds in the folder of a label stay, so that they are named as those that cannot be used."""
    rows = [
        LabelledPicture(each.path, _readable(each.name), _readable(each.path.parent.name))
        for each in files
        if each.path.parent != folder
    ]
    unlabelled = sum(kind_at(each.path) in PICTURES for each in files if each.path.parent == folder)
    return LabelledPictures(tuple(rows), unlabelled)


def _of_manifest(manifest: Path, files: Sequence[MediaFile], label_column: str) -> LabelledPictures:
    rows, unlabelled = [], 0
    for each in files:
        if find_column(tuple(each.fields), label_column) is None:
            columns = ", ".join(each.fields)
            raise Fatal(f"{manifest}, {each.row}: column {label_column} is missing; the other columns are {columns}")
        label = _cell(each, label_column)
        if not label:
            unlabelled += 1
            continue
        _check_exists(manifest, each)
        texts = (_cell(each, name) for name in (TITLE, DESCRIPTION, PRODUCT))
        rows.append(LabelledPicture(each.path, _readable(each.name), label, *texts))
    return LabelledPictures(tuple(rows), unlabelled)


def _cell(file: MediaFile, name: str) -> str:
    column = find_column(tuple(file.fields), name)
    value = None if column is None else file.fields[column]
    return "" if value is None else _readable(str(value).strip())


def _readable(text: str) -> str:
    """Return a text without halves of characters, which names of files and JSON may hold, so that it can be written."""
    return text.encode(errors="replace").decode()


def _check_exists(manifest: Path, file: MediaFile) -> None:
    try:
        exists = file.path.is_file()
    except OSError as error:
        raise Fatal(f"{manifest}, {file.row}: {file.name} cannot be read: {error.strerror}") from error
    if not exists:
        raise Fatal(f"{manifest}, {file.row}: the file {file.name} does not exist in {manifest.parent}")
