"""Writes the outputs of a run from its shards, one shard in memory at a time."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from millrace.bulk.files import write_whole
from millrace.bulk.folder import JOB_KEY, LABELS, METADATA, REJECTS, ROWS, VECTORS, RunFolder
from millrace.bulk.inputs import readable
from millrace.bulk.job import Job
from millrace.bulk.shards import Reject, RowFacts, Shard, read_shard
from shared.errors import Fatal

UNLABELLED = -1
WEIGHT_FORMULA = "n / (k * n_c): n labelled rows, k classes, n_c rows of the class"
"""As scikit-learn's `class_weight="balanced"`, after King and Zeng, Logistic Regression in Rare Events Data (2001)."""


@dataclass
class Totals:
    """What is known after one pass over the shards.

    Attributes:
        rows: Number of vectors.
        rejected: Number of inputs without a vector.
        labels: Label -> number of its rows; rows without a label are not counted.
        contents: Digest over the contents of all inputs, in order.
        sums: The sum over the rows, shape (dim,), float64.
        took_s: Seconds that the shards took.
    """

    sums: NDArray[np.float64]
    rows: int = 0
    rejected: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    contents: Any = field(default_factory=sha256)
    took_s: float = 0.0

    def add(self, shard: Shard) -> None:
        """Count a shard."""
        self.rows += len(shard.rows)
        self.rejected += len(shard.rejects)
        self.labels.update(row.label for row in shard.rows if row.label)
        self.contents.update("".join(f"{each}\n" for each in shard.contents).encode())
        self.sums += shard.vectors.sum(axis=0, dtype=np.float64)
        self.took_s += shard.took_s


class Assembly:
    """The outputs of a run whose shards are all done.

    Args:
        folder: The folder of the run.
        job: The facts of the run.
        dim: Length of a vector.
        shards: Number of shards.
    """

    def __init__(self, folder: RunFolder, job: Job, dim: int, shards: int) -> None:
        self._folder, self._job, self._dim, self._shards = folder, job, dim, shards

    def write(self, source: Path) -> dict[str, Any]:
        """Write all outputs, the metadata last, and return the metadata.

        Args:
            source: What was embedded, for the metadata.

        Raises:
            Fatal: a shard has been deleted meanwhile, or a file cannot be written.
        """
        totals = Totals(np.zeros(self._dim))
        for shard in self._each():
            totals.add(shard)
        classes = sorted(totals.labels)
        squares = self._write_rows(totals, {name: number for number, name in enumerate(classes)})
        self._put(REJECTS, self._write_rejects)
        metadata = self._metadata(totals, squares, classes, source)
        fields = (f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in metadata.items())
        text = "{\n" + ",\n".join(fields) + "\n}\n"
        self._put(METADATA, lambda opened: opened.write(text.encode()))
        return metadata

    def _write_rows(self, totals: Totals, columns: Mapping[str, int]) -> NDArray[np.float64]:
        """Write vectors, labels and the map of rows; return the sum of squared distances from the mean, shape (dim,)."""
        squares = np.zeros(self._dim)
        mean = totals.sums / max(1, totals.rows)

        def vectors(opened: BinaryIO) -> None:
            write_header(opened, (totals.rows, self._dim), np.dtype(np.float32))
            for shard in self._each():
                opened.write(np.ascontiguousarray(shard.vectors, "<f4").tobytes())
                np.add(squares, np.square(shard.vectors - mean).sum(axis=0), out=squares)

        def labels(opened: BinaryIO) -> None:
            write_header(opened, (totals.rows,), np.dtype(np.int64))
            for shard in self._each():
                numbers = [columns.get(row.label, UNLABELLED) for row in shard.rows]
                opened.write(np.array(numbers, "<i8").tobytes())

        self._put(VECTORS, vectors)
        self._put(LABELS, labels)
        self._put(ROWS, self._write_map)
        return squares

    def _write_map(self, opened: BinaryIO) -> None:
        opened.write(_line(["row", *RowFacts.__slots__]))
        number = 0
        for shard in self._each():
            for row in shard.rows:
                opened.write(_line([str(number), *(getattr(row, name) for name in RowFacts.__slots__)]))
                number += 1

    def _write_rejects(self, opened: BinaryIO) -> None:
        opened.write(_line(Reject.__slots__))
        for shard in self._each():
            for row in shard.rejects:
                opened.write(_line([getattr(row, name) for name in Reject.__slots__]))

    def _metadata(
        self, totals: Totals, squares: NDArray[np.float64], classes: Sequence[str], source: Path
    ) -> dict[str, Any]:
        labelled = totals.labels.total()
        mean, deviation = totals.sums / max(1, totals.rows), np.sqrt(squares / max(1, totals.rows))
        counts = [totals.labels[name] for name in classes]
        return {
            "complete": True,
            "kind": self._job["kind"],
            "model": self._job["model"],
            "fingerprint": self._job["fingerprint"],
            "shape": [totals.rows, self._dim],
            "dtype": "float32",
            "length": self._job["length"],
            "source": readable(str(source.resolve())),
            "inputs": self._job["inputs"],
            "embedded": totals.rows,
            "rejected": totals.rejected,
            "labelled": labelled,
            "inputs_sha256": totals.contents.hexdigest(),
            "classes": list(classes),
            "class_counts": counts,
            "class_weights": [labelled / (len(classes) * count) for count in counts],
            "class_weight_formula": WEIGHT_FORMULA,
            "mean": mean.tolist() if totals.rows else [],
            "standard_deviation": deviation.tolist() if totals.rows else [],
            JOB_KEY: dict(self._job),
            "timing": {
                "seconds": totals.took_s,
                "items_per_second": self._job["inputs"] / totals.took_s if totals.took_s else None,
            },
        }

    def _each(self) -> Iterator[Shard]:
        for number in range(self._shards):
            found = read_shard(self._folder.shard(number))
            if found is None:
                raise Fatal(f"{self._folder.shard(number)} was deleted or changed meanwhile: run the command again")
            yield found

    def _put(self, name: str, write: Any) -> None:
        write_whole(self._folder.folder / name, write, self._folder.unfinished)


def write_header(opened: BinaryIO, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
    """Write the header of an array in numpy's format, whose rows follow in order."""
    described = {"descr": dtype.newbyteorder("<").str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(opened, described)


def _line(cells: Sequence[str]) -> bytes:
    """Return a line of CSV (RFC 4180), in which cells may hold commas, quotes and ends of lines."""
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
