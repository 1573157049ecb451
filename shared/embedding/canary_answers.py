"""The stored answers of a model to its canary inputs: one small file, which is damaged, absent or as it was written."""

import io
import os
import tempfile
from hashlib import sha256
from pathlib import Path

import numpy as np

from shared.embedding.port import Matrix
from shared.logs import get_logger

DAMAGED_SUFFIX = ".damaged"
DIGEST_CHARACTERS = 64
FILE_MODE = 0o644
"""Another user's worker may read the file; it holds no secret."""

log = get_logger("canary")


class DamagedAnswers(Exception):
    """The file holds something other than what was written."""


class Answers:
    """The answers of one model on one backend, in one number format, on one kind of device.

    Args:
        path: The file; None if the answers are kept in memory alone.
        shape: The number of canary inputs, and the length of a vector.
    """

    def __init__(self, path: Path | None, shape: tuple[int, int]) -> None:
        self._path, self._shape = path, shape
        self._held: Matrix | None = None
        self._is_filed = self._is_unreadable = False

    @property
    def where(self) -> str:
        """The name of the file, for messages."""
        return "memory" if self._path is None else str(self._path)

    def stored(self) -> Matrix | None:
        """Return the stored answers; None if nothing is stored. A damaged file is renamed, and the log says so.

        While a file exists that cannot be read, the first answers are kept in memory, and the file is left as it is.
        """
        if self._path is not None and not self._is_filed:
            self._read(self._path)
        return self._held

    def store(self, vectors: Matrix) -> None:
        """Store the first answers. If the file cannot be written, they are kept in memory, and the log says so."""
        self._held = vectors
        if self._path is None or self._is_unreadable:
            return
        try:
            write_answers(self._path, vectors)
        except OSError as error:
            log.warning(
                "the answers to the canary inputs cannot be stored, so that a restart compares with nothing",
                file=self.where,
                error=error.strerror,
            )
        else:
            self._is_filed = True
            log.info("stored the first answers to the canary inputs", file=self.where)

    def _read(self, path: Path) -> None:
        self._is_unreadable = False
        try:
            found = read_answers(path, self._shape)
        except DamagedAnswers as damage:
            self._put_aside(path, str(damage))
        except OSError as error:
            self._is_unreadable = True
            log.warning(
                "the stored answers cannot be read, so that the model is compared only with its own first answers",
                file=self.where,
                error=error.strerror,
            )
        else:
            if found is not None:
                self._held, self._is_filed = found, True

    @staticmethod
    def _put_aside(path: Path, damage: str) -> None:
        aside = path.with_name(path.name + DAMAGED_SUFFIX)
        log.error(
            "the stored answers to the canary inputs are damaged: the answers of now replace them, although nothing shows "
            "that they are right",
            file=str(path),
            damage=damage,
            kept_as=str(aside),
        )
        try:
            path.replace(aside)
        except OSError as error:
            log.warning("the damaged file cannot be renamed", file=str(path), error=error.strerror)


def read_answers(path: Path, shape: tuple[int, int]) -> Matrix | None:
    """Return the answers in a file; None if it does not exist.

    Args:
        path: The file.
        shape: The number of canary inputs, and the length of a vector.

    Raises:
        DamagedAnswers: its content is not what was written.
        OSError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, _, body = content.partition(b"\n")
    if len(digest) != DIGEST_CHARACTERS or digest.decode("ascii", "replace") != sha256(body).hexdigest():
        raise DamagedAnswers("its digest differs from its content")
    try:
        found = np.load(io.BytesIO(body), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DamagedAnswers("it is not an array") from error
    if found.shape != shape or found.dtype != np.float32:
        raise DamagedAnswers(f"it holds {found.dtype} of shape {found.shape}, expected float32 of shape {shape}")
    return np.asarray(found, np.float32)


def write_answers(path: Path, vectors: Matrix) -> None:
    """Write answers so that the file is whole or absent, also after a power cut.

    Raises:
        OSError: it cannot be written.
    """
    held = io.BytesIO()
    np.save(held, vectors, allow_pickle=False)
    body = held.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        os.fchmod(descriptor, FILE_MODE)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(sha256(body).hexdigest().encode() + b"\n" + body)
            opened.flush()
            os.fsync(opened.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
