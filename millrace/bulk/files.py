"""Files that are either whole or absent, whenever the process or the machine stops."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shared.errors import Fatal

PART = ".part"


def write_whole(path: Path, write: Callable[[BinaryIO], object], scratch: Path | None = None) -> None:
    """Write a file beside its place, wait until it is on the disk, and give it its name.

    Args:
        path: The file; an existing one is replaced.
        write: Writes its content.
        scratch: The folder, on the same file system, in which it is written; that of the file by default.

    Raises:
        Fatal: it cannot be written.
    """
    folder = scratch or path.parent
    part = folder / f"{path.name}{PART}"
    with reported(path):
        with part.open("wb") as opened:
            write(opened)
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(path)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one that a person understands.

    Raises:
        Fatal: the block raised `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise Fatal(f"{path} cannot be written: {error.strerror or error}") from error
