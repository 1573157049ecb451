"""A stand-in model and folders for tests of `millrace embed`.

Each vector depends a little on what the model received in the same call, as the last bits of real vectors do: a run that
is resumed with other calls has other bytes. What it does not show: vectors of real models (`tests/golden/test_bulk.py`).
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from millrace import cli
from millrace.bulk import work
from millrace.cli import embed
from shared.embedding.port import IMAGE, TEXT, Embeddings, Matrix, Modality

DIM = 6
NOT_FINITE, ZERO, FAILING = "notfinite", "zero", "failing"
"""Words in a text that get a vector with NaN, a vector of zeros, and a failure of the model."""

OUTPUTS = ("labels.npy", "metadata.json", "rejects.csv", "rows.csv", "vectors.npy")


class BatchModel:
    """Vectors of the digest of an input and of the number of inputs in the call; a black picture has NaN."""

    fingerprint = "ba7c4000"
    dim = DIM

    def __init__(self, modality: Modality[Any]) -> None:
        self._modality = modality
        self.calls: list[int] = []

    def embed(self, inputs: Sequence[Any]) -> Embeddings:
        """Embed inputs, or fail."""
        found = self.embed_unscaled(inputs)
        return Embeddings(found.vectors / _lengths(found.vectors), found.windows, found.cost)

    def embed_unscaled(self, inputs: Sequence[Any]) -> Embeddings:
        """Embed inputs with vectors of the length 3, or fail."""
        self.calls.append(len(inputs))
        if any(isinstance(each, str) and FAILING in each for each in inputs):
            raise ZeroDivisionError
        rows = np.array([self._vector(each, len(inputs)) for each in inputs], np.float32)
        return Embeddings(rows.reshape(-1, DIM), (1,) * len(inputs), len(inputs))

    def probe(self) -> None:
        """Do nothing."""

    def _vector(self, given: Any, together: int) -> Matrix:
        if isinstance(given, str) and ZERO in given:
            return np.zeros(DIM, np.float32)
        if NOT_FINITE in given if isinstance(given, str) else not given.any():
            return np.full(DIM, np.nan, np.float32)
        seed = int.from_bytes(sha256(self._modality.content(given)).digest()[:8], "big")
        vector = np.random.default_rng(seed).normal(size=DIM) + together / 1000
        return np.asarray(3 * vector / np.linalg.norm(vector), np.float32)


def _lengths(rows: Matrix) -> Matrix:
    found: Matrix = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(found == 0, 1, found)


@dataclass(frozen=True)
class Models:
    """The stand-ins of a test."""

    text: BatchModel
    image: BatchModel


def stand_in(replace: Callable[[Any, str, Any], None]) -> Models:
    """Let `millrace embed` use stand-ins; `replace` sets an attribute of a module."""
    models = Models(BatchModel(TEXT), BatchModel(IMAGE))
    replace(work, "load_text_model", lambda _: models.text)
    replace(work, "load_image_model", lambda _: models.image)
    return models


@dataclass(frozen=True)
class Ended:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The error, which is one line."""
        assert "Traceback" not in self.err
        (line,) = [line for line in self.err.splitlines() if line.startswith("error: ")]
        return line


Millrace = Callable[..., Ended]
"""Runs `millrace embed` in this process."""


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Millrace:
    """Return what runs `millrace embed`."""
    monkeypatch.setattr(embed, "quiet", lambda: None)

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["millrace", "embed", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        reported = capsys.readouterr()
        return Ended(ended.value.code if isinstance(ended.value.code, int) else 0, reported.out, reported.err)

    return run


def write_texts(folder: Path, count: int) -> Path:
    """Write that number of texts, in two classes and outside of them, and return their folder."""
    for number in range(count):
        inner = folder / ("", "cards", "fees")[number % 3]
        inner.mkdir(parents=True, exist_ok=True)
        (inner / f"{number:04}.txt").write_text(f"Where is my parcel {number}?", encoding="utf-8")
    return folder


def write_pictures(folder: Path, count: int) -> Path:
    """Write that number of small pictures in two classes, and return their folder."""
    for number in range(count):
        inner = folder / ("hat", "shoe")[number % 2]
        inner.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(inner / f"image_{number}_product_{number // 2}.png")
    return folder


def contents(out: Path) -> dict[str, bytes]:
    """Return the outputs, by name; of the metadata without its timing, which alone may differ between equal runs."""
    found = {path.name: path.read_bytes() for path in sorted(out.iterdir())}
    before, _, after = found["metadata.json"].partition(b',\n"timing": ')
    assert after, "the timing is the last field"
    return found | {"metadata.json": before}
