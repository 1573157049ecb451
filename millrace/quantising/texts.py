"""The texts that a quantised model is made and measured with: no text serves for both."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from millrace.ingest.mapping import find_column
from millrace.ingest.table_files import TableFile
from shared.errors import Fatal
from shared.text.preparation import Preparer

SAMPLES = ("samples", "tickets.jsonl")
EVERY = 6
"""Of this number of texts, one is to calibrate with."""

MOST_CALIBRATED, MOST_HELD_OUT, LEAST_HELD_OUT = 300, 1_000, 300
LEAST = LEAST_HELD_OUT * EVERY // (EVERY - 1)


@dataclass(frozen=True, slots=True)
class Sample:
    """Prepared texts.

    Attributes:
        origin: Where they are from, in words.
        calibration: Those with which the scales of activations are measured.
        held_out: Those with which the result is compared with the original.
    """

    origin: str
    calibration: tuple[str, ...]
    held_out: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The SHA-256 of the calibration texts."""
        return sha256(json.dumps(self.calibration).encode()).hexdigest()


def packaged_sample(preparer: Preparer) -> Sample:
    """Return the packaged sample tickets, which are in English and French."""
    lines = files("millrace.demo").joinpath(*SAMPLES).read_text(encoding="utf-8").splitlines()
    return _split("the packaged samples", (json.loads(line)["body"] for line in lines), preparer)


def sample_of(path: Path, column: str, preparer: Preparer) -> Sample:
    """Return the texts of a file.

    Args:
        path: A file that `TableFile` reads, or a .txt file with a text in each line.
        column: The column of the texts.
        preparer: Prepares them as tickets.

    Raises:
        Fatal: the file cannot be read, has no such column, or has too few texts.
    """
    found = _split(path.name, _lines(path) if path.suffix == ".txt" else _cells(path, column), preparer)
    if len(found.held_out) < LEAST_HELD_OUT:
        count = len(found.calibration) + len(found.held_out)
        raise Fatal(
            f"{path} has {count} different texts, but {LEAST} are needed: leave the file out to use the samples"
        )
    return found


def _split(origin: str, texts: Iterable[str], preparer: Preparer) -> Sample:
    prepared: Sequence[str] = list(dict.fromkeys(found for text in texts if (found := preparer.message(text).embedded)))
    others = [text for number, text in enumerate(prepared) if number % EVERY]
    return Sample(origin, tuple(prepared[::EVERY][:MOST_CALIBRATED]), tuple(others[:MOST_HELD_OUT]))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Fatal(f"{path} cannot be read as UTF-8: {error}") from error


def _cells(path: Path, column: str) -> Iterable[str]:
    for row in TableFile.open(path).sound_rows((column,)):
        found = find_column(tuple(row.cells), column)
        if found is None:
            raise Fatal(f"{path}, {row.name}: column {column} is missing; the columns are {', '.join(row.cells)}")
        yield str(row.cells[found] or "")
