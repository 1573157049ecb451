"""Both backends recognise the same speech if they have the same weights: those of the packaged Whisper base in float32.

What it shows: features, tokens, languages and times of the adapter for openai-whisper are right, as far as two libraries
that share no code agree. A green run does not prove anything of a GPU, of other sizes, or of searches with several beams.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from millrace.resources import load_recogniser
from shared.embedding.audio.port import Piece, Recogniser
from tests.golden.test_speech import samples_of
from tests.support.converted_whisper import converted_base

# The library leaves the file of its vocabulary to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file .*tiktoken:ResourceWarning")

CLIPS = {"jfk.flac": "en", "french.aiff": "fr", "spk1_snt4.wav": "en"}


@pytest.fixture(scope="module")
def recognisers() -> Iterator[Mapping[str, Recogniser]]:
    with TemporaryDirectory() as folder:
        models = converted_base(Path(folder))
        yield {backend: load_recogniser(backend, models, "cpu") for backend in ("ctranslate2", "openai")}


@pytest.fixture(scope="module")
def pieces(data_dir: Path) -> list[Piece]:
    return [Piece(samples_of(data_dir / "speech" / "clips" / name)) for name in CLIPS]


def test_both_backends_recognise_the_same(recognisers: Mapping[str, Recogniser], pieces: list[Piece]) -> None:
    one, other = (recogniser.recognise(pieces) for recogniser in recognisers.values())
    assert [each.language for each in one] == list(CLIPS.values())
    for found, expected in zip(one, other, strict=True):
        assert found.phrases
        assert (found.phrases, found.language) == (expected.phrases, expected.language)
        assert found.language_share == pytest.approx(expected.language_share, abs=0.005)
        assert found.no_speech == pytest.approx(expected.no_speech, abs=0.005)
        assert found.log_probability == pytest.approx(expected.log_probability, abs=0.005)
    assert recognisers["openai"].languages == recognisers["ctranslate2"].languages - {"yue"}


def test_speech_is_recognised_alone_as_in_a_batch(recognisers: Mapping[str, Recogniser], pieces: list[Piece]) -> None:
    recogniser = recognisers["openai"]
    kinds = [pieces[2], Piece(pieces[0].samples, None, avoids_repetition=True), *pieces[:2]]
    for piece, found in zip(kinds, recogniser.recognise(kinds), strict=True):
        [alone] = recogniser.recognise([piece])
        assert (found.phrases, found.language, found.language_share) == (
            alone.phrases, alone.language, alone.language_share
        )  # fmt: skip
        assert found.log_probability == pytest.approx(alone.log_probability, abs=0.005)


def test_avoiding_repetition_changes_nothing_where_nothing_is_repeated(
    recognisers: Mapping[str, Recogniser], pieces: list[Piece]
) -> None:
    as_usual, avoiding = recognisers["openai"].recognise(
        [Piece(pieces[1].samples, "fr", kind) for kind in (False, True)]
    )
    assert as_usual == avoiding
    assert "la dictée" in as_usual.phrases[0].text
