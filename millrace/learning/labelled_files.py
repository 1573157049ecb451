"""Files of labelled texts, as training and evaluation read them: prepared like tickets and embedded with a progress bar."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from millrace.bars import bar
from millrace.ingest.mapping import find_column
from millrace.ingest.rows import Row
from millrace.ingest.table_files import TableFile
from millrace.resources import load_text_model, model_card
from shared.embedding.port import Matrix, TextModel
from shared.errors import Fatal
from shared.records import Vector
from shared.stream_settings import StreamSettings
from shared.text.preparation import Preparer

if TYPE_CHECKING:  # what a head needs takes seconds to import
    from shared.routing.head import Head, Predictions

TEXTS_AT_ONCE = 256
NAMED = 5


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """The rows of a file that have a text and a label, in order; `skipped` counts those that lack one."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    skipped: int


def read_labelled(path: Path, text_column: str, label_column: str) -> LabelledFile:
    """Read a .csv or .jsonl file.

    Raises:
        Fatal: it cannot be read, a column is missing, or no row has both.
    """
    texts: list[str] = []
    labels: list[str] = []
    skipped = 0
    for row in TableFile.open(path).sound_rows((text_column, label_column)):
        cells = (row.cells[_column(path, row, name)] for name in (text_column, label_column))
        text, label = ("" if cell is None else str(cell).strip() for cell in cells)
        if text and label:
            texts.append(text)
            labels.append(label)
        else:
            skipped += 1
    if not texts:
        raise Fatal(f"{path}: not one row has both {text_column} and {label_column}")
    return LabelledFile(tuple(texts), tuple(labels), skipped)


def _column(path: Path, row: Row, name: str) -> str:
    column = find_column(tuple(row.cells), name)
    if column is None:
        raise Fatal(f"{path}, row {row.number + 1}: there is no column {name}; there are: {', '.join(row.cells)}")
    return column


def embed(model: TextModel, texts: Sequence[str], advance: Callable[[int], None]) -> dict[str, Vector]:
    """Return the vector of each text; `advance` is told how many more are done."""
    vectors: dict[str, Vector] = {}
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        part = texts[start : start + TEXTS_AT_ONCE]
        vectors.update(zip(part, model.embed(part).vectors, strict=True))
        advance(len(part))
    return vectors


def some(names: Sequence[str]) -> str:
    """Return the first names in words, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


class Reading:
    """Prepares and embeds texts as the worker does.

    Args:
        own: Which model, and how texts are prepared for it.
        model: The model, where it is loaded already.

    Raises:
        Fatal: the model cannot be loaded.
    """

    def __init__(self, own: StreamSettings, model: TextModel | None = None) -> None:
        self._preparer = Preparer(model_card(own).preparation)
        self._model = load_text_model(own) if model is None else model

    @property
    def fingerprint(self) -> str:
        """The model's fingerprint."""
        return self._model.fingerprint

    def prepare(self, texts: Sequence[str]) -> list[str]:
        """Return texts as the model reads them, personal data masked."""
        return [self._preparer.message(text).embedded for text in texts]

    def prepare_file(self, file: LabelledFile) -> list[str]:
        """Return the texts of a file as the model reads them.

        Raises:
            Fatal: in none of them is anything left to embed.
        """
        prepared = self.prepare(file.texts)
        if not any(prepared):
            what = f"in none of the {len(prepared)} texts is anything left to embed"
            raise Fatal(f"{what}: `millrace prepare` shows what is cut")
        return prepared

    def embed(self, prepared: Sequence[str]) -> Matrix:
        """Embed prepared texts, each different one once: shape (n, dim), float32, unit rows."""
        different = list(dict.fromkeys(prepared))
        with bar("embedding", len(different)) as advance:
            vectors = embed(self._model, different, advance)
        return np.array([vectors[text] for text in prepared], np.float32).reshape(-1, self._model.dim)

    def predict(self, head: "Head", file: LabelledFile) -> "Predictions":
        """Return what a head says of the texts of a file.

        Raises:
            Fatal: the head was trained on another model's vectors, or no text is left to embed.
        """
        head.check_model(self.fingerprint)
        prepared = self.prepare_file(file)
        return head.predict(prepared, self.embed(prepared))
