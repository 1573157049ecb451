"""The dense features of a head of several inputs: their order, their scale, absent inputs, and the head's files.

A green run does not prove that a head of several inputs is better than one of a single input.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.embedding.port import Matrix
from shared.errors import Fatal
from shared.routing.features import TfIdf
from shared.routing.head import Head, Known
from shared.routing.head_files import save_head
from shared.routing.inputs import join_inputs, stack_vectors, to_compare
from shared.routing.linear import Linear
from shared.routing.scope import Scope

ONE = Head(
    labels=("a", "b"),
    model="30bde1f0",
    linear=Linear(np.eye(3, 2, dtype=np.float32), np.zeros((0, 2), np.float32), np.zeros(2, np.float32)),
    terms=TfIdf([], [], np.zeros(0, np.float32)),
    scope=Scope(-1.0, 1.0, 0.0, threshold=0.5),
    known=Known(("x", "y"), ("a", "b"), np.eye(2, 3, dtype=np.float32)),
)
TWO = replace(ONE, model="11111111+22222222", inputs=("image", "text"), dims=(1, 2))
PICTURE, TITLE = np.array([1], np.float32), np.array([0.6, 0.8], np.float32)


def units(*shape: int) -> Matrix:
    drawn = np.random.default_rng(5).normal(size=shape)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def test_one_input_is_its_vector_bit_for_bit() -> None:
    vectors = units(20, 384)
    stacked = stack_vectors([{"text": row, "image": row[:2]} for row in vectors], "text", 384)
    assert np.array_equal(join_inputs([stacked]), vectors)
    assert to_compare(vectors, ("text",)) is vectors


def test_inputs_stand_side_by_side_in_the_order_of_the_head() -> None:
    both, lacking = TWO.features([{"text": TITLE, "image": PICTURE}, {"text": TITLE}])
    assert both == pytest.approx(np.array([1, 0.6, 0.8]) / np.sqrt(2), abs=1e-7)
    assert lacking == pytest.approx(np.array([0, 0.6, 0.8]) / np.sqrt(2), abs=1e-7)
    assert np.linalg.norm(both) == pytest.approx(1, abs=1e-6)


def test_an_item_that_lacks_an_input_is_compared_by_a_true_cosine() -> None:
    known = to_compare(TWO.features([{"image": PICTURE}, {"text": TITLE}]), TWO.inputs)
    head = replace(TWO, known=Known(("x", "y"), ("a", "b"), known))
    asked = head.features([{"text": TITLE}, {"image": PICTURE, "text": TITLE}, {}])
    found = head.predict(["", "", ""], asked).similarity
    assert found == pytest.approx(np.array([1, np.sqrt(0.5), 0]), abs=1e-6)
    [(cosine, *example)] = head.explain("", asked[0], 1).nearest
    assert cosine == pytest.approx(1, abs=1e-6)
    assert example == ["b", "y"]


def test_a_head_of_several_inputs_is_saved_with_them(tmp_path: Path) -> None:
    saved = save_head(TWO, tmp_path / "two")
    assert (saved.inputs, saved.dims) == (("image", "text"), (1, 2))
    facts = json.loads((tmp_path / "two" / "head.json").read_text())
    assert (facts["inputs"], facts["dims"]) == (["image", "text"], [1, 2])
    other = save_head(replace(TWO, inputs=("text", "image"), dims=(2, 1)), tmp_path / "other")
    assert other.fingerprint != saved.fingerprint, "the order of the inputs changes answers"


def test_a_head_of_texts_keeps_the_facts_it_had(tmp_path: Path) -> None:
    assert save_head(ONE, tmp_path).inputs == ("text",)
    assert not {"inputs", "dims"} & json.loads((tmp_path / "head.json").read_text()).keys()


def test_a_head_of_several_inputs_needs_the_model_of_each() -> None:
    TWO.check_model({"text": "22222222", "image": "11111111", "sound": "33333333"})
    with pytest.raises(
        Fatal, match=r"trained on model 11111111\+22222222, but the configured model is 11111111\+30bde1f0"
    ):
        TWO.check_model({"text": "30bde1f0", "image": "11111111"})
    with pytest.raises(Fatal, match="trained on the inputs image, text, but here is no image"):
        TWO.check_model({"text": "22222222"})
