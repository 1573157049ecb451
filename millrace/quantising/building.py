"""Makes an int8 model of a text model, measures it, and writes it only if it is near enough to the original."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from millrace.quantising.parts import Accuracy, Built, Floors, Judged, shortfalls
from millrace.quantising.rows import models_file_text
from millrace.quantising.texts import Sample
from shared.embedding.files import RECORD, files_of
from shared.embedding.parity import compare
from shared.embedding.port import Matrix, TextModel
from shared.embedding.registry import TextCard, load_text_card
from shared.errors import Fatal

if TYPE_CHECKING:
    from shared.embedding.openvino.source import Source

MODELS_FILE = "models.toml"
MICRO_BATCH_TOKENS, TEXTS_AT_ONCE = 1_024, 256
BESIDE_TOKENIZER = "tokenizer_config.json"
"""It names the token for padding."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built.

    Attributes:
        card: The model to make it of.
        name: The name of its row.
        folder: Where it is to be; its parent exists, it does not or is empty.
        models_file: The file with the card's row, to which the row is added; None for the packaged one.
        floors: What it must reach.
    """

    card: TextCard
    name: str
    folder: Path
    models_file: Path | None
    floors: Floors


def check_source(card: TextCard) -> None:
    """Check that an int8 model can be made of a model.

    Raises:
        Fatal: it runs on numpy, or is not in float32.
    """
    if card.backend != "torch" or card.dtype != "float32":
        raise Fatal(
            f"model {card.key} has the backend {card.backend} and the dtype {card.dtype}, but an int8 model is made of "
            "one with the backend torch and the dtype float32"
        )


def build(order: Order, sample: Sample, judged: Judged | None) -> Built:
    """Quantise a model, compare the result with the original, and move it to its folder.

    Raises:
        ImportError: a library is missing.
        Fatal: the result is below a floor, the model has a part that OpenVINO does not know, or the folder cannot be
            written. Then nothing is left of it.
    """
    from shared.embedding.openvino.source import read_source

    check_source(order.card)
    source = read_source(order.card, order.card.check_files())
    with _staged(order.folder) as staged:
        _write_model(source, order.card, sample, staged)
        card = _card_of(order, staged)
        built = _measured(order, card, sample, judged, staged)
        if found := shortfalls(built.parity, built.accuracy, order.floors):
            raise Fatal(
                f"the int8 model of {order.card.key} is not near enough to it, so nothing was written: {'; '.join(found)}. "
                "Calibrate it with texts that are more like yours, or lower the floor if your use allows it"
            )
        _write_texts(order, card, sample, built, staged)
    return built


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """Yield a folder that gets the given name if the block succeeds, and is removed otherwise."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            staged = Path(temporary) / "model"
            staged.mkdir()
            yield staged
            staged.rename(folder)
    except OSError as error:
        raise Fatal(f"the model cannot be written to {folder}: {error.strerror or error}") from error


def _write_model(source: "Source", card: TextCard, sample: Sample, staged: Path) -> None:
    from shared.embedding.openvino.quantising import quantise
    from shared.embedding.openvino.source import TOKENIZER

    quantise(source, card, sample.calibration, staged)
    shutil.copyfile(source.tokenizer, staged / TOKENIZER)
    beside = source.tokenizer.with_name(BESIDE_TOKENIZER)
    if beside.is_file():
        shutil.copyfile(beside, staged / BESIDE_TOKENIZER)


def _card_of(order: Order, staged: Path) -> TextCard:
    row = order.card.model_dump() | {
        "key": order.name,
        "source": f"path:{order.folder.resolve()}",
        "files": files_of(staged),
        "parts": {},
        "dtype": "int8",
        "backend": "openvino",
        "bfloat16": "differs",  # what is not a byte stays in float32, so that all CPUs compute the same vectors
    }
    return TextCard.model_validate(row)


def _measured(order: Order, card: TextCard, sample: Sample, judged: Judged | None, staged: Path) -> Built:
    """Load the model from the folder where it is put together, and compare it with the original."""
    from shared.embedding.openvino.model import OpenVinoModel

    exact = OpenVinoModel(order.card, "cpu", MICRO_BATCH_TOKENS, "float32")
    found = OpenVinoModel(card.model_copy(update={"source": f"path:{staged}"}), "cpu", MICRO_BATCH_TOKENS)
    parity = compare(_embed(exact, sample.held_out), _embed(found, sample.held_out))
    accuracy = None if judged is None else _accuracy(judged, exact, found)
    size_bytes = sum((staged / name).stat().st_size for name in card.files)
    return Built(card, order.folder, size_bytes, parity, accuracy)


def _accuracy(judged: Judged, exact: TextModel, found: TextModel) -> Accuracy:
    from millrace.learning.heads import evaluated

    shares = [
        evaluated(judged.head, judged.head.predict(judged.texts, _embed(each, judged.texts)), judged.labels).accuracy
        for each in (exact, found)
    ]
    return Accuracy(len(judged.texts), *shares)


def _embed(model: TextModel, texts: Sequence[str]) -> Matrix:
    parts = [texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE)]
    return np.concatenate([model.embed(part).vectors for part in parts])


def _write_texts(order: Order, card: TextCard, sample: Sample, built: Built, staged: Path) -> None:
    """Write the record and the file of rows, and read the new row back."""
    rows = staged / MODELS_FILE
    rows.write_text(models_file_text(order.models_file, card), encoding="utf-8")
    if load_text_card(order.name, rows) != card:
        raise Fatal(f"{rows} cannot be written so that [{order.name}] can be read again")
    record = json.dumps(_record(order, card, sample, built), indent=2, ensure_ascii=False)
    (staged / RECORD).write_text(f"{record}\n", encoding="utf-8")


def _record(order: Order, card: TextCard, sample: Sample, built: Built) -> dict[str, Any]:
    from shared.embedding.openvino.quantising import quantisation

    source = order.card
    return {
        "model": card.key,
        "fingerprint": card.fingerprint,
        "made_of": {"model": source.key, "fingerprint": source.fingerprint, "files": source.files},
        "quantisation": quantisation(),
        "calibration": {"origin": sample.origin, "texts": len(sample.calibration), "sha256": sample.digest},
        **built.as_dict(),
        "floors": asdict(order.floors),
    }
