"""Reads files of labelled texts for training and evaluation: the texts are prepared like tickets and embedded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from millrace.bars import bar
from millrace.configured import model_card
from millrace.ingest.mapping import find_column
from millrace.ingest.rows import Row
from millrace.ingest.table_files import TableFile
from millrace.resources import load_text_model
from shared.embedding.port import TEXT, Matrix, TextModel
from shared.errors import Fatal
from shared.records import Vector
from shared.stream_settings import StreamSettings
from shared.text.preparation import Preparer

if TYPE_CHECKING:  # the libraries of a head take seconds to import
    from shared.routing.head import Head, Predictions

TEXTS_AT_ONCE = 256
NAMED = 5
SLICED = ("tenant", "tenant_id", "channel", "language")
"""The columns that always form slices of an evaluation, if they exist."""


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """The rows of a file that have a text and a label, in order.

    Attributes:
        texts: Their texts.
        labels: Their labels.
        skipped: Number of rows that lack a text or a label.
        columns: Other columns that form slices of an evaluation: name -> the value in each row, None if it has none.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    skipped: int
    columns: Mapping[str, Sequence[str | None]] = field(default_factory=dict)


def read_labelled(path: Path, text_column: str, label_column: str, slices: Sequence[str] = ()) -> LabelledFile:
    """Read a .csv or .jsonl file.

    Args:
        path: The file.
        text_column: Name of the column of the texts.
        label_column: Name of the column of the labels.
        slices: Columns that form slices, besides those of `SLICED`.

    Raises:
        Fatal: the file cannot be read, a column is missing, or no row has both a text and a label.
    """
    texts: list[str] = []
    labels: list[str] = []
    kept: list[Row] = []
    skipped = 0
    for row in TableFile.open(path).sound_rows((text_column, label_column)):
        cells = (row.cells[_column(path, row, name)] for name in (text_column, label_column))
        text, label = ("" if cell is None else str(cell).strip() for cell in cells)
        if text and label:
            texts.append(text)
            labels.append(label)
            kept.append(row)
        else:
            skipped += 1
    if not texts:
        raise Fatal(f"{path}: no row has both {text_column} and {label_column}")
    columns = slice_columns(path, tuple(kept[0].cells), slices, lambda name: [_cell(row, name) for row in kept])
    return LabelledFile(tuple(texts), tuple(labels), skipped, columns)


def slice_columns(
    path: Path, names: Sequence[str], slices: Sequence[str], values: Callable[[str], Sequence[str | None]]
) -> dict[str, Sequence[str | None]]:
    """Return the columns that form slices, each with its values; those of `SLICED` only if they exist.

    Args:
        path: The file, for the error.
        names: The columns of the file, for the error.
        slices: The columns that form slices besides those of `SLICED`.
        values: Returns the value of a column in each row.

    Raises:
        Fatal: no row has a value in one of `slices`.
    """
    columns: dict[str, Sequence[str | None]] = {}
    for name in dict.fromkeys([*SLICED, *slices]):
        found = values(name)
        if any(found):
            columns[name] = found
        elif name in slices:
            raise Fatal(f"{path}: no row has a value in the column {name}; the columns are {', '.join(names)}")
    return columns


def _cell(row: Row, name: str) -> str | None:
    column = find_column(tuple(row.cells), name)
    value = None if column is None else row.cells[column]
    return None if value is None else str(value).strip() or None


def _column(path: Path, row: Row, name: str) -> str:
    column = find_column(tuple(row.cells), name)
    if column is None:
        raise Fatal(f"{path}, row {row.number + 1}: column {name} is missing; the columns are {', '.join(row.cells)}")
    return column


def embed(model: TextModel, texts: Sequence[str], advance: Callable[[int], None]) -> dict[str, Vector]:
    """Return the vector of each text; `advance` is called with the number of texts of each finished batch."""
    vectors: dict[str, Vector] = {}
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        part = texts[start : start + TEXTS_AT_ONCE]
        vectors.update(zip(part, model.embed(part).vectors, strict=True))
        advance(len(part))
    return vectors


def some(names: Sequence[str]) -> str:
    """Return the first names, and the number of the others, as text for a message."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


class Reading:
    """Prepares and embeds texts as the worker does.

    Args:
        own: The stream's settings, which name the model.
        model: The model if it is already loaded; None loads it.

    Attributes:
        preparer: Prepares texts for the model.

    Raises:
        Fatal: the model cannot be loaded.
    """

    def __init__(self, own: StreamSettings, model: TextModel | None = None) -> None:
        self.preparer = Preparer(model_card(own).preparation)
        self._model = load_text_model(own) if model is None else model

    @property
    def fingerprint(self) -> str:
        """The model's fingerprint."""
        return self._model.fingerprint

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of the model of each input: texts have one."""
        return {TEXT.name: self.fingerprint}

    def prepare(self, texts: Sequence[str]) -> list[str]:
        """Return texts in the form that the model reads, with personal data masked."""
        return [self.preparer.message(text).embedded for text in texts]

    def prepare_file(self, file: LabelledFile) -> list[str]:
        """Return the texts of a file in the form that the model reads.

        Raises:
            Fatal: preparation left no text to embed in any row.
        """
        prepared = self.prepare(file.texts)
        if not any(prepared):
            raise Fatal(
                f"preparation removed all content from all {len(prepared)} texts, so none can be embedded; "
                "`millrace prepare` shows what is cut from a text"
            )
        return prepared

    def embed(self, prepared: Sequence[str]) -> Matrix:
        """Embed prepared texts, equal texts only once: shape (n, dim), float32, unit rows."""
        distinct = list(dict.fromkeys(prepared))
        with bar("embedding", len(distinct)) as advance:
            vectors = embed(self._model, distinct, advance)
        return np.array([vectors[text] for text in prepared], np.float32).reshape(-1, self._model.dim)

    def predict(self, head: "Head", file: LabelledFile) -> "Predictions":
        """Return a head's predictions for the texts of a file.

        Raises:
            Fatal: the head was trained on another model's vectors, or no text is left to embed.
        """
        head.check_model(self.fingerprints)
        prepared = self.prepare_file(file)
        return head.predict(prepared, self.embed(prepared))
