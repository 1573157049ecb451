"""Pictures as words: their places among texts, and which collections have them.

A green run does not prove that pictures are found by words; `python -m benchmarks.pictures_by_words` measures that.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from millrace.configured import collection_spec, configured
from millrace.stage_resources import words_of
from millrace.streams import PICTURED, STREAMS
from shared.embedding.image.words import WORDS, PictureWords, words_digest
from shared.errors import Fatal
from shared.model_settings import ImageSettings
from shared.stream_settings import StreamSettings
from tests.support.fake_models import models_for
from tests.support.fakes import FakeModel
from tests.unit.test_zero_shot import Circle, Eye, head, pictures

CLIP_ROW = """
[clip]
source = "path:clip"
modality = "image"
backend = "transformers"
dim = 512
weights = "model.safetensors"
resize_px = 224
crop_px = 224
interpolation = "bicubic"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
pooling = "projection"
dtype = "float32"
licence = "MIT"
[clip.files]
"config.json" = "{digest}"
"model.safetensors" = "{digest}"
"""


def test_a_picture_is_placed_at_its_class_or_between_its_two_likeliest() -> None:
    words = PictureWords(head(("dress", "shoe", "cat", "truck")), Circle(), "{}", likeliest=1)
    np.testing.assert_allclose(words.places(pictures(0, 1)), words.classes[:2], atol=1e-5)
    between = np.array([[1, 1, 0, 0]], np.float32) / np.sqrt(np.float32(2))
    both = PictureWords(head(("dress", "shoe", "cat", "truck")), Circle(), "{}", likeliest=2).places(between)
    assert np.degrees(np.arctan2(both[0, 1], both[0, 0])) == pytest.approx(50, abs=0.1), "dress is at 5, shoe at 95"


def test_places_have_unit_length() -> None:
    places = PictureWords(head(), Circle(), "{}").places(pictures(0, 1, 2, 3))
    np.testing.assert_allclose(np.linalg.norm(places, axis=1), 1, atol=1e-6)


def test_the_collection_of_products_has_the_vector_in_the_space_of_texts_and_in_its_name() -> None:
    own = StreamSettings()
    with_words, without = collection_spec(own, PICTURED), collection_spec(own, replace(PICTURED, words=False))
    assert with_words.vectors == {**without.vectors, WORDS: without.vectors["text"]}
    assert with_words.name != without.name, "vectors of different meaning never share a collection"


def test_a_model_that_knows_no_classes_has_no_such_vector(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(CLIP_ROW.replace("{digest}", "0" * 64))
    own = StreamSettings(image=ImageSettings(model="clip", models_file=tmp_path / "models.toml"))
    assert WORDS not in collection_spec(own, PICTURED).vectors


def test_other_streams_have_no_such_vector() -> None:
    own = StreamSettings()
    others = [stream for stream in STREAMS.values() if stream is not PICTURED]
    assert others
    assert all(configured(stream, own).derived == {} for stream in others)


def test_another_length_of_features_is_another_collection() -> None:
    assert words_digest(10.0) != words_digest(11.0)


def test_a_model_without_the_classes_that_its_card_promises_is_refused() -> None:
    stream = configured(PICTURED, StreamSettings())
    with pytest.raises(Fatal, match="names no classes"):
        words_of(stream, {**models_for(stream, FakeModel()), "image": Eye(None)})
