"""Reading `file:` references in one folder, out of which nothing leads: no dots, no links, no race after a check."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from shared.media.fetching.failures import Failed, forbidden, not_found, too_large

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Not blocking: what is opened may have become a named pipe since it was looked at."""

STEP_BYTES = 1 << 20
ABSENT = (errno.ENOENT,)
LINKED = (errno.ELOOP, errno.ENOTDIR)
"""What opening a link with O_NOFOLLOW reports; it was a folder or a file a moment ago."""


class FileFetcher:
    """Reads files below one folder; thread-safe.

    Each step of the path is opened relative to the folder before it and never follows a link, so a path that is changed
    meanwhile leads nowhere else. Hard links and mounts inside the folder cannot be recognised.

    Args:
        root: The folder; None if `file:` references are not allowed. Links in its own path are followed.
        limit_bytes: The largest file.
    """

    def __init__(self, root: Path | None, limit_bytes: int) -> None:
        self._root, self._limit_bytes = root, limit_bytes

    def fetch(self, uri: str) -> bytes:
        """Return the content of a file.

        Raises:
            Refused: the path does not lead to a regular file in the folder without links, or the file is too large.
            Failed: the file does not exist, cannot be read, or changed meanwhile.
        """
        if self._root is None:
            raise forbidden("file: references are not allowed; MILLRACE_MEDIA__FILE_ROOT allows those in one folder")
        steps = _steps_below(self._root, uri)
        try:
            with _opened(self._root, steps) as file:
                return self._read(file)
        except OSError as error:
            if error.errno in ABSENT:
                raise not_found("the file does not exist") from None
            if error.errno in LINKED:
                raise forbidden("the path contains a symbolic link or leads through a file") from None
            raise Failed(f"the file cannot be read: {error.strerror}", by_host=False) from None

    def _read(self, file: int) -> bytes:
        before = os.fstat(file)
        if not stat.S_ISREG(before.st_mode):
            raise forbidden("the path leads to something that is not a regular file")
        if before.st_size > self._limit_bytes:
            raise too_large(self._limit_bytes)
        content = BytesIO()
        while piece := os.read(file, STEP_BYTES):
            content.write(piece)
            if content.tell() > self._limit_bytes:
                raise too_large(self._limit_bytes)
        after = os.fstat(file)
        if (after.st_size, after.st_mtime_ns) != (content.tell(), before.st_mtime_ns):
            raise Failed("the file changed while it was read", by_host=False)
        return content.getvalue()


def _steps_below(root: Path, uri: str) -> list[bytes]:
    """Return the names that lead from the root to the file."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise forbidden("the file: reference is not a valid URI") from None
    if parts.netloc.lower() not in ("", "localhost"):
        raise forbidden("the file: reference names another machine")
    if parts.query or parts.fragment:
        raise forbidden("the file: reference contains ? or #, which must be percent-encoded in a name")
    path = unquote_to_bytes(parts.path)
    steps = path.split(b"/")
    if steps[0] or b"\0" in path or any(step in (b"", b".", b"..") for step in steps[1:]):
        raise forbidden("the file: reference has no absolute path, or contains an empty step, a dot or two dots")
    above = [os.fsencode(part) for part in root.parts[1:]]
    below = steps[1:]
    if below[: len(above)] != above or len(below) == len(above):
        raise forbidden("the path is not in the folder MILLRACE_MEDIA__FILE_ROOT")
    return below[len(above) :]


@contextmanager
def _opened(root: Path, steps: list[bytes]) -> Iterator[int]:
    """Open a file step by step, and close it at the end."""
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for step in steps[:-1]:
            inner = os.open(step, FOLDER_FLAGS, dir_fd=here)
            os.close(here)
            here = inner
        # To open a device or a pipe can have an effect, so that the kind is looked at before.
        if not stat.S_ISREG(os.stat(steps[-1], dir_fd=here, follow_symlinks=False).st_mode):
            raise forbidden("the path leads to a link, a folder or something else that is not a regular file")
        file = os.open(steps[-1], FILE_FLAGS, dir_fd=here)
        os.close(here)
        here = file
        yield file
    finally:
        os.close(here)
