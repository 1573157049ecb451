"""The files that an import of media sends: those of a folder, or those that a manifest names."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import Fatal
from shared.media.decoding.kinds import START_BYTES, kind_of

FILE = "file"
ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}$")
"""The ending of a file's name; `.05` of `call 2024.05` is not one."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file, and what is known of it.

    Attributes:
        name: How messages name it: its path in the folder, or the line of the manifest.
        path: The file.
        fields: Values of the event's fields, by name.
    """

    name: str
    path: Path
    fields: dict[str, str] = field(default_factory=dict)


def media_files(source: Path, id_fields: Sequence[str]) -> list[MediaFile]:
    """Return the files of a folder, or those of a manifest, in a fixed order.

    Args:
        source: A folder, which is searched with its subfolders; or a CSV file with a column `file`, whose paths are
            relative to it.
        id_fields: The fields that must hold ids; in a folder, each holds the path without its ending.

    Raises:
        Fatal: the source cannot be read or names no file, or two files of a folder would have the same id.
    """
    try:
        found = list(_of_folder(source, id_fields) if source.is_dir() else _of_manifest(source))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Fatal(f"{source} cannot be read: {error}") from error
    if not found:
        raise Fatal(f"{source} names no file")
    return found


def _of_folder(folder: Path, id_fields: Sequence[str]) -> Iterator[MediaFile]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    media = [path for path in paths if _begins_like_a_medium(path)]
    ids = Counter(ENDING.sub("", names[path]) for path in media)
    for path in paths:
        item_id = ENDING.sub("", names[path])
        if path in media and ids[item_id] > 1:
            raise Fatal(f"{ids[item_id]} files would have the id {item_id}: rename them, or write a manifest")
        yield MediaFile(names[path], path, dict.fromkeys(id_fields, item_id))


def _begins_like_a_medium(path: Path) -> bool:
    with path.open("rb") as opened:
        return kind_of(opened.read(START_BYTES)) is not None


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _of_manifest(manifest: Path) -> Iterator[MediaFile]:
    with manifest.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened)
        if FILE not in (reader.fieldnames or ()):
            raise Fatal(f"{manifest} has no column {FILE}; its columns are {', '.join(reader.fieldnames or ())}")
        for row in reader:
            fields = {name: value for name, value in row.items() if name and name != FILE and value}
            file = row[FILE]
            if not file:
                raise Fatal(f"{manifest}, line {reader.line_num}: the file is missing")
            yield MediaFile(f"line {reader.line_num} ({file})", manifest.parent / file, fields)
