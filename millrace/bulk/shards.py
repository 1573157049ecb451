"""The shards of a run: what became of some inputs, in one file that is either whole or absent."""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from millrace.bulk.files import write_whole
from millrace.bulk.inputs import Input
from shared.embedding.port import Matrix
from shared.errors import Rejected
from shared.records import Vector


@dataclass(frozen=True, slots=True)
class RowFacts:
    """A row of the vectors: its input, and the SHA-256 of what was embedded, in hex."""

    file: str
    input_row: str
    label: str
    image_id: str
    product_id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Reject:
    """An input without a vector, with the code of the reason and the reason in words."""

    file: str
    input_row: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an input.

    Attributes:
        given: The input.
        sha256: The SHA-256 of its content, in hex; empty if it was not read.
        found: Its vector, or why it has none.
    """

    given: Input
    sha256: str
    found: Vector | Rejected


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard that is done.

    Attributes:
        vectors: Shape (rows, dim), float32.
        rows: The input of each vector.
        rejects: The inputs without a vector.
        contents: The SHA-256 of each input's content, in the order of the inputs; empty if it was not read.
        took_s: How long it took, in seconds.
    """

    vectors: Matrix
    rows: tuple[RowFacts, ...]
    rejects: tuple[Reject, ...]
    contents: tuple[str, ...]
    took_s: float

    @classmethod
    def of(cls, answers: Sequence[Answer], dim: int, took_s: float) -> "Shard":
        """Return the shard of some answers."""
        vectors: list[NDArray[np.float32]] = []
        rows: list[RowFacts] = []
        rejects: list[Reject] = []
        for each in answers:
            given = each.given
            if isinstance(each.found, Rejected):
                rejects.append(Reject(given.file, given.row, each.found.reason.value, each.found.detail))
                continue
            vectors.append(each.found)
            rows.append(RowFacts(given.file, given.row, given.label, given.image_id, given.product_id, each.sha256))
        matrix = np.array(vectors, np.float32).reshape(-1, dim)
        return cls(matrix, tuple(rows), tuple(rejects), tuple(each.sha256 for each in answers), took_s)

    def write(self, path: Path) -> None:
        """Write it; the file appears only when all of it is on the disk.

        Raises:
            Fatal: it cannot be written.
        """
        facts: dict[str, Any] = {
            "rows": [[getattr(row, name) for name in RowFacts.__slots__] for row in self.rows],
            "rejects": [[getattr(row, name) for name in Reject.__slots__] for row in self.rejects],
            "contents": self.contents,
            "took_s": self.took_s,
        }
        encoded = np.frombuffer(json.dumps(facts).encode(), np.uint8)

        def write(opened: BinaryIO) -> None:
            np.savez(opened, vectors=self.vectors, facts=encoded)

        write_whole(path, write)


def read_shard(path: Path) -> Shard | None:
    """Return the shard in a file; None if the file does not exist, or is damaged, so that it must be embedded again."""
    try:
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as members:
            if members.testzip() is not None:  # numpy compares the checksum only of what it reads to the end
                return None
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            vectors, facts = arrays["vectors"], json.loads(arrays["facts"].tobytes())
        return Shard(
            np.asarray(vectors, np.float32),
            tuple(RowFacts(*each) for each in facts["rows"]),
            tuple(Reject(*each) for each in facts["rejects"]),
            tuple(facts["contents"]),
            float(facts["took_s"]),
        )
    except Exception:  # noqa: BLE001  (zipfile, its decompressors and numpy raise errors of many classes for damaged bytes)
        return None
