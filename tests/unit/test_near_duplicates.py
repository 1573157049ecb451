"""Groups of nearly identical texts. A green run does not prove that rewordings in other words are found."""

from dataclasses import replace

import numpy as np

from shared.routing.training.folds import Examples, Origin
from shared.routing.training.near_duplicates import group_near_duplicates, in_groups

DIM = 64


def far_apart(texts: dict[str, list[str]]) -> Examples:
    """Return examples whose vectors are orthogonal, so that only the words can show that texts are alike."""
    pairs = [(text, label) for label, own in texts.items() for text in own]
    return Examples.of(
        [text for text, _ in pairs], [label for _, label in pairs], np.eye(DIM, dtype=np.float32)[: len(pairs)]
    )


def test_texts_that_differ_in_a_number_are_one_group() -> None:
    given = far_apart(
        {
            "a": ["where is my parcel number 4711 please", "where is my parcel number 4712 please", "it never came"],
            "b": ["I want my money back", "refund"],
        }
    )
    groups = group_near_duplicates(given)
    assert groups[0] == groups[1]
    assert len(set(groups)) == 4
    assert in_groups(groups) == 2


def test_texts_with_nearly_equal_vectors_are_one_group() -> None:
    given = far_apart({"a": ["lost", "vanished", "broken"], "b": ["refund", "money"]})
    given.vectors[1] = (given.vectors[0] + 0.1 * given.vectors[1]) / np.sqrt(1.01)
    groups = group_near_duplicates(given)
    assert groups[0] == groups[1] != groups[2]


def test_likeness_is_passed_on_but_never_across_labels() -> None:
    texts = ["where is my parcel number 4711 please", "where is my parcel number 4712 please"]
    groups = group_near_duplicates(far_apart({"a": [texts[0], "x y"], "b": [texts[1], "z z"]}))
    assert len(set(groups)) == 4, "two labels with like texts are hard to tell apart, which a fold should show"


def test_identical_texts_of_several_labels_are_one_group() -> None:
    groups = group_near_duplicates(far_apart({"a": ["same", "x"], "b": ["same", "y"]}))
    assert groups[0] == groups[2]
    assert len(set(groups)) == 3


def test_if_nothing_could_be_held_out_only_identical_texts_are_grouped() -> None:
    alike = [f"where is my parcel number 471{digit} please" for digit in range(4)]
    groups = group_near_duplicates(far_apart({"a": alike, "b": ["refund", "money"]}))
    assert len(set(groups)) == 6


def pictured(digests: str, cosine: float = 0.0) -> Examples:
    """Return products of one title and two labels, with a picture each; the first two have this cosine."""
    vectors = np.eye(DIM, dtype=np.float32)[: len(digests)]
    vectors[1] = cosine * vectors[0] + np.sqrt(1 - cosine**2) * vectors[1]
    origins = tuple(Origin(f"{number}.jpg", digest) for number, digest in enumerate(digests))
    truth = np.arange(len(digests)) // 2
    labels = tuple("abcdef"[: len(digests) // 2])
    return Examples(
        ("a title of four words",) * len(digests), vectors, truth, labels, ("image", "text"), (32, 32), origins
    )


def test_different_pictures_with_one_title_are_not_alike() -> None:
    assert len(set(group_near_duplicates(pictured("pqrs")))) == 4


def test_one_picture_with_one_title_is_one_group_across_labels() -> None:
    groups = group_near_duplicates(pictured("pqpr"))
    assert groups[0] == groups[2]
    assert len(set(groups)) == 3


def test_nearly_equal_pictures_of_a_label_are_one_group() -> None:
    groups = group_near_duplicates(pictured("pqrstu", cosine=0.86))
    assert groups[0] == groups[1]
    assert len(set(groups)) == 5


def test_one_picture_with_two_titles_is_one_group() -> None:
    examples = pictured("ppqrst")
    texts = tuple(f"title {number} of its own" for number in range(6))
    groups = group_near_duplicates(replace(examples, texts=texts))
    assert groups[0] == groups[1]
    assert len(set(groups)) == 5


def test_pictures_of_one_product_are_one_group_however_different_they_are() -> None:
    examples = pictured("pqrstu")
    origins = tuple(
        each._replace(product=name)
        for each, name in zip(examples.origins, ("p1", "p1", "", "", "p2", "p3"), strict=True)
    )
    groups = group_near_duplicates(replace(examples, origins=origins))
    assert groups[0] == groups[1]
    assert len(set(groups)) == 5


def test_texts_without_words_do_not_stop_the_grouping() -> None:
    assert len(set(group_near_duplicates(far_apart({"a": ["!", "?"], "b": [".", ","]})))) == 4
