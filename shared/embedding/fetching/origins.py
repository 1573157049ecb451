"""What files of models are read from: `Origin`, and the origins on this machine. `hub` has the one behind a network."""

import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from typing_extensions import override

from shared.embedding.sources import BLOCK_BYTES
from shared.errors import Fatal


class Interrupted(Exception):
    """An answer ended early, or there was none; the same may work later.

    Args:
        why: What happened, without secrets.
        wait_s: How long the server asks to wait; None if it asks for nothing.
    """

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that is being read.

    Attributes:
        start_bytes: The position of the first byte; 0 if the origin cannot continue at another one.
        total_bytes: The size of the whole file; None if the origin does not state it.
        blocks: The bytes from that position on. Iterating raises `Interrupted` if they end early.
    """

    start_bytes: int
    total_bytes: int | None
    blocks: Iterator[bytes]


class Origin(Protocol):
    """Gives the files of one model by their names in its card."""

    def size_bytes(self, name: str) -> int | None:
        """Return the size of a file; None if it is not known.

        Raises:
            Fatal: the file does not exist, or may not be read.
            Interrupted: there is no answer now.
        """
        ...

    def open(self, name: str, start_bytes: int) -> AbstractContextManager[Opened]:
        """Read a file, from a position if the origin can.

        Raises:
            Fatal: the file does not exist, or may not be read.
            Interrupted: there is no answer now.
        """
        ...


class FilesOrigin(Origin):
    """Files of this machine, such as those of a folder or of packages; several are joined.

    Args:
        pieces: Returns the files that are joined to the named one, in order; mostly one.
    """

    def __init__(self, pieces: Callable[[str], Sequence[Path]]) -> None:
        self._pieces = pieces

    @override
    def size_bytes(self, name: str) -> int:
        try:
            return sum(path.stat().st_size for path in self._pieces(name))
        except OSError as error:
            raise Fatal(f"{error.filename} cannot be read: {error.strerror}") from error

    @override
    @contextmanager
    def open(self, name: str, start_bytes: int) -> Iterator[Opened]:
        yield Opened(0, self.size_bytes(name), self._blocks(name))

    def _blocks(self, name: str) -> Iterator[bytes]:
        for path in self._pieces(name):
            try:
                with path.open("rb") as opened:
                    yield from _read(opened)
            except OSError as error:
                raise Fatal(f"{path} cannot be read: {error.strerror}") from error


class WheelsOrigin(Origin):
    """Wheels that are not installed. A card's paths begin in the model's folder, which can lie deeper in the wheel.

    Args:
        wheels: The wheels.
        parts: The parts of joined files, as in the card.
        is_right: Whether a file of this name has the content that the card lists; chooses among files of one name.
    """

    def __init__(
        self,
        wheels: Sequence[Path],
        parts: Mapping[str, Sequence[str]],
        is_right: Callable[[str, Iterator[bytes]], bool],
    ) -> None:
        self._wheels, self._parts, self._is_right = wheels, parts, is_right

    @override
    def size_bytes(self, name: str) -> int:
        return sum(info.file_size for _, info in self._members(name))

    @override
    @contextmanager
    def open(self, name: str, start_bytes: int) -> Iterator[Opened]:
        yield Opened(0, self.size_bytes(name), self._blocks(name))

    def _blocks(self, name: str) -> Iterator[bytes]:
        for wheel, info in self._members(name):
            yield from _member(wheel, info)

    def _members(self, name: str) -> list[tuple[Path, zipfile.ZipInfo]]:
        """Return the members that are joined to the named file."""
        return [self._member_at(each) for each in self._parts.get(name, ())] or [self._member_of(name)]

    def _member_at(self, path: str) -> tuple[Path, zipfile.ZipInfo]:
        found = [each for each in self._all() if each[1].filename == path]
        if not found:
            raise Fatal(f"no wheel that was given contains {path}")
        return found[0]

    def _member_of(self, name: str) -> tuple[Path, zipfile.ZipInfo]:
        found = [each for each in self._all() if f"/{each[1].filename}".endswith(f"/{name}")]
        if not found:
            raise Fatal(f"no wheel that was given contains {name}")
        right = [each for each in found if len(found) > 1 and self._is_right(name, _member(*each))]
        return (right or found)[0]

    def _all(self) -> Iterator[tuple[Path, zipfile.ZipInfo]]:
        for wheel in self._wheels:
            try:
                with zipfile.ZipFile(wheel) as opened:
                    yield from ((wheel, info) for info in opened.infolist())
            except (OSError, zipfile.BadZipFile) as error:
                raise Fatal(f"{wheel} is not a wheel that can be read: {error}") from error


def _member(wheel: Path, info: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(info) as opened:
            while block := opened.read(BLOCK_BYTES):
                yield block
    except (
        OSError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise Fatal(f"{info.filename} in {wheel} cannot be read: {error}") from error


def _read(opened: BinaryIO) -> Iterator[bytes]:
    while block := opened.read(BLOCK_BYTES):
        yield block
