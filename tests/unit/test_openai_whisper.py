"""Whisper by openai-whisper: what the library itself recognises, alone as in a batch, and only weights that are listed.

The checkpoints are small and random, so that the texts mean nothing. A green run does not prove that a published
checkpoint recognises speech well, nor anything of a GPU.
"""

import os
import pickle
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from whisper.audio import N_SAMPLES, log_mel_spectrogram, pad_or_trim
from whisper.decoding import DecodingOptions, decode
from whisper.model import Whisper

from millrace.resources import load_recogniser
from shared.embedding.audio import openai_whisper
from shared.embedding.audio.port import RATE_HZ, Piece, Recognised, Recogniser, Samples
from shared.embedding.audio.tokens import Meaning, phrases_of
from shared.embedding.registry import load_speech_card
from shared.errors import DeviceLost, Fatal
from tests.support.small_whisper import ENGLISH, LONGEST_TOKENS, WIDTH, row, save, small_dims, small_whisper, sound

# The library leaves the file of its vocabulary to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file .*tiktoken:ResourceWarning")

SOUNDS = (sound(1, 30), sound(2, 4.3), sound(3, 11), sound(4, 0.05))
REPEATS = SOUNDS[0]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("whisper") / "small", small_whisper(small_dims()))


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Return a list that grows by the tokens of each piece, in the order in which they are read."""
    seen: list[list[int]] = []

    def record(tokens: Sequence[int], meaning: Meaning, duration_s: float) -> Any:
        seen.append(list(tokens))
        return phrases_of(tokens, meaning, duration_s)

    monkeypatch.setattr(openai_whisper, "phrases_of", record)
    return seen


def load(file: Path, **changes: Any) -> Recogniser:
    return load_recogniser("small", row(file, **changes), "cpu")


def by_the_library(model: Whisper, samples: Samples, mels: int = 80, **options: Any) -> Any:
    """Recognise one piece as the library's `transcribe` recognises a recording of one window."""
    spectrogram = log_mel_spectrogram(samples, mels, padding=N_SAMPLES)[:, : len(samples) // 160]
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        return decode(model, pad_or_trim(spectrogram, 3_000), DecodingOptions(**({"fp16": False} | options)))


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("language", [None, "fr"])
def test_a_piece_is_recognised_as_by_the_library(
    file: Path, spoken: list[list[int]], language: str | None, beams: int
) -> None:
    model, recogniser = small_whisper(small_dims()), load(file, beams=beams)
    for samples in SOUNDS:
        expected = by_the_library(model, samples, language=language, beam_size=beams if beams > 1 else None)
        [found] = recogniser.recognise([Piece(samples, language)])
        assert spoken.pop() == expected.tokens
        assert found.language == expected.language
        assert found.log_probability == pytest.approx(expected.avg_logprob, abs=1e-4)
        assert found.no_speech == pytest.approx(expected.no_speech_prob, abs=1e-6)


@pytest.mark.parametrize("beams", [1, 3])
def test_what_is_compared_differs_from_piece_to_piece(file: Path, spoken: list[list[int]], beams: int) -> None:
    found = load(file, beams=beams).recognise([Piece(samples) for samples in SOUNDS])
    assert len({tuple(tokens) for tokens in spoken}) == len(SOUNDS)
    assert len({len(tokens) for tokens in spoken}) > 1
    assert len({each.language for each in found}) > 1


@pytest.mark.parametrize("beams", [1, 3])
def test_a_piece_is_recognised_alone_as_in_a_batch(file: Path, spoken: list[list[int]], beams: int) -> None:
    recogniser = load(file, beams=beams)
    pieces = [Piece(samples, None, avoids) for avoids in (False, True) for samples in SOUNDS]
    pieces[1:1] = [Piece(SOUNDS[1], "de"), Piece(SOUNDS[2], "de")]
    alone, said = [], []
    for piece in pieces:
        alone += recogniser.recognise([piece])
        said.append(spoken.pop())
    together = recogniser.recognise(pieces)
    assert sorted(spoken) == sorted(said)
    assert [each.phrases for each in together] == [each.phrases for each in alone]
    assert [(each.language, each.language_share) for each in together] == [
        (each.language, each.language_share) for each in alone
    ]
    for one, other in zip(together, alone, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)


def test_the_phrases_lie_in_the_piece_in_the_order_of_their_times(file: Path) -> None:
    for samples, found in zip(SOUNDS, load(file).recognise([Piece(each) for each in SOUNDS]), strict=True):
        times = [time_s for phrase in found.phrases for time_s in (phrase.start_s, phrase.end_s)]
        assert times == sorted(times)
        assert times[0] >= 0
        assert times[-1] <= len(samples) / RATE_HZ
        assert all(phrase.text and "<|" not in phrase.text for phrase in found.phrases)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_text_that_ends_by_the_limit_of_tokens_is_cut(file: Path, spoken: list[list[int]], beams: int) -> None:
    found = load(file, beams=beams).recognise([Piece(samples, "en") for samples in SOUNDS])
    assert [each.is_cut for each in found] == [len(tokens) == LONGEST_TOKENS for tokens in spoken]
    assert {each.is_cut for each in found} == {True, False}


def repeated(tokens: Sequence[int]) -> bool:
    """Return whether four text tokens occur twice."""
    text = [token for token in tokens if token < 50_257]
    fours = [tuple(text[at : at + 4]) for at in range(len(text) - 3)]
    return len(fours) > len(set(fours))


@pytest.mark.parametrize("beams", [1, 3])
def test_a_piece_that_avoids_repetition_does_not_repeat_itself(file: Path, spoken: list[list[int]], beams: int) -> None:
    recogniser = load(file, beams=beams)
    recogniser.recognise([Piece(REPEATS, "en"), Piece(REPEATS, "en", avoids_repetition=True)])
    assert [repeated(tokens) for tokens in spoken] == [True, False]


def test_tokens_that_would_repeat_others_are_found() -> None:
    assert openai_whisper.repeating([]) == []
    assert openai_whisper.repeating([1, 1, 1]) == []
    assert openai_whisper.repeating([1, 1, 1, 1]) == [1]
    assert openai_whisper.repeating([1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3]) == [4, 5]


def test_a_given_language_is_kept_and_certain(file: Path) -> None:
    recogniser = load(file)
    found = recogniser.recognise([Piece(SOUNDS[1], "de"), Piece(SOUNDS[1]), Piece(SOUNDS[1], "fr")])
    assert [each.language for each in found[::2]] == ["de", "fr"]
    assert [each.language_share for each in found[::2]] == [1, 1]
    assert found[1].language in recogniser.languages
    assert 0 < found[1].language_share < 1
    assert len(recogniser.languages) == 99


def test_a_model_for_english_recognises_english_alone(tmp_path: Path, spoken: list[list[int]]) -> None:
    model = small_whisper(small_dims(ENGLISH))
    recogniser = load(save(tmp_path / "english", model), languages="english")
    assert recogniser.languages == {"en"}
    found = recogniser.recognise([Piece(SOUNDS[1], "fr"), Piece(SOUNDS[1])])
    assert [(each.language, each.language_share) for each in found] == [("en", 1), ("en", 1)]
    assert spoken == [by_the_library(model, SOUNDS[1], language="en").tokens] * 2


def test_a_model_of_the_third_large_generation_is_recognised(tmp_path: Path, spoken: list[list[int]]) -> None:
    model = small_whisper(small_dims(51_866, n_mels=128))
    recogniser = load(save(tmp_path / "third", model))
    assert "yue" in recogniser.languages
    [found] = recogniser.recognise([Piece(SOUNDS[1])])
    expected = by_the_library(model, SOUNDS[1], 128)
    assert (spoken, found.language) == ([expected.tokens], expected.language)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_gpu_s_number_formats_compute_what_the_library_computes(
    file: Path, spoken: list[list[int]], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_whisper, "dtype_on", lambda device, card: getattr(torch, card.dtype))
    [found] = load(file, dtype=dtype, beams=2).recognise([Piece(SOUNDS[1], "en")])
    assert np.isfinite(found.log_probability)
    if dtype == "float16":  # the library knows no other
        expected = by_the_library(small_whisper(small_dims()), SOUNDS[1], language="en", beam_size=2, fp16=True)
        assert spoken == [expected.tokens]


def test_on_a_cpu_the_number_format_is_float32(file: Path) -> None:
    card = load_speech_card("small", row(file, dtype="float16"))
    assert openai_whisper.dtype_on(torch.device("cpu"), card) == torch.float32
    assert openai_whisper.dtype_on(torch.device("cuda"), card) == torch.float16


def test_samples_that_must_not_be_written_to_and_few_of_them_are_recognised(file: Path) -> None:
    samples = np.zeros(1, np.float32)
    samples.flags.writeable = False
    assert len(load(file).recognise([Piece(samples), Piece(samples[:0])])) == 2
    assert load(file).recognise([]) == []


def test_a_file_with_another_digest_is_refused(tmp_path: Path) -> None:
    file = save(tmp_path / "small", small_whisper(small_dims()))
    models = row(file)
    save(tmp_path / "small", small_whisper(small_dims(), seed=2))
    with pytest.raises(Fatal, match=r"model\.pt has SHA-256 .* but the model's card states"):
        load_recogniser("small", models, "cpu")


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        """Return what unpickling calls."""
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("by_torch", [True, False])
def test_a_file_with_code_is_refused_and_the_code_is_not_run(tmp_path: Path, by_torch: bool) -> None:
    (tmp_path / "small").mkdir()
    file, content = tmp_path / "small" / "model.pt", {"dims": {}, "model_state_dict": Code(tmp_path / "made")}
    torch.save(content, file) if by_torch else file.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(Fatal, match=r"model small: .*model\.pt is not a file of torch, or holds something other"):
        load(file)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"weights", {"model": {}}, [], {"dims": {"n_mels": 80}}])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: Any) -> None:
    (tmp_path / "small").mkdir()
    file = tmp_path / "small" / "model.pt"
    file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
    with pytest.raises(Fatal, match=r"model small: .*model\.pt is not a (file of torch|checkpoint of openai-whisper)"):
        load(file)


def test_weights_of_other_sizes_than_stated_are_refused(tmp_path: Path) -> None:
    model = small_whisper(small_dims())
    model.dims = small_dims(n_text_layer=2)
    with pytest.raises(Fatal, match="do not fit its `dims`"):
        load(save(tmp_path / "small", model))


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"languages": "english"}, "languages = english needs n_vocab = 51864, but the checkpoint has 51865"),
        ({"dim": WIDTH + 1}, f"dim = {WIDTH + 1} needs n_audio_state = {WIDTH + 1}, but the checkpoint has {WIDTH}"),
        ({"dtype": "int8"}, "the backend openai does not compute in int8"),
        ({"backend": "ctranslate2"}, "files must list one model.bin"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(file: Path, changes: dict[str, Any], reported: str) -> None:
    with pytest.raises(Fatal, match=reported):
        load(file, **changes)


@pytest.mark.parametrize("name", ["n_mels", "n_audio_ctx"])
def test_sizes_that_the_library_cannot_compute_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Fatal, match=f"a Whisper model needs {name} = "):
        load(save(tmp_path / "small", small_whisper(small_dims(**{name: 100}))))


def test_a_missing_library_is_reported_with_the_extra(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shared.embedding.audio.openai_whisper")
    for name in [name for name in sys.modules if name.partition(".")[0] == "whisper"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "whisper", None)
    with pytest.raises(Fatal, match=r"^model small needs whisper.*: install millrace\[speech,openai\]$"):
        load(file)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (RuntimeError("CUDA error: device-side assert triggered"), DeviceLost),
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError),
        (RuntimeError("the sizes do not match"), RuntimeError),
    ],
)
def test_a_dead_device_is_distinguished_from_other_failures(
    file: Path, error: Exception, raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    recogniser = load(file)
    recogniser.probe()

    def fail(*pieces: Any) -> list[Recognised]:
        raise error

    monkeypatch.setattr(recogniser, "_encoded", fail)
    with pytest.raises(raised) as caught:
        recogniser.recognise([Piece(SOUNDS[3])])
    assert type(caught.value) is raised
    with pytest.raises(DeviceLost, match="the model fails on silence"):
        recogniser.probe()
