"""Every text model keeps the port's promises: the fake, the packaged ones, and small ones with random weights.

The small ones are BERTs with mean and CLS pooling, and models like those of the rows in docs/multilingual.toml.

What it shows: shape, length and order of vectors, independence of neighbours and micro-batches, splitting of long texts
against an independent computation, and that a card which does not fit its model is refused.
A green run does not prove that a vector means anything (`tests/golden` compares MiniLM with earlier results; quality is
measured elsewhere), nor anything about a GPU, half precision, or speed.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from shared.embedding.cpu import multiplies_bytes
from shared.embedding.port import SharedModel
from shared.embedding.registry import TextCard
from shared.embedding.text import SentenceModel
from shared.errors import DeviceLost, Fatal
from tests.support.models import PACKAGED, SMALL_WINDOW, Subject, small_card, subject
from tests.support.multilingual import ROWS

TORCH = ["minilm-l6-v2", "small-mean", "small-cls", *ROWS]
OPENVINO = [*(f"{name}@float32" for name in TORCH), "minilm-l6-v2@bfloat16"]
QUANTISED = ["minilm-l6-v2@int8", "small-mean@int8", "small-cls@int8"] if multiplies_bytes() else []
REAL = [*PACKAGED, *TORCH[1:], *OPENVINO, *QUANTISED]
NAMES = ["fake", *REAL]

TEXTS = [
    "Where is my order?",
    "",
    " ",
    "Bonjour, où est mon colis ? Il n'est pas arrivé.",
    "📦👩‍👩‍👧",
    "\x00\u202e\ufeff",
    "a",
    "where is my order",
    "Where is my order?",
    "The parcel was broken, please refund my money. " * 3,
    "مرحبا أين طلبي",
    "?!?!?!?!",
]
LONG = "Please wait. The parcel is not where it should be, and my money is not back; je ne le trouve pas. " * 40


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    folder = tmp_path_factory.mktemp("models")
    return {name: subject(name, folder / name) for name in NAMES}


@pytest.fixture(params=NAMES)
def tested(request: pytest.FixtureRequest, subjects: dict[str, Subject]) -> Subject:
    return subjects[request.param]


on_real_ones = pytest.mark.parametrize("tested", REAL, indirect=True)
on_torch = pytest.mark.parametrize("tested", TORCH, indirect=True)


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of each row of one array with the same row of the other."""
    return np.asarray(
        (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1), np.float32
    )


# --- shape and order ---


def test_one_unit_vector_for_each_text(tested: Subject) -> None:
    found = tested.model.embed(TEXTS)
    assert found.vectors.shape == (len(TEXTS), tested.model.dim)
    assert found.vectors.dtype == np.float32
    assert len(found.windows) == len(TEXTS)
    assert min(found.windows) >= 1
    assert found.cost >= len([text for text in TEXTS if text.strip()])
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_vectors(tested: Subject) -> None:
    found = tested.model.embed([])
    assert found.vectors.shape == (0, tested.model.dim)
    assert found.vectors.dtype == np.float32
    assert (found.windows, found.cost) == ((), 0)


def test_a_probe_is_silent_if_the_device_works(tested: Subject) -> None:
    tested.model.probe()


def test_the_fingerprint_is_eight_hex_digits(tested: Subject) -> None:
    assert len(tested.model.fingerprint) == 8
    int(tested.model.fingerprint, 16)


# --- a text's vector is its own ---


def test_a_text_has_the_same_vector_alone_and_in_a_batch(tested: Subject) -> None:
    texts = [*TEXTS, LONG]
    alone = np.stack([tested.vector(text) for text in texts])
    assert cosines(tested.model.embed(texts).vectors, alone).min() > tested.same


def test_the_order_of_texts_is_the_order_of_vectors(tested: Subject) -> None:
    texts = [*TEXTS, LONG]
    order = np.random.default_rng(1).permutation(len(texts))
    shuffled = tested.model.embed([texts[index] for index in order]).vectors
    assert cosines(shuffled, tested.model.embed(texts).vectors[order]).min() > tested.same


def test_texts_embedded_before_have_no_influence(tested: Subject) -> None:
    before = tested.model.embed(TEXTS).vectors
    tested.model.embed([LONG, "something else", ""])
    tested.model.probe()
    assert cosines(tested.model.embed(TEXTS).vectors, before).min() > tested.same


def test_the_same_text_twice_has_the_same_vector(tested: Subject) -> None:
    texts = ["Where is my order?", LONG, "a", "Where is my order?", LONG, "Where is my order?"]
    vectors = tested.model.embed(texts).vectors
    assert cosines(vectors[[0, 0, 1]], vectors[[3, 5, 4]]).min() > tested.same


def test_different_texts_have_different_vectors(tested: Subject) -> None:
    """If they were alike, no other test here would show anything."""
    vectors = tested.model.embed(["where is my order", "refund the money please", "je ne", ""]).vectors
    assert (vectors @ vectors.T - np.eye(4)).max() < 0.95


@on_real_ones
def test_the_size_of_micro_batches_changes_no_vector(tested: Subject) -> None:
    assert tested.card is not None
    texts = [*TEXTS, LONG, *(f"order {number} is not here" for number in range(60))]
    expected = tested.model.embed(texts)
    for tokens in (1, 50, 300, 100_000):
        found = tested.load(tested.card, tokens).embed(texts)
        assert cosines(found.vectors, expected.vectors).min() > tested.same, tokens
        assert (found.windows, found.cost) == (expected.windows, expected.cost)


# --- the device ---


def failing(model: Any, monkeypatch: pytest.MonkeyPatch, failures: list[Exception]) -> None:
    """Let the next forward passes of a model fail with the given exceptions."""
    forward = model._model.forward

    def fail_first(*given: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop(0)
        return forward(*given, **named)

    monkeypatch.setattr(model._model, "forward", fail_first)


@on_torch
def test_out_of_memory_makes_passes_smaller_and_changes_no_vector(
    tested: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tested.card is not None
    texts, model = [*TEXTS, LONG], SentenceModel(tested.card, "cpu", 100_000)
    failures: list[Exception] = [torch.OutOfMemoryError("full") for _ in range(4)]
    failing(model, monkeypatch, failures)
    assert cosines(model.embed(texts).vectors, tested.model.embed(texts).vectors).min() > tested.same
    assert not failures


@on_torch
def test_a_failed_device_is_lost_and_blames_no_text(tested: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tested.card is not None
    model = SentenceModel(tested.card, "cpu", 1_024)
    failing(model, monkeypatch, [RuntimeError("CUDA error: device-side assert triggered"), RuntimeError("any")])
    with pytest.raises(DeviceLost, match="device-side assert"):
        model.embed(["a", "b"])
    with pytest.raises(DeviceLost, match="fails even on a harmless text on cpu: any"):
        model.probe()


# --- windows ---


def split_by(model: str) -> Any:
    """Return an xfail mark for the fake, which has no windows."""
    mark = pytest.mark.xfail(reason="fake: knows no windows, every text fills one", strict=True, raises=AssertionError)
    return pytest.param(model, marks=mark) if model == "fake" else model


@pytest.mark.parametrize("tested", [split_by(name) for name in NAMES], indirect=True)
def test_a_long_text_is_split_into_several_windows(tested: Subject) -> None:
    found = tested.model.embed(["a", LONG, "b"])
    assert (found.windows[0], found.windows[2]) == (1, 1)
    assert found.windows[1] > 1
    assert found.cost > len(LONG.split())
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)


@on_real_ones
@pytest.mark.parametrize("text", [*dict.fromkeys(TEXTS), LONG, LONG * 3, "order " * 1_000])
def test_a_vector_equals_an_independent_computation(tested: Subject, text: str) -> None:
    vector, windows = tested.reference.embed(text)
    found = tested.model.embed([text])
    assert found.windows == (windows,)
    assert found.cost == len(tested.reference.tokens(text)) + 2 * windows
    assert cosines(found.vectors, vector[None]).min() > tested.right


@on_real_ones
def test_a_text_that_just_fits_is_one_window_and_one_more_token_makes_two(tested: Subject) -> None:
    assert tested.card is not None
    room, more = tested.room, tested.card.window_tokens - 2  # the tokens of a prompt are in the first window alone
    texts = ["order " * tokens for tokens in (room, room + 1, room + more, room + more + 1)]
    assert tested.model.embed(texts).windows == (1, 2, 2, 3)


@on_real_ones
def test_the_end_of_a_long_text_counts(tested: Subject) -> None:
    endings = [LONG + "refund the money", LONG + "bonjour colis broken"]
    vectors = tested.model.embed(endings).vectors
    assert not np.allclose(vectors[0], vectors[1], atol=1e-6)


@on_real_ones
def test_a_smaller_window_than_the_model_s_is_allowed_and_splits_sooner(tested: Subject) -> None:
    assert tested.card is not None
    shorter = tested.card.window_tokens - 12
    card = tested.card.model_copy(update={"window_tokens": 12})
    found = tested.load(card).embed(["order " * (tested.room - shorter), "order " * (tested.room - shorter + 1)])
    assert found.windows == (1, 2)
    assert card.fingerprint != tested.card.fingerprint


# --- prompts ---


@on_real_ones
def test_a_prompt_is_put_before_every_text(tested: Subject) -> None:
    assert tested.card is not None
    plain, prompted = (tested.load(tested.card.model_copy(update={"prompt": prompt})) for prompt in ("", "where is "))
    expected = plain.embed(["where is my order", "where is "]).vectors
    assert cosines(prompted.embed(["my order", ""]).vectors, expected).min() > tested.same
    assert prompted.fingerprint != plain.fingerprint


# --- what is refused ---


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> TextCard:
    return small_card(tmp_path_factory.mktemp("card") / "model", "mean")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": {"model.safetensors": "0" * 64}}, r"small-mean.*SHA-256 [0-9a-f]{64}.*card states 0{64}"),
        ({"dim": 31}, "small-mean.*dim = 31.*has 32"),
        ({"dim": 384}, "small-mean.*dim = 384.*has 32"),
        ({"pooling": "cls"}, "small-mean.*pooling = cls.*has mean"),
        ({"window_tokens": SMALL_WINDOW + 1}, f"small-mean.*window_tokens = {SMALL_WINDOW + 1}.*has {SMALL_WINDOW}"),
        ({"source": "path:/nowhere/at/all"}, "small-mean.*/nowhere/at/all"),
        ({"source": "package:not_installed_at_all"}, "small-mean.*not_installed_at_all.*not installed"),
    ],
)
def test_a_card_that_does_not_fit_is_fatal_with_the_reason(
    card: TextCard, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(Fatal, match=message):
        SentenceModel(card.model_copy(update=changes), "cpu", 1_024)


def test_other_weights_under_the_same_card_are_fatal(card: TextCard, tmp_path: Path) -> None:
    copied = tmp_path / "model"
    copied.mkdir()
    weights = bytearray((card.folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copied / "model.safetensors").write_bytes(weights)
    with pytest.raises(Fatal, match="SHA-256"):
        SentenceModel(card.model_copy(update={"source": f"path:{copied}"}), "cpu", 1_024)


def test_a_folder_without_weights_is_fatal(card: TextCard, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"model\.safetensors does not exist"):
        SentenceModel(card.model_copy(update={"source": f"path:{tmp_path}"}), "cpu", 1_024)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "", "hpu", "meta"])
def test_a_device_that_does_not_exist_is_fatal_and_named(card: TextCard, device: str) -> None:
    with pytest.raises(Fatal, match=f"device {device}"):
        SentenceModel(card, device, 1_024)


# --- several threads ---


SHARED = [name for name in NAMES if "@" in name or name in ("fake", "use-multilingual-v3")]


@pytest.mark.parametrize("tested", SHARED, indirect=True)
def test_several_threads_may_embed_at_once(tested: Subject) -> None:
    assert isinstance(tested.model, SharedModel)
    alone = tested.model.embed(TEXTS).vectors
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(tested.model.embed, [TEXTS] * 8):
            assert cosines(found.vectors, alone).min() > 0.9999
